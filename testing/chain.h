/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drivers that wrap drivers: the test's own calls take any driver of a chain and find theirs in it.
 */
#ifndef VMT_TESTING_CHAIN_H
#define VMT_TESTING_CHAIN_H

#include <vmitape/call.h>

/** @d as the call driver with these ops, or NULL when it is another driver. */
struct vmt_call_driver *vmt_chain_as(struct vmt_driver *d, const struct vmt_call_driver_ops *ops);

/** The driver that @d wraps, or NULL when @d is no wrapper of this part's. */
struct vmt_driver *vmt_chain_inner(struct vmt_driver *d);

/**
 * The same for one kind of wrapper; these two are what vmt_chain_inner asks. The answer to "is @d a
 * call log" is "it has an inner driver".
 */
struct vmt_driver *vmt_call_log_inner(struct vmt_driver *d);
struct vmt_driver *vmt_fault_injector_inner(struct vmt_driver *d);

#endif /* VMT_TESTING_CHAIN_H */
