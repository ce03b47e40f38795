/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fields of a trace's record as the comparer takes them: "regs.rip", "monitor.what".
 */
#ifndef VMT_TOOLS_TRACE_FIELDS_H
#define VMT_TOOLS_TRACE_FIELDS_H

#include <vmitape/compare.h>
#include <vmitape/trace.h>

#define VMT_TRACE_FIELDS_MAX 192u
#define VMT_TRACE_FIELD_NAME 96u

/** The fields of one record. Text and bytes are those of the record. */
struct vmt_trace_fields {
	struct vmt_trace_visitor visitor;
	struct vmt_compare_field fields[VMT_TRACE_FIELDS_MAX];
	char names[VMT_TRACE_FIELDS_MAX][VMT_TRACE_FIELD_NAME];
	size_t n;
	bool too_many;
	char path[64];
	size_t path_len;
	size_t depths[16], depth;
	uint32_t index; /**< in the innermost list */
};

/** Fill @f with the fields of @record. All have the role 0. -VMT_E_LIMIT: too many of them. */
int vmt_trace_fields_of(struct vmt_trace_fields *f, const struct vmt_trace_record *record);

/** The field called @name, or NULL. */
struct vmt_compare_field *vmt_trace_field_find(struct vmt_trace_fields *f, const char *name);

/** Leave out all fields whose names begin with @prefix. */
void vmt_trace_fields_drop(struct vmt_trace_fields *f, const char *prefix);

#endif /* VMT_TOOLS_TRACE_FIELDS_H */
