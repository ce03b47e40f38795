/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The walk through a trace: each response whose effect is the vCPU's next event is emulated when
 * that event comes.
 *
 * The recorded handler's side follows the records as in replay, so that the emulation meets the
 * rights, views and monitors that the guest met.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fidelity-private.h"

#define DEFAULT_CACHE (UINT32_C(64) << 20)

/** A vCPU on its way through the trace. */
struct walked_vcpu {
	struct vmt_answered answered;
	struct vmt_regs regs; /**< of @cpu */
	struct vmt_cpu cpu;   /**< what an exact emulation has led to: more than events tell */
	bool carried;         /**< @cpu holds at the next event */
};

struct walk {
	struct vmt_facts facts;
	struct vmt_side side;
	struct vmt_still still;
	struct vmt_emulator *em;
	struct vmt_moment moment;
	struct walked_vcpu *vcpus;
	uint64_t moment_before; /**< of the record before this one */
	uint64_t callback_from; /**< time at which the callback that runs began */
	const struct vmt_fidelity_options *options;
	struct vmt_fidelity *f;
	struct vmt_error *err;
};

/* -------------------------------------------------------------------------------------------- */
/* The state that a response leaves                                                             */
/* -------------------------------------------------------------------------------------------- */

/** All that is known of the vCPU when @v's response took effect. */
static void state_of(struct walk *w, const struct walked_vcpu *v, struct vmt_regs *regs,
		     struct vmt_cpu *cpu)
{
	const struct vmt_answered *a = &v->answered;

	*regs = a->ev.regs;
	vmt_cpu_init(cpu, regs, &w->moment);
	cpu->known = 0;
	if (v->carried) {
		*cpu = v->cpu;
		cpu->regs = regs;
		cpu->ctx = &w->moment;
		vmt_regs_merge(regs, &v->regs);
	}
	if (a->has_context) {
		vmt_regs_merge(regs, &a->context.regs);
		if (a->context.fxsave_known)
			vmt_cpu_set_fxsave(cpu, a->context.fxsave);
	}
	cpu->known &= ~(uint32_t)VMT_CPU_KNOWS_TSC; /* it goes on by itself */
	if (a->flags & VMT_RSP_REGS)
		regs->gprs = a->gprs;
}

/* -------------------------------------------------------------------------------------------- */
/* Classes                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Read @len bytes of the guest's memory at @gva, as the vCPU with @cpu sees it. */
static bool read_gva(struct walk *w, struct vmt_cpu *cpu, uint64_t gva, void *buf, uint32_t len)
{
	struct vmt_step_result r;
	uint8_t *to = buf;

	while (len > 0) {
		uint32_t offset = (uint32_t)(gva & (VMT_PAGE_SIZE - 1));
		uint32_t n = VMT_PAGE_SIZE - offset < len ? VMT_PAGE_SIZE - offset : len;
		const uint8_t *page = NULL;
		struct vmt_access rights;
		vmt_gpa gpa;
		vmt_gfn gfn;

		if (vmt_emulator_translate(w->em, cpu, vmt_gva_from(gva), VMT_R, &gpa, &r) !=
		    VMT_STEP_DONE)
			return false;
		if (vmt_model_peek(w->side.model, w->moment.vcpu,
				   vmt_gfn_from(gpa.a >> VMT_PAGE_SHIFT), &gfn, &rights, NULL) == 0)
			page = vmt_moment_ops.page(&w->moment, gfn);
		if (!page)
			return false;
		memcpy(to, page + offset, n);
		to += n;
		gva += n;
		len -= n;
	}
	return true;
}

/**
 * Did an interrupt come in between? Then the frame at the new stack pointer (RIP, CS, RFLAGS, RSP,
 * SS) is the predicted state.
 */
static bool interrupted(struct walk *w, const struct vmt_predicted *p,
			const struct vmt_trace_record *record, const struct vmt_event *next)
{
	const uint64_t flags = ~(p->any_rflags | VMT_RFLAGS_RF);
	const struct vmt_gprs *g = &p->ev.regs.gprs;
	struct vmt_regs regs = next->regs;
	struct vmt_cpu cpu;
	uint64_t frame[5];

	if (p->fidelity != VMT_FIDELITY_EXACT || next->reason != VMT_EVENT_SINGLESTEP ||
	    !(g->rflags & VMT_RFLAGS_IF))
		return false;
	vmt_cpu_init(&cpu, &regs, &w->moment);
	vmt_moment_clear(&w->moment);
	w->moment.here = (struct vmt_here){.time = 2 * record->position, .moment = w->still.moment};
	if (!read_gva(w, &cpu, next->regs.gprs.rsp, frame, sizeof(frame)))
		return false;
	return frame[0] == g->rip && ((frame[2] ^ g->rflags) & flags) == 0 && frame[3] == g->rsp;
}

/** How many of the bytes that were stored does the trace show afterwards? */
static bool check_stores(struct walk *w, const struct vmt_trace_record *record, char *text,
			 size_t cap)
{
	const struct vmt_here after = {.time = 2 * record->position, .moment = w->still.moment};

	for (size_t i = 0; i < w->moment.npages; i++) {
		const struct vmt_moment_page *page = w->moment.pages[i];
		const struct vmt_question q = {
			.facts = &w->facts,
			.gfn = vmt_gfn_from(page->gfn),
			.len = VMT_PAGE_SIZE,
			.own_page =
				vmt_facts_private(&w->facts, vmt_gfn_from(page->gfn), after.time),
		};
		struct vmt_here here = after;
		struct vmt_answer answer;
		bool asked = false;

		for (uint32_t at = 0; at < VMT_PAGE_SIZE; at++) {
			if (!(page->written[at / 8] & (1u << (at % 8))))
				continue;
			if (!asked)
				vmt_answer(&q, &here, &answer);
			asked = true;
			w->f->stores++;
			if (answer.absent || answer.from[at] != VMT_FROM_FROZEN)
				continue;
			w->f->stores_checked++;
			if (answer.bytes[at] == page->bytes[at])
				continue;
			(void)snprintf(text, cap, "memory at gpa 0x%" PRIx64 ": 0x%02x is 0x%02x",
				       (page->gfn << VMT_PAGE_SHIFT) + at, page->bytes[at],
				       answer.bytes[at]);
			return false;
		}
	}
	return true;
}

/** Predict once, and compare. */
static enum vmt_fidelity_class attempt(struct walk *w, const struct walked_vcpu *v, bool exits,
				       const struct vmt_trace_record *record,
				       const struct vmt_event *next, struct vmt_predicted *p,
				       char *text, size_t cap)
{
	struct vmt_regs regs;
	struct vmt_cpu cpu;

	vmt_moment_clear(&w->moment);
	w->moment.vcpu = v->answered.ev.vcpu;
	w->moment.here = v->answered.here;
	state_of(w, v, &regs, &cpu);
	vmt_fidelity_predict(w->em, &w->moment, &v->answered, &cpu, exits, p);
	if (p->fidelity != VMT_FIDELITY_EXACT) {
		(void)snprintf(text, cap, "%s", p->text);
		return (enum vmt_fidelity_class)p->fidelity;
	}
	if (!vmt_fidelity_matches(p, next, text, cap))
		return VMT_FIDELITY_WRONG;
	return check_stores(w, record, text, cap) ? VMT_FIDELITY_EXACT : VMT_FIDELITY_WRONG;
}

/** The vCPU's next event after its response has come. */
static int judge(struct walk *w, struct walked_vcpu *v, const struct vmt_trace_record *record,
		 const struct vmt_event *next)
{
	struct vmt_predicted p, other;
	enum vmt_fidelity_class fidelity;
	char text[224] = "";
	char unused[224];

	fidelity = attempt(w, v, false, record, next, &p, text, sizeof(text));
	if (fidelity == VMT_FIDELITY_WRONG && p.ambiguous &&
	    attempt(w, v, true, record, next, &other, unused, sizeof(unused)) ==
		    VMT_FIDELITY_EXACT) {
		fidelity = VMT_FIDELITY_EXACT;
		p = other;
		p.cpu.regs = &p.ev.regs;
	}
	if (fidelity == VMT_FIDELITY_WRONG && interrupted(w, &p, record, next))
		fidelity = VMT_FIDELITY_ASYNCHRONOUS;
	v->carried = fidelity == VMT_FIDELITY_EXACT;
	if (v->carried) {
		v->regs = p.ev.regs;
		v->cpu = p.cpu;
		v->cpu.regs = &v->regs;
	}
	if (vmt_fidelity_count(w->f, w->options, &v->answered, &p, fidelity, text) < 0 ||
	    w->moment.no_memory)
		return vmt_error_set(w->err, VMT_E_NO_MEMORY, "fidelity", "no memory for a step");
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_answered *held(struct walk *w, uint16_t vcpu)
{
	struct vmt_answered *a = vcpu < w->side.vcpus ? &w->vcpus[vcpu].answered : NULL;

	return a && a->there && !a->committed ? a : NULL;
}

static int on_event(struct walk *w, const struct vmt_trace_record *record)
{
	const struct vmt_event *ev = &((const struct vmt_trace_event *)record->body)->event;
	struct walked_vcpu *v;
	struct vmt_answered *a;
	int r = 0;

	if (ev->vcpu >= w->side.vcpus)
		return vmt_error_set(w->err, VMT_E_DAMAGED, "fidelity",
				     "the trace cannot be: it has an event of vCPU %u, and the "
				     "domain has %u",
				     ev->vcpu, w->side.vcpus);
	v = &w->vcpus[ev->vcpu];
	a = &v->answered;
	if (a->committed && !a->spoiled && (ev->flags & VMT_EVENT_SYNC) &&
	    a->action != VMT_FAST_SINGLESTEP && vmt_model_stepping(w->side.model, ev->vcpu))
		r = judge(w, v, record, ev);
	else
		v->carried = false;
	vmt_side_ran(&w->side, ev, true);
	if (r == 0)
		r = vmt_side_take(&w->side, ev, w->err);
	memset(a, 0, offsetof(struct vmt_answered, data));
	a->has_context = false;
	a->there = (ev->flags & VMT_EVENT_SYNC) != 0;
	a->ev = *ev;
	a->ev.raw = NULL;
	a->number = record->event;
	return r;
}

static void on_answer(struct walk *w, const struct vmt_trace_record *record,
		      const struct vmt_call *call)
{
	const struct vmt_response *rsp = call->u.answer.response;
	struct vmt_answered *a = held(w, call->u.answer.event->vcpu);

	vmt_side_answered(&w->side, call->u.answer.event->ticket, rsp);
	if (!a || a->ev.ticket != call->u.answer.event->ticket || rsp->action >= VMT_ACTION_COUNT)
		return;
	w->f->responses++;
	a->answered = true;
	a->action = rsp->action;
	a->flags = rsp->flags;
	if (rsp->flags & VMT_RSP_REGS)
		a->gprs = *rsp->regs;
	a->data_len = rsp->data_len < sizeof(a->data) ? rsp->data_len : sizeof(a->data);
	if (a->data_len > 0)
		memcpy(a->data, rsp->data, a->data_len);
	a->here = (struct vmt_here){.moment = w->moment_before,
				    .first = w->callback_from,
				    .last = 2 * record->position};
}

static void on_commit(struct walk *w, const struct vmt_trace_record *record)
{
	vmt_side_commit(&w->side, NULL);
	for (uint32_t vcpu = 0; vcpu < w->side.vcpus; vcpu++) {
		struct vmt_answered *a = held(w, (uint16_t)vcpu);

		if (!a || !a->answered)
			continue;
		a->committed = true;
		a->here.time = 2 * record->position;
	}
}

static void spoil(struct walk *w, uint16_t vcpu)
{
	if (vcpu >= w->side.vcpus)
		return;
	w->vcpus[vcpu].answered.spoiled = true;
	w->vcpus[vcpu].carried = false;
}

static void on_call(struct walk *w, const struct vmt_trace_record *record)
{
	const struct vmt_trace_call *tc = record->body;
	const struct vmt_call *call = &tc->call;
	struct vmt_answered *a;

	switch (call->op) {
	case VMT_CALL_WAIT:
		vmt_side_all_ran(&w->side);
		return;
	case VMT_CALL_ANSWER:
		if (call->result >= 0)
			on_answer(w, record, call);
		return;
	case VMT_CALL_COMMIT:
		if (call->result >= 0)
			on_commit(w, record);
		return;
	case VMT_CALL_GET_CONTEXT:
		a = call->result >= 0 ? held(w, call->u.get_context.vcpu) : NULL;
		if (a) {
			a->has_context = true;
			a->context = *call->u.get_context.context;
		}
		return;
	case VMT_CALL_INFO:
	case VMT_CALL_NEXT:
	case VMT_CALL_PENDING:
	case VMT_CALL_OVERHEAD:
	case VMT_CALL_READ:
	case VMT_CALL_WRITE: /* own-bytes.h has its history */
	case VMT_CALL_GET_ACCESS:
	case VMT_CALL_GET_REGS:
		return;
	case VMT_CALL_SET_REGS:
		spoil(w, call->u.set_regs.vcpu);
		break;
	case VMT_CALL_INJECT:
		spoil(w, call->u.inject.vcpu);
		break;
	default:
		break;
	}
	vmt_side_follow(&w->side, call, NULL);
}

static int on_record(struct walk *w, const struct vmt_trace_record *record)
{
	int r = 0;

	w->moment_before = w->still.moment;
	vmt_still_feed(&w->still, record);
	if (record->kind == VMT_TRACE_EVENT)
		r = on_event(w, record);
	else if (record->kind == VMT_TRACE_CALLBACK)
		w->callback_from = 2 * record->position;
	else if (record->kind >= VMT_TRACE_CALL && record->kind < VMT_TRACE_KIND_COUNT)
		on_call(w, record);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* The whole trace                                                                              */
/* -------------------------------------------------------------------------------------------- */

static int walk_all(struct walk *w, struct vmt_trace_reader *reader)
{
	struct vmt_trace_record record;
	int r;

	while ((r = vmt_trace_reader_next(reader, &record, w->err)) == 1 &&
	       record.position <= w->facts.last_position) {
		r = on_record(w, &record);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : 0;
}

static int prepare(struct walk *w, const char *path, const struct vmt_trace_reader_options *reading)
{
	const struct vmt_emulator_config config = {.ops = &vmt_moment_ops};
	int r = vmt_facts_read(&w->facts, path, reading, w->err);

	if (r == 0)
		r = vmt_side_init(&w->side, &w->facts, w->err);
	if (r == 0)
		r = vmt_emulator_create(&config, &w->em, w->err);
	if (r < 0)
		return r;
	w->moment.facts = &w->facts;
	w->moment.model = w->side.model;
	w->vcpus = calloc(w->side.vcpus, sizeof(*w->vcpus));
	if (!w->vcpus)
		return vmt_error_set(w->err, VMT_E_NO_MEMORY, "fidelity", "no memory for vCPUs");
	vmt_still_init(&w->still, w->side.vcpus);
	return 0;
}

int vmt_fidelity_measure(const char *path, const struct vmt_fidelity_options *options,
			 struct vmt_fidelity *f, struct vmt_error *err)
{
	const struct vmt_trace_reader_options reading = {
		.cache_bytes =
			options && options->cache_bytes ? options->cache_bytes : DEFAULT_CACHE};
	struct vmt_trace_reader *reader = NULL;
	struct vmt_error scratch;
	struct walk *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "fidelity", "no memory");
	w->options = options;
	w->f = f;
	w->err = err ? err : &scratch;
	r = prepare(w, path, &reading);
	if (r == 0)
		r = vmt_trace_reader_open(path, &reading, &reader, w->err);
	if (r == 0)
		r = walk_all(w, reader);
	vmt_trace_reader_close(reader);
	vmt_emulator_destroy(w->em);
	vmt_moment_finish(&w->moment);
	free(w->vcpus);
	vmt_side_finish(&w->side);
	vmt_facts_finish(&w->facts);
	free(w);
	return r;
}
