/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of vmidiff share.
 */
#ifndef VMT_TOOLS_VMIDIFF_H
#define VMT_TOOLS_VMIDIFF_H

#include "common/trace-run.h"

/** The calls of a trace's handler, as text by callback: what the page shows beside the items. */
struct vmidiff_calls {
	char *text; /**< all of it, a line for each call */
	size_t len, cap;
	size_t *begins; /**< of each callback of the run, in @text */
	size_t n, begins_cap;
	bool open; /**< a callback has begun and not ended */
};

/** For vmt_trace_run_options.record, with a struct vmidiff_calls as the context. */
int vmidiff_calls_record(void *context, const struct vmt_compare_run *run,
			 const struct vmt_trace_record *record, struct vmt_error *err);
void vmidiff_calls_finish(struct vmidiff_calls *calls);

/** The page without its data: vmidiff-page.html, which the build makes into C. */
extern const char vmidiff_page[];
extern const size_t vmidiff_page_len;

/** One side of the page. */
struct vmidiff_side {
	const char *path;
	const struct vmt_trace_run *trace;
	const struct vmidiff_calls *calls;
};

/** Write the comparison as one page that needs nothing else, to a new file at @path. */
int vmidiff_html(const char *path, const struct vmt_comparison *comparison,
		 const struct vmidiff_side sides[2], struct vmt_error *err);

#endif /* VMT_TOOLS_VMIDIFF_H */
