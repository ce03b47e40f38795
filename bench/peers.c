/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Others that could keep the same records: a table in SQLite (a row for each record, a transaction
 * for each thousand), and a file of libpcap's kind (time, length, bytes), plain and as one zstd
 * stream. Each writes to a file in the temporary folder; what counts is the
 * time of the processor.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#ifdef HAVE_SQLITE
#include <sqlite3.h>
#endif

#include "measure.h"
#include "peers.h"
#include "stream.h"

#define RUNS  3u
#define PARTS 20u

static char path[64];

static void die(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

static double size_of_file(void)
{
	struct stat st;

	if (stat(path, &st) < 0)
		die("no file was written");
	return (double)st.st_size;
}

/** What is open; one at a time. */
static struct {
	struct vmt_trace_writer *writer;
	FILE *file;
	ZSTD_CCtx *zstd;
	struct vmt_trace_buf buf, out;
	size_t position;
#ifdef HAVE_SQLITE
	sqlite3 *db;
	sqlite3_stmt *insert;
#endif
} now;

/** A record's payload in now.buf. */
static void encode(const struct vmt_trace_record *r)
{
	now.buf.len = 0;
	if (vmt_trace_encode(vmt_trace_kind_row(r->kind), r->body, r->page != NULL, &now.buf, NULL,
			     NULL) < 0)
		die("a record cannot be encoded");
}

/* -------------------------------------------------------------------------------------------- */
/* The trace itself                                                                             */
/* -------------------------------------------------------------------------------------------- */

static void trace_open(void)
{
	const struct vmt_trace_writer_options options = {.same_thread = true, .replace = true};
	struct vmt_error err = {0};

	if (vmt_trace_writer_open(path, &options, &now.writer, &err) < 0)
		die(err.text);
}

static void trace_part(const struct stream *stream)
{
	stream_append(stream, now.writer);
}

static void trace_close(void)
{
	struct vmt_error err = {0};

	if (vmt_trace_writer_close(now.writer, VMT_TRACE_END_OVER, NULL, NULL, &err) < 0)
		die(err.text);
}

/* -------------------------------------------------------------------------------------------- */
/* SQLite                                                                                       */
/* -------------------------------------------------------------------------------------------- */

#ifdef HAVE_SQLITE
static void step(int r)
{
	if (r != SQLITE_OK && r != SQLITE_DONE)
		die(sqlite3_errmsg(now.db));
}

static void sqlite_open(void)
{
	step(sqlite3_open(path, &now.db));
	step(sqlite3_exec(now.db,
			  "pragma journal_mode = wal; pragma synchronous = off;"
			  "create table records (position integer primary key, kind integer,"
			  " phase integer, callback integer, payload blob, page blob); begin",
			  NULL, NULL, NULL));
	step(sqlite3_prepare_v2(now.db, "insert into records values (?, ?, ?, ?, ?, ?)", -1,
				&now.insert, NULL));
}

static void sqlite_part(const struct stream *stream)
{
	for (size_t i = 0; i < stream->n; i++) {
		const struct vmt_trace_record *r = &stream->records[i];

		encode(r);
		sqlite3_bind_int64(now.insert, 1, (sqlite3_int64)now.position);
		sqlite3_bind_int(now.insert, 2, r->kind);
		sqlite3_bind_int(now.insert, 3, r->phase);
		sqlite3_bind_int64(now.insert, 4, (sqlite3_int64)r->callback);
		sqlite3_bind_blob(now.insert, 5, now.buf.p, (int)now.buf.len, SQLITE_STATIC);
		sqlite3_bind_blob(now.insert, 6, r->page, r->page != NULL ? VMT_PAGE_SIZE : 0,
				  SQLITE_STATIC);
		step(sqlite3_step(now.insert));
		step(sqlite3_reset(now.insert));
		if (++now.position % 1000 == 0)
			step(sqlite3_exec(now.db, "commit; begin", NULL, NULL, NULL));
	}
}

static void sqlite_close(void)
{
	step(sqlite3_exec(now.db, "commit", NULL, NULL, NULL));
	sqlite3_finalize(now.insert);
	step(sqlite3_close(now.db));
}
#endif

/* -------------------------------------------------------------------------------------------- */
/* Like libpcap                                                                                 */
/* -------------------------------------------------------------------------------------------- */

static void pcap_open(void)
{
	now.file = fopen(path, "w");
	if (now.file == NULL)
		die("cannot write to the temporary folder");
}

/** Time, length, bytes: a part in now.out. */
static void pcap_records(const struct stream *stream)
{
	now.out.len = 0;
	for (size_t i = 0; i < stream->n; i++) {
		const struct vmt_trace_record *r = &stream->records[i];
		uint32_t head[4] = {(uint32_t)(i / 1000), (uint32_t)(i % 1000 * 1000)};

		encode(r);
		head[2] = head[3] = (uint32_t)now.buf.len + (r->page != NULL ? VMT_PAGE_SIZE : 0);
		if (vmt_trace_buf_add(&now.out, head, sizeof(head)) < 0 ||
		    vmt_trace_buf_add(&now.out, now.buf.p, now.buf.len) < 0 ||
		    vmt_trace_buf_add(&now.out, r->page, r->page != NULL ? VMT_PAGE_SIZE : 0) < 0)
			die("no memory");
	}
}

static void pcap_part(const struct stream *stream)
{
	pcap_records(stream);
	if (fwrite(now.out.p, 1, now.out.len, now.file) != now.out.len)
		die("cannot write to the temporary folder");
}

static void pcap_close(void)
{
	if (fclose(now.file) != 0)
		die("cannot write to the temporary folder");
}

static void pcap_zstd_open(void)
{
	pcap_open();
	now.zstd = ZSTD_createCCtx();
	if (now.zstd == NULL)
		die("no memory");
	ZSTD_CCtx_setParameter(now.zstd, ZSTD_c_compressionLevel, 1);
}

static void compress(const void *p, size_t len, ZSTD_EndDirective end)
{
	static uint8_t to[1 << 17];
	ZSTD_inBuffer in = {p, len, 0};
	size_t left;

	do {
		ZSTD_outBuffer out = {to, sizeof(to), 0};

		left = ZSTD_compressStream2(now.zstd, &out, &in, end);
		if (ZSTD_isError(left) || fwrite(to, 1, out.pos, now.file) != out.pos)
			die("cannot write to the temporary folder");
	} while (in.pos < in.size || (end == ZSTD_e_end && left > 0));
}

static void pcap_zstd_part(const struct stream *stream)
{
	pcap_records(stream);
	compress(now.out.p, now.out.len, ZSTD_e_continue);
}

static void pcap_zstd_close(void)
{
	compress(NULL, 0, ZSTD_e_end);
	ZSTD_freeCCtx(now.zstd);
	pcap_close();
}

/* -------------------------------------------------------------------------------------------- */
/* All of them                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static const struct peer {
	const char *name;
	void (*open)(void);
	void (*part)(const struct stream *stream);
	void (*close)(void);
} peers[] = {
	{"  trace, one thread", trace_open, trace_part, trace_close},
#ifdef HAVE_SQLITE
	{"  SQLite", sqlite_open, sqlite_part, sqlite_close},
#endif
	{"  libpcap-like", pcap_open, pcap_part, pcap_close},
	{"  libpcap-like, zstd -1", pcap_zstd_open, pcap_zstd_part, pcap_zstd_close},
};

static void run_peer(const struct peer *peer, unsigned reads, struct measure *m, double *per_event)
{
	struct stream stream;
	double records = 0;
	double spent = 0;
	double start;

	(void)unlink(path);
	now.position = 0;
	stream_begin(&stream, reads);
	start = measure_cpu();
	peer->open();
	spent += measure_cpu() - start;
	for (unsigned part = 0; part < PARTS; part++) {
		start = measure_cpu();
		peer->part(&stream);
		spent += measure_cpu() - start;
		records += (double)stream.n;
		if (part + 1 < PARTS)
			stream_next(&stream);
	}
	start = measure_cpu();
	peer->close();
	spent += measure_cpu() - start;
	*per_event = size_of_file() / (double)stream.nevents;
	measure_add(m, records / spent / 1e6);
	stream_finish(&stream);
}

void bench_peers(unsigned reads, const char *name)
{
	char folder[] = "/tmp/vmt-bench-XXXXXX";
	char title[64];
	char note[64];

	if (mkdtemp(folder) == NULL)
		die("no temporary folder");
	(void)snprintf(path, sizeof(path), "%s/x", folder);
	(void)snprintf(title, sizeof(title), "writing to a file, %s", name);
	measure_head(title);
	for (size_t i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		struct measure m = {0};
		double per_event = 0;

		for (unsigned run = 0; run < RUNS; run++)
			run_peer(&peers[i], reads, &m, &per_event);
		(void)snprintf(note, sizeof(note), "million records/s; %.1f bytes/event",
			       per_event);
		measure_print(peers[i].name, &m, note);
	}
	vmt_trace_buf_finish(&now.buf);
	vmt_trace_buf_finish(&now.out);
	(void)unlink(path);
	rmdir(folder);
}
