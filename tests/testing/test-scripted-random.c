/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random scripts under random monitors, rights, views and answers: each wait has an outcome or a
 * reason, equal seeds give equal runs, and a teardown leaves nothing behind whatever came before.
 */
#include <stdio.h>
#include <stdlib.h>

#include "domain.h"

#define SEEDS  400u
#define STEPS  40u
#define ROUNDS 120u
#define VCPUS  3u

struct random {
	uint64_t state;
};

static uint64_t draw(struct random *r)
{
	uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static unsigned below(struct random *r, unsigned n)
{
	return (unsigned)(draw(r) % n);
}

static void add_steps(struct vmt_driver *d, struct random *r)
{
	static const char bytes[16] = "random content!";

	for (unsigned i = 0; i < STEPS; i++) {
		struct vmt_step step = {
			.kind = (uint16_t)(below(r, 8) ? 1 + below(r, VMT_STEP_VMEXIT)
						       : VMT_STEP_POKE),
			.vcpu = (uint16_t)below(r, VCPUS),
			.rip = below(r, 8) ? 0 : 0x1000 + below(r, 0x4000),
			.addr = 0x5000 + below(r, 0x3000),
			.value = (uint64_t)below(r, 3) << 12,
			.bytes = bytes,
			.len = 1 + below(r, 9),
		};
		struct vmt_error err;

		switch (step.kind) {
		case VMT_STEP_CR:
			step.what = VMT_CR3;
			break;
		case VMT_STEP_MSR:
			step.what = VMT_MSR_LSTAR;
			break;
		case VMT_STEP_IN:
		case VMT_STEP_OUT:
			step.what = 0x60;
			step.len = 1;
			break;
		case VMT_STEP_DESCRIPTOR:
			step.what = VMT_DESC_GDTR;
			break;
		default:
			break;
		}
		vmt_assert_ok(vmt_scripted_play(d, &step, 1, &err), &err);
	}
}

/* Calls of a handler; most may be refused, which is fine. */
static void do_something(struct vmt_driver *d, struct random *r)
{
	const struct vmt_monitor monitors[] = {
		{.kind = VMT_MONITOR_CR, .what = VMT_CR3},
		{.kind = VMT_MONITOR_CR, .what = VMT_CR3, .flags = VMT_MONITOR_ASYNC},
		{.kind = VMT_MONITOR_MSR, .what = VMT_MSR_LSTAR},
		{.kind = VMT_MONITOR_BREAKPOINT},
		{.kind = VMT_MONITOR_DEBUG},
		{.kind = VMT_MONITOR_SINGLESTEP},
		{.kind = VMT_MONITOR_HYPERCALL},
		{.kind = VMT_MONITOR_CPUID},
		{.kind = VMT_MONITOR_IO},
		{.kind = VMT_MONITOR_DESCRIPTOR},
		{.kind = VMT_MONITOR_DEFERRED_WRITES},
	};
	const struct vmt_interrupt fault = vmt_page_fault(vmt_gva_from(draw(r)), 2);
	vmt_gfn gfn = vmt_gfn_from(1 + below(r, 8)), any = VMT_GFN_ANY;
	vmt_view view = (vmt_view)below(r, 4);
	uint64_t done;

	switch (below(r, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		vmt_driver_monitor(d, &monitors[below(r, COUNT(monitors))], below(r, 4) != 0);
		break;
	case 4:
		vmt_driver_create_view(d, vmt_access_from(VMT_RWX), &view);
		break;
	case 5:
		vmt_driver_switch_view(d, view);
		break;
	case 6:
		vmt_driver_set_access(d, view, gfn, 1 + below(r, 3), vmt_access_from(below(r, 8)),
				      &done);
		break;
	case 7:
		if (vmt_driver_alloc_gfn(d, &any) == 0)
			vmt_driver_remap_gfn(d, view, gfn, any);
		break;
	case 8:
		vmt_driver_write(d, gfn, below(r, VMT_PAGE_SIZE), "\xcc", 1);
		break;
	case 9:
		vmt_driver_inject(d, (uint16_t)below(r, VCPUS), &fault);
		break;
	case 10:
		vmt_driver_destroy_view(d, view);
		break;
	default:
		vmt_driver_remap_gfn(d, view, gfn, VMT_GFN_ANY);
		break;
	}
}

/* Any answer; what the model refuses is answered with continue. */
static void answer_somehow(struct vmt_driver *d, const struct vmt_event *ev, struct random *r)
{
	struct vmt_gprs gprs = ev->regs.gprs;
	struct vmt_response rsp = vmt_respond((enum vmt_action)below(r, VMT_EMULATE_READ));

	if (below(r, 3) == 0)
		rsp = vmt_with_view(rsp, (vmt_view)below(r, 4));
	if (ev->reason == VMT_EVENT_CPUID || ev->reason == VMT_EVENT_IO ||
	    ev->reason == VMT_EVENT_INTERRUPT) {
		if (below(r, 2)) { /* mostly as it should be */
			gprs.rip += ev->reason == VMT_EVENT_CPUID ? 2 : 1;
			rsp = vmt_with_regs(vmt_respond(VMT_CONTINUE), &gprs);
		}
	} else if (below(r, 100) == 0) {
		gprs.rip += below(r, 4);
		rsp = vmt_with_regs(rsp, &gprs);
	}
	if (below(r, 16) == 0)
		rsp.flags |= VMT_RSP_NEXT_INTERRUPT;
	if (vmt_driver_answer(d, ev, &rsp) == 0)
		return;
	rsp = vmt_respond(VMT_CONTINUE);
	vmt_assert_ok(vmt_driver_answer(d, ev, &rsp), &d->err);
}

static void answer_all(struct vmt_driver *d, struct random *r)
{
	struct vmt_event ev;

	while (vmt_driver_next(d, &ev) == 1)
		answer_somehow(d, &ev, r);
	vmt_assert_ok(vmt_driver_commit(d), &d->err);
}

/* As a session does it: reset, drain, settle until all have run, then the ring goes. */
static void tear_down_domain(struct vmt_driver *d)
{
	const struct vmt_response go = vmt_respond(VMT_CONTINUE);
	struct vmt_event ev;
	int r = -1;

	vmt_assert_ok(vmt_driver_commit(d), &d->err);
	vmt_assert_ok(vmt_driver_reset(d), &d->err);
	for (unsigned i = 0; i < 100 && r < 0; i++) {
		while (vmt_driver_next(d, &ev) == 1)
			vmt_assert_ok(vmt_driver_answer(d, &ev, &go), &d->err);
		vmt_assert_ok(vmt_driver_commit(d), &d->err);
		r = vmt_driver_settle(d, 100);
	}
	vmt_assert_ok(r, &d->err);
	vmt_assert_ok(vmt_driver_reset(d), &d->err);
	vmt_assert_ok(vmt_driver_detach(d), &d->err);
}

/* One run; returns its call log, which tells all of it. */
static char *run(uint64_t seed, unsigned *outcomes)
{
	struct random r = {seed};
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){
		.vcpus = VCPUS,
		.paging = below(&r, 2) ? VMT_PAGING_4 : VMT_PAGING_NONE,
		.xen_major = 4,
		.xen_minor = (uint16_t)(17 + below(&r, 4)),
		.livelock = 20,
	});
	struct vmt_driver *log;
	struct vmt_wait wait = {0};
	char *text;

	add_steps(d, &r);
	vmt_assert_ok(vmt_call_log_create(d, &log, NULL), NULL);
	for (unsigned i = 0; i < 12; i++)
		do_something(log, &r);
	for (unsigned i = 0; i < ROUNDS; i++) {
		for (unsigned n = below(&r, 4); n > 0; n--)
			do_something(log, &r);
		if (vmt_driver_wait(log, (int)below(&r, 3), &wait) < 0) {
			assert_true(log->err.text[0] != '\0');
			outcomes[VMT_WAIT_END_OF_TRACE]++; /* stands for "error" */
			break;
		}
		outcomes[wait.outcome]++;
		if (wait.outcome == VMT_WAIT_GONE)
			break;
		answer_all(log, &r);
	}
	/* What is left unanswered is drained. */
	tear_down_domain(log);
	vmt_assert_clean(log);
	text = vmt_call_log_text(log);
	vmt_driver_close(log);
	return text;
}

static void any_script_ends_and_its_teardown_is_clean(void **state)
{
	unsigned outcomes[VMT_WAIT_END_OF_TRACE + 1] = {0};

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		free(run(seed, outcomes));
	/* All ways to end were taken. */
	assert_true(outcomes[VMT_WAIT_EVENTS] > SEEDS);
	assert_true(outcomes[VMT_WAIT_TIMEOUT] > 0);
	assert_true(outcomes[VMT_WAIT_GONE] > 0);
	assert_true(outcomes[VMT_WAIT_END_OF_TRACE] > 0);
}

static void equal_seeds_give_equal_runs(void **state)
{
	unsigned outcomes[VMT_WAIT_END_OF_TRACE + 1] = {0};

	(void)state;
	for (uint64_t seed = 1000; seed < 1010; seed++) {
		char *first = run(seed, outcomes), *second = run(seed, outcomes);

		assert_string_equal(first, second);
		free(first);
		free(second);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_script_ends_and_its_teardown_is_clean),
		cmocka_unit_test(equal_seeds_give_equal_runs),
	};

	return cmocka_run_group_tests_name("random scripts", tests, NULL, NULL);
}
