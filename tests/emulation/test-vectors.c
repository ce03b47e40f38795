/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87, SSE and AVX: who executes them, when they fault, and what is unknown after them.
 */
#include <string.h>

#include "machine.h"

static void without_osfxsr_or_with_em_sse_is_undefined_and_with_ts_not_available(void **state)
{
	struct machine *m = *state;

	m->regs.cr0 |= 8;
	STEP(m, 0x0f, 0x57, 0xc0); /* xorps xmm0, xmm0 */
	assert_fault(m, 7, VMT_NO_ERROR_CODE);
	m->regs.cr0 &= ~UINT64_C(8);
	m->regs.cr0 |= 4;
	STEP(m, 0x0f, 0x57, 0xc0);
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	machine_reset(m, false);
	m->regs.cr4 &= ~UINT64_C(0x200);
	STEP(m, 0x0f, 0x57, 0xc0);
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
}

static void avx_needs_osxsave_and_xcr0(void **state)
{
	struct machine *m = *state;

	m->regs.xcr0 = 3;
	STEP(m, 0xc5, 0xf9, 0xef, 0xc0); /* vpxor xmm0, xmm0, xmm0 */
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	m->regs.known &= ~VMT_KNOWN(VMT_REG_XCR0);
	assert_int_equal(STEP(m, 0xc5, 0xf9, 0xef, 0xc0), VMT_STEP_MISSING);
	assert_int_equal(m->r.missing_register, VMT_REG_XCR0);
}

static void unknown_vector_state_is_missing(void **state)
{
	struct machine *m = *state;

	m->cpu.known = 0;
	assert_int_equal(STEP(m, 0x0f, 0x57, 0xc0), VMT_STEP_MISSING);
	assert_int_equal(m->r.missing_register, VMT_MISSING_FPU);
	m->cpu.known = VMT_CPU_KNOWS_X87_SSE;
	assert_int_equal(STEP(m, 0xc5, 0xf9, 0xef, 0xc0), VMT_STEP_MISSING);
	assert_int_equal(m->r.missing_register, VMT_MISSING_AVX);
}

static void vex_has_three_operands_and_clears_above_and_sse_leaves_it(void **state)
{
	struct machine *m = *state;
	union vmt_vector *y = m->cpu.fpu.ymm;

	memset(y[0].b, 0xaa, 32);
	memset(y[1].b, 0x0f, 32);
	memset(y[2].b, 0x3c, 32);
	assert_int_equal(STEP(m, 0x66, 0x0f, 0xef, 0xc1), VMT_STEP_DONE); /* pxor xmm0, xmm1 */
	assert_int_equal(y[0].b[0], 0xa5);
	assert_int_equal(y[0].b[16], 0xaa);
	assert_int_equal(STEP(m, 0xc5, 0xf1, 0xef, 0xc2),
			 VMT_STEP_DONE); /* vpxor xmm0, xmm1, xmm2 */
	assert_int_equal(y[0].b[0], 0x33);
	assert_int_equal(y[0].b[16], 0);
	assert_int_equal(STEP(m, 0xc5, 0xf5, 0xef, 0xc2),
			 VMT_STEP_DONE); /* vpxor ymm0, ymm1, ymm2 */
	assert_int_equal(y[0].b[31], 0x33);
	assert_int_equal(STEP(m, 0xc5, 0xf8, 0x77), VMT_STEP_DONE); /* vzeroupper */
	assert_int_equal(y[0].b[15], 0x33);
	assert_int_equal(y[0].b[16], 0);
}

static void aligned_operands_of_sse_must_be_aligned_and_those_of_vex_not(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rbx = KDATA + 4;
	STEP(m, 0x0f, 0x28, 0x03); /* movaps xmm0, [rbx] */
	assert_fault(m, 13, 0);
	STEP(m, 0x66, 0x0f, 0xef, 0x03); /* pxor xmm0, [rbx] */
	assert_fault(m, 13, 0);
	STEP(m, 0x0f, 0x58, 0x03); /* addps xmm0, [rbx], handed over */
	assert_fault(m, 13, 0);
	assert_int_equal(STEP(m, 0x0f, 0x10, 0x03), VMT_STEP_DONE);       /* movups */
	assert_int_equal(STEP(m, 0xc5, 0xf9, 0xef, 0x03), VMT_STEP_DONE); /* vpxor */
	STEP(m, 0xc5, 0xf8, 0x28, 0x03);                                  /* vmovaps */
	assert_fault(m, 13, 0);
}

static void what_is_handed_over_reads_and_writes_the_guests_memory(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 8, UINT64_C(0x4000000000000000)); /* 2.0 */
	m->cpu.fpu.ymm[9].q[0] = UINT64_C(0x4008000000000000);      /* 3.0 */
	m->cpu.fpu.ymm[9].q[1] = 77;
	assert_int_equal(STEP(m, 0xf2, 0x44, 0x0f, 0x59, 0x4b, 0x08),
			 VMT_STEP_DONE); /* mulsd xmm9 */
	assert_int_equal(m->cpu.fpu.ymm[9].q[0], UINT64_C(0x4018000000000000));
	assert_int_equal(m->cpu.fpu.ymm[9].q[1], 77);
	assert_int_equal(m->regs.gprs.rip, KCODE + 6);
}

static void fault_and_violation_of_what_is_handed_over_are_ours(void **state)
{
	struct machine *m = *state;

	m->rights[KDATA_GFN] = VMT_W;
	assert_int_equal(STEP(m, 0xf2, 0x0f, 0x59, 0x03), VMT_STEP_VIOLATION);
	*machine_pte(m, KDATA) = 0;
	STEP(m, 0xdd, 0x1b); /* fstp qword [rbx] */
	assert_page_fault(m, 2, KDATA);
}

static void x87_goes_through_the_stack_of_registers(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 0, UINT64_C(0x4008000000000000));
	assert_int_equal(STEP(m, 0xdd, 0x03), VMT_STEP_DONE); /* fld qword [rbx] */
	assert_int_equal(m->cpu.fpu.ftw, 0x80);
	assert_int_equal(STEP(m, 0xd9, 0xe8), VMT_STEP_DONE); /* fld1 */
	assert_int_equal(STEP(m, 0xde, 0xc1), VMT_STEP_DONE); /* faddp */
	assert_int_equal(m->cpu.fpu.fsw >> 11 & 7, 7);
	assert_int_equal(STEP(m, 0xdd, 0x5b, 0x08), VMT_STEP_DONE); /* fstp qword [rbx + 8] */
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 8), UINT64_C(0x4010000000000000));
	assert_int_equal(m->cpu.fpu.ftw, 0);
}

static void control_words_are_own_code(void **state)
{
	struct machine *m = *state;

	m->cpu.fpu.fcw = 0x27f;
	m->cpu.fpu.mxcsr = 0x1fa0;
	assert_int_equal(STEP(m, 0xd9, 0x3b), VMT_STEP_DONE); /* fnstcw [rbx] */
	machine_commit(m);
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x5b, 0x08), VMT_STEP_DONE); /* stmxcsr [rbx + 8] */
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 0), 0x27f);
	assert_int_equal(machine_get(m, KDATA_GFN, 8), 0x1fa0);
	machine_put(m, KDATA_GFN, 0, 0x10000);
	STEP(m, 0x0f, 0xae, 0x13); /* ldmxcsr */
	assert_fault(m, 13, 0);
}

static void flags_of_arithmetic_that_was_handed_over_are_unknown_until_loaded(void **state)
{
	struct machine *m = *state;

	assert_int_equal(STEP(m, 0xf2, 0x0f, 0x58, 0xc1), VMT_STEP_DONE); /* addsd */
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x1b), VMT_STEP_MISSING);    /* stmxcsr */
	assert_int_equal(m->r.missing_register, VMT_MISSING_FP_FLAGS);
	machine_put(m, KDATA_GFN, 0, 0x1f80);
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x13), VMT_STEP_DONE); /* ldmxcsr */
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x1b), VMT_STEP_DONE);
}

static void unmasked_exceptions_are_refused(void **state)
{
	struct machine *m = *state;

	m->cpu.fpu.mxcsr = 0x1f00;
	assert_int_equal(STEP(m, 0xf2, 0x0f, 0x58, 0xc1), VMT_STEP_UNSUPPORTED);
	m->cpu.fpu.fcw = 0x37e;
	assert_int_equal(STEP(m, 0xd9, 0xe8), VMT_STEP_UNSUPPORTED);
}

static void fxsave_and_fxrstor_keep_all(void **state)
{
	struct machine *m = *state;
	struct vmt_fpu before;

	for (unsigned i = 0; i < 16; i++)
		memset(m->cpu.fpu.ymm[i].b, (int)i + 1, 16);
	memset(m->cpu.fpu.st[3], 7, 10);
	m->cpu.fpu.ftw = 0x18;
	m->cpu.fpu.fsw = 0x1800;
	before = m->cpu.fpu;
	assert_int_equal(STEP(m, 0x48, 0x0f, 0xae, 0x03), VMT_STEP_DONE);
	machine_commit(m);
	memset(&m->cpu.fpu, 0, sizeof(m->cpu.fpu));
	m->cpu.fpu.mxcsr_mask = before.mxcsr_mask;
	assert_int_equal(STEP(m, 0x48, 0x0f, 0xae, 0x0b), VMT_STEP_DONE);
	assert_memory_equal(&m->cpu.fpu, &before, sizeof(before));
	m->regs.gprs.rbx += 8;
	STEP(m, 0x48, 0x0f, 0xae, 0x03);
	assert_fault(m, 13, 0);
}

static void xsave_and_xrstor_go_by_the_mask(void **state)
{
	struct machine *m = *state;

	memset(m->cpu.fpu.ymm[5].b, 0x5a, 32);
	m->regs.gprs.rax = 7;
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x23), VMT_STEP_DONE); /* xsave [rbx] */
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 512), 6);
	memset(m->cpu.fpu.ymm, 0, sizeof(m->cpu.fpu.ymm));
	m->regs.gprs.rax = 4;
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x2b), VMT_STEP_DONE); /* xrstor [rbx] */
	assert_int_equal(m->cpu.fpu.ymm[5].b[0], 0);
	assert_int_equal(m->cpu.fpu.ymm[5].b[31], 0x5a);
	m->regs.gprs.rax = 7;
	assert_int_equal(STEP(m, 0x0f, 0xae, 0x2b), VMT_STEP_DONE);
	assert_int_equal(m->cpu.fpu.ymm[5].b[0], 0x5a);
	machine_put(m, KDATA_GFN, 520, 1);
	STEP(m, 0x0f, 0xae, 0x2b);
	assert_fault(m, 13, 0);
}

static void cmpxchg_of_32_bits_leaves_rax_whole(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = UINT64_C(0xffffffff00000007);
	m->regs.gprs.rcx = 9;
	machine_put(m, KDATA_GFN, 0, 7);
	assert_int_equal(STEP(m, 0x0f, 0xb1, 0x0b), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(m->regs.gprs.rax, UINT64_C(0xffffffff00000007));
	assert_int_equal(machine_get(m, KDATA_GFN, 0), 9);
	assert_int_equal(m->regs.gprs.rflags & 0x40, 0x40);
}

static void bzhi_beyond_the_operand_keeps_it_and_sets_carry(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rcx = UINT64_MAX;
	m->regs.gprs.rdx = 64;
	assert_int_equal(STEP(m, 0xc4, 0xe2, 0xe8, 0xf5, 0xc1),
			 VMT_STEP_DONE); /* bzhi rax, rcx, rdx */
	assert_int_equal(m->regs.gprs.rax, UINT64_MAX);
	assert_true(m->regs.gprs.rflags & 1);
	m->regs.gprs.rdx = 8;
	assert_int_equal(STEP(m, 0xc4, 0xe2, 0xe8, 0xf5, 0xc1), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0xff);
	assert_false(m->regs.gprs.rflags & 1);
}

static void a_division_that_overflows_is_a_divide_error(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rdx = 1;
	m->regs.gprs.rcx = 1;
	STEP(m, 0x48, 0xf7, 0xf1); /* div rcx */
	assert_fault(m, 0, VMT_NO_ERROR_CODE);
	m->regs.gprs.rax = UINT64_C(1) << 63;
	m->regs.gprs.rdx = UINT64_MAX;
	m->regs.gprs.rcx = UINT64_MAX;
	STEP(m, 0x48, 0xf7, 0xf9); /* idiv rcx: -2^63 / -1 */
	assert_fault(m, 0, VMT_NO_ERROR_CODE);
	m->regs.gprs.rcx = 2;
	assert_int_equal(STEP(m, 0x48, 0xf7, 0xf9), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, UINT64_C(0xc000000000000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(without_osfxsr_or_with_em_sse_is_undefined_and_with_ts_not_available),
		TEST(avx_needs_osxsave_and_xcr0),
		TEST(unknown_vector_state_is_missing),
		TEST(vex_has_three_operands_and_clears_above_and_sse_leaves_it),
		TEST(aligned_operands_of_sse_must_be_aligned_and_those_of_vex_not),
		TEST(what_is_handed_over_reads_and_writes_the_guests_memory),
		TEST(fault_and_violation_of_what_is_handed_over_are_ours),
		TEST(x87_goes_through_the_stack_of_registers),
		TEST(control_words_are_own_code),
		TEST(flags_of_arithmetic_that_was_handed_over_are_unknown_until_loaded),
		TEST(unmasked_exceptions_are_refused),
		TEST(fxsave_and_fxrstor_keep_all),
		TEST(xsave_and_xrstor_go_by_the_mask),
		TEST(cmpxchg_of_32_bits_leaves_rax_whole),
		TEST(bzhi_beyond_the_operand_keeps_it_and_sets_carry),
		TEST(a_division_that_overflows_is_a_divide_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
