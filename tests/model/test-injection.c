/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Injection: one at a time, which Xen can do, what the guest gets, and the next-interrupt event.
 */
#include "domain.h"

static const struct vmt_interrupt page_fault = {
	.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 2, .extra = 0x7000};

static int inject(struct domain *d, uint8_t vector, uint8_t type, uint32_t code, uint8_t length)
{
	const struct vmt_interrupt in = {
		.vector = vector, .type = type, .error_code = code, .insn_length = length};

	return vmt_model_inject(d->model, 0, &in, &d->err);
}

static struct vmt_event breakpoint(struct domain *d)
{
	assert_int_equal(vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err),
			 VMT_GUEST_STOPPED);
	return take(d);
}

/* [inject-page-fault] */
static void it_comes_when_the_vcpu_runs_next(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_entry entry;

	(void)state;
	regs_of(d, 0)->cr2 = 0x1111;
	assert_int_equal(vmt_model_inject(d->model, 0, &page_fault, &d->err), 0);
	assert_int_equal(asked(d).cr2, 0x1111);
	entry = enter(d, 0);
	assert_true(entry.flags & VMT_ENTRY_DELIVER);
	assert_memory_equal(&entry.deliver, &page_fault, sizeof(page_fault));
	assert_int_equal(asked(d).cr2, 0x7000);
	assert_false(enter(d, 0).flags & VMT_ENTRY_DELIVER);
	domain_free(d);
}

/* [inject-twice] */
static void a_second_one_is_busy_until_the_first_was_taken(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);

	(void)state;
	assert_int_equal(inject(d, 13, VMT_INT_HW_EXCEPTION, 0, 0), 0);
	said(d, inject(d, 6, VMT_INT_HW_EXCEPTION, VMT_NO_ERROR_CODE, 0), VMT_E_BUSY, "vCPU 0");
	assert_int_equal(vmt_model_inject(d->model, 1, &page_fault, &d->err), 0); /* another's */
	enter(d, 0);
	assert_int_equal(inject(d, 6, VMT_INT_HW_EXCEPTION, VMT_NO_ERROR_CODE, 0), 0);
	said(d, vmt_model_inject(d->model, 2, &page_fault, &d->err), VMT_E_NOT_FOUND, "no vCPU 2");
	domain_free(d);
}

/* [inject-registers] */
static void it_goes_with_a_responses_registers(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	ev = breakpoint(d);
	ev.regs.gprs.rax = 0x4c4c;
	vmt_model_inject(d->model, 0, &page_fault, &d->err);
	respond(d, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &ev.regs.gprs));
	entry = enter(d, 0);
	assert_int_equal(entry.flags, VMT_ENTRY_REGS | VMT_ENTRY_DELIVER);
	assert_int_equal(asked(d).gprs.rax, 0x4c4c);
	domain_free(d);
}

static void reinject_and_inject_do_not_go_together(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	ev = breakpoint(d);
	vmt_model_inject(d->model, 0, &page_fault, &d->err);
	refused(d, &ev, vmt_respond(VMT_REINJECT), VMT_E_BUSY, "waits for vCPU 0");
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);
	ev = breakpoint(d);
	answer(d, &ev, vmt_respond(VMT_REINJECT));
	said(d, vmt_model_inject(d->model, 0, &page_fault, &d->err), VMT_E_BUSY, "vCPU 0");
	commit(d);
	assert_int_equal(enter(d, 0).deliver.vector, 3);
	domain_free(d);
}

static void only_int3_and_debug_exceptions_are_reinjected(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, 0);
	touch(d, 5, VMT_R, NULL);
	ev = take(d);
	refused(d, &ev, vmt_respond(VMT_REINJECT), VMT_E_NOT_SUPPORTED, "memory-access");
	domain_free(d);
}

static void what_no_cpu_takes_is_invalid(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	said(d, inject(d, 3, 1, VMT_NO_ERROR_CODE, 0), VMT_E_INVALID, "type 1");
	said(d, inject(d, 3, 7, VMT_NO_ERROR_CODE, 0), VMT_E_INVALID, "type 7");
	said(d, inject(d, 32, VMT_INT_HW_EXCEPTION, VMT_NO_ERROR_CODE, 0), VMT_E_INVALID,
	     "vector 32");
	said(d, inject(d, 13, VMT_INT_HW_EXCEPTION, VMT_NO_ERROR_CODE, 0), VMT_E_INVALID,
	     "pushes an error code");
	said(d, inject(d, 6, VMT_INT_HW_EXCEPTION, 0, 0), VMT_E_INVALID, "has no error code");
	said(d, inject(d, 3, VMT_INT_SW_EXCEPTION, 0, 1), VMT_E_INVALID, "has no error code");
	said(d, inject(d, 3, VMT_INT_SW_EXCEPTION, VMT_NO_ERROR_CODE, 0), VMT_E_INVALID, "length");
	said(d, inject(d, 3, VMT_INT_SW_EXCEPTION, VMT_NO_ERROR_CODE, 16), VMT_E_INVALID, "length");
	assert_int_equal(vmt_footprint_count(d->model), 0);
	assert_int_equal(inject(d, 0x80, VMT_INT_SW_INTERRUPT, VMT_NO_ERROR_CODE, 2), 0);
	enter(d, 0);
	assert_int_equal(inject(d, 21, VMT_INT_HW_EXCEPTION, 0, 0), 0); /* #CP */
	domain_free(d);
}

/* Seen on real Xen on SVM: "Unexpected vmexit: reason 0xffffffff", the domain crashes. */
static void an_external_interrupt_is_refused_on_amd(void **state)
{
	struct domain *svm = domain_new(17, VMT_CPU_SVM, 1, 0);
	struct domain *vmx = domain_simple(17);

	(void)state;
	said(svm, inject(svm, 0x40, VMT_INT_EXTERNAL, VMT_NO_ERROR_CODE, 0), VMT_E_NOT_SUPPORTED,
	     "Intel");
	assert_int_equal(inject(vmx, 0x40, VMT_INT_EXTERNAL, VMT_NO_ERROR_CODE, 0), 0);
	domain_free(svm);
	domain_free(vmx);
}

/* [kind-interrupt]; what Xen leaves in the fields for an error code and CR2 is not an int3's */
static void the_next_interrupt_is_told_once_and_then_delivered(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_response rsp = vmt_respond(VMT_REINJECT);
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	regs_of(d, 0)->cr2 = 0x187008;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	ev = breakpoint(d);
	rsp.flags |= VMT_RSP_NEXT_INTERRUPT;
	respond(d, &ev, rsp);
	stands(d, 0); /* told at schedule-in, before it runs */
	ev = take(d);
	assert_int_equal(ev.reason, VMT_EVENT_NEXT_INTERRUPT);
	assert_int_equal(ev.u.next_interrupt.vector, 3);
	assert_int_equal(ev.u.next_interrupt.type, VMT_INT_SW_EXCEPTION);
	assert_int_equal(ev.u.next_interrupt.insn_length, 0);
	assert_int_equal(ev.u.next_interrupt.error_code, VMT_NO_ERROR_CODE);
	assert_int_equal(ev.u.next_interrupt.extra, 0);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	entry = enter(d, 0);
	assert_true(entry.flags & VMT_ENTRY_DELIVER);
	assert_int_equal(entry.deliver.vector, 3);
	assert_int_equal(entry.deliver.error_code, VMT_NO_ERROR_CODE);
	vmt_model_inject(d->model, 0, &page_fault, &d->err);
	enter(d, 0); /* not told again */
	no_event(d);
	domain_free(d);
}

static void the_next_interrupt_waits_until_there_is_one(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_response rsp = vmt_respond(VMT_CONTINUE);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	ev = breakpoint(d);
	rsp.flags |= VMT_RSP_NEXT_INTERRUPT;
	respond(d, &ev, rsp);
	enter(d, 0);
	enter(d, 0);
	vmt_model_inject(d->model, 0, &page_fault, &d->err);
	stands(d, 0);
	ev = take(d);
	assert_int_equal(ev.u.next_interrupt.vector, 14);
	assert_int_equal(ev.u.next_interrupt.error_code, 2);
	assert_int_equal(ev.u.next_interrupt.extra, 0x7000);
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_comes_when_the_vcpu_runs_next),
		cmocka_unit_test(a_second_one_is_busy_until_the_first_was_taken),
		cmocka_unit_test(it_goes_with_a_responses_registers),
		cmocka_unit_test(reinject_and_inject_do_not_go_together),
		cmocka_unit_test(only_int3_and_debug_exceptions_are_reinjected),
		cmocka_unit_test(what_no_cpu_takes_is_invalid),
		cmocka_unit_test(an_external_interrupt_is_refused_on_amd),
		cmocka_unit_test(the_next_interrupt_is_told_once_and_then_delivered),
		cmocka_unit_test(the_next_interrupt_waits_until_there_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
