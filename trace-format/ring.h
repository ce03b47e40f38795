/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of bytes between one writer and one reader, in memory that two threads or two processes
 * share. Who appends only copies; it waits when the ring is full and never otherwise.
 *
 * The memory holds no pointers and no locks: a side that dies leaves nothing held. What it had
 * written only in part is not seen, for a message is published as a whole where it fits.
 */
#ifndef VMT_TRACE_FORMAT_RING_H
#define VMT_TRACE_FORMAT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmt_trace_ring {
	uint64_t size;                      /**< bytes of data, a power of two */
	_Alignas(64) _Atomic uint64_t head; /**< bytes written, ever */
	_Atomic uint32_t head_changes;      /**< futex */
	_Atomic uint32_t reader_waits;
	_Alignas(64) _Atomic uint64_t tail; /**< bytes read, ever */
	_Atomic uint32_t tail_changes;      /**< futex */
	_Atomic uint32_t writer_waits;
	_Atomic uint32_t broken; /**< the reader has given up: writing fails */
	_Atomic uint32_t closed; /**< the writer is done */
	_Alignas(64) uint8_t data[];
};

/** Bytes of memory that a ring with @size bytes of data needs. */
size_t vmt_trace_ring_memory(uint32_t size);

/** Make a ring of @size (a power of two) at @memory. */
void vmt_trace_ring_init(struct vmt_trace_ring *ring, uint32_t size);

struct vmt_trace_ring_part {
	const void *p;
	size_t len;
};

/**
 * Copy the parts into the ring, one after another. Waits while it is full. false: the reader gave
 * up.
 */
bool vmt_trace_ring_write(struct vmt_trace_ring *ring, const struct vmt_trace_ring_part *parts,
			  size_t n);

/** Wake the reader, whatever is there. */
void vmt_trace_ring_kick(struct vmt_trace_ring *ring);

/** No more will be written. */
void vmt_trace_ring_close(struct vmt_trace_ring *ring);

/** How many bytes there are to read. */
uint64_t vmt_trace_ring_available(const struct vmt_trace_ring *ring);

/** Wait until there is something to read, the ring is closed, or @ms have passed. */
void vmt_trace_ring_wait(struct vmt_trace_ring *ring, int ms);

/** @len bytes where they stand, when they are there and in one piece; else NULL. */
const void *vmt_trace_ring_peek(const struct vmt_trace_ring *ring, size_t len);

/** Give the room of @len peeked bytes back. */
void vmt_trace_ring_release(struct vmt_trace_ring *ring, size_t len);

/** Copy @len bytes out, waiting for those still to come. false: closed before them. */
bool vmt_trace_ring_read(struct vmt_trace_ring *ring, void *to, size_t len);

/** The reader gives up. */
void vmt_trace_ring_break(struct vmt_trace_ring *ring);

#endif /* VMT_TRACE_FORMAT_RING_H */
