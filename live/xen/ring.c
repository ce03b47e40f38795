/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor ring: one page of 8 slots that Xen fills with requests and reads responses from.
 *
 * xc_monitor_enable() takes the page out of the domain before anybody else could map it. Here the
 * steps are done one by one, in an order that lets a second process map the page in between, and each
 * is undone when a later one fails.
 *
 * Responses are put on the ring at commit, in the order of the answers, and told of by one
 * notification, in which Xen consumes them all (vm_event_notification).
 *
 * Sources: tools/libs/ctrl/xc_vm_event.c, xen/common/vm_event.c, public/io/ring.h.
 */
#include <string.h>
#include <sys/mman.h>

#include "driver.h"
#include "requests.h"

/* -------------------------------------------------------------------------------------------- */
/* Enabling                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void *map_frame(struct vmt_xen *x, xen_pfn_t frame)
{
	int error = 0;
	void *page = xenforeignmemory_map(x->memory, x->domid, PROT_READ | PROT_WRITE, 1, &frame,
					  &error);

	if (page && error) {
		xenforeignmemory_unmap(x->memory, page, 1);
		errno = -error;
		return NULL;
	}
	return page;
}

/* The page is not in the domain when a monitor has used the ring before: then put one there. */
static int map_ring(struct vmt_xen *x, xen_pfn_t *frame, bool *added)
{
	uint64_t pfn = 0;

	if (xc_hvm_param_get(x->xch, x->domid, HVM_PARAM_MONITOR_RING_PFN, &pfn) < 0 || pfn == 0)
		return vmt_xen_failed(x, "domain %s has no frame for the monitor ring", x->name);
	*frame = pfn;
	x->page = map_frame(x, *frame);
	if (x->page)
		return 0;
	if (xc_domain_populate_physmap_exact(x->xch, x->domid, 1, 0, 0, frame) < 0)
		return vmt_xen_failed(x, "no page can be added to domain %s for the monitor ring",
				      x->name);
	*added = true;
	x->page = map_frame(x, *frame);
	if (!x->page)
		return vmt_xen_failed(x, "the monitor ring cannot be mapped");
	return 0;
}

static int another_monitor(struct vmt_xen *x)
{
	return vmt_xen_refuse(x, VMT_E_BUSY,
			      "another monitor is attached to domain %s; end it first. If it was "
			      "killed, create the domain anew",
			      x->name);
}

static void note_ring(struct vmt_xen *x, enum vmt_xen_ring_note state)
{
	vmt_xen_journal_order();
	x->journal.j->ring = state;
	vmt_xen_journal_order();
}

static int enable(struct vmt_xen *x, xen_pfn_t frame)
{
	uint32_t port = 0;

	int r;

	memset(x->page, 0, XC_PAGE_SIZE);
	SHARED_RING_INIT((vm_event_sring_t *)x->page);
	BACK_RING_INIT(&x->ring, (vm_event_sring_t *)x->page, XC_PAGE_SIZE);
	r = vmt_xen_keeper_map(x, frame);
	if (r < 0)
		return r;
	note_ring(x, VMT_XEN_RING_TRYING);
	if (xc_vm_event_control(x->xch, x->domid, XEN_VM_EVENT_ENABLE,
				XEN_DOMCTL_VM_EVENT_OP_MONITOR, &port) < 0) {
		note_ring(x, VMT_XEN_RING_NONE);
		if (errno == EBUSY)
			return another_monitor(x);
		return vmt_xen_failed(x, "Xen does not enable the monitor ring of domain %s",
				      x->name);
	}
	note_ring(x, VMT_XEN_RING_ON);
	x->ring_on = true;
	if (xc_domain_decrease_reservation_exact(x->xch, x->domid, 1, 0, &frame) < 0)
		return vmt_xen_failed(x,
				      "the monitor ring cannot be taken out of the guest's reach");
	x->port = xenevtchn_bind_interdomain(x->evtchn, x->domid, port);
	if (x->port < 0)
		return vmt_xen_failed(x, "the monitor's event channel cannot be bound");
	return 0;
}

int vmt_xen_ring_enable(struct vmt_xen *x)
{
	xen_pfn_t frame = 0;
	bool added = false;
	int r;

	/* Xen consumes what another one has answered, and otherwise says that there is no ring. */
	if (xc_vm_event_control(x->xch, x->domid, XEN_VM_EVENT_RESUME,
				XEN_DOMCTL_VM_EVENT_OP_MONITOR, NULL) == 0)
		return another_monitor(x);
	r = map_ring(x, &frame, &added);
	x->journal.j->ring_gfn = frame;
	if (r == 0)
		r = enable(x, frame);
	if (r < 0 && added && !x->ring_on) {
		/* another monitor's ring page is out of the domain, and this one took its place */
		if (x->page)
			xenforeignmemory_unmap(x->memory, x->page, 1);
		x->page = NULL;
		xc_domain_decrease_reservation_exact(x->xch, x->domid, 1, 0, &frame);
	}
	return r;
}

int vmt_xen_ring_disable(struct vmt_xen *x)
{
	if (!x->ring_on)
		return 0;
	if (xc_vm_event_control(x->xch, x->domid, XEN_VM_EVENT_DISABLE,
				XEN_DOMCTL_VM_EVENT_OP_MONITOR, NULL) < 0)
		return vmt_xen_failed(x, "Xen does not disable the monitor ring");
	note_ring(x, VMT_XEN_RING_NONE);
	x->ring_on = false;
	return 0;
}

void vmt_xen_ring_release(struct vmt_xen *x)
{
	if (x->port >= 0)
		xenevtchn_unbind(x->evtchn, (evtchn_port_t)x->port);
	x->port = -1;
	if (x->page)
		xenforeignmemory_unmap(x->memory, x->page, 1);
	x->page = NULL;
	x->ring_on = false;
	vmt_xen_keeper_unmap(x);
}

/* -------------------------------------------------------------------------------------------- */
/* Taking                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static uint32_t unconsumed(const struct vmt_xen *x)
{
	return x->ring_on ? x->ring.sring->req_prod - x->ring.req_cons : 0;
}

int vmt_xen_pending(struct vmt_driver *d, uint32_t *n)
{
	*n = unconsumed(vmt_xen_of(d));
	return 0;
}

int vmt_xen_overhead(struct vmt_driver *d, uint64_t *ns)
{
	const struct vmt_xen *x = vmt_xen_of(d);

	*ns = x->busy_ns + (x->busy_since ? vmt_xen_now() - x->busy_since : 0);
	return 0;
}

/*
 * CLTS is a write of CR0 that Xen carries out at once, deferring or not; its event cannot be told from
 * that of a MOV but by the instruction (vmx_cr_access).
 */
static bool is_clts(struct vmt_xen *x, const struct vmt_event *ev)
{
	static const uint64_t cr0_ts = UINT64_C(1) << 3;
	uint64_t rip = ev->regs.gprs.rip;
	unsigned long frame;
	uint8_t insn[2];

	if (ev->u.cr.cr != VMT_CR0 || (ev->u.cr.old_value ^ ev->u.cr.new_value) != cr0_ts ||
	    (ev->u.cr.new_value & cr0_ts))
		return false;
	frame = xc_translate_foreign_address(x->xch, x->domid, ev->vcpu, rip);
	if (frame == 0 || (rip & VMT_PAGE_MASK) > VMT_PAGE_SIZE - sizeof(insn) ||
	    vmt_xen_read(&x->base, vmt_gfn_from(frame), rip & VMT_PAGE_MASK, insn, sizeof(insn)) <
		    0) {
		memset(&x->base.err, 0, sizeof(x->base.err));
		return true; /* not known: then it shall not be denied */
	}
	return insn[0] == 0x0f && insn[1] == 0x06;
}

static bool waits_for_answer(struct vmt_xen *x, const struct vmt_event *ev)
{
	if (!x->on[VMT_MONITOR_DEFERRED_WRITES] || !(ev->flags & VMT_EVENT_SYNC))
		return false;
	if (ev->reason == VMT_EVENT_WRITE_MSR)
		return true;
	return ev->reason == VMT_EVENT_WRITE_CR && ev->u.cr.cr != VMT_XCR0 && !is_clts(x, ev);
}

static struct vmt_xen_slot *free_slot(struct vmt_xen *x)
{
	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		if (x->slots[i].state == VMT_XEN_FREE)
			return &x->slots[i];
	}
	return NULL;
}

/* Before it is consumed: from then on a response to another one may be written over it. */
static void note_held(struct vmt_xen *x, const struct vmt_xen_slot *slot)
{
	struct vmt_xen_held *held = &x->journal.j->held[slot - x->slots];

	held->index = x->ring.req_cons;
	held->request = slot->request;
	vmt_xen_journal_order();
	held->state = VMT_XEN_HELD;
	vmt_xen_journal_order();
}

/* After its response stands in the ring, before that is pushed. */
static void note_written(struct vmt_xen *x, const struct vmt_xen_slot *slot)
{
	vmt_xen_journal_order();
	x->journal.j->held[slot - x->slots].state = VMT_XEN_WRITTEN;
	vmt_xen_journal_order();
}

static void note_pushed(struct vmt_xen *x)
{
	vmt_xen_journal_order();
	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		if (x->journal.j->held[i].state == VMT_XEN_WRITTEN)
			x->journal.j->held[i].state = VMT_XEN_HELD_FREE;
	}
}

int vmt_xen_next(struct vmt_driver *d, struct vmt_event *ev)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct vmt_xen_slot *slot = free_slot(x);
	struct vmt_xen_vcpu *v;
	int r = vmt_xen_need_ring(x);

	if (r < 0)
		return r;
	if (unconsumed(x) == 0)
		return 0;
	if (!slot)
		return vmt_xen_refuse(x, VMT_E_WRONG_PLACE,
				      "%u events were taken; answer and commit them first",
				      VMT_XEN_SLOTS);
	xen_rmb(); /* the request after its announcement */
	slot->request = *RING_GET_REQUEST(&x->ring, x->ring.req_cons);
	note_held(x, slot);
	x->ring.req_cons++;
	x->journal.j->req_cons = x->ring.req_cons;
	x->ring.sring->req_event = x->ring.req_cons + 1;

	vmt_xen_request_decode(&slot->request, ev);
	ev->ticket = ++x->ticket;
	if (x->busy_since == 0)
		x->busy_since = vmt_xen_now();
	slot->state = VMT_XEN_TAKEN;
	slot->ticket = ev->ticket;
	slot->deferred = waits_for_answer(x, ev);
	if (ev->vcpu >= x->nvcpus)
		return 1; /* not seen to happen; it can be answered all the same */
	v = &x->vcpus[ev->vcpu];
	v->injecting = false;
	v->unsettled = false; /* it has run since its last answer, or there were no event */
	if (ev->flags & VMT_EVENT_HAS_VIEW)
		v->view = ev->view;
	return 1;
}

/* -------------------------------------------------------------------------------------------- */
/* Answering                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_xen_slot *taken_slot(struct vmt_xen *x, const struct vmt_event *ev)
{
	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		struct vmt_xen_slot *slot = &x->slots[i];

		if (slot->state == VMT_XEN_TAKEN && slot->ticket == ev->ticket &&
		    slot->request.vcpu_id == ev->vcpu)
			return slot;
	}
	return NULL;
}

/* Is the access of this memory event still forbidden, in the view that the vCPU is in now? */
static bool still_forbidden(struct vmt_xen *x, const struct vmt_event *ev)
{
	const struct vmt_memory_access *a = &ev->u.memory;
	struct vmt_access have;

	if (vmt_xen_get_access(&x->base, x->vcpus[ev->vcpu].view, vmt_gfn_of(a->gpa), &have) < 0) {
		memset(&x->base.err, 0, sizeof(x->base.err));
		return true;
	}
	return a->access & ~(unsigned)have.rights;
}

static int need(void *ctx, uint32_t capability, struct vmt_error *err)
{
	(void)err; /* it is the driver's own */
	return vmt_xen_need(ctx, capability);
}

/* What the pure checks need to know. */
static void look(struct vmt_xen *x, const struct vmt_xen_slot *slot, const struct vmt_event *ev,
		 const struct vmt_response *rsp, struct vmt_situation *s)
{
	const struct vmt_xen_vcpu *v = &x->vcpus[ev->vcpu];

	*s = (struct vmt_situation){
		.vendor = x->vendor,
		.deferring = x->on[VMT_MONITOR_DEFERRED_WRITES],
		.deferred = slot && slot->deferred,
		.watches_step = x->on[VMT_MONITOR_SINGLESTEP],
		.stepped = v->wanted,
		.injecting = v->injecting,
		.view_exists = vmt_xen_view_exists(x, rsp->view),
		.need = need,
		.ctx = x,
	};
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS &&
	    (rsp->action == VMT_EMULATE_NOWRITE || rsp->action == VMT_EMULATE_READ))
		s->forbidden = still_forbidden(x, ev);
}

int vmt_xen_answer(struct vmt_driver *d, const struct vmt_event *ev, const struct vmt_response *rsp)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct vmt_xen_slot *slot = taken_slot(x, ev);
	struct vmt_situation situation;
	int r = vmt_xen_need_ring(x);

	if (r == 0 && !slot)
		r = vmt_xen_refuse(x, VMT_E_NOT_FOUND,
				   "event %llu of vCPU %u was not taken, or was answered before",
				   (unsigned long long)ev->ticket, ev->vcpu);
	if (r == 0)
		r = vmt_xen_need_vcpu(x, ev->vcpu);
	if (r < 0)
		return r;
	look(x, slot, ev, rsp, &situation);
	r = vmt_refuse_response(&situation, ev, rsp, &x->base.err);
	if (r == 0 && rsp->action == VMT_FAST_SINGLESTEP)
		r = vmt_xen_step_prepare(x);
	/* The vCPU stands, so this waits with the response; here it can still be refused. */
	if (r == 0 && rsp->action == VMT_REINJECT)
		r = vmt_xen_inject(d, ev->vcpu, &ev->u.interrupt.interrupt);
	if (r < 0)
		return r;
	vmt_xen_answer_store(&slot->answer, rsp);
	slot->order = ++x->order;
	slot->state = VMT_XEN_ANSWERED;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Committing                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_xen_slot *first_answered(struct vmt_xen *x)
{
	struct vmt_xen_slot *first = NULL;

	for (unsigned i = 0; i < VMT_XEN_SLOTS; i++) {
		struct vmt_xen_slot *slot = &x->slots[i];

		if (slot->state == VMT_XEN_ANSWERED && (!first || slot->order < first->order))
			first = slot;
	}
	return first;
}

static int put(struct vmt_xen *x, struct vmt_xen_slot *slot)
{
	uint32_t vcpu = slot->request.vcpu_id;
	uint32_t step_flag = 0;
	int r = vmt_xen_step_plan(x, slot, &step_flag);

	vmt_xen_response_encode(&slot->request, &slot->answer, step_flag,
				RING_GET_RESPONSE(&x->ring, x->ring.rsp_prod_pvt));
	note_written(x, slot);
	x->ring.rsp_prod_pvt++;
	slot->state = VMT_XEN_FREE;
	if (vcpu >= x->nvcpus)
		return r;
	if (slot->request.flags & VM_EVENT_FLAG_VCPU_PAUSED)
		x->vcpus[vcpu].unsettled = true;
	if (slot->answer.flags & VMT_RSP_VIEW)
		x->vcpus[vcpu].view = slot->answer.view;
	return r;
}

int vmt_xen_commit(struct vmt_driver *d)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct vmt_xen_first first = {0};
	struct vmt_xen_slot *slot;
	bool any = false;
	int r = vmt_xen_need_ring(x);

	if (r < 0)
		return r;
	while ((slot = first_answered(x))) {
		vmt_xen_keep(x, &first, put(x, slot));
		any = true;
	}
	if (any) {
		RING_PUSH_RESPONSES(&x->ring);
		note_pushed(x);
		if (xenevtchn_notify(x->evtchn, (evtchn_port_t)x->port) < 0)
			vmt_xen_keep(x, &first,
				     vmt_xen_failed(x, "Xen cannot be told of the responses"));
	}
	if (x->busy_since) {
		x->busy_ns += vmt_xen_now() - x->busy_since;
		x->busy_since = 0;
	}
	return vmt_xen_kept(x, &first);
}
