/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checks behind the assertions: each says what is wrong in words, with everything around it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

#include "event-fields.h"
#include "text.h"

/* -------------------------------------------------------------------------------------------- */
/* Messages                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/* A message being written. It is made in a stream of its own, and cut to the check's room at the
 * end. */
struct message {
	FILE *f;
	char *text;
	size_t len;
};

static FILE *begin(struct message *m)
{
	m->text = NULL;
	m->f = open_memstream(&m->text, &m->len);
	return m->f;
}

static const char *end(struct message *m, struct vmt_check *c)
{
	bool written = fclose(m->f) == 0;

	if (!written || !m->text)
		snprintf(c->text, sizeof(c->text), "the check failed; no memory for its message");
	else
		snprintf(c->text, sizeof(c->text), "%s", m->text);
	free(m->text);
	return c->text;
}

static const char *VMT_PRINTF(2, 3) plain(struct vmt_check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	return c->text;
}

#define NO_MEMORY(c) plain((c), "the check could not be made: no memory")

/* -------------------------------------------------------------------------------------------- */
/* Results                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static const char *reason(const struct vmt_error *err, char *buf, size_t cap)
{
	return err && err->status != 0 ? vmt_error_format(err, buf, cap) : "no reason was given";
}

const char *vmt_check_ok(struct vmt_check *c, int result, const struct vmt_error *err)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	if (result >= 0)
		return NULL;
	return plain(c, "expected success, got '%s': %s", vmt_status_name(-result),
		     reason(err, text, sizeof(text)));
}

const char *vmt_check_refused(struct vmt_check *c, int result, const struct vmt_error *err,
			      enum vmt_status status)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	if (result == -(int)status)
		return NULL;
	if (result >= 0)
		return plain(c, "expected '%s', got success (%d)", vmt_status_name((int)status),
			     result);
	return plain(c, "expected '%s', got '%s': %s", vmt_status_name((int)status),
		     vmt_status_name(-result), reason(err, text, sizeof(text)));
}

/* -------------------------------------------------------------------------------------------- */
/* Events and responses                                                                         */
/* -------------------------------------------------------------------------------------------- */

const char *vmt_check_event(struct vmt_check *c, const struct vmt_event *ev,
			    const struct vmt_expect *expect)
{
	struct message m;

	if (!ev)
		return plain(c, "expected an event, there is none");
	for (; expect->field; expect++) {
		uint64_t value = 0;
		const char *problem = vmt_event_field_get(ev, expect->field, &value);

		if (!problem && value == expect->value)
			continue;
		if (!begin(&m))
			return NO_MEMORY(c);
		fprintf(m.f, "expected %s ", expect->field);
		vmt_event_field_print(m.f, expect->field, expect->value);
		if (problem) {
			fprintf(m.f, ", but %s\n", problem);
		} else {
			fputs(", got ", m.f);
			vmt_event_field_print(m.f, expect->field, value);
			fputc('\n', m.f);
		}
		vmt_print_event(m.f, ev);
		return end(&m, c);
	}
	return NULL;
}

const char *vmt_check_response(struct vmt_check *c, const struct vmt_response *rsp,
			       const struct vmt_expect *expect)
{
	struct message m;

	if (!rsp)
		return plain(c, "expected a response, there is none");
	for (; expect->field; expect++) {
		uint64_t value = 0;
		const char *problem = vmt_response_field_get(rsp, expect->field, &value);

		if (!problem && value == expect->value)
			continue;
		if (!begin(&m))
			return NO_MEMORY(c);
		fprintf(m.f, "expected %s ", expect->field);
		vmt_response_field_print(m.f, expect->field, expect->value);
		if (problem) {
			fprintf(m.f, ", but %s", problem);
		} else {
			fputs(", got ", m.f);
			vmt_response_field_print(m.f, expect->field, value);
		}
		fputs("\nresponse: ", m.f);
		vmt_print_response(m.f, rsp, NULL);
		fputc('\n', m.f);
		return end(&m, c);
	}
	return NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool same_value(const struct vmt_value *a, const struct vmt_value *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == VMT_BOOL)
		return a->v.b == b->v.b;
	if (a->type == VMT_TEXT || a->type == VMT_BYTES)
		return a->len == b->len && (a->len == 0 || memcmp(a->v.p, b->v.p, a->len) == 0);
	return a->v.u == b->v.u;
}

/* The first value that differs, or SIZE_MAX when all are the same. */
static size_t differing(const struct vmt_value *a, size_t na, const struct vmt_value *b, size_t nb)
{
	size_t n = na < nb ? na : nb;

	for (size_t i = 0; i < n; i++)
		if (!same_value(&a[i], &b[i]))
			return i;
	return na == nb ? SIZE_MAX : n;
}

/* Say in @m how the record (of @got) differs from what was expected; true: it does. */
static bool print_difference(FILE *f, const struct vmt_schema *got, const struct vmt_value *values,
			     size_t n, const char *schema, const struct vmt_value *expected,
			     size_t nexpected)
{
	size_t at = differing(values, n, expected, nexpected);

	if (strcmp(got->name, schema) == 0 && at == SIZE_MAX)
		return false;
	fputs("expected ", f);
	vmt_print_record(f, schema, got->fields, got->nfields, expected, nexpected);
	fputs("\ngot      ", f);
	vmt_print_record(f, got->name, got->fields, got->nfields, values, n);
	if (strcmp(got->name, schema) != 0)
		fputs("\nthe schema differs", f);
	else if (at < n && at < nexpected)
		fprintf(f, "\nthe field %s differs", got->fields[at].name);
	else
		fprintf(f, "\n%zu values were expected, there are %zu", nexpected, n);
	fputc('\n', f);
	return true;
}

const char *vmt_check_emitted(struct vmt_check *c, const struct vmt_collector *collector, size_t n,
			      const char *schema, const struct vmt_value *values, size_t nvalues)
{
	const struct vmt_collected_emission *got = vmt_collector_emission(collector, NULL, n);
	struct message m;
	char *all;

	if (got && strcmp(got->schema->name, schema) == 0 &&
	    differing(got->values, got->n, values, nvalues) == SIZE_MAX)
		return NULL;
	if (!begin(&m))
		return NO_MEMORY(c);
	fprintf(m.f, "emission %zu: ", n);
	if (got) {
		print_difference(m.f, got->schema, got->values, got->n, schema, values, nvalues);
		fprintf(m.f, "in callback %" PRIu64 "\n", got->callback);
	} else {
		fputs("expected ", m.f);
		vmt_print_record(m.f, schema, NULL, 0, values, nvalues);
		fprintf(m.f, ", but there are only %zu\n",
			vmt_collector_nemissions(collector, NULL));
	}
	all = vmt_collector_text(collector);
	fprintf(m.f, "the session:\n%s", all ? all : "");
	free(all);
	return end(&m, c);
}

const char *vmt_check_output(struct vmt_check *c, const struct vmt_record *record,
			     const char *schema, const struct vmt_value *values, size_t nvalues)
{
	const struct vmt_schema *got = record ? vmt_record_schema(record) : NULL;
	const struct vmt_value *have;
	struct message m;
	size_t n;

	if (!record)
		return plain(c, "expected an output of %s, there is none", schema);
	if (!got)
		return plain(c, "expected an output of %s; the handler finished without one",
			     schema);
	have = vmt_record_values(record, &n);
	if (!begin(&m))
		return NO_MEMORY(c);
	if (print_difference(m.f, got, have, n, schema, values, nvalues))
		return end(&m, c);
	end(&m, c);
	return NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* Sessions and domains                                                                         */
/* -------------------------------------------------------------------------------------------- */

const char *vmt_check_ended(struct vmt_check *c, const struct vmt_outcome *outcome,
			    enum vmt_end expected)
{
	struct message m;

	if (outcome->end == (uint32_t)expected && outcome->teardown_failures == 0 &&
	    outcome->teardown.status == 0)
		return NULL;
	if (!begin(&m))
		return NO_MEMORY(c);
	if (outcome->end != (uint32_t)expected)
		fprintf(m.f, "expected the session to end as '%s', it ended as '%s'\n",
			vmt_end_name(expected), vmt_end_name(outcome->end));
	else
		fputs("the session's teardown was not clean\n", m.f);
	vmt_print_outcome(m.f, outcome);
	fputc('\n', m.f);
	return end(&m, c);
}

const char *vmt_check_calls(struct vmt_check *c, struct vmt_driver *log, unsigned op, size_t n)
{
	size_t there = vmt_call_log_count(log, op);
	struct message m;
	char *all;

	if (there == n)
		return NULL;
	if (!begin(&m))
		return NO_MEMORY(c);
	all = vmt_call_log_text(log);
	fprintf(m.f, "expected %zu calls%s%s, there are %zu:\n%s", n, op ? " of " : "",
		op ? vmt_call_name(op) : "", there, all ? all : "");
	free(all);
	return end(&m, c);
}
