/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Views: rights of pages, remapping, pages that are missing, and who is told what.
 */
#include <string.h>

#include "machine.h"

#define LOAD  0x48, 0x8b, 0x03 /* mov rax, [rbx] */
#define STORE 0x48, 0x89, 0x03 /* mov [rbx], rax */

static void assert_stop(const struct machine *m, int outcome, uint64_t gfn, unsigned access)
{
	assert_int_equal(m->r.outcome, outcome);
	assert_int_equal(m->r.at.gpa.a >> 12, gfn);
	assert_int_equal(m->r.at.access, access);
	assert_int_equal(m->r.nwrites, 0);
	assert_int_equal(m->regs.gprs.rip, KCODE);
}

static void a_load_passes_a_page_that_may_be_read_and_a_store_does_not(void **state)
{
	struct machine *m = *state;

	m->rights[KDATA_GFN] = VMT_R;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	m->regs.gprs.rip = KCODE;
	STEP(m, STORE);
	assert_stop(m, VMT_STEP_VIOLATION, KDATA_GFN, VMT_W);
	assert_int_equal(m->r.at.gva.a, KDATA);
	assert_int_equal(m->r.at.flags, VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA);
}

static void read_and_written_operands_ask_for_both(void **state)
{
	struct machine *m = *state;

	m->rights[KDATA_GFN] = VMT_R;
	STEP(m, 0x48, 0xff, 0x03); /* inc qword [rbx] */
	assert_stop(m, VMT_STEP_VIOLATION, KDATA_GFN, VMT_RW);
}

static void a_page_that_may_only_be_executed_runs_and_is_not_read(void **state)
{
	struct machine *m = *state;

	m->rights[KCODE_GFN] = VMT_X;
	assert_int_equal(STEP(m, 0x90), VMT_STEP_DONE);
	m->regs.gprs.rip = KCODE;
	STEP(m, 0x48, 0x8b, 0x05, 0, 0, 0, 0); /* mov rax, [rip] */
	assert_stop(m, VMT_STEP_VIOLATION, KCODE_GFN, VMT_R);
}

static void a_page_that_may_not_be_executed_stops_the_fetch(void **state)
{
	struct machine *m = *state;

	m->rights[KCODE_GFN] = VMT_RW;
	STEP(m, 0x90);
	assert_stop(m, VMT_STEP_VIOLATION, KCODE_GFN, VMT_X);
}

static void a_guest_fault_comes_before_a_violation(void **state)
{
	struct machine *m = *state;

	m->rights[KDATA_GFN] = 0;
	*machine_pte(m, KDATA) &= ~(uint64_t)W;
	STEP(m, STORE);
	assert_page_fault(m, 3, KDATA);
}

static void a_table_that_may_not_be_read_stops_the_walk(void **state)
{
	struct machine *m = *state;

	m->rights[PML4_GFN] = 0;
	STEP(m, 0x90);
	assert_stop(m, VMT_STEP_VIOLATION, PML4_GFN, VMT_R);
	assert_int_equal(m->r.at.flags, VMT_MEM_GVA_VALID | VMT_MEM_IN_WALK);
	assert_int_equal(m->r.at.gva.a, KCODE);
}

static void a_table_that_may_not_be_written_stops_the_accessed_bit(void **state)
{
	struct machine *m = *state;
	uint64_t *pte = machine_pte(m, KDATA);
	uint64_t table = (uint64_t)((uint8_t *)pte - m->ram) >> 12;

	m->rights[table] = VMT_R;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	*pte &= ~(uint64_t)A;
	m->regs.gprs.rip = KCODE;
	machine_go(m);
	assert_stop(m, VMT_STEP_VIOLATION, table, VMT_RW);
	assert_true(m->r.at.flags & VMT_MEM_IN_WALK);
}

static void changed_rights_count_when_the_generation_says_so(void **state)
{
	struct machine *m = *state;

	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	m->rights[KDATA_GFN] = 0;
	m->generation++;
	m->regs.gprs.rip = KCODE;
	machine_go(m);
	assert_stop(m, VMT_STEP_VIOLATION, KDATA_GFN, VMT_R);
}

static void a_remapped_page_is_the_one_that_is_executed(void **state)
{
	struct machine *m = *state;

	CODE(m, 0x90);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	memcpy(machine_at(m, 0x3f0, 0), machine_at(m, KCODE_GFN, 0), 4096);
	*machine_at(m, 0x3f0, 0) = 0xcc;
	m->remap[KCODE_GFN] = 0x3f0;
	m->generation++;
	m->regs.gprs.rip = KCODE;
	assert_int_equal(machine_go(m), VMT_STEP_TRAP);
	m->remap[KCODE_GFN] = 0;
	m->generation++;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
}

static void a_store_to_a_remapped_page_goes_there_and_names_both(void **state)
{
	struct machine *m = *state;

	m->remap[KDATA_GFN] = 0x3f1;
	m->regs.gprs.rax = 5;
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 0), 0);
	assert_int_equal(machine_get(m, 0x3f1, 0), 5);
	assert_int_equal(m->r.writes[0].gpa.a >> 12, KDATA_GFN);
	assert_int_equal(m->r.writes[0].page.n, 0x3f1);
}

static void a_missing_data_page_is_named(void **state)
{
	struct machine *m = *state;

	m->missing[KDATA_GFN] = true;
	m->regs.gprs.rax = 1;
	STEP(m, LOAD);
	assert_stop(m, VMT_STEP_MISSING, KDATA_GFN, VMT_R);
	assert_int_equal(m->r.missing_register, -1);
	assert_int_equal(m->regs.gprs.rax, 1);
}

static void a_missing_page_table_is_not_a_page_fault(void **state)
{
	struct machine *m = *state;
	uint64_t table = (uint64_t)((uint8_t *)machine_pte(m, KDATA) - m->ram) >> 12;

	m->missing[table] = true;
	STEP(m, 0x90);
	assert_stop(m, VMT_STEP_MISSING, table, VMT_R);
	assert_true(m->r.at.flags & VMT_MEM_IN_WALK);
}

static void a_missing_code_page_is_named(void **state)
{
	struct machine *m = *state;

	m->missing[KCODE_GFN] = true;
	STEP(m, 0x90);
	assert_stop(m, VMT_STEP_MISSING, KCODE_GFN, VMT_X);
}

static void a_missing_second_page_counts_only_when_it_is_needed(void **state)
{
	struct machine *m = *state;

	m->missing[KCODE_GFN + 1] = true;
	m->regs.gprs.rip = KCODE + 0xfff;
	*machine_at(m, KCODE_GFN, 0xfff) = 0x90;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	m->regs.gprs.rip = KCODE + 0xfff;
	*machine_at(m, KCODE_GFN, 0xfff) = 0xb8;
	assert_int_equal(machine_go(m), VMT_STEP_MISSING);
	assert_int_equal(m->r.at.gpa.a >> 12, KCODE_GFN + 1);
}

static void emulation_sets_rights_aside_and_not_remapping(void **state)
{
	struct machine *m = *state;

	m->rights[KDATA_GFN] = 0;
	m->remap[KDATA_GFN] = 0x3f2;
	machine_put(m, 0x3f2, 0, 8);
	m->how.flags = VMT_STEP_NO_RIGHTS;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 8);
	m->how.flags = 0;
	m->regs.gprs.rip = KCODE;
	machine_go(m);
	assert_stop(m, VMT_STEP_VIOLATION, KDATA_GFN, VMT_R);
}

static void emulation_with_read_data_reads_no_page(void **state)
{
	struct machine *m = *state;

	m->rights[KDATA_GFN] = 0;
	m->how.read_data = (const uint8_t[]){1, 2, 3};
	m->how.read_len = 3;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0x030201);
}

static void each_read_of_an_instruction_gets_the_same_data(void **state)
{
	struct machine *m = *state;

	m->how.read_data = (const uint8_t[]){7};
	m->how.read_len = 1;
	m->regs.gprs.rsi = KDATA;
	m->regs.gprs.rdi = KDATA + 8;
	assert_int_equal(STEP(m, 0xa6), VMT_STEP_DONE); /* cmpsb */
	assert_int_equal(m->regs.gprs.rflags & 0x40, 0x40);
}

static void emulation_with_instruction_bytes_does_not_read_those_at_rip(void **state)
{
	struct machine *m = *state;

	m->missing[KCODE_GFN] = true;
	m->how.insn = (const uint8_t[]){0x48, 0xff, 0xc0}; /* inc rax */
	m->how.insn_len = 3;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 1);
	assert_int_equal(m->regs.gprs.rip, KCODE + 3);
}

static void a_dry_run_changes_nothing_and_lists_each_page(void **state)
{
	struct machine *m = *state;
	struct vmt_regs before = m->regs;
	bool data = false, code = false, walk = false;

	m->how.flags = VMT_STEP_DRY;
	for (int i = 0; i < 2; i++) { /* the second time with kept translations */
		assert_int_equal(STEP(m, 0x48, 0xff, 0x03), VMT_STEP_DONE);
		assert_memory_equal(&m->regs, &before, sizeof(before));
		assert_int_equal(m->r.nwrites, 1);
		for (unsigned k = 0; k < m->r.naccesses; k++) {
			const struct vmt_step_access *a = &m->r.accesses[k];

			data |= a->gfn.n == KDATA_GFN && a->access == VMT_RW;
			code |= a->gfn.n == KCODE_GFN && a->access == VMT_X;
			walk |= a->gfn.n == PML4_GFN && a->flags == VMT_MEM_IN_WALK;
		}
		assert_true(data && code && walk);
		data = code = walk = false;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(a_load_passes_a_page_that_may_be_read_and_a_store_does_not),
		TEST(read_and_written_operands_ask_for_both),
		TEST(a_page_that_may_only_be_executed_runs_and_is_not_read),
		TEST(a_page_that_may_not_be_executed_stops_the_fetch),
		TEST(a_guest_fault_comes_before_a_violation),
		TEST(a_table_that_may_not_be_read_stops_the_walk),
		TEST(a_table_that_may_not_be_written_stops_the_accessed_bit),
		TEST(changed_rights_count_when_the_generation_says_so),
		TEST(a_remapped_page_is_the_one_that_is_executed),
		TEST(a_store_to_a_remapped_page_goes_there_and_names_both),
		TEST(a_missing_data_page_is_named),
		TEST(a_missing_page_table_is_not_a_page_fault),
		TEST(a_missing_code_page_is_named),
		TEST(a_missing_second_page_counts_only_when_it_is_needed),
		TEST(emulation_sets_rights_aside_and_not_remapping),
		TEST(emulation_with_read_data_reads_no_page),
		TEST(each_read_of_an_instruction_gets_the_same_data),
		TEST(emulation_with_instruction_bytes_does_not_read_those_at_rip),
		TEST(a_dry_run_changes_nothing_and_lists_each_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
