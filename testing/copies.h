/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deep copies, into an arena, of what drivers and sessions pass by pointer for the length of a
 * call. Each returns NULL when there is no memory.
 */
#ifndef VMT_TESTING_COPIES_H
#define VMT_TESTING_COPIES_H

#include <vmitape/emission.h>
#include <vmitape/event.h>

#include "arena.h"

/** With its raw bytes. */
struct vmt_event *vmt_copy_event(struct vmt_arena *a, const struct vmt_event *ev);

/** With its registers and data. */
struct vmt_response *vmt_copy_response(struct vmt_arena *a, const struct vmt_response *rsp);

/** With its names and fields. */
struct vmt_schema *vmt_copy_schema(struct vmt_arena *a, const struct vmt_schema *schema);

/** With their texts and bytes; @n may be 0. */
struct vmt_value *vmt_copy_values(struct vmt_arena *a, const struct vmt_value *values, size_t n);

#endif /* VMT_TESTING_COPIES_H */
