/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checks of a handler's table, and of the configuration that it comes with.
 */
#include <stdio.h>

#include "plain.h"
#include "world.h"

static struct vmt_response go_on(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static const struct vmt_handler_ops good = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "good",
	.version = "1",
	.handle_event = go_on,
};

/* Both ways to have it checked must agree. */
static void assert_refused(const struct vmt_handler_ops *ops, enum vmt_status status,
			   const char *why)
{
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = ops};
	struct vmt_session *s;
	struct vmt_error err;

	plain_init(&p, NULL, false);
	memset(&err, 0, sizeof(err));
	vmt_assert_refused(vmt_handler_check(ops, &err), &err, status);
	assert_holds(err.text, why);
	memset(&err, 0, sizeof(err));
	vmt_assert_refused(vmt_session_create(&config, &s, &err), &err, status);
	assert_holds(err.text, why);
	assert_null(s);
	assert_int_equal(p.counts[VMT_CALL_INFO], 0);
	/* The reason is for those who ask. */
	assert_int_equal(vmt_handler_check(ops, NULL), -(int)status);
	assert_int_equal(vmt_session_create(&config, &s, NULL), -(int)status);
}

static void a_small_table_is_enough(void **state)
{
	struct vmt_error err;

	(void)state;
	vmt_assert_ok(vmt_handler_check(&good, &err), &err);
}

static void a_table_without_handle_event_is_refused(void **state)
{
	struct vmt_handler_ops ops = good;

	(void)state;
	ops.handle_event = NULL;
	assert_refused(&ops, VMT_E_INVALID, "handle_event");
}

static void another_abi_version_is_refused_by_both_numbers(void **state)
{
	struct vmt_handler_ops ops = good;

	(void)state;
	ops.abi = VMT_HANDLER_ABI + 1;
	assert_refused(&ops, VMT_E_ABI, "interface 2");
	assert_refused(&ops, VMT_E_ABI, "has 1");
	ops.abi = 0;
	assert_refused(&ops, VMT_E_ABI, "interface 0");
}

/* What follows the two numbers is not looked at before they are right. */
static void of_another_abi_nothing_else_is_looked_at(void **state)
{
	struct vmt_handler_ops ops;

	(void)state;
	memset(&ops, 0x5a, sizeof(ops)); /* wild pointers */
	assert_refused(&ops, VMT_E_ABI, "interface");
	memset(&ops, 0x5a, sizeof(ops));
	ops.abi = VMT_HANDLER_ABI;
	ops.size = sizeof(ops) - 8;
	assert_refused(&ops, VMT_E_ABI, "bytes");
}

static void a_table_that_is_too_short_is_refused(void **state)
{
	struct vmt_handler_ops ops = good;

	(void)state;
	ops.size = sizeof(ops) - 1;
	assert_refused(&ops, VMT_E_ABI, "bytes");
	ops.size = 0;
	assert_refused(&ops, VMT_E_ABI, "0 bytes");
}

static void a_table_of_a_later_version_is_longer_and_is_taken(void **state)
{
	struct {
		struct vmt_handler_ops ops;
		void *later;
	} long_table = {good, NULL};
	struct vmt_error err;

	(void)state;
	long_table.ops.size = sizeof(long_table);
	vmt_assert_ok(vmt_handler_check(&long_table.ops, &err), &err);
}

static void a_handler_has_a_name_and_a_version(void **state)
{
	struct vmt_handler_ops ops = good;

	(void)state;
	ops.name = NULL;
	assert_refused(&ops, VMT_E_INVALID, "name");
	ops.name = "";
	assert_refused(&ops, VMT_E_INVALID, "name");
	ops = good;
	ops.version = NULL;
	assert_refused(&ops, VMT_E_INVALID, "version");
}

static void a_refusal_names_the_handler(void **state)
{
	struct vmt_handler_ops ops = good;

	(void)state;
	ops.handle_event = NULL;
	assert_refused(&ops, VMT_E_INVALID, "'good'");
}

/* -------------------------------------------------------------------------------------------- */
/* Schemas                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_field ok_fields[] = {{"a", VMT_U64, 0}};
static const struct vmt_field same_fields[] = {{"a", VMT_U64, 0}, {"a", VMT_TEXT, 0}};
static const struct vmt_field no_type[] = {{"a", 0, 0}};
static const struct vmt_field float_type[] = {{"a", VMT_TYPE_COUNT, 0}};
static const struct vmt_field bad_role[] = {{"a", VMT_U64, 3}};
static const struct vmt_field bad_name[] = {{"A b", VMT_U64, 0}};
static const struct vmt_field many_fields[VMT_SCHEMA_FIELDS_MAX + 1];

static void schemas_are_checked(void **state)
{
	static const struct {
		struct vmt_schema schema;
		enum vmt_status status;
	} bad[] = {
		{VMT_SCHEMA("s", same_fields), VMT_E_INVALID},
		{VMT_SCHEMA("s", no_type), VMT_E_INVALID},
		{VMT_SCHEMA("s", float_type), VMT_E_INVALID},
		{VMT_SCHEMA("s", bad_role), VMT_E_INVALID},
		{VMT_SCHEMA("s", bad_name), VMT_E_INVALID},
		{VMT_SCHEMA("S", ok_fields), VMT_E_INVALID},
		{VMT_SCHEMA("", ok_fields), VMT_E_INVALID},
		{VMT_SCHEMA(NULL, ok_fields), VMT_E_INVALID},
		{{"s", NULL, 1}, VMT_E_INVALID},
		{VMT_SCHEMA("s", many_fields), VMT_E_LIMIT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct vmt_schema *const list[] = {&bad[i].schema, NULL};
		struct vmt_handler_ops ops = good;

		ops.schemas = list;
		assert_refused(&ops, bad[i].status, "'good'");
	}
}

static void two_schemas_of_one_name_are_refused(void **state)
{
	static const struct vmt_schema a = VMT_SCHEMA("twin", ok_fields);
	static const struct vmt_schema b = VMT_SCHEMA("twin", ok_fields);
	static const struct vmt_schema *const list[] = {&a, &b, NULL};
	struct vmt_handler_ops ops = good;

	(void)state;
	ops.schemas = list;
	assert_refused(&ops, VMT_E_INVALID, "'twin'");
}

static void a_list_of_schemas_without_end_is_noticed(void **state)
{
	static struct vmt_schema schemas[300];
	static const struct vmt_schema *list[COUNT(schemas) + 1];
	static char names[COUNT(schemas)][8];
	struct vmt_handler_ops ops = good;
	struct vmt_error err;

	(void)state;
	for (size_t i = 0; i < COUNT(schemas); i++) {
		snprintf(names[i], sizeof(names[i]), "s%zu", i);
		schemas[i] = (struct vmt_schema)VMT_SCHEMA(names[i], ok_fields);
		list[i] = &schemas[i];
	}
	ops.schemas = list;
	assert_refused(&ops, VMT_E_LIMIT, "NULL");
	list[256] = NULL;
	vmt_assert_ok(vmt_handler_check(&ops, &err), &err);
}

/* -------------------------------------------------------------------------------------------- */
/* The configuration                                                                            */
/* -------------------------------------------------------------------------------------------- */

static void assert_config_refused(const struct vmt_session_config *config, enum vmt_status status,
				  const char *why)
{
	struct vmt_session *s = NULL;
	struct vmt_error err;

	vmt_assert_refused(vmt_session_create(config, &s, &err), &err, status);
	assert_holds(err.text, why);
	assert_null(s);
	assert_int_equal(vmt_session_create(config, &s, NULL), -(int)status);
}

static void a_configuration_is_checked(void **state)
{
	struct vmt_observer *observers[VMT_OBSERVERS_MAX + 1] = {NULL};
	struct plain p;
	const struct vmt_session_config good_config = {.driver = &p.base.driver, .handler = &good};
	struct vmt_session_config config = good_config;

	(void)state;
	plain_init(&p, NULL, false);
	config.driver = NULL;
	assert_config_refused(&config, VMT_E_INVALID, "driver");
	config = good_config;
	config.handler = NULL;
	assert_config_refused(&config, VMT_E_INVALID, "handler");
	config = good_config;
	config.noptions = 1;
	assert_config_refused(&config, VMT_E_INVALID, "options");
	config = good_config;
	config.nobservers = 1;
	assert_config_refused(&config, VMT_E_INVALID, "observers");
	config.observers = observers;
	config.nobservers = VMT_OBSERVERS_MAX + 1;
	assert_config_refused(&config, VMT_E_LIMIT, "at most 8");
	config = good_config;
	config.timeout_ms = -2;
	assert_config_refused(&config, VMT_E_INVALID, "timeout_ms");
	config = good_config;
	config.settle_ms = -1;
	assert_config_refused(&config, VMT_E_INVALID, "settle_ms");
	assert_int_equal(p.counts[VMT_CALL_INFO], 0);
}

static void destroying_no_session_is_allowed(void **state)
{
	(void)state;
	vmt_session_destroy(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_table_is_enough),
		cmocka_unit_test(a_table_without_handle_event_is_refused),
		cmocka_unit_test(another_abi_version_is_refused_by_both_numbers),
		cmocka_unit_test(of_another_abi_nothing_else_is_looked_at),
		cmocka_unit_test(a_table_that_is_too_short_is_refused),
		cmocka_unit_test(a_table_of_a_later_version_is_longer_and_is_taken),
		cmocka_unit_test(a_handler_has_a_name_and_a_version),
		cmocka_unit_test(a_refusal_names_the_handler),
		cmocka_unit_test(schemas_are_checked),
		cmocka_unit_test(two_schemas_of_one_name_are_refused),
		cmocka_unit_test(a_list_of_schemas_without_end_is_noticed),
		cmocka_unit_test(a_configuration_is_checked),
		cmocka_unit_test(destroying_no_session_is_allowed),
	};

	return cmocka_run_group_tests_name("handler table", tests, NULL, NULL);
}
