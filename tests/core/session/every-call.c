/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every session call that can be refused: see every-call.h.
 *
 * The arguments are well formed, and on a scripted domain most calls succeed where they are
 * allowed. Calls without a result are in the tests themselves.
 */
#include <vmitape/emission.h>
#include <vmitape/handler.h>

#include "every-call.h"

#define ADDRESS 0x8000u

static const struct vmt_monitor debug = {.kind = VMT_MONITOR_DEBUG};

static int enable(struct vmt_session *s)
{
	return vmt_monitor_enable(s, &debug);
}

static int disable(struct vmt_session *s)
{
	return vmt_monitor_disable(s, &debug);
}

static int monitor_cr(struct vmt_session *s)
{
	return vmt_monitor_cr(s, VMT_CR3);
}

static int monitor_msr(struct vmt_session *s)
{
	return vmt_monitor_msr(s, VMT_MSR_LSTAR);
}

static int monitor(struct vmt_session *s)
{
	return vmt_monitor(s, VMT_MONITOR_SINGLESTEP);
}

static int info(struct vmt_session *s)
{
	struct vmt_info i;

	return vmt_domain_info(s, &i);
}

static int get_access(struct vmt_session *s)
{
	struct vmt_access access;

	return vmt_get_access(s, 0, vmt_gfn_from(8), &access);
}

static int set_access(struct vmt_session *s)
{
	return vmt_set_access(s, 0, vmt_gfn_from(8), vmt_access_from(VMT_RW));
}

static int set_access_range(struct vmt_session *s)
{
	uint64_t done = 77;
	int r = vmt_set_access_range(s, 0, vmt_gfn_from(8), 2, vmt_access_from(VMT_RW), &done);

	return r < 0 && done != 0 ? -VMT_STATUS_COUNT : r;
}

static int view_create(struct vmt_session *s)
{
	vmt_view view;

	return vmt_view_create(s, vmt_access_from(VMT_RWX), &view);
}

static int view_destroy(struct vmt_session *s)
{
	return vmt_view_destroy(s, 1);
}

static int view_switch(struct vmt_session *s)
{
	return vmt_view_switch(s, 0);
}

static int view_remap(struct vmt_session *s)
{
	return vmt_view_remap(s, 1, vmt_gfn_from(8), vmt_gfn_from(9));
}

static int view_unmap(struct vmt_session *s)
{
	return vmt_view_unmap(s, 1, vmt_gfn_from(8));
}

static int alloc_gfn(struct vmt_session *s)
{
	vmt_gfn gfn = VMT_GFN_ANY;

	return vmt_alloc_gfn(s, &gfn);
}

static int free_gfn(struct vmt_session *s)
{
	return vmt_free_gfn(s, vmt_gfn_from(8));
}

static int get_regs(struct vmt_session *s)
{
	struct vmt_regs regs;

	return vmt_get_regs(s, 0, &regs);
}

static int set_regs(struct vmt_session *s)
{
	const struct vmt_regs regs = {0};

	return vmt_set_regs(s, 0, &regs);
}

static int inject(struct vmt_session *s)
{
	const struct vmt_interrupt fault = vmt_page_fault((vmt_gva){ADDRESS}, 0);

	return vmt_inject(s, 0, &fault);
}

static int pause_it(struct vmt_session *s)
{
	return vmt_pause(s);
}

static int pause_guard(struct vmt_session *s)
{
	VMT_PAUSED(guard, s);

	return guard.result;
}

static int resume(struct vmt_session *s)
{
	return vmt_resume(s);
}

static int events_pending(struct vmt_session *s)
{
	uint32_t n;

	return vmt_events_pending(s, &n);
}

static int overhead(struct vmt_session *s)
{
	uint64_t ns;

	return vmt_overhead(s, &ns);
}

static int file_read(struct vmt_session *s)
{
	const void *data;
	size_t len;

	return vmt_file_read(s, "/any", 1, &data, &len);
}

static int emit(struct vmt_session *s)
{
	return vmt_emit(s, NULL, NULL, 0);
}

static int fail_it(struct vmt_session *s)
{
	return vmt_session_fail(s, "never");
}

static int walk(struct vmt_session *s)
{
	struct vmt_walk w;

	return vmt_walk(s, VMT_PHYS, vmt_gva_from(ADDRESS), &w);
}

static int translate(struct vmt_session *s)
{
	vmt_gpa gpa;

	return vmt_translate(s, VMT_PHYS, vmt_gva_from(ADDRESS), &gpa);
}

static int read_it(struct vmt_session *s)
{
	uint8_t byte;

	return vmt_read(s, VMT_PHYS, ADDRESS, &byte, 1);
}

static int read_u8(struct vmt_session *s)
{
	uint8_t value;

	return vmt_read_u8(s, VMT_PHYS, ADDRESS, &value);
}

static int read_u16(struct vmt_session *s)
{
	uint16_t value;

	return vmt_read_u16(s, VMT_PHYS, ADDRESS, &value);
}

static int read_u32(struct vmt_session *s)
{
	uint32_t value;

	return vmt_read_u32(s, VMT_PHYS, ADDRESS, &value);
}

static int read_u64(struct vmt_session *s)
{
	uint64_t value;

	return vmt_read_u64(s, VMT_PHYS, ADDRESS, &value);
}

static int read_uint(struct vmt_session *s)
{
	uint64_t value;

	return vmt_read_uint(s, VMT_PHYS, ADDRESS, 4, &value);
}

static int read_pointer(struct vmt_session *s)
{
	uint64_t value;

	return vmt_read_pointer(s, VMT_PHYS, ADDRESS, &value);
}

static int read_struct(struct vmt_session *s)
{
	uint8_t buf[8];
	struct vmt_struct st;

	return vmt_struct_read(s, VMT_PHYS, ADDRESS, buf, sizeof(buf), &st);
}

static int read_str(struct vmt_session *s)
{
	char buf[8];

	return vmt_read_str(s, VMT_PHYS, ADDRESS, buf, sizeof(buf));
}

static int read_utf16(struct vmt_session *s)
{
	char buf[8];

	return vmt_read_utf16(s, VMT_PHYS, ADDRESS, 4, buf, sizeof(buf));
}

static int write_it(struct vmt_session *s)
{
	return vmt_write(s, VMT_PHYS, ADDRESS, "x", 1);
}

static int write_u8(struct vmt_session *s)
{
	return vmt_write_u8(s, VMT_PHYS, ADDRESS, 1);
}

static int write_u16(struct vmt_session *s)
{
	return vmt_write_u16(s, VMT_PHYS, ADDRESS, 1);
}

static int write_u32(struct vmt_session *s)
{
	return vmt_write_u32(s, VMT_PHYS, ADDRESS, 1);
}

static int write_u64(struct vmt_session *s)
{
	return vmt_write_u64(s, VMT_PHYS, ADDRESS, 1);
}

const struct every_call every_call[] = {
	{"vmt_monitor_enable", enable, VMT_CALL_MONITOR, true},
	{"vmt_monitor_disable", disable, VMT_CALL_MONITOR, true},
	{"vmt_monitor_cr", monitor_cr, VMT_CALL_MONITOR, true},
	{"vmt_monitor_msr", monitor_msr, VMT_CALL_MONITOR, true},
	{"vmt_monitor", monitor, VMT_CALL_MONITOR, true},
	{"vmt_deny_enable", vmt_deny_enable, VMT_CALL_MONITOR, true},
	{"vmt_domain_info", info, VMT_CALL_INFO, false},
	{"vmt_get_access", get_access, VMT_CALL_GET_ACCESS, false},
	{"vmt_set_access", set_access, VMT_CALL_SET_ACCESS, true},
	{"vmt_set_access_range", set_access_range, VMT_CALL_SET_ACCESS, true},
	{"vmt_view_create", view_create, VMT_CALL_CREATE_VIEW, true},
	{"vmt_view_destroy", view_destroy, VMT_CALL_DESTROY_VIEW, true},
	{"vmt_view_switch", view_switch, VMT_CALL_SWITCH_VIEW, true},
	{"vmt_view_remap", view_remap, VMT_CALL_REMAP_GFN, true},
	{"vmt_view_unmap", view_unmap, VMT_CALL_REMAP_GFN, true},
	{"vmt_alloc_gfn", alloc_gfn, VMT_CALL_ALLOC_GFN, true},
	{"vmt_free_gfn", free_gfn, VMT_CALL_FREE_GFN, true},
	{"vmt_get_regs", get_regs, VMT_CALL_GET_REGS, false},
	{"vmt_set_regs", set_regs, VMT_CALL_SET_REGS, true},
	{"vmt_inject", inject, VMT_CALL_INJECT, true},
	{"vmt_pause", pause_it, VMT_CALL_PAUSE, true},
	{"VMT_PAUSED", pause_guard, VMT_CALL_PAUSE, true},
	{"vmt_resume", resume, VMT_CALL_RESUME, true},
	{"vmt_events_pending", events_pending, VMT_CALL_PENDING, false},
	{"vmt_overhead", overhead, VMT_CALL_OVERHEAD, false},
	{"vmt_file_read", file_read, 0, false},
	{"vmt_emit", emit, 0, false},
	{"vmt_session_fail", fail_it, 0, false},
	{"vmt_walk", walk, 0, false},
	{"vmt_translate", translate, 0, false},
	{"vmt_read", read_it, VMT_CALL_READ, false},
	{"vmt_read_u8", read_u8, VMT_CALL_READ, false},
	{"vmt_read_u16", read_u16, VMT_CALL_READ, false},
	{"vmt_read_u32", read_u32, VMT_CALL_READ, false},
	{"vmt_read_u64", read_u64, VMT_CALL_READ, false},
	{"vmt_read_uint", read_uint, VMT_CALL_READ, false},
	{"vmt_read_pointer", read_pointer, VMT_CALL_READ, false},
	{"vmt_struct_read", read_struct, VMT_CALL_READ, false},
	{"vmt_read_str", read_str, VMT_CALL_READ, false},
	{"vmt_read_utf16", read_utf16, VMT_CALL_READ, false},
	{"vmt_write", write_it, VMT_CALL_WRITE, true},
	{"vmt_write_u8", write_u8, VMT_CALL_WRITE, true},
	{"vmt_write_u16", write_u16, VMT_CALL_WRITE, true},
	{"vmt_write_u32", write_u32, VMT_CALL_WRITE, true},
	{"vmt_write_u64", write_u64, VMT_CALL_WRITE, true},
};
const size_t nevery_call = sizeof(every_call) / sizeof(every_call[0]);
