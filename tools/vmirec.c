/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmirec: run a handler on a domain and record the session.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <vmitape/record.h>
#include <vmitape/run.h>
#include <vmitape/test.h>
#include <vmitape/trace.h>
#include <vmitape/xen.h>

#include "common/handler.h"
#include "common/options.h"
#include "common/status.h"

static const char tool_name[] = "vmirec";

enum backend { BACKEND_SCRIPTED, BACKEND_XEN };
static const char *const backends[] = {"scripted", "xen", NULL};
static const char *const captures[] = {"reads", "pages", NULL};

struct values {
	unsigned backend, capture;
	const char *guest, *domain, *handler, *output;
	struct vmt_tool_list options;
	uint64_t max_events, max_seconds, max_bytes, timeout_ms;
	bool replace, list_handlers, quiet;
};

#define MEMBER(name) offsetof(struct values, name)
static const struct vmt_tool_option options[] = {
	{"backend", 'b', VMT_TOOL_CHOICE, false, "BACKEND", "what the guest runs on",
	 MEMBER(backend), backends},
	{"guest", 'g', VMT_TOOL_TEXT, false, "FILE",
	 "scripted: a scenario file, which tells what the guest does", MEMBER(guest), NULL},
	{"domain", 'd', VMT_TOOL_TEXT, false, "DOMAIN", "xen: the domain's name or number",
	 MEMBER(domain), NULL},
	{"handler", 'H', VMT_TOOL_TEXT, false, "HANDLER",
	 "a bundled handler's name, or the path of a shared object", MEMBER(handler), NULL},
	{"option", 'O', VMT_TOOL_LIST, false, "NAME=VALUE", "an option of the handler",
	 MEMBER(options), NULL},
	{"output", 'o', VMT_TOOL_TEXT, false, "FILE", "the trace; - for standard output",
	 MEMBER(output), NULL},
	{"capture", 'c', VMT_TOOL_CHOICE, false, "POLICY",
	 "how much memory is kept beside what the handler reads", MEMBER(capture), captures},
	{"max-events", 0, VMT_TOOL_NUMBER, true, "N", "stop after N events", MEMBER(max_events),
	 NULL},
	{"max-seconds", 0, VMT_TOOL_NUMBER, false, "N", "stop after N seconds of the domain's time",
	 MEMBER(max_seconds), NULL},
	{"timeout", 0, VMT_TOOL_NUMBER, false, "MS",
	 "call the handler's handle_timeout after so many milliseconds without an event",
	 MEMBER(timeout_ms), NULL},
	{"replace", 'f', VMT_TOOL_FLAG, false, NULL, "replace an existing trace", MEMBER(replace),
	 NULL},
	{"list-handlers", 0, VMT_TOOL_FLAG, false, NULL, "list the bundled handlers and exit",
	 MEMBER(list_handlers), NULL},
	{"quiet", 'q', VMT_TOOL_FLAG, false, NULL, "no summary, no logs of the handler",
	 MEMBER(quiet), NULL},
	{0},
};

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

/** Ends the session when a limit is reached, and shows the handler's logs. */
struct watcher {
	struct vmt_observer observer;
	const struct values *values;
	struct vmt_session *session;
	uint64_t events, start;
	enum vmt_trace_end_reason reason;
};

static void stop_for(struct watcher *w, enum vmt_trace_end_reason reason)
{
	w->reason = reason;
	vmt_session_stop(w->session);
}

static void watch_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			       const struct vmt_callback_result *result)
{
	struct watcher *w = (struct watcher *)o;
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
	const struct watcher *w = (const struct watcher *)o;

	if (!w->values->quiet && level <= VMT_LOG_INFO)
		fprintf(stderr, "%s: %s: %s\n", tool_name, names[level], text);
}

static const struct vmt_observer_ops watcher_ops = {
	.size = sizeof(watcher_ops),
	.callback_end = watch_callback_end,
	.log = watch_log,
};

/* -------------------------------------------------------------------------------------------- */
/* Recording                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** What was opened, in the order in which it is closed again. */
struct recording {
	struct vmt_tool_handler handler;
	struct vmt_driver *driver; /**< the recorder around the backend */
	struct vmt_trace_writer *writer;
	struct watcher watcher;
	struct vmt_outcome outcome;
	struct vmt_trace_summary summary;
	bool refused; /**< there is no domain to record from */
};

static int open_scripted(const struct values *v, struct vmt_driver **d, struct vmt_error *err)
{
	return vmt_scenario_open(v->guest, d, err);
}

static int open_xen(const struct values *v, struct vmt_driver **d, struct vmt_error *err)
{
	const struct vmt_xen_config config = {.domain = v->domain};

	return vmt_xen_open(&config, d, err);
}

/** By enum backend: what names the domain, and what must not be given. */
static const struct opener {
	int (*open)(const struct values *v, struct vmt_driver **d, struct vmt_error *err);
	size_t needed, foreign;
	const char *missing, *unwanted;
} openers[] = {
	[BACKEND_SCRIPTED] = {open_scripted, MEMBER(guest), MEMBER(domain),
			      "--guest is missing: the scenario that the guest plays",
			      "--domain belongs to --backend xen; a scenario is its own domain"},
	[BACKEND_XEN] = {open_xen, MEMBER(domain), MEMBER(guest),
			 "--domain is missing: a name or number as `xl list` shows them",
			 "--guest belongs to --backend scripted; Xen runs the guest already, "
			 "--domain names it"},
};

static const char *text_at(const struct values *v, size_t offset)
{
	return *(const char *const *)(const void *)((const char *)v + offset);
}

static int check_backend(const struct values *v, struct vmt_error *err)
{
	const struct opener *o = &openers[v->backend];

	if (text_at(v, o->foreign))
		return vmt_error_set(err, VMT_E_INVALID, "command line", "%s", o->unwanted);
	if (!text_at(v, o->needed))
		return vmt_error_set(err, VMT_E_INVALID, "command line", "%s", o->missing);
	return 0;
}

static int open_backend(struct recording *r, const struct values *v, struct vmt_driver **d,
			struct vmt_error *err)
{
	int n = openers[v->backend].open(v, d, err);

	/* whatever stands in the way, the hypervisor does not give this domain */
	r->refused = n < 0 && v->backend == BACKEND_XEN;
	return n;
}

static int open_writer(const struct values *v, struct vmt_trace_writer **w, struct vmt_error *err)
{
	struct vmt_trace_writer_options o = {.replace = v->replace};

	if (strcmp(v->output, "-") == 0)
		return vmt_trace_writer_open_fd(1, &o, w, err);
	return vmt_trace_writer_open(v->output, &o, w, err);
}

static int open_recording(struct recording *r, const struct values *v, struct vmt_error *err)
{
	struct vmt_recorder_config config = {
		.capture = (uint8_t)(v->capture + 1),
		.tool = "vmirec " VMT_VERSION,
		.timeout_ms = (int)v->timeout_ms,
	};
	struct vmt_driver *backend = NULL;
	int n = check_backend(v, err);

	if (n >= 0)
		n = vmt_tool_handler_init(&r->handler, v->handler, &v->options, err);
	if (n >= 0)
		n = open_backend(r, v, &backend, err);
	if (n >= 0)
		n = open_writer(v, &r->writer, err);
	if (n >= 0) {
		config.writer = r->writer;
		n = vmt_recorder_create(backend, &config, &r->driver, err);
	}
	if (n < 0)
		vmt_driver_close(backend);
	return n;
}

static int run_session(struct recording *r, const struct values *v, struct vmt_error *err)
{
	struct vmt_observer *const observers[] = {vmt_recorder_observer(r->driver),
						  &r->watcher.observer};
	struct vmt_session_config config = {
		.driver = r->driver,
		.handler = r->handler.loaded.ops,
		.options = r->handler.options,
		.noptions = r->handler.noptions,
		.files = vmt_tool_host_files(),
		.observers = observers,
		.nobservers = 2,
		.timeout_ms = (int)v->timeout_ms,
	};
	struct vmt_session *s;
	int n = vmt_session_create(&config, &s, err);

	if (n < 0)
		return n;
	r->watcher.observer.ops = &watcher_ops;
	r->watcher.values = v;
	r->watcher.session = s;
	r->watcher.start = vmt_session_info(s)->now;
	r->watcher.reason = VMT_TRACE_END_OVER;
	catch_signals(s);
	vmt_session_run(s, &r->outcome);
	running = NULL;
	/* The output belongs to the session; it stands in the trace. */
	r->outcome.output = NULL;
	vmt_session_destroy(s);
	return 0;
}

static int close_recording(struct recording *r, int n, struct vmt_error *err)
{
	struct vmt_error close_err = {0};
	struct vmt_error lost = {0};

	if (r->driver)
		lost = *vmt_recorder_error(r->driver);
	vmt_driver_close(r->driver);
	if (!r->writer || n < 0) {
		vmt_trace_writer_abandon(r->writer);
	} else if (vmt_trace_writer_close(r->writer, r->watcher.reason, NULL, &r->summary,
					  &close_err) < 0) {
		*err = close_err;
		n = -close_err.status;
	}
	if (n >= 0 && lost.status != VMT_OK) {
		*err = lost;
		n = -lost.status;
	}
	vmt_tool_handler_finish(&r->handler);
	return n;
}

/** A limit, a stop and the guest's shutdown are good ends. */
static int status_of(const struct vmt_outcome *outcome)
{
	int status = VMT_EXIT_SAME;

	if (outcome->error.status)
		status = vmt_tool_complain(tool_name, &outcome->error);
	if (outcome->end == VMT_END_HANDLER_FAILED)
		status = VMT_EXIT_HANDLER;
	if (outcome->teardown.status) {
		vmt_tool_complain(tool_name, &outcome->teardown);
		status = vmt_exit_worse(status, VMT_EXIT_HYPERVISOR);
	}
	return status;
}

static void print_summary(const struct recording *r, const struct values *v)
{
	if (v->quiet)
		return;
	fprintf(stderr,
		"%s: %s: %s; %" PRIu64 " events, %" PRIu64 " emissions, %" PRIu64
		" records, %" PRIu64 " bytes\n",
		tool_name, v->output, vmt_end_name(r->outcome.end), r->outcome.events,
		r->outcome.emissions, r->summary.records, r->summary.stored_bytes);
}

static int run(const void *values, int argc, char **argv)
{
	const struct values *v = values;
	struct recording r = {0};
	struct vmt_error err = {0};
	int n;

	(void)argc;
	(void)argv;
	if (v->list_handlers) {
		vmt_tool_list_handlers();
		return VMT_EXIT_SAME;
	}
	if (!v->handler || !v->output) {
		vmt_error_set(&err, VMT_E_INVALID, "command line",
			      "--%s is missing; --help shows the use",
			      v->handler ? "output" : "handler");
		return vmt_tool_complain(tool_name, &err);
	}
	n = open_recording(&r, v, &err);
	if (n >= 0)
		n = run_session(&r, v, &err);
	n = close_recording(&r, n, &err);
	if (n < 0) {
		int status = vmt_tool_complain(tool_name, &err);

		return vmt_exit_worse(r.refused ? VMT_EXIT_HYPERVISOR : status,
				      status_of(&r.outcome));
	}
	print_summary(&r, v);
	return status_of(&r.outcome);
}

static const struct values defaults = {.capture = 1};
static const struct vmt_tool_verb verb = {
	.arguments = "",
	.summary = "Run a handler on a domain and record the session to a trace.",
	.options = options,
	.run = run,
	.values_size = sizeof(struct values),
	.defaults = &defaults,
};
static const struct vmt_tool tool = {tool_name, "record a VMI handler's session", &verb, 1};

int main(int argc, char **argv)
{
	return vmt_tool_main(&tool, argc, argv);
}
