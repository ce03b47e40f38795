/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trials of events that only tell, of a ring that is full, of both vCPUs standing at once, and of what a
 * monitor leaves out.
 */
#include "trial.h"

#define MANY 20

static bool is(const struct vmt_ctx *ctx, uint16_t reason)
{
	return vmt_event_of(ctx)->reason == reason;
}

/* ---- events that only tell ---- */

/* with: kind of monitor, and which CR. */
static int begin_async(struct trial *t, struct vmt_session *s)
{
	const struct vmt_monitor monitor = {
		.kind = t->script->with[0], .what = t->script->with[1], .flags = VMT_MONITOR_ASYNC};

	return vmt_monitor_enable(s, &monitor);
}

static struct vmt_response event_async(struct trial *t, struct vmt_ctx *ctx)
{
	static const uint16_t reasons[VMT_MONITOR_KIND_COUNT] = {
		[VMT_MONITOR_CR] = VMT_EVENT_WRITE_CR,
		[VMT_MONITOR_DEBUG] = VMT_EVENT_INTERRUPT,
		[VMT_MONITOR_HYPERCALL] = VMT_EVENT_HYPERCALL,
	};
	const struct vmt_event *ev = vmt_event_of(ctx);
	volatile uint64_t *plays = &t->guest->count[t->script->scene];
	struct vmt_response step = vmt_respond(VMT_SINGLESTEP);

	if (!is(ctx, reasons[t->script->with[0]]) || (ev->flags & VMT_EVENT_SYNC))
		return trial_failed(t, ctx, "an event that only tells");
	if (is(ctx, VMT_EVENT_WRITE_CR) && ev->u.cr.cr != t->script->with[1])
		return trial_failed(t, ctx, "a write of the register wanted");
	refused(t, vmt_driver_answer(t->driver, ev, &step), VMT_E_NOT_SUPPORTED, &t->driver->err,
		"a step after it");
	if (t->events == 1) {
		/* the ring has room for more: the guest does not wait */
		uint64_t before = *plays;

		for (int turn = 0; turn < 50 && *plays < before + 2; turn++)
			trial_sleep(2);
		expect(t, *plays >= before + 2, "the guest to go on unanswered");
	}
	if (t->events == MANY)
		trial_done(t);
	return vmt_respond(VMT_CONTINUE);
}

/* The exception was delivered by Xen itself. */
static void after_async_debug(struct trial *t)
{
	expect(t, t->guest->traps[1] >= t->before.traps[1] + MANY - 8,
	       "a #DB in the guest for each event");
}

static int begin_refused(struct trial *t, struct vmt_session *s)
{
	static const struct vmt_monitor always[] = {
		{.kind = VMT_MONITOR_MSR, .what = MSR_LSTAR, .flags = VMT_MONITOR_ASYNC},
		{.kind = VMT_MONITOR_BREAKPOINT, .flags = VMT_MONITOR_ASYNC},
		{.kind = VMT_MONITOR_SINGLESTEP, .flags = VMT_MONITOR_ASYNC},
		{.kind = VMT_MONITOR_CPUID, .flags = VMT_MONITOR_ASYNC},
		{.kind = VMT_MONITOR_DESCRIPTOR, .flags = VMT_MONITOR_ASYNC},
	};
	const struct vmt_monitor cr3 = {
		.kind = VMT_MONITOR_CR, .what = VMT_CR3, .flags = VMT_MONITOR_ASYNC};
	const struct vmt_monitor deferred = {.kind = VMT_MONITOR_DEFERRED_WRITES};

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		refused(t, vmt_monitor_enable(s, &always[i]), VMT_E_NOT_SUPPORTED, vmt_error_of(s),
			"an asynchronous form that Xen has not");
	/* the session refuses the two together, and so does the driver */
	succeeded(t, vmt_monitor_enable(s, &cr3), vmt_error_of(s), "CR3");
	refused(t, vmt_deny_enable(s), VMT_E_INVALID, vmt_error_of(s), "deny beside it");
	refused(t, vmt_driver_monitor(t->driver, &deferred, true), VMT_E_NOT_SUPPORTED,
		&t->driver->err, "deferred writes beside it");
	succeeded(t, vmt_monitor_disable(s, &cr3), vmt_error_of(s), "CR3 off");
	succeeded(t, vmt_deny_enable(s), vmt_error_of(s), "deny alone");
	refused(t, vmt_monitor_enable(s, &cr3), VMT_E_INVALID, vmt_error_of(s), "CR3 beside deny");
	refused(t, vmt_driver_monitor(t->driver, &cr3, true), VMT_E_NOT_SUPPORTED, &t->driver->err,
		"CR3 beside deferred writes");
	return 0;
}

/* ---- a full ring ---- */

/*
 * Nobody answers for a while: the guest waits, and no write is lost. note[0]: the last new value;
 * note[1]: the most events that were there besides the one at hand.
 */
static struct vmt_response event_full(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	uint64_t plays;
	uint32_t n = 0;

	if (!is(ctx, VMT_EVENT_WRITE_CR) || (ev->flags & VMT_EVENT_SYNC))
		return trial_failed(t, ctx, "a CR3 write that only tells");
	if (t->events > 1 && ev->u.cr.old_value != t->note[0])
		return trial_failed(t, ctx, "the write after the last one");
	t->note[0] = ev->u.cr.new_value;
	if (t->events % 16 == 1) {
		trial_sleep(20);
		plays = t->guest->count[DEMO_CR3];
		trial_sleep(20);
		succeeded(t, vmt_driver_pending(t->driver, &n), &t->driver->err, "pending");
		t->note[1] = n > t->note[1] ? n : t->note[1];
		expect(t, t->guest->count[DEMO_CR3] == plays, "the guest to wait for room");
	}
	if (t->events == 64)
		trial_done(t);
	return vmt_respond(VMT_CONTINUE);
}

static void after_full(struct trial *t)
{
	expect(t, t->note[1] == 7, "7 more events, not %lu", (unsigned long)t->note[1]);
}

/* ---- both vCPUs at once ---- */

static int begin_cr3(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor_cr(s, VMT_CR3);
}

static struct vmt_response event_at_once(struct trial *t, struct vmt_ctx *ctx)
{
	volatile struct demo_vcpu *vcpus = t->status->vcpu;
	uint64_t rounds[2];
	uint32_t n = 0;

	if (!is(ctx, VMT_EVENT_WRITE_CR))
		return trial_failed(t, ctx, "a CR3 write");
	/* the second event of a pair */
	if (t->note[0]++ % 2 == 1) {
		expect(t, t->note[1] != vmt_event_of(ctx)->vcpu, "the other vCPU's event");
		if (t->note[0] == 20)
			trial_done(t);
		return vmt_respond(VMT_CONTINUE);
	}
	t->note[1] = vmt_event_of(ctx)->vcpu;
	for (int turn = 0; turn < 100 && n == 0; turn++) {
		trial_sleep(2);
		vmt_driver_pending(t->driver, &n);
	}
	expect(t, n == 1, "an event of the other vCPU beside this, not %u", n);
	rounds[0] = vcpus[0].round;
	rounds[1] = vcpus[1].round;
	trial_sleep(10);
	expect(t, rounds[0] == vcpus[0].round && rounds[1] == vcpus[1].round,
	       "both vCPUs to stand until they are answered");
	return vmt_respond(VMT_CONTINUE);
}

/* ---- left out ---- */

/* Writes that change nothing but ignored bits are no events; CPUID shows that rounds are played. */
static int begin_ignored(struct trial *t, struct vmt_session *s)
{
	const struct vmt_monitor cr4 = {
		.kind = VMT_MONITOR_CR, .what = VMT_CR4, .ignore = 0x80 /* PGE */};

	t->status->scenes = BIT(DEMO_CR4) | BIT(DEMO_CPUID);
	succeeded(t, vmt_monitor_enable(s, &cr4), vmt_error_of(s), "CR4");
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

static struct vmt_response event_ignored(struct trial *t, struct vmt_ctx *ctx)
{
	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID, and no write of CR4.PGE");
	if (t->events == 6)
		trial_done(t);
	return vmt_skip(ctx);
}

static void after_ignored(struct trial *t)
{
	expect(t, t->guest->count[DEMO_CR4] > t->before.count[DEMO_CR4] + 2,
	       "CR4 to be written meanwhile");
}

/* ---- what Xen's emulator cannot do ---- */

static int begin_unemulated(struct trial *t, struct vmt_session *s)
{
	t->gfn = vmt_gfn_from(DEMO_GFN_CALLS);
	succeeded(t, vmt_monitor(s, VMT_MONITOR_EMUL_UNIMPLEMENTED), vmt_error_of(s), "monitor");
	return vmt_set_access(s, 0, t->gfn, vmt_access_from(VMT_RW));
}

/* note[0]: the RIP of the violation. The VMCALL is the instruction that cannot be emulated. */
static struct vmt_response event_unemulated(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	uint8_t insn[3];

	if (is(ctx, VMT_EVENT_MEMORY_ACCESS)) {
		t->note[0] = ev->regs.gprs.rip;
		if (ev->u.memory.access != VMT_X || t->events > 8)
			return trial_failed(t, ctx, "a fetch, and soon one that is not emulated");
		return vmt_respond(VMT_EMULATE);
	}
	if (!is(ctx, VMT_EVENT_EMUL_UNIMPLEMENTED) || ev->regs.gprs.rip != t->note[0])
		return trial_failed(t, ctx, "the emulator to give up at the same RIP");
	if (vmt_read(vmt_session_of(ctx), VMT_PHYS, ev->regs.gprs.rip, insn, sizeof(insn)) < 0 ||
	    insn[0] != 0x0f || insn[1] != 0x01 || insn[2] != 0xc1)
		return trial_failed(t, ctx, "the VMCALL");
	succeeded(t, vmt_set_access(vmt_session_of(ctx), 0, t->gfn, vmt_access_from(VMT_RWX)),
		  vmt_error_of(vmt_session_of(ctx)), "rights");
	trial_done(t);
	return vmt_respond(VMT_CONTINUE);
}

static void after_unemulated(struct trial *t)
{
	expect(t, t->guest->traps[6] == t->before.traps[6], "no #UD in the guest");
	expect(t, played(t) > 0, "the call to be made after all");
}

#define ASYNC(NAME, SCENE, AFTER, KIND, WHAT)                                  \
	{                                                                      \
		.name = "async-" NAME, .scene = (SCENE), .begin = begin_async, \
		.event = event_async, .after = (AFTER), .with = {              \
			(KIND),                                                \
			(WHAT)                                                 \
		}                                                              \
	}

const struct script scripts_async[] = {
	ASYNC("cr0", DEMO_CR0, NULL, VMT_MONITOR_CR, VMT_CR0),
	ASYNC("cr3", DEMO_CR3, NULL, VMT_MONITOR_CR, VMT_CR3),
	ASYNC("cr4", DEMO_CR4, NULL, VMT_MONITOR_CR, VMT_CR4),
	ASYNC("xcr0", DEMO_XCR0, NULL, VMT_MONITOR_CR, VMT_XCR0),
	ASYNC("debug", DEMO_DEBUG, after_async_debug, VMT_MONITOR_DEBUG, 0),
	ASYNC("guest-request", DEMO_REQUEST, NULL, VMT_MONITOR_HYPERCALL, 0),
	{.name = "async-refusals",
	 .scene = DEMO_READ,
	 .begin = begin_refused,
	 .without_events = true},
	{.name = "ring-full",
	 .scene = DEMO_CR3,
	 .begin = begin_async,
	 .event = event_full,
	 .after = after_full,
	 .with = {VMT_MONITOR_CR, VMT_CR3}},
	{.name = "vcpus-at-once",
	 .scene = DEMO_CR3,
	 .begin = begin_cr3,
	 .event = event_at_once,
	 .vcpus = 2},
	{.name = "ignored-bits",
	 .scene = DEMO_CR4,
	 .begin = begin_ignored,
	 .event = event_ignored,
	 .after = after_ignored},
	{.name = "event-emul-unimplemented",
	 .scene = DEMO_REQUEST,
	 .begin = begin_unemulated,
	 .event = event_unemulated,
	 .after = after_unemulated},
	{.name = NULL},
};
