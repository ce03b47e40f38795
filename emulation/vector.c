/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vector instructions of own code, SSE and AVX: what string and memory functions are made of. Each
 * exists once for both encodings: SSE has two operands and leaves the upper half of YMM, VEX has
 * three and clears what is above (Intel SDM volume 1, section 14.1.2). What is not here is handed to
 * the module in its SSE form, and refused in its VEX form.
 */
#include "emulation/exec.h"
#include "emulation/lanes.h"

static bool is_vex(const struct vmt_exec *x)
{
	return x->insn.encoding == VMT_VEX;
}

/* Bytes of a whole vector operand. */
static unsigned width(const struct vmt_exec *x)
{
	return is_vex(x) && x->insn.vex_l ? 32 : 16;
}

static union vmt_vector *ymm(struct vmt_exec *x, unsigned n)
{
	return &x->cpu->fpu.ymm[n];
}

/* The first source: VEX.vvvv, or the destination. */
static const union vmt_vector *first_source(struct vmt_exec *x)
{
	return ymm(x, is_vex(x) ? x->insn.vex_v : x->insn.reg);
}

/* Write @n bytes to register @reg; what is above goes by the encoding. */
static void set(struct vmt_exec *x, unsigned reg, const void *bytes, unsigned n)
{
	memcpy(ymm(x, reg)->b, bytes, n);
	if (is_vex(x))
		memset(ymm(x, reg)->b + n, 0, 32 - n);
}

static int other_form(struct vmt_exec *x)
{
	if (is_vex(x))
		return vmt_exec_unsupported(x, "an AVX instruction that is not done here");
	return vmt_do_handed_over(x);
}

/* vvvv must be unused where there are two operands. */
static int need_no_v(struct vmt_exec *x)
{
	return is_vex(x) && x->insn.vex_v ? vmt_exec_raise(x, VMT_EXC_UD) : 0;
}

static int operand_gva(struct vmt_exec *x, unsigned n, bool aligned, uint64_t *gva)
{
	VMT_TRY(vmt_linear(x, vmt_operand_segment(x), vmt_effective(x), n, gva));
	return aligned && (*gva & (n - 1)) ? vmt_exec_raise_code(x, VMT_EXC_GP, 0) : 0;
}

/* @n bytes of r/m. */
static int get_rm(struct vmt_exec *x, void *buf, unsigned n, bool aligned)
{
	uint64_t gva = 0;

	if (x->insn.mod == 3) {
		memcpy(buf, ymm(x, x->insn.rm)->b, n);
		return 0;
	}
	VMT_TRY(operand_gva(x, n, aligned, &gva));
	return vmt_exec_read(x, gva, buf, n, VMT_R);
}

static int store_rm(struct vmt_exec *x, const void *buf, unsigned n, bool aligned)
{
	uint64_t gva = 0;

	VMT_TRY(operand_gva(x, n, aligned, &gva));
	return vmt_exec_write(x, gva, buf, n, 0);
}

/* Whole registers: 10, 11, 28, 29, 2B, 6F, 7F, E7, F0. */
static int move_whole(struct vmt_exec *x, bool store, bool aligned)
{
	unsigned n = width(x);
	uint8_t bytes[32];

	VMT_TRY(need_no_v(x));
	if (!store) {
		VMT_TRY(get_rm(x, bytes, n, aligned));
		set(x, x->insn.reg, bytes, n);
		return 0;
	}
	memcpy(bytes, ymm(x, x->insn.reg)->b, n);
	if (x->insn.mod != 3)
		return store_rm(x, bytes, n, aligned);
	set(x, x->insn.rm, bytes, n);
	return 0;
}

/* MOVSS, MOVSD: memory clears what is above, a register leaves it. */
static int move_scalar(struct vmt_exec *x, bool store)
{
	unsigned n = x->insn.rep == 0xf3 ? 4 : 8;
	unsigned to = store ? x->insn.rm : x->insn.reg, from = store ? x->insn.reg : x->insn.rm;
	uint8_t bytes[16] = {0};

	if (x->insn.mod != 3) {
		VMT_TRY(need_no_v(x));
		if (store)
			return store_rm(x, ymm(x, x->insn.reg)->b, n, false);
		VMT_TRY(get_rm(x, bytes, n, false));
	} else {
		memcpy(bytes, ymm(x, is_vex(x) ? x->insn.vex_v : to)->b, 16);
		memcpy(bytes, ymm(x, from)->b, n);
	}
	set(x, to, bytes, 16);
	return 0;
}

/* 12, 13, 16, 17: halves of an XMM register. */
static int move_half(struct vmt_exec *x)
{
	bool high = x->insn.opcode & 4, reg = x->insn.mod == 3;
	uint8_t bytes[16];

	if (x->insn.rep || (is_vex(x) && x->insn.vex_l))
		return other_form(x);
	if (x->insn.opcode & 1) {
		if (reg)
			return vmt_exec_raise(x, VMT_EXC_UD);
		VMT_TRY(need_no_v(x));
		return store_rm(x, ymm(x, x->insn.reg)->b + (size_t)8 * high, 8, false);
	}
	if (reg && x->insn.p66)
		return vmt_exec_raise(x, VMT_EXC_UD);
	memcpy(bytes, first_source(x)->b, 16);
	if (reg) /* MOVHLPS, MOVLHPS */
		memcpy(bytes + (size_t)8 * high, ymm(x, x->insn.rm)->b + (size_t)8 * !high, 8);
	else
		VMT_TRY(get_rm(x, bytes + (size_t)8 * high, 8, false));
	set(x, x->insn.reg, bytes, 16);
	return 0;
}

/* 6E, 7E with 66: between r/m and the low part of XMM. */
static int move_general(struct vmt_exec *x)
{
	unsigned n = x->insn.w && x->long64 ? 8 : 4;
	uint64_t value[2] = {0, 0};

	if (is_vex(x) && x->insn.vex_l)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(need_no_v(x));
	if (x->insn.opcode == 0x7e)
		return vmt_rm_set(x, n, ymm(x, x->insn.reg)->q[0]);
	VMT_TRY(vmt_rm_get(x, n, &value[0]));
	set(x, x->insn.reg, value, 16);
	return 0;
}

/* 7E with F3, D6 with 66: the low 8 bytes. */
static int move_quad(struct vmt_exec *x, bool store)
{
	uint64_t value[2] = {0, 0};

	if (is_vex(x) && x->insn.vex_l)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(need_no_v(x));
	if (store && x->insn.mod != 3)
		return store_rm(x, ymm(x, x->insn.reg)->b, 8, false);
	if (store)
		value[0] = ymm(x, x->insn.reg)->q[0];
	else
		VMT_TRY(get_rm(x, value, 8, false));
	set(x, store ? x->insn.rm : x->insn.reg, value, 16);
	return 0;
}

int vmt_do_vmov(struct vmt_exec *x)
{
	bool p66 = x->insn.p66, f3 = x->insn.rep == 0xf3, f2 = x->insn.rep == 0xf2;
	unsigned op = x->insn.opcode;

	switch (op) {
	case 0x10:
	case 0x11:
		return f3 || f2 ? move_scalar(x, op & 1) : move_whole(x, op & 1, false);
	case 0x12:
	case 0x13:
	case 0x16:
	case 0x17:
		return move_half(x);
	case 0x28:
	case 0x29:
		return f3 || f2 ? vmt_exec_raise(x, VMT_EXC_UD) : move_whole(x, op & 1, true);
	case 0x2b:
	case 0xe7:
		if (f3 || f2 || (op == 0xe7 && !p66))
			return other_form(x);
		return x->insn.mod == 3 ? vmt_exec_raise(x, VMT_EXC_UD) : move_whole(x, true, true);
	case 0x6e:
		return p66 && !f3 && !f2 ? move_general(x) : other_form(x);
	case 0x7e:
		if (f3)
			return move_quad(x, false);
		return p66 && !f2 ? move_general(x) : other_form(x);
	case 0xd6:
		return p66 && !f3 && !f2 ? move_quad(x, true) : other_form(x);
	case 0xf0:
		if (!f2 || x->insn.mod == 3)
			return vmt_exec_raise(x, VMT_EXC_UD);
		return move_whole(x, false, false);
	default: /* 6f, 7f */
		if (f2 || (!p66 && !f3))
			return other_form(x);
		return move_whole(x, op == 0x7f, !f3);
	}
}

/* An operation on each 16 bytes. Memory of SSE must be aligned, of VEX not. */
int vmt_do_vlogic(struct vmt_exec *x)
{
	vmt_lane_fn *op = vmt_lane_find(&x->insn);
	const union vmt_vector *a = first_source(x);
	unsigned n = width(x), imm = (uint8_t)x->insn.imm;
	bool shufpd = x->insn.opcode == 0xc6 && x->insn.p66;
	union vmt_vector b, d;

	if (!op)
		return other_form(x);
	if (x->insn.opcode == 0x70 && x->insn.map == VMT_MAP_0F)
		VMT_TRY(need_no_v(x));
	VMT_TRY(get_rm(x, b.b, n, !is_vex(x)));
	for (size_t i = 0; i < n; i += 16)
		op(d.b + i, a->b + i, b.b + i, i && shufpd ? imm >> 2 : imm);
	set(x, x->insn.reg, d.b, n);
	return 0;
}

/* 71, 72, 73: the destination of VEX is vvvv. */
int vmt_do_vshift(struct vmt_exec *x)
{
	vmt_lane_fn *op = vmt_lane_shift(&x->insn);
	const union vmt_vector *b = ymm(x, x->insn.rm);
	union vmt_vector d;

	if (!op)
		return other_form(x);
	for (size_t i = 0; i < width(x); i += 16)
		op(d.b + i, b->b + i, b->b + i, (uint8_t)x->insn.imm);
	set(x, is_vex(x) ? x->insn.vex_v : x->insn.rm, d.b, width(x));
	return 0;
}

/* D7 PMOVMSKB, 50 MOVMSKPS and MOVMSKPD: the highest bit of each element. */
int vmt_do_vmask(struct vmt_exec *x)
{
	unsigned element = x->insn.opcode == 0xd7 ? 1 : x->insn.p66 ? 8 : 4;
	const union vmt_vector *v = ymm(x, x->insn.rm);
	uint64_t mask = 0;

	if (x->insn.rep || (x->insn.opcode == 0xd7 && !x->insn.p66))
		return other_form(x);
	if (x->insn.mod != 3)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(need_no_v(x));
	for (size_t i = 0; i < width(x) / element; i++)
		mask |= (uint64_t)(v->b[(i + 1) * element - 1] >> 7) << i;
	vmt_gpr_set(x, x->insn.reg, 8, mask);
	return 0;
}

/* VEX.77: VZEROUPPER, and with L VZEROALL. */
int vmt_do_vzero(struct vmt_exec *x)
{
	unsigned from = x->insn.vex_l ? 0 : 16, n = x->long64 ? 16 : 8;

	VMT_TRY(need_no_v(x));
	for (unsigned i = 0; i < n; i++)
		memset(ymm(x, i)->b + from, 0, 32 - from);
	return 0;
}

/* 0F 38 17: PTEST. */
int vmt_do_vtest(struct vmt_exec *x)
{
	const union vmt_vector *a = ymm(x, x->insn.reg);
	uint64_t both = 0, only = 0;
	union vmt_vector b;

	if (!x->insn.p66 || x->insn.rep)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(need_no_v(x));
	VMT_TRY(get_rm(x, b.b, width(x), !is_vex(x)));
	for (size_t i = 0; i < width(x) / 8; i++) {
		both |= a->q[i] & b.q[i];
		only |= ~a->q[i] & b.q[i];
	}
	x->regs->gprs.rflags &= ~VMT_FLAGS_STATUS;
	x->regs->gprs.rflags |= (both ? 0 : VMT_FLAG_ZF) | (only ? 0 : VMT_FLAG_CF);
	return 0;
}

/* Broadcasts of 1, 2, 4, 8 and 16 bytes; VEX alone. */
int vmt_do_vbroadcast(struct vmt_exec *x)
{
	unsigned op = x->insn.opcode, n;
	bool memory_only = op == 0x1a || op == 0x5a;
	union vmt_vector v;

	n = op == 0x78 ? 1 : op == 0x79 ? 2 : op == 0x18 || op == 0x58 ? 4 : memory_only ? 16 : 8;
	if (!x->insn.p66 || x->insn.rep || x->insn.w || (memory_only && x->insn.mod == 3))
		return vmt_exec_raise(x, VMT_EXC_UD);
	if ((memory_only || op == 0x19) && !x->insn.vex_l)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(need_no_v(x));
	VMT_TRY(get_rm(x, v.b, n, false));
	for (unsigned i = n; i < 32; i++)
		v.b[i] = v.b[i - n];
	set(x, x->insn.reg, v.b, width(x));
	return 0;
}

/* 0F 3A: 18, 38 insert 16 bytes, 19, 39 extract them; 00 VPERMQ, 46 and 06 VPERM2x128. */
int vmt_do_vperm(struct vmt_exec *x)
{
	unsigned op = x->insn.opcode, imm = (uint8_t)x->insn.imm;
	union vmt_vector v = *first_source(x), b = {.q = {0}};

	if (!x->insn.p66 || x->insn.rep || !x->insn.vex_l || (op != 0) == x->insn.w)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (op == 0x19 || op == 0x39) {
		const uint8_t *half = ymm(x, x->insn.reg)->b + (size_t)16 * (imm & 1);
		uint8_t bytes[16];

		VMT_TRY(need_no_v(x));
		if (x->insn.mod != 3)
			return store_rm(x, half, 16, false);
		memcpy(bytes, half, 16);
		set(x, x->insn.rm, bytes, 16);
		return 0;
	}
	VMT_TRY(get_rm(x, b.b, op == 0x18 || op == 0x38 ? 16 : 32, false));
	if (op == 0x18 || op == 0x38) {
		memcpy(v.b + (size_t)16 * (imm & 1), b.b, 16);
	} else if (op == 0) {
		VMT_TRY(need_no_v(x));
		for (size_t i = 0; i < 4; i++)
			v.q[i] = b.q[imm >> (2 * i) & 3];
	} else {
		union vmt_vector a = v;

		for (size_t i = 0; i < 2; i++) {
			unsigned s = imm >> (4 * i) & 15;

			memcpy(v.b + 16 * i, (s & 2 ? b.b : a.b) + (size_t)16 * (s & 1), 16);
			if (s & 8)
				memset(v.b + 16 * i, 0, 16);
		}
	}
	set(x, x->insn.reg, v.b, 32);
	return 0;
}

/* C3: MOVNTI. */
int vmt_do_movnti(struct vmt_exec *x)
{
	unsigned size = x->insn.w ? 8 : 4;

	if (x->insn.mod == 3 || x->insn.rep || x->insn.p66)
		return vmt_exec_raise(x, VMT_EXC_UD);
	return vmt_rm_set(x, size, vmt_gpr_get(x, x->insn.reg, size));
}

/* 77: EMMS. */
int vmt_do_emms(struct vmt_exec *x)
{
	x->cpu->fpu.ftw = 0;
	return 0;
}
