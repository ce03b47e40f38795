/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segment registers, and control transfer that loads CS: far jumps and returns, IRET, SYSCALL,
 * SYSRET (Intel SDM volume 2).
 */
#include "emulation/exec.h"

/* Flat segments as SYSCALL and SYSRET load them; L, D and G in bits 9 to 11. */
#define ACCESS_CODE64 0xa9bu
#define ACCESS_CODE32 0xc9bu
#define ACCESS_DATA   0xc93u
#define ACCESS_DPL3   0x60u

int vmt_do_mov_from_sreg(struct vmt_exec *x)
{
	unsigned seg = x->insn.modrm >> 3 & 7;

	if (seg > VMT_GS)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (x->insn.mod != 3)
		return vmt_rm_set(x, 2, vmt_segment_of(x, seg)->selector);
	return vmt_rm_set(x, x->insn.operand_size, vmt_segment_of(x, seg)->selector);
}

int vmt_do_mov_to_sreg(struct vmt_exec *x)
{
	unsigned seg = x->insn.modrm >> 3 & 7;
	uint64_t selector;

	if (seg > VMT_GS || seg == VMT_CS)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_rm_get(x, 2, &selector));
	VMT_TRY(vmt_segment_load(x, seg, (uint16_t)selector));
	if (seg == VMT_SS) {
		x->cpu->shadow |= VMT_SHADOW_MOV_SS;
		x->new_shadow = true;
	}
	return 0;
}

/* 0F A0, A8: FS and GS; 06, 0E, 16, 1E are not there in 64-bit mode. */
static unsigned stack_segment(const struct vmt_exec *x)
{
	return x->insn.opcode & 8 ? VMT_GS : VMT_FS;
}

int vmt_do_push_sreg(struct vmt_exec *x)
{
	return vmt_exec_push(x, x->insn.operand_size,
			     vmt_segment_of(x, stack_segment(x))->selector);
}

int vmt_do_pop_sreg(struct vmt_exec *x)
{
	uint64_t selector;

	VMT_TRY(vmt_exec_pop(x, x->insn.operand_size, &selector));
	return vmt_segment_load(x, stack_segment(x), (uint16_t)selector);
}

static int enter_code(struct vmt_exec *x, const struct vmt_segment *cs, uint64_t target)
{
	bool to64 = x->long_mode && (cs->access & 0x200);

	if (!to64) {
		if (!(cs->access & 0x400))
			return vmt_exec_unsupported(x, "16-bit code");
		if (target > cs->limit)
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	} else if (!vmt_canonical(x, target)) {
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	}
	x->regs->cs = *cs;
	x->next = target;
	return 0;
}

/* EA (32-bit code) and FF /5. */
int vmt_do_far_jmp(struct vmt_exec *x)
{
	uint64_t target = (uint64_t)x->insn.imm;
	uint16_t selector = x->insn.selector;
	struct vmt_segment cs;

	if (x->insn.operand_size == 2)
		return vmt_exec_unsupported(x, "a far jump of 16 bits");
	if (x->insn.opcode == 0xff) {
		unsigned size = x->insn.operand_size;
		uint8_t pointer[10] = {0};

		if (x->insn.mod == 3)
			return vmt_exec_raise(x, VMT_EXC_UD);
		VMT_TRY(vmt_mem_get(x, pointer, size + 2, VMT_R));
		target = 0;
		memcpy(&target, pointer, size);
		memcpy(&selector, pointer + size, 2);
	}
	VMT_TRY(vmt_code_segment(x, selector, x->cpl, false, &cs));
	cs.selector = (uint16_t)((selector & ~3u) | x->cpl);
	return enter_code(x, &cs, target);
}

/* SS of a return to @cpl. */
static int return_stack(struct vmt_exec *x, uint16_t selector, unsigned cpl, bool to64)
{
	unsigned old = x->cpl;
	int o;

	if (!(selector & 0xfffc)) {
		if (!to64 || cpl == 3 || (selector & 3) != cpl)
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
		x->regs->ss =
			(struct vmt_segment){.selector = selector, .access = (uint16_t)(cpl << 5)};
		return 0;
	}
	x->cpl = (uint8_t)cpl; /* the checks are those of the level that is returned to */
	o = vmt_segment_load(x, VMT_SS, selector);
	x->cpl = (uint8_t)old;
	return o;
}

/* A return to an outer level takes away data segments that it may not have. */
static void drop_segments(struct vmt_exec *x, unsigned cpl)
{
	struct vmt_segment *all[] = {&x->regs->ds, &x->regs->es, &x->regs->fs, &x->regs->gs};

	for (unsigned i = 0; i < 4; i++) {
		struct vmt_segment *s = all[i];
		bool conforming = (s->access & 0xc) == 0xc;

		if ((s->access & 0x80) && !conforming && (s->access >> 5 & 3u) < cpl)
			*s = (struct vmt_segment){0};
	}
}

/* What IRET and RETF share: CS, then SS and RSP where they were popped. */
static int far_return(struct vmt_exec *x, uint64_t rip, uint16_t selector, bool with_stack,
		      uint64_t rsp, uint16_t ss)
{
	unsigned cpl = selector & 3u, old = x->cpl;
	struct vmt_segment cs;

	VMT_TRY(vmt_code_segment(x, selector, old, true, &cs));
	if (with_stack) {
		bool to64 = x->long_mode && (cs.access & 0x200);

		VMT_TRY(return_stack(x, ss, cpl, to64));
		x->g[VMT_RSP] = to64 ? rsp : rsp & UINT32_MAX;
	}
	VMT_TRY(enter_code(x, &cs, rip));
	if (cpl > old)
		drop_segments(x, cpl);
	vmt_set_cpl(x, cpl);
	return 0;
}

/* CA, CB. */
int vmt_do_retf(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t rip, cs, rsp = 0, ss = 0, more = x->insn.opcode & 1 ? 0 : (uint64_t)x->insn.imm;
	bool outer;

	if (!x->long64 || size == 2)
		return vmt_exec_unsupported(x, "a far return outside of 64-bit mode");
	VMT_TRY(vmt_exec_pop(x, size, &rip));
	VMT_TRY(vmt_exec_pop(x, size, &cs));
	outer = (cs & 3) > x->cpl;
	x->g[VMT_RSP] += more;
	if (outer) {
		VMT_TRY(vmt_exec_pop(x, size, &rsp));
		VMT_TRY(vmt_exec_pop(x, size, &ss));
		rsp += more;
	}
	return far_return(x, rip, (uint16_t)cs, outer, rsp, (uint16_t)ss);
}

int vmt_do_iret(struct vmt_exec *x)
{
	uint64_t mask = VMT_FLAGS_STATUS | VMT_FLAG_TF | VMT_FLAG_DF | VMT_FLAG_NT | VMT_FLAG_RF |
			VMT_FLAG_AC | VMT_FLAG_ID;
	uint64_t v[5], *f = &x->regs->gprs.rflags;

	if (!x->long64 || x->insn.operand_size == 2)
		return vmt_exec_unsupported(x, "IRET outside of 64-bit mode");
	if (*f & VMT_FLAG_NT)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	for (unsigned i = 0; i < 5; i++)
		VMT_TRY(vmt_exec_pop(x, x->insn.operand_size, &v[i]));
	if (x->cpl == 0)
		mask |= VMT_FLAG_IOPL | VMT_FLAG_VIF | VMT_FLAG_VIP;
	if (x->cpl <= (*f >> 12 & 3))
		mask |= VMT_FLAG_IF;
	VMT_TRY(far_return(x, v[0], (uint16_t)v[1], true, v[3], (uint16_t)v[4]));
	*f = (*f & ~mask) | (v[2] & mask);
	x->keep_rf = true;
	x->cpu->shadow &= ~(uint32_t)VMT_SHADOW_NMI;
	return 0;
}

static struct vmt_segment flat(uint64_t selector, unsigned access)
{
	return (struct vmt_segment){
		.selector = (uint16_t)selector,
		.access = (uint16_t)access,
		.limit = UINT32_MAX,
	};
}

int vmt_do_syscall(struct vmt_exec *x)
{
	struct vmt_regs *r = x->regs;

	if (!x->long64 || !(r->efer & VMT_EFER_SCE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_exec_need(x, VMT_REG_STAR));
	VMT_TRY(vmt_exec_need(x, VMT_REG_LSTAR));
	VMT_TRY(vmt_exec_need(x, VMT_REG_SFMASK));
	r->gprs.rcx = x->next;
	r->gprs.r11 = r->gprs.rflags & ~VMT_FLAG_RF;
	r->gprs.rflags &= ~(r->sfmask | VMT_FLAG_RF);
	r->gprs.rflags |= 2;
	r->cs = flat((r->star >> 32) & 0xfffc, ACCESS_CODE64);
	r->ss = flat(((r->star >> 32) + 8) & 0xffff, ACCESS_DATA);
	x->next = r->lstar;
	vmt_set_cpl(x, 0);
	return 0;
}

int vmt_do_sysret(struct vmt_exec *x)
{
	struct vmt_regs *r = x->regs;
	uint64_t base;
	bool to64 = x->insn.w;

	if (!x->long64 || !(r->efer & VMT_EFER_SCE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(vmt_exec_need(x, VMT_REG_STAR));
	if (to64 && !vmt_canonical(x, r->gprs.rcx))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	base = r->star >> 48;
	x->next = to64 ? r->gprs.rcx : r->gprs.rcx & UINT32_MAX;
	r->gprs.rflags = (r->gprs.r11 & 0x3c7fd7) | 2;
	r->cs = to64 ? flat(((base + 16) | 3) & 0xffff, ACCESS_CODE64 | ACCESS_DPL3)
		     : flat(base | 3, ACCESS_CODE32 | ACCESS_DPL3);
	r->ss = flat(((base + 8) | 3) & 0xffff, ACCESS_DATA | ACCESS_DPL3);
	vmt_set_cpl(x, 3);
	return 0;
}
