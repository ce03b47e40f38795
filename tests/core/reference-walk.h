/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A second page walker, to hold the first against. It shares no code and no table with core/walk.c:
 * it spells each mode out as the figures of Intel SDM volume 3, chapter 4 have it, bit by bit.
 */
#ifndef VMT_TESTS_CORE_REFERENCE_WALK_H
#define VMT_TESTS_CORE_REFERENCE_WALK_H

#include <string.h>

#include "core/walk.h"

struct reference_walker {
	vmt_walk_read_fn read;
	void *opaque;
	struct vmt_space space;
	vmt_gva gva;
	struct vmt_walk *walk;
	struct vmt_fault *fault;
};

static inline int reference_fault(struct reference_walker *w, uint32_t kind, uint32_t level,
				  uint64_t where, uint64_t entry)
{
	w->fault->kind = kind;
	w->fault->level = level;
	w->fault->address = w->gva;
	w->fault->root = w->space.root;
	w->fault->where.a = where;
	w->fault->entry = entry;
	return -VMT_E_FAULT;
}

static inline int reference_done(struct reference_walker *w, uint64_t page, uint64_t page_size)
{
	w->walk->gpa.a = page + w->gva.a % page_size;
	w->walk->page_size = page_size;
	return 0;
}

/* Read an entry, note it, and fault when it is not present or has one of the @reserved bits. */
static inline int reference_entry(struct reference_walker *w, uint32_t level, uint64_t where,
				  uint32_t size, uint64_t *e)
{
	struct vmt_walk_entry *slot = &w->walk->entries[w->walk->nentries];
	uint8_t bytes[8] = {0};
	int r = w->read(w->opaque, vmt_gpa_from(where), bytes, size);

	if (r < 0)
		return r;
	*e = 0;
	for (int i = 7; i >= 0; i--)
		*e = *e * 256 + bytes[i];
	slot->level = level;
	slot->where.a = where;
	slot->entry = *e;
	w->walk->nentries++;
	if (*e % 2 == 0)
		return reference_fault(w, VMT_FAULT_NOT_PRESENT, level, where, *e);
	return 0;
}

static inline void reference_rights(struct reference_walker *w, uint64_t e, int wide)
{
	if (!(e & 2))
		w->walk->writable = false;
	if (!(e & 4))
		w->walk->user = false;
	if (wide && e >> 63)
		w->walk->executable = false;
}

/* Figure 4-4: 32-bit paging. */
static inline int reference_walk_32(struct reference_walker *w)
{
	uint64_t pd = w->space.root & 0xfffff000, where, e;
	int r;

	if (w->gva.a > 0xffffffff)
		return reference_fault(w, VMT_FAULT_TOO_WIDE, 0, 0, 0);
	where = pd + (w->gva.a >> 22) * 4;
	r = reference_entry(w, 2, where, 4, &e);
	if (r < 0)
		return r;
	if ((e & 0x80) && (w->space.flags & VMT_SPACE_PSE)) {
		if (e & 0x200000)
			return reference_fault(w, VMT_FAULT_RESERVED, 2, where, e);
		reference_rights(w, e, 0);
		return reference_done(w, (e & 0xffc00000) + ((e & 0x1fe000) >> 13) * 0x100000000,
				      0x400000);
	}
	reference_rights(w, e, 0);
	where = (e & 0xfffff000) + ((w->gva.a >> 12) & 0x3ff) * 4;
	r = reference_entry(w, 1, where, 4, &e);
	if (r < 0)
		return r;
	reference_rights(w, e, 0);
	return reference_done(w, e & 0xfffff000, 0x1000);
}

/* Figure 4-7: PAE paging. */
static inline int reference_walk_pae(struct reference_walker *w)
{
	int nx = w->space.flags & VMT_SPACE_NXE;
	uint64_t where, e;
	int r;

	if (w->gva.a > 0xffffffff)
		return reference_fault(w, VMT_FAULT_TOO_WIDE, 0, 0, 0);
	where = (w->space.root & 0xffffffe0) + (w->gva.a >> 30) * 8;
	r = reference_entry(w, 3, where, 8, &e);
	if (r < 0)
		return r;
	if (e & 0xfff00000000001e6)
		return reference_fault(w, VMT_FAULT_RESERVED, 3, where, e);
	where = (e & 0x000ffffffffff000) + ((w->gva.a >> 21) & 0x1ff) * 8;
	r = reference_entry(w, 2, where, 8, &e);
	if (r < 0)
		return r;
	if ((e & 0x7ff0000000000000) || (!nx && e >> 63))
		return reference_fault(w, VMT_FAULT_RESERVED, 2, where, e);
	if ((e & 0x80) && (e & 0x1fe000))
		return reference_fault(w, VMT_FAULT_RESERVED, 2, where, e);
	reference_rights(w, e, 1);
	if (e & 0x80)
		return reference_done(w, e & 0x000fffffffe00000, 0x200000);
	where = (e & 0x000ffffffffff000) + ((w->gva.a >> 12) & 0x1ff) * 8;
	r = reference_entry(w, 1, where, 8, &e);
	if (r < 0)
		return r;
	if ((e & 0x7ff0000000000000) || (!nx && e >> 63))
		return reference_fault(w, VMT_FAULT_RESERVED, 1, where, e);
	reference_rights(w, e, 1);
	return reference_done(w, e & 0x000ffffffffff000, 0x1000);
}

/* Figure 4-11: what one level of 4- and 5-level paging makes of its table. */
static inline int reference_level_64(struct reference_walker *w, uint32_t level, uint64_t table)
{
	static const unsigned shifts[] = {0, 12, 21, 30, 39, 48};
	uint64_t where = table + (w->gva.a >> shifts[level]) % 512 * 8, e;
	int r = reference_entry(w, level, where, 8, &e);

	if (r < 0)
		return r;
	if (!(w->space.flags & VMT_SPACE_NXE) && e >> 63)
		return reference_fault(w, VMT_FAULT_RESERVED, level, where, e);
	if (e & 0x80) {
		if (level >= 4 || (level == 3 && (e & 0x3fffe000)) ||
		    (level == 2 && (e & 0x1fe000)))
			return reference_fault(w, VMT_FAULT_RESERVED, level, where, e);
	}
	reference_rights(w, e, 1);
	if (level == 3 && (e & 0x80))
		return reference_done(w, e & 0x000fffffc0000000, 0x40000000);
	if (level == 2 && (e & 0x80))
		return reference_done(w, e & 0x000fffffffe00000, 0x200000);
	if (level == 1)
		return reference_done(w, e & 0x000ffffffffff000, 0x1000);
	return reference_level_64(w, level - 1, e & 0x000ffffffffff000);
}

/* As vmt_walk_tables, for the four modes that have tables. */
static inline int reference_walk(vmt_walk_read_fn read, void *opaque, struct vmt_space space,
				 vmt_gva gva, struct vmt_walk *walk, struct vmt_fault *fault)
{
	struct reference_walker w = {read, opaque, space, gva, walk, fault};
	uint64_t high;

	memset(walk, 0, sizeof(*walk));
	memset(fault, 0, sizeof(*fault));
	walk->writable = walk->user = walk->executable = true;
	switch (space.paging) {
	case VMT_PAGING_32:
		return reference_walk_32(&w);
	case VMT_PAGING_PAE:
		return reference_walk_pae(&w);
	case VMT_PAGING_4:
		high = gva.a & 0xffff800000000000;
		if (high != 0 && high != 0xffff800000000000)
			return reference_fault(&w, VMT_FAULT_NON_CANONICAL, 0, 0, 0);
		return reference_level_64(&w, 4, space.root & 0x000ffffffffff000);
	default:
		high = gva.a & 0xff00000000000000;
		if (high != 0 && high != 0xff00000000000000)
			return reference_fault(&w, VMT_FAULT_NON_CANONICAL, 0, 0, 0);
		return reference_level_64(&w, 5, space.root & 0x000ffffffffff000);
	}
}

/* Is the outcome of two walks the same? (Rights count when the walk ended well.) */
static inline bool reference_agrees(int r, const struct vmt_walk *a, const struct vmt_fault *f,
				    int q, const struct vmt_walk *b, const struct vmt_fault *g)
{
	if (r != q || a->nentries != b->nentries)
		return false;
	for (uint32_t i = 0; i < a->nentries; i++)
		if (a->entries[i].level != b->entries[i].level ||
		    a->entries[i].where.a != b->entries[i].where.a ||
		    a->entries[i].entry != b->entries[i].entry)
			return false;
	if (f->kind != g->kind || f->level != g->level || f->address.a != g->address.a ||
	    f->root != g->root || f->where.a != g->where.a || f->entry != g->entry)
		return false;
	return r < 0 ||
	       (a->gpa.a == b->gpa.a && a->page_size == b->page_size &&
		a->writable == b->writable && a->user == b->user && a->executable == b->executable);
}

#endif /* VMT_TESTS_CORE_REFERENCE_WALK_H */
