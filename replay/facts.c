/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first reading.
 *
 * It ends where something is lost: behind that, neither the guest's stillness nor the recorded
 * handler's own bytes are known, and nothing there could be trusted.
 */
#include <stdlib.h>
#include <string.h>

#include "facts.h"
#include "stillness.h"

/** Addresses have 64 bits, so there are no more pages than these. */
#define GFNS      (UINT64_C(1) << 52)
#define FILES_MAX 4096u
/** Xen: HVM_MAX_VCPUS is 128 (public/hvm/hvm_info_table.h); room for what comes. */
#define VCPUS_MAX      1024u
#define FILE_BYTES_MAX ((uint64_t)1 << 30)

struct reading {
	struct vmt_facts *facts;
	struct vmt_still still;
	uint64_t moment;
	uint64_t captured_at; /**< position of the last capture before a write */
	uint64_t captured_gfn;
	uint64_t file_bytes;
	bool ended, over;
	struct vmt_error *err;
};

static int no_memory(struct reading *rd)
{
	return vmt_error_set(rd->err, VMT_E_NO_MEMORY, "replay",
			     "no memory for what the trace knows");
}

static int impossible(struct reading *rd, const char *what)
{
	return vmt_error_set(rd->err, VMT_E_DAMAGED, "replay", "the trace cannot be: %s", what);
}

/* -------------------------------------------------------------------------------------------- */
/* Memory                                                                                       */
/* -------------------------------------------------------------------------------------------- */

bool vmt_facts_private(const struct vmt_facts *facts, vmt_gfn gfn, uint64_t time)
{
	const size_t *newest = vmt_gfn_map_get(&facts->private_gfns, gfn.n);

	for (size_t i = newest ? *newest : 0; i > 0; i = facts->privates[i - 1].before)
		if (facts->privates[i - 1].from <= time)
			return time < facts->privates[i - 1].to;
	return false;
}

static int see(struct reading *rd, vmt_gfn gfn, struct vmt_seen *seen, const void *bytes)
{
	seen->moment = rd->moment;
	if (gfn.n >= GFNS)
		return impossible(rd, "it reads a page that no address has");
	if (rd->facts->nprivates > 0 && vmt_facts_private(rd->facts, gfn, seen->time))
		seen->flags |= VMT_SEEN_PRIVATE;
	if (vmt_timeline_add(&rd->facts->timeline, gfn, seen, bytes) < 0)
		return no_memory(rd);
	return 0;
}

static int see_page(struct reading *rd, const struct vmt_trace_record *record, vmt_gfn gfn,
		    uint64_t page)
{
	struct vmt_seen seen = {.time = 2 * record->position, .bytes = page};

	if (vmt_stored_pages_mark(&rd->facts->pages, page, record->callback) < 0)
		return no_memory(rd);
	return see(rd, gfn, &seen, NULL);
}

static bool fits(uint32_t offset, uint32_t len)
{
	return len > 0 && offset < VMT_PAGE_SIZE && len <= VMT_PAGE_SIZE - offset;
}

static int see_range(struct reading *rd, const struct vmt_trace_record *record, vmt_gfn gfn,
		     uint32_t offset, uint32_t len, const void *bytes)
{
	struct vmt_seen seen = {
		.time = 2 * record->position,
		.offset = (uint16_t)offset,
		.len = (uint16_t)(len == VMT_PAGE_SIZE ? 0 : len),
	};

	if (!fits(offset, len))
		return impossible(rd, "it reads beyond the end of a page");
	return see(rd, gfn, &seen, bytes);
}

static int see_absent(struct reading *rd, const struct vmt_trace_record *record, vmt_gfn gfn)
{
	struct vmt_seen seen = {.time = 2 * record->position, .flags = VMT_SEEN_ABSENT};

	return see(rd, gfn, &seen, NULL);
}

static int read_call(struct reading *rd, const struct vmt_trace_record *record,
		     const struct vmt_trace_call *tc)
{
	if (tc->call.result == -VMT_E_UNMAPPED)
		return see_absent(rd, record, tc->call.u.read.gfn);
	if (tc->call.result < 0)
		return 0;
	if (tc->page)
		return see_page(rd, record, tc->call.u.read.gfn, tc->page);
	if (tc->len != tc->call.u.read.len)
		return tc->len ? impossible(rd, "a read gave another number of bytes") : 0;
	return see_range(rd, record, tc->call.u.read.gfn, tc->call.u.read.offset, tc->len,
			 tc->data);
}

static int capture(struct reading *rd, const struct vmt_trace_record *record,
		   const struct vmt_trace_capture *c)
{
	if (c->result == -VMT_E_UNMAPPED)
		return see_absent(rd, record, c->gfn);
	if (c->result < 0 || !c->page)
		return 0;
	rd->captured_at = record->position;
	rd->captured_gfn = c->gfn.n;
	return see_page(rd, record, c->gfn, c->page);
}

static int write_call(struct reading *rd, const struct vmt_trace_record *record,
		      const struct vmt_trace_call *tc)
{
	vmt_gfn gfn = tc->call.u.write.gfn;
	uint32_t offset = tc->call.u.write.offset;
	uint32_t len = tc->call.u.write.len;
	const void *before = tc->before_known ? tc->before : NULL;

	if (!fits(offset, len) || gfn.n >= GFNS || (before && tc->before_len != len))
		return impossible(rd, "it writes beyond the end of a page, or of all pages");
	/* The page that the recorder read for this write has been seen already. */
	if (before && (rd->captured_at + 1 != record->position || rd->captured_gfn != gfn.n) &&
	    see_range(rd, record, gfn, offset, len, before) < 0)
		return -rd->err->status;
	if (tc->call.result >= 0 &&
	    vmt_own_write(&rd->facts->own, 2 * record->position + 1, gfn, offset,
			  tc->call.u.write.buf, len, before, NULL) < 0)
		return no_memory(rd);
	return 0;
}

static int alloc_call(struct reading *rd, uint64_t time, const struct vmt_trace_call *tc)
{
	struct vmt_facts *f = rd->facts;
	size_t *newest;

	if (tc->call.result < 0)
		return 0;
	if (tc->call.u.alloc_gfn.gfn->n >= GFNS)
		return impossible(rd, "it allocates a page that no address has");
	if (f->nprivates == f->privates_cap) {
		size_t cap = f->privates_cap ? f->privates_cap * 2 : 16;
		struct vmt_private *v = realloc(f->privates, cap * sizeof(*v));

		if (!v)
			return no_memory(rd);
		f->privates = v;
		f->privates_cap = cap;
	}
	newest = vmt_gfn_map_put(&f->private_gfns, tc->call.u.alloc_gfn.gfn->n);
	if (!newest)
		return no_memory(rd);
	f->privates[f->nprivates++] = (struct vmt_private){time, UINT64_MAX, *newest};
	*newest = f->nprivates;
	return 0;
}

static void end_private(struct vmt_facts *f, uint64_t time, const size_t *newest)
{
	if (newest && *newest > 0 && f->privates[*newest - 1].to == UINT64_MAX)
		f->privates[*newest - 1].to = time;
}

/** @gfn is no page of the handler's any more. */
static int free_page(struct reading *rd, uint64_t time, vmt_gfn gfn)
{
	struct vmt_facts *f = rd->facts;

	end_private(f, time, vmt_gfn_map_get(&f->private_gfns, gfn.n));
	return vmt_own_forget(&f->own, time, gfn) < 0 ? no_memory(rd) : 0;
}

static void free_all_pages(struct reading *rd, uint64_t time)
{
	const size_t *newest;
	uint64_t gfn = 0;

	for (; (newest = vmt_gfn_map_next(&rd->facts->private_gfns, &gfn)); gfn++)
		end_private(rd->facts, time, newest);
}

static int call(struct reading *rd, const struct vmt_trace_record *record)
{
	const struct vmt_trace_call *tc = record->body;
	uint64_t after = 2 * record->position + 1;

	switch (record->kind - VMT_TRACE_CALL) {
	case VMT_CALL_READ:
		return read_call(rd, record, tc);
	case VMT_CALL_WRITE:
		return write_call(rd, record, tc);
	case VMT_CALL_ALLOC_GFN:
		return alloc_call(rd, after, tc);
	case VMT_CALL_FREE_GFN:
		return tc->call.result < 0 ? 0 : free_page(rd, after, tc->call.u.free_gfn.gfn);
	case VMT_CALL_RESET:
		/* After a failure some may still stand; where one does not, masking sees it. */
		if (tc->call.result >= 0 && vmt_own_forget_all(&rd->facts->own, after) < 0)
			return no_memory(rd);
		return 0;
	case VMT_CALL_DETACH:
		if (tc->call.result >= 0)
			free_all_pages(rd, after);
		return 0;
	default:
		return 0;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Files                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int file(struct reading *rd, const struct vmt_trace_file *body)
{
	struct vmt_facts *f = rd->facts;
	const struct vmt_trace_file *copy;
	struct vmt_fact_file *v;

	if (f->nfiles == FILES_MAX)
		return impossible(rd, "it has more than 4096 files");
	if (body->size > FILE_BYTES_MAX - rd->file_bytes)
		return impossible(rd, "its files have more than 1 GiB");
	v = realloc(f->files, (f->nfiles + 1) * sizeof(*v));
	copy = vmt_body_copy(VMT_TRACE_FILE, body, &f->copies);
	if (v)
		f->files = v;
	if (!v || !copy)
		return no_memory(rd);
	v[f->nfiles++] = (struct vmt_fact_file){.path = copy->path,
						.result = copy->result,
						.error = copy->error,
						.id = copy->id,
						.size = copy->size};
	return 0;
}

/** The parts of a file come in order, so memory is only taken for bytes that are there. */
static int file_data(struct reading *rd, const struct vmt_trace_file_data *body)
{
	struct vmt_facts *f = rd->facts;
	struct vmt_fact_file *to = f->nfiles > 0 ? &f->files[f->nfiles - 1] : NULL;
	uint8_t *data;

	if (!to || to->id != body->id || body->offset != to->have ||
	    body->len > to->size - to->have)
		return impossible(rd, "the parts of a file do not fit together");
	if (body->len == 0)
		return 0;
	data = realloc(to->data, to->have + body->len);
	if (!data)
		return no_memory(rd);
	memcpy(data + to->have, body->data, body->len);
	to->data = data;
	to->have += body->len;
	rd->file_bytes += body->len;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* The session                                                                                  */
/* -------------------------------------------------------------------------------------------- */

/** A part of a recording lacks what the session did before, or beside: nothing follows from it. */
static int attribute(struct reading *rd, const struct vmt_trace_attribute *body)
{
	if (strcmp(body->key, "inspection") != 0)
		return 0;
	return vmt_error_set(
		rd->err, VMT_E_DAMAGED, "replay",
		"it is an inspection trace, %.200s: it can be looked at, and cannot be "
		"replayed; `vmitrace cut --to` makes a part that can",
		body->value);
}

static int meta(struct reading *rd, const struct vmt_trace_meta *body)
{
	struct vmt_facts *f = rd->facts;
	struct vmt_replay_origin *o = &f->origin;
	const struct vmt_trace_meta *m = vmt_body_copy(VMT_TRACE_META, body, &f->copies);

	if (!m)
		return no_memory(rd);
	if (m->info.vcpus == 0 || m->info.arch != VMT_ARCH_X86_64)
		return impossible(rd, "its domain has no vCPUs, or none of x86-64");
	if (m->info.vcpus > VCPUS_MAX)
		return impossible(rd, "its domain has more vCPUs than any Xen gives one");
	f->meta = m;
	o->tool = m->tool;
	o->handler = m->handler;
	o->handler_version = m->handler_version;
	o->options = m->options;
	o->noptions = m->noptions;
	o->info = m->info;
	o->timeout_ms = m->timeout_ms;
	o->settle_ms = m->settle_ms;
	o->drain_max = m->drain_max;
	o->policy = m->policy;
	o->derived = m->derived;
	vmt_still_init(&rd->still, m->info.vcpus);
	return 0;
}

static void cut(struct reading *rd, const char *why)
{
	if (!rd->facts->cut[0])
		strncpy(rd->facts->cut, why, sizeof(rd->facts->cut) - 1);
}

static int feed(struct reading *rd, const struct vmt_trace_record *record)
{
	struct vmt_replay_origin *o = &rd->facts->origin;

	o->records++;
	rd->moment = vmt_still_feed(&rd->still, record);
	switch (record->kind) {
	case VMT_TRACE_CAPTURE:
		return capture(rd, record, record->body);
	case VMT_TRACE_FILE:
		return file(rd, record->body);
	case VMT_TRACE_FILE_DATA:
		return file_data(rd, record->body);
	case VMT_TRACE_EVENT:
		o->events++;
		return 0;
	case VMT_TRACE_CALLBACK:
	case VMT_TRACE_POLL:
		o->callbacks++;
		return 0;
	case VMT_TRACE_OUTCOME:
		rd->over = true;
		rd->facts->recorded_end = ((const struct vmt_trace_outcome *)record->body)->end;
		return 0;
	case VMT_TRACE_END:
		rd->ended = true;
		return 0;
	case VMT_TRACE_ATTRIBUTE:
		return attribute(rd, record->body);
	default:
		break;
	}
	if (record->kind >= VMT_TRACE_CALL && record->kind < VMT_TRACE_KIND_COUNT)
		return call(rd, record);
	return 0;
}

/** Read on until the end, or until something is missing. */
static int read_all(struct reading *rd, struct vmt_trace_reader *reader)
{
	struct vmt_trace_record record;
	struct vmt_trace_state state;
	uint64_t expected = 0;
	int r;

	while ((r = vmt_trace_reader_next(reader, &record, rd->err)) == 1) {
		if (record.kind == VMT_TRACE_GAP || record.position != expected) {
			cut(rd, "records are missing in it");
			return 0;
		}
		expected++;
		if (record.position == 0 && record.kind != VMT_TRACE_META)
			return impossible(rd, "it does not begin with its meta record");
		r = record.position == 0 ? meta(rd, record.body) : 0;
		if (r == 0)
			r = feed(rd, &record);
		if (r < 0)
			return r;
		rd->facts->last_position = record.position;
	}
	if (r < 0)
		return r;
	vmt_trace_reader_state(reader, &state);
	if (!rd->facts->meta)
		return impossible(rd, "it does not begin with its meta record");
	if (!rd->over)
		cut(rd, "it ends before the recorded session does");
	else if (!rd->ended || !state.footer)
		cut(rd, "it has no end");
	if (state.damaged)
		cut(rd, "parts of it are damaged");
	return 0;
}

int vmt_facts_read(struct vmt_facts *facts, const char *path,
		   const struct vmt_trace_reader_options *options, struct vmt_error *err)
{
	struct vmt_error scratch;
	struct reading rd = {.facts = facts, .err = err ? err : &scratch};
	int r;

	rd.captured_at = UINT64_MAX - 1;
	vmt_timeline_init(&facts->timeline);
	vmt_own_init(&facts->own, true);
	vmt_gfn_map_init(&facts->private_gfns, sizeof(size_t));
	r = vmt_stored_pages_open(&facts->pages, path, options, rd.err);
	if (r == 0)
		r = read_all(&rd, facts->pages.reader);
	facts->origin.complete = facts->cut[0] == '\0';
	return r;
}

void vmt_facts_finish(struct vmt_facts *facts)
{
	for (size_t i = 0; i < facts->nfiles; i++)
		free(facts->files[i].data);
	free(facts->files);
	free(facts->privates);
	vmt_gfn_map_finish(&facts->private_gfns);
	vmt_timeline_finish(&facts->timeline);
	vmt_own_finish(&facts->own);
	vmt_stored_pages_finish(&facts->pages);
	vmt_copies_finish(&facts->copies);
}
