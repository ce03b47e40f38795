/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Showing the fields of a record to a visitor, and finding where two records differ.
 */
#include <stdio.h>
#include <string.h>

#include <vmitape/registers.h>

#include "fields.h"

static void visit_struct(struct vmt_trace_visitor *v, const struct vmt_trace_struct *table,
			 const void *base);

static void show_uint(struct vmt_trace_visitor *v, const char *name, uint64_t value, bool hex)
{
	if (v->ops->uint != NULL)
		v->ops->uint(v, name, value, hex);
}

static void show_bytes(struct vmt_trace_visitor *v, const char *name, const void *p, size_t len,
		       bool text)
{
	if (v->ops->bytes != NULL)
		v->ops->bytes(v, name, p, len, text);
}

static void show_open(struct vmt_trace_visitor *v, const char *name, bool list)
{
	if (v->ops->open != NULL)
		v->ops->open(v, name, list);
}

static void show_close(struct vmt_trace_visitor *v, bool list)
{
	if (v->ops->close != NULL)
		v->ops->close(v, list);
}

static void visit_text(struct vmt_trace_visitor *v, const struct vmt_trace_field *field,
		       const void *at)
{
	const char *text = at;

	if (field->type != VMT_T_CHARS)
		memcpy(&text, at, sizeof(text));
	if (text != NULL)
		show_bytes(v, field->name, text, strlen(text), true);
	else if (field->type == VMT_T_MAYBE && v->ops->none != NULL)
		v->ops->none(v, field->name);
	else
		show_bytes(v, field->name, "", 0, true);
}

static void visit_registers(struct vmt_trace_visitor *v, const struct vmt_trace_field *field,
			    const void *at)
{
	struct vmt_regs regs;

	if (field->type == VMT_T_REGS) {
		memcpy(&regs, at, sizeof(regs));
	} else {
		memset(&regs, 0, sizeof(regs));
		memcpy(&regs.gprs, at, sizeof(regs.gprs));
		regs.known = VMT_KNOWN_GPRS;
	}
	show_open(v, field->name, false);
	for (size_t i = 0; i < vmt_reg_nfields; i++)
		if ((regs.known & VMT_KNOWN(vmt_reg_fields[i].bit)) != 0)
			show_uint(v, vmt_reg_fields[i].name, vmt_reg_get(&regs, &vmt_reg_fields[i]),
				  true);
	show_close(v, false);
}

static void visit_scalar(struct vmt_trace_visitor *v, const struct vmt_trace_field *field,
			 const void *at)
{
	const uint64_t value = at != NULL ? vmt_trace_load(at, field->width) : 0;

	if (field->type == VMT_T_SINT) {
		if (v->ops->sint != NULL)
			v->ops->sint(v, field->name,
				     field->width == 4 ? (int32_t)(uint32_t)value : (int64_t)value);
	} else if (field->type == VMT_T_BOOL) {
		if (v->ops->boolean != NULL)
			v->ops->boolean(v, field->name, value != 0);
	} else {
		show_uint(v, field->name, value,
			  field->type == VMT_T_HEX || field->type == VMT_T_LEHEX);
	}
}

static void visit_list(struct vmt_trace_visitor *v, const struct vmt_trace_field *field,
		       const void *base, const void *at)
{
	const uint64_t count = vmt_trace_load((const uint8_t *)base + field->aux, field->aux_width);
	const uint8_t *items;

	memcpy(&items, at, sizeof(items));
	show_open(v, field->name, true);
	for (uint64_t i = 0; i < count; i++) {
		show_open(v, NULL, false);
		visit_struct(v, field->sub, items + i * field->sub->size);
		show_close(v, false);
	}
	show_close(v, true);
}

static void visit_field(struct vmt_trace_visitor *v, const struct vmt_trace_field *field,
			const void *base)
{
	const void *at = vmt_trace_field_at(field, base);
	const void *p;

	if (at == NULL && field->type > VMT_T_LEHEX)
		return;
	switch (field->type) {
	case VMT_T_TEXT:
	case VMT_T_MAYBE:
	case VMT_T_CHARS:
		visit_text(v, field, at);
		break;
	case VMT_T_BYTES:
	case VMT_T_BLOB:
		memcpy(&p, at, sizeof(p));
		show_bytes(v, field->name, p, vmt_trace_load((const uint8_t *)base + field->aux, 4),
			   field->type == VMT_T_BLOB);
		break;
	case VMT_T_FIXED:
		show_bytes(v, field->name, at, field->width, false);
		break;
	case VMT_T_STRUCT:
		show_open(v, field->name, false);
		visit_struct(v, field->sub, at);
		show_close(v, false);
		break;
	case VMT_T_LIST:
		visit_list(v, field, base, at);
		break;
	case VMT_T_REGS:
	case VMT_T_GPRS:
		visit_registers(v, field, at);
		break;
	default:
		visit_scalar(v, field, at);
	}
}

static void visit_struct(struct vmt_trace_visitor *v, const struct vmt_trace_struct *table,
			 const void *base)
{
	for (size_t i = 0; i < table->nfields; i++)
		if (vmt_trace_field_present(&table->fields[i], base))
			visit_field(v, &table->fields[i], base);
}

int vmt_trace_record_visit(const struct vmt_trace_record *record, struct vmt_trace_visitor *visitor)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(record->kind);

	if (row == NULL || (record->body == NULL && row->body->nfields > 0))
		return -VMT_E_INVALID;
	visit_struct(visitor, row->body, record->body);
	return 0;
}
