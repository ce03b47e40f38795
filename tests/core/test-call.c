/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Driver calls as values: names, text, and that each op becomes a call and a call becomes its op.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/call.h>

#include "calls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* A call driver that notes what it was called with. */
struct spy {
	struct vmt_call_driver d;
	struct vmt_call seen;
	unsigned calls, closes;
	int result;
	struct vmt_error err; /* what a failing call leaves */
};

static int spy_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct spy *spy = (struct spy *)d;

	spy->seen = *call;
	spy->calls++;
	if (spy->result < 0)
		d->driver.err = spy->err;
	call->result = spy->result;
	return spy->result;
}

static int spy_stop_fd(struct vmt_call_driver *d)
{
	(void)d;
	return 42;
}

static void spy_close(struct vmt_call_driver *d)
{
	((struct spy *)d)->closes++;
}

static const struct vmt_call_driver_ops spy_ops = {spy_call, spy_stop_fd, spy_close};

/* The one or two pointers of a call. */
static void pointers(const struct vmt_call *c, const void *p[2])
{
	p[0] = p[1] = NULL;
	switch (c->op) {
	case VMT_CALL_INFO:
		p[0] = c->u.info.info;
		break;
	case VMT_CALL_WAIT:
		p[0] = c->u.wait.wait;
		break;
	case VMT_CALL_NEXT:
		p[0] = c->u.next.event;
		break;
	case VMT_CALL_ANSWER:
		p[0] = c->u.answer.event;
		p[1] = c->u.answer.response;
		break;
	case VMT_CALL_PENDING:
		p[0] = c->u.pending.n;
		break;
	case VMT_CALL_OVERHEAD:
		p[0] = c->u.overhead.ns;
		break;
	case VMT_CALL_MONITOR:
		p[0] = c->u.monitor.monitor;
		break;
	case VMT_CALL_READ:
		p[0] = c->u.read.buf;
		break;
	case VMT_CALL_WRITE:
		p[0] = c->u.write.buf;
		break;
	case VMT_CALL_ALLOC_GFN:
		p[0] = c->u.alloc_gfn.gfn;
		break;
	case VMT_CALL_GET_ACCESS:
		p[0] = c->u.get_access.access;
		break;
	case VMT_CALL_SET_ACCESS:
		p[0] = c->u.set_access.done;
		break;
	case VMT_CALL_CREATE_VIEW:
		p[0] = c->u.create_view.view;
		break;
	case VMT_CALL_GET_REGS:
		p[0] = c->u.get_regs.regs;
		break;
	case VMT_CALL_SET_REGS:
		p[0] = c->u.set_regs.regs;
		break;
	case VMT_CALL_GET_CONTEXT:
		p[0] = c->u.get_context.context;
		break;
	case VMT_CALL_INJECT:
		p[0] = c->u.inject.interrupt;
		break;
	default:
		break;
	}
}

/* Equal in op, in the text (all that is no pointer stands in it) and in pointers. */
static void assert_same_call(const struct vmt_call *a, const struct vmt_call *b)
{
	char text_a[160], text_b[160];
	const void *p[2], *q[2];

	assert_int_equal(a->op, b->op);
	assert_string_equal(vmt_call_format(a, text_a, sizeof(text_a)),
			    vmt_call_format(b, text_b, sizeof(text_b)));
	pointers(a, p);
	pointers(b, q);
	assert_ptr_equal(p[0], q[0]);
	assert_ptr_equal(p[1], q[1]);
}

static void each_op_has_a_name_that_finds_it(void **state)
{
	(void)state;
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++)
		assert_int_equal(vmt_call_find(vmt_call_name(op)), op);
	assert_string_equal(vmt_call_name(VMT_CALL_SET_ACCESS), "set_access");
	assert_string_equal(vmt_call_name(0), "unknown");
	assert_string_equal(vmt_call_name(VMT_CALL_OP_COUNT), "unknown");
	assert_string_equal(vmt_call_name(UINT32_MAX), "unknown");
	assert_int_equal(vmt_call_find("unknown"), 0);
	assert_int_equal(vmt_call_find(""), 0);
	assert_int_equal(vmt_call_find("stop_fd"), 0);
}

static void effects_are_the_calls_that_change_the_domain(void **state)
{
	static const char *const effects[] = {
		"write",       "monitor",   "set_access", "create_view", "destroy_view",
		"switch_view", "remap_gfn", "set_regs",   "inject",      "pause",
		"resume",      "alloc_gfn", "free_gfn",
	};
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < COUNT(effects); i++)
		assert_true(vmt_call_is_effect(vmt_call_find(effects[i])));
	for (unsigned op = 0; op < VMT_CALL_OP_COUNT + 2; op++)
		n += vmt_call_is_effect(op);
	assert_int_equal(n, COUNT(effects));
}

static void each_call_is_one_line_of_text(void **state)
{
	static const char *const texts[VMT_CALL_OP_COUNT] = {
		[0] = "unknown()",
		[VMT_CALL_INFO] = "info()",
		[VMT_CALL_WAIT] = "wait(timeout 250 ms)",
		[VMT_CALL_NEXT] = "next()",
		[VMT_CALL_ANSWER] = "answer(vcpu 3 cpuid, singlestep view 2)",
		[VMT_CALL_COMMIT] = "commit()",
		[VMT_CALL_PENDING] = "pending()",
		[VMT_CALL_OVERHEAD] = "overhead()",
		[VMT_CALL_MONITOR] = "monitor(cr4, flags 0x2, ignore 0x80, on)",
		[VMT_CALL_READ] = "read(gfn 0x1f2, offset 16, length 8)",
		[VMT_CALL_WRITE] = "write(gfn 0x1f3, offset 32, length 4)",
		[VMT_CALL_ALLOC_GFN] = "alloc_gfn(gfn any)",
		[VMT_CALL_FREE_GFN] = "free_gfn(gfn 0x77)",
		[VMT_CALL_GET_ACCESS] = "get_access(view 4, gfn 0x88)",
		[VMT_CALL_SET_ACCESS] = "set_access(view 5, gfn 0x99, count 12, r-- ignore-walks)",
		[VMT_CALL_CREATE_VIEW] = "create_view(r-x)",
		[VMT_CALL_DESTROY_VIEW] = "destroy_view(view 6)",
		[VMT_CALL_SWITCH_VIEW] = "switch_view(view 7)",
		[VMT_CALL_REMAP_GFN] = "remap_gfn(view 8, from 0xaa, to any)",
		[VMT_CALL_GET_REGS] = "get_regs(vcpu 9)",
		[VMT_CALL_SET_REGS] = "set_regs(vcpu 10)",
		[VMT_CALL_GET_CONTEXT] = "get_context(vcpu 11)",
		[VMT_CALL_INJECT] =
			"inject(vcpu 12, vector 14 hw-exception error 0x2 extra 0x7000)",
		[VMT_CALL_PAUSE] = "pause()",
		[VMT_CALL_RESUME] = "resume()",
		[VMT_CALL_RESET] = "reset()",
		[VMT_CALL_SETTLE] = "settle(timeout 1000 ms)",
		[VMT_CALL_DETACH] = "detach()",
	};
	struct call_storage st = {0};
	char buf[160];

	(void)state;
	for (unsigned op = 0; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		assert_ptr_equal(vmt_call_format(&c, buf, sizeof(buf)), buf);
		assert_string_equal(buf, texts[op]);
	}
}

static void a_call_without_its_pointers_can_still_be_formatted(void **state)
{
	char buf[160];

	(void)state;
	for (unsigned op = 0; op < VMT_CALL_OP_COUNT + 1; op++) {
		struct vmt_call c;

		memset(&c, 0, sizeof(c));
		c.op = op;
		vmt_call_format(&c, buf, sizeof(buf));
		assert_int_equal(strncmp(buf, vmt_call_name(op), strlen(vmt_call_name(op))), 0);
		vmt_call_format(&c, buf, 3);
		assert_int_equal(strlen(buf), 2);
	}
}

static void a_wait_for_ever_says_so(void **state)
{
	struct vmt_call c = {.op = VMT_CALL_WAIT};
	char buf[32];

	(void)state;
	c.u.wait.timeout_ms = -1;
	assert_string_equal(vmt_call_format(&c, buf, sizeof(buf)), "wait(for ever)");
}

static void each_function_arrives_as_its_call_with_all_arguments(void **state)
{
	struct call_storage st = {0};
	struct spy spy = {0};

	(void)state;
	vmt_call_driver_init(&spy.d, &spy_ops);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		spy.result = op == VMT_CALL_NEXT ? 1 : 0;
		assert_int_equal(call_function(&spy.d.driver, &c), spy.result);
		assert_int_equal(spy.calls, op);
		assert_same_call(&spy.seen, &c);
	}
}

static void each_call_that_is_applied_arrives_as_its_op(void **state)
{
	struct call_storage st = {0};
	struct spy spy = {0};

	(void)state;
	vmt_call_driver_init(&spy.d, &spy_ops);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		c.result = -1;
		spy.result = op == VMT_CALL_NEXT ? 1 : 0;
		assert_int_equal(vmt_call_apply(&spy.d.driver, &c), spy.result);
		assert_int_equal(c.result, spy.result);
		assert_same_call(&spy.seen, &c);
	}
}

static void a_failed_call_keeps_the_inner_drivers_words(void **state)
{
	struct call_storage st = {0};
	struct spy spy = {.result = -VMT_E_GONE};

	(void)state;
	vmt_error_set(&spy.err, VMT_E_GONE, "far away", "the domain is gone");
	vmt_call_driver_init(&spy.d, &spy_ops);
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		assert_int_equal(vmt_call_apply(&spy.d.driver, &c), -VMT_E_GONE);
		assert_int_equal(c.result, -VMT_E_GONE);
		assert_int_equal(spy.d.driver.err.status, VMT_E_GONE);
		assert_string_equal(spy.d.driver.err.place, "far away");
		assert_string_equal(spy.d.driver.err.text, "the domain is gone");
	}
}

static void a_number_that_is_no_op_is_refused(void **state)
{
	static const uint32_t strange[] = {0, VMT_CALL_OP_COUNT, UINT32_MAX};
	struct spy spy = {0};

	(void)state;
	vmt_call_driver_init(&spy.d, &spy_ops);
	for (size_t i = 0; i < COUNT(strange); i++) {
		struct vmt_call c = {.op = strange[i]};

		assert_int_equal(vmt_call_apply(&spy.d.driver, &c), -VMT_E_INVALID);
		assert_int_equal(c.result, -VMT_E_INVALID);
		assert_int_equal(spy.d.driver.err.status, VMT_E_INVALID);
	}
	assert_int_equal(spy.calls, 0);
}

static void closing_and_the_stop_fd_reach_the_driver(void **state)
{
	struct spy spy = {0};

	(void)state;
	vmt_call_driver_init(&spy.d, &spy_ops);
	assert_int_equal(vmt_driver_stop_fd(&spy.d.driver), 42);
	vmt_driver_close(&spy.d.driver);
	assert_int_equal(spy.closes, 1);
	assert_int_equal(spy.calls, 0);
}

static void a_call_driver_may_do_without_stop_fd_and_close(void **state)
{
	static const struct vmt_call_driver_ops bare = {.call = spy_call};
	struct spy spy = {0};

	(void)state;
	vmt_call_driver_init(&spy.d, &bare);
	assert_int_equal(vmt_driver_stop_fd(&spy.d.driver), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(spy.d.driver.err.status, VMT_E_NOT_SUPPORTED);
	vmt_driver_close(&spy.d.driver);
	assert_int_equal(spy.closes, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_op_has_a_name_that_finds_it),
		cmocka_unit_test(effects_are_the_calls_that_change_the_domain),
		cmocka_unit_test(each_call_is_one_line_of_text),
		cmocka_unit_test(a_call_without_its_pointers_can_still_be_formatted),
		cmocka_unit_test(a_wait_for_ever_says_so),
		cmocka_unit_test(each_function_arrives_as_its_call_with_all_arguments),
		cmocka_unit_test(each_call_that_is_applied_arrives_as_its_op),
		cmocka_unit_test(a_failed_call_keeps_the_inner_drivers_words),
		cmocka_unit_test(a_number_that_is_no_op_is_refused),
		cmocka_unit_test(closing_and_the_stop_fd_reach_the_driver),
		cmocka_unit_test(a_call_driver_may_do_without_stop_fd_and_close),
	};

	return cmocka_run_group_tests_name("call", tests, NULL, NULL);
}
