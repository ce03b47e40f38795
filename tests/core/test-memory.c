/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading guest memory through a session: ranges across pages, all or nothing, integers.
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

FLAT_TEST(ranges_of_any_length_and_place_are_read)
{
	static const struct {
		uint64_t offset;
		size_t len;
	} ranges[] = {{0, 1},        {0, 4096}, {0xfff, 1},    {0xfff, 2},
		      {0x800, 4096}, {0, 8192}, {0xfff, 4098}, {0, 12288}};
	uint8_t got[3 * 4096], want[3 * 4096];

	map_three(f);
	for (size_t i = 0; i < COUNT(ranges); i++) {
		memset(got, 0xee, sizeof(got));
		memset(want, 0xee, sizeof(want));
		expect(f, VA + ranges[i].offset, want, ranges[i].len);
		assert_int_equal(
			vmt_read(s, flat_space(), VA + ranges[i].offset, got, ranges[i].len), 0);
		assert_memory_equal(got, want, sizeof(got));
	}
	assert_int_equal(vmt_read(s, VMT_PHYS, FLAT_ADDRESS(DATA + 1) - 10, got, 20), 0);
	assert_memory_equal(got, f->memory[DATA] + 4086, 20);
}

FLAT_TEST(reading_nothing_touches_nothing)
{
	assert_int_equal(vmt_read(s, flat_space(), VA, NULL, 0), 0);
	assert_int_equal(vmt_read(s, flat_space(), UINT64_C(1) << 47, NULL, 0), 0);
	assert_int_equal(vmt_write(s, flat_space(), VA, NULL, 0), 0);
	assert_int_equal(f->reads + f->writes, 0);
}

FLAT_TEST(a_read_that_fails_on_its_last_page_gives_zeros_only)
{
	static const enum vmt_status codes[] = {VMT_E_UNMAPPED, VMT_E_NOT_RECORDED, VMT_E_GONE};
	static const uint8_t zeros[2 * 4096];
	uint8_t got[2 * 4096];

	map_three(f);
	for (size_t i = 0; i < COUNT(codes); i++) {
		f->read_fails[DATA + 9] = (uint8_t)codes[i];
		memset(got, 0xee, sizeof(got));
		assert_error(s, vmt_read(s, flat_space(), VA + 0x1800, got, sizeof(got) / 2),
			     codes[i], "at address 0xffff888000402000");
		assert_memory_equal(got, zeros, sizeof(got) / 2);
		assert_int_equal(got[sizeof(got) / 2], 0xee);
	}
	memset(got, 0xee, sizeof(got));
	assert_error(s, vmt_read(s, flat_space(), VA + 0x2000, got, 4097), codes[2], "flat read");
	f->read_fails[DATA + 9] = 0;
	assert_error(s, vmt_read(s, flat_space(), VA + 0x2000, got, 4097), VMT_E_FAULT, "mapped");
	assert_memory_equal(got, zeros, 4097);
}

FLAT_TEST(a_physical_page_without_memory_is_unmapped)
{
	uint64_t value = 7;

	assert_error(s, vmt_read_u64(s, VMT_PHYS, FLAT_ADDRESS(FLAT_PAGES), &value), VMT_E_UNMAPPED,
		     "flat read");
	assert_int_equal(value, 0);
	assert_int_equal(vmt_read_u64(s, VMT_PHYS, FLAT_ADDRESS(FLAT_PAGES) - 4, &value),
			 -VMT_E_UNMAPPED);
	assert_int_equal(vmt_write_u64(s, VMT_PHYS, FLAT_ADDRESS(FLAT_PAGES), 1), -VMT_E_UNMAPPED);
	(void)f;
}

FLAT_TEST(a_range_does_not_wrap_around)
{
	uint8_t buf[16] = {1, 2, 3};
	static const uint8_t zeros[16];

	assert_error(s, vmt_read(s, VMT_PHYS, UINT64_MAX - 7, buf, 9), VMT_E_INVALID, "wrap");
	assert_memory_equal(buf, zeros, 9);
	assert_error(s, vmt_write(s, VMT_PHYS, UINT64_MAX - 7, buf, 9), VMT_E_INVALID, "wrap");
	assert_error(s, vmt_write(s, flat_space(), UINT64_MAX, buf, 2), VMT_E_INVALID, "wrap");
	assert_int_equal(f->reads + f->writes, 0);
	/* The last byte itself is an address like another. */
	assert_int_equal(vmt_read(s, VMT_PHYS, UINT64_MAX - 7, buf, 8), -VMT_E_UNMAPPED);
	assert_int_equal(f->reads, 1);
	flat_map(f, UINT64_MAX, DATA);
	f->memory[DATA][4095] = 0x5a;
	assert_int_equal(vmt_read(s, flat_space(), UINT64_MAX, buf, 1), 0);
	assert_int_equal(buf[0], 0x5a);
}

FLAT_TEST(a_buffer_is_needed_for_bytes)
{
	assert_error(s, vmt_read(s, VMT_PHYS, 0, NULL, 1), VMT_E_INVALID, "buffer");
	assert_error(s, vmt_write(s, VMT_PHYS, 0, NULL, 1), VMT_E_INVALID, "buffer");
	assert_int_equal(f->reads + f->writes, 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Integers and pointers                                                                        */
/* -------------------------------------------------------------------------------------------- */

FLAT_TEST(integers_are_little_endian_and_may_cross_pages)
{
	static const uint8_t bytes[] = {0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
	const uint64_t at = VA + 0x1000 - 1;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	map_three(f);
	assert_int_equal(vmt_write(s, flat_space(), at, bytes, sizeof(bytes)), 0);
	assert_int_equal(vmt_read_u8(s, flat_space(), at, &u8), 0);
	assert_int_equal(u8, 0x11);
	assert_int_equal(vmt_read_u16(s, flat_space(), at, &u16), 0);
	assert_int_equal(u16, 0x2211);
	assert_int_equal(vmt_read_u32(s, flat_space(), at, &u32), 0);
	assert_int_equal(u32, 0x44332211);
	assert_int_equal(vmt_read_u64(s, flat_space(), at, &u64), 0);
	assert_true(u64 == UINT64_C(0x8877665544332211));
}

FLAT_TEST(integers_are_written_as_they_are_read)
{
	uint64_t u64;

	map_three(f);
	assert_int_equal(vmt_write_u64(s, flat_space(), VA, UINT64_C(0x8877665544332211)), 0);
	assert_memory_equal(f->memory[DATA + 5], "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	assert_int_equal(vmt_write_u32(s, flat_space(), VA, 0xa4a3a2a1), 0);
	assert_int_equal(vmt_write_u16(s, flat_space(), VA, 0xb2b1), 0);
	assert_int_equal(vmt_write_u8(s, flat_space(), VA, 0xc1), 0);
	assert_int_equal(vmt_read_u64(s, flat_space(), VA, &u64), 0);
	assert_true(u64 == UINT64_C(0x88776655a4a3b2c1));
}

FLAT_TEST(an_integer_that_cannot_be_read_is_0)
{
	uint8_t u8 = 1;
	uint16_t u16 = 1;
	uint32_t u32 = 1;
	uint64_t u64 = 1;

	assert_int_equal(vmt_read_u8(s, flat_space(), VA, &u8), -VMT_E_FAULT);
	assert_int_equal(vmt_read_u16(s, flat_space(), VA, &u16), -VMT_E_FAULT);
	assert_int_equal(vmt_read_u32(s, flat_space(), VA, &u32), -VMT_E_FAULT);
	assert_int_equal(vmt_read_u64(s, flat_space(), VA, &u64), -VMT_E_FAULT);
	assert_true(u8 == 0 && u16 == 0 && u32 == 0 && u64 == 0);
	u64 = 1;
	assert_int_equal(vmt_read_uint(s, flat_space(), VA, 4, &u64), -VMT_E_FAULT);
	assert_int_equal(u64, 0);
	(void)f;
}

FLAT_TEST(an_unsigned_integer_has_1_2_4_or_8_bytes)
{
	static const unsigned odd[] = {0, 3, 5, 6, 7, 9, 16, UINT32_MAX};
	uint64_t v;

	memset(f->memory[DATA], 0xff, 16);
	for (unsigned size = 1; size <= 8; size *= 2) {
		assert_int_equal(vmt_read_uint(s, VMT_PHYS, FLAT_ADDRESS(DATA), size, &v), 0);
		assert_true(v == UINT64_MAX >> (64 - 8 * size));
	}
	for (size_t i = 0; i < COUNT(odd); i++) {
		v = 1;
		assert_error(s, vmt_read_uint(s, VMT_PHYS, FLAT_ADDRESS(DATA), odd[i], &v),
			     VMT_E_INVALID, "1, 2, 4 or 8");
		assert_int_equal(v, 0);
	}
}

/* Identity-mapped with one 4 MiB page, so that a narrow space has something to read. */
FLAT_TEST(a_pointer_is_as_wide_as_its_space)
{
	const uint32_t large = 0x87;
	struct vmt_space narrow = {0x3000, VMT_PAGING_32, VMT_SPACE_PSE};
	uint64_t v;

	map_three(f);
	memcpy(f->memory[DATA + 5], "\x11\x22\x33\x44\x55\x66\x77\x88", 8);
	assert_int_equal(vmt_read_pointer(s, flat_space(), VA, &v), 0);
	assert_true(v == UINT64_C(0x8877665544332211));
	assert_int_equal(vmt_read_pointer(s, VMT_PHYS, FLAT_ADDRESS(DATA + 5), &v), 0);
	assert_true(v == UINT64_C(0x8877665544332211));
	memcpy(f->memory[3], &large, sizeof(large));
	assert_int_equal(vmt_read_pointer(s, narrow, FLAT_ADDRESS(DATA + 5), &v), 0);
	assert_true(v == 0x44332211);
}

/* -------------------------------------------------------------------------------------------- */
/* Places                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/* Outside of a callback nothing is asked of the domain. */
static void outside_of_a_callback_memory_is_out_of_reach(void **state)
{
	struct flat_driver *f = flat_driver_create();
	struct vmt_session_config config = {.driver = &f->base, .handler = &flat_handler};
	struct vmt_session *s;
	struct vmt_walk walk;
	struct vmt_struct st = {0};
	char buf[8] = "1234567";
	uint64_t v = 1;
	vmt_gpa gpa;

	(void)state;
	assert_int_equal(vmt_session_create(&config, &s, NULL), 0);
	assert_int_equal(vmt_walk(s, flat_space(), vmt_gva_from(0), &walk), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_translate(s, VMT_PHYS, vmt_gva_from(0), &gpa), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_read(s, VMT_PHYS, 0, buf, 4), -VMT_E_WRONG_PLACE);
	assert_memory_equal(buf,
			    "\0\0\0\0"
			    "567",
			    8);
	assert_int_equal(vmt_read_u64(s, VMT_PHYS, 0, &v), -VMT_E_WRONG_PLACE);
	assert_int_equal(v, 0);
	assert_int_equal(vmt_read_uint(s, VMT_PHYS, 0, 4, &v), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_write_u64(s, VMT_PHYS, 0, 1), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, 0, buf, 8), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, 0, 4, buf, 8), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_struct_read(s, VMT_PHYS, 0, buf, 8, &st), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){0, 1}, &v),
			 -VMT_E_WRONG_PLACE);
	vmt_flush(s);
	assert_int_equal(f->reads + f->writes, 0);
	vmt_session_destroy(s);
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_of_any_length_and_place_are_read),
		cmocka_unit_test(reading_nothing_touches_nothing),
		cmocka_unit_test(a_read_that_fails_on_its_last_page_gives_zeros_only),
		cmocka_unit_test(a_physical_page_without_memory_is_unmapped),
		cmocka_unit_test(a_range_does_not_wrap_around),
		cmocka_unit_test(a_buffer_is_needed_for_bytes),
		cmocka_unit_test(integers_are_little_endian_and_may_cross_pages),
		cmocka_unit_test(integers_are_written_as_they_are_read),
		cmocka_unit_test(an_integer_that_cannot_be_read_is_0),
		cmocka_unit_test(an_unsigned_integer_has_1_2_4_or_8_bytes),
		cmocka_unit_test(a_pointer_is_as_wide_as_its_space),
		cmocka_unit_test(outside_of_a_callback_memory_is_out_of_reach),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
