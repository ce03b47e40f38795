/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which bytes of which pages stop the guest, in which views, and how often each was asked for.
 *
 * A byte that is trapped twice is trapped once and counted; a page is changed with its first trap
 * and put back with its last. How a page is made to stop the guest is a method: a table of three
 * functions (shadow-page.c, no-execute-page.c).
 */
#ifndef VMT_UTILS_INTERCEPTOR_H
#define VMT_UTILS_INTERCEPTOR_H

#include <vmitape/session.h>

#define VMT_INT3 UINT8_C(0xcc)

/** A byte that stops the guest. */
struct vmt_trap {
	uint16_t offset;
	uint8_t original; /**< what the guest has there; kept by methods that replace it */
	uint32_t references;
};

/** A page in a view. */
struct vmt_trap_page {
	vmt_view view;
	vmt_gfn gfn;
	/** Its traps stop the guest. A page that is not up and still here is the rest of a failure. */
	bool up;
	bool mapped;              /**< the view may show the shadow page */
	bool restricted;          /**< its rights in the view may not be @rights */
	bool rights_known;        /**< @rights was read */
	struct vmt_access rights; /**< before it was changed */
	vmt_gfn shadow;           /**< or VMT_GFN_ANY */
	struct vmt_trap *traps;   /**< by offset */
	size_t ntraps, traps_cap;
};

struct vmt_interceptor {
	struct vmt_session *session;
	const struct vmt_page_method *method;
	struct vmt_trap_page *pages; /**< by view, gfn */
	size_t npages, pages_cap;
	uint64_t *idle; /**< gfns of shadow pages that are not in use */
	size_t nidle, idle_cap;
};

/** How a page is made to stop the guest. Each returns 0 or a negative status. */
struct vmt_page_method {
	/**
	 * Let all of @page's traps stop the guest; also when the page is partly up. On failure the
	 * caller calls down().
	 */
	int (*up)(struct vmt_interceptor *ic, struct vmt_trap_page *page);
	/**
	 * Put the page back. What was put back stays so on failure, and the next call does the
	 * rest. @page->up is false as soon as no trap stops the guest.
	 */
	int (*down)(struct vmt_interceptor *ic, struct vmt_trap_page *page);
	/**
	 * Switch one trap of a page that is up on or off. On failure it is as it was, as far as the
	 * domain lets it. NULL: there is nothing to do.
	 */
	int (*set)(struct vmt_interceptor *ic, struct vmt_trap_page *page, struct vmt_trap *trap,
		   bool on);
	/** Carry the original page's content over. NULL: there is nothing to do. */
	int (*refresh)(struct vmt_interceptor *ic, struct vmt_trap_page *page);
};

extern const struct vmt_page_method vmt_shadow_page_method;
extern const struct vmt_page_method vmt_no_execute_page_method;

void vmt_interceptor_init(struct vmt_interceptor *ic, struct vmt_session *s,
			  const struct vmt_page_method *method);

/** Frees memory; asks nothing of the domain. */
void vmt_interceptor_finish(struct vmt_interceptor *ic);

/** Trap the byte at @gpa in @view once more. On failure nothing has changed. */
int vmt_interceptor_insert(struct vmt_interceptor *ic, vmt_view view, vmt_gpa gpa);

/**
 * Give one reference back. Returns how many are left. -VMT_E_NOT_FOUND: it is not trapped. On
 * another failure vmt_interceptor_find() tells whether it still is.
 */
int vmt_interceptor_remove(struct vmt_interceptor *ic, vmt_view view, vmt_gpa gpa);

/**
 * The page, or NULL; and the trap at an offset, or NULL. Valid until something is inserted or
 * removed.
 */
struct vmt_trap_page *vmt_interceptor_page(const struct vmt_interceptor *ic, vmt_view view,
					   vmt_gfn gfn);
struct vmt_trap *vmt_interceptor_find(const struct vmt_interceptor *ic, vmt_view view, vmt_gfn gfn,
				      uint64_t offset);

/** Was @ev caused by a trap? For int3 methods. */
bool vmt_interceptor_contains(const struct vmt_interceptor *ic, const struct vmt_event *ev);

/** Put back what failures left behind. Goes on past failures, returns the first. */
int vmt_interceptor_sweep(struct vmt_interceptor *ic);

/** Free idle shadow pages, when no page is in use. Returns how many. */
int vmt_interceptor_trim(struct vmt_interceptor *ic);

/** An idle shadow page or a new one; and back. Taking makes sure that there is room to give. */
int vmt_interceptor_take_shadow(struct vmt_interceptor *ic, vmt_gfn *gfn);
void vmt_interceptor_give_shadow(struct vmt_interceptor *ic, vmt_gfn gfn);

/**
 * Make room for one more element in an array of @size-byte elements. False: no memory, and nothing
 * has changed.
 */
bool vmt_grow(void **array, size_t *cap, size_t n, size_t size);

#endif /* VMT_UTILS_INTERCEPTOR_H */
