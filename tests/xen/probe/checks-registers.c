/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Register writes: when they take effect, what denies them; and registers set by the monitor. */
#include <stdlib.h>

#include "probe.h"

#define MSR_LSTAR 0xc0000082u

static bool begin_cr3(struct probe *p)
{
	return guest_begin(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG);
}

static void cr3_timing(struct probe *p, bool deferred)
{
	const struct vm_event_write_ctrlreg *write = &p->event.u.write_ctrlreg;
	struct hvm_hw_cpu now;

	if (!begin_cr3(p))
		return;
	now = guest_registers(p, 0);
	observe(p, "event.cr3 is %s, registers.cr3 is %s",
		p->event.data.regs.x86.cr3 == write->old_value ? "old" : "new",
		now.cr3 == write->old_value ? "old" : "new");
	expect(p, p->event.data.regs.x86.cr3 == write->old_value, "event.cr3 old");
	expect(p, now.cr3 == (deferred ? write->old_value : write->new_value), "registers.cr3 %s",
	       deferred ? "old" : "new");
	observe(p, "registers.rip is event.rip %+ld", (long)(now.rip - p->event.data.regs.x86.rip));
	expect(p, now.rip == p->event.data.regs.x86.rip + 3, "RIP past the instruction already");
	probe_put(p);
}

static void cr3_timing_plain(struct probe *p)
{
	cr3_timing(p, false);
}

static void cr3_timing_deferred(struct probe *p)
{
	expect(p, monitor_deferred_writes(p) == 0, "deferred writes");
	cr3_timing(p, true);
	guest_played(p, DEMO_CR3, 2);
	guest_reset(p);
	probe_reopen(p);
}

/* RIP in the answer is that of the event, so WRMSR is executed once more. */
static void msr_registers(struct probe *p)
{
	const struct vm_event_mov_to_msr *write = &p->event.u.mov_to_msr;
	uint64_t value;

	expect(p, xc_monitor_mov_to_msr(p->xch, p->domid, MSR_LSTAR, true, false) == 0,
	       "the monitor, also for equal values");
	guest_play(p, BIT(DEMO_MSR));
	if (!guest_event(p, VM_EVENT_REASON_MOV_TO_MSR))
		return;
	value = write->new_value;
	probe_registers(p);
	probe_put(p);
	expect(p, guest_repeats(p) && write->new_value == value && write->old_value == value,
	       "the same write again, of the value that is there");
	observe(p, "RIP as in the event: written again, old %#lx new %#lx", write->old_value,
		write->new_value);
	probe_registers(p)->rip += 2;
	probe_put(p);
	if (guest_event(p, VM_EVENT_REASON_MOV_TO_MSR))
		expect(p, write->new_value != value, "the next write after RIP + 2");
	probe_put(p);
}

/* CR3 is written again with the same value, by RIP as in the event: no event tells of it. */
static void cr3_equal(struct probe *p)
{
	expect(p,
	       xc_monitor_write_ctrlreg(p->xch, p->domid, VM_EVENT_X86_CR3, true, true, 0, false) ==
		       0,
	       "the monitor, also for equal values");
	guest_play(p, BIT(DEMO_CR3));
	if (!guest_event(p, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	guest_play(p, 0);
	probe_registers(p);
	probe_put(p);
	expect(p, guest_quiet(p), "no event");
	observe(p, "onchangeonly off, the same value written again: no event");
}

static void msr_timing(struct probe *p)
{
	const struct vm_event_mov_to_msr *write = &p->event.u.mov_to_msr;
	struct hvm_hw_cpu now;

	if (!guest_begin(p, monitor_lstar, DEMO_MSR, VM_EVENT_REASON_MOV_TO_MSR))
		return;
	now = guest_registers(p, 0);
	observe(p, "event.lstar is %s, registers.lstar is %s",
		p->event.data.regs.x86.msr_lstar == write->old_value ? "old" : "new",
		now.msr_lstar == write->old_value ? "old" : "new");
	expect(p, p->event.data.regs.x86.msr_lstar == write->old_value, "event.lstar old");
	expect(p, now.msr_lstar == write->new_value, "registers.lstar new");
	probe_put(p);
}

static void xcr0_timing(struct probe *p)
{
	uint64_t errors = p->guest->errors;

	expect(p, monitor_deferred_writes(p) == 0, "deferred writes");
	if (guest_begin(p, monitor_xcr0, DEMO_XCR0, VM_EVENT_REASON_WRITE_CTRLREG)) {
		probe_put_flags(p, VM_EVENT_FLAG_DENY);
		guest_played(p, DEMO_XCR0, 2);
		observe(p, "failed self-checks %+ld", (long)(p->guest->errors - errors));
		expect(p, p->guest->errors == errors, "the write done all the same");
	}
	guest_reset(p);
	probe_reopen(p);
}

/* One write denied; the guest's self-check tells whether it happened. */
static void deny(struct probe *p, int (*set)(struct probe *p, bool on), enum demo_scene scene,
		 uint32_t reason, bool deferred)
{
	uint64_t errors;

	if (deferred)
		expect(p, monitor_deferred_writes(p) == 0, "deferred writes");
	if (guest_begin(p, set, scene, reason)) {
		errors = p->guest->errors;
		set(p, false);
		probe_put_flags(p, VM_EVENT_FLAG_DENY);
		guest_played(p, scene, 1);
		observe(p, "failed self-checks %+ld", (long)(p->guest->errors - errors));
		expect(p, p->guest->errors == errors + deferred, "the write %s",
		       deferred ? "denied" : "done");
	}
	guest_reset(p);
	if (deferred)
		probe_reopen(p);
}

static void deny_without(struct probe *p)
{
	deny(p, monitor_cr4, DEMO_CR4, VM_EVENT_REASON_WRITE_CTRLREG, false);
}

static void deny_cr0(struct probe *p)
{
	deny(p, monitor_cr0, DEMO_CR0, VM_EVENT_REASON_WRITE_CTRLREG, true);
}

static void deny_cr3(struct probe *p)
{
	deny(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG, true);
}

static void deny_cr4(struct probe *p)
{
	deny(p, monitor_cr4, DEMO_CR4, VM_EVENT_REASON_WRITE_CTRLREG, true);
}

static void deny_msr(struct probe *p)
{
	deny(p, monitor_lstar, DEMO_MSR, VM_EVENT_REASON_MOV_TO_MSR, true);
}

static void deny_then_set_registers(struct probe *p)
{
	uint64_t errors;

	expect(p, monitor_deferred_writes(p) == 0, "deferred writes");
	if (guest_begin(p, monitor_cr4, DEMO_CR4, VM_EVENT_REASON_WRITE_CTRLREG)) {
		errors = p->guest->errors;
		monitor_cr4(p, false);
		probe_registers(p)->rip += 3;
		probe_put_flags(p, VM_EVENT_FLAG_DENY);
		observe(p, "MOV to CR4 skipped by rip + 3, and denied");
		guest_played(p, DEMO_CR4, 1);
		expect(p, p->guest->errors == errors + 1, "the write denied, the guest running");
	}
	guest_reset(p);
	probe_reopen(p);
}

static void cr4_mask(struct probe *p)
{
	expect(p,
	       xc_monitor_write_ctrlreg(p->xch, p->domid, VM_EVENT_X86_CR4, true, true, 0x80,
					true) == 0,
	       "the monitor with a mask");
	guest_play(p, BIT(DEMO_CR4));
	expect(p, guest_quiet(p), "no event when only masked bits change");
	observe(p, "bitmask 0x80: no event for PGE");
}

static void cr3_async(struct probe *p)
{
	uint64_t round = p->guest->round;

	expect(p,
	       xc_monitor_write_ctrlreg(p->xch, p->domid, VM_EVENT_X86_CR3, true, false, 0, true) ==
		       0,
	       "the asynchronous monitor");
	guest_play(p, BIT(DEMO_CR3));
	if (!guest_event(p, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	probe_put(p);
	guest_wait(QUIET_MS);
	observe(p, "flags %#x, rounds without an answer %s", p->event.flags,
		p->guest->round > round + 1 ? "go on" : "stop");
	expect(p, !(p->event.flags & VM_EVENT_FLAG_VCPU_PAUSED), "the vCPU not paused");
	expect(p, p->guest->round > round + 1, "the guest to go on");
}

/* Xen holds a vCPU as soon as fewer slots are free than the domain has vCPUs. */
static unsigned ring_room(const struct probe *p)
{
	return RING_SIZE(&p->ring) - (p->vcpus - 1);
}

/* A slot is free again when its request has been answered, not when it has been taken. */
static void async_unanswered(struct probe *p)
{
	vm_event_response_t answers[3];

	expect(p,
	       xc_monitor_write_ctrlreg(p->xch, p->domid, VM_EVENT_X86_CR3, true, false, 0, true) ==
		       0,
	       "the asynchronous monitor");
	guest_play(p, BIT(DEMO_CR3));
	for (int i = 0; i < 3; i++) {
		if (!guest_event(p, VM_EVENT_REASON_WRITE_CTRLREG))
			return;
		answers[i] = p->answer;
	}
	guest_wait(QUIET_MS);
	observe(p, "3 taken and not answered: %u more fit", probe_pending(p));
	expect(p, probe_pending(p) == ring_room(p) - 3, "%u", ring_room(p) - 3);
	for (int i = 0; i < 3; i++) {
		p->answer = answers[i];
		probe_put(p);
	}
}

static void ring_full(struct probe *p)
{
	uint64_t round;

	expect(p,
	       xc_monitor_write_ctrlreg(p->xch, p->domid, VM_EVENT_X86_CR3, true, false, 0, true) ==
		       0,
	       "the asynchronous monitor");
	guest_play(p, BIT(DEMO_CR3));
	guest_wait(QUIET_MS);
	round = p->guest->round;
	guest_wait(QUIET_MS);
	observe(p, "%u requests wait, ring size %u", probe_pending(p), RING_SIZE(&p->ring));
	expect(p, probe_pending(p) == ring_room(p), "%u requests", ring_room(p));
	expect(p, p->guest->round == round, "the vCPU to wait for a free slot");
}

static void set_registers_result(struct probe *p)
{
	uint64_t errors;

	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	errors = p->guest->errors;
	monitor_cpuid(p, false);
	probe_registers(p)->rip += 2;
	p->answer.data.regs.x86.rax = 0x5a5a;
	p->answer.data.regs.x86.cr0 = 0;
	p->answer.data.regs.x86.cr3 = 0;
	p->answer.data.regs.x86.gs_base = 1;
	guest_play(p, 0);
	probe_put(p);
	guest_played(p, DEMO_CPUID, 1);
	observe(p, "guest saw eax %#lx; cr0, cr3, gs_base of the answer ignored",
		p->guest->seen[DEMO_CPUID]);
	expect(p, p->guest->seen[DEMO_CPUID] == 0x5a5a, "eax as set");
	expect(p, p->guest->errors == errors + 1, "one failed self-check");
}

/* Registers written by a hypercall while the vCPU waits in an event, and a plain answer. */
static void set_context(struct probe *p)
{
	uint32_t size = (uint32_t)xc_domain_hvm_getcontext(p->xch, p->domid, NULL, 0);
	uint8_t *buffer = malloc(size);
	struct hvm_save_descriptor *item;
	int rc = -1;

	if (!buffer)
		return;
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID)) {
		free(buffer);
		return;
	}
	monitor_cpuid(p, false);
	xc_domain_pause(p->xch, p->domid);
	xc_domain_hvm_getcontext(p->xch, p->domid, buffer, size);
	for (uint8_t *at = buffer; at < buffer + size; at += sizeof(*item) + item->length) {
		item = (struct hvm_save_descriptor *)(void *)at;
		if (item->typecode == HVM_SAVE_CODE(CPU)) {
			struct hvm_hw_cpu *cpu = (struct hvm_hw_cpu *)(void *)(item + 1);

			cpu->rip += 2;
			cpu->rax = 0x6b6b;
			rc = xc_domain_hvm_setcontext(p->xch, p->domid, buffer, size);
			break;
		}
	}
	xc_domain_unpause(p->xch, p->domid);
	free(buffer);
	guest_play(p, 0);
	probe_put(p);
	guest_played(p, DEMO_CPUID, 1);
	observe(p, "setcontext %s; guest saw eax %#lx", errno_of(rc), p->guest->seen[DEMO_CPUID]);
	expect(p, p->guest->seen[DEMO_CPUID] == 0x6b6b, "the registers written to be in force");
}

const struct check checks_registers[] = {
	{"cr3-timing", "WRITE_CTRLREG: the write is done before the answer", cr3_timing_plain,
	 CHECK_PLAIN},
	{"cr3-timing-deferred", "with CONTROL_REGISTERS it is done after the answer",
	 cr3_timing_deferred, CHECK_PLAIN},
	{"msr-registers", "MOV_TO_MSR, SET_REGISTERS with RIP as in the event: written again",
	 msr_registers, CHECK_PLAIN},
	{"cr3-equal", "a CR write of the value that is there is no event, onchangeonly or not",
	 cr3_equal, CHECK_PLAIN},
	{"msr-timing", "MOV_TO_MSR: the write is done before the answer", msr_timing, CHECK_PLAIN},
	{"deny-not-deferred", "DENY without CONTROL_REGISTERS does nothing", deny_without,
	 CHECK_PLAIN},
	{"deny-cr0", "DENY with CONTROL_REGISTERS: CR0 keeps its value", deny_cr0, CHECK_PLAIN},
	{"deny-cr3", "DENY with CONTROL_REGISTERS: CR3 keeps its value", deny_cr3, CHECK_PLAIN},
	{"deny-cr4", "DENY with CONTROL_REGISTERS: CR4 keeps its value", deny_cr4, CHECK_PLAIN},
	{"deny-msr", "DENY with CONTROL_REGISTERS: the MSR keeps its value", deny_msr, CHECK_PLAIN},
	{"deny-xcr0", "DENY of XCR0 does nothing, even with CONTROL_REGISTERS", xcr0_timing,
	 CHECK_PLAIN},
	{"deny-skip", "DENY and SET_REGISTERS in one answer are both done", deny_then_set_registers,
	 CHECK_PLAIN},
	{"cr4-mask", "bits in the monitor's bitmask do not make an event", cr4_mask, CHECK_PLAIN},
	{"cr3-async", "an asynchronous event does not pause the vCPU", cr3_async, CHECK_PLAIN},
	{"async-unanswered", "an asynchronous request keeps its slot until it is answered",
	 async_unanswered, CHECK_PLAIN},
	{"ring-full", "the ring has 8 slots; a vCPU waits when fewer are free than vCPUs",
	 ring_full, CHECK_PLAIN},
	{"set-registers", "SET_REGISTERS sets GPRs, RIP, RFLAGS and nothing else",
	 set_registers_result, CHECK_PLAIN},
	{"set-context", "registers set by hypercall during an event stay", set_context,
	 CHECK_PLAIN},
	{0},
};
