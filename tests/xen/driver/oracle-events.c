/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An event from Xen is told to the model as what the guest did; the model's own event must be the same.
 *
 * Between two events of a vCPU it was scheduled in: what its answer left took place (vmt_model_enter),
 * and what that means for the event at hand is compared before the model is told of it.
 */
#include <string.h>

#include "oracle-private.h"

#define INSN_MAX 15

/* -------------------------------------------------------------------------------------------- */
/* Instructions                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/* The bytes at @gva as the vCPU sees them; the demo guest maps one to one. */
static bool code(struct oracle *o, uint16_t vcpu, uint64_t gva, uint8_t *buf, uint32_t len)
{
	struct vmt_access access;
	uint64_t offset = gva & VMT_PAGE_MASK;
	vmt_gfn page;

	memset(buf, 0, len);
	if (offset + len > VMT_PAGE_SIZE)
		len = (uint32_t)(VMT_PAGE_SIZE - offset);
	return vmt_model_peek(o->model, vcpu, vmt_gfn_from(gva >> VMT_PAGE_SHIFT), &page, &access,
			      NULL) == 0 &&
	       vmt_driver_read(o->inner, page, (uint32_t)offset, buf, len) == 0;
}

/* MOV to a CR, CLTS, XSETBV, WRMSR; 0: another. */
static uint8_t write_length(const uint8_t *insn, bool *clts)
{
	uint8_t rex = (insn[0] & 0xf0) == 0x40;

	insn += rex;
	*clts = insn[0] == 0x0f && insn[1] == 0x06;
	if (insn[0] != 0x0f)
		return 0;
	switch (insn[1]) {
	case 0x06: /* CLTS */
	case 0x30: /* WRMSR */
		return (uint8_t)(2 + rex);
	case 0x22: /* MOV to CR */
		return (uint8_t)(3 + rex);
	case 0x01: /* XSETBV */
		return insn[2] == 0xd1 ? (uint8_t)(3 + rex) : 0;
	default:
		return 0;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* What the guest did                                                                           */
/* -------------------------------------------------------------------------------------------- */

static int did_access(struct oracle *o, const struct vmt_event *ev)
{
	const struct vmt_memory_access *a = &ev->u.memory;
	struct vmt_guest_access access = {.gpa = a->gpa,
					  .gva = a->gva,
					  .access = a->access & VMT_W ? VMT_W : a->access,
					  .flags = a->flags};
	vmt_gfn page;

	return vmt_model_access(o->model, ev->vcpu, &access, &page, NULL);
}

static int did_write(struct oracle *o, const struct vmt_event *ev)
{
	uint8_t insn[4], length;
	bool clts;

	if (!code(o, ev->vcpu, ev->regs.gprs.rip, insn, sizeof(insn)))
		return -VMT_E_UNMAPPED;
	length = write_length(insn, &clts);
	oracle_check(o, ORACLE_EVENT, length > 0, "no write at RIP: %02x %02x %02x", insn[0],
		     insn[1], insn[2]);
	if (ev->reason == VMT_EVENT_WRITE_MSR)
		return vmt_model_write_msr(o->model, ev->vcpu, ev->u.msr.msr, ev->u.msr.new_value,
					   length, NULL);
	if (clts)
		return vmt_model_clts(o->model, ev->vcpu, length, NULL);
	return vmt_model_write_cr(o->model, ev->vcpu, ev->u.cr.cr, ev->u.cr.new_value, length,
				  NULL);
}

static int did_interrupt(struct oracle *o, const struct vmt_event *ev)
{
	const struct vmt_interrupt *in = &ev->u.interrupt.interrupt;
	vmt_gfn gfn = vmt_gfn_from(ev->regs.gprs.rip >> VMT_PAGE_SHIFT);

	if (in->vector == 3)
		return vmt_model_int3(o->model, ev->vcpu, gfn, 1, NULL);
	return vmt_model_debug(o->model, ev->vcpu, gfn, in->type, in->insn_length, in->extra, NULL);
}

static int did_cpuid(struct oracle *o, const struct vmt_event *ev)
{
	const struct vmt_gprs *g = &ev->regs.gprs;
	const uint32_t result[4] = {(uint32_t)g->rax, (uint32_t)g->rbx, (uint32_t)g->rcx,
				    (uint32_t)g->rdx};
	struct vmt_regs *regs = vmt_model_regs(o->model, ev->vcpu);

	regs->gprs.rax = ev->u.cpuid.leaf;
	regs->gprs.rcx = ev->u.cpuid.subleaf;
	return vmt_model_cpuid(o->model, ev->vcpu, result, 2, NULL);
}

static int did_step(struct oracle *o, const struct vmt_event *ev)
{
	return vmt_model_retired(o->model, ev->vcpu,
				 vmt_gfn_from(ev->regs.gprs.rip >> VMT_PAGE_SHIFT), NULL);
}

static int did_hypercall(struct oracle *o, const struct vmt_event *ev)
{
	return vmt_model_hypercall(o->model, ev->vcpu, 3, NULL);
}

static int did_io(struct oracle *o, const struct vmt_event *ev)
{
	return vmt_model_io(o->model, ev->vcpu, &ev->u.io, NULL);
}

static int did_descriptor(struct oracle *o, const struct vmt_event *ev)
{
	return vmt_model_descriptor(o->model, ev->vcpu, &ev->u.descriptor, NULL);
}

static int did_exit(struct oracle *o, const struct vmt_event *ev)
{
	return vmt_model_vmexit(o->model, ev->vcpu, ev->u.vmexit.reason, ev->u.vmexit.qualification,
				NULL);
}

/* NEXT_INTERRUPT and EMUL_UNIMPLEMENTED come of scheduling in, not of what the guest does. */
static int (*const deeds[VMT_REASON_COUNT])(struct oracle *o, const struct vmt_event *ev) = {
	[VMT_EVENT_MEMORY_ACCESS] = did_access,  [VMT_EVENT_WRITE_CR] = did_write,
	[VMT_EVENT_WRITE_MSR] = did_write,       [VMT_EVENT_INTERRUPT] = did_interrupt,
	[VMT_EVENT_SINGLESTEP] = did_step,       [VMT_EVENT_HYPERCALL] = did_hypercall,
	[VMT_EVENT_CPUID] = did_cpuid,           [VMT_EVENT_IO] = did_io,
	[VMT_EVENT_DESCRIPTOR] = did_descriptor, [VMT_EVENT_VMEXIT] = did_exit,
};

/* -------------------------------------------------------------------------------------------- */
/* What the last answer means for this event                                                    */
/* -------------------------------------------------------------------------------------------- */

static const char *const cr_names[VMT_CR_COUNT] = {"CR0", "CR3", "CR4", "XCR0"};

static uint64_t cr_of(const struct vmt_regs *regs, uint32_t cr)
{
	const uint64_t values[VMT_CR_COUNT] = {regs->cr0, regs->cr3, regs->cr4, regs->xcr0};

	return values[cr];
}

/* A register whose every write is an event can have no other value than the model's. */
static void compare_state(struct oracle *o, const struct vmt_event *ev)
{
	struct oracle_vcpu *v = &o->vcpus[ev->vcpu];
	const struct vmt_regs *mine = vmt_model_regs(o->model, ev->vcpu);

	for (uint32_t cr = 0; cr < VMT_CR_COUNT; cr++) {
		uint64_t seen = cr_of(&ev->regs, cr), bit = UINT32_C(1) << cr;

		if (cr == VMT_XCR0 && (ev->reason != VMT_EVENT_WRITE_CR || ev->u.cr.cr != VMT_XCR0))
			continue;
		if (cr == VMT_XCR0)
			seen = ev->u.cr.old_value;
		if (!vmt_model_monitored(o->model, VMT_MONITOR_CR, cr)) {
			v->crs &= (uint32_t)~bit;
			continue;
		}
		if (v->crs & bit)
			oracle_check(o, ORACLE_STATE,
				     !((seen ^ cr_of(mine, cr)) & ~o->cr_ignore[cr]),
				     "%s is %#lx, and %#lx in the model", cr_names[cr],
				     (unsigned long)seen, (unsigned long)cr_of(mine, cr));
		v->crs |= (uint32_t)bit;
	}
	if (v->lstar)
		oracle_check(o, ORACLE_STATE, ev->regs.lstar == mine->lstar,
			     "LSTAR is %#lx, and %#lx in the model", (unsigned long)ev->regs.lstar,
			     (unsigned long)mine->lstar);
	v->lstar = vmt_model_monitored(o->model, VMT_MONITOR_MSR, VMT_MSR_LSTAR);
}

static bool forbidden(struct oracle *o, const struct vmt_event *ev)
{
	struct vmt_access access;
	vmt_gfn page;

	return vmt_model_peek(o->model, ev->vcpu, vmt_gfn_of(ev->u.memory.gpa), &page, &access,
			      NULL) == 0 &&
	       (ev->u.memory.access & ~access.rights);
}

/* Does @ev come at once when the vCPU executes at that RIP, as the model has things? */
static bool traps_at_once(struct oracle *o, const struct vmt_event *ev)
{
	uint8_t byte = 0;

	switch (ev->reason) {
	case VMT_EVENT_MEMORY_ACCESS:
		return forbidden(o, ev);
	case VMT_EVENT_INTERRUPT:
		return vmt_event_is_breakpoint(ev) &&
		       vmt_model_monitored(o->model, VMT_MONITOR_BREAKPOINT, 0) &&
		       code(o, ev->vcpu, ev->regs.gprs.rip, &byte, 1) && byte == 0xcc;
	case VMT_EVENT_CPUID:
		return vmt_model_monitored(o->model, VMT_MONITOR_CPUID, 0);
	case VMT_EVENT_DESCRIPTOR:
		return vmt_model_monitored(o->model, VMT_MONITOR_DESCRIPTOR, 0);
	case VMT_EVENT_VMEXIT:
		return vmt_model_monitored(o->model, VMT_MONITOR_VMEXIT, 0);
	default:
		return false;
	}
}

/* After a plain answer to what is still there, the same must come again. */
static void compare_repeat(struct oracle *o, const struct vmt_event *ev)
{
	const struct oracle_vcpu *v = &o->vcpus[ev->vcpu];
	const struct vmt_gprs *g = &vmt_model_regs(o->model, ev->vcpu)->gprs;

	if (!v->answered || v->answer.action != VMT_CONTINUE || (v->answer.flags & VMT_RSP_REGS) ||
	    g->rip != v->last.regs.gprs.rip || !traps_at_once(o, &v->last))
		return;
	oracle_check(o, ORACLE_REPEAT, ev->reason == v->last.reason && ev->regs.gprs.rip == g->rip,
		     "%s at %#lx should come again; %s at %#lx came",
		     vmt_reason_name(v->last.reason), (unsigned long)g->rip,
		     vmt_reason_name(ev->reason), (unsigned long)ev->regs.gprs.rip);
	if (ev->reason == VMT_EVENT_CPUID)
		oracle_check(o, ORACLE_REPEAT, ev->u.cpuid.leaf == (uint32_t)g->rax,
			     "leaf %#x, and rax was %#lx", ev->u.cpuid.leaf, (unsigned long)g->rax);
	else
		oracle_check(o, ORACLE_REPEAT, memcmp(g, &ev->regs.gprs, sizeof(*g)) == 0,
			     "registers changed before %s came again", vmt_reason_name(ev->reason));
}

/*
 * A vCPU that steps stops after one instruction, or at it. What Xen completes itself is one step with
 * the instruction after it (FACTS: step-over-exit).
 */
static void compare_step(struct oracle *o, const struct vmt_event *ev,
			 const struct vmt_entry *entry)
{
	const struct oracle_vcpu *v = &o->vcpus[ev->vcpu];
	uint64_t start = vmt_model_regs(o->model, ev->vcpu)->gprs.rip;
	uint64_t rip = ev->regs.gprs.rip;

	if (!(entry->flags & VMT_ENTRY_STEP) || !v->answered ||
	    (entry->flags & (VMT_ENTRY_DELIVER | VMT_ENTRY_EMULATE)))
		return;
	if (v->answer.action == VMT_FAST_SINGLESTEP) {
		/* the step is over unless its instruction was not executed */
		if (rip != start || !traps_at_once(o, ev))
			vmt_model_retired(o->model, ev->vcpu, vmt_gfn_from(rip >> VMT_PAGE_SHIFT),
					  NULL);
		return;
	}
	if (ev->reason == VMT_EVENT_SINGLESTEP)
		oracle_check(o, ORACLE_STEP, rip != start, "the step has not left %#lx",
			     (unsigned long)rip);
	else
		oracle_check(o, ORACLE_STEP, rip - start <= INSN_MAX,
			     "a step from %#lx, and no event before %s at %#lx",
			     (unsigned long)start, vmt_reason_name(ev->reason), (unsigned long)rip);
}

/* -------------------------------------------------------------------------------------------- */
/* Comparing events                                                                             */
/* -------------------------------------------------------------------------------------------- */

static bool same_interrupt(const struct vmt_interrupt *a, const struct vmt_interrupt *b)
{
	return a->vector == b->vector && a->type == b->type && a->insn_length == b->insn_length &&
	       a->error_code == b->error_code && a->extra == b->extra;
}

static bool same_fields(const struct vmt_event *a, const struct vmt_event *b)
{
	switch (a->reason) {
	case VMT_EVENT_MEMORY_ACCESS:
		return a->u.memory.gpa.a == b->u.memory.gpa.a &&
		       a->u.memory.gva.a == b->u.memory.gva.a &&
		       a->u.memory.access == b->u.memory.access &&
		       a->u.memory.flags == b->u.memory.flags;
	case VMT_EVENT_WRITE_CR:
		return a->u.cr.cr == b->u.cr.cr && a->u.cr.new_value == b->u.cr.new_value &&
		       a->u.cr.old_value == b->u.cr.old_value;
	case VMT_EVENT_WRITE_MSR:
		return a->u.msr.msr == b->u.msr.msr && a->u.msr.new_value == b->u.msr.new_value &&
		       a->u.msr.old_value == b->u.msr.old_value;
	case VMT_EVENT_INTERRUPT:
		return a->u.interrupt.gfn.n == b->u.interrupt.gfn.n &&
		       same_interrupt(&a->u.interrupt.interrupt, &b->u.interrupt.interrupt);
	case VMT_EVENT_NEXT_INTERRUPT:
		return same_interrupt(&a->u.next_interrupt, &b->u.next_interrupt);
	case VMT_EVENT_SINGLESTEP:
		return a->u.step.gfn.n == b->u.step.gfn.n;
	case VMT_EVENT_HYPERCALL:
		return a->u.hypercall.insn_length == b->u.hypercall.insn_length;
	case VMT_EVENT_CPUID:
		return a->u.cpuid.leaf == b->u.cpuid.leaf &&
		       a->u.cpuid.subleaf == b->u.cpuid.subleaf &&
		       a->u.cpuid.insn_length == b->u.cpuid.insn_length;
	case VMT_EVENT_VMEXIT:
		return a->u.vmexit.reason == b->u.vmexit.reason;
	case VMT_EVENT_DESCRIPTOR:
		return a->u.descriptor.descriptor == b->u.descriptor.descriptor &&
		       a->u.descriptor.write == b->u.descriptor.write;
	default:
		return true;
	}
}

static void compare_event(struct oracle *o, const struct oracle_event *e)
{
	const struct vmt_reg_field *f;
	char xen[256], model[256];

	f = vmt_regs_differ(&e->xen.regs, &e->model.regs, e->xen.regs.known);
	vmt_event_format(&e->xen, xen, sizeof(xen));
	vmt_event_format(&e->model, model, sizeof(model));
	oracle_check(o, ORACLE_EVENT,
		     e->xen.reason == e->model.reason && e->xen.flags == e->model.flags &&
			     e->xen.view == e->model.view && same_fields(&e->xen, &e->model),
		     "Xen's event: %s; the model's: %s", xen, model);
	oracle_check(o, ORACLE_REGISTERS, !f, "%s: register %s of the event differs", xen,
		     f ? f->name : "");
}

/* With the event still unanswered: what the vCPU's registers are in truth. */
static void compare_registers(struct oracle *o, const struct vmt_event *ev,
			      const struct vmt_regs *xen)
{
	const struct vmt_regs *mine = vmt_model_regs(o->model, ev->vcpu);
	const struct vmt_reg_field *f;

	if (!(ev->flags & VMT_EVENT_SYNC))
		return;
	f = vmt_regs_differ(xen, mine, xen->known);
	oracle_check(o, ORACLE_REGISTERS, !f, "after %s at %#lx: %s is %#lx, and %#lx in the model",
		     vmt_reason_name(ev->reason), (unsigned long)ev->regs.gprs.rip,
		     f ? f->name : "", f ? (unsigned long)vmt_reg_get(xen, f) : 0,
		     f ? (unsigned long)vmt_reg_get(mine, f) : 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Feeding                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool take(struct oracle *o, struct oracle_event *e)
{
	return vmt_model_next(o->model, &e->model, NULL) == 1;
}

/* The vCPU's registers before the event, as far as anybody can tell. */
static void set_registers(struct oracle *o, const struct vmt_event *ev, const struct vmt_regs *xen)
{
	struct vmt_regs *regs = vmt_model_regs(o->model, ev->vcpu);

	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *f = &vmt_reg_fields[i];

		if (ev->regs.known & VMT_KNOWN(f->bit))
			vmt_reg_set(regs, f, vmt_reg_get(&ev->regs, f));
		else if (xen->known & VMT_KNOWN(f->bit))
			vmt_reg_set(regs, f, vmt_reg_get(xen, f));
	}
	if (ev->reason == VMT_EVENT_WRITE_CR && ev->u.cr.cr == VMT_XCR0)
		regs->xcr0 = ev->u.cr.old_value;
}

void oracle_entered(struct oracle *o, uint16_t vcpu)
{
	struct vmt_entry entry;

	vmt_model_enter(o->model, vcpu, &entry, NULL);
	if ((entry.flags & VMT_ENTRY_STEP) && o->vcpus[vcpu].answer.action == VMT_FAST_SINGLESTEP)
		vmt_model_retired(o->model, vcpu, vmt_gfn_from(0), NULL);
	o->vcpus[vcpu].answered = false;
}

void oracle_feed(struct oracle *o, struct oracle_event *e)
{
	const struct vmt_event *ev = &e->xen;
	struct oracle_vcpu *v = &o->vcpus[ev->vcpu];
	struct vmt_entry entry;
	struct vmt_regs xen = {0};
	bool came;

	o->unemulated = ev->reason == VMT_EVENT_EMUL_UNIMPLEMENTED;
	came = vmt_model_enter(o->model, ev->vcpu, &entry, NULL) == 1;
	if (take(o, e)) {
		came = true;
	} else {
		oracle_check(o, ORACLE_EVENT, came, "%s of vCPU %u, which stands in the model",
			     vmt_reason_name(ev->reason), ev->vcpu);
		compare_repeat(o, ev);
		compare_step(o, ev, &entry);
		compare_state(o, ev);
		vmt_driver_get_regs(o->inner, ev->vcpu, &xen);
		set_registers(o, ev, &xen);
		if (deeds[ev->reason])
			deeds[ev->reason](o, ev);
		came = take(o, e);
		if (came)
			compare_registers(o, ev, &xen);
	}
	if (oracle_check(o, ORACLE_EVENT, came, "the model sees no reason for %s at %#lx",
			 vmt_reason_name(ev->reason), (unsigned long)ev->regs.gprs.rip))
		compare_event(o, e);
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS)
		vmt_gfn_map_put(&o->touched, vmt_gfn_of(ev->u.memory.gpa).n);
	v->last = *ev;
	v->answered = false;
}
