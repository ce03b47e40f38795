/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of bytes between one writer and one reader.
 *
 * Waiting is by futex, on words that change with each step: no lock that a dying side could keep.
 * A sleeping reader is not woken for each record but when an eighth of the ring is filled; it looks
 * by itself many times in a second.
 */
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

#define LOOK_MS 100 /**< a waiting side looks whether the other lives */

void vmt_trace_ring_sleep(_Atomic uint32_t *word, uint32_t value, int ms)
{
	const struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};

	syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

void vmt_trace_ring_wake(_Atomic uint32_t *word)
{
	atomic_fetch_add(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void wake_waiting(_Atomic uint32_t *word, _Atomic uint32_t *waits)
{
	atomic_fetch_add(word, 1);
	if (atomic_exchange(waits, 0) != 0)
		syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

bool vmt_trace_ring_gone(int peer)
{
	struct pollfd pfd = {peer, POLLIN, 0};

	return peer >= 0 && poll(&pfd, 1, 0) > 0;
}

void vmt_trace_ring_init(struct vmt_trace_ring *ring, struct vmt_trace_ring_shared *shared,
			 void *data, uint64_t size)
{
	*ring = (struct vmt_trace_ring){.shared = shared, .data = data, .size = size, .peer = -1};
}

/* -------------------------------------------------------------------------------------------- */
/* Writing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void copy_in(struct vmt_trace_ring *ring, uint64_t at, const void *p, size_t len)
{
	const size_t start = at & (ring->size - 1);
	const size_t first = len < ring->size - start ? len : ring->size - start;

	memcpy(ring->data + start, p, first);
	if (len > first)
		memcpy(ring->data, (const uint8_t *)p + first, len - first);
}

static void publish(struct vmt_trace_ring *ring, uint64_t head)
{
	struct vmt_trace_ring_shared *s = ring->shared;

	ring->mine = head;
	atomic_store(&s->head, head);
	if (atomic_load(&s->reader_waits) != 0 && head - atomic_load(&s->tail) >= ring->size / 8)
		wake_waiting(&s->head_changes, &s->reader_waits);
}

/** Wait for room behind @head; 0: the reader gave up or is gone. */
static uint64_t room(struct vmt_trace_ring *ring, uint64_t head)
{
	struct vmt_trace_ring_shared *s = ring->shared;

	for (;;) {
		const uint32_t seen = atomic_load(&s->tail_changes);
		uint64_t used;

		if (atomic_load(&s->broken) != 0)
			return 0;
		ring->seen = atomic_load(&s->tail);
		used = head - ring->seen;
		if (used > ring->size)
			return 0;
		if (used < ring->size)
			return ring->size - used;
		if (vmt_trace_ring_gone(ring->peer))
			return 0;
		vmt_trace_ring_kick(ring);
		atomic_store(&s->writer_waits, 1);
		if (atomic_load(&s->tail) == ring->seen && atomic_load(&s->broken) == 0)
			vmt_trace_ring_sleep(&s->tail_changes, seen, LOOK_MS);
	}
}

bool vmt_trace_ring_write(struct vmt_trace_ring *ring, const struct vmt_trace_ring_part *parts,
			  size_t n)
{
	uint64_t head = ring->mine;
	uint64_t left_over = ring->size - (head - ring->seen);
	uint64_t total = 0;

	if (atomic_load_explicit(&ring->shared->broken, memory_order_relaxed) != 0)
		return false;
	for (size_t i = 0; i < n; i++)
		total += parts[i].len;
	/* The reader's place is looked at only when what was seen of it is not enough. */
	if (total > left_over) {
		ring->seen = atomic_load(&ring->shared->tail);
		left_over = ring->size - (head - ring->seen);
		if (left_over > ring->size)
			return false;
	}
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = parts[i].p;
		size_t left = parts[i].len;

		while (left > 0) {
			const size_t step = left < left_over ? left : left_over;

			copy_in(ring, head, p, step);
			head += step;
			left_over -= step;
			p += step;
			left -= step;
			if (left == 0)
				break;
			publish(ring, head);
			left_over = room(ring, head);
			if (left_over == 0)
				return false;
		}
	}
	publish(ring, head);
	return true;
}

void vmt_trace_ring_kick(struct vmt_trace_ring *ring)
{
	wake_waiting(&ring->shared->head_changes, &ring->shared->reader_waits);
}

void vmt_trace_ring_close(struct vmt_trace_ring *ring)
{
	atomic_store(&ring->shared->closed, 1);
	vmt_trace_ring_kick(ring);
}

/* -------------------------------------------------------------------------------------------- */
/* Reading                                                                                      */
/* -------------------------------------------------------------------------------------------- */

uint64_t vmt_trace_ring_available(struct vmt_trace_ring *ring)
{
	if (ring->seen == ring->mine)
		ring->seen = atomic_load(&ring->shared->head);
	return ring->seen - ring->mine;
}

/** As available, having looked again when there are fewer than @want. */
static uint64_t look(struct vmt_trace_ring *ring, uint64_t want)
{
	if (ring->seen - ring->mine < want)
		ring->seen = atomic_load(&ring->shared->head);
	return ring->seen - ring->mine;
}

void vmt_trace_ring_wait(struct vmt_trace_ring *ring, int ms)
{
	struct vmt_trace_ring_shared *s = ring->shared;
	const uint32_t seen = atomic_load(&s->head_changes);

	atomic_store(&s->reader_waits, 1);
	if (vmt_trace_ring_available(ring) == 0 && atomic_load(&s->closed) == 0)
		vmt_trace_ring_sleep(&s->head_changes, seen, ms);
	atomic_store(&s->reader_waits, 0);
}

const void *vmt_trace_ring_peek(struct vmt_trace_ring *ring, size_t len)
{
	const size_t start = ring->mine & (ring->size - 1);

	if (len > ring->size - start || look(ring, len) < len)
		return NULL;
	return ring->data + start;
}

void vmt_trace_ring_release(struct vmt_trace_ring *ring, size_t len)
{
	struct vmt_trace_ring_shared *s = ring->shared;

	ring->mine += len;
	atomic_store(&s->tail, ring->mine);
	if (atomic_load(&s->writer_waits) != 0)
		wake_waiting(&s->tail_changes, &s->writer_waits);
}

size_t vmt_trace_ring_read(struct vmt_trace_ring *ring, void *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const size_t start = ring->mine & (ring->size - 1);
		uint64_t step = look(ring, len - done);

		if (step > ring->size)
			break;
		step = step < len - done ? step : len - done;
		step = step < ring->size - start ? step : ring->size - start;
		if (step == 0)
			break;
		memcpy((uint8_t *)to + done, ring->data + start, step);
		vmt_trace_ring_release(ring, step);
		done += step;
	}
	return done;
}

void vmt_trace_ring_break(struct vmt_trace_ring *ring)
{
	atomic_store(&ring->shared->broken, 1);
	vmt_trace_ring_wake(&ring->shared->tail_changes);
}
