/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses: which Xen can carry out, and in which order it does.
 *
 * Xen drops or half does what it cannot, and says nothing. So what answer() takes, commit() does
 * wholly; the rest is refused with the reason.
 *
 * Sources: xen/common/vm_event.c (vm_event_resume), xen/arch/x86/vm_event.c
 * (vm_event_emulate_check, vm_event_register_write_resume), mm/mem_access.c
 * (p2m_mem_access_emulate_check), public/vm_event.h (struct vm_event_st: regs and emul are one
 * union).
 */
#include <string.h>

#include "state.h"

/* -------------------------------------------------------------------------------------------- */
/* What is refused                                                                              */
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

static const char *action_words(uint16_t action)
{
	return vmt_action_name(action);
}

static int check_emulate_memory(const struct vmt_model *m, const struct vmt_slot *slot,
				uint16_t action, struct vmt_error *err)
{
	if (action == VMT_EMULATE_INSN)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "Xen takes instruction bytes in the answer to an int3 only");
	if (action == VMT_EMULATE || still_violates(m, slot))
		return 0;
	return vmt_error_set(
		err, VMT_E_NOT_SUPPORTED, NULL,
		"the access is no longer forbidden, so Xen would execute the "
		"instruction itself instead of %s (p2m_mem_access_emulate_check); lift "
		"the rights after the response, or answer VMT_CONTINUE",
		action_words(action));
}

static int check_emulate(const struct vmt_model *m, const struct vmt_slot *slot,
			 const struct vmt_response *rsp, struct vmt_error *err)
{
	const struct vmt_event *ev = &slot->event;

	if (rsp->action < VMT_EMULATE || rsp->action > VMT_EMULATE_INSN)
		return 0;
	if ((rsp->flags & VMT_RSP_REGS) &&
	    (rsp->action == VMT_EMULATE_READ || rsp->action == VMT_EMULATE_INSN))
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "Xen's response has one field for registers and for emulation "
				     "data; send one of the two");
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS)
		return check_emulate_memory(m, slot, rsp->action, err);
	if (vmt_event_is_breakpoint(ev) && rsp->action == VMT_EMULATE_INSN)
		return 0;
	if (ev->reason == VMT_EVENT_DESCRIPTOR && rsp->action != VMT_EMULATE_INSN)
		return 0;
	return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
			     "Xen ignores %s in the answer to %s (vm_event_emulate_check): it "
			     "emulates after a memory access, after a descriptor access, and after "
			     "an int3 with VMT_EMULATE_INSN",
			     action_words(rsp->action), vmt_reason_name(ev->reason));
}

static int check_deny(const struct vmt_model *m, const struct vmt_slot *slot, struct vmt_error *err)
{
	const struct vmt_event *ev = &slot->event;

	if (slot->deferred)
		return 0;
	if (ev->reason != VMT_EVENT_WRITE_CR && ev->reason != VMT_EVENT_WRITE_MSR)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "only writes of CR0, CR3, CR4 and MSRs can be denied, not %s",
				     vmt_reason_name(ev->reason));
	if (!m->monitors.deferring)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "the write has taken place already: Xen waits for the answer "
				     "only after deny was asked for; call vmt_deny_enable() in "
				     "create");
	return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
			     "Xen never defers this write (XCR0, or CR0 by CLTS), so it cannot be "
			     "denied");
}

static int check_reinject(const struct vmt_model *m, const struct vmt_slot *slot,
			  struct vmt_error *err)
{
	const struct vmt_event *ev = &slot->event;

	if (ev->reason != VMT_EVENT_INTERRUPT)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "only an int3 or a debug exception can be reinjected, not %s",
				     vmt_reason_name(ev->reason));
	if (m->vcpus[ev->vcpu].injecting)
		return vmt_error_set(err, VMT_E_BUSY, NULL,
				     "another injection waits for vCPU %u already, and Xen keeps "
				     "one",
				     ev->vcpu);
	return vmt_injection_check(m, &ev->u.interrupt.interrupt, err);
}

/* Xen looks at the flags of a response only while the vCPU is paused for an event. */
static int check_async(const struct vmt_slot *slot, const struct vmt_response *rsp,
		       struct vmt_error *err)
{
	if ((slot->event.flags & VMT_EVENT_SYNC) ||
	    (rsp->action == VMT_CONTINUE && rsp->flags == 0))
		return 0;
	return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
			     "the event only told: its vCPU has gone on, and Xen ignores what the "
			     "answer asks for (vm_event_resume); answer VMT_CONTINUE, or watch "
			     "without VMT_MONITOR_ASYNC");
}

static int check(const struct vmt_model *m, const struct vmt_slot *slot,
		 const struct vmt_response *rsp, struct vmt_error *err)
{
	int r = vmt_response_check(&slot->event, rsp, err);

	if (r == 0 && rsp->action == VMT_FAIL)
		r = vmt_error_set(err, VMT_E_INVALID, NULL,
				  "VMT_FAIL is for the session, which answers in its place");
	if (r == 0)
		r = check_async(slot, rsp, err);
	if (r == 0 && (rsp->flags & VMT_RSP_VIEW))
		r = m->altp2m ? vmt_view_need(m, rsp->view, err)
			      : vmt_capability_need(m, VMT_CAP_VIEWS, err);
	if (r == 0 && (rsp->flags & VMT_RSP_NEXT_INTERRUPT))
		r = vmt_capability_need(m, VMT_CAP_NEXT_INTERRUPT, err);
	if (r == 0)
		r = vmt_step_check(m, slot, rsp, err);
	if (r == 0)
		r = check_emulate(m, slot, rsp, err);
	if (r == 0 && rsp->action == VMT_DENY)
		r = check_deny(m, slot, err);
	if (r == 0 && rsp->action == VMT_REINJECT)
		r = check_reinject(m, slot, err);
	return r;
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
