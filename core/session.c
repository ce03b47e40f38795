/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A session's life: created from a configuration, run, destroyed.
 */
#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>

#include "session-private.h"

static const char *const end_names[] = {
	[VMT_END_NONE] = "not over",
	[VMT_END_FINISHED] = "finished",
	[VMT_END_INTERRUPTED] = "interrupted",
	[VMT_END_GONE] = "domain gone",
	[VMT_END_OF_TRACE] = "end of trace",
	[VMT_END_HANDLER_FAILED] = "handler failed",
	[VMT_END_DRIVER_FAILED] = "driver failed",
	[VMT_END_CREATE_FAILED] = "create failed",
};

const char *vmt_end_name(unsigned end)
{
	return end < sizeof(end_names) / sizeof(end_names[0]) ? end_names[end] : "unknown";
}

static int config_check(const struct vmt_session_config *config, struct vmt_error *err)
{
	static const char place[] = "session configuration";

	if (!config->driver)
		return vmt_error_set(err, VMT_E_INVALID, place, "there is no driver; set .driver");
	if (!config->handler)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "there is no handler; set .handler");
	if (config->noptions && !config->options)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "%zu options are announced, but .options is NULL",
				     config->noptions);
	if (config->nobservers > VMT_OBSERVERS_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, place,
				     "%zu observers are given; at most %u are possible",
				     config->nobservers, VMT_OBSERVERS_MAX);
	if (config->nobservers && !config->observers)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "%zu observers are announced, but .observers is NULL",
				     config->nobservers);
	if (config->timeout_ms < -1)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "timeout_ms is %d; take -1 (never), 0 (the default) or more",
				     config->timeout_ms);
	if (config->settle_ms < 0)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "settle_ms is %d; take 0 (the default) or more",
				     config->settle_ms);
	return vmt_handler_check(config->handler, err);
}

static void set_defaults(struct vmt_session_config *config)
{
	if (config->timeout_ms == 0)
		config->timeout_ms = VMT_TIMEOUT_DEFAULT_MS;
	if (config->settle_ms == 0)
		config->settle_ms = VMT_SETTLE_DEFAULT_MS;
	if (config->drain_max == 0)
		config->drain_max = 65536;
}

static int session_init(struct vmt_session *s, const struct vmt_session_config *config,
			struct vmt_error *err)
{
	int r;

	s->config = *config;
	set_defaults(&s->config);
	s->driver = config->driver;
	s->handler = config->handler;
	s->phase = VMT_PHASE_CREATE;
	s->deadline = UINT64_MAX;
	atomic_init(&s->stop, false);

	r = vmt_session_options_init(s, err);
	if (r < 0)
		return r;
	r = vmt_driver_info(s->driver, &s->info);
	if (r < 0) {
		if (err)
			*err = s->driver->err;
		return r;
	}
	s->now = s->info.now;
	s->output = vmt_record_create();
	if (!s->output)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "session", "no memory for a session");
	/* Without one, a stop is still seen between two events and at the end of each wait. */
	s->stop_fd = vmt_driver_stop_fd(s->driver);
	return 0;
}

int vmt_session_create(const struct vmt_session_config *config, struct vmt_session **session,
		       struct vmt_error *err)
{
	struct vmt_session *s;
	int r;

	*session = NULL;
	r = config_check(config, err);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "session", "no memory for a session");
	r = session_init(s, config, err);
	if (r < 0) {
		vmt_session_destroy(s);
		return r;
	}
	*session = s;
	return 0;
}

void vmt_session_destroy(struct vmt_session *s)
{
	if (!s)
		return;
	if (s->began && !s->ended)
		vmt_session_end(s, NULL);
	vmt_session_files_finish(s);
	vmt_session_options_finish(s);
	vmt_record_destroy(s->output);
	free(s);
}

int vmt_session_run(struct vmt_session *s, struct vmt_outcome *outcome)
{
	int r = vmt_session_begin(s);

	while (r == 1)
		r = vmt_session_step(s);
	return vmt_session_end(s, outcome);
}

const struct vmt_handler_ops *vmt_session_handler(const struct vmt_session *s)
{
	return s->handler;
}

const struct vmt_info *vmt_session_info(const struct vmt_session *s)
{
	return &s->info;
}

enum vmt_phase vmt_session_phase(const struct vmt_session *s)
{
	return s->phase;
}

const struct vmt_error *vmt_error_of(const struct vmt_session *s)
{
	return &s->err;
}
