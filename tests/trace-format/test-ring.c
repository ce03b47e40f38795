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

static void write_all(struct vmt_trace_ring *ring)
{
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

static void read_all(struct vmt_trace_ring *ring)
{
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
			assert_true(vmt_trace_ring_read(ring, got, len));
			assert_memory_equal(got, want, len);
		}
	}
	assert_true(peeked > 0 && peeked < MESSAGES);
	assert_false(vmt_trace_ring_read(ring, got, 1));
	free(want);
	free(got);
}

static struct vmt_trace_ring *shared_ring(void)
{
	struct vmt_trace_ring *ring =
		mmap(NULL, vmt_trace_ring_memory(SIZE), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(ring != MAP_FAILED);
	vmt_trace_ring_init(ring, SIZE);
	return ring;
}

static void bytes_go_from_thread_to_thread(void **state)
{
	struct vmt_trace_ring *ring = shared_ring();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer_thread, ring), 0);
	read_all(ring);
	pthread_join(thread, NULL);
	munmap(ring, vmt_trace_ring_memory(SIZE));
}

static void bytes_go_from_process_to_process(void **state)
{
	struct vmt_trace_ring *ring = shared_ring();
	const pid_t child = fork();
	int status;

	(void)state;
	if (child == 0) {
		write_all(ring);
		_exit(0);
	}
	read_all(ring);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	munmap(ring, vmt_trace_ring_memory(SIZE));
}

static void a_writer_is_let_go_when_the_reader_gives_up(void **state)
{
	struct vmt_trace_ring *ring = shared_ring();
	pthread_t thread;
	uint8_t byte;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, writer_thread, ring), 0);
	assert_true(vmt_trace_ring_read(ring, &byte, 1));
	vmt_trace_ring_break(ring);
	pthread_join(thread, NULL);
	munmap(ring, vmt_trace_ring_memory(SIZE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_from_thread_to_thread),
		cmocka_unit_test(bytes_go_from_process_to_process),
		cmocka_unit_test(a_writer_is_let_go_when_the_reader_gives_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
