/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting on the scripted domain: batches, time, stops, steps of the world, and the errors that end
 * a script.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "testing/scripted.h"

#include "domain.h"

#define MS UINT64_C(1000000)

static struct vmt_wait wait_for(struct vmt_driver *d, int timeout_ms)
{
	struct vmt_wait wait;

	vmt_assert_ok(vmt_driver_wait(d, timeout_ms, &wait), &d->err);
	return wait;
}

static uint64_t now(struct vmt_driver *d)
{
	struct vmt_info info;

	vmt_assert_ok(vmt_driver_info(d, &info), &d->err);
	return info.now;
}

/* -------------------------------------------------------------------------------------------- */
/* Batches                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void events_of_several_vcpus_come_in_one_batch(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 3});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_NOP(2, 0), VMT_INSN_NOP(2, 0), VMT_INSN_CR(0, 0, VMT_CR3, 0x10),
	     VMT_INSN_CR(1, 0, VMT_CR3, 0x11), VMT_INSN_CR(2, 0, VMT_CR3, 0x12));
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 3);
	for (uint16_t vcpu = 0; vcpu < 3; vcpu++) {
		const struct vmt_response go = vmt_respond(VMT_CONTINUE);

		assert_int_equal(vmt_driver_next(d, &ev), 1);
		vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"vcpu", vcpu}, {"new", 0x10u + vcpu});
		vmt_assert_ok(vmt_driver_answer(d, &ev, &go), &d->err);
	}
	assert_int_equal(vmt_driver_next(d, &ev), 0);
	vmt_assert_ok(vmt_driver_commit(d), &d->err);
	ends(d);
	vmt_driver_close(d);
}

static void a_border_parts_batches(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x10), VMT_WORLD_SYNC(),
	     VMT_INSN_CR(1, 0, VMT_CR3, 0x11));
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 1);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"vcpu", 0});
	/* Not answered: the border holds. */
	assert_int_equal(wait_ends(d, 10, VMT_WAIT_TIMEOUT), 0);
	go_on(d, &ev);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"vcpu", 1});
	go_on(d, &ev);
	ends(d);
	vmt_driver_close(d);
}

static void a_full_ring_ends_a_batch_and_nothing_is_lost(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 12});
	unsigned seen[12] = {0};
	unsigned total = 0, most = 0;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	for (uint16_t vcpu = 0; vcpu < 12; vcpu++)
		PLAY(d, VMT_INSN_CR(vcpu, 0, VMT_CR3, 0x10), VMT_INSN_CR(vcpu, 0, VMT_CR3, 0x20));
	while (total < 24) {
		uint32_t n = wait_ends(d, -1, VMT_WAIT_EVENTS);
		struct vmt_event ev;

		assert_in_range(n, 1, 8);
		most = n > most ? n : most;
		while (vmt_driver_next(d, &ev) == 1) {
			const struct vmt_response go = vmt_respond(VMT_CONTINUE);

			seen[ev.vcpu]++;
			total++;
			vmt_assert_ok(vmt_driver_answer(d, &ev, &go), &d->err);
		}
		vmt_assert_ok(vmt_driver_commit(d), &d->err);
	}
	ends(d);
	assert_true(most > 1);
	for (size_t vcpu = 0; vcpu < 12; vcpu++)
		assert_int_equal(seen[vcpu], 2);
	vmt_driver_close(d);
}

static void a_busy_vcpu_does_not_hold_back_the_events_of_another(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x10), VMT_INSN_JUMP(1, 0x5000, 0x5000));
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"vcpu", 0});
	vmt_driver_close(d);
}

static void what_is_not_taken_stays_on_the_ring(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x10), VMT_INSN_CR(1, 0, VMT_CR3, 0x11));
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 2);
	assert_int_equal(vmt_driver_next(d, &ev), 1);
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 1);
	vmt_driver_close(d);
}

static void asynchronous_events_do_not_stop_their_vcpu(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	const struct vmt_monitor async = {
		.kind = VMT_MONITOR_CR, .what = VMT_CR3, .flags = VMT_MONITOR_ASYNC};
	struct vmt_event ev;

	(void)state;
	vmt_assert_ok(vmt_driver_monitor(d, &async, true), &d->err);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x10), VMT_INSN_CR(0, 0, VMT_CR3, 0x20),
	     VMT_INSN_NOP(0, 0));
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 2);
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_WRITE_CR, {"new", 0x10}, {"flags", VMT_EVENT_HAS_VIEW});
	go_on(d, &ev);
	ev = take(d);
	go_on(d, &ev);
	ends(d);
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Time                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void waits_time_out_while_the_domain_idles(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.start_ns = 5 * MS});
	struct vmt_event ev;
	struct vmt_wait wait;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_WORLD_IDLE(25 * MS), VMT_INSN_CR(0, 0, VMT_CR3, 0x10));
	wait = wait_for(d, 10);
	assert_int_equal(wait.outcome, VMT_WAIT_TIMEOUT);
	assert_int_equal(wait.now, 15 * MS);
	wait = wait_for(d, 10);
	assert_int_equal(wait.outcome, VMT_WAIT_TIMEOUT);
	assert_int_equal(wait.now, 25 * MS);
	wait = wait_for(d, 10);
	assert_int_equal(wait.outcome, VMT_WAIT_EVENTS);
	assert_in_range(wait.now, 30 * MS, 30 * MS + 10000);
	ev = take(d);
	go_on(d, &ev);
	ends(d);
	vmt_driver_close(d);
}

static void idling_for_no_time_is_a_border_only(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});

	(void)state;
	PLAY(d, VMT_WORLD_IDLE(0), VMT_INSN_NOP(0, 0));
	ends(d);
	vmt_driver_close(d);
}

static void an_instruction_takes_the_time_that_the_test_says(void **state)
{
	struct vmt_driver *d = domain_create(
		(struct vmt_scripted_config){.vcpus = 2, .insn_ns = 500, .start_ns = 100});

	(void)state;
	/* vCPUs run at the same time. */
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_NOP(1, 0));
	ends(d);
	assert_int_equal(now(d), 100 + 2 * 500);
	vmt_driver_close(d);
}

static void a_long_program_times_out_between(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.insn_ns = 3 * MS});

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0), VMT_INSN_NOP(0, 0));
	assert_int_equal(wait_for(d, 5).outcome, VMT_WAIT_TIMEOUT);
	assert_int_equal(wait_for(d, 5).outcome, VMT_WAIT_TIMEOUT);
	assert_int_equal(wait_for(d, 5).outcome, VMT_WAIT_GONE);
	vmt_driver_close(d);
}

/* Else a session that polls would keep the guest from running. */
static void a_wait_of_no_time_lets_the_guest_get_on(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_INSN_CR(0, 0, VMT_CR3, 0x10));
	assert_int_equal(wait_for(d, 0).outcome, VMT_WAIT_TIMEOUT);
	assert_int_equal(wait_for(d, 0).outcome, VMT_WAIT_EVENTS);
	vmt_driver_close(d);
}

static void an_idle_end_times_out_for_ever(void **state)
{
	struct vmt_driver *d =
		domain_create((struct vmt_scripted_config){.at_end = VMT_SCRIPTED_IDLE});

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0));
	for (uint64_t i = 1; i < 4; i++) {
		assert_int_equal(wait_for(d, 5000).outcome, VMT_WAIT_TIMEOUT);
		assert_int_equal(now(d), i * 5000 * MS);
	}
	vmt_driver_close(d);
}

static void a_paused_domain_stands_still(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});

	(void)state;
	vmt_assert_ok(vmt_driver_pause(d), &d->err);
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3000, "x", 1), VMT_WORLD_SPURIOUS());
	assert_int_equal(wait_for(d, 100).outcome, VMT_WAIT_TIMEOUT);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0);
	vmt_assert_ok(vmt_driver_resume(d), &d->err);
	assert_int_equal(wait_ends(d, 100, VMT_WAIT_EVENTS), 0);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Stops                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void a_stop_of_the_script_ends_one_wait(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_WORLD_STOP(), VMT_INSN_NOP(0, 0));
	wait_ends(d, -1, VMT_WAIT_STOPPED);
	ends(d);
	vmt_driver_close(d);
}

static void a_stop_before_the_wait_is_seen_first(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x10));
	assert_int_equal(eventfd_write(vmt_driver_stop_fd(d), 1), 0);
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_STOPPED), 0);
	ev = take(d); /* nothing was lost */
	go_on(d, &ev);
	ends(d);
	vmt_driver_close(d);
}

static void *stop_soon(void *arg)
{
	const struct timespec moment = {.tv_nsec = 20000000};

	nanosleep(&moment, NULL);
	eventfd_write(*(int *)arg, 1);
	return NULL;
}

static void a_stop_from_a_thread_ends_a_wait_on_an_idle_domain(void **state)
{
	struct vmt_driver *d =
		domain_create((struct vmt_scripted_config){.at_end = VMT_SCRIPTED_IDLE});
	int fd = vmt_driver_stop_fd(d);
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &fd), 0);
	wait_ends(d, -1, VMT_WAIT_STOPPED);
	pthread_join(thread, NULL);
	vmt_driver_close(d);
}

static void a_stop_from_a_thread_ends_a_wait_on_a_busy_domain(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	int fd = vmt_driver_stop_fd(d);
	pthread_t thread;

	(void)state;
	PLAY(d, VMT_INSN_JUMP(0, 0x1000, 0x1000));
	assert_int_equal(pthread_create(&thread, NULL, stop_soon, &fd), 0);
	wait_ends(d, -1, VMT_WAIT_STOPPED);
	pthread_join(thread, NULL);
	vmt_driver_close(d);
}

static void a_wait_in_which_nothing_will_happen_is_an_error(void **state)
{
	static const struct {
		uint8_t at_end;
		bool paused;
		const char *word;
	} cases[] = {{VMT_SCRIPTED_IDLE, false, "the script is at its end"},
		     {VMT_SCRIPTED_GONE, true, "the domain is paused"}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct vmt_driver *d =
			domain_create((struct vmt_scripted_config){.at_end = cases[i].at_end});
		struct vmt_wait wait;

		vmt_scripted_of(d)->stop_wait_ms = 1; /* not 10 s */
		PLAY(d, VMT_INSN_NOP(0, 0));
		if (cases[i].paused)
			vmt_assert_ok(vmt_driver_pause(d), &d->err);
		vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_WRONG_PLACE);
		assert_non_null(strstr(d->err.text, cases[i].word));
		vmt_driver_close(d);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Other steps of the world                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void a_spurious_wake_up_tells_of_no_event(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;

	(void)state;
	PLAY(d, VMT_WORLD_SPURIOUS(), VMT_INSN_NOP(0, 0));
	assert_int_equal(wait_ends(d, -1, VMT_WAIT_EVENTS), 0);
	assert_int_equal(vmt_driver_next(d, &ev), 0);
	ends(d);
	vmt_driver_close(d);
}

static void a_wait_can_fail_with_an_errno_and_the_next_goes_on(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_wait wait;

	(void)state;
	PLAY(d, VMT_WORLD_WAIT_FAIL(ENODEV), VMT_INSN_NOP(0, 0));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_HYPERVISOR);
	assert_int_equal(d->err.sys_errno, ENODEV);
	ends(d);
	vmt_driver_close(d);
}

static void memory_changes_from_outside(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});

	(void)state;
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3000, "ab", 2), VMT_WORLD_POKE(0x3001, "Z", 1),
	     VMT_INSN_READ(0, 0, 0x3000, 2));
	ends(d);
	assert_int_equal(regs_of(d, 0).gprs.rax, 'a' | 'Z' << 8);
	vmt_driver_close(d);
}

static void a_shut_down_domain_still_answers_calls(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	uint8_t byte;

	(void)state;
	PLAY(d, VMT_WORLD_GONE(), VMT_INSN_WRITE(0, 0, 0x3000, "x", 1));
	wait_ends(d, -1, VMT_WAIT_GONE);
	wait_ends(d, 0, VMT_WAIT_GONE);
	vmt_assert_ok(vmt_driver_read(d, vmt_gfn_from(3), 0, &byte, 1), &d->err);
	assert_int_equal(byte, 0);
	assert_false(vmt_scripted_done(d));
	vmt_driver_close(d);
}

static void a_destroyed_domain_answers_no_call(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;
	uint32_t n = 7;
	uint8_t byte;

	(void)state;
	vmt_assert_ok(vmt_driver_pause(d), &d->err);
	vmt_assert_ok(vmt_driver_resume(d), &d->err);
	PLAY(d, VMT_WORLD_DESTROYED());
	wait_ends(d, -1, VMT_WAIT_GONE);
	vmt_assert_refused(vmt_driver_read(d, vmt_gfn_from(3), 0, &byte, 1), &d->err, VMT_E_GONE);
	vmt_assert_refused(vmt_driver_pause(d), &d->err, VMT_E_GONE);
	vmt_assert_refused(vmt_driver_reset(d), &d->err, VMT_E_GONE);
	vmt_assert_refused(vmt_driver_settle(d, 10), &d->err, VMT_E_GONE);
	vmt_assert_refused(vmt_driver_detach(d), &d->err, VMT_E_GONE);
	vmt_assert_ok(vmt_driver_pending(d, &n), &d->err);
	assert_int_equal(n, 0);
	assert_int_equal(vmt_driver_next(d, &ev), 0);
	vmt_assert_clean(d);
	vmt_driver_close(d);
}

static void a_hand_made_event_is_delivered_as_it_is(void **state)
{
	static const char raw[] = "raw bytes of a reason from the future";
	struct vmt_event made = {
		.vcpu = 1,
		.reason = VMT_EVENT_UNKNOWN,
		.flags = VMT_EVENT_SYNC,
		.regs = {.known = VMT_KNOWN(VMT_REG_RIP), .gprs.rip = 0x1234},
		.raw = raw,
		.raw_len = sizeof(raw),
		.raw_kind = 1,
	};
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;

	(void)state;
	PLAY(d, VMT_WORLD_EVENT(&made), VMT_INSN_WRITE(1, 0, 0x3000, "x", 1));
	made.vcpu = 0; /* it was copied */
	ev = take(d);
	vmt_assert_event(&ev, VMT_EVENT_UNKNOWN, {"vcpu", 1}, {"rip", 0x1234},
			 {"flags", VMT_EVENT_SYNC});
	assert_int_equal(ev.regs.known, VMT_KNOWN(VMT_REG_RIP));
	assert_string_equal(ev.raw, raw);
	wait_ends(d, 10, VMT_WAIT_TIMEOUT); /* its vCPU stands */
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 0);
	go_on(d, &ev);
	ends(d);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'x');
	vmt_driver_close(d);
}

static int play_more(struct vmt_driver *d, void *arg)
{
	const struct vmt_step more[] = {VMT_INSN_WRITE(0, 0, 0x3000, "m", 1)};

	(*(int *)arg)++;
	return vmt_scripted_play(d, more, 1, &d->err);
}

static int refuse(struct vmt_driver *d, void *arg)
{
	(void)arg;
	return vmt_error_set(&d->err, VMT_E_NOT_FOUND, "refuse", "the test says no");
}

static void a_function_of_the_test_is_called_and_may_add_steps(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	int calls = 0;

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_WORLD_CALL(play_more, &calls));
	ends(d);
	assert_int_equal(calls, 1);
	vmt_assert_memory(d, vmt_gpa_from(0x3000), 'm');
	vmt_driver_close(d);
}

static void a_function_of_the_test_that_fails_is_a_script_error(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_wait wait;

	(void)state;
	PLAY(d, VMT_INSN_NOP(0, 0), VMT_WORLD_CALL(refuse, NULL));
	for (unsigned i = 0; i < 2; i++) { /* and stays one */
		vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
		assert_string_equal(d->err.place, "script, step 1 (call)");
		assert_non_null(strstr(d->err.text, "the test says no"));
	}
	vmt_driver_close(d);
}

static void a_poke_where_no_page_is_is_a_script_error(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_wait wait;

	(void)state;
	PLAY(d, VMT_WORLD_POKE(0x10000000, "x", 1));
	vmt_assert_refused(vmt_driver_wait(d, -1, &wait), &d->err, VMT_E_INVALID);
	assert_string_equal(d->err.place, "script, step 0 (poke)");
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Livelocks                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void continuing_at_an_int3_is_reported_as_a_livelock(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.livelock = 10});
	struct vmt_wait wait;
	unsigned events = 0;

	(void)state;
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_INT3(0, 0x1100), VMT_INSN_NOP(0, 0));
	while (vmt_driver_wait(d, -1, &wait) == 0 && events < 100) {
		struct vmt_event ev = take(d);

		events++;
		go_on(d, &ev);
	}
	assert_int_equal(events, 10);
	assert_int_equal(d->err.status, VMT_E_LIMIT);
	assert_string_equal(d->err.place, "script, vCPU 0 at RIP 0x1100");
	assert_non_null(strstr(d->err.text, "livelock"));
	assert_non_null(strstr(d->err.text, "int3, last event: interrupt"));
	assert_non_null(strstr(d->err.text, "vmt_skip"));
	vmt_driver_close(d);
}

static void a_right_that_is_never_lifted_is_a_livelock(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_wait wait;
	unsigned events = 0;

	(void)state;
	set_access(d, 0, 3, VMT_R);
	PLAY(d, VMT_INSN_WRITE(0, 0, 0x3000, "x", 1));
	while (vmt_driver_wait(d, -1, &wait) == 0) {
		struct vmt_event ev = take(d);

		events++;
		go_on(d, &ev);
	}
	assert_int_equal(events, 64);
	assert_non_null(strstr(d->err.text, "write, last event: memory-access"));
	vmt_driver_close(d);
}

static void many_events_of_a_loop_are_no_livelock(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});

	(void)state;
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_INT3(0, 0x1100), VMT_INSN_JUMP(0, 0x1101, 0x1100));
	for (unsigned i = 0; i < 1000; i++) {
		struct vmt_event ev = take(d);

		skip_by(d, &ev, 1);
	}
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Settling                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void settling_lets_answered_vcpus_run(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});
	struct vmt_event ev;
	struct vmt_leftovers left;

	(void)state;
	monitor(d, VMT_MONITOR_DEFERRED_WRITES, 0);
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_NOP(0, 0));
	ev = take(d);
	go_on(d, &ev);
	assert_int_equal(regs_of(d, 0).cr3, 0);
	vmt_assert_ok(vmt_driver_settle(d, 100), &d->err);
	assert_int_equal(regs_of(d, 0).cr3, 0x5000);
	vmt_assert_ok(vmt_driver_reset(d), &d->err);
	vmt_assert_ok(vmt_driver_detach(d), &d->err);
	assert_int_equal(vmt_scripted_leftovers(d, &left), 0);
	vmt_driver_close(d);
}

static void settling_names_the_vcpu_that_cannot_run(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CR, VMT_CR3);
	PLAY(d, VMT_INSN_CR(0, 0, VMT_CR3, 0x5000));
	ev = take(d);
	vmt_assert_ok(vmt_driver_pause(d), &d->err);
	go_on(d, &ev);
	vmt_assert_refused(vmt_driver_settle(d, 100), &d->err, VMT_E_BUSY);
	assert_non_null(strstr(d->err.text, "vCPU 0"));
	vmt_driver_close(d);
}

static void a_script_error_while_settling_is_told_each_time(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_CPUID, 0);
	PLAY(d, VMT_INSN_CPUID(0, 0x1100, 1, 0), VMT_INSN_NOP(0, 0));
	ev = take(d);
	skip_by(d, &ev, 1); /* a wrong length, as the last answer */
	for (unsigned i = 0; i < 2; i++) {
		vmt_assert_refused(vmt_driver_settle(d, 100), &d->err, VMT_E_INVALID);
		assert_string_equal(d->err.place, "script, vCPU 0 at RIP 0x1101");
	}
	/* Once a wait has told it, a teardown need not fail for it. */
	assert_int_equal(vmt_driver_wait(d, 0, &(struct vmt_wait){0}), -VMT_E_INVALID);
	vmt_assert_ok(vmt_driver_settle(d, 100), &d->err);
	vmt_driver_close(d);
}

static void settling_delivers_what_was_injected(void **state)
{
	const struct vmt_interrupt fault = vmt_page_fault(vmt_gva_from(0x1234), 0);
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){.vcpus = 2});

	(void)state;
	vmt_assert_ok(vmt_driver_inject(d, 1, &fault), &d->err);
	vmt_assert_ok(vmt_driver_settle(d, 100), &d->err);
	vmt_assert_delivered(d, 14, 1);
	vmt_assert_clean(d);
	vmt_driver_close(d);
}

static void a_breakpoint_left_in_memory_shows_when_the_guest_settles(void **state)
{
	struct vmt_driver *d = domain_create((struct vmt_scripted_config){0});
	struct vmt_event ev;

	(void)state;
	monitor(d, VMT_MONITOR_BREAKPOINT, 0);
	PLAY(d, VMT_INSN_WRITE(0, 0x1100, 0x3000, "x", 1));
	vmt_scripted_write(d, vmt_gpa_from(0x1100), "\xcc", 1); /* nobody puts it back */
	ev = take(d);
	monitor_off(d, VMT_MONITOR_BREAKPOINT, 0);
	go_on(d, &ev);
	vmt_assert_ok(vmt_driver_settle(d, 100), &d->err);
	vmt_assert_delivered(d, 3, 1);
	vmt_driver_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_of_several_vcpus_come_in_one_batch),
		cmocka_unit_test(a_border_parts_batches),
		cmocka_unit_test(a_full_ring_ends_a_batch_and_nothing_is_lost),
		cmocka_unit_test(a_busy_vcpu_does_not_hold_back_the_events_of_another),
		cmocka_unit_test(what_is_not_taken_stays_on_the_ring),
		cmocka_unit_test(asynchronous_events_do_not_stop_their_vcpu),
		cmocka_unit_test(waits_time_out_while_the_domain_idles),
		cmocka_unit_test(idling_for_no_time_is_a_border_only),
		cmocka_unit_test(an_instruction_takes_the_time_that_the_test_says),
		cmocka_unit_test(a_long_program_times_out_between),
		cmocka_unit_test(a_wait_of_no_time_lets_the_guest_get_on),
		cmocka_unit_test(an_idle_end_times_out_for_ever),
		cmocka_unit_test(a_paused_domain_stands_still),
		cmocka_unit_test(a_stop_of_the_script_ends_one_wait),
		cmocka_unit_test(a_stop_before_the_wait_is_seen_first),
		cmocka_unit_test(a_stop_from_a_thread_ends_a_wait_on_an_idle_domain),
		cmocka_unit_test(a_stop_from_a_thread_ends_a_wait_on_a_busy_domain),
		cmocka_unit_test(a_wait_in_which_nothing_will_happen_is_an_error),
		cmocka_unit_test(a_spurious_wake_up_tells_of_no_event),
		cmocka_unit_test(a_wait_can_fail_with_an_errno_and_the_next_goes_on),
		cmocka_unit_test(memory_changes_from_outside),
		cmocka_unit_test(a_shut_down_domain_still_answers_calls),
		cmocka_unit_test(a_destroyed_domain_answers_no_call),
		cmocka_unit_test(a_hand_made_event_is_delivered_as_it_is),
		cmocka_unit_test(a_function_of_the_test_is_called_and_may_add_steps),
		cmocka_unit_test(a_function_of_the_test_that_fails_is_a_script_error),
		cmocka_unit_test(a_poke_where_no_page_is_is_a_script_error),
		cmocka_unit_test(continuing_at_an_int3_is_reported_as_a_livelock),
		cmocka_unit_test(a_right_that_is_never_lifted_is_a_livelock),
		cmocka_unit_test(many_events_of_a_loop_are_no_livelock),
		cmocka_unit_test(settling_lets_answered_vcpus_run),
		cmocka_unit_test(settling_names_the_vcpu_that_cannot_run),
		cmocka_unit_test(a_script_error_while_settling_is_told_each_time),
		cmocka_unit_test(settling_delivers_what_was_injected),
		cmocka_unit_test(a_breakpoint_left_in_memory_shows_when_the_guest_settles),
	};

	return cmocka_run_group_tests_name("scripted waits", tests, NULL, NULL);
}
