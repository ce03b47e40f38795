/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector: an observer that keeps copies of all that it is told.
 */
#include <stdlib.h>
#include <string.h>

#include "collector.h"
#include "copies.h"

/* -------------------------------------------------------------------------------------------- */
/* Keeping                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_collector *of(struct vmt_observer *o)
{
	return (struct vmt_collector *)o;
}

static bool append(struct vmt_collected_list *list, void *item)
{
	size_t cap = list->cap ? list->cap * 2 : 32;
	void **items;

	if (list->n == list->cap) {
		items = realloc(list->items, cap * sizeof(*items));
		if (!items)
			return false;
		list->items = items;
		list->cap = cap;
	}
	list->items[list->n++] = item;
	return true;
}

/* Put @item into the list of its kind and into the order of all. NULL: memory ran out before. */
static void keep(struct vmt_collector *c, enum vmt_collected kind, void *item)
{
	struct vmt_collected_line *line = vmt_arena_alloc(&c->arena, sizeof(*line));

	if (!item || !line || !append(&c->of[kind], item) || !append(&c->lines, line)) {
		c->incomplete = true;
		return;
	}
	line->kind = kind;
	line->item = item;
}

/* A copy of @record that lives as long as the collector. */
static struct vmt_record *copy_record(struct vmt_collector *c, const struct vmt_record *record)
{
	const struct vmt_schema *schema = vmt_record_schema(record);
	struct vmt_record *copy = vmt_record_create();
	size_t n;
	const struct vmt_value *values = vmt_record_values(record, &n);

	if (!copy || !append(&c->records, copy)) {
		vmt_record_destroy(copy);
		c->incomplete = true;
		return NULL;
	}
	if (!schema)
		return copy; /* the handler finished without a result */
	schema = vmt_copy_schema(&c->arena, schema);
	if (!schema || vmt_output(copy, schema, values, n) < 0) {
		c->incomplete = true;
		return NULL;
	}
	return copy;
}

/* -------------------------------------------------------------------------------------------- */
/* The observer                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static void on_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	struct vmt_collector *c = of(o);
	struct vmt_collected_callback *item = vmt_arena_alloc(&c->arena, sizeof(*item));

	c->callback = cb->number;
	if (item) {
		item->callback = *cb;
		if (cb->event) {
			item->callback.event = vmt_copy_event(&c->arena, cb->event);
			c->incomplete |= !item->callback.event;
		}
	}
	keep(c, VMT_COLLECTED_CALLBACK, item);
}

static void on_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			    const struct vmt_callback_result *r)
{
	struct vmt_collector *c = of(o);
	const struct vmt_collected_list *list = &c->of[VMT_COLLECTED_CALLBACK];
	struct vmt_collected_callback *item = list->n > 0 ? list->items[list->n - 1] : NULL;

	if (!item || item->callback.number != cb->number) {
		c->incomplete = true; /* its begin was not kept */
		return;
	}
	item->ended = true;
	item->result = r->result;
	if (r->response) {
		item->response = vmt_copy_response(&c->arena, r->response);
		c->incomplete |= !item->response;
	}
	if (r->output)
		item->output = copy_record(c, r->output);
	keep(c, VMT_COLLECTED_CALLBACK_END, item);
}

static void on_default_answer(struct vmt_observer *o, const struct vmt_event *ev,
			      const struct vmt_response *rsp)
{
	struct vmt_collector *c = of(o);
	struct vmt_collected_callback *item = vmt_arena_alloc(&c->arena, sizeof(*item));

	if (item) {
		item->callback.event = vmt_copy_event(&c->arena, ev);
		item->response = vmt_copy_response(&c->arena, rsp);
		c->incomplete |= !item->callback.event || !item->response;
	}
	keep(c, VMT_COLLECTED_DEFAULT, item);
}

static void on_emission(struct vmt_observer *o, const struct vmt_schema *schema,
			const struct vmt_value *values, size_t n)
{
	struct vmt_collector *c = of(o);
	struct vmt_collected_emission *item = vmt_arena_alloc(&c->arena, sizeof(*item));

	if (item) {
		item->callback = c->callback;
		item->schema = vmt_copy_schema(&c->arena, schema);
		item->values = vmt_copy_values(&c->arena, values, n);
		item->n = n;
		if (!item->schema || !item->values)
			item = NULL;
	}
	keep(c, VMT_COLLECTED_EMISSION, item);
}

static void on_log(struct vmt_observer *o, enum vmt_log_level level, const char *text)
{
	struct vmt_collector *c = of(o);
	struct vmt_collected_log *item = vmt_arena_alloc(&c->arena, sizeof(*item));

	if (item) {
		item->callback = c->callback;
		item->level = level;
		item->text = vmt_arena_text(&c->arena, text);
		if (!item->text)
			item = NULL;
	}
	keep(c, VMT_COLLECTED_LOG, item);
}

static void on_file(struct vmt_observer *o, const char *path, int status, const void *data,
		    size_t len)
{
	struct vmt_collector *c = of(o);
	struct vmt_collected_file *item = vmt_arena_alloc(&c->arena, sizeof(*item));

	if (item) {
		item->path = vmt_arena_text(&c->arena, path);
		item->status = status;
		item->data = data ? vmt_arena_copy(&c->arena, data, len) : NULL;
		item->len = len;
		if (!item->path || (data && !item->data))
			item = NULL;
	}
	keep(c, VMT_COLLECTED_FILE, item);
}

static void on_failure(struct vmt_observer *o, const struct vmt_error *err)
{
	struct vmt_collector *c = of(o);

	keep(c, VMT_COLLECTED_FAILURE, vmt_arena_copy(&c->arena, err, sizeof(*err)));
}

static void on_teardown(struct vmt_observer *o, const char *step)
{
	struct vmt_collector *c = of(o);

	keep(c, VMT_COLLECTED_STEP, vmt_arena_text(&c->arena, step));
}

static void on_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	struct vmt_collector *c = of(o);
	struct vmt_outcome *item = vmt_arena_copy(&c->arena, outcome, sizeof(*outcome));

	if (item && outcome->output)
		item->output = copy_record(c, outcome->output);
	keep(c, VMT_COLLECTED_OUTCOME, item);
}

static const struct vmt_observer_ops observer_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.callback = on_callback,
	.callback_end = on_callback_end,
	.default_answer = on_default_answer,
	.emission = on_emission,
	.log = on_log,
	.file = on_file,
	.failure = on_failure,
	.teardown = on_teardown,
	.end = on_end,
};

/* -------------------------------------------------------------------------------------------- */
/* Life                                                                                         */
/* -------------------------------------------------------------------------------------------- */

int vmt_collector_create(struct vmt_collector **c, struct vmt_error *err)
{
	*c = calloc(1, sizeof(**c));
	if (!*c)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "collector",
				     "no memory for a collector");
	(*c)->observer.ops = &observer_ops;
	return 0;
}

void vmt_collector_clear(struct vmt_collector *c)
{
	for (size_t i = 0; i < c->records.n; i++)
		vmt_record_destroy(c->records.items[i]);
	for (size_t kind = 0; kind < VMT_COLLECTED_KINDS; kind++)
		c->of[kind].n = 0;
	c->lines.n = 0;
	c->records.n = 0;
	c->callback = 0;
	c->incomplete = false;
	vmt_arena_finish(&c->arena);
}

void vmt_collector_destroy(struct vmt_collector *c)
{
	if (!c)
		return;
	vmt_collector_clear(c);
	for (size_t kind = 0; kind < VMT_COLLECTED_KINDS; kind++)
		free(c->of[kind].items);
	free(c->lines.items);
	free(c->records.items);
	free(c);
}

struct vmt_observer *vmt_collector_observer(struct vmt_collector *c)
{
	return &c->observer;
}
