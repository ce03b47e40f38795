/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Xen driver's wait, the one that really sleeps on a domain: a signal that is no stop resumes it
 * with the time that remains. Without Xen: what it asks is answered here.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "live/xen/driver.h"

#define TICK_US  5000
#define TICK_MAX 1000 /* five seconds of them */
#define WAIT_MS  150

static struct vmt_xen xen;
static volatile sig_atomic_t ticks;
static int stop_at; /* the tick that asks for a stop; 0: none does */

/* ---- what the wait asks ---- */

uint64_t vmt_xen_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int vmt_xen_need_ring(struct vmt_xen *x)
{
	(void)x;
	return 0;
}

int vmt_xen_keeper_lives(struct vmt_xen *x)
{
	(void)x;
	return -VMT_E_IO;
}

int vmt_xen_pending(struct vmt_driver *d, uint32_t *n)
{
	(void)d;
	*n = 0;
	return 0;
}

void vmt_xen_unmap_old(struct vmt_xen *x, uint64_t now)
{
	(void)x;
	(void)now;
}

bool vmt_xen_gone(struct vmt_xen *x)
{
	(void)x;
	return false;
}

int vmt_xen_failed(struct vmt_xen *x, const char *fmt, ...)
{
	(void)x;
	fail_msg("%s: %s", fmt, strerror(errno));
	return -VMT_E_HYPERVISOR;
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	(void)xce;
	return xen.port; /* an eventfd that nobody writes to */
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	(void)xce;
	return 0;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce;
	(void)port;
	return 0;
}

/* ---- signals ---- */

static void tick(int number)
{
	const struct itimerval never = {{0, 0}, {0, 0}};
	const uint64_t one = 1;

	(void)number;
	ticks++;
	if (ticks == stop_at && write(xen.stop_fd, &one, sizeof(one)) < 0)
		ticks = TICK_MAX;
	if (ticks >= TICK_MAX)
		setitimer(ITIMER_REAL, &never, NULL);
}

static int setup(void **state)
{
	const struct sigaction action = {.sa_handler = tick};

	(void)state;
	memset(&xen, 0, sizeof(xen));
	xen.keeper = -1;
	xen.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	xen.port = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ticks = 0;
	stop_at = 0;
	return sigaction(SIGALRM, &action, NULL);
}

static int teardown(void **state)
{
	const struct sigaction action = {.sa_handler = SIG_DFL};

	(void)state;
	close(xen.stop_fd);
	close(xen.port);
	return sigaction(SIGALRM, &action, NULL);
}

/* Wait among signals; how long it took, ms. */
static uint64_t wait_among_signals(int timeout_ms, struct vmt_wait *wait)
{
	const struct itimerval often = {{0, TICK_US}, {0, TICK_US}};
	const struct itimerval never = {{0, 0}, {0, 0}};
	const uint64_t begin = vmt_xen_now();

	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(vmt_xen_wait(&xen.base, timeout_ms, wait), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	return (vmt_xen_now() - begin) / 1000000;
}

/* Were it to begin anew each time, it would last until the signals end. */
static void another_eintr_resumes_with_the_time_that_remains(void **state)
{
	struct vmt_wait wait = {0};
	uint64_t ms;

	(void)state;
	ms = wait_among_signals(WAIT_MS, &wait);
	assert_int_equal(wait.outcome, VMT_WAIT_TIMEOUT);
	assert_true(ticks > 1 && ticks < TICK_MAX);
	assert_true(ms >= WAIT_MS);
}

static void a_stop_from_a_signal_handler_ends_the_wait(void **state)
{
	struct vmt_wait wait = {0};

	(void)state;
	stop_at = 4;
	wait_among_signals(-1, &wait);
	assert_int_equal(wait.outcome, VMT_WAIT_STOPPED);
	assert_true(ticks >= 4);
	/* It is taken: the next wait knows nothing of it. */
	stop_at = 0;
	wait_among_signals(WAIT_MS, &wait);
	assert_int_equal(wait.outcome, VMT_WAIT_TIMEOUT);
}

static void a_keeper_that_hangs_up_ends_the_wait(void **state)
{
	struct vmt_wait wait;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	xen.keeper = pair[0];
	assert_int_equal(vmt_xen_wait(&xen.base, 0, &wait), 0);
	assert_int_equal(wait.outcome, VMT_WAIT_TIMEOUT);
	close(pair[1]);
	assert_int_equal(vmt_xen_wait(&xen.base, -1, &wait), -VMT_E_IO);
	close(pair[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(another_eintr_resumes_with_the_time_that_remains,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_stop_from_a_signal_handler_ends_the_wait, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_keeper_that_hangs_up_ends_the_wait, setup,
						teardown),
	};

	return cmocka_run_group_tests_name("xen wait", tests, NULL, NULL);
}
