/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The teardown: the same whatever ended the session, so that nothing stays paused, monitored or
 * patched.
 *
 * The order is Xen's. What was answered is committed before the reset: a response may choose a view
 * or start stepping, which the reset then undoes. Events that are on their way are drained after
 * it, when no trap makes new ones. Then the vCPUs must run before the ring goes: Xen keeps what a
 * response deferred (registers, CR and MSR writes) until a vCPU is scheduled, and a ring that is
 * disabled earlier loses it. vCPUs that waited for room on a full ring post their events only then,
 * so draining and settling repeat until nothing is pending.
 */
#include <vmitape/run.h>

#include "session-private.h"

/** A call that fails is tried once more. */
#define ATTEMPTS      2u
#define SETTLE_ROUNDS 16u

void vmt_session_teardown_failed(struct vmt_session *s, const struct vmt_error *err)
{
	s->outcome.teardown_failures++;
	if (s->outcome.teardown.status == VMT_OK)
		s->outcome.teardown = *err;
}

static void report(struct vmt_session *s, const struct vmt_error *err)
{
	VMT_OBSERVE(s, failure, err);
	vmt_session_teardown_failed(s, err);
}

/** A step failed twice: note it. A domain that is gone needs no teardown. Returns false. */
static bool step_failed(struct vmt_session *s, const char *step)
{
	struct vmt_error *err = &s->driver->err;

	if (err->status == VMT_E_GONE || err->status == VMT_E_END_OF_TRACE)
		return false;
	vmt_error_prefix(err, "teardown step '%s' failed twice: ", step);
	report(s, err);
	return false;
}

struct step {
	const char *name;
	int (*call)(struct vmt_session *s);
};

#define DRIVER_STEP(op)                             \
	static int call_##op(struct vmt_session *s) \
	{                                           \
		return vmt_driver_##op(s->driver);  \
	}                                           \
	static const struct step step_##op = {#op, call_##op}

DRIVER_STEP(pause);
DRIVER_STEP(commit);
DRIVER_STEP(reset);
DRIVER_STEP(resume);
DRIVER_STEP(detach);

static int call_settle(struct vmt_session *s)
{
	return vmt_driver_settle(s->driver, s->config.settle_ms);
}
static const struct step step_settle = {"settle", call_settle};

/** Do one step, and once more when it fails; then note the failure. The next step comes anyway. */
static bool do_step(struct vmt_session *s, const struct step *step)
{
	VMT_OBSERVE(s, teardown, step->name);
	for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++)
		if (step->call(s) >= 0)
			return true;
	return step_failed(s, step->name);
}

static int take_event(struct vmt_session *s, struct vmt_event *ev)
{
	int r = -1;

	for (unsigned attempt = 0; attempt < ATTEMPTS && r < 0; attempt++)
		r = vmt_driver_next(s->driver, ev);
	return r;
}

/** Answer all events that are on the ring, at most @left of them. False when they cannot be had. */
static bool drain(struct vmt_session *s, uint32_t *left)
{
	struct vmt_event ev;
	int r = 0;

	VMT_OBSERVE(s, teardown, "drain");
	while (*left > 0 && (r = take_event(s, &ev)) > 0) {
		vmt_session_deliver(s, &ev);
		--*left;
	}
	return r >= 0 || step_failed(s, "drain");
}

/** How many events are on the ring. False when that cannot be told. */
static bool ask_pending(struct vmt_session *s, uint32_t *pending)
{
	for (unsigned attempt = 0; attempt < ATTEMPTS; attempt++)
		if (vmt_driver_pending(s->driver, pending) >= 0)
			return true;
	return step_failed(s, "pending");
}

static void release_pauses(struct vmt_session *s)
{
	for (; s->pauses; s->pauses--)
		do_step(s, &step_resume);
	for (; s->own_pauses; s->own_pauses--)
		do_step(s, &step_resume);
}

/** Steps 4 to 7, until no event is left. */
static void drain_and_settle(struct vmt_session *s)
{
	uint32_t left = s->config.drain_max;
	uint32_t pending = 0;
	struct vmt_error err;
	bool drained;

	for (unsigned round = 0; round < SETTLE_ROUNDS; round++) {
		drained = drain(s, &left);
		do_step(s, &step_commit);
		release_pauses(s);
		do_step(s, &step_settle);
		if (!drained || !ask_pending(s, &pending) || pending == 0)
			return;
		if (left == 0)
			break;
	}
	vmt_error_set(&err, VMT_E_LIMIT, "drain",
		      "%u events are still pending after %u were answered: something still traps",
		      pending, s->config.drain_max - left);
	report(s, &err);
}

void vmt_session_teardown(struct vmt_session *s)
{
	s->phase = VMT_PHASE_CLEANUP;
	if (do_step(s, &step_pause))
		s->own_pauses++;
	/* What was answered takes effect now, so that the reset comes after it. */
	do_step(s, &step_commit);

	VMT_OBSERVE(s, teardown, "cleanup");
	if (s->created)
		vmt_session_call_cleanup(s);

	do_step(s, &step_reset);

	s->phase = VMT_PHASE_DRAIN;
	drain_and_settle(s);

	do_step(s, &step_detach);

	if (s->created && s->handler->destroy)
		s->handler->destroy(s->self);
	s->self = NULL;
}
