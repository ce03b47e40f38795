/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Operands: effective addresses, general registers, the stack, and where to go on.
 */
#include <endian.h>

#include "emulation/exec.h"

struct vmt_segment *vmt_segment_of(struct vmt_exec *x, unsigned seg)
{
	struct vmt_regs *r = x->regs;

	switch (seg) {
	case VMT_ES:
		return &r->es;
	case VMT_CS:
		return &r->cs;
	case VMT_SS:
		return &r->ss;
	case VMT_FS:
		return &r->fs;
	case VMT_GS:
		return &r->gs;
	default:
		return &r->ds;
	}
}

uint64_t vmt_effective(const struct vmt_exec *x)
{
	const struct vmt_insn *i = &x->insn;
	uint64_t address = (uint64_t)(int64_t)i->disp;

	if (i->rip_relative)
		address += x->regs->gprs.rip + i->len;
	if (i->base != 0xff)
		address += x->g[i->base];
	if (i->index != 0xff)
		address += x->g[i->index] << i->scale;
	return i->address_size == 4 ? address & UINT32_MAX : address;
}

unsigned vmt_operand_segment(const struct vmt_exec *x)
{
	const struct vmt_insn *i = &x->insn;

	if (i->segment != VMT_SEG_NONE)
		return i->segment;
	return i->base == VMT_RSP || i->base == VMT_RBP ? VMT_SS : VMT_DS;
}

/* Without REX, 4 to 7 are AH, CH, DH and BH. */
static bool is_high_byte(const struct vmt_exec *x, unsigned reg, unsigned size)
{
	return size == 1 && !x->insn.rex && reg >= 4 && reg < 8;
}

uint64_t vmt_gpr_get(const struct vmt_exec *x, unsigned reg, unsigned size)
{
	if (is_high_byte(x, reg, size))
		return x->g[reg - 4] >> 8 & 0xff;
	return size == 8 ? x->g[reg] : x->g[reg] & ((UINT64_C(1) << (8 * size)) - 1);
}

void vmt_gpr_set(struct vmt_exec *x, unsigned reg, unsigned size, uint64_t value)
{
	uint64_t mask;

	if (size >= 4) { /* 4 bytes clear the upper half */
		x->g[reg] = size == 8 ? value : value & UINT32_MAX;
		return;
	}
	if (is_high_byte(x, reg, size)) {
		x->g[reg - 4] = (x->g[reg - 4] & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
		return;
	}
	mask = (UINT64_C(1) << (8 * size)) - 1;
	x->g[reg] = (x->g[reg] & ~mask) | (value & mask);
}

int vmt_mem_get(struct vmt_exec *x, void *buf, uint32_t len, unsigned kind)
{
	return vmt_exec_load(x, vmt_operand_segment(x), vmt_effective(x), buf, len, kind);
}

int vmt_mem_set(struct vmt_exec *x, const void *buf, uint32_t len)
{
	return vmt_exec_store(x, vmt_operand_segment(x), vmt_effective(x), buf, len);
}

static int rm_get(struct vmt_exec *x, unsigned size, uint64_t *value, unsigned kind)
{
	*value = 0;
	if (x->insn.mod == 3) {
		*value = vmt_gpr_get(x, x->insn.rm, size);
		return 0;
	}
	VMT_TRY(vmt_mem_get(x, value, size, kind));
	*value = le64toh(*value);
	return 0;
}

int vmt_rm_get(struct vmt_exec *x, unsigned size, uint64_t *value)
{
	return rm_get(x, size, value, VMT_R);
}

int vmt_rm_get_rw(struct vmt_exec *x, unsigned size, uint64_t *value)
{
	return rm_get(x, size, value, VMT_RW);
}

int vmt_rm_set(struct vmt_exec *x, unsigned size, uint64_t value)
{
	if (x->insn.mod == 3) {
		vmt_gpr_set(x, x->insn.rm, size, value);
		return 0;
	}
	value = htole64(value);
	return vmt_mem_set(x, &value, size);
}

unsigned vmt_stack_size(const struct vmt_exec *x)
{
	return x->long64 ? 8 : 4;
}

int vmt_exec_push(struct vmt_exec *x, unsigned size, uint64_t value)
{
	uint64_t sp = x->g[VMT_RSP] - size;

	if (!x->long64)
		sp &= UINT32_MAX;
	value = htole64(value);
	VMT_TRY(vmt_exec_store(x, VMT_SS, sp, &value, size));
	x->g[VMT_RSP] = sp;
	return 0;
}

int vmt_exec_pop(struct vmt_exec *x, unsigned size, uint64_t *value)
{
	uint64_t bytes = 0;

	VMT_TRY(vmt_exec_load(x, VMT_SS, x->g[VMT_RSP], &bytes, size, VMT_R));
	*value = le64toh(bytes);
	x->g[VMT_RSP] += size;
	if (!x->long64)
		x->g[VMT_RSP] &= UINT32_MAX;
	return 0;
}

int vmt_branch(struct vmt_exec *x, uint64_t target)
{
	if (!x->long64) {
		target &= UINT32_MAX;
		if (target > x->regs->cs.limit)
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	} else if (!vmt_canonical(x, target)) {
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	}
	x->next = target;
	return 0;
}
