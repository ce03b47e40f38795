/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A teardown whose steps fail: each is tried once more, then reported, and the rest is still done.
 */
#include <stdio.h>

#include "plain.h"
#include "world.h"

/* The steps that call the driver, and the call that each is about. */
static const struct {
	const char *step;
	uint32_t op;
} steps[] = {
	{"pause", VMT_CALL_PAUSE},    {"commit", VMT_CALL_COMMIT}, {"reset", VMT_CALL_RESET},
	{"drain", VMT_CALL_NEXT},     {"resume", VMT_CALL_RESUME}, {"settle", VMT_CALL_SETTLE},
	{"settle", VMT_CALL_PENDING}, {"detach", VMT_CALL_DETACH},
};

static const char all_steps[] = "[pause] [commit] [cleanup] [reset] [drain] [commit] [resume] "
				"[settle] [detach]";

/* A session of two events, one of them for the drain, in which the n-th step fails @times. */
static void run_with_failing_step(struct world *w, size_t n, uint32_t times)
{
	struct vmt_fault_rule rule = {
		.op = steps[n].op, .step = steps[n].step, .times = times, .sys_errno = 22};

	world_open_batch(w, 2);
	world_fault(w, &rule);
	probe.finish_after = 1;
	world_run(w);
	assert_int_equal(vmt_fault_injector_struck(w->faults), times);
}

static void for_each_step(struct world *w, uint32_t times, void (*check)(struct world *w, size_t n))
{
	for (size_t n = 0; n < COUNT(steps); n++) {
		world_renew(w);
		run_with_failing_step(w, n, times);
		check(w, n);
	}
}

static void is_as_if_nothing_had_failed(struct world *w, size_t n)
{
	(void)n;
	assert_int_equal(w->result, 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	assert_int_equal(w->outcome.teardown_failures, 0);
	assert_int_equal(w->outcome.teardown.status, 0);
	assert_int_equal(vmt_collector_nfailures(w->seen), 0);
	assert_string_equal(world_teardown_story(w, STORY_STEPS), all_steps);
	assert_int_equal(probe.drained, 1);
	vmt_assert_clean(w->driver);
}

static void a_step_that_fails_once_is_tried_again(void **state)
{
	for_each_step(*state, 1, is_as_if_nothing_had_failed);
}

static void is_reported(struct world *w, size_t n)
{
	const struct vmt_error *err = &w->outcome.teardown;
	const char *name = steps[n].op == VMT_CALL_PENDING ? "pending" : steps[n].step;
	char words[64];

	snprintf(words, sizeof(words), "'%s' failed twice", name);
	assert_int_equal(w->result, -VMT_E_HYPERVISOR);
	assert_int_equal(w->outcome.end, VMT_END_FINISHED); /* how it ended stays as it was */
	assert_int_equal(w->outcome.error.status, 0);
	/* vCPUs of a domain that stays paused do not run: then there is nothing to settle either. */
	assert_int_equal(w->outcome.teardown_failures, steps[n].op == VMT_CALL_RESUME ? 2 : 1);
	assert_int_equal(err->status, VMT_E_HYPERVISOR);
	assert_int_equal(err->sys_errno, 22);
	assert_holds(err->text, words);
	assert_int_equal(vmt_collector_nfailures(w->seen), w->outcome.teardown_failures);
	assert_string_equal(vmt_collector_failure(w->seen, 0)->text, err->text);
}

static void a_step_that_fails_twice_is_reported(void **state)
{
	for_each_step(*state, 2, is_reported);
}

static void did_the_rest(struct world *w, size_t n)
{
	if (steps[n].op == VMT_CALL_PAUSE) /* what could not be had is not released */
		assert_string_equal(world_teardown_story(w, STORY_STEPS),
				    "[pause] [commit] [cleanup] [reset] [drain] [commit] [settle] "
				    "[detach]");
	else
		assert_string_equal(world_teardown_story(w, STORY_STEPS), all_steps);
	assert_int_equal(probe.cleanups, 1);
	assert_int_equal(probe.destroys, 1);
	assert_int_equal(world_leftovers(w).monitors, 0);
}

static void after_a_step_that_failed_twice_the_rest_is_still_done(void **state)
{
	for_each_step(*state, 2, did_the_rest);
}

static void several_steps_that_fail_are_counted_and_the_first_is_kept(void **state)
{
	struct world *w = *state;
	struct vmt_fault_rule reset = {.op = VMT_CALL_RESET, .times = VMT_STRIKE_ALWAYS};
	struct vmt_fault_rule settle = {
		.op = VMT_CALL_SETTLE, .times = VMT_STRIKE_ALWAYS, .status = VMT_E_BUSY};

	world_open_batch(w, 1);
	world_fault(w, &reset);
	world_fault(w, &settle);
	assert_int_equal(world_run(w), -VMT_E_HYPERVISOR);
	assert_int_equal(w->outcome.end, VMT_END_GONE);
	assert_int_equal(w->outcome.teardown_failures, 2);
	assert_holds(w->outcome.teardown.text, "'reset'");
	assert_int_equal(vmt_collector_nfailures(w->seen), 2);
	assert_int_equal(vmt_collector_failure(w->seen, 1)->status, VMT_E_BUSY);
}

/* The failure that ended the session is told apart from that of the teardown. */
static struct vmt_response fail_at_once(struct vmt_ctx *ctx)
{
	return vmt_fail(ctx, "my own fault");
}

static void the_reason_of_the_end_is_kept_when_the_teardown_fails_too(void **state)
{
	struct world *w = *state;
	struct vmt_fault_rule rule = {.op = VMT_CALL_RESET, .times = 2};

	world_open_batch(w, 1);
	world_fault(w, &rule);
	probe.event = fail_at_once;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	assert_int_equal(w->outcome.end, VMT_END_HANDLER_FAILED);
	assert_holds(w->outcome.error.text, "my own fault");
	assert_holds(w->outcome.teardown.text, "'reset'");
	assert_int_equal(w->outcome.teardown_failures, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* Answers that fail in the drain                                                               */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response fail_in_the_drain(struct vmt_ctx *ctx)
{
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_fail(ctx, "not in the drain");
	return vmt_skip(ctx);
}

static void a_handler_that_fails_in_the_drain_is_reported_and_answered_for(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.finish_after = 1;
	probe.event = fail_in_the_drain;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	assert_int_equal(w->outcome.end, VMT_END_FINISHED);
	assert_holds(w->outcome.teardown.text, "not in the drain");
	assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
	vmt_assert_clean(w->driver);
}

static struct vmt_response reinject_in_the_drain(struct vmt_ctx *ctx)
{
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_respond(VMT_REINJECT); /* what is no exception */
	return vmt_skip(ctx);
}

static void a_response_that_is_refused_in_the_drain_is_reported_and_replaced(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.finish_after = 1;
	probe.event = reinject_in_the_drain;
	assert_int_equal(world_run(w), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(w->outcome.end, VMT_END_FINISHED);
	assert_int_equal(vmt_collector_ndefaults(w->seen), 1);
	vmt_assert_clean(w->driver);
	assert_int_equal(world_gprs(w, 1).rip, 2 * VMT_SCRIPTED_RIP + 2);
}

/* -------------------------------------------------------------------------------------------- */
/* A drain without end                                                                          */
/* -------------------------------------------------------------------------------------------- */

static int events_without_end(struct plain *p, struct vmt_call *call)
{
	switch (call->op) {
	case VMT_CALL_NEXT:
		if (p->counts[VMT_CALL_RESET] == 0)
			return 0;
		*call->u.next.event = (struct vmt_event){.reason = VMT_EVENT_HYPERCALL,
							 .ticket = p->counts[VMT_CALL_NEXT]};
		return 1;
	case VMT_CALL_PENDING:
		*call->u.pending.n = 1;
		return 0;
	default:
		return PLAIN_ELSE;
	}
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

static int run_plain(struct plain *p, uint32_t drain_max, struct vmt_outcome *outcome)
{
	struct vmt_session_config config = {
		.driver = &p->base.driver, .handler = &small_handler, .drain_max = drain_max};
	struct vmt_session *s;
	struct vmt_error err;
	int r;

	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	r = vmt_session_run(s, outcome);
	vmt_session_destroy(s);
	return r;
}

static void a_drain_without_end_is_bounded_and_reported(void **state)
{
	struct plain p;
	struct vmt_outcome outcome;

	(void)state;
	plain_init(&p, events_without_end, false);
	assert_int_equal(run_plain(&p, 100, &outcome), -VMT_E_LIMIT);
	assert_int_equal(outcome.end, VMT_END_GONE);
	assert_int_equal(outcome.events, 100);
	assert_int_equal(p.counts[VMT_CALL_ANSWER], 100);
	assert_int_equal(p.counts[VMT_CALL_DETACH], 1);
	assert_int_equal(outcome.teardown_failures, 1);
	assert_holds(outcome.teardown.text, "100");
}

static void a_drain_is_bounded_by_65536_events_unless_set(void **state)
{
	struct plain p;
	struct vmt_outcome outcome;

	(void)state;
	plain_init(&p, events_without_end, false);
	assert_int_equal(run_plain(&p, 0, &outcome), -VMT_E_LIMIT);
	assert_int_equal(outcome.events, 65536);
}

/* Says that something is pending, and never has it. */
static int pending_without_end(struct plain *p, struct vmt_call *call)
{
	(void)p;
	if (call->op != VMT_CALL_PENDING)
		return PLAIN_ELSE;
	*call->u.pending.n = 3;
	return 0;
}

static void events_that_are_pending_and_never_come_are_reported(void **state)
{
	struct plain p;
	struct vmt_outcome outcome;

	(void)state;
	plain_init(&p, pending_without_end, false);
	assert_int_equal(run_plain(&p, 0, &outcome), -VMT_E_LIMIT);
	assert_true(p.counts[VMT_CALL_SETTLE] < 100);
	assert_int_equal(p.counts[VMT_CALL_DETACH], 1);
	assert_holds(outcome.teardown.text, "3 events are still pending");
}

/* -------------------------------------------------------------------------------------------- */
/* Ends that look like failures                                                                 */
/* -------------------------------------------------------------------------------------------- */

static int gone_after_the_wait(struct plain *p, struct vmt_call *call)
{
	(void)call;
	if (p->counts[VMT_CALL_WAIT] == 0)
		return PLAIN_ELSE;
	return vmt_error_set(&p->base.driver.err, VMT_E_GONE, "any", "the domain is gone");
}

static void a_domain_that_goes_during_the_teardown_is_no_failure(void **state)
{
	struct plain p;
	struct vmt_outcome outcome;

	(void)state;
	plain_init(&p, gone_after_the_wait, false);
	assert_int_equal(run_plain(&p, 0, &outcome), 0);
	assert_int_equal(outcome.end, VMT_END_GONE);
	assert_int_equal(outcome.teardown_failures, 0);
	assert_int_equal(p.counts[VMT_CALL_DETACH], 2); /* tried all the same */
}

static int ends_after_the_wait(struct plain *p, struct vmt_call *call)
{
	(void)call;
	if (p->counts[VMT_CALL_WAIT] == 0)
		return PLAIN_ELSE;
	return vmt_error_set(&p->base.driver.err, VMT_E_END_OF_TRACE, "any", "no more");
}

static void a_trace_that_ends_during_the_teardown_is_no_failure(void **state)
{
	struct plain p;
	struct vmt_outcome outcome;

	(void)state;
	plain_init(&p, ends_after_the_wait, false);
	assert_int_equal(run_plain(&p, 0, &outcome), 0);
	assert_int_equal(outcome.end, VMT_END_OF_TRACE);
	assert_int_equal(outcome.teardown_failures, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_step_that_fails_once_is_tried_again),
		WORLD_TEST(a_step_that_fails_twice_is_reported),
		WORLD_TEST(after_a_step_that_failed_twice_the_rest_is_still_done),
		WORLD_TEST(several_steps_that_fail_are_counted_and_the_first_is_kept),
		WORLD_TEST(the_reason_of_the_end_is_kept_when_the_teardown_fails_too),
		WORLD_TEST(a_handler_that_fails_in_the_drain_is_reported_and_answered_for),
		WORLD_TEST(a_response_that_is_refused_in_the_drain_is_reported_and_replaced),
		cmocka_unit_test(a_drain_without_end_is_bounded_and_reported),
		cmocka_unit_test(a_drain_is_bounded_by_65536_events_unless_set),
		cmocka_unit_test(events_that_are_pending_and_never_come_are_reported),
		cmocka_unit_test(a_domain_that_goes_during_the_teardown_is_no_failure),
		cmocka_unit_test(a_trace_that_ends_during_the_teardown_is_no_failure),
	};

	return cmocka_run_group_tests_name("teardown failures", tests, NULL, NULL);
}
