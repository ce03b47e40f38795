/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated domain under a monitor: what answers do to a guest: emulation, steps, registers,
 * injections, denials; in the kernel and in user mode.
 */
#include "guest.h"

#define CONTINUE vmt_respond(VMT_CONTINUE)

/** Answer one access to TRIAL_DATA, then look at what the guest saw. */
static void emulate_one(struct guest *g, uint64_t gpa, struct vmt_response rsp)
{
	vmt_view view;
	struct vmt_event ev;

	guest_start_trial(g);
	view = guest_view(g);
	guest_rights(g, view, TRIAL_DATA, VMT_X);
	guest_ok(g, vmt_driver_switch_view(g->d, view));
	ev = guest_event(g, VMT_EVENT_MEMORY_ACCESS);
	while (ev.u.memory.gpa.a != gpa) {
		guest_answer(g, &ev, vmt_respond(VMT_EMULATE));
		ev = guest_event(g, VMT_EVENT_MEMORY_ACCESS);
	}
	guest_answer(g, &ev, rsp);
	ev = guest_event(g, VMT_EVENT_MEMORY_ACCESS);
	assert_int_not_equal(ev.u.memory.gpa.a, gpa);
}

static void an_access_is_emulated_with_its_rights_set_aside(void **state)
{
	struct guest g;
	uint64_t before;

	(void)state;
	emulate_one(&g, TRIAL_DATA, vmt_respond(VMT_EMULATE));
	assert_int_equal(guest_word(&g, TRIAL_SEEN + 16), TRIAL_DATA_VALUE);
	guest_finish(&g);
	emulate_one(&g, TRIAL_DATA + 8, vmt_respond(VMT_EMULATE));
	before = guest_word(&g, TRIAL_DATA + 8);
	assert_true(before >= guest_word(&g, TRIAL_ROUNDS) - 1);
	guest_finish(&g);
}

static void an_emulated_write_can_be_dropped(void **state)
{
	struct guest g;

	(void)state;
	emulate_one(&g, TRIAL_DATA + 8, vmt_respond(VMT_EMULATE_NOWRITE));
	assert_true(guest_word(&g, TRIAL_DATA + 8) < guest_word(&g, TRIAL_ROUNDS) - 1);
	guest_finish(&g);
}

static void an_emulated_read_can_be_given_data(void **state)
{
	struct guest g;

	(void)state;
	emulate_one(&g, TRIAL_DATA, vmt_with_data(vmt_respond(VMT_EMULATE_READ), "\x42\x43", 2));
	assert_int_equal(guest_word(&g, TRIAL_SEEN + 16), 0x4342);
	guest_finish(&g);
}

static void an_instruction_can_be_emulated_in_place_of_an_int3(void **state)
{
	static const uint8_t other[] = {0xb8, 0x44, 0x44, 0x44, 0x44}; /* mov $0x44444444, %eax */
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_start_trial(&g);
	guest_monitor(&g, VMT_MONITOR_BREAKPOINT, 0, true);
	guest_write(&g, TRIAL_FIXED, "\xcc", 1);
	ev = guest_event(&g, VMT_EVENT_INTERRUPT);
	guest_answer(&g, &ev, vmt_with_data(vmt_respond(VMT_EMULATE_INSN), other, sizeof(other)));
	ev = guest_event(&g, VMT_EVENT_INTERRUPT);
	assert_int_equal(guest_word(&g, TRIAL_SEEN), 0x44444444);
	guest_finish(&g);
}

/* -------------------------------------------------------------------------------------------- */
/* Steps, registers, injections, denials                                                        */
/* -------------------------------------------------------------------------------------------- */

/** Wait for the demo's next CPUID. */
static struct vmt_event at_cpuid(struct guest *g)
{
	guest_init(g, demo_elf, "scenes=cpuid pace=0");
	while (guest_status(g).vcpu[0].round < 3)
		guest_wait(g, 1);
	guest_monitor(g, VMT_MONITOR_CPUID, 0, true);
	guest_monitor(g, VMT_MONITOR_SINGLESTEP, 0, true);
	return guest_event(g, VMT_EVENT_CPUID);
}

static void a_cpuid_without_a_skip_is_executed_again_with_its_result(void **state)
{
	struct vmt_event ev;
	struct guest g;

	(void)state;
	ev = at_cpuid(&g);
	assert_int_equal(ev.u.cpuid.leaf, 0);
	assert_int_equal(ev.u.cpuid.insn_length, 2);
	assert_int_equal(ev.regs.gprs.rip, guest_status(&g).at_cpuid);
	assert_int_equal(ev.regs.gprs.rbx, 0x756e6547);
	guest_answer(&g, &ev, CONTINUE);
	ev = guest_event(&g, VMT_EVENT_CPUID);
	assert_int_equal(ev.u.cpuid.leaf, 0xd);
	guest_finish(&g);
}

static void a_stepped_cpuid_is_one_step_with_the_next_instruction(void **state)
{
	struct vmt_event ev;
	struct guest g;
	uint64_t at;

	(void)state;
	ev = at_cpuid(&g);
	at = ev.regs.gprs.rip;
	guest_monitor(&g, VMT_MONITOR_CPUID, 0, false);
	guest_answer(&g, &ev, vmt_respond(VMT_SINGLESTEP));
	ev = guest_event(&g, VMT_EVENT_SINGLESTEP);
	assert_int_equal(ev.regs.gprs.rip, at + 3);
	guest_answer(&g, &ev, vmt_respond(VMT_SINGLESTEP));
	ev = guest_event(&g, VMT_EVENT_SINGLESTEP);
	guest_answer(&g, &ev, CONTINUE);
	assert_int_equal(guest_wait(&g, 3), VMT_WAIT_TIMEOUT);
	guest_finish(&g);
}

static void registers_of_an_answer_are_set(void **state)
{
	struct vmt_event ev;
	struct vmt_gprs gprs;
	struct guest g;

	(void)state;
	ev = at_cpuid(&g);
	gprs = ev.regs.gprs;
	gprs.rax = 0x5a5a;
	gprs.rip += 2;
	guest_answer(&g, &ev, vmt_with_regs(CONTINUE, &gprs));
	ev = guest_event(&g, VMT_EVENT_CPUID);
	assert_int_equal(guest_status(&g).vcpu[0].seen[DEMO_CPUID], 0x5a5a);
	guest_finish(&g);
}

static void the_write_is_done_when_the_event_is_seen(void **state)
{
	struct vmt_event ev;
	struct vmt_regs regs;
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "scenes=cr3 pace=0");
	guest_monitor(&g, VMT_MONITOR_CR, VMT_CR3, true);
	ev = guest_event(&g, VMT_EVENT_WRITE_CR); /* of the boot, in 32-bit mode */
	assert_int_equal(ev.u.cr.old_value, 0);
	guest_answer(&g, &ev, CONTINUE);
	ev = guest_event(&g, VMT_EVENT_WRITE_CR);
	guest_ok(&g, vmt_driver_get_regs(g.d, 0, &regs));
	assert_int_equal(ev.regs.cr3, ev.u.cr.old_value);
	assert_int_equal(regs.cr3, ev.u.cr.new_value);
	assert_int_equal(regs.gprs.rip, ev.regs.gprs.rip + 3);
	guest_finish(&g);
}

/** Deny each write of @monitor while @scene plays; how many self-checks fail. */
static uint64_t deny(const char *command_line, uint32_t kind, uint32_t what)
{
	struct vmt_event ev;
	struct guest g;
	uint64_t errors;

	guest_init(&g, demo_elf, command_line);
	while (guest_status(&g).vcpu[0].round < 2)
		guest_wait(&g, 1);
	guest_monitor(&g, VMT_MONITOR_DEFERRED_WRITES, 0, true);
	guest_monitor(&g, kind, what, true);
	for (unsigned i = 0; i < 3; i++) {
		ev = guest_event(&g,
				 kind == VMT_MONITOR_CR ? VMT_EVENT_WRITE_CR : VMT_EVENT_WRITE_MSR);
		guest_answer(&g, &ev, vmt_respond(VMT_DENY));
	}
	guest_event(&g, kind == VMT_MONITOR_CR ? VMT_EVENT_WRITE_CR : VMT_EVENT_WRITE_MSR);
	errors = guest_status(&g).vcpu[0].errors;
	guest_finish(&g);
	return errors;
}

static void denied_writes_are_not_done(void **state)
{
	(void)state;
	assert_int_equal(deny("scenes=cr0 pace=0", VMT_MONITOR_CR, VMT_CR0), 3);
	assert_true(deny("scenes=cr3 pace=0", VMT_MONITOR_CR, VMT_CR3) >= 1);
	assert_int_equal(deny("scenes=cr4 pace=0", VMT_MONITOR_CR, VMT_CR4), 3);
	assert_int_equal(deny("scenes=msr pace=0", VMT_MONITOR_MSR, VMT_MSR_LSTAR), 3);
}

static void an_int3_goes_to_the_guest_when_reinjected(void **state)
{
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "scenes=int3 pace=0");
	guest_monitor(&g, VMT_MONITOR_BREAKPOINT, 0, true);
	for (unsigned i = 0; i < 5; i++) {
		ev = guest_event(&g, VMT_EVENT_INTERRUPT);
		assert_int_equal(ev.regs.gprs.rip, guest_status(&g).at_int3);
		assert_int_equal(guest_status(&g).vcpu[0].traps[3], i);
		guest_answer(&g, &ev, vmt_respond(VMT_REINJECT));
	}
	guest_event(&g, VMT_EVENT_INTERRUPT);
	guest_passed(&g);
	guest_finish(&g);
}

static void a_debug_exception_goes_to_the_guest_when_reinjected(void **state)
{
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "scenes=debug pace=0");
	guest_monitor(&g, VMT_MONITOR_DEBUG, 0, true);
	for (unsigned i = 0; i < 5; i++) {
		ev = guest_event(&g, VMT_EVENT_INTERRUPT);
		assert_int_equal(ev.u.interrupt.interrupt.vector, 1);
		assert_int_equal(ev.u.interrupt.interrupt.type, VMT_INT_HW_EXCEPTION);
		guest_answer(&g, &ev, vmt_respond(VMT_REINJECT));
	}
	guest_event(&g, VMT_EVENT_INTERRUPT);
	guest_passed(&g);
	guest_finish(&g);
}

static void an_injected_page_fault_reaches_the_guest(void **state)
{
	const struct vmt_interrupt fault = {
		.vector = 14, .type = VMT_INT_HW_EXCEPTION, .error_code = 4, .extra = 0x123456};
	struct vmt_interrupt twice = fault;
	struct vmt_event ev;
	struct guest g;

	(void)state;
	ev = at_cpuid(&g);
	guest_ok(&g, vmt_driver_inject(g.d, 0, &fault));
	assert_int_equal(vmt_driver_inject(g.d, 0, &twice), -VMT_E_BUSY);
	guest_answer(&g, &ev, CONTINUE);
	guest_event(&g, VMT_EVENT_CPUID);
	assert_int_equal(guest_status(&g).vcpu[0].traps[14], 1);
	assert_int_equal(guest_status(&g).vcpu[0].fault_address, 0x123456);
	assert_int_equal(guest_status(&g).vcpu[0].fault_code, 4);
	guest_finish(&g);
}

/* Xen has these events since 4.18: they come in place of the access, which the monitor does. */
static void port_accesses_are_told_before_they_are_done(void **state)
{
	static const struct {
		uint8_t bytes, length;
		bool in, string;
	} expected[] = {
		{1, 1, false, false}, {2, 2, false, false}, {4, 1, false, false},
		{4, 1, true, false},  {4, 2, false, true},  {4, 2, true, true},
	};
	struct vmt_event ev;
	struct vmt_gprs gprs;
	struct guest g;

	(void)state;
	guest_init_with(&g, demo_elf, "scenes=io pace=0",
			(struct vmt_emulated_config){.xen_major = 4, .xen_minor = 18});
	guest_monitor(&g, VMT_MONITOR_IO, 0, true);
	for (size_t i = 0; i < 6; i++) {
		ev = guest_event(&g, VMT_EVENT_IO);
		assert_int_equal(ev.u.io.port, 0x1e0);
		assert_int_equal(ev.u.io.bytes, expected[i].bytes);
		assert_int_equal(ev.u.io.in, expected[i].in);
		assert_int_equal(ev.u.io.string, expected[i].string);
		gprs = ev.regs.gprs;
		gprs.rip += expected[i].length;
		gprs.rax = 0x99;
		guest_answer(&g, &ev, vmt_with_regs(CONTINUE, &gprs));
	}
	guest_event(&g, VMT_EVENT_IO);
	assert_int_equal(guest_status(&g).vcpu[0].seen[DEMO_IO], 0x99);
	guest_finish(&g);
}

static void ports_where_nothing_is_read_ones(void **state)
{
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "scenes=io pace=0 rounds=2");
	guest_run_out(&g, CONTINUE);
	assert_int_equal(guest_status(&g).vcpu[0].seen[DEMO_IO], UINT32_MAX);
	guest_finish(&g);
}

/** Two vCPUs in two views: each sees its own. */
static void each_vcpu_is_in_a_view_of_its_own(void **state)
{
	unsigned rounds[2] = {0};
	vmt_view views[2];
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_init_with(&g, demo_elf, "scenes=exec,smp pace=3",
			(struct vmt_emulated_config){.vcpus = 2});
	while (!guest_status(&g).vcpu[1].online)
		guest_wait(&g, 1);
	for (unsigned i = 0; i < 2; i++) {
		views[i] = guest_view(&g);
		guest_rights(&g, views[i], DEMO_GFN_EXEC << 12, VMT_RW);
	}
	guest_monitor(&g, VMT_MONITOR_SINGLESTEP, 0, true);
	guest_ok(&g, vmt_driver_switch_view(g.d, views[0]));
	for (unsigned i = 0; i < 200; i++) {
		if (guest_wait(&g, 100) != VMT_WAIT_EVENTS)
			break;
		while (vmt_driver_next(g.d, &ev) == 1) {
			vmt_view own = views[ev.vcpu];

			if (ev.reason == VMT_EVENT_SINGLESTEP) {
				assert_int_equal(ev.view, 0);
				guest_answer(&g, &ev, vmt_with_view(CONTINUE, own));
				continue;
			}
			if (rounds[ev.vcpu]++ > 0)
				assert_int_equal(ev.view, own);
			guest_answer(&g, &ev, vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0));
		}
	}
	assert_true(rounds[0] > 20 && rounds[1] > 20);
	guest_passed(&g);
	guest_finish(&g);
}

/* -------------------------------------------------------------------------------------------- */
/* Kernel and user                                                                              */
/* -------------------------------------------------------------------------------------------- */

static void user_mode_is_seen_as_such(void **state)
{
	unsigned user = 0, kernel = 0;
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "scenes=user pace=0 rounds=3");
	guest_monitor(&g, VMT_MONITOR_SINGLESTEP, 0, true);
	guest_rights(&g, 0, DEMO_GFN_USER << 12, VMT_RW);
	ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS);
	assert_int_equal(ev.regs.gprs.rip, DEMO_GFN_USER << 12);
	assert_int_equal(vmt_cpl(&ev.regs), 3);
	guest_rights(&g, 0, DEMO_GFN_USER << 12, VMT_RWX);
	/* Step to SYSCALL, through the kernel, back, to INT 0x80. */
	for (unsigned i = 0; i < 12; i++) {
		guest_answer(&g, &ev, vmt_respond(VMT_SINGLESTEP));
		ev = guest_event(&g, VMT_EVENT_SINGLESTEP);
		user += vmt_cpl(&ev.regs) == 3;
		kernel += vmt_cpl(&ev.regs) == 0;
		if (i == 2)
			assert_int_equal(ev.regs.gprs.rip, guest_status(&g).at_syscall);
	}
	assert_int_equal(user, 5);
	assert_int_equal(kernel, 7);
	guest_answer(&g, &ev, CONTINUE);
	guest_run_out(&g, CONTINUE);
	guest_passed(&g);
	guest_finish(&g);
}

static void page_faults_are_the_guests_own(void **state)
{
	struct vmt_event ev;
	struct guest g;

	(void)state;
	guest_init(&g, demo_elf, "scenes=fault pace=0");
	guest_monitor(&g, VMT_MONITOR_SINGLESTEP, 0, true);
	guest_rights(&g, 0, DEMO_GFN_FAULT << 12, VMT_RX);
	ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS); /* not before its own handler mapped it */
	assert_int_equal(guest_status(&g).vcpu[0].traps[14], 1);
	assert_int_equal(guest_status(&g).vcpu[0].fault_address, (DEMO_GFN_FAULT << 12) + 8);
	assert_int_equal(guest_status(&g).vcpu[0].fault_code, 2);
	guest_answer(&g, &ev, vmt_respond(VMT_EMULATE));
	guest_event(&g, VMT_EVENT_MEMORY_ACCESS);
	guest_passed(&g);
	guest_finish(&g);
}

static void a_step_into_a_page_fault_ends_at_its_handler(void **state)
{
	struct vmt_event ev;
	struct guest g;
	uint64_t at;

	(void)state;
	guest_init(&g, demo_elf, "scenes=fault pace=0");
	guest_monitor(&g, VMT_MONITOR_SINGLESTEP, 0, true);
	guest_rights(&g, 0, DEMO_GFN_FAULT << 12, VMT_RX);
	ev = guest_event(&g, VMT_EVENT_MEMORY_ACCESS);
	at = ev.regs.gprs.rip;
	/* Unmap it under its feet: the write faults, in mid-step. */
	guest_write(&g, (DEMO_GFN_TABLE << 12) + DEMO_GFN_FAULT * 8, "\x00", 1);
	guest_answer(&g, &ev, vmt_respond(VMT_SINGLESTEP));
	ev = guest_event(&g, VMT_EVENT_SINGLESTEP);
	assert_int_not_equal(ev.regs.gprs.rip, at);
	assert_int_equal(ev.regs.cr2, (DEMO_GFN_FAULT << 12) + 8);
	assert_int_equal(guest_word(&g, ev.regs.gprs.rsp + 8), at); /* error code, RIP, ... */
	guest_finish(&g);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_access_is_emulated_with_its_rights_set_aside),
		cmocka_unit_test(an_emulated_write_can_be_dropped),
		cmocka_unit_test(an_emulated_read_can_be_given_data),
		cmocka_unit_test(an_instruction_can_be_emulated_in_place_of_an_int3),
		cmocka_unit_test(a_cpuid_without_a_skip_is_executed_again_with_its_result),
		cmocka_unit_test(a_stepped_cpuid_is_one_step_with_the_next_instruction),
		cmocka_unit_test(registers_of_an_answer_are_set),
		cmocka_unit_test(the_write_is_done_when_the_event_is_seen),
		cmocka_unit_test(denied_writes_are_not_done),
		cmocka_unit_test(an_int3_goes_to_the_guest_when_reinjected),
		cmocka_unit_test(a_debug_exception_goes_to_the_guest_when_reinjected),
		cmocka_unit_test(an_injected_page_fault_reaches_the_guest),
		cmocka_unit_test(port_accesses_are_told_before_they_are_done),
		cmocka_unit_test(ports_where_nothing_is_read_ones),
		cmocka_unit_test(each_vcpu_is_in_a_view_of_its_own),
		cmocka_unit_test(user_mode_is_seen_as_such),
		cmocka_unit_test(page_faults_are_the_guests_own),
		cmocka_unit_test(a_step_into_a_page_fault_ends_at_its_handler),
	};

	if (argc < 3)
		return 2;
	demo_elf = argv[1];
	trial_elf = argv[2];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
