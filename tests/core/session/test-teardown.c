/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The teardown: the same eight steps whatever ended the session, and nothing left behind.
 */
#include "world.h"

#define PAGE(gfn) vmt_gpa_of(vmt_gfn_from(gfn))

/* -------------------------------------------------------------------------------------------- */
/* A handler that changes all that it can                                                       */
/* -------------------------------------------------------------------------------------------- */

#define CODE       VMT_SCRIPTED_RIP
#define PATCHED    UINT64_C(0x9123)
#define RESTRICTED 0xa
#define REMAPPED   0xb
static const uint8_t guests_byte = 0x5a;

static void must(int r)
{
	assert_true(r >= 0);
}

static int change_everything(struct vmt_session *s)
{
	vmt_gfn own = VMT_GFN_ANY;
	vmt_view view;

	must(watch_cpuid(s));
	must(vmt_monitor(s, VMT_MONITOR_SINGLESTEP));
	must(vmt_monitor(s, VMT_MONITOR_BREAKPOINT));
	must(vmt_monitor_cr(s, VMT_CR3));
	must(vmt_monitor_msr(s, VMT_MSR_LSTAR));
	must(vmt_view_create(s, vmt_access_from(VMT_RWX), &view));
	must(vmt_alloc_gfn(s, &own));
	must(vmt_view_remap(s, view, vmt_gfn_from(REMAPPED), own));
	must(vmt_set_access(s, view, vmt_gfn_from(RESTRICTED), vmt_access_from(VMT_R)));
	must(vmt_set_access(s, 0, vmt_gfn_from(RESTRICTED), vmt_access_from(VMT_RX)));
	must(vmt_view_switch(s, view));
	must(vmt_write_u8(s, VMT_PHYS, PATCHED, 0xcc));
	must(vmt_pause(s));
	must(vmt_pause(s));
	must(vmt_resume(s));
	must(vmt_resume(s));
	return 0;
}

/* The guest steps on, as long as it lives. */
static struct vmt_response skip_and_step(struct vmt_ctx *ctx)
{
	struct vmt_response rsp = answer_plainly(ctx);

	rsp.action = VMT_SINGLESTEP;
	return rsp;
}

static void open_and_change_everything(struct world *w)
{
	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(PATCHED), &guests_byte, 1));
	probe.create = change_everything;
	probe.event = skip_and_step;
}

/* One way for a session to end, and the script that leads there. */
struct ending {
	enum vmt_end end;
	int result;
	void (*prepare)(struct world *w);
};

static void finishes(struct world *w)
{
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_CPUID(0, 0, 0, 0));
	probe.finish_after = 2;
}

static void is_interrupted(struct world *w)
{
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_STOP(), VMT_INSN_NOP(0, 0));
}

static void fails_in_the_driver(struct world *w)
{
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_WAIT_FAIL(5 /* EIO */),
		   VMT_INSN_NOP(0, 0));
}

static struct vmt_response fail_at_the_second(struct vmt_ctx *ctx)
{
	if (probe.events == 2)
		return vmt_fail(ctx, "that is enough");
	return skip_and_step(ctx);
}

static void fails_in_the_handler(struct world *w)
{
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = fail_at_the_second;
}

static int change_everything_and_fail(struct vmt_session *s)
{
	must(change_everything(s));
	return vmt_session_fail(s, "no");
}

static void fails_in_create(struct world *w)
{
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0));
	probe.create = change_everything_and_fail;
}

static void shuts_down(struct world *w)
{
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_GONE());
}

static const struct ending endings[] = {
	{VMT_END_FINISHED, 0, finishes},
	{VMT_END_INTERRUPTED, 0, is_interrupted},
	{VMT_END_DRIVER_FAILED, -VMT_E_HYPERVISOR, fails_in_the_driver},
	{VMT_END_HANDLER_FAILED, -VMT_E_HANDLER, fails_in_the_handler},
	{VMT_END_CREATE_FAILED, -VMT_E_HANDLER, fails_in_create},
	{VMT_END_GONE, 0, shuts_down},
};

static void run_ending(struct world *w, const struct ending *ending)
{
	open_and_change_everything(w);
	ending->prepare(w);
	world_run(w);
	if (w->outcome.end != ending->end || w->result != ending->result)
		fail_msg("ended as '%s' with %d, not as '%s' with %d: %s",
			 vmt_end_name(w->outcome.end), w->result, vmt_end_name(ending->end),
			 ending->result, w->outcome.error.text);
	vmt_assert_ended(&w->outcome, ending->end);
}

/* @check the world after each ending. */
static void after_each_ending(struct world *w,
			      void (*check)(struct world *w, const struct ending *ending))
{
	for (size_t i = 0; i < COUNT(endings); i++) {
		world_renew(w);
		run_ending(w, &endings[i]);
		check(w, &endings[i]);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* The same                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void has_the_eight_steps(struct world *w, const struct ending *ending)
{
	const char *steps = world_teardown_story(w, STORY_STEPS);

	if (ending->end == VMT_END_CREATE_FAILED) /* it ends inside of create's pause */
		assert_string_equal(steps, "[pause] [commit] [cleanup] [reset] [drain] [commit] "
					   "[resume] [resume] [settle] [detach]");
	else
		assert_string_equal(steps, "[pause] [commit] [cleanup] [reset] [drain] [commit] "
					   "[resume] [settle] [detach]");
}

static void the_teardown_has_the_same_steps_whatever_ended_the_session(void **state)
{
	after_each_ending(*state, has_the_eight_steps);
}

static void makes_the_same_calls(struct world *w, const struct ending *ending)
{
	const char *calls = world_teardown_story(w, STORY_CALLS);

	if (ending->end == VMT_END_CREATE_FAILED)
		assert_string_equal(calls, "pause commit reset next commit resume resume settle "
					   "pending detach");
	else
		assert_string_equal(calls,
				    "pause commit reset next commit resume settle pending detach");
}

static void the_teardown_makes_the_same_calls_whatever_ended_the_session(void **state)
{
	after_each_ending(*state, makes_the_same_calls);
}

static void nothing_is_left(struct world *w, const struct ending *ending)
{
	vmt_assert_clean(w->driver);
	vmt_assert_memory(w->driver, vmt_gpa_from(PATCHED), guests_byte);
	assert_int_equal(w->outcome.teardown_failures, 0);
	(void)ending;
}

static void nothing_stays_paused_monitored_or_patched(void **state)
{
	after_each_ending(*state, nothing_is_left);
}

static void balances(struct world *w, const struct ending *ending)
{
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_PAUSE),
			 vmt_call_log_count(w->driver, VMT_CALL_RESUME));
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_DETACH), 1);
	(void)ending;
}

static void each_pause_is_resumed_whatever_ended_the_session(void **state)
{
	after_each_ending(*state, balances);
}

static void a_destroyed_session_that_was_not_run_to_its_end_is_torn_down(void **state)
{
	struct world *w = *state;

	open_and_change_everything(w);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_CPUID(0, 0, 0, 0));
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_step(w->session), 1);
	vmt_session_destroy(w->session);
	w->session = NULL;
	vmt_assert_clean(w->driver);
	assert_int_equal(probe.cleanups, 1);
	assert_int_equal(probe.destroys, 1);
}

static void a_session_that_never_began_touches_nothing(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	vmt_session_destroy(w->session);
	w->session = NULL;
	assert_string_equal(world_story(w, STORY_CALLS | STORY_HANDLER), "info");
}

/* A destroyed domain needs no teardown: that each call fails then is no failure of it. */
static void a_domain_that_is_destroyed_ends_the_session_cleanly(void **state)
{
	struct world *w = *state;

	open_and_change_everything(w);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_DESTROYED());
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_GONE);
	assert_int_equal(vmt_collector_nfailures(w->seen), 0);
	assert_int_equal(probe.cleanups, 1);
	assert_int_equal(probe.destroys, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* Step by step                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/* 1, 2. With two vCPUs, of which the second's event waits for the drain. */
static void it_pauses_first(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.finish_after = 1;
	world_run(w);
	assert_memory_equal(world_teardown_story(w, STORY_CALLS), "pause ", 6);
}

static void look_at_pauses(struct vmt_session *s)
{
	(void)s;
	note(world_leftovers(probe.world).pauses);
}

static void it_cleans_up_while_the_domain_is_paused(void **state)
{
	struct world *w = *state;

	probe.cleanup = look_at_pauses;
	world_run_cpuids(w, 1);
	assert_int_equal(probe.nnoted, 1);
	assert_int_equal(probe.noted[0], 1);
}

static void cleanup_is_not_called_when_create_failed(void **state)
{
	struct world *w = *state;

	open_and_change_everything(w);
	fails_in_create(w);
	world_run(w);
	assert_int_equal(probe.cleanups, 0);
	assert_int_equal(vmt_collector_ncallbacks(w->seen, VMT_CALLBACK_CLEANUP), 0);
}

/* What the last answer of the loop asked for is there before the reset, which then undoes it. */
static vmt_view third_view;

static int create_a_view(struct vmt_session *s)
{
	must(watch_cpuid(s));
	must(vmt_monitor(s, VMT_MONITOR_SINGLESTEP));
	return vmt_view_create(s, vmt_access_from(VMT_RWX), &third_view);
}

static struct vmt_response step_in_the_view(struct vmt_ctx *ctx)
{
	struct vmt_response rsp = vmt_with_view(vmt_skip(ctx), third_view);

	rsp.action = VMT_SINGLESTEP;
	return rsp;
}

static void what_was_answered_takes_effect_before_the_reset(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_NOP(0, 0));
	probe.create = create_a_view;
	probe.event = step_in_the_view;
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	vmt_assert_clean(w->driver);
	assert_int_equal(probe.drained, 0);
}

/* 3. Looked at from the drain's first event: it comes right behind the reset. */
static struct vmt_response look_after_the_reset(struct vmt_ctx *ctx)
{
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN && probe.drained == 1) {
		const struct vmt_leftovers left = world_leftovers(probe.world);

		note(left.monitors);
		note(left.restricted_pages);
		note(left.patched_bytes);
		note(left.in_views);
		note(left.stepping);
		note(left.pauses);
	}
	return skip_and_step(ctx);
}

static void the_reset_undoes_bytes_rights_monitors_views_of_vcpus_and_stepping(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.vcpus = 3};

	world_open(w, &config);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(PATCHED), &guests_byte, 1));
	for (uint16_t v = 0; v < 3; v++)
		WORLD_PLAY(w, VMT_INSN_CPUID(v, CODE * (v + 1u), 0, 0));
	probe.create = change_everything;
	probe.event = look_after_the_reset;
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 6);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(probe.noted[i], 0);
	assert_int_equal(probe.noted[5], 1); /* still paused */
}

static int patch_one_byte(struct vmt_session *s)
{
	must(watch_cpuid(s));
	return vmt_write_u16(s, VMT_PHYS, PATCHED, 0xcccc);
}

/* The guest has written over one of two own bytes: that one is the guest's. */
static void the_reset_puts_back_own_bytes_where_they_still_stand(void **state)
{
	static const uint8_t guests[] = {0x11, 0x22}, later[] = {0x77};
	struct world *w = *state;

	world_open(w, NULL);
	must(vmt_scripted_write(w->domain, vmt_gpa_from(PATCHED), guests, sizeof(guests)));
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_POKE(PATCHED, later, 1));
	probe.create = patch_one_byte;
	assert_int_equal(world_run(w), 0);
	vmt_assert_memory(w->driver, vmt_gpa_from(PATCHED), 0x77, 0x22);
}

/* 5, 6, 7. */
static void it_commits_what_was_drained_before_it_resumes(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_string_equal(world_teardown_story(w, STORY_CALLS),
			    "pause commit reset next answer next commit resume settle pending "
			    "detach");
}

static int create_and_pause(struct vmt_session *s)
{
	must(watch_cpuid(s));
	must(vmt_pause(s));
	must(vmt_pause(s));
	return 0;
}

static void a_handlers_pauses_are_released(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = create_and_pause;
	w->config.timeout_ms = 1;
	probe.timeout = NULL;
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(world_leftovers(w).pauses, 2);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
	vmt_assert_clean(w->driver);
}

static struct vmt_response set_rbx(struct vmt_ctx *ctx)
{
	vmt_gprs_of(ctx)->rbx = 0x5eed;
	return vmt_skip(ctx);
}

/* Registers of a response are set when the vCPU runs next: a ring that goes earlier loses them. */
static void each_answered_vcpu_has_run_before_the_ring_goes(void **state)
{
	struct world *w = *state;

	probe.event = set_rbx;
	probe.finish_after = 1;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	vmt_assert_clean(w->driver); /* lost_effects is part of it */
	assert_int_equal(world_gprs(w, 0).rbx, 0x5eed);
	assert_int_equal(world_gprs(w, 0).rip, CODE + 2);
}

static void the_settling_is_bounded_by_the_configuration(void **state)
{
	struct world *w = *state;

	w->config.settle_ms = 77;
	world_run_cpuids(w, 1);
	assert_int_equal(vmt_call_log_get(w->driver, VMT_CALL_SETTLE, 0)->call.u.settle.timeout_ms,
			 77);
}

static void the_settling_is_bounded_by_a_second_unless_set(void **state)
{
	struct world *w = *state;

	world_run_cpuids(w, 1);
	assert_int_equal(vmt_call_log_get(w->driver, VMT_CALL_SETTLE, 0)->call.u.settle.timeout_ms,
			 1000);
}

/* 8. */
static void only_then_are_the_ring_and_the_views_dropped(void **state)
{
	struct world *w = *state;
	const char *story;

	open_and_change_everything(w);
	finishes(w);
	assert_int_equal(world_run(w), 0);
	story = world_teardown_story(w, STORY_CALLS);
	assert_string_equal(story + strlen(story) - strlen("settle pending detach"),
			    "settle pending detach");
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_DESTROY_VIEW), 0);
	assert_int_equal(world_leftovers(w).views, 0);
}

/* Eight events fit the ring; the others are posted only when it has room. */
static void vcpus_that_waited_for_room_on_the_ring_are_answered_too(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 12);
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	vmt_assert_clean(w->driver);
	for (uint16_t v = 0; v < 12; v++)
		assert_int_equal(world_gprs(w, v).rip, CODE * (v + 1u) + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(the_teardown_has_the_same_steps_whatever_ended_the_session),
		WORLD_TEST(the_teardown_makes_the_same_calls_whatever_ended_the_session),
		WORLD_TEST(nothing_stays_paused_monitored_or_patched),
		WORLD_TEST(each_pause_is_resumed_whatever_ended_the_session),
		WORLD_TEST(a_destroyed_session_that_was_not_run_to_its_end_is_torn_down),
		WORLD_TEST(a_session_that_never_began_touches_nothing),
		WORLD_TEST(a_domain_that_is_destroyed_ends_the_session_cleanly),
		WORLD_TEST(it_pauses_first),
		WORLD_TEST(it_cleans_up_while_the_domain_is_paused),
		WORLD_TEST(cleanup_is_not_called_when_create_failed),
		WORLD_TEST(what_was_answered_takes_effect_before_the_reset),
		WORLD_TEST(the_reset_undoes_bytes_rights_monitors_views_of_vcpus_and_stepping),
		WORLD_TEST(the_reset_puts_back_own_bytes_where_they_still_stand),
		WORLD_TEST(it_commits_what_was_drained_before_it_resumes),
		WORLD_TEST(a_handlers_pauses_are_released),
		WORLD_TEST(each_answered_vcpu_has_run_before_the_ring_goes),
		WORLD_TEST(the_settling_is_bounded_by_the_configuration),
		WORLD_TEST(the_settling_is_bounded_by_a_second_unless_set),
		WORLD_TEST(only_then_are_the_ring_and_the_views_dropped),
		WORLD_TEST(vcpus_that_waited_for_room_on_the_ring_are_answered_too),
	};

	return cmocka_run_group_tests_name("teardown", tests, NULL, NULL);
}
