/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Views (altp2m) and access rights.
 *
 * What Xen does with rights by itself is left to it: a change in view 0 overwrites the rights of that
 * frame in each view that has an entry for it, a remap takes over the rights of the page it leads to.
 * Only what must be undone is kept.
 *
 * Sources: xen/arch/x86/mm/{p2m,altp2m,mem_access}.c, tools/libs/ctrl/xc_{altp2m,mem_access}.c.
 */
#include <string.h>

#include "driver.h"

#define SET_AT_ONCE 256u /* pages per call; each failing run is done again page by page */

/* -------------------------------------------------------------------------------------------- */
/* altp2m itself                                                                                */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_altp2m_enable(struct vmt_xen *x)
{
	bool on = false;

	if (xc_altp2m_get_domain_state(x->xch, x->domid, &on) < 0)
		return vmt_xen_failed(x, "Xen does not tell whether altp2m is on");
	if (on)
		return vmt_xen_refuse(
			x, VMT_E_BUSY,
			"altp2m is on for domain %s already: somebody else uses its "
			"views, or a killed monitor left them; end that one, or create "
			"the domain anew",
			x->name);
	x->journal.j->altp2m = 1;
	vmt_xen_journal_order();
	if (xc_altp2m_set_domain_state(x->xch, x->domid, true) < 0)
		return vmt_xen_failed(x, "Xen does not switch altp2m on for domain %s", x->name);
	x->altp2m = true;
	return 0;
}

int vmt_xen_altp2m_disable(struct vmt_xen *x)
{
	if (!x->altp2m)
		return 0;
	/* all vCPUs go to view 0 and the views go (FACTS: view-off) */
	if (xc_altp2m_set_domain_state(x->xch, x->domid, false) < 0)
		return vmt_xen_failed(x, "Xen does not switch altp2m off");
	x->altp2m = false;
	memset(x->views + 1, 0, sizeof(*x->views) * (x->nviews - 1u));
	return 0;
}

bool vmt_xen_view_exists(const struct vmt_xen *x, vmt_view view)
{
	return view < x->nviews && x->views[view];
}

static int need_view(struct vmt_xen *x, vmt_view view)
{
	int r = vmt_xen_need_ring(x);

	if (r == 0 && view != 0)
		r = vmt_xen_need(x, VMT_CAP_VIEWS);
	if (r < 0 || vmt_xen_view_exists(x, view))
		return r;
	return vmt_xen_refuse(x, VMT_E_NOT_FOUND, "there is no view %u; make one with create_view",
			      view);
}

/* -------------------------------------------------------------------------------------------- */
/* Rights                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int encode_access(struct vmt_xen *x, struct vmt_access access, xenmem_access_t *out)
{
	int r = vmt_xen_need(x, VMT_CAP_MEMORY_ACCESS);

	if (r < 0)
		return r;
	if (access.rights > VMT_RWX || (access.options & ~VMT_ACCESS_IGNORE_WALKS))
		return vmt_xen_refuse(
			x, VMT_E_INVALID,
			"there are no rights %#x with options %#x; use enum vmt_rights",
			access.rights, access.options);
	if ((access.options & VMT_ACCESS_IGNORE_WALKS) && access.rights != VMT_R)
		return vmt_xen_refuse(x, VMT_E_INVALID,
				      "VMT_ACCESS_IGNORE_WALKS goes with exactly VMT_R");
	if (access.options & VMT_ACCESS_IGNORE_WALKS)
		r = vmt_xen_need(x, VMT_CAP_IGNORE_WALKS);
	if (r < 0)
		return r;
	if ((access.rights & VMT_RW) == VMT_W)
		return vmt_xen_refuse(x, VMT_E_NOT_SUPPORTED,
				      "an EPT entry that is writable and not readable is a "
				      "misconfiguration, for which Xen crashes the domain "
				      "(ept_handle_misconfig); add VMT_R");
	vmt_xen_access_encode(access, out); /* without r_pw the capability is missing */
	return 0;
}

static int no_page(struct vmt_xen *x, vmt_view view, uint64_t gfn)
{
	return vmt_xen_refuse(x, VMT_E_UNMAPPED, "gfn %#llx has no page in view %u",
			      (unsigned long long)gfn, view);
}

/*
 * ESRCH in a view: it has no entry of its own yet. What the entry will have then is view 0's rights, and
 * since Xen 4.19 the view's default (p2m_altp2m_get_or_propagate).
 */
int vmt_xen_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, struct vmt_access *access)
{
	struct vmt_xen *x = vmt_xen_of(d);
	xenmem_access_t found = XENMEM_access_rwx;
	int r = need_view(x, view);

	if (r == 0)
		r = vmt_xen_need(x, VMT_CAP_MEMORY_ACCESS);
	if (r < 0)
		return r;
	r = -1;
	errno = ESRCH;
	if (view != 0)
		r = xc_altp2m_get_mem_access(x->xch, x->domid, view, gfn.n, &found);
	if (r < 0 && errno == ESRCH) {
		r = xc_get_mem_access(x->xch, x->domid, gfn.n, &found);
		if (r == 0 && view != 0 && x->xen.lazy_view_default)
			found = x->initial[view];
	}
	if (r < 0 && errno == ESRCH && !vmt_xen_gone(x))
		return no_page(x, view, gfn.n);
	if (r < 0)
		return vmt_xen_failed(x, "Xen does not tell the rights of gfn %#llx",
				      (unsigned long long)gfn.n);
	*access = vmt_xen_access_decode(found);
	return 0;
}

static int set_host(struct vmt_xen *x, uint64_t gfn, uint32_t count, xenmem_access_t access)
{
	for (uint64_t i = 0; i < count; i++) {
		if (access == XENMEM_access_rwx)
			continue;
		if (!vmt_gfn_map_put(&x->restricted, gfn + i) ||
		    vmt_xen_note_restricted(x, gfn + i, true) < 0) {
			errno = ENOMEM;
			return -1;
		}
	}
	if (xc_set_mem_access(x->xch, x->domid, access, gfn, count) < 0)
		return -1;
	/*
	 * Since 4.19 an entry that is copied to altp2m 0 on a fault would get altp2m 0's default,
	 * so it is put there now.
	 */
	for (uint64_t i = 0; x->altp2m && x->xen.lazy_view_default && i < count; i++)
		(void)xc_altp2m_set_mem_access(x->xch, x->domid, 0, gfn + i, access);
	for (uint64_t i = 0; access == XENMEM_access_rwx && i < count; i++) {
		vmt_gfn_map_remove(&x->restricted, gfn + i);
		(void)vmt_xen_note_restricted(x, gfn + i, false);
	}
	return 0;
}

/* A hole in the range is passed over, as Xen does in view 0. */
static int set_in_view(struct vmt_xen *x, vmt_view view, uint64_t gfn, uint32_t count,
		       xenmem_access_t access)
{
	for (uint64_t i = 0; i < count; i++) {
		if (xc_altp2m_set_mem_access(x->xch, x->domid, view, gfn + i, access) < 0 &&
		    errno != ESRCH)
			return -1;
	}
	return 0;
}

static int set_run(struct vmt_xen *x, vmt_view view, uint64_t gfn, uint32_t count,
		   xenmem_access_t access)
{
	if (view == 0)
		return set_host(x, gfn, count, access);
	return set_in_view(x, view, gfn, count, access);
}

int vmt_xen_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
		       struct vmt_access access, uint64_t *done)
{
	struct vmt_xen *x = vmt_xen_of(d);
	xenmem_access_t wanted = XENMEM_access_n;
	xen_pfn_t max = 0;
	uint32_t run = SET_AT_ONCE;
	int r = encode_access(x, access, &wanted);

	if (r == 0)
		r = need_view(x, view);
	if (r < 0)
		return r;
	if (xc_domain_maximum_gpfn(x->xch, x->domid, &max) < 0)
		return vmt_xen_failed(x, "Xen does not tell the domain's largest gfn");
	while (*done < count && gfn.n + *done <= max) {
		uint64_t left = count - *done;

		if (left > max - (gfn.n + *done) + 1)
			left = max - (gfn.n + *done) + 1;
		if (run > left)
			run = (uint32_t)left;
		if (set_run(x, view, gfn.n + *done, run, wanted) == 0) {
			*done += run;
		} else if (run > 1) {
			run = 1; /* find the one that fails */
		} else {
			return vmt_xen_failed(x,
					      "Xen does not set the rights of gfn %#llx in view %u",
					      (unsigned long long)gfn.n + *done, view);
		}
	}
	*done = count; /* nothing stands behind the largest gfn */
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Views                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int need_initial(struct vmt_xen *x, struct vmt_access access)
{
	if (x->xen.lazy_view_default || access.rights == VMT_RWX)
		return 0;
	return vmt_xen_refuse(
		x, VMT_E_NOT_SUPPORTED,
		"on Xen %u.%u a view's default rights do not hold: pages that the guest touches get "
		"view 0's; it works since Xen 4.19 (7e5b662b28). Make the view with VMT_RWX and "
		"restrict its pages with set_access",
		x->xen.major, x->xen.minor);
}

int vmt_xen_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view)
{
	struct vmt_xen *x = vmt_xen_of(d);
	xenmem_access_t wanted = XENMEM_access_n;
	uint16_t made = 0;
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_need(x, VMT_CAP_VIEWS);
	if (r == 0)
		r = encode_access(x, access, &wanted);
	if (r == 0)
		r = need_initial(x, access);
	if (r < 0)
		return r;
	if (xc_altp2m_create_view(x->xch, x->domid, wanted, &made) < 0) {
		if (errno != EINVAL)
			return vmt_xen_failed(x, "Xen makes no view");
		return vmt_xen_refuse(
			x, VMT_E_LIMIT, "all %u views are in use, view 0 included%s; destroy one",
			x->nviews,
			x->xen.max_views > x->nviews ? " (altp2m_count configures more)" : "");
	}
	if (made >= x->nviews) {
		xc_altp2m_destroy_view(x->xch, x->domid, made);
		return vmt_xen_refuse(x, VMT_E_LIMIT, "all %u views are in use; destroy one",
				      x->nviews);
	}
	x->views[made] = true;
	x->initial[made] = wanted;
	*view = made;
	return 0;
}

int vmt_xen_destroy_view(struct vmt_driver *d, vmt_view view)
{
	struct vmt_xen *x = vmt_xen_of(d);
	int r;

	if (view == 0)
		return vmt_xen_refuse(x, VMT_E_INVALID,
				      "view 0 is the domain itself and always exists");
	r = need_view(x, view);
	if (r < 0)
		return r;
	if (xc_altp2m_destroy_view(x->xch, x->domid, view) < 0) {
		if (errno == EBUSY)
			return vmt_xen_refuse(x, VMT_E_BUSY,
					      "a vCPU runs in view %u; switch it away first", view);
		return vmt_xen_failed(x, "Xen does not destroy view %u", view);
	}
	x->views[view] = false;
	return 0;
}

int vmt_xen_switch_view(struct vmt_driver *d, vmt_view view)
{
	struct vmt_xen *x = vmt_xen_of(d);
	int r = need_view(x, view);

	if (r < 0 || !x->altp2m)
		return r;
	if (xc_altp2m_switch_to_view(x->xch, x->domid, view) < 0)
		return vmt_xen_failed(x, "Xen does not switch to view %u", view);
	for (uint16_t i = 0; i < x->nvcpus; i++)
		x->vcpus[i].view = view;
	return 0;
}

int vmt_xen_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct vmt_access access;
	int r;

	if (view == 0)
		return vmt_xen_refuse(x, VMT_E_INVALID,
				      "pages cannot be remapped in view 0; make a view of its own");
	r = need_view(x, view);
	if (r == 0 && !vmt_gfn_is_any(to)) {
		/* Xen says EINVAL to all of it, so ask for what is missing */
		r = vmt_xen_get_access(d, view, from, &access);
		if (r == 0)
			r = vmt_xen_get_access(d, view, to, &access);
	}
	if (r < 0)
		return r;
	if (xc_altp2m_change_gfn(x->xch, x->domid, view, from.n, to.n) < 0)
		return vmt_xen_failed(x, "Xen does not remap gfn %#llx in view %u",
				      (unsigned long long)from.n, view);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Undoing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_views_reset(struct vmt_xen *x)
{
	struct vmt_xen_first first = {0};
	uint64_t gfn = 0;

	for (; vmt_gfn_map_next(&x->restricted, &gfn); gfn++) {
		if (set_host(x, gfn, 1, XENMEM_access_rwx) < 0)
			vmt_xen_keep(x, &first,
				     vmt_xen_failed(x, "the rights of gfn %#llx cannot be put back",
						    (unsigned long long)gfn));
	}
	if (x->altp2m)
		vmt_xen_keep(x, &first, vmt_xen_switch_view(&x->base, 0));
	return vmt_xen_kept(x, &first);
}
