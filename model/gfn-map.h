/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An ordered map from page frame numbers to values of one size.
 *
 * Two levels: chunks of 512 neighbouring gfns, sorted by number, each with its own sorted entries. So
 * an insertion moves little, a run of neighbours is found together, and memory follows the entries.
 */
#ifndef VMITAPE_MODEL_GFN_MAP_H
#define VMITAPE_MODEL_GFN_MAP_H

#include <vmitape/types.h>

struct vmt_gfn_chunk;

struct vmt_gfn_map {
	struct vmt_gfn_chunk **chunks;
	size_t nchunks, cap;
	size_t count; /**< entries */
	size_t width; /**< of a value, bytes */
};

/** An empty map with values of @width bytes. */
void vmt_gfn_map_init(struct vmt_gfn_map *map, size_t width);
/** Forget all entries. What values point to is the caller's. */
void vmt_gfn_map_finish(struct vmt_gfn_map *map);

/** The value at @gfn, or NULL. Valid until the map changes. */
void *vmt_gfn_map_get(const struct vmt_gfn_map *map, uint64_t gfn);
/** The value at @gfn, a new one of zeros if none was there; NULL: no memory. */
void *vmt_gfn_map_put(struct vmt_gfn_map *map, uint64_t gfn);
/** Remove the entry at @gfn, if there is one. */
void vmt_gfn_map_remove(struct vmt_gfn_map *map, uint64_t gfn);
/** The first entry at or after *@gfn: its value, and *@gfn becomes its number; NULL: none. */
void *vmt_gfn_map_next(const struct vmt_gfn_map *map, uint64_t *gfn);

#endif /* VMITAPE_MODEL_GFN_MAP_H */
