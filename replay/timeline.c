/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observations by page. Inline bytes that a page showed before at the same place are stored once.
 */
#include <stdlib.h>
#include <string.h>

#include "timeline.h"

void vmt_timeline_init(struct vmt_timeline *t)
{
	memset(t, 0, sizeof(*t));
	vmt_gfn_map_init(&t->lines, sizeof(struct vmt_page_line));
}

void vmt_timeline_finish(struct vmt_timeline *t)
{
	struct vmt_page_line *line;
	uint64_t gfn = 0;

	for (; (line = vmt_gfn_map_next(&t->lines, &gfn)); gfn++)
		free(line->v);
	vmt_gfn_map_finish(&t->lines);
	free(t->store);
}

/** Room for one more of @size in the array @v with place for *@cap. */
static void *grow(void *v, size_t *cap, size_t need, size_t size)
{
	size_t more = *cap;

	while (more < need)
		more = more < 4 ? 4 : more + more / 2;
	v = realloc(v, more * size);
	if (v)
		*cap = more;
	return v;
}

/** Store inline bytes, or find them where the page's last observation has the same. */
static int store_bytes(struct vmt_timeline *t, const struct vmt_page_line *line,
		       struct vmt_seen *seen, const void *bytes)
{
	const struct vmt_seen *last = line->n > 0 ? &line->v[line->n - 1] : NULL;
	size_t len = seen->len ? seen->len : VMT_PAGE_SIZE;
	uint8_t *p;

	if (last && (last->flags & VMT_SEEN_INLINE) && last->offset == seen->offset &&
	    last->len == seen->len && memcmp(t->store + last->bytes, bytes, len) == 0) {
		seen->bytes = last->bytes;
		return 0;
	}
	if (t->store_cap - t->stored < len) {
		p = grow(t->store, &t->store_cap, t->stored + len, 1);
		if (!p)
			return -VMT_E_NO_MEMORY;
		t->store = p;
	}
	memcpy(t->store + t->stored, bytes, len);
	seen->bytes = t->stored;
	t->stored += len;
	return 0;
}

int vmt_timeline_add(struct vmt_timeline *t, vmt_gfn gfn, const struct vmt_seen *seen,
		     const void *inline_bytes)
{
	struct vmt_page_line *line = vmt_gfn_map_put(&t->lines, gfn.n);
	struct vmt_seen add = *seen;
	struct vmt_seen *v;

	if (!line)
		return -VMT_E_NO_MEMORY;
	if (line->n == line->cap) {
		v = grow(line->v, &line->cap, line->n + 1, sizeof(*v));
		if (!v)
			return -VMT_E_NO_MEMORY;
		line->v = v;
	}
	if (inline_bytes) {
		add.flags |= VMT_SEEN_INLINE;
		if (store_bytes(t, line, &add, inline_bytes) < 0)
			return -VMT_E_NO_MEMORY;
	}
	line->v[line->n++] = add;
	return 0;
}

const struct vmt_page_line *vmt_timeline_of(const struct vmt_timeline *t, vmt_gfn gfn)
{
	return vmt_gfn_map_get(&t->lines, gfn.n);
}

size_t vmt_line_until(const struct vmt_page_line *line, uint64_t time)
{
	size_t low = 0;
	size_t high = line->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (line->v[middle].time <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}
