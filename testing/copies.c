/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Deep copies of events, responses, schemas and values.
 */
#include <string.h>

#include "copies.h"

/* Replace *@p, which may be NULL, by a copy of its @len bytes. False: no memory. */
static bool own(struct vmt_arena *a, const void **p, size_t len)
{
	if (!*p)
		return true;
	*p = vmt_arena_copy(a, *p, len);
	return *p != NULL;
}

struct vmt_event *vmt_copy_event(struct vmt_arena *a, const struct vmt_event *ev)
{
	struct vmt_event *copy = vmt_arena_copy(a, ev, sizeof(*ev));

	return copy && own(a, &copy->raw, copy->raw_len) ? copy : NULL;
}

struct vmt_response *vmt_copy_response(struct vmt_arena *a, const struct vmt_response *rsp)
{
	struct vmt_response *copy = vmt_arena_copy(a, rsp, sizeof(*rsp));
	const void *regs;

	if (!copy || !own(a, &copy->data, copy->data_len))
		return NULL;
	regs = copy->regs;
	if (!own(a, &regs, sizeof(*copy->regs)))
		return NULL;
	copy->regs = regs;
	return copy;
}

struct vmt_schema *vmt_copy_schema(struct vmt_arena *a, const struct vmt_schema *schema)
{
	struct vmt_schema *copy = vmt_arena_copy(a, schema, sizeof(*schema));
	struct vmt_field *fields;

	if (!copy)
		return NULL;
	fields = vmt_arena_copy(a, schema->fields, schema->nfields * sizeof(*fields));
	copy->name = vmt_arena_text(a, schema->name);
	copy->fields = fields;
	if (!fields || !copy->name)
		return NULL;
	for (size_t i = 0; i < schema->nfields; i++) {
		fields[i].name = vmt_arena_text(a, schema->fields[i].name);
		if (!fields[i].name)
			return NULL;
	}
	return copy;
}

struct vmt_value *vmt_copy_values(struct vmt_arena *a, const struct vmt_value *values, size_t n)
{
	struct vmt_value *copy = vmt_arena_copy(a, values, n * sizeof(*values));

	for (size_t i = 0; copy && i < n; i++) {
		if (copy[i].type != VMT_TEXT && copy[i].type != VMT_BYTES)
			continue;
		if (!own(a, &copy[i].v.p, copy[i].len))
			return NULL;
	}
	return copy;
}
