/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scripted domain's page tables: made in its own pages, so that handlers can walk and watch
 * them (Intel SDM volume 3, chapter 4).
 */
#include <inttypes.h>
#include <string.h>

#include "scripted.h"

#define PTE_PRESENT  (UINT64_C(1) << 0)
#define PTE_WRITABLE (UINT64_C(1) << 1)
#define PTE_USER     (UINT64_C(1) << 2)
#define PTE_LARGE    (UINT64_C(1) << 7)
#define PTE_NX       (UINT64_C(1) << 63)
#define PTE_FRAME    UINT64_C(0x000ffffffffff000)

/* -------------------------------------------------------------------------------------------- */
/* Entries                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static uint64_t leaf(uint64_t gpa, unsigned flags)
{
	uint64_t entry = gpa & PTE_FRAME;

	if (flags & VMT_MAP_NOT_PRESENT)
		return entry;
	entry |= PTE_PRESENT;
	if (!(flags & VMT_MAP_READ_ONLY))
		entry |= PTE_WRITABLE;
	if (flags & VMT_MAP_USER)
		entry |= PTE_USER;
	if (flags & VMT_MAP_NX)
		entry |= PTE_NX;
	return entry;
}

uint64_t vmt_pte(vmt_gfn gfn, unsigned flags)
{
	return leaf(gfn.n << VMT_PAGE_SHIFT, flags);
}

uint64_t vmt_pte_large(vmt_gfn gfn, unsigned flags)
{
	return leaf(gfn.n << VMT_PAGE_SHIFT, flags) | PTE_LARGE;
}

uint64_t vmt_pte_not_present(void)
{
	return 0;
}

int vmt_scripted_write_pte(struct vmt_driver *d, vmt_gpa where, uint64_t entry)
{
	return vmt_scripted_write(d, where, &entry, sizeof(entry));
}

/* -------------------------------------------------------------------------------------------- */
/* Paging modes                                                                                 */
/* -------------------------------------------------------------------------------------------- */

struct mode {
	unsigned levels;
	unsigned index_bits; /* of each level */
	unsigned entry_size;
	unsigned address_bits;
	unsigned large_sizes; /* enum vmt_map_flag */
	uint64_t cr4, efer;
};

static const struct mode modes[] = {
	[VMT_PAGING_NONE] = {.address_bits = 64},
	[VMT_PAGING_32] = {2, 10, 4, 32, VMT_MAP_4M, 0, 0},
	[VMT_PAGING_PAE] = {3, 9, 8, 32, VMT_MAP_2M, VMT_CR4_PAE, 0},
	[VMT_PAGING_4] = {4, 9, 8, 48, VMT_MAP_2M | VMT_MAP_1G, VMT_CR4_PAE,
			  VMT_EFER_LME | VMT_EFER_LMA},
	[VMT_PAGING_5] = {5, 9, 8, 57, VMT_MAP_2M | VMT_MAP_1G, VMT_CR4_PAE | VMT_CR4_LA57,
			  VMT_EFER_LME | VMT_EFER_LMA},
};
#define NMODES (sizeof(modes) / sizeof(modes[0]))

static unsigned shift_of(const struct mode *mode, unsigned level)
{
	return VMT_PAGE_SHIFT + (level - 1) * mode->index_bits;
}

/* -------------------------------------------------------------------------------------------- */
/* Tables                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int new_table(struct vmt_scripted *s, uint64_t *gpa, struct vmt_error *err)
{
	while (s->table_end > 0) {
		s->table_end--;
		if (vmt_scripted_page_is_blank(s, s->table_end)) {
			*gpa = s->table_end << VMT_PAGE_SHIFT;
			return 0;
		}
	}
	return vmt_error_set(err, VMT_E_NO_MEMORY, "scripted domain",
			     "no blank page of RAM is left for a page table; give the domain more "
			     "pages");
}

/* Where the entry for @gva stands in the table at @table. */
static uint64_t entry_at(const struct mode *mode, uint64_t table, uint64_t gva, unsigned level)
{
	uint64_t index = gva >> shift_of(mode, level);

	/* The PAE mode's top table has 4 entries; its addresses end at 32 bits. */
	index &= (UINT64_C(1) << mode->index_bits) - 1;
	return table + index * mode->entry_size;
}

/* The table one level below @where; made when none is there. */
static int descend(struct vmt_scripted *s, const struct mode *mode, uint64_t where, unsigned level,
		   uint64_t *table, struct vmt_error *err)
{
	uint64_t entry = 0;
	int r = vmt_scripted_copy_out(s, where, &entry, mode->entry_size, err);

	if (r < 0)
		return r;
	if ((entry & PTE_PRESENT) && (entry & PTE_LARGE))
		return vmt_error_set(err, VMT_E_INVALID, "vmt_scripted_map",
				     "a large page is mapped there already (the entry at 0x%" PRIx64
				     " of level %u)",
				     where, level);
	if (entry & PTE_PRESENT) {
		*table = entry & PTE_FRAME;
		return 0;
	}
	r = new_table(s, table, err);
	if (r < 0)
		return r;
	entry = *table | PTE_PRESENT;
	/* The PAE mode's top entries have no rights: their bits are reserved. */
	if (mode->levels != 3 || level != 3)
		entry |= PTE_WRITABLE | PTE_USER;
	return vmt_scripted_copy_in(s, where, &entry, mode->entry_size, err);
}

static unsigned leaf_level(unsigned flags)
{
	if (flags & VMT_MAP_1G)
		return 3;
	return flags & (VMT_MAP_2M | VMT_MAP_4M) ? 2 : 1;
}

static int map_page(struct vmt_scripted *s, const struct mode *mode, struct vmt_space space,
		    uint64_t gva, uint64_t gpa, unsigned flags, struct vmt_error *err)
{
	uint64_t table = space.root & PTE_FRAME;
	uint64_t entry = leaf(gpa, flags);
	unsigned level = mode->levels;
	int r;

	for (; level > leaf_level(flags); level--) {
		r = descend(s, mode, entry_at(mode, table, gva, level), level, &table, err);
		if (r < 0)
			return r;
	}
	if (level > 1 && !(flags & VMT_MAP_NOT_PRESENT))
		entry |= PTE_LARGE;
	return vmt_scripted_copy_in(s, entry_at(mode, table, gva, level), &entry, mode->entry_size,
				    err);
}

static int check_map(const struct mode *mode, struct vmt_space space, uint64_t gva, uint64_t gpa,
		     uint64_t len, unsigned flags, struct vmt_error *err)
{
	static const char place[] = "vmt_scripted_map";
	unsigned large = flags & (VMT_MAP_2M | VMT_MAP_4M | VMT_MAP_1G);
	uint64_t size = mode->levels ? UINT64_C(1) << shift_of(mode, leaf_level(flags)) : 1;

	if (mode->levels == 0)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "the space has no page tables; make one with "
				     "vmt_scripted_new_space");
	if (large & ~mode->large_sizes || (large & (large - 1)))
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "this paging mode has no pages of that size");
	if ((large & VMT_MAP_4M) && !(space.flags & VMT_SPACE_PSE))
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "4 MiB pages need a space with VMT_SPACE_PSE");
	if ((flags & VMT_MAP_NX) && !(space.flags & VMT_SPACE_NXE))
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "VMT_MAP_NX needs a space with VMT_SPACE_NXE");
	if (len == 0 || ((gva | gpa | len) & (size - 1)))
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "addresses and length must be whole pages of 0x%" PRIx64
				     " bytes, and the length not 0",
				     size);
	if (mode->address_bits == 32 &&
	    ((gva | gpa | (len - 1)) >> 32 || gva + len > UINT64_C(1) << 32))
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "the range does not fit the 32-bit addresses of this mode");
	return 0;
}

static int map(struct vmt_scripted *s, struct vmt_space space, uint64_t gva, uint64_t gpa,
	       uint64_t len, unsigned flags, struct vmt_error *err)
{
	const struct mode *mode = &modes[space.paging < NMODES ? space.paging : 0];
	int r = check_map(mode, space, gva, gpa, len, flags, err);
	uint64_t size;

	if (r < 0)
		return r;
	size = UINT64_C(1) << shift_of(mode, leaf_level(flags));
	for (uint64_t done = 0; r == 0 && done < len; done += size)
		r = map_page(s, mode, space, gva + done, gpa + done, flags, err);
	return r;
}

int vmt_scripted_map(struct vmt_driver *d, struct vmt_space space, vmt_gva gva, vmt_gpa gpa,
		     uint64_t len, unsigned flags)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s ? map(s, space, gva.a, gpa.a, len, flags, &d->err) : -VMT_E_INVALID;
}

/* -------------------------------------------------------------------------------------------- */
/* Spaces                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int new_space(struct vmt_scripted *s, unsigned paging, unsigned flags,
		     struct vmt_space *space, struct vmt_error *err)
{
	*space = VMT_PHYS;
	if (paging >= NMODES || (flags & ~(unsigned)(VMT_SPACE_PSE | VMT_SPACE_NXE)))
		return vmt_error_set(err, VMT_E_INVALID, "scripted domain",
				     "there is no such paging mode or space flag; see enum "
				     "vmt_paging and enum vmt_space_flag");
	if (paging == VMT_PAGING_NONE)
		return 0;
	space->paging = (uint8_t)paging;
	space->flags = (uint8_t)flags;
	if (modes[paging].efer)
		space->flags |= VMT_SPACE_NXE;
	return new_table(s, &space->root, err);
}

int vmt_scripted_new_space(struct vmt_driver *d, enum vmt_paging paging, unsigned flags,
			   struct vmt_space *space)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s ? new_space(s, paging, flags, space, &d->err) : -VMT_E_INVALID;
}

struct vmt_space vmt_scripted_space(struct vmt_driver *d)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s ? s->space : VMT_PHYS;
}

/* Flat segments of the kernel: access is type, S, DPL, P, then AVL, L, D/B, G. */
static void set_segments(struct vmt_regs *regs, bool long_mode)
{
	const struct vmt_segment code = {0, UINT32_MAX, 0x10, long_mode ? 0xa9b : 0xc9b};
	const struct vmt_segment data = {0, UINT32_MAX, 0x18, 0xc93};

	regs->cs = code;
	regs->ds = regs->es = regs->fs = regs->gs = regs->ss = data;
	regs->tr = (struct vmt_segment){0, 0x67, 0x20, 0x08b};
}

static void enter_space(struct vmt_regs *regs, struct vmt_space space)
{
	const uint64_t cr4 = VMT_CR4_PSE | VMT_CR4_PAE | VMT_CR4_LA57;
	const uint64_t efer = VMT_EFER_LME | VMT_EFER_LMA | VMT_EFER_NXE;
	const struct mode *mode = &modes[space.paging];
	bool was_long = regs->efer & VMT_EFER_LMA;

	regs->cr0 |= VMT_CR0_PE | VMT_CR0_WP | VMT_CR0_PG;
	if (mode->levels == 0)
		regs->cr0 &= ~VMT_CR0_PG;
	regs->cr4 = (regs->cr4 & ~cr4) | mode->cr4;
	if (space.flags & VMT_SPACE_PSE)
		regs->cr4 |= VMT_CR4_PSE;
	regs->efer = (regs->efer & ~efer) | mode->efer;
	if (space.flags & VMT_SPACE_NXE)
		regs->efer |= VMT_EFER_NXE;
	regs->cr3 = space.root;
	if (was_long != (mode->efer != 0) || regs->cs.access == 0)
		set_segments(regs, mode->efer != 0);
}

int vmt_scripted_enter_space(struct vmt_driver *d, uint16_t vcpu, struct vmt_space space)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	if (!s)
		return -VMT_E_INVALID;
	if (vcpu >= s->config.vcpus || space.paging >= NMODES)
		return vmt_error_set(&d->err, VMT_E_INVALID, "vmt_scripted_enter_space",
				     "there is no such vCPU or paging mode");
	enter_space(vmt_model_regs(s->model, vcpu), space);
	return 0;
}

int vmt_scripted_tables_init(struct vmt_scripted *s, struct vmt_error *err)
{
	uint64_t size = (uint64_t)s->config.pages << VMT_PAGE_SHIFT;
	int r;

	s->table_end = s->config.pages;
	r = new_space(s, s->config.paging, 0, &s->space, err);
	if (r == 0 && s->config.paging != VMT_PAGING_NONE)
		r = map(s, s->space, 0, 0, size, 0, err);
	for (uint16_t vcpu = 0; r == 0 && vcpu < s->config.vcpus; vcpu++)
		enter_space(vmt_model_regs(s->model, vcpu), s->space);
	return r;
}
