/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A vCPU is scheduled in: what was deferred takes place, in the order of hvm_do_resume.
 *
 * Sources: xen/arch/x86/hvm/hvm.c (hvm_do_resume), hvm/vm_event.c (hvm_vm_event_do_resume).
 */
#include <string.h>

#include "state.h"

bool vmt_model_runnable(const struct vmt_model *m, uint16_t vcpu)
{
	const struct vmt_vcpu_state *v;

	if (vcpu >= m->nvcpus || m->pauses > 0)
		return false;
	v = &m->vcpus[vcpu];
	if (v->held > 0 || v->blocked)
		return false;
	return !v->waiting || vmt_ring_free_slots(m) > 0;
}

static int do_emulate(struct vmt_model *m, uint16_t vcpu, struct vmt_entry *entry,
		      struct vmt_error *err)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	const struct vmt_emulation emulation = {
		.action = v->emulate, .data_len = v->emulate_len, .data = v->emulate_data};

	if (v->emulate == 0)
		return 0;
	entry->flags |= VMT_ENTRY_EMULATE;
	entry->action = v->emulate;
	entry->data_len = v->emulate_len;
	entry->data = v->emulate_data;
	v->emulate = 0;
	return m->guest->emulate ? m->guest->emulate(m->ctx, vcpu, &emulation, err) : 0;
}

static void do_inject(struct vmt_model *m, uint16_t vcpu, struct vmt_entry *entry)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];

	if (!v->injecting)
		return;
	v->injecting = false;
	vmt_model_changed(m);
	if (v->due)
		entry->flags |= VMT_ENTRY_LOST;
	else
		vmt_raise(m, vcpu, &v->inject);
}

static void do_next_interrupt(struct vmt_model *m, uint16_t vcpu)
{
	const struct vmt_rest nothing = {.after = VMT_AFTER_NOTHING};
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	struct vmt_event ev;

	if (!v->next_interrupt || !v->due || !m->ring)
		return;
	v->next_interrupt = false;
	memset(&ev, 0, sizeof(ev));
	ev.reason = VMT_EVENT_NEXT_INTERRUPT;
	ev.flags = VMT_EVENT_SYNC;
	vmt_interrupt_told(&v->due_interrupt, &ev.u.next_interrupt);
	vmt_ring_post(m, vcpu, &ev, false, &nothing);
}

static int resume(struct vmt_model *m, uint16_t vcpu, struct vmt_entry *entry,
		  struct vmt_error *err)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	int r;

	v->unsettled = false;
	if (v->set_gprs) {
		v->regs.gprs = v->gprs;
		v->regs.known |= VMT_KNOWN_GPRS;
		v->set_gprs = false;
		entry->flags |= VMT_ENTRY_REGS;
	}
	r = do_emulate(m, vcpu, entry, err);
	if (r < 0)
		return r;
	if (vmt_deferred_do(m, vcpu))
		entry->flags |= VMT_ENTRY_WRITE;
	do_inject(m, vcpu, entry);
	do_next_interrupt(m, vcpu);
	return 0;
}

int vmt_model_enter(struct vmt_model *m, uint16_t vcpu, struct vmt_entry *entry,
		    struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	int r;

	memset(entry, 0, sizeof(*entry));
	if (!v)
		return -VMT_E_NOT_FOUND;
	if (!vmt_model_runnable(m, vcpu))
		return 0;
	if (v->waiting)
		vmt_ring_post_waiting(m, vcpu);
	if (!vmt_model_runnable(m, vcpu))
		return 0;
	r = resume(m, vcpu, entry, err);
	if (r < 0)
		return r;
	if (!vmt_model_runnable(m, vcpu))
		return 0;
	entry->view = v->view;
	if (v->single_step)
		entry->flags |= VMT_ENTRY_STEP;
	if (v->due) {
		entry->flags |= VMT_ENTRY_DELIVER;
		entry->deliver = v->due_interrupt;
		v->due = false;
	}
	return 1;
}

unsigned vmt_model_unsettled(const struct vmt_model *m)
{
	unsigned n = 0;

	for (uint16_t i = 0; i < m->nvcpus; i++)
		n += m->vcpus[i].unsettled;
	return n;
}

static int settle_one(struct vmt_model *m, uint16_t vcpu,
		      int (*entered)(void *arg, uint16_t vcpu, const struct vmt_entry *entry),
		      void *arg, struct vmt_error *err)
{
	struct vmt_entry entry;
	int r = vmt_model_enter(m, vcpu, &entry, err);

	if (r == 1 && entered)
		return entered(arg, vcpu, &entry);
	return r < 0 ? r : 0;
}

int vmt_model_settle(struct vmt_model *m,
		     int (*entered)(void *arg, uint16_t vcpu, const struct vmt_entry *entry),
		     void *arg, struct vmt_error *err)
{
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		int r = m->vcpus[i].unsettled ? settle_one(m, i, entered, arg, err) : 0;

		if (r < 0)
			return r;
	}
	for (uint16_t i = 0; i < m->nvcpus; i++) {
		if (m->vcpus[i].unsettled)
			return vmt_error_set(
				err, VMT_E_BUSY, NULL,
				"vCPU %u has not run since its answer, for %s; a detach "
				"now would lose what was deferred",
				i,
				m->pauses > 0          ? "the domain is paused"
				: m->vcpus[i].held > 0 ? "another event holds it"
						       : "it waits for the ring");
	}
	return 0;
}
