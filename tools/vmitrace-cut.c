/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace cut: a part of a trace as a trace of its own.
 *
 * From the beginning to an event it is a recording that ended early, and replays as the whole one
 * does that far. Any other part lacks what made the session what it is: it can be looked at, and
 * says of itself that it cannot be replayed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmitape/event.h>

#include "vmitrace.h"

#define NO_NUMBER UINT64_MAX

struct cut_values {
	uint64_t from, to, vcpu;
	struct vmt_tool_list kinds, reasons;
	bool replace;
};

#define MEMBER(name) offsetof(struct cut_values, name)
static const struct vmt_tool_option cut_options[] = {
	{"to", 0, VMT_TOOL_NUMBER, false, "EVENT",
	 "end after this event, counted from 0: the result replays as the whole does that far",
	 MEMBER(to), NULL},
	{"from", 0, VMT_TOOL_NUMBER, false, "EVENT",
	 "begin with this event; the result is for inspection and cannot be replayed", MEMBER(from),
	 NULL},
	{"kind", 'k', VMT_TOOL_LIST, false, "KIND", "only records of this kind; for inspection",
	 MEMBER(kinds), NULL},
	{"vcpu", 0, VMT_TOOL_NUMBER, false, "N",
	 "only events of this vCPU and what the handler did with them; for inspection",
	 MEMBER(vcpu), NULL},
	{"reason", 0, VMT_TOOL_LIST, false, "REASON",
	 "only events of this reason and what the handler did with them; for inspection",
	 MEMBER(reasons), NULL},
	{"replace", 'f', VMT_TOOL_FLAG, false, NULL, "replace an existing trace", MEMBER(replace),
	 NULL},
	{0},
};

struct cutting {
	const struct cut_values *v;
	struct vmt_trace_reader *r;
	struct vmt_trace_writer *w;
	bool inspection;
	bool wanted;      /**< the event at hand passes the filters */
	bool past;        /**< an event behind the last one was seen */
	uint64_t events;  /**< that were seen */
	uint64_t records; /**< that were written */
	uint64_t lost;    /**< left out, for their page cannot be read */
	uint32_t end;     /**< the reason of the recording's own end, or 0 */
	char end_text[256];
};

/* -------------------------------------------------------------------------------------------- */
/* Filters                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool is_listed(const struct vmt_tool_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->values[i], name) == 0)
			return true;
	return list->n == 0;
}

static bool is_wanted_event(const struct cutting *c, uint64_t number, const struct vmt_event *ev)
{
	const struct cut_values *v = c->v;

	return number >= v->from && (v->vcpu == NO_NUMBER || v->vcpu == ev->vcpu) &&
	       is_listed(&v->reasons, vmt_reason_name(ev->reason));
}

/** Take @record? An event decides for all records up to the next one. */
static bool takes(struct cutting *c, const struct vmt_trace_record *record)
{
	if (record->kind == VMT_TRACE_EVENT) {
		const struct vmt_trace_event *body = record->body;

		c->past = record->event > c->v->to;
		c->wanted = is_wanted_event(c, record->event, &body->event);
		c->events++;
	}
	if (c->past)
		return false;
	if (!c->inspection || record->kind == VMT_TRACE_META)
		return true;
	return c->wanted && is_listed(&c->v->kinds, vmt_trace_kind_name(record->kind));
}

static int check_names(const struct cut_values *v, struct vmt_error *err)
{
	for (size_t i = 0; i < v->kinds.n; i++)
		if (!vmt_trace_kind_find(v->kinds.values[i]))
			return vmt_error_set(err, VMT_E_INVALID, "--kind", "there is no kind '%s'",
					     v->kinds.values[i]);
	for (size_t i = 0; i < v->reasons.n; i++) {
		unsigned reason = 0;

		while (reason < VMT_REASON_COUNT &&
		       strcmp(vmt_reason_name(reason), v->reasons.values[i]) != 0)
			reason++;
		if (reason == VMT_REASON_COUNT)
			return vmt_error_set(err, VMT_E_INVALID, "--reason",
					     "there is no event reason '%s'", v->reasons.values[i]);
	}
	if (v->from != NO_NUMBER && v->to < v->from)
		return vmt_error_set(err, VMT_E_INVALID, "--to",
				     "event %" PRIu64 " comes before --from %" PRIu64, v->to,
				     v->from);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Copying                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** What an inspection trace says of itself; FORMAT.md, `attribute`. */
static int append_mark(struct cutting *c, const char *path, struct vmt_error *err)
{
	char value[512];
	const struct vmt_trace_attribute body = {"inspection", value};
	const struct vmt_trace_record record = {.kind = VMT_TRACE_ATTRIBUTE, .body = &body};

	snprintf(value, sizeof(value), "a part of %s, made by vmitrace cut", path);
	return vmt_trace_writer_append(c->w, &record, err);
}

static int cut_record(struct cutting *c, const char *path, struct vmt_trace_record *record,
		      struct vmt_error *err)
{
	int n;

	if (record->kind == VMT_TRACE_END) {
		const struct vmt_trace_end *end = record->body;

		c->end = end->reason;
		snprintf(c->end_text, sizeof(c->end_text), "%s", end->text);
		return 0;
	}
	if (!takes(c, record))
		return 0;
	n = vmitrace_copy(c->r, c->w, record, err);
	if (n < 0)
		return n;
	c->records += n > 0;
	c->lost += n == 0;
	if (record->kind == VMT_TRACE_META && c->inspection)
		return append_mark(c, path, err);
	return 0;
}

static int cut_all(struct cutting *c, const char *path, struct vmt_error *err)
{
	struct vmt_trace_record record;
	int n;

	while ((n = vmt_trace_reader_next(c->r, &record, err)) == 1) {
		n = cut_record(c, path, &record, err);
		if (n < 0)
			return n;
		/* A replay needs nothing of what follows; the rest is not read. */
		if (c->past)
			return 0;
	}
	return n;
}

/** Close the new trace, with the end of the old one when all of it is there. */
static int finish(struct cutting *c, const char *path, struct vmt_error *err)
{
	const bool whole = !c->inspection && !c->past && c->end != 0;
	char text[512];

	if (c->events == 0 || (!c->past && c->v->to != NO_NUMBER && c->v->to >= c->events))
		fprintf(stderr,
			"vmitrace: %s: it has %" PRIu64 " events, so all of them are taken\n", path,
			c->events);
	if (c->inspection)
		snprintf(text, sizeof(text), "inspection only: a part of %s", path);
	else
		snprintf(text, sizeof(text), "cut after event %" PRIu64 " of %s", c->v->to, path);
	return vmt_trace_writer_close(c->w, whole ? c->end : VMT_TRACE_END_CUT,
				      whole ? c->end_text : text, NULL, err);
}

static int run_cut(const void *values, int argc, char **argv)
{
	const struct cut_values *v = values;
	const struct vmt_trace_writer_options options = {.replace = v->replace};
	struct cutting c = {.v = v};
	struct cut_values filled = *v;
	struct vmt_error err = {0};
	int status = VMT_EXIT_SAME;
	int n;

	(void)argc;
	c.inspection =
		v->from != NO_NUMBER || v->kinds.n > 0 || v->vcpu != NO_NUMBER || v->reasons.n > 0;
	if (v->from == NO_NUMBER)
		filled.from = 0;
	c.v = &filled;
	/* Without --from, what comes before the first event is taken too. */
	c.wanted = v->from == NO_NUMBER && v->vcpu == NO_NUMBER && v->reasons.n == 0;
	n = check_names(v, &err);
	if (n >= 0 && !c.inspection && v->to == NO_NUMBER)
		n = vmt_error_set(&err, VMT_E_INVALID, "cut",
				  "say which part: --to, --from or a filter");
	if (n >= 0)
		n = vmitrace_open(argv[0], false, &c.r, &err);
	if (n >= 0)
		n = vmt_trace_writer_open(argv[1], &options, &c.w, &err);
	if (n >= 0)
		n = cut_all(&c, argv[0], &err);
	if (n >= 0 && !c.past)
		status = vmitrace_judge(argv[0], c.r);
	vmt_trace_reader_close(c.r);
	if (n < 0)
		vmt_trace_writer_abandon(c.w);
	else
		n = finish(&c, argv[0], &err);
	if (n < 0)
		return vmitrace_complain(&err);
	if (c.lost > 0) {
		fprintf(stderr,
			"vmitrace: %s: %" PRIu64 " records left out, for their page is lost\n",
			argv[0], c.lost);
		status = VMT_EXIT_TRACE;
	}
	printf("%s: %" PRIu64 " records%s\n", argv[1], c.records,
	       c.inspection ? ", for inspection" : "");
	return status;
}

static const struct cut_values cut_defaults = {NO_NUMBER, NO_NUMBER, NO_NUMBER,
					       {{0}, 0},  {{0}, 0},  false};
const struct vmt_tool_verb vmitrace_cut = {
	.name = "cut",
	.arguments = "TRACE NEW",
	.summary = "Write a part of a trace to a new one.",
	.options = cut_options,
	.min_arguments = 2,
	.max_arguments = 2,
	.run = run_cut,
	.values_size = sizeof(struct cut_values),
	.defaults = &cut_defaults,
};
