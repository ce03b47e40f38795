/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Failures: what a call's errno means, and the refusals that several files share.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "driver.h"

/* What an errno of a hypercall means, unless the caller knows better. */
static const struct meaning {
	int error;
	enum vmt_status status;
} meanings[] = {
	{EBUSY, VMT_E_BUSY},
	{EEXIST, VMT_E_EXISTS},
	{ENOMEM, VMT_E_NO_MEMORY},
	{EPERM, VMT_E_PERMISSION},
	{EACCES, VMT_E_PERMISSION},
	{ENOSYS, VMT_E_NOT_SUPPORTED},
	{EOPNOTSUPP, VMT_E_NOT_SUPPORTED},
};

static enum vmt_status status_of(int error)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (meanings[i].error == error)
			return meanings[i].status;
	}
	return VMT_E_HYPERVISOR;
}

bool vmt_xen_gone(struct vmt_xen *x)
{
	xc_domaininfo_t info;
	int n = xc_domain_getinfolist(x->xch, x->domid, 1, &info);

	if (n < 0)
		return false; /* not known */
	/* the list begins at the first domain from that number on */
	return n == 0 || info.domain != x->domid ||
	       (info.flags & (XEN_DOMINF_dying | XEN_DOMINF_shutdown));
}

int vmt_xen_failed(struct vmt_xen *x, const char *fmt, ...)
{
	char text[VMT_ERROR_TEXT];
	int error = errno;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (x->xch && vmt_xen_gone(x))
		return vmt_error_set_errno(&x->base.err, VMT_E_GONE, error, NULL,
					   "domain %s was destroyed, crashed or shut down (%s)",
					   x->name, text);
	return vmt_error_set_errno(&x->base.err, status_of(error), error, NULL, "%s", text);
}

int vmt_xen_refuse(struct vmt_xen *x, enum vmt_status status, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vmt_error_vset(&x->base.err, status, NULL, fmt, ap);
	va_end(ap);
	return r;
}

int vmt_xen_need_ring(struct vmt_xen *x)
{
	if (x->ring_on)
		return 0;
	return vmt_xen_refuse(x, VMT_E_WRONG_PLACE,
			      "the monitor was detached from the domain; nothing can be asked of "
			      "it any more");
}

int vmt_xen_need_vcpu(struct vmt_xen *x, uint16_t vcpu)
{
	if (vcpu < x->nvcpus)
		return 0;
	return vmt_xen_refuse(x, VMT_E_NOT_FOUND, "there is no vCPU %u; the domain has %u", vcpu,
			      x->nvcpus);
}

int vmt_xen_need(struct vmt_xen *x, uint32_t capability)
{
	if (x->capabilities & capability)
		return 0;
	if ((capability & (VMT_CAP_VIEWS | VMT_CAP_FAST_SINGLESTEP)) &&
	    (vmt_xen_capabilities(&x->xen, x->vendor) & capability))
		return vmt_xen_refuse(x, VMT_E_NOT_SUPPORTED,
				      "altp2m is off for domain %s, so it has no %s; put "
				      "altp2m=\"external\" into its xl configuration and start it "
				      "anew",
				      x->name, vmt_capability_name(capability));
	return vmt_xen_refuse(x, VMT_E_NOT_SUPPORTED,
			      "Xen %u.%u on %s cannot do this here: %s; it works with %s",
			      x->xen.major, x->xen.minor,
			      x->vendor == VMT_CPU_VMX ? "an Intel CPU" : "an AMD CPU",
			      vmt_capability_name(capability),
			      vmt_xen_who_has(capability, &x->xen, x->vendor));
}

void vmt_xen_keep(struct vmt_xen *x, struct vmt_xen_first *first, int r)
{
	if (r >= 0 || first->status < 0)
		return;
	first->status = r;
	first->err = x->base.err;
}

int vmt_xen_kept(struct vmt_xen *x, const struct vmt_xen_first *first)
{
	if (first->status < 0)
		x->base.err = first->err;
	else
		memset(&x->base.err, 0, sizeof(x->base.err));
	return first->status;
}

uint64_t vmt_xen_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}
