/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a collector hands out: its items by kind and number, and all of them as text.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "collector.h"
#include "text.h"

/* -------------------------------------------------------------------------------------------- */
/* By kind and number                                                                           */
/* -------------------------------------------------------------------------------------------- */

static const void *item(const struct vmt_collector *c, enum vmt_collected kind, size_t n)
{
	return n < c->of[kind].n ? c->of[kind].items[n] : NULL;
}

size_t vmt_collector_ncallbacks(const struct vmt_collector *c, unsigned kind)
{
	const struct vmt_collected_list *list = &c->of[VMT_COLLECTED_CALLBACK];
	size_t n = 0;

	if (kind == 0)
		return list->n;
	while (vmt_collector_callback(c, kind, n))
		n++;
	return n;
}

const struct vmt_collected_callback *vmt_collector_callback(const struct vmt_collector *c,
							    unsigned kind, size_t n)
{
	const struct vmt_collected_list *list = &c->of[VMT_COLLECTED_CALLBACK];

	for (size_t i = 0; i < list->n; i++) {
		const struct vmt_collected_callback *callback = list->items[i];

		if (kind != 0 && callback->callback.kind != kind)
			continue;
		if (n-- == 0)
			return callback;
	}
	return NULL;
}

size_t vmt_collector_nemissions(const struct vmt_collector *c, const char *schema)
{
	size_t n = 0;

	if (!schema)
		return c->of[VMT_COLLECTED_EMISSION].n;
	while (vmt_collector_emission(c, schema, n))
		n++;
	return n;
}

const struct vmt_collected_emission *vmt_collector_emission(const struct vmt_collector *c,
							    const char *schema, size_t n)
{
	const struct vmt_collected_list *list = &c->of[VMT_COLLECTED_EMISSION];

	for (size_t i = 0; i < list->n; i++) {
		const struct vmt_collected_emission *emission = list->items[i];

		if (schema && strcmp(emission->schema->name, schema) != 0)
			continue;
		if (n-- == 0)
			return emission;
	}
	return NULL;
}

size_t vmt_collector_nlogs(const struct vmt_collector *c)
{
	return c->of[VMT_COLLECTED_LOG].n;
}

const struct vmt_collected_log *vmt_collector_log(const struct vmt_collector *c, size_t n)
{
	return item(c, VMT_COLLECTED_LOG, n);
}

size_t vmt_collector_nfiles(const struct vmt_collector *c)
{
	return c->of[VMT_COLLECTED_FILE].n;
}

const struct vmt_collected_file *vmt_collector_file(const struct vmt_collector *c, size_t n)
{
	return item(c, VMT_COLLECTED_FILE, n);
}

size_t vmt_collector_nfailures(const struct vmt_collector *c)
{
	return c->of[VMT_COLLECTED_FAILURE].n;
}

const struct vmt_error *vmt_collector_failure(const struct vmt_collector *c, size_t n)
{
	return item(c, VMT_COLLECTED_FAILURE, n);
}

size_t vmt_collector_nsteps(const struct vmt_collector *c)
{
	return c->of[VMT_COLLECTED_STEP].n;
}

const char *vmt_collector_step(const struct vmt_collector *c, size_t n)
{
	return item(c, VMT_COLLECTED_STEP, n);
}

size_t vmt_collector_ndefaults(const struct vmt_collector *c)
{
	return c->of[VMT_COLLECTED_DEFAULT].n;
}

const struct vmt_collected_callback *vmt_collector_default(const struct vmt_collector *c, size_t n)
{
	return item(c, VMT_COLLECTED_DEFAULT, n);
}

const struct vmt_outcome *vmt_collector_outcome(const struct vmt_collector *c)
{
	size_t n = c->of[VMT_COLLECTED_OUTCOME].n;

	return n > 0 ? item(c, VMT_COLLECTED_OUTCOME, n - 1) : NULL;
}

bool vmt_collector_incomplete(const struct vmt_collector *c)
{
	return c->incomplete;
}

/* -------------------------------------------------------------------------------------------- */
/* As text                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void print_callback(FILE *f, const void *p)
{
	const struct vmt_collected_callback *callback = p;
	char text[512];

	fprintf(f, "%" PRIu64 " %s", callback->callback.number,
		vmt_callback_name(callback->callback.kind));
	if (callback->callback.phase == VMT_PHASE_DRAIN)
		fputs(" (drain)", f);
	if (callback->callback.event)
		fprintf(f, ": %s", vmt_event_format(callback->callback.event, text, sizeof(text)));
	fputc('\n', f);
}

static void print_callback_end(FILE *f, const void *p)
{
	const struct vmt_collected_callback *callback = p;
	const struct vmt_record *output = callback->output;

	if (callback->result < 0) {
		fprintf(f, "  -> %s\n", vmt_status_name(-callback->result));
	} else if (callback->response) {
		fputs("  -> ", f);
		vmt_print_response(f, callback->response, callback->callback.event);
		fputc('\n', f);
	} else if (output && vmt_record_schema(output)) {
		const struct vmt_schema *schema = vmt_record_schema(output);
		size_t n;
		const struct vmt_value *values = vmt_record_values(output, &n);

		fputs("  -> output ", f);
		vmt_print_record(f, schema->name, schema->fields, schema->nfields, values, n);
		fputc('\n', f);
	} else if (callback->result > 0) {
		fputs("  -> finished\n", f);
	}
}

static void print_default(FILE *f, const void *p)
{
	const struct vmt_collected_callback *callback = p;
	char text[512];

	if (callback->callback.event)
		fprintf(f, "default answer: %s\n",
			vmt_event_format(callback->callback.event, text, sizeof(text)));
	if (callback->response) {
		fputs("  -> ", f);
		vmt_print_response(f, callback->response, callback->callback.event);
		fputc('\n', f);
	}
}

static void print_emission(FILE *f, const void *p)
{
	const struct vmt_collected_emission *emission = p;

	fputs("  emits ", f);
	vmt_print_record(f, emission->schema->name, emission->schema->fields,
			 emission->schema->nfields, emission->values, emission->n);
	fputc('\n', f);
}

static void print_log(FILE *f, const void *p)
{
	static const char *const levels[] = {"", "error", "warning", "info", "debug"};
	const struct vmt_collected_log *log = p;

	fprintf(f, "  log %s: %s\n", log->level <= VMT_LOG_DEBUG ? levels[log->level] : "?",
		log->text);
}

static void print_file(FILE *f, const void *p)
{
	const struct vmt_collected_file *file = p;

	if (file->status < 0)
		fprintf(f, "  file %s: %s\n", file->path, vmt_status_name(-file->status));
	else
		fprintf(f, "  file %s: %zu bytes\n", file->path, file->len);
}

static void print_failure(FILE *f, const void *p)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	fprintf(f, "failure: %s\n", vmt_error_format(p, text, sizeof(text)));
}

static void print_step(FILE *f, const void *p)
{
	fprintf(f, "teardown: %s\n", (const char *)p);
}

static void print_outcome(FILE *f, const void *p)
{
	fputs("end: ", f);
	vmt_print_outcome(f, p);
	fputc('\n', f);
}

char *vmt_collector_text(const struct vmt_collector *c)
{
	static void (*const print[VMT_COLLECTED_KINDS])(FILE *, const void *) = {
		[VMT_COLLECTED_CALLBACK] = print_callback,
		[VMT_COLLECTED_CALLBACK_END] = print_callback_end,
		[VMT_COLLECTED_DEFAULT] = print_default,
		[VMT_COLLECTED_EMISSION] = print_emission,
		[VMT_COLLECTED_LOG] = print_log,
		[VMT_COLLECTED_FILE] = print_file,
		[VMT_COLLECTED_FAILURE] = print_failure,
		[VMT_COLLECTED_STEP] = print_step,
		[VMT_COLLECTED_OUTCOME] = print_outcome,
	};
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < c->lines.n; i++) {
		const struct vmt_collected_line *line = c->lines.items[i];

		print[line->kind](f, line->item);
	}
	if (c->incomplete)
		fputs("(incomplete: memory ran out)\n", f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
