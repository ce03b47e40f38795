/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The call log: a driver that passes each call on and keeps it, with copies of what its pointers
 * point to. A table says which pointers an op has, and which way their bytes go.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

#include "arena.h"
#include "chain.h"
#include "copies.h"

struct call_log {
	struct vmt_call_driver base;
	struct vmt_driver *inner;
	struct vmt_arena arena;
	struct vmt_logged_call **calls;
	size_t n, cap;
	uint64_t next_number;
	size_t count[VMT_CALL_OP_COUNT];
};

/* -------------------------------------------------------------------------------------------- */
/* What the pointers of a call point to                                                         */
/* -------------------------------------------------------------------------------------------- */

enum direction {
	NONE = 0,
	IN,    /* an argument: copied as it was given */
	OUT,   /* a result: copied when the call succeeded */
	INOUT, /* both */
};

enum content {
	PLAIN = 0, /* `size` bytes */
	BYTES,     /* as many as the call's length says */
	EVENT,
	RESPONSE,
};

struct pointer {
	uint8_t direction, content;
	uint16_t at; /* offset of the pointer in struct vmt_call */
	uint32_t size;
};

#define AT(member) offsetof(struct vmt_call, u.member)

/* clang-format off */
static const struct pointer pointers[VMT_CALL_OP_COUNT][2] = {
	[VMT_CALL_INFO] = {{OUT, PLAIN, AT(info.info), sizeof(struct vmt_info)}},
	[VMT_CALL_WAIT] = {{OUT, PLAIN, AT(wait.wait), sizeof(struct vmt_wait)}},
	[VMT_CALL_NEXT] = {{OUT, EVENT, AT(next.event), sizeof(struct vmt_event)}},
	[VMT_CALL_ANSWER] = {{IN, EVENT, AT(answer.event), 0},
			     {IN, RESPONSE, AT(answer.response), 0}},
	[VMT_CALL_PENDING] = {{OUT, PLAIN, AT(pending.n), sizeof(uint32_t)}},
	[VMT_CALL_OVERHEAD] = {{OUT, PLAIN, AT(overhead.ns), sizeof(uint64_t)}},
	[VMT_CALL_MONITOR] = {{IN, PLAIN, AT(monitor.monitor), sizeof(struct vmt_monitor)}},
	[VMT_CALL_READ] = {{OUT, BYTES, AT(read.buf), 0}},
	[VMT_CALL_WRITE] = {{IN, BYTES, AT(write.buf), 0}},
	[VMT_CALL_ALLOC_GFN] = {{INOUT, PLAIN, AT(alloc_gfn.gfn), sizeof(vmt_gfn)}},
	[VMT_CALL_GET_ACCESS] = {{OUT, PLAIN, AT(get_access.access), sizeof(struct vmt_access)}},
	[VMT_CALL_SET_ACCESS] = {{INOUT, PLAIN, AT(set_access.done), sizeof(uint64_t)}},
	[VMT_CALL_CREATE_VIEW] = {{OUT, PLAIN, AT(create_view.view), sizeof(vmt_view)}},
	[VMT_CALL_GET_REGS] = {{OUT, PLAIN, AT(get_regs.regs), sizeof(struct vmt_regs)}},
	[VMT_CALL_SET_REGS] = {{IN, PLAIN, AT(set_regs.regs), sizeof(struct vmt_regs)}},
	[VMT_CALL_GET_CONTEXT] = {{OUT, PLAIN, AT(get_context.context),
				   sizeof(struct vmt_vcpu_context)}},
	[VMT_CALL_INJECT] = {{IN, PLAIN, AT(inject.interrupt), sizeof(struct vmt_interrupt)}},
};
/* clang-format on */

/* Pointers to objects look alike on every machine that Xen runs on, so they are moved as bytes. */
static const void *load(const struct vmt_call *call, const struct pointer *p)
{
	const void *value;

	memcpy(&value, (const char *)call + p->at, sizeof(value));
	return value;
}

static void store(struct vmt_call *call, const struct pointer *p, const void *value)
{
	memcpy((char *)call + p->at, &value, sizeof(value));
}

static size_t size_of(const struct vmt_call *call, const struct pointer *p)
{
	if (p->content != BYTES)
		return p->size;
	return call->op == VMT_CALL_READ ? call->u.read.len : call->u.write.len;
}

static void *copy_in(struct vmt_arena *a, const struct vmt_call *call, const struct pointer *p,
		     const void *from)
{
	if (p->content == EVENT)
		return vmt_copy_event(a, from);
	if (p->content == RESPONSE)
		return vmt_copy_response(a, from);
	return vmt_arena_copy(a, from, size_of(call, p));
}

/* Give @kept copies of what is given, and room for what is to come. False: no memory. */
static bool keep_arguments(struct vmt_arena *a, const struct vmt_call *call, struct vmt_call *kept)
{
	for (size_t i = 0; i < 2; i++) {
		const struct pointer *p = &pointers[call->op][i];
		const void *from;
		void *copy;

		if (p->direction == NONE)
			continue;
		from = load(call, p);
		if (!from)
			continue;
		copy = p->direction == OUT ? vmt_arena_alloc(a, size_of(call, p))
					   : copy_in(a, call, p, from);
		if (!copy)
			return false;
		store(kept, p, copy);
	}
	return true;
}

/* Bring what came back into @kept's room. */
static void keep_results(struct vmt_arena *a, const struct vmt_call *call, struct vmt_call *kept)
{
	for (size_t i = 0; i < 2; i++) {
		const struct pointer *p = &pointers[call->op][i];
		const void *from;

		if (p->direction != OUT && p->direction != INOUT)
			continue;
		from = load(call, p);
		if (!from)
			continue;
		if (p->content != EVENT)
			memcpy((void *)load(kept, p), from, size_of(call, p));
		else if (call->result == 1)
			store(kept, p, vmt_copy_event(a, from));
	}
}

/* -------------------------------------------------------------------------------------------- */
/* The driver                                                                                   */
/* -------------------------------------------------------------------------------------------- */

static bool make_room(struct call_log *log)
{
	size_t cap = log->cap ? log->cap * 2 : 64;
	struct vmt_logged_call **calls;

	if (log->n < log->cap)
		return true;
	calls = realloc(log->calls, cap * sizeof(struct vmt_logged_call *));
	if (!calls)
		return false;
	log->calls = calls;
	log->cap = cap;
	return true;
}

static int log_call(struct vmt_call_driver *d, struct vmt_call *call)
{
	struct call_log *log = (struct call_log *)d;
	struct vmt_logged_call *kept = vmt_arena_alloc(&log->arena, sizeof(*kept));

	if (kept)
		kept->call = *call;
	if (!kept || !make_room(log) || !keep_arguments(&log->arena, call, &kept->call)) {
		call->result = vmt_error_set(&d->driver.err, VMT_E_NO_MEMORY, "call log",
					     "no memory to keep the call %s; clear the log",
					     vmt_call_name(call->op));
		return call->result;
	}
	kept->number = log->next_number++;
	log->calls[log->n++] = kept;
	log->count[call->op]++;

	vmt_call_apply(log->inner, call);
	kept->call.result = call->result;
	if (call->result < 0) {
		d->driver.err = log->inner->err;
		kept->err = log->inner->err;
	} else {
		keep_results(&log->arena, call, &kept->call);
	}
	return call->result;
}

static int log_stop_fd(struct vmt_call_driver *d)
{
	struct call_log *log = (struct call_log *)d;
	int r = vmt_driver_stop_fd(log->inner);

	if (r < 0)
		d->driver.err = log->inner->err;
	return r;
}

static void log_close(struct vmt_call_driver *d)
{
	struct call_log *log = (struct call_log *)d;

	vmt_driver_close(log->inner);
	vmt_arena_finish(&log->arena);
	free(log->calls);
	free(log);
}

static const struct vmt_call_driver_ops log_ops = {
	.call = log_call,
	.stop_fd = log_stop_fd,
	.close = log_close,
};

int vmt_call_log_create(struct vmt_driver *inner, struct vmt_driver **log, struct vmt_error *err)
{
	struct call_log *made = calloc(1, sizeof(*made));

	if (!made)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "call log", "no memory for a call log");
	vmt_call_driver_init(&made->base, &log_ops);
	made->inner = inner;
	*log = &made->base.driver;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Asking                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/* @d as a call log, or NULL. */
static struct call_log *as_log(struct vmt_driver *d)
{
	return (struct call_log *)vmt_chain_as(d, &log_ops);
}

struct vmt_driver *vmt_call_log_inner(struct vmt_driver *d)
{
	struct call_log *log = as_log(d);

	return log ? log->inner : NULL;
}

static struct call_log *find_log(struct vmt_driver *d)
{
	while (d && !as_log(d))
		d = vmt_chain_inner(d);
	return d ? as_log(d) : NULL;
}

size_t vmt_call_log_count(struct vmt_driver *d, unsigned op)
{
	struct call_log *log = find_log(d);

	if (!log || op >= VMT_CALL_OP_COUNT)
		return 0;
	return op == 0 ? log->n : log->count[op];
}

const struct vmt_logged_call *vmt_call_log_get(struct vmt_driver *d, unsigned op, size_t n)
{
	struct call_log *log = find_log(d);

	for (size_t i = 0; log && i < log->n; i++) {
		if (op != 0 && log->calls[i]->call.op != op)
			continue;
		if (n-- == 0)
			return log->calls[i];
	}
	return NULL;
}

void vmt_call_log_clear(struct vmt_driver *d)
{
	struct call_log *log = find_log(d);

	if (!log)
		return;
	vmt_arena_finish(&log->arena);
	log->n = 0;
	log->next_number = 0;
	memset(log->count, 0, sizeof(log->count));
}

static void print_call(FILE *f, const struct vmt_logged_call *logged)
{
	char call[512];

	fprintf(f, "%" PRIu64 " %s = ", logged->number,
		vmt_call_format(&logged->call, call, sizeof(call)));
	if (logged->call.result >= 0)
		fprintf(f, "%d\n", logged->call.result);
	else
		fprintf(f, "%s: %s\n", vmt_status_name(-logged->call.result), logged->err.text);
}

char *vmt_call_log_text(struct vmt_driver *d)
{
	struct call_log *log = find_log(d);
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; log && i < log->n; i++)
		print_call(f, log->calls[i]);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
