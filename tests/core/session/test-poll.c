/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * poll: when it is asked whether the handler has finished, and what becomes of its answer.
 */
#include "world.h"

static void assert_begins(const char *text, const char *beginning)
{
	if (strncmp(text, beginning, strlen(beginning)) != 0)
		fail_msg("'%s' does not begin with '%s'", text, beginning);
}

/* -------------------------------------------------------------------------------------------- */
/* When                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void poll_is_called_before_the_first_wait(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	world_run(w);
	assert_begins(world_story(w, STORY_CALLS | STORY_HANDLER),
		      "info pause create monitor resume poll wait");
}

static void poll_is_called_after_each_event(void **state)
{
	struct world *w = *state;

	world_run_cpuids(w, 2);
	assert_begins(world_story(w, STORY_CALLS | STORY_HANDLER),
		      "info pause create monitor resume poll "
		      "wait next event answer poll next commit "
		      "wait next event answer poll next commit "
		      "wait");
}

static void poll_is_called_after_each_timeout(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(11 * SECOND));
	world_run(w);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll timeout poll timeout poll cleanup destroy");
}

static void poll_is_called_after_an_interrupt(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_STOP());
	world_run(w);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll interrupted poll cleanup destroy");
}

static void poll_is_called_between_the_events_of_one_batch(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 3);
	assert_int_equal(world_run(w), 0);
	assert_begins(world_story(w, STORY_CALLS | STORY_HANDLER),
		      "info pause create monitor resume poll "
		      "wait next event answer poll next event answer poll next event answer poll "
		      "next commit wait");
}

/* Xen's ring holds 8 events, so a batch is never longer. */
static void a_batch_holds_at_most_the_eight_events_of_the_ring(void **state)
{
	struct world *w = *state;
	size_t in_first = 0, batch = 0;

	world_open_batch(w, 10);
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 10);
	for (size_t i = 0; i < vmt_call_log_count(w->driver, 0); i++) {
		const struct vmt_logged_call *c = vmt_call_log_get(w->driver, 0, i);

		if (c->call.op == VMT_CALL_WAIT)
			batch++;
		if (c->call.op == VMT_CALL_ANSWER && batch == 1)
			in_first++;
	}
	assert_int_equal(in_first, 8);
}

static void poll_is_not_called_when_a_wait_ends_without_events(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_SPURIOUS(), VMT_WORLD_SPURIOUS());
	assert_int_equal(world_run(w), 0);
	assert_string_equal(world_story(w, STORY_HANDLER), "create poll cleanup destroy");
}

/* -------------------------------------------------------------------------------------------- */
/* Done                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void once_done_poll_is_not_called_again(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 4);
	probe.finish_after = 2;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.polls, 1 + 2);
	assert_int_equal(probe.events, 2);
}

static void once_done_the_rest_of_the_batch_is_drained(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 4);
	probe.finish_after = 2;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.drained, 2);
	assert_int_equal(w->outcome.events, 4);
	assert_string_equal(world_teardown_story(w, STORY_HANDLER), "cleanup event event destroy");
	vmt_assert_clean(w->driver);
}

static int done(struct vmt_record *out)
{
	(void)out;
	return 1;
}

static void done_before_the_first_wait_means_that_there_is_none(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.poll = done;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_WAIT), 0);
	assert_int_equal(probe.polls, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* With what                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int give(struct vmt_record *out, const char *text, int result)
{
	struct vmt_value values[] = {vmt_u64(probe.events), vmt_text(text)};

	assert_int_equal(vmt_output(out, &result_schema, values, COUNT(values)), 0);
	return result;
}

static int done_after_two(struct vmt_record *out)
{
	return probe.events == 2 ? give(out, "two", 1) : 0;
}

static void poll_tells_that_and_with_what_the_handler_has_finished(void **state)
{
	struct world *w = *state;
	const struct vmt_collected_callback *last;

	probe.poll = done_after_two;
	assert_int_equal(world_run_cpuids(w, 5), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	vmt_assert_output(w->outcome.output, "result", vmt_u64(2), vmt_text("two"));
	last = vmt_collector_callback(w->seen, VMT_CALLBACK_POLL, 2);
	assert_int_equal(last->result, 1);
	vmt_assert_output(last->output, "result", vmt_u64(2), vmt_text("two"));
}

static void a_handler_may_finish_without_an_output(void **state)
{
	struct world *w = *state;

	probe.finish_after = 1;
	assert_int_equal(world_run_cpuids(w, 3), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	assert_null(w->outcome.output);
}

static int done_after_three_but_always_gives(struct vmt_record *out)
{
	return give(out, probe.events == 3 ? "now" : "not yet", probe.events == 3);
}

static void what_poll_gives_without_being_done_is_forgotten(void **state)
{
	struct world *w = *state;

	probe.poll = done_after_three_but_always_gives;
	assert_int_equal(world_run_cpuids(w, 5), 0);
	vmt_assert_output(w->outcome.output, "result", vmt_u64(3), vmt_text("now"));
}

static int never_done_but_gives(struct vmt_record *out)
{
	return give(out, "not yet", 0);
}

static void a_session_that_ends_otherwise_has_no_output(void **state)
{
	struct world *w = *state;

	probe.poll = never_done_but_gives;
	assert_int_equal(world_run_cpuids(w, 2), 0);
	vmt_assert_ended(&w->outcome, VMT_END_GONE);
	assert_null(w->outcome.output);
}

static int gives_twice(struct vmt_record *out)
{
	struct vmt_value values[] = {vmt_u64(1), vmt_text("second")};

	if (probe.events == 0)
		return 0;
	give(out, "first", 1);
	note((uint64_t)-vmt_output(out, &result_schema, values, COUNT(values)));
	return 1;
}

static void setting_the_output_twice_is_a_failure(void **state)
{
	struct world *w = *state;

	probe.poll = gives_twice;
	assert_int_equal(world_run_cpuids(w, 2), -VMT_E_EXISTS);
	assert_int_equal(probe.noted[0], VMT_E_EXISTS);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_null(w->outcome.output);
}

/* -------------------------------------------------------------------------------------------- */
/* Failures                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static int fails_after_two(struct vmt_record *out)
{
	(void)out;
	return probe.events == 2 ? -VMT_E_HANDLER : 0;
}

static void a_poll_that_fails_ends_the_session_as_handler_failed(void **state)
{
	struct world *w = *state;

	probe.poll = fails_after_two;
	assert_int_equal(world_run_cpuids(w, 5), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_holds(w->outcome.error.text, "poll");
	assert_int_equal(probe.events, 2);
	assert_int_equal(probe.polls, 3);
	vmt_assert_clean(w->driver);
}

static int wrong_number_of_values(struct vmt_record *out)
{
	struct vmt_value values[] = {vmt_u64(1)};

	return vmt_output(out, &result_schema, values, COUNT(values));
}

static void an_output_that_does_not_fit_tells_the_reason(void **state)
{
	struct world *w = *state;

	probe.poll = wrong_number_of_values;
	assert_int_equal(world_run_cpuids(w, 1), -VMT_E_INVALID);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_holds(w->outcome.error.place, "result");
	assert_holds(w->outcome.error.text, "1 values were given for 2 fields");
}

static const struct vmt_field stray_fields[] = {{"x", VMT_BOOL, 0}};
static const struct vmt_schema stray = VMT_SCHEMA("stray", stray_fields);

static int undeclared(struct vmt_record *out)
{
	struct vmt_value value = vmt_bool(true);

	assert_int_equal(vmt_output(out, &stray, &value, 1), 0);
	return 1;
}

static void an_output_of_an_undeclared_schema_is_a_failure(void **state)
{
	struct world *w = *state;

	probe.poll = undeclared;
	assert_int_equal(world_run_cpuids(w, 1), -VMT_E_INVALID);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
	assert_holds(w->outcome.error.text, "'stray'");
	assert_null(w->outcome.output);
}

static int asks_the_domain(struct vmt_record *out)
{
	uint8_t byte;

	(void)out;
	note((uint64_t)-vmt_read(probe.session, VMT_PHYS, 0, &byte, 1));
	note((uint64_t)-vmt_pause(probe.session));
	note((uint64_t)-vmt_emit(probe.session, &seen_schema, &(struct vmt_value){0}, 1));
	return 0;
}

static void poll_has_no_session(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.poll = asks_the_domain;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(probe.noted[i], VMT_E_WRONG_PLACE);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_READ), 0);
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(poll_is_called_before_the_first_wait),
		WORLD_TEST(poll_is_called_after_each_event),
		WORLD_TEST(poll_is_called_after_each_timeout),
		WORLD_TEST(poll_is_called_after_an_interrupt),
		WORLD_TEST(poll_is_called_between_the_events_of_one_batch),
		WORLD_TEST(a_batch_holds_at_most_the_eight_events_of_the_ring),
		WORLD_TEST(poll_is_not_called_when_a_wait_ends_without_events),
		WORLD_TEST(once_done_poll_is_not_called_again),
		WORLD_TEST(once_done_the_rest_of_the_batch_is_drained),
		WORLD_TEST(done_before_the_first_wait_means_that_there_is_none),
		WORLD_TEST(poll_tells_that_and_with_what_the_handler_has_finished),
		WORLD_TEST(a_handler_may_finish_without_an_output),
		WORLD_TEST(what_poll_gives_without_being_done_is_forgotten),
		WORLD_TEST(a_session_that_ends_otherwise_has_no_output),
		WORLD_TEST(setting_the_output_twice_is_a_failure),
		WORLD_TEST(a_poll_that_fails_ends_the_session_as_handler_failed),
		WORLD_TEST(an_output_that_does_not_fit_tells_the_reason),
		WORLD_TEST(an_output_of_an_undeclared_schema_is_a_failure),
		WORLD_TEST(poll_has_no_session),
	};

	return cmocka_run_group_tests_name("poll", tests, NULL, NULL);
}
