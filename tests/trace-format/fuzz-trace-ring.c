/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes through the ring between the recording process and the one that writes: the input is
 * put into it as it is, behind a right beginning. Whatever it is, the trace can be read afterwards
 * and begins with what was right.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../fuzz/fuzz.h"
#include "trace-format/channel.h"
#include "trace-format/record.h"

static void read_back(int fd)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	int r;

	FUZZ_REQUIRE(vmt_trace_reader_open_fd(fd, NULL, &reader, NULL) == 0);
	FUZZ_REQUIRE(vmt_trace_reader_next(reader, &record, NULL) == 1);
	FUZZ_REQUIRE(record.kind == VMT_TRACE_META);
	do
		r = vmt_trace_reader_next(reader, &record, NULL);
	while (r == 1);
	FUZZ_REQUIRE(r == 0);
	vmt_trace_reader_close(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vmt_trace_writer_options plain = {.level = -1, .chunk_ms = 60000};
	const struct vmt_trace_meta meta = {.tool = "fuzz"};
	const struct vmt_trace_record first = {.kind = VMT_TRACE_META, .body = &meta};
	const struct vmt_trace_ring_part part = {data, size};
	const int out = memfd_create("trace", MFD_CLOEXEC);
	struct vmt_trace_writer *writer;
	struct vmt_trace_sink *sink;
	struct vmt_channel wild;
	int ring;
	int r;

	if (size > 32768)
		return 0;
	FUZZ_REQUIRE(out >= 0);
	FUZZ_REQUIRE(vmt_trace_ring_create(1, &ring, NULL) == 0);
	FUZZ_REQUIRE(vmt_trace_sink_attach(ring, NULL, out, &plain, &sink, NULL) == 0);
	FUZZ_REQUIRE(vmt_trace_writer_open_ring(ring, -1, &writer, NULL) == 0);
	FUZZ_REQUIRE(vmt_trace_writer_append(writer, &first, NULL) == 0);
	FUZZ_REQUIRE(vmt_channel_attach(&wild, ring, NULL) == 0);
	wild.ring.mine = atomic_load(&wild.shared->ring.head);
	FUZZ_REQUIRE(vmt_trace_ring_write(&wild.ring, &part, 1));
	vmt_trace_ring_close(&wild.ring);
	do
		r = vmt_trace_sink_step(sink, 0, NULL);
	while (r == 1);
	FUZZ_REQUIRE(vmt_trace_sink_died(sink, 9, 0, "fuzzed", NULL) == 0);
	vmt_trace_sink_destroy(sink);
	vmt_trace_writer_abandon(writer);
	vmt_channel_detach(&wild);
	read_back(out);
	close(ring);
	close(out);
	return 0;
}
