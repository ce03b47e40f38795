/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writing side: records come in one by one, chunks go out.
 *
 * It numbers records, stores pages, cuts chunks and epochs, compresses, hashes, and keeps the index
 * and the digests. It may run in another thread or process than the one that appends.
 */
#ifndef VMT_TRACE_FORMAT_SINK_H
#define VMT_TRACE_FORMAT_SINK_H

#include "output.h"
#include "page-store.h"

struct vmt_sink;

/** One record on its way: this, then the payload, then the page when there is one. */
struct vmt_sink_message {
	uint32_t length;    /**< bytes of the payload, without the page's id */
	uint32_t behaviour; /**< of them for the behaviour digest */
	uint16_t kind;
	uint8_t phase;
	uint8_t type; /**< enum vmt_sink_message_type */
	uint32_t has_page;
	uint64_t callback;
	uint64_t gfn; /**< of the page */
};

/** CLOSE: kind is the reason of the end, the payload its text. */
enum vmt_sink_message_type { VMT_SINK_RECORD = 0, VMT_SINK_FLUSH = 1, VMT_SINK_CLOSE = 2 };

#define VMT_SINK_TEXT_MAX     1023u
#define VMT_SINK_CALLBACK_MAX (UINT64_MAX / 2)

/** @hash: see page-store.h. @output is taken over, also on failure. */
struct vmt_sink *vmt_sink_create(const struct vmt_trace_writer_options *options,
				 struct vmt_output *output, vmt_page_hash *hash,
				 struct vmt_error *err);

/** Take one record. After a failure all calls fail alike. */
int vmt_sink_put(struct vmt_sink *sink, const struct vmt_sink_message *message,
		 const uint8_t *payload, const uint8_t *page, struct vmt_error *err);

/** Write what there is as chunks. */
int vmt_sink_flush(struct vmt_sink *sink, struct vmt_error *err);

/** When the oldest record that is not written yet came, ns of CLOCK_MONOTONIC; 0: none. */
uint64_t vmt_sink_oldest(const struct vmt_sink *sink);

/** End, index, footer, name. */
int vmt_sink_close(struct vmt_sink *sink, enum vmt_trace_end_reason reason, const char *text,
		   struct vmt_trace_summary *summary, struct vmt_error *err);

void vmt_sink_destroy(struct vmt_sink *sink);

#endif /* VMT_TRACE_FORMAT_SINK_H */
