/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One instruction at a time on Unicorn, for what emulation/hand-over.c hands over.
 *
 * Unicorn's memory is a page for the operand and an area of code slots. A slot is chosen by the
 * instruction's bytes and holds them and HLT: so a translation is of these bytes, whatever the guest
 * does to its code, and nothing is mapped or unmapped after the start. Paging is off, no guest
 * address is ever seen. Works with Unicorn 2.0.1 and 2.1.
 *
 * Unicorn's habits that this stands on: an instruction is counted when the next one starts, so HLT
 * must be there; a fault leaves a mark in the engine, and the next one would be a double fault, so a
 * clean context is put back; each retranslation takes some of its code buffer for good, so the engine
 * is opened anew after many.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <unicorn/unicorn.h>

#include "emulation/executor.h"

#define CODE           UINT64_C(0x100000)
#define SLOT           32u
#define SLOTS          4096u
#define CODE_LEN       ((size_t)SLOT * SLOTS)
#define HLT            0xf4
#define NOWHERE        UINT64_C(0x7ffffffff000)
#define RETRANSLATIONS 100000u
#define CR4_SSE        0x600u

struct vmt_executor {
	uc_engine *uc;
	uc_context *clean;
	uint8_t *code;    /* CODE_LEN bytes, seen at CODE */
	uint8_t *operand; /* a page, seen at VMT_EXECUTOR_OPERAND */
	uint8_t lens[SLOTS];
	uint32_t retranslated;
	uint32_t vector; /* of an exception */
	bool stopped;    /* by an exception */
};

/* The lists that a run gives to uc_reg_write_batch and uc_reg_read_batch. */
struct batch {
	int ids[64];
	void *values[64];
	int n;
};

static void add(struct batch *b, int id, void *value)
{
	b->ids[b->n] = id;
	b->values[b->n++] = value;
}

static void on_interrupt(uc_engine *uc, uint32_t vector, void *opaque)
{
	struct vmt_executor *ex = opaque;

	ex->vector = vector;
	ex->stopped = true;
	(void)uc_emu_stop(uc);
}

static bool on_invalid(uc_engine *uc, void *opaque)
{
	(void)uc;
	(void)opaque;
	return false;
}

static bool prepare(struct vmt_executor *ex)
{
	uc_hook hook;
	uint64_t cr4 = 0;

	/* The prototypes of the callbacks differ by kind, so the interface takes void *. */
	void (*interrupt)(uc_engine *, uint32_t, void *) = on_interrupt;
	bool (*invalid)(uc_engine *, void *) = on_invalid;
	void *callback;

	if (uc_mem_map_ptr(ex->uc, CODE, CODE_LEN, UC_PROT_ALL, ex->code) ||
	    uc_mem_map_ptr(ex->uc, VMT_EXECUTOR_OPERAND, 4096, UC_PROT_READ | UC_PROT_WRITE,
			   ex->operand))
		return false;
	memcpy(&callback, &interrupt, sizeof(callback));
	if (uc_hook_add(ex->uc, &hook, UC_HOOK_INTR, callback, ex, 1, 0))
		return false;
	memcpy(&callback, &invalid, sizeof(callback));
	if (uc_hook_add(ex->uc, &hook, UC_HOOK_INSN_INVALID, callback, ex, 1, 0))
		return false;
	if (uc_reg_read(ex->uc, UC_X86_REG_CR4, &cr4))
		return false;
	cr4 |= CR4_SSE;
	if (uc_reg_write(ex->uc, UC_X86_REG_CR4, &cr4))
		return false;
	return !uc_context_alloc(ex->uc, &ex->clean) && !uc_context_save(ex->uc, ex->clean);
}

static void close_engine(struct vmt_executor *ex)
{
	if (ex->clean)
		(void)uc_context_free(ex->clean);
	if (ex->uc)
		(void)uc_close(ex->uc);
	ex->clean = NULL;
	ex->uc = NULL;
}

static bool open_engine(struct vmt_executor *ex)
{
	memset(ex->code, HLT, CODE_LEN);
	memset(ex->lens, 0, sizeof(ex->lens));
	ex->retranslated = 0;
	if (uc_open(UC_ARCH_X86, UC_MODE_64, &ex->uc)) {
		ex->uc = NULL;
		return false;
	}
	if (prepare(ex))
		return true;
	close_engine(ex);
	return false;
}

static void destroy(struct vmt_executor *ex)
{
	close_engine(ex);
	if (ex->code)
		(void)munmap(ex->code, CODE_LEN + 4096);
	free(ex);
}

static struct vmt_executor *create(void)
{
	struct vmt_executor *ex = calloc(1, sizeof(*ex));
	void *memory;

	if (!ex)
		return NULL;
	memory = mmap(NULL, CODE_LEN + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (memory != MAP_FAILED) {
		ex->code = memory;
		ex->operand = ex->code + CODE_LEN;
		if (open_engine(ex))
			return ex;
	}
	destroy(ex);
	return NULL;
}

static uint32_t hash(const struct vmt_handed_over *h)
{
	uint64_t a, b;

	memcpy(&a, h->code, 8);
	memcpy(&b, h->code + 8, 8);
	a = (a ^ b * UINT64_C(0xc2b2ae3d27d4eb4f)) * UINT64_C(0x9e3779b97f4a7c15);
	return (uint32_t)(a >> 40);
}

/* The address of the slot that holds the instruction. 0: Unicorn is gone. */
static uint64_t place(struct vmt_executor *ex, const struct vmt_handed_over *h)
{
	uint32_t slot = hash(h) % SLOTS;
	uint8_t *p = ex->code + (size_t)slot * SLOT;
	uint64_t at = CODE + (uint64_t)slot * SLOT;

	if (ex->lens[slot] == h->len && !memcmp(p, h->code, h->len))
		return at;
	if (ex->retranslated++ == RETRANSLATIONS) {
		close_engine(ex);
		if (!open_engine(ex))
			return 0;
	}
	memset(p, HLT, SLOT);
	memcpy(p, h->code, h->len);
	if (ex->lens[slot])
		(void)uc_ctl_remove_cache(ex->uc, at, at + SLOT);
	ex->lens[slot] = (uint8_t)h->len;
	return at;
}

/* x87 as Unicorn has it: registers by their physical number, a full tag word. */
struct x87 {
	uint8_t registers[8][16];
	uint16_t fcw, fsw, tags;
};

static void x87_out(struct x87 *to, const struct vmt_fpu *f)
{
	unsigned top = f->fsw >> 11 & 7u;

	to->fcw = f->fcw;
	to->fsw = f->fsw;
	to->tags = 0;
	for (unsigned i = 0; i < 8; i++) {
		memcpy(to->registers[(top + i) & 7], f->st[i], 16);
		if (!(f->ftw >> i & 1))
			to->tags |= (uint16_t)(3u << (2 * i));
	}
}

static void x87_in(const struct x87 *from, struct vmt_fpu *f)
{
	unsigned top = from->fsw >> 11 & 7u;

	f->fcw = from->fcw;
	f->fsw = from->fsw;
	f->ftw = 0;
	for (unsigned i = 0; i < 8; i++) {
		memcpy(f->st[i], from->registers[(top + i) & 7], 10);
		if ((from->tags >> (2 * i) & 3) != 3)
			f->ftw |= (uint8_t)(1u << i);
	}
}

static void add_x87(struct batch *b, struct x87 *x)
{
	add(b, UC_X86_REG_FPCW, &x->fcw);
	add(b, UC_X86_REG_FPSW, &x->fsw);
	add(b, UC_X86_REG_FPTAG, &x->tags);
	for (int i = 0; i < 8; i++)
		add(b, UC_X86_REG_FP0 + i, x->registers[i]);
}

static const int gpr_ids[16] = {
	UC_X86_REG_RAX, UC_X86_REG_RCX, UC_X86_REG_RDX, UC_X86_REG_RBX,
	UC_X86_REG_RSP, UC_X86_REG_RBP, UC_X86_REG_RSI, UC_X86_REG_RDI,
	UC_X86_REG_R8,  UC_X86_REG_R9,  UC_X86_REG_R10, UC_X86_REG_R11,
	UC_X86_REG_R12, UC_X86_REG_R13, UC_X86_REG_R14, UC_X86_REG_R15,
};

/* What the instruction may read or write, as @g, @flags, @fpu and @x87 have it. */
static void choose(struct batch *b, const struct vmt_handed_over *h, uint64_t *g, uint64_t *flags,
		   struct vmt_fpu *fpu, struct x87 *x87)
{
	b->n = 0;
	for (unsigned m = h->gprs; m; m &= m - 1) {
		int i = __builtin_ctz(m);

		add(b, gpr_ids[i], &g[i]);
	}
	for (unsigned m = h->xmms; m; m &= m - 1) {
		int i = __builtin_ctz(m);

		add(b, UC_X86_REG_XMM0 + i, fpu->ymm[i].b);
	}
	if (h->flags)
		add(b, UC_X86_REG_EFLAGS, flags);
	if (h->sse)
		add(b, UC_X86_REG_MXCSR, &fpu->mxcsr);
	if (h->x87)
		add_x87(b, x87);
}

static int run(struct vmt_executor *ex, struct vmt_handed_over *h, uint64_t g[16], uint64_t *rflags,
	       struct vmt_fpu *fpu)
{
	uint64_t flags = *rflags & 0xcd5; /* status and DF: no TF */
	struct batch b;
	struct x87 x87;
	uint64_t at;
	uc_err err;

	if (!ex->uc && !open_engine(ex))
		return VMT_EXECUTOR_REFUSED;
	at = place(ex, h);
	if (!at)
		return VMT_EXECUTOR_REFUSED;
	if (h->x87)
		x87_out(&x87, fpu);
	choose(&b, h, g, &flags, fpu, &x87);
	memcpy(ex->operand, h->operand, h->operand_len);
	ex->stopped = false;
	if (uc_reg_write_batch(ex->uc, b.ids, b.values, b.n))
		return VMT_EXECUTOR_REFUSED;
	err = uc_emu_start(ex->uc, at, NOWHERE, 0, 1);
	if (err || ex->stopped) {
		(void)uc_context_restore(ex->uc, ex->clean);
		if (ex->stopped && ex->vector < 32)
			return VMT_EXECUTOR_EXCEPTION + (int)ex->vector;
		return VMT_EXECUTOR_REFUSED;
	}
	if (uc_reg_read_batch(ex->uc, b.ids, b.values, b.n))
		return VMT_EXECUTOR_REFUSED;
	memcpy(h->operand, ex->operand, h->operand_len);
	*rflags = (*rflags & ~UINT64_C(0x8d5)) | (flags & 0x8d5);
	if (h->x87)
		x87_in(&x87, fpu);
	return VMT_EXECUTOR_DONE;
}

const struct vmt_executor_ops *vmt_executor_module(void)
{
	static const struct vmt_executor_ops ops = {
		.abi = VMT_EXECUTOR_ABI,
		.create = create,
		.destroy = destroy,
		.run = run,
	};

	return &ops;
}
