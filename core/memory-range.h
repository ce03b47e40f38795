/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What reads and writes of guest memory share. The caller has begun its session call; each failure
 * fills the session's error.
 */
#ifndef VMT_CORE_MEMORY_RANGE_H
#define VMT_CORE_MEMORY_RANGE_H

#include <vmitape/memory.h>

/** -VMT_E_INVALID when there is no buffer or the range wraps around. */
int vmt_range_check(struct vmt_session *s, const char *call, uint64_t addr, const void *buf,
		    size_t len);

/** How many of @len bytes at @addr lie in the first page. */
size_t vmt_range_in_page(uint64_t addr, size_t len);

/** The guest-physical address of @addr, through the cache. */
int vmt_range_translate(struct vmt_session *s, struct vmt_space space, uint64_t addr, vmt_gpa *gpa);

/** The driver failed at @addr: take its error, and name the address that the handler knows. */
int vmt_range_failed(struct vmt_session *s, struct vmt_space space, uint64_t addr);

#endif /* VMT_CORE_MEMORY_RANGE_H */
