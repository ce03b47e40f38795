/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking records out of the shared ring and writing the trace: in a thread of who appends, or in
 * another process. There the ring is not trusted: the session that fills it runs a handler, which
 * may have written over anything before it died.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drain.h"
#include "fields.h"
#include "record.h"

#define CHUNK_MS_DEFAULT 1000u
#define BATCH            4096u /**< messages of one step */

struct vmt_trace_sink {
	struct vmt_channel channel;
	struct vmt_sink *sink;
	uint64_t chunk_ns;

	struct vmt_sink_message message; /**< the one that is being taken */
	bool has_message;
	uint8_t *part; /**< what came of it, when it was not there in one piece */
	size_t part_len, part_cap;

	bool began, done;
	uint64_t callback; /**< of the last record */
	uint8_t phase;
	struct vmt_error failed;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int fail(struct vmt_trace_sink *d, struct vmt_error *err)
{
	vmt_channel_answer_failed(&d->channel, &d->failed);
	if (err != NULL)
		*err = d->failed;
	return -d->failed.status;
}

/* -------------------------------------------------------------------------------------------- */
/* Messages                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/** What writer.c never sends. NULL, or what is wrong. */
static const char *check_record(const struct vmt_trace_sink *d, const struct vmt_sink_message *m)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(m->kind);

	if (row == NULL || m->kind == VMT_TRACE_PAGE || m->kind == VMT_TRACE_INDEX ||
	    m->kind == VMT_TRACE_END || (m->kind == VMT_TRACE_META) == d->began)
		return "a kind of record that cannot come now";
	if (m->length > VMT_TRACE_RECORD_MAX || m->behaviour > m->length)
		return "a record longer than the format takes";
	if (m->phase > 5 || m->callback < d->callback || m->callback > VMT_SINK_CALLBACK_MAX ||
	    m->has_page > 1 || (m->has_page != 0 && !row->pages))
		return "a record that fits nowhere";
	return NULL;
}

static const char *check_message(const struct vmt_trace_sink *d, const struct vmt_sink_message *m)
{
	switch (m->type) {
	case VMT_SINK_RECORD:
		return check_record(d, m);
	case VMT_SINK_FLUSH:
		return m->length == 0 && m->has_page == 0 ? NULL : "a flush with a length";
	case VMT_SINK_CLOSE:
		return m->length <= VMT_SINK_TEXT_MAX && m->has_page == 0
			       ? NULL
			       : "an end with too long a text";
	default:
		return "a message of no known type";
	}
}

static int close_trace(struct vmt_trace_sink *d, const uint8_t *text)
{
	struct vmt_trace_summary summary;
	char copy[VMT_SINK_TEXT_MAX + 1];
	int r;

	memcpy(copy, text, d->message.length);
	copy[d->message.length] = 0;
	r = vmt_sink_close(d->sink, d->message.kind, copy, &summary, &d->failed);
	if (r < 0)
		return r;
	d->done = true;
	vmt_channel_answer_done(&d->channel, &summary);
	return 0;
}

/** Do what the whole message says. */
static int obey(struct vmt_trace_sink *d, const uint8_t *payload)
{
	const struct vmt_sink_message *m = &d->message;
	int r;

	switch (m->type) {
	case VMT_SINK_FLUSH:
		r = vmt_sink_flush(d->sink, &d->failed);
		if (r == 0)
			vmt_channel_answer_flush(&d->channel);
		return r;
	case VMT_SINK_CLOSE:
		return close_trace(d, payload);
	default:
		d->began = true;
		d->callback = m->callback;
		d->phase = m->phase;
		return vmt_sink_put(d->sink, m, payload,
				    m->has_page != 0 ? payload + m->length : NULL, &d->failed);
	}
}

static int take_head(struct vmt_trace_sink *d)
{
	const char *wrong;

	if (vmt_trace_ring_available(&d->channel.ring) > d->channel.ring.size)
		return vmt_error_set(&d->failed, VMT_E_DAMAGED, "trace",
				     "the ring was written over by the process that records; the "
				     "trace ends before that");
	d->part_len += vmt_trace_ring_read(&d->channel.ring, (uint8_t *)&d->message + d->part_len,
					   sizeof(d->message) - d->part_len);
	if (d->part_len < sizeof(d->message))
		return 0;
	d->part_len = 0;
	wrong = check_message(d, &d->message);
	if (wrong != NULL)
		return vmt_error_set(&d->failed, VMT_E_DAMAGED, "trace",
				     "the process that records sent %s; the trace ends before that",
				     wrong);
	d->has_message = true;
	return 1;
}

/** Make room for @len bytes of a message that does not stand in one piece. */
static int make_room(struct vmt_trace_sink *d, size_t len)
{
	uint8_t *p;

	if (len <= d->part_cap)
		return 0;
	p = realloc(d->part, len);
	if (p == NULL)
		return vmt_error_set(&d->failed, VMT_E_NO_MEMORY, "trace",
				     "no memory for a record of %zu bytes", len);
	d->part = p;
	d->part_cap = len;
	return 0;
}

/** Take a message, or what there is of it. 1: it was whole, 0: more must come. */
static int take_message(struct vmt_trace_sink *d)
{
	struct vmt_trace_ring *ring = &d->channel.ring;
	const uint8_t *payload;
	size_t len;
	int r = d->has_message ? 1 : take_head(d);

	if (r <= 0)
		return r;
	len = d->message.length + (d->message.has_page != 0 ? VMT_PAGE_SIZE : 0);
	payload = d->part_len == 0 ? vmt_trace_ring_peek(ring, len) : NULL;
	if (payload != NULL) {
		r = obey(d, payload);
		vmt_trace_ring_release(ring, len);
	} else {
		r = make_room(d, len);
		if (r < 0)
			return r;
		d->part_len += vmt_trace_ring_read(ring, d->part + d->part_len, len - d->part_len);
		if (d->part_len < len)
			return 0;
		r = obey(d, d->part);
	}
	d->has_message = false;
	d->part_len = 0;
	return r < 0 ? r : 1;
}

/** Take up to a batch. Returns how many, or negative. */
static int take_some(struct vmt_trace_sink *d)
{
	int n = 0;

	while (n < (int)BATCH && !d->done) {
		const int r = take_message(d);

		if (r < 0)
			return r;
		if (r == 0)
			break;
		n++;
	}
	return n;
}

/* -------------------------------------------------------------------------------------------- */
/* The interface                                                                                */
/* -------------------------------------------------------------------------------------------- */

static int go_on(struct vmt_trace_sink *d, int timeout_ms)
{
	const bool closed = atomic_load(&d->channel.shared->ring.closed) != 0;
	const uint64_t oldest = vmt_sink_oldest(d->sink);
	int n = take_some(d);

	if (n < 0 || d->done)
		return n;
	if (n == 0 && closed)
		return vmt_error_set(&d->failed, VMT_E_GONE, "trace",
				     "who recorded left the trace unfinished");
	if (n == 0)
		vmt_trace_ring_wait(&d->channel.ring, timeout_ms);
	/* While records come in plenty, the chunk fills before its time. */
	if (oldest != 0 && n < (int)BATCH && now_ns() - oldest > d->chunk_ns)
		return vmt_sink_flush(d->sink, &d->failed);
	return 0;
}

int vmt_trace_sink_step(struct vmt_trace_sink *d, int timeout_ms, struct vmt_error *err)
{
	if (d->done)
		return 0;
	if (d->failed.status == 0 && go_on(d, timeout_ms) >= 0)
		return d->done ? 0 : 1;
	return fail(d, err);
}

static int append_crash(struct vmt_trace_sink *d, int signal, int status, const char *text)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(VMT_TRACE_CRASH);
	const struct vmt_trace_crash crash = {signal, status, text};
	struct vmt_sink_message m = {
		.kind = VMT_TRACE_CRASH, .phase = d->phase, .callback = d->callback};
	__attribute__((cleanup(vmt_trace_buf_finish))) struct vmt_trace_buf buf = {0};
	size_t behaviour;
	const int r = vmt_trace_encode(row, &crash, false, &buf, &behaviour, &d->failed);

	if (r < 0)
		return r;
	m.length = (uint32_t)buf.len;
	m.behaviour = (uint32_t)behaviour;
	return vmt_sink_put(d->sink, &m, buf.p, NULL, &d->failed);
}

int vmt_trace_sink_died(struct vmt_trace_sink *d, int signal, int status, const char *text,
			struct vmt_error *err)
{
	int r = 0;

	while (d->failed.status == 0 && !d->done && r == 0)
		r = take_some(d) > 0 ? 0 : 1;
	if (d->done)
		return 0;
	/* A ring that was written over ends the records, not the trace. */
	if (d->failed.status != 0 && d->failed.status != VMT_E_DAMAGED &&
	    d->failed.status != VMT_E_GONE)
		return fail(d, err);
	d->failed = (struct vmt_error){0};
	if (d->began && (signal != 0 || status != 0))
		append_crash(d, signal, status, text);
	if (d->failed.status == 0)
		vmt_sink_flush(d->sink, &d->failed);
	if (d->failed.status != 0)
		return fail(d, err);
	vmt_error_set(&d->failed, VMT_E_GONE, "trace", "who recorded died");
	return 0;
}

void vmt_trace_sink_destroy(struct vmt_trace_sink *d)
{
	if (d == NULL)
		return;
	if (d->channel.shared != NULL && !d->done && d->failed.status == 0) {
		vmt_error_set(&d->failed, VMT_E_GONE, "trace",
			      "who wrote the trace stopped; what it had written is readable");
		fail(d, NULL);
	}
	vmt_sink_destroy(d->sink);
	vmt_channel_detach(&d->channel);
	free(d->part);
	free(d);
}

struct vmt_trace_sink *vmt_drain_create(const struct vmt_channel *channel, struct vmt_sink *sink,
					uint32_t chunk_ms, struct vmt_error *err)
{
	struct vmt_trace_sink *d = calloc(1, sizeof(*d));
	struct vmt_channel unused = *channel;

	if (d == NULL) {
		vmt_channel_detach(&unused);
		vmt_sink_destroy(sink);
		vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a writer");
		return NULL;
	}
	d->channel = *channel;
	d->sink = sink;
	d->chunk_ns = (uint64_t)(chunk_ms > 0 ? chunk_ms : CHUNK_MS_DEFAULT) * 1000000u;
	return d;
}

struct vmt_sink *vmt_drain_open(const char *path, int fd,
				const struct vmt_trace_writer_options *options,
				const struct vmt_output_ops *ops, vmt_page_hash *hash,
				struct vmt_error *err)
{
	struct vmt_output output;

	if (path == NULL)
		vmt_output_open_fd(&output, fd);
	else if (vmt_output_open(&output, path, options != NULL && options->replace, err) < 0)
		return NULL;
	if (ops != NULL)
		output.ops = ops;
	return vmt_sink_create(options, &output, hash, err);
}

int vmt_trace_ring_create(uint32_t bytes, int *fd, struct vmt_error *err)
{
	const int made = vmt_channel_memory(bytes, err);

	if (made < 0)
		return made;
	*fd = made;
	return 0;
}

int vmt_trace_sink_attach(int ring, const char *path, int fd,
			  const struct vmt_trace_writer_options *options,
			  struct vmt_trace_sink **sink, struct vmt_error *err)
{
	struct vmt_error local = {0};
	struct vmt_channel channel;
	struct vmt_sink *inner;
	int r;

	if (err == NULL)
		err = &local;
	r = vmt_channel_attach(&channel, ring, err);
	if (r < 0)
		return r;
	inner = vmt_drain_open(path, fd, options, NULL, NULL, err);
	if (inner == NULL) {
		/* Who appends learns of it too. */
		r = -err->status;
		vmt_channel_answer_failed(&channel, err);
		vmt_channel_detach(&channel);
		return r;
	}
	*sink = vmt_drain_create(&channel, inner, options != NULL ? options->chunk_ms : 0, err);
	return *sink != NULL ? 0 : -err->status;
}
