/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Those who own their loop: vmt_session_begin, _step and _end.
 */
#include "world.h"

static void begin_step_and_end_do_what_run_does(void **state)
{
	struct world *w = *state;
	const struct vmt_scripted_config config = {.vcpus = 2};
	char *stories[2];

	for (size_t own = 0; own < 2; own++) {
		world_renew(w);
		world_open(w, &config);
		WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_INSN_CPUID(1, 0x2000, 0, 0),
			   VMT_WORLD_IDLE(6 * SECOND), VMT_INSN_CPUID(0, 0, 0, 0),
			   VMT_WORLD_STOP());
		world_create(w);
		if (own) {
			int r = vmt_session_begin(w->session);

			while (r == 1)
				r = vmt_session_step(w->session);
			assert_int_equal(r, 0);
			assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
		} else {
			assert_int_equal(vmt_session_run(w->session, &w->outcome), 0);
		}
		vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
		stories[own] = strdup(
			world_story(w, STORY_CALLS | STORY_HANDLER | STORY_STEPS | STORY_OBSERVED));
	}
	assert_string_equal(stories[0], stories[1]);
	free(stories[0]);
	free(stories[1]);
}

static void begin_is_create_and_the_first_poll(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_string_equal(world_story(w, STORY_CALLS | STORY_HANDLER),
			    "info pause create monitor resume poll");
	assert_int_equal(vmt_session_phase(w->session), VMT_PHASE_LOOP);
}

static void a_step_is_one_wait_and_its_events(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_step(w->session), 1);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_WAIT), 1);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_COMMIT), 1);
	assert_int_equal(probe.events, 2);
	assert_int_equal(vmt_session_step(w->session), 0); /* gone */
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_WAIT), 2);
}

static void over_means_that_no_step_does_anything(void **state)
{
	struct world *w = *state;
	size_t calls;

	world_open_batch(w, 2);
	probe.finish_after = 1;
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_step(w->session), 0);
	calls = vmt_call_log_count(w->driver, 0);
	assert_int_equal(vmt_session_step(w->session), 0);
	assert_int_equal(vmt_session_step(w->session), 0);
	assert_int_equal(vmt_call_log_count(w->driver, 0), calls);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
}

static struct vmt_response fail_at_once(struct vmt_ctx *ctx)
{
	return vmt_fail(ctx, "no");
}

static void a_step_that_fails_is_negative(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.event = fail_at_once;
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_step(w->session), -VMT_E_HANDLER);
	assert_int_equal(vmt_session_step(w->session), -VMT_E_HANDLER);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), -VMT_E_HANDLER);
	vmt_assert_clean(w->driver);
}

static int fail_in_create(struct vmt_session *s)
{
	return vmt_session_fail(s, "no");
}

static void a_begin_that_fails_is_negative(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.create = fail_in_create;
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), -VMT_E_HANDLER);
	assert_int_equal(vmt_session_step(w->session), -VMT_E_HANDLER);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_WAIT), 0);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_CREATE_FAILED);
}

static void ending_before_the_session_is_over_is_a_stop(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll interrupted poll cleanup destroy");
	vmt_assert_clean(w->driver);
}

static void ending_twice_tells_the_same_again(void **state)
{
	struct world *w = *state;
	struct vmt_outcome again;

	probe.finish_after = 1;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(vmt_session_end(w->session, &again), 0);
	assert_int_equal(again.end, w->outcome.end);
	assert_int_equal(again.callbacks, w->outcome.callbacks);
	assert_int_equal(probe.cleanups, 1);
	assert_int_equal(vmt_session_end(w->session, NULL), 0);
}

static void steps_before_begin_and_behind_the_end_are_refused(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	assert_int_equal(vmt_session_step(w->session), -VMT_E_WRONG_PLACE);
	assert_int_equal(world_run(w), 0);
	assert_int_equal(vmt_session_step(w->session), -VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_error_of(w->session)->status, VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_session_phase(w->session), VMT_PHASE_OVER);
}

static void a_session_begins_once(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	assert_int_equal(vmt_session_begin(w->session), -VMT_E_WRONG_PLACE);
	assert_int_equal(probe.creates, 1);
	assert_int_equal(vmt_session_step(w->session), 1); /* and goes on */
}

static void running_twice_tells_the_first_outcome(void **state)
{
	struct world *w = *state;
	struct vmt_outcome again;

	probe.finish_after = 1;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	assert_int_equal(vmt_session_run(w->session, &again), 0);
	assert_int_equal(again.end, VMT_END_FINISHED);
	assert_int_equal(probe.creates, 1);
}

/* ---- from inside of a callback, where the loop is already under way ---- */

static struct vmt_response loop_in_the_loop(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_outcome outcome;

	note((uint64_t)-vmt_session_begin(s));
	note((uint64_t)-vmt_session_step(s));
	note((uint64_t)-vmt_session_end(s, &outcome));
	note((uint64_t)-vmt_session_run(s, &outcome));
	return vmt_skip(ctx);
}

static void a_handler_cannot_run_its_own_session(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.event = loop_in_the_loop;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_GONE);
	assert_int_equal(probe.nnoted, 8);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(probe.noted[i], VMT_E_WRONG_PLACE);
	assert_int_equal(probe.cleanups, 1);
	assert_int_equal(probe.events, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(begin_step_and_end_do_what_run_does),
		WORLD_TEST(begin_is_create_and_the_first_poll),
		WORLD_TEST(a_step_is_one_wait_and_its_events),
		WORLD_TEST(over_means_that_no_step_does_anything),
		WORLD_TEST(a_step_that_fails_is_negative),
		WORLD_TEST(a_begin_that_fails_is_negative),
		WORLD_TEST(ending_before_the_session_is_over_is_a_stop),
		WORLD_TEST(ending_twice_tells_the_same_again),
		WORLD_TEST(steps_before_begin_and_behind_the_end_are_refused),
		WORLD_TEST(a_session_begins_once),
		WORLD_TEST(running_twice_tells_the_first_outcome),
		WORLD_TEST(a_handler_cannot_run_its_own_session),
	};

	return cmocka_run_group_tests_name("own loop", tests, NULL, NULL);
}
