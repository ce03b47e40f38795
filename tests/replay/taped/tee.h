/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A replay beside the domain that was recorded: each call goes to both, the session gets the
 * replay's answer, and the two must be equal. So the trace is held against the truth call by call,
 * and a handler of the tests that looks at the domain behind the session's back finds what it did.
 */
#ifndef VMT_TESTS_REPLAY_TAPED_TEE_H
#define VMT_TESTS_REPLAY_TAPED_TEE_H

#include <vmitape/call.h>

struct tee {
	struct vmt_call_driver base; /**< what the session is to be given */
	struct vmt_driver *replay;   /**< owned */
	struct vmt_driver *truth;    /**< not owned; NULL: there is none */
	uint64_t compared, differences;
	char first[256]; /**< the first difference, or "" */
};

void tee_init(struct tee *t, struct vmt_driver *replay, struct vmt_driver *truth);

#endif /* VMT_TESTS_REPLAY_TAPED_TEE_H */
