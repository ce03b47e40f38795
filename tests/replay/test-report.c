/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What people read: the whole text of the report and the summary line, for each way in which a run
 * can come out; and the place in which a debugger stops.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handlers.h"
#include "support.h"

#define DATA  0x8008
#define OTHER 0x9010

static const struct vmt_step loop[] = {
	VMT_INSN_NOP(0, 0x1000),
	VMT_INSN_NOP(0, 0x1010),
	VMT_INSN_CR(0, 0x1020, VMT_CR3, 0x5000),
	VMT_INSN_WRITE(0, 0x1030, DATA, "abcdefgh", 8),
	VMT_INSN_NOP(0, 0x1010),
};

static const struct world world = {.steps = loop, .nsteps = sizeof(loop) / sizeof(loop[0])};
static const struct variant before = {.at = {0x1010}, .data = DATA};

/** The report's text is @text; the trace, whose name changes, is called x.vmt. */
static void assert_text(struct vmt_replay_report *report, const char *expected)
{
	const size_t len = strlen(report->trace);
	char *text;
	char *at;
	char path[sizeof(report->trace)];

	memcpy(path, report->trace, sizeof(path));
	text = vmt_replay_report_text(report);
	assert_non_null(text);
	while ((at = strstr(text, path))) {
		memcpy(at, "x.vmt", 5);
		memmove(at + 5, at + len, strlen(at + len) + 1);
	}
	assert_string_equal(text, expected);
	free(text);
}

/** The summary is @expected behind the trace's name, and is cut where there is no room. */
static void assert_summary(const struct vmt_replay_report *report, const char *expected)
{
	const size_t len = strlen(report->trace);
	char line[512];
	char small[8];

	assert_ptr_equal(vmt_replay_summary(report, line, sizeof(line)), line);
	assert_memory_equal(line, report->trace, len);
	assert_string_equal(line + len, expected);
	vmt_replay_summary(report, small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
	assert_memory_equal(small, line, sizeof(small) - 1);
}

static void change(struct place *p, const struct variant *now, struct vmt_replay_report *report)
{
	variant = before;
	record(p, &world, &test_handler);
	variant = *now;
	replay(p, NULL, &test_handler, NULL, report);
}

/* -------------------------------------------------------------------------------------------- */
/* Reports                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void the_same_is_told_in_two_lines(void **state)
{
	struct vmt_replay_report report;

	change(*state, &before, &report);
	assert_text(&report,
		    "reads: 3 exact\n"
		    "x.vmt: same; "
		    "5 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 0 differences\n");
	assert_summary(&report,
		       ": same; "
		       "5 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 0 differences");
}

static void another_emission_is_shown_beside_the_recorded_one(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.other_emission = true;
	change(*state, &now, &report);
	assert_text(&report,
		    "first difference: emission 0 (hit): word\n"
		    "  at        recorded callback 2 (event), event 0, 2000 ns\n"
		    "  event     vcpu 0 view 0 rip 0x1010 interrupt gfn 0x1 vector 3 sw-exception\n"
		    "  recorded  hit rip=0x1010 rax=0 word=0\n"
		    "  replayed  hit rip=0x1010 rax=0 word=0x1\n"
		    "  calls of this callback (- only recorded, + only replayed)\n"
		    "        read(gfn 0x8, offset 8, length 8)\n"
		    "        write(gfn 0x1, offset 16, length 1)\n"
		    "  weakest bytes served to this callback: exact\n"
		    "  to see more:   vmitrace show --event 0 x.vmt\n"
		    "reads: 3 exact\n"
		    "x.vmt: different (emission at callback 2); "
		    "5 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 2 differences\n");
	assert_summary(&report,
		       ": different (emission at callback 2); "
		       "5 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 2 differences");
}

static void another_response_is_shown_with_its_effect_and_ends_the_run(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.set_rax = 0x1234;
	change(*state, &now, &report);
	assert_text(&report,
		    "first difference: the response\n"
		    "  at        recorded callback 2 (event), event 0, 2000 ns\n"
		    "  event     vcpu 0 view 0 rip 0x1010 interrupt gfn 0x1 vector 3 sw-exception\n"
		    "  recorded  singlestep: goes on, rax 0\n"
		    "  replayed  singlestep regs: goes on, rax 0x1234\n"
		    "  calls of this callback (- only recorded, + only replayed)\n"
		    "        read(gfn 0x8, offset 8, length 8)\n"
		    "        write(gfn 0x1, offset 16, length 1)\n"
		    "  weakest bytes served to this callback: exact\n"
		    "  the run ended here: the recorded future is not this handler's\n"
		    "  to see more:   vmitrace show --event 0 x.vmt\n"
		    "reads: 2 exact\n"
		    "x.vmt: different (response at callback 2), stopped: at the difference; "
		    "1 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 1 differences\n");
	assert_summary(&report,
		       ": different (response at callback 2), stopped: at the difference; "
		       "1 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 1 differences");
}

static void a_miss_tells_what_would_have_prevented_it(void **state)
{
	struct place *p = *state;
	struct world reads = world;
	struct variant now = before;
	struct vmt_replay_report report;

	/* Of the page that is recorded, other bytes are read: the whole page would have had them. */
	reads.capture = VMT_CAPTURE_READS;
	variant = before;
	record(p, &reads, &test_handler);
	now.also_read = DATA + 64;
	now.other_emission = true;
	variant = now;
	replay(p, NULL, &test_handler, NULL, &report);
	assert_text(
		&report,
		"first difference: emission 0 (hit): word\n"
		"  at        recorded callback 2 (event), event 0, 2000 ns\n"
		"  event     vcpu 0 view 0 rip 0x1010 interrupt gfn 0x1 vector 3 sw-exception\n"
		"  recorded  hit rip=0x1010 rax=0 word=0\n"
		"  replayed  hit rip=0x1010 rax=0 word=0x1\n"
		"  calls of this callback (- only recorded, + only replayed)\n"
		"        read(gfn 0x8, offset 8, length 8)\n"
		"      + read(gfn 0x8, offset 72, length 8): not recorded\n"
		"        write(gfn 0x1, offset 16, length 1)\n"
		"  weakest bytes served to this callback: missing\n"
		"  to prevent it: record again with `--capture pages`: 1 of 1 misses\n"
		"  to see more:   vmitrace show --event 0 x.vmt\n"
		"not recorded: 2 times; first: read(gfn 0x8, offset 72, length 8) in callback 2 (event)\n"
		"  with `--capture pages` the trace would hold 2 of them\n"
		"reads: 3 exact, 2 missing\n"
		"x.vmt: could not judge (emission at callback 2); "
		"5 of 5 events delivered, 0 suppressed, 0 blind, 2 misses, 2 differences\n");
	assert_summary(&report,
		       ": could not judge (emission at callback 2); "
		       "5 of 5 events delivered, 0 suppressed, 0 blind, 2 misses, 2 differences");
}

static void a_blind_trap_is_named_with_what_to_do(void **state)
{
	struct variant now = before;
	struct vmt_replay_report report;

	now.at[1] = 0x1050;
	change(*state, &now, &report);
	assert_text(
		&report,
		"blind: breakpoint at gpa 0x1050, since callback 0; 1 at most at once\n"
		"  what the guest did there is not in the trace: record again with this handler\n"
		"reads: 4 exact\n"
		"x.vmt: could not judge; "
		"5 of 5 events delivered, 0 suppressed, 1 blind, 0 misses, 0 differences\n");
	assert_summary(&report,
		       ": could not judge; "
		       "5 of 5 events delivered, 0 suppressed, 1 blind, 0 misses, 0 differences");
}

static void crash_in_the_third(uint64_t event)
{
	if (event == 3)
		abort();
}

static void a_crashed_handler_is_told_with_the_place_that_it_came_to(void **state)
{
	struct place *p = *state;
	struct vmt_replay_run run = {.trace = p->trace, .handler = &test_handler};
	struct vmt_replay_report report;
	struct vmt_error err = {0};

	variant = before;
	record(p, &world, &test_handler);
	variant.surprise = crash_in_the_third;
	vmt_assert_ok(vmt_replay_run(&run, &report, &err), &err);
	assert_text(&report,
		    "the handler crashed: signal 6 (Aborted)\n"
		    "  in or after callback 6 (event), event 2: write-cr, vCPU 0, rip 0x1020\n"
		    "reads: 2 exact\n"
		    "x.vmt: handler failed, stopped: crashed at event 2; "
		    "3 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 0 differences\n");
	assert_summary(&report,
		       ": handler failed, stopped: crashed at event 2; "
		       "3 of 5 events delivered, 0 suppressed, 0 blind, 0 misses, 0 differences");
}

/* -------------------------------------------------------------------------------------------- */
/* Without isolation                                                                            */
/* -------------------------------------------------------------------------------------------- */

/** What the handler came to in this process; a child has its own. */
static volatile sig_atomic_t events_seen;
static pid_t ran_in;

static void count(uint64_t event)
{
	events_seen = (sig_atomic_t)event;
	ran_in = getpid();
}

static void without_isolation_the_handler_runs_in_this_process(void **state)
{
	struct place *p = *state;
	struct vmt_replay_run run = {.trace = p->trace, .handler = &test_handler};
	struct vmt_replay_report report;
	struct vmt_error err = {0};

	variant = before;
	record(p, &world, &test_handler);
	variant.surprise = count;
	ran_in = 0;
	vmt_assert_ok(vmt_replay_run(&run, &report, &err), &err);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(ran_in, 0);
	run.no_isolation = true;
	vmt_assert_ok(vmt_replay_run(&run, &report, &err), &err);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(ran_in, getpid());
	assert_int_equal(events_seen, report.recorded_events);
}

/** A debugger of sorts: tells which events the handler had seen when it was stopped. */
static void on_trap(int signal)
{
	(void)signal;
	_exit(100 + events_seen);
}

/** The exit status of a child that replays with a break at @event; 0: it was not stopped. */
static int run_to(const struct place *p, uint64_t event, bool catches)
{
	struct vmt_replay_run run = {.trace = p->trace,
				     .handler = &test_handler,
				     .no_isolation = true,
				     .replay = {.breaks = true, .break_event = event}};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct vmt_replay_report report;
		struct vmt_error err = {0};

		(void)signal(SIGTRAP, catches ? on_trap : SIG_DFL);
		events_seen = 0;
		_exit(vmt_replay_run(&run, &report, &err) < 0 ||
		      report.verdict != VMT_VERDICT_SAME);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void a_break_stops_before_the_handler_sees_that_event(void **state)
{
	struct place *p = *state;
	int status;

	variant = before;
	record(p, &world, &test_handler);
	variant.surprise = count;
	for (uint64_t event = 0; event < 5; event++) {
		status = run_to(p, event, true);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 100 + event);
	}
	status = run_to(p, 2, false);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTRAP);
	status = run_to(p, 5, true); /* there is no such event */
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_same_is_told_in_two_lines),
		TEST(another_emission_is_shown_beside_the_recorded_one),
		TEST(another_response_is_shown_with_its_effect_and_ends_the_run),
		TEST(a_miss_tells_what_would_have_prevented_it),
		TEST(a_blind_trap_is_named_with_what_to_do),
		TEST(a_crashed_handler_is_told_with_the_place_that_it_came_to),
		TEST(without_isolation_the_handler_runs_in_this_process),
		TEST(a_break_stops_before_the_handler_sees_that_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
