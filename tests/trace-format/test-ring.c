/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring: bytes arrive as they were written, between threads and between processes.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "trace-format/ring.h"

#define SIZE     4096u
#define MESSAGES 20000u

/** Message @n: its length and each byte follow from its number. */
static size_t message(uint32_t n, uint8_t *bytes)
{
	struct rng rng = {n};
	const size_t len = 1 + rng_below(&rng, n % 50 == 0 ? 3 * SIZE : 200);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(n + i);
	return len;
}

/** The memory of a ring, and the data behind it. */
struct memory {
	struct vmt_trace_ring_shared shared;
	uint8_t data[SIZE];
};

static struct vmt_trace_ring side_of(struct memory *memory)
{
	struct vmt_trace_ring ring;

	vmt_trace_ring_init(&ring, &memory->shared, memory->data, SIZE);
	return ring;
}

static void write_all(struct memory *memory)
{
	struct vmt_trace_ring side = side_of(memory);
	struct vmt_trace_ring *ring = &side;
	uint8_t *bytes = malloc(3 * SIZE + 1);

	for (uint32_t n = 0; bytes != NULL && n < MESSAGES; n++) {
		const size_t len = message(n, bytes);
		const struct vmt_trace_ring_part parts[] = {{bytes, len / 2},
							    {bytes + len / 2, len - len / 2}};

		if (!vmt_trace_ring_write(ring, parts, 2))
			break;
	}
	free(bytes);
	vmt_trace_ring_close(ring);
}

static void *writer_thread(void *context)
{
	write_all(context);
	return NULL;
}

/** Wait for all of @len bytes. false: they do not come. */
static bool read_whole(struct vmt_trace_ring *ring, uint8_t *to, size_t len)
{
	size_t done = 0;

	while (done < len) {
		const bool closed = atomic_load(&ring->shared->closed) != 0;
		const size_t n = vmt_trace_ring_read(ring, to + done, len - done);

		if (n == 0 && closed)
			return false;
		if (n == 0)
			vmt_trace_ring_wait(ring, 100);
		done += n;
	}
	return true;
}

static void read_all(struct memory *memory)
{
	struct vmt_trace_ring side = side_of(memory);
	struct vmt_trace_ring *ring = &side;
	uint8_t *want = malloc(3 * SIZE + 1);
	uint8_t *got = malloc(3 * SIZE + 1);
	size_t peeked = 0;

	assert_non_null(want);
	assert_non_null(got);
	for (uint32_t n = 0; n < MESSAGES; n++) {
		const size_t len = message(n, want);
		const void *p = vmt_trace_ring_peek(ring, len);

		if (p != NULL) {
			assert_memory_equal(p, want, len);
			vmt_trace_ring_release(ring, len);
			peeked++;
		} else {
			assert_true(read_whole(ring, got, len));
			assert_memory_equal(got, want, len);
		}
	}
	assert_true(peeked > 0 && peeked < MESSAGES);
	assert_false(read_whole(ring, got, 1));
	free(want);
	free(got);
}

static struct memory *shared_memory(void)
{
	struct memory *memory = mmap(NULL, sizeof(*memory), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static void bytes_go_from_thread_to_thread(void **state)
{
	struct memory *memory = shared_memory();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer_thread, memory), 0);
	read_all(memory);
	pthread_join(thread, NULL);
	munmap(memory, sizeof(*memory));
}

static void bytes_go_from_process_to_process(void **state)
{
	struct memory *memory = shared_memory();
	const pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		write_all(memory);
		_exit(0);
	}
	read_all(memory);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	munmap(memory, sizeof(*memory));
}

static void a_writer_is_let_go_when_the_reader_gives_up(void **state)
{
	struct memory *memory = shared_memory();
	struct vmt_trace_ring side = side_of(memory);
	pthread_t thread;
	uint8_t byte;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer_thread, memory), 0);
	assert_true(read_whole(&side, &byte, 1));
	vmt_trace_ring_break(&side);
	pthread_join(thread, NULL);
	munmap(memory, sizeof(*memory));
}

static void memory_that_is_written_over_is_noticed_and_never_left(void **state)
{
	struct memory *memory = shared_memory();
	struct vmt_trace_ring writer = side_of(memory);
	struct vmt_trace_ring reader = side_of(memory);
	const struct vmt_trace_ring_part part = {"12345678", 8};
	uint8_t *bytes = malloc(2 * (size_t)SIZE);

	(void)state;
	assert_non_null(bytes);
	assert_true(vmt_trace_ring_write(&writer, &part, 1));
	atomic_store(&memory->shared.head, UINT64_MAX / 2);
	assert_true(vmt_trace_ring_available(&reader) > SIZE);
	assert_int_equal(vmt_trace_ring_read(&reader, bytes, 2 * (size_t)SIZE), 0);
	atomic_store(&memory->shared.tail, UINT64_MAX / 2);
	for (unsigned i = 0; i < SIZE / 8 - 1; i++)
		assert_true(vmt_trace_ring_write(&writer, &part, 1));
	assert_false(vmt_trace_ring_write(&writer, &part, 1));
	free(bytes);
	munmap(memory, sizeof(*memory));
}

static void a_peer_that_is_gone_ends_the_waiting(void **state)
{
	struct memory *memory = shared_memory();
	struct vmt_trace_ring writer = side_of(memory);
	const struct vmt_trace_ring_part part = {"12345678", 8};
	unsigned n = 0;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	writer.peer = ends[0];
	assert_false(vmt_trace_ring_gone(writer.peer));
	close(ends[1]);
	assert_true(vmt_trace_ring_gone(writer.peer));
	while (vmt_trace_ring_write(&writer, &part, 1))
		n++;
	assert_int_equal(n, SIZE / 8);
	close(ends[0]);
	munmap(memory, sizeof(*memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_from_thread_to_thread),
		cmocka_unit_test(bytes_go_from_process_to_process),
		cmocka_unit_test(a_writer_is_let_go_when_the_reader_gives_up),
		cmocka_unit_test(memory_that_is_written_over_is_noticed_and_never_left),
		cmocka_unit_test(a_peer_that_is_gone_ends_the_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
