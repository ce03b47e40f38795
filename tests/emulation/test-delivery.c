/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exceptions and interrupts through the IDT: frames, stacks, error codes, and faults on the way.
 */
#include <string.h>

#include "machine.h"

#define HW VMT_INT_HW_EXCEPTION
#define NO VMT_NO_ERROR_CODE

/* Word @i of the frame that was pushed below @top. */
static uint64_t frame(struct machine *m, uint64_t top, unsigned i)
{
	return machine_get(m, KSTACK_GFN,
			   (unsigned)((top - UINT64_C(8) * (i + 1)) & VMT_PAGE_MASK));
}

static void an_int3_is_a_trap_with_rip_at_it(void **state)
{
	struct machine *m = *state;

	assert_int_equal(STEP(m, 0xcc), VMT_STEP_TRAP);
	assert_int_equal(m->regs.gprs.rip, KCODE);
	assert_int_equal(m->r.interrupt.vector, 3);
	assert_int_equal(m->r.interrupt.type, VMT_INT_SW_EXCEPTION);
	assert_int_equal(m->r.interrupt.insn_length, 1);
}

static void a_breakpoint_saves_the_address_behind_it(void **state)
{
	struct machine *m = *state;
	struct vmt_interrupt i;

	m->regs.gprs.rflags = 0x302;
	STEP(m, 0xcc);
	i = m->r.interrupt;
	assert_int_equal(vmt_emulator_deliver(m->em, &m->cpu, &m->how, &i, &m->r), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, HANDLER(3));
	assert_int_equal(m->regs.gprs.rsp, KSTACK - 40);
	assert_int_equal(m->regs.gprs.rflags, 2); /* an interrupt gate clears IF, each gate TF */
	assert_int_equal(frame(m, KSTACK, 4), 0); /* not yet */
	machine_commit(m);
	assert_int_equal(frame(m, KSTACK, 0), KERNEL_SS);
	assert_int_equal(frame(m, KSTACK, 1), KSTACK);
	assert_int_equal(frame(m, KSTACK, 2), 0x302);
	assert_int_equal(frame(m, KSTACK, 3), KERNEL_CS);
	assert_int_equal(frame(m, KSTACK, 4), KCODE + 1);
}

static void a_fault_saves_the_address_of_the_instruction_and_rf(void **state)
{
	struct machine *m = *state;

	assert_int_equal(machine_deliver(m, 6, HW, NO, 0), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(frame(m, KSTACK, 4), KCODE);
	assert_int_equal(frame(m, KSTACK, 2), 0x10002);
}

static void from_user_mode_the_stack_is_that_of_the_tss(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	assert_int_equal(machine_deliver(m, 6, HW, NO, 0), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->regs.gprs.rsp, RSP0 - 40);
	assert_int_equal(vmt_cpl(&m->regs), 0);
	assert_int_equal(m->regs.ss.selector, 0);
	assert_int_equal(m->regs.cs.selector, KERNEL_CS);
	assert_int_equal(frame(m, RSP0, 0), USER_SS);
	assert_int_equal(frame(m, RSP0, 1), USTACK);
	assert_int_equal(frame(m, RSP0, 3), USER_CS);
	assert_int_equal(frame(m, RSP0, 4), UCODE);
}

static void a_gate_with_an_ist_takes_that_stack_and_keeps_ss(void **state)
{
	struct machine *m = *state;

	machine_gate(m, 14, 1, 0);
	assert_int_equal(machine_deliver(m, 14, HW, 2, 0), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->regs.gprs.rsp, IST1 - 48);
	assert_int_equal(m->regs.ss.selector, KERNEL_SS);
	assert_int_equal(frame(m, IST1, 5), 2);
}

static void the_stack_is_aligned_to_16_bytes(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rsp = KSTACK + 0xb;
	assert_int_equal(machine_deliver(m, 6, HW, NO, 0), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->regs.gprs.rsp, KSTACK - 40);
	assert_int_equal(frame(m, KSTACK, 1), KSTACK + 0xb);
}

static void a_page_fault_sets_cr2(void **state)
{
	struct machine *m = *state;
	struct vmt_interrupt i = {14, HW, 0, 0, 4, 0x5678};

	assert_int_equal(vmt_emulator_deliver(m->em, &m->cpu, &m->how, &i, &m->r), VMT_STEP_DONE);
	assert_int_equal(m->regs.cr2, 0x5678);
}

static void a_debug_exception_sets_dr6_and_saves_no_rf(void **state)
{
	struct machine *m = *state;
	struct vmt_interrupt i = {1, HW, 0, 0, NO, 0x4000};

	m->regs.dr7 |= 0x2000;
	assert_int_equal(vmt_emulator_deliver(m->em, &m->cpu, &m->how, &i, &m->r), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->regs.dr6, 0xffff4ff0);
	assert_int_equal(m->regs.dr7, 0x400);
	assert_int_equal(frame(m, KSTACK, 2), 2);
}

static void a_trap_gate_leaves_if(void **state)
{
	struct machine *m = *state;

	machine_put(m, IDT_GFN, 6 * 16, machine_get(m, IDT_GFN, 6 * 16) | UINT64_C(1) << 40);
	m->regs.gprs.rflags = 0x202;
	assert_int_equal(machine_deliver(m, 6, HW, NO, 0), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rflags, 0x202);
}

static void a_program_may_not_use_a_gate_of_the_kernel(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	assert_int_equal(machine_deliver(m, 0x21, VMT_INT_SW_INTERRUPT, NO, 2), VMT_STEP_DONE);
	/* Instead of vector 21: #GP with the gate as its error code, at the instruction. */
	machine_commit(m);
	assert_int_equal(m->r.interrupt.vector, 13);
	assert_int_equal(m->r.interrupt.error_code, 0x21 * 8 + 2);
	assert_int_equal(m->regs.gprs.rip, HANDLER(13));
	assert_int_equal(frame(m, RSP0, 4), UCODE);
}

static void a_program_may_use_a_gate_that_lets_it(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	assert_int_equal(STEP(m, 0xcd, 0x20), VMT_STEP_TRAP);
	assert_int_equal(m->r.interrupt.insn_length, 2);
	assert_int_equal(machine_deliver(m, 0x20, VMT_INT_SW_INTERRUPT, NO, 2), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->regs.gprs.rip, HANDLER(0x20));
	assert_int_equal(frame(m, RSP0, 4), UCODE + 2);
}

static void an_icebp_passes_the_kernels_gate(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	assert_int_equal(STEP(m, 0xf1), VMT_STEP_TRAP);
	assert_int_equal(m->r.interrupt.type, VMT_INT_PRIV_SW_EXCEPTION);
	assert_int_equal(machine_deliver(m, 1, VMT_INT_PRIV_SW_EXCEPTION, NO, 1), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, HANDLER(1));
}

static void a_vector_past_the_idt_is_a_general_protection_fault(void **state)
{
	struct machine *m = *state;

	machine_deliver(m, 0x80, VMT_INT_EXTERNAL, NO, 0);
	assert_int_equal(m->r.interrupt.vector, 13);
	assert_int_equal(m->r.interrupt.error_code, 0x80 * 8 + 3);
}

static void a_gate_that_is_not_present_is_that_fault(void **state)
{
	struct machine *m = *state;

	machine_put(m, IDT_GFN, 0x21 * 16,
		    machine_get(m, IDT_GFN, 0x21 * 16) & ~(UINT64_C(1) << 47));
	machine_deliver(m, 0x21, VMT_INT_EXTERNAL, NO, 0);
	assert_int_equal(m->r.interrupt.vector, 11);
	assert_int_equal(m->r.interrupt.error_code, 0x21 * 8 + 3);
}

static void a_second_contributory_fault_is_a_double_fault(void **state)
{
	struct machine *m = *state;

	machine_put(m, IDT_GFN, 13 * 16, 0);
	assert_int_equal(machine_deliver(m, 13, HW, 0, 0), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->r.interrupt.vector, 8);
	assert_int_equal(m->regs.gprs.rip, HANDLER(8));
	assert_int_equal(frame(m, KSTACK, 5), 0); /* its error code */
}

static void a_page_fault_for_the_frame_of_a_page_fault_is_a_double_fault(void **state)
{
	struct machine *m = *state;
	struct vmt_interrupt i = {14, HW, 0, 0, 0, 0x1111};

	machine_gate(m, 8, 1, 0);
	machine_put(m, TSS_GFN, 0x24, KDATA + 0x800);
	m->regs.gprs.rsp = UINT64_C(0x600000);
	assert_int_equal(vmt_emulator_deliver(m->em, &m->cpu, &m->how, &i, &m->r), VMT_STEP_DONE);
	assert_int_equal(m->r.interrupt.vector, 8);
	assert_int_equal(m->regs.cr2, 0x600000 - 8);
	assert_int_equal(m->regs.gprs.rsp, KDATA + 0x800 - 48);
}

static void a_page_fault_while_an_interrupt_is_delivered_is_a_page_fault(void **state)
{
	struct machine *m = *state;

	machine_gate(m, 14, 1, 0);
	m->regs.gprs.rsp = UINT64_C(0x600000);
	assert_int_equal(machine_deliver(m, 0x21, VMT_INT_EXTERNAL, NO, 0), VMT_STEP_DONE);
	assert_int_equal(m->r.interrupt.vector, 14);
	assert_int_equal(m->r.interrupt.error_code, 2);
}

static void a_fault_of_the_double_fault_is_a_shutdown_and_changes_nothing(void **state)
{
	struct machine *m = *state;
	struct vmt_regs before;

	m->regs.idtr.limit = 0;
	before = m->regs;
	assert_int_equal(machine_deliver(m, 13, HW, 0, 0), VMT_STEP_SHUTDOWN);
	assert_memory_equal(&m->regs, &before, sizeof(before));
	assert_int_equal(m->r.nwrites, 0);
}

static void a_violation_on_the_way_changes_nothing_and_it_can_be_delivered_again(void **state)
{
	struct machine *m = *state;
	struct vmt_regs before = m->regs;

	m->rights[KSTACK_GFN] = VMT_R;
	assert_int_equal(machine_deliver(m, 13, HW, 0, 0), VMT_STEP_VIOLATION);
	assert_int_equal(m->r.at.gpa.a >> 12, KSTACK_GFN);
	assert_memory_equal(&m->regs, &before, sizeof(before));
	m->rights[KSTACK_GFN] = VMT_RWX;
	m->generation++;
	assert_int_equal(machine_deliver(m, 13, HW, 0, 0), VMT_STEP_DONE);
}

static void a_missing_idt_page_is_missing(void **state)
{
	struct machine *m = *state;

	m->missing[IDT_GFN] = true;
	assert_int_equal(machine_deliver(m, 13, HW, 0, 0), VMT_STEP_MISSING);
	assert_int_equal(m->r.at.gpa.a >> 12, IDT_GFN);
}

static void an_unknown_idtr_is_missing_by_its_name(void **state)
{
	struct machine *m = *state;

	m->regs.known &= ~VMT_KNOWN(VMT_REG_IDTR);
	assert_int_equal(machine_deliver(m, 13, HW, 0, 0), VMT_STEP_MISSING);
	assert_int_equal(m->r.missing_register, VMT_REG_IDTR);
}

static void iretq_returns_to_what_was_interrupted(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->regs.gprs.rflags = 0x246;
	assert_int_equal(machine_deliver(m, 0x20, VMT_INT_EXTERNAL, NO, 0), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(STEP(m, 0x48, 0xcf), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, UCODE);
	assert_int_equal(m->regs.gprs.rsp, USTACK);
	assert_int_equal(m->regs.gprs.rflags, 0x246);
	assert_int_equal(m->regs.cs.selector, USER_CS);
	assert_int_equal(m->regs.ss.selector, USER_SS);
	assert_int_equal(vmt_cpl(&m->regs), 3);
}

static void iretq_of_a_program_does_not_return_to_the_kernel(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	machine_put(m, USTACK_GFN, 0x800, KCODE);
	machine_put(m, USTACK_GFN, 0x808, KERNEL_CS);
	machine_put(m, USTACK_GFN, 0x810, 2);
	machine_put(m, USTACK_GFN, 0x818, USTACK);
	machine_put(m, USTACK_GFN, 0x820, KERNEL_SS);
	STEP(m, 0x48, 0xcf);
	assert_fault(m, 13, KERNEL_CS);
	assert_int_equal(m->regs.gprs.rsp, USTACK);
}

static void iretq_restores_rf_and_the_next_instruction_clears_it(void **state)
{
	struct machine *m = *state;

	machine_put(m, KSTACK_GFN, 0x800, KCODE);
	machine_put(m, KSTACK_GFN, 0x808, KERNEL_CS);
	machine_put(m, KSTACK_GFN, 0x810, 0x10002);
	machine_put(m, KSTACK_GFN, 0x818, KSTACK);
	machine_put(m, KSTACK_GFN, 0x820, KERNEL_SS);
	assert_int_equal(STEP(m, 0x48, 0xcf), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rflags, 0x10002);
	assert_int_equal(STEP(m, 0x90), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rflags, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(an_int3_is_a_trap_with_rip_at_it),
		TEST(a_breakpoint_saves_the_address_behind_it),
		TEST(a_fault_saves_the_address_of_the_instruction_and_rf),
		TEST(from_user_mode_the_stack_is_that_of_the_tss),
		TEST(a_gate_with_an_ist_takes_that_stack_and_keeps_ss),
		TEST(the_stack_is_aligned_to_16_bytes),
		TEST(a_page_fault_sets_cr2),
		TEST(a_debug_exception_sets_dr6_and_saves_no_rf),
		TEST(a_trap_gate_leaves_if),
		TEST(a_program_may_not_use_a_gate_of_the_kernel),
		TEST(a_program_may_use_a_gate_that_lets_it),
		TEST(an_icebp_passes_the_kernels_gate),
		TEST(a_vector_past_the_idt_is_a_general_protection_fault),
		TEST(a_gate_that_is_not_present_is_that_fault),
		TEST(a_second_contributory_fault_is_a_double_fault),
		TEST(a_page_fault_for_the_frame_of_a_page_fault_is_a_double_fault),
		TEST(a_page_fault_while_an_interrupt_is_delivered_is_a_page_fault),
		TEST(a_fault_of_the_double_fault_is_a_shutdown_and_changes_nothing),
		TEST(a_violation_on_the_way_changes_nothing_and_it_can_be_delivered_again),
		TEST(a_missing_idt_page_is_missing),
		TEST(an_unknown_idtr_is_missing_by_its_name),
		TEST(iretq_returns_to_what_was_interrupted),
		TEST(iretq_of_a_program_does_not_return_to_the_kernel),
		TEST(iretq_restores_rf_and_the_next_instruction_clears_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
