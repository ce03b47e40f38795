/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * System instructions but those of control registers and MSRs: software interrupts, IF, HLT, CPUID,
 * clocks, descriptor tables, and groups 6 and 7 (Intel SDM volume 2).
 */
#include "emulation/system.h"

static int trap(struct vmt_exec *x, uint8_t vector, uint8_t type)
{
	x->r->interrupt = (struct vmt_interrupt){
		.vector = vector,
		.type = type,
		.insn_length = x->insn.len,
		.error_code = VMT_NO_ERROR_CODE,
	};
	x->r->outcome = VMT_STEP_TRAP;
	return VMT_STEP_TRAP;
}

int vmt_do_int3(struct vmt_exec *x)
{
	return trap(x, VMT_EXC_BP, VMT_INT_SW_EXCEPTION);
}

int vmt_do_int(struct vmt_exec *x)
{
	return trap(x, (uint8_t)x->insn.imm, VMT_INT_SW_INTERRUPT);
}

int vmt_do_icebp(struct vmt_exec *x)
{
	return trap(x, VMT_EXC_DB, VMT_INT_PRIV_SW_EXCEPTION);
}

int vmt_do_ud(struct vmt_exec *x)
{
	return vmt_exec_raise(x, VMT_EXC_UD);
}

/* FA, FB. STI holds interrupts back for one more instruction, when it sets IF. */
int vmt_do_cli_sti(struct vmt_exec *x)
{
	uint64_t *f = &x->regs->gprs.rflags;

	if (x->cpl > (*f >> 12 & 3)) {
		if (x->cpl == 3 && (x->regs->cr4 & 2))
			return vmt_exec_unsupported(x, "virtual interrupts of CR4.PVI");
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	}
	if (x->insn.opcode == 0xfa) {
		*f &= ~VMT_FLAG_IF;
		return 0;
	}
	if (!(*f & VMT_FLAG_IF)) {
		x->cpu->shadow |= VMT_SHADOW_STI;
		x->new_shadow = true;
	}
	*f |= VMT_FLAG_IF;
	return 0;
}

int vmt_do_hlt(struct vmt_exec *x)
{
	VMT_TRY(vmt_need_cpl0(x));
	x->halted = true;
	return 0;
}

int vmt_do_cpuid(struct vmt_exec *x)
{
	const struct vmt_cpu_ops *ops = x->em->ops;
	uint32_t leaf = (uint32_t)x->g[VMT_RAX], subleaf = (uint32_t)x->g[VMT_RCX], result[4];

	x->r->event.u.cpuid = (struct vmt_cpuid){leaf, subleaf, x->insn.len};
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_CPUID));
	if (!ops->cpuid || ops->cpuid(x->cpu->ctx, leaf, subleaf, result))
		return vmt_exec_unsupported(x, "a CPUID leaf that nothing is known about");
	x->g[VMT_RAX] = result[0];
	x->g[VMT_RBX] = result[1];
	x->g[VMT_RCX] = result[2];
	x->g[VMT_RDX] = result[3];
	return 0;
}

static int read_clock(struct vmt_exec *x)
{
	if (x->cpl && (x->regs->cr4 & VMT_CR4_TSD))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_TSC));
	if (!(x->cpu->known & VMT_CPU_KNOWS_TSC))
		return vmt_missing_register(x, VMT_MISSING_TSC);
	x->g[VMT_RAX] = x->cpu->tsc & UINT32_MAX;
	x->g[VMT_RDX] = x->cpu->tsc >> 32;
	return 0;
}

int vmt_do_rdtsc(struct vmt_exec *x)
{
	return read_clock(x);
}

static int rdtscp(struct vmt_exec *x)
{
	VMT_TRY(vmt_exec_need(x, VMT_REG_TSC_AUX));
	VMT_TRY(read_clock(x));
	x->g[VMT_RCX] = x->regs->tsc_aux & UINT32_MAX;
	return 0;
}

/* 0F 08, 0F 09. */
int vmt_do_wbinvd(struct vmt_exec *x)
{
	VMT_TRY(vmt_need_cpl0(x));
	return vmt_exec_intercept(x, VMT_INTERCEPT_WBINVD);
}

/* 0F 0D: PREFETCHW and its kin; with a register a NOP. */
int vmt_do_0f0d(struct vmt_exec *x)
{
	(void)x;
	return 0;
}

static int descriptor_event(struct vmt_exec *x, uint8_t which, bool write)
{
	x->r->event.u.descriptor = (struct vmt_descriptor_access){
		.descriptor = which,
		.write = write,
	};
	return vmt_exec_intercept(x, VMT_INTERCEPT_DESCRIPTOR);
}

/* User-mode instruction prevention. */
static int check_umip(struct vmt_exec *x)
{
	if (x->cpl && (x->regs->cr4 & VMT_CR4_UMIP))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	return 0;
}

/* SGDT, SIDT. */
static int store_table(struct vmt_exec *x, bool idt)
{
	const struct vmt_table *t = idt ? &x->regs->idtr : &x->regs->gdtr;
	unsigned size = x->long64 ? 8 : 4;
	uint8_t bytes[10] = {0};
	uint16_t limit = (uint16_t)t->limit;

	VMT_TRY(check_umip(x));
	VMT_TRY(descriptor_event(x, idt ? VMT_DESC_IDTR : VMT_DESC_GDTR, false));
	VMT_TRY(vmt_exec_need(x, idt ? VMT_REG_IDTR : VMT_REG_GDTR));
	memcpy(bytes, &limit, 2);
	memcpy(bytes + 2, &t->base, size);
	return vmt_mem_set(x, bytes, 2 + size);
}

/* LGDT, LIDT. */
static int load_table(struct vmt_exec *x, bool idt)
{
	struct vmt_table *t = idt ? &x->regs->idtr : &x->regs->gdtr;
	unsigned size = x->long64 ? 8 : 4;
	uint8_t bytes[10] = {0};
	uint16_t limit;
	uint64_t base = 0;

	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(descriptor_event(x, idt ? VMT_DESC_IDTR : VMT_DESC_GDTR, true));
	VMT_TRY(vmt_mem_get(x, bytes, 2 + size, VMT_R));
	memcpy(&limit, bytes, 2);
	memcpy(&base, bytes + 2, size);
	if (!x->long64 && x->insn.p66)
		base &= 0xffffff;
	if (!vmt_canonical(x, base))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	t->base = base;
	t->limit = limit;
	x->regs->known |= VMT_KNOWN(idt ? VMT_REG_IDTR : VMT_REG_GDTR);
	return 0;
}

static int smsw(struct vmt_exec *x)
{
	VMT_TRY(check_umip(x));
	return vmt_rm_set(x, x->insn.mod == 3 ? x->insn.operand_size : 2, x->regs->cr0);
}

static int invlpg(struct vmt_exec *x)
{
	uint64_t gva = vmt_effective(x);
	unsigned seg = vmt_operand_segment(x);

	VMT_TRY(vmt_need_cpl0(x));
	if (seg == VMT_FS || seg == VMT_GS)
		gva += vmt_segment_of(x, seg)->base;
	x->r->event.u.address = vmt_gva_from(gva);
	return vmt_exec_intercept(x, VMT_INTERCEPT_INVLPG);
}

static int swapgs(struct vmt_exec *x)
{
	struct vmt_regs *r = x->regs;
	uint64_t base = r->gs.base;

	if (!x->long64)
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(vmt_exec_need(x, VMT_REG_GS));
	VMT_TRY(vmt_exec_need(x, VMT_REG_SHADOW_GS));
	r->gs.base = r->shadow_gs;
	r->shadow_gs = base;
	return 0;
}

/* CLAC, STAC. */
static int access_check(struct vmt_exec *x, bool set)
{
	if (x->cpl)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (set)
		x->regs->gprs.rflags |= VMT_FLAG_AC;
	else
		x->regs->gprs.rflags &= ~VMT_FLAG_AC;
	return 0;
}

static int vmcall(struct vmt_exec *x)
{
	VMT_TRY(vmt_exec_intercept(x, VMT_INTERCEPT_VMCALL));
	return vmt_exec_raise(x, VMT_EXC_UD);
}

/* 0F 01 with a register. */
static int group7_register(struct vmt_exec *x)
{
	switch (x->insn.modrm) {
	case 0xc1:
	case 0xd9:
		return vmcall(x);
	case 0xca:
		return access_check(x, false);
	case 0xcb:
		return access_check(x, true);
	case 0xd0:
		return vmt_xgetbv(x);
	case 0xd1:
		return vmt_xsetbv(x);
	case 0xf8:
		return swapgs(x);
	case 0xf9:
		return rdtscp(x);
	default:
		break;
	}
	switch (x->insn.modrm >> 3 & 7) {
	case 4:
		return smsw(x);
	case 6:
		return vmt_lmsw(x);
	default:
		return vmt_exec_unsupported(x, "a system instruction that is not done here");
	}
}

int vmt_do_0f01(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7;

	if (x->insn.mod == 3)
		return group7_register(x);
	switch (op) {
	case 0:
	case 1:
		return store_table(x, op == 1);
	case 2:
	case 3:
		return load_table(x, op == 3);
	case 4:
		return smsw(x);
	case 6:
		return vmt_lmsw(x);
	case 7:
		return invlpg(x);
	default:
		return vmt_exec_unsupported(x, "a system instruction that is not done here");
	}
}

/* LLDT and LTR: system descriptors have 16 bytes in long mode. */
static int load_system(struct vmt_exec *x, bool tr)
{
	struct vmt_segment *s = tr ? &x->regs->tr : &x->regs->ldtr, loaded;
	struct vmt_descriptor_bytes d;
	unsigned type;
	uint64_t selector;
	uint32_t code;

	VMT_TRY(vmt_need_cpl0(x));
	VMT_TRY(descriptor_event(x, tr ? VMT_DESC_TR : VMT_DESC_LDTR, true));
	VMT_TRY(vmt_rm_get(x, 2, &selector));
	code = (uint32_t)selector & 0xfffc;
	x->regs->known |= VMT_KNOWN(tr ? VMT_REG_TR : VMT_REG_LDTR);
	if (!code) {
		if (tr)
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
		*s = (struct vmt_segment){.selector = (uint16_t)selector};
		return 0;
	}
	if (selector & 4)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	VMT_TRY(vmt_descriptor_read(x, (uint16_t)selector, VMT_EXC_GP, x->long_mode ? 16 : 8, &d));
	loaded = vmt_descriptor_segment(d, (uint16_t)selector);
	type = loaded.access & 0x1f;
	if (tr ? type != 9 : type != 2)
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (!(loaded.access & 0x80))
		return vmt_exec_raise_code(x, VMT_EXC_NP, code);
	if (!vmt_canonical(x, loaded.base))
		return vmt_exec_raise_code(x, VMT_EXC_GP, code);
	if (tr) {
		VMT_TRY(vmt_descriptor_mark(x, (uint16_t)selector, UINT64_C(1) << 41, d.low));
		loaded.access |= 2; /* busy */
	}
	*s = loaded;
	return 0;
}

/* SLDT, STR. */
static int store_system(struct vmt_exec *x, bool tr)
{
	const struct vmt_segment *s = tr ? &x->regs->tr : &x->regs->ldtr;

	VMT_TRY(check_umip(x));
	VMT_TRY(descriptor_event(x, tr ? VMT_DESC_TR : VMT_DESC_LDTR, false));
	VMT_TRY(vmt_exec_need(x, tr ? VMT_REG_TR : VMT_REG_LDTR));
	return vmt_rm_set(x, x->insn.mod == 3 ? x->insn.operand_size : 2, s->selector);
}

int vmt_do_0f00(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7;

	switch (op) {
	case 0:
	case 1:
		return store_system(x, op == 1);
	case 2:
	case 3:
		return load_system(x, op == 3);
	case 4:
	case 5:
		return vmt_verify(x, op == 5);
	default:
		return vmt_exec_raise(x, VMT_EXC_UD);
	}
}
