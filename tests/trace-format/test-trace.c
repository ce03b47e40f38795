/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole traces: what was appended is read again, from files and pipes, in order and by seeking.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"
#include "trace-format/reader.h"

#define SAMPLE_MOST 400

/** Read all of @fd; each record is what was appended, and the trace is complete. */
static void read_and_compare(int fd, const struct sample *sample,
			     const struct vmt_trace_digests *digests)
{
	const struct vmt_trace_reader_options options = {.digests = true};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_state st;
	struct vmt_error err = {0};
	size_t n = 0;
	int more;

	assert_int_equal(vmt_trace_reader_open_fd(fd, &options, &reader, &err), 0);
	while ((more = vmt_trace_reader_next(reader, &record, &err)) == 1) {
		const char *differs = sample_compare(sample, reader, &record);

		if (differs != NULL)
			fail_msg("record %zu (%s): %s", n, vmt_trace_kind_name(record.kind),
				 differs);
		assert_int_equal(record.position, n);
		n++;
	}
	assert_int_equal(more, 0);
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 0);
	assert_int_equal(n, sample->n + 1);
	vmt_trace_reader_state(reader, &st);
	assert_true(st.ended && st.footer && st.at_end && !st.damaged);
	assert_true(st.digests.known);
	assert_memory_equal(st.digests.behaviour, digests->behaviour, 16);
	assert_memory_equal(st.digests.record, digests->record, 16);
	vmt_trace_reader_close(reader);
}

static void write_to(int fd, const struct sample *sample,
		     const struct vmt_trace_writer_options *options,
		     struct vmt_trace_summary *summary)
{
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};

	assert_int_equal(vmt_trace_writer_open_fd(fd, options, &writer, &err), 0);
	sample_write(sample, writer);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, "over", summary, &err),
			 0);
	assert_int_equal(summary->records, sample->n);
}

static void a_trace_is_read_as_it_was_written(void **state)
{
	static const struct vmt_trace_writer_options ways[] = {
		{.same_thread = true},
		{.same_thread = true, .chunk_bytes = 2000},
		{.same_thread = true, .chunk_bytes = 3000, .epoch_bytes = 50000},
		{.same_thread = true, .level = -1, .chunk_bytes = 1},
		{.ring_bytes = 1, .chunk_bytes = 30000, .epoch_bytes = 300000},
		{.chunk_ms = 1, .level = 3},
	};
	struct vmt_trace_digests first = {0};
	struct sample sample;

	(void)state;
	sample_init(&sample, 11, 20, SAMPLE_MOST);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const int fd = memory_file("", 0);
		struct vmt_trace_summary summary;

		write_to(fd, &sample, &ways[i], &summary);
		read_and_compare(fd, &sample, &summary.digests);
		/* However chunks and epochs are cut: the digests are those of the records. */
		if (i == 0)
			first = summary.digests;
		assert_memory_equal(&first, &summary.digests, sizeof(first));
		close(fd);
	}
	sample_finish(&sample);
}

static void a_record_larger_than_ring_and_chunk_passes(void **state)
{
	struct vmt_trace_writer_options options = {.ring_bytes = 1, .chunk_bytes = 4096};
	const size_t len = VMT_TRACE_FILE_PART;
	uint8_t *bytes = malloc(len);
	struct vmt_trace_file_data data = {1, 0, bytes, (uint32_t)len};
	struct vmt_trace_record record = {.kind = VMT_TRACE_FILE_DATA, .body = &data};
	struct vmt_trace_writer *writer;
	struct vmt_trace_reader *reader;
	struct vmt_error err = {0};
	const int fd = memory_file("", 0);
	struct sample sample;

	(void)state;
	sample_init(&sample, 12, 0, 20);
	record.callback = sample.records[0].callback;
	assert_non_null(bytes);
	memset(bytes, 0x5a, len);
	assert_int_equal(vmt_trace_writer_open_fd(fd, &options, &writer, &err), 0);
	sample_write(&sample, writer);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(vmt_trace_writer_append(writer, &record, &err), 0);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), 0);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), 0);
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
	for (unsigned i = 0; i < 5; i++) {
		const struct vmt_trace_file_data *got;

		assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
		got = record.body;
		assert_int_equal(got->len, len);
		assert_memory_equal(got->data, data.data, len);
	}
	vmt_trace_reader_close(reader);
	sample_finish(&sample);
	free(bytes);
	close(fd);
}

struct pipe_writer {
	int fd;
	const struct sample *sample;
	struct vmt_trace_summary summary;
};

static void *write_to_pipe(void *context)
{
	const struct vmt_trace_writer_options options = {.chunk_bytes = 5000, .epoch_bytes = 90000};
	struct pipe_writer *w = context;

	write_to(w->fd, w->sample, &options, &w->summary);
	close(w->fd);
	return NULL;
}

static void a_trace_goes_through_a_pipe(void **state)
{
	struct pipe_writer w = {0};
	struct sample sample;
	pthread_t thread;
	int fds[2];

	(void)state;
	sample_init(&sample, 13, 20, SAMPLE_MOST);
	/* The digests are needed before reading begins; writing twice gives the same. */
	w.sample = &sample;
	w.fd = open("/dev/null", O_WRONLY);
	write_to_pipe(&w);
	assert_int_equal(pipe(fds), 0);
	w.fd = fds[1];
	assert_int_equal(pthread_create(&thread, NULL, write_to_pipe, &w), 0);
	read_and_compare(fds[0], &sample, &w.summary.digests);
	pthread_join(thread, NULL);
	close(fds[0]);
	sample_finish(&sample);
}

static void a_closed_pipe_is_an_error_and_no_signal(void **state)
{
	for (int same_thread = 0; same_thread < 2; same_thread++) {
		const struct vmt_trace_writer_options options = {.same_thread = same_thread != 0};
		struct vmt_trace_writer *writer;
		struct vmt_error err = {0};
		struct sample sample;
		int fds[2];

		(void)state;
		sample_init(&sample, 14, 1, 50);
		assert_int_equal(pipe(fds), 0);
		assert_int_equal(vmt_trace_writer_open_fd(fds[1], &options, &writer, &err), 0);
		close(fds[0]);
		sample_write(&sample, writer);
		assert_int_equal(vmt_trace_writer_flush(writer, &err), -VMT_E_IO);
		assert_int_equal(vmt_trace_writer_append(writer, &sample.records[sample.n - 1],
							 &err),
				 -VMT_E_IO);
		assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL,
							&err),
				 -VMT_E_IO);
		close(fds[1]);
		sample_finish(&sample);
	}
}

/** Seek to places at random and see that the right record comes, with its page. */
static void seek_around(const struct sample *sample, struct vmt_trace_reader *reader)
{
	const struct vmt_trace_record *last = &sample->records[sample->n - 1];
	struct rng rng = {5};
	struct vmt_error err = {0};

	for (unsigned i = 0; i < 300; i++) {
		const bool by_event = rng_below(&rng, 2) != 0;
		const uint64_t number = rng_below(&rng, by_event ? last->event : last->callback);
		struct vmt_trace_record record;
		const char *differs;
		size_t want = 0;

		while (by_event ? sample->records[want].kind != VMT_TRACE_EVENT ||
					  sample->records[want].event != number
				: sample->records[want].callback < number)
			want++;
		if (by_event)
			assert_int_equal(vmt_trace_reader_seek_event(reader, number, &err), 0);
		else
			assert_int_equal(vmt_trace_reader_seek_callback(reader, number, &err), 0);
		for (unsigned more = 0; more < 10 && want < sample->n; more++, want++) {
			assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
			assert_int_equal(record.position, want);
			differs = sample_compare(sample, reader, &record);
			if (differs != NULL)
				fail_msg("record %zu: %s", want, differs);
		}
	}
	assert_int_equal(vmt_trace_reader_seek_callback(reader, last->callback + 1, &err),
			 -VMT_E_NOT_FOUND);
	assert_int_equal(vmt_trace_reader_seek_event(reader, last->event + 1, &err),
			 -VMT_E_NOT_FOUND);
}

static void seeking_finds_each_place_with_and_without_an_index(void **state)
{
	const struct vmt_trace_writer_options options = {
		.same_thread = true, .chunk_bytes = 3000, .epoch_bytes = 60000};
	struct sample sample;
	uint8_t *trace;
	size_t len;

	(void)state;
	sample_init(&sample, 15, 25, 200);
	trace = sample_trace(&sample, &options, &len);
	/* Whole, without its footer, and with a byte of its index changed. */
	for (unsigned way = 0; way < 3; way++) {
		const size_t size = way == 1 ? len - 20 : len;
		struct vmt_trace_reader *reader;
		int fd;

		if (way == 2)
			trace[len - 60] ^= 1;
		fd = memory_file(trace, size);
		assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, NULL), 0);
		seek_around(&sample, reader);
		vmt_trace_reader_close(reader);
		close(fd);
	}
	free(trace);
	sample_finish(&sample);
}

static void seeking_unpacks_a_chunk_and_no_more(void **state)
{
	const struct vmt_trace_writer_options options = {.same_thread = true, .chunk_bytes = 2000};
	const struct vmt_trace_meta meta = {.tool = "test"};
	struct vmt_trace_event body = {.event = {.reason = VMT_EVENT_HYPERCALL}};
	struct vmt_trace_record record = {.kind = VMT_TRACE_META, .body = &meta};
	const int fd = memory_file("", 0);
	const uint64_t events = 30000;
	struct rng rng = {18};
	struct vmt_trace_writer *writer;
	struct vmt_trace_reader *reader;
	uint64_t before;

	(void)state;
	assert_int_equal(vmt_trace_writer_open_fd(fd, &options, &writer, NULL), 0);
	assert_int_equal(vmt_trace_writer_append(writer, &record, NULL), 0);
	record.kind = VMT_TRACE_EVENT;
	record.body = &body;
	for (uint64_t n = 0; n < events; n++) {
		body.event.ticket = n;
		record.callback = n;
		assert_int_equal(vmt_trace_writer_append(writer, &record, NULL), 0);
	}
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL), 0);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, NULL), 0);
	/* The index is read once. */
	assert_int_equal(vmt_trace_reader_seek_event(reader, 0, NULL), 0);
	assert_true(reader->nindex > 100);
	for (unsigned i = 0; i < 300; i++) {
		const uint64_t n = rng_below(&rng, events);

		before = reader->unpacked;
		assert_int_equal(i % 2 == 0 ? vmt_trace_reader_seek_event(reader, n, NULL)
					    : vmt_trace_reader_seek_callback(reader, n, NULL),
				 0);
		assert_int_equal(vmt_trace_reader_next(reader, &record, NULL), 1);
		assert_int_equal(((const struct vmt_trace_event *)record.body)->event.ticket, n);
		/* A callback that begins a chunk is looked for in the one before, too. */
		assert_true(reader->unpacked - before <= (i % 2 == 0 ? 1 : 2));
	}
	vmt_trace_reader_close(reader);
	close(fd);
}

static void a_file_has_its_name_only_when_it_is_complete(void **state)
{
	char folder[] = "/tmp/vmt-trace-XXXXXX";
	char path[64];
	char partial[80];
	struct vmt_trace_writer *writer;
	struct vmt_trace_writer *second;
	struct vmt_error err = {0};
	struct sample sample;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/x.vmt", folder);
	snprintf(partial, sizeof(partial), "%s.partial", path);
	sample_init(&sample, 16, 1, 50);
	umask(0);

	assert_int_equal(vmt_trace_writer_open(path, NULL, &writer, &err), 0);
	assert_int_equal(vmt_trace_writer_open(path, NULL, &second, &err), -VMT_E_BUSY);
	sample_write(&sample, writer);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(stat(partial, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	vmt_trace_writer_abandon(writer);
	assert_int_equal(stat(path, &st), -1);

	/* What an earlier recording left is written over. */
	assert_int_equal(vmt_trace_writer_open(path, NULL, &writer, &err), 0);
	sample_write(&sample, writer);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(stat(partial, &st), -1);

	assert_int_equal(vmt_trace_writer_open(path, NULL, &writer, &err), -VMT_E_EXISTS);
	assert_non_null(strstr(err.text, "replace"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	sample_finish(&sample);
}

static void a_writer_refuses_what_no_reader_would_take(void **state)
{
	const int fd = memory_file("", 0);
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	struct vmt_trace_record record;
	struct sample sample;

	(void)state;
	sample_init(&sample, 17, 1, 50);
	assert_int_equal(vmt_trace_writer_open_fd(fd, NULL, &writer, &err), 0);
	assert_int_equal(vmt_trace_writer_append(writer, &sample.records[1], &err), -VMT_E_INVALID);
	record = sample.records[0];
	record.callback = 5;
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), 0);
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_INVALID);
	record = (struct vmt_trace_record){.kind = VMT_TRACE_BEGIN, .callback = 4};
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_INVALID);
	record.callback = 5;
	record.phase = 6;
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_INVALID);
	record.phase = 5;
	record.page = "";
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_INVALID);
	record.page = NULL;
	record.kind = VMT_TRACE_END;
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_INVALID);
	record.kind = VMT_TRACE_BEGIN;
	record.callback = UINT64_MAX - 1;
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_INVALID);
	vmt_trace_writer_abandon(writer);
	sample_finish(&sample);
	close(fd);
}

static void more_values_than_a_record_takes_are_refused_and_the_trace_goes_on(void **state)
{
	const struct vmt_trace_meta meta = {.tool = "test"};
	const int fd = memory_file("", 0);
	struct vmt_value values[VMT_SCHEMA_FIELDS_MAX];
	struct vmt_trace_emission emission = {0, values, VMT_SCHEMA_FIELDS_MAX};
	struct vmt_trace_record record = {.kind = VMT_TRACE_META, .body = &meta};
	char *large = calloc(1, VMT_VALUE_MAX);
	struct vmt_trace_writer *writer;
	struct vmt_trace_reader *reader;
	struct vmt_error err = {0};

	(void)state;
	assert_non_null(large);
	for (unsigned i = 0; i < VMT_SCHEMA_FIELDS_MAX; i++)
		values[i] = vmt_bytes(large, VMT_VALUE_MAX);
	assert_int_equal(vmt_trace_writer_open_fd(fd, NULL, &writer, &err), 0);
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), 0);
	record.kind = VMT_TRACE_EMISSION;
	record.body = &emission;
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), -VMT_E_LIMIT);
	assert_string_equal(err.place, "emission");
	assert_non_null(strstr(err.text, "longer than 16 MiB"));
	emission.nvalues = 15; /* that many fit */
	assert_int_equal(vmt_trace_writer_append(writer, &record, &err), 0);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), 0);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), 0);
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
	assert_int_equal(((const struct vmt_trace_emission *)record.body)->nvalues, 15);
	vmt_trace_reader_close(reader);
	free(large);
	close(fd);
}

static void an_answer_without_data_is_read_without_data(void **state)
{
	const struct vmt_trace_meta meta = {.tool = "test"};
	const struct vmt_response response = vmt_respond(VMT_CONTINUE);
	const struct vmt_trace_callback_end end = {VMT_CALLBACK_EVENT, 0, &response};
	const int fd = memory_file("", 0);
	const struct vmt_trace_callback_end *got;
	struct vmt_trace_record record = {.kind = VMT_TRACE_META, .body = &meta};
	struct vmt_trace_writer *writer;
	struct vmt_trace_reader *reader;

	(void)state;
	assert_int_equal(vmt_trace_writer_open_fd(fd, NULL, &writer, NULL), 0);
	assert_int_equal(vmt_trace_writer_append(writer, &record, NULL), 0);
	record.kind = VMT_TRACE_CALLBACK_END;
	record.body = &end;
	assert_int_equal(vmt_trace_writer_append(writer, &record, NULL), 0);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL), 0);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, NULL), 0);
	assert_int_equal(vmt_trace_reader_next(reader, &record, NULL), 1);
	assert_int_equal(vmt_trace_reader_next(reader, &record, NULL), 1);
	got = record.body;
	assert_int_equal(got->response->data_len, 0);
	assert_null(got->response->data);
	vmt_trace_reader_close(reader);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_is_read_as_it_was_written),
		cmocka_unit_test(a_record_larger_than_ring_and_chunk_passes),
		cmocka_unit_test(a_trace_goes_through_a_pipe),
		cmocka_unit_test(a_closed_pipe_is_an_error_and_no_signal),
		cmocka_unit_test(seeking_finds_each_place_with_and_without_an_index),
		cmocka_unit_test(seeking_unpacks_a_chunk_and_no_more),
		cmocka_unit_test(a_file_has_its_name_only_when_it_is_complete),
		cmocka_unit_test(a_writer_refuses_what_no_reader_would_take),
		cmocka_unit_test(more_values_than_a_record_takes_are_refused_and_the_trace_goes_on),
		cmocka_unit_test(an_answer_without_data_is_read_without_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
