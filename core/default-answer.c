/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer that is safe when no handler decides.
 *
 * It holds once traps are gone (the teardown has reset them): a guest's own int3, a descriptor
 * access or a write to a once protected page is simply executed again, this time without an event.
 * Two kinds need more. CPUID was executed: its registers hold the result, and executing it again
 * with EAX overwritten gives a wrong one, so RIP moves past it (measured on Xen 4.17: the guest
 * sees a wrong CPUID otherwise). A debug exception was consumed by the event: nothing raises it
 * again, so it is delivered.
 */
#include <vmitape/run.h>

enum default_kind {
	DEFAULT_CONTINUE = 0,
	DEFAULT_SKIP_CPUID,
	DEFAULT_REINJECT_DEBUG, /**< continue for int3, which is executed again */
};

static const uint8_t default_kinds[VMT_REASON_COUNT] = {
	[VMT_EVENT_UNKNOWN] = DEFAULT_CONTINUE,
	[VMT_EVENT_MEMORY_ACCESS] = DEFAULT_CONTINUE,
	[VMT_EVENT_WRITE_CR] = DEFAULT_CONTINUE,
	[VMT_EVENT_WRITE_MSR] = DEFAULT_CONTINUE,
	[VMT_EVENT_INTERRUPT] = DEFAULT_REINJECT_DEBUG,
	[VMT_EVENT_SINGLESTEP] = DEFAULT_CONTINUE, /* an action other than step: stepping off */
	[VMT_EVENT_HYPERCALL] = DEFAULT_CONTINUE,
	[VMT_EVENT_CPUID] = DEFAULT_SKIP_CPUID,
	[VMT_EVENT_IO] = DEFAULT_CONTINUE,
	[VMT_EVENT_DESCRIPTOR] = DEFAULT_CONTINUE,
	[VMT_EVENT_NEXT_INTERRUPT] = DEFAULT_CONTINUE,
	[VMT_EVENT_VMEXIT] = DEFAULT_CONTINUE,
	[VMT_EVENT_EMUL_UNIMPLEMENTED] = DEFAULT_CONTINUE,
};

struct vmt_response vmt_default_answer(const struct vmt_event *ev, struct vmt_gprs *gprs)
{
	unsigned kind =
		ev->reason < VMT_REASON_COUNT ? default_kinds[ev->reason] : DEFAULT_CONTINUE;

	/* A response sets all general registers: those that the event does not tell would be lost. */
	if (kind == DEFAULT_SKIP_CPUID && (ev->flags & VMT_EVENT_SYNC) &&
	    (ev->regs.known & VMT_KNOWN_GPRS) == VMT_KNOWN_GPRS) {
		*gprs = ev->regs.gprs;
		gprs->rip += ev->u.cpuid.insn_length;
		return vmt_with_regs(vmt_respond(VMT_CONTINUE), gprs);
	}
	if (kind == DEFAULT_REINJECT_DEBUG && (ev->flags & VMT_EVENT_SYNC) &&
	    ev->u.interrupt.interrupt.vector == 1)
		return vmt_respond(VMT_REINJECT);
	return vmt_respond(VMT_CONTINUE);
}
