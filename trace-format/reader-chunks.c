/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Chunks, one after another: checks, decompression, and stepping over damage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"

struct vmt_trace_damage *vmt_reader_damage(struct vmt_trace_reader *r, uint64_t offset,
					   uint64_t length, unsigned stream, const char *text)
{
	struct vmt_trace_damage *d;

	if (r->state.damages == r->damages_cap && r->damages_cap < VMT_DAMAGES_MAX) {
		const size_t cap = r->damages_cap > 0 ? 2 * (size_t)r->damages_cap : 8;

		d = realloc(r->damages, cap * sizeof(*d));
		if (d != NULL) {
			r->damages = d;
			r->damages_cap = (uint32_t)cap;
		}
	}
	/* More than can be kept: the last one stands for all that follow. */
	if (r->state.damages < r->damages_cap)
		r->state.damages++;
	d = &r->damages[r->state.damages - 1];
	*d = (struct vmt_trace_damage){.offset = offset,
				       .length = length,
				       .stream = (uint8_t)stream,
				       .first = 1, /* nothing that is known of */
				       .first_callback = r->callback,
				       .last_callback = UINT64_MAX};
	snprintf(d->text, sizeof(d->text), "%s", text);
	r->state.damaged = true;
	return d;
}

static void lose(struct vmt_trace_damage *d, unsigned stream, uint64_t first, uint64_t last)
{
	d->stream = (uint8_t)stream;
	d->first = first;
	d->last = last;
}

/** A stretch that was written twice: what seemed to be lost in it has come after all. */
static void take_back(struct vmt_trace_damage *d, const struct vmt_trace_chunk *chunk)
{
	if (d->stream != chunk->stream || d->last < d->first || chunk->position > d->last)
		return;
	if (chunk->position > d->first)
		d->last = chunk->position - 1;
	else
		lose(d, chunk->stream, 1, 0);
}

/**
 * Positions from @next up to @chunk are missing. Each damage since the last chunk of events has
 * some of them, or all.
 */
static void share_loss(struct vmt_trace_reader *r, const struct vmt_trace_chunk *chunk,
		       uint64_t next)
{
	struct vmt_trace_damage *last = NULL;

	for (uint32_t i = r->open_damages; i < r->state.damages; i++) {
		struct vmt_trace_damage *d = &r->damages[i];

		if (d->stream == chunk->stream && d->first <= d->last) {
			if (d->first > next)
				d->first = next;
			next = d->last + 1;
			last = d;
		} else if (d->stream == 255 && last == NULL) {
			last = d;
		}
	}
	if (chunk->position <= next)
		return;
	if (last == NULL) {
		last = vmt_reader_damage(r, r->in.offset, 0, chunk->stream,
					 "chunks are missing here");
		last->last_callback = chunk->callback;
	}
	lose(last, chunk->stream, last->first <= last->last ? last->first : next,
	     chunk->position - 1);
}

/**
 * What was lost before @chunk is known now that the next chunk of its stream is there. Positions
 * that jump where no chunk is missing were left out by whoever wrote the trace.
 */
static void settle_damages(struct vmt_trace_reader *r, const struct vmt_trace_chunk *chunk)
{
	const bool events = chunk->stream == VMT_STREAM_EVENTS;
	const uint64_t after_bad =
		r->after_bad > r->next_sequence ? r->after_bad : r->next_sequence;

	r->gap = r->gap || chunk->sequence > after_bad;
	for (uint32_t i = r->open_damages; i < r->state.damages; i++) {
		if (r->damages[i].last_callback == UINT64_MAX)
			r->damages[i].last_callback = chunk->callback;
		take_back(&r->damages[i], chunk);
	}
	if (r->gap)
		share_loss(r, chunk, events ? r->next_position : r->next_page);
	if (events) {
		r->open_damages = r->state.damages;
		r->gap = false;
	}
}

int vmt_reader_begin(struct vmt_trace_reader *r, struct vmt_error *err)
{
	struct vmt_chunk_header header;
	const ssize_t n = vmt_input_fill(&r->in, VMT_PREAMBLE_SIZE, err);
	const char *wrong;
	int found;

	if (n < 0)
		return (int)n;
	if (n == 0)
		return vmt_error_set(
			err, VMT_E_DAMAGED, "trace",
			"it is empty: the recorder was killed before it wrote anything");
	wrong = n < (ssize_t)VMT_PREAMBLE_SIZE
			? "the preamble is cut"
			: vmt_preamble_get(vmt_input_at(&r->in), &r->preamble);
	if (wrong == NULL && r->preamble.major != VMT_TRACE_MAJOR)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "trace",
				     "its format is version %u.%u; this program reads %u.x",
				     r->preamble.major, r->preamble.minor, VMT_TRACE_MAJOR);
	if (wrong == NULL && r->preamble.arch != VMT_ARCH_X86_64)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "trace",
				     "it is of architecture %u; this program knows x86-64 only",
				     r->preamble.arch);
	if (wrong == NULL) {
		r->tag_known = true;
		vmt_input_skip(&r->in, VMT_PREAMBLE_SIZE);
		return 0;
	}
	found = vmt_reader_resync(r, &r->in, 0, &header, err);
	if (found < 0)
		return found;
	if (found == 0)
		return vmt_error_set(err, VMT_E_DAMAGED, "trace",
				     "%s, and no chunk follows: this is no trace", wrong);
	vmt_reader_damage(r, 0, r->in.offset, 255, wrong);
	r->preamble = (struct vmt_preamble){VMT_TRACE_MAJOR, VMT_TRACE_MINOR, VMT_ARCH_X86_64,
					    header.tag};
	r->tag_known = true;
	return 0;
}

/** A header that is right and of this trace. */
static bool right_header(const struct vmt_trace_reader *r, const uint8_t *p,
			 struct vmt_chunk_header *header)
{
	unsigned major;

	return vmt_chunk_header_get(p, header, &major) == NULL &&
	       (!r->tag_known || header->tag == r->preamble.tag);
}

int vmt_reader_resync(struct vmt_trace_reader *r, struct vmt_input *in, size_t skip,
		      struct vmt_chunk_header *header, struct vmt_error *err)
{
	for (;;) {
		const ssize_t n = vmt_input_fill(in, skip + VMT_CHUNK_HEADER_SIZE, err);
		const uint8_t *p = vmt_input_at(in);
		const uint8_t *found;

		if (n < 0)
			return (int)n;
		if ((size_t)n < skip + VMT_CHUNK_HEADER_SIZE) {
			vmt_input_skip(in, (size_t)n);
			return 0;
		}
		found = memmem(p + skip, (size_t)n - skip, vmt_chunk_magic,
			       sizeof(vmt_chunk_magic));
		if (found == NULL) {
			/* Its first bytes may stand at the window's end. */
			vmt_input_skip(in, (size_t)n - (sizeof(vmt_chunk_magic) - 1));
			skip = 0;
			continue;
		}
		vmt_input_skip(in, (size_t)(found - p));
		if (vmt_input_fill(in, VMT_CHUNK_HEADER_SIZE, err) >=
			    (ssize_t)VMT_CHUNK_HEADER_SIZE &&
		    right_header(r, vmt_input_at(in), header))
			return 1;
		skip = 1;
	}
}

/** Check the heads of all records: lengths, number, and that positions do not run over. */
static const char *check_records(const struct vmt_chunk_header *header, const uint8_t *p,
				 const uint8_t *end)
{
	uint64_t position = header->chunk.position;
	uint64_t callback = header->chunk.callback;
	uint32_t n = 0;

	while (p != end) {
		struct vmt_record_head head;
		const char *wrong = vmt_record_head_get(p, end, &head);

		if (wrong != NULL)
			return wrong;
		if (n == 0 && (head.callback_step != 0 || head.position_step != 0))
			return "a chunk's first record is not where its header says";
		position += head.position_step + (n > 0 ? 1 : 0);
		if (callback > UINT64_MAX - 1 - head.callback_step ||
		    head.position_step > UINT64_MAX / 2 || position > UINT64_MAX / 2)
			return "a record's callback or position is outside of its limits";
		if (head.position_step != 0 && header->chunk.stream != VMT_STREAM_EVENTS)
			return "page ids jump inside of a chunk";
		callback += head.callback_step;
		p += head.size + head.length;
		n++;
	}
	return n == header->chunk.records
		       ? NULL
		       : "a chunk's number of records is not what its header says";
}

const char *vmt_reader_unpack(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
			      const uint8_t *stored, struct vmt_trace_buf *raw)
{
	const size_t size = header->chunk.raw;
	size_t n;

	if (vmt_chunk_hash(stored, header->chunk.stored) != header->stored_hash)
		return "a chunk fails its checksum";
	r->unpacked++;
	raw->len = 0;
	if (header->codec == VMT_CODEC_ZSTD &&
	    (ZSTD_getFrameContentSize(stored, header->chunk.stored) != size ||
	     ZSTD_findFrameCompressedSize(stored, header->chunk.stored) != header->chunk.stored))
		return "a chunk is not one zstd frame of the size that its header says";
	if (vmt_trace_buf_reserve(raw, size) < 0)
		return "there is no memory for a chunk";
	if (header->codec == VMT_CODEC_NONE) {
		memcpy(raw->p, stored, size);
	} else {
		n = ZSTD_decompressDCtx(r->zstd, raw->p, size, stored, header->chunk.stored);
		if (ZSTD_isError(n) || n != size)
			return "a chunk does not decompress";
	}
	raw->len = size;
	return check_records(header, raw->p, raw->p + size);
}

/** Is the chunk where it may be, after those before? NULL, or what is wrong. */
static const char *check_place(const struct vmt_trace_reader *r, const struct vmt_trace_chunk *c)
{
	if (c->sequence < r->next_sequence)
		return "a chunk stands again, or out of order";
	if (c->epoch < r->epoch)
		return "a chunk is of an epoch that is over";
	if (c->stream == VMT_STREAM_EVENTS &&
	    (c->position < r->next_position || c->callback < r->callback || c->event < r->events))
		return "a chunk's positions fall";
	if (c->stream == VMT_STREAM_PAGES && (c->position < r->next_page || c->position == 0))
		return "a chunk's page ids fall";
	if (c->stream == VMT_STREAM_EVENTS && r->state.ended)
		return "records follow the end of the trace";
	return NULL;
}

static void begin_events(struct vmt_trace_reader *r, const struct vmt_trace_chunk *c)
{
	r->now.chunk = *c;
	r->now.p = r->now.raw.p;
	r->now.end = r->now.raw.p + r->now.raw.len;
	r->now.first = true;
	r->events = c->event;
}

/**
 * Step over a chunk whose header is right and whose rest is not. When its bytes are not those that
 * were written, some may be missing: then the next header is looked for inside of it too.
 */
static int bad_chunk(struct vmt_trace_reader *r, const struct vmt_chunk_header *header, size_t size,
		     const char *wrong, bool look_inside, struct vmt_error *err)
{
	const struct vmt_trace_chunk *c = &header->chunk;
	const uint64_t offset = r->in.offset;
	struct vmt_trace_damage *d = vmt_reader_damage(r, offset, size, c->stream, wrong);
	struct vmt_chunk_header inside;
	int found;

	r->now.p = r->now.end = NULL;
	if (c->stream != VMT_STREAM_INDEX && check_place(r, c) == NULL) {
		lose(d, c->stream, c->position, c->position + c->records - 1);
		d->first_callback = c->callback;
		r->after_bad = c->sequence + 1;
	}
	if (!look_inside) {
		vmt_input_skip(&r->in, size);
		return 0;
	}
	found = vmt_reader_resync(r, &r->in, VMT_CHUNK_HEADER_SIZE, &inside, err);
	d->length = r->in.offset - offset;
	return found < 0 ? found : 0;
}

/** One chunk whose bytes are in the window. 1: it is of events and right; 0: go on. */
static int take_chunk(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
		      struct vmt_error *err)
{
	const struct vmt_trace_chunk *c = &header->chunk;
	const uint8_t *stored = vmt_input_at(&r->in) + VMT_CHUNK_HEADER_SIZE;
	const size_t size = VMT_CHUNK_HEADER_SIZE + c->stored;
	const char *wrong = check_place(r, c);

	if (wrong != NULL)
		return bad_chunk(r, header, size, wrong, false, err);
	wrong = vmt_reader_unpack(r, header, stored, &r->now.raw);
	if (wrong != NULL)
		return bad_chunk(r, header, size, wrong,
				 vmt_chunk_hash(stored, c->stored) != header->stored_hash, err);
	if (c->stream == VMT_STREAM_INDEX) {
		if (c->sequence > r->next_sequence && r->open_damages == r->state.damages)
			vmt_reader_damage(r, r->in.offset, 0, 255, "chunks are missing here");
		r->index_chunks++;
	} else {
		settle_damages(r, c);
	}
	r->next_sequence = c->sequence + 1;
	if (c->epoch != r->epoch && !r->all_pages)
		vmt_reader_forget_pages(r);
	r->epoch = c->epoch;
	if (c->stream == VMT_STREAM_PAGES) {
		r->next_page = c->position + c->records;
		if (!r->all_pages) {
			if (vmt_reader_add_pages(r, header, stored) < 0)
				return vmt_error_set(err, VMT_E_NO_MEMORY, "trace",
						     "no memory for pages");
			vmt_reader_keep_pages(r, header, &r->now.raw);
		}
	}
	if (c->stream == VMT_STREAM_EVENTS)
		begin_events(r, c);
	vmt_input_skip(&r->in, size);
	return c->stream == VMT_STREAM_EVENTS;
}

/** What stands here is no chunk: the footer and nothing behind it, or damage. */
static int take_other(struct vmt_trace_reader *r, const char *wrong, struct vmt_error *err)
{
	struct vmt_chunk_header header;
	struct vmt_footer footer;
	const uint64_t offset = r->in.offset;
	ssize_t n = vmt_input_fill(&r->in, VMT_FOOTER_SIZE + 1, err);
	int found;

	if (n < 0)
		return (int)n;
	if (n == (ssize_t)VMT_FOOTER_SIZE &&
	    vmt_footer_get(vmt_input_at(&r->in), &footer) == NULL) {
		if (footer.tag == r->preamble.tag && footer.length == offset + VMT_FOOTER_SIZE &&
		    footer.index_chunks == r->index_chunks)
			r->state.footer = true;
		else
			vmt_reader_damage(r, offset, VMT_FOOTER_SIZE, VMT_STREAM_INDEX,
					  "the footer does not fit what is before it");
		vmt_input_skip(&r->in, VMT_FOOTER_SIZE);
		return 0;
	}
	found = vmt_reader_resync(r, &r->in, 1, &header, err);
	if (found < 0)
		return found;
	vmt_reader_damage(r, offset, r->in.offset - offset, 255,
			  found == 0 && r->state.ended ? "the index or footer is damaged or cut"
			  : found == 0                 ? "the trace is cut or damaged from here on"
						       : wrong);
	return 0;
}

static int at_end(struct vmt_trace_reader *r)
{
	if (r->state.at_end)
		return 0;
	r->state.at_end = true;
	r->state.bytes = r->in.offset;
	if (r->state.ended && r->state.damages == 0 && r->end.records != r->next_position - 1)
		vmt_reader_damage(r, r->in.offset, 0, VMT_STREAM_EVENTS,
				  "the end of the trace counts other records than there are");
	return 0;
}

int vmt_reader_next_chunk(struct vmt_trace_reader *r, struct vmt_error *err)
{
	for (;;) {
		ssize_t n = vmt_input_fill(&r->in, VMT_CHUNK_HEADER_SIZE, err);
		struct vmt_chunk_header header;
		const char *wrong = "the trace is cut";
		unsigned major = 0;
		int taken;

		if (n < 0)
			return (int)n;
		if (n == 0)
			return at_end(r);
		if (n >= (ssize_t)VMT_CHUNK_HEADER_SIZE)
			wrong = vmt_chunk_header_get(vmt_input_at(&r->in), &header, &major);
		if (wrong == NULL && header.tag != r->preamble.tag)
			wrong = "a chunk is of another trace";
		if (wrong != NULL) {
			taken = take_other(r, wrong, err);
		} else {
			const size_t size = VMT_CHUNK_HEADER_SIZE + header.chunk.stored;

			n = vmt_input_fill(&r->in, size, err);
			if (n < 0)
				return (int)n;
			if ((size_t)n < size)
				taken = bad_chunk(
					r, &header, (size_t)n,
					"the trace ends inside of a chunk: its writer was "
					"killed, or it was cut",
					true, err);
			else
				taken = take_chunk(r, &header, err);
		}
		r->state.bytes = r->in.offset;
		if (taken != 0)
			return taken;
	}
}
