/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing and reading traces, beside what others need for the same records.
 *
 * The raw stream is what a plain recorder would write: each record with a head of 16 bytes and the
 * whole page that it read. "zstd -1" is libzstd in this process at level 1 on blocks of about 1 MiB,
 * which is what `zstd -b1 -B1048576` measures; so is "zstd -3". All is in memory: no disk is
 * measured. Speeds are by time of the processor. Records of "events" read no page; those of "pages"
 * read one for each event.
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

#define PARTS 60u /**< of about a megabyte */
#define MB    1e6

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

struct zstd {
	ZSTD_CCtx *context;
	uint8_t *to;
	size_t cap;
};

static struct zstd zstd_make(void)
{
	struct zstd z = {ZSTD_createCCtx(), NULL, (size_t)16 << 20};

	z.to = malloc(z.cap);
	if (z.context == NULL || z.to == NULL)
		exit(1);
	memset(z.to, 1, z.cap);
	return z;
}

static void zstd_finish(struct zstd *z)
{
	ZSTD_freeCCtx(z->context);
	free(z->to);
}

/** Compress the part's raw stream as a block; returns the size. */
static size_t zstd_part(struct zstd *z, const struct stream *stream, int level)
{
	return ZSTD_compressCCtx(z->context, z->to, z->cap, stream->raw.p, stream->raw.len, level);
}

static struct vmt_trace_writer *open_memory(int *fd, bool same_thread)
{
	const struct vmt_trace_writer_options options = {.same_thread = same_thread};
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};

	*fd = memfd_create("trace", MFD_CLOEXEC);
	check(vmt_trace_writer_open_fd(*fd, &options, &writer, &err), &err);
	return writer;
}

static void close_writer(struct vmt_trace_writer *writer)
{
	struct vmt_error err = {0};

	check(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err), &err);
}

/** Both in turn for each part, so that what else the machine does slows both. */
static void bench_write(unsigned reads, const char *name)
{
	struct zstd z = zstd_make();
	struct measure zstd = {0};
	struct measure trace = {0};
	struct measure ratio;
	char title[64];

	for (unsigned run = 0; run < MEASURES; run++) {
		double raw = 0;
		double spent[2] = {0};
		struct stream stream;
		int fd;
		struct vmt_trace_writer *writer = open_memory(&fd, true);
		double start;

		stream_begin(&stream, reads);
		for (unsigned i = 0; i < PARTS; i++) {
			start = measure_cpu();
			stream_append(&stream, writer);
			spent[0] += measure_cpu() - start;
			stream_raw(&stream);
			raw += (double)stream.raw.len;
			start = measure_cpu();
			zstd_part(&z, &stream, 1);
			spent[1] += measure_cpu() - start;
			stream_next(&stream);
		}
		start = measure_cpu();
		close_writer(writer);
		spent[0] += measure_cpu() - start;
		stream_finish(&stream);
		close(fd);
		measure_add(&trace, raw / spent[0] / MB);
		measure_add(&zstd, raw / spent[1] / MB);
	}
	zstd_finish(&z);
	(void)snprintf(title, sizeof(title), "writing, %s", name);
	measure_head(title);
	measure_print("  zstd -1", &zstd, "MB/s of the raw stream");
	measure_print("  append and write, one thread", &trace, "MB/s of the raw stream");
	ratio = measure_ratio(&trace, &zstd);
	measure_print("  ratio", &ratio, "goal: at least 0.95");
}

static int compare_u32(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a;
	const uint32_t y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/** Latency of an append into the ring, as a session sees it: events come, then there is a pause. */
static void bench_latency(void)
{
	static const struct {
		const char *name;
		double part;
	} parts[] = {{"  p50", 0.5}, {"  p99", 0.99}, {"  p99.9", 0.999}, {"  max", 1}};
	const size_t most = (size_t)PARTS * 16384;
	uint32_t *ns = malloc(most * sizeof(*ns));
	struct measure m[4] = {0};

	for (unsigned run = 0; ns != NULL && run < MEASURES; run++) {
		int fd;
		struct vmt_trace_writer *writer = open_memory(&fd, false);
		struct vmt_error err = {0};
		struct stream stream;
		size_t n = 0;

		stream_begin(&stream, 0);
		for (unsigned part = 0; part < PARTS; part++) {
			for (size_t i = 0; i < stream.n && n < most; i++) {
				struct timespec a;
				struct timespec b;

				clock_gettime(CLOCK_MONOTONIC, &a);
				check(vmt_trace_writer_append(writer, &stream.records[i], &err),
				      &err);
				clock_gettime(CLOCK_MONOTONIC, &b);
				ns[n++] = (uint32_t)((b.tv_sec - a.tv_sec) * 1000000000 +
						     b.tv_nsec - a.tv_nsec);
			}
			stream_next(&stream);
		}
		close_writer(writer);
		stream_finish(&stream);
		close(fd);
		qsort(ns, n, sizeof(*ns), compare_u32);
		for (unsigned i = 0; i < 4; i++)
			measure_add(&m[i], ns[(size_t)(parts[i].part * (double)(n - 1))]);
	}
	measure_head("append of one record, with the clock's own time");
	for (unsigned i = 0; i < 4; i++)
		measure_print(parts[i].name, &m[i], i == 1 ? "ns; goal: under 500" : "ns");
	free(ns);
}

/* -------------------------------------------------------------------------------------------- */
/* Size                                                                                         */
/* -------------------------------------------------------------------------------------------- */

struct sizes {
	double raw, one, three, trace;
	double events, reads;
};

/** Write a session to memory; returns its descriptor. @skip_reads: as if no page had been read. */
static int write_session(unsigned reads, bool skip_reads, struct sizes *sizes)
{
	struct zstd z = zstd_make();
	struct stream stream;
	int fd;
	struct vmt_trace_writer *writer = open_memory(&fd, true);

	*sizes = (struct sizes){0};
	stream_begin(&stream, reads);
	for (unsigned part = 0; part < PARTS; part++) {
		size_t n = 0;

		for (size_t i = 0; i < stream.n; i++)
			if (!skip_reads || stream.records[i].kind != VMT_TRACE_CALL + VMT_CALL_READ)
				stream.records[n++] = stream.records[i];
		stream.n = n;
		stream_append(&stream, writer);
		stream_raw(&stream);
		sizes->raw += (double)stream.raw.len;
		sizes->one += (double)zstd_part(&z, &stream, 1);
		sizes->three += (double)zstd_part(&z, &stream, 3);
		if (part + 1 < PARTS)
			stream_next(&stream);
	}
	close_writer(writer);
	sizes->events = (double)stream.nevents;
	sizes->reads = (double)stream.nreads;
	sizes->trace = (double)lseek(fd, 0, SEEK_END);
	stream_finish(&stream);
	zstd_finish(&z);
	return fd;
}

static void print_size(const char *name, double bytes, const struct sizes *s, const char *note)
{
	printf("%-44s %10.2f %10.1f %10.3f  %s\n", name, bytes / MB, bytes / s->events,
	       bytes / s->three, note);
}

static void bench_size(unsigned reads, const char *name)
{
	struct sizes s;

	close(write_session(reads, false, &s));
	printf("size, %-38s %10s %10s %10s\n", name, "MB", "B/event", "of -3");
	print_size("  raw stream", s.raw, &s, "");
	print_size("  zstd -1", s.one, &s, "");
	print_size("  zstd -3", s.three, &s, "");
	print_size("  trace", s.trace, &s,
		   reads > 0 ? "goal: at most 0.333" : "goal: at most 1.05");
}

/** What a page read adds to the trace, and to the compressed raw stream. */
static void bench_pages(void)
{
	struct sizes with;
	struct sizes without;
	double trace;
	double zstd;

	close(write_session(1, false, &with));
	close(write_session(1, true, &without));
	trace = (with.trace - without.trace) / with.reads;
	zstd = (with.one - without.one) / with.reads;
	printf("%-44s %10s\n", "bytes for a page of 4096 that is read", "B");
	printf("%-44s %10.1f\n", "  zstd -1", zstd);
	printf("%-44s %10.1f\n", "  trace", trace);
	printf("%-44s %10.3f  goal: at most 0.2\n", "  ratio", trace / zstd);
}

/* -------------------------------------------------------------------------------------------- */
/* Reading                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Read all records, and their pages when @pages. Returns their number. */
static size_t read_session(int fd, bool pages)
{
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
	return n;
}

static void bench_read(unsigned reads, const char *name)
{
	struct sizes sizes;
	const int fd = write_session(reads, false, &sizes);
	struct measure speed = {0};
	struct measure records = {0};
	char title[64];

	for (unsigned i = 0; i < MEASURES; i++) {
		const double start = measure_cpu();
		const size_t n = read_session(fd, reads > 0);
		const double s = measure_cpu() - start;

		measure_add(&speed, sizes.raw / s / 1e9);
		measure_add(&records, (double)n / s / 1e6);
	}
	close(fd);
	(void)snprintf(title, sizeof(title), "reading one after another, %s", name);
	measure_head(title);
	measure_print("  of the raw stream", &speed, "GB/s; goal: 2");
	measure_print("  records", &records, "million/s");
}

int main(void)
{
	bench_write(0, "events");
	bench_write(1, "pages");
	bench_latency();
	bench_size(0, "events");
	bench_size(1, "pages");
	bench_pages();
	bench_read(0, "events");
	bench_read(1, "pages");
	bench_peers(0, "events");
	bench_peers(1, "pages");
	return 0;
}
