/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tests in a session on the flat domain, with three pages that lie in a row in the address space.
 */
#ifndef VMT_TESTS_CORE_FLAT_TEST_H
#define VMT_TESTS_CORE_FLAT_TEST_H

#include <string.h>

#include <vmitape/session.h>

#include "flat-driver.h"

/** Like a test, but in a session @s on the domain @f. */
#define FLAT_TEST(name)                                                        \
	static void name##_body(struct vmt_session *s, struct flat_driver *f); \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		flat_run(name##_body);                                         \
	}                                                                      \
	static void name##_body(struct vmt_session *s, struct flat_driver *f)

#define DATA FLAT_FIRST_DATA
#define VA   UINT64_C(0xffff888000400000)

/* Fill each data page with bytes that differ from page to page and along the page. */
static inline void fill(struct flat_driver *f)
{
	for (unsigned p = DATA; p < FLAT_PAGES; p++)
		for (unsigned i = 0; i < VMT_PAGE_SIZE; i++)
			f->memory[p][i] = (uint8_t)(p * 31 + i * 7 + i / 256);
}

/* Three pages in a row in the address space, which are not in a row in memory. */
static inline void map_three(struct flat_driver *f)
{
	fill(f);
	flat_map(f, VA, DATA + 5);
	flat_map(f, VA + 0x1000, DATA + 2);
	flat_map(f, VA + 0x2000, DATA + 9);
}

/* The bytes of the three pages as one. */
static inline void expect(const struct flat_driver *f, uint64_t addr, uint8_t *bytes, size_t len)
{
	static const unsigned pages[] = {DATA + 5, DATA + 2, DATA + 9};

	for (size_t i = 0; i < len; i++)
		bytes[i] = f->memory[pages[(addr + i - VA) >> 12]][(addr + i) & VMT_PAGE_MASK];
}

static inline void assert_error(struct vmt_session *s, int r, enum vmt_status status,
				const char *word)
{
	const struct vmt_error *err = vmt_error_of(s);

	assert_int_equal(r, -(int)status);
	assert_int_equal(err->status, status);
	assert_non_null(strstr(err->text, word));
	assert_string_not_equal(err->place, "");
}

#endif /* VMT_TESTS_CORE_FLAT_TEST_H */
