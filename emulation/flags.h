/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Status flags of integer results, and conditions. Flags that the manuals call undefined are given as
 * Intel's CPUs since Sandy Bridge leave them, as far as that is simple; nobody may rely on them.
 */
#ifndef VMITAPE_EMULATION_FLAGS_H
#define VMITAPE_EMULATION_FLAGS_H

#include "emulation/exec.h"

static inline uint64_t vmt_size_mask(unsigned size)
{
	return size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static inline uint64_t vmt_sign_bit(unsigned size)
{
	return UINT64_C(1) << ((8 * size - 1) & 63);
}

static inline int64_t vmt_sign_extend(uint64_t value, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (int64_t)(value << shift) >> shift;
}

static inline void vmt_flags_set(struct vmt_exec *x, uint64_t mask, uint64_t flags)
{
	uint64_t *f = &x->regs->gprs.rflags;

	*f = (*f & ~mask) | (flags & mask);
}

/** SF, ZF and PF of @result. */
static inline uint64_t vmt_flags_szp(uint64_t result, unsigned size)
{
	uint64_t flags = 0;

	result &= vmt_size_mask(size);
	if (!result)
		flags |= VMT_FLAG_ZF;
	if (result & vmt_sign_bit(size))
		flags |= VMT_FLAG_SF;
	if (!__builtin_parity((unsigned)result & 0xff))
		flags |= VMT_FLAG_PF;
	return flags;
}

/** @a + @b + @carry and all six flags. */
static inline uint64_t vmt_flags_add(uint64_t a, uint64_t b, unsigned carry, unsigned size,
				     uint64_t *flags)
{
	uint64_t mask = vmt_size_mask(size);
	uint64_t result = (a + b + carry) & mask;

	*flags = vmt_flags_szp(result, size) | ((a ^ b ^ result) & VMT_FLAG_AF);
	if (carry ? result <= a : result < a)
		*flags |= VMT_FLAG_CF;
	if ((a ^ result) & (b ^ result) & vmt_sign_bit(size))
		*flags |= VMT_FLAG_OF;
	return result;
}

/** @a - @b - @borrow and all six flags. */
static inline uint64_t vmt_flags_sub(uint64_t a, uint64_t b, unsigned borrow, unsigned size,
				     uint64_t *flags)
{
	uint64_t result = (a - b - borrow) & vmt_size_mask(size);

	*flags = vmt_flags_szp(result, size) | ((a ^ b ^ result) & VMT_FLAG_AF);
	if (borrow ? a <= b : a < b)
		*flags |= VMT_FLAG_CF;
	if ((a ^ b) & (a ^ result) & vmt_sign_bit(size))
		*flags |= VMT_FLAG_OF;
	return result;
}

/** Does condition @code, the low half of a Jcc opcode, hold? */
static inline bool vmt_condition(const struct vmt_exec *x, unsigned code)
{
	uint64_t f = x->regs->gprs.rflags;
	bool less = !(f & VMT_FLAG_SF) != !(f & VMT_FLAG_OF);
	bool holds = false;

	switch (code >> 1 & 7) {
	case 0:
		holds = f & VMT_FLAG_OF;
		break;
	case 1:
		holds = f & VMT_FLAG_CF;
		break;
	case 2:
		holds = f & VMT_FLAG_ZF;
		break;
	case 3:
		holds = f & (VMT_FLAG_CF | VMT_FLAG_ZF);
		break;
	case 4:
		holds = f & VMT_FLAG_SF;
		break;
	case 5:
		holds = f & VMT_FLAG_PF;
		break;
	case 6:
		holds = less;
		break;
	default:
		holds = less || (f & VMT_FLAG_ZF);
		break;
	}
	return holds != (code & 1);
}

#endif /* VMITAPE_EMULATION_FLAGS_H */
