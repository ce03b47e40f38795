/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running a handler over a trace: what the run in this process and the run in a child share.
 */
#ifndef VMT_REPLAY_RUN_H
#define VMT_REPLAY_RUN_H

#include <stdatomic.h>

#include <vmitape/replay.h>

/** How far a run is. In shared memory, when it is in a child. */
struct vmt_replay_progress {
	atomic_uint_least64_t beats; /**< callbacks that began or ended */
	atomic_bool in_handler;
	atomic_bool begun; /**< the trace was opened: the report tells of this run */
	atomic_bool done;  /**< the members below are final */
	int result;
	struct vmt_error err;
	struct vmt_replay_report report; /**< as far as it is known */
};

/** Run in this process. @progress is kept up to date. Returns as vmt_replay_run. */
int vmt_replay_run_here(const struct vmt_replay_run *run, struct vmt_replay_progress *progress);

/** Run in a child process. */
int vmt_replay_run_isolated(const struct vmt_replay_run *run, struct vmt_replay_report *report,
			    struct vmt_error *err);

#endif /* VMT_REPLAY_RUN_H */
