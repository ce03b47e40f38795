/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where instructions come from: page ends, bytes that change, prefixes, and what is refused.
 */
#include <string.h>

#include "machine.h"

static void an_instruction_over_a_page_end_is_executed(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rip = KCODE + 0xffd;
	memcpy(machine_at(m, KCODE_GFN, 0xffd), (const uint8_t[]){0x48, 0xb8, 0x0a}, 3);
	memcpy(machine_at(m, KCODE_GFN + 1, 0), (const uint8_t[]){1, 2, 3, 4, 5, 6, 7}, 7);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, UINT64_C(0x070605040302010a));
	assert_int_equal(m->regs.gprs.rip, KCODE + 0x1007);
	assert_int_equal(m->r.insn_length, 10);
}

static void an_instruction_into_a_page_that_is_not_present_faults_there(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KCODE + 0x1000) = 0;
	m->regs.gprs.rip = KCODE + 0xffe;
	memcpy(machine_at(m, KCODE_GFN, 0xffe), (const uint8_t[]){0x48, 0xb8}, 2);
	machine_go(m);
	assert_page_fault(m, 0x10, KCODE + 0x1000);
	memcpy(machine_at(m, KCODE_GFN, 0xffe), (const uint8_t[]){0x90, 0x90}, 2);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	machine_go(m);
	assert_page_fault(m, 0x10, KCODE + 0x1000);
}

static void bytes_that_change_are_executed_as_they_are(void **state)
{
	struct machine *m = *state;

	for (unsigned i = 0; i < 4; i++) {
		m->regs.gprs.rip = KCODE;
		m->regs.gprs.rax = 10;
		if (i & 1)
			CODE(m, 0x48, 0xff, 0xc8); /* dec rax */
		else
			CODE(m, 0x48, 0xff, 0xc0);
		assert_int_equal(machine_go(m), VMT_STEP_DONE);
		assert_int_equal(m->regs.gprs.rax, i & 1 ? 9 : 11);
	}
	m->regs.gprs.rip = KCODE;
	CODE(m, 0xcc);
	assert_int_equal(machine_go(m), VMT_STEP_TRAP);
}

static void bytes_that_change_are_handed_over_as_they_are(void **state)
{
	struct machine *m = *state;

	m->cpu.fpu.ymm[1].q[0] = UINT64_C(0x4000000000000000); /* 2.0 */
	for (unsigned i = 0; i < 4; i++) {
		m->regs.gprs.rip = KCODE;
		m->cpu.fpu.ymm[0].q[0] = UINT64_C(0x4010000000000000); /* 4.0 */
		if (i & 1)
			CODE(m, 0xf2, 0x0f, 0x58, 0xc1); /* addsd xmm0, xmm1 */
		else
			CODE(m, 0xf2, 0x0f, 0x59, 0xc1); /* mulsd */
		assert_int_equal(machine_go(m), VMT_STEP_DONE);
		assert_int_equal(m->cpu.fpu.ymm[0].q[0], i & 1 ? UINT64_C(0x4018000000000000)
							       : UINT64_C(0x4020000000000000));
	}
}

static void code_that_writes_itself_sees_what_it_wrote(void **state)
{
	struct machine *m = *state;

	machine_map(m, KCODE, KCODE_GFN, P | W | A | D);
	m->regs.gprs.rbx = KCODE + 3;
	m->regs.gprs.rax = UINT64_C(0x90909090c1ff48); /* inc rcx */
	CODE(m, 0x48, 0x89, 0x03, 0xf4);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rcx, 1);
}

static void another_cr3_shows_other_code_at_the_same_address(void **state)
{
	struct machine *m = *state;
	uint64_t other = 0xf0;

	CODE(m, 0x90);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	m->regs.cr3 = other << 12;
	machine_map(m, KCODE, 0x3f0, P | A);
	*machine_at(m, 0x3f0, 0) = 0xf4;
	m->regs.gprs.rip = KCODE;
	assert_int_equal(machine_go(m), VMT_STEP_HALT);
	m->regs.cr3 = (uint64_t)PML4_GFN << 12;
	m->regs.gprs.rip = KCODE;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
}

static void an_instruction_of_more_than_15_bytes_is_a_general_protection_fault(void **state)
{
	struct machine *m = *state;

	STEP(m, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
	     0x66, 0x90);
	assert_fault(m, 13, 0);
	assert_int_equal(STEP(m, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66,
			      0x66, 0x66, 0x66, 0x90),
			 VMT_STEP_DONE);
}

static void a_lock_prefix_where_none_may_be_is_undefined(void **state)
{
	struct machine *m = *state;

	STEP(m, 0xf0, 0x90);
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	STEP(m, 0xf0, 0x01, 0xc0); /* lock add eax, eax */
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	STEP(m, 0xf0, 0x39, 0x03); /* lock cmp [rbx], eax */
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	STEP(m, 0xf0, 0x03, 0x03); /* lock add eax, [rbx] */
	assert_fault(m, 6, VMT_NO_ERROR_CODE);
	assert_int_equal(STEP(m, 0xf0, 0x01, 0x03), VMT_STEP_DONE);
}

static void instructions_of_32_bit_code_are_undefined_in_64_bit_mode(void **state)
{
	static const uint8_t gone[] = {0x06, 0x0e, 0x16, 0x1e, 0x27, 0x2f, 0x37,
				       0x3f, 0x60, 0x61, 0x82, 0xce, 0xd4, 0xd5};
	struct machine *m = *state;

	for (unsigned i = 0; i < sizeof(gone); i++) {
		machine_step(m, &gone[i], 1);
		assert_fault(m, 6, VMT_NO_ERROR_CODE);
	}
}

static void what_is_not_on_the_list_is_refused_with_its_bytes(void **state)
{
	struct machine *m = *state;
	char text[128];

	assert_int_equal(STEP(m, 0x0f, 0xc7, 0xf0), VMT_STEP_UNSUPPORTED); /* rdrand eax */
	assert_int_equal(m->r.insn_length, 3);
	assert_int_equal(m->r.insn[2], 0xf0);
	assert_int_equal(m->regs.gprs.rip, KCODE);
	vmt_step_format(&m->r, text, sizeof(text));
	assert_non_null(strstr(text, "0f c7 f0"));
	assert_int_equal(STEP(m, 0x62, 0xf1, 0x7c, 0x48, 0x10, 0xc1), VMT_STEP_UNSUPPORTED);
	assert_int_equal(STEP(m, 0xc5, 0xf4, 0x58, 0xc2), VMT_STEP_UNSUPPORTED); /* vaddps */
	assert_int_equal(STEP(m, 0x0f, 0x0a), VMT_STEP_UNSUPPORTED);
}

static void a_branch_to_an_address_that_is_not_canonical_faults_where_it_stands(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rax = UINT64_C(0x800000000000);
	STEP(m, 0xff, 0xe0); /* jmp rax */
	assert_fault(m, 13, 0);
	assert_int_equal(m->regs.gprs.rip, KCODE);
	STEP(m, 0xff, 0xd0); /* call rax */
	assert_fault(m, 13, 0);
	assert_int_equal(m->regs.gprs.rsp, KSTACK);
}

static void a_branch_is_done_before_its_target_is_looked_at(void **state)
{
	struct machine *m = *state;

	m->missing[KCODE_GFN + 1] = true;
	assert_int_equal(STEP(m, 0xe9, 0xfb, 0x0f, 0, 0), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, KCODE + 0x1000);
	assert_int_equal(machine_go(m), VMT_STEP_MISSING);
}

static void addresses_relative_to_rip_count_from_the_next_instruction(void **state)
{
	struct machine *m = *state;

	CODE(m, 0x48, 0x8b, 0x05, 1, 0, 0, 0, 0xff, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, UINT64_C(0x1122334455667788));
}

static void fs_and_gs_add_their_bases(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 0x28, 0x99);
	m->regs.gs.base = KDATA;
	assert_int_equal(STEP(m, 0x65, 0x48, 0x8b, 0x04, 0x25, 0x28, 0, 0, 0), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0x99);
}

static void a_failed_step_leaves_all_registers(void **state)
{
	struct machine *m = *state;
	struct vmt_regs before;
	struct vmt_fpu fpu;

	m->missing[KDATA_GFN] = true;
	m->regs.gprs.rsi = m->regs.gprs.rdi = KDATA;
	m->regs.gprs.rcx = 3;
	before = m->regs;
	fpu = m->cpu.fpu;
	STEP(m, 0xf3, 0xa4);             /* rep movsb */
	STEP(m, 0xff, 0x33);             /* push [rbx] */
	STEP(m, 0x8f, 0x03);             /* pop [rbx] */
	STEP(m, 0x48, 0x87, 0x03);       /* xchg */
	STEP(m, 0x48, 0x0f, 0xc7, 0x0b); /* cmpxchg16b */
	STEP(m, 0xdb, 0x2b);             /* fld tbyte [rbx] */
	STEP(m, 0x0f, 0xae, 0x0b);       /* fxrstor [rbx] */
	STEP(m, 0xf3, 0x0f, 0x6f, 0x03); /* movdqu */
	STEP(m, 0x0f, 0x01, 0x13);       /* lgdt */
	assert_int_equal(m->r.outcome, VMT_STEP_MISSING);
	assert_memory_equal(&m->regs, &before, sizeof(before));
	assert_memory_equal(&m->cpu.fpu, &fpu, sizeof(fpu));
}

static void a_string_move_is_one_iteration_a_step(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rsi = KDATA;
	m->regs.gprs.rdi = KDATA + 0x100;
	m->regs.gprs.rcx = 2;
	machine_put(m, KDATA_GFN, 0, 0x2211);
	assert_int_equal(STEP(m, 0xf3, 0xa4), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, KCODE);
	assert_int_equal(m->regs.gprs.rcx, 1);
	machine_commit(m);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rip, KCODE + 2);
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 0x100), 0x2211);
	m->regs.gprs.rip = KCODE;
	assert_int_equal(machine_go(m), VMT_STEP_DONE); /* a count of 0 does nothing */
	assert_int_equal(m->r.nwrites, 0);
	assert_int_equal(m->regs.gprs.rip, KCODE + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(an_instruction_over_a_page_end_is_executed),
		TEST(an_instruction_into_a_page_that_is_not_present_faults_there),
		TEST(bytes_that_change_are_executed_as_they_are),
		TEST(bytes_that_change_are_handed_over_as_they_are),
		TEST(code_that_writes_itself_sees_what_it_wrote),
		TEST(another_cr3_shows_other_code_at_the_same_address),
		TEST(an_instruction_of_more_than_15_bytes_is_a_general_protection_fault),
		TEST(a_lock_prefix_where_none_may_be_is_undefined),
		TEST(instructions_of_32_bit_code_are_undefined_in_64_bit_mode),
		TEST(what_is_not_on_the_list_is_refused_with_its_bytes),
		TEST(a_branch_to_an_address_that_is_not_canonical_faults_where_it_stands),
		TEST(a_branch_is_done_before_its_target_is_looked_at),
		TEST(addresses_relative_to_rip_count_from_the_next_instruction),
		TEST(fs_and_gs_add_their_bases),
		TEST(a_failed_step_leaves_all_registers),
		TEST(a_string_move_is_one_iteration_a_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
