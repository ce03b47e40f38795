/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writers in trouble: killed, on a full disk, with short and interrupted writes. What is on the disk
 * then is readable up to its last whole chunk, and not called complete.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "trace-format/writer.h"

static const char folder_pattern[] = "/tmp/vmt-trouble-XXXXXX";
static char folder[sizeof(folder_pattern)];
static char path[64];
static char partial[80];

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

/** Read what is at @name; each record is the sample's next. Returns how many there are. */
static size_t read_start(const char *name, const struct sample *sample, bool *is_complete)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_state st;
	struct vmt_error err = {0};
	size_t n = 0;
	int r = vmt_trace_reader_open(name, NULL, &reader, &err);

	*is_complete = false;
	if (r < 0) {
		/* Killed before it wrote anything. */
		assert_int_equal(r, -VMT_E_DAMAGED);
		return 0;
	}
	while ((r = vmt_trace_reader_next(reader, &record, &err)) == 1) {
		const char *differs = sample_compare(sample, reader, &record);

		if (differs != NULL)
			fail_msg("record %zu: %s", n, differs);
		assert_int_equal(record.position, n);
		n++;
	}
	assert_int_equal(r, 0);
	vmt_trace_reader_state(reader, &st);
	*is_complete = st.ended && st.footer && !st.damaged;
	vmt_trace_reader_close(reader);
	return n;
}

/** How many records can be read at @name; those of @sample are the first ones. */
static size_t read_some(const char *name, const struct sample *sample, bool *is_complete)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_state st;
	size_t n = 0;

	*is_complete = true;
	if (vmt_trace_reader_open(name, NULL, &reader, NULL) < 0)
		return 0;
	while (vmt_trace_reader_next(reader, &record, NULL) == 1) {
		if (n < sample->n && sample_compare(sample, reader, &record) != NULL)
			break;
		n++;
	}
	vmt_trace_reader_state(reader, &st);
	*is_complete = st.ended && st.footer && !st.damaged;
	vmt_trace_reader_close(reader);
	return n;
}

static void a_killed_writer_leaves_a_readable_start(void **state)
{
	const struct vmt_trace_writer_options options = {
		.chunk_bytes = 2000, .ring_bytes = 1, .chunk_ms = 1, .replace = true};
	struct rng rng = {31};
	struct sample sample;
	size_t some = 0;
	size_t whole = 0;

	(void)state;
	sample_init(&sample, 32, 30, 100);
	for (unsigned round = 0; round < 200; round++) {
		struct timespec pause = {0, (long)rng_below(&rng, 30000000)};
		bool is_complete;
		const pid_t child = fork();
		size_t n;
		int status;

		if (child == 0) {
			struct vmt_trace_writer *writer;

			if (vmt_trace_writer_open(path, &options, &writer, NULL) < 0)
				_exit(1);
			for (size_t i = 0; i < sample.n; i++)
				if (vmt_trace_writer_append(writer, &sample.records[i], NULL) < 0)
					_exit(1);
			if (vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL) <
			    0)
				_exit(1);
			_exit(0);
		}
		assert_true(child > 0);
		nanosleep(&pause, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		if (access(path, F_OK) == 0) {
			/* It had its name: then it is whole, whenever the signal came. */
			n = read_start(path, &sample, &is_complete);
			assert_true(is_complete);
			assert_int_equal(n, sample.n + 1);
			assert_int_equal(unlink(path), 0);
			whole++;
		} else if (access(partial, F_OK) == 0) {
			n = read_start(partial, &sample, &is_complete);
			/* Killed between the footer and the name, it may be whole. */
			assert_true(!is_complete || n == sample.n + 1);
			some += n > 0 && !is_complete;
		}
	}
	/* The moments were spread over the whole of it. */
	assert_true(some > 20);
	sample_finish(&sample);
}

/* A disk with a limit, which takes odd numbers of bytes and is interrupted now and then. */
static size_t disk_left;
static int disk_errno;
static unsigned disk_writes;

static ssize_t odd_write(int fd, const void *p, size_t len)
{
	size_t n = len < 777 ? len : 777;

	if (++disk_writes % 3 == 0) {
		errno = EINTR;
		return -1;
	}
	if (disk_left == 0) {
		errno = disk_errno;
		return -1;
	}
	n = n < disk_left ? n : disk_left;
	disk_left -= n;
	return write(fd, p, n);
}

static int no_sync(int fd)
{
	(void)fd;
	return 0;
}

static int failing_sync(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

static const struct vmt_output_ops odd_disk = {odd_write, no_sync};
static const struct vmt_output_ops bad_sync = {write, failing_sync};

static void short_and_interrupted_writes_lose_nothing(void **state)
{
	const struct vmt_trace_writer_options options = {.same_thread = true, .chunk_bytes = 5000};
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	struct sample sample;
	bool is_complete;

	(void)state;
	sample_init(&sample, 33, 10, 100);
	disk_left = SIZE_MAX;
	assert_int_equal(
		vmt_trace_writer_open_with(path, -1, &options, &odd_disk, NULL, &writer, &err), 0);
	sample_write(&sample, writer);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), 0);
	assert_int_equal(read_start(path, &sample, &is_complete), sample.n + 1);
	assert_true(is_complete);
	sample_finish(&sample);
}

/** Append until it fails, then close; the error names the cause each time. */
static void write_until_full(const struct sample *sample, struct vmt_trace_writer *writer,
			     const char *says)
{
	struct vmt_error err = {0};
	size_t i = 0;

	while (i < sample->n && vmt_trace_writer_append(writer, &sample->records[i], &err) == 0)
		i++;
	memset(&err, 0, sizeof(err));
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err),
			 -VMT_E_IO);
	if (strstr(err.text, says) == NULL)
		fail_msg("%s", err.text);
}

static void a_full_disk_leaves_whole_chunks_and_says_why(void **state)
{
	struct sample sample;
	struct rng rng = {34};
	size_t last = 0;

	(void)state;
	sample_init(&sample, 35, 10, 100);
	for (unsigned round = 0; round < 60; round++) {
		const struct vmt_trace_writer_options options = {.same_thread = round % 2 == 0,
								 .chunk_bytes = 3000};
		struct vmt_trace_writer *writer;
		struct vmt_error err = {0};
		bool is_complete;
		size_t n;

		disk_left = 32 + rng_below(&rng, 12000);
		disk_errno = ENOSPC;
		assert_int_equal(vmt_trace_writer_open_with(path, -1, &options, &odd_disk, NULL,
							    &writer, &err),
				 0);
		write_until_full(&sample, writer, "No space left");
		assert_int_equal(access(path, F_OK), -1);
		n = read_start(partial, &sample, &is_complete);
		assert_false(is_complete);
		assert_true(n < sample.n);
		last = n > last ? n : last;
	}
	assert_true(last > 50);
	sample_finish(&sample);
}

static void a_file_size_limit_is_met_in_order(void **state)
{
	const struct vmt_trace_writer_options options = {.chunk_bytes = 3000, .ring_bytes = 1};
	struct sample sample;
	bool is_complete;
	int status;
	pid_t child;

	(void)state;
	sample_init(&sample, 36, 20, 100);
	child = fork();
	if (child == 0) {
		const struct rlimit limit = {20000, 20000};
		struct vmt_trace_writer *writer;
		int r = 0;

		(void)signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0 ||
		    vmt_trace_writer_open(path, &options, &writer, NULL) < 0)
			_exit(1);
		for (size_t i = 0; r == 0 && i < sample.n; i++)
			r = vmt_trace_writer_append(writer, &sample.records[i], NULL);
		r = vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL);
		_exit(r == -VMT_E_IO ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_true(read_start(partial, &sample, &is_complete) > 50);
	assert_false(is_complete);
	sample_finish(&sample);
}

/** In a mount of its own: fill a file system of 128 KiB. What the child found is its status. */
static int fill_file_system(const struct sample *sample)
{
	const struct vmt_trace_writer_options options = {.chunk_bytes = 3000, .ring_bytes = 1};
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	bool is_complete;
	int r = 0;

	if ((unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, "size=128k") < 0)
		return 77;
	if (vmt_trace_writer_open(path, &options, &writer, &err) < 0)
		return 1;
	for (unsigned round = 0; r == 0 && round < 100; round++)
		for (size_t i = round > 0; r == 0 && i < sample->n; i++) {
			struct vmt_trace_record record = sample->records[i];

			record.callback += round * sample->records[sample->n - 1].callback;
			r = vmt_trace_writer_append(writer, &record, &err);
		}
	if (r != -VMT_E_IO || err.sys_errno != ENOSPC)
		return 2;
	if (vmt_trace_writer_close(writer, VMT_TRACE_END_SPACE, NULL, NULL, &err) != -VMT_E_IO)
		return 3;
	if (access(path, F_OK) == 0)
		return 4;
	/* The first round is the sample; it is smaller than the file system. */
	return read_some(partial, sample, &is_complete) >= sample->n && !is_complete ? 0 : 5;
}

static void a_full_file_system_ends_in_a_readable_trace(void **state)
{
	struct sample sample;
	int status;
	pid_t child;

	(void)state;
	sample_init(&sample, 38, 5, 100);
	child = fork();
	if (child == 0)
		_exit(fill_file_system(&sample));
	assert_int_equal(waitpid(child, &status, 0), child);
	sample_finish(&sample);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* Nothing may be mounted here. */
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_folder_that_may_not_be_written_to_is_an_error_at_once(void **state)
{
	int status;
	pid_t child;

	(void)state;
	assert_int_equal(chmod(folder, 0555), 0);
	child = fork();
	if (child == 0) {
		struct vmt_trace_writer *writer;
		struct vmt_error err = {0};

		/* Nothing is forbidden to root. */
		if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
			_exit(1);
		if (vmt_trace_writer_open(path, NULL, &writer, &err) != -VMT_E_PERMISSION)
			_exit(2);
		_exit(err.sys_errno == EACCES && strcmp(err.place, partial) == 0 ? 0 : 3);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(chmod(folder, 0755), 0);
}

static void a_disk_that_fails_at_the_end_keeps_the_partial_name(void **state)
{
	const struct vmt_trace_writer_options options = {.same_thread = true};
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	struct sample sample;

	(void)state;
	sample_init(&sample, 37, 1, 100);
	assert_int_equal(
		vmt_trace_writer_open_with(path, -1, &options, &bad_sync, NULL, &writer, &err), 0);
	sample_write(&sample, writer);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err),
			 -VMT_E_IO);
	assert_int_equal(err.sys_errno, EIO);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(access(partial, F_OK), 0);
	sample_finish(&sample);
}

static void a_folder_that_is_not_there_is_an_error_at_once(void **state)
{
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};

	(void)state;
	assert_true(vmt_trace_writer_open("/nonexistent/x.vmt", NULL, &writer, &err) < 0);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_string_equal(err.place, "/nonexistent/x.vmt.partial");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_killed_writer_leaves_a_readable_start,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(short_and_interrupted_writes_lose_nothing,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_full_disk_leaves_whole_chunks_and_says_why,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_file_size_limit_is_met_in_order, make_folder,
						remove_folder),
		cmocka_unit_test_setup_teardown(a_full_file_system_ends_in_a_readable_trace,
						make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(
			a_folder_that_may_not_be_written_to_is_an_error_at_once, make_folder,
			remove_folder),
		cmocka_unit_test_setup_teardown(a_disk_that_fails_at_the_end_keeps_the_partial_name,
						make_folder, remove_folder),
		cmocka_unit_test(a_folder_that_is_not_there_is_an_error_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
