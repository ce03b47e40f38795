/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two drivers around a recorder, so that the driver below is asked for what the session asks and
 * for nothing else: the whole pages that the recorder reads besides come from the scripted domain's
 * memory, past call logs and fault injectors.
 *
 *     session -> outer -> recorder -> inner -> the test's driver
 */
#ifndef VMT_TESTS_REPLAY_TAPED_QUIET_H
#define VMT_TESTS_REPLAY_TAPED_QUIET_H

#include <vmitape/call.h>

struct quiet;

/** Closing any of its drivers does not close @d, which stays the caller's. */
struct quiet *quiet_create(struct vmt_driver *d);
void quiet_destroy(struct quiet *q);

/** What the recorder is to wrap. */
struct vmt_driver *quiet_inner(struct quiet *q);
/** What the session is to be given, once the recorder is there. */
struct vmt_driver *quiet_outer(struct quiet *q, struct vmt_driver *recorder);

/** @d when it is, or wraps, a scripted domain; else NULL. */
struct vmt_driver *quiet_truth(struct vmt_driver *d);

#endif /* VMT_TESTS_REPLAY_TAPED_QUIET_H */
