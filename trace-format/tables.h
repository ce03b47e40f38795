/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the rows of a field table are written, and the tables of structs that several records share.
 */
#ifndef VMT_TRACE_FORMAT_TABLES_H
#define VMT_TRACE_FORMAT_TABLES_H

#include "fields.h"
#include "record.h"

/* NOLINTBEGIN(bugprone-macro-parentheses): the arguments are names of types and members. */
#define VMT_SIZE_OF(T, m)     ((uint16_t)sizeof(((T *)0)->m))
#define VMT_SIZE_BEHIND(T, m) ((uint16_t)sizeof(*((T *)0)->m))

/* A row: its type, its name, the struct that owns it, the member; then more initialisers. */
#define VMT_ROW(t, n, T, m, ...)                                                            \
	{                                                                                   \
		.name = n, .type = t, .offset = offsetof(T, m), .width = VMT_SIZE_OF(T, m), \
		__VA_ARGS__                                                                 \
	}
/* The same where the member is a pointer to the value. */
#define VMT_ROW_BEHIND(t, n, T, m, ...)                                                         \
	{                                                                                       \
		.name = n, .type = t, .offset = offsetof(T, m), .width = VMT_SIZE_BEHIND(T, m), \
		.deref = true, __VA_ARGS__                                                      \
	}

#define VMT_U(n, T, m, ...)      VMT_ROW(VMT_T_UINT, n, T, m, .max = __VA_ARGS__)
#define VMT_X(n, T, m, ...)      VMT_ROW(VMT_T_HEX, n, T, m, .max = __VA_ARGS__)
#define VMT_S(n, T, m, ...)      VMT_ROW(VMT_T_SINT, n, T, m, __VA_ARGS__)
#define VMT_TXT(n, T, m, ...)    VMT_ROW(VMT_T_TEXT, n, T, m, .max = __VA_ARGS__)
#define VMT_SUB(n, T, m, ...)    VMT_ROW(VMT_T_STRUCT, n, T, m, .sub = &__VA_ARGS__)
#define VMT_BEHIND(n, T, m, ...) VMT_ROW_BEHIND(VMT_T_STRUCT, n, T, m, .sub = &__VA_ARGS__)
#define VMT_DATA(t, n, T, m, length, ...)                                                    \
	VMT_ROW(t, n, T, m, .aux = offsetof(T, length), .aux_width = VMT_SIZE_OF(T, length), \
		.max = __VA_ARGS__)
#define VMT_MANY(n, T, m, count, most, ...)                                                 \
	{                                                                                   \
		.name = n, .type = VMT_T_LIST, .offset = offsetof(T, m),                    \
		.aux = offsetof(T, count), .aux_width = VMT_SIZE_OF(T, count), .max = most, \
		.sub = &__VA_ARGS__                                                         \
	}

/* Conditions. */
#define VMT_ANY .when = VMT_WHEN_ALWAYS
#define VMT_IF(T, m, op, value)                                                     \
	.when = op, .cond_offset = offsetof(T, m), .cond_width = VMT_SIZE_OF(T, m), \
	.cond_value = value
#define VMT_LATE .late = true

#define VMT_TABLE(name, T, rows) \
	const struct vmt_trace_struct name = {rows, sizeof(rows) / sizeof((rows)[0]), sizeof(T)}
/* NOLINTEND(bugprone-macro-parentheses) */

extern const struct vmt_trace_struct vmt_ts_error, vmt_ts_access, vmt_ts_monitor, vmt_ts_interrupt,
	vmt_ts_response, vmt_ts_event, vmt_ts_event_ref, vmt_ts_info, vmt_ts_wait, vmt_ts_context,
	vmt_ts_value, vmt_ts_option, vmt_ts_schema, vmt_ts_cpuid, vmt_ts_chunk;

/** The tables of driver calls, by enum vmt_call_op. */
extern const struct vmt_trace_struct vmt_ts_calls[];

#endif /* VMT_TRACE_FORMAT_TABLES_H */
