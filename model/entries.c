/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The entries of views: where a gfn leads, with which rights.
 *
 * Xen keeps one table per view. View 0 is the host p2m: here it holds only what is not read, write
 * and execute. Another view's table begins empty; an entry comes into it when the guest first touches
 * the page (copied from view 0), or when the monitor sets it, and each later change of view 0's entry
 * overwrites it.
 *
 * On Xen 4.17 and 4.18 a copied entry has view 0's rights, so it can never be told from one that is
 * not there, and none is kept here. Since 4.19 it has the view's default rights, until view 0's
 * change.
 *
 * Sources: xen/arch/x86/mm/p2m.c and altp2m.c (altp2m_get_effective_entry,
 * p2m_altp2m_get_or_propagate, p2m_altp2m_propagate_change), mm/p2m-ept.c (ept_set_entry).
 */
#include "state.h"

#define SUPERPAGE_GFNS UINT64_C(512)

bool vmt_page_exists(const struct vmt_model *m, uint64_t gfn)
{
	return m->guest->exists(m->ctx, vmt_gfn_from(gfn));
}

static struct vmt_access host_access(const struct vmt_model *m, uint64_t gfn)
{
	const struct vmt_view_entry *e = vmt_gfn_map_get(&m->views[0].entries, gfn);

	return e ? e->access : m->views[0].initial;
}

static bool same_access(struct vmt_access a, struct vmt_access b)
{
	return a.rights == b.rights && a.options == b.options;
}

/* The rights that an entry gets which Xen copies into @view. */
static struct vmt_access copied_access(const struct vmt_model *m, vmt_view view, uint64_t gfn)
{
	return m->xen->lazy_view_default ? m->views[view].initial : host_access(m, gfn);
}

bool vmt_entry_effective(const struct vmt_model *m, vmt_view view, uint64_t gfn, uint64_t *to,
			 struct vmt_access *access)
{
	const struct vmt_view_entry *e = NULL;

	if (view != 0)
		e = vmt_gfn_map_get(&m->views[view].entries, gfn);
	if (e) {
		*to = e->to;
		*access = e->access;
		return true;
	}
	if (!vmt_page_exists(m, gfn))
		return false;
	*to = gfn;
	*access = view == 0 ? host_access(m, gfn) : copied_access(m, view, gfn);
	return true;
}

static int put_entry(struct vmt_model *m, vmt_view view, uint64_t gfn, uint64_t to,
		     struct vmt_access access, bool set, struct vmt_error *err)
{
	struct vmt_view_entry *e = vmt_gfn_map_put(&m->views[view].entries, gfn);

	if (!e)
		return vmt_error_set(err, VMT_E_NO_MEMORY, NULL,
				     "no memory for the entry of gfn %#llx in view %u",
				     (unsigned long long)gfn, view);
	e->to = to;
	e->access = access;
	e->set = set;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Superpages                                                                                   */
/* -------------------------------------------------------------------------------------------- */

/* Does view 0 map the 2 MiB around @gfn in one piece? */
static bool in_superpage(const struct vmt_model *m, uint64_t gfn)
{
	uint64_t base = gfn & ~(SUPERPAGE_GFNS - 1);

	if (!(m->flags & VMT_MODEL_SUPERPAGES) || vmt_gfn_map_get(&m->split, base))
		return false;
	for (uint64_t i = 0; i < SUPERPAGE_GFNS; i++) {
		if (!vmt_page_exists(m, base + i))
			return false;
	}
	return true;
}

static int split_superpage(struct vmt_model *m, uint64_t gfn, struct vmt_error *err)
{
	if (!(m->flags & VMT_MODEL_SUPERPAGES))
		return 0;
	if (vmt_gfn_map_put(&m->split, gfn & ~(SUPERPAGE_GFNS - 1)))
		return 0;
	return vmt_error_set(err, VMT_E_NO_MEMORY, NULL, "no memory for a split superpage");
}

/* Copy the entries of @gfn's superpage (or of @gfn alone) that @view has not yet. */
static int copy_entries(struct vmt_model *m, vmt_view view, uint64_t gfn, bool view_default,
			struct vmt_error *err)
{
	uint64_t n = in_superpage(m, gfn) ? SUPERPAGE_GFNS : 1;
	uint64_t base = gfn & ~(n - 1);

	for (uint64_t g = base; g < base + n; g++) {
		int r;

		if (vmt_gfn_map_get(&m->views[view].entries, g))
			continue;
		r = put_entry(m, view, g, g,
			      view_default ? m->views[view].initial : host_access(m, g), false,
			      err);
		if (r < 0)
			return r;
	}
	return 0;
}

int vmt_entry_propagate(struct vmt_model *m, vmt_view view, uint64_t gfn, struct vmt_error *err)
{
	if (view == 0 || !m->xen->lazy_view_default ||
	    vmt_gfn_map_get(&m->views[view].entries, gfn))
		return 0;
	return copy_entries(m, view, gfn, true, err);
}

int vmt_entry_prepopulate(struct vmt_model *m, vmt_view view, uint64_t gfn, struct vmt_error *err)
{
	if (view == 0 || !m->xen->lazy_view_default || !in_superpage(m, gfn) ||
	    vmt_gfn_map_get(&m->views[view].entries, gfn))
		return 0;
	return copy_entries(m, view, gfn, m->xen->prepopulate_default, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Changes                                                                                      */
/* -------------------------------------------------------------------------------------------- */

int vmt_entry_set(struct vmt_model *m, vmt_view view, uint64_t gfn, uint64_t to,
		  struct vmt_access access, struct vmt_error *err)
{
	vmt_model_changed(m);
	if (!m->xen->lazy_view_default && to == gfn && same_access(access, host_access(m, gfn))) {
		vmt_gfn_map_remove(&m->views[view].entries, gfn);
		return 0;
	}
	return put_entry(m, view, gfn, to, access, true, err);
}

int vmt_entry_host_set(struct vmt_model *m, uint64_t gfn, struct vmt_access access,
		       struct vmt_error *err)
{
	int r = split_superpage(m, gfn, err);

	if (r < 0)
		return r;
	if (!vmt_page_exists(m, gfn)) {
		vmt_entry_host_drop(m, gfn);
		return 0;
	}
	vmt_model_changed(m);
	if (same_access(access, m->views[0].initial)) {
		vmt_gfn_map_remove(&m->views[0].entries, gfn);
	} else {
		r = put_entry(m, 0, gfn, gfn, access, true, err);
		if (r < 0)
			return r;
	}
	for (vmt_view v = 1; v < m->nviews; v++) {
		struct vmt_view_entry *e = vmt_gfn_map_get(&m->views[v].entries, gfn);

		if (!e)
			continue;
		if (m->xen->lazy_view_default) {
			e->to = gfn;
			e->access = access;
			e->set = false;
		} else {
			vmt_gfn_map_remove(&m->views[v].entries, gfn);
		}
	}
	return 0;
}

void vmt_entries_reset(struct vmt_model *m, vmt_view view)
{
	struct vmt_view_state *v = &m->views[view];

	vmt_gfn_map_finish(&v->entries);
	v->min_remapped = UINT64_MAX;
	v->max_remapped = 0;
	vmt_model_changed(m);
}

/*
 * Xen does not know which views show the page that goes: it knows the range of gfns that each was
 * remapped to. A view whose range holds the gfn loses all its entries; when it is so for two, all
 * views do.
 */
void vmt_entry_host_drop(struct vmt_model *m, uint64_t gfn)
{
	unsigned impacted = 0;

	vmt_gfn_map_remove(&m->views[0].entries, gfn);
	for (vmt_view v = 1; v < m->nviews; v++) {
		if (!m->views[v].exists)
			continue;
		if (gfn + 1 > m->views[v].min_remapped && gfn <= m->views[v].max_remapped) {
			vmt_entries_reset(m, v);
			impacted++;
		} else {
			vmt_gfn_map_remove(&m->views[v].entries, gfn);
		}
		if (impacted == 2)
			break;
	}
	for (vmt_view v = 1; impacted == 2 && v < m->nviews; v++)
		vmt_entries_reset(m, v);
	vmt_model_changed(m);
}
