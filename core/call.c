/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Driver calls by name and as text: one table row for each op.
 */
#include <inttypes.h>
#include <string.h>

#include <vmitape/call.h>

#include "line.h"

static void add_timeout(struct vmt_line *line, int ms)
{
	if (ms == -1)
		vmt_line_add(line, "for ever");
	else
		vmt_line_add(line, "timeout %d ms", ms);
}

/* "gfn 0x1f2", or @any where the page is left open. */
static void add_gfn(struct vmt_line *line, const char *name, vmt_gfn gfn)
{
	if (vmt_gfn_is_any(gfn))
		vmt_line_add(line, "%s any", name);
	else
		vmt_line_add(line, "%s %#" PRIx64, name, gfn.n);
}

static void add_range(struct vmt_line *line, vmt_gfn gfn, uint32_t offset, uint32_t len)
{
	add_gfn(line, "gfn", gfn);
	vmt_line_add(line, ", offset %" PRIu32 ", length %" PRIu32, offset, len);
}

static void add_wait(struct vmt_line *line, const struct vmt_call *call)
{
	add_timeout(line, call->u.wait.timeout_ms);
}

static void add_answer(struct vmt_line *line, const struct vmt_call *call)
{
	const struct vmt_event *ev = call->u.answer.event;
	char text[64];

	if (ev)
		vmt_line_add(line, "vcpu %u %s", ev->vcpu, vmt_reason_name(ev->reason));
	if (call->u.answer.response)
		vmt_line_add(line, "%s%s", ev ? ", " : "",
			     vmt_response_format(call->u.answer.response, text, sizeof(text)));
}

static void add_monitor(struct vmt_line *line, const struct vmt_call *call)
{
	const struct vmt_monitor *monitor = call->u.monitor.monitor;
	char text[64];

	if (monitor)
		vmt_line_add(line, "%s, ", vmt_monitor_format(monitor, text, sizeof(text)));
	if (monitor && monitor->flags != 0)
		vmt_line_add(line, "flags %#" PRIx32 ", ", monitor->flags);
	if (monitor && monitor->ignore != 0)
		vmt_line_add(line, "ignore %#" PRIx64 ", ", monitor->ignore);
	vmt_line_add(line, call->u.monitor.on ? "on" : "off");
}

static void add_read(struct vmt_line *line, const struct vmt_call *call)
{
	add_range(line, call->u.read.gfn, call->u.read.offset, call->u.read.len);
}

static void add_write(struct vmt_line *line, const struct vmt_call *call)
{
	add_range(line, call->u.write.gfn, call->u.write.offset, call->u.write.len);
}

static void add_alloc_gfn(struct vmt_line *line, const struct vmt_call *call)
{
	if (call->u.alloc_gfn.gfn)
		add_gfn(line, "gfn", *call->u.alloc_gfn.gfn);
}

static void add_free_gfn(struct vmt_line *line, const struct vmt_call *call)
{
	add_gfn(line, "gfn", call->u.free_gfn.gfn);
}

static void add_get_access(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "view %u, ", call->u.get_access.view);
	add_gfn(line, "gfn", call->u.get_access.gfn);
}

static void add_set_access(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "view %u, ", call->u.set_access.view);
	add_gfn(line, "gfn", call->u.set_access.gfn);
	vmt_line_add(line, ", count %" PRIu64 ", ", call->u.set_access.count);
	vmt_line_add_access(line, call->u.set_access.access);
}

static void add_create_view(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add_access(line, call->u.create_view.access);
}

static void add_view(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "view %u", call->u.view.view);
}

static void add_remap_gfn(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "view %u, ", call->u.remap_gfn.view);
	add_gfn(line, "from", call->u.remap_gfn.from);
	vmt_line_add(line, ", ");
	add_gfn(line, "to", call->u.remap_gfn.to);
}

static void add_get_regs(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "vcpu %u", call->u.get_regs.vcpu);
}

static void add_set_regs(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "vcpu %u", call->u.set_regs.vcpu);
}

static void add_get_context(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "vcpu %u", call->u.get_context.vcpu);
}

static void add_inject(struct vmt_line *line, const struct vmt_call *call)
{
	vmt_line_add(line, "vcpu %u", call->u.inject.vcpu);
	if (call->u.inject.interrupt) {
		vmt_line_add(line, ", ");
		vmt_line_add_interrupt(line, call->u.inject.interrupt);
	}
}

static void add_settle(struct vmt_line *line, const struct vmt_call *call)
{
	add_timeout(line, call->u.settle.timeout_ms);
}

static const struct op {
	const char *name;
	bool effect;
	void (*add)(struct vmt_line *line, const struct vmt_call *call); /* NULL: no arguments */
} ops[VMT_CALL_OP_COUNT] = {
	[0] = {"unknown", false, NULL},
	[VMT_CALL_INFO] = {"info", false, NULL},
	[VMT_CALL_WAIT] = {"wait", false, add_wait},
	[VMT_CALL_NEXT] = {"next", false, NULL},
	[VMT_CALL_ANSWER] = {"answer", false, add_answer},
	[VMT_CALL_COMMIT] = {"commit", false, NULL},
	[VMT_CALL_PENDING] = {"pending", false, NULL},
	[VMT_CALL_OVERHEAD] = {"overhead", false, NULL},
	[VMT_CALL_MONITOR] = {"monitor", true, add_monitor},
	[VMT_CALL_READ] = {"read", false, add_read},
	[VMT_CALL_WRITE] = {"write", true, add_write},
	[VMT_CALL_ALLOC_GFN] = {"alloc_gfn", true, add_alloc_gfn},
	[VMT_CALL_FREE_GFN] = {"free_gfn", true, add_free_gfn},
	[VMT_CALL_GET_ACCESS] = {"get_access", false, add_get_access},
	[VMT_CALL_SET_ACCESS] = {"set_access", true, add_set_access},
	[VMT_CALL_CREATE_VIEW] = {"create_view", true, add_create_view},
	[VMT_CALL_DESTROY_VIEW] = {"destroy_view", true, add_view},
	[VMT_CALL_SWITCH_VIEW] = {"switch_view", true, add_view},
	[VMT_CALL_REMAP_GFN] = {"remap_gfn", true, add_remap_gfn},
	[VMT_CALL_GET_REGS] = {"get_regs", false, add_get_regs},
	[VMT_CALL_SET_REGS] = {"set_regs", true, add_set_regs},
	[VMT_CALL_GET_CONTEXT] = {"get_context", false, add_get_context},
	[VMT_CALL_INJECT] = {"inject", true, add_inject},
	[VMT_CALL_PAUSE] = {"pause", true, NULL},
	[VMT_CALL_RESUME] = {"resume", true, NULL},
	[VMT_CALL_RESET] = {"reset", false, NULL},
	[VMT_CALL_SETTLE] = {"settle", false, add_settle},
	[VMT_CALL_DETACH] = {"detach", false, NULL},
};

static const struct op *find(unsigned op)
{
	return &ops[op < VMT_CALL_OP_COUNT ? op : 0];
}

const char *vmt_call_name(unsigned op)
{
	return find(op)->name;
}

unsigned vmt_call_find(const char *name)
{
	for (unsigned op = 1; op < VMT_CALL_OP_COUNT; op++)
		if (strcmp(ops[op].name, name) == 0)
			return op;
	return 0;
}

bool vmt_call_is_effect(unsigned op)
{
	return find(op)->effect;
}

const char *vmt_call_format(const struct vmt_call *call, char *buf, size_t cap)
{
	const struct op *op = find(call->op);
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	vmt_line_add(&line, "%s(", op->name);
	if (op->add)
		op->add(&line, call);
	vmt_line_add(&line, ")");
	return buf;
}
