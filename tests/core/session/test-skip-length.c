/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lengths of the instructions that vmt_skip() has to decode: port I/O and descriptor tables.
 *
 * The table is from the manual (Intel SDM volume 2, chapter 2 and appendix A); objdump agrees where
 * the sign @as says what it shows (test-skip-lengths.py holds thousands more against it).
 */
#include <stdio.h>

#include "core/skip-length.h"
#include "world.h"

enum mode { M16 = 16, M32 = 32, M64 = 64 };

static const struct encoding {
	enum mode mode;
	unsigned length; /* 0: it is none of those */
	const char *bytes;
	const char *as;
} encodings[] = {
	/* Ports. */
	{M64, 2, "e4 60", "in $0x60,%al"},
	{M64, 2, "e5 60", "in $0x60,%eax"},
	{M64, 2, "e6 80", "out %al,$0x80"},
	{M64, 2, "e7 80", "out %eax,$0x80"},
	{M64, 1, "ec", "in (%dx),%al"},
	{M64, 1, "ed", "in (%dx),%eax"},
	{M64, 1, "ee", "out %al,(%dx)"},
	{M64, 1, "ef", "out %eax,(%dx)"},
	{M64, 2, "66 ed", "in (%dx),%ax"},
	{M64, 3, "66 e5 60", "in $0x60,%ax"},
	{M64, 2, "48 ed", "rex.W in (%dx),%eax"},
	{M64, 3, "66 48 ef", "data16 rex.W out %eax,(%dx)"},
	{M64, 5, "2e 3e 64 66 ed", "cs ds fs in (%dx),%ax"},
	{M64, 1, "6c", "insb"},
	{M64, 1, "6f", "outsl"},
	{M64, 2, "f3 6c", "rep insb"},
	{M64, 2, "f2 6e", "repnz outsb"},
	{M64, 3, "f3 66 6d", "rep insw"},
	{M64, 3, "f3 48 6f", "rep rex.W outsl"},
	{M64, 3, "67 f3 6e", "rep outsb %ds:(%esi)"},
	{M64, 3, "65 f3 6e", "rep outsb %gs:(%rsi)"},
	{M32, 2, "e4 60", "in $0x60,%al"},
	{M32, 1, "ed", "in (%dx),%eax"},
	{M32, 3, "67 66 6d", "insw (%dx),%es:(%di)"},
	{M16, 2, "e7 80", "out %ax,$0x80"},
	{M16, 2, "66 ef", "out %eax,(%dx)"},
	{M16, 3, "67 f3 6e", "rep outsb %ds:(%esi)"},
	/* 0F 00: SLDT, STR, LLDT, LTR. */
	{M64, 3, "0f 00 d8", "ltr %ax"},
	{M64, 4, "66 0f 00 c0", "sldt %ax"},
	{M64, 4, "48 0f 00 c8", "str %rax"},
	{M64, 4, "41 0f 00 d7", "lldt %r15w"},
	{M64, 3, "0f 00 10", "lldt (%rax)"},
	{M64, 4, "0f 00 50 08", "lldt 0x8(%rax)"},
	{M64, 7, "0f 00 90 00 10 00 00", "lldt 0x1000(%rax)"},
	{M64, 4, "0f 00 14 24", "lldt (%rsp)"},
	{M64, 5, "41 0f 00 14 24", "lldt (%r12)"},
	{M64, 5, "0f 00 54 24 08", "lldt 0x8(%rsp)"},
	{M64, 5, "41 0f 00 55 00", "lldt 0x0(%r13)"},
	/* 0F 01: SGDT, SIDT, LGDT, LIDT. */
	{M64, 3, "0f 01 00", "sgdt (%rax)"},
	{M64, 3, "0f 01 0f", "sidt (%rdi)"},
	{M64, 4, "0f 01 5d f6", "lidt -0xa(%rbp)"},
	{M64, 7, "0f 01 15 10 20 30 00", "lgdt 0x302010(%rip)"},
	{M64, 8, "67 0f 01 1d 00 00 00 00", "lidt 0x0(%eip)"},
	{M64, 8, "0f 01 14 25 00 10 00 00", "lgdt 0x1000"},
	{M64, 8, "0f 01 1c 05 00 10 00 00", "lidt 0x1000(,%rax,1)"},
	{M64, 9, "42 0f 01 1c 25 00 10 00 00", "lidt 0x1000(,%r12,1)"},
	{M64, 5, "0f 01 44 05 00", "sgdt 0x0(%rbp,%rax,1)"},
	{M64, 8, "0f 01 84 05 00 00 00 00", "sgdt 0x0(%rbp,%rax,1)"},
	{M64, 4, "65 0f 01 10", "lgdt %gs:(%rax)"},
	{M64, 5, "67 67 0f 01 08", "addr32 sidt (%eax)"},
	{M32, 3, "0f 01 10", "lgdt (%eax)"},
	{M32, 7, "0f 01 15 00 10 00 00", "lgdt 0x1000"},
	{M32, 4, "0f 01 14 24", "lgdt (%esp)"},
	{M32, 6, "67 0f 01 16 00 10", "lgdt 0x1000 in 16-bit addressing"},
	{M32, 7, "67 67 0f 01 16 00 10", "the same: the second 67 says what the first did"},
	{M32, 4, "67 0f 01 14", "lgdt (%si)"},
	{M32, 5, "67 0f 01 54 08", "lgdt 0x8(%si)"},
	{M32, 6, "67 0f 01 94 08 00", "lgdt 0x8(%si)"},
	{M16, 5, "0f 01 16 00 10", "lgdtw 0x1000"},
	{M16, 6, "66 0f 01 16 00 10", "lgdtl 0x1000"},
	{M16, 3, "0f 01 14", "lgdtw (%si)"},
	{M16, 4, "0f 01 56 00", "lgdtw 0x0(%bp)"},
	{M16, 5, "0f 01 96 00 01", "lgdtw 0x100(%bp)"},
	{M16, 3, "0f 00 d8", "ltr %ax"},
	{M16, 8, "67 0f 01 15 00 10 00 00", "addr32 lgdtw 0x1000"},
	{M16, 7, "67 67 0f 01 54 24 04", "addr32 lgdtw 0x4(%esp)"},
	/* A REX counts only right before the opcode, but stands there all the same. */
	{M64, 3, "48 66 ed", "in (%dx),%ax"},
	{M64, 3, "48 48 ed", "rex.W in (%dx),%eax"},
	{M64, 4, "41 f3 48 6d", "rep rex.W insl"},
	{M64, 5, "48 67 0f 01 10", "lgdt (%eax)"},
	/* 40 to 4f are instructions elsewhere. */
	{M32, 0, "48 ed", "dec %eax, and then in"},
	{M16, 0, "40 ec", "inc %ax, and then in"},
	/* The longest there is, and one byte more, which no CPU takes. */
	{M64, 15, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 ed", "fourteen prefixes"},
	{M64, 0, "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 ed", "fifteen prefixes"},
	/* Other instructions. */
	{M64, 0, "90", "nop"},
	{M64, 0, "cc", "int3"},
	{M64, 0, "0f a2", "cpuid"},
	{M64, 0, "e8 00 00 00 00", "call"},
	{M64, 0, "eb fe", "jmp"},
	{M64, 0, "6a 00", "push $0"},
	{M64, 0, "0f 00 e0", "verr %ax"},
	{M64, 0, "0f 00 28", "verw (%rax)"},
	{M64, 0, "0f 01 c1", "vmcall"},
	{M64, 0, "0f 01 d0", "xgetbv"},
	{M64, 0, "0f 01 f8", "swapgs"},
	{M64, 0, "0f 01 20", "smsw (%rax)"},
	{M64, 0, "0f 01 38", "invlpg (%rax)"},
	{M64, 0, "0f 02 c0", "lar %ax,%eax"},
	{M64, 0, "0f 0f 00 00", "3DNow!"},
	{M64, 0, "f3", "a prefix alone"},
};

static size_t bytes_of(const struct encoding *e, uint8_t *code)
{
	const char *at = e->bytes;
	size_t n = 0;

	while (*at) {
		assert_true(n < 16);
		code[n++] = (uint8_t)strtoul(at, (char **)&at, 16);
	}
	return n;
}

static unsigned length_of(const struct encoding *e, const uint8_t *code, size_t n)
{
	return vmt_skip_length(code, n, e->mode == M16, e->mode == M64);
}

static void lengths_are_those_of_the_manual(void **state)
{
	(void)state;
	assert_true(COUNT(encodings) >= 90);
	for (size_t i = 0; i < COUNT(encodings); i++) {
		const struct encoding *e = &encodings[i];
		uint8_t code[16];
		const size_t n = bytes_of(e, code);

		if (length_of(e, code, n) != e->length)
			fail_msg("%d-bit %s (%s): %u bytes, not %u", e->mode, e->bytes, e->as,
				 length_of(e, code, n), e->length);
	}
}

/* What follows does not matter, whatever it is. */
static void bytes_behind_the_instruction_do_not_matter(void **state)
{
	static const uint8_t fill[] = {0x00, 0xff, 0x66, 0x25, 0xed};

	(void)state;
	for (size_t i = 0; i < COUNT(encodings); i++) {
		const struct encoding *e = &encodings[i];
		uint8_t code[32];
		const size_t n = bytes_of(e, code);

		for (size_t f = 0; e->length > 0 && f < COUNT(fill); f++) {
			memset(code + n, fill[f], sizeof(code) - n);
			assert_int_equal(length_of(e, code, VMT_INSN_MAX), e->length);
		}
	}
}

/* An instruction that is cut has no length: nothing is made up for the bytes that are missing. */
static void an_instruction_that_is_cut_has_no_length(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(encodings); i++) {
		const struct encoding *e = &encodings[i];
		uint8_t code[16];
		const size_t n = bytes_of(e, code);

		for (size_t cut = 0; e->length > 0 && cut < n; cut++) {
			uint8_t *exact = malloc(cut + 1); /* so that a read past it is noticed */

			memcpy(exact + 1, code, cut);
			assert_int_equal(length_of(e, exact + 1, cut), 0);
			free(exact);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_are_those_of_the_manual),
		cmocka_unit_test(bytes_behind_the_instruction_do_not_matter),
		cmocka_unit_test(an_instruction_that_is_cut_has_no_length),
	};

	return cmocka_run_group_tests_name("skip length", tests, NULL, NULL);
}
