/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Access rights: set and asked for by the monitor, met by the guest.
 *
 * Since Xen 4.19 view 0's rights reach a page that the guest has not touched yet only if the entry is
 * put into altp2m 0 as well: a copied one would have altp2m 0's default, read, write and execute
 * (p2m_altp2m_get_or_propagate, p2m_init_altp2m_by_id). A driver on Xen does that with
 * xc_altp2m_change_gfn(0, gfn, gfn); here view 0's rights hold on each version.
 *
 * Sources: xen/arch/x86/mm/mem_access.c (p2m_set_mem_access, p2m_mem_access_check),
 * xen/arch/x86/hvm/hvm.c (hvm_hap_nested_page_fault), hvm/vmx/vmx.c (ept_handle_violation).
 */
#include <string.h>

#include "state.h"

int vmt_model_get_access(struct vmt_model *m, vmt_view view, vmt_gfn gfn, struct vmt_access *access,
			 struct vmt_error *err)
{
	uint64_t page;
	int r = vmt_ring_need(m, err);

	if (r == 0)
		r = vmt_capability_need(m, VMT_CAP_MEMORY_ACCESS, err);
	if (r == 0)
		r = vmt_view_need(m, view, err);
	if (r < 0)
		return r;
	if (vmt_entry_effective(m, view, gfn.n, &page, access))
		return 0;
	return vmt_error_set(err, VMT_E_UNMAPPED, NULL, "gfn %#llx has no page in view %u",
			     (unsigned long long)gfn.n, view);
}

static int set_one(struct vmt_model *m, vmt_view view, uint64_t gfn, struct vmt_access access,
		   struct vmt_error *err)
{
	struct vmt_access old;
	uint64_t page;
	int r;

	if (view == 0)
		return vmt_entry_host_set(m, gfn, access, err);
	if (!vmt_entry_effective(m, view, gfn, &page, &old))
		return 0;
	r = vmt_entry_prepopulate(m, view, gfn, err);
	return r < 0 ? r : vmt_entry_set(m, view, gfn, page, access, err);
}

int vmt_model_set_access(struct vmt_model *m, vmt_view view, vmt_gfn gfn, uint64_t count,
			 struct vmt_access access, uint64_t *done, struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	*done = 0;
	if (r == 0)
		r = vmt_access_check(m, access, err);
	if (r == 0)
		r = vmt_view_need(m, view, err);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < count && gfn.n + i <= m->max_gfn; i++) {
		r = set_one(m, view, gfn.n + i, access, err);
		if (r < 0)
			return r;
		*done = i + 1;
	}
	*done = count; /* nothing stands behind the largest gfn */
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* The guest                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/* What the CPU reports: with EPT a write counts as a read too (ept_handle_violation). */
static unsigned reported(const struct vmt_guest_access *access)
{
	return access->access & VMT_W ? access->access | VMT_R : access->access;
}

static bool allowed(const struct vmt_model *m, struct vmt_access have,
		    const struct vmt_guest_access *access)
{
	bool walk = access->flags & VMT_MEM_IN_WALK;

	if (!(access->access & ~(unsigned)have.rights))
		return true;
	if (!walk)
		return false;
	/* r_pw: the CPU's own walk may write. Otherwise Xen emulates the whole instruction. */
	return (have.options & VMT_ACCESS_IGNORE_WALKS) || !(m->flags & VMT_MODEL_WALK_EVENTS);
}

static void fill_memory_event(struct vmt_event *ev, const struct vmt_guest_access *access)
{
	memset(ev, 0, sizeof(*ev));
	ev->reason = VMT_EVENT_MEMORY_ACCESS;
	ev->flags = VMT_EVENT_SYNC;
	ev->u.memory.gpa = access->gpa;
	ev->u.memory.access = (uint8_t)reported(access);
	ev->u.memory.flags = access->flags;
	if (access->flags & VMT_MEM_GVA_VALID)
		ev->u.memory.gva = access->gva;
}

int vmt_model_access(struct vmt_model *m, uint16_t vcpu, const struct vmt_guest_access *access,
		     vmt_gfn *page, struct vmt_error *err)
{
	const struct vmt_rest nothing = {.after = VMT_AFTER_NOTHING};
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	uint64_t gfn = access->gpa.a >> VMT_PAGE_SHIFT;
	struct vmt_access have;
	struct vmt_event ev;
	int r;

	if (!v)
		return -VMT_E_NOT_FOUND;
	if (!vmt_entry_effective(m, v->view, gfn, &page->n, &have))
		return vmt_error_set(err, VMT_E_UNMAPPED, NULL,
				     "the guest reaches gfn %#llx in view %u, where no page is",
				     (unsigned long long)gfn, v->view);
	r = vmt_entry_propagate(m, v->view, gfn, err);
	if (r < 0)
		return r;
	if (allowed(m, have, access))
		return VMT_GUEST_GOES_ON;
	if (!m->ring) {
		/* nobody listens: Xen lifts the restriction (p2m_mem_access_check) */
		r = vmt_entry_host_set(m, gfn, vmt_access_from(VMT_RWX), err);
		return r < 0 ? r : VMT_GUEST_GOES_ON;
	}
	fill_memory_event(&ev, access);
	return vmt_ring_post(m, vcpu, &ev, false, &nothing);
}

int vmt_model_peek(const struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, vmt_gfn *page,
		   struct vmt_access *access, struct vmt_error *err)
{
	vmt_view view = vmt_model_view_of(m, vcpu);

	if (vmt_entry_effective(m, view, gfn.n, &page->n, access))
		return 0;
	return vmt_error_set(err, VMT_E_UNMAPPED, NULL, "gfn %#llx has no page in view %u",
			     (unsigned long long)gfn.n, view);
}
