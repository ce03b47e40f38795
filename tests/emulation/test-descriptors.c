/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Descriptor tables, segment registers, and what asks about selectors.
 */
#include <string.h>

#include "machine.h"

static void descriptor_tables_are_loaded_stored_and_watched(void **state)
{
	struct machine *m = *state;

	m->how.intercepts = VMT_INTERCEPT_DESCRIPTOR;
	assert_int_equal(STEP(m, 0x0f, 0x01, 0x13), VMT_STEP_EVENT); /* lgdt [rbx] */
	assert_int_equal(m->r.event.u.descriptor.descriptor, VMT_DESC_GDTR);
	assert_true(m->r.event.u.descriptor.write);
	m->how.intercepts = 0;
	machine_put(m, KDATA_GFN, 0, UINT64_C(0x80000310000000ff));
	machine_put(m, KDATA_GFN, 8, 0xffff);
	machine_put(m, KDATA_GFN, 0, 0x100000004f);
	machine_put(m, KDATA_GFN, 2, GDT + 8);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gdtr.base, GDT + 8);
	assert_int_equal(m->regs.gdtr.limit, 0x4f);
	m->regs.gprs.rbx = KDATA + 0x100;
	assert_int_equal(STEP(m, 0x0f, 0x01, 0x03), VMT_STEP_DONE); /* sgdt [rbx] */
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 0x102), GDT + 8);
	machine_put(m, KDATA_GFN, 0x102, UINT64_C(0x800000000000));
	STEP(m, 0x0f, 0x01, 0x1b); /* lidt of a base that is not canonical */
	assert_fault(m, 13, 0);
}

static void umip_keeps_programs_from_reading_system_registers(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->regs.gprs.rbx = UDATA;
	assert_int_equal(STEP(m, 0x0f, 0x01, 0x0b), VMT_STEP_DONE); /* sidt [rbx] */
	m->regs.cr4 |= 1u << 11;
	STEP(m, 0x0f, 0x01, 0x0b);
	assert_fault(m, 13, 0);
}

static void ltr_takes_16_bytes_and_marks_the_tss_busy(void **state)
{
	struct machine *m = *state;

	m->regs.tr = (struct vmt_segment){0};
	m->regs.gprs.rax = 0x40;
	assert_int_equal(STEP(m, 0x0f, 0x00, 0xd8), VMT_STEP_DONE);
	assert_int_equal(m->regs.tr.base, TSS);
	assert_int_equal(m->regs.tr.limit, 0x67);
	machine_commit(m);
	STEP(m, 0x0f, 0x00, 0xd8); /* busy now */
	assert_fault(m, 13, 0x40);
	m->regs.gprs.rax = 0x10; /* code */
	STEP(m, 0x0f, 0x00, 0xd8);
	assert_fault(m, 13, 0x10);
	m->regs.gprs.rax = 0x48; /* its upper half is past the limit */
	STEP(m, 0x0f, 0x00, 0xd8);
	assert_fault(m, 13, 0x48);
}

static void segment_registers_check_what_they_load(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = KERNEL_SS;
	assert_int_equal(STEP(m, 0x8e, 0xd8), VMT_STEP_DONE); /* mov ds, ax */
	assert_int_equal(m->regs.ds.selector, KERNEL_SS);
	m->regs.gprs.rax = 0x50; /* past the limit */
	STEP(m, 0x8e, 0xd8);
	assert_fault(m, 13, 0x50);
	m->regs.gprs.rax = USER_SS; /* not the kernel's level */
	STEP(m, 0x8e, 0xd0);
	assert_fault(m, 13, USER_SS & ~3u);
	m->regs.gprs.rax = 0;
	assert_int_equal(STEP(m, 0x8e, 0xe8), VMT_STEP_DONE); /* mov gs, 0 */
	STEP(m, 0x8e, 0xc8);                                  /* mov cs */
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	machine_put(m, GDT_GFN, 0x18, machine_get(m, GDT_GFN, 0x18) & ~(UINT64_C(1) << 47));
	m->regs.gprs.rax = KERNEL_SS;
	STEP(m, 0x8e, 0xd8);
	assert_fault(m, 11, KERNEL_SS);
	STEP(m, 0x8e, 0xd0);
	assert_fault(m, 12, KERNEL_SS);
}

static void mov_ss_and_sti_hold_interrupts_back_for_one_instruction(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = KERNEL_SS;
	m->regs.gprs.rflags = 0x202;
	assert_true(vmt_cpu_interruptible(&m->cpu));
	assert_int_equal(STEP(m, 0x8e, 0xd0), VMT_STEP_DONE);
	assert_false(vmt_cpu_interruptible(&m->cpu));
	assert_int_equal(STEP(m, 0x90), VMT_STEP_DONE);
	assert_true(vmt_cpu_interruptible(&m->cpu));
	m->regs.gprs.rflags = 2;
	assert_int_equal(STEP(m, 0xfb), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rflags, 0x202);
	assert_false(vmt_cpu_interruptible(&m->cpu));
	assert_int_equal(STEP(m, 0xfb), VMT_STEP_DONE); /* IF was set: no new shadow */
	assert_true(vmt_cpu_interruptible(&m->cpu));
}

static void a_far_return_changes_cs(void **state)
{
	struct machine *m = *state;

	machine_put(m, KSTACK_GFN, 0x800, KCODE + 0x40);
	machine_put(m, KSTACK_GFN, 0x808, KERNEL_CS);
	m->regs.cs.selector = 8;
	assert_int_equal(STEP(m, 0x48, 0xcb), VMT_STEP_DONE);
	assert_int_equal(m->regs.cs.selector, KERNEL_CS);
	assert_int_equal(m->regs.gprs.rip, KCODE + 0x40);
	assert_int_equal(m->regs.gprs.rsp, KSTACK + 16);
}

static void verw_asks_whether_a_segment_may_be_written(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = KERNEL_SS;
	assert_int_equal(STEP(m, 0x0f, 0x00, 0xe8), VMT_STEP_DONE);
	assert_true(m->regs.gprs.rflags & 0x40);
	m->regs.gprs.rax = KERNEL_CS;
	assert_int_equal(STEP(m, 0x0f, 0x00, 0xe8), VMT_STEP_DONE);
	assert_false(m->regs.gprs.rflags & 0x40);
	assert_int_equal(STEP(m, 0x0f, 0x00, 0xe0), VMT_STEP_DONE); /* verr: it may be read */
	assert_true(m->regs.gprs.rflags & 0x40);
	m->regs.gprs.rax = 0x100; /* past the table: no fault */
	assert_int_equal(STEP(m, 0x0f, 0x00, 0xe8), VMT_STEP_DONE);
	assert_false(m->regs.gprs.rflags & 0x40);
	machine_reset(m, true);
	m->regs.gprs.rax = KERNEL_SS;
	assert_int_equal(STEP(m, 0x0f, 0x00, 0xe8), VMT_STEP_DONE);
	assert_false(m->regs.gprs.rflags & 0x40);
}

static void lar_and_lsl_tell_rights_and_limit(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = KERNEL_CS;
	assert_int_equal(STEP(m, 0x0f, 0x02, 0xc8), VMT_STEP_DONE); /* lar ecx, eax */
	assert_int_equal(m->regs.gprs.rcx, 0xaf9b00);
	assert_int_equal(STEP(m, 0x0f, 0x03, 0xc8), VMT_STEP_DONE); /* lsl ecx, eax */
	assert_int_equal(m->regs.gprs.rcx, UINT32_MAX);
	m->regs.gprs.rax = 0x40;
	assert_int_equal(STEP(m, 0x0f, 0x03, 0xc8), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rcx, 0x67);
	m->regs.gprs.rax = 0;
	assert_int_equal(STEP(m, 0x0f, 0x03, 0xc8), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rcx, 0x67);
	assert_false(m->regs.gprs.rflags & 0x40);
}

static void invpcid_checks_its_descriptor(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = 2;
	assert_int_equal(STEP(m, 0x66, 0x0f, 0x38, 0x82, 0x03), VMT_STEP_DONE);
	m->regs.gprs.rax = 4;
	STEP(m, 0x66, 0x0f, 0x38, 0x82, 0x03);
	assert_fault(m, 13, 0);
	m->regs.gprs.rax = 1;
	machine_put(m, KDATA_GFN, 0, 5); /* a PCID, and CR4.PCIDE is off */
	STEP(m, 0x66, 0x0f, 0x38, 0x82, 0x03);
	assert_fault(m, 13, 0);
}

static void rdpid_gives_tsc_aux(void **state)
{
	struct machine *m = *state;

	m->regs.tsc_aux = 3;
	assert_int_equal(STEP(m, 0xf3, 0x0f, 0xc7, 0xf8), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(descriptor_tables_are_loaded_stored_and_watched),
		TEST(umip_keeps_programs_from_reading_system_registers),
		TEST(ltr_takes_16_bytes_and_marks_the_tss_busy),
		TEST(segment_registers_check_what_they_load),
		TEST(mov_ss_and_sti_hold_interrupts_back_for_one_instruction),
		TEST(a_far_return_changes_cs),
		TEST(verw_asks_whether_a_segment_may_be_written),
		TEST(lar_and_lsl_tell_rights_and_limit),
		TEST(invpcid_checks_its_descriptor),
		TEST(rdpid_gives_tsc_aux),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
