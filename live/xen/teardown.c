/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Leaving the domain as it was found.
 *
 * Order is all: what was answered is sent first, for it may switch stepping or views on; then
 * everything is undone while the ring is on; then what still stands on the ring is answered and the
 * vCPUs run, for Xen keeps registers and deferred writes until a vCPU is scheduled and throws them
 * away with the ring; disabling it does not unpause a vCPU that waits for an answer. Only then the
 * ring, altp2m and own pages go.
 *
 * Source: xen/common/vm_event.c (vm_event_disable), xen/arch/x86/vm_event.c
 * (vm_event_cleanup_domain); tried out on Xen 4.17 by killing monitors at every step.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmitape/run.h>

#include "driver.h"
#include "requests.h"

#define ROUNDS    64
#define SETTLE_MS 1000
#define NS_PER_MS UINT64_C(1000000)

/* -------------------------------------------------------------------------------------------- */
/* Reset                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void undo(struct vmt_xen *x, struct vmt_xen_first *first)
{
	uint32_t bytes = 0;

	vmt_xen_keep(x, first, vmt_xen_commit(&x->base));
	vmt_xen_keep(x, first, vmt_xen_bytes_undo(x, &bytes));
	vmt_xen_keep(x, first, vmt_xen_monitors_reset(x));
	vmt_xen_keep(x, first, vmt_xen_step_reset(x, true));
	vmt_xen_keep(x, first, vmt_xen_views_reset(x));
}

int vmt_xen_reset(struct vmt_driver *d)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct vmt_xen_first first = {0};
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_pause(d);
	if (r < 0)
		return r;
	undo(x, &first);
	vmt_xen_keep(x, &first, vmt_xen_resume(d));
	return vmt_xen_kept(x, &first);
}

/* -------------------------------------------------------------------------------------------- */
/* Settle                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/*
 * A vCPU that was answered has run when its time has grown since, or when it has blocked, which it
 * does by itself only. Time counts from the first look on, so that a commit costs no call.
 */
static int look_at(struct vmt_xen *x, uint16_t vcpu, uint64_t *since)
{
	struct vmt_xen_vcpu *v = &x->vcpus[vcpu];
	xc_vcpuinfo_t info;

	if (!v->unsettled)
		return 0;
	if (xc_vcpu_getinfo(x->xch, x->domid, vcpu, &info) < 0)
		return vmt_xen_failed(x, "Xen tells nothing of vCPU %u", vcpu);
	if (*since == UINT64_MAX)
		*since = info.cpu_time;
	if (info.blocked || !info.online || info.cpu_time > *since)
		v->unsettled = false;
	return 0;
}

static int look_at_all(struct vmt_xen *x, uint64_t *since, unsigned *left)
{
	*left = 0;
	for (uint16_t i = 0; i < x->nvcpus; i++) {
		int r = look_at(x, i, &since[i]);

		if (r < 0)
			return r;
		*left += x->vcpus[i].unsettled;
	}
	return 0;
}

static int settle(struct vmt_xen *x, uint64_t *since, int timeout_ms)
{
	const struct timespec nap = {0, NS_PER_MS};
	uint64_t end = vmt_xen_now() + (uint64_t)timeout_ms * NS_PER_MS;
	unsigned left;

	memset(since, 0xff, x->nvcpus * sizeof(*since));
	for (;;) {
		int r = look_at_all(x, since, &left);

		if (r < 0 || left == 0)
			return r;
		if (x->pauses > 0)
			return vmt_xen_refuse(x, VMT_E_BUSY,
					      "%u vCPUs have not run since they were answered, for "
					      "the domain is paused; resume it first",
					      left);
		if (vmt_xen_gone(x))
			return vmt_xen_refuse(x, VMT_E_GONE, "domain %s has crashed or shut down",
					      x->name);
		if (vmt_xen_now() >= end)
			break;
		nanosleep(&nap, NULL);
	}
	return vmt_xen_refuse(x, VMT_E_BUSY,
			      "%u vCPUs have not run within %d ms since they were answered; has "
			      "somebody else paused the domain?",
			      left, timeout_ms);
}

int vmt_xen_settle(struct vmt_driver *d, int timeout_ms)
{
	struct vmt_xen *x = vmt_xen_of(d);
	uint64_t *since = calloc(x->nvcpus, sizeof(*since));
	int r;

	if (!since)
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory to settle");
	r = settle(x, since, timeout_ms);
	free(since);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Detach                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/* What nobody is there to answer any more: taken events and those on the ring. */
static void answer_rest(struct vmt_xen *x, struct vmt_xen_first *first)
{
	struct vmt_response rsp;
	struct vmt_gprs gprs;
	struct vmt_event ev;

	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		if (x->slots[i].state != VMT_XEN_TAKEN)
			continue;
		vmt_xen_request_decode(&x->slots[i].request, &ev);
		ev.ticket = x->slots[i].ticket;
		rsp = vmt_default_answer(&ev, &gprs);
		vmt_xen_keep(x, first, vmt_xen_answer(&x->base, &ev, &rsp));
	}
	while (vmt_xen_next(&x->base, &ev) == 1) {
		rsp = vmt_default_answer(&ev, &gprs);
		vmt_xen_keep(x, first, vmt_xen_answer(&x->base, &ev, &rsp));
	}
	vmt_xen_keep(x, first, vmt_xen_commit(&x->base));
}

static bool anything_open(struct vmt_xen *x)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++)
		n += x->slots[i].state != VMT_XEN_FREE;
	if (n == 0)
		vmt_xen_pending(&x->base, &n);
	return n > 0;
}

/* vCPUs that wait for room on the ring keep it from being disabled: answer, let run, try again. */
static void drain_and_disable(struct vmt_xen *x, struct vmt_xen_first *first)
{
	int r = 0;

	for (int round = 0; round < ROUNDS; round++) {
		if (anything_open(x))
			answer_rest(x, first);
		vmt_xen_keep(x, first, vmt_xen_resume_all(x));
		vmt_xen_keep(x, first, vmt_xen_settle(&x->base, SETTLE_MS));
		if (anything_open(x))
			continue;
		r = vmt_xen_ring_disable(x);
		if (r != -VMT_E_BUSY)
			break;
	}
	if (x->ring_on && r == 0)
		r = vmt_xen_ring_disable(x);
	vmt_xen_keep(x, first, r);
}

int vmt_xen_detach(struct vmt_driver *d)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct vmt_xen_first first = {0};

	if (x->ring_on) {
		vmt_xen_keep(x, &first, vmt_xen_reset(d));
		if (x->walks_hidden) /* goes with the ring, too */
			(void)xc_monitor_inguest_pagefault(x->xch, x->domid, false);
		x->walks_hidden = false;
		drain_and_disable(x, &first);
	}
	vmt_xen_keep(x, &first, vmt_xen_altp2m_disable(x));
	vmt_xen_unmap_all(x);
	vmt_xen_keep(x, &first, vmt_xen_pages_reset(x));
	vmt_xen_ring_release(x);
	vmt_xen_keep(x, &first, vmt_xen_resume_all(x));
	return vmt_xen_kept(x, &first);
}

/* -------------------------------------------------------------------------------------------- */
/* Close                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void close_handles(struct vmt_xen *x)
{
	if (x->evtchn)
		xenevtchn_close(x->evtchn);
	if (x->memory)
		xenforeignmemory_close(x->memory);
	if (x->model)
		xendevicemodel_close(x->model);
	if (x->call)
		xencall_close(x->call);
	if (x->xch)
		xc_interface_close(x->xch);
	if (x->stop_fd >= 0)
		close(x->stop_fd);
}

void vmt_xen_release(struct vmt_xen *x)
{
	close_handles(x);
	vmt_xen_journal_close(&x->journal);
	vmt_gfn_map_finish(&x->bytes);
	vmt_gfn_map_finish(&x->restricted);
	vmt_gfn_map_finish(&x->own_pages);
	vmt_gfn_map_finish(&x->msrs);
	free(x->views);
	free(x->initial);
	free(x->vcpus);
	free(x);
}

void vmt_xen_close(struct vmt_driver *d)
{
	struct vmt_xen *x = vmt_xen_of(d);

	/* what cannot be undone here the keeper, or a rescue, tries once more */
	if (x->journal.j && (vmt_xen_detach(d) == 0 || vmt_xen_gone(x)))
		vmt_xen_journal_end(&x->journal);
	vmt_xen_release(x);
}
