/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ordered map from gfns to values.
 */
#include <stdlib.h>
#include <string.h>

#include "gfn-map.h"

#define CHUNK_SHIFT 9u
#define CHUNK_MASK  ((1u << CHUNK_SHIFT) - 1)

struct vmt_gfn_chunk {
	uint64_t key; /* gfn >> CHUNK_SHIFT */
	uint32_t n, cap;
	uint16_t *low;         /* the gfns' low bits, ascending */
	unsigned char *values; /* beside them */
};

void vmt_gfn_map_init(struct vmt_gfn_map *map, size_t width)
{
	memset(map, 0, sizeof(*map));
	map->width = width;
}

static void free_chunk(struct vmt_gfn_chunk *chunk)
{
	free(chunk->low);
	free(chunk->values);
	free(chunk);
}

void vmt_gfn_map_finish(struct vmt_gfn_map *map)
{
	for (size_t i = 0; i < map->nchunks; i++)
		free_chunk(map->chunks[i]);
	free(map->chunks);
	vmt_gfn_map_init(map, map->width);
}

/* The index of the first chunk whose key is at least @key. */
static size_t find_chunk(const struct vmt_gfn_map *map, uint64_t key)
{
	size_t low = 0;
	size_t high = map->nchunks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (map->chunks[middle]->key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The index of the first entry of @chunk whose low bits are at least @want. */
static uint32_t find_entry(const struct vmt_gfn_chunk *chunk, uint32_t want)
{
	uint32_t low = 0;
	uint32_t high = chunk->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (chunk->low[middle] < want)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void *value_at(const struct vmt_gfn_map *map, const struct vmt_gfn_chunk *chunk, uint32_t i)
{
	return chunk->values + i * map->width;
}

void *vmt_gfn_map_get(const struct vmt_gfn_map *map, uint64_t gfn)
{
	size_t c = find_chunk(map, gfn >> CHUNK_SHIFT);
	uint32_t low = (uint32_t)(gfn & CHUNK_MASK);
	uint32_t i;

	if (c == map->nchunks || map->chunks[c]->key != gfn >> CHUNK_SHIFT)
		return NULL;
	i = find_entry(map->chunks[c], low);
	if (i == map->chunks[c]->n || map->chunks[c]->low[i] != low)
		return NULL;
	return value_at(map, map->chunks[c], i);
}

static bool grow_chunks(struct vmt_gfn_map *map)
{
	size_t cap = map->cap ? map->cap * 2 : 8;
	struct vmt_gfn_chunk **grown;

	if (map->nchunks < map->cap)
		return true;
	grown = realloc(map->chunks, cap * sizeof(struct vmt_gfn_chunk *));
	if (!grown)
		return false;
	map->chunks = grown;
	map->cap = cap;
	return true;
}

static bool grow_entries(const struct vmt_gfn_map *map, struct vmt_gfn_chunk *chunk)
{
	uint32_t cap = chunk->cap ? chunk->cap * 2 : 4;
	uint16_t *low;
	unsigned char *values;

	if (chunk->n < chunk->cap)
		return true;
	low = realloc(chunk->low, cap * sizeof(*low));
	if (!low)
		return false;
	chunk->low = low;
	values = realloc(chunk->values, cap * map->width + 1);
	if (!values)
		return false;
	chunk->values = values;
	chunk->cap = cap;
	return true;
}

/* The chunk with @key, made when there is none. It may be empty: the caller fills or drops it. */
static struct vmt_gfn_chunk *need_chunk(struct vmt_gfn_map *map, uint64_t key)
{
	size_t c = find_chunk(map, key);
	struct vmt_gfn_chunk *chunk;

	if (c < map->nchunks && map->chunks[c]->key == key)
		return map->chunks[c];
	chunk = calloc(1, sizeof(*chunk));
	if (!chunk || !grow_entries(map, chunk) || !grow_chunks(map)) {
		if (chunk)
			free_chunk(chunk);
		return NULL;
	}
	chunk->key = key;
	memmove(&map->chunks[c + 1], &map->chunks[c],
		(map->nchunks - c) * sizeof(struct vmt_gfn_chunk *));
	map->chunks[c] = chunk;
	map->nchunks++;
	return chunk;
}

void *vmt_gfn_map_put(struct vmt_gfn_map *map, uint64_t gfn)
{
	struct vmt_gfn_chunk *chunk = need_chunk(map, gfn >> CHUNK_SHIFT);
	uint32_t low = (uint32_t)(gfn & CHUNK_MASK);
	uint32_t i;

	if (!chunk)
		return NULL;
	i = find_entry(chunk, low);
	if (i < chunk->n && chunk->low[i] == low)
		return value_at(map, chunk, i);
	if (!grow_entries(map, chunk))
		return NULL;
	memmove(&chunk->low[i + 1], &chunk->low[i], (chunk->n - i) * sizeof(*chunk->low));
	memmove(chunk->values + (i + 1) * map->width, chunk->values + i * map->width,
		(chunk->n - i) * map->width);
	chunk->low[i] = (uint16_t)low;
	memset(value_at(map, chunk, i), 0, map->width);
	chunk->n++;
	map->count++;
	return value_at(map, chunk, i);
}

void vmt_gfn_map_remove(struct vmt_gfn_map *map, uint64_t gfn)
{
	size_t c = find_chunk(map, gfn >> CHUNK_SHIFT);
	uint32_t low = (uint32_t)(gfn & CHUNK_MASK);
	struct vmt_gfn_chunk *chunk;
	uint32_t i;

	if (c == map->nchunks || map->chunks[c]->key != gfn >> CHUNK_SHIFT)
		return;
	chunk = map->chunks[c];
	i = find_entry(chunk, low);
	if (i == chunk->n || chunk->low[i] != low)
		return;
	chunk->n--;
	map->count--;
	memmove(&chunk->low[i], &chunk->low[i + 1], (chunk->n - i) * sizeof(*chunk->low));
	memmove(chunk->values + i * map->width, chunk->values + (i + 1) * map->width,
		(chunk->n - i) * map->width);
	if (chunk->n > 0)
		return;
	free_chunk(chunk);
	map->nchunks--;
	memmove(&map->chunks[c], &map->chunks[c + 1],
		(map->nchunks - c) * sizeof(struct vmt_gfn_chunk *));
}

void *vmt_gfn_map_next(const struct vmt_gfn_map *map, uint64_t *gfn)
{
	size_t c = find_chunk(map, *gfn >> CHUNK_SHIFT);
	uint32_t i = 0;

	if (c == map->nchunks)
		return NULL;
	if (map->chunks[c]->key == *gfn >> CHUNK_SHIFT)
		i = find_entry(map->chunks[c], (uint32_t)(*gfn & CHUNK_MASK));
	while (i == map->chunks[c]->n) { /* only past the last of its entries, or an empty chunk */
		if (++c == map->nchunks)
			return NULL;
		i = 0;
	}
	*gfn = (map->chunks[c]->key << CHUNK_SHIFT) | map->chunks[c]->low[i];
	return value_at(map, map->chunks[c], i);
}
