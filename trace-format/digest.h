/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two digests of a trace; FORMAT.md section 8.
 */
#ifndef VMT_TRACE_FORMAT_DIGEST_H
#define VMT_TRACE_FORMAT_DIGEST_H

#include "fields.h"

struct vmt_digest;

struct vmt_digest *vmt_digest_create(void); /**< NULL: no memory */
void vmt_digest_destroy(struct vmt_digest *digest);
void vmt_digest_reset(struct vmt_digest *digest);

struct vmt_digest_record {
	unsigned kind;
	uint8_t phase;
	uint64_t callback;
	const uint8_t *payload;
	size_t len;               /**< without the page's varint when @page_hash is given */
	size_t behaviour;         /**< how many bytes count for the behaviour digest */
	const uint8_t *page_hash; /**< 16 bytes, or NULL: the record names no page */
};

void vmt_digest_add(struct vmt_digest *digest, const struct vmt_trace_kind_row *row,
		    const struct vmt_digest_record *record);

/** As it stands now; @digests->known is set. */
void vmt_digest_get(struct vmt_digest *digest, struct vmt_trace_digests *digests);

/** What stands for a page: the hash of its 4096 bytes, as 16 bytes. */
void vmt_digest_page(const void *page, uint8_t *hash);

#endif /* VMT_TRACE_FORMAT_DIGEST_H */
