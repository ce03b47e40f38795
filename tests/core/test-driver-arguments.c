/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arguments that no driver could mean are refused before the driver is asked.
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

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void refused(struct puppet *p, const struct vmt_call *c, const char *word)
{
	unsigned before = p->calls;

	assert_int_equal(call_function(&p->d.driver, c), -VMT_E_INVALID);
	assert_int_equal(p->calls, before);
	assert_int_equal(p->d.driver.err.status, VMT_E_INVALID);
	assert_non_null(strstr(p->d.driver.err.text, word));
	assert_int_equal(strncmp(p->d.driver.err.place, vmt_call_name(c->op),
				 strlen(vmt_call_name(c->op))),
			 0);
}

static void accepted(struct puppet *p, const struct vmt_call *c)
{
	unsigned before = p->calls;

	assert_int_equal(call_function(&p->d.driver, c), 0);
	assert_int_equal(p->calls, before + 1);
	assert_int_equal(p->d.driver.err.status, 0);
}

static void a_null_where_a_value_is_due_is_refused(void **state)
{
	static const unsigned with_pointer[] = {
		VMT_CALL_INFO,        VMT_CALL_WAIT,        VMT_CALL_NEXT,     VMT_CALL_ANSWER,
		VMT_CALL_PENDING,     VMT_CALL_OVERHEAD,    VMT_CALL_MONITOR,  VMT_CALL_ALLOC_GFN,
		VMT_CALL_GET_ACCESS,  VMT_CALL_CREATE_VIEW, VMT_CALL_GET_REGS, VMT_CALL_SET_REGS,
		VMT_CALL_GET_CONTEXT, VMT_CALL_INJECT,
	};

	for (size_t i = 0; i < COUNT(with_pointer); i++) {
		struct vmt_call c;

		memset(&c, 0, sizeof(c));
		c.op = with_pointer[i];
		refused(*state, &c, "NULL");
	}
}

static void an_answer_needs_both_event_and_response(void **state)
{
	struct call_storage st = {0};
	struct vmt_call c = sample_call(VMT_CALL_ANSWER, &st);

	c.u.answer.event = NULL;
	refused(*state, &c, "NULL");
	c = sample_call(VMT_CALL_ANSWER, &st);
	c.u.answer.response = NULL;
	refused(*state, &c, "NULL");
}

static void a_range_stays_in_its_page(void **state)
{
	static const struct {
		uint32_t offset, len;
		const char *word; /* NULL: accepted */
	} ranges[] = {
		{0, 4096, NULL},
		{4095, 1, NULL},
		{0, 1, NULL},
		{0, 0, "length is 0"},
		{0, 4097, "leaves its page"},
		{4095, 2, "leaves its page"},
		{4096, 1, "leaves its page"},
		{1, UINT32_MAX, "leaves its page"},
		{UINT32_MAX, 1, "leaves"},
		{UINT32_MAX, UINT32_MAX, "leaves"},
	};
	struct call_storage st = {0};

	for (size_t i = 0; i < COUNT(ranges); i++)
		for (unsigned op = VMT_CALL_READ; op <= VMT_CALL_WRITE; op++) {
			struct vmt_call c = sample_call(op, &st);

			if (op == VMT_CALL_READ) {
				c.u.read.offset = ranges[i].offset;
				c.u.read.len = ranges[i].len;
			} else {
				c.u.write.offset = ranges[i].offset;
				c.u.write.len = ranges[i].len;
			}
			if (ranges[i].word)
				refused(*state, &c, ranges[i].word);
			else
				accepted(*state, &c);
		}
}

static void reading_and_writing_need_a_buffer(void **state)
{
	struct call_storage st = {0};
	struct vmt_call c = sample_call(VMT_CALL_READ, &st);

	c.u.read.buf = NULL;
	refused(*state, &c, "buffer");
	c = sample_call(VMT_CALL_WRITE, &st);
	c.u.write.buf = NULL;
	refused(*state, &c, "buffer");
}

/* The page of a call, where it has one that is passed by value. */
static vmt_gfn *gfn_of(struct vmt_call *c)
{
	switch (c->op) {
	case VMT_CALL_READ:
		return &c->u.read.gfn;
	case VMT_CALL_WRITE:
		return &c->u.write.gfn;
	case VMT_CALL_FREE_GFN:
		return &c->u.free_gfn.gfn;
	case VMT_CALL_GET_ACCESS:
		return &c->u.get_access.gfn;
	case VMT_CALL_SET_ACCESS:
		return &c->u.set_access.gfn;
	case VMT_CALL_REMAP_GFN:
		return &c->u.remap_gfn.from;
	default:
		return NULL;
	}
}

static void a_page_whose_address_does_not_exist_is_refused(void **state)
{
	struct call_storage st = {0};
	unsigned tried = 0;

	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++) {
		struct vmt_call c = sample_call(op, &st);

		if (!gfn_of(&c))
			continue;
		if (op == VMT_CALL_SET_ACCESS)
			c.u.set_access.count = 1;
		*gfn_of(&c) = VMT_GFN_ANY;
		refused(*state, &c, "guest page");
		*gfn_of(&c) = vmt_gfn_from(UINT64_C(1) << 52);
		refused(*state, &c, "guest page");
		*gfn_of(&c) = vmt_gfn_from((UINT64_C(1) << 52) - 1);
		accepted(*state, &c);
		tried++;
	}
	assert_int_equal(tried, 6);
}

static void any_page_may_be_asked_for_where_that_has_a_meaning(void **state)
{
	struct call_storage st = {0};
	struct vmt_call alloc = sample_call(VMT_CALL_ALLOC_GFN, &st);
	struct vmt_call remap = sample_call(VMT_CALL_REMAP_GFN, &st);

	st.gfn = VMT_GFN_ANY;
	accepted(*state, &alloc);
	st.gfn = vmt_gfn_from(UINT64_C(1) << 52);
	refused(*state, &alloc, "guest page");
	remap.u.remap_gfn.to = VMT_GFN_ANY;
	accepted(*state, &remap);
	remap.u.remap_gfn.to = vmt_gfn_from(UINT64_C(1) << 60);
	refused(*state, &remap, "guest page");
}

static void rights_are_set_on_at_least_one_page_and_not_past_the_end(void **state)
{
	struct call_storage st = {0};
	struct vmt_call c = sample_call(VMT_CALL_SET_ACCESS, &st);

	c.u.set_access.count = 0;
	refused(*state, &c, "count is 0");
	c.u.set_access.count = UINT64_MAX;
	refused(*state, &c, "guest page");
	c.u.set_access.gfn = vmt_gfn_from((UINT64_C(1) << 52) - 2);
	c.u.set_access.count = 2;
	accepted(*state, &c);
	c.u.set_access.count = 3;
	refused(*state, &c, "guest page");
}

static void unknown_rights_and_options_are_refused(void **state)
{
	struct call_storage st = {0};
	struct vmt_call set = sample_call(VMT_CALL_SET_ACCESS, &st);
	struct vmt_call create = sample_call(VMT_CALL_CREATE_VIEW, &st);

	set.u.set_access.access.rights = 8;
	refused(*state, &set, "unknown bits");
	set.u.set_access.access.rights = 0;
	accepted(*state, &set);
	set.u.set_access.access.options = 2;
	refused(*state, &set, "unknown bits");
	create.u.create_view.access.rights = 0xff;
	refused(*state, &create, "unknown bits");
	create.u.create_view.access.rights = VMT_RWX;
	create.u.create_view.access.options = 0x80;
	refused(*state, &create, "unknown bits");
}

static void what_was_done_is_0_when_the_call_is_refused_and_may_be_left_out(void **state)
{
	struct call_storage st = {.done = 99};
	struct vmt_call c = sample_call(VMT_CALL_SET_ACCESS, &st);

	c.u.set_access.count = 0;
	refused(*state, &c, "count");
	assert_int_equal(st.done, 0);
	c.u.set_access.count = 1;
	c.u.set_access.done = NULL;
	accepted(*state, &c);
}

static void view_0_can_be_neither_destroyed_nor_remapped(void **state)
{
	struct call_storage st = {0};
	struct vmt_call destroy = sample_call(VMT_CALL_DESTROY_VIEW, &st);
	struct vmt_call remap = sample_call(VMT_CALL_REMAP_GFN, &st);
	struct vmt_call change = sample_call(VMT_CALL_SWITCH_VIEW, &st);

	destroy.u.view.view = 0;
	refused(*state, &destroy, "view 0");
	remap.u.remap_gfn.view = 0;
	refused(*state, &remap, "view 0");
	change.u.view.view = 0;
	accepted(*state, &change);
}

static void timeouts_are_for_ever_only_where_that_is_said(void **state)
{
	struct call_storage st = {0};
	struct vmt_call wait = sample_call(VMT_CALL_WAIT, &st);
	struct vmt_call settle = sample_call(VMT_CALL_SETTLE, &st);

	wait.u.wait.timeout_ms = -1;
	accepted(*state, &wait);
	wait.u.wait.timeout_ms = 0;
	accepted(*state, &wait);
	wait.u.wait.timeout_ms = -2;
	refused(*state, &wait, "negative");
	settle.u.settle.timeout_ms = 0;
	accepted(*state, &settle);
	settle.u.settle.timeout_ms = -1;
	refused(*state, &settle, "negative");
}

static void monitors_that_mean_nothing_are_refused(void **state)
{
	static const struct {
		struct vmt_monitor m;
		const char *word; /* NULL: accepted */
	} monitors[] = {
		{{.kind = 0}, "no such kind"},
		{{.kind = VMT_MONITOR_KIND_COUNT}, "no such kind"},
		{{.kind = UINT32_MAX}, "no such kind"},
		{{.kind = VMT_MONITOR_CR, .what = VMT_XCR0}, NULL},
		{{.kind = VMT_MONITOR_CR, .what = VMT_CR_COUNT}, "control register"},
		{{.kind = VMT_MONITOR_CR, .flags = VMT_MONITOR_ASYNC | VMT_MONITOR_ON_CHANGE},
		 NULL},
		{{.kind = VMT_MONITOR_MSR, .what = UINT32_MAX, .flags = VMT_MONITOR_ON_CHANGE},
		 NULL},
		{{.kind = VMT_MONITOR_MSR, .flags = VMT_MONITOR_USERSPACE}, "flag"},
		{{.kind = VMT_MONITOR_CPUID, .flags = VMT_MONITOR_ON_CHANGE}, "flag"},
		{{.kind = VMT_MONITOR_HYPERCALL, .flags = VMT_MONITOR_USERSPACE}, NULL},
		{{.kind = VMT_MONITOR_HYPERCALL, .flags = 8}, "flag"},
		{{.kind = VMT_MONITOR_DEFERRED_WRITES}, NULL},
		{{.kind = VMT_MONITOR_DEFERRED_WRITES, .flags = VMT_MONITOR_ASYNC}, "flag"},
		{{.kind = VMT_MONITOR_CR, .ignore = 0x80}, NULL},
		{{.kind = VMT_MONITOR_MSR, .ignore = 0x80}, "control registers only"},
	};

	for (size_t i = 0; i < COUNT(monitors); i++) {
		struct vmt_call c = {.op = VMT_CALL_MONITOR};

		c.u.monitor.monitor = &monitors[i].m;
		if (monitors[i].word)
			refused(*state, &c, monitors[i].word);
		else
			accepted(*state, &c);
	}
}

static void injections_that_no_cpu_takes_are_refused(void **state)
{
	static const struct {
		struct vmt_interrupt in;
		const char *word; /* NULL: accepted */
	} interrupts[] = {
		{{.vector = 255, .type = VMT_INT_EXTERNAL}, NULL},
		{{.vector = 2, .type = VMT_INT_NMI}, NULL},
		{{.vector = 3, .type = VMT_INT_NMI}, "NMI"},
		{{.vector = 31, .type = VMT_INT_HW_EXCEPTION}, NULL},
		{{.vector = 32, .type = VMT_INT_HW_EXCEPTION}, "at most 31"},
		{{.vector = 128, .type = VMT_INT_SW_INTERRUPT, .insn_length = 2}, NULL},
		{{.vector = 1, .type = VMT_INT_PRIV_SW_EXCEPTION, .insn_length = 1}, NULL},
		{{.vector = 3, .type = VMT_INT_SW_EXCEPTION, .insn_length = 15}, NULL},
		{{.vector = 3, .type = VMT_INT_SW_EXCEPTION, .insn_length = 16}, "15 bytes"},
		{{.vector = 3, .type = 1}, "no such type"},
		{{.vector = 3, .type = 7}, "no such type"},
	};

	for (size_t i = 0; i < COUNT(interrupts); i++) {
		struct vmt_call c = {.op = VMT_CALL_INJECT};

		c.u.inject.interrupt = &interrupts[i].in;
		if (interrupts[i].word)
			refused(*state, &c, interrupts[i].word);
		else
			accepted(*state, &c);
	}
}

static void a_malformed_response_never_reaches_the_driver(void **state)
{
	struct puppet *p = *state;
	struct call_storage st = {0};
	struct vmt_call c = sample_call(VMT_CALL_ANSWER, &st);

	st.response = vmt_respond(VMT_FAST_SINGLESTEP);
	assert_int_equal(call_function(&p->d.driver, &c), -VMT_E_INVALID);
	assert_non_null(strstr(p->d.driver.err.text, "needs the view"));
	st.response = vmt_respond(VMT_FAIL);
	refused(p, &c, "VMT_FAIL");
	assert_int_equal(p->calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_null_where_a_value_is_due_is_refused, puppet_setup),
		cmocka_unit_test_setup(an_answer_needs_both_event_and_response, puppet_setup),
		cmocka_unit_test_setup(a_range_stays_in_its_page, puppet_setup),
		cmocka_unit_test_setup(reading_and_writing_need_a_buffer, puppet_setup),
		cmocka_unit_test_setup(a_page_whose_address_does_not_exist_is_refused,
				       puppet_setup),
		cmocka_unit_test_setup(any_page_may_be_asked_for_where_that_has_a_meaning,
				       puppet_setup),
		cmocka_unit_test_setup(rights_are_set_on_at_least_one_page_and_not_past_the_end,
				       puppet_setup),
		cmocka_unit_test_setup(unknown_rights_and_options_are_refused, puppet_setup),
		cmocka_unit_test_setup(
			what_was_done_is_0_when_the_call_is_refused_and_may_be_left_out,
			puppet_setup),
		cmocka_unit_test_setup(view_0_can_be_neither_destroyed_nor_remapped, puppet_setup),
		cmocka_unit_test_setup(timeouts_are_for_ever_only_where_that_is_said, puppet_setup),
		cmocka_unit_test_setup(monitors_that_mean_nothing_are_refused, puppet_setup),
		cmocka_unit_test_setup(injections_that_no_cpu_takes_are_refused, puppet_setup),
		cmocka_unit_test_setup(a_malformed_response_never_reaches_the_driver, puppet_setup),
	};

	return cmocka_run_group_tests_name("driver-arguments", tests, NULL, NULL);
}
