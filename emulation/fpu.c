/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * x87 and SSE control state: FXSAVE, XSAVE and their kin, MXCSR, and the x87 instructions that do not
 * compute (Intel SDM volume 1, chapters 8, 10 and 13).
 */
#include "emulation/exec.h"
#include "emulation/system.h"

#define XCR0_X87     UINT64_C(1)
#define XCR0_SSE     UINT64_C(2)
#define XCR0_AVX     UINT64_C(4)
#define LEGACY_LEN   416u /* of an FXSAVE image that is written */
#define HEADER_AT    512u
#define AVX_AT       576u
#define FXRSTOR_MASK UINT32_C(0xffff)

int vmt_need_sse(struct vmt_exec *x)
{
	const struct vmt_regs *r = x->regs;

	if ((r->cr0 & VMT_CR0_EM) || !(r->cr4 & VMT_CR4_OSFXSR))
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (r->cr0 & VMT_CR0_TS)
		return vmt_exec_raise(x, VMT_EXC_NM);
	return x->cpu->known & VMT_CPU_KNOWS_X87_SSE ? 0 : vmt_missing_register(x, VMT_MISSING_FPU);
}

int vmt_need_x87(struct vmt_exec *x)
{
	if (x->insn.op->flags & OP_MMX) {
		if (x->regs->cr0 & VMT_CR0_EM)
			return vmt_exec_raise(x, VMT_EXC_UD);
	}
	if (x->regs->cr0 & (VMT_CR0_EM | VMT_CR0_TS))
		return vmt_exec_raise(x, VMT_EXC_NM);
	return x->cpu->known & VMT_CPU_KNOWS_X87_SSE ? 0 : vmt_missing_register(x, VMT_MISSING_FPU);
}

int vmt_need_avx(struct vmt_exec *x)
{
	const struct vmt_regs *r = x->regs;

	if (!(r->cr4 & VMT_CR4_OSXSAVE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_exec_need(x, VMT_REG_XCR0));
	if ((r->xcr0 & 6) != 6)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (r->cr0 & VMT_CR0_TS)
		return vmt_exec_raise(x, VMT_EXC_NM);
	if (!(x->cpu->known & VMT_CPU_KNOWS_X87_SSE))
		return vmt_missing_register(x, VMT_MISSING_FPU);
	return x->cpu->known & VMT_CPU_KNOWS_AVX ? 0 : vmt_missing_register(x, VMT_MISSING_AVX);
}

static void init_x87(struct vmt_fpu *f)
{
	f->fcw = 0x37f;
	f->fsw = f->fop = 0;
	f->ftw = 0;
	f->fip = f->fdp = 0;
}

void vmt_cpu_init(struct vmt_cpu *cpu, struct vmt_regs *regs, void *ctx)
{
	memset(cpu, 0, sizeof(*cpu));
	cpu->regs = regs;
	cpu->ctx = ctx;
	cpu->known = VMT_CPU_KNOWS_ALL;
	cpu->pat = UINT64_C(0x0007040600070406);
	init_x87(&cpu->fpu);
	cpu->fpu.mxcsr = 0x1f80;
	cpu->fpu.mxcsr_mask = FXRSTOR_MASK;
}

static void get_x87(const struct vmt_fpu *f, uint8_t *image)
{
	memcpy(image, &f->fcw, 2);
	memcpy(image + 2, &f->fsw, 2);
	image[4] = f->ftw;
	image[5] = 0;
	memcpy(image + 6, &f->fop, 2);
	memcpy(image + 8, &f->fip, 8);
	memcpy(image + 16, &f->fdp, 8);
	for (size_t i = 0; i < 8; i++) {
		memcpy(image + 32 + 16 * i, f->st[i], 10);
		memset(image + 42 + 16 * i, 0, 6);
	}
}

static void set_x87(struct vmt_fpu *f, const uint8_t *image)
{
	memcpy(&f->fcw, image, 2);
	f->fcw |= 0x40;
	memcpy(&f->fsw, image + 2, 2);
	f->ftw = image[4];
	memcpy(&f->fop, image + 6, 2);
	memcpy(&f->fip, image + 8, 8);
	memcpy(&f->fdp, image + 16, 8);
	for (size_t i = 0; i < 8; i++)
		memcpy(f->st[i], image + 32 + 16 * i, 10);
}

static void get_mxcsr(const struct vmt_fpu *f, uint8_t *image)
{
	memcpy(image + 24, &f->mxcsr, 4);
	memcpy(image + 28, &f->mxcsr_mask, 4);
}

static void get_sse(const struct vmt_fpu *f, uint8_t *image)
{
	for (size_t i = 0; i < 16; i++)
		memcpy(image + 160 + 16 * i, f->ymm[i].b, 16);
}

static void set_sse(struct vmt_fpu *f, const uint8_t *image)
{
	for (size_t i = 0; i < 16; i++)
		memcpy(f->ymm[i].b, image + 160 + 16 * i, 16);
}

void vmt_cpu_set_fxsave(struct vmt_cpu *cpu, const uint8_t image[512])
{
	set_x87(&cpu->fpu, image);
	memcpy(&cpu->fpu.mxcsr, image + 24, 4);
	memcpy(&cpu->fpu.mxcsr_mask, image + 28, 4);
	if (!cpu->fpu.mxcsr_mask)
		cpu->fpu.mxcsr_mask = 0xffbf;
	set_sse(&cpu->fpu, image);
	cpu->known |= VMT_CPU_KNOWS_X87_SSE | VMT_CPU_KNOWS_FP_FLAGS;
}

void vmt_cpu_get_fxsave(const struct vmt_cpu *cpu, uint8_t image[512])
{
	memset(image, 0, 512);
	get_x87(&cpu->fpu, image);
	get_mxcsr(&cpu->fpu, image);
	get_sse(&cpu->fpu, image);
}

/* Whoever stores the exception flags must know them. */
static int need_fp_flags(struct vmt_exec *x)
{
	return x->cpu->known & VMT_CPU_KNOWS_FP_FLAGS
		       ? 0
		       : vmt_missing_register(x, VMT_MISSING_FP_FLAGS);
}

/* The operand's linear address, aligned to @align. */
static int area(struct vmt_exec *x, uint32_t len, uint32_t align, uint64_t *gva)
{
	VMT_TRY(vmt_linear(x, vmt_operand_segment(x), vmt_effective(x), len, gva));
	return *gva & (align - 1) ? vmt_exec_raise_code(x, VMT_EXC_GP, 0) : 0;
}

static int set_mxcsr(struct vmt_exec *x, uint32_t value)
{
	if (value & ~x->cpu->fpu.mxcsr_mask)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	x->cpu->fpu.mxcsr = value;
	return 0;
}

static int need_fxsave(struct vmt_exec *x)
{
	if (x->regs->cr0 & (VMT_CR0_EM | VMT_CR0_TS))
		return vmt_exec_raise(x, VMT_EXC_NM);
	return x->cpu->known & VMT_CPU_KNOWS_X87_SSE ? 0 : vmt_missing_register(x, VMT_MISSING_FPU);
}

/* Without REX.W the pointers have 32 bits, and selectors that CPUs no longer keep. */
static void narrow_pointers(const struct vmt_exec *x, uint8_t *image)
{
	if (x->insn.w)
		return;
	memset(image + 12, 0, 4);
	memset(image + 20, 0, 4);
}

static int fxsave(struct vmt_exec *x)
{
	uint8_t image[512];
	uint64_t gva = 0;

	VMT_TRY(need_fxsave(x));
	VMT_TRY(need_fp_flags(x));
	VMT_TRY(area(x, 512, 16, &gva));
	vmt_cpu_get_fxsave(x->cpu, image);
	narrow_pointers(x, image);
	return vmt_exec_write(x, gva, image, LEGACY_LEN, 0);
}

static int fxrstor(struct vmt_exec *x)
{
	uint8_t image[512];
	uint32_t mxcsr;
	uint64_t gva = 0;

	VMT_TRY(need_fxsave(x));
	VMT_TRY(area(x, 512, 16, &gva));
	VMT_TRY(vmt_exec_read(x, gva, image, 512, VMT_R));
	memcpy(&mxcsr, image + 24, 4);
	VMT_TRY(set_mxcsr(x, mxcsr));
	narrow_pointers(x, image);
	set_x87(&x->cpu->fpu, image);
	set_sse(&x->cpu->fpu, image);
	x->cpu->known |= VMT_CPU_KNOWS_FP_FLAGS;
	return 0;
}

static int need_xsave(struct vmt_exec *x)
{
	if (!(x->regs->cr4 & VMT_CR4_OSXSAVE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_exec_need(x, VMT_REG_XCR0));
	if (x->regs->cr0 & VMT_CR0_TS)
		return vmt_exec_raise(x, VMT_EXC_NM);
	if (!(x->cpu->known & VMT_CPU_KNOWS_X87_SSE))
		return vmt_missing_register(x, VMT_MISSING_FPU);
	if (x->regs->xcr0 & ~(XCR0_X87 | XCR0_SSE | XCR0_AVX))
		return vmt_exec_unsupported(x, "XSAVE of state above AVX");
	if ((x->regs->xcr0 & XCR0_AVX) && !(x->cpu->known & VMT_CPU_KNOWS_AVX))
		return vmt_missing_register(x, VMT_MISSING_AVX);
	return 0;
}

/* Which components are not in their initial state. */
static uint64_t in_use(const struct vmt_fpu *f)
{
	uint64_t used = 0, sse = 0, avx = 0;

	for (size_t i = 0; i < 16; i++) {
		sse |= f->ymm[i].q[0] | f->ymm[i].q[1];
		avx |= f->ymm[i].q[2] | f->ymm[i].q[3];
	}
	if (f->fcw != 0x37f || f->fsw || f->ftw || f->fop || f->fip || f->fdp)
		used |= XCR0_X87;
	return used | (sse ? XCR0_SSE : 0) | (avx ? XCR0_AVX : 0);
}

static uint64_t requested(const struct vmt_exec *x)
{
	return x->regs->xcr0 & ((x->g[VMT_RDX] & UINT32_MAX) << 32 | (x->g[VMT_RAX] & UINT32_MAX));
}

static int xsave(struct vmt_exec *x)
{
	const struct vmt_fpu *f = &x->cpu->fpu;
	uint64_t want = requested(x), gva = 0, bv;
	uint8_t image[512], high[256];

	VMT_TRY(need_xsave(x));
	VMT_TRY(need_fp_flags(x));
	VMT_TRY(area(x, x->regs->xcr0 & XCR0_AVX ? AVX_AT + 256 : AVX_AT, 64, &gva));
	vmt_cpu_get_fxsave(x->cpu, image);
	narrow_pointers(x, image);
	VMT_TRY(vmt_exec_read(x, gva + HEADER_AT, &bv, 8, VMT_RW));
	if (want & XCR0_X87) {
		VMT_TRY(vmt_exec_write(x, gva, image, 24, 0));
		VMT_TRY(vmt_exec_write(x, gva + 32, image + 32, 128, 0));
	}
	if (want & (XCR0_SSE | XCR0_AVX))
		VMT_TRY(vmt_exec_write(x, gva + 24, image + 24, 8, 0));
	if (want & XCR0_SSE)
		VMT_TRY(vmt_exec_write(x, gva + 160, image + 160, 256, 0));
	if (want & XCR0_AVX) {
		for (size_t i = 0; i < 16; i++)
			memcpy(high + 16 * i, f->ymm[i].b + 16, 16);
		VMT_TRY(vmt_exec_write(x, gva + AVX_AT, high, sizeof(high), 0));
	}
	bv = (bv & ~want) | (want & in_use(f));
	return vmt_exec_write(x, gva + HEADER_AT, &bv, 8, 0);
}

static int restore_avx(struct vmt_exec *x, uint64_t gva, bool from_memory)
{
	uint8_t high[256] = {0};

	if (from_memory)
		VMT_TRY(vmt_exec_read(x, gva + AVX_AT, high, sizeof(high), VMT_R));
	for (size_t i = 0; i < 16; i++)
		memcpy(x->cpu->fpu.ymm[i].b + 16, high + 16 * i, 16);
	return 0;
}

static int xrstor(struct vmt_exec *x)
{
	struct vmt_fpu *f = &x->cpu->fpu;
	uint64_t want = requested(x), gva = 0, header[3];
	uint8_t image[512];
	uint32_t mxcsr;

	VMT_TRY(need_xsave(x));
	VMT_TRY(area(x, AVX_AT, 64, &gva));
	VMT_TRY(vmt_exec_read(x, gva + HEADER_AT, header, sizeof(header), VMT_R));
	if (header[1] >> 63)
		return vmt_exec_unsupported(x, "XRSTOR of the compacted form");
	if ((header[0] & ~x->regs->xcr0) || header[1] || header[2])
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	VMT_TRY(vmt_exec_read(x, gva, image, sizeof(image), VMT_R));
	memcpy(&mxcsr, image + 24, 4);
	if (want & (XCR0_SSE | XCR0_AVX))
		VMT_TRY(set_mxcsr(x, mxcsr));
	if (want & XCR0_AVX)
		VMT_TRY(restore_avx(x, gva, header[0] & XCR0_AVX));
	if (want & XCR0_X87) {
		narrow_pointers(x, image);
		if (header[0] & XCR0_X87) {
			set_x87(f, image);
		} else {
			init_x87(f);
			memset(f->st, 0, sizeof(f->st));
		}
	}
	if (want & XCR0_SSE) {
		if (!(header[0] & XCR0_SSE))
			memset(image, 0, sizeof(image));
		set_sse(f, image);
	}
	if ((want & 3) == 3)
		x->cpu->known |= VMT_CPU_KNOWS_FP_FLAGS;
	return 0;
}

static int mxcsr_op(struct vmt_exec *x, bool store)
{
	uint32_t value = x->cpu->fpu.mxcsr;

	VMT_TRY(vmt_need_sse(x));
	if (store) {
		VMT_TRY(need_fp_flags(x));
		return vmt_mem_set(x, &value, 4);
	}
	VMT_TRY(vmt_mem_get(x, &value, 4, VMT_R));
	VMT_TRY(set_mxcsr(x, value));
	x->cpu->known |= VMT_CPU_KNOWS_FP_FLAGS;
	return 0;
}

/* RDFSBASE, RDGSBASE, WRFSBASE, WRGSBASE. */
static int base_op(struct vmt_exec *x, unsigned op)
{
	struct vmt_segment *s = op & 1 ? &x->regs->gs : &x->regs->fs;
	unsigned size = x->insn.w ? 8 : 4;
	uint64_t value = vmt_gpr_get(x, x->insn.rm, size);

	if (!x->long64 || !(x->regs->cr4 & VMT_CR4_FSGSBASE))
		return vmt_exec_raise(x, VMT_EXC_UD);
	VMT_TRY(vmt_exec_need(x, op & 1 ? VMT_REG_GS : VMT_REG_FS));
	if (op < 2) {
		vmt_gpr_set(x, x->insn.rm, size, s->base);
		return 0;
	}
	if (!vmt_canonical(x, value))
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	s->base = value;
	return 0;
}

static int group15_register(struct vmt_exec *x, unsigned op)
{
	if (x->insn.rep == 0xf3 && op < 4)
		return base_op(x, op);
	if (!x->insn.rep && !x->insn.p66 && op >= 5)
		return 0; /* LFENCE, MFENCE, SFENCE */
	return vmt_exec_unsupported(x, "an instruction of group 15 that is not done here");
}

/* CLFLUSH, CLFLUSHOPT, CLWB: a read as far as rights go. */
static int flush_line(struct vmt_exec *x)
{
	uint8_t byte;

	return vmt_mem_get(x, &byte, 1, VMT_R);
}

int vmt_do_0fae(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7;

	if (x->insn.mod == 3)
		return group15_register(x, op);
	if (x->insn.p66 && op >= 6)
		return flush_line(x);
	if (x->insn.p66 || x->insn.rep)
		return vmt_exec_unsupported(x, "an instruction of group 15 that is not done here");
	switch (op) {
	case 0:
		return fxsave(x);
	case 1:
		return fxrstor(x);
	case 2:
	case 3:
		return mxcsr_op(x, op == 3);
	case 4:
		return xsave(x);
	case 5:
		return xrstor(x);
	case 6:
		return vmt_exec_unsupported(x, "XSAVEOPT");
	default:
		return flush_line(x);
	}
}

int vmt_do_0fc7(struct vmt_exec *x)
{
	unsigned op = x->insn.modrm >> 3 & 7;

	if (op == 1 && x->insn.mod != 3)
		return vmt_do_cmpxchg8b(x);
	if (op == 7 && x->insn.mod == 3 && x->insn.rep == 0xf3)
		return vmt_rdpid(x);
	return vmt_exec_unsupported(x, x->insn.mod == 3 ? "random numbers"
							: "XSAVEC, XSAVES, XRSTORS or VMX");
}

/* 9B: pending x87 exceptions cannot be, for unmasked ones are refused. */
int vmt_do_wait(struct vmt_exec *x)
{
	if ((x->regs->cr0 & VMT_CR0_MP) && (x->regs->cr0 & VMT_CR0_TS))
		return vmt_exec_raise(x, VMT_EXC_NM);
	return 0;
}

static int x87_word(struct vmt_exec *x, uint16_t value)
{
	return vmt_mem_set(x, &value, 2);
}

/* The control instructions. 1: it is not one of them. */
static int x87_control(struct vmt_exec *x)
{
	struct vmt_fpu *f = &x->cpu->fpu;
	unsigned op = x->insn.modrm >> 3 & 7, code = x->insn.opcode;
	bool memory = x->insn.mod != 3;

	if (memory && code == 0xd9 && op == 5) {
		VMT_TRY(vmt_mem_get(x, &f->fcw, 2, VMT_R));
		f->fcw |= 0x40;
		return 0;
	}
	if (memory && code == 0xd9 && op == 7)
		return x87_word(x, f->fcw);
	if (memory && code == 0xdd && op == 7) {
		VMT_TRY(need_fp_flags(x));
		return x87_word(x, f->fsw);
	}
	if (code == 0xdf && x->insn.modrm == 0xe0) {
		VMT_TRY(need_fp_flags(x));
		vmt_gpr_set(x, VMT_RAX, 2, f->fsw);
		return 0;
	}
	if (code == 0xdb && x->insn.modrm == 0xe3) {
		init_x87(f);
		return 0;
	}
	if (code == 0xdb && x->insn.modrm == 0xe2) {
		f->fsw &= 0x7f00;
		return 0;
	}
	return -1;
}

int vmt_do_x87(struct vmt_exec *x)
{
	int o = x87_control(x);

	if (o >= 0)
		return o;
	if ((x->cpu->fpu.fcw & 0x3f) != 0x3f)
		return vmt_exec_unsupported(x, "x87 with unmasked exceptions");
	return vmt_do_handed_over(x);
}
