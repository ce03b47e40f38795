/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Drivers that wrap drivers: what a chain of them is made of.
 */
#include "chain.h"

struct vmt_call_driver *vmt_chain_as(struct vmt_driver *d, const struct vmt_call_driver_ops *ops)
{
	struct vmt_call_driver blank;

	/* All call drivers share one table of ops, which is what tells them from other drivers. */
	vmt_call_driver_init(&blank, ops);
	if (d->ops != blank.driver.ops || ((struct vmt_call_driver *)d)->ops != ops)
		return NULL;
	return (struct vmt_call_driver *)d;
}

struct vmt_driver *vmt_chain_inner(struct vmt_driver *d)
{
	struct vmt_driver *inner = vmt_call_log_inner(d);

	return inner ? inner : vmt_fault_injector_inner(d);
}
