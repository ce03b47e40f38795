/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells vmt_skip_length() of each line that it reads: "64 0f0108" gives 3. For test-skip-lengths.py.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/skip-length.h"

int main(void)
{
	char line[80];

	while (fgets(line, sizeof(line), stdin)) {
		char *at, pair[3] = "";
		const unsigned long mode = strtoul(line, &at, 10);
		uint8_t code[32];
		size_t n = 0;

		for (at++; isxdigit((unsigned char)at[0]) && n < sizeof(code); at += 2) {
			pair[0] = at[0];
			pair[1] = at[1];
			code[n++] = (uint8_t)strtoul(pair, NULL, 16);
		}
		printf("%u\n", vmt_skip_length(code, n, mode == 16, mode == 64));
	}
	return 0;
}
