/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The field tables of structs that several records share; FORMAT.md section 7, "struct ...".
 */
#include "tables.h"

#define E       struct vmt_error
#define E_FAULT VMT_IF(E, fault.kind, VMT_WHEN_NE, 0)
static const struct vmt_trace_field error_rows[] = {
	VMT_S("status", E, status, VMT_ANY),
	VMT_S("errno", E, sys_errno, VMT_ANY),
	VMT_U("fault", E, fault.kind, 32),
	VMT_U("level", E, fault.level, 32, E_FAULT),
	VMT_X("address", E, fault.address.a, 64, E_FAULT),
	VMT_X("root", E, fault.root, 64, E_FAULT),
	VMT_X("where", E, fault.where.a, 64, E_FAULT),
	VMT_X("entry", E, fault.entry, 64, E_FAULT),
	VMT_ROW(VMT_T_CHARS, "place", E, place, VMT_ANY),
	VMT_ROW(VMT_T_CHARS, "text", E, text, VMT_ANY),
};
VMT_TABLE(vmt_ts_error, E, error_rows);

static const struct vmt_trace_field access_rows[] = {
	VMT_U("rights", struct vmt_access, rights, 8),
	VMT_U("options", struct vmt_access, options, 8),
};
VMT_TABLE(vmt_ts_access, struct vmt_access, access_rows);

static const struct vmt_trace_field monitor_rows[] = {
	VMT_U("kind", struct vmt_monitor, kind, 32),
	VMT_X("what", struct vmt_monitor, what, 32),
	VMT_U("flags", struct vmt_monitor, flags, 32),
	VMT_X("ignore", struct vmt_monitor, ignore, 64),
};
VMT_TABLE(vmt_ts_monitor, struct vmt_monitor, monitor_rows);

static const struct vmt_trace_field interrupt_rows[] = {
	VMT_U("vector", struct vmt_interrupt, vector, 8),
	VMT_U("type", struct vmt_interrupt, type, 8),
	VMT_U("insn_length", struct vmt_interrupt, insn_length, 8),
	VMT_X("error_code", struct vmt_interrupt, error_code, 32),
	VMT_X("extra", struct vmt_interrupt, extra, 64),
};
VMT_TABLE(vmt_ts_interrupt, struct vmt_interrupt, interrupt_rows);

#define R struct vmt_response
static const struct vmt_trace_field response_rows[] = {
	VMT_U("action", R, action, 16),
	VMT_U("flags", R, flags, 16),
	VMT_U("view", R, view, 16, VMT_IF(R, flags, VMT_WHEN_BIT, VMT_RSP_VIEW)),
	VMT_ROW_BEHIND(VMT_T_GPRS, "regs", R, regs, VMT_IF(R, flags, VMT_WHEN_BIT, VMT_RSP_REGS)),
	VMT_DATA(VMT_T_BYTES, "data", R, data, data_len, 4096),
};
VMT_TABLE(vmt_ts_response, R, response_rows);

static const struct vmt_trace_field info_rows[] = {
	VMT_U("arch", struct vmt_info, arch, 32),
	VMT_X("capabilities", struct vmt_info, capabilities, 32),
	VMT_U("vcpus", struct vmt_info, vcpus, 16),
	VMT_U("views", struct vmt_info, views, 16),
	VMT_U("xen_major", struct vmt_info, xen_major, 16),
	VMT_U("xen_minor", struct vmt_info, xen_minor, 16),
	VMT_X("max_gfn", struct vmt_info, max_gfn, 64),
	VMT_ROW(VMT_T_LE64, "now", struct vmt_info, now, VMT_ANY),
	VMT_ROW(VMT_T_LEHEX, "seed", struct vmt_info, seed, VMT_ANY),
	VMT_ROW(VMT_T_CHARS, "backend", struct vmt_info, backend, VMT_ANY),
	VMT_ROW(VMT_T_CHARS, "domain", struct vmt_info, domain, VMT_ANY),
};
VMT_TABLE(vmt_ts_info, struct vmt_info, info_rows);

static const struct vmt_trace_field wait_rows[] = {
	VMT_U("outcome", struct vmt_wait, outcome, 32),
	VMT_U("pending", struct vmt_wait, pending, 32),
	VMT_ROW(VMT_T_LE64, "now", struct vmt_wait, now, VMT_ANY),
};
VMT_TABLE(vmt_ts_wait, struct vmt_wait, wait_rows);

#define C struct vmt_vcpu_context
static const struct vmt_trace_field context_rows[] = {
	VMT_ROW(VMT_T_REGS, "regs", C, regs, VMT_ANY),
	VMT_ROW(VMT_T_LE64, "tsc", C, tsc, VMT_ANY),
	VMT_U("fxsave_known", C, fxsave_known, 32),
	VMT_ROW(VMT_T_FIXED, "fxsave", C, fxsave, VMT_IF(C, fxsave_known, VMT_WHEN_EQ, 1)),
};
VMT_TABLE(vmt_ts_context, C, context_rows);

#define V         struct vmt_value
#define V_TYPE(t) VMT_IF(V, type, VMT_WHEN_EQ, t)
static const struct vmt_trace_field value_rows[] = {
	VMT_U("type", V, type, 8),
	VMT_ROW(VMT_T_BOOL, "bool", V, v.b, V_TYPE(VMT_BOOL)),
	VMT_S("i64", V, v.i, V_TYPE(VMT_I64)),
	VMT_U("u64", V, v.u, 64, V_TYPE(VMT_U64)),
	VMT_X("addr", V, v.u, 64, V_TYPE(VMT_ADDR)),
	VMT_DATA(VMT_T_BLOB, "text", V, v.p, len, VMT_VALUE_MAX, V_TYPE(VMT_TEXT)),
	VMT_DATA(VMT_T_BYTES, "bytes", V, v.p, len, VMT_VALUE_MAX, V_TYPE(VMT_BYTES)),
};
VMT_TABLE(vmt_ts_value, V, value_rows);

static const struct vmt_trace_field option_rows[] = {
	VMT_TXT("name", struct vmt_option, name, 255),
	VMT_ROW(VMT_T_MAYBE, "value", struct vmt_option, value, .max = 65535),
};
VMT_TABLE(vmt_ts_option, struct vmt_option, option_rows);

static const struct vmt_trace_field schema_field_rows[] = {
	VMT_TXT("name", struct vmt_field, name, 255),
	VMT_U("type", struct vmt_field, type, 8),
	VMT_U("role", struct vmt_field, role, 8),
};
static VMT_TABLE(schema_field, struct vmt_field, schema_field_rows);

static const struct vmt_trace_field schema_rows[] = {
	VMT_TXT("name", struct vmt_schema, name, 255),
	VMT_MANY("fields", struct vmt_schema, fields, nfields, VMT_SCHEMA_FIELDS_MAX, schema_field),
};
VMT_TABLE(vmt_ts_schema, struct vmt_schema, schema_rows);

static const struct vmt_trace_field cpuid_rows[] = {
	VMT_X("leaf", struct vmt_trace_cpuid, leaf, 32),
	VMT_X("subleaf", struct vmt_trace_cpuid, subleaf, 32),
	VMT_X("eax", struct vmt_trace_cpuid, eax, 32),
	VMT_X("ebx", struct vmt_trace_cpuid, ebx, 32),
	VMT_X("ecx", struct vmt_trace_cpuid, ecx, 32),
	VMT_X("edx", struct vmt_trace_cpuid, edx, 32),
};
VMT_TABLE(vmt_ts_cpuid, struct vmt_trace_cpuid, cpuid_rows);

#define K struct vmt_trace_chunk
static const struct vmt_trace_field chunk_rows[] = {
	VMT_U("offset", K, offset, 64),     VMT_U("stream", K, stream, 8),
	VMT_U("epoch", K, epoch, 32),       VMT_U("sequence", K, sequence, 64),
	VMT_U("position", K, position, 64), VMT_U("callback", K, callback, 64),
	VMT_U("event", K, event, 64),       VMT_U("records", K, records, 32),
	VMT_U("raw", K, raw, 32),           VMT_U("stored", K, stored, 32),
};
VMT_TABLE(vmt_ts_chunk, K, chunk_rows);
