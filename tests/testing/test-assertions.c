/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The checks behind the assertions: they pass what is right, and what they say of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

#include "puppet.h"

#define END             \
	{               \
		NULL, 0 \
	}

/* The message is exactly this. */
#define SAYS(message, words) assert_string_equal((message), (words))

/* -------------------------------------------------------------------------------------------- */
/* Results                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void results_that_are_as_expected_pass(void **state)
{
	struct vmt_check c;

	(void)state;
	assert_null(vmt_check_ok(&c, 0, NULL));
	assert_null(vmt_check_ok(&c, 5, NULL));
	assert_null(vmt_check_refused(&c, -VMT_E_BUSY, NULL, VMT_E_BUSY));
}

static void a_failure_is_told_with_its_reason(void **state)
{
	struct vmt_error err = {
		.status = VMT_E_BUSY, .place = "read(gfn 0x10)", .text = "somebody reads it"};
	struct vmt_check c;

	(void)state;
	SAYS(vmt_check_ok(&c, -VMT_E_BUSY, &err),
	     "expected success, got 'busy': read(gfn 0x10): somebody reads it");
	SAYS(vmt_check_ok(&c, -VMT_E_BUSY, NULL),
	     "expected success, got 'busy': no reason was given");
	SAYS(vmt_check_refused(&c, 0, &err, VMT_E_EXISTS), "expected 'exists', got success (0)");
	SAYS(vmt_check_refused(&c, -VMT_E_BUSY, &err, VMT_E_EXISTS),
	     "expected 'exists', got 'busy': read(gfn 0x10): somebody reads it");
}

/* -------------------------------------------------------------------------------------------- */
/* Events and responses                                                                         */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_event violation = {
	.ticket = 9,
	.vcpu = 2,
	.view = 1,
	.reason = VMT_EVENT_MEMORY_ACCESS,
	.flags = VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW,
	.regs = {.known = VMT_KNOWN(VMT_REG_RIP) | VMT_KNOWN(VMT_REG_RAX) | VMT_KNOWN(VMT_REG_CR3),
		 .gprs = {.rip = 0x10012c, .rax = 7},
		 .cr3 = 0x5000},
	.u.memory = {{0x181008}, {0xffff8880}, VMT_RW, VMT_MEM_GVA_VALID},
};

static void an_event_that_is_as_expected_passes(void **state)
{
	const struct vmt_expect expect[] = {{"reason", VMT_EVENT_MEMORY_ACCESS},
					    {"vcpu", 2},
					    {"view", 1},
					    {"flags", 3},
					    {"ticket", 9},
					    {"rip", 0x10012c},
					    {"rax", 7},
					    {"cr3", 0x5000},
					    {"gpa", 0x181008},
					    {"gva", 0xffff8880},
					    {"access", VMT_RW},
					    {"flags_memory", 1},
					    END};
	struct vmt_check c;

	(void)state;
	assert_null(vmt_check_event(&c, &violation, expect));
	assert_null(vmt_check_event(&c, &violation, (struct vmt_expect[]){END}));
}

static void an_event_that_is_not_is_shown_in_full(void **state)
{
	const struct vmt_expect expect[] = {
		{"reason", VMT_EVENT_MEMORY_ACCESS}, {"gpa", 0x182000}, END};
	struct vmt_check c;

	(void)state;
	SAYS(vmt_check_event(&c, &violation, expect),
	     "expected gpa 0x182000, got 0x181008\n"
	     "event: vcpu 2 view 1 rip 0x10012c memory-access gpa 0x181008 gva 0xffff8880 rw-\n"
	     "       rax 0x7 rip 0x10012c cr3 0x5000\n");
}

static void a_reason_is_told_by_name(void **state)
{
	const struct vmt_expect expect[] = {{"reason", VMT_EVENT_CPUID}, END};
	struct vmt_check c;

	(void)state;
	assert_non_null(strstr(vmt_check_event(&c, &violation, expect),
			       "expected reason cpuid, got memory-access\n"));
}

static void a_field_that_is_not_there_is_told(void **state)
{
	static const struct {
		struct vmt_expect expect;
		const char *words;
	} cases[] = {
		{{"leaf", 1}, "expected leaf 0x1, but events of this reason have no such field\n"},
		{{"rbx", 1}, "expected rbx 0x1, but the event does not know that register\n"},
		{{"grp", 1},
		 "expected grp 0x1, but no event has a field of that name: see struct vmt_expect "
		 "in test.h\n"},
	};
	struct vmt_event blind = violation;
	struct vmt_check c;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		const struct vmt_expect expect[] = {cases[i].expect, END};

		assert_non_null(strstr(vmt_check_event(&c, &violation, expect), cases[i].words));
	}
	blind.flags = VMT_EVENT_SYNC;
	assert_non_null(strstr(vmt_check_event(&c, &blind, (struct vmt_expect[]){{"view", 1}, END}),
			       "expected view 0x1, but the event has no view\n"));
	SAYS(vmt_check_event(&c, NULL, (struct vmt_expect[]){{"view", 1}, END}),
	     "expected an event, there is none");
}

static void each_field_of_each_reason_is_found(void **state)
{
	static const struct {
		struct vmt_event ev;
		struct vmt_expect expect[6];
	} cases[] = {
		{{.reason = VMT_EVENT_WRITE_CR, .u.cr = {VMT_CR4, 5, 6}},
		 {{"cr", VMT_CR4}, {"new", 5}, {"old", 6}}},
		{{.reason = VMT_EVENT_WRITE_MSR, .u.msr = {0xc0000082, 5, 6}},
		 {{"msr", 0xc0000082}, {"new", 5}, {"old", 6}}},
		{{.reason = VMT_EVENT_INTERRUPT, .u.interrupt = {{7}, {3, 6, 1, 0, 9, 10}}},
		 {{"gfn", 7}, {"vector", 3}, {"type", 6}, {"length", 1}, {"error_code", 9}}},
		{{.reason = VMT_EVENT_INTERRUPT, .u.interrupt = {{7}, {3, 6, 1, 0, 9, 10}}},
		 {{"extra", 10}}},
		{{.reason = VMT_EVENT_NEXT_INTERRUPT, .u.next_interrupt = {14, 3, 2, 0, 9, 10}},
		 {{"vector", 14}, {"type", 3}, {"length", 2}, {"error_code", 9}, {"extra", 10}}},
		{{.reason = VMT_EVENT_SINGLESTEP, .u.step = {{7}}}, {{"gfn", 7}}},
		{{.reason = VMT_EVENT_HYPERCALL, .u.hypercall = {3}}, {{"length", 3}}},
		{{.reason = VMT_EVENT_CPUID, .u.cpuid = {1, 2, 3}},
		 {{"leaf", 1}, {"subleaf", 2}, {"length", 3}}},
		{{.reason = VMT_EVENT_IO, .u.io = {0x3f8, 2, true, true}},
		 {{"port", 0x3f8}, {"bytes", 2}, {"in", 1}, {"string", 1}}},
		{{.reason = VMT_EVENT_DESCRIPTOR, .u.descriptor = {VMT_DESC_TR, true, 5, 6}},
		 {{"descriptor", VMT_DESC_TR}, {"write", 1}, {"info", 5}, {"qualification", 6}}},
		{{.reason = VMT_EVENT_VMEXIT, .u.vmexit = {5, 6}},
		 {{"exit_reason", 5}, {"qualification", 6}}},
	};
	struct vmt_check c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmt_expect wrong[] = {cases[i].expect[0], END};

		assert_null(vmt_check_event(&c, &cases[i].ev, cases[i].expect));
		wrong[0].value++;
		assert_non_null(vmt_check_event(&c, &cases[i].ev, wrong));
	}
}

static void responses_are_checked_too(void **state)
{
	const struct vmt_gprs gprs = {.rip = 0x1003, .r9 = 9};
	const struct vmt_response rsp =
		vmt_with_regs(vmt_with_view(vmt_respond(VMT_SINGLESTEP), 2), &gprs);
	const struct vmt_response data =
		vmt_with_data(vmt_respond(VMT_EMULATE_READ), "\x01\x02", 2);
	struct vmt_check c;

	(void)state;
	assert_null(vmt_check_response(&c, &rsp,
				       (struct vmt_expect[]){{"action", VMT_SINGLESTEP},
							     {"view", 2},
							     {"rip", 0x1003},
							     {"r9", 9},
							     {"flags", VMT_RSP_VIEW | VMT_RSP_REGS},
							     END}));
	SAYS(vmt_check_response(&c, &rsp, (struct vmt_expect[]){{"action", VMT_CONTINUE}, END}),
	     "expected action continue, got singlestep\n"
	     "response: singlestep view 2 regs rax=0x0 rcx=0x0 rdx=0x0 rbx=0x0 rsp=0x0 rbp=0x0 "
	     "rsi=0x0 rdi=0x0 r8=0x0 r9=0x9 r10=0x0 r11=0x0 r12=0x0 r13=0x0 r14=0x0 r15=0x0 "
	     "rip=0x1003 rflags=0x0\n");
	assert_null(vmt_check_response(&c, &data, (struct vmt_expect[]){{"data_len", 2}, END}));
	assert_non_null(strstr(
		vmt_check_response(&c, &data, (struct vmt_expect[]){{"view", 2}, END}),
		"expected view 0x2, but the response sets no view\nresponse: emulate-read data 2"));
	assert_non_null(
		strstr(vmt_check_response(&c, &data, (struct vmt_expect[]){{"rip", 2}, END}),
		       "but the response sets no registers"));
	assert_non_null(
		strstr(vmt_check_response(&c, &data, (struct vmt_expect[]){{"cr3", 2}, END}),
		       "but a response cannot set that register"));
	assert_non_null(
		strstr(vmt_check_response(&c, &data, (struct vmt_expect[]){{"gpa", 2}, END}),
		       "but no response has a field of that name"));
	SAYS(vmt_check_response(&c, NULL, (struct vmt_expect[]){END}),
	     "expected a response, there is none");
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_field fields[] = {
	{"pid", VMT_U64, VMT_KEY}, {"path", VMT_TEXT, 0}, {"ok", VMT_BOOL, 0}};
static const struct vmt_schema opened = VMT_SCHEMA("opened", fields);

static struct vmt_collector *with_one_emission(void)
{
	const struct vmt_value values[] = {vmt_u64(17), vmt_text("/etc"), vmt_bool(true)};
	struct vmt_collector *c;
	struct vmt_observer *o;

	assert_int_equal(vmt_collector_create(&c, NULL), 0);
	o = vmt_collector_observer(c);
	o->ops->callback(o, &(struct vmt_callback){.number = 3, .kind = VMT_CALLBACK_TIMEOUT});
	o->ops->emission(o, &opened, values, 3);
	return c;
}

static void an_emission_that_is_as_expected_passes(void **state)
{
	const struct vmt_value values[] = {vmt_u64(17), vmt_text("/etc"), vmt_bool(true)};
	struct vmt_collector *seen = with_one_emission();
	struct vmt_check c;

	(void)state;
	assert_null(vmt_check_emitted(&c, seen, 0, "opened", values, 3));
	vmt_collector_destroy(seen);
}

static void an_emission_that_is_not_is_shown_beside_it(void **state)
{
	struct vmt_value values[] = {vmt_u64(17), vmt_text("/usr"), vmt_bool(true)};
	struct vmt_collector *seen = with_one_emission();
	struct vmt_check c;

	(void)state;
	SAYS(vmt_check_emitted(&c, seen, 0, "opened", values, 3),
	     "emission 0: expected opened pid=17 path=\"/usr\" ok=true\n"
	     "got      opened pid=17 path=\"/etc\" ok=true\n"
	     "the field path differs\n"
	     "in callback 3\n"
	     "the session:\n"
	     "3 timeout\n"
	     "  emits opened pid=17 path=\"/etc\" ok=true\n");
	values[1] = vmt_text("/etc");
	assert_non_null(
		strstr(vmt_check_emitted(&c, seen, 0, "closed", values, 3), "the schema differs"));
	assert_non_null(strstr(vmt_check_emitted(&c, seen, 0, "opened", values, 2),
			       "2 values were expected, there are 3"));
	values[0] = vmt_i64(17);
	assert_non_null(strstr(vmt_check_emitted(&c, seen, 0, "opened", values, 3),
			       "the field pid differs")); /* also in type */
	assert_non_null(
		strstr(vmt_check_emitted(&c, seen, 1, "opened", values, 3),
		       "emission 1: expected opened 17 \"/etc\" true, but there are only 1"));
	vmt_collector_destroy(seen);
}

static void outputs_are_checked_too(void **state)
{
	const struct vmt_value values[] = {vmt_u64(17), vmt_text("/etc"), vmt_bool(true)};
	const struct vmt_value other[] = {vmt_u64(17), vmt_text("/etc"), vmt_bool(false)};
	struct vmt_record *record = vmt_record_create();
	struct vmt_check c;

	(void)state;
	SAYS(vmt_check_output(&c, NULL, "opened", values, 3),
	     "expected an output of opened, there is none");
	SAYS(vmt_check_output(&c, record, "opened", values, 3),
	     "expected an output of opened; the handler finished without one");
	vmt_output(record, &opened, values, 3);
	assert_null(vmt_check_output(&c, record, "opened", values, 3));
	SAYS(vmt_check_output(&c, record, "opened", other, 3),
	     "expected opened pid=17 path=\"/etc\" ok=false\n"
	     "got      opened pid=17 path=\"/etc\" ok=true\n"
	     "the field ok differs\n");
	vmt_record_destroy(record);
}

/* -------------------------------------------------------------------------------------------- */
/* Sessions and domains                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void an_end_is_told_with_the_error(void **state)
{
	struct vmt_outcome outcome = {
		.end = VMT_END_DRIVER_FAILED,
		.callbacks = 3,
		.error = {.status = VMT_E_IO, .place = "wait", .text = "the wire is cut"},
	};
	struct vmt_check c;

	(void)state;
	assert_null(vmt_check_ended(&c, &outcome, VMT_END_DRIVER_FAILED));
	SAYS(vmt_check_ended(&c, &outcome, VMT_END_FINISHED),
	     "expected the session to end as 'finished', it ended as 'driver failed'\n"
	     "driver failed: 3 callbacks, 0 events, 0 timeouts, 0 emissions; error: wait: the wire "
	     "is cut\n");
}

static void a_teardown_that_failed_is_told(void **state)
{
	struct vmt_outcome outcome = {
		.end = VMT_END_FINISHED,
		.teardown_failures = 2,
		.teardown = {.status = VMT_E_IO, .place = "reset", .text = "it stuck"},
	};
	struct vmt_check c;

	(void)state;
	SAYS(vmt_check_ended(&c, &outcome, VMT_END_FINISHED),
	     "the session's teardown was not clean\n"
	     "finished: 0 callbacks, 0 events, 0 timeouts, 0 emissions; the teardown failed 2 times, "
	     "first: reset: it stuck\n");
}

static void an_outcome_shows_its_output(void **state)
{
	const struct vmt_value values[] = {vmt_u64(17), vmt_text("/etc"), vmt_bool(true)};
	struct vmt_record *record = vmt_record_create();
	struct vmt_outcome outcome = {.end = VMT_END_FINISHED, .output = record};
	struct vmt_check c;

	(void)state;
	vmt_output(record, &opened, values, 3);
	assert_non_null(strstr(vmt_check_ended(&c, &outcome, VMT_END_GONE),
			       "output opened pid=17 path=\"/etc\" ok=true"));
	vmt_record_destroy(record);
}

static void calls_are_told_with_the_log(void **state)
{
	struct puppet *inner = puppet_create();
	struct vmt_driver *log;
	struct vmt_check c;

	(void)state;
	vmt_assert_ok(vmt_call_log_create(&inner->d.driver, &log, NULL), NULL);
	vmt_driver_pause(log);
	assert_null(vmt_check_calls(&c, log, VMT_CALL_PAUSE, 1));
	assert_null(vmt_check_calls(&c, log, 0, 1));
	SAYS(vmt_check_calls(&c, log, VMT_CALL_RESUME, 1),
	     "expected 1 calls of resume, there are 0:\n0 pause() = 0\n");
	vmt_driver_close(log);
}

static void leftovers_are_told(void **state)
{
	struct vmt_driver *d;
	struct vmt_check c;

	(void)state;
	vmt_assert_ok(vmt_scripted_create(NULL, &d, NULL), NULL);
	assert_null(vmt_check_clean(&c, d));
	vmt_driver_pause(d);
	vmt_driver_write(d, vmt_gfn_from(3), 4, "\xcc", 1);
	SAYS(vmt_check_clean(&c, d),
	     "expected nothing to be left behind, there are: 1 domain pause, "
	     "1 patched byte at 0x3004\n");
	vmt_driver_close(d);
}

static void memory_is_told_side_by_side(void **state)
{
	static uint8_t expected[600];
	struct vmt_driver *d;
	struct vmt_check c;

	(void)state;
	vmt_assert_ok(vmt_scripted_create(NULL, &d, NULL), NULL);
	vmt_scripted_write(d, vmt_gpa_from(0x3000), "\x90\xcc\x90", 3);
	assert_null(vmt_check_memory(&c, d, vmt_gpa_from(0x3000), "\x90\xcc\x90", 3));
	SAYS(vmt_check_memory(&c, d, vmt_gpa_from(0x3000), "\x90\x90", 2),
	     "memory at 0x3000\nexpected 90 90\ngot      90 cc\n");
	assert_non_null(strstr(vmt_check_memory(&c, d, vmt_gpa_from(0x99999000), "x", 1),
			       "memory at 0x99999000: there is no page"));
	/* Long ranges too: the piece that differs. */
	assert_null(vmt_check_memory(&c, d, vmt_gpa_from(0x4000), expected, 600));
	vmt_scripted_write(d, vmt_gpa_from(0x4000 + 599), "x", 1);
	assert_non_null(strstr(vmt_check_memory(&c, d, vmt_gpa_from(0x4000), expected, 600),
			       "memory at 0x4200"));
	vmt_driver_close(d);
}

static void deliveries_are_told_one_by_one(void **state)
{
	const struct vmt_step steps[] = {VMT_INSN_INT3(0, 0x1100)};
	struct vmt_driver *d;
	struct vmt_check c;
	struct vmt_wait wait;

	(void)state;
	vmt_assert_ok(vmt_scripted_create(NULL, &d, NULL), NULL);
	vmt_assert_ok(vmt_scripted_play(d, steps, 1, NULL), NULL);
	vmt_assert_ok(vmt_driver_wait(d, -1, &wait), &d->err);
	assert_null(vmt_check_delivered(&c, d, 3, 1));
	assert_null(vmt_check_delivered(&c, d, -1, 1));
	SAYS(vmt_check_delivered(&c, d, 14, 1),
	     "expected the guest to receive 1 exceptions of vector 14, it received 0:\n"
	     "vCPU 0, RIP 0x1101: vector 3 sw-exception\n");
	vmt_driver_close(d);
}

static void the_domains_checks_name_a_driver_of_another_kind(void **state)
{
	struct puppet *other = puppet_create();
	struct vmt_check c;

	(void)state;
	assert_non_null(strstr(vmt_check_clean(&c, &other->d.driver), "not the scripted one"));
	assert_non_null(strstr(vmt_check_memory(&c, &other->d.driver, vmt_gpa_from(0), "x", 1),
			       "not the scripted one"));
	vmt_driver_close(&other->d.driver);
}

static void a_message_that_is_too_long_is_cut(void **state)
{
	struct vmt_collector *seen = with_one_emission();
	struct vmt_observer *o = vmt_collector_observer(seen);
	const struct vmt_value values[] = {vmt_u64(1)};
	struct vmt_check c;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		o->ops->log(o, VMT_LOG_INFO, "one of many lines");
	assert_int_equal(strlen(vmt_check_emitted(&c, seen, 0, "opened", values, 1)),
			 VMT_CHECK_TEXT - 1);
	vmt_collector_destroy(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_that_are_as_expected_pass),
		cmocka_unit_test(a_failure_is_told_with_its_reason),
		cmocka_unit_test(an_event_that_is_as_expected_passes),
		cmocka_unit_test(an_event_that_is_not_is_shown_in_full),
		cmocka_unit_test(a_reason_is_told_by_name),
		cmocka_unit_test(a_field_that_is_not_there_is_told),
		cmocka_unit_test(each_field_of_each_reason_is_found),
		cmocka_unit_test(responses_are_checked_too),
		cmocka_unit_test(an_emission_that_is_as_expected_passes),
		cmocka_unit_test(an_emission_that_is_not_is_shown_beside_it),
		cmocka_unit_test(outputs_are_checked_too),
		cmocka_unit_test(an_end_is_told_with_the_error),
		cmocka_unit_test(a_teardown_that_failed_is_told),
		cmocka_unit_test(an_outcome_shows_its_output),
		cmocka_unit_test(calls_are_told_with_the_log),
		cmocka_unit_test(leftovers_are_told),
		cmocka_unit_test(memory_is_told_side_by_side),
		cmocka_unit_test(deliveries_are_told_one_by_one),
		cmocka_unit_test(the_domains_checks_name_a_driver_of_another_kind),
		cmocka_unit_test(a_message_that_is_too_long_is_cut),
	};

	return cmocka_run_group_tests_name("assertions", tests, NULL, NULL);
}
