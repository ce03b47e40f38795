/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Views: numbers, ends, switches, remapping.
 */
#include "domain.h"

static void numbers_are_the_lowest_free_ones(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	assert_int_equal(make_view(d, VMT_RWX), 1);
	assert_int_equal(make_view(d, VMT_RWX), 2);
	assert_int_equal(make_view(d, VMT_RWX), 3);
	assert_int_equal(vmt_model_destroy_view(d->model, 2, &d->err), 0);
	assert_int_equal(vmt_model_destroy_view(d->model, 1, &d->err), 0);
	assert_int_equal(make_view(d, VMT_RWX), 1);
	assert_int_equal(make_view(d, VMT_RWX), 2);
	assert_int_equal(make_view(d, VMT_RWX), 4);
	domain_free(d);
}

static void view_0_always_is_and_is_never_remapped(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	said(d, vmt_model_destroy_view(d->model, 0, &d->err), VMT_E_INVALID, "view 0");
	said(d, vmt_model_remap_gfn(d->model, 0, vmt_gfn_from(1), vmt_gfn_from(2), &d->err),
	     VMT_E_INVALID, "view 0");
	switch_view(d, 0);
	domain_free(d);
}

static void a_view_that_is_not_there_is_not_found(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_access access;
	uint64_t done;

	(void)state;
	said(d, vmt_model_destroy_view(d->model, 3, &d->err), VMT_E_NOT_FOUND, "no view 3");
	said(d, vmt_model_switch_view(d->model, 3, &d->err), VMT_E_NOT_FOUND, "no view 3");
	said(d, vmt_model_switch_view(d->model, 300, &d->err), VMT_E_NOT_FOUND, "no view 300");
	said(d, vmt_model_remap_gfn(d->model, 3, vmt_gfn_from(1), vmt_gfn_from(2), &d->err),
	     VMT_E_NOT_FOUND, "no view 3");
	said(d,
	     vmt_model_set_access(d->model, 3, vmt_gfn_from(1), 1, vmt_access_from(VMT_R), &done,
				  &d->err),
	     VMT_E_NOT_FOUND, "no view 3");
	said(d, vmt_model_get_access(d->model, 3, vmt_gfn_from(1), &access, &d->err),
	     VMT_E_NOT_FOUND, "no view 3");
	domain_free(d);
}

static void a_view_with_a_vcpu_in_it_is_busy(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	vmt_view view = make_view(d, VMT_RWX);

	(void)state;
	switch_view(d, view);
	assert_int_equal(vmt_model_view_of(d->model, 0), view);
	assert_int_equal(vmt_model_view_of(d->model, 1), view);
	said(d, vmt_model_destroy_view(d->model, view, &d->err), VMT_E_BUSY, "vCPU 0 runs in");
	switch_view(d, 0);
	assert_int_equal(vmt_model_destroy_view(d->model, view, &d->err), 0);
	domain_free(d);
}

static void a_response_moves_its_vcpu_alone_and_makes_the_view_busy(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	touch_by(d, 1, 5, VMT_W, 0, NULL);
	ev = take(d);
	assert_int_equal(ev.vcpu, 1);
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), view));
	said(d, vmt_model_destroy_view(d->model, view, &d->err), VMT_E_BUSY, "waits for commit");
	commit(d);
	assert_int_equal(vmt_model_view_of(d->model, 0), 0);
	assert_int_equal(vmt_model_view_of(d->model, 1), view);
	said(d, vmt_model_destroy_view(d->model, view, &d->err), VMT_E_BUSY, "vCPU 1 runs in");
	domain_free(d);
}

static void a_response_to_a_view_that_is_not_there_is_refused(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	refused(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 4), VMT_E_NOT_FOUND, "no view 4");
	refused(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 200), VMT_E_NOT_FOUND,
		"no view 200");
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 0));
	domain_free(d);
}

static void a_remapped_page_is_seen_in_its_view_alone(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);
	uint64_t page = 0;

	(void)state;
	remap(d, view, 5, 9);
	assert_int_equal(touch(d, 5, VMT_R, &page), VMT_GUEST_GOES_ON);
	assert_int_equal(page, 5);
	switch_view(d, view);
	touch(d, 5, VMT_R, &page);
	assert_int_equal(page, 9);
	touch(d, 9, VMT_R, &page);
	assert_int_equal(page, 9);
	assert_int_equal(vmt_model_remap_gfn(d->model, view, vmt_gfn_from(5), VMT_GFN_ANY, &d->err),
			 0);
	touch(d, 5, VMT_R, &page);
	assert_int_equal(page, 5);
	domain_free(d);
}

/* [view-remap] */
static void a_remap_takes_over_the_rights_of_its_target_in_that_view(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);

	(void)state;
	set_rights(d, view, 5, VMT_R);
	set_rights(d, view, 9, VMT_RX);
	remap(d, view, 5, 9);
	assert_int_equal(get_rights(d, view, 5), VMT_RX);
	assert_int_equal(vmt_model_remap_gfn(d->model, view, vmt_gfn_from(5), VMT_GFN_ANY, &d->err),
			 0);
	assert_int_equal(get_rights(d, view, 5), VMT_RWX); /* not its own from before */
	domain_free(d);
}

/* altp2m_get_effective_entry, when the target is not in the view: the host's rights, on 4.20 too */
static void a_remap_to_a_page_that_is_not_in_the_view_takes_view_0s_rights(void **state)
{
	struct domain *d = domain_simple(20);
	vmt_view view = make_view(d, VMT_R);

	(void)state;
	set_rights(d, 0, 9, VMT_RX);
	remap(d, view, 5, 9);
	assert_int_equal(get_rights(d, view, 5), VMT_RX);
	assert_int_equal(get_rights(d, view, 9), VMT_R);
	domain_free(d);
}

static void a_remap_to_a_remapped_page_shows_what_that_shows(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);
	uint64_t page = 0;

	(void)state;
	remap(d, view, 9, 11);
	remap(d, view, 5, 9);
	remap(d, view, 9, 12); /* later changes do not follow */
	switch_view(d, view);
	touch(d, 5, VMT_R, &page);
	assert_int_equal(page, 11);
	domain_free(d);
}

static void a_remap_from_or_to_nothing_is_unmapped(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);

	(void)state;
	said(d, vmt_model_remap_gfn(d->model, view, vmt_gfn_from(0x500), vmt_gfn_from(1), &d->err),
	     VMT_E_UNMAPPED, "gfn 0x500");
	said(d, vmt_model_remap_gfn(d->model, view, vmt_gfn_from(1), vmt_gfn_from(0x501), &d->err),
	     VMT_E_UNMAPPED, "gfn 0x501");
	assert_int_equal(vmt_footprint_count(d->model), 1); /* the view */
	domain_free(d);
}

/*
 * p2m_altp2m_propagate_change: Xen knows only the range of gfns that a view was remapped to, and when
 * a page in it goes, the view loses everything.
 */
static void freeing_a_page_that_a_view_shows_empties_that_view(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view one = make_view(d, VMT_RWX);
	vmt_view other = make_view(d, VMT_RWX);
	vmt_gfn shadow = VMT_GFN_ANY;
	uint64_t page = 0;

	(void)state;
	assert_int_equal(vmt_model_alloc_gfn(d->model, &shadow, &d->err), 0);
	remap(d, one, 5, shadow.n);
	set_rights(d, one, 7, VMT_R);
	set_rights(d, other, 7, VMT_R);
	assert_int_equal(vmt_model_free_gfn(d->model, shadow, &d->err), 0);
	switch_view(d, one);
	touch(d, 5, VMT_R, &page);
	assert_int_equal(page, 5);
	assert_int_equal(get_rights(d, one, 7), VMT_RWX);
	assert_int_equal(get_rights(d, other, 7), VMT_R); /* was remapped to nothing */
	domain_free(d);
}

static void freeing_a_page_in_the_range_of_two_views_empties_all(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view views[3];
	vmt_gfn low = VMT_GFN_ANY, middle = VMT_GFN_ANY, high = VMT_GFN_ANY;

	(void)state;
	for (int i = 0; i < 3; i++) {
		views[i] = make_view(d, VMT_RWX);
		set_rights(d, views[i], 7, VMT_R);
	}
	vmt_model_alloc_gfn(d->model, &low, &d->err);
	vmt_model_alloc_gfn(d->model, &middle, &d->err);
	vmt_model_alloc_gfn(d->model, &high, &d->err);
	for (int i = 0; i < 2; i++) {
		remap(d, views[i], 5, low.n);
		remap(d, views[i], 6, high.n);
	}
	assert_int_equal(vmt_model_free_gfn(d->model, middle, &d->err), 0); /* no view shows it */
	for (int i = 0; i < 3; i++)
		assert_int_equal(get_rights(d, views[i], 7), VMT_RWX);
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_the_lowest_free_ones),
		cmocka_unit_test(view_0_always_is_and_is_never_remapped),
		cmocka_unit_test(a_view_that_is_not_there_is_not_found),
		cmocka_unit_test(a_view_with_a_vcpu_in_it_is_busy),
		cmocka_unit_test(a_response_moves_its_vcpu_alone_and_makes_the_view_busy),
		cmocka_unit_test(a_response_to_a_view_that_is_not_there_is_refused),
		cmocka_unit_test(a_remapped_page_is_seen_in_its_view_alone),
		cmocka_unit_test(a_remap_takes_over_the_rights_of_its_target_in_that_view),
		cmocka_unit_test(a_remap_to_a_page_that_is_not_in_the_view_takes_view_0s_rights),
		cmocka_unit_test(a_remap_to_a_remapped_page_shows_what_that_shows),
		cmocka_unit_test(a_remap_from_or_to_nothing_is_unmapped),
		cmocka_unit_test(freeing_a_page_that_a_view_shows_empties_that_view),
		cmocka_unit_test(freeing_a_page_in_the_range_of_two_views_empties_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
