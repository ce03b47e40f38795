/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver that is nothing but the test's answers, for what no scripted domain does: outcomes that
 * nobody knows, events without end, a wait that really sleeps.
 */
#ifndef VMT_TESTS_SESSION_PLAIN_H
#define VMT_TESTS_SESSION_PLAIN_H

#include <vmitape/call.h>

/** "As a plain driver does": a result that no call has. */
#define PLAIN_ELSE 1000

/** All zero but @base: one vCPU, no events, and the domain is gone at the first wait. */
struct plain {
	struct vmt_call_driver base;
	/** Answers a call as vmt_call_driver_ops.call does, or returns PLAIN_ELSE. */
	int (*call)(struct plain *p, struct vmt_call *call);
	int stop_fd; /**< -1: it has none */
	unsigned counts[VMT_CALL_OP_COUNT];
};

/** Make a driver with a stop_fd (when @stoppable). plain_finish() releases it. */
void plain_init(struct plain *p, int (*call)(struct plain *p, struct vmt_call *call),
		bool stoppable);
void plain_finish(struct plain *p);

/** A wait as driver.h asks for, which sleeps on the stop_fd and has no events. */
int plain_sleep(struct plain *p, struct vmt_call *call);

#endif /* VMT_TESTS_SESSION_PLAIN_H */
