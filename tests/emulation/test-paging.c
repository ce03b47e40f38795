/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page walks and rights: which access faults, with which error code; accessed and dirty bits.
 */
#include "machine.h"

#define LOAD  0x48, 0x8b, 0x03 /* mov rax, [rbx] */
#define STORE 0x48, 0x89, 0x03 /* mov [rbx], rax */
#define INC   0x48, 0xff, 0x03 /* inc qword [rbx] */

static void a_load_reads_what_the_tables_map(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 8, 0x1234);
	m->regs.gprs.rbx = KDATA + 8;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0x1234);
	assert_int_equal(m->regs.gprs.rip, KCODE + 3);
}

static void a_store_is_logged_and_written_by_commit_alone(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 0, 7);
	m->regs.gprs.rax = 9;
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE);
	assert_int_equal(machine_get(m, KDATA_GFN, 0), 7);
	assert_int_equal(m->r.nwrites, 1);
	assert_int_equal(m->r.writes[0].gpa.a, (uint64_t)KDATA_GFN << 12);
	assert_int_equal(m->r.writes[0].old[0], 7);
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 0), 9);
}

static void an_entry_that_is_not_present_faults_with_error_0(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KDATA) = 0;
	m->regs.gprs.rbx = KDATA + 0x10;
	STEP(m, LOAD);
	assert_page_fault(m, 0, KDATA + 0x10);
}

static void a_store_where_nothing_is_present_has_the_write_bit(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KDATA) = 0;
	STEP(m, STORE);
	assert_page_fault(m, 2, KDATA);
}

static void an_operand_that_is_read_and_written_faults_as_a_write(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KDATA) &= ~(uint64_t)W;
	STEP(m, INC);
	assert_page_fault(m, 3, KDATA);
}

static void a_store_to_a_read_only_page_faults_with_error_3(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KDATA) &= ~(uint64_t)W;
	STEP(m, STORE);
	assert_page_fault(m, 3, KDATA);
}

static void without_wp_the_kernel_writes_to_read_only_pages(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KDATA) &= ~(uint64_t)W;
	m->regs.cr0 &= ~VMT_CR0_WP;
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE);
}

static void without_wp_a_user_write_to_a_read_only_page_still_faults(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->regs.cr0 &= ~VMT_CR0_WP;
	m->regs.gprs.rbx = UDATA + 0x1000;
	STEP(m, STORE);
	assert_page_fault(m, 7, UDATA + 0x1000);
}

static void a_user_load_of_a_kernel_page_faults_with_error_5(void **state)
{
	struct machine *m = *state;

	machine_reset(m, true);
	m->regs.gprs.rbx = KDATA;
	STEP(m, LOAD);
	assert_page_fault(m, 5, KDATA);
}

static void smap_keeps_the_kernel_from_user_pages(void **state)
{
	struct machine *m = *state;

	m->regs.cr4 |= VMT_CR4_SMAP;
	m->regs.gprs.rbx = UDATA;
	STEP(m, LOAD);
	assert_page_fault(m, 1, UDATA);
}

static void smap_is_lifted_by_the_ac_flag(void **state)
{
	struct machine *m = *state;

	m->regs.cr4 |= VMT_CR4_SMAP;
	m->regs.gprs.rflags |= UINT64_C(1) << 18;
	m->regs.gprs.rbx = UDATA;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
}

static void the_ac_flag_is_looked_at_anew_for_a_kept_translation(void **state)
{
	struct machine *m = *state;

	m->regs.cr4 |= VMT_CR4_SMAP;
	m->regs.gprs.rflags |= UINT64_C(1) << 18;
	m->regs.gprs.rbx = UDATA;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	m->regs.gprs.rflags = 2;
	STEP(m, LOAD);
	assert_page_fault(m, 1, UDATA);
}

static void smep_keeps_the_kernel_from_executing_user_pages(void **state)
{
	struct machine *m = *state;

	m->regs.cr4 |= VMT_CR4_SMEP;
	m->regs.gprs.rip = UCODE;
	machine_go(m);
	assert_page_fault(m, 0x11, UCODE);
}

static void nx_faults_with_error_11(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rip = KDATA;
	machine_go(m);
	assert_page_fault(m, 0x11, KDATA);
}

static void nx_is_a_reserved_bit_without_nxe(void **state)
{
	struct machine *m = *state;

	m->regs.efer &= ~VMT_EFER_NXE;
	STEP(m, LOAD);
	assert_page_fault(m, 9, KDATA);
}

static void an_address_that_is_not_canonical_is_a_general_protection_fault(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rbx = UINT64_C(0x800000000000);
	STEP(m, LOAD);
	assert_fault(m, 13, 0);
}

static void the_same_by_way_of_the_stack_is_a_stack_fault(void **state)
{
	struct machine *m = *state;

	m->regs.gprs.rsp = UINT64_C(0x800000000000);
	STEP(m, 0x58); /* pop rax */
	assert_fault(m, 12, 0);
	assert_int_equal(m->regs.gprs.rsp, UINT64_C(0x800000000000));
}

static void a_walk_sets_the_accessed_and_dirty_bits(void **state)
{
	struct machine *m = *state;
	uint64_t *pte = machine_pte(m, KDATA);

	*pte &= ~(uint64_t)(A | D);
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(*pte & (A | D), 0);
	machine_commit(m);
	assert_int_equal(*pte & (A | D), A);
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE);
	machine_commit(m);
	assert_int_equal(*pte & (A | D), A | D);
}

static void a_step_that_was_dropped_leaves_the_bits_to_the_next_one(void **state)
{
	struct machine *m = *state;
	uint64_t *pte = machine_pte(m, KDATA);

	*pte &= ~(uint64_t)D;
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE); /* not committed */
	m->regs.gprs.rip = KCODE;
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE);
	machine_commit(m);
	assert_true(*pte & D);
}

static void a_page_of_2_mib_is_walked_and_its_low_bits_are_reserved(void **state)
{
	struct machine *m = *state;
	uint64_t gva = UINT64_C(0xffffff8040000000), *pde;

	(void)machine_pte(m, gva);
	/* The PD is the third table that was made for this address. */
	pde = (uint64_t *)(void *)machine_at(m, m->next_table - 2, 0);
	*pde = UINT64_C(0x200000) | P | W | A | D | PS;
	machine_put(m, 0x200 + 5, 0x18, 0x55);
	m->regs.gprs.rbx = gva + UINT64_C(0x5018);
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0x55);
	*pde |= 0x2000;
	m->regs.gprs.rip = KCODE;
	STEP(m, LOAD);
	assert_page_fault(m, 9, m->regs.gprs.rbx);
}

static void five_levels_are_walked(void **state)
{
	struct machine *m = *state;

	machine_put(m, 0xf0, 511 * 8, (uint64_t)PML4_GFN << 12 | P | W | U | A);
	m->regs.cr3 = UINT64_C(0xf0) << 12;
	m->regs.cr4 |= VMT_CR4_LA57;
	machine_put(m, KDATA_GFN, 0, 0x77);
	*machine_at(m, KCODE_GFN, 0) = 0x48;
	*machine_at(m, KCODE_GFN, 1) = 0x8b;
	*machine_at(m, KCODE_GFN, 2) = 0x03;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 0x77);
}

static void a_load_over_a_page_end_reads_both_pages(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 0xff8, UINT64_C(0x1122334400000000));
	machine_put(m, KDATA_GFN + 1, 0, 0x55667788);
	m->regs.gprs.rbx = KDATA + 0xffc;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, UINT64_C(0x5566778811223344));
}

static void a_store_over_a_page_end_that_faults_leaves_the_first_page(void **state)
{
	struct machine *m = *state;

	*machine_pte(m, KDATA + 0x1000) &= ~(uint64_t)W;
	m->regs.gprs.rbx = KDATA + 0xffc;
	m->regs.gprs.rax = UINT64_MAX;
	STEP(m, STORE);
	assert_page_fault(m, 3, KDATA + 0x1000);
	machine_commit(m);
	assert_int_equal(machine_get(m, KDATA_GFN, 0xff8), 0);
}

static void a_hole_reads_as_ones_and_takes_no_bytes(void **state)
{
	struct machine *m = *state;

	m->absent[KDATA_GFN] = true;
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, UINT64_MAX);
	m->regs.gprs.rip = KCODE;
	assert_int_equal(STEP(m, STORE), VMT_STEP_DONE);
	assert_int_equal(m->r.nwrites, 0);
}

static void a_changed_entry_counts_at_once(void **state)
{
	struct machine *m = *state;

	machine_put(m, KDATA_GFN, 0, 1);
	machine_put(m, KDATA_GFN + 1, 0, 2);
	assert_int_equal(STEP(m, LOAD), VMT_STEP_DONE);
	machine_map(m, KDATA, KDATA_GFN + 1, P | A);
	m->regs.gprs.rip = KCODE;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->regs.gprs.rax, 2);
}

static void kept_translations_ask_no_second_time(void **state)
{
	struct machine *m = *state;

	CODE(m, LOAD, LOAD);
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	m->asked = 0;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_int_equal(m->asked, 0);
	m->generation++;
	m->regs.gprs.rip = KCODE;
	assert_int_equal(machine_go(m), VMT_STEP_DONE);
	assert_true(m->asked > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, machine_setup, machine_teardown)
		TEST(a_load_reads_what_the_tables_map),
		TEST(a_store_is_logged_and_written_by_commit_alone),
		TEST(an_entry_that_is_not_present_faults_with_error_0),
		TEST(a_store_where_nothing_is_present_has_the_write_bit),
		TEST(an_operand_that_is_read_and_written_faults_as_a_write),
		TEST(a_store_to_a_read_only_page_faults_with_error_3),
		TEST(without_wp_the_kernel_writes_to_read_only_pages),
		TEST(without_wp_a_user_write_to_a_read_only_page_still_faults),
		TEST(a_user_load_of_a_kernel_page_faults_with_error_5),
		TEST(smap_keeps_the_kernel_from_user_pages),
		TEST(smap_is_lifted_by_the_ac_flag),
		TEST(the_ac_flag_is_looked_at_anew_for_a_kept_translation),
		TEST(smep_keeps_the_kernel_from_executing_user_pages),
		TEST(nx_faults_with_error_11),
		TEST(nx_is_a_reserved_bit_without_nxe),
		TEST(an_address_that_is_not_canonical_is_a_general_protection_fault),
		TEST(the_same_by_way_of_the_stack_is_a_stack_fault),
		TEST(a_walk_sets_the_accessed_and_dirty_bits),
		TEST(a_step_that_was_dropped_leaves_the_bits_to_the_next_one),
		TEST(a_page_of_2_mib_is_walked_and_its_low_bits_are_reserved),
		TEST(five_levels_are_walked),
		TEST(a_load_over_a_page_end_reads_both_pages),
		TEST(a_store_over_a_page_end_that_faults_leaves_the_first_page),
		TEST(a_hole_reads_as_ones_and_takes_no_bytes),
		TEST(a_changed_entry_counts_at_once),
		TEST(kept_translations_ask_no_second_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
