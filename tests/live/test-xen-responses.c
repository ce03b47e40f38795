/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Responses in Xen's form, and those that are refused because Xen would do them half or ignore them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "live/xen/requests.h"
#include "live/xen/responses.h"
#include "model/refusals.h"

struct setting {
	vm_event_request_t request;
	struct vmt_event event;
	struct vmt_situation now;
	vm_event_response_t sent;
	struct vmt_error err;
};

static void set(struct setting *t, uint32_t reason)
{
	memset(t, 0, sizeof(*t));
	t->request.version = VM_EVENT_INTERFACE_VERSION;
	t->request.flags = VM_EVENT_FLAG_VCPU_PAUSED | VM_EVENT_FLAG_ALTERNATE_P2M;
	t->request.reason = reason;
	t->request.vcpu_id = 1;
	t->request.altp2m_idx = 2;
	t->request.data.regs.x86.rip = 0x1000;
	t->request.data.regs.x86.cr3 = 0x7000;
	t->request.u.write_ctrlreg.index = VM_EVENT_X86_CR4;
	if (reason == VM_EVENT_REASON_SOFTWARE_BREAKPOINT)
		t->request.u.software_breakpoint =
			(struct vm_event_debug){.gfn = 1, .insn_length = 1, .type = 6};
	vmt_xen_request_decode(&t->request, &t->event);
	t->now.view_exists = true;
}

static int check(struct setting *t, struct vmt_response rsp)
{
	memset(&t->err, 0, sizeof(t->err));
	return vmt_refuse_response(&t->now, &t->event, &rsp, &t->err);
}

static uint32_t send(struct setting *t, struct vmt_response rsp, uint32_t step_flag)
{
	struct vmt_xen_answer answer;

	vmt_xen_answer_store(&answer, &rsp);
	vmt_xen_response_encode(&t->request, &answer, step_flag, &t->sent);
	return t->sent.flags & ~(uint32_t)VM_EVENT_FLAG_VCPU_PAUSED;
}

static void a_plain_answer_unpauses_and_names_the_request(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_WRITE_CTRLREG);
	assert_int_equal(send(&t, vmt_respond(VMT_CONTINUE), 0), 0);
	assert_int_equal(t.sent.flags, VM_EVENT_FLAG_VCPU_PAUSED);
	assert_int_equal(t.sent.version, VM_EVENT_INTERFACE_VERSION);
	assert_int_equal(t.sent.reason, VM_EVENT_REASON_WRITE_CTRLREG);
	assert_int_equal(t.sent.vcpu_id, 1);
	assert_int_equal(t.sent.altp2m_idx, 2);
	t.request.flags = 0; /* asynchronous */
	send(&t, vmt_respond(VMT_CONTINUE), 0);
	assert_int_equal(t.sent.flags, 0);
}

static void each_action_has_its_flags(void **state)
{
	static const struct {
		enum vmt_action action;
		uint32_t flags;
	} rows[] = {
		{VMT_CONTINUE, 0},
		{VMT_REINJECT, 0},   /* that is a call of its own */
		{VMT_SINGLESTEP, 0}, /* the toggle depends on the vCPU */
		{VMT_DENY, VM_EVENT_FLAG_DENY},
		{VMT_FAST_SINGLESTEP, VM_EVENT_FLAG_FAST_SINGLESTEP},
		{VMT_EMULATE, VM_EVENT_FLAG_EMULATE},
		{VMT_EMULATE_NOWRITE, VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_EMULATE_NOWRITE},
	};
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_WRITE_CTRLREG);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(send(&t, vmt_respond(rows[i].action), 0), rows[i].flags);
	assert_int_equal(send(&t, vmt_respond(VMT_SINGLESTEP), VM_EVENT_FLAG_TOGGLE_SINGLESTEP),
			 VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
}

static void deny_names_the_register(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_WRITE_CTRLREG);
	send(&t, vmt_respond(VMT_DENY), 0);
	assert_int_equal(t.sent.u.write_ctrlreg.index, VM_EVENT_X86_CR4);
}

static void a_view_goes_with_its_flag_and_a_fast_step_comes_back_to_the_events(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_MEM_ACCESS);
	assert_int_equal(send(&t, vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0), 0),
			 VM_EVENT_FLAG_FAST_SINGLESTEP | VM_EVENT_FLAG_ALTERNATE_P2M);
	assert_int_equal(t.sent.altp2m_idx, 0);
	assert_int_equal(t.sent.u.fast_singlestep.p2midx, 2);
}

static void registers_are_the_18_over_the_events(void **state)
{
	struct vmt_gprs gprs = {.rax = 5, .rip = 0x1002, .rflags = 0x202, .r15 = 9};
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_CPUID);
	assert_int_equal(send(&t, vmt_with_regs(vmt_respond(VMT_CONTINUE), &gprs), 0),
			 VM_EVENT_FLAG_SET_REGISTERS);
	assert_int_equal(t.sent.data.regs.x86.rax, 5);
	assert_int_equal(t.sent.data.regs.x86.rip, 0x1002);
	assert_int_equal(t.sent.data.regs.x86.rflags, 0x202);
	assert_int_equal(t.sent.data.regs.x86.r15, 9);
	assert_int_equal(t.sent.data.regs.x86.cr3, 0x7000);
}

static void read_data_has_its_size_and_instruction_bytes_are_filled_up(void **state)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_MEM_ACCESS);
	assert_int_equal(send(&t, vmt_with_data(vmt_respond(VMT_EMULATE_READ), bytes, 3), 0),
			 VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_READ_DATA);
	assert_int_equal(t.sent.data.emul.read.size, 3);
	assert_memory_equal(t.sent.data.emul.read.data, bytes, 3);
	assert_int_equal(send(&t, vmt_with_data(vmt_respond(VMT_EMULATE_INSN), bytes, 3), 0),
			 VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_INSN_DATA);
	assert_memory_equal(t.sent.data.emul.insn.data, bytes, 3);
	assert_int_equal(t.sent.data.emul.insn.data[3], 0x90);
	assert_int_equal(t.sent.data.emul.insn.data[15], 0x90);
	_Static_assert(sizeof(t.sent.data.emul.read.data) == VMT_EMUL_READ_MAX, "as in event.h");
	_Static_assert(sizeof(t.sent.data.emul.insn.data) == VMT_EMUL_INSN_MAX, "as in event.h");
}

static void the_next_interrupt_is_asked_for_by_a_flag(void **state)
{
	struct vmt_response rsp = vmt_respond(VMT_CONTINUE);
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_CPUID);
	rsp.flags |= VMT_RSP_NEXT_INTERRUPT;
	assert_int_equal(send(&t, rsp, 0), VM_EVENT_FLAG_GET_NEXT_INTERRUPT);
}

/* ---- refusals ---- */

static void emulation_is_taken_where_xen_emulates(void **state)
{
	static const uint8_t byte;
	struct vmt_response insn = vmt_with_data(vmt_respond(VMT_EMULATE_INSN), &byte, 1);
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_CPUID);
	assert_int_equal(check(&t, vmt_respond(VMT_EMULATE)), -VMT_E_NOT_SUPPORTED);
	set(&t, VM_EVENT_REASON_DESCRIPTOR_ACCESS);
	assert_int_equal(check(&t, vmt_respond(VMT_EMULATE)), 0);
	assert_int_equal(check(&t, insn), -VMT_E_NOT_SUPPORTED);
	set(&t, VM_EVENT_REASON_SOFTWARE_BREAKPOINT);
	assert_int_equal(check(&t, insn), 0);
	assert_int_equal(check(&t, vmt_respond(VMT_EMULATE)), -VMT_E_NOT_SUPPORTED);
	set(&t, VM_EVENT_REASON_MEM_ACCESS);
	assert_int_equal(check(&t, insn), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(check(&t, vmt_respond(VMT_EMULATE)), 0);
	assert_int_equal(check(&t, vmt_respond(VMT_EMULATE_NOWRITE)), -VMT_E_NOT_SUPPORTED);
	t.now.forbidden = true;
	assert_int_equal(check(&t, vmt_respond(VMT_EMULATE_NOWRITE)), 0);
}

static void registers_and_data_share_one_field(void **state)
{
	static const uint8_t byte;
	struct vmt_gprs gprs = {0};
	struct vmt_response rsp = vmt_with_data(vmt_respond(VMT_EMULATE_READ), &byte, 1);
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_MEM_ACCESS);
	t.now.forbidden = true;
	assert_int_equal(check(&t, rsp), 0);
	assert_int_equal(check(&t, vmt_with_regs(rsp, &gprs)), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(check(&t, vmt_with_regs(vmt_respond(VMT_EMULATE), &gprs)), 0);
}

static void deny_needs_a_write_that_waits(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_WRITE_CTRLREG);
	assert_int_equal(check(&t, vmt_respond(VMT_DENY)), -VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(t.err.text, "vmt_deny_enable"));
	t.now.deferring = true;
	assert_int_equal(check(&t, vmt_respond(VMT_DENY)), -VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(t.err.text, "XCR0"));
	t.now.deferred = true;
	assert_int_equal(check(&t, vmt_respond(VMT_DENY)), 0);
	set(&t, VM_EVENT_REASON_CPUID);
	assert_int_equal(check(&t, vmt_respond(VMT_DENY)), -VMT_E_NOT_SUPPORTED);
}

static void an_asynchronous_event_takes_a_plain_answer_only(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_WRITE_CTRLREG);
	t.event.flags = 0;
	assert_int_equal(check(&t, vmt_respond(VMT_CONTINUE)), 0);
	t.now.watches_step = true;
	assert_int_equal(check(&t, vmt_respond(VMT_SINGLESTEP)), -VMT_E_NOT_SUPPORTED);
	assert_int_equal(check(&t, vmt_with_view(vmt_respond(VMT_CONTINUE), 0)),
			 -VMT_E_NOT_SUPPORTED);
}

static void steps_need_a_watcher_and_a_fast_step_a_view(void **state)
{
	struct vmt_response fast = vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_MEM_ACCESS);
	assert_int_equal(check(&t, vmt_respond(VMT_SINGLESTEP)), -VMT_E_NOT_SUPPORTED);
	t.now.watches_step = true;
	assert_int_equal(check(&t, vmt_respond(VMT_SINGLESTEP)), 0);
	assert_int_equal(check(&t, fast), 0);
	t.now.stepped = true;
	assert_int_equal(check(&t, fast), -VMT_E_NOT_SUPPORTED);
	t.event.reason = VMT_EVENT_SINGLESTEP;
	assert_int_equal(check(&t, fast), 0);
	t.event.flags = VMT_EVENT_SYNC;
	assert_int_equal(check(&t, fast), -VMT_E_NOT_SUPPORTED);
	t.now.view_exists = false;
	assert_int_equal(check(&t, vmt_with_view(vmt_respond(VMT_CONTINUE), 3)), -VMT_E_NOT_FOUND);
}

static void one_injection_at_a_time_is_reinjected(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_CPUID);
	assert_int_equal(check(&t, vmt_respond(VMT_REINJECT)), -VMT_E_NOT_SUPPORTED);
	set(&t, VM_EVENT_REASON_SOFTWARE_BREAKPOINT);
	assert_int_equal(check(&t, vmt_respond(VMT_REINJECT)), 0);
	t.now.injecting = true;
	assert_int_equal(check(&t, vmt_respond(VMT_REINJECT)), -VMT_E_BUSY);
}

static void injections_are_such_as_a_cpu_has(void **state)
{
	static const struct {
		struct vmt_interrupt in;
		uint32_t vendor;
		int result;
	} rows[] = {
		{{.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 4}, 0, 0},
		{{.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = VMT_NO_ERROR_CODE},
		 0,
		 -VMT_E_INVALID},
		{{.vector = 6, .type = VMT_INT_HW_EXCEPTION, .error_code = 0}, 0, -VMT_E_INVALID},
		{{.vector = 32, .type = VMT_INT_HW_EXCEPTION, .error_code = VMT_NO_ERROR_CODE},
		 0,
		 -VMT_E_INVALID},
		{{.vector = 3, .type = VMT_INT_SW_EXCEPTION, .error_code = VMT_NO_ERROR_CODE},
		 0,
		 -VMT_E_INVALID},
		{{.vector = 3,
		  .type = VMT_INT_SW_EXCEPTION,
		  .insn_length = 1,
		  .error_code = VMT_NO_ERROR_CODE},
		 0,
		 0},
		{{.vector = 64, .type = VMT_INT_EXTERNAL, .error_code = VMT_NO_ERROR_CODE}, 0, 0},
		{{.vector = 64, .type = VMT_INT_EXTERNAL, .error_code = VMT_NO_ERROR_CODE},
		 1,
		 -VMT_E_NOT_SUPPORTED},
		{{.vector = 2, .type = 1, .error_code = VMT_NO_ERROR_CODE}, 0, -VMT_E_INVALID},
	};
	struct vmt_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(vmt_refuse_injection(rows[i].vendor, &rows[i].in, &err),
				 rows[i].result);
}

static void fail_is_for_the_session(void **state)
{
	struct setting t;

	(void)state;
	set(&t, VM_EVENT_REASON_CPUID);
	assert_int_equal(check(&t, vmt_respond(VMT_FAIL)), -VMT_E_INVALID);
	assert_int_equal(check(&t, vmt_respond((enum vmt_action)99)), -VMT_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_answer_unpauses_and_names_the_request),
		cmocka_unit_test(each_action_has_its_flags),
		cmocka_unit_test(deny_names_the_register),
		cmocka_unit_test(
			a_view_goes_with_its_flag_and_a_fast_step_comes_back_to_the_events),
		cmocka_unit_test(registers_are_the_18_over_the_events),
		cmocka_unit_test(read_data_has_its_size_and_instruction_bytes_are_filled_up),
		cmocka_unit_test(the_next_interrupt_is_asked_for_by_a_flag),
		cmocka_unit_test(emulation_is_taken_where_xen_emulates),
		cmocka_unit_test(registers_and_data_share_one_field),
		cmocka_unit_test(deny_needs_a_write_that_waits),
		cmocka_unit_test(an_asynchronous_event_takes_a_plain_answer_only),
		cmocka_unit_test(steps_need_a_watcher_and_a_fast_step_a_view),
		cmocka_unit_test(one_injection_at_a_time_is_reinjected),
		cmocka_unit_test(injections_are_such_as_a_cpu_has),
		cmocka_unit_test(fail_is_for_the_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
