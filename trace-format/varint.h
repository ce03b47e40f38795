/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers on disk: varints, zigzag, little-endian words; FORMAT.md section 1.
 */
#ifndef VMT_TRACE_FORMAT_VARINT_H
#define VMT_TRACE_FORMAT_VARINT_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define VMT_VARINT_MAX 10u

/** Write @value to @p, which has room for VMT_VARINT_MAX bytes. Returns how many were written. */
static inline size_t vmt_varint_put(uint8_t *p, uint64_t value)
{
	size_t n = 0;

	while (value >= 0x80) {
		p[n++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	p[n++] = (uint8_t)value;
	return n;
}

/**
 * Read a varint from [@p, @end). Returns its length, or 0: it does not end, is longer than its
 * value needs, or is above @max.
 */
static inline size_t vmt_varint_get(const uint8_t *p, const uint8_t *end, uint64_t max,
				    uint64_t *value)
{
	uint64_t v = 0;
	size_t n = 0;

	if (p != end && *p < 0x80) {
		*value = *p;
		return *p <= max;
	}
	for (;;) {
		uint8_t byte;

		if (p + n == end || n == VMT_VARINT_MAX)
			return 0;
		byte = p[n];
		if (n == VMT_VARINT_MAX - 1 && byte > 1)
			return 0;
		v |= (uint64_t)(byte & 0x7f) << (7 * n);
		n++;
		if ((byte & 0x80) == 0) {
			if ((byte == 0 && n > 1) || v > max)
				return 0;
			*value = v;
			return n;
		}
	}
}

static inline uint64_t vmt_zigzag(int64_t n)
{
	return ((uint64_t)n << 1) ^ (n < 0 ? UINT64_MAX : 0);
}

static inline int64_t vmt_unzigzag(uint64_t u)
{
	return (int64_t)((u >> 1) ^ (0 - (u & 1)));
}

static inline void vmt_le16_put(void *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void vmt_le32_put(void *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void vmt_le64_put(void *p, uint64_t v)
{
	v = htole64(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint16_t vmt_le16_get(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return le16toh(v);
}

static inline uint32_t vmt_le32_get(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static inline uint64_t vmt_le64_get(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

#endif /* VMT_TRACE_FORMAT_VARINT_H */
