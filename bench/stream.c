/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A made-up session's records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"
#include "trace-format/fields.h"
#include "trace-format/varint.h"

#define VCPUS     2u
#define PROCESSES 12u
#define OBJECTS   256u
#define PLACES    64u   /**< with breakpoints */
#define PAGES     3000u /**< of guest memory that are read */
#define RAW_SIZE  400u  /**< of Xen's vm_event_request_t in 4.17 */

struct process {
	uint64_t cr3, fs, stack;
};

struct guest {
	uint64_t random;
	struct process processes[PROCESSES];
	uint64_t objects[OBJECTS], places[PLACES];
	struct vmt_regs regs[VCPUS];
	uint8_t pages[PAGES][VMT_PAGE_SIZE];
	uint64_t now, ticket, callback;
};

static void *must(void *p)
{
	if (p != NULL)
		return p;
	fputs("bench: no memory\n", stderr);
	exit(1);
}

static uint64_t draw(struct guest *g)
{
	g->random ^= g->random << 13;
	g->random ^= g->random >> 7;
	g->random ^= g->random << 17;
	return g->random * UINT64_C(0x2545f4914f6cdd1d);
}

static uint64_t below(struct guest *g, uint64_t limit)
{
	return (draw(g) >> 11) % limit;
}

/** Small numbers are drawn more often than large ones. */
static uint64_t skewed(struct guest *g, uint64_t limit)
{
	return below(g, below(g, below(g, limit) + 1) + 1);
}

static void *keep(struct stream *stream, const void *p, size_t len)
{
	return memcpy(must(vmt_trace_arena_alloc(&stream->arena, len)), p, len);
}

static void add(struct stream *stream, const struct guest *g, unsigned kind, const void *body,
		size_t size, const void *page)
{
	if (stream->n == stream->cap) {
		stream->cap = stream->cap > 0 ? stream->cap * 2 : 1024;
		stream->records =
			must(realloc(stream->records, stream->cap * sizeof(*stream->records)));
	}
	stream->records[stream->n++] = (struct vmt_trace_record){
		.kind = (uint16_t)kind,
		.phase = kind == VMT_TRACE_META ? 0 : 2,
		.callback = g->callback,
		.body = keep(stream, body, size),
		.page = page != NULL ? keep(stream, page, VMT_PAGE_SIZE) : NULL,
	};
}

/* -------------------------------------------------------------------------------------------- */
/* The guest                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static void fill_page(struct guest *g, uint8_t *page)
{
	static const char words[] = "task inode dentry eth0 /usr/lib/x86_64-linux-gnu root kworker "
				    "systemd sshd bash ext4 cgroup ";

	for (size_t i = 0; i < VMT_PAGE_SIZE; i += 8) {
		const uint64_t kind = below(g, 16);
		uint64_t word = 0;

		if (kind < 5)
			word = g->objects[below(g, OBJECTS)] + 8 * below(g, 32);
		else if (kind < 7)
			word = below(g, 65536);
		else if (kind < 8)
			word = draw(g);
		else if (kind < 10)
			memcpy(&word, words + below(g, sizeof(words) - 9), sizeof(word));
		vmt_le64_put(page + i, word);
	}
}

static void make_guest(struct guest *g)
{
	g->random = 88172645463325252u;
	g->now = UINT64_C(1700000000000000000);
	for (unsigned i = 0; i < OBJECTS; i++)
		g->objects[i] = UINT64_C(0xffff888000000000) + (below(g, 1 << 24) << 6);
	for (unsigned i = 0; i < PLACES; i++)
		g->places[i] = UINT64_C(0xffffffff81000000) + (below(g, 1 << 20) << 4);
	for (unsigned i = 0; i < PROCESSES; i++)
		g->processes[i] = (struct process){
			(below(g, 1 << 20) << 12) | below(g, 8),
			UINT64_C(0x7f0000000000) + (below(g, 1 << 24) << 8),
			UINT64_C(0xffffc90000000000) + (below(g, 1 << 16) << 14) + 0x3e00,
		};
	for (unsigned i = 0; i < PAGES; i++)
		fill_page(g, g->pages[i]);
	for (unsigned i = 0; i < VCPUS; i++) {
		struct vmt_regs *r = &g->regs[i];

		r->known = VMT_KNOWN_XEN_EVENT;
		r->cr0 = 0x80050033;
		r->cr4 = 0x3606f0;
		r->cr3 = g->processes[i].cr3;
		r->dr7 = 0x400;
		r->cs = (struct vmt_segment){0, 0xffffffff, 0x10, 0xa9b};
		r->ss = (struct vmt_segment){0, 0xffffffff, 0x18, 0xc93};
		r->ds = r->es = (struct vmt_segment){0, 0, 0, 0x000};
		r->fs = r->gs = (struct vmt_segment){0, 0xffffffff, 0, 0xc93};
		r->gs.base = UINT64_C(0xffff88807fc00000) + i * UINT64_C(0x100000);
		r->gdtr = (struct vmt_table){UINT64_C(0xfffffe0000001000) + UINT64_C(0x1000) * i,
					     0x7f};
		r->sysenter_eip = UINT64_C(0xffffffff81a01410);
		r->sysenter_cs = 0x10;
		r->sysenter_esp = UINT64_C(0xfffffe0000003000) + UINT64_C(0x3b000) * i;
		r->efer = 0xd01;
		r->star = UINT64_C(0x23001000000000);
		r->lstar = UINT64_C(0xffffffff81a00080);
	}
}

/** The vCPU runs on, to another place, at times in another process. */
static void run(struct guest *g, struct vmt_regs *r)
{
	uint64_t *gprs = &r->gprs.rax;

	if (below(g, 8) == 0) {
		const struct process *p = &g->processes[below(g, PROCESSES)];

		r->cr3 = p->cr3;
		r->fs.base = p->fs;
		r->shadow_gs = p->fs & ~UINT64_C(0xfff);
		r->gprs.rsp = p->stack;
		r->cr2 = p->fs + 8 * below(g, 512);
	}
	for (unsigned i = 0; i < 16; i++)
		switch (i == 4 ? 9 : below(g, 8)) {
		case 0:
		case 1:
			gprs[i] = g->objects[skewed(g, OBJECTS)];
			break;
		case 2:
			gprs[i] = below(g, 4096);
			break;
		case 3:
			gprs[i] = below(g, 4) == 0 ? draw(g) : 0;
			break;
		default:
			break;
		}
	r->gprs.rsp = (r->gprs.rsp & ~UINT64_C(0xff)) + 8 * below(g, 32);
	r->gprs.rip = g->places[skewed(g, PLACES)];
	r->gprs.rflags = below(g, 2) ? 0x246 : 0x286;
}

static uint32_t selector(const struct vmt_segment *s)
{
	return ((s->access & 0x800u ? s->limit >> 12 : s->limit) & 0xfffffu) |
	       ((uint32_t)s->access << 20);
}

/** The event as Xen 4.17 sends it; xen/include/public/vm_event.h. */
static void make_raw(const struct vmt_event *ev, uint8_t *raw)
{
	static const uint8_t reasons[] = {[VMT_EVENT_MEMORY_ACCESS] = 1,
					  [VMT_EVENT_WRITE_CR] = 4,
					  [VMT_EVENT_INTERRUPT] = 6,
					  [VMT_EVENT_SINGLESTEP] = 7};
	const struct vmt_regs *r = &ev->regs;
	const uint64_t words[] = {
		r->gprs.rflags, 0xffff0ff0,      r->dr7,          r->gprs.rip,
		r->cr0,         r->cr2,          r->cr3,          r->cr4,
		r->sysenter_cs, r->sysenter_esp, r->sysenter_eip, r->efer,
		r->star,        r->lstar,        r->gdtr.base,    0,
		UINT64_MAX,
	};
	const struct vmt_segment *const segments[] = {&r->cs, &r->ss, &r->ds,
						      &r->es, &r->fs, &r->gs};

	memset(raw, 0, RAW_SIZE);
	vmt_le32_put(raw, 7);
	vmt_le32_put(raw + 4, 1);
	vmt_le32_put(raw + 8, reasons[ev->reason]);
	vmt_le32_put(raw + 12, ev->vcpu);
	if (ev->reason == VMT_EVENT_MEMORY_ACCESS) {
		vmt_le64_put(raw + 24, ev->u.memory.gpa.a >> 12);
		vmt_le64_put(raw + 32, ev->u.memory.gpa.a & 0xfff);
		vmt_le64_put(raw + 40, ev->u.memory.gva.a);
		vmt_le32_put(raw + 48, 0x1au);
	} else if (ev->reason == VMT_EVENT_WRITE_CR) {
		vmt_le32_put(raw + 24, ev->u.cr.cr);
		vmt_le64_put(raw + 32, ev->u.cr.new_value);
		vmt_le64_put(raw + 40, ev->u.cr.old_value);
	} else {
		vmt_le64_put(raw + 24, ev->u.step.gfn.n);
		if (ev->reason == VMT_EVENT_INTERRUPT) {
			vmt_le32_put(raw + 40, 1);
			raw[44] = VMT_INT_SW_EXCEPTION;
		}
	}
	memcpy(raw + 56, &r->gprs, 128);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		vmt_le64_put(raw + 184 + 8 * (size_t)i, words[i]);
	for (unsigned i = 0; i < 6; i++) {
		if (i < 4)
			vmt_le32_put(raw + 320 + 4 * (size_t)i, (uint32_t)segments[i]->base);
		else
			vmt_le64_put(raw + 336 + 8 * (size_t)(i - 4), segments[i]->base);
		vmt_le32_put(raw + 352 + 4 * (size_t)i, selector(segments[i]));
		vmt_le16_put(raw + 386 + 2 * (size_t)i, segments[i]->selector);
	}
	vmt_le64_put(raw + 376, r->shadow_gs);
	vmt_le16_put(raw + 384, (uint16_t)r->gdtr.limit);
}

static void make_event(struct guest *g, struct vmt_event *ev)
{
	const uint64_t kind = below(g, 20);

	*ev = (struct vmt_event){.ticket = ++g->ticket, .vcpu = (uint16_t)below(g, VCPUS)};
	ev->flags = VMT_EVENT_SYNC;
	run(g, &g->regs[ev->vcpu]);
	ev->regs = g->regs[ev->vcpu];
	ev->reason = VMT_EVENT_INTERRUPT;
	if (kind < 12) {
		ev->u.interrupt.gfn = vmt_gfn_from((ev->regs.gprs.rip >> 12) & 0xfffff);
		ev->u.interrupt.interrupt =
			(struct vmt_interrupt){3, VMT_INT_SW_EXCEPTION, 1, 0, VMT_NO_ERROR_CODE, 0};
	} else if (kind < 17) {
		ev->reason = VMT_EVENT_MEMORY_ACCESS;
		ev->u.memory = (struct vmt_memory_access){
			vmt_gpa_from(0x12345000 + (below(g, PAGES) << 12) + below(g, 4096)),
			vmt_gva_from(g->objects[skewed(g, OBJECTS)]), VMT_W,
			VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA};
	} else if (kind < 19) {
		ev->reason = VMT_EVENT_WRITE_CR;
		ev->u.cr = (struct vmt_write_cr){VMT_CR3, g->processes[below(g, PROCESSES)].cr3,
						 ev->regs.cr3};
	} else {
		ev->reason = VMT_EVENT_SINGLESTEP;
		ev->u.step.gfn = vmt_gfn_from((ev->regs.gprs.rip >> 12) & 0xfffff);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* The session                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void add_call(struct stream *s, const struct guest *g, struct vmt_trace_call *call,
		     unsigned op, int result)
{
	call->call.op = op;
	call->call.result = result;
	/* What stands behind is for failures and reads: it would only take room in the caches. */
	add(s, g, VMT_TRACE_CALL + op, call, offsetof(struct vmt_trace_call, error), NULL);
}

static void add_read(struct stream *s, struct guest *g)
{
	const uint64_t n = skewed(g, PAGES);
	struct vmt_trace_call call = {.call = {.op = VMT_CALL_READ}};

	/* A few words of it have changed since it was read last. */
	for (uint64_t i = below(g, 4); i > 0; i--)
		vmt_le64_put(g->pages[n] + 8 * below(g, 512), g->objects[below(g, OBJECTS)]);
	call.call.u.read.gfn = vmt_gfn_from(0x12345 + n);
	call.call.u.read.offset = (uint32_t)(8 * below(g, 512));
	call.call.u.read.len = 8;
	add(s, g, VMT_TRACE_CALL + VMT_CALL_READ, &call, sizeof(call), g->pages[n]);
	s->nreads++;
}

static void add_event(struct stream *s, struct guest *g, unsigned reads)
{
	uint8_t raw[RAW_SIZE];
	struct vmt_trace_event event;
	struct vmt_response response = vmt_respond(VMT_CONTINUE);
	struct vmt_trace_call call = {0};
	struct vmt_wait wait = {0};
	struct vmt_trace_callback callback = {VMT_CALLBACK_EVENT, g->now, g->ticket + 1};
	struct vmt_trace_callback_end end = {VMT_CALLBACK_EVENT, 0, NULL};
	struct vmt_trace_poll poll = {0, g->now};
	struct vmt_value values[2] = {{.type = VMT_U64}, {.type = VMT_ADDR}};
	struct vmt_trace_emission emission = {0, values, 2};

	g->now += 5000 + below(g, 100000);
	make_event(g, &event.event);
	make_raw(&event.event, raw);
	event.event.raw = keep(s, raw, RAW_SIZE);
	event.event.raw_len = RAW_SIZE;
	event.event.raw_kind = 1;
	callback.now = poll.now = g->now;
	if (event.event.reason == VMT_EVENT_SINGLESTEP)
		response = vmt_with_view(response, 1);
	end.response = keep(s, &response, sizeof(response));
	values[0].v.u = event.event.vcpu;
	values[1].v.u = event.event.regs.cr3;
	emission.values = keep(s, values, sizeof(values));

	wait.now = g->now;
	wait.pending = 1;
	call.call.u.wait.timeout_ms = 1000;
	call.call.u.wait.wait = keep(s, &wait, sizeof(wait));
	add_call(s, g, &call, VMT_CALL_WAIT, 0);
	add(s, g, VMT_TRACE_EVENT, &event, sizeof(event), NULL);
	s->nevents++;
	g->callback++;
	add(s, g, VMT_TRACE_CALLBACK, &callback, sizeof(callback), NULL);
	for (unsigned i = 0; i < reads; i++)
		add_read(s, g);
	add(s, g, VMT_TRACE_EMISSION, &emission, sizeof(emission), NULL);
	add(s, g, VMT_TRACE_CALLBACK_END, &end, sizeof(end), NULL);
	add(s, g, VMT_TRACE_POLL, &poll, sizeof(poll), NULL);
	call = (struct vmt_trace_call){0};
	call.call.u.answer.event = keep(s, &event.event, sizeof(event.event));
	call.call.u.answer.response = end.response;
	add_call(s, g, &call, VMT_CALL_ANSWER, 0);
	call = (struct vmt_trace_call){0};
	add_call(s, g, &call, VMT_CALL_NEXT, 0);
	add_call(s, g, &call, VMT_CALL_COMMIT, 0);
}

static void empty(struct stream *stream)
{
	stream->n = 0;
	vmt_trace_arena_finish(&stream->arena);
}

void stream_begin(struct stream *stream, unsigned reads)
{
	static const struct vmt_field fields[] = {{"vcpu", VMT_U64, VMT_KEY}, {"to", VMT_ADDR, 0}};
	static const struct vmt_schema schema = VMT_SCHEMA("switch", fields);
	struct vmt_trace_meta meta = {
		.tool = "bench", .handler = "made-up", .policy = VMT_TRACE_POLICY_PAGES};

	*stream = (struct stream){.reads = reads, .guest = must(calloc(1, sizeof(struct guest)))};
	meta.info.arch = VMT_ARCH_X86_64;
	meta.info.vcpus = VCPUS;
	meta.schemas = &schema;
	meta.nschemas = 1;
	make_guest(stream->guest);
	add(stream, stream->guest, VMT_TRACE_META, &meta, sizeof(meta), NULL);
}

void stream_next(struct stream *stream)
{
	const size_t events = stream->reads > 0 ? 200 : 1000;

	empty(stream);
	for (size_t i = 0; i < events; i++)
		add_event(stream, stream->guest, stream->reads);
}

void stream_finish(struct stream *stream)
{
	empty(stream);
	vmt_trace_buf_finish(&stream->raw);
	free(stream->guest);
	free(stream->records);
}

/** The payload with the hypervisor's bytes as they are: a plain recorder knows no better. */
static void plain_payload(const struct vmt_trace_record *r, struct vmt_trace_buf *payload)
{
	const struct vmt_trace_event *event = r->body;
	struct vmt_trace_event plain;
	const void *body = r->body;

	if (r->kind == VMT_TRACE_EVENT) {
		plain = *event;
		plain.event.raw_kind = 0;
		body = &plain;
	}
	payload->len = 0;
	if (vmt_trace_encode(vmt_trace_kind_row(r->kind), body, r->page != NULL, payload, NULL,
			     NULL) < 0 ||
	    (r->kind == VMT_TRACE_EVENT &&
	     vmt_trace_buf_add(payload, event->event.raw, event->event.raw_len) < 0))
		must(NULL);
}

void stream_raw(struct stream *stream)
{
	struct vmt_trace_buf payload = {0};

	stream->raw.len = 0;
	for (size_t i = 0; i < stream->n; i++) {
		const struct vmt_trace_record *r = &stream->records[i];
		uint32_t head[4] = {(uint32_t)(i / 1000), (uint32_t)(i % 1000 * 1000)};

		plain_payload(r, &payload);
		head[2] = head[3] = (uint32_t)payload.len + (r->page != NULL ? VMT_PAGE_SIZE : 0);
		if (vmt_trace_buf_add(&stream->raw, head, sizeof(head)) < 0 ||
		    vmt_trace_buf_add(&stream->raw, payload.p, payload.len) < 0 ||
		    (r->page != NULL &&
		     vmt_trace_buf_add(&stream->raw, r->page, VMT_PAGE_SIZE) < 0))
			must(NULL);
	}
	vmt_trace_buf_finish(&payload);
}

void stream_append(const struct stream *stream, struct vmt_trace_writer *writer)
{
	struct vmt_error err = {0};

	for (size_t i = 0; i < stream->n; i++)
		if (vmt_trace_writer_append(writer, &stream->records[i], &err) < 0) {
			fprintf(stderr, "bench: record %zu: %s\n", i, err.text);
			exit(1);
		}
}
