/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * CR0, CR3, CR4, CR8, XCR0 and the debug registers: which values they take, and what else changes
 * with them (Intel SDM volume 3, sections 2.5, 2.6, 17.2; Xen hvm_set_cr0, hvm_set_cr4).
 */
#include "emulation/system.h"

#define CR0_BITS                                                                       \
	(VMT_CR0_PE | VMT_CR0_MP | VMT_CR0_EM | VMT_CR0_TS | VMT_CR0_ET | VMT_CR0_NE | \
	 VMT_CR0_WP | VMT_CR0_AM | VMT_CR0_NW | VMT_CR0_CD | VMT_CR0_PG)
/* Without VMXE, SMXE, and those that no manual names. */
#define CR4_BITS (UINT64_C(0x1ff1fff) & ~(UINT64_C(1) << 19))
#define XCR0_X87 UINT64_C(1)
#define XCR0_SSE UINT64_C(2)
#define XCR0_AVX UINT64_C(4)

static bool cr0_bad(const struct vmt_regs *r, uint64_t value)
{
	bool long64 = (r->efer & VMT_EFER_LMA) && (r->cs.access & 0x200);

	if (value >> 32)
		return true;
	if ((value & VMT_CR0_PG) && !(value & VMT_CR0_PE))
		return true;
	if ((value & VMT_CR0_NW) && !(value & VMT_CR0_CD))
		return true;
	if (!(value & VMT_CR0_WP) && (r->cr4 & VMT_CR4_CET))
		return true;
	if ((value ^ r->cr0) & VMT_CR0_PG) {
		if (!(value & VMT_CR0_PG))
			return long64 || (r->cr4 & VMT_CR4_PCIDE);
		if (r->efer & VMT_EFER_LME)
			return !(r->cr4 & VMT_CR4_PAE) || (r->cs.access & 0x200);
	}
	return false;
}

static bool cr4_bad(const struct vmt_regs *r, uint64_t value)
{
	bool lma = r->efer & VMT_EFER_LMA;

	if (value & ~CR4_BITS)
		return true;
	if (lma && (!(value & VMT_CR4_PAE) || ((value ^ r->cr4) & VMT_CR4_LA57)))
		return true;
	if ((value & ~r->cr4 & VMT_CR4_PCIDE) && (!lma || (r->cr3 & 0xfff)))
		return true;
	return (value & VMT_CR4_CET) && !(r->cr0 & VMT_CR0_WP);
}

static bool xcr0_bad(uint64_t value)
{
	return (value & ~(XCR0_X87 | XCR0_SSE | XCR0_AVX)) || !(value & XCR0_X87) ||
	       ((value & XCR0_AVX) && !(value & XCR0_SSE));
}

int vmt_cpu_check_cr(const struct vmt_cpu *cpu, uint32_t cr, uint64_t value)
{
	switch (cr) {
	case VMT_CR0:
		return cr0_bad(cpu->regs, value);
	case VMT_CR3:
		/* Bits above those of physical addresses; 63 belongs to PCIDs. */
		return (value & ~(UINT64_C(1) << 63)) >> 52 != 0 ||
		       ((value >> 63) && !(cpu->regs->cr4 & VMT_CR4_PCIDE));
	case VMT_CR4:
		return cr4_bad(cpu->regs, value);
	case VMT_XCR0:
		return xcr0_bad(value);
	default:
		return 1;
	}
}

int vmt_cr_set(struct vmt_exec *x, uint32_t cr, uint64_t value)
{
	struct vmt_regs *r = x->regs;

	if (vmt_cpu_check_cr(x->cpu, cr, value))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	switch (cr) {
	case VMT_CR0:
		if ((value ^ r->cr0) & value & VMT_CR0_PG & (r->efer & VMT_EFER_LME ? ~0ull : 0))
			r->efer |= VMT_EFER_LMA;
		else if (!(value & VMT_CR0_PG))
			r->efer &= ~VMT_EFER_LMA;
		r->cr0 = (value & CR0_BITS) | VMT_CR0_ET;
		break;
	case VMT_CR3:
		r->cr3 = value & ~(UINT64_C(1) << 63);
		break;
	case VMT_CR4:
		r->cr4 = value;
		break;
	default:
		r->xcr0 = value;
		r->known |= VMT_KNOWN(VMT_REG_XCR0);
		break;
	}
	return 0;
}

static const uint64_t cr_intercepts[] = {VMT_INTERCEPT_CR0, VMT_INTERCEPT_CR3, VMT_INTERCEPT_CR4};

/* The event of a write, and the write. @number is 0, 3 or 4. */
static int write_cr(struct vmt_exec *x, unsigned number, uint64_t value)
{
	uint32_t cr = number == 0 ? VMT_CR0 : number == 3 ? VMT_CR3 : VMT_CR4;
	struct vmt_regs *r = x->regs;

	x->r->event.u.cr = (struct vmt_write_cr){
		.cr = cr,
		.new_value = value,
		.old_value = number == 0   ? r->cr0
			     : number == 3 ? r->cr3
					   : r->cr4,
	};
	VMT_TRY(vmt_exec_intercept(x, cr_intercepts[cr]));
	return vmt_cr_set(x, cr, value);
}

static int read_cr(struct vmt_exec *x, unsigned number, unsigned size)
{
	const struct vmt_regs *r = x->regs;
	uint64_t value;

	if (number == 2)
		VMT_TRY(vmt_exec_need(x, VMT_REG_CR2));
	value = number == 0   ? r->cr0
		: number == 2 ? r->cr2
		: number == 3 ? r->cr3
		: number == 4 ? r->cr4
			      : x->cpu->cr8;
	vmt_gpr_set(x, x->insn.rm, size, value);
	return 0;
}

/* 0F 20 and 0F 22. */
int vmt_do_mov_cr(struct vmt_exec *x)
{
	unsigned number = x->insn.reg, size = x->long64 ? 8 : 4;
	uint64_t value = vmt_gpr_get(x, x->insn.rm, size);

	if (number != 0 && number != 2 && number != 3 && number != 4 && number != 8)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_need_cpl0(x));
	if (!(x->insn.opcode & 2))
		return read_cr(x, number, size);
	if (number == 2) {
		x->regs->cr2 = value;
		x->regs->known |= VMT_KNOWN(VMT_REG_CR2);
		return 0;
	}
	if (number == 8) {
		VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_CR8));
		if (value >> 4)
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
		x->cpu->cr8 = value;
		return 0;
	}
	return write_cr(x, number, value);
}

int vmt_do_clts(struct vmt_exec *x)
{
	VMT_TRY(vmt_need_cpl0(x));
	x->r->event.clts = true;
	x->r->event.u.cr = (struct vmt_write_cr){
		.cr = VMT_CR0,
		.new_value = x->regs->cr0 & ~VMT_CR0_TS,
		.old_value = x->regs->cr0,
	};
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_CR0));
	x->regs->cr0 &= ~VMT_CR0_TS;
	return 0;
}

/* LMSW: 0F 01 /6. It can set PE and not clear it. */
int vmt_lmsw(struct vmt_exec *x)
{
	uint64_t value;

	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(vmt_rm_get(x, 2, &value));
	value = (x->regs->cr0 & ~UINT64_C(0xe)) | (value & 0xf);
	return write_cr(x, 0, value);
}

int vmt_xsetbv(struct vmt_exec *x)
{
	uint64_t value = (x->g[VMT_RDX] & UINT32_MAX) << 32 | (x->g[VMT_RAX] & UINT32_MAX);

	if (!(x->regs->cr4 & VMT_CR4_OSXSAVE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_need_cpl0(x));
	x->r->event.u.cr = (struct vmt_write_cr){
		.cr = VMT_XCR0,
		.new_value = value,
		.old_value = x->regs->xcr0,
	};
	if ((x->g[VMT_RCX] & UINT32_MAX) != 0)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_XCR0));
	return vmt_cr_set(x, VMT_XCR0, value);
}

int vmt_xgetbv(struct vmt_exec *x)
{
	if (!(x->regs->cr4 & VMT_CR4_OSXSAVE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	if ((x->g[VMT_RCX] & UINT32_MAX) == 1)
		return vmt_exec_unsupported(x, "XGETBV of XINUSE");
	if ((x->g[VMT_RCX] & UINT32_MAX) != 0)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_exec_need(x, VMT_REG_XCR0));
	x->g[VMT_RAX] = x->regs->xcr0 & UINT32_MAX;
	x->g[VMT_RDX] = x->regs->xcr0 >> 32;
	return 0;
}

/* 0F 21 and 0F 23. */
int vmt_do_mov_dr(struct vmt_exec *x)
{
	struct vmt_regs *r = x->regs;
	unsigned number = x->insn.reg, size = x->long64 ? 8 : 4;
	uint64_t value = vmt_gpr_get(x, x->insn.rm, size), *dr[8];
	const uint8_t bits[8] = {VMT_REG_DR0, VMT_REG_DR1, VMT_REG_DR2, VMT_REG_DR3,
				 VMT_REG_DR6, VMT_REG_DR7, VMT_REG_DR6, VMT_REG_DR7};

	dr[0] = &r->dr0;
	dr[1] = &r->dr1;
	dr[2] = &r->dr2;
	dr[3] = &r->dr3;
	dr[4] = dr[6] = &r->dr6;
	dr[5] = dr[7] = &r->dr7;
	if (number > 7 || ((number == 4 || number == 5) && (r->cr4 & VMT_CR4_DE)))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(vmt_exec_need(x, VMT_REG_DR7));
	if (r->dr7 & 0x2000) {
		vmt_exec_raise(x, VMT_EXC_DB);
		x->r->interrupt.extra = 0x2000;
		return VMT_STEP_FAULT;
	}
	if (!(x->insn.opcode & 2)) {
		VMT_TRY(vmt_exec_need(x, bits[number]));
		vmt_gpr_set(x, x->insn.rm, size, *dr[number]);
		return 0;
	}
	x->r->event.u.cr = (struct vmt_write_cr){number, value, *dr[number]};
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_DR));
	if (number >= 4 && value >> 32)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	if (number == 4 || number == 6)
		value = (value & 0xe00f) | UINT64_C(0xffff0ff0);
	else if (number == 5 || number == 7)
		value = (value & UINT64_C(0xffff2bff)) | 0x400;
	else if (!vmt_canonical(x, value))
		return vmt_exec_unsupported(x, "a breakpoint at an address that is not canonical");
	*dr[number] = value;
	r->known |= VMT_KNOWN(bits[number]);
	return 0;
}
