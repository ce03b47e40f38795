/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The replay driver: made from a trace, and what callers ask of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "replay-private.h"

/* The driver is the first member. */
static struct vmt_replay *of(struct vmt_driver *d)
{
	return (struct vmt_replay *)d;
}

/* -------------------------------------------------------------------------------------------- */
/* The driver                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static int dispatch(struct vmt_replay *r, struct vmt_call *call)
{
	switch (call->op) {
	case VMT_CALL_WAIT:
		return vmt_replay_wait(r, call);
	case VMT_CALL_NEXT:
		return vmt_replay_next(r, call);
	case VMT_CALL_ANSWER:
		return vmt_replay_answer(r, call);
	case VMT_CALL_COMMIT:
		return vmt_replay_commit(r, call);
	default:
		if (r->cur.runs)
			return vmt_callback_call(r, call);
		return vmt_session_level_call(r, call);
	}
}

static int on_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct vmt_replay *r = (struct vmt_replay *)d;
	int result = dispatch(r, call);

	call->result = result;
	return result;
}

static int on_stop_fd(struct vmt_call_driver *d)
{
	return ((struct vmt_replay *)d)->stop_fd;
}

static void on_close(struct vmt_call_driver *d)
{
	struct vmt_replay *r = (struct vmt_replay *)d;

	for (uint32_t i = 0; i < VMT_HELD_MAX; i++)
		free(r->lent[i].raw);
	vmt_side_finish(&r->recorded);
	vmt_side_finish(&r->replayed);
	vmt_own_finish(&r->own);
	vmt_shadows_finish(&r->recorded_shadows);
	vmt_shadows_finish(&r->replayed_shadows);
	vmt_copies_finish(&r->cur.copies);
	free(r->cur.records);
	free(r->cur.emissions);
	free(r->cr3);
	free(r->options);
	vmt_window_finish(&r->window);
	vmt_facts_finish(&r->facts);
	if (r->stop_fd >= 0)
		close(r->stop_fd);
	free(r);
}

static const struct vmt_call_driver_ops driver_ops = {
	.call = on_call,
	.stop_fd = on_stop_fd,
	.close = on_close,
};

/* -------------------------------------------------------------------------------------------- */
/* Files                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int give_file(const struct vmt_fact_file *file, size_t max, void **data, size_t *len,
		     struct vmt_error *err)
{
	if (file->result < 0) {
		*err = file->error;
		return file->result;
	}
	if (file->have != file->size)
		return vmt_error_set(err, VMT_E_NOT_RECORDED, file->path,
				     "the trace ends within this file");
	if (file->size > max)
		return vmt_error_set(err, VMT_E_LIMIT, file->path,
				     "the file has %llu bytes, which is more than the limit of %zu",
				     (unsigned long long)file->size, max);
	*data = malloc(file->size ? file->size : 1);
	if (!*data)
		return vmt_error_set(err, VMT_E_NO_MEMORY, file->path, "no memory for the file");
	if (file->size > 0)
		memcpy(*data, file->data, file->size);
	*len = file->size;
	return 0;
}

static int read_file(struct vmt_file_source *f, const char *path, size_t max, void **data,
		     size_t *len, struct vmt_error *err)
{
	struct vmt_replay *r =
		(struct vmt_replay *)((char *)f - offsetof(struct vmt_replay, file_source));

	for (size_t i = 0; i < r->facts.nfiles; i++)
		if (strcmp(r->facts.files[i].path, path) == 0)
			return give_file(&r->facts.files[i], max, data, len, err);
	if (!vmt_behind_cut(r) && r->report->misses++ == 0)
		snprintf(r->report->miss_text, sizeof(r->report->miss_text), "the file %.200s",
			 path);
	return vmt_error_set(err, VMT_E_NOT_RECORDED, "vmt_file_read",
			     "the trace does not hold the file '%s': the recorded handler did not "
			     "read it",
			     path);
}

static const struct vmt_file_source_ops file_ops = {read_file};

/* -------------------------------------------------------------------------------------------- */
/* Making                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int open_all(struct vmt_replay *r, const char *path, struct vmt_error *err)
{
	struct vmt_trace_reader_options options = {.cache_bytes = r->config.cache_bytes};
	int result = vmt_facts_read(&r->facts, path, &options, err);

	if (result == 0)
		result = vmt_window_open(&r->window, path, &options, r->facts.last_position, err);
	if (result == 0)
		result = vmt_side_init(&r->recorded, &r->facts, err);
	if (result == 0)
		result = vmt_side_init(&r->replayed, &r->facts, err);
	if (result < 0)
		return result;
	r->cr3 = calloc(r->facts.origin.info.vcpus, sizeof(r->cr3[0]));
	if (!r->cr3)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "replay", "no memory");
	r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->stop_fd < 0)
		return vmt_error_set(err, VMT_E_IO, "replay", "no eventfd could be made");
	vmt_still_init(&r->still, r->facts.origin.info.vcpus);
	return 0;
}

static void begin_report(struct vmt_replay *r, const char *path)
{
	struct vmt_replay_report *report = r->report;

	snprintf(report->trace, sizeof(report->trace), "%s", path);
	report->complete = r->facts.origin.complete;
	report->recorded_events = r->facts.origin.events;
	report->recorded_callbacks = r->facts.origin.callbacks;
	report->recorded_end = r->facts.recorded_end;
	report->last_callback = VMT_REPLAY_NONE;
	report->last_event = VMT_REPLAY_NONE;
}

int vmt_replay_create(const char *path, const struct vmt_replay_config *config,
		      struct vmt_driver **driver, struct vmt_error *err)
{
	struct vmt_replay *r = calloc(1, sizeof(*r));
	int result;

	if (!r)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "replay", "no memory");
	if (config)
		r->config = *config;
	vmt_call_driver_init(&r->base, &driver_ops);
	r->observer.ops = &vmt_replay_observer_ops;
	r->file_source.ops = &file_ops;
	r->report = &r->own_report;
	r->stop_fd = -1;
	r->alike = true;
	r->forgiven = UINT64_MAX;
	vmt_own_init(&r->own, false);
	result = open_all(r, path, err);
	if (result < 0) {
		on_close(&r->base);
		return result;
	}
	r->now = r->recorded_now = r->facts.origin.info.now;
	begin_report(r, path);
	*driver = &r->base.driver;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* What callers ask                                                                             */
/* -------------------------------------------------------------------------------------------- */

const struct vmt_replay_origin *vmt_replay_origin(struct vmt_driver *replay)
{
	return &of(replay)->facts.origin;
}

struct vmt_observer *vmt_replay_observer(struct vmt_driver *replay)
{
	return &of(replay)->observer;
}

struct vmt_file_source *vmt_replay_files(struct vmt_driver *replay)
{
	return &of(replay)->file_source;
}

void vmt_replay_set_session(struct vmt_driver *replay, struct vmt_session *session)
{
	of(replay)->session = session;
}

static bool declares(const struct vmt_handler_ops *handler, const char *name)
{
	for (const struct vmt_option_decl *d = handler->options; d && d->name; d++)
		if (strcmp(d->name, name) == 0)
			return true;
	return false;
}

int vmt_replay_session_config(struct vmt_driver *replay, const struct vmt_handler_ops *handler,
			      struct vmt_session_config *config)
{
	struct vmt_replay *r = of(replay);
	const struct vmt_replay_origin *o = &r->facts.origin;

	memset(config, 0, sizeof(*config));
	free(r->options);
	r->options = calloc(o->noptions + 1, sizeof(r->options[0]));
	if (!r->options)
		return vmt_error_set(&replay->err, VMT_E_NO_MEMORY, "replay", "no memory");
	for (size_t i = 0; i < o->noptions; i++)
		if (o->options[i].value && declares(handler, o->options[i].name))
			r->options[config->noptions++] = o->options[i];
	config->driver = replay;
	config->handler = handler;
	config->options = r->options;
	config->files = &r->file_source;
	config->timeout_ms = o->timeout_ms;
	config->settle_ms = o->settle_ms;
	config->drain_max = o->drain_max;
	return 0;
}

void vmt_replay_report_at(struct vmt_driver *replay, struct vmt_replay_report *place)
{
	struct vmt_replay *r = of(replay);

	*place = *r->report;
	r->report = place;
}

void vmt_replay_report(struct vmt_driver *replay, struct vmt_replay_report *report)
{
	struct vmt_replay *r = of(replay);

	vmt_report_judge(r->report, r->config.allow_cut);
	*report = *r->report;
}
