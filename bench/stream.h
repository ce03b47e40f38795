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
#include "trace-format/fields.h"
#include "trace-format/record.h"

/**
 * A session comes in parts of about a megabyte, which stay in the processor's caches while they are
 * written, as a recorder's records do.
 */
struct stream {
	struct vmt_trace_record *records; /**< of this part */
	size_t n, cap;
	size_t nevents, nreads; /**< in all parts so far */
	unsigned reads;         /**< of a page, for each event */
	struct guest *guest;
	struct vmt_trace_arena arena; /**< of the bodies */
	struct vmt_trace_buf raw;
};

/** The first part: META alone. Exits when there is no memory. */
void stream_begin(struct stream *stream, unsigned reads);

/** The next part: about a megabyte of events. */
void stream_next(struct stream *stream);

void stream_finish(struct stream *stream);

/**
 * The part as a plain recorder would write it: for each record 16 bytes of time and lengths (as
 * libpcap's), the payload, the whole page. In stream->raw until the next part.
 */
void stream_raw(struct stream *stream);

/** Append the part. Exits on failure. */
void stream_append(const struct stream *stream, struct vmt_trace_writer *writer);

#endif /* VMT_BENCH_STREAM_H */
