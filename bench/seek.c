/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Going to an event in a trace with ten million of them: the time from opening the file to having
 * the record, and when it is open already; with its index, and without. A process of its own does
 * it, so that its memory can be told.
 *
 *   seek          makes the trace in the temporary folder, and measures
 *   seek FILE N   measures on a trace that has N events
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmitape/trace.h>

#include "measure.h"
#include "trace-format/record.h"

#define EVENTS   10000000u
#define PLACES   200u
#define REPEATED 5u

static void check(int r, const struct vmt_error *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench: %s\n", err->text);
	exit(1);
}

/** An event that differs from the one before in some registers. */
static void next_event(struct vmt_event *ev, uint64_t n)
{
	const uint64_t mixed = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);

	ev->ticket = n;
	ev->vcpu = (uint16_t)(n & 1);
	ev->reason = VMT_EVENT_SINGLESTEP;
	ev->flags = VMT_EVENT_SYNC;
	ev->regs.known = VMT_KNOWN_XEN_EVENT;
	ev->regs.gprs.rip = UINT64_C(0xffffffff81000000) + (mixed >> 44);
	ev->regs.gprs.rax = mixed >> 56;
	ev->regs.gprs.rcx = n;
	ev->u.step.gfn = vmt_gfn_from(0x1000);
}

static void make_trace(const char *path)
{
	static const struct vmt_trace_meta meta = {.tool = "bench"};
	struct vmt_trace_record record = {.kind = VMT_TRACE_META, .body = &meta};
	struct vmt_trace_event body = {0};
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	const double start = measure_now();
	struct stat st;
	double s;

	check(vmt_trace_writer_open(path, NULL, &writer, &err), &err);
	check(vmt_trace_writer_append(writer, &record, &err), &err);
	record.kind = VMT_TRACE_EVENT;
	record.phase = 2;
	record.body = &body;
	for (uint64_t n = 0; n < EVENTS; n++) {
		next_event(&body.event, n);
		record.callback = n;
		check(vmt_trace_writer_append(writer, &record, &err), &err);
	}
	check(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), &err);
	s = measure_now() - start;
	if (stat(path, &st) < 0)
		exit(1);
	printf("a trace of %u events: %.0f MB, written in %.1f s with %.0f MiB of memory\n", EVENTS,
	       (double)st.st_size / 1e6, s, measure_peak_mib());
}

/** Go to event @n and hold it against what was written there. */
static void go(struct vmt_trace_reader *reader, uint64_t n)
{
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	const struct vmt_trace_event *body;

	check(vmt_trace_reader_seek_event(reader, n, &err), &err);
	check(vmt_trace_reader_next(reader, &record, &err), &err);
	body = record.body;
	if (record.kind != VMT_TRACE_EVENT || record.event != n || body->event.ticket != n) {
		fprintf(stderr, "bench: event %llu was not found\n", (unsigned long long)n);
		exit(1);
	}
}

static void measure_places(const char *path, uint64_t events)
{
	struct measure opening = {0};
	struct measure open = {0};

	for (unsigned run = 0; run < REPEATED; run++) {
		double worst[2] = {0};

		for (uint64_t i = 0; i < PLACES / REPEATED; i++) {
			const uint64_t n = (run + i * REPEATED) * UINT64_C(2654435761) % events;
			struct vmt_trace_reader *reader;
			struct vmt_error err = {0};
			double start = measure_now();
			double s;

			check(vmt_trace_reader_open(path, NULL, &reader, &err), &err);
			go(reader, n);
			s = measure_now() - start;
			worst[0] = s > worst[0] ? s : worst[0];
			start = measure_now();
			go(reader, (n * 7 + 3) % events);
			s = measure_now() - start;
			worst[1] = s > worst[1] ? s : worst[1];
			vmt_trace_reader_close(reader);
		}
		measure_add(&opening, worst[0] * 1e3);
		measure_add(&open, worst[1] * 1e3);
	}
	measure_head("to an event anywhere, the slowest of 40");
	measure_print("  from opening the file", &opening, "ms; goal: under 10");
	measure_print("  in an open trace", &open, "ms");
	printf("%-44s %10.1f\n", "  the most memory, MiB", measure_peak_mib());
}

/** The same without the index: it is rebuilt from the chunks' headers. */
static void measure_rebuilt(const char *path, uint64_t events)
{
	struct measure m = {0};
	struct stat st;

	if (stat(path, &st) < 0 || truncate(path, st.st_size - 1) < 0)
		exit(1);
	for (unsigned run = 0; run < REPEATED; run++) {
		const double start = measure_now();
		struct vmt_trace_reader *reader;
		struct vmt_error err = {0};

		check(vmt_trace_reader_open(path, NULL, &reader, &err), &err);
		go(reader, events - 1 - run);
		measure_add(&m, (measure_now() - start) * 1e3);
		vmt_trace_reader_close(reader);
	}
	measure_print("  without an index", &m, "ms");
}

int main(int argc, char **argv)
{
	char folder[] = "/tmp/vmt-bench-XXXXXX";
	char path[64];
	char events[16];
	int status = 1;
	pid_t child;

	if (argc == 3) {
		measure_places(argv[1], strtoull(argv[2], NULL, 10));
		measure_rebuilt(argv[1], strtoull(argv[2], NULL, 10));
		return 0;
	}
	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/x.vmt", folder);
	(void)snprintf(events, sizeof(events), "%u", EVENTS);
	make_trace(path);
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		execl(argv[0], argv[0], path, events, (char *)NULL);
		_exit(1);
	}
	waitpid(child, &status, 0);
	(void)unlink(path);
	rmdir(folder);
	return status == 0 ? 0 : 1;
}
