/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmidiff --html: the comparison as one page. The page itself is vmidiff-page.html; here its data is written
 * between the two halves, as JSON in script elements that are not run. Details are in blocks, so
 * that the page parses only those that are looked at.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/event.h>
#include <vmitape/replay.h>
#include <vmitape/run.h>

#include "trace-format/record.h"
#include "vmidiff.h"

#define BLOCK           128u
#define DIFFERENCES_MAX 20000u
#define DATA_MARK       "<!-- data -->"

/* -------------------------------------------------------------------------------------------- */
/* Calls                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int no_memory(struct vmt_error *err)
{
	(void)vmt_error_set(err, VMT_E_NO_MEMORY, "--html", "no memory for the calls");
	return -VMT_E_NO_MEMORY;
}

static int begin_callbacks(struct vmidiff_calls *c, size_t callbacks, struct vmt_error *err)
{
	while (c->n < callbacks) {
		if (c->n == c->begins_cap) {
			const size_t cap = c->begins_cap ? c->begins_cap * 2 : 1024;
			size_t *begins = realloc(c->begins, cap * sizeof(*begins));

			if (!begins)
				return no_memory(err);
			c->begins = begins;
			c->begins_cap = cap;
		}
		c->begins[c->n++] = c->len;
	}
	return 0;
}

static int add_call(struct vmidiff_calls *c, const struct vmt_call *call, struct vmt_error *err)
{
	char line[224];
	char text[160];
	int n;

	vmt_call_format(call, text, sizeof(text));
	if (call->result < 0)
		n = snprintf(line, sizeof(line), "%s: %s\n", text, vmt_status_name(call->result));
	else
		n = snprintf(line, sizeof(line), "%s\n", text);
	if (c->cap - c->len <= (size_t)n) {
		const size_t cap = c->cap * 2 + 65536;
		char *grown = realloc(c->text, cap);

		if (!grown)
			return no_memory(err);
		c->text = grown;
		c->cap = cap;
	}
	memcpy(c->text + c->len, line, (size_t)n + 1);
	c->len += (size_t)n;
	return 0;
}

int vmidiff_calls_record(void *context, const struct vmt_compare_run *run,
			 const struct vmt_trace_record *record, struct vmt_error *err)
{
	struct vmidiff_calls *c = context;

	if (record->kind == VMT_TRACE_CALLBACK)
		c->open = true;
	if (record->kind == VMT_TRACE_CALLBACK_END)
		c->open = false;
	if (begin_callbacks(c, vmt_compare_run_callbacks(run), err) < 0)
		return -err->status;
	if (!c->open || record->kind < VMT_TRACE_CALL)
		return 0;
	return add_call(c, &((const struct vmt_trace_call *)record->body)->call, err);
}

void vmidiff_calls_finish(struct vmidiff_calls *c)
{
	free(c->text);
	free(c->begins);
	memset(c, 0, sizeof(*c));
}

/* -------------------------------------------------------------------------------------------- */
/* JSON                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static int put(void *context, const char *text, size_t len)
{
	return fwrite(text, 1, len, context) == len ? 0 : -VMT_E_IO;
}

static void put_value(FILE *f, const struct vmt_value *value)
{
	if (value)
		vmt_compare_value_json(value, put, f);
	else
		fputs("null", f);
}

static void put_text(FILE *f, const char *text, size_t len)
{
	struct vmt_value value = vmt_bytes(text, (uint32_t)len);

	value.type = VMT_TEXT;
	put_value(f, &value);
}

static void put_string(FILE *f, const char *text)
{
	put_text(f, text, strlen(text));
}

/** [["name", value], ...] */
static void put_fields(FILE *f, const struct vmt_compare_item *item)
{
	fputc('[', f);
	for (uint32_t i = 0; i < item->nfields; i++) {
		fputs(i ? ",[" : "[", f);
		put_string(f, item->fields[i].name);
		fputc(',', f);
		put_value(f, &item->fields[i].value);
		fputc(']', f);
	}
	fputc(']', f);
}

static bool is_register(const struct vmt_compare_field *field)
{
	return strncmp(field->name, "regs.", 5) == 0 && field->value.type == VMT_ADDR;
}

/** As put_fields; behind it the registers, as "name=hex name=hex": an event has many. */
static void put_event_fields(FILE *f, const struct vmt_compare_item *item)
{
	const char *comma = "";

	fputc('[', f);
	for (uint32_t i = 0; i < item->nfields; i++) {
		if (is_register(&item->fields[i]))
			continue;
		fprintf(f, "%s[", comma);
		put_string(f, item->fields[i].name);
		fputc(',', f);
		put_value(f, &item->fields[i].value);
		fputc(']', f);
		comma = ",";
	}
	fputs("],\"", f);
	for (uint32_t i = 0; i < item->nfields; i++)
		if (is_register(&item->fields[i]))
			fprintf(f, "%s=%" PRIx64 " ", item->fields[i].name + 5,
				item->fields[i].value.v.u);
	fputc('"', f);
}

static void put_origin(FILE *f, const struct vmidiff_side *side)
{
	fputs("{\"path\":", f);
	put_string(f, side->path);
	fputs(",\"handler\":", f);
	put_string(f, side->trace->handler);
	fputs(",\"version\":", f);
	put_string(f, side->trace->version);
	fprintf(f, ",\"whole\":%s}", side->trace->whole ? "true" : "false");
}

static void put_names(FILE *f)
{
	fputs("\"reasons\":[", f);
	for (unsigned i = 0; i < VMT_REASON_COUNT; i++) {
		fputs(i ? "," : "", f);
		put_string(f, vmt_reason_name(i));
	}
	fputs("],\"kinds\":[", f);
	for (unsigned i = 0; i < VMT_COMPARE_KIND_COUNT; i++) {
		fputs(i ? "," : "", f);
		put_string(f, vmt_compare_kind_name(i));
	}
	fputs("],\"callbacks\":[\"session end\"", f);
	for (unsigned i = VMT_CALLBACK_CREATE; i <= VMT_CALLBACK_CLEANUP; i++) {
		fputc(',', f);
		put_string(f, vmt_callback_name(i));
	}
	fputc(']', f);
}

static void put_counts(FILE *f, const struct vmt_comparison *c)
{
	fputs("\"counts\":[", f);
	for (unsigned kind = 0; kind < VMT_COMPARE_KIND_COUNT; kind++) {
		fprintf(f, "%s[%" PRIu64, kind ? "," : "", vmt_comparison_same(c, kind));
		for (unsigned change = 0; change < VMT_CHANGE_COUNT; change++)
			fprintf(f, ",%" PRIu64, vmt_comparison_count(c, kind, change));
		fputc(']', f);
	}
	fputc(']', f);
}

/* -------------------------------------------------------------------------------------------- */
/* Rows, differences, details                                                                   */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_compare_place *place_of(const struct vmt_comparison_row *row)
{
	return row->to_place ? row->to_place : row->from_place;
}

/** Columns: -1 for a row without an event. */
static void put_rows(FILE *f, const struct vmt_comparison_row *rows, size_t n)
{
	fprintf(f, "\"rows\":%zu,\"vcpu\":[", n);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%d", i ? "," : "",
			place_of(&rows[i])->event == VMT_COMPARE_NONE ? -1
								      : place_of(&rows[i])->vcpu);
	fputs("],\"now\":[", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%s%" PRIu64, i ? "," : "", place_of(&rows[i])->now);
	fputs("],\"side\":\"", f);
	for (size_t i = 0; i < n; i++)
		fputc(!rows[i].to_place ? '-' : !rows[i].from_place ? '+' : '=', f);
	fputc('"', f);
}

static void put_difference(FILE *f, const struct vmt_difference_item *d)
{
	const struct vmt_compare_item *item = d->to ? d->to : d->from;

	fprintf(f, "{\"r\":%zu,\"c\":%u,\"k\":%u,\"n\":", d->row, d->change, item->kind);
	put_string(f, item->name);
	if (d->change == VMT_CHANGED) {
		fputs(",\"d\":[", f);
		for (uint32_t i = 0; i < d->nfields; i++) {
			fputs(i ? ",[" : "[", f);
			put_string(f, d->fields[i].name);
			fputc(',', f);
			put_value(f, d->fields[i].from);
			fputc(',', f);
			put_value(f, d->fields[i].to);
			fputc(']', f);
		}
		fputc(']', f);
	}
	if (d->change == VMT_MOVED)
		fprintf(f, ",\"m\":%" PRIu64, d->from->place->callback);
	if (item->kind != VMT_COMPARE_EVENT) {
		fputs(",\"f\":", f);
		put_fields(f, item);
	}
	if (d->provenance) {
		fputs(",\"p\":", f);
		put_string(f, vmt_provenance_name(d->provenance));
	}
	fputc('}', f);
}

static void put_differences(FILE *f, const struct vmt_comparison *c)
{
	size_t n;
	const struct vmt_difference_item *d = vmt_comparison_differences(c, &n);

	fprintf(f, "\"total\":%zu,\"differences\":[", n);
	for (size_t i = 0; i < n && i < DIFFERENCES_MAX; i++) {
		fputs(i ? ",\n" : "\n", f);
		put_difference(f, &d[i]);
	}
	fputc(']', f);
}

/** Where each callback's items begin: they stand in the run in the order of callbacks. */
static size_t *item_begins(const struct vmt_compare_run *run)
{
	const size_t callbacks = vmt_compare_run_callbacks(run);
	const size_t items = vmt_compare_run_items(run);
	size_t *begins = malloc((callbacks + 1) * sizeof(*begins));
	size_t i = 0;

	for (size_t c = 0; begins && c <= callbacks; c++) {
		while (i < items && vmt_compare_run_item_at(run, i)->callback < c)
			i++;
		begins[c] = i;
	}
	return begins;
}

/** Where a side's callback is. */
static void put_head(FILE *f, const struct vmt_compare_place *place)
{
	fprintf(f, "\"cb\":%" PRIu64 ",\"kind\":%u,\"now\":%" PRIu64, place->callback, place->kind,
		place->now);
	if (place->event != VMT_COMPARE_NONE)
		fprintf(f, ",\"ev\":%" PRIu64 ",\"vcpu\":%u,\"reason\":%u", place->event,
			place->vcpu, place->reason);
	if (place->provenance) {
		fputs(",\"p\":", f);
		put_string(f, vmt_provenance_name(place->provenance));
	}
}

/** What happened in a callback: its calls, and its items. */
static void put_body(FILE *f, const struct vmidiff_side *side, const size_t *begins,
		     size_t callback)
{
	const struct vmidiff_calls *calls = side->calls;
	const size_t end = callback + 1 < calls->n ? calls->begins[callback + 1] : calls->len;

	if (callback < calls->n && end > calls->begins[callback]) {
		fputs("\"calls\":", f);
		put_text(f, calls->text + calls->begins[callback], end - calls->begins[callback]);
		fputc(',', f);
	}
	fputs("\"items\":[", f);
	for (size_t i = begins[callback]; i < begins[callback + 1]; i++) {
		const struct vmt_compare_item *item = vmt_compare_run_item_at(side->trace->run, i);

		fprintf(f, "%s[%u,", i > begins[callback] ? "," : "", item->kind);
		put_string(f, item->name);
		fputc(',', f);
		if (item->kind == VMT_COMPARE_EVENT)
			put_event_fields(f, item);
		else
			put_fields(f, item);
		fputc(']', f);
	}
	fputc(']', f);
}

/** A text that is written with stdio. */
struct body {
	char *text;
	size_t len;
};

static int make_body(struct body *body, const struct vmidiff_side *side, const size_t *begins,
		     size_t callback)
{
	FILE *f = open_memstream(&body->text, &body->len);

	if (!f)
		return -VMT_E_NO_MEMORY;
	put_body(f, side, begins, callback);
	return fclose(f) == 0 ? 0 : -VMT_E_NO_MEMORY;
}

/** Both sides of a row; a second one that is like the first is not written again. */
static int put_row(FILE *f, const struct vmt_comparison_row *row, const struct vmidiff_side *sides,
		   size_t *const *begins)
{
	const struct vmt_compare_place *const places[] = {row->from_place, row->to_place};
	const size_t callbacks[] = {row->from, row->to};
	struct body bodies[2] = {{0}};
	int n = 0;

	fputc('[', f);
	for (int i = 0; i < 2 && n >= 0; i++) {
		fputs(i ? "," : "", f);
		if (!places[i]) {
			fputs("null", f);
			continue;
		}
		n = make_body(&bodies[i], &sides[i], begins[i], callbacks[i]);
		fputc('{', f);
		put_head(f, places[i]);
		if (i && bodies[0].text && bodies[1].text &&
		    strcmp(bodies[0].text, bodies[1].text) == 0)
			fputs("}", f);
		else
			fprintf(f, ",%s}", bodies[i].text ? bodies[i].text : "");
	}
	fputc(']', f);
	free(bodies[0].text);
	free(bodies[1].text);
	return n;
}

static int put_details(FILE *f, const struct vmt_comparison_row *rows, size_t n,
		       const struct vmidiff_side *sides)
{
	size_t *begins[] = {item_begins(sides[0].trace->run), item_begins(sides[1].trace->run)};
	int r = begins[0] && begins[1] ? 0 : -VMT_E_NO_MEMORY;

	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (i % BLOCK == 0)
			fprintf(f, "%s<script type=\"application/json\" id=\"d%zu\">[",
				i ? "]</script>\n" : "", i / BLOCK);
		fputs(i % BLOCK ? ",\n" : "\n", f);
		r = put_row(f, &rows[i], sides, begins);
	}
	if (n > 0)
		fputs("]</script>\n", f);
	free(begins[0]);
	free(begins[1]);
	return r;
}

static int put_data(FILE *f, const struct vmt_comparison *c, const struct vmidiff_side *sides)
{
	size_t n;
	const struct vmt_comparison_row *rows = vmt_comparison_rows(c, &n);

	fprintf(f, "<script type=\"application/json\" id=\"data\">{\"block\":%u,\"from\":", BLOCK);
	put_origin(f, &sides[0]);
	fputs(",\"to\":", f);
	put_origin(f, &sides[1]);
	fputc(',', f);
	put_names(f);
	fputc(',', f);
	put_counts(f, c);
	fputc(',', f);
	put_rows(f, rows, n);
	fputc(',', f);
	put_differences(f, c);
	fputs("}</script>\n", f);
	return put_details(f, rows, n, sides);
}

int vmidiff_html(const char *path, const struct vmt_comparison *comparison,
		 const struct vmidiff_side sides[2], struct vmt_error *err)
{
	const char *mark = memmem(vmidiff_page, vmidiff_page_len, DATA_MARK, strlen(DATA_MARK));
	FILE *f = fopen(path, "we");
	bool bad;
	int n;

	if (!f)
		return vmt_error_set_errno(err, VMT_E_IO, errno, path, "it cannot be written");
	(void)put(f, vmidiff_page, (size_t)(mark - vmidiff_page));
	n = put_data(f, comparison, sides);
	mark += strlen(DATA_MARK);
	(void)put(f, mark, (size_t)(vmidiff_page + vmidiff_page_len - mark));
	bad = ferror(f) != 0;
	bad = fclose(f) != 0 || bad;
	if (n < 0)
		return no_memory(err);
	return bad ? vmt_error_set(err, VMT_E_IO, path, "it cannot be written") : 0;
}
