/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changed handlers: what replay says of them, against the truth, which is the changed handler run on
 * an equal domain.
 */
#include "handlers.h"
#include "support.h"

#define DATA  0x8008
#define OTHER 0x9010

static const struct vmt_step loop[] = {
	VMT_INSN_NOP(0, 0x1000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
	VMT_INSN_WRITE(0, 0x1030, DATA, "abcdefgh", 8),
	VMT_INSN_WRITE(0, 0x1038, OTHER, "01234567", 8),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_WRITE(0, 0x1040, DATA, "ABCDEFGH", 8),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x6000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_NOP(0, 0x1050),
};

static const struct world world = {.steps = loop, .nsteps = sizeof(loop) / sizeof(loop[0])};

static const struct variant before = {.at = {0x1010}, .data = DATA};

/** Record the handler as @old is, replay it as @now is. */
static void change(struct place *p, const struct variant *old, const struct variant *now,
		   const struct vmt_replay_config *config, struct vmt_replay_report *report)
{
	variant = *old;
	record(p, &world, &test_handler);
	variant = *now;
	replay(p, config, &test_handler, NULL, report);
}

/** As change, with the verdict "same": then the emissions are those of the truth. */
static void change_is_the_same(struct place *p, const struct variant *now,
			       struct vmt_replay_report *report)
{
	struct vmt_collector *truth;
	struct vmt_collector *seen;
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_collector_create(&truth, &err), &err);
	vmt_assert_ok(vmt_collector_create(&seen, &err), &err);
	variant = before;
	record(p, &world, &test_handler);
	variant = *now;
	replay(p, NULL, &test_handler, seen, report);
	live(&world, &test_handler, truth);
	assert_verdict(report, VMT_VERDICT_SAME);
	assert_same_emissions(truth, seen);
	vmt_collector_destroy(seen);
	vmt_collector_destroy(truth);
}

static void reading_more_of_a_recorded_page_is_the_same(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.also_read = DATA + 64;
	change_is_the_same(*state, &now, &report);
	assert_true(report.reads[VMT_FROM_EXACT] > 6);
}

static void reading_what_was_not_recorded_could_not_be_judged(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.also_read = OTHER;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_int_equal(report.misses, 3);
	assert_int_equal(report.differences, 0);
	assert_non_null(strstr(report.miss_text, "gfn 0x9"));
}

static void reading_less_is_the_same(void **state)
{
	struct variant more = before;
	struct vmt_replay_report report;

	more.also_read = OTHER;
	change(*state, &more, &before, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
}

static void reading_in_another_order_is_the_same(void **state)
{
	struct variant first = before;
	struct variant last = before;
	struct vmt_replay_report report;

	first.also_read = last.also_read = OTHER;
	last.read_late = true;
	change(*state, &first, &last, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(report.misses, 0);
}

static void reading_past_the_cache_gives_the_same_digest(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;
	struct vmt_trace_digests digests;
	struct place *p = *state;

	now.twice = true;
	change_is_the_same(p, &now, &report);
	record_again(p, &test_handler, &report, &digests);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_memory_equal(digests.behaviour, p->digests.behaviour, 16);
}

static void another_breakpoint_method_with_the_same_effect_is_the_same(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.method = SHADOW;
	change_is_the_same(*state, &now, &report);
	assert_int_equal(report.suppressed, 3);
	assert_int_equal(report.delivered, 5);
	assert_int_equal(report.blind, 0);
}

/** It comes to the breakpoint again at once: the fast step between the two leaves no trace of its own. */
static void a_breakpoint_hit_twice_in_a_row_is_delivered_twice(void **state)
{
	static const struct vmt_step twice[] = {
		VMT_INSN_NOP(0, 0x1010),
		VMT_INSN_NOP(0, 0x1010),
		VMT_INSN_NOP(0, 0x1010),
	};
	struct world again = {.steps = twice, .nsteps = 3};
	struct variant now = {.at = {0x1010}, .method = SHADOW, .also_read = 0x1100};
	struct vmt_replay_report report;

	variant = (struct variant){.at = {0x1010}};
	record(*state, &again, &test_handler);
	variant = now;
	replay(*state, NULL, &test_handler, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(report.delivered, 3);
	assert_int_equal(report.suppressed, 3);
	assert_int_equal(report.emissions, 3);
}

static void the_other_method_is_the_same_the_other_way_round(void **state)
{
	struct variant old = before;
	struct vmt_replay_report report;

	old.method = SHADOW;
	change(*state, &old, &before, NULL, &report);
	/* It steps, which the recorded handler did not: what a step event would show is not known. */
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_true(report.blind > 0);
	assert_non_null(strstr(report.blind_text, "single-stepping of vCPU 0"));
}

static void another_response_differs_where_it_is_given(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.set_rax = 0x1234;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.first.difference, VMT_DIFFERS_RESPONSE);
	assert_int_equal(report.first.event, 0);
	assert_int_equal(report.first.rip, 0x1010);
	assert_non_null(strstr(report.first.replayed, "rax 0x1234"));
	assert_true(report.first.ends);
	assert_int_equal(report.stop, VMT_STOPPED_BY_CHANGE);
	assert_int_equal(report.delivered, 1);
}

static void another_emission_differs_and_the_run_goes_on(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.other_emission = true;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.first.difference, VMT_DIFFERS_EMISSION);
	assert_string_equal(report.first.what, "emission 0 (hit): word");
	assert_string_equal(report.first.recorded, "hit rip=0x1010 rax=0 word=0");
	assert_string_equal(report.first.replayed, "hit rip=0x1010 rax=0 word=0x1");
	assert_int_equal(report.differences, 3);
	assert_int_equal(report.delivered, report.recorded_events);
	assert_int_equal(report.first.provenance, VMT_FROM_EXACT);
}

static void a_moved_breakpoint_is_blind_and_its_old_events_are_suppressed(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.at[0] = 0x1050;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_int_equal(report.suppressed, 6);
	assert_int_equal(report.delivered, 2);
	assert_int_equal(report.blind, 1);
	assert_non_null(strstr(report.blind_text, "breakpoint at gpa 0x1050"));
	/* The recorded handler had something to say at its breakpoint. */
	assert_int_equal(report.first.difference, VMT_DIFFERS_EMISSION);
	assert_string_equal(report.first.replayed, "nothing");
}

static void a_breakpoint_more_is_blind(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.at[1] = 0x1050;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_int_equal(report.differences, 0);
	assert_int_equal(report.delivered, report.recorded_events);
	assert_int_equal(report.blind, 1);
}

static void a_monitor_more_is_blind_and_one_less_is_not(void **state)
{
	struct variant without = before;
	struct vmt_replay_report report;

	without.no_cr3 = true;
	change(*state, &without, &before, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_non_null(strstr(report.blind_text, "monitor cr3"));
	assert_true(report.blind_seen > 0);
	change(*state, &before, &without, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT); /* it does not tell of switches */
	assert_int_equal(report.blind, 0);
	assert_int_equal(report.suppressed, 2);
}

static void stricter_rights_are_blind(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.watch_page = DATA;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_non_null(strstr(report.blind_text, "rights of gfn 0x8"));
}

static void rights_that_are_watched_no_more_suppress_their_events(void **state)
{
	struct variant old = before;
	struct vmt_replay_report report;

	old.watch_page = DATA;
	change(*state, &old, &before, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.suppressed, 2);
	assert_int_equal(report.blind, 0);
}

static void bytes_written_to_the_guest_differ(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.patch_data = 0xa000;
	now.patch_value = 0x1122334455667788;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.first.difference, VMT_DIFFERS_FOOTPRINT);
	assert_int_equal(report.first.callback, 0);
	assert_string_equal(report.first.replayed, "byte 0x88 at gpa 0xa000");
	assert_string_equal(report.first.recorded, "the guest's own byte at gpa 0xa000");
	assert_non_null(strstr(report.first.calls, "+ write(gfn 0xa"));
}

static void a_page_of_its_own_is_no_difference(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.alloc = true;
	change_is_the_same(*state, &now, &report);
	assert_true(report.modelled > 0);
	assert_int_equal(report.reads[VMT_FROM_OWN], 2);
	change(*state, &now, &before, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
}

static void own_bytes_do_not_show_in_pages_that_are_read(void **state)
{
	struct variant old = before;
	struct variant now = before;
	struct vmt_replay_report report;

	/* The recorded handler read its own breakpoint's page; the replayed one has none there. */
	old.also_read = 0x1010;
	now.also_read = 0x1010;
	now.data = 0x1010;
	old.data = 0x1010;
	now.method = SHADOW;
	change(*state, &old, &now, NULL, &report);
	/* The recorded one emitted its own 0xCC, the replayed one the guest's byte. */
	assert_int_equal(report.first.difference, VMT_DIFFERS_EMISSION);
	assert_string_equal(report.first.recorded, "hit rip=0x1010 rax=0 word=0xcc");
	assert_string_equal(report.first.replayed, "hit rip=0x1010 rax=0 word=0x90");
}

static void finishing_earlier_or_later_differs(void **state)
{
	struct variant early = before;
	struct variant late = before;
	struct vmt_replay_report report;

	early.finish_after = 3;
	late.finish_after = 5;
	change(*state, &early, &late, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.first.difference, VMT_DIFFERS_END);
	assert_string_equal(report.first.recorded, "finished");
	change(*state, &late, &early, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.first.difference, VMT_DIFFERS_END);
	assert_string_equal(report.first.replayed, "finished");
	assert_int_equal(report.differences, 1);
}

static void failing_where_the_recorded_handler_did_not_is_a_failure(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.fail_at = 2;
	change(*state, &before, &now, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_FAILED);
	assert_int_equal(report.first.difference, VMT_DIFFERS_END);
	change(*state, &now, &before, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
}

static void strict_matching_sees_another_order_of_effects(void **state)
{
	struct variant old = before;
	struct variant now = before;
	struct vmt_replay_config strict = {.match = VMT_REPLAY_STRICT};
	struct vmt_replay_report report;

	now.alloc = true;
	change(*state, &old, &now, &strict, &report);
	assert_verdict(&report, VMT_VERDICT_DIFFERENT);
	assert_int_equal(report.first.difference, VMT_DIFFERS_EFFECT);
	assert_int_equal(report.first.callback, 0);
	assert_non_null(strstr(report.first.replayed, "alloc_gfn("));
}

static void a_miss_can_end_the_run(void **state)
{
	struct variant now = before;
	struct vmt_replay_config config = {.missing = VMT_REPLAY_STOP};
	struct vmt_replay_report report;

	now.also_read = OTHER;
	change(*state, &before, &now, &config, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_int_equal(report.stop, VMT_STOPPED_BY_MISS);
	assert_int_equal(report.delivered, 1);
	assert_int_equal(report.misses, 1);
}

static void stale_bytes_are_served_when_asked_for_and_named(void **state)
{
	struct variant now = before;
	struct variant old = before;
	struct vmt_replay_config config = {.missing = VMT_REPLAY_STALE};
	struct vmt_replay_report report;

	/* The recorded handler read OTHER only when it was created, as a byte of its own. */
	old.patch_data = OTHER + 256;
	now.patch_data = OTHER + 256;
	now.also_read = OTHER;
	change(*state, &old, &now, &config, &report);
	assert_int_equal(report.misses, 0);
	assert_true(report.reads[VMT_FROM_STALE] > 0);
	assert_true(report.oldest > 0);
}

static void waking_at_other_times_makes_timeouts(void **state)
{
	static const struct vmt_step idle[] = {
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
		VMT_WORLD_IDLE(UINT64_C(5500000)),
		VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x6000),
	};
	struct world slow = {.steps = idle, .nsteps = 3};
	struct vmt_replay_report report;

	variant = (struct variant){0};
	record(*state, &slow, &test_handler);
	variant = (struct variant){.wake = true};
	replay(*state, NULL, &test_handler, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(report.timeouts_made, 5);
	record(*state, &slow, &test_handler);
	variant = (struct variant){0};
	replay(*state, NULL, &test_handler, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(report.timeouts_made, 0);
	assert_int_equal(report.delivered, 2);
}

static void other_options_are_given_on_top_of_the_recorded_ones(void **state)
{
	struct place *p = *state;
	struct vmt_option options[] = {{"nonsense", "1"}};
	struct vmt_replay_run run = {.trace = p->trace,
				     .handler = &test_handler,
				     .no_isolation = true,
				     .options = options,
				     .noptions = 1};
	struct vmt_replay_report report;
	struct vmt_error err = {0};

	variant = before;
	record(p, &world, &test_handler);
	assert_int_equal(vmt_replay_run(&run, &report, &err), -VMT_E_INVALID);
	assert_non_null(strstr(err.text, "nonsense"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reading_more_of_a_recorded_page_is_the_same),
		TEST(reading_what_was_not_recorded_could_not_be_judged),
		TEST(reading_less_is_the_same),
		TEST(reading_in_another_order_is_the_same),
		TEST(reading_past_the_cache_gives_the_same_digest),
		TEST(another_breakpoint_method_with_the_same_effect_is_the_same),
		TEST(a_breakpoint_hit_twice_in_a_row_is_delivered_twice),
		TEST(the_other_method_is_the_same_the_other_way_round),
		TEST(another_response_differs_where_it_is_given),
		TEST(another_emission_differs_and_the_run_goes_on),
		TEST(a_moved_breakpoint_is_blind_and_its_old_events_are_suppressed),
		TEST(a_breakpoint_more_is_blind),
		TEST(a_monitor_more_is_blind_and_one_less_is_not),
		TEST(stricter_rights_are_blind),
		TEST(rights_that_are_watched_no_more_suppress_their_events),
		TEST(bytes_written_to_the_guest_differ),
		TEST(a_page_of_its_own_is_no_difference),
		TEST(own_bytes_do_not_show_in_pages_that_are_read),
		TEST(finishing_earlier_or_later_differs),
		TEST(failing_where_the_recorded_handler_did_not_is_a_failure),
		TEST(strict_matching_sees_another_order_of_effects),
		TEST(a_miss_can_end_the_run),
		TEST(stale_bytes_are_served_when_asked_for_and_named),
		TEST(waking_at_other_times_makes_timeouts),
		TEST(other_options_are_given_on_top_of_the_recorded_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
