/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is given out in pieces and taken back at once: what a decoded record points to.
 */
#ifndef VMT_TRACE_FORMAT_ARENA_H
#define VMT_TRACE_FORMAT_ARENA_H

#include <stddef.h>

struct vmt_trace_arena_block;

/** All zero is an empty arena. */
struct vmt_trace_arena {
	struct vmt_trace_arena_block *blocks;
	size_t used;  /**< of the newest block */
	size_t total; /**< given out since the last reset */
};

#define VMT_TRACE_ARENA_MAX ((size_t)96 << 20) /**< bytes of one record in memory */

/** Zeroed memory, aligned for anything; NULL: no memory, or more than VMT_TRACE_ARENA_MAX. */
void *vmt_trace_arena_alloc(struct vmt_trace_arena *arena, size_t size);

/** Take everything back; one block is kept for the next time. */
void vmt_trace_arena_reset(struct vmt_trace_arena *arena);
void vmt_trace_arena_finish(struct vmt_trace_arena *arena);

#endif /* VMT_TRACE_FORMAT_ARENA_H */
