/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The vCPU over any code, page tables, views, descriptors and registers: it may refuse, never crash,
 * never write where it was not allowed to, never change anything but in a step that is done.
 *
 * An input is 16 bytes of choices, 64 bytes for registers, and then bytes that fill memory and code.
 */
#include <string.h>

#include "emulation/emulation.h"
#include "fuzz.h"

#define PAGES     32u
#define HEAD      80u
#define STEPS     24u
#define CODE_PAGE UINT64_C(8)
#define IDT_PAGE  UINT64_C(9)
#define GDT_PAGE  UINT64_C(10)
#define BASE      UINT64_C(0x200000) /* linear, of page 0 */

/* Bits of the choices. */
enum { BEND_TABLES = 1, BEND_VIEW = 2, BEND_SYSTEM = 4, USER = 8, CODE32 = 16, UNKNOWN = 32 };

struct world {
	uint8_t ram[PAGES][VMT_PAGE_SIZE];
	uint8_t rights[PAGES], fate[PAGES], remap[PAGES];
	bool granted[PAGES];
	bool committing;
	struct vmt_regs regs;
	struct vmt_cpu cpu;
};

static int op_access(void *ctx, const struct vmt_cpu_access *a, vmt_gfn *page)
{
	struct world *w = ctx;
	uint64_t gfn = vmt_gfn_of(a->gpa).n;

	FUZZ_REQUIRE(!w->committing && a->access && !(a->access & ~VMT_RWX));
	if (gfn >= PAGES || w->fate[gfn] == 1)
		return VMT_PAGE_HOLE;
	if (w->fate[gfn] == 2)
		return VMT_PAGE_MISSING;
	if (!a->no_rights && (w->rights[gfn] & a->access) != a->access)
		return VMT_PAGE_VIOLATION;
	*page = vmt_gfn_from(w->remap[gfn]);
	if (a->access & VMT_W)
		w->granted[page->n] = true;
	return VMT_PAGE_OK;
}

static const uint8_t *op_page(void *ctx, vmt_gfn page)
{
	struct world *w = ctx;

	FUZZ_REQUIRE(page.n < PAGES);
	return w->ram[page.n];
}

static void op_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	struct world *w = ctx;

	FUZZ_REQUIRE(w->committing && page.n < PAGES && w->granted[page.n]);
	FUZZ_REQUIRE(len > 0 && offset + len <= VMT_PAGE_SIZE);
	memcpy(w->ram[page.n] + offset, buf, len);
}

static const struct vmt_cpu_ops ops = {
	.access = op_access,
	.page = op_page,
	.write = op_write,
};

static uint64_t u64_at(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, 8);
	return value;
}

/* Tables at pages 1 to 4 map BASE and on to all pages; code and tables for the system behind. */
static void build(struct world *w, const uint8_t *data, size_t size, unsigned choices)
{
	uint64_t flags = 0x67, entry;

	for (size_t i = 0; i < sizeof(w->ram) && size; i++)
		((uint8_t *)w->ram)[i] = data[i * (1 + i / 4096 % 7) % size];
	if (choices & BEND_TABLES)
		flags = 0x63;
	for (unsigned i = 0; i < 3; i++) {
		entry = (uint64_t)(i + 2) << 12 | flags | 4;
		memcpy(w->ram[i + 1] + (i == 2 ? 8 : 0), &entry, 8);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		entry = (uint64_t)i << 12 | 0x67;
		if (choices & BEND_TABLES)
			entry ^=
				UINT64_C(1) << (data[i % size] % 64) & UINT64_C(0x800000000001f067);
		memcpy(w->ram[4] + 8 * (size_t)i, &entry, 8);
	}
	for (unsigned i = 0; i < PAGES; i++) {
		uint8_t b = data[(i + 7) % size];

		w->rights[i] = VMT_RWX;
		w->remap[i] = (uint8_t)i;
		w->fate[i] = 0;
		w->granted[i] = false;
		if (!(choices & BEND_VIEW))
			continue;
		w->rights[i] = b & 8 ? VMT_RWX : b & 7;
		w->remap[i] = b & 16 ? (uint8_t)i : (b >> 3) % PAGES;
		w->fate[i] = b >> 5 == 7 ? 1 : b >> 5 == 6 ? 2 : 0;
	}
	memcpy(w->ram[CODE_PAGE], data, size < 4096 ? size : 4096);
}

/* Gates and descriptors that make sense, unless they are to be what the bytes say. */
static void build_system(struct world *w)
{
	static const uint64_t gdt[] = {0,
				       0x00af9b000000ffff,
				       0x00cf93000000ffff,
				       0x00affb000000ffff,
				       0x00cff3000000ffff,
				       0x00cf9b000000ffff};

	memcpy(w->ram[GDT_PAGE], gdt, sizeof(gdt));
	for (size_t i = 0; i < 256; i++) {
		uint64_t handler = BASE + CODE_PAGE * 4096 + 16 * i;
		uint64_t gate[2] = {(handler & 0xffff) | 8 << 16 | UINT64_C(0xee) << 40 |
					    (handler >> 16 & 0xffff) << 48,
				    0};

		memcpy(w->ram[IDT_PAGE] + 16 * i, gate, 16);
	}
}

static void set_registers(struct world *w, const uint8_t *r, unsigned choices)
{
	struct vmt_regs *regs = &w->regs;
	uint64_t *g = &regs->gprs.rax;
	bool user = choices & USER;

	memset(regs, 0, sizeof(*regs));
	vmt_cpu_init(&w->cpu, regs, w);
	regs->known = choices & UNKNOWN ? VMT_KNOWN_XEN_EVENT : VMT_KNOWN_ALL;
	for (unsigned i = 0; i < 16; i++) {
		g[i] = u64_at(r + 3 * (size_t)i);
		if (r[i] & 3)
			g[i] = BASE + g[i] % ((uint64_t)PAGES * 4096);
		memset(w->cpu.fpu.ymm[i].b, r[i], 32);
	}
	regs->gprs.rip = BASE + CODE_PAGE * 4096;
	regs->gprs.rflags = (u64_at(r + 48) & 0x244dd5) | 2;
	regs->cr0 = 0x80050033 ^ (r[56] & 8);
	regs->cr3 = 0x1000;
	regs->cr4 = 0x40678 ^ (u64_at(r + 40) & 0x310000);
	regs->efer = 0xd01;
	regs->xcr0 = 7;
	regs->cs = (struct vmt_segment){0, UINT32_MAX, user ? 0x1b : 8,
					choices & CODE32 ? 0xc9b : 0xa9b};
	regs->ss = (struct vmt_segment){0, UINT32_MAX, user ? 0x23 : 0x10, user ? 0xcf3 : 0xc93};
	regs->cs.access |= user ? 0x60 : 0;
	regs->ds = regs->es = regs->fs = regs->gs = regs->ss;
	regs->fs.base = u64_at(r + 20);
	regs->tr = (struct vmt_segment){BASE + 0xb000, 0x67, 0x28, 0x8b};
	regs->gdtr = (struct vmt_table){BASE + GDT_PAGE * 4096, 0xff};
	regs->idtr = (struct vmt_table){BASE + IDT_PAGE * 4096, 0xfff};
	regs->lstar = BASE + CODE_PAGE * 4096 + 0x100;
	regs->star = UINT64_C(0x0010000800000000);
	regs->dr0 = BASE + 0x3000;
	regs->dr7 = r[57] & 1 ? 0x400 | 1 | (uint64_t)r[58] << 16 : 0x400;
}

static void check(const struct world *w, const struct vmt_step_result *r, int o,
		  const struct vmt_regs *before, const struct vmt_fpu *fpu, bool changes)
{
	FUZZ_REQUIRE(o >= 0 && o < VMT_STEP_OUTCOME_COUNT && (unsigned)o == r->outcome);
	FUZZ_REQUIRE(r->insn_length <= 15 && r->nwrites <= VMT_STEP_WRITES);
	FUZZ_REQUIRE(r->naccesses <= VMT_STEP_ACCESSES);
	if (changes && (o == VMT_STEP_DONE || o == VMT_STEP_HALT))
		return;
	FUZZ_REQUIRE(w->regs.known == before->known);
	FUZZ_REQUIRE(!vmt_regs_differ(&w->regs, before, VMT_KNOWN_ALL));
	FUZZ_REQUIRE(!memcmp(&w->cpu.fpu, fpu, sizeof(*fpu)));
	FUZZ_REQUIRE(o == VMT_STEP_DONE || o == VMT_STEP_HALT || r->nwrites == 0);
	if (o == VMT_STEP_UNSUPPORTED)
		FUZZ_REQUIRE(r->why);
}

static void commit(struct vmt_emulator *em, struct world *w, const struct vmt_step_result *r)
{
	w->committing = true;
	vmt_emulator_commit(em, &w->cpu, r);
	w->committing = false;
}

/* A step: first dry, which must change nothing and come out the same. Returns whether it goes on. */
static bool step(struct vmt_emulator *em, struct world *w)
{
	static struct vmt_step_result r;
	const struct vmt_step dry = {.flags = VMT_STEP_DRY}, plain = {.flags = 0};
	struct vmt_regs before = w->regs;
	struct vmt_fpu fpu = w->cpu.fpu;
	struct vmt_interrupt i;
	int o, tried = vmt_emulator_step(em, &w->cpu, &dry, &r);

	check(w, &r, tried, &before, &fpu, false);
	memset(w->granted, 0, sizeof(w->granted));
	o = vmt_emulator_step(em, &w->cpu, &plain, &r);
	check(w, &r, o, &before, &fpu, true);
	FUZZ_REQUIRE(o == tried);
	if (o == VMT_STEP_DONE) {
		commit(em, w, &r);
		return true;
	}
	if (o != VMT_STEP_FAULT && o != VMT_STEP_TRAP)
		return false;
	i = r.interrupt;
	o = vmt_emulator_deliver(em, &w->cpu, &plain, &i, &r);
	check(w, &r, o, &before, &fpu, true);
	if (o == VMT_STEP_DONE)
		commit(em, w, &r);
	return o == VMT_STEP_DONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct vmt_emulator *em;
	static struct world w;
	const struct vmt_emulator_config config = {.ops = &ops};
	unsigned choices;

	if (size < HEAD + 16)
		return 0;
	if (!em)
		FUZZ_REQUIRE(vmt_emulator_create(&config, &em, NULL) == 0);
	choices = data[0] & data[1];
	build(&w, data + HEAD, size - HEAD, choices);
	if (!(choices & BEND_SYSTEM))
		build_system(&w);
	set_registers(&w, data + 16, choices);
	for (unsigned i = 0; i < STEPS && step(em, &w); i++)
		;
	return 0;
}
