/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The no-execute method: the page loses the right to be executed, and each instruction in it stops
 * the guest. Nothing is copied or written.
 */
#include "interceptor.h"

static int up(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	struct vmt_access without;
	int r = 0;

	if (!page->rights_known)
		r = vmt_get_access(ic->session, page->view, page->gfn, &page->rights);
	if (r < 0)
		return r;
	page->rights_known = true;
	without = page->rights;
	without.rights &= VMT_RW;
	/* A call that failed may have been carried out all the same. */
	page->restricted = true;
	r = vmt_set_access(ic->session, page->view, page->gfn, without);
	if (r < 0)
		return r;
	page->up = true;
	return 0;
}

static int down(struct vmt_interceptor *ic, struct vmt_trap_page *page)
{
	int r = 0;

	if (page->restricted)
		r = vmt_set_access(ic->session, page->view, page->gfn, page->rights);
	if (r < 0 && r != -VMT_E_NOT_FOUND)
		return r;
	page->restricted = page->up = false;
	return 0;
}

const struct vmt_page_method vmt_no_execute_page_method = {
	.up = up,
	.down = down,
};
