/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that is given back all at once: for what a log, a collector or a script keeps.
 */
#ifndef VMT_TESTING_ARENA_H
#define VMT_TESTING_ARENA_H

#include <stddef.h>

struct vmt_arena_block;

/** All zero is empty. */
struct vmt_arena {
	struct vmt_arena_block *last;
};

/** @size zeroed bytes, aligned for anything; NULL: no memory. */
void *vmt_arena_alloc(struct vmt_arena *a, size_t size);

/** A copy of @len bytes, with a NUL after them; NULL: no memory. @from may be NULL when @len is 0. */
void *vmt_arena_copy(struct vmt_arena *a, const void *from, size_t len);

/** A copy of @s; NULL: no memory, or @s is NULL. */
char *vmt_arena_text(struct vmt_arena *a, const char *s);

/** Give all of it back; the arena can be used again. */
void vmt_arena_finish(struct vmt_arena *a);

#endif /* VMT_TESTING_ARENA_H */
