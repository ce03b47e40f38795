/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The footprint: what the monitor has changed and not undone, as an ordered sequence of items.
 *
 * Each kind has its walk: from the cursor's index on, find the next item. Indexes are keys (a gfn, a
 * byte's address, a vCPU), so that an iteration costs no memory.
 */
#include <string.h>

#include "state.h"

/* A walk: 1 with @item and @cursor->index behind it, or 0 when its kind has no more. */
typedef int walk_fn(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		    struct vmt_footprint *item);

/* -------------------------------------------------------------------------------------------- */
/* Memory                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static bool find_run(const struct vmt_own_bytes *own, uint32_t from, struct vmt_footprint *item)
{
	uint32_t start = from;
	uint32_t end;

	while (start < VMT_PAGE_SIZE && !vmt_bit_get(own->own, start))
		start++;
	if (start == VMT_PAGE_SIZE)
		return false;
	item->before_known = true;
	for (end = start; end < VMT_PAGE_SIZE && vmt_bit_get(own->own, end); end++)
		item->before_known = item->before_known && !vmt_bit_get(own->unknown, end);
	item->offset = start;
	item->len = end - start;
	item->bytes = own->now + start;
	item->before = own->before + start;
	return true;
}

static int walk_bytes(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		      struct vmt_footprint *item)
{
	uint64_t gfn = cursor->index >> VMT_PAGE_SHIFT;
	uint32_t from = (uint32_t)(cursor->index & VMT_PAGE_MASK);
	struct vmt_own_bytes **own;

	for (uint64_t wanted = gfn; (own = vmt_gfn_map_next(&m->bytes, &gfn)); wanted = ++gfn) {
		if (!find_run(*own, gfn == wanted ? from : 0, item)) {
			from = 0;
			continue;
		}
		item->gfn = vmt_gfn_from(gfn);
		cursor->index = (gfn << VMT_PAGE_SHIFT) + item->offset + item->len;
		return 1;
	}
	return 0;
}

static int walk_own_pages(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
			  struct vmt_footprint *item)
{
	uint64_t gfn = cursor->index;

	if (!vmt_gfn_map_next(&m->own_pages, &gfn))
		return 0;
	item->gfn = vmt_gfn_from(gfn);
	cursor->index = gfn + 1;
	return 1;
}

/* -------------------------------------------------------------------------------------------- */
/* Views                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static bool same_access(struct vmt_access a, struct vmt_access b)
{
	return a.rights == b.rights && a.options == b.options;
}

/* The rights that @gfn would have in @view, had the monitor not set them. */
static struct vmt_access untouched(const struct vmt_model *m, vmt_view view, uint64_t gfn)
{
	const struct vmt_view_entry *host = vmt_gfn_map_get(&m->views[0].entries, gfn);

	if (view == 0 || m->xen->lazy_view_default)
		return m->views[view].initial;
	return host ? host->access : m->views[0].initial;
}

/* The next entry that the monitor has set, in the views from the cursor's on. */
static const struct vmt_view_entry *next_set(const struct vmt_model *m,
					     struct vmt_footprint_cursor *cursor,
					     struct vmt_footprint *item)
{
	for (; cursor->view < m->nviews; cursor->view++, cursor->index = 0) {
		uint64_t gfn = cursor->index;
		const struct vmt_view_entry *e;

		if (!m->views[cursor->view].exists)
			continue;
		for (; (e = vmt_gfn_map_next(&m->views[cursor->view].entries, &gfn)); gfn++) {
			if (!e->set)
				continue;
			item->view = (vmt_view)cursor->view;
			item->gfn = vmt_gfn_from(gfn);
			cursor->index = gfn + 1;
			return e;
		}
	}
	return NULL;
}

static int walk_rights(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		       struct vmt_footprint *item)
{
	const struct vmt_view_entry *e;

	while ((e = next_set(m, cursor, item))) {
		if (same_access(e->access, untouched(m, item->view, item->gfn.n)))
			continue;
		item->access = e->access;
		return 1;
	}
	return 0;
}

static int walk_remaps(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		       struct vmt_footprint *item)
{
	const struct vmt_view_entry *e;

	while ((e = next_set(m, cursor, item))) {
		if (e->to == item->gfn.n)
			continue;
		item->to = vmt_gfn_from(e->to);
		return 1;
	}
	return 0;
}

static int walk_views(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		      struct vmt_footprint *item)
{
	for (uint64_t v = cursor->index ? cursor->index : 1; v < m->nviews; v++) {
		if (!m->views[v].exists)
			continue;
		item->view = (vmt_view)v;
		item->access = m->views[v].initial;
		cursor->index = v + 1;
		return 1;
	}
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Monitors                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static bool cr_item(const struct vmt_model *m, uint32_t cr, struct vmt_monitor *monitor)
{
	const struct vmt_monitor_state *s = &m->monitors;
	uint32_t bit = UINT32_C(1) << cr;

	if (!(s->crs & bit))
		return false;
	monitor->kind = VMT_MONITOR_CR;
	monitor->what = cr;
	monitor->flags = (s->crs_async & bit ? VMT_MONITOR_ASYNC : 0u) |
			 (s->crs_on_change & bit ? VMT_MONITOR_ON_CHANGE : 0u);
	monitor->ignore = s->cr_ignore[cr];
	return true;
}

static bool msr_item(const struct vmt_model *m, uint32_t bit, struct vmt_monitor *monitor)
{
	const struct vmt_monitor_state *s = &m->monitors;

	if (!vmt_bit_get(s->msrs, bit))
		return false;
	monitor->kind = VMT_MONITOR_MSR;
	monitor->what = vmt_msr_of_bit(bit);
	monitor->flags = vmt_bit_get(s->msrs_on_change, bit) ? VMT_MONITOR_ON_CHANGE : 0u;
	return true;
}

static bool kind_item(const struct vmt_model *m, uint32_t kind, struct vmt_monitor *monitor)
{
	if (!m->monitors.on[kind])
		return false;
	monitor->kind = kind;
	monitor->flags = m->monitors.flags[kind];
	return true;
}

/* The index runs over the CRs, then the MSRs (if any is watched), then the other kinds. */
static int walk_monitors(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
			 struct vmt_footprint *item)
{
	const uint64_t msrs = VMT_CR_COUNT;
	const uint64_t others = msrs + (uint64_t)VMT_MSR_BITS;
	uint64_t i = cursor->index;

	for (; i < others + VMT_MONITOR_KIND_COUNT; i++) {
		bool found;

		if (i == msrs && m->monitors.nmsrs == 0)
			i = others;
		if (i < msrs)
			found = cr_item(m, (uint32_t)i, &item->monitor);
		else if (i < others)
			found = msr_item(m, (uint32_t)(i - msrs), &item->monitor);
		else
			found = kind_item(m, (uint32_t)(i - others), &item->monitor);
		if (found) {
			cursor->index = i + 1;
			return 1;
		}
	}
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* vCPUs and the domain                                                                         */
/* -------------------------------------------------------------------------------------------- */

static bool stepping_item(const struct vmt_vcpu_state *v, struct vmt_footprint *item)
{
	item->fast = v->fast;
	item->view = v->fast ? v->fast_back : 0;
	return v->single_step;
}

static bool view_item(const struct vmt_vcpu_state *v, struct vmt_footprint *item)
{
	item->view = v->view;
	return v->view != 0;
}

static bool injection_item(const struct vmt_vcpu_state *v, struct vmt_footprint *item)
{
	if (v->injecting)
		item->interrupt = v->inject;
	return v->injecting;
}

static bool held_item(const struct vmt_vcpu_state *v, struct vmt_footprint *item)
{
	item->count = v->held;
	return v->held > 0;
}

static int walk_vcpus(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		      struct vmt_footprint *item,
		      bool (*is_item)(const struct vmt_vcpu_state *v, struct vmt_footprint *item))
{
	for (uint64_t i = cursor->index; i < m->nvcpus; i++) {
		if (!is_item(&m->vcpus[i], item))
			continue;
		item->vcpu = (uint16_t)i;
		cursor->index = i + 1;
		return 1;
	}
	return 0;
}

static int walk_stepping(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
			 struct vmt_footprint *item)
{
	return walk_vcpus(m, cursor, item, stepping_item);
}

static int walk_in_view(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
			struct vmt_footprint *item)
{
	return walk_vcpus(m, cursor, item, view_item);
}

static int walk_injections(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
			   struct vmt_footprint *item)
{
	return walk_vcpus(m, cursor, item, injection_item);
}

static int walk_held(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		     struct vmt_footprint *item)
{
	return walk_vcpus(m, cursor, item, held_item);
}

static int walk_pauses(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		       struct vmt_footprint *item)
{
	if (cursor->index > 0 || m->pauses == 0)
		return 0;
	item->count = m->pauses;
	cursor->index = 1;
	return 1;
}

/* -------------------------------------------------------------------------------------------- */
/* The table                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	walk_fn *walk;
} kinds[VMT_FOOTPRINT_KIND_COUNT] = {
	[VMT_FOOTPRINT_BYTES] = {"bytes", walk_bytes},
	[VMT_FOOTPRINT_RIGHTS] = {"rights", walk_rights},
	[VMT_FOOTPRINT_VIEW] = {"view", walk_views},
	[VMT_FOOTPRINT_REMAP] = {"remap", walk_remaps},
	[VMT_FOOTPRINT_MONITOR] = {"monitor", walk_monitors},
	[VMT_FOOTPRINT_STEPPING] = {"stepping", walk_stepping},
	[VMT_FOOTPRINT_IN_VIEW] = {"in-view", walk_in_view},
	[VMT_FOOTPRINT_INJECTION] = {"injection", walk_injections},
	[VMT_FOOTPRINT_PAUSE] = {"pause", walk_pauses},
	[VMT_FOOTPRINT_OWN_PAGE] = {"own-page", walk_own_pages},
	[VMT_FOOTPRINT_HELD] = {"held", walk_held},
};

const char *vmt_footprint_kind_name(unsigned kind)
{
	if (kind >= VMT_FOOTPRINT_KIND_COUNT || !kinds[kind].name)
		return "unknown";
	return kinds[kind].name;
}

int vmt_footprint_next(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		       struct vmt_footprint *item)
{
	if (cursor->kind == 0)
		cursor->kind = VMT_FOOTPRINT_BYTES;
	while (cursor->kind < VMT_FOOTPRINT_KIND_COUNT) {
		memset(item, 0, sizeof(*item));
		if (kinds[cursor->kind].walk(m, cursor, item)) {
			item->kind = (uint16_t)cursor->kind;
			return 1;
		}
		cursor->kind++;
		cursor->view = 0;
		cursor->index = 0;
	}
	return 0;
}

size_t vmt_footprint_count(const struct vmt_model *m)
{
	struct vmt_footprint_cursor cursor = {0};
	struct vmt_footprint item;
	size_t n = 0;

	while (vmt_footprint_next(m, &cursor, &item))
		n++;
	return n;
}
