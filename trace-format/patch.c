/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patches: a page as the difference to an older one.
 */
#include <string.h>

#include <vmitape/types.h>

#include "patch.h"
#include "varint.h"

/** Equal bytes shorter than this are put into the run: a new one costs two bytes at least. */
#define JOIN 4u

/** The first byte from @i on in which the two differ. */
static size_t next_difference(const uint8_t *a, const uint8_t *b, size_t i)
{
	while (i + 8 <= VMT_PAGE_SIZE && memcmp(a + i, b + i, 8) == 0)
		i += 8;
	while (i < VMT_PAGE_SIZE && a[i] == b[i])
		i++;
	return i;
}

/** Where the run of differences that begins at @i ends. */
static size_t end_of_run(const uint8_t *a, const uint8_t *b, size_t i)
{
	for (;;) {
		size_t same;

		while (i < VMT_PAGE_SIZE && a[i] != b[i])
			i++;
		same = i;
		while (same < VMT_PAGE_SIZE && same - i < JOIN && a[same] == b[same])
			same++;
		if (same == VMT_PAGE_SIZE || same - i == JOIN)
			return i;
		i = same;
	}
}

size_t vmt_patch_make(const uint8_t *base, const uint8_t *page, uint8_t *out, size_t cap)
{
	size_t len = 0;
	size_t at = 0;

	for (;;) {
		uint8_t head[2 * VMT_VARINT_MAX];
		const size_t first = next_difference(base, page, at);
		size_t end;
		size_t n;

		if (first == VMT_PAGE_SIZE)
			return len;
		end = end_of_run(base, page, first);
		n = vmt_varint_put(head, first - at);
		n += vmt_varint_put(head + n, end - first);
		if (len + n + (end - first) > cap)
			return 0;
		memcpy(out + len, head, n);
		memcpy(out + len + n, page + first, end - first);
		len += n + (end - first);
		at = end;
	}
}

const char *vmt_patch_apply(uint8_t *page, const uint8_t *patch, size_t len)
{
	const uint8_t *p = patch;
	const uint8_t *const end = patch + len;
	size_t at = 0;

	while (p != end) {
		uint64_t skip;
		uint64_t count;
		size_t n = vmt_varint_get(p, end, VMT_PAGE_SIZE, &skip);

		if (n == 0)
			return "a patch skips beyond the page";
		p += n;
		n = vmt_varint_get(p, end, VMT_PAGE_SIZE, &count);
		if (n == 0 || count == 0)
			return "a patch has an empty or too long run";
		p += n;
		if (skip + count > VMT_PAGE_SIZE - at)
			return "a patch goes beyond the page";
		if ((uint64_t)(end - p) < count)
			return "a patch is cut";
		memcpy(page + at + skip, p, count);
		p += count;
		at += skip + count;
	}
	return NULL;
}
