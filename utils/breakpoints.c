/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The breakpoint manager: placing and removing.
 *
 * Each placed breakpoint holds one reference on its byte (interceptor.c); the list says who they
 * are (claims.c). A claim is added when its byte stops the guest, and dropped when it does not.
 */
#include <stdlib.h>
#include <string.h>

#include "breakpoints-private.h"

static const struct vmt_page_method *const methods[] = {
	[VMT_BREAKPOINT_INT3] = &vmt_shadow_page_method,
	[VMT_BREAKPOINT_NO_EXECUTE] = &vmt_no_execute_page_method,
};

#define METHODS (sizeof(methods) / sizeof(methods[0]))

/* -------------------------------------------------------------------------------------------- */
/* Making                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int switch_on(struct vmt_breakpoints *b)
{
	int r = 0;

	if (b->config.method == VMT_BREAKPOINT_INT3)
		r = vmt_monitor(b->session, VMT_MONITOR_BREAKPOINT);
	if (r < 0 && r != -VMT_E_EXISTS)
		return r;
	return vmt_step_over_create(b->session, b->config.plain, &b->over);
}

int vmt_breakpoints_create(struct vmt_session *s, const struct vmt_breakpoints_config *config,
			   struct vmt_breakpoints **manager)
{
	struct vmt_breakpoints *b;
	struct vmt_info info;
	int r;

	if (config && config->method >= METHODS)
		return vmt_session_fail(s, "there is no breakpoint method %u", config->method);
	r = vmt_domain_info(s, &info);
	if (r < 0)
		return r;
	b = calloc(1, sizeof(*b) + info.vcpus * sizeof(b->writes[0]));
	if (!b)
		return vmt_session_fail(s, "no memory for a breakpoint manager");
	b->session = s;
	if (config)
		b->config = *config;
	b->vcpus = info.vcpus;
	vmt_interceptor_init(&b->traps, s, methods[b->config.method]);
	r = switch_on(b);
	if (r < 0) {
		vmt_breakpoints_destroy(b);
		return r;
	}
	*manager = b;
	return 0;
}

void vmt_breakpoints_destroy(struct vmt_breakpoints *b)
{
	if (!b)
		return;
	vmt_step_over_destroy(b->over);
	vmt_interceptor_finish(&b->traps);
	vmt_claims_finish(&b->claims);
	free(b);
}

/* -------------------------------------------------------------------------------------------- */
/* Placing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static int refuse(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp, const char *why)
{
	return vmt_session_fail(b->session, "breakpoint at %#llx in view %u, key %llu: %s",
				(unsigned long long)bp->address, bp->view,
				(unsigned long long)bp->key, why);
}

static int check_view(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp)
{
	if (bp->view == b->config.plain)
		return refuse(
			b, bp,
			"this is the view in which the guest is stepped over breakpoints; make "
			"another one with vmt_view_create()");
	if (bp->view == 0 && b->config.method == VMT_BREAKPOINT_INT3)
		return refuse(b, bp,
			      "view 0 cannot show a shadow page; make a view with "
			      "vmt_view_create()");
	return 0;
}

static void drop_pending(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp)
{
	struct vmt_claim *pending = vmt_claims_find(&b->claims, bp, VMT_GFN_ANY);

	if (pending)
		vmt_claims_drop(&b->claims, pending);
}

/** Add the claim, placed at @gpa or (NULL) pending. */
static int claim(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp, const vmt_gpa *gpa)
{
	vmt_gfn gfn = gpa ? vmt_gfn_of(*gpa) : VMT_GFN_ANY;
	int r;

	if (vmt_claims_find(&b->claims, bp, gfn)) {
		if (gpa)
			drop_pending(b, bp);
		return 0;
	}
	if (vmt_claims_conflict(&b->claims, bp, gfn))
		return refuse(b, bp,
			      bp->global ? "this key has it for one address space; remove it "
					   "before making it global"
					 : "this key has it for all address spaces already");
	if (!vmt_claims_reserve(&b->claims))
		return refuse(b, bp, "no memory");
	if (gpa) {
		r = vmt_interceptor_insert(&b->traps, bp->view, *gpa);
		if (r < 0)
			return r;
		drop_pending(b, bp);
	}
	vmt_claims_add(&b->claims, bp, gfn);
	return 1;
}

int vmt_breakpoints_insert_at(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp,
			      const vmt_gpa *gpa)
{
	const vmt_gpa itself = vmt_gpa_from(bp->address);
	int r = check_view(b, bp);

	if (r < 0)
		return r;
	if (vmt_breakpoint_physical(bp))
		return claim(b, bp, &itself);
	if (gpa && ((gpa->a ^ bp->address) & VMT_PAGE_MASK))
		return refuse(b, bp,
			      "the guest-physical address has another offset in its page than the "
			      "virtual one");
	return claim(b, bp, gpa);
}

int vmt_breakpoints_insert(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp)
{
	vmt_gpa gpa;
	int r = check_view(b, bp);

	if (r < 0)
		return r;
	r = vmt_translate(b->session, bp->space, vmt_gva_from(bp->address), &gpa);
	if (r < 0 && r != -VMT_E_FAULT)
		return r;
	return vmt_breakpoints_insert_at(b, bp, r < 0 ? NULL : &gpa);
}

/* -------------------------------------------------------------------------------------------- */
/* Removing                                                                                     */
/* -------------------------------------------------------------------------------------------- */

int vmt_breakpoints_take_out(struct vmt_breakpoints *b, struct vmt_claim *claim)
{
	const vmt_gpa gpa = vmt_claim_gpa(claim);
	int r = vmt_interceptor_remove(&b->traps, claim->bp.view, gpa);

	if (r >= 0 ||
	    !vmt_interceptor_find(&b->traps, claim->bp.view, claim->gfn, gpa.a & VMT_PAGE_MASK))
		vmt_claims_drop(&b->claims, claim);
	return r < 0 ? r : 0;
}

/** Remove those that @test picks. Goes on past failures; returns the first, or how many. */
static int remove_where(struct vmt_breakpoints *b, vmt_claim_test *test, const void *arg)
{
	int removed = 0, first = 0;

	/* From the end, for what is dropped moves what is behind it. */
	for (size_t i = b->claims.n; i-- > 0;) {
		struct vmt_claim *claim = &b->claims.at[i];
		int r = 0;

		if (!test(claim, arg))
			continue;
		if (vmt_claim_pending(claim))
			vmt_claims_drop(&b->claims, claim);
		else
			r = vmt_breakpoints_take_out(b, claim);
		if (r >= 0)
			removed++;
		else if (first == 0)
			first = r;
	}
	return first < 0 ? first : removed;
}

static bool is_same(const struct vmt_claim *claim, const void *arg)
{
	return vmt_breakpoint_same(&claim->bp, arg);
}

int vmt_breakpoints_remove(struct vmt_breakpoints *b, const struct vmt_breakpoint *bp)
{
	/* Pages without any breakpoint are what an earlier failure left. */
	int left = vmt_interceptor_sweep(&b->traps);
	int r = remove_where(b, is_same, bp);

	return r < 0 ? r : left < 0 ? left : r > 0;
}

static bool is_same_in_any_view(const struct vmt_claim *claim, const void *arg)
{
	const struct vmt_breakpoint *wanted = arg;
	struct vmt_breakpoint bp = claim->bp;

	bp.view = wanted->view;
	return vmt_breakpoint_same(&bp, wanted);
}

int vmt_breakpoints_remove_by_event(struct vmt_breakpoints *b, const struct vmt_event *ev,
				    uint64_t key)
{
	struct vmt_breakpoint wanted;
	int r;

	if (!vmt_breakpoints_find(b, ev, key, &wanted))
		return 0;
	r = remove_where(b, is_same_in_any_view, &wanted);
	return r < 0 ? r : 1;
}

static bool is_in_view(const struct vmt_claim *claim, const void *arg)
{
	return claim->bp.view == *(const vmt_view *)arg;
}

int vmt_breakpoints_remove_view(struct vmt_breakpoints *b, vmt_view view)
{
	vmt_step_over_forget_view(b->over, view);
	return remove_where(b, is_in_view, &view);
}

static bool is_any(const struct vmt_claim *claim, const void *arg)
{
	(void)claim;
	(void)arg;
	return true;
}

int vmt_breakpoints_clear(struct vmt_breakpoints *b)
{
	int r = remove_where(b, is_any, NULL);
	int left = vmt_interceptor_sweep(&b->traps);

	return r < 0 ? r : left;
}

int vmt_breakpoints_trim(struct vmt_breakpoints *b)
{
	return vmt_interceptor_trim(&b->traps);
}

/* -------------------------------------------------------------------------------------------- */
/* Asking                                                                                       */
/* -------------------------------------------------------------------------------------------- */

enum vmt_breakpoint_state vmt_breakpoints_state(const struct vmt_breakpoints *b,
						const struct vmt_breakpoint *bp)
{
	enum vmt_breakpoint_state state = VMT_BREAKPOINT_ABSENT;

	for (size_t i = 0; i < b->claims.n; i++) {
		const struct vmt_claim *claim = &b->claims.at[i];

		if (!vmt_breakpoint_same(&claim->bp, bp))
			continue;
		if (!vmt_claim_pending(claim))
			return VMT_BREAKPOINT_PLACED;
		state = VMT_BREAKPOINT_PENDING;
	}
	return state;
}

size_t vmt_breakpoints_count(const struct vmt_breakpoints *b, enum vmt_breakpoint_state state)
{
	size_t pending = 0;

	for (size_t i = 0; i < b->claims.n; i++)
		pending += vmt_claim_pending(&b->claims.at[i]);
	if (state == VMT_BREAKPOINT_PENDING)
		return pending;
	return state == VMT_BREAKPOINT_PLACED ? b->claims.n - pending : 0;
}
