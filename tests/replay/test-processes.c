/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler runs in a process of its own: what becomes of the run when it crashes, leaves, hangs or
 * eats memory, and that the report tells how far it came.
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "handlers.h"
#include "support.h"

#define DATA 0x8008

static const struct vmt_step loop[] = {
	VMT_INSN_NOP(0, 0x1000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
	VMT_INSN_WRITE(0, 0x1030, DATA, "abcdefgh", 8),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1024, VMT_CR3, 0x6000),
	VMT_INSN_NOP(0, 0x1010),
};

static const struct world world = {.steps = loop, .nsteps = sizeof(loop) / sizeof(loop[0])};

/** The recording has 8 events: each breakpoint and its step, and two switches. */
static const struct variant before = {.at = {0x1010}, .data = DATA};
#define EVENTS    8
#define BAD_EVENT 5 /* from 1: the step over the second breakpoint */
#define HANG_MS   300
#define MEMORY_MB 512

/* -------------------------------------------------------------------------------------------- */
/* What a handler may do                                                                        */
/* -------------------------------------------------------------------------------------------- */

static volatile unsigned sink;

static void crash(void)
{
	/* A page that nobody may touch, so that no sanitizer finds it first. */
	volatile unsigned char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	sink = *p;
}

static void leave_with_0(void)
{
	exit(0);
}

static void loop_for_ever(void)
{
	for (;;)
		sink++;
}

/** Bounded, should nothing stop it: the machine must live. */
static void eat(void)
{
	for (unsigned mb = 0; mb < 8 * MEMORY_MB; mb += 8) {
		void *p = mmap(NULL, 8u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			abort();
		memset(p, 1, 8u << 20);
	}
}

static void leave_a_child_behind(void)
{
	if (fork() == 0) {
		alarm(60); /* should nobody end it */
		for (;;)
			pause();
	}
	abort();
}

static void (*deed)(void);
static uint64_t bad_event;

static void surprise(uint64_t event)
{
	if (event == bad_event)
		deed();
}

static void destroy_badly(void *self)
{
	(void)self;
	deed();
}

static int create_badly(struct vmt_session *s, void **self)
{
	(void)s;
	(void)self;
	deed();
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Running it                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void run_apart(struct place *p, const struct vmt_handler_ops *handler,
		      struct vmt_replay_report *report)
{
	struct vmt_replay_run run = {.trace = p->trace,
				     .handler = handler,
				     .hang_ms = deed == loop_for_ever ? HANG_MS : 0,
				     .memory_mb = MEMORY_MB};
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_replay_run(&run, report, &err), &err);
}

static void assert_text_holds(const struct vmt_replay_report *report, const char *part)
{
	char *text = vmt_replay_report_text(report);

	assert_non_null(text);
	if (!strstr(text, part))
		fail_msg("not in it: %s\n%s", part, text);
	free(text);
}

/** The handler does @what in its event BAD_EVENT; all else that the report knows is checked. */
static void do_it_in_an_event(struct place *p, void (*what)(void), struct vmt_replay_report *report)
{
	variant = before;
	record(p, &world, &test_handler);
	deed = what;
	bad_event = BAD_EVENT;
	variant.surprise = surprise;
	run_apart(p, &test_handler, report);
	assert_int_equal(report->verdict, VMT_VERDICT_FAILED);
	assert_true(report->complete);
	assert_int_equal(report->recorded_events, EVENTS);
	assert_int_equal(report->delivered, BAD_EVENT);
	assert_int_equal(report->events, BAD_EVENT);
	assert_int_equal(report->last_event, BAD_EVENT - 1);
	assert_int_equal(report->last_kind, VMT_CALLBACK_EVENT);
	/* create, a poll, and two callbacks for each event before. */
	assert_int_equal(report->last_callback, 2 * BAD_EVENT);
	assert_int_equal(report->callbacks, 2 * BAD_EVENT + 1);
	assert_int_equal(report->compared, 2 * BAD_EVENT);
	assert_int_equal(report->last_reason, VMT_EVENT_SINGLESTEP);
	assert_int_equal(report->emissions, 3);
	assert_true(report->reads[VMT_FROM_EXACT] > 0);
	assert_true(report->last_rip_known);
	assert_text_holds(report, "  in or after callback 10 (event), event 4: singlestep, vCPU 0, "
				  "rip 0x1024\n");
}

/* -------------------------------------------------------------------------------------------- */
/* Tests                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void a_crash_is_reported_with_the_place_that_it_came_to(void **state)
{
	struct vmt_replay_report report;
	char line[512];

	do_it_in_an_event(*state, crash, &report);
	assert_int_equal(report.stop, VMT_STOPPED_CRASHED);
	assert_int_equal(report.signal, SIGSEGV);
	assert_text_holds(&report, "the handler crashed: signal 11 (Segmentation fault)\n");
	assert_non_null(strstr(vmt_replay_summary(&report, line, sizeof(line)),
			       ": handler failed, stopped: crashed at event 4; 5 of 8 events"));
}

static void an_abort_is_reported_with_the_place_that_it_came_to(void **state)
{
	struct vmt_replay_report report;

	do_it_in_an_event(*state, abort, &report);
	assert_int_equal(report.stop, VMT_STOPPED_CRASHED);
	assert_int_equal(report.signal, SIGABRT);
}

static void leaving_with_status_0_is_a_failure_all_the_same(void **state)
{
	struct vmt_replay_report report;

	do_it_in_an_event(*state, leave_with_0, &report);
	assert_int_equal(report.stop, VMT_STOPPED_LEFT);
	assert_int_equal(report.exited, 0);
	assert_text_holds(&report, "the handler left its process with status 0\n");
}

static void an_endless_loop_is_ended_at_the_limit(void **state)
{
	struct vmt_replay_report report;

	do_it_in_an_event(*state, loop_for_ever, &report);
	assert_int_equal(report.stop, VMT_STOPPED_HUNG);
	assert_text_holds(&report, "the handler hung, and was killed\n");
}

static void too_much_memory_is_ended_at_the_limit(void **state)
{
	struct vmt_replay_report report;

	do_it_in_an_event(*state, eat, &report);
	assert_int_equal(report.stop, VMT_STOPPED_MEMORY);
	assert_text_holds(&report, "the handler used too much memory, and was killed\n");
}

static void a_process_that_the_handler_left_behind_holds_up_nobody(void **state)
{
	struct vmt_replay_report report;

	do_it_in_an_event(*state, leave_a_child_behind, &report);
	assert_int_equal(report.stop, VMT_STOPPED_CRASHED);
	assert_int_equal(report.signal, SIGABRT);
}

static void a_crash_in_create_is_callback_0(void **state)
{
	struct vmt_handler_ops bad = test_handler;
	struct vmt_replay_report report;

	variant = before;
	record(*state, &world, &test_handler);
	bad.create = create_badly;
	deed = crash;
	run_apart(*state, &bad, &report);
	assert_int_equal(report.verdict, VMT_VERDICT_FAILED);
	assert_int_equal(report.stop, VMT_STOPPED_CRASHED);
	assert_int_equal(report.last_callback, 0);
	assert_int_equal(report.last_event, VMT_REPLAY_NONE);
	assert_int_equal(report.recorded_events, EVENTS);
	assert_text_holds(&report, "  in or after callback 0 (create)\n");
}

static void a_loop_in_destroy_is_ended_at_the_limit(void **state)
{
	struct vmt_handler_ops bad = test_handler;
	struct vmt_replay_report report;

	variant = before;
	record(*state, &world, &test_handler);
	bad.destroy = destroy_badly;
	deed = loop_for_ever;
	run_apart(*state, &bad, &report);
	assert_int_equal(report.verdict, VMT_VERDICT_FAILED);
	assert_int_equal(report.stop, VMT_STOPPED_HUNG);
	assert_int_equal(report.last_kind, VMT_CALLBACK_CLEANUP);
	assert_int_equal(report.delivered, EVENTS);
}

/** What was found before the crash is not lost with the process. */
static void a_difference_before_the_crash_is_kept(void **state)
{
	struct place *p = *state;
	struct vmt_replay_report report;

	variant = before;
	record(p, &world, &test_handler);
	deed = crash;
	bad_event = BAD_EVENT;
	variant.surprise = surprise;
	variant.other_emission = true;
	variant.also_read = 0x9010;
	run_apart(p, &test_handler, &report);
	assert_int_equal(report.verdict, VMT_VERDICT_FAILED);
	assert_int_equal(report.differences, 2);
	assert_string_equal(report.first.what, "emission 0 (hit): word");
	assert_int_equal(report.misses, 2);
	assert_non_null(strstr(report.miss_text, "gfn 0x9"));
}

static void a_handler_that_behaves_is_the_same_in_a_process_of_its_own(void **state)
{
	struct vmt_replay_report apart;
	struct vmt_replay_report here;

	variant = before;
	record(*state, &world, &test_handler);
	run_apart(*state, &test_handler, &apart);
	replay(*state, NULL, &test_handler, NULL, &here);
	assert_verdict(&apart, VMT_VERDICT_SAME);
	assert_memory_equal(&apart, &here, sizeof(here));
}

static void a_trace_that_is_none_is_an_error_and_no_crash(void **state)
{
	struct vmt_replay_run run = {.trace = "/no/such/trace.vmt", .handler = &test_handler};
	struct vmt_replay_report report;
	struct vmt_error err = {0};

	(void)state;
	assert_int_equal(vmt_replay_run(&run, &report, &err), -VMT_E_NOT_FOUND);
	assert_int_equal(report.verdict, VMT_VERDICT_ENVIRONMENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_crash_is_reported_with_the_place_that_it_came_to),
		TEST(an_abort_is_reported_with_the_place_that_it_came_to),
		TEST(leaving_with_status_0_is_a_failure_all_the_same),
		TEST(an_endless_loop_is_ended_at_the_limit),
		TEST(too_much_memory_is_ended_at_the_limit),
		TEST(a_process_that_the_handler_left_behind_holds_up_nobody),
		TEST(a_crash_in_create_is_callback_0),
		TEST(a_loop_in_destroy_is_ended_at_the_limit),
		TEST(a_difference_before_the_crash_is_kept),
		TEST(a_handler_that_behaves_is_the_same_in_a_process_of_its_own),
		TEST(a_trace_that_is_none_is_an_error_and_no_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
