/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The comparison of runs: each kind of difference, and what is none.
 */
#include "support.h"

/** The only difference between @a and @b, which must be of this change and kind. */
static const struct vmt_difference_item *only(const struct vmt_comparison *c,
					      enum vmt_change change, enum vmt_compare_kind kind)
{
	size_t n;
	const struct vmt_difference_item *d = vmt_comparison_differences(c, &n);

	assert_int_equal(n, 1);
	assert_int_equal(d->change, change);
	assert_int_equal((d->from ? d->from : d->to)->kind, kind);
	assert_int_equal(vmt_comparison_count(c, kind, change), 1);
	return d;
}

static void finish(struct vmt_comparison *c, struct vmt_compare_run *a, struct vmt_compare_run *b)
{
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(a);
	vmt_compare_run_destroy(b);
}

static void equal_runs_do_not_differ(void **state)
{
	struct vmt_compare_run *runs[2] = {new_run(), new_run()};
	struct vmt_comparison *c;
	size_t n;

	(void)state;
	for (int i = 0; i < 2; i++) {
		add_event(runs[i], 1, 0x1000);
		add_opened(runs[i], 17, "/etc/passwd", 5);
		add_event(runs[i], 2, 0x2000);
	}
	c = compare(runs[0], runs[1]);
	assert_null(vmt_comparison_differences(c, &n));
	assert_int_equal(n, 0);
	assert_int_equal(vmt_comparison_same(c, VMT_COMPARE_EVENT), 2);
	assert_int_equal(vmt_comparison_same(c, VMT_COMPARE_EMISSION), 1);
	assert_int_equal(vmt_comparison_callbacks(c).aligned, 2);
	finish(c, runs[0], runs[1]);
}

static void empty_runs_do_not_differ(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c = compare(a, b);
	size_t n;

	(void)state;
	assert_null(vmt_comparison_differences(c, &n));
	finish(c, a, b);
}

static void a_field_with_another_value_is_changed_under_its_key(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;

	(void)state;
	add_event(a, 1, 0x1000);
	add_opened(a, 17, "/a", 5);
	add_opened(a, 18, "/b", 5);
	add_event(b, 1, 0x1000);
	add_opened(b, 18, "/b", 5);
	add_opened(b, 17, "/c", 5);
	c = compare(a, b);
	d = only(c, VMT_CHANGED, VMT_COMPARE_EMISSION);
	assert_int_equal(d->nfields, 1);
	assert_string_equal(d->fields[0].name, "path");
	assert_memory_equal(d->fields[0].from->v.p, "/a", 2);
	assert_memory_equal(d->fields[0].to->v.p, "/c", 2);
	assert_int_equal(vmt_comparison_same(c, VMT_COMPARE_EMISSION), 1);
	finish(c, a, b);
}

static void a_field_that_is_ignored_makes_no_difference(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	size_t n;

	(void)state;
	add_event(a, 1, 0x1000);
	add_opened(a, 17, "/a", 5);
	add_event(b, 1, 0x1000);
	add_opened(b, 17, "/a", 6);
	c = compare(a, b);
	assert_null(vmt_comparison_differences(c, &n));
	finish(c, a, b);
}

static void fields_are_ignored_by_name_too(void **state)
{
	const char *const ignore[] = {"opened.path", "n"};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	size_t n;

	(void)state;
	vmt_compare_run_ignore(a, ignore, 2);
	vmt_compare_run_ignore(b, ignore, 2);
	add_event(a, 1, 0x1000);
	add_opened(a, 17, "/a", 5);
	add_tick(a, 1);
	add_event(b, 1, 0x1000);
	add_opened(b, 17, "/b", 5);
	add_tick(b, 2);
	c = compare(a, b);
	assert_null(vmt_comparison_differences(c, &n));
	finish(c, a, b);
}

static void another_key_is_another_record(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;
	size_t n;

	(void)state;
	add_event(a, 1, 0x1000);
	add_opened(a, 17, "/a", 5);
	add_event(b, 1, 0x1000);
	add_opened(b, 18, "/a", 5);
	c = compare(a, b);
	d = vmt_comparison_differences(c, &n);
	assert_int_equal(n, 2);
	assert_int_equal(d[0].change, VMT_REMOVED);
	assert_int_equal(d[1].change, VMT_ADDED);
	finish(c, a, b);
}

static void records_without_keys_are_paired_by_content_before_they_are_changed(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;

	(void)state;
	add_event(a, 1, 0x1000);
	for (uint64_t n = 1; n <= 4; n++)
		add_tick(a, n);
	add_event(b, 1, 0x1000);
	for (uint64_t n = 2; n <= 4; n++)
		add_tick(b, n);
	c = compare(a, b);
	d = only(c, VMT_REMOVED, VMT_COMPARE_EMISSION);
	assert_int_equal(d->from->fields[0].value.v.u, 1);
	finish(c, a, b);
}

static void an_event_that_is_missing_does_not_shift_those_after_it(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;
	uint64_t number = 1;

	(void)state;
	for (uint64_t i = 1; i <= 20; i++) {
		add_event(a, i, 0x1000 * i);
		add_tick(a, i);
		if (i == 7)
			continue;
		add_event(b, number++, 0x1000 * i);
		add_tick(b, i);
	}
	c = compare(a, b);
	d = vmt_comparison_differences(c, &(size_t){0});
	assert_int_equal(vmt_comparison_count(c, VMT_COMPARE_EVENT, VMT_REMOVED), 1);
	assert_int_equal(vmt_comparison_count(c, VMT_COMPARE_EMISSION, VMT_REMOVED), 1);
	assert_int_equal(vmt_comparison_same(c, VMT_COMPARE_EMISSION), 19);
	assert_int_equal(d->from->place->rip, 0x7000);
	assert_int_equal(vmt_comparison_callbacks(c).only_from, 1);
	finish(c, a, b);
}

static void an_event_at_another_place_is_changed_when_nothing_fits_better(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;

	(void)state;
	for (uint64_t i = 1; i <= 5; i++) {
		add_event(a, i, 0x1000 * i);
		add_event(b, i, i == 3 ? 0x3333 : 0x1000 * i);
	}
	c = compare(a, b);
	d = only(c, VMT_CHANGED, VMT_COMPARE_EVENT);
	assert_string_equal(d->fields[0].name, "regs.rip");
	finish(c, a, b);
}

static void what_stands_in_another_callback_was_moved(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;

	(void)state;
	for (uint64_t i = 1; i <= 3; i++) {
		add_event(a, i, 0x1000 * i);
		if (i == 1)
			add_opened(a, 17, "/a", 1);
		add_event(b, i, 0x1000 * i);
		if (i == 3)
			add_opened(b, 17, "/a", 2);
	}
	c = compare(a, b);
	d = only(c, VMT_MOVED, VMT_COMPARE_EMISSION);
	assert_int_equal(d->from->place->callback, 1);
	assert_int_equal(d->to->place->callback, 3);
	finish(c, a, b);
}

static void another_order_in_one_callback_makes_no_difference(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	size_t n;

	(void)state;
	add_event(a, 1, 0x1000);
	add_tick(a, 1);
	add_tick(a, 2);
	add_event(b, 1, 0x1000);
	add_tick(b, 2);
	add_tick(b, 1);
	c = compare(a, b);
	assert_null(vmt_comparison_differences(c, &n));
	finish(c, a, b);
}

static void a_schema_of_a_later_version_is_compared_by_field_names(void **state)
{
	static const struct vmt_field fields[] = {
		{"at", VMT_U64, VMT_IGNORE},
		{"path", VMT_TEXT, 0},
		{"mode", VMT_U64, 0},
		{"pid", VMT_U64, VMT_KEY},
	};
	static const struct vmt_schema later = VMT_SCHEMA("opened", fields);
	const struct vmt_value values[] = {vmt_u64(9), vmt_text("/a"), vmt_u64(7), vmt_u64(17)};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	const struct vmt_difference_item *d;
	struct vmt_comparison *c;

	(void)state;
	add_event(a, 1, 0x1000);
	add_opened(a, 17, "/a", 5);
	add_event(b, 1, 0x1000);
	assert_int_equal(vmt_compare_run_record(b, VMT_COMPARE_EMISSION, &later, values, 4, NULL),
			 0);
	c = compare(a, b);
	d = only(c, VMT_CHANGED, VMT_COMPARE_EMISSION);
	assert_int_equal(d->nfields, 1);
	assert_string_equal(d->fields[0].name, "mode");
	assert_null(d->fields[0].from);
	finish(c, a, b);
}

static void a_number_of_another_type_is_another_value(void **state)
{
	static const struct vmt_field fields[] = {{"n", VMT_ADDR, 0}};
	static const struct vmt_schema later = VMT_SCHEMA("tick", fields);
	const struct vmt_value value = vmt_addr(1);
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;

	(void)state;
	add_event(a, 1, 0x1000);
	add_tick(a, 1);
	add_event(b, 1, 0x1000);
	vmt_compare_run_record(b, VMT_COMPARE_EMISSION, &later, &value, 1, NULL);
	c = compare(a, b);
	only(c, VMT_CHANGED, VMT_COMPARE_EMISSION);
	finish(c, a, b);
}

static void only_the_kinds_that_are_asked_for_count(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	size_t n;

	(void)state;
	add_event(a, 1, 0x1000);
	add_event(b, 1, 0x1000);
	add_event(b, 2, 0x2000);
	assert_int_equal(vmt_compare(a, b, VMT_COMPARE_SAID, &c, NULL), 0);
	assert_null(vmt_comparison_differences(c, &n));
	vmt_comparison_destroy(c);
	assert_int_equal(vmt_compare(a, b, 1u << 20, &c, NULL), -VMT_E_INVALID);
	assert_null(c);
	finish(NULL, a, b);
}

static void a_difference_has_the_weakest_provenance_of_both_sides(void **state)
{
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;

	(void)state;
	add_event(a, 1, 0x1000);
	vmt_compare_run_served(a, 3);
	add_tick(a, 1);
	add_event(b, 1, 0x1000);
	vmt_compare_run_served(b, 5);
	vmt_compare_run_served(b, 4);
	add_tick(b, 2);
	c = compare(a, b);
	assert_int_equal(only(c, VMT_CHANGED, VMT_COMPARE_EMISSION)->provenance, 5);
	finish(c, a, b);
}

static void a_run_that_grows_too_large_is_refused(void **state)
{
	struct vmt_compare_run *run;
	const struct vmt_compare_place place = {0};
	struct vmt_error err = {0};
	int r = 0;

	(void)state;
	assert_int_equal(vmt_compare_run_create((size_t)1 << 20, &run, NULL), 0);
	for (unsigned i = 0; i < 100000 && r >= 0; i++)
		r = vmt_compare_run_callback(run, &place, &err);
	assert_int_equal(r, -VMT_E_LIMIT);
	assert_non_null(strstr(err.text, "vmitrace cut"));
	vmt_compare_run_destroy(run);
}

static void an_item_needs_a_callback_and_an_event_comes_first(void **state)
{
	struct vmt_compare_run *run = new_run();
	const struct vmt_value value = vmt_u64(1);

	(void)state;
	assert_int_equal(vmt_compare_run_record(run, VMT_COMPARE_EMISSION, &tick, &value, 1, NULL),
			 -VMT_E_WRONG_PLACE);
	add_event(run, 1, 0x1000);
	assert_int_equal(vmt_compare_run_item(run, VMT_COMPARE_EVENT, "cpuid", NULL, 0, NULL),
			 -VMT_E_WRONG_PLACE);
	vmt_compare_run_destroy(run);
}

/** Two runs that have nothing in common, and one callback with very many records. */
static void large_runs_that_agree_in_nothing_are_compared(void **state)
{
	enum { N = 50000 };
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;

	(void)state;
	for (uint64_t i = 1; i <= N; i++) {
		add_event(a, i, 2 * i);
		add_tick(a, 2 * i);
		add_event(b, i, 2 * i + 1);
		add_tick(b, 2 * i + 1);
	}
	add_event(a, N + 1, 1);
	add_event(b, N + 1, 1);
	for (uint64_t i = 0; i < N; i++) {
		add_tick(a, i);
		add_tick(b, N - 1 - i);
	}
	c = compare(a, b);
	assert_int_equal(vmt_comparison_count(c, VMT_COMPARE_EMISSION, VMT_CHANGED), N);
	assert_int_equal(vmt_comparison_same(c, VMT_COMPARE_EMISSION), N);
	finish(c, a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_runs_do_not_differ),
		cmocka_unit_test(empty_runs_do_not_differ),
		cmocka_unit_test(a_field_with_another_value_is_changed_under_its_key),
		cmocka_unit_test(a_field_that_is_ignored_makes_no_difference),
		cmocka_unit_test(fields_are_ignored_by_name_too),
		cmocka_unit_test(another_key_is_another_record),
		cmocka_unit_test(
			records_without_keys_are_paired_by_content_before_they_are_changed),
		cmocka_unit_test(an_event_that_is_missing_does_not_shift_those_after_it),
		cmocka_unit_test(an_event_at_another_place_is_changed_when_nothing_fits_better),
		cmocka_unit_test(what_stands_in_another_callback_was_moved),
		cmocka_unit_test(another_order_in_one_callback_makes_no_difference),
		cmocka_unit_test(a_schema_of_a_later_version_is_compared_by_field_names),
		cmocka_unit_test(a_number_of_another_type_is_another_value),
		cmocka_unit_test(only_the_kinds_that_are_asked_for_count),
		cmocka_unit_test(a_difference_has_the_weakest_provenance_of_both_sides),
		cmocka_unit_test(a_run_that_grows_too_large_is_refused),
		cmocka_unit_test(an_item_needs_a_callback_and_an_event_comes_first),
		cmocka_unit_test(large_runs_that_agree_in_nothing_are_compared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
