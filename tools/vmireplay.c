/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay: run a handler over recorded traces and judge what it does.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/record.h>
#include <vmitape/replay.h>

#include "common/handler.h"
#include "common/options.h"
#include "common/status.h"

static const char tool_name[] = "vmireplay";

static const char *const matches[] = {"model", "strict", NULL};
static const char *const missings[] = {"error", "stop", "stale", NULL};

struct values {
	const char *handler, *re_record;
	struct vmt_tool_list options;
	unsigned match, missing;
	bool allow_cut, no_isolation, json, quiet, replace;
	uint64_t break_at, hang_ms, memory_mb;
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
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "the reports as JSON", MEMBER(json), NULL},
	{"quiet", 'q', VMT_TOOL_FLAG, false, NULL, "only the summary lines", MEMBER(quiet), NULL},
	{0},
};

/* -------------------------------------------------------------------------------------------- */
/* Recording again                                                                              */
/* -------------------------------------------------------------------------------------------- */

struct re_recording {
	const struct values *values;
	const struct vmt_replay_origin *origin;
	struct vmt_trace_writer *writer;
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
	if (lost->status != VMT_OK) {
		*err = *lost;
		vmt_trace_writer_abandon(r->writer);
		return -lost->status;
	}
	return vmt_trace_writer_close(r->writer, VMT_TRACE_END_OVER, NULL, NULL, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Reports                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Text may come out of a hostile guest: what is not UTF-8 becomes null. */
static json_t *text_or_null(const char *text)
{
	json_t *j = text[0] ? json_string(text) : NULL;

	return j ? j : json_null();
}

static json_t *number_or_null(uint64_t n)
{
	return n == VMT_REPLAY_NONE ? json_null() : json_integer((json_int_t)n);
}

static json_t *divergence_json(const struct vmt_divergence *d)
{
	if (d->difference == VMT_DIFFERS_NOTHING)
		return json_null();
	return json_pack("{ss so so so ss so so so so so so so}", "difference",
			 vmt_difference_name(d->difference), "callback",
			 number_or_null(d->callback), "replayed_callback",
			 number_or_null(d->replayed_callback), "event", number_or_null(d->event),
			 "provenance", vmt_provenance_name(d->provenance), "event_text",
			 text_or_null(d->event_text), "what", text_or_null(d->what), "recorded",
			 text_or_null(d->recorded), "replayed", text_or_null(d->replayed), "calls",
			 text_or_null(d->calls), "prevent", text_or_null(d->prevent), "look",
			 text_or_null(d->look));
}

static json_t *report_json(const struct vmt_replay_report *r)
{
	json_t *reads = json_object();

	for (unsigned i = 1; i < VMT_PROVENANCE_COUNT; i++)
		if (r->reads[i])
			json_object_set_new(reads, vmt_provenance_name(i),
					    json_integer((json_int_t)r->reads[i]));
	return json_pack("{so so ss si ss sb sI sI sI sI sI sI sI so sI so so so so}", "trace",
			 text_or_null(r->trace), "handler", text_or_null(r->handler), "verdict",
			 vmt_verdict_name(r->verdict), "status", (int)r->verdict, "stop",
			 vmt_replay_stop_name(r->stop), "complete", (int)r->complete,
			 "recorded_events", (json_int_t)r->recorded_events, "delivered",
			 (json_int_t)r->delivered, "suppressed", (json_int_t)r->suppressed, "blind",
			 (json_int_t)r->blind, "misses", (json_int_t)r->misses, "emissions",
			 (json_int_t)r->emissions, "differences", (json_int_t)r->differences,
			 "last_event", number_or_null(r->last_event), "callbacks",
			 (json_int_t)r->callbacks, "reads", reads, "first",
			 divergence_json(&r->first), "blind_text", text_or_null(r->blind_text),
			 "miss_text", text_or_null(r->miss_text));
}

static void print_report(const struct values *v, const struct vmt_replay_report *report)
{
	char line[512];
	char *text;

	if (v->json) {
		json_t *j = report_json(report);

		json_dumpf(j, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(j);
		return;
	}
	if (v->quiet) {
		printf("%s\n", vmt_replay_summary(report, line, sizeof(line)));
		return;
	}
	text = vmt_replay_report_text(report);
	printf("%s", text ? text : "vmireplay: no memory for the report\n");
	free(text);
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

static int replay_one(const struct values *v, const char *trace, struct vmt_error *err)
{
	struct re_recording again = {.values = v};
	const struct vmt_replay_hook hook = {re_record_open, re_record_close, &again};
	struct vmt_tool_handler handler = {0};
	struct vmt_replay_report report;
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
	int n = 0;

	if (!v->handler)
		n = recorded_handler(trace, name, sizeof(name), err);
	if (n >= 0)
		n = vmt_tool_handler_init(&handler, v->handler ? v->handler : name, &v->options,
					  err);
	if (n < 0)
		return vmt_exit_of_error(err);
	run.handler = handler.loaded.ops;
	run.options = handler.options;
	run.noptions = handler.noptions;
	n = vmt_replay_run(&run, &report, err);
	vmt_tool_handler_finish(&handler);
	if (n < 0)
		return vmt_exit_of_error(err);
	print_report(v, &report);
	return (int)report.verdict;
}

static int run(const void *values, int argc, char **argv)
{
	const struct values *v = values;
	struct vmt_error err = {0};
	int worst = VMT_EXIT_SAME;

	if (v->re_record && argc > 1) {
		vmt_error_set(&err, VMT_E_INVALID, "command line",
			      "--re-record takes one trace, and %d are given", argc);
		return vmt_tool_complain(tool_name, &err);
	}
	if (v->break_at != UINT64_MAX && !v->no_isolation) {
		vmt_error_set(&err, VMT_E_INVALID, "command line",
			      "--break-at goes with --no-isolation");
		return vmt_tool_complain(tool_name, &err);
	}
	for (int i = 0; i < argc; i++) {
		int status;

		err = (struct vmt_error){0};
		status = replay_one(v, argv[i], &err);
		if (err.status != VMT_OK)
			vmt_tool_complain(tool_name, &err);
		worst = vmt_exit_worse(worst, status);
	}
	return worst;
}

static const struct values defaults = {.break_at = UINT64_MAX};
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
