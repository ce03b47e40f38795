/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two footprints compared: traps that only the replayed handler has, and what the guest can see.
 */
#include "sides.h"

#include "replay/footprints.h"

static struct vmt_judgement judge(struct both *b)
{
	struct vmt_judgement judgement;

	assert_int_equal(vmt_footprints_judge(&b->recorded.meets, &b->replayed.meets, &judgement),
			 0);
	return judgement;
}

static void assert_nothing(struct both *b)
{
	struct vmt_judgement j = judge(b);

	if (j.blind > 0 || j.visible)
		print_message("%s %s %s\n", j.blind_text, j.recorded, j.replayed);
	assert_int_equal(j.blind, 0);
	assert_false(j.visible);
}

static void assert_blind(struct both *b, const char *text)
{
	struct vmt_judgement j = judge(b);

	assert_string_equal(j.blind_text, text);
	assert_int_equal(j.blind, 1);
	assert_false(j.visible);
}

static void assert_visible(struct both *b, const char *recorded, const char *replayed)
{
	struct vmt_judgement j = judge(b);

	assert_int_equal(j.blind, 0);
	assert_true(j.visible);
	assert_string_equal(j.recorded, recorded);
	assert_string_equal(j.replayed, replayed);
}

static bool same(struct both *b)
{
	return vmt_footprints_same(&b->recorded.meets, &b->replayed.meets);
}

static void handlers_that_did_nothing_have_the_same_footprint(void **state)
{
	assert_nothing(*state);
	assert_true(same(*state));
}

static void a_monitor_that_only_the_replayed_handler_has_is_blind(void **state)
{
	struct both *b = *state;

	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	assert_blind(b, "monitor cr3");
	assert_false(same(b));
}

static void a_monitor_that_only_the_recorded_handler_has_is_not_judged(void **state)
{
	struct both *b = *state;

	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	assert_nothing(b);
	assert_false(same(b));
}

static void a_monitor_of_another_register_does_not_stand_for_this_one(void **state)
{
	struct both *b = *state;

	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR4, 0, 0);
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	assert_blind(b, "monitor cr3");
}

static void a_monitor_that_tells_of_more_writes_is_blind(void **state)
{
	struct both *b = *state;

	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ON_CHANGE, 0);
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR4, 0, 0x80);
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR4, 0, 0);
	watch(&b->recorded, VMT_MONITOR_HYPERCALL, 0, 0, 0);
	watch(&b->replayed, VMT_MONITOR_HYPERCALL, 0, VMT_MONITOR_USERSPACE, 0);
	assert_int_equal(judge(b).blind, 3);
}

static void a_monitor_that_tells_of_less_is_not_blind(void **state)
{
	struct both *b = *state;

	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ON_CHANGE, 0);
	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR4, 0, 0);
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR4, 0, 0x80);
	watch(&b->recorded, VMT_MONITOR_HYPERCALL, 0, VMT_MONITOR_USERSPACE, 0);
	watch(&b->replayed, VMT_MONITOR_HYPERCALL, 0, 0, 0);
	assert_nothing(b);
	assert_false(same(b));
}

/* Neither of the two causes an event by itself. */
static void monitors_that_cause_no_event_are_not_blind(void **state)
{
	struct both *b = *state;

	watch(&b->replayed, VMT_MONITOR_SINGLESTEP, 0, 0, 0);
	watch(&b->replayed, VMT_MONITOR_DEFERRED_WRITES, 0, 0, 0);
	assert_nothing(b);
}

/** vCPU @vcpu stops for a write of CR3, and goes on by single steps. */
static void step(struct one *one, uint16_t vcpu)
{
	struct vmt_event ev = {.ticket = 1u + vcpu,
			       .vcpu = vcpu,
			       .reason = VMT_EVENT_WRITE_CR,
			       .flags = VMT_EVENT_SYNC};
	struct vmt_response rsp = vmt_respond(VMT_SINGLESTEP);
	struct vmt_error err = {0};

	ev.u.cr.cr = VMT_CR3;
	watch(one, VMT_MONITOR_SINGLESTEP, 0, 0, 0);
	vmt_assert_ok(vmt_side_take(&one->side, &ev, &err), &err);
	vmt_assert_ok(vmt_side_answer(&one->side, ev.ticket, &rsp, &err), &err);
	vmt_assert_ok(vmt_side_commit(&one->side, &err), &err);
}

static void single_steps_of_the_replayed_handler_alone_are_blind(void **state)
{
	struct both *b = *state;

	step(&b->replayed, 1);
	assert_true(vmt_side_steps(&b->replayed.side, 1));
	assert_false(vmt_side_steps(&b->replayed.side, 0));
	assert_blind(b, "single-stepping of vCPU 1");
	step(&b->recorded, 1);
	assert_nothing(b);
}

static void a_next_interrupt_asked_for_only_in_the_replay_is_blind(void **state)
{
	struct both *b = *state;

	b->replayed.side.next_interrupt[1] = true;
	assert_blind(b, "next interrupt of vCPU 1");
	assert_false(same(b));
	b->recorded.side.next_interrupt[1] = true;
	assert_nothing(b);
	assert_true(same(b));
	b->replayed.side.next_interrupt[1] = false;
	assert_nothing(b);
}

static void inject(struct one *one, uint16_t vcpu, uint8_t vector)
{
	struct vmt_interrupt in = {
		.vector = vector, .type = VMT_INT_HW_EXCEPTION, .error_code = VMT_NO_ERROR_CODE};
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_model_inject(one->side.model, vcpu, &in, &err), &err);
}

static void an_injection_is_visible_whichever_handler_has_it(void **state)
{
	struct both *b = *state;

	inject(&b->replayed, 1, 6);
	assert_visible(b, "nothing is injected into vCPU 1", "vector 6 waits for vCPU 1");
	inject(&b->recorded, 1, 1);
	assert_visible(b, "vector 1 waits for vCPU 1", "vector 6 waits for vCPU 1");
	inject(&b->recorded, 0, 6);
	assert_visible(b, "vector 6 waits for vCPU 0", "nothing is injected into vCPU 0");
}

static void a_pause_that_the_replayed_handler_leaves_is_visible(void **state)
{
	struct both *b = *state;

	assert_int_equal(vmt_model_pause(b->recorded.side.model, NULL), 0);
	assert_nothing(b);
	assert_int_equal(vmt_model_pause(b->replayed.side.model, NULL), 0);
	assert_nothing(b);
	assert_int_equal(vmt_model_resume(b->recorded.side.model, NULL), 0);
	assert_visible(b, "the domain runs", "the domain is left paused");
}

static void a_breakpoint_that_only_the_replayed_handler_has_is_blind(void **state)
{
	struct both *b = *state;

	watch(&b->recorded, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	watch(&b->replayed, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	put_byte(&b->replayed, 5, 0x10, VMT_INT3, 0x90);
	assert_blind(b, "breakpoint at gpa 0x5010");
	assert_false(same(b));
	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	assert_nothing(b);
	assert_true(same(b));
}

static void a_breakpoint_that_only_the_recorded_handler_has_is_not_judged(void **state)
{
	struct both *b = *state;

	watch(&b->recorded, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	assert_nothing(b);
	assert_false(same(b));
}

static void an_int3_that_no_one_watches_is_a_byte_like_others(void **state)
{
	struct both *b = *state;

	put_byte(&b->replayed, 5, 0x10, VMT_INT3, 0x90);
	assert_visible(b, "the guest's own byte at gpa 0x5010", "byte 0xcc at gpa 0x5010");
}

static void a_byte_that_differs_is_visible(void **state)
{
	struct both *b = *state;

	put_byte(&b->recorded, 5, 0x10, 0x11, 0x90);
	assert_visible(b, "byte 0x11 at gpa 0x5010", "the guest's own byte at gpa 0x5010");
	put_byte(&b->replayed, 5, 0x10, 0x22, 0x90);
	assert_visible(b, "byte 0x11 at gpa 0x5010", "byte 0x22 at gpa 0x5010");
	assert_false(same(b));
}

static void rights_that_forbid_more_are_blind(void **state)
{
	struct both *b = *state;

	set_rights(&b->recorded, 0, 5, VMT_RX);
	set_rights(&b->replayed, 0, 5, VMT_R);
	assert_blind(b, "rights of gfn 0x5 (x forbidden)");
	set_rights(&b->recorded, 0, 5, VMT_R);
	assert_nothing(b);
	set_rights(&b->replayed, 0, 5, VMT_RWX);
	assert_nothing(b);
}

static void rights_count_only_in_the_view_that_a_vcpu_is_in(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	set_rights(&b->replayed, view, 5, VMT_R);
	assert_nothing(b);
	switch_to(&b->replayed, view);
	assert_blind(b, "rights of gfn 0x5 (wx forbidden)");
}

static void the_rights_of_pages_that_no_one_named_are_judged_too(void **state)
{
	struct both *b = *state;

	switch_to(&b->replayed, add_view(&b->replayed, VMT_RW));
	assert_blind(b, "rights of gfn 0x100 (x forbidden)");
	switch_to(&b->recorded, add_view(&b->recorded, VMT_RW));
	assert_nothing(b);
}

static void a_breakpoint_in_a_copy_is_the_same_as_one_in_the_page(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	watch(&b->recorded, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	watch(&b->replayed, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	switch_to(&b->replayed, view);
	put_shadow(&b->replayed, view, 5, 0x90, 0x10, VMT_INT3);
	assert_blind(b, "breakpoint at gpa 0x5010");
	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	assert_nothing(b);
}

static void a_copy_of_the_recorded_handlers_is_judged_by_its_bytes_too(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->recorded, VMT_RWX);

	switch_to(&b->recorded, view);
	put_shadow(&b->recorded, view, 5, 0x90, 0x10, 0x11);
	assert_visible(b, "byte 0x11 at gpa 0x5010", "the guest's own byte at gpa 0x5010");
	view = add_view(&b->replayed, VMT_RWX);
	switch_to(&b->replayed, view);
	put_shadow(&b->replayed, view, 5, 0x90, 0x10, 0x11);
	assert_nothing(b);
}

static void own_bytes_at_other_places_are_not_the_same(void **state)
{
	struct both *b = *state;

	put_byte(&b->recorded, 5, 0x10, 0x11, 0x90);
	put_byte(&b->replayed, 5, 0x20, 0x11, 0x90);
	assert_false(same(b));
}

static void a_page_of_the_guests_shown_in_place_of_another_is_visible(void **state)
{
	struct both *b = *state;
	vmt_view view = add_view(&b->replayed, VMT_RWX);

	switch_to(&b->replayed, view);
	assert_int_equal(vmt_model_remap_gfn(b->replayed.side.model, view, vmt_gfn_from(5),
					     vmt_gfn_from(7), NULL),
			 0);
	assert_visible(b, "gfn 0x5 shows gfn 0x5", "gfn 0x5 shows gfn 0x7");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_sides, tear_down_sides)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(handlers_that_did_nothing_have_the_same_footprint),
		TEST(a_monitor_that_only_the_replayed_handler_has_is_blind),
		TEST(a_monitor_that_only_the_recorded_handler_has_is_not_judged),
		TEST(a_monitor_of_another_register_does_not_stand_for_this_one),
		TEST(a_monitor_that_tells_of_more_writes_is_blind),
		TEST(a_monitor_that_tells_of_less_is_not_blind),
		TEST(monitors_that_cause_no_event_are_not_blind),
		TEST(single_steps_of_the_replayed_handler_alone_are_blind),
		TEST(a_next_interrupt_asked_for_only_in_the_replay_is_blind),
		TEST(an_injection_is_visible_whichever_handler_has_it),
		TEST(a_pause_that_the_replayed_handler_leaves_is_visible),
		TEST(a_breakpoint_that_only_the_replayed_handler_has_is_blind),
		TEST(a_breakpoint_that_only_the_recorded_handler_has_is_not_judged),
		TEST(an_int3_that_no_one_watches_is_a_byte_like_others),
		TEST(a_byte_that_differs_is_visible),
		TEST(rights_that_forbid_more_are_blind),
		TEST(rights_count_only_in_the_view_that_a_vcpu_is_in),
		TEST(the_rights_of_pages_that_no_one_named_are_judged_too),
		TEST(a_breakpoint_in_a_copy_is_the_same_as_one_in_the_page),
		TEST(a_copy_of_the_recorded_handlers_is_judged_by_its_bytes_too),
		TEST(own_bytes_at_other_places_are_not_the_same),
		TEST(a_page_of_the_guests_shown_in_place_of_another_is_visible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
