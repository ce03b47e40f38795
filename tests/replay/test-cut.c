/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traces that end before the recorded session does, wherever that is: replay says so, and judges by
 * what is there when it is asked to.
 */
#include "handlers.h"
#include "replay/records.h"
#include "support.h"

#define DATA  0x8008
#define OTHER 0x9010

static const struct vmt_step loop[] = {
	VMT_INSN_NOP(0, 0x1000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
	VMT_INSN_WRITE(0, 0x1030, DATA, "abcdefgh", 8),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1024, VMT_CR3, 0x6000),
};

static const struct world world = {.steps = loop, .nsteps = sizeof(loop) / sizeof(loop[0])};
static const struct variant before = {.at = {0x1010}, .data = DATA};

/* -------------------------------------------------------------------------------------------- */
/* Cutting                                                                                      */
/* -------------------------------------------------------------------------------------------- */

#define RECORDS_MAX 512u

/** What a test must know of a recording, record by record. */
struct outline {
	size_t n; /**< up to the OUTCOME, and with it */
	uint8_t kinds[RECORDS_MAX];
	bool inside[RECORDS_MAX]; /**< a callback has begun before the record, and has not ended */
};

static void look_at(struct place *p, struct outline *o)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	bool inside = false;

	o->n = 0;
	vmt_assert_ok(vmt_trace_reader_open(p->trace, NULL, &reader, &err), &err);
	while (vmt_trace_reader_next(reader, &record, &err) == 1) {
		assert_true(o->n < RECORDS_MAX);
		o->kinds[o->n] = (uint8_t)record.kind;
		inside = inside && record.kind != VMT_TRACE_CALLBACK_END;
		o->inside[o->n++] = inside;
		inside = inside || record.kind == VMT_TRACE_CALLBACK;
		if (record.kind == VMT_TRACE_OUTCOME)
			break;
	}
	vmt_trace_reader_close(reader);
	assert_true(o->n > 0 && o->kinds[o->n - 1] == VMT_TRACE_OUTCOME);
}

static uint64_t page_of(const struct vmt_trace_record *record)
{
	if (record->kind == VMT_TRACE_CAPTURE)
		return ((const struct vmt_trace_capture *)record->body)->page;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		return ((const struct vmt_trace_call *)record->body)->page;
	return 0;
}

/** p->again is the first @n records of p->trace. */
static void cut(struct place *p, size_t n)
{
	const struct vmt_trace_writer_options options = {
		.replace = true, .level = -1, .same_thread = true};
	struct vmt_trace_writer *writer;
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];

	vmt_assert_ok(vmt_trace_reader_open(p->trace, NULL, &reader, &err), &err);
	vmt_assert_ok(vmt_trace_writer_open(p->again, &options, &writer, &err), &err);
	for (size_t i = 0; i < n; i++) {
		struct vmt_copies copies = {0};

		assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
		record.body = vmt_body_copy(record.kind, record.body, &copies);
		assert_non_null(record.body);
		if (page_of(&record)) {
			vmt_assert_ok(vmt_trace_reader_page(reader, page_of(&record), page, &err),
				      &err);
			record.page = page;
		}
		vmt_assert_ok(vmt_trace_writer_append(writer, &record, &err), &err);
		vmt_copies_finish(&copies);
	}
	vmt_trace_reader_close(reader);
	vmt_assert_ok(vmt_trace_writer_close(writer, VMT_TRACE_END_CUT, NULL, NULL, &err), &err);
}

static void replay_cut(struct place *p, const struct vmt_replay_config *config,
		       struct vmt_replay_report *report)
{
	struct place cut_place = *p;

	memcpy(cut_place.trace, p->again, sizeof(cut_place.trace));
	replay(&cut_place, config, &test_handler, NULL, report);
}

/* -------------------------------------------------------------------------------------------- */
/* The unchanged handler                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** Cut behind each record but the last, the recording of @v is "cut", and "same" when allowed. */
static void each_cut_is_the_same(struct place *p, const struct variant *v)
{
	struct outline *o = malloc(sizeof(*o));
	struct vmt_replay_report report;
	size_t inside = 0;

	variant = *v;
	record(p, &world, &test_handler);
	look_at(p, o);
	for (size_t n = 1; n < o->n; n++) {
		struct vmt_replay_config config = {.allow_cut = true};

		cut(p, n);
		replay_cut(p, NULL, &report);
		assert_verdict(&report, VMT_VERDICT_CUT);
		for (config.match = VMT_REPLAY_MODEL; config.match <= VMT_REPLAY_STRICT;
		     config.match++) {
			replay_cut(p, &config, &report);
			if (report.verdict != VMT_VERDICT_SAME)
				print_message("cut behind record %zu of %zu\n", n, o->n);
			assert_verdict(&report, VMT_VERDICT_SAME);
			assert_false(report.complete);
			assert_int_equal(report.stop, VMT_STOPPED_BY_CUT);
			assert_int_equal(report.differences, 0);
			assert_int_equal(report.misses, 0);
			assert_int_equal(report.blind, 0);
		}
		inside += o->inside[n];
	}
	assert_true(inside > 10);
	free(o);
}

static void a_trace_cut_anywhere_is_judged_by_what_is_there(void **state)
{
	each_cut_is_the_same(*state, &before);
}

static void so_is_one_of_shadow_pages_and_allocated_ones(void **state)
{
	struct variant v = before;

	v.method = SHADOW;
	v.alloc = true;
	v.also_read = OTHER;
	v.watch_page = DATA;
	each_cut_is_the_same(*state, &v);
}

static void so_is_one_whose_handler_finished(void **state)
{
	struct variant v = before;

	v.finish_after = 4;
	each_cut_is_the_same(*state, &v);
}

/** To fail as the recorded handler did is the same, also where the trace ends before that. */
static void so_is_one_whose_handler_failed(void **state)
{
	struct variant v = before;

	v.fail_at = 4;
	each_cut_is_the_same(*state, &v);
}

/* -------------------------------------------------------------------------------------------- */
/* Changed handlers                                                                             */
/* -------------------------------------------------------------------------------------------- */

/** Where the first callback that has an emission ends, as a number of records. */
static size_t behind_first_emission(const struct outline *o)
{
	size_t n = 0;

	while (n < o->n && o->kinds[n] != VMT_TRACE_EMISSION)
		n++;
	while (n < o->n && o->kinds[n] != VMT_TRACE_CALLBACK_END)
		n++;
	assert_true(n < o->n);
	return n + 1;
}

static void a_difference_before_the_cut_is_found_and_none_is_made_up_before_it(void **state)
{
	struct place *p = *state;
	struct vmt_replay_config config = {.allow_cut = true};
	struct vmt_replay_report report;
	struct outline *o = malloc(sizeof(*o));
	size_t there;

	variant = before;
	record(p, &world, &test_handler);
	look_at(p, o);
	there = behind_first_emission(o);
	variant.other_emission = true;
	for (size_t n = 1; n < o->n; n++) {
		cut(p, n);
		replay_cut(p, &config, &report);
		assert_verdict(&report, n < there ? VMT_VERDICT_SAME : VMT_VERDICT_DIFFERENT);
		if (n < there)
			continue;
		assert_int_equal(report.first.event, 0);
		assert_string_equal(report.first.recorded, "hit rip=0x1010 rax=0 word=0");
		assert_string_equal(report.first.replayed, "hit rip=0x1010 rax=0 word=0x1");
	}
	free(o);
}

static void a_failure_in_a_callback_that_is_cut_is_none_of_the_handlers(void **state)
{
	struct place *p = *state;
	struct vmt_replay_config config = {.allow_cut = true};
	struct vmt_replay_report report;
	struct outline *o = malloc(sizeof(*o));
	size_t there;

	variant = before;
	record(p, &world, &test_handler);
	look_at(p, o);
	there = behind_first_emission(o);
	/* The first event fails by itself: only its whole callback can tell that that is new. */
	variant.fail_at = 1;
	cut(p, there - 1);
	replay_cut(p, &config, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	cut(p, there);
	replay_cut(p, &config, &report);
	assert_verdict(&report, VMT_VERDICT_FAILED);
	assert_int_equal(report.differences_by[VMT_DIFFERS_END], 1);
	free(o);
}

static void a_miss_before_the_cut_is_counted_and_one_behind_it_is_not(void **state)
{
	struct place *p = *state;
	struct vmt_replay_config config = {.allow_cut = true};
	struct vmt_replay_report report;
	struct outline *o = malloc(sizeof(*o));
	size_t there;

	variant = before;
	record(p, &world, &test_handler);
	look_at(p, o);
	there = behind_first_emission(o);
	variant.also_read = OTHER;
	cut(p, there - 1);
	replay_cut(p, &config, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(report.misses, 0);
	cut(p, there);
	replay_cut(p, &config, &report);
	assert_verdict(&report, VMT_VERDICT_UNKNOWN);
	assert_int_equal(report.misses, 1);
	free(o);
}

static void crash(uint64_t event)
{
	(void)event;
	abort();
}

static void a_crash_is_one_behind_the_cut_too(void **state)
{
	struct place *p = *state;
	struct vmt_replay_run run = {.handler = &test_handler, .replay = {.allow_cut = true}};
	struct vmt_replay_report report;
	struct vmt_error err = {0};
	struct outline *o = malloc(sizeof(*o));

	variant = before;
	record(p, &world, &test_handler);
	look_at(p, o);
	cut(p, behind_first_emission(o) - 1);
	run.trace = p->again;
	vmt_assert_ok(vmt_replay_run(&run, &report, &err), &err);
	assert_verdict(&report, VMT_VERDICT_SAME);
	variant.surprise = crash;
	vmt_assert_ok(vmt_replay_run(&run, &report, &err), &err);
	assert_verdict(&report, VMT_VERDICT_FAILED);
	assert_int_equal(report.stop, VMT_STOPPED_CRASHED);
	free(o);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_trace_cut_anywhere_is_judged_by_what_is_there),
		TEST(so_is_one_of_shadow_pages_and_allocated_ones),
		TEST(so_is_one_whose_handler_finished),
		TEST(so_is_one_whose_handler_failed),
		TEST(a_difference_before_the_cut_is_found_and_none_is_made_up_before_it),
		TEST(a_failure_in_a_callback_that_is_cut_is_none_of_the_handlers),
		TEST(a_miss_before_the_cut_is_counted_and_one_behind_it_is_not),
		TEST(a_crash_is_one_behind_the_cut_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
