/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver whose info lacks capabilities.
 */
#include <stdlib.h>

#include "narrow.h"

struct narrow {
	struct vmt_call_driver base;
	struct vmt_driver *inner;
	uint32_t hidden;
};

static int call_inner(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct narrow *self = (struct narrow *)d;
	int r = vmt_call_apply(self->inner, call);

	d->driver.err = self->inner->err;
	if (r >= 0 && call->op == VMT_CALL_INFO)
		call->u.info.info->capabilities &= ~self->hidden;
	return r;
}

static int stop_fd(struct vmt_call_driver *d)
{
	return vmt_driver_stop_fd(((struct narrow *)d)->inner);
}

static void close_inner(struct vmt_call_driver *d)
{
	vmt_driver_close(((struct narrow *)d)->inner);
	free(d);
}

struct vmt_driver *narrow(struct vmt_driver *inner, uint32_t hidden)
{
	static const struct vmt_call_driver_ops ops = {call_inner, stop_fd, close_inner};
	struct narrow *self = calloc(1, sizeof(*self));

	if (!self)
		return NULL;
	vmt_call_driver_init(&self->base, &ops);
	self->inner = inner;
	self->hidden = hidden;
	return &self->base.driver;
}
