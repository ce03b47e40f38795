/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patches: a page, or other bytes, as the difference to older ones.
 */
#include <string.h>

#include "patch.h"
#include "varint.h"

/** Equal bytes shorter than this are put into the run: a new one costs two bytes at least. */
#define JOIN 4u

/** A run of bytes that differ, or nearly all: [first, end). */
struct run {
	size_t first, end;
};

/** Where the 8 bytes at @i (fewer at the end) differ: a byte of the result for each, not 0. */
static inline uint64_t differences(const uint8_t *a, const uint8_t *b, size_t size, size_t i)
{
	uint64_t x = 0;
	uint64_t y = 0;

	if (i + 8 <= size)
		return vmt_le64_get(a + i) ^ vmt_le64_get(b + i);
	for (unsigned n = 0; i + n < size; n++) {
		x |= (uint64_t)a[i + n] << 8 * n;
		y |= (uint64_t)b[i + n] << 8 * n;
	}
	return x ^ y;
}

/**
 * The first run at or behind word *@at, which is set to where to look next. By words of 8 bytes: in
 * a word, all between the first and the last difference is of the run.
 */
static bool next_run(const uint8_t *a, const uint8_t *b, size_t size, size_t *at, struct run *run)
{
	size_t i = *at;
	uint64_t x = 0;

	while (i + 8 <= size && (x = vmt_le64_get(a + i) ^ vmt_le64_get(b + i)) == 0)
		i += 8;
	if (i >= size || (x == 0 && (x = differences(a, b, size, i)) == 0))
		return false;
	run->first = i + (size_t)__builtin_ctzll(x) / 8;
	do {
		run->end = i + 8 - (size_t)__builtin_clzll(x) / 8;
		i += 8;
		x = i < size ? differences(a, b, size, i) : 0;
	} while (x != 0 && i + (size_t)__builtin_ctzll(x) / 8 - run->end < JOIN);
	*at = i;
	return true;
}

size_t vmt_patch_make(const uint8_t *base, const uint8_t *to, size_t size, uint8_t *out, size_t cap)
{
	size_t len = 0;
	size_t last = 0;
	size_t at = 0;
	struct run run;

	while (next_run(base, to, size, &at, &run)) {
		const size_t count = run.end - run.first;

		if (len + (size_t)2 * VMT_VARINT_MAX + count > cap)
			return VMT_PATCH_TOO_LONG;
		len += vmt_varint_put(out + len, run.first - last);
		len += vmt_varint_put(out + len, count);
		memcpy(out + len, to + run.first, count);
		len += count;
		last = run.end;
	}
	return len;
}

const char *vmt_patch_apply(uint8_t *to, size_t size, const uint8_t *patch, size_t len)
{
	const uint8_t *p = patch;
	const uint8_t *const end = patch + len;
	size_t at = 0;

	while (p != end) {
		uint64_t skip;
		uint64_t count;
		size_t n = vmt_varint_get(p, end, size, &skip);

		if (n == 0)
			return "a patch skips beyond what it changes";
		p += n;
		n = vmt_varint_get(p, end, size, &count);
		if (n == 0 || count == 0)
			return "a patch has an empty or too long run";
		p += n;
		if (skip + count > size - at)
			return "a patch goes beyond what it changes";
		if ((uint64_t)(end - p) < count)
			return "a patch is cut";
		memcpy(to + at + skip, p, count);
		p += count;
		at += skip + count;
	}
	return NULL;
}
