/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Access rights in view 0: what each answer to a violation does, and the edges of the calls. */
#include <errno.h>
#include <string.h>

#include "probe.h"

#define GFN_NOWHERE UINT64_C(0x80000)

/* Restricts the data page and waits for the scene's violation. */
static bool begin(struct probe *p, enum demo_scene scene, xenmem_access_t rights)
{
	if (!expect(p, rights_set(p, DEMO_GFN_DATA, rights) == 0, "rights to be set"))
		return false;
	guest_play(p, BIT(scene));
	return guest_event(p, VM_EVENT_REASON_MEM_ACCESS);
}

static void memory_continue(struct probe *p)
{
	if (!begin(p, DEMO_WRITE, XENMEM_access_rx))
		return;
	probe_put(p);
	expect(p, guest_repeats(p), "the same event again");
	observe(p, "a plain answer: the event repeats");
	rights_set(p, DEMO_GFN_DATA, XENMEM_access_rwx);
	probe_put(p);
	guest_played(p, DEMO_WRITE, 2);
}

static void memory_emulate(struct probe *p)
{
	uint64_t errors = p->guest->errors;
	int events = 0;

	if (!begin(p, DEMO_WRITE, XENMEM_access_rx))
		return;
	for (; events < 6; events++) {
		probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
		if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
			return;
	}
	observe(p, "%d emulated, failed self-checks %lu", events, p->guest->errors - errors);
	expect(p, p->guest->errors == errors, "the writes done");
	probe_put_default(p);
}

static void memory_no_write(struct probe *p)
{
	uint64_t errors;

	if (!begin(p, DEMO_WRITE, XENMEM_access_rx))
		return;
	errors = p->guest->errors;
	guest_play(p, 0);
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_EMULATE_NOWRITE);
	guest_played(p, DEMO_WRITE, 1);
	observe(p, "guest wrote %lu, read back %lu", p->guest->round, p->guest->seen[DEMO_WRITE]);
	expect(p, p->guest->errors == errors + 1, "the write dropped");
}

static void memory_no_write_alone(struct probe *p)
{
	if (!begin(p, DEMO_WRITE, XENMEM_access_rx))
		return;
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE_NOWRITE);
	expect(p, guest_repeats(p), "the same event again");
	observe(p, "without EMULATE: the event repeats");
	probe_put_default(p);
}

static void answer_with_data(struct probe *p, uint64_t value)
{
	p->answer.data.emul.read.size = sizeof(value);
	memcpy(p->answer.data.emul.read.data, &value, sizeof(value));
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_READ_DATA);
}

static void memory_read_data(struct probe *p)
{
	if (!begin(p, DEMO_READ, XENMEM_access_x))
		return;
	guest_play(p, 0);
	answer_with_data(p, 0x4242);
	guest_played(p, DEMO_READ, 1);
	observe(p, "guest read %#lx", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] == 0x4242, "the data of the answer");
}

static void memory_read_data_short(struct probe *p)
{
	if (!begin(p, DEMO_READ, XENMEM_access_x))
		return;
	guest_play(p, 0);
	p->answer.data.emul.read.size = 2;
	p->answer.data.emul.read.data[0] = 0xcd;
	p->answer.data.emul.read.data[1] = 0xab;
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE | VM_EVENT_FLAG_SET_EMUL_READ_DATA);
	guest_played(p, DEMO_READ, 1);
	observe(p, "2 bytes for a read of 8: guest read %#lx", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] == 0xabcd, "the rest to be zero");
}

static void memory_emulate_lifted(struct probe *p)
{
	if (!begin(p, DEMO_READ, XENMEM_access_x))
		return;
	guest_play(p, 0);
	rights_set(p, DEMO_GFN_DATA, XENMEM_access_rwx);
	answer_with_data(p, 0x4242);
	guest_played(p, DEMO_READ, 1);
	observe(p, "guest read %#lx", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] == DEMO_READ_VALUE, "what is in memory");
}

/* Emulation with rights so wide that they no longer hit the access that was reported. */
static void memory_emulate_other(struct probe *p)
{
	if (!begin(p, DEMO_READ, XENMEM_access_x))
		return;
	guest_play(p, 0);
	rights_set(p, DEMO_GFN_DATA, XENMEM_access_rx);
	answer_with_data(p, 0x4242);
	guest_played(p, DEMO_READ, 1);
	observe(p, "rights rx for a read: guest read %#lx", p->guest->seen[DEMO_READ]);
	expect(p, p->guest->seen[DEMO_READ] == DEMO_READ_VALUE, "EMULATE ignored");
}

static void string_events(struct probe *p, uint64_t gfn, bool each)
{
	uint64_t errors = p->guest->errors, first = 0, last = 0;
	int events = 0;

	xc_monitor_emulate_each_rep(p->xch, p->domid, each);
	rights_set(p, gfn, XENMEM_access_rx);
	guest_play(p, BIT(DEMO_STRING));
	if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
		return;
	guest_play(p, 0);
	do {
		if (events++ == 0)
			first = p->event.u.mem_access.offset;
		last = p->event.u.mem_access.offset;
		probe_put_default(p);
	} while (events < 200 && p->guest->count[DEMO_STRING] == p->played[DEMO_STRING] &&
		 probe_take(p, QUIET_MS));
	observe(p, "64 bytes, 32 on gfn %#lx: %d events, offsets %#lx to %#lx", gfn, events, first,
		last);
	expect(p, p->guest->errors == errors, "the copy right");
	expect(p, events == (each ? 32 : 1), "%d events", each ? 32 : 1);
	xc_monitor_emulate_each_rep(p->xch, p->domid, false);
}

static void string_second_page(struct probe *p)
{
	string_events(p, DEMO_GFN_DATA2, false);
}

static void string_each_rep(struct probe *p)
{
	string_events(p, DEMO_GFN_DATA2, true);
}

static void page_walk(struct probe *p)
{
	const struct vm_event_mem_access *m = &p->event.u.mem_access;

	rights_set(p, DEMO_GFN_TABLE, XENMEM_access_n);
	guest_play(p, BIT(DEMO_CR3));
	if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
		return;
	observe(p, "gfn %#lx offset %#lx gla %#lx flags %#x", m->gfn, m->offset, m->gla, m->flags);
	expect(p, m->flags & MEM_ACCESS_FAULT_IN_GPT, "FAULT_IN_GPT");
	expect(p, m->gfn == DEMO_GFN_TABLE && m->offset == (m->gla >> 12) * 8,
	       "the entry that translates gla");
	rights_set(p, DEMO_GFN_TABLE, XENMEM_access_rwx);
	probe_put(p);
}

/*
 * Xen then emulates whatever instruction needed the walk, so the guest is kept in its idle loop:
 * not all instructions can be emulated.
 */
static void page_walk_hidden(struct probe *p)
{
	uint64_t pace = p->status->pace;

	p->status->pace = UINT64_MAX;
	guest_wait(QUIET_MS);
	expect(p, xc_monitor_inguest_pagefault(p->xch, p->domid, true) == 0, "the option");
	rights_set(p, DEMO_GFN_TABLE, XENMEM_access_n);
	expect(p, guest_quiet(p), "no event for page walks");
	observe(p, "no event, the page table's rights are n");
	rights_set(p, DEMO_GFN_TABLE, XENMEM_access_rwx);
	xc_monitor_inguest_pagefault(p->xch, p->domid, false);
	p->status->pace = pace;
}

/* EMULATE at a VMCALL, which Xen's emulator does not know. */
static void emulate_unimplemented(struct probe *p)
{
	expect(p, xc_monitor_emul_unimplemented(p->xch, p->domid, true) == 0, "the monitor");
	rights_set(p, DEMO_GFN_CALLS, XENMEM_access_rw);
	for (int i = 0; i < 4; i++) {
		if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
			return;
		probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
		if (!expect(p, probe_take(p, WAIT_MS), "an event"))
			return;
		if (p->event.reason == VM_EVENT_REASON_EMUL_UNIMPLEMENTED)
			break;
		probe_put_default(p);
	}
	observe(p, "EMULATE at VMCALL: reason %u, paused %d", p->event.reason,
		!!(p->event.flags & VM_EVENT_FLAG_VCPU_PAUSED));
	expect(p, p->event.reason == VM_EVENT_REASON_EMUL_UNIMPLEMENTED, "EMUL_UNIMPLEMENTED");
	probe_put(p);
	expect(p, probe_take(p, WAIT_MS) && p->event.reason == VM_EVENT_REASON_MEM_ACCESS,
	       "the violation again after a plain answer");
	rights_set(p, DEMO_GFN_CALLS, XENMEM_access_rwx);
	probe_put(p);
}

/* The same with nobody to hear of it: Xen gives the guest #UD, for which the demo has no use. */
static void emulate_unheard(struct probe *p)
{
	uint64_t traps = p->guest->traps[6];

	rights_set(p, DEMO_GFN_CALLS, XENMEM_access_rw);
	for (int i = 0; i < 10 && p->guest->traps[6] == traps && probe_take(p, WAIT_MS); i++) {
		probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
		guest_wait(20);
	}
	rights_set(p, DEMO_GFN_CALLS, XENMEM_access_rwx);
	observe(p, "EMULATE at VMCALL without the monitor: #UD taken %lu",
		p->guest->traps[6] - traps);
	expect(p, p->guest->traps[6] == traps + 1, "one #UD in the guest");
}

static void rights_everywhere(struct probe *p)
{
	xenmem_access_t rights = XENMEM_access_n;
	int rc;

	rc = xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &rights);
	observe(p, "get of a frame: %s, %d", errno_of(rc), (int)rights);
	expect(p, rc == 0 && rights == XENMEM_access_rwx, "rwx");
	rc = rights_set(p, GFN_NOWHERE, XENMEM_access_r);
	observe(p, "set where nothing is: %s", errno_of(rc));
	expect(p, rc == 0, "0");
	rc = xc_get_mem_access(p->xch, p->domid, GFN_NOWHERE, &rights);
	observe(p, "get where nothing is: %s", errno_of(rc));
	expect(p, rc < 0 && errno == ESRCH, "ESRCH");
	rc = rights_set(p, DEMO_GFN_DATA, XENMEM_access_r);
	expect(p, rc == 0, "r to be set");
	xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &rights);
	expect(p, rights == XENMEM_access_r, "r to be read back");
	rc = xc_set_mem_access(p->xch, p->domid, XENMEM_access_default, DEMO_GFN_DATA, 1);
	xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &rights);
	observe(p, "set to default: %s, then %d", errno_of(rc), (int)rights);
	expect(p, rc == 0 && rights == XENMEM_access_rwx, "default is rwx");
}

/* rx2rw: the page turns from rx to rw by itself at the first write. n2rwx: from n to rwx. */
static void rights_turning(struct probe *p)
{
	xenmem_access_t rights = XENMEM_access_n;

	rights_set(p, DEMO_GFN_DATA, XENMEM_access_rx2rw);
	guest_play(p, BIT(DEMO_WRITE));
	expect(p, guest_quiet(p), "no event for rx2rw");
	xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &rights);
	observe(p, "rx2rw: no event, then %d", (int)rights);
	expect(p, rights == XENMEM_access_rw, "rw");
	guest_reset(p);
	if (!begin(p, DEMO_READ, XENMEM_access_n2rwx))
		return;
	xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &rights);
	observe(p, "n2rwx: an event, vCPU paused %d, then %d",
		!!(p->event.flags & VM_EVENT_FLAG_VCPU_PAUSED), (int)rights);
	expect(p, rights == XENMEM_access_rwx && !(p->event.flags & VM_EVENT_FLAG_VCPU_PAUSED),
	       "rwx, the vCPU not paused");
	probe_put(p);
	expect(p, guest_quiet(p), "no second event");
}

/* Were the registers set after the emulation, the read would be done again. */
static void memory_emulate_registers(struct probe *p)
{
	if (!begin(p, DEMO_READ, XENMEM_access_x))
		return;
	guest_play(p, 0);
	probe_registers(p);
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
	expect(p, guest_quiet(p), "no second event");
	guest_played(p, DEMO_READ, 1);
	observe(p, "RIP as in the event: the guest goes on behind the read");
}

const struct check checks_memory[] = {
	{"memory-continue", "MEM_ACCESS, plain answer, rights as before: the same event again",
	 memory_continue, CHECK_PLAIN},
	{"memory-emulate", "EMULATE: the access is done, the rights stay", memory_emulate,
	 CHECK_PLAIN},
	{"memory-emulate-nowrite", "EMULATE with EMULATE_NOWRITE: the write is dropped",
	 memory_no_write, CHECK_PLAIN},
	{"memory-nowrite-alone", "EMULATE_NOWRITE without EMULATE does nothing",
	 memory_no_write_alone, CHECK_PLAIN},
	{"memory-read-data", "SET_EMUL_READ_DATA: the guest reads the answer's bytes",
	 memory_read_data, CHECK_PLAIN},
	{"memory-read-data-short", "read data shorter than the read: zeros follow",
	 memory_read_data_short, CHECK_PLAIN},
	{"memory-emulate-lifted", "EMULATE is ignored when the rights have been lifted",
	 memory_emulate_lifted, CHECK_PLAIN},
	{"memory-emulate-other", "EMULATE is ignored when the rights now allow the access",
	 memory_emulate_other, CHECK_PLAIN},
	{"memory-emulate-registers", "EMULATE and SET_REGISTERS in one answer: registers first",
	 memory_emulate_registers, CHECK_PLAIN},
	{"string-emulate", "REP MOVSB over a page end: events for the restricted page",
	 string_second_page, CHECK_PLAIN},
	{"string-each-rep", "with emulate_each_rep each repetition is an event", string_each_rep,
	 CHECK_PLAIN},
	{"page-walk", "a restricted page table: FAULT_IN_GPT", page_walk, CHECK_PLAIN},
	{"page-walk-hidden", "with inguest_pagefault no event for page walks", page_walk_hidden,
	 CHECK_PLAIN},
	{"emulate-unimplemented", "EMULATE of an instruction that Xen cannot emulate: an event",
	 emulate_unimplemented, CHECK_PLAIN},
	{"rights-calls", "xc_set_mem_access and xc_get_mem_access at the edges", rights_everywhere,
	 CHECK_PLAIN},
	{"rights-turning", "rx2rw and n2rwx change by themselves", rights_turning, CHECK_PLAIN},
	{0},
};

/* EPT has no way to say "write, but not read"; Xen takes the rights and the guest pays. */
static void rights_write_only(struct probe *p)
{
	xc_domaininfo_t info;
	int rc = rights_set(p, DEMO_GFN_DATA, XENMEM_access_w);

	guest_play(p, BIT(DEMO_READ));
	expect(p, guest_quiet(p), "no event");
	xc_domain_getinfolist(p->xch, p->domid, 1, &info);
	observe(p, "rights w: %s; at the first access the domain is shut down, reason %u",
		errno_of(rc), info.flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask);
	expect(p, rc == 0 && info.flags & XEN_DOMINF_shutdown, "the domain crashed");
}

const struct check checks_fatal[] = {
	{"emulate-unheard", "EMULATE of an instruction that Xen cannot emulate, unmonitored: #UD",
	 emulate_unheard, CHECK_FATAL},
	{"rights-write-only", "rights w (and wx) are accepted and crash the domain on VMX",
	 rights_write_only, CHECK_FATAL},
	{0},
};
