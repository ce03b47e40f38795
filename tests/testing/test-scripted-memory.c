/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scripted domain's memory and page tables, and what it says of itself.
 */
#include <stdlib.h>

#include "core/walk.h"

#include "domain.h"

/* -------------------------------------------------------------------------------------------- */
/* Pages                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void a_domain_describes_itself(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 4,
									  .pages = 16,
									  .seed = 77,
									  .start_ns = 1000,
									  .xen_minor = 18,
									  .xen_major = 4});
	struct vmt_info info;
	uint64_t ns = 7;

	(void)state;
	vmt_assert_ok(vmt_driver_info(d, &info), &d->err);
	assert_int_equal(info.arch, VMT_ARCH_X86_64);
	assert_int_equal(info.vcpus, 4);
	assert_int_equal(info.max_gfn, 15);
	assert_int_equal(info.seed, 77);
	assert_int_equal(info.now, 1000);
	assert_int_equal(info.xen_minor, 18);
	assert_string_equal(info.backend, "scripted");
	assert_true(info.capabilities & VMT_CAP_VIEWS);
	vmt_assert_ok(vmt_driver_overhead(d, &ns), &d->err);
	assert_int_equal(ns, 0);
	vmt_driver_close(d);
}

static void an_unknown_xen_is_refused(void **state)
{
	const struct vmt_scripted_config config = {.xen_major = 3, .xen_minor = 2};
	struct vmt_driver *d;
	struct vmt_error err;

	(void)state;
	vmt_assert_refused(vmt_scripted_create(&config, &d, &err), &err, VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(err.text, "3.2"));
}

static void too_much_ram_is_refused(void **state)
{
	struct vmt_scripted_config config = {.pages = VMT_SCRIPTED_PAGES_MAX};
	struct vmt_driver *d;
	struct vmt_error err;

	(void)state;
	vmt_assert_ok(vmt_scripted_create(&config, &d, &err), &err);
	vmt_assert_ok(vmt_scripted_write(d, vmt_gpa_from((UINT64_C(1) << 34) - 1), "x", 1),
		      &d->err);
	vmt_driver_close(d);
	config.pages++;
	vmt_assert_refused(vmt_scripted_create(&config, &d, &err), &err, VMT_E_LIMIT);
}

static void a_config_may_be_left_out(void **state)
{
	struct vmt_driver *d;
	struct vmt_info info;
	struct vmt_error err;

	(void)state;
	vmt_assert_ok(vmt_scripted_create(NULL, &d, &err), &err);
	vmt_assert_ok(vmt_driver_info(d, &info), &d->err);
	assert_int_equal(info.vcpus, 1);
	assert_int_equal(info.max_gfn, VMT_SCRIPTED_PAGES - 1);
	assert_int_equal(info.xen_major, 4);
	assert_int_equal(info.xen_minor, 17);
	vmt_driver_close(d);
}

static void ram_begins_as_zeros(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.pages = 3});
	static const uint8_t zeros[3 * VMT_PAGE_SIZE];
	static uint8_t there[3 * VMT_PAGE_SIZE];

	(void)state;
	memset(there, 0xff, sizeof(there));
	vmt_assert_ok(vmt_scripted_read(d, vmt_gpa_from(0), there, sizeof(there)), &d->err);
	assert_memory_equal(there, zeros, sizeof(zeros));
	assert_int_equal(vmt_scripted_read(d, vmt_gpa_from(0x2fff), there, 2), -VMT_E_UNMAPPED);
	vmt_driver_close(d);
}

static void the_test_reads_and_writes_over_page_ends(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	char there[6] = {0};

	(void)state;
	vmt_assert_ok(vmt_scripted_write(d, vmt_gpa_from(0x1ffd), "abcde", 5), &d->err);
	vmt_assert_ok(vmt_scripted_read(d, vmt_gpa_from(0x1ffd), there, 5), &d->err);
	assert_string_equal(there, "abcde");
	vmt_assert_ok(vmt_scripted_fill(d, vmt_gpa_from(0x2fff), 0x77, 0x1002), &d->err);
	vmt_assert_memory(d, vmt_gpa_from(0x2ffe), 0, 0x77);
	vmt_assert_memory(d, vmt_gpa_from(0x4000), 0x77, 0);
	vmt_driver_close(d);
}

static void a_write_that_cannot_be_done_does_nothing(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.pages = 2});

	(void)state;
	vmt_assert_refused(vmt_scripted_write(d, vmt_gpa_from(0x1fff), "ab", 2), &d->err,
			   VMT_E_UNMAPPED);
	assert_non_null(strstr(d->err.text, "gfn 0x2"));
	vmt_assert_memory(d, vmt_gpa_from(0x1fff), 0);
	vmt_assert_refused(vmt_scripted_write(d, vmt_gpa_from(UINT64_MAX), "ab", 2), &d->err,
			   VMT_E_INVALID);
	vmt_driver_close(d);
}

static void pages_come_and_go(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_info info;
	uint8_t byte = 7;

	(void)state;
	vmt_assert_refused(vmt_driver_read(d, vmt_gfn_from(0xfee00), 0, &byte, 1), &d->err,
			   VMT_E_UNMAPPED);
	vmt_assert_ok(vmt_scripted_add_gfn(d, vmt_gfn_from(0xfee00)), &d->err);
	vmt_assert_ok(vmt_driver_read(d, vmt_gfn_from(0xfee00), 0, &byte, 1), &d->err);
	assert_int_equal(byte, 0);
	vmt_assert_ok(vmt_driver_info(d, &info), &d->err);
	assert_int_equal(info.max_gfn, 0xfee00);
	vmt_scripted_write(d, vmt_gpa_from(0x3000), "x", 1);
	vmt_assert_ok(vmt_scripted_add_gfn(d, vmt_gfn_from(3)), &d->err);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x'); /* it was there already */
	vmt_assert_ok(vmt_scripted_remove_gfn(d, vmt_gfn_from(3)), &d->err);
	vmt_assert_refused(vmt_driver_read(d, vmt_gfn_from(3), 0, &byte, 1), &d->err,
			   VMT_E_UNMAPPED);
	vmt_assert_refused(vmt_scripted_remove_gfn(d, vmt_gfn_from(3)), &d->err, VMT_E_UNMAPPED);
	vmt_driver_close(d);
}

static void the_domain_and_the_test_see_the_same_bytes(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	uint8_t byte;

	(void)state;
	vmt_scripted_write(d, vmt_gpa_from(0x3010), "t", 1);
	vmt_assert_ok(vmt_driver_read(d, vmt_gfn_from(3), 0x10, &byte, 1), &d->err);
	assert_int_equal(byte, 't');
	vmt_assert_ok(vmt_driver_write(d, vmt_gfn_from(3), 0x11, "d", 1), &d->err);
	vmt_assert_memory(d, vmt_gpa_from(0x3010), 't', 'd');
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Tables                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int read_entry(void *opaque, vmt_gpa gpa, void *buf, uint32_t len)
{
	return vmt_scripted_read(opaque, gpa, buf, len);
}

static struct vmt_walk walk(struct vmt_driver *d, struct vmt_space space, uint64_t gva)
{
	struct vmt_walk walked;
	struct vmt_fault fault;

	assert_int_equal(vmt_walk_tables(read_entry, d, space, vmt_gva_from(gva), &walked, &fault),
			 0);
	return walked;
}

static struct vmt_fault walk_fails(struct vmt_driver *d, struct vmt_space space, uint64_t gva)
{
	struct vmt_walk walked;
	struct vmt_fault fault;

	assert_int_equal(vmt_walk_tables(read_entry, d, space, vmt_gva_from(gva), &walked, &fault),
			 -VMT_E_FAULT);
	return fault;
}

static void each_mode_can_be_walked(void **state)
{
	static const struct {
		enum vmt_paging paging;
		unsigned space_flags, map_flags, levels;
		uint64_t gva, gpa, size;
	} cases[] = {
		{VMT_PAGING_32, 0, 0, 2, 0xc0123000, 0x5000, 0x1000},
		{VMT_PAGING_32, VMT_SPACE_PSE, VMT_MAP_4M, 1, 0xc0400000, 0x800000, 0x400000},
		{VMT_PAGING_PAE, 0, 0, 3, 0xc0123000, 0x5000, 0x1000},
		{VMT_PAGING_PAE, VMT_SPACE_NXE, VMT_MAP_2M, 2, 0xffe00000, 0x200000, 0x200000},
		{VMT_PAGING_4, 0, 0, 4, 0xffffffff81234000, 0x5000, 0x1000},
		{VMT_PAGING_4, 0, VMT_MAP_2M, 3, 0xffff888000200000, 0x600000, 0x200000},
		{VMT_PAGING_4, 0, VMT_MAP_1G, 2, 0xffff888040000000, 0x80000000, 0x40000000},
		{VMT_PAGING_5, 0, 0, 5, 0xff11000012345000, 0x5000, 0x1000},
		{VMT_PAGING_5, 0, VMT_MAP_2M, 4, 0xff11000000200000, 0x600000, 0x200000},
		{VMT_PAGING_5, 0, VMT_MAP_1G, 3, 0xff11000040000000, 0x80000000, 0x40000000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
		struct vmt_space space;
		struct vmt_walk walked;

		vmt_assert_ok(vmt_scripted_new_space(d, cases[i].paging, cases[i].space_flags,
						     &space),
			      &d->err);
		vmt_assert_ok(vmt_scripted_map(d, space, vmt_gva_from(cases[i].gva),
					       vmt_gpa_from(cases[i].gpa), cases[i].size,
					       cases[i].map_flags),
			      &d->err);
		walked = walk(d, space, cases[i].gva + 0x123);
		assert_int_equal(walked.gpa.a, cases[i].gpa + 0x123);
		assert_int_equal(walked.page_size, cases[i].size);
		assert_int_equal(walked.nentries, cases[i].levels);
		assert_true(walked.writable && walked.executable);
		assert_false(walked.user);
		walk_fails(d, space, (uint32_t)cases[i].gva ^ 0x40000000);
		vmt_driver_close(d);
	}
}

static void flags_become_rights(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_space space;
	struct vmt_walk walked;
	struct vmt_fault fault;

	(void)state;
	vmt_assert_ok(vmt_scripted_new_space(d, VMT_PAGING_4, 0, &space), &d->err);
	vmt_assert_ok(vmt_scripted_map(d, space, vmt_gva_from(0x400000), vmt_gpa_from(0x5000),
				       0x1000, VMT_MAP_USER | VMT_MAP_READ_ONLY | VMT_MAP_NX),
		      &d->err);
	walked = walk(d, space, 0x400000);
	assert_true(walked.user);
	assert_false(walked.writable || walked.executable);

	vmt_assert_ok(vmt_scripted_map(d, space, vmt_gva_from(0x400000), vmt_gpa_from(0x5000),
				       0x1000, VMT_MAP_NOT_PRESENT),
		      &d->err);
	fault = walk_fails(d, space, 0x400000);
	assert_int_equal(fault.kind, VMT_FAULT_NOT_PRESENT);
	assert_int_equal(fault.level, 1);
	assert_int_equal(fault.entry, 0x5000);
	vmt_driver_close(d);
}

static void several_pages_are_mapped_in_a_row(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_space space;

	(void)state;
	vmt_assert_ok(vmt_scripted_new_space(d, VMT_PAGING_4, 0, &space), &d->err);
	/* Over the end of a page table. */
	vmt_assert_ok(vmt_scripted_map(d, space, vmt_gva_from(0x1ff000), vmt_gpa_from(0x5000),
				       0x3000, 0),
		      &d->err);
	for (uint64_t page = 0; page < 3; page++)
		assert_int_equal(walk(d, space, 0x1ff000 + page * 0x1000).gpa.a,
				 0x5000 + page * 0x1000);
	walk_fails(d, space, 0x202000);
	vmt_driver_close(d);
}

static void mappings_that_make_no_sense_are_refused(void **state)
{
	static const struct {
		enum vmt_paging paging;
		unsigned space_flags, map_flags;
		uint64_t gva, gpa, len;
		const char *word;
	} bad[] = {
		{VMT_PAGING_NONE, 0, 0, 0x1000, 0x1000, 0x1000, "no page tables"},
		{VMT_PAGING_4, 0, VMT_MAP_4M, 0, 0, 0x400000, "size"},
		{VMT_PAGING_4, 0, VMT_MAP_2M | VMT_MAP_1G, 0, 0, 0x40000000, "size"},
		{VMT_PAGING_32, 0, VMT_MAP_2M, 0, 0, 0x200000, "size"},
		{VMT_PAGING_32, 0, VMT_MAP_4M, 0, 0, 0x400000, "VMT_SPACE_PSE"},
		{VMT_PAGING_PAE, 0, VMT_MAP_NX, 0, 0, 0x1000, "VMT_SPACE_NXE"},
		{VMT_PAGING_4, 0, 0, 0x1001, 0, 0x1000, "whole pages"},
		{VMT_PAGING_4, 0, 0, 0, 0, 0, "whole pages"},
		{VMT_PAGING_4, 0, VMT_MAP_2M, 0x200000, 0x1000, 0x200000, "whole pages"},
		{VMT_PAGING_PAE, 0, 0, 0x100000000, 0, 0x1000, "32-bit"},
		{VMT_PAGING_32, 0, 0, 0xfffff000, 0, 0x2000, "32-bit"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
		struct vmt_space space;

		vmt_assert_ok(vmt_scripted_new_space(d, bad[i].paging, bad[i].space_flags, &space),
			      &d->err);
		vmt_assert_refused(vmt_scripted_map(d, space, vmt_gva_from(bad[i].gva),
						    vmt_gpa_from(bad[i].gpa), bad[i].len,
						    bad[i].map_flags),
				   &d->err, VMT_E_INVALID);
		assert_non_null(strstr(d->err.text, bad[i].word));
		vmt_driver_close(d);
	}
}

static void a_small_page_inside_a_large_one_is_refused(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_space space;

	(void)state;
	vmt_assert_ok(vmt_scripted_new_space(d, VMT_PAGING_4, 0, &space), &d->err);
	vmt_assert_ok(vmt_scripted_map(d, space, vmt_gva_from(0x200000), vmt_gpa_from(0), 0x200000,
				       VMT_MAP_2M),
		      &d->err);
	vmt_assert_refused(vmt_scripted_map(d, space, vmt_gva_from(0x201000), vmt_gpa_from(0),
					    0x1000, 0),
			   &d->err, VMT_E_INVALID);
	assert_non_null(strstr(d->err.text, "large page"));
	vmt_driver_close(d);
}

static void spaces_that_do_not_exist_are_refused(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_space space = {.paging = 9};

	(void)state;
	vmt_assert_refused(vmt_scripted_enter_space(d, 0, space), &d->err, VMT_E_INVALID);
	vmt_assert_refused(vmt_scripted_enter_space(d, 5, VMT_PHYS), &d->err, VMT_E_INVALID);
	vmt_assert_refused(vmt_scripted_new_space(d, (enum vmt_paging)9, 0, &space), &d->err,
			   VMT_E_INVALID);
	vmt_assert_refused(vmt_scripted_new_space(d, VMT_PAGING_4, 64, &space), &d->err,
			   VMT_E_INVALID);
	vmt_driver_close(d);
}

static void tables_leave_pages_alone_that_hold_something(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.pages = 8});
	struct vmt_space space;

	(void)state;
	vmt_scripted_write(d, vmt_gpa_from(0x7000), "taken", 5);
	vmt_assert_ok(vmt_scripted_new_space(d, VMT_PAGING_4, 0, &space), &d->err);
	assert_int_equal(space.root, 0x6000);
	vmt_assert_memory(d, vmt_gpa_from(0x7000), 't', 'a');
	vmt_driver_close(d);
}

static void tables_need_room(void **state)
{
	const struct vmt_scripted_config config = {.pages = 3, .paging = VMT_PAGING_4};
	struct vmt_driver *d;
	struct vmt_error err;

	(void)state;
	vmt_assert_refused(vmt_scripted_create(&config, &d, &err), &err, VMT_E_NO_MEMORY);
	assert_non_null(strstr(err.text, "more pages"));
}

static void a_paging_domain_maps_its_ram_one_to_one(void **state)
{
	static const enum vmt_paging modes[] = {VMT_PAGING_32, VMT_PAGING_PAE, VMT_PAGING_4,
						VMT_PAGING_5};

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++) {
		struct vmt_driver *d = domain_create(
			(struct vmt_scripted_config){.paging = (uint8_t)modes[i], .vcpus = 2});
		struct vmt_space space = vmt_scripted_space(d), of_vcpu;

		assert_int_equal(space.paging, modes[i]);
		for (uint16_t vcpu = 0; vcpu < 2; vcpu++) {
			struct vmt_regs regs = regs_of(d, vcpu);

			vmt_assert_ok(vmt_space_from_regs(&regs, &of_vcpu, &d->err), &d->err);
			assert_int_equal(of_vcpu.root, space.root);
			assert_int_equal(of_vcpu.paging, space.paging);
		}
		assert_int_equal(walk(d, space, 0x3456).gpa.a, 0x3456);
		assert_int_equal(walk(d, space, 0xff000).gpa.a, 0xff000);
		walk_fails(d, space, 0x100000);
		PLAY(d, VMT_INSN_WRITE(1, 0, 0x3ffe, "abcd", 4));
		ends(d);
		vmt_assert_memory(d, vmt_gpa_from(0x3ffe), 'a', 'b', 'c', 'd');
		vmt_driver_close(d);
	}
}

static void a_vcpu_can_enter_another_space(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.paging = VMT_PAGING_4});
	struct vmt_space legacy;

	(void)state;
	vmt_assert_ok(vmt_scripted_new_space(d, VMT_PAGING_32, VMT_SPACE_PSE, &legacy), &d->err);
	vmt_assert_ok(vmt_scripted_map(d, legacy, vmt_gva_from(0), vmt_gpa_from(0), 0x400000,
				       VMT_MAP_4M),
		      &d->err);
	assert_true(regs_of(d, 0).cs.access & 0x200); /* L */
	vmt_assert_ok(vmt_scripted_enter_space(d, 0, legacy), &d->err);
	assert_int_equal(regs_of(d, 0).cr3, legacy.root);
	assert_false(regs_of(d, 0).efer & VMT_EFER_LMA);
	assert_false(regs_of(d, 0).cs.access & 0x200);
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3000, "x", 1));
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* vCPUs                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void registers_are_set_where_they_are_known(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_regs regs = {.known = VMT_KNOWN(VMT_REG_RBX) | VMT_KNOWN(VMT_REG_GS)};

	(void)state;
	regs.gprs.rbx = 0x77;
	regs.gprs.rcx = 0x88;
	regs.gs.base = 0xffff888000000000;
	vmt_assert_ok(vmt_scripted_set_regs(d, 1, &regs), &d->err);
	assert_int_equal(regs_of(d, 1).gprs.rbx, 0x77);
	assert_int_equal(regs_of(d, 1).gprs.rcx, 0);
	assert_int_equal(regs_of(d, 1).gs.base, 0xffff888000000000);
	assert_int_equal(regs_of(d, 0).gprs.rbx, 0);
	vmt_assert_refused(vmt_scripted_set_regs(d, 2, &regs), &d->err, VMT_E_NOT_FOUND);
	vmt_driver_close(d);
}

static void a_context_has_no_fpu_and_a_time(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.start_ns = 99});
	struct vmt_vcpu_context context;

	(void)state;
	vmt_assert_ok(vmt_driver_get_context(d, 0, &context), &d->err);
	assert_int_equal(context.fxsave_known, 0);
	assert_int_equal(context.tsc, 99);
	assert_int_equal(context.regs.gprs.rip, VMT_SCRIPTED_RIP);
	vmt_driver_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_domain_describes_itself),
		cmocka_unit_test(an_unknown_xen_is_refused),
		cmocka_unit_test(too_much_ram_is_refused),
		cmocka_unit_test(a_config_may_be_left_out),
		cmocka_unit_test(ram_begins_as_zeros),
		cmocka_unit_test(the_test_reads_and_writes_over_page_ends),
		cmocka_unit_test(a_write_that_cannot_be_done_does_nothing),
		cmocka_unit_test(pages_come_and_go),
		cmocka_unit_test(the_domain_and_the_test_see_the_same_bytes),
		cmocka_unit_test(each_mode_can_be_walked),
		cmocka_unit_test(flags_become_rights),
		cmocka_unit_test(several_pages_are_mapped_in_a_row),
		cmocka_unit_test(mappings_that_make_no_sense_are_refused),
		cmocka_unit_test(a_small_page_inside_a_large_one_is_refused),
		cmocka_unit_test(spaces_that_do_not_exist_are_refused),
		cmocka_unit_test(tables_leave_pages_alone_that_hold_something),
		cmocka_unit_test(tables_need_room),
		cmocka_unit_test(a_paging_domain_maps_its_ram_one_to_one),
		cmocka_unit_test(a_vcpu_can_enter_another_space),
		cmocka_unit_test(registers_are_set_where_they_are_known),
		cmocka_unit_test(a_context_has_no_fpu_and_a_time),
	};

	return cmocka_run_group_tests_name("scripted memory", tests, NULL, NULL);
}
