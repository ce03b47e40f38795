/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preamble, chunk headers and footer, byte for byte; FORMAT.md sections 2 and 3.
 */
#ifndef VMT_TRACE_FORMAT_CHUNK_H
#define VMT_TRACE_FORMAT_CHUNK_H

#include "fields.h"
#include "record.h"

#define VMT_PREAMBLE_SIZE     32u
#define VMT_CHUNK_HEADER_SIZE 80u
#define VMT_FOOTER_SIZE       40u
#define VMT_CHUNK_RAW_MAX     (1u << 25)
#define VMT_CHUNK_RECORDS_MAX (1u << 22)
#define VMT_EPOCH_STORED_MAX  (1u << 30) /**< of its chunks of pages */

enum vmt_trace_stream { VMT_STREAM_EVENTS = 0, VMT_STREAM_PAGES = 1, VMT_STREAM_INDEX = 2 };
enum vmt_trace_codec { VMT_CODEC_NONE = 0, VMT_CODEC_ZSTD = 1 };

struct vmt_preamble {
	uint16_t major, minor, arch;
	uint32_t tag;
};

struct vmt_chunk_header {
	struct vmt_trace_chunk chunk; /**< chunk.offset is not in the header */
	uint8_t codec;
	uint32_t tag;
	uint64_t stored_hash;
};

struct vmt_footer {
	uint64_t index_offset, length;
	uint32_t index_chunks, tag;
};

extern const uint8_t vmt_preamble_magic[8];
extern const uint8_t vmt_chunk_magic[4];
extern const uint8_t vmt_footer_magic[8];

void vmt_preamble_put(uint8_t *p, const struct vmt_preamble *preamble);
void vmt_chunk_header_put(uint8_t *p, const struct vmt_chunk_header *header);
void vmt_footer_put(uint8_t *p, const struct vmt_footer *footer);

/**
 * Each checks magic, hash and limits, and says in a word what is wrong: NULL is right. A preamble
 * or header of another major version is read, for the caller to refuse by name.
 */
const char *vmt_preamble_get(const uint8_t *p, struct vmt_preamble *preamble);
const char *vmt_chunk_header_get(const uint8_t *p, struct vmt_chunk_header *header,
				 unsigned *major);
const char *vmt_footer_get(const uint8_t *p, struct vmt_footer *footer);

/** The hash of the stored bytes. */
uint64_t vmt_chunk_hash(const void *p, size_t len);

/** One record's place inside a chunk's raw bytes. */
struct vmt_record_head {
	unsigned kind;
	uint8_t phase;
	bool ancillary, copy;
	bool delta; /**< the payload is a patch to that of another event */
	uint64_t callback_step, position_step; /**< 0: same callback; next position */
	uint32_t length;
	size_t size; /**< of the head itself, bytes */
};

#define VMT_RECORD_HEAD_MAX (3u + 1 + 10 + 10 + 5)

/** Delta records: FORMAT.md section 4. */
#define VMT_DELTA_SLOTS  32u
#define VMT_DELTA_LENGTH 65536u /**< of the payload that one stands for */
#define VMT_DELTA_FACTOR 64u    /**< that length is at most so many times that of the delta */

/** The slot that an event with this payload takes. */
static inline unsigned vmt_delta_slot(const uint8_t *payload, size_t len)
{
	return len > 0 ? payload[0] % VMT_DELTA_SLOTS : 0;
}

size_t vmt_record_head_put(uint8_t *p, const struct vmt_record_head *head);
/** NULL, or what is wrong. The payload fits into [@p, @end) too. */
const char *vmt_record_head_get(const uint8_t *p, const uint8_t *end, struct vmt_record_head *head);

#endif /* VMT_TRACE_FORMAT_CHUNK_H */
