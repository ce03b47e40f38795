/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Views that matter on the scripted domain: breakpoints in remapped pages, rights by view, steps in
 * another view and back.
 */
#include <stdlib.h>

#include "domain.h"

#define CODE   0x1100u /* where the watched instruction stands */
#define SHADOW 0x80u   /* the gfn of its page's copy */

/*
 * A stealth breakpoint, as vmi-rs's interceptor and every sandbox make it: in a view, the code's
 * page shows a copy that holds an int3.
 */
static vmt_view plant(struct vmt_driver *d)
{
	uint8_t page[VMT_PAGE_SIZE];
	vmt_view view = new_view(d);
	vmt_gfn shadow = VMT_GFN_ANY;

	vmt_assert_ok(vmt_driver_alloc_gfn(d, &shadow), &d->err);
	vmt_assert_ok(vmt_driver_read(d, vmt_gfn_from(1), 0, page, sizeof(page)), &d->err);
	page[CODE & VMT_PAGE_MASK] = 0xcc;
	vmt_assert_ok(vmt_driver_write(d, shadow, 0, page, sizeof(page)), &d->err);
	vmt_assert_ok(vmt_driver_remap_gfn(d, view, vmt_gfn_from(1), shadow), &d->err);
	set_access(d, view, 1, VMT_X);
	return view;
}

static void a_breakpoint_in_a_remapped_page_is_hit_in_its_view_only(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;
	vmt_view view;

	(void)state;
	/* Both vCPUs run the same code; only vCPU 1 goes to the view. */
	PLAY(d, VMT_INSN_NOP(0, CODE - 1), VMT_INSN_WRITE(0, 0, 0x3000, "0", 1), VMT_INSN_NOP(0, 0),
	     VMT_WORLD_SYNC(), VMT_INSN_VMCALL(1, 0x5000), VMT_INSN_NOP(1, CODE - 1),
	     VMT_INSN_WRITE(1, 0, 0x3001, "1", 1), VMT_INSN_NOP(1, 0));
	view = plant(d);
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	monitor(d, VMT_MONITOR_HYPERCALL, 0);

	ev = take(d); /* vCPU 0 is through already */
	vmt_assert_event(&ev, VMT_EVENT_HYPERCALL, {"vcpu", 1}, {"view", 0});
	vmt_assert_memory(d, vmt_gpa_from(0x3000), '0', 0);
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), view));

	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"vcpu", 1}, {"view", view}, {"vector", 3},
			 {"rip", CODE}, {"gfn", 1});
	vmt_assert_memory(d, vmt_gpa_from(CODE), 0x88); /* the guest's own byte is untouched */
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), '0', '1');
	vmt_assert_delivered(d, -1, 0);
	vmt_driver_close(d);
}

static void a_fast_step_runs_one_instruction_elsewhere_and_comes_back(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	vmt_view view, now;
	struct vmt_event ev;

	(void)state;
	PLAY(d, VMT_INSN_WRITE(0, CODE, 0x3000, "x", 1), VMT_INSN_WRITE(0, CODE, 0x3001, "y", 1),
	     VMT_INSN_NOP(0, 0x1200));
	view = plant(d);
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	vmt_assert_ok(vmt_driver_switch_view(d, view), &d->err);
	for (unsigned hits = 0; hits < 2; hits++) {
		ev = take(d);
		vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"view", view}, {"rip", CODE});
		answer(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	}
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x', 'y');
	vmt_assert_ok(vmt_scripted_vcpu_view(d, 0, &now), &d->err);
	assert_int_equal(now, view);
	vmt_driver_close(d);
}

static void a_step_in_view_0_and_back_by_the_step_event(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;
	vmt_view view;

	(void)state;
	PLAY(d, VMT_INSN_WRITE(0, CODE, 0x3000, "x", 1), VMT_INSN_NOP(0, 0x1200),
	     VMT_INSN_WRITE(0, CODE, 0x3001, "y", 1), VMT_INSN_NOP(0, 0x1200));
	view = plant(d);
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	monitor(d, VMT_MONITOR_SINGLESTEP, 0);
	vmt_assert_ok(vmt_driver_switch_view(d, view), &d->err);
	for (unsigned hits = 0; hits < 2; hits++) {
		ev = take(d);
		vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"view", view}, {"rip", CODE});
		answer(d, &ev, vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0));
		ev = take(d);
		vmt_assert_event(&ev, VMT_EVENT_SINGLESTEP, {"view", 0}, {"rip", 0x1200});
		answer(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), view));
	}
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x', 'y');
	vmt_driver_close(d);
}

static void a_guest_that_reads_its_code_is_told_and_shown_the_original(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;
	vmt_view view;

	(void)state;
	/* An integrity check: it reads the byte where the breakpoint is. */
	PLAY(d, VMT_INSN_WRITE(0, CODE, 0x3000, "x", 1), VMT_INSN_READ(0, 0x5000, CODE, 1),
	     VMT_INSN_NOP(0, 0));
	view = plant(d);
	vmt_assert_ok(vmt_driver_switch_view(d, view), &d->err);
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	ev = take(d);
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_MEMORY_ACCESS, {"gpa", CODE}, {"access", VMT_R},
			 {"view", view}, {"rip", 0x5000});
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0));
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax & 0xff, 0x88);
	vmt_driver_close(d);
}

static void a_write_through_a_remapping_lands_in_the_page_that_is_shown(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	vmt_view view;

	(void)state;
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3010, "x", 1), VMT_INSN_READ(0, 0, 0x3010, 1));
	view = new_view(d);
	vmt_assert_ok(vmt_driver_remap_gfn(d, view, vmt_gfn_from(3), vmt_gfn_from(SHADOW)),
		      &d->err);
	vmt_assert_ok(vmt_driver_switch_view(d, view), &d->err);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3010), 0);
	vmt_assert_memory(d, vmt_gpa_from((SHADOW << 12) + 0x10), 'x');
	assert_int_equal(regs_of(d, 0).gprs.rax, 'x');
	vmt_driver_close(d);
}

static void page_walks_go_through_the_view_too(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.paging = VMT_PAGING_4});
	struct vmt_space other;
	vmt_view view;

	(void)state;
	/* In the view, the root table is that of another address space. */
	vmt_assert_ok(vmt_scripted_new_space(d, VMT_PAGING_4, 0, &other), &d->err);
	vmt_assert_ok(vmt_scripted_map(d, other, vmt_gva_from(0x1000), vmt_gpa_from(0x1000), 0x1000,
				       0),
		      &d->err);
	vmt_assert_ok(vmt_scripted_map(d, other, vmt_gva_from(0x3000), vmt_gpa_from(0x4000), 0x1000,
				       0),
		      &d->err);
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3000, "x", 1));
	view = new_view(d);
	vmt_assert_ok(vmt_driver_remap_gfn(d, view,
					   vmt_gfn_of(vmt_gpa_from(vmt_scripted_space(d).root)),
					   vmt_gfn_of(vmt_gpa_from(other.root))),
		      &d->err);
	vmt_assert_ok(vmt_driver_switch_view(d, view), &d->err);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0);
	vmt_assert_memory(d, vmt_gpa_from(0x4000), 'x');
	vmt_driver_close(d);
}

static void rights_hold_in_their_view(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;
	vmt_view view;

	(void)state;
	PLAY(d, VMT_INSN_VMCALL(1, 0), VMT_WORLD_SYNC(), VMT_INSN_WRITE(0, 0, 0x3000, "0", 1),
	     VMT_INSN_WRITE(1, 0, 0x3001, "1", 1));
	view = new_view(d);
	set_access(d, view, 3, VMT_R);
	monitor(d, VMT_MONITOR_HYPERCALL, 0);
	ev = take(d);
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), view));
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 1);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_MEMORY_ACCESS, {"vcpu", 1}, {"view", view},
			 {"gpa", 0x3001});
	vmt_assert_memory(d, vmt_gpa_from(0x3000), '0', 0);
	answer(d, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 0));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), '0', '1');
	vmt_driver_close(d);
}

static void the_target_of_a_remapping_can_be_asked_for(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	vmt_view view = new_view(d);
	vmt_gfn to;

	(void)state;
	vmt_assert_ok(vmt_scripted_view_target(d, view, vmt_gfn_from(3), &to), &d->err);
	assert_int_equal(to.n, 3);
	vmt_assert_ok(vmt_driver_remap_gfn(d, view, vmt_gfn_from(3), vmt_gfn_from(7)), &d->err);
	vmt_assert_ok(vmt_scripted_view_target(d, view, vmt_gfn_from(3), &to), &d->err);
	assert_int_equal(to.n, 7);
	vmt_assert_ok(vmt_scripted_view_target(d, 0, vmt_gfn_from(3), &to), &d->err);
	assert_int_equal(to.n, 3);
	vmt_driver_close(d);
}

static void amd_has_no_views(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.svm = true});
	vmt_view view;

	(void)state;
	vmt_assert_refused(vmt_driver_create_view(d, vmt_access_from(VMT_RWX), &view), &d->err,
			   VMT_E_NOT_SUPPORTED);
	vmt_driver_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_breakpoint_in_a_remapped_page_is_hit_in_its_view_only),
		cmocka_unit_test(a_fast_step_runs_one_instruction_elsewhere_and_comes_back),
		cmocka_unit_test(a_step_in_view_0_and_back_by_the_step_event),
		cmocka_unit_test(a_guest_that_reads_its_code_is_told_and_shown_the_original),
		cmocka_unit_test(a_write_through_a_remapping_lands_in_the_page_that_is_shown),
		cmocka_unit_test(page_walks_go_through_the_view_too),
		cmocka_unit_test(rights_hold_in_their_view),
		cmocka_unit_test(the_target_of_a_remapping_can_be_asked_for),
		cmocka_unit_test(amd_has_no_views),
	};

	return cmocka_run_group_tests_name("scripted views", tests, NULL, NULL);
}
