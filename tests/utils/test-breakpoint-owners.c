/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The breakpoint manager: who is hit by which event, owners, address spaces, paging, and the
 * no-execute method. docs/vmi-rs-scenarios.md has the table.
 */
#include "manager.h"

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
	F(no_execute_takes_one_right_and_writes_nothing)         \
	F(no_execute_is_hit_by_execution_alone)                  \
	F(no_execute_undoes_a_failed_insert)

RIG_MAIN(BODIES)
