/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going to a place: the index is read from the trace's end, or made by walking the chunk headers.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "reader.h"

static int add_index(struct vmt_trace_reader *r, const struct vmt_trace_chunk *chunk)
{
	if (r->index == NULL || r->nindex == r->index_cap) {
		const size_t cap = r->index_cap > 0 ? r->index_cap * 2 : 256;
		struct vmt_trace_chunk *p = realloc(r->index, cap * sizeof(*p));

		if (p == NULL)
			return -VMT_E_NO_MEMORY;
		r->index = p;
		r->index_cap = cap;
	}
	r->index[r->nindex++] = *chunk;
	return 0;
}

/** A chunk of the trace goes into the index when it follows the ones before. */
static int add_chunk(struct vmt_trace_reader *r, const struct vmt_trace_chunk *c)
{
	struct vmt_chunk_header header = {.chunk = *c, .tag = r->preamble.tag};
	const struct vmt_trace_chunk *last;

	if (c->stream == VMT_STREAM_EVENTS) {
		last = r->nindex > 0 ? &r->index[r->nindex - 1] : NULL;
		if (last != NULL && (c->position <= last->position ||
				     c->callback < last->callback || c->event < last->event))
			return 0;
		return add_index(r, c);
	}
	if (c->stream != VMT_STREAM_PAGES || c->position == 0)
		return 0;
	last = r->npages > 0 ? &r->pages[r->npages - 1].header.chunk : NULL;
	if (last != NULL && (c->position - last->position < last->records ||
			     c->position < last->position || c->epoch < last->epoch))
		return 0;
	if (vmt_reader_add_pages(r, &header, NULL) < 0)
		return -VMT_E_NO_MEMORY;
	r->pages[r->npages - 1].header.chunk.offset = c->offset;
	return 0;
}

static void clear(struct vmt_trace_reader *r)
{
	r->nindex = 0;
	vmt_reader_forget_pages(r);
}

/**
 * Decode the records of one index chunk. 1: right, 0: not. Entries stand one behind another in the
 * file, from @from on to @until: so there are never more of them than the file has room for.
 */
static int read_index_chunk(struct vmt_trace_reader *r, const struct vmt_trace_buf *raw,
			    uint64_t *from, uint64_t until)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(VMT_TRACE_INDEX);
	const uint8_t *p = raw->p;
	const uint8_t *const end = raw->p + raw->len;

	while (p != end) {
		struct vmt_record_head head;
		struct vmt_trace_decoded decoded;
		const struct vmt_trace_index *index;

		if (vmt_record_head_get(p, end, &head) != NULL || head.kind != VMT_TRACE_INDEX)
			return 0;
		vmt_trace_arena_reset(&r->page_arena);
		if (vmt_trace_decode(row, p + head.size, head.length,
				     r->preamble.minor > VMT_TRACE_MINOR, &r->page_arena, &decoded,
				     NULL) < 0)
			return 0;
		index = decoded.body;
		for (uint32_t i = 0; i < index->nchunks; i++) {
			const struct vmt_trace_chunk *c = &index->chunks[i];

			if (c->offset < *from || c->offset > until ||
			    VMT_CHUNK_HEADER_SIZE + (uint64_t)c->stored > until - c->offset)
				return 0;
			*from = c->offset + VMT_CHUNK_HEADER_SIZE + c->stored;
			if (add_chunk(r, c) < 0)
				return -VMT_E_NO_MEMORY;
		}
		p += head.size + head.length;
	}
	return 1;
}

/** The index that the writer left. 1: it is there, 0: it is not, or not right. */
static int read_index(struct vmt_trace_reader *r, struct vmt_input *in, uint64_t size,
		      struct vmt_error *err)
{
	__attribute__((cleanup(vmt_trace_buf_finish))) struct vmt_trace_buf raw = {0};
	uint64_t from = VMT_PREAMBLE_SIZE;
	struct vmt_footer footer;
	int right = 1;

	if (size < VMT_PREAMBLE_SIZE + VMT_FOOTER_SIZE)
		return 0;
	vmt_input_seek(in, size - VMT_FOOTER_SIZE);
	if (vmt_input_fill(in, VMT_FOOTER_SIZE, err) < (ssize_t)VMT_FOOTER_SIZE ||
	    vmt_footer_get(vmt_input_at(in), &footer) != NULL || footer.length != size ||
	    footer.tag != r->preamble.tag || footer.index_offset >= size)
		return 0;
	vmt_input_seek(in, footer.index_offset);
	for (uint32_t i = 0; right == 1 && i < footer.index_chunks; i++) {
		struct vmt_chunk_header header;
		unsigned major;

		if (vmt_input_fill(in, VMT_CHUNK_HEADER_SIZE, err) <
			    (ssize_t)VMT_CHUNK_HEADER_SIZE ||
		    vmt_chunk_header_get(vmt_input_at(in), &header, &major) != NULL ||
		    header.chunk.stream != VMT_STREAM_INDEX || header.tag != r->preamble.tag ||
		    vmt_input_fill(in, VMT_CHUNK_HEADER_SIZE + header.chunk.stored, err) <
			    (ssize_t)(VMT_CHUNK_HEADER_SIZE + header.chunk.stored) ||
		    vmt_reader_unpack(r, &header, vmt_input_at(in) + VMT_CHUNK_HEADER_SIZE, &raw) !=
			    NULL)
			return 0;
		right = read_index_chunk(r, &raw, &from, footer.index_offset);
		vmt_input_skip(in, VMT_CHUNK_HEADER_SIZE + header.chunk.stored);
	}
	return right;
}

/** Make the index from the headers. */
static int rebuild_index(struct vmt_trace_reader *r, struct vmt_input *in, struct vmt_error *err)
{
	uint64_t offset = VMT_PREAMBLE_SIZE;

	for (;;) {
		struct vmt_chunk_header header;
		int found;

		vmt_input_seek(in, offset);
		found = vmt_reader_resync(r, in, 0, &header, err);
		if (found <= 0)
			return found;
		header.chunk.offset = in->offset;
		if (add_chunk(r, &header.chunk) < 0)
			return vmt_error_set(err, VMT_E_NO_MEMORY, "trace",
					     "no memory for the index");
		offset = in->offset + VMT_CHUNK_HEADER_SIZE + header.chunk.stored;
	}
}

static int need_index(struct vmt_trace_reader *r, struct vmt_error *err)
{
	struct vmt_input in;
	struct stat st;
	int result;

	if (r->indexed)
		return 0;
	if (!r->in.seekable || fstat(r->in.fd, &st) < 0)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "trace",
				     "it is read from a pipe, where one cannot go back or ahead; "
				     "read it from a file");
	clear(r);
	vmt_input_init(&in, r->in.fd);
	result = read_index(r, &in, (uint64_t)st.st_size, err);
	if (result == 0) {
		clear(r);
		result = rebuild_index(r, &in, err);
	}
	vmt_input_finish(&in);
	if (result < 0)
		return result;
	r->indexed = true;
	r->all_pages = true;
	return 0;
}

/** Read on from the chunk of events @c. */
static void go_to(struct vmt_trace_reader *r, const struct vmt_trace_chunk *c)
{
	vmt_input_seek(&r->in, c->offset);
	r->now.p = r->now.end = NULL;
	r->next_sequence = c->sequence;
	r->next_position = c->position;
	r->callback = c->callback;
	r->events = c->event;
	r->epoch = c->epoch;
	r->index_chunks = 0;
	r->gap = false;
	r->after_bad = 0;
	r->held = false;
	r->state.ended = false;
	r->state.footer = false;
	r->state.at_end = false;
	r->open_damages = r->state.damages;
	/* Those before it: what a page id may be at most is not known from here. */
	r->next_page = 1;
	for (size_t i = 0; i < r->npages && r->pages[i].header.chunk.offset < c->offset; i++)
		r->next_page = r->pages[i].header.chunk.position + r->pages[i].header.chunk.records;
	vmt_digest_destroy(r->digest);
	r->digest = NULL;
}

static int seek(struct vmt_trace_reader *r, bool by_event, uint64_t number, struct vmt_error *err)
{
	int more = need_index(r, err);
	size_t low = 0;
	size_t high;

	if (more < 0)
		return more;
	/* The last chunk that begins before the place. */
	high = r->nindex;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct vmt_trace_chunk *c = &r->index[middle];

		if (by_event ? c->event <= number : c->callback < number)
			low = middle + 1;
		else
			high = middle;
	}
	if (r->nindex > 0)
		go_to(r, &r->index[low > 0 ? low - 1 : 0]);
	while (r->nindex > 0 && (more = vmt_reader_step(r, err)) == 1) {
		if (by_event ? r->head.kind == VMT_TRACE_EVENT && r->event >= number
			     : r->callback >= number) {
			r->held = true;
			return 0;
		}
	}
	if (more < 0)
		return more;
	return vmt_error_set(err, VMT_E_NOT_FOUND, "trace", "it has no %s %llu",
			     by_event ? "event" : "callback", (unsigned long long)number);
}

int vmt_trace_reader_seek_callback(struct vmt_trace_reader *r, uint64_t callback,
				   struct vmt_error *err)
{
	return seek(r, false, callback, err);
}

int vmt_trace_reader_seek_event(struct vmt_trace_reader *r, uint64_t event, struct vmt_error *err)
{
	return seek(r, true, event, err);
}

int vmt_trace_reader_rewind(struct vmt_trace_reader *r, struct vmt_error *err)
{
	return seek(r, false, 0, err);
}
