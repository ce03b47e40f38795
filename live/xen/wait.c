/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Waiting: for events, for a stop, for the end of the time or of the domain.
 *
 * Nothing tells a monitor that the domain has died: xenstored alone may bind VIRQ_DOM_EXC. So long
 * waits are cut into slices, and between two of them Xen is asked.
 */
#include <poll.h>
#include <unistd.h>

#include "driver.h"

#define SLICE_MS  200
#define NS_PER_MS UINT64_C(1000000)

int vmt_xen_stop_fd(struct vmt_driver *d)
{
	return vmt_xen_of(d)->stop_fd;
}

/* How long poll() may sleep. */
static int slice(int timeout_ms, uint64_t now, uint64_t end)
{
	uint64_t left;

	if (timeout_ms < 0)
		return SLICE_MS;
	if (now >= end)
		return 0;
	left = (end - now + NS_PER_MS - 1) / NS_PER_MS;
	return left > SLICE_MS ? SLICE_MS : (int)left;
}

/* Take the notification before the ring is looked at, so that none is lost. */
static int take_notification(struct vmt_xen *x)
{
	xenevtchn_port_or_error_t port = xenevtchn_pending(x->evtchn);

	if (port < 0)
		return errno == EINTR || errno == EAGAIN
			       ? 0
			       : vmt_xen_failed(x, "the event channel cannot be read");
	if (xenevtchn_unmask(x->evtchn, (evtchn_port_t)port) < 0)
		return vmt_xen_failed(x, "the event channel cannot be unmasked");
	return 0;
}

/* 1: something happened, 0: the slice is over. */
static int sleep_once(struct vmt_xen *x, int ms, bool *stopped)
{
	struct pollfd fds[3] = {
		{.fd = x->stop_fd, .events = POLLIN},
		{.fd = xenevtchn_fd(x->evtchn), .events = POLLIN},
		{.fd = x->keeper}, /* tells that it hung up; -1: not looked at */
	};
	uint64_t count;
	int n = poll(fds, 3, ms);

	if (n < 0)
		return errno == EINTR ? 0 : vmt_xen_failed(x, "poll failed");
	if (fds[2].revents)
		return vmt_xen_keeper_lives(x);
	if (fds[0].revents & POLLIN)
		*stopped = read(x->stop_fd, &count, sizeof(count)) == sizeof(count);
	if (fds[1].revents)
		return take_notification(x) < 0 ? -x->base.err.status : 1;
	return n > 0;
}

static int found(struct vmt_wait *wait, uint32_t outcome)
{
	wait->outcome = outcome;
	return 0;
}

int vmt_xen_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait)
{
	struct vmt_xen *x = vmt_xen_of(d);
	uint64_t now = vmt_xen_now();
	uint64_t end = now + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms) * NS_PER_MS;
	int r = vmt_xen_need_ring(x);

	if (r < 0)
		return r;
	for (;;) {
		bool stopped = false;

		vmt_xen_pending(d, &wait->pending);
		r = sleep_once(x, wait->pending ? 0 : slice(timeout_ms, now, end), &stopped);
		if (r < 0)
			return r;
		now = wait->now = vmt_xen_now();
		vmt_xen_unmap_old(x, now);
		vmt_xen_pending(d, &wait->pending);
		if (stopped)
			return found(wait, VMT_WAIT_STOPPED);
		if (wait->pending)
			return found(wait, VMT_WAIT_EVENTS);
		if (r == 0 && vmt_xen_gone(x))
			return found(wait, VMT_WAIT_GONE);
		if (timeout_ms >= 0 && now >= end)
			return found(wait, VMT_WAIT_TIMEOUT);
	}
}
