/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The breakpoint manager: who has a breakpoint where. The groups are those of vmi-rs's tests for
 * its manager (crates/vmi-utils/src/bpm/tests/amd64.rs); docs/vmi-rs-scenarios.md has the table.
 * What happens at events is in test-breakpoint-events.c.
 */
#include <vmitape/breakpoint.h>

#include "rig.h"

#define VA_BASE UINT64_C(0xfffff80000040000)
#define ROOT1   UINT64_C(0x2000)
#define ROOT2   UINT64_C(0x3000)

static struct vmt_breakpoints *begin(struct rig *rig)
{
	struct vmt_breakpoints *b;

	vmt_assert_ok(vmt_breakpoints_create(rig->session, NULL, &b), vmt_error_of(rig->session));
	rig_calls(rig);
	return b;
}

static struct vmt_space space(uint64_t root)
{
	return (struct vmt_space){.root = root, .paging = VMT_PAGING_4};
}

static struct vmt_breakpoint bp(struct rig *rig, uint64_t offset, uint64_t root)
{
	return (struct vmt_breakpoint){
		.space = space(root), .address = VA_BASE | offset, .view = rig->view};
}

static struct vmt_breakpoint global(struct rig *rig, uint64_t offset, uint64_t root)
{
	struct vmt_breakpoint it = bp(rig, offset, root);

	it.global = true;
	return it;
}

static struct vmt_breakpoint keyed(struct vmt_breakpoint it, uint64_t key)
{
	it.key = key;
	return it;
}

static struct vmt_breakpoint in_view(struct vmt_breakpoint it, vmt_view view)
{
	it.view = view;
	return it;
}

static struct vmt_breakpoint tagged(struct vmt_breakpoint it, uint64_t tag)
{
	it.tag = tag;
	return it;
}

/** Place @it in the page @gfn. */
static int place(struct vmt_breakpoints *b, struct vmt_breakpoint it, vmt_gfn gfn)
{
	const vmt_gpa gpa = rig_gpa(gfn, it.address & VMT_PAGE_MASK);

	return vmt_breakpoints_insert_at(b, &it, &gpa);
}

static int wait_for(struct vmt_breakpoints *b, struct vmt_breakpoint it)
{
	return vmt_breakpoints_insert_at(b, &it, NULL);
}

static int take(struct vmt_breakpoints *b, struct vmt_breakpoint it)
{
	return vmt_breakpoints_remove(b, &it);
}

static enum vmt_breakpoint_state state_of(struct vmt_breakpoints *b, struct vmt_breakpoint it)
{
	return vmt_breakpoints_state(b, &it);
}

/** Does an int3 at @offset of @gfn under @root hit a breakpoint of @key? */
static bool hits(struct rig *rig, struct vmt_breakpoints *b, vmt_gfn gfn, uint64_t offset,
		 uint64_t root, uint64_t key)
{
	const struct vmt_event ev = rig_int3(rig->view, gfn, VA_BASE | offset, root);

	return vmt_breakpoints_find(b, &ev, key, NULL);
}

static int page_in(struct rig *rig, struct vmt_breakpoints *b, uint64_t root, vmt_gfn gfn)
{
	return vmt_breakpoints_page_in(b, rig->view, space(root), vmt_gva_from(VA_BASE),
				       vmt_gpa_of(gfn));
}

static int page_out(struct rig *rig, struct vmt_breakpoints *b, uint64_t root, vmt_gfn gfn)
{
	return vmt_breakpoints_page_out(b, rig->view, space(root), vmt_gva_from(VA_BASE),
					vmt_gpa_of(gfn));
}

static bool is_shadowed(struct rig *rig, vmt_view view, vmt_gfn gfn)
{
	return rig_target(rig, view, gfn).n != gfn.n;
}

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
/* Page in, page out                                                                            */
/* -------------------------------------------------------------------------------------------- */

static void a_page_that_comes_in_gets_its_breakpoints(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 0);
	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_int_equal(wait_for(b, bp(rig, OFFSET2, ROOT1)), 1);
	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT2)), 1);
	assert_int_equal(wait_for(b, bp(rig, 0x1000, ROOT1)), 1);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 2);
	assert_int_equal(rig_byte(rig, rig_target(rig, rig->view, CODE_GFN), OFFSET), 0xcc);
	assert_int_equal(rig_byte(rig, rig_target(rig, rig->view, CODE_GFN), OFFSET2), 0xcc);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PENDING), 2);
	vmt_breakpoints_destroy(b);
}

static void a_page_that_goes_out_makes_them_pending(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(page_out(rig, b, ROOT1, CODE_GFN), 0);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(page_out(rig, b, ROOT1, CODE_GFN), 1);
	assert_string_equal(rig_calls(rig), "remap_gfn set_access");
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PENDING);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_int_equal(page_in(rig, b, ROOT1, OTHER_GFN), 1);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PLACED);
	assert_true(is_shadowed(rig, rig->view, OTHER_GFN));
	vmt_breakpoints_destroy(b);
}

/* vmi-rs takes out all that stands on the page; here the other process keeps its own. */
static void another_process_keeps_its_breakpoint_on_a_shared_page(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT2), CODE_GFN), 1);
	assert_int_equal(page_out(rig, b, ROOT1, CODE_GFN), 1);
	assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_PENDING);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	assert_int_equal(page_out(rig, b, ROOT2, CODE_GFN), 1);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void out_and_in_keeps_what_a_breakpoint_is(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT2);
	struct vmt_breakpoints *b = begin(rig);
	struct vmt_breakpoint hit;

	assert_int_equal(place(b, tagged(global(rig, OFFSET, ROOT1), 5), CODE_GFN), 1);
	assert_int_equal(page_out(rig, b, ROOT1, CODE_GFN), 1);
	assert_int_equal(page_in(rig, b, ROOT1, CODE_GFN), 1);
	assert_true(vmt_breakpoints_find(b, &ev, 0, &hit));
	assert_int_equal(hit.tag, 5);
	assert_true(hit.global);
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Which events                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static void an_event_finds_its_breakpoint(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_event step = rig_step(rig->view, CODE_GFN, VA_BASE | OFFSET);
	struct vmt_event viewless = rig_int3(-1, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_breakpoints *b = begin(rig);
	struct vmt_breakpoint hit;

	assert_false(vmt_breakpoints_find(b, &ev, 0, &hit));
	assert_int_equal(place(b, tagged(bp(rig, OFFSET, ROOT1), 9), CODE_GFN), 1);
	assert_true(vmt_breakpoints_find(b, &ev, 0, &hit));
	assert_int_equal(hit.address, VA_BASE | OFFSET);
	assert_int_equal(hit.space.root, ROOT1);
	assert_int_equal(hit.view, rig->view);
	assert_int_equal(hit.tag, 9);
	assert_false(hit.global);
	assert_false(hits(rig, b, OTHER_GFN, OFFSET, ROOT1, 0));
	assert_false(hits(rig, b, CODE_GFN, OFFSET2, ROOT1, 0));
	assert_false(vmt_breakpoints_find(b, &step, 0, NULL));
	assert_false(vmt_breakpoints_find(b, &viewless, 0, NULL));
	vmt_breakpoints_destroy(b);
}

static void a_pending_breakpoint_is_not_hit(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	vmt_breakpoints_destroy(b);
}

static void pcid_and_flags_of_a_root_do_not_matter(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1 | 0x801), CODE_GFN), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1 | 0x18, 0));
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 0);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1 | (UINT64_C(1) << 63))), 1);
	vmt_breakpoints_destroy(b);
}

static void matches_come_by_key(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_breakpoint physical = {.space = VMT_PHYS, .view = rig->view, .key = 2};
	struct vmt_breakpoint found[3];
	struct vmt_breakpoints *b = begin(rig);

	physical.address = rig_gpa(CODE_GFN, OFFSET).a;
	assert_int_equal(place(b, keyed(bp(rig, OFFSET, ROOT1), 3), CODE_GFN), 1);
	assert_int_equal(vmt_breakpoints_insert(b, &physical), 1);
	assert_int_equal(place(b, keyed(global(rig, OFFSET, ROOT2), 1), CODE_GFN), 1);
	assert_int_equal(place(b, keyed(bp(rig, OFFSET, ROOT2), 0), CODE_GFN), 1);
	assert_int_equal(vmt_breakpoints_match(b, &ev, found, 3), 3);
	assert_int_equal(found[0].key, 1);
	assert_int_equal(found[1].key, 2);
	assert_int_equal(found[2].key, 3);
	assert_int_equal(vmt_breakpoints_match(b, &ev, found, 1), 3);
	vmt_breakpoints_destroy(b);
}

static void an_instruction_pointer_is_linear(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, 0x100, ROOT1);
	struct vmt_breakpoint it = {.address = 0x10100, .view = rig->view};
	struct vmt_breakpoints *b = begin(rig);

	it.space = (struct vmt_space){.root = ROOT1, .paging = VMT_PAGING_PAE};
	ev.regs.efer = 0;
	ev.regs.cs.base = 0x10000;
	assert_int_equal(place(b, it, CODE_GFN), 1);
	assert_true(vmt_breakpoints_find(b, &ev, 0, NULL));
	ev.regs.cs.base = 0;
	assert_false(vmt_breakpoints_find(b, &ev, 0, NULL));
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Keys                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void keys_are_independent(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, keyed(bp(rig, OFFSET, ROOT1), 1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(place(b, keyed(bp(rig, OFFSET, ROOT1), 2), CODE_GFN), 1);
	assert_int_equal(take(b, keyed(bp(rig, OFFSET, ROOT1), 1)), 1);
	assert_string_equal(rig_calls(rig), "");
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 1));
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 2));
	assert_int_equal(take(b, keyed(bp(rig, OFFSET, ROOT1), 2)), 1);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void pending_keys_are_independent(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(wait_for(b, keyed(bp(rig, OFFSET, ROOT1), 1)), 1);
	assert_int_equal(wait_for(b, keyed(bp(rig, OFFSET, ROOT1), 2)), 1);
	assert_int_equal(take(b, keyed(bp(rig, OFFSET, ROOT1), 1)), 1);
	assert_int_equal(wait_for(b, keyed(bp(rig, OFFSET, ROOT1), 2)), 0);
	assert_int_equal(wait_for(b, keyed(bp(rig, OFFSET, ROOT1), 1)), 1);
	vmt_breakpoints_destroy(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Global                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void a_global_breakpoint_is_hit_under_any_root(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	assert_int_equal(place(b, bp(rig, OFFSET2, ROOT1), CODE_GFN), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET2, ROOT1, 0));
	assert_false(hits(rig, b, CODE_GFN, OFFSET2, ROOT2, 0));
	vmt_breakpoints_destroy(b);
}

static void a_global_breakpoint_stands_in_several_pages(struct rig *rig)
{
	struct vmt_event ev = rig_int3(rig->view, CODE_GFN, VA_BASE | OFFSET, ROOT1);
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, global(rig, OFFSET, ROOT2), OTHER_GFN), 1);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 2);
	assert_int_equal(vmt_breakpoints_remove_by_event(b, &ev, 0), 1);
	assert_int_equal(vmt_breakpoints_count(b, VMT_BREAKPOINT_PLACED), 0);
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	assert_false(is_shadowed(rig, rig->view, OTHER_GFN));
	vmt_breakpoints_destroy(b);
}

static void two_roots_are_one_global_breakpoint(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 0);
	assert_int_equal(place(b, global(rig, OFFSET, ROOT2), CODE_GFN), 0);
	assert_string_equal(rig_calls(rig), "");
	assert_int_equal(take(b, global(rig, OFFSET, ROOT2)), 1);
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	assert_false(is_shadowed(rig, rig->view, CODE_GFN));
	vmt_breakpoints_destroy(b);
}

static void global_breakpoints_of_two_keys_share_a_page(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, keyed(global(rig, OFFSET, ROOT1), 1), CODE_GFN), 1);
	assert_int_equal(place(b, keyed(global(rig, OFFSET, ROOT1), 2), CODE_GFN), 1);
	assert_int_equal(take(b, keyed(global(rig, OFFSET, ROOT1), 1)), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 2));
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 1));
	assert_int_equal(take(b, keyed(global(rig, OFFSET, ROOT1), 2)), 1);
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 2));
	vmt_breakpoints_destroy(b);
}

static void a_local_one_at_the_same_address_goes_alone(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, bp(rig, OFFSET, ROOT2), OTHER_GFN), 1);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT2)), 1);
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	assert_false(hits(rig, b, OTHER_GFN, OFFSET, ROOT2, 0));
	vmt_breakpoints_destroy(b);
}

static void global_over_local_and_local_over_global_are_refused(struct rig *rig)
{
	struct vmt_breakpoints *b = begin(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_int_equal(place(b, global(rig, OFFSET2, ROOT1), CODE_GFN), 1);
	rig_calls(rig);
	vmt_assert_refused(place(b, global(rig, OFFSET, ROOT1), CODE_GFN),
			   vmt_error_of(rig->session), VMT_E_HANDLER);
	vmt_assert_refused(place(b, bp(rig, OFFSET2, ROOT1), CODE_GFN), vmt_error_of(rig->session),
			   VMT_E_HANDLER);
	assert_string_equal(rig_calls(rig), "");
	assert_true(hits(rig, b, CODE_GFN, OFFSET, ROOT1, 0));
	assert_false(hits(rig, b, CODE_GFN, OFFSET, ROOT2, 0));
	assert_true(hits(rig, b, CODE_GFN, OFFSET2, ROOT2, 0));
	assert_int_equal(place(b, keyed(global(rig, OFFSET, ROOT1), 1), CODE_GFN), 1);
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

/* -------------------------------------------------------------------------------------------- */
/* The no-execute method                                                                        */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_breakpoints *begin_no_execute(struct rig *rig)
{
	const struct vmt_breakpoints_config config = {.method = VMT_BREAKPOINT_NO_EXECUTE};
	struct vmt_breakpoints *b;

	vmt_assert_ok(vmt_breakpoints_create(rig->session, &config, &b),
		      vmt_error_of(rig->session));
	rig_calls(rig);
	return b;
}

static void no_execute_takes_one_right_and_writes_nothing(struct rig *rig)
{
	struct vmt_breakpoints *b = begin_no_execute(rig);

	assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_string_equal(rig_calls(rig), "get_access set_access");
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RW);
	rig_calls(rig);
	assert_int_equal(place(b, bp(rig, OFFSET2, ROOT1), CODE_GFN), 1);
	assert_int_equal(take(b, bp(rig, OFFSET, ROOT1)), 1);
	assert_string_equal(rig_calls(rig), "");
	assert_int_equal(take(b, bp(rig, OFFSET2, ROOT1)), 1);
	assert_string_equal(rig_calls(rig), "set_access");
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RWX);
	vmt_breakpoints_destroy(b);
}

static void no_execute_is_hit_by_execution_alone(struct rig *rig)
{
	const uint64_t rip = VA_BASE | OFFSET;
	const struct vmt_event x = rig_access(rig->view, CODE_GFN, rip, VMT_X);
	const struct vmt_event rx = rig_access(rig->view, CODE_GFN, rip, VMT_RX);
	const struct vmt_event rw = rig_access(rig->view, CODE_GFN, rip, VMT_RW);
	const struct vmt_event viewless = rig_access(-1, CODE_GFN, rip, VMT_X);
	const struct vmt_event elsewhere = rig_access(rig->view, CODE_GFN, VA_BASE, VMT_X);
	const struct vmt_event int3 = rig_int3(rig->view, CODE_GFN, rip, 0);
	struct vmt_breakpoints *b = begin_no_execute(rig);

	assert_int_equal(place(b, global(rig, OFFSET, ROOT1), CODE_GFN), 1);
	assert_true(vmt_breakpoints_find(b, &x, 0, NULL));
	assert_true(vmt_breakpoints_find(b, &rx, 0, NULL));
	assert_false(vmt_breakpoints_find(b, &rw, 0, NULL));
	assert_false(vmt_breakpoints_find(b, &viewless, 0, NULL));
	assert_false(vmt_breakpoints_find(b, &elsewhere, 0, NULL));
	assert_false(vmt_breakpoints_find(b, &int3, 0, NULL));
	vmt_breakpoints_destroy(b);
}

static void no_execute_undoes_a_failed_insert(struct rig *rig)
{
	static const unsigned ops[] = {VMT_CALL_GET_ACCESS, VMT_CALL_SET_ACCESS};
	struct vmt_breakpoints *b = begin_no_execute(rig);

	for (size_t i = 0; i < 2; i++) {
		const struct vmt_fault_rule rule = {.op = ops[i], .done_anyway = true};

		vmt_fault_injector_clear(rig->driver);
		assert_int_equal(vmt_fault_injector_add(rig->driver, &rule), 0);
		assert_int_equal(place(b, bp(rig, OFFSET, ROOT1), CODE_GFN), -VMT_E_HYPERVISOR);
		assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RWX);
		assert_int_equal(state_of(b, bp(rig, OFFSET, ROOT1)), VMT_BREAKPOINT_ABSENT);
	}
	vmt_breakpoints_destroy(b);
}

#define BODIES(F)                                                \
	F(create_switches_its_monitors_on)                       \
	F(create_takes_monitors_that_are_on)                     \
	F(placing_shadows_the_page)                              \
	F(placing_twice_is_once)                                 \
	F(two_on_a_page_need_one_shadow)                         \
	F(one_address_in_two_pages_is_two_placed)                \
	F(a_physical_breakpoint_is_for_everyone)                 \
	F(views_that_cannot_hold_breakpoints_are_refused)        \
	F(a_method_that_there_is_not_is_refused)                 \
	F(another_offset_in_the_page_is_refused)                 \
	F(a_pending_breakpoint_asks_nothing_of_the_domain)       \
	F(the_first_tag_is_kept)                                 \
	F(placing_ends_the_pending)                              \
	F(a_conflict_with_a_pending_one_is_refused)              \
	F(insert_translates)                                     \
	F(an_address_that_is_not_mapped_is_pending)              \
	F(tables_that_cannot_be_read_are_a_failure)              \
	F(removal_needs_no_translation)                          \
	F(retry_places_what_has_become_present)                  \
	F(the_last_of_a_page_takes_the_shadow_away)              \
	F(two_roots_share_a_byte)                                \
	F(removing_a_pending_one_asks_nothing_of_the_domain)     \
	F(removing_a_global_one_takes_placed_and_pending)        \
	F(what_is_not_there_is_not_removed)                      \
	F(removing_by_event)                                     \
	F(removing_by_event_is_for_all_views)                    \
	F(removing_a_view)                                       \
	F(clearing)                                              \
	F(a_page_that_comes_in_gets_its_breakpoints)             \
	F(a_page_that_goes_out_makes_them_pending)               \
	F(another_process_keeps_its_breakpoint_on_a_shared_page) \
	F(out_and_in_keeps_what_a_breakpoint_is)                 \
	F(an_event_finds_its_breakpoint)                         \
	F(a_pending_breakpoint_is_not_hit)                       \
	F(pcid_and_flags_of_a_root_do_not_matter)                \
	F(matches_come_by_key)                                   \
	F(an_instruction_pointer_is_linear)                      \
	F(keys_are_independent)                                  \
	F(pending_keys_are_independent)                          \
	F(a_global_breakpoint_is_hit_under_any_root)             \
	F(a_global_breakpoint_stands_in_several_pages)           \
	F(two_roots_are_one_global_breakpoint)                   \
	F(global_breakpoints_of_two_keys_share_a_page)           \
	F(a_local_one_at_the_same_address_goes_alone)            \
	F(global_over_local_and_local_over_global_are_refused)   \
	F(create_fails_with_each_of_its_calls)                   \
	F(a_failed_insert_changes_nothing)                       \
	F(a_failed_remove_can_be_tried_again)                    \
	F(clear_goes_on_past_a_failure)                          \
	F(a_view_that_is_gone_is_no_failure)                     \
	F(a_failed_page_in_leaves_the_rest_pending)              \
	F(a_failed_page_out_leaves_the_breakpoint_known)         \
	F(refresh_follows_the_page)                              \
	F(no_execute_takes_one_right_and_writes_nothing)         \
	F(no_execute_is_hit_by_execution_alone)                  \
	F(no_execute_undoes_a_failed_insert)

RIG_MAIN(BODIES)
