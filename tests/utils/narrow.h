/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain that says it can do less than it can, so that what is for others gets tested.
 */
#ifndef VMT_TESTS_UTILS_NARROW_H
#define VMT_TESTS_UTILS_NARROW_H

#include <vmitape/call.h>

/** A driver around @inner, which it owns, whose info lacks @hidden (enum vmt_capability). */
struct vmt_driver *narrow(struct vmt_driver *inner, uint32_t hidden);

#endif /* VMT_TESTS_UTILS_NARROW_H */
