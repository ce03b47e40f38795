/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Damage: a trace that holds every kind of record, cut at every byte, with every byte changed, and
 * with lies that pass their checksums. What is read is right, what is lost is named, and nothing
 * else happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zstd.h>
#include <cmocka.h>

#include "sample.h"
#include "trace-format/chunk.h"
#include "trace-format/varint.h"

/* Small chunks, so that damage has something to spare. */
static const struct vmt_trace_writer_options small = {
	.same_thread = true, .chunk_bytes = 700, .epoch_bytes = 9000, .tag = 7};

struct outcome {
	struct vmt_trace_state state;
	uint8_t *seen; /**< by position */
	bool opened;
	bool refused; /**< a record that must not be skipped */
	size_t records, damaged_pages;
};

static void outcome_finish(struct outcome *o)
{
	free(o->seen);
}

/** Is @position in one of the ranges that the reader names as lost? */
static bool named_as_lost(const struct vmt_trace_reader *reader, uint64_t position)
{
	struct vmt_trace_damage d;

	for (uint32_t i = 0; vmt_trace_reader_damage(reader, i, &d) == 0; i++)
		if (d.stream == VMT_STREAM_EVENTS && d.first <= position && position <= d.last)
			return true;
	return false;
}

/** Damage after which nothing more was found: then what is lost has no end. */
static bool open_end(const struct vmt_trace_reader *reader)
{
	struct vmt_trace_damage d;

	for (uint32_t i = 0; vmt_trace_reader_damage(reader, i, &d) == 0; i++)
		if (d.last_callback == UINT64_MAX)
			return true;
	return false;
}

/** Read @fd and hold what is given against @sample. */
static void read_damaged(int fd, const struct sample *sample, struct outcome *o)
{
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	uint64_t last = 0;
	int more;

	*o = (struct outcome){.seen = calloc(1, sample->n + 1)};
	assert_non_null(o->seen);
	if (vmt_trace_reader_open_fd(fd, NULL, &reader, &err) < 0) {
		assert_true(err.text[0] != '\0');
		return;
	}
	o->opened = true;
	while ((more = vmt_trace_reader_next(reader, &record, &err)) == 1) {
		const char *differs = sample_compare(sample, reader, &record);

		if (differs != NULL)
			fail_msg("record %llu (%s) is wrong in %s",
				 (unsigned long long)record.position,
				 vmt_trace_kind_name(record.kind), differs);
		assert_true(o->records == 0 || record.position > last);
		last = record.position;
		o->seen[last] = 1;
		o->records++;
	}
	assert_int_equal(more, 0);
	vmt_trace_reader_state(reader, &o->state);
	assert_true(o->state.at_end);
	for (uint64_t i = 0; i <= sample->n; i++) {
		if (o->seen[i] != 0)
			assert_false(named_as_lost(reader, i));
		else if (i < last)
			assert_true(named_as_lost(reader, i));
		else
			assert_true(named_as_lost(reader, i) || open_end(reader) ||
				    !o->state.ended);
	}
	vmt_trace_reader_close(reader);
}

static bool complete(const struct outcome *o)
{
	return o->opened && o->state.ended && o->state.footer && !o->state.damaged;
}

static void small_trace(struct sample *sample, uint8_t **trace, size_t *len)
{
	sample_init(sample, 21, 3, 12);
	*trace = sample_trace(sample, &small, len);
	assert_true(*len <= 16384);
	assert_true(*len > 4096);
}

static void a_trace_cut_at_any_byte_gives_what_is_before(void **state)
{
	struct sample sample;
	struct outcome o;
	size_t last_records = 0;
	uint8_t *trace;
	size_t len;
	int fd;

	(void)state;
	small_trace(&sample, &trace, &len);
	fd = memory_file(trace, len);
	read_damaged(fd, &sample, &o);
	assert_true(complete(&o));
	assert_int_equal(o.records, sample.n + 1);
	last_records = o.records;
	outcome_finish(&o);
	for (size_t cut = len; cut-- > 0;) {
		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		read_damaged(fd, &sample, &o);
		assert_false(complete(&o));
		assert_true(o.records <= last_records);
		/* In order from the first: nothing in between is lost. */
		for (size_t i = 0; i < o.records; i++)
			assert_true(o.seen[i] != 0);
		last_records = o.records;
		outcome_finish(&o);
	}
	assert_int_equal(last_records, 0);
	close(fd);
	free(trace);
	sample_finish(&sample);
}

static void a_byte_changed_anywhere_is_found_and_its_cost_is_named(void **state)
{
	static const uint8_t changes[] = {0x01, 0x80, 0xff};
	struct sample sample;
	uint8_t *trace;
	size_t most_lost = 0;
	size_t len;
	int fd;

	(void)state;
	small_trace(&sample, &trace, &len);
	fd = memory_file(trace, len);
	for (size_t at = 0; at < len; at++) {
		for (size_t c = 0; c < sizeof(changes); c++) {
			const uint8_t byte = trace[at] ^ changes[c];
			struct outcome o;
			size_t lost;

			assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
			read_damaged(fd, &sample, &o);
			assert_true(o.opened);
			assert_true(o.state.damaged);
			assert_false(complete(&o));
			lost = sample.n + 1 - o.records;
			most_lost = lost > most_lost ? lost : most_lost;
			outcome_finish(&o);
		}
		assert_int_equal(pwrite(fd, trace + at, 1, (off_t)at), 1);
	}
	/* One byte costs one chunk. */
	assert_true(most_lost > 0 && most_lost < sample.n / 3);
	close(fd);
	free(trace);
	sample_finish(&sample);
}

static void a_missing_or_doubled_stretch_costs_its_chunks_only(void **state)
{
	struct rng rng = {22};
	struct sample sample;
	uint8_t *trace;
	uint8_t *changed;
	size_t len;

	(void)state;
	small_trace(&sample, &trace, &len);
	changed = malloc(2 * len);
	assert_non_null(changed);
	for (unsigned i = 0; i < 600; i++) {
		const size_t from = rng_below(&rng, len);
		const size_t n = 1 + rng_below(&rng, len - from < 900 ? len - from : 900);
		const bool twice = i % 2 != 0;
		size_t size = from;
		struct outcome o;
		int fd;

		/* Left out, or written twice. */
		memcpy(changed, trace, from + (twice ? n : 0));
		size += twice ? n : 0;
		memcpy(changed + size, trace + from + (twice ? 0 : n),
		       len - from - (twice ? 0 : n));
		size += len - from - (twice ? 0 : n);
		fd = memory_file(changed, size);
		read_damaged(fd, &sample, &o);
		assert_false(complete(&o));
		outcome_finish(&o);
		close(fd);
	}
	free(changed);
	free(trace);
	sample_finish(&sample);
}

/* -------------------------------------------------------------------------------------------- */
/* Lies with right checksums                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** Where the chunks of an uncompressed trace stand. */
static size_t find_chunks(const uint8_t *trace, size_t len, size_t *at, size_t max)
{
	size_t n = 0;
	size_t offset = VMT_PREAMBLE_SIZE;

	while (offset + VMT_CHUNK_HEADER_SIZE <= len &&
	       memcmp(trace + offset, vmt_chunk_magic, 4) == 0 && n < max) {
		at[n++] = offset;
		offset += VMT_CHUNK_HEADER_SIZE + vmt_le32_get(trace + offset + 56);
	}
	return n;
}

static void seal(uint8_t *chunk)
{
	const uint32_t stored = vmt_le32_get(chunk + 56);

	vmt_le64_put(chunk + 64, vmt_chunk_hash(chunk + VMT_CHUNK_HEADER_SIZE, stored));
	vmt_le64_put(chunk + 72, vmt_chunk_hash(chunk, 72));
}

/** A number that decoders do not like. */
static uint64_t nasty(struct rng *rng)
{
	static const uint64_t numbers[] = {
		0,         1,        16,       17,       4095,       4096,      4097,
		16777215,  16777216, 33554432, 33554433, UINT32_MAX, INT64_MAX, UINT64_MAX - 1,
		UINT64_MAX};

	return numbers[rng_below(rng, sizeof(numbers) / sizeof(numbers[0]))];
}

static void lie_in_header(uint8_t *chunk, struct rng *rng)
{
	static const struct {
		uint8_t at, width;
	} fields[] = {{4, 1},  {5, 1},  {6, 1},  {7, 1},  {8, 4},  {12, 4}, {16, 8},
		      {24, 8}, {32, 8}, {40, 8}, {48, 4}, {52, 4}, {60, 4}};
	const size_t f = rng_below(rng, sizeof(fields) / sizeof(fields[0]));
	uint64_t value = nasty(rng);

	if (rng_below(rng, 2) == 0)
		value = vmt_le64_get(chunk + fields[f].at) + rng_below(rng, 5) - 2;
	for (unsigned i = 0; i < fields[f].width; i++)
		chunk[fields[f].at + i] = (uint8_t)(value >> (8 * i));
}

/** Overwrite a byte, a bit or a run of what the chunk holds, or put a nasty varint there. */
static void lie_in_bytes(uint8_t *chunk, struct rng *rng)
{
	const uint32_t stored = vmt_le32_get(chunk + 56);
	uint8_t *p = chunk + VMT_CHUNK_HEADER_SIZE + rng_below(rng, stored);
	uint8_t varint[VMT_VARINT_MAX];
	size_t n = 1;

	varint[0] = *p ^ (uint8_t)(1u << rng_below(rng, 8));
	if (rng_below(rng, 2) == 0)
		n = vmt_varint_put(varint, nasty(rng));
	for (size_t i = 0; i < n && p + i < chunk + VMT_CHUNK_HEADER_SIZE + stored; i++)
		p[i] = varint[i];
}

/** Read everything, every page, and go to a few places. Whatever comes of it, it ends. */
static void use_everything(int fd, size_t most_records)
{
	const struct vmt_trace_reader_options options = {.digests = true, .cache_bytes = 20000};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_trace_damage damage;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];
	size_t records = 0;
	int more;

	if (vmt_trace_reader_open_fd(fd, &options, &reader, &err) < 0)
		return;
	while ((more = vmt_trace_reader_next(reader, &record, &err)) != 0) {
		assert_true(++records <= most_records);
		if (more < 0)
			assert_int_equal(more, -VMT_E_NOT_SUPPORTED);
		for (uint64_t id = 0; more == 1 && id < 12; id++)
			(void)vmt_trace_reader_page(reader, id, page, &err);
	}
	for (uint32_t i = 0; vmt_trace_reader_damage(reader, i, &damage) == 0; i++)
		assert_true(damage.text[0] != '\0');
	for (uint64_t n = 0; n < 40; n += 13) {
		if (vmt_trace_reader_seek_callback(reader, n * n, &err) == 0)
			(void)vmt_trace_reader_next(reader, &record, &err);
		if (vmt_trace_reader_seek_event(reader, n / 20, &err) == 0)
			(void)vmt_trace_reader_next(reader, &record, &err);
		for (uint64_t id = 0; id < 12; id++)
			(void)vmt_trace_reader_page(reader, id, page, &err);
	}
	vmt_trace_reader_close(reader);
}

static void lies_that_pass_their_checksums_do_no_harm(void **state)
{
	struct vmt_trace_writer_options plain = small;
	struct rng rng = {23};
	struct sample sample;
	uint8_t *trace;
	uint8_t *lying;
	size_t at[128];
	size_t chunks;
	size_t len;

	(void)state;
	plain.level = -1;
	sample_init(&sample, 24, 4, 12);
	trace = sample_trace(&sample, &plain, &len);
	chunks = find_chunks(trace, len, at, 128);
	assert_true(chunks > 10);
	lying = malloc(len);
	assert_non_null(lying);
	for (unsigned i = 0; i < 4000; i++) {
		int fd;

		memcpy(lying, trace, len);
		for (uint64_t n = 1 + rng_below(&rng, 3); n > 0; n--) {
			uint8_t *chunk = lying + at[rng_below(&rng, chunks)];

			if (rng_below(&rng, 3) == 0)
				lie_in_header(chunk, &rng);
			else
				lie_in_bytes(chunk, &rng);
			seal(chunk);
		}
		fd = memory_file(lying, len);
		use_everything(fd, 4 * sample.n);
		close(fd);
	}
	free(lying);
	free(trace);
	sample_finish(&sample);
}

/* -------------------------------------------------------------------------------------------- */
/* Single lies, and what is said of them                                                        */
/* -------------------------------------------------------------------------------------------- */

/** A trace of META and one chunk of pages, made by hand; and a read that names page @id. */
struct forged {
	uint8_t bytes[65536];
	size_t len;
	uint64_t sequence, position;
};

static void forge_begin(struct forged *f)
{
	const struct vmt_preamble preamble = {VMT_TRACE_MAJOR, VMT_TRACE_MINOR, VMT_ARCH_X86_64, 7};

	*f = (struct forged){.len = VMT_PREAMBLE_SIZE};
	vmt_preamble_put(f->bytes, &preamble);
}

static void forge_chunk(struct forged *f, unsigned stream, uint64_t position, uint32_t records,
			const struct vmt_trace_buf *raw, unsigned codec, uint32_t raw_size)
{
	uint8_t *p = f->bytes + f->len;
	struct vmt_chunk_header header = {.codec = (uint8_t)codec, .tag = 7};

	header.chunk.stream = (uint8_t)stream;
	header.chunk.sequence = f->sequence++;
	header.chunk.position = position;
	header.chunk.records = records;
	header.chunk.raw = raw_size;
	header.chunk.stored = (uint32_t)raw->len;
	header.stored_hash = vmt_chunk_hash(raw->p, raw->len);
	vmt_chunk_header_put(p, &header);
	memcpy(p + VMT_CHUNK_HEADER_SIZE, raw->p, raw->len);
	f->len += VMT_CHUNK_HEADER_SIZE + raw->len;
}

static void add_record(struct vmt_trace_buf *raw, unsigned kind, const void *body)
{
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);
	struct vmt_record_head head = {.kind = kind};
	struct vmt_trace_buf payload = {0};
	uint8_t bytes[VMT_RECORD_HEAD_MAX];

	assert_int_equal(vmt_trace_encode(row, body, false, &payload, NULL, NULL), 0);
	head.length = (uint32_t)payload.len;
	assert_int_equal(vmt_trace_buf_add(raw, bytes, vmt_record_head_put(bytes, &head)), 0);
	assert_int_equal(vmt_trace_buf_add(raw, payload.p, payload.len), 0);
	vmt_trace_buf_finish(&payload);
}

/** Forge pages 1 to @n that are @pages, then META; and ask for page @id. */
static int ask_for_forged(const struct vmt_trace_page *pages, uint32_t n, uint64_t id,
			  struct vmt_error *err)
{
	const struct vmt_trace_meta meta = {.tool = "forger"};
	struct forged *f = malloc(sizeof(*f));
	struct vmt_trace_buf raw = {0};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	uint8_t page[VMT_PAGE_SIZE];
	int fd;
	int r;

	assert_non_null(f);
	forge_begin(f);
	for (uint32_t i = 0; i < n; i++)
		add_record(&raw, VMT_TRACE_PAGE, &pages[i]);
	forge_chunk(f, VMT_STREAM_PAGES, 1, n, &raw, VMT_CODEC_NONE, (uint32_t)raw.len);
	raw.len = 0;
	add_record(&raw, VMT_TRACE_META, &meta);
	forge_chunk(f, VMT_STREAM_EVENTS, 0, 1, &raw, VMT_CODEC_NONE, (uint32_t)raw.len);
	fd = memory_file(f->bytes, f->len);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, NULL), 0);
	assert_int_equal(vmt_trace_reader_next(reader, &record, NULL), 1);
	assert_string_equal(((const struct vmt_trace_meta *)record.body)->tool, "forger");
	r = vmt_trace_reader_page(reader, id, page, err);
	vmt_trace_reader_close(reader);
	vmt_trace_buf_finish(&raw);
	close(fd);
	free(f);
	return r;
}

static void patches_that_cannot_be_are_refused_each_by_name(void **state)
{
	static const uint8_t whole[VMT_PAGE_SIZE];
	static const uint8_t patch[] = {0, 1, 9};
	static const uint8_t beyond[] = {0xff, 0x1f, 2, 1, 1}; /* skip 4095, two bytes */
	static const uint8_t empty[] = {0, 0};
	const struct vmt_trace_page first = {VMT_TRACE_WHOLE, 0, 0, whole, sizeof(whole)};
	const struct {
		struct vmt_trace_page page;
		const char *says;
	} cases[] = {
		{{VMT_TRACE_PATCH, 0, 2, patch, 3}, "not older"},
		{{VMT_TRACE_PATCH, 0, 3, patch, 3}, "not older"},
		{{VMT_TRACE_PATCH, 0, 0, patch, 3}, "not older"},
		{{VMT_TRACE_PATCH, 0, 1, beyond, 5}, "beyond"},
		{{VMT_TRACE_PATCH, 0, 1, empty, 2}, "empty"},
		{{VMT_TRACE_PATCH, 0, 1, patch, 2}, "cut"},
		{{VMT_TRACE_WHOLE, 0, 0, whole, 4095}, "4096"},
		{{VMT_TRACE_FILL, 0, 0, whole, 2}, "more than a byte"},
		{{3, 0, 0, whole, 1}, "form"},
		{{VMT_TRACE_FILL, 1, 0, whole, 1}, "flag"},
	};
	struct vmt_trace_page chain[18] = {first};
	struct vmt_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct vmt_trace_page pages[] = {first, cases[i].page};

		assert_int_equal(ask_for_forged(pages, 2, 2, &err), -VMT_E_DAMAGED);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("case %zu: %s", i, err.text);
		assert_int_equal(ask_for_forged(pages, 2, 1, &err), 0);
	}
	for (uint64_t i = 1; i < 18; i++)
		chain[i] = (struct vmt_trace_page){VMT_TRACE_PATCH, 0, i, patch, 3};
	assert_int_equal(ask_for_forged(chain, 18, 17, &err), 0);
	assert_int_equal(ask_for_forged(chain, 18, 18, &err), -VMT_E_DAMAGED);
	assert_non_null(strstr(err.text, "too long"));
	assert_int_equal(ask_for_forged(chain, 18, 19, &err), -VMT_E_NOT_FOUND);
}

/** Add an event record with this stored payload. */
static void add_event(struct vmt_trace_buf *raw, const void *payload, size_t len, bool delta)
{
	const struct vmt_record_head head = {
		.kind = VMT_TRACE_EVENT, .delta = delta, .length = (uint32_t)len};
	uint8_t bytes[VMT_RECORD_HEAD_MAX];

	assert_int_equal(vmt_trace_buf_add(raw, bytes, vmt_record_head_put(bytes, &head)), 0);
	assert_int_equal(vmt_trace_buf_add(raw, payload, len), 0);
}

static void deltas_that_cannot_be_cost_themselves_and_what_builds_on_them(void **state)
{
	static const uint8_t event[] = {1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0};
	static const uint8_t right[] = {1, sizeof(event), sizeof(event) - 2, 1, 8};
	static const struct {
		uint8_t bytes[16];
		size_t len;
		const char *says;
	} cases[] = {
		{{0}, 0, "names no slot"},
		{{32, 17}, 2, "names no slot"},
		{{2, 17}, 2, "not there"},
		{{1}, 1, "length"},
		{{1, 0}, 2, "length"},
		{{1, 0xff, 0xff, 7}, 4, "length"},
		{{1, 0x81, 2}, 3, "length"}, /* 257 bytes from 3 */
		{{1, 17, 16, 2, 1, 1}, 6, "beyond"},
		{{1, 17, 0, 0}, 4, "empty"},
		{{1, 17, 0, 2, 1}, 5, "cut"},
		{{1, 20}, 2, "follow"}, /* three zeros behind the last field */
		{{1, 16}, 2, "cut"},
	};
	const struct vmt_trace_meta meta = {.tool = "forger"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct forged *f = calloc(1, sizeof(*f));
		struct vmt_trace_buf raw = {0};
		struct vmt_trace_reader *reader;
		struct vmt_trace_record record;
		struct vmt_trace_damage damage;
		struct vmt_error err;
		int fd;

		assert_non_null(f);
		add_record(&raw, VMT_TRACE_META, &meta);
		add_event(&raw, event, sizeof(event), false);
		add_event(&raw, right, sizeof(right), true);
		add_event(&raw, cases[i].bytes, cases[i].len, true);
		add_event(&raw, event, sizeof(event), false);
		forge_begin(f);
		forge_chunk(f, VMT_STREAM_EVENTS, 0, 5, &raw, VMT_CODEC_NONE, (uint32_t)raw.len);
		fd = memory_file(f->bytes, f->len);
		assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, NULL), 0);
		for (uint64_t n = 0; n < 5; n++) {
			const struct vmt_trace_event *got;

			if (n == 3)
				continue;
			assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
			assert_int_equal(record.position, n);
			got = record.body;
			if (n > 0)
				assert_int_equal(got->event.ticket, n == 2 ? 8 : 7);
		}
		assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 0);
		assert_int_equal(vmt_trace_reader_damage(reader, 0, &damage), 0);
		if (strstr(damage.text, cases[i].says) == NULL)
			fail_msg("case %zu: %s", i, damage.text);
		assert_int_equal(damage.first, 3);
		assert_int_equal(damage.last, 3);
		vmt_trace_reader_close(reader);
		vmt_trace_buf_finish(&raw);
		close(fd);
		free(f);
	}
}

static void a_chunk_that_unpacks_to_more_than_it_says_is_refused(void **state)
{
	static const size_t sizes[] = {1000, 100000, 32u << 20, 33u << 20};
	struct forged *f = malloc(sizeof(*f));

	(void)state;
	assert_non_null(f);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *zeros = calloc(1, sizes[i]);
		uint8_t packed[16384];
		struct vmt_trace_buf raw = {packed, 0, sizeof(packed)};
		struct vmt_trace_reader *reader;
		struct vmt_trace_record record;
		struct vmt_trace_state st;
		int fd;

		assert_non_null(zeros);
		raw.len = ZSTD_compress(packed, sizeof(packed), zeros, sizes[i], 1);
		assert_false(ZSTD_isError(raw.len));
		forge_begin(f);
		/* Says 999 where there is more; then more than the limit, truly. */
		forge_chunk(f, VMT_STREAM_EVENTS, 0, 1, &raw, VMT_CODEC_ZSTD,
			    i < 3 ? 999 : (uint32_t)sizes[i]);
		fd = memory_file(f->bytes, f->len);
		if (vmt_trace_reader_open_fd(fd, NULL, &reader, NULL) == 0) {
			assert_int_equal(vmt_trace_reader_next(reader, &record, NULL), 0);
			vmt_trace_reader_state(reader, &st);
			assert_true(st.damaged);
			vmt_trace_reader_close(reader);
		}
		close(fd);
		free(zeros);
	}
	free(f);
}

static void what_a_newer_program_wrote_is_refused_or_skipped_as_it_asks(void **state)
{
	const struct vmt_trace_meta meta = {.tool = "forger"};
	struct forged *f = malloc(sizeof(*f));
	struct vmt_trace_buf raw = {0};
	struct vmt_trace_reader *reader;
	struct vmt_trace_record record;
	struct vmt_error err = {0};
	uint8_t head[VMT_RECORD_HEAD_MAX];
	int fd;

	(void)state;
	assert_non_null(f);
	add_record(&raw, VMT_TRACE_META, &meta);
	for (unsigned ancillary = 0; ancillary < 2; ancillary++) {
		const struct vmt_record_head unknown = {.kind = 100, .ancillary = ancillary == 0};

		assert_int_equal(vmt_trace_buf_add(&raw, head, vmt_record_head_put(head, &unknown)),
				 0);
	}
	add_record(&raw, VMT_TRACE_BEGIN, NULL);
	forge_begin(f);
	forge_chunk(f, VMT_STREAM_EVENTS, 0, 4, &raw, VMT_CODEC_NONE, (uint32_t)raw.len);
	fd = memory_file(f->bytes, f->len);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), 0);
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), -VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(err.text, "record 2 is of kind 100"));
	assert_int_equal(vmt_trace_reader_next(reader, &record, &err), 1);
	assert_int_equal(record.kind, VMT_TRACE_BEGIN);
	vmt_trace_reader_close(reader);
	close(fd);

	/* Another major version is refused by its number. */
	vmt_le16_put(f->bytes + 8, 3);
	vmt_le64_put(f->bytes + 24, vmt_chunk_hash(f->bytes, 24));
	fd = memory_file(f->bytes, f->len);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), -VMT_E_NOT_SUPPORTED);
	assert_non_null(strstr(err.text, "3.2"));
	close(fd);
	vmt_trace_buf_finish(&raw);
	free(f);
}

static void what_is_no_trace_is_called_so(void **state)
{
	static const char text[] =
		"this is not a trace, but it is long enough to be one, is it not?";
	struct vmt_trace_reader *reader;
	struct vmt_error err = {0};
	int fd = memory_file(text, sizeof(text));

	(void)state;
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), -VMT_E_DAMAGED);
	assert_non_null(strstr(err.text, "no trace"));
	close(fd);
	fd = memory_file("", 0);
	assert_int_equal(vmt_trace_reader_open_fd(fd, NULL, &reader, &err), -VMT_E_DAMAGED);
	assert_non_null(strstr(err.text, "empty"));
	close(fd);
	assert_int_equal(vmt_trace_reader_open("/nonexistent/x.vmt", NULL, &reader, &err),
			 -VMT_E_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trace_cut_at_any_byte_gives_what_is_before),
		cmocka_unit_test(a_byte_changed_anywhere_is_found_and_its_cost_is_named),
		cmocka_unit_test(a_missing_or_doubled_stretch_costs_its_chunks_only),
		cmocka_unit_test(lies_that_pass_their_checksums_do_no_harm),
		cmocka_unit_test(patches_that_cannot_be_are_refused_each_by_name),
		cmocka_unit_test(deltas_that_cannot_be_cost_themselves_and_what_builds_on_them),
		cmocka_unit_test(a_chunk_that_unpacks_to_more_than_it_says_is_refused),
		cmocka_unit_test(what_a_newer_program_wrote_is_refused_or_skipped_as_it_asks),
		cmocka_unit_test(what_is_no_trace_is_called_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
