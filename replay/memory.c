/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reads and writes of the replayed handler.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "replay-private.h"

/* -------------------------------------------------------------------------------------------- */
/* What the recording says of this very read                                                    */
/* -------------------------------------------------------------------------------------------- */

static bool whole_page(const struct vmt_call *call)
{
	return call->u.read.offset == 0 && call->u.read.len == VMT_PAGE_SIZE;
}

/** Is record @n of the callback about the page, and this read or one around which it was made? */
static bool is_this_read(const struct vmt_replay *r, const struct vmt_trace_record *record,
			 const struct vmt_call *call)
{
	const struct vmt_trace_call *tc = record->body;

	if (record->kind == VMT_TRACE_CAPTURE)
		return whole_page(call) &&
		       ((const struct vmt_trace_capture *)record->body)->gfn.n ==
			       call->u.read.gfn.n;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_WRITE)
		return r->config.recording && tc->call.u.write.gfn.n == call->u.read.gfn.n &&
		       (whole_page(call) || (tc->call.u.write.offset == call->u.read.offset &&
					     tc->call.u.write.len == call->u.read.len));
	if (record->kind != VMT_TRACE_CALL + VMT_CALL_READ ||
	    tc->call.u.read.gfn.n != call->u.read.gfn.n)
		return false;
	return vmt_same_arguments(tc, call) || whole_page(call);
}

/** Behind the place: the next record of this read, or VMT_NOT_FOUND. */
static size_t next_read(struct vmt_replay *r, const struct vmt_call *call)
{
	struct vmt_callback_now *cur = &r->cur;

	for (size_t n = 1; n < cur->nrecords; n++) {
		const struct vmt_trace_record *record = vmt_window_at(&r->window, n);

		if (2 * record->position > cur->here.time && !cur->records[n].used &&
		    is_this_read(r, record, call))
			return n;
	}
	return VMT_NOT_FOUND;
}

/** The recorder tries the whole page first; did it do so for record @n and fail? */
static bool first_try(struct vmt_replay *r, const struct vmt_call *call, size_t n)
{
	struct vmt_callback_record *record = &r->cur.records[n];
	bool first = r->config.recording && whole_page(call) && !record->tried &&
		     r->facts.origin.policy >= VMT_TRACE_POLICY_PAGES;

	record->tried = record->tried || first;
	return first;
}

/**
 * A read that failed, or that the recorder could not make around another: 1 and the call has its
 * result. Only looked for where the recorded callback has such reads.
 */
static int read_that_failed(struct vmt_replay *r, struct vmt_call *call)
{
	const struct vmt_trace_record *record;
	const struct vmt_trace_call *tc;
	size_t n;

	if (!r->cur.aligned || !r->cur.failed_reads)
		return 0;
	n = next_read(r, call);
	if (n == VMT_NOT_FOUND)
		return 0;
	record = vmt_window_at(&r->window, n);
	tc = record->body;
	if (record->kind == VMT_TRACE_CAPTURE)
		return 0;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ && tc->call.result < 0) {
		if (!first_try(r, call, n) && vmt_same_arguments(tc, call))
			vmt_callback_used(r, n);
		vmt_take_results(r, tc, call);
		return 1;
	}
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ) {
		if (tc->page || !first_try(r, call, n))
			return 0;
	} else if (!first_try(r, call, n) && tc->before_known) {
		return 0;
	}
	call->result = vmt_error_set(&r->base.driver.err, VMT_E_NOT_RECORDED, "read",
				     "the recorder could not read this either");
	return 1;
}

/* -------------------------------------------------------------------------------------------- */
/* Misses                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Would the whole page have been there with the policy "pages": was other of it seen here? */
static bool seen_nearby(const struct vmt_replay *r, vmt_gfn gfn, const struct vmt_here *here)
{
	const struct vmt_page_line *line = vmt_timeline_of(&r->facts.timeline, gfn);
	size_t n;

	if (!line || r->facts.origin.policy != VMT_TRACE_POLICY_READS)
		return false;
	n = vmt_line_until(line, here->time);
	if (n > 0 && here->moment != VMT_NO_MOMENT && line->v[n - 1].moment == here->moment)
		return true;
	if (n > 0 && here->last && line->v[n - 1].time >= here->first)
		return true;
	return n < line->n && here->last && line->v[n].time <= here->last;
}

int vmt_replay_miss(struct vmt_replay *r, const struct vmt_call *call, const char *what)
{
	char place[128];
	char text[128];

	vmt_call_format(call, text, sizeof(text));
	r->cur.weakest = VMT_FROM_MISSING;
	if (!vmt_behind_cut(r) && r->report->misses++ == 0)
		snprintf(r->report->miss_text, sizeof(r->report->miss_text),
			 "%s in callback %llu (%s)", text, (unsigned long long)r->cur.cb.number,
			 vmt_callback_name(r->cur.cb.kind));
	if (r->config.missing == VMT_REPLAY_STOP)
		vmt_replay_end_here(r, VMT_STOPPED_BY_MISS);
	snprintf(place, sizeof(place), "%.60s", text);
	((struct vmt_call *)call)->result = vmt_error_set(
		&r->base.driver.err, VMT_E_NOT_RECORDED, place,
		"the trace does not hold %s for this moment: the recorded handler did not ask for "
		"it here",
		what);
	return -VMT_E_NOT_RECORDED;
}

/**
 * A recorder asks for the whole page first. That it is not there is no miss of the handler's: the
 * recorder asks again for what the handler wants.
 */
static bool forgive(struct vmt_replay *r, const struct vmt_call *call)
{
	bool again = r->forgiven == call->u.read.gfn.n;

	r->forgiven = UINT64_MAX;
	if (!r->config.recording || !whole_page(call) || again)
		return false;
	r->forgiven = call->u.read.gfn.n;
	return true;
}

static int missing(struct vmt_replay *r, struct vmt_call *call, const struct vmt_here *here)
{
	if (forgive(r, call)) {
		call->result = vmt_error_set(&r->base.driver.err, VMT_E_NOT_RECORDED, "read",
					     "the trace does not hold the whole page");
		return call->result;
	}
	r->report->reads[VMT_FROM_MISSING]++;
	if (!vmt_behind_cut(r) && seen_nearby(r, call->u.read.gfn, here))
		r->report->misses_pages++;
	return vmt_replay_miss(r, call, "these bytes");
}

/* -------------------------------------------------------------------------------------------- */
/* Reads                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void ask(struct vmt_replay *r, struct vmt_question *q, struct vmt_here **here,
		struct vmt_here *other)
{
	q->facts = &r->facts;
	q->own = &r->own;
	q->own_page = vmt_model_own_page(r->replayed.model, q->gfn);
	*other = vmt_here_now(r);
	*here = r->cur.runs && r->cur.aligned ? &r->cur.here : other;
}

static int served(struct vmt_replay *r, struct vmt_call *call, const struct vmt_answer *answer)
{
	memcpy(call->u.read.buf, answer->bytes, call->u.read.len);
	r->forgiven = UINT64_MAX;
	r->report->reads[answer->weakest]++;
	if (answer->weakest > r->cur.weakest)
		r->cur.weakest = answer->weakest;
	if (answer->weakest == VMT_FROM_STALE && answer->age > r->report->oldest)
		r->report->oldest = answer->age;
	call->result = 0;
	return 0;
}

static int read_bytes(struct vmt_replay *r, struct vmt_call *call, uint32_t *provenance)
{
	struct vmt_question q = {.gfn = call->u.read.gfn,
				 .offset = call->u.read.offset,
				 .len = call->u.read.len,
				 .stale = r->config.missing == VMT_REPLAY_STALE};
	struct vmt_answer answer;
	struct vmt_here other;
	struct vmt_here *here;

	if (read_that_failed(r, call)) {
		*provenance = VMT_FROM_EXACT;
		return call->result;
	}
	ask(r, &q, &here, &other);
	vmt_answer(&q, here, &answer);
	*provenance = answer.weakest;
	if (answer.absent && answer.known == 0) {
		*provenance = VMT_FROM_EXACT;
		call->result =
			vmt_error_set(&r->base.driver.err, VMT_E_UNMAPPED, "read",
				      "no memory stands behind gfn %#" PRIx64, call->u.read.gfn.n);
		return call->result;
	}
	if (answer.weakest == VMT_FROM_MISSING)
		return missing(r, call, here);
	return served(r, call, &answer);
}

int vmt_replay_read(struct vmt_replay *r, struct vmt_call *call)
{
	uint32_t provenance = VMT_FROM_NOWHERE;

	read_bytes(r, call, &provenance);
	vmt_keep_call(r, call, provenance);
	return call->result;
}

/* -------------------------------------------------------------------------------------------- */
/* Writes                                                                                       */
/* -------------------------------------------------------------------------------------------- */

int vmt_replay_wrote(struct vmt_replay *r, const struct vmt_call *call)
{
	struct vmt_question q = {
		.gfn = call->u.write.gfn, .offset = call->u.write.offset, .len = call->u.write.len};
	struct vmt_answer before;
	struct vmt_here other;
	struct vmt_here *here;

	ask(r, &q, &here, &other);
	/* What stood there before: the place does not move on for that. */
	other = *here;
	vmt_answer(&q, &other, &before);
	if (vmt_own_write(&r->own, 0, q.gfn, q.offset, call->u.write.buf, q.len, before.bytes,
			  before.from) < 0)
		return vmt_error_set(&r->base.driver.err, VMT_E_NO_MEMORY, "write",
				     "no memory for the bytes written");
	return 0;
}
