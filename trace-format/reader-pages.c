/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages by their id: which chunk holds one, and what it is.
 *
 * Only where chunks of pages stand is remembered (on a pipe, their stored bytes). A few decoded
 * ones are kept, and some pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "patch.h"
#include "reader.h"

#define CACHE_DEFAULT ((uint64_t)64 << 20)

int vmt_reader_add_pages(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
			 const uint8_t *stored)
{
	struct vmt_chunk_place place = {*header, NULL};

	/* Pages beyond the limit are there, but cannot be had. */
	if (!r->in.seekable && r->kept_bytes + header->chunk.stored > VMT_EPOCH_STORED_MAX)
		return 0;
	if (r->npages == r->pages_cap) {
		const size_t cap = r->pages_cap > 0 ? r->pages_cap * 2 : 64;
		struct vmt_chunk_place *p = realloc(r->pages, cap * sizeof(*p));

		if (p == NULL)
			return -VMT_E_NO_MEMORY;
		r->pages = p;
		r->pages_cap = cap;
	}
	place.header.chunk.offset = r->in.offset;
	if (!r->in.seekable && stored != NULL) {
		place.kept = malloc(header->chunk.stored);
		if (place.kept == NULL)
			return -VMT_E_NO_MEMORY;
		memcpy(place.kept, stored, header->chunk.stored);
		r->kept_bytes += header->chunk.stored;
	}
	r->pages[r->npages++] = place;
	return 0;
}

static void drop(struct vmt_trace_reader *r, struct vmt_page_chunk *c)
{
	r->cache_size -= c->size;
	free(c->raw);
	free(c->at);
	*c = (struct vmt_page_chunk){0};
}

void vmt_reader_forget_pages(struct vmt_trace_reader *r)
{
	for (size_t i = 0; i < r->npages; i++)
		free(r->pages[i].kept);
	r->npages = 0;
	r->kept_bytes = 0;
	for (size_t i = 0; r->cache != NULL && i < VMT_PAGE_CHUNKS; i++)
		if (r->cache[i].position != 0)
			drop(r, &r->cache[i]);
}

void vmt_reader_finish_pages(struct vmt_trace_reader *r)
{
	vmt_reader_forget_pages(r);
	free(r->pages);
	free(r->cache);
	for (size_t i = 0; i < VMT_PAGES_READY; i++)
		free(r->ready[i]);
	vmt_trace_arena_finish(&r->page_arena);
}

/** The chunk that holds page @id in this epoch, or NULL. */
static const struct vmt_chunk_place *find_place(const struct vmt_trace_reader *r, uint64_t id)
{
	size_t low = 0;
	size_t high = r->npages;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (r->pages[middle].header.chunk.position <= id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	low--;
	if (id - r->pages[low].header.chunk.position >= r->pages[low].header.chunk.records ||
	    r->pages[low].header.chunk.epoch != r->epoch)
		return NULL;
	return &r->pages[low];
}

static int read_at(const struct vmt_trace_reader *r, uint64_t offset, void *to, size_t len)
{
	uint8_t *p = to;

	while (len > 0) {
		const ssize_t n = pread(r->in.fd, p, len, (off_t)offset);

		if (n == 0 || (n < 0 && errno != EINTR))
			return -VMT_E_IO;
		if (n > 0) {
			p += n;
			offset += (uint64_t)n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/** The stored bytes of a chunk: those kept, or read again into @buf and compared by header. */
static const uint8_t *stored_bytes(struct vmt_trace_reader *r, const struct vmt_chunk_place *place,
				   struct vmt_trace_buf *buf, struct vmt_chunk_header *header)
{
	const struct vmt_trace_chunk *c = &place->header.chunk;
	const size_t size = VMT_CHUNK_HEADER_SIZE + c->stored;
	unsigned major;

	*header = place->header;
	if (place->kept != NULL)
		return place->kept;
	if (vmt_trace_buf_reserve(buf, size) < 0 || read_at(r, c->offset, buf->p, size) < 0 ||
	    vmt_chunk_header_get(buf->p, header, &major) != NULL ||
	    header->tag != r->preamble.tag || header->chunk.stream != VMT_STREAM_PAGES ||
	    header->chunk.position != c->position || header->chunk.records != c->records ||
	    header->chunk.stored != c->stored || header->chunk.epoch != c->epoch)
		return NULL;
	return buf->p + VMT_CHUNK_HEADER_SIZE;
}

/** Find where each record's payload stands. */
static bool list_records(struct vmt_page_chunk *c, size_t len)
{
	const uint8_t *p = c->raw;
	const uint8_t *const end = c->raw + len;

	c->at = malloc(sizeof(c->at[0]) * c->records);
	if (c->at == NULL)
		return false;
	for (uint32_t i = 0; i < c->records; i++) {
		struct vmt_record_head head;

		if (vmt_record_head_get(p, end, &head) != NULL || head.kind != VMT_TRACE_PAGE)
			return false;
		c->at[i].begin = (uint32_t)(p + head.size - c->raw);
		p += head.size + head.length;
		c->at[i].end = (uint32_t)(p - c->raw);
	}
	return true;
}

/** A free place in the cache, by throwing out what was used longest ago. */
static struct vmt_page_chunk *make_room(struct vmt_trace_reader *r, size_t size)
{
	const uint64_t most = r->options.cache_bytes > 0 ? r->options.cache_bytes : CACHE_DEFAULT;

	if (r->cache == NULL)
		r->cache = calloc(VMT_PAGE_CHUNKS, sizeof(r->cache[0]));
	if (r->cache == NULL)
		return NULL;
	for (;;) {
		struct vmt_page_chunk *oldest = NULL;
		struct vmt_page_chunk *empty = NULL;

		for (size_t i = 0; i < VMT_PAGE_CHUNKS; i++) {
			struct vmt_page_chunk *c = &r->cache[i];

			if (c->position == 0)
				empty = c;
			else if (oldest == NULL || c->used < oldest->used)
				oldest = c;
		}
		if (empty != NULL && (r->cache_size + size <= most || oldest == NULL))
			return empty;
		drop(r, oldest);
	}
}

/** The chunk that begins with page @position, when it is in the cache. */
static struct vmt_page_chunk *find_cached(const struct vmt_trace_reader *r, uint64_t position)
{
	for (size_t i = 0; r->cache != NULL && i < VMT_PAGE_CHUNKS; i++)
		if (r->cache[i].position == position)
			return &r->cache[i];
	return NULL;
}

/** Put an unpacked chunk into the cache, which takes @raw over. NULL: it holds something else. */
static struct vmt_page_chunk *put_into_cache(struct vmt_trace_reader *r,
					     const struct vmt_chunk_header *header,
					     struct vmt_trace_buf *raw)
{
	const size_t size = raw->cap + sizeof(struct vmt_payload_place) * header->chunk.records;
	struct vmt_page_chunk *c = make_room(r, size);
	const size_t len = raw->len;

	if (c == NULL)
		return NULL;
	c->position = header->chunk.position;
	c->records = header->chunk.records;
	c->raw = raw->p;
	c->size = size;
	c->used = ++r->clock;
	r->cache_size += size;
	*raw = (struct vmt_trace_buf){0};
	if (list_records(c, len))
		return c;
	drop(r, c);
	return NULL;
}

void vmt_reader_keep_pages(struct vmt_trace_reader *r, const struct vmt_chunk_header *header,
			   struct vmt_trace_buf *raw)
{
	if (r->pages_wanted && find_cached(r, header->chunk.position) == NULL)
		(void)put_into_cache(r, header, raw);
}

static struct vmt_page_chunk *load(struct vmt_trace_reader *r, const struct vmt_chunk_place *place)
{
	__attribute__((cleanup(vmt_trace_buf_finish))) struct vmt_trace_buf stored = {0};
	__attribute__((cleanup(vmt_trace_buf_finish))) struct vmt_trace_buf raw = {0};
	struct vmt_chunk_header header;
	const uint8_t *bytes = stored_bytes(r, place, &stored, &header);

	r->pages_wanted = true;
	if (bytes == NULL || vmt_reader_unpack(r, &header, bytes, &raw) != NULL)
		return NULL;
	return put_into_cache(r, &header, &raw);
}

/** The decoded record of page @id. NULL: it is not there, or damaged. */
static const struct vmt_trace_page *page_record(struct vmt_trace_reader *r, uint64_t id)
{
	const struct vmt_chunk_place *place = find_place(r, id);
	struct vmt_page_chunk *c;
	struct vmt_trace_decoded decoded;
	uint32_t n;

	if (place == NULL)
		return NULL;
	c = find_cached(r, place->header.chunk.position);
	if (c == NULL)
		c = load(r, place);
	if (c == NULL)
		return NULL;
	c->used = ++r->clock;
	n = (uint32_t)(id - c->position);
	if (n >= c->records)
		return NULL;
	vmt_trace_arena_reset(&r->page_arena);
	if (vmt_trace_decode(vmt_trace_kind_row(VMT_TRACE_PAGE), c->raw + c->at[n].begin,
			     c->at[n].end - c->at[n].begin, r->preamble.minor > VMT_TRACE_MINOR,
			     &r->page_arena, &decoded, NULL) < 0)
		return NULL;
	return decoded.body;
}

/** Put page @id together. NULL, or what is wrong. */
static const char *build(struct vmt_trace_reader *r, uint64_t id, unsigned depth, uint8_t *bytes)
{
	const struct vmt_trace_page *page = page_record(r, id);
	const char *wrong;

	if (page == NULL)
		return "its record is lost or damaged";
	if (page->flags != 0)
		return "it has a flag that is not known";
	switch (page->form) {
	case VMT_TRACE_FILL:
		if (page->len != 1)
			return "it is filled with more than a byte";
		memset(bytes, *(const uint8_t *)page->data, VMT_PAGE_SIZE);
		return NULL;
	case VMT_TRACE_WHOLE:
		if (page->len != VMT_PAGE_SIZE)
			return "it does not have 4096 bytes";
		memcpy(bytes, page->data, VMT_PAGE_SIZE);
		return NULL;
	case VMT_TRACE_PATCH:
		if (page->base == 0 || page->base >= id)
			return "it is a patch to a page that is not older";
		if (depth == VMT_DELTA_DEPTH_MAX)
			return "it is a patch to a patch, and so on for too long";
		wrong = build(r, page->base, depth + 1, bytes);
		if (wrong != NULL)
			return wrong;
		/* The base may have thrown this one's chunk out. */
		page = page_record(r, id);
		return page != NULL ? vmt_patch_apply(bytes, VMT_PAGE_SIZE, page->data, page->len)
				    : "its record is lost or damaged";
	default:
		return "its form is not known";
	}
}

struct vmt_ready_page *vmt_reader_page(struct vmt_trace_reader *r, uint64_t id,
				       struct vmt_error *err)
{
	struct vmt_ready_page *ready;
	const char *wrong;

	if (id == 0 || find_place(r, id) == NULL) {
		if (id == 0 || (!r->state.damaged && id >= r->next_page))
			vmt_error_set(err, VMT_E_NOT_FOUND, "page",
				      "there is no page %llu at this place of the trace",
				      (unsigned long long)id);
		else
			vmt_error_set(err, VMT_E_DAMAGED, "page",
				      "page %llu is lost, or of another epoch",
				      (unsigned long long)id);
		return NULL;
	}
	if (r->ready[id % VMT_PAGES_READY] == NULL)
		r->ready[id % VMT_PAGES_READY] = calloc(1, sizeof(*ready));
	ready = r->ready[id % VMT_PAGES_READY];
	if (ready == NULL) {
		vmt_error_set(err, VMT_E_NO_MEMORY, "page", "no memory for a page");
		return NULL;
	}
	if (ready->id == id)
		return ready;
	ready->id = 0;
	ready->hashed = false;
	wrong = build(r, id, 0, ready->bytes);
	if (wrong != NULL) {
		vmt_error_set(err, VMT_E_DAMAGED, "page", "page %llu cannot be had: %s",
			      (unsigned long long)id, wrong);
		return NULL;
	}
	ready->id = id;
	return ready;
}

int vmt_trace_reader_page(struct vmt_trace_reader *r, uint64_t id, void *page,
			  struct vmt_error *err)
{
	struct vmt_error local = {0};
	const struct vmt_ready_page *ready;

	if (err == NULL)
		err = &local;
	ready = vmt_reader_page(r, id, err);
	if (ready == NULL)
		return -err->status;
	memcpy(page, ready->bytes, VMT_PAGE_SIZE);
	return 0;
}
