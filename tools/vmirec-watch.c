/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What ends a recording from outside the handler: signals and limits; and what it shows meanwhile.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmirec.h"

#define LOOK_MS 100

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

/* -------------------------------------------------------------------------------------------- */
/* The terminal                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/** One line that is written over: how many events, and of which reasons. */
static void show(const struct vmirec_watcher *w, uint64_t seconds)
{
	char line[160];
	size_t used = (size_t)snprintf(line, sizeof(line), "%" PRIu64 " s, %" PRIu64 " events",
				       seconds, w->events);

	for (unsigned i = 0; i < VMT_REASON_COUNT && used < sizeof(line); i++) {
		if (w->by_reason[i])
			used += (size_t)snprintf(line + used, sizeof(line) - used, "%s %s %" PRIu64,
						 strchr(line, ':') ? "," : ":", vmt_reason_name(i),
						 w->by_reason[i]);
	}
	fprintf(stderr, "\r\033[K%.78s", line);
	(void)fflush(stderr);
}

static void clear_line(const struct vmirec_watcher *w)
{
	if (w->terminal)
		fprintf(stderr, "\r\033[K");
}

/* -------------------------------------------------------------------------------------------- */
/* Watching                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

static bool is_too_large(const struct vmirec_values *v)
{
	char partial[4096];
	struct stat st;

	return v->max_bytes &&
	       snprintf(partial, sizeof(partial), "%s.partial", v->output) < (int)sizeof(partial) &&
	       stat(partial, &st) == 0 && (uint64_t)st.st_size >= v->max_bytes;
}

/** What is too slow to be done for each event. */
static void look(struct vmirec_watcher *w, uint64_t seconds)
{
	uint64_t now = now_ms();

	if (now - w->looked < LOOK_MS)
		return;
	w->looked = now;
	if (is_too_large(w->values))
		stop_for(w, VMT_TRACE_END_BYTES);
	if (w->terminal)
		show(w, seconds);
}

static void watch_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			       const struct vmt_callback_result *result)
{
	struct vmirec_watcher *w = (struct vmirec_watcher *)o;
	const uint64_t seconds = (cb->now - w->start) / UINT64_C(1000000000);

	(void)result;
	if (cb->phase != VMT_PHASE_LOOP)
		return;
	if (cb->kind == VMT_CALLBACK_EVENT) {
		w->events++;
		w->by_reason[cb->event->reason < VMT_REASON_COUNT ? cb->event->reason : 0]++;
	}
	if (cb->kind == VMT_CALLBACK_EVENT && w->events == w->values->max_events)
		stop_for(w, VMT_TRACE_END_EVENTS);
	else if (w->values->max_seconds && seconds >= w->values->max_seconds)
		stop_for(w, VMT_TRACE_END_TIME);
	look(w, seconds);
}

static void watch_log(struct vmt_observer *o, enum vmt_log_level level, const char *text)
{
	static const char *const names[] = {"", "error", "warning", "info", "debug"};
	const struct vmirec_watcher *w = (const struct vmirec_watcher *)o;

	if (w->values->quiet || level > VMT_LOG_INFO)
		return;
	clear_line(w);
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
	w->looked = now_ms();
	w->terminal = !v->quiet && isatty(STDERR_FILENO);
	catch_signals(s);
}

void vmirec_unwatch(struct vmirec_watcher *w)
{
	running = NULL;
	clear_line(w);
}
