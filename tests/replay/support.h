/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the replay tests share: recording a handler on a scripted domain, replaying one over the
 * trace, running one on an equal domain for the truth.
 */
#ifndef VMT_TESTS_REPLAY_SUPPORT_H
#define VMT_TESTS_REPLAY_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/handler.h>
#include <vmitape/record.h>
#include <vmitape/replay.h>
#include <vmitape/test.h>
#include <vmitape/trace.h>

/** A domain with its guest, made anew for each run. */
struct world {
	/** Makes the domain; NULL: a scripted one of what follows. */
	struct vmt_driver *(*make)(void);
	struct vmt_scripted_config config;
	const struct vmt_step *steps;
	size_t nsteps;
	/** More of it: memory, faults; may wrap *@d. May be NULL. */
	void (*prepare)(struct vmt_driver **d);
	const struct vmt_memory_file *files;
	size_t nfiles;
	const struct vmt_option *options; /**< of the handler */
	size_t noptions;
	int timeout_ms;
	uint8_t capture; /**< enum vmt_capture; 0: the default */
};

/** Each test has a folder of its own. */
struct place {
	char folder[64];
	char trace[128], again[128];
	struct vmt_trace_digests digests;
};

int set_up(void **state);
int tear_down(void **state);

/** Record @handler in @world to p->trace, and keep the digests. */
void record(struct place *p, const struct world *world, const struct vmt_handler_ops *handler);

/** Replay @handler, in this process, observed by @collector (may be NULL). */
void replay(struct place *p, const struct vmt_replay_config *config,
	    const struct vmt_handler_ops *handler, struct vmt_collector *collector,
	    struct vmt_replay_report *report);

/** Run @handler in @world for the truth, observed by @collector. */
void live(const struct world *world, const struct vmt_handler_ops *handler,
	  struct vmt_collector *collector);

/** Replay @handler, record that to p->again, and return its digests. */
void record_again(struct place *p, const struct vmt_handler_ops *handler,
		  struct vmt_replay_report *report, struct vmt_trace_digests *digests);

/** As record, replay, and record again: the verdict is "same" and both digests are equal. */
void assert_identity(struct place *p, const struct world *world,
		     const struct vmt_handler_ops *handler);

/** The report has this verdict; else its text is shown. */
void assert_verdict(const struct vmt_replay_report *report, unsigned verdict);

/** Both collectors saw the same emissions, in the same order. */
void assert_same_emissions(const struct vmt_collector *a, const struct vmt_collector *b);

#endif /* VMT_TESTS_REPLAY_SUPPORT_H */
