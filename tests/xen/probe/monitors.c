/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Switching events on and off, all of them synchronous; the domctl that libxenctrl has no call for. */
#include <string.h>

#include "probe.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <xen/domctl.h>
#include <xencall.h>
#pragma GCC diagnostic pop

#define MSR_LSTAR 0xc0000082u
#define EVENT_IO  13 /* XEN_DOMCTL_MONITOR_EVENT_IO, which older headers do not have */

static int control_register(struct probe *p, uint16_t index, bool on)
{
	return xc_monitor_write_ctrlreg(p->xch, p->domid, index, on, true, 0, true);
}

int monitor_cr0(struct probe *p, bool on)
{
	return control_register(p, VM_EVENT_X86_CR0, on);
}

int monitor_cr3(struct probe *p, bool on)
{
	return control_register(p, VM_EVENT_X86_CR3, on);
}

int monitor_cr4(struct probe *p, bool on)
{
	return control_register(p, VM_EVENT_X86_CR4, on);
}

int monitor_xcr0(struct probe *p, bool on)
{
	return control_register(p, VM_EVENT_X86_XCR0, on);
}

int monitor_lstar(struct probe *p, bool on)
{
	return xc_monitor_mov_to_msr(p->xch, p->domid, MSR_LSTAR, on, true);
}

int monitor_int3(struct probe *p, bool on)
{
	return xc_monitor_software_breakpoint(p->xch, p->domid, on);
}

int monitor_debug(struct probe *p, bool on)
{
	return xc_monitor_debug_exceptions(p->xch, p->domid, on, true);
}

int monitor_step(struct probe *p, bool on)
{
	return xc_monitor_singlestep(p->xch, p->domid, on);
}

int monitor_cpuid(struct probe *p, bool on)
{
	return xc_monitor_cpuid(p->xch, p->domid, on);
}

int monitor_request(struct probe *p, bool on)
{
	return xc_monitor_guest_request(p->xch, p->domid, on, true, false);
}

int monitor_descriptor(struct probe *p, bool on)
{
	return xc_monitor_descriptor_access(p->xch, p->domid, on);
}

int monitor_vmexit(struct probe *p, bool on)
{
	return xc_monitor_vmexit(p->xch, p->domid, on, true);
}

int monitor_io(struct probe *p, bool on)
{
	return monitor_op(p, on ? XEN_DOMCTL_MONITOR_OP_ENABLE : XEN_DOMCTL_MONITOR_OP_DISABLE,
			  EVENT_IO);
}

static int monitor_unimplemented(struct probe *p, bool on)
{
	return xc_monitor_emul_unimplemented(p->xch, p->domid, on);
}

static int monitor_pagefault(struct probe *p, bool on)
{
	return xc_monitor_inguest_pagefault(p->xch, p->domid, on);
}

const struct monitor monitors[] = {
	{"cr0", monitor_cr0, 0},
	{"cr3", monitor_cr3, 0},
	{"cr4", monitor_cr4, 0},
	{"xcr0", monitor_xcr0, 0},
	{"msr", monitor_lstar, 0},
	{"int3", monitor_int3, 0},
	{"debug", monitor_debug, 0},
	{"singlestep", monitor_step, 0},
	{"cpuid", monitor_cpuid, 0},
	{"guest-request", monitor_request, 0},
	{"descriptor", monitor_descriptor, 0},
	{"vmexit", monitor_vmexit, 0},
	{"emul-unimplemented", monitor_unimplemented, 0},
	{"inguest-pagefault", monitor_pagefault, 0},
	{"io", monitor_io, 18},
	{NULL, NULL, 0},
};

int monitor_op(struct probe *p, uint32_t op, uint32_t event)
{
	xencall_handle *call = xencall_open(NULL, 0);
	struct xen_domctl *domctl = call ? xencall_alloc_buffer(call, sizeof(*domctl)) : NULL;
	int rc = -1;

	if (domctl) {
		memset(domctl, 0, sizeof(*domctl));
		domctl->cmd = XEN_DOMCTL_monitor_op;
		domctl->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
		domctl->domain = (domid_t)p->domid;
		domctl->u.monitor_op.op = op;
		domctl->u.monitor_op.event = event;
		rc = xencall1(call, __HYPERVISOR_domctl, (uintptr_t)domctl);
		xencall_free_buffer(call, domctl);
	}
	if (call)
		xencall_close(call);
	return rc;
}

int monitor_deferred_writes(struct probe *p)
{
	return monitor_op(p, XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS, 0);
}

int rights_set(struct probe *p, uint64_t gfn, xenmem_access_t access)
{
	return xc_set_mem_access(p->xch, p->domid, access, gfn, 1);
}
