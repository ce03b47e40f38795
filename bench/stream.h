/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The records that the benchmarks write and read: what a recorder makes of a session with a handler
 * that has breakpoints, watches pages and CR3, and reads guest memory.
 *
 * It is made up, with a Xen guest in mind: two vCPUs, a dozen processes, registers that mostly keep
 * their values, events with Xen's 400 raw bytes, pages of pointers, small numbers, text and
 * zeros, of which a few words change between two reads. The same seed gives the same records.
 */
#ifndef VMT_BENCH_STREAM_H
#define VMT_BENCH_STREAM_H

#include "trace-format/arena.h"
#include "trace-format/record.h"

struct stream {
	struct vmt_trace_record *records;
	size_t n, cap;
	size_t nevents, nreads;
	struct vmt_trace_meta meta;
	struct vmt_trace_arena *arenas; /**< of the bodies */
	size_t narenas;
};

/** META, then @events events, each with @reads page reads. Exits when there is no memory. */
void stream_make(struct stream *stream, size_t events, unsigned reads);
void stream_finish(struct stream *stream);

/**
 * The records as a plain recorder would write them: for each 16 bytes of time and lengths (as
 * libpcap's), the payload, the whole page. To be freed; *@len: bytes.
 */
uint8_t *stream_raw(const struct stream *stream, size_t *len);

/** Append all records. Exits on failure. */
void stream_append(const struct stream *stream, struct vmt_trace_writer *writer);

#endif /* VMT_BENCH_STREAM_H */
