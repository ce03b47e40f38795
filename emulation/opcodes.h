/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the opcode tables are written with: short names of flags and sizes.
 */
#ifndef VMITAPE_EMULATION_OPCODES_H
#define VMITAPE_EMULATION_OPCODES_H

#include "emulation/insn.h"

#define M   OP_MODRM
#define B   OP_BYTE
#define L   OP_LOCK
#define S   OP_SYSTEM
#define V   (OP_SSE | OP_NO66)
#define X   OP_X87
#define A   OP_ALIGNED
#define I8  OP_IMM8
#define IZ  OP_IMMZ
#define D64 OP_D64
#define F64 OP_F64

/* Sizes of the memory operand by prefix: none, 66, F3, F2. */
#define S_NONE SIZE_NONE
#define S_2    SIZE_2
#define S_4    SIZE_4
#define S_8    SIZE_8
#define S_16   SIZE_16
#define S_V    SIZE_V
#define S_B    SIZE_B
#define S_REG  SIZE_REG

extern const struct vmt_opcode vmt_opcodes_1[256];
extern const struct vmt_opcode vmt_opcodes_0f[256];
extern const struct vmt_opcode vmt_opcodes_vex_0f[256];

#endif /* VMITAPE_EMULATION_OPCODES_H */
