/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler's options: declared with a type and a default, given as text, checked when the session
 * is made.
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

static struct vmt_handler_ops handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "choosy",
	.version = "1",
	.handle_event = go_on,
};

static const struct vmt_option_decl of_each_type[] = {
	{"text", VMT_OPTION_TEXT, 0, NULL, "some text"},
	{"number", VMT_OPTION_U64, 0, NULL, "a number"},
	{"switch", VMT_OPTION_BOOL, 0, NULL, "on or off"},
	{"text-default", VMT_OPTION_TEXT, 0, "as it is", "some text"},
	{"number-default", VMT_OPTION_U64, 0, "0x10", "a number"},
	{"switch-default", VMT_OPTION_BOOL, 0, "yes", "on or off"},
	{NULL, 0, 0, NULL, NULL},
};

static struct plain driver;
static char nothing;
static struct vmt_session *session;
static struct vmt_error err;

/* Make a session with these declarations and options; the result is create's. */
static int make(const struct vmt_option_decl *decls, const struct vmt_option *options, size_t n)
{
	struct vmt_session_config config = {.driver = &driver.base.driver,
					    .handler = &handler,
					    .options = options,
					    .noptions = n};

	vmt_session_destroy(session);
	session = (struct vmt_session *)&nothing; /* create must set it in any case */
	plain_init(&driver, NULL, false);
	handler.options = decls;
	memset(&err, 0, sizeof(err));
	return vmt_session_create(&config, &session, &err);
}

static int finish(void **state)
{
	(void)state;
	vmt_session_destroy(session);
	session = NULL;
	return 0;
}

/* With one option. */
static int make_with(const char *name, const char *value)
{
	const struct vmt_option option = {name, value};

	return make(of_each_type, &option, 1);
}

static void assert_made(int r)
{
	vmt_assert_ok(r, &err);
	assert_non_null(session);
}

static void assert_refused(int r, const char *why)
{
	assert_int_equal(r, -VMT_E_INVALID);
	assert_int_equal(err.status, VMT_E_INVALID);
	assert_null(session);
	assert_holds(err.text, why);
	assert_int_equal(driver.counts[VMT_CALL_INFO], 0); /* nothing was asked of the domain */
}

/* -------------------------------------------------------------------------------------------- */
/* Values                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void an_option_has_the_value_that_was_given(void **state)
{
	const struct vmt_option given[] = {{"switch", "true"}, {"text", "a=b c"}, {"number", "42"}};

	(void)state;
	assert_made(make(of_each_type, given, COUNT(given)));
	assert_string_equal(vmt_option(session, "text"), "a=b c");
	assert_string_equal(vmt_option(session, "number"), "42");
	assert_int_equal(vmt_option_u64(session, "number"), 42);
	assert_true(vmt_option_bool(session, "switch"));
}

static void an_option_that_was_not_given_has_its_default(void **state)
{
	(void)state;
	assert_made(make(of_each_type, NULL, 0));
	assert_string_equal(vmt_option(session, "text-default"), "as it is");
	assert_string_equal(vmt_option(session, "number-default"), "0x10");
	assert_int_equal(vmt_option_u64(session, "number-default"), 16);
	assert_true(vmt_option_bool(session, "switch-default"));
}

static void a_value_that_was_given_goes_before_the_default(void **state)
{
	const struct vmt_option given[] = {{"switch-default", "no"}, {"number-default", "7"}};

	(void)state;
	assert_made(make(of_each_type, given, COUNT(given)));
	assert_false(vmt_option_bool(session, "switch-default"));
	assert_int_equal(vmt_option_u64(session, "number-default"), 7);
}

static void an_option_without_a_value_is_null_and_zero(void **state)
{
	static const char *const names[] = {"text", "number", "switch", "undeclared"};

	(void)state;
	assert_made(make(of_each_type, NULL, 0));
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_null(vmt_option(session, names[i]));
		assert_int_equal(vmt_option_u64(session, names[i]), 0);
		assert_false(vmt_option_bool(session, names[i]));
	}
}

static void an_empty_text_is_a_value(void **state)
{
	(void)state;
	assert_made(make_with("text", ""));
	assert_string_equal(vmt_option(session, "text"), "");
}

static void numbers_are_decimal_or_hexadecimal_with_0x(void **state)
{
	static const struct {
		const char *text;
		uint64_t number;
	} good[] = {
		{"0", 0},
		{"007", 7}, /* not octal */
		{"010", 10},
		{"18446744073709551615", UINT64_MAX},
		{"0x0", 0},
		{"0X1f", 0x1f},
		{"0xffffffffffffffff", UINT64_MAX},
		{"0xDeadBeef", 0xdeadbeef},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_made(make_with("number", good[i].text));
		assert_int_equal(vmt_option_u64(session, "number"), good[i].number);
	}
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"0x",
		"0x ",
		"x10",
		"1x",
		"ten",
		"0x-1",
		"0x+1",
		"0x 1",
		"0x0x5",
		"1e3",
		"1.0",
		"1_000",
		"0b1",
		"abc",
		"18446744073709551616",
		"0x10000000000000000",
		"0xg",
		"99999999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		const int r = make_with("number", bad[i]);

		if (r != -VMT_E_INVALID)
			fail_msg("'%s' is taken as a number", bad[i]);
		assert_refused(r, "number=");
		assert_holds(err.text, "a number");
	}
}

static void switches_are_yes_no_true_false_1_or_0(void **state)
{
	static const struct {
		const char *text;
		bool on;
	} good[] = {
		{"yes", true},    {"no", false}, {"true", true},
		{"false", false}, {"1", true},   {"0", false},
	};
	static const char *const bad[] = {"", "Yes", "on", "off", "2", "y", "yes ", "truely"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		assert_made(make_with("switch", good[i].text));
		assert_int_equal(vmt_option_bool(session, "switch"), good[i].on);
	}
	for (size_t i = 0; i < COUNT(bad); i++) {
		assert_refused(make_with("switch", bad[i]), "switch=");
		assert_holds(err.text, "yes, no");
	}
}

/* -------------------------------------------------------------------------------------------- */
/* What is given                                                                                */
/* -------------------------------------------------------------------------------------------- */

static void an_unknown_option_is_refused_with_those_that_there_are(void **state)
{
	(void)state;
	assert_refused(make_with("tekst", "x"), "'tekst'");
	assert_holds(err.text, "text, number, switch");
	assert_holds(err.text, "'choosy'");
}

static void a_handler_without_options_takes_none(void **state)
{
	const struct vmt_option option = {"any", "x"};

	(void)state;
	assert_refused(make(NULL, &option, 1), "'any'");
	assert_holds(err.text, "none");
}

static void an_option_given_twice_is_refused(void **state)
{
	const struct vmt_option given[] = {{"text", "a"}, {"number", "1"}, {"text", "a"}};

	(void)state;
	assert_refused(make(of_each_type, given, COUNT(given)), "'text' is given twice");
}

static void an_option_that_is_required_and_not_given_is_refused(void **state)
{
	static const struct vmt_option_decl decls[] = {
		{"kernel", VMT_OPTION_TEXT, 1, NULL, "the kernel's file"},
		{NULL, 0, 0, NULL, NULL},
	};
	const struct vmt_option option = {"kernel", "vmlinux"};

	(void)state;
	assert_refused(make(decls, NULL, 0), "'kernel'");
	assert_holds(err.text, "the kernel's file");
	assert_made(make(decls, &option, 1));
}

static void a_required_option_with_a_default_need_not_be_given(void **state)
{
	static const struct vmt_option_decl decls[] = {
		{"depth", VMT_OPTION_U64, 1, "3", NULL},
		{NULL, 0, 0, NULL, NULL},
	};

	(void)state;
	assert_made(make(decls, NULL, 0));
	assert_int_equal(vmt_option_u64(session, "depth"), 3);
}

static void an_option_without_a_name_or_a_value_is_refused(void **state)
{
	(void)state;
	assert_refused(make_with(NULL, "x"), "lacks");
	assert_refused(make_with("text", NULL), "lacks");
}

/* -------------------------------------------------------------------------------------------- */
/* What is declared                                                                             */
/* -------------------------------------------------------------------------------------------- */

static void bad_declarations_are_refused(void **state)
{
	static const struct vmt_option_decl bad[][3] = {
		{{"n", VMT_OPTION_U64, 0, "many", NULL}, {NULL, 0, 0, NULL, NULL}},
		{{"n", VMT_OPTION_BOOL, 0, "", NULL}, {NULL, 0, 0, NULL, NULL}},
		{{"n", 3, 0, NULL, NULL}, {NULL, 0, 0, NULL, NULL}},
		{{"n", UINT32_MAX, 0, NULL, NULL}, {NULL, 0, 0, NULL, NULL}},
		{{"", VMT_OPTION_TEXT, 0, NULL, NULL}, {NULL, 0, 0, NULL, NULL}},
		{{"a=b", VMT_OPTION_TEXT, 0, NULL, NULL}, {NULL, 0, 0, NULL, NULL}},
		{{"n", VMT_OPTION_TEXT, 0, NULL, NULL},
		 {"n", VMT_OPTION_U64, 0, NULL, NULL},
		 {NULL, 0, 0, NULL, NULL}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_refused(make(bad[i], NULL, 0), "'choosy'");
}

static void a_bad_default_is_refused_even_when_a_value_is_given(void **state)
{
	static const struct vmt_option_decl decls[] = {
		{"n", VMT_OPTION_U64, 0, "many", NULL},
		{NULL, 0, 0, NULL, NULL},
	};
	const struct vmt_option option = {"n", "1"};

	(void)state;
	assert_refused(make(decls, &option, 1), "the default");
	assert_holds(err.text, "n=many");
}

static void a_list_of_declarations_without_end_is_noticed(void **state)
{
	static struct vmt_option_decl decls[400];
	static char names[COUNT(decls)][8];

	(void)state;
	for (size_t i = 0; i < COUNT(decls); i++) {
		snprintf(names[i], sizeof(names[i]), "o%zu", i);
		decls[i].name = names[i];
	}
	assert_int_equal(make(decls, NULL, 0), -VMT_E_LIMIT);
	assert_null(session);
	decls[256].name = NULL;
	assert_made(make(decls, NULL, 0));
	decls[256].name = names[256];
}

/* The reasons are for those who ask: without an error to fill, each refusal is the same number. */
static void no_error_to_fill_is_allowed(void **state)
{
	static const struct vmt_option_decl bad[] = {{"n", VMT_OPTION_U64, 0, "many", NULL},
						     {NULL, 0, 0, NULL, NULL}};
	static const struct vmt_option given[] = {{"number", "many"}};
	struct vmt_session_config config = {.driver = &driver.base.driver,
					    .handler = &handler,
					    .options = given,
					    .noptions = 1};
	struct vmt_session *s;

	(void)state;
	plain_init(&driver, NULL, false);
	handler.options = of_each_type;
	assert_int_equal(vmt_session_create(&config, &s, NULL), -VMT_E_INVALID);
	handler.options = bad;
	assert_int_equal(vmt_session_create(&config, &s, NULL), -VMT_E_INVALID);
	assert_int_equal(vmt_handler_check(&handler, NULL), -VMT_E_INVALID);
}

/* -------------------------------------------------------------------------------------------- */
/* For observers and tools                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void the_options_in_force_are_listed_in_the_order_declared(void **state)
{
	const struct vmt_option given[] = {{"switch", "0"}, {"text", "x"}};
	static const struct vmt_option expected[] = {
		{"text", "x"},
		{"switch", "0"},
		{"text-default", "as it is"},
		{"number-default", "0x10"},
		{"switch-default", "yes"},
	};
	const struct vmt_option *in_force;
	size_t n;

	(void)state;
	assert_made(make(of_each_type, given, COUNT(given)));
	in_force = vmt_session_options(session, &n);
	assert_int_equal(n, COUNT(expected));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(in_force[i].name, expected[i].name);
		assert_string_equal(in_force[i].value, expected[i].value);
	}
}

#define OPTION_TEST(f) cmocka_unit_test_teardown(f, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OPTION_TEST(an_option_has_the_value_that_was_given),
		OPTION_TEST(an_option_that_was_not_given_has_its_default),
		OPTION_TEST(a_value_that_was_given_goes_before_the_default),
		OPTION_TEST(an_option_without_a_value_is_null_and_zero),
		OPTION_TEST(an_empty_text_is_a_value),
		OPTION_TEST(numbers_are_decimal_or_hexadecimal_with_0x),
		OPTION_TEST(what_is_no_number_is_refused),
		OPTION_TEST(switches_are_yes_no_true_false_1_or_0),
		OPTION_TEST(an_unknown_option_is_refused_with_those_that_there_are),
		OPTION_TEST(a_handler_without_options_takes_none),
		OPTION_TEST(an_option_given_twice_is_refused),
		OPTION_TEST(an_option_that_is_required_and_not_given_is_refused),
		OPTION_TEST(a_required_option_with_a_default_need_not_be_given),
		OPTION_TEST(an_option_without_a_name_or_a_value_is_refused),
		OPTION_TEST(bad_declarations_are_refused),
		OPTION_TEST(a_bad_default_is_refused_even_when_a_value_is_given),
		OPTION_TEST(a_list_of_declarations_without_end_is_noticed),
		OPTION_TEST(no_error_to_fill_is_allowed),
		OPTION_TEST(the_options_in_force_are_listed_in_the_order_declared),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
