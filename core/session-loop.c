/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session loop: poll, wait, deliver each event, commit; and again.
 *
 * Source: vmi-rs crates/vmi-core/src/ctx/session.rs, with the differences that DESIGN's decided
 * sentences make: polls between the events of a batch, one more poll after an interrupt, the same
 * teardown whatever the end.
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <vmitape/run.h>

#include "session-private.h"

#define NS_PER_MS UINT64_C(1000000)

void vmt_session_set_now(struct vmt_session *s, uint64_t now)
{
	if (now > s->now)
		s->now = now;
}

void vmt_session_finish(struct vmt_session *s, enum vmt_end end, const struct vmt_error *err)
{
	if (err)
		VMT_OBSERVE(s, failure, err);
	if (s->outcome.end != VMT_END_NONE) {
		if (err)
			vmt_session_teardown_failed(s, err);
		return;
	}
	s->outcome.end = end;
	if (err)
		s->outcome.error = *err;
}

void vmt_session_finish_driver(struct vmt_session *s)
{
	if (s->driver->err.status == VMT_E_GONE)
		vmt_session_finish(s, VMT_END_GONE, NULL);
	else if (s->driver->err.status == VMT_E_END_OF_TRACE)
		vmt_session_finish(s, VMT_END_OF_TRACE, NULL);
	else
		vmt_session_finish(s, VMT_END_DRIVER_FAILED, &s->driver->err);
}

static bool over(const struct vmt_session *s)
{
	return s->outcome.end != VMT_END_NONE;
}

/** What begin and step return: 1 to go on, 0 over, negative failed. */
static int progress(const struct vmt_session *s)
{
	return over(s) ? -s->outcome.error.status : 1;
}

/* -------------------------------------------------------------------------------------------- */
/* Begin                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void poll_handler(struct vmt_session *s)
{
	int r = vmt_session_call_poll(s);

	if (r < 0)
		vmt_session_finish(s, VMT_END_HANDLER_FAILED, &s->err);
	else if (r > 0)
		vmt_session_finish(s, VMT_END_FINISHED, NULL);
}

static void restart_timeout(struct vmt_session *s)
{
	int ms = s->config.timeout_ms;

	s->deadline = ms < 0 ? UINT64_MAX : s->now + (uint64_t)ms * NS_PER_MS;
}

static void create_handler(struct vmt_session *s)
{
	if (vmt_driver_pause(s->driver) < 0) {
		vmt_session_finish_driver(s);
		return;
	}
	s->own_pauses++;
	if (vmt_session_call_create(s) < 0) {
		/* The domain stays paused until the teardown has undone what create did. */
		vmt_session_finish(s, VMT_END_CREATE_FAILED, &s->err);
		return;
	}
	s->created = true;
	if (vmt_driver_resume(s->driver) < 0)
		vmt_session_finish_driver(s);
	else
		s->own_pauses--;
}

/** The loop is not for those whom it calls. */
static int refuse_callback(struct vmt_session *s, const char *call)
{
	if (!vmt_session_on_callback(s))
		return 0;
	return vmt_error_set(&s->err, VMT_E_WRONG_PLACE, call,
			     "a handler cannot run the session that has called it; return from the "
			     "callback");
}

int vmt_session_begin(struct vmt_session *s)
{
	int r = refuse_callback(s, "vmt_session_begin");

	if (r < 0)
		return r;
	if (s->began)
		return vmt_error_set(&s->err, VMT_E_WRONG_PLACE, "vmt_session_begin",
				     "this session has begun already; create another one");
	s->began = true;
	VMT_OBSERVE(s, begin, s);
	create_handler(s);
	if (!over(s)) {
		s->phase = VMT_PHASE_LOOP;
		restart_timeout(s);
		poll_handler(s);
	}
	return progress(s);
}

/* -------------------------------------------------------------------------------------------- */
/* Delivering events                                                                            */
/* -------------------------------------------------------------------------------------------- */

/** In the drain only continue, reinject and registers are honoured: the traps are gone. */
static struct vmt_response drained(struct vmt_response rsp)
{
	if (rsp.action != VMT_REINJECT)
		rsp.action = VMT_CONTINUE;
	rsp.flags &= VMT_RSP_REGS;
	rsp.view = 0;
	rsp.data = NULL;
	rsp.data_len = 0;
	return rsp;
}

static void answer_by_default(struct vmt_session *s, const struct vmt_event *ev)
{
	struct vmt_gprs gprs;
	struct vmt_response rsp = vmt_default_answer(ev, &gprs);

	VMT_OBSERVE(s, default_answer, ev, &rsp);
	for (unsigned attempt = 0; attempt < 2; attempt++)
		if (vmt_driver_answer(s->driver, ev, &rsp) >= 0)
			return;
	vmt_session_finish_driver(s);
}

/** A refused response is the handler's failure when the response was at fault. */
static void answer_refused(struct vmt_session *s)
{
	switch (s->driver->err.status) {
	case VMT_E_INVALID:
	case VMT_E_NOT_SUPPORTED:
	case VMT_E_NOT_FOUND:
	case VMT_E_BUSY: /* to reinject behind an injection of its own */
	case VMT_E_WRONG_PLACE:
		vmt_error_prefix(&s->driver->err,
				 "handler '%s', callback %llu: its response was refused: ",
				 s->handler->name, (unsigned long long)s->callback.number);
		vmt_session_finish(s, VMT_END_HANDLER_FAILED, &s->driver->err);
		break;
	default:
		vmt_session_finish_driver(s);
	}
}

void vmt_session_deliver(struct vmt_session *s, const struct vmt_event *ev)
{
	struct vmt_response rsp;
	struct vmt_ctx ctx;

	s->outcome.events++;
	if (!s->created) {
		answer_by_default(s, ev);
		return;
	}
	vmt_ctx_init(&ctx, s, ev);
	if (vmt_session_call_event(s, &ctx, &rsp) < 0) {
		vmt_session_finish(s, VMT_END_HANDLER_FAILED, &s->err);
		answer_by_default(s, ev);
		return;
	}
	if (s->phase == VMT_PHASE_DRAIN)
		rsp = drained(rsp);
	if (vmt_driver_answer(s->driver, ev, &rsp) < 0) {
		answer_refused(s);
		answer_by_default(s, ev);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* One round of the loop                                                                        */
/* -------------------------------------------------------------------------------------------- */

static bool stop_asked(const struct vmt_session *s)
{
	return atomic_load(&s->stop);
}

static void interrupt_handler(struct vmt_session *s)
{
	vmt_session_call_interrupted(s);
	poll_handler(s);
	vmt_session_finish(s, VMT_END_INTERRUPTED, NULL);
}

static void time_out_handler(struct vmt_session *s)
{
	if (s->wake_at && s->now >= s->wake_at)
		s->wake_at = 0;
	s->outcome.timeouts++;
	if (vmt_session_call_timeout(s) < 0) {
		vmt_session_finish(s, VMT_END_HANDLER_FAILED, &s->err);
		return;
	}
	restart_timeout(s);
	poll_handler(s);
}

/**
 * Take and deliver the batch's events until none is left or the session is over; the rest is left
 * for the drain. What was answered is committed unless the session is over: the teardown commits
 * then, with the domain paused.
 */
static void deliver_batch(struct vmt_session *s)
{
	struct vmt_event ev;
	bool any = false;
	int r;

	while (!over(s) && !stop_asked(s)) {
		r = vmt_driver_next(s->driver, &ev);
		if (r < 0)
			vmt_session_finish_driver(s);
		if (r <= 0)
			break;
		any = true;
		vmt_session_deliver(s, &ev);
		if (!over(s))
			poll_handler(s);
	}
	if (over(s))
		return;
	if (any) {
		restart_timeout(s);
		if (vmt_driver_commit(s->driver) < 0) {
			vmt_session_finish_driver(s);
			return;
		}
	}
	if (stop_asked(s))
		interrupt_handler(s);
}

/** How long to wait: until the timeout or the time of vmt_wake_at, whichever is first. */
static int wait_ms(const struct vmt_session *s)
{
	uint64_t until = s->deadline;
	uint64_t ms;

	if (s->wake_at && s->wake_at < until)
		until = s->wake_at;
	if (until == UINT64_MAX)
		return -1;
	if (until <= s->now)
		return 0;
	ms = (until - s->now - 1) / NS_PER_MS + 1; /* rounded up; adding first may overflow */
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static bool time_is_up(const struct vmt_session *s)
{
	return s->now >= s->deadline || (s->wake_at && s->now >= s->wake_at);
}

static void wait_outcome(struct vmt_session *s, uint32_t outcome)
{
	switch (outcome) {
	case VMT_WAIT_EVENTS:
		deliver_batch(s);
		/* On a busy guest too, and when spurious wake-ups ate the time. */
		if (!over(s) && time_is_up(s))
			time_out_handler(s);
		break;
	case VMT_WAIT_TIMEOUT:
		time_out_handler(s);
		break;
	case VMT_WAIT_STOPPED:
		interrupt_handler(s);
		break;
	case VMT_WAIT_GONE:
		vmt_session_finish(s, VMT_END_GONE, NULL);
		break;
	case VMT_WAIT_END_OF_TRACE:
		vmt_session_finish(s, VMT_END_OF_TRACE, NULL);
		break;
	default:
		vmt_error_set(
			&s->driver->err, VMT_E_ABI, "wait",
			"the driver '%s' reports outcome %u, which this library does not know",
			s->driver->ops->name, outcome);
		vmt_session_finish_driver(s);
	}
}

int vmt_session_step(struct vmt_session *s)
{
	struct vmt_wait wait = {0};
	int r = refuse_callback(s, "vmt_session_step");

	if (r < 0)
		return r;
	if (!s->began || s->ended)
		return vmt_error_set(&s->err, VMT_E_WRONG_PLACE, "vmt_session_step",
				     "call vmt_session_begin first, and no step after the end");
	if (over(s))
		return progress(s);
	if (stop_asked(s)) {
		interrupt_handler(s);
		return progress(s);
	}
	if (vmt_driver_wait(s->driver, wait_ms(s), &wait) < 0) {
		vmt_session_finish_driver(s);
		return progress(s);
	}
	vmt_session_set_now(s, wait.now);
	wait_outcome(s, wait.outcome);
	return progress(s);
}

/* -------------------------------------------------------------------------------------------- */
/* End                                                                                          */
/* -------------------------------------------------------------------------------------------- */

int vmt_session_end(struct vmt_session *s, struct vmt_outcome *outcome)
{
	int r = refuse_callback(s, "vmt_session_end");

	if (r < 0 && outcome)
		*outcome = s->outcome;
	if (r < 0)
		return r;
	if (s->began && !s->ended) {
		/* Whoever owns the loop may end it when it likes: that is a stop. */
		if (!over(s))
			interrupt_handler(s);
		vmt_session_teardown(s);
		s->ended = true;
		s->phase = VMT_PHASE_OVER;
		if (vmt_record_schema(s->output))
			s->outcome.output = s->output;
		VMT_OBSERVE(s, end, &s->outcome);
	}
	if (outcome)
		*outcome = s->outcome;
	if (s->outcome.error.status)
		return -s->outcome.error.status;
	return -s->outcome.teardown.status;
}

void vmt_session_stop(struct vmt_session *s)
{
	const uint64_t one = 1;
	int saved = errno; /* signal handlers call this */

	atomic_store(&s->stop, true);
	if (s->stop_fd >= 0 && write(s->stop_fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: then it is readable already */
	errno = saved;
}
