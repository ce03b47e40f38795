/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recorder's life, and how a record gets into the trace.
 */
#include <stdlib.h>
#include <string.h>

#include "recorder.h"

static const char *const capture_names[] = {
	[VMT_CAPTURE_READS] = "reads",
	[VMT_CAPTURE_PAGES] = "pages",
	[VMT_CAPTURE_CONTEXT] = "context",
	[VMT_CAPTURE_MEMORY] = "memory",
};
#define NCAPTURES (sizeof(capture_names) / sizeof(capture_names[0]))

const char *vmt_capture_name(unsigned capture)
{
	return capture > 0 && capture < NCAPTURES ? capture_names[capture] : "unknown";
}

unsigned vmt_capture_find(const char *name)
{
	for (unsigned i = 1; i < NCAPTURES; i++)
		if (strcmp(capture_names[i], name) == 0)
			return i;
	return 0;
}

bool vmt_recorder_is_on(const struct vmt_recorder *r)
{
	return r->session && !r->over && r->err.status == VMT_OK;
}

void vmt_recorder_append(struct vmt_recorder *r, unsigned kind, const void *body, const void *page)
{
	struct vmt_trace_record record = {
		.kind = (uint16_t)kind,
		.phase = r->session ? (uint8_t)vmt_session_phase(r->session) : 0,
		.callback = r->callback,
		.body = body,
		.page = page,
	};

	/* On failure the writer fills r->err, which switches the recorder off. */
	if (vmt_recorder_is_on(r))
		(void)vmt_trace_writer_append(r->config.writer, &record, &r->err);
}

int vmt_recorder_create(struct vmt_driver *inner, const struct vmt_recorder_config *config,
			struct vmt_driver **d, struct vmt_error *err)
{
	struct vmt_recorder *r;

	*d = NULL;
	if (!inner || !config || !config->writer)
		return vmt_error_set(err, VMT_E_INVALID, "recorder",
				     "it needs a driver and a trace writer");
	if (config->capture >= NCAPTURES)
		return vmt_error_set(err, VMT_E_INVALID, "recorder",
				     "capture policy %u is not known; take %s, %s, %s or %s",
				     config->capture, capture_names[VMT_CAPTURE_READS],
				     capture_names[VMT_CAPTURE_PAGES],
				     capture_names[VMT_CAPTURE_CONTEXT],
				     capture_names[VMT_CAPTURE_MEMORY]);
	if (config->capture >= VMT_CAPTURE_CONTEXT && !config->context)
		return vmt_error_set(err, VMT_E_INVALID, "recorder",
				     "capture policy %s needs somebody who says which pages a step "
				     "touches: vmt_dry_run_pages()",
				     capture_names[config->capture]);
	r = calloc(1, sizeof(*r));
	if (!r)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "recorder", "no memory for a recorder");
	vmt_call_driver_init(&r->base, &vmt_recorder_driver_ops);
	r->observer.ops = &vmt_recorder_observer_ops;
	r->inner = inner;
	r->config = *config;
	if (r->config.capture == 0)
		r->config.capture = VMT_CAPTURE_PAGES;
	*d = &r->base.driver;
	return 0;
}

struct vmt_observer *vmt_recorder_observer(struct vmt_driver *d)
{
	return &((struct vmt_recorder *)d)->observer;
}

const struct vmt_error *vmt_recorder_error(const struct vmt_driver *d)
{
	return &((const struct vmt_recorder *)d)->err;
}
