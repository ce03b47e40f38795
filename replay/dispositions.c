/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events and responses under another footprint than the recorded one.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "dispositions.h"
#include "footprints.h"

/* -------------------------------------------------------------------------------------------- */
/* Would it trap?                                                                               */
/* -------------------------------------------------------------------------------------------- */

static bool forbids(const struct vmt_meets *meets, const struct vmt_event *ev, vmt_view view)
{
	const struct vmt_memory_access *a = &ev->u.memory;
	struct vmt_met_page met;

	vmt_met_page(meets, view, vmt_gfn_of(a->gpa), &met);
	return met.there && (a->access & ~(unsigned)met.access.rights) != 0;
}

/** Where RIP is, when the event tells. */
static bool where_rip_is(const struct vmt_event *ev, vmt_gfn *gfn, uint32_t *offset)
{
	*offset = (uint32_t)(ev->regs.gprs.rip & VMT_PAGE_MASK);
	if (!(ev->regs.known & VMT_KNOWN(VMT_REG_RIP)))
		return false;
	if (ev->reason == VMT_EVENT_INTERRUPT)
		*gfn = ev->u.interrupt.gfn;
	else if (ev->reason == VMT_EVENT_SINGLESTEP)
		*gfn = ev->u.step.gfn;
	else
		return false;
	return true;
}

/** The handler's own byte at RIP, as @view shows it: true, and *@byte. */
static bool own_at_rip(const struct vmt_meets *meets, const struct vmt_event *ev, vmt_view view,
		       uint8_t *byte)
{
	struct vmt_met_page met;
	uint32_t offset;
	vmt_gfn gfn;

	if (!where_rip_is(ev, &gfn, &offset))
		return false;
	vmt_met_page(meets, view, gfn, &met);
	return vmt_met_byte(&met, offset, byte);
}

/**
 * An int3 that comes about is either a handler's or the guest's. It is the guest's when the recorded
 * handler had not written there; then this side must not have put something else in its place.
 */
static bool traps_int3(const struct vmt_meets *meets, const struct vmt_meets *recorded,
		       const struct vmt_event *ev)
{
	uint8_t byte;

	if (!vmt_model_monitored(meets->side->model, VMT_MONITOR_BREAKPOINT, 0))
		return false;
	if (own_at_rip(meets, ev, vmt_model_view_of(meets->side->model, ev->vcpu), &byte))
		return byte == VMT_INT3;
	return !own_at_rip(recorded, ev, vmt_model_view_of(recorded->side->model, ev->vcpu), &byte);
}

static bool traps_write(const struct vmt_meets *meets, uint32_t kind, uint32_t what,
			uint64_t new_value, uint64_t old_value)
{
	struct vmt_monitor monitor;

	if (!vmt_side_monitor(meets->side, kind, what, &monitor))
		return false;
	if ((monitor.flags & VMT_MONITOR_ON_CHANGE) && new_value == old_value)
		return false;
	/* xen/arch/x86/hvm/monitor.c, hvm_monitor_cr: no event when any ignored bit changes. */
	return ((new_value ^ old_value) & monitor.ignore) == 0;
}

static bool traps_hypercall(const struct vmt_meets *meets, const struct vmt_event *ev)
{
	struct vmt_monitor monitor;

	if (!vmt_side_monitor(meets->side, VMT_MONITOR_HYPERCALL, 0, &monitor))
		return false;
	return (monitor.flags & VMT_MONITOR_USERSPACE) || vmt_cpl(&ev->regs) != 3;
}

static bool monitored(const struct vmt_meets *meets, uint32_t kind)
{
	return vmt_model_monitored(meets->side->model, kind, 0);
}

bool vmt_would_trap(const struct vmt_meets *meets, const struct vmt_meets *recorded,
		    const struct vmt_event *ev)
{
	const struct vmt_side *side = meets->side;

	switch (ev->reason) {
	case VMT_EVENT_MEMORY_ACCESS:
		return forbids(meets, ev, vmt_model_view_of(side->model, ev->vcpu));
	case VMT_EVENT_WRITE_CR:
		return traps_write(meets, VMT_MONITOR_CR, ev->u.cr.cr, ev->u.cr.new_value,
				   ev->u.cr.old_value);
	case VMT_EVENT_WRITE_MSR:
		return traps_write(meets, VMT_MONITOR_MSR, ev->u.msr.msr, ev->u.msr.new_value,
				   ev->u.msr.old_value);
	case VMT_EVENT_INTERRUPT:
		if (ev->u.interrupt.interrupt.vector == 3)
			return traps_int3(meets, recorded, ev);
		return monitored(meets, VMT_MONITOR_DEBUG);
	case VMT_EVENT_SINGLESTEP:
		return vmt_side_steps(side, ev->vcpu);
	case VMT_EVENT_HYPERCALL:
		return traps_hypercall(meets, ev);
	case VMT_EVENT_CPUID:
		return monitored(meets, VMT_MONITOR_CPUID);
	case VMT_EVENT_IO:
		return monitored(meets, VMT_MONITOR_IO);
	case VMT_EVENT_DESCRIPTOR:
		return monitored(meets, VMT_MONITOR_DESCRIPTOR);
	case VMT_EVENT_NEXT_INTERRUPT:
		return side->next_interrupt[ev->vcpu];
	case VMT_EVENT_VMEXIT:
		return monitored(meets, VMT_MONITOR_VMEXIT);
	case VMT_EVENT_EMUL_UNIMPLEMENTED:
		return monitored(meets, VMT_MONITOR_EMUL_UNIMPLEMENTED);
	default:
		return true; /* not known what causes it: it happened */
	}
}

bool vmt_shows_blind(const struct vmt_meets *replayed, const struct vmt_meets *recorded,
		     const struct vmt_event *ev, uint64_t cr3_before)
{
	vmt_view view = vmt_model_view_of(replayed->side->model, ev->vcpu);
	struct vmt_monitor monitor;
	uint8_t byte;

	if (ev->reason == VMT_EVENT_SINGLESTEP && monitored(replayed, VMT_MONITOR_BREAKPOINT) &&
	    own_at_rip(replayed, ev, view, &byte) && byte == VMT_INT3)
		return !own_at_rip(recorded, ev, vmt_model_view_of(recorded->side->model, ev->vcpu),
				   &byte);
	if (cr3_before == 0 || !(ev->regs.known & VMT_KNOWN(VMT_REG_CR3)) ||
	    ev->regs.cr3 == cr3_before)
		return false;
	return vmt_side_monitor(replayed->side, VMT_MONITOR_CR, VMT_CR3, &monitor) &&
	       !vmt_side_monitor(recorded->side, VMT_MONITOR_CR, VMT_CR3, &monitor);
}

/* -------------------------------------------------------------------------------------------- */
/* What a response makes of the guest                                                           */
/* -------------------------------------------------------------------------------------------- */

bool vmt_response_same(const struct vmt_response *a, const struct vmt_response *b)
{
	if (a->action != b->action || a->flags != b->flags || a->data_len != b->data_len)
		return false;
	if ((a->flags & VMT_RSP_VIEW) && a->view != b->view)
		return false;
	if ((a->flags & VMT_RSP_REGS) && memcmp(a->regs, b->regs, sizeof(*a->regs)) != 0)
		return false;
	return a->data_len == 0 || memcmp(a->data, b->data, a->data_len) == 0;
}

static const char goes_on[] = "goes on";

static const char *const whats[VMT_ACTION_COUNT] = {
	[VMT_CONTINUE] = goes_on,
	[VMT_DENY] = "the write is denied",
	[VMT_REINJECT] = "the guest gets the interrupt",
	[VMT_SINGLESTEP] = goes_on,
	[VMT_FAST_SINGLESTEP] = goes_on,
	[VMT_EMULATE] = goes_on,
	[VMT_EMULATE_NOWRITE] = "emulated without writes",
	[VMT_EMULATE_READ] = "emulated with other data",
	[VMT_EMULATE_INSN] = "emulated from other bytes",
	[VMT_FAIL] = "the handler fails",
};

/** Does the trap of @ev still stand where the response lets the vCPU go on? */
static bool still_there(const struct vmt_meets *meets, const struct vmt_event *ev,
			const struct vmt_response *rsp)
{
	vmt_view view = rsp->flags & VMT_RSP_VIEW ? rsp->view
						  : vmt_model_view_of(meets->side->model, ev->vcpu);
	uint8_t byte;

	if (rsp->action == VMT_EMULATE || rsp->action == VMT_EMULATE_NOWRITE ||
	    rsp->action == VMT_EMULATE_READ || rsp->action == VMT_EMULATE_INSN)
		return false;
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS)
		return forbids(meets, ev, view);
	if (vmt_event_is_breakpoint(ev) && rsp->action != VMT_REINJECT)
		return own_at_rip(meets, ev, view, &byte) && byte == VMT_INT3;
	return false;
}

void vmt_effect_of(const struct vmt_meets *meets, const struct vmt_event *ev,
		   const struct vmt_response *rsp, struct vmt_effect *effect)
{
	memset(effect, 0, sizeof(*effect));
	effect->what = rsp->action < VMT_ACTION_COUNT ? whats[rsp->action] : "invalid";
	effect->gprs = (rsp->flags & VMT_RSP_REGS) && rsp->regs ? *rsp->regs : ev->regs.gprs;
	/* With RIP elsewhere the vCPU does not meet this trap again. */
	effect->stuck = (ev->flags & VMT_EVENT_SYNC) && effect->gprs.rip == ev->regs.gprs.rip &&
			still_there(meets, ev, rsp);
	if (rsp->action == VMT_EMULATE_READ || rsp->action == VMT_EMULATE_INSN) {
		effect->data = rsp->data;
		effect->data_len = rsp->data_len;
	}
}

bool vmt_effect_same(const struct vmt_effect *a, const struct vmt_effect *b)
{
	return a->what == b->what && a->stuck == b->stuck && a->data_len == b->data_len &&
	       (a->data_len == 0 || memcmp(a->data, b->data, a->data_len) == 0) &&
	       memcmp(&a->gprs, &b->gprs, sizeof(a->gprs)) == 0;
}

static void add(char *buf, size_t cap, size_t *at, const char *fmt, ...) VMT_PRINTF(4, 5);

static void add(char *buf, size_t cap, size_t *at, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + *at, cap - *at, fmt, ap);
	va_end(ap);
	if (n > 0)
		*at = *at + (size_t)n < cap ? *at + (size_t)n : cap - 1;
}

const char *vmt_effect_format(const struct vmt_effect *effect, const struct vmt_effect *other,
			      char *buf, size_t cap)
{
	struct vmt_regs mine = {.known = VMT_KNOWN_GPRS, .gprs = effect->gprs};
	struct vmt_regs theirs = {.known = VMT_KNOWN_GPRS, .gprs = other->gprs};
	size_t at = 0;

	buf[0] = '\0';
	add(buf, cap, &at, "%s", effect->stuck ? "stops at the same trap for ever" : effect->what);
	for (uint32_t i = 0; i < effect->data_len && i < 16; i++)
		add(buf, cap, &at, " %02x", effect->data[i]);
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *f = &vmt_reg_fields[i];

		if (f->bit <= VMT_REG_RFLAGS && vmt_reg_get(&mine, f) != vmt_reg_get(&theirs, f))
			add(buf, cap, &at, ", %s %#" PRIx64, f->name, vmt_reg_get(&mine, f));
	}
	return buf;
}

/* -------------------------------------------------------------------------------------------- */
/* Was the guest left alone?                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** The registers that the guest would have without the trap, when the vCPU next runs. */
static struct vmt_gprs untrapped(const struct vmt_event *ev)
{
	struct vmt_gprs gprs = ev->regs.gprs;

	/* Xen has executed CPUID, but for RIP, before it asks. */
	if (ev->reason == VMT_EVENT_CPUID)
		gprs.rip += ev->u.cpuid.insn_length;
	return gprs;
}

static bool same_registers(const struct vmt_event *ev, const struct vmt_response *rsp)
{
	struct vmt_gprs gprs = untrapped(ev);

	if (!(rsp->flags & VMT_RSP_REGS) || !rsp->regs)
		return ev->reason != VMT_EVENT_CPUID;
	return memcmp(rsp->regs, &gprs, sizeof(gprs)) == 0;
}

bool vmt_left_alone(const struct vmt_meets *recorded, const struct vmt_event *ev,
		    const struct vmt_response *rsp, const char **why)
{
	bool interrupt = ev->reason == VMT_EVENT_INTERRUPT;
	uint8_t byte;

	*why = NULL;
	if (!(ev->flags & VMT_EVENT_SYNC))
		return true; /* it only told */
	if (interrupt &&
	    own_at_rip(recorded, ev, vmt_model_view_of(recorded->side->model, ev->vcpu), &byte))
		interrupt = false; /* its own int3 is no interrupt of the guest's */
	switch (rsp->action) {
	case VMT_CONTINUE:
	case VMT_SINGLESTEP:
	case VMT_FAST_SINGLESTEP:
	case VMT_EMULATE:
		if (interrupt)
			*why = "kept an interrupt from the guest";
		break;
	case VMT_REINJECT:
		if (!interrupt)
			*why = "sent the guest an interrupt for its own breakpoint";
		break;
	default:
		*why = rsp->action == VMT_DENY ? "denied the write"
					       : "let the instruction do something else";
		break;
	}
	if (!*why && !same_registers(ev, rsp))
		*why = "changed the guest's registers";
	return *why == NULL;
}
