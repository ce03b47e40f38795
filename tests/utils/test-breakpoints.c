/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The breakpoint manager: placing and removing. The groups are those of vmi-rs's tests for its
 * manager (crates/vmi-utils/src/bpm/tests/amd64.rs); docs/vmi-rs-scenarios.md has the table. What
 * happens at events is in test-breakpoint-events.c.
 */
#include "manager.h"

/* -------------------------------------------------------------------------------------------- */
/* Placing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void create_switches_its_monitors_on(struct rig *rig)
{
	struct vmt_breakpoints *b;

	assert_int_equal(vmt_breakpoints_create(rig->session, NULL, &b), 0);
	vmt_assert_calls(rig->driver, VMT_CALL_MONITOR, 2);
	assert_int_equal(vmt_monitor(rig->session, VMT_MONITOR_BREAKPOINT), -VMT_E_EXISTS);
	assert_int_equal(vmt_monitor(rig->session, VMT_MONITOR_SINGLESTEP), -VMT_E_EXISTS);
	vmt_breakpoints_destroy(b);
}

static void create_takes_monitors_that_are_on(struct rig *rig)
{
	assert_int_equal(vmt_monitor(rig->session, VMT_MONITOR_BREAKPOINT), 0);
	assert_int_equal(vmt_monitor(rig->session, VMT_MONITOR_SINGLESTEP), 0);
	vmt_breakpoints_destroy(begin(rig));
}

static void placing_shadows_the_page(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_string_equal(rig_calls(rig),
			    "get_access alloc_gfn read write set_access remap_gfn read");
	assert_int_equal(rig_byte(rig, rig_target(rig, rig->view, CODE_GFN), OFFSET), 0xcc);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PLACED);
	vmt_breakpoints_destroy(b);
}

static void placing_twice_is_once(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 0);
	assert_string_equal(rig_calls(rig), "");
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 1);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void two_on_a_page_need_one_shadow(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET2, ROOT1), CODE_GFN), 1);
	vmt_assert_calls(rig->driver, VMT_CALL_ALLOC_GFN, 1);
	vmt_assert_calls(rig->driver, VMT_CALL_REMAP_GFN, 1);
	vmt_breakpoints_destroy(b);
}

static void one_address_in_two_pages_is_two_placed(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), OTHER_GFN), 1);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 2);
	assert_true(is_shadowed(rig, rig->view, CODE_GFN));
	assert_true(is_shadowed(rig, rig->view, OTHER_GFN));
	vmt_breakpoints_destroy(b);
}

static void a_physical_breakpoint_is_for_everyone(struct rig *rig)
{
	struct vmt_breakpoint physical = {.space = VMT_PHYS, .view = rig->view};
	struct vmt_breakpoints *b = begin(rig);

	physical.address = rig_gpa(CODE_GFN, OFFSET).a;
	assert_int_equal(vmt_breakpoints_insert(b, &physical), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	assert_false(hits(rig, b, CODE_GFN, OFFSET2, ROOT1, 0));
	assert_false(hits(rig, b, OTHER_GFN, OFFSET, ROOT1, 0));
	assert_int_equal(take(b, physical), 1);
	vmt_breakpoints_destroy(b);
}

static void views_that_cannot_hold_breakpoints_are_refused(struct rig *rig)
{
	const struct vmt_breakpoints_config config = {.plain = rig->view2};
	struct vmt_breakpoints *b;

	assert_int_equal(vmt_breakpoints_create(rig->session, &config, &b), 0);
	vmt_assert_refused(place(b, in_view(bp(rig, OFFSET, ROOT1), 0), CODE_GFN),
			   vmt_error_of(rig->session), VMT_E_HANDLER);
	vmt_assert_refused(place(b, in_view(bp(rig, OFFSET, ROOT1), rig->view2), CODE_GFN),
			   vmt_error_of(rig->session), VMT_E_HANDLER);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 0);
	vmt_breakpoints_destroy(b);
}

static void a_method_that_there_is_not_is_refused(struct rig *rig)
{
	const struct vmt_breakpoints_config config = {.method = 2};
	struct vmt_breakpoints *b;

	vmt_assert_refused(vmt_breakpoints_create(rig->session, &config, &b),
			   vmt_error_of(rig->session), VMT_E_HANDLER);
}

static void another_offset_in_the_page_is_refused(struct rig *rig)
{
	const struct vmt_breakpoint it = bp(rig, OFFSET, ROOT1);
	const vmt_gpa gpa = rig_gpa(CODE_GFN, OFFSET2);
	struct vmt_breakpoints *b = begin(rig);

	vmt_assert_refused(vmt_breakpoints_insert_at(b, &it, &gpa), vmt_error_of(rig->session),
			   VMT_E_HANDLER);
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Pending                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void a_pending_breakpoint_asks_nothing_of_the_domain(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_string_equal(rig_calls(rig), "");
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PENDING);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 0);
	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 0);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PENDING), 1);
	vmt_breakpoints_destroy(b);
}

static void the_first_tag_is_kept(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_breakpoints *b = begin(rig);
	struct vmt_breakpoint hit;

	assert_int_equal(wait_for(b, tagged(bp(rig, OFFSET, ROOT1), 1)), 1);
	assert_int_equal(wait_for(b, tagged(bp(rig, OFFSET, ROOT1), 2)), 0);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 1);
	assert_int_equal(place(b, tagged(bp(rig, OFFSET, ROOT1), 3), CODE_GFN), 0);
	assert_true(vmt_breakpoints_find(b, &ev, 0, &hit));
	assert_int_equal(hit.tag, 1);
	vmt_breakpoints_destroy(b);
}

static void placing_ends_the_pending(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PENDING), 0);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_ABSENT);
	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	vmt_breakpoints_destroy(b);
}

static void a_conflict_with_a_pending_one_is_refused(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	vmt_assert_refused(wait_for(b, global(rig, OFFSET, ROOT1)), vmt_error_of(rig->session),
			   VMT_E_HANDLER);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Translation                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_breakpoint mapped(struct rig *rig, unsigned map_flags)
{
	struct vmt_breakpoint it = {.address = 0x10100, .view = rig->view};

	assert_int_equal(vmt_scripted_new_space(rig->scripted, VMT_PAGING_4, 0, &it.space), 0);
	assert_int_equal(vmt_scripted_map(rig->scripted, it.space, vmt_gva_from(0x10000),
					  vmt_gpa_of(CODE_GFN), 4096, map_flags),
			 0);
	return it;
}

static void insert_translates(struct rig *rig)
{
	const struct vmt_breakpoint it = mapped(rig, 0);
	struct vmt_breakpoints *b = begin(rig);
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, 0x10100, it.space.root);

	assert_int_equal(vmt_breakpoints_insert(b, &it), 1);
	assert_int_equal(vmt_breakpoints_state(b, &it), VMT_BREAKPOINT_PLACED);
	assert_int_equal(rig_byte(rig, rig_target(rig, rig->view, CODE_GFN), 0x100), 0xcc);
	assert_true(vmt_breakpoints_find(b, &ev, 0, NULL));
	assert_int_equal(vmt_breakpoints_remove(b, &it), 1);
	assert_int_equal(vmt_breakpoints_remove(b, &it), 0);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void an_address_that_is_not_mapped_is_pending(struct rig *rig)
{
	const struct vmt_breakpoint it = mapped(rig, VMT_MAP_NOT_PRESENT);
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(vmt_breakpoints_insert(b, &it), 1);
	assert_int_equal(vmt_breakpoints_state(b, &it), VMT_BREAKPOINT_PENDING);
	assert_int_equal(vmt_breakpoints_remove(b, &it), 1);
	assert_int_equal(vmt_breakpoints_remove(b, &it), 0);
	vmt_breakpoints_destroy(b);
}

static void tables_that_cannot_be_read_are_a_failure(struct rig *rig)
{
	struct vmt_breakpoint it = mapped(rig, 0);
	struct vmt_breakpoints *b = begin(rig);

	it.space.root = 0x7ffff000;
	vmt_assert_refused(vmt_breakpoints_insert(b, &it), vmt_error_of(rig->session),
			   VMT_E_UNMAPPED);
	assert_int_equal(vmt_breakpoints_state(b, &it), VMT_BREAKPOINT_ABSENT);
	vmt_breakpoints_destroy(b);
}

/* What was placed is removed where it was placed, whatever the tables say now. */
static void removal_needs_no_translation(struct rig *rig)
{
	const struct vmt_breakpoint it = mapped(rig, 0);
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(vmt_breakpoints_insert(b, &it), 1);
	assert_int_equal(vmt_scripted_map(rig->scripted, it.space, vmt_gva_from(0x10000),
					  vmt_gpa_of(OTHER_GFN), 4096, 0),
			 0);
	rig_calls(rig);
	assert_int_equal(vmt_breakpoints_remove(b, &it), 1);
	assert_string_equal(rig_calls(rig), "remap_gfn set_access");
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void retry_places_what_has_become_present(struct rig *rig)
{
	const struct vmt_breakpoint it = mapped(rig, VMT_MAP_NOT_PRESENT);
	struct vmt_breakpoint never = it;
	struct vmt_breakpoints *b = begin(rig);

	never.address = 0x7fff0100;
	assert_int_equal(vmt_breakpoints_insert(b, &it), 1);
	assert_int_equal(vmt_breakpoints_insert(b, &never), 1);
	assert_int_equal(vmt_breakpoints_retry(b), 0);
	assert_int_equal(vmt_scripted_map(rig->scripted, it.space, vmt_gva_from(0x10000),
					  vmt_gpa_of(CODE_GFN), 4096, 0),
			 0);
	vmt_flush(rig->session);
	assert_int_equal(vmt_breakpoints_retry(b), 1);
	assert_int_equal(vmt_breakpoints_state(b, &it), VMT_BREAKPOINT_PLACED);
	assert_int_equal(vmt_breakpoints_state(b, &never), VMT_BREAKPOINT_PENDING);
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Removing                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void the_last_of_a_page_takes_the_shadow_away(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_string_equal(rig_calls(rig), "remap_gfn set_access");
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RWX);
	vmt_breakpoints_destroy(b);
}

static void two_roots_share_a_byte(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT2), CODE_GFN), 1);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_string_equal(rig_calls(rig), "");
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT2)), 1);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void removing_a_pending_one_asks_nothing_of_the_domain(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_string_equal(rig_calls(rig), "");
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PENDING), 0);
	vmt_breakpoints_destroy(b);
}

static void removing_a_global_one_takes_placed_and_pending(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(wait_for(b, global(rig, OFFSET, ROOT2)), 1);
	assert_int_equal(take(b, global(rig, OFFSET, ROOT2)), 1);
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PENDING), 0);
	vmt_breakpoints_destroy(b);
}

static void what_is_not_there_is_not_removed(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 0);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(take(b, bp(rig, OFFSET2, ROOT1)), 0);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT2)), 0);
	assert_int_equal(take(b, keyed(bp(rig, OFFSET, ROOT1), 7)), 0);
	assert_int_equal(take(b, in_view(bp(rig, OFFSET, ROOT1), rig->view2)), 0);
	assert_string_equal(rig_calls(rig), "");
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	vmt_breakpoints_destroy(b);
}

static void removing_by_event(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_event viewless = rig_int3(-1, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(vmt_breakpoints_remove_by_event(b, &ev, 0), 0);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT2), CODE_GFN), 1);
	assert_int_equal(vmt_breakpoints_remove_by_event(b, &viewless, 0), 0);
	assert_int_equal(vmt_breakpoints_remove_by_event(b, &ev, 1), 0);
	assert_int_equal(vmt_breakpoints_remove_by_event(b, &ev, 0), 1);
	assert_true(is_shadowed(rig, rig->view, CODE_GFN));
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	ev.regs.cr3 = ROOT2;
	assert_int_equal(vmt_breakpoints_remove_by_event(b, &ev, 0), 1);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void removing_by_event_is_for_all_views(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, in_view(bp(rig, OFFSET, ROOT1), rig->view2), CODE_GFN), 1);
	assert_int_equal(vmt_breakpoints_remove_by_event(b, &ev, 0), 1);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 0);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_false(is_shadowed(rig, rig->view2, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void removing_a_view(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(vmt_breakpoints_remove_view(b, rig->view), 0);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(wait_for(b, bp(rig, OFFSET2, ROOT1)), 1);
	assert_int_equal(place(b, in_view(bp(rig, OFFSET, ROOT1), rig->view2), CODE_GFN), 1);
	assert_int_equal(vmt_breakpoints_remove_view(b, rig->view), 2);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_ABSENT);
	assert_int_equal(state_of(b, bp(rig, OFFSET2, ROOT1)), VMT_BREAKPOINT_ABSENT);
	assert_int_equal(state_of(b, in_view(bp(rig, OFFSET, ROOT1), rig->view2)),
			 VMT_BREAKPOINT_PLACED);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_true(is_shadowed(rig, rig->view2, CODE_GFN));
	assert_int_equal(wait_for(b, bp(rig, OFFSET2, ROOT1)), 1);
	vmt_breakpoints_destroy(b);
}

static void clearing(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(vmt_breakpoints_clear(b), 0);
	assert_string_equal(rig_calls(rig), "");
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, keyed(bp(rig, OFFSET, ROOT1), 1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), OTHER_GFN), 1);
	assert_int_equal(wait_for(b, bp(rig, OFFSET2, ROOT1)), 1);
	assert_int_equal(vmt_breakpoints_trim(b), 0);
	assert_int_equal(vmt_breakpoints_clear(b), 0);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 0);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PENDING), 0);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_false(is_shadowed(rig, rig->view, OTHER_GFN));
	assert_int_equal(vmt_breakpoints_trim(b), 2);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(wait_for(b, bp(rig, OFFSET2, ROOT1)), 1);
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Failures                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void create_fails_with_each_of_its_calls(struct rig *rig)
{
	static const struct {
		unsigned op;
		uint64_t nth;
	} calls[] = {{VMT_CALL_INFO, 1},
		     {VMT_CALL_INFO, 2},
		     {VMT_CALL_MONITOR, 1},
		     {VMT_CALL_MONITOR, 2}};

	for (size_t i = 0; i < 4; i++) {
		struct vmt_breakpoints *b = NULL;

		rig_fail(rig, calls[i].op, calls[i].nth, 0);
		vmt_assert_refused(vmt_breakpoints_create(rig->session, NULL, &b),
				   vmt_error_of(rig->session), VMT_E_HYPERVISOR);
		assert_null(b);
	}
}

static void a_failed_insert_changes_nothing(struct rig *rig)
{
	static const unsigned ops[] = {VMT_CALL_GET_ACCESS, VMT_CALL_ALLOC_GFN,
				       VMT_CALL_READ,       VMT_CALL_WRITE,
				       VMT_CALL_SET_ACCESS, VMT_CALL_REMAP_GFN};
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		/* By now a shadow page is at hand. */
		if (ops[i] == VMT_CALL_ALLOC_GFN && vmt_call_log_count(rig->driver, ops[i]) > 0)
			continue;
		rig_fail(rig, ops[i], 1, VMT_E_PERMISSION);
		vmt_assert_refused(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN),
				   vmt_error_of(rig->session), VMT_E_PERMISSION);
		assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PENDING);
		assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	}
	vmt_fault_injector_clear(rig->driver);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	vmt_breakpoints_destroy(b);
}

static void a_failed_remove_can_be_tried_again(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_fail(rig, VMT_CALL_REMAP_GFN, 1, 0);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), -VMT_E_HYPERVISOR);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PLACED);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	rig_fail(rig, VMT_CALL_SET_ACCESS, 1, 0);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), -VMT_E_HYPERVISOR);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_ABSENT);
	rig_calls(rig);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 0);
	assert_string_equal(rig_calls(rig), "set_access");
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RWX);
	vmt_breakpoints_destroy(b);
}

static void clear_goes_on_past_a_failure(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), OTHER_GFN), 1);
	rig_fail(rig, VMT_CALL_REMAP_GFN, 1, 0);
	assert_int_equal(vmt_breakpoints_clear(b), -VMT_E_HYPERVISOR);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 1);
	assert_int_equal(vmt_breakpoints_clear(b), 0);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 0);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_false(is_shadowed(rig, rig->view, OTHER_GFN));
	vmt_breakpoints_destroy(b);
}

static void a_view_that_is_gone_is_no_failure(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(vmt_view_destroy(rig->session, rig->view), 0);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_int_equal(vmt_breakpoints_clear(b), 0);
	vmt_breakpoints_destroy(b);
}

static void a_failed_page_in_leaves_the_rest_pending(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_int_equal(wait_for(b, bp(rig, OFFSET2, ROOT1)), 1);
	rig_fail(rig, VMT_CALL_WRITE, 2, 0);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), -VMT_E_HYPERVISOR);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PLACED);
	assert_int_equal(state_of(b, bp(rig, OFFSET2, ROOT1)), VMT_BREAKPOINT_PENDING);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 1);
	vmt_breakpoints_destroy(b);
}

static void a_failed_page_out_leaves_the_breakpoint_known(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_fail(rig, VMT_CALL_REMAP_GFN, 1, 0);
	assert_int_equal(page_out(rig, b, ROOT1, CODE_GFN), -VMT_E_HYPERVISOR);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PLACED);
	rig_fail(rig, VMT_CALL_SET_ACCESS, 1, 0);
	assert_int_equal(page_out(rig, b, ROOT1, CODE_GFN), -VMT_E_HYPERVISOR);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PENDING);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 1);
	vmt_breakpoints_destroy(b);
}

static void refresh_follows_the_page(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);
	vmt_gfn shadow;

	assert_int_equal(vmt_breakpoints_refresh(b, rig->view, CODE_GFN), 0);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	vmt_scripted_fill(rig->scripted, vmt_gpa_of(CODE_GFN), 0x5a, 4096);
	rig_fail(rig, VMT_CALL_WRITE, 1, 0);
	assert_int_equal(vmt_breakpoints_refresh(b, rig->view, CODE_GFN), -VMT_E_HYPERVISOR);
	assert_int_equal(vmt_breakpoints_refresh(b, rig->view, CODE_GFN), 1);
	assert_int_equal(rig_byte(rig, shadow, 0), 0x5a);
	assert_int_equal(rig_byte(rig, shadow, OFFSET), 0xcc);
	assert_int_equal(vmt_breakpoints_refresh(b, rig->view2, CODE_GFN), 0);
	vmt_breakpoints_destroy(b);
}

#define BODIES(F)                                            \
	F(create_switches_its_monitors_on)                   \
	F(create_takes_monitors_that_are_on)                 \
	F(placing_shadows_the_page)                          \
	F(placing_twice_is_once)                             \
	F(two_on_a_page_need_one_shadow)                     \
	F(one_address_in_two_pages_is_two_placed)            \
	F(a_physical_breakpoint_is_for_everyone)             \
	F(views_that_cannot_hold_breakpoints_are_refused)    \
	F(a_method_that_there_is_not_is_refused)             \
	F(another_offset_in_the_page_is_refused)             \
	F(a_pending_breakpoint_asks_nothing_of_the_domain)   \
	F(the_first_tag_is_kept)                             \
	F(placing_ends_the_pending)                          \
	F(a_conflict_with_a_pending_one_is_refused)          \
	F(insert_translates)                                 \
	F(an_address_that_is_not_mapped_is_pending)          \
	F(tables_that_cannot_be_read_are_a_failure)          \
	F(removal_needs_no_translation)                      \
	F(retry_places_what_has_become_present)              \
	F(the_last_of_a_page_takes_the_shadow_away)          \
	F(two_roots_share_a_byte)                            \
	F(removing_a_pending_one_asks_nothing_of_the_domain) \
	F(removing_a_global_one_takes_placed_and_pending)    \
	F(what_is_not_there_is_not_removed)                  \
	F(removing_by_event)                                 \
	F(removing_by_event_is_for_all_views)                \
	F(removing_a_view)                                   \
	F(clearing)                                          \
	F(create_fails_with_each_of_its_calls)               \
	F(a_failed_insert_changes_nothing)                   \
	F(a_failed_remove_can_be_tried_again)                \
	F(clear_goes_on_past_a_failure)                      \
	F(a_view_that_is_gone_is_no_failure)                 \
	F(a_failed_page_in_leaves_the_rest_pending)          \
	F(a_failed_page_out_leaves_the_breakpoint_known)     \
	F(refresh_follows_the_page)

RIG_MAIN(BODIES)
