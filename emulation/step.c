/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A step: what holds before an instruction, fetching it, executing it, and the transaction around it.
 */
#include "emulation/exec.h"

void vmt_exec_mode(struct vmt_exec *x)
{
	const struct vmt_regs *r = x->regs;

	x->cpl = (uint8_t)vmt_cpl(r);
	x->long_mode = (r->efer & VMT_EFER_LMA) != 0;
	x->long64 = x->long_mode && (r->cs.access & 0x200);
	x->align = x->cpl == 3 && (r->cr0 & VMT_CR0_AM) && (r->gprs.rflags & VMT_FLAG_AC);
	vmt_tlb_mode(x);
}

void vmt_exec_init(struct vmt_exec *x, struct vmt_emulator *em, struct vmt_cpu *cpu,
		   const struct vmt_step *how, struct vmt_step_result *r)
{
	static const struct vmt_step plain;

	x->em = em;
	x->cpu = cpu;
	x->regs = cpu->regs;
	x->g = &cpu->regs->gprs.rax;
	x->how = how ? how : &plain;
	x->r = r;
	x->halted = x->keep_rf = x->new_shadow = false;
	x->watched = 0;
	em->steps++;
	x->now = em->generation ? *em->generation : em->steps;
	vmt_exec_mode(x);
	r->outcome = VMT_STEP_DONE;
	r->insn_length = r->insn_fetched = r->stepped = 0;
	r->missing_register = -1;
	r->pending_debug = 0;
	r->why = NULL;
	r->naccesses = r->nwrites = 0;
	r->event.intercept = 0;
	r->event.clts = false;
}

/* Modes that are not modelled, and registers without which nothing can be said. */
static int check_mode(struct vmt_exec *x)
{
	static const unsigned bits[] = {VMT_REG_CR0,  VMT_REG_CR3, VMT_REG_CR4,
					VMT_REG_EFER, VMT_REG_CS,  VMT_REG_SS};
	const uint64_t needed = VMT_KNOWN_GPRS | VMT_KNOWN(VMT_REG_CR0) | VMT_KNOWN(VMT_REG_CR3) |
				VMT_KNOWN(VMT_REG_CR4) | VMT_KNOWN(VMT_REG_EFER) |
				VMT_KNOWN(VMT_REG_CS) | VMT_KNOWN(VMT_REG_SS);
	const struct vmt_regs *r = x->regs;

	if ((r->known & needed) != needed) {
		for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
			VMT_TRY(vmt_exec_need(x, bits[i]));
		for (unsigned i = 0; i <= VMT_REG_RFLAGS; i++)
			VMT_TRY(vmt_exec_need(x, i));
	}
	if (!(r->cr0 & VMT_CR0_PE) || (r->gprs.rflags & VMT_FLAG_VM))
		return vmt_exec_unsupported(x, "real mode or virtual-8086 mode");
	if (r->cr4 & VMT_CR4_CET)
		return vmt_exec_unsupported(x, "CET");
	if ((r->cr0 & VMT_CR0_PG) && !x->long_mode)
		return vmt_exec_unsupported(x, "32-bit or PAE paging");
	if (!x->long64 && !(r->cs.access & 0x400))
		return vmt_exec_unsupported(x, "16-bit code");
	return 0;
}

/* Breakpoints of DR7 that are on: instruction ones at RIP fault, data ones are watched for. */
static int check_breakpoints(struct vmt_exec *x)
{
	const struct vmt_regs *r = x->regs;
	const uint64_t at[4] = {r->dr0, r->dr1, r->dr2, r->dr3};
	uint64_t hit = 0;

	for (unsigned i = 0; i < 4; i++) {
		if (!(r->dr7 >> (2 * i) & 3))
			continue;
		VMT_TRY(vmt_exec_need(x, VMT_REG_DR0 + i));
		if (r->dr7 >> (16 + 4 * i) & 3)
			x->watched |= (uint8_t)(1u << i);
		else if (at[i] == r->gprs.rip)
			hit |= UINT64_C(1) << i;
	}
	if (!hit || (r->gprs.rflags & VMT_FLAG_RF) || (x->how->flags & VMT_STEP_RESUME))
		return 0;
	vmt_exec_raise(x, VMT_EXC_DB);
	x->r->interrupt.extra = hit;
	return VMT_STEP_FAULT;
}

/* An access to @gva: is it watched by DR7? */
void vmt_watch(struct vmt_exec *x, uint64_t gva, uint32_t len, bool write)
{
	const struct vmt_regs *r = x->regs;
	const uint64_t at[4] = {r->dr0, r->dr1, r->dr2, r->dr3};

	for (unsigned i = 0; i < 4; i++) {
		unsigned kind = r->dr7 >> (16 + 4 * i) & 3, code = r->dr7 >> (18 + 4 * i) & 3;
		uint64_t bytes = code == 2 ? 8 : code + 1, base = at[i] & ~(bytes - 1);

		if (!(x->watched >> i & 1) || kind == 2 || (kind == 1 && !write))
			continue;
		if (gva < base + bytes && base < gva + len)
			x->r->pending_debug |= UINT64_C(1) << i;
	}
}

static int decoded(struct vmt_exec *x, int o)
{
	switch (o) {
	case VMT_DECODE_OK:
		x->r->insn_length = x->insn.len;
		return 0;
	case VMT_DECODE_LONG:
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	case VMT_DECODE_INVALID:
		return vmt_exec_raise(x, VMT_EXC_UD);
	default:
		return vmt_exec_unsupported(x, "an encoding that is not decoded");
	}
}

/* The instruction's bytes: of the second page only those that are needed. */
static int fetch(struct vmt_exec *x, uint64_t gva)
{
	struct vmt_step_result *r = x->r;
	uint32_t first = VMT_PAGE_SIZE - (uint32_t)(gva & VMT_PAGE_MASK);
	struct vmt_place place;
	int o;

	VMT_TRY(vmt_exec_translate(x, gva, VMT_X, &place));
	if (first > VMT_INSN_MAX)
		first = VMT_INSN_MAX;
	if (place.host)
		memcpy(r->insn, place.host + (gva & VMT_PAGE_MASK), first);
	else
		memset(r->insn, 0xff, first);
	r->insn_fetched = (uint8_t)first;
	o = vmt_decode(&x->insn, r->insn, first, x->long64);
	if (o != VMT_DECODE_SHORT)
		return decoded(x, o);
	VMT_TRY(vmt_exec_translate(x, x->long64 ? gva + first : (gva + first) & UINT32_MAX, VMT_X,
				   &place));
	if (place.host)
		memcpy(r->insn + first, place.host, VMT_INSN_MAX - first);
	else
		memset(r->insn + first, 0xff, VMT_INSN_MAX - first);
	r->insn_fetched = VMT_INSN_MAX;
	return decoded(x, vmt_decode(&x->insn, r->insn, VMT_INSN_MAX, x->long64));
}

static int fetch_given(struct vmt_exec *x)
{
	uint32_t n = x->how->insn_len < VMT_INSN_MAX ? x->how->insn_len : VMT_INSN_MAX;

	memset(x->r->insn, 0, sizeof(x->r->insn));
	memcpy(x->r->insn, x->how->insn, n);
	x->r->insn_fetched = VMT_INSN_MAX;
	return decoded(x, vmt_decode(&x->insn, x->r->insn, VMT_INSN_MAX, x->long64));
}

static int fetch_at_rip(struct vmt_exec *x)
{
	uint64_t rip = x->regs->gprs.rip;

	if (x->how->insn)
		return fetch_given(x);
	if (x->long64) {
		if (!vmt_canonical(x, rip))
			return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
		return fetch(x, rip);
	}
	if (rip > x->regs->cs.limit)
		return vmt_exec_raise_code(x, VMT_EXC_GP, 0);
	return fetch(x, (x->regs->cs.base + rip) & UINT32_MAX);
}

/* LOCK is for a memory destination that is read and written. */
static bool lock_allowed(const struct vmt_insn *i)
{
	unsigned op = i->modrm >> 3 & 7;

	if (!(i->op->flags & OP_LOCK) || i->mod == 3)
		return false;
	if (i->map == VMT_MAP_1) {
		if (i->opcode >= 0x80 && i->opcode <= 0x83)
			return op != 7;
		if (i->opcode == 0xf6 || i->opcode == 0xf7)
			return op == 2 || op == 3;
		if (i->opcode >= 0xfe)
			return op < 2;
		return i->opcode != 0x38 && i->opcode != 0x39;
	}
	if (i->opcode == 0xba)
		return op > 4;
	return i->opcode != 0xc7 || op == 1;
}

static int check_insn(struct vmt_exec *x)
{
	const struct vmt_insn *i = &x->insn;
	uint32_t f = i->op->flags;

	if (!i->op->execute)
		return vmt_exec_unsupported(x, "an opcode that is not on the list");
	if (i->lock && !lock_allowed(i))
		return vmt_exec_raise(x, VMT_EXC_UD);
	if ((f & OP_NO64) && x->long64)
		return vmt_exec_raise(x, VMT_EXC_UD);
	if (i->encoding == VMT_VEX)
		return f & OP_SSE ? vmt_need_avx(x) : 0;
	if ((f & OP_MMX) && !i->p66 && !i->rep)
		return vmt_need_x87(x);
	if (f & OP_SSE)
		return vmt_need_sse(x);
	return f & OP_X87 ? vmt_need_x87(x) : 0;
}

/* What a step may change, as it was. */
struct saved {
	struct vmt_gprs gprs;
	uint64_t cr8, pat;
	uint32_t known, shadow;
};

/* The parts that few instructions change. */
struct saved_more {
	struct vmt_regs regs;
	struct vmt_fpu fpu;
};

static void save(const struct vmt_exec *x, struct saved *s, struct saved_more *more, uint32_t f)
{
	s->cr8 = x->cpu->cr8;
	s->pat = x->cpu->pat;
	s->known = x->cpu->known;
	s->shadow = x->cpu->shadow;
	s->gprs = x->regs->gprs;
	if (f & OP_SYSTEM)
		more->regs = *x->regs;
	if (f & (OP_SSE | OP_X87 | OP_MMX | OP_FPU))
		more->fpu = x->cpu->fpu;
}

static void restore(struct vmt_exec *x, const struct saved *s, const struct saved_more *more,
		    uint32_t f)
{
	x->cpu->cr8 = s->cr8;
	x->cpu->pat = s->pat;
	x->cpu->known = s->known;
	x->cpu->shadow = s->shadow;
	x->regs->gprs = s->gprs;
	if (f & OP_SYSTEM)
		*x->regs = more->regs;
	if (f & (OP_SSE | OP_X87 | OP_MMX | OP_FPU))
		x->cpu->fpu = more->fpu;
}

/* The instruction is done: RIP, RF, shadows, and what TF asks for. */
static int retire(struct vmt_exec *x, bool tf)
{
	uint64_t *f = &x->regs->gprs.rflags;

	x->regs->gprs.rip = x->next;
	if (!x->keep_rf && !x->r->stepped)
		*f &= ~VMT_FLAG_RF;
	if (!x->new_shadow)
		x->cpu->shadow &= ~(uint32_t)(VMT_SHADOW_STI | VMT_SHADOW_MOV_SS);
	/* SYSCALL goes by the flag that it leaves. MOV SS holds the trap back, and it is lost. */
	if (tf && x->insn.map == VMT_MAP_0F && x->insn.opcode == 0x05)
		tf = *f & VMT_FLAG_TF;
	if (tf && !(x->cpu->shadow & VMT_SHADOW_MOV_SS))
		x->r->pending_debug |= UINT64_C(1) << 14;
	x->r->outcome = x->halted ? VMT_STEP_HALT : VMT_STEP_DONE;
	return (int)x->r->outcome;
}

static int execute(struct vmt_exec *x)
{
	bool tf = x->regs->gprs.rflags & VMT_FLAG_TF;
	uint32_t f = x->insn.op->flags;
	struct saved_more more;
	struct saved s;
	int o;

	save(x, &s, &more, f);
	x->next = x->regs->gprs.rip + x->insn.len;
	if (!x->long64)
		x->next &= UINT32_MAX;
	o = x->insn.op->execute(x);
	if (o == 0)
		o = retire(x, tf);
	else
		x->r->nwrites = 0;
	if ((o != VMT_STEP_DONE && o != VMT_STEP_HALT) || (x->how->flags & VMT_STEP_DRY))
		restore(x, &s, &more, f);
	return o;
}

int vmt_emulator_step(struct vmt_emulator *em, struct vmt_cpu *cpu, const struct vmt_step *how,
		      struct vmt_step_result *result)
{
	struct vmt_exec x;
	int o;

	vmt_exec_init(&x, em, cpu, how, result);
	o = check_mode(&x);
	if (!o && (cpu->regs->dr7 & 0xff) && (cpu->regs->known & VMT_KNOWN(VMT_REG_DR7)))
		o = check_breakpoints(&x);
	if (!o)
		o = fetch_at_rip(&x);
	if (!o)
		o = check_insn(&x);
	if (!o)
		return execute(&x);
	result->nwrites = 0;
	return o;
}

void vmt_emulator_commit(struct vmt_emulator *em, struct vmt_cpu *cpu,
			 const struct vmt_step_result *result)
{
	for (uint32_t i = 0; i < result->nwrites; i++) {
		const struct vmt_step_write *w = &result->writes[i];

		em->ops->write(cpu->ctx, w->page, (uint32_t)(w->gpa.a & VMT_PAGE_MASK), w->bytes,
			       w->len);
	}
}

int vmt_emulator_translate(struct vmt_emulator *em, struct vmt_cpu *cpu, vmt_gva gva,
			   unsigned access, vmt_gpa *gpa, struct vmt_step_result *result)
{
	static const struct vmt_step dry = {.flags = VMT_STEP_DRY};
	struct vmt_place place;
	struct vmt_exec x;
	int o;

	vmt_exec_init(&x, em, cpu, &dry, result);
	o = check_mode(&x);
	if (!o && x.long64 && !vmt_canonical(&x, gva.a))
		o = vmt_exec_raise_code(&x, VMT_EXC_GP, 0);
	if (!o)
		o = vmt_exec_translate(&x, gva.a, access, &place);
	result->nwrites = 0;
	if (!o)
		*gpa = place.gpa;
	return o;
}

bool vmt_cpu_interruptible(const struct vmt_cpu *cpu)
{
	return (cpu->regs->gprs.rflags & VMT_FLAG_IF) &&
	       !(cpu->shadow & (VMT_SHADOW_STI | VMT_SHADOW_MOV_SS));
}
