/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Breakpoints follow the guest's page tables: pending when a page is not present, placed when it
 * is.
 */
#include <stdlib.h>

#include "breakpoints-private.h"

/** A page of an address space in a view. */
struct page {
	vmt_view view;
	struct vmt_space space;
	vmt_gva gva;
	vmt_gfn gfn;
};

static bool same_page(const struct vmt_breakpoint *bp, const struct page *page)
{
	return bp->view == page->view && !vmt_breakpoint_physical(bp) &&
	       bp->address >> VMT_PAGE_SHIFT == page->gva.a >> VMT_PAGE_SHIFT;
}

/**
 * Copy the claims that @test picks to *@picked (to be freed): the list changes while they are
 * worked on. Returns how many, or negative.
 */
static int pick(struct vmt_breakpoints *b, vmt_claim_test *test, const void *arg,
		struct vmt_claim **picked)
{
	int n = 0;

	*picked = malloc((b->claims.n + 1) * sizeof(**picked));
	if (!*picked)
		return vmt_session_fail(b->session, "no memory for %zu breakpoints", b->claims.n);
	for (size_t i = 0; i < b->claims.n; i++)
		if (test(&b->claims.at[i], arg))
			(*picked)[n++] = b->claims.at[i];
	return n;
}

static bool waits_for(const struct vmt_claim *claim, const void *arg)
{
	const struct page *page = arg;

	return vmt_claim_pending(claim) && same_page(&claim->bp, page) &&
	       vmt_space_same_root(claim->bp.space, page->space);
}

int vmt_breakpoints_page_in(struct vmt_breakpoints *b, vmt_view view, struct vmt_space space,
			    vmt_gva gva, vmt_gpa gpa)
{
	const struct page page = {.view = view, .space = space, .gva = gva};
	struct vmt_claim *waiting;
	int n = pick(b, waits_for, &page, &waiting);
	int r = n;

	for (int i = 0; i < n && r >= 0; i++) {
		const struct vmt_breakpoint *bp = &waiting[i].bp;
		const vmt_gpa at = vmt_gpa_from((gpa.a & ~(uint64_t)VMT_PAGE_MASK) |
						(bp->address & VMT_PAGE_MASK));

		r = vmt_breakpoints_insert_at(b, bp, &at);
	}
	free(waiting);
	return r < 0 ? r : n;
}

static bool stands_on(const struct vmt_claim *claim, const void *arg)
{
	const struct page *page = arg;

	return claim->gfn.n == page->gfn.n && same_page(&claim->bp, page) &&
	       (claim->bp.global || vmt_space_same_root(claim->bp.space, page->space));
}

/** Take a placed breakpoint out; it becomes pending. */
static int suspend(struct vmt_breakpoints *b, const struct vmt_claim *placed)
{
	struct vmt_claim *claim;
	int r;

	if (!vmt_claims_reserve(&b->claims))
		return vmt_session_fail(b->session, "no memory for a breakpoint");
	claim = vmt_claims_find(&b->claims, &placed->bp, placed->gfn);
	r = vmt_breakpoints_take_out(b, claim);
	/* Also when it failed but the breakpoint stops nobody any more. */
	if (!vmt_claims_find(&b->claims, &placed->bp, placed->gfn) &&
	    !vmt_claims_find(&b->claims, &placed->bp, VMT_GFN_ANY))
		vmt_claims_add(&b->claims, &placed->bp, VMT_GFN_ANY);
	return r;
}

int vmt_breakpoints_page_out(struct vmt_breakpoints *b, vmt_view view, struct vmt_space space,
			     vmt_gva gva, vmt_gpa gpa)
{
	const struct page page = {view, space, gva, vmt_gfn_of(gpa)};
	struct vmt_claim *standing;
	int n = pick(b, stands_on, &page, &standing);
	int r = n;

	for (int i = 0; i < n && r >= 0; i++)
		r = suspend(b, &standing[i]);
	free(standing);
	return r < 0 ? r : n;
}

static bool is_pending(const struct vmt_claim *claim, const void *arg)
{
	(void)arg;
	return vmt_claim_pending(claim);
}

int vmt_breakpoints_retry(struct vmt_breakpoints *b)
{
	struct vmt_claim *pending;
	int n = pick(b, is_pending, NULL, &pending);
	int placed = 0, r = n;

	for (int i = 0; i < n && r >= 0; i++) {
		const struct vmt_breakpoint *bp = &pending[i].bp;
		vmt_gpa gpa;

		r = vmt_translate(b->session, bp->space, vmt_gva_from(bp->address), &gpa);
		if (r == -VMT_E_FAULT) {
			r = 0;
			continue;
		}
		if (r >= 0)
			r = vmt_breakpoints_insert_at(b, bp, &gpa);
		placed += r >= 0;
	}
	free(pending);
	return r < 0 ? r : placed;
}

int vmt_breakpoints_refresh(struct vmt_breakpoints *b, vmt_view view, vmt_gfn gfn)
{
	struct vmt_trap_page *page = vmt_interceptor_page(&b->traps, view, gfn);
	int r;

	if (!page || !page->mapped || !b->traps.method->refresh)
		return 0;
	r = b->traps.method->refresh(&b->traps, page);
	return r < 0 ? r : 1;
}
