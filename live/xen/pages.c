/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages added to the domain. Each counts against the domain's memory limit, which is raised when it is
 * reached and put back at the end.
 *
 * Sources: xen/common/memory.c (populate_physmap, decrease_reservation), vmi-rs
 * crates/vmi-driver-xen/src/core.rs (allocate_gfn).
 */
#include <string.h>

#include "driver.h"

/* KiB, as xc_domain_setmaxmem takes it: a page more than the domain may have now. */
static int raise_maxmem(struct vmt_xen *x)
{
	xc_domaininfo_t info;

	if (xc_domain_getinfolist(x->xch, x->domid, 1, &info) != 1 || info.domain != x->domid)
		return -1;
	x->journal.j->maxmem_raised = 1;
	vmt_xen_journal_order();
	if (xc_domain_setmaxmem(x->xch, x->domid, (info.max_pages + 1) * (VMT_PAGE_SIZE / 1024)) <
	    0)
		return -1;
	x->maxmem_raised = true;
	return 0;
}

static int populate(struct vmt_xen *x, uint64_t gfn)
{
	xen_pfn_t frame = gfn;

	if (xc_domain_populate_physmap_exact(x->xch, x->domid, 1, 0, 0, &frame) == 0)
		return 0;
	/* at the limit libxc says EBUSY: fewer pages were made than asked for */
	if (raise_maxmem(x) == 0 &&
	    xc_domain_populate_physmap_exact(x->xch, x->domid, 1, 0, 0, &frame) == 0)
		return 0;
	return vmt_xen_failed(x, "no page can be added to domain %s at gfn %#llx", x->name,
			      (unsigned long long)gfn);
}

static int choose(struct vmt_xen *x, vmt_gfn *gfn)
{
	xen_pfn_t max = 0;
	void *page;

	if (vmt_gfn_is_any(*gfn)) {
		if (xc_domain_maximum_gpfn(x->xch, x->domid, &max) < 0)
			return vmt_xen_failed(x, "Xen does not tell the domain's largest gfn");
		*gfn = vmt_gfn_from(max + 1);
		return 0;
	}
	if (vmt_xen_map(x, gfn->n, &page) < 0) {
		memset(&x->base.err, 0, sizeof(x->base.err));
		return 0;
	}
	return vmt_xen_refuse(x, VMT_E_EXISTS,
			      "gfn %#llx has a page already, and Xen would put another in its "
			      "place; ask for VMT_GFN_ANY",
			      (unsigned long long)gfn->n);
}

static int take_away(struct vmt_xen *x, uint64_t gfn)
{
	xen_pfn_t frame = gfn;

	vmt_xen_unmap(x, gfn); /* a mapped page cannot go */
	if (xc_domain_decrease_reservation_exact(x->xch, x->domid, 1, 0, &frame) < 0)
		return vmt_xen_failed(x, "own page %#llx cannot be taken out of the domain",
				      (unsigned long long)gfn);
	vmt_xen_forget_own_page(x, gfn);
	vmt_gfn_map_remove(&x->own_pages, gfn);
	vmt_gfn_map_remove(&x->restricted, gfn);
	return 0;
}

int vmt_xen_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn)
{
	struct vmt_xen *x = vmt_xen_of(d);
	vmt_gfn at = *gfn;
	void *page;
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = choose(x, &at);
	if (r < 0)
		return r;
	if (!vmt_gfn_map_put(&x->own_pages, at.n))
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for the list of pages");
	r = vmt_xen_note_own_page(x, at.n);
	if (r == 0)
		r = populate(x, at.n);
	if (r < 0) {
		vmt_xen_forget_own_page(x, at.n);
		vmt_gfn_map_remove(&x->own_pages, at.n);
		return r;
	}
	/* what Xen gives out holds what its last owner left there */
	r = vmt_xen_map(x, at.n, &page);
	if (r < 0) {
		struct vmt_error why = x->base.err;

		take_away(x, at.n);
		x->base.err = why;
		return r;
	}
	memset(page, 0, VMT_PAGE_SIZE);
	*gfn = at;
	return 0;
}

int vmt_xen_free_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	struct vmt_xen *x = vmt_xen_of(d);
	void *page;
	int r = vmt_xen_need_ring(x);

	if (r < 0)
		return r;
	if (vmt_gfn_map_get(&x->own_pages, gfn.n))
		return take_away(x, gfn.n);
	r = vmt_xen_map(x, gfn.n, &page);
	if (r < 0)
		return r;
	return vmt_xen_refuse(x, VMT_E_PERMISSION,
			      "gfn %#llx is the guest's own; only pages from alloc_gfn are freed",
			      (unsigned long long)gfn.n);
}

int vmt_xen_pages_reset(struct vmt_xen *x)
{
	struct vmt_xen_first first = {0};
	uint64_t gfn = 0;

	for (; vmt_gfn_map_next(&x->own_pages, &gfn); gfn++)
		vmt_xen_keep(x, &first, take_away(x, gfn));
	if (x->maxmem_raised && xc_domain_setmaxmem(x->xch, x->domid, x->max_memkb) < 0)
		vmt_xen_keep(x, &first,
			     vmt_xen_failed(x, "the domain's memory limit stays raised"));
	x->maxmem_raised = false;
	return vmt_xen_kept(x, &first);
}
