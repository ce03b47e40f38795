/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reset and detach: what each undoes, also past failures.
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

static void reset_restores_own_bytes_only_where_they_still_stand(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	write_bytes(d, 5, 8, "\xcc\xcc\xcc", 3);
	write_byte(d, 6, 4095, 0xcc);
	d->pages[5][9] = 0x99;
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	assert_memory_equal(d->pages[5] + 7, "\x05\x05\x99\x05\x05", 5);
	assert_int_equal(d->pages[6][4095], 6);
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

static void reset_undoes_all_but_views_and_own_pages_and_detach_those(void **state)
{
	static const char *const left[] = {
		"rights view 1 gfn 0x8 r--",
		"view 1 default rwx",
		"remap view 1 gfn 0x9 shows 0x400",
		"own-page gfn 0x400",
		NULL,
	};
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	vmt_gfn page = VMT_GFN_ANY;
	struct vmt_event ev;

	(void)state;
	write_byte(d, 5, 0x10, 0xcc);
	make_view(d, VMT_RWX);
	vmt_model_alloc_gfn(d->model, &page, &d->err);
	monitor_on(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0);
	monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0);
	monitor_on(d, VMT_MONITOR_MSR, VMT_MSR_LSTAR, 0);
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, 0);
	set_rights(d, 0, 7, VMT_RX);
	set_rights(d, 0, 0x3ff, 0);
	set_rights(d, 1, 8, VMT_R);
	remap(d, 1, 9, page.n);
	switch_view(d, 1);
	touch(d, 8, VMT_W, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_SINGLESTEP));
	touch_by(d, 1, 8, VMT_W, 0, NULL);
	ev = take(d);
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_SINGLESTEP), 1)); /* not committed */
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	check_lines(d, left);
	for (uint16_t i = 0; i < 2; i++) {
		assert_false(vmt_model_stepping(d->model, i));
		assert_int_equal(vmt_model_view_of(d->model, i), 0);
	}
	assert_int_equal(get_rights(d, 0, 7), VMT_RWX);
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0); /* again */
	assert_int_equal(vmt_model_settle(d->model, NULL, NULL, &d->err), 0);
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	assert_int_equal(vmt_footprint_count(d->model), 0);
	assert_false(d->there[0x400]);
	domain_free(d);
}

static void an_event_left_on_the_ring_is_answered_after_reset(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0);
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	ev = take(d);
	refused(d, &ev, vmt_respond(VMT_SINGLESTEP), VMT_E_NOT_SUPPORTED, "MONITOR_SINGLESTEP");
	respond(d, &ev, vmt_respond(VMT_REINJECT));
	assert_int_equal(enter(d, 0).deliver.vector, 3);
	assert_int_equal(vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err),
			 VMT_GUEST_GOES_ON);
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

static void reset_goes_on_past_a_failure_and_can_be_called_again(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	write_byte(d, 5, 0, 0xcc);
	write_byte(d, 6, 0, 0xcc);
	monitor_on(d, VMT_MONITOR_CPUID, 0, 0);
	set_rights(d, 0, 7, VMT_R);
	d->fail_write = 5;
	said(d, vmt_model_reset(d->model, &d->err), VMT_E_IO, "the write failed");
	assert_string_equal(footprint(d, 0), "bytes gfn 0x5 offset 0 1 bytes cc over 05");
	assert_string_equal(footprint(d, 1), "");
	assert_int_equal(d->pages[6][0], 6);
	d->fail_write = 0;
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	assert_int_equal(d->pages[5][0], 5);
	domain_free(d);
}

static void a_failed_write_leaves_no_footprint(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	d->fail_write = 5;
	said(d, vmt_model_write(d->model, vmt_gfn_from(5), 0, "x", 1, &d->err), VMT_E_IO,
	     "the write failed");
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

static void detach_frees_pages_when_it_is_called_again(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_gfn page = VMT_GFN_ANY;

	(void)state;
	vmt_model_alloc_gfn(d->model, &page, &d->err);
	d->fail_remove = true;
	said(d, vmt_model_free_gfn(d->model, page, &d->err), VMT_E_HYPERVISOR, "in use");
	said(d, vmt_model_detach(d->model, &d->err), VMT_E_HYPERVISOR, "in use");
	assert_string_equal(footprint(d, 0), "own-page gfn 0x400");
	d->fail_remove = false;
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

/* A page source that cannot tell what stood there (a trace without it) can take a write back. */
static void bytes_of_unknown_pre_image_are_given_back_to_the_page_source(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	d->not_recorded = 5;
	write_bytes(d, 5, 8, "\xcc\xcc", 2);
	assert_string_equal(footprint(d, 0), "bytes gfn 0x5 offset 0x8 2 bytes cccc over unknown");
	d->not_recorded = 0;
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	assert_int_equal(d->unwritten, 2);
	assert_int_equal(vmt_footprint_count(d->model), 0);

	write_byte(d, 6, 8, 0xcc);
	d->not_recorded = 6;
	write_byte(d, 6, 7, 0xcc);
	d->not_recorded = 0;
	write_byte(d, 6, 9, 0xcc); /* one run, with a byte of unknown pre-image in it */
	assert_string_equal(footprint(d, 0),
			    "bytes gfn 0x6 offset 0x7 3 bytes cccccc over unknown");
	assert_int_equal(vmt_model_reset(d->model, &d->err), 0);
	assert_int_equal(d->unwritten, 3);
	assert_int_equal(d->pages[6][8], 6);
	assert_int_equal(d->pages[6][9], 6);
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reset_restores_own_bytes_only_where_they_still_stand),
		cmocka_unit_test(reset_undoes_all_but_views_and_own_pages_and_detach_those),
		cmocka_unit_test(an_event_left_on_the_ring_is_answered_after_reset),
		cmocka_unit_test(reset_goes_on_past_a_failure_and_can_be_called_again),
		cmocka_unit_test(a_failed_write_leaves_no_footprint),
		cmocka_unit_test(detach_frees_pages_when_it_is_called_again),
		cmocka_unit_test(bytes_of_unknown_pre_image_are_given_back_to_the_page_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
