/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory between who appends and who writes the trace: a ring of records one way, and the other
 * way what has been done.
 *
 * Messages in the ring: struct vmt_sink_message, then the payload, then the page when there is one.
 */
#ifndef VMT_TRACE_FORMAT_CHANNEL_H
#define VMT_TRACE_FORMAT_CHANNEL_H

#include <vmitape/trace.h>

#include "ring.h"

enum vmt_channel_state { VMT_CHANNEL_OPEN = 0, VMT_CHANNEL_DONE = 1, VMT_CHANNEL_FAILED = 2 };

/** The memory. The ring's bytes stand behind it. */
struct vmt_channel_shared {
	uint64_t magic;
	uint32_t layout; /**< bytes of this struct: both sides are built alike */
	uint32_t minor;  /**< VMT_TRACE_MINOR */
	uint64_t size;   /**< of the ring */
	struct vmt_trace_ring_shared ring;

	/* From who writes the trace. */
	_Alignas(64) _Atomic uint32_t answers; /**< futex: what follows has changed */
	_Atomic uint32_t state;                /**< enum vmt_channel_state */
	_Atomic uint64_t flushes;              /**< how many are done */
	struct vmt_error error;                /**< with FAILED */
	struct vmt_trace_summary summary;      /**< with DONE */
};

/** One side's view. */
struct vmt_channel {
	struct vmt_channel_shared *shared;
	size_t len;
	bool borrowed; /**< the memory is the other side's to free */
	struct vmt_trace_ring ring;
};

/** Within one process: one side makes the memory (@bytes: of the ring; 0: 16 MiB) ... */
int vmt_channel_create(struct vmt_channel *c, uint32_t bytes, struct vmt_error *err);
/** ... and the other uses it. */
void vmt_channel_other_side(struct vmt_channel *c, const struct vmt_channel *of);

/** Between processes: make the memory. A descriptor, or negative. */
int vmt_channel_memory(uint32_t bytes, struct vmt_error *err);

/** Map it. -VMT_E_ABI: it is of another version; -VMT_E_INVALID: it is something else. */
int vmt_channel_attach(struct vmt_channel *c, int fd, struct vmt_error *err);

void vmt_channel_detach(struct vmt_channel *c);

/** Tell the other side what has been done. */
void vmt_channel_answer_flush(struct vmt_channel *c);
void vmt_channel_answer_done(struct vmt_channel *c, const struct vmt_trace_summary *summary);
void vmt_channel_answer_failed(struct vmt_channel *c, const struct vmt_error *err);

/**
 * Wait until @flushes are done, or the state is not OPEN. 0, or negative: who writes the trace has
 * failed, or its process is gone.
 */
int vmt_channel_await(struct vmt_channel *c, uint64_t flushes, struct vmt_error *err);

/** Why the other side takes nothing any more. Returns -@err->status. */
int vmt_channel_failure(const struct vmt_channel *c, struct vmt_error *err);

#endif /* VMT_TRACE_FORMAT_CHANNEL_H */
