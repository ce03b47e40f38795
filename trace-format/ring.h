/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of bytes between one writer and one reader, in memory that two threads or two processes
 * share. Who appends only copies; it waits when the ring is full and never otherwise.
 *
 * The memory holds no pointers and no locks: a side that dies leaves nothing held. What it had
 * written only in part is not seen, for a message is published as a whole where it fits. Neither
 * side reads its own place, or the size, back from the memory: one that runs wild over it cannot
 * lead the other out of it.
 */
#ifndef VMT_TRACE_FORMAT_RING_H
#define VMT_TRACE_FORMAT_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What both sides see; the bytes stand elsewhere. All zero is an empty ring. */
struct vmt_trace_ring_shared {
	_Alignas(64) _Atomic uint64_t head; /**< bytes written, ever */
	_Atomic uint32_t head_changes;      /**< futex */
	_Atomic uint32_t reader_waits;
	_Alignas(64) _Atomic uint64_t tail; /**< bytes read, ever */
	_Atomic uint32_t tail_changes;      /**< futex */
	_Atomic uint32_t writer_waits;
	_Alignas(64) _Atomic uint32_t broken; /**< the reader has given up: writing fails */
	_Atomic uint32_t closed;              /**< the writer is done */
};

/** One side of a ring. */
struct vmt_trace_ring {
	struct vmt_trace_ring_shared *shared;
	uint8_t *data;
	uint64_t size; /**< bytes of data, a power of two */
	uint64_t mine; /**< the writer's head, the reader's tail */
	uint64_t seen; /**< the other one, when it was looked at last */
	int peer;      /**< readable when the other side's process is gone; -1: not watched */
};

/** Take a side of the ring at @shared with @size (a power of two) bytes at @data. */
void vmt_trace_ring_init(struct vmt_trace_ring *ring, struct vmt_trace_ring_shared *shared,
			 void *data, uint64_t size);

struct vmt_trace_ring_part {
	const void *p;
	size_t len;
};

/**
 * Copy the parts into the ring, one after another. Waits while it is full. false: the reader gave
 * up, or its process is gone.
 */
bool vmt_trace_ring_write(struct vmt_trace_ring *ring, const struct vmt_trace_ring_part *parts,
			  size_t n);

/** Wake the reader, whatever is there. */
void vmt_trace_ring_kick(struct vmt_trace_ring *ring);

/** No more will be written. */
void vmt_trace_ring_close(struct vmt_trace_ring *ring);

/** Reader: how many bytes there are to read; more than the size: the memory was written over. */
uint64_t vmt_trace_ring_available(struct vmt_trace_ring *ring);

/** Reader: wait until there is something, the ring is closed, or @ms have passed. */
void vmt_trace_ring_wait(struct vmt_trace_ring *ring, int ms);

/** Reader: @len bytes where they stand, when they are there and in one piece; else NULL. */
const void *vmt_trace_ring_peek(struct vmt_trace_ring *ring, size_t len);

/** Reader: give the room of @len peeked bytes back. */
void vmt_trace_ring_release(struct vmt_trace_ring *ring, size_t len);

/** Reader: copy out what is there, at most @len bytes. Returns how many. Does not wait. */
size_t vmt_trace_ring_read(struct vmt_trace_ring *ring, void *to, size_t len);

/** Reader: give up. */
void vmt_trace_ring_break(struct vmt_trace_ring *ring);

/** Sleep while *@word is @value, for @ms at most. The other side changes it and wakes. */
void vmt_trace_ring_sleep(_Atomic uint32_t *word, uint32_t value, int ms);

/** Change *@word and wake who sleeps on it. */
void vmt_trace_ring_wake(_Atomic uint32_t *word);

/** Is the process behind @peer (see above) gone? */
bool vmt_trace_ring_gone(int peer);

#endif /* VMT_TRACE_FORMAT_RING_H */
