/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hold the vCPU against the CPU that it runs on: real programs are stepped under ptrace, each
 * instruction is emulated first, and registers, vectors, defined flags and all touched pages must be
 * equal afterwards.
 *
 *   host-compare ALLOWED STEPS PROGRAM [ARGUMENT...] [-- PROGRAM...]...
 *
 * ALLOWED names the instructions that may differ, with the reason. Prints a line for each program and
 * fails when anything else differs, or when less than 95 % was executed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emulation/insn.h"
#include "traced.h"

#define ALLOWED_MAX 10u
#define SHOWN       12u

struct allowed {
	char bytes[32]; /* what the instruction begins with behind its prefixes: "0f a2" */
	uint64_t met;
};

struct counts {
	uint64_t steps, same, refused, allowed, different, stores;
	uint64_t by_opcode[8][256]; /* refused */
};

struct compare {
	struct allowed allowed[ALLOWED_MAX];
	unsigned nallowed;
	struct counts counts;
	struct vmt_emulator *em;
	struct traced t;
	struct vmt_step_result result;
	struct vmt_regs before, after;
	struct vmt_fpu fpu;
	uint32_t known;
	struct traced_page pages[TRACED_PAGES];
	unsigned npages;
	struct vmt_insn insn;
};

static int read_allowed(struct compare *c, const char *path)
{
	FILE *f = fopen(path, "r");
	char line[256];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, "#\n");

		while (n && line[n - 1] == ' ')
			n--;
		if (!n)
			continue;
		if (c->nallowed == ALLOWED_MAX || n >= sizeof(c->allowed[0].bytes)) {
			printf("%s: more than %u entries, or one too long\n", path, ALLOWED_MAX);
			(void)fclose(f);
			return -1;
		}
		memcpy(c->allowed[c->nallowed].bytes, line, n);
		c->allowed[c->nallowed++].bytes[n] = 0;
	}
	(void)fclose(f);
	return 0;
}

/* Prefixes end where the opcode begins. */
static unsigned prefixes(const uint8_t *b)
{
	unsigned i = 0;

	while (i < 14 && (b[i] == 0x66 || b[i] == 0xf2 || b[i] == 0xf3 || b[i] == 0xf0 ||
			  b[i] == 0x64 || b[i] == 0x65 || b[i] == 0x67 || b[i] == 0x2e ||
			  b[i] == 0x3e || b[i] == 0x26 || b[i] == 0x36))
		i++;
	return (b[i] & 0xf0) == 0x40 ? i + 1 : i;
}

static struct allowed *is_allowed(struct compare *c)
{
	const uint8_t *b = c->result.insn + prefixes(c->result.insn);
	char text[32];

	(void)snprintf(text, sizeof(text), "%02x %02x %02x", b[0], b[1], b[2]);
	for (unsigned i = 0; i < c->nallowed; i++)
		if (!strncmp(text, c->allowed[i].bytes, strlen(c->allowed[i].bytes)))
			return &c->allowed[i];
	return NULL;
}

#define CF 0x001u
#define PF 0x004u
#define AF 0x010u
#define ZF 0x040u
#define SF 0x080u
#define OF 0x800u

/* Flags that the manual calls undefined after this instruction (SDM volume 1, appendix A). */
static uint64_t undefined_one(const struct vmt_insn *i)
{
	unsigned op = i->modrm >> 3 & 7, o = i->opcode;
	bool logic = (o < 0x40 && ((o & 0x38) == 0x08 || (o & 0x38) == 0x20 || (o & 0x38) == 0x30));

	if (logic || o == 0x84 || o == 0x85 || o == 0xa8 || o == 0xa9)
		return AF;
	if (o >= 0x80 && o <= 0x83)
		return op == 1 || op == 4 || op == 6 ? AF : 0;
	if (o == 0xf6 || o == 0xf7)
		return op < 2 ? AF : op < 4 ? 0 : op < 6 ? SF | ZF | AF | PF : 0x8d5;
	if (o == 0x69 || o == 0x6b)
		return SF | ZF | AF | PF;
	/* By more than 1, OF is undefined; and CF of a shift by more than there is. */
	if (o == 0xc0 || o == 0xc1 || o == 0xd2 || o == 0xd3)
		return op < 4 ? OF : AF | OF | (i->operand_size < 4 ? CF : 0);
	return o == 0xd0 || o == 0xd1 ? (op < 4 ? 0 : AF) : 0;
}

static uint64_t undefined_0f(const struct vmt_insn *i)
{
	unsigned o = i->opcode;

	if (o == 0xaf)
		return SF | ZF | AF | PF;
	if (o == 0xbc || o == 0xbd)
		return i->rep == 0xf3 ? SF | OF | AF | PF : CF | OF | SF | AF | PF;
	if (o == 0xa3 || o == 0xab || o == 0xb3 || o == 0xbb || o == 0xba)
		return OF | SF | AF | PF;
	if (o == 0xa4 || o == 0xa5 || o == 0xac || o == 0xad)
		return AF | OF;
	return 0;
}

static uint64_t undefined_flags(const struct vmt_insn *i)
{
	if (i->encoding == VMT_VEX) {
		if (i->map != VMT_MAP_0F38)
			return 0;
		return i->opcode == 0xf7 ? SF | AF | PF : i->opcode >= 0xf2 ? AF | PF : 0;
	}
	if (i->map == VMT_MAP_1)
		return undefined_one(i);
	return i->map == VMT_MAP_0F ? undefined_0f(i) : 0;
}

static void show(const struct compare *c, const char *what)
{
	if (c->counts.different > SHOWN)
		return;
	printf("  at 0x%" PRIx64 ":", c->before.gprs.rip);
	for (unsigned i = 0; i < c->result.insn_length; i++)
		printf(" %02x", c->result.insn[i]);
	printf(": %s\n", what);
}

/* The touched pages, as the emulated step left them, against the program's now. */
static bool pages_differ(struct compare *c, char *what, size_t cap)
{
	uint8_t now[VMT_PAGE_SIZE];

	for (unsigned i = 0; i < c->npages; i++) {
		struct traced_page *p = &c->pages[i];

		if (!p->there)
			continue;
		for (uint32_t k = 0; k < c->result.nwrites; k++) {
			const struct vmt_step_write *w = &c->result.writes[k];

			if (w->page.n == p->gfn.n)
				memcpy(p->bytes + (w->gpa.a & VMT_PAGE_MASK), w->bytes, w->len);
		}
		if (traced_read(&c->t, vmt_gpa_of(p->gfn).a, now, sizeof(now)) != sizeof(now))
			continue;
		for (unsigned k = 0; k < sizeof(now); k++)
			if (now[k] != p->bytes[k]) {
				(void)snprintf(what, cap, "memory 0x%" PRIx64 ": %02x, is %02x",
					       vmt_gpa_of(p->gfn).a + k, p->bytes[k], now[k]);
				return true;
			}
	}
	return false;
}

static bool vectors_differ(const struct compare *c, char *what, size_t cap)
{
	const struct vmt_fpu *a = &c->fpu, *b = &c->t.cpu.fpu;
	bool flags = c->known & VMT_CPU_KNOWS_FP_FLAGS;

	for (unsigned i = 0; i < 16; i++)
		if (memcmp(&a->ymm[i], &b->ymm[i], 32) != 0) {
			(void)snprintf(what, cap,
				       "ymm%u: %016" PRIx64 "%016" PRIx64 "%016" PRIx64
				       "%016" PRIx64 ", is %016" PRIx64 "%016" PRIx64 "%016" PRIx64
				       "%016" PRIx64,
				       i, a->ymm[i].q[3], a->ymm[i].q[2], a->ymm[i].q[1],
				       a->ymm[i].q[0], b->ymm[i].q[3], b->ymm[i].q[2],
				       b->ymm[i].q[1], b->ymm[i].q[0]);
			return true;
		}
	for (unsigned i = 0; i < 8; i++)
		if (memcmp(a->st[i], b->st[i], 10) != 0) {
			(void)snprintf(what, cap, "st%u", i);
			return true;
		}
	if (a->fcw != b->fcw || a->ftw != b->ftw ||
	    ((a->fsw ^ b->fsw) & (flags ? 0xffff : 0x7f00)) ||
	    ((a->mxcsr ^ b->mxcsr) & (flags ? 0xffffffff : 0xffffffc0))) {
		(void)snprintf(what, cap, "fcw %x %x fsw %x %x ftw %x %x mxcsr %x %x", a->fcw,
			       b->fcw, a->fsw, b->fsw, a->ftw, b->ftw, a->mxcsr, b->mxcsr);
		return true;
	}
	return false;
}

static bool differs(struct compare *c, char *what, size_t cap)
{
	uint64_t mask = 0xcd5 & ~undefined_flags(&c->insn);
	struct vmt_regs *a = &c->after, *b = &c->t.regs;

	if ((a->gprs.rflags ^ b->gprs.rflags) & mask) {
		(void)snprintf(what, cap, "flags: %" PRIx64 ", are %" PRIx64, a->gprs.rflags,
			       b->gprs.rflags);
		return true;
	}
	a->gprs.rflags = b->gprs.rflags;
	for (size_t i = 0; i < vmt_reg_nfields; i++) {
		const struct vmt_reg_field *f = &vmt_reg_fields[i];
		bool compared = f->bit <= VMT_REG_RIP || !strcmp(f->name, "fs.base") ||
				!strcmp(f->name, "gs.base");

		if (compared && vmt_reg_get(a, f) != vmt_reg_get(b, f)) {
			(void)snprintf(what, cap, "%s: %" PRIx64 ", is %" PRIx64, f->name,
				       vmt_reg_get(a, f), vmt_reg_get(b, f));
			return true;
		}
	}
	return vectors_differ(c, what, cap) || pages_differ(c, what, cap);
}

/* The emulated step. Keeps what it made of the registers; those of the program are read anew. */
static int emulate(struct compare *c)
{
	static const struct vmt_step how = {.intercepts = VMT_INTERCEPT_CPUID | VMT_INTERCEPT_TSC};
	int o;

	c->before = c->t.regs;
	o = vmt_emulator_step(c->em, &c->t.cpu, &how, &c->result);
	c->after = c->t.regs;
	c->fpu = c->t.cpu.fpu;
	c->known = c->t.cpu.known;
	memcpy(c->pages, c->t.pages, c->t.npages * sizeof(c->pages[0]));
	c->npages = c->t.npages;
	(void)vmt_decode(&c->insn, c->result.insn, c->result.insn_fetched, true);
	return o;
}

static void count_refused(struct compare *c)
{
	const uint8_t *b = c->result.insn + prefixes(c->result.insn);
	unsigned map = 0;

	if (*b == 0x0f) {
		b++;
		map = 1;
	} else if (*b == 0x62 || *b == 0xc4 || *b == 0xc5) {
		map = *b == 0x62 ? 3 : 2;
		b += *b == 0x62 ? 4 : *b == 0xc5 ? 2 : 3;
	}
	c->counts.refused++;
	c->counts.by_opcode[map][*b]++;
}

static int compare_one(struct compare *c)
{
	struct counts *n = &c->counts;
	struct allowed *allowed;
	char what[256] = "", text[160];
	int o, ended;

	if (traced_load(&c->t))
		return 1;
	o = emulate(c);
	ended = traced_step(&c->t);
	if (ended || traced_load(&c->t))
		return 1;
	n->steps++;
	n->stores += c->result.nwrites;
	allowed = is_allowed(c);
	if (o == VMT_STEP_UNSUPPORTED || o == VMT_STEP_MISSING || o == VMT_STEP_EVENT) {
		if (allowed) {
			n->allowed++;
			allowed->met++;
		} else {
			count_refused(c);
		}
		return 0;
	}
	if (o == VMT_STEP_DONE ? !differs(c, what, sizeof(what)) : false) {
		n->same++;
		return 0;
	}
	if (allowed) {
		n->allowed++;
		allowed->met++;
		return 0;
	}
	n->different++;
	show(c, o == VMT_STEP_DONE ? what : vmt_step_format(&c->result, text, sizeof(text)));
	return 0;
}

static void print_refused(const struct counts *n)
{
	static const char *const maps[] = {"", "0f ", "vex ", "evex "};
	uint64_t least = n->steps / 2000 + 1;

	for (unsigned m = 0; m < 4; m++)
		for (unsigned o = 0; o < 256; o++)
			if (n->by_opcode[m][o] >= least)
				printf("  refused %s%02x: %" PRIu64 "\n", maps[m], o,
				       n->by_opcode[m][o]);
}

static bool run(struct compare *c, char *const argv[], uint64_t steps)
{
	const struct counts *n = &c->counts;
	const char *name = argv[0] ? strrchr(argv[0], '/') : NULL;
	uint64_t judged;
	double executed;

	memset(&c->counts, 0, sizeof(c->counts));
	if (traced_start(&c->t, argv)) {
		printf("%s: cannot be started under ptrace\n", argv[0]);
		traced_finish(&c->t);
		return false;
	}
	while (n->steps < steps && !compare_one(c))
		;
	traced_finish(&c->t);
	judged = n->same + n->different + n->refused;
	executed = judged ? 100.0 * (double)(judged - n->refused) / (double)judged : 0;
	printf("%-16s %9" PRIu64 " steps, %9" PRIu64 " same, %6" PRIu64 " refused, %5" PRIu64
	       " allowed, %3" PRIu64 " different, %8" PRIu64 " stores, %.2f %% executed\n",
	       name ? name + 1 : argv[0], n->steps, n->same, n->refused, n->allowed, n->different,
	       n->stores, executed);
	print_refused(n);
	(void)fflush(stdout);
	return !n->different && executed >= 95.0 && judged > 1000;
}

int main(int argc, char **argv)
{
	static struct compare c;
	const struct vmt_emulator_config config = {.ops = &traced_ops, .flags = VMT_EMULATOR_WHOLE};
	struct vmt_error err = {0};
	bool good = true;
	uint64_t steps;

	if (argc < 4 || read_allowed(&c, argv[1])) {
		printf("usage: host-compare ALLOWED STEPS PROGRAM [ARGUMENT...] [-- ...]\n");
		return 2;
	}
	steps = strtoull(argv[2], NULL, 0);
	if (vmt_emulator_create(&config, &c.em, &err)) {
		printf("%s\n", err.text);
		return 77;
	}
	for (int i = 3, end; i < argc; i = end + 1) {
		for (end = i; end < argc && strcmp(argv[end], "--") != 0; end++)
			;
		argv[end] = NULL;
		good = run(&c, argv + i, steps) && good;
	}
	for (unsigned i = 0; i < c.nallowed; i++)
		if (c.allowed[i].met)
			printf("allowed %s: %" PRIu64 " times\n", c.allowed[i].bytes,
			       c.allowed[i].met);
	vmt_emulator_destroy(c.em);
	return good ? 0 : 1;
}
