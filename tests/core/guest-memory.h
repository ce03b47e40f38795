/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Some guest-physical memory for page walks, of which one page may fail.
 */
#ifndef VMT_TESTS_CORE_GUEST_MEMORY_H
#define VMT_TESTS_CORE_GUEST_MEMORY_H

#include <string.h>

#include <vmitape/types.h>

#define GUEST_PAGES 32u

struct guest {
	uint8_t memory[GUEST_PAGES][VMT_PAGE_SIZE];
	uint64_t fails; /* a page */
	int status;     /* with which it fails; 0: it does not */
	unsigned reads;
};

static inline int guest_read(void *opaque, vmt_gpa gpa, void *buf, uint32_t len)
{
	struct guest *g = opaque;
	uint64_t page = gpa.a >> VMT_PAGE_SHIFT;

	g->reads++;
	assert_true((gpa.a & VMT_PAGE_MASK) + len <= VMT_PAGE_SIZE);
	if (page >= GUEST_PAGES)
		return -VMT_E_UNMAPPED;
	if (g->status < 0 && page == g->fails)
		return g->status;
	memcpy(buf, &g->memory[page][gpa.a & VMT_PAGE_MASK], len);
	return 0;
}

#endif /* VMT_TESTS_CORE_GUEST_MEMORY_H */
