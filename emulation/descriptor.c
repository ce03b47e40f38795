/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Segment descriptors: reading them, the checks of loading them, and their accessed bit (Intel SDM
 * volume 3, chapters 3 and 5; volume 2, MOV and RET).
 */
#include "emulation/exec.h"

#define ACCESSED      (UINT64_C(1) << 40)
#define SELECTOR(sel) ((uint32_t)(sel)&0xfffcu)

/* Bits of vmt_segment.access. */
#define TYPE_WRITABLE   0x2u /* data; of code: readable */
#define TYPE_CONFORMING 0x4u /* code */
#define TYPE_CODE       0x8u
#define ACCESS_S        0x10u
#define ACCESS_P        0x80u
#define ACCESS_L        0x200u
#define ACCESS_D        0x400u
#define DPL(access)     ((access) >> 5 & 3u)

struct vmt_segment vmt_descriptor_segment(struct vmt_descriptor_bytes d, uint16_t selector)
{
	struct vmt_segment s = {
		.selector = selector,
		.base = (d.low >> 16 & 0xffffff) | (d.low >> 56) << 24 | d.high << 32,
		.limit = (uint32_t)((d.low & 0xffff) | (d.low >> 32 & 0xf0000)),
		.access = (uint16_t)((d.low >> 40 & 0xff) | (d.low >> 52 & 0xf) << 8),
	};

	if (s.access & 0x800)
		s.limit = s.limit << 12 | 0xfff;
	return s;
}

/* Where the descriptor stands; its table must have @bytes there. */
static int locate(struct vmt_exec *x, uint16_t selector, uint8_t vector, unsigned bytes,
		  uint64_t *gva)
{
	uint32_t offset = selector & 0xfff8u, limit;

	if (selector & 4) {
		VMT_TRY(vmt_exec_need(x, VMT_REG_LDTR));
		if (!(x->regs->ldtr.access & ACCESS_P) || !SELECTOR(x->regs->ldtr.selector))
			return vmt_exec_raise_code(x, vector, SELECTOR(selector));
		*gva = x->regs->ldtr.base + offset;
		limit = x->regs->ldtr.limit;
	} else {
		VMT_TRY(vmt_exec_need(x, VMT_REG_GDTR));
		*gva = x->regs->gdtr.base + offset;
		limit = x->regs->gdtr.limit;
	}
	if (offset + bytes - 1 > limit)
		return vmt_exec_raise_code(x, vector, SELECTOR(selector));
	return 0;
}

int vmt_descriptor_read(struct vmt_exec *x, uint16_t selector, uint8_t vector, unsigned bytes,
			struct vmt_descriptor_bytes *d)
{
	uint64_t gva = 0;

	d->low = d->high = 0;
	VMT_TRY(locate(x, selector, vector, bytes, &gva));
	return vmt_exec_read(x, gva, d, bytes, VMT_R | VMT_KIND_SYSTEM);
}

int vmt_descriptor_mark(struct vmt_exec *x, uint16_t selector, uint64_t bit, uint64_t low)
{
	uint64_t gva = 0;

	if (low & bit)
		return 0;
	VMT_TRY(locate(x, selector, VMT_EXC_GP, 8, &gva));
	low |= bit;
	return vmt_exec_write(x, gva, &low, 8, VMT_KIND_SYSTEM);
}

/* A null selector: unusable, no base, no rights. */
static int load_null(struct vmt_exec *x, unsigned seg, uint16_t selector)
{
	struct vmt_segment *s = vmt_segment_of(x, seg);

	if (seg == VMT_SS && (!x->long64 || x->cpl == 3 || (selector & 3) != x->cpl))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	*s = (struct vmt_segment){.selector = selector};
	if (seg == VMT_SS)
		s->access = (uint16_t)(x->cpl << 5);
	return 0;
}

static int check_data(struct vmt_exec *x, unsigned seg, uint16_t selector, uint16_t access)
{
	unsigned rpl = selector & 3u, dpl = DPL(access);
	bool code = access & TYPE_CODE;
	uint8_t absent = VMT_EXC_NP;

	if (!(access & ACCESS_S))
		return vmt_exec_raise_code(x, VMT_EXC_GP, SELECTOR(selector));
	if (seg == VMT_SS) {
		if (code || !(access & TYPE_WRITABLE) || rpl != x->cpl || dpl != x->cpl)
			return vmt_exec_raise_code(x, VMT_EXC_GP, SELECTOR(selector));
		absent = VMT_EXC_SS;
	} else {
		if (code && !(access & TYPE_WRITABLE))
			return vmt_exec_raise_code(x, VMT_EXC_GP, SELECTOR(selector));
		if (!(code && (access & TYPE_CONFORMING)) && (rpl > dpl || x->cpl > dpl))
			return vmt_exec_raise_code(x, VMT_EXC_GP, SELECTOR(selector));
	}
	return access & ACCESS_P ? 0 : vmt_exec_raise_code(x, absent, SELECTOR(selector));
}

int vmt_segment_load(struct vmt_exec *x, unsigned seg, uint16_t selector)
{
	struct vmt_descriptor_bytes d;
	struct vmt_segment loaded;

	if (!SELECTOR(selector))
		return load_null(x, seg, selector);
	VMT_TRY(vmt_descriptor_read(x, selector, VMT_EXC_GP, 8, &d));
	loaded = vmt_descriptor_segment(d, selector);
	VMT_TRY(check_data(x, seg, selector, loaded.access));
	VMT_TRY(vmt_descriptor_mark(x, selector, ACCESSED, d.low));
	loaded.access |= 1;
	*vmt_segment_of(x, seg) = loaded;
	return 0;
}

int vmt_code_segment(struct vmt_exec *x, uint16_t selector, unsigned cpl, bool returning,
		     struct vmt_segment *loaded)
{
	uint32_t code = SELECTOR(selector);
	unsigned rpl = selector & 3u, dpl;
	struct vmt_descriptor_bytes d;

	if (!code)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_descriptor_read(x, selector, VMT_EXC_GP, 8, &d));
	*loaded = vmt_descriptor_segment(d, selector);
	dpl = DPL(loaded->access);
	if (!(loaded->access & ACCESS_S) && !returning)
		return vmt_exec_unsupported(x, "a far jump through a gate or to a task");
	if (!(loaded->access & ACCESS_S) || !(loaded->access & TYPE_CODE))
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (returning && rpl < cpl)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (loaded->access & TYPE_CONFORMING) {
		if (dpl > (returning ? rpl : cpl))
			return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	} else if (returning ? dpl != rpl : rpl > cpl || dpl != cpl) {
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	}
	if (x->long_mode && (loaded->access & ACCESS_L) && (loaded->access & ACCESS_D))
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (!(loaded->access & ACCESS_P))
		return vmt_exec_raise_code(x, VMT_EXC_NP, code);
	VMT_TRY(vmt_descriptor_mark(x, selector, ACCESSED, d.low));
	loaded->access |= 1;
	return 0;
}

void vmt_set_cpl(struct vmt_exec *x, unsigned cpl)
{
	x->regs->ss.access = (uint16_t)((x->regs->ss.access & ~0x60u) | cpl << 5);
	x->cpl = (uint8_t)cpl;
}
