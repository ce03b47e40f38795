/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle's calls: each goes to the model, then to Xen, and the results are compared.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>

#include "oracle-private.h"

#define SETTLE_MS 10

const char *const oracle_kind_names[ORACLE_KINDS] = {
	[ORACLE_CALL] = "calls",    [ORACLE_EVENT] = "events",   [ORACLE_REGISTERS] = "registers",
	[ORACLE_STATE] = "state",   [ORACLE_REPEAT] = "repeats", [ORACLE_STEP] = "steps",
	[ORACLE_RIGHTS] = "rights", [ORACLE_BYTES] = "bytes",
};

static struct oracle *of(struct vmt_call_driver *d)
{
	return (struct oracle *)(void *)d; /* base is the first member */
}

bool oracle_check(struct oracle *o, enum oracle_kind kind, bool equal, const char *format, ...)
{
	va_list ap;

	if (o->gone)
		return true;
	o->result->compared[kind]++;
	if (equal || o->result->differences++ > 0)
		return equal;
	va_start(ap, format);
	(void)vsnprintf(o->result->first, sizeof(o->result->first), format, ap);
	va_end(ap);
	return false;
}

/* -------------------------------------------------------------------------------------------- */
/* The queue                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static struct oracle_event *free_event(struct oracle *o)
{
	for (unsigned i = 0; i < ORACLE_RING; i++) {
		if (!o->events[i].used)
			return &o->events[i];
	}
	return NULL;
}

static struct oracle_event *first_waiting(struct oracle *o)
{
	struct oracle_event *first = NULL;

	for (unsigned i = 0; i < ORACLE_RING; i++) {
		struct oracle_event *e = &o->events[i];

		if (e->used && !e->given && (!first || e->order < first->order))
			first = e;
	}
	return first;
}

static unsigned waiting(const struct oracle *o)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ORACLE_RING; i++)
		n += o->events[i].used && !o->events[i].given;
	return n;
}

/* One event from the ring into the queue: 1, 0 or negative. */
static int take_one(struct oracle *o)
{
	struct oracle_event *e = free_event(o);
	struct vmt_event ev;
	int r = e ? vmt_driver_next(o->inner, &ev) : 0;

	if (r != 1)
		return r;
	memset(e, 0, sizeof(*e));
	e->used = true;
	e->order = ++o->order;
	e->xen = ev;
	oracle_feed(o, e);
	oracle_compare_rights(o);
	return 1;
}

/* -------------------------------------------------------------------------------------------- */
/* Before a change                                                                              */
/* -------------------------------------------------------------------------------------------- */

static void take_all(struct oracle *o)
{
	while (take_one(o) == 1)
		;
}

/* Let each vCPU run that was answered; one that an event stops again is found on the ring. */
static bool let_run(struct oracle *o)
{
	if (o->detached)
		return false;
	for (int turn = 0; turn < 50; turn++) {
		take_all(o);
		if (vmt_driver_settle(o->inner, SETTLE_MS) == 0)
			return true;
		if (o->pauses > 0)
			return false;
	}
	return false;
}

/*
 * The model must know of all that the guest did before. Whether a vCPU that was answered has run since
 * cannot be seen with the domain paused.
 */
static bool begin_change(struct oracle *o)
{
	bool held = !let_run(o);

	if (vmt_driver_pause(o->inner) < 0)
		return false;
	take_all(o);
	if (!held) {
		for (uint16_t i = 0; i < o->info.vcpus; i++) {
			if (o->vcpus[i].answered && vmt_model_runnable(o->model, i))
				oracle_entered(o, i);
		}
	}
	return true;
}

static void end_change(struct oracle *o, bool paused)
{
	if (paused)
		vmt_driver_resume(o->inner);
}

/* -------------------------------------------------------------------------------------------- */
/* Calls                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** Where the model's results go. */
struct outputs {
	struct vmt_info info;
	vmt_gfn gfn;
	struct vmt_access access;
	uint64_t done;
	vmt_view view;
	struct vmt_regs regs;
	uint8_t bytes[VMT_PAGE_SIZE];
};

static void redirect(struct vmt_call *call, struct outputs *out)
{
	switch (call->op) {
	case VMT_CALL_INFO:
		call->u.info.info = &out->info;
		break;
	case VMT_CALL_READ:
		call->u.read.buf = out->bytes;
		break;
	case VMT_CALL_ALLOC_GFN:
		out->gfn = *call->u.alloc_gfn.gfn;
		call->u.alloc_gfn.gfn = &out->gfn;
		break;
	case VMT_CALL_GET_ACCESS:
		call->u.get_access.access = &out->access;
		break;
	case VMT_CALL_SET_ACCESS:
		call->u.set_access.done = &out->done;
		break;
	case VMT_CALL_CREATE_VIEW:
		call->u.create_view.view = &out->view;
		break;
	case VMT_CALL_GET_REGS:
		call->u.get_regs.regs = &out->regs;
		break;
	default:
		break;
	}
}

static bool same_outputs(const struct vmt_call *call, const struct outputs *out)
{
	const struct vmt_info *info = call->u.info.info;

	switch (call->op) {
	case VMT_CALL_INFO:
		return info->capabilities == out->info.capabilities &&
		       info->views == out->info.views && info->max_gfn == out->info.max_gfn;
	case VMT_CALL_ALLOC_GFN:
		return call->u.alloc_gfn.gfn->n == out->gfn.n;
	case VMT_CALL_GET_ACCESS:
		return call->u.get_access.access->rights == out->access.rights &&
		       call->u.get_access.access->options == out->access.options;
	case VMT_CALL_SET_ACCESS:
		return *call->u.set_access.done == out->done;
	case VMT_CALL_CREATE_VIEW:
		return *call->u.create_view.view == out->view;
	default:
		return true;
	}
}

static void note_touched(struct oracle *o, const struct vmt_call *call)
{
	if (call->op == VMT_CALL_SET_ACCESS && call->u.set_access.count < 16)
		vmt_gfn_map_put(&o->touched, call->u.set_access.gfn.n);
	if (call->op == VMT_CALL_REMAP_GFN) {
		vmt_gfn_map_put(&o->touched, call->u.remap_gfn.from.n);
		if (!vmt_gfn_is_any(call->u.remap_gfn.to))
			vmt_gfn_map_put(&o->touched, call->u.remap_gfn.to.n);
	}
	if (call->result == 0 && call->op == VMT_CALL_PAUSE)
		o->pauses++;
	if (call->result == 0 && call->op == VMT_CALL_RESUME)
		o->pauses--;
	if (call->op == VMT_CALL_MONITOR && call->u.monitor.monitor->kind == VMT_MONITOR_CR)
		o->cr_ignore[call->u.monitor.monitor->what] = call->u.monitor.monitor->ignore;
}

static int to_xen(struct oracle *o, struct vmt_call *call)
{
	vmt_call_apply(o->inner, call);
	if (call->result == -VMT_E_GONE || (call->op == VMT_CALL_WAIT && call->result == 0 &&
					    call->u.wait.wait->outcome == VMT_WAIT_GONE))
		o->gone = true;
	return call->result;
}

static int fail(struct oracle *o, const struct vmt_call *call)
{
	if (call->result < 0)
		o->base.driver.err = o->inner->err;
	return call->result;
}

/* To the model, then to Xen. */
static int both(struct oracle *o, struct vmt_call *call)
{
	struct vmt_call mine = *call;
	struct outputs out = {0};
	char text[160];

	redirect(&mine, &out);
	vmt_call_apply(&o->domain, &mine);
	to_xen(o, call);
	note_touched(o, call);
	oracle_check(o, ORACLE_CALL, mine.result == call->result,
		     "%s: Xen's driver says %s (%s), the model %s (%s)",
		     vmt_call_format(call, text, sizeof(text)), vmt_status_name(-call->result),
		     o->inner->err.text, vmt_status_name(-mine.result), o->domain.err.text);
	if (call->result >= 0 && mine.result >= 0)
		oracle_check(o, ORACLE_CALL, same_outputs(call, &out), "%s: other values",
			     vmt_call_format(call, text, sizeof(text)));
	return fail(o, call);
}

static int change(struct oracle *o, struct vmt_call *call)
{
	bool paused = begin_change(o);
	int r = both(o, call);

	if (call->op == VMT_CALL_RESET)
		oracle_compare_bytes(o);
	oracle_compare_rights(o);
	end_change(o, paused);
	return r;
}

static int wait_events(struct oracle *o, struct vmt_call *call)
{
	unsigned n = waiting(o);

	if (n > 0)
		call->u.wait.timeout_ms = 0;
	if (to_xen(o, call) < 0 || n == 0)
		return fail(o, call);
	if (call->u.wait.wait->outcome == VMT_WAIT_TIMEOUT)
		call->u.wait.wait->outcome = VMT_WAIT_EVENTS;
	call->u.wait.wait->pending += n;
	return call->result;
}

static int next_event(struct oracle *o, struct vmt_call *call)
{
	struct oracle_event *e = first_waiting(o);
	int r = e ? 1 : take_one(o);

	e = first_waiting(o);
	if (r != 1 || !e) {
		call->result = r;
		return fail(o, call);
	}
	e->given = true;
	*call->u.next.event = e->xen;
	call->result = 1;
	return 1;
}

static int answer(struct oracle *o, struct vmt_call *call)
{
	const struct vmt_event *ev = call->u.answer.event;
	const struct vmt_response *rsp = call->u.answer.response;
	struct oracle_event *e = NULL;
	struct vmt_error err = {0};
	int mine = -VMT_E_NOT_FOUND;

	for (unsigned i = 0; i < ORACLE_RING; i++) {
		if (o->events[i].used && o->events[i].xen.ticket == ev->ticket)
			e = &o->events[i];
	}
	if (e)
		mine = vmt_model_answer(o->model, &e->model, rsp, &err);
	to_xen(o, call);
	oracle_check(o, ORACLE_CALL, mine == call->result,
		     "%s to %s: Xen's driver says %s (%s), the model %s (%s)",
		     vmt_action_name(rsp->action), vmt_reason_name(ev->reason),
		     vmt_status_name(-call->result), o->inner->err.text, vmt_status_name(-mine),
		     err.text);
	if (call->result == 0 && e) {
		e->used = false;
		o->vcpus[ev->vcpu].answer = *rsp;
		o->vcpus[ev->vcpu].answered = ev->flags & VMT_EVENT_SYNC;
	}
	return fail(o, call);
}

/* The driver answers what nobody has answered, and lets the vCPUs run, before the ring goes. */
static int detach(struct oracle *o, struct vmt_call *call)
{
	struct vmt_response rsp;
	struct vmt_gprs gprs;
	unsigned lost;

	if (!o->detached) {
		begin_change(o);
		vmt_driver_resume(o->inner);
	}
	vmt_model_reset(o->model, NULL);
	for (unsigned i = 0; i < ORACLE_RING; i++) {
		if (!o->events[i].used)
			continue;
		rsp = vmt_default_answer(&o->events[i].xen, &gprs);
		vmt_model_answer(o->model, &o->events[i].model, &rsp, NULL);
		o->events[i].used = false;
	}
	if (!o->detached)
		vmt_model_commit(o->model, NULL);
	while (vmt_model_resume(o->model, NULL) == 0)
		;
	vmt_model_settle(o->model, NULL, NULL, NULL);
	o->detached = true;
	both(o, call);
	lost = vmt_model_lost(o->model);
	oracle_check(o, ORACLE_CALL, lost == 0, "%u deferred effects are lost in the model", lost);
	return call->result;
}

/* A vCPU must have run before the model says so. */
static int settle(struct oracle *o, struct vmt_call *call)
{
	struct vmt_error err = {0};
	int mine;

	to_xen(o, call);
	if (call->result == 0) {
		vmt_driver_pause(o->inner);
		take_all(o);
		vmt_driver_resume(o->inner);
	}
	mine = vmt_model_settle(o->model, NULL, NULL, &err);
	oracle_check(o, ORACLE_CALL, mine == call->result, "settle: Xen's driver %d, the model %d",
		     call->result, mine);
	return fail(o, call);
}

static int forward(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct oracle *o = of(d);

	switch (call->op) {
	case VMT_CALL_WAIT:
		return wait_events(o, call);
	case VMT_CALL_NEXT:
		return next_event(o, call);
	case VMT_CALL_ANSWER:
		return answer(o, call);
	case VMT_CALL_PENDING:
		vmt_call_apply(o->inner, call);
		*call->u.pending.n += waiting(o);
		return fail(o, call);
	case VMT_CALL_INFO:
	case VMT_CALL_COMMIT:
	case VMT_CALL_READ:
	case VMT_CALL_GET_ACCESS:
	case VMT_CALL_GET_REGS:
	case VMT_CALL_RESUME:
		return both(o, call);
	case VMT_CALL_OVERHEAD:
	case VMT_CALL_GET_CONTEXT:
		vmt_call_apply(o->inner, call);
		return fail(o, call);
	case VMT_CALL_SETTLE:
		return settle(o, call);
	case VMT_CALL_DETACH:
		return detach(o, call);
	default:
		return change(o, call);
	}
}

static int stop_fd(struct vmt_call_driver *d)
{
	return vmt_driver_stop_fd(of(d)->inner);
}

static void release(struct oracle *o)
{
	vmt_model_destroy(o->model);
	vmt_gfn_map_finish(&o->pages);
	vmt_gfn_map_finish(&o->regions);
	vmt_gfn_map_finish(&o->touched);
	free(o);
}

static void close_oracle(struct vmt_call_driver *d)
{
	struct oracle *o = of(d);
	struct vmt_call call = {.op = VMT_CALL_DETACH};

	if (!o->detached)
		detach(o, &call);
	vmt_driver_close(o->inner);
	release(o);
}

static const struct vmt_call_driver_ops ops = {
	.call = forward,
	.stop_fd = stop_fd,
	.close = close_oracle,
};

int oracle_open(struct vmt_driver *inner, struct oracle_result *result, struct vmt_driver **d,
		struct vmt_error *err)
{
	struct oracle *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "oracle", "no memory for the oracle");
	vmt_call_driver_init(&o->base, &ops);
	o->inner = inner;
	o->result = result;
	vmt_gfn_map_init(&o->pages, sizeof(uint8_t));
	vmt_gfn_map_init(&o->regions, sizeof(uint8_t));
	vmt_gfn_map_init(&o->touched, 0);
	r = vmt_driver_info(inner, &o->info);
	if (r < 0)
		*err = inner->err;
	else if (o->info.vcpus > ORACLE_VCPUS)
		r = vmt_error_set(err, VMT_E_LIMIT, "oracle", "at most %u vCPUs", ORACLE_VCPUS);
	else
		r = oracle_model_create(o, err);
	if (r < 0) {
		release(o);
		return r;
	}
	*d = &o->base.driver;
	return 0;
}
