/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a breakpoint manager: breakpoints.c places and removes, breakpoint-paging.c follows
 * the guest's page tables, breakpoint-events.c answers events.
 */
#ifndef VMT_UTILS_BREAKPOINTS_PRIVATE_H
#define VMT_UTILS_BREAKPOINTS_PRIVATE_H

#include <vmitape/breakpoint.h>
#include <vmitape/step-over.h>

#include "claims.h"
#include "interceptor.h"

/** A vCPU that writes to a page with breakpoints, one instruction long. */
struct vmt_page_write {
	bool under_way;
	vmt_view view;
	vmt_gfn gfn;
};

struct vmt_breakpoints {
	struct vmt_session *session;
	struct vmt_breakpoints_config config;
	struct vmt_step_over *over;
	struct vmt_interceptor traps;
	struct vmt_claims claims;
	uint16_t vcpus;
	struct vmt_page_write writes[]; /**< by vCPU */
};

/** Which claims? */
typedef bool vmt_claim_test(const struct vmt_claim *claim, const void *arg);

/** Take a placed claim out of its page. 0 and it is dropped, or negative and it may be still there. */
int vmt_breakpoints_take_out(struct vmt_breakpoints *b, struct vmt_claim *claim);

#endif /* VMT_UTILS_BREAKPOINTS_PRIVATE_H */
