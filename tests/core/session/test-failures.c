/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a session fails: by its handler, which says so through the context; by its driver; by an
 * outcome that nobody knows.
 */
#include "plain.h"
#include "world.h"

/* -------------------------------------------------------------------------------------------- */
/* By the handler                                                                               */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response fail_with_words(struct vmt_ctx *ctx)
{
	return vmt_fail(ctx, "task_struct at %#lx is %s", 0xffffUL, "gone");
}

static void a_handler_fails_through_the_context(void **state)
{
	struct world *w = *state;

	probe.event = fail_with_words;
	assert_int_equal(world_run_cpuids(w, 2), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_int_equal(w->outcome.error.status, VMT_E_HANDLER);
	assert_holds(w->outcome.error.text, "task_struct at 0xffff is gone");
	assert_int_equal(probe.events, 1);
	vmt_assert_clean(w->driver);
}

static void a_failure_names_handler_callback_and_event(void **state)
{
	struct world *w = *state;

	probe.event = fail_with_words;
	world_run_cpuids(w, 1);
	assert_holds(w->outcome.error.text, "'probe'");
	assert_holds(w->outcome.error.text, "callback 2 (event)");
	assert_holds(w->outcome.error.place, "vcpu 0");
	assert_int_equal(vmt_collector_nfailures(w->seen), 1);
	assert_string_equal(vmt_collector_failure(w->seen, 0)->text, w->outcome.error.text);
}

static void the_event_of_a_failure_is_answered_by_default(void **state)
{
	struct world *w = *state;

	probe.event = fail_with_words;
	world_run_cpuids(w, 1);
	assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_ANSWER), 1);
	assert_int_equal(world_gprs(w, 0).rip, VMT_SCRIPTED_RIP + 2);
}

static void after_a_failure_poll_is_not_called(void **state)
{
	struct world *w = *state;

	probe.event = fail_with_words;
	world_run_cpuids(w, 1);
	assert_string_equal(world_story(w, STORY_HANDLER), "create poll event cleanup destroy");
}

static struct vmt_response fail_without_words(struct vmt_ctx *ctx)
{
	(void)ctx;
	return vmt_respond(VMT_FAIL);
}

static void a_failure_without_a_reason_says_how_to_give_one(void **state)
{
	struct world *w = *state;

	probe.event = fail_without_words;
	assert_int_equal(world_run_cpuids(w, 1), -VMT_E_HANDLER);
	assert_holds(w->outcome.error.text, "no reason");
	assert_holds(w->outcome.error.text, "vmt_session_fail()");
}

static int return_a_number(struct vmt_session *s)
{
	(void)s;
	return -12345;
}

static void a_number_that_is_no_status_is_a_failure_too(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = return_a_number;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_CREATE_FAILED);
	assert_holds(w->outcome.error.text, "-12345");
}

static int read_nothing_and_pass_on(struct vmt_session *s)
{
	uint8_t byte;

	return vmt_read(s, VMT_PHYS, UINT64_C(1) << 40, &byte, 1);
}

static void a_failed_call_that_is_passed_on_is_the_reason(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = read_nothing_and_pass_on;
	assert_int_equal(world_run(w), -VMT_E_UNMAPPED);
	assert_int_equal(w->outcome.error.status, VMT_E_UNMAPPED);
	assert_holds(w->outcome.error.text, "callback 0 (create)");
	assert_true(w->outcome.error.place[0] != '\0');
}

static int read_nothing_and_go_on(struct vmt_session *s)
{
	assert_int_equal(read_nothing_and_pass_on(s), -VMT_E_UNMAPPED);
	assert_int_equal(vmt_error_of(s)->status, VMT_E_UNMAPPED);
	return watch_cpuid(s);
}

static struct vmt_response look_at_the_error(struct vmt_ctx *ctx)
{
	note((uint64_t)vmt_error_of(vmt_session_of(ctx))->status);
	return vmt_skip(ctx);
}

static void a_failed_call_ends_nothing_by_itself(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.create = read_nothing_and_go_on;
	probe.event = look_at_the_error;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 0); /* each callback begins without an error */
}

/* -------------------------------------------------------------------------------------------- */
/* By a response                                                                                */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response bad_response;

static struct vmt_response answer_badly(struct vmt_ctx *ctx)
{
	return vmt_phase_of(ctx) == VMT_PHASE_DRAIN ? vmt_skip(ctx) : bad_response;
}

static void a_malformed_response_is_the_handlers_failure(void **state)
{
	struct world *w = *state;
	static const uint8_t data[VMT_EMUL_READ_MAX + 1];
	static const struct vmt_response bad[] = {
		{.action = VMT_ACTION_COUNT},
		{.action = UINT16_MAX},
		{.flags = 8},
		{.flags = VMT_RSP_REGS},      /* no registers */
		{.action = VMT_EMULATE_INSN}, /* no instruction */
		{.action = VMT_EMULATE_READ, .data = data, .data_len = sizeof(data)},
		{.action = VMT_FAST_SINGLESTEP}, /* no view */
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		world_renew(w);
		bad_response = bad[i];
		probe.event = answer_badly;
		assert_int_equal(world_run_cpuids(w, 1), -VMT_E_INVALID);
		vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
		assert_holds(w->outcome.error.text, "'probe'");
		/* It never reached the driver. */
		assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_ANSWER), 1);
		assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
		vmt_assert_clean(w->driver);
	}
}

static void a_response_that_the_driver_refuses_is_the_handlers_failure(void **state)
{
	struct world *w = *state;
	static const struct {
		struct vmt_response rsp;
		enum vmt_status status;
	} bad[] = {
		{{.action = VMT_REINJECT}, VMT_E_NOT_SUPPORTED}, /* a CPUID */
		{{.action = VMT_DENY}, VMT_E_NOT_SUPPORTED},
		{{.action = VMT_SINGLESTEP}, VMT_E_NOT_SUPPORTED}, /* no monitor */
		{{.flags = VMT_RSP_VIEW, .view = 7}, VMT_E_NOT_FOUND},
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		world_renew(w);
		bad_response = bad[i].rsp;
		probe.event = answer_badly;
		assert_int_equal(world_run_cpuids(w, 1), -(int)bad[i].status);
		vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
		assert_holds(w->outcome.error.text, "its response was refused");
		assert_holds(w->outcome.error.text, "callback 2");
		assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
		vmt_assert_clean(w->driver);
	}
}

static const struct vmt_interrupt gp = {
	.vector = 13, .type = VMT_INT_HW_EXCEPTION, .error_code = 0};

static int watch_int3(struct vmt_session *s)
{
	return vmt_monitor(s, VMT_MONITOR_BREAKPOINT);
}

/* Two exceptions for one vCPU at once: the second is refused, and that is of the handler's doing. */
static struct vmt_response inject_and_reinject(struct vmt_ctx *ctx)
{
	if (vmt_phase_of(ctx) == VMT_PHASE_LOOP)
		assert_int_equal(vmt_inject(vmt_session_of(ctx), 0, &gp), 0);
	return vmt_respond(VMT_REINJECT);
}

static void reinjecting_behind_an_injection_is_the_handlers_failure(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_INT3(0, 0));
	probe.create = watch_int3;
	probe.event = inject_and_reinject;
	assert_int_equal(world_run(w), -VMT_E_BUSY);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_holds(w->outcome.error.text, "its response was refused");
}

/* -------------------------------------------------------------------------------------------- */
/* By the driver                                                                                */
/* -------------------------------------------------------------------------------------------- */

/* The calls that the loop itself makes. */
static void a_driver_that_fails_ends_the_session_as_driver_failed(void **state)
{
	struct world *w = *state;
	static const uint32_t ops[] = {VMT_CALL_WAIT,   VMT_CALL_NEXT,   VMT_CALL_ANSWER,
				       VMT_CALL_COMMIT, VMT_CALL_RESUME, VMT_CALL_PAUSE};

	for (size_t i = 0; i < COUNT(ops); i++) {
		struct vmt_fault_rule rule = {
			.op = ops[i], .status = VMT_E_HYPERVISOR, .sys_errno = 14};
		world_renew(w);
		world_open_batch(w, 1);
		world_fault(w, &rule);
		assert_int_equal(world_run(w), -VMT_E_HYPERVISOR);
		vmt_assert_ended(&w->outcome, VMT_END_DRIVER_FAILED);
		assert_int_equal(w->outcome.error.sys_errno, 14);
		assert_holds(w->outcome.error.place, vmt_call_name(ops[i]));
		assert_int_equal(vmt_collector_nfailures(w->seen), 1);
		vmt_assert_clean(w->driver);
	}
}

static void a_pause_that_fails_before_create_means_that_there_is_no_handler(void **state)
{
	struct world *w = *state;
	struct vmt_fault_rule rule = {.op = VMT_CALL_PAUSE};

	world_open_batch(w, 1);
	world_fault(w, &rule);
	world_run(w);
	assert_string_equal(world_story(w, STORY_HANDLER), "");
}

static void a_domain_that_is_gone_is_no_failure(void **state)
{
	struct world *w = *state;
	static const uint32_t ops[] = {VMT_CALL_WAIT,   VMT_CALL_NEXT,   VMT_CALL_ANSWER,
				       VMT_CALL_COMMIT, VMT_CALL_RESUME, VMT_CALL_PAUSE};

	for (size_t i = 0; i < COUNT(ops); i++) {
		struct vmt_fault_rule rule = {
			.op = ops[i], .status = VMT_E_GONE, .times = VMT_STRIKE_ALWAYS};
		world_renew(w);
		world_open_batch(w, 1);
		world_fault(w, &rule);
		assert_int_equal(world_run(w), 0);
		vmt_assert_ended(&w->outcome, VMT_END_GONE);
		assert_int_equal(vmt_collector_nfailures(w->seen), 0);
	}
}

static void an_info_that_fails_makes_no_session(void **state)
{
	struct world *w = *state;
	struct vmt_fault_rule rule = {.op = VMT_CALL_INFO, .times = 2};

	world_open_batch(w, 1);
	world_fault(w, &rule);
	assert_int_equal(vmt_session_create(&w->config, &w->session, &w->err), -VMT_E_HYPERVISOR);
	assert_null(w->session);
	assert_int_equal(w->err.status, VMT_E_HYPERVISOR);
	assert_int_equal(vmt_session_create(&w->config, &w->session, NULL), -VMT_E_HYPERVISOR);
	assert_null(w->session);
}

/* -------------------------------------------------------------------------------------------- */
/* Outcomes of a wait                                                                           */
/* -------------------------------------------------------------------------------------------- */

static uint32_t wait_outcome;

static int end_with_the_outcome(struct plain *p, struct vmt_call *call)
{
	(void)p;
	if (call->op != VMT_CALL_WAIT)
		return PLAIN_ELSE;
	*call->u.wait.wait = (struct vmt_wait){.outcome = wait_outcome};
	return 0;
}

static struct vmt_response go_on(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static const struct vmt_handler_ops small_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "small",
	.version = "1",
	.handle_event = go_on,
};

static int run_plain(uint32_t wait_ends_with, struct vmt_outcome *outcome)
{
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = &small_handler};
	struct vmt_session *s;
	struct vmt_error err;
	int r;

	wait_outcome = wait_ends_with;
	plain_init(&p, end_with_the_outcome, false);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	r = vmt_session_run(s, outcome);
	vmt_session_destroy(s);
	assert_int_equal(p.counts[VMT_CALL_WAIT], 1);
	assert_int_equal(p.counts[VMT_CALL_DETACH], 1);
	return r;
}

static void the_end_of_a_trace_is_an_end_of_its_own(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	assert_int_equal(run_plain(VMT_WAIT_END_OF_TRACE, &outcome), 0);
	vmt_assert_ended(&outcome, VMT_END_OF_TRACE);
}

static void a_stop_that_the_driver_reports_is_an_interrupt(void **state)
{
	struct vmt_outcome outcome;

	(void)state;
	assert_int_equal(run_plain(VMT_WAIT_STOPPED, &outcome), 0);
	vmt_assert_ended(&outcome, VMT_END_INTERRUPTED);
}

static void an_outcome_of_a_wait_that_nobody_knows_is_the_drivers_failure(void **state)
{
	static const uint32_t unknown[] = {VMT_WAIT_END_OF_TRACE + 1, UINT32_MAX};
	struct vmt_outcome outcome;

	(void)state;
	for (size_t i = 0; i < COUNT(unknown); i++) {
		assert_int_equal(run_plain(unknown[i], &outcome), -VMT_E_ABI);
		vmt_assert_ended(&outcome, VMT_END_DRIVER_FAILED);
		assert_holds(outcome.error.text, "outcome");
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Names                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void each_end_and_callback_has_a_name(void **state)
{
	(void)state;
	for (unsigned a = 0; a <= VMT_END_CREATE_FAILED; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(vmt_end_name(a), vmt_end_name(b));
	for (unsigned a = 1; a <= VMT_CALLBACK_CLEANUP; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(vmt_callback_name(a), vmt_callback_name(b));
	assert_string_equal(vmt_end_name(VMT_END_FINISHED), "finished");
	assert_string_equal(vmt_end_name(VMT_END_INTERRUPTED), "interrupted");
	assert_string_equal(vmt_end_name(99), "unknown");
	assert_string_equal(vmt_callback_name(VMT_CALLBACK_CREATE), "create");
	assert_string_equal(vmt_callback_name(0), "unknown");
	assert_string_equal(vmt_callback_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_handler_fails_through_the_context),
		WORLD_TEST(a_failure_names_handler_callback_and_event),
		WORLD_TEST(the_event_of_a_failure_is_answered_by_default),
		WORLD_TEST(after_a_failure_poll_is_not_called),
		WORLD_TEST(a_failure_without_a_reason_says_how_to_give_one),
		WORLD_TEST(a_number_that_is_no_status_is_a_failure_too),
		WORLD_TEST(a_failed_call_that_is_passed_on_is_the_reason),
		WORLD_TEST(a_failed_call_ends_nothing_by_itself),
		WORLD_TEST(a_malformed_response_is_the_handlers_failure),
		WORLD_TEST(a_response_that_the_driver_refuses_is_the_handlers_failure),
		WORLD_TEST(reinjecting_behind_an_injection_is_the_handlers_failure),
		WORLD_TEST(a_driver_that_fails_ends_the_session_as_driver_failed),
		WORLD_TEST(a_pause_that_fails_before_create_means_that_there_is_no_handler),
		WORLD_TEST(a_domain_that_is_gone_is_no_failure),
		WORLD_TEST(an_info_that_fails_makes_no_session),
		cmocka_unit_test(the_end_of_a_trace_is_an_end_of_its_own),
		cmocka_unit_test(a_stop_that_the_driver_reports_is_an_interrupt),
		cmocka_unit_test(an_outcome_of_a_wait_that_nobody_knows_is_the_drivers_failure),
		cmocka_unit_test(each_end_and_callback_has_a_name),
	};

	return cmocka_run_group_tests_name("failures", tests, NULL, NULL);
}
