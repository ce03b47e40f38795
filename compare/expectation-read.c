/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading expectations. The text may come from anywhere: each line is checked, and nothing is
 * taken for what it is not.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/event.h>
#include <vmitape/run.h>

#include "run.h"

#define SCHEMAS_MAX 1024u
#define LINE_MAX    (8u << 20)

struct reading {
	struct vmt_expectation *out;
	json_t *head; /**< names of schemas and fields stand in it */
	struct vmt_schema schemas[SCHEMAS_MAX];
	struct vmt_field *fields[SCHEMAS_MAX]; /**< of each of them */
	size_t nschemas;
	uint64_t line;
	struct vmt_compare_place place; /**< of the callback that is open */
	bool open;
	struct vmt_error *err;
};

static int VMT_PRINTF(2, 3) wrong(struct reading *r, const char *fmt, ...)
{
	char place[64];
	va_list ap;

	snprintf(place, sizeof(place), "line %" PRIu64, r->line);
	va_start(ap, fmt);
	(void)vmt_error_vset(r->err, VMT_E_DAMAGED, place, fmt, ap);
	va_end(ap);
	return -VMT_E_DAMAGED;
}

static int no_memory(struct reading *r)
{
	(void)vmt_error_set(r->err, VMT_E_NO_MEMORY, "expectation", "no memory");
	return -VMT_E_NO_MEMORY;
}

/* -------------------------------------------------------------------------------------------- */
/* Values                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** A whole number of @base digits in @text, nothing else. */
static bool parse_u64(const char *text, unsigned base, uint64_t *n)
{
	*n = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		const char *digits = "0123456789abcdef";
		const char *digit = memchr(digits, *text, base);

		if (!digit || *n > (UINT64_MAX - (uint64_t)(digit - digits)) / base)
			return false;
		*n = *n * base + (uint64_t)(digit - digits);
	}
	return true;
}

static bool parse_u64_json(const json_t *j, uint64_t *n)
{
	if (json_is_string(j))
		return parse_u64(json_string_value(j), 10, n);
	*n = (uint64_t)json_integer_value(j);
	return json_is_integer(j) && json_integer_value(j) >= 0;
}

static bool parse_hex_json(const json_t *j, uint64_t *n)
{
	const char *text = json_string_value(j);

	return text && strncmp(text, "0x", 2) == 0 && parse_u64(text + 2, 16, n);
}

/** Digits as bytes, in memory that the caller frees. */
static bool parse_bytes(const json_t *j, struct vmt_value *value, void **owned)
{
	const char *text = json_string_value(j);
	const size_t len = text ? json_string_length(j) : 1;
	uint8_t *bytes;

	if (!text || len % 2 != 0 || len / 2 > VMT_VALUE_MAX)
		return false;
	bytes = malloc(len / 2 + 1);
	if (!bytes)
		return false;
	for (size_t i = 0; i < len / 2; i++) {
		const char pair[] = {text[2 * i], text[2 * i + 1], '\0'};
		uint64_t byte;

		if (!parse_u64(pair, 16, &byte)) {
			free(bytes);
			return false;
		}
		bytes[i] = (uint8_t)byte;
	}
	*owned = bytes;
	value->v.p = bytes;
	value->len = (uint32_t)(len / 2);
	return true;
}

/** @owned: bytes that are to be freed after the record was taken. */
static bool parse_value(const json_t *j, uint8_t type, struct vmt_value *value, void **owned)
{
	memset(value, 0, sizeof(*value));
	value->type = type;
	*owned = NULL;
	switch (type) {
	case VMT_BOOL:
		value->v.b = json_is_true(j);
		return json_is_boolean(j);
	case VMT_I64:
		value->v.i = json_integer_value(j);
		return json_is_integer(j);
	case VMT_U64:
		return parse_u64_json(j, &value->v.u);
	case VMT_ADDR:
		return parse_hex_json(j, &value->v.u);
	case VMT_TEXT:
		if (json_is_string(j)) {
			value->v.p = json_string_value(j);
			value->len = (uint32_t)json_string_length(j);
			return json_string_length(j) <= VMT_VALUE_MAX;
		}
		j = json_object_get(j, "bytes");
		break;
	default:
		break;
	}
	return parse_bytes(j, value, owned);
}

/* -------------------------------------------------------------------------------------------- */
/* The first line                                                                               */
/* -------------------------------------------------------------------------------------------- */

static int copy_text(struct reading *r, const char *name, char *to, size_t cap)
{
	const char *text = json_string_value(json_object_get(r->head, name));

	if (!text || strlen(text) >= cap)
		return wrong(r, "it has no text '%s', or too long a one", name);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

static bool parse_field(const json_t *j, struct vmt_field *field)
{
	const char *type = json_string_value(json_object_get(j, "type"));
	const char *role = json_string_value(json_object_get(j, "role"));

	field->name = json_string_value(json_object_get(j, "name"));
	field->role = 0;
	if (role)
		field->role = strcmp(role, "key") == 0 ? VMT_KEY : VMT_IGNORE;
	if (role && field->role == VMT_IGNORE && strcmp(role, "ignore") != 0)
		return false;
	for (field->type = VMT_BOOL; type && field->type < VMT_TYPE_COUNT; field->type++)
		if (strcmp(vmt_type_name(field->type), type) == 0)
			break;
	return field->name && type && field->type < VMT_TYPE_COUNT;
}

static int parse_schema(struct reading *r, const json_t *j)
{
	const json_t *list = json_object_get(j, "fields");
	const size_t n = json_array_size(list);
	struct vmt_schema *schema = &r->schemas[r->nschemas];
	struct vmt_error why = {0};
	struct vmt_field *fields;

	schema->name = json_string_value(json_object_get(j, "name"));
	if (!schema->name || !json_is_array(list) || n > VMT_SCHEMA_FIELDS_MAX)
		return wrong(r, "schema %zu has no name, or no fields, or too many", r->nschemas);
	fields = calloc(n + 1, sizeof(*fields));
	if (!fields)
		return no_memory(r);
	schema->fields = fields;
	schema->nfields = n;
	r->fields[r->nschemas++] = fields;
	for (size_t i = 0; i < n; i++)
		if (!parse_field(json_array_get(list, i), &fields[i]))
			return wrong(r, "field %zu of schema '%.64s' cannot be", i, schema->name);
	if (vmt_schema_check(schema, &why) < 0)
		return wrong(r, "schema '%.64s': %.200s", schema->name, why.text);
	return 0;
}

static int take_head(struct reading *r, json_t *line)
{
	const json_t *version = json_object_get(line, "expectation");
	const json_t *schemas = json_object_get(line, "schemas");
	struct vmt_expectation_head *head = &r->out->head;
	int n;

	r->head = json_incref(line);
	if (!json_is_integer(version))
		return wrong(r,
			     "this is no expectation: it does not begin with {\"expectation\": 1");
	if (json_integer_value(version) != 1)
		return vmt_error_set(r->err, VMT_E_NOT_SUPPORTED, "line 1",
				     "it is an expectation of version %" JSON_INTEGER_FORMAT
				     ", which a newer vmireplay wrote",
				     json_integer_value(version));
	n = copy_text(r, "trace", head->trace, sizeof(head->trace));
	if (n >= 0)
		n = copy_text(r, "handler", head->handler, sizeof(head->handler));
	if (n >= 0)
		n = copy_text(r, "version", head->version, sizeof(head->version));
	if (n >= 0 && (!json_is_array(schemas) || json_array_size(schemas) > SCHEMAS_MAX))
		return wrong(r, "it has no list of schemas, or too long a one");
	for (size_t i = 0; n >= 0 && i < json_array_size(schemas); i++)
		n = parse_schema(r, json_array_get(schemas, i));
	return n;
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool number_below(const json_t *line, const char *name, uint64_t limit, uint64_t *n)
{
	const json_t *j = json_object_get(line, name);

	*n = 0;
	return !j || (parse_u64_json(j, n) && *n <= limit);
}

static int parse_place(struct reading *r, const json_t *line, struct vmt_compare_place *place)
{
	const json_t *rip = json_object_get(line, "rip");
	uint64_t kind;
	uint64_t reason;
	uint64_t vcpu;

	memset(place, 0, sizeof(*place));
	place->event = VMT_COMPARE_NONE;
	if (!json_object_get(line, "callback") ||
	    !number_below(line, "callback", UINT64_MAX, &place->callback) ||
	    !number_below(line, "callback_kind", VMT_CALLBACK_CLEANUP, &kind) ||
	    !number_below(line, "now", UINT64_MAX, &place->now) ||
	    !number_below(line, "reason", UINT16_MAX, &reason) ||
	    !number_below(line, "vcpu", UINT16_MAX, &vcpu) ||
	    (rip && !parse_hex_json(rip, &place->rip)))
		return wrong(r, "its callback, time or event cannot be");
	place->kind = (uint32_t)kind;
	place->reason = (uint16_t)reason;
	place->vcpu = (uint16_t)vcpu;
	place->rip_known = rip != NULL;
	return 0;
}

/** The callback with what stands for its event: it is aligned by that. */
static int add_callback(struct vmt_compare_run *run, const struct vmt_compare_place *place,
			struct vmt_error *err)
{
	const struct vmt_compare_field fields[] = {
		{"vcpu", vmt_u64(place->vcpu), VMT_KEY},
		{"now", vmt_u64(place->now), 0},
		{"rip", vmt_addr(place->rip), 0},
	};
	int n = vmt_compare_run_callback(run, place, err);

	if (n < 0 || place->kind != VMT_CALLBACK_EVENT)
		return n;
	return vmt_compare_run_item(run, VMT_COMPARE_EVENT, vmt_reason_name(place->reason), fields,
				    3, err);
}

/** Open the record's callback, when it is another one than before. */
static int open_callback(struct reading *r, const json_t *line)
{
	struct vmt_compare_place place;
	int n = parse_place(r, line, &place);

	if (n < 0)
		return n;
	if (r->open && place.callback == r->place.callback)
		return 0;
	if (r->open && place.callback < r->place.callback)
		return wrong(r, "callback %" PRIu64 " comes after callback %" PRIu64,
			     place.callback, r->place.callback);
	r->place = place;
	r->open = true;
	return add_callback(r->out->run, &place, r->err);
}

static const struct vmt_schema *find_schema(const struct reading *r, const char *name)
{
	for (size_t i = 0; i < r->nschemas; i++)
		if (strcmp(r->schemas[i].name, name) == 0)
			return &r->schemas[i];
	return NULL;
}

static int take_fields(struct reading *r, enum vmt_compare_kind kind,
		       const struct vmt_schema *schema, const json_t *fields)
{
	struct vmt_value values[VMT_SCHEMA_FIELDS_MAX];
	void *owned[VMT_SCHEMA_FIELDS_MAX] = {NULL};
	int n = 0;

	if (json_object_size(fields) != schema->nfields)
		return wrong(r, "its fields are not those of schema '%.64s'", schema->name);
	for (size_t i = 0; i < schema->nfields && n >= 0; i++) {
		const struct vmt_field *f = &schema->fields[i];
		const json_t *j = json_object_get(fields, f->name);

		if (!j || !parse_value(j, f->type, &values[i], &owned[i]))
			n = wrong(r, "field '%.64s' is missing, or no value of type %s", f->name,
				  vmt_type_name(f->type));
	}
	if (n >= 0)
		n = vmt_compare_run_record(r->out->run, kind, schema, values, schema->nfields,
					   r->err);
	for (size_t i = 0; i < schema->nfields; i++)
		free(owned[i]);
	return n;
}

static int take_record(struct reading *r, const json_t *line)
{
	const char *kind = json_string_value(json_object_get(line, "kind"));
	const char *name = json_string_value(json_object_get(line, "name"));
	const struct vmt_schema *schema = name ? find_schema(r, name) : NULL;
	unsigned k = VMT_COMPARE_EMISSION;
	int n;

	while (kind && k <= VMT_COMPARE_FAILURE && strcmp(vmt_compare_kind_name(k), kind) != 0)
		k++;
	if (!kind || k > VMT_COMPARE_FAILURE)
		return wrong(r, "it is neither an emission nor an output nor a failure");
	if (name ? !schema : k == VMT_COMPARE_EMISSION)
		return wrong(r, "its schema is none of those in the first line");
	n = open_callback(r, line);
	r->out->records++;
	if (n < 0)
		return n;
	if (!schema)
		return vmt_compare_run_record(r->out->run, (enum vmt_compare_kind)k, NULL, NULL, 0,
					      r->err);
	return take_fields(r, (enum vmt_compare_kind)k, schema, json_object_get(line, "fields"));
}

static int take_end(struct reading *r, const char *how)
{
	const struct vmt_compare_place place = {.callback = VMT_COMPARE_NONE,
						.event = VMT_COMPARE_NONE};
	const struct vmt_compare_field field = {"how", vmt_text(how), 0};
	int n = vmt_compare_run_callback(r->out->run, &place, r->err);

	r->out->ended = true;
	return n < 0 ? n
		     : vmt_compare_run_item(r->out->run, VMT_COMPARE_END, "end", &field, 1, r->err);
}

static int take_line(struct reading *r, const char *text, size_t len)
{
	json_error_t why;
	const char *end;
	json_t *line;
	int n;

	r->line++;
	if (len > LINE_MAX)
		return wrong(r, "it is longer than %u bytes", LINE_MAX);
	line = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
	if (!json_is_object(line)) {
		json_decref(line);
		return wrong(r, "it is no JSON object: %.120s", line ? "another value" : why.text);
	}
	end = json_string_value(json_object_get(line, "end"));
	if (r->line == 1)
		n = take_head(r, line);
	else if (r->out->ended)
		n = wrong(r, "it stands behind the end");
	else
		n = end ? take_end(r, end) : take_record(r, line);
	json_decref(line);
	return n;
}

int vmt_expectation_init(struct vmt_expectation *expectation, const char *text, size_t len,
			 struct vmt_error *err)
{
	struct reading *r;
	int n;

	memset(expectation, 0, sizeof(*expectation));
	n = vmt_compare_run_create(0, &expectation->run, err);
	if (n < 0)
		return n;
	r = calloc(1, sizeof(*r));
	if (!r)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "expectation", "no memory");
	r->out = expectation;
	r->err = err;
	while (n >= 0 && len > 0) {
		const char *newline = memchr(text, '\n', len);
		const size_t part = newline ? (size_t)(newline - text) : len;

		n = take_line(r, text, part);
		text += part + (newline != NULL);
		len -= part + (newline != NULL);
	}
	if (n >= 0 && r->line == 0)
		n = wrong(r, "it is empty");
	for (size_t i = 0; i < r->nschemas; i++)
		free(r->fields[i]);
	json_decref(r->head);
	free(r);
	return n;
}

void vmt_expectation_finish(struct vmt_expectation *expectation)
{
	vmt_compare_run_destroy(expectation->run);
	expectation->run = NULL;
}
