/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page walks in each mode: addresses, large pages, rights, faults on each level.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/walk.h"

#include "guest-memory.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* -------------------------------------------------------------------------------------------- */
/* One chain of tables in each mode                                                             */
/* -------------------------------------------------------------------------------------------- */

#define P    0x1u
#define W    0x2u
#define U    0x4u
#define PS   0x80u
#define NX   (UINT64_C(1) << 63)

#define LEAF UINT64_C(0x7654321000) /* where the last entry points, in the wide modes */

static const struct mode {
	struct vmt_space space; /* the root has bits set that are no address */
	uint64_t gva;
	unsigned top;
	/* From level 1 on: the index of @gva, worked out by hand. */
	unsigned index[6];
	uint64_t leaf;
} modes[] = {
	{{0x0000000000004fff, VMT_PAGING_32, VMT_SPACE_PSE},
	 0xc0c03abc,
	 2,
	 {0, 0x003, 0x303},
	 0x76543000},
	{{0xffffffff000041ff, VMT_PAGING_PAE, VMT_SPACE_NXE},
	 0xc0c03abc,
	 3,
	 {0, 0x003, 0x006, 3},
	 LEAF},
	{{0xfff0000000004fff, VMT_PAGING_4, VMT_SPACE_NXE},
	 0xffff818081403abc,
	 4,
	 {0, 0x003, 0x00a, 0x002, 0x103},
	 LEAF},
	{{0xfff0000000004fff, VMT_PAGING_5, VMT_SPACE_NXE},
	 0xff05818081403abc,
	 5,
	 {0, 0x003, 0x00a, 0x002, 0x103, 0x105},
	 LEAF},
};

static unsigned entry_size(const struct mode *m)
{
	return m->space.paging == VMT_PAGING_32 ? 4 : 8;
}

/* Where the entry of @level stands: the table of the top is page 4, that below it page 5, ... */
static uint64_t where(const struct mode *m, unsigned level)
{
	uint64_t table = (uint64_t)(4 + m->top - level) << VMT_PAGE_SHIFT;

	if (m->space.paging == VMT_PAGING_PAE && level == 3)
		table += 0x1e0; /* tables of 4 entries need not begin a page */
	return table + (uint64_t)m->index[level] * entry_size(m);
}

static uint64_t get(const struct guest *g, const struct mode *m, unsigned level)
{
	uint64_t e = 0, at = where(m, level);

	memcpy(&e, &g->memory[at >> VMT_PAGE_SHIFT][at & VMT_PAGE_MASK], entry_size(m));
	return e;
}

static void set(struct guest *g, const struct mode *m, unsigned level, uint64_t e)
{
	uint64_t at = where(m, level);

	memcpy(&g->memory[at >> VMT_PAGE_SHIFT][at & VMT_PAGE_MASK], &e, entry_size(m));
}

/* Make the chain: all present, writable, user, and a 4 KiB page at its end. */
static void build(struct guest *g, const struct mode *m)
{
	memset(g, 0, sizeof(*g));
	for (unsigned level = m->top; level >= 1; level--) {
		uint64_t to =
			level == 1 ? m->leaf : (uint64_t)(5 + m->top - level) << VMT_PAGE_SHIFT;

		set(g, m, level,
		    to | (m->space.paging == VMT_PAGING_PAE && level == 3 ? P : P | W | U));
	}
}

static int walk_it(struct guest *g, const struct mode *m, struct vmt_walk *walk,
		   struct vmt_fault *fault)
{
	memset(walk, 0xaa, sizeof(*walk));
	memset(fault, 0xaa, sizeof(*fault));
	g->reads = 0;
	return vmt_walk_tables(guest_read, g, m->space, vmt_gva_from(m->gva), walk, fault);
}

static struct guest guest;

static void a_page_of_4_kib_is_found_through_all_levels(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++) {
		const struct mode *m = &modes[i];

		build(&guest, m);
		assert_int_equal(walk_it(&guest, m, &walk, &fault), 0);
		assert_true(walk.gpa.a == (m->leaf | 0xabc));
		assert_int_equal(walk.page_size, 4096);
		assert_true(walk.writable && walk.user && walk.executable);
		assert_int_equal(fault.kind, VMT_FAULT_NONE);
		assert_int_equal(walk.nentries, m->top);
		assert_int_equal(guest.reads, m->top);
		for (unsigned n = 0; n < m->top; n++) {
			assert_int_equal(walk.entries[n].level, m->top - n);
			assert_int_equal(walk.entries[n].where.a, where(m, m->top - n));
			assert_true(walk.entries[n].entry == get(&guest, m, m->top - n));
		}
	}
}

static void physical_addresses_are_themselves(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	guest.reads = 0;
	assert_int_equal(vmt_walk_tables(guest_read, &guest, VMT_PHYS, vmt_gva_from(UINT64_MAX),
					 &walk, &fault),
			 0);
	assert_true(walk.gpa.a == UINT64_MAX);
	assert_int_equal(walk.nentries, 0);
	assert_int_equal(walk.page_size, 4096);
	assert_true(walk.writable && walk.user && walk.executable);
	assert_int_equal(guest.reads, 0);
}

static void an_unknown_mode_is_invalid(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (unsigned paging = VMT_PAGING_5 + 1; paging <= UINT8_MAX; paging += 50) {
		struct vmt_space space = {0x4000, (uint8_t)paging, 0};

		assert_int_equal(vmt_walk_tables(guest_read, &guest, space, vmt_gva_from(0), &walk,
						 &fault),
				 -VMT_E_INVALID);
		assert_int_equal(walk.nentries, 0);
		assert_int_equal(fault.kind, VMT_FAULT_NONE);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Large pages                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static const struct {
	unsigned mode, level;
	uint64_t entry; /* with bit 12 set, which is PAT and no address */
	uint64_t page, page_size;
} large[] = {
	{0, 2, 0xff401000 | PS | P, 0xff400000, UINT64_C(1) << 22},
	/* PSE-36: bits 39:32 of the address stand in bits 20:13. */
	{0, 2, 0x00400000 | (0xa5u << 13) | 0x1000 | PS | P, UINT64_C(0xa500400000),
	 UINT64_C(1) << 22},
	{0, 2, 0xffc00000 | (0xffu << 13) | PS | P, UINT64_C(0xffffc00000), UINT64_C(1) << 22},
	{1, 2, UINT64_C(0x000fffffffe01000) | PS | P, UINT64_C(0x000fffffffe00000),
	 UINT64_C(1) << 21},
	{2, 2, UINT64_C(0x000fffffffe01000) | PS | P, UINT64_C(0x000fffffffe00000),
	 UINT64_C(1) << 21},
	{2, 2, UINT64_C(0x7ff0000000200e78) | PS | P, 0x200000, UINT64_C(1) << 21},
	{2, 3, UINT64_C(0x000fffffc0001000) | PS | P, UINT64_C(0x000fffffc0000000),
	 UINT64_C(1) << 30},
	{3, 2, UINT64_C(0x0008000000200000) | PS | P, UINT64_C(0x0008000000200000),
	 UINT64_C(1) << 21},
	{3, 3, UINT64_C(0x0000000040001000) | PS | P, 0x40000000, UINT64_C(1) << 30},
};

static void large_pages_have_their_own_address_bits(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(large); i++) {
		const struct mode *m = &modes[large[i].mode];

		build(&guest, m);
		set(&guest, m, large[i].level, large[i].entry);
		assert_int_equal(walk_it(&guest, m, &walk, &fault), 0);
		assert_int_equal(walk.page_size, large[i].page_size);
		assert_true(walk.gpa.a == large[i].page + (m->gva & (large[i].page_size - 1)));
		assert_int_equal(walk.nentries, m->top - large[i].level + 1);
	}
}

static void each_low_address_bit_of_a_large_page_is_reserved(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(large); i++) {
		const struct mode *m = &modes[large[i].mode];
		unsigned first = large[i].mode == 0 ? 21 : 13;

		for (unsigned bit = first; UINT64_C(1) << bit < large[i].page_size; bit++) {
			uint64_t e = large[i].entry | UINT64_C(1) << bit;

			build(&guest, m);
			set(&guest, m, large[i].level, e);
			assert_int_equal(walk_it(&guest, m, &walk, &fault), -VMT_E_FAULT);
			assert_int_equal(fault.kind, VMT_FAULT_RESERVED);
			assert_int_equal(fault.level, large[i].level);
			assert_true(fault.entry == e);
			/* Not present comes first: the other bits mean nothing then. */
			set(&guest, m, large[i].level, e & ~(uint64_t)P);
			assert_int_equal(walk_it(&guest, m, &walk, &fault), -VMT_E_FAULT);
			assert_int_equal(fault.kind, VMT_FAULT_NOT_PRESENT);
		}
	}
}

static void without_pse_the_bit_of_a_32_bit_entry_means_nothing(void **state)
{
	struct mode m = modes[0];
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	m.space.flags = 0;
	build(&guest, &m);
	set(&guest, &m, 2, get(&guest, &m, 2) | PS);
	assert_int_equal(walk_it(&guest, &m, &walk, &fault), 0);
	assert_true(walk.gpa.a == (m.leaf | 0xabc));
	assert_int_equal(walk.page_size, 4096);
}

/* Bit 7 of the last entry is PAT. */
static void the_same_bit_in_a_page_table_is_no_page_size(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++) {
		const struct mode *m = &modes[i];

		build(&guest, m);
		set(&guest, m, 1, get(&guest, m, 1) | PS);
		assert_int_equal(walk_it(&guest, m, &walk, &fault), 0);
		assert_true(walk.gpa.a == (m->leaf | 0xabc));
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Faults                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void an_entry_of_each_level_may_be_missing(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++)
		for (unsigned level = modes[i].top; level >= 1; level--) {
			const struct mode *m = &modes[i];
			uint64_t e;

			build(&guest, m);
			e = get(&guest, m, level) & ~(uint64_t)P;
			set(&guest, m, level, e);
			assert_int_equal(walk_it(&guest, m, &walk, &fault), -VMT_E_FAULT);
			assert_int_equal(fault.kind, VMT_FAULT_NOT_PRESENT);
			assert_int_equal(fault.level, level);
			assert_true(fault.address.a == m->gva);
			assert_true(fault.root == m->space.root);
			assert_int_equal(fault.where.a, where(m, level));
			assert_true(fault.entry == e);
			assert_int_equal(walk.nentries, m->top - level + 1);
			assert_true(walk.entries[walk.nentries - 1].entry == e);
		}
}

/* What each level reserves, beside the low bits of large pages. */
static const struct {
	unsigned mode, level;
	uint8_t flags; /* of the space */
	uint64_t bits;
} reserved[] = {
	{1, 3, VMT_SPACE_NXE, UINT64_C(0xfff00000000001e6)},
	{1, 2, VMT_SPACE_NXE, UINT64_C(0x7ff0000000000000)},
	{1, 1, VMT_SPACE_NXE, UINT64_C(0x7ff0000000000000)},
	{1, 3, 0, UINT64_C(0xfff00000000001e6)},
	{1, 2, 0, UINT64_C(0xfff0000000000000)},
	{1, 1, 0, UINT64_C(0xfff0000000000000)},
	{2, 4, VMT_SPACE_NXE, PS},
	{2, 3, VMT_SPACE_NXE, 0},
	{2, 2, VMT_SPACE_NXE, 0},
	{2, 1, VMT_SPACE_NXE, 0},
	{2, 4, 0, NX | PS},
	{2, 3, 0, NX},
	{2, 2, 0, NX},
	{2, 1, 0, NX},
	{3, 5, VMT_SPACE_NXE, PS},
	{3, 4, VMT_SPACE_NXE, PS},
	{3, 5, 0, NX | PS},
	{3, 4, 0, NX | PS},
	{3, 1, 0, NX},
	{0, 2, VMT_SPACE_PSE, 0},
	{0, 1, VMT_SPACE_PSE, 0},
};

/* Each bit that is neither address, present nor page size: reserved or without effect. */
static void exactly_the_reserved_bits_fault(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(reserved); i++) {
		struct mode m = modes[reserved[i].mode];

		m.space.flags = reserved[i].flags;
		for (unsigned bit = 1; bit < entry_size(&m) * 8; bit++) {
			uint64_t mask = UINT64_C(1) << bit;
			bool bad = reserved[i].bits & mask;

			if (bit >= 12 && bit < 52)
				continue;
			if (mask == PS && !bad && reserved[i].level > 1)
				continue;
			build(&guest, &m);
			set(&guest, &m, reserved[i].level,
			    get(&guest, &m, reserved[i].level) | mask);
			if (!bad) {
				assert_int_equal(walk_it(&guest, &m, &walk, &fault), 0);
				assert_true(walk.gpa.a == (m.leaf | 0xabc));
				continue;
			}
			assert_int_equal(walk_it(&guest, &m, &walk, &fault), -VMT_E_FAULT);
			assert_int_equal(fault.kind, VMT_FAULT_RESERVED);
			assert_int_equal(fault.level, reserved[i].level);
			assert_int_equal(walk.nentries, m.top - reserved[i].level + 1);
		}
	}
}

static const struct {
	uint64_t gva;
	uint8_t paging;
	uint32_t kind;
} addresses[] = {
	{0xffffffff, VMT_PAGING_32, VMT_FAULT_NOT_PRESENT},
	{0x100000000, VMT_PAGING_32, VMT_FAULT_TOO_WIDE},
	{UINT64_MAX, VMT_PAGING_32, VMT_FAULT_TOO_WIDE},
	{0xffffffff, VMT_PAGING_PAE, VMT_FAULT_NOT_PRESENT},
	{0x100000000, VMT_PAGING_PAE, VMT_FAULT_TOO_WIDE},
	{0xffffffff00000000, VMT_PAGING_PAE, VMT_FAULT_TOO_WIDE},
	{0, VMT_PAGING_4, VMT_FAULT_NOT_PRESENT},
	{0x00007fffffffffff, VMT_PAGING_4, VMT_FAULT_NOT_PRESENT},
	{0x0000800000000000, VMT_PAGING_4, VMT_FAULT_NON_CANONICAL},
	{0xffff7fffffffffff, VMT_PAGING_4, VMT_FAULT_NON_CANONICAL},
	{0xffff800000000000, VMT_PAGING_4, VMT_FAULT_NOT_PRESENT},
	{UINT64_MAX, VMT_PAGING_4, VMT_FAULT_NOT_PRESENT},
	{0x7fff800000000000, VMT_PAGING_4, VMT_FAULT_NON_CANONICAL},
	{0x0000800000000000, VMT_PAGING_5, VMT_FAULT_NOT_PRESENT},
	{0x00ffffffffffffff, VMT_PAGING_5, VMT_FAULT_NOT_PRESENT},
	{0x0100000000000000, VMT_PAGING_5, VMT_FAULT_NON_CANONICAL},
	{0xfeffffffffffffff, VMT_PAGING_5, VMT_FAULT_NON_CANONICAL},
	{0xff00000000000000, VMT_PAGING_5, VMT_FAULT_NOT_PRESENT},
};

static void an_address_must_be_canonical_and_fit(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	memset(&guest, 0, sizeof(guest));
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct vmt_space space = {0x4018, addresses[i].paging, 0};
		bool read = addresses[i].kind == VMT_FAULT_NOT_PRESENT;

		guest.reads = 0;
		assert_int_equal(vmt_walk_tables(guest_read, &guest, space,
						 vmt_gva_from(addresses[i].gva), &walk, &fault),
				 -VMT_E_FAULT);
		assert_int_equal(fault.kind, addresses[i].kind);
		assert_true(fault.address.a == addresses[i].gva);
		assert_int_equal(fault.root, 0x4018);
		assert_int_equal(guest.reads, read);
		assert_int_equal(walk.nentries, read);
		if (!read)
			assert_true(fault.level == 0 && fault.where.a == 0 && fault.entry == 0);
	}
}

static void a_table_that_cannot_be_read_is_no_fault(void **state)
{
	static const int codes[] = {-VMT_E_NOT_RECORDED, -VMT_E_UNMAPPED, -VMT_E_GONE};
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++)
		for (unsigned level = modes[i].top; level >= 1; level--)
			for (size_t c = 0; c < COUNT(codes); c++) {
				const struct mode *m = &modes[i];

				build(&guest, m);
				guest.fails = where(m, level) >> VMT_PAGE_SHIFT;
				guest.status = codes[c];
				assert_int_equal(walk_it(&guest, m, &walk, &fault), codes[c]);
				assert_int_equal(fault.kind, VMT_FAULT_NONE);
				assert_int_equal(walk.nentries, m->top - level);
				assert_int_equal(walk.gpa.a, 0);
			}
}

/* -------------------------------------------------------------------------------------------- */
/* Rights                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void each_level_can_take_a_right_away(void **state)
{
	struct vmt_walk walk;
	struct vmt_fault fault;

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++)
		for (unsigned level = modes[i].top; level >= 1; level--) {
			const struct mode *m = &modes[i];
			uint64_t e;

			/* The entries of the top of PAE have no rights. */
			if (m->space.paging == VMT_PAGING_PAE && level == 3)
				continue;
			build(&guest, m);
			e = get(&guest, m, level);
			set(&guest, m, level, e & ~(uint64_t)W);
			assert_int_equal(walk_it(&guest, m, &walk, &fault), 0);
			assert_true(!walk.writable && walk.user && walk.executable);
			set(&guest, m, level, e & ~(uint64_t)U);
			assert_int_equal(walk_it(&guest, m, &walk, &fault), 0);
			assert_true(walk.writable && !walk.user && walk.executable);
			if (m->space.paging == VMT_PAGING_32)
				continue;
			set(&guest, m, level, e | NX);
			assert_int_equal(walk_it(&guest, m, &walk, &fault), 0);
			assert_true(walk.writable && walk.user && !walk.executable);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_page_of_4_kib_is_found_through_all_levels),
		cmocka_unit_test(physical_addresses_are_themselves),
		cmocka_unit_test(an_unknown_mode_is_invalid),
		cmocka_unit_test(large_pages_have_their_own_address_bits),
		cmocka_unit_test(each_low_address_bit_of_a_large_page_is_reserved),
		cmocka_unit_test(without_pse_the_bit_of_a_32_bit_entry_means_nothing),
		cmocka_unit_test(the_same_bit_in_a_page_table_is_no_page_size),
		cmocka_unit_test(an_entry_of_each_level_may_be_missing),
		cmocka_unit_test(exactly_the_reserved_bits_fault),
		cmocka_unit_test(an_address_must_be_canonical_and_fit),
		cmocka_unit_test(a_table_that_cannot_be_read_is_no_fault),
		cmocka_unit_test(each_level_can_take_a_right_away),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
