/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vCPU contexts: HVM save records, read one at a time and written as an image; and injection.
 *
 * A load takes down every vCPU that the image has no CPU record of (hvm_load), and a CPU record alone
 * loses the wider vector registers. So the image holds the CPU and extended-state records of all
 * vCPUs, and nothing else: no timer or interrupt controller is set back.
 *
 * Sources: xen/include/public/arch-x86/hvm/save.h, xen/arch/x86/hvm/save.c (hvm_load),
 * xen/arch/x86/hvm/hvm.c (hvm_save_cpu_ctxt, hvm_load_cpu_ctxt), xen/arch/x86/hvm/dm.c.
 */
#include <stdlib.h>
#include <string.h>

#include "driver.h"

#define FIELD(name, member)                                      \
	{                                                        \
		(name), offsetof(struct hvm_hw_cpu, member),     \
			sizeof(((struct hvm_hw_cpu *)0)->member) \
	}

/* Where each field of struct vmt_regs stands in Xen's record; XCR0 is not there. */
static const struct place {
	const char *name; /* in vmt_reg_fields */
	size_t offset, width;
} places[] = {
	FIELD("rax", rax),
	FIELD("rcx", rcx),
	FIELD("rdx", rdx),
	FIELD("rbx", rbx),
	FIELD("rsp", rsp),
	FIELD("rbp", rbp),
	FIELD("rsi", rsi),
	FIELD("rdi", rdi),
	FIELD("r8", r8),
	FIELD("r9", r9),
	FIELD("r10", r10),
	FIELD("r11", r11),
	FIELD("r12", r12),
	FIELD("r13", r13),
	FIELD("r14", r14),
	FIELD("r15", r15),
	FIELD("rip", rip),
	FIELD("rflags", rflags),
	FIELD("cr0", cr0),
	FIELD("cr2", cr2),
	FIELD("cr3", cr3),
	FIELD("cr4", cr4),
	FIELD("dr0", dr0),
	FIELD("dr1", dr1),
	FIELD("dr2", dr2),
	FIELD("dr3", dr3),
	FIELD("dr6", dr6),
	FIELD("dr7", dr7),
#define SEGMENT(s)                                                  \
	FIELD(#s ".base", s##_base), FIELD(#s ".limit", s##_limit), \
		FIELD(#s ".selector", s##_sel), FIELD(#s ".access", s##_arbytes)
	SEGMENT(cs),
	SEGMENT(ds),
	SEGMENT(es),
	SEGMENT(fs),
	SEGMENT(gs),
	SEGMENT(ss),
	SEGMENT(tr),
	SEGMENT(ldtr),
	FIELD("gdtr.base", gdtr_base),
	FIELD("gdtr.limit", gdtr_limit),
	FIELD("idtr.base", idtr_base),
	FIELD("idtr.limit", idtr_limit),
	FIELD("sysenter_cs", sysenter_cs),
	FIELD("sysenter_esp", sysenter_esp),
	FIELD("sysenter_eip", sysenter_eip),
	FIELD("shadow_gs", shadow_gs),
	FIELD("efer", msr_efer),
	FIELD("star", msr_star),
	FIELD("lstar", msr_lstar),
	FIELD("cstar", msr_cstar),
	FIELD("sfmask", msr_syscall_mask),
	FIELD("tsc_aux", msr_tsc_aux),
};

/* -------------------------------------------------------------------------------------------- */
/* Reading                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void decode(const struct hvm_hw_cpu *cpu, struct vmt_regs *regs)
{
	memset(regs, 0, sizeof(*regs));
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct vmt_reg_field *f = vmt_reg_field_find(places[i].name);
		uint64_t value = 0;

		memcpy(&value, (const uint8_t *)cpu + places[i].offset, places[i].width);
		if (f)
			vmt_reg_set(regs, f, value);
	}
}

static int get_cpu(struct vmt_xen *x, uint16_t vcpu, struct hvm_hw_cpu *cpu)
{
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_need_vcpu(x, vcpu);
	if (r < 0)
		return r;
	memset(cpu, 0, sizeof(*cpu));
	if (xc_domain_hvm_getcontext_partial(x->xch, x->domid, HVM_SAVE_CODE(CPU), vcpu, cpu,
					     sizeof(*cpu)) < 0)
		return vmt_xen_failed(x,
				      "Xen does not give the registers of vCPU %u; a vCPU that was "
				      "never started has none",
				      vcpu);
	return 0;
}

int vmt_xen_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs)
{
	struct hvm_hw_cpu cpu;
	int r = get_cpu(vmt_xen_of(d), vcpu, &cpu);

	if (r == 0)
		decode(&cpu, regs);
	return r;
}

int vmt_xen_get_context(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context)
{
	struct hvm_hw_cpu cpu;
	int r = get_cpu(vmt_xen_of(d), vcpu, &cpu);

	if (r < 0)
		return r;
	memset(context, 0, sizeof(*context));
	decode(&cpu, &context->regs);
	_Static_assert(sizeof(context->fxsave) == sizeof(cpu.fpu_regs), "both are FXSAVE images");
	memcpy(context->fxsave, cpu.fpu_regs, sizeof(context->fxsave));
	context->fxsave_known = !!(cpu.flags & XEN_X86_FPU_INITIALISED);
	/* the time-stamp counter in it is that of the last save of a whole domain: of no use */
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Writing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

struct image {
	uint8_t *bytes;
	uint32_t size;
	struct hvm_hw_cpu *cpu; /* the record of the vCPU that is changed */
};

static bool is_wanted(uint16_t typecode)
{
	return typecode == HVM_SAVE_CODE(HEADER) || typecode == HVM_SAVE_CODE(CPU) ||
	       typecode == CPU_XSAVE_CODE || typecode == HVM_SAVE_CODE(END);
}

/* Leave only the wanted records, and find the one of @vcpu. False: the image is not as expected. */
static bool image_reduce(struct image *image, uint16_t vcpu)
{
	struct hvm_save_descriptor item;
	uint32_t to = 0;

	for (uint32_t at = 0; image->size - at >= sizeof(item);) {
		uint32_t whole;

		memcpy(&item, image->bytes + at, sizeof(item));
		if (item.length > image->size - at - sizeof(item))
			return false;
		whole = (uint32_t)sizeof(item) + item.length;
		if (is_wanted(item.typecode)) {
			memmove(image->bytes + to, image->bytes + at, whole);
			if (item.typecode == HVM_SAVE_CODE(CPU) && item.instance == vcpu &&
			    item.length >= sizeof(struct hvm_hw_cpu))
				image->cpu = (struct hvm_hw_cpu *)(void *)(image->bytes + to +
									   sizeof(item));
			to += whole;
		}
		at += whole;
		if (item.typecode == HVM_SAVE_CODE(END))
			break;
	}
	image->size = to;
	return image->cpu;
}

static int image_get(struct vmt_xen *x, uint16_t vcpu, struct image *image)
{
	int size = xc_domain_hvm_getcontext(x->xch, x->domid, NULL, 0);

	if (size <= 0)
		return vmt_xen_failed(x, "Xen does not tell the size of the domain's context");
	image->bytes = calloc(1, (size_t)size);
	if (!image->bytes)
		return vmt_xen_refuse(x, VMT_E_NO_MEMORY, "no memory for the domain's context");
	size = xc_domain_hvm_getcontext(x->xch, x->domid, image->bytes, (uint32_t)size);
	if (size <= 0)
		return vmt_xen_failed(x, "Xen does not give the domain's context");
	image->size = (uint32_t)size;
	if (!image_reduce(image, vcpu))
		return vmt_xen_refuse(x, VMT_E_HYPERVISOR,
				      "the domain's context has no record of vCPU %u; a vCPU that "
				      "was never started has none",
				      vcpu);
	return 0;
}

static void encode(const struct vmt_regs *regs, struct hvm_hw_cpu *cpu)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct vmt_reg_field *f = vmt_reg_field_find(places[i].name);
		uint64_t value;

		if (!f || !(regs->known & VMT_KNOWN(f->bit)))
			continue;
		value = vmt_reg_get(regs, f);
		memcpy((uint8_t *)cpu + places[i].offset, &value, places[i].width);
	}
}

static int set_paused(struct vmt_xen *x, uint16_t vcpu, const struct vmt_regs *regs,
		      struct image *image)
{
	struct hvm_hw_cpu before;
	int r = image_get(x, vcpu, image);

	if (r < 0)
		return r;
	if (!image->cpu)
		return vmt_xen_refuse(x, VMT_E_HYPERVISOR, "Xen gives no CPU record for vCPU %u",
				      vcpu);
	before = *image->cpu;
	encode(regs, image->cpu);
	if (xc_domain_hvm_setcontext(x->xch, x->domid, image->bytes, image->size) == 0)
		return 0;
	if (errno == EINVAL)
		r = vmt_xen_refuse(x, VMT_E_INVALID,
				   "Xen takes no such value of CR0, CR3, CR4, EFER or TSC_AUX for "
				   "vCPU %u; nothing was set",
				   vcpu);
	else
		r = vmt_xen_failed(x, "Xen does not set the registers of vCPU %u", vcpu);
	/* it stopped half-way, with vCPUs down: load what was there */
	*image->cpu = before;
	(void)xc_domain_hvm_setcontext(x->xch, x->domid, image->bytes, image->size);
	return r;
}

int vmt_xen_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	struct vmt_xen *x = vmt_xen_of(d);
	struct image image = {0};
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_need_vcpu(x, vcpu);
	if (r < 0)
		return r;
	if (regs->known & VMT_KNOWN(VMT_REG_XCR0))
		return vmt_xen_refuse(
			x, VMT_E_NOT_SUPPORTED,
			"XCR0 is not part of Xen's CPU record (struct hvm_hw_cpu) and cannot be "
			"set; leave its bit out of the mask");
	r = vmt_xen_pause(d);
	if (r < 0)
		return r;
	r = set_paused(x, vcpu, regs, &image);
	free(image.bytes);
	if (r < 0) {
		struct vmt_error why = x->base.err;

		vmt_xen_resume(d);
		x->base.err = why;
		return r;
	}
	return vmt_xen_resume(d);
}

/* -------------------------------------------------------------------------------------------- */
/* Injection                                                                                    */
/* -------------------------------------------------------------------------------------------- */

int vmt_xen_inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *in)
{
	struct vmt_xen *x = vmt_xen_of(d);
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_need_vcpu(x, vcpu);
	if (r == 0)
		r = vmt_xen_need(x, VMT_CAP_INJECT);
	if (r == 0)
		r = vmt_refuse_injection(x->vendor, in, &x->base.err);
	if (r < 0)
		return r;
	if (xendevicemodel_inject_event(x->model, (domid_t)x->domid, vcpu, in->vector, in->type,
					in->error_code, in->insn_length, in->extra) < 0) {
		if (errno == EBUSY)
			return vmt_xen_refuse(x, VMT_E_BUSY,
					      "another injection waits for vCPU %u already; let it "
					      "run first",
					      vcpu);
		return vmt_xen_failed(x, "Xen does not inject vector %u", in->vector);
	}
	x->vcpus[vcpu].injecting = true;
	return 0;
}
