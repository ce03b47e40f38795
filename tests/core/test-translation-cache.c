/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cache of translations: what it finds, what it keeps apart, and that it forgets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/translation-cache.h"

static const struct vmt_space space = {0x1000, VMT_PAGING_4, VMT_SPACE_NXE};

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct vmt_translation_cache));
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void all_zero_is_an_empty_cache(void **state)
{
	static const struct vmt_space zero;
	vmt_gfn gfn;

	assert_false(vmt_translation_cache_find(*state, zero, vmt_gva_from(0), &gfn));
	for (uint64_t page = 0; page < 4ul * VMT_TRANSLATION_SLOTS; page++)
		assert_false(
			vmt_translation_cache_find(*state, space, vmt_gva_from(page << 12), &gfn));
}

static void what_was_added_is_found_for_the_whole_page(void **state)
{
	vmt_gfn gfn = {0};

	vmt_translation_cache_add(*state, space, vmt_gva_from(0xffff800000001234),
				  vmt_gfn_from(0x55));
	assert_true(
		vmt_translation_cache_find(*state, space, vmt_gva_from(0xffff800000001fff), &gfn));
	assert_int_equal(gfn.n, 0x55);
	assert_false(
		vmt_translation_cache_find(*state, space, vmt_gva_from(0xffff800000002000), &gfn));
	assert_false(vmt_translation_cache_find(*state, space, vmt_gva_from(0x800000001234), &gfn));
}

static void spaces_are_kept_apart_by_mode_flags_and_the_whole_root(void **state)
{
	static const struct vmt_space others[] = {
		{0x1001, VMT_PAGING_4, VMT_SPACE_NXE}, /* another PCID */
		{0x2000, VMT_PAGING_4, VMT_SPACE_NXE},
		{0x8000000000001000, VMT_PAGING_4, VMT_SPACE_NXE},
		{0x1000, VMT_PAGING_5, VMT_SPACE_NXE},
		{0x1000, VMT_PAGING_4, 0},
	};
	vmt_gva gva = vmt_gva_from(0x7000);
	vmt_gfn gfn;

	vmt_translation_cache_add(*state, space, gva, vmt_gfn_from(1));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(vmt_translation_cache_find(*state, others[i], gva, &gfn));
	assert_true(vmt_translation_cache_find(*state, space, gva, &gfn));
}

static void a_flush_forgets_everything(void **state)
{
	vmt_gfn gfn;

	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t page = 0; page < 4ul * VMT_TRANSLATION_SLOTS; page++)
			vmt_translation_cache_add(*state, space, vmt_gva_from(page << 12),
						  vmt_gfn_from(page));
		vmt_translation_cache_flush(*state);
		for (uint64_t page = 0; page < 4ul * VMT_TRANSLATION_SLOTS; page++)
			assert_false(vmt_translation_cache_find(*state, space,
								vmt_gva_from(page << 12), &gfn));
	}
}

static void what_is_found_after_many_additions_is_never_wrong(void **state)
{
	unsigned found = 0;

	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t page = (i * i * 2654435761u) % 3000;
		struct vmt_space s = space;
		vmt_gfn gfn;

		s.root += (page % 3) << 12;
		if (vmt_translation_cache_find(*state, s, vmt_gva_from(page << 12), &gfn)) {
			assert_int_equal(gfn.n, page + 7);
			found++;
		}
		vmt_translation_cache_add(*state, s, vmt_gva_from(page << 12),
					  vmt_gfn_from(page + 7));
	}
	assert_true(found > 0);
}

/* Else a string or a structure that crosses pages would push out its own beginning. */
static void pages_in_a_row_do_not_push_each_other_out(void **state)
{
	vmt_gfn gfn;

	for (uint64_t page = 0; page < 64; page++)
		vmt_translation_cache_add(*state, space, vmt_gva_from((0x12345 + page) << 12),
					  vmt_gfn_from(page));
	for (uint64_t page = 0; page < 64; page++)
		assert_true(vmt_translation_cache_find(*state, space,
						       vmt_gva_from((0x12345 + page) << 12), &gfn));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_zero_is_an_empty_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_added_is_found_for_the_whole_page, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			spaces_are_kept_apart_by_mode_flags_and_the_whole_root, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flush_forgets_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_found_after_many_additions_is_never_wrong,
						setup, teardown),
		cmocka_unit_test_setup_teardown(pages_in_a_row_do_not_push_each_other_out, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("translation-cache", tests, NULL, NULL);
}
