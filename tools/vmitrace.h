/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the verbs of vmitrace share: opening a trace, complaining of its state.
 */
#ifndef VMT_TOOLS_VMITRACE_H
#define VMT_TOOLS_VMITRACE_H

#include <vmitape/trace.h>

#include "common/options.h"
#include "common/status.h"
#include "trace-format/record.h"

/** Open @path, or standard input for "-". */
int vmitrace_open(const char *path, bool digests, struct vmt_trace_reader **r,
		  struct vmt_error *err);

/** Complain, and give the exit status. */
int vmitrace_complain(const struct vmt_error *err);

/**
 * Once everything was read: say on standard error what is not whole about @path. VMT_EXIT_SAME or
 * VMT_EXIT_TRACE.
 */
int vmitrace_judge(const char *path, const struct vmt_trace_reader *r);

/** The verbs, one file each. */
extern const struct vmt_tool_verb vmitrace_info, vmitrace_dump, vmitrace_show, vmitrace_check,
	vmitrace_recover, vmitrace_digest, vmitrace_stats;

/** Print @record as one line of text or JSON. */
int vmitrace_print(const struct vmt_trace_record *record, bool json);

#endif /* VMT_TOOLS_VMITRACE_H */
