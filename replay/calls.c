/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls but those that wait for events: what the recorded handler asked in the same callback has its
 * recorded answer; what only the replayed one asks is answered by its model, and counted.
 */
#include <string.h>

#include "replay-private.h"

#define CALL(op) VMT_KIND(VMT_TRACE_CALL + (op))

/* -------------------------------------------------------------------------------------------- */
/* The recorded calls of a callback                                                             */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_trace_call *call_at(const struct vmt_replay *r, size_t n)
{
	const struct vmt_trace_record *record = vmt_window_at((struct vmt_window *)&r->window, n);

	return record && record->kind >= VMT_TRACE_CALL ? record->body : NULL;
}

size_t vmt_callback_match(const struct vmt_replay *r, const struct vmt_call *call)
{
	const struct vmt_callback_now *cur = &r->cur;

	for (size_t n = 1; cur->aligned && n < cur->nrecords; n++) {
		const struct vmt_trace_call *tc = call_at(r, n);

		if (tc && !cur->records[n].used && vmt_same_arguments(tc, call))
			return n;
	}
	return VMT_NOT_FOUND;
}

void vmt_callback_used(struct vmt_replay *r, size_t n)
{
	struct vmt_callback_now *cur = &r->cur;

	cur->records[n].used = true;
	cur->here.time = 2 * vmt_window_at(&r->window, n)->position + 1;
	cur->here.moment = cur->records[n].moment;
}

/** The next recorded effect of this callback, or VMT_NOT_FOUND: there is none any more. */
static size_t next_effect(struct vmt_replay *r)
{
	struct vmt_callback_now *cur = &r->cur;

	for (; cur->next_effect < cur->nrecords; cur->next_effect++) {
		const struct vmt_trace_call *tc = call_at(r, cur->next_effect);

		if (tc && vmt_call_is_effect(tc->call.op))
			return cur->next_effect;
	}
	return VMT_NOT_FOUND;
}

/* -------------------------------------------------------------------------------------------- */
/* Effects                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static int no_memory(struct vmt_replay *r)
{
	return vmt_error_set(&r->base.driver.err, VMT_E_NO_MEMORY, "replay", "no memory");
}

/** @call was carried out on the replayed side's model: what the model does not keep. */
static int carried_out(struct vmt_replay *r, const struct vmt_call *call)
{
	if (call->op == VMT_CALL_WRITE)
		return vmt_replay_wrote(r, call);
	if (call->op == VMT_CALL_REMAP_GFN && vmt_note_remap(r, false, call) < 0)
		return no_memory(r);
	if (call->op == VMT_CALL_FREE_GFN && vmt_own_forget(&r->own, 0, call->u.free_gfn.gfn) < 0)
		return no_memory(r);
	if (call->op == VMT_CALL_RESET && vmt_own_forget_all(&r->own, 0) < 0)
		return no_memory(r);
	return 0;
}

/** Failures that come from outside of what a handler did: they are taken as they were recorded. */
static bool is_outer(int result)
{
	switch (-result) {
	case VMT_E_NOT_SUPPORTED:
	case VMT_E_NO_MEMORY:
	case VMT_E_PERMISSION:
	case VMT_E_GONE:
	case VMT_E_HYPERVISOR:
	case VMT_E_IO:
		return true;
	default:
		return false;
	}
}

/** The recorded call is the replayed one: it has the recorded result. */
static int as_recorded(struct vmt_replay *r, const struct vmt_trace_call *tc, struct vmt_call *call)
{
	struct vmt_call done = tc->call;

	vmt_take_results(r, tc, call);
	if (call->op != VMT_CALL_WRITE)
		vmt_side_follow(&r->replayed, &done, NULL);
	if (call->result >= 0 && carried_out(r, call) < 0)
		call->result = -r->base.driver.err.status;
	return call->result;
}

static int write_by_model(struct vmt_replay *r, const struct vmt_call *call)
{
	if (vmt_model_own_page(r->replayed.model, call->u.write.gfn) ||
	    (call->u.write.gfn.n <= r->facts.origin.info.max_gfn &&
	     !vmt_answer_never_there(&r->facts, call->u.write.gfn)))
		return 0;
	return vmt_error_set(&r->base.driver.err, VMT_E_UNMAPPED, "write",
			     "no memory stands behind gfn %#llx",
			     (unsigned long long)call->u.write.gfn.n);
}

static int effect_by_model(struct vmt_replay *r, struct vmt_call *call)
{
	call->result = call->op == VMT_CALL_WRITE
			       ? write_by_model(r, call)
			       : vmt_side_call(&r->replayed, call, &r->base.driver.err);
	if (call->result >= 0 && carried_out(r, call) < 0)
		call->result = -r->base.driver.err.status;
	return call->result;
}

static int effect(struct vmt_replay *r, struct vmt_call *call)
{
	struct vmt_callback_now *cur = &r->cur;
	size_t expected = cur->aligned ? next_effect(r) : VMT_NOT_FOUND;
	const struct vmt_trace_call *tc = NULL;
	size_t n = VMT_NOT_FOUND;

	if (expected != VMT_NOT_FOUND && vmt_same_arguments(call_at(r, expected), call))
		n = expected;
	else
		n = vmt_callback_match(r, call);
	if (n != VMT_NOT_FOUND) {
		tc = call_at(r, n);
		vmt_callback_used(r, n);
	}
	if (n == VMT_NOT_FOUND || n != expected)
		cur->in_step = false;
	else
		cur->next_effect++;
	cur->any_effect = true;
	if (!tc && call->op == VMT_CALL_SET_REGS)
		cur->other_regs = true;
	if (tc && cur->in_step && r->alike)
		return as_recorded(r, tc, call);
	if (tc && tc->call.result < 0 && is_outer(tc->call.result))
		return as_recorded(r, tc, call);
	if (!tc)
		r->report->modelled++;
	return effect_by_model(r, call);
}

/* -------------------------------------------------------------------------------------------- */
/* Questions                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int info_now(struct vmt_replay *r, struct vmt_call *call)
{
	*call->u.info.info = r->facts.origin.info;
	if (r->now > call->u.info.info->now)
		call->u.info.info->now = r->now;
	call->result = 0;
	return 0;
}

/** No recorded call answers: from what is known without asking the domain. */
static int question_by_model(struct vmt_replay *r, struct vmt_call *call)
{
	r->report->modelled++;
	switch (call->op) {
	case VMT_CALL_INFO:
		return info_now(r, call);
	case VMT_CALL_GET_ACCESS:
		call->result = vmt_side_call(&r->replayed, call, &r->base.driver.err);
		return call->result;
	case VMT_CALL_GET_REGS:
		r->report->modelled--;
		return vmt_replay_miss(r, call, "the registers of this vCPU");
	default:
		r->report->modelled--;
		return vmt_replay_miss(r, call, "this");
	}
}

static int question(struct vmt_replay *r, struct vmt_call *call)
{
	size_t n = vmt_callback_match(r, call);
	const struct vmt_trace_call *tc;

	/* What a handler may ask of its own footprint is only a fact while the two are alike. */
	if (n != VMT_NOT_FOUND && call->op == VMT_CALL_GET_ACCESS &&
	    !(r->alike && r->cur.in_step)) {
		vmt_callback_used(r, n);
		n = VMT_NOT_FOUND;
	}
	if (n == VMT_NOT_FOUND)
		return question_by_model(r, call);
	tc = call_at(r, n);
	vmt_callback_used(r, n);
	if (r->cur.weakest < VMT_FROM_EXACT)
		r->cur.weakest = VMT_FROM_EXACT;
	return vmt_take_results(r, tc, call);
}

int vmt_callback_call(struct vmt_replay *r, struct vmt_call *call)
{
	if (call->op == VMT_CALL_READ)
		return vmt_replay_read(r, call);
	if (vmt_call_is_effect(call->op))
		effect(r, call);
	else
		question(r, call);
	vmt_keep_call(r, call, VMT_FROM_NOWHERE);
	return call->result;
}

/* -------------------------------------------------------------------------------------------- */
/* Between callbacks                                                                            */
/* -------------------------------------------------------------------------------------------- */

#define STIMULI                                                                           \
	(CALL(VMT_CALL_WAIT) | VMT_KIND(VMT_TRACE_EVENT) | VMT_KIND(VMT_TRACE_CALLBACK) | \
	 VMT_KIND(VMT_TRACE_POLL) | VMT_KIND(VMT_TRACE_TEARDOWN) | VMT_KIND(VMT_TRACE_OUTCOME))

int vmt_model_only(struct vmt_replay *r, struct vmt_call *call)
{
	switch (call->op) {
	case VMT_CALL_READ:
		return vmt_replay_read(r, call);
	case VMT_CALL_INFO:
		return info_now(r, call);
	case VMT_CALL_NEXT:
		call->result = 0;
		return 0;
	case VMT_CALL_PENDING:
		*call->u.pending.n = 0;
		call->result = 0;
		return 0;
	case VMT_CALL_OVERHEAD:
	case VMT_CALL_GET_REGS:
	case VMT_CALL_GET_CONTEXT:
		call->result = vmt_error_set(&r->base.driver.err, VMT_E_NOT_RECORDED, NULL,
					     "the trace has no answer to this");
		return call->result;
	case VMT_CALL_SETTLE:
	case VMT_CALL_DETACH:
		/* No vCPU waits here, whatever the model thinks of it. */
		vmt_side_call(&r->replayed, call, NULL);
		call->result = 0;
		return 0;
	default:
		return effect_by_model(r, call);
	}
}

/** A page that the recorder had captured by itself at this place, and captures again. */
static bool captured(struct vmt_replay *r, struct vmt_call *call)
{
	const struct vmt_trace_record *front = r->past ? NULL : vmt_window_at(&r->window, 0);
	const struct vmt_trace_capture *c = front ? front->body : NULL;
	const uint8_t *bytes;

	if (!r->config.recording || !front || front->kind != VMT_TRACE_CAPTURE ||
	    c->gfn.n != call->u.read.gfn.n || call->u.read.len != VMT_PAGE_SIZE)
		return false;
	bytes = c->result < 0 ? NULL : vmt_stored_pages_get(&r->facts.pages, c->page);
	if (c->result >= 0 && !bytes)
		return false;
	if (bytes)
		memcpy(call->u.read.buf, bytes, VMT_PAGE_SIZE);
	else
		r->base.driver.err = c->error;
	call->result = c->result;
	vmt_align_use(r);
	return true;
}

int vmt_session_level_call(struct vmt_replay *r, struct vmt_call *call)
{
	const struct vmt_trace_call *tc;
	size_t n;

	if (call->op == VMT_CALL_READ)
		return captured(r, call) ? call->result : vmt_replay_read(r, call);
	n = vmt_align_seek(r, CALL(call->op), STIMULI & ~CALL(call->op));
	if (n == VMT_NOT_FOUND)
		return vmt_model_only(r, call);
	vmt_align_consume(r, n);
	tc = vmt_window_at(&r->window, 0)->body;
	if (vmt_call_is_effect(call->op) || call->op == VMT_CALL_RESET ||
	    call->op == VMT_CALL_COMMIT || call->op == VMT_CALL_SETTLE ||
	    call->op == VMT_CALL_DETACH)
		as_recorded(r, tc, call);
	else
		vmt_take_results(r, tc, call);
	vmt_align_use(r);
	return call->result;
}
