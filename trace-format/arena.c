/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is given out in pieces and taken back at once.
 */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define BLOCK_SIZE ((size_t)16 << 10)

struct vmt_trace_arena_block {
	struct vmt_trace_arena_block *next;
	size_t size;
	alignas(max_align_t) unsigned char bytes[];
};

void *vmt_trace_arena_alloc(struct vmt_trace_arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct vmt_trace_arena_block *block = arena->blocks;
	void *p;

	if (size > VMT_TRACE_ARENA_MAX - align)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (arena->total + size > VMT_TRACE_ARENA_MAX)
		return NULL;
	if (block == NULL || block->size - arena->used < size) {
		const size_t want = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		block = malloc(sizeof(*block) + want);
		if (block == NULL)
			return NULL;
		block->size = want;
		block->next = arena->blocks;
		arena->blocks = block;
		arena->used = 0;
	}
	p = block->bytes + arena->used;
	arena->used += size;
	arena->total += size;
	return memset(p, 0, size);
}

void vmt_trace_arena_reset(struct vmt_trace_arena *arena)
{
	struct vmt_trace_arena_block *keep = NULL;

	while (arena->blocks != NULL) {
		struct vmt_trace_arena_block *block = arena->blocks;

		arena->blocks = block->next;
		if (keep == NULL && block->size == BLOCK_SIZE)
			keep = block;
		else
			free(block);
	}
	if (keep != NULL)
		keep->next = NULL;
	arena->blocks = keep;
	arena->used = 0;
	arena->total = 0;
}

void vmt_trace_arena_finish(struct vmt_trace_arena *arena)
{
	vmt_trace_arena_reset(arena);
	free(arena->blocks);
	*arena = (struct vmt_trace_arena){0};
}
