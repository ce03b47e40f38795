/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a newer Xen has and an older one has not, tried on both: I/O events and the access right r_pw.
 * Their numbers are written out here, for the headers of an older Xen do not name them.
 */
#include <string.h>

#include "probe.h"

#define SINCE_IO   18
#define SINCE_R_PW 20
#define REASON_IO  16
#define ACCESS_10  ((xenmem_access_t)10) /* default before r_pw came, then r_pw */
#define PORT       0x1e0
#define PAGE_TABLE UINT64_C(0x189)

/* struct vm_event_io (Xen 4.18, public/vm_event.h) */
struct io {
	uint32_t bytes;
	uint16_t port;
	uint8_t in, str;
};

static struct io io_of(const struct probe *p)
{
	struct io io;

	memcpy(&io, &p->event.u, sizeof(io));
	return io;
}

/* Of those that the guest plays: OUTB and OUTL, INL; 66 OUTW; REP OUTSD and REP INSD. */
static unsigned length_of(const struct io *io)
{
	return io->str || io->bytes == 2 ? 2 : 1;
}

/* The first I/O event; false where this Xen has none, which is checked. */
static bool io_begin(struct probe *p)
{
	int rc;

	if (probe_since(p, SINCE_IO))
		return guest_begin(p, monitor_io, DEMO_IO, REASON_IO);
	rc = monitor_io(p, true);
	observe(p, "no I/O events: %s", errno_of(rc));
	expect(p, rc < 0, "the monitor to be refused");
	return false;
}

/* Lets the instruction of the event that was taken last be done. */
static void io_end(struct probe *p)
{
	monitor_io(p, false);
	probe_put(p);
}

static void io_kinds(struct probe *p)
{
	unsigned in = 0, out = 0, strings = 0, wrong = 0;

	if (!io_begin(p))
		return;
	for (unsigned n = 0; n < 12 && p->event.reason == REASON_IO; n++) {
		const struct io io = io_of(p);

		in += io.in != 0;
		out += io.in == 0;
		strings += io.str != 0;
		wrong += io.port != PORT || (io.bytes != 1 && io.bytes != 2 && io.bytes != 4);
		if (n == 0)
			observe(p, "first: port %#x, %u bytes, in %u, string %u", io.port, io.bytes,
				io.in, io.str);
		probe_registers(p)->rip += length_of(&io);
		probe_put(p);
		if (!probe_take(p, WAIT_MS)) {
			expect(p, false, "the next event");
			return;
		}
	}
	io_end(p);
	observe(p, "%u in, %u out, %u of strings", in, out, strings);
	expect(p, in && out && strings && !wrong, "all forms, at port %#x", PORT);
}

static void io_continue(struct probe *p)
{
	bool again;

	if (!io_begin(p))
		return;
	probe_put(p);
	again = guest_repeats(p);
	observe(p, "a plain answer: %s", again ? "the event repeats" : "the guest goes on");
	expect(p, again, "the same event");
	if (again)
		io_end(p);
}

static void io_emulate(struct probe *p)
{
	bool again;

	if (!io_begin(p))
		return;
	probe_put_flags(p, VM_EVENT_FLAG_EMULATE);
	again = guest_repeats(p);
	observe(p, "EMULATE: %s", again ? "the event repeats" : "the guest goes on");
	expect(p, again, "the same event");
	if (again)
		io_end(p);
}

/* Skips each instruction and gives the guest something to read. */
static void io_skip(struct probe *p)
{
	if (!io_begin(p))
		return;
	for (unsigned n = 0; n < 12 && p->event.reason == REASON_IO; n++) {
		const struct io io = io_of(p);
		struct vm_event_regs_x86 *registers = probe_registers(p);

		registers->rip += length_of(&io);
		if (io.in && !io.str)
			registers->rax = 0x5a5a;
		probe_put(p);
		if (!probe_take(p, WAIT_MS)) {
			expect(p, false, "the next event");
			return;
		}
	}
	io_end(p);
	observe(p, "SET_REGISTERS with RIP past IN and rax 0x5a5a: the guest read %#lx",
		p->guest->seen[DEMO_IO]);
	expect(p, p->guest->seen[DEMO_IO] == 0x5a5a, "0x5a5a");
}

static void access_10(struct probe *p)
{
	xenmem_access_t rights = XENMEM_access_n;
	int rc = rights_set(p, DEMO_GFN_DATA, ACCESS_10);

	xc_get_mem_access(p->xch, p->domid, DEMO_GFN_DATA, &rights);
	observe(p, "set to 10: %s, then %d", errno_of(rc), (int)rights);
	if (!probe_since(p, SINCE_R_PW)) {
		expect(p, rc == 0 && rights == XENMEM_access_rwx, "the default rights");
		return;
	}
	expect(p, rc == 0 && rights == ACCESS_10, "10");
	guest_play(p, BIT(DEMO_WRITE));
	if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
		return;
	observe(p, "a write: an event, flags %#x", p->event.u.mem_access.flags);
	probe_put_default(p);
}

/* The CPU sets accessed and dirty bits in a page table; the guest's own writes there are events. */
static void page_walk(struct probe *p)
{
	if (!probe_since(p, SINCE_R_PW)) {
		observe(p, "no r_pw");
		return;
	}
	guest_play(p, BIT(DEMO_CPUID));
	guest_wait(QUIET_MS);
	expect(p, rights_set(p, PAGE_TABLE, ACCESS_10) == 0, "r_pw to be set");
	guest_play(p, BIT(DEMO_CR3) | BIT(DEMO_READ));
	expect(p, guest_quiet(p), "no event for page walks");
	guest_play(p, BIT(DEMO_FAULT));
	if (!guest_event(p, VM_EVENT_REASON_MEM_ACCESS))
		return;
	observe(p, "page walks: no event; a write to the page table: gfn %#lx flags %#x",
		(unsigned long)p->event.u.mem_access.gfn, p->event.u.mem_access.flags);
	expect(p, p->event.u.mem_access.gfn == PAGE_TABLE, "the page table's frame");
	probe_put_default(p);
}

const struct check checks_versions[] = {
	{"io-kinds", "since 4.18: an event for each form of IN and OUT", io_kinds, CHECK_PLAIN},
	{"io-continue", "since 4.18: I/O, plain answer: the same event again", io_continue,
	 CHECK_PLAIN},
	{"io-emulate", "since 4.18: EMULATE is ignored on I/O", io_emulate, CHECK_PLAIN},
	{"io-skip", "since 4.18: SET_REGISTERS with RIP past the instruction skips it", io_skip,
	 CHECK_PLAIN},
	{"access-10", "access right 10: the default before 4.20, r_pw since", access_10,
	 CHECK_PLAIN},
	{"walk-rights", "since 4.20: r_pw lets page walks write", page_walk, CHECK_PLAIN},
	{0},
};
