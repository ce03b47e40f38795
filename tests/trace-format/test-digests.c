/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two digests: each field that differs changes the record digest, those that a handler does or
 * that happens to it the behaviour digest too, and how a trace is cut changes neither.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sample.h"

static struct vmt_trace_digests digests_of(const struct sample *sample)
{
	const struct vmt_trace_writer_options options = {.same_thread = true};
	struct vmt_trace_summary summary;
	struct vmt_trace_writer *writer;
	const int fd = memory_file("", 0);

	assert_int_equal(vmt_trace_writer_open_fd(fd, &options, &writer, NULL), 0);
	sample_write(sample, writer);
	assert_int_equal(vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, &summary, NULL),
			 0);
	close(fd);
	return summary.digests;
}

/** Change one scalar field of @body. */
static void change(const struct vmt_trace_field *field, uint8_t *body)
{
	uint8_t *at = body + field->offset;

	if (field->deref)
		memcpy(&at, at, sizeof(at));
	*at ^= 1;
}

static bool can_change(const struct vmt_trace_kind_row *row, const struct vmt_trace_field *field,
		       const void *body)
{
	/* A field on which others depend would change what is there at all. */
	for (size_t i = 0; i < row->body->nfields; i++)
		if (row->body->fields[i].when != VMT_WHEN_ALWAYS &&
		    row->body->fields[i].cond_offset == field->offset)
			return false;
	return field->type <= VMT_T_LEHEX && !field->page_id &&
	       vmt_trace_field_present(field, body) && vmt_trace_field_at(field, body) != NULL;
}

static void each_scalar_changes_the_digests_that_it_belongs_to(void **state)
{
	struct vmt_trace_digests before;
	struct sample sample;
	unsigned behaviour = 0;
	unsigned record_only = 0;
	unsigned neither = 0;

	(void)state;
	sample_init(&sample, 51, 1, 30);
	before = digests_of(&sample);
	for (size_t i = 0; i < sample.n; i++) {
		const struct vmt_trace_record *record = &sample.records[i];
		const struct vmt_trace_kind_row *row = vmt_trace_kind_row(record->kind);
		bool late = false;

		for (size_t f = 0; f < row->body->nfields; f++) {
			const struct vmt_trace_field *field = &row->body->fields[f];
			struct vmt_trace_digests after;
			uint8_t *body;

			memcpy(&body, &record->body, sizeof(body));
			late = late || field->late;
			if (!can_change(row, field, body))
				continue;
			change(field, body);
			after = digests_of(&sample);
			change(field, body);
			if ((memcmp(before.record, after.record, 16) == 0) !=
			    (row->digest == VMT_DIGEST_NONE))
				fail_msg("record digest, %s.%s", row->name, field->name);
			if ((memcmp(before.behaviour, after.behaviour, 16) == 0) !=
			    (row->digest != VMT_DIGEST_BEHAVIOUR || late))
				fail_msg("behaviour digest, %s.%s", row->name, field->name);
			if (row->digest == VMT_DIGEST_NONE)
				neither++;
			else if (row->digest == VMT_DIGEST_BEHAVIOUR && !late)
				behaviour++;
			else
				record_only++;
		}
	}
	assert_true(behaviour > 25);
	assert_true(record_only > 25);
	assert_true(neither > 2);
	sample_finish(&sample);
}

/* A session in small: an emission, a response, an event, a read, a write. */
struct session {
	struct vmt_trace_meta meta;
	struct vmt_trace_event event;
	struct vmt_gprs gprs;
	struct vmt_response response;
	struct vmt_trace_callback_end end;
	struct vmt_value value;
	struct vmt_trace_emission emission;
	struct vmt_trace_call read, write;
	uint8_t page[VMT_PAGE_SIZE];
	uint8_t bytes[2], before[2];
	char text[8];
	uint64_t callback;
};

static struct vmt_trace_digests digests_of_session(struct session *s)
{
	const struct vmt_trace_record records[] = {
		{.kind = VMT_TRACE_META, .body = &s->meta},
		{.kind = VMT_TRACE_EVENT, .body = &s->event, .phase = 2},
		{.kind = VMT_TRACE_CALL + VMT_CALL_READ,
		 .body = &s->read,
		 .page = s->page,
		 .callback = 1,
		 .phase = 2},
		{.kind = VMT_TRACE_CALL + VMT_CALL_WRITE,
		 .body = &s->write,
		 .callback = 1,
		 .phase = 2},
		{.kind = VMT_TRACE_EMISSION,
		 .body = &s->emission,
		 .callback = s->callback,
		 .phase = 2},
		{.kind = VMT_TRACE_CALLBACK_END,
		 .body = &s->end,
		 .callback = s->callback,
		 .phase = 2},
	};
	struct sample sample = {.records = calloc(6, sizeof(records[0])), .n = 6};
	struct vmt_trace_digests digests;

	assert_non_null(sample.records);
	memcpy(sample.records, records, sizeof(records));
	digests = digests_of(&sample);
	free(sample.records);
	return digests;
}

static void session_init(struct session *s)
{
	memset(s, 0, sizeof(*s));
	s->event.event.reason = VMT_EVENT_SINGLESTEP;
	s->event.event.regs.known = VMT_KNOWN_XEN_EVENT;
	s->event.event.ticket = 4;
	s->response = vmt_with_regs(vmt_respond(VMT_CONTINUE), &s->gprs);
	s->end = (struct vmt_trace_callback_end){VMT_CALLBACK_EVENT, 0, &s->response};
	memcpy(s->text, "hello", 6);
	s->value = vmt_text(s->text);
	s->emission = (struct vmt_trace_emission){0, &s->value, 1};
	s->read.call.u.read.len = 8;
	s->write.call.u.write.buf = s->bytes;
	s->write.call.u.write.len = 2;
	s->write.before = s->before;
	s->write.before_len = 2;
	s->write.before_known = true;
	s->callback = 1;
}

static void one_changed_byte_changes_the_right_digest(void **state)
{
	struct session s;
	const struct {
		void *byte;
		bool behaviour;
		const char *what;
	} cases[] = {
		{&s.text[1], true, "emission"},
		{&s.gprs.rip, true, "response"},
		{&s.event.event.regs.cr3, true, "register"},
		{&s.event.event.u.step.gfn, true, "event"},
		{&s.event.event.ticket, false, "ticket"},
		{&s.bytes[1], true, "write"},
		{&s.before[1], false, "pre-image"},
		{&s.page[3], false, "read"},
		{&s.page[4095], false, "page around a read"},
		{&s.read.call.u.read.offset, false, "offset of a read"},
		{&s.meta.policy, false, "meta"},
		{&s.callback, true, "callback"},
	};
	struct vmt_trace_digests before;

	(void)state;
	session_init(&s);
	before = digests_of_session(&s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct vmt_trace_digests after;

		*(uint8_t *)cases[i].byte ^= 2;
		after = digests_of_session(&s);
		*(uint8_t *)cases[i].byte ^= 2;
		if (memcmp(before.record, after.record, 16) == 0)
			fail_msg("%s: the record digest is the same", cases[i].what);
		if ((memcmp(before.behaviour, after.behaviour, 16) == 0) == cases[i].behaviour)
			fail_msg("%s: the behaviour digest is not as it should", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_scalar_changes_the_digests_that_it_belongs_to),
		cmocka_unit_test(one_changed_byte_changes_the_right_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
