/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a trace: records, one after another, and what is known of the trace.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "patch.h"
#include "reader.h"
#include "varint.h"

void vmt_trace_reader_close(struct vmt_trace_reader *r)
{
	if (r == NULL)
		return;
	vmt_reader_finish_pages(r);
	if (r->own_fd)
		close(r->in.fd);
	vmt_input_finish(&r->in);
	vmt_trace_buf_finish(&r->now.raw);
	vmt_trace_arena_finish(&r->arena);
	vmt_digest_destroy(r->digest);
	for (unsigned i = 0; i < VMT_DELTA_SLOTS; i++)
		free(r->last[i].own);
	ZSTD_freeDCtx(r->zstd);
	free(r->damages);
	free(r->index);
	free(r);
}

static int open_reader(int fd, bool own_fd, const struct vmt_trace_reader_options *options,
		       struct vmt_trace_reader **reader, struct vmt_error *err)
{
	struct vmt_trace_reader *r = calloc(1, sizeof(*r));
	bool memory;
	int result;

	if (r == NULL) {
		if (own_fd)
			close(fd);
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a reader");
	}
	if (options != NULL)
		r->options = *options;
	vmt_input_init(&r->in, fd);
	r->own_fd = own_fd;
	r->next_page = 1;
	r->zstd = ZSTD_createDCtx();
	r->damages_cap = 8;
	r->damages = calloc(r->damages_cap, sizeof(r->damages[0]));
	r->digest = r->options.digests ? vmt_digest_create() : NULL;
	memory =
		r->zstd != NULL && r->damages != NULL && (r->digest != NULL || !r->options.digests);
	result = memory ? vmt_reader_begin(r, err)
			: vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a reader");
	if (result < 0) {
		vmt_trace_reader_close(r);
		return result;
	}
	r->state.major = r->preamble.major;
	r->state.minor = r->preamble.minor;
	*reader = r;
	return 0;
}

int vmt_trace_reader_open(const char *path, const struct vmt_trace_reader_options *options,
			  struct vmt_trace_reader **reader, struct vmt_error *err)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result;

	if (fd < 0)
		return vmt_error_set_errno(err,
					   errno == ENOENT   ? VMT_E_NOT_FOUND
					   : errno == EACCES ? VMT_E_PERMISSION
							     : VMT_E_IO,
					   errno, path, "cannot open the trace");
	result = open_reader(fd, true, options, reader, err);
	if (result < 0)
		vmt_error_prefix(err, "%s", path);
	return result;
}

int vmt_trace_reader_open_fd(int fd, const struct vmt_trace_reader_options *options,
			     struct vmt_trace_reader **reader, struct vmt_error *err)
{
	return open_reader(fd, false, options, reader, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Put the payload of a delta record together. NULL, or what is wrong. */
static const char *undo_delta(struct vmt_trace_reader *r)
{
	const uint8_t *p = r->payload;
	const uint8_t *const end = p + r->payload_len;
	struct vmt_last_event *last;
	const char *wrong;
	uint64_t len;
	size_t n;

	if (p == end || *p >= VMT_DELTA_SLOTS)
		return "a delta names no slot";
	last = &r->last[*p++];
	n = vmt_varint_get(p, end, VMT_DELTA_LENGTH, &len);
	if (n == 0 || len == 0 || len > r->payload_len * VMT_DELTA_FACTOR)
		return "a delta's length is cut or too large";
	p += n;
	if (last->len == 0)
		return "a delta to an event that is not there";
	if (last->own == NULL)
		last->own = malloc(VMT_DELTA_LENGTH);
	if (last->own == NULL)
		return "there is no memory for an event";
	if (last->p != last->own)
		memcpy(last->own, last->p, last->len);
	if (len > last->len)
		memset(last->own + last->len, 0, len - last->len);
	last->p = last->own;
	last->len = 0; /* until it is right */
	wrong = vmt_patch_apply(last->own, len, p, (size_t)(end - p));
	if (wrong != NULL)
		return wrong;
	last->len = len;
	r->payload = last->own;
	r->payload_len = len;
	return NULL;
}

/** An event takes its slot; a delta is put together. NULL, or what is wrong. */
static const char *take_event(struct vmt_trace_reader *r)
{
	struct vmt_last_event *last;

	if (r->head.delta)
		return undo_delta(r);
	last = &r->last[vmt_delta_slot(r->payload, r->payload_len)];
	last->p = r->payload;
	last->len = r->payload_len <= VMT_DELTA_LENGTH ? r->payload_len : 0;
	return NULL;
}

int vmt_reader_step(struct vmt_trace_reader *r, struct vmt_error *err)
{
	if (r->now.p == r->now.end) {
		const int more = vmt_reader_next_chunk(r, err);

		if (more != 1)
			return more;
	}
	/* Was checked when the chunk was unpacked. */
	vmt_record_head_get(r->now.p, r->now.end, &r->head);
	if (r->now.first) {
		r->now.first = false;
		for (unsigned i = 0; i < VMT_DELTA_SLOTS; i++)
			r->last[i].len = 0;
		r->position = r->now.chunk.position;
		r->callback = r->now.chunk.callback;
	} else {
		r->position += 1 + r->head.position_step;
		r->callback += r->head.callback_step;
	}
	r->payload = r->now.p + r->head.size;
	r->payload_len = r->head.length;
	r->now.p = r->payload + r->head.length;
	r->bad_payload = r->head.kind == VMT_TRACE_EVENT ? take_event(r) : NULL;
	r->next_position = r->position + 1;
	r->state.records++;
	r->event = r->events;
	r->events += r->head.kind == VMT_TRACE_EVENT;
	return 1;
}

/** Damage of one record: its chunk is right, so that is all it costs. */
static void bad_record(struct vmt_trace_reader *r, const char *text)
{
	struct vmt_trace_damage *d =
		vmt_reader_damage(r, r->now.chunk.offset, 0, VMT_STREAM_EVENTS, text);

	d->first = d->last = r->position;
	d->first_callback = d->last_callback = r->callback;
	r->open_damages = r->state.damages;
	vmt_digest_destroy(r->digest);
	r->digest = NULL;
}

static void digest_record(struct vmt_trace_reader *r, const struct vmt_trace_kind_row *row,
			  const struct vmt_trace_decoded *decoded)
{
	struct vmt_digest_record record = {.kind = r->head.kind,
					   .phase = r->head.phase,
					   .callback = r->callback,
					   .payload = r->payload,
					   .len = r->payload_len,
					   .behaviour = decoded->behaviour};

	if (r->state.damaged) {
		vmt_digest_destroy(r->digest);
		r->digest = NULL;
		return;
	}
	if (decoded->page != 0) {
		struct vmt_ready_page *page = vmt_reader_page(r, decoded->page, NULL);

		if (page == NULL) {
			bad_record(r, "a record names a page that is not there");
			return;
		}
		if (!page->hashed)
			vmt_digest_page(page->bytes, page->hash);
		page->hashed = true;
		record.page_hash = page->hash;
		record.len = decoded->page_at;
	}
	vmt_digest_add(r->digest, row, &record);
}

static void note_end(struct vmt_trace_reader *r, const struct vmt_trace_end *end)
{
	struct vmt_trace_digests digests;

	r->state.ended = true;
	r->end = *end;
	r->end.text = NULL; /* it lives no longer than its record */
	if (r->digest == NULL)
		return;
	vmt_digest_get(r->digest, &digests);
	if (end->digests.known &&
	    (memcmp(digests.behaviour, end->digests.behaviour, sizeof(digests.behaviour)) != 0 ||
	     memcmp(digests.record, end->digests.record, sizeof(digests.record)) != 0))
		bad_record(r, "the digests in the end of the trace are not those of its records");
	else
		r->state.digests = digests;
}

/** NULL: the row of the record; or why it cannot be one. */
static const char *check_record(const struct vmt_trace_reader *r,
				const struct vmt_trace_kind_row *row)
{
	if (row->ancillary != r->head.ancillary || row->copy != r->head.copy)
		return "a record's bits are not those of its kind";
	if (r->head.kind == VMT_TRACE_PAGE || r->head.kind == VMT_TRACE_INDEX)
		return "a record of another stream";
	if (r->head.kind == VMT_TRACE_META && r->position != 0)
		return "a second beginning";
	if (r->position == 0 && r->head.kind != VMT_TRACE_META)
		return "the trace does not begin with its meta record";
	if (r->state.ended)
		return "records follow the end of the trace";
	return NULL;
}

/** Decode the record at hand: 1; 0: it is skipped. */
static int give(struct vmt_trace_reader *r, struct vmt_trace_record *record, struct vmt_error *err)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(r->head.kind);
	struct vmt_error why; /* filled by what fails: clearing it for each record would be dear */
	struct vmt_trace_decoded decoded;
	const char *wrong;
	int result;

	if (row == NULL && r->head.ancillary)
		return 0;
	if (row == NULL)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "trace",
				     "record %llu is of kind %u, which this program does not know "
				     "and must not skip: read it with a newer one",
				     (unsigned long long)r->position, r->head.kind);
	wrong = r->bad_payload != NULL ? r->bad_payload : check_record(r, row);
	if (wrong != NULL) {
		bad_record(r, wrong);
		return 0;
	}
	vmt_trace_arena_reset(&r->arena);
	result = vmt_trace_decode(row, r->payload, r->payload_len,
				  r->preamble.minor > VMT_TRACE_MINOR, &r->arena, &decoded, &why);
	if (result == -VMT_E_NO_MEMORY) {
		if (err != NULL)
			*err = why;
		return result;
	}
	if (result < 0) {
		char text[sizeof(r->damages[0].text)];

		bad_record(r, vmt_error_format(&why, text, sizeof(text)));
		return 0;
	}
	if (r->digest != NULL)
		digest_record(r, row, &decoded);
	if (r->head.kind == VMT_TRACE_END)
		note_end(r, decoded.body);
	*record = (struct vmt_trace_record){.kind = (uint16_t)r->head.kind,
					    .phase = r->head.phase,
					    .callback = r->callback,
					    .position = r->position,
					    .event = r->event,
					    .body = decoded.body};
	return 1;
}

int vmt_trace_reader_next(struct vmt_trace_reader *r, struct vmt_trace_record *record,
			  struct vmt_error *err)
{
	for (;;) {
		int more = 1;

		if (!r->held)
			more = vmt_reader_step(r, err);
		r->held = false;
		if (more == 1)
			more = give(r, record, err);
		else
			return more;
		if (more != 0)
			return more;
	}
}

void vmt_trace_reader_state(const struct vmt_trace_reader *r, struct vmt_trace_state *state)
{
	*state = r->state;
	if (r->state.damaged)
		state->digests.known = false;
}

int vmt_trace_reader_damage(const struct vmt_trace_reader *r, uint32_t n,
			    struct vmt_trace_damage *damage)
{
	if (n >= r->state.damages)
		return -VMT_E_NOT_FOUND;
	*damage = r->damages[n];
	return 0;
}
