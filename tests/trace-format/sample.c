/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records made at random along the field tables, and traces of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmitape/registers.h>

#include "sample.h"
#include "trace-format/predict.h"

uint64_t rng_next(struct rng *rng)
{
	uint64_t x = rng->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t rng_below(struct rng *rng, uint64_t limit)
{
	return rng_next(rng) % limit;
}

uint8_t *rng_bytes(struct rng *rng, struct vmt_trace_arena *arena, size_t len)
{
	uint8_t *p = vmt_trace_arena_alloc(arena, len > 0 ? len : 1);

	assert_non_null(p);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rng_next(rng);
	return p;
}

/** A number of at most @bits; small ones, and the largest, come often. */
static uint64_t number(struct rng *rng, unsigned bits)
{
	const uint64_t max = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;

	switch (rng_below(rng, 4)) {
	case 0:
		return max;
	case 1:
		return rng_next(rng) & max & (UINT64_MAX >> rng_below(rng, 64));
	default:
		return rng_below(rng, 14) & max;
	}
}

static void fill_struct(const struct vmt_trace_struct *table, uint8_t *base, struct rng *rng,
			struct vmt_trace_arena *arena, size_t most);

static void fill_registers(struct vmt_regs *regs, uint64_t known, struct rng *rng)
{
	memset(regs, 0, sizeof(*regs));
	for (size_t i = 0; i < vmt_reg_nfields; i++)
		if ((known & VMT_KNOWN(vmt_reg_fields[i].bit)) != 0)
			vmt_reg_set(regs, &vmt_reg_fields[i], number(rng, 64));
	regs->known = known;
}

static void fill_text(const struct vmt_trace_field *field, uint8_t *at, struct rng *rng,
		      struct vmt_trace_arena *arena, size_t most)
{
	const size_t cap = field->type == VMT_T_CHARS ? field->width - 1u : field->max;
	const size_t len = rng_below(rng, (cap < most ? cap : most) + 1);
	char *text = (char *)rng_bytes(rng, arena, len + 1);

	if (field->type == VMT_T_MAYBE && rng_below(rng, 3) == 0)
		return;
	for (size_t i = 0; i < len; i++)
		if (rng_below(rng, 8) != 0 || text[i] == '\0')
			text[i] = (char)('a' + rng_below(rng, 26));
	text[len] = '\0';
	if (field->type == VMT_T_CHARS)
		memcpy(at, text, len);
	else
		memcpy(at, &text, sizeof(text));
}

static void fill_data(const struct vmt_trace_field *field, uint8_t *base, uint8_t *at,
		      struct rng *rng, struct vmt_trace_arena *arena, size_t most)
{
	const size_t len = rng_below(rng, (field->max < most ? field->max : most) + 1);
	const uint8_t *p = rng_bytes(rng, arena, len);

	memcpy(at, &p, sizeof(p));
	vmt_trace_store(base + field->aux, field->aux_width, len);
}

static void fill_list(const struct vmt_trace_field *field, uint8_t *base, uint8_t *at,
		      struct rng *rng, struct vmt_trace_arena *arena, size_t most)
{
	const size_t count = rng_below(rng, 4);
	uint8_t *items = vmt_trace_arena_alloc(arena, (count + 1) * field->sub->size);

	assert_non_null(items);
	for (size_t i = 0; i < count; i++)
		fill_struct(field->sub, items + i * field->sub->size, rng, arena, most);
	memcpy(at, &items, sizeof(items));
	vmt_trace_store(base + field->aux, field->aux_width, count);
}

static void fill_field(const struct vmt_trace_field *field, uint8_t *base, struct rng *rng,
		       struct vmt_trace_arena *arena, size_t most)
{
	uint8_t *at = base + field->offset;
	struct vmt_regs regs;

	if (field->deref) {
		uint8_t *behind = vmt_trace_arena_alloc(arena, field->width);

		assert_non_null(behind);
		memcpy(at, &behind, sizeof(behind));
		at = behind;
	}
	switch (field->type) {
	case VMT_T_UINT:
	case VMT_T_HEX:
		vmt_trace_store(at, field->width, field->page_id ? 0 : number(rng, field->max));
		break;
	case VMT_T_SINT:
		/* Results decide what else is there: half of them are failures. */
		vmt_trace_store(at, field->width,
				rng_below(rng, 2) == 0 ? rng_below(rng, 3) : rng_next(rng));
		break;
	case VMT_T_BOOL:
		*at = (uint8_t)rng_below(rng, 2);
		break;
	case VMT_T_LE64:
	case VMT_T_LEHEX:
		vmt_trace_store(at, 8, number(rng, 64));
		break;
	case VMT_T_TEXT:
	case VMT_T_MAYBE:
	case VMT_T_CHARS:
		fill_text(field, at, rng, arena, most);
		break;
	case VMT_T_BYTES:
	case VMT_T_BLOB:
		fill_data(field, base, at, rng, arena, most);
		break;
	case VMT_T_FIXED:
		memcpy(at, rng_bytes(rng, arena, field->width), field->width);
		break;
	case VMT_T_STRUCT:
		fill_struct(field->sub, at, rng, arena, most);
		break;
	case VMT_T_LIST:
		fill_list(field, base, at, rng, arena, most);
		break;
	case VMT_T_REGS:
		fill_registers(&regs, rng_below(rng, 2) != 0 ? rng_next(rng) & VMT_KNOWN_ALL : 7,
			       rng);
		memcpy(at, &regs, sizeof(regs));
		break;
	default:
		fill_registers(&regs, VMT_KNOWN_GPRS, rng);
		memcpy(at, &regs.gprs, sizeof(regs.gprs));
	}
}

static void fill_struct(const struct vmt_trace_struct *table, uint8_t *base, struct rng *rng,
			struct vmt_trace_arena *arena, size_t most)
{
	for (size_t i = 0; i < table->nfields; i++)
		if (vmt_trace_field_present(&table->fields[i], base))
			fill_field(&table->fields[i], base, rng, arena, most);
}

void *sample_body(unsigned kind, struct rng *rng, struct vmt_trace_arena *arena, size_t most)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);
	uint8_t *body = vmt_trace_arena_alloc(arena, row->body->size);

	assert_non_null(body);
	fill_struct(row->body, body, rng, arena, most);
	return body;
}

/** A page: one of few contents, changed in a few places. */
static const void *sample_page(struct rng *rng, struct vmt_trace_arena *arena)
{
	uint8_t *page = vmt_trace_arena_alloc(arena, VMT_PAGE_SIZE);
	struct rng content = {rng_below(rng, 4)};

	assert_non_null(page);
	if (rng_below(rng, 8) == 0)
		return memset(page, (int)rng_below(rng, 2), VMT_PAGE_SIZE);
	/* Some structure, so that a small trace stays small when it is compressed. */
	for (size_t i = 0; i < VMT_PAGE_SIZE; i += 64)
		page[i] = (uint8_t)rng_next(&content);
	for (uint64_t n = rng_below(rng, 4); n > 0; n--)
		page[rng_below(rng, VMT_PAGE_SIZE)] = (uint8_t)rng_next(rng);
	return page;
}

static bool failed(const struct vmt_trace_record *record)
{
	int32_t result;

	/* Both kinds that name pages have their result first. */
	memcpy(&result,
	       record->kind == VMT_TRACE_CAPTURE
		       ? record->body
		       : (const void *)&((const struct vmt_trace_call *)record->body)->call.result,
	       sizeof(result));
	return result < 0;
}

/** An event much like the last one, as most are, with raw bytes that say nearly the same. */
static void *similar_event(const struct vmt_trace_record *before, struct rng *rng,
			   struct vmt_trace_arena *arena)
{
	struct vmt_trace_event *body = vmt_trace_arena_alloc(arena, sizeof(*body));
	static const uint16_t lengths[] = {400, 400, 400, 0, 17, 399, 600};
	uint8_t *raw;

	assert_non_null(body);
	memcpy(body, before->body, sizeof(*body));
	body->event.ticket = rng_next(rng);
	if ((body->event.regs.known & VMT_KNOWN(VMT_REG_RIP)) != 0)
		body->event.regs.gprs.rip = rng_next(rng);
	if (rng_below(rng, 4) == 0)
		return body;
	body->event.raw_kind = (uint32_t)(1 + rng_below(rng, 8) / 7);
	body->event.raw_len = lengths[rng_below(rng, sizeof(lengths) / sizeof(lengths[0]))];
	raw = vmt_trace_arena_alloc(arena, body->event.raw_len + 1);
	assert_non_null(raw);
	vmt_trace_predict_raw(&body->event, raw, body->event.raw_len);
	for (uint64_t n = rng_below(rng, 4); n > 0 && body->event.raw_len > 0; n--)
		raw[rng_below(rng, body->event.raw_len)] ^= (uint8_t)rng_next(rng);
	body->event.raw = raw;
	return body;
}

static void sample_record(struct sample *sample, unsigned kind, struct rng *rng, size_t most)
{
	struct vmt_trace_record *record = &sample->records[sample->n];
	const struct vmt_trace_record *last = sample->n > 0 ? record - 1 : NULL;
	void *body;

	record->kind = (uint16_t)kind;
	record->phase = (uint8_t)rng_below(rng, 6);
	record->position = sample->n++;
	record->callback = last != NULL ? last->callback : 0;
	if (rng_below(rng, 3) == 0)
		record->callback += rng_below(rng, 200);
	record->event = last != NULL ? last->event + (last->kind == VMT_TRACE_EVENT) : 0;
	if (kind == VMT_TRACE_EVENT && last != NULL && last->kind == kind)
		body = similar_event(last, rng, &sample->arena);
	else
		body = sample_body(kind, rng, &sample->arena, most);
	record->body = body;
	if (vmt_trace_kind_row(kind)->pages && !failed(record) && rng_below(rng, 4) != 0) {
		record->page = sample_page(rng, &sample->arena);
		if (kind != VMT_TRACE_CAPTURE)
			((struct vmt_trace_call *)body)->len = 0;
	}
}

void sample_init(struct sample *sample, uint64_t seed, size_t rounds, size_t most)
{
	struct rng rng = {seed};

	*sample = (struct sample){0};
	sample->records = calloc(rounds * VMT_TRACE_KIND_COUNT + 1, sizeof(sample->records[0]));
	assert_non_null(sample->records);
	sample_record(sample, VMT_TRACE_META, &rng, most);
	for (size_t round = 0; round < rounds; round++) {
		const unsigned start = (unsigned)rng_below(&rng, VMT_TRACE_KIND_COUNT);

		for (unsigned i = 0; i < VMT_TRACE_KIND_COUNT; i++) {
			const unsigned kind = (start + i * 7) % VMT_TRACE_KIND_COUNT;

			if (vmt_trace_kind_row(kind) != NULL && kind != VMT_TRACE_META &&
			    kind != VMT_TRACE_END && kind != VMT_TRACE_PAGE &&
			    kind != VMT_TRACE_INDEX)
				sample_record(sample, kind, &rng, most);
			/* And one that is stored as the difference to it. */
			if (kind == VMT_TRACE_EVENT)
				sample_record(sample, kind, &rng, most);
		}
	}
}

void sample_finish(struct sample *sample)
{
	vmt_trace_arena_finish(&sample->arena);
	free(sample->records);
}

void sample_write(const struct sample *sample, struct vmt_trace_writer *writer)
{
	for (size_t i = 0; i < sample->n; i++) {
		struct vmt_error err = {0};

		if (vmt_trace_writer_append(writer, &sample->records[i], &err) < 0)
			fail_msg("record %zu (%s): %s: %s", i,
				 vmt_trace_kind_name(sample->records[i].kind), err.place, err.text);
	}
}

int memory_file(const void *p, size_t len)
{
	const int fd = memfd_create("trace", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_true(write(fd, p, len) == (ssize_t)len);
	return fd;
}

uint8_t *sample_trace(const struct sample *sample, const struct vmt_trace_writer_options *options,
		      size_t *len)
{
	const int fd = memfd_create("trace", MFD_CLOEXEC);
	struct vmt_trace_writer *writer;
	struct stat st;
	uint8_t *bytes;

	assert_true(fd >= 0);
	assert_int_equal(vmt_trace_writer_open_fd(fd, options, &writer, NULL), 0);
	sample_write(sample, writer);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	*len = (size_t)st.st_size;
	bytes = malloc(*len);
	assert_non_null(bytes);
	assert_true(pread(fd, bytes, *len, 0) == st.st_size);
	close(fd);
	return bytes;
}

const char *sample_compare(const struct sample *sample, struct vmt_trace_reader *reader,
			   const struct vmt_trace_record *record)
{
	static char path[200];
	const struct vmt_trace_record *want;
	uint8_t page[VMT_PAGE_SIZE];
	uint64_t id = 0;

	if (record->position >= sample->n)
		return record->kind == VMT_TRACE_END && record->position == sample->n ? NULL
										      : "position";
	want = &sample->records[record->position];
	if (record->kind != want->kind)
		return "kind";
	if (record->phase != want->phase)
		return "phase";
	if (record->callback != want->callback)
		return "callback";
	if (record->event != want->event)
		return "event number";
	if (vmt_trace_record_differ(want, record, path, sizeof(path)) != 0)
		return path;
	if (record->kind == VMT_TRACE_CAPTURE)
		id = ((const struct vmt_trace_capture *)record->body)->page;
	else if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		id = ((const struct vmt_trace_call *)record->body)->page;
	if ((id != 0) != (want->page != NULL))
		return "page id";
	if (id == 0)
		return NULL;
	switch (-vmt_trace_reader_page(reader, id, page, NULL)) {
	case 0:
		return memcmp(page, want->page, VMT_PAGE_SIZE) == 0 ? NULL : "page bytes";
	case VMT_E_DAMAGED:
		return NULL; /* it says so itself */
	default:
		return "page not found";
	}
}
