/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One check per kind of event: it comes, its fields are right, and the default answer lets it pass. */
#include <cpuid.h>

#include "probe.h"

#define CR0_WP            UINT64_C(0x10000)
#define CR4_PGE           UINT64_C(0x80)
#define MSR_LSTAR         0xc0000082u
#define EXIT_REASON_CPUID 10
#define PAGE_OF(address)  ((address) >> 12)

/* Plays on for three more rounds of the scene with the default answer. */
static void pass(struct probe *p, enum demo_scene scene)
{
	uint64_t errors = p->guest->errors;

	probe_put_default(p);
	guest_played(p, scene, 3);
	expect(p, p->guest->errors == errors, "no failed self-check in the guest");
}

static void control_register(struct probe *p, int (*set)(struct probe *p, bool on),
			     enum demo_scene scene, uint32_t index, uint64_t toggled)
{
	const struct vm_event_write_ctrlreg *write = &p->event.u.write_ctrlreg;

	if (!guest_begin(p, set, scene, VM_EVENT_REASON_WRITE_CTRLREG))
		return;
	observe(p, "old %#lx new %#lx", write->old_value, write->new_value);
	expect(p, write->index == index, "index %u", index);
	expect(p, (write->old_value ^ write->new_value) == toggled, "bits %#lx toggled", toggled);
	expect(p, p->event.flags & VM_EVENT_FLAG_VCPU_PAUSED, "the vCPU paused");
	pass(p, scene);
}

static void kind_cr0(struct probe *p)
{
	control_register(p, monitor_cr0, DEMO_CR0, VM_EVENT_X86_CR0, CR0_WP);
}

static void kind_cr3(struct probe *p)
{
	control_register(p, monitor_cr3, DEMO_CR3, VM_EVENT_X86_CR3, 0x1000);
}

static void kind_cr4(struct probe *p)
{
	control_register(p, monitor_cr4, DEMO_CR4, VM_EVENT_X86_CR4, CR4_PGE);
}

static void kind_xcr0(struct probe *p)
{
	control_register(p, monitor_xcr0, DEMO_XCR0, VM_EVENT_X86_XCR0, 4);
}

static void kind_msr(struct probe *p)
{
	const struct vm_event_mov_to_msr *write = &p->event.u.mov_to_msr;

	if (!guest_begin(p, monitor_lstar, DEMO_MSR, VM_EVENT_REASON_MOV_TO_MSR))
		return;
	observe(p, "msr %#lx old %#lx new %#lx", write->msr, write->old_value, write->new_value);
	expect(p, write->msr == MSR_LSTAR, "LSTAR");
	expect(p, write->new_value != write->old_value, "a change");
	pass(p, DEMO_MSR);
}

static void kind_int3(struct probe *p)
{
	const struct vm_event_debug *debug = &p->event.u.software_breakpoint;

	if (!guest_begin(p, monitor_int3, DEMO_INT3, VM_EVENT_REASON_SOFTWARE_BREAKPOINT))
		return;
	observe(p, "gfn %#lx length %u type %u", debug->gfn, debug->insn_length, debug->type);
	expect(p, p->event.data.regs.x86.rip == p->status->at_int3, "RIP at the INT3");
	expect(p, debug->gfn == PAGE_OF(p->status->at_int3), "its frame");
	expect(p, debug->insn_length == 1 && debug->type == 6, "length 1, type 6");
	pass(p, DEMO_INT3);
}

static void kind_debug(struct probe *p)
{
	const struct vm_event_debug *debug = &p->event.u.debug_exception;

	if (!guest_begin(p, monitor_debug, DEMO_DEBUG, VM_EVENT_REASON_DEBUG_EXCEPTION))
		return;
	observe(p, "type %u length %u pending_dbg %#lx", debug->type, debug->insn_length,
		debug->pending_dbg);
	expect(p, debug->type == 3, "type 3, a hardware exception");
	pass(p, DEMO_DEBUG);
}

static void kind_cpuid(struct probe *p)
{
	const struct vm_event_cpuid *cpuid = &p->event.u.cpuid;

	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	observe(p, "leaf %#x subleaf %#x length %u", cpuid->leaf, cpuid->subleaf,
		cpuid->insn_length);
	expect(p, cpuid->leaf == 0 && cpuid->insn_length == 2, "leaf 0, length 2");
	expect(p, p->event.data.regs.x86.rip == p->status->at_cpuid, "RIP at the CPUID");
	pass(p, DEMO_CPUID);
}

static void kind_request(struct probe *p)
{
	if (!guest_begin(p, monitor_request, DEMO_REQUEST, VM_EVENT_REASON_GUEST_REQUEST))
		return;
	observe(p, "rip %#lx rax %#lx rdi %#lx", p->event.data.regs.x86.rip,
		p->event.data.regs.x86.rax, p->event.data.regs.x86.rdi);
	expect(p, PAGE_OF(p->event.data.regs.x86.rip) == DEMO_GFN_CALLS, "RIP in the call page");
	expect(p, p->event.data.regs.x86.rax == 34, "rax still the hypercall's number");
	pass(p, DEMO_REQUEST);
}

static void kind_descriptor(struct probe *p)
{
	uint64_t seen = 0, stores = 0, loads = 0;

	if (!guest_begin(p, monitor_descriptor, DEMO_DESCRIPTOR, VM_EVENT_REASON_DESCRIPTOR_ACCESS))
		return;
	for (int i = 0; i < 16; i++) {
		const struct vm_event_desc_access *access = &p->event.u.desc_access;

		seen |= BIT(access->descriptor);
		*(access->is_write ? &loads : &stores) |= BIT(access->descriptor);
		probe_put_default(p);
		if (!guest_event(p, VM_EVENT_REASON_DESCRIPTOR_ACCESS))
			return;
	}
	observe(p, "is_write for descriptors %#lx, not for %#lx", loads, stores);
	expect(p, seen == 0x1e, "IDTR 1, GDTR 2, LDTR 3, TR 4");
	expect(p, loads == seen && stores == seen, "loads are writes, stores are not");
	pass(p, DEMO_DESCRIPTOR);
}

static void kind_vmexit(struct probe *p)
{
	uint64_t reason;

	if (!guest_begin(p, monitor_vmexit, DEMO_CPUID, VM_EVENT_REASON_VMEXIT))
		return;
	reason = p->event.u.vmexit.arch.vmx.reason;
	observe(p, "exit reason %lu", reason);
	probe_put(p);
	expect(p, guest_repeats(p) && p->event.u.vmexit.arch.vmx.reason == reason,
	       "the same exit reported again after a plain answer");
	monitor_vmexit(p, false);
	pass(p, DEMO_CPUID);
}

static void memory(struct probe *p, uint64_t gfn, xenmem_access_t rights, enum demo_scene scene,
		   uint32_t access)
{
	const struct vm_event_mem_access *m = &p->event.u.mem_access;

	expect(p, rights_set(p, gfn, rights) == 0, "rights to be set");
	guest_play(p, BIT(scene));
	if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
		return;
	observe(p, "gfn %#lx offset %#lx gla %#lx flags %#x", m->gfn, m->offset, m->gla, m->flags);
	expect(p, m->gfn == gfn, "gfn %#lx", gfn);
	expect(p, (m->flags & MEM_ACCESS_RWX) == access, "access %#x", access);
	expect(p, m->flags & MEM_ACCESS_GLA_VALID && m->flags & MEM_ACCESS_FAULT_WITH_GLA,
	       "the linear address that was accessed");
	expect(p, m->gla == (gfn << 12 | m->offset), "gla and offset to agree");
	pass(p, scene);
}

static void kind_memory_read(struct probe *p)
{
	memory(p, DEMO_GFN_DATA, XENMEM_access_x, DEMO_READ, MEM_ACCESS_R);
}

static void kind_memory_write(struct probe *p)
{
	memory(p, DEMO_GFN_DATA, XENMEM_access_rx, DEMO_WRITE, MEM_ACCESS_RW);
}

static void kind_memory_exec(struct probe *p)
{
	memory(p, DEMO_GFN_EXEC, XENMEM_access_rw, DEMO_EXEC, MEM_ACCESS_X);
}

static void kind_singlestep(struct probe *p)
{
	uint64_t last;

	expect(p, monitor_step(p, true) == 0, "the monitor to be switched on");
	if (!guest_begin(p, monitor_cpuid, DEMO_CPUID, VM_EVENT_REASON_CPUID))
		return;
	monitor_cpuid(p, false);
	last = p->event.data.regs.x86.rip;
	p->answer.flags |= VM_EVENT_FLAG_TOGGLE_SINGLESTEP;
	probe_put_default(p);
	for (int i = 0; i < 5 && guest_event(p, VM_EVENT_REASON_SINGLESTEP); i++) {
		expect(p, p->event.data.regs.x86.rip != last, "RIP to go on");
		expect(p, p->event.u.singlestep.gfn == PAGE_OF(p->event.data.regs.x86.rip),
		       "the frame of RIP");
		last = p->event.data.regs.x86.rip;
		if (i == 0)
			observe(p, "first step ends at cpuid + %#lx", last - p->status->at_cpuid);
		if (i < 4)
			probe_put(p);
	}
	pass(p, DEMO_CPUID);
	expect(p, guest_quiet(p), "no step after the second toggle");
}

static void kind_interrupt(struct probe *p)
{
	const struct vm_event_interrupt_x86 *interrupt = &p->event.u.interrupt.x86;

	if (!guest_begin(p, monitor_int3, DEMO_INT3, VM_EVENT_REASON_SOFTWARE_BREAKPOINT))
		return;
	p->answer.flags |= VM_EVENT_FLAG_GET_NEXT_INTERRUPT;
	probe_put_default(p);
	if (!guest_event(p, VM_EVENT_REASON_INTERRUPT))
		return;
	observe(p, "vector %u type %u error code %#x cr2 %#lx", interrupt->vector, interrupt->type,
		interrupt->error_code, interrupt->cr2);
	expect(p, interrupt->vector == 3, "the #BP that was injected");
	pass(p, DEMO_INT3);
}

static bool on_amd(void)
{
	unsigned eax, ebx, ecx, edx;

	return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == 0x68747541; /* "Auth" */
}

static void kind_capabilities(struct probe *p)
{
	/* I/O came with 4.18; SVM has no single steps */
	const uint32_t wanted = (probe_since(p, 18) ? 0x3f7f : 0x1f7f) & ~(on_amd() ? 4u : 0u);
	uint32_t capabilities = 0;

	xc_monitor_get_capabilities(p->xch, p->domid, &capabilities);
	observe(p, "%#x", capabilities);
	expect(p, capabilities == wanted, "%#x", wanted);
}

const struct check checks_kinds[] = {
	{"kind-capabilities", "xc_monitor_get_capabilities", kind_capabilities, CHECK_PLAIN},
	{"kind-cr0", "WRITE_CTRLREG for CR0", kind_cr0, CHECK_PLAIN},
	{"kind-cr3", "WRITE_CTRLREG for CR3", kind_cr3, CHECK_PLAIN},
	{"kind-cr4", "WRITE_CTRLREG for CR4", kind_cr4, CHECK_PLAIN},
	{"kind-xcr0", "WRITE_CTRLREG for XCR0", kind_xcr0, CHECK_PLAIN},
	{"kind-msr", "MOV_TO_MSR", kind_msr, CHECK_PLAIN},
	{"kind-int3", "SOFTWARE_BREAKPOINT", kind_int3, CHECK_PLAIN},
	{"kind-debug", "DEBUG_EXCEPTION", kind_debug, CHECK_PLAIN},
	{"kind-cpuid", "CPUID", kind_cpuid, CHECK_PLAIN},
	{"kind-guest-request", "GUEST_REQUEST: rax is not yet the result", kind_request,
	 CHECK_PLAIN},
	{"kind-descriptor", "DESCRIPTOR_ACCESS of each register", kind_descriptor, CHECK_PLAIN},
	{"kind-memory-read", "MEM_ACCESS: a read has R", kind_memory_read, CHECK_PLAIN},
	{"kind-memory-write", "MEM_ACCESS: a plain write has R and W", kind_memory_write,
	 CHECK_PLAIN},
	{"kind-memory-exec", "MEM_ACCESS: a fetch has X", kind_memory_exec, CHECK_PLAIN},
	{"kind-singlestep", "SINGLESTEP: RIP is the next instruction's", kind_singlestep,
	 CHECK_PLAIN},
	{"kind-interrupt", "INTERRUPT after GET_NEXT_INTERRUPT", kind_interrupt, CHECK_PLAIN},
	{"kind-vmexit", "VMEXIT repeats at one RIP until it is switched off", kind_vmexit,
	 CHECK_PLAIN},
	{0},
};
