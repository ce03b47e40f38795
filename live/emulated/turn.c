/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A vCPU's turn: it is scheduled in, gets an exception or interrupt if one is due, else executes one
 * instruction. What Xen may intercept goes to the model, which queues the events.
 *
 * Sources: Intel SDM volume 3, 26.5.2 (monitor trap flag) and 6.9 (priorities); Xen
 * xen/arch/x86/hvm/vmx/vmx.c (vmx_vmexit_handler), vmx/intr.c (vmx_intr_assist), hvm/hvm.c (hvm_hlt).
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "domain.h"

#define INVALID_GFN vmt_gfn_from(UINT64_MAX)

#define IRET        0xcf
#define REX         0x40 /* to 0x4f */

/* -------------------------------------------------------------------------------------------- */
/* What the emulator asks                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int fail(struct vmt_emulated *e)
{
	if (e->failed.status == 0)
		e->failed = e->driver.err;
	return VMT_PAGE_VIOLATION;
}

static int access_without_rights(const struct vmt_emulated_vcpu *v,
				 const struct vmt_cpu_access *access, vmt_gfn *page)
{
	struct vmt_access rights;

	return vmt_model_peek(v->domain->model, v->number, vmt_gfn_of(access->gpa), page, &rights,
			      NULL) < 0
		       ? VMT_PAGE_HOLE
		       : VMT_PAGE_OK;
}

static int op_access(void *ctx, const struct vmt_cpu_access *access, vmt_gfn *page)
{
	const struct vmt_emulated_vcpu *v = ctx;
	struct vmt_emulated *e = v->domain;
	const struct vmt_guest_access guest = {
		.gpa = access->gpa,
		.gva = access->gva,
		.access = access->access,
		.flags = access->flags,
	};
	uint64_t *rflags = &vmt_emulated_regs(v)->gprs.rflags, before = *rflags;
	int r;

	if (access->no_rights)
		return access_without_rights(v, access, page);
	/* The VM exit of an EPT violation saves RF set, but for one in an event's delivery. */
	if (!v->in_delivery)
		*rflags |= VMT_RFLAGS_RF;
	r = vmt_model_access(e->model, v->number, &guest, page, &e->driver.err);
	if (r == VMT_GUEST_STOPPED)
		return VMT_PAGE_VIOLATION;
	*rflags = before;
	if (r == -VMT_E_UNMAPPED)
		return VMT_PAGE_HOLE;
	if (r < 0)
		return fail(e);
	return VMT_PAGE_OK;
}

static const uint8_t *op_page(void *ctx, vmt_gfn page)
{
	const struct vmt_emulated_vcpu *v = ctx;

	return vmt_emulated_page(v->domain, page.n);
}

static void op_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	const struct vmt_emulated_vcpu *v = ctx;
	uint8_t *bytes = vmt_emulated_page(v->domain, page.n);

	if (bytes)
		memcpy(bytes + offset, buf, len);
}

static int op_read_msr(void *ctx, uint32_t msr, uint64_t *value)
{
	return vmt_emulated_read_msr(ctx, msr, value);
}

static int op_write_msr(void *ctx, uint32_t msr, uint64_t value)
{
	return vmt_emulated_write_msr(ctx, msr, value);
}

const struct vmt_cpu_ops vmt_emulated_cpu_ops = {
	.access = op_access,
	.page = op_page,
	.write = op_write,
	.cpuid = vmt_emulated_cpuid,
	.read_msr = op_read_msr,
	.write_msr = op_write_msr,
	.io = vmt_emulated_io,
};

/* -------------------------------------------------------------------------------------------- */
/* Ends of an instruction                                                                       */
/* -------------------------------------------------------------------------------------------- */

vmt_gfn vmt_emulated_gfn_of_rip(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	struct vmt_regs *regs = vmt_emulated_regs(v);
	uint64_t linear = regs->gprs.rip;
	vmt_gpa gpa;

	if (!(regs->efer & VMT_EFER_LMA))
		linear = (uint32_t)(linear + regs->cs.base);
	if (vmt_emulator_translate(e->emulator, &v->cpu, vmt_gva_from(linear), VMT_X, &gpa,
				   &e->result) != VMT_STEP_DONE)
		return INVALID_GFN;
	return vmt_gfn_of(gpa);
}

int vmt_emulated_refuse(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	char place[VMT_ERROR_PLACE], what[256], bytes[64] = "";

	snprintf(place, sizeof(place), "vCPU %u at RIP 0x%" PRIx64, v->number,
		 vmt_emulated_regs(v)->gprs.rip);
	for (size_t i = 0; i < e->result.insn_fetched && i < 15; i++)
		snprintf(bytes + i * 3, sizeof(bytes) - i * 3, " %02x", e->result.insn[i]);
	vmt_error_set(
		&e->failed, VMT_E_NOT_SUPPORTED, place,
		"the guest's instruction cannot be emulated rightly, so its domain ends here: "
		"%s; bytes:%s",
		vmt_step_format(&e->result, what, sizeof(what)), bytes);
	e->driver.err = e->failed;
	return -VMT_E_NOT_SUPPORTED;
}

/* The monitor trap flag's exit, when @v is being stepped. */
static int retired(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	int r;

	if (!vmt_model_stepping(e->model, v->number))
		return 1;
	r = vmt_model_retired(e->model, v->number, vmt_emulated_gfn_of_rip(v), &e->driver.err);
	return r < 0 ? r : 1;
}

int vmt_emulated_deliver(struct vmt_emulated_vcpu *v, const struct vmt_interrupt *interrupt)
{
	static const struct vmt_step how;
	const struct vmt_interrupt what = *interrupt; /* it may stand in the result */
	struct vmt_emulated *e = v->domain;
	int outcome;

	v->in_delivery = true;
	outcome = vmt_emulator_deliver(e->emulator, &v->cpu, &how, &what, &e->result);
	v->in_delivery = false;
	switch (outcome) {
	case VMT_STEP_DONE:
		vmt_emulator_commit(e->emulator, &v->cpu, &e->result);
		return VMT_GUEST_GOES_ON;
	case VMT_STEP_VIOLATION:
		return VMT_GUEST_STOPPED;
	case VMT_STEP_SHUTDOWN: /* a triple fault: Xen reboots the domain */
		e->gone = true;
		return VMT_GUEST_STOPPED;
	default:
		return vmt_emulated_refuse(v);
	}
}

/* Deliver, and step; what an event stops is delivered again when the vCPU runs on. */
static int deliver_once(struct vmt_emulated_vcpu *v, const struct vmt_interrupt *interrupt)
{
	const struct vmt_interrupt what = *interrupt;
	int r = vmt_emulated_deliver(v, &what);

	v->delivering = r == VMT_GUEST_STOPPED;
	v->delivery = what;
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : 1;
	return retired(v);
}

/* -------------------------------------------------------------------------------------------- */
/* One instruction                                                                              */
/* -------------------------------------------------------------------------------------------- */

/* An exception of the instruction itself, which comes again when delivery is stopped. */
static int fault(struct vmt_emulated_vcpu *v, const struct vmt_interrupt *interrupt)
{
	int r = vmt_emulated_deliver(v, interrupt);

	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : 1;
	return retired(v);
}

static int trap(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	const struct vmt_interrupt what = e->result.interrupt;
	int r = VMT_GUEST_GOES_ON;

	if (what.type == VMT_INT_SW_EXCEPTION && what.vector == 3)
		r = vmt_model_int3(e->model, v->number, vmt_emulated_gfn_of_rip(v),
				   what.insn_length, &e->driver.err);
	else if (what.type == VMT_INT_PRIV_SW_EXCEPTION)
		r = vmt_model_debug(e->model, v->number, vmt_emulated_gfn_of_rip(v), what.type,
				    what.insn_length, 0, &e->driver.err);
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : 1;
	return fault(v, &what);
}

/* Xen puts a vCPU that can never wake up down; without vCPUs the domain is over. */
static int halt(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	bool any = false;

	vmt_emulator_commit(e->emulator, &v->cpu, &e->result);
	v->halted = true;
	if (!(vmt_emulated_regs(v)->gprs.rflags & VMT_RFLAGS_IF))
		v->up = false;
	for (uint16_t i = 0; i < e->config.vcpus; i++)
		any |= e->vcpus[i].up;
	e->gone |= !any;
	return 1;
}

void vmt_emulated_clear_rf(struct vmt_emulated_vcpu *v, bool was_set)
{
	const uint8_t *insn = v->domain->result.insn;
	bool is_iret = insn[0] == IRET || ((insn[0] & 0xf0) == REX && insn[1] == IRET);

	/* Between iterations a VM exit saves RF set; the last one clears it (SDM 3, 28.3.3). */
	if (v->domain->result.stepped)
		vmt_emulated_regs(v)->gprs.rflags |= VMT_RFLAGS_RF;
	else if (was_set && !is_iret)
		vmt_emulated_regs(v)->gprs.rflags &= ~VMT_RFLAGS_RF;
}

static int done(struct vmt_emulated_vcpu *v, bool exits, bool rf)
{
	struct vmt_emulated *e = v->domain;

	vmt_emulated_clear_rf(v, rf);
	vmt_emulator_commit(e->emulator, &v->cpu, &e->result);
	v->trap |= e->result.pending_debug;
	v->plain = !exits && !v->trap;
	return exits ? 1 : retired(v);
}

int vmt_emulated_execute(struct vmt_emulated_vcpu *v, uint64_t intercepts, bool exits)
{
	bool rf = vmt_emulated_regs(v)->gprs.rflags & VMT_RFLAGS_RF;
	const struct vmt_step how = {.intercepts = intercepts};
	struct vmt_emulated *e = v->domain;

	v->plain = false;
	switch (vmt_emulator_step(e->emulator, &v->cpu, &how, &e->result)) {
	case VMT_STEP_DONE:
		return done(v, exits, rf);
	case VMT_STEP_HALT:
		return halt(v);
	case VMT_STEP_FAULT:
		return fault(v, &e->result.interrupt);
	case VMT_STEP_TRAP:
		return trap(v);
	case VMT_STEP_VIOLATION:
		if (e->failed.status != 0) {
			e->driver.err = e->failed;
			return -e->failed.status;
		}
		return 1;
	case VMT_STEP_EVENT:
		return vmt_emulated_exit(v, intercepts);
	default:
		return vmt_emulated_refuse(v);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* A turn                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/* #DB after an instruction (TF, DR7): DR6 has its bits when the monitor looks. */
static int debug_trap(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	const struct vmt_interrupt what = {
		.vector = 1,
		.type = VMT_INT_HW_EXCEPTION,
		.error_code = VMT_NO_ERROR_CODE,
		.extra = v->trap,
	};
	int r;

	v->trap = 0;
	r = vmt_model_debug(e->model, v->number, vmt_emulated_gfn_of_rip(v), what.type, 0, 0,
			    &e->driver.err);
	if (r == VMT_GUEST_STOPPED)
		vmt_emulated_regs(v)->dr6 |= what.extra;
	if (r != VMT_GUEST_GOES_ON)
		return r < 0 ? r : 1;
	return deliver_once(v, &what);
}

static int timer_interrupt(struct vmt_emulated_vcpu *v)
{
	const struct vmt_interrupt what = {
		.vector = v->domain->config.timer_vector,
		.type = VMT_INT_EXTERNAL,
		.error_code = VMT_NO_ERROR_CODE,
	};

	v->timer = false;
	v->halted = false;
	return deliver_once(v, &what);
}

bool vmt_emulated_is_stale(const struct vmt_emulated *e)
{
	return vmt_model_generation(e->model) != e->model_generation;
}

static void note_changes(struct vmt_emulated *e)
{
	if (!vmt_emulated_is_stale(e))
		return;
	e->model_generation = vmt_model_generation(e->model);
	e->intercepts = vmt_emulated_intercepts(e);
	vmt_emulated_changed(e);
}

static int go_on(struct vmt_emulated_vcpu *v, bool stepping)
{
	struct vmt_emulated *e = v->domain;

	if (v->delivering)
		return deliver_once(v, &v->delivery);
	if (v->trap)
		return debug_trap(v);
	if (v->timer && !stepping && vmt_cpu_interruptible(&v->cpu))
		return timer_interrupt(v);
	if (v->halted)
		return 1;
	v->cpu.tsc = e->now;
	return vmt_emulated_execute(v, e->intercepts | (stepping ? VMT_EMULATED_EXITS : 0), false);
}

int vmt_emulated_turn(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;
	struct vmt_entry entry;
	int r = vmt_model_enter(e->model, v->number, &entry, &e->driver.err);

	e->now += e->config.insn_ns;
	v->plain = false;
	if (r <= 0)
		return r < 0 ? r : 1;
	if (entry.flags & VMT_ENTRY_WRITE)
		vmt_emulated_sync_efer(v);
	note_changes(e);
	if ((entry.flags & VMT_ENTRY_DELIVER) && !v->delivering) {
		v->delivering = true;
		v->delivery = entry.deliver;
		v->halted = false;
	}
	r = go_on(v, entry.flags & VMT_ENTRY_STEP);
	v->plain &= !(entry.flags & VMT_ENTRY_STEP);
	return r;
}

int vmt_emulated_next(struct vmt_emulated_vcpu *v)
{
	struct vmt_emulated *e = v->domain;

	e->now += e->config.insn_ns;
	v->cpu.tsc = e->now;
	return vmt_emulated_execute(v, e->intercepts, false);
}
