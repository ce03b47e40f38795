/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a trace into a run.
 *
 * Only what the handler itself did is taken: calls between the begin and the end of a callback. The
 * session's own (waits, answers, teardown) follow from that, and differ between backends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>

#include "trace-fields.h"
#include "trace-format/record.h"
#include "trace-run.h"

/** Events that were delivered and whose callback has not begun: a ring holds 8 for each vCPU. */
#define WAITING_MAX 256u

struct waiting {
	struct vmt_event event; /**< without its raw bytes */
	uint64_t number;
};

struct reading {
	struct vmt_trace_run *out;
	const struct vmt_trace_run_options *options;
	struct vmt_schema *schemas;   /**< copies: a record's body ends with the next record */
	struct vmt_field **fields_of; /**< of each of them */
	char **texts;                 /**< their names */
	size_t ntexts;
	uint32_t nschemas;
	struct waiting waiting[WAITING_MAX];
	uint64_t nwaiting; /**< so far; the last WAITING_MAX are kept */
	bool open;         /**< a callback has begun and not ended */
	struct vmt_trace_fields fields;
	struct vmt_error *err;
};

/* -------------------------------------------------------------------------------------------- */
/* Schemas                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void schemas_finish(struct reading *r)
{
	for (size_t i = 0; i < r->ntexts; i++)
		free(r->texts[i]);
	free(r->texts);
	for (uint32_t i = 0; i < r->nschemas; i++)
		free(r->fields_of[i]);
	free(r->fields_of);
	free(r->schemas);
	r->texts = NULL;
	r->ntexts = 0;
	r->fields_of = NULL;
	r->schemas = NULL;
	r->nschemas = 0;
}

static const char *keep_text(struct reading *r, const char *text)
{
	char **texts = realloc(r->texts, (r->ntexts + 1) * sizeof(*texts));
	char *copy = strdup(text);

	if (texts)
		r->texts = texts;
	if (!texts || !copy) {
		free(copy);
		return NULL;
	}
	texts[r->ntexts++] = copy;
	return copy;
}

static bool copy_schema(struct reading *r, uint32_t n, const struct vmt_schema *schema)
{
	struct vmt_field *fields = calloc(schema->nfields + 1, sizeof(*fields));

	r->fields_of[n] = fields;
	r->schemas[n] = (struct vmt_schema){keep_text(r, schema->name), fields, schema->nfields};
	if (!fields || !r->schemas[n].name)
		return false;
	for (size_t i = 0; i < schema->nfields; i++) {
		fields[i] = schema->fields[i];
		fields[i].name = keep_text(r, schema->fields[i].name);
		if (!fields[i].name)
			return false;
	}
	return true;
}

static int no_memory(struct reading *r)
{
	(void)vmt_error_set(r->err, VMT_E_NO_MEMORY, "trace", "no memory");
	return -VMT_E_NO_MEMORY;
}

static int take_meta(struct reading *r, const struct vmt_trace_meta *meta)
{
	struct vmt_trace_run *out = r->out;

	schemas_finish(r);
	snprintf(out->handler, sizeof(out->handler), "%s", meta->handler);
	snprintf(out->version, sizeof(out->version), "%s", meta->handler_version);
	snprintf(out->backend, sizeof(out->backend), "%s", meta->info.backend);
	snprintf(out->domain, sizeof(out->domain), "%s", meta->info.domain);
	out->derived = meta->derived;
	r->schemas = calloc(meta->nschemas + 1u, sizeof(*r->schemas));
	r->fields_of = calloc(meta->nschemas + 1u, sizeof(void *));
	if (!r->schemas || !r->fields_of)
		return no_memory(r);
	while (r->nschemas < meta->nschemas) {
		const uint32_t n = r->nschemas++;

		if (!copy_schema(r, n, &meta->schemas[n]))
			return no_memory(r);
	}
	return 0;
}

static int take_said(struct reading *r, enum vmt_compare_kind kind, bool has_schema,
		     uint32_t schema, const struct vmt_value *values, uint32_t n)
{
	if (!has_schema)
		return vmt_compare_run_record(r->out->run, kind, NULL, NULL, 0, r->err);
	if (schema >= r->nschemas || n > r->schemas[schema].nfields)
		return vmt_error_set(r->err, VMT_E_DAMAGED, "trace",
				     "a record names schema %u with %u values, which the trace's "
				     "head does not have",
				     schema, n);
	return vmt_compare_run_record(r->out->run, kind, &r->schemas[schema], values, n, r->err);
}

static int fields_of(struct reading *r, const struct vmt_trace_record *record)
{
	const int n = vmt_trace_fields_of(&r->fields, record);

	return n < 0 ? vmt_error_set(r->err, (enum vmt_status) - n, "trace",
				     "the fields of a record (%s) cannot be compared",
				     vmt_trace_kind_name(record->kind))
		     : 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Callbacks and events                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void take_event(struct reading *r, const struct vmt_trace_record *record)
{
	struct waiting *w = &r->waiting[r->nwaiting++ % WAITING_MAX];

	w->event = ((const struct vmt_trace_event *)record->body)->event;
	w->event.raw = NULL;
	w->event.raw_len = 0;
	w->event.raw_kind = 0;
	w->number = record->event;
	r->out->events++;
}

static const struct waiting *find_waiting(const struct reading *r, uint64_t ticket)
{
	for (uint64_t i = 0; i < r->nwaiting && i < WAITING_MAX; i++) {
		const struct waiting *w = &r->waiting[(r->nwaiting - 1 - i) % WAITING_MAX];

		if (w->event.ticket == ticket)
			return w;
	}
	return NULL;
}

/** Of the registers, only RIP counts: the others are kept to be shown, or left out. */
static void set_registers_aside(struct reading *r)
{
	struct vmt_trace_fields *f = &r->fields;
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++) {
		const bool aside = strncmp(f->fields[i].name, "regs.", 5) == 0 &&
				   strcmp(f->fields[i].name, "regs.rip") != 0;

		if (aside && !r->options->keep_registers)
			continue;
		f->fields[n] = f->fields[i];
		if (aside)
			f->fields[n].role = VMT_IGNORE;
		n++;
	}
	f->n = n;
}

/** The event as the first item of its callback: what it is about, and where. */
static int put_event(struct reading *r, const struct vmt_event *event)
{
	const struct vmt_trace_event body = {*event};
	const struct vmt_trace_record record = {.kind = VMT_TRACE_EVENT, .body = &body};
	struct vmt_trace_fields *f = &r->fields;
	struct vmt_compare_field *field;

	if (fields_of(r, &record) < 0)
		return -r->err->status;
	vmt_trace_fields_drop(f, "ticket");
	vmt_trace_fields_drop(f, "raw");
	vmt_trace_fields_drop(f, "reason");
	if (!r->options->registers)
		set_registers_aside(r);
	field = vmt_trace_field_find(f, "vcpu");
	if (field)
		field->role = VMT_KEY;
	return vmt_compare_run_item(r->out->run, VMT_COMPARE_EVENT, vmt_reason_name(event->reason),
				    f->fields, f->n, r->err);
}

static int open_callback(struct reading *r, const struct vmt_trace_record *record, uint32_t kind,
			 uint64_t now, uint64_t ticket)
{
	struct vmt_compare_place place = {
		.callback = record->callback,
		.event = VMT_COMPARE_NONE,
		.now = now,
		.kind = kind,
		.phase = record->phase,
	};
	const struct waiting *w = kind == VMT_CALLBACK_EVENT ? find_waiting(r, ticket) : NULL;
	int n;

	if (w) {
		place.event = w->number;
		place.vcpu = w->event.vcpu;
		place.reason = w->event.reason;
		place.rip_known = (w->event.regs.known & VMT_KNOWN(VMT_REG_RIP)) != 0;
		place.rip = w->event.regs.gprs.rip;
	}
	n = vmt_compare_run_callback(r->out->run, &place, r->err);
	r->open = n >= 0;
	return n >= 0 && w ? put_event(r, &w->event) : n;
}

static int take_callback(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_callback *callback = record->body;

	return open_callback(r, record, callback->kind, callback->now, callback->ticket);
}

/** A poll is a callback of a run only when it says something. */
static int take_poll(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_poll *poll = record->body;
	int n;

	r->open = false;
	if (poll->result == 0)
		return 0;
	n = open_callback(r, record, VMT_CALLBACK_POLL, poll->now, 0);
	r->open = false;
	if (n >= 0 && poll->result < 0)
		n = vmt_compare_run_item(r->out->run, VMT_COMPARE_FAILURE, "poll", NULL, 0, r->err);
	return n;
}

static int take_output(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_output *output = record->body;

	if (vmt_compare_run_callbacks(r->out->run) == 0)
		return 0; /* only in a trace that is made up, or cut */
	return take_said(r, VMT_COMPARE_OUTPUT, output->has_schema, output->schema, output->values,
			 output->nvalues);
}

static int take_callback_end(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_callback_end *end = record->body;
	struct vmt_compare_field fields[VMT_TRACE_FIELDS_MAX];
	struct vmt_trace_fields *f = &r->fields;
	size_t n = 0;

	if (!r->open)
		return 0;
	r->open = false;
	if (!end->response)
		return 0;
	if (fields_of(r, record) < 0)
		return -r->err->status;
	for (size_t i = 0; i < f->n; i++) {
		if (strncmp(f->fields[i].name, "response.", 9) != 0)
			continue;
		fields[n] = f->fields[i];
		fields[n++].name += 9;
		if (strcmp(fields[n - 1].name, "action") == 0)
			fields[n - 1].value = vmt_text(vmt_action_name(end->response->action));
	}
	return vmt_compare_run_item(r->out->run, VMT_COMPARE_RESPONSE, "response", fields, n,
				    r->err);
}

/* -------------------------------------------------------------------------------------------- */
/* Effects and ends                                                                             */
/* -------------------------------------------------------------------------------------------- */

/** What an effect is done to: calls with other values here are other calls, not changed ones. */
static bool is_key(const char *field)
{
	static const char *const keys[] = {"gfn",  "offset", "view",         "from",
					   "vcpu", "asked",  "monitor.kind", "monitor.what"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(field, keys[i]) == 0)
			return true;
	return false;
}

static int take_call(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_call *call = record->body;
	struct vmt_trace_fields *f = &r->fields;

	if (!r->open || !vmt_call_is_effect(call->call.op))
		return 0;
	if (fields_of(r, record) < 0)
		return -r->err->status;
	vmt_trace_fields_drop(f, "before");
	vmt_trace_fields_drop(f, "error.");
	for (size_t i = 0; i < f->n; i++)
		if (is_key(f->fields[i].name))
			f->fields[i].role = VMT_KEY;
	return vmt_compare_run_item(r->out->run, VMT_COMPARE_EFFECT, vmt_call_name(call->call.op),
				    f->fields, f->n, r->err);
}

static int take_failure(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_error *error = &((const struct vmt_trace_failure *)record->body)->error;
	const struct vmt_compare_field fields[] = {
		{"status", vmt_text(vmt_status_name(error->status)), 0},
		{"text", vmt_text(error->text), 0},
	};

	if (vmt_compare_run_callbacks(r->out->run) == 0)
		return 0;
	return vmt_compare_run_item(r->out->run, VMT_COMPARE_FAILURE, "failure", fields, 2, r->err);
}

/** The end stands in a callback of its own, so that two ends always meet. */
static int put_end(struct reading *r, const struct vmt_trace_record *record, const char *name,
		   const struct vmt_compare_field *fields, size_t n)
{
	int result = open_callback(r, record, 0, 0, 0);

	r->open = false;
	r->out->ended = true;
	return result < 0 ? result
			  : vmt_compare_run_item(r->out->run, VMT_COMPARE_END, name, fields, n,
						 r->err);
}

static int take_outcome(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_outcome *outcome = record->body;
	const struct vmt_compare_field fields[] = {
		{"how", vmt_text(vmt_end_name(outcome->end)), 0},
		{"error", vmt_text(vmt_status_name(outcome->error.status)), 0},
	};

	return put_end(r, record, "end", fields, 2);
}

static int take_crash(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_crash *crash = record->body;
	const struct vmt_compare_field fields[] = {
		{"how", vmt_text("crashed"), 0},
		{"signal", vmt_i64(crash->signal), 0},
		{"status", vmt_i64(crash->status), 0},
	};

	return put_end(r, record, "end", fields, 3);
}

/* -------------------------------------------------------------------------------------------- */
/* The whole                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int take(struct reading *r, const struct vmt_trace_record *record)
{
	const struct vmt_trace_emission *emission;

	switch (record->kind) {
	case VMT_TRACE_META:
		return take_meta(r, record->body);
	case VMT_TRACE_EVENT:
		take_event(r, record);
		return 0;
	case VMT_TRACE_CALLBACK:
		return take_callback(r, record);
	case VMT_TRACE_CALLBACK_END:
		return take_callback_end(r, record);
	case VMT_TRACE_POLL:
		return take_poll(r, record);
	case VMT_TRACE_OUTPUT:
		return take_output(r, record);
	case VMT_TRACE_EMISSION:
		emission = record->body;
		r->out->emissions++;
		if (vmt_compare_run_callbacks(r->out->run) == 0)
			return 0;
		return take_said(r, VMT_COMPARE_EMISSION, true, emission->schema, emission->values,
				 emission->nvalues);
	case VMT_TRACE_FAILURE:
		return take_failure(r, record);
	case VMT_TRACE_OUTCOME:
		return take_outcome(r, record);
	case VMT_TRACE_CRASH:
		return take_crash(r, record);
	case VMT_TRACE_ATTRIBUTE:
		if (strcmp(((const struct vmt_trace_attribute *)record->body)->key, "inspection") ==
		    0)
			r->out->part = true;
		return 0;
	case VMT_TRACE_GAP:
		r->out->damaged = true;
		return 0;
	default:
		return record->kind > VMT_TRACE_CALL ? take_call(r, record) : 0;
	}
}

static int read_all(struct reading *r, struct vmt_trace_reader *reader)
{
	struct vmt_trace_record record;
	struct vmt_trace_state state;
	int n;

	while ((n = vmt_trace_reader_next(reader, &record, r->err)) == 1) {
		n = take(r, &record);
		if (n >= 0 && r->options->record)
			n = r->options->record(r->options->context, r->out->run, &record, r->err);
		if (n < 0)
			return n;
	}
	vmt_trace_reader_state(reader, &state);
	r->out->damaged = r->out->damaged || state.damaged;
	r->out->whole = state.ended && state.footer && !r->out->damaged;
	return n;
}

int vmt_trace_run_init(struct vmt_trace_run *out, const char *path,
		       const struct vmt_trace_run_options *options, struct vmt_error *err)
{
	struct vmt_trace_reader *reader = NULL;
	struct reading *r;
	int n;

	memset(out, 0, sizeof(*out));
	r = calloc(1, sizeof(*r));
	if (!r)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory");
	r->out = out;
	r->options = options;
	r->err = err;
	n = vmt_compare_run_create(0, &out->run, err);
	if (n >= 0)
		vmt_compare_run_ignore(out->run, options->ignore, options->nignore);
	if (n >= 0)
		n = strcmp(path, "-") == 0 ? vmt_trace_reader_open_fd(0, NULL, &reader, err)
					   : vmt_trace_reader_open(path, NULL, &reader, err);
	if (n >= 0)
		n = read_all(r, reader);
	vmt_trace_reader_close(reader);
	schemas_finish(r);
	free(r);
	return n < 0 ? n : 0;
}

void vmt_trace_run_finish(struct vmt_trace_run *run)
{
	vmt_compare_run_destroy(run->run);
	run->run = NULL;
}
