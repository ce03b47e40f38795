/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is noted of a difference: where it is, what both sides did, and what would have prevented it.
 */
#include <stdio.h>
#include <string.h>

#include "replay-private.h"

/* -------------------------------------------------------------------------------------------- */
/* The calls of a callback                                                                      */
/* -------------------------------------------------------------------------------------------- */

void vmt_keep_call(struct vmt_replay *r, const struct vmt_call *call, uint32_t provenance)
{
	struct vmt_callback_now *cur = &r->cur;
	struct vmt_kept_call *kept;

	if (!cur->runs || cur->ncalls++ >= VMT_CALLS_KEPT)
		return;
	kept = &cur->calls[cur->ncalls - 1];
	kept->call = *call;
	kept->provenance = provenance;
	if (call->op == VMT_CALL_MONITOR)
		kept->monitor = *call->u.monitor.monitor;
	if (call->op == VMT_CALL_INJECT)
		kept->interrupt = *call->u.inject.interrupt;
	if (call->op == VMT_CALL_ALLOC_GFN)
		kept->gfn = *call->u.alloc_gfn.gfn;
}

#define LINE_MAX 112u

struct lines {
	char v[VMT_CALLS_KEPT][LINE_MAX];
	size_t n;
	uint64_t more; /**< calls beyond those */
};

static void call_line(const struct vmt_call *call, char *line)
{
	char text[LINE_MAX - 24];

	vmt_call_format(call, text, sizeof(text));
	if (call->result < 0)
		snprintf(line, LINE_MAX, "%s: %.20s", text, vmt_status_name(call->result));
	else
		snprintf(line, LINE_MAX, "%s", text);
}

static void replayed_lines(struct vmt_replay *r, struct lines *lines)
{
	struct vmt_callback_now *cur = &r->cur;

	lines->n = cur->ncalls < VMT_CALLS_KEPT ? cur->ncalls : VMT_CALLS_KEPT;
	lines->more = cur->ncalls - lines->n;
	for (size_t i = 0; i < lines->n; i++) {
		struct vmt_kept_call *kept = &cur->calls[i];
		struct vmt_call call = kept->call;

		if (call.op == VMT_CALL_MONITOR)
			call.u.monitor.monitor = &kept->monitor;
		if (call.op == VMT_CALL_INJECT)
			call.u.inject.interrupt = &kept->interrupt;
		if (call.op == VMT_CALL_ALLOC_GFN)
			call.u.alloc_gfn.gfn = &kept->gfn;
		call_line(&call, lines->v[i]);
	}
}

static void recorded_lines(struct vmt_replay *r, struct lines *lines)
{
	lines->n = 0;
	lines->more = 0;
	for (size_t n = 1; r->cur.aligned && n < r->cur.nrecords; n++) {
		const struct vmt_trace_record *record = vmt_window_at(&r->window, n);

		if (record->kind < VMT_TRACE_CALL)
			continue;
		if (lines->n == VMT_CALLS_KEPT) {
			lines->more++;
			continue;
		}
		call_line(&((const struct vmt_trace_call *)record->body)->call,
			  lines->v[lines->n++]);
	}
}

/** Lengths of the longest common row of lines, from each pair of places on. */
static void common(const struct lines *a, const struct lines *b,
		   uint8_t table[VMT_CALLS_KEPT + 1][VMT_CALLS_KEPT + 1])
{
	memset(table, 0, (size_t)(VMT_CALLS_KEPT + 1) * (VMT_CALLS_KEPT + 1));
	for (size_t i = a->n; i-- > 0;)
		for (size_t j = b->n; j-- > 0;)
			if (strcmp(a->v[i], b->v[j]) == 0)
				table[i][j] = (uint8_t)(table[i + 1][j + 1] + 1);
			else
				table[i][j] = table[i + 1][j] > table[i][j + 1] ? table[i + 1][j]
										: table[i][j + 1];
}

static size_t put(char *buf, size_t cap, size_t at, char mark, const char *line)
{
	int n = snprintf(buf + at, cap - at, "%c %s\n", mark, line);

	return n > 0 && at + (size_t)n < cap ? at + (size_t)n : cap - 1;
}

/** The calls as a diff: '-' only recorded, '+' only replayed. */
static void calls_text(struct vmt_replay *r, char *buf, size_t cap)
{
	uint8_t table[VMT_CALLS_KEPT + 1][VMT_CALLS_KEPT + 1];
	struct lines a;
	struct lines b;
	char more[64];
	size_t at = 0;
	size_t i = 0;
	size_t j = 0;

	buf[0] = '\0';
	if (!r->cur.runs)
		return; /* its records were given back */
	recorded_lines(r, &a);
	replayed_lines(r, &b);
	common(&a, &b, table);
	while (i < a.n || j < b.n) {
		if (i < a.n && j < b.n && strcmp(a.v[i], b.v[j]) == 0) {
			at = put(buf, cap, at, ' ', a.v[i++]);
			j++;
		} else if (j == b.n || (i < a.n && table[i + 1][j] >= table[i][j + 1])) {
			at = put(buf, cap, at, '-', a.v[i++]);
		} else {
			at = put(buf, cap, at, '+', b.v[j++]);
		}
	}
	if (a.more || b.more) {
		snprintf(more, sizeof(more), "... %llu more recorded, %llu more replayed",
			 (unsigned long long)a.more, (unsigned long long)b.more);
		put(buf, cap, at, ' ', more);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* The place                                                                                    */
/* -------------------------------------------------------------------------------------------- */

void vmt_describe_place(struct vmt_replay *r, struct vmt_divergence *d)
{
	const struct vmt_callback_now *cur = &r->cur;

	memset(d, 0, sizeof(*d));
	d->callback = cur->recorded;
	d->replayed_callback = cur->cb.number;
	d->event = cur->event;
	d->now = cur->cb.now;
	d->callback_kind = cur->cb.kind;
	d->phase = cur->cb.phase;
	d->provenance = cur->weakest;
	if (cur->event != VMT_REPLAY_NONE) {
		d->vcpu = cur->ev.vcpu;
		d->reason = cur->ev.reason;
		d->rip_known = (cur->ev.regs.known & VMT_KNOWN(VMT_REG_RIP)) != 0;
		d->rip = cur->ev.regs.gprs.rip;
		vmt_event_format(&cur->ev, d->event_text, sizeof(d->event_text));
		snprintf(d->look, sizeof(d->look), "vmitrace show --event %llu %s",
			 (unsigned long long)cur->event, r->report->trace);
	} else {
		snprintf(d->look, sizeof(d->look), "vmitrace dump --callback %llu %s",
			 (unsigned long long)(cur->recorded == VMT_REPLAY_NONE ? cur->cb.number
									       : cur->recorded),
			 r->report->trace);
	}
	calls_text(r, d->calls, sizeof(d->calls));
}

/** What would have kept a miss, or a guess, out of this. */
static void prevent(const struct vmt_replay *r, struct vmt_divergence *d)
{
	const struct vmt_replay_report *report = r->report;

	if (d->difference == VMT_DIFFERS_FUTURE) {
		snprintf(d->prevent, sizeof(d->prevent),
			 "keep the trap that was recorded, or record again with this handler");
	} else if (d->provenance >= VMT_FROM_STALE && report->misses_pages > 0) {
		snprintf(d->prevent, sizeof(d->prevent),
			 "record again with `--capture pages`: %llu of %llu misses",
			 (unsigned long long)report->misses_pages,
			 (unsigned long long)report->misses);
	} else if (d->provenance >= VMT_FROM_STALE) {
		snprintf(
			d->prevent, sizeof(d->prevent),
			"the handler was served bytes that are not of this moment, or none: record "
			"again with this handler, so that the trace holds what it reads");
	}
}

static void note(struct vmt_replay *r, const struct vmt_divergence *place,
		 enum vmt_difference difference, const char *what, const char *recorded,
		 const char *replayed)
{
	struct vmt_divergence *first = &r->report->first;

	r->report->differences++;
	r->report->differences_by[difference]++;
	if (first->difference != VMT_DIFFERS_NOTHING)
		return;
	*first = *place;
	first->difference = difference;
	snprintf(first->what, sizeof(first->what), "%s", what);
	snprintf(first->recorded, sizeof(first->recorded), "%s", recorded);
	snprintf(first->replayed, sizeof(first->replayed), "%s", replayed);
	prevent(r, first);
}

void vmt_differs(struct vmt_replay *r, enum vmt_difference difference, const char *what,
		 const char *recorded, const char *replayed)
{
	struct vmt_divergence place = {0};

	if (r->report->first.difference == VMT_DIFFERS_NOTHING)
		vmt_describe_place(r, &place);
	note(r, &place, difference, what, recorded, replayed);
}

void vmt_differs_since(struct vmt_replay *r, enum vmt_difference difference, const char *what,
		       const char *recorded, const char *replayed)
{
	if (r->suspected)
		note(r, &r->suspect, difference, what, recorded, replayed);
	else
		vmt_differs(r, difference, what, recorded, replayed);
}

void vmt_replay_end_here(struct vmt_replay *r, enum vmt_replay_stop stop)
{
	if (r->past)
		return;
	r->past = true;
	r->report->stop = stop;
	if (stop == VMT_STOPPED_BY_CHANGE && r->report->differences == 1)
		r->report->first.ends = true;
}

bool vmt_replay_cut_here(struct vmt_replay *r)
{
	if (r->past || r->facts.recorded_end != VMT_END_NONE)
		return false;
	vmt_replay_end_here(r, VMT_STOPPED_BY_CUT);
	return true;
}

bool vmt_behind_cut(const struct vmt_replay *r)
{
	return r->past && r->report->stop == VMT_STOPPED_BY_CUT;
}
