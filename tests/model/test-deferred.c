/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a response defers until its vCPU is scheduled in, in which order it then takes place, and what
 * a detach before that loses.
 */
#include "domain.h"

static struct vmt_gprs at(uint64_t rip)
{
	struct vmt_gprs g = {.rip = rip};

	return g;
}

static void write_cr(struct domain *d, uint32_t cr, uint64_t value)
{
	assert_int_equal(vmt_model_write_cr(d->model, 0, cr, value, 3, &d->err), VMT_GUEST_STOPPED);
}

static struct domain *deferring(void)
{
	struct domain *d = domain_simple(17);

	monitor_on(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0);
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, 0);
	monitor_on(d, VMT_MONITOR_CR, VMT_CR4, 0);
	monitor_on(d, VMT_MONITOR_MSR, VMT_MSR_LSTAR, 0);
	monitor_on(d, VMT_MONITOR_MSR, 0x10, 0);
	return d;
}

/* hvm_do_resume: registers, emulation, deferred writes, injection. [memory-emulate-registers] */
static void registers_come_before_emulation_and_that_before_the_injection(void **state)
{
	const struct vmt_interrupt page_fault = {
		.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 2, .extra = 0x7000};
	struct domain *d = domain_simple(17);
	struct vmt_gprs g = at(0x2000);
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	d->emulate_advance = 4;
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	assert_int_equal(vmt_model_inject(d->model, 0, &page_fault, &d->err), 0);
	respond(d, &ev, vmt_with_regs(vmt_respond(VMT_EMULATE_NOWRITE), &g));
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	entry = enter(d, 0);
	assert_int_equal(d->emulate_saw_rip, 0x2000);
	assert_int_equal(asked(d).gprs.rip, 0x2004);
	assert_int_equal(entry.flags, VMT_ENTRY_REGS | VMT_ENTRY_EMULATE | VMT_ENTRY_DELIVER);
	assert_int_equal(entry.action, VMT_EMULATE_NOWRITE);
	assert_int_equal(entry.deliver.vector, 14);
	assert_int_equal(asked(d).cr2, 0x7000);
	assert_int_equal(enter(d, 0).flags, 0); /* all of it once */
	domain_free(d);
}

/* With two events of one vCPU: hvm_vm_event_do_resume emulates before it writes. */
static void emulation_comes_before_a_deferred_write(void **state)
{
	struct domain *d = deferring();
	struct vmt_event write, access;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	write_cr(d, VMT_CR3, 0x6000);
	touch(d, 5, VMT_W, NULL);
	write = take(d);
	access = take(d);
	answer(d, &write, vmt_respond(VMT_CONTINUE));
	commit(d);
	stands(d, 0); /* the other event holds it still */
	respond(d, &access, vmt_respond(VMT_EMULATE));
	enter(d, 0);
	assert_int_equal(d->emulate_saw_cr3, 0x5000);
	assert_int_equal(asked(d).cr3, 0x6000);
	domain_free(d);
}

/* [deny-skip] and its like: RIP is past the instruction, the event's registers are from before */
static void a_deferred_write_goes_with_registers_of_the_response(void **state)
{
	struct domain *d = deferring();
	struct vmt_event ev;
	struct vmt_gprs g;

	(void)state;
	write_cr(d, VMT_CR3, 0x6000);
	ev = take(d);
	g = ev.regs.gprs; /* RIP at the instruction, which so is executed again */
	respond(d, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &g));
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	assert_int_equal(enter(d, 0).flags, VMT_ENTRY_REGS | VMT_ENTRY_WRITE);
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	assert_int_equal(asked(d).cr3, 0x6000);

	regs_of(d, 0)->gprs.rip = 0x1000;
	write_cr(d, VMT_CR4, 0x20);
	ev = take(d);
	g = ev.regs.gprs;
	g.rip += 3;
	respond(d, &ev, vmt_with_regs(vmt_respond(VMT_DENY), &g));
	enter(d, 0);
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	assert_int_equal(asked(d).cr4, 0);
	domain_free(d);
}

static void a_deferred_msr_write_is_carried_out(void **state)
{
	struct domain *d = deferring();
	struct vmt_event ev;

	(void)state;
	vmt_model_write_msr(d->model, 0, VMT_MSR_LSTAR, 0x111, 2, &d->err);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_int_equal(asked(d).lstar, 0);
	assert_true(enter(d, 0).flags & VMT_ENTRY_WRITE);
	assert_int_equal(asked(d).lstar, 0x111);
	vmt_model_write_msr(d->model, 0, 0x10, 0x222, 2, &d->err);
	ev = take(d);
	assert_int_equal(ev.u.msr.old_value, 0);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_int_equal(d->msr, 0);
	enter(d, 0);
	assert_int_equal(d->msr, 0x222);
	domain_free(d);
}

static void a_deferred_write_that_the_cpu_does_not_take_is_a_gp_fault(void **state)
{
	struct domain *d = deferring();
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	write_cr(d, VMT_CR4, 0x20);
	ev = take(d);
	d->bad_cr4 = true;
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	entry = enter(d, 0);
	assert_true(entry.flags & VMT_ENTRY_DELIVER);
	assert_int_equal(entry.deliver.vector, 13);
	assert_int_equal(entry.deliver.error_code, 0);
	assert_int_equal(asked(d).cr4, 0);

	vmt_model_write_msr(d->model, 0, 0x10, 5, 2, &d->err);
	ev = take(d);
	d->bad_msr = true;
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_int_equal(enter(d, 0).deliver.vector, 13);
	domain_free(d);
}

/* hvm_combine_hw_exceptions */
static void two_faults_at_once_are_a_double_fault(void **state)
{
	struct domain *d = deferring();
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	write_cr(d, VMT_CR4, 0x20);
	vmt_model_write_msr(d->model, 0, 0x10, 5, 2, &d->err);
	d->bad_cr4 = true;
	d->bad_msr = true;
	for (int i = 0; i < 2; i++) {
		ev = take(d);
		respond(d, &ev, vmt_respond(VMT_CONTINUE));
	}
	entry = enter(d, 0);
	assert_int_equal(entry.deliver.vector, 8);
	assert_int_equal(entry.deliver.error_code, 0);
	domain_free(d);
}

/* hvm_do_resume: "if ( !hvm_event_pending(v) ) hvm_inject_event(...)": dropped otherwise */
static void an_injection_is_dropped_when_something_else_is_due(void **state)
{
	const struct vmt_interrupt page_fault = {
		.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 2, .extra = 0x7000};
	struct domain *d = deferring();
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	write_cr(d, VMT_CR4, 0x20);
	ev = take(d);
	d->bad_cr4 = true;
	vmt_model_inject(d->model, 0, &page_fault, &d->err);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	entry = enter(d, 0);
	assert_true(entry.flags & VMT_ENTRY_LOST);
	assert_int_equal(entry.deliver.vector, 13);
	assert_int_equal(asked(d).cr2, 0);
	assert_int_equal(vmt_model_inject(d->model, 0, &page_fault, &d->err), 0); /* free again */
	domain_free(d);
}

/* [emulate-unheard, emulate-unimplemented] */
static void what_cannot_be_emulated_is_ud_or_an_event(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	d->emulate_unimplemented = true;
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_EMULATE));
	entry = enter(d, 0);
	assert_int_equal(entry.deliver.vector, 6);
	assert_int_equal(entry.deliver.error_code, VMT_NO_ERROR_CODE);

	monitor_on(d, VMT_MONITOR_EMUL_UNIMPLEMENTED, 0, 0);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_EMULATE));
	stands(d, 0);
	ev = take(d);
	assert_int_equal(ev.reason, VMT_EVENT_EMUL_UNIMPLEMENTED);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_int_equal(enter(d, 0).flags, 0);
	domain_free(d);
}

/* vm_event_emulate_check: "if ( !(rsp->flags & VM_EVENT_FLAG_EMULATE) ) emulate_flags = 0" */
static void a_later_response_takes_an_emulation_back(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_EMULATE));
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err); /* not watched */
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_false(enter(d, 0).flags & VMT_ENTRY_EMULATE);
	domain_free(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Settling, and detaching too early                                                            */
/* -------------------------------------------------------------------------------------------- */

static int count_entries(void *arg, uint16_t vcpu, const struct vmt_entry *entry)
{
	unsigned *seen = arg;

	seen[vcpu] = entry->flags;
	return 0;
}

static void settling_runs_each_vcpu_that_was_answered(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 3, 0);
	unsigned seen[3] = {99, 99, 99};
	struct vmt_gprs g = at(0x2000);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	touch_by(d, 2, 5, VMT_W, 0, NULL);
	ev = take(d);
	respond(d, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &g));
	assert_int_equal(vmt_model_unsettled(d->model), 1);
	assert_int_equal(vmt_model_settle(d->model, count_entries, seen, &d->err), 0);
	assert_int_equal(vmt_model_unsettled(d->model), 0);
	assert_int_equal(seen[0], 99);
	assert_int_equal(seen[1], 99);
	assert_int_equal(seen[2], VMT_ENTRY_REGS);
	assert_int_equal(regs_of(d, 2)->gprs.rip, 0x2000);
	assert_int_equal(vmt_model_settle(d->model, NULL, NULL, &d->err), 0);
	domain_free(d);
}

static void a_vcpu_that_cannot_run_is_not_settled(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	vmt_model_pause(d->model, &d->err);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	said(d, vmt_model_settle(d->model, NULL, NULL, &d->err), VMT_E_BUSY,
	     "the domain is paused");
	vmt_model_resume(d->model, &d->err);
	assert_int_equal(vmt_model_settle(d->model, NULL, NULL, &d->err), 0);
	domain_free(d);
}

/* vm_event_cleanup_domain frees what was deferred: seen on real Xen as lost CR and CPUID results. */
static void a_too_early_detach_loses_registers(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_gprs g = at(0x2000);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_CPUID, 0, 0);
	vmt_model_cpuid(d->model, 0, (const uint32_t[4]){1, 2, 3, 4}, 2, &d->err);
	ev = take(d);
	respond(d, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &g));
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	assert_int_equal(vmt_model_lost(d->model), 1);
	assert_int_equal(enter(d, 0).flags, 0);
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	domain_free(d);
}

static void a_too_early_detach_loses_writes_and_emulation(void **state)
{
	struct domain *d = deferring();
	struct vmt_event ev;

	(void)state;
	write_cr(d, VMT_CR3, 0x6000);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	vmt_model_detach(d->model, &d->err);
	assert_int_equal(vmt_model_lost(d->model), 1);
	enter(d, 0);
	assert_int_equal(asked(d).cr3, 0x5000); /* and RIP is past it: the guest is harmed */
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	domain_free(d);

	d = domain_simple(17);
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_EMULATE));
	vmt_model_detach(d->model, &d->err);
	assert_int_equal(vmt_model_lost(d->model), 1);
	enter(d, 0);
	assert_int_equal(d->emulated, 0);
	domain_free(d);
}

static void a_detach_after_settling_loses_nothing(void **state)
{
	struct domain *d = deferring();
	struct vmt_event ev;

	(void)state;
	write_cr(d, VMT_CR3, 0x6000);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_int_equal(vmt_model_settle(d->model, NULL, NULL, &d->err), 0);
	vmt_model_detach(d->model, &d->err);
	assert_int_equal(vmt_model_lost(d->model), 0);
	assert_int_equal(asked(d).cr3, 0x6000);
	domain_free(d);
}

/* An injection is not part of the ring's state (arch.hvm.inject_event). */
static void a_detach_does_not_lose_an_injection(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_REINJECT));
	vmt_model_detach(d->model, &d->err);
	assert_int_equal(vmt_model_lost(d->model), 0);
	assert_int_equal(enter(d, 0).deliver.vector, 3);
	domain_free(d);
}

/* Seen on real Xen: disabling the ring does not end the pause of an event that has no answer. */
static void a_detach_leaves_an_unanswered_vcpu_standing(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	set_rights(d, 0, 5, VMT_RX);
	touch(d, 5, VMT_W, NULL);
	take(d);
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	stands(d, 0);
	assert_string_equal(footprint(d, 1), "held vcpu 0 by 1 events");
	domain_free(d);
}

/* vm_event_disable: -EBUSY while the wait queue is not empty; the monitors are off all the same. */
static void a_detach_while_a_vcpu_waits_for_the_ring_is_busy(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct vmt_event ev = {.vcpu = 1};

	(void)state;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	for (int i = 0; i < 8; i++)
		vmt_model_post(d->model, &ev, false, &d->err);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	said(d, vmt_model_detach(d->model, &d->err), VMT_E_BUSY, "vCPU 0 waits for a slot");
	assert_false(vmt_model_monitored(d->model, VMT_MONITOR_BREAKPOINT, 0));
	for (int i = 0; i < 8; i++) {
		ev = take(d);
		respond(d, &ev, vmt_respond(VMT_CONTINUE));
	}
	stands(d, 0); /* runs, and queues its event */
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	domain_free(d);
}

static void after_a_detach_nothing_can_be_asked(void **state)
{
	const struct vmt_monitor cr = {.kind = VMT_MONITOR_CR, .what = VMT_CR3};
	struct domain *d = domain_simple(17);
	struct vmt_event ev;
	uint64_t done;

	(void)state;
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	assert_int_equal(vmt_model_detach(d->model, &d->err), 0);
	said(d, vmt_model_monitor(d->model, &cr, true, &d->err), VMT_E_WRONG_PLACE, "detached");
	said(d, vmt_model_next(d->model, &ev, &d->err), VMT_E_WRONG_PLACE, "detached");
	said(d,
	     vmt_model_set_access(d->model, 0, vmt_gfn_from(5), 1, vmt_access_from(VMT_R), &done,
				  &d->err),
	     VMT_E_WRONG_PLACE, "detached");
	said(d, vmt_model_reset(d->model, &d->err), VMT_E_WRONG_PLACE, "detached");
	memset(&ev, 0, sizeof(ev));
	ev.flags = VMT_EVENT_SYNC;
	assert_int_equal(vmt_model_post(d->model, &ev, false, &d->err), VMT_GUEST_GOES_ON);
	enter(d, 0);
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_come_before_emulation_and_that_before_the_injection),
		cmocka_unit_test(emulation_comes_before_a_deferred_write),
		cmocka_unit_test(two_faults_at_once_are_a_double_fault),
		cmocka_unit_test(a_deferred_write_goes_with_registers_of_the_response),
		cmocka_unit_test(a_deferred_msr_write_is_carried_out),
		cmocka_unit_test(a_deferred_write_that_the_cpu_does_not_take_is_a_gp_fault),
		cmocka_unit_test(an_injection_is_dropped_when_something_else_is_due),
		cmocka_unit_test(what_cannot_be_emulated_is_ud_or_an_event),
		cmocka_unit_test(a_later_response_takes_an_emulation_back),
		cmocka_unit_test(settling_runs_each_vcpu_that_was_answered),
		cmocka_unit_test(a_vcpu_that_cannot_run_is_not_settled),
		cmocka_unit_test(a_too_early_detach_loses_registers),
		cmocka_unit_test(a_too_early_detach_loses_writes_and_emulation),
		cmocka_unit_test(a_detach_after_settling_loses_nothing),
		cmocka_unit_test(a_detach_does_not_lose_an_injection),
		cmocka_unit_test(a_detach_leaves_an_unanswered_vcpu_standing),
		cmocka_unit_test(a_detach_while_a_vcpu_waits_for_the_ring_is_busy),
		cmocka_unit_test(after_a_detach_nothing_can_be_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
