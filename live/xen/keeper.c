/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The keeper: a second process that can put the domain right when the session's is killed.
 *
 * It has handles, the journal and a mapping of the ring of its own. The ring it must map while the page
 * is still in the domain; a mapping that a fork inherits cannot be used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver.h"
#include "keeper.h"
#include "link.h"

struct vmt_xen_keeping {
	struct vmt_xen *x;
	int socket;
	bool open; /* the host is reached, the journal mapped */
};

int vmt_xen_keeping_create(int socket, struct vmt_xen_keeping **keeping, struct vmt_error *err)
{
	struct vmt_xen_keeping *k = calloc(1, sizeof(*k));

	if (k)
		k->x = vmt_xen_create();
	if (!k || !k->x) {
		free(k);
		return vmt_error_set(err, VMT_E_NO_MEMORY, "xen", "no memory for a keeper");
	}
	k->socket = socket;
	*keeping = k;
	return 0;
}

void vmt_xen_keeping_destroy(struct vmt_xen_keeping *k)
{
	vmt_xen_ring_release(k->x);
	vmt_xen_release(k->x);
	free(k);
}

/* -------------------------------------------------------------------------------------------- */
/* Serving                                                                                      */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_take_journal_domain(struct vmt_xen *x)
{
	const struct vmt_xen_journal *j = x->journal.j;
	xc_domaininfo_t info;

	x->domid = j->domid;
	(void)snprintf(x->name, sizeof(x->name), "%.*s", (int)sizeof(j->name) - 1, j->name);
	if (xc_domain_getinfolist(x->xch, x->domid, 1, &info) != 1 ||
	    !vmt_xen_journal_is_of(j, &info))
		return vmt_xen_refuse(x, VMT_E_GONE, "domain %s is no more", x->name);
	x->nvcpus = (uint16_t)(info.max_vcpu_id + 1);
	free(x->vcpus);
	x->vcpus = calloc(x->nvcpus, sizeof(*x->vcpus));
	return x->vcpus ? 0
			: vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for %u vCPUs", x->nvcpus);
}

static int take_journal(struct vmt_xen_keeping *k, int fd)
{
	struct vmt_xen *x = k->x;
	int r;

	if (fd < 0)
		return vmt_xen_refuse(x, VMT_E_INVALID, "the journal did not come along");
	if (k->open) {
		close(fd);
		return vmt_xen_refuse(x, VMT_E_EXISTS, "a keeper keeps one session");
	}
	r = vmt_xen_journal_attach(&x->journal, fd, &x->base.err);
	if (r == 0)
		r = vmt_xen_open_host(x);
	if (r == 0)
		r = vmt_xen_take_journal_domain(x);
	if (r == 0)
		x->journal.j->keeper = vmt_xen_this_process();
	k->open = r == 0;
	return r;
}

static int take_ring(struct vmt_xen_keeping *k, uint64_t gfn)
{
	struct vmt_xen *x = k->x;
	xen_pfn_t frame = gfn;
	int error = 0;

	if (!k->open || x->page)
		return vmt_xen_refuse(x, VMT_E_WRONG_PLACE, "no ring is wanted now");
	x->page = xenforeignmemory_map(x->memory, x->domid, PROT_READ | PROT_WRITE, 1, &frame,
				       &error);
	if (x->page && error) {
		xenforeignmemory_unmap(x->memory, x->page, 1);
		x->page = NULL;
		errno = -error;
	}
	if (!x->page)
		return vmt_xen_failed(x, "the monitor ring cannot be mapped");
	/* not BACK_RING_ATTACH, which looks into a ring that is not there yet */
	x->ring.sring = x->page;
	x->ring.nr_ents = VMT_XEN_SLOTS;
	return 0;
}

static int do_request(struct vmt_xen_keeping *k, const struct vmt_xen_message *m, int fd)
{
	if (m->request == VMT_XEN_ASK_JOURNAL)
		return take_journal(k, fd);
	if (fd >= 0)
		close(fd);
	if (m->request == VMT_XEN_ASK_MAP)
		return take_ring(k, m->gfn);
	vmt_xen_ring_release(k->x);
	return 0;
}

/* -1 when none came. */
static int descriptor_of(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int fd = -1;

	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(fd)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

int vmt_xen_keeping_serve(struct vmt_xen_keeping *k)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct vmt_xen_message message = {0};
	struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
	struct msghdr m = {.msg_iov = &part,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(k->socket, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != sizeof(message))
		return 0;
	memset(&k->x->base.err, 0, sizeof(k->x->base.err));
	(void)do_request(k, &message, descriptor_of(&m));
	(void)send(k->socket, &k->x->base.err, sizeof(k->x->base.err), MSG_NOSIGNAL);
	return 1;
}

/* -------------------------------------------------------------------------------------------- */
/* Repairing                                                                                    */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_keeping_repair(struct vmt_xen_keeping *k, struct vmt_xen_repair_report *report,
			   struct vmt_error *err)
{
	struct vmt_xen *x = k->x;
	char path[64];
	int r;

	memset(report, 0, sizeof(*report));
	memset(&x->base.err, 0, sizeof(x->base.err));
	if (!k->open) /* it was killed before it changed anything */
		return 0;
	if (x->journal.j->clean)
		return 0;
	r = vmt_xen_repair(x, report);
	*err = x->base.err;
	if (r == 0) {
		vmt_xen_journal_path(x->domid, path, sizeof(path));
		unlink(path);
	}
	return r;
}
