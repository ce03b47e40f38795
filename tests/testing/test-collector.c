/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector: it keeps copies of all that an observer is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

static const struct vmt_field opened_fields[] = {
	{"pid", VMT_U64, VMT_KEY}, {"path", VMT_TEXT, 0}, {"hash", VMT_BYTES, 0}};
static const struct vmt_schema opened = VMT_SCHEMA("opened", opened_fields);
static const struct vmt_field sum_fields[] = {{"count", VMT_I64, 0}};
static const struct vmt_schema sum = VMT_SCHEMA("sum", sum_fields);

struct fixture {
	struct vmt_collector *c;
	struct vmt_observer *o;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (vmt_collector_create(&f->c, NULL) < 0)
		return -1;
	f->o = vmt_collector_observer(f->c);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vmt_collector_destroy(f->c);
	free(f);
	return 0;
}

static void begin(struct fixture *f, uint64_t number, uint32_t kind, const struct vmt_event *ev)
{
	const struct vmt_callback cb = {
		.number = number, .kind = kind, .phase = VMT_PHASE_LOOP, .now = 100, .event = ev};

	f->o->ops->callback(f->o, &cb);
}

static void end(struct fixture *f, uint64_t number, uint32_t kind,
		const struct vmt_callback_result *r)
{
	const struct vmt_callback cb = {.number = number, .kind = kind, .phase = VMT_PHASE_LOOP};

	f->o->ops->callback_end(f->o, &cb, r);
}

static void a_new_one_is_empty(void **state)
{
	struct fixture *f = *state;
	char *text = vmt_collector_text(f->c);

	assert_string_equal(text, "");
	free(text);
	assert_int_equal(vmt_collector_ncallbacks(f->c, 0), 0);
	assert_null(vmt_collector_callback(f->c, 0, 0));
	assert_null(vmt_collector_emission(f->c, NULL, 0));
	assert_null(vmt_collector_log(f->c, 0));
	assert_null(vmt_collector_file(f->c, 0));
	assert_null(vmt_collector_failure(f->c, 0));
	assert_null(vmt_collector_step(f->c, 0));
	assert_null(vmt_collector_default(f->c, 0));
	assert_null(vmt_collector_outcome(f->c));
	assert_false(vmt_collector_incomplete(f->c));
	vmt_collector_destroy(NULL);
}

static void callbacks_are_kept_with_event_and_response(void **state)
{
	struct fixture *f = *state;
	char raw[] = "raw";
	struct vmt_event ev = {.ticket = 9, .vcpu = 1, .raw = raw, .raw_len = sizeof(raw)};
	struct vmt_gprs gprs = {.rip = 0x1234};
	struct vmt_response rsp = vmt_with_regs(vmt_respond(VMT_CONTINUE), &gprs);
	const struct vmt_callback_result r = {.response = &rsp};
	const struct vmt_collected_callback *kept;

	begin(f, 0, VMT_CALLBACK_CREATE, NULL);
	end(f, 0, VMT_CALLBACK_CREATE, &(struct vmt_callback_result){.result = -VMT_E_BUSY});
	begin(f, 1, VMT_CALLBACK_EVENT, &ev);
	kept = vmt_collector_callback(f->c, VMT_CALLBACK_EVENT, 0);
	assert_false(kept->ended);
	end(f, 1, VMT_CALLBACK_EVENT, &r);
	memset(&ev, 0, sizeof(ev));
	memset(&gprs, 0, sizeof(gprs));
	memset(raw, 0, sizeof(raw));

	assert_int_equal(vmt_collector_ncallbacks(f->c, 0), 2);
	assert_int_equal(vmt_collector_ncallbacks(f->c, VMT_CALLBACK_EVENT), 1);
	assert_int_equal(vmt_collector_callback(f->c, 0, 0)->result, -VMT_E_BUSY);
	assert_true(kept->ended);
	assert_int_equal(kept->callback.number, 1);
	assert_int_equal(kept->callback.now, 100);
	assert_int_equal(kept->callback.event->ticket, 9);
	assert_string_equal(kept->callback.event->raw, "raw");
	vmt_assert_response(kept->response, VMT_CONTINUE, {"rip", 0x1234});
	assert_null(vmt_collector_callback(f->c, VMT_CALLBACK_EVENT, 1));
}

static void emissions_are_kept_with_schema_and_values(void **state)
{
	struct fixture *f = *state;
	char path[] = "/etc/passwd", name[] = "opened";
	struct vmt_field fields[3];
	struct vmt_schema schema = {name, fields, 3};
	struct vmt_value values[] = {vmt_u64(17), vmt_text(path), vmt_bytes("\x01\x02", 2)};

	memcpy(fields, opened_fields, sizeof(fields));
	begin(f, 4, VMT_CALLBACK_EVENT, NULL);
	f->o->ops->emission(f->o, &schema, values, 3);
	memset(path, 'x', sizeof(path) - 1);
	memset(name, 'x', sizeof(name) - 1);
	memset(fields, 0, sizeof(fields));
	memset(values, 0, sizeof(values));

	vmt_assert_emitted(f->c, 0, "opened", vmt_u64(17), vmt_text("/etc/passwd"),
			   vmt_bytes("\x01\x02", 2));
	assert_int_equal(vmt_collector_emission(f->c, NULL, 0)->callback, 4);
	assert_string_equal(vmt_collector_emission(f->c, NULL, 0)->schema->fields[1].name, "path");
	assert_int_equal(vmt_collector_nemissions(f->c, "opened"), 1);
	assert_int_equal(vmt_collector_nemissions(f->c, "closed"), 0);
	assert_non_null(vmt_collector_emission(f->c, "opened", 0));
	assert_null(vmt_collector_emission(f->c, "closed", 0));
}

static void emissions_are_found_by_schema(void **state)
{
	struct fixture *f = *state;
	const struct vmt_value file[] = {vmt_u64(1), vmt_text("a"), vmt_bytes(NULL, 0)};
	const struct vmt_value count[] = {vmt_i64(-5)};

	f->o->ops->emission(f->o, &opened, file, 3);
	f->o->ops->emission(f->o, &sum, count, 1);
	assert_int_equal(vmt_collector_nemissions(f->c, NULL), 2);
	assert_int_equal(vmt_collector_emission(f->c, "sum", 0)->values[0].v.i, -5);
	vmt_assert_emitted(f->c, 1, "sum", vmt_i64(-5));
}

static void an_output_is_kept(void **state)
{
	struct fixture *f = *state;
	struct vmt_record *record = vmt_record_create();
	const struct vmt_value count[] = {vmt_i64(-5)};
	struct vmt_outcome outcome = {.end = VMT_END_FINISHED, .callbacks = 3};

	assert_int_equal(vmt_output(record, &sum, count, 1), 0);
	begin(f, 2, VMT_CALLBACK_POLL, NULL);
	end(f, 2, VMT_CALLBACK_POLL, &(struct vmt_callback_result){.result = 1, .output = record});
	outcome.output = record;
	f->o->ops->end(f->o, &outcome);
	vmt_record_destroy(record);

	vmt_assert_output(vmt_collector_callback(f->c, VMT_CALLBACK_POLL, 0)->output, "sum",
			  vmt_i64(-5));
	vmt_assert_output(vmt_collector_outcome(f->c)->output, "sum", vmt_i64(-5));
	vmt_assert_ended(vmt_collector_outcome(f->c), VMT_END_FINISHED);
}

static void logs_files_failures_steps_and_default_answers_are_kept(void **state)
{
	struct fixture *f = *state;
	char text[] = "a line", path[] = "/a/file", data[] = "content", step[] = "reset";
	struct vmt_error err = {.status = VMT_E_BUSY, .text = "because"};
	struct vmt_event ev = {.ticket = 5};
	struct vmt_response rsp = vmt_respond(VMT_REINJECT);

	begin(f, 7, VMT_CALLBACK_EVENT, NULL);
	f->o->ops->log(f->o, VMT_LOG_WARNING, text);
	f->o->ops->file(f->o, path, 0, data, 7);
	f->o->ops->file(f->o, "/none", -VMT_E_NOT_FOUND, NULL, 0);
	f->o->ops->failure(f->o, &err);
	f->o->ops->teardown(f->o, step);
	f->o->ops->default_answer(f->o, &ev, &rsp);
	memset(text, 0, sizeof(text));
	memset(path, 0, sizeof(path));
	memset(data, 0, sizeof(data));
	memset(step, 0, sizeof(step));
	memset(&err, 0, sizeof(err));
	memset(&ev, 0, sizeof(ev));

	assert_int_equal(vmt_collector_nlogs(f->c), 1);
	assert_string_equal(vmt_collector_log(f->c, 0)->text, "a line");
	assert_int_equal(vmt_collector_log(f->c, 0)->callback, 7);
	assert_int_equal(vmt_collector_nfiles(f->c), 2);
	assert_string_equal(vmt_collector_file(f->c, 0)->path, "/a/file");
	assert_memory_equal(vmt_collector_file(f->c, 0)->data, "content", 7);
	assert_int_equal(vmt_collector_file(f->c, 1)->status, -VMT_E_NOT_FOUND);
	assert_int_equal(vmt_collector_nfailures(f->c), 1);
	assert_string_equal(vmt_collector_failure(f->c, 0)->text, "because");
	assert_int_equal(vmt_collector_nsteps(f->c), 1);
	assert_string_equal(vmt_collector_step(f->c, 0), "reset");
	assert_int_equal(vmt_collector_ndefaults(f->c), 1);
	assert_int_equal(vmt_collector_default(f->c, 0)->callback.event->ticket, 5);
	vmt_assert_response(vmt_collector_default(f->c, 0)->response, VMT_REINJECT);
}

static void the_text_is_all_of_it_in_order(void **state)
{
	struct fixture *f = *state;
	const struct vmt_event ev = {.vcpu = 0,
				     .view = 1,
				     .reason = VMT_EVENT_HYPERCALL,
				     .flags = VMT_EVENT_SYNC | VMT_EVENT_HAS_VIEW,
				     .regs = {.known = VMT_KNOWN_GPRS, .gprs.rip = 0x1000}};
	struct vmt_gprs gprs = ev.regs.gprs;
	struct vmt_response rsp =
		vmt_with_view(vmt_with_regs(vmt_respond(VMT_SINGLESTEP), &gprs), 2);
	const struct vmt_value values[] = {vmt_u64(17), vmt_text("a \"b\"\n\\\x01"),
					   vmt_bytes("\xab\x00", 2)};
	const struct vmt_outcome outcome = {.end = VMT_END_GONE, .callbacks = 2, .events = 1};
	const struct vmt_error err = {.status = VMT_E_BUSY, .place = "read", .text = "because"};
	char *text;

	gprs.rip = 0x1003;
	begin(f, 0, VMT_CALLBACK_CREATE, NULL);
	f->o->ops->log(f->o, VMT_LOG_INFO, "hello");
	f->o->ops->file(f->o, "/a", 0, "xy", 2);
	f->o->ops->file(f->o, "/b", -VMT_E_NOT_FOUND, NULL, 0);
	end(f, 0, VMT_CALLBACK_CREATE, &(struct vmt_callback_result){.result = 0});
	begin(f, 1, VMT_CALLBACK_EVENT, &ev);
	f->o->ops->emission(f->o, &opened, values, 3);
	end(f, 1, VMT_CALLBACK_EVENT, &(struct vmt_callback_result){.response = &rsp});
	begin(f, 2, VMT_CALLBACK_POLL, NULL);
	end(f, 2, VMT_CALLBACK_POLL, &(struct vmt_callback_result){.result = -VMT_E_HANDLER});
	f->o->ops->failure(f->o, &err);
	f->o->ops->teardown(f->o, "pause");
	f->o->ops->default_answer(f->o, &ev, &(struct vmt_response){0});
	f->o->ops->end(f->o, &outcome);
	text = vmt_collector_text(f->c);
	assert_string_equal(text,
			    "0 create\n"
			    "  log info: hello\n"
			    "  file /a: 2 bytes\n"
			    "  file /b: not found\n"
			    "1 event: vcpu 0 view 1 rip 0x1000 hypercall\n"
			    "  emits opened pid=17 path=\"a \\\"b\\\"\\n\\\\\\x01\" hash=hex:ab00\n"
			    "  -> singlestep view 2 regs rip=0x1003\n"
			    "2 poll\n"
			    "  -> handler\n"
			    "failure: read: because\n"
			    "teardown: pause\n"
			    "default answer: vcpu 0 view 1 rip 0x1000 hypercall\n"
			    "  -> continue\n"
			    "end: domain gone: 2 callbacks, 1 events, 0 timeouts, 0 emissions\n");
	free(text);
}

static void clearing_forgets_everything(void **state)
{
	struct fixture *f = *state;
	struct vmt_record *record = vmt_record_create();
	const struct vmt_value count[] = {vmt_i64(-5)};

	vmt_output(record, &sum, count, 1);
	begin(f, 2, VMT_CALLBACK_POLL, NULL);
	end(f, 2, VMT_CALLBACK_POLL, &(struct vmt_callback_result){.result = 1, .output = record});
	f->o->ops->end(f->o, &(struct vmt_outcome){.output = record});
	vmt_record_destroy(record);
	vmt_collector_clear(f->c);
	a_new_one_is_empty(state);
	begin(f, 0, VMT_CALLBACK_CREATE, NULL);
	assert_int_equal(vmt_collector_ncallbacks(f->c, 0), 1);
}

static void a_callback_that_ends_without_having_begun_makes_it_incomplete(void **state)
{
	struct fixture *f = *state;

	end(f, 3, VMT_CALLBACK_POLL, &(struct vmt_callback_result){.result = 0});
	assert_true(vmt_collector_incomplete(f->c));
}

/* -------------------------------------------------------------------------------------------- */
/* Files in memory                                                                              */
/* -------------------------------------------------------------------------------------------- */

static void files_in_memory_are_read_and_fail_as_told(void **state)
{
	const struct vmt_memory_file files[] = {
		{.path = "/a", .data = "content", .len = 7},
		{.path = "/empty"},
		{.path = "/locked", .status = VMT_E_PERMISSION},
		{.path = "/broken", .status = VMT_E_IO, .sys_errno = 5},
	};
	struct vmt_memory_files m;
	struct vmt_file_source *source = &m.source;
	struct vmt_error err;
	void *data;
	size_t len;

	(void)state;
	vmt_memory_files_init(&m, files, 4);
	vmt_assert_ok(source->ops->read(source, "/a", 7, &data, &len, &err), &err);
	assert_int_equal(len, 7);
	assert_memory_equal(data, "content", 7);
	free(data);
	vmt_assert_ok(source->ops->read(source, "/empty", 0, &data, &len, &err), &err);
	assert_int_equal(len, 0);
	free(data);
	vmt_assert_refused(source->ops->read(source, "/a", 6, &data, &len, &err), &err,
			   VMT_E_LIMIT);
	vmt_assert_refused(source->ops->read(source, "/locked", 9, &data, &len, &err), &err,
			   VMT_E_PERMISSION);
	assert_int_equal(err.sys_errno, 0);
	vmt_assert_refused(source->ops->read(source, "/broken", 9, &data, &len, &err), &err,
			   VMT_E_IO);
	assert_int_equal(err.sys_errno, 5);
	vmt_assert_refused(source->ops->read(source, "/none", 9, &data, &len, &err), &err,
			   VMT_E_NOT_FOUND);
	assert_string_equal(err.place, "/none");
	assert_int_equal(m.reads, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_one_is_empty),
		TEST(callbacks_are_kept_with_event_and_response),
		TEST(emissions_are_kept_with_schema_and_values),
		TEST(emissions_are_found_by_schema),
		TEST(an_output_is_kept),
		TEST(logs_files_failures_steps_and_default_answers_are_kept),
		TEST(the_text_is_all_of_it_in_order),
		TEST(clearing_forgets_everything),
		TEST(a_callback_that_ends_without_having_begun_makes_it_incomplete),
		cmocka_unit_test(files_in_memory_are_read_and_fail_as_told),
	};

	return cmocka_run_group_tests_name("collector", tests, NULL, NULL);
}
