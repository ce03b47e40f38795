/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trapped bytes in shadow pages. The groups are those of vmi-rs's tests for its interceptor
 * (crates/vmi-utils/src/interceptor/tests/amd64.rs); docs/vmi-rs-scenarios.md has the table.
 */
#include "rig.h"
#include "utils/interceptor.h"

#define IP_BASE UINT64_C(0xfffff80000040000)

static struct vmt_interceptor begin(struct rig *rig)
{
	struct vmt_interceptor ic;

	vmt_interceptor_init(&ic, rig->session, &vmt_shadow_page_method);
	return ic;
}

static void insert(struct rig *rig, struct vmt_interceptor *ic, vmt_view view, vmt_gfn gfn,
		   uint64_t offset)
{
	vmt_assert_ok(vmt_interceptor_insert(ic, view, rig_gpa(gfn, offset)),
		      vmt_error_of(rig->session));
}

static int take(struct vmt_interceptor *ic, vmt_view view, vmt_gfn gfn, uint64_t offset)
{
	return vmt_interceptor_remove(ic, view, rig_gpa(gfn, offset));
}

static bool hit(struct vmt_interceptor *ic, int view, vmt_gfn gfn, uint64_t offset)
{
	struct vmt_event ev = rig_int3(view, gfn, IP_BASE | offset, 0x2000);

	return vmt_interceptor_contains(ic, &ev);
}

/** Each byte of @gfn is @byte, but 0xcc at @trap. */
static void assert_page(struct rig *rig, vmt_gfn gfn, uint8_t byte, uint64_t trap)
{
	for (uint64_t i = 0; i < VMT_PAGE_SIZE; i++)
		assert_int_equal(rig_byte(rig, gfn, i), i == trap ? 0xcc : byte);
}

/* -------------------------------------------------------------------------------------------- */
/* Construction                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static void starts_without_traps(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	assert_false(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), -VMT_E_NOT_FOUND);
	assert_string_equal(rig_calls(rig), "");
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* Making a shadow page                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void insert_makes_a_shadow_page_and_shows_it(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	vmt_assert_calls(rig->driver, VMT_CALL_ALLOC_GFN, 1);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_not_equal(shadow.n, CODE_GFN.n);
	assert_int_equal(vmt_interceptor_page(&ic, rig->view, CODE_GFN)->shadow.n, shadow.n);
	vmt_interceptor_finish(&ic);
}

static void the_shadow_is_the_page_with_an_int3(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
	vmt_interceptor_finish(&ic);
}

static void the_original_page_is_not_touched(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_page(rig, CODE_GFN, 0xab, UINT64_MAX);
	vmt_interceptor_finish(&ic);
}

static void the_shadow_can_only_be_executed(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_X);
	assert_int_equal(rig_rights(rig, rig->view2, CODE_GFN), VMT_RWX);
	vmt_interceptor_finish(&ic);
}

/* Complete before it is shown, and executable only from the first moment on. */
static void insert_calls_the_domain_in_this_order(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_string_equal(rig_calls(rig),
			    "get_access alloc_gfn read write set_access remap_gfn read");
	vmt_interceptor_finish(&ic);
}

static void insert_at_the_first_and_the_last_byte(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, 0);
	insert(rig, &ic, rig->view, OTHER_GFN, 4095);
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, 0);
	assert_page(rig, rig_target(rig, rig->view, OTHER_GFN), 0xcd, 4095);
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* References                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void a_second_insert_asks_nothing_of_the_domain(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_calls(rig);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_string_equal(rig_calls(rig), "");
	vmt_interceptor_finish(&ic);
}

static void three_references_need_three_removes(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	for (int i = 0; i < 3; i++)
		insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_calls(rig);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 2);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 1);
	assert_string_equal(rig_calls(rig), "");
	assert_true(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), -VMT_E_NOT_FOUND);
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* Several on a page, several pages, several views                                              */
/* -------------------------------------------------------------------------------------------- */

static void two_traps_of_a_page_share_its_shadow(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	rig_calls(rig);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_string_equal(rig_calls(rig), "read write");
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_equal(rig_byte(rig, shadow, OFFSET), 0xcc);
	assert_int_equal(rig_byte(rig, shadow, OFFSET2), 0xcc);
	vmt_interceptor_finish(&ic);
}

static void each_trap_gives_its_own_byte_back(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	vmt_scripted_write(rig->scripted, rig_gpa(CODE_GFN, OFFSET), "\x11", 1);
	vmt_scripted_write(rig->scripted, rig_gpa(CODE_GFN, OFFSET2), "\x22", 1);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	rig_calls(rig);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET2), 0);
	assert_string_equal(rig_calls(rig), "write");
	assert_int_equal(rig_byte(rig, shadow, OFFSET2), 0x22);
	assert_int_equal(rig_byte(rig, shadow, OFFSET), 0xcc);
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, shadow.n);
	vmt_interceptor_finish(&ic);
}

static void a_page_in_two_views_has_two_shadows(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn one, two;

	insert(rig, &ic, rig->view2, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	one = rig_target(rig, rig->view, CODE_GFN);
	two = rig_target(rig, rig->view2, CODE_GFN);
	assert_int_not_equal(one.n, two.n);
	assert_int_equal(rig_byte(rig, one, OFFSET), 0xcc);
	assert_int_equal(rig_byte(rig, two, OFFSET), 0xcc);
	vmt_interceptor_finish(&ic);
}

static void two_pages_have_two_shadows(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, OTHER_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
	assert_page(rig, rig_target(rig, rig->view, OTHER_GFN), 0xcd, OFFSET);
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* Removing                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void the_last_remove_shows_the_page_itself_again(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_calls(rig);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_string_equal(rig_calls(rig), "remap_gfn set_access");
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, CODE_GFN.n);
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RWX);
	assert_null(vmt_interceptor_page(&ic, rig->view, CODE_GFN));
	vmt_interceptor_finish(&ic);
}

static void rights_that_the_page_had_come_back(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	assert_int_equal(vmt_set_access(rig->session, rig->view, CODE_GFN, vmt_access_from(VMT_RX)),
			 0);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_X);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RX);
	vmt_interceptor_finish(&ic);
}

static void an_int3_of_the_guest_comes_back_as_one(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	vmt_scripted_write(rig->scripted, rig_gpa(CODE_GFN, OFFSET), "\xcc", 1);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_equal(vmt_interceptor_find(&ic, rig->view, CODE_GFN, OFFSET)->original, 0xcc);
	rig_calls(rig);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_string_equal(rig_calls(rig), "write");
	assert_int_equal(rig_byte(rig, shadow, OFFSET), 0xcc);
	vmt_interceptor_finish(&ic);
}

static void what_is_not_there_is_not_found(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_calls(rig);
	assert_int_equal(take(&ic, rig->view, OTHER_GFN, OFFSET), -VMT_E_NOT_FOUND);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET2), -VMT_E_NOT_FOUND);
	assert_int_equal(take(&ic, rig->view2, CODE_GFN, OFFSET), -VMT_E_NOT_FOUND);
	assert_string_equal(rig_calls(rig), "");
	vmt_interceptor_finish(&ic);
}

static void the_shadow_stays_until_the_last_trap_goes(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_page(rig, shadow, 0xab, OFFSET2);
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, shadow.n);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET2), 0);
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, CODE_GFN.n);
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* Shadow pages again                                                                           */
/* -------------------------------------------------------------------------------------------- */

static void a_shadow_page_is_used_again(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	rig_calls(rig);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_string_equal(rig_calls(rig), "get_access read write set_access remap_gfn read");
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, shadow.n);
	assert_page(rig, shadow, 0xab, OFFSET);
	vmt_interceptor_finish(&ic);
}

static void a_shadow_page_is_used_again_for_another_page(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	insert(rig, &ic, rig->view2, OTHER_GFN, OFFSET2);
	assert_int_equal(rig_target(rig, rig->view2, OTHER_GFN).n, shadow.n);
	assert_page(rig, shadow, 0xcd, OFFSET2);
	vmt_interceptor_finish(&ic);
}

static void a_shadow_page_is_filled_anew(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	vmt_scripted_fill(rig->scripted, vmt_gpa_of(CODE_GFN), 0x5a, 4096);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_page(rig, shadow, 0x5a, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_int_equal(rig_byte(rig, shadow, OFFSET), 0x5a);
	vmt_interceptor_finish(&ic);
}

static void another_offset_brings_the_page_back(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET2);
	vmt_interceptor_finish(&ic);
}

static void trim_frees_shadow_pages_when_none_is_shown(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, OTHER_GFN, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	rig_calls(rig);
	assert_int_equal(vmt_interceptor_trim(&ic), 0);
	assert_string_equal(rig_calls(rig), "");
	assert_page(rig, rig_target(rig, rig->view, OTHER_GFN), 0xcd, OFFSET);
	assert_int_equal(take(&ic, rig->view, OTHER_GFN, OFFSET), 0);
	rig_calls(rig);
	assert_int_equal(vmt_interceptor_trim(&ic), 2);
	assert_string_equal(rig_calls(rig), "free_gfn free_gfn");
	assert_int_equal(vmt_interceptor_trim(&ic), 0);
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* Which events                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static void an_event_at_a_trap_is_told(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	assert_true(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_true(hit(&ic, rig->view, CODE_GFN, OFFSET2));
	assert_false(hit(&ic, rig->view, CODE_GFN, 0x300));
	assert_false(hit(&ic, rig->view, OTHER_GFN, OFFSET));
	assert_false(hit(&ic, rig->view2, CODE_GFN, OFFSET));
	assert_false(hit(&ic, -1, CODE_GFN, OFFSET));
	vmt_interceptor_finish(&ic);
}

static void only_an_int3_is_an_event_at_a_trap(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	struct vmt_event step = rig_step(rig->view, CODE_GFN, IP_BASE | OFFSET);
	struct vmt_event hardware = rig_int3(rig->view, CODE_GFN, IP_BASE | OFFSET, 0x2000);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	hardware.u.interrupt.interrupt.type = VMT_INT_HW_EXCEPTION;
	assert_false(vmt_interceptor_contains(&ic, &step));
	assert_false(vmt_interceptor_contains(&ic, &hardware));
	vmt_interceptor_finish(&ic);
}

static void an_event_is_told_until_the_last_reference_goes(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 1);
	assert_true(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_false(hit(&ic, rig->view, CODE_GFN, OFFSET));
	vmt_interceptor_finish(&ic);
}

static void views_are_told_apart(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view2, CODE_GFN, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_false(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_true(hit(&ic, rig->view2, CODE_GFN, OFFSET));
	vmt_interceptor_finish(&ic);
}

/* -------------------------------------------------------------------------------------------- */
/* Failures                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static const unsigned insert_ops[] = {VMT_CALL_GET_ACCESS, VMT_CALL_ALLOC_GFN,  VMT_CALL_READ,
				      VMT_CALL_WRITE,      VMT_CALL_SET_ACCESS, VMT_CALL_REMAP_GFN};
#define INSERT_OPS (sizeof(insert_ops) / sizeof(insert_ops[0]))

/** The trap is not there, and nothing of it is. */
static void assert_untouched(struct rig *rig, struct vmt_interceptor *ic)
{
	assert_false(hit(ic, rig->view, CODE_GFN, OFFSET));
	assert_null(vmt_interceptor_page(ic, rig->view, CODE_GFN));
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, CODE_GFN.n);
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RWX);
}

static void a_failed_insert_changes_nothing(struct rig *rig)
{
	for (size_t i = 0; i < INSERT_OPS; i++) {
		for (uint64_t nth = 1; nth <= 2; nth++) {
			struct vmt_interceptor ic = begin(rig);
			int r;

			rig_fail(rig, insert_ops[i], nth, 0);
			r = vmt_interceptor_insert(&ic, rig->view, rig_gpa(CODE_GFN, OFFSET));
			if (vmt_fault_injector_struck(rig->driver) == 0) {
				assert_int_equal(nth, 2); /* each is called at least once */
				assert_int_equal(r, 0);
				vmt_fault_injector_clear(rig->driver);
				assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
			} else {
				vmt_assert_refused(r, vmt_error_of(rig->session), VMT_E_HYPERVISOR);
			}
			assert_untouched(rig, &ic);
			vmt_interceptor_finish(&ic);
		}
	}
}

/* The call was carried out, and then said to have failed. */
static void a_failure_after_the_fact_changes_nothing_either(struct rig *rig)
{
	for (size_t i = 0; i < INSERT_OPS; i++) {
		const struct vmt_fault_rule rule = {.op = insert_ops[i], .done_anyway = true};
		struct vmt_interceptor ic = begin(rig);

		vmt_fault_injector_clear(rig->driver);
		assert_int_equal(vmt_fault_injector_add(rig->driver, &rule), 0);
		vmt_assert_refused(vmt_interceptor_insert(&ic, rig->view,
							  rig_gpa(CODE_GFN, OFFSET)),
				   vmt_error_of(rig->session), VMT_E_HYPERVISOR);
		assert_untouched(rig, &ic);
		vmt_interceptor_finish(&ic);
	}
}

static void a_failed_insert_can_be_tried_again_and_loses_no_page(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	rig_fail(rig, VMT_CALL_REMAP_GFN, 1, 0);
	assert_int_equal(vmt_interceptor_insert(&ic, rig->view, rig_gpa(CODE_GFN, OFFSET)),
			 -VMT_E_HYPERVISOR);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	vmt_assert_calls(rig->driver, VMT_CALL_ALLOC_GFN, 1);
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
	vmt_interceptor_finish(&ic);
}

static void a_failed_second_insert_leaves_the_first(struct rig *rig)
{
	static const unsigned ops[] = {VMT_CALL_READ, VMT_CALL_WRITE};

	for (size_t i = 0; i < 2; i++) {
		struct vmt_interceptor ic = begin(rig);

		insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
		rig_fail(rig, ops[i], 1, 0);
		assert_int_equal(vmt_interceptor_insert(&ic, rig->view, rig_gpa(CODE_GFN, OFFSET2)),
				 -VMT_E_HYPERVISOR);
		assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
		assert_null(vmt_interceptor_find(&ic, rig->view, CODE_GFN, OFFSET2));
		assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
		vmt_interceptor_finish(&ic);
	}
}

static void a_remove_that_fails_at_once_leaves_the_trap(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_fail(rig, VMT_CALL_REMAP_GFN, 1, 0);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), -VMT_E_HYPERVISOR);
	assert_true(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_untouched(rig, &ic);
	vmt_interceptor_finish(&ic);
}

static void a_remove_that_cannot_write_leaves_the_trap(struct rig *rig)
{
	const struct vmt_fault_rule rule = {.op = VMT_CALL_WRITE, .done_anyway = true};
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET2);
	vmt_fault_injector_clear(rig->driver);
	assert_int_equal(vmt_fault_injector_add(rig->driver, &rule), 0);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), -VMT_E_HYPERVISOR);
	assert_true(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_int_equal(rig_byte(rig, rig_target(rig, rig->view, CODE_GFN), OFFSET), 0xcc);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	vmt_interceptor_finish(&ic);
}

static void what_a_failed_remove_left_is_swept(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_fail(rig, VMT_CALL_SET_ACCESS, 1, 0);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), -VMT_E_HYPERVISOR);
	assert_false(hit(&ic, rig->view, CODE_GFN, OFFSET));
	assert_int_equal(rig_target(rig, rig->view, CODE_GFN).n, CODE_GFN.n);
	rig_calls(rig);
	assert_int_equal(vmt_interceptor_sweep(&ic), 0);
	assert_string_equal(rig_calls(rig), "set_access");
	assert_untouched(rig, &ic);
	vmt_interceptor_finish(&ic);
}

static void a_page_that_a_failure_left_is_taken_up_again(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	assert_int_equal(vmt_set_access(rig->session, rig->view, CODE_GFN, vmt_access_from(VMT_RX)),
			 0);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	rig_fail(rig, VMT_CALL_SET_ACCESS, 1, 0);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), -VMT_E_HYPERVISOR);
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_page(rig, rig_target(rig, rig->view, CODE_GFN), 0xab, OFFSET);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_int_equal(rig_rights(rig, rig->view, CODE_GFN), VMT_RX);
	vmt_interceptor_finish(&ic);
}

static void removing_from_a_view_that_is_gone_succeeds(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);

	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	assert_int_equal(vmt_view_destroy(rig->session, rig->view), 0);
	assert_int_equal(take(&ic, rig->view, CODE_GFN, OFFSET), 0);
	assert_null(vmt_interceptor_page(&ic, rig->view, CODE_GFN));
	vmt_interceptor_finish(&ic);
}

/* A write between the copy and the moment in which the copy is shown. */
static void write_before_the_remapping(struct rig *rig, const struct vmt_call *call)
{
	if (call->op == VMT_CALL_REMAP_GFN)
		vmt_scripted_write(rig->scripted, rig_gpa(CODE_GFN, 8), "\x77", 1);
}

static void what_the_guest_writes_meanwhile_is_not_lost(struct rig *rig)
{
	struct vmt_interceptor ic = begin(rig);
	vmt_gfn shadow;

	rig->before_call = write_before_the_remapping;
	insert(rig, &ic, rig->view, CODE_GFN, OFFSET);
	shadow = rig_target(rig, rig->view, CODE_GFN);
	assert_int_equal(rig_byte(rig, shadow, 8), 0x77);
	assert_int_equal(rig_byte(rig, shadow, OFFSET), 0xcc);
	vmt_interceptor_finish(&ic);
}

#define BODIES(F)                                               \
	F(starts_without_traps)                                 \
	F(insert_makes_a_shadow_page_and_shows_it)              \
	F(the_shadow_is_the_page_with_an_int3)                  \
	F(the_original_page_is_not_touched)                     \
	F(the_shadow_can_only_be_executed)                      \
	F(insert_calls_the_domain_in_this_order)                \
	F(insert_at_the_first_and_the_last_byte)                \
	F(a_second_insert_asks_nothing_of_the_domain)           \
	F(three_references_need_three_removes)                  \
	F(two_traps_of_a_page_share_its_shadow)                 \
	F(each_trap_gives_its_own_byte_back)                    \
	F(a_page_in_two_views_has_two_shadows)                  \
	F(two_pages_have_two_shadows)                           \
	F(the_last_remove_shows_the_page_itself_again)          \
	F(rights_that_the_page_had_come_back)                   \
	F(an_int3_of_the_guest_comes_back_as_one)               \
	F(what_is_not_there_is_not_found)                       \
	F(the_shadow_stays_until_the_last_trap_goes)            \
	F(a_shadow_page_is_used_again)                          \
	F(a_shadow_page_is_used_again_for_another_page)         \
	F(a_shadow_page_is_filled_anew)                         \
	F(another_offset_brings_the_page_back)                  \
	F(trim_frees_shadow_pages_when_none_is_shown)           \
	F(an_event_at_a_trap_is_told)                           \
	F(only_an_int3_is_an_event_at_a_trap)                   \
	F(an_event_is_told_until_the_last_reference_goes)       \
	F(views_are_told_apart)                                 \
	F(a_failed_insert_changes_nothing)                      \
	F(a_failure_after_the_fact_changes_nothing_either)      \
	F(a_failed_insert_can_be_tried_again_and_loses_no_page) \
	F(a_failed_second_insert_leaves_the_first)              \
	F(a_remove_that_fails_at_once_leaves_the_trap)          \
	F(a_remove_that_cannot_write_leaves_the_trap)           \
	F(what_a_failed_remove_left_is_swept)                   \
	F(a_page_that_a_failure_left_is_taken_up_again)         \
	F(removing_from_a_view_that_is_gone_succeeds)           \
	F(what_the_guest_writes_meanwhile_is_not_lost)

RIG_MAIN(BODIES)
