/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer's memory of an epoch's pages: is this content there already, and what is it best
 * written as.
 *
 * Guests are hostile: they choose page contents. So contents are the same only when memcmp says
 * so; the hash that finds candidates has a secret of the recording.
 */
#ifndef VMT_TRACE_FORMAT_PAGE_STORE_H
#define VMT_TRACE_FORMAT_PAGE_STORE_H

#include "record.h"

#define VMT_PAGE_SECRET 192u

/** Hash a page to 128 bits. */
typedef void vmt_page_hash(const void *secret, const void *page, uint64_t hash[2]);

struct vmt_page_store;

/** @hash NULL: XXH3-128 with a random secret. NULL: no memory or no random numbers. */
struct vmt_page_store *vmt_page_store_create(vmt_page_hash *hash);
void vmt_page_store_destroy(struct vmt_page_store *store);

/** Forget all contents; ids go on. */
void vmt_page_store_new_epoch(struct vmt_page_store *store);

struct vmt_stored_page {
	uint64_t id;
	bool is_new;                /**< then: */
	struct vmt_trace_page form; /**< how to write it; its data are the store's or @page */
	const uint8_t *digest;      /**< 16 bytes, see vmt_digest_page; the store's */
};

/** Find or add @page (4096 bytes), content of @gfn. 0 or -VMT_E_NO_MEMORY. */
int vmt_page_store_add(struct vmt_page_store *store, uint64_t gfn, const uint8_t *page,
		       struct vmt_stored_page *stored);

/** The last id given out; 0: none. */
uint64_t vmt_page_store_last(const struct vmt_page_store *store);

#endif /* VMT_TRACE_FORMAT_PAGE_STORE_H */
