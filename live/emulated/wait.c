/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting on the emulated domain: its vCPUs take turns until there is something to tell, and virtual
 * time passes.
 *
 * A turn is a number of instructions, drawn from the seed; it ends early when the vCPU cannot go on,
 * or yields. After the first event the others have a little time left, so that events come in batches
 * as they do on a machine with several CPUs.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "domain.h"

#define NS_PER_MS UINT64_C(1000000)

/** Instructions of the others after the first event of a batch. */
#define LINGER 64u

/** A turn has TURN_MIN to TURN_MIN + TURN_SPREAD - 1 instructions. */
#define TURN_MIN    64u
#define TURN_SPREAD 192u

/** How often the eventfd is looked at while the guest runs, in turns. */
#define LOOK_EVERY 32u

struct waiting {
	struct vmt_wait *wait;
	uint64_t deadline;
	bool endless;
};

enum verdict {
	GO_ON = 0,
	OVER = 1, /* the outcome stands in the vmt_wait */
};

static int over(struct waiting *w, enum vmt_wait_outcome outcome)
{
	w->wait->outcome = outcome;
	return OVER;
}

static uint32_t pending(const struct vmt_emulated *e)
{
	uint32_t n = 0;

	vmt_model_pending(e->model, &n);
	return n;
}

/* Was a stop asked for? Reads the eventfd empty, which never blocks. */
static bool take_stop(const struct vmt_emulated *e)
{
	uint64_t count;
	ssize_t n;

	do
		n = read(e->stop_fd, &count, sizeof(count));
	while (n < 0 && errno == EINTR);
	return n == sizeof(count);
}

/* -------------------------------------------------------------------------------------------- */
/* Whose turn it is                                                                             */
/* -------------------------------------------------------------------------------------------- */

/* splitmix64 (Steele, Lea, Flood): every seed gives a good sequence. */
static uint64_t draw(struct vmt_emulated *e)
{
	uint64_t z = e->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static bool timer_is_due(struct vmt_emulated_vcpu *v)
{
	const struct vmt_emulated *e = v->domain;

	if (!v->timer && e->config.timer_ns > 0 && e->now >= v->next_timer) {
		v->timer = true;
		v->next_timer = e->now + e->config.timer_ns;
	}
	return v->timer;
}

static bool can_run(struct vmt_emulated_vcpu *v)
{
	bool due;

	if (!v->up)
		return false;
	due = timer_is_due(v);
	if (!vmt_model_runnable(v->domain->model, v->number))
		return false;
	return !v->halted || v->delivering || (due && vmt_cpu_interruptible(&v->cpu));
}

/* The vCPU that goes on, or NULL: none can. */
static struct vmt_emulated_vcpu *choose(struct vmt_emulated *e)
{
	struct vmt_emulated_vcpu *v = &e->vcpus[e->current];

	if (e->turn_left > 0 && can_run(v))
		return v;
	for (uint16_t i = 1; i <= e->config.vcpus; i++) {
		uint16_t number = (uint16_t)((e->current + i) % e->config.vcpus);

		v = &e->vcpus[number];
		if (!can_run(v))
			continue;
		e->current = number;
		e->turn_left = TURN_MIN + (uint32_t)(draw(e) % TURN_SPREAD);
		return v;
	}
	return NULL;
}

/*
 * Instructions of one vCPU: one, and as many of its turn as are plain and begin before @until. 1:
 * done; 0: none can run; or negative.
 */
static int take_turn(struct vmt_emulated *e, uint64_t until)
{
	struct vmt_emulated_vcpu *v = choose(e);
	int r;

	if (!v)
		return 0;
	e->turn_left--;
	r = vmt_emulated_turn(v);
	if (e->config.timer_ns > 0 && v->next_timer < until)
		until = v->next_timer;
	while (r == 1 && v->plain && e->turn_left > 0 && e->now < until &&
	       !vmt_emulated_is_stale(e)) {
		e->turn_left--;
		r = vmt_emulated_next(v);
	}
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Waiting                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/* When the next timer wakes a vCPU that waits for it; UINT64_MAX: never. */
static uint64_t next_timer(const struct vmt_emulated *e)
{
	uint64_t next = UINT64_MAX;

	for (uint16_t i = 0; e->config.timer_ns > 0 && i < e->config.vcpus; i++) {
		const struct vmt_emulated_vcpu *v = &e->vcpus[i];

		if (v->up && v->halted && vmt_cpu_interruptible(&v->cpu) &&
		    vmt_model_runnable(e->model, i) && v->next_timer < next)
			next = v->next_timer;
	}
	return next;
}

/* Only a stop can end this wait. */
static int wait_for_stop(struct vmt_emulated *e, struct waiting *w)
{
	struct pollfd fd = {.fd = e->stop_fd, .events = POLLIN};

	while (!take_stop(e))
		if (poll(&fd, 1, -1) < 0 && errno != EINTR)
			return vmt_error_set_errno(&e->driver.err, VMT_E_IO, errno, "wait",
						   "cannot wait");
	return over(w, VMT_WAIT_STOPPED);
}

/* No vCPU can run now: time passes, to the next timer or to the end of the wait. */
static int stand_still(struct vmt_emulated *e, struct waiting *w)
{
	uint64_t next = next_timer(e);

	if (pending(e) > 0)
		return over(w, VMT_WAIT_EVENTS);
	if (next != UINT64_MAX && (w->endless || next <= w->deadline)) {
		e->now = next > e->now ? next : e->now;
		return GO_ON;
	}
	if (w->endless)
		return wait_for_stop(e, w);
	e->now = w->deadline;
	return GO_ON;
}

static int run(struct vmt_emulated *e, struct waiting *w)
{
	unsigned lingered = 0;
	int r = GO_ON;

	for (unsigned turns = 0; r == GO_ON; turns++) {
		uint32_t waits = pending(e);

		if (turns % LOOK_EVERY == 0 && take_stop(e))
			return over(w, VMT_WAIT_STOPPED);
		if (waits > 0 && (e->gone || ++lingered > LINGER))
			return over(w, VMT_WAIT_EVENTS);
		if (e->gone)
			return over(w, VMT_WAIT_GONE);
		/* with events at hand, each instruction counts */
		r = take_turn(e, waits > 0 ? 0 : w->endless ? UINT64_MAX : w->deadline);
		if (r < 0)
			return r;
		r = r == 0 ? stand_still(e, w) : GO_ON;
		if (r == GO_ON && !w->endless && e->now >= w->deadline && !e->gone &&
		    pending(e) == 0)
			return over(w, take_stop(e) ? VMT_WAIT_STOPPED : VMT_WAIT_TIMEOUT);
	}
	return r;
}

int vmt_emulated_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait)
{
	struct vmt_emulated *e = (struct vmt_emulated *)d;
	struct waiting w = {.wait = wait, .endless = timeout_ms < 0};
	int r;

	if (!w.endless)
		w.deadline = e->now + (uint64_t)timeout_ms * NS_PER_MS;
	memset(wait, 0, sizeof(*wait));
	if (e->failed.status != 0) {
		d->err = e->failed;
		return -e->failed.status;
	}
	r = run(e, &w);
	wait->pending = pending(e);
	wait->now = e->now;
	return r < 0 ? r : 0;
}

int vmt_emulated_settle(struct vmt_driver *d, int timeout_ms)
{
	struct vmt_emulated *e = (struct vmt_emulated *)d;
	uint64_t deadline = e->now + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * NS_PER_MS;
	int r = 1;

	/* A guest that has ended, or came to what cannot be emulated, is entered all the same. */
	while (!e->gone && e->failed.status == 0 && r == 1 && vmt_model_unsettled(e->model) > 0 &&
	       e->now <= deadline)
		r = take_turn(e, 0);
	if (r < 0 && e->failed.status == 0)
		return r;
	return vmt_model_settle(e->model, NULL, NULL, &d->err);
}
