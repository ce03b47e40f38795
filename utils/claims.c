/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ordered list of breakpoints.
 */
#include <stdlib.h>
#include <string.h>

#include "claims.h"
#include "interceptor.h"

/** The part of a root that names the tables: the rest is PCID, flags, or ignored. */
static uint64_t root_of(struct vmt_space space)
{
	if (space.paging == VMT_PAGING_NONE)
		return 0;
	if (space.paging == VMT_PAGING_PAE)
		return space.root & UINT64_C(0xffffffe0);
	return space.root & UINT64_C(0x000ffffffffff000);
}

bool vmt_space_same_root(struct vmt_space a, struct vmt_space b)
{
	return root_of(a) == root_of(b);
}

/** A global claim that is placed is for every root; where it is pending, the root still counts. */
static uint64_t root_key(const struct vmt_breakpoint *bp, vmt_gfn gfn)
{
	return bp->global && !vmt_gfn_is_any(gfn) ? 0 : root_of(bp->space);
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare(const struct vmt_claim *claim, const struct vmt_breakpoint *bp, vmt_gfn gfn)
{
	const struct vmt_breakpoint *a = &claim->bp;
	int r = order(a->view, bp->view);

	if (r == 0)
		r = order(claim->gfn.n, gfn.n);
	if (r == 0)
		r = order(a->key, bp->key);
	if (r == 0)
		r = order(vmt_breakpoint_physical(a), vmt_breakpoint_physical(bp));
	if (r == 0)
		r = order(a->address, bp->address);
	if (r == 0)
		r = order(a->global, bp->global);
	if (r == 0)
		r = order(root_key(a, claim->gfn), root_key(bp, gfn));
	return r;
}

/** Where the claim stands, or belongs. */
static size_t index_of(const struct vmt_claims *claims, const struct vmt_breakpoint *bp,
		       vmt_gfn gfn)
{
	size_t low = 0, high = claims->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&claims->at[middle], bp, gfn) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool vmt_breakpoint_same(const struct vmt_breakpoint *a, const struct vmt_breakpoint *b)
{
	return a->view == b->view && a->key == b->key && a->address == b->address &&
	       a->global == b->global && vmt_breakpoint_physical(a) == vmt_breakpoint_physical(b) &&
	       (a->global || vmt_space_same_root(a->space, b->space));
}

struct vmt_claim *vmt_claims_find(const struct vmt_claims *claims, const struct vmt_breakpoint *bp,
				  vmt_gfn gfn)
{
	size_t i = index_of(claims, bp, gfn);

	return i < claims->n && compare(&claims->at[i], bp, gfn) == 0 ? &claims->at[i] : NULL;
}

const struct vmt_claim *vmt_claims_of(const struct vmt_claims *claims, vmt_view view, vmt_gfn gfn,
				      size_t *n)
{
	const struct vmt_breakpoint lowest = {.view = view, .space.paging = VMT_PAGING_4};
	size_t first = index_of(claims, &lowest, gfn);
	size_t end = first;

	while (end < claims->n && claims->at[end].bp.view == view && claims->at[end].gfn.n == gfn.n)
		end++;
	*n = end - first;
	return &claims->at[first];
}

const struct vmt_claim *vmt_claims_conflict(const struct vmt_claims *claims,
					    const struct vmt_breakpoint *bp, vmt_gfn gfn)
{
	size_t n;
	const struct vmt_claim *claim = vmt_claims_of(claims, bp->view, gfn, &n);

	for (; n > 0; n--, claim++)
		if (claim->bp.key == bp->key && claim->bp.address == bp->address &&
		    vmt_breakpoint_physical(&claim->bp) == vmt_breakpoint_physical(bp) &&
		    claim->bp.global != bp->global)
			return claim;
	return NULL;
}

bool vmt_claims_reserve(struct vmt_claims *claims)
{
	return vmt_grow((void **)&claims->at, &claims->cap, claims->n, sizeof(claims->at[0]));
}

void vmt_claims_add(struct vmt_claims *claims, const struct vmt_breakpoint *bp, vmt_gfn gfn)
{
	const struct vmt_claim claim = {.bp = *bp, .gfn = gfn};
	size_t i = index_of(claims, bp, gfn);

	memmove(&claims->at[i + 1], &claims->at[i], (claims->n - i) * sizeof(claim));
	claims->at[i] = claim;
	claims->n++;
}

void vmt_claims_drop(struct vmt_claims *claims, struct vmt_claim *claim)
{
	size_t i = (size_t)(claim - claims->at);

	claims->n--;
	memmove(claim, claim + 1, (claims->n - i) * sizeof(*claim));
}

void vmt_claims_finish(struct vmt_claims *claims)
{
	free(claims->at);
}
