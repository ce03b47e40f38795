/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records: every kind survives its encoding, and no payload that is wrong is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"
#include "trace-format/varint.h"

#define ROUNDS 60

static void each_kind_decodes_to_what_was_encoded(void **state)
{
	struct vmt_trace_arena arena = {0};
	struct vmt_trace_arena decoded_arena = {0};
	struct vmt_trace_buf first = {0};
	struct vmt_trace_buf second = {0};
	struct rng rng = {1};
	unsigned kinds = 0;

	(void)state;
	for (unsigned kind = 0; kind < VMT_TRACE_KIND_COUNT; kind++) {
		const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);

		if (row == NULL)
			continue;
		kinds++;
		for (unsigned round = 0; round < ROUNDS; round++) {
			struct vmt_trace_record a = {.kind = (uint16_t)kind};
			struct vmt_trace_record b = {.kind = (uint16_t)kind};
			struct vmt_trace_decoded decoded;
			struct vmt_error err = {0};
			char path[200];
			size_t early;

			a.body = sample_body(kind, &rng, &arena, 300);
			first.len = second.len = 0;
			assert_int_equal(vmt_trace_encode(row, a.body, false, &first, &early, &err),
					 0);
			if (vmt_trace_decode(row, first.p, first.len, false, &decoded_arena,
					     &decoded, &err) < 0)
				fail_msg("%s: %s", err.place, err.text);
			b.body = decoded.body;
			if (vmt_trace_record_differ(&a, &b, path, sizeof(path)) != 0)
				fail_msg("%s differs in %s", row->name, path);
			assert_int_equal(decoded.behaviour, early);
			assert_int_equal(vmt_trace_encode(row, b.body, false, &second, NULL, &err),
					 0);
			assert_int_equal(first.len, second.len);
			if (first.len > 0)
				assert_memory_equal(first.p, second.p, first.len);
			vmt_trace_arena_reset(&arena);
			vmt_trace_arena_reset(&decoded_arena);
		}
	}
	assert_int_equal(kinds, 50);
	vmt_trace_buf_finish(&first);
	vmt_trace_buf_finish(&second);
	vmt_trace_arena_finish(&arena);
	vmt_trace_arena_finish(&decoded_arena);
}

static void a_payload_that_is_cut_anywhere_is_refused(void **state)
{
	struct vmt_trace_arena arena = {0};
	struct vmt_trace_buf buf = {0};
	struct rng rng = {2};

	(void)state;
	for (unsigned kind = 0; kind < VMT_TRACE_KIND_COUNT; kind++) {
		const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);

		if (row == NULL)
			continue;
		for (unsigned round = 0; round < 4; round++) {
			buf.len = 0;
			assert_int_equal(vmt_trace_encode(row, sample_body(kind, &rng, &arena, 40),
							  false, &buf, NULL, NULL),
					 0);
			for (size_t len = 0; len < buf.len; len++) {
				struct vmt_trace_decoded decoded;
				/* A copy of just this length, so that reading on is seen. */
				uint8_t *cut = malloc(len > 0 ? len : 1);

				assert_non_null(cut);
				memcpy(cut, buf.p, len);
				assert_int_equal(vmt_trace_decode(row, cut, len, false, &arena,
								  &decoded, NULL),
						 -VMT_E_DAMAGED);
				free(cut);
			}
			vmt_trace_arena_reset(&arena);
		}
	}
	vmt_trace_buf_finish(&buf);
	vmt_trace_arena_finish(&arena);
}

static void what_decodes_encodes_to_the_same_bytes_again(void **state)
{
	struct vmt_trace_arena arena = {0};
	struct vmt_trace_buf buf = {0};
	struct vmt_trace_buf again = {0};
	struct rng rng = {3};
	size_t taken = 0;

	(void)state;
	for (unsigned i = 0; i < 40000; i++) {
		const unsigned kind = (unsigned)rng_below(&rng, VMT_TRACE_KIND_COUNT);
		const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);
		struct vmt_trace_decoded decoded;

		if (row == NULL)
			continue;
		buf.len = again.len = 0;
		assert_int_equal(vmt_trace_encode(row, sample_body(kind, &rng, &arena, 20), false,
						  &buf, NULL, NULL),
				 0);
		for (uint64_t n = rng_below(&rng, 4); n > 0 && buf.len > 0; n--)
			buf.p[rng_below(&rng, buf.len)] ^= (uint8_t)(1u << rng_below(&rng, 8));
		if (vmt_trace_decode(row, buf.p, buf.len, false, &arena, &decoded, NULL) == 0) {
			/* A page id is not encoded: where there is one, the rest must agree. */
			const size_t len = decoded.page != 0 ? decoded.page_at : buf.len;

			taken++;
			assert_int_equal(vmt_trace_encode(row, decoded.body, decoded.page != 0,
							  &again, NULL, NULL),
					 0);
			assert_int_equal(again.len, len);
			if (len > 0)
				assert_memory_equal(buf.p, again.p, len);
		}
		vmt_trace_arena_reset(&arena);
	}
	assert_true(taken > 10000);
	vmt_trace_buf_finish(&buf);
	vmt_trace_buf_finish(&again);
	vmt_trace_arena_finish(&arena);
}

static void varints_have_one_form_only(void **state)
{
	static const struct {
		uint8_t bytes[11];
		size_t len;
		uint64_t max;
	} wrong[] = {
		{{0x80}, 1, UINT64_MAX},
		{{0x80, 0x00}, 2, UINT64_MAX},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, 10, UINT64_MAX},
		{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0}, 11, UINT64_MAX},
		{{0x80, 0x02}, 2, 255},
	};
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(vmt_varint_get(wrong[i].bytes, wrong[i].bytes + wrong[i].len,
						wrong[i].max, &value),
				 0);
	for (unsigned bit = 0; bit < 64; bit++) {
		uint8_t bytes[VMT_VARINT_MAX];
		const uint64_t want = UINT64_C(1) << bit;
		const size_t n = vmt_varint_put(bytes, want);

		assert_int_equal(vmt_varint_get(bytes, bytes + n, UINT64_MAX, &value), n);
		assert_int_equal(value, want);
	}
	assert_int_equal(vmt_unzigzag(vmt_zigzag(INT64_MIN)), INT64_MIN);
	assert_int_equal(vmt_zigzag(-1), 1);
}

static void a_field_over_its_limit_is_refused_by_name(void **state)
{
	struct vmt_trace_attribute attribute = {"key", NULL};
	struct vmt_trace_record record = {.kind = VMT_TRACE_ATTRIBUTE, .body = &attribute};
	struct vmt_trace_buf buf = {0};
	struct vmt_error err = {0};
	char *text = malloc(65537);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 65536);
	text[65536] = '\0';
	attribute.value = text;
	assert_int_equal(vmt_trace_encode(vmt_trace_kind_row(record.kind), record.body, false, &buf,
					  NULL, &err),
			 -VMT_E_LIMIT);
	assert_non_null(strstr(err.text, "value"));
	assert_string_equal(err.place, "attribute");
	vmt_trace_buf_finish(&buf);
	free(text);
}

static int add_text(void *context, const char *text, size_t len)
{
	return vmt_trace_buf_add(context, text, len);
}

static void json_shows_text_numbers_and_bytes_as_they_are(void **state)
{
	const struct vmt_value values[] = {
		vmt_bool(true),
		vmt_i64(-5),
		vmt_u64(UINT64_MAX),
		vmt_addr(0x1f2),
		vmt_text("a\"\\\n\xc3\xa9"),
		vmt_text("\xff"),
		vmt_bytes("\x00\xab", 2),
	};
	const struct vmt_trace_emission emission = {3, values, 7};
	const struct vmt_trace_record record = {.kind = VMT_TRACE_EMISSION,
						.phase = 2,
						.callback = 9,
						.position = 17,
						.body = &emission};
	struct vmt_trace_buf buf = {0};

	(void)state;
	assert_int_equal(vmt_trace_record_json(&record, add_text, &buf), 0);
	assert_int_equal(vmt_trace_buf_add(&buf, "", 1), 0);
	assert_string_equal(
		(char *)buf.p,
		"{\"position\":17,\"callback\":9,\"phase\":\"loop\",\"kind\":\"emission\","
		"\"schema\":3,\"values\":[{\"type\":1,\"bool\":true},"
		"{\"type\":2,\"i64\":-5},{\"type\":3,\"u64\":18446744073709551615},"
		"{\"type\":4,\"addr\":\"0x1f2\"},"
		"{\"type\":5,\"text\":\"a\\\"\\\\\\u000a\xc3\xa9\"},"
		"{\"type\":5,\"text\":{\"bytes\":\"ff\"}},"
		"{\"type\":6,\"bytes\":\"00ab\"}]}");
	vmt_trace_buf_finish(&buf);
}

static void the_differ_names_the_field(void **state)
{
	struct vmt_gprs left = {.rip = 0x1000};
	struct vmt_gprs right = {.rip = 0x1001};
	const struct vmt_response a = vmt_with_regs(vmt_respond(VMT_CONTINUE), &left);
	const struct vmt_response b = vmt_with_regs(vmt_respond(VMT_CONTINUE), &right);
	const struct vmt_trace_callback_end x = {VMT_CALLBACK_EVENT, 0, &a};
	const struct vmt_trace_callback_end y = {VMT_CALLBACK_EVENT, 0, &b};
	const struct vmt_trace_record p = {.kind = VMT_TRACE_CALLBACK_END, .body = &x};
	const struct vmt_trace_record q = {.kind = VMT_TRACE_CALLBACK_END, .body = &y};
	char path[64];
	char small[6];

	(void)state;
	assert_int_equal(vmt_trace_record_differ(&p, &q, path, sizeof(path)), 1);
	assert_string_equal(path, "response.regs.rip");
	assert_int_equal(vmt_trace_record_differ(&p, &q, small, sizeof(small)), 1);
	assert_string_equal(small, "respo");
	assert_int_equal(vmt_trace_record_differ(&p, &p, path, sizeof(path)), 0);
	assert_string_equal(path, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_decodes_to_what_was_encoded),
		cmocka_unit_test(a_payload_that_is_cut_anywhere_is_refused),
		cmocka_unit_test(what_decodes_encodes_to_the_same_bytes_again),
		cmocka_unit_test(varints_have_one_form_only),
		cmocka_unit_test(a_field_over_its_limit_is_refused_by_name),
		cmocka_unit_test(json_shows_text_numbers_and_bytes_as_they_are),
		cmocka_unit_test(the_differ_names_the_field),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
