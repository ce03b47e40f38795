/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System instructions: privilege, what stops them before they are done, and what they do.
 */
#include <string.h>

#include "machine.h"

#define GP_OF_A_PROGRAM(m, ...)         \
	do {                            \
		machine_reset(m, true); \
		STEP(m, __VA_ARGS__);   \
		assert_fault(m, 13, 0); \
	} while (0)

static void privileged_instructions_are_general_protection_faults_of_a_program(void **state)
{
	struct machine *m = *state;

	GP_OF_A_PROGRAM(m, 0xf4);             /* hlt */
	GP_OF_A_PROGRAM(m, 0xfa);             /* cli */
	GP_OF_A_PROGRAM(m, 0x0f, 0x06);       /* clts */
	GP_OF_A_PROGRAM(m, 0x0f, 0x09);       /* wbinvd */
	GP_OF_A_PROGRAM(m, 0x0f, 0x20, 0xc0); /* mov rax, cr0 */
	GP_OF_A_PROGRAM(m, 0x0f, 0x22, 0xd8); /* mov cr3, rax */
	GP_OF_A_PROGRAM(m, 0x0f, 0x21, 0xc0); /* mov rax, dr0 */
	GP_OF_A_PROGRAM(m, 0x0f, 0x30);       /* wrmsr */
	GP_OF_A_PROGRAM(m, 0x0f, 0x32);       /* rdmsr */
	GP_OF_A_PROGRAM(m, 0x0f, 0x01, 0x13); /* lgdt [rbx] */
	GP_OF_A_PROGRAM(m, 0x0f, 0x01, 0x1b); /* lidt [rbx] */
	GP_OF_A_PROGRAM(m, 0x0f, 0x01, 0x3b); /* invlpg [rbx] */
	GP_OF_A_PROGRAM(m, 0x0f, 0x00, 0xd8); /* ltr ax */
	GP_OF_A_PROGRAM(m, 0x0f, 0x00, 0xd0); /* lldt ax */
	GP_OF_A_PROGRAM(m, 0x0f, 0x01, 0xf8); /* swapgs */
	GP_OF_A_PROGRAM(m, 0x48, 0x0f, 0x07); /* sysretq */
	GP_OF_A_PROGRAM(m, 0xe4, 0x10);       /* in al, 10 */
}

static void a_write_of_cr3_stops_before_it_is_done(void **state)
{
	struct machine *m = *state;

	m->how.intercepts = VMT_INTERCEPT_CR3;
	m->regs.gprs.rax = 0x1ab000;
	assert_int_equal(STEP(m, 0x0f, 0x22, 0xd8), VMT_STEP_EVENT);
	assert_int_equal(m->r.event.intercept, VMT_INTERCEPT_CR3);
	assert_int_equal(m->r.event.u.cr.cr, VMT_CR3);
	assert_int_equal(m->r.event.u.cr.new_value, 0x1ab000);
	assert_int_equal(m->r.event.u.cr.old_value, PML4_GFN << 12);
	assert_int_equal(m->r.insn_length, 3);
	assert_int_equal(m->regs.cr3, PML4_GFN << 12);
	assert_int_equal(m->regs.gprs.rip, KCODE);
	m->how.intercepts = 0;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.cr3, 0x1ab000);
}

static void privilege_comes_before_an_intercept(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->how.intercepts = UINT64_MAX;
	STEP(m, 0x0f, 0x22, 0xd8);
	assert_fault(m, 13, 0);
}

static void control_registers_refuse_what_a_cpu_refuses(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = m->regs.cr0 & ~VMT_CR0_PE;
	STEP(m, 0x0f, 0x22, 0xc0);
	assert_fault(m, 13, 0);
	m->regs.gprs.rax = m->regs.cr0 & ~VMT_CR0_PG; /* in 64-bit mode */
	STEP(m, 0x0f, 0x22, 0xc0);
	assert_fault(m, 13, 0);
	m->regs.gprs.rax = m->regs.cr0 | UINT64_C(1) << 32;
	STEP(m, 0x0f, 0x22, 0xc0);
	assert_fault(m, 13, 0);
	m->regs.gprs.rax = m->regs.cr4 & ~VMT_CR4_PAE;
	STEP(m, 0x0f, 0x22, 0xe0);
	assert_fault(m, 13, 0);
	m->regs.gprs.rax = m->regs.cr4 | 1u << 13; /* VMXE */
	STEP(m, 0x0f, 0x22, 0xe0);
	assert_fault(m, 13, 0);
	m->regs.gprs.rax = UINT64_C(1) << 52;
	STEP(m, 0x0f, 0x22, 0xd8);
	assert_fault(m, 13, 0);
	STEP(m, 0x0f, 0x22, 0xc8); /* cr1 */
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
}

static void xsetbv_checks_its_value_and_stops_for_a_monitor(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = 3;
	m->how.intercepts = VMT_INTERCEPT_XCR0;
	assert_int_equal(STEP(m, 0x0f, 0x01, 0xd1), VMT_STEP_EVENT);
	assert_int_equal(m->r.event.u.cr.cr, VMT_XCR0);
	m->how.intercepts = 0;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.xcr0, 3);
	m->regs.gprs.rax = 5; /* AVX without SSE */
	STEP(m, 0x0f, 0x01, 0xd1);
	assert_fault(m, 13, 0);
}

static void wrmsr_stops_with_both_values_and_then_writes(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rcx = VMT_MSR_LSTAR;
	m->regs.gprs.rax = 0x1000;
	m->regs.gprs.rdx = 0xffffff80;
	m->how.intercepts = VMT_INTERCEPT_MSR_WRITE;
	assert_int_equal(STEP(m, 0x0f, 0x30), VMT_STEP_EVENT);
	assert_int_equal(m->r.event.u.msr.msr, VMT_MSR_LSTAR);
	assert_int_equal(m->r.event.u.msr.new_value, UINT64_C(0xffffff8000001000));
	assert_int_equal(m->r.event.u.msr.old_value, SYSCALL_AT);
	m->how.intercepts = 0;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.lstar, UINT64_C(0xffffff8000001000));
	m->regs.gprs.rdx = 0x80000000; /* not canonical */
	STEP(m, 0x0f, 0x30);
	assert_fault(m, 13, 0);
}

static void other_msrs_are_the_callers(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rcx = 0x1b;
	assert_int_equal(STEP(m, 0x0f, 0x32), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0x55667788);
	assert_int_equal(m->regs.gprs.rdx, 0x11223344);
	m->regs.gprs.rcx = 0x1c;
	STEP(m, 0x0f, 0x32);
	assert_fault(m, 13, 0);
	m->regs.gprs.rcx = 0x1d;
	assert_int_equal(STEP(m, 0x0f, 0x32), VMT_STEP_UNSUPPORTED);
}

static void efer_keeps_lma_and_refuses_lme_under_paging(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rcx = VMT_MSR_EFER;
	m->regs.gprs.rax = 0x901;
	assert_int_equal(STEP(m, 0x0f, 0x30), VMT_STEP_DONE);
	assert_int_equal(m->regs.efer, 0xd01);
	m->regs.gprs.rax = 0x801;
	STEP(m, 0x0f, 0x30);
	assert_fault(m, 13, 0);
}

static void cpuid_is_an_event_or_the_callers_answer(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = 1;
	m->regs.gprs.rcx = 9;
	m->how.intercepts = VMT_INTERCEPT_CPUID;
	assert_int_equal(STEP(m, 0x0f, 0xa2), VMT_STEP_EVENT);
	assert_int_equal(m->r.event.u.cpuid.leaf, 1);
	assert_int_equal(m->r.event.u.cpuid.subleaf, 9);
	assert_int_equal(m->r.event.u.cpuid.insn_length, 2);
	m->how.intercepts = 0;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rbx, 0x22);
	assert_int_equal(m->regs.gprs.rcx, 9);
	m->regs.gprs.rax = 7;
	assert_int_equal(STEP(m, 0x0f, 0xa2), VMT_STEP_UNSUPPORTED);
}

static void vmcall_is_an_event_at_each_level_and_undefined_without_one(void **state)
{
	struct machine *m = *state;

	STEP(m, 0x0f, 0x01, 0xc1);
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	machine_reset(m, true);
	m->how.intercepts = VMT_INTERCEPT_VMCALL;
	assert_int_equal(STEP(m, 0x0f, 0x01, 0xc1), VMT_STEP_EVENT);
	assert_int_equal(STEP(m, 0x0f, 0x01, 0xd9), VMT_STEP_EVENT);
}

static void io_is_an_event_or_the_callers_and_the_bitmap_lets_programs_in(void **state)
{
	struct machine *m = *state;

	m->how.intercepts = VMT_INTERCEPT_IO;
	m->regs.gprs.rdx = 0x1e0;
	assert_int_equal(STEP(m, 0xef), VMT_STEP_EVENT); /* out dx, eax */
	assert_int_equal(m->r.event.u.io.port, 0x1e0);
	assert_int_equal(m->r.event.u.io.bytes, 4);
	assert_false(m->r.event.u.io.in);
	m->how.intercepts = 0;
	m->regs.gprs.rax = 0x1234;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->port_value, 0x1234);
	assert_int_equal(STEP(m, 0xe4, 0x70), VMT_STEP_UNSUPPORTED); /* in al, 70 */
	machine_reset(m, true);
	m->regs.tr.limit = 0x200;
	machine_put(m, TSS_GFN, 0x60, UINT64_C(0x80) << 48); /* the bitmap is at 80 */
	m->regs.gprs.rdx = 0x1e0;
	assert_int_equal(STEP(m, 0xed), VMT_STEP_DONE);
	machine_put(m, TSS_GFN, 0x80 + 0x1e0 / 8, 8);
	STEP(m, 0xed);
	assert_fault(m, 13, 0);
}

static void rep_insd_stores_what_the_port_gives(void **state)
{
	struct machine *m = *state;

	m->port_value = 0xabcd;
	m->regs.gprs.rdx = 0x1e0;
	m->regs.gprs.rcx = 2;
	m->regs.gprs.rdi = KDATA;
	assert_int_equal(STEP(m, 0xf3, 0x6d), VMT_STEP_DONE);
	assert_int_equal(m->r.stepped, 1);
	machine_commit(m);
	assert_int_equal(m->regs.gprs.rip, KCODE);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->r.stepped, 0);
	assert_int_equal(m->regs.gprs.rip, KCODE + 2);
	assert_int_equal(m->regs.gprs.rdi, KDATA + 8);
	assert_int_equal(machine_get(m, KDATA_GFN, 0), 0xabcd);
}

static void syscall_and_sysretq_go_by_star_lstar_and_sfmask(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->regs.gprs.rflags = 0x202;
	assert_int_equal(STEP(m, 0x0f, 0x05), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, SYSCALL_AT);
	assert_int_equal(m->regs.gprs.rcx, UCODE + 2);
	assert_int_equal(m->regs.gprs.r11, 0x202);
	assert_int_equal(m->regs.gprs.rflags, 2);
	assert_int_equal(m->regs.cs.selector, KERNEL_CS);
	assert_int_equal(m->regs.ss.selector, KERNEL_SS);
	assert_int_equal(vmt_cpl(&m->regs), 0);
	assert_int_equal(STEP(m, 0x48, 0x0f, 0x07), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, UCODE + 2);
	assert_int_equal(m->regs.cs.selector, USER_CS);
	assert_int_equal(m->regs.ss.selector, USER_SS);
	assert_int_equal(m->regs.gprs.rflags, 0x202);
	assert_int_equal(vmt_cpl(&m->regs), 3);
	m->regs.efer &= ~VMT_EFER_SCE;
	STEP(m, 0x0f, 0x05);
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
}

static void swapgs_exchanges_the_bases(void **state)
{
	struct machine *m = *state;

	m->regs.gs.base = 1;
	m->regs.shadow_gs = 2;
	assert_int_equal(STEP(m, 0x0f, 0x01, 0xf8), VMT_STEP_DONE);
	assert_int_equal(m->regs.gs.base, 2);
	assert_int_equal(m->regs.shadow_gs, 1);
}

static void rdtsc_gives_the_callers_clock_or_says_that_it_is_unknown(void **state)
{
	struct machine *m = *state;

	m->cpu.tsc = UINT64_C(0x500000007);
	assert_int_equal(STEP(m, 0x0f, 0x31), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 7);
	assert_int_equal(m->regs.gprs.rdx, 5);
	m->cpu.known &= ~(unsigned)VMT_CPU_KNOWS_TSC;
	assert_int_equal(STEP(m, 0x0f, 0x31), VMT_STEP_MISSING);
	assert_int_equal(m->r.missing_register, VMT_MISSING_TSC);
}

static void hlt_is_done_and_says_so(void **state)
{
	struct machine *m = *state;

	assert_int_equal(STEP(m, 0xf4), VMT_STEP_HALT);
	assert_int_equal(m->regs.gprs.rip, KCODE + 1);
}

static void popf_of_a_program_leaves_if_and_iopl(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->regs.gprs.rflags = 0x202;
	machine_put(m, USTACK_GFN, 0x800, 0x3001);
	assert_int_equal(STEP(m, 0x9d), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rflags, 0x203);
}

static void the_trap_flag_asks_for_a_debug_exception_after_the_instruction(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rflags = 0x102;
	assert_int_equal(STEP(m, 0x90), VMT_STEP_DONE);
	assert_int_equal(m->r.pending_debug, 0x4000);
	machine_put(m, KSTACK_GFN, 0x800, 2);
	assert_int_equal(STEP(m, 0x9d), VMT_STEP_DONE); /* popf clears it: still a trap */
	assert_int_equal(m->r.pending_debug, 0x4000);
	assert_int_equal(STEP(m, 0x90), VMT_STEP_DONE);
	assert_int_equal(m->r.pending_debug, 0);
	machine_put(m, KSTACK_GFN, 0x808, 0x102);
	assert_int_equal(STEP(m, 0x9d), VMT_STEP_DONE); /* popf sets it: from the next one on */
	assert_int_equal(m->r.pending_debug, 0);
}

static void pushf_shows_the_trap_flag_of_the_guest(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rflags = 0x102;
	assert_int_equal(STEP(m, 0x9c), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(machine_get(m, KSTACK_GFN, 0x7f8), 0x102);
}

static void debug_registers_break_before_an_instruction_and_after_an_access(void **state)
{
	struct machine *m = *state;

	m->regs.dr0 = KCODE;
	m->regs.dr7 = 0x401;
	STEP(m, 0x90);
	assert_fault(m, 1, VMT_NO_ERROR_CODE);
	assert_int_equal(m->r.interrupt.extra, 1);
	m->regs.gprs.rflags |= VMT_RFLAGS_RF;
	assert_int_equal(STEP(m, 0x90), VMT_STEP_DONE);
	m->regs.dr0 = KDATA;
	m->regs.dr7 = 0x401 | 1u << 16 | 3u << 18; /* a write to 4 bytes */
	assert_int_equal(STEP(m, 0x48, 0x8b, 0x03), VMT_STEP_DONE);
	assert_int_equal(m->r.pending_debug, 0);
	assert_int_equal(STEP(m, 0x48, 0x89, 0x03), VMT_STEP_DONE);
	assert_int_equal(m->r.pending_debug, 1);
}

static void gd_guards_the_debug_registers(void **state)
{
	struct machine *m = *state;

	m->regs.dr7 |= 0x2000;
	STEP(m, 0x0f, 0x21, 0xf0); /* mov rax, dr6 */
	assert_fault(m, 1, VMT_NO_ERROR_CODE);
	assert_int_equal(m->r.interrupt.extra, 0x2000);
}

static void an_unknown_register_is_missing_by_its_name(void **state)
{
	struct machine *m = *state;
	char text[80];

	m->regs.known &= ~VMT_KNOWN(VMT_REG_SFMASK);
	assert_int_equal(STEP(m, 0x0f, 0x05), VMT_STEP_MISSING);
	assert_int_equal(m->r.missing_register, VMT_REG_SFMASK);
	assert_string_equal(vmt_step_format(&m->r, text, sizeof(text)), "missing: register sfmask");
}

static void modes_that_are_not_modelled_are_refused(void **state)
{
	struct machine *m = *state;

	CODE(m, 0x90);
	m->regs.cr0 &= ~VMT_CR0_PE;
	assert_int_equal(machine_go(m), VMT_STEP_UNSUPPORTED);
	machine_reset(m, false);
	m->regs.efer = 0;
	assert_int_equal(machine_go(m), VMT_STEP_UNSUPPORTED);
	machine_reset(m, false);
	m->regs.cs.access = 0x9b; /* 16-bit code in compatibility mode */
	assert_int_equal(machine_go(m), VMT_STEP_UNSUPPORTED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(privileged_instructions_are_general_protection_faults_of_a_program),
		TEST(a_write_of_cr3_stops_before_it_is_done),
		TEST(privilege_comes_before_an_intercept),
		TEST(control_registers_refuse_what_a_cpu_refuses),
		TEST(xsetbv_checks_its_value_and_stops_for_a_monitor),
		TEST(wrmsr_stops_with_both_values_and_then_writes),
		TEST(other_msrs_are_the_callers),
		TEST(efer_keeps_lma_and_refuses_lme_under_paging),
		TEST(cpuid_is_an_event_or_the_callers_answer),
		TEST(vmcall_is_an_event_at_each_level_and_undefined_without_one),
		TEST(io_is_an_event_or_the_callers_and_the_bitmap_lets_programs_in),
		TEST(rep_insd_stores_what_the_port_gives),
		TEST(syscall_and_sysretq_go_by_star_lstar_and_sfmask),
		TEST(swapgs_exchanges_the_bases),
		TEST(rdtsc_gives_the_callers_clock_or_says_that_it_is_unknown),
		TEST(hlt_is_done_and_says_so),
		TEST(popf_of_a_program_leaves_if_and_iopl),
		TEST(the_trap_flag_asks_for_a_debug_exception_after_the_instruction),
		TEST(pushf_shows_the_trap_flag_of_the_guest),
		TEST(debug_registers_break_before_an_instruction_and_after_an_access),
		TEST(gd_guards_the_debug_registers),
		TEST(an_unknown_register_is_missing_by_its_name),
		TEST(modes_that_are_not_modelled_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
