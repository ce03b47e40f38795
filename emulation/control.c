/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The stack, and near control transfer (Intel SDM volume 2). In 64-bit mode near branches take 64-bit
 * operands whatever the prefixes say, as on Intel's CPUs.
 */
#include "emulation/flags.h"

int vmt_do_push(struct vmt_exec *x)
{
	unsigned reg = (x->insn.opcode & 7u) | (x->insn.rex & 1u) << 3;

	return vmt_exec_push(x, x->insn.operand_size, x->g[reg]);
}

int vmt_do_push_imm(struct vmt_exec *x)
{
	return vmt_exec_push(x, x->insn.operand_size, (uint64_t)x->insn.imm);
}

int vmt_do_pop(struct vmt_exec *x)
{
	unsigned reg = (x->insn.opcode & 7u) | (x->insn.rex & 1u) << 3;
	uint64_t value;

	VMT_TRY(vmt_exec_pop(x, x->insn.operand_size, &value));
	vmt_gpr_set(x, reg, x->insn.operand_size, value);
	return 0;
}

/* An address that rests on RSP uses it as it is after the pop. */
int vmt_do_pop_rm(struct vmt_exec *x)
{
	uint64_t value;

	if (x->insn.modrm & 0x38)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_exec_pop(x, x->insn.operand_size, &value));
	return vmt_rm_set(x, x->insn.operand_size, value);
}

int vmt_do_pushf(struct vmt_exec *x)
{
	return vmt_exec_push(x, x->insn.operand_size,
			     x->regs->gprs.rflags & ~(VMT_FLAG_RF | VMT_FLAG_VM));
}

/* IOPL changes at CPL 0 alone, IF where CPL is not above IOPL; RF is cleared. */
int vmt_do_popf(struct vmt_exec *x)
{
	uint64_t mask = VMT_FLAGS_STATUS | VMT_FLAG_TF | VMT_FLAG_DF | VMT_FLAG_NT | VMT_FLAG_AC |
			VMT_FLAG_ID;
	uint64_t flags;

	if (x->cpl == 0)
		mask |= VMT_FLAG_IOPL;
	if (x->cpl <= (x->regs->gprs.rflags >> 12 & 3))
		mask |= VMT_FLAG_IF;
	if (x->insn.operand_size == 2)
		mask &= 0xffff;
	VMT_TRY(vmt_exec_pop(x, x->insn.operand_size, &flags));
	vmt_flags_set(x, mask, flags);
	return 0;
}

static int branch_relative(struct vmt_exec *x)
{
	uint64_t target = x->next + (uint64_t)x->insn.imm;

	if (!x->long64 && x->insn.operand_size == 2)
		return vmt_exec_unsupported(x, "a branch of 16 bits");
	return vmt_branch(x, target);
}

int vmt_do_jcc(struct vmt_exec *x)
{
	return vmt_condition(x, x->insn.opcode) ? branch_relative(x) : 0;
}

int vmt_do_jmp(struct vmt_exec *x)
{
	return branch_relative(x);
}

int vmt_do_call(struct vmt_exec *x)
{
	uint64_t back = x->next;

	VMT_TRY(branch_relative(x));
	return vmt_exec_push(x, vmt_stack_size(x), back);
}

int vmt_do_ret(struct vmt_exec *x)
{
	uint64_t target;

	if (!x->long64 && x->insn.operand_size == 2)
		return vmt_exec_unsupported(x, "a return of 16 bits");
	VMT_TRY(vmt_exec_pop(x, vmt_stack_size(x), &target));
	VMT_TRY(vmt_branch(x, target));
	if (x->insn.opcode == 0xc2)
		x->g[VMT_RSP] += (uint64_t)x->insn.imm;
	return 0;
}

/* FF: INC, DEC, CALL, far CALL, JMP, far JMP, PUSH. */
int vmt_do_group5(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7;
	unsigned size = x->insn.operand_size;
	uint64_t value, back = x->next;

	if (op < 2)
		return vmt_do_incdec(x);
	if (op == 7)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (op == 3 || op == 5)
		return op == 5 ? vmt_do_far_jmp(x) : vmt_exec_unsupported(x, "a far call");
	if (x->long64)
		size = x->insn.p66 && op == 6 ? 2 : 8;
	else if (size == 2 && op != 6)
		return vmt_exec_unsupported(x, "a branch of 16 bits");
	VMT_TRY(vmt_rm_get(x, size, &value));
	if (op == 6)
		return vmt_exec_push(x, size, value);
	VMT_TRY(vmt_branch(x, value));
	return op == 2 ? vmt_exec_push(x, size, back) : 0;
}

/* E0 LOOPNE, E1 LOOPE, E2 LOOP, E3 JRCXZ. */
int vmt_do_loop(struct vmt_exec *x)
{
	unsigned size = x->insn.address_size, op = x->insn.opcode & 3;
	bool zf = x->regs->gprs.rflags & VMT_FLAG_ZF, taken;
	uint64_t count = vmt_gpr_get(x, VMT_RCX, size) - (op != 3);

	count &= vmt_size_mask(size);
	if (op == 3)
		taken = count == 0;
	else
		taken = count != 0 && (op == 2 || zf == (op == 1));
	if (taken)
		VMT_TRY(branch_relative(x));
	if (op != 3)
		vmt_gpr_set(x, VMT_RCX, size, count);
	return 0;
}

int vmt_do_leave(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t value;

	x->g[VMT_RSP] = x->long64 ? x->g[VMT_RBP] : x->g[VMT_RBP] & UINT32_MAX;
	VMT_TRY(vmt_exec_pop(x, size, &value));
	vmt_gpr_set(x, VMT_RBP, size, value);
	return 0;
}

int vmt_do_enter(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t frame;

	if (x->insn.selector & 31)
		return vmt_exec_unsupported(x, "ENTER with a nesting level");
	VMT_TRY(vmt_exec_push(x, size, x->g[VMT_RBP]));
	frame = x->g[VMT_RSP];
	x->g[VMT_RSP] -= (uint64_t)x->insn.imm;
	if (!x->long64)
		x->g[VMT_RSP] &= UINT32_MAX;
	vmt_gpr_set(x, VMT_RBP, size, frame);
	return 0;
}
