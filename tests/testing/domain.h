/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of the scripted domain by its ops alone, without a session: make one, take an event,
 * answer it.
 */
#ifndef VMT_TESTS_TESTING_DOMAIN_H
#define VMT_TESTS_TESTING_DOMAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct vmt_driver *domain_create(struct vmt_scripted_config config)
{
	struct vmt_driver *d = NULL;
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_create(&config, &d, &err), &err);
	return d;
}

static inline void play(struct vmt_driver *d, const struct vmt_step *steps, size_t n)
{
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_play(d, steps, n, &err), &err);
}

/** PLAY(d, VMT_INSN_NOP(0, 0), VMT_WORLD_STOP()); */
#define PLAY(d, ...)                                                 \
	do {                                                         \
		const struct vmt_step play_steps_[] = {__VA_ARGS__}; \
                                                                     \
		play((d), play_steps_, COUNT(play_steps_));          \
	} while (0)

static inline void monitor(struct vmt_driver *d, uint32_t kind, uint32_t what)
{
	const struct vmt_monitor m = {.kind = kind, .what = what};

	vmt_assert_ok(vmt_driver_monitor(d, &m, true), &d->err);
}

static inline void monitor_off(struct vmt_driver *d, uint32_t kind, uint32_t what)
{
	const struct vmt_monitor m = {.kind = kind, .what = what};

	vmt_assert_ok(vmt_driver_monitor(d, &m, false), &d->err);
}

/** Wait for ever; it ends like this. Returns how many events are there. */
static inline uint32_t wait_ends(struct vmt_driver *d, int timeout_ms, uint32_t outcome)
{
	struct vmt_wait wait;

	vmt_assert_ok(vmt_driver_wait(d, timeout_ms, &wait), &d->err);
	assert_int_equal(wait.outcome, outcome);
	return wait.pending;
}

/** The next event, waited for. */
static inline struct vmt_event take(struct vmt_driver *d)
{
	struct vmt_event ev;
	uint32_t n = 0;

	vmt_assert_ok(vmt_driver_pending(d, &n), &d->err);
	if (n == 0)
		assert_true(wait_ends(d, -1, VMT_WAIT_EVENTS) > 0);
	assert_int_equal(vmt_driver_next(d, &ev), 1);
	return ev;
}

static inline void answer(struct vmt_driver *d, const struct vmt_event *ev, struct vmt_response rsp)
{
	vmt_assert_ok(vmt_driver_answer(d, ev, &rsp), &d->err);
	vmt_assert_ok(vmt_driver_commit(d), &d->err);
}

static inline void go_on(struct vmt_driver *d, const struct vmt_event *ev)
{
	answer(d, ev, vmt_respond(VMT_CONTINUE));
}

/** Continue with RIP @bytes further. */
static inline void skip_by(struct vmt_driver *d, const struct vmt_event *ev, unsigned bytes)
{
	struct vmt_gprs gprs = ev->regs.gprs;

	gprs.rip += bytes;
	answer(d, ev, vmt_with_regs(vmt_respond(VMT_CONTINUE), &gprs));
}

/** The script runs to its end and gives no event. */
static inline void ends(struct vmt_driver *d)
{
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_GONE), 0);
	assert_true(vmt_scripted_done(d));
}

static inline struct vmt_regs regs_of(struct vmt_driver *d, uint16_t vcpu)
{
	struct vmt_regs regs;

	vmt_assert_ok(vmt_driver_get_regs(d, vcpu, &regs), &d->err);
	return regs;
}

static inline void set_access(struct vmt_driver *d, vmt_view view, uint64_t gfn, unsigned rights)
{
	vmt_assert_ok(vmt_driver_set_access(d, view, vmt_gfn_from(gfn), 1, vmt_access_from(rights),
					    NULL),
		      &d->err);
}

static inline vmt_view new_view(struct vmt_driver *d)
{
	vmt_view view = 0;

	vmt_assert_ok(vmt_driver_create_view(d, vmt_access_from(VMT_RWX), &view), &d->err);
	return view;
}

#endif /* VMT_TESTS_TESTING_DOMAIN_H */
