/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Instructions that are handed to the module: the operand is fetched, the instruction encoded anew
 * with the operand at a fixed address, and what it wrote is stored. Rights, faults and their order
 * so are ours, and what the module has translated depends on no address of the guest.
 */
#include "emulation/exec.h"
#include "emulation/executor.h"

static unsigned prefix_column(const struct vmt_insn *i)
{
	return i->rep == 0xf3 ? 2 : i->rep == 0xf2 ? 3 : i->p66 ? 1 : 0;
}

static unsigned size_bytes(const struct vmt_insn *i, unsigned size)
{
	switch (size) {
	case SIZE_B:
		return 1;
	case SIZE_2:
		return 2;
	case SIZE_4:
		return 4;
	case SIZE_8:
		return 8;
	case SIZE_10:
		return 10;
	case SIZE_16:
		return 16;
	case SIZE_V:
		return i->operand_size;
	default:
		return 0;
	}
}

/* Memory operands of x87, by opcode D8 to DF and /reg. 0: refused. Negative: written. */
static const short x87_sizes[8][8] = {
	{4, 4, 4, 4, 4, 4, 4, 4}, {4, 0, -4, -4, 0, 0, 0, 0},
	{4, 4, 4, 4, 4, 4, 4, 4}, {4, -4, -4, -4, 0, 10, 0, -10},
	{8, 8, 8, 8, 8, 8, 8, 8}, {8, -8, -8, -8, 0, 0, 0, 0},
	{2, 2, 2, 2, 2, 2, 2, 2}, {2, -2, -2, -2, 10, 8, -10, -8},
};

/* The operand's size, and whether it is written. 0: the form is refused. */
static unsigned operand_size(const struct vmt_exec *x, bool *stored)
{
	const struct vmt_insn *i = &x->insn;

	*stored = (i->op->flags & OP_STORES) != 0;
	if (i->map == VMT_MAP_1) {
		int size = x87_sizes[i->opcode & 7][i->modrm >> 3 & 7];

		*stored = size < 0;
		return (unsigned)(size < 0 ? -size : size);
	}
	return size_bytes(i, i->op->sizes[prefix_column(i)]);
}

/* Encode anew: the prefixes that count, REX, opcode, ModRM, immediate. */
static void encode(const struct vmt_exec *x, struct vmt_handed_over *h)
{
	const struct vmt_insn *i = &x->insn;
	bool memory = i->mod != 3;
	uint8_t *p = h->code, rex = i->rex;
	const uint32_t operand = VMT_EXECUTOR_OPERAND;

	if (memory)
		rex &= 0x4c; /* no base, no index */
	if (i->p66)
		*p++ = 0x66;
	if (i->rep)
		*p++ = i->rep;
	if (rex & 0x4f)
		*p++ = rex;
	if (i->map != VMT_MAP_1)
		*p++ = 0x0f;
	if (i->map == VMT_MAP_0F38 || i->map == VMT_MAP_0F3A)
		*p++ = i->map == VMT_MAP_0F38 ? 0x38 : 0x3a;
	*p++ = i->opcode;
	if (memory) {
		*p++ = (uint8_t)((i->modrm & 0x38) | 4);
		*p++ = 0x25;
		memcpy(p, &operand, 4);
		p += 4;
	} else {
		*p++ = i->modrm;
	}
	memcpy(p, x->r->insn + i->imm_at, (size_t)(i->len - i->imm_at));
	p += i->len - i->imm_at;
	h->len = (uint32_t)(p - h->code);
}

/* Which registers take part. */
static void registers(const struct vmt_exec *x, struct vmt_handed_over *h)
{
	const struct vmt_insn *i = &x->insn;
	uint32_t f = i->op->flags;
	bool mmx = (f & OP_MMX) && !i->p66 && !i->rep;

	h->flags = (f & OP_FLAGS) != 0;
	h->x87 = (f & OP_X87) || mmx;
	h->sse = (f & OP_SSE) != 0;
	if (f & OP_GPR_REG)
		h->gprs |= (uint16_t)(1u << i->reg);
	else if (f & OP_SSE)
		h->xmms |= (uint16_t)(1u << i->reg);
	if (i->mod == 3 && (f & OP_GPR_RM))
		h->gprs |= (uint16_t)(1u << i->rm);
	else if (i->mod == 3 && (f & OP_SSE))
		h->xmms |= (uint16_t)(1u << i->rm);
	if (f & OP_IMPLICIT) {
		h->gprs |= 1u << VMT_RAX | 1u << VMT_RCX | 1u << VMT_RDX;
		h->xmms |= 1;
	}
}

static int check(struct vmt_exec *x, unsigned size)
{
	const struct vmt_insn *i = &x->insn;
	uint32_t f = i->op->flags;

	if (i->mod != 3 && !size)
		return vmt_exec_unsupported(x, "a form that is not on the list");
	if (i->map != VMT_MAP_1 && i->op->sizes[prefix_column(i)] == SIZE_NONE)
		return vmt_exec_unsupported(x, "a form that is not on the list");
	if (i->mod != 3 && i->op->sizes[prefix_column(i)] == SIZE_REG)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (!x->long64)
		return vmt_exec_unsupported(x, "vector or x87 code outside of 64-bit mode");
	if ((f & OP_FP) && (x->cpu->fpu.mxcsr & 0x1f80) != 0x1f80)
		return vmt_exec_unsupported(x, "SSE with unmasked exceptions");
	if (!x->em->executor)
		return vmt_exec_unsupported(
			x, "without the module vmitape-emulation.so this is not done");
	return 0;
}

static int load_operand(struct vmt_exec *x, struct vmt_handed_over *h, bool stored, uint64_t *gva)
{
	unsigned kind = stored ? VMT_W : VMT_R;

	VMT_TRY(vmt_linear(x, vmt_operand_segment(x), vmt_effective(x), h->operand_len, gva));
	if ((x->insn.op->flags & OP_ALIGNED) && h->operand_len == 16 && (*gva & 15))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	if (kind == VMT_W)
		return vmt_probe_write(x, *gva, h->operand_len, 0);
	return vmt_exec_read(x, *gva, h->operand, h->operand_len, kind);
}

static bool is_nan(const uint8_t *bytes, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, bytes, size);
	return size == 4 ? (v & 0x7fffffff) > 0x7f800000
			 : (v & INT64_MAX) > UINT64_C(0x7ff0000000000000);
}

/* Of two NaNs SSE takes the first, Unicorn the larger: ADD, MUL, SUB and DIV of such are refused. */
static int check_nans(struct vmt_exec *x, const struct vmt_handed_over *h)
{
	const struct vmt_insn *i = &x->insn;
	unsigned element = i->rep == 0xf2 || (i->p66 && !i->rep) ? 8 : 4, n = i->rep ? element : 16;
	const uint8_t *a = x->cpu->fpu.ymm[i->reg].b;
	const uint8_t *b = i->mod == 3 ? x->cpu->fpu.ymm[i->rm].b : h->operand;

	if (i->map != VMT_MAP_0F ||
	    (i->opcode != 0x58 && i->opcode != 0x59 && i->opcode != 0x5c && i->opcode != 0x5e))
		return 0;
	for (unsigned at = 0; at < n; at += element)
		if (is_nan(a + at, element) && is_nan(b + at, element))
			return vmt_exec_unsupported(x, "arithmetic of two NaNs");
	return 0;
}

static void note_x87_pointers(struct vmt_exec *x, uint64_t gva)
{
	struct vmt_fpu *f = &x->cpu->fpu;

	f->fip = x->regs->gprs.rip;
	if (x->insn.mod != 3)
		f->fdp = gva;
}

int vmt_do_handed_over(struct vmt_exec *x)
{
	struct vmt_handed_over h = {.gprs = 0};
	uint64_t gva = 0;
	bool stored = false;
	int o;

	h.operand_len = x->insn.mod == 3 ? 0 : operand_size(x, &stored);
	stored = x->insn.mod != 3 && h.operand_len && stored;
	VMT_TRY(check(x, h.operand_len));
	if (h.operand_len)
		VMT_TRY(load_operand(x, &h, stored, &gva));
	VMT_TRY(check_nans(x, &h));
	encode(x, &h);
	registers(x, &h);
	o = x->em->executor_ops->run(x->em->executor, &h, x->g, &x->regs->gprs.rflags,
				     &x->cpu->fpu);
	if (o == VMT_EXECUTOR_REFUSED)
		return vmt_exec_unsupported(x, "the module cannot do it");
	if (o >= VMT_EXECUTOR_EXCEPTION)
		return vmt_exec_raise(x, (uint8_t)(o - VMT_EXECUTOR_EXCEPTION));
	if (stored)
		VMT_TRY(vmt_exec_write(x, gva, h.operand, h.operand_len, 0));
	if (x->insn.map == VMT_MAP_1)
		note_x87_pointers(x, gva);
	if (x->insn.op->flags & OP_FP)
		x->cpu->known &= ~(uint32_t)VMT_CPU_KNOWS_FP_FLAGS;
	return 0;
}
