/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Xen would do half, or ignore, and is refused instead: responses and injections.
 *
 * Xen drops or half does what it cannot, and says nothing. The model and the Xen driver ask here, so
 * that what one backend takes the other takes too. Pure: the situation is the caller's.
 *
 * Sources: xen/common/vm_event.c (vm_event_resume), xen/arch/x86/vm_event.c
 * (vm_event_emulate_check, vm_event_register_write_resume), mm/mem_access.c
 * (p2m_mem_access_emulate_check), hvm/monitor.c (hvm_monitor_debug), public/vm_event.h (struct
 * vm_event_st: regs and emul are one union), hvm/dm.c (inject_event).
 */
#include "model/xen-versions.h"

#include "refusals.h"

/* -------------------------------------------------------------------------------------------- */
/* What is refused                                                                              */
/* -------------------------------------------------------------------------------------------- */

static int check_emulate(const struct vmt_situation *s, const struct vmt_event *ev,
			 const struct vmt_response *rsp, struct vmt_error *err)
{
	bool insn = rsp->action == VMT_EMULATE_INSN;
	const char *action = vmt_action_name(rsp->action);

	if ((rsp->flags & VMT_RSP_REGS) && (insn || rsp->action == VMT_EMULATE_READ))
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "Xen's response has one field for registers and for emulation "
				     "data; send one of the two");
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS && insn)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "Xen takes instruction bytes in the answer to an int3 only");
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS && rsp->action != VMT_EMULATE && !s->forbidden)
		return vmt_error_set(
			err, VMT_E_NOT_SUPPORTED, NULL,
			"the access is no longer forbidden, so Xen would execute the instruction "
			"itself instead of %s (p2m_mem_access_emulate_check); lift the rights "
			"after the response, or answer VMT_CONTINUE",
			action);
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS || (insn && vmt_event_is_breakpoint(ev)) ||
	    (!insn && ev->reason == VMT_EVENT_DESCRIPTOR))
		return 0;
	return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
			     "Xen ignores %s in the answer to %s (vm_event_emulate_check): it "
			     "emulates after a memory access, after a descriptor access, and after "
			     "an int3 with VMT_EMULATE_INSN",
			     action, vmt_reason_name(ev->reason));
}

static int check_deny(const struct vmt_situation *s, const struct vmt_event *ev,
		      struct vmt_error *err)
{
	if (s->deferred)
		return 0;
	if (ev->reason != VMT_EVENT_WRITE_CR && ev->reason != VMT_EVENT_WRITE_MSR)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "only writes of CR0, CR3, CR4 and MSRs can be denied, not %s",
				     vmt_reason_name(ev->reason));
	if (!s->deferring)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "the write has taken place already: Xen waits for the answer "
				     "only after deny was asked for; call vmt_deny_enable() in "
				     "create");
	return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
			     "Xen never defers this write (XCR0, or CR0 by CLTS), so it cannot be "
			     "denied");
}

static int check_reinject(const struct vmt_situation *s, const struct vmt_event *ev,
			  struct vmt_error *err)
{
	if (ev->reason != VMT_EVENT_INTERRUPT)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "only an int3 or a debug exception can be reinjected, not %s",
				     vmt_reason_name(ev->reason));
	if (s->injecting)
		return vmt_error_set(err, VMT_E_BUSY, NULL,
				     "another injection waits for vCPU %u already, and Xen keeps "
				     "one",
				     ev->vcpu);
	return vmt_refuse_injection(s->vendor, &ev->u.interrupt.interrupt, err);
}

static int check_singlestep(const struct vmt_situation *s, struct vmt_error *err)
{
	if (s->watches_step)
		return 0;
	return vmt_error_set(
		err, VMT_E_NOT_SUPPORTED, NULL,
		"VMT_SINGLESTEP while single steps are not watched: the vCPU would step for ever "
		"and no event would come; switch VMT_MONITOR_SINGLESTEP on");
}

static int check_fast(const struct vmt_situation *s, const struct vmt_event *ev,
		      struct vmt_error *err)
{
	if (!(ev->flags & VMT_EVENT_HAS_VIEW))
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "the event names no view to go back to after the fast step");
	if (ev->reason != VMT_EVENT_SINGLESTEP && s->stepped)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "vCPU %u is being single-stepped, and Xen would end that "
				     "silently with the fast step (hvm_monitor_debug); answer "
				     "VMT_SINGLESTEP with the view, and go back at the step event",
				     ev->vcpu);
	return 0;
}

static int check_action(const struct vmt_situation *s, const struct vmt_event *ev,
			const struct vmt_response *rsp, struct vmt_error *err)
{
	switch (rsp->action) {
	case VMT_DENY:
		return check_deny(s, ev, err);
	case VMT_REINJECT:
		return check_reinject(s, ev, err);
	case VMT_SINGLESTEP:
		return check_singlestep(s, err);
	case VMT_FAST_SINGLESTEP:
		return check_fast(s, ev, err);
	case VMT_EMULATE:
	case VMT_EMULATE_NOWRITE:
	case VMT_EMULATE_READ:
	case VMT_EMULATE_INSN:
		return check_emulate(s, ev, rsp, err);
	case VMT_FAIL:
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "VMT_FAIL is for the session, which answers in its place");
	default:
		return 0;
	}
}

static int need(const struct vmt_situation *s, uint32_t capability, struct vmt_error *err)
{
	return s->need ? s->need(s->ctx, capability, err) : 0;
}

/* Only with an action that a hypervisor has: it was looked at before. */
static int check_capabilities(const struct vmt_situation *s, const struct vmt_response *rsp,
			      struct vmt_error *err)
{
	static const uint32_t of_action[VMT_ACTION_COUNT] = {
		[VMT_REINJECT] = VMT_CAP_INJECT,
		[VMT_SINGLESTEP] = VMT_CAP_MONITOR_SINGLESTEP,
		[VMT_FAST_SINGLESTEP] = VMT_CAP_FAST_SINGLESTEP,
	};
	int r = 0;

	/* view 0 is there without altp2m, too */
	if ((rsp->flags & VMT_RSP_VIEW) && rsp->view != 0)
		r = need(s, VMT_CAP_VIEWS, err);
	if (r == 0 && (rsp->flags & VMT_RSP_NEXT_INTERRUPT))
		r = need(s, VMT_CAP_NEXT_INTERRUPT, err);
	if (r == 0 && of_action[rsp->action])
		r = need(s, of_action[rsp->action], err);
	return r;
}

int vmt_refuse_response(const struct vmt_situation *s, const struct vmt_event *ev,
			const struct vmt_response *rsp, struct vmt_error *err)
{
	int r = vmt_response_check(ev, rsp, err);

	if (r < 0)
		return r;
	/* Xen looks at a response's flags only while the vCPU is paused for an event. */
	if (!(ev->flags & VMT_EVENT_SYNC) && (rsp->action != VMT_CONTINUE || rsp->flags != 0))
		return vmt_error_set(
			err, VMT_E_NOT_SUPPORTED, NULL,
			"the event only told: its vCPU has gone on, and Xen ignores what the "
			"answer asks for (vm_event_resume); answer VMT_CONTINUE, or watch without "
			"VMT_MONITOR_ASYNC");
	r = check_capabilities(s, rsp, err);
	if (r < 0)
		return r;
	if ((rsp->flags & VMT_RSP_VIEW) && !s->view_exists)
		return vmt_error_set(err, VMT_E_NOT_FOUND, NULL,
				     "there is no view %u; make one with create_view", rsp->view);
	return check_action(s, ev, rsp, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Injections                                                                                   */
/* -------------------------------------------------------------------------------------------- */

/* #DF #TS #NP #SS #GP #PF #AC push an error code. */
#define WITH_CODE \
	((1u << 8) | (1u << 10) | (1u << 11) | (1u << 12) | (1u << 13) | (1u << 14) | (1u << 17))
/* Newer ones that do on some CPUs: #CP, #VC, #SX. */
#define EITHER_WAY ((1u << 21) | (1u << 29) | (1u << 30))

static int check_error_code(const struct vmt_interrupt *in, struct vmt_error *err)
{
	bool exception = in->type == VMT_INT_HW_EXCEPTION && in->vector < 32;
	uint32_t bit = exception ? UINT32_C(1) << in->vector : 0;
	bool has = in->error_code != VMT_NO_ERROR_CODE;

	if ((bit & EITHER_WAY) || has == !!(bit & WITH_CODE))
		return 0;
	if (has)
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "vector %u of type %u has no error code; use "
				     "VMT_NO_ERROR_CODE",
				     in->vector, in->type);
	return vmt_error_set(err, VMT_E_INVALID, NULL,
			     "vector %u of type %u pushes an error code; give one", in->vector,
			     in->type);
}

int vmt_refuse_injection(uint32_t vendor, const struct vmt_interrupt *in, struct vmt_error *err)
{
	if (in->type == 1 || in->type > VMT_INT_SW_EXCEPTION ||
	    (in->type == VMT_INT_HW_EXCEPTION && in->vector > 31))
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "a CPU knows no vector %u of type %u; see enum "
				     "vmt_interrupt_type",
				     in->vector, in->type);
	if (in->type == VMT_INT_EXTERNAL && vendor == VMT_CPU_SVM)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "on AMD CPUs Xen injects an external interrupt as an "
				     "exception, which crashes the domain; it works with Xen on "
				     "Intel CPUs (VMX)");
	if (in->type >= VMT_INT_SW_INTERRUPT && (in->insn_length == 0 || in->insn_length > 15))
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "a software interrupt goes with its instruction's length, 1 "
				     "to 15 (int3: 1), not %u",
				     in->insn_length);
	return check_error_code(in, err);
}
