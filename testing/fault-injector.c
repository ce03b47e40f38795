/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fault injector: a driver that passes calls on until a rule says that one fails. It is an
 * observer too, which is how it knows callbacks, phases and steps of the teardown.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

#include "core/line.h"

#include "chain.h"

struct rule {
	struct vmt_fault_rule rule;
	uint64_t matched; /* calls so far that fit in op, place and time */
	uint64_t struck;
};

struct fault_injector {
	struct vmt_call_driver base;
	struct vmt_observer observer;
	struct vmt_driver *inner;
	uint64_t seed;
	struct rule *rules;
	size_t nrules;
	uint64_t struck;
	uint64_t calls[VMT_CALL_OP_COUNT];
	/* Where the session is, as far as the observer was told. */
	uint64_t callback;
	uint32_t phase;   /* enum vmt_phase; 0: unknown */
	const char *step; /* of the teardown, or NULL */
};

/* -------------------------------------------------------------------------------------------- */
/* Where the session is                                                                         */
/* -------------------------------------------------------------------------------------------- */

/* The teardown's steps, and the phase that begins with each (run.h); 0: it may be in either. */
static const struct {
	const char *name;
	uint32_t phase;
} steps[] = {
	{"pause", VMT_PHASE_CLEANUP},   {"commit", 0},
	{"cleanup", VMT_PHASE_CLEANUP}, {"reset", VMT_PHASE_DRAIN},
	{"drain", VMT_PHASE_DRAIN},     {"resume", VMT_PHASE_DRAIN},
	{"settle", VMT_PHASE_DRAIN},    {"detach", VMT_PHASE_DRAIN},
};
#define NSTEPS (sizeof(steps) / sizeof(steps[0]))

/* The step's own copy of its name, or NULL. */
static const char *step_called(const char *name)
{
	for (size_t i = 0; name && i < NSTEPS; i++)
		if (strcmp(steps[i].name, name) == 0)
			return steps[i].name;
	return NULL;
}

static struct fault_injector *of_observer(struct vmt_observer *o)
{
	return (struct fault_injector *)((char *)o - offsetof(struct fault_injector, observer));
}

static void on_begin(struct vmt_observer *o, const struct vmt_session *s)
{
	struct fault_injector *f = of_observer(o);

	(void)s;
	f->callback = 0;
	f->phase = VMT_PHASE_CREATE;
	f->step = NULL;
}

static void on_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	struct fault_injector *f = of_observer(o);

	f->callback = cb->number;
	f->phase = cb->phase;
}

static void on_teardown(struct vmt_observer *o, const char *step)
{
	struct fault_injector *f = of_observer(o);

	f->step = step_called(step);
	for (size_t i = 0; i < NSTEPS; i++)
		if (steps[i].name == f->step && steps[i].phase != 0)
			f->phase = steps[i].phase;
}

static void on_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	(void)outcome;
	of_observer(o)->phase = VMT_PHASE_OVER;
	of_observer(o)->step = NULL;
}

static const struct vmt_observer_ops observer_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.begin = on_begin,
	.callback = on_callback,
	.teardown = on_teardown,
	.end = on_end,
};

/* -------------------------------------------------------------------------------------------- */
/* Which call is struck                                                                         */
/* -------------------------------------------------------------------------------------------- */

/* Steele, Lea and Flood's SplitMix64: a good bit mixer in three lines. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static bool fits(const struct fault_injector *f, const struct vmt_fault_rule *rule, uint32_t op)
{
	if (rule->op != 0 && rule->op != op)
		return false;
	if (rule->phase != 0 && rule->phase != f->phase)
		return false;
	if (rule->step && rule->step != f->step)
		return false;
	return f->callback >= rule->from_callback;
}

/* Does rule @i strike this call? Counts it among those that fit. */
static bool strikes(struct fault_injector *f, size_t i, uint32_t op)
{
	struct rule *r = &f->rules[i];
	uint32_t times = r->rule.times ? r->rule.times : 1;
	uint64_t draw;

	if (!fits(f, &r->rule, op))
		return false;
	r->matched++;
	if (r->matched < r->rule.nth || (times != VMT_STRIKE_ALWAYS && r->struck >= times))
		return false;
	if (r->rule.per_million != 0) {
		draw = mix(mix(f->seed ^ ((uint64_t)i << 32)) ^ r->matched);
		if (draw % 1000000 >= r->rule.per_million)
			return false;
	}
	r->struck++;
	return true;
}

/* The first rule that strikes. All of them count the call. */
static const struct rule *find_rule(struct fault_injector *f, uint32_t op)
{
	const struct rule *found = NULL;

	for (size_t i = 0; i < f->nrules; i++) {
		if (found)
			f->rules[i].matched += fits(f, &f->rules[i].rule, op);
		else if (strikes(f, i, op))
			found = &f->rules[i];
	}
	return found;
}

/* -------------------------------------------------------------------------------------------- */
/* The driver                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void say_fault(struct fault_injector *f, const struct rule *r, const struct vmt_call *call)
{
	enum vmt_status status =
		r->rule.status ? (enum vmt_status)r->rule.status : VMT_E_HYPERVISOR;
	char place[VMT_ERROR_PLACE], text[VMT_ERROR_TEXT];
	struct vmt_line line;

	vmt_call_format(call, place, sizeof(place));
	vmt_line_init(&line, text, sizeof(text));
	vmt_line_add(&line, "injected fault: rule %zu struck call %" PRIu64 " of %s",
		     (size_t)(r - f->rules), f->calls[call->op], vmt_call_name(call->op));
	if (f->phase != 0)
		vmt_line_add(&line, ", at callback %" PRIu64, f->callback);
	if (f->step)
		vmt_line_add(&line, ", in the teardown's %s", f->step);
	if (r->rule.sys_errno != 0)
		vmt_error_set_errno(&f->base.driver.err, status, r->rule.sys_errno, place, "%s",
				    text);
	else
		vmt_error_set(&f->base.driver.err, status, place, "%s", text);
}

/* What the domain sees of a call that is struck. */
static void half_apply(struct fault_injector *f, const struct rule *r, const struct vmt_call *call)
{
	struct vmt_call part = *call;
	uint64_t done = 0;

	if (r->rule.done_anyway) {
		vmt_call_apply(f->inner, &part);
		return;
	}
	if (call->op != VMT_CALL_SET_ACCESS)
		return;
	if (r->rule.pages_done > 0) {
		if (r->rule.pages_done < call->u.set_access.count)
			part.u.set_access.count = r->rule.pages_done;
		part.u.set_access.done = &done;
		vmt_call_apply(f->inner, &part);
	}
	if (call->u.set_access.done)
		*call->u.set_access.done = done;
}

static int injector_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct fault_injector *f = (struct fault_injector *)d;
	const struct rule *r;

	f->calls[call->op]++;
	f->calls[0]++;
	r = find_rule(f, call->op);
	if (r) {
		f->struck++;
		half_apply(f, r, call);
		say_fault(f, r, call);
		call->result = -d->driver.err.status;
		return call->result;
	}
	vmt_call_apply(f->inner, call);
	if (call->result < 0)
		d->driver.err = f->inner->err;
	return call->result;
}

static int injector_stop_fd(struct vmt_call_driver *d)
{
	struct fault_injector *f = (struct fault_injector *)d;
	int r = vmt_driver_stop_fd(f->inner);

	if (r < 0)
		d->driver.err = f->inner->err;
	return r;
}

static void injector_close(struct vmt_call_driver *d)
{
	struct fault_injector *f = (struct fault_injector *)d;

	vmt_driver_close(f->inner);
	free(f->rules);
	free(f);
}

static const struct vmt_call_driver_ops injector_ops = {
	.call = injector_call,
	.stop_fd = injector_stop_fd,
	.close = injector_close,
};

int vmt_fault_injector_create(struct vmt_driver *inner, uint64_t seed, struct vmt_driver **injector,
			      struct vmt_error *err)
{
	struct fault_injector *f = calloc(1, sizeof(*f));

	if (!f)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "fault injector",
				     "no memory for a fault injector");
	vmt_call_driver_init(&f->base, &injector_ops);
	f->observer.ops = &observer_ops;
	f->inner = inner;
	f->seed = seed;
	*injector = &f->base.driver;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Rules and counts                                                                             */
/* -------------------------------------------------------------------------------------------- */

static struct fault_injector *as_injector(struct vmt_driver *d)
{
	return (struct fault_injector *)vmt_chain_as(d, &injector_ops);
}

struct vmt_driver *vmt_fault_injector_inner(struct vmt_driver *d)
{
	struct fault_injector *f = as_injector(d);

	return f ? f->inner : NULL;
}

static struct fault_injector *find_injector(struct vmt_driver *d)
{
	while (d && !as_injector(d))
		d = vmt_chain_inner(d);
	return d ? as_injector(d) : NULL;
}

static int check_rule(const struct vmt_fault_rule *rule, struct vmt_error *err)
{
	static const char place[] = "fault rule";

	if (rule->op >= VMT_CALL_OP_COUNT)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "there is no op %" PRIu32 "; use one of enum vmt_call_op",
				     rule->op);
	if (rule->phase > VMT_PHASE_OVER)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "there is no phase %" PRIu32 "; use one of enum vmt_phase",
				     rule->phase);
	if (rule->status >= VMT_STATUS_COUNT)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "there is no status %" PRIu32 "; use one of enum vmt_status",
				     rule->status);
	if (rule->per_million > 1000000)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "%" PRIu32 " in a million is more than always",
				     rule->per_million);
	if (rule->step && !step_called(rule->step))
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "the teardown has no step '%s'; see run.h for those it has",
				     rule->step);
	return 0;
}

int vmt_fault_injector_add(struct vmt_driver *d, const struct vmt_fault_rule *rule)
{
	struct fault_injector *f = find_injector(d);
	struct rule *rules;
	int r;

	if (!f)
		return vmt_error_set(&d->err, VMT_E_INVALID, "fault rule",
				     "this driver is no fault injector, nor around one");
	r = check_rule(rule, &d->err);
	if (r < 0)
		return r;
	rules = realloc(f->rules, (f->nrules + 1) * sizeof(*rules));
	if (!rules)
		return vmt_error_set(&d->err, VMT_E_NO_MEMORY, "fault rule",
				     "no memory for a rule");
	f->rules = rules;
	rules[f->nrules] = (struct rule){.rule = *rule};
	rules[f->nrules].rule.step = step_called(rule->step);
	f->nrules++;
	return 0;
}

void vmt_fault_injector_clear(struct vmt_driver *d)
{
	struct fault_injector *f = find_injector(d);

	if (!f)
		return;
	f->nrules = 0;
	f->struck = 0;
	memset(f->calls, 0, sizeof(f->calls));
}

struct vmt_observer *vmt_fault_injector_observer(struct vmt_driver *d)
{
	struct fault_injector *f = find_injector(d);

	return f ? &f->observer : NULL;
}

uint64_t vmt_fault_injector_struck(struct vmt_driver *d)
{
	struct fault_injector *f = find_injector(d);

	return f ? f->struck : 0;
}

uint64_t vmt_fault_injector_calls(struct vmt_driver *d, unsigned op)
{
	struct fault_injector *f = find_injector(d);

	return f && op < VMT_CALL_OP_COUNT ? f->calls[op] : 0;
}
