/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shifts, multiplication, division, bits, compare-and-exchange and the BMI instructions (Intel SDM
 * volume 2).
 */
#include "emulation/flags.h"

__extension__ typedef unsigned __int128 vmt_u128;
__extension__ typedef __int128 vmt_s128;

/* Rotates change CF and OF alone. */
static uint64_t rotate(const struct vmt_exec *x, unsigned op, uint64_t a, unsigned count,
		       unsigned size, uint64_t *flags)
{
	unsigned bits = 8 * size, through = op >= 2, width = bits + through;
	uint64_t carry = x->regs->gprs.rflags & VMT_FLAG_CF;
	vmt_u128 value = a, mask = ((vmt_u128)1 << width) - 1;
	unsigned n = count % width;
	bool left = !(op & 1), cf, top;

	if (through)
		value |= (vmt_u128)carry << bits;
	if (n)
		value = left ? value << n | value >> (width - n)
			     : value >> n | value << (width - n);
	value &= mask;
	top = value >> (bits - 1) & 1;
	if (through)
		cf = value >> bits & 1;
	else
		cf = left ? value & 1 : top;
	*flags = cf ? VMT_FLAG_CF : 0;
	if (left ? top != cf : top != (bool)(value >> (bits - 2) & 1))
		*flags |= VMT_FLAG_OF;
	return (uint64_t)value & vmt_size_mask(size);
}

static uint64_t shift(unsigned op, uint64_t a, unsigned count, unsigned size, uint64_t *flags)
{
	unsigned bits = 8 * size;
	uint64_t result;
	bool cf, of;

	if (op == 5) { /* SHR */
		cf = count <= bits && (a >> (count - 1) & 1);
		result = count < 64 ? a >> count : 0;
		of = a & vmt_sign_bit(size);
	} else if (op == 7) { /* SAR */
		int64_t s = vmt_sign_extend(a, size);

		cf = s >> (count - 1 < 63 ? count - 1 : 63) & 1;
		result = (uint64_t)(s >> (count < 63 ? count : 63)) & vmt_size_mask(size);
		of = false;
	} else {
		cf = count <= bits && (a >> (bits - count) & 1);
		result = count < 64 ? a << count & vmt_size_mask(size) : 0;
		of = cf != ((result & vmt_sign_bit(size)) != 0);
	}
	*flags = vmt_flags_szp(result, size) | (cf ? VMT_FLAG_CF : 0) | (of ? VMT_FLAG_OF : 0);
	return result;
}

/* C0, C1, D0 to D3. */
int vmt_do_shift(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7, size = x->insn.operand_size;
	unsigned count = x->insn.opcode < 0xd0 ? (unsigned)x->insn.imm
			 : x->insn.opcode & 2  ? (unsigned)x->g[VMT_RCX]
					       : 1;
	uint64_t a, result, flags, mask = VMT_FLAGS_STATUS;

	count &= size == 8 ? 63 : 31;
	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	if (!count) /* no flag changes; a 32-bit register is cleared above */
		return vmt_rm_set(x, size, a);
	if (op < 4) {
		result = rotate(x, op, a, count, size, &flags);
		mask = VMT_FLAG_CF | VMT_FLAG_OF;
	} else {
		result = shift(op, a, count, size, &flags);
	}
	VMT_TRY(vmt_rm_set(x, size, result));
	vmt_flags_set(x, mask, flags);
	return 0;
}

/* SHLD a4, a5; SHRD ac, ad. */
int vmt_do_shift_double(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size, bits = 8 * size;
	unsigned count = x->insn.opcode & 1 ? (unsigned)x->g[VMT_RCX] : (unsigned)x->insn.imm;
	bool right = x->insn.opcode & 8, cf;
	uint64_t a, b = vmt_gpr_get(x, x->insn.reg, size), result, flags;

	count &= size == 8 ? 63 : 31;
	if (count > bits)
		return vmt_exec_unsupported(
			x, "SHLD or SHRD by more than the operand has is undefined");
	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	if (!count)
		return vmt_rm_set(x, size, a);
	if (count == bits)
		result = b;
	else
		result =
			right ? a >> count | b << (bits - count) : a << count | b >> (bits - count);
	result &= vmt_size_mask(size);
	cf = (right ? a >> (count - 1) : a >> (bits - count)) & 1;
	flags = vmt_flags_szp(result, size) | (cf ? VMT_FLAG_CF : 0);
	if ((a ^ result) & vmt_sign_bit(size))
		flags |= VMT_FLAG_OF;
	VMT_TRY(vmt_rm_set(x, size, result));
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

/* The accumulator pair: AX for bytes, else rDX:rAX. */
static void set_pair(struct vmt_exec *x, unsigned size, uint64_t low, uint64_t high)
{
	if (size == 1) {
		vmt_gpr_set(x, VMT_RAX, 2, (low & 0xff) | high << 8);
		return;
	}
	vmt_gpr_set(x, VMT_RAX, size, low);
	vmt_gpr_set(x, VMT_RDX, size, high);
}

static uint64_t multiply(struct vmt_exec *x, uint64_t a, uint64_t b, bool is_signed, unsigned size,
			 uint64_t *high)
{
	unsigned bits = 8 * size;
	uint64_t low, flags;
	bool fits;

	if (is_signed) {
		vmt_s128 p = (vmt_s128)vmt_sign_extend(a, size) * vmt_sign_extend(b, size);

		low = (uint64_t)p & vmt_size_mask(size);
		*high = (uint64_t)(p >> bits) & vmt_size_mask(size);
		fits = p == (vmt_s128)vmt_sign_extend(low, size);
	} else {
		vmt_u128 p = (vmt_u128)a * b;

		low = (uint64_t)p & vmt_size_mask(size);
		*high = (uint64_t)(p >> bits) & vmt_size_mask(size);
		fits = *high == 0;
	}
	flags = fits ? 0 : VMT_FLAG_CF | VMT_FLAG_OF;
	flags |= vmt_flags_szp(low, size) & ~VMT_FLAG_ZF;
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags | (x->regs->gprs.rflags & VMT_FLAG_ZF));
	return low;
}

static int divide(struct vmt_exec *x, uint64_t divisor, bool is_signed)
{
	unsigned size = x->insn.operand_size, bits = 8 * size;
	uint64_t high = size == 1 ? x->g[VMT_RAX] >> 8 & 0xff : vmt_gpr_get(x, VMT_RDX, size);
	vmt_u128 dividend = (vmt_u128)high << bits | vmt_gpr_get(x, VMT_RAX, size);

	if (size == 1)
		dividend = x->g[VMT_RAX] & 0xffff;
	if (!divisor)
		return vmt_exec_raise(x, VMT_EXC_DE);
	if (is_signed) {
		unsigned spare = 128 - 2 * bits;
		vmt_s128 n = (vmt_s128)(dividend << spare) >> spare;
		int64_t d = vmt_sign_extend(divisor, size);
		vmt_s128 q;

		if (d == -1 && n == (vmt_s128)((vmt_u128)1 << 127))
			return vmt_exec_raise(x, VMT_EXC_DE);
		q = n / d;
		if (q != (vmt_s128)vmt_sign_extend((uint64_t)q, size))
			return vmt_exec_raise(x, VMT_EXC_DE);
		set_pair(x, size, (uint64_t)q, (uint64_t)(n % d));
		return 0;
	}
	if (dividend / divisor > vmt_size_mask(size))
		return vmt_exec_raise(x, VMT_EXC_DE);
	set_pair(x, size, (uint64_t)(dividend / divisor), (uint64_t)(dividend % divisor));
	return 0;
}

/* F6, F7: TEST, NOT, NEG, MUL, IMUL, DIV, IDIV. */
int vmt_do_group3(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7, size = x->insn.operand_size;
	uint64_t a, low, high, flags;

	if (op != 2 && op != 3) {
		VMT_TRY(vmt_rm_get(x, size, &a));
		if (op < 2) {
			vmt_flags_set(x, VMT_FLAGS_STATUS,
				      vmt_flags_szp(a & (uint64_t)x->insn.imm, size));
			return 0;
		}
		if (op >= 6)
			return divide(x, a, op == 7);
		low = multiply(x, vmt_gpr_get(x, VMT_RAX, size), a, op == 5, size, &high);
		set_pair(x, size, low, high);
		return 0;
	}
	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	if (op == 2)
		return vmt_rm_set(x, size, ~a);
	VMT_TRY(vmt_rm_set(x, size, vmt_flags_sub(0, a, 0, size, &flags)));
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

/* IMUL with two operands (0F AF) and three (69, 6B). */
int vmt_do_imul(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t a, b, high;

	VMT_TRY(vmt_rm_get(x, size, &a));
	b = x->insn.map == VMT_MAP_0F ? vmt_gpr_get(x, x->insn.reg, size) : (uint64_t)x->insn.imm;
	vmt_gpr_set(x, x->insn.reg, size, multiply(x, a, b, true, size, &high));
	return 0;
}

/* BT, BTS, BTR, BTC. With a register as the index, memory is a string of bits. */
int vmt_do_bit_test(struct vmt_exec *x)
{
	bool imm = x->insn.opcode == 0xba;
	unsigned op = imm ? x->insn.modrm >> 3 & 3 : x->insn.opcode >> 3 & 3;
	unsigned size = x->insn.operand_size;
	int64_t index = imm ? x->insn.imm : vmt_sign_extend(x->g[x->insn.reg], size);
	uint64_t offset = 0, a = 0, bit = UINT64_C(1) << ((unsigned)index & (8 * size - 1));
	unsigned seg = vmt_operand_segment(x), kind = op ? VMT_RW : VMT_R;
	uint64_t result;

	if (imm && (x->insn.modrm >> 3 & 7) < 4)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (x->insn.mod != 3) {
		offset = vmt_effective(x);
		if (!imm)
			offset += (uint64_t)(index >> (size == 8 ? 6 : size == 4 ? 5 : 4)) * size;
		if (x->insn.address_size == 4)
			offset &= UINT32_MAX;
		VMT_TRY(vmt_exec_load(x, seg, offset, &a, size, kind));
	} else {
		a = vmt_gpr_get(x, x->insn.rm, size);
	}
	result = op == 1 ? a | bit : op == 2 ? a & ~bit : a ^ bit;
	if (op && x->insn.mod == 3)
		vmt_gpr_set(x, x->insn.rm, size, result);
	else if (op)
		VMT_TRY(vmt_exec_store(x, seg, offset, &result, size));
	vmt_flags_set(x, VMT_FLAG_CF, a & bit ? VMT_FLAG_CF : 0);
	return 0;
}

/* BSF, BSR; with F3 TZCNT and LZCNT. */
int vmt_do_bit_scan(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size, bits = 8 * size, n;
	bool reverse = x->insn.opcode & 1, count = x->insn.rep == 0xf3;
	uint64_t a;

	VMT_TRY(vmt_rm_get(x, size, &a));
	if (!a && !count) { /* the destination stays, also its upper half */
		vmt_flags_set(x, VMT_FLAG_ZF, VMT_FLAG_ZF);
		return 0;
	}
	if (!a)
		n = bits;
	else if (!reverse)
		n = (unsigned)__builtin_ctzll(a);
	else if (count)
		n = (unsigned)__builtin_clzll(a) - (64 - bits);
	else
		n = 63 - (unsigned)__builtin_clzll(a);
	vmt_gpr_set(x, x->insn.reg, size, n);
	if (count)
		vmt_flags_set(x, VMT_FLAG_ZF | VMT_FLAG_CF,
			      (n ? 0 : VMT_FLAG_ZF) | (a ? 0 : VMT_FLAG_CF));
	else
		vmt_flags_set(x, VMT_FLAG_ZF, 0);
	return 0;
}

int vmt_do_popcnt(struct vmt_exec *x)
{
	uint64_t a;

	if (x->insn.rep != 0xf3)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_rm_get(x, x->insn.operand_size, &a));
	vmt_gpr_set(x, x->insn.reg, x->insn.operand_size, (uint64_t)__builtin_popcountll(a));
	vmt_flags_set(x, VMT_FLAGS_STATUS, a ? 0 : VMT_FLAG_ZF);
	return 0;
}

/* CMPXCHG writes memory back also where it differs. */
int vmt_do_cmpxchg(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t a, old = vmt_gpr_get(x, VMT_RAX, size), flags;

	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	vmt_flags_sub(old, a, 0, size, &flags);
	if (a == old) { /* RAX stays whole, also with 32 bits */
		VMT_TRY(vmt_rm_set(x, size, vmt_gpr_get(x, x->insn.reg, size)));
	} else {
		if (x->insn.mod != 3)
			VMT_TRY(vmt_rm_set(x, size, a));
		vmt_gpr_set(x, VMT_RAX, size, a);
	}
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

/* CMPXCHG8B and CMPXCHG16B: 0F C7 /1. */
int vmt_do_cmpxchg8b(struct vmt_exec *x)
{
	unsigned half = x->insn.operand_size == 8 ? 8 : 4;
	uint8_t memory[16] = {0};
	uint64_t low = 0, high = 0;

	if (half == 8) {
		uint64_t gva = 0;

		VMT_TRY(vmt_linear(x, vmt_operand_segment(x), vmt_effective(x), 16, &gva));
		if (gva & 15)
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	}
	VMT_TRY(vmt_mem_get(x, memory, 2 * half, VMT_RW));
	memcpy(&low, memory, half);
	memcpy(&high, memory + half, half);
	if (low == vmt_gpr_get(x, VMT_RAX, half) && high == vmt_gpr_get(x, VMT_RDX, half)) {
		memcpy(memory, &x->g[VMT_RBX], half);
		memcpy(memory + half, &x->g[VMT_RCX], half);
		VMT_TRY(vmt_mem_set(x, memory, 2 * half));
		vmt_flags_set(x, VMT_FLAG_ZF, VMT_FLAG_ZF);
		return 0;
	}
	VMT_TRY(vmt_mem_set(x, memory, 2 * half));
	vmt_gpr_set(x, VMT_RAX, half, low);
	vmt_gpr_set(x, VMT_RDX, half, high);
	vmt_flags_set(x, VMT_FLAG_ZF, 0);
	return 0;
}

int vmt_do_xadd(struct vmt_exec *x)
{
	unsigned size = x->insn.operand_size;
	uint64_t a, b = vmt_gpr_get(x, x->insn.reg, size), result, flags;

	VMT_TRY(vmt_rm_get_rw(x, size, &a));
	result = vmt_flags_add(a, b, 0, size, &flags);
	if (x->insn.mod == 3) { /* the sum wins where both are one register */
		vmt_gpr_set(x, x->insn.reg, size, a);
		vmt_gpr_set(x, x->insn.rm, size, result);
	} else {
		VMT_TRY(vmt_rm_set(x, size, result));
		vmt_gpr_set(x, x->insn.reg, size, a);
	}
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
	return 0;
}

/* ADCX with 66, ADOX with F3. */
int vmt_do_adx(struct vmt_exec *x)
{
	unsigned size = x->insn.w ? 8 : 4;
	uint64_t flag = x->insn.rep == 0xf3 ? VMT_FLAG_OF : VMT_FLAG_CF, flags, a, result;

	if (x->insn.rep != 0xf3 && !x->insn.p66)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_rm_get(x, size, &a));
	result = vmt_flags_add(vmt_gpr_get(x, x->insn.reg, size), a,
			       (x->regs->gprs.rflags & flag) != 0, size, &flags);
	vmt_gpr_set(x, x->insn.reg, size, result);
	vmt_flags_set(x, flag, flags & VMT_FLAG_CF ? flag : 0);
	return 0;
}
