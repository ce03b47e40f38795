/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Views (altp2m): making, ending, switching, remapping.
 *
 * Source: xen/arch/x86/mm/p2m.c and, since 4.19, altp2m.c: p2m_init_next_altp2m,
 * p2m_destroy_altp2m_by_id, p2m_switch_domain_altp2m_by_id, p2m_change_altp2m_gfn.
 */
#include "state.h"

int vmt_view_need(const struct vmt_model *m, vmt_view view, struct vmt_error *err)
{
	int r;

	if (view == 0)
		return 0;
	r = vmt_capability_need(m, VMT_CAP_VIEWS, err);
	if (r < 0)
		return r;
	if (view < m->nviews && m->views[view].exists)
		return 0;
	return vmt_error_set(err, VMT_E_NOT_FOUND, NULL,
			     "there is no view %u; make one with create_view", view);
}

/* Options that a view's or a page's rights may have on this Xen. */
static int check_access(const struct vmt_model *m, struct vmt_access access, struct vmt_error *err)
{
	if (access.rights > VMT_RWX || (access.options & ~VMT_ACCESS_IGNORE_WALKS))
		return vmt_error_set(
			err, VMT_E_INVALID, NULL,
			"there are no rights %#x with options %#x; use enum vmt_rights",
			access.rights, access.options);
	if (access.options & VMT_ACCESS_IGNORE_WALKS) {
		if (access.rights != VMT_R)
			return vmt_error_set(err, VMT_E_INVALID, NULL,
					     "VMT_ACCESS_IGNORE_WALKS goes with exactly VMT_R");
		return vmt_capability_need(m, VMT_CAP_IGNORE_WALKS, err);
	}
	if ((access.rights & VMT_RW) == VMT_W)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
				     "an EPT entry that is writable and not readable is a "
				     "misconfiguration, for which Xen crashes the domain "
				     "(ept_handle_misconfig); add VMT_R");
	return 0;
}

int vmt_access_check(const struct vmt_model *m, struct vmt_access access, struct vmt_error *err)
{
	int r = vmt_capability_need(m, VMT_CAP_MEMORY_ACCESS, err);

	return r < 0 ? r : check_access(m, access, err);
}

static int check_initial(const struct vmt_model *m, struct vmt_access access, struct vmt_error *err)
{
	int r = check_access(m, access, err);

	if (r < 0 || m->xen->lazy_view_default || access.rights == VMT_RWX)
		return r;
	return vmt_error_set(
		err, VMT_E_NOT_SUPPORTED, NULL,
		"on Xen %u.%u a view's default rights do not hold: pages that the guest "
		"touches get view 0's; it works since Xen 4.19 (7e5b662b28). Make the "
		"view with VMT_RWX and restrict its pages with set_access",
		m->xen->major, m->xen->minor);
}

int vmt_model_create_view(struct vmt_model *m, struct vmt_access access, vmt_view *view,
			  struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r == 0)
		r = vmt_capability_need(m, VMT_CAP_VIEWS, err);
	if (r == 0)
		r = check_initial(m, access, err);
	if (r < 0)
		return r;
	for (vmt_view v = 1; v < m->nviews; v++) {
		if (m->views[v].exists)
			continue;
		vmt_entries_reset(m, v);
		m->views[v].exists = true;
		m->views[v].initial = access;
		*view = v;
		return 0;
	}
	return vmt_error_set(
		err, VMT_E_LIMIT, NULL, "all %u views are in use, view 0 included%s; destroy one",
		m->nviews, m->xen->max_views > m->nviews ? " (altp2m_count configures more)" : "");
}

/* Does an answer that is stored lead into @view, or back to it after a fast step? */
static bool answer_leads_to(const struct vmt_model *m, vmt_view view)
{
	for (unsigned i = 0; i < VMT_RING_SLOTS; i++) {
		const struct vmt_slot *slot = &m->slots[i];

		if (slot->state != VMT_SLOT_ANSWERED)
			continue;
		if ((slot->answer.flags & VMT_RSP_VIEW) && slot->answer.view == view)
			return true;
		if (slot->answer.action == VMT_FAST_SINGLESTEP && slot->event.view == view)
			return true;
	}
	return false;
}

int vmt_model_destroy_view(struct vmt_model *m, vmt_view view, struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (view == 0)
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "view 0 is the domain itself and always exists");
	r = vmt_view_need(m, view, err);
	if (r < 0)
		return r;
	if (answer_leads_to(m, view))
		return vmt_error_set(err, VMT_E_BUSY, NULL,
				     "an answer that waits for commit leads to view %u", view);
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		if (m->vcpus[i].view == view)
			return vmt_error_set(err, VMT_E_BUSY, NULL,
					     "vCPU %u runs in view %u; switch it away first", i,
					     view);
	}
	vmt_entries_reset(m, view);
	m->views[view].exists = false;
	return 0;
}

int vmt_model_switch_view(struct vmt_model *m, vmt_view view, struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r == 0)
		r = vmt_view_need(m, view, err);
	if (r < 0)
		return r;
	for (uint16_t i = 0; i < m->nvcpus; i++)
		m->vcpus[i].view = view;
	vmt_model_changed(m);
	return 0;
}

static int no_page(uint64_t gfn, vmt_view view, struct vmt_error *err)
{
	return vmt_error_set(err, VMT_E_UNMAPPED, NULL, "gfn %#llx has no page in view %u",
			     (unsigned long long)gfn, view);
}

static int remap(struct vmt_model *m, vmt_view view, uint64_t from, uint64_t to,
		 struct vmt_error *err)
{
	struct vmt_view_state *v = &m->views[view];
	struct vmt_access access;
	uint64_t page;
	int r;

	if (!vmt_entry_effective(m, view, from, &page, &access))
		return no_page(from, view, err);
	r = vmt_entry_prepopulate(m, view, from, err);
	if (r < 0)
		return r;
	if (!vmt_entry_effective(m, view, to, &page, &access))
		return no_page(to, view, err);
	if (!vmt_gfn_map_get(&v->entries, to)) {
		/* not in the view's own table: the host entry's rights, on every version */
		const struct vmt_view_entry *host = vmt_gfn_map_get(&m->views[0].entries, to);

		access = host ? host->access : m->views[0].initial;
	}
	r = vmt_entry_set(m, view, from, page, access, err);
	if (r < 0)
		return r;
	if (to < v->min_remapped)
		v->min_remapped = to;
	if (to > v->max_remapped)
		v->max_remapped = to;
	return 0;
}

int vmt_model_remap_gfn(struct vmt_model *m, vmt_view view, vmt_gfn from, vmt_gfn to,
			struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (view == 0)
		return vmt_error_set(err, VMT_E_INVALID, NULL,
				     "pages cannot be remapped in view 0; make a view of its own");
	r = vmt_view_need(m, view, err);
	if (r < 0)
		return r;
	if (!vmt_gfn_is_any(to))
		return remap(m, view, from.n, to.n, err);
	vmt_gfn_map_remove(&m->views[view].entries, from.n);
	vmt_model_changed(m);
	return 0;
}

vmt_view vmt_model_view_of(const struct vmt_model *m, uint16_t vcpu)
{
	return vcpu < m->nvcpus ? m->vcpus[vcpu].view : 0;
}

void vmt_views_end(struct vmt_model *m)
{
	for (uint16_t i = 0; i < m->nvcpus; i++)
		m->vcpus[i].view = 0;
	for (vmt_view v = 1; v < m->nviews; v++) {
		vmt_entries_reset(m, v);
		m->views[v].exists = false;
	}
	m->altp2m = false;
}
