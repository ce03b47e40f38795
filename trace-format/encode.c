/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a body to a payload, along its field table.
 */
#include <string.h>

#include "fields.h"
#include "registers.h"
#include "varint.h"

struct encoder {
	struct vmt_trace_buf *out;
	const char *kind;
	bool has_page; /**< the page's id is appended by whoever knows it */
	struct vmt_error *err;
};

static int refuse(const struct encoder *e, const struct vmt_trace_field *field,
		  enum vmt_status status, const char *why)
{
	return vmt_error_set(e->err, status, e->kind, "the field %s %s", field->name, why);
}

static int add(const struct encoder *e, const void *p, size_t len)
{
	if (vmt_trace_buf_add(e->out, p, len) < 0)
		return vmt_error_set(e->err, VMT_E_NO_MEMORY, e->kind,
				     "no memory for a record of %zu bytes", e->out->len + len);
	return 0;
}

static int add_varint(const struct encoder *e, uint64_t value)
{
	uint8_t bytes[VMT_VARINT_MAX];

	return add(e, bytes, vmt_varint_put(bytes, value));
}

static int add_sized(const struct encoder *e, const struct vmt_trace_field *field, const void *p,
		     size_t len, size_t max)
{
	if (len > max)
		return vmt_error_set(e->err, VMT_E_LIMIT, e->kind,
				     "the field %s has %zu bytes; a trace takes at most %zu",
				     field->name, len, max);
	if (p == NULL && len > 0)
		return refuse(e, field, VMT_E_INVALID, "is NULL, but has a length");
	if (add_varint(e, len) < 0)
		return -VMT_E_NO_MEMORY;
	return add(e, p, len);
}

static int encode_scalar(const struct encoder *e, const struct vmt_trace_field *field,
			 const void *at)
{
	uint8_t bytes[8];
	uint64_t value = at != NULL ? vmt_trace_load(at, field->width) : 0;

	switch (field->type) {
	case VMT_T_UINT:
	case VMT_T_HEX:
		if (field->max < 64 && value >> field->max != 0)
			return refuse(e, field, VMT_E_LIMIT, "is too large");
		return add_varint(e, value);
	case VMT_T_SINT:
		return add_varint(e, vmt_zigzag(field->width == 4 ? (int32_t)(uint32_t)value
								  : (int64_t)value));
	case VMT_T_BOOL:
		bytes[0] = value != 0;
		return add(e, bytes, 1);
	default:
		vmt_le64_put(bytes, value);
		return add(e, bytes, 8);
	}
}

static int encode_text(const struct encoder *e, const struct vmt_trace_field *field, const void *at)
{
	const uint8_t one = 1;
	const uint8_t none = 0;
	const char *text;

	if (field->type == VMT_T_CHARS) {
		const size_t len = strnlen(at, field->width);

		return add_sized(e, field, at, len, field->width - 1u);
	}
	memcpy(&text, at, sizeof(text));
	if (field->type == VMT_T_MAYBE) {
		if (text == NULL)
			return add(e, &none, 1);
		if (add(e, &one, 1) < 0)
			return -VMT_E_NO_MEMORY;
	}
	return add_sized(e, field, text, text != NULL ? strlen(text) : 0, field->max);
}

static int encode_registers(const struct encoder *e, const struct vmt_trace_field *field,
			    const void *at)
{
	size_t len = VMT_TRACE_GPRS;

	if (vmt_trace_buf_reserve(e->out, VMT_TRACE_REGS_MAX) < 0)
		return add(e, NULL, SIZE_MAX / 4);
	if (field->type == VMT_T_GPRS)
		vmt_trace_gprs_put(e->out->p + e->out->len, at);
	else
		len = vmt_trace_regs_put(e->out->p + e->out->len, at);
	if (len == 0)
		return refuse(e, field, VMT_E_INVALID, "knows a register that does not exist");
	e->out->len += len;
	return 0;
}

static int encode_struct(const struct encoder *e, const struct vmt_trace_struct *table,
			 const void *base, size_t *behaviour);

static int encode_list(const struct encoder *e, const struct vmt_trace_field *field,
		       const void *base, const void *at)
{
	const uint64_t count = vmt_trace_load((const uint8_t *)base + field->aux, field->aux_width);
	const uint8_t *items;
	int r;

	memcpy(&items, at, sizeof(items));
	if (count > field->max)
		return refuse(e, field, VMT_E_LIMIT, "has too many entries");
	if (items == NULL && count > 0)
		return refuse(e, field, VMT_E_INVALID, "is NULL, but has a length");
	r = add_varint(e, count);
	for (uint64_t i = 0; r == 0 && i < count; i++)
		r = encode_struct(e, field->sub, items + i * field->sub->size, NULL);
	return r;
}

static int encode_field(const struct encoder *e, const struct vmt_trace_field *field,
			const void *base)
{
	const void *at = vmt_trace_field_at(field, base);
	const void *p;

	/* What the caller did not ask for (a NULL "done") is 0. */
	if (at == NULL && field->type > VMT_T_LEHEX)
		return refuse(e, field, VMT_E_INVALID, "is NULL");
	switch (field->type) {
	case VMT_T_TEXT:
	case VMT_T_MAYBE:
	case VMT_T_CHARS:
		return encode_text(e, field, at);
	case VMT_T_BYTES:
	case VMT_T_BLOB:
		memcpy(&p, at, sizeof(p));
		return add_sized(e, field, p, vmt_trace_load((const uint8_t *)base + field->aux, 4),
				 field->max);
	case VMT_T_FIXED:
		return add(e, at, field->width);
	case VMT_T_STRUCT:
		return encode_struct(e, field->sub, at, NULL);
	case VMT_T_LIST:
		return encode_list(e, field, base, at);
	case VMT_T_REGS:
	case VMT_T_GPRS:
		return encode_registers(e, field, at);
	default:
		return encode_scalar(e, field, at);
	}
}

static int encode_struct(const struct encoder *e, const struct vmt_trace_struct *table,
			 const void *base, size_t *behaviour)
{
	const size_t start = e->out->len;

	for (size_t i = 0; i < table->nfields; i++) {
		const struct vmt_trace_field *field = &table->fields[i];
		int r = 0;

		if (field->late && behaviour != NULL) {
			*behaviour = e->out->len - start;
			behaviour = NULL;
		}
		if (!vmt_trace_field_present(field, base))
			continue;
		if (field->page_id)
			r = e->has_page ? 0 : add_varint(e, 0);
		else
			r = encode_field(e, field, base);
		if (r < 0)
			return r;
		if (e->out->len - start > VMT_TRACE_RECORD_MAX)
			return refuse(e, field, VMT_E_LIMIT,
				      "makes the record longer than 16 MiB, which a trace does not "
				      "take");
	}
	if (behaviour != NULL)
		*behaviour = e->out->len - start;
	return 0;
}

int vmt_trace_encode(const struct vmt_trace_kind_row *row, const void *body, bool has_page,
		     struct vmt_trace_buf *out, size_t *behaviour, struct vmt_error *err)
{
	const struct encoder e = {out, row->name, has_page, err};
	size_t ignored;

	if (behaviour == NULL)
		behaviour = &ignored;
	*behaviour = 0;
	if (row->body->nfields > 0 && body == NULL)
		return vmt_error_set(err, VMT_E_INVALID, row->name, "a record needs a body");
	if (row->digest == VMT_DIGEST_BEHAVIOUR)
		return encode_struct(&e, row->body, body, behaviour);
	return encode_struct(&e, row->body, body, NULL);
}
