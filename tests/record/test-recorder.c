/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recorder: each call, callback, emission and failure of a session is in the trace, in order,
 * and what the handler got is what the trace says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmitape/handler.h>
#include <vmitape/record.h>
#include <vmitape/test.h>
#include <vmitape/trace.h>

#include "trace-format/record.h"

/* -------------------------------------------------------------------------------------------- */
/* A handler that does a bit of everything                                                      */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_field fields[] = {{"leaf", VMT_U64, VMT_KEY}, {"word", VMT_U64, 0}};
static const struct vmt_schema seen_schema = VMT_SCHEMA("seen", fields);
static const struct vmt_schema *const schemas[] = {&seen_schema, NULL};

static int create(struct vmt_session *s, void **self)
{
	const void *data;
	size_t len;
	int r = vmt_monitor(s, VMT_MONITOR_CPUID);

	*self = NULL;
	if (r >= 0)
		r = vmt_file_read(s, "symbols", 100, &data, &len);
	return r < 0 ? r : vmt_write_u8(s, VMT_PHYS, 0x6000, 0xcc);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_value values[2];
	uint64_t word;

	(void)self;
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_skip(ctx);
	if (vmt_read_u64(s, VMT_PHYS, 0x5008, &word) < 0)
		return vmt_fail(ctx, "no word");
	if (vmt_read_u64(s, VMT_PHYS, 0x40000000, &values[0].v.u) >= 0)
		return vmt_fail(ctx, "memory where there is none");
	values[0] = vmt_u64(vmt_event_of(ctx)->u.cpuid.leaf);
	values[1] = vmt_u64(word);
	if (vmt_emit(s, &seen_schema, values, 2) < 0)
		return vmt_fail(ctx, "cannot emit");
	vmt_log(s, VMT_LOG_INFO, "event %llu", (unsigned long long)vmt_callback_number(s));
	return vmt_skip(ctx);
}

static int handle_timeout(void *self, struct vmt_session *s)
{
	(void)self;
	return vmt_session_fail(s, "nothing happens here any more");
}

static const struct vmt_handler_ops handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(handler),
	.name = "sample",
	.version = "7",
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_timeout = handle_timeout,
};

/* -------------------------------------------------------------------------------------------- */
/* Recording it                                                                                 */
/* -------------------------------------------------------------------------------------------- */

struct fixture {
	char folder[64];
	char path[128];
	struct vmt_driver *scripted, *recorder;
	struct vmt_trace_writer *writer;
	struct vmt_outcome outcome;
	struct vmt_trace_reader *reader;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->folder, "/tmp/vmitape-recorder-XXXXXX");
	*state = f;
	return mkdtemp(f->folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vmt_trace_reader_close(f->reader);
	(void)snprintf(f->path, sizeof(f->path), "rm -rf %s", f->folder);
	if (system(f->path) != 0)
		return -1;
	free(f);
	return 0;
}

static const struct vmt_step guest[] = {
	VMT_INSN_CPUID(0, 0x1000, 1, 0),
	VMT_INSN_CPUID(0, 0x1002, 7, 1),
	VMT_WORLD_IDLE(UINT64_C(6000000000)),
};

/** Says that a step touches page 6, and one that is not there. */
static void two_pages(void *arg, const struct vmt_event *ev, const struct vmt_response *rsp,
		      const struct vmt_vcpu_context *context,
		      const uint8_t *(*page)(void *to, vmt_gfn gfn), void *to)
{
	const uint8_t *bytes = page(to, vmt_gfn_from(6));

	(void)arg;
	assert_int_equal(ev->reason, VMT_EVENT_CPUID);
	assert_true(rsp->flags & VMT_RSP_REGS); /* the answer is known by then */
	assert_non_null(context);
	assert_true(context->regs.known & VMT_KNOWN(VMT_REG_IDTR));
	assert_int_equal(bytes[0], 0xcc);
	assert_null(page(to, vmt_gfn_from(0x40000)));
}

static void record(struct fixture *f, unsigned capture)
{
	static const struct vmt_memory_file files[] = {
		{.path = "symbols", .data = "abc", .len = 3}};
	struct vmt_recorder_config config = {
		.capture = (uint8_t)capture, .tool = "test", .context = two_pages};
	struct vmt_memory_files source;
	struct vmt_observer *observers[1];
	struct vmt_session_config session = {.handler = &handler, .files = &source.source};
	struct vmt_session *s;
	struct vmt_error err = {0};

	(void)snprintf(f->path, sizeof(f->path), "%s/x.vmt", f->folder);
	vmt_memory_files_init(&source, files, 1);
	vmt_assert_ok(vmt_scripted_create(NULL, &f->scripted, &err), &err);
	vmt_assert_ok(vmt_scripted_write(f->scripted, vmt_gpa_from(0x5008), "ABCDEFGH", 8), NULL);
	vmt_assert_ok(vmt_scripted_write(f->scripted, vmt_gpa_from(0x6000), "\x55", 1), NULL);
	vmt_assert_ok(vmt_scripted_play(f->scripted, guest, 3, &err), &err);
	vmt_assert_ok(vmt_trace_writer_open(f->path, NULL, &f->writer, &err), &err);
	config.writer = f->writer;
	vmt_assert_ok(vmt_recorder_create(f->scripted, &config, &f->recorder, &err), &err);
	observers[0] = vmt_recorder_observer(f->recorder);
	session.driver = f->recorder;
	session.observers = observers;
	session.nobservers = 1;
	vmt_assert_ok(vmt_session_create(&session, &s, &err), &err);
	vmt_session_run(s, &f->outcome);
	vmt_session_destroy(s);
	vmt_assert_clean(f->scripted);
}

static void finish(struct fixture *f)
{
	struct vmt_error err = {0};

	vmt_assert_ok(-vmt_recorder_error(f->recorder)->status, vmt_recorder_error(f->recorder));
	vmt_driver_close(f->recorder);
	vmt_assert_ok(vmt_trace_writer_close(f->writer, VMT_TRACE_END_OVER, NULL, NULL, &err),
		      &err);
	vmt_assert_ok(vmt_trace_reader_open(f->path, NULL, &f->reader, &err), &err);
}

/** The next record of @kind; fails the test when there is none. */
static const void *find(struct fixture *f, unsigned kind, struct vmt_trace_record *record)
{
	struct vmt_error err = {0};
	int n;

	while ((n = vmt_trace_reader_next(f->reader, record, &err)) == 1)
		if (record->kind == kind)
			return record->body;
	vmt_assert_ok(n, &err);
	fail_msg("there is no %s record any more", vmt_trace_kind_name(kind));
	abort(); /* fail_msg does not return */
}

/* -------------------------------------------------------------------------------------------- */
/* Tests                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void meta_is_first_and_says_what_was_recorded(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	struct vmt_error err = {0};
	const struct vmt_trace_meta *meta;

	record(f, VMT_CAPTURE_PAGES);
	finish(f);
	assert_int_equal(vmt_trace_reader_next(f->reader, &record_, &err), 1);
	assert_int_equal(record_.kind, VMT_TRACE_META);
	meta = record_.body;
	assert_string_equal(meta->tool, "test");
	assert_string_equal(meta->handler, "sample");
	assert_string_equal(meta->handler_version, "7");
	assert_string_equal(meta->info.backend, "scripted");
	assert_int_equal(meta->policy, VMT_CAPTURE_PAGES);
	assert_int_equal(meta->nschemas, 1);
	assert_string_equal(meta->schemas[0].name, "seen");
	/* What the session asked before it began follows. */
	assert_int_equal(vmt_trace_reader_next(f->reader, &record_, &err), 1);
	assert_int_equal(record_.kind, VMT_TRACE_CALL + VMT_CALL_INFO);
	assert_int_equal(vmt_trace_reader_next(f->reader, &record_, &err), 1);
	assert_int_equal(record_.kind, VMT_TRACE_BEGIN);
}

static void a_write_is_recorded_with_what_stood_there_before(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_call *tc;

	record(f, VMT_CAPTURE_READS);
	finish(f);
	tc = find(f, VMT_TRACE_CALL + VMT_CALL_WRITE, &record_);
	assert_int_equal(record_.phase, VMT_PHASE_CREATE);
	assert_int_equal(tc->call.u.write.gfn.n, 6);
	assert_int_equal(tc->call.u.write.len, 1);
	assert_memory_equal(tc->call.u.write.buf, "\xcc", 1);
	assert_true(tc->before_known);
	assert_memory_equal(tc->before, "\x55", 1);
}

static void the_reads_policy_keeps_the_ranges(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_call *tc;

	record(f, VMT_CAPTURE_READS);
	finish(f);
	tc = find(f, VMT_TRACE_CALL + VMT_CALL_READ, &record_);
	assert_int_equal(tc->call.u.read.gfn.n, 5);
	assert_int_equal(tc->call.u.read.offset, 8);
	assert_int_equal(tc->len, 8);
	assert_memory_equal(tc->data, "ABCDEFGH", 8);
	assert_int_equal(tc->page, 0);
}

static void the_pages_policy_keeps_the_pages_around_reads_and_writes(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_capture *capture;
	const struct vmt_trace_call *tc;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];

	record(f, VMT_CAPTURE_PAGES);
	finish(f);
	capture = find(f, VMT_TRACE_CAPTURE, &record_);
	assert_int_equal(capture->purpose, VMT_TRACE_BEFORE_WRITE);
	assert_int_equal(capture->gfn.n, 6);
	vmt_assert_ok(vmt_trace_reader_page(f->reader, capture->page, page, &err), &err);
	assert_int_equal(page[0], 0x55);
	tc = find(f, VMT_TRACE_CALL + VMT_CALL_READ, &record_);
	vmt_assert_ok(vmt_trace_reader_page(f->reader, tc->page, page, &err), &err);
	assert_memory_equal(page + 8, "ABCDEFGH", 8);
	assert_int_equal(page[0], 0);
	assert_int_equal(page[16], 0);
}

static void the_context_policy_keeps_what_an_answer_depends_on(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_capture *capture;
	const struct vmt_trace_call *tc;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];

	record(f, VMT_CAPTURE_CONTEXT);
	finish(f);
	tc = find(f, VMT_TRACE_CALL + VMT_CALL_GET_CONTEXT, &record_);
	assert_true(tc->call.u.get_context.context->regs.known & VMT_KNOWN(VMT_REG_IDTR));
	capture = find(f, VMT_TRACE_CAPTURE, &record_);
	assert_int_equal(capture->purpose, VMT_TRACE_EVENT_CONTEXT);
	assert_int_equal(capture->gfn.n, 6);
	vmt_assert_ok(vmt_trace_reader_page(f->reader, capture->page, page, &err), &err);
	assert_int_equal(page[0], 0xcc);
	capture = find(f, VMT_TRACE_CAPTURE, &record_);
	assert_int_equal(capture->gfn.n, 0x40000);
	assert_int_equal(capture->result, -VMT_E_UNMAPPED);
	assert_true(capture->error.text[0]);
	find(f, VMT_TRACE_CALL + VMT_CALL_ANSWER, &record_); /* before it took effect */
}

static void the_memory_policy_keeps_all_of_it_at_both_ends(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_capture *capture;
	struct vmt_error err = {0};
	uint8_t page[VMT_PAGE_SIZE];

	record(f, VMT_CAPTURE_MEMORY);
	finish(f);
	for (int end = 0; end < 2; end++) {
		for (uint64_t gfn = 0; gfn < 7; gfn++) {
			do {
				capture = find(f, VMT_TRACE_CAPTURE, &record_);
			} while (capture->purpose != VMT_TRACE_MEMORY || capture->gfn.n != gfn);
			assert_int_equal(capture->gfn.n, gfn);
			assert_int_equal(capture->result, 0);
		}
		assert_int_equal(record_.phase, end ? VMT_PHASE_CLEANUP : VMT_PHASE_CREATE);
		/* the handler's own byte is not the guest's */
		vmt_assert_ok(vmt_trace_reader_page(f->reader, capture->page, page, &err), &err);
		assert_int_equal(page[0], 0x55);
	}
}

static void context_needs_somebody_who_knows_what_a_step_touches(void **state)
{
	const struct vmt_recorder_config config = {.capture = VMT_CAPTURE_CONTEXT,
						   .writer = (struct vmt_trace_writer *)state};
	struct vmt_driver *scripted, *d;
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_scripted_create(NULL, &scripted, &err), &err);
	assert_int_equal(vmt_recorder_create(scripted, &config, &d, &err), -VMT_E_INVALID);
	assert_non_null(strstr(err.text, "vmt_dry_run_pages"));
	vmt_driver_close(scripted);
}

static void a_failed_call_is_recorded_with_its_whole_error(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_call *tc;

	record(f, VMT_CAPTURE_PAGES);
	finish(f);
	do
		tc = find(f, VMT_TRACE_CALL + VMT_CALL_READ, &record_);
	while (tc->call.u.read.gfn.n != 0x40000);
	assert_int_equal(tc->call.result, -VMT_E_UNMAPPED);
	assert_int_equal(tc->error.status, VMT_E_UNMAPPED);
	assert_true(tc->error.place[0] && tc->error.text[0]);
}

static void events_responses_emissions_and_logs_stand_in_order(void **state)
{
	static const uint16_t expected[] = {
		VMT_TRACE_EVENT,
		VMT_TRACE_CALLBACK,
		VMT_TRACE_CALL + VMT_CALL_READ,
		VMT_TRACE_CALL + VMT_CALL_READ,
		VMT_TRACE_EMISSION,
		VMT_TRACE_LOG,
		VMT_TRACE_CALLBACK_END,
		VMT_TRACE_CALL + VMT_CALL_ANSWER,
		VMT_TRACE_POLL,
	};
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	struct vmt_error err = {0};
	uint64_t callback = 0;

	record(f, VMT_CAPTURE_PAGES);
	finish(f);
	find(f, VMT_TRACE_EVENT, &record_);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_string_equal(vmt_trace_kind_name(record_.kind),
				    vmt_trace_kind_name(expected[i]));
		if (record_.kind == VMT_TRACE_CALLBACK)
			callback = record_.callback;
		if (record_.kind == VMT_TRACE_CALLBACK_END) {
			const struct vmt_trace_callback_end *end = record_.body;

			assert_int_equal(record_.callback, callback);
			vmt_assert_response(end->response, VMT_CONTINUE, {"rip", 0x1002});
		}
		if (record_.kind == VMT_TRACE_EMISSION) {
			const struct vmt_trace_emission *emission = record_.body;

			assert_int_equal(emission->schema, 0);
			assert_int_equal(emission->nvalues, 2);
			assert_int_equal(emission->values[0].v.u, 1);
			assert_int_equal(emission->values[1].v.u, UINT64_C(0x4847464544434241));
		}
		vmt_assert_ok(vmt_trace_reader_next(f->reader, &record_, &err), &err);
	}
}

static void a_file_is_kept_whole(void **state)
{
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_file *file;
	const struct vmt_trace_file_data *data;

	record(f, VMT_CAPTURE_READS);
	finish(f);
	file = find(f, VMT_TRACE_FILE, &record_);
	assert_string_equal(file->path, "symbols");
	assert_int_equal(file->size, 3);
	data = find(f, VMT_TRACE_FILE_DATA, &record_);
	assert_int_equal(data->len, 3);
	assert_memory_equal(data->data, "abc", 3);
}

static void a_failure_and_the_teardown_are_in_the_trace(void **state)
{
	static const char *const steps[] = {"pause",  "commit", "cleanup", "reset", "drain",
					    "commit", "resume", "settle",  "detach"};
	struct fixture *f = *state;
	struct vmt_trace_record record_;
	const struct vmt_trace_failure *failure;
	const struct vmt_trace_outcome *outcome;

	record(f, VMT_CAPTURE_READS);
	finish(f);
	vmt_assert_refused(-f->outcome.error.status, &f->outcome.error, VMT_E_HANDLER);
	failure = find(f, VMT_TRACE_FAILURE, &record_);
	assert_non_null(strstr(failure->error.text, "nothing happens here any more"));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const struct vmt_trace_teardown *teardown = find(f, VMT_TRACE_TEARDOWN, &record_);

		assert_string_equal(teardown->step, steps[i]);
	}
	outcome = find(f, VMT_TRACE_OUTCOME, &record_);
	assert_int_equal(outcome->end, VMT_END_HANDLER_FAILED);
	assert_int_equal(outcome->events, 2);
	assert_int_equal(outcome->emissions, 2);
}

/** The disk is full from the first byte on: the session ends at its first wait. */
static void a_trace_that_cannot_be_written_ends_the_session(void **state)
{
	struct fixture *f = *state;
	const struct vmt_trace_writer_options options = {.same_thread = true, .chunk_bytes = 1};
	struct vmt_recorder_config config = {0};
	struct vmt_observer *observers[1];
	struct vmt_session_config session = {.handler = &handler};
	struct vmt_memory_files source;
	static const struct vmt_memory_file files[] = {
		{.path = "symbols", .data = "abc", .len = 3}};
	struct vmt_session *s;
	struct vmt_error err = {0};
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	vmt_memory_files_init(&source, files, 1);
	session.files = &source.source;
	vmt_assert_ok(vmt_scripted_create(NULL, &f->scripted, &err), &err);
	vmt_assert_ok(vmt_scripted_play(f->scripted, guest, 3, &err), &err);
	vmt_assert_ok(vmt_trace_writer_open_fd(ends[1], &options, &f->writer, &err), &err);
	config.writer = f->writer;
	vmt_assert_ok(vmt_recorder_create(f->scripted, &config, &f->recorder, &err), &err);
	observers[0] = vmt_recorder_observer(f->recorder);
	session.driver = f->recorder;
	session.observers = observers;
	session.nobservers = 1;
	vmt_assert_ok(vmt_session_create(&session, &s, &err), &err);
	close(ends[0]);
	vmt_session_run(s, &f->outcome);
	vmt_session_destroy(s);
	assert_int_equal(f->outcome.end, VMT_END_DRIVER_FAILED);
	assert_int_equal(f->outcome.events, 0);
	assert_non_null(strstr(f->outcome.error.text, "the recording cannot go on"));
	assert_int_equal(vmt_recorder_error(f->recorder)->status, VMT_E_IO);
	vmt_assert_clean(f->scripted);
	vmt_driver_close(f->recorder);
	vmt_trace_writer_abandon(f->writer);
	close(ends[1]);
}

static void a_bad_configuration_is_refused(void **state)
{
	struct vmt_recorder_config config = {0};
	struct vmt_driver *d;
	struct vmt_error err = {0};

	(void)state;
	vmt_assert_refused(vmt_recorder_create(NULL, &config, &d, &err), &err, VMT_E_INVALID);
	assert_null(d);
	assert_int_equal(vmt_capture_find("pages"), VMT_CAPTURE_PAGES);
	assert_int_equal(vmt_capture_find("all"), 0);
	assert_string_equal(vmt_capture_name(VMT_CAPTURE_READS), "reads");
	assert_string_equal(vmt_capture_name(9), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(meta_is_first_and_says_what_was_recorded),
		TEST(a_write_is_recorded_with_what_stood_there_before),
		TEST(the_reads_policy_keeps_the_ranges),
		TEST(the_pages_policy_keeps_the_pages_around_reads_and_writes),
		TEST(the_context_policy_keeps_what_an_answer_depends_on),
		TEST(the_memory_policy_keeps_all_of_it_at_both_ends),
		TEST(context_needs_somebody_who_knows_what_a_step_touches),
		TEST(a_failed_call_is_recorded_with_its_whole_error),
		TEST(events_responses_emissions_and_logs_stand_in_order),
		TEST(a_file_is_kept_whole),
		TEST(a_failure_and_the_teardown_are_in_the_trace),
		TEST(a_trace_that_cannot_be_written_ends_the_session),
		TEST(a_bad_configuration_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
