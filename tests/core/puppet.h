/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver whose calls all end as told.
 */
#ifndef VMT_TESTS_CORE_PUPPET_H
#define VMT_TESTS_CORE_PUPPET_H

#include <string.h>

#include <vmitape/call.h>

struct puppet {
	struct vmt_call_driver d;
	unsigned calls;
	int result;
	struct vmt_error err; /* left by each call, whatever its result; all zero: none is */
};

static inline int puppet_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct puppet *p = (struct puppet *)d;

	p->calls++;
	if (p->err.status != 0 || p->err.sys_errno != 0)
		d->driver.err = p->err;
	call->result = p->result;
	return p->result;
}

static const struct vmt_call_driver_ops puppet_ops = {.call = puppet_call};

/* For cmocka: a puppet that succeeds. */
static inline int puppet_setup(void **state)
{
	static struct puppet p;

	memset(&p, 0, sizeof(p));
	vmt_call_driver_init(&p.d, &puppet_ops);
	*state = &p;
	return 0;
}

#endif /* VMT_TESTS_CORE_PUPPET_H */
