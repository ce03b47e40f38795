/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ends a recording from outside the handler: signals and limits; and what it shows meanwhile.
 */
#include <signal.h>
#include <stdio.h>

#include "vmirec.h"

/* -------------------------------------------------------------------------------------------- */
/* Stopping                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_session *volatile running;

static void on_signal(int number)
{
	struct vmt_session *s = running;

	(void)number;
	if (s)
		vmt_session_stop(s);
}

static void catch_signals(struct vmt_session *s)
{
	struct sigaction action = {.sa_handler = on_signal};

	running = s;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static void stop_for(struct vmirec_watcher *w, enum vmt_trace_end_reason reason)
{
	w->reason = reason;
	vmt_session_stop(w->session);
}

static void watch_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			       const struct vmt_callback_result *result)
{
	struct vmirec_watcher *w = (struct vmirec_watcher *)o;
	const uint64_t seconds = (cb->now - w->start) / UINT64_C(1000000000);

	(void)result;
	if (cb->phase != VMT_PHASE_LOOP)
		return;
	if (cb->kind == VMT_CALLBACK_EVENT && ++w->events == w->values->max_events)
		stop_for(w, VMT_TRACE_END_EVENTS);
	else if (w->values->max_seconds && seconds >= w->values->max_seconds)
		stop_for(w, VMT_TRACE_END_TIME);
}

static void watch_log(struct vmt_observer *o, enum vmt_log_level level, const char *text)
{
	static const char *const names[] = {"", "error", "warning", "info", "debug"};
	const struct vmirec_watcher *w = (const struct vmirec_watcher *)o;

	if (!w->values->quiet && level <= VMT_LOG_INFO)
		fprintf(stderr, VMIREC ": %s: %s\n", names[level], text);
}

const struct vmt_observer_ops vmirec_watcher_ops = {
	.size = sizeof(vmirec_watcher_ops),
	.callback_end = watch_callback_end,
	.log = watch_log,
};

void vmirec_watch(struct vmirec_watcher *w, const struct vmirec_values *v, struct vmt_session *s)
{
	w->values = v;
	w->session = s;
	w->start = vmt_session_info(s)->now;
	w->reason = VMT_TRACE_END_OVER;
	catch_signals(s);
}

void vmirec_unwatch(struct vmirec_watcher *w)
{
	(void)w;
	running = NULL;
}
