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

#define BUFFER 16384u
#define HEAD   15u

/** A hash, and what is to be hashed next: many small pieces are dearer than one large one. */
struct hasher {
	XXH3_state_t *state;
	size_t len;
	uint8_t bytes[BUFFER];
};

struct vmt_digest {
	struct hasher behaviour, record;
};

static void begin(struct hasher *h, const char *text)
{
	char prefix[PREFIX] = {0};

	snprintf(prefix, sizeof(prefix), "%s", text);
	XXH3_128bits_reset(h->state);
	XXH3_128bits_update(h->state, prefix, sizeof(prefix));
	h->len = 0;
}

void vmt_digest_reset(struct vmt_digest *digest)
{
	begin(&digest->behaviour, "vmitape behaviour digest 1");
	begin(&digest->record, "vmitape record digest 1");
}

struct vmt_digest *vmt_digest_create(void)
{
	struct vmt_digest *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return NULL;
	digest->behaviour.state = XXH3_createState();
	digest->record.state = XXH3_createState();
	if (digest->behaviour.state == NULL || digest->record.state == NULL) {
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
	XXH3_freeState(digest->behaviour.state);
	XXH3_freeState(digest->record.state);
	free(digest);
}

static void hash_buffer(struct hasher *h)
{
	XXH3_128bits_update(h->state, h->bytes, h->len);
	h->len = 0;
}

static void add(struct hasher *h, const struct vmt_digest_record *r, size_t len,
		const uint8_t *page_hash)
{
	uint8_t *p;

	if (HEAD + len + 16 > BUFFER - h->len)
		hash_buffer(h);
	p = h->bytes + h->len;
	vmt_le64_put(p, r->callback);
	p[8] = r->phase;
	vmt_le16_put(p + 9, (uint16_t)r->kind);
	vmt_le32_put(p + 11, (uint32_t)(len + (page_hash != NULL ? 16 : 0)));
	h->len += HEAD;
	if (len > BUFFER - HEAD - 16) {
		hash_buffer(h);
		XXH3_128bits_update(h->state, r->payload, len);
	} else if (len > 0) {
		memcpy(h->bytes + h->len, r->payload, len);
		h->len += len;
	}
	if (page_hash != NULL) {
		memcpy(h->bytes + h->len, page_hash, 16);
		h->len += 16;
	}
}

void vmt_digest_add(struct vmt_digest *digest, const struct vmt_trace_kind_row *row,
		    const struct vmt_digest_record *record)
{
	if (row->digest == VMT_DIGEST_NONE)
		return;
	add(&digest->record, record, record->len, record->page_hash);
	if (row->digest == VMT_DIGEST_BEHAVIOUR)
		add(&digest->behaviour, record, record->behaviour, NULL);
}

static void get(struct hasher *h, uint8_t *digest)
{
	XXH128_canonical_t hash;

	hash_buffer(h);
	XXH128_canonicalFromHash(&hash, XXH3_128bits_digest(h->state));
	memcpy(digest, hash.digest, sizeof(hash.digest));
}

void vmt_digest_get(struct vmt_digest *digest, struct vmt_trace_digests *digests)
{
	get(&digest->behaviour, digests->behaviour);
	get(&digest->record, digests->record);
	digests->known = true;
}

void vmt_digest_page(const void *page, uint8_t *hash)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(page, VMT_PAGE_SIZE));
	memcpy(hash, canonical.digest, sizeof(canonical.digest));
}
