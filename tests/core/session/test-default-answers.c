/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The default answers: what a session says for itself when no handler decides, and what the guest
 * notices of it.
 */
#include "world.h"

#define CODE VMT_SCRIPTED_RIP

/* -------------------------------------------------------------------------------------------- */
/* The table                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static const uint16_t action_of[VMT_REASON_COUNT] = {
	[VMT_EVENT_UNKNOWN] = VMT_CONTINUE,    [VMT_EVENT_MEMORY_ACCESS] = VMT_CONTINUE,
	[VMT_EVENT_WRITE_CR] = VMT_CONTINUE,   [VMT_EVENT_WRITE_MSR] = VMT_CONTINUE,
	[VMT_EVENT_INTERRUPT] = VMT_CONTINUE, /* int3; vector 1 below */
	[VMT_EVENT_SINGLESTEP] = VMT_CONTINUE, [VMT_EVENT_HYPERCALL] = VMT_CONTINUE,
	[VMT_EVENT_CPUID] = VMT_CONTINUE,      [VMT_EVENT_IO] = VMT_CONTINUE,
	[VMT_EVENT_DESCRIPTOR] = VMT_CONTINUE, [VMT_EVENT_NEXT_INTERRUPT] = VMT_CONTINUE,
	[VMT_EVENT_VMEXIT] = VMT_CONTINUE,     [VMT_EVENT_EMUL_UNIMPLEMENTED] = VMT_CONTINUE,
};

static void most_events_are_continued(void **state)
{
	(void)state;
	for (unsigned reason = 0; reason < VMT_REASON_COUNT; reason++) {
		struct vmt_event ev = {.reason = (uint16_t)reason,
				       .flags = VMT_EVENT_SYNC,
				       .regs = {.known = VMT_KNOWN_XEN_EVENT}};
		struct vmt_gprs gprs;
		struct vmt_response rsp;
		struct vmt_error err;

		if (reason == VMT_EVENT_INTERRUPT)
			ev.u.interrupt.interrupt.vector = 3;
		rsp = vmt_default_answer(&ev, &gprs);
		assert_int_equal(rsp.action, action_of[reason]);
		assert_int_equal(rsp.flags, reason == VMT_EVENT_CPUID ? VMT_RSP_REGS : 0);
		vmt_assert_ok(vmt_response_check(&ev, &rsp, &err), &err);
	}
}

static void a_reason_of_a_later_version_is_continued(void **state)
{
	struct vmt_event ev = {.reason = VMT_REASON_COUNT + 5, .flags = VMT_EVENT_SYNC};
	struct vmt_gprs gprs;

	(void)state;
	assert_int_equal(vmt_default_answer(&ev, &gprs).action, VMT_CONTINUE);
	assert_int_equal(vmt_default_answer(&ev, &gprs).flags, 0);
}

static void cpuid_moves_rip_past_it_and_keeps_its_result(void **state)
{
	struct vmt_event ev = {.reason = VMT_EVENT_CPUID,
			       .flags = VMT_EVENT_SYNC,
			       .regs = {.known = VMT_KNOWN_XEN_EVENT,
					.gprs = {.rax = 1,
						 .rbx = 2,
						 .rcx = 3,
						 .rdx = 4,
						 .rip = 0x1000,
						 .rflags = 2,
						 .r15 = 15}},
			       .u.cpuid.insn_length = 2};
	struct vmt_gprs gprs, expected = ev.regs.gprs;
	struct vmt_response rsp;

	(void)state;
	memset(&gprs, 0xaa, sizeof(gprs));
	expected.rip = 0x1002;
	rsp = vmt_default_answer(&ev, &gprs);
	assert_int_equal(rsp.action, VMT_CONTINUE);
	assert_int_equal(rsp.flags, VMT_RSP_REGS);
	assert_ptr_equal(rsp.regs, &gprs);
	assert_memory_equal(&gprs, &expected, sizeof(gprs));
}

static void a_debug_exception_is_reinjected(void **state)
{
	static const uint8_t types[] = {VMT_INT_HW_EXCEPTION, VMT_INT_PRIV_SW_EXCEPTION};
	struct vmt_event ev = {.reason = VMT_EVENT_INTERRUPT,
			       .flags = VMT_EVENT_SYNC,
			       .u.interrupt.interrupt.vector = 1};
	struct vmt_gprs gprs;

	(void)state;
	for (size_t i = 0; i < COUNT(types); i++) {
		ev.u.interrupt.interrupt.type = types[i];
		assert_int_equal(vmt_default_answer(&ev, &gprs).action, VMT_REINJECT);
		assert_int_equal(vmt_default_answer(&ev, &gprs).flags, 0);
	}
}

/* Nothing waits for the answer to an asynchronous event: anything but continue has no effect. */
static void an_asynchronous_event_is_continued_whatever_it_is(void **state)
{
	(void)state;
	for (unsigned reason = 0; reason < VMT_REASON_COUNT; reason++) {
		struct vmt_event ev = {.reason = (uint16_t)reason};
		struct vmt_gprs gprs;
		struct vmt_response rsp;

		if (reason == VMT_EVENT_INTERRUPT)
			ev.u.interrupt.interrupt.vector = 1;
		rsp = vmt_default_answer(&ev, &gprs);
		assert_int_equal(rsp.action, VMT_CONTINUE);
		assert_int_equal(rsp.flags, 0);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* What the guest notices                                                                       */
/* -------------------------------------------------------------------------------------------- */

/*
 * A handler that fails at its first event, so that the session answers for it. The teardown lets the
 * guest run on from there, as if nobody had been there.
 */
static struct vmt_response fail_at_once(struct vmt_ctx *ctx)
{
	return vmt_fail(ctx, "not me");
}

static void run_and_fail(struct world *w, int (*create)(struct vmt_session *s))
{
	probe.create = create;
	probe.event = fail_at_once;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
	vmt_assert_clean(w->driver);
}

static void the_guest_sees_the_right_result_of_cpuid(void **state)
{
	struct world *w = *state;
	struct vmt_gprs now;
	const struct vmt_event *ev;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0x80000008, 0));
	run_and_fail(w, watch_cpuid);
	ev = vmt_collector_default(w->seen, 0)->callback.event;
	now = world_gprs(w, 0);
	assert_int_equal(now.rip, CODE + 2);
	assert_int_equal(now.rax, ev->regs.gprs.rax);
	assert_int_equal(now.rbx, ev->regs.gprs.rbx);
	assert_int_equal(now.rcx, ev->regs.gprs.rcx);
	assert_int_equal(now.rdx, ev->regs.gprs.rdx);
}

static int watch_exceptions(struct vmt_session *s)
{
	int r = vmt_monitor(s, VMT_MONITOR_BREAKPOINT);

	return r < 0 ? r : vmt_monitor(s, VMT_MONITOR_DEBUG);
}

static void the_guest_gets_its_debug_exception(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_DEBUG(0, 0, VMT_INT_HW_EXCEPTION, 1));
	run_and_fail(w, watch_exceptions);
	vmt_assert_delivered(w->driver, 1, 1);
}

/* The int3 is executed again, and nobody watches any more: it is the guest's. */
static void the_guests_own_int3_is_executed_again(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_INT3(0, 0));
	run_and_fail(w, watch_exceptions);
	assert_int_equal(world_answer(w, 0)->action, VMT_CONTINUE);
	vmt_assert_delivered(w->driver, 3, 1);
	assert_int_equal(world_gprs(w, 0).rip, CODE + 1);
}

static int plant_a_breakpoint(struct vmt_session *s)
{
	int r = watch_exceptions(s);

	return r < 0 ? r : vmt_write_u8(s, VMT_PHYS, CODE, 0xcc);
}

static void a_planted_breakpoint_gives_way_to_the_guests_instruction(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0));
	run_and_fail(w, plant_a_breakpoint);
	vmt_assert_memory(w->driver, vmt_gpa_from(CODE), 0x90);
	vmt_assert_delivered(w->driver, 3, 0);
	assert_int_equal(world_gprs(w, 0).rip, CODE + 1); /* it was executed */
}

static int protect_a_page(struct vmt_session *s)
{
	return vmt_set_access(s, 0, vmt_gfn_from(8), vmt_access_from(VMT_R));
}

static void a_forbidden_access_is_done_again(void **state)
{
	static const uint8_t byte = 0x42;
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_WRITE(0, 0, 0x8000, &byte, 1));
	run_and_fail(w, protect_a_page);
	assert_int_equal(world_answer(w, 0)->action, VMT_CONTINUE);
	vmt_assert_memory(w->driver, vmt_gpa_from(0x8000), 0x42);
}

static int watch_cr3(struct vmt_session *s)
{
	return vmt_monitor_cr(s, VMT_CR3);
}

static void a_write_of_a_control_register_takes_place(void **state)
{
	struct world *w = *state;
	struct vmt_regs regs;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	run_and_fail(w, watch_cr3);
	vmt_assert_ok(vmt_driver_get_regs(w->domain, 0, &regs), &w->domain->err);
	assert_int_equal(regs.cr3, 0x5000);
}

static int watch_cr3_deferred(struct vmt_session *s)
{
	int r = vmt_deny_enable(s);

	return r < 0 ? r : vmt_monitor_cr(s, VMT_CR3);
}

static void a_deferred_write_of_a_control_register_takes_place_too(void **state)
{
	struct world *w = *state;
	struct vmt_regs regs;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	run_and_fail(w, watch_cr3_deferred);
	vmt_assert_ok(vmt_driver_get_regs(w->domain, 0, &regs), &w->domain->err);
	assert_int_equal(regs.cr3, 0x5000);
}

static int watch_cpuid_and_steps(struct vmt_session *s)
{
	int r = watch_cpuid(s);

	return r < 0 ? r : vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
}

static struct vmt_response step_and_fail(struct vmt_ctx *ctx)
{
	struct vmt_response rsp;

	if (vmt_event_of(ctx)->reason == VMT_EVENT_SINGLESTEP)
		return vmt_fail(ctx, "not me");
	rsp = vmt_skip(ctx);
	rsp.action = VMT_SINGLESTEP;
	return rsp;
}

static void a_step_is_continued_with_stepping_off(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0));
	probe.create = watch_cpuid_and_steps;
	probe.event = step_and_fail;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	assert_int_equal(vmt_collector_default(w->seen, 0)->callback.event->reason,
			 VMT_EVENT_SINGLESTEP);
	assert_int_equal(vmt_collector_default(w->seen, 0)->response->action, VMT_CONTINUE);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* When                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void observers_are_told_of_default_answers(void **state)
{
	struct world *w = *state;
	const struct vmt_collected_callback *c;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 7, 0));
	run_and_fail(w, watch_cpuid);
	c = vmt_collector_default(w->seen, 0);
	vmt_assert_event(c->callback.event, VMT_EVENT_CPUID, {"leaf", 7}, {"vcpu", 0});
	vmt_assert_response(c->response, VMT_CONTINUE, {"rip", CODE + 2});
}

static void a_default_answer_that_fails_is_tried_once_more(void **state)
{
	struct world *w = *state;
	struct vmt_fault_rule rule = {.op = VMT_CALL_ANSWER, .status = VMT_E_HYPERVISOR};

	world_open_batch(w, 1);
	world_fault(w, &rule);
	run_and_fail(w, watch_cpuid);
	assert_int_equal(w->outcome.teardown_failures, 0);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_ANSWER), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_events_are_continued),
		cmocka_unit_test(a_reason_of_a_later_version_is_continued),
		cmocka_unit_test(cpuid_moves_rip_past_it_and_keeps_its_result),
		cmocka_unit_test(a_debug_exception_is_reinjected),
		cmocka_unit_test(an_asynchronous_event_is_continued_whatever_it_is),
		WORLD_TEST(the_guest_sees_the_right_result_of_cpuid),
		WORLD_TEST(the_guest_gets_its_debug_exception),
		WORLD_TEST(the_guests_own_int3_is_executed_again),
		WORLD_TEST(a_planted_breakpoint_gives_way_to_the_guests_instruction),
		WORLD_TEST(a_forbidden_access_is_done_again),
		WORLD_TEST(a_write_of_a_control_register_takes_place),
		WORLD_TEST(a_deferred_write_of_a_control_register_takes_place_too),
		WORLD_TEST(a_step_is_continued_with_stepping_off),
		WORLD_TEST(observers_are_told_of_default_answers),
		WORLD_TEST(a_default_answer_that_fails_is_tried_once_more),
	};

	return cmocka_run_group_tests_name("default answers", tests, NULL, NULL);
}
