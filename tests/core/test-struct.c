/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest structures: one read, then fields out of the copy.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/memory.h>
#include <vmitape/session.h>

#include "flat-driver.h"
#include "flat-test.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

FLAT_TEST(fields_are_taken_from_one_copy)
{
	struct vmt_struct st;
	uint8_t buf[16];
	unsigned reads;
	uint64_t v;

	map_three(f);
	memcpy(f->memory[DATA + 5], "\1\2\3\4\5\6\7\x88\x99", 9);
	assert_int_equal(vmt_struct_read(s, flat_space(), VA, buf, sizeof(buf), &st), 0);
	assert_true(st.addr == VA);
	assert_int_equal(st.len, 16);
	memset(f->memory[DATA + 5], 0, 16);
	reads = f->reads;
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){0, 8}, &v), 0);
	assert_true(v == UINT64_C(0x8807060504030201));
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){8, 1}, &v), 0);
	assert_int_equal(v, 0x99);
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){1, 2}, &v), 0);
	assert_int_equal(v, 0x0302);
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){3, 4}, &v), 0);
	assert_int_equal(v, 0x07060504);
	assert_int_equal(f->reads, reads);
}

FLAT_TEST(a_field_outside_or_of_odd_size_is_refused)
{
	static const struct vmt_struct_field bad[] = {
		{16, 1}, {15, 2}, {9, 8},  {UINT32_MAX, 1}, {UINT32_MAX, 8}, {UINT32_MAX - 3, 4},
		{0, 0},  {0, 3},  {0, 16}, {0, UINT32_MAX},
	};
	struct vmt_struct st;
	uint8_t buf[16];
	uint64_t v;

	map_three(f);
	assert_int_equal(vmt_struct_read(s, flat_space(), VA, buf, sizeof(buf), &st), 0);
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){8, 8}, &v), 0);
	for (size_t i = 0; i < COUNT(bad); i++) {
		v = 1;
		assert_error(s, vmt_struct_get(s, &st, bad[i], &v), VMT_E_INVALID, "bytes");
		assert_int_equal(v, 0);
	}
}

FLAT_TEST(no_field_comes_out_of_a_struct_that_was_not_read)
{
	struct vmt_struct st;
	uint8_t buf[16];
	uint64_t v;

	assert_int_equal(vmt_struct_read(s, flat_space(), VA, buf, sizeof(buf), &st), -VMT_E_FAULT);
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){0, 1}, &v),
			 -VMT_E_INVALID);
	(void)f;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_taken_from_one_copy),
		cmocka_unit_test(a_field_outside_or_of_odd_size_is_refused),
		cmocka_unit_test(no_field_comes_out_of_a_struct_that_was_not_read),
	};

	return cmocka_run_group_tests_name("struct", tests, NULL, NULL);
}
