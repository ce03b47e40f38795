/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Interrupted: a stop was asked for with vmt_session_stop(). Who may ask, when it is seen, and how
 * the session ends then.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

#include "plain.h"
#include "world.h"

/* -------------------------------------------------------------------------------------------- */
/* Who may ask                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void *stop_it(void *session)
{
	vmt_session_stop(session);
	return NULL;
}

/* A step of the script: another thread asks for the stop while the session waits. */
static int stop_from_a_thread(struct vmt_driver *d, void *arg)
{
	struct world *w = arg;
	pthread_t thread;

	(void)d;
	if (pthread_create(&thread, NULL, stop_it, w->session) != 0)
		return -VMT_E_NO_MEMORY;
	return pthread_join(thread, NULL) == 0 ? 0 : -VMT_E_IO;
}

static void a_stop_from_another_thread_interrupts(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_CALL(stop_from_a_thread, w), VMT_WORLD_IDLE(100 * SECOND),
		   VMT_INSN_CPUID(0, 0, 0, 0));
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_int_equal(probe.interrupts, 1);
	assert_int_equal(probe.events + probe.timeouts, 0);
}

static struct vmt_session *volatile of_the_signal;

static void stop_on_signal(int number)
{
	(void)number;
	errno = EILSEQ;
	vmt_session_stop(of_the_signal);
	note(errno == EILSEQ);
}

static int raise_a_signal(struct vmt_driver *d, void *arg)
{
	(void)d;
	of_the_signal = ((struct world *)arg)->session;
	return raise(SIGUSR1) == 0 ? 0 : -VMT_E_IO;
}

static void on_signal(int number, void (*handler)(int))
{
	const struct sigaction action = {.sa_handler = handler};

	assert_int_equal(sigaction(number, &action, NULL), 0);
}

static void a_stop_from_a_signal_handler_interrupts(void **state)
{
	struct world *w = *state;

	on_signal(SIGUSR1, stop_on_signal);
	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_CALL(raise_a_signal, w), VMT_WORLD_IDLE(100 * SECOND));
	assert_int_equal(world_run(w), 0);
	on_signal(SIGUSR1, SIG_DFL);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_int_equal(probe.interrupts, 1);
	assert_int_equal(probe.noted[0], 1); /* errno is as it was */
}

/* ---- with a wait that sleeps ---- */

static sem_t sleeps;

static int sleep_until_stopped(struct plain *p, struct vmt_call *call)
{
	if (call->op != VMT_CALL_WAIT)
		return PLAIN_ELSE;
	sem_post(&sleeps);
	return plain_sleep(p, call);
}

static void *stop_the_sleeper(void *session)
{
	sem_wait(&sleeps);
	vmt_session_stop(session);
	return NULL;
}

static struct vmt_response continue_always(void *self, struct vmt_ctx *ctx)
{
	(void)self;
	(void)ctx;
	return vmt_respond(VMT_CONTINUE);
}

static const struct vmt_handler_ops still_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "still",
	.version = "1",
	.handle_event = continue_always,
};

/* The wait would last for a minute. */
static void create_sleeping(struct plain *p, struct vmt_session **s,
			    int (*sleep)(struct plain *p, struct vmt_call *call))
{
	struct vmt_session_config config = {
		.driver = &p->base.driver, .handler = &still_handler, .timeout_ms = 60000};
	struct vmt_error err;

	plain_init(p, sleep, true);
	assert_true(p->stop_fd >= 0);
	sem_init(&sleeps, 0, 0);
	vmt_assert_ok(vmt_session_create(&config, s, &err), &err);
}

static void a_stop_ends_a_wait_that_sleeps(void **state)
{
	struct plain p;
	struct vmt_session *s;
	struct vmt_outcome outcome;
	pthread_t thread;

	(void)state;
	create_sleeping(&p, &s, sleep_until_stopped);
	assert_int_equal(pthread_create(&thread, NULL, stop_the_sleeper, s), 0);
	assert_int_equal(vmt_session_run(s, &outcome), 0);
	pthread_join(thread, NULL);
	vmt_assert_ended(&outcome, VMT_END_INTERRUPTED);
	assert_int_equal(p.counts[VMT_CALL_WAIT], 1);
	vmt_session_destroy(s);
	plain_finish(&p);
	sem_destroy(&sleeps);
}

/* The first signals are nobody's stop, the fifth is. */
static volatile sig_atomic_t ticks;

static int sleep_among_signals(struct plain *p, struct vmt_call *call)
{
	const struct itimerval often = {{0, 5000}, {0, 5000}};

	if (call->op != VMT_CALL_WAIT)
		return PLAIN_ELSE;
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	return plain_sleep(p, call);
}

static void stop_at_the_fifth(int number)
{
	(void)number;
	if (++ticks == 5)
		vmt_session_stop(of_the_signal);
}

static void a_signal_that_is_no_stop_interrupts_nothing(void **state)
{
	const struct itimerval never = {{0, 0}, {0, 0}};
	struct plain p;
	struct vmt_session *s;
	struct vmt_outcome outcome;

	(void)state;
	create_sleeping(&p, &s, sleep_among_signals);
	of_the_signal = s;
	ticks = 0;
	on_signal(SIGALRM, stop_at_the_fifth);
	assert_int_equal(vmt_session_run(s, &outcome), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	on_signal(SIGALRM, SIG_DFL);
	vmt_assert_ended(&outcome, VMT_END_INTERRUPTED);
	assert_true(ticks >= 5);
	assert_int_equal(p.counts[VMT_CALL_WAIT], 1); /* one wait, resumed four times */
	assert_int_equal(outcome.timeouts, 0);
	vmt_session_destroy(s);
	plain_finish(&p);
	sem_destroy(&sleeps);
}

/* ---- the tools own the signals ---- */

static void read_signals(struct sigaction actions[32], sigset_t *mask)
{
	for (int i = 1; i < 32; i++)
		sigaction(i, NULL, &actions[i]);
	pthread_sigmask(SIG_BLOCK, NULL, mask);
}

static struct sigaction actions_before[32], actions_now[32];
static sigset_t mask_before, mask_now;

static void compare_signals(void)
{
	read_signals(actions_now, &mask_now);
	for (int i = 1; i < 32; i++)
		assert_true(actions_before[i].sa_handler == actions_now[i].sa_handler);
	assert_memory_equal(&mask_before, &mask_now, sizeof(mask_now));
}

static struct vmt_response compare_signals_and_skip(struct vmt_ctx *ctx)
{
	compare_signals();
	return vmt_skip(ctx);
}

static void a_session_leaves_the_signals_alone(void **state)
{
	struct world *w = *state;

	read_signals(actions_before, &mask_before);
	probe.event = compare_signals_and_skip;
	assert_int_equal(world_run_cpuids(w, 2), 0);
	assert_int_equal(probe.events, 2);
	compare_signals();
}

/* -------------------------------------------------------------------------------------------- */
/* When it is seen                                                                              */
/* -------------------------------------------------------------------------------------------- */

static int create_and_stop(struct vmt_session *s)
{
	vmt_session_stop(s);
	return watch_cpuid(s);
}

static void a_stop_is_seen_at_the_next_wait(void **state)
{
	struct world *w = *state;

	probe.create = create_and_stop;
	world_open_batch(w, 1);
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll interrupted poll cleanup destroy");
}

static void a_stop_before_the_session_began_is_seen_too(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	world_create(w);
	vmt_session_stop(w->session);
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_int_equal(probe.events, 0);
}

static int stop_in_timeout(struct vmt_session *s)
{
	vmt_session_stop(s);
	return 0;
}

static void a_stop_in_a_timeout_is_seen_at_the_next_wait(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_IDLE(100 * SECOND));
	probe.timeout = stop_in_timeout;
	assert_int_equal(world_run(w), 0);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll timeout poll interrupted poll cleanup destroy");
}

static struct vmt_response stop_at_the_second(struct vmt_ctx *ctx)
{
	if (probe.events == 2 && probe.drained == 0)
		vmt_session_stop(vmt_session_of(ctx));
	return vmt_skip(ctx);
}

/* Of a batch of four, two are handled as ever; two wait until the drain. */
static void a_stop_is_seen_between_two_events_of_a_batch(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 4);
	probe.event = stop_at_the_second;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_string_equal(
		world_story(w, STORY_HANDLER),
		"create poll event poll event poll interrupted poll cleanup event event destroy");
	assert_int_equal(probe.events, 2);
	assert_int_equal(probe.drained, 2);
	vmt_assert_clean(w->driver);
}

static int no_stop_fd(struct plain *p, struct vmt_call *call)
{
	if (call->op == VMT_CALL_WAIT && p->counts[VMT_CALL_WAIT] < 3) {
		*call->u.wait.wait = (struct vmt_wait){.outcome = VMT_WAIT_TIMEOUT};
		return 0;
	}
	return PLAIN_ELSE;
}

static int stop_me(void *self, struct vmt_session *s)
{
	(void)self;
	vmt_session_stop(s);
	return 0;
}

static void a_driver_without_a_stop_fd_can_be_stopped_between_waits(void **state)
{
	struct vmt_handler_ops handler = still_handler;
	struct plain p;
	struct vmt_session_config config = {.driver = &p.base.driver, .handler = &handler};
	struct vmt_session *s;
	struct vmt_outcome outcome;
	struct vmt_error err;

	(void)state;
	handler.handle_timeout = stop_me;
	plain_init(&p, no_stop_fd, false);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	assert_int_equal(vmt_session_run(s, &outcome), 0);
	vmt_assert_ended(&outcome, VMT_END_INTERRUPTED);
	assert_int_equal(p.counts[VMT_CALL_WAIT], 1);
	vmt_session_destroy(s);
}

static void stop_in_cleanup(struct vmt_session *s)
{
	vmt_session_stop(s);
}

static void a_stop_after_the_end_changes_nothing(void **state)
{
	struct world *w = *state;

	probe.cleanup = stop_in_cleanup;
	probe.finish_after = 1;
	assert_int_equal(world_run_cpuids(w, 2), 0);
	vmt_session_stop(w->session);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	assert_int_equal(probe.interrupts, 0);
	assert_int_equal(vmt_session_end(w->session, &w->outcome), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
}

static void stop_again(struct vmt_session *s)
{
	vmt_session_stop(s);
}

static void two_stops_are_one_interrupt(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_STOP(), VMT_WORLD_STOP(), VMT_INSN_CPUID(0, 0, 0, 0));
	probe.interrupted = stop_again;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_int_equal(probe.interrupts, 1);
}

/* -------------------------------------------------------------------------------------------- */
/* EINTR                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/*
 * The scripted domain sleeps when nothing will ever happen and nothing but a stop can come. Four
 * signals that are none interrupt that sleep.
 */
static int start_the_signals(struct vmt_driver *d, void *arg)
{
	const struct itimerval often = {{0, 5000}, {0, 5000}};

	(void)d;
	of_the_signal = ((struct world *)arg)->session;
	return setitimer(ITIMER_REAL, &often, NULL) == 0 ? 0 : -VMT_E_IO;
}

static void another_eintr_resumes_the_wait(void **state)
{
	const struct itimerval never = {{0, 0}, {0, 0}};
	struct vmt_scripted_config config = {.at_end = VMT_SCRIPTED_IDLE};
	struct world *w = *state;

	world_open(w, &config);
	w->config.timeout_ms = -1;
	WORLD_PLAY(w, VMT_WORLD_CALL(start_the_signals, w));
	ticks = 0;
	on_signal(SIGALRM, stop_at_the_fifth);
	assert_int_equal(world_run(w), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	on_signal(SIGALRM, SIG_DFL);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_int_equal(vmt_call_log_count(w->driver, VMT_CALL_WAIT), 1);
	assert_int_equal(probe.interrupts, 1);
	assert_int_equal(probe.timeouts, 0);
}

/* -------------------------------------------------------------------------------------------- */
/* What comes after it                                                                          */
/* -------------------------------------------------------------------------------------------- */

static void after_interrupted_comes_one_more_poll(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_STOP());
	world_run(w);
	assert_string_equal(world_story(w, STORY_HANDLER),
			    "create poll interrupted poll cleanup destroy");
}

static bool told_to_stop;

static void set_a_flag(struct vmt_session *s)
{
	(void)s;
	told_to_stop = true;
}

static int done_when_told(struct vmt_record *out)
{
	struct vmt_value values[] = {vmt_u64(probe.events), vmt_text("stopped")};

	if (!told_to_stop)
		return 0;
	assert_int_equal(vmt_output(out, &result_schema, values, COUNT(values)), 0);
	return 1;
}

static void an_output_after_interrupted_is_the_result(void **state)
{
	struct world *w = *state;

	told_to_stop = false;
	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_STOP());
	probe.interrupted = set_a_flag;
	probe.poll = done_when_told;
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_FINISHED);
	vmt_assert_output(w->outcome.output, "result", vmt_u64(1), vmt_text("stopped"));
}

static void without_an_output_the_session_ends_as_interrupted(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_STOP());
	assert_int_equal(world_run(w), 0);
	vmt_assert_ended(&w->outcome, VMT_END_INTERRUPTED);
	assert_null(w->outcome.output);
	assert_int_equal(w->outcome.error.status, 0);
}

static int fails_when_told(struct vmt_record *out)
{
	(void)out;
	return told_to_stop ? -VMT_E_HANDLER : 0;
}

static void a_poll_that_fails_after_interrupted_is_the_handlers_failure(void **state)
{
	struct world *w = *state;

	told_to_stop = false;
	world_open(w, NULL);
	WORLD_PLAY(w, VMT_WORLD_STOP());
	probe.interrupted = set_a_flag;
	probe.poll = fails_when_told;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	vmt_assert_ended(&w->outcome, VMT_END_HANDLER_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(a_stop_from_another_thread_interrupts),
		WORLD_TEST(a_stop_from_a_signal_handler_interrupts),
		cmocka_unit_test(a_stop_ends_a_wait_that_sleeps),
		cmocka_unit_test(a_signal_that_is_no_stop_interrupts_nothing),
		WORLD_TEST(a_session_leaves_the_signals_alone),
		WORLD_TEST(a_stop_is_seen_at_the_next_wait),
		WORLD_TEST(a_stop_before_the_session_began_is_seen_too),
		WORLD_TEST(a_stop_in_a_timeout_is_seen_at_the_next_wait),
		WORLD_TEST(a_stop_is_seen_between_two_events_of_a_batch),
		cmocka_unit_test(a_driver_without_a_stop_fd_can_be_stopped_between_waits),
		WORLD_TEST(a_stop_after_the_end_changes_nothing),
		WORLD_TEST(two_stops_are_one_interrupt),
		WORLD_TEST(another_eintr_resumes_the_wait),
		WORLD_TEST(after_interrupted_comes_one_more_poll),
		WORLD_TEST(an_output_after_interrupted_is_the_result),
		WORLD_TEST(without_an_output_the_session_ends_as_interrupted),
		WORLD_TEST(a_poll_that_fails_after_interrupted_is_the_handlers_failure),
	};

	return cmocka_run_group_tests_name("interrupted", tests, NULL, NULL);
}
