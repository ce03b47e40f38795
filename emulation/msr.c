/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * RDMSR and WRMSR: those that the vCPU's state has by a table, all others by the caller's op (Intel
 * SDM volume 4; Xen hvm_msr_write_intercept).
 */
#include <stddef.h>

#include "emulation/exec.h"

#define MSR_PAT   UINT32_C(0x277)
#define MSR_TSC   UINT32_C(0x10)

#define EFER_BITS (VMT_EFER_SCE | VMT_EFER_LME | VMT_EFER_LMA | VMT_EFER_NXE)

enum rule { ANY, CANONICAL, LOW32 };

struct msr {
	uint32_t number;
	uint8_t bit;  /* enum vmt_reg_bit */
	uint8_t rule; /* of values */
	uint16_t offset;
};

#define ROW(number, bit, rule, field)                               \
	{                                                           \
		number, bit, rule, offsetof(struct vmt_regs, field) \
	}

static const struct msr msrs[] = {
	ROW(VMT_MSR_SYSENTER_CS, VMT_REG_SYSENTER_CS, ANY, sysenter_cs),
	ROW(VMT_MSR_SYSENTER_ESP, VMT_REG_SYSENTER_ESP, CANONICAL, sysenter_esp),
	ROW(VMT_MSR_SYSENTER_EIP, VMT_REG_SYSENTER_EIP, CANONICAL, sysenter_eip),
	ROW(VMT_MSR_EFER, VMT_REG_EFER, ANY, efer),
	ROW(VMT_MSR_STAR, VMT_REG_STAR, ANY, star),
	ROW(VMT_MSR_LSTAR, VMT_REG_LSTAR, CANONICAL, lstar),
	ROW(VMT_MSR_CSTAR, VMT_REG_CSTAR, CANONICAL, cstar),
	ROW(VMT_MSR_SFMASK, VMT_REG_SFMASK, LOW32, sfmask),
	ROW(VMT_MSR_FS_BASE, VMT_REG_FS, CANONICAL, fs.base),
	ROW(VMT_MSR_GS_BASE, VMT_REG_GS, CANONICAL, gs.base),
	ROW(VMT_MSR_KERNEL_GS_BASE, VMT_REG_SHADOW_GS, CANONICAL, shadow_gs),
	ROW(VMT_MSR_TSC_AUX, VMT_REG_TSC_AUX, LOW32, tsc_aux),
};

static const struct msr *find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
		if (msrs[i].number == number)
			return &msrs[i];
	return NULL;
}

static uint64_t *field(struct vmt_exec *x, const struct msr *m)
{
	return (uint64_t *)(void *)((char *)x->regs + m->offset);
}

static bool pat_bad(uint64_t value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		unsigned type = value >> i & 0xff;

		if (type > 7 || type == 2 || type == 3)
			return true;
	}
	return false;
}

static int by_caller(struct vmt_exec *x, int answer)
{
	if (answer == 1)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	return answer ? vmt_exec_unsupported(x, "an MSR that nothing is known about") : 0;
}

static int read_msr(struct vmt_exec *x, uint32_t number, uint64_t *value)
{
	const struct vmt_cpu_ops *ops = x->em->ops;
	const struct msr *m = find(number);

	if (m) {
		VMT_TRY(vmt_exec_need(x, m->bit));
		*value = *field(x, m);
		return 0;
	}
	if (number == MSR_PAT) {
		*value = x->cpu->pat;
		return 0;
	}
	if (number == MSR_TSC) {
		*value = x->cpu->tsc;
		return x->cpu->known & VMT_CPU_KNOWS_TSC ? 0
							 : vmt_missing_register(x, VMT_MISSING_TSC);
	}
	return by_caller(x, ops->read_msr ? ops->read_msr(x->cpu->ctx, number, value) : 2);
}

static int write_efer(struct vmt_exec *x, uint64_t value)
{
	struct vmt_regs *r = x->regs;

	if (value & ~EFER_BITS)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	if (((value ^ r->efer) & VMT_EFER_LME) && (r->cr0 & VMT_CR0_PG))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	r->efer = (value & ~VMT_EFER_LMA) | (r->efer & VMT_EFER_LMA);
	return 0;
}

static int write_msr(struct vmt_exec *x, uint32_t number, uint64_t value)
{
	const struct vmt_cpu_ops *ops = x->em->ops;
	const struct msr *m = find(number);

	if (number == VMT_MSR_EFER)
		return write_efer(x, value);
	if (m) {
		if ((m->rule == CANONICAL && !vmt_canonical(x, value)) ||
		    (m->rule == LOW32 && value >> 32))
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
		*field(x, m) = value;
		if (m->bit != VMT_REG_FS && m->bit != VMT_REG_GS)
			x->regs->known |= VMT_KNOWN(m->bit);
		return 0;
	}
	if (number == MSR_PAT) {
		if (pat_bad(value))
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
		x->cpu->pat = value;
		return 0;
	}
	if ((x->how->flags & VMT_STEP_DRY) && ops->write_msr)
		return 0;
	return by_caller(x, ops->write_msr ? ops->write_msr(x->cpu->ctx, number, value) : 2);
}

int vmt_do_rdmsr(struct vmt_exec *x)
{
	uint32_t number = (uint32_t)x->g[VMT_RCX];
	uint64_t value = 0;

	VMT_TRY(vmt_need_cpl0(x));
	x->r->event.u.msr = (struct vmt_write_msr){.msr = number};
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_MSR_READ));
	VMT_TRY(read_msr(x, number, &value));
	x->g[VMT_RAX] = value & UINT32_MAX;
	x->g[VMT_RDX] = value >> 32;
	return 0;
}

/* The event tells the old value where it is known; reading it is no one's wish, so no fault. */
static void event_of_write(struct vmt_exec *x, uint32_t number, uint64_t value)
{
	const struct vmt_cpu_ops *ops = x->em->ops;
	const struct msr *m = find(number);
	uint64_t old = 0;

	if (m)
		old = *field(x, m);
	else if (number == MSR_PAT)
		old = x->cpu->pat;
	else if (ops->read_msr && ops->read_msr(x->cpu->ctx, number, &old))
		old = 0;
	x->r->event.u.msr = (struct vmt_write_msr){number, value, old};
}

int vmt_do_wrmsr(struct vmt_exec *x)
{
	uint32_t number = (uint32_t)x->g[VMT_RCX];
	uint64_t value = (x->g[VMT_RDX] & UINT32_MAX) << 32 | (x->g[VMT_RAX] & UINT32_MAX);

	VMT_TRY(vmt_need_cpl0(x));
	if (x->how->intercepts & VMT_INTERCEPT_MSR_WRITE)
		event_of_write(x, number, value);
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_MSR_WRITE));
	return write_msr(x, number, value);
}
