/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The error value: names of result codes; filling, extending and formatting.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/types.h>

static void each_status_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int a = 0; a < VMT_STATUS_COUNT; a++) {
		assert_non_null(vmt_status_name(a));
		assert_string_not_equal(vmt_status_name(a), "unknown");
		assert_string_equal(vmt_status_name(a), vmt_status_name(-a));
		for (int b = 0; b < a; b++)
			assert_string_not_equal(vmt_status_name(a), vmt_status_name(b));
	}
	assert_string_equal(vmt_status_name(VMT_E_NOT_SUPPORTED), "not supported");
}

static void a_number_that_is_no_status_is_called_unknown(void **state)
{
	static const int strange[] = {VMT_STATUS_COUNT, -VMT_STATUS_COUNT, INT_MAX, INT_MIN};

	(void)state;
	for (size_t i = 0; i < sizeof(strange) / sizeof(strange[0]); i++)
		assert_string_equal(vmt_status_name(strange[i]), "unknown");
}

static void setting_fills_everything_and_returns_the_negative_code(void **state)
{
	struct vmt_error err;

	(void)state;
	memset(&err, 0xaa, sizeof(err));
	assert_int_equal(vmt_error_set(&err, VMT_E_BUSY, "inject", "vcpu %d is %s", 3, "busy"),
			 -VMT_E_BUSY);
	assert_int_equal(err.status, VMT_E_BUSY);
	assert_int_equal(err.sys_errno, 0);
	assert_int_equal(err.fault.kind, VMT_FAULT_NONE);
	assert_int_equal(err.fault.entry, 0);
	assert_string_equal(err.place, "inject");
	assert_string_equal(err.text, "vcpu 3 is busy");
}

static void no_error_to_fill_is_allowed(void **state)
{
	(void)state;
	assert_int_equal(vmt_error_set(NULL, VMT_E_GONE, "wait", "%s", "gone"), -VMT_E_GONE);
	assert_int_equal(vmt_error_set_errno(NULL, VMT_E_IO, ENOSPC, "write", "full"), -VMT_E_IO);
}

static void no_place_is_an_empty_place(void **state)
{
	struct vmt_error err;

	(void)state;
	vmt_error_set(&err, VMT_E_GONE, NULL, "it is gone");
	assert_string_equal(err.place, "");
}

static void too_long_texts_are_cut_and_ended(void **state)
{
	char lengthy[2 * VMT_ERROR_TEXT];
	struct vmt_error err;

	(void)state;
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	vmt_error_set(&err, VMT_E_INVALID, lengthy, "%s", lengthy);
	assert_int_equal(strlen(err.place), VMT_ERROR_PLACE - 1);
	assert_int_equal(strlen(err.text), VMT_ERROR_TEXT - 1);
	assert_int_equal(vmt_error_prefix(&err, "%s", lengthy), -VMT_E_INVALID);
	assert_int_equal(strlen(err.text), VMT_ERROR_TEXT - 1);
	assert_int_equal(vmt_error_set_errno(&err, VMT_E_IO, EIO, "p", "%s", lengthy), -VMT_E_IO);
	assert_int_equal(strlen(err.text), VMT_ERROR_TEXT - 1);
}

static void an_error_can_be_set_from_its_own_words(void **state)
{
	struct vmt_error err;

	(void)state;
	vmt_error_set(&err, VMT_E_IO, "place", "first");
	vmt_error_set(&err, VMT_E_GONE, err.place, "%s, then %s", err.text, err.text);
	assert_string_equal(err.place, "place");
	assert_string_equal(err.text, "first, then first");
}

static void the_systems_errno_is_kept_and_explained(void **state)
{
	struct vmt_error err;

	(void)state;
	assert_int_equal(vmt_error_set_errno(&err, VMT_E_IO, ENOENT, "open", "cannot open %s", "x"),
			 -VMT_E_IO);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_string_equal(err.text, "cannot open x: No such file or directory");
}

static void a_prefix_keeps_code_place_fault_and_errno(void **state)
{
	struct vmt_error err;

	(void)state;
	vmt_error_set_errno(&err, VMT_E_FAULT, EFAULT, "read", "not present");
	err.fault.kind = VMT_FAULT_NOT_PRESENT;
	err.fault.level = 2;
	assert_int_equal(vmt_error_prefix(&err, "cannot place breakpoint %d: ", 7), -VMT_E_FAULT);
	assert_string_equal(err.text, "cannot place breakpoint 7: not present: Bad address");
	assert_string_equal(err.place, "read");
	assert_int_equal(err.sys_errno, EFAULT);
	assert_int_equal(err.fault.kind, VMT_FAULT_NOT_PRESENT);
	assert_int_equal(err.fault.level, 2);
}

static void formatting_gives_place_and_sentence(void **state)
{
	struct vmt_error err;
	char buf[64];

	(void)state;
	vmt_error_set(&err, VMT_E_BUSY, "inject", "one is pending");
	assert_ptr_equal(vmt_error_format(&err, buf, sizeof(buf)), buf);
	assert_string_equal(buf, "inject: one is pending");
	err.place[0] = '\0';
	assert_string_equal(vmt_error_format(&err, buf, sizeof(buf)), "one is pending");
	err.text[0] = '\0';
	assert_string_equal(vmt_error_format(&err, buf, sizeof(buf)), "busy");
}

static void formatting_no_error_says_so(void **state)
{
	struct vmt_error err = {0};
	char buf[64];

	(void)state;
	assert_string_equal(vmt_error_format(&err, buf, sizeof(buf)), "no error");
}

static void formatting_never_leaves_the_buffer(void **state)
{
	struct vmt_error err;
	char buf[8];

	(void)state;
	vmt_error_set(&err, VMT_E_BUSY, "inject", "one is pending");
	memset(buf, '#', sizeof(buf));
	vmt_error_format(&err, buf, 4);
	assert_memory_equal(buf, "inj\0####", 8);
	memset(buf, '#', sizeof(buf));
	vmt_error_format(&err, buf, 1);
	assert_memory_equal(buf, "\0#######", 8);
	memset(buf, '#', sizeof(buf));
	vmt_error_format(&err, buf, 0);
	assert_memory_equal(buf, "########", 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_status_has_a_name_of_its_own),
		cmocka_unit_test(a_number_that_is_no_status_is_called_unknown),
		cmocka_unit_test(setting_fills_everything_and_returns_the_negative_code),
		cmocka_unit_test(no_error_to_fill_is_allowed),
		cmocka_unit_test(no_place_is_an_empty_place),
		cmocka_unit_test(too_long_texts_are_cut_and_ended),
		cmocka_unit_test(an_error_can_be_set_from_its_own_words),
		cmocka_unit_test(the_systems_errno_is_kept_and_explained),
		cmocka_unit_test(a_prefix_keeps_code_place_fault_and_errno),
		cmocka_unit_test(formatting_gives_place_and_sentence),
		cmocka_unit_test(formatting_no_error_says_so),
		cmocka_unit_test(formatting_never_leaves_the_buffer),
	};

	return cmocka_run_group_tests_name("error", tests, NULL, NULL);
}
