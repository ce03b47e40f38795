/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page walker against a second one, over random tables. The outcomes are counted, for what was
 * never met was not tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/walk.h"

#include "guest-memory.h"
#include "reference-walk.h"

#define P  0x1u
#define PS 0x80u
#define NX (UINT64_C(1) << 63)

static struct guest guest;

static uint64_t random_state;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static bool one_in(unsigned n)
{
	return random_u64() % n == 0;
}

/* An entry that mostly leads on: to one of the pages, present, seldom with a reserved bit. */
static uint64_t random_entry(void)
{
	uint64_t e = (random_u64() % GUEST_PAGES) << VMT_PAGE_SHIFT;

	e |= random_u64() & 0xe1e; /* rights, caching, ignored bits */
	if (!one_in(10))
		e |= P;
	if (one_in(8))
		e |= PS;
	if (one_in(3))
		e &= ~UINT64_C(0x3ffff000) | 0x1000; /* what fits a large page */
	if (one_in(8))
		e |= random_u64() & 0x3fffe000; /* what does not */
	if (one_in(8))
		e |= NX;
	if (one_in(30))
		e |= UINT64_C(1) << random_u64() % 64;
	return e;
}

/* PAE's top reserves so much that it gets entries of its own, in the first page. */
static void random_tables(struct guest *g)
{
	memset(g, 0, sizeof(*g));
	for (unsigned page = 0; page < GUEST_PAGES; page++)
		for (unsigned i = 0; i < VMT_PAGE_SIZE; i += 8) {
			uint64_t e = random_entry();

			if (page == 0 && !one_in(10))
				e &= UINT64_C(0xf00001f019);
			if (page % 4 == 1) /* two entries of 4 bytes */
				e = (e & UINT32_MAX) | random_entry() << 32;
			memcpy(&g->memory[page][i], &e, sizeof(e));
		}
	if (one_in(4)) {
		g->fails = random_u64() % GUEST_PAGES;
		g->status = -VMT_E_NOT_RECORDED;
	}
}

static uint64_t random_address(unsigned paging)
{
	uint64_t a = random_u64();

	if (one_in(20))
		return a;
	switch (paging) {
	case VMT_PAGING_32:
	case VMT_PAGING_PAE:
		return a & UINT32_MAX;
	case VMT_PAGING_4:
		return a & (UINT64_C(1) << 47) ? a | UINT64_C(0xffff) << 48 : a << 16 >> 16;
	default:
		return a & (UINT64_C(1) << 56) ? a | UINT64_C(0x7f) << 57 : a << 7 >> 7;
	}
}

/* Outcomes by mode: 0 to 2 the sizes of pages, then faults by kind and level, then the rest. */
struct tally {
	unsigned pages[3], missing[6], bad[6], address, unread;
};

static void count(struct tally *t, int r, const struct vmt_walk *walk,
		  const struct vmt_fault *fault)
{
	if (r == 0)
		t->pages[walk->page_size == 4096 ? 0 : walk->page_size < 1u << 30 ? 1 : 2]++;
	else if (r != -VMT_E_FAULT)
		t->unread++;
	else if (fault->kind == VMT_FAULT_NOT_PRESENT)
		t->missing[fault->level]++;
	else if (fault->kind == VMT_FAULT_RESERVED)
		t->bad[fault->level]++;
	else
		t->address++;
}

static void assert_all_met(unsigned paging, const struct tally *t)
{
	static const unsigned tops[] = {0, 2, 3, 4, 5};

	assert_true(t->pages[0] > 100 && t->pages[1] > 100);
	assert_true(paging < VMT_PAGING_4 || t->pages[2] > 100);
	assert_true(t->address > 100 && t->unread > 100);
	for (unsigned level = 1; level <= tops[paging]; level++) {
		assert_true(t->missing[level] > 100);
		assert_true(t->bad[level] > 100 || (paging == VMT_PAGING_32 && level == 1));
	}
}

static void both_walkers_agree_over_random_tables(void **state)
{
	struct tally tallies[VMT_PAGING_5 + 1] = {0};

	(void)state;
	random_state = UINT64_C(0x5eed5eed5eed5eed);
	for (unsigned round = 0; round < 60; round++) {
		random_tables(&guest);
		for (unsigned i = 0; i < 16000; i++) {
			unsigned paging = VMT_PAGING_32 + i % 4;
			struct vmt_space space = {random_u64() % (GUEST_PAGES << VMT_PAGE_SHIFT),
						  (uint8_t)paging, (uint8_t)(random_u64() % 4)};
			vmt_gva gva = vmt_gva_from(random_address(paging));
			struct vmt_walk a, b;
			struct vmt_fault f, g;
			int r, q;

			if (paging == VMT_PAGING_PAE && !one_in(4))
				space.root %= VMT_PAGE_SIZE;
			if (one_in(2))
				space.flags |= VMT_SPACE_NXE;
			r = vmt_walk_tables(guest_read, &guest, space, gva, &a, &f);
			q = reference_walk(guest_read, &guest, space, gva, &b, &g);
			assert_true(reference_agrees(r, &a, &f, q, &b, &g));
			count(&tallies[paging], r, &a, &f);
		}
	}
	for (unsigned paging = VMT_PAGING_32; paging <= VMT_PAGING_5; paging++)
		assert_all_met(paging, &tallies[paging]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_walkers_agree_over_random_tables),
	};

	return cmocka_run_group_tests_name("walk-random", tests, NULL, NULL);
}
