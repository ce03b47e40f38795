/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The smallest handler that shows the whole interface: it watches CR3, tells each switch to another
 * address space, and finishes after a number of them. Copy this file to begin your own.
 *
 * As a shared object: cc -shared -fPIC tiny.c $(pkg-config --cflags --libs vmitape) -o tiny.so
 */
#include <stdlib.h>

#include <vmitape/handler.h>

/* What it says. Each record fits one of these; fields marked VMT_KEY say which record of one run
 * belongs to which of another when two runs are compared. */
static const struct vmt_field switch_fields[] = {
	{"vcpu", VMT_U64, VMT_KEY},
	{"from", VMT_ADDR, 0},
	{"to", VMT_ADDR, 0},
};
static const struct vmt_schema switch_schema = VMT_SCHEMA("switch", switch_fields);

static const struct vmt_field total_fields[] = {{"switches", VMT_U64, 0}};
static const struct vmt_schema total_schema = VMT_SCHEMA("total", total_fields);

static const struct vmt_schema *const schemas[] = {&switch_schema, &total_schema, NULL};

/* What it can be told: -O count=100. */
static const struct vmt_option_decl options[] = {
	{"count", VMT_OPTION_U64, 0, "10", "Finish after so many switches; 0: never."},
	{NULL, 0, 0, NULL, NULL},
};

/* What it remembers. */
struct tiny {
	uint64_t count, switches;
	bool stop;
};

/* Once, with the domain paused. What fails here is undone by the session. */
static int create(struct vmt_session *s, void **self)
{
	struct tiny *tiny = calloc(1, sizeof(*tiny));
	int r;

	if (!tiny)
		return vmt_session_fail(s, "no memory");
	tiny->count = vmt_option_u64(s, "count");
	r = vmt_monitor_cr(s, VMT_CR3);
	if (r < 0) {
		free(tiny); /* neither cleanup nor destroy follow */
		return r;   /* the reason is in the session */
	}
	*self = tiny;
	return 0;
}

/* For each event. The vCPU stands until the response. */
static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *event = vmt_event_of(ctx);
	struct tiny *tiny = self;

	/* After cleanup, events come that were on their way: answer them, no more. */
	if (event->reason != VMT_EVENT_WRITE_CR || vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_respond(VMT_CONTINUE);

	struct vmt_value values[] = {
		vmt_u64(event->vcpu),
		vmt_addr(event->u.cr.old_value),
		vmt_addr(event->u.cr.new_value),
	};
	if (vmt_emit(vmt_session_of(ctx), &switch_schema, values, 3) < 0)
		return vmt_fail(ctx, "%s", vmt_error_of(vmt_session_of(ctx))->text);
	tiny->switches++;
	return vmt_respond(VMT_CONTINUE);
}

/* No event came for a while. */
static int handle_timeout(void *self, struct vmt_session *s)
{
	const struct tiny *tiny = self;

	vmt_log(s, VMT_LOG_INFO, "%llu switches so far", (unsigned long long)tiny->switches);
	return 0;
}

/* Somebody wants us to stop; poll is asked once more. */
static void handle_interrupted(void *self, struct vmt_session *s)
{
	struct tiny *tiny = self;

	(void)s;
	tiny->stop = true;
}

/* Before monitoring ends, with the domain paused. The session switches CR3 off itself: nothing need
 * be done here. */
static void cleanup(void *self, struct vmt_session *s)
{
	(void)self;
	(void)s;
}

/* Have we finished? Then tell the result. */
static int poll(const void *self, struct vmt_record *out)
{
	const struct tiny *tiny = self;
	struct vmt_value values[] = {vmt_u64(tiny->switches)};

	if (!tiny->stop && (tiny->count == 0 || tiny->switches < tiny->count))
		return 0;
	return vmt_output(out, &total_schema, values, 1) < 0 ? -VMT_E_HANDLER : 1;
}

/* Last. */
static void destroy(void *self)
{
	free(self);
}

VMT_HANDLER_DEFINE(tiny) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "tiny",
	.version = "1",
	.summary = "Tells each write of CR3.",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_timeout = handle_timeout,
	.handle_interrupted = handle_interrupted,
	.cleanup = cleanup,
	.poll = poll,
	.destroy = destroy,
};
