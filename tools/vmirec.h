/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of vmirec share: the recording's options, its keeper, the other verbs.
 */
#ifndef VMT_TOOLS_VMIREC_H
#define VMT_TOOLS_VMIREC_H

#include <vmitape/run.h>
#include <vmitape/trace.h>

#include "common/options.h"
#include "common/status.h"

#define VMIREC "vmirec"

enum vmirec_backend { VMIREC_SCRIPTED, VMIREC_XEN, VMIREC_EMULATED };

/** The command line of a recording. */
struct vmirec_values {
	unsigned backend, capture;
	const char *guest, *domain, *command_line, *handler, *output;
	uint64_t seed, vcpus, memory; /**< of an emulated guest; 0: the default */
	struct vmt_tool_list options;
	uint64_t max_events, max_seconds, max_bytes, timeout_ms;
	bool replace, list_handlers, quiet;
};

/** The verb that records. */
int vmirec_record(const void *values, int argc, char **argv);

/** The other verbs. */
extern const struct vmt_tool_verb vmirec_doctor, vmirec_rescue;

/* -------------------------------------------------------------------------------------------- */
/* vmirec-watch.c: signals, limits, logs                                                        */
/* -------------------------------------------------------------------------------------------- */

/** Ends the session when a limit is reached, and shows the handler's logs. */
struct vmirec_watcher {
	struct vmt_observer observer;
	const struct vmirec_values *values;
	struct vmt_session *session;
	uint64_t events, start;
	uint64_t by_reason[VMT_REASON_COUNT];
	uint64_t looked; /**< when size and terminal were last seen to, ms */
	bool terminal;   /**< counts are shown there */
	enum vmt_trace_end_reason reason;
};

/** Watch @s from now on; SIGINT and SIGTERM stop it. */
void vmirec_watch(struct vmirec_watcher *w, const struct vmirec_values *v, struct vmt_session *s);
void vmirec_unwatch(struct vmirec_watcher *w);

extern const struct vmt_observer_ops vmirec_watcher_ops;

/* -------------------------------------------------------------------------------------------- */
/* vmirec-keeper.c: the process beside                                                          */
/* -------------------------------------------------------------------------------------------- */

/** The session's hold on its keeper. All -1: there is none. */
struct vmirec_keeper {
	int socket; /**< for the driver */
	int ring;   /**< for the trace */
	int peer;   /**< readable when the keeper is gone */
	int crash;  /**< an eventfd: the number of the signal that ends this process */
};

/**
 * Start the keeper: this program once more, which then owns the trace. 0 when it has made the trace's
 * file. Fatal signals are told to it from then on.
 */
int vmirec_keeper_start(struct vmirec_keeper *k, const struct vmirec_values *v,
			struct vmt_trace_writer **writer, struct vmt_error *err);

/** Let it go, and wait until it is gone. */
void vmirec_keeper_finish(struct vmirec_keeper *k);

/** Its main, when the program's first word is this. */
#define VMIREC_KEEPER_WORD "--keeper"
int vmirec_keeper_main(int argc, char **argv);

#endif /* VMT_TOOLS_VMIREC_H */
