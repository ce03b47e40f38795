/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of vmt_trace_sink: also what runs in the thread of a writer.
 */
#ifndef VMT_TRACE_FORMAT_DRAIN_H
#define VMT_TRACE_FORMAT_DRAIN_H

#include "channel.h"
#include "sink.h"

/** Take from @channel what @sink writes. Both are taken over, also on failure (NULL). */
struct vmt_trace_sink *vmt_drain_create(const struct vmt_channel *channel, struct vmt_sink *sink,
					uint32_t chunk_ms, struct vmt_error *err);

/** A sink that writes to @path, or to @fd. @ops, @hash: see writer.h. */
struct vmt_sink *vmt_drain_open(const char *path, int fd,
				const struct vmt_trace_writer_options *options,
				const struct vmt_output_ops *ops, vmt_page_hash *hash,
				struct vmt_error *err);

#endif /* VMT_TRACE_FORMAT_DRAIN_H */
