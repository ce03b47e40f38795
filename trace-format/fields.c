/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every walk over a field table needs: conditions, members, and a buffer to write to.
 */
#include <stdlib.h>
#include <string.h>

#include "fields.h"

uint64_t vmt_trace_load(const void *at, unsigned width)
{
	uint64_t u64 = 0;
	uint32_t u32;
	uint16_t u16;

	switch (width) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		memcpy(&u16, at, sizeof(u16));
		return u16;
	case 4:
		memcpy(&u32, at, sizeof(u32));
		return u32;
	default:
		memcpy(&u64, at, sizeof(u64));
		return u64;
	}
}

void vmt_trace_store(void *at, unsigned width, uint64_t value)
{
	const uint32_t u32 = (uint32_t)value;
	const uint16_t u16 = (uint16_t)value;

	switch (width) {
	case 1:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case 2:
		memcpy(at, &u16, sizeof(u16));
		break;
	case 4:
		memcpy(at, &u32, sizeof(u32));
		break;
	default:
		memcpy(at, &value, sizeof(value));
	}
}

bool vmt_trace_field_present(const struct vmt_trace_field *field, const void *base)
{
	uint64_t value;

	if (field->when == VMT_WHEN_ALWAYS)
		return true;
	value = vmt_trace_load((const uint8_t *)base + field->cond_offset, field->cond_width);
	switch (field->when) {
	case VMT_WHEN_OK:
		return (int32_t)value >= 0;
	case VMT_WHEN_FAILED:
		return (int32_t)value < 0;
	case VMT_WHEN_EQ:
		return value == field->cond_value;
	case VMT_WHEN_NE:
		return value != field->cond_value;
	default:
		return (value & field->cond_value) != 0;
	}
}

const void *vmt_trace_field_at(const struct vmt_trace_field *field, const void *base)
{
	const uint8_t *at = (const uint8_t *)base + field->offset;
	const void *behind;

	if (!field->deref)
		return at;
	memcpy(&behind, at, sizeof(behind));
	return behind;
}

int vmt_trace_buf_reserve(struct vmt_trace_buf *buf, size_t more)
{
	size_t cap = buf->cap;
	uint8_t *p;

	if (buf->cap - buf->len >= more)
		return 0;
	while (cap - buf->len < more)
		cap = cap < 1024 ? 1024 : cap * 2;
	p = realloc(buf->p, cap);
	if (p == NULL)
		return -VMT_E_NO_MEMORY;
	buf->p = p;
	buf->cap = cap;
	return 0;
}

int vmt_trace_buf_add(struct vmt_trace_buf *buf, const void *p, size_t len)
{
	if (vmt_trace_buf_reserve(buf, len) < 0)
		return -VMT_E_NO_MEMORY;
	if (len > 0)
		memcpy(buf->p + buf->len, p, len);
	buf->len += len;
	return 0;
}

void vmt_trace_buf_finish(struct vmt_trace_buf *buf)
{
	free(buf->p);
	*buf = (struct vmt_trace_buf){0};
}
