/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a body to a payload, along its field table.
 */
#include <string.h>

#include "fields.h"
#include "patch.h"
#include "predict.h"
#include "registers.h"
#include "varint.h"

struct encoder {
	struct vmt_trace_buf *out;
	size_t start; /**< of the payload, in it */
	const char *kind;
	bool has_page; /**< the page's id is appended by whoever knows it */
	struct vmt_error *err;
};

static int refuse(const struct encoder *e, const struct vmt_trace_field *field,
		  enum vmt_status status, const char *why)
{
	return vmt_error_set(e->err, status, e->kind, "the field %s %s", field->name, why);
}

static int no_memory(const struct encoder *e, size_t more)
{
	return vmt_error_set(e->err, VMT_E_NO_MEMORY, e->kind,
			     "no memory for a record of %zu bytes", e->out->len + more);
}

/** Make room for @len bytes. */
static inline int need(const struct encoder *e, size_t len)
{
	if (e->out->cap - e->out->len >= len)
		return 0;
	return vmt_trace_buf_reserve(e->out, len) < 0 ? no_memory(e, len) : 0;
}

static int add(const struct encoder *e, const void *p, size_t len)
{
	if (need(e, len) < 0)
		return -VMT_E_NO_MEMORY;
	if (len > 0)
		memcpy(e->out->p + e->out->len, p, len);
	e->out->len += len;
	return 0;
}

static inline int add_varint(const struct encoder *e, uint64_t value)
{
	if (need(e, VMT_VARINT_MAX) < 0)
		return -VMT_E_NO_MEMORY;
	e->out->len += vmt_varint_put(e->out->p + e->out->len, value);
	return 0;
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
	const uint64_t value = at != NULL ? vmt_trace_load(at, field->width) : 0;
	uint8_t *p;

	if (need(e, VMT_VARINT_MAX) < 0)
		return -VMT_E_NO_MEMORY;
	p = e->out->p + e->out->len;
	switch (field->type) {
	case VMT_T_UINT:
	case VMT_T_HEX:
		if (field->max < 64 && value >> field->max != 0)
			return refuse(e, field, VMT_E_LIMIT, "is too large");
		e->out->len += vmt_varint_put(p, value);
		return 0;
	case VMT_T_SINT:
		e->out->len +=
			vmt_varint_put(p, vmt_zigzag(field->width == 4 ? (int32_t)(uint32_t)value
								       : (int64_t)value));
		return 0;
	case VMT_T_BOOL:
		*p = value != 0;
		e->out->len++;
		return 0;
	default:
		vmt_le64_put(p, value);
		e->out->len += 8;
		return 0;
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

	if (need(e, VMT_TRACE_REGS_MAX) < 0)
		return -VMT_E_NO_MEMORY;
	if (field->type == VMT_T_GPRS)
		vmt_trace_gprs_put(e->out->p + e->out->len, at);
	else
		len = vmt_trace_regs_put(e->out->p + e->out->len, at);
	if (len == 0)
		return refuse(e, field, VMT_E_INVALID, "knows a register that does not exist");
	e->out->len += len;
	return 0;
}

/** Raw bytes of the event @ev: their length, then a patch to what its fields tell of them. */
static int encode_raw(const struct encoder *e, const struct vmt_trace_field *field,
		      const struct vmt_event *ev)
{
	uint8_t small[512];
	uint8_t *guess = small;
	uint8_t *patch;
	size_t len;
	int r;

	if (ev->raw_len > field->max)
		return refuse(e, field, VMT_E_LIMIT, "is too long");
	if (ev->raw == NULL && ev->raw_len > 0)
		return refuse(e, field, VMT_E_INVALID, "is NULL, but has a length");
	r = need(e, (size_t)2 * VMT_VARINT_MAX + VMT_PATCH_MOST(ev->raw_len) + ev->raw_len);
	if (r < 0)
		return r;
	e->out->len += vmt_varint_put(e->out->p + e->out->len, ev->raw_len);
	patch = e->out->p + e->out->len + VMT_VARINT_MAX;
	if (ev->raw_len > sizeof(small))
		guess = patch + VMT_PATCH_MOST(ev->raw_len);
	vmt_trace_predict_raw(ev, guess, ev->raw_len);
	len = vmt_patch_make(guess, ev->raw, ev->raw_len, patch, VMT_PATCH_MOST(ev->raw_len));
	e->out->len += vmt_varint_put(e->out->p + e->out->len, len);
	memmove(e->out->p + e->out->len, patch, len);
	e->out->len += len;
	return 0;
}

static int encode_fields(const struct encoder *e, const struct vmt_trace_field *fields, size_t n,
			 const void *base);

static int too_long(const struct encoder *e)
{
	return vmt_error_set(e->err, VMT_E_LIMIT, e->kind,
			     "the record is longer than 16 MiB, which a trace does not take");
}

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
	for (uint64_t i = 0; r == 0 && i < count; i++) {
		r = encode_fields(e, field->sub->fields, field->sub->nfields,
				  items + i * field->sub->size);
		if (r == 0 && e->out->len - e->start > VMT_TRACE_RECORD_MAX)
			return too_long(e);
	}
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
		if (field->residual)
			return encode_raw(e, field, base);
		memcpy(&p, at, sizeof(p));
		return add_sized(e, field, p, vmt_trace_load((const uint8_t *)base + field->aux, 4),
				 field->max);
	case VMT_T_FIXED:
		return add(e, at, field->width);
	case VMT_T_STRUCT:
		return encode_fields(e, field->sub->fields, field->sub->nfields, at);
	case VMT_T_LIST:
		return encode_list(e, field, base, at);
	case VMT_T_REGS:
	case VMT_T_GPRS:
		return encode_registers(e, field, at);
	default:
		return encode_scalar(e, field, at);
	}
}

/**
 * The plain numbers from @field on, up to the first field of another kind or @end: most fields are
 * such, and this is the loop that an event passes through. Returns where it stopped.
 */
static const struct vmt_trace_field *encode_numbers(const struct encoder *e,
						    const struct vmt_trace_field *field,
						    const struct vmt_trace_field *end,
						    const void *base)
{
	uint8_t *p = e->out->p + e->out->len;

	for (; field < end; field++) {
		uint64_t value;

		if (!vmt_trace_field_present(field, base))
			continue;
		if (field->type > VMT_T_HEX || field->deref || field->page_id)
			break;
		value = vmt_trace_load((const uint8_t *)base + field->offset, field->width);
		if (field->max < 64 && value >> field->max != 0)
			break;
		p += vmt_varint_put(p, value);
	}
	e->out->len = (size_t)(p - e->out->p);
	return field;
}

static int encode_fields(const struct encoder *e, const struct vmt_trace_field *fields, size_t n,
			 const void *base)
{
	const struct vmt_trace_field *end;

	if (n == 0)
		return 0;
	end = fields + n;
	for (const struct vmt_trace_field *field = fields; field < end; field++) {
		int r;

		if (need(e, (size_t)(end - field) * VMT_VARINT_MAX) < 0)
			return -VMT_E_NO_MEMORY;
		field = encode_numbers(e, field, end, base);
		if (field == end)
			break;
		/* It is present. */
		if (field->page_id)
			r = e->has_page ? 0 : add_varint(e, 0);
		else
			r = encode_field(e, field, base);
		if (r < 0)
			return r;
	}
	return 0;
}

int vmt_trace_encode(const struct vmt_trace_kind_row *row, const void *body, bool has_page,
		     struct vmt_trace_buf *out, size_t *behaviour, struct vmt_error *err)
{
	const struct encoder e = {out, out->len, row->name, has_page, err};
	const struct vmt_trace_struct *table = row->body;
	size_t early = table->nfields;
	int r;

	if (behaviour != NULL)
		*behaviour = 0;
	if (table->nfields > 0 && body == NULL)
		return vmt_error_set(err, VMT_E_INVALID, row->name, "a record needs a body");
	if (behaviour != NULL && row->digest == VMT_DIGEST_BEHAVIOUR)
		early = vmt_trace_early(table);
	r = encode_fields(&e, table->fields, early, body);
	if (r == 0 && behaviour != NULL && row->digest == VMT_DIGEST_BEHAVIOUR)
		*behaviour = out->len - e.start;
	if (r == 0 && early < table->nfields)
		r = encode_fields(&e, table->fields + early, table->nfields - early, body);
	return r == 0 && out->len - e.start > VMT_TRACE_RECORD_MAX ? too_long(&e) : r;
}
