/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an event has to do with breakpoints, and how the guest goes on.
 *
 *   int3 at a breakpoint                 a hit; stepped over in the plain view
 *   int3 planted for another root        stepped over
 *   int3, and the guest has one there    the guest's own: reinjected
 *   int3, and the guest has none there   the breakpoint was removed meanwhile: executed again
 *   read of a page with breakpoints      stepped over, so that the guest sees its own bytes
 *   write to it                          stepped over, then carried over to the shadow page
 *   execution of a no-execute page       a hit, or stepped over
 */
#include "breakpoints-private.h"

#define CS_ACCESS_L (1u << 9)

/** Where an event may have hit a breakpoint. */
struct place {
	vmt_view view;
	vmt_gfn gfn;
	uint64_t offset; /**< in the page */
	uint64_t linear; /**< address of the instruction */
	struct vmt_space space;
	bool space_known;
};

static uint64_t linear_rip(const struct vmt_regs *regs)
{
	const uint64_t needed = VMT_KNOWN(VMT_REG_EFER) | VMT_KNOWN(VMT_REG_CS);

	if ((regs->known & needed) != needed ||
	    ((regs->efer & VMT_EFER_LMA) && (regs->cs.access & CS_ACCESS_L)))
		return regs->gprs.rip;
	return (regs->cs.base + regs->gprs.rip) & UINT32_MAX;
}

/** False: an event of this kind hits no breakpoint. */
static bool place_of(const struct vmt_breakpoints *b, const struct vmt_event *ev,
		     struct place *place)
{
	if (!(ev->flags & VMT_EVENT_HAS_VIEW))
		return false;
	place->view = ev->view;
	place->linear = linear_rip(&ev->regs);
	place->space_known = vmt_space_from_regs(&ev->regs, &place->space, NULL) == 0;
	if (b->config.method == VMT_BREAKPOINT_INT3) {
		place->gfn = ev->u.interrupt.gfn;
		place->offset = place->linear & VMT_PAGE_MASK;
		return vmt_event_is_breakpoint(ev);
	}
	place->gfn = vmt_gfn_of(ev->u.memory.gpa);
	place->offset = ev->u.memory.gpa.a & VMT_PAGE_MASK;
	return ev->reason == VMT_EVENT_MEMORY_ACCESS && (ev->u.memory.access & VMT_X);
}

static bool hits(const struct vmt_breakpoint *bp, const struct place *place)
{
	if (vmt_breakpoint_physical(bp))
		return (bp->address & VMT_PAGE_MASK) == place->offset;
	return bp->address == place->linear &&
	       (bp->global || (place->space_known && vmt_space_same_root(bp->space, place->space)));
}

/** The breakpoints that @ev hit, with @key or (NULL) any. */
static size_t collect(const struct vmt_breakpoints *b, const struct vmt_event *ev,
		      const uint64_t *key, struct vmt_breakpoint *found, size_t cap)
{
	const struct vmt_claim *claim;
	struct place place;
	size_t n, matches = 0;

	if (!place_of(b, ev, &place))
		return 0;
	claim = vmt_claims_of(&b->claims, place.view, place.gfn, &n);
	for (; n > 0; n--, claim++) {
		if ((key && claim->bp.key != *key) || !hits(&claim->bp, &place))
			continue;
		if (matches < cap)
			found[matches] = claim->bp;
		matches++;
	}
	return matches;
}

size_t vmt_breakpoints_match(const struct vmt_breakpoints *b, const struct vmt_event *ev,
			     struct vmt_breakpoint *found, size_t cap)
{
	return collect(b, ev, NULL, found, cap);
}

bool vmt_breakpoints_find(const struct vmt_breakpoints *b, const struct vmt_event *ev, uint64_t key,
			  struct vmt_breakpoint *hit)
{
	return collect(b, ev, &key, hit, hit ? 1 : 0) > 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Going on                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/** The planted byte at which @ev stopped, or NULL. */
static const struct vmt_trap *trap_of(const struct vmt_breakpoints *b, const struct vmt_event *ev)
{
	struct place place;

	if (b->config.method != VMT_BREAKPOINT_INT3 || !place_of(b, ev, &place))
		return NULL;
	return vmt_interceptor_find(&b->traps, place.view, place.gfn, place.offset);
}

struct vmt_response vmt_breakpoints_step_over(struct vmt_breakpoints *b, struct vmt_ctx *ctx)
{
	const struct vmt_trap *trap = trap_of(b, vmt_event_of(ctx));

	if (trap && trap->original == VMT_INT3 && vmt_phase_of(ctx) != VMT_PHASE_DRAIN)
		return vmt_respond(VMT_REINJECT);
	return vmt_step_over(b->over, ctx);
}

/** A call failed that was needed to go on: the handler fails with its reason. */
static int failed(struct vmt_breakpoints *b, struct vmt_ctx *ctx, int r, const char *what,
		  struct vmt_response *response)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	vmt_error_format(vmt_error_of(b->session), text, sizeof(text));
	*response = vmt_fail(ctx, "%s: %s", what, text);
	return r;
}

static int int3_event(struct vmt_breakpoints *b, struct vmt_ctx *ctx, struct vmt_response *response)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	uint64_t gpa = vmt_gpa_of(ev->u.interrupt.gfn).a | (linear_rip(&ev->regs) & VMT_PAGE_MASK);
	uint8_t byte;
	int r;

	*response = vmt_respond(VMT_CONTINUE);
	if (trap_of(b, ev)) {
		*response = vmt_breakpoints_step_over(b, ctx);
		return VMT_BREAKPOINT_HANDLED;
	}
	/* Nobody watches any more: an int3 of the guest's is simply executed again. */
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return VMT_BREAKPOINT_HANDLED;
	r = vmt_read_u8(b->session, VMT_PHYS, gpa, &byte);
	if (r < 0)
		return failed(b, ctx, r, "cannot tell whose int3 this is", response);
	if (byte != VMT_INT3)
		return VMT_BREAKPOINT_HANDLED;
	*response = vmt_respond(VMT_REINJECT);
	return VMT_BREAKPOINT_GUEST;
}

/** Was this access stopped by what the manager did to the page? */
static bool is_own_page(const struct vmt_breakpoints *b, const struct vmt_event *ev)
{
	const struct vmt_trap_page *page;

	if (!(ev->flags & VMT_EVENT_HAS_VIEW))
		return false;
	page = vmt_interceptor_page(&b->traps, ev->view, vmt_gfn_of(ev->u.memory.gpa));
	if (!page)
		return false;
	if (b->config.method == VMT_BREAKPOINT_INT3)
		return page->mapped;
	return page->restricted && (ev->u.memory.access & VMT_X);
}

static int access_event(struct vmt_breakpoints *b, struct vmt_ctx *ctx,
			struct vmt_response *response)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is_own_page(b, ev))
		return VMT_BREAKPOINT_NONE;
	if (!(ev->u.memory.access & VMT_W) || ev->vcpu >= b->vcpus) {
		*response = vmt_step_over(b->over, ctx);
		return VMT_BREAKPOINT_HANDLED;
	}
	b->writes[ev->vcpu] = (struct vmt_page_write){
		.under_way = true, .view = ev->view, .gfn = vmt_gfn_of(ev->u.memory.gpa)};
	*response = vmt_step_over_slowly(b->over, ctx);
	return VMT_BREAKPOINT_HANDLED;
}

static int step_event(struct vmt_breakpoints *b, struct vmt_ctx *ctx, struct vmt_response *response)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_page_write write;
	int r;

	if (!vmt_step_over_event(b->over, ctx, response))
		return VMT_BREAKPOINT_NONE;
	write = b->writes[ev->vcpu];
	b->writes[ev->vcpu].under_way = false;
	if (!write.under_way || vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return VMT_BREAKPOINT_HANDLED;
	r = vmt_breakpoints_refresh(b, write.view, write.gfn);
	if (r < 0)
		return failed(b, ctx, r, "cannot carry a write over to the shadow page", response);
	return VMT_BREAKPOINT_HANDLED;
}

int vmt_breakpoints_event(struct vmt_breakpoints *b, struct vmt_ctx *ctx,
			  struct vmt_breakpoint *hit, struct vmt_response *response)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (vmt_breakpoints_match(b, ev, hit, 1) > 0)
		return VMT_BREAKPOINT_HIT;
	switch (ev->reason) {
	case VMT_EVENT_INTERRUPT:
		if (b->config.method == VMT_BREAKPOINT_INT3 && vmt_event_is_breakpoint(ev))
			return int3_event(b, ctx, response);
		return VMT_BREAKPOINT_NONE;
	case VMT_EVENT_MEMORY_ACCESS:
		return access_event(b, ctx, response);
	case VMT_EVENT_SINGLESTEP:
		return step_event(b, ctx, response);
	default:
		return VMT_BREAKPOINT_NONE;
	}
}
