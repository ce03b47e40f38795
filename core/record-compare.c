/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records compared field by field, and as one line of text.
 */
#include <inttypes.h>
#include <string.h>

#include "line.h"
#include "record-compare.h"

static bool has_bytes(const struct vmt_value *v)
{
	return v->type == VMT_TEXT || v->type == VMT_BYTES;
}

static bool same_value(const struct vmt_value *a, const struct vmt_value *b)
{
	if (a->type != b->type)
		return false;
	if (has_bytes(a))
		return a->len == b->len && (a->len == 0 || memcmp(a->v.p, b->v.p, a->len) == 0);
	if (a->type == VMT_BOOL)
		return a->v.b == b->v.b;
	return a->v.u == b->v.u;
}

/** The field called @name, or the number of fields. */
static size_t find_field(const struct vmt_schema *schema, const char *name)
{
	size_t i = 0;

	while (i < schema->nfields && strcmp(schema->fields[i].name, name) != 0)
		i++;
	return i;
}

/** Compare the fields of @a with those of @b; those that only @b has are not looked at. */
static bool fields_differ(const struct vmt_said *a, const struct vmt_said *b, const char **field)
{
	for (size_t i = 0; i < a->schema->nfields && i < a->n; i++) {
		const struct vmt_field *f = &a->schema->fields[i];
		size_t j = find_field(b->schema, f->name);

		if (f->role == VMT_IGNORE)
			continue;
		*field = f->name;
		if (j >= b->schema->nfields || j >= b->n)
			return true;
		if (b->schema->fields[j].role != VMT_IGNORE &&
		    !same_value(&a->values[i], &b->values[j]))
			return true;
	}
	return false;
}

bool vmt_said_differ(const struct vmt_said *a, const struct vmt_said *b, const char **field)
{
	*field = "";
	if (!a->schema || !b->schema)
		return a->schema != b->schema;
	if (strcmp(a->schema->name, b->schema->name) != 0)
		return true;
	return fields_differ(a, b, field) || fields_differ(b, a, field);
}

static void add_text(struct vmt_line *line, const struct vmt_value *v)
{
	const unsigned char *p = v->v.p;

	vmt_line_add(line, "\"");
	for (uint32_t i = 0; i < v->len && i < 256; i++) {
		if (p[i] == '"' || p[i] == '\\')
			vmt_line_add(line, "\\%c", p[i]);
		else if (p[i] >= 0x20 && p[i] < 0x7f)
			vmt_line_add(line, "%c", p[i]);
		else
			vmt_line_add(line, "\\x%02x", p[i]);
	}
	vmt_line_add(line, v->len > 256 ? "...\"" : "\"");
}

static void add_value(struct vmt_line *line, const struct vmt_value *v)
{
	switch (v->type) {
	case VMT_BOOL:
		vmt_line_add(line, "%s", v->v.b ? "true" : "false");
		break;
	case VMT_I64:
		vmt_line_add(line, "%" PRId64, v->v.i);
		break;
	case VMT_U64:
		vmt_line_add(line, "%" PRIu64, v->v.u);
		break;
	case VMT_ADDR:
		vmt_line_add(line, "%#" PRIx64, v->v.u);
		break;
	case VMT_TEXT:
		add_text(line, v);
		break;
	default:
		for (uint32_t i = 0; i < v->len && i < 64; i++)
			vmt_line_add(line, "%02x", ((const unsigned char *)v->v.p)[i]);
		if (v->len > 64)
			vmt_line_add(line, "...");
	}
}

const char *vmt_said_format(const struct vmt_said *said, char *buf, size_t cap)
{
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	vmt_line_add(&line, "%s", said->schema ? said->schema->name : "nothing");
	for (size_t i = 0; said->schema && i < said->n && i < said->schema->nfields; i++) {
		vmt_line_add(&line, " %s=", said->schema->fields[i].name);
		add_value(&line, &said->values[i]);
	}
	return buf;
}
