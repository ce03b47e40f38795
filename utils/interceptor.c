/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The set of trapped bytes: ordered, counted, and changed only when the domain is.
 */
#include <stdlib.h>
#include <string.h>

#include "interceptor.h"

bool vmt_grow(void **array, size_t *cap, size_t n, size_t size)
{
	size_t wanted = *cap ? *cap * 2 : 8;
	void *grown;

	if (n < *cap)
		return true;
	grown = reallocarray(*array, wanted, size);
	if (!grown)
		return false;
	*array = grown;
	*cap = wanted;
	return true;
}

void vmt_interceptor_init(struct vmt_interceptor *ic, struct vmt_session *s,
			  const struct vmt_page_method *method)
{
	memset(ic, 0, sizeof(*ic));
	ic->session = s;
	ic->method = method;
}

void vmt_interceptor_finish(struct vmt_interceptor *ic)
{
	for (size_t i = 0; i < ic->npages; i++)
		free(ic->pages[i].traps);
	free(ic->pages);
	free(ic->idle);
}

/* -------------------------------------------------------------------------------------------- */
/* Shadow pages                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static int no_memory(struct vmt_interceptor *ic)
{
	return vmt_session_fail(ic->session, "no memory for a breakpoint");
}

int vmt_interceptor_take_shadow(struct vmt_interceptor *ic, vmt_gfn *gfn)
{
	/* Each page may give one back. */
	while (ic->idle_cap < ic->nidle + ic->npages)
		if (!vmt_grow((void **)&ic->idle, &ic->idle_cap, ic->idle_cap, sizeof(ic->idle[0])))
			return no_memory(ic);
	if (ic->nidle > 0) {
		*gfn = vmt_gfn_from(ic->idle[--ic->nidle]);
		return 0;
	}
	*gfn = VMT_GFN_ANY;
	return vmt_alloc_gfn(ic->session, gfn);
}

void vmt_interceptor_give_shadow(struct vmt_interceptor *ic, vmt_gfn gfn)
{
	ic->idle[ic->nidle++] = gfn.n;
}

int vmt_interceptor_trim(struct vmt_interceptor *ic)
{
	int freed = 0;

	if (ic->npages > 0)
		return 0;
	for (; ic->nidle > 0; ic->nidle--, freed++) {
		int r = vmt_free_gfn(ic->session, vmt_gfn_from(ic->idle[ic->nidle - 1]));

		if (r < 0)
			return r;
	}
	return freed;
}

/* -------------------------------------------------------------------------------------------- */
/* Pages and traps                                                                              */
/* -------------------------------------------------------------------------------------------- */

/** Where the page stands, or belongs. */
static size_t page_index(const struct vmt_interceptor *ic, vmt_view view, vmt_gfn gfn)
{
	size_t low = 0, high = ic->npages;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct vmt_trap_page *page = &ic->pages[middle];

		if (page->view < view || (page->view == view && page->gfn.n < gfn.n))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vmt_trap_page *vmt_interceptor_page(const struct vmt_interceptor *ic, vmt_view view,
					   vmt_gfn gfn)
{
	size_t i = page_index(ic, view, gfn);

	if (i == ic->npages || ic->pages[i].view != view || ic->pages[i].gfn.n != gfn.n)
		return NULL;
	return &ic->pages[i];
}

static struct vmt_trap_page *page_add(struct vmt_interceptor *ic, vmt_view view, vmt_gfn gfn)
{
	size_t i = page_index(ic, view, gfn);

	if (!vmt_grow((void **)&ic->pages, &ic->pages_cap, ic->npages, sizeof(ic->pages[0])))
		return NULL;
	memmove(&ic->pages[i + 1], &ic->pages[i], (ic->npages - i) * sizeof(ic->pages[0]));
	ic->pages[i] = (struct vmt_trap_page){.view = view, .gfn = gfn, .shadow = VMT_GFN_ANY};
	ic->npages++;
	return &ic->pages[i];
}

static void page_drop(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	size_t i = (size_t)(page - ic->pages);

	free(page->traps);
	ic->npages--;
	memmove(page, page + 1, (ic->npages - i) * sizeof(*page));
}

/** Put the page back and forget it; when that fails it stays, for later. */
static int page_down(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	int r = ic->method->down(ic, page);

	if (r < 0)
		return r;
	page_drop(ic, page);
	return 0;
}

static size_t trap_index(const struct vmt_trap_page *page, uint64_t offset)
{
	size_t i = 0;

	while (i < page->ntraps && page->traps[i].offset < offset)
		i++;
	return i;
}

static struct vmt_trap *trap_find(const struct vmt_trap_page *page, uint64_t offset)
{
	size_t i = trap_index(page, offset);

	return i < page->ntraps && page->traps[i].offset == offset ? &page->traps[i] : NULL;
}

static struct vmt_trap *trap_add(struct vmt_trap_page *page, uint64_t offset)
{
	size_t i = trap_index(page, offset);

	if (!vmt_grow((void **)&page->traps, &page->traps_cap, page->ntraps,
		      sizeof(page->traps[0])))
		return NULL;
	memmove(&page->traps[i + 1], &page->traps[i], (page->ntraps - i) * sizeof(page->traps[0]));
	page->traps[i] = (struct vmt_trap){.offset = (uint16_t)offset, .references = 1};
	page->ntraps++;
	return &page->traps[i];
}

static void trap_drop(struct vmt_trap_page *page, struct vmt_trap *trap)
{
	size_t i = (size_t)(trap - page->traps);

	page->ntraps--;
	memmove(trap, trap + 1, (page->ntraps - i) * sizeof(*trap));
}

struct vmt_trap *vmt_interceptor_find(const struct vmt_interceptor *ic, vmt_view view, vmt_gfn gfn,
				      uint64_t offset)
{
	const struct vmt_trap_page *page = vmt_interceptor_page(ic, view, gfn);

	return page ? trap_find(page, offset) : NULL;
}

bool vmt_interceptor_contains(const struct vmt_interceptor *ic, const struct vmt_event *ev)
{
	return vmt_event_is_breakpoint(ev) && (ev->flags & VMT_EVENT_HAS_VIEW) &&
	       vmt_interceptor_find(ic, ev->view, ev->u.interrupt.gfn,
				    ev->regs.gprs.rip & VMT_PAGE_MASK);
}

/* -------------------------------------------------------------------------------------------- */
/* Inserting and removing                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Let the new @trap stop the guest: with its page, or alone. */
static int trap_on(struct vmt_interceptor *ic, struct vmt_trap_page *page, struct vmt_trap *trap)
{
	if (!page->up)
		return ic->method->up(ic, page);
	return ic->method->set ? ic->method->set(ic, page, trap, true) : 0;
}

int vmt_interceptor_insert(struct vmt_interceptor *ic, vmt_view view, vmt_gpa gpa)
{
	vmt_gfn gfn = vmt_gfn_of(gpa);
	uint64_t offset = gpa.a & VMT_PAGE_MASK;
	struct vmt_trap_page *page = vmt_interceptor_page(ic, view, gfn);
	struct vmt_trap *trap = page ? trap_find(page, offset) : NULL;
	int r;

	if (trap) {
		trap->references++;
		return 0;
	}
	if (!page)
		page = page_add(ic, view, gfn);
	trap = page ? trap_add(page, offset) : NULL;
	r = trap ? trap_on(ic, page, trap) : no_memory(ic);
	if (r >= 0)
		return 0;
	/* A page that is partly up and cannot be put back stays known: its events are answered. */
	if (trap)
		trap_drop(page, trap);
	if (page && page->ntraps == 0)
		(void)page_down(ic, page);
	return r;
}

/** The last reference to @trap is given back. */
static int trap_off(struct vmt_interceptor *ic, struct vmt_trap_page *page, struct vmt_trap *trap)
{
	int r = 0;

	if (page->ntraps == 1) {
		r = ic->method->down(ic, page);
		if (page->up)
			return r;
		/* It stops nobody any more, whether or not the rest was done. */
		trap_drop(page, trap);
		if (r >= 0)
			page_drop(ic, page);
		return r;
	}
	if (ic->method->set)
		r = ic->method->set(ic, page, trap, false);
	if (r >= 0)
		trap_drop(page, trap);
	return r;
}

int vmt_interceptor_remove(struct vmt_interceptor *ic, vmt_view view, vmt_gpa gpa)
{
	struct vmt_trap_page *page = vmt_interceptor_page(ic, view, vmt_gfn_of(gpa));
	struct vmt_trap *trap = page ? trap_find(page, gpa.a & VMT_PAGE_MASK) : NULL;

	if (!trap)
		return -VMT_E_NOT_FOUND;
	if (trap->references > 1)
		return (int)--trap->references;
	return trap_off(ic, page, trap);
}

int vmt_interceptor_sweep(struct vmt_interceptor *ic)
{
	int first = 0;

	for (size_t i = ic->npages; i-- > 0;) {
		int r = ic->pages[i].ntraps == 0 ? page_down(ic, &ic->pages[i]) : 0;

		if (r < 0 && first == 0)
			first = r;
	}
	return first;
}
