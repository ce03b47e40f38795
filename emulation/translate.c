/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Linear to physical: 4- and 5-level walks through the vCPU's view, rights, accessed and dirty bits
 * (Intel SDM volume 3, sections 4.5 to 4.8), and a cache of walks.
 *
 * A kept walk is used again only while the caller's generation is the same and each entry that it
 * went by still holds what it held: so no stale translation can be used, whoever wrote the tables.
 */
#include <stdlib.h>

#include "emulation/exec.h"

#define ENTRY_P  UINT64_C(0x1)
#define ENTRY_W  UINT64_C(0x2)
#define ENTRY_U  UINT64_C(0x4)
#define ENTRY_A  UINT64_C(0x20)
#define ENTRY_D  UINT64_C(0x40)
#define ENTRY_PS UINT64_C(0x80)
#define ENTRY_NX (UINT64_C(1) << 63)
#define ADDRESS  UINT64_C(0x000ffffffffff000)

#define PF_P     1u
#define PF_W     2u
#define PF_U     4u
#define PF_RSVD  8u
#define PF_I     16u

struct vmt_tlb_entry {
	uint64_t page; /* gva >> 12 */
	uint64_t root, mode, now;
	void *ctx;
	const uint8_t *host; /* of the page; NULL: nothing is kept */
	vmt_gfn gfn, to;     /* before and after remapping */
	uint64_t step;       /* that walked */
	uint8_t levels;      /* of the walk */
	uint8_t asked;       /* kinds of access that were allowed */
	uint8_t asked_aside; /* likewise, with rights set aside */
	bool user, writable, nx, accessed, dirty;
	const uint8_t *at[5]; /* the entries, top first */
	uint64_t entry[5];
	vmt_gfn table[5], table_page[5];
};

int vmt_tlb_create(struct vmt_emulator *em)
{
	em->tlb = calloc(VMT_TLB_SIZE, sizeof(*em->tlb));
	return em->tlb ? 0 : -1;
}

void vmt_tlb_mode(struct vmt_exec *x)
{
	const struct vmt_regs *r = x->regs;

	x->mode = (r->cr0 & (VMT_CR0_PG | VMT_CR0_WP)) |
		  (r->cr4 & (VMT_CR4_LA57 | VMT_CR4_SMEP | VMT_CR4_SMAP)) |
		  (r->efer & VMT_EFER_NXE);
}

static int ask(struct vmt_exec *x, vmt_gpa gpa, uint64_t gva, unsigned access, uint8_t flags,
	       struct vmt_place *place)
{
	struct vmt_cpu_access a = {
		.gpa = gpa,
		.gva = vmt_gva_from(gva),
		.access = (uint8_t)access,
		.flags = (uint8_t)(flags | VMT_MEM_GVA_VALID),
		.no_rights = (x->how->flags & VMT_STEP_NO_RIGHTS) != 0,
	};
	int o;

	place->gpa = gpa;
	place->host = NULL;
	place->page = vmt_gfn_of(gpa);
	o = x->em->ops->access(x->cpu->ctx, &a, &place->page);
	if (o == VMT_PAGE_HOLE)
		return 0;
	if (o == VMT_PAGE_OK) {
		place->host = x->em->ops->page(x->cpu->ctx, place->page);
		if (place->host) {
			vmt_note_access(x, vmt_gfn_of(gpa), place->page, access, flags);
			return 0;
		}
	}
	x->r->at = a;
	x->r->outcome = o == VMT_PAGE_VIOLATION ? VMT_STEP_VIOLATION : VMT_STEP_MISSING;
	return (int)x->r->outcome;
}

static uint32_t fault_code(const struct vmt_exec *x, unsigned kind)
{
	uint32_t code = 0;

	if (kind & VMT_W)
		code |= PF_W;
	if (x->cpl == 3 && !(kind & VMT_KIND_SYSTEM))
		code |= PF_U;
	if ((kind & VMT_X) && (x->mode & (VMT_EFER_NXE | VMT_CR4_SMEP)))
		code |= PF_I;
	return code;
}

/* May this access go through a translation with these rights? */
static bool permitted(const struct vmt_exec *x, const struct vmt_tlb_entry *e, unsigned kind)
{
	if ((kind & VMT_X) && e->nx)
		return false;
	if (x->cpl == 3 && !(kind & VMT_KIND_SYSTEM))
		return e->user && (e->writable || !(kind & VMT_W));
	if ((kind & VMT_W) && !e->writable && (x->mode & VMT_CR0_WP))
		return false;
	if (!e->user)
		return true;
	if (kind & VMT_X)
		return !(x->mode & VMT_CR4_SMEP);
	if (!(x->mode & VMT_CR4_SMAP))
		return true;
	return (x->regs->gprs.rflags & VMT_FLAG_AC) && !(kind & VMT_KIND_SYSTEM);
}

/* Is what was kept still so, entry by entry, and was this kind of access asked for? */
static bool usable(const struct vmt_exec *x, const struct vmt_tlb_entry *e, unsigned kind)
{
	uint8_t asked = x->how->flags & VMT_STEP_NO_RIGHTS ? e->asked_aside : e->asked;
	unsigned access = kind & VMT_RWX;

	if ((asked & access) != access)
		return false;
	if (e->step != x->em->steps && (!e->accessed || ((kind & VMT_W) && !e->dirty)))
		return false;
	for (unsigned i = 0; i < e->levels; i++) {
		uint64_t entry;

		memcpy(&entry, e->at[i], sizeof(entry));
		if (entry != e->entry[i])
			return false;
	}
	return permitted(x, e, kind);
}

static void note_all(struct vmt_exec *x, const struct vmt_tlb_entry *e, unsigned kind)
{
	for (unsigned i = 0; i < e->levels; i++)
		vmt_note_access(x, e->table[i], e->table_page[i], VMT_R, VMT_MEM_IN_WALK);
	vmt_note_access(x, e->gfn, e->to, kind & VMT_RWX, VMT_MEM_AT_GVA);
}

/* Read the entry of one level. A hole reads as ones, as any other. */
static int read_entry(struct vmt_exec *x, struct vmt_tlb_entry *e, uint64_t gva, uint64_t where)
{
	struct vmt_place place;
	uint32_t offset = (uint32_t)(where & VMT_PAGE_MASK);
	unsigned i = e->levels;

	VMT_TRY(ask(x, vmt_gpa_from(where), gva, VMT_R, VMT_MEM_IN_WALK, &place));
	e->table[i] = vmt_gfn_of(place.gpa);
	e->table_page[i] = place.page;
	e->entry[i] = UINT64_MAX;
	e->at[i] = place.host ? place.host + offset : NULL;
	if (place.host) {
		memcpy(&e->entry[i], e->at[i], sizeof(e->entry[i]));
		vmt_overlay(x, place.page, offset, &e->entry[i], sizeof(e->entry[i]));
	}
	e->levels++;
	return 0;
}

static uint64_t reserved_bits(const struct vmt_exec *x, unsigned level, uint64_t entry)
{
	uint64_t reserved = x->em->reserved_address;

	if (!(x->mode & VMT_EFER_NXE))
		reserved |= ENTRY_NX;
	if (level >= 4)
		reserved |= ENTRY_PS;
	else if (level >= 2 && (entry & ENTRY_PS)) /* bit 12 is PAT */
		reserved |= ((UINT64_C(1) << (12 + 9 * (level - 1))) - 1) & ~UINT64_C(0x1fff);
	return reserved;
}

/* Walk the tables for @gva; @e then has the entries, the rights and the physical address. */
static int walk(struct vmt_exec *x, uint64_t gva, unsigned kind, struct vmt_tlb_entry *e,
		uint64_t *gpa)
{
	uint64_t table = x->regs->cr3 & ADDRESS;
	uint32_t code = fault_code(x, kind);

	e->levels = 0;
	e->user = e->writable = true;
	e->nx = false;
	e->accessed = true;
	for (unsigned level = x->mode & VMT_CR4_LA57 ? 5 : 4;; level--) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t entry;

		VMT_TRY(read_entry(x, e, gva, table + (gva >> shift & 511) * 8));
		entry = e->entry[e->levels - 1];
		if (!(entry & ENTRY_P))
			return vmt_exec_raise_page_fault(x, gva, code);
		if (entry & reserved_bits(x, level, entry))
			return vmt_exec_raise_page_fault(x, gva, code | PF_P | PF_RSVD);
		e->user = e->user && (entry & ENTRY_U);
		e->writable = e->writable && (entry & ENTRY_W);
		e->nx = e->nx || (entry & ENTRY_NX);
		e->accessed = e->accessed && (entry & ENTRY_A);
		table = entry & ADDRESS;
		if (level == 1 || (level <= 3 && (entry & ENTRY_PS))) {
			uint64_t mask = (UINT64_C(1) << shift) - 1;

			e->dirty = (entry & ENTRY_D) != 0;
			*gpa = (table & ~mask) | (gva & mask);
			return 0;
		}
	}
}

/* Set the accessed bits, and dirty in the last entry for a write, where they are clear. */
static int mark(struct vmt_exec *x, uint64_t gva, unsigned kind, const struct vmt_tlb_entry *e)
{
	for (unsigned i = 0; i < e->levels; i++) {
		uint64_t bits = ENTRY_A;
		uint64_t entry = e->entry[i];
		struct vmt_place place;
		uint64_t where;

		if (i + 1u == e->levels && (kind & VMT_W))
			bits |= ENTRY_D;
		if ((entry & bits) == bits || !e->at[i])
			continue;
		where = vmt_gpa_of(e->table[i]).a |
			((gva >> (12 + 9 * ((x->mode & VMT_CR4_LA57 ? 5u : 4u) - 1 - i)) & 511) *
			 8);
		VMT_TRY(ask(x, vmt_gpa_from(where), gva, VMT_RW, VMT_MEM_IN_WALK, &place));
		entry |= bits;
		VMT_TRY(vmt_log_write(x, &place, gva, &entry, sizeof(entry), VMT_MEM_IN_WALK));
	}
	return 0;
}

static struct vmt_tlb_entry *slot(const struct vmt_exec *x, uint64_t page)
{
	return &x->em->tlb[(page ^ page >> 8 ^ page >> 36) % VMT_TLB_SIZE];
}

static bool matches(const struct vmt_exec *x, const struct vmt_tlb_entry *e, uint64_t page)
{
	return e->host && e->page == page && e->root == x->regs->cr3 && e->mode == x->mode &&
	       e->now == x->now && e->ctx == x->cpu->ctx;
}

static void keep(struct vmt_exec *x, struct vmt_tlb_entry *e, const struct vmt_tlb_entry *fresh,
		 uint64_t gva, unsigned kind, const struct vmt_place *place)
{
	uint64_t page = gva >> VMT_PAGE_SHIFT;
	bool same = matches(x, e, page) && e->host == place->host && e->step == x->em->steps;
	uint8_t asked = same ? e->asked : 0, aside = same ? e->asked_aside : 0;

	for (unsigned i = 0; i < fresh->levels; i++)
		if (!fresh->at[i])
			return;
	*e = *fresh;
	e->page = page;
	e->root = x->regs->cr3;
	e->mode = x->mode;
	e->now = x->now;
	e->ctx = x->cpu->ctx;
	e->host = place->host;
	e->gfn = vmt_gfn_of(place->gpa);
	e->to = place->page;
	e->step = x->em->steps;
	e->asked = asked;
	e->asked_aside = aside;
	if (x->how->flags & VMT_STEP_NO_RIGHTS)
		e->asked_aside |= (uint8_t)(kind & VMT_RWX);
	else
		e->asked |= (uint8_t)(kind & VMT_RWX);
}

/* The slow way: walk, check, ask the view, set the bits. */
static int translate_anew(struct vmt_exec *x, uint64_t gva, unsigned kind, struct vmt_place *place)
{
	struct vmt_tlb_entry fresh = {0};
	uint64_t gpa = gva & UINT32_MAX;

	if (x->mode & VMT_CR0_PG) {
		VMT_TRY(walk(x, gva, kind, &fresh, &gpa));
		if (!permitted(x, &fresh, kind))
			return vmt_exec_raise_page_fault(x, gva, fault_code(x, kind) | PF_P);
		VMT_TRY(mark(x, gva, kind, &fresh));
	} else {
		fresh.user = fresh.writable = fresh.accessed = fresh.dirty = true;
	}
	VMT_TRY(ask(x, vmt_gpa_from(gpa), gva, kind & VMT_RWX, VMT_MEM_AT_GVA, place));
	if (place->host)
		keep(x, slot(x, gva >> VMT_PAGE_SHIFT), &fresh, gva, kind, place);
	return 0;
}

int vmt_exec_translate(struct vmt_exec *x, uint64_t gva, unsigned kind, struct vmt_place *place)
{
	uint64_t page = gva >> VMT_PAGE_SHIFT;
	struct vmt_tlb_entry *e = slot(x, page);

	if (!matches(x, e, page) || !usable(x, e, kind))
		return translate_anew(x, gva, kind, place);
	if (x->how->flags & (VMT_STEP_LIST | VMT_STEP_DRY))
		note_all(x, e, kind);
	place->host = e->host;
	place->page = e->to;
	place->gpa = vmt_gpa_from(vmt_gpa_of(e->gfn).a | (gva & VMT_PAGE_MASK));
	return 0;
}
