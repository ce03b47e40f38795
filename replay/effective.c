/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages as the guest meets them.
 */
#include <stdlib.h>
#include <string.h>

#include "effective.h"

void vmt_shadows_finish(struct vmt_shadows *shadows)
{
	for (size_t i = 0; i < shadows->n; i++)
		free(shadows->v[i]);
	free(shadows->v);
}

static struct vmt_shadow *find(const struct vmt_shadows *shadows, vmt_view view, vmt_gfn gfn)
{
	for (size_t i = 0; i < shadows->n; i++)
		if (shadows->v[i]->view == view && shadows->v[i]->gfn == gfn.n)
			return shadows->v[i];
	return NULL;
}

int vmt_shadows_put(struct vmt_shadows *shadows, vmt_view view, vmt_gfn gfn,
		    const struct vmt_answer *answer)
{
	struct vmt_shadow *s = find(shadows, view, gfn);
	struct vmt_shadow **v;

	if (!s && shadows->n == shadows->cap) {
		size_t cap = shadows->cap ? shadows->cap * 2 : 8;

		v = realloc(shadows->v, cap * sizeof(struct vmt_shadow *));
		if (!v)
			return -VMT_E_NO_MEMORY;
		shadows->v = v;
		shadows->cap = cap;
	}
	if (!s) {
		s = malloc(sizeof(*s));
		if (!s)
			return -VMT_E_NO_MEMORY;
		shadows->v[shadows->n++] = s;
	}
	s->view = view;
	s->gfn = gfn.n;
	memcpy(s->bytes, answer->bytes, VMT_PAGE_SIZE);
	for (uint32_t i = 0; i < VMT_PAGE_SIZE; i++)
		s->known[i] = answer->from[i] != VMT_FROM_NOWHERE;
	return 0;
}

void vmt_shadows_drop(struct vmt_shadows *shadows, vmt_view view, vmt_gfn gfn)
{
	for (size_t i = 0; i < shadows->n; i++) {
		if (shadows->v[i]->view != view || shadows->v[i]->gfn != gfn.n)
			continue;
		free(shadows->v[i]);
		shadows->v[i] = shadows->v[--shadows->n];
		return;
	}
}

/** The page that @view shows at @gfn. */
static vmt_gfn shown(const struct vmt_model *m, vmt_view view, vmt_gfn gfn)
{
	struct vmt_footprint_cursor cursor = {
		.kind = VMT_FOOTPRINT_REMAP, .view = view, .index = gfn.n};
	struct vmt_footprint item;

	if (view != 0 && vmt_footprint_next(m, &cursor, &item) &&
	    item.kind == VMT_FOOTPRINT_REMAP && item.view == view && item.gfn.n == gfn.n)
		return item.to;
	return gfn;
}

void vmt_met_page(const struct vmt_meets *meets, vmt_view view, vmt_gfn gfn,
		  struct vmt_met_page *met)
{
	struct vmt_model *m = meets->side->model;

	memset(met, 0, sizeof(*met));
	met->meets = meets;
	met->there = vmt_model_get_access(m, view, gfn, &met->access, NULL) == 0;
	met->page = shown(m, view, gfn);
	if (met->page.n != gfn.n && vmt_model_own_page(m, met->page))
		met->shadow = find(meets->shadows, view, gfn);
}

static const struct vmt_own_word *word(const struct vmt_met_page *met, uint32_t offset)
{
	const struct vmt_own_word *w =
		vmt_own_word(met->meets->own, met->meets->time, met->page, offset / 8);

	return w && (w->own & (1u << (offset % 8))) ? w : NULL;
}

bool vmt_met_byte(const struct vmt_met_page *met, uint32_t offset, uint8_t *byte)
{
	const struct vmt_own_word *w = word(met, offset);

	if (!met->shadow) {
		if (w)
			*byte = w->now[offset % 8];
		return w != NULL;
	}
	*byte = w ? w->now[offset % 8] : 0;
	if (met->shadow->known[offset])
		return *byte != met->shadow->bytes[offset];
	/* What the page shows there is not known: only a breakpoint is surely not the guest's. */
	return *byte == VMT_INT3;
}

bool vmt_met_changed(const struct vmt_met_page *met)
{
	return met->shadow || vmt_own_touches(met->meets->own, met->page);
}
