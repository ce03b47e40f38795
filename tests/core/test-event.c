/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events, responses, monitors and capabilities: names, text, and the check of a response's form.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/driver.h>
#include <vmitape/event.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Names 0 to @count - 1 differ from each other, and @other is the name of all above. */
static void check_names(const char *(*name)(unsigned), unsigned count, const char *other)
{
	for (unsigned a = 0; a < count; a++)
		for (unsigned b = 0; b < a; b++)
			assert_string_not_equal(name(a), name(b));
	assert_string_equal(name(count), other);
	assert_string_equal(name(UINT32_MAX), other);
}

static void reasons_and_actions_have_names_of_their_own(void **state)
{
	(void)state;
	check_names(vmt_reason_name, VMT_REASON_COUNT, "unknown");
	check_names(vmt_action_name, VMT_ACTION_COUNT, "invalid");
	assert_string_equal(vmt_reason_name(VMT_EVENT_MEMORY_ACCESS), "memory-access");
	assert_string_equal(vmt_reason_name(VMT_EVENT_WRITE_CR), "write-cr");
	assert_string_equal(vmt_action_name(VMT_CONTINUE), "continue");
	assert_string_equal(vmt_action_name(VMT_EMULATE_INSN), "emulate-insn");
}

static void each_capability_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (unsigned a = 1; a <= VMT_CAP_ALLOC; a <<= 1) {
		assert_string_not_equal(vmt_capability_name(a), "unknown");
		for (unsigned b = 1; b < a; b <<= 1)
			assert_string_not_equal(vmt_capability_name(a), vmt_capability_name(b));
	}
	assert_string_equal(vmt_capability_name(VMT_CAP_VIEWS), "views (altp2m)");
	assert_string_equal(vmt_capability_name(VMT_CAP_ALLOC << 1), "unknown");
	assert_string_equal(vmt_capability_name(0), "unknown");
	assert_string_equal(vmt_capability_name(VMT_CAP_VIEWS | VMT_CAP_DENY), "unknown");
}

/* -------------------------------------------------------------------------------------------- */
/* Events as text                                                                               */
/* -------------------------------------------------------------------------------------------- */

static const struct {
	struct vmt_event ev;
	const char *text;
} events[] = {
	{{.flags = VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW,
	  .view = 1,
	  .reason = VMT_EVENT_MEMORY_ACCESS,
	  .regs = {.known = VMT_KNOWN_GPRS, .gprs.rip = 0x10012c},
	  .u.memory = {.gpa = {0x181008}, .access = VMT_RW}},
	 "vcpu 0 view 1 rip 0x10012c memory-access gpa 0x181008 rw-"},
	{{.vcpu = 3,
	  .flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_MEMORY_ACCESS,
	  .u.memory = {.gpa = {0x1000},
		       .gva = {0xffff800000001000},
		       .access = VMT_X,
		       .flags = VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK}},
	 "vcpu 3 memory-access gpa 0x1000 gva 0xffff800000001000 --x in-walk"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_WRITE_CR,
	  .u.cr = {.cr = VMT_CR3, .old_value = 0x1000, .new_value = 0x2000}},
	 "vcpu 0 write-cr cr3 0x1000 -> 0x2000"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_WRITE_CR,
	  .u.cr = {.cr = VMT_XCR0, .old_value = 1, .new_value = 7}},
	 "vcpu 0 write-cr xcr0 0x1 -> 0x7"},
	{{.flags = VMT_EVENT_SYNC, .reason = VMT_EVENT_WRITE_CR, .u.cr = {.cr = VMT_CR_COUNT}},
	 "vcpu 0 write-cr unknown 0 -> 0"},
	{{.reason = VMT_EVENT_WRITE_MSR,
	  .u.msr = {.msr = VMT_MSR_LSTAR, .old_value = 0x1, .new_value = 0x2}},
	 "vcpu 0 write-msr 0xc0000082 0x1 -> 0x2 async"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_INTERRUPT,
	  .u.interrupt = {.gfn = {0x10},
			  .interrupt = {.vector = 3,
					.type = VMT_INT_SW_EXCEPTION,
					.error_code = VMT_NO_ERROR_CODE}}},
	 "vcpu 0 interrupt gfn 0x10 vector 3 sw-exception"},
	{{.flags = VMT_EVENT_SYNC | VMT_EVENT_NESTED,
	  .reason = VMT_EVENT_SINGLESTEP,
	  .u.step.gfn = {0x1f2}},
	 "vcpu 0 singlestep gfn 0x1f2 nested"},
	{{.flags = VMT_EVENT_SYNC, .reason = VMT_EVENT_HYPERCALL}, "vcpu 0 hypercall"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_CPUID,
	  .u.cpuid = {.leaf = 0x40000000, .subleaf = 1}},
	 "vcpu 0 cpuid leaf 0x40000000 subleaf 0x1"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_IO,
	  .u.io = {.port = 0x3f8, .bytes = 1, .in = true}},
	 "vcpu 0 io in port 0x3f8 bytes 1"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_IO,
	  .u.io = {.port = 0x80, .bytes = 4, .string = true}},
	 "vcpu 0 io outs port 0x80 bytes 4"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_DESCRIPTOR,
	  .u.descriptor = {.descriptor = VMT_DESC_IDTR, .write = true}},
	 "vcpu 0 descriptor idtr write"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_DESCRIPTOR,
	  .u.descriptor = {.descriptor = 200}},
	 "vcpu 0 descriptor unknown read"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_NEXT_INTERRUPT,
	  .u.next_interrupt =
		  {.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 2, .extra = 0x7000}},
	 "vcpu 0 next-interrupt vector 14 hw-exception error 0x2 extra 0x7000"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_NEXT_INTERRUPT,
	  .u.next_interrupt = {.vector = 32, .type = 1, .error_code = VMT_NO_ERROR_CODE}},
	 "vcpu 0 next-interrupt vector 32 unknown-type"},
	{{.flags = VMT_EVENT_SYNC,
	  .reason = VMT_EVENT_VMEXIT,
	  .u.vmexit = {.reason = 48, .qualification = 0x181}},
	 "vcpu 0 vmexit reason 48 qualification 0x181"},
	{{.flags = VMT_EVENT_SYNC, .reason = VMT_EVENT_EMUL_UNIMPLEMENTED},
	 "vcpu 0 emul-unimplemented"},
	{{.flags = VMT_EVENT_SYNC, .reason = VMT_EVENT_UNKNOWN, .raw_len = 304, .raw_kind = 1},
	 "vcpu 0 unknown raw bytes 304 kind 1"},
	{{.flags = VMT_EVENT_SYNC, .reason = 999}, "vcpu 0 unknown raw bytes 0 kind 0"},
};

static void an_event_of_each_reason_is_one_line_of_text(void **state)
{
	char buf[160];

	(void)state;
	for (size_t i = 0; i < COUNT(events); i++) {
		assert_ptr_equal(vmt_event_format(&events[i].ev, buf, sizeof(buf)), buf);
		assert_string_equal(buf, events[i].text);
	}
}

static void a_short_buffer_cuts_the_line(void **state)
{
	char buf[8];

	(void)state;
	memset(buf, '#', sizeof(buf));
	vmt_event_format(&events[0].ev, buf, 5);
	assert_memory_equal(buf, "vcpu\0###", 8);
	vmt_event_format(&events[0].ev, buf, 0);
	assert_memory_equal(buf, "vcpu\0###", 8);
}

static void only_an_int3_is_a_breakpoint(void **state)
{
	struct vmt_event ev = {.reason = VMT_EVENT_INTERRUPT};

	(void)state;
	ev.u.interrupt.interrupt.vector = 3;
	ev.u.interrupt.interrupt.type = VMT_INT_SW_EXCEPTION;
	assert_true(vmt_event_is_breakpoint(&ev));
	ev.u.interrupt.interrupt.type = VMT_INT_SW_INTERRUPT;
	assert_false(vmt_event_is_breakpoint(&ev));
	ev.u.interrupt.interrupt.type = VMT_INT_SW_EXCEPTION;
	ev.u.interrupt.interrupt.vector = 1;
	assert_false(vmt_event_is_breakpoint(&ev));
	ev.u.interrupt.interrupt.vector = 3;
	ev.reason = VMT_EVENT_NEXT_INTERRUPT;
	assert_false(vmt_event_is_breakpoint(&ev));
}

/* -------------------------------------------------------------------------------------------- */
/* Monitors as text                                                                             */
/* -------------------------------------------------------------------------------------------- */

static void a_monitor_is_named_by_what_it_watches(void **state)
{
	static const struct {
		uint32_t kind, what;
		const char *text;
	} monitors[] = {
		{VMT_MONITOR_CR, VMT_CR0, "cr0"},
		{VMT_MONITOR_CR, VMT_CR3, "cr3"},
		{VMT_MONITOR_CR, VMT_CR4, "cr4"},
		{VMT_MONITOR_CR, VMT_XCR0, "xcr0"},
		{VMT_MONITOR_CR, 8, "cr 8"},
		{VMT_MONITOR_MSR, VMT_MSR_LSTAR, "msr 0xc0000082"},
		{VMT_MONITOR_BREAKPOINT, 0, "breakpoint"},
		{VMT_MONITOR_DEBUG, 0, "debug"},
		{VMT_MONITOR_SINGLESTEP, 0, "singlestep"},
		{VMT_MONITOR_HYPERCALL, 0, "hypercall"},
		{VMT_MONITOR_CPUID, 0, "cpuid"},
		{VMT_MONITOR_IO, 0, "io"},
		{VMT_MONITOR_DESCRIPTOR, 0, "descriptor"},
		{VMT_MONITOR_VMEXIT, 0, "vmexit"},
		{VMT_MONITOR_EMUL_UNIMPLEMENTED, 0, "emul-unimplemented"},
		{VMT_MONITOR_DEFERRED_WRITES, 0, "deferred-writes"},
		{0, 0, "unknown kind 0"},
		{VMT_MONITOR_KIND_COUNT, 0, "unknown kind 13"},
	};
	char buf[32];

	(void)state;
	for (size_t i = 0; i < COUNT(monitors); i++) {
		struct vmt_monitor m = {.kind = monitors[i].kind, .what = monitors[i].what};

		assert_ptr_equal(vmt_monitor_format(&m, buf, sizeof(buf)), buf);
		assert_string_equal(buf, monitors[i].text);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Responses                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_gprs gprs;
static const uint8_t data[VMT_EMUL_READ_MAX + 1];

static const struct {
	struct vmt_response rsp;
	const char *wrong; /* a part of the sentence; NULL: well formed */
} responses[] = {
	{{.action = VMT_CONTINUE}, NULL},
	{{.action = VMT_DENY}, NULL},
	{{.action = VMT_REINJECT}, NULL},
	{{.action = VMT_SINGLESTEP}, NULL},
	{{.action = VMT_EMULATE}, NULL},
	{{.action = VMT_EMULATE_NOWRITE}, NULL},
	{{.action = VMT_FAIL}, NULL},
	{{.action = VMT_ACTION_COUNT}, "no action 10"},
	{{.action = UINT16_MAX}, "no action 65535"},
	/* Flags. */
	{{.flags = VMT_RSP_VIEW | VMT_RSP_REGS | VMT_RSP_NEXT_INTERRUPT, .regs = &gprs}, NULL},
	{{.flags = 8}, "0x8"},
	{{.flags = VMT_RSP_VIEW | 0x8000}, "unknown bits"},
	{{.flags = VMT_RSP_REGS}, "regs is NULL"},
	/* A step in a view needs the view. */
	{{.action = VMT_FAST_SINGLESTEP, .flags = VMT_RSP_VIEW}, NULL},
	{{.action = VMT_FAST_SINGLESTEP, .view = 1}, "needs the view"},
	/* Data. */
	{{.action = VMT_EMULATE_READ, .data = data, .data_len = 1}, NULL},
	{{.action = VMT_EMULATE_READ, .data = data, .data_len = VMT_EMUL_READ_MAX}, NULL},
	{{.action = VMT_EMULATE_READ, .data = data, .data_len = VMT_EMUL_READ_MAX + 1}, "at most"},
	{{.action = VMT_EMULATE_READ, .data = data, .data_len = UINT32_MAX}, "at most 340"},
	{{.action = VMT_EMULATE_READ, .data = data, .data_len = 0}, "needs data"},
	{{.action = VMT_EMULATE_READ, .data = NULL, .data_len = 4}, "needs data"},
	{{.action = VMT_EMULATE_INSN, .data = data, .data_len = 1}, NULL},
	{{.action = VMT_EMULATE_INSN, .data = data, .data_len = VMT_EMUL_INSN_MAX}, NULL},
	{{.action = VMT_EMULATE_INSN, .data = data, .data_len = VMT_EMUL_INSN_MAX + 1}, "most 16"},
	{{.action = VMT_EMULATE_INSN}, "1 to 16"},
	{{.action = VMT_CONTINUE, .data = data, .data_len = 1}, "takes no data"},
	{{.action = VMT_CONTINUE, .data = data, .data_len = 0}, "takes no data"},
	{{.action = VMT_EMULATE, .data = NULL, .data_len = 1}, "takes no data"},
};

static void a_response_is_accepted_or_refused_by_its_form(void **state)
{
	struct vmt_event ev = {.vcpu = 2, .reason = VMT_EVENT_CPUID};

	(void)state;
	for (size_t i = 0; i < COUNT(responses); i++) {
		struct vmt_error err = {0};
		int r = vmt_response_check(&ev, &responses[i].rsp, &err);

		if (!responses[i].wrong) {
			assert_int_equal(r, 0);
			assert_int_equal(err.status, 0);
			continue;
		}
		assert_int_equal(r, -VMT_E_INVALID);
		assert_int_equal(err.status, VMT_E_INVALID);
		assert_string_equal(err.place, "response to vcpu 2 cpuid");
		assert_non_null(strstr(err.text, responses[i].wrong));
		assert_int_equal(vmt_response_check(&ev, &responses[i].rsp, NULL), -VMT_E_INVALID);
	}
}

static void responses_are_built_up_as_they_are_written(void **state)
{
	struct vmt_response r = vmt_respond(VMT_EMULATE_READ);

	(void)state;
	r = vmt_with_data(vmt_with_regs(vmt_with_view(r, 2), &gprs), data, 8);
	assert_int_equal(r.action, VMT_EMULATE_READ);
	assert_int_equal(r.flags, VMT_RSP_VIEW | VMT_RSP_REGS);
	assert_int_equal(r.view, 2);
	assert_ptr_equal(r.regs, &gprs);
	assert_ptr_equal(r.data, data);
	assert_int_equal(r.data_len, 8);
}

static void a_response_is_one_line_of_text(void **state)
{
	struct vmt_response r = vmt_respond(VMT_SINGLESTEP);
	char buf[80];

	(void)state;
	r = vmt_with_regs(vmt_with_view(r, 2), &gprs);
	assert_ptr_equal(vmt_response_format(&r, buf, sizeof(buf)), buf);
	assert_string_equal(buf, "singlestep view 2 regs");
	r = vmt_with_data(vmt_respond(VMT_EMULATE_INSN), data, 3);
	r.flags = VMT_RSP_NEXT_INTERRUPT;
	assert_string_equal(vmt_response_format(&r, buf, sizeof(buf)),
			    "emulate-insn next-interrupt data 3 bytes");
	r = vmt_respond(VMT_CONTINUE);
	assert_string_equal(vmt_response_format(&r, buf, sizeof(buf)), "continue");
	r.action = VMT_ACTION_COUNT;
	assert_string_equal(vmt_response_format(&r, buf, 4), "inv");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_and_actions_have_names_of_their_own),
		cmocka_unit_test(each_capability_has_a_name_of_its_own),
		cmocka_unit_test(an_event_of_each_reason_is_one_line_of_text),
		cmocka_unit_test(a_short_buffer_cuts_the_line),
		cmocka_unit_test(only_an_int3_is_a_breakpoint),
		cmocka_unit_test(a_monitor_is_named_by_what_it_watches),
		cmocka_unit_test(a_response_is_accepted_or_refused_by_its_form),
		cmocka_unit_test(responses_are_built_up_as_they_are_written),
		cmocka_unit_test(a_response_is_one_line_of_text),
	};

	return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
