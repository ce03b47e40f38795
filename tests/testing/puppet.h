/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of drivers that wrap: an inner driver that does as told, and fills in each result.
 */
#ifndef VMT_TESTS_TESTING_PUPPET_H
#define VMT_TESTS_TESTING_PUPPET_H

#include <stdlib.h>
#include <string.h>

#include <vmitape/call.h>

#define PUPPET_FD 42

struct puppet {
	struct vmt_call_driver d;
	uint64_t calls[VMT_CALL_OP_COUNT];
	struct vmt_call last;
	int result;      /* of each call from now on; negative: with a reason */
	bool *closed;    /* set by close */
	const void *raw; /* of the event that next gives */
	uint32_t raw_len;
	uint64_t pages_done; /* what set_access says, summed up */
};

static inline void puppet_fill(struct puppet *p, const struct vmt_call *c)
{
	switch (c->op) {
	case VMT_CALL_INFO:
		c->u.info.info->vcpus = 3;
		break;
	case VMT_CALL_WAIT:
		c->u.wait.wait->pending = 5;
		break;
	case VMT_CALL_NEXT:
		*c->u.next.event = (struct vmt_event){.ticket = 77, .vcpu = 1};
		c->u.next.event->raw = p->raw;
		c->u.next.event->raw_len = p->raw_len;
		break;
	case VMT_CALL_PENDING:
		*c->u.pending.n = 6;
		break;
	case VMT_CALL_OVERHEAD:
		*c->u.overhead.ns = 700;
		break;
	case VMT_CALL_READ:
		memset(c->u.read.buf, 0x5a, c->u.read.len);
		break;
	case VMT_CALL_ALLOC_GFN:
		c->u.alloc_gfn.gfn->n = 0x123;
		break;
	case VMT_CALL_GET_ACCESS:
		c->u.get_access.access->rights = VMT_RX;
		break;
	case VMT_CALL_SET_ACCESS:
		p->pages_done += c->u.set_access.count;
		if (c->u.set_access.done)
			*c->u.set_access.done = c->u.set_access.count;
		break;
	case VMT_CALL_CREATE_VIEW:
		*c->u.create_view.view = 2;
		break;
	case VMT_CALL_GET_REGS:
		c->u.get_regs.regs->gprs.rip = 0x1234;
		break;
	case VMT_CALL_GET_CONTEXT:
		c->u.get_context.context->tsc = 99;
		break;
	default:
		break; /* no result but the call's own */
	}
}

static inline int puppet_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct puppet *p = (struct puppet *)d;

	p->calls[call->op]++;
	p->last = *call;
	call->result = p->result;
	if (p->result < 0)
		return vmt_error_set(&d->driver.err, (enum vmt_status) - p->result, "puppet",
				     "told to fail");
	puppet_fill(p, call);
	return p->result;
}

static inline int puppet_stop_fd(struct vmt_call_driver *d)
{
	(void)d;
	return PUPPET_FD;
}

static inline void puppet_close(struct vmt_call_driver *d)
{
	struct puppet *p = (struct puppet *)d;

	if (p->closed)
		*p->closed = true;
	free(p);
}

static const struct vmt_call_driver_ops puppet_ops = {
	.call = puppet_call,
	.stop_fd = puppet_stop_fd,
	.close = puppet_close,
};

static inline struct puppet *puppet_create(void)
{
	struct puppet *p = calloc(1, sizeof(*p));

	if (p)
		vmt_call_driver_init(&p->d, &puppet_ops);
	return p;
}

#endif /* VMT_TESTS_TESTING_PUPPET_H */
