/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recorded event under another handler: would it have come about, what does a response make of the
 * guest, and was the guest left alone?
 */
#include "sides.h"

#include "replay/dispositions.h"

/** An event of vCPU 0, which stands at rip 0x5010, in the page 5. */
static struct vmt_event event_of(unsigned reason)
{
	return (struct vmt_event){
		.ticket = 1,
		.reason = (uint16_t)reason,
		.flags = VMT_EVENT_SYNC,
		.regs = {.known = VMT_KNOWN_XEN_EVENT, .gprs = {.rip = 0x5010, .rax = 7}},
	};
}

static struct vmt_event int3_event(void)
{
	struct vmt_event ev = event_of(VMT_EVENT_INTERRUPT);

	ev.u.interrupt.gfn = vmt_gfn_from(5);
	ev.u.interrupt.interrupt =
		(struct vmt_interrupt){.vector = 3, .type = VMT_INT_SW_EXCEPTION, .insn_length = 1};
	return ev;
}

static struct vmt_event access_event(unsigned access)
{
	struct vmt_event ev = event_of(VMT_EVENT_MEMORY_ACCESS);

	ev.u.memory.gpa = vmt_gpa_from(0x6008);
	ev.u.memory.access = (uint8_t)access;
	return ev;
}

static struct vmt_event step_event(void)
{
	struct vmt_event ev = event_of(VMT_EVENT_SINGLESTEP);

	ev.u.step.gfn = vmt_gfn_from(5);
	return ev;
}

static bool traps(struct both *b, const struct vmt_event *ev)
{
	return vmt_would_trap(&b->replayed.meets, &b->recorded.meets, ev);
}

/* -------------------------------------------------------------------------------------------- */
/* Would it trap?                                                                               */
/* -------------------------------------------------------------------------------------------- */

static void an_access_traps_where_the_view_forbids_any_of_it(void **state)
{
	struct both *b = *state;
	struct vmt_event write = access_event(VMT_RW);
	struct vmt_event fetch = access_event(VMT_X);

	assert_false(traps(b, &write));
	set_rights(&b->recorded, 0, 6, VMT_R);
	assert_false(traps(b, &write));
	set_rights(&b->replayed, 0, 6, VMT_RX);
	assert_true(traps(b, &write));
	assert_false(traps(b, &fetch));
	switch_to(&b->replayed, add_view(&b->replayed, VMT_RWX));
	assert_false(traps(b, &write));
}

static void a_write_of_a_register_traps_where_its_monitor_tells_of_it(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = event_of(VMT_EVENT_WRITE_CR);

	ev.u.cr = (struct vmt_write_cr){VMT_CR4, 0x20, 0x20};
	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR4, 0, 0);
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	assert_false(traps(b, &ev));
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR4, VMT_MONITOR_ON_CHANGE, 0x80);
	assert_false(traps(b, &ev));
	ev.u.cr.new_value = 0x30;
	assert_true(traps(b, &ev));
	/* Xen: no event when any ignored bit changes. */
	ev.u.cr.new_value = 0xb0;
	assert_false(traps(b, &ev));
}

static void a_write_of_an_msr_traps_where_that_msr_is_watched(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = event_of(VMT_EVENT_WRITE_MSR);

	ev.u.msr = (struct vmt_write_msr){0xc0000082, 1, 1};
	watch(&b->replayed, VMT_MONITOR_MSR, 0xc0000081, 0, 0);
	assert_false(traps(b, &ev));
	watch(&b->replayed, VMT_MONITOR_MSR, 0xc0000082, 0, 0);
	assert_true(traps(b, &ev));
}

static void the_recorded_handlers_breakpoint_traps_only_where_it_is_set_too(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = int3_event();

	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	watch(&b->replayed, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	assert_false(traps(b, &ev));
	put_byte(&b->replayed, 5, 0x10, VMT_INT3, 0x90);
	assert_true(traps(b, &ev));
}

static void an_int3_of_the_guests_traps_while_it_stands_and_is_watched(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = int3_event();

	assert_false(traps(b, &ev));
	watch(&b->replayed, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	assert_true(traps(b, &ev));
	put_byte(&b->replayed, 5, 0x10, 0x90, VMT_INT3);
	assert_false(traps(b, &ev));
}

static void a_hypercall_of_user_mode_traps_only_where_that_was_asked_for(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = event_of(VMT_EVENT_HYPERCALL);

	assert_false(traps(b, &ev));
	watch(&b->replayed, VMT_MONITOR_HYPERCALL, 0, 0, 0);
	assert_true(traps(b, &ev));
	ev.regs.ss.access = 3u << 5;
	assert_false(traps(b, &ev));
	watch(&b->recorded, VMT_MONITOR_HYPERCALL, 0, VMT_MONITOR_USERSPACE, 0);
	assert_true(vmt_would_trap(&b->recorded.meets, &b->replayed.meets, &ev));
}

static void other_events_come_about_where_their_monitor_is_on(void **state)
{
	static const struct {
		uint16_t reason;
		uint32_t monitor;
	} rows[] = {
		{VMT_EVENT_CPUID, VMT_MONITOR_CPUID},
		{VMT_EVENT_IO, VMT_MONITOR_IO},
		{VMT_EVENT_DESCRIPTOR, VMT_MONITOR_DESCRIPTOR},
		{VMT_EVENT_VMEXIT, VMT_MONITOR_VMEXIT},
		{VMT_EVENT_EMUL_UNIMPLEMENTED, VMT_MONITOR_EMUL_UNIMPLEMENTED},
	};
	struct both *b = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vmt_event ev = event_of(rows[i].reason);

		assert_false(traps(b, &ev));
		watch(&b->replayed, rows[i].monitor, 0, 0, 0);
		assert_true(traps(b, &ev));
	}
}

static void a_step_and_a_next_interrupt_come_about_only_when_asked_for(void **state)
{
	struct both *b = *state;
	struct vmt_event step = step_event();
	struct vmt_event next = event_of(VMT_EVENT_NEXT_INTERRUPT);

	watch(&b->replayed, VMT_MONITOR_SINGLESTEP, 0, 0, 0);
	assert_false(traps(b, &step));
	assert_false(traps(b, &next));
	b->replayed.side.next_interrupt[1] = true;
	assert_false(traps(b, &next));
	b->replayed.side.next_interrupt[0] = true;
	assert_true(traps(b, &next));
}

static void an_event_of_unknown_cause_came_about(void **state)
{
	struct vmt_event ev = event_of(VMT_EVENT_UNKNOWN);

	assert_true(traps(*state, &ev));
}

/* -------------------------------------------------------------------------------------------- */
/* What the replayed handler did not see                                                        */
/* -------------------------------------------------------------------------------------------- */

static bool blind(struct both *b, const struct vmt_event *ev, uint64_t cr3_before)
{
	return vmt_shows_blind(&b->replayed.meets, &b->recorded.meets, ev, cr3_before);
}

static void a_step_to_a_breakpoint_of_the_replay_alone_shows_a_blind_spot(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = step_event();

	put_byte(&b->replayed, 5, 0x10, VMT_INT3, 0x90);
	assert_false(blind(b, &ev, 0));
	watch(&b->replayed, VMT_MONITOR_BREAKPOINT, 0, 0, 0);
	assert_true(blind(b, &ev, 0));
	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	assert_false(blind(b, &ev, 0));
}

static void another_cr3_shows_a_write_that_only_the_replay_watches(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = step_event();

	ev.regs.cr3 = 0x2000;
	assert_false(blind(b, &ev, 0x1000));
	watch(&b->replayed, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	assert_true(blind(b, &ev, 0x1000));
	assert_false(blind(b, &ev, 0x2000));
	assert_false(blind(b, &ev, 0));
	ev.regs.known &= ~VMT_KNOWN(VMT_REG_CR3);
	assert_false(blind(b, &ev, 0x1000));
	ev.regs.known |= VMT_KNOWN(VMT_REG_CR3);
	watch(&b->recorded, VMT_MONITOR_CR, VMT_CR3, 0, 0);
	assert_false(blind(b, &ev, 0x1000));
}

/* -------------------------------------------------------------------------------------------- */
/* Responses and their effects                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void responses_are_compared_in_what_counts(void **state)
{
	struct vmt_gprs one = {.rax = 1};
	struct vmt_gprs same = {.rax = 1};
	struct vmt_gprs other = {.rax = 2};
	struct vmt_response plain = vmt_respond(VMT_CONTINUE);
	struct vmt_response unused = plain;
	struct vmt_response a = vmt_with_regs(vmt_with_view(plain, 1), &one);
	struct vmt_response b = vmt_with_regs(vmt_with_view(plain, 1), &same);
	struct vmt_response read = vmt_with_data(vmt_respond(VMT_EMULATE_READ), "abc", 3);
	struct vmt_response more = vmt_with_data(vmt_respond(VMT_EMULATE_READ), "abd", 3);

	(void)state;
	unused.view = 3;
	unused.data = "not used";
	assert_true(vmt_response_same(&plain, &unused));
	assert_true(vmt_response_same(&a, &b));
	assert_false(vmt_response_same(&a, &plain));
	b.view = 2;
	assert_false(vmt_response_same(&a, &b));
	b = vmt_with_regs(vmt_with_view(plain, 1), &other);
	assert_false(vmt_response_same(&a, &b));
	assert_true(vmt_response_same(&read, &read));
	assert_false(vmt_response_same(&read, &more));
	more = vmt_with_data(more, "abc", 2);
	assert_false(vmt_response_same(&read, &more));
	unused.action = VMT_EMULATE;
	assert_false(vmt_response_same(&plain, &unused));
}

static struct vmt_effect effect(struct one *one, const struct vmt_event *ev,
				struct vmt_response rsp)
{
	struct vmt_effect e;

	vmt_effect_of(&one->meets, ev, &rsp, &e);
	return e;
}

static void a_breakpoint_left_in_place_stops_the_guest_for_ever(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = int3_event();
	struct vmt_gprs elsewhere = {.rip = 0x5011};
	struct one *one = &b->replayed;

	assert_false(effect(one, &ev, vmt_respond(VMT_CONTINUE)).stuck);
	put_byte(one, 5, 0x10, VMT_INT3, 0x90);
	assert_true(effect(one, &ev, vmt_respond(VMT_CONTINUE)).stuck);
	assert_false(effect(one, &ev, vmt_respond(VMT_EMULATE)).stuck);
	assert_false(effect(one, &ev, vmt_respond(VMT_REINJECT)).stuck);
	assert_false(effect(one, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &elsewhere)).stuck);
	ev.flags = 0;
	assert_false(effect(one, &ev, vmt_respond(VMT_CONTINUE)).stuck);
}

static void a_response_with_a_view_is_judged_in_that_view(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = access_event(VMT_RW);
	struct one *one = &b->replayed;
	vmt_view open = add_view(one, VMT_RWX);

	set_rights(one, 0, 6, VMT_R);
	assert_true(effect(one, &ev, vmt_respond(VMT_CONTINUE)).stuck);
	assert_false(effect(one, &ev, vmt_with_view(vmt_respond(VMT_CONTINUE), open)).stuck);
	assert_false(effect(one, &ev, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), open)).stuck);
}

static void ways_to_go_on_are_one_effect_and_others_are_not(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = int3_event();
	struct vmt_gprs changed = ev.regs.gprs;
	struct vmt_effect on = effect(&b->replayed, &ev, vmt_respond(VMT_CONTINUE));
	struct vmt_effect other = effect(&b->replayed, &ev, vmt_respond(VMT_EMULATE));
	char text[128];

	assert_true(vmt_effect_same(&on, &other));
	other = effect(&b->replayed, &ev, vmt_respond(VMT_REINJECT));
	assert_false(vmt_effect_same(&on, &other));
	other = effect(&b->replayed, &ev,
		       vmt_with_data(vmt_respond(VMT_EMULATE_READ), "\x01\xff", 2));
	assert_false(vmt_effect_same(&on, &other));
	assert_string_equal(vmt_effect_format(&other, &on, text, sizeof(text)),
			    "emulated with other data 01 ff");
	changed.rax = 8;
	other = effect(&b->replayed, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &changed));
	assert_false(vmt_effect_same(&on, &other));
	assert_string_equal(vmt_effect_format(&other, &on, text, sizeof(text)), "goes on, rax 0x8");
	assert_string_equal(vmt_effect_format(&other, &on, text, 10), "goes on, ");
}

/* -------------------------------------------------------------------------------------------- */
/* Was the guest left alone?                                                                    */
/* -------------------------------------------------------------------------------------------- */

static const char *why_not(struct both *b, const struct vmt_event *ev, struct vmt_response rsp)
{
	const char *why;
	bool alone = vmt_left_alone(&b->recorded.meets, ev, &rsp, &why);

	assert_int_equal(alone, why == NULL);
	return why ? why : "left alone";
}

static void an_own_breakpoint_is_kept_and_the_guests_is_given_back(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = int3_event();

	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_REINJECT)), "left alone");
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_EMULATE)),
			    "kept an interrupt from the guest");
	put_byte(&b->recorded, 5, 0x10, VMT_INT3, 0x90);
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_EMULATE)), "left alone");
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_REINJECT)),
			    "sent the guest an interrupt for its own breakpoint");
}

static void a_guest_whose_registers_or_writes_were_changed_was_not_left_alone(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = event_of(VMT_EVENT_WRITE_CR);
	struct vmt_gprs regs = ev.regs.gprs;

	assert_string_equal(why_not(b, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &regs)),
			    "left alone");
	regs.rax++;
	assert_string_equal(why_not(b, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &regs)),
			    "changed the guest's registers");
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_DENY)), "denied the write");
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_EMULATE_NOWRITE)),
			    "let the instruction do something else");
	ev.flags = 0;
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_DENY)), "left alone");
}

static void cpuid_leaves_alone_only_when_rip_is_moved_past_it(void **state)
{
	struct both *b = *state;
	struct vmt_event ev = event_of(VMT_EVENT_CPUID);
	struct vmt_gprs regs = ev.regs.gprs;

	ev.u.cpuid.insn_length = 2;
	assert_string_equal(why_not(b, &ev, vmt_respond(VMT_CONTINUE)),
			    "changed the guest's registers");
	regs.rip += 2;
	assert_string_equal(why_not(b, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &regs)),
			    "left alone");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_sides, tear_down_sides)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_access_traps_where_the_view_forbids_any_of_it),
		TEST(a_write_of_a_register_traps_where_its_monitor_tells_of_it),
		TEST(a_write_of_an_msr_traps_where_that_msr_is_watched),
		TEST(the_recorded_handlers_breakpoint_traps_only_where_it_is_set_too),
		TEST(an_int3_of_the_guests_traps_while_it_stands_and_is_watched),
		TEST(a_hypercall_of_user_mode_traps_only_where_that_was_asked_for),
		TEST(other_events_come_about_where_their_monitor_is_on),
		TEST(a_step_and_a_next_interrupt_come_about_only_when_asked_for),
		TEST(an_event_of_unknown_cause_came_about),
		TEST(a_step_to_a_breakpoint_of_the_replay_alone_shows_a_blind_spot),
		TEST(another_cr3_shows_a_write_that_only_the_replay_watches),
		TEST(responses_are_compared_in_what_counts),
		TEST(a_breakpoint_left_in_place_stops_the_guest_for_ever),
		TEST(a_response_with_a_view_is_judged_in_that_view),
		TEST(ways_to_go_on_are_one_effect_and_others_are_not),
		TEST(an_own_breakpoint_is_kept_and_the_guests_is_given_back),
		TEST(a_guest_whose_registers_or_writes_were_changed_was_not_left_alone),
		TEST(cpuid_leaves_alone_only_when_rip_is_moved_past_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
