/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal of own writes: which bytes of the guest's memory were written here, what stood before,
 * and what was written last. Undoing restores a byte only where the own one still stands; the guest
 * may have written over it since.
 */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

struct vmt_xen_own_bytes {
	uint8_t before[VMT_PAGE_SIZE], now[VMT_PAGE_SIZE];
	bool own[VMT_PAGE_SIZE];
};

static struct vmt_xen_own_bytes *need(struct vmt_xen *x, uint64_t gfn)
{
	struct vmt_xen_own_bytes **slot = vmt_gfn_map_put(&x->bytes, gfn);

	if (slot && !*slot)
		*slot = calloc(1, sizeof(**slot));
	if (slot && *slot)
		return *slot;
	if (slot)
		vmt_gfn_map_remove(&x->bytes, gfn);
	return NULL;
}

static void note(struct vmt_xen_own_bytes *o, uint32_t i, uint8_t current, uint8_t value)
{
	/* written over by the guest since: its byte is the one to come back */
	if (!o->own[i] || o->now[i] != current)
		o->before[i] = current;
	o->now[i] = value;
	o->own[i] = value != o->before[i];
}

int vmt_xen_journal_write(struct vmt_xen *x, uint64_t gfn, uint32_t offset, const uint8_t *page,
			  const uint8_t *bytes, uint32_t len)
{
	struct vmt_xen_own_bytes *o = need(x, gfn);

	if (!o)
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY,
				      "no memory for the pre-image of gfn %#llx",
				      (unsigned long long)gfn);
	for (uint32_t i = 0; i < len; i++)
		note(o, offset + i, page[offset + i], bytes[i]);
	return 0;
}

static void put_back(const struct vmt_xen_own_bytes *o, uint8_t *page)
{
	for (uint32_t i = 0; i < VMT_PAGE_SIZE; i++) {
		if (o->own[i] && page[i] == o->now[i])
			page[i] = o->before[i];
	}
}

int vmt_xen_journal_undo(struct vmt_xen *x)
{
	struct vmt_xen_own_bytes **o;
	struct vmt_xen_first first = {0};
	uint64_t gfn = 0;

	for (; (o = vmt_gfn_map_next(&x->bytes, &gfn)); gfn++) {
		void *page;
		int r = vmt_xen_map(x, gfn, &page);

		if (r == 0)
			put_back(*o, page);
		if (r == 0 || r == -VMT_E_UNMAPPED) { /* the guest gave the page back */
			free(*o);
			vmt_gfn_map_remove(&x->bytes, gfn);
		} else {
			vmt_xen_keep(x, &first, r);
		}
	}
	return vmt_xen_kept(x, &first);
}

void vmt_xen_journal_finish(struct vmt_xen *x)
{
	struct vmt_xen_own_bytes **o;
	uint64_t gfn = 0;

	for (; (o = vmt_gfn_map_next(&x->bytes, &gfn)); gfn++)
		free(*o);
	vmt_gfn_map_finish(&x->bytes);
}
