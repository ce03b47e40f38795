/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preamble, chunk headers, record heads and footer, byte for byte.
 */
#include <string.h>
#include <xxhash.h>

#include "chunk.h"
#include "varint.h"

const uint8_t vmt_preamble_magic[8] = {0x89, 'V', 'M', 'T', '\r', '\n', 0x1a, '\n'};
const uint8_t vmt_chunk_magic[4] = {'V', 'M', 'T', 'C'};
const uint8_t vmt_footer_magic[8] = {'V', 'M', 'T', 'E', '\r', '\n', 0x1a, '\n'};

uint64_t vmt_chunk_hash(const void *p, size_t len)
{
	return XXH3_64bits(p, len);
}

void vmt_preamble_put(uint8_t *p, const struct vmt_preamble *preamble)
{
	memset(p, 0, VMT_PREAMBLE_SIZE);
	memcpy(p, vmt_preamble_magic, 8);
	vmt_le16_put(p + 8, preamble->major);
	vmt_le16_put(p + 10, preamble->minor);
	vmt_le16_put(p + 12, preamble->arch);
	vmt_le32_put(p + 16, preamble->tag);
	vmt_le64_put(p + 24, vmt_chunk_hash(p, 24));
}

const char *vmt_preamble_get(const uint8_t *p, struct vmt_preamble *preamble)
{
	if (memcmp(p, vmt_preamble_magic, 8) != 0)
		return "the preamble's first bytes are wrong";
	if (vmt_le64_get(p + 24) != vmt_chunk_hash(p, 24))
		return "the preamble fails its checksum";
	preamble->major = vmt_le16_get(p + 8);
	preamble->minor = vmt_le16_get(p + 10);
	preamble->arch = vmt_le16_get(p + 12);
	preamble->tag = vmt_le32_get(p + 16);
	return NULL;
}

void vmt_chunk_header_put(uint8_t *p, const struct vmt_chunk_header *header)
{
	const struct vmt_trace_chunk *c = &header->chunk;

	memcpy(p, vmt_chunk_magic, 4);
	p[4] = VMT_TRACE_MAJOR;
	p[5] = c->stream;
	p[6] = header->codec;
	p[7] = 0;
	vmt_le32_put(p + 8, 0);
	vmt_le32_put(p + 12, c->epoch);
	vmt_le64_put(p + 16, c->sequence);
	vmt_le64_put(p + 24, c->position);
	vmt_le64_put(p + 32, c->callback);
	vmt_le64_put(p + 40, c->event);
	vmt_le32_put(p + 48, c->records);
	vmt_le32_put(p + 52, c->raw);
	vmt_le32_put(p + 56, c->stored);
	vmt_le32_put(p + 60, header->tag);
	vmt_le64_put(p + 64, header->stored_hash);
	vmt_le64_put(p + 72, vmt_chunk_hash(p, 72));
}

const char *vmt_chunk_header_get(const uint8_t *p, struct vmt_chunk_header *header, unsigned *major)
{
	struct vmt_trace_chunk *c = &header->chunk;

	if (memcmp(p, vmt_chunk_magic, 4) != 0)
		return "no chunk begins here";
	if (vmt_le64_get(p + 72) != vmt_chunk_hash(p, 72))
		return "the chunk's header fails its checksum";
	*major = p[4];
	if (p[4] != VMT_TRACE_MAJOR)
		return "the chunk is of another version";
	c->stream = p[5];
	header->codec = p[6];
	c->epoch = vmt_le32_get(p + 12);
	c->sequence = vmt_le64_get(p + 16);
	c->position = vmt_le64_get(p + 24);
	c->callback = vmt_le64_get(p + 32);
	c->event = vmt_le64_get(p + 40);
	c->records = vmt_le32_get(p + 48);
	c->raw = vmt_le32_get(p + 52);
	c->stored = vmt_le32_get(p + 56);
	header->tag = vmt_le32_get(p + 60);
	header->stored_hash = vmt_le64_get(p + 64);
	if (c->stream > VMT_STREAM_INDEX)
		return "the chunk's stream is not known";
	if (header->codec > VMT_CODEC_ZSTD)
		return "the chunk's codec is not known";
	if (p[7] != 0 || vmt_le32_get(p + 8) != 0)
		return "the chunk has a flag or dictionary that is not known";
	if (c->raw > VMT_CHUNK_RAW_MAX || c->stored > c->raw || c->stored == 0)
		return "the chunk's sizes are outside of their limits";
	if (header->codec == VMT_CODEC_NONE && c->stored != c->raw)
		return "the chunk's two sizes differ, but it is not compressed";
	if (c->records == 0 || c->records > VMT_CHUNK_RECORDS_MAX || c->records > c->raw)
		return "the chunk's number of records is outside of its limits";
	if (c->position > UINT64_MAX - c->records)
		return "the chunk's position is outside of its limits";
	return NULL;
}

void vmt_footer_put(uint8_t *p, const struct vmt_footer *footer)
{
	vmt_le64_put(p, footer->index_offset);
	vmt_le64_put(p + 8, footer->length);
	vmt_le32_put(p + 16, footer->index_chunks);
	vmt_le32_put(p + 20, footer->tag);
	vmt_le64_put(p + 24, vmt_chunk_hash(p, 24));
	memcpy(p + 32, vmt_footer_magic, 8);
}

const char *vmt_footer_get(const uint8_t *p, struct vmt_footer *footer)
{
	if (memcmp(p + 32, vmt_footer_magic, 8) != 0)
		return "the footer is missing";
	if (vmt_le64_get(p + 24) != vmt_chunk_hash(p, 24))
		return "the footer fails its checksum";
	footer->index_offset = vmt_le64_get(p);
	footer->length = vmt_le64_get(p + 8);
	footer->index_chunks = vmt_le32_get(p + 16);
	footer->tag = vmt_le32_get(p + 20);
	return NULL;
}

#define HEAD_CALLBACK  0x08u
#define HEAD_POSITION  0x10u
#define HEAD_ANCILLARY 0x20u
#define HEAD_COPY      0x40u
#define HEAD_DELTA     0x80u

size_t vmt_record_head_put(uint8_t *p, const struct vmt_record_head *head)
{
	uint8_t *const start = p;

	p += vmt_varint_put(p, head->kind);
	*p++ = (uint8_t)(head->phase | (head->callback_step != 0 ? HEAD_CALLBACK : 0) |
			 (head->position_step != 0 ? HEAD_POSITION : 0) |
			 (head->ancillary ? HEAD_ANCILLARY : 0) | (head->copy ? HEAD_COPY : 0) |
			 (head->delta ? HEAD_DELTA : 0));
	if (head->callback_step != 0)
		p += vmt_varint_put(p, head->callback_step);
	if (head->position_step != 0)
		p += vmt_varint_put(p, head->position_step);
	p += vmt_varint_put(p, head->length);
	return (size_t)(p - start);
}

const char *vmt_record_head_get(const uint8_t *p, const uint8_t *end, struct vmt_record_head *head)
{
	const uint8_t *const start = p;
	uint64_t value;
	uint8_t bits;
	size_t n;

	/* Nearly all records: a small kind, the callback of the one before, a short payload. */
	if (end - p >= 3 && p[0] > 0 && p[0] < 0x80 &&
	    (p[1] & ~(HEAD_ANCILLARY | HEAD_COPY)) <= 5 && p[2] < 0x80 &&
	    end - p >= 3 + (ptrdiff_t)p[2]) {
		*head = (struct vmt_record_head){.kind = p[0],
						 .phase = p[1] & 7,
						 .ancillary = (p[1] & HEAD_ANCILLARY) != 0,
						 .copy = (p[1] & HEAD_COPY) != 0,
						 .length = p[2],
						 .size = 3};
		return NULL;
	}
	*head = (struct vmt_record_head){0};
	n = vmt_varint_get(p, end, 16383, &value);
	if (n == 0 || value == 0 || p + n == end)
		return "a record's kind is cut or too large";
	p += n;
	head->kind = (unsigned)value;
	bits = *p++;
	head->phase = bits & 7;
	head->ancillary = (bits & HEAD_ANCILLARY) != 0;
	head->copy = (bits & HEAD_COPY) != 0;
	head->delta = (bits & HEAD_DELTA) != 0;
	if ((head->delta && head->kind != VMT_TRACE_EVENT) || head->phase > 5)
		return "a record's head has a bit or phase that is not known";
	if ((bits & HEAD_CALLBACK) != 0) {
		n = vmt_varint_get(p, end, UINT64_MAX, &head->callback_step);
		if (n == 0 || head->callback_step == 0)
			return "a record's callback is cut or does not rise";
		p += n;
	}
	if ((bits & HEAD_POSITION) != 0) {
		n = vmt_varint_get(p, end, UINT64_MAX, &head->position_step);
		if (n == 0 || head->position_step == 0)
			return "a record's position is cut or does not rise";
		p += n;
	}
	n = vmt_varint_get(p, end, VMT_TRACE_RECORD_MAX, &value);
	if (n == 0)
		return "a record's length is cut or too large";
	p += n;
	if ((uint64_t)(end - p) < value)
		return "a record is longer than its chunk";
	head->length = (uint32_t)value;
	head->size = (size_t)(p - start);
	return NULL;
}
