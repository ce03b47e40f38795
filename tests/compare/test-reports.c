/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reports, letter by letter.
 */
#include "support.h"

#include <vmitape/replay.h>

struct text {
	char buf[8192];
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

static int refuse(void *context, const char *text, size_t len)
{
	(void)context;
	(void)text;
	(void)len;
	return -VMT_E_IO;
}

static const char *provenance_name(unsigned provenance)
{
	return provenance == VMT_FROM_BRACKETED ? "bracketed" : "other";
}

/** One of each: removed with odd bytes, added, changed, moved. */
static void fill(struct vmt_compare_run *a, struct vmt_compare_run *b)
{
	add_event(a, 1, 0x1000);
	add_opened(a, 17, "/a", 1);
	add_opened(a, 18, "\"\\\n\033[31m\xff", 1);
	add_event(b, 1, 0x1000);
	vmt_compare_run_served(b, VMT_FROM_BRACKETED);
	add_opened(b, 17, "/b", 1);
	add_opened(b, 19, "\xc3\xa9<", 1);
	add_event(a, 2, 0x2000);
	add_tick(a, 5);
	add_event(b, 2, 0x2000);
	add_event(a, 3, 0x3000);
	add_event(b, 3, 0x3000);
	add_tick(b, 5);
}

static void text_is_as_it_should_be(void **state)
{
	static const char wanted[] =
		"a.vmt -> b.vmt: 4 differences: 1 removed, 1 added, 1 changed, 1 moved\n"
		"  event      3 same\n"
		"  emission   0 same, 1 removed, 1 added, 1 changed, 1 moved\n"
		"\n"
		"callback 1 (event), event 0: cpuid, vCPU 0, rip 0x1000\n"
		"  - emission opened pid=18 path=\"\\\"\\\\\\x0a\\x1b[31m\\xff\" at=1\n"
		"  + emission opened pid=19 path=\"\\xc3\\xa9<\" at=1\n"
		"  ~ emission opened pid=17\n"
		"      path: \"/a\" -> \"/b\"\n"
		"  weakest bytes served to this callback: bracketed\n"
		"\n"
		"callback 3 (event), event 2: cpuid, vCPU 0, rip 0x3000\n"
		"  > emission tick n=5\n"
		"      moved from callback 2 (event), event 1: cpuid, vCPU 0, rip 0x2000\n";
	const struct vmt_compare_report report = {
		.from = "a.vmt", .to = "b.vmt", .provenance_name = provenance_name};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	struct text t = {.len = 0};

	(void)state;
	fill(a, b);
	c = compare(a, b);
	assert_int_equal(vmt_comparison_text(c, &report, put, &t), 0);
	assert_string_equal(t.buf, wanted);
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(a);
	vmt_compare_run_destroy(b);
}

static void json_is_as_it_should_be(void **state)
{
	static const char differences[] =
		"\"differences\":["
		"{\"change\":\"removed\",\"kind\":\"emission\",\"name\":\"opened\","
		"\"from\":{\"callback\":1,\"callback_kind\":\"event\",\"now\":1000,\"event\":0,"
		"\"reason\":\"cpuid\",\"vcpu\":0,\"rip\":\"0x1000\"},\"fields\":{\"pid\":18,"
		"\"path\":{\"bytes\":\"225c0a1b5b33316dff\"},\"at\":1}},"
		"{\"change\":\"added\",\"kind\":\"emission\",\"name\":\"opened\","
		"\"to\":{\"callback\":1,\"callback_kind\":\"event\",\"now\":1000,\"event\":0,"
		"\"reason\":\"cpuid\",\"vcpu\":0,\"rip\":\"0x1000\"},\"fields\":{\"pid\":19,"
		"\"path\":\"\xc3\xa9\\u003c\",\"at\":1},\"provenance\":\"bracketed\"},"
		"{\"change\":\"changed\",\"kind\":\"emission\",\"name\":\"opened\","
		"\"from\":{\"callback\":1,\"callback_kind\":\"event\",\"now\":1000,\"event\":0,"
		"\"reason\":\"cpuid\",\"vcpu\":0,\"rip\":\"0x1000\"},"
		"\"to\":{\"callback\":1,\"callback_kind\":\"event\",\"now\":1000,\"event\":0,"
		"\"reason\":\"cpuid\",\"vcpu\":0,\"rip\":\"0x1000\"},\"key\":{\"pid\":17},"
		"\"changed\":[{\"field\":\"path\",\"from\":\"/a\",\"to\":\"/b\"}],"
		"\"provenance\":\"bracketed\"}]}\n";
	const struct vmt_compare_report report = {
		.from = "a.vmt", .to = "b.vmt", .max = 3, .provenance_name = provenance_name};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	struct text t = {.len = 0};
	const char *found;

	(void)state;
	fill(a, b);
	c = compare(a, b);
	assert_int_equal(vmt_comparison_json(c, &report, put, &t), 0);
	found = strstr(t.buf, "\"differences\"");
	assert_non_null(found);
	assert_string_equal(found, differences);
	assert_non_null(strstr(t.buf,
			       "{\"from\":\"a.vmt\",\"to\":\"b.vmt\",\"result\":\"different\","
			       "\"count\":4,\"summary\":{\"event\":{\"same\":3,"));
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(a);
	vmt_compare_run_destroy(b);
}

static void what_is_not_shown_is_counted(void **state)
{
	const struct vmt_compare_report report = {.from = "a", .to = "b", .max = 1};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	struct text t = {.len = 0};

	(void)state;
	fill(a, b);
	c = compare(a, b);
	vmt_comparison_text(c, &report, put, &t);
	assert_non_null(strstr(t.buf, "\n... and 3 more differences\n"));
	assert_null(strstr(t.buf, "tick"));
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(a);
	vmt_compare_run_destroy(b);
}

static void colours_are_there_when_asked_for(void **state)
{
	const struct vmt_compare_report report = {.from = "a", .to = "b", .colour = true};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;
	struct text t = {.len = 0};

	(void)state;
	fill(a, b);
	c = compare(a, b);
	vmt_comparison_text(c, &report, put, &t);
	assert_non_null(strstr(t.buf, "\033[31m- emission opened pid=18"));
	assert_non_null(strstr(t.buf, "\033[0m"));
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(a);
	vmt_compare_run_destroy(b);
}

static void a_reader_that_stops_gets_no_more(void **state)
{
	const struct vmt_compare_report report = {.from = "a", .to = "b"};
	struct vmt_compare_run *a = new_run();
	struct vmt_compare_run *b = new_run();
	struct vmt_comparison *c;

	(void)state;
	fill(a, b);
	c = compare(a, b);
	assert_int_equal(vmt_comparison_text(c, &report, refuse, NULL), -VMT_E_IO);
	assert_int_equal(vmt_comparison_json(c, &report, refuse, NULL), -VMT_E_IO);
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(a);
	vmt_compare_run_destroy(b);
}

static void long_values_are_cut_and_the_place_of_the_change_is_told(void **state)
{
	const struct vmt_compare_report report = {.from = "a", .to = "b"};
	struct vmt_compare_run *runs[2] = {new_run(), new_run()};
	struct vmt_comparison *c;
	struct text t = {.len = 0};
	char bytes[100] = {0};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct vmt_compare_field field = {"data", vmt_bytes(bytes, 100), 0};

		bytes[77] = (char)i;
		add_event(runs[i], 1, 0x1000);
		vmt_compare_run_item(runs[i], VMT_COMPARE_EFFECT, "write", &field, 1, NULL);
	}
	c = compare(runs[0], runs[1]);
	vmt_comparison_text(c, &report, put, &t);
	assert_non_null(strstr(t.buf, "...(100 bytes) (from byte 77 on)\n"));
	vmt_comparison_destroy(c);
	vmt_compare_run_destroy(runs[0]);
	vmt_compare_run_destroy(runs[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_it_should_be),
		cmocka_unit_test(json_is_as_it_should_be),
		cmocka_unit_test(what_is_not_shown_is_counted),
		cmocka_unit_test(colours_are_there_when_asked_for),
		cmocka_unit_test(a_reader_that_stops_gets_no_more),
		cmocka_unit_test(long_values_are_cut_and_the_place_of_the_change_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
