/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated domain under a monitor: code, views and rights that change while the guest runs.
 */
#include "guest.h"

#define CONTINUE vmt_respond(VMT_CONTINUE)

/* -------------------------------------------------------------------------------------------- */
/* Code that changes                                                                            */
/* -------------------------------------------------------------------------------------------- */

static void breakpoint_bytes_written_under_the_vcpus_feet_are_hit(void **state)
{
	struct vmt_event ev;
	struct guest g;
	uint8_t old;

	(void)state;
	guest_start_trial(&g);
	guest_monitor(&g, VMT_MONITOR_BREAKPOINT, 0, true);
	old = (uint8_t)guest_word(&g, TRIAL_FIXED);
	for (unsigned i = 0; i < 20; i++) {
		guest_write(&g, TRIAL_FIXED, "\xcc", 1);
		ev = guest_event(&g, VMT_EVENT_INTERRUPT);
		assert_true(vmt_event_is_breakpoint(&ev));
		assert_int_equal(ev.regs.gprs.rip, TRIAL_FIXED);
		assert_int_equal(ev.u.interrupt.gfn.n, TRIAL_FIXED >> 12);
		guest_write(&g, TRIAL_FIXED, &old, 1);
		guest_answer(&g, &ev, CONTINUE);
		guest_go_on(&g);
		assert_int_equal(guest_word(&g, TRIAL_SEEN), TRIAL_FIXED_VALUE);
	}
	guest_finish(&g);
}

static void a_breakpoint_that_stays_is_hit_again_and_again(void **state)
{
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_start_trial(&g);
	guest_monitor(&g, VMT_MONITOR_BREAKPOINT, 0, true);
	guest_write(&g, TRIAL_FIXED, "\xcc", 1);
	for (unsigned i = 0; i < 3; i++) {
		ev = guest_event(&g, VMT_EVENT_INTERRUPT);
		assert_int_equal(ev.regs.gprs.rip, TRIAL_FIXED);
		guest_answer(&g, &ev, CONTINUE);
	}
	guest_finish(&g);
}

static void code_that_is_rewritten_is_executed_anew(void **state)
{
	struct guest g;

	(void)state;
	guest_start_trial(&g);
	for (uint32_t value = 1; value < 40; value++) {
		guest_write(&g, TRIAL_FIXED + 1, &value, sizeof(value));
		guest_go_on(&g);
		assert_int_equal(guest_word(&g, TRIAL_SEEN), value);
	}
	guest_finish(&g);
}

static void an_instruction_over_a_page_end_follows_both_pages(void **state)
{
	struct guest g;

	(void)state;
	guest_start_trial(&g);
	guest_write(&g, 0x202000, "\xaa", 1);
	guest_go_on(&g);
	assert_int_equal(guest_word(&g, TRIAL_SEEN + 8), UINT64_C(0x1122334455aa7788));
	guest_finish(&g);
}

/* -------------------------------------------------------------------------------------------- */
/* Views                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void views_switched_in_mid_run_take_effect(void **state)
{
	const uint32_t other = 0x22222222;
	struct guest g;
	vmt_view view;
	vmt_gfn shadow;

	(void)state;
	guest_start_trial(&g);
	view = guest_view(&g);
	shadow = guest_copy_page(&g, TRIAL_FIXED);
	guest_ok(&g, vmt_driver_write(g.d, shadow, 1, &other, sizeof(other)));
	guest_ok(&g, vmt_driver_remap_gfn(g.d, view, GFN(TRIAL_FIXED), shadow));
	for (unsigned i = 0; i < 10; i++) {
		guest_ok(&g, vmt_driver_switch_view(g.d, view));
		guest_go_on(&g);
		assert_int_equal(guest_word(&g, TRIAL_SEEN), other);
		guest_ok(&g, vmt_driver_switch_view(g.d, 0));
		guest_go_on(&g);
		assert_int_equal(guest_word(&g, TRIAL_SEEN), TRIAL_FIXED_VALUE);
	}
	guest_finish(&g);
}

static void pages_remapped_show_other_data_and_take_the_writes(void **state)
{
	const uint64_t other = 0x3333;
	struct guest g;
	vmt_view view;
	vmt_gfn shadow;

	(void)state;
	guest_start_trial(&g);
	view = guest_view(&g);
	shadow = guest_copy_page(&g, TRIAL_DATA);
	guest_ok(&g, vmt_driver_write(g.d, shadow, 0, &other, sizeof(other)));
	guest_ok(&g, vmt_driver_switch_view(g.d, view));
	guest_go_on(&g);
	guest_ok(&g, vmt_driver_remap_gfn(g.d, view, GFN(TRIAL_DATA), shadow));
	guest_go_on(&g);
	assert_int_equal(guest_word(&g, TRIAL_SEEN + 16), other);
	assert_true(guest_word(&g, (shadow.n << 12) + 8) > guest_word(&g, TRIAL_DATA + 8));
	guest_ok(&g, vmt_driver_remap_gfn(g.d, view, GFN(TRIAL_DATA), VMT_GFN_ANY));
	guest_go_on(&g);
	assert_int_equal(guest_word(&g, TRIAL_SEEN + 16), TRIAL_DATA_VALUE);
	assert_true(guest_word(&g, (shadow.n << 12) + 8) < guest_word(&g, TRIAL_DATA + 8));
	guest_finish(&g);
}

static void a_stealth_breakpoint_is_fetched_and_not_read(void **state)
{
	struct vmt_event ev;
	struct guest g;
	vmt_view view;
	vmt_gfn shadow;

	(void)state;
	guest_start_trial(&g);
	guest_monitor(&g, VMT_MONITOR_BREAKPOINT, 0, true);
	guest_monitor(&g, VMT_MONITOR_SINGLESTEP, 0, true);
	view = guest_view(&g);
	shadow = guest_copy_page(&g, TRIAL_FIXED);
	guest_ok(&g, vmt_driver_write(g.d, shadow, 0, "\xcc", 1));
	guest_ok(&g, vmt_driver_remap_gfn(g.d, view, GFN(TRIAL_FIXED), shadow));
	guest_ok(&g, vmt_driver_switch_view(g.d, view));
	for (unsigned i = 0; i < 5; i++) {
		ev = guest_event(&g, VMT_EVENT_INTERRUPT);
		assert_int_equal(ev.view, view);
		guest_answer(&g, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	}
	assert_int_equal(guest_word(&g, TRIAL_SEEN), TRIAL_FIXED_VALUE);
	guest_finish(&g);
}

/* -------------------------------------------------------------------------------------------- */
/* Rights                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** The next access to a watched page by the instruction at @rip; others are stepped over. */
static struct vmt_event access_at(struct guest *g, uint64_t rip)
{
	struct vmt_event ev = guest_event(g, VMT_EVENT_MEMORY_ACCESS);

	while (ev.regs.gprs.rip != rip) {
		guest_answer(g, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
		ev = guest_event(g, VMT_EVENT_MEMORY_ACCESS);
	}
	return ev;
}

static void code_over_a_page_end_stops_at_the_page_that_is_watched(void **state)
{
	static const uint64_t pages[] = {TRIAL_ACROSS & ~UINT64_C(4095), 0x202000};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vmt_event ev;
		struct guest g;
		vmt_view view;

		guest_start_trial(&g);
		view = guest_view(&g);
		guest_rights(&g, view, pages[i], VMT_RW);
		guest_ok(&g, vmt_driver_switch_view(g.d, view));
		ev = access_at(&g, TRIAL_ACROSS);
		assert_int_equal(ev.u.memory.access, VMT_X);
		assert_int_equal(ev.u.memory.gpa.a, i == 0 ? TRIAL_ACROSS : 0x202000);
		assert_int_equal(ev.u.memory.gva.a, ev.u.memory.gpa.a);
		assert_int_equal(ev.u.memory.flags, VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA);
		guest_answer(&g, &ev, vmt_with_view(CONTINUE, 0));
		guest_go_on(&g);
		assert_int_equal(guest_word(&g, TRIAL_SEEN + 8), TRIAL_ACROSS_VALUE);
		guest_finish(&g);
	}
}

static void a_step_over_a_page_end_is_one_step(void **state)
{
	struct vmt_event ev;
	struct guest g;
	vmt_view view;

	(void)state;
	guest_start_trial(&g);
	guest_monitor(&g, VMT_MONITOR_SINGLESTEP, 0, true);
	view = guest_view(&g);
	guest_rights(&g, view, 0x202000, VMT_RW);
	guest_ok(&g, vmt_driver_switch_view(g.d, view));
	ev = access_at(&g, TRIAL_ACROSS);
	guest_answer(&g, &ev, vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0));
	ev = guest_event(&g, VMT_EVENT_SINGLESTEP);
	assert_int_equal(ev.regs.gprs.rip, TRIAL_ACROSS + 10);
	assert_int_equal(ev.regs.gprs.rbx, TRIAL_ACROSS_VALUE);
	assert_int_equal(ev.u.step.gfn.n, 0x202);
	guest_answer(&g, &ev, vmt_with_view(CONTINUE, view));
	ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS); /* the RET, on the same page */
	assert_int_equal(ev.regs.gprs.rip, TRIAL_ACROSS + 10);
	guest_finish(&g);
}

static void reads_and_writes_are_told_as_xen_tells_them(void **state)
{
	struct vmt_event ev;
	struct guest g;
	vmt_view view;

	(void)state;
	guest_start_trial(&g);
	view = guest_view(&g);
	guest_rights(&g, view, TRIAL_DATA, VMT_X);
	guest_ok(&g, vmt_driver_switch_view(g.d, view));
	ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS);
	while (ev.u.memory.gpa.a != TRIAL_DATA) {
		guest_answer(&g, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
		ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS);
	}
	assert_int_equal(ev.u.memory.access, VMT_R);
	guest_answer(&g, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS);
	assert_int_equal(ev.u.memory.gpa.a, TRIAL_DATA + 8);
	assert_int_equal(ev.u.memory.access, VMT_RW);
	assert_int_equal(ev.view, view);
	guest_finish(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(breakpoint_bytes_written_under_the_vcpus_feet_are_hit),
		cmocka_unit_test(a_breakpoint_that_stays_is_hit_again_and_again),
		cmocka_unit_test(code_that_is_rewritten_is_executed_anew),
		cmocka_unit_test(an_instruction_over_a_page_end_follows_both_pages),
		cmocka_unit_test(views_switched_in_mid_run_take_effect),
		cmocka_unit_test(pages_remapped_show_other_data_and_take_the_writes),
		cmocka_unit_test(a_stealth_breakpoint_is_fetched_and_not_read),
		cmocka_unit_test(code_over_a_page_end_stops_at_the_page_that_is_watched),
		cmocka_unit_test(a_step_over_a_page_end_is_one_step),
		cmocka_unit_test(reads_and_writes_are_told_as_xen_tells_them),
	};

	if (argc < 3)
		return 2;
	demo_elf = argv[1];
	trial_elf = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
