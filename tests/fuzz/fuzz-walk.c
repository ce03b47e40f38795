/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The page walker over tables of any content, held against the second walker.
 *
 * An input is the mode, the flags, how tables are to be bent (below), the root, the address, and
 * then 8-byte words of memory, over and over again.
 */
#include <endian.h>
#include <string.h>

#include "fuzz.h"
#include "tests/core/reference-walk.h"

#define HEAD 19u

/* How memory is bent, so that a walk gets further than its first entry. */
enum {
	BEND_PRESENT = 1,   /* entries are present */
	BEND_SHORT = 2,     /* they point to low addresses */
	BEND_RESERVED = 4,  /* high bits are clear */
	BEND_CANONICAL = 8, /* the address is canonical, and fits */
	BEND_FAILS = 16,    /* the last page of memory fails */
};

struct memory {
	const uint8_t *words;
	size_t nwords;
	unsigned bend;
	unsigned reads;
};

static int read_memory(void *opaque, vmt_gpa gpa, void *buf, uint32_t len)
{
	struct memory *m = opaque;
	uint64_t e = 0, end = (gpa.a & VMT_PAGE_MASK) + len;

	m->reads++;
	FUZZ_REQUIRE((len == 4 || len == 8) && end <= VMT_PAGE_SIZE && gpa.a % len == 0);
	if ((m->bend & BEND_FAILS) && (gpa.a >> VMT_PAGE_SHIFT) % 8 == 7)
		return -VMT_E_NOT_RECORDED;
	if (m->nwords > 0)
		memcpy(&e, m->words + gpa.a / len % m->nwords * 8, 8);
	e = le64toh(e);
	if (m->bend & BEND_PRESENT)
		e |= 1;
	if (m->bend & BEND_SHORT)
		e &= ~UINT64_C(0x000fffffffff8000);
	if (m->bend & BEND_RESERVED)
		e &= UINT64_C(0x000ffffffffff61f);
	e = htole64(e);
	memcpy(buf, &e, len);
	return 0;
}

static uint64_t bend_address(uint64_t a, unsigned paging)
{
	switch (paging) {
	case VMT_PAGING_4:
		return a & (UINT64_C(1) << 47) ? a | UINT64_C(0xffff) << 48 : a << 16 >> 16;
	case VMT_PAGING_5:
		return a & (UINT64_C(1) << 56) ? a | UINT64_C(0x7f) << 57 : a << 7 >> 7;
	default:
		return a & UINT32_MAX;
	}
}

static uint64_t u64_at(const uint8_t *bytes)
{
	uint64_t v;

	memcpy(&v, bytes, sizeof(v));
	return le64toh(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = {0};
	struct vmt_space space = {0};
	struct vmt_walk walk, other;
	struct vmt_fault fault, other_fault;
	vmt_gva gva;
	int r;

	if (size < HEAD)
		return 0;
	space.paging = data[0] % 7;
	space.flags = data[1];
	memory.bend = data[2];
	space.root = u64_at(data + 3);
	gva.a = u64_at(data + 11);
	if (memory.bend & BEND_CANONICAL)
		gva.a = bend_address(gva.a, space.paging);
	memory.words = data + HEAD;
	memory.nwords = (size - HEAD) / 8;

	r = vmt_walk_tables(read_memory, &memory, space, gva, &walk, &fault);
	FUZZ_REQUIRE(memory.reads <= VMT_WALK_MAX && walk.nentries <= memory.reads);
	FUZZ_REQUIRE((r == -VMT_E_FAULT) == (fault.kind != VMT_FAULT_NONE));
	if (space.paging == VMT_PAGING_NONE || space.paging > VMT_PAGING_5) {
		FUZZ_REQUIRE(r == (space.paging == VMT_PAGING_NONE ? 0 : -VMT_E_INVALID));
		return 0;
	}
	FUZZ_REQUIRE(reference_agrees(r, &walk, &fault,
				      reference_walk(read_memory, &memory, space, gva, &other,
						     &other_fault),
				      &other, &other_fault));
	return 0;
}
