/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where in the recording the replayed session is.
 *
 * The window's front is the first record that was not used. Records are used in order, and as they
 * are, the recorded side (its model, its shadows, the guest's stillness) follows them.
 */
#include <string.h>

#include "replay-private.h"

void vmt_replay_break(struct vmt_replay *r, const struct vmt_error *err)
{
	if (r->broken.status == VMT_OK)
		r->broken = *err;
	r->past = true;
	r->report->stop = VMT_STOPPED_FAILED;
}

struct vmt_here vmt_here_now(const struct vmt_replay *r)
{
	return (struct vmt_here){.time = r->time, .moment = vmt_still_now(&r->still)};
}

/* -------------------------------------------------------------------------------------------- */
/* Seeking                                                                                      */
/* -------------------------------------------------------------------------------------------- */

size_t vmt_align_seek(struct vmt_replay *r, uint64_t kinds, uint64_t barriers)
{
	const struct vmt_trace_record *record;

	if (r->past)
		return VMT_NOT_FOUND;
	for (size_t n = 0; (record = vmt_window_at(&r->window, n)); n++) {
		if (kinds & VMT_KIND(record->kind))
			return n;
		if (barriers & VMT_KIND(record->kind))
			return VMT_NOT_FOUND;
	}
	if (r->window.failed)
		vmt_replay_break(r, &r->window.err);
	return VMT_NOT_FOUND;
}

/* -------------------------------------------------------------------------------------------- */
/* Following                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** The guest's bytes of the whole page @gfn, as they are for that side. */
static void snapshot(struct vmt_replay *r, vmt_gfn gfn, struct vmt_answer *answer)
{
	struct vmt_question q = {.facts = &r->facts, .gfn = gfn, .len = VMT_PAGE_SIZE};
	struct vmt_here here = r->cur.runs && r->cur.aligned ? r->cur.here : vmt_here_now(r);

	vmt_answer(&q, &here, answer);
}

int vmt_note_remap(struct vmt_replay *r, bool recorded, const struct vmt_call *call)
{
	struct vmt_shadows *shadows = recorded ? &r->recorded_shadows : &r->replayed_shadows;
	struct vmt_model *model = recorded ? r->recorded.model : r->replayed.model;
	struct vmt_answer answer;

	if (vmt_gfn_is_any(call->u.remap_gfn.to) ||
	    !vmt_model_own_page(model, call->u.remap_gfn.to)) {
		vmt_shadows_drop(shadows, call->u.remap_gfn.view, call->u.remap_gfn.from);
		return 0;
	}
	snapshot(r, call->u.remap_gfn.from, &answer);
	return vmt_shadows_put(shadows, call->u.remap_gfn.view, call->u.remap_gfn.from, &answer);
}

static void follow_event(struct vmt_replay *r, const struct vmt_trace_record *record)
{
	const struct vmt_event *ev = &((const struct vmt_trace_event *)record->body)->event;
	struct vmt_error err;

	r->event_number = record->event;
	vmt_side_ran(&r->recorded, ev, true);
	if (vmt_side_take(&r->recorded, ev, &err) < 0) {
		vmt_replay_break(r, &err);
		return;
	}
	vmt_side_ran(&r->replayed, ev, false);
	if (!r->alike) {
		struct vmt_meets l = vmt_replayed_meets(r);
		struct vmt_meets rec = vmt_recorded_meets(r);

		if (vmt_shows_blind(&l, &rec, ev, r->cr3[ev->vcpu]))
			r->report->blind_seen++;
	}
	r->cr3[ev->vcpu] = ev->regs.known & VMT_KNOWN(VMT_REG_CR3) ? ev->regs.cr3 : 0;
}

static void follow_call(struct vmt_replay *r, const struct vmt_trace_call *tc)
{
	const struct vmt_call *call = &tc->call;
	struct vmt_error err;

	switch (call->op) {
	case VMT_CALL_WAIT:
		if (call->result >= 0)
			r->recorded_now = call->u.wait.wait->now;
		vmt_side_all_ran(&r->recorded);
		return;
	case VMT_CALL_ANSWER:
		if (call->result >= 0)
			vmt_side_answered(&r->recorded, call->u.answer.event->ticket,
					  call->u.answer.response);
		return;
	case VMT_CALL_COMMIT:
		if (call->result >= 0)
			vmt_side_commit(&r->recorded, NULL);
		return;
	case VMT_CALL_INFO:
	case VMT_CALL_NEXT:
	case VMT_CALL_PENDING:
	case VMT_CALL_OVERHEAD:
	case VMT_CALL_READ:
	case VMT_CALL_WRITE: /* own-bytes.h has its history */
	case VMT_CALL_GET_ACCESS:
	case VMT_CALL_GET_REGS:
	case VMT_CALL_GET_CONTEXT:
		return;
	default:
		break;
	}
	/* Where the model would not do what the domain did, it would not for the other side either. */
	vmt_side_follow(&r->recorded, call, &err);
	if (call->op == VMT_CALL_REMAP_GFN && call->result >= 0 &&
	    vmt_note_remap(r, true, call) < 0)
		vmt_replay_break(r, &(struct vmt_error){.status = VMT_E_NO_MEMORY,
							.place = "replay",
							.text = "no memory for a page"});
}

static void follow(struct vmt_replay *r, const struct vmt_trace_record *record)
{
	vmt_still_feed(&r->still, record);
	r->time = 2 * record->position + 1;
	switch (record->kind) {
	case VMT_TRACE_EVENT:
		follow_event(r, record);
		break;
	case VMT_TRACE_CALLBACK:
		r->skipping = !(r->cur.runs && r->cur.aligned);
		break;
	case VMT_TRACE_CALLBACK_END:
		r->skipping = false;
		break;
	case VMT_TRACE_EMISSION:
		if (r->skipping)
			vmt_compare_lost(r, record);
		break;
	case VMT_TRACE_TEARDOWN:
		r->recorded_over = true;
		break;
	default:
		if (record->kind >= VMT_TRACE_CALL && record->kind < VMT_TRACE_KIND_COUNT)
			follow_call(r, record->body);
	}
}

void vmt_align_follow(struct vmt_replay *r, size_t from, size_t to)
{
	for (size_t n = from; n < to && !r->past; n++)
		follow(r, vmt_window_at(&r->window, n));
}

void vmt_align_drop(struct vmt_replay *r, size_t n)
{
	while (n-- > 0)
		vmt_window_drop(&r->window);
}

/** Does the record make a difference between the two footprints when only one side has it? */
static bool counts(const struct vmt_trace_record *record)
{
	unsigned op = record->kind - VMT_TRACE_CALL;

	if (record->kind < VMT_TRACE_CALL)
		return record->kind == VMT_TRACE_EVENT;
	return vmt_call_is_effect(op) || op == VMT_CALL_ANSWER || op == VMT_CALL_RESET ||
	       op == VMT_CALL_DETACH;
}

void vmt_align_use(struct vmt_replay *r)
{
	if (!r->past)
		follow(r, vmt_window_at(&r->window, 0));
	vmt_window_drop(&r->window);
}

void vmt_align_consume(struct vmt_replay *r, size_t n)
{
	while (n-- > 0) {
		if (counts(vmt_window_at(&r->window, 0)))
			r->alike = false;
		vmt_align_use(r);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* A recorded call and a replayed one                                                           */
/* -------------------------------------------------------------------------------------------- */

static bool same_monitor(const struct vmt_call *a, const struct vmt_call *b)
{
	const struct vmt_monitor *x = a->u.monitor.monitor;
	const struct vmt_monitor *y = b->u.monitor.monitor;

	return a->u.monitor.on == b->u.monitor.on && x->kind == y->kind && x->what == y->what &&
	       x->flags == y->flags && x->ignore == y->ignore;
}

static bool same_access(struct vmt_access a, struct vmt_access b)
{
	return a.rights == b.rights && a.options == b.options;
}

static bool same_regs(const struct vmt_regs *a, const struct vmt_regs *b)
{
	return a->known == b->known && !vmt_regs_differ(a, b, VMT_KNOWN_ALL);
}

static bool same_interrupt(const struct vmt_interrupt *a, const struct vmt_interrupt *b)
{
	return a->vector == b->vector && a->type == b->type && a->insn_length == b->insn_length &&
	       a->error_code == b->error_code && a->extra == b->extra;
}

bool vmt_same_arguments(const struct vmt_trace_call *tc, const struct vmt_call *b)
{
	const struct vmt_call *a = &tc->call;

	if (a->op != b->op)
		return false;
	switch (a->op) {
	case VMT_CALL_MONITOR:
		return same_monitor(a, b);
	case VMT_CALL_READ:
		return a->u.read.gfn.n == b->u.read.gfn.n && a->u.read.offset == b->u.read.offset &&
		       a->u.read.len == b->u.read.len;
	case VMT_CALL_WRITE:
		return a->u.write.gfn.n == b->u.write.gfn.n &&
		       a->u.write.offset == b->u.write.offset && a->u.write.len == b->u.write.len &&
		       memcmp(a->u.write.buf, b->u.write.buf, a->u.write.len) == 0;
	case VMT_CALL_ALLOC_GFN:
		return tc->asked.n == b->u.alloc_gfn.gfn->n;
	case VMT_CALL_FREE_GFN:
		return a->u.free_gfn.gfn.n == b->u.free_gfn.gfn.n;
	case VMT_CALL_GET_ACCESS:
		return a->u.get_access.view == b->u.get_access.view &&
		       a->u.get_access.gfn.n == b->u.get_access.gfn.n;
	case VMT_CALL_SET_ACCESS:
		return a->u.set_access.view == b->u.set_access.view &&
		       a->u.set_access.gfn.n == b->u.set_access.gfn.n &&
		       a->u.set_access.count == b->u.set_access.count &&
		       same_access(a->u.set_access.access, b->u.set_access.access);
	case VMT_CALL_CREATE_VIEW:
		return same_access(a->u.create_view.access, b->u.create_view.access);
	case VMT_CALL_DESTROY_VIEW:
	case VMT_CALL_SWITCH_VIEW:
		return a->u.view.view == b->u.view.view;
	case VMT_CALL_REMAP_GFN:
		return a->u.remap_gfn.view == b->u.remap_gfn.view &&
		       a->u.remap_gfn.from.n == b->u.remap_gfn.from.n &&
		       a->u.remap_gfn.to.n == b->u.remap_gfn.to.n;
	case VMT_CALL_GET_REGS:
		return a->u.get_regs.vcpu == b->u.get_regs.vcpu;
	case VMT_CALL_SET_REGS:
		return a->u.set_regs.vcpu == b->u.set_regs.vcpu &&
		       same_regs(a->u.set_regs.regs, b->u.set_regs.regs);
	case VMT_CALL_GET_CONTEXT:
		return a->u.get_context.vcpu == b->u.get_context.vcpu;
	case VMT_CALL_INJECT:
		return a->u.inject.vcpu == b->u.inject.vcpu &&
		       same_interrupt(a->u.inject.interrupt, b->u.inject.interrupt);
	default:
		return true;
	}
}

int vmt_take_results(struct vmt_replay *r, const struct vmt_trace_call *tc, struct vmt_call *call)
{
	const struct vmt_call *from = &tc->call;

	call->result = from->result;
	if (call->op == VMT_CALL_SET_ACCESS && call->u.set_access.done && from->u.set_access.done)
		*call->u.set_access.done = *from->u.set_access.done;
	if (call->result < 0) {
		r->base.driver.err = tc->error;
		return call->result;
	}
	switch (call->op) {
	case VMT_CALL_INFO:
		*call->u.info.info = *from->u.info.info;
		break;
	case VMT_CALL_WAIT:
		*call->u.wait.wait = *from->u.wait.wait;
		break;
	case VMT_CALL_PENDING:
		*call->u.pending.n = *from->u.pending.n;
		break;
	case VMT_CALL_OVERHEAD:
		*call->u.overhead.ns = *from->u.overhead.ns;
		break;
	case VMT_CALL_ALLOC_GFN:
		*call->u.alloc_gfn.gfn = *from->u.alloc_gfn.gfn;
		break;
	case VMT_CALL_GET_ACCESS:
		*call->u.get_access.access = *from->u.get_access.access;
		break;
	case VMT_CALL_CREATE_VIEW:
		*call->u.create_view.view = *from->u.create_view.view;
		break;
	case VMT_CALL_GET_REGS:
		*call->u.get_regs.regs = *from->u.get_regs.regs;
		break;
	case VMT_CALL_GET_CONTEXT:
		*call->u.get_context.context = *from->u.get_context.context;
		break;
	default:
		break;
	}
	return call->result;
}
