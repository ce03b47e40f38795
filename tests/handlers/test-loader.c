/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding handlers: bundled ones by name, shared objects by path. Run with the folder of the
 * modules as its argument.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

static const char *folder;

/** Load FOLDER/@name. */
static int load(const char *name, struct vmt_loaded_handler *handler, struct vmt_error *err)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return vmt_handler_load(path, handler, err);
}

/** Make FOLDER/@name, a file that is no handler. */
static void write_file(const char *name, const char *content)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(content, file);
	assert_int_equal(fclose(file), 0);
}

/** It is refused with @status; the sentence has @word, and the place is the end of the path. */
static void assert_not_loaded(const char *name, enum vmt_status status, const char *word)
{
	struct vmt_loaded_handler handler;
	struct vmt_error err;

	vmt_assert_refused(load(name, &handler, &err), &err, status);
	assert_null(handler.ops);
	assert_null(handler.object);
	if (!strstr(err.text, word))
		fail_msg("'%s' is not in: %s", word, err.text);
	if (!strstr(err.place, name))
		fail_msg("'%s' is not in: %s", name, err.place);
}

static void bundled_handlers_are_sorted_by_name(void **state)
{
	const struct vmt_handler_ops *const *h = vmt_handlers();
	struct vmt_error err;
	size_t n = 0;

	(void)state;
	for (; h[n]; n++) {
		vmt_assert_ok(vmt_handler_check(h[n], &err), &err);
		assert_non_null(h[n]->summary);
		if (n > 0)
			assert_true(strcmp(h[n - 1]->name, h[n]->name) < 0);
	}
	assert_int_equal(n, 5);
}

static void a_name_without_slash_is_a_bundled_handler(void **state)
{
	static const char *const names[] = {"breakpoint", "cr3", "events", "pagewatch", "tiny"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vmt_loaded_handler handler;
		struct vmt_error err;

		vmt_assert_ok(vmt_handler_load(names[i], &handler, &err), &err);
		assert_string_equal(handler.ops->name, names[i]);
		assert_ptr_equal(handler.ops, vmt_handlers()[i]);
		assert_null(handler.object);
		vmt_handler_unload(&handler);
		assert_null(handler.ops);
	}
}

static void an_unknown_name_lists_those_that_there_are(void **state)
{
	static const char *const names[] = {"tin", "tiny.so", "handler.so", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vmt_loaded_handler handler;
		struct vmt_error err;

		vmt_assert_refused(vmt_handler_load(names[i], &handler, &err), &err,
				   VMT_E_NOT_FOUND);
		assert_non_null(strstr(err.text, "breakpoint, cr3, events, pagewatch, tiny"));
		assert_null(handler.ops);
	}
}

static void a_shared_object_is_loaded_and_runs(void **state)
{
	static const struct vmt_step steps[] = {VMT_INSN_CPUID(0, 0, 7, 0)};
	struct vmt_loaded_handler handler;
	struct vmt_collector *seen;
	struct vmt_outcome outcome;
	struct vmt_driver *d;
	struct vmt_error err;

	(void)state;
	vmt_assert_ok(load("good.so", &handler, &err), &err);
	assert_string_equal(handler.ops->name, "loaded");
	vmt_assert_ok(vmt_scripted_create(NULL, &d, &err), &err);
	vmt_assert_ok(vmt_scripted_play(d, steps, 1, &err), &err);
	vmt_assert_ok(vmt_collector_create(&seen, &err), &err);
	vmt_scripted_run_handler(d, handler.ops, NULL, 0, seen, &outcome);
	vmt_assert_ended(&outcome, VMT_END_GONE);
	vmt_assert_emitted(seen, 0, "seen", vmt_u64(7));
	vmt_assert_clean(d);
	vmt_collector_destroy(seen);
	vmt_driver_close(d);
	vmt_handler_unload(&handler);
}

static void the_same_object_can_be_loaded_twice(void **state)
{
	struct vmt_loaded_handler one, two;
	struct vmt_error err;

	(void)state;
	vmt_assert_ok(load("good.so", &one, &err), &err);
	vmt_assert_ok(load("good.so", &two, &err), &err);
	vmt_handler_unload(&one);
	assert_string_equal(two.ops->name, "loaded");
	vmt_handler_unload(&two);
	vmt_handler_unload(&two);
}

/* What is bundled is also what one would write outside of the tree. */
static void bundled_handlers_build_as_shared_objects_too(void **state)
{
	static const char *const names[] = {"breakpoint", "cr3", "events", "pagewatch", "tiny"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vmt_loaded_handler handler;
		struct vmt_error err;
		char file[64];

		snprintf(file, sizeof(file), "%s.so", names[i]);
		vmt_assert_ok(load(file, &handler, &err), &err);
		assert_string_equal(handler.ops->name, names[i]);
		assert_ptr_not_equal(handler.ops, vmt_handlers()[i]);
		vmt_handler_unload(&handler);
	}
}

static void what_is_not_there_cannot_be_opened(void **state)
{
	(void)state;
	assert_not_loaded("missing.so", VMT_E_NOT_FOUND, "No such file");
}

static void a_folder_is_not_a_handler(void **state)
{
	(void)state;
	assert_not_loaded("/", VMT_E_IO, "Is a directory");
}

static void a_text_is_not_a_shared_object(void **state)
{
	(void)state;
	write_file("text.so", "This is no shared object.\n");
	write_file("empty.so", "");
	assert_not_loaded("text.so", VMT_E_INVALID, "not a shared object");
	assert_not_loaded("empty.so", VMT_E_INVALID, "not a shared object");
}

static void a_broken_object_is_refused_with_the_loaders_reason(void **state)
{
	(void)state;
	write_file("broken.so", "\x7f"
				"ELF, or not");
	assert_not_loaded("broken.so", VMT_E_INVALID, "cannot be loaded");
	assert_not_loaded("unresolved.so", VMT_E_INVALID, "nobody_has_this");
}

static void an_object_without_the_symbol_is_refused(void **state)
{
	(void)state;
	assert_not_loaded("no-symbol.so", VMT_E_INVALID, "vmt_handler");
}

static void another_version_of_the_interface_is_refused(void **state)
{
	(void)state;
	assert_not_loaded("older.so", VMT_E_ABI, "interface 0, this library has 1");
	assert_not_loaded("newer.so", VMT_E_ABI, "interface 2, this library has 1");
}

static void a_table_of_another_size_is_refused(void **state)
{
	struct vmt_loaded_handler handler;
	struct vmt_error err;

	(void)state;
	assert_not_loaded("short.so", VMT_E_ABI, "bytes");
	/* Of a later version, whose table has grown: what is known is there. */
	vmt_assert_ok(load("long.so", &handler, &err), &err);
	vmt_handler_unload(&handler);
}

static void a_bad_schema_is_refused(void **state)
{
	(void)state;
	assert_not_loaded("schema.so", VMT_E_INVALID, "loaded");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundled_handlers_are_sorted_by_name),
		cmocka_unit_test(a_name_without_slash_is_a_bundled_handler),
		cmocka_unit_test(an_unknown_name_lists_those_that_there_are),
		cmocka_unit_test(a_shared_object_is_loaded_and_runs),
		cmocka_unit_test(the_same_object_can_be_loaded_twice),
		cmocka_unit_test(bundled_handlers_build_as_shared_objects_too),
		cmocka_unit_test(what_is_not_there_cannot_be_opened),
		cmocka_unit_test(a_folder_is_not_a_handler),
		cmocka_unit_test(a_text_is_not_a_shared_object),
		cmocka_unit_test(a_broken_object_is_refused_with_the_loaders_reason),
		cmocka_unit_test(an_object_without_the_symbol_is_refused),
		cmocka_unit_test(another_version_of_the_interface_is_refused),
		cmocka_unit_test(a_table_of_another_size_is_refused),
		cmocka_unit_test(a_bad_schema_is_refused),
	};

	if (argc != 2) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
