/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session tap: what never crosses the driver.
 */
#include <string.h>

#include "recorder.h"

#define RECORDER(o) ((struct vmt_recorder *)((char *)(o)-offsetof(struct vmt_recorder, observer)))
#define SCHEMAS_MAX 256u
/** FORMAT.md, `response`. */
#define RESPONSE_DATA_MAX 4096u

/* -------------------------------------------------------------------------------------------- */
/* Begin                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static void append_meta(struct vmt_recorder *r, const struct vmt_session *s)
{
	const struct vmt_handler_ops *handler = vmt_session_handler(s);
	struct vmt_schema schemas[SCHEMAS_MAX];
	struct vmt_trace_meta meta = {
		.tool = r->config.tool ? r->config.tool : "libvmitape",
		.info = *vmt_session_info(s),
		.handler = handler->name,
		.handler_version = handler->version,
		.handler_hash = r->config.handler_hash,
		.handler_hash_len = r->config.handler_hash ? 32 : 0,
		.handler_abi = handler->abi,
		.policy = r->config.capture,
		.derived = r->config.derived,
		.timeout_ms = r->config.timeout_ms,
		.settle_ms = r->config.settle_ms,
		.drain_max = r->config.drain_max,
		.schemas = schemas,
	};
	size_t noptions;

	meta.options = vmt_session_options(s, &noptions);
	meta.noptions = (uint32_t)noptions;
	for (const struct vmt_schema *const *p = handler->schemas; p && *p; p++) {
		if (meta.nschemas == SCHEMAS_MAX)
			break; /* vmt_handler_check allows no more */
		schemas[meta.nschemas++] = **p;
	}
	vmt_recorder_append(r, VMT_TRACE_META, &meta, NULL);
}

static void on_begin(struct vmt_observer *o, const struct vmt_session *s)
{
	struct vmt_recorder *r = RECORDER(o);
	static const struct vmt_trace_begin begin;

	r->session = s;
	append_meta(r, s);
	for (unsigned i = 0; i < r->nearly; i++)
		vmt_recorder_append(r, VMT_TRACE_CALL + VMT_CALL_INFO, &r->early[i].call, NULL);
	vmt_recorder_append(r, VMT_TRACE_BEGIN, &begin, NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* Callbacks                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void on_callback(struct vmt_observer *o, const struct vmt_callback *cb)
{
	struct vmt_recorder *r = RECORDER(o);
	struct vmt_trace_callback body = {
		.kind = (uint8_t)cb->kind,
		.now = cb->now,
		.ticket = cb->event ? cb->event->ticket : 0,
	};

	r->callback = cb->number;
	/* A poll can call nothing: it is one record, at its end. */
	if (cb->kind != VMT_CALLBACK_POLL)
		vmt_recorder_append(r, VMT_TRACE_CALLBACK, &body, NULL);
}

/** The number of a schema in META. The session has checked that the handler declared it. */
static uint32_t schema_number(const struct vmt_recorder *r, const struct vmt_schema *schema)
{
	const struct vmt_schema *const *schemas = vmt_session_handler(r->session)->schemas;
	uint32_t n = 0;

	while (schemas[n] != schema)
		n++;
	return n;
}

static void append_output(struct vmt_recorder *r, const struct vmt_record *output)
{
	const struct vmt_schema *schema = vmt_record_schema(output);
	struct vmt_trace_output body = {.has_schema = schema != NULL};
	size_t n = 0;

	if (schema) {
		body.schema = schema_number(r, schema);
		body.values = vmt_record_values(output, &n);
		body.nvalues = (uint32_t)n;
	}
	vmt_recorder_append(r, VMT_TRACE_OUTPUT, &body, NULL);
}

/** What of @rsp can be written: a handler may have set a flag and nothing behind it. */
static struct vmt_response writable(const struct vmt_response *rsp)
{
	struct vmt_response r = *rsp;

	if (!r.regs)
		r.flags &= (uint16_t)~VMT_RSP_REGS;
	if (!r.data || r.data_len > RESPONSE_DATA_MAX)
		r.data_len = 0;
	return r;
}

static void on_callback_end(struct vmt_observer *o, const struct vmt_callback *cb,
			    const struct vmt_callback_result *result)
{
	struct vmt_recorder *r = RECORDER(o);

	if (cb->kind == VMT_CALLBACK_POLL) {
		struct vmt_trace_poll body = {.result = result->result, .now = cb->now};

		vmt_recorder_append(r, VMT_TRACE_POLL, &body, NULL);
	} else {
		struct vmt_response rsp =
			result->response ? writable(result->response) : vmt_respond(VMT_CONTINUE);
		struct vmt_trace_callback_end body = {
			.kind = (uint8_t)cb->kind,
			.result = result->result,
			.response = result->response ? &rsp : NULL,
		};

		vmt_recorder_append(r, VMT_TRACE_CALLBACK_END, &body, NULL);
	}
	if (result->output)
		append_output(r, result->output);
}

static void on_default_answer(struct vmt_observer *o, const struct vmt_event *ev,
			      const struct vmt_response *rsp)
{
	struct vmt_trace_default_answer body = {
		.vcpu = ev->vcpu,
		.response = *rsp,
		.ticket = ev->ticket,
	};

	vmt_recorder_append(RECORDER(o), VMT_TRACE_DEFAULT_ANSWER, &body, NULL);
}

/* -------------------------------------------------------------------------------------------- */
/* What the handler has to say, and reads                                                       */
/* -------------------------------------------------------------------------------------------- */

static void on_emission(struct vmt_observer *o, const struct vmt_schema *schema,
			const struct vmt_value *values, size_t n)
{
	struct vmt_recorder *r = RECORDER(o);
	struct vmt_trace_emission body = {
		.schema = schema_number(r, schema),
		.values = values,
		.nvalues = (uint32_t)n,
	};

	vmt_recorder_append(r, VMT_TRACE_EMISSION, &body, NULL);
}

static void on_log(struct vmt_observer *o, enum vmt_log_level level, const char *text)
{
	struct vmt_trace_log body = {
		.level = (uint8_t)level,
		.text = text,
		.len = (uint32_t)strlen(text),
	};

	vmt_recorder_append(RECORDER(o), VMT_TRACE_LOG, &body, NULL);
}

static void on_file(struct vmt_observer *o, const char *path, int status, const void *data,
		    size_t len)
{
	struct vmt_recorder *r = RECORDER(o);
	struct vmt_trace_file file = {
		.result = status,
		.id = ++r->nfiles,
		.path = path,
		.size = len,
	};
	struct vmt_trace_file_data part = {.id = file.id};

	if (status < 0)
		file.error = *vmt_error_of(r->session);

	vmt_recorder_append(r, VMT_TRACE_FILE, &file, NULL);
	for (; part.offset < len; part.offset += part.len) {
		size_t left = len - part.offset;

		part.len = left < VMT_TRACE_FILE_PART ? (uint32_t)left : VMT_TRACE_FILE_PART;
		part.data = (const char *)data + part.offset;
		vmt_recorder_append(r, VMT_TRACE_FILE_DATA, &part, NULL);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* The end                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void on_failure(struct vmt_observer *o, const struct vmt_error *err)
{
	struct vmt_trace_failure body = {.error = *err};

	vmt_recorder_append(RECORDER(o), VMT_TRACE_FAILURE, &body, NULL);
}

static void on_teardown(struct vmt_observer *o, const char *step)
{
	struct vmt_trace_teardown body = {.step = step};

	vmt_recorder_append(RECORDER(o), VMT_TRACE_TEARDOWN, &body, NULL);
}

static void on_end(struct vmt_observer *o, const struct vmt_outcome *outcome)
{
	struct vmt_recorder *r = RECORDER(o);
	struct vmt_trace_outcome body = {
		.end = outcome->end,
		.teardown_failures = outcome->teardown_failures,
		.callbacks = outcome->callbacks,
		.events = outcome->events,
		.timeouts = outcome->timeouts,
		.emissions = outcome->emissions,
		.error = outcome->error,
		.teardown = outcome->teardown,
	};

	vmt_recorder_append(r, VMT_TRACE_OUTCOME, &body, NULL);
	r->over = true;
}

const struct vmt_observer_ops vmt_recorder_observer_ops = {
	.size = sizeof(struct vmt_observer_ops),
	.begin = on_begin,
	.callback = on_callback,
	.callback_end = on_callback_end,
	.default_answer = on_default_answer,
	.emission = on_emission,
	.log = on_log,
	.file = on_file,
	.failure = on_failure,
	.teardown = on_teardown,
	.end = on_end,
};
