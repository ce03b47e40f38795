/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler that counts what an event costs: CR3 writes, and for each the code at RIP read through the
 * page tables. Bochs counts one tick of the time-stamp counter for each instruction, so the counter tells
 * how many were executed in all: in dom0, in Xen and in the guest, whose own part is always the same.
 *
 * The process's own part is what dom0's kernel says that it ran, in ticks; the process that writes the
 * trace is not in it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

#include <vmitape/handler.h>

#include "cost.h"

#define FIRST 100u /* caches are warm */
#define LAST  600u

struct moment {
	uint64_t ticks;
	double run, real; /* ns: of this process, and since some time */
};

struct cost {
	struct moment begin;
	unsigned events;
};

static double ns(clockid_t clock)
{
	struct timespec t = {0};

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct moment now(void)
{
	const struct moment m = {.ticks = __rdtsc(),
				 .run = ns(CLOCK_PROCESS_CPUTIME_ID),
				 .real = ns(CLOCK_MONOTONIC)};

	return m;
}

static void print(const struct moment *begin, const struct moment *end)
{
	double ticks = (double)(end->ticks - begin->ticks) / (LAST - FIRST);
	double share = (end->run - begin->run) / (end->real - begin->real);

	fprintf(stderr, "instructions per event: %.0f %.0f\n", ticks, ticks * share);
}

static int create(struct vmt_session *s, void **self)
{
	*self = calloc(1, sizeof(struct cost));
	return *self ? vmt_monitor_cr(s, VMT_CR3) : -VMT_E_NO_MEMORY;
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct cost *c = self;
	struct vmt_space space;
	uint8_t code[64];

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_respond(VMT_CONTINUE);
	if (vmt_space_from_regs(&ev->regs, &space, NULL) < 0 ||
	    vmt_read(s, space, ev->regs.gprs.rip, code, sizeof(code)) < 0)
		return vmt_fail(ctx, "the code at RIP cannot be read");
	if (++c->events == FIRST)
		c->begin = now();
	if (c->events == LAST) {
		const struct moment end = now();

		print(&c->begin, &end);
	}
	return vmt_respond(VMT_CONTINUE);
}

static int poll_cost(const void *self, struct vmt_record *out)
{
	(void)out;
	return ((const struct cost *)self)->events >= LAST;
}

const struct vmt_handler_ops vmt_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "cost",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
	.poll = poll_cost,
	.destroy = free,
};
