/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waits, events, answers: what happened to the guest, in the order of the recording.
 *
 * Records are aligned by stimulus: a wait goes to the next recorded wait, an event to the next
 * recorded event. What the recorded session did in between and the replayed one does not is passed
 * over, with the recorded side following.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay-private.h"

#define NS_PER_MS UINT64_C(1000000)
#define CALL(op)  VMT_KIND(VMT_TRACE_CALL + (op))

#define WAITS     CALL(VMT_CALL_WAIT)
#define EVENTS    (VMT_KIND(VMT_TRACE_EVENT) | CALL(VMT_CALL_NEXT))
#define CALLBACKS VMT_KIND(VMT_TRACE_CALLBACK)
#define POLLS     VMT_KIND(VMT_TRACE_POLL)
#define COMMITS   CALL(VMT_CALL_COMMIT)
#define TEARDOWNS (VMT_KIND(VMT_TRACE_TEARDOWN) | VMT_KIND(VMT_TRACE_OUTCOME))

/* -------------------------------------------------------------------------------------------- */
/* The guest goes on                                                                            */
/* -------------------------------------------------------------------------------------------- */

void vmt_replay_judge(struct vmt_replay *r)
{
	struct vmt_meets recorded = vmt_recorded_meets(r);
	struct vmt_meets replayed = vmt_replayed_meets(r);
	struct vmt_judgement judged;

	if (r->alike || r->past)
		return;
	if (vmt_footprints_same(&recorded, &replayed)) {
		r->alike = true;
		r->suspected = false;
		memset(&r->judged, 0, sizeof(r->judged));
		return;
	}
	if (vmt_footprints_judge(&recorded, &replayed, &judged) < 0) {
		vmt_replay_break(r, &(struct vmt_error){.status = VMT_E_NO_MEMORY,
							.place = "replay",
							.text = "no memory to compare"});
		return;
	}
	if (judged.blind > 0) {
		r->report->blind_times++;
		if (judged.blind > r->report->blind)
			r->report->blind = judged.blind;
		if (!r->report->blind_text[0])
			snprintf(r->report->blind_text, sizeof(r->report->blind_text),
				 "%s, since callback %llu", judged.blind_text,
				 (unsigned long long)r->suspect_callback);
	}
	/* A difference that stays is one difference. */
	if (judged.visible &&
	    (!r->judged.visible || strcmp(judged.replayed, r->judged.replayed) != 0 ||
	     strcmp(judged.recorded, r->judged.recorded) != 0))
		vmt_differs_since(r, VMT_DIFFERS_FOOTPRINT, "what the guest meets as it goes on",
				  judged.recorded, judged.replayed);
	r->judged = judged;
	r->suspected = false;
}

/* -------------------------------------------------------------------------------------------- */
/* Dispositions                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static bool *find_decided(struct vmt_replay *r, uint64_t ticket)
{
	for (uint32_t i = 0; i < r->ndecided; i++)
		if (r->decided[i].ticket == ticket)
			return &r->decided[i].delivered;
	return NULL;
}

static bool would_trap(struct vmt_replay *r, const struct vmt_event *ev)
{
	struct vmt_meets recorded = vmt_recorded_meets(r);
	struct vmt_meets replayed = vmt_replayed_meets(r);

	return r->alike || vmt_would_trap(&replayed, &recorded, ev);
}

/** Decide for each event from the front until the next of @until. Returns how many are delivered. */
static uint32_t decide(struct vmt_replay *r, uint64_t until, uint32_t *nevents)
{
	const struct vmt_trace_record *record;
	uint32_t delivered = 0;

	*nevents = 0;
	r->ndecided = 0;
	if (r->alike)
		return 0;
	for (size_t n = 0; (record = vmt_window_at(&r->window, n)); n++) {
		const struct vmt_event *ev;
		struct vmt_decided *d;

		if (until & VMT_KIND(record->kind))
			break;
		if (record->kind != VMT_TRACE_EVENT || r->ndecided == VMT_HELD_MAX)
			continue;
		ev = &((const struct vmt_trace_event *)record->body)->event;
		if (ev->vcpu >= r->recorded.vcpus)
			break;
		vmt_side_ran(&r->recorded, ev, true);
		vmt_side_ran(&r->replayed, ev, false);
		d = &r->decided[r->ndecided++];
		d->ticket = ev->ticket;
		d->delivered = would_trap(r, ev);
		delivered += d->delivered;
		++*nevents;
	}
	return delivered;
}

/** The recorded answer to the event at the front: the first that was taken. */
static const struct vmt_response *recorded_answer(struct vmt_replay *r, uint64_t ticket)
{
	const struct vmt_trace_record *record;

	for (size_t n = 1; (record = vmt_window_at(&r->window, n)); n++) {
		const struct vmt_trace_call *tc = record->body;

		if ((EVENTS | COMMITS | WAITS) & VMT_KIND(record->kind))
			break;
		if (record->kind == VMT_TRACE_CALL + VMT_CALL_ANSWER && tc->call.result >= 0 &&
		    tc->call.u.answer.event->ticket == ticket)
			return tc->call.u.answer.response;
	}
	return NULL;
}

/**
 * The event at the front is none of the replayed handler's. Pass over it and what the recorded
 * handler did about it, if that left the guest alone; else the recorded future is not this handler's.
 */
static void suppress(struct vmt_replay *r, const struct vmt_event *ev)
{
	struct vmt_meets recorded = vmt_recorded_meets(r);
	const struct vmt_response *rsp = recorded_answer(r, ev->ticket);
	const char *why = "never answered it";
	char text[192];
	char event[160];
	size_t n;

	r->report->suppressed++;
	if (!rsp || !vmt_left_alone(&recorded, ev, rsp, &why)) {
		r->event_number = vmt_window_at(&r->window, 0)->event;
		r->cur.ev = *ev;
		r->cur.event = r->event_number;
		n = vmt_align_seek(r, CALLBACKS, EVENTS & ~VMT_KIND(VMT_TRACE_EVENT));
		if (n != VMT_NOT_FOUND)
			r->cur.recorded = vmt_window_at(&r->window, n)->callback;
		snprintf(text, sizeof(text),
			 "would need emulation: the recorded handler trapped this and %s", why);
		vmt_differs(r, VMT_DIFFERS_FUTURE, text, vmt_event_format(ev, event, sizeof(event)),
			    "no such trap");
		vmt_replay_end_here(r, VMT_STOPPED_BY_CHANGE);
		return;
	}
	vmt_align_consume(r, 1);
	n = vmt_align_seek(r, EVENTS | COMMITS | WAITS | TEARDOWNS, 0);
	if (n == VMT_NOT_FOUND)
		n = r->window.n;
	vmt_align_consume(r, n);
}

/* -------------------------------------------------------------------------------------------- */
/* wait                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static int wait_is(struct vmt_replay *r, struct vmt_call *call, uint32_t outcome, uint64_t now)
{
	call->u.wait.wait->outcome = outcome;
	call->u.wait.wait->pending = 0;
	call->u.wait.wait->now = now;
	r->now = now;
	call->result = 0;
	return 0;
}

/** There is no recorded wait any more. */
static int no_more(struct vmt_replay *r, struct vmt_call *call)
{
	char text[64];

	if (r->broken.status != VMT_OK) {
		r->base.driver.err = r->broken;
		call->result = -r->broken.status;
		return call->result;
	}
	if (!r->past) {
		if (vmt_align_seek(r, TEARDOWNS, 0) != VMT_NOT_FOUND) {
			snprintf(text, sizeof(text), "it ended here: %s",
				 vmt_end_name(r->facts.recorded_end));
			vmt_differs(r, VMT_DIFFERS_END, "the end of the session", text,
				    "it goes on");
			vmt_replay_end_here(r, VMT_STOPPED_BY_CHANGE);
		} else {
			vmt_replay_end_here(r, VMT_STOPPED_BY_CUT);
		}
	}
	return wait_is(r, call, VMT_WAIT_END_OF_TRACE, r->now);
}

/** When the replayed session's wait is up; UINT64_MAX: never. */
static uint64_t deadline_of(const struct vmt_replay *r, const struct vmt_call *call)
{
	uint64_t ns;

	if (call->u.wait.timeout_ms < 0)
		return UINT64_MAX;
	ns = (uint64_t)call->u.wait.timeout_ms * NS_PER_MS;
	return r->now > UINT64_MAX - ns ? UINT64_MAX : r->now + ns;
}

static int wait_results(struct vmt_replay *r, const struct vmt_trace_call *tc,
			struct vmt_call *call)
{
	vmt_take_results(r, tc, call);
	if (call->result >= 0)
		r->now = call->u.wait.wait->now;
	return call->result;
}

/**
 * What the next recorded wait is to the replayed one. 1: @call has its answer; 0: go on with the
 * wait after it. @same: this wait began like the recorded one.
 */
static int one_wait(struct vmt_replay *r, struct vmt_call *call, uint64_t deadline, bool same)
{
	struct vmt_wait wait = {0};
	struct vmt_trace_call tc;
	uint32_t nevents;
	uint32_t delivered;

	tc = *(const struct vmt_trace_call *)vmt_window_at(&r->window, 0)->body;
	if (tc.call.result >= 0)
		wait = *tc.call.u.wait.wait;
	tc.call.u.wait.wait = &wait;
	if (!same && tc.call.result >= 0 && deadline < wait.now) {
		/* This handler had chosen an earlier time; the guest was running then. */
		r->report->timeouts_made++;
		r->alike = false;
		wait_is(r, call, VMT_WAIT_TIMEOUT, deadline);
		return 1;
	}
	vmt_align_use(r);
	if (r->past) {
		no_more(r, call);
		return 1;
	}
	if (tc.call.result >= 0 && wait.outcome == VMT_WAIT_TIMEOUT && !same && wait.now < deadline)
		return 0;
	if (tc.call.result >= 0 && wait.outcome == VMT_WAIT_EVENTS && !r->alike) {
		delivered = decide(r, COMMITS | WAITS | TEARDOWNS, &nevents);
		if (nevents > 0 && delivered == 0) {
			struct vmt_call none = {.op = VMT_CALL_NEXT};
			struct vmt_event ev;

			none.u.next.event = &ev;
			vmt_replay_next(r, &none);
			if (!r->past)
				return 0;
			no_more(r, call);
			return 1;
		}
		if (nevents > 0 && wait.pending > delivered)
			wait.pending = delivered;
	}
	wait_results(r, &tc, call);
	return 1;
}

int vmt_replay_wait(struct vmt_replay *r, struct vmt_call *call)
{
	const uint64_t deadline = deadline_of(r, call);
	bool first = true;

	for (;; first = false) {
		size_t n = vmt_align_seek(r, WAITS, TEARDOWNS);
		const struct vmt_trace_call *tc;

		if (n == VMT_NOT_FOUND)
			return no_more(r, call);
		vmt_align_consume(r, n);
		if (r->past)
			return no_more(r, call);
		vmt_side_all_ran(&r->recorded);
		vmt_side_all_ran(&r->replayed);
		vmt_replay_judge(r);
		tc = vmt_window_at(&r->window, 0)->body;
		if (one_wait(r, call, deadline,
			     first && r->now == r->recorded_now &&
				     tc->call.u.wait.timeout_ms == call->u.wait.timeout_ms))
			return call->result;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* next                                                                                         */
/* -------------------------------------------------------------------------------------------- */

/** A place for the event's raw bytes, until it is answered. */
static struct vmt_lent *lend(struct vmt_replay *r, const struct vmt_event *ev)
{
	for (uint32_t i = 0; i < VMT_HELD_MAX; i++) {
		struct vmt_lent *l = &r->lent[i];

		if (l->used)
			continue;
		l->raw = NULL;
		if (ev->raw_len > 0) {
			l->raw = malloc(ev->raw_len);
			if (!l->raw)
				return NULL;
			memcpy(l->raw, ev->raw, ev->raw_len);
		}
		l->used = true;
		l->ticket = ev->ticket;
		l->ev = *ev;
		l->ev.raw = l->raw;
		return l;
	}
	return NULL;
}

static struct vmt_lent *find_lent(struct vmt_replay *r, uint64_t ticket)
{
	for (uint32_t i = 0; i < VMT_HELD_MAX; i++)
		if (r->lent[i].used && r->lent[i].ticket == ticket)
			return &r->lent[i];
	return NULL;
}

static void give_back(struct vmt_lent *lent)
{
	free(lent->raw);
	memset(lent, 0, sizeof(*lent));
}

/** As the replayed handler would see it: in the view in which its own vCPU is. */
static void in_its_view(struct vmt_replay *r, struct vmt_event *ev)
{
	vmt_view recorded;
	vmt_view replayed;

	vmt_side_ran(&r->recorded, ev, true);
	vmt_side_ran(&r->replayed, ev, false);
	recorded = vmt_model_view_of(r->recorded.model, ev->vcpu);
	replayed = vmt_model_view_of(r->replayed.model, ev->vcpu);
	if (!r->alike && recorded != replayed && (ev->flags & VMT_EVENT_HAS_VIEW))
		ev->view = replayed;
}

static int deliver(struct vmt_replay *r, struct vmt_call *call)
{
	const struct vmt_trace_record *record = vmt_window_at(&r->window, 0);
	const struct vmt_event *ev = &((const struct vmt_trace_event *)record->body)->event;
	struct vmt_lent *lent = lend(r, ev);
	struct vmt_error err;

	if (!lent) {
		call->result = vmt_error_set(&r->base.driver.err, VMT_E_NO_MEMORY, "next",
					     "no memory for an event");
		return call->result;
	}
	in_its_view(r, &lent->ev);
	vmt_align_use(r);
	if (!r->past && vmt_side_take(&r->replayed, &lent->ev, &err) < 0)
		vmt_replay_break(r, &err);
	if (r->past) {
		give_back(lent);
		call->result = 0;
		return 0;
	}
	r->report->delivered++;
	r->report->last_event = r->event_number;
	if (r->config.breaks && r->config.break_event == r->event_number)
		raise(SIGTRAP);
	*call->u.next.event = lent->ev;
	call->result = 1;
	return 1;
}

int vmt_replay_next(struct vmt_replay *r, struct vmt_call *call)
{
	for (;;) {
		size_t n =
			vmt_align_seek(r, EVENTS, WAITS | COMMITS | CALLBACKS | POLLS | TEARDOWNS);
		const struct vmt_trace_record *record;
		const struct vmt_event *ev;
		bool *decided;

		call->result = 0;
		if (n == VMT_NOT_FOUND)
			return 0;
		vmt_align_consume(r, n);
		if (r->past)
			return 0;
		record = vmt_window_at(&r->window, 0);
		if (record->kind != VMT_TRACE_EVENT) {
			vmt_take_results(r, record->body, call);
			vmt_align_use(r);
			return call->result;
		}
		ev = &((const struct vmt_trace_event *)record->body)->event;
		decided = find_decided(r, ev->ticket);
		if (ev->vcpu >= r->replayed.vcpus || (decided ? *decided : would_trap(r, ev)))
			return deliver(r, call);
		suppress(r, ev);
		if (r->past)
			return 0;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* answer and commit                                                                            */
/* -------------------------------------------------------------------------------------------- */

int vmt_replay_answer(struct vmt_replay *r, struct vmt_call *call)
{
	const struct vmt_response *rsp = call->u.answer.response;
	uint64_t ticket = call->u.answer.event->ticket;
	struct vmt_lent *lent = find_lent(r, ticket);
	size_t n = vmt_align_seek(r, CALL(VMT_CALL_ANSWER),
				  WAITS | COMMITS | CALLBACKS | POLLS | TEARDOWNS | EVENTS);
	const struct vmt_trace_call *tc = NULL;

	if (n != VMT_NOT_FOUND) {
		tc = vmt_window_at(&r->window, n)->body;
		if (tc->call.u.answer.event->ticket != ticket ||
		    !vmt_response_same(tc->call.u.answer.response, rsp))
			tc = NULL;
	}
	if (tc) {
		vmt_take_results(r, tc, call);
		if (call->result >= 0)
			vmt_side_answered(&r->replayed, ticket, rsp);
	} else {
		r->alike = false;
		call->result = vmt_side_answer(&r->replayed, ticket, rsp, &r->base.driver.err);
	}
	if (n != VMT_NOT_FOUND) {
		vmt_align_consume(r, n);
		vmt_align_use(r);
	}
	if (call->result >= 0 && lent)
		give_back(lent);
	return call->result;
}

int vmt_replay_commit(struct vmt_replay *r, struct vmt_call *call)
{
	int result = vmt_session_level_call(r, call);

	if (!r->over)
		vmt_replay_stop_here(r, false);
	return result;
}

void vmt_replay_stop_here(struct vmt_replay *r, bool in_batch)
{
	const struct vmt_trace_record *record;
	size_t n = 0;

	if (r->past || !r->session)
		return;
	record = vmt_window_at(&r->window, n);
	/* In a batch the answers are committed first. */
	if (in_batch && record && record->kind == VMT_TRACE_CALL + VMT_CALL_COMMIT)
		record = vmt_window_at(&r->window, ++n);
	if (record && record->kind == VMT_TRACE_CALLBACK &&
	    ((const struct vmt_trace_callback *)record->body)->kind == VMT_CALLBACK_INTERRUPTED)
		vmt_session_stop(r->session);
}
