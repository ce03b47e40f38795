/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strings of the guest: C strings and UTF-16, their limits, and the pages that they touch.
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

#define DATA         FLAT_FIRST_DATA
#define AT           ((uint64_t)DATA << VMT_PAGE_SHIFT)
#define END          (AT + VMT_PAGE_SIZE) /* of the first data page */

static uint8_t *byte_at(struct flat_driver *f, uint64_t addr)
{
	return &f->memory[addr >> VMT_PAGE_SHIFT][addr & VMT_PAGE_MASK];
}

static void put(struct flat_driver *f, uint64_t addr, const void *bytes, size_t len)
{
	memcpy(byte_at(f, addr), bytes, len);
}

/* -------------------------------------------------------------------------------------------- */
/* C strings                                                                                    */
/* -------------------------------------------------------------------------------------------- */

FLAT_TEST(a_string_is_read_up_to_its_nul)
{
	char buf[64];

	put(f, AT + 3, "hello\0world", 12);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT + 3, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "hello");
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
}

FLAT_TEST(a_string_that_just_fits_is_whole_and_one_byte_more_is_too_long)
{
	char buf[8];

	put(f, AT, "1234567", 8);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT, buf, 8), 7);
	assert_string_equal(buf, "1234567");
	memset(buf, '#', sizeof(buf));
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT, buf, 7), -VMT_E_TRUNCATED);
	assert_memory_equal(buf, "123456\0#", 8);
	assert_int_equal(vmt_error_of(s)->status, VMT_E_TRUNCATED);
	memset(buf, '#', sizeof(buf));
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT, buf, 1), -VMT_E_TRUNCATED);
	assert_memory_equal(buf, "\0#######", 8);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT + 7, buf, 1), 0);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT, NULL, 0), -VMT_E_INVALID);
}

FLAT_TEST(a_string_may_cross_pages)
{
	static char buf[3 * VMT_PAGE_SIZE];
	size_t len = (size_t)2 * VMT_PAGE_SIZE + 100;

	memset(f->memory[DATA], 'x', (size_t)3 * VMT_PAGE_SIZE);
	*byte_at(f, AT + 50 + len) = 0;
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT + 50, buf, sizeof(buf)), len);
	assert_int_equal(strlen(buf), len);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT + 50, buf, len + 1), len);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, AT + 50, buf, len), -VMT_E_TRUNCATED);
	assert_int_equal(strlen(buf), len - 1);
}

FLAT_TEST(the_page_after_the_terminator_is_not_touched)
{
	char buf[512];

	f->read_fails[DATA + 1] = VMT_E_NOT_RECORDED;
	for (unsigned len = 0; len < 300; len += 13) {
		memset(f->memory[DATA], 'x', VMT_PAGE_SIZE);
		*byte_at(f, END - 1) = 0;
		assert_int_equal(vmt_read_str(s, VMT_PHYS, END - 1 - len, buf, sizeof(buf)), len);
	}
	assert_false(f->read_pages & (UINT64_C(1) << (DATA + 1)));
}

FLAT_TEST(a_page_that_fails_leaves_what_came_before)
{
	char buf[512];

	memset(f->memory[DATA], 'x', VMT_PAGE_SIZE);
	f->read_fails[DATA + 1] = VMT_E_NOT_RECORDED;
	memset(buf, '#', sizeof(buf));
	assert_int_equal(vmt_read_str(s, VMT_PHYS, END - 300, buf, sizeof(buf)),
			 -VMT_E_NOT_RECORDED);
	assert_int_equal(vmt_error_of(s)->status, VMT_E_NOT_RECORDED);
	assert_int_equal(strlen(buf), 300);
	assert_int_equal(vmt_read_str(s, VMT_PHYS, END, buf, sizeof(buf)), -VMT_E_NOT_RECORDED);
	assert_string_equal(buf, "");
	/* The buffer ends with the page: nothing past it was needed. */
	assert_int_equal(vmt_read_str(s, VMT_PHYS, END - 10, buf, 10), -VMT_E_TRUNCATED);
	assert_int_equal(strlen(buf), 9);
}

FLAT_TEST(a_string_does_not_wrap_around)
{
	struct vmt_space space = flat_space();
	char buf[512];

	flat_map(f, UINT64_MAX, DATA);
	flat_map(f, 0, DATA + 1);
	memset(f->memory[DATA], 'x', VMT_PAGE_SIZE);
	assert_int_equal(vmt_read_str(s, space, UINT64_MAX - 9, buf, sizeof(buf)), -VMT_E_INVALID);
	assert_string_equal(buf, "xxxxxxxxxx");
	assert_int_equal(vmt_read_utf16(s, space, UINT64_MAX - 9, 100, buf, sizeof(buf)),
			 -VMT_E_INVALID);
	assert_int_equal(strlen(buf), 15); /* five characters U+7878, three bytes each */
	assert_int_equal(vmt_read_utf16(s, space, UINT64_MAX, 100, buf, sizeof(buf)),
			 -VMT_E_INVALID);
	assert_string_equal(buf, "");
}

/* -------------------------------------------------------------------------------------------- */
/* UTF-16                                                                                       */
/* -------------------------------------------------------------------------------------------- */

#define FFFD "\xef\xbf\xbd"

/* Code units, 0-ended, and their text. */
static const struct {
	uint16_t units[8];
	const char *text;
} strings[] = {
	{{0}, ""},
	{{'a', 0x7f}, "a\x7f"},
	{{0x80, 0x7ff}, "\xc2\x80\xdf\xbf"},
	{{0x800, 0xffff}, "\xe0\xa0\x80\xef\xbf\xbf"},
	{{0xd7ff, 0xe000}, "\xed\x9f\xbf\xee\x80\x80"},
	{{0xfeff, 'a'},
	 "\xef\xbb\xbf"
	 "a"},
	/* Pairs: the first, the last, one between others. */
	{{0xd800, 0xdc00}, "\xf0\x90\x80\x80"},
	{{0xdbff, 0xdfff}, "\xf4\x8f\xbf\xbf"},
	{{'a', 0xd83d, 0xde00, 'b'},
	 "a\xf0\x9f\x98\x80"
	 "b"},
	/* Halves without the other. */
	{{0xd800}, FFFD},
	{{0xdc00}, FFFD},
	{{0xd800, 'a'}, FFFD "a"},
	{{0xdc00, 'a'}, FFFD "a"},
	{{0xdc00, 0xd800}, FFFD FFFD},
	{{0xd800, 0xd800, 0xdc00}, FFFD "\xf0\x90\x80\x80"},
	{{0xd800, 0xdc00, 0xdc00}, "\xf0\x90\x80\x80" FFFD},
	{{0xdbff, 0xd7ff}, FFFD "\xed\x9f\xbf"},
	{{0xdbff, 0xe000}, FFFD "\xee\x80\x80"},
};

static size_t units_in(const uint16_t *units)
{
	size_t n = 0;

	while (units[n])
		n++;
	return n;
}

static void utf16_becomes_utf8(void **state)
{
	char buf[32];

	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		size_t n = 2 * units_in(strings[i].units);

		assert_int_equal(vmt_utf16_to_utf8(strings[i].units, n, buf, sizeof(buf)),
				 strlen(strings[i].text));
		assert_string_equal(buf, strings[i].text);
	}
}

static void an_odd_last_byte_is_ignored(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(vmt_utf16_to_utf8("a\0b", 3, buf, sizeof(buf)), 1);
	assert_string_equal(buf, "a");
	assert_int_equal(vmt_utf16_to_utf8("a", 1, buf, sizeof(buf)), 0);
	assert_int_equal(vmt_utf16_to_utf8(NULL, 0, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
}

static void a_nul_is_converted_like_another_character(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(vmt_utf16_to_utf8("a\0\0\0b\0", 6, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "a\0b", 4);
}

static void units_need_not_be_aligned(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(vmt_utf16_to_utf8(&"#a\0b\0"[1], 4, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "ab");
}

/* Each text, at each size of the buffer: whole characters only, and never past its end. */
static void a_character_is_never_cut_in_half(void **state)
{
	char buf[32];

	(void)state;
	for (size_t i = 0; i < COUNT(strings); i++) {
		const char *text = strings[i].text;
		size_t n = 2 * units_in(strings[i].units);

		for (size_t cap = 1; cap <= strlen(text); cap++) {
			size_t len = cap - 1;

			while ((text[len] & 0xc0) == 0x80)
				len--;
			memset(buf, '#', sizeof(buf));
			assert_int_equal(vmt_utf16_to_utf8(strings[i].units, n, buf, cap),
					 -VMT_E_TRUNCATED);
			assert_int_equal(strlen(buf), len);
			assert_memory_equal(buf, text, len);
			assert_int_equal(buf[cap], '#');
		}
	}
	assert_int_equal(vmt_utf16_to_utf8("a", 2, buf, 0), -VMT_E_INVALID);
}

/* What does not fit ends the text: a smaller character behind it would make another text. */
static void nothing_is_stored_after_a_character_that_did_not_fit(void **state)
{
	static const uint16_t units[] = {'a', 0x20ac, 'b'};
	char buf[3];

	(void)state;
	assert_int_equal(vmt_utf16_to_utf8(units, sizeof(units), buf, 3), -VMT_E_TRUNCATED);
	assert_string_equal(buf, "a");
}

FLAT_TEST(a_utf16_string_is_read_up_to_its_nul_at_any_place)
{
	char buf[32];

	for (size_t i = 0; i < COUNT(strings); i++)
		for (uint64_t at = END - 18; at <= END; at++) {
			size_t n = units_in(strings[i].units);

			put(f, at, strings[i].units, 2 * (n + 1));
			assert_int_equal(vmt_read_utf16(s, VMT_PHYS, at, n + 1, buf, sizeof(buf)),
					 strlen(strings[i].text));
			assert_string_equal(buf, strings[i].text);
		}
}

FLAT_TEST(the_page_after_a_utf16_terminator_is_not_touched)
{
	static const uint16_t units[] = {'a', 'b', 0};
	char buf[32];

	f->read_fails[DATA + 1] = VMT_E_NOT_RECORDED;
	put(f, END - 6, units, 6);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END - 6, 1000, buf, sizeof(buf)), 2);
	assert_string_equal(buf, "ab");
	assert_false(f->read_pages & (UINT64_C(1) << (DATA + 1)));
	/* Half of the terminator beyond: then the page is needed. */
	put(f, END - 5, units, 5);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END - 5, 1000, buf, sizeof(buf)),
			 -VMT_E_NOT_RECORDED);
	assert_string_equal(buf, "ab");
}

FLAT_TEST(a_failing_page_leaves_the_characters_before_it_and_no_half_pair)
{
	static const uint16_t units[] = {'a', 0x20ac, 0xd83d};
	char buf[32];

	f->read_fails[DATA + 1] = VMT_E_UNMAPPED;
	put(f, END - 6, units, 6);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END - 6, 1000, buf, sizeof(buf)),
			 -VMT_E_UNMAPPED);
	assert_string_equal(buf, "a\xe2\x82\xac");
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END, 1000, buf, sizeof(buf)), -VMT_E_UNMAPPED);
	assert_string_equal(buf, "");
}

FLAT_TEST(no_more_units_are_read_than_allowed)
{
	static const uint16_t units[] = {'a', 0xd83d, 0xde00, 'b'};
	char buf[32];

	f->read_fails[DATA + 1] = VMT_E_UNMAPPED;
	put(f, END - 8, units, 8);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END - 8, 4, buf, sizeof(buf)),
			 -VMT_E_TRUNCATED);
	assert_string_equal(buf, "a\xf0\x9f\x98\x80"
				 "b");
	assert_int_equal(vmt_error_of(s)->status, VMT_E_TRUNCATED);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END - 8, 2, buf, sizeof(buf)),
			 -VMT_E_TRUNCATED);
	assert_string_equal(buf, "a");
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END, 0, buf, sizeof(buf)), -VMT_E_TRUNCATED);
	assert_string_equal(buf, "");
	assert_false(f->read_pages & (UINT64_C(1) << (DATA + 1)));
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, END, 1, NULL, 0), -VMT_E_INVALID);
}

FLAT_TEST(a_utf16_string_that_just_fits_is_whole)
{
	static const uint16_t units[] = {'a', 0x20ac, 0};
	char buf[8];

	put(f, AT, units, sizeof(units));
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, AT, 3, buf, 5), 4);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, AT, SIZE_MAX, buf, 5), 4);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, AT, 3, buf, 4), -VMT_E_TRUNCATED);
	assert_string_equal(buf, "a");
	/* A lone surrogate before the NUL needs room for its replacement too. */
	put(f, AT, "\0\xd8\0\0", 4);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, AT, 3, buf, 4), 3);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, AT, 3, buf, 3), -VMT_E_TRUNCATED);
	assert_string_equal(buf, "");
}

FLAT_TEST(a_utf16_string_may_be_longer_than_a_page)
{
	static char buf[3 * VMT_PAGE_SIZE];
	uint64_t at = AT + 1;
	size_t n = VMT_PAGE_SIZE;

	memset(f->memory[DATA], 'A', (size_t)4 * VMT_PAGE_SIZE); /* U+4141, three bytes */
	put(f, at + 2 * n, "\0\0", 2);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, at, SIZE_MAX, buf, sizeof(buf)),
			 -VMT_E_TRUNCATED);
	assert_int_equal(strlen(buf), (sizeof(buf) - 1) / 3 * 3);
	n = VMT_PAGE_SIZE - 3;
	put(f, at + 2 * n, "\0\0", 2);
	assert_int_equal(vmt_read_utf16(s, VMT_PHYS, at, SIZE_MAX, buf, sizeof(buf)), 3 * n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_string_is_read_up_to_its_nul),
		cmocka_unit_test(a_string_that_just_fits_is_whole_and_one_byte_more_is_too_long),
		cmocka_unit_test(a_string_may_cross_pages),
		cmocka_unit_test(the_page_after_the_terminator_is_not_touched),
		cmocka_unit_test(a_page_that_fails_leaves_what_came_before),
		cmocka_unit_test(a_string_does_not_wrap_around),
		cmocka_unit_test(utf16_becomes_utf8),
		cmocka_unit_test(an_odd_last_byte_is_ignored),
		cmocka_unit_test(a_nul_is_converted_like_another_character),
		cmocka_unit_test(units_need_not_be_aligned),
		cmocka_unit_test(a_character_is_never_cut_in_half),
		cmocka_unit_test(nothing_is_stored_after_a_character_that_did_not_fit),
		cmocka_unit_test(a_utf16_string_is_read_up_to_its_nul_at_any_place),
		cmocka_unit_test(the_page_after_a_utf16_terminator_is_not_touched),
		cmocka_unit_test(a_failing_page_leaves_the_characters_before_it_and_no_half_pair),
		cmocka_unit_test(no_more_units_are_read_than_allowed),
		cmocka_unit_test(a_utf16_string_that_just_fits_is_whole),
		cmocka_unit_test(a_utf16_string_may_be_longer_than_a_page),
	};

	return cmocka_run_group_tests_name("strings", tests, NULL, NULL);
}
