/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A comparison for people: the summary first, then the differences by callback.
 */
#include <inttypes.h>
#include <string.h>

#include <vmitape/event.h>

#include "compare.h"
#include "put.h"

static const char *const kind_names[VMT_COMPARE_KIND_COUNT] = {
	[VMT_COMPARE_EVENT] = "event",   [VMT_COMPARE_RESPONSE] = "response",
	[VMT_COMPARE_EFFECT] = "effect", [VMT_COMPARE_EMISSION] = "emission",
	[VMT_COMPARE_OUTPUT] = "output", [VMT_COMPARE_FAILURE] = "failure",
	[VMT_COMPARE_END] = "end",
};

static const struct {
	const char *name, *mark, *colour;
} changes[VMT_CHANGE_COUNT] = {
	[VMT_REMOVED] = {"removed", "-", "31"},
	[VMT_ADDED] = {"added", "+", "32"},
	[VMT_CHANGED] = {"changed", "~", "33"},
	[VMT_MOVED] = {"moved", ">", "36"},
};

const char *vmt_compare_kind_name(unsigned kind)
{
	return kind < VMT_COMPARE_KIND_COUNT ? kind_names[kind] : "unknown";
}

const char *vmt_change_name(unsigned change)
{
	return change < VMT_CHANGE_COUNT ? changes[change].name : "unknown";
}

/* -------------------------------------------------------------------------------------------- */
/* The summary                                                                                  */
/* -------------------------------------------------------------------------------------------- */

/** ": 3 removed, 1 changed" for the counts that are not 0. */
static void put_counts(struct vmt_putter *p, const uint64_t counts[VMT_CHANGE_COUNT])
{
	const char *before = "";

	for (unsigned i = 0; i < VMT_CHANGE_COUNT; i++) {
		if (counts[i] == 0)
			continue;
		vmt_put(p, before);
		vmt_put_colour(p, changes[i].colour);
		vmt_putf(p, "%" PRIu64 " %s", counts[i], changes[i].name);
		vmt_put_colour(p, "");
		before = ", ";
	}
}

static void put_summary(struct vmt_putter *p, const struct vmt_comparison *c,
			const struct vmt_compare_report *report)
{
	uint64_t sums[VMT_CHANGE_COUNT] = {0};

	for (unsigned kind = 0; kind < VMT_COMPARE_KIND_COUNT; kind++)
		for (unsigned i = 0; i < VMT_CHANGE_COUNT; i++)
			sums[i] += c->counts[kind][i];
	vmt_put_plain(p, report->from);
	vmt_put(p, " -> ");
	vmt_put_plain(p, report->to);
	if (c->n == 0) {
		vmt_put(p, ": same\n");
		return;
	}
	vmt_putf(p, ": %zu difference%s: ", c->n, c->n == 1 ? "" : "s");
	put_counts(p, sums);
	vmt_put(p, "\n");
}

/** A line for each kind that stands in either run. */
static void put_kinds(struct vmt_putter *p, const struct vmt_comparison *c)
{
	for (unsigned kind = 0; kind < VMT_COMPARE_KIND_COUNT; kind++) {
		uint64_t differ = 0;

		for (unsigned i = 0; i < VMT_CHANGE_COUNT; i++)
			differ += c->counts[kind][i];
		if (differ + c->same[kind] == 0)
			continue;
		vmt_putf(p, "  %-10s %" PRIu64 " same%s", kind_names[kind], c->same[kind],
			 differ ? ", " : "");
		put_counts(p, c->counts[kind]);
		vmt_put(p, "\n");
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Differences                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void put_place(struct vmt_putter *p, const struct vmt_compare_place *place)
{
	if (place->callback == VMT_COMPARE_NONE)
		vmt_put(p, vmt_compare_callback_name(place->kind));
	else
		vmt_putf(p, "callback %" PRIu64 " (%s)", place->callback,
			 vmt_compare_callback_name(place->kind));
	if (place->event != VMT_COMPARE_NONE)
		vmt_putf(p, ", event %" PRIu64, place->event);
	if (place->event == VMT_COMPARE_NONE && !place->rip_known)
		return;
	vmt_putf(p, ": %s, vCPU %u", vmt_reason_name(place->reason), place->vcpu);
	if (place->rip_known)
		vmt_putf(p, ", rip %#" PRIx64, place->rip);
}

static bool same_number(const struct vmt_compare_place *a, const struct vmt_compare_place *b)
{
	return a->callback == b->callback && a->event == b->event;
}

/** The heading of what follows: where it is in either run. */
static void put_heading(struct vmt_putter *p, const struct vmt_difference_item *d)
{
	const struct vmt_compare_place *from = d->from_place;
	const struct vmt_compare_place *to = d->to_place;

	vmt_put(p, "\n");
	vmt_put_colour(p, "1");
	put_place(p, to ? to : from);
	vmt_put_colour(p, "");
	if (!to)
		vmt_put(p, "; only in the first run");
	else if (!from)
		vmt_put(p, "; only in the second run");
	else if (!same_number(from, to)) {
		vmt_put(p, "\n  in the first run: ");
		put_place(p, from);
	}
	vmt_put(p, "\n");
}

/** "emission opened pid=17 path=..."; of what was changed only the key fields. */
static void put_item(struct vmt_putter *p, const struct vmt_compare_item *item, bool keys)
{
	vmt_put(p, kind_names[item->kind]);
	if (strcmp(item->name, kind_names[item->kind]) != 0) {
		vmt_put(p, " ");
		vmt_put_plain(p, item->name);
	}
	for (uint32_t i = 0; i < item->nfields; i++) {
		if (keys && item->fields[i].role != VMT_KEY)
			continue;
		vmt_put(p, " ");
		vmt_put_plain(p, item->fields[i].name);
		vmt_put(p, "=");
		vmt_put_value(p, &item->fields[i].value);
	}
}

/** Where two values that are too long to be shown whole differ. */
static void put_where(struct vmt_putter *p, const struct vmt_value *a, const struct vmt_value *b)
{
	const unsigned char *x = a->v.p;
	const unsigned char *y = b->v.p;
	uint32_t i = 0;

	if (a->type != b->type || (a->type != VMT_TEXT && a->type != VMT_BYTES))
		return;
	while (i < a->len && i < b->len && x[i] == y[i])
		i++;
	if (i >= 16)
		vmt_putf(p, " (from byte %u on)", i);
}

static void put_fields(struct vmt_putter *p, const struct vmt_difference_item *d)
{
	for (uint32_t i = 0; i < d->nfields; i++) {
		const struct vmt_changed_field *f = &d->fields[i];

		vmt_put(p, "      ");
		vmt_put_plain(p, f->name);
		vmt_put(p, ": ");
		vmt_put_colour(p, changes[VMT_REMOVED].colour);
		if (f->from)
			vmt_put_value(p, f->from);
		else
			vmt_put(p, "(none)");
		vmt_put_colour(p, "");
		vmt_put(p, " -> ");
		vmt_put_colour(p, changes[VMT_ADDED].colour);
		if (f->to)
			vmt_put_value(p, f->to);
		else
			vmt_put(p, "(none)");
		vmt_put_colour(p, "");
		if (f->from && f->to)
			put_where(p, f->from, f->to);
		vmt_put(p, "\n");
	}
}

static void put_difference(struct vmt_putter *p, const struct vmt_difference_item *d)
{
	vmt_put(p, "  ");
	vmt_put_colour(p, changes[d->change].colour);
	vmt_putf(p, "%s ", changes[d->change].mark);
	put_item(p, d->to ? d->to : d->from, d->change == VMT_CHANGED);
	vmt_put_colour(p, "");
	if (d->change == VMT_MOVED) {
		vmt_put(p, "\n      moved from ");
		put_place(p, d->from->place);
	}
	vmt_put(p, "\n");
	put_fields(p, d);
}

static bool same_heading(const struct vmt_difference_item *a, const struct vmt_difference_item *b)
{
	return a->from_place == b->from_place && a->to_place == b->to_place;
}

/** The differences under one heading, from @i on; where the next ones begin. */
static size_t put_group(struct vmt_putter *p, const struct vmt_comparison *c,
			const struct vmt_compare_report *report, size_t i, size_t max)
{
	const struct vmt_difference_item *first = &c->differences[i];
	uint32_t provenance = 0;

	put_heading(p, first);
	for (; i < max && same_heading(first, &c->differences[i]); i++) {
		const struct vmt_difference_item *d = &c->differences[i];

		put_difference(p, d);
		if (d->provenance > provenance)
			provenance = d->provenance;
	}
	if (report->provenance_name && provenance)
		vmt_putf(p, "  weakest bytes served to this callback: %s\n",
			 report->provenance_name(provenance));
	return i;
}

int vmt_comparison_text(const struct vmt_comparison *c, const struct vmt_compare_report *report,
			vmt_compare_put *put, void *context)
{
	struct vmt_putter p = {.put = put, .context = context, .colour = report->colour};
	const size_t max = report->max && report->max < c->n ? report->max : c->n;
	size_t i = 0;

	put_summary(&p, c, report);
	put_kinds(&p, c);
	if (c->callbacks.only_from + c->callbacks.only_to > 0)
		vmt_putf(&p,
			 "  callbacks  %" PRIu64 " aligned, %" PRIu64
			 " only in the first run, %" PRIu64 " only in the second\n",
			 c->callbacks.aligned, c->callbacks.only_from, c->callbacks.only_to);
	while (i < max && p.result >= 0)
		i = put_group(&p, c, report, i, max);
	if (max < c->n)
		vmt_putf(&p, "\n... and %zu more differences\n", c->n - max);
	return p.result;
}
