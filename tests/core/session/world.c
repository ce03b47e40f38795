/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The world of a session's tests: see world.h.
 */
#include <stdio.h>

#include "world.h"

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

struct probe probe;

static const struct vmt_field seen_fields[] = {{"number", VMT_U64, VMT_KEY}};
const struct vmt_schema seen_schema = VMT_SCHEMA("seen", seen_fields);

static const struct vmt_field result_fields[] = {{"events", VMT_U64, 0}, {"text", VMT_TEXT, 0}};
const struct vmt_schema result_schema = VMT_SCHEMA("result", result_fields);

void note(uint64_t number)
{
	assert_true(probe.nnoted < COUNT(probe.noted));
	probe.noted[probe.nnoted++] = number;
}

int watch_cpuid(struct vmt_session *s)
{
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

struct vmt_response answer_plainly(struct vmt_ctx *ctx)
{
	if (vmt_event_of(ctx)->reason == VMT_EVENT_CPUID)
		return vmt_skip(ctx);
	return vmt_respond(VMT_CONTINUE);
}

static int probe_create(struct vmt_session *s, void **self)
{
	probe.creates++;
	probe.session = s;
	world_tell(probe.world, "create");
	*self = &probe;
	return probe.create ? probe.create(s) : watch_cpuid(s);
}

static struct vmt_response probe_event(void *self, struct vmt_ctx *ctx)
{
	assert_ptr_equal(self, &probe);
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		probe.drained++;
	else
		probe.events++;
	world_tell(probe.world, "event");
	return probe.event ? probe.event(ctx) : answer_plainly(ctx);
}

static int probe_timeout(void *self, struct vmt_session *s)
{
	assert_ptr_equal(self, &probe);
	probe.timeouts++;
	world_tell(probe.world, "timeout");
	return probe.timeout ? probe.timeout(s) : 0;
}

static void probe_interrupted(void *self, struct vmt_session *s)
{
	assert_ptr_equal(self, &probe);
	probe.interrupts++;
	world_tell(probe.world, "interrupted");
	if (probe.interrupted)
		probe.interrupted(s);
}

static void probe_cleanup(void *self, struct vmt_session *s)
{
	assert_ptr_equal(self, &probe);
	probe.cleanups++;
	world_tell(probe.world, "cleanup");
	if (probe.cleanup)
		probe.cleanup(s);
}

static int probe_poll(const void *self, struct vmt_record *out)
{
	assert_ptr_equal(self, &probe);
	probe.polls++;
	world_tell(probe.world, "poll");
	if (probe.poll)
		return probe.poll(out);
	return probe.finish_after > 0 && probe.events >= probe.finish_after;
}

static void probe_destroy(void *self)
{
	assert_ptr_equal(self, &probe);
	probe.destroys++;
	world_tell(probe.world, "destroy");
	if (probe.destroy)
		probe.destroy();
}

static const struct vmt_schema *const probe_schemas[] = {&seen_schema, &result_schema, NULL};

const struct vmt_handler_ops probe_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "probe",
	.version = "1",
	.schemas = probe_schemas,
	.create = probe_create,
	.handle_event = probe_event,
	.handle_timeout = probe_timeout,
	.handle_interrupted = probe_interrupted,
	.cleanup = probe_cleanup,
	.poll = probe_poll,
	.destroy = probe_destroy,
};

/* -------------------------------------------------------------------------------------------- */
/* The story                                                                                    */
/* -------------------------------------------------------------------------------------------- */

struct story_line {
	enum story kind;
	char word[32];
};

static void add_line(struct world *w, enum story kind, const char *before, const char *word,
		     const char *behind)
{
	struct story_line *line;

	if (w->nlines == w->room) {
		w->room = w->room > 0 ? 2 * w->room : 256;
		w->lines = realloc(w->lines, w->room * sizeof(*w->lines));
		assert_non_null(w->lines);
	}
	line = &w->lines[w->nlines++];
	line->kind = kind;
	snprintf(line->word, sizeof(line->word), "%s%s%s", before, word, behind);
}

/* Calls that were made since the last look. */
static void tell_calls(struct world *w)
{
	const size_t n = vmt_call_log_count(w->driver, 0);

	for (; w->calls_told < n; w->calls_told++) {
		const struct vmt_logged_call *c = vmt_call_log_get(w->driver, 0, w->calls_told);

		add_line(w, STORY_CALLS, "", vmt_call_name(c->call.op),
			 c->call.result < 0 ? "!" : "");
	}
}

void world_tell(struct world *w, const char *word)
{
	tell_calls(w);
	add_line(w, STORY_HANDLER, "", word, "");
}

static struct world *world_of(struct vmt_observer *o)
{
	return (struct world *)((char *)o - offsetof(struct world, observer));
}

static void story_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	tell_calls(world_of(o));
	add_line(world_of(o), STORY_OBSERVED, "<", vmt_callback_name(cb->kind), "");
}

static void story_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			       const struct vmt_callback_result *r)
{
	(void)r;
	tell_calls(world_of(o));
	add_line(world_of(o), STORY_OBSERVED, "", vmt_callback_name(cb->kind), ">");
}

static void story_teardown(struct vmt_observer *o, const char *step)
{
	tell_calls(world_of(o));
	add_line(world_of(o), STORY_STEPS, "[", step, "]");
}

static const struct vmt_observer_ops story_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.callback = story_callback,
	.callback_end = story_callback_end,
	.teardown = story_teardown,
};

static const char *story_from(struct world *w, size_t first, unsigned what)
{
	size_t len = 0;

	free(w->text);
	w->text = malloc(w->nlines * sizeof(w->lines[0].word) + 1);
	assert_non_null(w->text);
	w->text[0] = '\0';
	for (size_t i = first; i < w->nlines; i++)
		if (w->lines[i].kind & what)
			len += (size_t)sprintf(w->text + len, "%s%s", len > 0 ? " " : "",
					       w->lines[i].word);
	return w->text;
}

const char *world_story(struct world *w, unsigned what)
{
	tell_calls(w);
	return story_from(w, 0, what);
}

const char *world_teardown_story(struct world *w, unsigned what)
{
	size_t first = 0;

	tell_calls(w);
	while (first < w->nlines && w->lines[first].kind != STORY_STEPS)
		first++;
	assert_true(first < w->nlines);
	return story_from(w, first, what);
}

/* -------------------------------------------------------------------------------------------- */
/* The world                                                                                    */
/* -------------------------------------------------------------------------------------------- */

void world_renew(struct world *w)
{
	vmt_session_destroy(w->session);
	vmt_collector_destroy(w->seen);
	vmt_driver_close(w->driver);
	free(w->lines);
	free(w->text);
	memset(w, 0, sizeof(*w));
	memset(&probe, 0, sizeof(probe));
	probe.world = w;
}

int world_setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	world_renew(w);
	*state = w;
	return 0;
}

int world_finish(void **state)
{
	world_renew(*state);
	free(*state);
	return 0;
}

void world_observe(struct world *w, struct vmt_observer *observer)
{
	assert_true(w->config.nobservers < COUNT(w->observers));
	w->observers[w->config.nobservers++] = observer;
}

void world_open(struct world *w, const struct vmt_scripted_config *config)
{
	vmt_assert_ok(vmt_scripted_create(config, &w->domain, &w->err), &w->err);
	w->driver = w->domain;
	vmt_assert_ok(vmt_fault_injector_create(w->domain, 1, &w->faults, &w->err), &w->err);
	w->driver = w->faults;
	vmt_assert_ok(vmt_call_log_create(w->faults, &w->driver, &w->err), &w->err);
	vmt_assert_ok(vmt_collector_create(&w->seen, &w->err), &w->err);
	w->observer.ops = &story_ops;
	w->config.driver = w->driver;
	w->config.handler = &probe_handler;
	w->config.observers = w->observers;
	world_observe(w, vmt_fault_injector_observer(w->faults));
	world_observe(w, vmt_collector_observer(w->seen));
	world_observe(w, &w->observer);
}

void world_play(struct world *w, const struct vmt_step *steps, size_t n)
{
	vmt_assert_ok(vmt_scripted_play(w->domain, steps, n, &w->err), &w->err);
}

void world_fault(struct world *w, const struct vmt_fault_rule *rule)
{
	vmt_assert_ok(vmt_fault_injector_add(w->faults, rule), NULL);
}

void world_create(struct world *w)
{
	vmt_assert_ok(vmt_session_create(&w->config, &w->session, &w->err), &w->err);
}

int world_run(struct world *w)
{
	if (!w->session)
		world_create(w);
	w->result = vmt_session_run(w->session, &w->outcome);
	return w->result;
}

int world_run_cpuids(struct world *w, unsigned n)
{
	world_open(w, NULL);
	for (unsigned i = 0; i < n; i++)
		WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, i, 0));
	return world_run(w);
}

void world_open_batch(struct world *w, uint16_t vcpus)
{
	struct vmt_scripted_config config = {.vcpus = vcpus};

	world_open(w, &config);
	for (uint16_t v = 0; v < vcpus; v++)
		WORLD_PLAY(w, VMT_INSN_CPUID(v, VMT_SCRIPTED_RIP * (v + 1u), v, 0));
}

struct vmt_leftovers world_leftovers(struct world *w)
{
	struct vmt_leftovers left;

	vmt_assert_ok(vmt_scripted_leftovers(w->domain, &left), NULL);
	return left;
}

const struct vmt_response *world_answer(struct world *w, size_t n)
{
	const size_t all = vmt_call_log_count(w->driver, VMT_CALL_ANSWER);

	for (size_t i = 0; i < all; i++) {
		const struct vmt_logged_call *c = vmt_call_log_get(w->driver, VMT_CALL_ANSWER, i);

		if (c->call.result >= 0 && n-- == 0)
			return c->call.u.answer.response;
	}
	fail_msg("there are not so many answers");
	return NULL;
}

struct vmt_gprs world_gprs(struct world *w, uint16_t vcpu)
{
	struct vmt_regs regs;

	vmt_assert_ok(vmt_driver_get_regs(w->domain, vcpu, &regs), &w->domain->err);
	return regs.gprs;
}

void assert_holds(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("'%s' is not in '%s'", part, text);
}
