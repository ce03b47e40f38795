/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver tap: each call is passed on, and recorded with its result.
 *
 * Three kinds need more than that. A read is served from the page that is recorded, so that what
 * the handler got and what the trace says are the same bytes. A write is preceded by a read of what
 * stood there, for a replay takes the handler's own bytes out of the pages it serves. An event is a
 * record kind of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "recorder.h"

/** Record @tc, a call that was made. */
static int record_call(struct vmt_recorder *r, struct vmt_trace_call *tc,
		       const struct vmt_call *call, const void *page)
{
	tc->call = *call;
	if (call->result < 0) {
		r->base.driver.err = r->inner->err;
		tc->error = r->inner->err;
	}
	vmt_recorder_append(r, VMT_TRACE_CALL + call->op, tc, page);
	return call->result;
}

static int plain(struct vmt_recorder *r, struct vmt_call *call)
{
	struct vmt_trace_call tc = {0};

	vmt_call_apply(r->inner, call);
	return record_call(r, &tc, call, NULL);
}

/** Before the session begins META is not written yet, and it must be first: keep the call. */
static int info(struct vmt_recorder *r, struct vmt_call *call)
{
	struct vmt_recorder_early *early;

	if (r->session || r->nearly == VMT_RECORDER_EARLY_MAX)
		return plain(r, call);
	early = &r->early[r->nearly++];
	vmt_call_apply(r->inner, call);
	early->call.call = *call;
	if (call->result < 0) {
		r->base.driver.err = r->inner->err;
		early->call.error = r->inner->err;
	} else {
		early->info = *call->u.info.info;
	}
	early->call.call.u.info.info = &early->info;
	return call->result;
}

/** A trace that cannot be written ends the session here, between two events. */
static int wait_events(struct vmt_recorder *r, struct vmt_call *call)
{
	if (r->err.status != VMT_OK && !r->over) {
		r->base.driver.err = r->err;
		vmt_error_prefix(&r->base.driver.err, "the recording cannot go on: ");
		call->result = -r->err.status;
		return call->result;
	}
	return plain(r, call);
}

static int next_event(struct vmt_recorder *r, struct vmt_call *call)
{
	struct vmt_trace_call tc = {0};

	if (vmt_call_apply(r->inner, call) == 1) {
		vmt_recorder_append(r, VMT_TRACE_EVENT, call->u.next.event, NULL);
		return 1;
	}
	return record_call(r, &tc, call, NULL);
}

static bool read_page(struct vmt_recorder *r, vmt_gfn gfn)
{
	return r->config.capture >= VMT_CAPTURE_PAGES &&
	       vmt_driver_read(r->inner, gfn, 0, r->page, VMT_PAGE_SIZE) >= 0;
}

static int read_memory(struct vmt_recorder *r, struct vmt_call *call)
{
	struct vmt_trace_call tc = {0};
	const void *page = NULL;

	if (read_page(r, call->u.read.gfn)) {
		memcpy(call->u.read.buf, r->page + call->u.read.offset, call->u.read.len);
		call->result = 0;
		page = r->page;
	} else if (vmt_call_apply(r->inner, call) >= 0) {
		tc.data = call->u.read.buf;
		tc.len = call->u.read.len;
	}
	return record_call(r, &tc, call, page);
}

/** The whole page as it was, for replay; and from it, or by itself, the pre-image. */
static const void *read_before(struct vmt_recorder *r, const struct vmt_call *call)
{
	const uint32_t offset = call->u.write.offset;

	if (read_page(r, call->u.write.gfn)) {
		struct vmt_trace_capture capture = {.purpose = VMT_TRACE_BEFORE_WRITE,
						    .gfn = call->u.write.gfn};

		vmt_recorder_append(r, VMT_TRACE_CAPTURE, &capture, r->page);
		return r->page + offset;
	}
	if (vmt_driver_read(r->inner, call->u.write.gfn, offset, r->page, call->u.write.len) >= 0)
		return r->page;
	return NULL;
}

static int write_memory(struct vmt_recorder *r, struct vmt_call *call)
{
	struct vmt_trace_call tc = {0};

	if (vmt_recorder_is_on(r))
		tc.before = read_before(r, call);
	if (tc.before) {
		tc.before_known = true;
		tc.before_len = call->u.write.len;
	}
	vmt_call_apply(r->inner, call);
	return record_call(r, &tc, call, NULL);
}

/** A page that the answer's effect touches: it is recorded, and given to whoever says so. */
static const uint8_t *context_page(void *to, vmt_gfn gfn)
{
	struct vmt_recorder *r = to;
	struct vmt_trace_capture capture = {.purpose = VMT_TRACE_EVENT_CONTEXT, .gfn = gfn};

	capture.result = vmt_driver_read(r->inner, gfn, 0, r->page, VMT_PAGE_SIZE);
	if (capture.result < 0)
		capture.error = r->inner->err;
	else
		capture.result = 0;
	vmt_recorder_append(r, VMT_TRACE_CAPTURE, &capture, capture.result < 0 ? NULL : r->page);
	return capture.result < 0 ? NULL : r->page;
}

/** Before an answer that lets a vCPU go on: what its effect depends on. */
static void capture_context(struct vmt_recorder *r, const struct vmt_event *ev,
			    const struct vmt_response *rsp)
{
	struct vmt_vcpu_context context;
	struct vmt_call call = {
		.op = VMT_CALL_GET_CONTEXT,
		.u.get_context = {.vcpu = ev->vcpu, .context = &context},
	};
	const struct vmt_error err = r->base.driver.err;

	memset(&context, 0, sizeof(context));
	plain(r, &call);
	r->config.context(r->config.context_arg, ev, rsp, call.result < 0 ? NULL : &context,
			  context_page, r);
	/* None of this is the session's business. */
	r->base.driver.err = err;
}

static int answer(struct vmt_recorder *r, struct vmt_call *call)
{
	if (r->config.capture >= VMT_CAPTURE_CONTEXT && vmt_recorder_is_on(r) &&
	    (call->u.answer.event->flags & VMT_EVENT_SYNC))
		capture_context(r, call->u.answer.event, call->u.answer.response);
	return plain(r, call);
}

/** The session pauses the domain before the handler's create. */
static int pause_domain(struct vmt_recorder *r, struct vmt_call *call)
{
	int n = plain(r, call);

	if (n >= 0 && !r->memory_taken) {
		r->memory_taken = true;
		vmt_recorder_capture_memory(r);
	}
	return n;
}

/** And at the end it takes all that is the handler's away, while the domain is paused. */
static int reset(struct vmt_recorder *r, struct vmt_call *call)
{
	int n = plain(r, call);

	if (n >= 0)
		vmt_recorder_capture_memory(r);
	return n;
}

static int alloc_gfn(struct vmt_recorder *r, struct vmt_call *call)
{
	struct vmt_trace_call tc = {.asked = *call->u.alloc_gfn.gfn};

	vmt_call_apply(r->inner, call);
	return record_call(r, &tc, call, NULL);
}

/** What is not here is passed on and recorded as it is. */
static int (*const taps[VMT_CALL_OP_COUNT])(struct vmt_recorder *, struct vmt_call *) = {
	[VMT_CALL_INFO] = info,          [VMT_CALL_WAIT] = wait_events,
	[VMT_CALL_NEXT] = next_event,    [VMT_CALL_READ] = read_memory,
	[VMT_CALL_WRITE] = write_memory, [VMT_CALL_ALLOC_GFN] = alloc_gfn,
	[VMT_CALL_ANSWER] = answer,      [VMT_CALL_PAUSE] = pause_domain,
	[VMT_CALL_RESET] = reset,
};

static int tap_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct vmt_recorder *r = (struct vmt_recorder *)d;

	return taps[call->op] ? taps[call->op](r, call) : plain(r, call);
}

static int tap_stop_fd(struct vmt_call_driver *d)
{
	struct vmt_recorder *r = (struct vmt_recorder *)d;
	int fd = vmt_driver_stop_fd(r->inner);

	if (fd < 0)
		d->driver.err = r->inner->err;
	return fd;
}

static void tap_close(struct vmt_call_driver *d)
{
	struct vmt_recorder *r = (struct vmt_recorder *)d;

	vmt_driver_close(r->inner);
	free(r);
}

const struct vmt_call_driver_ops vmt_recorder_driver_ops = {
	.call = tap_call,
	.stop_fd = tap_stop_fd,
	.close = tap_close,
};
