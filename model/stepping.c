/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping: one instruction at a time by the monitor trap flag, and the fast step.
 *
 * Xen has a toggle; the monitor's wish is a state. Wanted and actual stand side by side per vCPU, and
 * the toggle is sent only where they differ. A fast step travels without the toggle: with both set
 * Xen would toggle and ignore the fast step (vm_event_toggle_singlestep).
 *
 * On Xen 4.17 and 4.18 the trap's handler looks at the single-step monitor before the fast step, and
 * with it off the vCPU would step for ever in the view it was sent to. So the first fast step switches
 * the monitor on, for as long as the ring is attached; no event comes of it, for a vCPU that steps in
 * the other way is refused without the monitor's own monitor on.
 *
 * Sources: xen/arch/x86/vm_event.c (vm_event_toggle_singlestep), hvm/hvm.c (hvm_toggle_singlestep,
 * hvm_fast_singlestep, hvm_debug_op), hvm/monitor.c (hvm_monitor_debug), vmx/vmx.c
 * (EXIT_REASON_MONITOR_TRAP_FLAG), vmx/intr.c (vmx_intr_assist).
 */
#include <string.h>

#include "state.h"

static bool xen_monitors_steps(const struct vmt_model *m)
{
	return m->monitors.on[VMT_MONITOR_SINGLESTEP] || m->monitors.internal_step;
}

void vmt_step_off(struct vmt_model *m, uint16_t vcpu)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];

	v->single_step = false;
	v->fast = false;
	v->fast_back = 0;
}

void vmt_step_apply(struct vmt_model *m, const struct vmt_slot *slot)
{
	struct vmt_vcpu_state *v = &m->vcpus[slot->event.vcpu];
	uint16_t action = slot->answer.action;

	if (action == VMT_FAST_SINGLESTEP) {
		if (!m->xen->fast_step_alone)
			m->monitors.internal_step = true;
		v->wants_step = false;
		v->single_step = true;
		v->fast = true;
		v->fast_back = slot->event.view;
		return;
	}
	if (action == VMT_SINGLESTEP)
		v->wants_step = m->monitors.on[VMT_MONITOR_SINGLESTEP];
	else if (slot->event.reason == VMT_EVENT_SINGLESTEP)
		v->wants_step = false;
	else
		return;
	/*
	 * The toggle would turn a fast step that has not ended into neither of the two, so the
	 * driver ends it before (XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF).
	 */
	if (v->fast)
		vmt_step_off(m, slot->event.vcpu);
	v->single_step = v->wants_step;
}

int vmt_model_retired(struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, struct vmt_error *err)
{
	const struct vmt_rest nothing = {.after = VMT_AFTER_NOTHING};
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	struct vmt_event ev;

	if (!v)
		return -VMT_E_NOT_FOUND;
	if (!v->single_step)
		return VMT_GUEST_GOES_ON;
	if (!m->xen->fast_step_alone && !xen_monitors_steps(m))
		return VMT_GUEST_GOES_ON;
	if (v->fast) {
		if (v->fast_back < m->nviews && m->views[v->fast_back].exists)
			v->view = v->fast_back;
		vmt_step_off(m, vcpu);
		vmt_model_changed(m);
		return VMT_GUEST_GOES_ON;
	}
	if (!xen_monitors_steps(m))
		return VMT_GUEST_GOES_ON;
	memset(&ev, 0, sizeof(ev));
	ev.reason = VMT_EVENT_SINGLESTEP;
	ev.flags = VMT_EVENT_SYNC;
	ev.u.step.gfn = gfn;
	return vmt_ring_post(m, vcpu, &ev, false, &nothing);
}

bool vmt_model_stepping(const struct vmt_model *m, uint16_t vcpu)
{
	return vcpu < m->nvcpus && m->vcpus[vcpu].single_step;
}
