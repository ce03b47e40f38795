/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The int3 method: a view shows a copy of the page with 0xCC in it, which can only be executed.
 *
 * The order matters while other vCPUs run. The copy is complete, with its 0xCC, before any view
 * shows it, and it can only be executed from the first moment on: a remapped page takes the rights
 * that the page it shows has in that view (Xen: p2m_change_altp2m_gfn). What the guest wrote
 * between the copy and the remapping is found by reading once more; what it writes later stops it.
 */
#include <string.h>

#include <vmitape/memory.h>

#include "interceptor.h"

static int read_page(struct vmt_interceptor *ic, vmt_gfn gfn, uint8_t *bytes)
{
	return vmt_read(ic->session, VMT_PHYS, vmt_gpa_of(gfn).a, bytes, VMT_PAGE_SIZE);
}

/** Write @bytes with the traps in them to the shadow page, and note what they replace. */
static int write_shadow(struct vmt_interceptor *ic, struct vmt_trap_page *page,
			const uint8_t *bytes)
{
	uint8_t planted[VMT_PAGE_SIZE];
	int r;

	memcpy(planted, bytes, sizeof(planted));
	for (size_t i = 0; i < page->ntraps; i++)
		planted[page->traps[i].offset] = VMT_INT3;
	r = vmt_write(ic->session, VMT_PHYS, vmt_gpa_of(page->shadow).a, planted, sizeof(planted));
	if (r < 0)
		return r;
	for (size_t i = 0; i < page->ntraps; i++)
		page->traps[i].original = bytes[page->traps[i].offset];
	return 0;
}

static int refresh(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	uint8_t bytes[VMT_PAGE_SIZE];
	int r = read_page(ic, page->gfn, bytes);

	return r < 0 ? r : write_shadow(ic, page, bytes);
}

/** Fill the shadow page, show it, and catch up with writes in between. */
static int show(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	uint8_t before[VMT_PAGE_SIZE], after[VMT_PAGE_SIZE];
	int r = read_page(ic, page->gfn, before);

	if (r >= 0)
		r = write_shadow(ic, page, before);
	if (r >= 0)
		r = vmt_set_access(ic->session, page->view, page->shadow, vmt_access_from(VMT_X));
	if (r < 0)
		return r;
	/* A call that failed may have been carried out all the same. */
	page->mapped = page->restricted = true;
	r = vmt_view_remap(ic->session, page->view, page->gfn, page->shadow);
	if (r >= 0)
		r = read_page(ic, page->gfn, after);
	if (r >= 0 && memcmp(before, after, sizeof(after)) != 0)
		r = write_shadow(ic, page, after);
	return r;
}

static int up(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	int r = 0;

	if (!page->rights_known)
		r = vmt_get_access(ic->session, page->view, page->gfn, &page->rights);
	if (r < 0)
		return r;
	page->rights_known = true;
	if (vmt_gfn_is_any(page->shadow))
		r = vmt_interceptor_take_shadow(ic, &page->shadow);
	if (r >= 0)
		r = show(ic, page);
	if (r >= 0)
		page->up = true;
	return r < 0 ? r : 0;
}

/** A view that is gone has taken its mappings and rights with it. */
static int unless_gone(int r)
{
	return r == -VMT_E_NOT_FOUND ? 0 : r;
}

static int down(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	int r = 0;

	if (page->mapped)
		r = unless_gone(vmt_view_unmap(ic->session, page->view, page->gfn));
	if (r < 0)
		return r;
	page->mapped = page->up = false;
	if (page->restricted)
		r = unless_gone(vmt_set_access(ic->session, page->view, page->gfn, page->rights));
	if (r < 0)
		return r;
	page->restricted = false;
	if (!vmt_gfn_is_any(page->shadow))
		vmt_interceptor_give_shadow(ic, page->shadow);
	page->shadow = VMT_GFN_ANY;
	return 0;
}

static int set(struct vmt_interceptor *ic, struct vmt_trap_page *page, struct vmt_trap *trap,
	       bool on)
{
	const uint64_t guest = vmt_gpa_of(page->gfn).a + trap->offset;
	const uint64_t shadow = vmt_gpa_of(page->shadow).a + trap->offset;
	int r = on ? vmt_read_u8(ic->session, VMT_PHYS, guest, &trap->original) : 0;

	if (r < 0)
		return r;
	r = vmt_write_u8(ic->session, VMT_PHYS, shadow, on ? VMT_INT3 : trap->original);
	/* A call that failed may have been carried out all the same. */
	if (r < 0)
		(void)vmt_write_u8(ic->session, VMT_PHYS, shadow, on ? trap->original : VMT_INT3);
	return r;
}

const struct vmt_page_method vmt_shadow_page_method = {
	.up = up,
	.down = down,
	.set = set,
	.refresh = refresh,
};
