/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a session leaves behind: each kind is found, counted and named, and a clean end is clean.
 */
#include <stdlib.h>

#include "domain.h"

static struct vmt_leftovers leftovers(struct vmt_driver *d, int kinds)
{
	struct vmt_leftovers left;

	assert_int_equal(vmt_scripted_leftovers(d, &left), kinds);
	return left;
}

static void says(struct vmt_driver *d, const char *words)
{
	struct vmt_leftovers left;
	char text[512];

	vmt_scripted_leftovers(d, &left);
	assert_string_equal(vmt_leftovers_format(&left, text, sizeof(text)), words);
}

static int set_up(void **state)
{
	*state = domain_create((struct vmt_scripted_config){.vcpus = 2});
	return 0;
}

static int tear_down(void **state)
{
	vmt_driver_close(*state);
	return 0;
}

static void a_new_domain_is_clean(void **state)
{
	leftovers(*state, 0);
	says(*state, "clean");
	vmt_assert_clean((struct vmt_driver *)*state);
}

static void monitors_are_counted(void **state)
{
	struct vmt_driver *d = *state;

	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	monitor(d, VMT_MONITOR_MSR, VMT_MSR_LSTAR);
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	assert_int_equal(leftovers(d, 1).monitors, 3);
	says(d, "3 monitors");
}

static void pauses_are_counted(void **state)
{
	struct vmt_driver *d = *state;

	vmt_driver_pause(d);
	says(d, "1 domain pause");
	vmt_driver_pause(d);
	assert_int_equal(leftovers(d, 1).pauses, 2);
	says(d, "2 domain pauses");
	vmt_driver_resume(d);
	vmt_driver_resume(d);
	says(d, "clean");
}

static void views_remappings_and_own_pages_are_counted(void **state)
{
	struct vmt_driver *d = *state;
	vmt_view view = new_view(d);
	vmt_gfn own = VMT_GFN_ANY;
	struct vmt_leftovers left;

	vmt_driver_alloc_gfn(d, &own);
	vmt_driver_remap_gfn(d, view, vmt_gfn_from(3), own);
	vmt_driver_switch_view(d, view);
	left = leftovers(d, 4);
	assert_int_equal(left.views, 1);
	assert_int_equal(left.remaps, 1);
	assert_int_equal(left.own_pages, 1);
	assert_int_equal(left.in_views, 2);
	says(d, "2 vCPUs not in view 0, 1 view, 1 remapped page, 1 page of the handler's own");
}

static void patched_bytes_are_counted_where_they_still_stand(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_leftovers left;

	vmt_driver_write(d, vmt_gfn_from(3), 0x10, "\xcc\x00\xcc",
			 3); /* the middle one is as before */
	vmt_driver_write(d, vmt_gfn_from(4), 0, "\xcc", 1);
	left = leftovers(d, 1);
	assert_int_equal(left.patched_bytes, 3);
	assert_int_equal(left.patched_at.a, 0x3010);
	says(d, "3 patched bytes at 0x3010");

	vmt_driver_write(d, vmt_gfn_from(3), 0x10, "\0", 1);    /* put back */
	vmt_scripted_write(d, vmt_gpa_from(0x3012), "\x90", 1); /* written over by the guest */
	left = leftovers(d, 1);
	assert_int_equal(left.patched_bytes, 1);
	assert_int_equal(left.patched_at.a, 0x4000);
}

static void restricted_pages_are_counted_but_those_set_up(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_leftovers left;

	vmt_assert_ok(vmt_scripted_set_access(d, 0, vmt_gfn_from(3), vmt_access_from(VMT_R)),
		      &d->err);
	says(d, "clean");
	set_access(d, 0, 5, VMT_RX);
	set_access(d, 0, 6, 0);
	left = leftovers(d, 1);
	assert_int_equal(left.restricted_pages, 2);
	assert_int_equal(left.restricted_at.n, 5);
	says(d, "2 pages with restricted rights at gfn 0x5");
	set_access(d, 0, 5, VMT_RWX);
	set_access(d, 0, 6, VMT_RWX);
	says(d, "clean");
	set_access(d, 0, 3, VMT_X); /* not what was set up */
	assert_int_equal(leftovers(d, 1).restricted_pages, 1);
}

static void vcpus_that_stand_or_step_are_counted(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	monitor(d, VMT_MONITOR_SINGLESTEP, 0);
	PLAY(d, VMT_INSN_INT3(0, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	assert_int_equal(leftovers(d, 2).vcpus_paused, 1);
	says(d, "1 vCPU held by an event, 2 monitors");
	answer(d, &ev, vmt_respond(VMT_SINGLESTEP));
	assert_int_equal(leftovers(d, 2).stepping, 1);
	says(d, "1 vCPU single-stepping, 2 monitors");
}

static void injections_are_counted(void **state)
{
	struct vmt_driver *d = *state;
	const struct vmt_interrupt fault = vmt_page_fault(vmt_gva_from(0x1234), 0);

	vmt_assert_ok(vmt_driver_inject(d, 1, &fault), &d->err);
	assert_int_equal(leftovers(d, 1).injections, 1);
	says(d, "1 injection pending");
}

static void what_a_too_early_detach_loses_is_counted(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_INT3(0, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	skip_by(d, &ev, 1); /* new registers, which wait for the vCPU to run */
	vmt_assert_ok(vmt_driver_reset(d), &d->err);
	vmt_assert_ok(vmt_driver_detach(d), &d->err);
	assert_int_equal(leftovers(d, 1).lost_effects, 1);
	says(d, "1 effect of an answer lost");
}

static void reset_and_detach_leave_nothing(void **state)
{
	struct vmt_driver *d = *state;
	vmt_view view = new_view(d);
	struct vmt_event ev;
	vmt_gfn own = VMT_GFN_ANY;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	monitor(d, VMT_MONITOR_SINGLESTEP, 0);
	vmt_driver_alloc_gfn(d, &own);
	vmt_driver_remap_gfn(d, view, vmt_gfn_from(3), own);
	vmt_driver_switch_view(d, view);
	vmt_driver_write(d, vmt_gfn_from(5), 0, "\xcc", 1);
	set_access(d, 0, 6, VMT_R);
	PLAY(d, VMT_INSN_INT3(0, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	answer(d, &ev, vmt_respond(VMT_SINGLESTEP));
	vmt_assert_ok(vmt_driver_reset(d), &d->err);
	vmt_assert_ok(vmt_driver_settle(d, 100), &d->err);
	vmt_assert_ok(vmt_driver_detach(d), &d->err);
	vmt_assert_clean(d);
	vmt_assert_memory(d, vmt_gpa_from(0x5000), 0);
}

static void all_kinds_are_told_in_one_line(void **state)
{
	const struct vmt_leftovers left = {
		.vcpus_paused = 1,
		.stepping = 1,
		.in_views = 1,
		.injections = 2,
		.pauses = 1,
		.monitors = 1,
		.views = 2,
		.remaps = 2,
		.restricted_pages = 1,
		.patched_bytes = 1,
		.own_pages = 2,
		.lost_effects = 2,
		.patched_at = {0x1234},
		.restricted_at = {7},
	};
	char text[512], small[8];

	(void)state;
	assert_string_equal(
		vmt_leftovers_format(&left, text, sizeof(text)),
		"1 vCPU held by an event, 1 vCPU single-stepping, 1 vCPU not in view 0, "
		"2 injections pending, 1 domain pause, 1 monitor, 2 views, 2 remapped pages, "
		"1 page with restricted rights at gfn 0x7, 1 patched byte at 0x1234, "
		"2 pages of the handler's own, 2 effects of answers lost");
	assert_string_equal(vmt_leftovers_format(&left, small, sizeof(small)), "1 vCPU ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_domain_is_clean),
		TEST(monitors_are_counted),
		TEST(pauses_are_counted),
		TEST(views_remappings_and_own_pages_are_counted),
		TEST(patched_bytes_are_counted_where_they_still_stand),
		TEST(restricted_pages_are_counted_but_those_set_up),
		TEST(vcpus_that_stand_or_step_are_counted),
		TEST(injections_are_counted),
		TEST(what_a_too_early_detach_loses_is_counted),
		TEST(reset_and_detach_leave_nothing),
		cmocka_unit_test(all_kinds_are_told_in_one_line),
	};

	return cmocka_run_group_tests_name("leftovers", tests, NULL, NULL);
}
