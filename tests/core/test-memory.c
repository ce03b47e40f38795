/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading and writing guest memory through a session: translation and its cache, ranges across
 * pages, all or nothing, integers, structs.
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define DATA         FLAT_FIRST_DATA
#define VA           UINT64_C(0xffff888000400000)

/* Fill each data page with bytes that differ from page to page and along the page. */
static void fill(struct flat_driver *f)
{
	for (unsigned p = DATA; p < FLAT_PAGES; p++)
		for (unsigned i = 0; i < VMT_PAGE_SIZE; i++)
			f->memory[p][i] = (uint8_t)(p * 31 + i * 7 + i / 256);
}

/* Three pages in a row in the address space, which are not in a row in memory. */
static void map_three(struct flat_driver *f)
{
	fill(f);
	flat_map(f, VA, DATA + 5);
	flat_map(f, VA + 0x1000, DATA + 2);
	flat_map(f, VA + 0x2000, DATA + 9);
}

/* Like a test, but in a session. */
#define IN_SESSION(name)                                                       \
	static void name##_body(struct vmt_session *s, struct flat_driver *f); \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		flat_run(name##_body);                                         \
	}                                                                      \
	static void name##_body(struct vmt_session *s, struct flat_driver *f)

static void assert_error(struct vmt_session *s, int r, enum vmt_status status, const char *word)
{
	const struct vmt_error *err = vmt_error_of(s);

	assert_int_equal(r, -(int)status);
	assert_int_equal(err->status, status);
	assert_non_null(strstr(err->text, word));
	assert_string_not_equal(err->place, "");
}

/* -------------------------------------------------------------------------------------------- */
/* Translation                                                                                  */
/* -------------------------------------------------------------------------------------------- */

IN_SESSION(an_address_is_translated_with_its_offset)
{
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA + 0x1234), &gpa), 0);
	assert_int_equal(gpa.a, FLAT_ADDRESS(DATA + 2) + 0x234);
}

IN_SESSION(a_physical_address_is_itself)
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

IN_SESSION(a_second_translation_reads_no_tables)
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

IN_SESSION(a_flush_lets_the_tables_be_read_again)
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

IN_SESSION(a_write_empties_the_cache)
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

IN_SESSION(a_view_switch_empties_the_cache)
{
	vmt_gpa gpa;

	map_three(f);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	flat_map(f, VA, DATA + 20);
	assert_int_equal(vmt_view_switch(s, 1), 0);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
	assert_int_equal(gpa.a >> 12, DATA + 20);
}

IN_SESSION(a_walk_looks_at_the_tables_and_never_at_the_cache)
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

IN_SESSION(failed_translations_are_not_cached)
{
	vmt_gpa gpa;

	map_three(f);
	*flat_entry(f, VA, 1) = 0;
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), -VMT_E_FAULT);
	assert_int_equal(gpa.a, 0);
	flat_map(f, VA, DATA);
	assert_int_equal(vmt_translate(s, flat_space(), vmt_gva_from(VA), &gpa), 0);
}

IN_SESSION(a_fault_tells_address_level_and_entry)
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
IN_SESSION(what_a_table_read_fails_with_is_what_the_walk_fails_with)
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

IN_SESSION(a_space_without_a_paging_mode_is_refused)
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

/* -------------------------------------------------------------------------------------------- */
/* Reads                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* The bytes of the three pages as one. */
static void expect(const struct flat_driver *f, uint64_t addr, uint8_t *bytes, size_t len)
{
	static const unsigned pages[] = {DATA + 5, DATA + 2, DATA + 9};

	for (size_t i = 0; i < len; i++)
		bytes[i] = f->memory[pages[(addr + i - VA) >> 12]][(addr + i) & VMT_PAGE_MASK];
}

IN_SESSION(ranges_of_any_length_and_place_are_read)
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

IN_SESSION(reading_nothing_touches_nothing)
{
	assert_int_equal(vmt_read(s, flat_space(), VA, NULL, 0), 0);
	assert_int_equal(vmt_read(s, flat_space(), UINT64_C(1) << 47, NULL, 0), 0);
	assert_int_equal(vmt_write(s, flat_space(), VA, NULL, 0), 0);
	assert_int_equal(f->reads + f->writes, 0);
}

IN_SESSION(a_read_that_fails_on_its_last_page_gives_zeros_only)
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

IN_SESSION(a_physical_page_without_memory_is_unmapped)
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

IN_SESSION(a_range_does_not_wrap_around)
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

IN_SESSION(a_buffer_is_needed_for_bytes)
{
	assert_error(s, vmt_read(s, VMT_PHYS, 0, NULL, 1), VMT_E_INVALID, "buffer");
	assert_error(s, vmt_write(s, VMT_PHYS, 0, NULL, 1), VMT_E_INVALID, "buffer");
	assert_int_equal(f->reads + f->writes, 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Writes                                                                                       */
/* -------------------------------------------------------------------------------------------- */

IN_SESSION(what_is_written_stands_there_and_nothing_else_changes)
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

IN_SESSION(a_write_in_one_page_is_one_call_and_reads_nothing_before)
{
	map_three(f);
	assert_int_equal(vmt_write_u64(s, VMT_PHYS, FLAT_ADDRESS(DATA), 1), 0);
	assert_int_equal(f->writes, 1);
	assert_int_equal(f->reads, 0);
}

IN_SESSION(no_page_is_written_before_all_are_translated)
{
	uint8_t bytes[3 * 4096] = {0};

	map_three(f);
	*flat_entry(f, VA + 0x2000, 1) = 0;
	assert_error(s, vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), VMT_E_FAULT,
		     "mapped");
	assert_int_equal(f->writes, 0);
}

IN_SESSION(no_page_is_written_when_what_stands_there_cannot_be_kept)
{
	uint8_t bytes[2 * 4096] = {0};

	map_three(f);
	f->read_fails[DATA + 5] = VMT_E_NOT_RECORDED;
	assert_error(s, vmt_write(s, flat_space(), VA, bytes, sizeof(bytes)), VMT_E_NOT_RECORDED,
		     "nothing was written");
	assert_int_equal(f->writes, 0);
}

IN_SESSION(a_write_that_fails_half_way_is_undone)
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

IN_SESSION(a_write_over_pages_that_are_one_and_the_same_is_undone_too)
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

IN_SESSION(an_undo_that_fails_is_said)
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

/* -------------------------------------------------------------------------------------------- */
/* Integers and pointers                                                                        */
/* -------------------------------------------------------------------------------------------- */

IN_SESSION(integers_are_little_endian_and_may_cross_pages)
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

IN_SESSION(integers_are_written_as_they_are_read)
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

IN_SESSION(an_integer_that_cannot_be_read_is_0)
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

IN_SESSION(an_unsigned_integer_has_1_2_4_or_8_bytes)
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
IN_SESSION(a_pointer_is_as_wide_as_its_space)
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
/* Structs                                                                                      */
/* -------------------------------------------------------------------------------------------- */

IN_SESSION(fields_are_taken_from_one_copy)
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

IN_SESSION(a_field_outside_or_of_odd_size_is_refused)
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

IN_SESSION(no_field_comes_out_of_a_struct_that_was_not_read)
{
	struct vmt_struct st;
	uint8_t buf[16];
	uint64_t v;

	assert_int_equal(vmt_struct_read(s, flat_space(), VA, buf, sizeof(buf), &st), -VMT_E_FAULT);
	assert_int_equal(vmt_struct_get(s, &st, (struct vmt_struct_field){0, 1}, &v),
			 -VMT_E_INVALID);
	(void)f;
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
		cmocka_unit_test(an_address_is_translated_with_its_offset),
		cmocka_unit_test(a_physical_address_is_itself),
		cmocka_unit_test(a_second_translation_reads_no_tables),
		cmocka_unit_test(a_flush_lets_the_tables_be_read_again),
		cmocka_unit_test(a_write_empties_the_cache),
		cmocka_unit_test(a_view_switch_empties_the_cache),
		cmocka_unit_test(a_walk_looks_at_the_tables_and_never_at_the_cache),
		cmocka_unit_test(failed_translations_are_not_cached),
		cmocka_unit_test(a_fault_tells_address_level_and_entry),
		cmocka_unit_test(what_a_table_read_fails_with_is_what_the_walk_fails_with),
		cmocka_unit_test(a_space_without_a_paging_mode_is_refused),
		cmocka_unit_test(ranges_of_any_length_and_place_are_read),
		cmocka_unit_test(reading_nothing_touches_nothing),
		cmocka_unit_test(a_read_that_fails_on_its_last_page_gives_zeros_only),
		cmocka_unit_test(a_physical_page_without_memory_is_unmapped),
		cmocka_unit_test(a_range_does_not_wrap_around),
		cmocka_unit_test(a_buffer_is_needed_for_bytes),
		cmocka_unit_test(what_is_written_stands_there_and_nothing_else_changes),
		cmocka_unit_test(a_write_in_one_page_is_one_call_and_reads_nothing_before),
		cmocka_unit_test(no_page_is_written_before_all_are_translated),
		cmocka_unit_test(no_page_is_written_when_what_stands_there_cannot_be_kept),
		cmocka_unit_test(a_write_that_fails_half_way_is_undone),
		cmocka_unit_test(a_write_over_pages_that_are_one_and_the_same_is_undone_too),
		cmocka_unit_test(an_undo_that_fails_is_said),
		cmocka_unit_test(integers_are_little_endian_and_may_cross_pages),
		cmocka_unit_test(integers_are_written_as_they_are_read),
		cmocka_unit_test(an_integer_that_cannot_be_read_is_0),
		cmocka_unit_test(an_unsigned_integer_has_1_2_4_or_8_bytes),
		cmocka_unit_test(a_pointer_is_as_wide_as_its_space),
		cmocka_unit_test(fields_are_taken_from_one_copy),
		cmocka_unit_test(a_field_outside_or_of_odd_size_is_refused),
		cmocka_unit_test(no_field_comes_out_of_a_struct_that_was_not_read),
		cmocka_unit_test(outside_of_a_callback_memory_is_out_of_reach),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
