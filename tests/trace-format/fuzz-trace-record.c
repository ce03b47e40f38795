/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A payload: the first byte is the kind of record, the rest what is decoded. What is taken is shown,
 * compared with itself, and encodes to the same bytes again.
 */
#include <string.h>

#include "../fuzz/fuzz.h"
#include "trace-format/fields.h"
#include "trace-format/patch.h"
#include "trace-format/record.h"

static int count(void *context, const char *text, size_t len)
{
	(void)text;
	*(size_t *)context += len;
	return 0;
}

/** What was encoded @again decodes to the same. */
static void require_same(const struct vmt_trace_kind_row *row,
			 const struct vmt_trace_record *record, const struct vmt_trace_buf *again)
{
	struct vmt_trace_record other = *record;
	struct vmt_trace_arena arena = {0};
	struct vmt_trace_decoded decoded;
	char path[80];

	FUZZ_REQUIRE(vmt_trace_decode(row, again->p, again->len, false, &arena, &decoded, NULL) ==
		     0);
	other.body = decoded.body;
	FUZZ_REQUIRE(vmt_trace_record_differ(record, &other, path, sizeof(path)) == 0);
	vmt_trace_arena_finish(&arena);
}

static void use(const struct vmt_trace_kind_row *row, unsigned kind, const uint8_t *data,
		size_t size, const struct vmt_trace_decoded *decoded)
{
	const struct vmt_trace_record record = {.kind = (uint16_t)kind, .body = decoded->body};
	const size_t len = decoded->page != 0 ? decoded->page_at : size;
	struct vmt_trace_buf again = {0};
	size_t behaviour = 0;
	size_t text = 0;
	char path[80];

	FUZZ_REQUIRE(vmt_trace_encode(row, decoded->body, decoded->page != 0, &again, &behaviour,
				      NULL) == 0);
	/* A patch to raw bytes can be written in more than one way; else there is one alone. */
	if (kind == VMT_TRACE_EVENT &&
	    ((const struct vmt_trace_event *)decoded->body)->event.raw_kind != 0)
		require_same(row, &record, &again);
	else
		FUZZ_REQUIRE(again.len == len && (len == 0 || memcmp(again.p, data, len) == 0));
	FUZZ_REQUIRE(behaviour == decoded->behaviour);
	FUZZ_REQUIRE(vmt_trace_record_json(&record, count, &text) == 0 && text > 20);
	FUZZ_REQUIRE(vmt_trace_record_differ(&record, &record, path, sizeof(path)) == 0);
	vmt_trace_buf_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned kind = size > 0 ? data[0] % VMT_TRACE_KIND_COUNT : 0;
	const struct vmt_trace_kind_row *row = vmt_trace_kind_row(kind);
	struct vmt_trace_arena arena = {0};
	struct vmt_trace_decoded decoded;
	uint8_t page[VMT_PAGE_SIZE] = {0};

	if (size == 0)
		return 0;
	(void)vmt_patch_apply(page, sizeof(page), data, size);
	if (row != NULL &&
	    vmt_trace_decode(row, data + 1, size - 1, false, &arena, &decoded, NULL) == 0)
		use(row, kind, data + 1, size - 1, &decoded);
	vmt_trace_arena_finish(&arena);
	return 0;
}
