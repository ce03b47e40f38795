/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What differs between Xen's versions. The behaviour of each is a row of model/xen-versions.c; here is
 * what the libraries and headers of one build have and another has not.
 *
 * libxenctrl speaks one version of the domctl interface (XEN_DOMCTL_INTERFACE_VERSION), so the module
 * belongs to the Xen whose headers it was built with.
 */
#include <cpuid.h>
#include <string.h>

#include "driver.h"

static uint32_t vendor_of_cpu(void)
{
	unsigned eax, ebx, ecx, edx;

	/* "AuthenticAMD" and "HygonGenuine" begin so */
	if (__get_cpuid(0, &eax, &ebx, &ecx, &edx) && (ebx == 0x68747541 || ebx == 0x6f677948))
		return VMT_CPU_SVM;
	return VMT_CPU_VMX;
}

int vmt_xen_find_version(struct vmt_xen *x)
{
	const struct vmt_xen_version *newest = &vmt_xen_versions[vmt_xen_nversions - 1];
	const struct vmt_xen_version *oldest = &vmt_xen_versions[0];
	int version = xc_version(x->xch, XENVER_version, NULL);
	unsigned major = (unsigned)version >> 16, minor = (unsigned)version & 0xffff;
	const struct vmt_xen_version *row;

	if (version < 0)
		return vmt_xen_failed(x, "Xen does not tell its version");
	row = vmt_xen_version_find(major, minor);
	if (!row && (major > newest->major || (major == newest->major && minor > newest->minor)))
		row = newest; /* as far as is known */
	if (!row)
		return vmt_xen_refuse(x, VMT_E_ABI,
				      "Xen %u.%u is too old; vmitape knows Xen from %u.%u on",
				      major, minor, oldest->major, oldest->minor);
	x->xen = *row;
	x->xen.major = (uint16_t)major;
	x->xen.minor = (uint16_t)minor;
	x->vendor = vendor_of_cpu();
	if (row->minor == minor && row->domctl_version != XEN_DOMCTL_INTERFACE_VERSION)
		return vmt_xen_refuse(
			x, VMT_E_ABI,
			"this module was built for another Xen: its domctl interface is %#x, that "
			"of the running Xen %u.%u is %#x; build vmitape with the libxen-dev of %u.%u",
			XEN_DOMCTL_INTERFACE_VERSION, major, minor, row->domctl_version, major,
			minor);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Capabilities                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/* xc_monitor_get_capabilities: 1 << XEN_DOMCTL_MONITOR_EVENT_*. */
static const struct event_bit {
	unsigned bit;
	uint32_t capability;
} event_bits[] = {
	{XEN_DOMCTL_MONITOR_EVENT_WRITE_CTRLREG, VMT_CAP_MONITOR_CR},
	{XEN_DOMCTL_MONITOR_EVENT_MOV_TO_MSR, VMT_CAP_MONITOR_MSR},
	{XEN_DOMCTL_MONITOR_EVENT_SINGLESTEP, VMT_CAP_MONITOR_SINGLESTEP | VMT_CAP_FAST_SINGLESTEP},
	{XEN_DOMCTL_MONITOR_EVENT_SOFTWARE_BREAKPOINT, VMT_CAP_MONITOR_BREAKPOINT},
	{XEN_DOMCTL_MONITOR_EVENT_GUEST_REQUEST, VMT_CAP_MONITOR_HYPERCALL},
	{XEN_DOMCTL_MONITOR_EVENT_DEBUG_EXCEPTION, VMT_CAP_MONITOR_DEBUG},
	{XEN_DOMCTL_MONITOR_EVENT_CPUID, VMT_CAP_MONITOR_CPUID},
	{XEN_DOMCTL_MONITOR_EVENT_INTERRUPT, VMT_CAP_NEXT_INTERRUPT},
	{XEN_DOMCTL_MONITOR_EVENT_DESC_ACCESS, VMT_CAP_MONITOR_DESCRIPTOR},
	{XEN_DOMCTL_MONITOR_EVENT_VMEXIT, VMT_CAP_MONITOR_VMEXIT},
#ifdef XEN_DOMCTL_MONITOR_EVENT_IO
	{XEN_DOMCTL_MONITOR_EVENT_IO, VMT_CAP_MONITOR_IO},
#endif
};

static uint32_t built_without(void)
{
	uint32_t lacking = 0;

#ifndef VM_EVENT_REASON_IO_INSTRUCTION
	lacking |= VMT_CAP_MONITOR_IO;
#endif
#ifndef VMT_XEN_HAS_R_PW
	lacking |= VMT_CAP_IGNORE_WALKS;
#endif
	return lacking;
}

int vmt_xen_find_capabilities(struct vmt_xen *x, bool altp2m)
{
	uint32_t told = 0;

	if (xc_monitor_get_capabilities(x->xch, x->domid, &told) < 0)
		return vmt_xen_failed(x, "Xen does not tell which events domain %s can give",
				      x->name);
	x->capabilities = vmt_xen_capabilities(&x->xen, x->vendor) & ~built_without();
	for (size_t i = 0; i < sizeof(event_bits) / sizeof(event_bits[0]); i++) {
		if (!(told & (1u << event_bits[i].bit)))
			x->capabilities &= ~event_bits[i].capability;
	}
	if (!altp2m)
		x->capabilities &= ~(uint32_t)(VMT_CAP_VIEWS | VMT_CAP_FAST_SINGLESTEP);
	x->nviews = x->capabilities & VMT_CAP_VIEWS ? x->xen.views : 1;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Rights                                                                                       */
/* -------------------------------------------------------------------------------------------- */

bool vmt_xen_access_encode(struct vmt_access access, xenmem_access_t *out)
{
	/* XENMEM_access_n to _rwx are the bits r 1, w 2, x 4, as enum vmt_rights is */
	*out = (xenmem_access_t)(access.rights & VMT_RWX);
	if (!(access.options & VMT_ACCESS_IGNORE_WALKS))
		return true;
#ifdef VMT_XEN_HAS_R_PW
	*out = XENMEM_access_r_pw;
	return true;
#else
	return false;
#endif
}

struct vmt_access vmt_xen_access_decode(xenmem_access_t access)
{
	struct vmt_access out = vmt_access_from((unsigned)access & VMT_RWX);

	if (access == XENMEM_access_rx2rw) {
		out.rights = VMT_RX;
	} else if (access == XENMEM_access_n2rwx) {
		out.rights = 0;
#ifdef VMT_XEN_HAS_R_PW
	} else if (access == XENMEM_access_r_pw) {
		out.rights = VMT_R;
		out.options = VMT_ACCESS_IGNORE_WALKS;
#endif
	}
	return out;
}

int vmt_xen_monitor_io(struct vmt_xen *x, bool on)
{
#ifdef VM_EVENT_REASON_IO_INSTRUCTION
	return xc_monitor_io(x->xch, x->domid, on);
#else
	(void)x;
	(void)on;
	errno = ENOSYS;
	return -1;
#endif
}
