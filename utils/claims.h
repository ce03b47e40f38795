/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The breakpoints of a manager, placed and pending, in one order: view, page, key, address, root.
 *
 * One that is placed in two pages (a global one, for two processes) stands here twice. Pending ones
 * stand behind all pages of their view.
 */
#ifndef VMT_UTILS_CLAIMS_H
#define VMT_UTILS_CLAIMS_H

#include <vmitape/breakpoint.h>

struct vmt_claim {
	struct vmt_breakpoint bp;
	vmt_gfn gfn; /**< where it is placed; VMT_GFN_ANY: pending */
};

struct vmt_claims {
	struct vmt_claim *at;
	size_t n, cap;
};

static inline bool vmt_claim_pending(const struct vmt_claim *claim)
{
	return vmt_gfn_is_any(claim->gfn);
}

static inline bool vmt_breakpoint_physical(const struct vmt_breakpoint *bp)
{
	return bp->space.paging == VMT_PAGING_NONE;
}

/** The byte in which a placed claim stands. */
static inline vmt_gpa vmt_claim_gpa(const struct vmt_claim *claim)
{
	return vmt_gpa_from(vmt_gpa_of(claim->gfn).a | (claim->bp.address & VMT_PAGE_MASK));
}

/** Do two roots name the same page tables, PCID and flag bits aside? */
bool vmt_space_same_root(struct vmt_space a, struct vmt_space b);

/** Do @a and @b have the same view, key, address and, unless both are global, root? */
bool vmt_breakpoint_same(const struct vmt_breakpoint *a, const struct vmt_breakpoint *b);

/** The claim with the same identity at @gfn, or NULL. A pending one must have the same root. */
struct vmt_claim *vmt_claims_find(const struct vmt_claims *claims, const struct vmt_breakpoint *bp,
				  vmt_gfn gfn);

/** The claim at @gfn that contradicts @bp: the same key and address, with another @global. */
const struct vmt_claim *vmt_claims_conflict(const struct vmt_claims *claims,
					    const struct vmt_breakpoint *bp, vmt_gfn gfn);

/** The claims of a page in a view, or the pending ones of a view: the first, and how many. */
const struct vmt_claim *vmt_claims_of(const struct vmt_claims *claims, vmt_view view, vmt_gfn gfn,
				      size_t *n);

/** Room for one more, so that the next vmt_claims_add() cannot fail. False: no memory. */
bool vmt_claims_reserve(struct vmt_claims *claims);
void vmt_claims_add(struct vmt_claims *claims, const struct vmt_breakpoint *bp, vmt_gfn gfn);
void vmt_claims_drop(struct vmt_claims *claims, struct vmt_claim *claim);
void vmt_claims_finish(struct vmt_claims *claims);

#endif /* VMT_UTILS_CLAIMS_H */
