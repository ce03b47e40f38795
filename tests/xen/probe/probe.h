/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The probe asks a real Xen what it does with vm_event requests and responses, in named checks over
 * the demo guest. This header is what the checks use: the ring, the guest's status page, the table.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Xen's headers use extensions that this project's own code does not. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#define XC_WANT_COMPAT_DEVICEMODEL_API
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>

#include <xen/hvm/save.h>
#include <xen/io/ring.h>
#include <xen/vm_event.h>
#pragma GCC diagnostic pop

#include "fixtures/guests/demo/status.h"

#define BIT(n)    (UINT64_C(1) << (n))
#define VIEW_NONE UINT16_MAX
#define WAIT_MS   3000 /* on dom0's clock; far above what any event takes */
#define QUIET_MS  150  /* long enough for hundreds of rounds of the guest */

/** A session with the domain's monitor ring, and the state of the check that runs. */
struct probe {
	xc_interface *xch;
	xenevtchn_handle *evtchn;
	xenforeignmemory_handle *memory;
	uint32_t domid;
	int port;
	void *page;
	vm_event_back_ring_t ring;
	volatile struct demo_status *status;
	volatile struct demo_vcpu *guest; /* the first vCPU's part of it */
	unsigned vcpus;
	unsigned minor; /* of Xen's version, 4.minor */

	vm_event_request_t event;     /* the one taken last */
	vm_event_response_t answer;   /* to it; plain until a check adds to it */
	uint64_t played[DEMO_SCENES]; /* how often each scene had been played then */

	bool failed;
	char text[2048]; /* what the check observed */
	size_t length;
};

/** What a check wants of the guest. */
enum check_kind {
	CHECK_PLAIN,
	CHECK_TWO_VCPUS, /* passed over when there is one */
	CHECK_FATAL,     /* the guest does not survive it, so it runs when it is named */
};

/** One row of the table: a name, what it establishes, and how. */
struct check {
	const char *name;
	const char *fact;
	void (*run)(struct probe *p);
	enum check_kind kind;
};

/** The tables, one per file of checks, each ended by a row without a name. */
extern const struct check checks_kinds[], checks_registers[], checks_exceptions[], checks_memory[],
	checks_steps[], checks_views[], checks_control[], checks_versions[], checks_fatal[];

/** True on Xen 4.@minor and later ones. */
static inline bool probe_since(const struct probe *p, unsigned minor)
{
	return p->minor >= minor;
}

/* session.c: all functions that can fail end the program with a message. */

/** Attaches to the domain's monitor ring and maps the status page. */
void probe_open(struct probe *p, uint32_t domid);
/** Gives the ring up; the domain runs on. */
void probe_close(struct probe *p);
/** Gives the ring up and takes it again: Xen forgets all monitor options. */
void probe_reopen(struct probe *p);
/** Maps a guest frame; NULL with errno if it cannot be. */
void *probe_map(struct probe *p, uint64_t gfn);
void probe_unmap(struct probe *p, void *page);

/** Takes the next event within @ms and prepares a plain answer; false if none comes. */
bool probe_take(struct probe *p, int ms);
/** Requests on the ring that have not been taken. */
unsigned probe_pending(const struct probe *p);
/** Sends the answer. */
void probe_put(struct probe *p);
/** Sends the answer with these VM_EVENT_FLAG_ bits. */
void probe_put_flags(struct probe *p, uint32_t flags);
/** Makes the answer set registers; returns them, as in the event, to be changed. */
struct vm_event_regs_x86 *probe_registers(struct probe *p);
/** Sends the answer after which the guest goes on as if nobody watched. */
void probe_put_default(struct probe *p);

/* guest.c */

/** Lets the guest play these scenes, 1 << enum demo_scene. */
void guest_play(struct probe *p, uint64_t scenes);
/** Waits for an event of this reason, answering others by default; fails the check if none comes. */
bool guest_event(struct probe *p, uint32_t reason);
/** Switches a monitor on, plays a scene, and waits for the event. */
bool guest_begin(struct probe *p, int (*set)(struct probe *p, bool on), enum demo_scene scene,
		 uint32_t reason);
/** After the answer: true if the same event comes again, the vCPU where it was. */
bool guest_repeats(struct probe *p);
/** Lets time pass on dom0's clock without taking events. */
void guest_wait(int ms);
/** True if no event comes for QUIET_MS. */
bool guest_quiet(struct probe *p);
/** Waits until the scene has been played @times since the last event; answers others by default. */
bool guest_played(struct probe *p, enum demo_scene scene, uint64_t times);
/** Everything off, view 0, all rights, events answered, until the guest is seen to go on. */
bool guest_reset(struct probe *p);
/** The vCPU's registers as Xen has them now. */
struct hvm_hw_cpu guest_registers(struct probe *p, uint32_t vcpu);

/* monitors.c: the calls that switch events on and off; 0 or -1 with errno */

/** What can be monitored; a table of it is in monitors.c. */
struct monitor {
	const char *name;
	int (*set)(struct probe *p, bool on);
	unsigned since; /* Xen 4.since */
};
extern const struct monitor monitors[];

int monitor_cr0(struct probe *p, bool on);
int monitor_cr3(struct probe *p, bool on);
int monitor_cr4(struct probe *p, bool on);
int monitor_xcr0(struct probe *p, bool on);
int monitor_lstar(struct probe *p, bool on);
int monitor_int3(struct probe *p, bool on);
int monitor_debug(struct probe *p, bool on);
int monitor_step(struct probe *p, bool on);
int monitor_cpuid(struct probe *p, bool on);
int monitor_request(struct probe *p, bool on);
int monitor_descriptor(struct probe *p, bool on);
int monitor_vmexit(struct probe *p, bool on);
int monitor_io(struct probe *p, bool on);
/** Switches to deferred control register and MSR writes; only probe_reopen() switches back. */
int monitor_deferred_writes(struct probe *p);
/** A monitor_op domctl that libxenctrl may have no call for; 0 or -1 with errno. */
int monitor_op(struct probe *p, uint32_t op, uint32_t event);
/** Rights of one frame in view 0. */
int rights_set(struct probe *p, uint64_t gfn, xenmem_access_t access);

/* main.c */

/** Fails the check if @holds is false; the text then tells what was wanted. */
bool expect(struct probe *p, bool holds, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/** Adds to what the check reports as observed. */
void observe(struct probe *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** "0" or the name of the errno of a call that returned @rc. */
const char *errno_of(int rc);

#endif
