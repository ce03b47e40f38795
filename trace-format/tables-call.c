/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The field tables of driver calls, by op. An effect's arguments and results come first, for they
 * belong to the behaviour digest; the whole error of a failure is for the record digest.
 */
#include "tables.h"

#define C                      struct vmt_trace_call
#define OK                     VMT_IF(C, call.result, VMT_WHEN_OK, 0)
#define FAILED                 VMT_IF(C, call.result, VMT_WHEN_FAILED, 0)
#define RESULT                 VMT_S("result", C, call.result, VMT_ANY)
#define FAILURE                VMT_SUB("error", C, error, vmt_ts_error, FAILED, VMT_LATE)
#define BEHIND(n, member, ...) VMT_BEHIND(n, C, member, __VA_ARGS__)

static const struct vmt_trace_field bare[] = {RESULT, FAILURE};

static const struct vmt_trace_field info[] = {
	RESULT,
	BEHIND("info", call.u.info.info, vmt_ts_info, OK),
	FAILURE,
};

static const struct vmt_trace_field wait[] = {
	RESULT,
	VMT_S("timeout_ms", C, call.u.wait.timeout_ms, VMT_ANY),
	BEHIND("wait", call.u.wait.wait, vmt_ts_wait, OK),
	FAILURE,
};

static const struct vmt_trace_field answer[] = {
	RESULT,
	BEHIND("event", call.u.answer.event, vmt_ts_event_ref),
	BEHIND("response", call.u.answer.response, vmt_ts_response),
	FAILURE,
};

static const struct vmt_trace_field pending[] = {
	RESULT,
	VMT_ROW_BEHIND(VMT_T_UINT, "n", C, call.u.pending.n, .max = 32, OK),
	FAILURE,
};

static const struct vmt_trace_field overhead[] = {
	RESULT,
	VMT_ROW_BEHIND(VMT_T_UINT, "ns", C, call.u.overhead.ns, .max = 64, OK),
	FAILURE,
};

static const struct vmt_trace_field monitor[] = {
	RESULT,
	BEHIND("monitor", call.u.monitor.monitor, vmt_ts_monitor),
	VMT_ROW(VMT_T_BOOL, "on", C, call.u.monitor.on, VMT_ANY),
	FAILURE,
};

static const struct vmt_trace_field read[] = {
	RESULT,
	VMT_X("gfn", C, call.u.read.gfn.n, 64),
	VMT_U("offset", C, call.u.read.offset, 32),
	VMT_U("length", C, call.u.read.len, 32),
	FAILURE,
	VMT_DATA(VMT_T_BYTES, "data", C, data, len, VMT_PAGE_SIZE, OK, VMT_LATE),
	VMT_U("page", C, page, 64, OK, VMT_LATE, .page_id = true),
};

static const struct vmt_trace_field write[] = {
	RESULT,
	VMT_X("gfn", C, call.u.write.gfn.n, 64),
	VMT_U("offset", C, call.u.write.offset, 32),
	VMT_DATA(VMT_T_BYTES, "data", C, call.u.write.buf, call.u.write.len, VMT_PAGE_SIZE),
	VMT_ROW(VMT_T_BOOL, "before_known", C, before_known, VMT_LATE),
	VMT_DATA(VMT_T_BYTES, "before", C, before, before_len, VMT_PAGE_SIZE, VMT_LATE,
		 VMT_IF(C, before_known, VMT_WHEN_EQ, 1)),
	FAILURE,
};

static const struct vmt_trace_field alloc_gfn[] = {
	RESULT,
	VMT_X("asked", C, asked.n, 64),
	VMT_ROW_BEHIND(VMT_T_HEX, "gfn", C, call.u.alloc_gfn.gfn, .max = 64, OK),
	FAILURE,
};

static const struct vmt_trace_field free_gfn[] = {
	RESULT,
	VMT_X("gfn", C, call.u.free_gfn.gfn.n, 64),
	FAILURE,
};

static const struct vmt_trace_field get_access[] = {
	RESULT,
	VMT_U("view", C, call.u.get_access.view, 16),
	VMT_X("gfn", C, call.u.get_access.gfn.n, 64),
	BEHIND("access", call.u.get_access.access, vmt_ts_access, OK),
	FAILURE,
};

static const struct vmt_trace_field set_access[] = {
	RESULT,
	VMT_U("view", C, call.u.set_access.view, 16),
	VMT_X("gfn", C, call.u.set_access.gfn.n, 64),
	VMT_U("count", C, call.u.set_access.count, 64),
	VMT_SUB("access", C, call.u.set_access.access, vmt_ts_access),
	VMT_ROW_BEHIND(VMT_T_UINT, "done", C, call.u.set_access.done, .max = 64),
	FAILURE,
};

static const struct vmt_trace_field create_view[] = {
	RESULT,
	VMT_SUB("access", C, call.u.create_view.access, vmt_ts_access),
	VMT_ROW_BEHIND(VMT_T_UINT, "view", C, call.u.create_view.view, .max = 16, OK),
	FAILURE,
};

static const struct vmt_trace_field view[] = {
	RESULT,
	VMT_U("view", C, call.u.view.view, 16),
	FAILURE,
};

static const struct vmt_trace_field remap_gfn[] = {
	RESULT,
	VMT_U("view", C, call.u.remap_gfn.view, 16),
	VMT_X("from", C, call.u.remap_gfn.from.n, 64),
	VMT_X("to", C, call.u.remap_gfn.to.n, 64),
	FAILURE,
};

static const struct vmt_trace_field get_regs[] = {
	RESULT,
	VMT_U("vcpu", C, call.u.get_regs.vcpu, 16),
	VMT_ROW_BEHIND(VMT_T_REGS, "regs", C, call.u.get_regs.regs, OK),
	FAILURE,
};

static const struct vmt_trace_field set_regs[] = {
	RESULT,
	VMT_U("vcpu", C, call.u.set_regs.vcpu, 16),
	VMT_ROW_BEHIND(VMT_T_REGS, "regs", C, call.u.set_regs.regs, VMT_ANY),
	FAILURE,
};

static const struct vmt_trace_field get_context[] = {
	RESULT,
	VMT_U("vcpu", C, call.u.get_context.vcpu, 16),
	BEHIND("context", call.u.get_context.context, vmt_ts_context, OK),
	FAILURE,
};

static const struct vmt_trace_field inject[] = {
	RESULT,
	VMT_U("vcpu", C, call.u.inject.vcpu, 16),
	BEHIND("interrupt", call.u.inject.interrupt, vmt_ts_interrupt),
	FAILURE,
};

static const struct vmt_trace_field settle[] = {
	RESULT,
	VMT_S("timeout_ms", C, call.u.settle.timeout_ms, VMT_ANY),
	FAILURE,
};

#define ROWS(rows)                                                \
	{                                                         \
		rows, sizeof(rows) / sizeof((rows)[0]), sizeof(C) \
	}
const struct vmt_trace_struct vmt_ts_calls[VMT_CALL_OP_COUNT] = {
	[VMT_CALL_INFO] = ROWS(info),
	[VMT_CALL_WAIT] = ROWS(wait),
	[VMT_CALL_NEXT] = ROWS(bare),
	[VMT_CALL_ANSWER] = ROWS(answer),
	[VMT_CALL_COMMIT] = ROWS(bare),
	[VMT_CALL_PENDING] = ROWS(pending),
	[VMT_CALL_OVERHEAD] = ROWS(overhead),
	[VMT_CALL_MONITOR] = ROWS(monitor),
	[VMT_CALL_READ] = ROWS(read),
	[VMT_CALL_WRITE] = ROWS(write),
	[VMT_CALL_ALLOC_GFN] = ROWS(alloc_gfn),
	[VMT_CALL_FREE_GFN] = ROWS(free_gfn),
	[VMT_CALL_GET_ACCESS] = ROWS(get_access),
	[VMT_CALL_SET_ACCESS] = ROWS(set_access),
	[VMT_CALL_CREATE_VIEW] = ROWS(create_view),
	[VMT_CALL_DESTROY_VIEW] = ROWS(view),
	[VMT_CALL_SWITCH_VIEW] = ROWS(view),
	[VMT_CALL_REMAP_GFN] = ROWS(remap_gfn),
	[VMT_CALL_GET_REGS] = ROWS(get_regs),
	[VMT_CALL_SET_REGS] = ROWS(set_regs),
	[VMT_CALL_GET_CONTEXT] = ROWS(get_context),
	[VMT_CALL_INJECT] = ROWS(inject),
	[VMT_CALL_PAUSE] = ROWS(bare),
	[VMT_CALL_RESUME] = ROWS(bare),
	[VMT_CALL_RESET] = ROWS(bare),
	[VMT_CALL_SETTLE] = ROWS(settle),
	[VMT_CALL_DETACH] = ROWS(bare),
};
