/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A model that follows one handler.
 */
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "side.h"

/* -------------------------------------------------------------------------------------------- */
/* What the model asks                                                                          */
/* -------------------------------------------------------------------------------------------- */

static bool guest_exists(void *ctx, vmt_gfn gfn)
{
	struct vmt_side *side = ctx;

	if (vmt_gfn_map_get(&side->pages, gfn.n))
		return true;
	return gfn.n <= side->facts->origin.info.max_gfn &&
	       !vmt_answer_never_there(side->facts, gfn);
}

static int guest_read(void *ctx, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		      struct vmt_error *err)
{
	(void)ctx;
	(void)gfn;
	(void)offset;
	(void)buf;
	(void)len;
	return vmt_error_set(err, VMT_E_NOT_RECORDED, "replay", "bytes are kept elsewhere");
}

static int guest_write(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len,
		       struct vmt_error *err)
{
	(void)ctx;
	(void)gfn;
	(void)offset;
	(void)buf;
	(void)len;
	(void)err;
	return 0;
}

static int guest_add(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct vmt_side *side = ctx;

	if (!vmt_gfn_map_put(&side->pages, gfn.n))
		return vmt_error_set(err, VMT_E_NO_MEMORY, "alloc_gfn", "no memory for a page");
	return 0;
}

static int guest_remove(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct vmt_side *side = ctx;

	(void)err;
	vmt_gfn_map_remove(&side->pages, gfn.n);
	return 0;
}

static const struct vmt_guest_ops guest_ops = {
	.exists = guest_exists,
	.read = guest_read,
	.write = guest_write,
	.add = guest_add,
	.remove = guest_remove,
};

/** The row of the Xen that the trace names: the newest that is not newer. */
static const struct vmt_xen_version *version_of(const struct vmt_info *info)
{
	const struct vmt_xen_version *best = NULL;

	for (size_t i = 0; i < vmt_xen_nversions; i++) {
		const struct vmt_xen_version *v = &vmt_xen_versions[i];

		if (v->major < info->xen_major ||
		    (v->major == info->xen_major && v->minor <= info->xen_minor))
			best = v;
	}
	return best;
}

int vmt_side_init(struct vmt_side *side, struct vmt_facts *facts, struct vmt_error *err)
{
	const struct vmt_info *info = &facts->origin.info;
	struct vmt_model_config config = {
		.xen = version_of(info),
		.vendor = info->capabilities & VMT_CAP_MEMORY_ACCESS ? VMT_CPU_VMX : VMT_CPU_SVM,
		.vcpus = info->vcpus,
		.views = info->views,
		.max_gfn = info->max_gfn,
		.guest = &guest_ops,
		.guest_ctx = side,
	};

	memset(side, 0, sizeof(*side));
	side->facts = facts;
	side->vcpus = info->vcpus;
	vmt_gfn_map_init(&side->pages, 0);
	if (!(info->capabilities & VMT_CAP_VIEWS))
		config.flags |= VMT_MODEL_NO_VIEWS;
	if (info->capabilities & VMT_CAP_IGNORE_WALKS)
		config.flags |= VMT_MODEL_PAGING_WRITE;
	side->next_interrupt = calloc(info->vcpus, sizeof(bool));
	side->stepped = calloc(info->vcpus, sizeof(struct vmt_trap));
	if (!side->next_interrupt || !side->stepped)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "replay", "no memory for the model");
	return vmt_model_create(&config, &side->model, err);
}

void vmt_side_finish(struct vmt_side *side)
{
	vmt_model_destroy(side->model);
	vmt_gfn_map_finish(&side->pages);
	free(side->next_interrupt);
	free(side->stepped);
}

/* -------------------------------------------------------------------------------------------- */
/* Events                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Is the vCPU in a fast step, and back to which view? */
static bool in_fast_step(const struct vmt_side *side, uint16_t vcpu, vmt_view *back)
{
	struct vmt_footprint_cursor cursor = {.kind = VMT_FOOTPRINT_STEPPING, .index = vcpu};
	struct vmt_footprint item;

	if (!vmt_model_stepping(side->model, vcpu) ||
	    !vmt_footprint_next(side->model, &cursor, &item) ||
	    item.kind != VMT_FOOTPRINT_STEPPING || item.vcpu != vcpu || !item.fast)
		return false;
	*back = item.view;
	return true;
}

/** Let the vCPU in: what a response deferred, or an injection, takes place. */
static void enter(struct vmt_side *side, uint16_t vcpu)
{
	struct vmt_entry entry;

	vmt_model_enter(side->model, vcpu, &entry, NULL);
}

static struct vmt_trap trap_of(const struct vmt_event *ev, uint64_t rip)
{
	return (struct vmt_trap){
		.rip = rip,
		.gfn = ev->reason == VMT_EVENT_MEMORY_ACCESS ? vmt_gfn_of(ev->u.memory.gpa).n : 0,
		.reason = ev->reason,
	};
}

/**
 * Was the instruction that is stepped over executed before @ev came? What a fast step went over does
 * not stop the step itself. So where the same stops the vCPU at the same place, it has come there
 * once more; where something else does, it is the instruction that was to be stepped over.
 */
static bool has_retired(const struct vmt_side *side, const struct vmt_event *ev, bool own_view,
			vmt_view back)
{
	const struct vmt_trap *over = &side->stepped[ev->vcpu];
	struct vmt_trap now = trap_of(ev, ev->regs.gprs.rip);

	if (now.rip != over->rip)
		return true;
	if (own_view && (ev->flags & VMT_EVENT_HAS_VIEW))
		return ev->view == back;
	return now.reason == over->reason && now.gfn == over->gfn;
}

void vmt_side_ran(struct vmt_side *side, const struct vmt_event *ev, bool own_view)
{
	vmt_view back;

	if (ev->vcpu >= side->vcpus)
		return;
	if (side->any_injected || vmt_model_unsettled(side->model) > 0)
		enter(side, ev->vcpu);
	if (!in_fast_step(side, ev->vcpu, &back))
		return;
	if (ev->reason == VMT_EVENT_SINGLESTEP || has_retired(side, ev, own_view, back))
		vmt_model_retired(side->model, ev->vcpu, VMT_GFN_ANY, NULL);
}

static struct vmt_taken *find_taken(struct vmt_side *side, uint64_t ticket)
{
	for (uint32_t i = 0; i < side->ntaken; i++)
		if (side->taken[i].ticket == ticket)
			return &side->taken[i];
	return NULL;
}

const struct vmt_event *vmt_side_taken(const struct vmt_side *side, uint64_t ticket)
{
	for (uint32_t i = 0; i < side->ntaken; i++)
		if (side->taken[i].ticket == ticket)
			return &side->taken[i].event;
	return NULL;
}

int vmt_side_take(struct vmt_side *side, const struct vmt_event *ev, struct vmt_error *err)
{
	struct vmt_taken *taken = &side->taken[side->ntaken];
	int r;

	if (ev->vcpu >= side->vcpus)
		return vmt_error_set(err, VMT_E_DAMAGED, "replay",
				     "the trace cannot be: it has an event of vCPU %u, and the "
				     "domain has %u",
				     ev->vcpu, side->vcpus);
	/* A backend with a longer ring than Xen's: what is answered need not wait for the commit. */
	if (side->ntaken == VMT_RING_SLOTS)
		vmt_side_commit(side, NULL);
	if (side->ntaken == VMT_HELD_MAX || find_taken(side, ev->ticket))
		return vmt_error_set(err, VMT_E_DAMAGED, "replay",
				     "the trace cannot be: it has too many events that were not "
				     "answered, or one twice");
	r = vmt_model_post(side->model, ev, true, err);
	if (r >= 0)
		r = vmt_model_next(side->model, &taken->event, err);
	if (r < 0)
		return r;
	if (r == 0)
		return vmt_error_set(err, VMT_E_DAMAGED, "replay",
				     "the trace cannot be: more events stand unanswered than fit "
				     "on Xen's ring");
	taken->event.raw = NULL;
	taken->event.raw_len = 0;
	taken->ticket = ev->ticket;
	taken->answered = false;
	side->ntaken++;
	if (ev->reason == VMT_EVENT_NEXT_INTERRUPT)
		side->next_interrupt[ev->vcpu] = false;
	return 0;
}

/** What the model is told: it is not to make events of its own. */
static struct vmt_response for_model(const struct vmt_side *side, const struct vmt_event *ev,
				     const struct vmt_response *rsp)
{
	struct vmt_response told = *rsp;

	told.flags &= (uint16_t)~VMT_RSP_NEXT_INTERRUPT;
	if (told.data_len == 0)
		told.data = NULL; /* decoded ones point to where the data would be */
	/* A posted event defers no write, so the model cannot deny it; the domain could. */
	if (told.action == VMT_DENY &&
	    (ev->reason == VMT_EVENT_WRITE_CR || ev->reason == VMT_EVENT_WRITE_MSR) &&
	    vmt_model_monitored(side->model, VMT_MONITOR_DEFERRED_WRITES, 0))
		told.action = VMT_CONTINUE;
	return told;
}

int vmt_side_answer(struct vmt_side *side, uint64_t ticket, const struct vmt_response *rsp,
		    struct vmt_error *err)
{
	struct vmt_taken *taken = find_taken(side, ticket);
	struct vmt_response told;
	int r;

	if (!taken || taken->answered)
		return vmt_error_set(err, VMT_E_NOT_FOUND, "answer",
				     "event %llu was not taken, or was answered before",
				     (unsigned long long)ticket);
	told = for_model(side, &taken->event, rsp);
	r = vmt_model_answer(side->model, &taken->event, &told, err);
	if (r < 0)
		return r;
	taken->answered = true;
	if (rsp->flags & VMT_RSP_NEXT_INTERRUPT)
		side->next_interrupt[taken->event.vcpu] = true;
	if (rsp->action == VMT_REINJECT)
		side->any_injected = true;
	if (rsp->action == VMT_FAST_SINGLESTEP)
		side->stepped[taken->event.vcpu] =
			trap_of(&taken->event, (rsp->flags & VMT_RSP_REGS)
						       ? rsp->regs->rip
						       : taken->event.regs.gprs.rip);
	return 0;
}

void vmt_side_answered(struct vmt_side *side, uint64_t ticket, const struct vmt_response *rsp)
{
	struct vmt_response plain = vmt_respond(VMT_CONTINUE);
	struct vmt_taken *taken = find_taken(side, ticket);

	if (!taken || taken->answered || vmt_side_answer(side, ticket, rsp, NULL) == 0)
		return;
	/* The domain did what the model would not: at least the event is answered. */
	if (rsp->flags & VMT_RSP_REGS)
		plain = vmt_with_regs(plain, rsp->regs);
	if (vmt_side_answer(side, ticket, &plain, NULL) < 0) {
		plain = vmt_respond(VMT_CONTINUE);
		vmt_side_answer(side, ticket, &plain, NULL);
	}
}

int vmt_side_commit(struct vmt_side *side, struct vmt_error *err)
{
	uint32_t left = 0;
	int r = vmt_model_commit(side->model, err);

	for (uint32_t i = 0; i < side->ntaken; i++)
		if (!side->taken[i].answered)
			side->taken[left++] = side->taken[i];
	side->ntaken = left;
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Calls                                                                                        */
/* -------------------------------------------------------------------------------------------- */

void vmt_side_all_ran(struct vmt_side *side)
{
	if (!side->any_injected && vmt_model_unsettled(side->model) == 0)
		return;
	for (uint32_t v = 0; v < side->vcpus; v++)
		enter(side, (uint16_t)v);
	side->any_injected = false;
}

static int detach(struct vmt_side *side, struct vmt_error *err)
{
	side->ntaken = 0;
	return vmt_model_detach(side->model, err);
}

int vmt_side_call(struct vmt_side *side, struct vmt_call *call, struct vmt_error *err)
{
	struct vmt_model *m = side->model;

	switch (call->op) {
	case VMT_CALL_MONITOR:
		return vmt_model_monitor(m, call->u.monitor.monitor, call->u.monitor.on, err);
	case VMT_CALL_ALLOC_GFN:
		return vmt_model_alloc_gfn(m, call->u.alloc_gfn.gfn, err);
	case VMT_CALL_FREE_GFN:
		return vmt_model_free_gfn(m, call->u.free_gfn.gfn, err);
	case VMT_CALL_GET_ACCESS:
		return vmt_model_get_access(m, call->u.get_access.view, call->u.get_access.gfn,
					    call->u.get_access.access, err);
	case VMT_CALL_SET_ACCESS:
		return vmt_model_set_access(m, call->u.set_access.view, call->u.set_access.gfn,
					    call->u.set_access.count, call->u.set_access.access,
					    call->u.set_access.done, err);
	case VMT_CALL_CREATE_VIEW:
		return vmt_model_create_view(m, call->u.create_view.access,
					     call->u.create_view.view, err);
	case VMT_CALL_DESTROY_VIEW:
		return vmt_model_destroy_view(m, call->u.view.view, err);
	case VMT_CALL_SWITCH_VIEW:
		return vmt_model_switch_view(m, call->u.view.view, err);
	case VMT_CALL_REMAP_GFN:
		return vmt_model_remap_gfn(m, call->u.remap_gfn.view, call->u.remap_gfn.from,
					   call->u.remap_gfn.to, err);
	case VMT_CALL_SET_REGS:
		return vmt_model_set_regs(m, call->u.set_regs.vcpu, call->u.set_regs.regs, err);
	case VMT_CALL_INJECT:
		side->any_injected = true;
		return vmt_model_inject(m, call->u.inject.vcpu, call->u.inject.interrupt, err);
	case VMT_CALL_PAUSE:
		return vmt_model_pause(m, err);
	case VMT_CALL_RESUME:
		return vmt_model_resume(m, err);
	case VMT_CALL_RESET:
		return vmt_model_reset(m, err);
	case VMT_CALL_SETTLE:
		vmt_side_all_ran(side);
		return 0;
	case VMT_CALL_COMMIT:
		return vmt_side_commit(side, err);
	case VMT_CALL_DETACH:
		return detach(side, err);
	default:
		return vmt_error_set(err, VMT_E_INVALID, "replay", "the model does not do this");
	}
}

/** The recorded view number: views are made until it comes, and the others are dropped again. */
static int follow_view(struct vmt_side *side, const struct vmt_call *call, struct vmt_error *err)
{
	vmt_view made[256];
	uint32_t n = 0;
	vmt_view view = 0;
	int r;

	do {
		r = vmt_model_create_view(side->model, call->u.create_view.access, &view, err);
		if (r >= 0 && view != *call->u.create_view.view && n < 256)
			made[n++] = view;
	} while (r >= 0 && view != *call->u.create_view.view && n < 256);
	while (n > 0)
		vmt_model_destroy_view(side->model, made[--n], NULL);
	return r;
}

static int follow_alloc(struct vmt_side *side, const struct vmt_call *call, struct vmt_error *err)
{
	vmt_gfn gfn = *call->u.alloc_gfn.gfn;

	return vmt_model_alloc_gfn(side->model, &gfn, err);
}

static int follow_failed(struct vmt_side *side, const struct vmt_call *call, struct vmt_error *err)
{
	struct vmt_call part = *call;
	uint64_t done = 0;

	if (call->op != VMT_CALL_SET_ACCESS || !call->u.set_access.done ||
	    *call->u.set_access.done == 0)
		return 0;
	part.u.set_access.count = *call->u.set_access.done;
	part.u.set_access.done = &done;
	return vmt_side_call(side, &part, err);
}

int vmt_side_follow(struct vmt_side *side, const struct vmt_call *call, struct vmt_error *err)
{
	struct vmt_call copy = *call;
	uint64_t done = 0;
	int r;

	if (call->result < 0)
		return follow_failed(side, call, err);
	switch (call->op) {
	case VMT_CALL_CREATE_VIEW:
		return follow_view(side, call, err);
	case VMT_CALL_ALLOC_GFN:
		return follow_alloc(side, call, err);
	case VMT_CALL_SET_ACCESS:
		copy.u.set_access.done = &done;
		return vmt_side_call(side, &copy, err);
	case VMT_CALL_INJECT:
		/* The hypervisor took it, so none was pending any more: the vCPU has run. */
		r = vmt_side_call(side, &copy, err);
		if (r == -VMT_E_BUSY) {
			enter(side, call->u.inject.vcpu);
			r = vmt_side_call(side, &copy, err);
		}
		return r;
	default:
		return vmt_side_call(side, &copy, err);
	}
}
