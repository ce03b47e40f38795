/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making a call on a driver: one table row for each op, with what is refused beforehand and how the
 * op is called; and what all of them promise about the driver's error.
 */
#include <string.h>

#include <vmitape/call.h>

#include "monitor.h"

/* -------------------------------------------------------------------------------------------- */
/* What no driver could mean: each gives a sentence, or NULL when the call is well formed         */
/* -------------------------------------------------------------------------------------------- */

static const char no_result[] = "the pointer for the result is NULL; give the place to store it";
static const char no_value[] = "the value's pointer is NULL; give the value";
static const char no_gfn[] = "there is no such guest page: its address would not fit 64 bits";
static const char no_access[] = "the rights or their options hold unknown bits; see enum "
				"vmt_rights and enum vmt_access_option";

static bool gfn_ok(vmt_gfn gfn)
{
	return gfn.n <= UINT64_MAX >> VMT_PAGE_SHIFT;
}

static bool access_ok(struct vmt_access access)
{
	return !(access.rights & ~(unsigned)VMT_RWX) &&
	       !(access.options & ~(unsigned)VMT_ACCESS_IGNORE_WALKS);
}

static const char *range_problem(vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len)
{
	if (!gfn_ok(gfn))
		return no_gfn;
	if (!buf)
		return "the buffer is NULL";
	if (len == 0)
		return "the length is 0; ask for at least one byte";
	if (offset >= VMT_PAGE_SIZE || len > VMT_PAGE_SIZE - offset)
		return "the range leaves its page; split it at page ends";
	return NULL;
}

static const char *info_problem(const struct vmt_call *call)
{
	return call->u.info.info ? NULL : no_result;
}

static const char *wait_problem(const struct vmt_call *call)
{
	if (!call->u.wait.wait)
		return no_result;
	if (call->u.wait.timeout_ms < -1)
		return "the timeout is negative; -1 is for ever";
	return NULL;
}

static const char *next_problem(const struct vmt_call *call)
{
	return call->u.next.event ? NULL : no_result;
}

static const char *answer_problem(const struct vmt_call *call)
{
	if (!call->u.answer.event || !call->u.answer.response)
		return no_value;
	if (call->u.answer.response->action == VMT_FAIL)
		return "VMT_FAIL is for the session; a driver needs an answer for the vCPU";
	return NULL;
}

static const char *pending_problem(const struct vmt_call *call)
{
	return call->u.pending.n ? NULL : no_result;
}

static const char *overhead_problem(const struct vmt_call *call)
{
	return call->u.overhead.ns ? NULL : no_result;
}

static const char *monitor_problem(const struct vmt_call *call)
{
	return call->u.monitor.monitor ? vmt_monitor_problem(call->u.monitor.monitor) : no_value;
}

static const char *read_problem(const struct vmt_call *call)
{
	return range_problem(call->u.read.gfn, call->u.read.offset, call->u.read.buf,
			     call->u.read.len);
}

static const char *write_problem(const struct vmt_call *call)
{
	return range_problem(call->u.write.gfn, call->u.write.offset, call->u.write.buf,
			     call->u.write.len);
}

static const char *alloc_gfn_problem(const struct vmt_call *call)
{
	if (!call->u.alloc_gfn.gfn)
		return no_result;
	if (!vmt_gfn_is_any(*call->u.alloc_gfn.gfn) && !gfn_ok(*call->u.alloc_gfn.gfn))
		return no_gfn;
	return NULL;
}

static const char *free_gfn_problem(const struct vmt_call *call)
{
	return gfn_ok(call->u.free_gfn.gfn) ? NULL : no_gfn;
}

static const char *get_access_problem(const struct vmt_call *call)
{
	if (!call->u.get_access.access)
		return no_result;
	return gfn_ok(call->u.get_access.gfn) ? NULL : no_gfn;
}

static const char *set_access_problem(const struct vmt_call *call)
{
	if (!gfn_ok(call->u.set_access.gfn))
		return no_gfn;
	if (call->u.set_access.count == 0)
		return "the count is 0; name at least one page";
	if (call->u.set_access.count - 1 >
	    (UINT64_MAX >> VMT_PAGE_SHIFT) - call->u.set_access.gfn.n)
		return no_gfn;
	return access_ok(call->u.set_access.access) ? NULL : no_access;
}

static const char *create_view_problem(const struct vmt_call *call)
{
	if (!call->u.create_view.view)
		return no_result;
	return access_ok(call->u.create_view.access) ? NULL : no_access;
}

static const char *destroy_view_problem(const struct vmt_call *call)
{
	return call->u.view.view != 0 ? NULL : "view 0 is the domain itself and always exists";
}

static const char *remap_gfn_problem(const struct vmt_call *call)
{
	if (call->u.remap_gfn.view == 0)
		return "pages cannot be remapped in view 0; make a view of its own";
	if (!gfn_ok(call->u.remap_gfn.from))
		return no_gfn;
	if (!vmt_gfn_is_any(call->u.remap_gfn.to) && !gfn_ok(call->u.remap_gfn.to))
		return no_gfn;
	return NULL;
}

static const char *get_regs_problem(const struct vmt_call *call)
{
	return call->u.get_regs.regs ? NULL : no_result;
}

static const char *set_regs_problem(const struct vmt_call *call)
{
	return call->u.set_regs.regs ? NULL : no_value;
}

static const char *get_context_problem(const struct vmt_call *call)
{
	return call->u.get_context.context ? NULL : no_result;
}

/* A CPU refuses such an injection at VM entry (Intel SDM volume 3, section 26.2.1.3). */
static const char *inject_problem(const struct vmt_call *call)
{
	const struct vmt_interrupt *in = call->u.inject.interrupt;

	if (!in)
		return no_value;
	if (in->type == 1 || in->type > VMT_INT_SW_EXCEPTION)
		return "there is no such type of interrupt; use one of enum vmt_interrupt_type";
	if (in->type == VMT_INT_NMI && in->vector != 2)
		return "the vector of an NMI is 2";
	if (in->type == VMT_INT_HW_EXCEPTION && in->vector > 31)
		return "the vector of an exception is at most 31";
	if (in->insn_length > 15)
		return "no instruction is longer than 15 bytes";
	return NULL;
}

static const char *settle_problem(const struct vmt_call *call)
{
	return call->u.settle.timeout_ms >= 0 ? NULL
					      : "the timeout is negative; settling is bounded";
}

/* -------------------------------------------------------------------------------------------- */
/* The calls themselves                                                                         */
/* -------------------------------------------------------------------------------------------- */

#define MAKE(name, ...)                                                        \
	static int make_##name(struct vmt_driver *d, const struct vmt_call *c) \
	{                                                                      \
		(void)c;                                                       \
		return d->ops->name(__VA_ARGS__);                              \
	}

MAKE(info, d, c->u.info.info)
MAKE(wait, d, c->u.wait.timeout_ms, c->u.wait.wait)
MAKE(next, d, c->u.next.event)
MAKE(pending, d, c->u.pending.n)
MAKE(overhead, d, c->u.overhead.ns)
MAKE(monitor, d, c->u.monitor.monitor, c->u.monitor.on)
MAKE(read, d, c->u.read.gfn, c->u.read.offset, c->u.read.buf, c->u.read.len)
MAKE(write, d, c->u.write.gfn, c->u.write.offset, c->u.write.buf, c->u.write.len)
MAKE(alloc_gfn, d, c->u.alloc_gfn.gfn)
MAKE(free_gfn, d, c->u.free_gfn.gfn)
MAKE(get_access, d, c->u.get_access.view, c->u.get_access.gfn, c->u.get_access.access)
MAKE(create_view, d, c->u.create_view.access, c->u.create_view.view)
MAKE(destroy_view, d, c->u.view.view)
MAKE(switch_view, d, c->u.view.view)
MAKE(remap_gfn, d, c->u.remap_gfn.view, c->u.remap_gfn.from, c->u.remap_gfn.to)
MAKE(get_regs, d, c->u.get_regs.vcpu, c->u.get_regs.regs)
MAKE(set_regs, d, c->u.set_regs.vcpu, c->u.set_regs.regs)
MAKE(get_context, d, c->u.get_context.vcpu, c->u.get_context.context)
MAKE(inject, d, c->u.inject.vcpu, c->u.inject.interrupt)
MAKE(settle, d, c->u.settle.timeout_ms)
MAKE(commit, d)
MAKE(pause, d)
MAKE(resume, d)
MAKE(reset, d)
MAKE(detach, d)

static int make_answer(struct vmt_driver *d, const struct vmt_call *c)
{
	int r = vmt_response_check(c->u.answer.event, c->u.answer.response, &d->err);

	return r < 0 ? r : d->ops->answer(d, c->u.answer.event, c->u.answer.response);
}

static int make_set_access(struct vmt_driver *d, const struct vmt_call *c)
{
	uint64_t unused = 0;

	return d->ops->set_access(d, c->u.set_access.view, c->u.set_access.gfn,
				  c->u.set_access.count, c->u.set_access.access,
				  c->u.set_access.done ? c->u.set_access.done : &unused);
}

/* -------------------------------------------------------------------------------------------- */
/* The table                                                                                    */
/* -------------------------------------------------------------------------------------------- */

struct row {
	size_t op; /* where the op stands in struct vmt_driver_ops */
	const char *(*problem)(const struct vmt_call *call); /* NULL: nothing to refuse */
	int (*make)(struct vmt_driver *d, const struct vmt_call *call);
};

#define ROW(name, problem)                                                  \
	{                                                                   \
		offsetof(struct vmt_driver_ops, name), problem, make_##name \
	}

static const struct row rows[VMT_CALL_OP_COUNT] = {
	[VMT_CALL_INFO] = ROW(info, info_problem),
	[VMT_CALL_WAIT] = ROW(wait, wait_problem),
	[VMT_CALL_NEXT] = ROW(next, next_problem),
	[VMT_CALL_ANSWER] = ROW(answer, answer_problem),
	[VMT_CALL_COMMIT] = ROW(commit, NULL),
	[VMT_CALL_PENDING] = ROW(pending, pending_problem),
	[VMT_CALL_OVERHEAD] = ROW(overhead, overhead_problem),
	[VMT_CALL_MONITOR] = ROW(monitor, monitor_problem),
	[VMT_CALL_READ] = ROW(read, read_problem),
	[VMT_CALL_WRITE] = ROW(write, write_problem),
	[VMT_CALL_ALLOC_GFN] = ROW(alloc_gfn, alloc_gfn_problem),
	[VMT_CALL_FREE_GFN] = ROW(free_gfn, free_gfn_problem),
	[VMT_CALL_GET_ACCESS] = ROW(get_access, get_access_problem),
	[VMT_CALL_SET_ACCESS] = ROW(set_access, set_access_problem),
	[VMT_CALL_CREATE_VIEW] = ROW(create_view, create_view_problem),
	[VMT_CALL_DESTROY_VIEW] = ROW(destroy_view, destroy_view_problem),
	[VMT_CALL_SWITCH_VIEW] = ROW(switch_view, NULL),
	[VMT_CALL_REMAP_GFN] = ROW(remap_gfn, remap_gfn_problem),
	[VMT_CALL_GET_REGS] = ROW(get_regs, get_regs_problem),
	[VMT_CALL_SET_REGS] = ROW(set_regs, set_regs_problem),
	[VMT_CALL_GET_CONTEXT] = ROW(get_context, get_context_problem),
	[VMT_CALL_INJECT] = ROW(inject, inject_problem),
	[VMT_CALL_PAUSE] = ROW(pause, NULL),
	[VMT_CALL_RESUME] = ROW(resume, NULL),
	[VMT_CALL_RESET] = ROW(reset, NULL),
	[VMT_CALL_SETTLE] = ROW(settle, settle_problem),
	[VMT_CALL_DETACH] = ROW(detach, NULL),
};

/* Is the op there? A driver built against an older, shorter table has none of the later ones. */
static bool has_op(const struct vmt_driver *d, const struct row *row)
{
	void (*op)(void);

	if (row->op + sizeof(op) > d->ops->size)
		return false;
	memcpy(&op, (const unsigned char *)d->ops + row->op, sizeof(op));
	return op != NULL;
}

static const char *driver_name(const struct vmt_driver *d)
{
	return d->ops->name ? d->ops->name : "without a name";
}

/* See that a failure has a status, a place and a sentence, and that a success has none. */
static int finish(struct vmt_driver *d, struct vmt_call *call, int r)
{
	struct vmt_error *err = &d->err;
	char place[VMT_ERROR_PLACE];

	call->result = r;
	if (r >= 0) {
		if (err->status != 0)
			memset(err, 0, sizeof(*err));
		return r;
	}
	if (err->status == 0 || err->text[0] == '\0') {
		int sys_errno = err->sys_errno;
		struct vmt_fault fault = err->fault;

		vmt_error_set(err, (enum vmt_status) - r, err->place,
			      "the driver %s failed (%s) and gave no reason", driver_name(d),
			      vmt_status_name(r));
		err->sys_errno = sys_errno;
		err->fault = fault;
	}
	err->status = -r;
	if (err->place[0] == '\0')
		memcpy(err->place, vmt_call_format(call, place, sizeof(place)), sizeof(place));
	return r;
}

int vmt_call_apply(struct vmt_driver *d, struct vmt_call *call)
{
	const struct row *row = &rows[call->op < VMT_CALL_OP_COUNT ? call->op : 0];
	const char *problem = NULL;

	if (d->err.status != 0)
		memset(&d->err, 0, sizeof(d->err));
	if (call->op == VMT_CALL_SET_ACCESS && call->u.set_access.done)
		*call->u.set_access.done = 0;
	if (!row->make)
		return finish(d, call,
			      vmt_error_set(&d->err, VMT_E_INVALID, NULL, "there is no call %u",
					    call->op));
	if (row->problem)
		problem = row->problem(call);
	if (problem)
		return finish(d, call, vmt_error_set(&d->err, VMT_E_INVALID, NULL, "%s", problem));
	if (!has_op(d, row))
		return finish(d, call,
			      vmt_error_set(&d->err, VMT_E_NOT_SUPPORTED, NULL,
					    "the driver %s cannot do this", driver_name(d)));
	return finish(d, call, row->make(d, call));
}
