/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Emissions: typed records against schemas that the handler declares once; and logs, which are
 * apart from them.
 */
#include "world.h"

static const struct vmt_field all_fields[] = {
	{"flag", VMT_BOOL, 0},         {"signed", VMT_I64, 0}, {"number", VMT_U64, VMT_KEY},
	{"address", VMT_ADDR, 0},      {"text", VMT_TEXT, 0},  {"bytes", VMT_BYTES, 0},
	{"when", VMT_U64, VMT_IGNORE},
};
static const struct vmt_schema all_schema = VMT_SCHEMA("all-types", all_fields);
static const struct vmt_schema empty_schema = {.name = "empty"};
static const struct vmt_schema same_as_all = VMT_SCHEMA("all-types", all_fields);
static const struct vmt_schema *const schemas[] = {&all_schema, &seen_schema, &empty_schema, NULL};

static struct vmt_handler_ops emitter;

static void (*emits)(struct vmt_session *s);

static struct vmt_response emit_and_skip(struct vmt_ctx *ctx)
{
	emits(vmt_session_of(ctx));
	return vmt_skip(ctx);
}

static void run_emitting(struct world *w, void (*fn)(struct vmt_session *s))
{
	world_open_batch(w, 1);
	emitter = probe_handler;
	emitter.schemas = schemas;
	w->config.handler = &emitter;
	emits = fn;
	probe.event = emit_and_skip;
	assert_int_equal(world_run(w), 0);
	assert_int_equal(probe.events, 1);
}

/* One of each type; what is borrowed is changed right behind the call. */
static void emit_all_types(struct vmt_session *s)
{
	char text[] = "caf\xc3\xa9";
	uint8_t bytes[] = {0, 0xff, 0x10};
	struct vmt_value values[] = {vmt_bool(true),     vmt_i64(INT64_MIN), vmt_u64(UINT64_MAX),
				     vmt_addr(0xfff),    vmt_text(text),     vmt_bytes(bytes, 3),
				     vmt_u64(vmt_now(s))};

	vmt_assert_ok(vmt_emit(s, &all_schema, values, COUNT(values)), vmt_error_of(s));
	memset(text, 'x', sizeof(text) - 1);
	memset(bytes, 0, sizeof(bytes));
	memset(values, 0, sizeof(values));
}

static void an_emission_has_a_value_of_each_type(void **state)
{
	static const uint8_t bytes[] = {0, 0xff, 0x10};
	struct world *w = *state;

	run_emitting(w, emit_all_types);
	assert_int_equal(w->outcome.emissions, 1);
	vmt_assert_emitted(
		w->seen, 0, "all-types", vmt_bool(true), vmt_i64(INT64_MIN), vmt_u64(UINT64_MAX),
		vmt_addr(0xfff), vmt_text("caf\xc3\xa9"), vmt_bytes(bytes, 3),
		vmt_u64(vmt_collector_callback(w->seen, VMT_CALLBACK_EVENT, 0)->callback.now));
}

static void emit_a_few(struct vmt_session *s)
{
	for (uint64_t i = 0; i < 3; i++) {
		struct vmt_value value = vmt_u64(i);

		assert_int_equal(vmt_emit(s, &seen_schema, &value, 1), 0);
	}
	assert_int_equal(vmt_emit(s, &empty_schema, NULL, 0), 0);
}

static void emissions_are_kept_in_order_and_tied_to_their_callback(void **state)
{
	struct world *w = *state;

	run_emitting(w, emit_a_few);
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 4);
	for (uint64_t i = 0; i < 3; i++) {
		vmt_assert_emitted(w->seen, i, "seen", vmt_u64(i));
		assert_int_equal(vmt_collector_emission(w->seen, NULL, i)->callback, 2);
	}
	assert_int_equal(vmt_collector_nemissions(w->seen, "empty"), 1);
	assert_int_equal(w->outcome.emissions, 4);
}

static void emit_number(struct vmt_session *s, uint64_t number)
{
	struct vmt_value value = vmt_u64(number);

	vmt_assert_ok(vmt_emit(s, &seen_schema, &value, 1), vmt_error_of(s));
}

static int emit_in_create(struct vmt_session *s)
{
	emit_number(s, 1);
	return watch_cpuid(s);
}

static struct vmt_response emit_in_event(struct vmt_ctx *ctx)
{
	emit_number(vmt_session_of(ctx), vmt_phase_of(ctx) == VMT_PHASE_DRAIN ? 6 : 2);
	return vmt_skip(ctx);
}

static int emit_in_timeout(struct vmt_session *s)
{
	emit_number(s, 3);
	return 0;
}

static void emit_when_interrupted(struct vmt_session *s)
{
	emit_number(s, 4);
}

static void emit_in_cleanup(struct vmt_session *s)
{
	emit_number(s, 5);
}

static int stop_the_session(struct vmt_driver *d, void *arg)
{
	(void)d;
	vmt_session_stop(((struct world *)arg)->session);
	return 0;
}

/* A stop that comes together with an event: that event is left for the drain. */
static void emissions_are_allowed_in_each_callback_but_poll(void **state)
{
	struct world *w = *state;

	world_open(w, NULL);
	WORLD_PLAY(w, VMT_INSN_CPUID(0, 0, 0, 0), VMT_WORLD_IDLE(6 * SECOND),
		   VMT_WORLD_CALL(stop_the_session, w), VMT_INSN_CPUID(0, 0, 0, 0));
	probe.create = emit_in_create;
	probe.event = emit_in_event;
	probe.timeout = emit_in_timeout;
	probe.interrupted = emit_when_interrupted;
	probe.cleanup = emit_in_cleanup;
	assert_int_equal(world_run(w), 0);
	assert_true(vmt_collector_nemissions(w->seen, NULL) >= 5);
	for (size_t i = 0; i < vmt_collector_nemissions(w->seen, NULL); i++)
		vmt_assert_emitted(w->seen, i, "seen", vmt_u64(i + 1));
}

/* -------------------------------------------------------------------------------------------- */
/* Refusals                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void assert_not_emitted(struct vmt_session *s, const struct vmt_schema *schema,
			       const struct vmt_value *values, size_t n, enum vmt_status status,
			       const char *why)
{
	vmt_assert_refused(vmt_emit(s, schema, values, n), vmt_error_of(s), status);
	assert_holds(vmt_error_of(s)->text, why);
}

static void emit_what_does_not_fit(struct vmt_session *s)
{
	const struct vmt_value number = vmt_u64(1), text = vmt_text("1"), signed_ = vmt_i64(1);
	const struct vmt_value two[] = {vmt_u64(1), vmt_u64(2)};

	assert_not_emitted(s, &seen_schema, &text, 1, VMT_E_INVALID, "number");
	assert_not_emitted(s, &seen_schema, &signed_, 1, VMT_E_INVALID, "u64");
	assert_not_emitted(s, &seen_schema, two, 2, VMT_E_INVALID, "2 values");
	assert_not_emitted(s, &seen_schema, &number, 0, VMT_E_INVALID, "0 values");
	assert_not_emitted(s, &seen_schema, NULL, 1, VMT_E_INVALID, "NULL");
}

static void values_that_do_not_fit_their_schema_are_refused(void **state)
{
	struct world *w = *state;

	run_emitting(w, emit_what_does_not_fit);
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 0);
	assert_int_equal(w->outcome.emissions, 0);
}

/* A schema is one that was declared, not one that looks like it. */
static void emit_undeclared(struct vmt_session *s)
{
	const struct vmt_value values[COUNT(all_fields)] = {{0}};

	assert_not_emitted(s, &result_schema, values, 2, VMT_E_INVALID, "'result'");
	assert_not_emitted(s, &same_as_all, values, COUNT(values), VMT_E_INVALID, "'all-types'");
	assert_not_emitted(s, NULL, values, 1, VMT_E_INVALID, "null");
}

static void a_schema_that_was_not_declared_is_refused(void **state)
{
	struct world *w = *state;

	run_emitting(w, emit_undeclared);
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 0);
}

static void emit_long_ones(struct vmt_session *s)
{
	char *long_text = malloc(VMT_VALUE_MAX + 2u);
	struct vmt_value values[] = {vmt_bool(false), vmt_i64(0),   vmt_u64(0), vmt_addr(0),
				     vmt_text(""),    vmt_text(""), vmt_u64(0)};

	assert_non_null(long_text);
	memset(long_text, 'a', VMT_VALUE_MAX + 1u);
	long_text[VMT_VALUE_MAX + 1u] = '\0';
	values[5] = vmt_bytes(NULL, 0);
	values[4] = vmt_text(long_text);
	assert_not_emitted(s, &all_schema, values, COUNT(values), VMT_E_LIMIT, "text");
	long_text[VMT_VALUE_MAX] = '\0';
	values[4] = vmt_text(long_text);
	vmt_assert_ok(vmt_emit(s, &all_schema, values, COUNT(values)), vmt_error_of(s));
	values[4] = vmt_text("");
	values[5] = vmt_bytes(long_text, VMT_VALUE_MAX + 1u);
	assert_not_emitted(s, &all_schema, values, COUNT(values), VMT_E_LIMIT, "bytes");
	free(long_text);
}

static void too_long_a_value_is_refused_and_never_cut(void **state)
{
	struct world *w = *state;

	run_emitting(w, emit_long_ones);
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 1);
	assert_int_equal(vmt_collector_emission(w->seen, NULL, 0)->values[4].len, VMT_VALUE_MAX);
}

/* -------------------------------------------------------------------------------------------- */
/* Logs                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static void log_some_lines(struct vmt_session *s)
{
	vmt_log(s, VMT_LOG_WARNING, "%s at %#x", "hm", 0x10);
	vmt_log(s, VMT_LOG_DEBUG, "%s", "");
	emit_number(s, 7);
}

static void logs_are_apart_from_emissions(void **state)
{
	struct world *w = *state;

	run_emitting(w, log_some_lines);
	assert_int_equal(vmt_collector_nlogs(w->seen), 2);
	assert_int_equal(vmt_collector_log(w->seen, 0)->level, VMT_LOG_WARNING);
	assert_string_equal(vmt_collector_log(w->seen, 0)->text, "hm at 0x10");
	assert_int_equal(vmt_collector_log(w->seen, 0)->callback, 2);
	assert_string_equal(vmt_collector_log(w->seen, 1)->text, "");
	assert_int_equal(vmt_collector_nemissions(w->seen, NULL), 1);
	assert_int_equal(w->outcome.emissions, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(an_emission_has_a_value_of_each_type),
		WORLD_TEST(emissions_are_kept_in_order_and_tied_to_their_callback),
		WORLD_TEST(emissions_are_allowed_in_each_callback_but_poll),
		WORLD_TEST(values_that_do_not_fit_their_schema_are_refused),
		WORLD_TEST(a_schema_that_was_not_declared_is_refused),
		WORLD_TEST(too_long_a_value_is_refused_and_never_cut),
		WORLD_TEST(logs_are_apart_from_emissions),
	};

	return cmocka_run_group_tests_name("emissions", tests, NULL, NULL);
}
