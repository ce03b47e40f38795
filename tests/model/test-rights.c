/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Access rights: which accesses they stop, what the event says, how views and view 0 hang together.
 */
#include "domain.h"

/* [kind-memory-read, kind-memory-write, kind-memory-exec] */
static void each_right_stops_the_accesses_that_it_lacks(void **state)
{
	static const unsigned rights[] = {0, VMT_R, VMT_X, VMT_RW, VMT_RX, VMT_RWX};
	static const unsigned accesses[] = {VMT_R, VMT_W, VMT_X, VMT_RW};
	struct domain *d = domain_simple(17);

	(void)state;
	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		set_rights(d, 0, 5, rights[i]);
		assert_int_equal(get_rights(d, 0, 5), rights[i]);
		for (size_t j = 0; j < sizeof(accesses) / sizeof(accesses[0]); j++) {
			bool forbidden = accesses[j] & ~rights[i];
			struct vmt_event ev;

			assert_int_equal(touch(d, 5, accesses[j], NULL),
					 forbidden ? VMT_GUEST_STOPPED : VMT_GUEST_GOES_ON);
			if (!forbidden) {
				no_event(d);
				continue;
			}
			ev = take(d);
			assert_int_equal(ev.reason, VMT_EVENT_MEMORY_ACCESS);
			assert_int_equal(ev.u.memory.access,
					 accesses[j] & VMT_W ? VMT_RW : accesses[j]);
			respond(d, &ev, vmt_respond(VMT_CONTINUE));
			enter(d, 0);
		}
	}
	domain_free(d);
}

static void the_event_says_where_and_how(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_event ev;

	(void)state;
	set_rights(d, view, 5, VMT_RX);
	remap(d, view, 6, 5);
	switch_view(d, view);
	assert_int_equal(touch(d, 6, VMT_W, NULL), VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.vcpu, 0);
	assert_int_equal(ev.flags, VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW);
	assert_int_equal(ev.view, view);
	assert_int_equal(ev.u.memory.gpa.a, 0x6008); /* the guest's address, not the page shown */
	assert_int_equal(ev.u.memory.gva.a, 0x406008);
	assert_int_equal(ev.u.memory.flags, VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA);
	assert_int_equal(ev.regs.known, VMT_KNOWN_XEN_EVENT);
	assert_int_equal(ev.regs.gprs.rip, 0x1000);
	stands(d, 0);
	domain_free(d);
}

static void an_address_that_is_not_known_is_left_out(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, 0);
	touch_by(d, 0, 5, VMT_R, 0, NULL);
	ev = take(d);
	assert_int_equal(ev.u.memory.flags, 0);
	assert_int_equal(ev.u.memory.gva.a, 0);
	domain_free(d);
}

/* [page-walk, page-walk-hidden] */
static void walks_give_events_only_where_asked_for(void **state)
{
	struct domain *quiet = domain_simple(17);
	struct domain *told = domain_new(17, VMT_CPU_VMX, 1, VMT_MODEL_WALK_EVENTS);
	struct vmt_event ev;

	(void)state;
	set_rights(quiet, 0, 5, 0);
	set_rights(told, 0, 5, 0);
	assert_int_equal(touch_by(quiet, 0, 5, VMT_R, VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK, NULL),
			 VMT_GUEST_GOES_ON);
	no_event(quiet);
	assert_int_equal(touch_by(told, 0, 5, VMT_R, VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK, NULL),
			 VMT_GUEST_STOPPED);
	ev = take(told);
	assert_int_equal(ev.u.memory.flags, VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK);
	domain_free(quiet);
	domain_free(told);
}

/* [rights-write-only] */
static void write_without_read_is_refused_for_it_crashes_the_domain(void **state)
{
	struct domain *d = domain_simple(20);
	uint64_t done = 7;
	vmt_view view;

	(void)state;
	said(d,
	     vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, vmt_access_from(VMT_W), &done,
				  &d->err),
	     VMT_E_NOT_SUPPORTED, "misconfiguration");
	assert_int_equal(done, 0);
	said(d,
	     vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, vmt_access_from(VMT_WX), &done,
				  &d->err),
	     VMT_E_NOT_SUPPORTED, "add VMT_R");
	said(d, vmt_model_create_view(d->model, vmt_access_from(VMT_W), &view, &d->err),
	     VMT_E_NOT_SUPPORTED, "misconfiguration");
	domain_free(d);
}

static void rights_that_there_are_not_are_invalid(void **state)
{
	struct domain *d = domain_new(20, VMT_CPU_VMX, 1, VMT_MODEL_PAGING_WRITE);
	const struct vmt_access walks_and_write = {VMT_RW, VMT_ACCESS_IGNORE_WALKS};
	uint64_t done;

	(void)state;
	said(d,
	     vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, vmt_access_from(8), &done,
				  &d->err),
	     VMT_E_INVALID, "no rights 0x8");
	said(d,
	     vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, walks_and_write, &done, &d->err),
	     VMT_E_INVALID, "exactly VMT_R");
	domain_free(d);
}

/* [rights-calls, view-edges]: set where nothing is: 0; get where nothing is: ESRCH */
static void holes_are_passed_over_when_set_and_unmapped_when_asked_for(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);
	struct vmt_access access;
	uint64_t done = 0;

	(void)state;
	d->there[6] = false;
	for (vmt_view v = 0; v <= view; v++) {
		assert_int_equal(vmt_model_set_access(d->model, v, vmt_gfn_from(5), 3,
						      vmt_access_from(VMT_R), &done, &d->err),
				 0);
		assert_int_equal(done, 3);
		assert_int_equal(get_rights(d, v, 5), VMT_R);
		assert_int_equal(get_rights(d, v, 7), VMT_R);
		said(d, vmt_model_get_access(d->model, v, vmt_gfn_from(6), &access, &d->err),
		     VMT_E_UNMAPPED, "gfn 0x6");
	}
	assert_int_equal(vmt_model_set_access(d->model, 0, vmt_gfn_from(0x3ff), UINT64_C(1) << 50,
					      vmt_access_from(VMT_R), &done, &d->err),
			 0);
	assert_int_equal(done, UINT64_C(1) << 50);
	assert_int_equal(get_rights(d, 0, 0x3ff), VMT_R);
	domain_free(d);
}

static void an_access_to_nothing_is_the_guests_business(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	said(d, touch(d, 0x700, VMT_R, NULL), VMT_E_UNMAPPED, "gfn 0x700");
	no_event(d);
	domain_free(d);
}

static void a_views_rights_bind_its_vcpus_alone(void **state)
{
	struct domain *d = domain_simple(17);
	vmt_view view = make_view(d, VMT_RWX);

	(void)state;
	set_rights(d, view, 5, VMT_R);
	assert_int_equal(get_rights(d, 0, 5), VMT_RWX);
	assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_GOES_ON);
	switch_view(d, view);
	assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_STOPPED);
	domain_free(d);
}

/* [view-host-rights, view-own-rights] */
static void view_0s_change_overwrites_each_views_entry_remaps_too(void **state)
{
	static const unsigned minors[] = {17, 20};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct domain *d = domain_simple(minors[i]);
		vmt_view view = make_view(d, VMT_RWX);
		uint64_t page = 0;

		set_rights(d, view, 5, VMT_R);
		remap(d, view, 6, 9);
		set_rights(d, 0, 5, VMT_RX);
		set_rights(d, 0, 6, VMT_RWX);
		assert_int_equal(get_rights(d, view, 5), VMT_RX);
		switch_view(d, view);
		touch(d, 6, VMT_R, &page);
		assert_int_equal(page, 6);
		domain_free(d);
	}
}

/* Since 4.19 an entry that Xen copied has the view's default, until view 0's is changed. */
static void a_copied_entry_follows_view_0_and_one_that_is_not_does_not(void **state)
{
	struct domain *d = domain_simple(19);
	vmt_view view = make_view(d, VMT_RWX);

	(void)state;
	switch_view(d, view);
	assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_GOES_ON); /* copied now */
	set_rights(d, 0, 5, VMT_RX);
	set_rights(d, 0, 6, VMT_RX);
	assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_STOPPED);
	domain_free(d);

	d = domain_simple(19);
	view = make_view(d, VMT_RWX);
	switch_view(d, view);
	set_rights(d, 0, 6, VMT_RX);
	assert_int_equal(touch(d, 6, VMT_W, NULL), VMT_GUEST_GOES_ON);
	domain_free(d);
}

static void looking_copies_nothing_and_queues_nothing(void **state)
{
	struct domain *d = domain_simple(19);
	vmt_view view = make_view(d, VMT_R);
	struct vmt_access access;
	vmt_gfn page;

	(void)state;
	switch_view(d, view);
	assert_int_equal(vmt_model_peek(d->model, 0, vmt_gfn_from(5), &page, &access, &d->err), 0);
	assert_int_equal(page.n, 5);
	assert_int_equal(access.rights, VMT_R);
	no_event(d);
	set_rights(d, 0, 5, VMT_RX); /* not copied: this does not reach the view */
	assert_int_equal(get_rights(d, view, 5), VMT_R);
	said(d, vmt_model_peek(d->model, 0, vmt_gfn_from(0x700), &page, &access, &d->err),
	     VMT_E_UNMAPPED, "gfn 0x700");
	domain_free(d);
}

/* p2m_mem_access_check: without a ring Xen lifts the restriction and goes on. */
static void with_nobody_listening_the_restriction_is_lifted(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	set_rights(d, 0, 5, VMT_R);
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_GOES_ON);
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_right_stops_the_accesses_that_it_lacks),
		cmocka_unit_test(the_event_says_where_and_how),
		cmocka_unit_test(an_address_that_is_not_known_is_left_out),
		cmocka_unit_test(walks_give_events_only_where_asked_for),
		cmocka_unit_test(write_without_read_is_refused_for_it_crashes_the_domain),
		cmocka_unit_test(rights_that_there_are_not_are_invalid),
		cmocka_unit_test(holes_are_passed_over_when_set_and_unmapped_when_asked_for),
		cmocka_unit_test(an_access_to_nothing_is_the_guests_business),
		cmocka_unit_test(a_views_rights_bind_its_vcpus_alone),
		cmocka_unit_test(view_0s_change_overwrites_each_views_entry_remaps_too),
		cmocka_unit_test(a_copied_entry_follows_view_0_and_one_that_is_not_does_not),
		cmocka_unit_test(looking_copies_nothing_and_queues_nothing),
		cmocka_unit_test(with_nobody_listening_the_restriction_is_lifted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
