/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace export: what a handler was told, said and did, for other programs.
 *
 * JSON lines have one object for each event, response, effect, emission, output and end, with
 * names in place of numbers. The Chrome format is what chrome://tracing and ui.perfetto.dev open: a
 * track for each vCPU with its events, and one for what the handler said.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmitape/compare.h>
#include <vmitape/event.h>
#include <vmitape/run.h>

#include "common/trace-run.h"
#include "vmitrace.h"

static const char *const formats[] = {"jsonl", "chrome", NULL};

struct export_values {
	unsigned format;
	bool registers;
};

#define MEMBER(name) offsetof(struct export_values, name)
static const struct vmt_tool_option export_options[] = {
	{"format", 0, VMT_TOOL_CHOICE, false, "FORMAT",
	 "JSON lines, or the trace format of Chrome and Perfetto", MEMBER(format), formats},
	{"registers", 0, VMT_TOOL_FLAG, false, NULL,
	 "all registers of events, not only the instruction pointer", MEMBER(registers), NULL},
	{0},
};

static int put(void *context, const char *text, size_t len)
{
	(void)context;
	return fwrite(text, 1, len, stdout) == len ? 0 : -VMT_E_IO;
}

static void put_text(const char *text)
{
	const struct vmt_value value = vmt_text(text);

	vmt_compare_value_json(&value, put, NULL);
}

static void put_fields(const struct vmt_compare_item *item)
{
	printf("{");
	for (uint32_t i = 0; i < item->nfields; i++) {
		if (i > 0)
			printf(",");
		put_text(item->fields[i].name);
		printf(":");
		vmt_compare_value_json(&item->fields[i].value, put, NULL);
	}
	printf("}");
}

/* -------------------------------------------------------------------------------------------- */
/* JSON lines                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void put_line(const struct vmt_compare_item *item)
{
	const struct vmt_compare_place *place = item->place;

	printf("{\"callback\":%" PRIu64 ",\"now\":%" PRIu64, place->callback, place->now);
	if (place->event != VMT_COMPARE_NONE) {
		printf(",\"event\":%" PRIu64 ",\"vcpu\":%u,\"reason\":", place->event, place->vcpu);
		put_text(vmt_reason_name(place->reason));
	}
	printf(",\"kind\":");
	put_text(vmt_compare_kind_name(item->kind));
	printf(",\"name\":");
	put_text(item->name);
	printf(",\"fields\":");
	put_fields(item);
	printf("}\n");
}

static void put_lines(const struct vmt_compare_run *run)
{
	for (size_t i = 0; i < vmt_compare_run_items(run); i++)
		put_line(vmt_compare_run_item_at(run, i));
}

/* -------------------------------------------------------------------------------------------- */
/* Chrome                                                                                       */
/* -------------------------------------------------------------------------------------------- */

#define VCPUS_MAX     512u
#define HANDLER_TRACK 100000u

static void put_track(unsigned track, const char *name)
{
	printf(",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":"
	       "\"%s\"}}",
	       track, name);
}

static void put_tracks(const struct vmt_compare_run *run)
{
	bool seen[VCPUS_MAX] = {false};
	char name[24];

	for (size_t i = 0; i < vmt_compare_run_items(run); i++) {
		const struct vmt_compare_place *place = vmt_compare_run_item_at(run, i)->place;

		if (place->event == VMT_COMPARE_NONE || place->vcpu >= VCPUS_MAX ||
		    seen[place->vcpu])
			continue;
		seen[place->vcpu] = true;
		snprintf(name, sizeof(name), "vCPU %u", place->vcpu);
		put_track(place->vcpu + 1u, name);
	}
	put_track(HANDLER_TRACK, "handler");
}

/** An instant: time stands still while a handler works, so nothing has a length. */
static void put_instant(const struct vmt_compare_item *item)
{
	const struct vmt_compare_place *place = item->place;
	const bool event = item->kind == VMT_COMPARE_EVENT;

	printf(",\n{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%u,\"ts\":%" PRIu64 ".%03u,\"cat\":",
	       event ? place->vcpu + 1u : HANDLER_TRACK, place->now / 1000,
	       (unsigned)(place->now % 1000));
	put_text(vmt_compare_kind_name(item->kind));
	printf(",\"name\":");
	put_text(item->name);
	printf(",\"args\":{\"callback\":%" PRIu64, place->callback);
	if (place->event != VMT_COMPARE_NONE)
		printf(",\"event\":%" PRIu64, place->event);
	printf(",\"fields\":");
	put_fields(item);
	printf("}}");
}

static void put_chrome(const struct vmt_trace_run *trace)
{
	printf("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
	       "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":");
	put_text(trace->domain);
	printf("}}");
	put_tracks(trace->run);
	for (size_t i = 0; i < vmt_compare_run_items(trace->run); i++) {
		const struct vmt_compare_item *item = vmt_compare_run_item_at(trace->run, i);

		/* Responses stand with each event, and the end has no time. */
		if (item->kind != VMT_COMPARE_RESPONSE && item->kind != VMT_COMPARE_END)
			put_instant(item);
	}
	printf("\n]}\n");
}

static int run_export(const void *values, int argc, char **argv)
{
	const struct export_values *v = values;
	const struct vmt_trace_run_options options = {.registers = v->registers};
	struct vmt_trace_run trace;
	struct vmt_error err = {0};
	int status = VMT_EXIT_SAME;

	(void)argc;
	if (vmt_trace_run_init(&trace, argv[0], &options, &err) < 0) {
		status = vmitrace_complain(&err);
	} else {
		if (v->format == 0)
			put_lines(trace.run);
		else
			put_chrome(&trace);
		if (!trace.whole) {
			fprintf(stderr, "vmitrace: %s: %s\n", argv[0],
				trace.damaged ? "damaged: records are lost"
					      : "incomplete: the recording did not end in order");
			status = VMT_EXIT_TRACE;
		}
	}
	vmt_trace_run_finish(&trace);
	return status;
}

const struct vmt_tool_verb vmitrace_export = {
	.name = "export",
	.arguments = "TRACE",
	.summary = "Print what a handler was told, said and did, for other programs.",
	.options = export_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_export,
	.values_size = sizeof(struct export_values),
};
