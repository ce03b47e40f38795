/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler as an author outside of the tree writes it: it tells address spaces when they are first
 * entered, and how many there were.
 */
#include <stdlib.h>

#include <vmitape/handler.h>

#define SPACES_MAX 64

static const struct vmt_field space_fields[] = {
	{"root", VMT_ADDR, VMT_KEY},
	{"vcpu", VMT_U64, 0},
};
static const struct vmt_schema space_schema = VMT_SCHEMA("space", space_fields);
static const struct vmt_field total_fields[] = {{"spaces", VMT_U64, 0}};
static const struct vmt_schema total_schema = VMT_SCHEMA("total", total_fields);
static const struct vmt_schema *const schemas[] = {&space_schema, &total_schema, NULL};

static const struct vmt_option_decl options[] = {
	{"enough", VMT_OPTION_U64, 0, "64", "Finish after so many spaces."},
	{NULL, 0, 0, NULL, NULL},
};

struct spaces {
	uint64_t roots[SPACES_MAX];
	uint64_t n, enough;
};

static int create(struct vmt_session *s, void **self)
{
	struct spaces *spaces = calloc(1, sizeof(*spaces));
	int r;

	if (!spaces)
		return vmt_session_fail(s, "no memory");
	spaces->enough = vmt_option_u64(s, "enough");
	if (spaces->enough > SPACES_MAX)
		spaces->enough = SPACES_MAX;
	r = vmt_monitor_cr(s, VMT_CR3);
	if (r < 0) {
		free(spaces);
		return r;
	}
	*self = spaces;
	return 0;
}

static bool is_known(const struct spaces *spaces, uint64_t root)
{
	for (uint64_t i = 0; i < spaces->n; i++)
		if (spaces->roots[i] == root)
			return true;
	return false;
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *event = vmt_event_of(ctx);
	struct spaces *spaces = self;
	const uint64_t root = event->u.cr.new_value;
	struct vmt_value values[] = {vmt_addr(root), vmt_u64(event->vcpu)};

	if (spaces->n == spaces->enough || is_known(spaces, root))
		return vmt_respond(VMT_CONTINUE);
	spaces->roots[spaces->n++] = root;
	if (vmt_emit(vmt_session_of(ctx), &space_schema, values, 2) < 0)
		return vmt_fail(ctx, "%s", vmt_error_of(vmt_session_of(ctx))->text);
	return vmt_respond(VMT_CONTINUE);
}

static int poll(const void *self, struct vmt_record *out)
{
	const struct spaces *spaces = self;
	struct vmt_value values[] = {vmt_u64(spaces->n)};

	if (spaces->n < spaces->enough)
		return 0;
	return vmt_output(out, &total_schema, values, 1) < 0 ? -VMT_E_HANDLER : 1;
}

static void destroy(void *self)
{
	free(self);
}

VMT_HANDLER_DEFINE(spaces) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "spaces",
	.version = "1",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.poll = poll,
	.destroy = destroy,
};
