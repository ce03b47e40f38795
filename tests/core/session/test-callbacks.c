/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler's callbacks: which there are, when each is called and what holds meanwhile.
 */
#include "world.h"

/* -------------------------------------------------------------------------------------------- */
/* Which are required                                                                           */
/* -------------------------------------------------------------------------------------------- */

static unsigned bare_events;

static struct vmt_response bare_event(void *self, struct vmt_ctx *ctx)
{
	(void)ctx;
	assert_null(self);
	bare_events++;
	return vmt_respond(VMT_CONTINUE);
}

static const struct vmt_handler_ops bare_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "bare",
	.version = "1",
	.handle_event = bare_event,
};

static const struct vmt_event told = {
	.reason = VMT_EVENT_HYPERCALL, .flags = VMT_EVENT_SYNC, .u.hypercall.insn_length = 3};

/* Through an event, a timeout, a stop and the teardown. */
static void only_handle_event_is_required(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	w->config.handler = &bare_handler;
	WORLD_PLAY(w, VMT_WORLD_EVENT(&told), VMT_WORLD_IDLE(6 * SECOND), VMT_WORLD_STOP());
	bare_events = 0;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_int_equal(bare_events, 1);
	assert_int_equal(w->outcome.timeouts, 1);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* create                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int create_looks_around(struct vmt_session *s)
{
	note(world_leftovers(probe.world).pauses);
	note(vmt_session_phase(s) == VMT_PHASE_CREATE);
	return watch_cpuid(s);
}

static void create_is_called_once_with_the_session_and_the_domain_paused(void **state)
{
	struct world *w = *state;

	probe.create = create_looks_around;
	assert_int_equal(world_run_cpuids(w, 3), 0);
	assert_int_equal(probe.creates, 1);
	assert_ptr_equal(probe.session, w->session);
	assert_int_equal(probe.noted[0], 1); /* pauses */
	assert_int_equal(probe.noted[1], 1);
	assert_int_equal(vmt_collector_ncallbacks(w->seen, VMT_CALLBACK_CREATE), 1);
}

static void the_domain_runs_again_after_create(void **state)
{
	struct world *w = *state;

	world_run_cpuids(w, 1);
	assert_memory_equal(world_story(w, STORY_CALLS | STORY_HANDLER),
			    "info pause create monitor resume poll wait",
			    strlen("info pause create monitor resume poll wait"));
}

/* A breakpoint at the second instruction, and a view of its own in which all vCPUs are. */
#define SECOND_NOP (VMT_SCRIPTED_RIP + 1)

static vmt_view own_view;

static int create_sets_traps(struct vmt_session *s)
{
	int r = vmt_monitor(s, VMT_MONITOR_BREAKPOINT);

	if (r >= 0)
		r = vmt_view_create(s, vmt_access_from(VMT_RWX), &own_view);
	if (r >= 0)
		r = vmt_view_switch(s, own_view);
	return r < 0 ? r : vmt_write_u8(s, VMT_PHYS, SECOND_NOP, 0xcc);
}

static struct vmt_response lift_the_breakpoint(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	note(vmt_event_is_breakpoint(ev));
	note(ev->regs.gprs.rip);
	note(ev->view);
	assert_int_equal(vmt_write_u8(vmt_session_of(ctx), VMT_PHYS, ev->regs.gprs.rip, 0x90), 0);
	return vmt_respond(VMT_CONTINUE);
}

static void create_enables_monitors_makes_views_and_places_breakpoints(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0));
	probe.create = create_sets_traps;
	probe.event = lift_the_breakpoint;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_GONE);
	assert_int_equal(probe.events, 1);
	assert_int_equal(probe.noted[0], 1);
	assert_int_equal(probe.noted[1], SECOND_NOP);
	assert_int_not_equal(own_view, 0);
	assert_int_equal(probe.noted[2], own_view);
}

static int create_sets_traps_and_fails(struct vmt_session *s)
{
	assert_int_equal(create_sets_traps(s), 0);
	assert_int_equal(world_leftovers(probe.world).patched_bytes, 1);
	return vmt_session_fail(s, "no kernel at %#x", 0x1234);
}

static void a_failed_create_ends_the_session_after_undoing_what_it_did(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_CPUID(0, 0, 0, 0));
	probe.create = create_sets_traps_and_fails;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_CREATE_FAILED);
	assert_int_equal(w->outcome.error.status, VMT_E_HANDLER);
	assert_holds(w->outcome.error.text, "no kernel at 0x1234");
	assert_holds(w->outcome.error.text, "'probe'");
	vmt_assert_clean(w->driver);
	vmt_assert_memory(w->driver, vmt_gpa_from(VMT_SCRIPTED_RIP), 0x90, 0x90);
}

static void after_a_failed_create_no_other_callback_is_called(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.create = create_sets_traps_and_fails;
	world_run(w);
	assert_string_equal(world_story(w, STORY_HANDLER), "create");
	assert_string_equal(world_story(w, STORY_OBSERVED), "<create create>");
}

static int create_passes_a_failure_on(struct vmt_session *s)
{
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

static void the_error_of_a_failed_create_tells_whose_failure_it_was(void **state)
{
	struct world *w = *state;
	struct vmt_fault_rule rule = {
		.op = VMT_CALL_MONITOR, .status = VMT_E_HYPERVISOR, .sys_errno = 16};

	world_open(w, NULL);
	world_fault(w, &rule);
	probe.create = create_passes_a_failure_on;
	assert_int_equal(world_run(w), -VMT_E_HYPERVISOR);
	vmt_assert_ended(&w->outcome, VMT_END_CREATE_FAILED);
	assert_int_equal(w->outcome.error.status, VMT_E_HYPERVISOR);
	assert_int_equal(w->outcome.error.sys_errno, 16);
	assert_holds(w->outcome.error.place, "monitor");
}

/* -------------------------------------------------------------------------------------------- */
/* handle_event                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response note_the_leaf(struct vmt_ctx *ctx)
{
	note(vmt_event_of(ctx)->u.cpuid.leaf);
	return vmt_skip(ctx);
}

static void handle_event_is_called_for_each_event(void **state)
{
	struct world *w = *state;

	probe.event = note_the_leaf;
	assert_int_equal(world_run_cpuids(w, 5), 0);
	assert_int_equal(probe.events, 5);
	assert_int_equal(w->outcome.events, 5);
	for (uint64_t leaf = 0; leaf < 5; leaf++)
		assert_int_equal(probe.noted[leaf], leaf);
}

static struct vmt_response change_rbx_and_skip(struct vmt_ctx *ctx)
{
	vmt_gprs_of(ctx)->rbx = 0x5eed;
	return vmt_skip(ctx);
}

static int note_registers(struct vmt_driver *d, void *arg)
{
	const struct vmt_gprs gprs = world_gprs(arg, 0);

	(void)d;
	note(gprs.rbx);
	note(gprs.rip);
	return 0;
}

static void the_response_tells_how_the_vcpu_resumes(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0),
		   VMT_WORLD_CALL(note_registers, w));
	probe.event = change_rbx_and_skip;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], 0x5eed);
	assert_int_equal(probe.noted[1], VMT_SCRIPTED_RIP + 2 + 1);
}

/* -------------------------------------------------------------------------------------------- */
/* handle_timeout                                                                               */
/* -------------------------------------------------------------------------------------------- */

/* When the n-th timeout was, ns. */
static uint64_t timeout_at(struct world *w, size_t n)
{
	const struct vmt_collected_callback *c =
		vmt_collector_callback(w->seen, VMT_CALLBACK_TIMEOUT, n);

	assert_non_null(c);
	return c->callback.now;
}

static void handle_timeout_is_called_when_the_wait_timed_out(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	w->config.timeout_ms = 2000;
	WORLD_PLAY(w, VMT_WORLD_IDLE(7 * SECOND));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 3);
	assert_int_equal(w->outcome.timeouts, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(timeout_at(w, i), (i + 1) * 2 * SECOND);
}

static void the_wait_lasts_five_seconds_unless_set(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(VMT_TIMEOUT_DEFAULT_MS * MS + 1));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 1);
	assert_int_equal(timeout_at(w, 0), 5 * SECOND);
}

static void without_a_timeout_the_wait_lasts_until_an_event_comes(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	w->config.timeout_ms = -1;
	WORLD_PLAY(w, VMT_WORLD_IDLE(1000000 * SECOND), VMT_INSN_CPUID(0, 0, 0, 0));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 0);
	assert_int_equal(probe.events, 1);
	assert_int_equal(vmt_call_log_get(w->driver, VMT_CALL_WAIT, 0)->call.u.wait.timeout_ms, -1);
}

/* An event in between, at 3 s: the wait for the next one begins anew. */
static void each_event_begins_the_wait_anew(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(3 * SECOND), VMT_INSN_CPUID(0, 0, 0, 0),
		   VMT_WORLD_IDLE(4 * SECOND), VMT_INSN_CPUID(0, 0, 0, 0));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 2);
	assert_int_equal(probe.timeouts, 0);
}

static int fail_in_timeout(struct vmt_session *s)
{
	return vmt_session_fail(s, "too long");
}

static void a_timeout_that_fails_ends_the_session_as_handler_failed(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(6 * SECOND));
	probe.timeout = fail_in_timeout;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_holds(w->outcome.error.text, "too long");
	assert_holds(w->outcome.error.text, "timeout");
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* cleanup and destroy                                                                          */
/* -------------------------------------------------------------------------------------------- */

static void cleanup_looks_around(struct vmt_session *s)
{
	const struct vmt_leftovers left = world_leftovers(probe.world);

	note(left.pauses);
	note(left.monitors);
	note(vmt_call_log_count(probe.world->driver, VMT_CALL_RESET));
	note(vmt_session_phase(s) == VMT_PHASE_CLEANUP);
}

static void cleanup_is_called_once_before_monitoring_ends_with_the_domain_paused(void **state)
{
	struct world *w = *state;

	probe.cleanup = cleanup_looks_around;
	assert_int_equal(world_run_cpuids(w, 2), 0);
	assert_int_equal(probe.cleanups, 1);
	assert_int_equal(probe.noted[0], 1); /* pauses */
	assert_int_equal(probe.noted[1], 1); /* monitors */
	assert_int_equal(probe.noted[2], 0); /* resets */
	assert_int_equal(probe.noted[3], 1);
}

/* With an event in the drain, which comes after cleanup. */
static void destroy_is_called_last(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.destroys, 1);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll event poll cleanup event destroy");
	assert_string_equal(world_teardown_story(w, STORY_HANDLER | STORY_STEPS),
			    "[pause] [commit] [cleanup] cleanup [reset] [drain] event [commit] "
			    "[resume] [settle] [detach] destroy");
}

/* -------------------------------------------------------------------------------------------- */
/* Numbers                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/* The numbers and kinds of all callbacks of a run, from the collector. */
static void tell_numbers(struct world *w, uint64_t *kinds, size_t room, size_t *n)
{
	*n = vmt_collector_ncallbacks(w->seen, 0);
	assert_true(*n <= room);
	for (size_t i = 0; i < *n; i++) {
		const struct vmt_collected_callback *c = vmt_collector_callback(w->seen, 0, i);

		assert_int_equal(c->callback.number, i);
		kinds[i] = c->callback.kind;
	}
}

static void play_a_bit_of_everything(struct world *w)
{
	WORLD_PLAY(w, VMT_WORLD_EVENT(&told), VMT_WORLD_IDLE(6 * SECOND), VMT_WORLD_EVENT(&told),
		   VMT_WORLD_STOP());
}

static int create_nothing(struct vmt_session *s)
{
	(void)s;
	return 0;
}

static void the_numbers_of_callbacks_do_not_depend_on_which_optional_ones_there_are(void **state)
{
	struct world *w = *state;
	uint64_t kinds[2][32];
	size_t n[2];

	world_open(w, NULL);
	play_a_bit_of_everything(w);
	probe.create = create_nothing;
	assert_int_equal(world_run(w), 0);
	tell_numbers(w, kinds[0], COUNT(kinds[0]), &n[0]);

	world_renew(w);
	world_open(w, NULL);
	play_a_bit_of_everything(w);
	w->config.handler = &bare_handler;
	assert_int_equal(world_run(w), 0);
	tell_numbers(w, kinds[1], COUNT(kinds[1]), &n[1]);

	assert_int_equal(n[0], n[1]);
	assert_int_equal(n[0], 11); /* create; poll before and after 4 things; cleanup */
	assert_memory_equal(kinds[0], kinds[1], n[0] * sizeof(kinds[0][0]));
}

static struct vmt_response note_the_number(struct vmt_ctx *ctx)
{
	note(vmt_callback_number(vmt_session_of(ctx)));
	return vmt_skip(ctx);
}

/* create is 0, the first poll 1, then an event and a poll each. */
static void a_callback_knows_its_number(void **state)
{
	struct world *w = *state;

	probe.event = note_the_number;
	world_run_cpuids(w, 3);
	assert_int_equal(probe.nnoted, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(probe.noted[i], 2 + 2 * i);
}

static void the_outcome_counts_callbacks_events_and_timeouts(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_IDLE(6 * SECOND),
		   VMT_INSN_CPUID(0, 0, 0, 0));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(w->outcome.events, 2);
	assert_int_equal(w->outcome.timeouts, 1);
	assert_int_equal(w->outcome.callbacks, vmt_collector_ncallbacks(w->seen, 0));
	assert_int_equal(w->outcome.callbacks, 1 + 1 + 2 * 3 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(only_handle_event_is_required),
		WORLD_TEST(create_is_called_once_with_the_session_and_the_domain_paused),
		WORLD_TEST(the_domain_runs_again_after_create),
		WORLD_TEST(create_enables_monitors_makes_views_and_places_breakpoints),
		WORLD_TEST(a_failed_create_ends_the_session_after_undoing_what_it_did),
		WORLD_TEST(after_a_failed_create_no_other_callback_is_called),
		WORLD_TEST(the_error_of_a_failed_create_tells_whose_failure_it_was),
		WORLD_TEST(handle_event_is_called_for_each_event),
		WORLD_TEST(the_response_tells_how_the_vcpu_resumes),
		WORLD_TEST(handle_timeout_is_called_when_the_wait_timed_out),
		WORLD_TEST(the_wait_lasts_five_seconds_unless_set),
		WORLD_TEST(without_a_timeout_the_wait_lasts_until_an_event_comes),
		WORLD_TEST(each_event_begins_the_wait_anew),
		WORLD_TEST(a_timeout_that_fails_ends_the_session_as_handler_failed),
		WORLD_TEST(cleanup_is_called_once_before_monitoring_ends_with_the_domain_paused),
		WORLD_TEST(destroy_is_called_last),
		WORLD_TEST(the_numbers_of_callbacks_do_not_depend_on_which_optional_ones_there_are),
		WORLD_TEST(a_callback_knows_its_number),
		WORLD_TEST(the_outcome_counts_callbacks_events_and_timeouts),
	};

	return cmocka_run_group_tests_name("callbacks", tests, NULL, NULL);
}
