/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring: 8 slots, taken until the response is consumed; what happens when it is full.
 */
#include "domain.h"

static int write_cr3(struct domain *d, uint16_t vcpu, uint64_t value)
{
	return vmt_model_write_cr(d->model, vcpu, VMT_CR3, value, 3, &d->err);
}

static uint32_t pending(struct domain *d)
{
	uint32_t n = 0;

	assert_int_equal(vmt_model_pending(d->model, &n), 0);
	return n;
}

static void an_event_is_taken_once_in_order_and_answered_once(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 3, 0);
	struct vmt_event ev[3];
	uint64_t last = 0;

	(void)state;
	set_rights(d, 0, 5, VMT_R);
	for (uint16_t i = 0; i < 3; i++)
		touch_by(d, (uint16_t)(2 - i), 5, VMT_W, 0, NULL);
	assert_int_equal(pending(d), 3);
	for (uint16_t i = 0; i < 3; i++) {
		ev[i] = take(d);
		assert_int_equal(ev[i].vcpu, 2 - i);
		assert_true(ev[i].ticket > last);
		last = ev[i].ticket;
	}
	no_event(d);
	answer(d, &ev[1], vmt_respond(VMT_CONTINUE)); /* in any order */
	stands(d, 1);                                 /* nothing before commit */
	answer(d, &ev[0], vmt_respond(VMT_CONTINUE));
	commit(d);
	enter(d, 1);
	enter(d, 2);
	stands(d, 0);
	domain_free(d);
}

static void a_synchronous_event_holds_its_vcpu_alone(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);

	(void)state;
	set_rights(d, 0, 5, VMT_R);
	touch_by(d, 1, 5, VMT_W, 0, NULL);
	stands(d, 1);
	enter(d, 0);
	assert_string_equal(footprint(d, 1), "held vcpu 1 by 1 events");
	domain_free(d);
}

/* [ring-full]: with one vCPU 8 requests wait */
static void asynchronous_events_fill_the_ring_and_then_the_vcpu_sleeps(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	for (uint64_t i = 1; i <= 8; i++) {
		assert_true(vmt_model_runnable(d->model, 0));
		assert_int_equal(write_cr3(d, 0, 0x10000 * i), VMT_GUEST_GOES_ON);
	}
	assert_int_equal(pending(d), 8);
	stands(d, 0); /* after queuing the eighth: vm_event_mark_and_pause */
	ev = take(d);
	assert_int_equal(ev.flags & VMT_EVENT_SYNC, 0);
	stands(d, 0); /* taken is not answered */
	answer(d, &ev, vmt_respond(VMT_CONTINUE));
	stands(d, 0);
	commit(d);
	enter(d, 0);
	write_cr3(d, 0, 0xf0000);
	stands(d, 0);
	for (uint64_t i = 2; i <= 9; i++) { /* none is lost */
		ev = take(d);
		assert_int_equal(ev.u.cr.new_value, i == 9 ? 0xf0000 : 0x10000 * i);
		respond(d, &ev, vmt_respond(VMT_CONTINUE));
	}
	no_event(d);
	domain_free(d);
}

/* [ring-full]: with two vCPUs a vCPU sleeps when 7 of 8 slots are taken */
static void a_vcpu_sleeps_when_fewer_slots_are_free_than_vcpus(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct vmt_event ev;

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	for (uint64_t i = 1; i <= 6; i++)
		write_cr3(d, 0, 0x10000 * i);
	enter(d, 0);
	write_cr3(d, 0, 0x70000);
	stands(d, 0);
	enter(d, 1); /* the other goes on */
	ev = take(d);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);
	domain_free(d);
}

/* [async-unanswered]: 3 taken and not answered: 5 more fit */
static void an_asynchronous_event_keeps_its_slot_until_it_is_answered(void **state)
{
	struct domain *d = domain_simple(17);
	uint64_t value = 0x10000;

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	for (int i = 0; i < 3; i++, value += 0x10000)
		write_cr3(d, 0, value);
	for (int i = 0; i < 3; i++)
		take(d);
	for (int i = 0; i < 5; i++, value += 0x10000) {
		enter(d, 0);
		write_cr3(d, 0, value);
	}
	stands(d, 0);
	domain_free(d);
}

/* Fill the ring with events of vCPU 1, so that vCPU 0 finds no slot. */
static void fill(struct domain *d)
{
	for (uint64_t i = 1; i <= 8; i++) {
		struct vmt_event ev = {.reason = VMT_EVENT_UNKNOWN, .vcpu = 1};

		assert_int_equal(vmt_model_post(d->model, &ev, false, &d->err), VMT_GUEST_GOES_ON);
	}
}

static struct vmt_event drain_one(struct domain *d)
{
	struct vmt_event ev = take(d);

	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	return ev;
}

/* A vCPU that finds no slot sleeps with its event, and queues it when it runs again. */
static void a_synchronous_event_without_a_slot_waits_and_is_not_lost(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct vmt_event ev;

	(void)state;
	fill(d);
	set_rights(d, 0, 5, VMT_R);
	assert_int_equal(touch_by(d, 0, 5, VMT_W, VMT_MEM_GVA_VALID, NULL), VMT_GUEST_STOPPED);
	assert_int_equal(pending(d), 8);
	stands(d, 0);
	/* asleep: it causes nothing more */
	assert_int_equal(touch_by(d, 0, 6, VMT_W, 0, NULL), VMT_GUEST_GOES_ON);
	assert_int_equal(touch_by(d, 0, 5, VMT_R | VMT_W, 0, NULL), VMT_GUEST_STOPPED);
	drain_one(d);
	assert_int_equal(pending(d), 7); /* not before the vCPU runs */
	assert_int_equal(vmt_model_pause(d->model, &d->err), 0);
	stands(d, 0); /* and it does not while the domain is paused */
	assert_int_equal(pending(d), 7);
	assert_int_equal(vmt_model_resume(d->model, &d->err), 0);
	stands(d, 0); /* it ran, queued, and the event holds it */
	assert_int_equal(pending(d), 8);
	for (int i = 0; i < 7; i++)
		drain_one(d);
	ev = take(d);
	assert_int_equal(ev.reason, VMT_EVENT_MEMORY_ACCESS);
	assert_int_equal(ev.vcpu, 0);
	assert_int_equal(ev.u.memory.gva.a, 0x405008);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);
	domain_free(d);
}

static void a_write_whose_event_waits_happens_when_it_is_queued(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	fill(d);
	assert_int_equal(write_cr3(d, 0, 0x6000), VMT_GUEST_STOPPED);
	assert_int_equal(asked(d).cr3, 0x5000);
	assert_int_equal(asked(d).gprs.rip, 0x1000);
	for (int i = 0; i < 3; i++)
		drain_one(d);
	enter(d, 0);
	assert_int_equal(asked(d).cr3, 0x6000);
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	domain_free(d);
}

static void a_hypercall_whose_event_waits_completes_when_it_is_queued(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);

	(void)state;
	monitor_on(d, VMT_MONITOR_HYPERCALL, 0, VMT_MONITOR_ASYNC);
	regs_of(d, 0)->gprs.rax = 34;
	fill(d);
	assert_int_equal(vmt_model_hypercall(d->model, 0, 3, &d->err), VMT_GUEST_STOPPED);
	assert_int_equal(asked(d).gprs.rax, 34);
	for (int i = 0; i < 3; i++)
		drain_one(d);
	enter(d, 0);
	assert_int_equal(asked(d).gprs.rax, 0);
	assert_int_equal(asked(d).gprs.rip, 0x1003);
	domain_free(d);
}

static void a_debug_exception_whose_event_waits_is_delivered_afterwards(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct vmt_entry entry;

	(void)state;
	monitor_on(d, VMT_MONITOR_DEBUG, 0, VMT_MONITOR_ASYNC);
	assert_int_equal(vmt_model_debug(d->model, 0, vmt_gfn_from(1), VMT_INT_HW_EXCEPTION, 0, 0,
					 &d->err),
			 VMT_GUEST_GOES_ON);
	drain_one(d);
	fill(d);
	assert_int_equal(vmt_model_debug(d->model, 0, vmt_gfn_from(1), VMT_INT_HW_EXCEPTION, 0, 0,
					 &d->err),
			 VMT_GUEST_STOPPED);
	for (int i = 0; i < 3; i++)
		drain_one(d);
	entry = enter(d, 0);
	assert_true(entry.flags & VMT_ENTRY_DELIVER);
	assert_int_equal(entry.deliver.vector, 1);
	domain_free(d);
}

static void a_vm_exit_whose_event_waits_is_told_once(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);

	(void)state;
	monitor_on(d, VMT_MONITOR_VMEXIT, 0, VMT_MONITOR_ASYNC);
	fill(d);
	assert_int_equal(vmt_model_vmexit(d->model, 0, 10, 0, &d->err), VMT_GUEST_STOPPED);
	for (int i = 0; i < 8; i++)
		drain_one(d);
	enter(d, 0);
	assert_int_equal(drain_one(d).reason, VMT_EVENT_VMEXIT);
	assert_int_equal(vmt_model_vmexit(d->model, 0, 10, 0, &d->err), VMT_GUEST_GOES_ON);
	no_event(d); /* the same exit, carried on */
	assert_int_equal(vmt_model_vmexit(d->model, 0, 10, 0, &d->err), VMT_GUEST_GOES_ON);
	assert_int_equal(pending(d), 1); /* the next one */
	domain_free(d);
}

/*
 * vm_event_wake_blocked begins behind the vCPU that it woke last. It also runs when an event is
 * queued (vm_event_release_slot), so that a slot that is left wakes another vCPU.
 */
static void sleepers_wake_in_turn(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 3, 0);

	(void)state;
	monitor_on(d, VMT_MONITOR_CR, VMT_CR3, VMT_MONITOR_ASYNC);
	for (uint64_t i = 1; i <= 6; i++)
		write_cr3(d, 0, 0x10000 * i);
	stands(d, 0); /* 2 free, 3 vCPUs */
	write_cr3(d, 1, 0x10000);
	stands(d, 1);
	enter(d, 0); /* woken by the slot that is left */
	write_cr3(d, 2, 0x10000);
	stands(d, 2);
	assert_int_equal(write_cr3(d, 0, 0x90000), VMT_GUEST_STOPPED); /* no slot */
	drain_one(d);
	stands(d, 1); /* those with an event in hand come first */
	stands(d, 2);
	assert_int_equal(pending(d), 7);
	stands(d, 0); /* queues it and sleeps again: the ring is full */
	assert_int_equal(pending(d), 8);
	drain_one(d);
	assert_true(vmt_model_runnable(d->model, 1));
	assert_false(vmt_model_runnable(d->model, 2));
	drain_one(d);
	assert_true(vmt_model_runnable(d->model, 2));
	assert_true(vmt_model_runnable(d->model, 0)); /* 2 are free by now */
	domain_free(d);
}

/* vm_event_put_request: no second sleep for a vCPU that its event holds already */
static void a_vcpu_that_an_event_holds_wakes_with_its_answer(void **state)
{
	struct domain *d = domain_new(17, VMT_CPU_VMX, 2, 0);
	struct vmt_event ev = {.vcpu = 1};

	(void)state;
	for (int i = 0; i < 7; i++)
		vmt_model_post(d->model, &ev, false, &d->err);
	stands(d, 1);
	set_rights(d, 0, 5, VMT_R);
	touch_by(d, 0, 5, VMT_W, 0, NULL);
	for (int i = 0; i < 8; i++)
		ev = take(d);
	assert_int_equal(ev.vcpu, 0);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);
	domain_free(d);
}

static void a_vcpu_that_is_told_more_than_the_ring_holds_goes_on_in_the_end(void **state)
{
	struct domain *d = domain_simple(17);
	struct vmt_event ev = {.vcpu = 0};

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(vmt_model_post(d->model, &ev, false, &d->err), VMT_GUEST_GOES_ON);
	assert_int_equal(vmt_model_post(d->model, &ev, false, &d->err), VMT_GUEST_STOPPED);
	said(d, vmt_model_post(d->model, &ev, false, &d->err), VMT_E_WRONG_PLACE, "sleeps");
	for (int i = 0; i < 8; i++)
		drain_one(d);
	enter(d, 0);
	assert_int_equal(pending(d), 1);
	domain_free(d);
}

static void an_event_can_be_queued_as_it_is(void **state)
{
	static const unsigned char raw[4] = {1, 2, 3, 4};
	struct domain *d = domain_simple(17);
	struct vmt_event given = {.reason = VMT_EVENT_UNKNOWN,
				  .flags = VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW,
				  .view = 3,
				  .raw = raw,
				  .raw_len = 4,
				  .raw_kind = 1};
	struct vmt_event ev;

	(void)state;
	given.regs.known = VMT_KNOWN(VMT_REG_RAX);
	given.regs.gprs.rax = 77;
	assert_int_equal(vmt_model_post(d->model, &given, true, &d->err), VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.view, 3);
	assert_int_equal(ev.regs.known, VMT_KNOWN(VMT_REG_RAX));
	assert_int_equal(ev.regs.gprs.rax, 77);
	assert_ptr_equal(ev.raw, raw);
	stands(d, 0);
	respond(d, &ev, vmt_respond(VMT_CONTINUE));
	enter(d, 0);

	given.regs.known = 0;
	assert_int_equal(vmt_model_post(d->model, &given, false, &d->err), VMT_GUEST_STOPPED);
	ev = take(d);
	assert_int_equal(ev.view, 0); /* the vCPU's */
	assert_int_equal(ev.regs.gprs.rip, 0x1000);
	given.vcpu = 9;
	said(d, vmt_model_post(d->model, &given, true, &d->err), VMT_E_NOT_FOUND, "no vCPU 9");
	domain_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_taken_once_in_order_and_answered_once),
		cmocka_unit_test(a_synchronous_event_holds_its_vcpu_alone),
		cmocka_unit_test(asynchronous_events_fill_the_ring_and_then_the_vcpu_sleeps),
		cmocka_unit_test(a_vcpu_sleeps_when_fewer_slots_are_free_than_vcpus),
		cmocka_unit_test(an_asynchronous_event_keeps_its_slot_until_it_is_answered),
		cmocka_unit_test(a_synchronous_event_without_a_slot_waits_and_is_not_lost),
		cmocka_unit_test(a_write_whose_event_waits_happens_when_it_is_queued),
		cmocka_unit_test(a_hypercall_whose_event_waits_completes_when_it_is_queued),
		cmocka_unit_test(a_debug_exception_whose_event_waits_is_delivered_afterwards),
		cmocka_unit_test(a_vm_exit_whose_event_waits_is_told_once),
		cmocka_unit_test(sleepers_wake_in_turn),
		cmocka_unit_test(a_vcpu_that_an_event_holds_wakes_with_its_answer),
		cmocka_unit_test(a_vcpu_that_is_told_more_than_the_ring_holds_goes_on_in_the_end),
		cmocka_unit_test(an_event_can_be_queued_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
