/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The length of the instructions that vmt_skip() skips and whose event does not tell it: port I/O
 * and access to descriptor tables.
 */
#ifndef VMT_CORE_SKIP_LENGTH_H
#define VMT_CORE_SKIP_LENGTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMT_INSN_MAX 15u

/**
 * The length of the instruction in @code, of which @n bytes are known: IN, OUT, INS, OUTS, or the
 * 0F 00 and 0F 01 groups with SLDT, STR, LLDT, LTR, SGDT, SIDT, LGDT, LIDT. @code16: 16-bit
 * addresses are the default (they change the length of a memory operand). 0: it is another
 * instruction, or it is not complete in @n bytes.
 */
unsigned vmt_skip_length(const uint8_t *code, size_t n, bool code16, bool code64);

#endif /* VMT_CORE_SKIP_LENGTH_H */
