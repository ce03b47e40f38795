/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages as the guest meets them: rights and bytes of a view, whether the handler wrote to the page
 * or shows a copy in its place.
 */
#include "sides.h"

static struct vmt_met_page meet(struct one *one, vmt_view view, uint64_t gfn)
{
	struct vmt_met_page met;

	vmt_met_page(&one->meets, view, vmt_gfn_from(gfn), &met);
	return met;
}

/** Is the byte the handler's, and then this one? -1: it is the guest's. */
static int byte_at(struct one *one, vmt_view view, uint64_t gfn, uint32_t offset)
{
	struct vmt_met_page met = meet(one, view, gfn);
	uint8_t byte = 0;

	return vmt_met_byte(&met, offset, &byte) ? byte : -1;
}

static bool changed(struct one *one, vmt_view view, uint64_t gfn)
{
	struct vmt_met_page met = meet(one, view, gfn);

	return vmt_met_changed(&met);
}

static void a_page_that_was_left_alone_shows_itself_with_all_rights(void **state)
{
	struct both *b = *state;
	struct vmt_met_page met = meet(&b->replayed, 0, 5);

	assert_true(met.there);
	assert_int_equal(met.page.n, 5);
	assert_int_equal(met.access.rights, VMT_RWX);
	assert_null(met.shadow);
	assert_false(vmt_met_changed(&met));
	assert_int_equal(byte_at(&b->replayed, 0, 5, 0x10), -1);
}

static void a_page_beyond_the_guests_memory_is_not_there(void **state)
{
	struct both *b = *state;

	assert_true(meet(&b->replayed, 0, MAX_GFN).there);
	assert_false(meet(&b->replayed, 0, MAX_GFN + 1).there);
}

static void rights_are_those_of_the_view_that_is_asked_for(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	set_rights(&b->replayed, view, 5, VMT_RX);
	assert_int_equal(meet(&b->replayed, view, 5).access.rights, VMT_RX);
	assert_int_equal(meet(&b->replayed, view, 6).access.rights, VMT_RWX);
	assert_int_equal(meet(&b->replayed, 0, 5).access.rights, VMT_RWX);
}

static void a_written_byte_is_met_in_each_view_that_shows_the_page(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	put_byte(&b->replayed, 5, 0x10, VMT_INT3, 0x90);
	assert_int_equal(byte_at(&b->replayed, 0, 5, 0x10), VMT_INT3);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x10), VMT_INT3);
	assert_int_equal(byte_at(&b->replayed, 0, 5, 0x11), -1);
	assert_int_equal(byte_at(&b->replayed, 0, 6, 0x10), -1);
	assert_true(changed(&b->replayed, view, 5));
}

static void a_recorded_byte_is_met_only_from_when_it_was_written(void **state)
{
	struct both *b = *state;

	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	assert_int_equal(byte_at(&b->recorded, 0, 5, 0x10), VMT_INT3);
	b->recorded.meets.time = 1;
	assert_int_equal(byte_at(&b->recorded, 0, 5, 0x10), -1);
}

/* All of the copy was written by the handler; only what differs from the page is its own. */
static void of_a_copy_only_what_differs_from_the_page_is_the_handlers(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	put_shadow(&b->replayed, view, 5, 0x90, 0x10, VMT_INT3);
	assert_non_null(meet(&b->replayed, view, 5).shadow);
	assert_int_not_equal(meet(&b->replayed, view, 5).page.n, 5);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x10), VMT_INT3);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x11), -1);
	assert_true(changed(&b->replayed, view, 5));
	assert_int_equal(byte_at(&b->replayed, 0, 5, 0x10), -1);
	assert_false(changed(&b->replayed, 0, 5));
}

static void a_byte_of_a_copy_need_not_be_a_breakpoint_and_is_in_its_page_only(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	put_shadow(&b->replayed, view, 5, 0x90, 0x10, 0x11);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x10), 0x11);
	assert_int_equal(meet(&b->replayed, view, 4).page.n, 4);
	assert_int_equal(byte_at(&b->replayed, view, 4, 0x10), -1);
}

static void a_copy_hides_what_was_written_to_the_page(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	put_shadow(&b->replayed, view, 5, 0x90, 0x10, VMT_INT3);
	put_byte(&b->replayed, 5, 0x20, 0x11, 0x90);
	assert_int_equal(byte_at(&b->replayed, 0, 5, 0x20), 0x11);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x20), -1);
}

static void of_a_copy_of_bytes_not_known_only_a_breakpoint_is_surely_not_the_guests(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	put_shadow(&b->replayed, view, 5, 0x90, 0x10, VMT_INT3);
	memset(b->replayed.shadows.v[0]->known, 0, VMT_PAGE_SIZE);
	memset(b->replayed.shadows.v[0]->bytes, 0, VMT_PAGE_SIZE);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x10), VMT_INT3);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x11), -1);
}

static void a_page_of_the_guests_shown_elsewhere_is_no_copy(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);
	struct vmt_met_page met;

	assert_int_equal(vmt_model_remap_gfn(b->replayed.side.model, view, vmt_gfn_from(5),
					     vmt_gfn_from(7), NULL),
			 0);
	put_byte(&b->replayed, 7, 0x10, 0x11, 0x90);
	met = meet(&b->replayed, view, 5);
	assert_int_equal(met.page.n, 7);
	assert_null(met.shadow);
	assert_int_equal(byte_at(&b->replayed, view, 5, 0x10), 0x11);
	assert_int_equal(byte_at(&b->replayed, 0, 5, 0x10), -1);
}

static void put(struct vmt_shadows *shadows, vmt_view view, uint64_t gfn, uint8_t fill)
{
	struct vmt_answer *answer = calloc(1, sizeof(*answer));

	assert_non_null(answer);
	memset(answer->bytes, fill, VMT_PAGE_SIZE);
	memset(answer->from, VMT_FROM_EXACT, VMT_PAGE_SIZE);
	answer->from[1] = VMT_FROM_NOWHERE;
	assert_int_equal(vmt_shadows_put(shadows, view, vmt_gfn_from(gfn), answer), 0);
	free(answer);
}

static void copies_are_kept_by_view_and_page_and_dropped_one_by_one(void **state)
{
	struct vmt_shadows s = {0};

	(void)state;
	for (uint64_t gfn = 0; gfn < 20; gfn++)
		put(&s, 1, gfn, (uint8_t)gfn);
	put(&s, 2, 3, 0x77);
	assert_int_equal(s.n, 21);
	put(&s, 1, 3, 0x33);
	assert_int_equal(s.n, 21);
	assert_int_equal(s.v[3]->bytes[0], 0x33);
	assert_int_equal(s.v[3]->known[0], 1);
	assert_int_equal(s.v[3]->known[1], 0);
	vmt_shadows_drop(&s, 1, vmt_gfn_from(99));
	assert_int_equal(s.n, 21);
	vmt_shadows_drop(&s, 1, vmt_gfn_from(3));
	assert_int_equal(s.n, 20);
	for (size_t i = 0; i < s.n; i++)
		assert_true(s.v[i]->gfn != 3 || s.v[i]->view == 2);
	vmt_shadows_finish(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_sides, tear_down_sides)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_page_that_was_left_alone_shows_itself_with_all_rights),
		TEST(a_page_beyond_the_guests_memory_is_not_there),
		TEST(rights_are_those_of_the_view_that_is_asked_for),
		TEST(a_written_byte_is_met_in_each_view_that_shows_the_page),
		TEST(a_recorded_byte_is_met_only_from_when_it_was_written),
		TEST(of_a_copy_only_what_differs_from_the_page_is_the_handlers),
		TEST(a_byte_of_a_copy_need_not_be_a_breakpoint_and_is_in_its_page_only),
		TEST(a_copy_hides_what_was_written_to_the_page),
		TEST(of_a_copy_of_bytes_not_known_only_a_breakpoint_is_surely_not_the_guests),
		TEST(a_page_of_the_guests_shown_elsewhere_is_no_copy),
		TEST(copies_are_kept_by_view_and_page_and_dropped_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
