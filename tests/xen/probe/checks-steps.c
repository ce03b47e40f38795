/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stepping: toggle and fast, alone, together, without the monitor, from a step. */
#include "probe.h"

#define STEPS 3

static uint16_t view_of_vcpu(struct probe *p)
{
	uint16_t view = VIEW_NONE;

	xc_altp2m_get_vcpu_p2m_idx(p->xch, p->domid, 0, &view);
	return view;
}

/* A view in which scene exec's page cannot be run, all vCPUs in it, and the first violation. */
static bool begin_in_view(struct probe *p, bool stepping, uint16_t *view)
{
	if (stepping)
		expect(p, monitor_step(p, true) == 0, "the singlestep monitor");
	expect(p, xc_altp2m_set_domain_state(p->xch, p->domid, true) == 0, "altp2m");
	expect(p, xc_altp2m_create_view(p->xch, p->domid, XENMEM_access_rwx, view) == 0, "a view");
	expect(p,
	       xc_altp2m_set_mem_access(p->xch, p->domid, *view, DEMO_GFN_EXEC, XENMEM_access_rw) ==
		       0,
	       "rights in the view");
	expect(p, xc_altp2m_switch_to_view(p->xch, p->domid, *view) == 0, "the view entered");
	guest_play(p, BIT(DEMO_EXEC));
	return guest_event(p, VM_EVENT_REASON_MEM_ACCESS);
}

/* Lets the vCPU go to view 0 by this answer, with these flags. */
static void put_in_view_0(struct probe *p, uint32_t flags)
{
	p->answer.altp2m_idx = 0;
	probe_put_flags(p, VM_EVENT_FLAG_ALTERNATE_P2M | flags);
}

static void step_and_back(struct probe *p)
{
	uint16_t view = 0;

	if (!begin_in_view(p, true, &view))
		return;
	for (int i = 0; i < STEPS; i++) {
		expect(p, p->event.altp2m_idx == view, "the violation in the view");
		put_in_view_0(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
		if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
			return;
		expect(p, p->event.altp2m_idx == 0, "the step in view 0");
		p->answer.altp2m_idx = view;
		probe_put_flags(p, VM_EVENT_FLAG_ALTERNATE_P2M | VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
		if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
			return;
	}
	observe(p, "%d times: violation in view %u, step in view 0", STEPS, view);
	put_in_view_0(p, 0);
}

static void fast_step(struct probe *p)
{
	uint16_t view = 0;
	int events = 0;

	if (!begin_in_view(p, true, &view))
		return;
	for (; events < 2 * STEPS; events++) {
		expect(p, p->event.reason == VM_EVENT_REASON_MEM_ACCESS, "no SINGLESTEP");
		p->answer.u.fast_singlestep.p2midx = view;
		put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP);
		if (!expect(p, probe_take(p, WAIT_MS), "the next violation"))
			return;
	}
	observe(p, "%d violations, no SINGLESTEP, view %u each time", events, p->event.altp2m_idx);
	put_in_view_0(p, 0);
}

static void fast_without_monitor(struct probe *p)
{
	uint16_t view = 0;
	bool quiet;

	if (!begin_in_view(p, false, &view))
		return;
	p->answer.u.fast_singlestep.p2midx = view;
	put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP);
	quiet = guest_quiet(p);
	observe(p, "afterwards %s, the vCPU is in view %u", quiet ? "no event" : "an event",
		view_of_vcpu(p));
	if (probe_since(p, 19))
		expect(p,
		       !quiet && p->event.reason == VM_EVENT_REASON_MEM_ACCESS &&
			       view_of_vcpu(p) == view,
		       "the next violation in the view");
	else
		expect(p, quiet && view_of_vcpu(p) == 0, "the vCPU never to come back to the view");
	if (!quiet)
		put_in_view_0(p, 0);
}

/* CPUID makes a VM exit of its own, which Xen completes: the step is the instruction behind it. */
static void step_over_exit(struct probe *p)
{
	expect(p, monitor_step(p, true) == 0, "the singlestep monitor");
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	probe_put_flags(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
	if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
		return;
	observe(p, "TOGGLE at a CPUID of 2 bytes, a POP of 1 behind it: the step ends at %+ld",
		(long)(p->event.data.regs.x86.rip - p->status->at_cpuid));
	expect(p, p->event.data.regs.x86.rip == p->status->at_cpuid + 3, "the end of the POP");
	probe_put_flags(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
}

static void toggle_without_monitor(struct probe *p)
{
	uint64_t round;

	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	round = p->guest->round;
	p->answer.flags |= VM_EVENT_FLAG_TOGGLE_SINGLESTEP;
	probe_put_default(p);
	expect(p, guest_quiet(p), "no event");
	observe(p, "no SINGLESTEP; rounds %+ld", (long)(p->guest->round - round));
	expect(p, p->guest->round > round, "the guest to go on");
}

static void toggle_and_fast(struct probe *p)
{
	uint16_t view = 0;

	if (!begin_in_view(p, true, &view))
		return;
	p->answer.u.fast_singlestep.p2midx = view;
	put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP | VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
	if (!expect(p, probe_take(p, WAIT_MS), "an event"))
		return;
	observe(p, "both flags: then reason %u in view %u", p->event.reason, p->event.altp2m_idx);
	expect(p, p->event.reason == VM_EVENT_REASON_SINGLESTEP && p->event.altp2m_idx == 0,
	       "TOGGLE alone");
	put_in_view_0(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
}

/* Both flags as the answer to a step: vmi-rs sends this for its FastSinglestep on a step event. */
static void toggle_and_fast_on_step(struct probe *p)
{
	uint16_t view = 0;
	bool quiet;

	if (!begin_in_view(p, true, &view))
		return;
	put_in_view_0(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
	if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
		return;
	p->answer.u.fast_singlestep.p2midx = view;
	put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP | VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
	quiet = guest_quiet(p);
	observe(p, "then %s, the vCPU in view %u", quiet ? "no event" : "an event",
		view_of_vcpu(p));
	expect(p, quiet && view_of_vcpu(p) == 0, "stepping off, the vCPU left in view 0");
}

static void fast_on_step(struct probe *p)
{
	uint16_t view = 0;
	uint64_t rip;

	if (!begin_in_view(p, true, &view))
		return;
	put_in_view_0(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
	if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
		return;
	rip = p->event.data.regs.x86.rip;
	p->answer.u.fast_singlestep.p2midx = view;
	put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP);
	if (!expect(p, probe_take(p, WAIT_MS), "an event"))
		return;
	observe(p, "then reason %u in view %u, RIP %+ld", p->event.reason, p->event.altp2m_idx,
		(long)(p->event.data.regs.x86.rip - rip));
	expect(p,
	       p->event.reason == VM_EVENT_REASON_MEM_ACCESS && p->event.altp2m_idx == view &&
		       p->event.data.regs.x86.rip == p->status->at_exec,
	       "one more instruction, then the view, and stepping off");
	put_in_view_0(p, 0);
}

static void fast_bad_view(struct probe *p)
{
	uint16_t view = 0;
	bool quiet;

	if (!begin_in_view(p, true, &view))
		return;
	p->answer.u.fast_singlestep.p2midx = 200;
	put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP);
	quiet = guest_quiet(p);
	observe(p, "p2midx 200: then %s, the vCPU in view %u", quiet ? "no event" : "an event",
		view_of_vcpu(p));
	expect(p, quiet && view_of_vcpu(p) == 0, "no stepping, the vCPU left in view 0");
}

/* A valid number of a view that nobody created. */
static void fast_dead_view(struct probe *p)
{
	uint16_t view = 0;
	bool event;

	if (!begin_in_view(p, true, &view))
		return;
	p->answer.u.fast_singlestep.p2midx = 7;
	put_in_view_0(p, VM_EVENT_FLAG_FAST_SINGLESTEP);
	event = probe_take(p, QUIET_MS);
	observe(p, "p2midx 7, never created: then %s (reason %u), the vCPU in view %u",
		event ? "an event" : "no event", event ? p->event.reason : 0, view_of_vcpu(p));
	expect(p, !event && view_of_vcpu(p) == 0, "the vCPU left in view 0");
	if (event)
		put_in_view_0(p, 0);
}

static void step_over_registers(struct probe *p)
{
	expect(p, monitor_step(p, true) == 0, "the singlestep monitor");
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	probe_registers(p)->rip += 2;
	probe_put_flags(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
	if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
		return;
	observe(p, "RIP + 2 and TOGGLE: the step ends at cpuid %+ld",
		(long)(p->event.data.regs.x86.rip - p->status->at_cpuid));
	expect(p, p->event.data.regs.x86.rip == p->status->at_cpuid + 3,
	       "the step to be the instruction at the new RIP");
	probe_put_flags(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
}

/* The monitor is switched off while the vCPU steps. */
static void step_monitor_off(struct probe *p)
{
	int rc;

	expect(p, monitor_step(p, true) == 0, "the singlestep monitor");
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	p->answer.flags |= VM_EVENT_FLAG_TOGGLE_SINGLESTEP;
	probe_put_default(p);
	if (!guest_event(p, VM_EVENT_REASON_SINGLESTEP))
		return;
	rc = monitor_step(p, false);
	probe_put(p);
	expect(p, guest_quiet(p), "no more steps");
	monitor_step(p, true);
	observe(p, "monitor off: %s; on again: %s", errno_of(rc),
		guest_quiet(p) ? "no steps" : "the steps go on");
	expect(p, p->event.reason == VM_EVENT_REASON_SINGLESTEP, "SINGLESTEP");
	probe_put_flags(p, VM_EVENT_FLAG_TOGGLE_SINGLESTEP);
}

const struct check checks_steps[] = {
	{"step-over", "violation in a view, step in view 0, back: each on its answer",
	 step_and_back, CHECK_PLAIN},
	{"step-registers", "TOGGLE and SET_REGISTERS: the step is the instruction at the new RIP",
	 step_over_registers, CHECK_PLAIN},
	{"step-over-exit", "a stepped CPUID is one step with the instruction after it",
	 step_over_exit, CHECK_PLAIN},
	{"step-without-monitor", "TOGGLE without the singlestep monitor: no event",
	 toggle_without_monitor, CHECK_PLAIN},
	{"step-monitor-off", "the monitor switched off while a vCPU steps", step_monitor_off,
	 CHECK_PLAIN},
	{"fast", "FAST_SINGLESTEP: one instruction, then the view, no event", fast_step,
	 CHECK_PLAIN},
	{"fast-without-monitor",
	 "FAST without the singlestep monitor: never comes back, before 4.19", fast_without_monitor,
	 CHECK_PLAIN},
	{"fast-and-toggle", "TOGGLE and FAST together: TOGGLE alone", toggle_and_fast, CHECK_PLAIN},
	{"fast-and-toggle-on-step", "the same on SINGLESTEP: stepping off, the view is left",
	 toggle_and_fast_on_step, CHECK_PLAIN},
	{"fast-on-step", "FAST alone on SINGLESTEP: one more instruction, then the view",
	 fast_on_step, CHECK_PLAIN},
	{"fast-no-view", "FAST with a view number beyond the limit is ignored", fast_bad_view,
	 CHECK_PLAIN},
	{"fast-dead-view", "FAST with the number of no view", fast_dead_view, CHECK_PLAIN},
	{0},
};
