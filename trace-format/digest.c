/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two digests of a trace, fed record by record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "digest.h"
#include "varint.h"

#define PREFIX 256u

struct vmt_digest {
	XXH3_state_t *behaviour, *record;
};

static void begin(XXH3_state_t *state, const char *text)
{
	char prefix[PREFIX] = {0};

	snprintf(prefix, sizeof(prefix), "%s", text);
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, prefix, sizeof(prefix));
}

void vmt_digest_reset(struct vmt_digest *digest)
{
	begin(digest->behaviour, "vmitape behaviour digest 1");
	begin(digest->record, "vmitape record digest 1");
}

struct vmt_digest *vmt_digest_create(void)
{
	struct vmt_digest *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return NULL;
	digest->behaviour = XXH3_createState();
	digest->record = XXH3_createState();
	if (digest->behaviour == NULL || digest->record == NULL) {
		vmt_digest_destroy(digest);
		return NULL;
	}
	vmt_digest_reset(digest);
	return digest;
}

void vmt_digest_destroy(struct vmt_digest *digest)
{
	if (digest == NULL)
		return;
	XXH3_freeState(digest->behaviour);
	XXH3_freeState(digest->record);
	free(digest);
}

static void add(XXH3_state_t *state, const struct vmt_digest_record *r, size_t len,
		const uint8_t *page_hash)
{
	uint8_t head[15];

	vmt_le64_put(head, r->callback);
	head[8] = r->phase;
	vmt_le16_put(head + 9, (uint16_t)r->kind);
	vmt_le32_put(head + 11, (uint32_t)(len + (page_hash != NULL ? 16 : 0)));
	XXH3_128bits_update(state, head, sizeof(head));
	if (len > 0)
		XXH3_128bits_update(state, r->payload, len);
	if (page_hash != NULL)
		XXH3_128bits_update(state, page_hash, 16);
}

void vmt_digest_add(struct vmt_digest *digest, const struct vmt_trace_kind_row *row,
		    const struct vmt_digest_record *record)
{
	if (row->digest == VMT_DIGEST_NONE)
		return;
	add(digest->record, record, record->len, record->page_hash);
	if (row->digest == VMT_DIGEST_BEHAVIOUR)
		add(digest->behaviour, record, record->behaviour, NULL);
}

void vmt_digest_get(const struct vmt_digest *digest, struct vmt_trace_digests *digests)
{
	XXH128_canonical_t hash;

	XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(digest->behaviour));
	memcpy(digests->behaviour, hash.digest, sizeof(hash.digest));
	XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(digest->record));
	memcpy(digests->record, hash.digest, sizeof(hash.digest));
	digests->known = true;
}

void vmt_digest_page(const void *page, uint8_t *hash)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(page, VMT_PAGE_SIZE));
	memcpy(hash, canonical.digest, sizeof(canonical.digest));
}
