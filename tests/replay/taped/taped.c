/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every session of a test program, recorded, replayed, and recorded again.
 *
 * This is linked into test programs that know nothing of it: the linker leads their calls of
 * vmt_session_create and _destroy here (--wrap). At create a child is forked off, which has the
 * handler and all that it refers to as they are before the session. The session itself then runs
 * with a recorder around its driver. At destroy the trace is whole, and the child replays the
 * handler over it, each time in a fork of its own: the verdict must be "same", each event
 * delivered, no call answered by the model, and both digests of the new recording those of the old.
 *
 * The test notices nothing: what its driver sees is exactly what the session asks (see quiet.h).
 *
 * TAPED_CAPTURE is the policy of capture, TAPED_SHOW=1 tells of each session. TAPED_WITHOUT names
 * tests that are left out, with blanks between: those whose handlers are not the same in a fork.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmitape/dry-run.h>
#include <vmitape/record.h>
#include <vmitape/replay.h>
#include <vmitape/run.h>
#include <vmitape/test.h>
#include <vmitape/trace.h>

#include "quiet.h"
#include "tee.h"

int real_create(const struct vmt_session_config *config, struct vmt_session **session,
		struct vmt_error *err) __asm__("__real_vmt_session_create");
int taped_create(const struct vmt_session_config *config, struct vmt_session **session,
		 struct vmt_error *err) __asm__("__wrap_vmt_session_create");
void real_destroy(struct vmt_session *session) __asm__("__real_vmt_session_destroy");
void taped_destroy(struct vmt_session *session) __asm__("__wrap_vmt_session_destroy");

int real_group(const char *name, const struct CMUnitTest *tests, size_t n, CMFixtureFunction set_up,
	       CMFixtureFunction tear_down) __asm__("__real__cmocka_run_group_tests");
int taped_group(const char *name, const struct CMUnitTest *tests, size_t n,
		CMFixtureFunction set_up,
		CMFixtureFunction tear_down) __asm__("__wrap__cmocka_run_group_tests");

#define SECONDS_MAX 60

/** A session that is being recorded. */
struct tape {
	struct tape *next;
	struct vmt_session *session;
	struct quiet *quiet;
	struct vmt_driver *recorder;
	struct vmt_trace_writer *writer;
	struct vmt_observer *observers[VMT_OBSERVERS_MAX];
	struct vmt_session_config config; /**< as the test gave it */
	struct vmt_session **place;       /**< where the test wants to have its session */
	char folder[48], trace[64], again[64];
	pid_t child;
	int tell; /**< to the child: the trace is there */
};

static struct tape *tapes;
static struct tape *replayed; /**< in the child: what it replays */
static int failures;

/* -------------------------------------------------------------------------------------------- */
/* Showing what is wrong                                                                        */
/* -------------------------------------------------------------------------------------------- */

struct line {
	char text[1024];
	size_t len;
};

static int put(void *context, const char *text, size_t len)
{
	struct line *line = context;
	size_t room = sizeof(line->text) - 1 - line->len;

	memcpy(line->text + line->len, text, len < room ? len : room);
	line->len += len < room ? len : room;
	return 0;
}

static bool next_line(struct vmt_trace_reader *reader, struct line *line)
{
	struct vmt_trace_record record;

	memset(line, 0, sizeof(*line));
	if (vmt_trace_reader_next(reader, &record, NULL) != 1)
		return false;
	vmt_trace_record_json(&record, put, line);
	return true;
}

/** The records of the trace around @at, or from the first that the two do not have in common. */
static void show_traces(const struct tape *t)
{
	struct vmt_trace_reader *a = NULL;
	struct vmt_trace_reader *b = NULL;
	struct line la;
	struct line lb;
	bool more_a = vmt_trace_reader_open(t->trace, NULL, &a, NULL) == 0;
	bool more_b = vmt_trace_reader_open(t->again, NULL, &b, NULL) == 0;

	while (more_a && more_b) {
		more_a = next_line(a, &la);
		more_b = next_line(b, &lb);
		if (more_a != more_b || strcmp(la.text, lb.text) != 0) {
			fprintf(stderr, "# recorded: %s\n# again:    %s\n", la.text, lb.text);
			break;
		}
	}
	vmt_trace_reader_close(a);
	vmt_trace_reader_close(b);
}

static void complain(const struct tape *t, const struct vmt_replay_report *report, const char *what)
{
	char *text = vmt_replay_report_text(report);

	fprintf(stderr, "# taped: handler '%s': %s\n%s", t->config.handler->name, what, text);
	free(text);
}

/* -------------------------------------------------------------------------------------------- */
/* In the child: replaying                                                                      */
/* -------------------------------------------------------------------------------------------- */

struct again {
	const struct tape *tape;
	bool record;
	struct tee tee;
	struct vmt_trace_writer *writer;
	struct vmt_driver *recorder;
};

/** Says which pages a step touches, for the policy `context`. One serves all sessions. */
static struct vmt_dry_run *dry_run(void)
{
	static struct vmt_dry_run *dry;

	if (!dry)
		(void)vmt_dry_run_create(&dry, NULL);
	return dry;
}

/** The stops of the session that was recorded are in there: forks share what a descriptor holds. */
static void forget_stops(struct vmt_driver *truth)
{
	struct pollfd fd = {.fd = truth ? vmt_driver_stop_fd(truth) : -1, .events = POLLIN};
	uint64_t count;

	if (fd.fd >= 0 && poll(&fd, 1, 0) > 0 && read(fd.fd, &count, sizeof(count)) < 0)
		fprintf(stderr, "# taped: a stop stays\n");
}

static int open_again(void *arg, struct vmt_driver *inner, struct vmt_driver **outer,
		      struct vmt_observer **observer, struct vmt_error *err)
{
	static const struct vmt_trace_writer_options options = {.same_thread = true, .level = -1};
	struct again *a = arg;
	struct vmt_driver *truth = quiet_truth(a->tape->config.driver);
	const struct vmt_replay_origin *origin = vmt_replay_origin(inner);
	struct vmt_recorder_config config = {
		.capture = (uint8_t)origin->policy,
		.tool = origin->tool,
		.timeout_ms = origin->timeout_ms,
		.settle_ms = origin->settle_ms,
		.drain_max = origin->drain_max,
		.context = vmt_dry_run_pages,
		.context_arg = dry_run(),
	};
	int r;

	forget_stops(truth);
	*outer = &a->tee.base.driver;
	tee_init(&a->tee, inner, truth);
	if (!a->record)
		return 0;
	r = vmt_trace_writer_open(a->tape->again, &options, &a->writer, err);
	config.writer = a->writer;
	if (r == 0)
		r = vmt_recorder_create(inner, &config, &a->recorder, err);
	if (r < 0)
		return r;
	tee_init(&a->tee, a->recorder, truth);
	*observer = vmt_recorder_observer(a->recorder);
	return 0;
}

static int close_again(void *arg, const struct vmt_replay_report *report, struct vmt_error *err)
{
	struct again *a = arg;

	(void)report;
	if (!a->record)
		return 0;
	if (vmt_recorder_error(a->recorder)->status != VMT_OK) {
		*err = *vmt_recorder_error(a->recorder);
		return -err->status;
	}
	return vmt_trace_writer_close(a->writer, VMT_TRACE_END_OVER, NULL, NULL, err);
}

static bool digests_of(const char *path, struct vmt_trace_digests *digests)
{
	static const struct vmt_trace_reader_options options = {.digests = true};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_state state;

	if (vmt_trace_reader_open(path, &options, &reader, NULL) < 0)
		return false;
	while (vmt_trace_reader_next(reader, &record, NULL) == 1)
		;
	vmt_trace_reader_state(reader, &state);
	vmt_trace_reader_close(reader);
	*digests = state.digests;
	return digests->known && state.footer;
}

/** 0, or the status with which the process leaves. */
static int judge(const struct tape *t, const struct vmt_replay_report *report, bool recorded_again)
{
	struct vmt_trace_digests old;
	struct vmt_trace_digests new;

	if (report->verdict != VMT_VERDICT_SAME || !report->same_end ||
	    report->delivered != report->recorded_events || report->modelled > 0) {
		complain(t, report,
			 recorded_again ? "recorded again, not the same" : "not the same");
		return 3;
	}
	if (!recorded_again)
		return 0;
	if (!digests_of(t->trace, &old) || !digests_of(t->again, &new)) {
		complain(t, report, "a trace has no digests");
		return 4;
	}
	if (memcmp(&old, &new, sizeof(old)) == 0)
		return 0;
	complain(t, report,
		 memcmp(old.behaviour, new.behaviour, 16) == 0 ? "another record digest"
							       : "another behaviour digest");
	show_traces(t);
	return 5;
}

static int replay_once(const struct tape *t, uint32_t match, bool record_again)
{
	struct again again = {.tape = t, .record = record_again};
	const struct vmt_replay_hook hook = {open_again, close_again, &again};
	struct vmt_replay_run run = {
		.trace = t->trace,
		.handler = t->config.handler,
		.replay = {.match = match},
		.observers = t->config.observers,
		.nobservers = t->config.nobservers,
		.no_isolation = true,
		.hook = &hook,
	};
	struct vmt_replay_report report;
	struct vmt_error err = {0};

	if (vmt_replay_run(&run, &report, &err) < 0) {
		fprintf(stderr, "# taped: handler '%s' cannot be replayed: %s: %s\n",
			t->config.handler->name, err.place, err.text);
		return 2;
	}
	if (again.tee.differences > 0) {
		complain(t, &report, again.tee.first);
		return 8;
	}
	return judge(t, &report, record_again);
}

static int in_a_fork(const struct tape *t, uint32_t match, bool record_again)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		alarm(SECONDS_MAX);
		_exit(replay_once(t, match, record_again));
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 6;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	fprintf(stderr, "# taped: handler '%s' got signal %d in its replay\n",
		t->config.handler->name, WTERMSIG(status));
	return 7;
}

static void be_child(struct tape *t, int told)
{
	static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGABRT};
	char go;
	int status;

	replayed = t;
	/* An assertion that fails in the handler ends its process, and not the test. */
	(void)setenv("CMOCKA_TEST_ABORT", "1", 1);
	for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		(void)signal(deadly[i], SIG_DFL);
	if (read(told, &go, 1) != 1 || go != 'g')
		_exit(0);
	status = in_a_fork(t, VMT_REPLAY_MODEL, false);
	if (status == 0)
		status = in_a_fork(t, VMT_REPLAY_STRICT, true);
	_exit(status);
}

/* -------------------------------------------------------------------------------------------- */
/* In the test: recording                                                                       */
/* -------------------------------------------------------------------------------------------- */

static bool fork_child(struct tape *t)
{
	int ends[2];

	if (pipe(ends) < 0)
		return false;
	(void)fflush(NULL);
	t->child = fork();
	if (t->child == 0) {
		close(ends[1]);
		be_child(t, ends[0]);
	}
	close(ends[0]);
	t->tell = ends[1];
	return t->child > 0;
}

static bool open_tape(struct tape *t)
{
	static const struct vmt_trace_writer_options options = {.same_thread = true, .level = -1};
	const char *capture = getenv("TAPED_CAPTURE");
	struct vmt_recorder_config config = {
		.capture = (uint8_t)(capture ? vmt_capture_find(capture) : VMT_CAPTURE_PAGES),
		.tool = "taped",
		.timeout_ms = t->config.timeout_ms,
		.settle_ms = t->config.settle_ms,
		.drain_max = t->config.drain_max,
		.context = vmt_dry_run_pages,
		.context_arg = dry_run(),
	};

	strcpy(t->folder, "/tmp/vmitape-taped-XXXXXX");
	if (!mkdtemp(t->folder))
		return false;
	(void)snprintf(t->trace, sizeof(t->trace), "%s/x.vmt", t->folder);
	(void)snprintf(t->again, sizeof(t->again), "%s/again.vmt", t->folder);
	if (!fork_child(t) || vmt_trace_writer_open(t->trace, &options, &config.writer, NULL) < 0)
		return false;
	t->writer = config.writer;
	t->quiet = quiet_create(t->config.driver);
	return vmt_recorder_create(quiet_inner(t->quiet), &config, &t->recorder, NULL) == 0;
}

static void close_tape(struct tape *t)
{
	(void)unlink(t->trace);
	(void)unlink(t->again);
	(void)rmdir(t->folder);
	free(t);
}

/** The recording is over: let the child judge it. Returns its status. */
static int finish_tape(struct tape *t, bool began)
{
	const struct vmt_error *lost = vmt_recorder_error(t->recorder);
	struct vmt_error err = {0};
	char go = 'g';
	int status = 0;

	if (lost->status != VMT_OK) {
		fprintf(stderr, "# taped: not recorded: %s: %s\n", lost->place, lost->text);
		began = false;
	}
	if (!began) {
		vmt_trace_writer_abandon(t->writer);
		(void)strncat(t->trace, ".partial", sizeof(t->trace) - strlen(t->trace) - 1);
		go = 'n';
	} else if (vmt_trace_writer_close(t->writer, VMT_TRACE_END_OVER, NULL, NULL, &err) < 0) {
		fprintf(stderr, "# taped: %s: %s\n", err.place, err.text);
		go = 'n';
	}
	vmt_driver_close(t->recorder);
	quiet_destroy(t->quiet);
	if (write(t->tell, &go, 1) != 1)
		status = -1;
	close(t->tell);
	while (waitpid(t->child, &status, 0) < 0 && errno == EINTR)
		;
	if (getenv("TAPED_SHOW"))
		fprintf(stderr, "# taped: '%s': %s, %d\n", t->config.handler->name,
			go == 'g' ? "recorded" : "not recorded", status);
	return status;
}

static bool can_be_taped(const struct vmt_session_config *config)
{
	return config->driver && config->handler && config->handler->name &&
	       config->nobservers < VMT_OBSERVERS_MAX && (!config->nobservers || config->observers);
}

int taped_create(const struct vmt_session_config *config, struct vmt_session **session,
		 struct vmt_error *err)
{
	struct vmt_session_config with = *config;
	struct tape *t;
	int r;

	if (replayed) {
		r = real_create(config, session, err);
		*replayed->place = *session; /* handlers of the tests look there */
		return r;
	}
	if (!can_be_taped(config))
		return real_create(config, session, err);
	t = calloc(1, sizeof(*t));
	assert_non_null(t);
	t->config = *config;
	t->place = session;
	if (!open_tape(t))
		fail_msg("the session cannot be recorded");
	t->observers[0] = vmt_recorder_observer(t->recorder);
	for (size_t i = 0; i < config->nobservers; i++)
		t->observers[i + 1] = config->observers[i];
	with.driver = quiet_outer(t->quiet, t->recorder);
	with.observers = t->observers;
	with.nobservers = config->nobservers + 1;
	r = real_create(&with, session, err);
	if (r < 0) {
		finish_tape(t, false);
		close_tape(t);
		return r;
	}
	t->session = *session;
	t->next = tapes;
	tapes = t;
	return 0;
}

void taped_destroy(struct vmt_session *session)
{
	struct tape **at = &tapes;
	struct tape *t;
	bool began;
	int status;

	while (*at && (*at)->session != session)
		at = &(*at)->next;
	t = *at;
	if (!session || !t) {
		real_destroy(session);
		return;
	}
	*at = t->next;
	began = vmt_session_phase(session) != VMT_PHASE_CREATE;
	real_destroy(session);
	status = finish_tape(t, began);
	close_tape(t);
	failures += status != 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Leaving tests out                                                                            */
/* -------------------------------------------------------------------------------------------- */

static bool is_left_out(const char *name)
{
	const char *without = getenv("TAPED_WITHOUT");
	size_t len = strlen(name);

	while (without && (without = strstr(without, name))) {
		if (without[len] == ' ' || without[len] == '\0')
			return true;
		without += len;
	}
	return false;
}

int taped_group(const char *name, const struct CMUnitTest *tests, size_t n,
		CMFixtureFunction set_up, CMFixtureFunction tear_down)
{
	struct CMUnitTest *those = calloc(n + 1, sizeof(*those));
	size_t left = 0;
	int failed;

	assert_non_null(those);
	for (size_t i = 0; i < n; i++)
		if (!is_left_out(tests[i].name))
			those[left++] = tests[i];
	failed = real_group(name, those, left, set_up, tear_down);
	free(those);
	return failed + failures;
}
