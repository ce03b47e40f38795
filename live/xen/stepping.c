/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping. Xen has a toggle, the handler's wish is a state: wanted and actual stand side by side per
 * vCPU, and the toggle is sent only where they differ. A fast step travels without the toggle, for
 * with both set Xen toggles and ignores the fast step.
 *
 * Before Xen 4.19 the trap's handler looks at the single-step monitor before the fast step; with it
 * off the vCPU would step for ever in the view that it was sent to. So the first fast step switches it
 * on, for as long as the ring is attached.
 *
 * Sources: xen/arch/x86/vm_event.c (vm_event_toggle_singlestep), hvm/hvm.c (hvm_fast_singlestep,
 * hvm_debug_op), hvm/monitor.c (hvm_monitor_debug).
 */
#include "driver.h"

int vmt_xen_step_prepare(struct vmt_xen *x)
{
	if (x->xen.fast_step_alone || x->internal_step)
		return 0;
	x->journal.j->kinds |= UINT32_C(1) << VMT_MONITOR_SINGLESTEP;
	vmt_xen_journal_order();
	if (!x->on[VMT_MONITOR_SINGLESTEP] && xc_monitor_singlestep(x->xch, x->domid, true) < 0)
		return vmt_xen_failed(x,
				      "the single-step monitor, which a fast step needs on Xen "
				      "%u.%u, cannot be switched on",
				      x->xen.major, x->xen.minor);
	x->internal_step = true;
	return 0;
}

static int step_off(struct vmt_xen *x, uint32_t vcpu)
{
	struct vmt_xen_vcpu *v = &x->vcpus[vcpu];

	if (!v->stepping && !v->fast)
		return 0;
	if (xc_domain_debug_control(x->xch, x->domid, XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF, vcpu) <
	    0)
		return vmt_xen_failed(x, "Xen does not stop the stepping of vCPU %u", vcpu);
	v->stepping = false;
	v->fast = false;
	return 0;
}

int vmt_xen_step_plan(struct vmt_xen *x, const struct vmt_xen_slot *slot, uint32_t *flag)
{
	uint32_t vcpu = slot->request.vcpu_id;
	struct vmt_xen_vcpu *v = &x->vcpus[vcpu];
	int r = 0;

	if (vcpu >= x->nvcpus)
		return 0;
	if (slot->answer.action == VMT_FAST_SINGLESTEP) {
		v->wanted = false;
		v->stepping = true;
		v->fast = true;
		return 0;
	}
	if (slot->answer.action == VMT_SINGLESTEP)
		v->wanted = true;
	else if (slot->request.reason == VM_EVENT_REASON_SINGLESTEP)
		v->wanted = false;
	else
		return 0;
	/* Whether a fast step has ended is not known, and the toggle would turn it into neither. */
	if (v->fast)
		r = step_off(x, vcpu);
	if (v->wanted != v->stepping)
		*flag = VM_EVENT_FLAG_TOGGLE_SINGLESTEP;
	v->stepping = v->wanted;
	return r;
}

int vmt_xen_step_reset(struct vmt_xen *x, bool fast_too)
{
	struct vmt_xen_first first = {0};

	for (uint32_t i = 0; i < x->nvcpus; i++) {
		x->vcpus[i].wanted = false;
		if (fast_too || !x->vcpus[i].fast)
			vmt_xen_keep(x, &first, step_off(x, i));
	}
	return vmt_xen_kept(x, &first);
}
