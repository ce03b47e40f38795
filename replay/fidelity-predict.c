/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a response to the vCPU's next event, by emulation.
 *
 * The vCPU is being stepped, so the next event comes after one instruction, with Xen's own rule: the
 * monitor trap flag counts instructions that the CPU completed. One that Xen completed itself after
 * a VM exit (CPUID, a write to CR0) is one step with the instruction behind it. Where it depends on
 * the hypervisor's settings whether an instruction exits, both are tried.
 *
 * Sources: Xen xen/arch/x86/hvm/vmx/vmx.c (vmx_vmexit_handler, construct_vmcs), monitor.c;
 * tests/xen/probe/FACTS.md.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fidelity-private.h"

/** Instructions that Xen may complete in one step: a bound against code that exits for ever. */
#define EXITS_MAX 16u

#define MSR_PAT   0x277u

/** Xen xen/include/public/xen.h, hvm/hvm_op.h: the one hypercall that is told. */
#define HYPERVISOR_HVM_OP   34u
#define HVMOP_GUEST_REQUEST 24u

/** Instructions that Xen completes after a VM exit, whoever watches. */
#define ALWAYS_EXIT                                                                            \
	(VMT_INTERCEPT_CR0 | VMT_INTERCEPT_XCR0 | VMT_INTERCEPT_CPUID | VMT_INTERCEPT_VMCALL | \
	 VMT_INTERCEPT_IO | VMT_INTERCEPT_WBINVD)

/** Those where it depends on masks, bitmaps and the CPU. */
#define MAY_EXIT                                                                        \
	(VMT_INTERCEPT_CR3 | VMT_INTERCEPT_CR4 | VMT_INTERCEPT_CR8 | VMT_INTERCEPT_DR | \
	 VMT_INTERCEPT_MSR_WRITE | VMT_INTERCEPT_MSR_READ | VMT_INTERCEPT_INVLPG |      \
	 VMT_INTERCEPT_DESCRIPTOR)

struct predicting {
	struct vmt_emulator *em;
	struct vmt_moment *moment;
	const struct vmt_answered *a;
	bool exits;
	struct vmt_predicted *p;
	struct vmt_step_result r;
};

static void say(struct vmt_predicted *p, enum vmt_fidelity_class fidelity, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct vmt_predicted *p, enum vmt_fidelity_class fidelity, const char *format, ...)
{
	va_list args;

	p->fidelity = fidelity;
	va_start(args, format);
	(void)vsnprintf(p->text, sizeof(p->text), format, args);
	va_end(args);
}

/** The step was no step: say why. */
static void give_up(struct predicting *s)
{
	char line[160];

	vmt_step_format(&s->r, line, sizeof(line));
	say(s->p, s->r.outcome == VMT_STEP_MISSING ? VMT_FIDELITY_INCOMPLETE : VMT_FIDELITY_REFUSED,
	    "%s", line);
}

/** The page of RIP; VMT_GFN_ANY where it cannot be told. */
static vmt_gfn gfn_of_rip(struct predicting *s)
{
	struct vmt_step_result r;
	vmt_gpa gpa;

	if (vmt_emulator_translate(s->em, &s->p->cpu, vmt_gva_from(s->p->ev.regs.gprs.rip), VMT_X,
				   &gpa, &r) != VMT_STEP_DONE)
		return VMT_GFN_ANY;
	return vmt_gfn_from(gpa.a >> VMT_PAGE_SHIFT);
}

static void keep_insn(struct predicting *s)
{
	if (s->p->insn_len != 0 || s->r.insn_fetched == 0)
		return;
	s->p->insn_len = s->r.insn_length ? s->r.insn_length : s->r.insn_fetched;
	if (s->p->insn_len > sizeof(s->p->insn))
		s->p->insn_len = sizeof(s->p->insn);
	memcpy(s->p->insn, s->r.insn, s->p->insn_len);
}

/* -------------------------------------------------------------------------------------------- */
/* Events                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static void predict_memory(struct predicting *s)
{
	struct vmt_event *ev = &s->p->ev;

	ev->reason = VMT_EVENT_MEMORY_ACCESS;
	ev->u.memory.gpa = s->r.at.gpa;
	ev->u.memory.gva = s->r.at.gva;
	ev->u.memory.access = s->r.at.access;
	ev->u.memory.flags = s->r.at.flags;
}

/** Does somebody watch what the step stopped at? */
static bool watched(struct predicting *s)
{
	const struct vmt_model *m = s->moment->model;
	const struct vmt_step_event *e = &s->r.event;

	switch (e->intercept) {
	case VMT_INTERCEPT_CR0:
	case VMT_INTERCEPT_CR3:
	case VMT_INTERCEPT_CR4:
	case VMT_INTERCEPT_XCR0:
		return vmt_model_monitored(m, VMT_MONITOR_CR, e->u.cr.cr);
	case VMT_INTERCEPT_MSR_WRITE:
		return vmt_model_monitored(m, VMT_MONITOR_MSR, e->u.msr.msr);
	case VMT_INTERCEPT_CPUID:
		return vmt_model_monitored(m, VMT_MONITOR_CPUID, 0);
	case VMT_INTERCEPT_VMCALL:
		return s->p->ev.regs.gprs.rax == HYPERVISOR_HVM_OP &&
		       s->p->ev.regs.gprs.rdi == HVMOP_GUEST_REQUEST &&
		       vmt_model_monitored(m, VMT_MONITOR_HYPERCALL, 0);
	case VMT_INTERCEPT_IO:
		return vmt_model_monitored(m, VMT_MONITOR_IO, 0);
	case VMT_INTERCEPT_DESCRIPTOR:
		return vmt_model_monitored(m, VMT_MONITOR_DESCRIPTOR, 0);
	default:
		return false;
	}
}

/** The step stopped at something that is watched. */
static void predict_watched(struct predicting *s)
{
	static const uint64_t results = VMT_KNOWN(VMT_REG_RAX) | VMT_KNOWN(VMT_REG_RBX) |
					VMT_KNOWN(VMT_REG_RCX) | VMT_KNOWN(VMT_REG_RDX);
	const struct vmt_step_event *e = &s->r.event;
	struct vmt_event *ev = &s->p->ev;

	switch (e->intercept) {
	case VMT_INTERCEPT_MSR_WRITE:
		ev->reason = VMT_EVENT_WRITE_MSR;
		ev->u.msr = e->u.msr;
		return;
	case VMT_INTERCEPT_CPUID:
		ev->reason = VMT_EVENT_CPUID;
		ev->u.cpuid = e->u.cpuid;
		s->p->any_regs |= results; /* what the hypervisor lets the guest see */
		return;
	case VMT_INTERCEPT_VMCALL:
		ev->reason = VMT_EVENT_HYPERCALL;
		s->p->any_regs |= VMT_KNOWN(VMT_REG_RAX);
		return;
	case VMT_INTERCEPT_IO:
		ev->reason = VMT_EVENT_IO;
		ev->u.io = e->u.io;
		return;
	case VMT_INTERCEPT_DESCRIPTOR:
		ev->reason = VMT_EVENT_DESCRIPTOR;
		ev->u.descriptor = e->u.descriptor;
		return;
	default:
		ev->reason = VMT_EVENT_WRITE_CR;
		ev->u.cr = e->u.cr;
	}
}

/** Deliver @interrupt; the step event is at the first instruction of what handles it. */
static void predict_delivery(struct predicting *s, const struct vmt_interrupt *interrupt)
{
	const struct vmt_step how = {0};
	const struct vmt_interrupt it = *interrupt;

	switch (vmt_emulator_deliver(s->em, &s->p->cpu, &how, &it, &s->r)) {
	case VMT_STEP_DONE:
		vmt_emulator_commit(s->em, &s->p->cpu, &s->r);
		s->p->ev.reason = VMT_EVENT_SINGLESTEP;
		return;
	case VMT_STEP_VIOLATION:
		predict_memory(s);
		return;
	case VMT_STEP_SHUTDOWN:
		say(s->p, VMT_FIDELITY_REFUSED, "a triple fault");
		return;
	default:
		give_up(s);
	}
}

/** INT3, INT n, a fault: told to the monitor, or delivered. */
static void predict_interrupt(struct predicting *s)
{
	const struct vmt_interrupt *it = &s->r.interrupt;
	const struct vmt_model *m = s->moment->model;
	bool breakpoint = it->vector == 3 && it->type == VMT_INT_SW_EXCEPTION;
	struct vmt_event *ev = &s->p->ev;

	if ((breakpoint && vmt_model_monitored(m, VMT_MONITOR_BREAKPOINT, 0)) ||
	    (it->vector == 1 && vmt_model_monitored(m, VMT_MONITOR_DEBUG, 0))) {
		ev->reason = VMT_EVENT_INTERRUPT;
		ev->u.interrupt.interrupt = *it;
		ev->u.interrupt.gfn = gfn_of_rip(s);
		return;
	}
	predict_delivery(s, it);
}

/* -------------------------------------------------------------------------------------------- */
/* Instructions                                                                                 */
/* -------------------------------------------------------------------------------------------- */

enum after {
	AFTER_PREDICTED, /**< the next event stands, or nothing can be said */
	AFTER_STEP,      /**< the CPU has completed an instruction */
	AFTER_EXIT,      /**< Xen has: the CPU goes on */
};

/** Nobody watches what the step stopped at: is it known what becomes of it? */
static bool passes(struct predicting *s)
{
	const struct vmt_step_event *e = &s->r.event;

	if (e->intercept == VMT_INTERCEPT_CR8) {
		say(s->p, VMT_FIDELITY_INCOMPLETE, "the task priority is not recorded");
		return false;
	}
	if (e->intercept == VMT_INTERCEPT_MSR_READ && e->u.msr.msr == MSR_PAT) {
		say(s->p, VMT_FIDELITY_INCOMPLETE, "MSR 0x277 is not recorded");
		return false;
	}
	if (e->intercept == VMT_INTERCEPT_VMCALL) {
		say(s->p, VMT_FIDELITY_REFUSED, "a hypercall");
		return false;
	}
	return true;
}

/** One instruction at RIP. @how without intercepts. */
static enum after instruction(struct predicting *s, const struct vmt_step *how)
{
	struct vmt_step step = *how;
	uint64_t passed = 0;

	step.intercepts = ALWAYS_EXIT | MAY_EXIT;
	for (;;) {
		int outcome = vmt_emulator_step(s->em, &s->p->cpu, &step, &s->r);

		keep_insn(s);
		switch (outcome) {
		case VMT_STEP_DONE:
			if (s->r.pending_debug) {
				say(s->p, VMT_FIDELITY_INCOMPLETE,
				    "the guest steps itself: a debug exception is due as well");
				return AFTER_PREDICTED;
			}
			vmt_emulator_commit(s->em, &s->p->cpu, &s->r);
			s->p->any_rflags |= vmt_undefined_flags(s->r.insn, s->r.insn_length);
			/* Saved so between two iterations: Intel SDM volume 3, 25.3.3 */
			if (s->r.stepped)
				s->p->ev.regs.gprs.rflags |= VMT_RFLAGS_RF;
			if (passed & ALWAYS_EXIT)
				return AFTER_EXIT;
			s->p->ambiguous |= (passed & MAY_EXIT) != 0;
			return (passed & MAY_EXIT) && s->exits ? AFTER_EXIT : AFTER_STEP;
		case VMT_STEP_EVENT:
			if (watched(s)) {
				predict_watched(s);
				return AFTER_PREDICTED;
			}
			if (!passes(s) || (passed & s->r.event.intercept))
				return AFTER_PREDICTED;
			passed |= s->r.event.intercept;
			step.intercepts &= ~s->r.event.intercept;
			break;
		case VMT_STEP_FAULT:
		case VMT_STEP_TRAP:
			predict_interrupt(s);
			return AFTER_PREDICTED;
		case VMT_STEP_VIOLATION:
			predict_memory(s);
			return AFTER_PREDICTED;
		case VMT_STEP_HALT:
			say(s->p, VMT_FIDELITY_INCOMPLETE, "HLT: what wakes the vCPU is not known");
			return AFTER_PREDICTED;
		default:
			give_up(s);
			return AFTER_PREDICTED;
		}
	}
}

/** Until the CPU has completed an instruction, or something stops it. */
static void run_one(struct predicting *s)
{
	const struct vmt_step plain = {0};

	for (unsigned i = 0; i < EXITS_MAX; i++) {
		enum after after = instruction(s, &plain);

		if (after == AFTER_PREDICTED)
			return;
		if (after == AFTER_STEP) {
			s->p->ev.reason = VMT_EVENT_SINGLESTEP;
			return;
		}
	}
	say(s->p, VMT_FIDELITY_REFUSED, "more than %u instructions that exit, in a row", EXITS_MAX);
}

/* -------------------------------------------------------------------------------------------- */
/* Responses                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/**
 * A write to a control register or MSR, or a hypercall: Xen has done it when the event comes, and
 * RIP is past it, though the event's is not. A denied one is only passed.
 */
static bool finish_write(struct predicting *s)
{
	const struct vmt_event *ev = &s->a->ev;
	struct vmt_regs *regs = &s->p->ev.regs;
	struct vmt_step step = {.intercepts = ALWAYS_EXIT | MAY_EXIT, .flags = VMT_STEP_DRY};
	const uint64_t rip = regs->gprs.rip;
	uint8_t length;

	if (ev->reason == VMT_EVENT_HYPERCALL) {
		length = ev->u.hypercall.insn_length;
		s->p->any_regs |= VMT_KNOWN(VMT_REG_RAX);
	} else {
		if (vmt_emulator_step(s->em, &s->p->cpu, &step, &s->r) != VMT_STEP_EVENT) {
			give_up(s);
			return false;
		}
		length = s->r.insn_length;
	}
	if (!(s->a->flags & VMT_RSP_REGS))
		regs->gprs.rip = rip + length;
	if (s->a->action == VMT_DENY || ev->reason == VMT_EVENT_HYPERCALL)
		return true;
	if (ev->reason == VMT_EVENT_WRITE_CR) {
		uint64_t *const crs[VMT_CR_COUNT] = {&regs->cr0, &regs->cr3, &regs->cr4,
						     &regs->xcr0};

		*crs[ev->u.cr.cr] = ev->u.cr.new_value;
		return true;
	}
	/* The register that holds this MSR is found by doing the write. */
	regs->gprs.rip = rip;
	step.intercepts = 0;
	step.flags = 0;
	if (vmt_emulator_step(s->em, &s->p->cpu, &step, &s->r) != VMT_STEP_DONE) {
		give_up(s);
		return false;
	}
	if (s->a->flags & VMT_RSP_REGS)
		regs->gprs.rip = s->a->gprs.rip;
	return true;
}

/** The hypervisor's emulator does the instruction before the vCPU goes on. */
static bool emulate(struct predicting *s)
{
	const struct vmt_answered *a = s->a;
	struct vmt_step how = {.flags = VMT_STEP_NO_RIGHTS};
	int outcome;

	if (a->action == VMT_EMULATE_READ) {
		how.read_data = a->data;
		how.read_len = a->data_len;
	} else if (a->action == VMT_EMULATE_INSN) {
		how.insn = a->data;
		how.insn_len = a->data_len;
	}
	outcome = vmt_emulator_step(s->em, &s->p->cpu, &how, &s->r);
	keep_insn(s);
	if (outcome != VMT_STEP_DONE) {
		give_up(s);
		return false;
	}
	if (a->action != VMT_EMULATE_NOWRITE)
		vmt_emulator_commit(s->em, &s->p->cpu, &s->r);
	s->p->any_rflags |= vmt_undefined_flags(s->r.insn, s->r.insn_length);
	return true;
}

/** Does going on at RIP execute the instruction there, or meet the same trap again for ever? */
static bool goes_on(const struct vmt_answered *a)
{
	if (a->flags & VMT_RSP_REGS)
		return true;
	switch (a->ev.reason) {
	case VMT_EVENT_SINGLESTEP:
	case VMT_EVENT_MEMORY_ACCESS:
	case VMT_EVENT_INTERRUPT:
		return true;
	default:
		return false;
	}
}

void vmt_fidelity_predict(struct vmt_emulator *em, struct vmt_moment *moment,
			  const struct vmt_answered *a, const struct vmt_cpu *cpu, bool exits,
			  struct vmt_predicted *p)
{
	struct predicting s = {.em = em, .moment = moment, .a = a, .exits = exits, .p = p};

	memset(p, 0, sizeof(*p));
	p->ev.regs = *cpu->regs;
	p->cpu = *cpu;
	p->cpu.regs = &p->ev.regs;
	p->ev.vcpu = a->ev.vcpu;
	p->rip = p->ev.regs.gprs.rip;

	switch (a->ev.reason) {
	case VMT_EVENT_WRITE_CR:
	case VMT_EVENT_WRITE_MSR:
	case VMT_EVENT_HYPERCALL:
		if (!finish_write(&s))
			return;
		break;
	default:
		if (!goes_on(a) && a->action < VMT_EMULATE && a->action != VMT_REINJECT) {
			say(p, VMT_FIDELITY_INCOMPLETE,
			    "what Xen does with this event without registers is not predicted");
			return;
		}
	}
	switch (a->action) {
	case VMT_REINJECT:
		predict_delivery(&s, &a->ev.u.interrupt.interrupt);
		return;
	case VMT_EMULATE:
	case VMT_EMULATE_NOWRITE:
	case VMT_EMULATE_READ:
	case VMT_EMULATE_INSN:
		if (!emulate(&s))
			return;
		break;
	default:
		break;
	}
	run_one(&s);
}

/* -------------------------------------------------------------------------------------------- */
/* The comparison                                                                               */
/* -------------------------------------------------------------------------------------------- */

static bool memory_matches(const struct vmt_memory_access *a, const struct vmt_memory_access *b,
			   char *text, size_t cap)
{
	bool gvas = a->flags & b->flags & VMT_MEM_GVA_VALID;

	/* Xen tells a plain write as a read and a write. */
	if (a->gpa.a == b->gpa.a && (!gvas || a->gva.a == b->gva.a) &&
	    (a->access & (VMT_W | VMT_X)) == (b->access & (VMT_W | VMT_X)))
		return true;
	(void)snprintf(text, cap,
		       "memory access: gpa 0x%" PRIx64 " access %u is gpa 0x%" PRIx64 " access %u",
		       a->gpa.a, a->access, b->gpa.a, b->access);
	return false;
}

static bool number_matches(const char *what, uint64_t a, uint64_t b, char *text, size_t cap)
{
	if (a == b)
		return true;
	(void)snprintf(text, cap, "%s: 0x%" PRIx64 " is 0x%" PRIx64, what, a, b);
	return false;
}

static bool fields_match(const struct vmt_event *a, const struct vmt_event *b, char *text,
			 size_t cap)
{
	switch (a->reason) {
	case VMT_EVENT_MEMORY_ACCESS:
		return memory_matches(&a->u.memory, &b->u.memory, text, cap);
	case VMT_EVENT_WRITE_CR:
		return number_matches("control register", a->u.cr.cr, b->u.cr.cr, text, cap) &&
		       number_matches("new value", a->u.cr.new_value, b->u.cr.new_value, text, cap);
	case VMT_EVENT_WRITE_MSR:
		return number_matches("MSR", a->u.msr.msr, b->u.msr.msr, text, cap) &&
		       number_matches("new value", a->u.msr.new_value, b->u.msr.new_value, text,
				      cap);
	case VMT_EVENT_INTERRUPT:
		return number_matches("vector", a->u.interrupt.interrupt.vector,
				      b->u.interrupt.interrupt.vector, text, cap);
	case VMT_EVENT_CPUID:
		return number_matches("leaf", a->u.cpuid.leaf, b->u.cpuid.leaf, text, cap) &&
		       number_matches("subleaf", a->u.cpuid.subleaf, b->u.cpuid.subleaf, text, cap);
	case VMT_EVENT_IO:
		return number_matches("port", a->u.io.port, b->u.io.port, text, cap) &&
		       number_matches("bytes", a->u.io.bytes, b->u.io.bytes, text, cap);
	case VMT_EVENT_DESCRIPTOR:
		return number_matches("descriptor", a->u.descriptor.descriptor,
				      b->u.descriptor.descriptor, text, cap);
	default:
		return true;
	}
}

/** Of a null selector the hidden part means nothing, but for the privilege level in SS. */
static void forget_null(struct vmt_segment *predicted, const struct vmt_segment *next, bool is_ss)
{
	const uint16_t keep = is_ss ? 0x60 : 0;

	if ((predicted->selector | next->selector) & ~3u)
		return;
	predicted->limit = next->limit;
	predicted->access = (uint16_t)((predicted->access & keep) | (next->access & ~keep));
}

bool vmt_fidelity_matches(const struct vmt_predicted *p, const struct vmt_event *next, char *text,
			  size_t cap)
{
	struct vmt_regs predicted = p->ev.regs;
	const struct vmt_reg_field *field;

	if (p->ev.reason != next->reason) {
		(void)snprintf(text, cap, "the next event: %s is %s", vmt_reason_name(p->ev.reason),
			       vmt_reason_name(next->reason));
		return false;
	}
	predicted.gprs.rflags &= ~p->any_rflags;
	predicted.gprs.rflags |= next->regs.gprs.rflags & p->any_rflags;
	forget_null(&predicted.ds, &next->regs.ds, false);
	forget_null(&predicted.es, &next->regs.es, false);
	forget_null(&predicted.fs, &next->regs.fs, false);
	forget_null(&predicted.gs, &next->regs.gs, false);
	forget_null(&predicted.ss, &next->regs.ss, true);
	field = vmt_regs_differ(&predicted, &next->regs, VMT_KNOWN_ALL & ~p->any_regs);
	if (field)
		return number_matches(field->name, vmt_reg_get(&predicted, field),
				      vmt_reg_get(&next->regs, field), text, cap);
	return fields_match(&p->ev, next, text, cap);
}
