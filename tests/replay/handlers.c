/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler of the replay tests.
 */
#include <stdlib.h>
#include <string.h>

#include "handlers.h"

struct variant variant;

struct self {
	uint8_t before[4]; /**< what stands at the breakpoints */
	vmt_view view;
	int stepping; /**< the breakpoint that is stepped over, by PATCH_AND_STEP; -1: none */
	uint64_t events, timeouts;
};

static const struct vmt_field hit_fields[] = {
	{"rip", VMT_ADDR, VMT_KEY}, {"rax", VMT_U64, 0}, {"word", VMT_ADDR, 0}};
static const struct vmt_schema hit = VMT_SCHEMA("hit", hit_fields);
static const struct vmt_field switch_fields[] = {{"cr3", VMT_ADDR, 0}};
static const struct vmt_schema switched = VMT_SCHEMA("switch", switch_fields);
static const struct vmt_field write_fields[] = {{"gpa", VMT_ADDR, 0}};
static const struct vmt_schema written = VMT_SCHEMA("write", write_fields);
static const struct vmt_field count_fields[] = {{"events", VMT_U64, 0}};
static const struct vmt_schema counted = VMT_SCHEMA("count", count_fields);
static const struct vmt_schema *const schemas[] = {&hit, &switched, &written, &counted, NULL};

/* -------------------------------------------------------------------------------------------- */
/* Breakpoints                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static int shadow(struct vmt_session *s, struct self *self)
{
	uint8_t page[VMT_PAGE_SIZE];
	vmt_gfn from = vmt_gfn_of(vmt_gpa_from(variant.at[0]));
	vmt_gfn to = VMT_GFN_ANY;

	if (vmt_view_create(s, vmt_access_from(VMT_RWX), &self->view) < 0 ||
	    vmt_alloc_gfn(s, &to) < 0 ||
	    vmt_read(s, VMT_PHYS, vmt_gpa_of(from).a, page, sizeof(page)) < 0)
		return -1;
	for (unsigned i = 0; i < 4 && variant.at[i]; i++)
		page[variant.at[i] & VMT_PAGE_MASK] = 0xcc;
	if (vmt_write(s, VMT_PHYS, vmt_gpa_of(to).a, page, sizeof(page)) < 0 ||
	    vmt_view_remap(s, self->view, from, to) < 0)
		return -1;
	return vmt_view_switch(s, self->view);
}

static int place(struct vmt_session *s, struct self *self)
{
	if (variant.method == SHADOW)
		return shadow(s, self);
	for (unsigned i = 0; i < 4 && variant.at[i]; i++)
		if (vmt_read_u8(s, VMT_PHYS, variant.at[i], &self->before[i]) < 0 ||
		    vmt_write_u8(s, VMT_PHYS, variant.at[i], 0xcc) < 0)
			return -1;
	return 0;
}

static int find(uint64_t rip)
{
	for (int i = 0; i < 4 && variant.at[i]; i++)
		if (variant.at[i] == rip)
			return i;
	return -1;
}

static int create(struct vmt_session *s, void **out)
{
	struct self *self = calloc(1, sizeof(*self));
	uint64_t word = variant.patch_value;
	vmt_gfn gfn = VMT_GFN_ANY;

	*out = self;
	self->stepping = -1;
	if (!variant.no_cr3 && vmt_monitor_cr(s, VMT_CR3) < 0)
		goto failed;
	if (variant.at[0] && (vmt_monitor(s, VMT_MONITOR_BREAKPOINT) < 0 ||
			      vmt_monitor(s, VMT_MONITOR_SINGLESTEP) < 0 || place(s, self) < 0))
		goto failed;
	if (variant.watch_page && vmt_set_access(s, 0, vmt_gfn_of(vmt_gpa_from(variant.watch_page)),
						 vmt_access_from(VMT_RX)) < 0)
		goto failed;
	if (variant.patch_data && vmt_write_u64(s, VMT_PHYS, variant.patch_data, word) < 0)
		goto failed;
	if (variant.alloc &&
	    (vmt_alloc_gfn(s, &gfn) < 0 ||
	     vmt_write_u64(s, VMT_PHYS, vmt_gpa_of(gfn).a + 16, 7) < 0 ||
	     vmt_read_u64(s, VMT_PHYS, vmt_gpa_of(gfn).a + 16, &word) < 0 || word != 7 ||
	     vmt_read_u64(s, VMT_PHYS, vmt_gpa_of(gfn).a + 24, &word) < 0 || word != 0))
		goto failed;
	if (variant.wake)
		vmt_wake_at(s, vmt_now(s) + 1000000);
	return 0;
failed:
	free(self);
	return -VMT_E_HANDLER;
}

/* -------------------------------------------------------------------------------------------- */
/* Events                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_response at_breakpoint(struct self *self, struct vmt_ctx *ctx, int which)
{
	struct vmt_session *s = vmt_session_of(ctx);
	const struct vmt_event *ev = vmt_event_of(ctx);
	struct vmt_response rsp;
	uint64_t word = 0;
	uint64_t other;

	if (variant.also_read && variant.read_late)
		(void)vmt_read_u64(s, VMT_PHYS, variant.also_read, &other);
	if (variant.data && vmt_read_u64(s, VMT_PHYS, variant.data, &word) < 0)
		return vmt_fail(ctx, "cannot read the data: %s", vmt_error_of(s)->text);
	if (variant.twice) {
		vmt_flush(s);
		(void)vmt_read_u64(s, VMT_PHYS, variant.data, &word);
	}
	if (variant.also_read && !variant.read_late)
		(void)vmt_read_u64(s, VMT_PHYS, variant.also_read, &other);
	if (variant.other_emission)
		word++;
	(void)vmt_emit(s, &hit,
		       (struct vmt_value[]){vmt_addr(ev->regs.gprs.rip), vmt_u64(ev->regs.gprs.rax),
					    vmt_addr(word)},
		       3);
	if (variant.method == SHADOW) {
		rsp = vmt_with_view(vmt_respond(VMT_FAST_SINGLESTEP), 0);
	} else {
		if (vmt_write_u8(s, VMT_PHYS, variant.at[which], self->before[which]) < 0)
			return vmt_fail(ctx, "cannot put the byte back");
		self->stepping = which;
		rsp = vmt_respond(VMT_SINGLESTEP);
	}
	if (variant.set_rax) {
		vmt_gprs_of(ctx)->rax = variant.set_rax;
		rsp = vmt_with_regs(rsp, vmt_gprs_of(ctx));
	}
	return rsp;
}

static struct vmt_response handle_event(void *data, struct vmt_ctx *ctx)
{
	struct self *self = data;
	struct vmt_session *s = vmt_session_of(ctx);
	const struct vmt_event *ev = vmt_event_of(ctx);
	int which;

	self->events++;
	if (variant.surprise)
		variant.surprise(self->events);
	if (variant.fail_at == self->events)
		return vmt_fail(ctx, "it was asked to");
	if (vmt_phase_of(ctx) == VMT_PHASE_DRAIN)
		return vmt_respond(VMT_CONTINUE);
	switch (ev->reason) {
	case VMT_EVENT_WRITE_CR:
		(void)vmt_emit(s, &switched, (struct vmt_value[]){vmt_addr(ev->u.cr.new_value)}, 1);
		break;
	case VMT_EVENT_MEMORY_ACCESS:
		(void)vmt_emit(s, &written, (struct vmt_value[]){vmt_addr(ev->u.memory.gpa.a)}, 1);
		return vmt_respond(VMT_EMULATE);
	case VMT_EVENT_INTERRUPT:
		which = find(ev->regs.gprs.rip);
		return which < 0 ? vmt_respond(VMT_REINJECT) : at_breakpoint(self, ctx, which);
	case VMT_EVENT_SINGLESTEP:
		if (self->stepping >= 0 &&
		    vmt_write_u8(s, VMT_PHYS, variant.at[self->stepping], 0xcc) < 0)
			return vmt_fail(ctx, "cannot place the breakpoint again");
		self->stepping = -1;
		break;
	default:
		break;
	}
	return vmt_respond(VMT_CONTINUE);
}

static int handle_timeout(void *data, struct vmt_session *s)
{
	struct self *self = data;

	self->timeouts++;
	if (variant.wake)
		vmt_wake_at(s, vmt_now(s) + 1000000);
	return 0;
}

static int poll(const void *data, struct vmt_record *out)
{
	const struct self *self = data;

	if (!variant.finish_after || self->events < variant.finish_after)
		return 0;
	(void)vmt_output(out, &counted, (struct vmt_value[]){vmt_u64(self->events)}, 1);
	return 1;
}

static void destroy(void *data)
{
	free(data);
}

const struct vmt_handler_ops test_handler = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(test_handler),
	.name = "test",
	.version = "1",
	.schemas = schemas,
	.create = create,
	.handle_event = handle_event,
	.handle_timeout = handle_timeout,
	.poll = poll,
	.destroy = destroy,
};
