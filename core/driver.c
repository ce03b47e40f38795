/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calling a driver: one function for each op. Each makes its arguments into a struct vmt_call, for
 * what is checked and promised is the same for all of them and stands in call-apply.c.
 */
#include <string.h>

#include <vmitape/call.h>
#include <vmitape/driver.h>

static int apply_op(struct vmt_driver *d, enum vmt_call_op op)
{
	return vmt_call_apply(d, &(struct vmt_call){.op = op});
}

void vmt_driver_close(struct vmt_driver *d)
{
	if (d && d->ops->close)
		d->ops->close(d);
}

int vmt_driver_info(struct vmt_driver *d, struct vmt_info *info)
{
	struct vmt_call call = {.op = VMT_CALL_INFO, .u.info = {info}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait)
{
	struct vmt_call call = {.op = VMT_CALL_WAIT, .u.wait = {timeout_ms, wait}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_next(struct vmt_driver *d, struct vmt_event *ev)
{
	struct vmt_call call = {.op = VMT_CALL_NEXT, .u.next = {ev}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_answer(struct vmt_driver *d, const struct vmt_event *ev,
		      const struct vmt_response *rsp)
{
	struct vmt_call call = {.op = VMT_CALL_ANSWER, .u.answer = {ev, rsp}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_commit(struct vmt_driver *d)
{
	return apply_op(d, VMT_CALL_COMMIT);
}

int vmt_driver_pending(struct vmt_driver *d, uint32_t *n)
{
	struct vmt_call call = {.op = VMT_CALL_PENDING};

	call.u.pending.n = n;
	return vmt_call_apply(d, &call);
}

int vmt_driver_overhead(struct vmt_driver *d, uint64_t *ns)
{
	struct vmt_call call = {.op = VMT_CALL_OVERHEAD};

	call.u.overhead.ns = ns;
	return vmt_call_apply(d, &call);
}

int vmt_driver_monitor(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on)
{
	struct vmt_call call = {.op = VMT_CALL_MONITOR, .u.monitor = {monitor, on}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len)
{
	struct vmt_call call = {.op = VMT_CALL_READ, .u.read = {gfn, offset, len, buf}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		     uint32_t len)
{
	struct vmt_call call = {.op = VMT_CALL_WRITE, .u.write = {gfn, offset, len, buf}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn)
{
	struct vmt_call call = {.op = VMT_CALL_ALLOC_GFN, .u.alloc_gfn = {gfn}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_free_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	struct vmt_call call = {.op = VMT_CALL_FREE_GFN, .u.free_gfn = {gfn}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
			  struct vmt_access *access)
{
	struct vmt_call call = {.op = VMT_CALL_GET_ACCESS, .u.get_access = {view, gfn, access}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
			  struct vmt_access access, uint64_t *done)
{
	struct vmt_call call = {.op = VMT_CALL_SET_ACCESS,
				.u.set_access = {view, gfn, count, access, NULL}};

	call.u.set_access.done = done;
	return vmt_call_apply(d, &call);
}

int vmt_driver_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view)
{
	struct vmt_call call = {.op = VMT_CALL_CREATE_VIEW, .u.create_view.access = access};

	call.u.create_view.view = view;
	return vmt_call_apply(d, &call);
}

int vmt_driver_destroy_view(struct vmt_driver *d, vmt_view view)
{
	struct vmt_call call = {.op = VMT_CALL_DESTROY_VIEW, .u.view = {view}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_switch_view(struct vmt_driver *d, vmt_view view)
{
	struct vmt_call call = {.op = VMT_CALL_SWITCH_VIEW, .u.view = {view}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	struct vmt_call call = {.op = VMT_CALL_REMAP_GFN, .u.remap_gfn = {view, from, to}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs)
{
	struct vmt_call call = {.op = VMT_CALL_GET_REGS, .u.get_regs = {vcpu, regs}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	struct vmt_call call = {.op = VMT_CALL_SET_REGS, .u.set_regs = {vcpu, regs}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_get_context(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context)
{
	struct vmt_call call = {.op = VMT_CALL_GET_CONTEXT, .u.get_context = {vcpu, context}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt)
{
	struct vmt_call call = {.op = VMT_CALL_INJECT, .u.inject = {vcpu, interrupt}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_pause(struct vmt_driver *d)
{
	return apply_op(d, VMT_CALL_PAUSE);
}

int vmt_driver_resume(struct vmt_driver *d)
{
	return apply_op(d, VMT_CALL_RESUME);
}

int vmt_driver_reset(struct vmt_driver *d)
{
	return apply_op(d, VMT_CALL_RESET);
}

int vmt_driver_settle(struct vmt_driver *d, int timeout_ms)
{
	struct vmt_call call = {.op = VMT_CALL_SETTLE, .u.settle = {timeout_ms}};

	return vmt_call_apply(d, &call);
}

int vmt_driver_detach(struct vmt_driver *d)
{
	return apply_op(d, VMT_CALL_DETACH);
}

int vmt_driver_stop_fd(struct vmt_driver *d)
{
	int r;

	if (d->err.status != 0)
		memset(&d->err, 0, sizeof(d->err));
	if (d->ops->size < sizeof(struct vmt_driver_ops) || !d->ops->stop_fd)
		return vmt_error_set(&d->err, VMT_E_NOT_SUPPORTED, "stop_fd",
				     "this driver cannot be stopped from outside");
	r = d->ops->stop_fd(d);
	if (r < 0 && d->err.status == 0)
		vmt_error_set(&d->err, (enum vmt_status) - r, "stop_fd",
			      "the driver failed (%s) and gave no reason", vmt_status_name(r));
	return r;
}
