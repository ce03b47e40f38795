/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Typed values and the schemas that they have to fit.
 */
#include <inttypes.h>
#include <string.h>

#include <vmitape/emission.h>

#include "line.h"

const char *vmt_type_name(unsigned type)
{
	static const char *const names[VMT_TYPE_COUNT] = {
		[VMT_BOOL] = "bool", [VMT_I64] = "i64",   [VMT_U64] = "u64",
		[VMT_ADDR] = "addr", [VMT_TEXT] = "text", [VMT_BYTES] = "bytes",
	};

	return type < VMT_TYPE_COUNT && names[type] ? names[type] : "invalid";
}

/* -------------------------------------------------------------------------------------------- */
/* Values                                                                                       */
/* -------------------------------------------------------------------------------------------- */

struct vmt_value vmt_bool(bool b)
{
	return (struct vmt_value){.type = VMT_BOOL, .v.b = b};
}

struct vmt_value vmt_i64(int64_t i)
{
	return (struct vmt_value){.type = VMT_I64, .v.i = i};
}

struct vmt_value vmt_u64(uint64_t u)
{
	return (struct vmt_value){.type = VMT_U64, .v.u = u};
}

struct vmt_value vmt_addr(uint64_t a)
{
	return (struct vmt_value){.type = VMT_ADDR, .v.u = a};
}

struct vmt_value vmt_text(const char *s)
{
	size_t len = s ? strlen(s) : 0;

	/* A length that does not fit stays far above VMT_VALUE_MAX, so that it is refused. */
	return (struct vmt_value){
		.type = VMT_TEXT, .len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX, .v.p = s};
}

struct vmt_value vmt_bytes(const void *p, uint32_t len)
{
	return (struct vmt_value){.type = VMT_BYTES, .len = len, .v.p = p};
}

/* -------------------------------------------------------------------------------------------- */
/* Checks                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/* Fails with the place "schema NAME". */
static int VMT_PRINTF(4, 5) refuse(struct vmt_error *err, const struct vmt_schema *schema,
				   enum vmt_status status, const char *fmt, ...)
{
	char place[VMT_ERROR_PLACE];
	struct vmt_line line;
	va_list ap;
	int r;

	vmt_line_init(&line, place, sizeof(place));
	vmt_line_add(&line, "schema %s", schema->name ? schema->name : "(no name)");
	va_start(ap, fmt);
	r = vmt_error_vset(err, status, place, fmt, ap);
	va_end(ap);
	return r;
}

/* Is @name a word of [a-z0-9_] and, where @dash, '-'? */
static bool name_ok(const char *name, bool dash)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";

	return name && name[0] != '\0' && name[strspn(name, letters)] == '\0' &&
	       (dash || !strchr(name, '-'));
}

static int check_field(const struct vmt_schema *schema, size_t i, struct vmt_error *err)
{
	const struct vmt_field *field = &schema->fields[i];

	if (!name_ok(field->name, false))
		return refuse(err, schema, VMT_E_INVALID,
			      "the name of field %zu is '%s'; names are of [a-z0-9_]+", i,
			      field->name ? field->name : "");
	if (field->type == 0 || field->type >= VMT_TYPE_COUNT)
		return refuse(err, schema, VMT_E_INVALID,
			      "the field %s has the type %u; use one of enum vmt_type", field->name,
			      field->type);
	if (field->role > VMT_IGNORE)
		return refuse(err, schema, VMT_E_INVALID,
			      "the field %s has the role %u; use one of enum vmt_role, or 0",
			      field->name, field->role);
	for (size_t before = 0; before < i; before++)
		if (strcmp(schema->fields[before].name, field->name) == 0)
			return refuse(err, schema, VMT_E_INVALID,
				      "two fields are called %s; rename one", field->name);
	return 0;
}

int vmt_schema_check(const struct vmt_schema *schema, struct vmt_error *err)
{
	if (!schema)
		return vmt_error_set(err, VMT_E_INVALID, "schema", "the schema is NULL");
	if (!name_ok(schema->name, true))
		return refuse(err, schema, VMT_E_INVALID,
			      "the schema's name is '%s'; names are of [a-z0-9_-]+",
			      schema->name ? schema->name : "");
	if (schema->nfields > VMT_SCHEMA_FIELDS_MAX)
		return refuse(err, schema, VMT_E_LIMIT, "%zu fields are too many; at most %u",
			      schema->nfields, VMT_SCHEMA_FIELDS_MAX);
	if (schema->nfields > 0 && !schema->fields)
		return refuse(err, schema, VMT_E_INVALID,
			      "it has %zu fields, but their table is NULL", schema->nfields);
	for (size_t i = 0; i < schema->nfields; i++) {
		int r = check_field(schema, i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_value(const struct vmt_schema *schema, size_t i, const struct vmt_value *value,
		       struct vmt_error *err)
{
	const struct vmt_field *field = &schema->fields[i];

	if (value->type != field->type)
		return refuse(err, schema, VMT_E_INVALID,
			      "the field %s is %s, the value given is %s", field->name,
			      vmt_type_name(field->type), vmt_type_name(value->type));
	if (value->type != VMT_TEXT && value->type != VMT_BYTES)
		return 0;
	if (value->len > VMT_VALUE_MAX)
		return refuse(err, schema, VMT_E_LIMIT,
			      "the value of %s has %" PRIu32 " bytes; at most %u are taken",
			      field->name, value->len, VMT_VALUE_MAX);
	if (value->len > 0 && !value->v.p)
		return refuse(err, schema, VMT_E_INVALID,
			      "the value of %s is NULL, but its length is %" PRIu32, field->name,
			      value->len);
	return 0;
}

int vmt_values_check(const struct vmt_schema *schema, const struct vmt_value *values, size_t n,
		     struct vmt_error *err)
{
	if (!schema)
		return vmt_error_set(err, VMT_E_INVALID, "schema", "the schema is NULL");
	if (n != schema->nfields)
		return refuse(err, schema, VMT_E_INVALID,
			      "%zu values were given for %zu fields; give one for each", n,
			      schema->nfields);
	if (n > 0 && !values)
		return refuse(err, schema, VMT_E_INVALID, "the values are NULL");
	for (size_t i = 0; i < n; i++) {
		int r = check_value(schema, i, &values[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}
