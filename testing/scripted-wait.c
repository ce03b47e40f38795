/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting on the scripted domain: its vCPUs take turns until there is something to tell, and virtual
 * time passes.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "scripted.h"

#define NS_PER_MS UINT64_C(1000000)

/** Turns after the first event of a batch. */
#define LINGER 64u

/** How often the eventfd is looked at while the guest runs, in turns. */
#define LOOK_EVERY 1024u

/* What a wait is after. */
struct waiting {
	struct vmt_wait *wait;
	uint64_t deadline;
	bool endless;
};

enum verdict {
	GO_ON = 0,
	OVER = 1, /* the outcome stands in the vmt_wait */
};

static int over(struct waiting *w, enum vmt_wait_outcome outcome)
{
	w->wait->outcome = outcome;
	return OVER;
}

static uint32_t pending(const struct vmt_scripted *s)
{
	uint32_t n = 0;

	vmt_model_pending(s->model, &n);
	return n;
}

/* -------------------------------------------------------------------------------------------- */
/* Stops                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* Was a stop asked for? Reads the eventfd empty, which never blocks. */
static bool take_stop(const struct vmt_scripted *s)
{
	uint64_t count;
	ssize_t n;

	do
		n = read(s->stop_fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	return n == sizeof(count);
}

static int nothing_will_happen(struct vmt_scripted *s, struct waiting *w)
{
	struct pollfd fd = {.fd = s->stop_fd, .events = POLLIN};
	int n;

	do
		n = poll(&fd, 1, s->stop_wait_ms);
	while (n < 0 && errno == EINTR);
	if (take_stop(s))
		return over(w, VMT_WAIT_STOPPED);
	vmt_error_set(&s->failed, VMT_E_WRONG_PLACE, "wait",
		      "the wait has no timeout, and nothing will happen: %s; for %d ms no "
		      "other thread asked for a stop",
		      vmt_scripted_done(&s->driver) ? "the script is at its end"
						    : "the domain is paused, or events of it were "
						      "not answered and committed",
		      s->stop_wait_ms);
	s->driver.err = s->failed;
	return -VMT_E_WRONG_PLACE;
}

/* -------------------------------------------------------------------------------------------- */
/* Steps of the world                                                                           */
/* -------------------------------------------------------------------------------------------- */

static void pass_border(struct vmt_scripted *s)
{
	for (size_t i = s->border + 1; i < s->nsteps; i++) {
		if (vmt_insn_kind_find(s->steps[i].kind)->instruction)
			continue;
		s->border = i;
		return;
	}
	s->border = VMT_SCRIPT_END;
}

static int fail_step(struct vmt_scripted *s, size_t index, const struct vmt_step *step, int result)
{
	char place[VMT_ERROR_PLACE];

	snprintf(place, sizeof(place), "script, step %zu (%s)", index, vmt_step_name(step->kind));
	if (s->failed.status == 0)
		vmt_error_set(&s->failed, VMT_E_INVALID, place, "it failed (%s)%s%s",
			      vmt_status_name(-result), s->driver.err.status ? ": " : "",
			      s->driver.err.text);
	s->driver.err = s->failed;
	return -VMT_E_INVALID;
}

/* Time passes, as far as the wait goes. */
static int idle(struct vmt_scripted *s, const struct vmt_step *step, const struct waiting *w)
{
	uint64_t part;

	if (s->idle_left == 0)
		s->idle_left = step->value;
	part = s->idle_left;
	if (!w->endless && part > w->deadline - s->now)
		part = w->deadline - s->now;
	s->now += part;
	s->idle_left -= part;
	if (s->idle_left == 0)
		pass_border(s);
	return GO_ON;
}

static int wait_fails(struct vmt_scripted *s, const struct vmt_step *step)
{
	return vmt_error_set_errno(&s->driver.err, VMT_E_HYPERVISOR, (int)step->what, "wait",
				   "the script lets this wait fail");
}

static int send_stop(struct vmt_scripted *s)
{
	const uint64_t one = 1;

	return write(s->stop_fd, &one, sizeof(one)) == sizeof(one) ? GO_ON : -VMT_E_IO;
}

/* Do the step at the border. All before it is done. */
static int do_world_step(struct vmt_scripted *s, struct waiting *w)
{
	const struct vmt_step step = s->steps[s->border]; /* a call may add steps and move them */
	size_t index = s->border;
	int r = 0;

	if (step.kind == VMT_STEP_IDLE)
		return idle(s, &step, w);
	pass_border(s);
	memset(&s->driver.err, 0, sizeof(s->driver.err));
	switch (step.kind) {
	case VMT_STEP_WAIT_FAIL:
		return wait_fails(s, &step);
	case VMT_STEP_SPURIOUS:
		return over(w, VMT_WAIT_EVENTS);
	case VMT_STEP_STOP:
		r = send_stop(s);
		break;
	case VMT_STEP_DESTROYED:
		s->destroyed = true;
		s->gone = true;
		break;
	case VMT_STEP_GONE:
		s->gone = true;
		break;
	case VMT_STEP_POKE:
		r = vmt_scripted_copy_in(s, step.addr, step.bytes, step.len, &s->driver.err);
		break;
	case VMT_STEP_EVENT:
		r = vmt_model_post(s->model, step.event, true, &s->driver.err);
		break;
	case VMT_STEP_CALL:
		r = step.call(&s->driver, step.arg);
		break;
	default: /* VMT_STEP_SYNC */
		break;
	}
	return r < 0 ? fail_step(s, index, &step, r) : GO_ON;
}

/* Is everything before the border done, so that nothing holds a vCPU? */
static bool border_is_reached(struct vmt_scripted *s)
{
	if (s->out > 0)
		return false;
	for (uint16_t vcpu = 0; vcpu < s->config.vcpus; vcpu++)
		if (!vmt_model_runnable(s->model, vcpu) ||
		    !vmt_scripted_has_reached(s, vcpu, s->border))
			return false;
	return true;
}

/* -------------------------------------------------------------------------------------------- */
/* Turns                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* Each vCPU once. 1: something was done; 0: none can run. */
static int take_turns(struct vmt_scripted *s)
{
	int any = 0;

	for (uint16_t vcpu = 0; vcpu < s->config.vcpus; vcpu++) {
		int r = vmt_scripted_turn(s, vcpu);

		if (r < 0)
			return r;
		any |= r;
	}
	if (any)
		s->now += s->config.insn_ns;
	return any;
}

/* No vCPU can run now. */
static int stand_still(struct vmt_scripted *s, struct waiting *w)
{
	if (pending(s) > 0)
		return over(w, VMT_WAIT_EVENTS);
	if (border_is_reached(s)) {
		if (s->border != VMT_SCRIPT_END)
			return do_world_step(s, w);
		if (s->config.at_end == VMT_SCRIPTED_GONE) {
			s->gone = true;
			return GO_ON;
		}
	}
	if (w->endless)
		return nothing_will_happen(s, w);
	s->now = w->deadline;
	return GO_ON;
}

static int run(struct vmt_scripted *s, struct waiting *w)
{
	unsigned lingered = 0;
	int r = GO_ON;

	for (unsigned turns = 0; r == GO_ON; turns++) {
		if (turns % LOOK_EVERY == 0 && take_stop(s))
			return over(w, VMT_WAIT_STOPPED);
		if (pending(s) > 0 && (s->gone || ++lingered > LINGER))
			return over(w, VMT_WAIT_EVENTS);
		if (s->gone)
			return over(w, VMT_WAIT_GONE);
		r = take_turns(s);
		if (r < 0)
			return r;
		if (r == 0) {
			r = stand_still(s, w);
			turns = UINT32_MAX; /* a stop may have been sent: look at once */
		} else {
			r = GO_ON;
		}
		if (r == GO_ON && !w->endless && s->now >= w->deadline && pending(s) == 0 &&
		    !s->gone)
			return over(w, take_stop(s) ? VMT_WAIT_STOPPED : VMT_WAIT_TIMEOUT);
	}
	return r;
}

static int tell_failure(struct vmt_scripted *s)
{
	s->told = true;
	s->driver.err = s->failed;
	return -s->failed.status;
}

int vmt_scripted_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait)
{
	struct vmt_scripted *s = (struct vmt_scripted *)d;
	struct waiting w = {.wait = wait, .endless = timeout_ms < 0};
	int r;

	if (!w.endless)
		w.deadline = s->now + (uint64_t)timeout_ms * NS_PER_MS;
	if (s->failed.status != 0)
		return tell_failure(s);
	memset(wait, 0, sizeof(*wait));
	r = run(s, &w);
	wait->pending = pending(s);
	wait->now = s->now;
	if (s->failed.status != 0)
		return tell_failure(s);
	return r < 0 ? r : 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Settling                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/* Each vCPU is scheduled in, and executes nothing: its guest has ended, or its script failed. */
static int enter_all(struct vmt_scripted *s)
{
	int r = 0;

	for (uint16_t vcpu = 0; r >= 0 && vcpu < s->config.vcpus; vcpu++) {
		struct vmt_entry entry;

		r = vmt_model_enter(s->model, vcpu, &entry, &s->driver.err);
		if (r == 1 && (entry.flags & VMT_ENTRY_DELIVER) && !s->gone)
			r = vmt_scripted_deliver(s, vcpu, &entry.deliver);
	}
	return r;
}

int vmt_scripted_settle(struct vmt_driver *d, int timeout_ms)
{
	struct vmt_scripted *s = (struct vmt_scripted *)d;
	uint64_t deadline = s->now + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * NS_PER_MS;
	bool ended = s->gone || s->failed.status != 0;
	int r = ended ? enter_all(s) : 1;

	/* The guest runs meanwhile, so each vCPU has a turn, also those that nothing is due for. */
	while (!ended && r == 1) {
		r = take_turns(s);
		if (vmt_model_unsettled(s->model) == 0 || s->now > deadline)
			break;
	}
	/* What goes wrong only here is told at each try, so that it is not lost on a second one. */
	if (s->failed.status != 0 && !s->told) {
		d->err = s->failed;
		return -s->failed.status;
	}
	return r < 0 ? r : vmt_model_settle(s->model, NULL, NULL, &d->err);
}
