/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Injection: exceptions and interrupts that the monitor sends, and those that Xen raises itself.
 *
 * One injection per vCPU waits until it is scheduled in; if something else is to be delivered there
 * already, the injection is dropped in silence (hvm_do_resume).
 *
 * Sources: xen/arch/x86/hvm/dm.c (inject_event), hvm/hvm.c (hvm_do_resume, hvm_inject_event,
 * hvm_combine_hw_exceptions), vmx/vmx.c (vmx_inject_event).
 */
#include <string.h>

#include "refusals.h"
#include "state.h"

#define DOUBLE_FAULT 8u
#define PAGE_FAULT   14u

/* #DF #TS #NP #SS #GP #PF #AC push an error code. */
#define WITH_CODE \
	((1u << 8) | (1u << 10) | (1u << 11) | (1u << 12) | (1u << 13) | (1u << 14) | (1u << 17))
/* Newer ones that do on some CPUs: #CP, #VC, #SX. */
#define EITHER_WAY   ((1u << 21) | (1u << 29) | (1u << 30))
#define CONTRIBUTORY ((1u << 0) | (1u << 10) | (1u << 11) | (1u << 12) | (1u << 13))

static bool is_exception(const struct vmt_interrupt *in)
{
	return in->type == VMT_INT_HW_EXCEPTION && in->vector < 32;
}

/*
 * Xen's event has no length, and in the fields of an interrupt without error code or address it has
 * what stood there last: none of that is told.
 */
void vmt_interrupt_told(const struct vmt_interrupt *in, struct vmt_interrupt *told)
{
	uint32_t bit = is_exception(in) ? UINT32_C(1) << in->vector : 0;

	memset(told, 0, sizeof(*told));
	told->vector = in->vector;
	told->type = in->type;
	told->error_code = VMT_NO_ERROR_CODE;
	if (bit & (WITH_CODE | EITHER_WAY))
		told->error_code = in->error_code;
	if (bit & (1u << PAGE_FAULT))
		told->extra = in->extra;
}

/* An answer that is stored will inject at commit. */
static bool reinjection_stored(const struct vmt_model *m, uint16_t vcpu)
{
	for (unsigned i = 0; i < VMT_RING_SLOTS; i++) {
		const struct vmt_slot *slot = &m->slots[i];

		if (slot->state == VMT_SLOT_ANSWERED && slot->event.vcpu == vcpu &&
		    slot->answer.action == VMT_REINJECT)
			return true;
	}
	return false;
}

int vmt_model_inject(struct vmt_model *m, uint16_t vcpu, const struct vmt_interrupt *interrupt,
		     struct vmt_error *err)
{
	struct vmt_vcpu_state *v = vmt_vcpu_need(m, vcpu, err);
	int r = vmt_ring_need(m, err);

	if (!v)
		return -VMT_E_NOT_FOUND;
	if (r == 0)
		r = vmt_capability_need(m, VMT_CAP_INJECT, err);
	if (r == 0)
		r = vmt_refuse_injection(m->vendor, interrupt, err);
	if (r < 0)
		return r;
	if (v->injecting || reinjection_stored(m, vcpu))
		return vmt_error_set(
			err, VMT_E_BUSY, NULL,
			"another injection waits for vCPU %u already; let it run first", vcpu);
	v->injecting = true;
	v->inject = *interrupt;
	vmt_model_changed(m);
	return 0;
}

void vmt_raise(struct vmt_model *m, uint16_t vcpu, const struct vmt_interrupt *in)
{
	struct vmt_vcpu_state *v = &m->vcpus[vcpu];
	uint32_t old = is_exception(&v->due_interrupt) ? 1u << v->due_interrupt.vector : 0;
	uint32_t new = is_exception(in) ? 1u << in->vector : 0;
	bool twice;

	if (in->type == VMT_INT_HW_EXCEPTION && in->vector == PAGE_FAULT)
		v->regs.cr2 = in->extra;
	twice = v->due &&
		(((old & CONTRIBUTORY) && (new &CONTRIBUTORY)) ||
		 ((old & (1u << PAGE_FAULT)) && (new &(CONTRIBUTORY | (1u << PAGE_FAULT)))));
	v->due = true;
	v->due_interrupt = *in;
	if (twice) {
		v->due_interrupt.vector = DOUBLE_FAULT;
		v->due_interrupt.error_code = 0;
		v->due_interrupt.extra = 0;
	}
}

void vmt_raise_exception(struct vmt_model *m, uint16_t vcpu, uint8_t vector, uint32_t error_code)
{
	const struct vmt_interrupt in = {
		.vector = vector, .type = VMT_INT_HW_EXCEPTION, .error_code = error_code};

	vmt_raise(m, vcpu, &in);
}
