/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Translation through a session: the cache and what empties it, faults, tables that cannot be read.
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

FLAT_TEST(an_address_is_translated_with_its_offset)
{
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA + 0x1234), &gpa), 0);
	assert_int_equal(gpa.a, FLAT_ADDRESS(DATA + 2) + 0x234);
}

FLAT_TEST(a_physical_address_is_itself)
{
	struct vmt_walk walk;
	vmt_gpa gpa;

	assert_int_equal(vmt_translate(s, VMT_PHYS, vmt_gva_from(0x12345678), &gpa), 0);
	assert_int_equal(gpa.a, 0x12345678);
	assert_int_equal(vmt_walk(s, VMT_PHYS, vmt_gva_from(0x12345678), &walk), 0);
	assert_int_equal(walk.gpa.a, 0x12345678);
	assert_int_equal(walk.nentries, 0);
	assert_int_equal(f->reads, 0);
}

FLAT_TEST(a_second_translation_reads_no_tables)
{
	unsigned reads;
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(f->reads, 4);
	reads = f->reads;
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA + 8), &gpa), 0);
	assert_int_equal(f->reads, reads);
	assert_int_equal(gpa.a, FLAT_ADDRESS(DATA + 5) + 8);
}

FLAT_TEST(a_flush_lets_the_tables_be_read_again)
{
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	flat_map(f, VA, DATA + 20);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(gpa.a >> 12, DATA + 5);
	vmt_flush(s);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(gpa.a >> 12, DATA + 20);
}

FLAT_TEST(a_write_empties_the_cache)
{
	uint64_t *entry = flat_entry(f, VA, 1);
	const uint64_t where = (uint64_t)((uint8_t *)entry - f->memory[0]);
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(vmt_write_u64(s, VMT_PHYS, where, FLAT_ADDRESS(DATA + 21) | 7), 0);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(gpa.a >> 12, DATA + 21);
}

FLAT_TEST(a_write_across_pages_empties_the_cache)
{
	uint8_t bytes[2 * VMT_PAGE_SIZE] = {0};
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA + 0x2000), &gpa), 0);
	flat_map(f, VA + 0x2000, DATA + 20);
	assert_int_equal(vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), 0);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA + 0x2000), &gpa), 0);
	assert_int_equal(gpa.a >> 12, DATA + 20);
}

FLAT_TEST(a_view_switch_empties_the_cache)
{
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	flat_map(f, VA, DATA + 20);
	assert_int_equal(vmt_view_switch(s, 1), 0);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(gpa.a >> 12, DATA + 20);
}

FLAT_TEST(a_walk_looks_at_the_tables_and_never_at_the_cache)
{
	struct vmt_walk walk;
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	flat_map(f, VA, DATA + 20);
	assert_int_equal(vmt_walk(s, flat_space(), vmt_gva_from(VA + 5), &walk), 0);
	assert_int_equal(walk.gpa.a, FLAT_ADDRESS(DATA + 20) + 5);
	assert_int_equal(walk.nentries, 4);
	assert_int_equal(walk.page_size, 4096);
}

FLAT_TEST(failed_translations_are_not_cached)
{
	vmt_gpa gpa;

	map_three(f);
	*flat_entry(f, VA, 1) = 0;
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), -VMT_E_FAULT);
	assert_int_equal(gpa.a, 0);
	flat_map(f, VA, DATA);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
}

FLAT_TEST(a_fault_tells_address_level_and_entry)
{
	const struct vmt_fault *fault = &vmt_error_of(s)->fault;
	uint64_t *entry = flat_entry(f, VA, 2);
	struct vmt_walk walk;
	uint8_t byte = 7;

	*entry = 0xabc0; /* present is clear */
	assert_error(s, vmt_read_u8(s, flat_space(), VA + 0x123, &byte), VMT_E_FAULT, "not mapped");
	assert_int_equal(byte, 0);
	assert_int_equal(fault->kind, VMT_FAULT_NOT_PRESENT);
	assert_int_equal(fault->level, 2);
	assert_true(fault->address.a == VA + 0x123);
	assert_int_equal(fault->entry, 0xabc0);
	assert_int_equal(fault->root, flat_space().root);
	assert_int_equal(fault->where.a, (uint64_t)((uint8_t *)entry - f->memory[0]));
	assert_int_equal(vmt_walk(s, flat_space(), vmt_gva_from(VA), &walk), -VMT_E_FAULT);
	assert_int_equal(walk.nentries, 3);
	assert_int_equal(walk.entries[2].entry, 0xabc0);
	*entry = UINT64_C(1) | 0x2080; /* a large page with a reserved bit */
	assert_error(s, vmt_read_u8(s, flat_space(), VA, &byte), VMT_E_FAULT, "reserved");
	assert_int_equal(fault->kind, VMT_FAULT_RESERVED);
	assert_error(s, vmt_read_u8(s, flat_space(), UINT64_C(1) << 47, &byte), VMT_E_FAULT,
		     "canonical");
	assert_int_equal(fault->kind, VMT_FAULT_NON_CANONICAL);
	assert_error(s,
		     vmt_read_u8(s, (struct vmt_space){0x1000, VMT_PAGING_PAE, 0},
				 UINT64_C(1) << 32, &byte),
		     VMT_E_FAULT, "32 bits");
	assert_int_equal(fault->kind, VMT_FAULT_TOO_WIDE);
}

/* A page table that cannot be read is not a page table that says "not present". */
FLAT_TEST(what_a_table_read_fails_with_is_what_the_walk_fails_with)
{
	static const enum vmt_status codes[] = {VMT_E_NOT_RECORDED, VMT_E_UNMAPPED, VMT_E_GONE,
						VMT_E_FAULT};
	struct vmt_walk walk;
	uint64_t value;
	vmt_gpa gpa;

	map_three(f);
	for (size_t i = 0; i < COUNT(codes); i++)
		for (unsigned table = FLAT_ROOT; table < FLAT_ROOT + 4; table++) {
			memset(f->read_fails, 0, sizeof(f->read_fails));
			f->read_fails[table] = (uint8_t)codes[i];
			vmt_flush(s);
			assert_error(s, vmt_walk(s, flat_space(), vmt_gva_from(VA), &walk),
				     codes[i], "in the page walk for 0xffff888000400000");
			assert_int_equal(walk.nentries, table - FLAT_ROOT);
			assert_int_equal(vmt_error_of(s)->fault.kind, VMT_FAULT_NONE);
			assert_error(s, vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa),
				     codes[i], "in the page walk");
			assert_error(s, vmt_read_u64(s, flat_space(), VA, &value), codes[i],
				     "in the page walk");
			assert_error(s, vmt_write_u64(s, flat_space(), VA, 1), codes[i],
				     "in the page walk");
		}
	assert_int_equal(f->writes, 0);
}

FLAT_TEST(a_space_without_a_paging_mode_is_refused)
{
	struct vmt_space unknown = {0x1000, UINT8_MAX, 0};
	struct vmt_walk walk;
	uint64_t value = 1;

	assert_error(s, vmt_walk(s, unknown, vmt_gva_from(VA), &walk), VMT_E_INVALID, "mode");
	assert_error(s, vmt_read_u64(s, unknown, 0, &value), VMT_E_INVALID, "mode");
	assert_int_equal(value, 0);
	assert_error(s, vmt_read_pointer(s, unknown, 0, &value), VMT_E_INVALID, "mode");
	assert_error(s, vmt_write_u64(s, unknown, 0, 1), VMT_E_INVALID, "mode");
	assert_int_equal(f->reads + f->writes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_translated_with_its_offset),
		cmocka_unit_test(a_physical_address_is_itself),
		cmocka_unit_test(a_second_translation_reads_no_tables),
		cmocka_unit_test(a_flush_lets_the_tables_be_read_again),
		cmocka_unit_test(a_write_empties_the_cache),
		cmocka_unit_test(a_write_across_pages_empties_the_cache),
		cmocka_unit_test(a_view_switch_empties_the_cache),
		cmocka_unit_test(a_walk_looks_at_the_tables_and_never_at_the_cache),
		cmocka_unit_test(failed_translations_are_not_cached),
		cmocka_unit_test(a_fault_tells_address_level_and_entry),
		cmocka_unit_test(what_a_table_read_fails_with_is_what_the_walk_fails_with),
		cmocka_unit_test(a_space_without_a_paging_mode_is_refused),
	};

	return cmocka_run_group_tests_name("translate", tests, NULL, NULL);
}
