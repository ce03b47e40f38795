/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stillness: which records of a trace are of one moment, in which the guest cannot have run.
 */
#include "support.h"

#include "replay/stillness.h"

/** A call of @op with @result. Returns its moment. */
static uint64_t call(struct vmt_still *still, unsigned op, int result)
{
	struct vmt_trace_call tc = {.call = {.op = op, .result = result}};
	struct vmt_trace_record record = {.kind = (uint16_t)(VMT_TRACE_CALL + op), .body = &tc};

	return vmt_still_feed(still, &record);
}

static uint64_t event(struct vmt_still *still, uint64_t ticket, uint16_t vcpu, uint16_t flags)
{
	struct vmt_trace_event body = {.event = {.ticket = ticket, .vcpu = vcpu, .flags = flags}};
	struct vmt_trace_record record = {.kind = VMT_TRACE_EVENT, .body = &body};

	return vmt_still_feed(still, &record);
}

static uint64_t answer(struct vmt_still *still, uint64_t ticket, int result)
{
	struct vmt_event ev = {.ticket = ticket};
	struct vmt_trace_call tc = {.call = {.op = VMT_CALL_ANSWER, .result = result}};
	struct vmt_trace_record record = {.kind = VMT_TRACE_CALL + VMT_CALL_ANSWER, .body = &tc};

	tc.call.u.answer.event = &ev;
	return vmt_still_feed(still, &record);
}

static uint64_t gap(struct vmt_still *still)
{
	struct vmt_trace_gap body = {.records = 1};
	struct vmt_trace_record record = {.kind = VMT_TRACE_GAP, .body = &body};

	return vmt_still_feed(still, &record);
}

/** Does the guest stand over the next reads? Then both are of the moment that is told. */
static bool stands(struct vmt_still *still)
{
	uint64_t now = vmt_still_now(still);
	uint64_t first = call(still, VMT_CALL_READ, 0);
	uint64_t second = call(still, VMT_CALL_READ, 0);

	assert_int_equal(first == second, now != VMT_NO_MOMENT);
	if (now != VMT_NO_MOMENT)
		assert_int_equal(first, now);
	return first == second;
}

static void while_the_guest_runs_each_record_is_a_moment_of_its_own(void **state)
{
	struct vmt_still s;
	uint64_t last;

	(void)state;
	vmt_still_init(&s, 1);
	assert_int_equal(vmt_still_now(&s), VMT_NO_MOMENT);
	last = call(&s, VMT_CALL_READ, 0);
	for (int i = 0; i < 3; i++) {
		uint64_t next = call(&s, VMT_CALL_READ, 0);

		assert_true(next > last);
		last = next;
	}
	assert_int_equal(vmt_still_now(&s), VMT_NO_MOMENT);
}

static void a_paused_domain_stands_until_each_pause_is_resumed(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 2);
	call(&s, VMT_CALL_PAUSE, 0);
	assert_true(stands(&s));
	call(&s, VMT_CALL_PAUSE, 0);
	assert_true(stands(&s));
	call(&s, VMT_CALL_RESUME, 0);
	call(&s, VMT_CALL_READ, 0);
	assert_true(stands(&s));
	call(&s, VMT_CALL_RESUME, 0);
	assert_false(stands(&s));
}

static void a_pause_that_failed_stops_nothing(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	call(&s, VMT_CALL_PAUSE, -VMT_E_IO);
	assert_false(stands(&s));
}

static void a_resume_that_failed_counts_all_the_same(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	call(&s, VMT_CALL_PAUSE, 0);
	call(&s, VMT_CALL_RESUME, -VMT_E_IO);
	assert_false(stands(&s));
}

static void a_resume_too_many_takes_no_later_pause_away(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	call(&s, VMT_CALL_RESUME, 0);
	call(&s, VMT_CALL_RESUME, 0);
	call(&s, VMT_CALL_PAUSE, 0);
	assert_true(stands(&s));
}

/* The guest may have run from the resume to the pause. */
static void what_is_on_both_sides_of_a_resume_is_not_one_moment(void **state)
{
	struct vmt_still s;
	uint64_t before;

	(void)state;
	vmt_still_init(&s, 1);
	call(&s, VMT_CALL_PAUSE, 0);
	before = call(&s, VMT_CALL_READ, 0);
	call(&s, VMT_CALL_RESUME, 0);
	call(&s, VMT_CALL_PAUSE, 0);
	assert_true(call(&s, VMT_CALL_READ, 0) > before);
}

static void the_guest_stands_once_each_vcpu_is_held(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 2);
	event(&s, 1, 0, VMT_EVENT_SYNC);
	assert_false(stands(&s));
	event(&s, 2, 1, VMT_EVENT_SYNC);
	assert_true(stands(&s));
}

static void two_events_of_one_vcpu_do_not_hold_the_other(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 2);
	event(&s, 1, 0, VMT_EVENT_SYNC);
	event(&s, 2, 0, VMT_EVENT_SYNC);
	assert_false(stands(&s));
}

static void an_asynchronous_event_holds_nothing(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	event(&s, 1, 0, 0);
	assert_false(stands(&s));
}

static void held_vcpus_do_not_count_when_their_number_is_not_known(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 0);
	event(&s, 1, 0, VMT_EVENT_SYNC);
	assert_false(stands(&s));
	call(&s, VMT_CALL_PAUSE, 0);
	assert_true(stands(&s));
}

static void an_answer_lets_the_guest_run_only_once_it_is_committed(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	event(&s, 7, 0, VMT_EVENT_SYNC);
	answer(&s, 7, 0);
	assert_true(stands(&s));
	call(&s, VMT_CALL_COMMIT, 0);
	assert_false(stands(&s));
}

static void a_commit_and_an_answer_that_failed_count_all_the_same(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	event(&s, 7, 0, VMT_EVENT_SYNC);
	answer(&s, 7, -VMT_E_IO);
	call(&s, VMT_CALL_COMMIT, -VMT_E_IO);
	assert_false(stands(&s));
}

static void an_event_without_an_answer_is_held_over_a_commit(void **state)
{
	struct vmt_still s;
	uint64_t before;

	(void)state;
	vmt_still_init(&s, 2);
	event(&s, 1, 0, VMT_EVENT_SYNC);
	event(&s, 2, 1, VMT_EVENT_SYNC);
	answer(&s, 1, 0);
	call(&s, VMT_CALL_COMMIT, 0);
	assert_false(stands(&s));
	event(&s, 3, 0, VMT_EVENT_SYNC);
	assert_true(stands(&s));
	before = call(&s, VMT_CALL_READ, 0);
	call(&s, VMT_CALL_COMMIT, 0);
	assert_true(call(&s, VMT_CALL_READ, 0) > before);
	assert_true(stands(&s));
}

static void an_answer_to_another_event_frees_nothing(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	event(&s, 1, 0, VMT_EVENT_SYNC);
	answer(&s, 2, 0);
	call(&s, VMT_CALL_COMMIT, 0);
	call(&s, VMT_CALL_READ, 0);
	assert_true(stands(&s));
}

/* Devices write to memory while the vCPUs stand. */
static void a_wait_and_a_settle_begin_a_moment_though_the_guest_stands(void **state)
{
	static const unsigned ops[] = {VMT_CALL_WAIT, VMT_CALL_SETTLE};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct vmt_still s;
		uint64_t before;
		uint64_t during;

		vmt_still_init(&s, 1);
		call(&s, VMT_CALL_PAUSE, 0);
		before = call(&s, VMT_CALL_READ, 0);
		during = call(&s, ops[i], 0);
		assert_true(during > before);
		assert_int_equal(vmt_still_now(&s), VMT_NO_MOMENT);
		assert_true(call(&s, VMT_CALL_READ, 0) > during);
		assert_true(stands(&s));
	}
}

static void a_gap_begins_a_moment_though_the_guest_stands(void **state)
{
	struct vmt_still s;
	uint64_t before;

	(void)state;
	vmt_still_init(&s, 1);
	call(&s, VMT_CALL_PAUSE, 0);
	before = call(&s, VMT_CALL_READ, 0);
	assert_true(gap(&s) > before);
}

static void a_detach_lets_go_of_all(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, 1);
	call(&s, VMT_CALL_PAUSE, 0);
	call(&s, VMT_CALL_PAUSE, 0);
	event(&s, 1, 0, VMT_EVENT_SYNC);
	call(&s, VMT_CALL_DETACH, 0);
	assert_false(stands(&s));
}

static void more_events_than_any_ring_has_are_in_doubt_no_hold(void **state)
{
	struct vmt_still s;

	(void)state;
	vmt_still_init(&s, VMT_HELD_MAX + 1);
	for (uint16_t v = 0; v <= VMT_HELD_MAX; v++)
		event(&s, v, v, VMT_EVENT_SYNC);
	assert_false(stands(&s));
	vmt_still_init(&s, VMT_HELD_MAX);
	for (uint16_t v = 0; v < VMT_HELD_MAX; v++)
		event(&s, v, v, VMT_EVENT_SYNC);
	assert_true(stands(&s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(while_the_guest_runs_each_record_is_a_moment_of_its_own),
		cmocka_unit_test(a_paused_domain_stands_until_each_pause_is_resumed),
		cmocka_unit_test(a_pause_that_failed_stops_nothing),
		cmocka_unit_test(a_resume_that_failed_counts_all_the_same),
		cmocka_unit_test(a_resume_too_many_takes_no_later_pause_away),
		cmocka_unit_test(what_is_on_both_sides_of_a_resume_is_not_one_moment),
		cmocka_unit_test(the_guest_stands_once_each_vcpu_is_held),
		cmocka_unit_test(two_events_of_one_vcpu_do_not_hold_the_other),
		cmocka_unit_test(an_asynchronous_event_holds_nothing),
		cmocka_unit_test(held_vcpus_do_not_count_when_their_number_is_not_known),
		cmocka_unit_test(an_answer_lets_the_guest_run_only_once_it_is_committed),
		cmocka_unit_test(a_commit_and_an_answer_that_failed_count_all_the_same),
		cmocka_unit_test(an_event_without_an_answer_is_held_over_a_commit),
		cmocka_unit_test(an_answer_to_another_event_frees_nothing),
		cmocka_unit_test(a_wait_and_a_settle_begin_a_moment_though_the_guest_stands),
		cmocka_unit_test(a_gap_begins_a_moment_though_the_guest_stands),
		cmocka_unit_test(a_detach_lets_go_of_all),
		cmocka_unit_test(more_events_than_any_ring_has_are_in_doubt_no_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
