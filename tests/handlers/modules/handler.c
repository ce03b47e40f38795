/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler as a shared object, good or bad by what it is compiled with: ABI and SIZE of its table,
 * SCHEMA_NAME of its schema.
 */
#include <vmitape/handler.h>

#ifndef ABI
#define ABI VMT_HANDLER_ABI
#endif
#ifndef SIZE
#define SIZE sizeof(struct vmt_handler_ops)
#endif
#ifndef SCHEMA_NAME
#define SCHEMA_NAME "seen"
#endif

static const struct vmt_field fields[] = {{"leaf", VMT_U64, VMT_KEY}};
static const struct vmt_schema seen = VMT_SCHEMA(SCHEMA_NAME, fields);
static const struct vmt_schema *const schemas[] = {&seen, NULL};

static int create(struct vmt_session *s, void **self)
{
	*self = NULL;
	return vmt_monitor(s, VMT_MONITOR_CPUID);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	struct vmt_value leaf = vmt_u64(vmt_event_of(ctx)->u.cpuid.leaf);

	(void)self;
	if (vmt_emit(vmt_session_of(ctx), &seen, &leaf, 1) < 0)
		return vmt_fail(ctx, "emit");
	return vmt_skip(ctx);
}

VMT_HANDLER_DEFINE(loaded) = {
	.abi = ABI,
	.size = SIZE,
	.name = "loaded",
	.version = "1",
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
};
