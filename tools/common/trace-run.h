/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace as a run that can be compared: what the handler was told, said and did, by callback.
 */
#ifndef VMT_TOOLS_TRACE_RUN_H
#define VMT_TOOLS_TRACE_RUN_H

#include <vmitape/compare.h>
#include <vmitape/trace.h>

struct vmt_trace_run_options {
	bool registers;            /**< compare all registers of events, not only RIP */
	bool keep_registers;       /**< keep them to be shown, without comparing them */
	const char *const *ignore; /**< as vmt_compare_run_ignore takes them */
	size_t nignore;
	/** Told each record after it was taken in, when not NULL: item numbers are known then. */
	int (*record)(void *context, const struct vmt_compare_run *run,
		      const struct vmt_trace_record *record, struct vmt_error *err);
	void *context;
};

/** A run with what its trace says of itself. */
struct vmt_trace_run {
	struct vmt_compare_run *run;
	char handler[64], version[64], backend[32], domain[64];
	uint64_t events, emissions;
	bool ended;   /**< the session's end is recorded */
	bool whole;   /**< nothing is lost, and the recording ended in order */
	bool damaged; /**< something is lost */
	bool derived; /**< recorded again after a divergence */
	bool part;    /**< an inspection trace: only a part of a recording */
};

/**
 * Read @path ("-": standard input). Damage is stepped over and told in @out. Negative with @err
 * filled when it cannot be read at all; @out can be finished in any case.
 */
int vmt_trace_run_init(struct vmt_trace_run *out, const char *path,
		       const struct vmt_trace_run_options *options, struct vmt_error *err);
void vmt_trace_run_finish(struct vmt_trace_run *run);

#endif /* VMT_TOOLS_TRACE_RUN_H */
