/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages by id, through a reader of their own.
 */
#include <stdlib.h>
#include <string.h>

#include "pages.h"
#include "trace-format/record.h"

#define MARK_EVERY 64u

int vmt_stored_pages_open(struct vmt_pages *pages, const char *path,
			  const struct vmt_trace_reader_options *options, struct vmt_error *err)
{
	return vmt_trace_reader_open(path, options, &pages->reader, err);
}

void vmt_stored_pages_finish(struct vmt_pages *pages)
{
	vmt_trace_reader_close(pages->reader);
	free(pages->marks.v);
}

int vmt_stored_pages_mark(struct vmt_pages *pages, uint64_t page, uint64_t callback)
{
	struct vmt_page_marks *m = &pages->marks;
	struct vmt_page_mark *v;

	if (page <= m->newest)
		return 0;
	m->newest = page;
	if (m->n > 0 && page - m->v[m->n - 1].page < MARK_EVERY)
		return 0;
	if (m->n == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 64;

		v = realloc(m->v, cap * sizeof(*v));
		if (!v)
			return -VMT_E_NO_MEMORY;
		m->v = v;
		m->cap = cap;
	}
	m->v[m->n++] = (struct vmt_page_mark){page, callback};
	return 0;
}

/** The page that @record names, or 0. */
static uint64_t named(const struct vmt_trace_record *record)
{
	if (record->kind == VMT_TRACE_CAPTURE)
		return ((const struct vmt_trace_capture *)record->body)->page;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		return ((const struct vmt_trace_call *)record->body)->page;
	return 0;
}

/** Move the reader to where @id was named first: to the mark before it, then record by record. */
static bool go_to(struct vmt_pages *pages, uint64_t id)
{
	const struct vmt_page_marks *m = &pages->marks;
	struct vmt_trace_record record;
	size_t low = 0;
	size_t high = m->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->v[middle].page <= id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 ||
	    vmt_trace_reader_seek_callback(pages->reader, m->v[low - 1].callback, NULL) < 0)
		return false;
	while (vmt_trace_reader_next(pages->reader, &record, NULL) == 1)
		if (named(&record) >= id)
			return true;
	return false;
}

const uint8_t *vmt_stored_pages_get(struct vmt_pages *pages, uint64_t id)
{
	uint32_t at;
	int r;

	for (uint32_t i = 0; i < VMT_PAGES_KEPT; i++)
		if (pages->ids[i] == id)
			return pages->lost[i] ? NULL : pages->kept[i];
	at = pages->next;
	pages->next = (pages->next + 1) % VMT_PAGES_KEPT;
	r = vmt_trace_reader_page(pages->reader, id, pages->kept[at], NULL);
	if (r == -VMT_E_NOT_FOUND && go_to(pages, id))
		r = vmt_trace_reader_page(pages->reader, id, pages->kept[at], NULL);
	pages->ids[at] = id;
	pages->lost[at] = r < 0;
	return r < 0 ? NULL : pages->kept[at];
}
