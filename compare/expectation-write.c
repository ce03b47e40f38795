/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing expectations: what a handler is to say over a trace, as lines of JSON.
 *
 *     {"expectation":1,"trace":"<32 digits>","handler":"tiny","version":"2","schemas":[...]}
 *     {"callback":2,"callback_kind":2,"now":2000,"reason":2,"vcpu":0,"rip":"0x1010",
 *      "kind":"emission","name":"switch","fields":{"vcpu":0,"from":"0x0","to":"0x10000"}}
 *     {"end":"finished"}
 *
 * A file without its last line is no expectation: half of one would find nothing wrong.
 */
#include <vmitape/compare.h>

#include "put.h"

static void put_field(struct vmt_putter *p, const struct vmt_field *field)
{
	vmt_json_open(p, NULL, '{');
	vmt_json_text(p, "name", field->name);
	vmt_json_text(p, "type", vmt_type_name(field->type));
	if (field->role)
		vmt_json_text(p, "role", field->role == VMT_KEY ? "key" : "ignore");
	vmt_json_close(p, '}');
}

static void put_schema(struct vmt_putter *p, const struct vmt_schema *schema)
{
	vmt_json_open(p, NULL, '{');
	vmt_json_text(p, "name", schema->name);
	vmt_json_open(p, "fields", '[');
	for (size_t i = 0; i < schema->nfields; i++)
		put_field(p, &schema->fields[i]);
	vmt_json_close(p, ']');
	vmt_json_close(p, '}');
}

int vmt_expectation_put_head(const struct vmt_expectation_head *head,
			     const struct vmt_schema *const *schemas, vmt_compare_put *put,
			     void *context)
{
	struct vmt_putter p = {.put = put, .context = context, .first = true};

	vmt_json_open(&p, NULL, '{');
	vmt_json_u64(&p, "expectation", 1);
	vmt_json_text(&p, "trace", head->trace);
	vmt_json_text(&p, "handler", head->handler);
	vmt_json_text(&p, "version", head->version);
	vmt_json_open(&p, "schemas", '[');
	for (; schemas && *schemas; schemas++)
		put_schema(&p, *schemas);
	vmt_json_close(&p, ']');
	vmt_json_close(&p, '}');
	vmt_put(&p, "\n");
	return p.result;
}

int vmt_expectation_put_record(const struct vmt_compare_place *place, enum vmt_compare_kind kind,
			       const struct vmt_schema *schema, const struct vmt_value *values,
			       size_t n, vmt_compare_put *put, void *context)
{
	struct vmt_putter p = {.put = put, .context = context, .first = true};

	vmt_json_open(&p, NULL, '{');
	vmt_json_u64(&p, "callback", place->callback);
	vmt_json_u64(&p, "callback_kind", place->kind);
	vmt_json_u64(&p, "now", place->now);
	if (place->event != VMT_COMPARE_NONE) {
		vmt_json_u64(&p, "reason", place->reason);
		vmt_json_u64(&p, "vcpu", place->vcpu);
		if (place->rip_known)
			vmt_json_hex(&p, "rip", place->rip);
	}
	vmt_json_text(&p, "kind", vmt_compare_kind_name(kind));
	if (schema) {
		vmt_json_text(&p, "name", schema->name);
		vmt_json_open(&p, "fields", '{');
		for (size_t i = 0; i < n && i < schema->nfields; i++)
			vmt_json_value(&p, schema->fields[i].name, &values[i]);
		vmt_json_close(&p, '}');
	}
	vmt_json_close(&p, '}');
	vmt_put(&p, "\n");
	return p.result;
}

int vmt_expectation_put_end(const char *end, vmt_compare_put *put, void *context)
{
	struct vmt_putter p = {.put = put, .context = context, .first = true};

	vmt_json_open(&p, NULL, '{');
	vmt_json_text(&p, "end", end);
	vmt_json_close(&p, '}');
	vmt_put(&p, "\n");
	return p.result;
}
