/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Steps of the vCPU, against a bare Unicorn step with the registers written before and read after:
 * 16 general, RFLAGS, FS and GS base, MXCSR and 16 XMM, which is what whoever steps with Unicorn has
 * to do. Each case loops over a handful of instructions in one page of code.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <unicorn/unicorn.h>

#include "emulation/emulation.h"
#include "measure.h"

#define PAGES 64u
#define CODE  UINT64_C(0x10000)
#define DATA  UINT64_C(0x20000)
#define STEPS 1000000u

struct domain {
	uint8_t ram[PAGES][VMT_PAGE_SIZE];
	uint64_t generation;
	struct vmt_regs regs;
	struct vmt_cpu cpu;
	struct vmt_emulator *em;
};

struct bench_case {
	const char *name;
	uint8_t code[24];
	uint8_t len; /* a jump back to the start is put behind */
	bool events; /* int3 with its delivery, and iretq */
};

static const struct bench_case cases[] = {
	{"registers: add, lea, cmp, jcc",
	 {0x48, 0x01, 0xd8, 0x48, 0x8d, 0x48, 0x08, 0x48, 0x39, 0xc1, 0x74, 0x00},
	 12,
	 false},
	{"load and store", {0x48, 0x8b, 0x07, 0x48, 0x89, 0x47, 0x08}, 7, false},
	{"push and pop", {0x50, 0x59}, 2, false},
	{"call and ret", {0xe8, 0x02, 0, 0, 0, 0xeb, 0x01, 0xc3, 0x90}, 9, false},
	{"16-byte moves", {0xf3, 0x0f, 0x6f, 0x07, 0xf3, 0x0f, 0x7f, 0x47, 0x10}, 9, false},
	{"handed over: addsd, mulsd", {0xf2, 0x0f, 0x58, 0xc1, 0xf2, 0x0f, 0x59, 0x07}, 8, false},
	{"int3, delivery, iretq", {0xcc}, 1, true},
};

static int op_access(void *ctx, const struct vmt_cpu_access *a, vmt_gfn *page)
{
	(void)ctx;
	*page = vmt_gfn_of(a->gpa);
	return page->n < PAGES ? VMT_PAGE_OK : VMT_PAGE_HOLE;
}

static const uint8_t *op_page(void *ctx, vmt_gfn page)
{
	struct domain *d = ctx;

	return d->ram[page.n];
}

static void op_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	struct domain *d = ctx;

	memcpy(d->ram[page.n] + offset, buf, len);
}

static const struct vmt_cpu_ops ops = {
	.access = op_access,
	.page = op_page,
	.write = op_write,
};

static void put(struct domain *d, uint64_t at, uint64_t value)
{
	memcpy((uint8_t *)d->ram + at, &value, 8);
}

/* One-to-one tables at pages 1 to 4, a GDT at page 5, an IDT at page 6. */
static void build(struct domain *d, const struct bench_case *c)
{
	struct vmt_regs *r = &d->regs;

	memset(d->ram, 0, sizeof(d->ram));
	for (uint64_t i = 1; i < 4; i++)
		put(d, i << 12, (i + 1) << 12 | 0x63);
	for (uint64_t i = 0; i < PAGES; i++)
		put(d, 0x4000 + 8 * i, i << 12 | 0x63);
	put(d, 0x5008, 0x00af9b000000ffff);
	put(d, 0x5010, 0x00cf93000000ffff);
	put(d, 0x6030, 0x8e0000080000 | (CODE + 0x100));
	put(d, 0x6030,
	    ((CODE + 0x100) & 0xffff) | 8 << 16 | UINT64_C(0x8e) << 40 |
		    (CODE + 0x100) >> 16 << 48);
	put(d, CODE + 0x100, 0xcf48);
	memcpy((uint8_t *)d->ram + CODE, c->code, c->len);
	d->ram[CODE >> 12][c->len] = 0xeb;
	d->ram[CODE >> 12][c->len + 1] = (uint8_t) - (c->len + 2);
	memset(r, 0, sizeof(*r));
	vmt_cpu_init(&d->cpu, r, d);
	r->known = VMT_KNOWN_ALL;
	r->cr0 = 0x80050033;
	r->cr3 = 0x1000;
	r->cr4 = 0x678;
	r->efer = 0xd01;
	r->dr7 = 0x400;
	r->gprs.rflags = 2;
	r->gprs.rip = CODE;
	r->gprs.rsp = 0x30000;
	r->gprs.rdi = DATA;
	r->cs = (struct vmt_segment){0, UINT32_MAX, 8, 0xa9b};
	r->ss = (struct vmt_segment){0, UINT32_MAX, 0x10, 0xc93};
	r->gdtr = (struct vmt_table){0x5000, 0x17};
	r->idtr = (struct vmt_table){0x6000, 0xff};
}

static double vcpu_steps(struct domain *d, const struct bench_case *c)
{
	static struct vmt_step_result r;
	double start = measure_now();

	for (unsigned i = 0; i < STEPS; i++) {
		int o = vmt_emulator_step(d->em, &d->cpu, NULL, &r);

		if (o == VMT_STEP_TRAP && c->events) {
			struct vmt_interrupt in = r.interrupt;

			o = vmt_emulator_deliver(d->em, &d->cpu, NULL, &in, &r);
		}
		if (o != VMT_STEP_DONE) {
			char text[160];

			fprintf(stderr, "%s: %s\n", c->name,
				vmt_step_format(&r, text, sizeof(text)));
			exit(1);
		}
		vmt_emulator_commit(d->em, &d->cpu, &r);
	}
	return (measure_now() - start) / STEPS * 1e9;
}

/* ---- bare Unicorn ---- */

struct bare {
	uc_engine *uc;
	int ids[40];
	void *values[40];
	int n;
	uint64_t words[40][2];
};

static void want(uc_err e)
{
	if (e) {
		fprintf(stderr, "Unicorn: %s\n", uc_strerror(e));
		exit(1);
	}
}

static void bare_add(struct bare *b, int id)
{
	b->ids[b->n] = id;
	b->values[b->n] = b->words[b->n];
	b->n++;
}

static void bare_open(struct bare *b)
{
	static const int ids[] = {
		UC_X86_REG_RAX,   UC_X86_REG_RCX,    UC_X86_REG_RDX,     UC_X86_REG_RBX,
		UC_X86_REG_RSP,   UC_X86_REG_RBP,    UC_X86_REG_RSI,     UC_X86_REG_RDI,
		UC_X86_REG_R8,    UC_X86_REG_R9,     UC_X86_REG_R10,     UC_X86_REG_R11,
		UC_X86_REG_R12,   UC_X86_REG_R13,    UC_X86_REG_R14,     UC_X86_REG_R15,
		UC_X86_REG_RIP,   UC_X86_REG_EFLAGS, UC_X86_REG_FS_BASE, UC_X86_REG_GS_BASE,
		UC_X86_REG_MXCSR,
	};

	memset(b, 0, sizeof(*b));
	want(uc_open(UC_ARCH_X86, UC_MODE_64, &b->uc));
	want(uc_mem_map(b->uc, 0, sizeof(((struct domain *)NULL)->ram), UC_PROT_ALL));
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		bare_add(b, ids[i]);
	for (int i = 0; i < 16; i++)
		bare_add(b, UC_X86_REG_XMM0 + i);
}

/* The same code as @d has, stepped. */
static double bare_steps(struct bare *b, struct domain *d)
{
	double start;

	want(uc_mem_write(b->uc, 0, d->ram, sizeof(d->ram)));
	want(uc_reg_read_batch(b->uc, b->ids, b->values, b->n));
	b->words[4][0] = 0x30000;
	b->words[7][0] = DATA;
	b->words[16][0] = CODE;
	start = measure_now();
	for (unsigned i = 0; i < STEPS; i++) {
		want(uc_reg_write_batch(b->uc, b->ids, b->values, b->n));
		want(uc_emu_start(b->uc, b->words[16][0], 0x3f000, 0, 1));
		want(uc_reg_read_batch(b->uc, b->ids, b->values, b->n));
	}
	return (measure_now() - start) / STEPS * 1e9;
}

int main(void)
{
	static struct domain d;
	struct vmt_emulator_config config = {.ops = &ops, .flags = VMT_EMULATOR_WHOLE};
	struct vmt_error err = {0};
	struct bare b;

	config.generation = &d.generation;
	if (vmt_emulator_create(&config, &d.em, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	bare_open(&b);
	measure_head("ns per step");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct measure own = {.n = 0}, bare = {.n = 0}, ratio;

		for (unsigned k = 0; k < MEASURES; k++) {
			build(&d, &cases[i]);
			if (!cases[i].events)
				measure_add(&bare, bare_steps(&b, &d));
			measure_add(&own, vcpu_steps(&d, &cases[i]));
		}
		measure_print(cases[i].name, &own, "");
		if (cases[i].events)
			continue;
		measure_print("  bare Unicorn", &bare, "");
		ratio = measure_ratio(&own, &bare);
		measure_print("  ratio", &ratio, "goal: at most 1.5");
	}
	(void)uc_close(b.uc);
	vmt_emulator_destroy(d.em);
	return 0;
}
