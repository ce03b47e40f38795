/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * String instructions, one iteration a step: as a CPU is seen under single-stepping, where a trap
 * comes after each iteration and the last one leaves RIP behind the instruction.
 */
#include "emulation/flags.h"

static unsigned string_segment(const struct vmt_exec *x)
{
	return x->insn.segment == VMT_SEG_NONE ? VMT_DS : x->insn.segment;
}

static uint64_t pointer(const struct vmt_exec *x, unsigned reg)
{
	return vmt_gpr_get(x, reg, x->insn.address_size);
}

static void advance(struct vmt_exec *x, unsigned reg)
{
	uint64_t by = x->insn.operand_size;

	if (x->regs->gprs.rflags & VMT_FLAG_DF)
		by = -by;
	vmt_gpr_set(x, reg, x->insn.address_size, x->g[reg] + by);
}

/* Is there nothing to do, for the count is 0? */
static bool exhausted(const struct vmt_exec *x)
{
	return x->insn.rep && pointer(x, VMT_RCX) == 0;
}

/* An iteration is done: count down, and stay at the instruction while there is more. */
static void iterated(struct vmt_exec *x, bool on_flags)
{
	uint64_t count = pointer(x, VMT_RCX) - 1;
	bool zf = x->regs->gprs.rflags & VMT_FLAG_ZF;

	if (!x->insn.rep)
		return;
	vmt_gpr_set(x, VMT_RCX, x->insn.address_size, count);
	count = pointer(x, VMT_RCX);
	if (count == 0 || (on_flags && zf != (x->insn.rep == 0xf3)))
		return;
	x->next = x->regs->gprs.rip;
	x->r->stepped = 1;
}

int vmt_do_movs(struct vmt_exec *x)
{
	uint64_t value = 0;

	if (exhausted(x))
		return 0;
	VMT_TRY(vmt_exec_load(x, string_segment(x), pointer(x, VMT_RSI), &value,
			      x->insn.operand_size, VMT_R));
	VMT_TRY(vmt_exec_store(x, VMT_ES, pointer(x, VMT_RDI), &value, x->insn.operand_size));
	advance(x, VMT_RSI);
	advance(x, VMT_RDI);
	iterated(x, false);
	return 0;
}

int vmt_do_stos(struct vmt_exec *x)
{
	if (exhausted(x))
		return 0;
	VMT_TRY(vmt_exec_store(x, VMT_ES, pointer(x, VMT_RDI), &x->g[VMT_RAX],
			       x->insn.operand_size));
	advance(x, VMT_RDI);
	iterated(x, false);
	return 0;
}

int vmt_do_lods(struct vmt_exec *x)
{
	uint64_t value = 0;

	if (exhausted(x))
		return 0;
	VMT_TRY(vmt_exec_load(x, string_segment(x), pointer(x, VMT_RSI), &value,
			      x->insn.operand_size, VMT_R));
	vmt_gpr_set(x, VMT_RAX, x->insn.operand_size, value);
	advance(x, VMT_RSI);
	iterated(x, false);
	return 0;
}

static void compare(struct vmt_exec *x, uint64_t a, uint64_t b)
{
	uint64_t flags;

	vmt_flags_sub(a, b, 0, x->insn.operand_size, &flags);
	vmt_flags_set(x, VMT_FLAGS_STATUS, flags);
}

int vmt_do_scas(struct vmt_exec *x)
{
	uint64_t value = 0;

	if (exhausted(x))
		return 0;
	VMT_TRY(vmt_exec_load(x, VMT_ES, pointer(x, VMT_RDI), &value, x->insn.operand_size, VMT_R));
	compare(x, vmt_gpr_get(x, VMT_RAX, x->insn.operand_size), value);
	advance(x, VMT_RDI);
	iterated(x, true);
	return 0;
}

int vmt_do_cmps(struct vmt_exec *x)
{
	uint64_t a = 0, b = 0;

	if (exhausted(x))
		return 0;
	VMT_TRY(vmt_exec_load(x, string_segment(x), pointer(x, VMT_RSI), &a, x->insn.operand_size,
			      VMT_R));
	VMT_TRY(vmt_exec_load(x, VMT_ES, pointer(x, VMT_RDI), &b, x->insn.operand_size, VMT_R));
	compare(x, a, b);
	advance(x, VMT_RSI);
	advance(x, VMT_RDI);
	iterated(x, true);
	return 0;
}

/* ---- I/O ---- */

/* IOPL, or the bitmap in the TSS (Intel SDM volume 1, section 19.5). */
static int check_port(struct vmt_exec *x, uint16_t port, unsigned bytes)
{
	const struct vmt_segment *tr = &x->regs->tr;
	uint16_t base = 0, bits = 0;

	if (x->cpl <= (x->regs->gprs.rflags >> 12 & 3))
		return 0;
	VMT_TRY(vmt_exec_need(x, VMT_REG_TR));
	if (tr->limit < 0x67)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_exec_read(x, tr->base + 0x66, &base, 2, VMT_R | VMT_KIND_SYSTEM));
	if ((uint32_t)base + port / 8u + 1u > tr->limit)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_exec_read(x, tr->base + base + port / 8u, &bits, 2, VMT_R | VMT_KIND_SYSTEM));
	if ((unsigned)bits >> (port & 7) & ((1u << bytes) - 1))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	return 0;
}

static int begin_io(struct vmt_exec *x, uint16_t port, bool in, bool string)
{
	unsigned bytes = x->insn.operand_size == 8 ? 4 : x->insn.operand_size;

	VMT_TRY(check_port(x, port, bytes));
	x->r->event.u.io = (struct vmt_io){port, (uint8_t)bytes, in, string};
	return vmt_exec_intercept(x, VMT_INTERCEPT_IO);
}

static int do_io(struct vmt_exec *x, uint16_t port, uint8_t bytes, bool in, uint32_t *value)
{
	const struct vmt_cpu_ops *ops = x->em->ops;

	if ((x->how->flags & VMT_STEP_DRY) && ops->io) {
		*value = in ? 0 : *value;
		return 0;
	}
	if (!ops->io || ops->io(x->cpu->ctx, port, bytes, in, value))
		return vmt_exec_unsupported(x, "nothing is known about this port");
	return 0;
}

/* E4 to E7, EC to EF. */
int vmt_do_in(struct vmt_exec *x)
{
	unsigned op = x->insn.opcode, bytes = x->insn.operand_size == 8 ? 4 : x->insn.operand_size;
	uint16_t port = (uint16_t)(op & 8 ? x->g[VMT_RDX] : (uint64_t)x->insn.imm & 0xff);
	bool in = !(op & 2);
	uint32_t value = (uint32_t)vmt_gpr_get(x, VMT_RAX, bytes);

	VMT_TRY(begin_io(x, port, in, false));
	VMT_TRY(do_io(x, port, (uint8_t)bytes, in, &value));
	if (in)
		vmt_gpr_set(x, VMT_RAX, bytes, value);
	return 0;
}

/* 6C to 6F: INS, OUTS. */
int vmt_do_ins(struct vmt_exec *x)
{
	bool in = !(x->insn.opcode & 2);
	uint16_t port = (uint16_t)x->g[VMT_RDX];
	uint8_t bytes;
	uint32_t value = 0;

	if (x->insn.operand_size == 8)
		x->insn.operand_size = 4;
	bytes = x->insn.operand_size;
	if (exhausted(x))
		return 0;
	VMT_TRY(begin_io(x, port, in, true));
	if (in) {
		uint64_t gva = 0;

		VMT_TRY(vmt_linear(x, VMT_ES, pointer(x, VMT_RDI), bytes, &gva));
		VMT_TRY(vmt_probe_write(x, gva, bytes, 0));
		VMT_TRY(do_io(x, port, bytes, true, &value));
		VMT_TRY(vmt_exec_write(x, gva, &value, bytes, 0));
	} else {
		VMT_TRY(vmt_exec_load(x, string_segment(x), pointer(x, VMT_RSI), &value, bytes,
				      VMT_R));
		VMT_TRY(do_io(x, port, bytes, false, &value));
	}
	advance(x, in ? VMT_RDI : VMT_RSI);
	iterated(x, false);
	return 0;
}
