/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses: in which order Xen carries them out. What answer() takes, commit() does wholly; the rest
 * is refused with the reason (refusals.c).
 *
 * Sources: xen/common/vm_event.c (vm_event_resume), xen/arch/x86/vm_event.c
 * (vm_event_emulate_check, vm_event_register_write_resume), mm/mem_access.c
 * (p2m_mem_access_emulate_check), public/vm_event.h (struct vm_event_st: regs and emul are one
 * union).
 */
#include <string.h>

#include "refusals.h"
#include "state.h"

/* -------------------------------------------------------------------------------------------- */
/* What is taken                                                                                */
/* -------------------------------------------------------------------------------------------- */

/* Is the access of this memory event still forbidden, in the view that the vCPU is in now? */
static bool still_violates(const struct vmt_model *m, const struct vmt_slot *slot)
{
	const struct vmt_memory_access *a = &slot->event.u.memory;
	struct vmt_access have;
	uint64_t page;

	if (!vmt_entry_effective(m, m->vcpus[slot->event.vcpu].view, a->gpa.a >> VMT_PAGE_SHIFT,
				 &page, &have))
		return true;
	return a->access & ~(unsigned)have.rights;
}

static int need(void *ctx, uint32_t capability, struct vmt_error *err)
{
	return vmt_capability_need(ctx, capability, err);
}

static int check(struct vmt_model *m, const struct vmt_slot *slot, const struct vmt_response *rsp,
		 struct vmt_error *err)
{
	const struct vmt_event *ev = &slot->event;
	const struct vmt_vcpu_state *v = &m->vcpus[ev->vcpu];
	const struct vmt_situation s = {
		.vendor = m->vendor,
		.deferring = m->monitors.deferring,
		.deferred = slot->deferred,
		.watches_step = m->monitors.on[VMT_MONITOR_SINGLESTEP],
		.stepped = v->wants_step,
		.injecting = v->injecting,
		.view_exists = rsp->view < m->nviews && m->views[rsp->view].exists,
		.forbidden = ev->reason == VMT_EVENT_MEMORY_ACCESS && still_violates(m, slot),
		.need = need,
		.ctx = m,
	};

	return vmt_refuse_response(&s, ev, rsp, err);
}

int vmt_model_answer(struct vmt_model *m, const struct vmt_event *ev,
		     const struct vmt_response *rsp, struct vmt_error *err)
{
	struct vmt_slot *slot = vmt_slot_find(m, ev->ticket);
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (!slot || slot->state != VMT_SLOT_TAKEN || slot->event.vcpu != ev->vcpu)
		return vmt_error_set(err, VMT_E_NOT_FOUND, NULL,
				     "event %llu of vCPU %u was not taken, or was answered before",
				     (unsigned long long)ev->ticket, ev->vcpu);
	r = check(m, slot, rsp, err);
	if (r < 0)
		return r;
	slot->answer.order = ++m->answer_order;
	slot->answer.action = rsp->action;
	slot->answer.flags = rsp->flags;
	slot->answer.view = rsp->view;
	if (rsp->flags & VMT_RSP_REGS)
		slot->answer.regs = *rsp->regs;
	slot->answer.data_len = rsp->data_len;
	if (rsp->data_len > 0)
		memcpy(slot->answer.data, rsp->data, rsp->data_len);
	slot->state = VMT_SLOT_ANSWERED;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* What takes effect                                                                            */
/* -------------------------------------------------------------------------------------------- */

/* vm_event_emulate_check: any response clears what an earlier one asked for. */
static void apply_emulate(struct vmt_model *m, const struct vmt_slot *slot)
{
	struct vmt_vcpu_state *v = &m->vcpus[slot->event.vcpu];
	const struct vmt_answer *a = &slot->answer;

	v->emulate = 0;
	if (a->action < VMT_EMULATE || a->action > VMT_EMULATE_INSN)
		return;
	if (slot->event.reason == VMT_EVENT_MEMORY_ACCESS && !still_violates(m, slot))
		return;
	v->emulate = a->action;
	v->emulate_len = a->data_len;
	memcpy(v->emulate_data, a->data, a->data_len);
}

/* vm_event_resume, for one response. */
static void apply(struct vmt_model *m, const struct vmt_slot *slot)
{
	struct vmt_vcpu_state *v = &m->vcpus[slot->event.vcpu];
	const struct vmt_answer *a = &slot->answer;

	if (v->held == 0)
		return;
	apply_emulate(m, slot);
	if (a->action == VMT_DENY)
		vmt_deferred_deny(m, slot);
	vmt_step_apply(m, slot);
	if ((a->flags & VMT_RSP_VIEW) && a->view < m->nviews && m->views[a->view].exists)
		v->view = a->view;
	if (a->flags & VMT_RSP_REGS) {
		v->set_gprs = true;
		v->gprs = a->regs;
	}
	if (a->flags & VMT_RSP_NEXT_INTERRUPT)
		v->next_interrupt = true;
	if (slot->event.flags & VMT_EVENT_SYNC) {
		v->held--;
		v->unsettled = true;
	}
}

static struct vmt_slot *first_answered(struct vmt_model *m)
{
	struct vmt_slot *first = NULL;

	for (unsigned i = 0; i < VMT_RING_SLOTS; i++) {
		struct vmt_slot *slot = &m->slots[i];

		if (slot->state == VMT_SLOT_ANSWERED &&
		    (!first || slot->answer.order < first->answer.order))
			first = slot;
	}
	return first;
}

int vmt_model_commit(struct vmt_model *m, struct vmt_error *err)
{
	struct vmt_slot *slot;
	int r = vmt_ring_need(m, err);
	int first = r;

	while (r == 0 && (slot = first_answered(m))) {
		uint16_t vcpu = slot->event.vcpu;

		vmt_ring_release(m, slot);
		/* xendevicemodel_inject_event, before the response goes out */
		if (slot->answer.action == VMT_REINJECT) {
			struct vmt_error *why = first == 0 ? err : NULL;
			int one =
				vmt_model_inject(m, vcpu, &slot->event.u.interrupt.interrupt, why);

			if (first == 0)
				first = one;
		}
		apply(m, slot);
		vmt_model_changed(m);
	}
	return first;
}
