/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a reader.
 *
 *   reader.c         records, one after another, and what is known of the trace
 *   reader-chunks.c  chunks, one after another: checks, decompression, stepping over damage
 *   reader-pages.c   pages by their id
 *   reader-seek.c    the index, read or rebuilt, and going to a place
 */
#ifndef VMT_TRACE_FORMAT_READER_H
#define VMT_TRACE_FORMAT_READER_H

#include <zstd.h>

#include "chunk.h"
#include "digest.h"
#include "input.h"

#define VMT_DAMAGES_MAX 1024u

/** Where a chunk stands, and on a pipe its stored bytes. */
struct vmt_chunk_place {
	struct vmt_chunk_header header;
	uint8_t *kept; /**< pages read from a pipe: the stored bytes */
};

/** A decoded chunk of pages. */
struct vmt_page_chunk {
	uint64_t position; /**< the first id; 0: free */
	uint32_t records;
	struct vmt_payload_place {
		uint32_t begin, end;
	} * at; /**< of each record's payload, in raw */
	uint8_t *raw;
	size_t size;
	uint64_t used; /**< when, for throwing out */
};

#define VMT_PAGE_CHUNKS 64u
#define VMT_PAGES_READY 256u

/** A page as it is. */
struct vmt_ready_page {
	uint64_t id;
	bool hashed;
	uint8_t hash[16];
	uint8_t bytes[VMT_PAGE_SIZE];
};

/** The chunk of events that is being read. */
struct vmt_current_chunk {
	struct vmt_trace_buf raw;
	const uint8_t *p, *end;
	struct vmt_trace_chunk chunk;
	bool first; /**< no record of it has been read */
};

struct vmt_trace_reader {
	struct vmt_trace_reader_options options;
	struct vmt_input in;
	bool own_fd;
	ZSTD_DCtx *zstd;
	struct vmt_preamble preamble;
	bool tag_known;

	/* Chunks. What the next one must be: */
	uint64_t next_sequence, next_position, next_page;
	uint64_t after_bad; /**< the sequence behind a chunk that was damaged */
	bool gap;           /**< chunks are missing since the last one of events */
	uint32_t epoch;
	uint64_t callback; /**< of the last record */
	uint64_t events;   /**< records of kind event so far */
	uint32_t index_chunks;
	struct vmt_current_chunk now;
	uint64_t unpacked; /**< how many chunks have been, for tests */

	/* The record that was read last. */
	bool held; /**< it was found by seeking and is the next to give */
	struct vmt_record_head head;
	uint64_t position, event;
	const uint8_t *payload;
	size_t payload_len;
	const char *bad_payload; /**< why it could not be had, or NULL */
	struct vmt_trace_arena arena;
	struct vmt_last_event {
		const uint8_t *p; /**< in the chunk, or in own */
		size_t len;       /**< 0: none */
		uint8_t *own;     /**< VMT_DELTA_LENGTH bytes */
	} last[VMT_DELTA_SLOTS];  /**< the payload of the last event that took each slot */

	/* Pages. */
	struct vmt_chunk_place *pages; /**< of this epoch, by position */
	size_t npages, pages_cap;
	uint64_t kept_bytes;
	bool all_pages;    /**< the index gave them: of all epochs */
	bool pages_wanted; /**< some were asked for: chunks of them are kept unpacked */
	struct vmt_page_chunk *cache;
	uint64_t cache_size, clock;
	struct vmt_ready_page *ready[VMT_PAGES_READY];
	struct vmt_trace_arena page_arena;

	/* The index. */
	struct vmt_trace_chunk *index; /**< chunks of events */
	size_t nindex, index_cap;
	bool indexed;

	struct vmt_trace_state state;
	struct vmt_digest *digest; /**< NULL: not asked for, or not possible any more */
	struct vmt_trace_damage *damages;
	uint32_t damages_cap;
	uint32_t open_damages;    /**< from this one on, what they cost is not known yet */
	struct vmt_trace_end end; /**< counts of the END record, once it was read */
};

/* reader-chunks.c */

/** Read what the trace begins with. */
int vmt_reader_begin(struct vmt_trace_reader *r, struct vmt_error *err);

/** Go to the next chunk of events, minding the others on the way: 1, or 0 at the end. */
int vmt_reader_next_chunk(struct vmt_trace_reader *r, struct vmt_error *err);

/** Note damage of @length bytes at @offset; fill in what it costs. Never NULL. */
struct vmt_trace_damage *vmt_reader_damage(struct vmt_trace_reader *r, uint64_t offset,
					   uint64_t length, unsigned stream, const char *text);

/** Decompress @stored into @raw and check its records. NULL, or what is wrong. */
const char *vmt_reader_unpack(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
			      const uint8_t *stored, struct vmt_trace_buf *raw);

/**
 * Move @in to the next right header, from @skip bytes on: 1 and @header, or 0: there is none, @in
 * is at the end.
 */
int vmt_reader_resync(struct vmt_trace_reader *r, struct vmt_input *in, size_t skip,
		      struct vmt_chunk_header *header, struct vmt_error *err);

/* reader-pages.c */

/** The reader has unpacked a chunk of pages: when pages are asked for, keep it. Takes @raw over. */
void vmt_reader_keep_pages(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
			   struct vmt_trace_buf *raw);

/** Remember a chunk of pages; @stored is kept when it cannot be read again. */
int vmt_reader_add_pages(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
			 const uint8_t *stored);
void vmt_reader_forget_pages(struct vmt_trace_reader *r);

/** The page @id, ready to use, or NULL with @err. */
struct vmt_ready_page *vmt_reader_page(struct vmt_trace_reader *r, uint64_t id,
				       struct vmt_error *err);
void vmt_reader_finish_pages(struct vmt_trace_reader *r);

/* reader.c */

/** Go to the next record, without decoding it: 1, or 0 at the end. */
int vmt_reader_step(struct vmt_trace_reader *r, struct vmt_error *err);

#endif /* VMT_TRACE_FORMAT_READER_H */
