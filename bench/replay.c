/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replayed events per second: the handler tiny, recorded on the scripted domain whose vCPU writes
 * CR3, replayed in this process. Opening the trace, which reads through it once, counts too.
 * By time of the processor; that of recording is of both threads.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmitape/record.h>
#include <vmitape/replay.h>
#include <vmitape/test.h>

#include "measure.h"

#define EVENTS 50000u
#define BLOCK  100u

static char path[64];

static void check(int r, const struct vmt_error *err)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT];

	if (r >= 0)
		return;
	fprintf(stderr, "bench: %s\n", vmt_error_format(err, text, sizeof(text)));
	exit(1);
}

static struct vmt_driver *make_domain(void)
{
	struct vmt_step block[BLOCK];
	struct vmt_error err = {0};
	struct vmt_driver *d;

	check(vmt_scripted_create(NULL, &d, &err), &err);
	for (unsigned i = 0; i < BLOCK; i++)
		block[i] = (struct vmt_step)VMT_INSN_CR(0, VMT_SCRIPTED_RIP + UINT64_C(3) * i,
							VMT_CR3, i % 2 ? 0x5000 : 0x6000);
	for (unsigned i = 0; i < EVENTS / BLOCK + 1; i++)
		check(vmt_scripted_play(d, block, BLOCK, &err), &err);
	return d;
}

static void load(struct vmt_loaded_handler *handler)
{
	struct vmt_error err = {0};

	check(vmt_handler_load("tiny", handler, &err), &err);
}

/** Record tiny; returns the seconds that it took. */
static double record(const char *count)
{
	const struct vmt_option options[] = {{"count", count}};
	const struct vmt_trace_writer_options replace = {.replace = true};
	struct vmt_recorder_config config = {0};
	struct vmt_driver *recorder;
	struct vmt_observer *observer;
	struct vmt_loaded_handler handler;
	struct vmt_session_config session = {.options = options, .noptions = 1, .nobservers = 1};
	struct vmt_session *s;
	struct vmt_error err = {0};
	struct vmt_driver *domain = make_domain();
	double start;

	load(&handler);
	start = measure_cpu();
	check(vmt_trace_writer_open(path, &replace, &config.writer, &err), &err);
	check(vmt_recorder_create(domain, &config, &recorder, &err), &err);
	observer = vmt_recorder_observer(recorder);
	session.driver = recorder;
	session.handler = handler.ops;
	session.observers = &observer;
	check(vmt_session_create(&session, &s, &err), &err);
	vmt_session_run(s, NULL);
	vmt_session_destroy(s);
	check(-vmt_recorder_error(recorder)->status, vmt_recorder_error(recorder));
	check(vmt_trace_writer_close(config.writer, VMT_TRACE_END_OVER, NULL, NULL, &err), &err);
	start = measure_cpu() - start;
	vmt_driver_close(recorder);
	return start;
}

static double replay(void)
{
	struct vmt_loaded_handler handler;
	struct vmt_replay_run run = {.trace = path, .no_isolation = true};
	struct vmt_replay_report report;
	struct vmt_error err = {0};
	double start;

	load(&handler);
	run.handler = handler.ops;
	start = measure_cpu();
	check(vmt_replay_run(&run, &report, &err), &err);
	start = measure_cpu() - start;
	if (report.verdict != VMT_VERDICT_SAME || report.delivered < EVENTS) {
		fprintf(stderr, "bench: the replay is not the same\n");
		exit(1);
	}
	return start;
}

int main(void)
{
	char folder[] = "/tmp/vmt-bench-XXXXXX";
	struct measure recorded = {0};
	struct measure replayed = {0};
	char count[16];

	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/x.vmt", folder);
	(void)snprintf(count, sizeof(count), "%u", EVENTS);
	for (unsigned i = 0; i < MEASURES; i++) {
		measure_add(&recorded, EVENTS / record(count) / 1e6);
		measure_add(&replayed, EVENTS / replay() / 1e6);
	}
	measure_head("tiny on 50 thousand events");
	measure_print("  recorded", &recorded, "million events/s");
	measure_print("  replayed", &replayed, "million events/s; goal: 0.5");
	(void)unlink(path);
	rmdir(folder);
	return 0;
}
