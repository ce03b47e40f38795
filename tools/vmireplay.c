/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay: run a handler over recorded traces and judge what it does.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/dry-run.h>
#include <vmitape/record.h>
#include <vmitape/replay.h>

#include "common/handler.h"
#include "common/options.h"
#include "common/status.h"
#include "vmireplay-fidelity.h"
#include "vmireplay.h"

static const char tool_name[] = "vmireplay";

static const char *const matches[] = {"model", "strict", NULL};
static const char *const missings[] = {"error", "stop", "stale", NULL};
static const char *const formats[] = {"text", "quiet", "json", "tap", "junit", "github", NULL};

struct values {
	const char *handler, *re_record, *shard, *output;
	struct vmt_tool_list options;
	unsigned match, missing, format;
	bool allow_cut, no_isolation, json, quiet, replace;
	bool accept, no_expect, merge, verify_emulation;
	uint64_t break_at, hang_ms, memory_mb, jobs;
};

#define MEMBER(name) offsetof(struct values, name)
static const struct vmt_tool_option options[] = {
	{"handler", 'H', VMT_TOOL_TEXT, false, "HANDLER",
	 "a bundled handler's name, or the path of a shared object; without it the bundled handler "
	 "of the trace's handler's name",
	 MEMBER(handler), NULL},
	{"option", 'O', VMT_TOOL_LIST, false, "NAME=VALUE",
	 "an option of the handler, on top of the recorded ones", MEMBER(options), NULL},
	{"match", 0, VMT_TOOL_CHOICE, false, "HOW",
	 "compare what the guest can see (model), or each effect in order (strict)", MEMBER(match),
	 matches},
	{"missing", 0, VMT_TOOL_CHOICE, false, "HOW",
	 "what a read gets that the trace has no bytes for: a failure (error), which also ends the "
	 "run (stop), or older bytes (stale)",
	 MEMBER(missing), missings},
	{"allow-cut", 0, VMT_TOOL_FLAG, false, NULL, "judge a trace that is cut by what is there",
	 MEMBER(allow_cut), NULL},
	{"re-record", 'r', VMT_TOOL_TEXT, false, "FILE", "record the replay to a trace of its own",
	 MEMBER(re_record), NULL},
	{"replace", 'f', VMT_TOOL_FLAG, false, NULL, "replace an existing trace", MEMBER(replace),
	 NULL},
	{"no-isolation", 0, VMT_TOOL_FLAG, false, NULL,
	 "run the handler in this process, for debuggers", MEMBER(no_isolation), NULL},
	{"break-at", 0, VMT_TOOL_NUMBER, false, "EVENT",
	 "stop in the debugger before this event; with --no-isolation", MEMBER(break_at), NULL},
	{"hang-ms", 0, VMT_TOOL_NUMBER, false, "MS", "the longest that a callback may take",
	 MEMBER(hang_ms), NULL},
	{"memory-mb", 0, VMT_TOOL_NUMBER, false, "MB", "the most memory that the handler may use",
	 MEMBER(memory_mb), NULL},
	{"accept", 0, VMT_TOOL_FLAG, false, NULL,
	 "write what the handler says as its expectation, x.expect.jsonl beside x.vmt; later runs are "
	 "compared with it in place of what was recorded",
	 MEMBER(accept), NULL},
	{"no-expect", 0, VMT_TOOL_FLAG, false, NULL,
	 "compare with the recording, also where there is an expectation", MEMBER(no_expect), NULL},
	{"jobs", 0, VMT_TOOL_NUMBER, false, "N", "run N traces at a time", MEMBER(jobs), NULL},
	{"shard", 0, VMT_TOOL_TEXT, false, "K/N",
	 "run only part K of N, the same on each machine and balanced by size", MEMBER(shard),
	 NULL},
	{"merge", 0, VMT_TOOL_FLAG, false, NULL,
	 "run nothing: the operands are what --json printed, of shards; print one report of all",
	 MEMBER(merge), NULL},
	{"format", 0, VMT_TOOL_CHOICE, false, "FORMAT",
	 "of the report: for people, only summary lines, JSON lines, TAP, JUnit XML, annotations of "
	 "GitHub",
	 MEMBER(format), formats},
	{"output", 'o', VMT_TOOL_TEXT, false, "FILE",
	 "write the report there, and text to the "
	 "terminal",
	 MEMBER(output), NULL},
	{"verify-emulation", 0, VMT_TOOL_FLAG, false, NULL,
	 "run no handler: emulate each recorded response whose effect is the next recorded event, "
	 "and tell how often the two agree",
	 MEMBER(verify_emulation), NULL},
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "the same as --format json", MEMBER(json), NULL},
	{"quiet", 'q', VMT_TOOL_FLAG, false, NULL, "the same as --format quiet", MEMBER(quiet),
	 NULL},
	{0},
};

/* -------------------------------------------------------------------------------------------- */
/* Recording again                                                                              */
/* -------------------------------------------------------------------------------------------- */

struct re_recording {
	const struct values *values;
	const struct vmt_replay_origin *origin;
	struct vmt_trace_writer *writer;
	struct vmt_dry_run *dry;
	struct vmt_driver *recorder;
};

static int re_record_open(void *arg, struct vmt_driver *inner, struct vmt_driver **outer,
			  struct vmt_observer **observer, struct vmt_error *err)
{
	struct re_recording *r = arg;
	const struct vmt_trace_writer_options o = {.replace = r->values->replace};
	const struct vmt_replay_origin *origin = vmt_replay_origin(inner);
	struct vmt_recorder_config config = {
		.capture = (uint8_t)origin->policy,
		.derived = origin->derived,
		.tool = origin->tool,
		.timeout_ms = origin->timeout_ms,
		.settle_ms = origin->settle_ms,
		.drain_max = origin->drain_max,
	};
	int n = vmt_trace_writer_open(r->values->re_record, &o, &r->writer, err);

	if (n < 0)
		return n;
	config.writer = r->writer;
	config.context = vmt_dry_run_pages;
	if (config.capture >= VMT_CAPTURE_CONTEXT)
		n = vmt_dry_run_create(&r->dry, err);
	config.context_arg = r->dry;
	if (n >= 0)
		n = vmt_recorder_create(inner, &config, outer, err);
	if (n < 0) {
		vmt_trace_writer_abandon(r->writer);
		return n;
	}
	r->recorder = *outer;
	*observer = vmt_recorder_observer(*outer);
	return 0;
}

static int re_record_close(void *arg, const struct vmt_replay_report *report, struct vmt_error *err)
{
	struct re_recording *r = arg;
	const struct vmt_error *lost = vmt_recorder_error(r->recorder);

	(void)report;
	vmt_dry_run_destroy(r->dry);
	if (lost->status != VMT_OK) {
		*err = *lost;
		vmt_trace_writer_abandon(r->writer);
		return -lost->status;
	}
	return vmt_trace_writer_close(r->writer, VMT_TRACE_END_OVER, NULL, NULL, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Running                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool is_bundled(const char *name)
{
	for (const struct vmt_handler_ops *const *p = vmt_handlers(); *p; p++)
		if (strcmp((*p)->name, name) == 0)
			return true;
	return false;
}

/**
 * The handler that the trace names, among the bundled ones only: a name out of a trace is never
 * loaded.
 */
static int recorded_handler(const char *trace, char *name, size_t cap, struct vmt_error *err)
{
	struct vmt_driver *d;
	const struct vmt_replay_origin *origin;
	int n = vmt_replay_create(trace, NULL, &d, err);

	if (n < 0)
		return n;
	origin = vmt_replay_origin(d);
	if (is_bundled(origin->handler))
		(void)snprintf(name, cap, "%s", origin->handler);
	else
		n = vmt_error_set(err, VMT_E_NOT_FOUND, trace,
				  "its handler is not a bundled one; name it with --handler");
	vmt_driver_close(d);
	return n;
}

/** What the expectation adds to the report, as text. */
static json_t *expectation_text(const struct vmireplay_expect *e)
{
	char line[4352];
	json_t *text;

	if (e->accepted)
		snprintf(line, sizeof(line), "accepted: %s\n", e->path);
	else if (e->differences == 0)
		snprintf(line, sizeof(line), "as expected: %s\n", e->path);
	text = json_string(e->accepted || e->differences == 0 ? line : e->text);
	return text ? text : json_null();
}

/** The report of the run with what the expectation adds to it. */
static json_t *make_case(struct vmt_replay_report *report, const struct vmireplay_expect *e,
			 int status)
{
	json_t *c;

	vmireplay_expect_show(e, status, report);
	c = vmireplay_case(report, status);
	if (!e->judged && !e->accepted)
		return c;
	json_object_set_new(c, "expected",
			    json_pack("{ss sb sI sI}", "file", e->path, "accepted",
				      (int)e->accepted, "records", (json_int_t)e->records,
				      "differences", (json_int_t)e->differences));
	json_object_set_new(c, "expectation", expectation_text(e));
	return c;
}

/** Run the handler, and judge it by the recording and by its expectation. */
static json_t *replay_with(const struct values *v, struct vmt_replay_run *run,
			   struct vmt_error *err)
{
	struct vmireplay_expect e = {.fd = -1};
	struct vmt_observer *observers[1];
	struct vmt_replay_report report;
	json_t *c = NULL;
	int n = 0;

	if (!v->no_expect)
		n = vmireplay_expect_init(&e, run->trace, run->handler, v->accept, err);
	if (e.observer) {
		observers[0] = e.observer;
		run->observers = observers;
		run->nobservers = 1;
	}
	if (n >= 0)
		n = vmt_replay_run(run, &report, err);
	if (n >= 0)
		n = v->no_expect ? (int)report.verdict
				 : vmireplay_expect_judge(&e, &report, v->accept, err);
	if (n >= 0)
		c = make_case(&report, &e, n);
	if (n >= 0 && v->accept && !e.accepted)
		fprintf(stderr, "%s: %s: nothing was accepted: %s\n", tool_name, run->trace,
			vmt_verdict_name((unsigned)n));
	run->observers = NULL;
	run->nobservers = 0;
	vmireplay_expect_finish(&e);
	return c;
}

static json_t *replay_one(const struct values *v, const char *trace, struct vmt_error *err)
{
	struct re_recording again = {.values = v};
	const struct vmt_replay_hook hook = {re_record_open, re_record_close, &again};
	struct vmt_tool_handler handler = {0};
	struct vmt_replay_run run = {
		.trace = trace,
		.replay =
			{
				.match = v->match,
				.missing = v->missing,
				.allow_cut = v->allow_cut,
				.recording = v->re_record != NULL,
				.breaks = v->break_at != UINT64_MAX,
				.break_event = v->break_at,
			},
		.hook = v->re_record ? &hook : NULL,
		.no_isolation = v->no_isolation,
		.hang_ms = (uint32_t)v->hang_ms,
		.memory_mb = (uint32_t)v->memory_mb,
	};
	char name[64] = "";
	json_t *c;
	int n = 0;

	if (!v->handler)
		n = recorded_handler(trace, name, sizeof(name), err);
	if (n >= 0)
		n = vmt_tool_handler_init(&handler, v->handler ? v->handler : name, &v->options,
					  err);
	if (n < 0)
		return NULL;
	run.handler = handler.loaded.ops;
	run.options = handler.options;
	run.noptions = handler.noptions;
	c = replay_with(v, &run, err);
	vmt_tool_handler_finish(&handler);
	return c;
}

struct running {
	const struct values *v;
	struct vmireplay_corpus corpus;
};

/** Case @i; what could not be run is a case too. */
static json_t *run_case(void *arg, size_t i)
{
	const struct running *running = arg;
	struct vmt_error err = {0};
	json_t *c = replay_one(running->v, running->corpus.paths[i], &err);

	if (c)
		return c;
	vmt_tool_complain(tool_name, &err);
	return vmireplay_case_failed(running->corpus.paths[i], &err, vmt_exit_of_error(&err));
}

static enum vmireplay_format format_of(const struct values *v)
{
	if (v->json)
		return VMIREPLAY_JSON;
	return v->quiet ? VMIREPLAY_QUIET : (enum vmireplay_format)v->format;
}

/** Run all; text for people is printed as it comes when nothing else is asked for. */
static int run_all(struct running *running, bool print, json_t *cases, struct vmt_error *err)
{
	const struct values *v = running->v;

	if (v->jobs > 1)
		return vmireplay_jobs((unsigned)(v->jobs < 1024 ? v->jobs : 1024),
				      running->corpus.n, run_case, running, cases, err);
	for (size_t i = 0; i < running->corpus.n; i++) {
		json_t *c = run_case(running, i);

		if (print)
			vmireplay_print_case(c, format_of(v), stdout);
		json_array_append_new(cases, c);
	}
	return 0;
}

/** The report, to where it was asked for. @printed: its parts stand there already. */
static int report(const struct values *v, const json_t *cases, bool printed, struct vmt_error *err)
{
	FILE *out = stdout;

	if (json_array_size(cases) == 0)
		fprintf(stderr, "%s: there is no trace: nothing was judged\n", tool_name);
	if (printed)
		return 0;
	if (v->output) {
		out = fopen(v->output, "we");
		if (!out)
			return vmt_error_set_errno(err, VMT_E_IO, errno, v->output,
						   "it cannot be written");
		/* People still want to see what happened. */
		vmireplay_print(cases, VMIREPLAY_QUIET, stdout);
	}
	vmireplay_print(cases, format_of(v), out);
	if (out != stdout && fclose(out) != 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, v->output, "it cannot be written");
	return 0;
}

static int check_values(const struct values *v, size_t traces, struct vmt_error *err)
{
	if (v->re_record && traces > 1)
		return vmt_error_set(err, VMT_E_INVALID, "command line",
				     "--re-record takes one trace, and %zu are given", traces);
	if (v->break_at != UINT64_MAX && !v->no_isolation)
		return vmt_error_set(err, VMT_E_INVALID, "command line",
				     "--break-at goes with --no-isolation");
	if (v->accept && v->no_expect)
		return vmt_error_set(err, VMT_E_INVALID, "command line",
				     "--accept and --no-expect exclude each other");
	return 0;
}

static int run(const void *values, int argc, char **argv)
{
	const struct values *v = values;
	const enum vmireplay_format format = format_of(v);
	const bool print = format <= VMIREPLAY_JSON && !v->output && v->jobs <= 1 && !v->merge;
	struct running running = {.v = v};
	json_t *cases;
	struct vmt_error err = {0};
	int status;
	int n;

	if (v->verify_emulation) {
		status = vmt_vmireplay_fidelity(argv, argc, format == VMIREPLAY_JSON,
						format == VMIREPLAY_QUIET, &err);
		if (err.status != VMT_OK)
			vmt_tool_complain(tool_name, &err);
		return status;
	}
	cases = json_array();
	if (v->merge) {
		n = vmireplay_merge(argv, argc, cases, &err);
	} else {
		n = vmireplay_corpus_init(&running.corpus, argv, argc, &err);
		if (n >= 0 && v->shard)
			n = vmireplay_corpus_shard(&running.corpus, v->shard, &err);
		if (n >= 0)
			n = check_values(v, running.corpus.n, &err);
		if (n >= 0)
			n = run_all(&running, print, cases, &err);
	}
	if (n >= 0)
		n = report(v, cases, print, &err);
	if (n < 0)
		status = vmt_tool_complain(tool_name, &err);
	else
		status = vmireplay_cases_status(cases);
	vmireplay_corpus_finish(&running.corpus);
	json_decref(cases);
	return status;
}

static const struct values defaults = {.break_at = UINT64_MAX, .jobs = 1};
static const struct vmt_tool_verb verb = {
	.arguments = "TRACE...",
	.summary = "Run a handler over recorded traces and judge what it does.",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1u << 20,
	.run = run,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
};
static const struct vmt_tool tool = {tool_name, "replay a VMI handler over recorded traces", &verb,
				     1};

int main(int argc, char **argv)
{
	return vmt_tool_main(&tool, argc, argv);
}
