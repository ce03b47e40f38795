/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest does that Xen intercepts, besides memory accesses, CR and MSR writes and steps.
 *
 * Sources: xen/arch/x86/hvm/monitor.c, hvm/vmx/vmx.c (vmx_vmexit_handler), hvm/hvm.c
 * (hvm_vmexit_cpuid, hvm_descriptor_access_intercept), hvm/hypercall.c (hvm_hypercall),
 * hvm/emulate.c (hvm_emulate_one_vm_event).
 */
#include <errno.h>
#include <string.h>

#include "state.h"

static const struct vmt_rest nothing = {.after = VMT_AFTER_NOTHING};

static void start_event(struct vmt_event *ev, uint16_t reason, bool sync)
{
	memset(ev, 0, sizeof(*ev));
	ev->reason = reason;
	ev->flags = sync ? VMT_EVENT_SYNC : 0;
}

static bool is_async(const struct vmt_model *m, uint32_t kind)
{
	return m->monitors.flags[kind] & VMT_MONITOR_ASYNC;
}

int vmt_model_int3(struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, uint8_t insn_length,
		   struct vmt_error *err)
{
	struct vmt_event ev;

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (!m->monitors.on[VMT_MONITOR_BREAKPOINT])
		return VMT_GUEST_GOES_ON;
	start_event(&ev, VMT_EVENT_INTERRUPT, true);
	ev.u.interrupt.gfn = gfn;
	ev.u.interrupt.interrupt.vector = 3;
	ev.u.interrupt.interrupt.type = VMT_INT_SW_EXCEPTION;
	ev.u.interrupt.interrupt.insn_length = insn_length;
	ev.u.interrupt.interrupt.error_code = VMT_NO_ERROR_CODE;
	return vmt_ring_post(m, vcpu, &ev, false, &nothing);
}

int vmt_model_debug(struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, uint8_t type,
		    uint8_t insn_length, uint64_t pending_dbg, struct vmt_error *err)
{
	struct vmt_rest rest = {.after = VMT_AFTER_DEBUG};
	struct vmt_event ev;

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (!m->monitors.on[VMT_MONITOR_DEBUG])
		return VMT_GUEST_GOES_ON;
	start_event(&ev, VMT_EVENT_INTERRUPT, !is_async(m, VMT_MONITOR_DEBUG));
	ev.u.interrupt.gfn = gfn;
	ev.u.interrupt.interrupt.vector = 1;
	ev.u.interrupt.interrupt.type = type;
	ev.u.interrupt.interrupt.insn_length = insn_length;
	ev.u.interrupt.interrupt.error_code = VMT_NO_ERROR_CODE;
	ev.u.interrupt.interrupt.extra = pending_dbg;
	rest.interrupt = ev.u.interrupt.interrupt;
	return vmt_ring_post(m, vcpu, &ev, false, &rest);
}

int vmt_model_cpuid(struct vmt_model *m, uint16_t vcpu, const uint32_t result[4],
		    uint8_t insn_length, struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	struct vmt_event ev;

	if (!v)
		return -VMT_E_NOT_FOUND;
	start_event(&ev, VMT_EVENT_CPUID, true);
	ev.u.cpuid.leaf = (uint32_t)v->regs.gprs.rax;
	ev.u.cpuid.subleaf = (uint32_t)v->regs.gprs.rcx;
	ev.u.cpuid.insn_length = insn_length;
	v->regs.gprs.rax = result[0];
	v->regs.gprs.rbx = result[1];
	v->regs.gprs.rcx = result[2];
	v->regs.gprs.rdx = result[3];
	if (m->monitors.on[VMT_MONITOR_CPUID])
		return vmt_ring_post(m, vcpu, &ev, false, &nothing);
	v->regs.gprs.rip += insn_length;
	return VMT_GUEST_GOES_ON;
}

/* Ports 0x80 and 0xed cause no exit: hvm_enable clears them in hvm_io_bitmap. */
int vmt_model_io(struct vmt_model *m, uint16_t vcpu, const struct vmt_io *io, struct vmt_error *err)
{
	struct vmt_event ev;

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (!m->monitors.on[VMT_MONITOR_IO] || io->port == 0x80 || io->port == 0xed)
		return VMT_GUEST_GOES_ON;
	start_event(&ev, VMT_EVENT_IO, true);
	ev.u.io = *io;
	return vmt_ring_post(m, vcpu, &ev, false, &nothing);
}

int vmt_model_hypercall(struct vmt_model *m, uint16_t vcpu, uint8_t insn_length,
			struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	struct vmt_rest rest = {.after = VMT_AFTER_HYPERCALL, .insn_length = insn_length};
	const struct vmt_monitor_state *s = &m->monitors;
	struct vmt_event ev;

	if (!v)
		return -VMT_E_NOT_FOUND;
	if (vmt_cpl(&v->regs) != 0 && !(s->flags[VMT_MONITOR_HYPERCALL] & VMT_MONITOR_USERSPACE)) {
		rest.value = (uint64_t)-EPERM;
		vmt_rest_do(m, vcpu, &rest, false);
		return VMT_GUEST_GOES_ON;
	}
	if (!s->on[VMT_MONITOR_HYPERCALL]) {
		vmt_rest_do(m, vcpu, &rest, false);
		return VMT_GUEST_GOES_ON;
	}
	start_event(&ev, VMT_EVENT_HYPERCALL, !is_async(m, VMT_MONITOR_HYPERCALL));
	ev.u.hypercall.insn_length = insn_length;
	return vmt_ring_post(m, vcpu, &ev, false, &rest);
}

int vmt_model_descriptor(struct vmt_model *m, uint16_t vcpu,
			 const struct vmt_descriptor_access *access, struct vmt_error *err)
{
	struct vmt_event ev;

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (!m->monitors.on[VMT_MONITOR_DESCRIPTOR])
		return VMT_GUEST_GOES_ON;
	start_event(&ev, VMT_EVENT_DESCRIPTOR, true);
	ev.u.descriptor = *access;
	if (m->vendor != VMT_CPU_VMX) {
		ev.u.descriptor.info = 0;
		ev.u.descriptor.qualification = 0;
	}
	return vmt_ring_post(m, vcpu, &ev, false, &nothing);
}

int vmt_model_vmexit(struct vmt_model *m, uint16_t vcpu, uint64_t reason, uint64_t qualification,
		     struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	const struct vmt_rest rest = {.after = VMT_AFTER_VMEXIT};
	struct vmt_event ev;
	bool told;

	if (!v)
		return -VMT_E_NOT_FOUND;
	told = v->vmexit_told;
	v->vmexit_told = false;
	if (!m->monitors.on[VMT_MONITOR_VMEXIT] || told)
		return VMT_GUEST_GOES_ON;
	start_event(&ev, VMT_EVENT_VMEXIT, !is_async(m, VMT_MONITOR_VMEXIT));
	ev.u.vmexit.reason = reason;
	ev.u.vmexit.qualification = qualification;
	return vmt_ring_post(m, vcpu, &ev, false, &rest);
}

int vmt_model_unemulated(struct vmt_model *m, uint16_t vcpu, struct vmt_error *err)
{
	struct vmt_event ev;

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (!m->monitors.on[VMT_MONITOR_EMUL_UNIMPLEMENTED]) {
		vmt_raise_exception(m, vcpu, 6, VMT_NO_ERROR_CODE);
		return VMT_GUEST_FAULT;
	}
	start_event(&ev, VMT_EVENT_EMUL_UNIMPLEMENTED, true);
	return vmt_ring_post(m, vcpu, &ev, false, &nothing);
}
