/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace that is written by another process than the one that records: whole when that one ends,
 * and up to its last whole record when it is killed.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "trace-format/channel.h"

#define SEED   61
#define ROUNDS 20
#define MOST   300

static const char folder_pattern[] = "/tmp/vmt-channel-XXXXXX";
static char folder[sizeof(folder_pattern)];
static char path[64];
static char partial[80];
static char *program;
static struct sample sample;
static size_t longest; /**< of all traces of killed producers */

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder, folder_pattern, sizeof(folder));
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/x.vmt", folder);
	snprintf(partial, sizeof(partial), "%s.partial", path);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	(void)unlink(path);
	(void)unlink(partial);
	return rmdir(folder);
}

/* -------------------------------------------------------------------------------------------- */
/* The process that records                                                                     */
/* -------------------------------------------------------------------------------------------- */

/** Append the sample @times times, then close. Counts in @counter what has been appended. */
static int produce(int ring, int peer, unsigned times, _Atomic uint64_t *counter)
{
	struct vmt_trace_writer *writer;
	int r = vmt_trace_writer_open_ring(ring, peer, &writer, NULL);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < sample.n; i++) {
		r = vmt_trace_writer_append(writer, &sample.records[i], NULL);
		if (r == 0)
			atomic_fetch_add(counter, 1);
	}
	while (r == 0 && --times > 0) {
		const struct vmt_trace_record *last = &sample.records[sample.n - 1];

		r = vmt_trace_writer_append(writer, last, NULL);
		if (r == 0)
			atomic_fetch_add(counter, 1);
	}
	if (r == 0)
		r = vmt_trace_writer_flush(writer, NULL);
	if (r == 0)
		return vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL);
	vmt_trace_writer_abandon(writer);
	return r;
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

/** This program again, as the process that records: produce RING PEER TIMES COUNTER. */
static int producer_main(char **argv)
{
	_Atomic uint64_t *counter =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, number(argv[5]), 0);

	if (counter == MAP_FAILED)
		return 2;
	return produce(number(argv[2]), number(argv[3]), (unsigned)number(argv[4]), counter) == 0
		       ? 0
		       : 1;
}

/** Start it. Its descriptors are inherited. */
static pid_t start_producer(int ring, int peer, unsigned times, int counter)
{
	char a[16];
	char b[16];
	char c[16];
	char d[16];
	const pid_t child = fork();

	if (child != 0)
		return child;
	snprintf(a, sizeof(a), "%d", ring);
	snprintf(b, sizeof(b), "%d", peer);
	snprintf(c, sizeof(c), "%u", times);
	snprintf(d, sizeof(d), "%d", counter);
	fcntl(ring, F_SETFD, 0);
	fcntl(counter, F_SETFD, 0);
	execl(program, program, "produce", a, b, c, d, (char *)NULL);
	_exit(3);
}

/* -------------------------------------------------------------------------------------------- */
/* The tests                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** How many records of the sample stand at @name; a crash may follow them. */
static size_t read_start(const char *name, bool *is_complete, bool *crashed)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_state st;
	struct vmt_error err = {0};
	size_t n = 0;
	int r;

	*crashed = false;
	assert_int_equal(vmt_trace_reader_open(name, NULL, &reader, &err), 0);
	while ((r = vmt_trace_reader_next(reader, &record, &err)) == 1) {
		const char *differs = NULL;

		assert_false(*crashed);
		if (record.kind == VMT_TRACE_CRASH && n < sample.n &&
		    sample.records[n].kind != VMT_TRACE_CRASH) {
			const struct vmt_trace_crash *crash = record.body;

			assert_int_equal(crash->signal, SIGKILL);
			assert_string_equal(crash->text, "killed by the test");
			*crashed = true;
			continue;
		}
		if (n < sample.n)
			differs = sample_compare(&sample, reader, &record);
		if (differs != NULL && record.kind == VMT_TRACE_CRASH) {
			*crashed = true;
			continue;
		}
		if (differs != NULL)
			fail_msg("record %zu: %s", n, differs);
		n += record.kind != VMT_TRACE_END;
	}
	assert_int_equal(r, 0);
	vmt_trace_reader_state(reader, &st);
	*is_complete = st.ended && st.footer && !st.damaged;
	assert_true(!st.damaged);
	vmt_trace_reader_close(reader);
	return n;
}

static const struct vmt_trace_writer_options options = {.chunk_bytes = 20000, .replace = true};

static _Atomic uint64_t *make_counter(int *fd)
{
	_Atomic uint64_t *counter;

	*fd = memfd_create("counter", MFD_CLOEXEC);
	assert_true(*fd >= 0 && ftruncate(*fd, 4096) == 0);
	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_true(counter != MAP_FAILED);
	return counter;
}

static void what_another_process_appends_is_written_whole(void **state)
{
	struct vmt_trace_sink *sink;
	struct vmt_error err = {0};
	_Atomic uint64_t *counter;
	bool is_complete;
	bool crashed;
	int counter_fd;
	int status;
	int ring;
	int r;
	pid_t child;

	(void)state;
	counter = make_counter(&counter_fd);
	assert_int_equal(vmt_trace_ring_create(1, &ring, &err), 0);
	assert_int_equal(vmt_trace_sink_attach(ring, path, -1, &options, &sink, &err), 0);
	child = start_producer(ring, -1, 1000, counter_fd);
	while ((r = vmt_trace_sink_step(sink, 100, &err)) == 1)
		;
	assert_int_equal(r, 0);
	assert_int_equal(vmt_trace_sink_step(sink, 100, &err), 0);
	vmt_trace_sink_destroy(sink);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(read_start(path, &is_complete, &crashed), sample.n + 999);
	assert_true(is_complete);
	munmap(counter, 4096);
	close(counter_fd);
	close(ring);
}

static void a_killed_producer_leaves_all_its_whole_records(void **state)
{
	struct rng rng = {62};
	unsigned unfinished = 0;

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct timespec pause = {0, (long)rng_below(&rng, 60000000)};
		/* Small rings are full at most times, large ones never. */
		const uint32_t size = round % 2 == 0 ? 1 : 4u << 20;
		struct vmt_trace_sink *sink;
		struct vmt_error err = {0};
		_Atomic uint64_t *counter;
		struct timespec until;
		bool is_complete;
		bool crashed;
		bool late = false;
		int counter_fd;
		int status;
		int pidfd;
		int ring;
		int r;
		pid_t child;
		size_t n;

		counter = make_counter(&counter_fd);
		assert_int_equal(vmt_trace_ring_create(size, &ring, &err), 0);
		assert_int_equal(vmt_trace_sink_attach(ring, path, -1, &options, &sink, &err), 0);
		child = start_producer(ring, -1, 100000, counter_fd);
		pidfd = (int)syscall(SYS_pidfd_open, child, 0);
		assert_true(pidfd >= 0);
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += pause.tv_nsec;
		/* Let it be killed while this side is anywhere in its work. */
		while ((r = vmt_trace_sink_step(sink, 1, &err)) == 1 &&
		       !vmt_trace_ring_gone(pidfd)) {
			struct timespec now;

			clock_gettime(CLOCK_MONOTONIC, &now);
			if (!late && (now.tv_sec - until.tv_sec) * 1000000000 + now.tv_nsec >
					     until.tv_nsec) {
				kill(child, SIGKILL);
				late = true;
			}
		}
		if (r == 1)
			r = vmt_trace_sink_died(sink, SIGKILL, 0, "killed by the test", &err);
		assert_int_equal(r, 0);
		vmt_trace_sink_destroy(sink);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (access(path, F_OK) == 0) {
			assert_int_equal(read_start(path, &is_complete, &crashed),
					 sample.n + 99999);
			assert_true(is_complete && !crashed);
			assert_int_equal(unlink(path), 0);
		} else if (*counter > 0) {
			n = read_start(partial, &is_complete, &crashed);
			assert_true(crashed || n >= sample.n);
			assert_false(is_complete);
			/* One may have been published that was not counted yet. */
			assert_in_range(n, *counter, *counter + 2);
			longest = n > longest ? n : longest;
			unfinished++;
		}
		munmap(counter, 4096);
		close(counter_fd);
		close(pidfd);
		close(ring);
	}
	assert_true(unfinished > 10);
	assert_true(longest > 100);
}

static void a_writing_process_that_is_gone_is_an_error_and_no_hang(void **state)
{
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	int ends[2];
	int status;
	int ring;
	int r = 0;
	pid_t child;

	(void)state;
	assert_int_equal(vmt_trace_ring_create(1, &ring, &err), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		struct vmt_trace_sink *sink;

		if (vmt_trace_sink_attach(ring, path, -1, &options, &sink, NULL) < 0)
			_exit(1);
		for (unsigned i = 0; i < 5; i++)
			if (vmt_trace_sink_step(sink, 1, NULL) != 1)
				_exit(1);
		kill(getpid(), SIGKILL);
	}
	close(ends[1]);
	assert_int_equal(vmt_trace_writer_open_ring(ring, ends[0], &writer, &err), 0);
	for (size_t i = 0; r == 0 && i < sample.n; i++)
		r = vmt_trace_writer_append(writer, &sample.records[i], &err);
	for (size_t i = 0; r == 0 && i < 10000000; i++)
		r = vmt_trace_writer_append(writer, &sample.records[sample.n - 1], &err);
	assert_int_equal(r, -VMT_E_IO);
	assert_non_null(strstr(err.text, "gone"));
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err),
			 -VMT_E_IO);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(access(path, F_OK), -1);
	close(ends[0]);
	close(ring);
}

static void a_disk_that_fails_there_is_told_here(void **state)
{
	struct vmt_trace_writer *writer;
	struct vmt_trace_sink *sink;
	struct vmt_error err = {0};
	int ring;

	(void)state;
	assert_int_equal(vmt_trace_ring_create(1, &ring, &err), 0);
	assert_int_equal(vmt_trace_writer_open_ring(ring, -1, &writer, &err), 0);
	assert_true(vmt_trace_sink_attach(ring, "/nonexistent/x", -1, NULL, &sink, &err) < 0);
	memset(&err, 0, sizeof(err));
	assert_int_equal(vmt_trace_writer_append(writer, &sample.records[0], &err), -VMT_E_IO);
	assert_string_equal(err.place, "/nonexistent/x.partial");
	vmt_trace_writer_abandon(writer);
	close(ring);
}

static void an_abandoned_trace_stays_partial(void **state)
{
	struct vmt_trace_writer *writer;
	struct vmt_trace_sink *sink;
	struct vmt_error err = {0};
	bool is_complete;
	bool crashed;
	int ring;
	int r;

	(void)state;
	assert_int_equal(vmt_trace_ring_create(0, &ring, &err), 0);
	assert_int_equal(vmt_trace_writer_open_ring(ring, -1, &writer, &err), 0);
	assert_int_equal(vmt_trace_sink_attach(ring, path, -1, &options, &sink, &err), 0);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(vmt_trace_writer_append(writer, &sample.records[i], &err), 0);
	vmt_trace_writer_abandon(writer);
	while ((r = vmt_trace_sink_step(sink, 1, &err)) == 1)
		;
	assert_int_equal(r, -VMT_E_GONE);
	assert_int_equal(vmt_trace_sink_died(sink, 0, 0, NULL, &err), 0);
	vmt_trace_sink_destroy(sink);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(read_start(partial, &is_complete, &crashed), 10);
	assert_false(is_complete || crashed);
	close(ring);
}

/** What no writer sends: it ends the trace, with all that came before it. */
static void messages_that_no_writer_sends_end_the_trace(void **state)
{
	struct rng rng = {63};
	unsigned refused = 0;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct vmt_trace_writer *writer;
		struct vmt_trace_sink *sink;
		struct vmt_error err = {0};
		struct vmt_channel wild;
		bool is_complete;
		bool crashed;
		uint8_t noise[64];
		const struct vmt_trace_ring_part part = {noise, sizeof(noise)};
		int ring;
		int r = 1;

		assert_int_equal(vmt_trace_ring_create(1, &ring, &err), 0);
		assert_int_equal(vmt_trace_writer_open_ring(ring, -1, &writer, &err), 0);
		assert_int_equal(vmt_trace_sink_attach(ring, path, -1, &options, &sink, &err), 0);
		for (size_t i = 0; i < 5; i++)
			assert_int_equal(vmt_trace_writer_append(writer, &sample.records[i], &err),
					 0);
		assert_int_equal(vmt_channel_attach(&wild, ring, &err), 0);
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)rng_next(&rng);
		if (round % 3 == 0) {
			memset(noise, 0, 32);
			noise[rng_below(&rng, 32)] = (uint8_t)rng_next(&rng);
		}
		wild.ring.mine = atomic_load(&wild.shared->ring.head);
		if (round % 10 == 0)
			atomic_store(&wild.shared->ring.head, rng_next(&rng) | (1u << 30));
		else
			assert_true(vmt_trace_ring_write(&wild.ring, &part, 1));
		for (unsigned i = 0; r == 1 && i < 3; i++)
			r = vmt_trace_sink_step(sink, 0, &err);
		refused += r == -VMT_E_DAMAGED;
		assert_int_equal(vmt_trace_sink_died(sink, 0, 0, NULL, &err), 0);
		vmt_trace_sink_destroy(sink);
		vmt_trace_writer_abandon(writer);
		vmt_channel_detach(&wild);
		close(ring);
		if (access(path, F_OK) == 0)
			continue; /* Noise that happened to be an end. */
		/* When the ring's own numbers are gone, so may be what was in it. */
		if (r == -VMT_E_DAMAGED)
			assert_in_range(read_start(partial, &is_complete, &crashed),
					round % 10 == 0 ? 0 : 5, 5);
	}
	assert_true(refused > 200);
}

static void memory_of_something_else_is_refused(void **state)
{
	struct vmt_trace_writer *writer;
	struct vmt_channel channel;
	struct vmt_error err = {0};
	int other;
	int ring;

	(void)state;
	other = memfd_create("other", MFD_CLOEXEC);
	assert_true(other >= 0 && ftruncate(other, 1 << 20) == 0);
	assert_int_equal(vmt_trace_writer_open_ring(other, -1, &writer, &err), -VMT_E_INVALID);
	assert_int_equal(vmt_trace_writer_open_ring(-1, -1, &writer, &err), -VMT_E_INVALID);
	assert_int_equal(vmt_trace_ring_create(1, &ring, &err), 0);
	/* Nobody can take the memory away from under the other. */
	assert_int_equal(ftruncate(ring, 0), -1);
	assert_int_equal(vmt_channel_attach(&channel, ring, &err), 0);
	channel.shared->layout++;
	assert_int_equal(vmt_trace_writer_open_ring(ring, -1, &writer, &err), -VMT_E_ABI);
	vmt_channel_detach(&channel);
	close(other);
	close(ring);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_another_process_appends_is_written_whole,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_killed_producer_leaves_all_its_whole_records,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_writing_process_that_is_gone_is_an_error_and_no_hang, make_folder,
			remove_folder),
		cmocka_unit_test(a_disk_that_fails_there_is_told_here),
		cmocka_unit_test_setup_teardown(an_abandoned_trace_stays_partial, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(messages_that_no_writer_sends_end_the_trace,
						make_folder, remove_folder),
		cmocka_unit_test(memory_of_something_else_is_refused),
	};
	int r;

	program = argv[0];
	sample_init(&sample, SEED, ROUNDS, MOST);
	if (argc == 6 && strcmp(argv[1], "produce") == 0)
		r = producer_main(argv);
	else
		r = cmocka_run_group_tests(tests, NULL, NULL);
	sample_finish(&sample);
	return r;
}
