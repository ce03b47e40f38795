/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells each access to given pages, with the bytes that were there before it; the guest goes on as if
 * nobody had watched.
 *
 *   -O pages=0x1f2:w,0x200-0x203:rx   the pages, by frame number, and the rights that are taken away
 *   -O bytes=8                        so many bytes from the address on are told, at most 64
 *   -O after=yes                      a write is followed by a record of the bytes that it left
 *   -O count=100                      finish after so many accesses
 *
 * The guest runs in a view of its own where the rights are missing; each access is executed in view
 * 0, by a fast step where the hypervisor has them. With after=yes a write is a single step, for
 * somebody must look when it is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/step-over.h>

#define BYTES_MAX 64u

static const struct vmt_field access_fields[] = {
	{"vcpu", VMT_U64, VMT_KEY}, {"gpa", VMT_ADDR, VMT_KEY}, {"gva", VMT_ADDR, 0},
	{"rip", VMT_ADDR, 0},       {"cr3", VMT_ADDR, 0},       {"read", VMT_BOOL, 0},
	{"write", VMT_BOOL, 0},     {"execute", VMT_BOOL, 0},   {"before", VMT_BYTES, 0},
};
static const struct vmt_schema access_schema = VMT_SCHEMA("access", access_fields);

static const struct vmt_field written_fields[] = {
	{"vcpu", VMT_U64, VMT_KEY},
	{"gpa", VMT_ADDR, VMT_KEY},
	{"after", VMT_BYTES, 0},
};
static const struct vmt_schema written_schema = VMT_SCHEMA("written", written_fields);

static const struct vmt_field total_fields[] = {
	{"accesses", VMT_U64, 0},
	{"writes", VMT_U64, 0},
	{"executes", VMT_U64, 0},
};
static const struct vmt_schema total_schema = VMT_SCHEMA("total", total_fields);

static const struct vmt_schema *const schemas[] = {&access_schema, &written_schema, &total_schema,
						   NULL};

static const struct vmt_option_decl options[] = {
	{"pages", VMT_OPTION_TEXT, 1, NULL, "What to watch: GFN[-GFN]:rwx, ..."},
	{"bytes", VMT_OPTION_U64, 0, "8", "How many bytes are told, 0 to 64."},
	{"after", VMT_OPTION_BOOL, 0, "no", "Tell the bytes that a write has left, too."},
	{"count", VMT_OPTION_U64, 0, "0", "Finish after so many accesses; 0: never."},
	{NULL, 0, 0, NULL, NULL},
};

/** A write that a vCPU is being stepped over. */
struct writing {
	bool begun;
	vmt_gpa gpa;
};

struct pagewatch {
	struct vmt_step_over *over;
	struct writing *writing; /**< of each vCPU */
	uint64_t max_gfn;
	uint64_t count, accesses, writes, executes;
	uint32_t bytes;
	uint16_t vcpus;
	vmt_view view;
	bool after, stop;
};

/* -------------------------------------------------------------------------------------------- */
/* Options                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** A number at *@text, which is moved behind it. False: there is none. */
static bool take_number(const char **text, uint64_t *number)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	errno = 0;
	*number = strtoull(*text, &end, 0);
	*text = end;
	return errno == 0;
}

/** "r", "wx", up to a comma or the end, at *@text, which is moved behind it. 0: there are none. */
static unsigned take_rights(const char **text)
{
	unsigned rights = 0;

	for (; **text && **text != ','; (*text)++) {
		const char *right = strchr("rwx", **text);

		if (!right)
			return 0;
		rights |= 1u << (right - "rwx");
	}
	/* There is no page that can be written and not read. */
	return rights & VMT_R ? rights | VMT_W : rights;
}

/** One range at *@text, which is moved behind it. */
static int watch_range(struct vmt_session *s, const struct pagewatch *p, const char **text)
{
	const char *at = *text;
	uint64_t first = 0, last;
	unsigned rights = 0;
	bool good = take_number(text, &first);

	last = first;
	if (good && **text == '-') {
		(*text)++;
		good = take_number(text, &last);
	}
	if (good && **text == ':') {
		(*text)++;
		rights = take_rights(text);
	}
	if (!good || rights == 0 || last < first)
		return vmt_session_fail(s, "pages: '%s' does not begin with GFN[-GFN]:[r][w][x]",
					at);
	if (last > p->max_gfn)
		return vmt_session_fail(
			s, "pages: '%s' leaves the guest's memory, whose last page is %#llx", at,
			(unsigned long long)p->max_gfn);
	return vmt_set_access_range(s, p->view, vmt_gfn_from(first), last - first + 1,
				    vmt_access_from(VMT_RWX & ~rights), NULL);
}

static int watch_pages(struct vmt_session *s, const struct pagewatch *p)
{
	const char *text = vmt_option(s, "pages");
	int r = watch_range(s, p, &text);

	while (r >= 0 && *text == ',') {
		text++;
		r = watch_range(s, p, &text);
	}
	return r;
}

static int take_options(struct vmt_session *s, struct pagewatch *p)
{
	uint64_t bytes = vmt_option_u64(s, "bytes");

	if (bytes > BYTES_MAX)
		return vmt_session_fail(s, "bytes: %llu are too many; at most %u are told",
					(unsigned long long)bytes, BYTES_MAX);
	p->bytes = (uint32_t)bytes;
	p->after = vmt_option_bool(s, "after");
	p->count = vmt_option_u64(s, "count");
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void destroy(void *self)
{
	struct pagewatch *p = self;

	vmt_step_over_destroy(p->over);
	free(p->writing);
	free(p);
}

static int begin(struct vmt_session *s, struct pagewatch *p)
{
	struct vmt_info info;
	int r = vmt_domain_info(s, &info);

	if (r >= 0)
		r = take_options(s, p);
	if (r < 0)
		return r;
	p->max_gfn = info.max_gfn;
	p->vcpus = info.vcpus;
	p->writing = calloc(info.vcpus, sizeof(*p->writing));
	if (!p->writing)
		return vmt_session_fail(s, "no memory");
	r = vmt_view_create(s, vmt_access_from(VMT_RWX), &p->view);
	if (r >= 0)
		r = vmt_step_over_create(s, 0, &p->over);
	if (r >= 0)
		r = watch_pages(s, p);
	return r >= 0 ? vmt_view_switch(s, p->view) : r;
}

static int create(struct vmt_session *s, void **self)
{
	struct pagewatch *p = calloc(1, sizeof(*p));
	int r = p ? begin(s, p) : vmt_session_fail(s, "no memory");

	if (r < 0 && p)
		destroy(p);
	*self = p;
	return r < 0 ? r : 0;
}

/** The bytes at @gpa, up to its page's end. */
static int look(struct vmt_session *s, const struct pagewatch *p, vmt_gpa gpa, uint8_t *bytes,
		struct vmt_value *value)
{
	uint32_t room = VMT_PAGE_SIZE - (uint32_t)(gpa.a & VMT_PAGE_MASK);
	uint32_t len = p->bytes < room ? p->bytes : room;
	int r = vmt_read(s, VMT_PHYS, gpa.a, bytes, len);

	*value = vmt_bytes(bytes, len);
	return r;
}

static int tell_access(struct vmt_session *s, struct pagewatch *p, const struct vmt_event *ev)
{
	const struct vmt_memory_access *a = &ev->u.memory;
	uint8_t bytes[BYTES_MAX];
	struct vmt_value values[] = {
		vmt_u64(ev->vcpu),           vmt_addr(a->gpa.a),
		vmt_addr(a->gva.a),          vmt_addr(ev->regs.gprs.rip),
		vmt_addr(ev->regs.cr3),      vmt_bool(a->access & VMT_R),
		vmt_bool(a->access & VMT_W), vmt_bool(a->access & VMT_X),
		vmt_bytes(NULL, 0),
	};
	int r = look(s, p, a->gpa, bytes, &values[8]);

	if (r >= 0)
		r = vmt_emit(s, &access_schema, values, 9);
	p->accesses++;
	p->writes += !!(a->access & VMT_W);
	p->executes += !!(a->access & VMT_X);
	return r;
}

/** The write that the vCPU was stepped over is done. */
static int tell_written(struct vmt_session *s, struct pagewatch *p, uint16_t vcpu)
{
	const struct writing writing = p->writing[vcpu];
	uint8_t bytes[BYTES_MAX];
	struct vmt_value values[] = {vmt_u64(vcpu), vmt_addr(writing.gpa.a), vmt_bytes(NULL, 0)};
	int r;

	if (!writing.begun)
		return 0;
	p->writing[vcpu].begun = false;
	r = look(s, p, writing.gpa, bytes, &values[2]);
	return r >= 0 ? vmt_emit(s, &written_schema, values, 3) : r;
}

static struct vmt_response access(struct pagewatch *p, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);

	if (tell_access(s, p, ev) < 0)
		return vmt_fail(ctx, "%s", vmt_error_of(s)->text);
	if (!p->after || !(ev->u.memory.access & VMT_W))
		return vmt_step_over(p->over, ctx);
	p->writing[ev->vcpu] = (struct writing){.begun = true, .gpa = ev->u.memory.gpa};
	return vmt_step_over_slowly(p->over, ctx);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_session *s = vmt_session_of(ctx);
	struct pagewatch *p = self;
	struct vmt_response response;
	bool drain = vmt_phase_of(ctx) == VMT_PHASE_DRAIN;

	if (vmt_step_over_event(p->over, ctx, &response)) {
		if (!drain && ev->vcpu < p->vcpus && tell_written(s, p, ev->vcpu) < 0)
			return vmt_fail(ctx, "%s", vmt_error_of(s)->text);
		return response;
	}
	if (ev->reason != VMT_EVENT_MEMORY_ACCESS || ev->vcpu >= p->vcpus)
		return vmt_respond(ev->reason == VMT_EVENT_INTERRUPT ? VMT_REINJECT : VMT_CONTINUE);
	/* After the end of what was asked for, accesses only go on. */
	return drain ? vmt_step_over(p->over, ctx) : access(p, ctx);
}

static void handle_interrupted(void *self, struct vmt_session *s)
{
	struct pagewatch *p = self;

	(void)s;
	p->stop = true;
}

static int poll(const void *self, struct vmt_record *out)
{
	const struct pagewatch *p = self;
	struct vmt_value values[] = {vmt_u64(p->accesses), vmt_u64(p->writes),
				     vmt_u64(p->executes)};

	if (!p->stop && (p->count == 0 || p->accesses < p->count))
		return 0;
	return vmt_output(out, &total_schema, values, 3) < 0 ? -VMT_E_HANDLER : 1;
}

VMT_HANDLER_DEFINE(pagewatch) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "pagewatch",
	.version = "1",
	.summary = "Tells each access to given pages, and the bytes there.",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_interrupted = handle_interrupted,
	.poll = poll,
	.destroy = destroy,
};
