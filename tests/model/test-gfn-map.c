/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ordered map from gfns to values, held against a plain array.
 */
#include "domain.h"
#include "model/gfn-map.h"

#define SPAN 3000u

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *seed >> 33;
}

static void check_against(const struct vmt_gfn_map *map, const uint32_t *values)
{
	uint64_t gfn = 0;
	size_t n = 0;

	for (uint64_t i = 0; i < SPAN; i++) {
		const uint32_t *v = vmt_gfn_map_get(map, i);

		assert_int_equal(v ? *v : 0, values[i]);
		n += v != NULL;
	}
	assert_int_equal(map->count, n);
	for (uint64_t expected = 0; n > 0; n--, gfn++) {
		const uint32_t *v = vmt_gfn_map_next(map, &gfn);

		while (values[expected] == 0)
			expected++;
		assert_int_equal(gfn, expected);
		assert_int_equal(*v, values[expected]);
		expected++;
	}
	assert_null(vmt_gfn_map_next(map, &gfn));
}

static void it_holds_what_an_array_holds_and_in_order(void **state)
{
	static uint32_t values[SPAN + 1];
	struct vmt_gfn_map map;
	uint64_t seed = 1;

	(void)state;
	vmt_gfn_map_init(&map, sizeof(uint32_t));
	for (unsigned i = 1; i <= 6000; i++) {
		uint64_t gfn = next_random(&seed) % SPAN;

		if (next_random(&seed) % 3 == 0) {
			vmt_gfn_map_remove(&map, gfn);
			values[gfn] = 0;
		} else {
			uint32_t *v = vmt_gfn_map_put(&map, gfn);

			assert_non_null(v);
			assert_int_equal(*v, values[gfn]);
			*v = values[gfn] = i;
		}
		if (i % 500 == 0)
			check_against(&map, values);
	}
	vmt_gfn_map_finish(&map);
	assert_int_equal(map.count, 0);
	assert_null(vmt_gfn_map_get(&map, 5));
}

static void it_takes_the_largest_numbers_and_no_value(void **state)
{
	struct vmt_gfn_map map;
	uint64_t gfn = 1;

	(void)state;
	vmt_gfn_map_init(&map, 0);
	assert_non_null(vmt_gfn_map_put(&map, UINT64_MAX));
	assert_non_null(vmt_gfn_map_put(&map, 0));
	assert_non_null(vmt_gfn_map_put(&map, UINT64_MAX - 1));
	assert_non_null(vmt_gfn_map_get(&map, UINT64_MAX));
	assert_non_null(vmt_gfn_map_next(&map, &gfn));
	assert_int_equal(gfn, UINT64_MAX - 1);
	vmt_gfn_map_remove(&map, UINT64_MAX - 1);
	assert_non_null(vmt_gfn_map_next(&map, &gfn));
	assert_int_equal(gfn, UINT64_MAX);
	vmt_gfn_map_remove(&map, 7); /* was not there */
	assert_int_equal(map.count, 2);
	vmt_gfn_map_finish(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_holds_what_an_array_holds_and_in_order),
		cmocka_unit_test(it_takes_the_largest_numbers_and_no_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
