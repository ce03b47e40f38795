/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Building a run: copies of what is given, in blocks that are freed at once.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "run.h"

#define BLOCK_BYTES ((size_t)256 << 10)

struct vmt_compare_block {
	struct vmt_compare_block *next;
	size_t used, cap;
	max_align_t data[];
};

int vmt_compare_run_create(size_t max_bytes, struct vmt_compare_run **run, struct vmt_error *err)
{
	*run = calloc(1, sizeof(**run));
	if (!*run)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "compare", "no memory for a run");
	(*run)->max_bytes = max_bytes ? max_bytes : VMT_COMPARE_RUN_BYTES;
	return 0;
}

void vmt_compare_run_destroy(struct vmt_compare_run *run)
{
	if (!run)
		return;
	while (run->blocks) {
		struct vmt_compare_block *next = run->blocks->next;

		free(run->blocks);
		run->blocks = next;
	}
	free(run->callbacks);
	free(run->items);
	free(run->names);
	free(run);
}

/* -------------------------------------------------------------------------------------------- */
/* Memory                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int no_memory(struct vmt_error *err)
{
	(void)vmt_error_set(err, VMT_E_NO_MEMORY, "compare", "no memory for the run");
	return -VMT_E_NO_MEMORY;
}

/** Count @bytes against the limit of @run. */
static int account(struct vmt_compare_run *run, size_t bytes, struct vmt_error *err)
{
	if (bytes > run->max_bytes - run->bytes)
		return vmt_error_set(err, VMT_E_LIMIT, "compare",
				     "the run needs more than %zu MiB of memory; compare a part of "
				     "it, as `vmitrace cut` makes it",
				     run->max_bytes >> 20);
	run->bytes += bytes;
	return 0;
}

static int take(struct vmt_compare_run *run, size_t size, void **p, struct vmt_error *err)
{
	const size_t align = sizeof(max_align_t);
	struct vmt_compare_block *block = run->blocks;

	size = (size + align - 1) / align * align;
	if (!block || block->cap - block->used < size) {
		const size_t cap = size > BLOCK_BYTES ? size : BLOCK_BYTES;
		const int r = account(run, cap, err);

		if (r < 0)
			return r;
		block = malloc(sizeof(*block) + cap);
		if (!block)
			return no_memory(err);
		block->next = run->blocks;
		block->used = 0;
		block->cap = cap;
		run->blocks = block;
	}
	*p = (char *)block->data + block->used;
	block->used += size;
	return 0;
}

/** Room for one more of @size bytes in the array *@p. */
static int grow(struct vmt_compare_run *run, void **p, size_t n, size_t *cap, size_t size,
		struct vmt_error *err)
{
	size_t more = *cap ? *cap * 2 : 64;
	void *grown;
	int r;

	if (n < *cap)
		return 0;
	r = account(run, (more - *cap) * size, err);
	if (r < 0)
		return r;
	grown = realloc(*p, more * size);
	if (!grown)
		return no_memory(err);
	*p = grown;
	*cap = more;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Names                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** The slot of @name: where it stands, or where it belongs. */
static size_t slot_of(const char *const *names, size_t cap, const char *name)
{
	size_t slot = (size_t)XXH3_64bits(name, strlen(name)) & (cap - 1);

	while (names[slot] && strcmp(names[slot], name) != 0)
		slot = (slot + 1) & (cap - 1);
	return slot;
}

static int grow_names(struct vmt_compare_run *run, struct vmt_error *err)
{
	const size_t cap = run->names_cap ? run->names_cap * 2 : 256;
	const char **names;
	int r = account(run, cap * sizeof(*names), err);

	if (r < 0)
		return r;
	names = calloc(cap, sizeof(*names));
	if (!names)
		return no_memory(err);
	for (size_t i = 0; i < run->names_cap; i++)
		if (run->names[i])
			names[slot_of(names, cap, run->names[i])] = run->names[i];
	free(run->names);
	run->names = names;
	run->names_cap = cap;
	return 0;
}

static int keep_name(struct vmt_compare_run *run, const char *name, const char **kept,
		     struct vmt_error *err)
{
	const size_t len = strlen(name) + 1;
	size_t slot;
	void *p;
	int r;

	if (run->nnames * 2 >= run->names_cap) {
		r = grow_names(run, err);
		if (r < 0)
			return r;
	}
	slot = slot_of(run->names, run->names_cap, name);
	if (!run->names[slot]) {
		r = take(run, len, &p, err);
		if (r < 0)
			return r;
		memcpy(p, name, len);
		run->names[slot] = p;
		run->nnames++;
	}
	*kept = run->names[slot];
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Callbacks and items                                                                          */
/* -------------------------------------------------------------------------------------------- */

int vmt_compare_run_callback(struct vmt_compare_run *run, const struct vmt_compare_place *place,
			     struct vmt_error *err)
{
	struct vmt_compare_callback *callback;
	void *callbacks = run->callbacks;
	void *p;
	int r;

	if (run->ncallbacks >= UINT32_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, "compare", "the run has too many callbacks");
	r = grow(run, &callbacks, run->ncallbacks, &run->callbacks_cap, sizeof(void *), err);
	run->callbacks = callbacks;
	if (r >= 0)
		r = take(run, sizeof(*callback), &p, err);
	if (r < 0)
		return r;
	callback = p;
	*callback = (struct vmt_compare_callback){*place, (uint32_t)run->nitems, 0};
	run->callbacks[run->ncallbacks++] = callback;
	return 0;
}

void vmt_compare_run_served(struct vmt_compare_run *run, uint32_t provenance)
{
	struct vmt_compare_place *place;

	if (run->ncallbacks == 0)
		return;
	place = &run->callbacks[run->ncallbacks - 1]->place;
	if (provenance > place->provenance)
		place->provenance = provenance;
}

void vmt_compare_run_ignore(struct vmt_compare_run *run, const char *const *fields, size_t n)
{
	run->ignore = fields;
	run->nignore = n;
}

/** Is @field of items called @name among those that are not compared? */
static bool is_ignored(const struct vmt_compare_run *run, const char *name, const char *field)
{
	const size_t len = strlen(name);

	for (size_t i = 0; i < run->nignore; i++) {
		const char *ignored = run->ignore[i];

		if (strcmp(ignored, field) == 0)
			return true;
		if (strncmp(ignored, name, len) == 0 && ignored[len] == '.' &&
		    strcmp(ignored + len + 1, field) == 0)
			return true;
	}
	return false;
}

static bool has_bytes(const struct vmt_value *v)
{
	return v->type == VMT_TEXT || v->type == VMT_BYTES;
}

static int keep_fields(struct vmt_compare_run *run, const char *item,
		       const struct vmt_compare_field *fields, size_t n,
		       struct vmt_compare_field *kept, struct vmt_error *err)
{
	for (size_t i = 0; i < n; i++) {
		int r;

		kept[i] = fields[i];
		if (is_ignored(run, item, fields[i].name))
			kept[i].role = VMT_IGNORE;
		if (fields[i].value.type == 0 || fields[i].value.type >= VMT_TYPE_COUNT)
			return vmt_error_set(err, VMT_E_INVALID, "compare",
					     "field %zu has no type that is known", i);
		r = keep_name(run, fields[i].name, &kept[i].name, err);
		if (r >= 0 && has_bytes(&fields[i].value)) {
			void *p;

			r = take(run, fields[i].value.len + 1u, &p, err);
			if (r < 0)
				return r;
			if (fields[i].value.len > 0)
				memcpy(p, fields[i].value.v.p, fields[i].value.len);
			kept[i].value.v.p = p;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int vmt_compare_run_item(struct vmt_compare_run *run, enum vmt_compare_kind kind, const char *name,
			 const struct vmt_compare_field *fields, size_t nfields,
			 struct vmt_error *err)
{
	struct vmt_compare_callback *callback;
	struct vmt_compare_item item = {.kind = kind, .nfields = (uint32_t)nfields};
	void *items = run->items;
	void *kept = NULL;
	int r;

	if (run->ncallbacks == 0)
		return vmt_error_set(err, VMT_E_WRONG_PLACE, "compare", "there is no callback yet");
	callback = run->callbacks[run->ncallbacks - 1];
	if (kind >= VMT_COMPARE_KIND_COUNT || nfields > UINT16_MAX)
		return vmt_error_set(err, VMT_E_INVALID, "compare", "there is no such item");
	if (kind == VMT_COMPARE_EVENT && callback->nitems > 0)
		return vmt_error_set(err, VMT_E_WRONG_PLACE, "compare",
				     "the event is not the first of its callback");
	if (run->nitems >= UINT32_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, "compare", "the run has too many items");
	r = grow(run, &items, run->nitems, &run->items_cap, sizeof(item), err);
	run->items = items;
	if (r >= 0)
		r = keep_name(run, name, &item.name, err);
	if (r >= 0 && nfields > 0)
		r = take(run, nfields * sizeof(*fields), &kept, err);
	if (r >= 0)
		r = keep_fields(run, name, fields, nfields, kept, err);
	if (r < 0)
		return r;
	item.fields = kept;
	item.place = &callback->place;
	item.callback = (uint32_t)(run->ncallbacks - 1);
	vmt_compare_item_hash(&item);
	run->items[run->nitems++] = item;
	callback->nitems++;
	return 0;
}

int vmt_compare_run_record(struct vmt_compare_run *run, enum vmt_compare_kind kind,
			   const struct vmt_schema *schema, const struct vmt_value *values,
			   size_t n, struct vmt_error *err)
{
	struct vmt_compare_field fields[VMT_SCHEMA_FIELDS_MAX];

	if (!schema)
		return vmt_compare_run_item(run, kind, "nothing", NULL, 0, err);
	if (n > schema->nfields || n > VMT_SCHEMA_FIELDS_MAX)
		return vmt_error_set(err, VMT_E_INVALID, "compare",
				     "a record '%.64s' has %zu values, and its schema %zu fields",
				     schema->name, n, schema->nfields);
	for (size_t i = 0; i < n; i++)
		fields[i] = (struct vmt_compare_field){schema->fields[i].name, values[i],
						       schema->fields[i].role};
	return vmt_compare_run_item(run, kind, schema->name, fields, n, err);
}

size_t vmt_compare_run_callbacks(const struct vmt_compare_run *run)
{
	return run->ncallbacks;
}

size_t vmt_compare_run_items(const struct vmt_compare_run *run)
{
	return run->nitems;
}

const struct vmt_compare_item *vmt_compare_run_item_at(const struct vmt_compare_run *run, size_t n)
{
	return n < run->nitems ? &run->items[n] : NULL;
}

const struct vmt_compare_item *vmt_compare_event_of(const struct vmt_compare_run *run,
						    const struct vmt_compare_callback *callback)
{
	if (callback->nitems == 0 || run->items[callback->first].kind != VMT_COMPARE_EVENT)
		return NULL;
	return &run->items[callback->first];
}
