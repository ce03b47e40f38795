/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Keeping the recorder's own reads away from the test's driver.
 */
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

#include "quiet.h"

struct outer {
	struct vmt_call_driver base;
	struct quiet *quiet;
	struct vmt_driver *recorder;
};

struct inner {
	struct vmt_call_driver base;
	struct quiet *quiet;
	struct vmt_driver *d; /**< the test's */
};

struct quiet {
	struct outer outer;
	struct inner inner;
	const struct vmt_call *asked; /**< by the session, now */
	bool has_result;              /**< of a read that is asked: it was made already */
	int result;
	struct vmt_error err;
	uint8_t bytes[VMT_PAGE_SIZE];
};

/* A scripted domain behind drivers of the test's own. */
static struct vmt_driver *last_scripted;

int real_scripted(const struct vmt_scripted_config *config, struct vmt_driver **d,
		  struct vmt_error *err) __asm__("__real_vmt_scripted_create");
int noted_scripted(const struct vmt_scripted_config *config, struct vmt_driver **d,
		   struct vmt_error *err) __asm__("__wrap_vmt_scripted_create");
void real_close(struct vmt_driver *d) __asm__("__real_vmt_driver_close");
void noted_close(struct vmt_driver *d) __asm__("__wrap_vmt_driver_close");

int noted_scripted(const struct vmt_scripted_config *config, struct vmt_driver **d,
		   struct vmt_error *err)
{
	int r = real_scripted(config, d, err);

	last_scripted = r < 0 ? NULL : *d;
	return r;
}

void noted_close(struct vmt_driver *d)
{
	last_scripted = NULL;
	real_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* The outer one                                                                                */
/* -------------------------------------------------------------------------------------------- */

static int outer_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct outer *o = (struct outer *)d;

	o->quiet->asked = call;
	o->quiet->has_result = false;
	vmt_call_apply(o->recorder, call);
	d->driver.err = o->recorder->err;
	o->quiet->asked = NULL;
	return call->result;
}

static int outer_stop_fd(struct vmt_call_driver *d)
{
	struct outer *o = (struct outer *)d;
	int fd = vmt_driver_stop_fd(o->recorder);

	d->driver.err = o->recorder->err;
	return fd;
}

static void no_close(struct vmt_call_driver *d)
{
	(void)d;
}

static const struct vmt_call_driver_ops outer_ops = {outer_call, outer_stop_fd, no_close};

/* -------------------------------------------------------------------------------------------- */
/* The inner one                                                                                */
/* -------------------------------------------------------------------------------------------- */

static int pass_on(struct inner *in, struct vmt_call *call)
{
	vmt_call_apply(in->d, call);
	in->base.driver.err = in->d->err;
	return call->result;
}

/** Memory as it is, past all that stands before it. */
static int read_past(struct inner *in, const struct vmt_call *call)
{
	vmt_gpa gpa = vmt_gpa_from(vmt_gpa_of(call->u.read.gfn).a + call->u.read.offset);

	if (vmt_scripted_read(in->d, gpa, call->u.read.buf, call->u.read.len) >= 0)
		return 0;
	if (last_scripted &&
	    vmt_scripted_read(last_scripted, gpa, call->u.read.buf, call->u.read.len) >= 0)
		return 0;
	return vmt_error_set(&in->base.driver.err, VMT_E_UNMAPPED, "read",
			     "a page that only the recorder asks for");
}

/** The read that the session asks for, made once. */
static int asked_read(struct inner *in)
{
	struct quiet *q = in->quiet;
	struct vmt_call read = *q->asked;

	if (!q->has_result) {
		read.u.read.buf = q->bytes;
		q->result = pass_on(in, &read);
		q->err = in->d->err;
		q->has_result = true;
	}
	in->base.driver.err = q->err;
	return q->result;
}

static int inner_read(struct inner *in, struct vmt_call *call)
{
	const struct vmt_call *asked = in->quiet->asked;

	if (!asked || asked->op != VMT_CALL_READ) {
		call->result = read_past(in, call);
		return call->result;
	}
	call->result = asked_read(in);
	if (call->result < 0)
		return call->result;
	if (call->u.read.len != asked->u.read.len) {
		call->result = read_past(in, call);
		if (call->result < 0)
			return call->result;
	}
	memcpy((uint8_t *)call->u.read.buf + (asked->u.read.offset - call->u.read.offset),
	       in->quiet->bytes, asked->u.read.len);
	return 0;
}

static int inner_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct inner *in = (struct inner *)d;

	return call->op == VMT_CALL_READ ? inner_read(in, call) : pass_on(in, call);
}

static int inner_stop_fd(struct vmt_call_driver *d)
{
	struct inner *in = (struct inner *)d;
	int fd = vmt_driver_stop_fd(in->d);

	d->driver.err = in->d->err;
	return fd;
}

static const struct vmt_call_driver_ops inner_ops = {inner_call, inner_stop_fd, no_close};

/* -------------------------------------------------------------------------------------------- */
/* Both                                                                                         */
/* -------------------------------------------------------------------------------------------- */

struct quiet *quiet_create(struct vmt_driver *d)
{
	struct quiet *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	vmt_call_driver_init(&q->inner.base, &inner_ops);
	vmt_call_driver_init(&q->outer.base, &outer_ops);
	q->inner.quiet = q->outer.quiet = q;
	q->inner.d = d;
	return q;
}

void quiet_destroy(struct quiet *q)
{
	free(q);
}

struct vmt_driver *quiet_inner(struct quiet *q)
{
	return &q->inner.base.driver;
}

struct vmt_driver *quiet_outer(struct quiet *q, struct vmt_driver *recorder)
{
	q->outer.recorder = recorder;
	return &q->outer.base.driver;
}

struct vmt_driver *quiet_truth(struct vmt_driver *d)
{
	uint8_t byte;

	if (vmt_scripted_read(d, vmt_gpa_from(0), &byte, 0) >= 0 || last_scripted)
		return d;
	return NULL;
}
