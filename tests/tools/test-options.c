/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The option table's parser, and the order of exit statuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/common/options.h"
#include "tools/common/status.h"

struct values {
	bool flag, other;
	const char *text;
	uint64_t number, size;
	unsigned choice;
	struct vmt_tool_list list;
};

static const char *const choices[] = {"red", "green", NULL};
static const struct vmt_tool_option options[] = {
	{"flag", 'f', VMT_TOOL_FLAG, false, NULL, "", offsetof(struct values, flag), NULL},
	{"other", 'o', VMT_TOOL_FLAG, false, NULL, "", offsetof(struct values, other), NULL},
	{"text", 't', VMT_TOOL_TEXT, false, "TEXT", "", offsetof(struct values, text), NULL},
	{"number", 'n', VMT_TOOL_NUMBER, false, "N", "", offsetof(struct values, number), NULL},
	{"size", 's', VMT_TOOL_NUMBER, true, "SIZE", "", offsetof(struct values, size), NULL},
	{"choice", 'c', VMT_TOOL_CHOICE, false, "C", "", offsetof(struct values, choice), choices},
	{"list", 'l', VMT_TOOL_LIST, false, "X", "", offsetof(struct values, list), NULL},
	{0},
};
static const struct vmt_tool_verb verb = {
	.arguments = "FILE...",
	.options = options,
	.max_arguments = 3,
};

/** Parse @line, whose words are separated by single blanks. */
static int parse(const char *line, struct values *v, int *argc, char **argv, struct vmt_error *err)
{
	static char text[256];
	char *save = NULL;

	memset(v, 0, sizeof(*v));
	*err = (struct vmt_error){0};
	(void)strncpy(text, line, sizeof(text) - 1);
	*argc = 0;
	for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[(*argc)++] = word;
	return vmt_tool_parse(&verb, v, argc, argv, err);
}

static void each_kind_of_option_is_taken(void **state)
{
	struct values v;
	struct vmt_error err;
	char *argv[16];
	int argc;

	(void)state;
	assert_int_equal(parse("a -f --text=hello -n 0x10 --size 2M -cgreen b -l x --list y", &v,
			       &argc, argv, &err),
			 0);
	assert_true(v.flag);
	assert_false(v.other);
	assert_string_equal(v.text, "hello");
	assert_int_equal(v.number, 16);
	assert_int_equal(v.size, 2u << 20);
	assert_int_equal(v.choice, 1);
	assert_int_equal(v.list.n, 2);
	assert_string_equal(v.list.values[1], "y");
	assert_int_equal(argc, 2);
	assert_string_equal(argv[0], "a");
	assert_string_equal(argv[1], "b");
}

static void flags_can_be_joined_and_words_after_two_dashes_are_operands(void **state)
{
	struct values v;
	struct vmt_error err;
	char *argv[16];
	int argc;

	(void)state;
	assert_int_equal(parse("-fo - -- -f --text", &v, &argc, argv, &err), 0);
	assert_true(v.flag && v.other);
	assert_int_equal(argc, 3);
	assert_string_equal(argv[0], "-");
	assert_string_equal(argv[2], "--text");
}

static void what_is_wrong_is_told(void **state)
{
	static const struct {
		const char *line, *says;
	} wrong[] = {
		{"--flags", "no option --flags"},
		{"--fla", "no option --fla"},
		{"-x", "no option -x"},
		{"--flag=1", "takes no value"},
		{"--text", "needs a value: TEXT"},
		{"-n", "needs a value: N"},
		{"-n ten", "takes a number"},
		{"-n 1k", "takes a number"},
		{"-n -1", "takes a number"},
		{"-s 1T", "with k, M or G"},
		{"-s 99999999999999G", "takes a number"},
		{"-c blue", "takes one of red, green"},
		{"a b c d", "too many words"},
	};
	struct values v;
	struct vmt_error err;
	char *argv[16];
	int argc;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_equal(parse(wrong[i].line, &v, &argc, argv, &err), -VMT_E_INVALID);
		if (!strstr(err.text, wrong[i].says))
			fail_msg("%s: %s", wrong[i].line, err.text);
	}
}

static void the_worse_status_is_the_first_of_2_7_6_3_5_4_1_0(void **state)
{
	static const int order[] = {2, 7, 6, 3, 5, 4, 1, 0};

	(void)state;
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < 8; j++)
			assert_int_equal(vmt_exit_worse(order[i], order[j]), order[i < j ? i : j]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_of_option_is_taken),
		cmocka_unit_test(flags_can_be_joined_and_words_after_two_dashes_are_operands),
		cmocka_unit_test(what_is_wrong_is_told),
		cmocka_unit_test(the_worse_status_is_the_first_of_2_7_6_3_5_4_1_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
