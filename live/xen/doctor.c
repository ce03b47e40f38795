/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The diagnosis: what works on this host and domain, what does not, why, and what to do. It asks and
 * changes nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "driver.h"
#include "keeper.h"

#define DEVICE   "/dev/xen/privcmd"
#define ALL_BITS 32u

static void note(struct vmt_xen_diagnosis *d, const char *name, enum vmt_xen_verdict verdict,
		 const char *remedy, const char *format, ...) VMT_PRINTF(5, 6);
static void note(struct vmt_xen_diagnosis *d, const char *name, enum vmt_xen_verdict verdict,
		 const char *remedy, const char *format, ...)
{
	struct vmt_xen_check *c = &d->checks[d->nchecks];
	va_list ap;

	if (d->nchecks == VMT_XEN_CHECKS_MAX)
		return;
	d->nchecks++;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	(void)snprintf(c->remedy, sizeof(c->remedy), "%s", remedy);
	c->verdict = verdict;
	va_start(ap, format);
	(void)vsnprintf(c->found, sizeof(c->found), format, ap);
	va_end(ap);
	if (verdict > d->verdict)
		d->verdict = verdict;
}

/* A refusal's own sentence, in which the remedy stands already. */
static void note_refusal(struct vmt_xen_diagnosis *d, const char *name, struct vmt_xen *x)
{
	note(d, name, VMT_XEN_FAILS, "", "%s", x->base.err.text);
	memset(&x->base.err, 0, sizeof(x->base.err));
}

/* -------------------------------------------------------------------------------------------- */
/* The host                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static bool look_at_device(struct vmt_xen_diagnosis *d)
{
	if (access(DEVICE, F_OK) < 0)
		note(d, "privcmd", VMT_XEN_FAILS,
		     "run this in the control domain (dom0) of a Xen host; load xen-privcmd there",
		     DEVICE " is not there, so no Xen can be reached");
	else if (access(DEVICE, R_OK | W_OK) < 0)
		note(d, "privcmd", VMT_XEN_FAILS, "run this as root",
		     "this user may not open " DEVICE);
	else
		note(d, "privcmd", VMT_XEN_WORKS, "", DEVICE " can be opened");
	return d->verdict != VMT_XEN_FAILS;
}

/* The names of @capabilities, with commas. */
static void list(uint32_t capabilities, char *text, size_t cap)
{
	size_t used = 0;

	(void)snprintf(text, cap, "none");
	for (unsigned i = 0; i < ALL_BITS && used < cap; i++) {
		if (capabilities & (UINT32_C(1) << i))
			used += (size_t)snprintf(text + used, cap - used, "%s%s", used ? ", " : "",
						 vmt_capability_name(UINT32_C(1) << i));
	}
}

static void look_at_version(struct vmt_xen_diagnosis *d, struct vmt_xen *x)
{
	const struct vmt_xen_version *newest = &vmt_xen_versions[vmt_xen_nversions - 1];
	uint32_t lacks = vmt_xen_capabilities(newest, VMT_CPU_VMX) &
			 ~vmt_xen_capabilities(&x->xen, x->vendor);
	const char *cpu = x->vendor == VMT_CPU_VMX ? "an Intel CPU" : "an AMD CPU";
	char text[256];

	list(lacks, text, sizeof(text));
	if (lacks == 0)
		note(d, "xen", VMT_XEN_WORKS, "", "Xen %u.%u on %s", x->xen.major, x->xen.minor,
		     cpu);
	else
		note(d, "xen", VMT_XEN_LIMITED, "", "Xen %u.%u on %s lacks: %s", x->xen.major,
		     x->xen.minor, cpu, text);
}

static bool look_at_host(struct vmt_xen_diagnosis *d, struct vmt_xen *x)
{
	if (!look_at_device(d))
		return false;
	if (vmt_xen_open_host(x) < 0) {
		note_refusal(d, "xen", x);
		return false;
	}
	look_at_version(d, x);
	if (vmt_xen_check_events(x) < 0) {
		note_refusal(d, "events", x);
		return false;
	}
	return true;
}

/* -------------------------------------------------------------------------------------------- */
/* The domain                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void look_at_domain(struct vmt_xen_diagnosis *d, struct vmt_xen *x,
			   const xc_domaininfo_t *info)
{
	bool pvh = !(info->arch_config.emulation_flags & ~(uint32_t)XEN_X86_EMU_LAPIC);

	note(d, "domain", VMT_XEN_WORKS, "",
	     "%s (number %u) is %s guest with hardware-assisted paging, %u vCPUs and %llu MiB",
	     x->name, x->domid, pvh ? "a PVH" : "an HVM", info->max_vcpu_id + 1u,
	     (unsigned long long)info->tot_pages * VMT_PAGE_SIZE >> 20);
	if (info->flags & XEN_DOMINF_paused)
		note(d, "state", VMT_XEN_LIMITED, "xl unpause it, before or during the session",
		     "the domain is paused by somebody else: no event comes until it runs");
}

static void look_at_views(struct vmt_xen_diagnosis *d, struct vmt_xen *x, bool *altp2m)
{
	static const char *const modes[] = {"disabled", "mixed", "external", "limited"};
	uint64_t mode = XEN_ALTP2M_disabled;
	bool on = false;

	if (xc_hvm_param_get(x->xch, x->domid, HVM_PARAM_ALTP2M, &mode) < 0)
		mode = XEN_ALTP2M_disabled;
	*altp2m = mode != XEN_ALTP2M_disabled;
	if (!*altp2m) {
		note(d, "altp2m", VMT_XEN_LIMITED,
		     "put altp2m=\"external\" into its xl configuration and altp2m=1 on Xen's "
		     "command line, and start the domain anew",
		     "altp2m is off for this domain: no views, no fast steps, so breakpoints are "
		     "visible to the guest");
		return;
	}
	(void)xc_altp2m_get_domain_state(x->xch, x->domid, &on);
	if (on)
		note(d, "altp2m", VMT_XEN_FAILS,
		     "end the other one; when it was killed, run `vmirec rescue`, or start the "
		     "domain anew",
		     "altp2m is in use: by another monitor, or a killed one left it on");
	else if (mode == XEN_ALTP2M_mixed)
		note(d, "altp2m", VMT_XEN_LIMITED, "take altp2m=\"external\"",
		     "altp2m is %s: the guest can use views itself and so see and leave the "
		     "handler's",
		     modes[mode]);
	else
		note(d, "altp2m", VMT_XEN_WORKS, "", "altp2m is %s, and nobody uses it",
		     modes[mode < 4 ? mode : 0]);
}

static void look_at_journal(struct vmt_xen_diagnosis *d, struct vmt_xen *x, bool attached)
{
	char path[64];

	vmt_xen_journal_path(x->domid, path, sizeof(path));
	if (access(path, F_OK) < 0) {
		if (attached)
			note(d, "monitor", VMT_XEN_FAILS,
			     "end the other monitor; when it was killed, start the domain anew",
			     "another monitor is attached, or one that was killed");
		return;
	}
	note(d, "monitor", attached ? VMT_XEN_FAILS : VMT_XEN_LIMITED,
	     "end that session; when it was killed, run `vmirec rescue`",
	     "a session of vmitape is attached, or was killed with its keeper (%s)", path);
}

static void look_at_monitor(struct vmt_xen_diagnosis *d, struct vmt_xen *x)
{
	uint64_t frame = 0;
	/* Xen takes what was answered, and says when there is no ring */
	bool attached = xc_vm_event_control(x->xch, x->domid, XEN_VM_EVENT_RESUME,
					    XEN_DOMCTL_VM_EVENT_OP_MONITOR, NULL) == 0;
	uint32_t before = d->nchecks;

	look_at_journal(d, x, attached);
	if (d->nchecks == before)
		note(d, "monitor", VMT_XEN_WORKS, "", "nobody else watches the domain");
	if (xc_hvm_param_get(x->xch, x->domid, HVM_PARAM_MONITOR_RING_PFN, &frame) < 0 ||
	    frame == 0)
		note(d, "ring", VMT_XEN_FAILS, "create the domain with xl",
		     "the domain has no frame for the monitor ring");
}

static void look_at_capabilities(struct vmt_xen_diagnosis *d, struct vmt_xen *x, bool altp2m)
{
	char text[320];

	if (vmt_xen_find_capabilities(x, altp2m) < 0) {
		note_refusal(d, "capabilities", x);
		return;
	}
	d->capabilities = x->capabilities;
	d->views = x->nviews;
	list(x->capabilities, text, sizeof(text));
	note(d, "capabilities", VMT_XEN_WORKS, "", "a session has: %s", text);
	if (x->nviews > 1)
		note(d, "views", VMT_XEN_WORKS,
		     x->xen.max_views > x->nviews ? "altp2m_count configures more" : "",
		     "%u views, view 0 included", x->nviews);
}

static void look(struct vmt_xen_diagnosis *d, struct vmt_xen *x, const char *domain)
{
	xc_domaininfo_t info;
	bool altp2m = false;

	if (!look_at_host(d, x) || !domain)
		return;
	if (vmt_xen_find_domain(x, domain, &info) < 0 || vmt_xen_check_domain(x, &info) < 0) {
		note_refusal(d, "domain", x);
		return;
	}
	look_at_domain(d, x, &info);
	look_at_views(d, x, &altp2m);
	look_at_monitor(d, x);
	look_at_capabilities(d, x, altp2m);
	if (d->verdict == VMT_XEN_FAILS)
		d->capabilities = d->views = 0;
}

int vmt_xen_diagnose_domain(const char *domain, struct vmt_xen_diagnosis *diagnosis,
			    struct vmt_error *err)
{
	struct vmt_xen *x = vmt_xen_create();

	if (!x)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "xen", "no memory for a diagnosis");
	look(diagnosis, x, domain);
	vmt_xen_release(x);
	return 0;
}
