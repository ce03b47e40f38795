/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writing side: records come in one by one, chunks go out.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <zstd.h>

#include "chunk.h"
#include "digest.h"
#include "patch.h"
#include "sink.h"
#include "varint.h"

#define CHUNK_BYTES_DEFAULT (1u << 20)
#define EPOCH_BYTES_DEFAULT (UINT64_C(256) << 20)
#define INDEX_ENTRIES       4096u  /**< of one index record */
#define CHUNK_RECORDS       32768u /**< small ones, so that a place in a chunk is soon found */
#define DELTA_LEAST         64u    /**< bytes of a payload that are worth a patch */

/** A chunk that is being filled. */
struct builder {
	struct vmt_trace_buf raw;
	struct vmt_trace_chunk chunk; /**< of its first record */
	uint64_t last_callback;
	uint64_t since; /**< when its first record came */
};

/** The payload of the last event that took a slot. */
struct last_event {
	size_t len; /**< 0: none in this chunk */
	uint8_t *p; /**< VMT_DELTA_LENGTH bytes */
};

struct vmt_sink {
	struct vmt_trace_writer_options options;
	struct vmt_output output;
	struct vmt_page_store *pages;
	struct vmt_digest *digest;
	ZSTD_CCtx *zstd;
	struct builder events, page_chunk;
	struct vmt_trace_buf stored, index;
	struct last_event last[VMT_DELTA_SLOTS];
	uint8_t delta[VMT_DELTA_LENGTH];
	struct vmt_trace_chunk *chunks; /**< written so far */
	size_t nchunks, chunks_cap;
	uint64_t sequence, position, callback, events_seen;
	uint64_t epoch_bytes, raw_bytes;
	uint32_t epoch;
	struct vmt_error failed; /**< the first failure; all later calls give it again */
};

static int fail(struct vmt_sink *sink, struct vmt_error *err)
{
	if (err != NULL)
		*err = sink->failed;
	return -sink->failed.status;
}

static int no_memory(struct vmt_sink *sink)
{
	return vmt_error_set(&sink->failed, VMT_E_NO_MEMORY, "trace", "no memory for a chunk");
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void set_defaults(struct vmt_trace_writer_options *o)
{
	if (o->level == 0)
		o->level = 1;
	if (o->chunk_bytes == 0)
		o->chunk_bytes = CHUNK_BYTES_DEFAULT;
	if (o->chunk_bytes > VMT_TRACE_RECORD_MAX)
		o->chunk_bytes = VMT_TRACE_RECORD_MAX;
	if (o->epoch_bytes == 0)
		o->epoch_bytes = EPOCH_BYTES_DEFAULT;
	if (o->epoch_bytes > VMT_EPOCH_STORED_MAX / 2)
		o->epoch_bytes = VMT_EPOCH_STORED_MAX / 2;
	while (o->tag == 0)
		if (getrandom(&o->tag, sizeof(o->tag), 0) != (ssize_t)sizeof(o->tag))
			o->tag = 1;
}

static int write_preamble(struct vmt_sink *sink)
{
	const struct vmt_preamble preamble = {VMT_TRACE_MAJOR, VMT_TRACE_MINOR, VMT_ARCH_X86_64,
					      sink->options.tag};
	uint8_t bytes[VMT_PREAMBLE_SIZE];

	vmt_preamble_put(bytes, &preamble);
	return vmt_output_write(&sink->output, bytes, sizeof(bytes), &sink->failed);
}

struct vmt_sink *vmt_sink_create(const struct vmt_trace_writer_options *options,
				 struct vmt_output *output, vmt_page_hash *hash,
				 struct vmt_error *err)
{
	struct vmt_sink *sink = calloc(1, sizeof(*sink));

	if (sink == NULL) {
		vmt_output_finish(output);
		vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a writer");
		return NULL;
	}
	sink->output = *output;
	if (options != NULL)
		sink->options = *options;
	set_defaults(&sink->options);
	sink->pages = vmt_page_store_create(hash);
	sink->digest = vmt_digest_create();
	sink->zstd = ZSTD_createCCtx();
	if (sink->pages == NULL || sink->digest == NULL || sink->zstd == NULL)
		no_memory(sink);
	else
		ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_compressionLevel, sink->options.level);
	if (sink->failed.status == 0 && write_preamble(sink) == 0)
		return sink;
	fail(sink, err);
	vmt_sink_destroy(sink);
	return NULL;
}

void vmt_sink_destroy(struct vmt_sink *sink)
{
	if (sink == NULL)
		return;
	vmt_page_store_destroy(sink->pages);
	vmt_digest_destroy(sink->digest);
	ZSTD_freeCCtx(sink->zstd);
	vmt_trace_buf_finish(&sink->events.raw);
	vmt_trace_buf_finish(&sink->page_chunk.raw);
	vmt_trace_buf_finish(&sink->stored);
	vmt_trace_buf_finish(&sink->index);
	vmt_output_finish(&sink->output);
	for (unsigned i = 0; i < VMT_DELTA_SLOTS; i++)
		free(sink->last[i].p);
	free(sink->chunks);
	free(sink);
}

/* -------------------------------------------------------------------------------------------- */
/* Chunks                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int remember_chunk(struct vmt_sink *sink, const struct vmt_trace_chunk *chunk)
{
	if (sink->nchunks == sink->chunks_cap) {
		const size_t cap = sink->chunks_cap > 0 ? sink->chunks_cap * 2 : 64;
		struct vmt_trace_chunk *p = realloc(sink->chunks, cap * sizeof(*p));

		if (p == NULL)
			return no_memory(sink);
		sink->chunks = p;
		sink->chunks_cap = cap;
	}
	sink->chunks[sink->nchunks++] = *chunk;
	return 0;
}

/** Compress @raw into sink->stored, behind room for the header. Falls back to no compression. */
static int compress(struct vmt_sink *sink, const struct vmt_trace_buf *raw,
		    struct vmt_chunk_header *header)
{
	size_t n = 0;

	sink->stored.len = 0;
	if (vmt_trace_buf_reserve(&sink->stored, VMT_CHUNK_HEADER_SIZE + raw->len) < 0)
		return no_memory(sink);
	header->codec = VMT_CODEC_ZSTD;
	if (sink->options.level > 0)
		n = ZSTD_compress2(sink->zstd, sink->stored.p + VMT_CHUNK_HEADER_SIZE, raw->len,
				   raw->p, raw->len);
	if (n == 0 || ZSTD_isError(n) || n >= raw->len) {
		header->codec = VMT_CODEC_NONE;
		memcpy(sink->stored.p + VMT_CHUNK_HEADER_SIZE, raw->p, raw->len);
		n = raw->len;
	}
	header->chunk.raw = (uint32_t)raw->len;
	header->chunk.stored = (uint32_t)n;
	header->stored_hash = vmt_chunk_hash(sink->stored.p + VMT_CHUNK_HEADER_SIZE, n);
	return 0;
}

static int write_chunk(struct vmt_sink *sink, struct builder *b)
{
	struct vmt_chunk_header header = {.chunk = b->chunk, .tag = sink->options.tag};

	if (b->chunk.records == 0)
		return 0;
	header.chunk.sequence = sink->sequence;
	header.chunk.epoch = sink->epoch;
	header.chunk.offset = sink->output.offset;
	if (compress(sink, &b->raw, &header) < 0)
		return -sink->failed.status;
	vmt_chunk_header_put(sink->stored.p, &header);
	if (vmt_output_write(&sink->output, sink->stored.p,
			     VMT_CHUNK_HEADER_SIZE + header.chunk.stored, &sink->failed) < 0)
		return -sink->failed.status;
	sink->sequence++;
	sink->raw_bytes += b->raw.len;
	b->raw.len = 0;
	b->chunk.records = 0;
	b->since = 0;
	if (header.chunk.stream == VMT_STREAM_INDEX)
		return 0;
	return remember_chunk(sink, &header.chunk);
}

/** Pages first: a page stands before the record that names it. */
static int write_chunks(struct vmt_sink *sink)
{
	sink->page_chunk.chunk.callback =
		sink->events.chunk.records > 0 ? sink->events.chunk.callback : sink->callback;
	sink->page_chunk.chunk.event =
		sink->events.chunk.records > 0 ? sink->events.chunk.event : sink->events_seen;
	if (write_chunk(sink, &sink->page_chunk) < 0)
		return -sink->failed.status;
	return write_chunk(sink, &sink->events);
}

/** Begin a record of @length in @b: its head. The payload follows. */
static int add_head(struct vmt_sink *sink, struct builder *b, struct vmt_record_head *head,
		    uint64_t callback)
{
	if (b->chunk.records == 0) {
		b->since = monotonic_ns();
		b->last_callback = callback;
	}
	head->callback_step = callback - b->last_callback;
	b->last_callback = callback;
	if (vmt_trace_buf_reserve(&b->raw, VMT_RECORD_HEAD_MAX + head->length) < 0)
		return no_memory(sink);
	b->raw.len += vmt_record_head_put(b->raw.p + b->raw.len, head);
	b->chunk.records++;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static int add_page(struct vmt_sink *sink, const struct vmt_stored_page *stored)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(VMT_TRACE_PAGE);
	uint8_t payload[VMT_PAGE_SIZE + 64];
	struct vmt_trace_buf buf = {payload, 0, sizeof(payload)};
	struct vmt_record_head head = {.kind = VMT_TRACE_PAGE};
	struct builder *b = &sink->page_chunk;

	if (b->chunk.records == 0) {
		b->chunk.stream = VMT_STREAM_PAGES;
		b->chunk.position = stored->id;
	}
	if (vmt_trace_encode(row, &stored->form, false, &buf, NULL, &sink->failed) < 0)
		return -sink->failed.status;
	head.length = (uint32_t)buf.len;
	if (add_head(sink, b, &head, 0) < 0)
		return -sink->failed.status;
	memcpy(b->raw.p + b->raw.len, buf.p, buf.len);
	b->raw.len += buf.len;
	sink->epoch_bytes += VMT_PAGE_SIZE;
	if (b->raw.len < sink->options.chunk_bytes)
		return 0;
	b->chunk.callback = sink->callback;
	b->chunk.event = sink->events_seen;
	return write_chunk(sink, b);
}

/** Remember @payload as that of its slot. */
static int take_slot(struct vmt_sink *sink, const uint8_t *payload, size_t len)
{
	struct last_event *last = &sink->last[vmt_delta_slot(payload, len)];

	if (len > VMT_DELTA_LENGTH)
		len = 0;
	if (last->p == NULL)
		last->p = malloc(VMT_DELTA_LENGTH);
	if (last->p == NULL)
		return no_memory(sink);
	memcpy(last->p, payload, len);
	last->len = len;
	return 0;
}

/**
 * Write the event's @payload of @len bytes to sink->delta, as a patch to the last one of its slot.
 * Returns the length, or 0: it is better stored as it is.
 */
static size_t make_delta(struct vmt_sink *sink, const uint8_t *payload, size_t len)
{
	const unsigned slot = vmt_delta_slot(payload, len);
	const struct last_event *last = &sink->last[slot];
	size_t n = 0;
	size_t patch;

	if (last->len == 0 || len > VMT_DELTA_LENGTH || len < DELTA_LEAST)
		return 0;
	if (len > last->len)
		memset(last->p + last->len, 0, len - last->len);
	sink->delta[n++] = (uint8_t)slot;
	n += vmt_varint_put(sink->delta + n, len);
	patch = vmt_patch_make(last->p, payload, len, sink->delta + n, len / 2);
	if (patch == VMT_PATCH_TOO_LONG || (n + patch) * VMT_DELTA_FACTOR < len)
		return 0;
	return n + patch;
}

static int add_event_record(struct vmt_sink *sink, const struct vmt_sink_message *m,
			    const uint8_t *payload, const uint8_t *id, size_t id_len)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(m->kind);
	struct vmt_record_head head = {.kind = m->kind,
				       .phase = m->phase,
				       .ancillary = row->ancillary,
				       .copy = row->copy,
				       .length = m->length + (uint32_t)id_len};
	struct builder *b = &sink->events;
	uint32_t length = m->length;

	if (b->chunk.records > 0 &&
	    (b->raw.len + head.length > sink->options.chunk_bytes ||
	     b->chunk.records >= CHUNK_RECORDS) &&
	    write_chunks(sink) < 0)
		return -sink->failed.status;
	if (b->chunk.records == 0) {
		b->chunk.stream = VMT_STREAM_EVENTS;
		b->chunk.position = sink->position;
		b->chunk.callback = m->callback;
		b->chunk.event = sink->events_seen;
		for (unsigned i = 0; i < VMT_DELTA_SLOTS; i++)
			sink->last[i].len = 0;
	}
	if (m->kind == VMT_TRACE_EVENT) {
		const size_t delta = make_delta(sink, payload, m->length);

		if (take_slot(sink, payload, m->length) < 0)
			return -sink->failed.status;
		if (delta > 0) {
			head.delta = true;
			head.length = length = (uint32_t)delta;
			payload = sink->delta;
		}
	}
	if (add_head(sink, b, &head, m->callback) < 0)
		return -sink->failed.status;
	if (length > 0)
		memcpy(b->raw.p + b->raw.len, payload, length);
	if (id_len > 0)
		memcpy(b->raw.p + b->raw.len + length, id, id_len);
	b->raw.len += head.length;
	sink->epoch_bytes += head.length;
	sink->position++;
	sink->callback = m->callback;
	sink->events_seen += m->kind == VMT_TRACE_EVENT;
	return 0;
}

static int new_epoch(struct vmt_sink *sink)
{
	if (write_chunks(sink) < 0)
		return -sink->failed.status;
	vmt_page_store_new_epoch(sink->pages);
	sink->epoch++;
	sink->epoch_bytes = 0;
	return 0;
}

static int put(struct vmt_sink *sink, const struct vmt_sink_message *m, const uint8_t *payload,
	       const uint8_t *page)
{
	struct vmt_digest_record record = {.kind = m->kind,
					   .phase = m->phase,
					   .callback = m->callback,
					   .payload = payload,
					   .len = m->length,
					   .behaviour = m->behaviour};
	struct vmt_stored_page stored;
	uint8_t id[VMT_VARINT_MAX];
	size_t id_len = 0;

	if (sink->epoch_bytes >= sink->options.epoch_bytes && new_epoch(sink) < 0)
		return -sink->failed.status;
	if (page != NULL) {
		if (vmt_page_store_add(sink->pages, m->gfn, page, &stored) < 0)
			return no_memory(sink);
		if (stored.is_new && add_page(sink, &stored) < 0)
			return -sink->failed.status;
		id_len = vmt_varint_put(id, stored.id);
		record.page_hash = stored.digest;
	}
	vmt_digest_add(sink->digest, vmt_trace_kind_row(m->kind), &record);
	return add_event_record(sink, m, payload, id, id_len);
}

int vmt_sink_put(struct vmt_sink *sink, const struct vmt_sink_message *message,
		 const uint8_t *payload, const uint8_t *page, struct vmt_error *err)
{
	if (sink->failed.status == 0 && put(sink, message, payload, page) == 0)
		return 0;
	return fail(sink, err);
}

int vmt_sink_flush(struct vmt_sink *sink, struct vmt_error *err)
{
	if (sink->failed.status == 0 && write_chunks(sink) == 0)
		return 0;
	return fail(sink, err);
}

uint64_t vmt_sink_oldest(const struct vmt_sink *sink)
{
	return sink->events.since;
}

/* -------------------------------------------------------------------------------------------- */
/* The end                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static int put_end(struct vmt_sink *sink, enum vmt_trace_end_reason reason, const char *text,
		   struct vmt_trace_summary *summary)
{
	const struct vmt_trace_end end = {
		reason,
		text,
		summary->records,
		summary->events,
		summary->callbacks,
		summary->pages,
		summary->digests,
	};
	struct vmt_sink_message m = {.kind = VMT_TRACE_END, .callback = sink->callback};
	struct vmt_trace_buf buf = {0};
	int r = vmt_trace_encode(vmt_trace_kind_row(VMT_TRACE_END), &end, false, &buf, NULL,
				 &sink->failed);

	m.length = (uint32_t)buf.len;
	if (r == 0)
		r = put(sink, &m, buf.p, NULL);
	vmt_trace_buf_finish(&buf);
	return r < 0 ? r : write_chunks(sink);
}

static int write_index(struct vmt_sink *sink, struct vmt_footer *footer)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(VMT_TRACE_INDEX);
	struct builder b = {.chunk = {.stream = VMT_STREAM_INDEX,
				      .callback = sink->callback,
				      .event = sink->events_seen}};
	const size_t nchunks = sink->nchunks;
	int r = 0;

	for (size_t i = 0; r == 0 && i < nchunks; i += INDEX_ENTRIES) {
		const size_t left = nchunks - i;
		const struct vmt_trace_index index = {
			sink->chunks + i, (uint32_t)(left < INDEX_ENTRIES ? left : INDEX_ENTRIES)};
		struct vmt_record_head head = {.kind = VMT_TRACE_INDEX};

		sink->index.len = 0;
		r = vmt_trace_encode(row, &index, false, &sink->index, NULL, &sink->failed);
		head.length = (uint32_t)sink->index.len;
		if (r == 0)
			r = add_head(sink, &b, &head, 0);
		if (r == 0 && vmt_trace_buf_add(&b.raw, sink->index.p, sink->index.len) < 0)
			r = no_memory(sink);
		if (r == 0)
			r = write_chunk(sink, &b);
		footer->index_chunks++;
	}
	vmt_trace_buf_finish(&b.raw);
	return r;
}

static int finish(struct vmt_sink *sink, enum vmt_trace_end_reason reason, const char *text,
		  struct vmt_trace_summary *summary)
{
	struct vmt_footer footer = {.tag = sink->options.tag};
	uint8_t bytes[VMT_FOOTER_SIZE];

	if (put_end(sink, reason, text, summary) < 0)
		return -sink->failed.status;
	footer.index_offset = sink->output.offset;
	if (write_index(sink, &footer) < 0)
		return -sink->failed.status;
	footer.length = sink->output.offset + VMT_FOOTER_SIZE;
	vmt_footer_put(bytes, &footer);
	if (vmt_output_write(&sink->output, bytes, sizeof(bytes), &sink->failed) < 0)
		return -sink->failed.status;
	return vmt_output_commit(&sink->output, &sink->failed);
}

int vmt_sink_close(struct vmt_sink *sink, enum vmt_trace_end_reason reason, const char *text,
		   struct vmt_trace_summary *summary, struct vmt_error *err)
{
	struct vmt_trace_summary own = {0};
	int r;

	own.records = sink->position;
	own.events = sink->events_seen;
	own.callbacks = sink->position > 0 ? sink->callback + 1 : 0;
	own.pages = vmt_page_store_last(sink->pages);
	vmt_digest_get(sink->digest, &own.digests);
	r = sink->failed.status == 0 ? finish(sink, reason, text, &own) : -sink->failed.status;
	own.raw_bytes = sink->raw_bytes;
	own.stored_bytes = sink->output.offset;
	if (summary != NULL)
		*summary = own;
	return r < 0 ? fail(sink, err) : 0;
}
