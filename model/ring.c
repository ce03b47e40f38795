/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ring: 8 slots, each taken from the event's queuing until Xen has consumed its response.
 *
 * A vCPU that finds no slot sleeps with its event in hand (vm_event_wait_slot) and queues it when it
 * runs again. A vCPU that leaves fewer slots than there are vCPUs, and is not held by an event, is put
 * to sleep after queuing (vm_event_mark_and_pause). So asynchronous events can fill the ring, and
 * none is lost.
 *
 * Sources: xen/common/vm_event.c, xen/common/monitor.c (monitor_traps), public/io/ring.h.
 */
#include "state.h"

unsigned vmt_ring_free_slots(const struct vmt_model *m)
{
	unsigned n = 0;

	for (unsigned i = 0; i < VMT_RING_SLOTS; i++)
		n += m->slots[i].state == VMT_SLOT_FREE;
	return n;
}

struct vmt_slot *vmt_slot_find(struct vmt_model *m, uint64_t ticket)
{
	for (unsigned i = 0; i < VMT_RING_SLOTS; i++) {
		if (m->slots[i].state != VMT_SLOT_FREE && m->slots[i].event.ticket == ticket)
			return &m->slots[i];
	}
	return NULL;
}

static bool anyone_waits(const struct vmt_model *m)
{
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		if (m->vcpus[i].waiting)
			return true;
	}
	return false;
}

/* vm_event_wake: those in the wait queue come first, and wake by themselves as slots are free. */
static void wake(struct vmt_model *m)
{
	unsigned free_slots = vmt_ring_free_slots(m);
	uint16_t start = (uint16_t)((m->last_wake + 1) % m->nvcpus);

	if (anyone_waits(m))
		return;
	for (uint16_t j = 0; j < m->nvcpus && free_slots > 0; j++) {
		uint16_t k = (uint16_t)((start + j) % m->nvcpus);

		if (!m->vcpus[k].blocked)
			continue;
		m->vcpus[k].blocked = false;
		m->last_wake = k;
		free_slots--;
	}
}

void vmt_ring_release(struct vmt_model *m, struct vmt_slot *slot)
{
	slot->state = VMT_SLOT_FREE;
	wake(m);
}

/* What monitor_traps fills in: the view, if altp2m is active, and the vCPU's registers. */
static void fill_event(const struct vmt_model *m, uint16_t vcpu, struct vmt_event *ev)
{
	const struct vmt_vcpu_state *v = &m->vcpus[vcpu];

	ev->vcpu = vcpu;
	ev->flags = (uint16_t)(ev->flags & ~VMT_EVENT_HAS_VIEW);
	ev->view = 0;
	if (m->altp2m) {
		ev->flags |= VMT_EVENT_HAS_VIEW;
		ev->view = v->view;
	}
	if (ev->regs.known == 0)
		vmt_regs_masked(&ev->regs, &v->regs, VMT_KNOWN_XEN_EVENT);
}

static struct vmt_slot *free_slot(struct vmt_model *m)
{
	for (unsigned i = 0; i < VMT_RING_SLOTS; i++) {
		if (m->slots[i].state == VMT_SLOT_FREE)
			return &m->slots[i];
	}
	return NULL;
}

/* monitor_traps and vm_event_put_request, with a slot at hand. */
static void queue(struct vmt_model *m, uint16_t vcpu, const struct vmt_event *ev, bool verbatim,
		  const struct vmt_rest *rest)
{
	struct vmt_slot *slot = free_slot(m);
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];

	slot->state = VMT_SLOT_QUEUED;
	slot->event = *ev;
	slot->event.ticket = ++m->ticket;
	if (!verbatim)
		fill_event(m, vcpu, &slot->event);
	slot->deferred = m->monitors.deferring &&
			 (rest->after == VMT_AFTER_WRITE_MSR ||
			  (rest->after == VMT_AFTER_WRITE_CR && rest->what != VMT_XCR0));
	if (ev->flags & VMT_EVENT_SYNC)
		v->held++;
	wake(m);
	if (vmt_ring_free_slots(m) < m->nvcpus && v->held == 0)
		v->blocked = true;
	vmt_model_changed(m);
}

int vmt_ring_post(struct vmt_model *m, uint16_t vcpu, const struct vmt_event *ev, bool verbatim,
		  const struct vmt_rest *rest)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];

	if (v->waiting)
		return VMT_GUEST_STOPPED; /* it sleeps, and causes nothing */
	if (!m->ring) {
		vmt_rest_do(m, vcpu, rest, false);
		return VMT_GUEST_GOES_ON;
	}
	if (vmt_ring_free_slots(m) == 0) {
		v->waiting = true;
		v->blocked = false; /* one sleep is enough */
		v->waiting_verbatim = verbatim;
		v->waiting_event = *ev;
		v->waiting_rest = *rest;
		vmt_model_changed(m);
		return VMT_GUEST_STOPPED;
	}
	queue(m, vcpu, ev, verbatim, rest);
	vmt_rest_do(m, vcpu, rest, true);
	return ev->flags & VMT_EVENT_SYNC ? VMT_GUEST_STOPPED : VMT_GUEST_GOES_ON;
}

void vmt_ring_post_waiting(struct vmt_model *m, uint16_t vcpu)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	struct vmt_rest rest = v->waiting_rest;
	bool async = !(v->waiting_event.flags & VMT_EVENT_SYNC);

	v->waiting = false;
	queue(m, vcpu, &v->waiting_event, v->waiting_verbatim, &rest);
	vmt_rest_do(m, vcpu, &rest, true);
	if (async && rest.after == VMT_AFTER_DEBUG)
		vmt_raise(m, vcpu, &rest.interrupt);
	if (async && rest.after == VMT_AFTER_VMEXIT)
		v->vmexit_told = true;
}

int vmt_model_post(struct vmt_model *m, const struct vmt_event *ev, bool verbatim,
		   struct vmt_error *err)
{
	const struct vmt_rest nothing = {.after = VMT_AFTER_NOTHING};

	if (!vmt_vcpu_need(m, ev->vcpu, err))
		return -VMT_E_NOT_FOUND;
	if (m->vcpus[ev->vcpu].waiting)
		return vmt_error_set(
			err, VMT_E_WRONG_PLACE, NULL,
			"vCPU %u waits for the ring with an event in hand; a vCPU that "
			"sleeps causes no other",
			ev->vcpu);
	return vmt_ring_post(m, ev->vcpu, ev, verbatim, &nothing);
}

int vmt_model_pending(const struct vmt_model *m, uint32_t *n)
{
	*n = 0;
	for (unsigned i = 0; i < VMT_RING_SLOTS; i++)
		*n += m->slots[i].state == VMT_SLOT_QUEUED;
	return 0;
}

int vmt_model_next(struct vmt_model *m, struct vmt_event *ev, struct vmt_error *err)
{
	struct vmt_slot *oldest = NULL;
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < VMT_RING_SLOTS; i++) {
		struct vmt_slot *slot = &m->slots[i];

		if (slot->state == VMT_SLOT_QUEUED &&
		    (!oldest || slot->event.ticket < oldest->event.ticket))
			oldest = slot;
	}
	if (!oldest)
		return 0;
	oldest->state = VMT_SLOT_TAKEN;
	*ev = oldest->event;
	return 1;
}
