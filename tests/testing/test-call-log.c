/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call log: it passes each call on unchanged, and keeps copies of what went in and came out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

#include "tests/core/calls.h"

#include "puppet.h"

struct fixture {
	struct puppet *inner;
	struct vmt_driver *log;
	struct call_storage st;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->inner = puppet_create();
	if (vmt_call_log_create(&f->inner->d.driver, &f->log, NULL) < 0)
		return -1;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vmt_driver_close(f->log);
	free(f);
	return 0;
}

static void each_op_reaches_the_inner_driver_with_its_arguments(void **state)
{
	struct fixture *f = *state;

	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call call = sample_call(op, &f->st);

		assert_int_equal(call_function(f->log, &call), 0);
		assert_int_equal(f->inner->calls[op], 1);
		assert_int_equal(f->inner->last.op, op);
		assert_memory_equal(&f->inner->last.u, &call.u, sizeof(call.u));
		vmt_assert_calls(f->log, op, 1);
	}
	vmt_assert_calls(f->log, 0, VMT_CALL_OP_COUNT - 1);
}

static void each_op_is_kept_with_its_text(void **state)
{
	struct fixture *f = *state;

	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call call = sample_call(op, &f->st);
		const struct vmt_logged_call *kept;
		char before[512], after[512];

		vmt_call_format(&call, before, sizeof(before));
		call_function(f->log, &call);
		kept = vmt_call_log_get(f->log, op, 0);
		assert_non_null(kept);
		assert_int_equal(kept->number, op - 1);
		if (op != VMT_CALL_ALLOC_GFN) /* its text tells the result once it is there */
			assert_string_equal(vmt_call_format(&kept->call, after, sizeof(after)),
					    before);
	}
}

static void written_bytes_are_copied(void **state)
{
	struct fixture *f = *state;
	char bytes[] = "before";
	const struct vmt_logged_call *kept;

	vmt_assert_ok(vmt_driver_write(f->log, vmt_gfn_from(3), 9, bytes, 6), &f->log->err);
	memset(bytes, 'x', 6);
	kept = vmt_call_log_get(f->log, VMT_CALL_WRITE, 0);
	assert_int_equal(kept->call.u.write.gfn.n, 3);
	assert_int_equal(kept->call.u.write.offset, 9);
	assert_int_equal(kept->call.u.write.len, 6);
	assert_memory_equal(kept->call.u.write.buf, "before", 6);
}

static void read_bytes_are_copied(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[4] = {0};
	static const uint8_t expected[4] = {0x5a, 0x5a, 0x5a, 0x5a};
	const struct vmt_logged_call *kept;

	vmt_assert_ok(vmt_driver_read(f->log, vmt_gfn_from(3), 9, buf, 4), &f->log->err);
	memset(buf, 0, sizeof(buf));
	kept = vmt_call_log_get(f->log, VMT_CALL_READ, 0);
	assert_memory_equal(kept->call.u.read.buf, expected, 4);
}

static void a_response_is_copied_with_its_registers_and_data(void **state)
{
	struct fixture *f = *state;
	struct vmt_event ev = {.ticket = 5, .reason = VMT_EVENT_MEMORY_ACCESS};
	struct vmt_gprs gprs = {.rax = 0x77};
	char data[] = "data";
	struct vmt_response rsp =
		vmt_with_data(vmt_with_regs(vmt_respond(VMT_EMULATE_READ), &gprs), data, 4);
	const struct vmt_logged_call *kept;

	vmt_assert_ok(vmt_driver_answer(f->log, &ev, &rsp), &f->log->err);
	gprs.rax = 0;
	memset(data, 'x', 4);
	ev.ticket = 0;
	kept = vmt_call_log_get(f->log, VMT_CALL_ANSWER, 0);
	assert_int_equal(kept->call.u.answer.event->ticket, 5);
	vmt_assert_response(kept->call.u.answer.response, VMT_EMULATE_READ, {"rax", 0x77},
			    {"data_len", 4});
	assert_memory_equal(kept->call.u.answer.response->data, "data", 4);
}

static void an_event_is_copied_with_its_raw_bytes(void **state)
{
	struct fixture *f = *state;
	struct vmt_event ev;
	char raw[] = "raw bytes";
	const struct vmt_logged_call *kept;

	f->inner->result = 1;
	f->inner->raw = raw;
	f->inner->raw_len = sizeof(raw);
	assert_int_equal(vmt_driver_next(f->log, &ev), 1);
	memset(raw, 0, sizeof(raw));
	kept = vmt_call_log_get(f->log, VMT_CALL_NEXT, 0);
	assert_int_equal(kept->call.u.next.event->ticket, 77);
	assert_string_equal(kept->call.u.next.event->raw, "raw bytes");
}

static void results_are_copied(void **state)
{
	struct fixture *f = *state;
	struct vmt_regs regs;
	vmt_gfn gfn = VMT_GFN_ANY;
	vmt_view view;

	vmt_driver_get_regs(f->log, 0, &regs);
	vmt_driver_alloc_gfn(f->log, &gfn);
	vmt_driver_create_view(f->log, vmt_access_from(VMT_RWX), &view);
	memset(&regs, 0, sizeof(regs));
	gfn.n = 0;
	view = 0;
	assert_int_equal(
		vmt_call_log_get(f->log, VMT_CALL_GET_REGS, 0)->call.u.get_regs.regs->gprs.rip,
		0x1234);
	assert_int_equal(vmt_call_log_get(f->log, VMT_CALL_ALLOC_GFN, 0)->call.u.alloc_gfn.gfn->n,
			 0x123);
	assert_int_equal(
		*vmt_call_log_get(f->log, VMT_CALL_CREATE_VIEW, 0)->call.u.create_view.view, 2);
}

static void the_count_of_pages_is_kept_also_for_who_does_not_ask(void **state)
{
	struct fixture *f = *state;

	vmt_assert_ok(vmt_driver_set_access(f->log, 0, vmt_gfn_from(1), 2, vmt_access_from(VMT_R),
					    NULL),
		      &f->log->err);
	assert_int_equal(*vmt_call_log_get(f->log, VMT_CALL_SET_ACCESS, 0)->call.u.set_access.done,
			 2);
}

static void a_failed_call_is_kept_with_its_reason_and_no_result(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[4];
	static const uint8_t nothing[4];
	const struct vmt_logged_call *kept;

	memset(buf, 0xff, sizeof(buf));
	f->inner->result = -VMT_E_UNMAPPED;
	vmt_assert_refused(vmt_driver_read(f->log, vmt_gfn_from(3), 0, buf, 4), &f->log->err,
			   VMT_E_UNMAPPED);
	assert_string_equal(f->log->err.text, "told to fail");
	kept = vmt_call_log_get(f->log, VMT_CALL_READ, 0);
	assert_int_equal(kept->call.result, -VMT_E_UNMAPPED);
	assert_string_equal(kept->err.text, "told to fail");
	assert_memory_equal(kept->call.u.read.buf, nothing, 4);
}

static void clearing_begins_anew(void **state)
{
	struct fixture *f = *state;

	vmt_driver_pause(f->log);
	vmt_driver_resume(f->log);
	vmt_call_log_clear(f->log);
	vmt_assert_calls(f->log, 0, 0);
	vmt_assert_calls(f->log, VMT_CALL_PAUSE, 0);
	assert_null(vmt_call_log_get(f->log, 0, 0));
	vmt_driver_commit(f->log);
	assert_int_equal(vmt_call_log_get(f->log, 0, 0)->number, 0);
}

static void the_nth_call_of_an_op_is_found(void **state)
{
	struct fixture *f = *state;

	for (uint64_t gfn = 10; gfn < 200; gfn++) {
		vmt_driver_pause(f->log);
		vmt_driver_free_gfn(f->log, vmt_gfn_from(gfn));
	}
	assert_int_equal(vmt_call_log_get(f->log, VMT_CALL_FREE_GFN, 189)->call.u.free_gfn.gfn.n,
			 199);
	assert_null(vmt_call_log_get(f->log, VMT_CALL_FREE_GFN, 190));
	assert_int_equal(vmt_call_log_get(f->log, 0, 3)->call.op, VMT_CALL_FREE_GFN);
}

static void the_text_has_a_line_for_each_call(void **state)
{
	struct fixture *f = *state;
	char *text;

	vmt_driver_write(f->log, vmt_gfn_from(0x10), 4, "abc", 3);
	f->inner->result = -VMT_E_BUSY;
	vmt_driver_destroy_view(f->log, 1);
	text = vmt_call_log_text(f->log);
	assert_string_equal(text, "0 write(gfn 0x10, offset 4, length 3) = 0\n"
				  "1 destroy_view(view 1) = busy: told to fail\n");
	free(text);
}

static void a_call_the_driver_functions_refuse_reaches_neither_log_nor_inner(void **state)
{
	struct fixture *f = *state;
	uint8_t byte = 1;

	vmt_assert_refused(vmt_driver_write(f->log, vmt_gfn_from(1), 4095, &byte, 2), &f->log->err,
			   VMT_E_INVALID);
	vmt_assert_calls(f->log, 0, 0);
	assert_int_equal(f->inner->calls[VMT_CALL_WRITE], 0);
}

static void it_is_found_through_drivers_around_it(void **state)
{
	struct fixture *f = *state;
	struct vmt_driver *outer;

	vmt_assert_ok(vmt_fault_injector_create(f->log, 0, &outer, NULL), NULL);
	f->log = outer; /* which tear_down closes */
	vmt_driver_pause(outer);
	vmt_assert_calls(outer, VMT_CALL_PAUSE, 1);
}

static void another_driver_has_no_log(void **state)
{
	struct fixture *f = *state;
	char *text = vmt_call_log_text(&f->inner->d.driver);

	assert_string_equal(text, "");
	free(text);
	assert_int_equal(vmt_call_log_count(&f->inner->d.driver, 0), 0);
	assert_null(vmt_call_log_get(&f->inner->d.driver, 0, 0));
}

static void the_stop_fd_is_the_inner_drivers(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vmt_driver_stop_fd(f->log), PUPPET_FD);
	vmt_assert_calls(f->log, 0, 0);
}

static void closing_it_closes_the_inner_driver(void **state)
{
	struct puppet *inner = puppet_create();
	struct vmt_driver *log;
	bool closed = false;

	(void)state;
	inner->closed = &closed;
	vmt_assert_ok(vmt_call_log_create(&inner->d.driver, &log, NULL), NULL);
	vmt_driver_close(log);
	assert_true(closed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_op_reaches_the_inner_driver_with_its_arguments),
		TEST(each_op_is_kept_with_its_text),
		TEST(written_bytes_are_copied),
		TEST(read_bytes_are_copied),
		TEST(a_response_is_copied_with_its_registers_and_data),
		TEST(an_event_is_copied_with_its_raw_bytes),
		TEST(results_are_copied),
		TEST(the_count_of_pages_is_kept_also_for_who_does_not_ask),
		TEST(a_failed_call_is_kept_with_its_reason_and_no_result),
		TEST(clearing_begins_anew),
		TEST(the_nth_call_of_an_op_is_found),
		TEST(the_text_has_a_line_for_each_call),
		TEST(a_call_the_driver_functions_refuse_reaches_neither_log_nor_inner),
		TEST(it_is_found_through_drivers_around_it),
		TEST(another_driver_has_no_log),
		TEST(the_stop_fd_is_the_inner_drivers),
		cmocka_unit_test(closing_it_closes_the_inner_driver),
	};

	return cmocka_run_group_tests_name("call log", tests, NULL, NULL);
}
