/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One recording: handler, keeper, domain, session, and their ends.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmitape/dry-run.h>
#include <vmitape/emulated.h>
#include <vmitape/record.h>
#include <vmitape/test.h>
#include <vmitape/xen.h>

#include "common/handler.h"
#include "vmirec.h"

#define MEMBER(name) offsetof(struct vmirec_values, name)

/** What was opened, in the order in which it is closed again. */
struct recording {
	struct vmt_tool_handler handler;
	struct vmt_dry_run *dry;   /**< for the policy `context` */
	struct vmt_driver *driver; /**< the recorder around the backend */
	struct vmirec_keeper keeper;
	struct vmt_trace_writer *writer;
	struct vmirec_watcher watcher;
	struct vmt_outcome outcome;
	struct vmt_trace_summary summary;
	bool refused; /**< there is no domain to record from */
};

static int open_scripted(const struct vmirec_values *v, const struct vmirec_keeper *k,
			 struct vmt_driver **d, struct vmt_error *err)
{
	(void)k;
	return vmt_scenario_open(v->guest, d, err);
}

static int open_xen(const struct vmirec_values *v, const struct vmirec_keeper *k,
		    struct vmt_driver **d, struct vmt_error *err)
{
	const struct vmt_xen_config config = {.domain = v->domain, .keeper = k->socket};

	return vmt_xen_open(&config, d, err);
}

static void show_console(void *arg, const char *text, size_t len)
{
	(void)arg;
	(void)fwrite(text, 1, len, stderr);
}

static int open_emulated(const struct vmirec_values *v, const struct vmirec_keeper *k,
			 struct vmt_driver **d, struct vmt_error *err)
{
	const struct vmt_emulated_config config = {
		.guest = v->guest,
		.command_line = v->command_line,
		.vcpus = (uint16_t)(v->vcpus < UINT16_MAX ? v->vcpus : UINT16_MAX),
		.memory = v->memory,
		.seed = v->seed,
		.console = v->quiet ? NULL : show_console,
	};

	(void)k;
	return vmt_emulated_open(&config, d, err);
}

/** By enum vmirec_backend: what names the domain, and what must not be given. */
static const struct opener {
	int (*open)(const struct vmirec_values *v, const struct vmirec_keeper *k,
		    struct vmt_driver **d, struct vmt_error *err);
	size_t needed, foreign;
	const char *missing, *unwanted;
} openers[] = {
	[VMIREC_SCRIPTED] = {open_scripted, MEMBER(guest), MEMBER(domain),
			     "--guest is missing: the scenario that the guest plays",
			     "--domain belongs to --backend xen; a scenario is its own domain"},
	[VMIREC_XEN] = {open_xen, MEMBER(domain), MEMBER(guest),
			"--domain is missing: a name or number as `xl list` shows them",
			"--guest belongs to the other backends; Xen runs the guest already, "
			"--domain names it"},
	[VMIREC_EMULATED] = {open_emulated, MEMBER(guest), MEMBER(domain),
			     "--guest is missing: the kernel that the guest boots",
			     "--domain belongs to --backend xen; the emulated guest is a domain of "
			     "its own"},
};

static const char *text_at(const struct vmirec_values *v, size_t offset)
{
	return *(const char *const *)(const void *)((const char *)v + offset);
}

static int check_backend(const struct vmirec_values *v, struct vmt_error *err)
{
	const struct opener *o = &openers[v->backend];

	if (text_at(v, o->foreign))
		return vmt_error_set(err, VMT_E_INVALID, "command line", "%s", o->unwanted);
	if (!text_at(v, o->needed))
		return vmt_error_set(err, VMT_E_INVALID, "command line", "%s", o->missing);
	if (v->backend != VMIREC_EMULATED && (v->command_line || v->seed || v->vcpus || v->memory))
		return vmt_error_set(err, VMT_E_INVALID, "command line",
				     "--command-line, --seed, --vcpus and --memory belong to "
				     "--backend emulated");
	return 0;
}

static int open_backend(struct recording *r, const struct vmirec_values *v, struct vmt_driver **d,
			struct vmt_error *err)
{
	int n = openers[v->backend].open(v, &r->keeper, d, err);

	/* whatever stands in the way, the hypervisor does not give this domain */
	r->refused = n < 0 && v->backend == VMIREC_XEN;
	return n;
}

static int open_recording(struct recording *r, const struct vmirec_values *v, struct vmt_error *err)
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
		n = vmirec_keeper_start(&r->keeper, v, &r->writer, err);
	if (n >= 0)
		n = open_backend(r, v, &backend, err);
	if (n >= 0 && config.capture >= VMT_CAPTURE_CONTEXT)
		n = vmt_dry_run_create(&r->dry, err);
	if (n >= 0) {
		config.writer = r->writer;
		config.context = vmt_dry_run_pages;
		config.context_arg = r->dry;
		n = vmt_recorder_create(backend, &config, &r->driver, err);
	}
	if (n < 0)
		vmt_driver_close(backend);
	return n;
}

static int run_session(struct recording *r, const struct vmirec_values *v, struct vmt_error *err)
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
	r->watcher.observer.ops = &vmirec_watcher_ops;
	vmirec_watch(&r->watcher, v, s);
	vmt_session_run(s, &r->outcome);
	vmirec_unwatch(&r->watcher);
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
	vmt_dry_run_destroy(r->dry);
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
	vmirec_keeper_finish(&r->keeper);
	vmt_tool_handler_finish(&r->handler);
	return n;
}

/** A limit, a stop and the guest's shutdown are good ends. */
static int status_of(const struct vmt_outcome *outcome)
{
	int status = VMT_EXIT_SAME;

	if (outcome->error.status)
		status = vmt_tool_complain(VMIREC, &outcome->error);
	if (outcome->end == VMT_END_HANDLER_FAILED)
		status = VMT_EXIT_HANDLER;
	if (outcome->teardown.status) {
		vmt_tool_complain(VMIREC, &outcome->teardown);
		status = vmt_exit_worse(status, VMT_EXIT_HYPERVISOR);
	}
	return status;
}

static void print_summary(const struct recording *r, const struct vmirec_values *v)
{
	if (v->quiet)
		return;
	fprintf(stderr,
		"%s: %s: %s; %" PRIu64 " events, %" PRIu64 " emissions, %" PRIu64
		" records, %" PRIu64 " bytes\n",
		VMIREC, v->output, vmt_end_name(r->outcome.end), r->outcome.events,
		r->outcome.emissions, r->summary.records, r->summary.stored_bytes);
}

int vmirec_record(const void *values, int argc, char **argv)
{
	const struct vmirec_values *v = values;
	struct recording r = {.keeper = {-1, -1, -1, -1}};
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
		return vmt_tool_complain(VMIREC, &err);
	}
	n = open_recording(&r, v, &err);
	if (n >= 0)
		n = run_session(&r, v, &err);
	n = close_recording(&r, n, &err);
	if (n < 0) {
		int status = vmt_tool_complain(VMIREC, &err);

		return vmt_exit_worse(r.refused ? VMT_EXIT_HYPERVISOR : status,
				      status_of(&r.outcome));
	}
	print_summary(&r, v);
	return status_of(&r.outcome);
}
