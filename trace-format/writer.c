/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The appending side, and the thread in which the writing side runs.
 *
 * Append encodes the record and copies it into the ring; the thread takes it from there.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "fields.h"
#include "ring.h"
#include "sink.h"
#include "writer.h"

#define RING_DEFAULT     (16u << 20)
#define RING_LEAST       (64u << 10)
#define RING_MOST        (1u << 30)
#define CHUNK_MS_DEFAULT 1000u
#define LOOK_MS          20

struct vmt_trace_writer {
	struct vmt_trace_writer_options options;
	struct vmt_trace_buf buf; /**< the record that is being encoded */
	struct vmt_sink *sink;
	bool began;
	uint64_t callback;

	/* With a thread: */
	struct vmt_trace_ring *ring;
	size_t ring_memory;
	pthread_t thread;
	uint8_t *scratch; /**< the thread's: a payload that is not in one piece */
	size_t scratch_cap;

	pthread_mutex_t lock; /**< for what follows */
	pthread_cond_t flushed;
	uint64_t flushes_asked, flushes_done;
	struct vmt_error failed;
};

/* -------------------------------------------------------------------------------------------- */
/* The thread                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/** The next @len bytes of the ring: where they stand, or else in the scratch buffer. */
static const uint8_t *take(struct vmt_trace_writer *w, size_t len, bool *peeked)
{
	const uint8_t *bytes = vmt_trace_ring_peek(w->ring, len);

	*peeked = bytes != NULL;
	if (bytes != NULL)
		return bytes;
	if (len > w->scratch_cap) {
		uint8_t *p = realloc(w->scratch, len);

		if (p == NULL)
			return NULL;
		w->scratch = p;
		w->scratch_cap = len;
	}
	/* Not false: who writes a message writes it whole before closing the ring. */
	return vmt_trace_ring_read(w->ring, w->scratch, len) ? w->scratch : NULL;
}

static int take_message(struct vmt_trace_writer *w, struct vmt_error *err)
{
	struct vmt_sink_message m;
	const uint8_t *payload;
	size_t len;
	bool peeked;
	int r;

	if (!vmt_trace_ring_read(w->ring, &m, sizeof(m)))
		return 0;
	if (m.type == VMT_SINK_FLUSH) {
		r = vmt_sink_flush(w->sink, err);
		pthread_mutex_lock(&w->lock);
		w->flushes_done += r == 0;
		pthread_cond_broadcast(&w->flushed);
		pthread_mutex_unlock(&w->lock);
		return r;
	}
	len = m.length + (m.has_page != 0 ? VMT_PAGE_SIZE : 0);
	payload = take(w, len, &peeked);
	if (payload == NULL)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace",
				     "no memory for a record of %zu bytes", len);
	r = vmt_sink_put(w->sink, &m, payload, m.has_page != 0 ? payload + m.length : NULL, err);
	if (peeked)
		vmt_trace_ring_release(w->ring, len);
	return r;
}

static void give_up(struct vmt_trace_writer *w, const struct vmt_error *err)
{
	pthread_mutex_lock(&w->lock);
	w->failed = *err;
	vmt_trace_ring_break(w->ring);
	pthread_cond_broadcast(&w->flushed);
	pthread_mutex_unlock(&w->lock);
}

static void *run(void *context)
{
	struct vmt_trace_writer *w = context;
	const uint64_t most = (uint64_t)w->options.chunk_ms * 1000000u;
	struct vmt_error err = {0};

	for (;;) {
		const bool closed = atomic_load(&w->ring->closed) != 0;
		const uint64_t oldest = vmt_sink_oldest(w->sink);
		int r = 0;

		if (vmt_trace_ring_available(w->ring) > 0)
			r = take_message(w, &err);
		else if (closed)
			return NULL;
		else
			vmt_trace_ring_wait(w->ring, LOOK_MS);
		/* The clock is looked at only now and then while records come. */
		if (r == 0 && oldest != 0 &&
		    vmt_trace_ring_available(w->ring) < w->ring->size / 8 &&
		    now_ns() - oldest > most)
			r = vmt_sink_flush(w->sink, &err);
		if (r < 0) {
			give_up(w, &err);
			return NULL;
		}
	}
}

static int start_thread(struct vmt_trace_writer *w, struct vmt_error *err)
{
	uint32_t size = RING_LEAST;
	sigset_t all;
	sigset_t before;
	int r;

	while (size < RING_MOST && size < w->options.ring_bytes)
		size *= 2;
	w->ring_memory = vmt_trace_ring_memory(size);
	w->ring = mmap(NULL, w->ring_memory, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (w->ring == MAP_FAILED) {
		w->ring = NULL;
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for the ring");
	}
	vmt_trace_ring_init(w->ring, size);
	/* Signals are for the threads of the program. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		munmap(w->ring, w->ring_memory);
		w->ring = NULL;
		return vmt_error_set_errno(err, VMT_E_NO_MEMORY, r, "trace",
					   "cannot start the writing thread");
	}
	return 0;
}

static void stop_thread(struct vmt_trace_writer *w)
{
	if (w->ring == NULL)
		return;
	vmt_trace_ring_close(w->ring);
	pthread_join(w->thread, NULL);
	munmap(w->ring, w->ring_memory);
	w->ring = NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* Opening and closing                                                                          */
/* -------------------------------------------------------------------------------------------- */

static void destroy(struct vmt_trace_writer *w)
{
	vmt_sink_destroy(w->sink);
	vmt_trace_buf_finish(&w->buf);
	free(w->scratch);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->flushed);
	free(w);
}

int vmt_trace_writer_open_with(const char *path, int fd,
			       const struct vmt_trace_writer_options *options,
			       const struct vmt_output_ops *ops, vmt_page_hash *hash,
			       struct vmt_trace_writer **writer, struct vmt_error *err)
{
	struct vmt_trace_writer *w = calloc(1, sizeof(*w));
	struct vmt_error local = {0};
	struct vmt_output output;
	int r = 0;

	if (err == NULL)
		err = &local;
	if (w == NULL)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a writer");
	if (options != NULL)
		w->options = *options;
	if (w->options.chunk_ms == 0)
		w->options.chunk_ms = CHUNK_MS_DEFAULT;
	if (w->options.ring_bytes == 0)
		w->options.ring_bytes = RING_DEFAULT;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->flushed, NULL);
	if (path != NULL)
		r = vmt_output_open(&output, path, w->options.replace, err);
	else
		vmt_output_open_fd(&output, fd);
	if (r == 0) {
		if (ops != NULL)
			output.ops = ops;
		w->sink = vmt_sink_create(&w->options, &output, hash, err);
		r = w->sink == NULL ? -err->status : 0;
	}
	if (r == 0 && !w->options.same_thread)
		r = start_thread(w, err);
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

int vmt_trace_writer_close(struct vmt_trace_writer *w, enum vmt_trace_end_reason reason,
			   const char *text, struct vmt_trace_summary *summary,
			   struct vmt_error *err)
{
	int r;

	stop_thread(w);
	r = vmt_sink_close(w->sink, reason, text, summary, err);
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

static int failed(struct vmt_trace_writer *w, struct vmt_error *err)
{
	struct vmt_error copy;

	pthread_mutex_lock(&w->lock);
	copy = w->failed;
	pthread_mutex_unlock(&w->lock);
	if (err != NULL)
		*err = copy;
	return -copy.status;
}

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
	if (w->ring == NULL) {
		r = vmt_sink_put(w->sink, &m, w->buf.p, record->page, err);
	} else {
		const struct vmt_trace_ring_part parts[] = {
			{&m, sizeof(m)},
			{w->buf.p, w->buf.len},
			{record->page, m.has_page != 0 ? VMT_PAGE_SIZE : 0},
		};

		r = vmt_trace_ring_write(w->ring, parts, 3) ? 0 : failed(w, err);
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
	bool done;

	if (w->ring == NULL)
		return vmt_sink_flush(w->sink, err);
	if (!vmt_trace_ring_write(w->ring, &part, 1))
		return failed(w, err);
	vmt_trace_ring_kick(w->ring);
	pthread_mutex_lock(&w->lock);
	w->flushes_asked++;
	while (w->flushes_done < w->flushes_asked && w->failed.status == 0)
		pthread_cond_wait(&w->flushed, &w->lock);
	done = w->failed.status == 0;
	pthread_mutex_unlock(&w->lock);
	return done ? 0 : failed(w, err);
}
