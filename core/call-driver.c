/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver made of one function: each op becomes a struct vmt_call.
 */
#include <string.h>

#include <vmitape/call.h>

/* The first member's address is that of the whole. */
static struct vmt_call_driver *of(struct vmt_driver *d)
{
	return (struct vmt_call_driver *)d;
}

static int pass(struct vmt_driver *d, struct vmt_call *call)
{
	return of(d)->ops->call(of(d), call);
}

static int pass_op(struct vmt_driver *d, enum vmt_call_op op)
{
	return pass(d, &(struct vmt_call){.op = op});
}

static void op_close(struct vmt_driver *d)
{
	if (of(d)->ops->close)
		of(d)->ops->close(of(d));
}

static int op_info(struct vmt_driver *d, struct vmt_info *info)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_INFO, .u.info = {info}});
}

static int op_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_WAIT, .u.wait = {timeout_ms, wait}});
}

static int op_next(struct vmt_driver *d, struct vmt_event *ev)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_NEXT, .u.next = {ev}});
}

static int op_answer(struct vmt_driver *d, const struct vmt_event *ev,
		     const struct vmt_response *rsp)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_ANSWER, .u.answer = {ev, rsp}});
}

static int op_commit(struct vmt_driver *d)
{
	return pass_op(d, VMT_CALL_COMMIT);
}

static int op_pending(struct vmt_driver *d, uint32_t *n)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_PENDING, .u.pending = {n}});
}

static int op_overhead(struct vmt_driver *d, uint64_t *ns)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_OVERHEAD, .u.overhead = {ns}});
}

static int op_monitor(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_MONITOR, .u.monitor = {monitor, on}});
}

static int op_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_READ, .u.read = {gfn, offset, len, buf}});
}

static int op_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		    uint32_t len)
{
	return pass(d,
		    &(struct vmt_call){.op = VMT_CALL_WRITE, .u.write = {gfn, offset, len, buf}});
}

static int op_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_ALLOC_GFN, .u.alloc_gfn = {gfn}});
}

static int op_free_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_FREE_GFN, .u.free_gfn = {gfn}});
}

static int op_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
			 struct vmt_access *access)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_GET_ACCESS,
					  .u.get_access = {view, gfn, access}});
}

static int op_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
			 struct vmt_access access, uint64_t *done)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_SET_ACCESS,
					  .u.set_access = {view, gfn, count, access, done}});
}

static int op_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_CREATE_VIEW,
					  .u.create_view = {access, view}});
}

static int op_destroy_view(struct vmt_driver *d, vmt_view view)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_DESTROY_VIEW, .u.view = {view}});
}

static int op_switch_view(struct vmt_driver *d, vmt_view view)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_SWITCH_VIEW, .u.view = {view}});
}

static int op_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	return pass(d,
		    &(struct vmt_call){.op = VMT_CALL_REMAP_GFN, .u.remap_gfn = {view, from, to}});
}

static int op_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_GET_REGS, .u.get_regs = {vcpu, regs}});
}

static int op_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_SET_REGS, .u.set_regs = {vcpu, regs}});
}

static int op_get_context(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_GET_CONTEXT,
					  .u.get_context = {vcpu, context}});
}

static int op_inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_INJECT, .u.inject = {vcpu, interrupt}});
}

static int op_pause(struct vmt_driver *d)
{
	return pass_op(d, VMT_CALL_PAUSE);
}

static int op_resume(struct vmt_driver *d)
{
	return pass_op(d, VMT_CALL_RESUME);
}

static int op_reset(struct vmt_driver *d)
{
	return pass_op(d, VMT_CALL_RESET);
}

static int op_settle(struct vmt_driver *d, int timeout_ms)
{
	return pass(d, &(struct vmt_call){.op = VMT_CALL_SETTLE, .u.settle = {timeout_ms}});
}

static int op_detach(struct vmt_driver *d)
{
	return pass_op(d, VMT_CALL_DETACH);
}

static int op_stop_fd(struct vmt_driver *d)
{
	if (!of(d)->ops->stop_fd)
		return vmt_error_set(&d->err, VMT_E_NOT_SUPPORTED, "stop_fd",
				     "this driver cannot be stopped from outside");
	return of(d)->ops->stop_fd(of(d));
}

static const struct vmt_driver_ops call_driver_ops = {
	.size = sizeof(struct vmt_driver_ops),
	.name = "call",
	.close = op_close,
	.info = op_info,
	.wait = op_wait,
	.next = op_next,
	.answer = op_answer,
	.commit = op_commit,
	.pending = op_pending,
	.overhead = op_overhead,
	.monitor = op_monitor,
	.read = op_read,
	.write = op_write,
	.alloc_gfn = op_alloc_gfn,
	.free_gfn = op_free_gfn,
	.get_access = op_get_access,
	.set_access = op_set_access,
	.create_view = op_create_view,
	.destroy_view = op_destroy_view,
	.switch_view = op_switch_view,
	.remap_gfn = op_remap_gfn,
	.get_regs = op_get_regs,
	.set_regs = op_set_regs,
	.get_context = op_get_context,
	.inject = op_inject,
	.pause = op_pause,
	.resume = op_resume,
	.reset = op_reset,
	.settle = op_settle,
	.detach = op_detach,
	.stop_fd = op_stop_fd,
};

void vmt_call_driver_init(struct vmt_call_driver *d, const struct vmt_call_driver_ops *ops)
{
	memset(&d->driver, 0, sizeof(d->driver));
	d->driver.ops = &call_driver_ops;
	d->ops = ops;
}
