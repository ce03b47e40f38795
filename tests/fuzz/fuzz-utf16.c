/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * UTF-16 to UTF-8: the first byte is the size of the buffer, the rest the units.
 */
#include <string.h>

#include <vmitape/memory.h>

#include "fuzz.h"

/* How many characters the units stand for, counted without converting them. */
static size_t characters_in(const uint8_t *units, size_t nbytes)
{
	size_t n = 0;
	bool high = false;

	for (size_t i = 0; i + 1 < nbytes; i += 2) {
		bool second = high && (units[i + 1] & 0xfc) == 0xdc;

		high = (units[i + 1] & 0xfc) == 0xd8;
		n += !second;
	}
	return n;
}

/* The length of one well-formed character (Unicode 15, table 3-7), or 0. */
static size_t character_at(const uint8_t *s, size_t len)
{
	static const struct {
		uint8_t first, last, second_first, second_last, len;
	} forms[] = {
		{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2},
		{0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
		{0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
		{0xf4, 0xf4, 0x80, 0x8f, 4},
	};

	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
		if (s[0] < forms[f].first || s[0] > forms[f].last || forms[f].len > len)
			continue;
		if (forms[f].len > 1 &&
		    (s[1] < forms[f].second_first || s[1] > forms[f].second_last))
			return 0;
		for (size_t i = 2; i < forms[f].len; i++)
			if ((s[i] & 0xc0) != 0x80)
				return 0;
		return forms[f].len;
	}
	return 0;
}

static size_t count_characters(const char *text, size_t len)
{
	size_t n = 0, one;

	for (size_t at = 0; at < len; at += one, n++) {
		one = character_at((const uint8_t *)text + at, len - at);
		FUZZ_REQUIRE(one > 0);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t nbytes = size > 0 ? size - 1 : 0, roomy = nbytes / 2 * 3 + 1;
	const size_t cap = size > 0 ? data[0] : 0;
	const uint8_t *units = data + (size > 0);
	char *all = malloc(roomy), *some = malloc(cap > 0 ? cap : 1);
	size_t len, n;
	int r;

	FUZZ_REQUIRE(all && some);
	r = vmt_utf16_to_utf8(units, nbytes, all, roomy);
	FUZZ_REQUIRE(r >= 0 && all[r] == '\0');
	len = (size_t)r;
	FUZZ_REQUIRE(count_characters(all, len) == characters_in(units, nbytes));

	/* In a smaller buffer: the same, up to the last whole character that fits. */
	memset(some, 0xff, cap > 0 ? cap : 1);
	r = vmt_utf16_to_utf8(units, nbytes, some, cap);
	if (cap == 0) {
		FUZZ_REQUIRE(r == -VMT_E_INVALID);
	} else if (len < cap) {
		FUZZ_REQUIRE((size_t)r == len && memcmp(some, all, len + 1) == 0);
	} else {
		FUZZ_REQUIRE(r == -VMT_E_TRUNCATED);
		for (n = cap; n-- > 0 && some[n] != '\0';)
			;
		FUZZ_REQUIRE(n < cap && memcmp(some, all, n) == 0);
		FUZZ_REQUIRE(n + character_at((const uint8_t *)all + n, len - n) >= cap);
	}
	free(all);
	free(some);
	return 0;
}
