/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record that owns its values: a handler's output.
 */
#include <stdlib.h>
#include <string.h>

#include "record.h"

struct vmt_record {
	const struct vmt_schema *schema; /* NULL: nothing was stored */
	struct vmt_value *values;        /* one allocation: the values, then their bytes */
	size_t n;
	struct vmt_error err;
};

struct vmt_record *vmt_record_create(void)
{
	return calloc(1, sizeof(struct vmt_record));
}

void vmt_record_destroy(struct vmt_record *record)
{
	if (!record)
		return;
	free(record->values);
	free(record);
}

void vmt_record_clear(struct vmt_record *record)
{
	free(record->values);
	memset(record, 0, sizeof(*record));
}

const struct vmt_error *vmt_record_error(const struct vmt_record *record)
{
	return &record->err;
}

static bool has_bytes(const struct vmt_value *value)
{
	return value->type == VMT_TEXT || value->type == VMT_BYTES;
}

/* One allocation with copies of @values, each text or bytes value ended with a NUL. */
static struct vmt_value *copy_values(const struct vmt_value *values, size_t n)
{
	/* At most 64 values of 1 MiB each, which was checked: no overflow. */
	size_t size = n * sizeof(*values) + 1;
	struct vmt_value *copy;
	unsigned char *to;

	for (size_t i = 0; i < n; i++)
		if (has_bytes(&values[i]))
			size += values[i].len + (size_t)1;
	copy = calloc(1, size);
	if (!copy)
		return NULL;
	to = (unsigned char *)(copy + n);
	for (size_t i = 0; i < n; i++) {
		copy[i] = values[i];
		if (!has_bytes(&values[i]))
			continue;
		if (values[i].len > 0)
			memcpy(to, values[i].v.p, values[i].len);
		copy[i].v.p = to;
		to += values[i].len + (size_t)1;
	}
	return copy;
}

int vmt_output(struct vmt_record *out, const struct vmt_schema *schema,
	       const struct vmt_value *values, size_t n)
{
	int r;

	if (!out)
		return -VMT_E_INVALID;
	if (out->schema)
		return vmt_error_set(&out->err, VMT_E_EXISTS, "vmt_output",
				     "the output is set already; set it once");
	r = vmt_schema_check(schema, &out->err);
	if (r == 0)
		r = vmt_values_check(schema, values, n, &out->err);
	if (r < 0)
		return r;
	out->values = copy_values(values, n);
	if (!out->values)
		return vmt_error_set(&out->err, VMT_E_NO_MEMORY, "vmt_output",
				     "no memory for the output");
	memset(&out->err, 0, sizeof(out->err));
	out->schema = schema;
	out->n = n;
	return 0;
}

const struct vmt_schema *vmt_record_schema(const struct vmt_record *record)
{
	return record->schema;
}

const struct vmt_value *vmt_record_values(const struct vmt_record *record, size_t *n)
{
	if (n)
		*n = record->n;
	return record->n > 0 ? record->values : NULL;
}
