/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmidiff: what differs between two recorded runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmitape/compare.h>
#include <vmitape/replay.h>

#include "common/options.h"
#include "common/status.h"
#include "common/trace-run.h"
#include "vmidiff.h"

static const char tool_name[] = "vmidiff";

static const char *const whats[] = {"behaviour", "said", NULL};
static const char *const colours[] = {"auto", "always", "never", NULL};

struct values {
	unsigned what, colour;
	bool allow_cut, json, quiet, registers;
	uint64_t max;
	const char *html;
	struct vmt_tool_list ignore;
};

#define MEMBER(name) offsetof(struct values, name)
static const struct vmt_tool_option options[] = {
	{"what", 'w', VMT_TOOL_CHOICE, false, "WHAT",
	 "compare events, responses, effects and what the handler said (behaviour), or only what it "
	 "said: emissions, output, failures, the end (said)",
	 MEMBER(what), whats},
	{"ignore", 'i', VMT_TOOL_LIST, false, "FIELD",
	 "leave out a field, as FIELD or as NAME.FIELD of records called NAME", MEMBER(ignore),
	 NULL},
	{"registers", 0, VMT_TOOL_FLAG, false, NULL,
	 "compare all registers of events, not only the instruction pointer", MEMBER(registers),
	 NULL},
	{"allow-cut", 0, VMT_TOOL_FLAG, false, NULL,
	 "compare traces that are cut or damaged by what is there", MEMBER(allow_cut), NULL},
	{"max", 'n', VMT_TOOL_NUMBER, false, "N", "show at most N differences; 0: all", MEMBER(max),
	 NULL},
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "the comparison as JSON", MEMBER(json), NULL},
	{"html", 0, VMT_TOOL_TEXT, false, "FILE",
	 "write a page for a browser, with a timeline of both runs; it needs no network",
	 MEMBER(html), NULL},
	{"quiet", 'q', VMT_TOOL_FLAG, false, NULL, "only the exit status", MEMBER(quiet), NULL},
	{"color", 0, VMT_TOOL_CHOICE, false, "WHEN",
	 "colours: on a terminal unless NO_COLOR is set", MEMBER(colour), colours},
	{0},
};

static int put(void *context, const char *text, size_t len)
{
	return fwrite(text, 1, len, context) == len ? 0 : -VMT_E_IO;
}

static bool wants_colour(const struct values *v)
{
	const char *no_colour = getenv("NO_COLOR");

	if (v->colour > 0)
		return v->colour == 1;
	return isatty(1) && !(no_colour && *no_colour);
}

/** What the state of a trace means for the status; the complaint is printed. */
static int judge_trace(const struct values *v, const char *path, const struct vmt_trace_run *run)
{
	if (run->part)
		fprintf(stderr, "%s: %s: an inspection trace: only a part is compared\n", tool_name,
			path);
	if (run->whole)
		return VMT_EXIT_SAME;
	fprintf(stderr, "%s: %s: %s; %s\n", tool_name, path,
		run->damaged ? "damaged: records are lost, and `vmitrace check` says which"
			     : "incomplete: the recording did not end in order",
		v->allow_cut ? "it is compared by what is there"
			     : "--allow-cut compares what is there");
	return v->allow_cut ? VMT_EXIT_SAME : VMT_EXIT_TRACE;
}

/** Two runs in which nothing happened are alike, but that tells nothing of a handler. */
static int judge_content(const struct vmt_trace_run *from, const struct vmt_trace_run *to)
{
	if (from->events + from->emissions + to->events + to->emissions > 0)
		return VMT_EXIT_SAME;
	fprintf(stderr,
		"%s: neither run has an event or an emission: there is nothing to compare\n",
		tool_name);
	return VMT_EXIT_NOT_JUDGED;
}

static void tell_origins(const struct vmt_trace_run *from, const struct vmt_trace_run *to)
{
	if (strcmp(from->handler, to->handler) != 0 || strcmp(from->version, to->version) != 0)
		fprintf(stderr, "%s: handler %s %s -> %s %s\n", tool_name, from->handler,
			from->version, to->handler, to->version);
}

static int report(const struct values *v, const struct vmt_comparison *comparison, char **paths,
		  struct vmt_error *err)
{
	const struct vmt_compare_report report = {
		.from = paths[0],
		.to = paths[1],
		.colour = wants_colour(v),
		.max = (size_t)v->max,
		.provenance_name = vmt_provenance_name,
	};
	int n = 0;

	if (v->quiet)
		return 0;
	n = v->json ? vmt_comparison_json(comparison, &report, put, stdout)
		    : vmt_comparison_text(comparison, &report, put, stdout);
	return n < 0 ? vmt_error_set(err, VMT_E_IO, "standard output", "it cannot be written") : 0;
}

static int write_page(const struct values *v, const struct vmt_comparison *comparison,
		      const struct vmt_trace_run *runs, const struct vmidiff_calls *calls,
		      char **paths, struct vmt_error *err)
{
	const struct vmidiff_side sides[] = {
		{paths[0], &runs[0], &calls[0]},
		{paths[1], &runs[1], &calls[1]},
	};

	return v->html ? vmidiff_html(v->html, comparison, sides, err) : 0;
}

static int compare(const struct values *v, const struct vmt_trace_run *runs,
		   const struct vmidiff_calls *calls, char **paths, struct vmt_error *err)
{
	struct vmt_comparison *comparison = NULL;
	int status = VMT_EXIT_SAME;
	size_t n = 0;
	int r = vmt_compare(runs[0].run, runs[1].run, v->what == 1 ? VMT_COMPARE_SAID : 0,
			    &comparison, err);

	if (r >= 0)
		r = report(v, comparison, paths, err);
	if (r >= 0)
		r = write_page(v, comparison, runs, calls, paths, err);
	if (r >= 0 && vmt_comparison_differences(comparison, &n))
		status = VMT_EXIT_DIFFERENT;
	vmt_comparison_destroy(comparison);
	return r < 0 ? vmt_tool_complain(tool_name, err) : status;
}

static int run(const void *values, int argc, char **argv)
{
	const struct values *v = values;
	struct vmt_trace_run_options read = {
		.registers = v->registers,
		.keep_registers = v->html != NULL,
		.ignore = v->ignore.values,
		.nignore = v->ignore.n,
		.record = v->html ? vmidiff_calls_record : NULL,
	};
	struct vmidiff_calls calls[2] = {{0}};
	struct vmt_trace_run runs[2] = {{0}};
	struct vmt_error err = {0};
	int status = VMT_EXIT_SAME;
	bool readable = true;

	(void)argc;
	for (int i = 0; i < 2; i++) {
		err = (struct vmt_error){0};
		read.context = &calls[i];
		if (vmt_trace_run_init(&runs[i], argv[i], &read, &err) < 0) {
			/* A trace of a newer version is a trace that cannot be read. */
			if (err.status == VMT_E_NOT_SUPPORTED)
				err.status = VMT_E_DAMAGED;
			status = vmt_exit_worse(status, vmt_tool_complain(tool_name, &err));
			readable = false;
		} else {
			status = vmt_exit_worse(status, judge_trace(v, argv[i], &runs[i]));
		}
	}
	if (readable) {
		if (!v->quiet && !v->json)
			tell_origins(&runs[0], &runs[1]);
		status = vmt_exit_worse(status, judge_content(&runs[0], &runs[1]));
		status = vmt_exit_worse(status, compare(v, runs, calls, argv, &err));
	}
	for (int i = 0; i < 2; i++) {
		vmt_trace_run_finish(&runs[i]);
		vmidiff_calls_finish(&calls[i]);
	}
	return status;
}

static const struct vmt_tool_verb verb = {
	.arguments = "FROM TO",
	.summary = "Tell what differs between two recorded runs.",
	.options = options,
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run,
	.values_size = sizeof(struct values),
};
static const struct vmt_tool tool = {tool_name, "tell what differs between two recorded runs",
				     &verb, 1};

int main(int argc, char **argv)
{
	return vmt_tool_main(&tool, argc, argv);
}
