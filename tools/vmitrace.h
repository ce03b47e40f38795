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
	vmitrace_recover, vmitrace_digest, vmitrace_stats, vmitrace_cut, vmitrace_export,
	vmitrace_grep;

/** The page that @record names, if it does: 1 with its bytes in @page, 0, or negative: it is lost. */
int vmitrace_page(struct vmt_trace_reader *r, const struct vmt_trace_record *record, void *page,
		  struct vmt_error *err);

/**
 * Append @record, as it was read from @r, to @w. 1, or 0 when its page is lost: without its bytes
 * the record would say something that is not so, and it is left out. Negative with @err filled.
 */
int vmitrace_copy(struct vmt_trace_reader *r, struct vmt_trace_writer *w,
		  struct vmt_trace_record *record, struct vmt_error *err);

/** Print @record as one line of text or JSON. */
int vmitrace_print(const struct vmt_trace_record *record, bool json);

#endif /* VMT_TOOLS_VMITRACE_H */
