/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The field tables of events: one row for each reason's own fields.
 */
#include "tables.h"

static const struct vmt_trace_field memory_rows[] = {
	VMT_X("gpa", struct vmt_memory_access, gpa.a, 64),
	VMT_X("gva", struct vmt_memory_access, gva.a, 64),
	VMT_U("access", struct vmt_memory_access, access, 8),
	VMT_U("flags", struct vmt_memory_access, flags, 8),
};
static VMT_TABLE(memory, struct vmt_memory_access, memory_rows);

static const struct vmt_trace_field cr_rows[] = {
	VMT_U("cr", struct vmt_write_cr, cr, 32),
	VMT_X("new_value", struct vmt_write_cr, new_value, 64),
	VMT_X("old_value", struct vmt_write_cr, old_value, 64),
};
static VMT_TABLE(cr, struct vmt_write_cr, cr_rows);

static const struct vmt_trace_field msr_rows[] = {
	VMT_X("msr", struct vmt_write_msr, msr, 32),
	VMT_X("new_value", struct vmt_write_msr, new_value, 64),
	VMT_X("old_value", struct vmt_write_msr, old_value, 64),
};
static VMT_TABLE(msr, struct vmt_write_msr, msr_rows);

static const struct vmt_trace_field interrupt_event_rows[] = {
	VMT_X("gfn", struct vmt_interrupt_event, gfn.n, 64),
	VMT_SUB("interrupt", struct vmt_interrupt_event, interrupt, vmt_ts_interrupt),
};
static VMT_TABLE(interrupt_event, struct vmt_interrupt_event, interrupt_event_rows);

static const struct vmt_trace_field step_rows[] = {
	VMT_X("gfn", struct vmt_singlestep, gfn.n, 64),
};
static VMT_TABLE(step, struct vmt_singlestep, step_rows);

static const struct vmt_trace_field hypercall_rows[] = {
	VMT_U("insn_length", struct vmt_hypercall, insn_length, 8),
};
static VMT_TABLE(hypercall, struct vmt_hypercall, hypercall_rows);

static const struct vmt_trace_field cpuid_event_rows[] = {
	VMT_X("leaf", struct vmt_cpuid, leaf, 32),
	VMT_X("subleaf", struct vmt_cpuid, subleaf, 32),
	VMT_U("insn_length", struct vmt_cpuid, insn_length, 8),
};
static VMT_TABLE(cpuid_event, struct vmt_cpuid, cpuid_event_rows);

static const struct vmt_trace_field io_rows[] = {
	VMT_X("port", struct vmt_io, port, 16),
	VMT_U("bytes", struct vmt_io, bytes, 8),
	VMT_ROW(VMT_T_BOOL, "in", struct vmt_io, in, VMT_ANY),
	VMT_ROW(VMT_T_BOOL, "string", struct vmt_io, string, VMT_ANY),
};
static VMT_TABLE(io, struct vmt_io, io_rows);

static const struct vmt_trace_field descriptor_rows[] = {
	VMT_U("descriptor", struct vmt_descriptor_access, descriptor, 8),
	VMT_ROW(VMT_T_BOOL, "write", struct vmt_descriptor_access, write, VMT_ANY),
	VMT_X("info", struct vmt_descriptor_access, info, 64),
	VMT_X("qualification", struct vmt_descriptor_access, qualification, 64),
};
static VMT_TABLE(descriptor, struct vmt_descriptor_access, descriptor_rows);

static const struct vmt_trace_field vmexit_rows[] = {
	VMT_X("reason", struct vmt_vmexit, reason, 64),
	VMT_X("qualification", struct vmt_vmexit, qualification, 64),
};
static VMT_TABLE(vmexit, struct vmt_vmexit, vmexit_rows);

#define E           struct vmt_event
#define E_REASON(r) VMT_IF(E, reason, VMT_WHEN_EQ, r)
static const struct vmt_trace_field event_rows[] = {
	VMT_U("vcpu", E, vcpu, 16),
	VMT_U("reason", E, reason, 16),
	VMT_U("flags", E, flags, 16),
	VMT_U("view", E, view, 16),
	VMT_ROW(VMT_T_REGS, "regs", E, regs, VMT_ANY),
	VMT_SUB("memory", E, u.memory, memory, E_REASON(VMT_EVENT_MEMORY_ACCESS)),
	VMT_SUB("cr", E, u.cr, cr, E_REASON(VMT_EVENT_WRITE_CR)),
	VMT_SUB("msr", E, u.msr, msr, E_REASON(VMT_EVENT_WRITE_MSR)),
	VMT_SUB("interrupt", E, u.interrupt, interrupt_event, E_REASON(VMT_EVENT_INTERRUPT)),
	VMT_SUB("step", E, u.step, step, E_REASON(VMT_EVENT_SINGLESTEP)),
	VMT_SUB("hypercall", E, u.hypercall, hypercall, E_REASON(VMT_EVENT_HYPERCALL)),
	VMT_SUB("cpuid", E, u.cpuid, cpuid_event, E_REASON(VMT_EVENT_CPUID)),
	VMT_SUB("io", E, u.io, io, E_REASON(VMT_EVENT_IO)),
	VMT_SUB("descriptor", E, u.descriptor, descriptor, E_REASON(VMT_EVENT_DESCRIPTOR)),
	VMT_SUB("next_interrupt", E, u.next_interrupt, vmt_ts_interrupt,
		E_REASON(VMT_EVENT_NEXT_INTERRUPT)),
	VMT_SUB("vmexit", E, u.vmexit, vmexit, E_REASON(VMT_EVENT_VMEXIT)),
	VMT_U("ticket", E, ticket, 64, VMT_LATE),
	VMT_U("raw_kind", E, raw_kind, 32, VMT_LATE),
	VMT_DATA(VMT_T_BYTES, "raw", E, raw, raw_len, 65536, VMT_LATE, .residual = true,
		 VMT_IF(E, raw_kind, VMT_WHEN_NE, 0)),
};
VMT_TABLE(vmt_ts_event, E, event_rows);

static const struct vmt_trace_field event_ref_rows[] = {
	VMT_U("vcpu", E, vcpu, 16),
	VMT_U("ticket", E, ticket, 64),
};
VMT_TABLE(vmt_ts_event_ref, E, event_ref_rows);
