/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of records: what the visitor is shown, as a flat list.
 */
#include <stdio.h>
#include <string.h>

#include "trace-fields.h"

static struct vmt_trace_fields *of(struct vmt_trace_visitor *v)
{
	return (struct vmt_trace_fields *)v;
}

static void add(struct vmt_trace_fields *f, const char *name, struct vmt_value value)
{
	char *full;

	if (f->n == VMT_TRACE_FIELDS_MAX) {
		f->too_many = true;
		return;
	}
	full = f->names[f->n];
	if (name)
		snprintf(full, VMT_TRACE_FIELD_NAME, "%s%s", f->path, name);
	else
		snprintf(full, VMT_TRACE_FIELD_NAME, "%s%u", f->path, f->index++);
	f->fields[f->n++] = (struct vmt_compare_field){full, value, 0};
}

static void on_uint(struct vmt_trace_visitor *v, const char *name, uint64_t value, bool hex)
{
	add(of(v), name, hex ? vmt_addr(value) : vmt_u64(value));
}

static void on_sint(struct vmt_trace_visitor *v, const char *name, int64_t value)
{
	add(of(v), name, vmt_i64(value));
}

static void on_boolean(struct vmt_trace_visitor *v, const char *name, bool value)
{
	add(of(v), name, vmt_bool(value));
}

static void on_bytes(struct vmt_trace_visitor *v, const char *name, const void *p, size_t len,
		     bool text)
{
	struct vmt_value value = vmt_bytes(p, (uint32_t)len);

	if (text)
		value.type = VMT_TEXT;
	add(of(v), name, value);
}

static void on_open(struct vmt_trace_visitor *v, const char *name, bool list)
{
	struct vmt_trace_fields *f = of(v);
	int n = 0;

	if (f->depth < sizeof(f->depths) / sizeof(f->depths[0]))
		f->depths[f->depth] = f->path_len;
	f->depth++;
	if (name)
		n = snprintf(f->path + f->path_len, sizeof(f->path) - f->path_len, "%s.", name);
	else
		n = snprintf(f->path + f->path_len, sizeof(f->path) - f->path_len, "%u.",
			     f->index++);
	if (n > 0)
		f->path_len += (size_t)n;
	if (f->path_len >= sizeof(f->path))
		f->path_len = sizeof(f->path) - 1;
	if (list)
		f->index = 0;
}

static void on_close(struct vmt_trace_visitor *v, bool list)
{
	struct vmt_trace_fields *f = of(v);

	(void)list;
	if (f->depth == 0)
		return;
	f->depth--;
	if (f->depth < sizeof(f->depths) / sizeof(f->depths[0]))
		f->path_len = f->depths[f->depth];
	f->path[f->path_len] = '\0';
}

int vmt_trace_fields_of(struct vmt_trace_fields *f, const struct vmt_trace_record *record)
{
	static const struct vmt_trace_visitor_ops ops = {
		.uint = on_uint,
		.sint = on_sint,
		.boolean = on_boolean,
		.bytes = on_bytes,
		.open = on_open,
		.close = on_close,
	};
	int n;

	f->visitor.ops = &ops;
	f->n = 0;
	f->too_many = false;
	f->path[0] = '\0';
	f->path_len = 0;
	f->depth = 0;
	f->index = 0;
	n = vmt_trace_record_visit(record, &f->visitor);
	return n >= 0 && f->too_many ? -VMT_E_LIMIT : n;
}

struct vmt_compare_field *vmt_trace_field_find(struct vmt_trace_fields *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->fields[i].name, name) == 0)
			return &f->fields[i];
	return NULL;
}

void vmt_trace_fields_drop(struct vmt_trace_fields *f, const char *prefix)
{
	const size_t len = strlen(prefix);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (strncmp(f->fields[i].name, prefix, len) != 0)
			f->fields[n++] = f->fields[i];
	f->n = n;
}
