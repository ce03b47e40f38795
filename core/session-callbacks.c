/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One invocation of the handler: numbered, time-stamped, observed.
 */
#include <pthread.h>

#include <vmitape/run.h>

#include "record.h"
#include "session-private.h"

static const char *const callback_names[] = {
	[VMT_CALLBACK_CREATE] = "create",   [VMT_CALLBACK_EVENT] = "event",
	[VMT_CALLBACK_TIMEOUT] = "timeout", [VMT_CALLBACK_INTERRUPTED] = "interrupted",
	[VMT_CALLBACK_POLL] = "poll",       [VMT_CALLBACK_CLEANUP] = "cleanup",
};

const char *vmt_callback_name(unsigned kind)
{
	if (kind < sizeof(callback_names) / sizeof(callback_names[0]) && callback_names[kind])
		return callback_names[kind];
	return "unknown";
}

bool vmt_session_on_callback(const struct vmt_session *s)
{
	return atomic_load(&s->thread) == (uintptr_t)pthread_self();
}

static void begin(struct vmt_session *s, enum vmt_callback_kind kind, const struct vmt_event *ev)
{
	s->callback.number = s->next_callback++;
	s->callback.kind = (uint32_t)kind;
	s->callback.phase = (uint32_t)s->phase;
	s->callback.now = s->now;
	s->callback.event = ev;
	s->draws = 0;
	s->err = (struct vmt_error){0};
	s->outcome.callbacks++;
	vmt_translation_cache_flush(&s->translations);
	VMT_OBSERVE(s, callback, &s->callback);
	atomic_store(&s->thread, (uintptr_t)pthread_self());
}

static void end(struct vmt_session *s, int result, const struct vmt_response *rsp,
		const struct vmt_record *output)
{
	struct vmt_callback_result r = {.result = result, .response = rsp, .output = output};

	atomic_store(&s->thread, 0);
	VMT_OBSERVE(s, callback_end, &s->callback, &r);
	s->callback.event = NULL;
}

/** The handler failed: a reason if it gave none, and the callback's name in front. */
static int failed(struct vmt_session *s, int result)
{
	const char *name = vmt_callback_name(s->callback.kind);

	if (s->err.status == VMT_OK)
		vmt_error_set(&s->err, VMT_E_HANDLER, name,
			      "it returned %d and gave no reason; vmt_session_fail() takes one",
			      result);
	return vmt_error_prefix(&s->err, "handler '%s', callback %llu (%s): ", s->handler->name,
				(unsigned long long)s->callback.number, name);
}

int vmt_session_call_create(struct vmt_session *s)
{
	int r;

	begin(s, VMT_CALLBACK_CREATE, NULL);
	r = s->handler->create ? s->handler->create(s, &s->self) : 0;
	if (r < 0)
		r = failed(s, r);
	end(s, r, NULL, NULL);
	return r;
}

int vmt_session_call_event(struct vmt_session *s, struct vmt_ctx *ctx, struct vmt_response *rsp)
{
	int r = 0;

	begin(s, VMT_CALLBACK_EVENT, ctx->event);
	*rsp = s->handler->handle_event(s->self, ctx);
	if (rsp->action == VMT_FAIL)
		r = failed(s, -VMT_E_HANDLER);
	else if (vmt_response_check(ctx->event, rsp, &s->err) < 0)
		r = failed(s, -VMT_E_INVALID);
	end(s, r, rsp, NULL);
	return r;
}

int vmt_session_call_timeout(struct vmt_session *s)
{
	int r;

	begin(s, VMT_CALLBACK_TIMEOUT, NULL);
	r = s->handler->handle_timeout ? s->handler->handle_timeout(s->self, s) : 0;
	if (r < 0)
		r = failed(s, r);
	end(s, r, NULL, NULL);
	return r;
}

void vmt_session_call_interrupted(struct vmt_session *s)
{
	begin(s, VMT_CALLBACK_INTERRUPTED, NULL);
	if (s->handler->handle_interrupted)
		s->handler->handle_interrupted(s->self, s);
	end(s, 0, NULL, NULL);
}

void vmt_session_call_cleanup(struct vmt_session *s)
{
	begin(s, VMT_CALLBACK_CLEANUP, NULL);
	if (s->handler->cleanup)
		s->handler->cleanup(s->self, s);
	end(s, 0, NULL, NULL);
}

bool vmt_session_declares(const struct vmt_session *s, const struct vmt_schema *schema)
{
	for (const struct vmt_schema *const *p = s->handler->schemas; p && *p; p++)
		if (*p == schema)
			return true;
	return false;
}

/** What poll gave counts only with a 1; otherwise the record is made empty for the next poll. */
static int take_output(struct vmt_session *s, int r)
{
	const struct vmt_schema *schema = vmt_record_schema(s->output);
	const struct vmt_error *refused = vmt_record_error(s->output);

	if (refused->status != VMT_OK) {
		s->err = *refused;
		r = -refused->status;
	} else if (r > 0 && schema && !vmt_session_declares(s, schema)) {
		r = vmt_error_set(&s->err, VMT_E_INVALID, "vmt_output",
				  "the schema '%s' is not among those that the handler declared",
				  schema->name);
	}
	if (r <= 0)
		vmt_record_clear(s->output);
	return r > 0 ? 1 : r;
}

int vmt_session_call_poll(struct vmt_session *s)
{
	begin(s, VMT_CALLBACK_POLL, NULL);
	int r;

	r = s->handler->poll ? s->handler->poll(s->self, s->output) : 0;
	r = take_output(s, r);
	if (r < 0)
		r = failed(s, r);
	end(s, r, NULL, r > 0 ? s->output : NULL);
	return r;
}
