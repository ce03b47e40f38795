/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Undoing what a dead session has left, by its journal.
 *
 * The order is that of teardown.c, and for the same reasons: what was answered is consumed first, for
 * it may switch stepping or views on; then everything is undone while the ring is on; then all
 * unanswered requests are answered and the vCPUs run; only then the ring, altp2m and own pages go.
 *
 * Without the ring's page (session and keeper are both dead) a new ring is enabled in place of the old,
 * and answers are made up for all vCPUs: Xen lets go those that wait and ignores the others.
 *
 * Each step is done whatever became of those before it. Tried out on Xen 4.17 by killing monitors at
 * each of their steps.
 */
#include <string.h>
#include <time.h>

#include <vmitape/run.h>

#include "driver.h"
#include "requests.h"

#define ROUNDS    64
#define SETTLE_MS 2000
#define NS_PER_MS UINT64_C(1000000)

/* -------------------------------------------------------------------------------------------- */
/* Requests and responses                                                                       */
/* -------------------------------------------------------------------------------------------- */

struct waiting {
	vm_event_request_t requests[2 * VMT_XEN_SLOTS];
	unsigned n;
};

static int control(struct vmt_xen *x, unsigned op)
{
	return xc_vm_event_control(x->xch, x->domid, op, XEN_DOMCTL_VM_EVENT_OP_MONITOR, NULL);
}

static uint32_t outstanding(const struct vmt_xen *x)
{
	const vm_event_sring_t *ring = x->page;

	return ring ? ring->req_prod - ring->rsp_prod : 0;
}

static bool is_held(const struct vmt_xen_journal *j, uint32_t index)
{
	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		if (j->held[i].state == VMT_XEN_HELD && j->held[i].index == index)
			return true;
	}
	return false;
}

/* From the journal those that were taken, from the ring those that were not. */
static void collect(struct vmt_xen *x, struct waiting *w)
{
	const struct vmt_xen_journal *j = x->journal.j;

	w->n = 0;
	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		if (j->held[i].state == VMT_XEN_HELD)
			w->requests[w->n++] = j->held[i].request;
	}
	if (!x->page)
		return;
	for (uint32_t at = j->req_cons; at != x->ring.sring->req_prod && w->n < 2 * VMT_XEN_SLOTS;
	     at++) {
		if (!is_held(j, at)) /* died between the note and the consumption */
			w->requests[w->n++] = *RING_GET_REQUEST(&x->ring, at);
	}
}

static void forget_all(struct vmt_xen *x)
{
	memset(x->journal.j->held, 0, sizeof(x->journal.j->held));
	if (x->page)
		x->journal.j->req_cons = x->ring.sring->req_prod;
}

static void push(struct vmt_xen *x)
{
	xen_wmb(); /* the response before its announcement */
	x->ring.sring->rsp_prod++;
}

static void answer(struct vmt_xen *x, const vm_event_request_t *request)
{
	struct vmt_xen_answer stored;
	struct vmt_response rsp;
	struct vmt_gprs gprs;
	struct vmt_event ev;

	vmt_xen_request_decode(request, &ev);
	rsp = vmt_default_answer(&ev, &gprs);
	if (rsp.action == VMT_REINJECT) {
		const struct vmt_interrupt *in = &ev.u.interrupt.interrupt;

		/* EBUSY: the session has done so */
		(void)xendevicemodel_inject_event(x->model, (domid_t)x->domid, ev.vcpu, in->vector,
						  in->type, in->error_code, in->insn_length,
						  in->extra);
	}
	vmt_xen_answer_store(&stored, &rsp);
	vmt_xen_response_encode(request, &stored, 0,
				RING_GET_RESPONSE(&x->ring, x->ring.sring->rsp_prod));
	push(x);
}

/* -------------------------------------------------------------------------------------------- */
/* The ring                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/* Send the answers that the session had written and not sent, and let Xen take all. */
static void flush(struct vmt_xen *x, struct vmt_xen_repair_report *report)
{
	struct waiting w;

	collect(x, &w);
	report->unanswered = w.n;
	while (x->page && outstanding(x) > w.n && report->half < VMT_XEN_SLOTS) {
		push(x);
		report->half++;
	}
	(void)control(x, XEN_VM_EVENT_RESUME); /* fails when the ring was not enabled yet */
}

/* A ring in place of the lost one. Its first responses let each vCPU go that waits. */
static int forge(struct vmt_xen *x)
{
	struct waiting w;
	int r;

	collect(x, &w);
	(void)control(x, XEN_VM_EVENT_DISABLE);
	r = vmt_xen_ring_enable(x);
	if (r < 0)
		return r;
	for (uint32_t vcpu = 0; vcpu < x->nvcpus; vcpu++) {
		vm_event_request_t request = {
			.version = VM_EVENT_INTERFACE_VERSION,
			.flags = VM_EVENT_FLAG_VCPU_PAUSED,
			.reason = VM_EVENT_REASON_UNKNOWN,
			.vcpu_id = vcpu,
		};

		for (unsigned i = 0; i < w.n; i++) {
			if (w.requests[i].vcpu_id == vcpu)
				request = w.requests[i];
		}
		answer(x, &request);
	}
	x->ring.sring->req_prod = x->ring.sring->rsp_prod;
	forget_all(x);
	return control(x, XEN_VM_EVENT_RESUME) < 0
		       ? vmt_xen_failed(x, "Xen does not take the answers")
		       : 0;
}

static void answer_all(struct vmt_xen *x, struct vmt_xen_first *first)
{
	struct waiting w;

	collect(x, &w);
	for (unsigned i = 0; i < w.n; i++)
		answer(x, &w.requests[i]);
	forget_all(x);
	if (control(x, XEN_VM_EVENT_RESUME) < 0)
		vmt_xen_keep(x, first, vmt_xen_failed(x, "Xen does not take the answers"));
}

/* -------------------------------------------------------------------------------------------- */
/* Running                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool is_paused(struct vmt_xen *x)
{
	xc_domaininfo_t info;

	return xc_domain_getinfolist(x->xch, x->domid, 1, &info) == 1 && info.domain == x->domid &&
	       (info.flags & XEN_DOMINF_paused);
}

/* The own pause, and that of the session. Another's stays. */
static void resume(struct vmt_xen *x, struct vmt_xen_first *first)
{
	uint32_t note = x->journal.j->pause;
	bool found_paused = x->journal.j->found_paused;

	x->journal.j->pause = VMT_XEN_RUNNING;
	vmt_xen_keep(x, first, vmt_xen_resume_all(x));
	if (note == VMT_XEN_PAUSED)
		(void)xc_domain_unpause(x->xch, x->domid);
	if (note == VMT_XEN_RUNNING || found_paused)
		return;
	for (int i = 0; i < ROUNDS && is_paused(x); i++) {
		if (xc_domain_unpause(x->xch, x->domid) < 0)
			break;
	}
}

static void pause_again(struct vmt_xen *x, struct vmt_xen_first *first)
{
	uint32_t note = x->journal.j->pause;

	vmt_xen_keep(x, first, vmt_xen_pause(&x->base));
	/* this pause is the keeper's, which the journal does not tell of */
	x->journal.j->pause = note;
}

/* Until each vCPU has run or blocks. Nothing runs while somebody else has paused the domain. */
static void let_run(struct vmt_xen *x, struct vmt_xen_first *first)
{
	for (uint32_t i = 0; i < x->nvcpus; i++)
		x->vcpus[i].unsettled = true;
	if (!is_paused(x))
		vmt_xen_keep(x, first, vmt_xen_settle(&x->base, SETTLE_MS));
}

static void answer_and_disable(struct vmt_xen *x, struct vmt_xen_first *first)
{
	int r = -VMT_E_BUSY;

	for (int round = 0; round < ROUNDS && r == -VMT_E_BUSY; round++) {
		struct vmt_xen_first settled = {0};

		answer_all(x, first);
		resume(x, first);
		let_run(x, &settled);
		pause_again(x, first);
		if (outstanding(x) > 0)
			continue;
		vmt_xen_keep(x, first, vmt_xen_kept(x, &settled));
		r = control(x, XEN_VM_EVENT_DISABLE) < 0
			    ? vmt_xen_failed(x, "Xen does not disable the monitor ring")
			    : 0;
	}
	vmt_xen_keep(x, first, r);
	x->ring_on = r < 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Undoing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void rights_back(struct vmt_xen *x, struct vmt_xen_first *first)
{
	const struct vmt_xen_journal_map *map = &x->journal;

	for (uint64_t byte = 0; byte < map->ngfns / 8; byte++) {
		for (unsigned bit = 0; map->restricted[byte] >> bit; bit++) {
			uint64_t gfn = byte * 8 + bit;

			if (!(map->restricted[byte] & (1u << bit)))
				continue;
			if (xc_set_mem_access(x->xch, x->domid, XENMEM_access_rwx, gfn, 1) < 0 &&
			    errno != ESRCH)
				vmt_xen_keep(x, first,
					     vmt_xen_failed(x, "the rights of gfn %#llx stay",
							    (unsigned long long)gfn));
		}
	}
}

static void steps_off(struct vmt_xen *x, struct vmt_xen_first *first)
{
	for (uint32_t vcpu = 0; vcpu < x->nvcpus; vcpu++) {
		if (xc_domain_debug_control(x->xch, x->domid, XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF,
					    vcpu) < 0)
			vmt_xen_keep(x, first,
				     vmt_xen_failed(x, "Xen does not stop the stepping of vCPU %u",
						    vcpu));
	}
}

static void undo_with_ring(struct vmt_xen *x, struct vmt_xen_repair_report *report,
			   struct vmt_xen_first *first)
{
	bool altp2m = false;

	vmt_xen_keep(x, first, vmt_xen_bytes_undo(x, &report->bytes));
	if (x->journal.j->ring == VMT_XEN_RING_NONE)
		return;
	vmt_xen_keep(x, first, vmt_xen_monitors_repair(x));
	steps_off(x, first);
	if (x->journal.j->altp2m && xc_altp2m_get_domain_state(x->xch, x->domid, &altp2m) == 0 &&
	    altp2m && xc_altp2m_switch_to_view(x->xch, x->domid, 0) < 0)
		vmt_xen_keep(x, first, vmt_xen_failed(x, "Xen does not switch to view 0"));
	rights_back(x, first);
	(void)xc_monitor_inguest_pagefault(x->xch, x->domid, false);
}

static void take_pages_away(struct vmt_xen *x, struct vmt_xen_first *first)
{
	const struct vmt_xen_journal *j = x->journal.j;

	for (unsigned i = 0; i < VMT_XEN_JOURNAL_OWN; i++) {
		xen_pfn_t frame = j->own_pages[i] - 1;
		void *page;

		/* it may not have got that far */
		if (j->own_pages[i] == 0 || vmt_xen_map(x, frame, &page) < 0)
			continue;
		vmt_xen_unmap_all(x);
		if (xc_domain_decrease_reservation_exact(x->xch, x->domid, 1, 0, &frame) < 0)
			vmt_xen_keep(x, first,
				     vmt_xen_failed(x, "the added page %#llx stays",
						    (unsigned long long)frame));
	}
	if (j->maxmem_raised && xc_domain_setmaxmem(x->xch, x->domid, j->max_memkb) < 0)
		vmt_xen_keep(x, first, vmt_xen_failed(x, "the memory limit stays raised"));
}

static void undo_rest(struct vmt_xen *x, struct vmt_xen_first *first)
{
	bool altp2m = false;

	if (x->journal.j->altp2m && xc_altp2m_get_domain_state(x->xch, x->domid, &altp2m) == 0 &&
	    altp2m && xc_altp2m_set_domain_state(x->xch, x->domid, false) < 0)
		vmt_xen_keep(x, first, vmt_xen_failed(x, "Xen does not switch altp2m off"));
	vmt_xen_unmap_all(x);
	take_pages_away(x, first);
	vmt_xen_ring_release(x);
}

int vmt_xen_repair(struct vmt_xen *x, struct vmt_xen_repair_report *report)
{
	struct vmt_xen_first first = {0};
	struct vmt_xen_journal *j = x->journal.j;
	bool lost;

	memset(report, 0, sizeof(*report));
	if (j->clean || vmt_xen_gone(x))
		return 0;
	report->attached = j->ring != VMT_XEN_RING_NONE;
	lost = report->attached && !x->page;
	pause_again(x, &first);
	if (report->attached)
		flush(x, report);
	undo_with_ring(x, report, &first);
	if (lost) {
		report->forged = true;
		vmt_xen_keep(x, &first, forge(x));
	}
	if (report->attached && x->page)
		answer_and_disable(x, &first);
	undo_rest(x, &first);
	resume(x, &first);
	if (first.status == 0)
		j->clean = 1;
	return vmt_xen_gone(x) ? 0 : vmt_xen_kept(x, &first);
}
