/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program for host-compare: executes instructions of all kinds with random operands, far more kinds
 * than compilers use, and ends.
 *
 *   random-code SEED COUNT
 *
 * An INT3 stands before them. Memory operands are [rbx + disp8] within a page of random bytes; RSP and RBX are never written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CODE_LEN (1u << 20)

static uint64_t random_state;

static uint32_t pick(uint32_t n)
{
	random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(random_state >> 33) % n;
}

/* What may be varied, and what stands behind ModRM. */
enum {
	WIDE = 1, /* 66 and REX.W */
	IMM8 = 2,
	IMMZ = 4, /* 4 bytes, or 2 with 66 */
	REG = 8,  /* registers alone */
	MEM = 16, /* memory alone */
	EXT = 32, /* @ext is the /reg */
	NO_MODRM = 64,
	LAST = 128,   /* the low three bits of the opcode are the register */
	W = 256,      /* REX.W at random, no 66 */
	VECTOR = 512, /* any register: RSP and RBX are meant as XMM4 and XMM3 */
	VEX_GPR = 1024,
	VEX_YMM = 2048, /* L at random */
	GPR_RM = 4096,  /* with VECTOR: rm is a general register when not memory */
	GPR_REG = 8192,
	ALIGNED = 16384,
};

struct kind {
	uint8_t prefix;      /* 66, F2, F3 or 0 */
	uint8_t map;         /* 1: 0F, 2: 0F 38, 3: 0F 3A, 0: none */
	uint8_t first, last; /* opcodes */
	uint8_t ext;
	uint16_t flags;
};

static const struct kind kinds[] = {
#include "random-code-kinds.h"
};

static uint8_t *emit_byte(uint8_t *p, unsigned b)
{
	*p = (uint8_t)b;
	return p + 1;
}

/* A register that may be written: neither RBX nor RSP. Without REX, 4 to 7 of bytes are AH to BH. */
static unsigned gpr(void)
{
	static const uint8_t good[] = {0, 1, 2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

	return good[pick(sizeof(good))];
}

struct choice {
	unsigned reg, rm, vvvv;
	int mem, w, p66, l;
};

static struct choice choose(const struct kind *k)
{
	struct choice c = {.reg = gpr(), .rm = gpr(), .vvvv = gpr()};

	if (k->flags & VECTOR) {
		c.reg = k->flags & GPR_REG ? gpr() : pick(16);
		c.rm = k->flags & GPR_RM ? gpr() : pick(16);
		c.vvvv = pick(16);
	}
	if (k->flags & EXT)
		c.reg = k->ext;
	c.mem = !(k->flags & REG) && ((k->flags & MEM) || pick(2));
	c.w = (k->flags & (WIDE | W)) && pick(2);
	c.p66 = (k->flags & WIDE) && pick(3) == 0;
	c.l = (k->flags & VEX_YMM) && pick(2);
	return c;
}

static uint8_t *emit_operands(uint8_t *p, const struct kind *k, const struct choice *c)
{
	if (c->mem) {
		p = emit_byte(p, 0x43 | (c->reg & 7) << 3);
		p = emit_byte(p, k->flags & ALIGNED ? pick(4) * 16 : pick(64));
	} else {
		p = emit_byte(p, 0xc0 | (c->reg & 7) << 3 | (c->rm & 7));
	}
	return p;
}

static uint8_t *emit_immediate(uint8_t *p, const struct kind *k, const struct choice *c)
{
	unsigned n = k->flags & IMM8 ? 1 : k->flags & IMMZ ? (c->p66 && !c->w ? 2 : 4) : 0;

	while (n--)
		p = emit_byte(p, pick(256));
	return p;
}

static uint8_t *emit_vex(uint8_t *p, const struct kind *k, const struct choice *c, unsigned opcode)
{
	unsigned pp = k->prefix == 0x66 ? 1 : k->prefix == 0xf3 ? 2 : k->prefix == 0xf2 ? 3 : 0;

	p = emit_byte(p, 0xc4);
	p = emit_byte(p, (c->reg & 8 ? 0 : 0x80) | 0x40 | (!c->mem && (c->rm & 8) ? 0 : 0x20) |
				 k->map);
	p = emit_byte(p, (unsigned)c->w << 7 | (~c->vvvv & 15) << 3 | (unsigned)c->l << 2 | pp);
	p = emit_byte(p, opcode);
	p = emit_operands(p, k, c);
	return emit_immediate(p, k, c);
}

static uint8_t *emit(uint8_t *p, const struct kind *k)
{
	unsigned opcode = k->first + pick(k->last - k->first + 1u);
	struct choice c = choose(k);
	unsigned rex = 0x40 | (unsigned)c.w << 3;

	if (k->flags & (VEX_GPR | VEX_YMM))
		return emit_vex(p, k, &c, opcode);
	if (c.p66)
		p = emit_byte(p, 0x66);
	if (k->prefix)
		p = emit_byte(p, k->prefix);
	if (k->flags & LAST) {
		opcode += c.rm & 7;
		rex |= c.rm >> 3;
	} else if (!(k->flags & NO_MODRM)) {
		rex |= (c.reg & 8 && !(k->flags & EXT) ? 4u : 0u) | (!c.mem && c.rm & 8 ? 1u : 0u);
	}
	p = emit_byte(p, rex);
	if (k->map)
		p = emit_byte(p, 0x0f);
	if (k->map > 1)
		p = emit_byte(p, k->map == 2 ? 0x38 : 0x3a);
	p = emit_byte(p, opcode);
	if (!(k->flags & (NO_MODRM | LAST)))
		p = emit_operands(p, k, &c);
	return emit_immediate(p, k, &c);
}

int main(int argc, char **argv)
{
	static const uint8_t leave[] = {0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05};
	unsigned count = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 1000;
	static _Alignas(64) uint8_t data[4096];
	void *memory = mmap(NULL, CODE_LEN, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *p = memory;

	if (memory == MAP_FAILED)
		return 1;
	random_state = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)pick(256);
	p = emit_byte(p, 0xcc); /* from here on it is compared */
	for (unsigned i = 0; i < count && p < (uint8_t *)memory + CODE_LEN - 64; i++) {
		/* Now and then fresh registers: mov reg, imm64. */
		if (i % 8 == 0) {
			unsigned reg = gpr();
			uint64_t value = (uint64_t)pick(1u << 31) << 33 ^ pick(1u << 31)
										  << pick(20);

			p = emit_byte(p, 0x48 | reg >> 3);
			p = emit_byte(p, 0xb8 | (reg & 7));
			memcpy(p, &value, 8);
			p += 8;
		}
		p = emit(p, &kinds[pick(sizeof(kinds) / sizeof(kinds[0]))]);
	}
	memcpy(p, leave, sizeof(leave));
	__asm__ volatile("mov %0, %%rbx\n\tjmp *%1" : : "r"(data), "r"(memory) : "rbx", "memory");
	return 1;
}
