/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions that ask about something without using it: VERR, VERW, LAR, LSL of a selector; RDPID;
 * INVPCID (Intel SDM volume 2). Linux executes VERW on each return to user mode.
 */
#include "emulation/exec.h"
#include "emulation/system.h"

#define ACCESS_S 0x10u

/*
 * The descriptor of @selector, where the vCPU may see it: @seen. A selector past its table, or of a
 * level that may not see it, is no fault here. @system: the system types that count, a bit each.
 */
static int look_up(struct vmt_exec *x, uint16_t selector, unsigned system,
		   struct vmt_descriptor_bytes *d, struct vmt_segment *s, bool *seen)
{
	unsigned dpl, type;
	int o;

	*seen = false;
	if (!(selector & 0xfffc))
		return 0;
	o = vmt_descriptor_read(x, selector, VMT_EXC_GP, 8, d);
	if (o == VMT_STEP_FAULT && x->r->interrupt.vector == VMT_EXC_GP) {
		x->r->outcome = VMT_STEP_DONE;
		return 0;
	}
	VMT_TRY(o);
	*s = vmt_descriptor_segment(*d, selector);
	type = s->access & 15;
	dpl = s->access >> 5 & 3;
	if (!(s->access & ACCESS_S) && !(system >> type & 1))
		return 0;
	*seen = ((s->access & ACCESS_S) && (type & 12) == 12) ||
		(dpl >= x->cpl && dpl >= (selector & 3u));
	return 0;
}

static void set_zf(struct vmt_exec *x, bool on)
{
	x->regs->gprs.rflags &= ~VMT_FLAG_ZF;
	x->regs->gprs.rflags |= on ? VMT_FLAG_ZF : 0;
}

int vmt_verify(struct vmt_exec *x, bool write)
{
	struct vmt_descriptor_bytes d = {0, 0};
	struct vmt_segment s = {0};
	uint64_t selector;
	bool seen, code;

	VMT_TRY(vmt_rm_get(x, 2, &selector));
	VMT_TRY(look_up(x, (uint16_t)selector, 0, &d, &s, &seen));
	code = s.access & 8;
	set_zf(x, seen && (write ? !code && (s.access & 2) : !code || (s.access & 2)));
	return 0;
}

/* 0F 02 LAR, 0F 03 LSL. */
int vmt_do_lar(struct vmt_exec *x)
{
	bool limit = x->insn.opcode & 1, seen;
	struct vmt_descriptor_bytes d = {0, 0};
	struct vmt_segment s = {0};
	uint64_t selector, value;

	VMT_TRY(vmt_rm_get(x, 2, &selector));
	/* LDT and TSS; of LAR call gates too. */
	VMT_TRY(look_up(x, (uint16_t)selector, limit ? 0xa04 : 0x1a04, &d, &s, &seen));
	set_zf(x, seen);
	value = limit ? s.limit : d.low >> 32 & 0xffff00;
	if (seen)
		vmt_gpr_set(x, x->insn.reg, x->insn.operand_size, value);
	return 0;
}

int vmt_rdpid(struct vmt_exec *x)
{
	VMT_TRY(vmt_exec_need(x, VMT_REG_TSC_AUX));
	vmt_gpr_set(x, x->insn.rm, x->long64 ? 8 : 4, x->regs->tsc_aux);
	return 0;
}

/* 66 0F 38 82. No translation is kept that its tables do not hold: there is nothing to be done. */
int vmt_do_invpcid(struct vmt_exec *x)
{
	uint64_t type = vmt_gpr_get(x, x->insn.reg, x->long64 ? 8 : 4), descriptor[2];

	if (!x->insn.p66 || x->insn.rep || x->insn.mod == 3)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(vmt_mem_get(x, descriptor, sizeof(descriptor), VMT_R));
	if (type > 3 || descriptor[0] >> 12)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	if (type < 2 && descriptor[0] && !(x->regs->cr4 & VMT_CR4_PCIDE))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	if (type == 0 && !vmt_canonical(x, descriptor[1]))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	x->r->event.u.address = vmt_gva_from(descriptor[1]);
	return vmt_exec_intercept(x, VMT_INTERCEPT_INVLPG);
}
