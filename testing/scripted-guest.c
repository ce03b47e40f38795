/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One vCPU of the scripted domain: which instruction of its program it stands at, and one attempt
 * at executing it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/walk.h"

#include "scripted.h"

#define BREAKPOINT UINT8_C(0xcc)

static const struct vmt_scripted_emulation not_emulated = {0};

int vmt_scripted_fail(struct vmt_scripted *s, uint16_t vcpu, enum vmt_status status,
		      const char *fmt, ...)
{
	char place[VMT_ERROR_PLACE];
	va_list ap;

	snprintf(place, sizeof(place), "script, vCPU %u at RIP 0x%" PRIx64, vcpu,
		 vmt_model_regs(s->model, vcpu)->gprs.rip);
	va_start(ap, fmt);
	if (s->failed.status == 0)
		vmt_error_vset(&s->failed, status, place, fmt, ap);
	va_end(ap);
	s->driver.err = s->failed;
	return -s->failed.status;
}

/* -------------------------------------------------------------------------------------------- */
/* Where the vCPU stands                                                                        */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_step *step_at(const struct vmt_scripted *s,
				      const struct vmt_scripted_vcpu *v)
{
	return v->at < v->n ? &s->steps[v->program[v->at]] : NULL;
}

/* The vCPU comes to the instruction @at of its program, wherever that stands. */
static void arrive(struct vmt_scripted *s, uint16_t vcpu, size_t at)
{
	struct vmt_regs *regs = vmt_model_regs(s->model, vcpu);
	struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];

	v->at = at;
	v->begun = false;
	v->events = 0;
	if (at < v->n)
		regs->gprs.rip = step_at(s, v)->rip;
	v->rip = regs->gprs.rip;
}

/* RIP was moved: to the instruction that stands there, the nearest after this one, else the first. */
static int find(struct vmt_scripted *s, uint16_t vcpu, const char *mover)
{
	uint64_t rip = vmt_model_regs(s->model, vcpu)->gprs.rip;
	const struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];

	size_t from = v->at < v->n ? v->at + 1 : 0;

	for (size_t i = 0; i < v->n; i++) {
		size_t at = (from + i) % v->n;

		if (s->steps[v->program[at]].rip == rip) {
			arrive(s, vcpu, at);
			return 0;
		}
	}
	return vmt_scripted_fail(s, vcpu, VMT_E_INVALID,
				 "%s, and the program of this vCPU has no instruction there (it "
				 "was at RIP 0x%" PRIx64 ")",
				 mover, v->rip);
}

/* Behind the instruction: the next of the program, or where a jump went. */
static int completed(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step)
{
	struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];

	if (vmt_model_regs(s->model, vcpu)->gprs.rip == step->rip + step->length) {
		arrive(s, vcpu, v->at + 1);
		return 0;
	}
	return find(s, vcpu, "the instruction jumped here");
}

/* Find the instruction at RIP. 1: there is one, and it may be executed; 0: not (yet). */
static int place(struct vmt_scripted *s, uint16_t vcpu)
{
	const struct vmt_regs *regs = vmt_model_regs(s->model, vcpu);
	struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];
	const struct vmt_step *step = step_at(s, v);
	int r = 0;

	if (v->begun && step && regs->gprs.rip == step->rip + step->length)
		r = completed(s, vcpu, step);
	else if (regs->gprs.rip != v->rip)
		r = find(s, vcpu, "a response, a delivery or the test moved RIP here");
	else if (step && regs->gprs.rip != step->rip)
		arrive(s, vcpu, v->at); /* it was added after the vCPU had come to the end */
	if (r < 0)
		return r;
	return v->at < v->n && v->program[v->at] < s->border;
}

bool vmt_scripted_has_reached(struct vmt_scripted *s, uint16_t vcpu, size_t border)
{
	const struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];

	return v->at >= v->n || v->program[v->at] > border;
}

/* -------------------------------------------------------------------------------------------- */
/* Reaching memory                                                                              */
/* -------------------------------------------------------------------------------------------- */

struct walker {
	struct vmt_scripted *s;
	uint16_t vcpu;
};

/* Page tables are read as the vCPU's view shows them. Their rights give no event: Xen is told not to
 * send those (VMT_MODEL_WALK_EVENTS is off). */
static int read_entry(void *opaque, vmt_gpa gpa, void *buf, uint32_t len)
{
	const struct walker *w = opaque;
	struct vmt_error *err = &w->s->driver.err;
	struct vmt_access access;
	vmt_gfn page;
	int r = vmt_model_peek(w->s->model, w->vcpu, vmt_gfn_of(gpa), &page, &access, err);

	if (r < 0)
		return r;
	return vmt_scripted_copy_out(w->s, vmt_gpa_of(page).a | (gpa.a & VMT_PAGE_MASK), buf, len,
				     err);
}

#define PF_PRESENT  1u
#define PF_WRITE    2u
#define PF_USER     4u
#define PF_RESERVED 8u
#define PF_FETCH    16u

static uint32_t error_code(const struct vmt_regs *regs, unsigned access)
{
	uint32_t code = vmt_cpl(regs) == 3 ? PF_USER : 0;

	if (access & VMT_W)
		code |= PF_WRITE;
	if ((access & VMT_X) && (regs->efer & VMT_EFER_NXE))
		code |= PF_FETCH;
	return code;
}

static bool allowed(const struct vmt_regs *regs, const struct vmt_walk *walk, unsigned access)
{
	bool user = vmt_cpl(regs) == 3;

	if (user && !walk->user)
		return false;
	if ((access & VMT_W) && !walk->writable && (user || (regs->cr0 & VMT_CR0_WP)))
		return false;
	return !(access & VMT_X) || walk->executable;
}

/* Where @gva is, or the guest's own exception. */
static int translate(struct vmt_scripted *s, uint16_t vcpu, uint64_t gva, unsigned access,
		     uint64_t *gpa)
{
	const struct vmt_regs *regs = vmt_model_regs(s->model, vcpu);
	struct walker walker = {s, vcpu};
	struct vmt_space space;
	struct vmt_walk walk;
	struct vmt_fault fault;
	int r = vmt_space_from_regs(regs, &space, &s->driver.err);

	*gpa = gva;
	if (r < 0 || space.paging == VMT_PAGING_NONE)
		return r < 0 ? r : VMT_ATTEMPT_DONE;
	r = vmt_walk_tables(read_entry, &walker, space, vmt_gva_from(gva), &walk, &fault);
	if (r == -VMT_E_FAULT && fault.kind == VMT_FAULT_NON_CANONICAL)
		return vmt_scripted_raise(s, vcpu, 13, 0, gva, "the address is not canonical");
	if (r == -VMT_E_FAULT && fault.kind == VMT_FAULT_RESERVED)
		return vmt_scripted_raise(s, vcpu, 14,
					  error_code(regs, access) | PF_PRESENT | PF_RESERVED, gva,
					  "a reserved bit is set in its page-table entry");
	if (r == -VMT_E_FAULT && fault.kind == VMT_FAULT_NOT_PRESENT)
		return vmt_scripted_raise(s, vcpu, 14, error_code(regs, access), gva,
					  "it is not mapped");
	if (r < 0)
		return vmt_scripted_fail(s, vcpu, VMT_E_INVALID,
					 "the address 0x%" PRIx64 " cannot be translated: %s", gva,
					 r == -VMT_E_FAULT ? "it does not fit 32 bits"
							   : s->driver.err.text);
	if (!allowed(regs, &walk, access))
		return vmt_scripted_raise(s, vcpu, 14, error_code(regs, access) | PF_PRESENT, gva,
					  "its page-table entries do not allow the access");
	*gpa = walk.gpa.a;
	return VMT_ATTEMPT_DONE;
}

/* Which page the view shows at @gpa, and may it be accessed? */
static int ask_model(struct vmt_scripted *s, uint16_t vcpu, uint64_t gva, uint64_t gpa,
		     unsigned access, const struct vmt_scripted_emulation *emulation, vmt_gfn *page)
{
	const struct vmt_guest_access wish = {
		.gpa = vmt_gpa_from(gpa),
		.gva = vmt_gva_from(gva),
		.access = (uint8_t)access,
		.flags = VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA,
	};
	struct vmt_access rights;
	int r;

	if (emulation->active)
		r = vmt_model_peek(s->model, vcpu, vmt_gfn_of(wish.gpa), page, &rights,
				   &s->driver.err);
	else
		r = vmt_model_access(s->model, vcpu, &wish, page, &s->driver.err);
	if (r == -VMT_E_UNMAPPED)
		return vmt_scripted_fail(s, vcpu, VMT_E_INVALID,
					 "there is no memory at guest-physical address 0x%" PRIx64
					 " (address 0x%" PRIx64
					 "); vmt_scripted_add_gfn adds a page",
					 gpa, gva);
	if (r < 0)
		return r;
	return r == VMT_GUEST_STOPPED ? VMT_ATTEMPT_STOPPED : VMT_ATTEMPT_DONE;
}

int vmt_scripted_reach(struct vmt_scripted *s, uint16_t vcpu, uint64_t gva, size_t len,
		       unsigned access, const struct vmt_scripted_emulation *emulation,
		       struct vmt_scripted_range *range)
{
	int r = VMT_ATTEMPT_DONE;

	/* First the tables for all of it, then the rights, as a CPU does. */
	range->n = 0;
	while (len > 0 && r == VMT_ATTEMPT_DONE) {
		size_t room = VMT_PAGE_SIZE - (gva & VMT_PAGE_MASK);

		range->piece[range->n].gva = gva;
		range->piece[range->n].len = len < room ? len : room;
		r = translate(s, vcpu, gva, access, &range->piece[range->n].gpa);
		gva += range->piece[range->n].len;
		len -= range->piece[range->n].len;
		range->n++;
	}
	for (size_t i = 0; i < range->n && r == VMT_ATTEMPT_DONE; i++) {
		vmt_gfn page = vmt_gfn_from(0);

		r = ask_model(s, vcpu, range->piece[i].gva, range->piece[i].gpa, access, emulation,
			      &page);
		range->piece[i].page = page.n;
	}
	return r;
}

static uint64_t address_of(const struct vmt_scripted_range *range, size_t i)
{
	return (range->piece[i].page << VMT_PAGE_SHIFT) | (range->piece[i].gpa & VMT_PAGE_MASK);
}

int vmt_scripted_range_read(struct vmt_scripted *s, const struct vmt_scripted_range *range,
			    void *buf)
{
	uint8_t *to = buf;
	int r = 0;

	for (size_t i = 0; r == 0 && i < range->n; i++) {
		r = vmt_scripted_copy_out(s, address_of(range, i), to, range->piece[i].len,
					  &s->driver.err);
		to += range->piece[i].len;
	}
	return r;
}

int vmt_scripted_range_write(struct vmt_scripted *s, const struct vmt_scripted_range *range,
			     const void *buf)
{
	const uint8_t *from = buf;
	int r = 0;

	for (size_t i = 0; r == 0 && i < range->n; i++) {
		r = vmt_scripted_copy_in(s, address_of(range, i), from, range->piece[i].len,
					 &s->driver.err);
		from += range->piece[i].len;
	}
	return r;
}

vmt_gfn vmt_scripted_gfn_of_rip(struct vmt_scripted *s, uint16_t vcpu)
{
	const struct vmt_regs *regs = vmt_model_regs(s->model, vcpu);
	struct walker walker = {s, vcpu};
	struct vmt_space space;
	struct vmt_walk walk;
	struct vmt_fault fault;

	if (vmt_space_from_regs(regs, &space, NULL) < 0)
		return vmt_gfn_from(0);
	if (space.paging == VMT_PAGING_NONE)
		return vmt_gfn_of(vmt_gpa_from(regs->gprs.rip));
	if (vmt_walk_tables(read_entry, &walker, space, vmt_gva_from(regs->gprs.rip), &walk,
			    &fault) < 0)
		return vmt_gfn_from(0);
	return vmt_gfn_of(walk.gpa);
}

/* -------------------------------------------------------------------------------------------- */
/* One instruction                                                                              */
/* -------------------------------------------------------------------------------------------- */

/* A 0xCC in place of another instruction: a breakpoint that was planted. */
static int planted_breakpoint(struct vmt_scripted *s, uint16_t vcpu, uint64_t gpa)
{
	static const struct vmt_interrupt breakpoint = {
		.vector = 3,
		.type = VMT_INT_SW_EXCEPTION,
		.insn_length = 1,
		.error_code = VMT_NO_ERROR_CODE,
	};
	int r = vmt_model_int3(s->model, vcpu, vmt_gfn_of(vmt_gpa_from(gpa)), 1, &s->driver.err);

	if (r < 0)
		return r;
	if (r == VMT_GUEST_STOPPED)
		return VMT_ATTEMPT_STOPPED;
	r = vmt_scripted_deliver(s, vcpu, &breakpoint);
	return r < 0 ? r : VMT_ATTEMPT_AGAIN;
}

static int execute(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step)
{
	struct vmt_scripted_range code;
	uint8_t bytes[VMT_INSN_MAX] = {0};
	int r = vmt_scripted_reach(s, vcpu, step->rip, step->length, VMT_X, &not_emulated, &code);

	if (r != VMT_ATTEMPT_DONE)
		return r;
	r = vmt_scripted_range_read(s, &code, bytes);
	if (r < 0)
		return r;
	if (bytes[0] == BREAKPOINT && step->kind != VMT_STEP_INT3)
		return planted_breakpoint(s, vcpu, code.piece[0].gpa);
	return vmt_insn_kind_find(step->kind)->execute(s, vcpu, step, &not_emulated);
}

static int stopped(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step)
{
	struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];

	v->begun = true;
	if (++v->events <= s->config.livelock)
		return 1;
	return vmt_scripted_fail(
		s, vcpu, VMT_E_LIMIT,
		"livelock: this vCPU was stopped %" PRIu32 " times at one instruction (%s, last "
		"event: %s) and got nowhere; on Xen it would go on for ever. Lift what stops it, "
		"step over it or move RIP (vmt_skip)",
		v->events, vmt_step_name(step->kind), vmt_reason_name(v->last_reason));
}

static int attempt(struct vmt_scripted *s, uint16_t vcpu)
{
	/* A copy: a function of the test may add steps meanwhile, and move them. */
	const struct vmt_step step = *step_at(s, &s->vcpus[vcpu]);
	const struct vmt_insn_kind *kind = vmt_insn_kind_find(step.kind);
	int result = execute(s, vcpu, &step);
	int r;

	if (result < 0)
		return result;
	if (result == VMT_ATTEMPT_STOPPED || result == VMT_ATTEMPT_AGAIN)
		return stopped(s, vcpu, &step);
	r = completed(s, vcpu, &step);
	if (r == 0 && kind->trap)
		r = kind->trap(s, vcpu, &step);
	if (r != 0 || result != VMT_ATTEMPT_RETIRED || !vmt_model_stepping(s->model, vcpu))
		return r < 0 ? r : 1;
	r = vmt_model_retired(s->model, vcpu, vmt_scripted_gfn_of_rip(s, vcpu), &s->driver.err);
	return r < 0 ? r : 1;
}

int vmt_scripted_turn(struct vmt_scripted *s, uint16_t vcpu)
{
	struct vmt_entry entry;
	int r;

	if (!vmt_model_runnable(s->model, vcpu))
		return 0;
	r = vmt_model_enter(s->model, vcpu, &entry, &s->driver.err);
	if (r < 0)
		return r;
	if (r == 0) {
		const struct vmt_step *step = step_at(s, &s->vcpus[vcpu]);

		return step ? stopped(s, vcpu, step) : 1;
	}
	if (entry.flags & VMT_ENTRY_DELIVER) {
		r = vmt_scripted_deliver(s, vcpu, &entry.deliver);
		return r < 0 ? r : 1;
	}
	r = place(s, vcpu);
	if (r <= 0) /* being stepped is a state, all else was something done */
		return r < 0 ? r : (entry.flags & ~(uint32_t)VMT_ENTRY_STEP) != 0;
	return attempt(s, vcpu);
}

/* -------------------------------------------------------------------------------------------- */
/* Emulation for a response                                                                     */
/* -------------------------------------------------------------------------------------------- */

/* The script knows what an instruction does, not what bytes do: they must be the instruction's. */
static int check_bytes(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		       const struct vmt_emulation *emulation)
{
	static const struct vmt_scripted_emulation peek = {.active = true};
	struct vmt_scripted_range code;
	uint8_t bytes[VMT_INSN_MAX];
	size_t at = 0;
	int r;

	if (emulation->data_len < step->length)
		return vmt_scripted_fail(s, vcpu, VMT_E_INVALID,
					 "%" PRIu32 " bytes were given to be emulated, the "
					 "instruction has %" PRIu32,
					 emulation->data_len, step->length);
	r = vmt_scripted_reach(s, vcpu, step->rip, step->length, VMT_X, &peek, &code);
	if (r != VMT_ATTEMPT_DONE)
		return r;
	for (size_t i = 0; i < code.n; i++) {
		vmt_gpa gpa = vmt_gpa_from(code.piece[i].gpa);
		uint32_t offset = (uint32_t)(gpa.a & VMT_PAGE_MASK);

		/* The guest's own bytes: view 0's, without what was written over them. */
		r = vmt_scripted_copy_out(s, gpa.a, bytes + at, code.piece[i].len, &s->driver.err);
		if (r < 0)
			return r;
		vmt_model_mask_own(s->model, vmt_gfn_of(gpa), offset, bytes + at,
				   (uint32_t)code.piece[i].len);
		at += code.piece[i].len;
	}
	if (memcmp(bytes, emulation->data, step->length) != 0)
		return vmt_scripted_fail(
			s, vcpu, VMT_E_INVALID,
			"the bytes given to be emulated are not those of the "
			"guest's instruction, and a script cannot tell what they do");
	return VMT_ATTEMPT_DONE;
}

static int emulate(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		   const struct vmt_emulation *emulation)
{
	const struct vmt_insn_kind *kind = vmt_insn_kind_find(step->kind);
	struct vmt_scripted_emulation how = {
		.active = true,
		.no_write = emulation->action == VMT_EMULATE_NOWRITE,
	};
	int r;

	if (emulation->action == VMT_EMULATE_INSN) {
		r = check_bytes(s, vcpu, step, emulation);
		if (r != VMT_ATTEMPT_DONE)
			return r < 0 ? r : 0;
	}
	if (emulation->action == VMT_EMULATE_READ) {
		how.read_data = emulation->data;
		how.read_len = emulation->data_len;
	}
	s->vcpus[vcpu].begun = true;
	if (!kind->emulated)
		return vmt_model_unemulated(s->model, vcpu, &s->driver.err);
	return kind->execute(s, vcpu, step, &how);
}

int vmt_scripted_emulate(void *ctx, uint16_t vcpu, const struct vmt_emulation *emulation,
			 struct vmt_error *err)
{
	struct vmt_scripted *s = ctx;
	int r;

	if (s->failed.status != 0)
		return 0; /* the script is over; that was told */
	r = place(s, vcpu);
	if (r >= 0 && !step_at(s, &s->vcpus[vcpu])) {
		r = vmt_scripted_fail(s, vcpu, VMT_E_INVALID,
				      "there is no instruction to emulate: the program has ended");
	} else if (r >= 0) {
		const struct vmt_step step = *step_at(s, &s->vcpus[vcpu]);

		r = emulate(s, vcpu, &step, emulation);
	}
	if (r >= 0)
		return 0;
	*err = s->driver.err;
	return r;
}
