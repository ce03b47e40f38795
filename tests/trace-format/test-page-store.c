/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page store and patches: the same content has one id whatever the hash says, and a page put
 * together again is the page.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"
#include "trace-format/page-store.h"
#include "trace-format/patch.h"

static void same_for_all(const void *secret, const void *page, uint64_t hash[2])
{
	(void)secret;
	(void)page;
	hash[0] = 5;
	hash[1] = 6;
}

/** The first half is the same for all, the second one of two. */
static void nearly_the_same(const void *secret, const void *page, uint64_t hash[2])
{
	(void)secret;
	hash[0] = UINT64_MAX;
	hash[1] = *(const uint8_t *)page & 1;
}

static void a_guest_that_makes_hashes_collide_changes_nothing(void **state)
{
	static vmt_page_hash *const hashes[] = {same_for_all, nearly_the_same, NULL};
	uint8_t(*pages)[VMT_PAGE_SIZE] = calloc(200, VMT_PAGE_SIZE);

	(void)state;
	assert_non_null(pages);
	for (unsigned i = 0; i < 200; i++)
		pages[i][(size_t)i * 20] = (uint8_t)(1 + i % 255);
	for (size_t h = 0; h < 3; h++) {
		struct vmt_page_store *store = vmt_page_store_create(hashes[h]);
		struct vmt_stored_page stored;

		assert_non_null(store);
		for (unsigned i = 0; i < 200; i++) {
			assert_int_equal(vmt_page_store_add(store, i, pages[i], &stored), 0);
			assert_true(stored.is_new);
			assert_int_equal(stored.id, i + 1);
		}
		/* Each content is found again, under its own guest page and under others. */
		for (unsigned i = 0; i < 200; i++) {
			assert_int_equal(vmt_page_store_add(store, i, pages[i], &stored), 0);
			assert_false(stored.is_new);
			assert_int_equal(stored.id, i + 1);
			assert_int_equal(vmt_page_store_add(store, 1000 + i, pages[i], &stored), 0);
			assert_false(stored.is_new);
			assert_int_equal(stored.id, i + 1);
		}
		vmt_page_store_new_epoch(store);
		assert_int_equal(vmt_page_store_add(store, 3, pages[3], &stored), 0);
		assert_true(stored.is_new);
		assert_int_equal(stored.id, 201);
		vmt_page_store_destroy(store);
	}
	free(pages);
}

static void chains_of_patches_end_after_16(void **state)
{
	struct vmt_page_store *store = vmt_page_store_create(NULL);
	uint8_t page[VMT_PAGE_SIZE];
	uint64_t depth[200] = {0};
	unsigned patches = 0;

	(void)state;
	assert_non_null(store);
	for (unsigned i = 0; i < VMT_PAGE_SIZE; i++)
		page[i] = (uint8_t)(i * 7);
	for (unsigned i = 1; i < 200; i++) {
		struct vmt_stored_page stored;

		page[i]++;
		assert_int_equal(vmt_page_store_add(store, 9, page, &stored), 0);
		assert_true(stored.is_new);
		if (stored.form.form != VMT_TRACE_PATCH)
			continue;
		patches++;
		assert_true(stored.form.base < stored.id);
		assert_true(stored.form.len < 10);
		depth[stored.id] = depth[stored.form.base] + 1;
		assert_true(depth[stored.id] <= VMT_DELTA_DEPTH_MAX);
	}
	assert_true(patches > 180);
	vmt_page_store_destroy(store);
}

static void a_patch_makes_the_page_of_its_base(void **state)
{
	uint8_t base[VMT_PAGE_SIZE];
	uint8_t page[VMT_PAGE_SIZE];
	uint8_t patch[2 * VMT_PAGE_SIZE];
	struct rng rng = {41};

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		size_t len;

		for (unsigned i = 0; i < VMT_PAGE_SIZE; i++)
			base[i] = (uint8_t)(rng_next(&rng) & 3);
		memcpy(page, base, sizeof(page));
		for (uint64_t n = rng_below(&rng, 40); n > 0; n--) {
			const size_t at = rng_below(&rng, VMT_PAGE_SIZE);
			const size_t run = 1 + rng_below(&rng, 100);

			for (size_t i = at; i < at + run && i < VMT_PAGE_SIZE; i++)
				page[i] = (uint8_t)rng_next(&rng);
		}
		if (round % 7 == 0)
			page[VMT_PAGE_SIZE - 1] ^= 0xff;
		if (round % 5 == 0)
			page[0] ^= 0xff;
		len = vmt_patch_make(base, page, VMT_PAGE_SIZE, patch, sizeof(patch));
		assert_null(vmt_patch_apply(base, VMT_PAGE_SIZE, patch, len));
		assert_memory_equal(base, page, sizeof(page));
		/* A smaller buffer is respected. */
		if (len > 1) {
			base[0] ^= 1;
			assert_true(vmt_patch_make(base, page, VMT_PAGE_SIZE, patch, 0) ==
				    VMT_PATCH_TOO_LONG);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_guest_that_makes_hashes_collide_changes_nothing),
		cmocka_unit_test(chains_of_patches_end_after_16),
		cmocka_unit_test(a_patch_makes_the_page_of_its_base),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
