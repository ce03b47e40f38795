/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an instruction does that Xen may intercept: writes of control registers and MSRs, CPUID,
 * VMCALL, port I/O, descriptor tables.
 *
 * The emulator stops before such an instruction; the model then carries it out, or the emulator does
 * when nobody watches. As on VMX, what leaves the guest by itself ends with no single-step event.
 *
 * Sources: Xen xen/arch/x86/hvm/vmx/vmx.c (vmx_vmexit_handler, construct_vmcs).
 */
#include "domain.h"

/** Monitors, and the intercept that each needs. */
static const struct {
	uint32_t kind, what;
	uint64_t intercept;
} watched[] = {
	{VMT_MONITOR_CR, VMT_CR0, VMT_INTERCEPT_CR0},
	{VMT_MONITOR_CR, VMT_CR3, VMT_INTERCEPT_CR3},
	{VMT_MONITOR_CR, VMT_CR4, VMT_INTERCEPT_CR4},
	{VMT_MONITOR_CR, VMT_XCR0, VMT_INTERCEPT_XCR0},
	{VMT_MONITOR_CPUID, 0, VMT_INTERCEPT_CPUID},
	{VMT_MONITOR_IO, 0, VMT_INTERCEPT_IO},
	{VMT_MONITOR_DESCRIPTOR, 0, VMT_INTERCEPT_DESCRIPTOR},
};

/** The MSRs that have monitors may be many; a write is looked at when it comes. */
#define ALWAYS (VMT_INTERCEPT_VMCALL | VMT_INTERCEPT_MSR_WRITE)

uint64_t vmt_emulated_intercepts(const struct vmt_emulated *e)
{
	uint64_t intercepts = ALWAYS;

	for (size_t i = 0; i < sizeof(watched) / sizeof(watched[0]); i++)
		if (vmt_model_monitored(e->model, watched[i].kind, watched[i].what))
			intercepts |= watched[i].intercept;
	return intercepts;
}

void vmt_emulated_sync_efer(struct vmt_emulated_vcpu *v)
{
	struct vmt_regs *regs = vmt_emulated_regs(v);

	if ((regs->cr0 & VMT_CR0_PG) && (regs->efer & VMT_EFER_LME))
		regs->efer |= VMT_EFER_LMA;
	else
		regs->efer &= ~VMT_EFER_LMA;
}

/* The MSRs that Xen lets a guest read and write by itself (vmx_create_vmcs). */
static bool is_passed_through(uint32_t msr)
{
	static const uint32_t passed[] = {VMT_MSR_FS_BASE,        VMT_MSR_GS_BASE,
					  VMT_MSR_KERNEL_GS_BASE, VMT_MSR_SYSENTER_CS,
					  VMT_MSR_SYSENTER_ESP,   VMT_MSR_SYSENTER_EIP};

	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		if (passed[i] == msr)
			return true;
	return false;
}

static int general_protection(struct vmt_emulated_vcpu *v)
{
	const struct vmt_interrupt what = {
		.vector = 13, .type = VMT_INT_HW_EXCEPTION, .error_code = 0};
	int r = vmt_emulated_deliver(v, &what);

	return r < 0 ? r : 1;
}

/* The model has carried it out, or queued it, or found that the guest gets #GP. */
static int by_model(struct vmt_emulated_vcpu *v, int guest)
{
	vmt_emulated_sync_efer(v);
	if (guest < 0)
		return guest;
	return guest == VMT_GUEST_FAULT ? general_protection(v) : 1;
}

static int write_msr(struct vmt_emulated_vcpu *v, uint64_t intercepts)
{
	struct vmt_emulated *e = v->domain;
	const struct vmt_write_msr *msr = &e->result.event.u.msr;

	if (!vmt_model_monitored(e->model, VMT_MONITOR_MSR, msr->msr))
		return vmt_emulated_execute(v, intercepts & ~(uint64_t)VMT_INTERCEPT_MSR_WRITE,
					    !is_passed_through(msr->msr));
	return by_model(v, vmt_model_write_msr(e->model, v->number, msr->msr, msr->new_value,
					       e->result.insn_length, &e->driver.err));
}

static int write_cr(struct vmt_emulated_vcpu *v, uint32_t cr)
{
	struct vmt_emulated *e = v->domain;
	const struct vmt_step_event *event = &e->result.event;

	if (event->clts)
		return by_model(v, vmt_model_clts(e->model, v->number, e->result.insn_length,
						  &e->driver.err));
	return by_model(v, vmt_model_write_cr(e->model, v->number, cr, event->u.cr.new_value,
					      e->result.insn_length, &e->driver.err));
}

static int cpuid(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	const struct vmt_cpuid *asked = &e->result.event.u.cpuid;
	uint32_t result[4];

	vmt_emulated_cpuid(v, asked->leaf, asked->subleaf, result);
	return by_model(v, vmt_model_cpuid(e->model, v->number, result, e->result.insn_length,
					   &e->driver.err));
}

/* Nobody stops it: the emulator does it. */
static int unless_stopped(struct vmt_emulated_vcpu *v, int guest, uint64_t intercepts,
			  uint64_t intercept)
{
	if (guest != VMT_GUEST_GOES_ON)
		return by_model(v, guest);
	return vmt_emulated_execute(v, intercepts & ~intercept, true);
}

int vmt_emulated_exit(struct vmt_emulated_vcpu *v, uint64_t intercepts)
{
	struct vmt_emulated *e = v->domain;
	const struct vmt_step_event *event = &e->result.event;

	switch (event->intercept) {
	case VMT_INTERCEPT_CR0:
		return write_cr(v, VMT_CR0);
	case VMT_INTERCEPT_CR3:
		return write_cr(v, VMT_CR3);
	case VMT_INTERCEPT_CR4:
		return write_cr(v, VMT_CR4);
	case VMT_INTERCEPT_XCR0:
		return write_cr(v, VMT_XCR0);
	case VMT_INTERCEPT_MSR_WRITE:
		return write_msr(v, intercepts);
	case VMT_INTERCEPT_MSR_READ:
		return vmt_emulated_execute(v, intercepts & ~(uint64_t)VMT_INTERCEPT_MSR_READ,
					    !is_passed_through(event->u.msr.msr));
	case VMT_INTERCEPT_CPUID:
		return cpuid(v);
	case VMT_INTERCEPT_VMCALL:
		return by_model(v, vmt_emulated_hypercall(v, e->result.insn_length));
	case VMT_INTERCEPT_IO:
		return unless_stopped(
			v, vmt_model_io(e->model, v->number, &event->u.io, &e->driver.err),
			intercepts, VMT_INTERCEPT_IO);
	case VMT_INTERCEPT_DESCRIPTOR:
		return unless_stopped(v,
				      vmt_model_descriptor(e->model, v->number,
							   &event->u.descriptor, &e->driver.err),
				      intercepts, VMT_INTERCEPT_DESCRIPTOR);
	default:
		return vmt_emulated_execute(v, intercepts & ~event->intercept, true);
	}
}
