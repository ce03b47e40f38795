/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells each switch of a vCPU to another address space; at the end, how often each space was entered
 * and how long vCPUs were in it.
 *
 *   -O count=100      finish after so many switches
 *   -O spaces=4096    keep the time of so many spaces; switches to others are only counted
 *
 * A space is the page-table root in CR3: PCID and flag bits are left out of the sums. Times are the
 * domain's, from the event of one switch to that of the next, and no part of a comparison.
 */
#include <stdlib.h>

#include <vmitape/handler.h>

/** The bits of CR3 that say where the root table is. */
#define ROOT_MASK UINT64_C(0x000ffffffffff000)

static const struct vmt_field switch_fields[] = {
	{"vcpu", VMT_U64, VMT_KEY}, {"from", VMT_ADDR, 0},       {"to", VMT_ADDR, 0},
	{"rip", VMT_ADDR, 0},       {"ns", VMT_U64, VMT_IGNORE},
};
static const struct vmt_schema switch_schema = VMT_SCHEMA("switch", switch_fields);

static const struct vmt_field space_fields[] = {
	{"root", VMT_ADDR, VMT_KEY},
	{"entered", VMT_U64, 0},
	{"ns", VMT_U64, VMT_IGNORE},
};
static const struct vmt_schema space_schema = VMT_SCHEMA("space", space_fields);

static const struct vmt_field total_fields[] = {
	{"switches", VMT_U64, 0},
	{"spaces", VMT_U64, 0},
	{"not_kept", VMT_U64, 0},
};
static const struct vmt_schema total_schema = VMT_SCHEMA("total", total_fields);

static const struct vmt_schema *const schemas[] = {&switch_schema, &space_schema, &total_schema,
						   NULL};

static const struct vmt_option_decl options[] = {
	{"count", VMT_OPTION_U64, 0, "0", "Finish after so many switches; 0: never."},
	{"spaces", VMT_OPTION_U64, 0, "4096", "Keep the time of at most so many address spaces."},
	{NULL, 0, 0, NULL, NULL},
};

struct space {
	uint64_t root, entered, ns;
};

/** Where a vCPU is. */
struct place {
	uint64_t root, since;
};

struct cr3 {
	uint64_t count, max_spaces;
	uint64_t switches, not_kept;
	struct space *spaces; /**< in ascending order of their roots */
	size_t nspaces, cap;
	struct place *places; /**< of each vCPU */
	uint16_t vcpus;
	bool stop;
};

/* -------------------------------------------------------------------------------------------- */
/* Spaces                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** The index of the space @root, or where it belongs. */
static size_t position(const struct cr3 *c, uint64_t root)
{
	size_t low = 0, high = c->nspaces;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->spaces[middle].root < root)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int grow(struct vmt_session *s, struct cr3 *c)
{
	size_t cap = c->cap ? c->cap * 2 : 64;
	struct space *spaces = realloc(c->spaces, cap * sizeof(*spaces));

	if (!spaces)
		return vmt_session_fail(s, "no memory for %zu address spaces", cap);
	c->spaces = spaces;
	c->cap = cap;
	return 0;
}

/** The space @root in *@space, made if there is none; NULL where no more are kept. */
static int find(struct vmt_session *s, struct cr3 *c, uint64_t root, struct space **space)
{
	size_t at = position(c, root);
	int r = 0;

	*space = NULL;
	if (at < c->nspaces && c->spaces[at].root == root) {
		*space = &c->spaces[at];
		return 0;
	}
	if (c->nspaces >= c->max_spaces)
		return 0;
	if (c->nspaces == c->cap)
		r = grow(s, c);
	if (r < 0 || !c->spaces)
		return -VMT_E_HANDLER;
	for (size_t i = c->nspaces++; i > at; i--)
		c->spaces[i] = c->spaces[i - 1];
	c->spaces[at] = (struct space){.root = root};
	*space = &c->spaces[at];
	return 0;
}

/** The time of @place up to now goes to its space. Returns it. */
static uint64_t leave(struct cr3 *c, const struct place *place, uint64_t now)
{
	size_t at = position(c, place->root);
	uint64_t ns = now - place->since;

	if (at < c->nspaces && c->spaces[at].root == place->root)
		c->spaces[at].ns += ns;
	return ns;
}

static int enter(struct vmt_session *s, struct cr3 *c, struct place *place, uint64_t cr3)
{
	struct space *space;
	int r;

	place->root = cr3 & ROOT_MASK;
	place->since = vmt_now(s);
	r = find(s, c, place->root, &space);
	if (r < 0)
		return r;
	if (space)
		space->entered++;
	else
		c->not_kept++;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
	struct cr3 *c = self;

	free(c->spaces);
	free(c->places);
	free(c);
}

/** Each vCPU is in a space already; that is no switch. */
static int note_places(struct vmt_session *s, struct cr3 *c)
{
	for (uint16_t vcpu = 0; vcpu < c->vcpus; vcpu++) {
		struct vmt_regs regs;
		struct space *space;
		int r = vmt_get_regs(s, vcpu, &regs);

		if (r < 0)
			return r;
		c->places[vcpu].root = regs.cr3 & ROOT_MASK;
		c->places[vcpu].since = vmt_now(s);
		r = find(s, c, c->places[vcpu].root, &space);
		if (r < 0)
			return r;
	}
	return 0;
}

static int begin(struct vmt_session *s, struct cr3 *c)
{
	struct vmt_info info;
	int r = vmt_domain_info(s, &info);

	if (r < 0)
		return r;
	c->count = vmt_option_u64(s, "count");
	c->max_spaces = vmt_option_u64(s, "spaces");
	c->vcpus = info.vcpus;
	c->places = calloc(info.vcpus, sizeof(*c->places));
	if (!c->places)
		return vmt_session_fail(s, "no memory");
	r = vmt_monitor_cr(s, VMT_CR3);
	return r < 0 ? r : note_places(s, c);
}

static int create(struct vmt_session *s, void **self)
{
	struct cr3 *c = calloc(1, sizeof(*c));
	int r = c ? begin(s, c) : vmt_session_fail(s, "no memory");

	if (r < 0 && c)
		destroy(c);
	*self = c;
	return r < 0 ? r : 0;
}

static int tell(struct vmt_session *s, struct cr3 *c, const struct vmt_event *ev)
{
	struct place *place = &c->places[ev->vcpu];
	struct vmt_value values[] = {
		vmt_u64(ev->vcpu),
		vmt_addr(ev->u.cr.old_value),
		vmt_addr(ev->u.cr.new_value),
		vmt_addr(ev->regs.gprs.rip),
		vmt_u64(leave(c, place, vmt_now(s))),
	};
	int r = vmt_emit(s, &switch_schema, values, 5);

	c->switches++;
	return r < 0 ? r : enter(s, c, place, ev->u.cr.new_value);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	struct cr3 *c = self;

	/* After cleanup, events come that were on their way: they are answered, no more. */
	if (ev->reason != VMT_EVENT_WRITE_CR || vmt_phase_of(ctx) == VMT_PHASE_DRAIN ||
	    ev->vcpu >= c->vcpus)
		return vmt_respond(VMT_CONTINUE);
	if (tell(s, c, ev) < 0)
		return vmt_fail(ctx, "%s", vmt_error_of(s)->text);
	return vmt_respond(VMT_CONTINUE);
}

static void handle_interrupted(void *self, struct vmt_session *s)
{
	struct cr3 *c = self;

	(void)s;
	c->stop = true;
}

static void cleanup(void *self, struct vmt_session *s)
{
	struct cr3 *c = self;

	for (uint16_t vcpu = 0; vcpu < c->vcpus; vcpu++) {
		leave(c, &c->places[vcpu], vmt_now(s));
		c->places[vcpu].since = vmt_now(s);
	}
	for (size_t i = 0; i < c->nspaces; i++) {
		const struct space *space = &c->spaces[i];
		struct vmt_value values[] = {vmt_addr(space->root), vmt_u64(space->entered),
					     vmt_u64(space->ns)};

		if (vmt_emit(s, &space_schema, values, 3) < 0)
			return;
	}
}

static int poll(const void *self, struct vmt_record *out)
{
	const struct cr3 *c = self;
	struct vmt_value values[] = {vmt_u64(c->switches), vmt_u64(c->nspaces),
				     vmt_u64(c->not_kept)};

	if (!c->stop && (c->count == 0 || c->switches < c->count))
		return 0;
	return vmt_output(out, &total_schema, values, 3) < 0 ? -VMT_E_HANDLER : 1;
}

VMT_HANDLER_DEFINE(cr3) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "cr3",
	.version = "1",
	.summary = "Tells each address-space switch, and the time in each space.",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_interrupted = handle_interrupted,
	.cleanup = cleanup,
	.poll = poll,
	.destroy = destroy,
};
