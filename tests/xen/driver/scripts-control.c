/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trials of what is done to the domain besides answering: registers, injection, memory, pages, pauses;
 * two vCPUs; what is refused at attaching, and what a session leaves behind.
 */
#include <string.h>
#include <unistd.h>

#include "trial.h"

static bool is(const struct vmt_ctx *ctx, uint16_t reason)
{
	return vmt_event_of(ctx)->reason == reason;
}

static int begin_cpuid(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

/* ---- registers ---- */

static struct vmt_response event_get_regs(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	const struct vmt_reg_field *differ;
	struct vmt_vcpu_context context;
	struct vmt_regs regs;

	if (!is(ctx, VMT_EVENT_CPUID) || vmt_get_regs(vmt_session_of(ctx), ev->vcpu, &regs) < 0)
		return trial_failed(t, ctx, "the registers at a CPUID");
	differ = vmt_regs_differ(&regs, &ev->regs, VMT_KNOWN_ALL);
	expect(t, !differ, "the event's registers; %s is %#lx, not %#lx",
	       differ ? differ->name : "", differ ? (unsigned long)vmt_reg_get(&regs, differ) : 0,
	       differ ? (unsigned long)vmt_reg_get(&ev->regs, differ) : 0);
	expect(t, regs.known == (VMT_KNOWN_ALL & ~VMT_KNOWN(VMT_REG_XCR0)), "all but XCR0 known");
	expect(t, regs.idtr.limit == 256 * 16 - 1 && regs.tr.selector == 0x30 && regs.tr.base,
	       "IDTR and TR as the guest has set them");
	memset(&context, 0, sizeof(context));
	succeeded(t, vmt_driver_get_context(t->driver, ev->vcpu, &context), &t->driver->err,
		  "get_context");
	expect(t, context.regs.gprs.rip == regs.gprs.rip && context.fxsave_known == 1,
	       "the same RIP, and an FXSAVE image");
	refused(t, vmt_get_regs(vmt_session_of(ctx), 77, &regs), VMT_E_NOT_FOUND,
		vmt_error_of(vmt_session_of(ctx)), "vCPU 77");
	trial_done(t);
	return vmt_skip(ctx);
}

/* Set by a call, with the vCPU in the event; the answer sets none. */
static struct vmt_response event_set_regs(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_regs regs = {0};

	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID wanted");
	if (t->events > 1 && t->guest->seen[DEMO_CPUID] != 0x6b00 + t->events - 1)
		return trial_failed(t, ctx, "the guest to see the rax that was set");
	if (t->events == 3)
		trial_done(t);
	regs.known = VMT_KNOWN(VMT_REG_XCR0) | VMT_KNOWN(VMT_REG_RAX);
	refused(t, vmt_set_regs(s, ev->vcpu, &regs), VMT_E_NOT_SUPPORTED, vmt_error_of(s), "XCR0");
	regs.known = VMT_KNOWN(VMT_REG_CR0);
	regs.cr0 = VMT_CR0_PG; /* without PE and ET */
	refused(t, vmt_set_regs(s, ev->vcpu, &regs), VMT_E_INVALID, vmt_error_of(s), "a bad CR0");
	regs.known = VMT_KNOWN(VMT_REG_RAX) | VMT_KNOWN(VMT_REG_RIP) | VMT_KNOWN(VMT_REG_DR1);
	regs.gprs.rax = 0x6b00 + t->events;
	regs.gprs.rip = ev->regs.gprs.rip + 2;
	regs.dr1 = UINT64_C(0x1000) * t->events;
	succeeded(t, vmt_set_regs(s, ev->vcpu, &regs), vmt_error_of(s), "set_regs");
	regs.dr1 = 0;
	succeeded(t, vmt_get_regs(s, ev->vcpu, &regs), vmt_error_of(s), "get_regs");
	expect(t, regs.dr1 == UINT64_C(0x1000) * t->events, "DR1 as it was set");
	return vmt_respond(VMT_CONTINUE);
}

/* ---- injection ---- */

static struct vmt_response event_inject(struct trial *t, struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_interrupt fault = vmt_page_fault(vmt_gva_from(0x123456), 4);

	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID wanted");
	if (t->events == 3 && (t->guest->traps[14] != t->before.traps[14] + 1 ||
			       t->guest->fault_address != 0x123456 || t->guest->fault_code != 4))
		return trial_failed(t, ctx, "one #PF with the address and code that were injected");
	if (t->events == 3)
		trial_done(t);
	if (t->events != 1)
		return vmt_skip(ctx);
	succeeded(t, vmt_inject(s, 0, &fault), vmt_error_of(s), "inject");
	refused(t, vmt_inject(s, 0, &fault), VMT_E_BUSY, vmt_error_of(s), "a second one");
	fault.error_code = VMT_NO_ERROR_CODE;
	refused(t, vmt_inject(s, 0, &fault), VMT_E_INVALID, vmt_error_of(s), "no error code");
	return vmt_skip(ctx);
}

/* ---- memory and pages ---- */

static int begin_memory(struct trial *t, struct vmt_session *s)
{
	uint64_t at = DEMO_GFN_DATA << 12, word = 0;
	uint8_t byte;

	succeeded(t, vmt_read_u64(s, VMT_PHYS, at + 8, &word), vmt_error_of(s), "read");
	expect(t, word == DEMO_READ_VALUE, "the guest's word, not %#lx", (unsigned long)word);
	succeeded(t, vmt_write_u64(s, VMT_PHYS, at + 4096 - 64, 0x31), vmt_error_of(s), "write");
	succeeded(t, vmt_read_u64(s, VMT_PHYS, at + 4096 - 64, &word), vmt_error_of(s), "read");
	expect(t, word == 0x31, "what was written, not %#lx", (unsigned long)word);
	refused(t, vmt_read_u8(s, VMT_PHYS, UINT64_C(0x80000) << 12, &byte), VMT_E_UNMAPPED,
		vmt_error_of(s), "no page");
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

/* The guest reads what was written; left so, it is put back at the end. */
static struct vmt_response event_written(struct trial *t, struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);

	if (!is(ctx, VMT_EVENT_CPUID))
		return trial_failed(t, ctx, "a CPUID wanted");
	if (t->events == 1) {
		t->status->scenes = BIT(DEMO_CPUID) | BIT(DEMO_READ);
		succeeded(t, vmt_write_u64(s, VMT_PHYS, (DEMO_GFN_DATA << 12) + 8, 0x3131),
			  vmt_error_of(s), "write");
	}
	if (t->events == 4 && t->guest->seen[DEMO_READ] != 0x3131)
		return trial_failed(t, ctx, "the guest to read what was written");
	if (t->events == 4)
		trial_done(t);
	return vmt_skip(ctx);
}

/* A breakpoint in the guest's code, and the session ends with it in place. */
static int begin_breakpoint(struct trial *t, struct vmt_session *s)
{
	int r = vmt_write_u8(s, VMT_PHYS, t->status->at_exec, 0xcc);

	return r < 0 ? r : vmt_monitor(s, VMT_MONITOR_BREAKPOINT);
}

static struct vmt_response event_breakpoint(struct trial *t, struct vmt_ctx *ctx)
{
	if (!vmt_event_is_breakpoint(vmt_event_of(ctx)) ||
	    vmt_event_of(ctx)->regs.gprs.rip != t->status->at_exec)
		return trial_failed(t, ctx, "the own breakpoint wanted");
	trial_done(t);
	return vmt_respond(VMT_CONTINUE); /* and the vCPU is at it again */
}

static int begin_pages(struct trial *t, struct vmt_session *s)
{
	vmt_gfn at = VMT_GFN_ANY, same, data = vmt_gfn_from(DEMO_GFN_DATA);
	uint64_t word = 1;
	struct vmt_info info;

	vmt_domain_info(s, &info);
	succeeded(t, vmt_alloc_gfn(s, &at), vmt_error_of(s), "alloc_gfn");
	expect(t, at.n == info.max_gfn + 1, "the first gfn above the guest's");
	for (uint64_t i = 0; i < VMT_PAGE_SIZE; i += 8)
		expect(t, vmt_read_u64(s, VMT_PHYS, vmt_gpa_of(at).a + i, &word) == 0 && word == 0,
		       "a page of zeros");
	succeeded(t, vmt_write_u64(s, VMT_PHYS, vmt_gpa_of(at).a, 5), vmt_error_of(s), "write");
	same = at;
	refused(t, vmt_alloc_gfn(s, &same), VMT_E_EXISTS, vmt_error_of(s), "the same again");
	same = data;
	refused(t, vmt_alloc_gfn(s, &same), VMT_E_EXISTS, vmt_error_of(s), "the guest's");
	refused(t, vmt_free_gfn(s, data), VMT_E_PERMISSION, vmt_error_of(s), "the guest's");
	succeeded(t, vmt_free_gfn(s, at), vmt_error_of(s), "free_gfn");
	refused(t, vmt_free_gfn(s, at), VMT_E_UNMAPPED, vmt_error_of(s), "free again");
	refused(t, vmt_read_u64(s, VMT_PHYS, vmt_gpa_of(at).a, &word), VMT_E_UNMAPPED,
		vmt_error_of(s), "read what is freed");
	succeeded(t, vmt_alloc_gfn(s, &at), vmt_error_of(s), "alloc_gfn at a place");
	succeeded(t, vmt_read_u64(s, VMT_PHYS, vmt_gpa_of(at).a, &word), vmt_error_of(s), "read");
	expect(t, word == 0, "a page of zeros, not %#lx", (unsigned long)word);
	return 0; /* the last one is left for the teardown to free */
}

/* ---- pauses ---- */

static void pauses(struct trial *t)
{
	struct vmt_driver *d = t->driver;

	succeeded(t, vmt_driver_pause(d), &d->err, "pause");
	expect(t, domain_is_paused(t) && !guest_goes_on(t), "the guest to stand");
	succeeded(t, vmt_driver_pause(d), &d->err, "pause");
	succeeded(t, vmt_driver_resume(d), &d->err, "resume");
	expect(t, domain_is_paused(t) && !guest_goes_on(t), "the guest to stand still");
	succeeded(t, vmt_driver_resume(d), &d->err, "resume");
	expect(t, !domain_is_paused(t) && guest_goes_on(t), "the guest to go on");
	refused(t, vmt_driver_resume(d), VMT_E_WRONG_PLACE, &d->err, "one resume too many");
	vmt_driver_pause(d); /* for close to take back */
}

/* ---- waiting ---- */

static void waits(struct trial *t)
{
	struct vmt_driver *d = t->driver;
	struct vmt_wait wait = {0};
	uint64_t one = 1, begin;

	succeeded(t, vmt_driver_wait(d, 0, &wait), &d->err, "wait");
	expect(t, wait.outcome == VMT_WAIT_TIMEOUT, "a timeout at once, not %u", wait.outcome);
	begin = wait.now;
	succeeded(t, vmt_driver_wait(d, 300, &wait), &d->err, "wait");
	expect(t, wait.outcome == VMT_WAIT_TIMEOUT && wait.now - begin >= 300000000, "300 ms");
	expect(t, write(vmt_driver_stop_fd(d), &one, sizeof(one)) == sizeof(one), "the eventfd");
	succeeded(t, vmt_driver_wait(d, 1000, &wait), &d->err, "wait");
	expect(t, wait.outcome == VMT_WAIT_STOPPED, "a stop, not %u", wait.outcome);
	succeeded(t, vmt_driver_wait(d, 0, &wait), &d->err, "wait");
	expect(t, wait.outcome == VMT_WAIT_TIMEOUT, "the stop to be told once");
}

/* ---- two vCPUs ---- */

static int begin_vcpus(struct trial *t, struct vmt_session *s)
{
	int r = vmt_view_create(s, vmt_access_from(VMT_RWX), &t->view);

	return r < 0 ? r : vmt_monitor_cr(s, VMT_CR3);
}

/* Each vCPU is answered on its own: the second goes to the view, the first stays in view 0. */
static struct vmt_response event_vcpus(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (!is(ctx, VMT_EVENT_WRITE_CR) || ev->vcpu > 1)
		return trial_failed(t, ctx, "a CR3 write of one of two vCPUs");
	if (ev->view != (ev->vcpu == 1 && t->note[1] > 0 ? t->view : 0))
		return trial_failed(t, ctx, "each vCPU in its view");
	t->note[ev->vcpu]++;
	if (t->note[0] >= 20 && t->note[1] >= 20)
		trial_done(t);
	else if (t->events > 400)
		return trial_failed(t, ctx, "events of both vCPUs");
	return vmt_with_view(vmt_respond(VMT_CONTINUE), ev->vcpu == 1 ? t->view : 0);
}

/* ---- attaching ---- */

static void refuses_to_open(struct trial *t, const char *domain, enum vmt_status status)
{
	const struct vmt_xen_config config = {.domain = domain};
	struct vmt_driver *d = NULL;
	struct vmt_error err = {0};
	int r = vmt_xen_open(&config, &d, &err);

	refused(t, r, status, &err, domain);
	if (r == 0)
		vmt_driver_close(d);
}

static void opens_once(struct trial *t)
{
	struct vmt_info info = {0};

	succeeded(t, vmt_driver_info(t->driver, &info), &t->driver->err, "info");
	expect(t, !strcmp(info.backend, "xen") && !strcmp(info.domain, "guest"), "names, not %s %s",
	       info.backend, info.domain);
	expect(t,
	       info.xen_major == 4 && info.xen_minor >= 17 && info.vcpus == t->vcpus &&
		       info.views == 10 && info.seed && info.max_gfn >= 0x200,
	       "what there is");
	expect(t,
	       info.capabilities & VMT_CAP_VIEWS &&
		       !(info.capabilities & VMT_CAP_MONITOR_IO) == (info.xen_minor < 18),
	       "capabilities, not %#x", info.capabilities);
	refuses_to_open(t, t->domain, VMT_E_BUSY);
	refuses_to_open(t, "guest", VMT_E_BUSY);
	refuses_to_open(t, "nobody", VMT_E_NOT_FOUND);
	refuses_to_open(t, "4711", VMT_E_NOT_FOUND);
	refuses_to_open(t, "0", VMT_E_INVALID);
	refuses_to_open(t, "", VMT_E_INVALID);
}

/* Everything on, events unanswered, and closed without a word: the driver puts it right. */
static void closes_in_midst(struct trial *t)
{
	static const struct vmt_monitor monitors[] = {
		{.kind = VMT_MONITOR_CR, .what = VMT_CR3},
		{.kind = VMT_MONITOR_CR, .what = VMT_CR4},
		{.kind = VMT_MONITOR_MSR, .what = MSR_LSTAR},
		{.kind = VMT_MONITOR_CPUID},
		{.kind = VMT_MONITOR_BREAKPOINT},
		{.kind = VMT_MONITOR_DEBUG},
		{.kind = VMT_MONITOR_SINGLESTEP},
		{.kind = VMT_MONITOR_DEFERRED_WRITES},
	};
	struct vmt_driver *d = t->driver;
	struct vmt_wait wait;
	struct vmt_event ev;
	struct vmt_gprs gprs;
	struct vmt_response rsp;
	vmt_view view;

	t->status->scenes = BIT(DEMO_SMP) - 1;
	for (size_t i = 0; i < sizeof(monitors) / sizeof(monitors[0]); i++)
		succeeded(t, vmt_driver_monitor(d, &monitors[i], true), &d->err, "monitor");
	succeeded(t, vmt_driver_create_view(d, vmt_access_from(VMT_RWX), &view), &d->err, "view");
	succeeded(t, vmt_driver_switch_view(d, view), &d->err, "switch");
	succeeded(t, vmt_driver_write(d, vmt_gfn_from(DEMO_GFN_EXEC), 0, "\xcc", 1), &d->err,
		  "breakpoint");
	for (int i = 0; i < 40; i++) {
		if (!succeeded(t, vmt_driver_wait(d, EVENT_MS, &wait), &d->err, "wait") ||
		    vmt_driver_next(d, &ev) != 1)
			break;
		rsp = vmt_default_answer(&ev, &gprs);
		if (rsp.action == VMT_CONTINUE && ev.reason != VMT_EVENT_INTERRUPT)
			rsp.action = VMT_SINGLESTEP;
		succeeded(t, vmt_driver_answer(d, &ev, &rsp), &d->err, "answer");
		if (i < 39)
			succeeded(t, vmt_driver_commit(d), &d->err, "commit");
	}
	/* the next one is taken, and not answered */
	if (vmt_driver_wait(d, 0, &wait) == 0)
		vmt_driver_next(d, &ev);
}

const struct script scripts_control[] = {
	{.name = "registers-read",
	 .scene = DEMO_CPUID,
	 .begin = begin_cpuid,
	 .event = event_get_regs},
	{.name = "registers-written",
	 .scene = DEMO_CPUID,
	 .begin = begin_cpuid,
	 .event = event_set_regs,
	 .checks_fail = true},
	{.name = "injection", .scene = DEMO_CPUID, .begin = begin_cpuid, .event = event_inject},
	{.name = "memory-written-and-put-back",
	 .scene = DEMO_CPUID,
	 .begin = begin_memory,
	 .event = event_written,
	 .checks_fail = true},
	{.name = "breakpoint-left-behind",
	 .scene = DEMO_EXEC,
	 .begin = begin_breakpoint,
	 .event = event_breakpoint},
	{.name = "pages", .scene = DEMO_READ, .begin = begin_pages, .without_events = true},
	{.name = "pauses", .scene = DEMO_READ, .after = pauses, .no_session = true},
	{.name = "waiting", .scene = DEMO_READ, .after = waits, .no_session = true},
	{.name = "vcpus-two",
	 .scene = DEMO_CR3,
	 .begin = begin_vcpus,
	 .event = event_vcpus,
	 .vcpus = 2},
	{.name = "vcpus-closed-in-midst",
	 .scene = DEMO_CR3,
	 .after = closes_in_midst,
	 .no_session = true,
	 .vcpus = 2},
	{.name = "attach-refusals", .scene = DEMO_READ, .after = opens_once, .no_session = true},
	{.name = "close-in-midst",
	 .scene = DEMO_READ,
	 .after = closes_in_midst,
	 .no_session = true},
	{.name = NULL},
};
