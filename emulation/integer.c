/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves, the eight arithmetic and logic operations, and what else works on one or two integers
 * (Intel SDM volume 2). Memory is written last: until then only locals have changed.
 */
#include <byteswap.h>

#include "emulation/flags.h"

enum { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP };

static uint64_t alu(const struct vmt_exec *x, unsigned op, uint64_t a, uint64_t b, unsigned size,
		    uint64_t *flags)
{
	unsigned carry = x->regs->gprs.rflags & VMT_FLAG_CF;
	uint64_t result;

	switch (op) {
	case ADD:
		return vmt_flags_add(a, b, 0, size, flags);
	case ADC:
		return vmt_flags_add(a, b, carry, size, flags);
	case SBB:
		return vmt_flags_sub(a, b, carry, size, flags);
	case SUB:
	case CMP:
		return vmt_flags_sub(a, b, 0, size, flags);
	case OR:
		result = a | b;
		break;
	case AND:
		result = a & b;
		break;
	default:
		result = a ^ b;
		break;
	}
	*flags = vmt_flags_szp(result, size);
	return result;
}

/* An operation whose first operand is r/m. */
static int alu_rm(struct vmt_exec *x, unsigned op, uint64_t b)
{
	unsigned size = x->insn.operand_size;
	uint64_t a, result, flags;

	if (op == CMP)
		VMT_TRY(vmt_rm_get(x, size, &a));
	else
		VMT_TRY(vmt_rm_get_rw(x, size, &a));
	result = alu(x, op, a, b & vmt_size_mask(size), size, &flags);
	if (op != CMP)
		VMT_TRY(vmt_rm_set(x, size, result));
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

int vmt_do_alu(struct vmt_exec *x)
{
	unsigned op = x->insn.opcode >> 3 & 7, size = x->insn.operand_size;
	uint64_t a, b, flags;

	if (!(x->insn.opcode & 2))
		return alu_rm(x, op, vmt_gpr_get(x, x->insn.reg, size));
	VMT_TRY(vmt_rm_get(x, size, &b));
	a = alu(x, op, vmt_gpr_get(x, x->insn.reg, size), b, size, &flags);
	if (op != CMP)
		vmt_gpr_set(x, x->insn.reg, size, a);
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

int vmt_do_alu_acc(struct vmt_exec *x)
{
	unsigned op = x->insn.opcode >> 3 & 7, size = x->insn.operand_size;
	uint64_t flags, b = (uint64_t)x->insn.imm & vmt_size_mask(size);
	uint64_t a = alu(x, op, x->g[VMT_RAX] & vmt_size_mask(size), b, size, &flags);

	if (op != CMP)
		vmt_gpr_set(x, VMT_RAX, size, a);
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

int vmt_do_alu_imm(struct vmt_exec *x)
{
	return alu_rm(x, x->insn.modrm >> 3 & 7, (uint64_t)x->insn.imm);
}

static int test(struct vmt_exec *x, uint64_t a, uint64_t b)
{
	vmt_flags_set(x, VMT_FLAGS_STATUS, vmt_flags_szp(a & b, x->insn.operand_size));
	return 0;
}

int vmt_do_test(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t a;

	VMT_TRY(vmt_rm_get(x, size, &a));
	return test(x, a, vmt_gpr_get(x, x->insn.reg, size));
}

int vmt_do_test_acc(struct vmt_exec *x)
{
	return test(x, x->g[VMT_RAX], (uint64_t)x->insn.imm);
}

int vmt_do_mov(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t value;

	if (!(x->insn.opcode & 2))
		return vmt_rm_set(x, size, vmt_gpr_get(x, x->insn.reg, size));
	VMT_TRY(vmt_rm_get(x, size, &value));
	vmt_gpr_set(x, x->insn.reg, size, value);
	return 0;
}

int vmt_do_mov_imm(struct vmt_exec *x)
{
	if (x->insn.modrm & 0x38)
		return vmt_exec_raise(x, VMT_EXC_UD);
	return vmt_rm_set(x, x->insn.operand_size, (uint64_t)x->insn.imm);
}

int vmt_do_mov_reg_imm(struct vmt_exec *x)
{
	unsigned reg = (x->insn.opcode & 7u) | (x->insn.rex & 1u) << 3;

	vmt_gpr_set(x, reg, x->insn.operand_size, (uint64_t)x->insn.imm);
	return 0;
}

int vmt_do_mov_moffs(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	unsigned seg = x->insn.segment == VMT_SEG_NONE ? VMT_DS : x->insn.segment;
	uint64_t value = x->g[VMT_RAX];

	if (x->insn.opcode & 2)
		return vmt_exec_store(x, seg, (uint64_t)x->insn.imm, &value, size);
	VMT_TRY(vmt_exec_load(x, seg, (uint64_t)x->insn.imm, &value, size, VMT_R));
	vmt_gpr_set(x, VMT_RAX, size, value);
	return 0;
}

int vmt_do_lea(struct vmt_exec *x)
{
	if (x->insn.mod == 3)
		return vmt_exec_raise(x, VMT_EXC_UD);
	vmt_gpr_set(x, x->insn.reg, x->insn.operand_size, vmt_effective(x));
	return 0;
}

int vmt_do_xchg(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t a, b = vmt_gpr_get(x, x->insn.reg, size);

	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	VMT_TRY(vmt_rm_set(x, size, b));
	vmt_gpr_set(x, x->insn.reg, size, a);
	return 0;
}

/* 90 is NOP, or PAUSE with F3; with REX.B it exchanges r8. */
int vmt_do_xchg_acc(struct vmt_exec *x)
{
	unsigned reg = (x->insn.opcode & 7u) | (x->insn.rex & 1u) << 3;
	unsigned size = x->insn.operand_size;
	uint64_t a = vmt_gpr_get(x, VMT_RAX, size);

	if (reg == 0)
		return x->insn.rep == 0xf3 ? vmt_exec_intercept(x, VMT_INTERCEPT_PAUSE) : 0;
	vmt_gpr_set(x, VMT_RAX, size, vmt_gpr_get(x, reg, size));
	vmt_gpr_set(x, reg, size, a);
	return 0;
}

/* MOVZX, MOVSX: b6, b7, be, bf. */
int vmt_do_movx(struct vmt_exec *x)
{
	unsigned from = x->insn.opcode & 1 ? 2 : 1;
	uint64_t value;

	VMT_TRY(vmt_rm_get(x, from, &value));
	if (x->insn.opcode & 8)
		value = (uint64_t)vmt_sign_extend(value, from);
	vmt_gpr_set(x, x->insn.reg, x->insn.operand_size, value);
	return 0;
}

int vmt_do_movsxd(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t value;

	if (!x->long64)
		return vmt_exec_unsupported(x, "ARPL");
	VMT_TRY(vmt_rm_get(x, size == 2 ? 2 : 4, &value));
	if (size == 8)
		value = (uint64_t)vmt_sign_extend(value, 4);
	vmt_gpr_set(x, x->insn.reg, size, value);
	return 0;
}

int vmt_do_setcc(struct vmt_exec *x)
{
	return vmt_rm_set(x, 1, vmt_condition(x, x->insn.opcode));
}

/* The load happens, and a 32-bit destination is cleared above, whatever the condition. */
int vmt_do_cmovcc(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t value;

	VMT_TRY(vmt_rm_get(x, size, &value));
	if (!vmt_condition(x, x->insn.opcode))
		value = vmt_gpr_get(x, x->insn.reg, size);
	vmt_gpr_set(x, x->insn.reg, size, value);
	return 0;
}

/* CBW, CWDE, CDQE. */
int vmt_do_convert(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;

	vmt_gpr_set(x, VMT_RAX, size, (uint64_t)vmt_sign_extend(x->g[VMT_RAX], size / 2));
	return 0;
}

/* CWD, CDQ, CQO. */
int vmt_do_extend_acc(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	bool negative = (x->g[VMT_RAX] & vmt_sign_bit(size)) != 0;

	vmt_gpr_set(x, VMT_RDX, size, negative ? UINT64_MAX : 0);
	return 0;
}

static uint64_t incdec(struct vmt_exec *x, uint64_t a, bool dec, uint64_t *flags)
{
	unsigned size = x->insn.operand_size;

	return dec ? vmt_flags_sub(a, 1, 0, size, flags) : vmt_flags_add(a, 1, 0, size, flags);
}

/* INC and DEC keep CF: groups 4 and 5, /0 and /1. */
int vmt_do_incdec(struct vmt_exec *x)
{
	unsigned which = x->insn.modrm >> 3 & 7, size = x->insn.operand_size;
	uint64_t a, flags;

	if (which > 1)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	VMT_TRY(vmt_rm_set(x, size, incdec(x, a, which, &flags)));
	vmt_flags_set(x, VMT_FLAGS_STATUS & ~VMT_FLAG_CF, flags);
	return 0;
}

/* 40 to 4f in 32-bit code. */
int vmt_do_inc_reg(struct vmt_exec *x)
{
	unsigned reg = x->insn.opcode & 7, size = x->insn.operand_size;
	uint64_t flags;

	vmt_gpr_set(x, reg, size, incdec(x, vmt_gpr_get(x, reg, size), x->insn.opcode & 8, &flags));
	vmt_flags_set(x, VMT_FLAGS_STATUS & ~VMT_FLAG_CF, flags);
	return 0;
}

int vmt_do_nop(struct vmt_exec *x)
{
	(void)x;
	return 0;
}

/* Hints with an operand that is not accessed: multi-byte NOP, prefetches, ENDBR. */
int vmt_do_nop_rm(struct vmt_exec *x)
{
	(void)x;
	return 0;
}

int vmt_do_bswap(struct vmt_exec *x)
{
	unsigned reg = (x->insn.opcode & 7u) | (x->insn.rex & 1u) << 3;

	if (x->insn.operand_size == 8)
		x->g[reg] = bswap_64(x->g[reg]);
	else if (x->insn.operand_size == 4)
		x->g[reg] = bswap_32((uint32_t)x->g[reg]);
	else
		return vmt_exec_unsupported(x, "BSWAP of 16 bits is undefined");
	return 0;
}

/* SAHF and LAHF. */
int vmt_do_sahf(struct vmt_exec *x)
{
	const uint64_t mask = VMT_FLAGS_STATUS & ~VMT_FLAG_OF;

	if (x->insn.opcode == 0x9e)
		vmt_flags_set(x, mask, x->g[VMT_RAX] >> 8);
	else
		x->g[VMT_RAX] = (x->g[VMT_RAX] & ~UINT64_C(0xff00)) |
				((x->regs->gprs.rflags & mask) | 2) << 8;
	return 0;
}

/* CMC, CLC, STC, CLD, STD. */
int vmt_do_flag(struct vmt_exec *x)
{
	uint64_t *f = &x->regs->gprs.rflags;

	switch (x->insn.opcode) {
	case 0xf5:
		*f ^= VMT_FLAG_CF;
		break;
	case 0xf8:
		*f &= ~VMT_FLAG_CF;
		break;
	case 0xf9:
		*f |= VMT_FLAG_CF;
		break;
	case 0xfc:
		*f &= ~VMT_FLAG_DF;
		break;
	default:
		*f |= VMT_FLAG_DF;
		break;
	}
	return 0;
}

int vmt_do_xlat(struct vmt_exec *x)
{
	unsigned seg = x->insn.segment == VMT_SEG_NONE ? VMT_DS : x->insn.segment;
	uint64_t address = x->g[VMT_RBX] + (x->g[VMT_RAX] & 0xff);
	uint8_t value;

	if (x->insn.address_size == 4)
		address &= UINT32_MAX;
	VMT_TRY(vmt_exec_load(x, seg, address, &value, 1, VMT_R));
	x->g[VMT_RAX] = (x->g[VMT_RAX] & ~UINT64_C(0xff)) | value;
	return 0;
}

/* MOVBE, and with F2 CRC32, which is handed over. */
int vmt_do_movbe(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t value;

	if (x->insn.rep == 0xf2)
		return vmt_do_handed_over(x);
	if (x->insn.mod == 3 || x->insn.rep)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (x->insn.opcode & 1) {
		value = bswap_64(x->g[x->insn.reg]) >> (64 - 8 * size);
		return vmt_rm_set(x, size, value);
	}
	VMT_TRY(vmt_rm_get(x, size, &value));
	vmt_gpr_set(x, x->insn.reg, size, bswap_64(value) >> (64 - 8 * size));
	return 0;
}

/* Opcodes that 64-bit mode does not have: pushes of segments, decimal arithmetic, far calls. */
int vmt_do_32bit_only(struct vmt_exec *x)
{
	return vmt_exec_unsupported(x, "an instruction of 32-bit code that is not done here");
}
