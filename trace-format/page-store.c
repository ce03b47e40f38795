/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer's memory of an epoch's pages.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "digest.h"
#include "page-store.h"
#include "patch.h"

/** A patch that is longer is hardly smaller than the page once both are compressed. */
#define PATCH_MAX 1024u

struct version {
	uint64_t hash[2];
	uint64_t id;
	uint8_t *content;
	uint8_t digest[16];
	uint8_t depth;
};

/** Open addressing; a slot is an index into versions + 1, 0 is free. */
struct table {
	uint32_t *slots;
	uint64_t *keys; /**< of by_gfn only */
	size_t size;    /**< a power of two */
	size_t used;
};

struct vmt_page_store {
	vmt_page_hash *hash;
	uint8_t secret[VMT_PAGE_SECRET];
	struct version *versions;
	size_t nversions, cap;
	struct table by_hash, by_gfn;
	uint64_t last_id;
	uint8_t patch[PATCH_MAX];
	uint8_t fill;
};

static void secret_hash(const void *secret, const void *page, uint64_t hash[2])
{
	const XXH128_hash_t h =
		XXH3_128bits_withSecret(page, VMT_PAGE_SIZE, secret, VMT_PAGE_SECRET);

	hash[0] = h.low64;
	hash[1] = h.high64;
}

struct vmt_page_store *vmt_page_store_create(vmt_page_hash *hash)
{
	struct vmt_page_store *store = calloc(1, sizeof(*store));

	if (store == NULL)
		return NULL;
	store->hash = hash != NULL ? hash : secret_hash;
	if (getrandom(store->secret, sizeof(store->secret), 0) != (ssize_t)sizeof(store->secret)) {
		free(store);
		return NULL;
	}
	return store;
}

void vmt_page_store_new_epoch(struct vmt_page_store *store)
{
	for (size_t i = 0; i < store->nversions; i++)
		free(store->versions[i].content);
	store->nversions = 0;
	if (store->by_hash.size > 0)
		memset(store->by_hash.slots, 0,
		       store->by_hash.size * sizeof(store->by_hash.slots[0]));
	if (store->by_gfn.size > 0)
		memset(store->by_gfn.slots, 0, store->by_gfn.size * sizeof(store->by_gfn.slots[0]));
	store->by_hash.used = 0;
	store->by_gfn.used = 0;
}

void vmt_page_store_destroy(struct vmt_page_store *store)
{
	if (store == NULL)
		return;
	vmt_page_store_new_epoch(store);
	free(store->versions);
	free(store->by_hash.slots);
	free(store->by_gfn.slots);
	free(store->by_gfn.keys);
	free(store);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	return x ^ (x >> 29);
}

/** The slot of @gfn: taken by it, or free. */
static size_t gfn_slot(const struct table *table, uint64_t gfn)
{
	size_t i = mix(gfn) & (table->size - 1);

	while (table->slots[i] != 0 && table->keys[i] != gfn)
		i = (i + 1) & (table->size - 1);
	return i;
}

static int grow_by_gfn(struct table *table)
{
	struct table bigger = {.size = table->size > 0 ? table->size * 2 : 1024,
			       .used = table->used};

	if (table->used * 2 < table->size)
		return 0;
	bigger.slots = calloc(bigger.size, sizeof(bigger.slots[0]));
	bigger.keys = calloc(bigger.size, sizeof(bigger.keys[0]));
	if (bigger.slots == NULL || bigger.keys == NULL) {
		free(bigger.slots);
		free(bigger.keys);
		return -VMT_E_NO_MEMORY;
	}
	for (size_t i = 0; i < table->size; i++) {
		if (table->slots[i] != 0) {
			const size_t to = gfn_slot(&bigger, table->keys[i]);

			bigger.slots[to] = table->slots[i];
			bigger.keys[to] = table->keys[i];
		}
	}
	free(table->slots);
	free(table->keys);
	*table = bigger;
	return 0;
}

static int grow_by_hash(struct vmt_page_store *store)
{
	struct table *table = &store->by_hash;
	const size_t size = table->size > 0 ? table->size * 2 : 1024;
	uint32_t *slots;

	if (table->used * 2 < table->size)
		return 0;
	slots = calloc(size, sizeof(slots[0]));
	if (slots == NULL)
		return -VMT_E_NO_MEMORY;
	for (size_t v = 0; v < store->nversions; v++) {
		size_t i = store->versions[v].hash[0] & (size - 1);

		while (slots[i] != 0)
			i = (i + 1) & (size - 1);
		slots[i] = (uint32_t)(v + 1);
	}
	free(table->slots);
	table->slots = slots;
	table->size = size;
	return 0;
}

static int grow_versions(struct vmt_page_store *store)
{
	const size_t cap = store->cap > 0 ? store->cap * 2 : 1024;
	struct version *versions;

	if (store->nversions < store->cap)
		return 0;
	if (cap >= UINT32_MAX)
		return -VMT_E_NO_MEMORY;
	versions = realloc(store->versions, cap * sizeof(versions[0]));
	if (versions == NULL)
		return -VMT_E_NO_MEMORY;
	store->versions = versions;
	store->cap = cap;
	return 0;
}

/** The version with this content, or NULL; @slot: where a new one belongs. */
static struct version *find(struct vmt_page_store *store, const uint64_t hash[2],
			    const uint8_t *page, size_t *slot)
{
	const size_t mask = store->by_hash.size - 1;
	size_t i = hash[0] & mask;

	for (; store->by_hash.slots[i] != 0; i = (i + 1) & mask) {
		struct version *v = &store->versions[store->by_hash.slots[i] - 1];

		if (v->hash[0] == hash[0] && v->hash[1] == hash[1] &&
		    memcmp(v->content, page, VMT_PAGE_SIZE) == 0)
			return v;
	}
	*slot = i;
	return NULL;
}

static void choose_form(struct vmt_page_store *store, const struct version *base,
			const uint8_t *page, struct vmt_stored_page *stored, uint8_t *depth)
{
	size_t len = 0;

	*depth = 0;
	if (memcmp(page, page + 1, VMT_PAGE_SIZE - 1) == 0) {
		store->fill = page[0];
		stored->form = (struct vmt_trace_page){VMT_TRACE_FILL, 0, 0, &store->fill, 1};
		return;
	}
	if (base != NULL && base->depth < VMT_DELTA_DEPTH_MAX)
		len = vmt_patch_make(base->content, page, VMT_PAGE_SIZE, store->patch,
				     sizeof(store->patch));
	if (len == 0 || len == VMT_PATCH_TOO_LONG) {
		stored->form = (struct vmt_trace_page){VMT_TRACE_WHOLE, 0, 0, page, VMT_PAGE_SIZE};
		return;
	}
	*depth = (uint8_t)(base->depth + 1);
	stored->form =
		(struct vmt_trace_page){VMT_TRACE_PATCH, 0, base->id, store->patch, (uint32_t)len};
}

static int add_version(struct vmt_page_store *store, const uint64_t hash[2], const uint8_t *page,
		       const struct version *base, size_t slot, struct vmt_stored_page *stored)
{
	uint8_t *content = malloc(VMT_PAGE_SIZE);
	struct version *v = &store->versions[store->nversions];

	if (content == NULL)
		return -VMT_E_NO_MEMORY;
	memcpy(content, page, VMT_PAGE_SIZE);
	choose_form(store, base, page, stored, &v->depth);
	v->hash[0] = hash[0];
	v->hash[1] = hash[1];
	v->id = ++store->last_id;
	v->content = content;
	vmt_digest_page(page, v->digest);
	store->by_hash.slots[slot] = (uint32_t)(++store->nversions);
	store->by_hash.used++;
	stored->id = v->id;
	stored->is_new = true;
	stored->digest = v->digest;
	return 0;
}

int vmt_page_store_add(struct vmt_page_store *store, uint64_t gfn, const uint8_t *page,
		       struct vmt_stored_page *stored)
{
	const struct version *last = NULL;
	const struct version *same = NULL;
	uint64_t hash[2];
	size_t at_gfn;
	size_t at_hash;

	*stored = (struct vmt_stored_page){0};
	if (grow_by_gfn(&store->by_gfn) < 0 || grow_by_hash(store) < 0 || grow_versions(store) < 0)
		return -VMT_E_NO_MEMORY;
	at_gfn = gfn_slot(&store->by_gfn, gfn);
	if (store->by_gfn.slots[at_gfn] != 0)
		last = &store->versions[store->by_gfn.slots[at_gfn] - 1];
	if (last != NULL && memcmp(last->content, page, VMT_PAGE_SIZE) == 0)
		same = last;
	if (same == NULL) {
		store->hash(store->secret, page, hash);
		same = find(store, hash, page, &at_hash);
	}
	if (same != NULL) {
		stored->id = same->id;
		stored->digest = same->digest;
	} else if (add_version(store, hash, page, last, at_hash, stored) < 0) {
		return -VMT_E_NO_MEMORY;
	} else {
		same = &store->versions[store->nversions - 1];
	}
	if (store->by_gfn.slots[at_gfn] == 0)
		store->by_gfn.used++;
	store->by_gfn.keys[at_gfn] = gfn;
	store->by_gfn.slots[at_gfn] = (uint32_t)(same - store->versions + 1);
	return 0;
}

uint64_t vmt_page_store_last(const struct vmt_page_store *store)
{
	return store->last_id;
}
