/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaving the domain as it was found: reset undoes the footprint while events can still be answered,
 * detach takes the ring away.
 *
 * Sources: xen/common/vm_event.c (vm_event_disable: EBUSY while a vCPU waits; the pauses of
 * unanswered events stay), xen/arch/x86/vm_event.c (vm_event_cleanup_domain: what was deferred is
 * freed), xen/arch/x86/monitor.c (arch_monitor_cleanup_domain).
 */
#include <string.h>

#include "state.h"

/* Keep the first failure, and go on. */
static void keep(int *first, int r, struct vmt_error *err, const struct vmt_error *why)
{
	if (r >= 0 || *first < 0)
		return;
	*first = r;
	if (err)
		*err = *why;
}

static int rights_back(struct vmt_model *m, struct vmt_error *err)
{
	uint64_t gfn = 0;
	int first = 0;

	while (vmt_gfn_map_next(&m->views[0].entries, &gfn)) {
		int r = vmt_entry_host_set(m, gfn, vmt_access_from(VMT_RWX), err);

		if (r < 0 && first == 0)
			first = r;
		gfn++;
	}
	return first;
}

/* Monitors off one by one; deferred writes stay in Xen, and cause nothing without them. */
static void monitors_off(struct vmt_model *m)
{
	struct vmt_monitor_state *s = &m->monitors;
	bool deferring = s->deferring;

	memset(s, 0, sizeof(*s));
	s->deferring = deferring;
}

int vmt_model_reset(struct vmt_model *m, struct vmt_error *err)
{
	struct vmt_error why = {0};
	int first = vmt_ring_need(m, err);

	if (first < 0)
		return first;
	/* responses first: they may switch stepping or views on */
	keep(&first, vmt_model_commit(m, &why), err, &why);
	keep(&first, vmt_bytes_reset(m, &why), err, &why);
	keep(&first, rights_back(m, &why), err, &why);
	monitors_off(m);
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		m->vcpus[i].view = 0;
		m->vcpus[i].wants_step = false;
		m->vcpus[i].next_interrupt = false;
		vmt_step_off(m, i);
	}
	vmt_model_changed(m);
	return first;
}

/* What vm_event_cleanup_domain frees. */
static void lose_deferred(struct vmt_model *m, uint16_t vcpu)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];

	m->lost += v->set_gprs;
	m->lost += v->emulate != 0;
	m->lost += v->deferred_msr;
	for (uint32_t cr = 0; cr < VMT_CR_COUNT; cr++)
		m->lost += (v->deferred_crs >> cr) & 1u;
	v->set_gprs = false;
	v->emulate = 0;
	v->deferred_msr = false;
	v->deferred_crs = 0;
	v->next_interrupt = false;
	v->unsettled = false;
	v->blocked = false;
}

static int busy_waiter(const struct vmt_model *m, struct vmt_error *err)
{
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		if (m->vcpus[i].waiting)
			return vmt_error_set(
				err, VMT_E_BUSY, NULL,
				"vCPU %u waits for a slot of the ring; answer the events "
				"that stand on it, let the vCPU run, and detach again",
				i);
	}
	return 0;
}

int vmt_model_detach(struct vmt_model *m, struct vmt_error *err)
{
	int r;

	if (!m->ring)
		return vmt_own_pages_free(m, err);
	vmt_monitors_end(m);
	r = busy_waiter(m, err);
	if (r < 0)
		return r;
	for (uint16_t i = 0; i < m->nvcpus; i++)
		lose_deferred(m, i);
	memset(m->slots, 0, sizeof(m->slots));
	m->ring = false;
	vmt_views_end(m);
	return vmt_own_pages_free(m, err);
}

unsigned vmt_model_lost(const struct vmt_model *m)
{
	return m->lost;
}
