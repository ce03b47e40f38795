/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The footprint: what was changed and not undone, in order; two models compared.
 */
#include "domain.h"

static void write_bytes(struct domain *d, uint64_t gfn, uint32_t offset, const void *buf,
			uint32_t len)
{
	assert_int_equal(vmt_model_write(d->model, vmt_gfn_from(gfn), offset, buf, len, &d->err),
			 0);
}

static void write_byte(struct domain *d, uint64_t gfn, uint32_t offset, uint8_t value)
{
	write_bytes(d, gfn, offset, &value, 1);
}

static void check_lines(struct domain *d, const char *const *lines)
{
	size_t i = 0;

	for (; lines[i]; i++)
		assert_string_equal(footprint(d, i), lines[i]);
	assert_string_equal(footprint(d, i), "");
	assert_int_equal(vmt_footprint_count(d->model), i);
}

static void a_new_model_has_none(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 4, 0);

	(void)state;
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

static void it_shows_each_kind_in_order(void **state)
{
	static const char *const lines[] = {
		"bytes gfn 0x5 offset 0x10 1 bytes cc over 05",
		"rights view 0 gfn 0x7 r-x",
		"rights view 1 gfn 0x8 r--",
		"view 1 default rwx",
		"remap view 1 gfn 0x9 shows 0x400",
		"monitor cr3",
		"monitor msr 0x10",
		"monitor msr 0xc0000082",
		"monitor breakpoint",
		"monitor singlestep",
		"stepping vcpu 0",
		"in-view vcpu 1 view 1",
		"injection vcpu 1 vector 13 hw-exception error 0",
		"pause 2 times",
		"own-page gfn 0x400",
		"held vcpu 1 by 1 events",
		NULL,
	};
	const struct vmt_interrupt gp = {.vector = 13, .type = VMT_INT_HW_EXCEPTION};
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	vmt_gfn page = VMT_GFN_ANY;
	struct vmt_event ev;

	(void)state;
	write_byte(d, 5, 0x10, 0xcc);
	make_view(d, VMT_RWX);
	vmt_model_alloc_gfn(d->model, &page, &d->err);
	set_rights(d, 0, 7, VMT_RX);
	set_rights(d, 1, 8, VMT_R);
	remap(d, 1, 9, page.n);
	monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0);
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	monitor_on(d, VMT_MONITOR_MSR, VMT_MSR_LSTAR, 0);
	monitor_on(d, VMT_MONITOR_MSR, 0x10, 0);
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, 0);
	touch(d, 7, VMT_W, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_SINGLESTEP));
	touch_by(d, 1, 7, VMT_W, 0, NULL);
	ev = take(d);
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 1));
	touch_by(d, 1, 8, VMT_W, 0, NULL);
	vmt_model_inject(d->model, 1, &gp, &d->err);
	vmt_model_pause(d->model, &d->err);
	vmt_model_pause(d->model, &d->err);
	check_lines(d, lines);
	domain_free(d);
}

static void what_is_undone_is_no_part_of_it(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn page = VMT_GFN_ANY;
	vmt_view view;

	(void)state;
	write_byte(d, 5, 0x10, 0xcc);
	write_byte(d, 5, 0x10, 5);
	set_rights(d, 0, 7, VMT_RX);
	set_rights(d, 0, 7, VMT_RWX);
	view = make_view(d, VMT_RWX);
	vmt_model_alloc_gfn(d->model, &page, &d->err);
	set_rights(d, view, 8, VMT_R);
	set_rights(d, view, 8, VMT_RWX);
	remap(d, view, 9, page.n);
	vmt_model_remap_gfn(d->model, view, vmt_gfn_from(9), VMT_GFN_ANY, &d->err);
	switch_view(d, view);
	switch_view(d, 0);
	vmt_model_destroy_view(d->model, view, &d->err);
	vmt_model_free_gfn(d->model, page, &d->err);
	monitor_on(d, VMT_MONITOR_CPUID, 0, 0);
	monitor_off(d, VMT_MONITOR_CPUID, 0);
	vmt_model_pause(d->model, &d->err);
	vmt_model_resume(d->model, &d->err);
	assert_string_equal(footprint(d, 0), "");
	domain_free(d);
}

static void rights_are_undone_since_4_19_too(void **state)
{
	struct domain *d = domain_simple(20);
	vmt_view view = make_view(d, VMT_R);

	(void)state;
	set_rights(d, view, 8, VMT_RX);
	assert_string_equal(footprint(d, 0), "rights view 1 gfn 0x8 r-x");
	set_rights(d, view, 8, VMT_R); /* the view's own default */
	assert_string_equal(footprint(d, 0), "view 1 default r--");
	touch(d, 9, VMT_R, NULL);
	switch_view(d, view);
	touch(d, 9, VMT_R, NULL); /* what Xen copies is not the monitor's */
	assert_string_equal(footprint(d, 1), "in-view vcpu 0 view 1");
	domain_free(d);
}

/* Since 4.19 a view keeps the entry that view 0's change has overwritten: it is not the monitor's. */
static void rights_that_view_0_overwrote_are_view_0s(void **state)
{
	static const char *const lines[] = {
		"rights view 0 gfn 0x8 r-x",
		"view 1 default rwx",
		NULL,
	};
	struct domain *d = domain_simple(20);
	vmt_view view = make_view(d, VMT_RWX);

	(void)state;
	set_rights(d, view, 8, VMT_R);
	set_rights(d, 0, 8, VMT_RX);
	assert_int_equal(get_rights(d, view, 8), VMT_RX);
	check_lines(d, lines);
	domain_free(d);
}

static void own_bytes_are_runs_with_their_pre_images(void **state)
{
	static const char *const lines[] = {
		"bytes gfn 0x5 offset 0 2 bytes aabb over 0505",
		"bytes gfn 0x5 offset 0xfff 1 bytes cc over 05",
		"bytes gfn 0x6 offset 0 12 bytes 1111111111111111... over 0606060606060606...",
		"bytes gfn 0x300 offset 0x7 1 bytes 22 over 00",
		NULL,
	};
	struct domain *d = domain_simple(17);
	uint8_t twelve[12];

	(void)state;
	memset(twelve, 0x11, sizeof(twelve));
	write_byte(d, 0x300, 7, 0x22);
	write_byte(d, 5, 4095, 0xcc);
	write_bytes(d, 6, 0, twelve, sizeof(twelve));
	write_byte(d, 5, 1, 0xbb);
	write_byte(d, 5, 0, 0xaa);
	check_lines(d, lines);
	write_byte(d, 5, 0, 0xab); /* again: the pre-image stays the guest's */
	assert_string_equal(footprint(d, 0), "bytes gfn 0x5 offset 0 2 bytes abbb over 0505");
	domain_free(d);
}

static void a_byte_that_the_guest_overwrote_has_the_guests_pre_image(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	write_byte(d, 5, 0, 0xcc);
	d->pages[5][0] = 0x77; /* the guest */
	write_byte(d, 5, 0, 0xcc);
	assert_string_equal(footprint(d, 0), "bytes gfn 0x5 offset 0 1 bytes cc over 77");
	domain_free(d);
}

static void own_pages_keep_their_bytes_private(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn page = VMT_GFN_ANY;

	(void)state;
	vmt_model_alloc_gfn(d->model, &page, &d->err);
	write_byte(d, page.n, 0, 0xcc);
	assert_int_equal(vmt_footprint_count(d->model), 1);
	assert_string_equal(footprint(d, 0), "own-page gfn 0x400");
	assert_true(vmt_model_own_page(d->model, page));
	assert_false(vmt_model_own_page(d->model, vmt_gfn_from(5)));
	domain_free(d);
}

static void own_bytes_can_be_masked_out_of_what_was_read(void **state)
{
	struct domain *d = domain_simple(17);
	uint8_t buf[4];

	(void)state;
	write_bytes(d, 5, 8, "\xcc\xcc", 2);
	d->pages[5][9] = 0x99; /* the guest has changed it since */
	assert_int_equal(vmt_model_read(d->model, vmt_gfn_from(5), 7, buf, 4, &d->err), 0);
	assert_memory_equal(buf, "\x05\xcc\x99\x05", 4);
	vmt_model_mask_own(d->model, vmt_gfn_from(5), 7, buf, 4);
	assert_memory_equal(buf, "\x05\x05\x99\x05", 4);
	domain_free(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Comparing                                                                                    */
/* -------------------------------------------------------------------------------------------- */

struct found {
	char text[512];
	int stop_at; /* 0: never */
	int n;
};

static int note(void *arg, int side, const struct vmt_footprint *item)
{
	struct found *f = arg;
	char line[160];
	size_t len = strlen(f->text);

	vmt_footprint_format(item, line, sizeof(line));
	snprintf(f->text + len, sizeof(f->text) - len, "%c %s\n", side ? '+' : '-', line);
	return ++f->n == f->stop_at ? 42 : 0;
}

static void two_models_differ_in_what_only_one_has(void **state)
{
	struct domain *a = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct domain *b = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct found found = {0};

	(void)state;
	write_byte(a, 5, 1, 0xcc);
	write_byte(b, 5, 1, 0xcc);
	assert_int_equal(vmt_footprint_differences(a->model, b->model, note, &found), 0);
	assert_string_equal(found.text, "");
	write_byte(a, 6, 1, 0xcc);
	write_byte(b, 6, 1, 0xcd);
	set_rights(a, 0, 7, VMT_R);
	set_rights(b, 0, 8, VMT_R);
	monitor_on(b, VMT_MONITOR_MSR, 0x10, 0);
	monitor_on(a, VMT_MONITOR_CR, VMT_CR3, 0);
	monitor_on(b, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	assert_int_equal(vmt_footprint_differences(a->model, b->model, note, &found), 0);
	assert_string_equal(found.text, "- bytes gfn 0x6 offset 0x1 1 bytes cc over 06\n"
					"+ bytes gfn 0x6 offset 0x1 1 bytes cd over 06\n"
					"- rights view 0 gfn 0x7 r--\n"
					"+ rights view 0 gfn 0x8 r--\n"
					"- monitor cr3\n"
					"+ monitor cr3\n"
					"+ monitor msr 0x10\n");
	memset(&found, 0, sizeof(found));
	found.stop_at = 2;
	assert_int_equal(vmt_footprint_differences(a->model, b->model, note, &found), 42);
	assert_int_equal(found.n, 2);
	domain_free(a);
	domain_free(b);
}

static void equal_effects_through_different_calls_do_not_differ(void **state)
{
	struct domain *a = domain_simple(17);
	struct domain *b = domain_simple(17);
	struct found found = {0};
	uint64_t done;

	(void)state;
	write_bytes(a, 5, 1, "\xaa\xbb", 2);
	write_byte(b, 5, 2, 0xbb);
	write_byte(b, 5, 1, 0x99);
	write_byte(b, 5, 1, 0xaa);
	for (uint64_t gfn = 7; gfn < 10; gfn++)
		set_rights(a, 0, gfn, VMT_RX);
	vmt_model_set_access(b->model, 0, vmt_gfn_from(7), 3, vmt_access_from(VMT_RX), &done,
			     &b->err);
	assert_int_equal(vmt_footprint_differences(a->model, b->model, note, &found), 0);
	assert_string_equal(found.text, "");
	domain_free(a);
	domain_free(b);
}

static void the_order_of_items_is_the_order_of_the_walk(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 3, 0);
	struct vmt_footprint_cursor cursor = {0};
	struct vmt_footprint last, item;
	uint64_t done;

	(void)state;
	for (uint64_t gfn = 0x3f0; gfn > 0x10; gfn -= 0x11) {
		write_byte(d, gfn, (uint32_t)(gfn * 7 % 4096), 0xfe);
		write_byte(d, gfn, (uint32_t)(gfn * 13 % 4096), 0xfe);
	}
	for (int i = 0; i < 3; i++) {
		vmt_view view = make_view(d, VMT_RWX);

		vmt_model_set_access(d->model, view, vmt_gfn_from(0x20), 5, vmt_access_from(VMT_R),
				     &done, &d->err);
		remap(d, view, 0x40, 0x41);
		remap(d, view, 0x30, 0x41);
	}
	switch_view(d, 2);
	for (uint32_t cr = 0; cr < VMT_CR_COUNT; cr++)
		monitor_on(d, VMT_MONITOR_CR, cr, 0);
	for (uint32_t msr = 0xc0000084; msr >= 0xc0000080; msr--)
		monitor_on(d, VMT_MONITOR_MSR, msr, 0);
	monitor_on(d, VMT_MONITOR_MSR, 0x40000000, 0);
	assert_int_equal(vmt_footprint_next(d->model, &cursor, &last), 1);
	while (vmt_footprint_next(d->model, &cursor, &item)) {
		assert_true(vmt_footprint_compare(&last, &item) < 0);
		assert_true(vmt_footprint_compare(&item, &last) > 0);
		assert_int_equal(vmt_footprint_compare(&item, &item), 0);
		last = item;
	}
	domain_free(d);
}

static void the_generation_counts_changes_and_not_questions(void **state)
{
	struct domain *d = domain_simple(17);
	uint64_t before = vmt_model_generation(d->model);

	(void)state;
	get_rights(d, 0, 5);
	touch(d, 5, VMT_R, NULL);
	asked(d);
	footprint(d, 0);
	assert_int_equal(vmt_model_generation(d->model), before);
	write_byte(d, 5, 0, 0xcc);
	assert_true(vmt_model_generation(d->model) > before);
	before = vmt_model_generation(d->model);
	set_rights(d, 0, 5, VMT_RX);
	assert_true(vmt_model_generation(d->model) > before);
	before = vmt_model_generation(d->model);
	monitor_on(d, VMT_MONITOR_CPUID, 0, 0);
	assert_true(vmt_model_generation(d->model) > before);
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_model_has_none),
		cmocka_unit_test(it_shows_each_kind_in_order),
		cmocka_unit_test(what_is_undone_is_no_part_of_it),
		cmocka_unit_test(rights_are_undone_since_4_19_too),
		cmocka_unit_test(rights_that_view_0_overwrote_are_view_0s),
		cmocka_unit_test(own_bytes_are_runs_with_their_pre_images),
		cmocka_unit_test(a_byte_that_the_guest_overwrote_has_the_guests_pre_image),
		cmocka_unit_test(own_pages_keep_their_bytes_private),
		cmocka_unit_test(own_bytes_can_be_masked_out_of_what_was_read),
		cmocka_unit_test(two_models_differ_in_what_only_one_has),
		cmocka_unit_test(equal_effects_through_different_calls_do_not_differ),
		cmocka_unit_test(the_order_of_items_is_the_order_of_the_walk),
		cmocka_unit_test(the_generation_counts_changes_and_not_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
