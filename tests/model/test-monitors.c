/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitors: on, off, their options, and what the guest does under them.
 */
#include <errno.h>

#include "domain.h"

static int set(struct domain *d, uint32_t kind, uint32_t what, uint32_t flags, uint64_t ignore,
	       bool on)
{
	const struct vmt_monitor monitor = {
		.kind = kind, .what = what, .flags = flags, .ignore = ignore};

	return vmt_model_monitor(d->model, &monitor, on, &d->err);
}

/* [monitors-twice] */
static void on_when_on_and_off_when_off_are_exists(void **state)
{
	struct domain *d = domain_simple(18);

	(void)state;
	for (uint32_t kind = 1; kind < VMT_MONITOR_KIND_COUNT; kind++) {
		if (kind == VMT_MONITOR_DEFERRED_WRITES)
			continue;
		said(d, set(d, kind, 0, 0, 0, false), VMT_E_EXISTS, "is off already");
		assert_int_equal(set(d, kind, 0, 0, 0, true), 0);
		assert_true(vmt_model_monitored(d->model, kind, 0));
		said(d, set(d, kind, 0, 0, 0, true), VMT_E_EXISTS, "is on already");
		assert_int_equal(set(d, kind, 0, 0, 0, false), 0);
		assert_false(vmt_model_monitored(d->model, kind, 0));
		said(d, set(d, kind, 0, 0, 0, false), VMT_E_EXISTS, "is off already");
	}
	domain_free(d);
}

static void each_cr_and_msr_is_a_monitor_of_its_own(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, 0);
	monitor_on(d, VMT_MONITOR_CR, VMT_CR4, 0);
	monitor_on(d, VMT_MONITOR_MSR, VMT_MSR_STAR, 0);
	monitor_on(d, VMT_MONITOR_MSR, VMT_MSR_LSTAR, 0);
	monitor_off(d, VMT_MONITOR_CR, VMT_CR3);
	monitor_off(d, VMT_MONITOR_MSR, VMT_MSR_STAR);
	assert_false(vmt_model_monitored(d->model, VMT_MONITOR_CR, VMT_CR3));
	assert_true(vmt_model_monitored(d->model, VMT_MONITOR_CR, VMT_CR4));
	assert_false(vmt_model_monitored(d->model, VMT_MONITOR_MSR, VMT_MSR_STAR));
	assert_true(vmt_model_monitored(d->model, VMT_MONITOR_MSR, VMT_MSR_LSTAR));
	domain_free(d);
}

static void what_means_nothing_is_invalid(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	said(d, set(d, 0, 0, 0, 0, true), VMT_E_INVALID, "kind 0");
	said(d, set(d, 99, 0, 0, 0, true), VMT_E_INVALID, "kind 99");
	said(d, set(d, VMT_MONITOR_CR, 4, 0, 0, true), VMT_E_INVALID, "for 4");
	said(d, set(d, VMT_MONITOR_CPUID, 0, VMT_MONITOR_ON_CHANGE, 0, true), VMT_E_INVALID,
	     "cpuid");
	said(d, set(d, VMT_MONITOR_CR, 0, VMT_MONITOR_USERSPACE, 0, true), VMT_E_INVALID, "cr0");
	said(d, set(d, VMT_MONITOR_MSR, 0x10, 0, 1, true), VMT_E_INVALID, "msr");
	/* monitor_bitmap_for_msr; EINVAL on real Xen */
	said(d, set(d, VMT_MONITOR_MSR, 0x12345678, 0, 0, true), VMT_E_INVALID, "0x12345678");
	assert_int_equal(vmt_footprint_count(d->model), 0);
	domain_free(d);
}

static void asynchronous_is_for_crs_debug_hypercalls_and_vmexits(void **state)
{
	struct domain *d = domain_simple(18);

	(void)state;
	for (uint32_t kind = 1; kind < VMT_MONITOR_DEFERRED_WRITES; kind++) {
		int r = set(d, kind, 0, VMT_MONITOR_ASYNC, 0, true);

		if (kind == VMT_MONITOR_CR || kind == VMT_MONITOR_DEBUG ||
		    kind == VMT_MONITOR_HYPERCALL || kind == VMT_MONITOR_VMEXIT)
			assert_int_equal(r, 0);
		else
			said(d, r, VMT_E_NOT_SUPPORTED, "always stops");
	}
	domain_free(d);
}

/* Seen on real Xen: with deferred writes 1067 of 2000 asynchronous events came. */
static void deferred_writes_exclude_asynchronous_cr_monitors(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	said(d, set(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0, 0, true), VMT_E_NOT_SUPPORTED,
	     "excludes deny");
	monitor_off(d, VMT_MONITOR_CR, VMT_CR3);
	monitor_on(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0);
	said(d, set(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC, 0, true), VMT_E_NOT_SUPPORTED,
	     "deny");
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, 0);
	said(d, set(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0, 0, true), VMT_E_EXISTS, "already");
	said(d, set(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0, 0, false), VMT_E_NOT_SUPPORTED,
	     "cannot end");
	domain_free(d);
}

/* [cr3-async] */
static void an_asynchronous_event_tells_and_the_vcpu_goes_on(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	assert_int_equal(vmt_model_write_cr(d->model, 0, VMT_CR3, 0x6000, 3, &d->err),
			 VMT_GUEST_GOES_ON);
	assert_int_equal(asked(d).cr3, 0x6000);
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	ev = take(d);
	assert_int_equal(ev.flags, VMT_EVENT_HAS_VIEW);
	assert_int_equal(ev.regs.cr3, 0x5000);
	assert_int_equal(ev.regs.gprs.rip, 0x1000);
	refused(d, &ev, vmt_respond(VMT_DENY), VMT_E_NOT_SUPPORTED, "only told");
	refused(d, &ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &ev.regs.gprs),
		VMT_E_NOT_SUPPORTED, "only told");
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	domain_free(d);
}

/* [cr4-mask] */
static void ignored_bits_make_no_event(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	assert_int_equal(set(d, VMT_MONITOR_CR, VMT_CR4, 0, 0x80, true), 0);
	assert_int_equal(vmt_model_write_cr(d->model, 0, VMT_CR4, 0x80, 3, &d->err),
			 VMT_GUEST_GOES_ON);
	assert_int_equal(asked(d).cr4, 0x80);
	assert_int_equal(vmt_model_write_cr(d->model, 0, VMT_CR4, 0x20, 3, &d->err),
			 VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.u.cr.cr, VMT_CR4);
	assert_int_equal(ev.u.cr.old_value, 0x80);
	domain_free(d);
}

static void a_value_that_the_cpu_does_not_take_makes_no_event(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	d->bad_cr4 = true;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR4, 0);
	assert_int_equal(vmt_model_write_cr(d->model, 0, VMT_CR4, 0x20, 3, &d->err),
			 VMT_GUEST_FAULT);
	d->bad_msr = true;
	assert_int_equal(vmt_model_write_msr(d->model, 0, 0x10, 1, 2, &d->err), VMT_GUEST_FAULT);
	no_event(d);
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	domain_free(d);
}

/* vmx_cr_access: CLTS tells, and is never deferred */
static void clts_is_a_write_of_cr0_that_cannot_be_denied(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	regs_of(d, 0)->cr0 = 0x80000009;
	monitor_on(d, VMT_MONITOR_DEFERRED_WRITES, 0, 0);
	monitor_on(d, VMT_MONITOR_CR, VMT_CR0, 0);
	assert_int_equal(vmt_model_clts(d->model, 0, 2, &d->err), VMT_GUEST_STOPPED);
	assert_int_equal(asked(d).cr0, 0x80000001);
	ev = take(d);
	assert_int_equal(ev.u.cr.new_value, 0x80000001);
	refused(d, &ev, vmt_respond(VMT_DENY), VMT_E_NOT_SUPPORTED, "CLTS");
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);
	assert_int_equal(asked(d).gprs.rip, 0x1002);
	assert_int_equal(vmt_model_clts(d->model, 0, 2, &d->err), VMT_GUEST_GOES_ON);
	domain_free(d);
}

static void msrs_with_a_register_of_their_own_are_that_register(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	vmt_model_write_msr(d->model, 0, VMT_MSR_FS_BASE, 0x11, 2, &d->err);
	vmt_model_write_msr(d->model, 0, VMT_MSR_KERNEL_GS_BASE, 0x22, 2, &d->err);
	vmt_model_write_msr(d->model, 0, VMT_MSR_SYSENTER_EIP, 0x33, 2, &d->err);
	vmt_model_write_msr(d->model, 0, 0x10, 0x44, 2, &d->err);
	assert_int_equal(asked(d).fs.base, 0x11);
	assert_int_equal(asked(d).shadow_gs, 0x22);
	assert_int_equal(asked(d).sysenter_eip, 0x33);
	assert_int_equal(d->msr, 0x44);
	assert_int_equal(asked(d).gprs.rip, 0x1008);
	domain_free(d);
}

/* [debug-continue] */
static void a_debug_exception_that_stops_is_not_delivered_unless_reinjected(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_entry entry;
	struct vmt_event ev;

	(void)state;
	assert_int_equal(vmt_model_debug(d->model, 0, vmt_gfn_from(1), VMT_INT_HW_EXCEPTION, 0,
					 0x4000, &d->err),
			 VMT_GUEST_GOES_ON);
	monitor_on(d, VMT_MONITOR_DEBUG, 0, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vmt_model_debug(d->model, 0, vmt_gfn_from(1), VMT_INT_HW_EXCEPTION,
						 0, 0x4000, &d->err),
				 VMT_GUEST_STOPPED);
		ev = take(d);
		assert_int_equal(ev.u.interrupt.interrupt.vector, 1);
		assert_int_equal(ev.u.interrupt.interrupt.type, VMT_INT_HW_EXCEPTION);
		assert_int_equal(ev.u.interrupt.interrupt.extra, 0x4000);
		respond(d, &ev, vmt_respond(i == 0 ? VMT_CONTINUE : VMT_REINJECT));
		entry = enter(d, 0);
		assert_int_equal(entry.flags, i == 0 ? 0 : VMT_ENTRY_DELIVER);
	}
	assert_int_equal(entry.deliver.vector, 1);
	domain_free(d);
}

/* hvm_hypercall: -EPERM from user mode, unless guest_request_userspace_enabled */
static void a_guest_request_from_user_mode_needs_to_be_allowed(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	regs_of(d, 0)->ss.access = 3 << 5;
	regs_of(d, 0)->gprs.rax = 34;
	monitor_on(d, VMT_MONITOR_HYPERCALL, 0, 0);
	assert_int_equal(vmt_model_hypercall(d->model, 0, 3, &d->err), VMT_GUEST_GOES_ON);
	no_event(d);
	assert_true(asked(d).gprs.rax == (uint64_t)-EPERM);
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	monitor_off(d, VMT_MONITOR_HYPERCALL, 0);
	monitor_on(d, VMT_MONITOR_HYPERCALL, 0, VMT_MONITOR_USERSPACE);
	assert_int_equal(vmt_model_hypercall(d->model, 0, 3, &d->err), VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.reason, VMT_EVENT_HYPERCALL);
	assert_int_equal(asked(d).gprs.rax, 0);
	domain_free(d);
}

static void a_guest_request_that_nobody_watches_returns_0(void **state)
{
	struct domain *d = domain_simple(17);

	(void)state;
	regs_of(d, 0)->gprs.rax = 34;
	assert_int_equal(vmt_model_hypercall(d->model, 0, 3, &d->err), VMT_GUEST_GOES_ON);
	assert_int_equal(asked(d).gprs.rax, 0);
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	domain_free(d);
}

/* [descriptor-continue] */
static void a_descriptor_access_is_not_executed(void **state)
{
	const struct vmt_descriptor_access lidt = {
		.descriptor = VMT_DESC_IDTR, .write = true, .info = 5, .qualification = 6};
	struct domain *vmx = domain_simple(17);
	struct domain *svm = domain_new(17, VMT_CPU_SVM, 1, 0);
	struct vmt_event ev;

	(void)state;
	monitor_on(vmx, VMT_MONITOR_DESCRIPTOR, 0, 0);
	monitor_on(svm, VMT_MONITOR_DESCRIPTOR, 0, 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(vmt_model_descriptor(vmx->model, 0, &lidt, &vmx->err),
				 VMT_GUEST_STOPPED);
		ev = take(vmx);
		assert_true(ev.u.descriptor.write);
		assert_int_equal(ev.u.descriptor.info, 5);
		assert_int_equal(ev.regs.gprs.rip, 0x1000);
		respond(vmx, &ev, vmt_respond(VMT_CONTINUE));
		enter(vmx, 0);
	}
	vmt_model_descriptor(svm->model, 0, &lidt, &svm->err);
	ev = take(svm);
	assert_int_equal(ev.u.descriptor.info, 0);
	assert_int_equal(ev.u.descriptor.qualification, 0);
	domain_free(vmx);
	domain_free(svm);
}

/* [kind-vmexit] */
static void a_vm_exit_that_stops_is_told_again_and_again(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_VMEXIT, 0, 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(vmt_model_vmexit(d->model, 0, 10, 7, &d->err), VMT_GUEST_STOPPED);
		ev = take(d);
		assert_int_equal(ev.u.vmexit.reason, 10);
		assert_int_equal(ev.u.vmexit.qualification, 7);
		respond(d, &ev, vmt_respond(VMT_CONTINUE));
		enter(d, 0);
	}
	monitor_off(d, VMT_MONITOR_VMEXIT, 0);
	assert_int_equal(vmt_model_vmexit(d->model, 0, 10, 7, &d->err), VMT_GUEST_GOES_ON);
	monitor_on(d, VMT_MONITOR_VMEXIT, 0, VMT_MONITOR_ASYNC);
	assert_int_equal(vmt_model_vmexit(d->model, 0, 10, 7, &d->err), VMT_GUEST_GOES_ON);
	assert_int_equal(take(d).reason, VMT_EVENT_VMEXIT);
	domain_free(d);
}

/* XCR0 is not in Xen's CPU record */
static void set_regs_takes_all_registers_but_xcr0_or_none(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_regs regs = {.known = VMT_KNOWN_ALL};

	(void)state;
	regs.gprs.rax = 5;
	regs.cr4 = 0x20;
	regs.tr.base = 0x77;
	said(d, vmt_model_set_regs(d->model, 0, &regs, &d->err), VMT_E_NOT_SUPPORTED, "XCR0");
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	regs.known &= ~VMT_KNOWN(VMT_REG_XCR0);
	d->bad_cr4 = true;
	said(d, vmt_model_set_regs(d->model, 0, &regs, &d->err), VMT_E_INVALID, "0x20");
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	d->bad_cr4 = false;
	assert_int_equal(vmt_model_set_regs(d->model, 0, &regs, &d->err), 0);
	assert_int_equal(asked(d).gprs.rax, 5);
	assert_int_equal(asked(d).tr.base, 0x77);
	regs.known = VMT_KNOWN(VMT_REG_RBX);
	regs.gprs.rbx = 9;
	regs.gprs.rax = 10;
	assert_int_equal(vmt_model_set_regs(d->model, 0, &regs, &d->err), 0);
	assert_int_equal(asked(d).gprs.rbx, 9);
	assert_int_equal(asked(d).gprs.rax, 5);
	said(d, vmt_model_set_regs(d->model, 3, &regs, &d->err), VMT_E_NOT_FOUND, "no vCPU 3");
	domain_free(d);
}

static void get_regs_knows_more_than_an_event_and_not_xcr0(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_regs regs;
	struct vmt_event ev;

	(void)state;
	regs_of(d, 0)->xcr0 = 7;
	regs_of(d, 0)->cstar = 8;
	regs_of(d, 0)->tr.base = 9;
	regs = asked(d);
	assert_int_equal(regs.known, VMT_KNOWN_ALL & ~VMT_KNOWN(VMT_REG_XCR0));
	assert_int_equal(regs.xcr0, 0);
	assert_int_equal(regs.cstar, 8);
	assert_int_equal(regs.tr.base, 9);
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
	ev = take(d);
	assert_int_equal(ev.regs.known, VMT_KNOWN_XEN_EVENT);
	assert_int_equal(ev.regs.cstar, 0);
	assert_int_equal(ev.regs.tr.base, 0);
	said(d, vmt_model_get_regs(d->model, 1, &regs, &d->err), VMT_E_NOT_FOUND, "no vCPU 1");
	domain_free(d);
}

/* [set-context]: registers set while an event holds the vCPU stay, unless its response has some */
static void registers_set_during_an_event_stay_unless_the_response_has_some(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RAX)};
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_BREAKPOINT, 0, 0);
	regs.gprs.rax = 0x6b6b;
	for (int i = 0; i < 2; i++) {
		vmt_model_int3(d->model, 0, vmt_gfn_from(1), 1, &d->err);
		ev = take(d);
		ev.regs.gprs.rax = 1;
		vmt_model_set_regs(d->model, 0, &regs, &d->err);
		respond(d, &ev,
			i == 0 ? vmt_respond(VMT_CONTINUE)
			       : vmt_with_regs(vmt_respond(VMT_CONTINUE), &ev.regs.gprs));
		enter(d, 0);
		assert_int_equal(asked(d).gprs.rax, i == 0 ? 0x6b6b : 1);
	}
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_when_on_and_off_when_off_are_exists),
		cmocka_unit_test(each_cr_and_msr_is_a_monitor_of_its_own),
		cmocka_unit_test(what_means_nothing_is_invalid),
		cmocka_unit_test(asynchronous_is_for_crs_debug_hypercalls_and_vmexits),
		cmocka_unit_test(deferred_writes_exclude_asynchronous_cr_monitors),
		cmocka_unit_test(an_asynchronous_event_tells_and_the_vcpu_goes_on),
		cmocka_unit_test(ignored_bits_make_no_event),
		cmocka_unit_test(a_value_that_the_cpu_does_not_take_makes_no_event),
		cmocka_unit_test(clts_is_a_write_of_cr0_that_cannot_be_denied),
		cmocka_unit_test(msrs_with_a_register_of_their_own_are_that_register),
		cmocka_unit_test(a_debug_exception_that_stops_is_not_delivered_unless_reinjected),
		cmocka_unit_test(a_guest_request_from_user_mode_needs_to_be_allowed),
		cmocka_unit_test(a_guest_request_that_nobody_watches_returns_0),
		cmocka_unit_test(a_descriptor_access_is_not_executed),
		cmocka_unit_test(a_vm_exit_that_stops_is_told_again_and_again),
		cmocka_unit_test(set_regs_takes_all_registers_but_xcr0_or_none),
		cmocka_unit_test(get_regs_knows_more_than_an_event_and_not_xcr0),
		cmocka_unit_test(registers_set_during_an_event_stay_unless_the_response_has_some),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
