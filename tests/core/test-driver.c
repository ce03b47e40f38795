/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the vmt_driver_*() functions promise: a missing op answers "not supported", a failure always
 * has its words, a success none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/driver.h>

#include "calls.h"
#include "puppet.h"

/* -------------------------------------------------------------------------------------------- */
/* Missing ops                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void a_missing_op_is_not_supported(void **state)
{
	static const struct vmt_driver_ops empty = {.size = sizeof(empty), .name = "empty"};
	struct vmt_driver d = {.ops = &empty};
	struct call_storage st = {0};
	char place[160];

	(void)state;
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		assert_int_equal(call_function(&d, &c), -VMT_E_NOT_SUPPORTED);
		assert_int_equal(d.err.status, VMT_E_NOT_SUPPORTED);
		assert_non_null(strstr(d.err.text, "empty"));
		vmt_call_format(&c, place, sizeof(place));
		place[VMT_ERROR_PLACE - 1] = '\0';
		assert_string_equal(d.err.place, place);
	}
	assert_int_equal(vmt_driver_stop_fd(&d), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(d.err.status, VMT_E_NOT_SUPPORTED);
	vmt_driver_close(&d);
}

static int pause_works(struct vmt_driver *d)
{
	(void)d;
	return 0;
}

static int never(struct vmt_driver *d)
{
	(void)d;
	fail_msg("an op past the table's size was called");
	return 0;
}

static void an_op_past_the_size_of_an_older_table_is_not_supported(void **state)
{
	static const struct vmt_driver_ops old = {
		.size = offsetof(struct vmt_driver_ops, resume),
		.name = NULL,
		.pause = pause_works,
		.resume = never,
		.stop_fd = never,
	};
	struct vmt_driver d = {.ops = &old};

	(void)state;
	assert_int_equal(vmt_driver_pause(&d), 0);
	assert_int_equal(vmt_driver_resume(&d), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(vmt_driver_stop_fd(&d), -VMT_E_NOT_SUPPORTED);
}

static void closing_nothing_is_allowed(void **state)
{
	(void)state;
	vmt_driver_close(NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* Errors                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void a_failure_without_words_gets_some(void **state)
{
	struct puppet *p = *state;
	struct call_storage st = {0};

	p->result = -VMT_E_HYPERVISOR;
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		assert_int_equal(call_function(&p->d.driver, &c), -VMT_E_HYPERVISOR);
		assert_int_equal(p->d.driver.err.status, VMT_E_HYPERVISOR);
		assert_non_null(strstr(p->d.driver.err.text, "hypervisor"));
		assert_int_equal(strncmp(p->d.driver.err.place, vmt_call_name(op),
					 strlen(vmt_call_name(op))),
				 0);
	}
}

static void what_a_driver_did_fill_is_kept(void **state)
{
	struct puppet *p = *state;

	p->result = -VMT_E_HYPERVISOR;
	p->err.sys_errno = 22;
	assert_int_equal(vmt_driver_pause(&p->d.driver), -VMT_E_HYPERVISOR);
	assert_int_equal(p->d.driver.err.sys_errno, 22);
	vmt_error_set(&p->err, VMT_E_BUSY, "", "told already");
	p->err.sys_errno = 16;
	assert_int_equal(vmt_driver_pause(&p->d.driver), -VMT_E_HYPERVISOR);
	assert_int_equal(p->d.driver.err.status, VMT_E_HYPERVISOR);
	assert_string_equal(p->d.driver.err.text, "told already");
	assert_string_equal(p->d.driver.err.place, "pause()");
	assert_int_equal(p->d.driver.err.sys_errno, 16);
}

static void words_of_an_earlier_failure_are_not_taken_for_this_one(void **state)
{
	struct puppet *p = *state;

	p->result = -VMT_E_BUSY;
	vmt_error_set(&p->err, VMT_E_BUSY, "earlier", "an earlier failure");
	assert_int_equal(vmt_driver_pause(&p->d.driver), -VMT_E_BUSY);
	memset(&p->err, 0, sizeof(p->err));
	assert_int_equal(vmt_driver_resume(&p->d.driver), -VMT_E_BUSY);
	assert_null(strstr(p->d.driver.err.text, "earlier"));
	assert_string_equal(p->d.driver.err.place, "resume()");
}

static void a_success_leaves_no_error(void **state)
{
	struct puppet *p = *state;

	p->result = -VMT_E_BUSY;
	assert_int_equal(vmt_driver_pause(&p->d.driver), -VMT_E_BUSY);
	p->result = 0;
	assert_int_equal(vmt_driver_pause(&p->d.driver), 0);
	assert_int_equal(p->d.driver.err.status, 0);
	/* Neither one of a driver that failed inside and mended it. */
	vmt_error_set(&p->err, VMT_E_BUSY, "inside", "was busy at first");
	assert_int_equal(vmt_driver_pause(&p->d.driver), 0);
	assert_int_equal(p->d.driver.err.status, 0);
}

static int stop_fd_fails(struct vmt_driver *d)
{
	(void)d;
	return -VMT_E_IO;
}

static void a_stop_fd_that_fails_says_so(void **state)
{
	static const struct vmt_driver_ops ops = {.size = sizeof(ops), .stop_fd = stop_fd_fails};
	struct vmt_driver d = {.ops = &ops};

	(void)state;
	vmt_error_set(&d.err, VMT_E_GONE, "before", "left over");
	assert_int_equal(vmt_driver_stop_fd(&d), -VMT_E_IO);
	assert_int_equal(d.err.status, VMT_E_IO);
	assert_string_equal(d.err.place, "stop_fd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_op_is_not_supported),
		cmocka_unit_test(an_op_past_the_size_of_an_older_table_is_not_supported),
		cmocka_unit_test(closing_nothing_is_allowed),
		cmocka_unit_test_setup(a_failure_without_words_gets_some, puppet_setup),
		cmocka_unit_test_setup(what_a_driver_did_fill_is_kept, puppet_setup),
		cmocka_unit_test_setup(words_of_an_earlier_failure_are_not_taken_for_this_one,
				       puppet_setup),
		cmocka_unit_test_setup(a_success_leaves_no_error, puppet_setup),
		cmocka_unit_test(a_stop_fd_that_fails_says_so),
	};

	return cmocka_run_group_tests_name("driver", tests, NULL, NULL);
}
