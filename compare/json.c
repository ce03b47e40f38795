/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A comparison for programs: one JSON object.
 */
#include <vmitape/event.h>

#include "compare.h"
#include "put.h"

static void put_place(struct vmt_putter *p, const char *name, const struct vmt_compare_place *place)
{
	vmt_json_open(p, name, '{');
	if (place->callback == VMT_COMPARE_NONE)
		vmt_json_null(p, "callback");
	else
		vmt_json_u64(p, "callback", place->callback);
	vmt_json_text(p, "callback_kind", vmt_compare_callback_name(place->kind));
	vmt_json_u64(p, "now", place->now);
	if (place->event != VMT_COMPARE_NONE) {
		vmt_json_u64(p, "event", place->event);
		vmt_json_text(p, "reason", vmt_reason_name(place->reason));
		vmt_json_u64(p, "vcpu", place->vcpu);
		if (place->rip_known)
			vmt_json_hex(p, "rip", place->rip);
	}
	vmt_json_close(p, '}');
}

static void put_fields(struct vmt_putter *p, const struct vmt_compare_item *item)
{
	vmt_json_open(p, "fields", '{');
	for (uint32_t i = 0; i < item->nfields; i++)
		vmt_json_value(p, item->fields[i].name, &item->fields[i].value);
	vmt_json_close(p, '}');
}

static void put_keys(struct vmt_putter *p, const struct vmt_compare_item *item)
{
	vmt_json_open(p, "key", '{');
	for (uint32_t i = 0; i < item->nfields; i++)
		if (item->fields[i].role == VMT_KEY)
			vmt_json_value(p, item->fields[i].name, &item->fields[i].value);
	vmt_json_close(p, '}');
}

static void put_side(struct vmt_putter *p, const char *name, const struct vmt_value *value)
{
	if (value)
		vmt_json_value(p, name, value);
	else
		vmt_json_null(p, name);
}

static void put_changed(struct vmt_putter *p, const struct vmt_difference_item *d)
{
	vmt_json_open(p, "changed", '[');
	for (uint32_t i = 0; i < d->nfields; i++) {
		vmt_json_open(p, NULL, '{');
		vmt_json_text(p, "field", d->fields[i].name);
		put_side(p, "from", d->fields[i].from);
		put_side(p, "to", d->fields[i].to);
		vmt_json_close(p, '}');
	}
	vmt_json_close(p, ']');
}

static void put_difference(struct vmt_putter *p, const struct vmt_compare_report *report,
			   const struct vmt_difference_item *d)
{
	const struct vmt_compare_item *item = d->to ? d->to : d->from;

	vmt_json_open(p, NULL, '{');
	vmt_json_text(p, "change", vmt_change_name(d->change));
	vmt_json_text(p, "kind", vmt_compare_kind_name(item->kind));
	vmt_json_text(p, "name", item->name);
	if (d->from)
		put_place(p, "from", d->from->place);
	if (d->to)
		put_place(p, "to", d->to->place);
	if (d->change == VMT_CHANGED) {
		put_keys(p, item);
		put_changed(p, d);
	} else {
		put_fields(p, item);
	}
	if (report->provenance_name && d->provenance)
		vmt_json_text(p, "provenance", report->provenance_name(d->provenance));
	vmt_json_close(p, '}');
}

static void put_summary(struct vmt_putter *p, const struct vmt_comparison *c)
{
	vmt_json_open(p, "summary", '{');
	for (unsigned kind = 0; kind < VMT_COMPARE_KIND_COUNT; kind++) {
		vmt_json_open(p, vmt_compare_kind_name(kind), '{');
		vmt_json_u64(p, "same", c->same[kind]);
		for (unsigned i = 0; i < VMT_CHANGE_COUNT; i++)
			vmt_json_u64(p, vmt_change_name(i), c->counts[kind][i]);
		vmt_json_close(p, '}');
	}
	vmt_json_close(p, '}');
	vmt_json_open(p, "callbacks", '{');
	vmt_json_u64(p, "aligned", c->callbacks.aligned);
	vmt_json_u64(p, "only_from", c->callbacks.only_from);
	vmt_json_u64(p, "only_to", c->callbacks.only_to);
	vmt_json_close(p, '}');
}

int vmt_comparison_json(const struct vmt_comparison *c, const struct vmt_compare_report *report,
			vmt_compare_put *put, void *context)
{
	struct vmt_putter p = {.put = put, .context = context, .first = true};
	const size_t max = report->max && report->max < c->n ? report->max : c->n;

	vmt_json_open(&p, NULL, '{');
	vmt_json_text(&p, "from", report->from);
	vmt_json_text(&p, "to", report->to);
	vmt_json_text(&p, "result", c->n > 0 ? "different" : "same");
	vmt_json_u64(&p, "count", c->n);
	put_summary(&p, c);
	vmt_json_open(&p, "differences", '[');
	for (size_t i = 0; i < max && p.result >= 0; i++)
		put_difference(&p, report, &c->differences[i]);
	vmt_json_close(&p, ']');
	vmt_json_close(&p, '}');
	vmt_put(&p, "\n");
	return p.result;
}
