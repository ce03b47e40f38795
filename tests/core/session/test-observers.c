/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Observers: told of all that a session does beside its driver calls, in the order in which it
 * happens.
 */
#include <stdio.h>

#include "world.h"

/* An observer that writes down what it is told, one word each. */
struct writer {
	struct vmt_observer base;
	char text[2048];
	const struct vmt_session *session;
	struct vmt_outcome outcome;
};

static void VMT_PRINTF(2, 3) write_down(struct vmt_observer *o, const char *fmt, ...)
{
	struct writer *writer = (struct writer *)o;
	const size_t len = strlen(writer->text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(writer->text + len, sizeof(writer->text) - len, fmt, ap);
	va_end(ap);
}

static void told_begin(struct vmt_observer *o, const struct vmt_session *s)
{
	((struct writer *)o)->session = s;
	write_down(o, "begin(%s, %u vcpus)", vmt_session_handler(s)->name,
		   (unsigned)vmt_session_info(s)->vcpus);
}

static void told_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	write_down(o, " %d:%s", (int)cb->number, vmt_callback_name(cb->kind));
	if (cb->event)
		write_down(o, "(%s)", vmt_reason_name(cb->event->reason));
}

static void told_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			      const struct vmt_callback_result *r)
{
	write_down(o, "=%d", r->result);
	if (r->response)
		write_down(o, ",%s", vmt_action_name(r->response->action));
	if (r->output)
		write_down(o, ",output");
	assert_true((cb->event != NULL) == (cb->kind == VMT_CALLBACK_EVENT));
}

static void told_default(struct vmt_observer *o, const struct vmt_event *ev,
			 const struct vmt_response *rsp)
{
	write_down(o, " default(%s %s)", vmt_reason_name(ev->reason), vmt_action_name(rsp->action));
}

static void told_emission(struct vmt_observer *o, const struct vmt_schema *schema,
			  const struct vmt_value *values, size_t n)
{
	write_down(o, " emit(%s %d/%d)", schema->name, (int)values[0].v.u, (int)n);
}

static void told_log(struct vmt_observer *o, enum vmt_log_level level, const char *text)
{
	write_down(o, " log(%d %s)", (int)level, text);
}

static void told_file(struct vmt_observer *o, const char *path, int status, const void *data,
		      size_t len)
{
	write_down(o, " file(%s %d %d)", path, status, (int)len);
	(void)data;
}

static void told_failure(struct vmt_observer *o, const struct vmt_error *err)
{
	write_down(o, " failure(%s)", vmt_status_name(err->status));
}

static void told_teardown(struct vmt_observer *o, const char *step)
{
	write_down(o, " [%s]", step);
}

static void told_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	((struct writer *)o)->outcome = *outcome;
	write_down(o, " end(%s)", vmt_end_name(outcome->end));
}

static const struct vmt_observer_ops writer_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.begin = told_begin,
	.callback = told_callback,
	.callback_end = told_callback_end,
	.default_answer = told_default,
	.emission = told_emission,
	.log = told_log,
	.file = told_file,
	.failure = told_failure,
	.teardown = told_teardown,
	.end = told_end,
};

static int read_log_and_emit(struct vmt_session *s)
{
	struct vmt_value value = vmt_u64(9);
	const void *data;
	size_t len;

	assert_int_equal(vmt_file_read(s, "/f", 100, &data, &len), 0);
	vmt_log(s, VMT_LOG_INFO, "hello");
	assert_int_equal(vmt_emit(s, &seen_schema, &value, 1), 0);
	return watch_cpuid(s);
}

static int done_after_one(struct vmt_record *out)
{
	struct vmt_value values[] = {vmt_u64(1), vmt_text("")};

	if (probe.events == 0)
		return 0;
	assert_int_equal(vmt_output(out, &result_schema, values, 2), 0);
	return 1;
}

static void observers_are_told_of_everything_in_order(void **state)
{
	static const struct vmt_memory_file file = {.path = "/f", .data = "xyz", .len = 3};
	struct vmt_memory_files files;
	struct writer writer = {.base.ops = &writer_ops};
	struct world *w = *state;

	world_open_batch(w, 2);
	world_observe(w, &writer.base);
	vmt_memory_files_init(&files, &file, 1);
	w->config.files = &files.source;
	probe.create = read_log_and_emit;
	probe.poll = done_after_one;
	assert_int_equal(world_run(w), 0);
	assert_string_equal(writer.text,
			    "begin(probe, 2 vcpus) "
			    "0:create file(/f 0 3) log(3 hello) emit(seen 9/1)=0 "
			    "1:poll=0 2:event(cpuid)=0,continue 3:poll=1,output "
			    "[pause] [commit] [cleanup] 4:cleanup=0 [reset] [drain] "
			    "5:event(cpuid)=0,continue [commit] [resume] [settle] [detach] "
			    "end(finished)");
	assert_ptr_equal(writer.session, w->session);
}

static struct vmt_response fail_at_once(struct vmt_ctx *ctx)
{
	return vmt_fail(ctx, "no");
}

static void observers_are_told_of_failures_and_default_answers(void **state)
{
	struct writer writer = {.base.ops = &writer_ops};
	struct world *w = *state;

	world_open_batch(w, 1);
	world_observe(w, &writer.base);
	probe.event = fail_at_once;
	assert_int_equal(world_run(w), -VMT_E_HANDLER);
	assert_string_equal(writer.text,
			    "begin(probe, 1 vcpus) 0:create=0 1:poll=0 "
			    "2:event(cpuid)=-17,fail failure(handler) default(cpuid continue) "
			    "[pause] [commit] [cleanup] 3:cleanup=0 [reset] [drain] [commit] "
			    "[resume] [settle] [detach] end(handler failed)");
}

static void observers_are_told_the_outcome_at_the_end(void **state)
{
	struct writer writer = {.base.ops = &writer_ops};
	struct world *w = *state;

	world_open_batch(w, 1);
	world_observe(w, &writer.base);
	probe.poll = done_after_one;
	assert_int_equal(world_run(w), 0);
	assert_memory_equal(&writer.outcome, &w->outcome, sizeof(w->outcome));
	assert_int_equal(writer.outcome.events, 1);
	assert_non_null(writer.outcome.output);
}

static void all_observers_are_told_the_same(void **state)
{
	struct writer writers[VMT_OBSERVERS_MAX - 3];
	struct world *w = *state;

	memset(writers, 0, sizeof(writers));
	world_open_batch(w, 2);
	for (size_t i = 0; i < COUNT(writers); i++) {
		writers[i].base.ops = &writer_ops;
		world_observe(w, &writers[i].base);
	}
	assert_int_equal(w->config.nobservers, VMT_OBSERVERS_MAX);
	assert_int_equal(world_run(w), 0);
	assert_true(strlen(writers[0].text) > 100);
	for (size_t i = 1; i < COUNT(writers); i++)
		assert_string_equal(writers[0].text, writers[i].text);
}

/* Each step is told to all before the next one is told to any. */
static struct writer shared;

static void told_first(struct vmt_observer *o, const char *step)
{
	(void)o;
	write_down(&shared.base, "1%s ", step);
}

static void told_second(struct vmt_observer *o, const char *step)
{
	(void)o;
	write_down(&shared.base, "2%s ", step);
}

static void observers_are_told_in_the_order_given(void **state)
{
	static const struct vmt_observer_ops first_ops = {.size = sizeof(first_ops),
							  .teardown = told_first};
	static const struct vmt_observer_ops second_ops = {.size = sizeof(second_ops),
							   .teardown = told_second};
	struct vmt_observer first = {&first_ops}, second = {&second_ops};
	struct world *w = *state;

	memset(&shared, 0, sizeof(shared));
	world_open_batch(w, 1);
	world_observe(w, &first);
	world_observe(w, &second);
	assert_int_equal(world_run(w), 0);
	assert_string_equal(shared.text,
			    "1pause 2pause 1commit 2commit 1cleanup 2cleanup 1reset 2reset "
			    "1drain 2drain 1commit 2commit 1resume 2resume 1settle 2settle "
			    "1detach 2detach ");
}

static void an_observer_without_functions_is_told_nothing(void **state)
{
	static const struct vmt_observer_ops nothing = {.size = sizeof(nothing)};
	struct vmt_observer deaf = {&nothing};
	struct world *w = *state;

	world_open_batch(w, 1);
	world_observe(w, &deaf);
	assert_int_equal(world_run(w), 0);
}

/* A callback's driver calls come between its beginning and its end. */
static void a_callbacks_calls_come_between_its_two_ends(void **state)
{
	struct world *w = *state;

	world_open_batch(w, 1);
	probe.finish_after = 1;
	assert_int_equal(world_run(w), 0);
	assert_string_equal(world_story(w, STORY_CALLS | STORY_OBSERVED),
			    "info pause <create monitor create> resume <poll poll> "
			    "wait next <event event> answer <poll poll> "
			    "pause commit <cleanup cleanup> reset next commit resume settle "
			    "pending detach");
}

/* What a session call does on an observer's part: refused, for no callback is running. */
static int result_of_call;

static void calls_the_session(struct vmt_observer *o, const char *step)
{
	(void)o;
	(void)step;
	result_of_call = vmt_pause(probe.session);
}

static void observers_cannot_call_the_session(void **state)
{
	static const struct vmt_observer_ops ops = {.size = sizeof(ops),
						    .teardown = calls_the_session};
	struct vmt_observer caller = {&ops};
	struct world *w = *state;

	world_open_batch(w, 1);
	world_observe(w, &caller);
	assert_int_equal(world_run(w), 0);
	assert_int_equal(result_of_call, -VMT_E_WRONG_PLACE);
	vmt_assert_clean(w->driver);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(observers_are_told_of_everything_in_order),
		WORLD_TEST(observers_are_told_of_failures_and_default_answers),
		WORLD_TEST(observers_are_told_the_outcome_at_the_end),
		WORLD_TEST(all_observers_are_told_the_same),
		WORLD_TEST(observers_are_told_in_the_order_given),
		WORLD_TEST(an_observer_without_functions_is_told_nothing),
		WORLD_TEST(a_callbacks_calls_come_between_its_two_ends),
		WORLD_TEST(observers_cannot_call_the_session),
	};

	return cmocka_run_group_tests_name("observers", tests, NULL, NULL);
}
