/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest meets: rights and changed bytes of a page as a view shows it, whatever the means.
 *
 * A breakpoint may be a byte written to the guest's page, or a byte of a copy that a view shows in
 * its place; to the guest it is the same. For a copy, what counts is how it differs from the page
 * that it was put in place of, as that page was then.
 */
#ifndef VMT_REPLAY_EFFECTIVE_H
#define VMT_REPLAY_EFFECTIVE_H

#include "answers.h"
#include "side.h"

#define VMT_INT3 0xcc

/** A page of the handler's own that a view shows in place of a guest's page. */
struct vmt_shadow {
	uint64_t gfn; /**< the guest's page */
	vmt_view view;
	uint8_t bytes[VMT_PAGE_SIZE]; /**< what stood there when it was put in place */
	uint8_t known[VMT_PAGE_SIZE]; /**< 0 or 1 */
};

struct vmt_shadows {
	struct vmt_shadow **v;
	size_t n, cap;
};

void vmt_shadows_finish(struct vmt_shadows *shadows);

/** @view shows an own page at @gfn from now on; @answer: the guest's bytes of all the page. */
int vmt_shadows_put(struct vmt_shadows *shadows, vmt_view view, vmt_gfn gfn,
		    const struct vmt_answer *answer);
/** It does not any more. */
void vmt_shadows_drop(struct vmt_shadows *shadows, vmt_view view, vmt_gfn gfn);

/** One side as the guest meets it. */
struct vmt_meets {
	const struct vmt_side *side;
	const struct vmt_own *own;
	const struct vmt_shadows *shadows;
	uint64_t time; /**< for @own */
};

/** A page as it is met. */
struct vmt_met_page {
	const struct vmt_meets *meets;
	vmt_gfn page;                    /**< that is shown */
	const struct vmt_shadow *shadow; /**< when it is an own one */
	struct vmt_access access;
	bool there;
};

/** How @gfn is met in @view. */
void vmt_met_page(const struct vmt_meets *meets, vmt_view view, vmt_gfn gfn,
		  struct vmt_met_page *met);

/** Is the byte at @offset the handler's and not the guest's? Then it is *@byte. */
bool vmt_met_byte(const struct vmt_met_page *met, uint32_t offset, uint8_t *byte);

/** Can any byte of the page differ from the guest's? */
bool vmt_met_changed(const struct vmt_met_page *met);

#endif /* VMT_REPLAY_EFFECTIVE_H */
