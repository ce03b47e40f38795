/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an event's raw bytes most probably are.
 *
 * Raw kind 1 is Xen's vm_event_request_t in interface version 7 (xen/include/public/vm_event.h). What
 * stands where is in FORMAT.md and part of the format: no header of Xen is needed, and where Xen
 * differs, that costs bytes and not truth.
 */
#include <string.h>

#include "predict.h"
#include "varint.h"

#define RAW_XEN_7 1u
#define XEN_SIZE  400u

/** The registers that are told, and so are predicted. */
#define TOLD                                                                                \
	((VMT_KNOWN_GPRS) | VMT_KNOWN(VMT_REG_CR0) | VMT_KNOWN(VMT_REG_CR2) |               \
	 VMT_KNOWN(VMT_REG_CR3) | VMT_KNOWN(VMT_REG_CR4) | VMT_KNOWN(VMT_REG_DR7) |         \
	 VMT_KNOWN(VMT_REG_CS) | VMT_KNOWN(VMT_REG_DS) | VMT_KNOWN(VMT_REG_ES) |            \
	 VMT_KNOWN(VMT_REG_FS) | VMT_KNOWN(VMT_REG_GS) | VMT_KNOWN(VMT_REG_SS) |            \
	 VMT_KNOWN(VMT_REG_GDTR) | VMT_KNOWN(VMT_REG_SYSENTER_CS) |                         \
	 VMT_KNOWN(VMT_REG_SYSENTER_ESP) | VMT_KNOWN(VMT_REG_SYSENTER_EIP) |                \
	 VMT_KNOWN(VMT_REG_SHADOW_GS) | VMT_KNOWN(VMT_REG_EFER) | VMT_KNOWN(VMT_REG_STAR) | \
	 VMT_KNOWN(VMT_REG_LSTAR))

/** Limit and access of a segment in four bytes; granularity is bit 11 of the access word. */
static uint32_t hidden(const struct vmt_segment *s)
{
	return ((s->access & 0x800u ? s->limit >> 12 : s->limit) & 0xfffffu) | (uint32_t)s->access
										       << 20;
}

static void put_segments(const struct vmt_regs *r, uint8_t *raw)
{
	vmt_le32_put(raw + 320, (uint32_t)r->cs.base);
	vmt_le32_put(raw + 324, (uint32_t)r->ss.base);
	vmt_le32_put(raw + 328, (uint32_t)r->ds.base);
	vmt_le32_put(raw + 332, (uint32_t)r->es.base);
	vmt_le64_put(raw + 336, r->fs.base);
	vmt_le64_put(raw + 344, r->gs.base);
	vmt_le32_put(raw + 352, hidden(&r->cs));
	vmt_le32_put(raw + 356, hidden(&r->ss));
	vmt_le32_put(raw + 360, hidden(&r->ds));
	vmt_le32_put(raw + 364, hidden(&r->es));
	vmt_le32_put(raw + 368, hidden(&r->fs));
	vmt_le32_put(raw + 372, hidden(&r->gs));
	vmt_le64_put(raw + 376, r->shadow_gs);
	vmt_le16_put(raw + 384, (uint16_t)r->gdtr.limit);
	vmt_le16_put(raw + 386, r->cs.selector);
	vmt_le16_put(raw + 388, r->ss.selector);
	vmt_le16_put(raw + 390, r->ds.selector);
	vmt_le16_put(raw + 392, r->es.selector);
	vmt_le16_put(raw + 394, r->fs.selector);
	vmt_le16_put(raw + 396, r->gs.selector);
	vmt_le16_put(raw + 398, 0);
}

/** Bytes 56 to the end. */
static void put_registers(const struct vmt_regs *r, uint8_t *raw)
{
	const uint64_t *gprs = &r->gprs.rax;

	for (unsigned i = 0; i < 16; i++)
		vmt_le64_put(raw + 56 + (size_t)i * 8, gprs[i]);
	vmt_le64_put(raw + 184, r->gprs.rflags);
	vmt_le64_put(raw + 192, 0); /* DR6 */
	vmt_le64_put(raw + 200, r->dr7);
	vmt_le64_put(raw + 208, r->gprs.rip);
	vmt_le64_put(raw + 216, r->cr0);
	vmt_le64_put(raw + 224, r->cr2);
	vmt_le64_put(raw + 232, r->cr3);
	vmt_le64_put(raw + 240, r->cr4);
	vmt_le64_put(raw + 248, r->sysenter_cs);
	vmt_le64_put(raw + 256, r->sysenter_esp);
	vmt_le64_put(raw + 264, r->sysenter_eip);
	vmt_le64_put(raw + 272, r->efer);
	vmt_le64_put(raw + 280, r->star);
	vmt_le64_put(raw + 288, r->lstar);
	vmt_le64_put(raw + 296, r->gdtr.base);
	vmt_le64_put(raw + 304, 0);          /* a nested guest's tables */
	vmt_le64_put(raw + 312, UINT64_MAX); /* the place in a vmtrace buffer: none */
	put_segments(r, raw);
}

static void put_interrupt(const struct vmt_event *ev, uint8_t *raw)
{
	const struct vmt_interrupt *i = &ev->u.interrupt.interrupt;

	vmt_le64_put(raw + 24, ev->u.interrupt.gfn.n);
	vmt_le64_put(raw + 32, i->extra);
	vmt_le32_put(raw + 40, i->insn_length);
	raw[44] = i->type;
}

static void put_next_interrupt(const struct vmt_interrupt *i, uint8_t *raw)
{
	vmt_le32_put(raw + 24, i->vector);
	vmt_le32_put(raw + 28, i->type);
	vmt_le32_put(raw + 32, i->error_code);
	vmt_le64_put(raw + 40, i->extra);
}

static void put_io(const struct vmt_io *io, uint8_t *raw)
{
	vmt_le32_put(raw + 24, io->bytes);
	vmt_le16_put(raw + 28, io->port);
	raw[30] = io->in;
	raw[31] = io->string;
}

static void put_descriptor(const struct vmt_descriptor_access *d, uint8_t *raw)
{
	vmt_le32_put(raw + 24, (uint32_t)d->info);
	vmt_le64_put(raw + 32, d->qualification);
	raw[40] = d->descriptor;
	raw[41] = d->write;
}

static void put_memory(const struct vmt_memory_access *m, uint8_t *raw)
{
	vmt_le64_put(raw + 24, m->gpa.a >> 12);
	vmt_le64_put(raw + 32, m->gpa.a & 0xfff);
	vmt_le64_put(raw + 40, m->gva.a);
	vmt_le32_put(raw + 48, (m->access & 7u) | (uint32_t)(m->flags & 7u) << 3);
}

/** Bytes 24 to 55, by reason. Returns Xen's number of it. */
static unsigned put_reason(const struct vmt_event *ev, uint8_t *raw)
{
	switch (ev->reason) {
	case VMT_EVENT_MEMORY_ACCESS:
		put_memory(&ev->u.memory, raw);
		return 1;
	case VMT_EVENT_WRITE_CR:
		vmt_le32_put(raw + 24, ev->u.cr.cr);
		vmt_le64_put(raw + 32, ev->u.cr.new_value);
		vmt_le64_put(raw + 40, ev->u.cr.old_value);
		return 4;
	case VMT_EVENT_WRITE_MSR:
		vmt_le64_put(raw + 24, ev->u.msr.msr);
		vmt_le64_put(raw + 32, ev->u.msr.new_value);
		vmt_le64_put(raw + 40, ev->u.msr.old_value);
		return 5;
	case VMT_EVENT_INTERRUPT:
		put_interrupt(ev, raw);
		return ev->u.interrupt.interrupt.vector == 1 ? 9 : 6;
	case VMT_EVENT_SINGLESTEP:
		vmt_le64_put(raw + 24, ev->u.step.gfn.n);
		return 7;
	case VMT_EVENT_HYPERCALL:
		return 8;
	case VMT_EVENT_CPUID:
		vmt_le32_put(raw + 24, ev->u.cpuid.insn_length);
		vmt_le32_put(raw + 28, ev->u.cpuid.leaf);
		vmt_le32_put(raw + 32, ev->u.cpuid.subleaf);
		return 10;
	case VMT_EVENT_NEXT_INTERRUPT:
		put_next_interrupt(&ev->u.next_interrupt, raw);
		return 12;
	case VMT_EVENT_DESCRIPTOR:
		put_descriptor(&ev->u.descriptor, raw);
		return 13;
	case VMT_EVENT_EMUL_UNIMPLEMENTED:
		return 14;
	case VMT_EVENT_VMEXIT:
		vmt_le64_put(raw + 24, ev->u.vmexit.reason);
		vmt_le64_put(raw + 32, ev->u.vmexit.qualification);
		return 15;
	case VMT_EVENT_IO:
		put_io(&ev->u.io, raw);
		return 16;
	default:
		return 0;
	}
}

/** The registers of @from that are known, and zeros. */
static void take_known(const struct vmt_regs *from, struct vmt_regs *to)
{
	memset(to, 0, sizeof(*to));
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *field = &vmt_reg_fields[i];

		if ((from->known & VMT_KNOWN(field->bit)) != 0)
			memcpy((uint8_t *)to + field->offset, (const uint8_t *)from + field->offset,
			       field->width);
	}
}

static void predict_xen(const struct vmt_event *ev, uint8_t *raw)
{
	struct vmt_regs known;

	memset(raw, 0, 56);
	vmt_le32_put(raw, 7);
	vmt_le32_put(raw + 4, (ev->flags & VMT_EVENT_SYNC ? 1u : 0) |
				      (ev->flags & VMT_EVENT_HAS_VIEW ? 1u << 7 : 0) |
				      (ev->flags & VMT_EVENT_NESTED ? 1u << 12 : 0));
	vmt_le32_put(raw + 8, put_reason(ev, raw));
	vmt_le32_put(raw + 12, ev->vcpu);
	vmt_le16_put(raw + 16, ev->view);
	if ((ev->regs.known & TOLD) == TOLD) {
		put_registers(&ev->regs, raw);
	} else {
		take_known(&ev->regs, &known);
		put_registers(&known, raw);
	}
}

void vmt_trace_predict_raw(const struct vmt_event *ev, uint8_t *raw, size_t len)
{
	uint8_t xen[XEN_SIZE];

	if (ev->raw_kind == RAW_XEN_7 && len == XEN_SIZE) {
		predict_xen(ev, raw);
		return;
	}
	memset(raw, 0, len);
	if (ev->raw_kind == RAW_XEN_7) {
		predict_xen(ev, xen);
		memcpy(raw, xen, len < XEN_SIZE ? len : XEN_SIZE);
	}
}
