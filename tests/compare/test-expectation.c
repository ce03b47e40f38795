/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Expectations: what is written is read again, and what is none is refused with its line.
 */
#include "support.h"

struct text {
	char buf[16384];
	size_t len;
};

static int put(void *context, const char *text, size_t len)
{
	struct text *t = context;

	assert_true(t->len + len < sizeof(t->buf));
	memcpy(t->buf + t->len, text, len);
	t->len += len;
	t->buf[t->len] = '\0';
	return 0;
}

static const struct vmt_field all_fields[] = {
	{"flag", VMT_BOOL, 0},   {"signed", VMT_I64, 0},      {"number", VMT_U64, VMT_KEY},
	{"where", VMT_ADDR, 0},  {"text", VMT_TEXT, 0},       {"odd", VMT_TEXT, 0},
	{"bytes", VMT_BYTES, 0}, {"at", VMT_U64, VMT_IGNORE},
};
static const struct vmt_schema all = VMT_SCHEMA("all", all_fields);
static const struct vmt_schema *const schemas[] = {&all, &tick, NULL};
static const struct vmt_expectation_head head = {"0123456789abcdef0123456789abcdef", "tiny", "2"};

static const struct vmt_compare_place place = {
	.callback = 3,
	.event = 1,
	.now = 7000,
	.rip = 0xffffffff81000000,
	.kind = VMT_CALLBACK_EVENT,
	.reason = VMT_EVENT_CPUID,
	.vcpu = 2,
	.rip_known = true,
};

/** An expectation with each type of value, an output and an end. */
static void write_one(struct text *t)
{
	const struct vmt_compare_place last = {
		.callback = 9, .event = VMT_COMPARE_NONE, .kind = VMT_CALLBACK_POLL};
	const struct vmt_value one = vmt_u64(1);
	const struct vmt_value values[] = {
		vmt_bool(true),
		vmt_i64(INT64_MIN),
		vmt_u64(UINT64_MAX),
		vmt_addr(UINT64_MAX),
		vmt_text("a \"quoted\" \xc3\xa9 line\nand more"),
		vmt_text("\xff\xfe"),
		vmt_bytes("\0\1\2", 3),
		vmt_u64(5),
	};

	vmt_expectation_put_head(&head, schemas, put, t);
	vmt_expectation_put_record(&place, VMT_COMPARE_EMISSION, &all, values, 8, put, t);
	vmt_expectation_put_record(&place, VMT_COMPARE_FAILURE, NULL, NULL, 0, put, t);
	vmt_expectation_put_record(&last, VMT_COMPARE_OUTPUT, &tick, &one, 1, put, t);
	vmt_expectation_put_end("finished", put, t);
}

static void the_text_is_as_it_should_be(void **state)
{
	static const char first[] =
		"{\"expectation\":1,\"trace\":\"0123456789abcdef0123456789abcdef\","
		"\"handler\":\"tiny\",\"version\":\"2\",\"schemas\":[{\"name\":"
		"\"all\",\"fields\":[{\"name\":\"flag\",\"type\":\"bool\"},";
	struct text t = {.len = 0};
	const char *line;

	(void)state;
	write_one(&t);
	line = strchr(t.buf, '\n') + 1;
	assert_memory_equal(t.buf, first, sizeof(first) - 1);
	assert_string_equal(
		line, "{\"callback\":3,\"callback_kind\":2,\"now\":7000,\"reason\":7,\"vcpu\":2,"
		      "\"rip\":\"0xffffffff81000000\",\"kind\":\"emission\",\"name\":\"all\","
		      "\"fields\":{\"flag\":true,\"signed\":-9223372036854775808,"
		      "\"number\":\"18446744073709551615\",\"where\":\"0xffffffffffffffff\","
		      "\"text\":\"a \\\"quoted\\\" \xc3\xa9 line\\u000aand more\","
		      "\"odd\":{\"bytes\":\"fffe\"},\"bytes\":\"000102\",\"at\":5}}\n"
		      "{\"callback\":3,\"callback_kind\":2,\"now\":7000,\"reason\":7,\"vcpu\":2,"
		      "\"rip\":\"0xffffffff81000000\",\"kind\":\"failure\"}\n"
		      "{\"callback\":9,\"callback_kind\":5,\"now\":0,\"kind\":\"output\","
		      "\"name\":\"tick\",\"fields\":{\"n\":1}}\n"
		      "{\"end\":\"finished\"}\n");
}

static void what_is_written_is_read_again(void **state)
{
	struct vmt_expectation x[2];
	struct vmt_error err = {0};
	struct vmt_comparison *c;
	const struct vmt_compare_item *item;
	struct text t = {.len = 0};
	size_t n;

	(void)state;
	write_one(&t);
	for (int i = 0; i < 2; i++)
		assert_int_equal(vmt_expectation_init(&x[i], t.buf, t.len, &err), 0);
	assert_string_equal(x[0].head.handler, "tiny");
	assert_string_equal(x[0].head.version, "2");
	assert_string_equal(x[0].head.trace, head.trace);
	assert_int_equal(x[0].records, 3);
	assert_true(x[0].ended);
	item = vmt_compare_run_item_at(x[0].run, 1); /* the first is what stands for the event */
	assert_int_equal(item->kind, VMT_COMPARE_EMISSION);
	assert_int_equal(item->place->vcpu, 2);
	assert_true(item->fields[1].value.v.i == INT64_MIN);
	assert_true(item->fields[2].value.v.u == UINT64_MAX);
	assert_int_equal(item->fields[2].role, VMT_KEY);
	assert_int_equal(item->fields[4].value.len, strlen("a \"quoted\" \xc3\xa9 line\nand more"));
	assert_memory_equal(item->fields[5].value.v.p, "\xff\xfe", 2);
	assert_memory_equal(item->fields[6].value.v.p, "\0\1\2", 3);
	assert_int_equal(item->fields[7].role, VMT_IGNORE);
	assert_int_equal(vmt_compare(x[0].run, x[1].run, VMT_COMPARE_SAID, &c, &err), 0);
	assert_null(vmt_comparison_differences(c, &n));
	assert_int_equal(vmt_comparison_same(c, VMT_COMPARE_END), 1);
	vmt_comparison_destroy(c);
	vmt_expectation_finish(&x[0]);
	vmt_expectation_finish(&x[1]);
}

/** Replace @from with @to in the expectation, and read it. */
static int read_with(const char *from, const char *to, struct vmt_error *err)
{
	struct vmt_expectation x;
	struct text t = {.len = 0};
	struct text changed = {.len = 0};
	char *at;
	int n;

	write_one(&t);
	at = strstr(t.buf, from);
	assert_non_null(at);
	put(&changed, t.buf, (size_t)(at - t.buf));
	put(&changed, to, strlen(to));
	put(&changed, at + strlen(from), strlen(at + strlen(from)));
	memset(err, 0, sizeof(*err));
	n = vmt_expectation_init(&x, changed.buf, changed.len, err);
	vmt_expectation_finish(&x);
	return n;
}

static void what_cannot_be_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *from, *to, *place, *text;
	} cases[] = {
		{"{\"expectation\":1", "{\"expectations\":1", "line 1", "no expectation"},
		{"\"handler\":\"tiny\"", "\"handler\":7", "line 1", "'handler'"},
		{"\"type\":\"bool\"", "\"type\":\"boolean\"", "line 1", "field 0 of schema 'all'"},
		{"\"role\":\"key\"", "\"role\":\"keys\"", "line 1", "field 2 of schema 'all'"},
		{"\"name\":\"flag\"", "\"name\":\"at\"", "line 1", "schema 'all'"},
		{"{\"callback\":3,", "{\"callback\":-3,", "line 2", "callback"},
		{"{\"callback\":3,", "{", "line 2", "callback"},
		{"\"vcpu\":2", "\"vcpu\":70000", "line 2", "callback"},
		{"\"rip\":\"0x", "\"rip\":\"", "line 2", "callback"},
		{"\"kind\":\"emission\"", "\"kind\":\"event\"", "line 2", "neither"},
		{"\"name\":\"all\",\"fields\":{", "\"name\":\"none\",\"fields\":{", "line 2",
		 "schema"},
		{"\"flag\":true", "\"flag\":1", "line 2", "'flag'"},
		{"\"signed\":-9223372036854775808", "\"signed\":1.5", "line 2", "'signed'"},
		{"\"18446744073709551615\"", "\"18446744073709551616\"", "line 2", "'number'"},
		{"\"0xffffffffffffffff\"", "\"0xfffffffffffffffff\"", "line 2", "'where'"},
		{"\"000102\"", "\"00010\"", "line 2", "'bytes'"},
		{"{\"bytes\":\"fffe\"}", "{\"byte\":\"fffe\"}", "line 2", "'odd'"},
		{",\"at\":5", "", "line 2", "schema 'all'"},
		{"{\"callback\":9,", "{\"callback\":2,", "line 4", "comes after"},
		{"{\"end\":\"finished\"}", "{\"end\":\"finished\"}\n{}", "line 6", "behind"},
		{"{\"end\":\"finished\"}", "[]", "line 5", "JSON object"},
		{"{\"end\":\"finished\"}", "{\"end\":\"fin", "line 5", "JSON object"},
	};
	struct vmt_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(read_with(cases[i].from, cases[i].to, &err), -VMT_E_DAMAGED);
		assert_string_equal(err.place, cases[i].place);
		assert_non_null(strstr(err.text, cases[i].text));
	}
	assert_int_equal(read_with("{\"expectation\":1", "{\"expectation\":2", &err),
			 -VMT_E_NOT_SUPPORTED);
}

static void one_that_is_cut_says_so(void **state)
{
	struct vmt_expectation x;
	struct vmt_error err = {0};
	struct text t = {.len = 0};

	(void)state;
	assert_int_equal(vmt_expectation_init(&x, "", 0, &err), -VMT_E_DAMAGED);
	vmt_expectation_finish(&x);
	vmt_expectation_put_head(&head, schemas, put, &t);
	assert_int_equal(vmt_expectation_init(&x, t.buf, t.len, &err), 0);
	assert_false(x.ended);
	vmt_expectation_finish(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text_is_as_it_should_be),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(what_cannot_be_is_refused_with_its_line),
		cmocka_unit_test(one_that_is_cut_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
