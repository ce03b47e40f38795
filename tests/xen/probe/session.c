/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The monitor ring: attaching, taking requests, sending responses, giving it up. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "probe.h"

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

void *probe_map(struct probe *p, uint64_t gfn)
{
	xen_pfn_t frame = gfn;
	int error = 0;
	void *page = xenforeignmemory_map(p->memory, p->domid, PROT_READ | PROT_WRITE, 1, &frame,
					  &error);

	if (page && error) {
		xenforeignmemory_unmap(p->memory, page, 1);
		errno = -error;
		return NULL;
	}
	return page;
}

void probe_unmap(struct probe *p, void *page)
{
	xenforeignmemory_unmap(p->memory, page, 1);
}

static void ring_open(struct probe *p)
{
	uint32_t remote = 0;

	p->page = xc_monitor_enable(p->xch, p->domid, &remote);
	if (!p->page)
		die("xc_monitor_enable");
	p->port = xenevtchn_bind_interdomain(p->evtchn, p->domid, remote);
	if (p->port < 0)
		die("xenevtchn_bind_interdomain");
	SHARED_RING_INIT((vm_event_sring_t *)p->page);
	BACK_RING_INIT(&p->ring, (vm_event_sring_t *)p->page, XC_PAGE_SIZE);
}

static void ring_close(struct probe *p)
{
	xc_monitor_disable(p->xch, p->domid);
	xenevtchn_unbind(p->evtchn, (evtchn_port_t)p->port);
	munmap(p->page, XC_PAGE_SIZE);
}

void probe_open(struct probe *p, uint32_t domid)
{
	xc_domaininfo_t info;

	*p = (struct probe){.domid = domid};
	p->xch = xc_interface_open(NULL, NULL, 0);
	p->evtchn = xenevtchn_open(NULL, 0);
	p->memory = xenforeignmemory_open(NULL, 0);
	if (!p->xch || !p->evtchn || !p->memory)
		die("no access to Xen");
	if (xc_domain_getinfolist(p->xch, domid, 1, &info) != 1 || info.domain != domid)
		die("no such domain");
	p->vcpus = info.max_vcpu_id + 1;
	p->minor = (unsigned)xc_version(p->xch, XENVER_version, NULL) & 0xffff;
	ring_open(p);
	p->status = probe_map(p, DEMO_GFN_STATUS);
	if (!p->status)
		die("the status page cannot be mapped");
	p->guest = &p->status->vcpu[0];
}

void probe_reopen(struct probe *p)
{
	ring_close(p);
	ring_open(p);
}

void probe_close(struct probe *p)
{
	ring_close(p);
	xenforeignmemory_close(p->memory);
	xenevtchn_close(p->evtchn);
	xc_interface_close(p->xch);
}

unsigned probe_pending(const struct probe *p)
{
	return p->ring.sring->req_prod - p->ring.req_cons;
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_for_request(struct probe *p, int ms)
{
	long end = now_ms() + ms, left = ms;

	while (probe_pending(p) == 0) {
		struct pollfd fd = {xenevtchn_fd(p->evtchn), POLLIN, 0};

		if (left <= 0)
			return false;
		if (poll(&fd, 1, (int)left) == 1) {
			xenevtchn_port_or_error_t port = xenevtchn_pending(p->evtchn);

			if (port >= 0)
				xenevtchn_unmask(p->evtchn, (evtchn_port_t)port);
		}
		left = end - now_ms();
	}
	return true;
}

bool probe_take(struct probe *p, int ms)
{
	if (!wait_for_request(p, ms))
		return false;
	p->event = *RING_GET_REQUEST(&p->ring, p->ring.req_cons);
	p->ring.req_cons++;
	p->ring.sring->req_event = p->ring.req_cons + 1;
	for (unsigned scene = 0; scene < DEMO_SCENES; scene++)
		p->played[scene] = p->guest->count[scene];
	p->answer = (vm_event_response_t){
		.version = VM_EVENT_INTERFACE_VERSION,
		.flags = p->event.flags & VM_EVENT_FLAG_VCPU_PAUSED,
		.reason = p->event.reason,
		.vcpu_id = p->event.vcpu_id,
		.altp2m_idx = p->event.altp2m_idx,
		.u = p->event.u,
	};
	return true;
}

void probe_put(struct probe *p)
{
	*RING_GET_RESPONSE(&p->ring, p->ring.rsp_prod_pvt) = p->answer;
	p->ring.rsp_prod_pvt++;
	RING_PUSH_RESPONSES(&p->ring);
	xenevtchn_notify(p->evtchn, (evtchn_port_t)p->port);
}

void probe_put_flags(struct probe *p, uint32_t flags)
{
	p->answer.flags |= flags;
	probe_put(p);
}

struct vm_event_regs_x86 *probe_registers(struct probe *p)
{
	p->answer.flags |= VM_EVENT_FLAG_SET_REGISTERS;
	p->answer.data.regs.x86 = p->event.data.regs.x86;
	return &p->answer.data.regs.x86;
}

static void reinject(struct probe *p, const struct vm_event_debug *from, uint8_t vector)
{
	xc_hvm_inject_trap(p->xch, p->domid, (int)p->event.vcpu_id, vector, from->type, UINT32_MAX,
			   (uint8_t)from->insn_length, vector == 1 ? from->pending_dbg : 0);
}

void probe_put_default(struct probe *p)
{
	switch (p->event.reason) {
	case VM_EVENT_REASON_CPUID:
		probe_registers(p)->rip += p->event.u.cpuid.insn_length;
		break;
	case VM_EVENT_REASON_SOFTWARE_BREAKPOINT:
		reinject(p, &p->event.u.software_breakpoint, 3);
		break;
	case VM_EVENT_REASON_DEBUG_EXCEPTION:
		reinject(p, &p->event.u.debug_exception, 1);
		break;
	case VM_EVENT_REASON_DESCRIPTOR_ACCESS:
	case VM_EVENT_REASON_MEM_ACCESS:
		p->answer.flags |= VM_EVENT_FLAG_EMULATE;
		break;
	case VM_EVENT_REASON_SINGLESTEP:
		p->answer.flags |= VM_EVENT_FLAG_TOGGLE_SINGLESTEP;
		break;
	default:
		break;
	}
	probe_put(p);
}
