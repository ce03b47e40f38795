/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Own bytes: which bytes of the guest's memory were written here, what stood before, and what was
 * written last. Undoing restores a byte only where the own one still stands; the guest may have written
 * over it since.
 *
 * They stand in the journal. A write that is going on is noted before it is done, so that at each
 * moment one can tell from the page itself how far it came.
 */
#include <fcntl.h>
#include <string.h>

#include "driver.h"

/* The record of @gfn, or NULL with base.err filled. */
static struct vmt_xen_own_bytes *need(struct vmt_xen *x, uint64_t gfn, uint32_t *number)
{
	struct vmt_xen_journal_map *map = &x->journal;
	uint32_t *slot = vmt_gfn_map_get(&x->bytes, gfn);
	uint32_t n = map->j->nbytes;
	off_t at;

	if (slot) {
		*number = *slot;
		return &map->bytes[*slot];
	}
	if (n == VMT_XEN_JOURNAL_BYTES) {
		vmt_xen_refuse(x, VMT_E_LIMIT, "a session writes to at most %u pages",
			       VMT_XEN_JOURNAL_BYTES);
		return NULL;
	}
	at = (off_t)((const uint8_t *)&map->bytes[n] - (const uint8_t *)map->j);
	if (fallocate(map->fd, 0, at, sizeof(*map->bytes)) < 0) {
		vmt_error_set_errno(&x->base.err, VMT_E_NO_MEMORY, errno, "xen journal",
				    "no room for the pre-image of gfn %#llx",
				    (unsigned long long)gfn);
		return NULL;
	}
	slot = vmt_gfn_map_put(&x->bytes, gfn);
	if (!slot) {
		vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for the pre-image of gfn %#llx",
			       (unsigned long long)gfn);
		return NULL;
	}
	map->j->bytes_gfn[n] = gfn;
	vmt_xen_journal_order();
	map->j->nbytes = n + 1;
	*slot = *number = n;
	return &map->bytes[n];
}

int vmt_xen_write_begin(struct vmt_xen *x, uint64_t gfn, uint32_t offset, const uint8_t *page,
			const uint8_t *bytes, uint32_t len)
{
	struct vmt_xen_journal *j = x->journal.j;
	uint32_t number = 0;
	struct vmt_xen_own_bytes *o = need(x, gfn, &number);

	if (!o)
		return -x->base.err.status;
	for (uint32_t i = offset; i < offset + len; i++) {
		/* written over by the guest since: its byte is the one to come back */
		if (!o->own[i] || o->now[i] != page[i]) {
			o->before[i] = page[i];
			o->own[i] = false;
		}
		o->next[i] = bytes[i - offset];
	}
	j->pending_page = number;
	j->pending_offset = offset;
	j->pending_len = len;
	vmt_xen_journal_order();
	j->pending = 1;
	vmt_xen_journal_order();
	return 0;
}

void vmt_xen_write_end(struct vmt_xen *x)
{
	struct vmt_xen_journal *j = x->journal.j;
	struct vmt_xen_own_bytes *o = &x->journal.bytes[j->pending_page];

	vmt_xen_journal_order();
	for (uint32_t i = j->pending_offset; i < j->pending_offset + j->pending_len; i++) {
		o->now[i] = o->next[i];
		vmt_xen_journal_order();
		o->own[i] = o->now[i] != o->before[i];
	}
	vmt_xen_journal_order();
	j->pending = 0;
}

/* Does byte @i of record @n stand as it was written here? */
static bool is_own(const struct vmt_xen_journal *j, const struct vmt_xen_own_bytes *o, uint32_t n,
		   uint32_t i, uint8_t byte)
{
	if (o->own[i] && byte == o->now[i])
		return true;
	return j->pending && j->pending_page == n && i - j->pending_offset < j->pending_len &&
	       byte == o->next[i];
}

static uint32_t put_back(const struct vmt_xen *x, uint32_t n, uint8_t *page)
{
	const struct vmt_xen_own_bytes *o = &x->journal.bytes[n];
	uint32_t count = 0;

	for (uint32_t i = 0; i < VMT_PAGE_SIZE; i++) {
		if (!is_own(x->journal.j, o, n, i, page[i]) || page[i] == o->before[i])
			continue;
		page[i] = o->before[i];
		count++;
	}
	return count;
}

int vmt_xen_bytes_undo(struct vmt_xen *x, uint32_t *count)
{
	struct vmt_xen_journal *j = x->journal.j;
	struct vmt_xen_first first = {0};

	for (uint32_t n = 0; n < j->nbytes; n++) {
		void *page;
		int r = vmt_xen_map(x, j->bytes_gfn[n], &page);

		if (r == 0)
			*count += put_back(x, n, page);
		if (r == 0 || r == -VMT_E_UNMAPPED) /* the guest gave the page back */
			memset(x->journal.bytes[n].own, 0, sizeof(x->journal.bytes[n].own));
		else
			vmt_xen_keep(x, &first, r);
	}
	if (first.status == 0)
		j->pending = 0;
	return vmt_xen_kept(x, &first);
}
