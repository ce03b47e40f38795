/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Callbacks, records and outcomes as lines of text.
 */
#include <inttypes.h>
#include <string.h>

#include "text.h"

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void print_char(FILE *f, unsigned char c)
{
	if (c == '"' || c == '\\')
		fprintf(f, "\\%c", c);
	else if (c == '\n')
		fputs("\\n", f);
	else if (c < 0x20 || c == 0x7f)
		fprintf(f, "\\x%02x", c);
	else
		fputc(c, f);
}

static void print_bool(FILE *f, const struct vmt_value *value)
{
	fputs(value->v.b ? "true" : "false", f);
}

static void print_i64(FILE *f, const struct vmt_value *value)
{
	fprintf(f, "%" PRId64, value->v.i);
}

static void print_u64(FILE *f, const struct vmt_value *value)
{
	fprintf(f, "%" PRIu64, value->v.u);
}

static void print_addr(FILE *f, const struct vmt_value *value)
{
	fprintf(f, "0x%" PRIx64, value->v.u);
}

static void print_text(FILE *f, const struct vmt_value *value)
{
	const unsigned char *s = value->v.p;

	fputc('"', f);
	for (uint32_t i = 0; i < value->len; i++)
		print_char(f, s[i]);
	fputc('"', f);
}

static void print_bytes(FILE *f, const struct vmt_value *value)
{
	const unsigned char *s = value->v.p;

	fputs("hex:", f);
	for (uint32_t i = 0; i < value->len; i++)
		fprintf(f, "%02x", s[i]);
}

void vmt_print_value(FILE *f, const struct vmt_value *value)
{
	static void (*const print[VMT_TYPE_COUNT])(FILE *, const struct vmt_value *) = {
		[VMT_BOOL] = print_bool, [VMT_I64] = print_i64,   [VMT_U64] = print_u64,
		[VMT_ADDR] = print_addr, [VMT_TEXT] = print_text, [VMT_BYTES] = print_bytes,
	};

	if (value->type >= VMT_TYPE_COUNT || !print[value->type])
		fprintf(f, "(type %u?)", value->type);
	else
		print[value->type](f, value);
}

void vmt_print_record(FILE *f, const char *schema, const struct vmt_field *names, size_t nnames,
		      const struct vmt_value *values, size_t n)
{
	fputs(schema, f);
	for (size_t i = 0; i < n; i++) {
		if (names && i < nnames)
			fprintf(f, " %s=", names[i].name);
		else
			fputc(' ', f);
		vmt_print_value(f, &values[i]);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Responses and events                                                                         */
/* -------------------------------------------------------------------------------------------- */

void vmt_print_response(FILE *f, const struct vmt_response *rsp, const struct vmt_event *ev)
{
	struct vmt_regs regs = {.known = VMT_KNOWN_GPRS};
	char text[128];

	fputs(vmt_response_format(rsp, text, sizeof(text)), f);
	if (rsp->data_len > 0) {
		struct vmt_value data = vmt_bytes(rsp->data, rsp->data_len);

		fputs(" data ", f);
		vmt_print_value(f, &data);
	}
	if (!(rsp->flags & VMT_RSP_REGS) || !rsp->regs)
		return;
	regs.gprs = *rsp->regs;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];
		uint64_t value = vmt_reg_get(&regs, field);

		if (!(regs.known & VMT_KNOWN(field->bit)))
			continue;
		if (!ev || vmt_reg_get(&ev->regs, field) != value)
			fprintf(f, " %s=0x%" PRIx64, field->name, value);
	}
}

void vmt_print_event(FILE *f, const struct vmt_event *ev)
{
	char text[512];
	unsigned in_line = 0;

	fprintf(f, "event: %s\n", vmt_event_format(ev, text, sizeof(text)));
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];

		if (!(ev->regs.known & VMT_KNOWN(field->bit)))
			continue;
		if (in_line % 4 == 0)
			fprintf(f, "%s      ", in_line > 0 ? "\n" : "");
		fprintf(f, " %s 0x%" PRIx64, field->name, vmt_reg_get(&ev->regs, field));
		in_line++;
	}
	fputs(in_line > 0 ? "\n" : "       no register is known\n", f);
}

/* -------------------------------------------------------------------------------------------- */
/* Outcomes                                                                                     */
/* -------------------------------------------------------------------------------------------- */

void vmt_print_outcome(FILE *f, const struct vmt_outcome *outcome)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	fprintf(f,
		"%s: %" PRIu64 " callbacks, %" PRIu64 " events, %" PRIu64 " timeouts, %" PRIu64
		" emissions",
		vmt_end_name(outcome->end), outcome->callbacks, outcome->events, outcome->timeouts,
		outcome->emissions);
	if (outcome->output && vmt_record_schema(outcome->output)) {
		const struct vmt_schema *schema = vmt_record_schema(outcome->output);
		size_t n;
		const struct vmt_value *values = vmt_record_values(outcome->output, &n);

		fputs("; output ", f);
		vmt_print_record(f, schema->name, schema->fields, schema->nfields, values, n);
	}
	if (outcome->error.status != 0)
		fprintf(f, "; error: %s", vmt_error_format(&outcome->error, text, sizeof(text)));
	if (outcome->teardown_failures > 0 || outcome->teardown.status != 0)
		fprintf(f, "; the teardown failed %" PRIu32 " times, first: %s",
			outcome->teardown_failures,
			vmt_error_format(&outcome->teardown, text, sizeof(text)));
}
