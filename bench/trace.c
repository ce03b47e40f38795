/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing and reading traces, beside what others need for the same records.
 *
 * The raw stream is what a plain recorder would write: each record with a head of 16 bytes and the
 * whole page that it read. "zstd -1" is libzstd in this process at level 1 on blocks of 1 MiB, which
 * is what `zstd -b1 -B1048576` measures; so is "zstd -3". All is in memory: no disk is measured.
 * Records of "events" read no page; those of "pages" read one for each event.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

#include "measure.h"
#include "peers.h"
#include "stream.h"

#define EVENTS      60000u
#define PAGE_EVENTS 12000u
#define BLOCK       ((size_t)1 << 20)
#define MB          1e6

struct bytes {
	uint8_t *p;
	size_t len;
};

static void check(int r, const struct vmt_error *err)
{
	if (r >= 0)
		return;
	fprintf(stderr, "bench: %s\n", err->text);
	exit(1);
}

/* -------------------------------------------------------------------------------------------- */
/* Writing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Returns the size with zstd at @level; *@seconds: the time to compress. */
static size_t zstd_blocks(const struct bytes *raw, int level, double *seconds)
{
	const size_t cap = ZSTD_compressBound(BLOCK);
	ZSTD_CCtx *context = ZSTD_createCCtx();
	uint8_t *to = malloc(cap);
	size_t sum = 0;
	double start;

	memset(to, 1, cap);
	start = measure_now();
	for (size_t at = 0; at < raw->len; at += BLOCK)
		sum += ZSTD_compressCCtx(context, to, cap, raw->p + at,
					 raw->len - at < BLOCK ? raw->len - at : BLOCK, level);
	*seconds = measure_now() - start;
	free(to);
	ZSTD_freeCCtx(context);
	return sum;
}

/** Write the trace to memory; returns its descriptor. */
static int write_trace(const struct stream *stream, bool same_thread, double *seconds)
{
	const struct vmt_trace_writer_options options = {.same_thread = same_thread};
	const int fd = memfd_create("trace", MFD_CLOEXEC);
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};
	double start;

	check(vmt_trace_writer_open_fd(fd, &options, &writer, &err), &err);
	start = measure_now();
	stream_append(stream, writer);
	check(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), &err);
	*seconds = measure_now() - start;
	return fd;
}

static void bench_write(const struct stream *stream, const struct bytes *raw, const char *name)
{
	struct measure zstd = {0};
	struct measure one = {0};
	struct measure two = {0};
	struct measure ratio;
	char title[64];
	double s;

	for (unsigned i = 0; i < MEASURES; i++) {
		zstd_blocks(raw, 1, &s);
		measure_add(&zstd, (double)raw->len / s / MB);
		close(write_trace(stream, true, &s));
		measure_add(&one, (double)raw->len / s / MB);
		close(write_trace(stream, false, &s));
		measure_add(&two, (double)raw->len / s / MB);
	}
	(void)snprintf(title, sizeof(title), "writing, %s", name);
	measure_head(title);
	measure_print("  zstd -1", &zstd, "MB/s of the raw stream");
	measure_print("  append + write, one thread", &one, "MB/s");
	measure_print("  append, write in its own thread", &two, "MB/s");
	ratio = measure_ratio(&one, &zstd);
	measure_print("  one thread / zstd -1", &ratio, "goal: at least 0.95");
}

static int compare_u32(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/** Latency of an append into the ring, as a session sees it: events come, then there is a pause. */
static void bench_latency(const struct stream *stream)
{
	uint32_t *ns = malloc(stream->n * sizeof(*ns));
	const unsigned burst = 200;
	static const struct {
		const char *name;
		double part;
	} parts[] = {{"  p50", 0.5}, {"  p99", 0.99}, {"  p99.9", 0.999}, {"  max", 1}};
	struct measure m[4] = {0};

	for (unsigned run = 0; run < MEASURES; run++) {
		const int fd = memfd_create("trace", MFD_CLOEXEC);
		struct vmt_trace_writer *writer;
		struct vmt_error err = {0};

		check(vmt_trace_writer_open_fd(fd, NULL, &writer, &err), &err);
		for (size_t i = 0; i < stream->n; i++) {
			struct timespec a;
			struct timespec b;

			clock_gettime(CLOCK_MONOTONIC, &a);
			check(vmt_trace_writer_append(writer, &stream->records[i], &err), &err);
			clock_gettime(CLOCK_MONOTONIC, &b);
			ns[i] = (uint32_t)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec -
					   a.tv_nsec);
			if (i % burst == burst - 1)
				nanosleep(&(struct timespec){0, 50000}, NULL);
		}
		check(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), &err);
		close(fd);
		qsort(ns, stream->n, sizeof(*ns), compare_u32);
		for (unsigned i = 0; i < 4; i++)
			measure_add(&m[i], ns[(size_t)(parts[i].part * (double)(stream->n - 1))]);
	}
	measure_head("append of one record, with the clock's own time");
	for (unsigned i = 0; i < 4; i++)
		measure_print(parts[i].name, &m[i], i == 1 ? "ns; goal: under 500" : "ns");
	free(ns);
}

/* -------------------------------------------------------------------------------------------- */
/* Size                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static size_t size_of(int fd)
{
	return (size_t)lseek(fd, 0, SEEK_END);
}

static void bench_size(const struct stream *stream, const struct bytes *raw, const char *name)
{
	double s;
	const int fd = write_trace(stream, true, &s);
	const double trace = (double)size_of(fd);
	const double one = (double)zstd_blocks(raw, 1, &s);
	const double three = (double)zstd_blocks(raw, 3, &s);

	close(fd);
	printf("size, %-38s %10s %10s %10s\n", name, "MB", "B/event", "of -3");
	printf("%-44s %10.2f %10.1f %10.3f\n", "  raw stream", (double)raw->len / MB,
	       (double)raw->len / (double)stream->nevents, (double)raw->len / three);
	printf("%-44s %10.2f %10.1f %10.3f\n", "  zstd -1 in blocks of 1 MiB", one / MB,
	       one / (double)stream->nevents, one / three);
	printf("%-44s %10.2f %10.1f %10.3f\n", "  zstd -3 in blocks of 1 MiB", three / MB,
	       three / (double)stream->nevents, 1.0);
	printf("%-44s %10.2f %10.1f %10.3f  goal: at most %s\n", "  trace", trace / MB,
	       trace / (double)stream->nevents, trace / three,
	       stream->nreads > 0 ? "0.333" : "1.05");
}

/** What a page read adds to the trace, and to the compressed raw stream. */
static void bench_pages(const struct stream *with, const struct bytes *raw)
{
	struct bytes plain = {0};
	struct stream bare = *with;
	double s;
	double trace;
	double zstd;
	int fd;

	bare.records = malloc(with->n * sizeof(*bare.records));
	bare.n = 0;
	for (size_t i = 0; i < with->n; i++)
		if (with->records[i].kind != VMT_TRACE_CALL + VMT_CALL_READ)
			bare.records[bare.n++] = with->records[i];
	plain.p = stream_raw(&bare, &plain.len);
	fd = write_trace(with, true, &s);
	trace = (double)size_of(fd);
	close(fd);
	fd = write_trace(&bare, true, &s);
	trace -= (double)size_of(fd);
	close(fd);
	zstd = (double)zstd_blocks(raw, 1, &s) - (double)zstd_blocks(&plain, 1, &s);
	printf("%-44s %10s\n", "bytes for a page of 4096 that is read", "B");
	printf("%-44s %10.1f\n", "  zstd -1 in blocks of 1 MiB", zstd / (double)with->nreads);
	printf("%-44s %10.1f\n", "  trace", trace / (double)with->nreads);
	printf("%-44s %10.3f  goal: at most 0.2\n", "  trace / zstd -1", trace / zstd);
	free(bare.records);
	free(plain.p);
}

/* -------------------------------------------------------------------------------------------- */
/* Reading                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Read all records, and their pages when @pages. */
static double read_trace(int fd, size_t records, bool pages)
{
	const double start = measure_now();
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];
	size_t n = 0;
	int r;

	lseek(fd, 0, SEEK_SET);
	check(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), &err);
	while ((r = vmt_trace_reader_next(reader, &record, &err)) == 1) {
		const struct vmt_trace_call *call = record.body;

		n++;
		if (pages && record.kind == VMT_TRACE_CALL + VMT_CALL_READ && call->page != 0)
			check(vmt_trace_reader_page(reader, call->page, page, &err), &err);
	}
	check(r, &err);
	vmt_trace_reader_close(reader);
	if (n != records + 1) {
		fprintf(stderr, "bench: %zu records were read back of %zu\n", n, records);
		exit(1);
	}
	return measure_now() - start;
}

static void bench_read(const struct stream *stream, const struct bytes *raw, const char *name)
{
	double s;
	const int fd = write_trace(stream, true, &s);
	struct measure speed = {0};
	struct measure records = {0};
	char title[64];

	for (unsigned i = 0; i < MEASURES; i++) {
		s = read_trace(fd, stream->n, stream->nreads > 0);
		measure_add(&speed, (double)raw->len / s / 1e9);
		measure_add(&records, (double)stream->n / s / 1e6);
	}
	close(fd);
	(void)snprintf(title, sizeof(title), "reading one after another, %s", name);
	measure_head(title);
	measure_print("  of the raw stream", &speed, "GB/s; goal: 2");
	measure_print("  records", &records, "million/s");
}

int main(void)
{
	struct stream events;
	struct stream pages;
	struct bytes events_raw;
	struct bytes pages_raw;

	stream_make(&events, EVENTS, 0);
	stream_make(&pages, PAGE_EVENTS, 1);
	events_raw.p = stream_raw(&events, &events_raw.len);
	pages_raw.p = stream_raw(&pages, &pages_raw.len);
	bench_write(&events, &events_raw, "events");
	bench_write(&pages, &pages_raw, "pages");
	bench_latency(&events);
	bench_size(&events, &events_raw, "events");
	bench_size(&pages, &pages_raw, "pages");
	bench_pages(&pages, &pages_raw);
	bench_read(&events, &events_raw, "events");
	bench_read(&pages, &pages_raw, "pages");
	bench_peers(&events, "events");
	bench_peers(&pages, "pages");
	stream_finish(&events);
	stream_finish(&pages);
	free(events_raw.p);
	free(pages_raw.p);
	return 0;
}
