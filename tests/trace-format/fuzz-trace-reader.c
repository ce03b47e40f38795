/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace: the input says what chunks there are and what is in them; their checksums are made right,
 * so that what is behind them is reached. It is read, its pages are asked for, and places are looked
 * for.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../fuzz/fuzz.h"
#include "trace-format/chunk.h"

#define CHUNKS_MAX 24u

struct input {
	const uint8_t *p, *end;
};

static uint8_t byte(struct input *in)
{
	return in->p != in->end ? *in->p++ : 0;
}

/** Write one chunk: its numbers come from the input, mostly near to what they should be. */
static void put_chunk(int fd, struct input *in, uint64_t sequence)
{
	struct vmt_chunk_header header = {.tag = 7};
	const size_t want = byte(in);
	const uint8_t odd = byte(in);
	uint8_t bytes[VMT_CHUNK_HEADER_SIZE];
	const uint8_t *raw;
	size_t len;

	header.chunk.stream = (uint8_t)((odd & 15) % 3);
	header.codec = (odd & 0x70) == 0x70;
	header.chunk.sequence = sequence;
	header.chunk.position = byte(in);
	header.chunk.callback = byte(in);
	header.chunk.epoch = (odd & 0x80) != 0;
	header.chunk.records = 1 + byte(in) % 8;
	raw = in->p;
	len = want < (size_t)(in->end - raw) ? want : (size_t)(in->end - raw);
	in->p += len;
	header.chunk.raw = header.codec != 0 ? (uint32_t)len * 16 : (uint32_t)len;
	header.chunk.stored = (uint32_t)len;
	header.stored_hash = vmt_chunk_hash(raw, len);
	vmt_chunk_header_put(bytes, &header);
	FUZZ_REQUIRE(write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
	FUZZ_REQUIRE(write(fd, raw, len) == (ssize_t)len);
}

static void use(int fd)
{
	const struct vmt_trace_reader_options options = {.digests = true, .cache_bytes = 1};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	uint8_t page[VMT_PAGE_SIZE];
	size_t records = 0;

	if (vmt_trace_reader_open_fd(fd, &options, &reader, NULL) < 0)
		return;
	while (vmt_trace_reader_next(reader, &record, NULL) != 0) {
		FUZZ_REQUIRE(++records < 8 * CHUNKS_MAX + 1);
		(void)vmt_trace_reader_page(reader, records, page, NULL);
	}
	for (uint64_t n = 0; n < 300; n += 100) {
		if (vmt_trace_reader_seek_callback(reader, n, NULL) == 0)
			FUZZ_REQUIRE(vmt_trace_reader_next(reader, &record, NULL) != 1 ||
				     record.callback >= n);
		(void)vmt_trace_reader_page(reader, n, page, NULL);
	}
	(void)vmt_trace_reader_seek_event(reader, 1, NULL);
	vmt_trace_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vmt_preamble preamble = {VMT_TRACE_MAJOR, VMT_TRACE_MINOR, 1, 7};
	struct input in = {data, data + size};
	const int fd = memfd_create("trace", MFD_CLOEXEC);
	uint8_t bytes[VMT_PREAMBLE_SIZE];

	FUZZ_REQUIRE(fd >= 0);
	vmt_preamble_put(bytes, &preamble);
	FUZZ_REQUIRE(write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes));
	for (uint64_t n = 0; n < CHUNKS_MAX && in.p != in.end; n++)
		put_chunk(fd, &in, n);
	use(fd);
	close(fd);
	return 0;
}
