/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scripts: steps are checked, copied, put into their vCPU's program, and instructions are written
 * into the guest's memory as bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/walk.h"

#include "copies.h"
#include "scripted.h"

/* -------------------------------------------------------------------------------------------- */
/* Checking                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static const char *memory_problem(const struct vmt_step *step)
{
	if (step->len == 0 || step->len > VMT_PAGE_SIZE)
		return "its length must be 1 to 4096 bytes";
	if (step->kind != VMT_STEP_READ && !step->bytes)
		return "it has no bytes";
	return NULL;
}

static const char *cr_problem(const struct vmt_step *step)
{
	return step->what < VMT_CR_COUNT ? NULL : "there is no such control register";
}

static const char *io_problem(const struct vmt_step *step)
{
	if (step->what > UINT16_MAX)
		return "there is no such port";
	if (step->len != 1 && step->len != 2 && step->len != 4)
		return "its size must be 1, 2 or 4 bytes";
	return NULL;
}

static const char *descriptor_problem(const struct vmt_step *step)
{
	return step->what >= VMT_DESC_IDTR && step->what <= VMT_DESC_TR
		       ? NULL
		       : "there is no such descriptor table; see enum vmt_descriptor";
}

static const char *debug_problem(const struct vmt_step *step)
{
	return step->what == 0 || step->what == VMT_INT_HW_EXCEPTION ||
			       step->what == VMT_INT_PRIV_SW_EXCEPTION
		       ? NULL
		       : "its type must be VMT_INT_HW_EXCEPTION or VMT_INT_PRIV_SW_EXCEPTION";
}

static const char *wait_fail_problem(const struct vmt_step *step)
{
	return step->what > 0 && step->what <= INT32_MAX ? NULL : "it needs an errno";
}

static const char *call_problem(const struct vmt_step *step)
{
	return step->call ? NULL : "it has no function";
}

static const char *event_problem(const struct vmt_step *step)
{
	return step->event ? NULL : "it has no event";
}

/* What each kind needs; those that are not here need nothing. */
static const char *(*const problems[])(const struct vmt_step *) = {
	[VMT_STEP_READ] = memory_problem,
	[VMT_STEP_WRITE] = memory_problem,
	[VMT_STEP_CR] = cr_problem,
	[VMT_STEP_IN] = io_problem,
	[VMT_STEP_OUT] = io_problem,
	[VMT_STEP_DESCRIPTOR] = descriptor_problem,
	[VMT_STEP_DEBUG] = debug_problem,
	[VMT_STEP_POKE] = memory_problem,
	[VMT_STEP_WAIT_FAIL] = wait_fail_problem,
	[VMT_STEP_EVENT] = event_problem,
	[VMT_STEP_CALL] = call_problem,
};

static const char *problem_of(const struct vmt_scripted *s, const struct vmt_step *step)
{
	const struct vmt_insn_kind *kind = vmt_insn_kind_find(step->kind);
	const char *problem;

	if (!kind)
		return "there is no such kind; see enum vmt_step_kind";
	problem = step->kind < sizeof(problems) / sizeof(problems[0]) && problems[step->kind]
			  ? problems[step->kind](step)
			  : NULL;
	if (problem)
		return problem;
	if ((kind->instruction && step->vcpu >= s->config.vcpus) ||
	    (step->event && step->event->vcpu >= s->config.vcpus))
		return "the domain has no such vCPU";
	if (kind->instruction && step->length >= VMT_INSN_MAX)
		return "an instruction has at most 15 bytes";
	return NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* Copying                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static bool make_room(struct vmt_scripted *s, size_t more)
{
	size_t cap = s->steps_cap ? s->steps_cap : 64;
	struct vmt_step *steps;

	while (cap - s->nsteps < more)
		cap *= 2;
	if (cap == s->steps_cap)
		return true;
	steps = realloc(s->steps, cap * sizeof(*steps));
	if (!steps)
		return false;
	s->steps = steps;
	s->steps_cap = cap;
	return true;
}

static bool add_to_program(struct vmt_scripted_vcpu *v, size_t index)
{
	size_t cap = v->cap ? v->cap * 2 : 32;
	size_t *program;

	if (v->n == v->cap) {
		program = realloc(v->program, cap * sizeof(*program));
		if (!program)
			return false;
		v->program = program;
		v->cap = cap;
	}
	v->program[v->n++] = index;
	return true;
}

/* Where an instruction stands that does not say it. */
static uint64_t next_rip(const struct vmt_scripted *s, uint16_t vcpu)
{
	const struct vmt_scripted_vcpu *v = &s->vcpus[vcpu];
	const struct vmt_step *last;

	if (v->n == 0)
		return VMT_SCRIPTED_RIP_OF(vcpu);
	last = &s->steps[v->program[v->n - 1]];
	return last->kind == VMT_STEP_JUMP ? last->addr : last->rip + last->length;
}

/* The arrays have room. False: no memory. */
static bool append(struct vmt_scripted *s, const struct vmt_step *given)
{
	const struct vmt_insn_kind *kind = vmt_insn_kind_find(given->kind);
	struct vmt_step *step = &s->steps[s->nsteps];
	uint8_t bytes[VMT_INSN_MAX];

	*step = *given;
	if (step->bytes)
		step->bytes = vmt_arena_copy(&s->arena, step->bytes, step->len);
	if (step->event)
		step->event = vmt_copy_event(&s->arena, step->event);
	if ((given->bytes && !step->bytes) || (given->event && !step->event))
		return false;
	if (kind->instruction) {
		if (step->length == 0)
			step->length = kind->encode(step, bytes);
		if (step->rip == 0)
			step->rip = next_rip(s, step->vcpu);
		if (!add_to_program(&s->vcpus[step->vcpu], s->nsteps))
			return false;
	} else if (s->border == VMT_SCRIPT_END) {
		s->border = s->nsteps;
	}
	s->nsteps++;
	return true;
}

/* -------------------------------------------------------------------------------------------- */
/* Code                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static int read_entry(void *opaque, vmt_gpa gpa, void *buf, uint32_t len)
{
	return vmt_scripted_copy_out(opaque, gpa.a, buf, len, NULL);
}

static bool find_code(struct vmt_scripted *s, uint16_t vcpu, uint64_t rip, uint64_t *gpa)
{
	struct vmt_space space;
	struct vmt_walk walk;
	struct vmt_fault fault;

	if (vmt_space_from_regs(vmt_model_regs(s->model, vcpu), &space, NULL) < 0)
		return false;
	*gpa = rip;
	if (space.paging == VMT_PAGING_NONE)
		return true;
	if (vmt_walk_tables(read_entry, s, space, vmt_gva_from(rip), &walk, &fault) < 0)
		return false;
	*gpa = walk.gpa.a;
	return true;
}

/*
 * Write the bytes of the instruction where memory is blank. What cannot be written is left: the
 * script alone says what the guest executes.
 */
static void write_code(struct vmt_scripted *s, const struct vmt_step *step)
{
	uint8_t bytes[VMT_INSN_MAX], there;
	uint64_t gpa[VMT_INSN_MAX];
	unsigned n = vmt_insn_kind_find(step->kind)->encode(step, bytes);

	/* Longer than usual: NOPs in front would change what it is, so prefixes stand there. */
	for (unsigned i = n; i < step->length; i++) {
		memmove(bytes + 1, bytes, i);
		bytes[0] = 0x3e;
	}
	if (n > step->length)
		return;
	for (unsigned i = 0; i < step->length; i++) {
		if (!find_code(s, step->vcpu, step->rip + i, &gpa[i]))
			return;
		if (vmt_scripted_copy_out(s, gpa[i], &there, 1, NULL) < 0 || there != 0)
			return;
	}
	for (unsigned i = 0; i < step->length; i++)
		vmt_scripted_copy_in(s, gpa[i], &bytes[i], 1, NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* Playing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static int play(struct vmt_scripted *s, const struct vmt_step *steps, size_t n,
		struct vmt_error *err)
{
	char place[VMT_ERROR_PLACE];

	for (size_t i = 0; i < n; i++) {
		const char *problem = problem_of(s, &steps[i]);

		if (!problem)
			continue;
		snprintf(place, sizeof(place), "script, step %zu (%s)", i,
			 vmt_step_name(steps[i].kind));
		return vmt_error_set(err, VMT_E_INVALID, place, "%s", problem);
	}
	if (!make_room(s, n))
		return vmt_error_set(err, VMT_E_NO_MEMORY, "script", "no memory for the steps");
	for (size_t i = 0; i < n; i++) {
		const struct vmt_step *step = &s->steps[s->nsteps];

		if (!append(s, &steps[i]))
			return vmt_error_set(err, VMT_E_NO_MEMORY, "script",
					     "no memory for the steps");
		if (vmt_insn_kind_find(step->kind)->instruction && !s->config.keep_code)
			write_code(s, step);
	}
	return 0;
}

int vmt_scripted_play(struct vmt_driver *d, const struct vmt_step *steps, size_t n,
		      struct vmt_error *err)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	if (s)
		return play(s, steps, n, err);
	if (err)
		*err = d->err;
	return -VMT_E_INVALID;
}

bool vmt_scripted_done(struct vmt_driver *d)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	bool done = s && s->border == VMT_SCRIPT_END;

	for (uint16_t vcpu = 0; done && vcpu < s->config.vcpus; vcpu++)
		done = vmt_scripted_has_reached(s, vcpu, VMT_SCRIPT_END);
	return done;
}
