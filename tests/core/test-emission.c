/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Typed values, schemas and owned records.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/emission.h>

#include "core/record.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct vmt_field all_types[] = {
	{"flag", VMT_BOOL, 0}, {"delta", VMT_I64, 0}, {"pid", VMT_U64, VMT_KEY},
	{"at", VMT_ADDR, 0},   {"path", VMT_TEXT, 0}, {"raw_2", VMT_BYTES, VMT_IGNORE},
};
static const struct vmt_schema all = VMT_SCHEMA("all-types_2", all_types);

static const struct vmt_field text_field[] = {{"t", VMT_TEXT, 0}};
static const struct vmt_schema text_schema = VMT_SCHEMA("text", text_field);

static void types_have_names_of_their_own(void **state)
{
	(void)state;
	for (unsigned a = 1; a < VMT_TYPE_COUNT; a++) {
		assert_string_not_equal(vmt_type_name(a), "invalid");
		for (unsigned b = 1; b < a; b++)
			assert_string_not_equal(vmt_type_name(a), vmt_type_name(b));
	}
	assert_string_equal(vmt_type_name(VMT_BOOL), "bool");
	assert_string_equal(vmt_type_name(0), "invalid");
	assert_string_equal(vmt_type_name(VMT_TYPE_COUNT), "invalid");
	assert_string_equal(vmt_type_name(UINT32_MAX), "invalid");
}

static void values_carry_type_and_content(void **state)
{
	struct vmt_value v;

	(void)state;
	v = vmt_bool(true);
	assert_int_equal(v.type, VMT_BOOL);
	assert_true(v.v.b);
	v = vmt_i64(INT64_MIN);
	assert_int_equal(v.type, VMT_I64);
	assert_true(v.v.i == INT64_MIN);
	v = vmt_u64(UINT64_MAX);
	assert_int_equal(v.type, VMT_U64);
	assert_true(v.v.u == UINT64_MAX);
	v = vmt_addr(0xffff800000000000);
	assert_int_equal(v.type, VMT_ADDR);
	assert_true(v.v.u == 0xffff800000000000);
	v = vmt_text("ab");
	assert_int_equal(v.type, VMT_TEXT);
	assert_int_equal(v.len, 2);
	assert_memory_equal(v.v.p, "ab", 2);
	v = vmt_text(NULL);
	assert_int_equal(v.type, VMT_TEXT);
	assert_int_equal(v.len, 0);
	v = vmt_bytes("a\0b", 3);
	assert_int_equal(v.type, VMT_BYTES);
	assert_int_equal(v.len, 3);
	assert_memory_equal(v.v.p, "a\0b", 3);
}

/* -------------------------------------------------------------------------------------------- */
/* Schemas                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void check_refused(const struct vmt_schema *schema, enum vmt_status status, const char *word)
{
	struct vmt_error err = {0};

	assert_int_equal(vmt_schema_check(schema, &err), -(int)status);
	assert_int_equal(err.status, status);
	assert_non_null(strstr(err.text, word));
	assert_int_equal(vmt_schema_check(schema, NULL), -(int)status);
}

static void good_schemas_are_accepted(void **state)
{
	static const struct vmt_schema empty = {"started", NULL, 0};

	(void)state;
	assert_int_equal(vmt_schema_check(&all, NULL), 0);
	assert_int_equal(vmt_schema_check(&empty, NULL), 0);
}

static void the_name_of_a_schema_is_a_word(void **state)
{
	static const char *const bad[] = {NULL, "", "Opened", "a b", "a.b", "\xc3\xa4", "a\n"};
	struct vmt_schema s = all;

	(void)state;
	check_refused(NULL, VMT_E_INVALID, "NULL");
	for (size_t i = 0; i < COUNT(bad); i++) {
		s.name = bad[i];
		check_refused(&s, VMT_E_INVALID, "name");
	}
	s.name = "a-b_9";
	assert_int_equal(vmt_schema_check(&s, NULL), 0);
}

static void the_name_of_a_field_is_a_word_without_dashes_and_unique(void **state)
{
	static const char *const bad[] = {NULL, "", "Pid", "a-b", "a b"};
	struct vmt_field fields[] = {{"a", VMT_U64, 0}, {"b", VMT_U64, 0}};
	struct vmt_schema s = VMT_SCHEMA("s", fields);

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		fields[1].name = bad[i];
		check_refused(&s, VMT_E_INVALID, "name");
	}
	fields[1].name = "a";
	check_refused(&s, VMT_E_INVALID, "two fields");
}

static void types_and_roles_of_fields_are_known_ones(void **state)
{
	struct vmt_field field = {"a", VMT_U64, 0};
	struct vmt_schema s = {"s", &field, 1};

	(void)state;
	field.type = 0;
	check_refused(&s, VMT_E_INVALID, "type 0");
	field.type = VMT_TYPE_COUNT;
	check_refused(&s, VMT_E_INVALID, "type");
	field.type = VMT_BYTES;
	field.role = VMT_IGNORE + 1;
	check_refused(&s, VMT_E_INVALID, "role");
	s.fields = NULL;
	check_refused(&s, VMT_E_INVALID, "NULL");
}

static void a_schema_has_at_most_64_fields(void **state)
{
	struct vmt_field fields[VMT_SCHEMA_FIELDS_MAX + 1];
	char names[VMT_SCHEMA_FIELDS_MAX + 1][3];
	struct vmt_schema s = {"s", fields, VMT_SCHEMA_FIELDS_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(fields); i++) {
		names[i][0] = (char)('a' + i / 26);
		names[i][1] = (char)('a' + i % 26);
		names[i][2] = '\0';
		fields[i] = (struct vmt_field){names[i], VMT_U64, 0};
	}
	assert_int_equal(vmt_schema_check(&s, NULL), 0);
	s.nfields++;
	check_refused(&s, VMT_E_LIMIT, "at most 64");
}

/* -------------------------------------------------------------------------------------------- */
/* Values against schemas                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void values_that_fit_are_accepted(void **state)
{
	struct vmt_value v[] = {vmt_bool(false), vmt_i64(-1),    vmt_u64(1),
				vmt_addr(2),     vmt_text(NULL), vmt_bytes("x", 1)};

	(void)state;
	assert_int_equal(vmt_values_check(&all, v, COUNT(v), NULL), 0);
	assert_int_equal(vmt_values_check(&(struct vmt_schema){"none", NULL, 0}, NULL, 0, NULL), 0);
}

static void values_must_fit_in_number(void **state)
{
	struct vmt_value v[2] = {vmt_text("a"), vmt_text("b")};
	struct vmt_error err;

	(void)state;
	assert_int_equal(vmt_values_check(&text_schema, v, 2, &err), -VMT_E_INVALID);
	assert_string_equal(err.place, "schema text");
	assert_int_equal(vmt_values_check(&text_schema, v, 0, &err), -VMT_E_INVALID);
	assert_int_equal(vmt_values_check(&text_schema, NULL, 1, &err), -VMT_E_INVALID);
	assert_int_equal(vmt_values_check(NULL, v, 1, &err), -VMT_E_INVALID);
}

static void each_value_must_have_exactly_its_fields_type(void **state)
{
	struct vmt_value good[] = {vmt_bool(false), vmt_i64(-1),   vmt_u64(1),
				   vmt_addr(2),     vmt_text("a"), vmt_bytes("x", 1)};
	struct vmt_error err;

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		for (size_t other = 0; other < COUNT(good); other++) {
			struct vmt_value v[COUNT(good)];

			memcpy(v, good, sizeof(v));
			v[i] = good[other];
			if (i == other)
				continue;
			assert_int_equal(vmt_values_check(&all, v, COUNT(v), &err), -VMT_E_INVALID);
			assert_non_null(strstr(err.text, all_types[i].name));
		}
}

static void too_long_a_value_is_refused_and_never_cut(void **state)
{
	char *lengthy = malloc(VMT_VALUE_MAX + 2u);
	struct vmt_value v;
	struct vmt_error err;

	(void)state;
	assert_non_null(lengthy);
	memset(lengthy, 'x', VMT_VALUE_MAX + 1u);
	lengthy[VMT_VALUE_MAX + 1u] = '\0';
	v = vmt_text(lengthy);
	assert_int_equal(vmt_values_check(&text_schema, &v, 1, &err), -VMT_E_LIMIT);
	v = vmt_text(lengthy + 1);
	assert_int_equal(vmt_values_check(&text_schema, &v, 1, &err), 0);
	free(lengthy);
}

static void a_null_value_with_a_length_is_refused(void **state)
{
	struct vmt_value v = {.type = VMT_TEXT, .len = 1};

	(void)state;
	assert_int_equal(vmt_values_check(&text_schema, &v, 1, NULL), -VMT_E_INVALID);
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void a_new_record_holds_nothing(void **state)
{
	struct vmt_record *record = vmt_record_create();
	size_t n = 7;

	(void)state;
	assert_non_null(record);
	assert_null(vmt_record_schema(record));
	assert_null(vmt_record_values(record, &n));
	assert_int_equal(n, 0);
	assert_int_equal(vmt_record_error(record)->status, 0);
	vmt_record_destroy(record);
	vmt_record_destroy(NULL);
}

static void a_record_owns_copies_of_its_values(void **state)
{
	struct vmt_record *record = vmt_record_create();
	char text[] = "path", bytes[] = {0, 1, 2};
	struct vmt_value in[] = {vmt_bool(true), vmt_i64(-5),    vmt_u64(6),
				 vmt_addr(7),    vmt_text(text), vmt_bytes(bytes, 3)};
	const struct vmt_value *v;
	size_t n;

	(void)state;
	assert_int_equal(vmt_output(record, &all, in, COUNT(in)), 0);
	memset(text, '#', sizeof(text));
	memset(bytes, '#', sizeof(bytes));
	memset(in, 0, sizeof(in));
	assert_ptr_equal(vmt_record_schema(record), &all);
	v = vmt_record_values(record, &n);
	assert_int_equal(n, 6);
	assert_true(v[0].v.b);
	assert_int_equal(v[1].v.i, -5);
	assert_int_equal(v[2].v.u, 6);
	assert_int_equal(v[3].v.u, 7);
	assert_int_equal(v[4].len, 4);
	assert_memory_equal(v[4].v.p, "path", 4);
	assert_int_equal(v[5].len, 3);
	assert_memory_equal(v[5].v.p, "\0\1\2", 3);
	vmt_record_destroy(record);
}

static void an_output_is_set_once(void **state)
{
	struct vmt_record *record = vmt_record_create();
	struct vmt_value a = vmt_text("first"), b = vmt_text("second");
	size_t n;

	(void)state;
	assert_int_equal(vmt_output(record, &text_schema, &a, 1), 0);
	assert_int_equal(vmt_output(record, &text_schema, &b, 1), -VMT_E_EXISTS);
	assert_int_equal(vmt_record_error(record)->status, VMT_E_EXISTS);
	assert_memory_equal(vmt_record_values(record, &n)[0].v.p, "first", 5);
	vmt_record_clear(record);
	assert_null(vmt_record_schema(record));
	assert_int_equal(vmt_record_error(record)->status, 0);
	assert_int_equal(vmt_output(record, &text_schema, &b, 1), 0);
	assert_memory_equal(vmt_record_values(record, NULL)[0].v.p, "second", 6);
	vmt_record_destroy(record);
}

static void an_output_that_does_not_fit_is_refused_and_says_why(void **state)
{
	struct vmt_record *record = vmt_record_create();
	struct vmt_value v = vmt_u64(1);

	(void)state;
	assert_int_equal(vmt_output(NULL, &text_schema, &v, 1), -VMT_E_INVALID);
	assert_int_equal(vmt_output(record, &text_schema, &v, 1), -VMT_E_INVALID);
	assert_non_null(strstr(vmt_record_error(record)->text, "field t is text"));
	assert_int_equal(vmt_output(record, NULL, &v, 1), -VMT_E_INVALID);
	assert_null(vmt_record_schema(record));
	v = vmt_text("now it fits");
	assert_int_equal(vmt_output(record, &text_schema, &v, 1), 0);
	assert_int_equal(vmt_record_error(record)->status, 0);
	vmt_record_destroy(record);
}

static void an_output_without_fields_is_an_output(void **state)
{
	static const struct vmt_schema done = {"done", NULL, 0};
	struct vmt_record *record = vmt_record_create();

	(void)state;
	assert_int_equal(vmt_output(record, &done, NULL, 0), 0);
	assert_ptr_equal(vmt_record_schema(record), &done);
	assert_int_equal(vmt_output(record, &done, NULL, 0), -VMT_E_EXISTS);
	vmt_record_destroy(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_have_names_of_their_own),
		cmocka_unit_test(values_carry_type_and_content),
		cmocka_unit_test(good_schemas_are_accepted),
		cmocka_unit_test(the_name_of_a_schema_is_a_word),
		cmocka_unit_test(the_name_of_a_field_is_a_word_without_dashes_and_unique),
		cmocka_unit_test(types_and_roles_of_fields_are_known_ones),
		cmocka_unit_test(a_schema_has_at_most_64_fields),
		cmocka_unit_test(values_that_fit_are_accepted),
		cmocka_unit_test(values_must_fit_in_number),
		cmocka_unit_test(each_value_must_have_exactly_its_fields_type),
		cmocka_unit_test(too_long_a_value_is_refused_and_never_cut),
		cmocka_unit_test(a_null_value_with_a_length_is_refused),
		cmocka_unit_test(a_new_record_holds_nothing),
		cmocka_unit_test(a_record_owns_copies_of_its_values),
		cmocka_unit_test(an_output_is_set_once),
		cmocka_unit_test(an_output_that_does_not_fit_is_refused_and_says_why),
		cmocka_unit_test(an_output_without_fields_is_an_output),
	};

	return cmocka_run_group_tests_name("emission", tests, NULL, NULL);
}
