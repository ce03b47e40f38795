/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing guest memory: all or nothing.
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

FLAT_TEST(what_is_written_stands_there_and_nothing_else_changes)
{
	struct flat_driver *before = malloc(sizeof(*before));
	uint8_t bytes[5000], want[3 * 4096], got[3 * 4096];

	assert_non_null(before);
	map_three(f);
	memcpy(before, f, sizeof(*before));
	memset(bytes, 0xc3, sizeof(bytes));
	assert_int_equal(vmt_write(s, flat_space(), VA + 0xf00, bytes, sizeof(bytes)), 0);
	expect(before, VA, want, sizeof(want));
	memset(want + 0xf00, 0xc3, sizeof(bytes));
	expect(f, VA, got, sizeof(got));
	assert_memory_equal(got, want, sizeof(got));
	for (unsigned p = 0; p < FLAT_PAGES; p++)
		if (p != DATA + 5 && p != DATA + 2 && p != DATA + 9)
			assert_memory_equal(f->memory[p], before->memory[p], VMT_PAGE_SIZE);
	free(before);
}

FLAT_TEST(a_write_in_one_page_is_one_call_and_reads_nothing_before)
{
	map_three(f);
	assert_int_equal(vmt_write_u64(s, VMT_PHYS, FLAT_ADDRESS(DATA), 1), 0);
	assert_int_equal(f->writes, 1);
	assert_int_equal(f->reads, 0);
}

FLAT_TEST(no_page_is_written_before_all_are_translated)
{
	uint8_t bytes[3 * 4096] = {0};

	map_three(f);
	*flat_entry(f, VA + 0x2000, 1) = 0;
	assert_error(s, vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), VMT_E_FAULT,
		     "mapped");
	assert_int_equal(f->writes, 0);
}

FLAT_TEST(no_page_is_written_when_what_stands_there_cannot_be_kept)
{
	uint8_t bytes[2 * 4096] = {0};

	map_three(f);
	f->read_fails[DATA + 5] = VMT_E_NOT_RECORDED;
	assert_error(s, vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), VMT_E_NOT_RECORDED,
		     "nothing was written");
	assert_int_equal(f->writes, 0);
}

FLAT_TEST(a_write_that_fails_half_way_is_undone)
{
	struct flat_driver *before = malloc(sizeof(*before));
	uint8_t bytes[3 * 4096];

	assert_non_null(before);
	map_three(f);
	memcpy(before, f, sizeof(*before));
	memset(bytes, 0xc3, sizeof(bytes));
	f->write_fails[DATA + 9] = VMT_E_PERMISSION;
	assert_error(s, vmt_write(s, flat_space(), VA + 16, bytes, sizeof(bytes) - 16),
		     VMT_E_PERMISSION, "flat write");
	assert_null(strstr(vmt_error_of(s)->text, "put back"));
	assert_int_equal(f->writes, 5); /* two that went well, one that did not, two undone */
	assert_memory_equal(f->memory, before->memory, sizeof(f->memory));
	free(before);
}

FLAT_TEST(a_write_over_pages_that_are_one_and_the_same_is_undone_too)
{
	struct flat_driver *before = malloc(sizeof(*before));
	uint8_t bytes[3 * 4096];

	assert_non_null(before);
	map_three(f);
	flat_map(f, VA + 0x1000, DATA + 5);
	memcpy(before, f, sizeof(*before));
	memset(bytes, 0xc3, sizeof(bytes));
	f->write_fails[DATA + 9] = VMT_E_PERMISSION;
	assert_int_equal(vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), -VMT_E_PERMISSION);
	assert_memory_equal(f->memory, before->memory, sizeof(f->memory));
	free(before);
}

FLAT_TEST(an_undo_that_fails_is_said)
{
	uint8_t bytes[3 * 4096];

	map_three(f);
	memset(bytes, 0xc3, sizeof(bytes));
	f->writes_fail_from = 3;
	assert_error(s, vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), VMT_E_HYPERVISOR,
		     "could not be put back");
	assert_int_equal(f->writes, 5); /* the undo goes on past a page that fails */
	assert_non_null(strstr(vmt_error_of(s)->text, "0xffff888000401000"));
	assert_non_null(strstr(vmt_error_of(s)->text, "at address 0xffff888000402000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_stands_there_and_nothing_else_changes),
		cmocka_unit_test(a_write_in_one_page_is_one_call_and_reads_nothing_before),
		cmocka_unit_test(no_page_is_written_before_all_are_translated),
		cmocka_unit_test(no_page_is_written_when_what_stands_there_cannot_be_kept),
		cmocka_unit_test(a_write_that_fails_half_way_is_undone),
		cmocka_unit_test(a_write_over_pages_that_are_one_and_the_same_is_undone_too),
		cmocka_unit_test(an_undo_that_fails_is_said),
	};

	return cmocka_run_group_tests_name("memory-write", tests, NULL, NULL);
}
