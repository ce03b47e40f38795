/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that a handler needs: read through its session, once for each path, and observed, so that
 * a recording has one truth for each.
 */
#include <errno.h>

#include "world.h"

static const struct vmt_memory_file disk[] = {
	{.path = "/map", .data = "abcdef", .len = 6},
	{.path = "/empty", .data = "", .len = 0},
	{.path = "/locked", .status = VMT_E_PERMISSION, .sys_errno = EACCES},
};

static struct vmt_memory_files files;

static int (*reads)(struct vmt_session *s);

static int create_and_read(struct vmt_session *s)
{
	int r = reads(s);

	return r < 0 ? r : watch_cpuid(s);
}

static void run_reading(struct world *w, int (*fn)(struct vmt_session *s))
{
	world_open_batch(w, 1);
	vmt_memory_files_init(&files, disk, COUNT(disk));
	w->config.files = &files.source;
	reads = fn;
	probe.create = create_and_read;
	world_run(w);
}

static void assert_read(struct vmt_session *s, const char *path, size_t max, const char *expected)
{
	const void *data = NULL;
	size_t len = 99;

	vmt_assert_ok(vmt_file_read(s, path, max, &data, &len), vmt_error_of(s));
	assert_int_equal(len, strlen(expected));
	assert_non_null(data);
	assert_memory_equal(data, expected, len);
}

static void assert_not_read(struct vmt_session *s, const char *path, size_t max,
			    enum vmt_status status)
{
	const void *data = "stale";
	size_t len = 99;

	vmt_assert_refused(vmt_file_read(s, path, max, &data, &len), vmt_error_of(s), status);
	assert_null(data);
	assert_int_equal(len, 0);
}

static int read_the_map(struct vmt_session *s)
{
	assert_read(s, "/map", 100, "abcdef");
	return 0;
}

static void a_file_is_read_whole(void **state)
{
	struct world *w = *state;

	run_reading(w, read_the_map);
	assert_int_equal(w->result, 0);
}

static const void *first_data, *second_data;

static int read_twice(struct vmt_session *s)
{
	size_t len;

	assert_int_equal(vmt_file_read(s, "/map", 100, &first_data, &len), 0);
	assert_int_equal(vmt_file_read(s, "/map", 6, &second_data, &len), 0);
	assert_int_equal(len, 6);
	return 0;
}

static void a_file_is_read_once_for_each_path(void **state)
{
	struct world *w = *state;

	run_reading(w, read_twice);
	assert_int_equal(w->result, 0);
	assert_int_equal(files.reads, 1);
	assert_ptr_equal(first_data, second_data);
}

static struct vmt_response compare_the_data(struct vmt_ctx *ctx)
{
	assert_memory_equal(first_data, "abcdef", 6);
	assert_read(vmt_session_of(ctx), "/map", 100, "abcdef");
	return vmt_skip(ctx);
}

static void compare_at_the_end(void)
{
	assert_memory_equal(first_data, "abcdef", 6);
}

static void the_data_of_a_file_is_valid_until_destroy(void **state)
{
	struct world *w = *state;

	probe.event = compare_the_data;
	probe.destroy = compare_at_the_end;
	run_reading(w, read_twice);
	assert_int_equal(w->result, 0);
	assert_int_equal(probe.events, 1);
	assert_int_equal(probe.destroys, 1);
	assert_int_equal(files.reads, 1);
}

static int read_with_limits(struct vmt_session *s)
{
	assert_not_read(s, "/map", 5, VMT_E_LIMIT);
	assert_holds(vmt_error_of(s)->text, "6 bytes");
	assert_read(s, "/map", 6, "abcdef"); /* it is no lasting verdict */
	assert_not_read(s, "/map", 0, VMT_E_LIMIT);
	return 0;
}

static void a_file_that_is_longer_than_asked_for_is_refused(void **state)
{
	struct world *w = *state;

	run_reading(w, read_with_limits);
	assert_int_equal(w->result, 0);
	assert_int_equal(files.reads, 1);
}

static int read_the_empty_one(struct vmt_session *s)
{
	const void *data;
	size_t len = 99;

	assert_int_equal(vmt_file_read(s, "/empty", 0, &data, &len), 0);
	assert_int_equal(len, 0);
	return 0;
}

static void an_empty_file_is_a_file(void **state)
{
	struct world *w = *state;

	run_reading(w, read_the_empty_one);
	assert_int_equal(w->result, 0);
	assert_int_equal(vmt_collector_file(w->seen, 0)->status, 0);
}

static int read_what_cannot_be_read(struct vmt_session *s)
{
	for (unsigned i = 0; i < 2; i++) { /* the second time from what the session keeps */
		assert_not_read(s, "/locked", 100, VMT_E_PERMISSION);
		assert_int_equal(vmt_error_of(s)->sys_errno, EACCES);
		assert_not_read(s, "/nowhere", 100, VMT_E_NOT_FOUND);
		assert_true(vmt_error_of(s)->text[0] != '\0');
	}
	return 0;
}

static void a_file_that_cannot_be_read_fails_each_time_with_its_reason(void **state)
{
	struct world *w = *state;

	run_reading(w, read_what_cannot_be_read);
	assert_int_equal(w->result, 0);
	assert_int_equal(files.reads, 2);
}

static int read_and_pass_on(struct vmt_session *s)
{
	const void *data;
	size_t len;

	return vmt_file_read(s, "/locked", 100, &data, &len);
}

static void a_handler_that_needs_a_file_can_fail_with_its_reason(void **state)
{
	struct world *w = *state;

	run_reading(w, read_and_pass_on);
	assert_int_equal(w->result, -VMT_E_PERMISSION);
	vmt_assert_ended(&w->outcome, VMT_END_CREATE_FAILED);
	assert_int_equal(w->outcome.error.sys_errno, EACCES);
	vmt_assert_clean(w->driver);
}

static int read_all_of_them(struct vmt_session *s)
{
	assert_read(s, "/map", 100, "abcdef");
	assert_not_read(s, "/locked", 100, VMT_E_PERMISSION);
	assert_read(s, "/map", 100, "abcdef");
	return 0;
}

static void observers_are_told_of_each_file_once(void **state)
{
	struct world *w = *state;
	const struct vmt_collected_file *file;

	run_reading(w, read_all_of_them);
	assert_int_equal(vmt_collector_nfiles(w->seen), 2);
	file = vmt_collector_file(w->seen, 0);
	assert_string_equal(file->path, "/map");
	assert_int_equal(file->status, 0);
	assert_int_equal(file->len, 6);
	assert_memory_equal(file->data, "abcdef", 6);
	file = vmt_collector_file(w->seen, 1);
	assert_string_equal(file->path, "/locked");
	assert_int_equal(file->status, -VMT_E_PERMISSION);
	assert_null(file->data);
}

static int read_without_a_source(struct vmt_session *s)
{
	assert_not_read(s, "/map", 100, VMT_E_NOT_SUPPORTED);
	assert_holds(vmt_error_of(s)->text, "/map");
	return watch_cpuid(s);
}

static void without_a_source_files_are_refused(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	probe.create = read_without_a_source;
	assert_int_equal(world_run(w), 0);
	/* Observers are told: a replay, which has a source, must refuse it as well. */
	assert_int_equal(vmt_collector_nfiles(w->seen), 1);
}

/* A source that fails without a word, as one of a test's own may. */
static int fails_silently(struct vmt_file_source *f, const char *path, size_t max, void **data,
			  size_t *len, struct vmt_error *err)
{
	(void)f;
	(void)path;
	(void)max;
	(void)err;
	*data = NULL;
	*len = 0;
	return -VMT_E_IO;
}

static int read_from_a_silent_source(struct vmt_session *s)
{
	assert_not_read(s, "/map", 100, VMT_E_IO);
	assert_holds(vmt_error_of(s)->place, "/map");
	assert_true(vmt_error_of(s)->text[0] != '\0');
	return watch_cpuid(s);
}

static void a_source_that_fails_silently_still_gives_a_reason(void **state)
{
	static const struct vmt_file_source_ops ops = {.read = fails_silently};
	struct vmt_file_source source = {.ops = &ops};
	struct world *w = *state;

	world_open(w, NULL);
	w->config.files = &source;
	probe.create = read_from_a_silent_source;
	assert_int_equal(world_run(w), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_file_is_read_whole),
		WORLD_TEST(a_file_is_read_once_for_each_path),
		WORLD_TEST(the_data_of_a_file_is_valid_until_destroy),
		WORLD_TEST(a_file_that_is_longer_than_asked_for_is_refused),
		WORLD_TEST(an_empty_file_is_a_file),
		WORLD_TEST(a_file_that_cannot_be_read_fails_each_time_with_its_reason),
		WORLD_TEST(a_handler_that_needs_a_file_can_fail_with_its_reason),
		WORLD_TEST(observers_are_told_of_each_file_once),
		WORLD_TEST(without_a_source_files_are_refused),
		WORLD_TEST(a_source_that_fails_silently_still_gives_a_reason),
	};

	return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
