/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copying records, and the window.
 *
 * A record lives in the reader until its next one. What points out of a body is said by the trace's
 * own field tables, so one walk copies every kind.
 */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"
#include "trace-format/fields.h"

/* -------------------------------------------------------------------------------------------- */
/* Memory, first in first out                                                                   */
/* -------------------------------------------------------------------------------------------- */

#define BLOCK_SIZE ((size_t)64 << 10)

struct vmt_copies_block {
	struct vmt_copies_block *next;
	size_t size, used;
	alignas(max_align_t) uint8_t bytes[];
};

/** As vmt_copies_alloc, not zeroed. */
static void *take(struct vmt_copies *copies, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct vmt_copies_block *b = copies->newest;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + align - 1) & ~(align - 1);
	if (!b || b->size - b->used < size) {
		size_t want = size > BLOCK_SIZE ? size : BLOCK_SIZE;

		b = malloc(sizeof(*b) + want);
		if (!b)
			return NULL;
		b->next = NULL;
		b->size = want;
		b->used = 0;
		if (copies->newest)
			copies->newest->next = b;
		else
			copies->oldest = b;
		copies->newest = b;
		copies->bytes += want;
	}
	p = b->bytes + b->used;
	b->used += size;
	return p;
}

void *vmt_copies_alloc(struct vmt_copies *copies, size_t size)
{
	void *p = take(copies, size);

	return p ? memset(p, 0, size) : NULL;
}

/** Give back what is older than @keep. */
static void give_back(struct vmt_copies *copies, const struct vmt_copies_block *keep)
{
	while (copies->oldest && copies->oldest != keep) {
		struct vmt_copies_block *b = copies->oldest;

		copies->oldest = b->next;
		copies->bytes -= b->size;
		free(b);
	}
	if (!copies->oldest)
		copies->newest = NULL;
}

void vmt_copies_finish(struct vmt_copies *copies)
{
	give_back(copies, NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* Copying                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool copy_struct(const struct vmt_trace_struct *table, void *to, struct vmt_copies *copies);

/** Point the member at @at, a pointer, to a copy of the @size bytes that it points to. */
static void *copy_behind(void *at, size_t size, struct vmt_copies *copies)
{
	const void *from;
	void *copy;

	memcpy(&from, at, sizeof(from));
	copy = take(copies, size ? size : 1);
	if (copy && size > 0)
		memcpy(copy, from, size);
	if (copy)
		memcpy(at, &copy, sizeof(copy));
	return copy;
}

static bool is_null(const void *at)
{
	const void *p;

	memcpy(&p, at, sizeof(p));
	return p == NULL;
}

static bool copy_text(uint8_t *at, struct vmt_copies *copies)
{
	const char *text;

	memcpy(&text, at, sizeof(text));
	return text == NULL || copy_behind(at, strlen(text) + 1, copies) != NULL;
}

static bool copy_list(const struct vmt_trace_field *field, uint8_t *base, struct vmt_copies *copies)
{
	uint64_t n = vmt_trace_load(base + field->aux, field->aux_width);
	uint8_t *copy;

	if (n == 0 || is_null(base + field->offset))
		return true;
	copy = copy_behind(base + field->offset, n * field->sub->size, copies);
	for (uint64_t i = 0; copy && i < n; i++)
		if (!copy_struct(field->sub, copy + i * field->sub->size, copies))
			return false;
	return copy != NULL;
}

static bool copy_field(const struct vmt_trace_field *field, uint8_t *base,
		       struct vmt_copies *copies)
{
	uint8_t *at = base + field->offset;

	switch (field->type) {
	case VMT_T_TEXT:
	case VMT_T_MAYBE:
		return copy_text(at, copies);
	case VMT_T_BYTES:
	case VMT_T_BLOB:
		return is_null(at) ||
		       copy_behind(at, vmt_trace_load(base + field->aux, field->aux_width), copies);
	case VMT_T_LIST:
		return copy_list(field, base, copies);
	default:
		break;
	}
	if (field->deref) {
		if (is_null(at))
			return true;
		at = copy_behind(at, field->type == VMT_T_STRUCT ? field->sub->size : field->width,
				 copies);
	}
	return at && (field->type != VMT_T_STRUCT || copy_struct(field->sub, at, copies));
}

/** @to is a plain copy of a struct: copy what its members point to. */
static bool copy_struct(const struct vmt_trace_struct *table, void *to, struct vmt_copies *copies)
{
	for (uint16_t i = 0; i < table->nfields; i++)
		if (vmt_trace_field_present(&table->fields[i], to) &&
		    !copy_field(&table->fields[i], to, copies))
			return false;
	return true;
}

const void *vmt_body_copy(unsigned kind, const void *body, struct vmt_copies *copies)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);
	void *copy;

	if (!row || !row->body)
		return NULL;
	copy = take(copies, row->body->size ? row->body->size : 1);
	if (!copy)
		return NULL;
	memcpy(copy, body, row->body->size);
	return copy_struct(row->body, copy, copies) ? copy : NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* The window                                                                                   */
/* -------------------------------------------------------------------------------------------- */

struct vmt_window_slot {
	struct vmt_trace_record record;
	struct vmt_copies_block *block; /**< in which its copy begins */
};

int vmt_window_open(struct vmt_window *w, const char *path,
		    const struct vmt_trace_reader_options *options, uint64_t last_position,
		    struct vmt_error *err)
{
	w->last_position = last_position;
	return vmt_trace_reader_open(path, options, &w->reader, err);
}

void vmt_window_finish(struct vmt_window *w)
{
	free(w->slots);
	vmt_copies_finish(&w->copies);
	vmt_trace_reader_close(w->reader);
}

static int fail(struct vmt_window *w, enum vmt_status status, const char *text)
{
	w->failed = vmt_error_set(&w->err, status, "replay", "%s", text);
	return w->failed;
}

/** Room for one more slot; the ring is laid out anew. */
static bool make_room(struct vmt_window *w)
{
	size_t cap = w->cap ? w->cap * 2 : 16;
	struct vmt_window_slot *slots;

	if (w->n < w->cap)
		return true;
	slots = calloc(cap, sizeof(*slots));
	if (!slots)
		return false;
	for (size_t i = 0; w->cap && i < w->n; i++)
		slots[i] = w->slots[(w->first + i) % w->cap];
	free(w->slots);
	w->slots = slots;
	w->first = 0;
	w->cap = cap;
	return true;
}

/** The block that @p is in: @before, which was the newest, or the one that came after it. */
static struct vmt_copies_block *block_of(const struct vmt_copies *copies,
					 struct vmt_copies_block *before, const void *p)
{
	const uint8_t *at = p;

	if (!before)
		return copies->oldest;
	return at >= before->bytes && at < before->bytes + before->size ? before : before->next;
}

/** What replay has no use for: it is not what a handler could see. */
static bool is_skipped(unsigned kind)
{
	return kind == VMT_TRACE_LOG || kind == VMT_TRACE_ATTRIBUTE || kind == VMT_TRACE_BACKEND ||
	       kind == VMT_TRACE_FILE || kind == VMT_TRACE_FILE_DATA || kind == VMT_TRACE_META ||
	       kind == VMT_TRACE_END || kind >= VMT_TRACE_KIND_COUNT;
}

/** Read one more record into the window: 1, or 0 at the end. */
static int read_more(struct vmt_window *w)
{
	struct vmt_trace_record record;
	struct vmt_copies_block *newest;
	struct vmt_window_slot *slot;
	int r;

	do {
		r = vmt_trace_reader_next(w->reader, &record, &w->err);
		if (r < 0)
			w->failed = r;
		if (r <= 0 || record.position > w->last_position) {
			w->at_end = true;
			return 0;
		}
	} while (is_skipped(record.kind));
	if (!make_room(w))
		return fail(w, VMT_E_NO_MEMORY, "no memory for the records of a callback");
	newest = w->copies.newest;
	slot = &w->slots[(w->first + w->n) & (w->cap - 1)];
	slot->record = record;
	slot->record.body = vmt_body_copy(record.kind, record.body, &w->copies);
	if (!slot->record.body)
		return fail(w, VMT_E_NO_MEMORY, "no memory for a record");
	slot->block = block_of(&w->copies, newest, slot->record.body);
	w->n++;
	if (w->copies.bytes > VMT_WINDOW_MAX)
		return fail(w, VMT_E_LIMIT,
			    "a callback of this recording has more records than replay takes");
	return 1;
}

/* The capacity is a power of two. */
const struct vmt_trace_record *vmt_window_at(struct vmt_window *w, size_t n)
{
	while (n >= w->n)
		if (w->failed || w->at_end || read_more(w) <= 0)
			return NULL;
	return &w->slots[(w->first + n) & (w->cap - 1)].record;
}

void vmt_window_drop(struct vmt_window *w)
{
	w->first = (w->first + 1) & (w->cap - 1);
	if (--w->n > 0)
		give_back(&w->copies, w->slots[w->first].block);
	else if (w->copies.newest) {
		struct vmt_copies_block *newest = w->copies.newest;

		give_back(&w->copies, newest);
		newest->used = 0;
	}
}
