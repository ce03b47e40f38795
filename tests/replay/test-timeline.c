/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The timeline: observations by page, found by time, with equal inline bytes stored once.
 */
#include "support.h"

#include "replay/timeline.h"

static void add(struct vmt_timeline *t, uint64_t gfn, uint64_t time, uint16_t offset, uint16_t len,
		const void *bytes)
{
	struct vmt_seen seen = {.time = time, .moment = time / 10, .offset = offset, .len = len};

	assert_int_equal(vmt_timeline_add(t, vmt_gfn_from(gfn), &seen, bytes), 0);
}

static const struct vmt_page_line *line_of(const struct vmt_timeline *t, uint64_t gfn)
{
	const struct vmt_page_line *line = vmt_timeline_of(t, vmt_gfn_from(gfn));

	assert_non_null(line);
	return line;
}

static void a_page_that_was_never_seen_has_no_line(void **state)
{
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	assert_null(vmt_timeline_of(&t, vmt_gfn_from(5)));
	add(&t, 5, 2, 0, 4, "abcd");
	assert_null(vmt_timeline_of(&t, vmt_gfn_from(4)));
	assert_null(vmt_timeline_of(&t, vmt_gfn_from(6)));
	assert_int_equal(line_of(&t, 5)->n, 1);
	vmt_timeline_finish(&t);
}

static void an_observation_is_kept_as_it_was_given(void **state)
{
	struct vmt_seen page = {.time = 8, .moment = 3, .bytes = 77, .flags = VMT_SEEN_PRIVATE};
	struct vmt_seen none = {.time = 9, .moment = 4, .flags = VMT_SEEN_ABSENT};
	const struct vmt_page_line *line;
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	assert_int_equal(vmt_timeline_add(&t, vmt_gfn_from(1), &page, NULL), 0);
	assert_int_equal(vmt_timeline_add(&t, vmt_gfn_from(1), &none, NULL), 0);
	line = line_of(&t, 1);
	assert_int_equal(line->n, 2);
	assert_memory_equal(&line->v[0], &page, sizeof(page));
	assert_memory_equal(&line->v[1], &none, sizeof(none));
	assert_int_equal(t.stored, 0);
	vmt_timeline_finish(&t);
}

static void inline_bytes_are_copied_and_marked(void **state)
{
	char bytes[] = "wxyz";
	const struct vmt_seen *seen;
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	add(&t, 1, 2, 16, 4, bytes);
	bytes[0] = '-';
	seen = &line_of(&t, 1)->v[0];
	assert_int_equal(seen->flags, VMT_SEEN_INLINE);
	assert_int_equal(seen->offset, 16);
	assert_int_equal(seen->len, 4);
	assert_memory_equal(t.store + seen->bytes, "wxyz", 4);
	vmt_timeline_finish(&t);
}

static void a_whole_page_given_inline_keeps_all_its_bytes(void **state)
{
	uint8_t page[VMT_PAGE_SIZE];
	struct vmt_timeline t;

	(void)state;
	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = (uint8_t)(i * 7 + i / 256);
	vmt_timeline_init(&t);
	add(&t, 1, 2, 0, 0, page);
	add(&t, 1, 3, 0, 0, page);
	assert_int_equal(t.stored, VMT_PAGE_SIZE);
	assert_memory_equal(t.store + line_of(&t, 1)->v[0].bytes, page, sizeof(page));
	page[VMT_PAGE_SIZE - 1] ^= 1;
	add(&t, 1, 4, 0, 0, page);
	assert_int_equal(t.stored, 2 * VMT_PAGE_SIZE);
	assert_memory_equal(t.store + line_of(&t, 1)->v[2].bytes, page, sizeof(page));
	vmt_timeline_finish(&t);
}

static void bytes_that_the_page_showed_last_are_stored_once(void **state)
{
	const struct vmt_page_line *line;
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	add(&t, 1, 2, 8, 4, "same");
	add(&t, 1, 4, 8, 4, "same");
	add(&t, 1, 6, 8, 4, "same");
	line = line_of(&t, 1);
	assert_int_equal(line->n, 3);
	assert_int_equal(t.stored, 4);
	assert_int_equal(line->v[1].bytes, line->v[0].bytes);
	assert_int_equal(line->v[2].bytes, line->v[0].bytes);
	assert_int_equal(line->v[2].flags, VMT_SEEN_INLINE);
	assert_int_equal(line->v[2].time, 6);
	vmt_timeline_finish(&t);
}

static void bytes_at_another_place_or_of_another_length_are_stored_again(void **state)
{
	const struct vmt_page_line *line;
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	add(&t, 1, 2, 8, 4, "same");
	add(&t, 1, 4, 9, 4, "same");
	add(&t, 1, 6, 9, 3, "sam");
	add(&t, 1, 8, 9, 3, "sum");
	line = line_of(&t, 1);
	assert_int_equal(t.stored, 4 + 4 + 3 + 3);
	assert_memory_equal(t.store + line->v[1].bytes, "same", 4);
	assert_memory_equal(t.store + line->v[2].bytes, "sam", 3);
	assert_memory_equal(t.store + line->v[3].bytes, "sum", 3);
	vmt_timeline_finish(&t);
}

/* The id of a page of the trace must not be taken for a place in the store. */
static void a_stored_page_is_never_taken_for_inline_bytes(void **state)
{
	struct vmt_seen page = {.time = 4, .bytes = 0, .offset = 8, .len = 4};
	const struct vmt_page_line *line;
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	add(&t, 1, 2, 8, 4, "same");
	assert_int_equal(vmt_timeline_add(&t, vmt_gfn_from(1), &page, NULL), 0);
	add(&t, 1, 6, 8, 4, "same");
	line = line_of(&t, 1);
	assert_int_equal(line->v[1].flags, 0);
	assert_int_equal(line->v[2].bytes, 4);
	assert_int_equal(t.stored, 8);
	vmt_timeline_finish(&t);
}

static void a_line_tells_how_many_are_at_or_before_a_time(void **state)
{
	struct vmt_page_line empty = {0};
	const struct vmt_page_line *line;
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	add(&t, 1, 4, 0, 1, "a");
	add(&t, 1, 8, 0, 1, "b");
	add(&t, 1, 8, 1, 1, "c");
	add(&t, 1, 20, 0, 1, "d");
	line = line_of(&t, 1);
	assert_int_equal(vmt_line_until(&empty, UINT64_MAX), 0);
	assert_int_equal(vmt_line_until(line, 0), 0);
	assert_int_equal(vmt_line_until(line, 3), 0);
	assert_int_equal(vmt_line_until(line, 4), 1);
	assert_int_equal(vmt_line_until(line, 7), 1);
	assert_int_equal(vmt_line_until(line, 8), 3);
	assert_int_equal(vmt_line_until(line, 19), 3);
	assert_int_equal(vmt_line_until(line, 20), 4);
	assert_int_equal(vmt_line_until(line, UINT64_MAX), 4);
	vmt_timeline_finish(&t);
}

/* Enough pages and bytes that lines, map and store have to move as they grow. */
static void many_pages_keep_their_own_observations_apart(void **state)
{
	enum { PAGES = 700, ROUNDS = 12 };
	struct vmt_timeline t;

	(void)state;
	vmt_timeline_init(&t);
	for (uint64_t round = 0; round < ROUNDS; round++)
		for (uint64_t p = 0; p < PAGES; p++) {
			uint64_t bytes[2] = {p, round};

			add(&t, p * 3, round * PAGES + p, 0, sizeof(bytes), bytes);
		}
	for (uint64_t p = 0; p < PAGES; p++) {
		const struct vmt_page_line *line = line_of(&t, p * 3);

		assert_int_equal(line->n, ROUNDS);
		for (uint64_t round = 0; round < ROUNDS; round++) {
			uint64_t bytes[2] = {p, round};

			assert_int_equal(line->v[round].time, round * PAGES + p);
			assert_memory_equal(t.store + line->v[round].bytes, bytes, sizeof(bytes));
		}
	}
	vmt_timeline_finish(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_that_was_never_seen_has_no_line),
		cmocka_unit_test(an_observation_is_kept_as_it_was_given),
		cmocka_unit_test(inline_bytes_are_copied_and_marked),
		cmocka_unit_test(a_whole_page_given_inline_keeps_all_its_bytes),
		cmocka_unit_test(bytes_that_the_page_showed_last_are_stored_once),
		cmocka_unit_test(bytes_at_another_place_or_of_another_length_are_stored_again),
		cmocka_unit_test(a_stored_page_is_never_taken_for_inline_bytes),
		cmocka_unit_test(a_line_tells_how_many_are_at_or_before_a_time),
		cmocka_unit_test(many_pages_keep_their_own_observations_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
