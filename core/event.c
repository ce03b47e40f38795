/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events as text: one table row for each reason, with its name and what its line says.
 */
#include <inttypes.h>

#include <vmitape/event.h>

#include "line.h"

static void add_memory(struct vmt_line *line, const struct vmt_event *ev)
{
	const struct vmt_memory_access *m = &ev->u.memory;

	vmt_line_add(line, " gpa %#" PRIx64, m->gpa.a);
	if (m->flags & VMT_MEM_GVA_VALID)
		vmt_line_add(line, " gva %#" PRIx64, m->gva.a);
	vmt_line_add(line, " ");
	vmt_line_add_access(line, vmt_access_from(m->access));
	if (m->flags & VMT_MEM_IN_WALK)
		vmt_line_add(line, " in-walk");
}

static void add_cr(struct vmt_line *line, const struct vmt_event *ev)
{
	static const char *const names[VMT_CR_COUNT] = {"cr0", "cr3", "cr4", "xcr0"};
	const struct vmt_write_cr *w = &ev->u.cr;

	vmt_line_add(line, " %s %#" PRIx64 " -> %#" PRIx64,
		     w->cr < VMT_CR_COUNT ? names[w->cr] : "unknown", w->old_value, w->new_value);
}

static void add_msr(struct vmt_line *line, const struct vmt_event *ev)
{
	const struct vmt_write_msr *w = &ev->u.msr;

	vmt_line_add(line, " %#" PRIx32 " %#" PRIx64 " -> %#" PRIx64, w->msr, w->old_value,
		     w->new_value);
}

static void add_interrupt(struct vmt_line *line, const struct vmt_event *ev)
{
	vmt_line_add(line, " gfn %#" PRIx64 " ", ev->u.interrupt.gfn.n);
	vmt_line_add_interrupt(line, &ev->u.interrupt.interrupt);
}

static void add_step(struct vmt_line *line, const struct vmt_event *ev)
{
	vmt_line_add(line, " gfn %#" PRIx64, ev->u.step.gfn.n);
}

static void add_cpuid(struct vmt_line *line, const struct vmt_event *ev)
{
	vmt_line_add(line, " leaf %#" PRIx32 " subleaf %#" PRIx32, ev->u.cpuid.leaf,
		     ev->u.cpuid.subleaf);
}

static void add_io(struct vmt_line *line, const struct vmt_event *ev)
{
	const struct vmt_io *io = &ev->u.io;

	vmt_line_add(line, " %s%s port %#x bytes %u", io->in ? "in" : "out", io->string ? "s" : "",
		     io->port, io->bytes);
}

static void add_descriptor(struct vmt_line *line, const struct vmt_event *ev)
{
	static const char *const names[] = {"unknown", "idtr", "gdtr", "ldtr", "tr"};
	const struct vmt_descriptor_access *d = &ev->u.descriptor;

	vmt_line_add(line, " %s %s", names[d->descriptor <= VMT_DESC_TR ? d->descriptor : 0],
		     d->write ? "write" : "read");
}

static void add_next_interrupt(struct vmt_line *line, const struct vmt_event *ev)
{
	vmt_line_add(line, " ");
	vmt_line_add_interrupt(line, &ev->u.next_interrupt);
}

static void add_vmexit(struct vmt_line *line, const struct vmt_event *ev)
{
	vmt_line_add(line, " reason %" PRIu64 " qualification %#" PRIx64, ev->u.vmexit.reason,
		     ev->u.vmexit.qualification);
}

static void add_raw(struct vmt_line *line, const struct vmt_event *ev)
{
	vmt_line_add(line, " raw bytes %" PRIu32 " kind %" PRIu32, ev->raw_len, ev->raw_kind);
}

static const struct reason {
	const char *name;
	/* Add the fields of this reason, with a blank before; NULL: there are none. */
	void (*add)(struct vmt_line *line, const struct vmt_event *ev);
} reasons[VMT_REASON_COUNT] = {
	[VMT_EVENT_UNKNOWN] = {"unknown", add_raw},
	[VMT_EVENT_MEMORY_ACCESS] = {"memory-access", add_memory},
	[VMT_EVENT_WRITE_CR] = {"write-cr", add_cr},
	[VMT_EVENT_WRITE_MSR] = {"write-msr", add_msr},
	[VMT_EVENT_INTERRUPT] = {"interrupt", add_interrupt},
	[VMT_EVENT_SINGLESTEP] = {"singlestep", add_step},
	[VMT_EVENT_HYPERCALL] = {"hypercall", NULL},
	[VMT_EVENT_CPUID] = {"cpuid", add_cpuid},
	[VMT_EVENT_IO] = {"io", add_io},
	[VMT_EVENT_DESCRIPTOR] = {"descriptor", add_descriptor},
	[VMT_EVENT_NEXT_INTERRUPT] = {"next-interrupt", add_next_interrupt},
	[VMT_EVENT_VMEXIT] = {"vmexit", add_vmexit},
	[VMT_EVENT_EMUL_UNIMPLEMENTED] = {"emul-unimplemented", NULL},
};

const char *vmt_reason_name(unsigned reason)
{
	return reasons[reason < VMT_REASON_COUNT ? reason : VMT_EVENT_UNKNOWN].name;
}

const char *vmt_event_format(const struct vmt_event *ev, char *buf, size_t cap)
{
	const struct reason *reason =
		&reasons[ev->reason < VMT_REASON_COUNT ? ev->reason : VMT_EVENT_UNKNOWN];
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	vmt_line_add(&line, "vcpu %u", ev->vcpu);
	if (ev->flags & VMT_EVENT_HAS_VIEW)
		vmt_line_add(&line, " view %u", ev->view);
	if (ev->regs.known & VMT_KNOWN(VMT_REG_RIP))
		vmt_line_add(&line, " rip %#" PRIx64, ev->regs.gprs.rip);
	vmt_line_add(&line, " %s", reason->name);
	if (reason->add)
		reason->add(&line, ev);
	if (!(ev->flags & VMT_EVENT_SYNC))
		vmt_line_add(&line, " async");
	if (ev->flags & VMT_EVENT_NESTED)
		vmt_line_add(&line, " nested");
	return buf;
}
