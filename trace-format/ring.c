/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring of bytes between one writer and one reader.
 *
 * Waiting is by futex, on words that change with each step: no lock that a dying side could keep.
 * A sleeping reader is not woken for each record but when an eighth of the ring is filled; it looks
 * by itself a few times in a second.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "ring.h"

static void sleep_on(_Atomic uint32_t *word, uint32_t value, int ms)
{
	const struct timespec time = {ms / 1000, (ms % 1000) * 1000000L};

	syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

static void wake(_Atomic uint32_t *word, _Atomic uint32_t *waits)
{
	atomic_fetch_add(word, 1);
	if (atomic_exchange(waits, 0) != 0)
		syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

size_t vmt_trace_ring_memory(uint32_t size)
{
	return sizeof(struct vmt_trace_ring) + size;
}

void vmt_trace_ring_init(struct vmt_trace_ring *ring, uint32_t size)
{
	memset(ring, 0, sizeof(*ring));
	ring->size = size;
}

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
	atomic_store(&ring->head, head);
	if (atomic_load(&ring->reader_waits) != 0 &&
	    head - atomic_load(&ring->tail) >= ring->size / 8)
		wake(&ring->head_changes, &ring->reader_waits);
}

/** Wait for room; 0: the reader gave up. */
static size_t room(struct vmt_trace_ring *ring, uint64_t head)
{
	for (;;) {
		const uint32_t seen = atomic_load(&ring->tail_changes);

		if (atomic_load(&ring->broken) != 0)
			return 0;
		if (head - atomic_load(&ring->tail) < ring->size)
			return ring->size - (head - atomic_load(&ring->tail));
		vmt_trace_ring_kick(ring);
		atomic_store(&ring->writer_waits, 1);
		if (head - atomic_load(&ring->tail) == ring->size &&
		    atomic_load(&ring->broken) == 0)
			sleep_on(&ring->tail_changes, seen, 100);
	}
}

bool vmt_trace_ring_write(struct vmt_trace_ring *ring, const struct vmt_trace_ring_part *parts,
			  size_t n)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t free_until = atomic_load(&ring->tail) + ring->size;

	if (atomic_load(&ring->broken) != 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		const uint8_t *p = parts[i].p;
		size_t left = parts[i].len;

		while (left > 0) {
			size_t step = left < free_until - head ? left : free_until - head;

			copy_in(ring, head, p, step);
			head += step;
			p += step;
			left -= step;
			if (left == 0)
				break;
			publish(ring, head);
			step = room(ring, head);
			if (step == 0)
				return false;
			free_until = head + step;
		}
	}
	publish(ring, head);
	return true;
}

void vmt_trace_ring_kick(struct vmt_trace_ring *ring)
{
	wake(&ring->head_changes, &ring->reader_waits);
}

void vmt_trace_ring_close(struct vmt_trace_ring *ring)
{
	atomic_store(&ring->closed, 1);
	vmt_trace_ring_kick(ring);
}

uint64_t vmt_trace_ring_available(const struct vmt_trace_ring *ring)
{
	return atomic_load(&ring->head) - atomic_load(&ring->tail);
}

void vmt_trace_ring_wait(struct vmt_trace_ring *ring, int ms)
{
	const uint32_t seen = atomic_load(&ring->head_changes);

	atomic_store(&ring->reader_waits, 1);
	if (vmt_trace_ring_available(ring) == 0 && atomic_load(&ring->closed) == 0)
		sleep_on(&ring->head_changes, seen, ms);
	atomic_store(&ring->reader_waits, 0);
}

const void *vmt_trace_ring_peek(const struct vmt_trace_ring *ring, size_t len)
{
	const size_t start = atomic_load(&ring->tail) & (ring->size - 1);

	if (len > ring->size - start || vmt_trace_ring_available(ring) < len)
		return NULL;
	return ring->data + start;
}

void vmt_trace_ring_release(struct vmt_trace_ring *ring, size_t len)
{
	atomic_fetch_add(&ring->tail, len);
	if (atomic_load(&ring->writer_waits) != 0)
		wake(&ring->tail_changes, &ring->writer_waits);
}

bool vmt_trace_ring_read(struct vmt_trace_ring *ring, void *to, size_t len)
{
	uint8_t *p = to;

	while (len > 0) {
		const uint64_t tail = atomic_load(&ring->tail);
		const size_t start = tail & (ring->size - 1);
		const bool closed = atomic_load(&ring->closed) != 0;
		uint64_t step = vmt_trace_ring_available(ring);

		if (step > len)
			step = len;
		if (step > ring->size - start)
			step = ring->size - start;
		if (step == 0) {
			if (closed)
				return false;
			vmt_trace_ring_wait(ring, 100);
			continue;
		}
		memcpy(p, ring->data + start, step);
		vmt_trace_ring_release(ring, step);
		p += step;
		len -= step;
	}
	return true;
}

void vmt_trace_ring_break(struct vmt_trace_ring *ring)
{
	atomic_store(&ring->broken, 1);
	wake(&ring->tail_changes, &ring->writer_waits);
}
