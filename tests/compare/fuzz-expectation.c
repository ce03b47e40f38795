/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Expectations out of any bytes: refused or read, and then equal to themselves.
 *
 * Most random bytes fail at the first letter; so the input chooses and damages pieces of lines.
 */
#include <vmitape/compare.h>

#include "../fuzz/fuzz.h"

static const char first_line[] =
	"{\"expectation\":1,\"trace\":\"00\",\"handler\":\"h\",\"version\":\"1\",\"schemas\":[{\"name\":"
	"\"s\",\"fields\":[{\"name\":\"a\",\"type\":\"u64\",\"role\":\"key\"},{\"name\":\"b\","
	"\"type\":\"text\"},{\"name\":\"c\",\"type\":\"bytes\",\"role\":\"ignore\"}]}]}\n";

static const char *const pieces[] = {
	first_line,
	"{\"callback\":1,\"callback_kind\":2,\"now\":5,\"reason\":2,\"vcpu\":0,\"rip\":\"0x10\",",
	"\"kind\":\"emission\",",
	"\"kind\":\"output\",",
	"\"name\":\"s\",",
	"\"fields\":{\"a\":1,\"b\":\"x\",\"c\":\"00\"}}\n",
	"\"fields\":{\"a\":\"18446744073709551615\",\"b\":{\"bytes\":\"ff\"},\"c\":\"\"}}\n",
	"{\"callback\":2,\"kind\":\"failure\"}\n",
	"{\"end\":\"finished\"}\n",
	"{",
	"}",
	"\n",
	"\"",
	"[[[[",
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

/** Append @piece when there is room. */
static size_t append(char *text, size_t len, size_t cap, const char *piece)
{
	for (; *piece && len < cap; piece++)
		text[len++] = *piece;
	return len;
}

/** Bytes choose pieces; large ones damage a letter of what they chose. */
static size_t build(const uint8_t *data, size_t size, char *text, size_t cap)
{
	size_t len = 0;

	if (size > 0 && data[0] % 8 != 0)
		len = append(text, 0, cap, first_line);
	for (size_t i = 0; i < size && len < cap; i++) {
		const size_t before = len;

		len = append(text, len, cap, pieces[(data[i] >> 1) % PIECES]);
		if (data[i] >= 250 && len > before)
			text[before + data[i] % (len - before)] = (char)data[(i + 1) % size];
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[65536];
	const size_t len = build(data, size, text, sizeof(text));
	struct vmt_expectation x;
	struct vmt_error err = {0};
	struct vmt_comparison *c = NULL;
	size_t n;
	int r = vmt_expectation_init(&x, text, len, &err);

	FUZZ_REQUIRE((r < 0) == (err.status != VMT_OK));
	if (r == 0) {
		FUZZ_REQUIRE(vmt_compare(x.run, x.run, VMT_COMPARE_SAID, &c, &err) == 0);
		vmt_comparison_differences(c, &n);
		FUZZ_REQUIRE(n == 0);
	}
	vmt_comparison_destroy(c);
	vmt_expectation_finish(&x);
	r = vmt_expectation_init(&x, (const char *)data, size, &err);
	FUZZ_REQUIRE(r <= 0);
	vmt_expectation_finish(&x);
	return 0;
}
