/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Others that could keep the same records: a table in SQLite (a row for each record, a transaction
 * for each thousand), and a file of libpcap's kind (time, length, bytes), plain and as one zstd
 * stream. Each writes to a file in the temporary folder; none waits for the disk.
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
#include "trace-format/fields.h"

#define RUNS 3u

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

/** A record's payload in @buf. */
static void encode(const struct vmt_trace_record *r, struct vmt_trace_buf *buf)
{
	buf->len = 0;
	if (vmt_trace_encode(vmt_trace_kind_row(r->kind), r->body, r->page != NULL, buf, NULL,
			     NULL) < 0)
		die("a record cannot be encoded");
}

#ifdef HAVE_SQLITE
static void step(sqlite3 *db, int r)
{
	if (r != SQLITE_OK && r != SQLITE_DONE)
		die(sqlite3_errmsg(db));
}

static void write_sqlite(const struct stream *stream)
{
	struct vmt_trace_buf buf = {0};
	sqlite3_stmt *insert;
	sqlite3 *db;

	step(NULL, sqlite3_open(path, &db));
	step(db, sqlite3_exec(db,
			      "pragma journal_mode = wal; pragma synchronous = off;"
			      "create table records (position integer primary key, kind integer,"
			      " phase integer, callback integer, payload blob, page blob); begin",
			      NULL, NULL, NULL));
	step(db, sqlite3_prepare_v2(db, "insert into records values (?, ?, ?, ?, ?, ?)", -1,
				    &insert, NULL));
	for (size_t i = 0; i < stream->n; i++) {
		const struct vmt_trace_record *r = &stream->records[i];

		encode(r, &buf);
		sqlite3_bind_int64(insert, 1, (sqlite3_int64)i);
		sqlite3_bind_int(insert, 2, r->kind);
		sqlite3_bind_int(insert, 3, r->phase);
		sqlite3_bind_int64(insert, 4, (sqlite3_int64)r->callback);
		sqlite3_bind_blob(insert, 5, buf.p, (int)buf.len, SQLITE_STATIC);
		sqlite3_bind_blob(insert, 6, r->page, r->page != NULL ? VMT_PAGE_SIZE : 0,
				  SQLITE_STATIC);
		step(db, sqlite3_step(insert));
		step(db, sqlite3_reset(insert));
		if (i % 1000 == 999)
			step(db, sqlite3_exec(db, "commit; begin", NULL, NULL, NULL));
	}
	step(db, sqlite3_exec(db, "commit", NULL, NULL, NULL));
	sqlite3_finalize(insert);
	step(db, sqlite3_close(db));
	vmt_trace_buf_finish(&buf);
}
#endif

/** Time, length, bytes, as libpcap's files have them. */
static void write_pcap(const struct stream *stream)
{
	FILE *file = fopen(path, "w");
	struct vmt_trace_buf buf = {0};

	if (file == NULL)
		die("cannot write to the temporary folder");
	for (size_t i = 0; i < stream->n; i++) {
		const struct vmt_trace_record *r = &stream->records[i];
		uint32_t head[4] = {(uint32_t)(i / 1000), (uint32_t)(i % 1000 * 1000)};

		encode(r, &buf);
		head[2] = head[3] = (uint32_t)buf.len + (r->page != NULL ? VMT_PAGE_SIZE : 0);
		if (fwrite(head, sizeof(head), 1, file) != 1 ||
		    fwrite(buf.p, 1, buf.len, file) != buf.len ||
		    (r->page != NULL && fwrite(r->page, VMT_PAGE_SIZE, 1, file) != 1))
			die("cannot write to the temporary folder");
	}
	if (fclose(file) != 0)
		die("cannot write to the temporary folder");
	vmt_trace_buf_finish(&buf);
}

/** The same through one zstd stream at level 1. */
static void write_pcap_zstd(const struct stream *stream)
{
	FILE *file = fopen(path, "w");
	ZSTD_CCtx *context = ZSTD_createCCtx();
	const size_t cap = ZSTD_CStreamOutSize();
	struct vmt_trace_buf buf = {0};
	uint8_t *out = malloc(cap);

	if (file == NULL || context == NULL || out == NULL)
		die("cannot write to the temporary folder");
	ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
	for (size_t i = 0; i <= stream->n; i++) {
		const struct vmt_trace_record *r = i < stream->n ? &stream->records[i] : NULL;
		const uint32_t head[4] = {(uint32_t)(i / 1000), (uint32_t)(i % 1000 * 1000),
					  (uint32_t)buf.len, (uint32_t)buf.len};
		ZSTD_inBuffer parts[3] = {{head, sizeof(head), 0}, {0}, {0}};
		size_t left;

		if (r != NULL) {
			encode(r, &buf);
			parts[1] = (ZSTD_inBuffer){buf.p, buf.len, 0};
			parts[2] = (ZSTD_inBuffer){r->page, r->page != NULL ? VMT_PAGE_SIZE : 0, 0};
		}
		for (unsigned part = r != NULL ? 0 : 2; part < 3; part++)
			do {
				ZSTD_outBuffer to = {out, cap, 0};

				left = ZSTD_compressStream2(context, &to, &parts[part],
							    r != NULL ? ZSTD_e_continue
								      : ZSTD_e_end);
				if (ZSTD_isError(left) || fwrite(out, 1, to.pos, file) != to.pos)
					die("cannot write to the temporary folder");
			} while (parts[part].pos < parts[part].size || (r == NULL && left > 0));
	}
	if (fclose(file) != 0)
		die("cannot write to the temporary folder");
	free(out);
	ZSTD_freeCCtx(context);
	vmt_trace_buf_finish(&buf);
}

static void write_trace(const struct stream *stream)
{
	const struct vmt_trace_writer_options options = {.same_thread = true, .replace = true};
	struct vmt_trace_writer *writer;
	struct vmt_error err = {0};

	if (vmt_trace_writer_open(path, &options, &writer, &err) < 0)
		die(err.text);
	stream_append(stream, writer);
	if (vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err) < 0)
		die(err.text);
}

void bench_peers(const struct stream *stream, const char *name)
{
	static const struct {
		const char *name;
		void (*write)(const struct stream *stream);
	} peers[] = {
		{"  trace, one thread", write_trace},
#ifdef HAVE_SQLITE
		{"  SQLite", write_sqlite},
#endif
		{"  libpcap-like", write_pcap},
		{"  libpcap-like, zstd -1", write_pcap_zstd},
	};
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

		for (unsigned run = 0; run < RUNS; run++) {
			double start;

			(void)unlink(path);
			start = measure_now();
			peers[i].write(stream);
			measure_add(&m, (double)stream->n / (measure_now() - start) / 1e6);
		}
		(void)snprintf(note, sizeof(note), "million records/s; %.1f bytes/event",
			       size_of_file() / (double)stream->nevents);
		measure_print(peers[i].name, &m, note);
	}
	(void)unlink(path);
	rmdir(folder);
}
