/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* INT3, #DB, CPUID, guest requests: what each answer does; and injection. */
#include <string.h>

#include "probe.h"

#define TYPE_HARDWARE         3
#define TYPE_SOFTWARE         6
#define VECTOR_INVALID_OPCODE 6
#define VECTOR_PAGE_FAULT     14

static bool begin_int3(struct probe *p)
{
	return guest_begin(p, monitor_int3, DEMO_INT3, VM_EVENT_REASON_SOFTWARE_BREAKPOINT);
}

static int inject(struct probe *p, uint8_t vector, uint8_t type, uint32_t code, uint8_t length,
		  uint64_t cr2)
{
	return xc_hvm_inject_trap(p->xch, p->domid, 0, vector, type, code, length, cr2);
}

static void int3_continue(struct probe *p)
{
	uint64_t traps = p->guest->traps[3];

	if (!begin_int3(p))
		return;
	for (int i = 0; i < 3; i++) {
		probe_put(p);
		if (!expect(p, guest_repeats(p), "the same event again"))
			return;
	}
	observe(p, "3 plain answers, 3 repeats, #BP taken %lu", p->guest->traps[3] - traps);
	expect(p, p->guest->traps[3] == traps, "no #BP in the guest");
	probe_put_default(p);
}

static void int3_skip(struct probe *p)
{
	uint64_t traps = p->guest->traps[3];

	if (!begin_int3(p))
		return;
	monitor_int3(p, false);
	guest_play(p, 0);
	probe_registers(p)->rip += 1;
	probe_put(p);
	guest_played(p, DEMO_INT3, 1);
	observe(p, "#BP taken %lu", p->guest->traps[3] - traps);
	expect(p, p->guest->traps[3] == traps, "no #BP in the guest");
}

static void int3_emulate_plain(struct probe *p)
{
	if (!begin_int3(p))
		return;
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
	expect(p, guest_repeats(p), "the same event again");
	observe(p, "EMULATE alone: the event repeats");
	probe_put_default(p);
}

static void int3_emulate_instruction(struct probe *p)
{
	static const uint8_t nop_then_more[16] = {0x90, 0x90};
	uint64_t traps = p->guest->traps[3];

	if (!begin_int3(p))
		return;
	monitor_int3(p, false);
	guest_play(p, 0);
	memset(p->answer.data.emul.insn.data, 0x90, sizeof(p->answer.data.emul.insn.data));
	memcpy(p->answer.data.emul.insn.data, nop_then_more, sizeof(nop_then_more));
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_INSN_DATA);
	guest_played(p, DEMO_INT3, 1);
	observe(p, "a NOP in place of INT3: #BP taken %lu", p->guest->traps[3] - traps);
	expect(p, p->guest->traps[3] == traps, "no #BP in the guest");
}

static void inject_twice(struct probe *p)
{
	uint64_t traps = p->guest->traps[3];
	int first, second;

	if (!begin_int3(p))
		return;
	monitor_int3(p, false);
	guest_play(p, 0);
	first = inject(p, 3, TYPE_SOFTWARE, UINT32_MAX, 1, 0);
	second = inject(p, 3, TYPE_SOFTWARE, UINT32_MAX, 1, 0);
	observe(p, "first %s, second %s", errno_of(first), errno_of(second));
	expect(p, first == 0 && second < 0, "the second to be refused");
	probe_put(p);
	guest_played(p, DEMO_INT3, 1);
	expect(p, p->guest->traps[3] == traps + 1, "one #BP in the guest");
}

static void inject_page_fault(struct probe *p)
{
	uint64_t traps = p->guest->traps[VECTOR_PAGE_FAULT];

	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	guest_play(p, 0);
	inject(p, VECTOR_PAGE_FAULT, TYPE_HARDWARE, 4, 0, 0x123456);
	probe_put(p);
	guest_played(p, DEMO_CPUID, 1);
	observe(p, "#PF taken %lu, CR2 %#lx, code %#lx", p->guest->traps[VECTOR_PAGE_FAULT] - traps,
		p->guest->fault_address, p->guest->fault_code);
	expect(p, p->guest->traps[VECTOR_PAGE_FAULT] == traps + 1, "one #PF in the guest");
	expect(p, p->guest->fault_address == 0x123456 && p->guest->fault_code == 4,
	       "its address and error code");
}

/* The injection and the registers of one answer: the handler must find the registers as set. */
static void inject_and_registers(struct probe *p)
{
	uint64_t traps = p->guest->traps[VECTOR_PAGE_FAULT];

	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	guest_play(p, 0);
	inject(p, VECTOR_PAGE_FAULT, TYPE_HARDWARE, 0, 0, 0x1000);
	probe_registers(p)->rip += 2;
	p->answer.data.regs.x86.rax = 0x4c4c;
	probe_put(p);
	guest_played(p, DEMO_CPUID, 1);
	observe(p, "#PF taken %lu, then eax %#lx", p->guest->traps[VECTOR_PAGE_FAULT] - traps,
		p->guest->seen[DEMO_CPUID]);
	expect(p, p->guest->traps[VECTOR_PAGE_FAULT] == traps + 1, "one #PF in the guest");
	expect(p, p->guest->seen[DEMO_CPUID] == 0x4c4c, "the registers as set");
}

static void debug_continue(struct probe *p)
{
	uint64_t traps = p->guest->traps[1], count;
	int events = 1;

	if (!guest_begin(p, monitor_debug, DEMO_DEBUG, VM_EVENT_REASON_DEBUG_EXCEPTION))
		return;
	count = p->guest->count[DEMO_DEBUG];
	probe_put(p);
	while (events < 4 && p->guest->count[DEMO_DEBUG] == count && probe_take(p, QUIET_MS)) {
		events++;
		probe_put(p);
	}
	observe(p, "%d events, #DB taken %lu", events, p->guest->traps[1] - traps);
	expect(p, p->guest->traps[1] == traps, "no #DB in the guest without reinjection");
	expect(p, events > 1, "TF to trap again at the next instruction");
	monitor_debug(p, false);
	guest_play(p, 0);
}

static void cpuid_continue(struct probe *p)
{
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	observe(p, "eax in the event %#lx, leaf asked for %#x", p->event.data.regs.x86.rax,
		p->event.u.cpuid.leaf);
	expect(p, p->event.data.regs.x86.rax != p->event.u.cpuid.leaf,
	       "the registers to hold the result");
	probe_put(p);
	expect(p, guest_repeats(p), "the same event again");
	observe(p, "again with leaf %#x", p->event.u.cpuid.leaf);
	expect(p, p->event.u.cpuid.leaf != 0, "the result taken for the leaf");
	probe_registers(p)->rip += 2;
	probe_put(p);
}

static void request_plain(struct probe *p)
{
	struct hvm_hw_cpu before;

	if (!guest_begin(p, monitor_request, DEMO_REQUEST, VM_EVENT_REASON_GUEST_REQUEST))
		return;
	before = guest_registers(p, 0);
	observe(p, "registers.rip is event.rip %+ld, rax %#lx",
		(long)(before.rip - p->event.data.regs.x86.rip), before.rax);
	monitor_request(p, false);
	guest_play(p, 0);
	probe_put(p);
	guest_played(p, DEMO_REQUEST, 1);
	observe(p, "the call returned %#lx", p->guest->seen[DEMO_REQUEST]);
	expect(p, p->guest->seen[DEMO_REQUEST] == 0, "0");
}

static void request_registers_same(struct probe *p)
{
	if (!guest_begin(p, monitor_request, DEMO_REQUEST, VM_EVENT_REASON_GUEST_REQUEST))
		return;
	probe_registers(p);
	probe_put(p);
	expect(p, guest_repeats(p), "the VMCALL executed again");
	observe(p, "the event's own registers as answer: VMCALL again, rax %#lx",
		p->event.data.regs.x86.rax);
	probe_put(p);
}

static void request_registers_moved(struct probe *p)
{
	if (!guest_begin(p, monitor_request, DEMO_REQUEST, VM_EVENT_REASON_GUEST_REQUEST))
		return;
	monitor_request(p, false);
	guest_play(p, 0);
	probe_registers(p)->rip += 3;
	p->answer.data.regs.x86.rax = 0x7e7e;
	probe_put(p);
	guest_played(p, DEMO_REQUEST, 1);
	observe(p, "rip + 3, rax 0x7e7e: the call returned %#lx", p->guest->seen[DEMO_REQUEST]);
	expect(p, p->guest->seen[DEMO_REQUEST] == 0x7e7e, "the answer's rax");
}

static void descriptor_continue(struct probe *p)
{
	if (!guest_begin(p, monitor_descriptor, DEMO_DESCRIPTOR, VM_EVENT_REASON_DESCRIPTOR_ACCESS))
		return;
	probe_put(p);
	expect(p, guest_repeats(p), "the same event again");
	observe(p, "a plain answer: the event repeats");
	probe_put_default(p);
}

/* EMULATE where it is said to be ignored: the events are then as after a plain answer. */
static void emulate_ignored(struct probe *p)
{
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
	expect(p, guest_repeats(p), "CPUID not executed");
	observe(p, "CPUID repeats");
	monitor_cpuid(p, false);
	probe_registers(p)->rip += 2;
	probe_put(p);
	if (!guest_begin(p, monitor_cr3, DEMO_CR3, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	monitor_cr3(p, false);
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
	guest_played(p, DEMO_CR3, 2);
	observe(p, "CR3 goes on as after a plain answer");
}

const struct check checks_exceptions[] = {
	{"int3-continue", "SOFTWARE_BREAKPOINT, plain answer: the same event again", int3_continue,
	 CHECK_PLAIN},
	{"int3-skip", "SET_REGISTERS with RIP + 1 skips the INT3", int3_skip, CHECK_PLAIN},
	{"int3-emulate", "EMULATE alone is ignored on SOFTWARE_BREAKPOINT", int3_emulate_plain,
	 CHECK_PLAIN},
	{"int3-emulate-bytes", "EMULATE with SET_EMUL_INSN_DATA runs the given instruction",
	 int3_emulate_instruction, CHECK_PLAIN},
	{"inject-twice", "a second injection before the first is taken: EBUSY", inject_twice,
	 CHECK_PLAIN},
	{"inject-page-fault", "injection of #PF sets CR2 and the error code", inject_page_fault,
	 CHECK_PLAIN},
	{"inject-registers", "injection and SET_REGISTERS are both done", inject_and_registers,
	 CHECK_PLAIN},
	{"debug-continue", "DEBUG_EXCEPTION, plain answer: no #DB is delivered", debug_continue,
	 CHECK_PLAIN},
	{"cpuid-continue", "CPUID, plain answer: executed again with the result as leaf",
	 cpuid_continue, CHECK_PLAIN},
	{"request-continue", "GUEST_REQUEST, plain answer: the call returns 0", request_plain,
	 CHECK_PLAIN},
	{"request-registers",
	 "GUEST_REQUEST, SET_REGISTERS with RIP as in the event: the call again",
	 request_registers_same, CHECK_PLAIN},
	{"request-registers-moved", "GUEST_REQUEST, SET_REGISTERS with RIP + 3: rax is the result",
	 request_registers_moved, CHECK_PLAIN},
	{"descriptor-continue", "DESCRIPTOR_ACCESS, plain answer: the same event again",
	 descriptor_continue, CHECK_PLAIN},
	{"emulate-ignored", "EMULATE is ignored on CPUID and WRITE_CTRLREG", emulate_ignored,
	 CHECK_PLAIN},
	{0},
};
