/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every session call that can be refused, in one table: for tests of who may make them, and when.
 */
#ifndef VMT_TESTS_SESSION_EVERY_CALL_H
#define VMT_TESTS_SESSION_EVERY_CALL_H

#include <vmitape/call.h>
#include <vmitape/session.h>

struct every_call {
	const char *name;
	int (*call)(struct vmt_session *s); /**< its result */
	uint32_t op;                        /**< the driver call that it makes, or 0 */
	bool effect;                        /**< it changes the domain */
};

extern const struct every_call every_call[];
extern const size_t nevery_call;

#endif /* VMT_TESTS_SESSION_EVERY_CALL_H */
