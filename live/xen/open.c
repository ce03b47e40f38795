/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Attaching: the handles, the domain, what must hold of it, and then one change after the other. When
 * one fails, close undoes those before it; each piece of state says whether there is something to undo.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "driver.h"

#define PLACE      "xen"
#define LIST_CHUNK 64u

static const struct vmt_driver_ops ops;

/* -------------------------------------------------------------------------------------------- */
/* Handles                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/* A library never prints; what Xen's libraries would say is in the errors. */
static void say_nothing(struct xentoollog_logger *logger, xentoollog_level level, int errnoval,
			const char *context, const char *format, va_list al)
{
	(void)logger;
	(void)level;
	(void)errnoval;
	(void)context;
	(void)format;
	(void)al;
}

static void show_nothing(struct xentoollog_logger *logger, const char *context,
			 const char *doing_what, int percent, unsigned long done,
			 unsigned long total)
{
	(void)logger;
	(void)context;
	(void)doing_what;
	(void)percent;
	(void)done;
	(void)total;
}

static void keep_logger(struct xentoollog_logger *logger)
{
	(void)logger;
}

static int no_handle(struct vmt_xen *x)
{
	int error = errno;

	return vmt_error_set_errno(
		&x->base.err, error == ENOENT ? VMT_E_NOT_SUPPORTED : VMT_E_PERMISSION, error,
		PLACE,
		"the hypervisor cannot be reached through /dev/xen; that takes Xen, its control "
		"domain (dom0) and root");
}

static int open_handles(struct vmt_xen *x)
{
	x->logger.vmessage = say_nothing;
	x->logger.progress = show_nothing;
	x->logger.destroy = keep_logger;
	x->xch = xc_interface_open(&x->logger, &x->logger, 0);
	if (!x->xch)
		return no_handle(x);
	x->evtchn = xenevtchn_open(&x->logger, 0);
	if (!x->evtchn)
		return no_handle(x);
	x->memory = xenforeignmemory_open(&x->logger, 0);
	if (!x->memory)
		return no_handle(x);
	x->model = xendevicemodel_open(&x->logger, 0);
	if (!x->model)
		return no_handle(x);
	x->call = xencall_open(&x->logger, 0);
	if (!x->call)
		return no_handle(x);
	x->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (x->stop_fd < 0)
		return vmt_error_set_errno(&x->base.err, VMT_E_IO, errno, PLACE,
					   "no eventfd can be made");
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* The domain                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static bool parse_id(const char *text, uint32_t *domid)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || *end || n >= DOMID_FIRST_RESERVED)
		return false;
	*domid = (uint32_t)n;
	return true;
}

/* The xenstore keeps names: /local/domain/ID/name. "": it has none. */
static void read_name(struct xs_handle *xs, uint32_t domid, char *name, size_t cap)
{
	char path[48];
	unsigned len = 0;
	char *text;

	(void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
	text = xs ? xs_read(xs, XBT_NULL, path, &len) : NULL;
	(void)snprintf(name, cap, "%s", text ? text : "");
	free(text);
}

/* 1: found, 0: there is none, or negative. */
static int find_name(struct vmt_xen *x, struct xs_handle *xs, const char *wanted,
		     xc_domaininfo_t *info)
{
	xc_domaininfo_t list[LIST_CHUNK];
	uint32_t first = 0;
	int n;

	while ((n = xc_domain_getinfolist(x->xch, first, LIST_CHUNK, list)) > 0) {
		for (int i = 0; i < n; i++) {
			read_name(xs, list[i].domain, x->name, sizeof(x->name));
			if (strcmp(x->name, wanted) == 0) {
				*info = list[i];
				return 1;
			}
			first = list[i].domain + 1u;
		}
	}
	return n < 0 ? vmt_xen_failed(x, "Xen does not list its domains; that takes the control "
					 "domain and root")
		     : 0;
}

static int find_id(struct vmt_xen *x, struct xs_handle *xs, uint32_t domid, xc_domaininfo_t *info)
{
	int n = xc_domain_getinfolist(x->xch, domid, 1, info);

	if (n < 0)
		return vmt_xen_failed(x, "Xen does not list its domains; that takes the control "
					 "domain and root");
	read_name(xs, domid, x->name, sizeof(x->name));
	return n == 1 && info->domain == domid; /* it gives the first from that number on */
}

int vmt_xen_find_domain(struct vmt_xen *x, const char *wanted, xc_domaininfo_t *info)
{
	struct xs_handle *xs = xs_open(0);
	uint32_t domid;
	int r;

	x->domid = DOMID_INVALID;
	r = find_name(x, xs, wanted, info);
	if (r == 0 && parse_id(wanted, &domid))
		r = find_id(x, xs, domid, info);
	xs_close(xs);
	if (r == 0)
		return vmt_error_set(&x->base.err, VMT_E_NOT_FOUND, PLACE,
				     "there is no domain '%s'; `xl list` shows those that are "
				     "there",
				     wanted);
	if (r < 0)
		return r;
	x->domid = info->domain;
	if (!*x->name)
		(void)snprintf(x->name, sizeof(x->name), "%u", x->domid);
	return 0;
}

int vmt_xen_check_domain(struct vmt_xen *x, const xc_domaininfo_t *info)
{
	if (info->domain == 0)
		return vmt_error_set(&x->base.err, VMT_E_INVALID, PLACE,
				     "domain 0 is the one that this runs in, and it would stop "
				     "itself; name a guest");
	if (info->flags & XEN_DOMINF_dying)
		return vmt_error_set(&x->base.err, VMT_E_GONE, PLACE,
				     "domain %s is being destroyed", x->name);
	if (info->flags & XEN_DOMINF_shutdown)
		return vmt_error_set(&x->base.err, VMT_E_GONE, PLACE,
				     "domain %s has %s; start it anew", x->name,
				     ((info->flags >> XEN_DOMINF_shutdownshift) &
				      XEN_DOMINF_shutdownmask) == SHUTDOWN_crash
					     ? "crashed"
					     : "shut down");
	if (!(info->flags & XEN_DOMINF_hvm_guest))
		return vmt_error_set(&x->base.err, VMT_E_NOT_SUPPORTED, PLACE,
				     "domain %s is a PV guest, which Xen gives no events of; make "
				     "it type=\"pvh\" or type=\"hvm\" in its xl configuration",
				     x->name);
	if (!(info->flags & XEN_DOMINF_hap))
		return vmt_error_set(
			&x->base.err, VMT_E_NOT_SUPPORTED, PLACE,
			"domain %s has no hardware-assisted paging; put hap=1 into its "
			"xl configuration, on a CPU with EPT or NPT",
			x->name);
	return 0;
}

static int take_domain(struct vmt_xen *x, const xc_domaininfo_t *info, bool *altp2m)
{
	uint64_t mode = 0;
	int r;

	x->nvcpus = (uint16_t)(info->max_vcpu_id + 1);
	x->max_memkb = info->max_pages * (VMT_PAGE_SIZE / 1024);
	/* an older Xen has no such parameter */
	if (xc_hvm_param_get(x->xch, x->domid, HVM_PARAM_ALTP2M, &mode) < 0)
		mode = XEN_ALTP2M_disabled;
	*altp2m = mode != XEN_ALTP2M_disabled;
	r = vmt_xen_find_capabilities(x, *altp2m);
	if (r < 0)
		return r;
	x->vcpus = calloc(x->nvcpus, sizeof(*x->vcpus));
	x->views = calloc(x->nviews, sizeof(*x->views));
	x->initial = calloc(x->nviews, sizeof(*x->initial));
	if (!x->vcpus || !x->views || !x->initial)
		return vmt_error_set(&x->base.err, VMT_E_NO_MEMORY, PLACE,
				     "no memory for the driver");
	x->views[0] = true;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Attaching                                                                                    */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_check_events(struct vmt_xen *x)
{
	int version = xc_vm_event_get_version(x->xch);

	if (version < 0)
		return vmt_xen_failed(x, "Xen does not tell the version of its events");
	if (version == VM_EVENT_INTERFACE_VERSION)
		return 0;
	return vmt_error_set(&x->base.err, VMT_E_ABI, PLACE,
			     "Xen's events have version %d, this module knows %d; build vmitape "
			     "with the headers of the running Xen",
			     version, VM_EVENT_INTERFACE_VERSION);
}

/*
 * With the domain paused. Violations by the CPU's own page walks give no events: Xen emulates the
 * instruction (vmi-rs asks for the same).
 */
static int attach_paused(struct vmt_xen *x)
{
	int r = vmt_xen_ring_enable(x);

	if (r == 0 && (x->capabilities & VMT_CAP_VIEWS))
		r = vmt_xen_altp2m_enable(x);
	if (r == 0 && (x->capabilities & VMT_CAP_MEMORY_ACCESS)) {
		if (xc_monitor_inguest_pagefault(x->xch, x->domid, true) < 0)
			r = vmt_xen_failed(x, "events of page walks cannot be switched off");
		else
			x->walks_hidden = true;
	}
	return r;
}

static int attach(struct vmt_xen *x)
{
	struct vmt_error why;
	int r = vmt_xen_pause(&x->base);

	if (r < 0)
		return r;
	r = attach_paused(x);
	why = x->base.err;
	if (r == 0)
		return vmt_xen_resume(&x->base);
	x->base.err = why; /* close resumes */
	return r;
}

static int draw_seed(struct vmt_xen *x, uint64_t wanted)
{
	x->seed = wanted;
	while (x->seed == 0) {
		if (getrandom(&x->seed, sizeof(x->seed), 0) != sizeof(x->seed))
			return vmt_error_set_errno(&x->base.err, VMT_E_IO, errno, PLACE,
						   "the system gives no random numbers");
	}
	return 0;
}

static int open_all(struct vmt_xen *x, const struct vmt_xen_config *config)
{
	xc_domaininfo_t info = {0};
	bool altp2m = false;
	int r = draw_seed(x, config->seed);

	if (r == 0)
		r = vmt_xen_open_host(x);
	if (r == 0)
		r = vmt_xen_find_domain(x, config->domain, &info);
	if (r == 0)
		r = vmt_xen_check_domain(x, &info);
	if (r == 0)
		r = vmt_xen_check_events(x);
	if (r == 0)
		r = take_domain(x, &info, &altp2m);
	if (r == 0)
		r = vmt_xen_journal_begin(x, &info, x->keeper >= 0);
	if (r == 0)
		r = vmt_xen_keeper_begin(x);
	if (r == 0)
		r = attach(x);
	return r;
}

struct vmt_xen *vmt_xen_create(void)
{
	struct vmt_xen *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->port = -1;
	x->stop_fd = -1;
	x->keeper = -1;
	x->journal.fd = -1;
	vmt_gfn_map_init(&x->restricted, 0);
	vmt_gfn_map_init(&x->bytes, sizeof(uint32_t));
	vmt_gfn_map_init(&x->own_pages, 0);
	vmt_gfn_map_init(&x->msrs, 0);
	return x;
}

int vmt_xen_open_host(struct vmt_xen *x)
{
	int r = open_handles(x);

	return r == 0 ? vmt_xen_find_version(x) : r;
}

int vmt_xen_open_driver(const struct vmt_xen_config *config, struct vmt_driver **driver,
			struct vmt_error *err)
{
	struct vmt_xen *x;
	int r;

	x = vmt_xen_create();
	if (!x)
		return vmt_error_set(err, VMT_E_NO_MEMORY, PLACE, "no memory for the driver");
	x->base.ops = &ops;
	x->keeper = config->keeper > 0 ? config->keeper : -1;
	r = open_all(x, config);
	if (r < 0) {
		*err = x->base.err;
		if (!*err->place)
			(void)snprintf(err->place, sizeof(err->place), PLACE);
		vmt_xen_close(&x->base);
		return r;
	}
	*driver = &x->base;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* What it tells about itself                                                                   */
/* -------------------------------------------------------------------------------------------- */

static int info(struct vmt_driver *d, struct vmt_info *info)
{
	struct vmt_xen *x = vmt_xen_of(d);
	xen_pfn_t max = 0;

	memset(info, 0, sizeof(*info));
	if (xc_domain_maximum_gpfn(x->xch, x->domid, &max) < 0)
		return vmt_xen_failed(x, "Xen does not tell the domain's largest gfn");
	info->arch = VMT_ARCH_X86_64;
	info->capabilities = x->capabilities;
	info->vcpus = x->nvcpus;
	info->views = x->nviews;
	info->xen_major = x->xen.major;
	info->xen_minor = x->xen.minor;
	info->max_gfn = max;
	info->now = vmt_xen_now();
	info->seed = x->seed;
	(void)snprintf(info->backend, sizeof(info->backend), "xen");
	(void)snprintf(info->domain, sizeof(info->domain), "%s", x->name);
	return 0;
}

static const struct vmt_driver_ops ops = {
	.size = sizeof(struct vmt_driver_ops),
	.name = "xen",
	.close = vmt_xen_close,
	.info = info,
	.wait = vmt_xen_wait,
	.next = vmt_xen_next,
	.answer = vmt_xen_answer,
	.commit = vmt_xen_commit,
	.pending = vmt_xen_pending,
	.overhead = vmt_xen_overhead,
	.monitor = vmt_xen_monitor,
	.read = vmt_xen_read,
	.write = vmt_xen_write,
	.alloc_gfn = vmt_xen_alloc_gfn,
	.free_gfn = vmt_xen_free_gfn,
	.get_access = vmt_xen_get_access,
	.set_access = vmt_xen_set_access,
	.create_view = vmt_xen_create_view,
	.destroy_view = vmt_xen_destroy_view,
	.switch_view = vmt_xen_switch_view,
	.remap_gfn = vmt_xen_remap_gfn,
	.get_regs = vmt_xen_get_regs,
	.set_regs = vmt_xen_set_regs,
	.get_context = vmt_xen_get_context,
	.inject = vmt_xen_inject,
	.pause = vmt_xen_pause,
	.resume = vmt_xen_resume,
	.reset = vmt_xen_reset,
	.settle = vmt_xen_settle,
	.detach = vmt_xen_detach,
	.stop_fd = vmt_xen_stop_fd,
};
