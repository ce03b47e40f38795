/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a vm_event request to an event.
 *
 * Sources: xen/include/public/vm_event.h; who fills it in: xen/common/monitor.c (monitor_traps),
 * xen/arch/x86/vm_event.c (vm_event_fill_regs), xen/arch/x86/hvm/monitor.c, mm/mem_access.c.
 */
#include <string.h>

#include "requests.h"

#define RAW_XEN_VM_EVENT_7 1u
#define VECTOR_DB          1u
#define VECTOR_BP          3u
#define VECTOR_PF          14u
#define AR_G               0x800u /* granularity, in the 12 bits of an access word */

/* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code. */
#define WITH_CODE                                                                                  \
	((1u << 8) | (1u << 10) | (1u << 11) | (1u << 12) | (1u << 13) | (1u << 14) | (1u << 17) | \
	 (1u << 21) | (1u << 29) | (1u << 30))

/* -------------------------------------------------------------------------------------------- */
/* Registers                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static struct vmt_segment segment(struct vm_event_x86_selector_reg reg, uint16_t selector,
				  uint64_t base)
{
	struct vmt_segment s = {.base = base, .selector = selector, .access = reg.ar};

	s.limit = reg.limit;
	if (reg.ar & AR_G)
		s.limit = (s.limit << 12) | 0xfff;
	return s;
}

static void decode_regs(const struct vm_event_regs_x86 *x, struct vmt_regs *r)
{
	memset(r, 0, sizeof(*r));
	r->known = VMT_KNOWN_XEN_EVENT;
	r->gprs = (struct vmt_gprs){
		.rax = x->rax,
		.rcx = x->rcx,
		.rdx = x->rdx,
		.rbx = x->rbx,
		.rsp = x->rsp,
		.rbp = x->rbp,
		.rsi = x->rsi,
		.rdi = x->rdi,
		.r8 = x->r8,
		.r9 = x->r9,
		.r10 = x->r10,
		.r11 = x->r11,
		.r12 = x->r12,
		.r13 = x->r13,
		.r14 = x->r14,
		.r15 = x->r15,
		.rip = x->rip,
		.rflags = x->rflags,
	};
	r->cr0 = x->cr0;
	r->cr2 = x->cr2;
	r->cr3 = x->cr3;
	r->cr4 = x->cr4;
	r->dr7 = x->dr7;
	r->cs = segment(x->cs, x->cs_sel, x->cs_base);
	r->ds = segment(x->ds, x->ds_sel, x->ds_base);
	r->es = segment(x->es, x->es_sel, x->es_base);
	r->fs = segment(x->fs, x->fs_sel, x->fs_base);
	r->gs = segment(x->gs, x->gs_sel, x->gs_base);
	r->ss = segment(x->ss, x->ss_sel, x->ss_base);
	r->gdtr.base = x->gdtr_base;
	r->gdtr.limit = x->gdtr_limit;
	r->sysenter_cs = x->sysenter_cs;
	r->sysenter_esp = x->sysenter_esp;
	r->sysenter_eip = x->sysenter_eip;
	r->shadow_gs = x->shadow_gs;
	r->efer = x->msr_efer;
	r->star = x->msr_star;
	r->lstar = x->msr_lstar;
}

/* -------------------------------------------------------------------------------------------- */
/* The reasons                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static void decode_memory(const vm_event_request_t *q, struct vmt_event *ev)
{
	const struct vm_event_mem_access *m = &q->u.mem_access;
	struct vmt_memory_access *a = &ev->u.memory;

	a->gpa = vmt_gpa_from((m->gfn << VMT_PAGE_SHIFT) + m->offset);
	a->access = m->flags & MEM_ACCESS_RWX;
	a->flags |= m->flags & MEM_ACCESS_GLA_VALID ? VMT_MEM_GVA_VALID : 0;
	a->flags |= m->flags & MEM_ACCESS_FAULT_WITH_GLA ? VMT_MEM_AT_GVA : 0;
	a->flags |= m->flags & MEM_ACCESS_FAULT_IN_GPT ? VMT_MEM_IN_WALK : 0;
	if (a->flags & VMT_MEM_GVA_VALID)
		a->gva = vmt_gva_from(m->gla);
}

static void decode_cr(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.cr.cr = q->u.write_ctrlreg.index; /* enum vmt_cr is Xen's VM_EVENT_X86_* */
	ev->u.cr.new_value = q->u.write_ctrlreg.new_value;
	ev->u.cr.old_value = q->u.write_ctrlreg.old_value;
}

static void decode_msr(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.msr.msr = (uint32_t)q->u.mov_to_msr.msr;
	ev->u.msr.new_value = q->u.mov_to_msr.new_value;
	ev->u.msr.old_value = q->u.mov_to_msr.old_value;
}

static void decode_trap(const struct vm_event_debug *d, uint8_t vector, struct vmt_event *ev)
{
	ev->u.interrupt.gfn = vmt_gfn_from(d->gfn);
	ev->u.interrupt.interrupt = (struct vmt_interrupt){
		.vector = vector,
		.type = d->type,
		.insn_length = (uint8_t)d->insn_length,
		.error_code = VMT_NO_ERROR_CODE,
		.extra = vector == VECTOR_DB ? d->pending_dbg : 0,
	};
}

static void decode_breakpoint(const vm_event_request_t *q, struct vmt_event *ev)
{
	decode_trap(&q->u.software_breakpoint, VECTOR_BP, ev);
}

static void decode_debug(const vm_event_request_t *q, struct vmt_event *ev)
{
	decode_trap(&q->u.debug_exception, VECTOR_DB, ev);
}

static void decode_step(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.step.gfn = vmt_gfn_from(q->u.singlestep.gfn);
}

static void decode_hypercall(const vm_event_request_t *q, struct vmt_event *ev)
{
	(void)q;
	ev->u.hypercall.insn_length = 3; /* VMCALL, VMMCALL */
}

static void decode_cpuid(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.cpuid.leaf = q->u.cpuid.leaf;
	ev->u.cpuid.subleaf = q->u.cpuid.subleaf;
	ev->u.cpuid.insn_length = (uint8_t)q->u.cpuid.insn_length;
}

/* Xen leaves an old error code and CR2 in the fields of interrupts that have none. */
static void decode_next_interrupt(const vm_event_request_t *q, struct vmt_event *ev)
{
	const struct vm_event_interrupt_x86 *i = &q->u.interrupt.x86;
	bool exception = i->type == VMT_INT_HW_EXCEPTION && i->vector < 32;
	struct vmt_interrupt *out = &ev->u.next_interrupt;

	out->vector = (uint8_t)i->vector;
	out->type = (uint8_t)i->type;
	out->error_code = VMT_NO_ERROR_CODE;
	if (exception && (WITH_CODE & (UINT32_C(1) << i->vector)))
		out->error_code = i->error_code;
	if (exception && i->vector == VECTOR_PF)
		out->extra = i->cr2;
}

static void decode_descriptor(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.descriptor.descriptor = q->u.desc_access.descriptor; /* VM_EVENT_DESC_* */
	ev->u.descriptor.write = q->u.desc_access.is_write;
	ev->u.descriptor.info = q->u.desc_access.arch.vmx.instr_info;
	ev->u.descriptor.qualification = q->u.desc_access.arch.vmx.exit_qualification;
}

static void decode_vmexit(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.vmexit.reason = q->u.vmexit.arch.vmx.reason;
	ev->u.vmexit.qualification = q->u.vmexit.arch.vmx.qualification;
}

#ifdef VM_EVENT_REASON_IO_INSTRUCTION
static void decode_io(const vm_event_request_t *q, struct vmt_event *ev)
{
	ev->u.io.port = q->u.io.port;
	ev->u.io.bytes = (uint8_t)q->u.io.bytes;
	ev->u.io.in = q->u.io.in;
	ev->u.io.string = q->u.io.str;
}
#endif

static const struct reason {
	uint32_t xen; /* VM_EVENT_REASON_* */
	uint16_t reason;
	void (*decode)(const vm_event_request_t *q, struct vmt_event *ev); /* NULL: no fields */
} reasons[] = {
	{VM_EVENT_REASON_MEM_ACCESS, VMT_EVENT_MEMORY_ACCESS, decode_memory},
	{VM_EVENT_REASON_WRITE_CTRLREG, VMT_EVENT_WRITE_CR, decode_cr},
	{VM_EVENT_REASON_MOV_TO_MSR, VMT_EVENT_WRITE_MSR, decode_msr},
	{VM_EVENT_REASON_SOFTWARE_BREAKPOINT, VMT_EVENT_INTERRUPT, decode_breakpoint},
	{VM_EVENT_REASON_SINGLESTEP, VMT_EVENT_SINGLESTEP, decode_step},
	{VM_EVENT_REASON_GUEST_REQUEST, VMT_EVENT_HYPERCALL, decode_hypercall},
	{VM_EVENT_REASON_DEBUG_EXCEPTION, VMT_EVENT_INTERRUPT, decode_debug},
	{VM_EVENT_REASON_CPUID, VMT_EVENT_CPUID, decode_cpuid},
	{VM_EVENT_REASON_INTERRUPT, VMT_EVENT_NEXT_INTERRUPT, decode_next_interrupt},
	{VM_EVENT_REASON_DESCRIPTOR_ACCESS, VMT_EVENT_DESCRIPTOR, decode_descriptor},
	{VM_EVENT_REASON_EMUL_UNIMPLEMENTED, VMT_EVENT_EMUL_UNIMPLEMENTED, NULL},
	{VM_EVENT_REASON_VMEXIT, VMT_EVENT_VMEXIT, decode_vmexit},
#ifdef VM_EVENT_REASON_IO_INSTRUCTION
	{VM_EVENT_REASON_IO_INSTRUCTION, VMT_EVENT_IO, decode_io},
#endif
};

void vmt_xen_request_decode(const vm_event_request_t *request, struct vmt_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->vcpu = (uint16_t)request->vcpu_id;
	ev->flags |= request->flags & VM_EVENT_FLAG_VCPU_PAUSED ? VMT_EVENT_SYNC : 0;
	ev->flags |= request->flags & VM_EVENT_FLAG_NESTED_P2M ? VMT_EVENT_NESTED : 0;
	if (request->flags & VM_EVENT_FLAG_ALTERNATE_P2M) {
		ev->flags |= VMT_EVENT_HAS_VIEW;
		ev->view = request->altp2m_idx;
	}
	decode_regs(&request->data.regs.x86, &ev->regs);
	ev->raw = request;
	ev->raw_len = sizeof(*request);
	ev->raw_kind = RAW_XEN_VM_EVENT_7;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].xen != request->reason)
			continue;
		ev->reason = reasons[i].reason;
		if (reasons[i].decode)
			reasons[i].decode(request, ev);
	}
}
