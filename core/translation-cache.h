/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small cache of page translations, which lives within one callback.
 *
 * The key is the page of the address together with the whole space (mode, flags, root with its low
 * bits), the value the guest-physical page. Only successful translations are kept. It is
 * direct-mapped and emptied in constant time, for that happens at each callback's start.
 */
#ifndef VMT_CORE_TRANSLATION_CACHE_H
#define VMT_CORE_TRANSLATION_CACHE_H

#include <vmitape/memory.h>

#define VMT_TRANSLATION_SLOTS 256u

struct vmt_translation {
	uint64_t generation; /**< the slot holds something when equal to the cache's */
	uint64_t page;       /**< gva >> 12 */
	uint64_t root;
	vmt_gfn gfn;
	uint8_t paging, flags;
};

/** All zero is an empty cache. */
struct vmt_translation_cache {
	uint64_t generation; /**< of valid slots, minus one: so all zero is empty */
	struct vmt_translation slots[VMT_TRANSLATION_SLOTS];
};

void vmt_translation_cache_flush(struct vmt_translation_cache *cache);
bool vmt_translation_cache_find(const struct vmt_translation_cache *cache, struct vmt_space space,
				vmt_gva gva, vmt_gfn *gfn);
void vmt_translation_cache_add(struct vmt_translation_cache *cache, struct vmt_space space,
			       vmt_gva gva, vmt_gfn gfn);

#endif /* VMT_CORE_TRANSLATION_CACHE_H */
