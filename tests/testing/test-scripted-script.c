/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scripts: which steps are refused, where instructions stand and what memory shows of them, and
 * where a vCPU goes on whose RIP was moved.
 */
#include <stdlib.h>

#include "domain.h"

static int set_up(void **state)
{
	*state = domain_create((struct vmt_scripted_config){0});
	return 0;
}

static int tear_down(void **state)
{
	vmt_driver_close(*state);
	return 0;
}

static void each_step_that_makes_no_sense_is_named(void **state)
{
	const struct vmt_event of_vcpu_9 = {.vcpu = 9};
	const struct {
		struct vmt_step step;
		const char *place, *word;
	} bad[] = {
		{{.kind = 0}, "step 1 (unknown)", "kind"},
		{{.kind = 63}, "step 1 (unknown)", "kind"},
		{{.kind = 500}, "step 1 (unknown)", "kind"},
		{VMT_INSN_NOP(1, 0), "step 1 (nop)", "vCPU"},
		{{.kind = VMT_STEP_NOP, .length = 16}, "step 1 (nop)", "15 bytes"},
		{VMT_INSN_READ(0, 0, 0x1000, 0), "step 1 (read)", "1 to 4096"},
		{VMT_INSN_READ(0, 0, 0x1000, 4097), "step 1 (read)", "1 to 4096"},
		{VMT_INSN_WRITE(0, 0, 0x1000, NULL, 4), "step 1 (write)", "no bytes"},
		{VMT_INSN_CR(0, 0, VMT_CR_COUNT, 1), "step 1 (cr)", "control register"},
		{VMT_INSN_IN(0, 0, 0x10000, 1, 1), "step 1 (in)", "port"},
		{VMT_INSN_OUT(0, 0, 0x60, 3, 1), "step 1 (out)", "size"},
		{VMT_INSN_DESCRIPTOR(0, 0, 5, 1), "step 1 (descriptor)", "descriptor"},
		{VMT_INSN_DEBUG(0, 0, VMT_INT_NMI, 0), "step 1 (debug)", "type"},
		{VMT_WORLD_POKE(0x1000, NULL, 1), "step 1 (poke)", "no bytes"},
		{VMT_WORLD_POKE(0x1000, "", 0), "step 1 (poke)", "1 to 4096"},
		{VMT_WORLD_WAIT_FAIL(0), "step 1 (wait-fail)", "errno"},
		{VMT_WORLD_EVENT(NULL), "step 1 (event)", "no event"},
		{VMT_WORLD_EVENT(&of_vcpu_9), "step 1 (event)", "vCPU"},
		{VMT_WORLD_CALL(NULL, NULL), "step 1 (call)", "no function"},
	};
	struct vmt_driver *d = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct vmt_step steps[] = {VMT_INSN_WRITE(0, 0, 0x3000, "x", 1), bad[i].step};
		struct vmt_error err;

		vmt_assert_refused(vmt_scripted_play(d, steps, 2, &err), &err, VMT_E_INVALID);
		assert_non_null(strstr(err.place, bad[i].place));
		assert_non_null(strstr(err.text, bad[i].word));
	}
	/* Nothing of a script with such a step is played. */
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0);
}

static void each_kind_has_a_name(void **state)
{
	(void)state;
	for (unsigned kind = VMT_STEP_NOP; kind <= VMT_STEP_JUMP; kind++)
		assert_string_not_equal(vmt_step_name(kind), "unknown");
	for (unsigned kind = VMT_STEP_POKE; kind <= VMT_STEP_CALL; kind++)
		assert_string_not_equal(vmt_step_name(kind), "unknown");
	assert_string_equal(vmt_step_name(0), "unknown");
	assert_string_equal(vmt_step_name(VMT_STEP_JUMP + 1), "unknown");
	assert_string_equal(vmt_step_name(VMT_STEP_CALL + 1), "unknown");
}

static void another_driver_plays_no_script(void **state)
{
	struct vmt_driver other = {.ops = &(const struct vmt_driver_ops){.name = "other"}};
	const struct vmt_step step = VMT_INSN_NOP(0, 0);
	struct vmt_regs regs = {0};
	struct vmt_leftovers left;
	struct vmt_error err;
	vmt_view view;
	vmt_gfn to;

	(void)state;
	vmt_assert_refused(vmt_scripted_play(&other, &step, 1, &err), &err, VMT_E_INVALID);
	assert_non_null(strstr(err.text, "not the scripted one"));
	assert_false(vmt_scripted_done(&other));
	assert_int_equal(vmt_scripted_read(&other, vmt_gpa_from(0), &view, 1), -VMT_E_INVALID);
	assert_int_equal(vmt_scripted_set_regs(&other, 0, &regs), -VMT_E_INVALID);
	assert_int_equal(vmt_scripted_vcpu_view(&other, 0, &view), -VMT_E_INVALID);
	assert_int_equal(vmt_scripted_view_target(&other, 0, vmt_gfn_from(0), &to), -VMT_E_INVALID);
	assert_int_equal(vmt_scripted_add_gfn(&other, vmt_gfn_from(0)), -VMT_E_INVALID);
	assert_int_equal(vmt_scripted_leftovers(&other, &left), -VMT_E_INVALID);
	assert_int_equal(vmt_scripted_ndelivered(&other, -1), 0);
	assert_null(vmt_scripted_delivered(&other, 0));
	assert_int_equal(vmt_scripted_space(&other).paging, VMT_PAGING_NONE);
}

/* -------------------------------------------------------------------------------------------- */
/* Places and bytes                                                                             */
/* -------------------------------------------------------------------------------------------- */

static void instructions_stand_one_behind_the_other(void **state)
{
	struct vmt_driver *d = *state;

	PLAY(d, VMT_INSN_NOP(0, 0), VMT_INSN_CPUID(0, 0, 1, 0), VMT_INSN_VMCALL(0, 0),
	     VMT_INSN_JUMP(0, 0, 0x2000), VMT_INSN_NOP(0, 0), {.kind = VMT_STEP_NOP, .length = 3},
	     VMT_INSN_NOP(0, 0));
	/* nop; cpuid; vmcall; jmp rax */
	vmt_assert_memory(d, vmt_gpa_from(VMT_SCRIPTED_RIP), 0x90, 0x0f, 0xa2, 0x0f, 0x01, 0xc1,
			  0xff, 0xe0, 0);
	vmt_assert_memory(d, vmt_gpa_from(0x2000), 0x90, 0x3e, 0x3e, 0x90, 0x90, 0);
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rip, 0x2005);
}

static void each_vcpu_begins_in_a_page_of_its_own(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 3});

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_INSN_INT3(1, 0), VMT_INSN_CPUID(2, 0, 0, 0));
	for (uint16_t vcpu = 0; vcpu < 3; vcpu++)
		assert_int_equal(regs_of(d, vcpu).gprs.rip, VMT_SCRIPTED_RIP_OF(vcpu));
	vmt_assert_memory(d, vmt_gpa_from(0x1000), 0x90, 0);
	vmt_assert_memory(d, vmt_gpa_from(0x2000), 0xcc, 0);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0x0f, 0xa2, 0);
	vmt_driver_close(d);
}

static void every_kind_has_bytes(void **state)
{
	static const struct {
		struct vmt_step step;
		uint8_t n, bytes[4];
	} cases[] = {
		{VMT_INSN_NOP(0, 0), 1, {0x90}},
		{VMT_INSN_READ(0, 0, 0x3000, 1), 2, {0x8a, 0x06}},
		{VMT_INSN_READ(0, 0, 0x3000, 2), 3, {0x66, 0x8b, 0x06}},
		{VMT_INSN_READ(0, 0, 0x3000, 4), 2, {0x8b, 0x06}},
		{VMT_INSN_READ(0, 0, 0x3000, 8), 3, {0x48, 0x8b, 0x06}},
		{VMT_INSN_READ(0, 0, 0x3000, 9), 2, {0xf3, 0xa4}},
		{VMT_INSN_WRITE(0, 0, 0x3000, "12345678", 1), 2, {0x88, 0x07}},
		{VMT_INSN_WRITE(0, 0, 0x3000, "12345678", 8), 3, {0x48, 0x89, 0x07}},
		{VMT_INSN_CR(0, 0, VMT_CR0, 1), 3, {0x0f, 0x22, 0xc0}},
		{VMT_INSN_CR(0, 0, VMT_CR3, 1), 3, {0x0f, 0x22, 0xd8}},
		{VMT_INSN_CR(0, 0, VMT_CR4, 1), 3, {0x0f, 0x22, 0xe0}},
		{VMT_INSN_CR(0, 0, VMT_XCR0, 1), 3, {0x0f, 0x01, 0xd1}},
		{VMT_INSN_MSR(0, 0, 1, 1), 2, {0x0f, 0x30}},
		{VMT_INSN_INT3(0, 0), 1, {0xcc}},
		{VMT_INSN_CPUID(0, 0, 1, 1), 2, {0x0f, 0xa2}},
		{VMT_INSN_IN(0, 0, 1, 1, 0), 1, {0xec}},
		{VMT_INSN_IN(0, 0, 1, 2, 0), 2, {0x66, 0xed}},
		{VMT_INSN_IN(0, 0, 1, 4, 0), 1, {0xed}},
		{VMT_INSN_OUT(0, 0, 1, 1, 0), 1, {0xee}},
		{VMT_INSN_OUT(0, 0, 1, 2, 0), 2, {0x66, 0xef}},
		{VMT_INSN_VMCALL(0, 0), 3, {0x0f, 0x01, 0xc1}},
		{VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_IDTR, true), 3, {0x0f, 0x01, 0x18}},
		{VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_GDTR, false), 3, {0x0f, 0x01, 0x00}},
		{VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_TR, true), 3, {0x0f, 0x00, 0xd8}},
		{VMT_INSN_DEBUG(0, 0, 0, 0), 1, {0x90}},
		{VMT_INSN_DEBUG(0, 0, VMT_INT_PRIV_SW_EXCEPTION, 0), 1, {0xf1}},
		{VMT_INSN_VMEXIT(0, 0, 1, 0), 1, {0x90}},
		{VMT_INSN_JUMP(0, 0, 0x2000), 2, {0xff, 0xe0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
		uint8_t there[16] = {0}, expected[16] = {0};

		memcpy(expected, cases[i].bytes, cases[i].n);
		play(d, &cases[i].step, 1);
		vmt_assert_ok(vmt_scripted_read(d, vmt_gpa_from(VMT_SCRIPTED_RIP), there, 16),
			      &d->err);
		assert_memory_equal(there, expected, 16);
		vmt_driver_close(d);
	}
}

static void bytes_that_are_there_stay(void **state)
{
	struct vmt_driver *d = *state;

	vmt_scripted_write(d, vmt_gpa_from(0x1001), "\x42", 1);
	PLAY(d, VMT_INSN_CPUID(0, 0x1000, 1, 0), VMT_INSN_NOP(0, 0));
	vmt_assert_memory(d, vmt_gpa_from(0x1000), 0, 0x42, 0x90);
	ends(d); /* the script says what is executed */
}

static void a_test_may_keep_its_own_code(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.keep_code = true});

	(void)state;
	PLAY(d, VMT_INSN_CPUID(0, 0x1000, 1, 0));
	vmt_assert_memory(d, vmt_gpa_from(0x1000), 0, 0);
	vmt_driver_close(d);
}

static void code_is_written_through_the_page_tables(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.paging = VMT_PAGING_4});

	(void)state;
	vmt_assert_ok(vmt_scripted_map(d, vmt_scripted_space(d), vmt_gva_from(0xffffffff81000000),
				       vmt_gpa_from(0x5000), 0x1000, 0),
		      &d->err);
	vmt_assert_ok(vmt_scripted_map(d, vmt_scripted_space(d), vmt_gva_from(0xffffffff81001000),
				       vmt_gpa_from(0x9000), 0x1000, 0),
		      &d->err);
	PLAY(d, VMT_INSN_CPUID(0, 0xffffffff81000fff, 1, 0), VMT_INSN_NOP(0, 0));
	vmt_assert_memory(d, vmt_gpa_from(0x5fff), 0x0f);
	vmt_assert_memory(d, vmt_gpa_from(0x9000), 0xa2, 0x90, 0);
	ends(d);
	vmt_driver_close(d);
}

static void what_steps_point_to_is_copied(void **state)
{
	struct vmt_driver *d = *state;
	char bytes[] = "before";

	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3000, bytes, 6));
	memset(bytes, 'x', 6);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'b', 'e', 'f');
}

static void long_scripts_are_kept(void **state)
{
	struct vmt_driver *d = *state;
	static struct vmt_step steps[1000];

	for (size_t i = 0; i < COUNT(steps); i++)
		steps[i] = (struct vmt_step)VMT_INSN_WRITE(0, 0, 0x3000 + i, "z", 1);
	play(d, steps, COUNT(steps));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000 + 999), 'z', 0);
}

static void steps_added_after_the_end_are_done(void **state)
{
	struct vmt_driver *d =
		domain_create((struct vmt_scripted_config){.at_end = VMT_SCRIPTED_IDLE});

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0));
	wait_ends(d, 10, VMT_WAIT_TIMEOUT);
	assert_true(vmt_scripted_done(d));
	PLAY(d, VMT_INSN_WRITE(0, 0x5000, 0x3000, "x", 1));
	assert_false(vmt_scripted_done(d));
	wait_ends(d, 10, VMT_WAIT_TIMEOUT);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	assert_int_equal(regs_of(d, 0).gprs.rip, 0x5002);
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* A moved RIP                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void answer_at(struct vmt_driver *d, const struct vmt_event *ev, uint64_t rip)
{
	struct vmt_gprs gprs = ev->regs.gprs;

	gprs.rip = rip;
	answer(d, ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &gprs));
}

static void registers_of_a_response_are_what_the_program_goes_on_with(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_gprs gprs;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_INT3(0, 0x1100), VMT_INSN_INT3(0, 0x1200));
	ev = take(d);
	gprs = ev.regs.gprs;
	gprs.rip = 0x1200;
	gprs.r15 = 0x1515;
	answer(d, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &gprs));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"rip", 0x1200}, {"r15", 0x1515});
}

static void a_skip_goes_on_at_the_next_instruction_wherever_it_stands(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_CPUID, 0);
	PLAY(d, VMT_INSN_CPUID(0, 0x1100, 1, 0), VMT_INSN_WRITE(0, 0x7000, 0x3000, "x", 1));
	ev = take(d);
	skip_by(d, &ev, 2);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
}

static void a_moved_vcpu_goes_on_at_the_nearest_instruction_after(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1200, 0x3000, "1", 1), VMT_INSN_INT3(0, 0x1100),
	     VMT_INSN_WRITE(0, 0x1300, 0x3002, "3", 1), VMT_INSN_WRITE(0, 0x1200, 0x3001, "2", 1));
	ev = take(d);
	answer_at(d, &ev, 0x1200);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), '1', '2', 0);
}

static void a_moved_vcpu_can_go_back(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1000, 0x3000, "x", 1), VMT_INSN_INT3(0, 0x1100));
	ev = take(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	vmt_scripted_write(d, vmt_gpa_from(0x3000), "", 1);
	answer_at(d, &ev, 0x1000);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"rip", 0x1100});
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	skip_by(d, &ev, 1);
	ends(d);
}

static void a_skip_by_a_wrong_length_is_a_script_error(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;
	struct vmt_wait wait;

	monitor(d, VMT_MONITOR_CPUID, 0);
	PLAY(d, VMT_INSN_CPUID(0, 0x1100, 1, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	skip_by(d, &ev, 1);
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_string_equal(d->err.place, "script, vCPU 0 at RIP 0x1101");
	assert_non_null(strstr(d->err.text, "no instruction there"));
	assert_non_null(strstr(d->err.text, "0x1100"));
}

static void reinjecting_a_planted_breakpoint_is_a_script_error(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;
	struct vmt_wait wait;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1), VMT_INSN_NOP(0, 0));
	vmt_driver_write(d, vmt_gfn_from(1), 0x100, "\xcc", 1);
	ev = take(d);
	answer(d, &ev, vmt_respond(VMT_REINJECT));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_string_equal(d->err.place, "script, vCPU 0 at RIP 0x1101");
	vmt_assert_delivered(d, 3, 1);
}

static void a_cr_event_answered_with_its_registers_is_executed_again(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	/* The event's RIP is at the instruction; Xen sets it as it is (vm_event_set_registers). */
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0x1100, VMT_CR3, 0x10), VMT_INSN_NOP(0, 0x1200));
	ev = take(d);
	answer_at(d, &ev, 0x1100);
	ends(d); /* the value does not change any more, so there is no second event */
	assert_int_equal(regs_of(d, 0).gprs.rip, 0x1201);
}

static void the_tests_own_registers_move_a_vcpu_too(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RIP), .gprs.rip = 0x1200};

	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "1", 1),
	     VMT_INSN_WRITE(0, 0x1200, 0x3001, "2", 1));
	vmt_assert_ok(vmt_scripted_set_regs(d, 0, &regs), &d->err);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0, '2');
}

static void jumps_go_where_they_say(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_wait wait;

	PLAY(d, VMT_INSN_JUMP(0, 0x1000, 0x1300), VMT_INSN_WRITE(0, 0x1200, 0x3000, "2", 1),
	     VMT_INSN_WRITE(0, 0x1300, 0x3001, "3", 1), VMT_INSN_JUMP(0, 0x1400, 0x9999));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_string_equal(d->err.place, "script, vCPU 0 at RIP 0x9999");
	assert_non_null(strstr(d->err.text, "jumped"));
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0, '3');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_step_that_makes_no_sense_is_named),
		cmocka_unit_test(each_kind_has_a_name),
		cmocka_unit_test(another_driver_plays_no_script),
		TEST(instructions_stand_one_behind_the_other),
		cmocka_unit_test(each_vcpu_begins_in_a_page_of_its_own),
		cmocka_unit_test(every_kind_has_bytes),
		TEST(bytes_that_are_there_stay),
		cmocka_unit_test(a_test_may_keep_its_own_code),
		cmocka_unit_test(code_is_written_through_the_page_tables),
		TEST(what_steps_point_to_is_copied),
		TEST(long_scripts_are_kept),
		cmocka_unit_test(steps_added_after_the_end_are_done),
		TEST(registers_of_a_response_are_what_the_program_goes_on_with),
		TEST(a_skip_goes_on_at_the_next_instruction_wherever_it_stands),
		TEST(a_moved_vcpu_goes_on_at_the_nearest_instruction_after),
		TEST(a_moved_vcpu_can_go_back),
		TEST(a_skip_by_a_wrong_length_is_a_script_error),
		TEST(reinjecting_a_planted_breakpoint_is_a_script_error),
		TEST(a_cr_event_answered_with_its_registers_is_executed_again),
		TEST(the_tests_own_registers_move_a_vcpu_too),
		TEST(jumps_go_where_they_say),
	};

	return cmocka_run_group_tests_name("scripts", tests, NULL, NULL);
}
