/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Registers: asked for and set by the monitor, written by the guest's CR and MSR writes, which the
 * monitor may watch, defer and deny.
 *
 * The event shows the registers before the write. Without deferred writes the write takes place
 * right after queuing, that is before the monitor sees the event; with them it waits until the vCPU
 * is scheduled in, so that the response can deny it. XCR0 and CLTS are never deferred. Whether a
 * value is one that the CPU takes is checked before the event.
 *
 * Sources: xen/arch/x86/hvm/hvm.c (hvm_set_cr0, hvm_set_cr3, hvm_set_cr4, hvm_msr_write_intercept,
 * hvm_handle_xsetbv, hvm_load_cpu_ctxt), hvm/monitor.c (hvm_monitor_cr, hvm_monitor_msr),
 * hvm/vm_event.c (hvm_vm_event_do_resume), vmx/vmx.c (vmx_cr_access).
 */
#include <string.h>

#include "state.h"

#define CR0_TS (UINT64_C(1) << 3)

/* -------------------------------------------------------------------------------------------- */
/* The monitor's register calls                                                                 */
/* -------------------------------------------------------------------------------------------- */

void vmt_regs_masked(struct vmt_regs *to, const struct vmt_regs *from, uint64_t mask)
{
	uint64_t known = from->known & mask;

	*to = *from;
	to->known = known;
	if (known == VMT_KNOWN_ALL)
		return;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *f = &vmt_reg_fields[i];

		if (!(known & VMT_KNOWN(f->bit)))
			memset((unsigned char *)to + f->offset, 0, f->width);
	}
}

int vmt_model_get_regs(struct vmt_model *m, uint16_t vcpu, struct vmt_regs *regs,
		       struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);

	if (!v)
		return -VMT_E_NOT_FOUND;
	vmt_regs_masked(regs, &v->regs, VMT_KNOWN_ALL & ~VMT_KNOWN(VMT_REG_XCR0));
	return 0;
}

static bool cr_is_taken(const struct vmt_model *m, uint16_t vcpu, uint32_t cr, uint64_t value)
{
	return !m->guest->check_cr || m->guest->check_cr(m->ctx, vcpu, cr, value) == 0;
}

static int check_crs(const struct vmt_model *m, uint16_t vcpu, const struct vmt_regs *regs,
		     struct vmt_error *err)
{
	const struct {
		unsigned bit;
		uint32_t cr;
		uint64_t value;
	} crs[] = {
		{VMT_REG_CR0, VMT_CR0, regs->cr0},
		{VMT_REG_CR3, VMT_CR3, regs->cr3},
		{VMT_REG_CR4, VMT_CR4, regs->cr4},
	};

	for (size_t i = 0; i < sizeof(crs) / sizeof(crs[0]); i++) {
		if ((regs->known & VMT_KNOWN(crs[i].bit)) &&
		    !cr_is_taken(m, vcpu, crs[i].cr, crs[i].value))
			return vmt_error_set(err, VMT_E_INVALID, NULL,
					     "the CPU takes no such value of its control register: "
					     "%#llx",
					     (unsigned long long)crs[i].value);
	}
	return 0;
}

int vmt_model_set_regs(struct vmt_model *m, uint16_t vcpu, const struct vmt_regs *regs,
		       struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	int r = vmt_ring_need(m, err);

	if (!v)
		return -VMT_E_NOT_FOUND;
	if (r < 0)
		return r;
	if (regs->known & VMT_KNOWN(VMT_REG_XCR0))
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "XCR0 is not part of Xen's CPU record (struct hvm_hw_cpu) and "
				     "cannot be set; leave its bit out of the mask");
	r = check_crs(m, vcpu, regs, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		if (regs->known & VMT_KNOWN(vmt_reg_fields[i].bit))
			vmt_reg_set(&v->regs, &vmt_reg_fields[i],
				    vmt_reg_get(regs, &vmt_reg_fields[i]));
	}
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Reading and writing what a guest write is about                                              */
/* -------------------------------------------------------------------------------------------- */

static uint64_t *cr_of(struct vmt_regs *regs, uint32_t cr)
{
	switch (cr) {
	case VMT_CR0:
		return &regs->cr0;
	case VMT_CR3:
		return &regs->cr3;
	case VMT_CR4:
		return &regs->cr4;
	default:
		return &regs->xcr0;
	}
}

static const struct msr {
	uint32_t number;
	size_t offset; /* in struct vmt_regs, 8 bytes */
} msrs[] = {
	{VMT_MSR_SYSENTER_CS, offsetof(struct vmt_regs, sysenter_cs)},
	{VMT_MSR_SYSENTER_ESP, offsetof(struct vmt_regs, sysenter_esp)},
	{VMT_MSR_SYSENTER_EIP, offsetof(struct vmt_regs, sysenter_eip)},
	{VMT_MSR_EFER, offsetof(struct vmt_regs, efer)},
	{VMT_MSR_STAR, offsetof(struct vmt_regs, star)},
	{VMT_MSR_LSTAR, offsetof(struct vmt_regs, lstar)},
	{VMT_MSR_CSTAR, offsetof(struct vmt_regs, cstar)},
	{VMT_MSR_SFMASK, offsetof(struct vmt_regs, sfmask)},
	{VMT_MSR_FS_BASE, offsetof(struct vmt_regs, fs.base)},
	{VMT_MSR_GS_BASE, offsetof(struct vmt_regs, gs.base)},
	{VMT_MSR_KERNEL_GS_BASE, offsetof(struct vmt_regs, shadow_gs)},
	{VMT_MSR_TSC_AUX, offsetof(struct vmt_regs, tsc_aux)},
};

static const struct msr *msr_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		if (msrs[i].number == number)
			return &msrs[i];
	}
	return NULL;
}

/* 0, or 1: #GP. */
static int read_msr(struct vmt_model *m, uint16_t vcpu, uint32_t number, uint64_t *value)
{
	const struct msr *msr = msr_find(number);

	*value = 0;
	if (msr)
		memcpy(value, (unsigned char *)&m->vcpus[vcpu].regs + msr->offset, sizeof(*value));
	else if (m->guest->read_msr)
		return m->guest->read_msr(m->ctx, vcpu, number, value);
	return 0;
}

static int write_msr(struct vmt_model *m, uint16_t vcpu, uint32_t number, uint64_t value)
{
	const struct msr *msr = msr_find(number);

	if (msr)
		memcpy((unsigned char *)&m->vcpus[vcpu].regs + msr->offset, &value, sizeof(value));
	else if (m->guest->write_msr)
		return m->guest->write_msr(m->ctx, vcpu, number, value);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* What follows an event                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void defer_cr(struct vmt_vcpu_state *v, const struct vmt_rest *rest)
{
	v->deferred_crs |= UINT32_C(1) << rest->what;
	v->deferred_cr[rest->what] = rest->value;
}

static void defer_msr(struct vmt_vcpu_state *v, const struct vmt_rest *rest)
{
	v->deferred_msr = true;
	v->deferred_msr_number = rest->what;
	v->deferred_msr_value = rest->value;
}

void vmt_rest_do(struct vmt_model *m, uint16_t vcpu, const struct vmt_rest *rest, bool posted)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	bool defers = posted && m->monitors.deferring;

	switch (rest->after) {
	case VMT_AFTER_WRITE_CR:
		if (defers && rest->what != VMT_XCR0)
			defer_cr(v, rest);
		else
			*cr_of(&v->regs, rest->what) = rest->value;
		break;
	case VMT_AFTER_CLTS:
		v->regs.cr0 = rest->value;
		break;
	case VMT_AFTER_WRITE_MSR:
		if (defers) {
			defer_msr(v, rest);
		} else if (write_msr(m, vcpu, rest->what, rest->value) != 0) {
			vmt_raise_exception(m, vcpu, 13, 0);
			return;
		}
		break;
	case VMT_AFTER_HYPERCALL:
		v->regs.gprs.rax = rest->value;
		break;
	default:
		return;
	}
	v->regs.gprs.rip += rest->insn_length;
}

bool vmt_deferred_do(struct vmt_model *m, uint16_t vcpu)
{
	static const uint32_t order[] = {VMT_CR0, VMT_CR4, VMT_CR3};
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	bool any = v->deferred_crs != 0 || v->deferred_msr;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (!(v->deferred_crs & (UINT32_C(1) << order[i])))
			continue;
		if (cr_is_taken(m, vcpu, order[i], v->deferred_cr[order[i]]))
			*cr_of(&v->regs, order[i]) = v->deferred_cr[order[i]];
		else
			vmt_raise_exception(m, vcpu, 13, 0);
	}
	v->deferred_crs = 0;
	if (v->deferred_msr &&
	    write_msr(m, vcpu, v->deferred_msr_number, v->deferred_msr_value) != 0)
		vmt_raise_exception(m, vcpu, 13, 0);
	v->deferred_msr = false;
	return any;
}

void vmt_deferred_deny(struct vmt_model *m, const struct vmt_slot *slot)
{
	struct vmt_vcpu_state *v = &m->vcpus[slot->event.vcpu];

	if (slot->event.reason == VMT_EVENT_WRITE_MSR)
		v->deferred_msr = false;
	else if (slot->event.reason == VMT_EVENT_WRITE_CR)
		v->deferred_crs &= ~(UINT32_C(1) << slot->event.u.cr.cr);
}

/* -------------------------------------------------------------------------------------------- */
/* The guest's writes                                                                           */
/* -------------------------------------------------------------------------------------------- */

/*
 * Old and new equal: never an event, also without VMT_MONITOR_ON_CHANGE, for no bit changes that is
 * not ignored (hvm_monitor_cr).
 */
static bool cr_tells(const struct vmt_model *m, uint32_t cr, uint64_t value, uint64_t old)
{
	return (m->monitors.crs & (UINT32_C(1) << cr)) &&
	       ((value ^ old) & ~m->monitors.cr_ignore[cr]);
}

static int write_cr(struct vmt_model *m, uint16_t vcpu, const struct vmt_rest *rest, uint32_t cr)
{
	uint64_t old = *cr_of(&m->vcpus[vcpu].regs, cr);
	struct vmt_event ev;

	if (!cr_tells(m, cr, rest->value, old)) {
		vmt_rest_do(m, vcpu, rest, false);
		return VMT_GUEST_GOES_ON;
	}
	memset(&ev, 0, sizeof(ev));
	ev.reason = VMT_EVENT_WRITE_CR;
	ev.flags = m->monitors.crs_async & (UINT32_C(1) << cr) ? 0 : VMT_EVENT_SYNC;
	ev.u.cr.cr = cr;
	ev.u.cr.new_value = rest->value;
	ev.u.cr.old_value = old;
	return vmt_ring_post(m, vcpu, &ev, false, rest);
}

int vmt_model_write_cr(struct vmt_model *m, uint16_t vcpu, uint32_t cr, uint64_t value,
		       uint8_t insn_length, struct vmt_error *err)
{
	const struct vmt_rest rest = {.after = VMT_AFTER_WRITE_CR,
				      .what = cr,
				      .value = value,
				      .insn_length = insn_length};

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (cr >= VMT_CR_COUNT)
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "there is no control register %u; use enum vmt_cr", cr);
	if (!cr_is_taken(m, vcpu, cr, value))
		return VMT_GUEST_FAULT;
	return write_cr(m, vcpu, &rest, cr);
}

int vmt_model_clts(struct vmt_model *m, uint16_t vcpu, uint8_t insn_length, struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	struct vmt_rest rest = {.after = VMT_AFTER_CLTS, .insn_length = insn_length};

	if (!v)
		return -VMT_E_NOT_FOUND;
	rest.value = v->regs.cr0 & ~CR0_TS;
	return write_cr(m, vcpu, &rest, VMT_CR0);
}

static bool msr_tells(const struct vmt_model *m, uint32_t msr, uint64_t value, uint64_t old)
{
	uint32_t bit = vmt_msr_bit(msr);

	return value != old || !vmt_bit_get(m->monitors.msrs_on_change, bit);
}

int vmt_model_write_msr(struct vmt_model *m, uint16_t vcpu, uint32_t msr, uint64_t value,
			uint8_t insn_length, struct vmt_error *err)
{
	const struct vmt_rest rest = {.after = VMT_AFTER_WRITE_MSR,
				      .what = msr,
				      .value = value,
				      .insn_length = insn_length};
	bool watched = vmt_model_monitored(m, VMT_MONITOR_MSR, msr);
	struct vmt_event ev;
	uint64_t old = 0;

	if (!vmt_vcpu_need(m, vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (watched && read_msr(m, vcpu, msr, &old) != 0)
		return VMT_GUEST_FAULT;
	if (!watched || !msr_tells(m, msr, value, old)) {
		if (write_msr(m, vcpu, msr, value) != 0)
			return VMT_GUEST_FAULT;
		m->vcpus[vcpu].regs.gprs.rip += insn_length;
		return VMT_GUEST_GOES_ON;
	}
	memset(&ev, 0, sizeof(ev));
	ev.reason = VMT_EVENT_WRITE_MSR;
	ev.flags = VMT_EVENT_SYNC;
	ev.u.msr.msr = msr;
	ev.u.msr.new_value = value;
	ev.u.msr.old_value = old;
	return vmt_ring_post(m, vcpu, &ev, false, &rest);
}
