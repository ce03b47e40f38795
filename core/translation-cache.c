/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The direct-mapped cache of page translations. Emptying it is one addition: a slot counts only
 * while its generation is the cache's.
 */
#include "translation-cache.h"

/* Pages of one space that are near each other get slots of their own; roots are spread. */
static size_t slot_of(struct vmt_space space, uint64_t page)
{
	uint64_t spread = (space.root >> VMT_PAGE_SHIFT) * UINT64_C(0x9e3779b97f4a7c15);

	return (size_t)((page ^ (page >> 9) ^ (spread >> 56)) % VMT_TRANSLATION_SLOTS);
}

void vmt_translation_cache_flush(struct vmt_translation_cache *cache)
{
	cache->generation++;
}

bool vmt_translation_cache_find(const struct vmt_translation_cache *cache, struct vmt_space space,
				vmt_gva gva, vmt_gfn *gfn)
{
	uint64_t page = gva.a >> VMT_PAGE_SHIFT;
	const struct vmt_translation *slot = &cache->slots[slot_of(space, page)];

	if (slot->generation != cache->generation + 1 || slot->page != page ||
	    slot->root != space.root || slot->paging != space.paging || slot->flags != space.flags)
		return false;
	*gfn = slot->gfn;
	return true;
}

void vmt_translation_cache_add(struct vmt_translation_cache *cache, struct vmt_space space,
			       vmt_gva gva, vmt_gfn gfn)
{
	uint64_t page = gva.a >> VMT_PAGE_SHIFT;

	cache->slots[slot_of(space, page)] = (struct vmt_translation){
		.generation = cache->generation + 1,
		.page = page,
		.root = space.root,
		.gfn = gfn,
		.paging = space.paging,
		.flags = space.flags,
	};
}
