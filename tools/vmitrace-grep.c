/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace grep: records in which a pattern stands, or bytes of guest memory.
 */
#include <inttypes.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmitrace.h"

struct grep_values {
	bool json, count, bytes, ignore_case;
	const char *kind;
	uint64_t max;
};

#define MEMBER(name) offsetof(struct grep_values, name)
static const struct vmt_tool_option grep_options[] = {
	{"bytes", 'b', VMT_TOOL_FLAG, false, NULL,
	 "PATTERN is a row of hexadecimal digits, looked for in the memory that records hold",
	 MEMBER(bytes), NULL},
	{"ignore-case", 'i', VMT_TOOL_FLAG, false, NULL, "take small and large letters as equal",
	 MEMBER(ignore_case), NULL},
	{"kind", 'k', VMT_TOOL_TEXT, false, "KIND", "only records of this kind", MEMBER(kind),
	 NULL},
	{"max", 'n', VMT_TOOL_NUMBER, false, "N", "stop after N records", MEMBER(max), NULL},
	{"count", 'c', VMT_TOOL_FLAG, false, NULL, "print only how many there are", MEMBER(count),
	 NULL},
	{"json", 'j', VMT_TOOL_FLAG, false, NULL, "a line of JSON for each record", MEMBER(json),
	 NULL},
	{0},
};

struct grep {
	const struct grep_values *v;
	struct vmt_trace_reader *r;
	regex_t regex;
	bool compiled;
	uint8_t *bytes; /**< with --bytes */
	size_t nbytes;
	char *line;
	size_t len, cap;
	uint64_t found, lost;
};

/* -------------------------------------------------------------------------------------------- */
/* The pattern                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static int parse_bytes(struct grep *g, const char *pattern, struct vmt_error *err)
{
	const size_t len = strlen(pattern);

	if (len == 0 || len % 2 != 0 || strspn(pattern, "0123456789abcdefABCDEF") != len)
		return vmt_error_set(err, VMT_E_INVALID, "pattern",
				     "'%s' is no row of pairs of hexadecimal digits", pattern);
	g->nbytes = len / 2;
	g->bytes = malloc(g->nbytes);
	if (!g->bytes)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "pattern", "no memory");
	for (size_t i = 0; i < g->nbytes; i++) {
		const char pair[] = {pattern[2 * i], pattern[2 * i + 1], '\0'};

		g->bytes[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return 0;
}

static int parse_pattern(struct grep *g, const char *pattern, struct vmt_error *err)
{
	const int flags = REG_EXTENDED | REG_NOSUB | (g->v->ignore_case ? REG_ICASE : 0);
	char text[160];
	int n;

	if (g->v->bytes)
		return parse_bytes(g, pattern, err);
	n = regcomp(&g->regex, pattern, flags);
	if (n != 0) {
		regerror(n, &g->regex, text, sizeof(text));
		return vmt_error_set(err, VMT_E_INVALID, "pattern", "'%s': %s", pattern, text);
	}
	g->compiled = true;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Looking                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Collect the record's line. */
static int put(void *context, const char *text, size_t len)
{
	struct grep *g = context;

	if (g->cap - g->len <= len) {
		const size_t cap = g->cap * 2 + len + 256;
		char *line = realloc(g->line, cap);

		if (!line)
			return -VMT_E_NO_MEMORY;
		g->line = line;
		g->cap = cap;
	}
	memcpy(g->line + g->len, text, len);
	g->len += len;
	g->line[g->len] = '\0';
	return 0;
}

static bool holds(const struct grep *g, const void *p, size_t len)
{
	return p && len >= g->nbytes && memmem(p, len, g->bytes, g->nbytes);
}

/** Memory that a record holds: what was read or written, what stood there, a whole page. */
static int find_bytes(struct grep *g, const struct vmt_trace_record *record)
{
	uint8_t page[VMT_PAGE_SIZE];
	struct vmt_error err;
	int n = vmitrace_page(g->r, record, page, &err);

	if (n < 0)
		g->lost++;
	if (n > 0 && holds(g, page, sizeof(page)))
		return 1;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ) {
		const struct vmt_trace_call *call = record->body;

		return holds(g, call->data, call->len);
	}
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_WRITE) {
		const struct vmt_trace_call *call = record->body;

		return holds(g, call->call.u.write.buf, call->call.u.write.len) ||
		       (call->before_known && holds(g, call->before, call->before_len));
	}
	return 0;
}

static int matches(struct grep *g, const struct vmt_trace_record *record)
{
	int n;

	if (g->v->bytes)
		return find_bytes(g, record);
	g->len = 0;
	n = vmt_trace_record_json(record, put, g);
	return n < 0 ? n : regexec(&g->regex, g->line, 0, NULL, 0) == 0;
}

static int grep_all(struct grep *g, unsigned kind, struct vmt_error *err)
{
	struct vmt_trace_record record;
	int n;

	while ((n = vmt_trace_reader_next(g->r, &record, err)) == 1) {
		if (kind && record.kind != kind)
			continue;
		n = matches(g, &record);
		if (n < 0)
			return vmt_error_set(err, VMT_E_NO_MEMORY, "grep",
					     "no memory for a record of %zu bytes", g->len);
		if (n == 0)
			continue;
		g->found++;
		if (!g->v->count && vmitrace_print(&record, g->v->json) < 0)
			return vmt_error_set(err, VMT_E_IO, "standard output",
					     "it cannot be written");
		if (g->found == g->v->max)
			return 1;
	}
	return n;
}

static int run_grep(const void *values, int argc, char **argv)
{
	const struct grep_values *v = values;
	const unsigned kind = v->kind ? vmt_trace_kind_find(v->kind) : 0;
	struct grep g = {.v = v};
	struct vmt_error err = {0};
	int status;
	int n = 0;

	(void)argc;
	if (v->kind && !kind)
		n = vmt_error_set(&err, VMT_E_INVALID, "--kind", "there is no kind '%s'", v->kind);
	if (n >= 0)
		n = parse_pattern(&g, argv[0], &err);
	if (n >= 0)
		n = vmitrace_open(argv[1], false, &g.r, &err);
	if (n >= 0)
		n = grep_all(&g, kind, &err);
	status = n < 0 ? vmitrace_complain(&err) : g.found > 0 ? VMT_EXIT_SAME : VMT_EXIT_DIFFERENT;
	if (n == 0)
		status = vmt_exit_worse(status, vmitrace_judge(argv[1], g.r));
	if (n >= 0 && v->count)
		printf("%" PRIu64 "\n", g.found);
	if (g.lost > 0) {
		fprintf(stderr, "vmitrace: %s: %" PRIu64 " pages cannot be read\n", argv[1],
			g.lost);
		status = vmt_exit_worse(status, VMT_EXIT_TRACE);
	}
	vmt_trace_reader_close(g.r);
	if (g.compiled)
		regfree(&g.regex);
	free(g.bytes);
	free(g.line);
	return status;
}

const struct vmt_tool_verb vmitrace_grep = {
	.name = "grep",
	.arguments = "PATTERN TRACE",
	.summary =
		"Print the records whose JSON line matches an extended regular expression; status 1 "
		"when there are none.",
	.options = grep_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_grep,
	.values_size = sizeof(struct grep_values),
};
