/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Page walks. One table row for each paging mode, with one for each of its levels; the walk itself
 * knows no mode.
 *
 * Facts: Intel SDM volume 3, sections 4.3 to 4.5 (formats in figures 4-4, 4-7 and 4-11); Xen
 * xen/arch/x86/mm/guest_walk.c and asm/guest_pt.h. How many physical address bits a guest's CPU has
 * is not known here, so all 52 that an entry can hold are taken as address.
 */
#include <endian.h>
#include <string.h>

#include "walk.h"

#define PRESENT  UINT64_C(0x1)
#define WRITABLE UINT64_C(0x2)
#define USER     UINT64_C(0x4)
#define PS       UINT64_C(0x80)
#define NX       (UINT64_C(1) << 63)

/* Bits @high to @low, both included. */
#define BITS(high, low) (((UINT64_C(2) << (high)) - 1) & ~((UINT64_C(1) << (low)) - 1))

/* One level of a mode, named by its number: 1 is the page table. */
struct level {
	uint8_t shift;      /* of the index in the address; a large page has 1 << shift bytes */
	uint8_t index_bits; /* 0: the mode has no such level */
	bool large;     /* PS makes a page; with it, bits below the page's address are reserved */
	bool no_rights; /* the entry has no rights of its own */
	uint64_t reserved; /* in each entry */
};

struct mode {
	uint8_t top;
	uint8_t entry_size;   /* bytes */
	uint8_t address_bits; /* of a virtual address */
	bool canonical;       /* the bits above are copies of the highest; else they are 0 */
	uint64_t root_mask;   /* the address of the top table in CR3 */
	struct level levels[VMT_WALK_MAX + 1];
};

#define ADDRESS   BITS(51, 12)
#define PAE_HIGH  BITS(62, 52) /* reserved in PAE, ignored in 4- and 5-level paging */
#define PAE_PDPTE (BITS(63, 52) | BITS(8, 5) | BITS(2, 1))

/* clang-format off */
static const struct mode modes[] = {
	[VMT_PAGING_32] = {2, 4, 32, false, BITS(31, 12), {
		[2] = {22, 10, .large = true},
		[1] = {12, 10, .large = false},
	}},
	[VMT_PAGING_PAE] = {3, 8, 32, false, BITS(31, 5), {
		[3] = {30, 2, .no_rights = true, .reserved = PAE_PDPTE},
		[2] = {21, 9, .large = true, .reserved = PAE_HIGH},
		[1] = {12, 9, .reserved = PAE_HIGH},
	}},
	[VMT_PAGING_4] = {4, 8, 48, true, ADDRESS, {
		[4] = {39, 9, .reserved = PS},
		[3] = {30, 9, .large = true},
		[2] = {21, 9, .large = true},
		[1] = {12, 9, .large = false},
	}},
	[VMT_PAGING_5] = {5, 8, 57, true, ADDRESS, {
		[5] = {48, 9, .reserved = PS},
		[4] = {39, 9, .reserved = PS},
		[3] = {30, 9, .large = true},
		[2] = {21, 9, .large = true},
		[1] = {12, 9, .large = false},
	}},
};
/* clang-format on */

/* What one walk goes by. */
struct walker {
	const struct mode *mode;
	struct vmt_space space;
	struct vmt_fault *fault;
};

static int fault_at(const struct walker *w, enum vmt_fault_kind kind, vmt_gva gva)
{
	*w->fault = (struct vmt_fault){
		.kind = (uint32_t)kind,
		.address = gva,
		.root = w->space.root,
	};
	return -VMT_E_FAULT;
}

static int fault_in(const struct walker *w, enum vmt_fault_kind kind, vmt_gva gva,
		    const struct vmt_walk_entry *entry)
{
	fault_at(w, kind, gva);
	w->fault->level = entry->level;
	w->fault->where = entry->where;
	w->fault->entry = entry->entry;
	return -VMT_E_FAULT;
}

static int check_address(const struct walker *w, vmt_gva gva)
{
	unsigned bits = w->mode->address_bits;

	if (w->mode->canonical) {
		uint64_t high = gva.a >> (bits - 1);

		if (high != 0 && high != UINT64_MAX >> (bits - 1))
			return fault_at(w, VMT_FAULT_NON_CANONICAL, gva);
	} else if (gva.a >> bits != 0) {
		return fault_at(w, VMT_FAULT_TOO_WIDE, gva);
	}
	return 0;
}

/* Is PSE-36 in play: a 4 MiB page, whose entry has bits 39:32 of the address in bits 20:13? */
static bool is_pse36(const struct mode *mode)
{
	return mode->entry_size == 4;
}

static bool is_large(const struct walker *w, const struct level *level, uint64_t entry)
{
	if (!level->large || !(entry & PS))
		return false;
	return w->space.paging != VMT_PAGING_32 || (w->space.flags & VMT_SPACE_PSE);
}

static uint64_t reserved_bits(const struct walker *w, const struct level *level, bool large)
{
	uint64_t reserved = level->reserved;

	if (w->mode->entry_size == 8 && !(w->space.flags & VMT_SPACE_NXE))
		reserved |= NX;
	/* Bit 12 of a large page's entry is PAT. */
	if (large)
		reserved |= is_pse36(w->mode) ? BITS(21, 21) : BITS(level->shift - 1u, 13);
	return reserved;
}

static uint64_t page_address(const struct walker *w, const struct level *level, bool large,
			     uint64_t entry)
{
	if (!large)
		return entry & ADDRESS;
	if (is_pse36(w->mode))
		return (entry & BITS(31, 22)) | (entry & BITS(20, 13)) << (32 - 13);
	return entry & BITS(51, level->shift);
}

static int read_entry(const struct walker *w, vmt_walk_read_fn read, void *opaque, vmt_gpa where,
		      uint64_t *entry)
{
	uint64_t value = 0;
	int r = read(opaque, where, &value, w->mode->entry_size);

	if (r < 0)
		return r;
	/* A 4-byte entry fills the first bytes, which are the low ones. */
	*entry = le64toh(value);
	return 0;
}

static void add_rights(struct vmt_walk *walk, const struct walker *w, const struct level *level,
		       uint64_t entry)
{
	if (level->no_rights)
		return;
	walk->writable = walk->writable && (entry & WRITABLE);
	walk->user = walk->user && (entry & USER);
	if (w->mode->entry_size == 8 && (entry & NX))
		walk->executable = false;
}

static int walk_levels(const struct walker *w, vmt_walk_read_fn read, void *opaque, vmt_gva gva,
		       struct vmt_walk *walk)
{
	uint64_t table = w->space.root & w->mode->root_mask;

	for (unsigned number = w->mode->top;; number--) {
		const struct level *level = &w->mode->levels[number];
		struct vmt_walk_entry e = {.level = number};
		uint64_t index = (gva.a >> level->shift) & ((1u << level->index_bits) - 1);
		bool large;
		int r;

		e.where = vmt_gpa_from(table + index * w->mode->entry_size);
		r = read_entry(w, read, opaque, e.where, &e.entry);
		if (r < 0)
			return r;
		walk->entries[walk->nentries++] = e;
		if (!(e.entry & PRESENT))
			return fault_in(w, VMT_FAULT_NOT_PRESENT, gva, &e);
		large = is_large(w, level, e.entry);
		if (e.entry & reserved_bits(w, level, large))
			return fault_in(w, VMT_FAULT_RESERVED, gva, &e);
		add_rights(walk, w, level, e.entry);
		table = page_address(w, level, large, e.entry);
		if (large || number == 1) {
			walk->page_size = UINT64_C(1) << level->shift;
			walk->gpa = vmt_gpa_from(table | (gva.a & (walk->page_size - 1)));
			return 0;
		}
	}
}

int vmt_walk_tables(vmt_walk_read_fn read, void *opaque, struct vmt_space space, vmt_gva gva,
		    struct vmt_walk *walk, struct vmt_fault *fault)
{
	struct walker w = {.space = space, .fault = fault};
	int r;

	memset(walk, 0, sizeof(*walk));
	memset(fault, 0, sizeof(*fault));
	if (space.paging > VMT_PAGING_5)
		return -VMT_E_INVALID;
	walk->writable = walk->user = walk->executable = true;
	if (space.paging == VMT_PAGING_NONE) {
		walk->gpa = vmt_gpa_from(gva.a);
		walk->page_size = VMT_PAGE_SIZE;
		return 0;
	}
	w.mode = &modes[space.paging];
	r = check_address(&w, gva);
	if (r < 0)
		return r;
	return walk_levels(&w, read, opaque, gva, walk);
}
