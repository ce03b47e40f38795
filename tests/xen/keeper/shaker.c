/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler that has all at once in the demo guest: breakpoints in its code that are lifted, stepped
 * over and put back, a view with a forbidden page and fast steps, forbidden writes in view 0, an added
 * page, deferred writes, pauses. Killing it shows whether everything can be undone.
 *
 *   -O gentle=yes   leave out what a rescue is known not to save: CPUID and deferred writes
 */
#include <vmitape/handler.h>

#include "fixtures/guests/demo/status.h"

#define INT3       0xcc
#define NPOINTS    3u
#define VCPUS      8u
#define MSR_LSTAR  UINT32_C(0xc0000082)
#define NO_POINT   NPOINTS
#define STATUS_GPA (DEMO_GFN_STATUS << VMT_PAGE_SHIFT)

struct shaker {
	uint64_t at[NPOINTS];
	uint8_t original[NPOINTS];
	unsigned stepping[VCPUS]; /* the point that is lifted for it, or NO_POINT */
	vmt_view view;
	vmt_gfn added;
	uint64_t events;
};

static struct shaker shaker;

static const struct vmt_option_decl options[] = {
	{"gentle", VMT_OPTION_BOOL, 0, "no", "Leave out what a rescue cannot save."},
	{NULL, 0, 0, NULL, NULL},
};

static int place(struct vmt_session *s, unsigned n)
{
	return vmt_write_u8(s, VMT_PHYS, shaker.at[n], INT3);
}

static int place_points(struct vmt_session *s)
{
	static const size_t where[NPOINTS] = {
		offsetof(struct demo_status, at_cpuid),
		offsetof(struct demo_status, at_exec),
		offsetof(struct demo_status, at_syscall),
	};
	int r = 0;

	for (unsigned n = 0; n < NPOINTS && r >= 0; n++) {
		r = vmt_read_u64(s, VMT_PHYS, STATUS_GPA + where[n], &shaker.at[n]);
		if (r >= 0)
			r = vmt_read_u8(s, VMT_PHYS, shaker.at[n], &shaker.original[n]);
		if (r >= 0)
			r = place(s, n);
	}
	return r;
}

static int watch(struct vmt_session *s)
{
	static const enum vmt_monitor_kind kinds[] = {
		VMT_MONITOR_BREAKPOINT, VMT_MONITOR_SINGLESTEP, VMT_MONITOR_DEBUG,
		VMT_MONITOR_HYPERCALL,  VMT_MONITOR_DESCRIPTOR,
	};
	bool gentle = vmt_option_bool(s, "gentle");
	int r = gentle ? 0 : vmt_deny_enable(s);

	if (r >= 0 && !gentle)
		r = vmt_monitor(s, VMT_MONITOR_CPUID);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && r >= 0; i++)
		r = vmt_monitor(s, kinds[i]);
	if (r >= 0)
		r = vmt_monitor_cr(s, VMT_CR3);
	if (r >= 0)
		r = vmt_monitor_cr(s, VMT_CR4);
	return r >= 0 ? vmt_monitor_msr(s, MSR_LSTAR) : r;
}

static int create(struct vmt_session *s, void **self)
{
	uint8_t page[VMT_PAGE_SIZE] = {INT3};
	int r;

	for (unsigned i = 0; i < VCPUS; i++)
		shaker.stepping[i] = NO_POINT;
	*self = &shaker;
	r = watch(s);
	if (r >= 0)
		r = place_points(s);
	if (r >= 0)
		r = vmt_set_access(s, 0, vmt_gfn_from(DEMO_GFN_DATA), vmt_access_from(VMT_RX));
	if (r >= 0)
		r = vmt_view_create(s, vmt_access_from(VMT_RWX), &shaker.view);
	if (r >= 0)
		r = vmt_set_access(s, shaker.view, vmt_gfn_from(DEMO_GFN_USER),
				   vmt_access_from(VMT_RW));
	shaker.added = VMT_GFN_ANY;
	if (r >= 0)
		r = vmt_alloc_gfn(s, &shaker.added);
	if (r >= 0)
		r = vmt_write(s, VMT_PHYS, shaker.added.n << VMT_PAGE_SHIFT, page, sizeof(page));
	return r >= 0 ? vmt_view_switch(s, shaker.view) : r;
}

/* Between events: what a handler does to the domain as a whole. */
static int shake(struct vmt_session *s)
{
	int r = vmt_pause(s);

	if (r >= 0)
		r = vmt_view_switch(s, 0);
	if (r >= 0)
		r = vmt_free_gfn(s, shaker.added);
	shaker.added = VMT_GFN_ANY;
	if (r >= 0)
		r = vmt_alloc_gfn(s, &shaker.added);
	if (r >= 0)
		r = vmt_view_switch(s, shaker.view);
	return r >= 0 ? vmt_resume(s) : r;
}

static struct vmt_response own_point(struct vmt_ctx *ctx, unsigned n)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (vmt_write_u8(vmt_session_of(ctx), VMT_PHYS, shaker.at[n], shaker.original[n]) < 0)
		return vmt_fail(ctx, "the breakpoint cannot be lifted");
	shaker.stepping[ev->vcpu % VCPUS] = n;
	return vmt_with_view(vmt_respond(VMT_SINGLESTEP), 0);
}

static struct vmt_response breakpoint(struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	for (unsigned n = 0; n < NPOINTS; n++) {
		if (ev->regs.gprs.rip == shaker.at[n])
			return own_point(ctx, n);
	}
	return vmt_respond(VMT_REINJECT);
}

static struct vmt_response step(struct vmt_ctx *ctx)
{
	unsigned *stepping = &shaker.stepping[vmt_event_of(ctx)->vcpu % VCPUS];

	if (*stepping != NO_POINT && place(vmt_session_of(ctx), *stepping) < 0)
		return vmt_fail(ctx, "the breakpoint cannot be put back");
	*stepping = NO_POINT;
	return vmt_with_view(vmt_respond(VMT_CONTINUE), shaker.view);
}

static struct vmt_response access_of(const struct vmt_event *ev)
{
	if (vmt_gfn_of(ev->u.memory.gpa).n == DEMO_GFN_DATA)
		return vmt_respond(VMT_EMULATE);
	return vmt_with_view(vmt_respond(shaker.events % 2 ? VMT_FAST_SINGLESTEP : VMT_SINGLESTEP),
			     0);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	(void)self;
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN) {
		if (ev->reason == VMT_EVENT_CPUID)
			return vmt_skip(ctx);
		return vmt_respond(ev->reason == VMT_EVENT_INTERRUPT && !vmt_event_is_breakpoint(ev)
					   ? VMT_REINJECT
					   : VMT_CONTINUE);
	}
	shaker.events++;
	if (ev->reason == VMT_EVENT_WRITE_CR && shaker.events % 4 == 0 &&
	    shake(vmt_session_of(ctx)) < 0)
		return vmt_fail(ctx, "the domain cannot be shaken");
	switch (ev->reason) {
	case VMT_EVENT_INTERRUPT:
		return vmt_event_is_breakpoint(ev) ? breakpoint(ctx) : vmt_respond(VMT_REINJECT);
	case VMT_EVENT_SINGLESTEP:
		return step(ctx);
	case VMT_EVENT_MEMORY_ACCESS:
		return access_of(ev);
	case VMT_EVENT_CPUID:
		return vmt_skip(ctx);
	case VMT_EVENT_DESCRIPTOR:
		return vmt_respond(VMT_EMULATE);
	default:
		return vmt_respond(VMT_CONTINUE);
	}
}

VMT_API const struct vmt_handler_ops vmt_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "shaker",
	.version = "1",
	.options = options,
	.create = create,
	.handle_event = handle_event,
};
