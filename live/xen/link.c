/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session's side of the keeper.
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"
#include "link.h"

#define ANSWER_MS 10000

static int dead(struct vmt_xen *x)
{
	return vmt_xen_refuse(x, VMT_E_IO,
			      "the keeper has died, which would put the domain right if this "
			      "process died; so the session ends");
}

static int send_message(struct vmt_xen *x, struct vmt_xen_message *message, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = {.iov_base = message, .iov_len = sizeof(*message)};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		struct cmsghdr *c;

		m.msg_control = control.bytes;
		m.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	return sendmsg(x->keeper, &m, MSG_NOSIGNAL) < 0 ? dead(x) : 0;
}

static int await(struct vmt_xen *x)
{
	struct pollfd fd = {.fd = x->keeper, .events = POLLIN};
	uint64_t end = vmt_xen_now() + UINT64_C(1000000) * ANSWER_MS;
	struct vmt_error answer;
	int n;

	do {
		n = poll(&fd, 1, ANSWER_MS);
	} while (n < 0 && errno == EINTR && vmt_xen_now() < end);
	if (n <= 0)
		return vmt_xen_refuse(x, VMT_E_IO, "the keeper does not answer");
	if (recv(x->keeper, &answer, sizeof(answer), MSG_DONTWAIT) != sizeof(answer))
		return dead(x);
	if (answer.status == VMT_OK)
		return 0;
	x->base.err = answer;
	vmt_error_prefix(&x->base.err, "keeper: ");
	return -answer.status;
}

static int ask(struct vmt_xen *x, enum vmt_xen_request request, uint64_t gfn, int fd)
{
	struct vmt_xen_message message = {.request = request, .gfn = gfn};
	int r;

	if (x->keeper < 0)
		return 0;
	r = send_message(x, &message, fd);
	return r == 0 ? await(x) : r;
}

int vmt_xen_keeper_begin(struct vmt_xen *x)
{
	return ask(x, VMT_XEN_ASK_JOURNAL, 0, x->journal.fd);
}

int vmt_xen_keeper_map(struct vmt_xen *x, uint64_t gfn)
{
	return ask(x, VMT_XEN_ASK_MAP, gfn, -1);
}

void vmt_xen_keeper_unmap(struct vmt_xen *x)
{
	struct vmt_error err = x->base.err;

	if (x->journal.j)
		(void)ask(x, VMT_XEN_ASK_UNMAP, 0, -1);
	x->base.err = err;
}

int vmt_xen_keeper_lives(struct vmt_xen *x)
{
	struct pollfd fd = {.fd = x->keeper};

	if (x->keeper >= 0 && poll(&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR)))
		return dead(x);
	return 0;
}
