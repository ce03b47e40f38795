/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running a handler over a trace, in this process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replay-private.h"
#include "run.h"

/** Told of each callback, so that a watcher knows how far the run is. */
struct watch {
	struct vmt_observer observer;
	struct vmt_replay_progress *progress;
};

static void beat(struct watch *w, bool in_handler)
{
	atomic_store(&w->progress->in_handler, in_handler);
	atomic_fetch_add(&w->progress->beats, 1);
}

static void on_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	(void)cb;
	beat((struct watch *)o, true);
}

static void on_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			    const struct vmt_callback_result *result)
{
	(void)cb;
	(void)result;
	beat((struct watch *)o, false);
}

/** The last step: after it the handler is destroyed, which is no callback. */
static void on_teardown(struct vmt_observer *o, const char *step)
{
	beat((struct watch *)o, strcmp(step, "detach") == 0);
}

static void on_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	(void)outcome;
	beat((struct watch *)o, false);
}

static const struct vmt_observer_ops watch_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.callback = on_callback,
	.callback_end = on_callback_end,
	.teardown = on_teardown,
	.end = on_end,
};

/* -------------------------------------------------------------------------------------------- */
/* Options                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** The recorded options with the run's own on top of them, or NULL: no memory. */
static struct vmt_option *merge(const struct vmt_replay_run *run, struct vmt_session_config *config)
{
	struct vmt_option *all = calloc(config->noptions + run->noptions + 1, sizeof(*all));
	size_t n = config->noptions;

	if (!all)
		return NULL;
	for (size_t i = 0; i < n; i++)
		all[i] = config->options[i];
	for (size_t i = 0; i < run->noptions; i++) {
		size_t at = 0;

		while (at < n && strcmp(all[at].name, run->options[i].name) != 0)
			at++;
		all[at] = run->options[i];
		n += at == n;
	}
	config->options = all;
	config->noptions = n;
	return all;
}

/* -------------------------------------------------------------------------------------------- */
/* The run                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** The session over @replay, seen through @outer. */
static int run_session(const struct vmt_replay_run *run, struct vmt_driver *replay,
		       struct vmt_driver *outer, struct vmt_observer *more,
		       struct vmt_replay_progress *progress)
{
	struct watch watch = {{&watch_ops}, progress};
	struct vmt_observer *observers[VMT_OBSERVERS_MAX];
	struct vmt_session_config config;
	struct vmt_session *session;
	struct vmt_option *options;
	int r = vmt_replay_session_config(replay, run->handler, &config);

	if (r < 0) {
		progress->err = replay->err;
		return r;
	}
	options = merge(run, &config);
	if (!options)
		return vmt_error_set(&progress->err, VMT_E_NO_MEMORY, "replay", "no memory");
	observers[config.nobservers++] = vmt_replay_observer(replay);
	observers[config.nobservers++] = &watch.observer;
	if (more)
		observers[config.nobservers++] = more;
	if (run->nobservers > VMT_OBSERVERS_MAX - config.nobservers) {
		free(options);
		return vmt_error_set(&progress->err, VMT_E_LIMIT, "replay",
				     "a replay takes at most %zu observers beside its own",
				     VMT_OBSERVERS_MAX - config.nobservers);
	}
	for (size_t i = 0; i < run->nobservers; i++)
		observers[config.nobservers++] = run->observers[i];
	config.observers = observers;
	config.driver = outer;
	r = vmt_session_create(&config, &session, &progress->err);
	if (r == 0) {
		vmt_replay_set_session(replay, session);
		vmt_session_run(session, NULL);
		vmt_session_destroy(session);
		vmt_replay_set_session(replay, NULL);
	}
	free(options);
	return r;
}

int vmt_replay_run_here(const struct vmt_replay_run *run, struct vmt_replay_progress *progress)
{
	const struct vmt_replay_hook *hook = run->hook;
	struct vmt_replay_config config = run->replay;
	struct vmt_observer *more = NULL;
	struct vmt_driver *replay;
	struct vmt_driver *outer;
	int r;

	config.recording = config.recording || hook;
	r = vmt_replay_create(run->trace, &config, &replay, &progress->err);
	if (r < 0)
		return r;
	vmt_replay_report_at(replay, &progress->report);
	atomic_store(&progress->begun, true);
	outer = replay;
	if (hook)
		r = hook->open(hook->arg, replay, &outer, &more, &progress->err);
	if (r < 0) {
		vmt_driver_close(replay);
		return r;
	}
	r = run_session(run, replay, outer, more, progress);
	vmt_report_judge(&progress->report, config.allow_cut);
	if (hook && hook->close) {
		int closed =
			hook->close(hook->arg, &progress->report, r < 0 ? NULL : &progress->err);

		r = r < 0 ? r : closed;
	}
	vmt_driver_close(outer);
	return r;
}

/** The verdict where nothing could be run. */
static unsigned verdict_of(int result)
{
	return result == -VMT_E_DAMAGED || result == -VMT_E_NOT_SUPPORTED ? VMT_VERDICT_CUT
									  : VMT_VERDICT_ENVIRONMENT;
}

int vmt_replay_run(const struct vmt_replay_run *run, struct vmt_replay_report *report,
		   struct vmt_error *err)
{
	struct vmt_replay_progress *progress;
	int r;

	if (run->no_isolation) {
		progress = calloc(1, sizeof(*progress));
		if (!progress)
			return vmt_error_set(err, VMT_E_NO_MEMORY, "replay", "no memory");
		r = vmt_replay_run_here(run, progress);
		*report = progress->report;
		if (r < 0 && err)
			*err = progress->err;
		free(progress);
	} else {
		r = vmt_replay_run_isolated(run, report, err);
	}
	snprintf(report->trace, sizeof(report->trace), "%s", run->trace);
	snprintf(report->handler, sizeof(report->handler), "%s", run->handler->name);
	if (r < 0) {
		report->stop = VMT_STOPPED_FAILED;
		report->verdict = verdict_of(r);
	}
	return r;
}
