/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Trials of what goes wrong: domains that give no events, no permission, another monitor, a guest
 * without altp2m, and domains that crash or go while a handler watches. Each is refused or ended with
 * one sentence, and nothing is left changed.
 *
 * Those of `lost` and `bare` need a guest of their own, which `run` makes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <xenctrl.h>
#pragma GCC diagnostic pop

#include "trial.h"

#define NOBODY 65534

static int open_as(const char *domain, struct vmt_error *err)
{
	const struct vmt_xen_config config = {.domain = domain};
	struct vmt_driver *d = NULL;
	int r = vmt_xen_open(&config, &d, err);

	if (r == 0)
		vmt_driver_close(d);
	return r;
}

static void refuses_domain(struct trial *t, const char *domain, enum vmt_status status,
			   const char *words)
{
	struct vmt_error err = {0};

	refused(t, open_as(domain, &err), status, &err, domain);
	expect(t, strstr(err.text, words), "'%s' in: %s", words, err.text);
}

/* ---- domains that are not fit ---- */

/*
 * A PV domain of nothing but its kind, for as long as it takes to refuse it. One without
 * hardware-assisted paging cannot be made: Debian's Xen has no shadow paging.
 */
static void refuses_pv(struct trial *t)
{
	struct xen_domctl_createdomain config = {
		.max_vcpus = 1,
		.max_evtchn_port = -1,
		.max_grant_frames = 1,
		.grant_opts = XEN_DOMCTL_GRANT_version(1),
	};
	xc_interface *xch = xc_interface_open(NULL, NULL, 0);
	uint32_t domid = 0;
	char id[16];
	int r = xch ? xc_domain_create(xch, &domid, &config) : -1;

	if (expect(t, r == 0, "a domain to be made: %s", strerror(errno))) {
		(void)snprintf(id, sizeof(id), "%u", domid);
		refuses_domain(t, id, VMT_E_NOT_SUPPORTED, "is a PV guest");
		xc_domain_destroy(xch, domid);
	}
	xc_interface_close(xch);
}

static void refuses_unknown(struct trial *t)
{
	refuses_domain(t, "nobody", VMT_E_NOT_FOUND, "xl list");
	refuses_domain(t, "4711", VMT_E_NOT_FOUND, "xl list");
	refuses_domain(t, "0", VMT_E_INVALID, "domain 0");
}

/* ---- permission, and other monitors ---- */

/* As a user who may not: in a child, for there is no way back. */
static void refuses_user(struct trial *t)
{
	struct vmt_error err = {0};
	int fds[2], status = 0, r = 0;
	pid_t child = -1;

	if (pipe(fds) == 0)
		child = fork();
	if (!expect(t, child >= 0, "a child process"))
		return;
	if (child == 0) {
		r = setgid(NOBODY) == 0 && setuid(NOBODY) == 0 ? open_as(t->domain, &err) : 1;
		if (write(fds[1], &err, sizeof(err)) != sizeof(err))
			r = 1;
		_exit(r == -VMT_E_PERMISSION ? 0 : 1);
	}
	close(fds[1]);
	expect(t, read(fds[0], &err, sizeof(err)) == sizeof(err), "the child's error");
	close(fds[0]);
	expect(t, waitpid(child, &status, 0) == child && status == 0, "permission, not %d (%s)",
	       err.status, err.text);
	expect(t, strstr(err.text, "root"), "who may, in: %s", err.text);
}

/* Another program's monitor keeps its ring, and afterwards all is free again. */
static void refuses_beside_another(struct trial *t)
{
	xc_interface *xch = xc_interface_open(NULL, NULL, 0);
	uint32_t domid = (uint32_t)strtoul(t->domain, NULL, 10), port = 0;
	struct vmt_error err = {0};
	void *ring = xch ? xc_monitor_enable(xch, domid, &port) : NULL;

	if (!expect(t, ring, "a monitor by libxenctrl alone"))
		return;
	refuses_domain(t, t->domain, VMT_E_BUSY, "another monitor");
	expect(t,
	       xc_monitor_software_breakpoint(xch, domid, true) == 0 &&
		       xc_monitor_software_breakpoint(xch, domid, false) == 0,
	       "the other monitor to be on still");
	expect(t, xc_monitor_disable(xch, domid) == 0, "the other monitor to end");
	munmap(ring, XC_PAGE_SIZE);
	xc_interface_close(xch);
	succeeded(t, open_as(t->domain, &err), &err, "attach afterwards");
}

/* ---- without altp2m ---- */

static int begin_bare(struct trial *t, struct vmt_session *s)
{
	struct vmt_info info;
	vmt_view view;

	vmt_domain_info(s, &info);
	expect(t, info.views == 1 && !(info.capabilities & VMT_CAP_VIEWS), "no views");
	refused(t, vmt_view_create(s, vmt_access_from(VMT_RWX), &view), VMT_E_NOT_SUPPORTED,
		vmt_error_of(s), "a view");
	expect(t, strstr(vmt_error_of(s)->text, "altp2m"), "altp2m in: %s", vmt_error_of(s)->text);
	succeeded(t, vmt_monitor(s, VMT_MONITOR_SINGLESTEP), vmt_error_of(s), "single steps");
	return vmt_set_access(s, 0, vmt_gfn_from(DEMO_GFN_DATA), vmt_access_from(VMT_X));
}

static struct vmt_response event_bare(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	const struct vmt_response fast = vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	const struct vmt_response away = vmt_with_view(vmt_respond(VMT_CONTINUE), 1);

	expect(t, !(ev->flags & VMT_EVENT_HAS_VIEW), "an event without view");
	if (ev->reason == VMT_EVENT_SINGLESTEP) {
		succeeded(t,
			  vmt_set_access(vmt_session_of(ctx), 0, vmt_gfn_from(DEMO_GFN_DATA),
					 vmt_access_from(VMT_X)),
			  vmt_error_of(vmt_session_of(ctx)), "rights back");
		/* view 0 is where it is */
		return vmt_with_view(vmt_respond(VMT_CONTINUE), 0);
	}
	if (ev->reason != VMT_EVENT_MEMORY_ACCESS)
		return trial_failed(t, ctx, "a read of the page");
	refused(t, vmt_driver_answer(t->driver, ev, &fast), VMT_E_NOT_SUPPORTED, &t->driver->err,
		"a fast step");
	refused(t, vmt_driver_answer(t->driver, ev, &away), VMT_E_NOT_SUPPORTED, &t->driver->err,
		"view 1");
	if (t->events >= 7)
		trial_done(t);
	succeeded(t,
		  vmt_set_access(vmt_session_of(ctx), 0, vmt_gfn_from(DEMO_GFN_DATA),
				 vmt_access_from(VMT_RWX)),
		  vmt_error_of(vmt_session_of(ctx)), "rights");
	return vmt_respond(VMT_SINGLESTEP);
}

/* ---- domains that go ---- */

static int begin_cpuid(struct trial *t, struct vmt_session *s)
{
	(void)t;
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

/* The demo guest shuts down with reason crash at an exception that no scene expects. */
static struct vmt_response event_crash(struct trial *t, struct vmt_ctx *ctx)
{
	const struct vmt_interrupt fault = {
		.vector = 13, .type = VMT_INT_HW_EXCEPTION, .error_code = 0};
	struct vmt_session *s = vmt_session_of(ctx);

	if (vmt_event_of(ctx)->reason != VMT_EVENT_CPUID || t->events > 3)
		return trial_failed(t, ctx, "CPUID, and no event after the crash");
	if (t->events == 3)
		succeeded(t, vmt_inject(s, 0, &fault), vmt_error_of(s), "inject");
	return vmt_skip(ctx);
}

static void after_crash(struct trial *t)
{
	expect(t, !domain_is_paused(t), "the domain is left paused");
	refuses_domain(t, t->domain, VMT_E_GONE, "crashed");
}

static struct vmt_response event_destroy(struct trial *t, struct vmt_ctx *ctx)
{
	xc_interface *xch;

	if (t->events > 3)
		return trial_failed(t, ctx, "no event of a domain that is no more");
	if (t->events == 3) {
		xch = xc_interface_open(NULL, NULL, 0);
		if (xch)
			xc_domain_destroy(xch, (uint32_t)strtoul(t->domain, NULL, 10));
		xc_interface_close(xch);
	}
	return vmt_skip(ctx);
}

static void after_destroy(struct trial *t)
{
	/* the trial's own mapping keeps what is left of it */
	refuses_domain(t, t->domain, VMT_E_GONE, "being destroyed");
}

#define ERROR(NAME, FUNCTION)                                                                 \
	{                                                                                     \
		.name = "error-" NAME, .scene = DEMO_READ, .after = (FUNCTION), .alone = true \
	}

const struct script scripts_errors[] = {
	ERROR("pv-guest", refuses_pv),
	ERROR("no-such-domain", refuses_unknown),
	ERROR("no-permission", refuses_user),
	ERROR("another-monitor", refuses_beside_another),
	{.name = "bare-no-altp2m",
	 .scene = DEMO_READ,
	 .begin = begin_bare,
	 .event = event_bare,
	 .special = true},
	{.name = "lost-crash",
	 .scene = DEMO_CPUID,
	 .begin = begin_cpuid,
	 .event = event_crash,
	 .after = after_crash,
	 .special = true,
	 .goes = true},
	{.name = "lost-destroy",
	 .scene = DEMO_CPUID,
	 .begin = begin_cpuid,
	 .event = event_destroy,
	 .after = after_destroy,
	 .special = true,
	 .goes = true},
	{.name = NULL},
};
