/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page walks over any source of guest-physical bytes: a session's driver, a scripted guest, a vCPU.
 *
 * Walks 32-bit, PAE, 4-level and 5-level tables with large pages (Intel SDM volume 3, chapter 4).
 * Rights are collected, not enforced; accessed and dirty bits are not touched.
 */
#ifndef VMT_CORE_WALK_H
#define VMT_CORE_WALK_H

#include <vmitape/memory.h>

/**
 * Read @len (4 or 8) bytes of a table entry at @gpa, which never cross a page. 0 or a negative
 * status.
 */
typedef int (*vmt_walk_read_fn)(void *opaque, vmt_gpa gpa, void *buf, uint32_t len);

/**
 * Walk the tables of @space for @gva. Returns 0 with @walk filled; -VMT_E_FAULT with @fault filled;
 * or what @read returned. In each case @walk->entries holds what was read so far.
 */
int vmt_walk_tables(vmt_walk_read_fn read, void *opaque, struct vmt_space space, vmt_gva gva,
		    struct vmt_walk *walk, struct vmt_fault *fault);

#endif /* VMT_CORE_WALK_H */
