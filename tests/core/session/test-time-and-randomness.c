/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Time and randomness: what a handler takes from its session, so that a replay gives it the same.
 */
#include "plain.h"
#include "world.h"

/* -------------------------------------------------------------------------------------------- */
/* Time                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void must(int r)
{
	assert_true(r >= 0);
}

static struct vmt_response note_the_time(struct vmt_ctx *ctx)
{
	note(vmt_now(vmt_session_of(ctx)));
	return vmt_skip(ctx);
}

static void time_is_the_time_stamp_of_the_callback(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.start_ns = 1000 * SECOND};

	world_open(w, &config);
	WORLD_PLAY(w, VMT_WORLD_IDLE(2 * SECOND), VMT_INSN_CPUID(0, 0, 0, 0),
		   VMT_WORLD_IDLE(3 * SECOND), VMT_INSN_CPUID(0, 0, 0, 0));
	probe.event = note_the_time;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 2);
	assert_in_range(probe.noted[0], 1002 * SECOND, 1002 * SECOND + MS);
	assert_in_range(probe.noted[1], 1005 * SECOND, 1005 * SECOND + MS);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			probe.noted[i],
			vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, i)->callback.now);
}

/* The domain's own clock runs on: by a pause that is lifted, by whatever the driver does. */
static uint64_t clock_of_the_driver;

static int clock_that_runs(struct plain *p, struct vmt_call *call)
{
	clock_of_the_driver += SECOND;
	if (call->op == VMT_CALL_WAIT && p->counts[VMT_CALL_WAIT] <= 2) {
		*call->u.wait.wait =
			(struct vmt_wait){.outcome = VMT_WAIT_TIMEOUT, .now = clock_of_the_driver};
		return 0;
	}
	if (call->op == VMT_CALL_INFO) {
		*call->u.info.info = (struct vmt_info){.arch = VMT_ARCH_X86_64,
						       .vcpus = 1,
						       .views = 1,
						       .now = clock_of_the_driver};
		return 0;
	}
	return PLAIN_ELSE;
}

static struct vmt_response go_on(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static int look_at_the_clock(void *self, struct vmt_session *s)
{
	const uint64_t now = vmt_now(s);
	struct vmt_info info;

	(void)self;
	must(vmt_pause(s));
	must(vmt_resume(s));
	assert_int_equal(vmt_now(s), now);
	must(vmt_domain_info(s, &info));
	assert_int_equal(vmt_now(s), now);
	assert_int_equal(info.now, now);
	note(now);
	return 0;
}

static const struct vmt_handler_ops clock_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "clock",
	.version = "1",
	.handle_event = go_on,
	.handle_timeout = look_at_the_clock,
};

static void run_plain(int (*call)(struct plain *p, struct vmt_call *call))
{
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = &clock_handler};
	struct vmt_session *s;
	struct vmt_outcome outcome;
	struct vmt_error err;

	plain_init(&p, call, false);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	vmt_assert_ok(vmt_session_run(s, &outcome), &outcome.error);
	vmt_session_destroy(s);
}

static void time_is_constant_inside_a_callback(void **state)
{
	(void)state;
	clock_of_the_driver = 0;
	run_plain(clock_that_runs);
	assert_int_equal(probe.nnoted, 2);
	assert_true(probe.noted[1] > probe.noted[0]);
}

static int clock_that_goes_back(struct plain *p, struct vmt_call *call)
{
	static const uint64_t times[] = {9 * SECOND, 4 * SECOND, 10 * SECOND, 0};

	if (call->op != VMT_CALL_WAIT || p->counts[VMT_CALL_WAIT] > COUNT(times))
		return PLAIN_ELSE;
	*call->u.wait.wait = (struct vmt_wait){.outcome = VMT_WAIT_TIMEOUT,
					       .now = times[p->counts[VMT_CALL_WAIT] - 1]};
	return 0;
}

static int note_the_clock(void *self, struct vmt_session *s)
{
	(void)self;
	note(vmt_now(s));
	return 0;
}

static void time_never_goes_back(void **state)
{
	struct vmt_handler_ops handler = clock_handler;
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = &handler};
	struct vmt_session *s;
	struct vmt_error err;

	(void)state;
	handler.handle_timeout = note_the_clock;
	plain_init(&p, clock_that_goes_back, false);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	vmt_assert_ok(vmt_session_run(s, NULL), NULL);
	vmt_session_destroy(s);
	assert_int_equal(probe.nnoted, 4);
	assert_int_equal(probe.noted[0], 9 * SECOND);
	assert_int_equal(probe.noted[1], 9 * SECOND);
	assert_int_equal(probe.noted[2], 10 * SECOND);
	assert_int_equal(probe.noted[3], 10 * SECOND);
}

/* -------------------------------------------------------------------------------------------- */
/* vmt_wake_at                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static uint64_t wake_time;

static int create_and_wake(struct vmt_session *s)
{
	vmt_wake_at(s, wake_time);
	return watch_cpuid(s);
}

/* When the n-th timeout was; UINT64_MAX: there was none. */
static uint64_t timeout_at(struct world *w, size_t n)
{
	const struct vmt_collected_callback *c =
		vmt_collector_callback(w->seen, VMT_CALLBACK_TIMEOUT, n);

	return c ? c->callback.now : UINT64_MAX;
}

static void handle_timeout_is_called_when_the_time_of_wake_at_has_come(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(7 * SECOND));
	wake_time = SECOND;
	probe.create = create_and_wake;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(timeout_at(w, 0), SECOND);     /* before the timeout */
	assert_int_equal(timeout_at(w, 1), 6 * SECOND); /* the timeout, five seconds later */
	assert_int_equal(probe.timeouts, 2);
}

static int wake_every_half_second(struct vmt_session *s)
{
	vmt_wake_at(s, vmt_now(s) + 500 * MS);
	return 0;
}

static int watch_and_wake_every_half_second(struct vmt_session *s)
{
	must(wake_every_half_second(s));
	return watch_cpuid(s);
}

/* An event each tenth of a second, so that no wait ever times out. */
static void handle_timeout_is_called_on_a_busy_guest_too(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.insn_ns = 100 * MS};

	world_open(w, &config);
	for (unsigned i = 0; i < 52; i++)
		WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, i, 0));
	probe.create = watch_and_wake_every_half_second;
	probe.timeout = wake_every_half_second;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 52);
	assert_in_range(probe.timeouts, 8, 10);
	for (size_t i = 0; i + 1 < probe.timeouts; i++)
		assert_in_range(timeout_at(w, i + 1) - timeout_at(w, i), 500 * MS, 600 * MS);
}

static struct vmt_response take_it_back(struct vmt_ctx *ctx)
{
	vmt_wake_at(vmt_session_of(ctx), 0);
	return vmt_skip(ctx);
}

static void zero_takes_the_time_back(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_IDLE(3 * SECOND));
	wake_time = SECOND;
	probe.create = create_and_wake;
	probe.event = take_it_back;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 0);
}

static int wake_twice(struct vmt_session *s)
{
	vmt_wake_at(s, SECOND);
	vmt_wake_at(s, 2 * SECOND);
	return watch_cpuid(s);
}

static void one_time_can_be_set(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(3 * SECOND));
	probe.create = wake_twice;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 1);
	assert_int_equal(timeout_at(w, 0), 2 * SECOND);
}

static void a_time_that_has_passed_already_comes_at_once(void **state)
{
	struct world *w = *state;
	struct vmt_scripted_config config = {.start_ns = 100 * SECOND};

	world_open(w, &config);
	WORLD_PLAY(w, VMT_WORLD_IDLE(SECOND));
	wake_time = 50 * SECOND;
	probe.create = create_and_wake;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 1);
	assert_int_equal(timeout_at(w, 0), 100 * SECOND);
}

/* No wait is shorter than what is asked for: neither by rounding nor by an overflow. */
static void a_time_far_away_never_comes(void **state)
{
	struct world *w = *state;
	static const uint64_t far[] = {UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - MS, UINT64_MAX / 2};

	for (size_t i = 0; i < COUNT(far); i++) {
		int wait_ms;

		world_renew(w);
		world_open(w, NULL);
		w->config.timeout_ms = -1;
		WORLD_PLAY(w, VMT_WORLD_IDLE(10 * SECOND));
		wake_time = far[i];
		probe.create = create_and_wake;
		assert_int_equal(world_run(w), 0);
		assert_int_equal(probe.timeouts, 0);
		wait_ms = vmt_call_log_get(w->driver, VMT_CALL_WAIT, 0)->call.u.wait.timeout_ms;
		assert_true(wait_ms == -1 || wait_ms == INT32_MAX);
	}
}

/* Waits are in milliseconds: half of one is waited for as a whole one, not as none. */
static void a_wait_is_rounded_up_to_milliseconds(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(10 * MS));
	wake_time = MS + MS / 2;
	probe.create = create_and_wake;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(vmt_call_log_get(w->driver, VMT_CALL_WAIT, 0)->call.u.wait.timeout_ms, 2);
	assert_int_equal(probe.timeouts, 1);
	assert_int_equal(timeout_at(w, 0), 2 * MS);
}

/* Wake-ups at 2 and 4 s without events: the timeout comes at 5 s all the same. */
static void spurious_wakeups_do_not_reset_the_timeout(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(2 * SECOND), VMT_WORLD_SPURIOUS(), VMT_WORLD_IDLE(2 * SECOND),
		   VMT_WORLD_SPURIOUS(), VMT_WORLD_IDLE(2 * SECOND));
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.timeouts, 1);
	assert_int_equal(timeout_at(w, 0), 5 * SECOND);
	assert_int_equal(vmt_call_log_get(w->driver, VMT_CALL_WAIT, 1)->call.u.wait.timeout_ms,
			 3000);
	assert_int_equal(vmt_call_log_get(w->driver, VMT_CALL_WAIT, 2)->call.u.wait.timeout_ms,
			 1000);
}

/* -------------------------------------------------------------------------------------------- */
/* Randomness                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response draw_two(struct vmt_ctx *ctx)
{
	note(vmt_random(vmt_session_of(ctx)));
	note(vmt_random(vmt_session_of(ctx)));
	return vmt_skip(ctx);
}

/* Four events with two draws each, with this seed. */
static void draw_eight(struct world *w, uint64_t seed, uint64_t drawn[8])
{
	struct vmt_scripted_config config = {.seed = seed};

	world_renew(w);
	world_open(w, &config);
	for (unsigned i = 0; i < 4; i++)
		WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, i, 0));
	probe.event = draw_two;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 8);
	memcpy(drawn, probe.noted, 8 * sizeof(drawn[0]));
}

static void randomness_is_a_function_of_the_seed(void **state)
{
	uint64_t a[8], b[8], c[8];

	draw_eight(*state, 1, a);
	draw_eight(*state, 1, b);
	draw_eight(*state, 2, c);
	assert_memory_equal(a, b, sizeof(a));
	for (size_t i = 0; i < 8; i++)
		assert_int_not_equal(a[i], c[i]);
}

static void randomness_differs_by_callback_and_by_draw(void **state)
{
	uint64_t a[8];

	draw_eight(*state, 1, a);
	for (size_t i = 0; i < 8; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(a[i], a[j]);
}

/* In the first callbacks a different number of draws: the fourth event's stay the same. */
static struct vmt_response draw_unevenly(struct vmt_ctx *ctx)
{
	for (unsigned i = 0; probe.events < 4 && i < 5; i++)
		vmt_random(vmt_session_of(ctx));
	if (probe.events == 4)
		return draw_two(ctx);
	return vmt_skip(ctx);
}

static void draws_in_other_callbacks_do_not_matter(void **state)
{
	struct vmt_scripted_config config = {.seed = 1};
	struct world *w = *state;
	uint64_t even[8];

	draw_eight(w, 1, even);
	world_renew(w);
	world_open(w, &config);
	for (unsigned i = 0; i < 4; i++)
		WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, i, 0));
	probe.event = draw_unevenly;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.noted[0], even[6]);
	assert_int_equal(probe.noted[1], even[7]);
}

/* Each bit is about as often set as not: 64 draws, 64 bits; chance alone stays within 16 to 48. */
static void randomness_has_no_stuck_bits(void **state)
{
	unsigned set[64] = {0};

	for (uint64_t seed = 0; seed < 8; seed++) {
		uint64_t drawn[8];

		draw_eight(*state, seed, drawn);
		for (size_t i = 0; i < 8; i++)
			for (unsigned bit = 0; bit < 64; bit++)
				set[bit] += (unsigned)(drawn[i] >> bit & 1);
	}
	for (unsigned bit = 0; bit < 64; bit++)
		assert_in_range(set[bit], 12, 52);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(time_is_the_time_stamp_of_the_callback),
		WORLD_TEST(time_is_constant_inside_a_callback),
		WORLD_TEST(time_never_goes_back),
		WORLD_TEST(handle_timeout_is_called_when_the_time_of_wake_at_has_come),
		WORLD_TEST(handle_timeout_is_called_on_a_busy_guest_too),
		WORLD_TEST(zero_takes_the_time_back),
		WORLD_TEST(one_time_can_be_set),
		WORLD_TEST(a_time_that_has_passed_already_comes_at_once),
		WORLD_TEST(a_time_far_away_never_comes),
		WORLD_TEST(a_wait_is_rounded_up_to_milliseconds),
		WORLD_TEST(spurious_wakeups_do_not_reset_the_timeout),
		WORLD_TEST(randomness_is_a_function_of_the_seed),
		WORLD_TEST(randomness_differs_by_callback_and_by_draw),
		WORLD_TEST(draws_in_other_callbacks_do_not_matter),
		WORLD_TEST(randomness_has_no_stuck_bits),
	};

	return cmocka_run_group_tests_name("time and randomness", tests, NULL, NULL);
}
