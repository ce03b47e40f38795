/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running a bundled handler on a scripted domain, and looking at what it told.
 */
#ifndef VMT_TESTS_HANDLERS_SEEN_H
#define VMT_TESTS_HANDLERS_SEEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmitape/test.h>

#include "../utils/narrow.h"

struct stage {
	struct vmt_driver *scripted; /**< the domain itself */
	struct vmt_driver *driver;   /**< what the session gets */
	struct vmt_collector *seen;
	struct vmt_outcome outcome;
};

static inline void stage_init(struct stage *st, const struct vmt_scripted_config *config)
{
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_create(config, &st->scripted, &err), &err);
	vmt_assert_ok(vmt_collector_create(&st->seen, &err), &err);
	st->driver = st->scripted;
}

/** The domain says that it lacks these capabilities. */
static inline void stage_hide(struct stage *st, uint32_t capabilities)
{
	st->driver = narrow(st->driver, capabilities);
	assert_non_null(st->driver);
}

static inline void stage_play(struct stage *st, const struct vmt_step *steps, size_t n)
{
	struct vmt_error err;

	vmt_assert_ok(vmt_scripted_play(st->scripted, steps, n, &err), &err);
}
#define PLAY(st, ...)                                            \
	stage_play((st), (const struct vmt_step[]){__VA_ARGS__}, \
		   sizeof((const struct vmt_step[]){__VA_ARGS__}) / sizeof(struct vmt_step))

/** Run the bundled handler @name with @options, which end with a NULL name. */
static inline void stage_run(struct stage *st, const char *name, const struct vmt_option *options)
{
	struct vmt_observer *const observers[] = {vmt_collector_observer(st->seen)};
	struct vmt_session_config config = {
		.driver = st->driver, .options = options, .observers = observers, .nobservers = 1};
	struct vmt_loaded_handler handler;
	struct vmt_session *s;
	struct vmt_error err;

	while (options[config.noptions].name)
		config.noptions++;
	vmt_assert_ok(vmt_handler_load(name, &handler, &err), &err);
	config.handler = handler.ops;
	vmt_assert_ok(vmt_session_create(&config, &s, &err), &err);
	vmt_session_run(s, &st->outcome);
	vmt_session_destroy(s);
	st->outcome.output = vmt_collector_outcome(st->seen)->output;
}
/** RUN(&st, "tiny", {"count", "3"}); */
#define RUN(st, name, ...) \
	stage_run((st), (name), (const struct vmt_option[]){__VA_ARGS__, {NULL, NULL}})

static inline void stage_finish(struct stage *st)
{
	vmt_assert_clean(st->scripted);
	vmt_collector_destroy(st->seen);
	vmt_driver_close(st->driver);
}

/** A field of the @n-th record of @schema (NULL: of any). */
static inline const struct vmt_value *seen_value(const struct stage *st, const char *schema,
						 size_t n, const char *field)
{
	const struct vmt_collected_emission *e = vmt_collector_emission(st->seen, schema, n);

	for (size_t i = 0; e && i < e->n; i++)
		if (strcmp(e->schema->fields[i].name, field) == 0)
			return &e->values[i];
	fail_msg("there is no record %zu of %s with a field %s", n, schema ? schema : "any schema",
		 field);
	return NULL;
}

static inline void seen_is(const struct stage *st, const char *schema, size_t n, const char *field,
			   uint64_t expected)
{
	const struct vmt_value *v = seen_value(st, schema, n, field);
	uint64_t value = v->type == VMT_BOOL ? v->v.b : v->v.u;

	if (value != expected)
		fail_msg("%s %zu: %s is %#llx, expected %#llx", schema ? schema : "record", n,
			 field, (unsigned long long)value, (unsigned long long)expected);
}

/** The handler failed, in create or later, for a reason that has @word. */
static inline void stage_failed(const struct stage *st, enum vmt_end end, const char *word)
{
	vmt_assert_ended(&st->outcome, end);
	if (!strstr(st->outcome.error.text, word))
		fail_msg("'%s' is not in: %s", word, st->outcome.error.text);
}

#endif /* VMT_TESTS_HANDLERS_SEEN_H */
