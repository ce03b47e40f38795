/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is given back all at once: blocks, each filled from its start.
 */
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "arena.h"

#define BLOCK_SIZE 16384u
#define ALIGNMENT  alignof(max_align_t)

struct vmt_arena_block {
	struct vmt_arena_block *before;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

static struct vmt_arena_block *new_block(struct vmt_arena *a, size_t size)
{
	struct vmt_arena_block *block;

	if (size < BLOCK_SIZE)
		size = BLOCK_SIZE;
	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	block = calloc(1, sizeof(*block) + size);
	if (!block)
		return NULL;
	block->size = size;
	block->before = a->last;
	a->last = block;
	return block;
}

void *vmt_arena_alloc(struct vmt_arena *a, size_t size)
{
	struct vmt_arena_block *block = a->last;
	void *p;

	if (size > SIZE_MAX - ALIGNMENT)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	if (!block || block->size - block->used < size)
		block = new_block(a, size);
	if (!block)
		return NULL;
	p = block->bytes + block->used;
	block->used += size;
	return p;
}

void *vmt_arena_copy(struct vmt_arena *a, const void *from, size_t len)
{
	unsigned char *p = len < SIZE_MAX ? vmt_arena_alloc(a, len + 1) : NULL;

	if (p && len > 0)
		memcpy(p, from, len);
	return p;
}

char *vmt_arena_text(struct vmt_arena *a, const char *s)
{
	return s ? vmt_arena_copy(a, s, strlen(s)) : NULL;
}

void vmt_arena_finish(struct vmt_arena *a)
{
	struct vmt_arena_block *before;

	for (struct vmt_arena_block *block = a->last; block; block = before) {
		before = block->before;
		free(block);
	}
	a->last = NULL;
}
