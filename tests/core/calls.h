/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of drivers: a good call of each op, and the making of a call by its own function.
 */
#ifndef VMT_TESTS_CORE_CALLS_H
#define VMT_TESTS_CORE_CALLS_H

#include <vmitape/call.h>

/* What sample calls point to. */
struct call_storage {
	struct vmt_info info;
	struct vmt_wait wait;
	struct vmt_event event;
	struct vmt_response response;
	uint32_t n;
	uint64_t ns, done;
	struct vmt_monitor monitor;
	uint8_t bytes[4096];
	vmt_gfn gfn;
	struct vmt_access access;
	vmt_view view;
	struct vmt_regs regs;
	struct vmt_vcpu_context context;
	struct vmt_interrupt interrupt;
};

/** A call of @op with arguments that each differ from 0 and from each other. */
static inline struct vmt_call sample_call(unsigned op, struct call_storage *st)
{
	struct vmt_call c = {.op = op};
	struct vmt_access r_x = vmt_access_from(VMT_RX);

	switch (op) {
	case VMT_CALL_INFO:
		c.u.info.info = &st->info;
		break;
	case VMT_CALL_WAIT:
		c.u.wait.timeout_ms = 250;
		c.u.wait.wait = &st->wait;
		break;
	case VMT_CALL_NEXT:
		c.u.next.event = &st->event;
		break;
	case VMT_CALL_ANSWER:
		st->event.vcpu = 3;
		st->event.reason = VMT_EVENT_CPUID;
		st->response = vmt_with_view(vmt_respond(VMT_SINGLESTEP), 2);
		c.u.answer.event = &st->event;
		c.u.answer.response = &st->response;
		break;
	case VMT_CALL_PENDING:
		c.u.pending.n = &st->n;
		break;
	case VMT_CALL_OVERHEAD:
		c.u.overhead.ns = &st->ns;
		break;
	case VMT_CALL_MONITOR:
		st->monitor = (struct vmt_monitor){
			.kind = VMT_MONITOR_CR,
			.what = VMT_CR4,
			.flags = VMT_MONITOR_ON_CHANGE,
			.ignore = 0x80,
		};
		c.u.monitor.monitor = &st->monitor;
		c.u.monitor.on = true;
		break;
	case VMT_CALL_READ:
		c.u.read.gfn = vmt_gfn_from(0x1f2);
		c.u.read.offset = 16;
		c.u.read.len = 8;
		c.u.read.buf = st->bytes;
		break;
	case VMT_CALL_WRITE:
		c.u.write.gfn = vmt_gfn_from(0x1f3);
		c.u.write.offset = 32;
		c.u.write.len = 4;
		c.u.write.buf = st->bytes;
		break;
	case VMT_CALL_ALLOC_GFN:
		st->gfn = VMT_GFN_ANY;
		c.u.alloc_gfn.gfn = &st->gfn;
		break;
	case VMT_CALL_FREE_GFN:
		c.u.free_gfn.gfn = vmt_gfn_from(0x77);
		break;
	case VMT_CALL_GET_ACCESS:
		c.u.get_access.view = 4;
		c.u.get_access.gfn = vmt_gfn_from(0x88);
		c.u.get_access.access = &st->access;
		break;
	case VMT_CALL_SET_ACCESS:
		c.u.set_access.view = 5;
		c.u.set_access.gfn = vmt_gfn_from(0x99);
		c.u.set_access.count = 12;
		c.u.set_access.access.rights = VMT_R;
		c.u.set_access.access.options = VMT_ACCESS_IGNORE_WALKS;
		c.u.set_access.done = &st->done;
		break;
	case VMT_CALL_CREATE_VIEW:
		c.u.create_view.access = r_x;
		c.u.create_view.view = &st->view;
		break;
	case VMT_CALL_DESTROY_VIEW:
		c.u.view.view = 6;
		break;
	case VMT_CALL_SWITCH_VIEW:
		c.u.view.view = 7;
		break;
	case VMT_CALL_REMAP_GFN:
		c.u.remap_gfn.view = 8;
		c.u.remap_gfn.from = vmt_gfn_from(0xaa);
		c.u.remap_gfn.to = VMT_GFN_ANY;
		break;
	case VMT_CALL_GET_REGS:
		c.u.get_regs.vcpu = 9;
		c.u.get_regs.regs = &st->regs;
		break;
	case VMT_CALL_SET_REGS:
		c.u.set_regs.vcpu = 10;
		c.u.set_regs.regs = &st->regs;
		break;
	case VMT_CALL_GET_CONTEXT:
		c.u.get_context.vcpu = 11;
		c.u.get_context.context = &st->context;
		break;
	case VMT_CALL_INJECT:
		st->interrupt = (struct vmt_interrupt){
			.vector = 14,
			.type = VMT_INT_HW_EXCEPTION,
			.error_code = 2,
			.extra = 0x7000,
		};
		c.u.inject.vcpu = 12;
		c.u.inject.interrupt = &st->interrupt;
		break;
	case VMT_CALL_SETTLE:
		c.u.settle.timeout_ms = 1000;
		break;
	default:
		break; /* no arguments */
	}
	return c;
}

/** Make @c by the vmt_driver_*() function of its op. */
static inline int call_function(struct vmt_driver *d, const struct vmt_call *c)
{
	switch (c->op) {
	case VMT_CALL_INFO:
		return vmt_driver_info(d, c->u.info.info);
	case VMT_CALL_WAIT:
		return vmt_driver_wait(d, c->u.wait.timeout_ms, c->u.wait.wait);
	case VMT_CALL_NEXT:
		return vmt_driver_next(d, c->u.next.event);
	case VMT_CALL_ANSWER:
		return vmt_driver_answer(d, c->u.answer.event, c->u.answer.response);
	case VMT_CALL_COMMIT:
		return vmt_driver_commit(d);
	case VMT_CALL_PENDING:
		return vmt_driver_pending(d, c->u.pending.n);
	case VMT_CALL_OVERHEAD:
		return vmt_driver_overhead(d, c->u.overhead.ns);
	case VMT_CALL_MONITOR:
		return vmt_driver_monitor(d, c->u.monitor.monitor, c->u.monitor.on);
	case VMT_CALL_READ:
		return vmt_driver_read(d, c->u.read.gfn, c->u.read.offset, c->u.read.buf,
				       c->u.read.len);
	case VMT_CALL_WRITE:
		return vmt_driver_write(d, c->u.write.gfn, c->u.write.offset, c->u.write.buf,
					c->u.write.len);
	case VMT_CALL_ALLOC_GFN:
		return vmt_driver_alloc_gfn(d, c->u.alloc_gfn.gfn);
	case VMT_CALL_FREE_GFN:
		return vmt_driver_free_gfn(d, c->u.free_gfn.gfn);
	case VMT_CALL_GET_ACCESS:
		return vmt_driver_get_access(d, c->u.get_access.view, c->u.get_access.gfn,
					     c->u.get_access.access);
	case VMT_CALL_SET_ACCESS:
		return vmt_driver_set_access(d, c->u.set_access.view, c->u.set_access.gfn,
					     c->u.set_access.count, c->u.set_access.access,
					     c->u.set_access.done);
	case VMT_CALL_CREATE_VIEW:
		return vmt_driver_create_view(d, c->u.create_view.access, c->u.create_view.view);
	case VMT_CALL_DESTROY_VIEW:
		return vmt_driver_destroy_view(d, c->u.view.view);
	case VMT_CALL_SWITCH_VIEW:
		return vmt_driver_switch_view(d, c->u.view.view);
	case VMT_CALL_REMAP_GFN:
		return vmt_driver_remap_gfn(d, c->u.remap_gfn.view, c->u.remap_gfn.from,
					    c->u.remap_gfn.to);
	case VMT_CALL_GET_REGS:
		return vmt_driver_get_regs(d, c->u.get_regs.vcpu, c->u.get_regs.regs);
	case VMT_CALL_SET_REGS:
		return vmt_driver_set_regs(d, c->u.set_regs.vcpu, c->u.set_regs.regs);
	case VMT_CALL_GET_CONTEXT:
		return vmt_driver_get_context(d, c->u.get_context.vcpu, c->u.get_context.context);
	case VMT_CALL_INJECT:
		return vmt_driver_inject(d, c->u.inject.vcpu, c->u.inject.interrupt);
	case VMT_CALL_PAUSE:
		return vmt_driver_pause(d);
	case VMT_CALL_RESUME:
		return vmt_driver_resume(d);
	case VMT_CALL_RESET:
		return vmt_driver_reset(d);
	case VMT_CALL_SETTLE:
		return vmt_driver_settle(d, c->u.settle.timeout_ms);
	case VMT_CALL_DETACH:
		return vmt_driver_detach(d);
	default:
		return -VMT_E_INVALID;
	}
}

#endif /* VMT_TESTS_CORE_CALLS_H */
