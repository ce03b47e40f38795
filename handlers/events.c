/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tells every event with all its fields, one schema for each reason, and lets the guest go on as if
 * nobody had watched.
 *
 *   -O monitors=cr3,msr:0xc0000082   what to watch; default: all that the domain can, except io,
 *                                    vmexit and emul-unimplemented, which are watched when named
 *   -O watch=0x1f2-0x1f4:w           accesses to pages; more after a comma
 *   -O registers=yes                 a record of the registers behind each event
 *   -O limit=1000                    finish after so many events
 *
 * One kind cannot be answered as if nobody watched: an I/O event comes in place of the access, and
 * nobody can do it in the guest's stead. The instruction is skipped: what OUT wrote is lost, and IN
 * reads what the register held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>
#include <vmitape/step-over.h>

struct events {
	struct vmt_info info;
	struct vmt_step_over *over; /**< with watched pages, where there are views */
	uint64_t limit, events;
	bool registers, stop;
};

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/*
 * A record is a list of fields, F(name, type, role, value); schema and values come from one list.
 */
#define MAKE_BOOL                      vmt_bool
#define MAKE_I64                       vmt_i64
#define MAKE_U64                       vmt_u64
#define MAKE_ADDR                      vmt_addr
#define MAKE_BYTES                     raw_bytes

#define FIELD(name, type, role, value) {#name, VMT_##type, role},
#define VALUE(name, type, role, value) v[n++] = MAKE_##type(value);

#define RECORD(name, text, FIELDS)                                                      \
	static const struct vmt_field name##_fields[] = {FIELDS(FIELD)};                \
	static const struct vmt_schema name##_schema = VMT_SCHEMA(text, name##_fields); \
	static size_t put_##name(const struct vmt_event *ev, struct vmt_value *v)       \
	{                                                                               \
		size_t n = 0;                                                           \
                                                                                        \
		FIELDS(VALUE)                                                           \
		return n;                                                               \
	}

static struct vmt_value raw_bytes(const struct vmt_event *ev)
{
	return vmt_bytes(ev->raw, ev->raw ? ev->raw_len : 0);
}

/* clang-format off */

/* What each event has. The view is -1 where there are no views. */
#define COMMON(F) \
	F(vcpu, U64, VMT_KEY, ev->vcpu) \
	F(view, I64, 0, ev->flags & VMT_EVENT_HAS_VIEW ? ev->view : -1) \
	F(sync, BOOL, 0, ev->flags & VMT_EVENT_SYNC) \
	F(nested, BOOL, 0, ev->flags & VMT_EVENT_NESTED) \
	F(rip, ADDR, 0, ev->regs.gprs.rip) \
	F(cr3, ADDR, 0, ev->regs.cr3) \
	F(cpl, U64, 0, vmt_cpl(&ev->regs))

#define RAW(F) COMMON(F) \
	F(raw_kind, U64, 0, ev->raw_kind) \
	F(raw, BYTES, 0, ev)

#define MEMORY(F) COMMON(F) \
	F(gpa, ADDR, 0, ev->u.memory.gpa.a) \
	F(gva, ADDR, 0, ev->u.memory.gva.a) \
	F(read, BOOL, 0, ev->u.memory.access & VMT_R) \
	F(write, BOOL, 0, ev->u.memory.access & VMT_W) \
	F(execute, BOOL, 0, ev->u.memory.access & VMT_X) \
	F(gva_valid, BOOL, 0, ev->u.memory.flags & VMT_MEM_GVA_VALID) \
	F(at_gva, BOOL, 0, ev->u.memory.flags & VMT_MEM_AT_GVA) \
	F(in_walk, BOOL, 0, ev->u.memory.flags & VMT_MEM_IN_WALK)

#define CR(F) COMMON(F) \
	F(cr, U64, 0, ev->u.cr.cr) \
	F(new, ADDR, 0, ev->u.cr.new_value) \
	F(old, ADDR, 0, ev->u.cr.old_value)

#define MSR(F) COMMON(F) \
	F(msr, ADDR, 0, ev->u.msr.msr) \
	F(new, ADDR, 0, ev->u.msr.new_value) \
	F(old, ADDR, 0, ev->u.msr.old_value)

#define VECTOR(F, i) \
	F(vector, U64, 0, (i).vector) \
	F(type, U64, 0, (i).type) \
	F(insn_length, U64, 0, (i).insn_length) \
	F(error_code, ADDR, 0, (i).error_code) \
	F(extra, ADDR, 0, (i).extra)

#define INTERRUPT(F) COMMON(F) \
	F(gfn, ADDR, 0, ev->u.interrupt.gfn.n) \
	VECTOR(F, ev->u.interrupt.interrupt)

#define NEXT_INTERRUPT(F) COMMON(F) \
	VECTOR(F, ev->u.next_interrupt)

#define STEP(F) COMMON(F) \
	F(gfn, ADDR, 0, ev->u.step.gfn.n)

#define HYPERCALL(F) COMMON(F) \
	F(insn_length, U64, 0, ev->u.hypercall.insn_length)

#define CPUID(F) COMMON(F) \
	F(leaf, ADDR, 0, ev->u.cpuid.leaf) \
	F(subleaf, ADDR, 0, ev->u.cpuid.subleaf) \
	F(insn_length, U64, 0, ev->u.cpuid.insn_length)

#define IO(F) COMMON(F) \
	F(port, ADDR, 0, ev->u.io.port) \
	F(bytes, U64, 0, ev->u.io.bytes) \
	F(in, BOOL, 0, ev->u.io.in) \
	F(string, BOOL, 0, ev->u.io.string)

#define DESCRIPTOR(F) COMMON(F) \
	F(descriptor, U64, 0, ev->u.descriptor.descriptor) \
	F(write, BOOL, 0, ev->u.descriptor.write) \
	F(info, ADDR, 0, ev->u.descriptor.info) \
	F(qualification, ADDR, 0, ev->u.descriptor.qualification)

#define VMEXIT(F) COMMON(F) \
	F(exit_reason, U64, 0, ev->u.vmexit.reason) \
	F(qualification, ADDR, 0, ev->u.vmexit.qualification)

#define GPR(F, name) F(name, ADDR, 0, ev->regs.gprs.name)
#define REG(F, name) F(name, ADDR, 0, ev->regs.name)
#define REGISTERS(F) \
	F(vcpu, U64, VMT_KEY, ev->vcpu) REG(F, known) \
	GPR(F, rax) GPR(F, rcx) GPR(F, rdx) GPR(F, rbx) GPR(F, rsp) GPR(F, rbp) GPR(F, rsi) \
	GPR(F, rdi) GPR(F, r8) GPR(F, r9) GPR(F, r10) GPR(F, r11) GPR(F, r12) GPR(F, r13) \
	GPR(F, r14) GPR(F, r15) GPR(F, rip) GPR(F, rflags) REG(F, cr0) REG(F, cr2) REG(F, cr3) \
	REG(F, cr4) REG(F, xcr0) REG(F, dr0) REG(F, dr1) REG(F, dr2) REG(F, dr3) REG(F, dr6) \
	REG(F, dr7) F(fs_base, ADDR, 0, ev->regs.fs.base) F(gs_base, ADDR, 0, ev->regs.gs.base) \
	F(cs, ADDR, 0, ev->regs.cs.selector) F(ss, ADDR, 0, ev->regs.ss.selector) \
	F(gdtr, ADDR, 0, ev->regs.gdtr.base) F(idtr, ADDR, 0, ev->regs.idtr.base) \
	REG(F, sysenter_cs) REG(F, sysenter_esp) REG(F, sysenter_eip) REG(F, shadow_gs) \
	REG(F, efer) REG(F, star) REG(F, lstar) REG(F, cstar) REG(F, sfmask) REG(F, tsc_aux)

RECORD(unknown, "unknown", RAW)
RECORD(memory, "memory-access", MEMORY)
RECORD(cr, "write-cr", CR)
RECORD(msr, "write-msr", MSR)
RECORD(interrupt, "interrupt", INTERRUPT)
RECORD(step, "singlestep", STEP)
RECORD(hypercall, "hypercall", HYPERCALL)
RECORD(cpuid, "cpuid", CPUID)
RECORD(io, "io", IO)
RECORD(descriptor, "descriptor", DESCRIPTOR)
RECORD(next_interrupt, "next-interrupt", NEXT_INTERRUPT)
RECORD(vmexit, "vmexit", VMEXIT)
RECORD(unimplemented, "emul-unimplemented", RAW)
RECORD(registers, "registers", REGISTERS)

/* clang-format on */

static const struct vmt_field total_fields[] = {{"events", VMT_U64, 0}};
static const struct vmt_schema total_schema = VMT_SCHEMA("total", total_fields);

/** How the guest goes on as if nobody had watched. */
enum answer {
	GO_ON,     /**< it was done, or is done again */
	GO_BEHIND, /**< it was done but for RIP (I/O: it is left out) */
	HAND_OVER, /**< the guest gets it */
	STEP_OVER, /**< it is done where the page is not watched */
	EMULATE,   /**< the hypervisor does it */
};

struct reason {
	const struct vmt_schema *schema;
	size_t (*put)(const struct vmt_event *ev, struct vmt_value *values);
	enum answer answer;
};

static const struct reason reasons[VMT_REASON_COUNT] = {
	[VMT_EVENT_UNKNOWN] = {&unknown_schema, put_unknown, GO_ON},
	[VMT_EVENT_MEMORY_ACCESS] = {&memory_schema, put_memory, STEP_OVER},
	[VMT_EVENT_WRITE_CR] = {&cr_schema, put_cr, GO_ON},
	[VMT_EVENT_WRITE_MSR] = {&msr_schema, put_msr, GO_ON},
	[VMT_EVENT_INTERRUPT] = {&interrupt_schema, put_interrupt, HAND_OVER},
	[VMT_EVENT_SINGLESTEP] = {&step_schema, put_step, GO_ON},
	[VMT_EVENT_HYPERCALL] = {&hypercall_schema, put_hypercall, GO_ON},
	[VMT_EVENT_CPUID] = {&cpuid_schema, put_cpuid, GO_BEHIND},
	[VMT_EVENT_IO] = {&io_schema, put_io, GO_BEHIND},
	[VMT_EVENT_DESCRIPTOR] = {&descriptor_schema, put_descriptor, EMULATE},
	[VMT_EVENT_NEXT_INTERRUPT] = {&next_interrupt_schema, put_next_interrupt, GO_ON},
	[VMT_EVENT_VMEXIT] = {&vmexit_schema, put_vmexit, GO_ON},
	[VMT_EVENT_EMUL_UNIMPLEMENTED] = {&unimplemented_schema, put_unimplemented, GO_ON},
};

static const struct vmt_schema *const schemas[] = {
	&unknown_schema,
	&memory_schema,
	&cr_schema,
	&msr_schema,
	&interrupt_schema,
	&step_schema,
	&hypercall_schema,
	&cpuid_schema,
	&io_schema,
	&descriptor_schema,
	&next_interrupt_schema,
	&vmexit_schema,
	&unimplemented_schema,
	&registers_schema,
	&total_schema,
	NULL,
};

static const struct reason *reason_of(const struct vmt_event *ev)
{
	return &reasons[ev->reason < VMT_REASON_COUNT ? ev->reason : VMT_EVENT_UNKNOWN];
}

static int tell(struct events *e, struct vmt_session *s, const struct vmt_event *ev)
{
	const struct reason *reason = reason_of(ev);
	struct vmt_value values[VMT_SCHEMA_FIELDS_MAX];
	int r = vmt_emit(s, reason->schema, values, reason->put(ev, values));

	if (r >= 0 && e->registers)
		r = vmt_emit(s, &registers_schema, values, put_registers(ev, values));
	e->events += r >= 0;
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* What to watch                                                                                */
/* -------------------------------------------------------------------------------------------- */

struct kind {
	const char *name;
	uint32_t kind, what, flags;
	uint32_t capability; /**< watched by default where the domain has it; 0: only when named */
};

#define MSR_KIND(number)                                                                   \
	{                                                                                  \
		"msr", VMT_MONITOR_MSR, number, VMT_MONITOR_ON_CHANGE, VMT_CAP_MONITOR_MSR \
	}
#define CR_KIND(name, number)                                                           \
	{                                                                               \
		name, VMT_MONITOR_CR, number, VMT_MONITOR_ON_CHANGE, VMT_CAP_MONITOR_CR \
	}

static const struct kind kinds[] = {
	CR_KIND("cr0", VMT_CR0),
	CR_KIND("cr3", VMT_CR3),
	CR_KIND("cr4", VMT_CR4),
	CR_KIND("xcr0", VMT_XCR0),
	MSR_KIND(VMT_MSR_SYSENTER_CS),
	MSR_KIND(VMT_MSR_SYSENTER_ESP),
	MSR_KIND(VMT_MSR_SYSENTER_EIP),
	MSR_KIND(VMT_MSR_EFER),
	MSR_KIND(VMT_MSR_STAR),
	MSR_KIND(VMT_MSR_LSTAR),
	MSR_KIND(VMT_MSR_CSTAR),
	MSR_KIND(VMT_MSR_SFMASK),
	MSR_KIND(VMT_MSR_FS_BASE),
	MSR_KIND(VMT_MSR_GS_BASE),
	MSR_KIND(VMT_MSR_KERNEL_GS_BASE),
	MSR_KIND(VMT_MSR_TSC_AUX),
	{"breakpoint", VMT_MONITOR_BREAKPOINT, 0, 0, VMT_CAP_MONITOR_BREAKPOINT},
	{"debug", VMT_MONITOR_DEBUG, 0, 0, VMT_CAP_MONITOR_DEBUG},
	{"singlestep", VMT_MONITOR_SINGLESTEP, 0, 0, VMT_CAP_MONITOR_SINGLESTEP},
	{"hypercall", VMT_MONITOR_HYPERCALL, 0, 0, VMT_CAP_MONITOR_HYPERCALL},
	{"cpuid", VMT_MONITOR_CPUID, 0, 0, VMT_CAP_MONITOR_CPUID},
	{"descriptor", VMT_MONITOR_DESCRIPTOR, 0, 0, VMT_CAP_MONITOR_DESCRIPTOR},
	{"io", VMT_MONITOR_IO, 0, 0, 0},
	/* A synchronous one would exit again for ever (Xen: vmx_vmexit_handler). */
	{"vmexit", VMT_MONITOR_VMEXIT, 0, VMT_MONITOR_ASYNC, 0},
	{"emul-unimplemented", VMT_MONITOR_EMUL_UNIMPLEMENTED, 0, 0, 0},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int watch_kind(struct vmt_session *s, const struct kind *kind)
{
	const struct vmt_monitor monitor = {
		.kind = kind->kind, .what = kind->what, .flags = kind->flags};
	int r = vmt_monitor_enable(s, &monitor);

	return r == -VMT_E_EXISTS ? 0 : r;
}

static int watch_default(struct vmt_session *s, const struct events *e)
{
	for (size_t i = 0; i < KINDS; i++) {
		int r = e->info.capabilities & kinds[i].capability ? watch_kind(s, &kinds[i]) : 0;

		/* A capability covers a group of monitors; one of it may be missing. */
		if (r == -VMT_E_NOT_SUPPORTED)
			vmt_log(s, VMT_LOG_WARNING, "not watched: %s", vmt_error_of(s)->text);
		else if (r < 0)
			return r;
	}
	return 0;
}

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

/** "cr3", or "msr:0xc0000082"; plain "msr" is all known ones. */
static int watch_named(struct vmt_session *s, const char *name)
{
	const char *colon = strchr(name, ':');
	size_t len = colon ? (size_t)(colon - name) : strlen(name);
	const char *rest = colon ? colon + 1 : "";
	uint64_t msr = 0;
	int found = 0, r = 0;

	if (colon && (strncmp(name, "msr:", 4) != 0 || !take_number(&rest, &msr) || *rest ||
		      msr > UINT32_MAX))
		return vmt_session_fail(s, "monitors: '%s' is not msr:NUMBER", name);
	for (size_t i = 0; i < KINDS && r >= 0; i++) {
		struct kind kind = kinds[i];

		if (strlen(kind.name) != len || memcmp(kind.name, name, len) != 0)
			continue;
		if (colon && found)
			break;
		if (colon)
			kind.what = (uint32_t)msr;
		found = 1;
		r = watch_kind(s, &kind);
	}
	if (found || r < 0)
		return r;
	return vmt_session_fail(s,
				"monitors: there is no '%s'; there are cr0, cr3, cr4, xcr0, msr, "
				"msr:NUMBER, breakpoint, debug, singlestep, hypercall, cpuid, "
				"descriptor, io, vmexit, emul-unimplemented",
				name);
}

/** Call @each for each part of @list between commas. */
static int for_each_part(struct vmt_session *s, const char *list,
			 int (*each)(struct vmt_session *s, const char *part, void *arg), void *arg)
{
	char *copy = strdup(list), *rest = copy, *part;
	int r = copy ? 0 : vmt_session_fail(s, "no memory");

	while (r >= 0 && (part = strsep(&rest, ",")))
		r = each(s, part, arg);
	free(copy);
	return r;
}

static int watch_part(struct vmt_session *s, const char *part, void *arg)
{
	(void)arg;
	return watch_named(s, part);
}

/* -------------------------------------------------------------------------------------------- */
/* Watched pages                                                                                */
/* -------------------------------------------------------------------------------------------- */

struct range {
	uint64_t first, last; /**< gfns */
	struct vmt_access left;
};

/** "0x1f2:w", "0x1f2-0x1f4:rwx". */
static bool parse_range(const char *text, struct range *range)
{
	unsigned watched = 0;

	if (!take_number(&text, &range->first))
		return false;
	range->last = range->first;
	if (*text == '-' && (text++, !take_number(&text, &range->last)))
		return false;
	if (*text++ != ':' || range->last < range->first)
		return false;
	for (; *text; text++) {
		const char *right = strchr("rwx", *text);

		if (!right)
			return false;
		watched |= 1u << (right - "rwx");
	}
	/* There is no page that can be written and not read. */
	if (watched & VMT_R)
		watched |= VMT_W;
	range->left = vmt_access_from(VMT_RWX & ~watched);
	return watched != 0;
}

struct watch {
	const struct events *e;
	vmt_view view;
};

static int watch_range(struct vmt_session *s, const char *part, void *arg)
{
	const struct watch *watch = arg;
	struct range range;

	if (!parse_range(part, &range))
		return vmt_session_fail(s, "watch: '%s' is not GFN[-GFN]:[r][w][x]", part);
	if (range.last > watch->e->info.max_gfn)
		return vmt_session_fail(s,
					"watch: '%s' leaves the guest's memory, whose last page "
					"is %#llx",
					part, (unsigned long long)watch->e->info.max_gfn);
	return vmt_set_access_range(s, watch->view, vmt_gfn_from(range.first),
				    range.last - range.first + 1, range.left, NULL);
}

/** In a view of their own, if there are views; else in view 0, and accesses are emulated. */
static int watch_pages(struct vmt_session *s, struct events *e, const char *ranges)
{
	struct watch watch = {.e = e, .view = 0};
	bool views = e->info.capabilities & VMT_CAP_VIEWS;
	int r = 0;

	if (!views && !(e->info.capabilities & VMT_CAP_EMULATE))
		return vmt_session_fail(s, "watch: this domain has neither views nor emulation, so "
					   "accesses to watched pages could not go on");
	if (views)
		r = vmt_view_create(s, vmt_access_from(VMT_RWX), &watch.view);
	if (views && r >= 0)
		r = vmt_step_over_create(s, 0, &e->over);
	if (r >= 0)
		r = for_each_part(s, ranges, watch_range, &watch);
	return views && r >= 0 ? vmt_view_switch(s, watch.view) : r;
}

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_option_decl options[] = {
	{"monitors", VMT_OPTION_TEXT, 0, NULL,
	 "Watch these, separated by commas; 'none': nothing."},
	{"watch", VMT_OPTION_TEXT, 0, NULL, "Watch accesses to pages: GFN[-GFN]:rwx, ..."},
	{"registers", VMT_OPTION_BOOL, 0, "no", "Tell the registers behind each event."},
	{"limit", VMT_OPTION_U64, 0, "0", "Finish after so many events; 0: never."},
	{NULL, 0, 0, NULL, NULL},
};

static void destroy(void *self)
{
	struct events *e = self;

	vmt_step_over_destroy(e->over);
	free(e);
}

static int begin(struct vmt_session *s, struct events *e)
{
	const char *monitors = vmt_option(s, "monitors");
	const char *ranges = vmt_option(s, "watch");
	int r = vmt_domain_info(s, &e->info);

	e->limit = vmt_option_u64(s, "limit");
	e->registers = vmt_option_bool(s, "registers");
	if (r >= 0 && !monitors)
		r = watch_default(s, e);
	else if (r >= 0 && strcmp(monitors, "none") != 0)
		r = for_each_part(s, monitors, watch_part, NULL);
	return r >= 0 && ranges ? watch_pages(s, e, ranges) : r;
}

static int create(struct vmt_session *s, void **self)
{
	struct events *e = calloc(1, sizeof(*e));
	int r = e ? begin(s, e) : vmt_session_fail(s, "no memory");

	if (r < 0 && e)
		destroy(e);
	*self = e;
	return r < 0 ? r : 0;
}

static struct vmt_response answer(struct events *e, struct vmt_ctx *ctx)
{
	const struct vmt_event *ev = vmt_event_of(ctx);

	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_default_answer(ev, vmt_gprs_of(ctx));
	if (!(ev->flags & VMT_EVENT_SYNC))
		return vmt_respond(VMT_CONTINUE);
	switch (reason_of(ev)->answer) {
	case GO_BEHIND:
		return vmt_skip(ctx);
	case HAND_OVER:
		return vmt_respond(VMT_REINJECT);
	case STEP_OVER:
		return e->over ? vmt_step_over(e->over, ctx) : vmt_respond(VMT_EMULATE);
	case EMULATE:
		return vmt_respond(VMT_EMULATE);
	case GO_ON:
		break;
	}
	return vmt_respond(VMT_CONTINUE);
}

static struct vmt_response handle_event(void *self, struct vmt_ctx *ctx)
{
	struct vmt_session *s = vmt_session_of(ctx);
	struct vmt_response response;
	struct events *e = self;

	/* Our own steps are no events of the guest's. */
	if (e->over && vmt_step_over_event(e->over, ctx, &response))
		return response;
	/* After the end of what was asked for, events are only answered. */
	if (vmt_phase_of(ctx) != VMT_PHASE_DRAIN && tell(e, s, vmt_event_of(ctx)) < 0)
		return vmt_fail(ctx, "%s", vmt_error_of(s)->text);
	return answer(e, ctx);
}

static void handle_interrupted(void *self, struct vmt_session *s)
{
	struct events *e = self;

	(void)s;
	e->stop = true;
}

static int poll(const void *self, struct vmt_record *out)
{
	const struct events *e = self;
	struct vmt_value values[] = {vmt_u64(e->events)};

	if (!e->stop && (e->limit == 0 || e->events < e->limit))
		return 0;
	return vmt_output(out, &total_schema, values, 1) < 0 ? -VMT_E_HANDLER : 1;
}

VMT_HANDLER_DEFINE(events) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "events",
	.version = "1",
	.summary = "Tells each event with all its fields.",
	.options = options,
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_interrupted = handle_interrupted,
	.poll = poll,
	.destroy = destroy,
};
