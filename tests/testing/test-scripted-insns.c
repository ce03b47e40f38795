/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The instructions of scripts: what the guest and its monitor see of each kind.
 */
#include <stdlib.h>

#include "domain.h"

static int set_up(void **state)
{
	*state = domain_create((struct vmt_scripted_config){0});
	return 0;
}

static int tear_down(void **state)
{
	vmt_driver_close(*state);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Without a monitor                                                                            */
/* -------------------------------------------------------------------------------------------- */

static void unwatched_instructions_run_through(void **state)
{
	struct vmt_driver *d = *state;

	PLAY(d, VMT_INSN_NOP(0, 0), VMT_INSN_CR(0, 0, VMT_CR3, 0x5000),
	     VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x1234), VMT_INSN_CPUID(0, 0, 7, 2),
	     VMT_INSN_OUT(0, 0, 0x3f8, 1, 'x'), VMT_INSN_VMCALL(0, 0),
	     VMT_INSN_DESCRIPTOR(0, 0, VMT_DESC_IDTR, true), VMT_INSN_VMEXIT(0, 0, 12, 0),
	     VMT_INSN_NOP(0, 0));
	ends(d);
	vmt_assert_delivered(d, -1, 0);
	assert_int_equal(regs_of(d, 0).cr3, 0x5000);
	assert_int_equal(regs_of(d, 0).lstar, 0x1234);
}

static void a_read_loads_rax(void **state)
{
	struct vmt_driver *d = *state;

	vmt_assert_ok(vmt_scripted_write(d, vmt_gpa_from(0x3000),
					 "\x11\x22\x33\x44\x55\x66\x77\x88", 8),
		      &d->err);
	PLAY(d, VMT_INSN_READ(0, 0, 0x3000, 8));
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax, 0x8877665544332211);
}

static void a_short_read_loads_part_of_rax(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RAX), .gprs.rax = UINT64_MAX};

	vmt_scripted_write(d, vmt_gpa_from(0x3000), "\x11\x22\x33\x44", 4);
	vmt_assert_ok(vmt_scripted_set_regs(d, 0, &regs), &d->err);
	PLAY(d, VMT_INSN_READ(0, 0, 0x3000, 2), VMT_WORLD_SPURIOUS(),
	     VMT_INSN_READ(0, 0, 0x3000, 4));
	wait_ends(d, -1, VMT_WAIT_EVENTS);
	assert_int_equal(regs_of(d, 0).gprs.rax, 0xffffffffffff2211);
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax, 0x44332211); /* as on x86-64 */
}

static void a_write_stores_its_bytes_also_across_pages(void **state)
{
	struct vmt_driver *d = *state;

	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3ffe, "abcd", 4));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3ffe), 'a', 'b', 'c', 'd', 0);
}

static void an_in_gives_rax_what_the_script_says(void **state)
{
	struct vmt_driver *d = *state;

	PLAY(d, VMT_INSN_IN(0, 0, 0x60, 1, 0x1ff));
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax, 0xff);
}

static void cpuid_names_the_vendor(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_driver *amd = domain_create((struct vmt_scripted_config){.svm = true});

	PLAY(d, VMT_INSN_CPUID(0, 0, 0, 0));
	PLAY(amd, VMT_INSN_CPUID(0, 0, 0, 0));
	ends(d);
	ends(amd);
	assert_memory_equal(&(uint32_t){(uint32_t)regs_of(d, 0).gprs.rbx}, "Genu", 4);
	assert_memory_equal(&(uint32_t){(uint32_t)regs_of(amd, 0).gprs.rbx}, "Auth", 4);
	vmt_driver_close(amd);
}

static void an_unwatched_int3_is_the_guests_own(void **state)
{
	struct vmt_driver *d = *state;

	PLAY(d, VMT_INSN_INT3(0, 0x1100), VMT_INSN_NOP(0, 0));
	ends(d);
	vmt_assert_delivered(d, 3, 1);
	assert_int_equal(vmt_scripted_delivered(d, 0)->rip, 0x1101);
	assert_int_equal(vmt_scripted_delivered(d, 0)->interrupt.type, VMT_INT_SW_EXCEPTION);
}

static void an_unwatched_debug_exception_is_the_guests_own(void **state)
{
	struct vmt_driver *d = *state;

	PLAY(d, VMT_INSN_DEBUG(0, 0x1100, VMT_INT_HW_EXCEPTION, 0x1),
	     VMT_INSN_DEBUG(0, 0, VMT_INT_PRIV_SW_EXCEPTION, 0), VMT_INSN_NOP(0, 0));
	ends(d);
	vmt_assert_delivered(d, 1, 2);
	assert_int_equal(vmt_scripted_delivered(d, 0)->rip, 0x1101);
	assert_int_equal(vmt_scripted_delivered(d, 1)->rip, 0x1102);
}

/* -------------------------------------------------------------------------------------------- */
/* Watched                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void a_watched_cr_write_gives_an_event_with_the_registers_before_it(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_NOP(0, 0x1000), VMT_INSN_CR(0, 0x1001, VMT_CR3, 0x5000));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"cr", VMT_CR3}, {"new", 0x5000}, {"old", 0},
			 {"rip", 0x1001}, {"cr3", 0}, {"vcpu", 0}, {"view", 0},
			 {"flags", VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW});
	assert_int_equal(regs_of(d, 0).cr3, 0x5000); /* not deferred: it took place already */
	go_on(d, &ev);
	ends(d);
}

static void a_watched_msr_write_gives_an_event(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_MSR, VMT_MSR_LSTAR);
	PLAY(d, VMT_INSN_MSR(0, 0, VMT_MSR_LSTAR, 0x77));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_MSR, {"msr", VMT_MSR_LSTAR}, {"new", 0x77});
	go_on(d, &ev);
	ends(d);
}

static void msrs_beyond_the_registers_are_kept(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_MSR, 0x38d);
	PLAY(d, VMT_INSN_MSR(0, 0, 0x38d, 5), VMT_INSN_MSR(0, 0, 0x38d, 6));
	ev = take(d);
	go_on(d, &ev);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_MSR, {"new", 6}, {"old", 5});
	go_on(d, &ev);
	ends(d);
}

static void a_denied_cr_write_does_not_take_place(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_DEFERRED_WRITES, 0);
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_CR(0, 0, VMT_CR3, 0x6000));
	ev = take(d);
	answer(d, &ev, vmt_respond(VMT_DENY));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"new", 0x6000}, {"old", 0});
	go_on(d, &ev);
	ends(d);
	assert_int_equal(regs_of(d, 0).cr3, 0x6000);
}

static void a_watched_int3_waits_for_its_answer(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_INT3(0, 0x1100), VMT_INSN_INT3(0, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"vector", 3}, {"type", VMT_INT_SW_EXCEPTION},
			 {"length", 1}, {"rip", 0x1100}, {"gfn", 1});
	answer(d, &ev, vmt_respond(VMT_REINJECT));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"rip", 0x1101});
	vmt_assert_delivered(d, 3, 1);
	skip_by(d, &ev, 1);
	ends(d);
	vmt_assert_delivered(d, 3, 1);
}

static void a_watched_data_breakpoint_is_told_behind_the_instruction(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_DEBUG, 0);
	PLAY(d, VMT_INSN_DEBUG(0, 0x1100, 0, 0x2), VMT_INSN_DEBUG(0, 0x1200, 0, 0x4),
	     VMT_INSN_NOP(0, 0x1300));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"vector", 1}, {"type", VMT_INT_HW_EXCEPTION},
			 {"extra", 0x2}, {"rip", 0x1200});
	go_on(d, &ev); /* swallowed */
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"rip", 0x1300}, {"extra", 0x4});
	answer(d, &ev, vmt_respond(VMT_REINJECT));
	ends(d);
	vmt_assert_delivered(d, 1, 1);
	assert_int_equal(vmt_scripted_delivered(d, 0)->rip, 0x1300);
}

static void a_watched_icebp_is_told_at_the_instruction(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_DEBUG, 0);
	PLAY(d, VMT_INSN_DEBUG(0, 0x1100, VMT_INT_PRIV_SW_EXCEPTION, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"type", VMT_INT_PRIV_SW_EXCEPTION},
			 {"rip", 0x1100}, {"length", 1});
	answer(d, &ev, vmt_respond(VMT_REINJECT));
	ends(d);
	vmt_assert_delivered(d, 1, 1);
}

static void a_watched_cpuid_holds_its_result_and_waits_at_the_instruction(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_CPUID, 0);
	PLAY(d, VMT_INSN_CPUID(0, 0x1100, 0x40000000, 3));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_CPUID, {"leaf", 0x40000000}, {"subleaf", 3}, {"length", 2},
			 {"rip", 0x1100}, {"rax", 0x40000000}, {"rbx", 3}, {"rcx", 0});
	skip_by(d, &ev, 2);
	ends(d);
}

static void a_cpuid_that_is_not_skipped_comes_again_unchanged(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_CPUID, 0);
	PLAY(d, VMT_INSN_CPUID(0, 0x1100, 0x40000000, 3));
	ev = take(d);
	go_on(d, &ev);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_CPUID, {"leaf", 0x40000000}, {"subleaf", 3},
			 {"rip", 0x1100});
	skip_by(d, &ev, 2);
	ends(d);
}

static void io_events_are_told_since_xen_4_18(void **state)
{
	struct vmt_driver *d =
		domain_create((struct vmt_scripted_config){.xen_major = 4, .xen_minor = 20});
	const struct vmt_monitor io = {.kind = VMT_MONITOR_IO};
	struct vmt_driver *old = *state;
	struct vmt_event ev;

	vmt_assert_refused(vmt_driver_monitor(old, &io, true), &old->err, VMT_E_NOT_SUPPORTED);
	monitor(d, VMT_MONITOR_IO, 0);
	PLAY(d, VMT_INSN_OUT(0, 0x1100, 0x3f8, 4, 7), VMT_INSN_IN(0, 0, 0x60, 2, 0xaabb));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_IO, {"port", 0x3f8}, {"bytes", 4}, {"in", 0},
			 {"rip", 0x1100});
	skip_by(d, &ev, 1);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_IO, {"port", 0x60}, {"bytes", 2}, {"in", 1},
			 {"rip", 0x1101});
	skip_by(d, &ev, 2);
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax, 0); /* it was skipped, not done */
	vmt_driver_close(d);
}

static void a_guest_request_is_over_when_it_is_told(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_HYPERCALL, 0);
	PLAY(d, VMT_INSN_VMCALL(0, 0x1100), VMT_INSN_NOP(0, 0));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_HYPERCALL, {"length", 3}, {"rip", 0x1100});
	go_on(d, &ev);
	ends(d);
}

static void a_watched_descriptor_access_is_told_and_can_be_emulated(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_DESCRIPTOR, 0);
	PLAY(d, VMT_INSN_DESCRIPTOR(0, 0x1100, VMT_DESC_GDTR, true), VMT_INSN_NOP(0, 0));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_DESCRIPTOR, {"descriptor", VMT_DESC_GDTR}, {"write", 1});
	answer(d, &ev, vmt_respond(VMT_EMULATE));
	ends(d);
}

/* Measured on Xen 4.17: the exit is told again at the same RIP until the monitor is off. */
static void a_watched_vmexit_is_told_until_the_monitor_is_off(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_VMEXIT, 0);
	PLAY(d, VMT_INSN_VMEXIT(0, 0x1100, 12, 34), VMT_INSN_NOP(0, 0));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_VMEXIT, {"exit_reason", 12}, {"qualification", 34});
	go_on(d, &ev);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_VMEXIT, {"rip", 0x1100});
	monitor_off(d, VMT_MONITOR_VMEXIT, 0);
	go_on(d, &ev);
	ends(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Rights, planted breakpoints, steps, emulation                                                */
/* -------------------------------------------------------------------------------------------- */

static void a_write_without_the_right_is_told_before_it_happens(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	set_access(d, 0, 3, VMT_R);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3004, "x", 1));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_MEMORY_ACCESS, {"gpa", 0x3004}, {"gva", 0x3004},
			 {"access", VMT_RW}, {"flags_memory", VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA},
			 {"rip", 0x1100});
	vmt_assert_memory(d, vmt_gpa_from(0x3004), 0);
	set_access(d, 0, 3, VMT_RWX);
	go_on(d, &ev);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3004), 'x');
}

static void a_write_over_two_pages_asks_for_both(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	set_access(d, 0, 4, VMT_R);
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3fff, "xy", 2));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_MEMORY_ACCESS, {"gpa", 0x4000});
	vmt_assert_memory(d, vmt_gpa_from(0x3fff), 0, 0);
	set_access(d, 0, 4, VMT_RWX);
	go_on(d, &ev);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3fff), 'x', 'y');
}

static void a_fetch_without_the_right_is_told(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	set_access(d, 0, 1, VMT_RW);
	PLAY(d, VMT_INSN_NOP(0, 0x1100), VMT_INSN_NOP(0, 0x5000));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_MEMORY_ACCESS, {"gpa", 0x1100}, {"access", VMT_X});
	answer(d, &ev, vmt_respond(VMT_EMULATE));
	ends(d);
}

static void a_planted_breakpoint_is_an_int3(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1), VMT_INSN_NOP(0, 0));
	vmt_assert_ok(vmt_driver_write(d, vmt_gfn_from(1), 0x100, "\xcc", 1), &d->err);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"vector", 3}, {"length", 1}, {"rip", 0x1100});
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0);
	vmt_assert_ok(vmt_driver_write(d, vmt_gfn_from(1), 0x100, "\x88", 1), &d->err);
	go_on(d, &ev);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
}

static void a_step_is_told_at_the_next_instruction(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_SINGLESTEP, 0);
	set_access(d, 0, 3, VMT_R);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1), VMT_INSN_NOP(0, 0x1200),
	     VMT_INSN_NOP(0, 0));
	ev = take(d);
	set_access(d, 0, 3, VMT_RWX);
	answer(d, &ev, vmt_respond(VMT_SINGLESTEP));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_SINGLESTEP, {"rip", 0x1200}, {"gfn", 1});
	answer(d, &ev, vmt_respond(VMT_SINGLESTEP));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_SINGLESTEP, {"rip", 0x1201});
	go_on(d, &ev);
	ends(d);
}

/* Of an instruction that leaves the guest no MTF exit follows (SDM volume 3, 26.5.2). */
static void a_step_over_cpuid_ends_after_the_instruction_behind_it(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_SINGLESTEP, 0);
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0x1100, VMT_CR3, 0x5000), VMT_INSN_CPUID(0, 0x1200, 1, 0),
	     VMT_INSN_NOP(0, 0x1300), VMT_INSN_NOP(0, 0x1400));
	ev = take(d);
	answer(d, &ev, vmt_respond(VMT_SINGLESTEP));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_SINGLESTEP, {"rip", 0x1400});
	go_on(d, &ev);
	ends(d);
}

static void emulation_sets_rights_aside(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	set_access(d, 0, 3, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1), VMT_INSN_NOP(0, 0x1200));
	ev = take(d);
	answer(d, &ev, vmt_respond(VMT_EMULATE));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
}

static void emulation_without_write_leaves_memory(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	set_access(d, 0, 3, VMT_R);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1), VMT_INSN_NOP(0, 0x1200));
	ev = take(d);
	answer(d, &ev, vmt_respond(VMT_EMULATE_NOWRITE));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0);
}

static void emulation_with_read_data_shows_the_guest_other_bytes(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;

	vmt_scripted_write(d, vmt_gpa_from(0x3000), "\x01\x02\x03\x04", 4);
	set_access(d, 0, 3, VMT_X);
	PLAY(d, VMT_INSN_READ(0, 0x1100, 0x3000, 4), VMT_INSN_NOP(0, 0x1200));
	ev = take(d);
	answer(d, &ev, vmt_with_data(vmt_respond(VMT_EMULATE_READ), "\xaa\xbb", 2));
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax, 0xbbaa);
}

static void emulation_of_the_original_bytes_passes_a_planted_breakpoint(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;
	uint8_t original[2];

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1), VMT_INSN_NOP(0, 0x1200));
	vmt_driver_read(d, vmt_gfn_from(1), 0x100, original, 2);
	vmt_driver_write(d, vmt_gfn_from(1), 0x100, "\xcc", 1);
	ev = take(d);
	answer(d, &ev, vmt_with_data(vmt_respond(VMT_EMULATE_INSN), original, 2));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	vmt_assert_memory(d, vmt_gpa_from(0x1100), 0xcc);
}

static void emulation_of_other_bytes_is_a_script_error(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_event ev;
	struct vmt_wait wait;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1));
	vmt_driver_write(d, vmt_gfn_from(1), 0x100, "\xcc", 1);
	ev = take(d);
	answer(d, &ev, vmt_with_data(vmt_respond(VMT_EMULATE_INSN), "\x0f\xa2", 2));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_non_null(strstr(d->err.text, "not those of the guest's instruction"));
}

/* -------------------------------------------------------------------------------------------- */
/* The guest's own exceptions                                                                   */
/* -------------------------------------------------------------------------------------------- */

struct repair {
	unsigned calls;
	struct vmt_delivered last;
	struct vmt_space space;
};

/* A guest's page-fault handler: maps the page. */
static int map_the_page(struct vmt_driver *d, const struct vmt_delivered *what, void *arg)
{
	struct repair *repair = arg;

	repair->calls++;
	repair->last = *what;
	return vmt_scripted_map(d, repair->space, vmt_gva_from(0x7f0000000000),
				vmt_gpa_from(0x3000), VMT_PAGE_SIZE, 0);
}

static void a_page_fault_goes_to_the_guests_handler_and_the_instruction_runs_again(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.paging = VMT_PAGING_4});
	struct repair repair = {.space = vmt_scripted_space(d)};

	(void)state;
	vmt_assert_ok(vmt_scripted_on_delivery(d, map_the_page, &repair), &d->err);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x7f0000000010, "x", 1));
	ends(d);
	assert_int_equal(repair.calls, 1);
	assert_int_equal(repair.last.interrupt.vector, 14);
	assert_int_equal(repair.last.interrupt.error_code, 2); /* a write, not present */
	assert_int_equal(repair.last.interrupt.extra, 0x7f0000000010);
	assert_int_equal(repair.last.rip, 0x1100);
	assert_int_equal(regs_of(d, 0).cr2, 0x7f0000000010);
	vmt_assert_memory(d, vmt_gpa_from(0x3010), 'x');
	vmt_driver_close(d);
}

static void a_page_fault_without_a_handler_is_a_script_error(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.paging = VMT_PAGING_4});
	struct vmt_wait wait;

	(void)state;
	PLAY(d, VMT_INSN_READ(0, 0x1100, 0x7f0000000010, 1));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_string_equal(d->err.place, "script, vCPU 0 at RIP 0x1100");
	assert_non_null(strstr(d->err.text, "0x7f0000000010"));
	assert_non_null(strstr(d->err.text, "vmt_scripted_on_delivery"));
	vmt_driver_close(d);
}

static void page_faults_tell_what_was_tried(void **state)
{
	static const struct {
		unsigned flags;
		unsigned cpl;
		struct vmt_step step;
		uint32_t error_code;
	} cases[] = {
		{VMT_MAP_READ_ONLY, 0, VMT_INSN_WRITE(0, 0x1100, 0x400000, "x", 1), 3},
		{0, 3, VMT_INSN_READ(0, 0x500000, 0x400000, 1), 5},
		{VMT_MAP_NX, 0, VMT_INSN_NOP(0, 0x400000), 17},
		{VMT_MAP_NOT_PRESENT, 0, VMT_INSN_READ(0, 0x1100, 0x400000, 1), 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vmt_driver *d =
			domain_create((struct vmt_scripted_config){.paging = VMT_PAGING_4});
		struct repair repair = {.space = vmt_scripted_space(d)};
		struct vmt_regs regs = regs_of(d, 0);
		struct vmt_wait wait;

		regs.known = VMT_KNOWN(VMT_REG_SS);
		regs.ss.access = (uint16_t)(regs.ss.access | cases[i].cpl << 5);
		vmt_assert_ok(vmt_scripted_set_regs(d, 0, &regs), &d->err);
		vmt_assert_ok(vmt_scripted_map(d, repair.space, vmt_gva_from(0x400000),
					       vmt_gpa_from(0x3000), VMT_PAGE_SIZE, cases[i].flags),
			      &d->err);
		vmt_assert_ok(vmt_scripted_map(d, repair.space, vmt_gva_from(0x500000),
					       vmt_gpa_from(0x4000), VMT_PAGE_SIZE, VMT_MAP_USER),
			      &d->err);
		vmt_scripted_on_delivery(d, map_the_page, &repair);
		play(d, &cases[i].step, 1);
		vmt_driver_wait(d, -1, &wait);
		assert_true(repair.calls > 0);
		assert_int_equal(repair.last.interrupt.error_code, cases[i].error_code);
		vmt_driver_close(d);
	}
}

static void an_injected_page_fault_is_delivered_and_the_instruction_runs_again(void **state)
{
	struct vmt_driver *d = *state;
	const struct vmt_interrupt fault = vmt_page_fault(vmt_gva_from(0xdead000), 4);
	struct vmt_event ev;

	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_INT3(0, 0x1100), VMT_INSN_NOP(0, 0));
	ev = take(d);
	vmt_assert_ok(vmt_driver_inject(d, 0, &fault), &d->err);
	go_on(d, &ev);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_INTERRUPT, {"rip", 0x1100}, {"cr2", 0xdead000});
	vmt_assert_delivered(d, 14, 1);
	assert_int_equal(vmt_scripted_delivered(d, 0)->rip, 0x1100);
	skip_by(d, &ev, 1);
	ends(d);
}

static int refuse(struct vmt_driver *d, const struct vmt_delivered *what, void *arg)
{
	(void)d;
	(void)what;
	(void)arg;
	return -VMT_E_NOT_FOUND;
}

static void a_handler_of_the_guest_that_fails_is_a_script_error(void **state)
{
	struct vmt_driver *d = *state;
	struct vmt_wait wait;

	vmt_scripted_on_delivery(d, refuse, NULL);
	PLAY(d, VMT_INSN_INT3(0, 0x1100));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_non_null(strstr(d->err.text, "vector 3"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unwatched_instructions_run_through),
		TEST(a_read_loads_rax),
		TEST(a_short_read_loads_part_of_rax),
		TEST(a_write_stores_its_bytes_also_across_pages),
		TEST(an_in_gives_rax_what_the_script_says),
		TEST(cpuid_names_the_vendor),
		TEST(an_unwatched_int3_is_the_guests_own),
		TEST(an_unwatched_debug_exception_is_the_guests_own),
		TEST(a_watched_cr_write_gives_an_event_with_the_registers_before_it),
		TEST(a_watched_msr_write_gives_an_event),
		TEST(msrs_beyond_the_registers_are_kept),
		TEST(a_denied_cr_write_does_not_take_place),
		TEST(a_watched_int3_waits_for_its_answer),
		TEST(a_watched_data_breakpoint_is_told_behind_the_instruction),
		TEST(a_watched_icebp_is_told_at_the_instruction),
		TEST(a_watched_cpuid_holds_its_result_and_waits_at_the_instruction),
		TEST(a_cpuid_that_is_not_skipped_comes_again_unchanged),
		TEST(io_events_are_told_since_xen_4_18),
		TEST(a_guest_request_is_over_when_it_is_told),
		TEST(a_watched_descriptor_access_is_told_and_can_be_emulated),
		TEST(a_watched_vmexit_is_told_until_the_monitor_is_off),
		TEST(a_write_without_the_right_is_told_before_it_happens),
		TEST(a_write_over_two_pages_asks_for_both),
		TEST(a_fetch_without_the_right_is_told),
		TEST(a_planted_breakpoint_is_an_int3),
		TEST(a_step_is_told_at_the_next_instruction),
		TEST(a_step_over_cpuid_ends_after_the_instruction_behind_it),
		TEST(emulation_sets_rights_aside),
		TEST(emulation_without_write_leaves_memory),
		TEST(emulation_with_read_data_shows_the_guest_other_bytes),
		TEST(emulation_of_the_original_bytes_passes_a_planted_breakpoint),
		TEST(emulation_of_other_bytes_is_a_script_error),
		TEST(a_page_fault_goes_to_the_guests_handler_and_the_instruction_runs_again),
		TEST(a_page_fault_without_a_handler_is_a_script_error),
		TEST(page_faults_tell_what_was_tried),
		TEST(an_injected_page_fault_is_delivered_and_the_instruction_runs_again),
		TEST(a_handler_of_the_guest_that_fails_is_a_script_error),
	};

	return cmocka_run_group_tests_name("scripted instructions", tests, NULL, NULL);
}
