/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record table: a kind is a row. FORMAT.md section 7, in its order.
 */
#include <string.h>

#include "tables.h"

#define M struct vmt_trace_meta
static const struct vmt_trace_field meta_rows[] = {
	VMT_TXT("tool", M, tool, 255),
	VMT_SUB("info", M, info, vmt_ts_info),
	VMT_TXT("handler", M, handler, 255),
	VMT_TXT("handler_version", M, handler_version, 255),
	VMT_DATA(VMT_T_BYTES, "handler_hash", M, handler_hash, handler_hash_len, 32),
	VMT_U("handler_abi", M, handler_abi, 32),
	VMT_U("policy", M, policy, 8),
	VMT_ROW(VMT_T_BOOL, "derived", M, derived, VMT_ANY),
	VMT_S("timeout_ms", M, timeout_ms, VMT_ANY),
	VMT_S("settle_ms", M, settle_ms, VMT_ANY),
	VMT_U("drain_max", M, drain_max, 32),
	VMT_MANY("options", M, options, noptions, 1024, vmt_ts_option),
	VMT_MANY("schemas", M, schemas, nschemas, 1024, vmt_ts_schema),
	VMT_MANY("cpuid", M, cpuid, ncpuid, 4096, vmt_ts_cpuid),
};
static VMT_TABLE(meta, M, meta_rows);

static const struct vmt_trace_field attribute_rows[] = {
	VMT_TXT("key", struct vmt_trace_attribute, key, 255),
	VMT_TXT("value", struct vmt_trace_attribute, value, 65535),
};
static VMT_TABLE(attribute, struct vmt_trace_attribute, attribute_rows);

#define END   struct vmt_trace_end
#define KNOWN VMT_IF(END, digests.known, VMT_WHEN_EQ, 1)
static const struct vmt_trace_field end_rows[] = {
	VMT_U("reason", END, reason, 32),
	VMT_TXT("text", END, text, 1023),
	VMT_U("records", END, records, 64),
	VMT_U("events", END, events, 64),
	VMT_U("callbacks", END, callbacks, 64),
	VMT_U("pages", END, pages, 64),
	VMT_ROW(VMT_T_BOOL, "known", END, digests.known, VMT_ANY),
	VMT_ROW(VMT_T_FIXED, "behaviour", END, digests.behaviour, KNOWN),
	VMT_ROW(VMT_T_FIXED, "record", END, digests.record, KNOWN),
};
static VMT_TABLE(end, END, end_rows);

static const struct vmt_trace_field gap_rows[] = {
	VMT_U("first_position", struct vmt_trace_gap, first_position, 64),
	VMT_U("records", struct vmt_trace_gap, records, 64),
	VMT_U("first_callback", struct vmt_trace_gap, first_callback, 64),
	VMT_U("last_callback", struct vmt_trace_gap, last_callback, 64),
	VMT_TXT("text", struct vmt_trace_gap, text, 1023),
};
static VMT_TABLE(gap, struct vmt_trace_gap, gap_rows);

#define P struct vmt_trace_page
static const struct vmt_trace_field page_rows[] = {
	VMT_U("form", P, form, 8),
	VMT_U("flags", P, flags, 8),
	VMT_U("base", P, base, 64, VMT_IF(P, form, VMT_WHEN_EQ, VMT_TRACE_PATCH)),
	VMT_DATA(VMT_T_BYTES, "data", P, data, len, VMT_PAGE_SIZE),
};
static VMT_TABLE(page, P, page_rows);

static const struct vmt_trace_field index_rows[] = {
	VMT_MANY("chunks", struct vmt_trace_index, chunks, nchunks, 65536, vmt_ts_chunk),
};
static VMT_TABLE(index_body, struct vmt_trace_index, index_rows);

#define CAP struct vmt_trace_capture
static const struct vmt_trace_field capture_rows[] = {
	VMT_S("result", CAP, result, VMT_ANY),
	VMT_U("purpose", CAP, purpose, 8),
	VMT_X("gfn", CAP, gfn.n, 64),
	VMT_SUB("error", CAP, error, vmt_ts_error, VMT_IF(CAP, result, VMT_WHEN_FAILED, 0)),
	VMT_U("page", CAP, page, 64, VMT_IF(CAP, result, VMT_WHEN_OK, 0), .page_id = true),
};
static VMT_TABLE(capture, CAP, capture_rows);

#define F struct vmt_trace_file
static const struct vmt_trace_field file_rows[] = {
	VMT_S("result", F, result, VMT_ANY),
	VMT_U("id", F, id, 32),
	VMT_TXT("path", F, path, 4095),
	VMT_U("size", F, size, 64),
	VMT_SUB("error", F, error, vmt_ts_error, VMT_IF(F, result, VMT_WHEN_FAILED, 0)),
};
static VMT_TABLE(file, F, file_rows);

static const struct vmt_trace_field file_data_rows[] = {
	VMT_U("id", struct vmt_trace_file_data, id, 32),
	VMT_U("offset", struct vmt_trace_file_data, offset, 64),
	VMT_DATA(VMT_T_BYTES, "data", struct vmt_trace_file_data, data, len, VMT_TRACE_FILE_PART),
};
static VMT_TABLE(file_data, struct vmt_trace_file_data, file_data_rows);

static const struct vmt_trace_struct begin = {NULL, 0, sizeof(struct vmt_trace_begin)};

#define CB struct vmt_trace_callback
#define CE struct vmt_trace_callback_end
static const struct vmt_trace_field callback_rows[] = {
	VMT_U("callback_kind", CB, kind, 8),
	VMT_ROW(VMT_T_LE64, "now", CB, now, VMT_ANY),
	VMT_U("ticket", CB, ticket, 64, VMT_IF(CB, kind, VMT_WHEN_EQ, VMT_CALLBACK_EVENT)),
};
static VMT_TABLE(callback, CB, callback_rows);

static const struct vmt_trace_field callback_end_rows[] = {
	VMT_U("callback_kind", CE, kind, 8),
	VMT_S("result", CE, result, VMT_ANY),
	VMT_BEHIND("response", CE, response, vmt_ts_response,
		   VMT_IF(CE, kind, VMT_WHEN_EQ, VMT_CALLBACK_EVENT)),
};
static VMT_TABLE(callback_end, CE, callback_end_rows);

static const struct vmt_trace_field poll_rows[] = {
	VMT_S("result", struct vmt_trace_poll, result, VMT_ANY),
	VMT_ROW(VMT_T_LE64, "now", struct vmt_trace_poll, now, VMT_ANY),
};
static VMT_TABLE(poll, struct vmt_trace_poll, poll_rows);

#define OUT  struct vmt_trace_output
#define HAVE VMT_IF(OUT, has_schema, VMT_WHEN_EQ, 1)
static const struct vmt_trace_field output_rows[] = {
	VMT_ROW(VMT_T_BOOL, "has_schema", OUT, has_schema, VMT_ANY),
	VMT_U("schema", OUT, schema, 32, HAVE),
	VMT_MANY("values", OUT, values, nvalues, VMT_SCHEMA_FIELDS_MAX, vmt_ts_value, HAVE),
};
static VMT_TABLE(output, OUT, output_rows);

static const struct vmt_trace_field emission_rows[] = {
	VMT_U("schema", struct vmt_trace_emission, schema, 32),
	VMT_MANY("values", struct vmt_trace_emission, values, nvalues, VMT_SCHEMA_FIELDS_MAX,
		 vmt_ts_value),
};
static VMT_TABLE(emission, struct vmt_trace_emission, emission_rows);

static const struct vmt_trace_field log_rows[] = {
	VMT_U("level", struct vmt_trace_log, level, 8),
	VMT_DATA(VMT_T_BLOB, "text", struct vmt_trace_log, text, len, 65535),
};
static VMT_TABLE(log_body, struct vmt_trace_log, log_rows);

static const struct vmt_trace_field failure_rows[] = {
	VMT_SUB("error", struct vmt_trace_failure, error, vmt_ts_error),
};
static VMT_TABLE(failure, struct vmt_trace_failure, failure_rows);

static const struct vmt_trace_field teardown_rows[] = {
	VMT_TXT("step", struct vmt_trace_teardown, step, 31),
};
static VMT_TABLE(teardown, struct vmt_trace_teardown, teardown_rows);

#define DA struct vmt_trace_default_answer
static const struct vmt_trace_field default_answer_rows[] = {
	VMT_U("vcpu", DA, vcpu, 16),
	VMT_SUB("response", DA, response, vmt_ts_response),
	VMT_U("ticket", DA, ticket, 64, VMT_LATE),
};
static VMT_TABLE(default_answer, DA, default_answer_rows);

#define OC struct vmt_trace_outcome
static const struct vmt_trace_field outcome_rows[] = {
	VMT_U("end", OC, end, 32),
	VMT_U("teardown_failures", OC, teardown_failures, 32, VMT_LATE),
	VMT_U("callbacks", OC, callbacks, 64, VMT_LATE),
	VMT_U("events", OC, events, 64, VMT_LATE),
	VMT_U("timeouts", OC, timeouts, 64, VMT_LATE),
	VMT_U("emissions", OC, emissions, 64, VMT_LATE),
	VMT_SUB("error", OC, error, vmt_ts_error, VMT_LATE),
	VMT_SUB("teardown", OC, teardown, vmt_ts_error, VMT_LATE),
};
static VMT_TABLE(outcome, OC, outcome_rows);

static const struct vmt_trace_field crash_rows[] = {
	VMT_S("signal", struct vmt_trace_crash, signal, VMT_ANY),
	VMT_S("status", struct vmt_trace_crash, status, VMT_ANY),
	VMT_TXT("text", struct vmt_trace_crash, text, 1023, VMT_LATE),
};
static VMT_TABLE(crash, struct vmt_trace_crash, crash_rows);

#define BK struct vmt_trace_backend
static const struct vmt_trace_field backend_rows[] = {
	VMT_S("result", BK, result, VMT_ANY),
	VMT_S("errno", BK, sys_errno, VMT_ANY),
	VMT_TXT("name", BK, name, 63),
	VMT_TXT("arguments", BK, arguments, 1023),
	VMT_DATA(VMT_T_BYTES, "data", BK, data, len, 65536),
};
static VMT_TABLE(backend, BK, backend_rows);

#define NONE        .digest = VMT_DIGEST_NONE
#define RECORD      .digest = VMT_DIGEST_RECORD
#define BEHAVIOUR   .digest = VMT_DIGEST_BEHAVIOUR
#define ANCILLARY   .ancillary = true, .copy = true
#define PAGES(T, m) .pages = true, .gfn_offset = offsetof(T, m)
#define CALL(op, n, ...) \
	[VMT_TRACE_CALL + (op)] = {.name = n, .body = &vmt_ts_calls[op], .call = op, __VA_ARGS__}

const struct vmt_trace_kind_row vmt_trace_kinds[VMT_TRACE_KIND_COUNT] = {
	[VMT_TRACE_META] = {.name = "meta", .body = &meta, RECORD},
	[VMT_TRACE_ATTRIBUTE] = {.name = "attribute", .body = &attribute, NONE, ANCILLARY},
	[VMT_TRACE_END] = {.name = "end", .body = &end, NONE},
	[VMT_TRACE_GAP] = {.name = "gap", .body = &gap, NONE},
	[VMT_TRACE_PAGE] = {.name = "page", .body = &page, NONE},
	[VMT_TRACE_INDEX] = {.name = "index", .body = &index_body, NONE},
	[VMT_TRACE_CAPTURE] = {.name = "capture", .body = &capture, RECORD, PAGES(CAP, gfn)},
	[VMT_TRACE_FILE] = {.name = "file", .body = &file, RECORD},
	[VMT_TRACE_FILE_DATA] = {.name = "file-data", .body = &file_data, RECORD},
	[VMT_TRACE_BEGIN] = {.name = "begin", .body = &begin, RECORD},
	[VMT_TRACE_CALLBACK] = {.name = "callback", .body = &callback, RECORD},
	[VMT_TRACE_CALLBACK_END] = {.name = "callback-end", .body = &callback_end, BEHAVIOUR},
	[VMT_TRACE_POLL] = {.name = "poll", .body = &poll, RECORD},
	[VMT_TRACE_OUTPUT] = {.name = "output", .body = &output, BEHAVIOUR},
	[VMT_TRACE_EMISSION] = {.name = "emission", .body = &emission, BEHAVIOUR},
	[VMT_TRACE_LOG] = {.name = "log", .body = &log_body, RECORD, ANCILLARY},
	[VMT_TRACE_FAILURE] = {.name = "failure", .body = &failure, RECORD},
	[VMT_TRACE_TEARDOWN] = {.name = "teardown", .body = &teardown, RECORD},
	[VMT_TRACE_DEFAULT_ANSWER] = {.name = "default-answer", .body = &default_answer, BEHAVIOUR},
	[VMT_TRACE_OUTCOME] = {.name = "outcome", .body = &outcome, BEHAVIOUR},
	[VMT_TRACE_CRASH] = {.name = "crash", .body = &crash, BEHAVIOUR},
	[VMT_TRACE_BACKEND] = {.name = "backend", .body = &backend, RECORD},
	[VMT_TRACE_EVENT] = {.name = "event", .body = &vmt_ts_event, BEHAVIOUR},
	CALL(VMT_CALL_INFO, "info", RECORD),
	CALL(VMT_CALL_WAIT, "wait", RECORD),
	CALL(VMT_CALL_NEXT, "next", RECORD),
	CALL(VMT_CALL_ANSWER, "answer", RECORD),
	CALL(VMT_CALL_COMMIT, "commit", RECORD),
	CALL(VMT_CALL_PENDING, "pending", RECORD),
	CALL(VMT_CALL_OVERHEAD, "overhead", RECORD),
	CALL(VMT_CALL_MONITOR, "monitor", BEHAVIOUR),
	CALL(VMT_CALL_READ, "read", RECORD, PAGES(struct vmt_trace_call, call.u.read.gfn)),
	CALL(VMT_CALL_WRITE, "write", BEHAVIOUR),
	CALL(VMT_CALL_ALLOC_GFN, "alloc_gfn", BEHAVIOUR),
	CALL(VMT_CALL_FREE_GFN, "free_gfn", BEHAVIOUR),
	CALL(VMT_CALL_GET_ACCESS, "get_access", RECORD),
	CALL(VMT_CALL_SET_ACCESS, "set_access", BEHAVIOUR),
	CALL(VMT_CALL_CREATE_VIEW, "create_view", BEHAVIOUR),
	CALL(VMT_CALL_DESTROY_VIEW, "destroy_view", BEHAVIOUR),
	CALL(VMT_CALL_SWITCH_VIEW, "switch_view", BEHAVIOUR),
	CALL(VMT_CALL_REMAP_GFN, "remap_gfn", BEHAVIOUR),
	CALL(VMT_CALL_GET_REGS, "get_regs", RECORD),
	CALL(VMT_CALL_SET_REGS, "set_regs", BEHAVIOUR),
	CALL(VMT_CALL_GET_CONTEXT, "get_context", RECORD),
	CALL(VMT_CALL_INJECT, "inject", BEHAVIOUR),
	CALL(VMT_CALL_PAUSE, "pause", BEHAVIOUR),
	CALL(VMT_CALL_RESUME, "resume", BEHAVIOUR),
	CALL(VMT_CALL_RESET, "reset", RECORD),
	CALL(VMT_CALL_SETTLE, "settle", RECORD),
	CALL(VMT_CALL_DETACH, "detach", RECORD),
};

const char *vmt_trace_kind_name(unsigned kind)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);

	return row != NULL ? row->name : "unknown";
}

unsigned vmt_trace_kind_find(const char *name)
{
	for (unsigned kind = 0; kind < VMT_TRACE_KIND_COUNT; kind++)
		if (vmt_trace_kinds[kind].name != NULL &&
		    strcmp(vmt_trace_kinds[kind].name, name) == 0)
			return kind;
	return 0;
}

const char *vmt_trace_phase_name(unsigned phase)
{
	static const char *const names[] = {"none", "create", "loop", "cleanup", "drain", "over"};

	return phase < sizeof(names) / sizeof(names[0]) ? names[phase] : "unknown";
}
