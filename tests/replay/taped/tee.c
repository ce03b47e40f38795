/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One call, two answers.
 */
#include <stdio.h>
#include <string.h>

#include "tee.h"

/** Room for whatever a call gives back. */
struct results {
	struct vmt_info info;
	struct vmt_wait wait;
	struct vmt_event event;
	uint32_t pending;
	uint64_t number;
	vmt_gfn gfn;
	struct vmt_access access;
	vmt_view view;
	struct vmt_regs regs;
	struct vmt_vcpu_context context;
	uint8_t bytes[VMT_PAGE_SIZE];
};

/** @call with its results going to @r. */
static void redirect(struct vmt_call *call, struct results *r)
{
	switch (call->op) {
	case VMT_CALL_INFO:
		call->u.info.info = &r->info;
		break;
	case VMT_CALL_WAIT:
		call->u.wait.wait = &r->wait;
		break;
	case VMT_CALL_NEXT:
		call->u.next.event = &r->event;
		break;
	case VMT_CALL_PENDING:
		call->u.pending.n = &r->pending;
		break;
	case VMT_CALL_OVERHEAD:
		call->u.overhead.ns = &r->number;
		break;
	case VMT_CALL_READ:
		call->u.read.buf = r->bytes;
		break;
	case VMT_CALL_ALLOC_GFN:
		r->gfn = *call->u.alloc_gfn.gfn;
		call->u.alloc_gfn.gfn = &r->gfn;
		break;
	case VMT_CALL_GET_ACCESS:
		call->u.get_access.access = &r->access;
		break;
	case VMT_CALL_SET_ACCESS:
		call->u.set_access.done = call->u.set_access.done ? &r->number : NULL;
		break;
	case VMT_CALL_CREATE_VIEW:
		call->u.create_view.view = &r->view;
		break;
	case VMT_CALL_GET_REGS:
		call->u.get_regs.regs = &r->regs;
		break;
	case VMT_CALL_GET_CONTEXT:
		call->u.get_context.context = &r->context;
		break;
	default:
		break;
	}
}

static bool same_event(const struct vmt_event *a, const struct vmt_event *b)
{
	return a->ticket == b->ticket && a->vcpu == b->vcpu && a->reason == b->reason &&
	       a->flags == b->flags && a->view == b->view && a->raw_len == b->raw_len &&
	       a->regs.known == b->regs.known &&
	       !vmt_regs_differ(&a->regs, &b->regs, a->regs.known);
}

static bool same_results(const struct vmt_call *a, const struct vmt_call *b)
{
	switch (a->op) {
	case VMT_CALL_WAIT:
		return a->u.wait.wait->outcome == b->u.wait.wait->outcome &&
		       a->u.wait.wait->now == b->u.wait.wait->now &&
		       a->u.wait.wait->pending == b->u.wait.wait->pending;
	case VMT_CALL_NEXT:
		return a->result == 0 || same_event(a->u.next.event, b->u.next.event);
	case VMT_CALL_PENDING:
		return *a->u.pending.n == *b->u.pending.n;
	case VMT_CALL_OVERHEAD:
		return *a->u.overhead.ns == *b->u.overhead.ns;
	case VMT_CALL_READ:
		return memcmp(a->u.read.buf, b->u.read.buf, a->u.read.len) == 0;
	case VMT_CALL_ALLOC_GFN:
		return a->u.alloc_gfn.gfn->n == b->u.alloc_gfn.gfn->n;
	case VMT_CALL_GET_ACCESS:
		return a->u.get_access.access->rights == b->u.get_access.access->rights &&
		       a->u.get_access.access->options == b->u.get_access.access->options;
	case VMT_CALL_CREATE_VIEW:
		return *a->u.create_view.view == *b->u.create_view.view;
	case VMT_CALL_GET_REGS:
		return a->u.get_regs.regs->known == b->u.get_regs.regs->known &&
		       !vmt_regs_differ(a->u.get_regs.regs, b->u.get_regs.regs,
					a->u.get_regs.regs->known);
	default:
		return true;
	}
}

static bool same(const struct tee *t, const struct vmt_call *a, const struct vmt_call *b)
{
	if (a->result != b->result)
		return false;
	if (a->result < 0)
		return a->result != b->result ||
		       strcmp(t->replay->err.text, t->truth->err.text) == 0;
	return same_results(a, b);
}

static void note(struct tee *t, const struct vmt_call *call, const struct vmt_call *truth)
{
	char text[128];
	int n = snprintf(t->first, sizeof(t->first), "%s: %d, in truth %d",
			 vmt_call_format(call, text, sizeof(text)), call->result, truth->result);

	if (call->op == VMT_CALL_WAIT && call->result >= 0 && truth->result >= 0)
		(void)snprintf(t->first + n, sizeof(t->first) - (size_t)n,
			       "; outcome %u, in truth %u, at %llu, in truth %llu",
			       call->u.wait.wait->outcome, truth->u.wait.wait->outcome,
			       (unsigned long long)call->u.wait.wait->now,
			       (unsigned long long)truth->u.wait.wait->now);
}

static int tee_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct tee *t = (struct tee *)d;
	struct results results;
	struct vmt_call truth = *call;

	memset(&results, 0, sizeof(results));
	if (t->truth) {
		redirect(&truth, &results);
		vmt_call_apply(t->truth, &truth);
	}
	vmt_call_apply(t->replay, call);
	d->driver.err = t->replay->err;
	if (!t->truth)
		return call->result;
	/* A stop from outside reaches the replay alone: from there on the two go different ways. */
	if (call->op == VMT_CALL_WAIT && call->result >= 0 &&
	    call->u.wait.wait->outcome == VMT_WAIT_STOPPED) {
		t->truth = NULL;
		return call->result;
	}
	t->compared++;
	if (!same(t, call, &truth) && t->differences++ == 0)
		note(t, call, &truth);
	return call->result;
}

static int tee_stop_fd(struct vmt_call_driver *d)
{
	struct tee *t = (struct tee *)d;
	int fd = vmt_driver_stop_fd(t->replay);

	d->driver.err = t->replay->err;
	return fd;
}

static void tee_close(struct vmt_call_driver *d)
{
	vmt_driver_close(((struct tee *)d)->replay);
}

static const struct vmt_call_driver_ops ops = {tee_call, tee_stop_fd, tee_close};

void tee_init(struct tee *t, struct vmt_driver *replay, struct vmt_driver *truth)
{
	memset(t, 0, sizeof(*t));
	vmt_call_driver_init(&t->base, &ops);
	t->replay = replay;
	t->truth = truth;
}
