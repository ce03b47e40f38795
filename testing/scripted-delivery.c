/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exceptions and interrupts that the scripted guest itself receives: counted, and shown to the
 * test's function, which stands for the guest's handlers.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "scripted.h"

static bool is_software(const struct vmt_interrupt *interrupt)
{
	return interrupt->type == VMT_INT_SW_INTERRUPT ||
	       interrupt->type == VMT_INT_PRIV_SW_EXCEPTION ||
	       interrupt->type == VMT_INT_SW_EXCEPTION;
}

static struct vmt_delivered *new_delivered(struct vmt_scripted *s)
{
	size_t cap = s->delivered_cap ? s->delivered_cap * 2 : 16;
	struct vmt_delivered *delivered;

	if (s->ndelivered == s->delivered_cap) {
		delivered = realloc(s->delivered, cap * sizeof(*delivered));
		if (!delivered)
			return NULL;
		s->delivered = delivered;
		s->delivered_cap = cap;
	}
	delivered = &s->delivered[s->ndelivered];
	delivered->number = s->ndelivered++;
	return delivered;
}

int vmt_scripted_deliver(struct vmt_scripted *s, uint16_t vcpu,
			 const struct vmt_interrupt *interrupt)
{
	struct vmt_regs *regs = vmt_model_regs(s->model, vcpu);
	struct vmt_delivered *kept = new_delivered(s);
	struct vmt_delivered delivered;
	int r;

	if (!kept)
		return vmt_error_set(&s->driver.err, VMT_E_NO_MEMORY, "scripted domain",
				     "no memory to count the guest's exceptions");
	if (interrupt->vector == 14)
		regs->cr2 = interrupt->extra;
	/* Of software kinds the return address is behind the instruction (SDM volume 3, 26.6.3). */
	if (is_software(interrupt))
		regs->gprs.rip += interrupt->insn_length;
	kept->vcpu = vcpu;
	kept->now = s->now;
	kept->rip = regs->gprs.rip;
	kept->interrupt = *interrupt;
	if (!s->on_delivery)
		return 0;
	delivered = *kept; /* the function may deliver more, and move the array */
	r = s->on_delivery(&s->driver, &delivered, s->on_delivery_arg);
	if (r < 0)
		return vmt_scripted_fail(s, vcpu, VMT_E_INVALID,
					 "the function for deliveries failed (%d) at vector %u", r,
					 interrupt->vector);
	return 0;
}

int vmt_scripted_raise(struct vmt_scripted *s, uint16_t vcpu, uint8_t vector, uint32_t error_code,
		       uint64_t address, const char *why)
{
	const struct vmt_interrupt exception = {
		.vector = vector,
		.type = VMT_INT_HW_EXCEPTION,
		.error_code = error_code,
		.extra = vector == 14 ? address : 0,
	};
	int r;

	if (!s->on_delivery)
		return vmt_scripted_fail(
			s, vcpu, VMT_E_INVALID,
			"the guest gets exception %u at address 0x%" PRIx64 " (%s) and has no "
			"handler for it: mend the script, or give vmt_scripted_on_delivery a "
			"function",
			vector, address, why);
	r = vmt_scripted_deliver(s, vcpu, &exception);
	return r < 0 ? r : VMT_ATTEMPT_AGAIN;
}

int vmt_scripted_on_delivery(struct vmt_driver *d, vmt_scripted_delivery_fn *fn, void *arg)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	if (!s)
		return -VMT_E_INVALID;
	s->on_delivery = fn;
	s->on_delivery_arg = arg;
	return 0;
}

size_t vmt_scripted_ndelivered(struct vmt_driver *d, int vector)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	size_t n = 0;

	for (size_t i = 0; s && i < s->ndelivered; i++)
		n += vector == -1 || s->delivered[i].interrupt.vector == vector;
	return n;
}

const struct vmt_delivered *vmt_scripted_delivered(struct vmt_driver *d, size_t n)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s && n < s->ndelivered ? &s->delivered[n] : NULL;
}
