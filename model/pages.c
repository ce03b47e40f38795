/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory: bytes read and written by the monitor, with the pre-images of what it wrote, and the pages
 * that it allocated.
 *
 * Sources: vmi-rs crates/vmi-driver-xen (write_page, allocate_gfn, free_gfn); Xen
 * XENMEM_populate_physmap, XENMEM_decrease_reservation, XENMEM_maximum_gpfn (max_mapped_pfn, which
 * never falls).
 */
#include <stdlib.h>
#include <string.h>

#include "state.h"

static int no_page(uint64_t gfn, struct vmt_error *err)
{
	return vmt_error_set(err, VMT_E_UNMAPPED, NULL, "no memory stands behind gfn %#llx",
			     (unsigned long long)gfn);
}

static int check_range(const struct vmt_model *m, vmt_gfn gfn, uint32_t offset, uint32_t len,
		       struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (offset > VMT_PAGE_SIZE || len > VMT_PAGE_SIZE - offset)
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "%u bytes from offset %u on leave the page", len, offset);
	return vmt_page_exists(m, gfn.n) ? 0 : no_page(gfn.n, err);
}

int vmt_model_read(struct vmt_model *m, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		   struct vmt_error *err)
{
	int r = check_range(m, gfn, offset, len, err);

	return r < 0 ? r : m->guest->read(m->ctx, gfn, offset, buf, len, err);
}

bool vmt_model_own_page(const struct vmt_model *m, vmt_gfn gfn)
{
	return vmt_gfn_map_get(&m->own_pages, gfn.n);
}

/* -------------------------------------------------------------------------------------------- */
/* Own bytes                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_own_bytes *own_bytes(const struct vmt_model *m, uint64_t gfn)
{
	struct vmt_own_bytes **slot = vmt_gfn_map_get(&m->bytes, gfn);

	return slot ? *slot : NULL;
}

static struct vmt_own_bytes *need_own_bytes(struct vmt_model *m, uint64_t gfn,
					    struct vmt_error *err)
{
	struct vmt_own_bytes **slot = vmt_gfn_map_put(&m->bytes, gfn);

	if (slot && !*slot)
		*slot = calloc(1, sizeof(**slot));
	if (slot && *slot)
		return *slot;
	if (slot)
		vmt_gfn_map_remove(&m->bytes, gfn);
	vmt_error_set(err, VMT_E_NO_MEMORY, NULL, "no memory for the pre-image of gfn %#llx",
		      (unsigned long long)gfn);
	return NULL;
}

void vmt_bytes_forget(struct vmt_model *m, uint64_t gfn)
{
	free(own_bytes(m, gfn));
	vmt_gfn_map_remove(&m->bytes, gfn);
	vmt_model_changed(m);
}

static void forget_if_none(struct vmt_model *m, uint64_t gfn)
{
	const struct vmt_own_bytes *own = own_bytes(m, gfn);

	for (size_t i = 0; own && i < sizeof(own->own); i++) {
		if (own->own[i])
			return;
	}
	if (own)
		vmt_bytes_forget(m, gfn);
}

/* Note that byte @i goes from @current (if @known) to @value. */
static void note_byte(struct vmt_own_bytes *own, uint32_t i, bool known, uint8_t current,
		      uint8_t value)
{
	bool stands = vmt_bit_get(own->own, i) && (!known || own->now[i] == current);

	if (!stands) {
		own->before[i] = known ? current : 0;
		vmt_bit_put(own->unknown, i, !known);
	}
	own->now[i] = value;
	vmt_bit_put(own->own, i, vmt_bit_get(own->unknown, i) || value != own->before[i]);
}

/* Read what is there before a write. 1: known, 0: the page source cannot tell, or negative. */
static int read_before(struct vmt_model *m, vmt_gfn gfn, uint32_t offset, uint8_t *buf,
		       uint32_t len, struct vmt_error *err)
{
	int r = m->guest->read(m->ctx, gfn, offset, buf, len, err);

	if (r == -VMT_E_NOT_RECORDED) {
		if (err)
			memset(err, 0, sizeof(*err));
		return 0;
	}
	return r < 0 ? r : 1;
}

int vmt_model_write(struct vmt_model *m, vmt_gfn gfn, uint32_t offset, const void *buf,
		    uint32_t len, struct vmt_error *err)
{
	uint8_t before[VMT_PAGE_SIZE] = {0};
	const uint8_t *bytes = buf;
	struct vmt_own_bytes *own;
	int known;
	int r = check_range(m, gfn, offset, len, err);

	if (r < 0)
		return r;
	if (vmt_model_own_page(m, gfn))
		return m->guest->write(m->ctx, gfn, offset, buf, len, err);
	known = read_before(m, gfn, offset, before, len, err);
	if (known < 0)
		return known;
	own = need_own_bytes(m, gfn.n, err);
	if (!own)
		return -VMT_E_NO_MEMORY;
	r = m->guest->write(m->ctx, gfn, offset, buf, len, err);
	if (r >= 0) {
		for (uint32_t i = 0; i < len; i++)
			note_byte(own, offset + i, known, before[i], bytes[i]);
		vmt_model_changed(m);
	}
	forget_if_none(m, gfn.n);
	return r < 0 ? r : 0;
}

void vmt_model_mask_own(const struct vmt_model *m, vmt_gfn gfn, uint32_t offset, void *buf,
			uint32_t len)
{
	const struct vmt_own_bytes *own = own_bytes(m, gfn.n);
	uint8_t *bytes = buf;

	for (uint32_t i = 0; own && i < len && offset + i < VMT_PAGE_SIZE; i++) {
		uint32_t at = offset + i;

		if (vmt_bit_get(own->own, at) && !vmt_bit_get(own->unknown, at) &&
		    bytes[i] == own->now[at])
			bytes[i] = own->before[at];
	}
}

/* Give bytes with unknown pre-images back to a page source that can do that. */
static int unwrite(struct vmt_model *m, uint64_t gfn, struct vmt_own_bytes *own,
		   struct vmt_error *err)
{
	for (uint32_t i = 0; i < VMT_PAGE_SIZE; i++) {
		int r;

		if (!vmt_bit_get(own->own, i) || !vmt_bit_get(own->unknown, i))
			continue;
		if (!m->guest->unwrite)
			return vmt_error_set(err, VMT_E_NOT_RECORDED, NULL,
					     "what stood at gfn %#llx offset %#x before it was "
					     "written is not known",
					     (unsigned long long)gfn, i);
		r = m->guest->unwrite(m->ctx, vmt_gfn_from(gfn), i, 1, err);
		if (r < 0)
			return r;
		vmt_bit_put(own->own, i, false);
	}
	return 0;
}

/* Write back one run of bytes that still stand; those that do not are no longer ours. */
static int put_back(struct vmt_model *m, uint64_t gfn, struct vmt_own_bytes *own,
		    struct vmt_error *err)
{
	uint8_t now[VMT_PAGE_SIZE];
	int r = m->guest->read(m->ctx, vmt_gfn_from(gfn), 0, now, VMT_PAGE_SIZE, err);

	for (uint32_t i = 0, end; r >= 0 && i < VMT_PAGE_SIZE; i = end) {
		end = i;
		while (end < VMT_PAGE_SIZE && vmt_bit_get(own->own, end) &&
		       !vmt_bit_get(own->unknown, end) && now[end] == own->now[end])
			end++;
		if (end > i)
			r = m->guest->write(m->ctx, vmt_gfn_from(gfn), i, own->before + i, end - i,
					    err);
		else
			end++;
	}
	for (uint32_t i = 0; r >= 0 && i < VMT_PAGE_SIZE; i++) {
		if (!vmt_bit_get(own->unknown, i))
			vmt_bit_put(own->own, i, false);
	}
	return r < 0 ? r : 0;
}

int vmt_bytes_reset(struct vmt_model *m, struct vmt_error *err)
{
	struct vmt_own_bytes **own;
	uint64_t gfn = 0;
	int first = 0;

	for (; (own = vmt_gfn_map_next(&m->bytes, &gfn)); gfn++) {
		struct vmt_error *why = first == 0 ? err : NULL;
		int r = unwrite(m, gfn, *own, why);

		if (r == 0)
			r = put_back(m, gfn, *own, why);
		if (r < 0 && first == 0)
			first = r;
		forget_if_none(m, gfn);
	}
	vmt_model_changed(m);
	return first;
}

/* -------------------------------------------------------------------------------------------- */
/* Own pages                                                                                    */
/* -------------------------------------------------------------------------------------------- */

void vmt_model_page_added(struct vmt_model *m, vmt_gfn gfn)
{
	if (gfn.n > m->max_gfn)
		m->max_gfn = gfn.n;
}

int vmt_model_alloc_gfn(struct vmt_model *m, vmt_gfn *gfn, struct vmt_error *err)
{
	vmt_gfn at = *gfn;
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (vmt_gfn_is_any(at))
		at = vmt_gfn_from(m->max_gfn + 1);
	if (vmt_page_exists(m, at.n))
		return vmt_error_set(
			err, VMT_E_EXISTS, NULL,
			"gfn %#llx has a page already, and Xen would put another in its "
			"place; ask for VMT_GFN_ANY",
			(unsigned long long)at.n);
	if (m->max_own_pages > 0 && m->own_pages.count >= m->max_own_pages)
		return vmt_error_set(err, VMT_E_NO_MEMORY, NULL,
				     "the domain may have no more than %llu pages added; free one",
				     (unsigned long long)m->max_own_pages);
	if (!vmt_gfn_map_put(&m->own_pages, at.n))
		return vmt_error_set(err, VMT_E_NO_MEMORY, NULL, "no memory for the list of pages");
	r = m->guest->add(m->ctx, at, err);
	if (r < 0) {
		vmt_gfn_map_remove(&m->own_pages, at.n);
		return r;
	}
	vmt_model_page_added(m, at);
	*gfn = at;
	vmt_model_changed(m);
	return 0;
}

static int free_one(struct vmt_model *m, vmt_gfn gfn, struct vmt_error *err)
{
	int r = m->guest->remove(m->ctx, gfn, err);

	if (r < 0)
		return r;
	vmt_gfn_map_remove(&m->own_pages, gfn.n);
	vmt_entry_host_drop(m, gfn.n);
	return 0;
}

int vmt_model_free_gfn(struct vmt_model *m, vmt_gfn gfn, struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (vmt_model_own_page(m, gfn))
		return free_one(m, gfn, err);
	if (!vmt_page_exists(m, gfn.n))
		return no_page(gfn.n, err);
	return vmt_error_set(err, VMT_E_PERMISSION, NULL,
			     "gfn %#llx is the guest's own; only pages from alloc_gfn are freed",
			     (unsigned long long)gfn.n);
}

int vmt_own_pages_free(struct vmt_model *m, struct vmt_error *err)
{
	uint64_t gfn = 0;
	int first = 0;

	for (; vmt_gfn_map_next(&m->own_pages, &gfn); gfn++) {
		int r = free_one(m, vmt_gfn_from(gfn), first == 0 ? err : NULL);

		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}

void vmt_pages_finish(struct vmt_model *m)
{
	uint64_t gfn = 0;

	for (; vmt_gfn_map_next(&m->bytes, &gfn); gfn++)
		free(own_bytes(m, gfn));
	vmt_gfn_map_finish(&m->bytes);
	vmt_gfn_map_finish(&m->own_pages);
}
