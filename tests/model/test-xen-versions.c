/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What needs a Xen newer than 4.17: each row of the table of versions has its tests, and its words
 * stand above them.
 */
#include "domain.h"

static const unsigned minors[] = {17, 18, 19, 20, 21, 22};

#define NMINORS (sizeof(minors) / sizeof(minors[0]))

static void the_table_has_each_release_once_and_in_order(void **state)
{
	(void)state;
	assert_int_equal(vmt_xen_nversions, NMINORS);
	for (size_t i = 0; i < NMINORS; i++) {
		assert_int_equal(vmt_xen_versions[i].major, 4);
		assert_int_equal(vmt_xen_versions[i].minor, minors[i]);
		assert_ptr_equal(vmt_xen_version_find(4, minors[i]), &vmt_xen_versions[i]);
	}
	assert_null(vmt_xen_version_find(4, 16));
}

/*
 * 1: "VM_EVENT_REASON_IO_INSTRUCTION 16, vm_event_io, MONITOR_EVENT_IO 13, xc_monitor_io; first
 * release 4.18.0; fallback: monitor_enable(Io)=NotSupported"
 */
static void row_1_io_events_need_4_18(void **state)
{
	const struct vmt_monitor io = {.kind = VMT_MONITOR_IO};
	const struct vmt_io out = {.port = 0x3f8, .bytes = 1};

	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		int r = vmt_model_monitor(d->model, &io, true, &d->err);

		if (minors[i] < 18) {
			said(d, r, VMT_E_NOT_SUPPORTED, "Xen 4.18");
			assert_false(can(d, VMT_CAP_MONITOR_IO));
			assert_int_equal(vmt_model_io(d->model, 0, &out, &d->err),
					 VMT_GUEST_GOES_ON);
		} else {
			assert_int_equal(r, 0);
			assert_true(can(d, VMT_CAP_MONITOR_IO));
			assert_int_equal(vmt_model_io(d->model, 0, &out, &d->err),
					 VMT_GUEST_STOPPED);
		}
		domain_free(d);
	}
}

/*
 * 2: "fast singlestep without the singlestep monitor; first release 4.19.0; on 4.17
 * singlestep_enabled is tested first: with the monitor off the MTF handler returns 0 before the fast
 * path => vCPU steps forever in the exec view; fallback: backend enables xc_monitor_singlestep before
 * the first FAST response". The handler sees nothing of it.
 */
static void row_2_a_fast_step_works_without_the_handlers_monitor(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		vmt_view view = make_view(d, VMT_RWX);
		struct vmt_event ev;

		set_rights(d, view, 5, VMT_RX);
		switch_view(d, view);
		for (int round = 0; round < 2; round++) {
			touch(d, 5, VMT_W, NULL);
			ev = take(d);
			respond(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
			enter(d, 0);
			vmt_model_retired(d->model, 0, vmt_gfn_from(1), &d->err);
			assert_int_equal(vmt_model_view_of(d->model, 0), view);
			assert_false(vmt_model_stepping(d->model, 0));
			no_event(d);
		}
		assert_false(vmt_model_monitored(d->model, VMT_MONITOR_SINGLESTEP, 0));
		monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0); /* not "on twice" */
		monitor_off(d, VMT_MONITOR_SINGLESTEP, 0);
		/* and the handler's own switching off does not break a fast step under way */
		touch(d, 5, VMT_W, NULL);
		ev = take(d);
		monitor_on(d, VMT_MONITOR_SINGLESTEP, 0, 0);
		respond(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
		monitor_off(d, VMT_MONITOR_SINGLESTEP, 0);
		enter(d, 0);
		vmt_model_retired(d->model, 0, vmt_gfn_from(1), &d->err);
		assert_int_equal(vmt_model_view_of(d->model, 0), view);
		domain_free(d);
	}
}

/*
 * 3: "XENMEM_access_r_pw (also needs Alder Lake/SPR EPT paging-write); first release 4.20.0; value 10
 * means XENMEM_access_default on 4.17 (default moved 10->11): passing it silently sets the default
 * access; never log raw XENMEM numbers"
 */
static void row_3_ignore_walks_needs_4_20_and_its_cpu(void **state)
{
	const struct vmt_access r_pw = {VMT_R, VMT_ACCESS_IGNORE_WALKS};
	uint64_t done;

	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_new(minors[i], VMT_CPU_VMX, 1,
					      VMT_MODEL_PAGING_WRITE | VMT_MODEL_WALK_EVENTS);
		struct domain *old_cpu = domain_simple(minors[i]);
		int r = vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, r_pw, &done, &d->err);

		assert_int_equal(vmt_xen_version_find(4, minors[i])->access_default,
				 minors[i] < 20 ? 10 : 11);
		if (minors[i] < 20) {
			said(d, r, VMT_E_NOT_SUPPORTED, "Xen 4.20");
			assert_int_equal(get_rights(d, 0, 5), VMT_RWX); /* nothing was set */
		} else {
			assert_int_equal(r, 0);
			assert_int_equal(touch_by(d, 0, 5, VMT_W, VMT_MEM_IN_WALK, NULL),
					 VMT_GUEST_GOES_ON);
			assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_STOPPED);
		}
		said(old_cpu,
		     vmt_model_set_access(old_cpu->model, 0, vmt_gfn_from(5), 1, r_pw, &done,
					  &old_cpu->err),
		     VMT_E_NOT_SUPPORTED, "ignore-walks");
		domain_free(old_cpu);
		domain_free(d);
	}
}

/*
 * 4: "lazily propagated altp2m entries get the view's default_access; first release 4.19.0; on 4.17
 * host access copied: create_view(non-RWX) leaks RWX pages; fallback: use RWX default views only"
 */
static void row_4_a_views_default_rights_hold_since_4_19(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		vmt_view view = 0;
		int r = vmt_model_create_view(d->model, vmt_access_from(VMT_R), &view, &d->err);

		if (minors[i] < 19) {
			said(d, r, VMT_E_NOT_SUPPORTED, "4.19");
		} else {
			assert_int_equal(r, 0);
			switch_view(d, view);
			assert_int_equal(get_rights(d, view, 5), VMT_R);
			assert_int_equal(touch(d, 5, VMT_R, NULL), VMT_GUEST_GOES_ON);
			assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_STOPPED);
		}
		domain_free(d);
	}
}

static void row_4_an_untouched_page_shows_the_hosts_rights_until_4_18(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		vmt_view view;

		set_rights(d, 0, 5, VMT_RX);
		view = make_view(d, VMT_RWX);
		switch_view(d, view);
		assert_int_equal(get_rights(d, view, 5), minors[i] < 19 ? VMT_RX : VMT_RWX);
		assert_int_equal(touch(d, 5, VMT_W, NULL),
				 minors[i] < 19 ? VMT_GUEST_STOPPED : VMT_GUEST_GOES_ON);
		domain_free(d);
	}
}

/*
 * The same commit of Xen makes altp2m 0 copy entries with its own default rights, so that view 0's
 * rights would not reach a page that the guest has not touched. A driver puts the entry there itself.
 */
static void row_4_rights_of_view_0_hold_on_each_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);

		set_rights(d, 0, 5, VMT_RX);
		assert_int_equal(touch(d, 5, VMT_W, NULL), VMT_GUEST_STOPPED);
		domain_free(d);
	}
}

/*
 * 5: "same for prepopulated superpages; first release 4.22.0; spurious access events / lost ones after
 * resume; fallback: boot hap_1gb=0 hap_2mb=0"
 */
static void row_5_prepopulated_superpages_get_the_default_since_4_22(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_new(minors[i], VMT_CPU_VMX, 1, VMT_MODEL_SUPERPAGES);
		vmt_view view;

		if (minors[i] < 19) { /* no default at all */
			domain_free(d);
			continue;
		}
		view = make_view(d, VMT_R);
		assert_int_equal(get_rights(d, view, 0x101), VMT_R);
		set_rights(d, view, 0x100, VMT_RX); /* copies the 2 MiB around it first */
		assert_int_equal(get_rights(d, view, 0x100), VMT_RX);
		assert_int_equal(get_rights(d, view, 0x101), minors[i] < 22 ? VMT_RWX : VMT_R);
		assert_int_equal(get_rights(d, view, 0x200), VMT_R); /* the next 2 MiB */
		domain_free(d);
	}
}

static void row_5_without_superpages_the_default_holds(void **state)
{
	struct domain *d = domain_simple(20);
	vmt_view view = make_view(d, VMT_R);

	(void)state;
	set_rights(d, view, 0x100, VMT_RX);
	assert_int_equal(get_rights(d, view, 0x101), VMT_R);
	domain_free(d);

	/* nor is a region a superpage in which view 0's rights differ */
	d = domain_new(20, VMT_CPU_VMX, 1, VMT_MODEL_SUPERPAGES);
	view = make_view(d, VMT_R);
	set_rights(d, 0, 0x180, VMT_RX);
	set_rights(d, view, 0x100, VMT_RX);
	assert_int_equal(get_rights(d, view, 0x101), VMT_R);
	domain_free(d);
}

/*
 * 6: "altp2m_count; first release 4.21.0; fixed MAX_ALTP2M 10 => 9 extra views; then EINVAL; limit
 * views, report clearly" [view-numbers]
 */
static void row_6_views_are_10_until_4_20(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		struct vmt_info info = {0};
		vmt_view view;

		vmt_model_info(d->model, &info);
		assert_int_equal(info.views, 10);
		for (vmt_view v = 1; v < 10; v++)
			assert_int_equal(make_view(d, VMT_RWX), v);
		said(d, vmt_model_create_view(d->model, vmt_access_from(VMT_RWX), &view, &d->err),
		     VMT_E_LIMIT, "all 10 views");
		assert_int_equal(!!strstr(d->err.text, "altp2m_count"), minors[i] >= 21);
		domain_free(d);
	}
}

static void row_6_views_are_configured_since_4_21(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		const struct vmt_model_config config = {
			.xen = vmt_xen_version_find(4, minors[i]), .vcpus = 1, .views = 64};
		struct vmt_error err = {0};
		struct domain *d = domain_from(&config, &err);
		struct vmt_info info = {0};

		if (minors[i] < 21) {
			assert_null(d);
			assert_int_equal(err.status, VMT_E_LIMIT);
			assert_non_null(strstr(err.text, "4.21"));
			continue;
		}
		assert_non_null(d);
		vmt_model_info(d->model, &info);
		assert_int_equal(info.views, 64);
		for (vmt_view v = 1; v < 64; v++)
			assert_int_equal(make_view(d, VMT_RWX), v);
		domain_free(d);
	}
}

/*
 * 7: "altp2m_idx guard in hvm_monitor_check_p2m; first release 4.20.0; reads idx without altp2m
 * active; fallback: enable altp2m first". So altp2m is on from the start, and each event has its view.
 */
static void row_7_altp2m_is_on_first_so_each_event_has_its_view(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		struct vmt_event ev;

		assert_int_equal(vmt_xen_version_find(4, minors[i])->idle_view_guard,
				 minors[i] >= 20);
		monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
		vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
		ev = take(d);
		assert_true(ev.flags & VMT_EVENT_HAS_VIEW);
		assert_int_equal(ev.view, 0);
		domain_free(d);
	}
}

static void row_7_with_altp2m_off_no_event_has_a_view(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 1, VMT_MODEL_NO_VIEWS);
	struct vmt_event ev;
	vmt_view view;

	(void)state;
	assert_false(can(d, VMT_CAP_VIEWS));
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	ev = take(d);
	assert_false(ev.flags & VMT_EVENT_HAS_VIEW);
	refused(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 1), VMT_E_NOT_SUPPORTED, "views");
	/* the vCPU is in view 0, and stays there (p2m_altp2m_check) */
	respond(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 0));
	said(d, vmt_model_create_view(d->model, vmt_access_from(VMT_RWX), &view, &d->err),
	     VMT_E_NOT_SUPPORTED, "switched on");
	domain_free(d);
}

/*
 * 8: "xc_domain_getinfo removed / getinfo_single added; 4.18; only getinfo on 4.17; use
 * xc_domain_getinfolist (both)"
 */
static void row_8_xc_domain_getinfo_is_in_4_17_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++)
		assert_int_equal(vmt_xen_version_find(4, minors[i])->domain_getinfo,
				 minors[i] == 17);
}

/*
 * 9: "domctl ABI 0x15 (4.17) 0x16 (4.18) 0x17 (4.19-4.21) 0x18 (4.22+): libxenctrl must match the
 * running Xen"
 */
static void row_9_the_domctl_abi_of_each_release(void **state)
{
	static const uint16_t versions[] = {0x15, 0x16, 0x17, 0x17, 0x17, 0x18};

	(void)state;
	for (size_t i = 0; i < NMINORS; i++)
		assert_int_equal(vmt_xen_version_find(4, minors[i])->domctl_version, versions[i]);
}

/*
 * 10: "CONTROL_REGISTERS domctl (needed for Deny); 4.14; available, no wrapper". So deny works on each
 * release here.
 */
static void row_10_deny_works_on_each_release(void **state)
{
	(void)state;
	for (size_t i = 0; i < NMINORS; i++) {
		struct domain *d = domain_simple(minors[i]);
		struct vmt_event ev;

		assert_true(can(d, VMT_CAP_DENY));
		monitor_on(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0);
		monitor_on(d, VMT_MONITOR_CR, VMT_CR4, 0);
		vmt_model_write_cr(d->model, 0, VMT_CR4, 0x20, 3, &d->err);
		ev = take(d);
		respond(d, &ev, vmt_respond(VMT_DENY));
		enter(d, 0);
		assert_int_equal(asked(d).cr4, 0);
		domain_free(d);
	}
}

/*
 * "Present in 4.17 already: FAST_SINGLESTEP, VMEXIT event, ... altp2m *_multi ... emul_unimplemented,
 * inguest_pagefault"
 */
static void row_present_in_4_17_already(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	assert_true(can(d, VMT_CAP_FAST_SINGLESTEP));
	assert_true(can(d, VMT_CAP_MONITOR_VMEXIT));
	assert_true(can(d, VMT_CAP_VIEWS));
	assert_true(can(d, VMT_CAP_EMULATE));
	monitor_on(d, VMT_MONITOR_EMUL_UNIMPLEMENTED, 0, 0);
	set_rights(d, 0, 5, 0);
	assert_int_equal(touch_by(d, 0, 5, VMT_R, VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK, NULL),
			 VMT_GUEST_GOES_ON); /* inguest_pagefault: no event for walks */
	domain_free(d);
}

/* On AMD CPUs Xen has no mem_access, altp2m, MTF or VM-exit events: seen on real Xen 4.17 on SVM. */
static void svm_lacks_rights_views_steps_and_vmexits(void **state)
{
	static const struct {
		uint32_t kind;
		bool works;
	} kinds[] = {
		{VMT_MONITOR_CR, true},          {VMT_MONITOR_MSR, true},
		{VMT_MONITOR_BREAKPOINT, true},  {VMT_MONITOR_DEBUG, true},
		{VMT_MONITOR_SINGLESTEP, false}, {VMT_MONITOR_HYPERCALL, true},
		{VMT_MONITOR_CPUID, true},       {VMT_MONITOR_IO, true},
		{VMT_MONITOR_DESCRIPTOR, true},  {VMT_MONITOR_VMEXIT, false},
	};
	struct domain *d = domain_new(20, VMT_CPU_SVM, 1, 0);
	struct vmt_access access;
	struct vmt_event ev;
	uint64_t done, page;
	vmt_view view;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct vmt_monitor monitor = {.kind = kinds[i].kind};
		int r = vmt_model_monitor(d->model, &monitor, true, &d->err);

		if (kinds[i].works)
			assert_int_equal(r, 0);
		else
			said(d, r, VMT_E_NOT_SUPPORTED, "Intel");
	}
	said(d, vmt_model_create_view(d->model, vmt_access_from(VMT_RWX), &view, &d->err),
	     VMT_E_NOT_SUPPORTED, "Intel");
	said(d,
	     vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, vmt_access_from(VMT_R), &done,
				  &d->err),
	     VMT_E_NOT_SUPPORTED, "Intel");
	said(d, vmt_model_get_access(d->model, 0, vmt_gfn_from(5), &access, &d->err),
	     VMT_E_NOT_SUPPORTED, "Intel");
	assert_int_equal(touch(d, 5, VMT_RW, &page), VMT_GUEST_GOES_ON);
	assert_int_equal(page, 5);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	ev = take(d);
	assert_false(ev.flags & VMT_EVENT_HAS_VIEW);
	refused(d, &ev, vmt_respond(VMT_SINGLESTEP), VMT_E_NOT_SUPPORTED, "Intel");
	refused(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0), VMT_E_NOT_SUPPORTED,
		"Intel");
	respond(d, &ev, vmt_respond(VMT_REINJECT));
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_each_release_once_and_in_order),
		cmocka_unit_test(row_1_io_events_need_4_18),
		cmocka_unit_test(row_2_a_fast_step_works_without_the_handlers_monitor),
		cmocka_unit_test(row_3_ignore_walks_needs_4_20_and_its_cpu),
		cmocka_unit_test(row_4_a_views_default_rights_hold_since_4_19),
		cmocka_unit_test(row_4_an_untouched_page_shows_the_hosts_rights_until_4_18),
		cmocka_unit_test(row_4_rights_of_view_0_hold_on_each_release),
		cmocka_unit_test(row_5_prepopulated_superpages_get_the_default_since_4_22),
		cmocka_unit_test(row_5_without_superpages_the_default_holds),
		cmocka_unit_test(row_6_views_are_10_until_4_20),
		cmocka_unit_test(row_6_views_are_configured_since_4_21),
		cmocka_unit_test(row_7_altp2m_is_on_first_so_each_event_has_its_view),
		cmocka_unit_test(row_7_with_altp2m_off_no_event_has_a_view),
		cmocka_unit_test(row_8_xc_domain_getinfo_is_in_4_17_alone),
		cmocka_unit_test(row_9_the_domctl_abi_of_each_release),
		cmocka_unit_test(row_10_deny_works_on_each_release),
		cmocka_unit_test(row_present_in_4_17_already),
		cmocka_unit_test(svm_lacks_rights_views_steps_and_vmexits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
