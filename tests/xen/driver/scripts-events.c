/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One trial per kind of event: it comes, its fields are right, and the guest gets on. */
#include "trial.h"

#define ROUNDS 3

static bool is(const struct vmt_ctx *ctx, uint16_t reason)
{
	return vmt_event_of(ctx)->reason == reason;
}

/* Ends the trial after some events. */
static struct vmt_response enough(struct trial *t, struct vmt_response rsp)
{
	if (t->events >= ROUNDS)
		trial_done(t);
	return rsp;
}

static void guest_played(struct trial *t)
{
	expect(t, played(t) >= ROUNDS - 1, "the scene to be played on");
}

/* ---- control registers and MSRs ---- */

static int begin_cr(struct trial *t, struct vmt_session *s)
{
	return vmt_monitor_cr(s, (enum vmt_cr)t->script->with[0]);
}

static struct vmt_response event_cr(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	uint64_t changed = ev->u.cr.old_value ^ ev->u.cr.new_value;

	if (!is(ctx, VMT_EVENT_WRITE_CR) || ev->u.cr.cr != t->script->with[0])
		return trial_failed(t, ctx, "a write of the register wanted");
	if (changed != t->script->with[1] || !(ev->flags & VMT_EVENT_SYNC))
		return trial_failed(t, ctx, "the bit that the scene toggles wanted");
	/* the guest looks at the register after the write of before */
	if (t->note[0] && t->guest->seen[t->script->scene] != t->note[0])
		return trial_failed(t, ctx, "the guest to see the value that was written");
	t->note[0] = ev->u.cr.new_value;
	return enough(t, vmt_respond(VMT_CONTINUE));
}

static int begin_msr(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor_msr(s, MSR_LSTAR);
}

static struct vmt_response event_msr(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is(ctx, VMT_EVENT_WRITE_MSR) || ev->u.msr.msr != MSR_LSTAR)
		return trial_failed(t, ctx, "a write of LSTAR wanted");
	if (t->note[0] &&
	    (ev->u.msr.old_value != t->note[0] || t->guest->seen[DEMO_MSR] != ev->u.msr.new_value))
		return trial_failed(t, ctx, "old and new value of LSTAR wanted");
	t->note[0] = ev->u.msr.new_value;
	return enough(t, vmt_respond(VMT_CONTINUE));
}

/* ---- exceptions ---- */

static int begin_kind(struct trial *t, struct vmt_session *s)
{
	return vmt_monitor(s, (enum vmt_monitor_kind)t->script->with[0]);
}

static struct vmt_response event_int3(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!vmt_event_is_breakpoint(ev) || ev->regs.gprs.rip != t->status->at_int3 ||
	    ev->u.interrupt.gfn.n != t->status->at_int3 >> VMT_PAGE_SHIFT)
		return trial_failed(t, ctx, "the guest's int3 wanted");
	if (t->guest->traps[3] - t->before.traps[3] != t->events - 1)
		return trial_failed(t, ctx, "one #BP for each reinjection before");
	return enough(t, vmt_respond(VMT_REINJECT));
}

static struct vmt_response event_int3_skipped(struct trial *t, struct vmt_ctx *ctx)
{
	if (!vmt_event_is_breakpoint(vmt_event_of(ctx)))
		return trial_failed(t, ctx, "the guest's int3 wanted");
	if (t->guest->traps[3] != t->before.traps[3])
		return trial_failed(t, ctx, "no #BP for a skipped int3");
	return enough(t, vmt_skip(ctx));
}

static struct vmt_response event_debug(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is(ctx, VMT_EVENT_INTERRUPT) || ev->u.interrupt.interrupt.vector != 1)
		return trial_failed(t, ctx, "a debug exception wanted");
	if (t->guest->traps[1] - t->before.traps[1] != t->events - 1)
		return trial_failed(t, ctx, "one #DB for each reinjection before");
	return enough(t, vmt_respond(VMT_REINJECT));
}

/* ---- steps ---- */

static int begin_step(struct trial *t, struct vmt_session *s)
{
	(void)t;
	vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

/* note[0]: steps since the last CPUID. note[1]: RIP of the last event. note[2]: CPUIDs. */
static struct vmt_response event_step(struct trial *t, struct vmt_ctx *ctx)
{
	uint64_t rip = vmt_event_of(ctx)->regs.gprs.rip;
	struct vmt_response rsp;

	if (is(ctx, VMT_EVENT_CPUID)) {
		if (t->note[2]++ > 0 && t->note[0] != 5)
			return trial_failed(t, ctx, "5 steps, and none after the last");
		if (t->note[2] == 3)
			trial_done(t);
		t->note[0] = 0;
		t->note[1] = rip;
		rsp = vmt_skip(ctx);
		rsp.action = VMT_SINGLESTEP;
		return rsp;
	}
	if (!is(ctx, VMT_EVENT_SINGLESTEP) || rip == t->note[1] ||
	    vmt_event_of(ctx)->u.step.gfn.n != rip >> VMT_PAGE_SHIFT)
		return trial_failed(t, ctx, "a step to another instruction wanted");
	t->note[1] = rip;
	return vmt_respond(++t->note[0] < 5 ? VMT_SINGLESTEP : VMT_CONTINUE);
}

/* ---- what the guest asks for ---- */

static struct vmt_response event_cpuid(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is(ctx, VMT_EVENT_CPUID) || ev->u.cpuid.leaf != 0 || ev->u.cpuid.insn_length != 2 ||
	    ev->regs.gprs.rip != t->status->at_cpuid)
		return trial_failed(t, ctx, "the guest's CPUID wanted");
	if (ev->u.cpuid.subleaf != (uint32_t)t->guest->round)
		return trial_failed(t, ctx, "the round as subleaf wanted");
	return enough(t, vmt_skip(ctx));
}

static struct vmt_response event_request(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is(ctx, VMT_EVENT_HYPERCALL) ||
	    ev->regs.gprs.rip >> VMT_PAGE_SHIFT != DEMO_GFN_CALLS ||
	    ev->u.hypercall.insn_length != 3)
		return trial_failed(t, ctx, "a guest request wanted");
	return enough(t, vmt_respond(VMT_CONTINUE));
}

static struct vmt_response event_descriptor(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is(ctx, VMT_EVENT_DESCRIPTOR) || ev->u.descriptor.descriptor < VMT_DESC_IDTR ||
	    ev->u.descriptor.descriptor > VMT_DESC_TR)
		return trial_failed(t, ctx, "a descriptor access wanted");
	t->note[ev->u.descriptor.write] |= BIT(ev->u.descriptor.descriptor);
	if (t->note[0] == 0x1e && t->note[1] == 0x1e)
		trial_done(t);
	else if (t->events > 16)
		return trial_failed(t, ctx, "loads and stores of all four wanted");
	return vmt_respond(VMT_EMULATE);
}

static struct vmt_response event_next_interrupt(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_response rsp = vmt_respond(VMT_REINJECT);

	if (vmt_event_is_breakpoint(ev) && t->events % 2 == 1) {
		rsp.flags |= VMT_RSP_NEXT_INTERRUPT;
		return rsp;
	}
	if (!is(ctx, VMT_EVENT_NEXT_INTERRUPT) || ev->u.next_interrupt.vector != 3 ||
	    ev->u.next_interrupt.error_code != VMT_NO_ERROR_CODE)
		return trial_failed(t, ctx, "the #BP that was injected wanted");
	return enough(t, vmt_respond(VMT_CONTINUE));
}

/* The exit is reported again and again until it is switched off. */
static struct vmt_response event_vmexit(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_monitor vmexit = {.kind = VMT_MONITOR_VMEXIT};

	if (!is(ctx, VMT_EVENT_VMEXIT))
		return trial_failed(t, ctx, "a VM exit wanted");
	if (t->events > 1 && vmt_event_of(ctx)->u.vmexit.reason != t->note[0])
		return trial_failed(t, ctx, "the same exit reason again wanted");
	t->note[0] = vmt_event_of(ctx)->u.vmexit.reason;
	if (t->events == ROUNDS) {
		if (vmt_monitor_disable(vmt_session_of(ctx), &vmexit) < 0)
			return trial_failed(t, ctx, "the monitor to be switched off");
		trial_done(t);
	}
	return vmt_respond(VMT_CONTINUE);
}

/* ---- memory ---- */

static int begin_memory(struct trial *t, struct vmt_session *s)
{
	uint64_t gfn = t->script->scene == DEMO_EXEC ? DEMO_GFN_EXEC : DEMO_GFN_DATA;
	struct vmt_access access;
	int r = vmt_set_access(s, 0, vmt_gfn_from(gfn), vmt_access_from(t->script->with[0]));

	t->gfn = vmt_gfn_from(gfn);
	if (r == 0)
		r = vmt_get_access(s, 0, t->gfn, &access);
	if (r == 0)
		expect(t, access.rights == t->script->with[0], "the rights that were set");
	return r;
}

static struct vmt_response event_memory(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_memory_access *m = &vmt_event_of(ctx)->u.memory;

	if (!is(ctx, VMT_EVENT_MEMORY_ACCESS) || vmt_gfn_of(m->gpa).n != t->gfn.n)
		return trial_failed(t, ctx, "an access to the page wanted");
	if (m->access != t->script->with[1] || m->gva.a != m->gpa.a ||
	    m->flags != (VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA))
		return trial_failed(t, ctx, "the kind of access and its address wanted");
	return enough(t, vmt_respond(VMT_EMULATE));
}

#define EVENT(NAME, SCENE, BEGIN, HANDLE, AFTER, ...)                                         \
	{                                                                                     \
		.name = "event-" NAME, .scene = (SCENE), .begin = (BEGIN), .event = (HANDLE), \
		.after = (AFTER), __VA_ARGS__                                                 \
	}

const struct script scripts_events[] = {
	EVENT("cr0", DEMO_CR0, begin_cr, event_cr, guest_played, .with = {VMT_CR0, 0x10000}),
	EVENT("cr3", DEMO_CR3, begin_cr, event_cr, guest_played, .with = {VMT_CR3, 0x1000}),
	EVENT("cr4", DEMO_CR4, begin_cr, event_cr, guest_played, .with = {VMT_CR4, 0x80}),
	EVENT("xcr0", DEMO_XCR0, begin_cr, event_cr, guest_played, .with = {VMT_XCR0, 4}),
	EVENT("msr", DEMO_MSR, begin_msr, event_msr, guest_played, .with = {0}),
	EVENT("int3-reinjected", DEMO_INT3, begin_kind, event_int3, guest_played,
	      .with = {VMT_MONITOR_BREAKPOINT}),
	EVENT("int3-skipped", DEMO_INT3, begin_kind, event_int3_skipped, guest_played,
	      .with = {VMT_MONITOR_BREAKPOINT}, .checks_fail = true),
	EVENT("debug", DEMO_DEBUG, begin_kind, event_debug, guest_played,
	      .with = {VMT_MONITOR_DEBUG}),
	EVENT("singlestep", DEMO_CPUID, begin_step, event_step, NULL, .with = {0}),
	EVENT("cpuid", DEMO_CPUID, begin_kind, event_cpuid, guest_played,
	      .with = {VMT_MONITOR_CPUID}),
	EVENT("guest-request", DEMO_REQUEST, begin_kind, event_request, guest_played,
	      .with = {VMT_MONITOR_HYPERCALL}),
	EVENT("descriptor", DEMO_DESCRIPTOR, begin_kind, event_descriptor, NULL,
	      .with = {VMT_MONITOR_DESCRIPTOR}),
	EVENT("next-interrupt", DEMO_INT3, begin_kind, event_next_interrupt, NULL,
	      .with = {VMT_MONITOR_BREAKPOINT}),
	EVENT("vmexit", DEMO_CPUID, begin_kind, event_vmexit, NULL, .with = {VMT_MONITOR_VMEXIT}),
	EVENT("memory-read", DEMO_READ, begin_memory, event_memory, guest_played,
	      .with = {VMT_X, VMT_R}),
	EVENT("memory-write", DEMO_WRITE, begin_memory, event_memory, guest_played,
	      .with = {VMT_RX, VMT_RW}),
	EVENT("memory-execute", DEMO_EXEC, begin_memory, event_memory, guest_played,
	      .with = {VMT_RW, VMT_X}),
	{.name = NULL},
};
