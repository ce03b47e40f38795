/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One trial per response: Xen does it, and the guest shows the effect. */
#include <string.h>

#include "trial.h"

#define MARK UINT64_C(0x4242424242424242)

static bool is(const struct vmt_ctx *ctx, uint16_t reason)
{
	return vmt_event_of(ctx)->reason == reason;
}

/* ---- emulation ---- */

static int begin_data(struct trial *t, struct vmt_session *s)
{
	return vmt_set_access(s, 0, vmt_gfn_from(DEMO_GFN_DATA),
			      vmt_access_from(t->script->with[0]));
}

/* The rights stay, so the event comes each time; the guest's checks tell the effect. */
static struct vmt_response event_emulate(struct trial *t, struct vmt_ctx *ctx)
{
	if (!is(ctx, VMT_EVENT_MEMORY_ACCESS))
		return trial_failed(t, ctx, "a memory access wanted");
	if (t->events > 1 && played(t) == 0)
		return trial_failed(t, ctx, "the scene to go on");
	if (t->events == 4)
		trial_done(t);
	return vmt_respond(VMT_EMULATE);
}

/* The guest writes its round, and reads back what stood there before. */
static struct vmt_response event_nowrite(struct trial *t, struct vmt_ctx *ctx)
{
	uint64_t word = 0;

	if (!is(ctx, VMT_EVENT_MEMORY_ACCESS) || !(vmt_event_of(ctx)->u.memory.access & VMT_W))
		return trial_failed(t, ctx, "a write wanted");
	if (vmt_read_u64(vmt_session_of(ctx), VMT_PHYS, DEMO_GFN_DATA << 12, &word) < 0)
		return trial_failed(t, ctx, "the word to be read");
	if (t->events == 1)
		t->note[0] = word;
	if (word != t->note[0])
		return trial_failed(t, ctx, "the word to keep its value");
	if (t->events > 1 && t->guest->seen[DEMO_WRITE] != t->note[0])
		return trial_failed(t, ctx, "the guest to read the old value back");
	if (t->events == 4)
		trial_done(t);
	return vmt_respond(VMT_EMULATE_NOWRITE);
}

static struct vmt_response event_read_data(struct trial *t, struct vmt_ctx *ctx)
{
	static const uint64_t mark = MARK;

	if (!is(ctx, VMT_EVENT_MEMORY_ACCESS))
		return trial_failed(t, ctx, "a read wanted");
	if (t->events > 1 && t->guest->seen[DEMO_READ] != MARK)
		return trial_failed(t, ctx, "the guest to read the answer's bytes");
	if (t->events == 4)
		trial_done(t);
	return vmt_with_data(vmt_respond(VMT_EMULATE_READ), &mark, sizeof(mark));
}

static int begin_int3(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor(s, VMT_MONITOR_BREAKPOINT);
}

static struct vmt_response event_insn(struct trial *t, struct vmt_ctx *ctx)
{
	static const uint8_t nop = 0x90;

	if (!vmt_event_is_breakpoint(vmt_event_of(ctx)))
		return trial_failed(t, ctx, "an int3 wanted");
	if (t->guest->traps[3] != t->before.traps[3] || (t->events > 1 && played(t) == 0))
		return trial_failed(t, ctx, "a NOP in place of each INT3");
	if (t->events == 4)
		trial_done(t);
	return vmt_with_data(vmt_respond(VMT_EMULATE_INSN), &nop, 1);
}

/* ---- deny ---- */

static int begin_deny(struct trial *t, struct vmt_session *s)
{
	int r = vmt_deny_enable(s);

	if (r < 0)
		return r;
	if (t->script->scene == DEMO_MSR)
		return vmt_monitor_msr(s, MSR_LSTAR);
	return vmt_monitor_cr(s, (enum vmt_cr)t->script->with[0]);
}

static uint64_t register_of(const struct trial *t, const struct vmt_regs *regs)
{
	switch (t->script->scene) {
	case DEMO_CR0:
		return regs->cr0;
	case DEMO_CR3:
		return regs->cr3;
	case DEMO_CR4:
		return regs->cr4;
	default:
		return regs->lstar;
	}
}

/* note[0]: the value that the register must keep. */
static struct vmt_response event_deny(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	bool msr = t->script->scene == DEMO_MSR;
	uint64_t old = msr ? ev->u.msr.old_value : ev->u.cr.old_value;
	struct vmt_regs regs;

	if (ev->reason != (msr ? VMT_EVENT_WRITE_MSR : VMT_EVENT_WRITE_CR))
		return trial_failed(t, ctx, "a write wanted");
	if (vmt_get_regs(vmt_session_of(ctx), ev->vcpu, &regs) < 0)
		return trial_failed(t, ctx, "the registers to be read");
	if (t->events == 1)
		t->note[0] = old;
	if (old != t->note[0] || register_of(t, &regs) != t->note[0])
		return trial_failed(t, ctx, "the register to keep its value");
	/* scene msr has looked at SYSENTER_EIP since, which nobody denies */
	if (t->events > 1 && !msr && t->guest->seen[t->script->scene] != t->note[0])
		return trial_failed(t, ctx, "the guest to see the old value");
	if (t->events == 4)
		trial_done(t);
	return vmt_respond(VMT_DENY);
}

static void after_deny(struct trial *t)
{
	expect(t, t->guest->errors > t->before.errors, "the guest to notice denied writes");
}

/* Deferred and not denied: done after the answer. */
static struct vmt_response event_deferred(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_regs regs;

	if (ev->reason != VMT_EVENT_WRITE_CR ||
	    vmt_get_regs(vmt_session_of(ctx), ev->vcpu, &regs) < 0 ||
	    register_of(t, &regs) != ev->u.cr.old_value)
		return trial_failed(t, ctx, "a write that waits for the answer");
	if (t->events > 1 && ev->u.cr.old_value != t->note[0])
		return trial_failed(t, ctx, "the write before to be done");
	t->note[0] = ev->u.cr.new_value;
	if (t->events == 4)
		trial_done(t);
	return vmt_respond(VMT_CONTINUE);
}

/* ---- registers, and refusals ---- */

static int begin_cpuid(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

static struct vmt_response event_registers(struct trial *t, struct vmt_ctx *ctx)
{
	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID wanted");
	if (t->events > 1 && t->guest->seen[DEMO_CPUID] != 0x5a00 + t->events - 1)
		return trial_failed(t, ctx, "the guest to see the rax that was set");
	if (t->events == 4)
		trial_done(t);
	vmt_gprs_of(ctx)->rax = 0x5a00 + t->events;
	return vmt_skip(ctx);
}

/* What Xen would ignore is refused, and the event can still be answered. */
static bool refuses(struct trial *t, const struct vmt_event *ev, struct vmt_response rsp,
		    enum vmt_status status, const char *what)
{
	return refused(t, vmt_driver_answer(t->driver, ev, &rsp), status, &t->driver->err, what);
}

static struct vmt_response event_refusals(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	static const uint8_t byte;

	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID wanted");
	refuses(t, ev, vmt_respond(VMT_EMULATE), VMT_E_NOT_SUPPORTED, "emulate a CPUID");
	refuses(t, ev, vmt_with_data(vmt_respond(VMT_EMULATE_INSN), &byte, 1), VMT_E_NOT_SUPPORTED,
		"instruction bytes for a CPUID");
	refuses(t, ev, vmt_respond(VMT_DENY), VMT_E_NOT_SUPPORTED, "deny a CPUID");
	refuses(t, ev, vmt_respond(VMT_REINJECT), VMT_E_NOT_SUPPORTED, "reinject a CPUID");
	refuses(t, ev, vmt_respond(VMT_SINGLESTEP), VMT_E_NOT_SUPPORTED, "step unwatched");
	refuses(t, ev, vmt_with_view(vmt_respond(VMT_CONTINUE), 5), VMT_E_NOT_FOUND, "no view");
	refuses(t, ev, vmt_respond(VMT_FAST_SINGLESTEP), VMT_E_INVALID, "a fast step without view");
	refuses(t, ev, vmt_respond(VMT_FAIL), VMT_E_INVALID, "VMT_FAIL");
	trial_done(t);
	return vmt_skip(ctx);
}

static int begin_cr4(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor_cr(s, VMT_CR4);
}

static struct vmt_response event_deny_late(struct trial *t, struct vmt_ctx *ctx)
{
	refuses(t, vmt_event_of(ctx), vmt_respond(VMT_DENY), VMT_E_NOT_SUPPORTED,
		"deny without deferred writes");
	trial_done(t);
	return vmt_respond(VMT_CONTINUE);
}

const struct script scripts_answers[] = {
	{.name = "emulate-plain",
	 .scene = DEMO_READ,
	 .begin = begin_data,
	 .event = event_emulate,
	 .with = {VMT_X}},
	{.name = "emulate-without-write",
	 .scene = DEMO_WRITE,
	 .begin = begin_data,
	 .event = event_nowrite,
	 .with = {VMT_RX},
	 .checks_fail = true},
	{.name = "emulate-with-read-data",
	 .scene = DEMO_READ,
	 .begin = begin_data,
	 .event = event_read_data,
	 .with = {VMT_X},
	 .checks_fail = true},
	{.name = "emulate-with-instruction-bytes",
	 .scene = DEMO_INT3,
	 .begin = begin_int3,
	 .event = event_insn,
	 .checks_fail = true},
	{.name = "deny-cr0",
	 .scene = DEMO_CR0,
	 .begin = begin_deny,
	 .event = event_deny,
	 .after = after_deny,
	 .with = {VMT_CR0},
	 .checks_fail = true},
	{.name = "deny-cr3",
	 .scene = DEMO_CR3,
	 .begin = begin_deny,
	 .event = event_deny,
	 .after = after_deny,
	 .with = {VMT_CR3},
	 .checks_fail = true},
	{.name = "deny-cr4",
	 .scene = DEMO_CR4,
	 .begin = begin_deny,
	 .event = event_deny,
	 .after = after_deny,
	 .with = {VMT_CR4},
	 .checks_fail = true},
	{.name = "deny-msr",
	 .scene = DEMO_MSR,
	 .begin = begin_deny,
	 .event = event_deny,
	 .after = after_deny,
	 .checks_fail = true},
	{.name = "deny-not",
	 .scene = DEMO_CR3,
	 .begin = begin_deny,
	 .event = event_deferred,
	 .with = {VMT_CR3}},
	{.name = "deny-late", .scene = DEMO_CR4, .begin = begin_cr4, .event = event_deny_late},
	{.name = "answer-registers",
	 .scene = DEMO_CPUID,
	 .begin = begin_cpuid,
	 .event = event_registers,
	 .checks_fail = true},
	{.name = "answer-refusals",
	 .scene = DEMO_CPUID,
	 .begin = begin_cpuid,
	 .event = event_refusals},
	{.name = NULL},
};
