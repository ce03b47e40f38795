/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Trials of views: rights, fast steps and steps between views, remapped pages, switching, limits. */
#include <string.h>

#include "trial.h"

static bool is(const struct vmt_ctx *ctx, uint16_t reason)
{
	return vmt_event_of(ctx)->reason == reason;
}

/* A view in which the scene's page is restricted, and all vCPUs in it. */
static int begin_restricted(struct trial *t, struct vmt_session *s)
{
	uint64_t gfn = t->script->scene == DEMO_EXEC ? DEMO_GFN_EXEC : DEMO_GFN_DATA;
	int r = vmt_view_create(s, vmt_access_from(VMT_RWX), &t->view);

	t->gfn = vmt_gfn_from(gfn);
	if (r == 0 && t->script->with[1])
		r = vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
	if (r == 0)
		r = vmt_set_access(s, t->view, t->gfn, vmt_access_from(t->script->with[0]));
	return r == 0 ? vmt_view_switch(s, t->view) : r;
}

static bool violates(const struct trial *t, const struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	return is(ctx, VMT_EVENT_MEMORY_ACCESS) && vmt_gfn_of(ev->u.memory.gpa).n == t->gfn.n &&
	       (ev->flags & VMT_EVENT_HAS_VIEW) && ev->view == t->view;
}

static struct vmt_response event_rights(struct trial *t, struct vmt_ctx *ctx)
{
	struct vmt_access host, mine;
	struct vmt_session *s = vmt_session_of(ctx);

	if (!violates(t, ctx))
		return trial_failed(t, ctx, "a violation in the view wanted");
	if (vmt_get_access(s, 0, t->gfn, &host) < 0 || host.rights != VMT_RWX ||
	    vmt_get_access(s, t->view, t->gfn, &mine) < 0 || mine.rights != t->script->with[0])
		return trial_failed(t, ctx, "rights of the view, and others in view 0");
	if (t->events == 3)
		trial_done(t);
	return vmt_respond(VMT_EMULATE);
}

/* In view 0 the instruction goes through, and the next violation comes from the view again. */
static struct vmt_response event_fast(struct trial *t, struct vmt_ctx *ctx)
{
	if (!violates(t, ctx))
		return trial_failed(t, ctx, "a violation in the view and no step wanted");
	if (t->events > 1 && played(t) == 0)
		return trial_failed(t, ctx, "the scene to go on");
	if (t->events == 6)
		trial_done(t);
	return vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
}

static struct vmt_response event_step_over(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (t->events % 2 == 1) {
		if (!violates(t, ctx))
			return trial_failed(t, ctx, "a violation in the view wanted");
		return vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0);
	}
	if (!is(ctx, VMT_EVENT_SINGLESTEP) || ev->view != 0)
		return trial_failed(t, ctx, "a step in view 0 wanted");
	if (t->events == 6)
		trial_done(t);
	return vmt_with_view(vmt_respond(VMT_CONTINUE), t->view);
}

/*
 * A step in view 0 is answered with a fast step in view 0, which comes back to view 0: no event of it.
 * Then the view again, by call.
 */
static struct vmt_response event_fast_on_step(struct trial *t, struct vmt_ctx *ctx)
{
	if (t->events % 3 == 1) {
		if (!violates(t, ctx))
			return trial_failed(t, ctx, "a violation in the view wanted");
		if (t->events == 1 && vmt_monitor(vmt_session_of(ctx), VMT_MONITOR_CPUID) < 0)
			return trial_failed(t, ctx, "CPUID to be watched");
		return vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0);
	}
	if (t->events % 3 == 2) {
		if (!is(ctx, VMT_EVENT_SINGLESTEP))
			return trial_failed(t, ctx, "a step wanted");
		return vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	}
	if (!is(ctx, VMT_EVENT_CPUID) || vmt_event_of(ctx)->view != 0)
		return trial_failed(t, ctx, "the next CPUID in view 0, and no step before");
	if (t->events == 6)
		trial_done(t);
	return vmt_with_view(vmt_skip(ctx), t->view);
}

static int begin_fast_on_step(struct trial *t, struct vmt_session *s)
{
	int r = begin_restricted(t, s);

	/* a round is CPUID, then READ */
	t->status->scenes = BIT(DEMO_READ) | BIT(DEMO_CPUID);
	return r;
}

/* ---- remapping ---- */

/* A copy of the page with exec's function, an int3 at its first byte, shown in a view alone. */
static int begin_stealth(struct trial *t, struct vmt_session *s)
{
	static uint8_t page[VMT_PAGE_SIZE];
	vmt_gfn exec = vmt_gfn_from(DEMO_GFN_EXEC);
	int r = vmt_read(s, VMT_PHYS, vmt_gpa_of(exec).a, page, sizeof(page));

	t->gfn = VMT_GFN_ANY;
	t->note[0] = page[0];
	page[0] = 0xcc;
	if (r >= 0)
		r = vmt_alloc_gfn(s, &t->gfn);
	if (r >= 0)
		r = vmt_write(s, VMT_PHYS, vmt_gpa_of(t->gfn).a, page, sizeof(page));
	if (r >= 0)
		r = vmt_view_create(s, vmt_access_from(VMT_RWX), &t->view);
	if (r >= 0)
		r = vmt_view_remap(s, t->view, exec, t->gfn);
	/* reads and writes of the page see the guest's own */
	if (r >= 0)
		r = vmt_set_access(s, t->view, exec, vmt_access_from(VMT_X));
	if (r >= 0)
		r = vmt_monitor(s, VMT_MONITOR_BREAKPOINT);
	return r >= 0 ? vmt_view_switch(s, t->view) : r;
}

static struct vmt_response event_stealth(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	uint8_t byte = 0;

	if (!vmt_event_is_breakpoint(ev) || ev->regs.gprs.rip != t->status->at_exec ||
	    ev->view != t->view)
		return trial_failed(t, ctx, "the own breakpoint in the view wanted");
	if (vmt_read_u8(vmt_session_of(ctx), VMT_PHYS, t->status->at_exec, &byte) < 0 ||
	    byte != t->note[0])
		return trial_failed(t, ctx, "the guest's own byte in view 0");
	if (t->guest->traps[3] != t->before.traps[3])
		return trial_failed(t, ctx, "no #BP in the guest");
	if (t->events == 4)
		trial_done(t);
	return vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
}

/* The guest reads another page's word in the view, and its own again when that is undone. */
static int begin_remap(struct trial *t, struct vmt_session *s)
{
	uint64_t at;
	int r;

	t->gfn = VMT_GFN_ANY;
	r = vmt_alloc_gfn(s, &t->gfn);
	at = vmt_gpa_of(t->gfn).a + 8;
	if (r >= 0)
		r = vmt_write_u64(s, VMT_PHYS, at, 0x77);
	if (r >= 0)
		r = vmt_view_create(s, vmt_access_from(VMT_RWX), &t->view);
	if (r >= 0)
		r = vmt_view_remap(s, t->view, vmt_gfn_from(DEMO_GFN_DATA), t->gfn);
	if (r >= 0)
		r = vmt_monitor(s, VMT_MONITOR_CPUID);
	if (r >= 0)
		t->status->scenes = BIT(DEMO_READ) | BIT(DEMO_CPUID);
	return r >= 0 ? vmt_view_switch(s, t->view) : r;
}

static struct vmt_response event_remap(struct trial *t, struct vmt_ctx *ctx)
{
	uint64_t seen = t->guest->seen[DEMO_READ];

	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID wanted");
	if (t->events == 3 && seen != 0x77)
		return trial_failed(t, ctx, "the other page's word");
	if (t->events == 3 &&
	    vmt_view_unmap(vmt_session_of(ctx), t->view, vmt_gfn_from(DEMO_GFN_DATA)) < 0)
		return trial_failed(t, ctx, "the remapping to be undone");
	if (t->events == 6 && seen != DEMO_READ_VALUE)
		return trial_failed(t, ctx, "the own word again");
	if (t->events == 6)
		trial_done(t);
	return vmt_skip(ctx);
}

/* ---- switching, limits, refusals ---- */

static int begin_two_views(struct trial *t, struct vmt_session *s)
{
	int r = vmt_view_create(s, vmt_access_from(VMT_RWX), &t->view);

	return r == 0 ? vmt_monitor(s, VMT_MONITOR_CPUID) : r;
}

/* By call, by answer; a view that a vCPU is in cannot go, afterwards it can. */
static struct vmt_response event_switch(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	static const unsigned views[] = {0, 1, 0, 1};
	struct vmt_response rsp;

	if (!is(ctx, VMT_EVENT_CPUID) || ev->view != views[t->events - 1])
		return trial_failed(t, ctx, "the view that was chosen");
	rsp = vmt_skip(ctx);
	switch (t->events) {
	case 1:
		return vmt_with_view(rsp, t->view);
	case 2:
		refused(t, vmt_view_destroy(s, t->view), VMT_E_BUSY, vmt_error_of(s), "in use");
		succeeded(t, vmt_view_switch(s, 0), vmt_error_of(s), "switch");
		return rsp;
	case 3:
		succeeded(t, vmt_view_switch(s, t->view), vmt_error_of(s), "switch");
		return rsp;
	default:
		succeeded(t, vmt_view_switch(s, 0), vmt_error_of(s), "switch");
		succeeded(t, vmt_view_destroy(s, t->view), vmt_error_of(s), "destroy");
		refused(t, vmt_view_switch(s, t->view), VMT_E_NOT_FOUND, vmt_error_of(s), "gone");
		trial_done(t);
		return rsp;
	}
}

/* What this Xen has, or has not yet. */
static void by_version(struct trial *t, int r, bool there, const struct vmt_error *err,
		       const char *what)
{
	if (there)
		succeeded(t, r, err, what);
	else
		refused(t, r, VMT_E_NOT_SUPPORTED, err, what);
}

static int begin_limits(struct trial *t, struct vmt_session *s)
{
	struct vmt_access rwx = vmt_access_from(VMT_RWX), access;
	vmt_gfn data = vmt_gfn_from(DEMO_GFN_DATA), nowhere = vmt_gfn_from(0x80000);
	struct vmt_info info;
	vmt_view view = 0;

	vmt_domain_info(s, &info);
	for (vmt_view wanted = 1; wanted < info.views; wanted++)
		expect(t, vmt_view_create(s, rwx, &view) == 0 && view == wanted,
		       "view %u, not %u: %s", wanted, view, vmt_error_of(s)->text);
	refused(t, vmt_view_create(s, rwx, &view), VMT_E_LIMIT, vmt_error_of(s), "one too many");
	succeeded(t, vmt_view_destroy(s, 2), vmt_error_of(s), "destroy");
	succeeded(t, vmt_view_create(s, rwx, &view), vmt_error_of(s), "create");
	expect(t, view == 2, "the lowest free number is 2, not %u", view);
	refused(t, vmt_view_destroy(s, 0), VMT_E_INVALID, vmt_error_of(s), "destroy view 0");
	refused(t, vmt_view_remap(s, 0, data, data), VMT_E_INVALID, vmt_error_of(s),
		"remap in view 0");
	refused(t, vmt_set_access(s, 1, data, vmt_access_from(VMT_W)), VMT_E_NOT_SUPPORTED,
		vmt_error_of(s), "rights w");
	refused(t, vmt_set_access(s, 0, data, vmt_access_from(VMT_WX)), VMT_E_NOT_SUPPORTED,
		vmt_error_of(s), "rights wx");
	refused(t, vmt_get_access(s, 1, nowhere, &access), VMT_E_UNMAPPED, vmt_error_of(s),
		"rights of no page");
	refused(t, vmt_view_remap(s, 1, data, nowhere), VMT_E_UNMAPPED, vmt_error_of(s),
		"remap to no page");
	by_version(t,
		   vmt_set_access(s, 1, data, (struct vmt_access){VMT_R, VMT_ACCESS_IGNORE_WALKS}),
		   info.xen_minor >= 20, vmt_error_of(s), "r_pw");
	succeeded(t, vmt_view_destroy(s, 2), vmt_error_of(s), "destroy");
	by_version(t, vmt_view_create(s, vmt_access_from(VMT_R), &view), info.xen_minor >= 19,
		   vmt_error_of(s), "default rights");
	return 0;
}

/* FACTS: rights set in view 0 go over those of a view; untouched pages show view 0's. */
static int begin_host_rights(struct trial *t, struct vmt_session *s)
{
	vmt_gfn data = vmt_gfn_from(DEMO_GFN_DATA), other = vmt_gfn_from(DEMO_GFN_DATA2);
	struct vmt_access access = {0};
	uint64_t done = 0;
	vmt_view view;

	if (vmt_view_create(s, vmt_access_from(VMT_RWX), &view) < 0 ||
	    vmt_set_access(s, view, data, vmt_access_from(VMT_R)) < 0 ||
	    vmt_set_access(s, 0, data, vmt_access_from(VMT_RX)) < 0 ||
	    vmt_get_access(s, view, data, &access) < 0)
		return -vmt_error_of(s)->status;
	expect(t, access.rights == VMT_RX, "view 0's rights, not %u", access.rights);
	vmt_get_access(s, view, other, &access);
	expect(t, access.rights == VMT_RWX, "an untouched page's rights, not %u", access.rights);
	succeeded(t,
		  vmt_set_access_range(s, 0, vmt_gfn_from(DEMO_GFN_DATA), 400000,
				       vmt_access_from(VMT_RWX), &done),
		  vmt_error_of(s), "a range to the end of memory");
	expect(t, done == 400000, "the whole range, not %lu", (unsigned long)done);
	return 0;
}

const struct script scripts_views[] = {
	{.name = "view-rights",
	 .scene = DEMO_READ,
	 .begin = begin_restricted,
	 .event = event_rights,
	 .with = {VMT_X}},
	{.name = "view-fast-step",
	 .scene = DEMO_READ,
	 .begin = begin_restricted,
	 .event = event_fast,
	 .with = {VMT_X}},
	{.name = "view-fast-step-watched",
	 .scene = DEMO_WRITE,
	 .begin = begin_restricted,
	 .event = event_fast,
	 .with = {VMT_RX, 1}},
	{.name = "view-step-over",
	 .scene = DEMO_WRITE,
	 .begin = begin_restricted,
	 .event = event_step_over,
	 .with = {VMT_RX, 1}},
	{.name = "view-fast-step-on-step",
	 .scene = DEMO_READ,
	 .begin = begin_fast_on_step,
	 .event = event_fast_on_step,
	 .with = {VMT_X, 1}},
	{.name = "view-stealth-breakpoint",
	 .scene = DEMO_EXEC,
	 .begin = begin_stealth,
	 .event = event_stealth},
	{.name = "view-remap",
	 .scene = DEMO_READ,
	 .begin = begin_remap,
	 .event = event_remap,
	 .checks_fail = true},
	{.name = "view-switch-and-destroy",
	 .scene = DEMO_CPUID,
	 .begin = begin_two_views,
	 .event = event_switch},
	{.name = "view-limits", .scene = DEMO_READ, .begin = begin_limits, .without_events = true},
	{.name = "view-host-rights",
	 .scene = DEMO_READ,
	 .begin = begin_host_rights,
	 .without_events = true},
	{.name = NULL},
};
