/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recording, replaying, and the truth.
 */
#include "support.h"

#include "core/record-compare.h"

int set_up(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	strcpy(p->folder, "/tmp/vmitape-replay-XXXXXX");
	*state = p;
	if (!mkdtemp(p->folder))
		return -1;
	(void)snprintf(p->trace, sizeof(p->trace), "%s/x.vmt", p->folder);
	(void)snprintf(p->again, sizeof(p->again), "%s/again.vmt", p->folder);
	return 0;
}

int tear_down(void **state)
{
	struct place *p = *state;
	char command[128];

	(void)snprintf(command, sizeof(command), "rm -rf %s", p->folder);
	free(p);
	return system(command) == 0 ? 0 : -1;
}

static struct vmt_driver *make(const struct world *world)
{
	struct vmt_driver *d;
	struct vmt_error err = {0};

	if (world->make) {
		d = world->make();
	} else {
		vmt_assert_ok(vmt_scripted_create(&world->config, &d, &err), &err);
		vmt_assert_ok(vmt_scripted_play(d, world->steps, world->nsteps, &err), &err);
	}
	if (world->prepare)
		world->prepare(&d);
	return d;
}

static void run_session(const struct world *world, const struct vmt_handler_ops *handler,
			struct vmt_driver *d, struct vmt_observer *observer)
{
	struct vmt_memory_files files;
	struct vmt_session_config config = {
		.driver = d,
		.handler = handler,
		.options = world->options,
		.noptions = world->noptions,
		.files = &files.source,
		.observers = &observer,
		.nobservers = 1,
		.timeout_ms = world->timeout_ms,
	};
	struct vmt_session *s;
	struct vmt_error err = {0};

	vmt_memory_files_init(&files, world->files, world->nfiles);
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	vmt_session_run(s, NULL);
	vmt_session_destroy(s);
}

void record(struct place *p, const struct world *world, const struct vmt_handler_ops *handler)
{
	struct vmt_trace_writer_options options = {.replace = true, .level = -1};
	struct vmt_recorder_config config = {
		.capture = world->capture, .timeout_ms = world->timeout_ms, .tool = "test"};
	struct vmt_trace_summary summary;
	struct vmt_driver *recorder;
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_trace_writer_open(p->trace, &options, &config.writer, &err), &err);
	vmt_assert_ok(vmt_recorder_create(make(world), &config, &recorder, &err), &err);
	run_session(world, handler, recorder, vmt_recorder_observer(recorder));
	vmt_assert_ok(-vmt_recorder_error(recorder)->status, vmt_recorder_error(recorder));
	vmt_driver_close(recorder);
	vmt_assert_ok(vmt_trace_writer_close(config.writer, VMT_TRACE_END_OVER, NULL, &summary,
					     &err),
		      &err);
	p->digests = summary.digests;
}

void replay(struct place *p, const struct vmt_replay_config *config,
	    const struct vmt_handler_ops *handler, struct vmt_collector *collector,
	    struct vmt_replay_report *report)
{
	struct vmt_observer *observers[1];
	struct vmt_replay_run run = {.trace = p->trace, .handler = handler, .no_isolation = true};
	struct vmt_error err = {0};

	if (config)
		run.replay = *config;
	if (collector) {
		observers[0] = vmt_collector_observer(collector);
		run.observers = observers;
		run.nobservers = 1;
	}
	vmt_assert_ok(vmt_replay_run(&run, report, &err), &err);
}

void live(const struct world *world, const struct vmt_handler_ops *handler,
	  struct vmt_collector *collector)
{
	struct vmt_driver *d = make(world);

	run_session(world, handler, d, vmt_collector_observer(collector));
	vmt_driver_close(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Recording again                                                                              */
/* -------------------------------------------------------------------------------------------- */

struct again {
	struct place *place;
	struct vmt_trace_writer *writer;
	struct vmt_driver *recorder;
	struct vmt_trace_digests digests;
};

static int open_again(void *arg, struct vmt_driver *inner, struct vmt_driver **outer,
		      struct vmt_observer **observer, struct vmt_error *err)
{
	struct again *a = arg;
	const struct vmt_replay_origin *origin = vmt_replay_origin(inner);
	struct vmt_trace_writer_options options = {.replace = true, .level = -1};
	struct vmt_recorder_config config = {
		.capture = (uint8_t)origin->policy,
		.tool = origin->tool,
		.timeout_ms = origin->timeout_ms,
		.settle_ms = origin->settle_ms,
		.drain_max = origin->drain_max,
	};
	int r = vmt_trace_writer_open(a->place->again, &options, &a->writer, err);

	config.writer = a->writer;
	if (r == 0)
		r = vmt_recorder_create(inner, &config, outer, err);
	if (r < 0)
		return r;
	a->recorder = *outer;
	*observer = vmt_recorder_observer(*outer);
	return 0;
}

static int close_again(void *arg, const struct vmt_replay_report *report, struct vmt_error *err)
{
	struct again *a = arg;
	struct vmt_trace_summary summary;
	int r;

	(void)report;
	vmt_assert_ok(-vmt_recorder_error(a->recorder)->status, vmt_recorder_error(a->recorder));
	r = vmt_trace_writer_close(a->writer, VMT_TRACE_END_OVER, NULL, &summary, err);
	a->digests = summary.digests;
	return r;
}

void record_again(struct place *p, const struct vmt_handler_ops *handler,
		  struct vmt_replay_report *report, struct vmt_trace_digests *digests)
{
	struct again a = {.place = p};
	struct vmt_replay_hook hook = {open_again, close_again, &a};
	struct vmt_replay_run run = {
		.trace = p->trace, .handler = handler, .no_isolation = true, .hook = &hook};
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_replay_run(&run, report, &err), &err);
	*digests = a.digests;
}

/* -------------------------------------------------------------------------------------------- */
/* Assertions                                                                                   */
/* -------------------------------------------------------------------------------------------- */

void assert_verdict(const struct vmt_replay_report *report, unsigned verdict)
{
	char *text = vmt_replay_report_text(report);

	if (report->verdict != verdict)
		print_message("%s\n", text);
	free(text);
	assert_string_equal(vmt_verdict_name(report->verdict), vmt_verdict_name(verdict));
}

struct lines {
	char *v[4096];
	size_t n;
};

static int put(void *context, const char *text, size_t len)
{
	char **line = context;
	size_t old = *line ? strlen(*line) : 0;

	*line = realloc(*line, old + len + 1);
	memcpy(*line + old, text, len);
	(*line)[old + len] = '\0';
	return 0;
}

/** The records of a trace as text, without the page ids and positions. */
static void read_lines(const char *path, struct lines *lines)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};

	lines->n = 0;
	vmt_assert_ok(vmt_trace_reader_open(path, NULL, &reader, &err), &err);
	while (lines->n < 4096 && vmt_trace_reader_next(reader, &record, &err) == 1) {
		lines->v[lines->n] = NULL;
		vmt_trace_record_json(&record, put, &lines->v[lines->n++]);
	}
	vmt_trace_reader_close(reader);
}

static void free_lines(struct lines *lines)
{
	for (size_t i = 0; i < lines->n; i++)
		free(lines->v[i]);
}

/** Show where the two traces are different: for whoever reads a failed test. */
static void show_difference(const struct place *p)
{
	struct lines *a = calloc(2, sizeof(*a));
	struct lines *b = a + 1;

	read_lines(p->trace, a);
	read_lines(p->again, b);
	for (size_t i = 0; i < a->n && i < b->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0) {
			print_message("recorded: %.600s\nagain:    %.600s\n", a->v[i], b->v[i]);
			break;
		}
	print_message("%zu records, and %zu again\n", a->n, b->n);
	free_lines(a);
	free_lines(b);
	free(a);
}

void assert_identity(struct place *p, const struct world *world,
		     const struct vmt_handler_ops *handler)
{
	struct vmt_replay_report report;
	struct vmt_trace_digests digests;

	record(p, world, handler);
	assert_true(p->digests.known);
	replay(p, NULL, handler, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
	assert_int_equal(report.delivered, report.recorded_events);
	assert_true(report.same_end);
	assert_int_equal(report.modelled, 0);
	record_again(p, handler, &report, &digests);
	assert_verdict(&report, VMT_VERDICT_SAME);
	if (memcmp(&digests, &p->digests, sizeof(digests)) != 0)
		show_difference(p);
	assert_memory_equal(digests.behaviour, p->digests.behaviour, 16);
	assert_memory_equal(digests.record, p->digests.record, 16);
	replay(p, &(struct vmt_replay_config){.match = VMT_REPLAY_STRICT}, handler, NULL, &report);
	assert_verdict(&report, VMT_VERDICT_SAME);
}

void assert_same_emissions(const struct vmt_collector *a, const struct vmt_collector *b)
{
	size_t n = vmt_collector_nemissions(a, NULL);

	assert_int_equal(vmt_collector_nemissions(b, NULL), n);
	for (size_t i = 0; i < n; i++) {
		const struct vmt_collected_emission *x = vmt_collector_emission(a, NULL, i);
		const struct vmt_collected_emission *y = vmt_collector_emission(b, NULL, i);
		struct vmt_said sx = {x->schema, x->values, x->n};
		struct vmt_said sy = {y->schema, y->values, y->n};
		const char *field;
		char tx[256];
		char ty[256];

		if (vmt_said_differ(&sx, &sy, &field))
			fail_msg("emission %zu: %s, and %s", i,
				 vmt_said_format(&sx, tx, sizeof(tx)),
				 vmt_said_format(&sy, ty, sizeof(ty)));
	}
}
