/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where session calls are refused: on other threads, outside of callbacks, in poll and in destroy.
 * What is refused leaves no trace: no driver call, nothing observed.
 */
#include <pthread.h>

#include "every-call.h"
#include "world.h"

/* Makes each call; the first that is not refused is what is returned, else NULL. */
static const char *first_not_refused(struct vmt_session *s)
{
	for (size_t i = 0; i < nevery_call; i++)
		if (every_call[i].call(s) != -VMT_E_WRONG_PLACE)
			return every_call[i].name;
	return NULL;
}

/* And those without a result. */
static void call_the_silent_ones(struct vmt_session *s)
{
	vmt_wake_at(s, 1);
	vmt_log(s, VMT_LOG_INFO, "never");
	vmt_flush(s);
}

struct attempt {
	struct vmt_session *session;
	const char *not_refused;
	uint64_t random;
};

static void *try_all(void *arg)
{
	struct attempt *a = arg;

	a->not_refused = first_not_refused(a->session);
	call_the_silent_ones(a->session);
	a->random = vmt_random(a->session);
	return NULL;
}

static void assert_all_refused(const struct attempt *a)
{
	if (a->not_refused)
		fail_msg("%s is not refused", a->not_refused);
	assert_int_equal(a->random, 0);
}

static void on_another_thread(struct attempt *a)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, try_all, a), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* -------------------------------------------------------------------------------------------- */
/* Other threads                                                                                */
/* -------------------------------------------------------------------------------------------- */

static void try_from_a_thread(struct vmt_session *s)
{
	struct attempt a = {.session = s};
	const size_t calls = vmt_call_log_count(probe.world->driver, 0);

	on_another_thread(&a);
	assert_all_refused(&a);
	assert_int_equal(vmt_call_log_count(probe.world->driver, 0), calls);
	/* The error belongs to the callback's thread. */
	assert_int_equal(vmt_error_of(s)->status, 0);
	note(1);
}

static int create_with_a_thread(struct vmt_session *s)
{
	try_from_a_thread(s);
	return watch_cpuid(s);
}

static struct vmt_response event_with_a_thread(struct vmt_ctx *ctx)
{
	try_from_a_thread(vmt_session_of(ctx));
	return vmt_skip(ctx);
}

static int timeout_with_a_thread(struct vmt_session *s)
{
	try_from_a_thread(s);
	return 0;
}

static void session_calls_from_other_threads_are_refused(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_IDLE(6 * SECOND), VMT_WORLD_STOP());
	probe.create = create_with_a_thread;
	probe.event = event_with_a_thread;
	probe.timeout = timeout_with_a_thread;
	probe.interrupted = try_from_a_thread;
	probe.cleanup = try_from_a_thread;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 5);
	assert_int_equal(vmt_collector_nlogs(w->seen), 0);
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 0);
	vmt_assert_clean(w->driver);
}

/* Draws of another thread are none: they do not shift those of the callback. */
static uint64_t with_a_thread, without;

static struct vmt_response draw_with_a_thread(struct vmt_ctx *ctx)
{
	struct attempt a = {.session = vmt_session_of(ctx)};

	if (with_a_thread == 0)
		on_another_thread(&a);
	*(with_a_thread == 0 ? &with_a_thread : &without) = vmt_random(vmt_session_of(ctx));
	return vmt_skip(ctx);
}

static void draws_of_other_threads_do_not_count(void **state)
{
	struct world *w = *state;
	with_a_thread = without = 0;
	for (unsigned i = 0; i < 2; i++) {
		world_renew(w);
		probe.event = draw_with_a_thread;
		assert_int_equal(world_run_cpuids(w, 1), 0);
	}
	assert_int_not_equal(with_a_thread, 0);
	assert_int_equal(with_a_thread, without);
}

/* A session may be made on one thread and run on another: it is the callback's that counts. */
static void *run_it(void *arg)
{
	world_run(arg);
	return NULL;
}

static struct vmt_response read_and_skip(struct vmt_ctx *ctx)
{
	uint8_t byte;

	note((uint64_t)-vmt_read_u8(vmt_session_of(ctx), VMT_PHYS, 0, &byte));
	return vmt_skip(ctx);
}

static void a_session_may_run_on_any_one_thread(void **state)
{
	struct world *w = *state;
	pthread_t thread;

	world_open_batch(w, 1);
	world_create(w);
	probe.event = read_and_skip;
	assert_int_equal(pthread_create(&thread, NULL, run_it, w), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(w->result, 0);
	assert_int_equal(probe.nnoted, 1);
	assert_int_equal(probe.noted[0], 0);
}

/* -------------------------------------------------------------------------------------------- */
/* No callback                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void try_here(struct world *w)
{
	struct attempt a = {.session = w->session};
	const size_t calls = vmt_call_log_count(w->driver, 0);

	try_all(&a);
	assert_all_refused(&a);
	assert_int_equal(vmt_call_log_count(w->driver, 0), calls);
}

static void session_calls_outside_of_callbacks_are_refused(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	try_here(w);
	assert_int_equal(vmt_session_begin(w->session), 1);
	try_here(w);
	assert_int_equal(vmt_session_step(w->session), 1);
	try_here(w);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
	try_here(w);
	assert_int_equal(vmt_collector_nlogs(w->seen), 0);
	vmt_assert_clean(w->driver);
}

/* -------------------------------------------------------------------------------------------- */
/* poll and destroy                                                                             */
/* -------------------------------------------------------------------------------------------- */

static int try_in_poll(struct vmt_record *out)
{
	struct attempt a = {.session = probe.session};

	(void)out;
	try_all(&a);
	assert_all_refused(&a);
	assert_int_equal(vmt_error_of(probe.session)->status, VMT_E_WRONG_PLACE);
	note(1);
	return 0;
}

static void session_calls_in_poll_are_refused(void **state)
{
	struct world *w = *state;

	probe.poll = try_in_poll;
	assert_int_equal(world_run_cpuids(w, 1), 0);
	vmt_assert_ended(&w->outcome, VMT_END_GONE);
	assert_int_equal(probe.nnoted, 2);
	assert_int_equal(vmt_collector_nlogs(w->seen), 0);
}

static void try_in_destroy(void)
{
	try_here(probe.world);
	note(1);
}

static void session_calls_in_destroy_are_refused(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.destroy = try_in_destroy;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* Everywhere                                                                                   */
/* -------------------------------------------------------------------------------------------- */

/* The table is no list of calls that are refused everywhere. */
static int create_with_all(struct vmt_session *s)
{
	for (size_t i = 0; i < nevery_call; i++)
		if (every_call[i].call(s) == -VMT_E_WRONG_PLACE &&
		    strcmp(every_call[i].name, "vmt_resume") != 0)
			fail_msg("%s is refused in create", every_call[i].name);
	return 0;
}

static void in_create_all_calls_are_allowed(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.create = create_with_all;
	probe.finish_after = 1;
	world_run(w);
	assert_int_equal(probe.creates, 1);
	vmt_assert_clean(w->driver);
}

static struct vmt_response try_effects_in_the_drain(struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		for (size_t i = 0; i < nevery_call; i++) {
			const bool refused = every_call[i].call(s) == -VMT_E_WRONG_PLACE;

			if (refused != every_call[i].effect)
				fail_msg("%s is %s in the drain", every_call[i].name,
					 refused ? "refused" : "allowed");
			if (refused)
				assert_holds(vmt_error_of(s)->text, "drain");
			note(refused);
		}
	return vmt_skip(ctx);
}

static void effects_are_refused_in_the_drain(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 2);
	probe.event = try_effects_in_the_drain;
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.nnoted, nevery_call);
	vmt_assert_clean(w->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(session_calls_from_other_threads_are_refused),
		WORLD_TEST(draws_of_other_threads_do_not_count),
		WORLD_TEST(a_session_may_run_on_any_one_thread),
		WORLD_TEST(session_calls_outside_of_callbacks_are_refused),
		WORLD_TEST(session_calls_in_poll_are_refused),
		WORLD_TEST(session_calls_in_destroy_are_refused),
		WORLD_TEST(in_create_all_calls_are_allowed),
		WORLD_TEST(effects_are_refused_in_the_drain),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
