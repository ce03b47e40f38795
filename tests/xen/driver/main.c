/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * driver DOMID [NAME...]: runs the trials whose names begin so, or all, over a domain that runs the
 * demo guest. Prints TAP. With TRIAL_TRACES each trial's session is recorded to a file in that folder.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <xenctrl.h>
#include <xenforeignmemory.h>
#pragma GCC diagnostic pop

#include "oracle.h"
#include "trial.h"

static xc_interface *xch;
static uint32_t domid;
static unsigned long compared[ORACLE_KINDS]; /* by all trials */
static unsigned long differences;

static const struct script *const tables[] = {
	scripts_events, scripts_answers, scripts_async,
	scripts_views,  scripts_control, scripts_errors,
};

/* -------------------------------------------------------------------------------------------- */
/* What trials use                                                                              */
/* -------------------------------------------------------------------------------------------- */

bool expect(struct trial *t, bool holds, const char *format, ...)
{
	size_t used = strlen(t->text);
	va_list ap;

	if (holds)
		return true;
	t->failed = true;
	if (used + 3 < sizeof(t->text)) {
		if (used > 0)
			used += (size_t)snprintf(t->text + used, sizeof(t->text) - used, "; ");
		va_start(ap, format);
		vsnprintf(t->text + used, sizeof(t->text) - used, format, ap);
		va_end(ap);
	}
	return false;
}

bool succeeded(struct trial *t, int r, const struct vmt_error *err, const char *what)
{
	char text[512];

	return expect(t, r >= 0, "%s: %s", what, vmt_error_format(err, text, sizeof(text)));
}

bool refused(struct trial *t, int r, enum vmt_status status, const struct vmt_error *err,
	     const char *what)
{
	return expect(t, r == -(int)status, "%s: %s wanted, not %d (%s)", what,
		      vmt_status_name((int)status), r, err->text) &&
	       expect(t, strlen(err->text) > 20, "%s: a sentence wanted", what);
}

void trial_done(struct trial *t)
{
	t->done = true;
}

struct vmt_response trial_failed(struct trial *t, struct vmt_ctx *ctx, const char *wanted)
{
	char text[256];

	expect(t, false, "%s; the event was: %s", wanted,
	       vmt_event_format(vmt_event_of(ctx), text, sizeof(text)));
	return vmt_fail(ctx, "%s", wanted);
}

void trial_sleep(int ms)
{
	const struct timespec time = {ms / 1000, ms % 1000 * 1000000L};

	nanosleep(&time, NULL);
}

static uint32_t domain_flags(void)
{
	xc_domaininfo_t info;

	if (xc_domain_getinfolist(xch, domid, 1, &info) != 1 || info.domain != domid)
		return XEN_DOMINF_dying;
	return info.flags;
}

bool domain_is_paused(const struct trial *t)
{
	(void)t;
	return domain_flags() & XEN_DOMINF_paused;
}

uint64_t played(const struct trial *t)
{
	return t->guest->count[t->script->scene] - t->before.count[t->script->scene];
}

bool guest_goes_on(const struct trial *t)
{
	uint64_t round = t->guest->round;

	for (int turn = 0; turn < 20; turn++) {
		trial_sleep(QUIET_MS / 20);
		if (t->guest->round > round + 2)
			return true;
	}
	return false;
}

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static struct trial *current; /* for create, which is given nothing else */

static int create(struct vmt_session *s, void **self)
{
	*self = current;
	return current->script->begin(current, s);
}

/* Rounds were played before the monitor was on; failed checks count all the same. */
static void begin_counting(struct trial *t)
{
	uint64_t errors = t->before.errors;

	t->before = *(struct demo_vcpu *)t->guest;
	t->before.errors = errors;
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	struct trial *t = self;
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_gprs gprs;
	struct vmt_response rsp;

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN || t->done) {
		rsp = vmt_default_answer(ev, &gprs);
		if (rsp.flags & VMT_RSP_REGS) {
			*vmt_gprs_of(ctx) = gprs;
			rsp.regs = vmt_gprs_of(ctx);
		}
		return rsp;
	}
	if (t->events++ == 0)
		begin_counting(t);
	if (!t->script->event)
		return trial_failed(t, ctx, "no event was wanted");
	return t->script->event(t, ctx);
}

static int handle_timeout(void *self, struct vmt_session *s)
{
	struct trial *t = self;

	expect(t, false, "an event wanted; %u came before", t->events);
	return vmt_session_fail(s, "no event came");
}

static int poll_handler(const void *self, struct vmt_record *out)
{
	const struct trial *t = self;

	(void)out;
	return t->done || t->script->without_events;
}

static const struct vmt_handler_ops handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "trial",
	.version = "1",
	.create = create,
	.handle_event = handle_event,
	.handle_timeout = handle_timeout,
	.poll = poll_handler,
};

/* -------------------------------------------------------------------------------------------- */
/* One trial                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/* A recorder around the trial's driver, which it closes. NULL: nothing is recorded, or it failed. */
static struct vmt_driver *begin_tape(struct trial *t, struct vmt_trace_writer **writer)
{
	const char *folder = getenv("TRIAL_TRACES");
	struct vmt_recorder_config config = {.tool = "trials"};
	struct vmt_driver *tape = NULL;
	struct vmt_error err = {0};
	char path[256];

	if (!folder)
		return NULL;
	(void)snprintf(path, sizeof(path), "%s/%s.vmt", folder, t->script->name);
	if (succeeded(t, vmt_trace_writer_open(path, NULL, writer, &err), &err, path)) {
		config.writer = *writer;
		succeeded(t, vmt_recorder_create(t->driver, &config, &tape, &err), &err, path);
	}
	return tape;
}

static void end_tape(struct trial *t, struct vmt_driver *tape, struct vmt_trace_writer *writer)
{
	struct vmt_error err = {0};

	if (tape) {
		succeeded(t, -vmt_recorder_error(tape)->status, vmt_recorder_error(tape),
			  "recording");
		vmt_driver_close(tape);
		t->driver = NULL;
	}
	if (writer)
		succeeded(t, vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err),
			  &err, "the trace");
}

/* The session has the recorder; what a trial asks of its driver itself goes past that. */
static void run_session(struct trial *t)
{
	struct vmt_trace_writer *writer = NULL;
	struct vmt_driver *tape = begin_tape(t, &writer);
	struct vmt_observer *observers[] = {tape ? vmt_recorder_observer(tape) : NULL};
	const struct vmt_session_config config = {
		.driver = tape ? tape : t->driver,
		.handler = &handler,
		.observers = observers,
		.nobservers = tape ? 1 : 0,
		.timeout_ms = EVENT_MS,
	};
	struct vmt_session *s;
	struct vmt_outcome outcome = {0};
	struct vmt_error err = {0};

	current = t;
	if (!succeeded(t, vmt_session_create(&config, &s, &err), &err, "session")) {
		end_tape(t, tape, writer);
		return;
	}
	vmt_session_run(s, &outcome);
	succeeded(t, -outcome.error.status, &outcome.error, "session");
	succeeded(t, -outcome.teardown.status, &outcome.teardown, "teardown");
	expect(t, outcome.end == (t->script->goes ? VMT_END_GONE : VMT_END_FINISHED),
	       "the session ended as '%s'", vmt_end_name(outcome.end));
	vmt_session_destroy(s);
	end_tape(t, tape, writer);
}

/* The domain must be as it was found: it runs, and its checks hold. */
static void check_domain(struct trial *t)
{
	uint64_t errors;

	expect(t, !domain_is_paused(t), "the domain is left paused");
	expect(t, guest_goes_on(t), "the guest does not go on afterwards");
	errors = t->guest->errors;
	if (!t->script->checks_fail)
		expect(t, errors == t->before.errors,
		       "%lu self-checks of the guest failed, the first in scene %lu: %#lx, not %#lx",
		       (unsigned long)(errors - t->before.errors),
		       (unsigned long)t->guest->first_error_scene - 1,
		       (unsigned long)t->guest->first_error_seen,
		       (unsigned long)t->guest->first_error_wanted);
	t->status->scenes = BIT(DEMO_SMP) - 1;
	expect(t, guest_goes_on(t) && t->guest->errors == errors,
	       "self-checks fail when nobody watches any more: scene %lu",
	       (unsigned long)t->guest->first_error_scene - 1);
}

/* The Xen driver, with a model of the domain beside it. */
static int attach(struct trial *t, struct oracle_result *result, struct vmt_error *err)
{
	const struct vmt_xen_config config = {.domain = t->domain};
	struct vmt_driver *xen;
	int r = vmt_xen_open(&config, &xen, err);

	if (r < 0)
		return r;
	r = oracle_open(xen, result, &t->driver, err);
	if (r < 0)
		vmt_driver_close(xen);
	return r;
}

static void count(struct trial *t, const struct oracle_result *result)
{
	for (unsigned i = 0; i < ORACLE_KINDS; i++)
		compared[i] += result->compared[i];
	differences += result->differences;
	expect(t, result->differences == 0, "the model and Xen differ %lu times, first: %s",
	       result->differences, result->first);
}

static void run_attached(struct trial *t, struct oracle_result *result)
{
	const struct script *script = t->script;

	if (!script->no_session)
		run_session(t);
	else
		script->after(t);
	vmt_driver_close(t->driver);
	t->driver = NULL;
	count(t, result);
	if (!script->no_session && script->after && !t->failed)
		script->after(t);
}

static void run(struct trial *t, const struct script *script)
{
	struct oracle_result result = {0};
	struct vmt_error err = {0};

	t->script = script;
	t->events = 0;
	t->done = t->failed = false;
	t->text[0] = 0;
	memset(t->note, 0, sizeof(t->note));
	t->status->scenes = BIT(script->scene);
	guest_goes_on(t); /* the round that was being played is over */
	t->before = *(struct demo_vcpu *)t->guest;
	if (script->alone)
		script->after(t);
	else if (succeeded(t, attach(t, &result, &err), &err, "attach"))
		run_attached(t, &result);
	if (!script->goes)
		check_domain(t);
}

/* -------------------------------------------------------------------------------------------- */
/* All                                                                                          */
/* -------------------------------------------------------------------------------------------- */

static bool wanted(const struct trial *t, const struct script *script, int count, char **names)
{
	if (script->vcpus > t->vcpus)
		return false;
	for (int i = 0; i < count; i++)
		if (!strncmp(script->name, names[i], strlen(names[i])))
			return true;
	return count == 0 && !script->special;
}

static volatile struct demo_status *map_status(void)
{
	xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
	xen_pfn_t frame = DEMO_GFN_STATUS;
	int error = 0;
	void *page = memory ? xenforeignmemory_map(memory, domid, PROT_READ | PROT_WRITE, 1, &frame,
						   &error)
			    : NULL;

	return error ? NULL : page;
}

static bool guest_is_ready(struct trial *t)
{
	for (int turn = 0; turn < 200; turn++) {
		if (t->status->magic == DEMO_MAGIC && t->guest->round > 3 &&
		    t->guest->count[DEMO_IO] > 0)
			return true;
		trial_sleep(10);
	}
	return false;
}

static bool open_domain(struct trial *t, const char *id)
{
	xc_domaininfo_t info;

	t->domain = id;
	domid = (uint32_t)strtoul(id, NULL, 10);
	xch = xc_interface_open(NULL, NULL, 0);
	if (!xch || xc_domain_getinfolist(xch, domid, 1, &info) != 1 || info.domain != domid)
		return false;
	t->vcpus = info.max_vcpu_id + 1;
	t->status = map_status();
	if (!t->status)
		return false;
	t->guest = &t->status->vcpu[0];
	xc_domain_unpause(xch, domid);
	if (!guest_is_ready(t))
		return false;
	if (t->vcpus > 1) {
		t->status->scenes |= BIT(DEMO_SMP);
		for (int turn = 0; turn < 200 && t->status->vcpu[1].round < 3; turn++)
			trial_sleep(10);
	}
	return true;
}

int main(int argc, char **argv)
{
	static struct trial t;
	unsigned number = 0, failures = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: driver DOMID [NAME...]\n");
		return 2;
	}
	if (!open_domain(&t, argv[1])) {
		printf("Bail out! the domain does not run the demo guest\n");
		return 1;
	}
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct script *script = tables[i]; script->name; script++) {
			if (!wanted(&t, script, argc - 2, argv + 2))
				continue;
			run(&t, script);
			printf("%sok %u - %s\n", t.failed ? "not " : "", ++number, script->name);
			if (t.failed)
				printf("# %s\n", t.text);
			(void)fflush(stdout);
			failures += t.failed;
			if (script->goes)
				return failures != 0;
			if (domain_flags() & (XEN_DOMINF_dying | XEN_DOMINF_shutdown)) {
				printf("Bail out! the domain is no more\n");
				return 1;
			}
		}
	}
	printf("1..%u\n", number);
	printf("# the model against Xen:");
	for (unsigned i = 0; i < ORACLE_KINDS; i++)
		printf(" %lu %s,", compared[i], oracle_kind_names[i]);
	printf(" %lu differences\n", differences);
	return failures != 0;
}
