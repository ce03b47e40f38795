/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * BMI1 and BMI2: the VEX-encoded instructions on general registers (Intel SDM volume 2).
 */
#include "emulation/flags.h"

static uint64_t deposit(uint64_t value, uint64_t mask)
{
	uint64_t result = 0;

	for (uint64_t bit = 1; mask; bit <<= 1, mask &= mask - 1)
		if (value & bit)
			result |= mask & -mask;
	return result;
}

static uint64_t extract(uint64_t value, uint64_t mask)
{
	uint64_t result = 0;

	for (uint64_t bit = 1; mask; bit <<= 1, mask &= mask - 1)
		if (value & mask & -mask)
			result |= bit;
	return result;
}

/* F3: BLSR, BLSMSK, BLSI into vvvv. */
static int group17(struct vmt_exec *x, uint64_t a, unsigned size)
{
	uint64_t result, flags, mask = vmt_size_mask(size);

	switch (x->insn.modrm >> 3 & 7) {
	case 1:
		result = a & (a - 1);
		flags = a ? 0 : VMT_FLAG_CF;
		break;
	case 2:
		result = a ^ (a - 1);
		flags = a ? 0 : VMT_FLAG_CF;
		break;
	case 3:
		result = a & -a;
		flags = a ? VMT_FLAG_CF : 0;
		break;
	default:
		return vmt_exec_raise(x, VMT_EXC_UD);
	}
	result &= mask;
	flags |= vmt_flags_szp(result, size) & (VMT_FLAG_ZF | VMT_FLAG_SF);
	vmt_gpr_set(x, x->insn.vex_v, size, result);
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

static int bzhi(struct vmt_exec *x, uint64_t a, uint64_t index, unsigned size)
{
	unsigned n = index & 0xff;
	bool all = n >= 8 * size;
	uint64_t result = all ? a : a & ((UINT64_C(1) << n) - 1);
	uint64_t flags = vmt_flags_szp(result, size) & (VMT_FLAG_ZF | VMT_FLAG_SF);

	vmt_gpr_set(x, x->insn.reg, size, result);
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags | (all ? VMT_FLAG_CF : 0));
	return 0;
}

static int bextr(struct vmt_exec *x, uint64_t a, uint64_t control, unsigned size)
{
	unsigned start = control & 0xff, n = control >> 8 & 0xff;
	uint64_t result = start < 64 ? a >> start : 0;

	if (n < 64)
		result &= (UINT64_C(1) << n) - 1;
	vmt_gpr_set(x, x->insn.reg, size, result);
	vmt_flags_set(x, VMT_FLAGS_STATUS, result ? 0 : VMT_FLAG_ZF);
	return 0;
}

/* SARX F3, SHLX 66, SHRX F2, BEXTR without prefix. */
static int shift_x(struct vmt_exec *x, uint64_t a, uint64_t v, unsigned size)
{
	unsigned n = (unsigned)v & (8 * size - 1);
	uint64_t result;

	if (x->insn.rep == 0xf3)
		result = (uint64_t)(vmt_sign_extend(a, size) >> n);
	else if (x->insn.rep == 0xf2)
		result = a >> n;
	else if (x->insn.p66)
		result = a << n;
	else
		return bextr(x, a, v, size);
	vmt_gpr_set(x, x->insn.reg, size, result);
	return 0;
}

static int mulx(struct vmt_exec *x, uint64_t a, unsigned size)
{
	__extension__ unsigned __int128 product =
		(unsigned __int128)a * vmt_gpr_get(x, VMT_RDX, size);

	vmt_gpr_set(x, x->insn.vex_v, size, (uint64_t)product);
	vmt_gpr_set(x, x->insn.reg, size, (uint64_t)(product >> (8 * size)));
	return 0;
}

static int f5_f6(struct vmt_exec *x, uint64_t a, uint64_t v, unsigned size)
{
	if (x->insn.p66)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (x->insn.opcode == 0xf6)
		return x->insn.rep == 0xf2 ? mulx(x, a, size) : vmt_exec_raise(x, VMT_EXC_UD);
	if (!x->insn.rep)
		return bzhi(x, a, v, size);
	vmt_gpr_set(x, x->insn.reg, size, x->insn.rep == 0xf2 ? deposit(v, a) : extract(v, a));
	return 0;
}

int vmt_do_bmi(struct vmt_exec *x)
{
	unsigned size = x->insn.w && x->long64 ? 8 : 4;
	uint64_t a, v = vmt_gpr_get(x, x->insn.vex_v, size), result;

	if (x->insn.vex_l)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_rm_get(x, size, &a));
	if (x->insn.map == VMT_MAP_0F3A) { /* RORX */
		unsigned n = (unsigned)x->insn.imm & (8 * size - 1);

		if (x->insn.rep != 0xf2)
			return vmt_exec_raise(x, VMT_EXC_UD);
		result = n ? a >> n | a << (8 * size - n) : a;
		vmt_gpr_set(x, x->insn.reg, size, result);
		return 0;
	}
	switch (x->insn.opcode) {
	case 0xf2: /* ANDN */
		if (x->insn.rep || x->insn.p66)
			return vmt_exec_raise(x, VMT_EXC_UD);
		result = ~v & a;
		vmt_gpr_set(x, x->insn.reg, size, result);
		vmt_flags_set(x, VMT_FLAGS_STATUS,
			      vmt_flags_szp(result, size) & (VMT_FLAG_ZF | VMT_FLAG_SF));
		return 0;
	case 0xf3:
		if (x->insn.rep || x->insn.p66)
			return vmt_exec_raise(x, VMT_EXC_UD);
		return group17(x, a, size);
	case 0xf7:
		return shift_x(x, a, v, size);
	default:
		return f5_f6(x, a, v, size);
	}
}
