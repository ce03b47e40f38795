/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Each call of each bundled handler fails once: the session ends, says why, and leaves nothing
 * behind. What fails in the teardown is tried once more; when it fails again, that is reported and
 * the rest is still done.
 */
#include "../utils/narrow.h"
#include "seen.h"

#define AT(n) (VMT_SCRIPTED_RIP + UINT64_C(0x10) * (n))
#define DATA  UINT64_C(0x20000)

/* -------------------------------------------------------------------------------------------- */
/* Subjects                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/** A handler, what it is told, and a guest that makes it do all it can. */
struct subject {
	const char *handler;
	struct vmt_scripted_config config;
	uint32_t hidden; /**< capabilities that the domain says it lacks */
	const struct vmt_option *options;
	const struct vmt_step *steps;
	size_t nsteps;
	enum vmt_end end;
};

#define STEPS(array) .steps = (array), .nsteps = sizeof(array) / sizeof((array)[0])

static const struct vmt_step switches[] = {
	VMT_INSN_CR(0, AT(0), VMT_CR3, 0x5000), VMT_INSN_CR(1, AT(0), VMT_CR3, 0x5000),
	VMT_WORLD_IDLE(UINT64_C(6000000000)),   VMT_INSN_CR(0, 0, VMT_CR3, 0x6000),
	VMT_INSN_CR(1, 0, VMT_CR3, 0x6000),     VMT_INSN_NOP(0, 0),
};
static const struct vmt_option tiny_options[] = {{"count", "3"}, {NULL, NULL}};

static const struct vmt_step everything[] = {
	VMT_INSN_CR(0, AT(0), VMT_CR3, 0x5000),
	VMT_INSN_CR(1, AT(16), VMT_CR3, 0x5000),
	VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 1),
	VMT_INSN_INT3(0, 0),
	VMT_INSN_CPUID(0, 0, 1, 0),
	VMT_INSN_VMCALL(0, 0),
	VMT_INSN_DEBUG(0, 0, VMT_INT_HW_EXCEPTION, 1),
	VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_IDTR, 0),
	VMT_INSN_OUT(0, 0, 0x3f8, 1, 1),
	VMT_INSN_WRITE(0, 0, DATA, "\x11", 1),
	VMT_INSN_READ(1, 0, DATA, 1),
	VMT_WORLD_IDLE(UINT64_C(6000000000)),
	VMT_INSN_CPUID(0, 0, 1, 0),
	VMT_INSN_CPUID(1, 0, 1, 0),
	VMT_INSN_NOP(0, 0),
};
static const struct vmt_option events_options[] = {
	{"monitors", "cr3,msr,breakpoint,debug,singlestep,hypercall,cpuid,descriptor,io"},
	{"watch", "0x20:rw"},
	{"registers", "yes"},
	{"limit", "12"},
	{NULL, NULL},
};

static const struct vmt_step hits[] = {
	VMT_INSN_NOP(0, AT(1)),
	VMT_INSN_NOP(1, AT(1)),
	VMT_INSN_READ(0, AT(2), AT(1), 1),
	VMT_INSN_WRITE(0, AT(3), AT(8), "\x90", 1),
	VMT_INSN_INT3(0, AT(4)),
	VMT_INSN_NOP(0, AT(5)),
	VMT_WORLD_IDLE(UINT64_C(150000000)),
	VMT_INSN_NOP(0, AT(1)),
	VMT_INSN_NOP(1, AT(1)),
	VMT_INSN_NOP(0, AT(2)),
};
static const struct vmt_option breakpoint_options[] = {
	{"at", "0x1010,0x1050,0x40000000"}, /* the last one is not mapped */
	{"count", "4"},
	{NULL, NULL},
};

static const struct vmt_option cr3_options[] = {{"count", "3"}, {NULL, NULL}};

static const struct vmt_step accesses[] = {
	VMT_INSN_WRITE(0, AT(0), DATA, "\x11", 1),
	VMT_INSN_READ(1, 0, DATA, 1),
	VMT_INSN_NOP(0, AT(1)),
	VMT_WORLD_IDLE(UINT64_C(6000000000)),
	VMT_INSN_READ(0, AT(2), DATA, 1),
	VMT_INSN_WRITE(1, 0, DATA, "\x22", 1),
	VMT_INSN_WRITE(0, AT(3), DATA, "\x33", 1),
	VMT_INSN_NOP(0, AT(4)),
};
static const struct vmt_option pagewatch_options[] = {
	{"pages", "0x20:rw"}, {"after", "yes"}, {"count", "5"}, {NULL, NULL}};

#define EVENTS                                                                        \
	.handler = "events", .config = {.vcpus = 2, .xen_major = 4, .xen_minor = 21}, \
	.options = events_options, STEPS(everything), .end = VMT_END_FINISHED
#define BREAKPOINT                                                               \
	.handler = "breakpoint", .config = {.vcpus = 2, .paging = VMT_PAGING_4}, \
	.options = breakpoint_options, STEPS(hits), .end = VMT_END_FINISHED

static const struct subject tiny = {.handler = "tiny",
				    .config = {.vcpus = 2},
				    .options = tiny_options,
				    STEPS(switches),
				    .end = VMT_END_FINISHED};
static const struct subject cr3 = {.handler = "cr3",
				   .config = {.vcpus = 2},
				   .options = cr3_options,
				   STEPS(switches),
				   .end = VMT_END_FINISHED};
#define PAGEWATCH                                                                     \
	.handler = "pagewatch", .config = {.vcpus = 2}, .options = pagewatch_options, \
	STEPS(accesses), .end = VMT_END_FINISHED
static const struct subject pagewatch = {PAGEWATCH};
static const struct subject slow_pagewatch = {PAGEWATCH, .hidden = VMT_CAP_FAST_SINGLESTEP};
static const struct subject events = {EVENTS};
static const struct subject slow_events = {EVENTS, .hidden = VMT_CAP_FAST_SINGLESTEP};
static const struct subject breakpoint = {BREAKPOINT};
static const struct subject slow_breakpoint = {BREAKPOINT, .hidden = VMT_CAP_FAST_SINGLESTEP};

/* -------------------------------------------------------------------------------------------- */
/* Running one                                                                                  */
/* -------------------------------------------------------------------------------------------- */

/** Notes how many calls there were when the teardown began. */
struct watcher {
	struct vmt_observer base;
	struct vmt_driver *injector;
	bool torn_down;
	uint64_t before[VMT_CALL_OP_COUNT];
};

static void on_teardown(struct vmt_observer *o, const char *step)
{
	struct watcher *w = (struct watcher *)o;

	(void)step;
	if (w->torn_down)
		return;
	w->torn_down = true;
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++)
		w->before[op] = vmt_fault_injector_calls(w->injector, op);
}

static const struct vmt_observer_ops watcher_ops = {
	.size = sizeof(watcher_ops),
	.teardown = on_teardown,
};

struct run {
	struct vmt_driver *scripted, *driver;
	struct vmt_collector *seen;
	struct watcher watcher;
	struct vmt_outcome outcome;
	const struct vmt_fault_rule *rule;
};

static void run_session(struct run *run, const struct subject *subject)
{
	struct vmt_observer *const observers[] = {vmt_collector_observer(run->seen),
						  vmt_fault_injector_observer(run->driver),
						  &run->watcher.base};
	struct vmt_session_config config = {.driver = run->driver,
					    .observers = observers,
					    .nobservers = 3,
					    .options = subject->options};
	struct vmt_loaded_handler handler;
	struct vmt_session *s;
	struct vmt_error err;

	while (subject->options[config.noptions].name)
		config.noptions++;
	vmt_assert_ok(vmt_handler_load(subject->handler, &handler, &err), &err);
	config.handler = handler.ops;
	if (vmt_session_create(&config, &s, &run->outcome.error) < 0)
		return;
	vmt_session_run(s, &run->outcome);
	vmt_session_destroy(s);
}

/** Run @subject with @rule (NULL: without a fault). run_finish() follows. */
static void run_init(struct run *run, const struct subject *subject,
		     const struct vmt_fault_rule *rule)
{
	struct vmt_driver *inner;
	struct vmt_error err;

	memset(run, 0, sizeof(*run));
	run->rule = rule;
	vmt_assert_ok(vmt_scripted_create(&subject->config, &run->scripted, &err), &err);
	vmt_assert_ok(vmt_scripted_play(run->scripted, subject->steps, subject->nsteps, &err),
		      &err);
	inner = narrow(run->scripted, subject->hidden);
	assert_non_null(inner);
	vmt_assert_ok(vmt_fault_injector_create(inner, 0, &run->driver, &err), &err);
	vmt_assert_ok(vmt_collector_create(&run->seen, &err), &err);
	run->watcher.base.ops = &watcher_ops;
	run->watcher.injector = run->driver;
	if (rule)
		assert_int_equal(vmt_fault_injector_add(run->driver, rule), 0);
	run_session(run, subject);
}

static void run_finish(struct run *run)
{
	vmt_collector_destroy(run->seen);
	vmt_driver_close(run->driver);
}

/** Fail the test with what happened. */
static void run_wrong(struct run *run, const char *what)
{
	char error[512], teardown[512];
	char *text = vmt_collector_text(run->seen);

	fail_msg("%s %llu of %s%s: %s\nend: %s\nerror: %s\nteardown: %s\n%s",
		 run->rule->done_anyway ? "done, then failed," : "failed call",
		 (unsigned long long)run->rule->nth, vmt_call_name(run->rule->op),
		 run->rule->times > 1 ? " and after" : "", what, vmt_end_name(run->outcome.end),
		 vmt_error_format(&run->outcome.error, error, sizeof(error)),
		 vmt_error_format(&run->outcome.teardown, teardown, sizeof(teardown)),
		 text ? text : "");
}

/** @err is the fault: it has the call's name, its cause, and a place. */
static void check_names_the_fault(struct run *run, const struct vmt_error *err)
{
	if (!strstr(err->text, vmt_call_name(run->rule->op)))
		run_wrong(run, "the message does not name the call");
	if (!strstr(err->text, "injected fault"))
		run_wrong(run, "the message does not name the cause");
	if (!err->place[0])
		run_wrong(run, "the message names no place");
}

static void check_clean(struct run *run)
{
	struct vmt_leftovers left;
	char text[256];

	if (vmt_scripted_leftovers(run->scripted, &left) != 0)
		run_wrong(run, vmt_leftovers_format(&left, text, sizeof(text)));
}

/* -------------------------------------------------------------------------------------------- */
/* Each call fails once                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void check_failed_once(struct run *run, const struct subject *subject, bool in_teardown)
{
	check_clean(run);
	if (vmt_fault_injector_struck(run->driver) != 1)
		run_wrong(run, "the call was not made");
	/* An answer that is refused in the drain is replaced by the default answer, and reported. */
	if (run->outcome.teardown_failures > 0 && run->rule->op != VMT_CALL_ANSWER)
		run_wrong(run, "the teardown did not try again");
	if (in_teardown) {
		if (run->outcome.end != subject->end)
			run_wrong(run, "the teardown changed how the session ended");
		return;
	}
	if (run->outcome.error.status == VMT_OK)
		run_wrong(run, "the failure was not reported");
	check_names_the_fault(run, &run->outcome.error);
}

/** Calls that are not the same when they are done again: no driver may do one and say it failed. */
static bool is_counted(unsigned op)
{
	return op == VMT_CALL_NEXT || op == VMT_CALL_ANSWER || op == VMT_CALL_PAUSE ||
	       op == VMT_CALL_RESUME;
}

/** Let each call of the baseline fail, one in each run. Returns how many runs that were. */
static size_t strike_each(const struct subject *subject, bool done_anyway)
{
	struct run baseline;
	size_t runs = 0;

	run_init(&baseline, subject, NULL);
	vmt_assert_ended(&baseline.outcome, subject->end);
	vmt_assert_clean(baseline.scripted);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		uint64_t n = vmt_fault_injector_calls(baseline.driver, op);

		if (done_anyway && is_counted(op))
			continue;
		for (uint64_t nth = 1; nth <= n; nth++, runs++) {
			const struct vmt_fault_rule rule = {
				.op = op, .nth = nth, .done_anyway = done_anyway};
			struct run run;

			run_init(&run, subject, &rule);
			check_failed_once(&run, subject, nth > baseline.watcher.before[op]);
			run_finish(&run);
		}
	}
	run_finish(&baseline);
	return runs;
}

/* -------------------------------------------------------------------------------------------- */
/* Teardown calls fail twice                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void check_failed_twice(struct run *run, const struct subject *subject)
{
	static const char *const steps[] = {"pause",  "cleanup", "reset",  "drain",
					    "commit", "resume",  "settle", "detach"};

	if (run->outcome.end != subject->end)
		run_wrong(run, "the teardown changed how the session ended");
	if (run->outcome.teardown_failures == 0)
		run_wrong(run, "the failure was not reported");
	check_names_the_fault(run, &run->outcome.teardown);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		/* A pause that was never had needs no resume. */
		bool begun = run->rule->op == VMT_CALL_PAUSE && strcmp(steps[i], "resume") == 0;

		for (size_t j = 0; j < vmt_collector_nsteps(run->seen); j++)
			begun |= strcmp(vmt_collector_step(run->seen, j), steps[i]) == 0;
		if (!begun)
			run_wrong(run, steps[i]);
	}
}

static size_t strike_teardown_twice(const struct subject *subject)
{
	struct run baseline;
	size_t runs = 0;

	run_init(&baseline, subject, NULL);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		uint64_t n = vmt_fault_injector_calls(baseline.driver, op);

		for (uint64_t nth = baseline.watcher.before[op] + 1; nth <= n; nth++, runs++) {
			const struct vmt_fault_rule rule = {.op = op, .nth = nth, .times = 2};
			struct run run;

			run_init(&run, subject, &rule);
			check_failed_twice(&run, subject);
			run_finish(&run);
		}
	}
	run_finish(&baseline);
	return runs;
}

/* -------------------------------------------------------------------------------------------- */
/* A call fails for good                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** From the n-th call on all of that kind fail: the session still ends, and says so. */
static size_t strike_for_good(const struct subject *subject)
{
	struct run baseline;
	size_t runs = 0;

	run_init(&baseline, subject, NULL);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		uint64_t n = vmt_fault_injector_calls(baseline.driver, op);

		for (uint64_t nth = 1; nth <= n; nth++, runs++) {
			const struct vmt_fault_rule rule = {
				.op = op, .nth = nth, .times = VMT_STRIKE_ALWAYS};
			struct run run;

			run_init(&run, subject, &rule);
			if (run.outcome.error.status != VMT_OK)
				check_names_the_fault(&run, &run.outcome.error);
			else if (run.outcome.teardown_failures > 0)
				check_names_the_fault(&run, &run.outcome.teardown);
			else
				run_wrong(&run, "the failure was not reported");
			run_finish(&run);
		}
	}
	run_finish(&baseline);
	return runs;
}

#define SUBJECTS(F) \
	F(tiny)     \
	F(cr3)      \
	F(events) F(slow_events) F(breakpoint) F(slow_breakpoint) F(pagewatch) F(slow_pagewatch)

#define FUNCTIONS(name)                                          \
	static void once_##name(void **state)                    \
	{                                                        \
		(void)state;                                     \
		assert_true(strike_each(&(name), false) > 20);   \
	}                                                        \
	static void anyway_##name(void **state)                  \
	{                                                        \
		(void)state;                                     \
		assert_true(strike_each(&(name), true) > 10);    \
	}                                                        \
	static void twice_##name(void **state)                   \
	{                                                        \
		(void)state;                                     \
		assert_true(strike_teardown_twice(&(name)) > 5); \
	}                                                        \
	static void good_##name(void **state)                    \
	{                                                        \
		(void)state;                                     \
		assert_true(strike_for_good(&(name)) > 20);      \
	}

#define ROW(name, text) {text, name, NULL, NULL, NULL},
#define ROWS(name)                                                                    \
	ROW(once_##name, #name "_ends_cleanly_whichever_call_fails")                  \
	ROW(anyway_##name, #name "_ends_cleanly_whichever_call_fails_after_the_fact") \
	ROW(twice_##name, #name "_reports_what_fails_twice_in_the_teardown")          \
	ROW(good_##name, #name "_ends_whichever_call_fails_for_good")

SUBJECTS(FUNCTIONS)

int main(void)
{
	const struct CMUnitTest tests[] = {SUBJECTS(ROWS)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
