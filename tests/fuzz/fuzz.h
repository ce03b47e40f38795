/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fuzz target is one function, as libFuzzer calls it; main.c feeds it where there is no libFuzzer.
 */
#ifndef VMT_TESTS_FUZZ_FUZZ_H
#define VMT_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/** Take one input. Returns 0; what must not happen ends the program. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** What must hold for each input. As assert(), but there in each build. */
#define FUZZ_REQUIRE(condition)   \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#endif /* VMT_TESTS_FUZZ_FUZZ_H */
