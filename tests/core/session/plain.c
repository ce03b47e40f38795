/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver that is nothing but the test's answers: see plain.h.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "plain.h"

static struct plain *of(struct vmt_call_driver *d)
{
	return (struct plain *)d;
}

static int answer_plainly(struct vmt_call *call)
{
	switch (call->op) {
	case VMT_CALL_INFO:
		*call->u.info.info = (struct vmt_info){
			.arch = VMT_ARCH_X86_64, .vcpus = 1, .views = 1, .backend = "plain"};
		break;
	case VMT_CALL_WAIT:
		*call->u.wait.wait = (struct vmt_wait){.outcome = VMT_WAIT_GONE};
		break;
	case VMT_CALL_PENDING:
		*call->u.pending.n = 0;
		break;
	default:
		break;
	}
	return 0;
}

static int plain_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct plain *p = of(d);
	int r = PLAIN_ELSE;

	p->counts[call->op]++;
	if (p->call)
		r = p->call(p, call);
	if (r == PLAIN_ELSE)
		r = answer_plainly(call);
	call->result = r;
	return r;
}

static int plain_stop_fd(struct vmt_call_driver *d)
{
	if (of(d)->stop_fd >= 0)
		return of(d)->stop_fd;
	return vmt_error_set(&d->driver.err, VMT_E_NOT_SUPPORTED, "stop_fd", "there is none");
}

static const struct vmt_call_driver_ops plain_ops = {
	.call = plain_call,
	.stop_fd = plain_stop_fd,
};

void plain_init(struct plain *p, int (*call)(struct plain *p, struct vmt_call *call),
		bool stoppable)
{
	memset(p, 0, sizeof(*p));
	vmt_call_driver_init(&p->base, &plain_ops);
	p->call = call;
	p->stop_fd = stoppable ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
}

void plain_finish(struct plain *p)
{
	if (p->stop_fd >= 0)
		close(p->stop_fd);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int plain_sleep(struct plain *p, struct vmt_call *call)
{
	const int64_t until = now_ms() + call->u.wait.timeout_ms;
	struct pollfd fd = {.fd = p->stop_fd, .events = POLLIN};
	uint64_t times;
	int64_t left;
	int n;

	do {
		left = until - now_ms();
		n = poll(&fd, 1, left > 0 ? (int)left : 0);
	} while (n < 0 && errno == EINTR);
	*call->u.wait.wait = (struct vmt_wait){.outcome = VMT_WAIT_TIMEOUT};
	if (n > 0 && read(p->stop_fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
		call->u.wait.wait->outcome = VMT_WAIT_STOPPED;
	call->u.wait.wait->now = (uint64_t)now_ms() * 1000000;
	return 0;
}
