/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lengths of port I/O and descriptor-table instructions (Intel SDM volume 2, chapter 2 and the
 * opcode maps of appendix A).
 */
#include "skip-length.h"

struct code {
	const uint8_t *bytes;
	size_t n, at;
	bool addr16, code64;
};

static int next(struct code *c)
{
	return c->at < c->n && c->at < VMT_INSN_MAX ? c->bytes[c->at++] : -1;
}

static bool is_legacy_prefix(int byte)
{
	static const uint8_t prefixes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
					   0x66, 0x67, 0xf0, 0xf2, 0xf3};

	for (size_t i = 0; i < sizeof(prefixes); i++)
		if (byte == prefixes[i])
			return true;
	return false;
}

static bool is_rex(const struct code *c, int byte)
{
	return c->code64 && byte >= 0x40 && byte <= 0x4f;
}

/**
 * Skip prefixes and give the first opcode byte, or -1. A prefix may stand there more than once and
 * means the same then; a REX before another prefix means nothing.
 */
static int opcode(struct code *c)
{
	const bool other = !c->addr16;
	int byte = next(c);

	while (is_legacy_prefix(byte) || is_rex(c, byte)) {
		/* In 64-bit code 67 gives 32-bit addresses, whose operands are as long. */
		if (byte == 0x67 && !c->code64)
			c->addr16 = other;
		byte = next(c);
	}
	return byte;
}

/** Skip @len bytes; false when they are not there. */
static bool skip(struct code *c, size_t len)
{
	while (len--)
		if (next(c) < 0)
			return false;
	return true;
}

static bool skip_operand16(struct code *c, unsigned mod, unsigned rm)
{
	if (mod == 1)
		return skip(c, 1);
	return skip(c, mod == 2 || (mod == 0 && rm == 6) ? 2 : 0);
}

static bool skip_operand32(struct code *c, unsigned mod, unsigned rm)
{
	size_t displacement = mod == 1 ? 1 : mod == 2 ? 4 : 0;

	if (rm == 4) {
		int sib = next(c);

		if (sib < 0)
			return false;
		if (mod == 0 && (sib & 7) == 5)
			displacement = 4;
	} else if (mod == 0 && rm == 5) {
		displacement = 4;
	}
	return skip(c, displacement);
}

/**
 * 0F 00 /0 to /3 (SLDT, STR, LLDT, LTR) and 0F 01 /0 to /3 with memory (SGDT, SIDT, LGDT, LIDT).
 */
static bool skip_descriptor(struct code *c)
{
	const int group = next(c);
	const int modrm = next(c);
	const unsigned mod = (unsigned)modrm >> 6;
	const unsigned reg = ((unsigned)modrm >> 3) & 7;

	if (modrm < 0 || group > 1 || reg > 3)
		return false;
	if (mod == 3)
		return group == 0;
	return c->addr16 ? skip_operand16(c, mod, (unsigned)modrm & 7)
			 : skip_operand32(c, mod, (unsigned)modrm & 7);
}

unsigned vmt_skip_length(const uint8_t *code, size_t n, bool code16, bool code64)
{
	struct code c = {.bytes = code, .n = n, .addr16 = code16, .code64 = code64};
	const int op = opcode(&c);
	bool complete = false;

	if (op >= 0xe4 && op <= 0xe7) /* IN, OUT with a port in the instruction */
		complete = skip(&c, 1);
	else if ((op >= 0xec && op <= 0xef) || (op >= 0x6c && op <= 0x6f))
		complete = true;
	else if (op == 0x0f)
		complete = skip_descriptor(&c);
	return complete ? (unsigned)c.at : 0;
}
