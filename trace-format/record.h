/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bodies of records in memory: what vmt_trace_record.body points to, by kind.
 *
 * Writing, all is borrowed until append returns. Reading, all is the reader's until its next record.
 * Kinds without fields (BEGIN) have no body.
 */
#ifndef VMT_TRACE_FORMAT_RECORD_H
#define VMT_TRACE_FORMAT_RECORD_H

#include <vmitape/call.h>
#include <vmitape/emission.h>
#include <vmitape/run.h>
#include <vmitape/trace.h>

enum vmt_trace_policy {
	VMT_TRACE_POLICY_READS = 1,
	VMT_TRACE_POLICY_PAGES = 2,
	VMT_TRACE_POLICY_CONTEXT = 3,
	VMT_TRACE_POLICY_MEMORY = 4,
};

struct vmt_trace_cpuid {
	uint32_t leaf, subleaf, eax, ebx, ecx, edx;
};

struct vmt_trace_meta {
	const char *tool; /**< "vmirec 0.1.0" */
	struct vmt_info info;
	const char *handler, *handler_version;
	const void *handler_hash; /**< SHA-256 of its file, or NULL */
	uint32_t handler_hash_len;
	uint32_t handler_abi;
	uint8_t policy; /**< enum vmt_trace_policy */
	bool derived;
	int32_t timeout_ms, settle_ms;
	uint32_t drain_max;
	const struct vmt_option *options;
	uint32_t noptions;
	const struct vmt_schema *schemas; /**< an array of structs, not of pointers */
	uint32_t nschemas;
	const struct vmt_trace_cpuid *cpuid;
	uint32_t ncpuid;
};

struct vmt_trace_attribute {
	const char *key, *value;
};

struct vmt_trace_end {
	uint32_t reason; /**< enum vmt_trace_end_reason */
	const char *text;
	uint64_t records, events, callbacks, pages;
	struct vmt_trace_digests digests;
};

struct vmt_trace_gap {
	uint64_t first_position, records, first_callback, last_callback;
	const char *text;
};

enum vmt_trace_page_form { VMT_TRACE_FILL = 0, VMT_TRACE_WHOLE = 1, VMT_TRACE_PATCH = 2 };

struct vmt_trace_page {
	uint8_t form; /**< enum vmt_trace_page_form */
	uint8_t flags;
	uint64_t base;
	const void *data;
	uint32_t len;
};

/** A chunk's header without its hashes, and where it stands. */
struct vmt_trace_chunk {
	uint64_t offset;
	uint8_t stream;
	uint32_t epoch;
	uint64_t sequence, position, callback, event;
	uint32_t records, raw, stored;
};

struct vmt_trace_index {
	const struct vmt_trace_chunk *chunks;
	uint32_t nchunks;
};

enum vmt_trace_purpose {
	VMT_TRACE_BEFORE_WRITE = 1,
	VMT_TRACE_EVENT_CONTEXT = 2,
	VMT_TRACE_MEMORY = 3,
	VMT_TRACE_OTHER = 4,
};

struct vmt_trace_capture {
	int32_t result;
	uint8_t purpose; /**< enum vmt_trace_purpose */
	vmt_gfn gfn;
	struct vmt_error error; /**< when result is negative */
	uint64_t page;          /**< reading: its id. Writing: record.page */
};

struct vmt_trace_file {
	int32_t result;
	uint32_t id;
	const char *path;
	uint64_t size;
	struct vmt_error error; /**< when it failed */
};

#define VMT_TRACE_FILE_PART (1u << 20) /**< bytes of one FILE_DATA at most */

struct vmt_trace_file_data {
	uint32_t id;
	uint64_t offset;
	const void *data;
	uint32_t len;
};

struct vmt_trace_begin {
	uint8_t nothing;
};

struct vmt_trace_callback {
	uint8_t kind; /**< enum vmt_callback_kind */
	uint64_t now;
	uint64_t ticket; /**< of the event, for VMT_CALLBACK_EVENT */
};

struct vmt_trace_callback_end {
	uint8_t kind;
	int32_t result;
	const struct vmt_response *response; /**< for VMT_CALLBACK_EVENT */
};

struct vmt_trace_poll {
	int32_t result;
	uint64_t now;
};

struct vmt_trace_output {
	bool has_schema;
	uint32_t schema; /**< its number in META, from 0 */
	const struct vmt_value *values;
	uint32_t nvalues;
};

struct vmt_trace_emission {
	uint32_t schema;
	const struct vmt_value *values;
	uint32_t nvalues;
};

struct vmt_trace_log {
	uint8_t level; /**< enum vmt_log_level */
	const void *text;
	uint32_t len;
};

struct vmt_trace_failure {
	struct vmt_error error;
};

struct vmt_trace_teardown {
	const char *step;
};

struct vmt_trace_default_answer {
	uint16_t vcpu;
	struct vmt_response response;
	uint64_t ticket;
};

struct vmt_trace_outcome {
	uint32_t end; /**< enum vmt_end */
	uint32_t teardown_failures;
	uint64_t callbacks, events, timeouts, emissions;
	struct vmt_error error, teardown;
};

struct vmt_trace_crash {
	int32_t signal, status;
	const char *text;
};

struct vmt_trace_backend {
	int32_t result, sys_errno;
	const char *name, *arguments;
	const void *data;
	uint32_t len;
};

struct vmt_trace_event {
	struct vmt_event event;
};

/** A driver call: kind VMT_TRACE_CALL + call.op. */
struct vmt_trace_call {
	struct vmt_call call;   /**< with call.result */
	struct vmt_error error; /**< the driver's, when call.result is negative */

	/** READ: bytes that stand in the record itself; len 0 when a page was given or named. */
	const void *data;
	uint32_t len;
	uint64_t page; /**< READ, reading: the page's id or 0. Writing: record.page */

	/** WRITE: the bytes that stood there before, as many as are written. */
	const void *before;
	uint32_t before_len;
	bool before_known;

	/** ALLOC_GFN: what was asked for; u.alloc_gfn.gfn is what was given. */
	vmt_gfn asked;
};

#endif /* VMT_TRACE_FORMAT_RECORD_H */
