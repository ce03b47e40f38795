/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session tells: callbacks begin and end, emissions, the teardown. Here callbacks are aligned.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay-private.h"

#define REPLAY(o) ((struct vmt_replay *)((char *)(o)-offsetof(struct vmt_replay, observer)))
#define CALL(op)  VMT_KIND(VMT_TRACE_CALL + (op))

#define WAITS     CALL(VMT_CALL_WAIT)
#define EVENTS    VMT_KIND(VMT_TRACE_EVENT)
#define CALLBACKS VMT_KIND(VMT_TRACE_CALLBACK)
#define POLLS     VMT_KIND(VMT_TRACE_POLL)
#define TEARDOWNS VMT_KIND(VMT_TRACE_TEARDOWN)

static void no_memory(struct vmt_replay *r)
{
	vmt_replay_break(r, &(struct vmt_error){.status = VMT_E_NO_MEMORY,
						.place = "replay",
						.text = "no memory for a callback"});
}

/* -------------------------------------------------------------------------------------------- */
/* A callback begins                                                                            */
/* -------------------------------------------------------------------------------------------- */

static void clear(struct vmt_callback_now *cur)
{
	struct vmt_callback_record *records = cur->records;
	struct vmt_kept_emission *emissions = cur->emissions;
	size_t records_cap = cur->records_cap;
	size_t emissions_cap = cur->emissions_cap;

	vmt_copies_finish(&cur->copies);
	/* The kept calls are only read up to ncalls. */
	memset(cur, 0, offsetof(struct vmt_callback_now, calls));
	cur->ncalls = 0;
	cur->records = records;
	cur->records_cap = records_cap;
	cur->emissions = emissions;
	cur->emissions_cap = emissions_cap;
	cur->recorded = VMT_REPLAY_NONE;
	cur->event = VMT_REPLAY_NONE;
}

static struct vmt_callback_record *add_record(struct vmt_callback_now *cur)
{
	struct vmt_callback_record *v = cur->records;

	if (cur->nrecords == cur->records_cap) {
		size_t cap = cur->records_cap ? cur->records_cap * 2 : 16;

		v = realloc(v, cap * sizeof(*v));
		if (!v)
			return NULL;
		cur->records = v;
		cur->records_cap = cap;
	}
	v += cur->nrecords++;
	v->used = v->tried = false;
	return v;
}

/** A read that failed, or around which the recorder could not read the page. */
static bool is_odd_read(const struct vmt_replay *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_call *tc = record->body;
	bool pages = r->facts.origin.policy >= VMT_TRACE_POLICY_PAGES;

	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		return tc->call.result < 0 || (pages && !tc->page);
	return false;
}

/** A write around which the recorder did not see the page. */
static bool is_odd_write(const struct vmt_replay *r, const struct vmt_trace_record *record,
			 const struct vmt_trace_record *before)
{
	return record->kind == VMT_TRACE_CALL + VMT_CALL_WRITE &&
	       r->facts.origin.policy >= VMT_TRACE_POLICY_PAGES &&
	       before->kind != VMT_TRACE_CAPTURE;
}

/** The recorded callback stands at the window's front: look through it to its end. */
static void load(struct vmt_replay *r)
{
	struct vmt_callback_now *cur = &r->cur;
	struct vmt_still still = r->still;
	const struct vmt_trace_record *record;

	for (size_t n = 0; (record = vmt_window_at(&r->window, n)); n++) {
		struct vmt_callback_record *add;

		if (n > 0 && ((WAITS | EVENTS | CALLBACKS | POLLS) & VMT_KIND(record->kind)))
			break; /* the handler's process died in it */
		add = add_record(cur);
		if (!add) {
			no_memory(r);
			return;
		}
		add->moment = vmt_still_feed(&still, record);
		cur->here.last = 2 * record->position;
		if (n == 0) {
			cur->here.first = 2 * record->position;
			cur->here.time = cur->here.first;
			cur->here.moment = add->moment;
			cur->recorded = record->callback;
			continue;
		}
		cur->failed_reads |= is_odd_read(r, record) ||
				     is_odd_write(r, record, vmt_window_at(&r->window, n - 1));
		if (record->kind == VMT_TRACE_CALLBACK_END) {
			cur->has_end = true;
			break;
		}
	}
	cur->next_effect = 1;
	if (r->window.failed)
		vmt_replay_break(r, &r->window.err);
	else if (!record)
		vmt_replay_cut_here(r);
}

static bool is_it(const struct vmt_trace_callback *body, const struct vmt_callback *cb)
{
	return body->kind == cb->kind && (!cb->event || body->ticket == cb->event->ticket);
}

static void align(struct vmt_replay *r, const struct vmt_callback *cb)
{
	const uint64_t barriers =
		WAITS | EVENTS | POLLS | (cb->kind == VMT_CALLBACK_CLEANUP ? 0 : TEARDOWNS);
	size_t n = vmt_align_seek(r, CALLBACKS, barriers);

	if (n == VMT_NOT_FOUND && vmt_align_seek(r, barriers, 0) == VMT_NOT_FOUND)
		vmt_replay_cut_here(r); /* it may have begun behind the cut */
	if (n == VMT_NOT_FOUND || !is_it(vmt_window_at(&r->window, n)->body, cb))
		return;
	vmt_align_consume(r, n);
	if (r->past)
		return;
	r->cur.aligned = true;
	load(r);
}

/** How far the run is: all that is known of it should this callback not come back. */
static void note_last(struct vmt_replay_report *report, const struct vmt_callback *cb)
{
	const struct vmt_event *ev = cb->event;

	report->last_callback = cb->number;
	report->last_kind = cb->kind;
	if (!ev)
		return;
	report->events++;
	report->last_vcpu = ev->vcpu;
	report->last_reason = ev->reason;
	report->last_rip_known = (ev->regs.known & VMT_KNOWN(VMT_REG_RIP)) != 0;
	report->last_rip = ev->regs.gprs.rip;
}

static void on_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	struct vmt_replay *r = REPLAY(o);
	struct vmt_callback_now *cur = &r->cur;

	clear(cur);
	cur->cb = *cb;
	cur->cb.event = NULL;
	cur->in_step = true;
	if (cb->event) {
		cur->ev = *cb->event;
		cur->ev.raw = NULL;
		cur->event = r->event_number;
	}
	r->report->callbacks++;
	note_last(r->report, cb);
	if (cb->kind != VMT_CALLBACK_POLL)
		align(r, cb);
	cur->runs = true;
}

/* -------------------------------------------------------------------------------------------- */
/* A callback ends                                                                              */
/* -------------------------------------------------------------------------------------------- */

static void end_poll(struct vmt_replay *r, const struct vmt_callback_result *result)
{
	const struct vmt_trace_record *record;
	const struct vmt_trace_output *output = NULL;
	size_t n = vmt_align_seek(r, POLLS,
				  WAITS | EVENTS | CALLBACKS | TEARDOWNS | CALL(VMT_CALL_COMMIT) |
					  CALL(VMT_CALL_NEXT));

	if (n == VMT_NOT_FOUND) {
		vmt_compare_poll(r, result, NULL, NULL);
		return;
	}
	vmt_align_consume(r, n);
	if (r->past)
		return;
	record = vmt_window_at(&r->window, 1);
	if (record && record->kind == VMT_TRACE_OUTPUT)
		output = record->body;
	if (!record && vmt_replay_cut_here(r))
		return; /* its output may be behind the cut */
	record = vmt_window_at(&r->window, 0);
	r->cur.recorded = record->callback;
	vmt_compare_poll(r, result, record->body, output);
	vmt_align_use(r);
	if (result->result == 0)
		vmt_replay_stop_here(r, true);
}

static void on_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			    const struct vmt_callback_result *result)
{
	struct vmt_replay *r = REPLAY(o);
	size_t n = r->cur.nrecords;

	if (cb->kind == VMT_CALLBACK_POLL) {
		end_poll(r, result);
	} else {
		vmt_compare_callback(r, result);
		if (r->cur.aligned)
			vmt_align_drop(r, n);
	}
	r->cur.runs = false;
	r->cur.aligned = false;
	r->cur.nrecords = 0;
}

/* -------------------------------------------------------------------------------------------- */
/* What the handler says                                                                        */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_value *copy_values(struct vmt_copies *copies,
					   const struct vmt_value *values, size_t n)
{
	struct vmt_value *v = vmt_copies_alloc(copies, n * sizeof(*v) + 1);

	for (size_t i = 0; v && i < n; i++) {
		void *p;

		v[i] = values[i];
		if (v[i].type != VMT_TEXT && v[i].type != VMT_BYTES)
			continue;
		p = vmt_copies_alloc(copies, v[i].len + (size_t)1);
		if (!p)
			return NULL;
		if (v[i].len > 0)
			memcpy(p, v[i].v.p, v[i].len);
		v[i].v.p = p;
	}
	return v;
}

static void on_emission(struct vmt_observer *o, const struct vmt_schema *schema,
			const struct vmt_value *values, size_t n)
{
	struct vmt_replay *r = REPLAY(o);
	struct vmt_callback_now *cur = &r->cur;
	const struct vmt_value *copy;
	struct vmt_kept_emission *v;

	r->report->emissions++;
	if (r->past)
		return;
	if (cur->nemissions == cur->emissions_cap) {
		size_t cap = cur->emissions_cap ? cur->emissions_cap * 2 : 16;

		v = realloc(cur->emissions, cap * sizeof(*v));
		if (!v) {
			no_memory(r);
			return;
		}
		cur->emissions = v;
		cur->emissions_cap = cap;
	}
	copy = copy_values(&cur->copies, values, n);
	if (!copy)
		no_memory(r);
	else
		cur->emissions[cur->nemissions++] = (struct vmt_kept_emission){schema, copy, n};
}

/* -------------------------------------------------------------------------------------------- */
/* The session                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void on_begin(struct vmt_observer *o, const struct vmt_session *s)
{
	struct vmt_replay *r = REPLAY(o);
	size_t n = vmt_align_seek(r, VMT_KIND(VMT_TRACE_BEGIN), CALLBACKS | WAITS);

	snprintf(r->report->handler, sizeof(r->report->handler), "%s",
		 vmt_session_handler(s)->name);
	if (n != VMT_NOT_FOUND) {
		vmt_align_consume(r, n);
		vmt_align_use(r);
	}
}

/** The replayed session ends, and the recorded one goes on. */
static void ends_early(struct vmt_replay *r)
{
	/* Nothing that happened to it is there any more: its own end may be behind the cut. */
	if (vmt_align_seek(r, WAITS | EVENTS | CALLBACKS | POLLS, 0) == VMT_NOT_FOUND &&
	    vmt_replay_cut_here(r))
		return;
	if (r->report->first.difference != VMT_DIFFERS_END)
		vmt_differs(r, VMT_DIFFERS_END, "the end of the session", "it goes on here",
			    "it ends here");
	vmt_replay_end_here(r, VMT_STOPPED_BY_CHANGE);
}

static void on_teardown(struct vmt_observer *o, const char *step)
{
	struct vmt_replay *r = REPLAY(o);
	bool begins = !r->over;
	size_t n;

	r->over = true;
	if (r->past)
		return;
	n = vmt_align_seek(r, TEARDOWNS, WAITS | EVENTS | CALLBACKS | POLLS);
	if (n == VMT_NOT_FOUND) {
		if (begins)
			ends_early(r);
		return;
	}
	/* A step that only one of the two has is passed over by its calls. */
	if (strcmp(((const struct vmt_trace_teardown *)vmt_window_at(&r->window, n)->body)->step,
		   step) != 0)
		return;
	vmt_align_consume(r, n);
	vmt_align_use(r);
}

static void on_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	struct vmt_replay *r = REPLAY(o);
	size_t n = vmt_align_seek(r, VMT_KIND(VMT_TRACE_OUTCOME), 0);

	r->report->end = outcome->end;
	r->report->error = outcome->error;
	if (r->broken.status != VMT_OK)
		r->report->error = r->broken;
	if (n == VMT_NOT_FOUND)
		vmt_replay_cut_here(r);
	if (r->past || n == VMT_NOT_FOUND)
		return;
	vmt_align_consume(r, n);
	if (outcome->end == r->facts.recorded_end) {
		r->report->same_end = true;
		return;
	}
	vmt_differs(r, VMT_DIFFERS_END, "how the session ends", vmt_end_name(r->facts.recorded_end),
		    vmt_end_name(outcome->end));
}

const struct vmt_observer_ops vmt_replay_observer_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.begin = on_begin,
	.callback = on_callback,
	.callback_end = on_callback_end,
	.emission = on_emission,
	.teardown = on_teardown,
	.end = on_end,
};
