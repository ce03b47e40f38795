/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Breakpoints that the guest does not see.
 *
 * A stealth breakpoint is a 0xCC in a shadow page: a copy of the guest's page that one view shows
 * in its place, and that can only be executed there. A guest that reads the page sees its own
 * bytes, because the read is done in the plain view (view 0), one instruction long; what the guest
 * writes there is carried over to the shadow page.
 *
 *     create:        vmt_view_create(s, vmt_access_from(VMT_RWX), &view);
 *                    vmt_breakpoints_create(s, NULL, &breakpoints);
 *                    vmt_breakpoints_insert(breakpoints, &(struct vmt_breakpoint){
 *                            .space = space, .address = address, .view = view, .global = true});
 *                    vmt_view_switch(s, view);
 *
 *     handle_event:  switch (vmt_breakpoints_event(breakpoints, ctx, &hit, &response)) {
 *                    case VMT_BREAKPOINT_NONE:        // another event: the handler's own business
 *                            break;
 *                    case VMT_BREAKPOINT_HIT:         // one of ours
 *                            ...
 *                            return vmt_breakpoints_step_over(breakpoints, ctx);
 *                    default:                         // done with, or failed
 *                            return response;
 *                    }
 *
 * Who owns a breakpoint is told by its key: an address carries one breakpoint for each key, they
 * are placed and removed independently, and the 0xCC goes with the last of them. The guest's own
 * int3, also one below a breakpoint, is told apart and reaches the guest.
 *
 * A breakpoint on a virtual address whose page is not present is *pending*: it is placed by
 * vmt_breakpoints_page_in() or vmt_breakpoints_retry().
 *
 * While a page holds breakpoints, its rights and its mapping in that view are the manager's. Do not
 * set rights for it in view 0 either: Xen copies those, and the mapping, over the views'
 * (p2m_altp2m_propagate_change).
 *
 * Failures: negative, the reason in vmt_error_of(). Misuse (a view that cannot be, a conflict with
 * a breakpoint that is there) and lack of memory are -VMT_E_HANDLER; the rest is what the failed
 * call to the domain said. Each function says what a failure leaves behind.
 *
 * Sources: vmi-rs crates/vmi-utils/src/interceptor and crates/vmi-utils/src/bpm. Different here: a
 * failure is undone; orders are fixed (view, page, key, address); removal needs no translation; a
 * write to the page is followed.
 */
#ifndef VMITAPE_BREAKPOINT_H
#define VMITAPE_BREAKPOINT_H

#include <vmitape/handler.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_breakpoints;

/** How a breakpoint stops the guest. */
enum vmt_breakpoint_method {
	/** 0xCC in a shadow page. Needs views and allocation of pages. */
	VMT_BREAKPOINT_INT3 = 0,
	/**
	 * The page is not executable in the view: nothing is copied or written, but each
	 * instruction that is executed in the page stops the vCPU, at a breakpoint or not.
	 */
	VMT_BREAKPOINT_NO_EXECUTE = 1,
};

/** All zero: int3, the plain view is 0. */
struct vmt_breakpoints_config {
	uint32_t method; /**< enum vmt_breakpoint_method */
	vmt_view
		plain; /**< a view in which nothing hinders the guest; never one with breakpoints */
};

/** A breakpoint: a value. */
struct vmt_breakpoint {
	/**
	 * Where @address is. In VMT_PHYS the breakpoint is on a byte of a page, whoever executes
	 * it; else it is for the address space with this root.
	 */
	struct vmt_space space;
	uint64_t address;
	vmt_view view; /**< the view that shows it */
	/**
	 * For @address under any root: kernel code, a library at one place. @space is then only
	 * used to find the page. With page-table isolation the kernel runs with two roots: use it.
	 */
	bool global;
	uint64_t key; /**< its owner */
	uint64_t tag; /**< the owner's own: kept and given back, never looked at */
};

/**
 * Make a manager. Switches the breakpoint monitor (with VMT_BREAKPOINT_INT3) and the single-step
 * monitor on, unless they are on already. @config may be NULL. On failure nothing was made; the
 * breakpoint monitor may have been switched on.
 */
VMT_API int vmt_breakpoints_create(struct vmt_session *s,
				   const struct vmt_breakpoints_config *config,
				   struct vmt_breakpoints **b);

/**
 * Free the manager; NULL is allowed. Asks nothing of the domain: the session takes away what is
 * still placed. For the handler's destroy, or when create fails: events that are drained after
 * cleanup still need the manager.
 */
VMT_API void vmt_breakpoints_destroy(struct vmt_breakpoints *b);

/* -------------------------------------------------------------------------------------------- */
/* Placing and removing                                                                         */
/* -------------------------------------------------------------------------------------------- */

enum vmt_breakpoint_state {
	VMT_BREAKPOINT_ABSENT = 0,
	VMT_BREAKPOINT_PENDING = 1, /**< its page is not present */
	VMT_BREAKPOINT_PLACED = 2,
};

/**
 * Place a breakpoint, or let it be pending when its address is not mapped (-VMT_E_FAULT of the
 * walk; other failures are the result). 1: it is new. 0: this key has it already, with the tag that
 * it had. A key that has it with another @global is refused. On failure nothing has changed.
 */
VMT_API int vmt_breakpoints_insert(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp);

/** The same when the caller knows where the address is: @gpa, or NULL for not present. */
VMT_API int vmt_breakpoints_insert_at(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp,
				      const vmt_gpa *gpa);

/**
 * Remove the breakpoint of this view, key, address and, unless it is global, root: wherever it is
 * placed and where it is pending. 1: it was there. 0: it was not.
 *
 * On failure it may still be placed in some pages, or not stop the guest any more while its page is
 * not quite as it was; vmt_breakpoints_state() tells. Removing it or inserting it again, and
 * vmt_breakpoints_clear(), finish what is left.
 */
VMT_API int vmt_breakpoints_remove(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp);

/** Remove the breakpoint of @key that @ev hit, from all views and pages. Results as above. */
VMT_API int vmt_breakpoints_remove_by_event(struct vmt_breakpoints *b, const struct vmt_event *ev,
					    uint64_t key);

/**
 * Remove all breakpoints of @view. Returns how many there were. To be called before the view is
 * destroyed; of a view that is gone already the hypervisor knows nothing, and they are just
 * forgotten.
 */
VMT_API int vmt_breakpoints_remove_view(struct vmt_breakpoints *b, vmt_view view);

/**
 * Remove all. Goes on past failures and returns the first; what could not be taken away stays and
 * is tried again by the next call. 0: the domain is as it was, but for the shadow pages
 * (vmt_breakpoints_trim) and the monitors.
 */
VMT_API int vmt_breakpoints_clear(struct vmt_breakpoints *b);

/**
 * Give shadow pages that are not in use back to the domain: only when no breakpoint is placed, else
 * nothing is done. Returns how many. They are kept for reuse otherwise, for freeing one makes Xen
 * forget all rights and mappings of each view that ever showed it or pages around it
 * (p2m_altp2m_propagate_change): so this is for views that hold nothing else. The session frees
 * them at its end in any case.
 */
VMT_API int vmt_breakpoints_trim(struct vmt_breakpoints *b);

/** Is the breakpoint of this view, key, address and root (or global) placed, pending, or absent? */
VMT_API enum vmt_breakpoint_state vmt_breakpoints_state(const struct vmt_breakpoints *b,
							const struct vmt_breakpoint *bp);

/** How many are in @state (PENDING or PLACED); one that is placed in two pages counts twice. */
VMT_API size_t vmt_breakpoints_count(const struct vmt_breakpoints *b,
				     enum vmt_breakpoint_state state);

/* -------------------------------------------------------------------------------------------- */
/* Paging                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/**
 * The page of @gva became present in @space at the page of @gpa: place what is pending there.
 * Returns how many were. On failure those that were not placed are still pending.
 */
VMT_API int vmt_breakpoints_page_in(struct vmt_breakpoints *b, vmt_view view,
				    struct vmt_space space, vmt_gva gva, vmt_gpa gpa);

/**
 * The page of @gva is no longer at the page of @gpa in @space: breakpoints on it for this space,
 * and global ones, are taken out and become pending. Returns how many. On failure those that were
 * not taken out are still placed.
 */
VMT_API int vmt_breakpoints_page_out(struct vmt_breakpoints *b, vmt_view view,
				     struct vmt_space space, vmt_gva gva, vmt_gpa gpa);

/** Translate each pending address again and place those that are present. Returns how many. */
VMT_API int vmt_breakpoints_retry(struct vmt_breakpoints *b);

/**
 * Page @gfn was changed by other means than the guest's instructions in @view (the handler's own
 * vmt_write(), a device): carry it over to the shadow page. 1: done; 0: the page has none.
 */
VMT_API int vmt_breakpoints_refresh(struct vmt_breakpoints *b, vmt_view view, vmt_gfn gfn);

/* -------------------------------------------------------------------------------------------- */
/* Events                                                                                       */
/* -------------------------------------------------------------------------------------------- */

enum vmt_breakpoint_outcome {
	VMT_BREAKPOINT_NONE = 0,    /**< the event has nothing to do with breakpoints */
	VMT_BREAKPOINT_HIT = 1,     /**< a breakpoint was hit: @hit is filled */
	VMT_BREAKPOINT_GUEST = 2,   /**< the guest's own int3: @response hands it to the guest */
	VMT_BREAKPOINT_HANDLED = 3, /**< the manager's own affair: answer with @response */
};

/**
 * Look at the event of @ctx. On VMT_BREAKPOINT_HIT, @hit is the breakpoint with the lowest key;
 * vmt_breakpoints_match() gives all; answer with vmt_breakpoints_step_over() or as you like.
 * Negative: a call failed that was needed to go on; @response is a vmt_fail() with the reason.
 */
VMT_API int vmt_breakpoints_event(struct vmt_breakpoints *b, struct vmt_ctx *ctx,
				  struct vmt_breakpoint *hit, struct vmt_response *response);

/**
 * The response to a hit that lets the instruction below the breakpoint be executed. When that is
 * itself an int3, it is handed to the guest. Also right when the breakpoint was removed meanwhile.
 */
VMT_API struct vmt_response vmt_breakpoints_step_over(struct vmt_breakpoints *b,
						      struct vmt_ctx *ctx);

/** The breakpoints that @ev hit, by key: at most @cap are stored. Returns how many there are. */
VMT_API size_t vmt_breakpoints_match(const struct vmt_breakpoints *b, const struct vmt_event *ev,
				     struct vmt_breakpoint *hits, size_t cap);

/** The breakpoint of @key that @ev hit: true and *@hit (may be NULL). */
VMT_API bool vmt_breakpoints_find(const struct vmt_breakpoints *b, const struct vmt_event *ev,
				  uint64_t key, struct vmt_breakpoint *hit);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_BREAKPOINT_H */
