/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace dump, show: records as text or JSON.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "vmitrace.h"

/* -------------------------------------------------------------------------------------------- */
/* A record as a line of text                                                                   */
/* -------------------------------------------------------------------------------------------- */

#define BYTES_SHOWN 32u

static void name(const char *n)
{
	printf(n ? " %s=" : " ", n);
}

static void on_uint(struct vmt_trace_visitor *v, const char *n, uint64_t value, bool hex)
{
	(void)v;
	name(n);
	printf(hex ? "%#" PRIx64 : "%" PRIu64, value);
}

static void on_sint(struct vmt_trace_visitor *v, const char *n, int64_t value)
{
	(void)v;
	name(n);
	printf("%" PRId64, value);
}

static void on_bool(struct vmt_trace_visitor *v, const char *n, bool value)
{
	(void)v;
	name(n);
	printf(value ? "yes" : "no");
}

/** Guests choose these bytes: nothing that a terminal would act on is passed through. */
static void print_text(const unsigned char *p, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		if (p[i] < 0x20 || p[i] == 0x7f || p[i] == '"' || p[i] == '\\' || p[i] >= 0x80)
			printf("\\x%02x", p[i]);
		else
			putchar(p[i]);
	}
	putchar('"');
}

static void on_bytes(struct vmt_trace_visitor *v, const char *n, const void *p, size_t len,
		     bool text)
{
	const unsigned char *bytes = p;

	(void)v;
	name(n);
	if (text) {
		print_text(bytes, len);
		return;
	}
	for (size_t i = 0; i < len && i < BYTES_SHOWN; i++)
		printf("%02x", bytes[i]);
	if (len > BYTES_SHOWN)
		printf("...(%zu bytes)", len);
	if (len == 0)
		printf("-");
}

static void on_none(struct vmt_trace_visitor *v, const char *n)
{
	(void)v;
	name(n);
	printf("-");
}

static void on_open(struct vmt_trace_visitor *v, const char *n, bool list)
{
	(void)v;
	name(n);
	printf(list ? "[" : "{");
}

static void on_close(struct vmt_trace_visitor *v, bool list)
{
	(void)v;
	printf(list ? " ]" : " }");
}

static const struct vmt_trace_visitor_ops text_ops = {
	.uint = on_uint,
	.sint = on_sint,
	.boolean = on_bool,
	.bytes = on_bytes,
	.none = on_none,
	.open = on_open,
	.close = on_close,
};

static int put(void *context, const char *text, size_t len)
{
	(void)context;
	return fwrite(text, 1, len, stdout) == len ? 0 : -VMT_E_IO;
}

int vmitrace_print(const struct vmt_trace_record *record, bool json)
{
	struct vmt_trace_visitor visitor = {.ops = &text_ops};
	int r;

	if (json) {
		r = vmt_trace_record_json(record, put, NULL);
	} else {
		printf("%" PRIu64 " %" PRIu64 " %s %s", record->position, record->callback,
		       vmt_trace_phase_name(record->phase), vmt_trace_kind_name(record->kind));
		r = vmt_trace_record_visit(record, &visitor);
	}
	putchar('\n');
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* dump                                                                                         */
/* -------------------------------------------------------------------------------------------- */

struct dump_values {
	bool json;
	uint64_t from, count;
	const char *kind;
};

static const struct vmt_tool_option dump_options[] = {
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "a line of JSON for each record",
	 offsetof(struct dump_values, json), NULL},
	{"from", 0, VMT_TOOL_NUMBER, false, "CALLBACK", "begin at this callback",
	 offsetof(struct dump_values, from), NULL},
	{"count", 'n', VMT_TOOL_NUMBER, false, "N", "at most N records",
	 offsetof(struct dump_values, count), NULL},
	{"kind", 'k', VMT_TOOL_TEXT, false, "KIND", "only records of this kind",
	 offsetof(struct dump_values, kind), NULL},
	{0},
};

static int dump_records(struct vmt_trace_reader *r, const struct dump_values *v, unsigned kind,
			struct vmt_error *err)
{
	struct vmt_trace_record record;
	uint64_t n = 0;
	int got;

	while ((got = vmt_trace_reader_next(r, &record, err)) == 1) {
		if (kind && record.kind != kind)
			continue;
		if (vmitrace_print(&record, v->json) < 0)
			return vmt_error_set(err, VMT_E_IO, "standard output",
					     "it cannot be written");
		if (v->count && ++n == v->count)
			break;
	}
	return got;
}

static int run_dump(const void *values, int argc, char **argv)
{
	const struct dump_values *v = values;
	const unsigned kind = v->kind ? vmt_trace_kind_find(v->kind) : 0;
	struct vmt_trace_reader *r = NULL;
	struct vmt_error err = {0};
	int status;
	int n;

	(void)argc;
	if (v->kind && !kind) {
		vmt_error_set(&err, VMT_E_INVALID, "--kind", "there is no kind '%s'", v->kind);
		return vmitrace_complain(&err);
	}
	n = vmitrace_open(argv[0], false, &r, &err);
	if (n >= 0 && v->from)
		n = vmt_trace_reader_seek_callback(r, v->from, &err);
	if (n >= 0)
		n = dump_records(r, v, kind, &err);
	if (n < 0)
		status = vmitrace_complain(&err);
	else
		status = n == 0 ? vmitrace_judge(argv[0], r) : VMT_EXIT_SAME;
	vmt_trace_reader_close(r);
	return status;
}

const struct vmt_tool_verb vmitrace_dump = {
	.name = "dump",
	.arguments = "TRACE",
	.summary = "Print a trace's records.",
	.options = dump_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_dump,
	.values_size = sizeof(struct dump_values),
};

/* -------------------------------------------------------------------------------------------- */
/* show                                                                                         */
/* -------------------------------------------------------------------------------------------- */

struct show_values {
	bool json;
	uint64_t event;
};

static const struct vmt_tool_option show_options[] = {
	{"event", 'e', VMT_TOOL_NUMBER, false, "N", "the event's number, from 0",
	 offsetof(struct show_values, event), NULL},
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "a line of JSON for each record",
	 offsetof(struct show_values, json), NULL},
	{0},
};

/** The event's record and all that follow it, up to the next event. */
static int show_event(struct vmt_trace_reader *r, const struct show_values *v,
		      struct vmt_error *err)
{
	struct vmt_trace_record record;
	bool first = true;
	int n;

	while ((n = vmt_trace_reader_next(r, &record, err)) == 1) {
		if (!first && record.kind == VMT_TRACE_EVENT)
			break;
		first = false;
		n = vmitrace_print(&record, v->json);
		if (n < 0)
			return vmt_error_set(err, VMT_E_IO, "standard output",
					     "it cannot be written");
	}
	return n;
}

static int run_show(const void *values, int argc, char **argv)
{
	const struct show_values *v = values;
	struct vmt_trace_reader *r = NULL;
	struct vmt_error err = {0};
	int n;

	(void)argc;
	n = vmitrace_open(argv[0], false, &r, &err);
	if (n >= 0)
		n = vmt_trace_reader_seek_event(r, v->event, &err);
	if (n >= 0)
		n = show_event(r, v, &err);
	vmt_trace_reader_close(r);
	return n < 0 ? vmitrace_complain(&err) : VMT_EXIT_SAME;
}

const struct vmt_tool_verb vmitrace_show = {
	.name = "show",
	.arguments = "TRACE",
	.summary = "Print one event and what the handler did with it.",
	.options = show_options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run_show,
	.values_size = sizeof(struct show_values),
};
