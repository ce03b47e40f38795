/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The appending side, and the thread in which the writing side runs when it is not in another
 * process.
 *
 * Append encodes the record and copies it into the shared ring; drain.c takes it from there.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "drain.h"
#include "fields.h"
#include "writer.h"

#define LOOK_MS 20

struct vmt_trace_writer {
	struct vmt_trace_buf buf; /**< the record that is being encoded */
	bool began;
	uint64_t callback;
	uint64_t flushes;

	struct vmt_sink *sink; /**< in the same thread; or else: */
	struct vmt_channel channel;
	struct vmt_trace_sink *drain; /**< the thread's */
	pthread_t thread;
};

/* -------------------------------------------------------------------------------------------- */
/* The thread                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static void *run(void *context)
{
	/* What goes wrong, the appending side learns through the channel. */
	while (vmt_trace_sink_step(context, LOOK_MS, NULL) > 0)
		;
	return NULL;
}

static int start_thread(struct vmt_trace_writer *w, struct vmt_error *err)
{
	sigset_t all;
	sigset_t before;
	int r;

	/* Signals are for the threads of the program. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w->drain);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		return 0;
	vmt_trace_sink_destroy(w->drain);
	w->drain = NULL;
	return vmt_error_set_errno(err, VMT_E_NO_MEMORY, r, "trace",
				   "cannot start the writing thread");
}

/** Let @sink, which is taken over, run in a thread. */
static int open_thread(struct vmt_trace_writer *w, struct vmt_sink *sink,
		       const struct vmt_trace_writer_options *options, struct vmt_error *err)
{
	struct vmt_channel side;
	const int r = vmt_channel_create(&w->channel, options->ring_bytes, err);

	if (r < 0) {
		vmt_sink_destroy(sink);
		return r;
	}
	vmt_channel_other_side(&side, &w->channel);
	w->drain = vmt_drain_create(&side, sink, options->chunk_ms, err);
	return w->drain != NULL ? start_thread(w, err) : -VMT_E_NO_MEMORY;
}

static void stop_thread(struct vmt_trace_writer *w)
{
	if (w->channel.shared != NULL)
		vmt_trace_ring_close(&w->channel.ring);
	if (w->drain != NULL)
		pthread_join(w->thread, NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* Opening and closing                                                                          */
/* -------------------------------------------------------------------------------------------- */

static void destroy(struct vmt_trace_writer *w)
{
	vmt_trace_sink_destroy(w->drain);
	vmt_channel_detach(&w->channel);
	vmt_sink_destroy(w->sink);
	vmt_trace_buf_finish(&w->buf);
	free(w);
}

int vmt_trace_writer_open_with(const char *path, int fd,
			       const struct vmt_trace_writer_options *options,
			       const struct vmt_output_ops *ops, vmt_page_hash *hash,
			       struct vmt_trace_writer **writer, struct vmt_error *err)
{
	const struct vmt_trace_writer_options defaults = {0};
	struct vmt_trace_writer *w = calloc(1, sizeof(*w));
	struct vmt_error local = {0};
	struct vmt_sink *sink;
	int r = 0;

	if (err == NULL)
		err = &local;
	if (options == NULL)
		options = &defaults;
	if (w == NULL)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a writer");
	sink = vmt_drain_open(path, fd, options, ops, hash, err);
	if (sink == NULL)
		r = -err->status;
	else if (options->same_thread)
		w->sink = sink;
	else
		r = open_thread(w, sink, options, err);
	if (r < 0) {
		destroy(w);
		return r;
	}
	*writer = w;
	return 0;
}

int vmt_trace_writer_open(const char *path, const struct vmt_trace_writer_options *options,
			  struct vmt_trace_writer **writer, struct vmt_error *err)
{
	return vmt_trace_writer_open_with(path, -1, options, NULL, NULL, writer, err);
}

int vmt_trace_writer_open_fd(int fd, const struct vmt_trace_writer_options *options,
			     struct vmt_trace_writer **writer, struct vmt_error *err)
{
	return vmt_trace_writer_open_with(NULL, fd, options, NULL, NULL, writer, err);
}

int vmt_trace_writer_open_ring(int ring, int peer, struct vmt_trace_writer **writer,
			       struct vmt_error *err)
{
	struct vmt_trace_writer *w = calloc(1, sizeof(*w));
	int r;

	if (w == NULL)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a writer");
	r = vmt_channel_attach(&w->channel, ring, err);
	if (r < 0) {
		destroy(w);
		return r;
	}
	w->channel.ring.peer = peer;
	*writer = w;
	return 0;
}

/** Ask the other side to end the trace, and wait for it. */
static int close_channel(struct vmt_trace_writer *w, enum vmt_trace_end_reason reason,
			 const char *text, struct vmt_trace_summary *summary, struct vmt_error *err)
{
	const size_t len = text != NULL ? strlen(text) : 0;
	const struct vmt_sink_message m = {
		.type = VMT_SINK_CLOSE, .kind = (uint16_t)reason, .length = (uint32_t)len};
	const struct vmt_trace_ring_part parts[] = {{&m, sizeof(m)}, {text, len}};
	int r;

	if (len > VMT_SINK_TEXT_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, "end",
				     "the text has %zu bytes; a trace takes at most %u", len,
				     VMT_SINK_TEXT_MAX);
	if (!vmt_trace_ring_write(&w->channel.ring, parts, 2))
		return vmt_channel_failure(&w->channel, err);
	r = vmt_channel_await(&w->channel, UINT64_MAX, err);
	if (r == 0 && summary != NULL)
		*summary = w->channel.shared->summary;
	return r;
}

int vmt_trace_writer_close(struct vmt_trace_writer *w, enum vmt_trace_end_reason reason,
			   const char *text, struct vmt_trace_summary *summary,
			   struct vmt_error *err)
{
	int r;

	if (w->sink != NULL)
		r = vmt_sink_close(w->sink, reason, text, summary, err);
	else
		r = close_channel(w, reason, text, summary, err);
	stop_thread(w);
	destroy(w);
	return r;
}

void vmt_trace_writer_abandon(struct vmt_trace_writer *w)
{
	if (w == NULL)
		return;
	stop_thread(w);
	destroy(w);
}

/* -------------------------------------------------------------------------------------------- */
/* Appending                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int check(const struct vmt_trace_writer *w, const struct vmt_trace_record *record,
		 const struct vmt_trace_kind_row *row, struct vmt_error *err)
{
	if (row == NULL || record->kind == VMT_TRACE_PAGE || record->kind == VMT_TRACE_INDEX ||
	    record->kind == VMT_TRACE_END)
		return vmt_error_set(err, VMT_E_INVALID, "append",
				     "kind %u is not for the events stream, or the writer's own",
				     record->kind);
	if ((record->kind == VMT_TRACE_META) == w->began)
		return vmt_error_set(err, VMT_E_INVALID, row->name,
				     "the first record is META, and no other");
	if (record->callback > VMT_SINK_CALLBACK_MAX)
		return vmt_error_set(err, VMT_E_INVALID, row->name, "there is no callback %llu",
				     (unsigned long long)record->callback);
	if (record->callback < w->callback)
		return vmt_error_set(err, VMT_E_INVALID, row->name,
				     "callback %llu came after %llu; their numbers never fall",
				     (unsigned long long)record->callback,
				     (unsigned long long)w->callback);
	if (record->phase > 5)
		return vmt_error_set(err, VMT_E_INVALID, row->name, "there is no phase %u",
				     record->phase);
	if (record->page != NULL && !row->pages)
		return vmt_error_set(err, VMT_E_INVALID, row->name, "it cannot name a page");
	return 0;
}

int vmt_trace_writer_append(struct vmt_trace_writer *w, const struct vmt_trace_record *record,
			    struct vmt_error *err)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(record->kind);
	struct vmt_sink_message m = {0};
	size_t behaviour;
	int r = check(w, record, row, err);

	if (r < 0)
		return r;
	w->buf.len = 0;
	r = vmt_trace_encode(row, record->body, record->page != NULL, &w->buf, &behaviour, err);
	if (r < 0)
		return r;
	m.length = (uint32_t)w->buf.len;
	m.behaviour = (uint32_t)behaviour;
	m.kind = record->kind;
	m.phase = record->phase;
	m.has_page = record->page != NULL;
	m.callback = record->callback;
	if (m.has_page != 0)
		m.gfn = vmt_trace_load((const uint8_t *)record->body + row->gfn_offset, 8);
	if (w->sink != NULL) {
		r = vmt_sink_put(w->sink, &m, w->buf.p, record->page, err);
	} else {
		const struct vmt_trace_ring_part parts[] = {
			{&m, sizeof(m)},
			{w->buf.p, w->buf.len},
			{record->page, m.has_page != 0 ? VMT_PAGE_SIZE : 0},
		};

		if (!vmt_trace_ring_write(&w->channel.ring, parts, 3))
			r = vmt_channel_failure(&w->channel, err);
	}
	if (r == 0) {
		w->began = true;
		w->callback = record->callback;
	}
	return r;
}

int vmt_trace_writer_flush(struct vmt_trace_writer *w, struct vmt_error *err)
{
	const struct vmt_sink_message m = {.type = VMT_SINK_FLUSH};
	const struct vmt_trace_ring_part part = {&m, sizeof(m)};

	if (w->sink != NULL)
		return vmt_sink_flush(w->sink, err);
	if (!vmt_trace_ring_write(&w->channel.ring, &part, 1))
		return vmt_channel_failure(&w->channel, err);
	return vmt_channel_await(&w->channel, ++w->flushes, err);
}
