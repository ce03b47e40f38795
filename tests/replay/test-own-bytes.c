/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Own bytes: what a handler wrote over the guest's, as of any time, and what stood there before.
 */
#include "support.h"

#include "replay/own-bytes.h"

#define GFN vmt_gfn_from(0x10)

static void write_at(struct vmt_own *own, uint64_t time, uint32_t offset, const char *data,
		     const char *before)
{
	assert_int_equal(vmt_own_write(own, time, GFN, offset, (const uint8_t *)data,
				       (uint32_t)strlen(data), (const uint8_t *)before, NULL),
			 0);
}

/** As of @time, exactly these bytes of the word at @index are own. */
static void assert_own(const struct vmt_own *own, uint64_t time, uint32_t index, uint8_t bits)
{
	const struct vmt_own_word *w = vmt_own_word(own, time, GFN, index);

	if (bits == 0) {
		assert_null(w);
		return;
	}
	assert_non_null(w);
	assert_int_equal(w->own, bits);
}

static void a_page_without_writes_has_nothing_own(void **state)
{
	const struct vmt_own_word *word;
	struct vmt_own own;
	uint64_t gfn = 0;
	uint32_t offset = 0;

	(void)state;
	vmt_own_init(&own, true);
	assert_false(vmt_own_touches(&own, GFN));
	assert_null(vmt_own_word(&own, UINT64_MAX, GFN, 0));
	assert_false(vmt_own_next(&own, UINT64_MAX, &gfn, &offset, &word));
	write_at(&own, 3, 0, "x", "a");
	assert_true(vmt_own_touches(&own, GFN));
	assert_false(vmt_own_touches(&own, vmt_gfn_from(0x11)));
	assert_null(vmt_own_word(&own, UINT64_MAX, vmt_gfn_from(0x11), 0));
	vmt_own_finish(&own);
}

static void a_write_is_own_from_its_time_on_with_what_stood_there_before(void **state)
{
	const struct vmt_own_word *w;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 5, 6, "WXYZ", "abcd");
	assert_own(&own, 4, 0, 0);
	assert_own(&own, 5, 0, 0xc0);
	assert_own(&own, 5, 1, 0x03);
	assert_own(&own, 5, 2, 0);
	w = vmt_own_word(&own, 99, GFN, 0);
	assert_memory_equal(w->now + 6, "WX", 2);
	assert_memory_equal(w->before + 6, "ab", 2);
	assert_int_equal(w->unknown, 0);
	w = vmt_own_word(&own, 99, GFN, 1);
	assert_memory_equal(w->now, "YZ", 2);
	assert_memory_equal(w->before, "cd", 2);
	vmt_own_finish(&own);
}

static void the_last_byte_of_a_page_can_be_own(void **state)
{
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 1, VMT_PAGE_SIZE - 1, "x", "a");
	assert_own(&own, 1, VMT_WORDS_OF_PAGE - 1, 0x80);
	vmt_own_finish(&own);
}

static void a_byte_written_back_is_the_guests_again(void **state)
{
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 3, 0, "XY", "ab");
	write_at(&own, 5, 0, "a", "X");
	assert_own(&own, 4, 0, 0x03);
	assert_own(&own, 5, 0, 0x02);
	write_at(&own, 7, 1, "b", "Y");
	assert_own(&own, 7, 0, 0);
	assert_own(&own, 6, 0, 0x02);
	vmt_own_finish(&own);
}

static void writing_what_stands_there_makes_nothing_own(void **state)
{
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 3, 0, "aXc", "abc");
	assert_own(&own, 3, 0, 0x02);
	vmt_own_finish(&own);
}

static void a_second_write_keeps_the_guests_byte_from_before_the_first(void **state)
{
	const struct vmt_own_word *w;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 3, 0, "X", "a");
	write_at(&own, 5, 0, "Y", "X");
	w = vmt_own_word(&own, 5, GFN, 0);
	assert_int_equal(w->now[0], 'Y');
	assert_int_equal(w->before[0], 'a');
	w = vmt_own_word(&own, 4, GFN, 0);
	assert_int_equal(w->now[0], 'X');
	vmt_own_finish(&own);
}

/* The pre-image is not the handler's byte, so the guest has written in between. */
static void a_byte_that_the_guest_wrote_since_counts_as_the_guests(void **state)
{
	const struct vmt_own_word *w;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 3, 0, "X", "a");
	write_at(&own, 5, 0, "Y", "g");
	w = vmt_own_word(&own, 5, GFN, 0);
	assert_int_equal(w->now[0], 'Y');
	assert_int_equal(w->before[0], 'g');
	write_at(&own, 7, 0, "g", "Y");
	assert_own(&own, 7, 0, 0);
	vmt_own_finish(&own);
}

static void a_write_without_a_pre_image_is_own_over_bytes_not_known(void **state)
{
	const struct vmt_own_word *w;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 3, 0, "XY", NULL);
	w = vmt_own_word(&own, 3, GFN, 0);
	assert_int_equal(w->own, 0x03);
	assert_int_equal(w->unknown, 0x03);
	/* The handler's byte still stands: what is below it is as little known as before. */
	write_at(&own, 5, 0, "Z", "X");
	w = vmt_own_word(&own, 5, GFN, 0);
	assert_int_equal(w->unknown, 0x03);
	/* The guest has written there, so that is known from now on. */
	write_at(&own, 7, 1, "Z", "g");
	w = vmt_own_word(&own, 7, GFN, 0);
	assert_int_equal(w->own, 0x03);
	assert_int_equal(w->unknown, 0x01);
	assert_int_equal(w->before[1], 'g');
	vmt_own_finish(&own);
}

/* The zero that stands for a byte not known must not make a written zero the guest's. */
static void a_zero_over_a_byte_not_known_is_own(void **state)
{
	static const uint8_t zero = 0;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	assert_int_equal(vmt_own_write(&own, 3, GFN, 0, &zero, 1, NULL, NULL), 0);
	assert_own(&own, 3, 0, 0x01);
	vmt_own_finish(&own);
}

static void each_byte_of_a_pre_image_is_known_or_not_by_itself(void **state)
{
	static const uint8_t known[4] = {1, 0, 1, 0};
	const struct vmt_own_word *w;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	assert_int_equal(vmt_own_write(&own, 3, GFN, 6, (const uint8_t *)"XXXX", 4,
				       (const uint8_t *)"aXXd", known),
			 0);
	w = vmt_own_word(&own, 3, GFN, 0);
	assert_int_equal(w->own, 0xc0);
	assert_int_equal(w->unknown, 0x80);
	assert_int_equal(w->before[6], 'a');
	/* Of the next two, the first was an X before, and of the other nothing is known. */
	w = vmt_own_word(&own, 3, GFN, 1);
	assert_int_equal(w->own, 0x02);
	assert_int_equal(w->unknown & w->own, 0x02);
	vmt_own_finish(&own);
}

static void a_history_tells_each_word_as_it_was_at_any_time(void **state)
{
	enum { WRITES = 40 };
	char before[2] = "@";
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	for (uint32_t i = 0; i < WRITES; i++) {
		char data[2] = {(char)('A' + i), '\0'};

		write_at(&own, 2 * i + 1, 8, data, before);
		before[0] = data[0];
	}
	assert_own(&own, 0, 1, 0);
	for (uint32_t i = 0; i < WRITES; i++)
		for (uint32_t time = 2 * i + 1; time < 2 * i + 3; time++) {
			const struct vmt_own_word *w = vmt_own_word(&own, time, GFN, 1);

			assert_non_null(w);
			assert_int_equal(w->now[0], 'A' + i);
			assert_int_equal(w->before[0], '@');
		}
	vmt_own_finish(&own);
}

static void without_history_only_the_newest_write_is_there(void **state)
{
	const struct vmt_own_word *w;
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, false);
	write_at(&own, 0, 0, "X", "a");
	write_at(&own, 0, 0, "Y", "X");
	for (uint64_t time = 0; time < 3; time++) {
		w = vmt_own_word(&own, time, GFN, 0);
		assert_non_null(w);
		assert_int_equal(w->now[0], 'Y');
		assert_int_equal(w->before[0], 'a');
	}
	write_at(&own, 0, 0, "a", "Y");
	assert_own(&own, 0, 0, 0);
	vmt_own_finish(&own);
}

static void a_forgotten_page_has_nothing_own_from_then_on(void **state)
{
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	write_at(&own, 3, 0, "X", "a");
	write_at(&own, 3, 4000, "X", "a");
	assert_int_equal(vmt_own_forget(&own, 6, vmt_gfn_from(0x11)), 0);
	assert_own(&own, 6, 0, 0x01);
	assert_int_equal(vmt_own_forget(&own, 7, GFN), 0);
	assert_own(&own, 6, 0, 0x01);
	assert_own(&own, 7, 0, 0);
	assert_own(&own, 7, 500, 0);
	write_at(&own, 9, 1, "Y", "b");
	assert_own(&own, 9, 0, 0x02);
	vmt_own_finish(&own);
}

static void forgetting_all_reaches_each_page(void **state)
{
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	for (uint64_t gfn = 1; gfn < 2000; gfn += 400)
		assert_int_equal(vmt_own_write(&own, 3, vmt_gfn_from(gfn), 8, (const uint8_t *)"X",
					       1, NULL, NULL),
				 0);
	assert_int_equal(vmt_own_forget_all(&own, 5), 0);
	for (uint64_t gfn = 1; gfn < 2000; gfn += 400) {
		assert_non_null(vmt_own_word(&own, 4, vmt_gfn_from(gfn), 1));
		assert_null(vmt_own_word(&own, 5, vmt_gfn_from(gfn), 1));
	}
	vmt_own_finish(&own);
}

static void each_change_counts_the_generation_up(void **state)
{
	struct vmt_own own;
	uint64_t last;

	(void)state;
	vmt_own_init(&own, false);
	last = own.generation;
	write_at(&own, 0, 0, "X", "a");
	assert_true(own.generation > last);
	last = own.generation;
	vmt_own_forget(&own, 0, GFN);
	assert_true(own.generation > last);
	last = own.generation;
	vmt_own_forget(&own, 0, GFN);
	vmt_own_forget_all(&own, 0);
	assert_int_equal(own.generation, last);
	vmt_own_finish(&own);
}

/** Go over all own bytes as of @time, and compare them with @gpas. */
static void assert_walk(const struct vmt_own *own, uint64_t time, const uint64_t *gpas, size_t n)
{
	const struct vmt_own_word *word;
	uint32_t offset = 0;
	uint64_t gfn = 0;

	for (size_t i = 0; i < n; i++, offset++) {
		assert_true(vmt_own_next(own, time, &gfn, &offset, &word));
		assert_int_equal(gfn * VMT_PAGE_SIZE + offset, gpas[i]);
		assert_ptr_equal(word, vmt_own_word(own, time, vmt_gfn_from(gfn), offset / 8));
	}
	assert_false(vmt_own_next(own, time, &gfn, &offset, &word));
}

static void an_offset_counts_only_in_the_page_it_was_asked_for(void **state)
{
	const struct vmt_own_word *word;
	uint32_t offset = 100;
	struct vmt_own own;
	uint64_t gfn = 3;

	(void)state;
	vmt_own_init(&own, true);
	vmt_own_write(&own, 1, vmt_gfn_from(5), 9, (const uint8_t *)"X", 1, NULL, NULL);
	assert_true(vmt_own_next(&own, 1, &gfn, &offset, &word));
	assert_int_equal(gfn, 5);
	assert_int_equal(offset, 9);
	offset = 10;
	assert_false(vmt_own_next(&own, 1, &gfn, &offset, &word));
	vmt_own_finish(&own);
}

static void own_bytes_are_gone_over_in_the_order_of_their_addresses(void **state)
{
	static const uint64_t late[] = {0x2fff, 0x5007, 0x5008, 0x7000, 0x7ffe, 0x7fff};
	static const uint64_t early[] = {0x7000, 0x7ffe, 0x7fff};
	struct vmt_own own;

	(void)state;
	vmt_own_init(&own, true);
	vmt_own_write(&own, 1, vmt_gfn_from(7), 4094, (const uint8_t *)"XX", 2, NULL, NULL);
	vmt_own_write(&own, 1, vmt_gfn_from(7), 0, (const uint8_t *)"X", 1, NULL, NULL);
	vmt_own_write(&own, 3, vmt_gfn_from(5), 7, (const uint8_t *)"XX", 2, NULL, NULL);
	vmt_own_write(&own, 3, vmt_gfn_from(2), 4095, (const uint8_t *)"X", 1, NULL, NULL);
	/* Of this page nothing is own in the end. */
	vmt_own_write(&own, 3, vmt_gfn_from(4), 0, (const uint8_t *)"X", 1, NULL, NULL);
	vmt_own_forget(&own, 5, vmt_gfn_from(4));
	assert_walk(&own, 0, NULL, 0);
	assert_walk(&own, 1, early, 3);
	assert_walk(&own, 5, late, 6);
	vmt_own_finish(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_without_writes_has_nothing_own),
		cmocka_unit_test(a_write_is_own_from_its_time_on_with_what_stood_there_before),
		cmocka_unit_test(the_last_byte_of_a_page_can_be_own),
		cmocka_unit_test(a_byte_written_back_is_the_guests_again),
		cmocka_unit_test(writing_what_stands_there_makes_nothing_own),
		cmocka_unit_test(a_second_write_keeps_the_guests_byte_from_before_the_first),
		cmocka_unit_test(a_byte_that_the_guest_wrote_since_counts_as_the_guests),
		cmocka_unit_test(a_write_without_a_pre_image_is_own_over_bytes_not_known),
		cmocka_unit_test(a_zero_over_a_byte_not_known_is_own),
		cmocka_unit_test(each_byte_of_a_pre_image_is_known_or_not_by_itself),
		cmocka_unit_test(a_history_tells_each_word_as_it_was_at_any_time),
		cmocka_unit_test(without_history_only_the_newest_write_is_there),
		cmocka_unit_test(a_forgotten_page_has_nothing_own_from_then_on),
		cmocka_unit_test(forgetting_all_reaches_each_page),
		cmocka_unit_test(each_change_counts_the_generation_up),
		cmocka_unit_test(an_offset_counts_only_in_the_page_it_was_asked_for),
		cmocka_unit_test(own_bytes_are_gone_over_in_the_order_of_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
