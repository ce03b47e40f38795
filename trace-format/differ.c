/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where two records of one kind differ first, as a path of field names.
 */
#include <stdio.h>
#include <string.h>

#include <vmitape/registers.h>

#include "fields.h"

struct differ {
	char *path;
	size_t cap, len;
};

static bool differ_struct(struct differ *d, const struct vmt_trace_struct *table, const void *a,
			  const void *b);

/** Add a step to the path; returns the length before, for going back. */
static size_t enter(struct differ *d, const char *name, uint64_t number)
{
	const size_t before = d->len;
	int n;

	if (d->cap == 0)
		return before;
	if (name != NULL)
		n = snprintf(d->path + d->len, d->cap - d->len, "%s%s", before > 0 ? "." : "",
			     name);
	else
		n = snprintf(d->path + d->len, d->cap - d->len, "[%llu]",
			     (unsigned long long)number);
	d->len += (size_t)n < d->cap - d->len ? (size_t)n : d->cap - d->len - 1;
	return before;
}

static void leave(struct differ *d, size_t before)
{
	d->len = before;
	if (d->cap > 0)
		d->path[before] = '\0';
}

static bool differ_bytes(const void *a, size_t alen, const void *b, size_t blen)
{
	return alen != blen || (alen > 0 && memcmp(a, b, alen) != 0);
}

static bool differ_text(const struct vmt_trace_field *field, const void *a, const void *b)
{
	const char *s = a;
	const char *t = b;

	if (field->type == VMT_T_CHARS)
		return strncmp(s, t, field->width) != 0;
	memcpy(&s, a, sizeof(s));
	memcpy(&t, b, sizeof(t));
	if (field->type == VMT_T_MAYBE && (s == NULL) != (t == NULL))
		return true;
	return strcmp(s != NULL ? s : "", t != NULL ? t : "") != 0;
}

static bool differ_registers(struct differ *d, const struct vmt_trace_field *field, const void *a,
			     const void *b)
{
	struct vmt_regs x;
	struct vmt_regs y;

	if (field->type == VMT_T_REGS) {
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
	} else {
		memset(&x, 0, sizeof(x));
		memset(&y, 0, sizeof(y));
		memcpy(&x.gprs, a, sizeof(x.gprs));
		memcpy(&y.gprs, b, sizeof(y.gprs));
		x.known = y.known = VMT_KNOWN_GPRS;
	}
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *reg = &vmt_reg_fields[i];
		const uint64_t bit = VMT_KNOWN(reg->bit);

		if ((x.known & bit) == (y.known & bit) &&
		    ((x.known & bit) == 0 || vmt_reg_get(&x, reg) == vmt_reg_get(&y, reg)))
			continue;
		enter(d, reg->name, 0);
		return true;
	}
	return false;
}

static bool differ_list(struct differ *d, const struct vmt_trace_field *field, const void *abase,
			const void *bbase, const void *a, const void *b)
{
	const uint64_t an = vmt_trace_load((const uint8_t *)abase + field->aux, field->aux_width);
	const uint64_t bn = vmt_trace_load((const uint8_t *)bbase + field->aux, field->aux_width);
	const uint8_t *x;
	const uint8_t *y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	for (uint64_t i = 0; i < an && i < bn; i++) {
		const size_t before = enter(d, NULL, i);

		if (differ_struct(d, field->sub, x + i * field->sub->size,
				  y + i * field->sub->size))
			return true;
		leave(d, before);
	}
	if (an == bn)
		return false;
	enter(d, NULL, an < bn ? an : bn);
	return true;
}

static bool differ_value(struct differ *d, const struct vmt_trace_field *field, const void *abase,
			 const void *bbase)
{
	const void *a = vmt_trace_field_at(field, abase);
	const void *b = vmt_trace_field_at(field, bbase);
	const void *x;
	const void *y;

	if (field->type <= VMT_T_LEHEX)
		return (a != NULL ? vmt_trace_load(a, field->width) : 0) !=
		       (b != NULL ? vmt_trace_load(b, field->width) : 0);
	if (a == NULL || b == NULL)
		return a != b;
	switch (field->type) {
	case VMT_T_BYTES:
	case VMT_T_BLOB:
		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		return differ_bytes(x, vmt_trace_load((const uint8_t *)abase + field->aux, 4), y,
				    vmt_trace_load((const uint8_t *)bbase + field->aux, 4));
	case VMT_T_FIXED:
		return memcmp(a, b, field->width) != 0;
	case VMT_T_STRUCT:
		return differ_struct(d, field->sub, a, b);
	case VMT_T_LIST:
		return differ_list(d, field, abase, bbase, a, b);
	case VMT_T_REGS:
	case VMT_T_GPRS:
		return differ_registers(d, field, a, b);
	default:
		return differ_text(field, a, b);
	}
}

static bool differ_struct(struct differ *d, const struct vmt_trace_struct *table, const void *a,
			  const void *b)
{
	for (size_t i = 0; i < table->nfields; i++) {
		const struct vmt_trace_field *field = &table->fields[i];
		const bool in_a = vmt_trace_field_present(field, a);
		size_t before;

		if (field->page_id)
			continue;
		if (!in_a && !vmt_trace_field_present(field, b))
			continue;
		before = enter(d, field->name, 0);
		if (in_a != vmt_trace_field_present(field, b) || differ_value(d, field, a, b))
			return true;
		leave(d, before);
	}
	return false;
}

int vmt_trace_record_differ(const struct vmt_trace_record *a, const struct vmt_trace_record *b,
			    char *path, size_t cap)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(a->kind);
	struct differ d = {path, cap, 0};

	if (cap > 0)
		path[0] = '\0';
	if (a->kind != b->kind || row == NULL) {
		enter(&d, "kind", 0);
		return a->kind != b->kind;
	}
	if (a->body == NULL || b->body == NULL)
		return 0;
	return differ_struct(&d, row->body, a->body, b->body) ? 1 : 0;
}
