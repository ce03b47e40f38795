/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the guest asks Xen for: the hypercall page, and those hypercalls that small kernels need. All
 * others are -ENOSYS.
 *
 * Sources: Xen xen/include/public/{xen,sched,vcpu,version}.h, hvm/hvm_op.h, hvm/hvm_vcpu.h;
 * xen/arch/x86/hvm/hypercall.c (hvm_hypercall), hvm/domain.c (arch_set_info_hvm_guest),
 * hvm/vmx/vmx.c (vmx_init_hypercall_page).
 */
#include <errno.h>
#include <string.h>

#include "domain.h"

#define CALL_VERSION    17u
#define CALL_CONSOLE_IO 18u
#define CALL_IRET       23u
#define CALL_VCPU_OP    24u
#define CALL_SCHED_OP   29u
#define CALL_HVM_OP     34u

#define CALL_SIZE       32u /* bytes of the page for each call */
#define CONSOLE_WRITE   0u
#define CONSOLE_MAX     4096u
#define XENVER_VERSION  0u
#define SCHED_YIELD     0u
#define SCHED_BLOCK     1u
#define SCHED_SHUTDOWN  2u
#define GUEST_REQUEST   24u
#define VCPU_INITIALISE 0u
#define VCPU_UP         1u
#define VCPU_DOWN       2u
#define VCPU_IS_UP      3u
#define VCPU_MODE_64    1u

/** struct vcpu_hvm_context for VCPU_HVM_MODE_64B. */
struct vcpu_context {
	uint32_t mode, padding;
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, rip, rflags;
	uint64_t cr0, cr3, cr4, efer;
};

/* -------------------------------------------------------------------------------------------- */
/* The page                                                                                     */
/* -------------------------------------------------------------------------------------------- */

void vmt_emulated_hypercall_page(struct vmt_emulated *e, uint64_t gfn)
{
	static const uint8_t vmcall_ret[] = {0x0f, 0x01, 0xc1, 0xc3}, ud2[] = {0x0f, 0x0b};
	uint8_t *page = vmt_emulated_page(e, gfn);

	memset(page, 0xcc, VMT_PAGE_SIZE);
	for (uint32_t i = 0; i < VMT_PAGE_SIZE / CALL_SIZE; i++) {
		uint8_t *p = page + (size_t)i * CALL_SIZE;

		p[0] = 0xb8; /* mov $i, %eax */
		memcpy(p + 1, &i, sizeof(i));
		memcpy(p + 1 + sizeof(i), vmcall_ret, sizeof(vmcall_ret));
	}
	memcpy(page + (size_t)CALL_IRET * CALL_SIZE, ud2, sizeof(ud2));
}

/* -------------------------------------------------------------------------------------------- */
/* The guest's memory                                                                           */
/* -------------------------------------------------------------------------------------------- */

/* Copy from the vCPU's address space, past views, as Xen does. False: it is not mapped. */
static bool copy_in(struct vmt_emulated_vcpu *v, uint64_t gva, void *buf, size_t len)
{
	struct vmt_emulated *e = v->domain;
	uint8_t *to = buf;

	while (len > 0) {
		size_t part = VMT_PAGE_SIZE - (gva & VMT_PAGE_MASK);
		const uint8_t *page;
		vmt_gpa gpa;

		if (vmt_emulator_translate(e->emulator, &v->cpu, vmt_gva_from(gva), VMT_R, &gpa,
					   &e->result) != VMT_STEP_DONE)
			return false;
		page = vmt_emulated_page(e, vmt_gfn_of(gpa).n);
		if (!page)
			return false;
		part = part < len ? part : len;
		memcpy(to, page + (gpa.a & VMT_PAGE_MASK), part);
		to += part;
		gva += part;
		len -= part;
	}
	return true;
}

/* -------------------------------------------------------------------------------------------- */
/* Calls                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int64_t do_version(struct vmt_emulated_vcpu *v, const struct vmt_gprs *g)
{
	const struct vmt_emulated_config *config = &v->domain->config;

	if (g->rdi != XENVER_VERSION)
		return -ENOSYS;
	return (int64_t)config->xen_major << 16 | config->xen_minor;
}

static int64_t do_console(struct vmt_emulated_vcpu *v, const struct vmt_gprs *g)
{
	const struct vmt_emulated_config *config = &v->domain->config;
	char text[CONSOLE_MAX];
	size_t len = g->rsi < sizeof(text) ? (size_t)g->rsi : sizeof(text);

	if (g->rdi != CONSOLE_WRITE)
		return -ENOSYS;
	if (!copy_in(v, g->rdx, text, len))
		return -EFAULT;
	if (config->console)
		config->console(config->console_arg, text, len);
	return 0;
}

static int64_t initialise(struct vmt_emulated_vcpu *target, const struct vcpu_context *c)
{
	static const struct vmt_segment code = {0, UINT32_MAX, 0, 0xa9b};
	static const struct vmt_segment data = {0, UINT32_MAX, 0, 0xc93};
	struct vmt_regs *regs = vmt_emulated_regs(target);

	if (target->initialised || target->up)
		return -EEXIST;
	if (c->mode != VCPU_MODE_64 || !(c->efer & VMT_EFER_LME) || !(c->cr0 & VMT_CR0_PG))
		return -EINVAL;
	vmt_emulated_vcpu_reset(target);
	regs->gprs = (struct vmt_gprs){
		.rax = c->rax,
		.rcx = c->rcx,
		.rdx = c->rdx,
		.rbx = c->rbx,
		.rsp = c->rsp,
		.rbp = c->rbp,
		.rsi = c->rsi,
		.rdi = c->rdi,
		.rip = c->rip,
		.rflags = c->rflags | 2,
	};
	regs->cr0 = c->cr0;
	regs->cr3 = c->cr3;
	regs->cr4 = c->cr4;
	regs->efer = c->efer | VMT_EFER_LMA;
	regs->cs = code;
	regs->ds = data;
	regs->es = data;
	regs->ss = data;
	target->initialised = true;
	return 0;
}

static int64_t do_vcpu(struct vmt_emulated_vcpu *v, const struct vmt_gprs *g)
{
	struct vmt_emulated *e = v->domain;
	struct vmt_emulated_vcpu *target;
	struct vcpu_context context;

	if (g->rsi >= e->config.vcpus)
		return -ENOENT;
	target = &e->vcpus[g->rsi];
	switch (g->rdi) {
	case VCPU_INITIALISE:
		if (!copy_in(v, g->rdx, &context, sizeof(context)))
			return -EFAULT;
		return initialise(target, &context);
	case VCPU_UP:
		if (!target->initialised && !target->up)
			return -EINVAL;
		target->up = true;
		target->next_timer = e->now + e->config.timer_ns;
		return 0;
	case VCPU_DOWN:
		target->up = false;
		return 0;
	case VCPU_IS_UP:
		return target->up;
	default:
		return -ENOSYS;
	}
}

static int64_t do_sched(struct vmt_emulated_vcpu *v, const struct vmt_gprs *g)
{
	struct vmt_emulated *e = v->domain;
	uint32_t reason;

	switch (g->rdi) {
	case SCHED_YIELD:
		e->turn_left = 0;
		return 0;
	case SCHED_BLOCK:
		v->halted = !v->timer;
		vmt_emulated_regs(v)->gprs.rflags |= VMT_RFLAGS_IF;
		return 0;
	case SCHED_SHUTDOWN:
		if (!copy_in(v, g->rsi, &reason, sizeof(reason)))
			return -EFAULT;
		e->gone = true;
		return 0;
	default:
		return -ENOSYS;
	}
}

/* A kernel's calls come in 64-bit mode, with the arguments in RDI, RSI, RDX. */
static int64_t call(struct vmt_emulated_vcpu *v)
{
	const struct vmt_gprs *g = &vmt_emulated_regs(v)->gprs;

	if (vmt_cpl(vmt_emulated_regs(v)) != 0)
		return -EPERM;
	switch (g->rax) {
	case CALL_VERSION:
		return do_version(v, g);
	case CALL_CONSOLE_IO:
		return do_console(v, g);
	case CALL_VCPU_OP:
		return do_vcpu(v, g);
	case CALL_SCHED_OP:
		return do_sched(v, g);
	default:
		return -ENOSYS;
	}
}

int vmt_emulated_hypercall(struct vmt_emulated_vcpu *v, uint8_t insn_length)
{
	struct vmt_emulated *e = v->domain;
	struct vmt_gprs *g = &vmt_emulated_regs(v)->gprs;

	if (g->rax == CALL_HVM_OP && g->rdi == GUEST_REQUEST)
		return vmt_model_hypercall(e->model, v->number, insn_length, &e->driver.err);
	g->rax = (uint64_t)call(v);
	g->rip += insn_length;
	return VMT_GUEST_GOES_ON;
}
