/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a payload to a body, along its field table. The payload is not trusted: each length is
 * checked against what is left and against its limit before anything is made for it.
 */
#include <string.h>

#include "fields.h"
#include "patch.h"
#include "predict.h"
#include "record.h"
#include "registers.h"
#include "varint.h"

struct decoder {
	const uint8_t *start, *p, *end;
	const char *kind;
	struct vmt_trace_arena *arena;
	struct vmt_trace_decoded *decoded;
	struct vmt_error *err;
};

static int damaged(const struct decoder *d, const struct vmt_trace_field *field, const char *why)
{
	return vmt_error_set(d->err, VMT_E_DAMAGED, d->kind, "the field %s, at byte %zu: %s",
			     field->name, (size_t)(d->p - d->start), why);
}

static void *take_memory(const struct decoder *d, size_t size)
{
	void *p = vmt_trace_arena_alloc(d->arena, size);

	if (p == NULL)
		vmt_error_set(d->err, VMT_E_NO_MEMORY, d->kind,
			      "no memory for %zu bytes of a record", size);
	return p;
}

static int take_varint(struct decoder *d, const struct vmt_trace_field *field, uint64_t max,
		       uint64_t *value)
{
	const size_t n = vmt_varint_get(d->p, d->end, max, value);

	if (n == 0)
		return damaged(d, field,
			       "a number that is cut, too large or not in its short form");
	d->p += n;
	return 0;
}

/** The next @len bytes, or NULL. */
static const uint8_t *take_bytes(struct decoder *d, const struct vmt_trace_field *field, size_t len)
{
	const uint8_t *bytes = d->p;

	if ((size_t)(d->end - d->p) < len) {
		damaged(d, field, "longer than the record");
		return NULL;
	}
	d->p += len;
	return bytes;
}

static int decode_scalar(struct decoder *d, const struct vmt_trace_field *field, void *at)
{
	uint64_t value = 0;
	const uint8_t *bytes;
	int r = 0;

	switch (field->type) {
	case VMT_T_UINT:
	case VMT_T_HEX:
		r = take_varint(d, field, UINT64_MAX >> (64 - field->max), &value);
		break;
	case VMT_T_SINT:
		r = take_varint(d, field, field->width == 4 ? UINT32_MAX : UINT64_MAX, &value);
		value = (uint64_t)vmt_unzigzag(value);
		break;
	case VMT_T_BOOL:
		bytes = take_bytes(d, field, 1);
		if (bytes == NULL)
			return -VMT_E_DAMAGED;
		if (*bytes > 1)
			return damaged(d, field, "neither 0 nor 1");
		value = *bytes;
		break;
	default:
		bytes = take_bytes(d, field, 8);
		if (bytes == NULL)
			return -VMT_E_DAMAGED;
		value = vmt_le64_get(bytes);
	}
	if (r == 0)
		vmt_trace_store(at, field->width, value);
	return r;
}

/** A length of at most @max, and that many bytes; NULL: damage. */
static const uint8_t *take_sized(struct decoder *d, const struct vmt_trace_field *field,
				 uint64_t max, size_t *len)
{
	uint64_t value = 0;

	if (take_varint(d, field, max, &value) < 0)
		return NULL;
	*len = value;
	return take_bytes(d, field, value);
}

static int decode_text(struct decoder *d, const struct vmt_trace_field *field, void *at)
{
	const uint64_t max = field->type == VMT_T_CHARS ? field->width - 1u : field->max;
	const uint8_t *bytes;
	char *text = at;
	size_t len;

	if (field->type == VMT_T_MAYBE) {
		bytes = take_bytes(d, field, 1);
		if (bytes == NULL)
			return -VMT_E_DAMAGED;
		if (*bytes > 1)
			return damaged(d, field, "neither 0 nor 1");
		if (*bytes == 0)
			return 0;
	}
	bytes = take_sized(d, field, max, &len);
	if (bytes == NULL)
		return -VMT_E_DAMAGED;
	if (memchr(bytes, 0, len) != NULL)
		return damaged(d, field, "a text with a zero byte");
	if (field->type != VMT_T_CHARS) {
		text = take_memory(d, len + 1);
		if (text == NULL)
			return -VMT_E_NO_MEMORY;
		memcpy(at, &text, sizeof(text));
	}
	memcpy(text, bytes, len);
	return 0;
}

static int decode_bytes(struct decoder *d, const struct vmt_trace_field *field, void *base,
			void *at)
{
	size_t len = 0;
	const uint8_t *bytes = take_sized(d, field, field->max, &len);

	if (bytes == NULL)
		return -VMT_E_DAMAGED;
	/* Nothing stays NULL: an answer without data is the same when it is given again. */
	if (len > 0)
		memcpy(at, &bytes, sizeof(bytes));
	vmt_trace_store((uint8_t *)base + field->aux, field->aux_width, len);
	return 0;
}

static int decode_registers(struct decoder *d, const struct vmt_trace_field *field, void *at)
{
	const uint8_t *bytes;
	size_t len;

	if (field->type == VMT_T_GPRS) {
		bytes = take_bytes(d, field, VMT_TRACE_GPRS);
		if (bytes == NULL)
			return -VMT_E_DAMAGED;
		vmt_trace_gprs_get(bytes, at);
		return 0;
	}
	len = vmt_trace_regs_get(d->p, d->end, at);
	if (len == 0)
		return damaged(d, field, "registers that are cut or do not exist");
	d->p += len;
	return 0;
}

static int decode_raw(struct decoder *d, const struct vmt_trace_field *field, struct vmt_event *ev)
{
	const uint8_t *patch;
	const char *wrong;
	uint64_t raw_len = 0;
	uint8_t *raw;
	size_t len;

	if (take_varint(d, field, field->max, &raw_len) < 0)
		return -VMT_E_DAMAGED;
	patch = take_sized(d, field, VMT_PATCH_MOST(raw_len), &len);
	if (patch == NULL)
		return -VMT_E_DAMAGED;
	raw = take_memory(d, raw_len);
	if (raw == NULL)
		return -VMT_E_NO_MEMORY;
	vmt_trace_predict_raw(ev, raw, raw_len);
	wrong = vmt_patch_apply(raw, raw_len, patch, len);
	if (wrong != NULL)
		return damaged(d, field, wrong);
	ev->raw = raw;
	ev->raw_len = (uint32_t)raw_len;
	return 0;
}

static int decode_struct(struct decoder *d, const struct vmt_trace_struct *table, void *base);

static int decode_list(struct decoder *d, const struct vmt_trace_field *field, void *base, void *at)
{
	uint64_t count;
	uint8_t *items;

	if (take_varint(d, field, field->max, &count) < 0)
		return -VMT_E_DAMAGED;
	/* Each entry has a byte at least: no count can ask for more memory than its bytes allow. */
	if (count > (uint64_t)(d->end - d->p))
		return damaged(d, field, "more entries than the record has bytes");
	items = count > 0 ? take_memory(d, count * field->sub->size) : NULL;
	if (items == NULL && count > 0)
		return -VMT_E_NO_MEMORY;
	for (uint64_t i = 0; i < count; i++) {
		const int r = decode_struct(d, field->sub, items + i * field->sub->size);

		if (r < 0)
			return r;
	}
	memcpy(at, &items, sizeof(items));
	vmt_trace_store((uint8_t *)base + field->aux, field->aux_width, count);
	return 0;
}

/** Where the value goes: the member, or new memory that the member points to. */
static void *place(struct decoder *d, const struct vmt_trace_field *field, void *base)
{
	uint8_t *at = (uint8_t *)base + field->offset;
	void *behind;

	if (!field->deref)
		return at;
	behind = take_memory(d, field->width);
	memcpy(at, &behind, sizeof(behind));
	return behind;
}

static int decode_field(struct decoder *d, const struct vmt_trace_field *field, void *base)
{
	void *at = place(d, field, base);
	const uint8_t *bytes;

	if (at == NULL)
		return -VMT_E_NO_MEMORY;
	switch (field->type) {
	case VMT_T_TEXT:
	case VMT_T_MAYBE:
	case VMT_T_CHARS:
		return decode_text(d, field, at);
	case VMT_T_BYTES:
	case VMT_T_BLOB:
		if (field->residual)
			return decode_raw(d, field, base);
		return decode_bytes(d, field, base, at);
	case VMT_T_FIXED:
		bytes = take_bytes(d, field, field->width);
		if (bytes == NULL)
			return -VMT_E_DAMAGED;
		memcpy(at, bytes, field->width);
		return 0;
	case VMT_T_STRUCT:
		return decode_struct(d, field->sub, at);
	case VMT_T_LIST:
		return decode_list(d, field, base, at);
	case VMT_T_REGS:
	case VMT_T_GPRS:
		return decode_registers(d, field, at);
	default:
		return decode_scalar(d, field, at);
	}
}

/**
 * The plain numbers from @field on, up to the first field of another kind, damage, or @end: most
 * fields are such. Returns where it stopped.
 */
static const struct vmt_trace_field *decode_numbers(struct decoder *d,
						    const struct vmt_trace_field *field,
						    const struct vmt_trace_field *end,
						    uint8_t *base)
{
	const uint8_t *p = d->p;

	for (; field < end; field++) {
		uint64_t value;
		size_t n;

		if (!vmt_trace_field_present(field, base))
			continue;
		if (field->type > VMT_T_HEX || field->deref || field->page_id)
			break;
		n = vmt_varint_get(p, d->end, UINT64_MAX >> (64 - field->max), &value);
		if (n == 0)
			break;
		vmt_trace_store(base + field->offset, field->width, value);
		p += n;
	}
	d->p = p;
	return field;
}

static int decode_struct(struct decoder *d, const struct vmt_trace_struct *table, void *base)
{
	const struct vmt_trace_field *end;

	if (table->nfields == 0)
		return 0;
	end = table->fields + table->nfields;
	for (const struct vmt_trace_field *field = table->fields; field < end; field++) {
		int r;

		field = decode_numbers(d, field, end, base);
		if (field == end)
			break;
		/* It is present. */
		if (field->page_id)
			d->decoded->page_at = (size_t)(d->p - d->start);
		r = decode_field(d, field, base);
		if (r < 0)
			return r;
		if (field->page_id)
			d->decoded->page = vmt_trace_load((uint8_t *)base + field->offset, 8);
	}
	return 0;
}

/** Top level: as decode_struct, and where the fields of the behaviour digest end. */
static int decode_body(struct decoder *d, const struct vmt_trace_kind_row *row, void *base)
{
	const struct vmt_trace_struct *table = row->body;
	struct vmt_trace_struct part = {table->fields, 0, table->size};
	uint16_t early;
	int r;

	if (row->digest != VMT_DIGEST_BEHAVIOUR)
		return decode_struct(d, table, base);
	early = (uint16_t)vmt_trace_early(table);
	part.nfields = early;
	r = decode_struct(d, &part, base);
	if (r < 0)
		return r;
	d->decoded->behaviour = (size_t)(d->p - d->start);
	part.fields += early;
	part.nfields = (uint16_t)(table->nfields - early);
	return decode_struct(d, &part, base);
}

int vmt_trace_decode(const struct vmt_trace_kind_row *row, const void *payload, size_t len,
		     bool more, struct vmt_trace_arena *arena, struct vmt_trace_decoded *decoded,
		     struct vmt_error *err)
{
	struct decoder d = {payload, payload, (const uint8_t *)payload + len, row->name, arena,
			    decoded, err};
	int r;

	*decoded = (struct vmt_trace_decoded){0};
	decoded->body = take_memory(&d, row->body->size);
	if (decoded->body == NULL)
		return -VMT_E_NO_MEMORY;
	r = decode_body(&d, row, decoded->body);
	if (r < 0)
		return r;
	if (d.p != d.end && !more)
		return vmt_error_set(err, VMT_E_DAMAGED, row->name,
				     "%zu bytes follow the last field", (size_t)(d.end - d.p));
	if (row->call != 0)
		((struct vmt_trace_call *)decoded->body)->call.op = row->call;
	return 0;
}
