/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Register sets on disk: a mask and each known register, in the order of vmt_reg_fields.
 */
#include <string.h>

#include "registers.h"
#include "varint.h"

static size_t put_scalar(uint8_t *p, const uint8_t *from, unsigned width)
{
	uint64_t u64;
	uint32_t u32;
	uint16_t u16;

	switch (width) {
	case 8:
		memcpy(&u64, from, sizeof(u64));
		vmt_le64_put(p, u64);
		break;
	case 4:
		memcpy(&u32, from, sizeof(u32));
		vmt_le32_put(p, u32);
		break;
	default:
		memcpy(&u16, from, sizeof(u16));
		vmt_le16_put(p, u16);
	}
	return width;
}

static void get_scalar(const uint8_t *p, uint8_t *to, unsigned width)
{
	const uint64_t u64 = width == 8 ? vmt_le64_get(p) : 0;
	const uint32_t u32 = width == 4 ? vmt_le32_get(p) : 0;
	const uint16_t u16 = width == 2 ? vmt_le16_get(p) : 0;

	if (width == 8)
		memcpy(to, &u64, sizeof(u64));
	else if (width == 4)
		memcpy(to, &u32, sizeof(u32));
	else
		memcpy(to, &u16, sizeof(u16));
}

size_t vmt_trace_regs_put(uint8_t *p, const struct vmt_regs *regs)
{
	uint8_t *const start = p;

	if ((regs->known & ~VMT_KNOWN_ALL) != 0)
		return 0;
	vmt_le64_put(p, regs->known);
	p += 8;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];

		if ((regs->known & VMT_KNOWN(field->bit)) != 0)
			p += put_scalar(p, (const uint8_t *)regs + field->offset, field->width);
	}
	return (size_t)(p - start);
}

size_t vmt_trace_regs_get(const uint8_t *p, const uint8_t *end, struct vmt_regs *regs)
{
	const uint8_t *const start = p;

	memset(regs, 0, sizeof(*regs));
	if (end - p < 8)
		return 0;
	regs->known = vmt_le64_get(p);
	p += 8;
	if ((regs->known & ~VMT_KNOWN_ALL) != 0)
		return 0;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];

		if ((regs->known & VMT_KNOWN(field->bit)) == 0)
			continue;
		if (end - p < field->width)
			return 0;
		get_scalar(p, (uint8_t *)regs + field->offset, field->width);
		p += field->width;
	}
	return (size_t)(p - start);
}

void vmt_trace_gprs_put(uint8_t *p, const struct vmt_gprs *gprs)
{
	for (size_t i = 0; i < VMT_TRACE_GPRS; i += 8)
		put_scalar(p + i, (const uint8_t *)gprs + i, 8);
}

void vmt_trace_gprs_get(const uint8_t *p, struct vmt_gprs *gprs)
{
	for (size_t i = 0; i < VMT_TRACE_GPRS; i += 8)
		get_scalar(p + i, (uint8_t *)gprs + i, 8);
}
