/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of registers and what walks it; address spaces made from registers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/memory.h>
#include <vmitape/registers.h>

static void the_table_covers_each_byte_once_and_in_order(void **state)
{
	size_t covered = 0, end = sizeof(uint64_t); /* past the mask */

	(void)state;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *f = &vmt_reg_fields[i];

		assert_true(f->width == 2 || f->width == 4 || f->width == 8);
		assert_true(f->offset >= end);
		end = f->offset + (size_t)f->width;
		covered += f->width;
	}
	assert_true(end <= sizeof(struct vmt_regs));
	/* What is left is the mask and the 4 bytes of padding in each of the two tables. */
	assert_int_equal(covered, sizeof(struct vmt_regs) - sizeof(uint64_t) - 8);
}

static void each_register_has_a_row_and_the_rows_are_in_order_of_the_bits(void **state)
{
	unsigned next = 0;

	(void)state;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		assert_true(vmt_reg_fields[i].bit == next ||
			    (next > 0 && vmt_reg_fields[i].bit == next - 1));
		if (vmt_reg_fields[i].bit == next)
			next++;
	}
	assert_int_equal(next, VMT_REG_COUNT);
}

static void a_field_is_found_by_its_name_and_names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < vmt_reg_nfields; i++)
		assert_ptr_equal(vmt_reg_field_find(vmt_reg_fields[i].name), &vmt_reg_fields[i]);
	assert_null(vmt_reg_field_find("eax"));
	assert_null(vmt_reg_field_find(""));
}

static void names_stand_for_the_right_members(void **state)
{
	struct vmt_regs regs = {0};

	(void)state;
	regs.gprs.rip = 1;
	regs.cr3 = 2;
	regs.cs.selector = 3;
	regs.ldtr.limit = 4;
	regs.idtr.base = 5;
	regs.tsc_aux = 6;
	assert_int_equal(vmt_reg_get(&regs, vmt_reg_field_find("rip")), 1);
	assert_int_equal(vmt_reg_get(&regs, vmt_reg_field_find("cr3")), 2);
	assert_int_equal(vmt_reg_get(&regs, vmt_reg_field_find("cs.selector")), 3);
	assert_int_equal(vmt_reg_get(&regs, vmt_reg_field_find("ldtr.limit")), 4);
	assert_int_equal(vmt_reg_get(&regs, vmt_reg_field_find("idtr.base")), 5);
	assert_int_equal(vmt_reg_get(&regs, vmt_reg_field_find("tsc_aux")), 6);
}

static void what_is_set_is_got_and_known_and_touches_nothing_else(void **state)
{
	static const uint64_t value = UINT64_C(0xfedcba9876543210);

	(void)state;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *f = &vmt_reg_fields[i];
		struct vmt_regs regs = {0};

		vmt_reg_set(&regs, f, value);
		assert_int_equal(regs.known, VMT_KNOWN(f->bit));
		for (size_t j = 0; j < vmt_reg_nfields; j++) {
			uint64_t want = 0;

			if (i == j)
				want = f->width == 8   ? value
				       : f->width == 4 ? (uint32_t)value
						       : (uint16_t)value;
			assert_int_equal(vmt_reg_get(&regs, &vmt_reg_fields[j]), want);
		}
	}
}

static void sets_differ_in_the_first_field_that_both_know(void **state)
{
	struct vmt_regs a = {.known = VMT_KNOWN_ALL}, b = {.known = VMT_KNOWN_ALL};

	(void)state;
	assert_null(vmt_regs_differ(&a, &b, VMT_KNOWN_ALL));
	b.cs.access = 0x29b;
	b.lstar = 1;
	assert_string_equal(vmt_regs_differ(&a, &b, VMT_KNOWN_ALL)->name, "cs.access");
	a.known &= ~VMT_KNOWN(VMT_REG_CS);
	assert_string_equal(vmt_regs_differ(&a, &b, VMT_KNOWN_ALL)->name, "lstar");
	b.known &= ~VMT_KNOWN(VMT_REG_LSTAR);
	assert_null(vmt_regs_differ(&a, &b, VMT_KNOWN_ALL));
}

static void only_fields_of_the_mask_are_compared(void **state)
{
	struct vmt_regs a = {.known = VMT_KNOWN_ALL}, b = {.known = VMT_KNOWN_ALL};

	(void)state;
	b.gprs.rax = 1;
	b.cr3 = 1;
	assert_string_equal(vmt_regs_differ(&a, &b, VMT_KNOWN(VMT_REG_CR3))->name, "cr3");
	assert_null(vmt_regs_differ(&a, &b, VMT_KNOWN(VMT_REG_CR4)));
	assert_null(vmt_regs_differ(&a, &b, 0));
}

static void the_mask_of_an_event_lacks_what_xen_does_not_send(void **state)
{
	static const enum vmt_reg_bit missing[] = {
		VMT_REG_XCR0,  VMT_REG_DR0,    VMT_REG_DR1,     VMT_REG_DR2,
		VMT_REG_DR3,   VMT_REG_TR,     VMT_REG_LDTR,    VMT_REG_IDTR,
		VMT_REG_CSTAR, VMT_REG_SFMASK, VMT_REG_TSC_AUX, VMT_REG_DR6,
	};
	uint64_t mask = VMT_KNOWN_ALL;

	(void)state;
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		mask &= ~VMT_KNOWN(missing[i]);
	assert_int_equal(VMT_KNOWN_XEN_EVENT, mask);
}

static void the_privilege_level_is_the_dpl_of_ss(void **state)
{
	struct vmt_regs regs = {0};

	(void)state;
	regs.ss.access = 0xc93;
	regs.cs.access = 0x2fb;
	assert_int_equal(vmt_cpl(&regs), 0);
	regs.ss.access = 0xcf3;
	assert_int_equal(vmt_cpl(&regs), 3);
}

/* -------------------------------------------------------------------------------------------- */
/* Spaces                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static const struct {
	uint64_t cr0, cr4, efer;
	struct vmt_space space;
	unsigned pointer_size;
} spaces[] = {
	{VMT_CR0_PE, VMT_CR4_PAE, VMT_EFER_LME, {0, VMT_PAGING_NONE, 0}, 0},
	{VMT_CR0_PE | VMT_CR0_PG, 0, 0, {0x7025, VMT_PAGING_32, 0}, 4},
	{VMT_CR0_PG, VMT_CR4_PSE, VMT_EFER_NXE, {0x7025, VMT_PAGING_32, VMT_SPACE_PSE}, 4},
	{VMT_CR0_PG, VMT_CR4_LA57, 0, {0x7025, VMT_PAGING_32, 0}, 4},
	{VMT_CR0_PG, VMT_CR4_PAE | VMT_CR4_PSE, 0, {0x7025, VMT_PAGING_PAE, 0}, 4},
	{VMT_CR0_PG, VMT_CR4_PAE, VMT_EFER_NXE, {0x7025, VMT_PAGING_PAE, VMT_SPACE_NXE}, 4},
	{VMT_CR0_PG, VMT_CR4_PAE | VMT_CR4_LA57, 0, {0x7025, VMT_PAGING_PAE, 0}, 4},
	{VMT_CR0_PG, VMT_CR4_PAE, VMT_EFER_LMA | VMT_EFER_LME, {0x7025, VMT_PAGING_4, 0}, 8},
	{VMT_CR0_PG,
	 VMT_CR4_PAE | VMT_CR4_PSE,
	 VMT_EFER_LMA | VMT_EFER_NXE,
	 {0x7025, VMT_PAGING_4, VMT_SPACE_NXE},
	 8},
	{VMT_CR0_PG,
	 VMT_CR4_PAE | VMT_CR4_LA57,
	 VMT_EFER_LMA | VMT_EFER_NXE,
	 {0x7025, VMT_PAGING_5, VMT_SPACE_NXE},
	 8},
};

static void a_space_follows_from_the_control_registers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		struct vmt_regs regs = {.known = VMT_KNOWN_XEN_EVENT, .cr3 = 0x7025};
		struct vmt_space space;

		regs.cr0 = spaces[i].cr0;
		regs.cr4 = spaces[i].cr4;
		regs.efer = spaces[i].efer;
		assert_int_equal(vmt_space_from_regs(&regs, &space, NULL), 0);
		assert_int_equal(space.paging, spaces[i].space.paging);
		assert_int_equal(space.flags, spaces[i].space.flags);
		assert_int_equal(space.root, spaces[i].space.root);
		assert_int_equal(vmt_space_pointer_size(space), spaces[i].pointer_size);
	}
}

static void a_space_needs_all_of_cr0_cr3_cr4_and_efer(void **state)
{
	static const enum vmt_reg_bit needed[] = {VMT_REG_CR0, VMT_REG_CR3, VMT_REG_CR4,
						  VMT_REG_EFER};

	(void)state;
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		struct vmt_regs regs = {.known = VMT_KNOWN_ALL & ~VMT_KNOWN(needed[i])};
		struct vmt_space space;
		struct vmt_error err;

		assert_int_equal(vmt_space_from_regs(&regs, &space, &err), -VMT_E_INVALID);
		assert_int_equal(err.status, VMT_E_INVALID);
		assert_non_null(strstr(err.text, "EFER"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_covers_each_byte_once_and_in_order),
		cmocka_unit_test(each_register_has_a_row_and_the_rows_are_in_order_of_the_bits),
		cmocka_unit_test(a_field_is_found_by_its_name_and_names_are_unique),
		cmocka_unit_test(names_stand_for_the_right_members),
		cmocka_unit_test(what_is_set_is_got_and_known_and_touches_nothing_else),
		cmocka_unit_test(sets_differ_in_the_first_field_that_both_know),
		cmocka_unit_test(only_fields_of_the_mask_are_compared),
		cmocka_unit_test(the_mask_of_an_event_lacks_what_xen_does_not_send),
		cmocka_unit_test(the_privilege_level_is_the_dpl_of_ss),
		cmocka_unit_test(a_space_follows_from_the_control_registers),
		cmocka_unit_test(a_space_needs_all_of_cr0_cr3_cr4_and_efer),
	};

	return cmocka_run_group_tests_name("registers", tests, NULL, NULL);
}
