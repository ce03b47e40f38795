/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace info, stats, digest, check: a trace as a whole.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmitrace.h"

static const struct vmt_tool_option no_options[] = {{0}};

/* -------------------------------------------------------------------------------------------- */
/* Reading it all                                                                               */
/* -------------------------------------------------------------------------------------------- */

/** What one pass over a trace tells. */
struct survey {
	struct vmt_trace_state state;
	struct vmt_trace_meta meta; /**< its texts are copies, the lists are left out */
	bool has_meta;
	char *tool, *handler, *version;
	uint64_t kinds[VMT_TRACE_KIND_COUNT];
	uint64_t events, callbacks, pages_named, now_first, now_last;
	uint32_t end_reason;
};

static void survey_finish(struct survey *s)
{
	free(s->tool);
	free(s->handler);
	free(s->version);
}

static void survey_meta(struct survey *s, const struct vmt_trace_meta *meta)
{
	if (s->has_meta)
		return;
	s->meta = *meta;
	s->has_meta = true;
	s->tool = strdup(meta->tool);
	s->handler = strdup(meta->handler);
	s->version = strdup(meta->handler_version);
	s->now_first = meta->info.now;
	s->now_last = meta->info.now;
}

static void survey_record(struct survey *s, const struct vmt_trace_record *record)
{
	if (record->kind < VMT_TRACE_KIND_COUNT)
		s->kinds[record->kind]++;
	switch (record->kind) {
	case VMT_TRACE_META:
		survey_meta(s, record->body);
		break;
	case VMT_TRACE_EVENT:
		s->events++;
		break;
	case VMT_TRACE_CALLBACK:
		s->callbacks++;
		s->now_last = ((const struct vmt_trace_callback *)record->body)->now;
		break;
	case VMT_TRACE_POLL:
		s->callbacks++;
		break;
	case VMT_TRACE_END:
		s->end_reason = ((const struct vmt_trace_end *)record->body)->reason;
		break;
	default:
		break;
	}
}

/** Read @path to its end. Returns an exit status; the complaints are printed. */
static int survey(const char *path, bool digests, struct survey *s)
{
	struct vmt_trace_reader *r = NULL;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	int status;
	int n;

	memset(s, 0, sizeof(*s));
	n = vmitrace_open(path, digests, &r, &err);
	while (n >= 0 && (n = vmt_trace_reader_next(r, &record, &err)) == 1)
		survey_record(s, &record);
	if (n < 0) {
		status = vmitrace_complain(&err);
	} else {
		status = vmitrace_judge(path, r);
		vmt_trace_reader_state(r, &s->state);
	}
	vmt_trace_reader_close(r);
	return status;
}

/* -------------------------------------------------------------------------------------------- */
/* info                                                                                         */
/* -------------------------------------------------------------------------------------------- */

struct info_values {
	bool json;
};

static const struct vmt_tool_option info_options[] = {
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "as JSON", offsetof(struct info_values, json),
	 NULL},
	{0},
};

static const char *const policies[] = {"unknown", "reads", "pages", "context", "memory"};
static const char *const end_reasons[] = {
	"unfinished", "over",         "event limit",  "time limit", "byte limit",
	"disk full",  "write failed", "session died", "cut",
};

static const char *name_of(const char *const *names, size_t n, unsigned i)
{
	return i < n ? names[i] : "unknown";
}
#define NAME_OF(names, i) name_of(names, sizeof(names) / sizeof((names)[0]), i)

/** Handler names are text from a trace, perhaps a hostile one: jansson refuses what is not UTF-8. */
static json_t *text_or_null(const char *text)
{
	json_t *j = json_string(text ? text : "");

	return j ? j : json_null();
}

static json_t *info_json(const char *path, const struct survey *s)
{
	const struct vmt_info *info = &s->meta.info;
	char version[32], xen[16];

	snprintf(version, sizeof(version), "%u.%u", s->state.major, s->state.minor);
	snprintf(xen, sizeof(xen), "%u.%u", info->xen_major, info->xen_minor);
	return json_pack("{so ss sb ss so so so so so ss sI sI ss sI sI sI sI sI}", "trace",
			 text_or_null(path), "format", version, "complete",
			 (int)(s->state.ended && s->state.footer && !s->state.damaged), "end",
			 NAME_OF(end_reasons, s->end_reason), "tool", text_or_null(s->tool),
			 "backend", text_or_null(info->backend), "domain",
			 text_or_null(info->domain), "handler", text_or_null(s->handler),
			 "handler_version", text_or_null(s->version), "xen", xen, "vcpus",
			 (json_int_t)info->vcpus, "max_gfn", (json_int_t)info->max_gfn, "capture",
			 NAME_OF(policies, s->meta.policy), "records", (json_int_t)s->state.records,
			 "events", (json_int_t)s->events, "callbacks", (json_int_t)s->callbacks,
			 "duration_ns", (json_int_t)(s->now_last - s->now_first), "bytes",
			 (json_int_t)s->state.bytes);
}

static void print_value(const char *key, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_STRING:
		printf("%-16s %s\n", key, json_string_value(value));
		break;
	case JSON_INTEGER:
		printf("%-16s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		printf("%-16s %s\n", key, json_is_true(value) ? "yes" : "no");
		break;
	default:
		printf("%-16s (no valid text)\n", key);
	}
}

static int run_info(const void *values, int argc, char **argv)
{
	const struct info_values *v = values;
	struct survey s;
	int status = survey(argv[0], false, &s);
	json_t *info;
	const char *key;
	json_t *value;

	(void)argc;
	if (s.has_meta) {
		info = info_json(argv[0], &s);
		if (v->json) {
			json_dumpf(info, stdout, JSON_INDENT(2));
			putchar('\n');
		} else {
			json_object_foreach(info, key, value) print_value(key, value);
		}
		json_decref(info);
	} else if (status == VMT_EXIT_SAME) {
		status = VMT_EXIT_TRACE;
	}
	survey_finish(&s);
	return status;
}

const struct vmt_tool_verb vmitrace_info = {
	.name = "info",
	.arguments = "TRACE",
	.summary = "Tell what a trace is a recording of.",
	.options = info_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_info,
	.values_size = sizeof(struct info_values),
};

/* -------------------------------------------------------------------------------------------- */
/* stats                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int run_stats(const void *values, int argc, char **argv)
{
	struct survey s;
	int status = survey(argv[0], false, &s);

	(void)values;
	(void)argc;
	for (unsigned kind = 0; kind < VMT_TRACE_KIND_COUNT; kind++)
		if (s.kinds[kind])
			printf("%-16s %" PRIu64 "\n", vmt_trace_kind_name(kind), s.kinds[kind]);
	printf("%-16s %" PRIu64 "\n%-16s %" PRIu64 "\n", "records", s.state.records, "bytes",
	       s.state.bytes);
	if (s.events)
		printf("%-16s %.1f\n", "bytes/event", (double)s.state.bytes / (double)s.events);
	survey_finish(&s);
	return status;
}

const struct vmt_tool_verb vmitrace_stats = {
	.name = "stats",
	.arguments = "TRACE",
	.summary = "Count records by kind.",
	.options = no_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_stats,
};

/* -------------------------------------------------------------------------------------------- */
/* digest                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void print_digest(const uint8_t digest[16])
{
	for (unsigned i = 0; i < 16; i++)
		printf("%02x", digest[i]);
}

static int run_digest(const void *values, int argc, char **argv)
{
	int worst = VMT_EXIT_SAME;

	(void)values;
	for (int i = 0; i < argc; i++) {
		struct survey s;
		int status = survey(argv[i], true, &s);

		if (s.state.digests.known) {
			print_digest(s.state.digests.behaviour);
			putchar(' ');
			print_digest(s.state.digests.record);
			printf(" %s\n", argv[i]);
		} else if (status == VMT_EXIT_SAME) {
			status = VMT_EXIT_TRACE;
		}
		worst = vmt_exit_worse(worst, status);
		survey_finish(&s);
	}
	return worst;
}

const struct vmt_tool_verb vmitrace_digest = {
	.name = "digest",
	.arguments = "TRACE...",
	.summary = "Print the behaviour digest and the record digest of each trace.",
	.options = no_options,
	.min_arguments = 1,
	.max_arguments = 1u << 20,
	.run = run_digest,
};

/* -------------------------------------------------------------------------------------------- */
/* check                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int run_check(const void *values, int argc, char **argv)
{
	int worst = VMT_EXIT_SAME;

	(void)values;
	for (int i = 0; i < argc; i++) {
		struct survey s;
		/* With digests, so that each page is read too. */
		int status = survey(argv[i], true, &s);

		if (status == VMT_EXIT_SAME && !s.state.digests.known)
			status = VMT_EXIT_TRACE;
		printf("%s: %s\n", argv[i], status == VMT_EXIT_SAME ? "whole" : "not whole");
		worst = vmt_exit_worse(worst, status);
		survey_finish(&s);
	}
	return worst;
}

const struct vmt_tool_verb vmitrace_check = {
	.name = "check",
	.arguments = "TRACE...",
	.summary = "Read traces whole, and name what is damaged or missing.",
	.options = no_options,
	.min_arguments = 1,
	.max_arguments = 1u << 20,
	.run = run_check,
};
