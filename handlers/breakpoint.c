/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells each execution of the instructions at given addresses, with the general registers. The
 * guest does not see the breakpoints: see <vmitape/breakpoint.h>.
 *
 *   -O at=0xffffffff81e00080,...     virtual addresses in the address space of vCPU 0 at the start
 *   -O physical=yes                  they are guest-physical
 *   -O global=no                     only in that address space, not in every one
 *   -O count=100                     finish after so many hits
 *
 * An address whose page is not present is looked at again, ten times a second, until it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/breakpoint.h>

#define LOOK_AGAIN_NS UINT64_C(100000000)

#define GPR(name)                  \
	{                          \
#name, VMT_ADDR, 0 \
	}
static const struct vmt_field hit_fields[] = {
	{"address", VMT_ADDR, VMT_KEY},
	{"vcpu", VMT_U64, VMT_KEY},
	{"cr3", VMT_ADDR, 0},
	GPR(rax),
	GPR(rcx),
	GPR(rdx),
	GPR(rbx),
	GPR(rsp),
	GPR(rbp),
	GPR(rsi),
	GPR(rdi),
	GPR(r8),
	GPR(r9),
	GPR(r10),
	GPR(r11),
	GPR(r12),
	GPR(r13),
	GPR(r14),
	GPR(r15),
	GPR(rip),
	GPR(rflags),
};
static const struct vmt_schema hit_schema = VMT_SCHEMA("hit", hit_fields);

static const struct vmt_field total_fields[] = {{"hits", VMT_U64, 0}};
static const struct vmt_schema total_schema = VMT_SCHEMA("total", total_fields);

static const struct vmt_schema *const schemas[] = {&hit_schema, &total_schema, NULL};

static const struct vmt_option_decl options[] = {
	{"at", VMT_OPTION_TEXT, 1, NULL, "The addresses, separated by commas."},
	{"physical", VMT_OPTION_BOOL, 0, "no", "The addresses are guest-physical."},
	{"global", VMT_OPTION_BOOL, 0, "yes", "In every address space, not in vCPU 0's alone."},
	{"count", VMT_OPTION_U64, 0, "0", "Finish after so many hits; 0: never."},
	{NULL, 0, 0, NULL, NULL},
};

struct breakpoint {
	struct vmt_breakpoints *breakpoints;
	uint64_t count, hits;
	bool stop;
};

/* -------------------------------------------------------------------------------------------- */
/* Placing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** The space that the addresses are in. */
static int find_space(struct vmt_session *s, struct vmt_space *space)
{
	struct vmt_error err;
	struct vmt_regs regs;
	int r;

	*space = VMT_PHYS;
	if (vmt_option_bool(s, "physical"))
		return 0;
	r = vmt_get_regs(s, 0, &regs);
	if (r < 0)
		return r;
	r = vmt_space_from_regs(&regs, space, &err);
	return r < 0 ? vmt_session_fail(s, "vCPU 0's address space: %s", err.text) : 0;
}

static int place(struct vmt_session *s, struct breakpoint *self, struct vmt_breakpoint *bp)
{
	const char *text = vmt_option(s, "at");
	char *end;
	int r;

	do {
		errno = 0;
		bp->address = strtoull(text, &end, 0);
		if (*text < '0' || *text > '9' || errno || (*end && *end != ','))
			return vmt_session_fail(s, "at: '%s' does not begin with an address", text);
		r = vmt_breakpoints_insert(self->breakpoints, bp);
		if (r < 0)
			return r;
		text = end + 1;
	} while (*end);
	return 0;
}

/** Come back when something is pending. */
static void look_again(struct vmt_session *s, const struct breakpoint *self)
{
	if (vmt_breakpoints_count(self->breakpoints, VMT_BREAKPOINT_PENDING) > 0)
		vmt_wake_at(s, vmt_now(s) + LOOK_AGAIN_NS);
}

static int begin(struct vmt_session *s, struct breakpoint *self)
{
	struct vmt_breakpoint bp = {.global = vmt_option_bool(s, "global")};
	int r = find_space(s, &bp.space);

	self->count = vmt_option_u64(s, "count");
	if (r >= 0)
		r = vmt_view_create(s, vmt_access_from(VMT_RWX), &bp.view);
	if (r >= 0)
		r = vmt_breakpoints_create(s, NULL, &self->breakpoints);
	if (r >= 0)
		r = place(s, self, &bp);
	if (r >= 0)
		r = vmt_view_switch(s, bp.view);
	if (r >= 0)
		look_again(s, self);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void destroy(void *data)
{
	struct breakpoint *self = data;

	vmt_breakpoints_destroy(self->breakpoints);
	free(self);
}

static int create(struct vmt_session *s, void **data)
{
	struct breakpoint *self = calloc(1, sizeof(*self));
	int r = self ? begin(s, self) : vmt_session_fail(s, "no memory");

	if (r < 0 && self)
		destroy(self);
	*data = self;
	return r < 0 ? r : 0;
}

static int tell(struct vmt_session *s, const struct vmt_event *ev, const struct vmt_breakpoint *hit)
{
	const struct vmt_gprs *g = &ev->regs.gprs;
	const uint64_t gprs[] = {
		g->rax, g->rcx, g->rdx, g->rbx, g->rsp, g->rbp, g->rsi, g->rdi, g->r8,
		g->r9,  g->r10, g->r11, g->r12, g->r13, g->r14, g->r15, g->rip, g->rflags,
	};
	const size_t n = sizeof(gprs) / sizeof(gprs[0]);
	struct vmt_value values[sizeof(hit_fields) / sizeof(hit_fields[0])] = {
		vmt_addr(hit->address),
		vmt_u64(ev->vcpu),
		vmt_addr(ev->regs.cr3),
	};

	for (size_t i = 0; i < n; i++)
		values[3 + i] = vmt_addr(gprs[i]);
	return vmt_emit(s, &hit_schema, values, 3 + n);
}

static struct vmt_response handle_event(void *data, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	struct breakpoint *self = data;
	struct vmt_breakpoint hit;
	struct vmt_response response;

	switch (vmt_breakpoints_event(self->breakpoints, ctx, &hit, &response)) {
	case VMT_BREAKPOINT_HIT:
		break;
	case VMT_BREAKPOINT_NONE:
		/* What nobody asked for is the guest's: an interrupt goes to it. */
		return vmt_respond(ev->reason == VMT_EVENT_INTERRUPT ? VMT_REINJECT : VMT_CONTINUE);
	default:
		return response;
	}
	/* After the end of what was asked for, events are only answered. */
	if (vmt_phase_of(ctx) != VMT_PHASE_DRAIN) {
		if (tell(s, ev, &hit) < 0)
			return vmt_fail(ctx, "%s", vmt_error_of(s)->text);
		self->hits++;
	}
	return vmt_breakpoints_step_over(self->breakpoints, ctx);
}

static int handle_timeout(void *data, struct vmt_session *s)
{
	struct breakpoint *self = data;
	int r = vmt_breakpoints_retry(self->breakpoints);

	if (r < 0)
		return r;
	look_again(s, self);
	return 0;
}

static void handle_interrupted(void *data, struct vmt_session *s)
{
	struct breakpoint *self = data;

	(void)s;
	self->stop = true;
}

static int poll(const void *data, struct vmt_record *out)
{
	const struct breakpoint *self = data;
	struct vmt_value values[] = {vmt_u64(self->hits)};

	if (!self->stop && (self->count == 0 || self->hits < self->count))
		return 0;
	return vmt_output(out, &total_schema, values, 1) < 0 ? -VMT_E_HANDLER : 1;
}

VMT_HANDLER_DEFINE(breakpoint) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "breakpoint",
	.version = "1",
	.summary = "Tells each execution of given addresses, unseen by the guest.",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_timeout = handle_timeout,
	.handle_interrupted = handle_interrupted,
	.poll = poll,
	.destroy = destroy,
};
