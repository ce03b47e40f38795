/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Monitors and capabilities: their names, and the check that a monitor means something.
 */
#include <inttypes.h>

#include <vmitape/driver.h>

#include "line.h"
#include "monitor.h"

#define REGISTER_FLAGS (VMT_MONITOR_ASYNC | VMT_MONITOR_ON_CHANGE)

static void format_cr(struct vmt_line *line, uint32_t what)
{
	static const char *const names[VMT_CR_COUNT] = {"cr0", "cr3", "cr4", "xcr0"};

	if (what < VMT_CR_COUNT)
		vmt_line_add(line, "%s", names[what]);
	else
		vmt_line_add(line, "cr %" PRIu32, what);
}

static void format_msr(struct vmt_line *line, uint32_t what)
{
	vmt_line_add(line, "msr %#" PRIx32, what);
}

static const struct kind {
	const char *name;
	uint32_t flags; /* enum vmt_monitor_flag bits that mean something here */
	void (*format)(struct vmt_line *line, uint32_t what); /* NULL: the name is all */
} kinds[VMT_MONITOR_KIND_COUNT] = {
	[VMT_MONITOR_CR] = {"cr", REGISTER_FLAGS, format_cr},
	[VMT_MONITOR_MSR] = {"msr", REGISTER_FLAGS, format_msr},
	[VMT_MONITOR_BREAKPOINT] = {"breakpoint", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_DEBUG] = {"debug", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_SINGLESTEP] = {"singlestep", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_HYPERCALL] = {"hypercall", VMT_MONITOR_ASYNC | VMT_MONITOR_USERSPACE, NULL},
	[VMT_MONITOR_CPUID] = {"cpuid", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_IO] = {"io", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_DESCRIPTOR] = {"descriptor", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_VMEXIT] = {"vmexit", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_EMUL_UNIMPLEMENTED] = {"emul-unimplemented", VMT_MONITOR_ASYNC, NULL},
	[VMT_MONITOR_DEFERRED_WRITES] = {"deferred-writes", 0, NULL},
};

static bool known(uint32_t kind)
{
	return kind < VMT_MONITOR_KIND_COUNT && kinds[kind].name;
}

const char *vmt_monitor_format(const struct vmt_monitor *monitor, char *buf, size_t cap)
{
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	if (!known(monitor->kind))
		vmt_line_add(&line, "unknown kind %" PRIu32, monitor->kind);
	else if (kinds[monitor->kind].format)
		kinds[monitor->kind].format(&line, monitor->what);
	else
		vmt_line_add(&line, "%s", kinds[monitor->kind].name);
	return buf;
}

const char *vmt_monitor_problem(const struct vmt_monitor *monitor)
{
	if (!known(monitor->kind))
		return "there is no such kind of monitor; use one of enum vmt_monitor_kind";
	if (monitor->kind == VMT_MONITOR_CR && monitor->what >= VMT_CR_COUNT)
		return "there is no such control register; use one of enum vmt_cr";
	if (monitor->flags & ~kinds[monitor->kind].flags)
		return "a flag means nothing for this kind; see enum vmt_monitor_flag";
	if (monitor->ignore != 0 && monitor->kind != VMT_MONITOR_CR)
		return "a mask of ignored bits is for control registers only; leave it 0";
	return NULL;
}

const char *vmt_capability_name(unsigned bit)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{VMT_CAP_MONITOR_CR, "control-register writes"},
		{VMT_CAP_MONITOR_MSR, "MSR writes"},
		{VMT_CAP_MONITOR_BREAKPOINT, "breakpoints"},
		{VMT_CAP_MONITOR_DEBUG, "debug exceptions"},
		{VMT_CAP_MONITOR_SINGLESTEP, "single steps"},
		{VMT_CAP_MONITOR_HYPERCALL, "guest requests"},
		{VMT_CAP_MONITOR_CPUID, "CPUID"},
		{VMT_CAP_MONITOR_IO, "port I/O"},
		{VMT_CAP_MONITOR_DESCRIPTOR, "descriptor-table accesses"},
		{VMT_CAP_MONITOR_VMEXIT, "VM exits"},
		{VMT_CAP_NEXT_INTERRUPT, "next interrupt"},
		{VMT_CAP_DENY, "deny"},
		{VMT_CAP_MEMORY_ACCESS, "memory access"},
		{VMT_CAP_VIEWS, "views (altp2m)"},
		{VMT_CAP_FAST_SINGLESTEP, "fast single steps"},
		{VMT_CAP_IGNORE_WALKS, "ignore-walks"},
		{VMT_CAP_EMULATE, "emulation of one instruction"},
		{VMT_CAP_INJECT, "injection"},
		{VMT_CAP_ALLOC, "page allocation"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].bit == bit)
			return names[i].name;
	return "unknown";
}
