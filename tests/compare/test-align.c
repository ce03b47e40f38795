/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Alignment of rows: what is paired is equal and in order, little is missed, and nothing is slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare/align.h"

static uint64_t next(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

/** Align, check that pairs are equal and rise, and return how many there are. */
static size_t align(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, uint32_t *partner)
{
	struct vmt_error err = {0};
	size_t pairs = 0;
	uint32_t after = 0;

	assert_int_equal(vmt_align(a, na, b, nb, partner, &err), 0);
	for (size_t i = 0; i < na; i++) {
		if (partner[i] == VMT_ALIGN_NONE)
			continue;
		assert_in_range(partner[i], after, nb - 1);
		assert_true(a[i] == b[partner[i]]);
		after = partner[i] + 1;
		pairs++;
	}
	return pairs;
}

static void equal_rows_are_paired_whole(void **state)
{
	const uint64_t a[] = {1, 1, 2, 3, 1, 1};
	uint32_t partner[6];

	(void)state;
	assert_int_equal(align(a, 6, a, 6, partner), 6);
	assert_int_equal(partner[4], 4);
}

static void an_empty_row_has_no_pairs(void **state)
{
	const uint64_t a[] = {1, 2};
	uint32_t partner[2];

	(void)state;
	assert_int_equal(align(a, 2, a, 0, partner), 0);
	assert_int_equal(align(a, 0, a, 2, partner), 0);
}

static void what_one_row_lacks_does_not_shift_the_rest(void **state)
{
	const uint64_t a[] = {1, 2, 3, 4, 5, 6};
	const uint64_t b[] = {1, 2, 9, 4, 8, 5, 6};
	const uint32_t wanted[] = {0, 1, VMT_ALIGN_NONE, 3, 5, 6};
	uint32_t partner[6];

	(void)state;
	assert_int_equal(align(a, 6, b, 7, partner), 5);
	assert_memory_equal(partner, wanted, sizeof(wanted));
}

static void numbers_that_are_alike_nowhere_are_not_paired(void **state)
{
	const uint64_t a[] = {1, 2, 3};
	const uint64_t b[] = {4, 5, 6, 7};
	uint32_t partner[3];

	(void)state;
	assert_int_equal(align(a, 3, b, 4, partner), 0);
}

static bool share(const uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
	for (size_t i = 0; i < na; i++)
		for (size_t j = 0; j < nb; j++)
			if (a[i] == b[j])
				return true;
	return false;
}

static void between_two_pairs_nothing_is_left_to_pair(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 5000; round++) {
		uint64_t a[64];
		uint64_t b[64];
		uint32_t partner[64];
		const uint64_t letters = 2 + next(&seed) % 30;
		const size_t na = next(&seed) % 64;
		const size_t nb = next(&seed) % 64;
		size_t i = 0;
		size_t j = 0;

		for (size_t k = 0; k < na; k++)
			a[k] = next(&seed) % letters;
		for (size_t k = 0; k < nb; k++)
			b[k] = next(&seed) % letters;
		align(a, na, b, nb, partner);
		for (size_t k = 0; k <= na; k++) {
			const size_t end = k == na ? nb : partner[k];

			if (end == VMT_ALIGN_NONE)
				continue;
			assert_false(share(a + i, k - i, b + j, end - j));
			i = k + 1;
			j = end + 1;
		}
	}
}

static void random_edits_of_a_row_are_found(void **state)
{
	enum { N = 20000 };
	uint64_t *a = malloc(2 * (size_t)N * sizeof(*a));
	uint64_t *b = malloc(2 * (size_t)N * sizeof(*b));
	uint32_t *partner = malloc(2 * (size_t)N * sizeof(*partner));
	uint64_t seed = 3;
	size_t kept = 0;
	size_t nb = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		a[i] = next(&seed) % 50;
		if (next(&seed) % 100 == 0)
			continue;
		b[nb++] = a[i];
		kept++;
		if (next(&seed) % 100 == 0)
			b[nb++] = 1000 + i;
	}
	assert_true(align(a, N, b, nb, partner) >= kept);
	free(a);
	free(b);
	free(partner);
}

/** Rows that share much and agree in nothing: without a bound this takes hours. */
static void hostile_rows_end_soon(void **state)
{
	enum { N = 50000 };
	uint64_t *a = malloc(N * sizeof(*a));
	uint64_t *b = malloc(N * sizeof(*b));
	uint32_t *partner = malloc(N * sizeof(*partner));
	uint64_t seed = 5;

	(void)state;
	for (uint64_t letters = 2; letters <= 2000; letters *= 31) {
		for (size_t i = 0; i < N; i++) {
			a[i] = next(&seed) % letters;
			b[i] = next(&seed) % letters;
		}
		assert_true(align(a, N, b, N, partner) > 0);
	}
	for (size_t i = 0; i < N; i++) {
		a[i] = i;
		b[i] = N - i;
	}
	assert_int_equal(align(a, N, b, N, partner), 1);
	for (size_t i = 0; i < N; i++)
		b[i] = a[i] = i < N / 2;
	for (size_t i = 0; i < N; i++)
		b[i] = !a[i];
	assert_int_equal(align(a, N, b, N, partner), N / 2);
	free(a);
	free(b);
	free(partner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_rows_are_paired_whole),
		cmocka_unit_test(an_empty_row_has_no_pairs),
		cmocka_unit_test(what_one_row_lacks_does_not_shift_the_rest),
		cmocka_unit_test(numbers_that_are_alike_nowhere_are_not_paired),
		cmocka_unit_test(between_two_pairs_nothing_is_left_to_pair),
		cmocka_unit_test(random_edits_of_a_row_are_found),
		cmocka_unit_test(hostile_rows_end_soon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
