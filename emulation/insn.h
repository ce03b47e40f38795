/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A decoded instruction, and the opcode maps: one table row for each opcode that is executed.
 */
#ifndef VMITAPE_EMULATION_INSN_H
#define VMITAPE_EMULATION_INSN_H

#include <stdbool.h>
#include <stdint.h>

struct vmt_exec;

#define VMT_INSN_MAX 15u

/** Segments by their encoding. */
enum vmt_seg { VMT_ES, VMT_CS, VMT_SS, VMT_DS, VMT_FS, VMT_GS, VMT_SEG_NONE };

/** Opcode maps. */
enum vmt_map { VMT_MAP_1 = 0, VMT_MAP_0F = 1, VMT_MAP_0F38 = 2, VMT_MAP_0F3A = 3 };

/** Encodings other than the legacy one. */
enum vmt_encoding { VMT_LEGACY, VMT_VEX };

/** What stands behind the opcode, and rules that hold before anything is executed. */
enum vmt_op_flag {
	OP_MODRM = 1 << 0,
	OP_BYTE = 1 << 1, /**< the operand has 1 byte */
	OP_IMM8 = 1 << 2, /**< sign-extended */
	OP_IMMZ = 1 << 3, /**< 2 or 4 bytes, sign-extended */
	OP_IMMV = 1 << 4, /**< 2, 4 or 8 bytes */
	OP_IMM16 = 1 << 5,
	OP_MOFFS = 1 << 6, /**< an address of the address size */
	OP_FAR = 1 << 7,   /**< offset and selector */
	OP_D64 = 1 << 8,   /**< in 64-bit mode the operand has 8 bytes (or 2) */
	OP_F64 = 1 << 9,   /**< in 64-bit mode the operand has 8 bytes whatever the prefixes say */
	OP_NO64 = 1 << 10, /**< #UD in 64-bit mode */
	OP_GROUP3 = 1 << 11,        /**< an immediate with /0 and /1 alone */
	OP_LOCK = 1 << 12,          /**< LOCK is allowed where the destination is memory */
	OP_SSE = 1 << 13,           /**< needs and changes SSE state */
	OP_X87 = 1 << 14,           /**< needs and changes x87 or MMX state */
	OP_SYSTEM = 1 << 15,        /**< may change more registers than the general ones */
	OP_NO_SSE_PREFIX = 1 << 16, /**< 66, F2 and F3 are #UD */
	OP_MMX = 1 << 17,           /**< without 66: MMX registers */
	OP_ALIGNED = 1 << 18,       /**< a 16-byte memory operand must be aligned */
	OP_FP = 1 << 19,            /**< floating-point arithmetic: depends on MXCSR */
	OP_GPR_REG = 1 << 20,       /**< handed over: reg is a general register */
	OP_GPR_RM = 1 << 21,        /**< handed over: rm is a general register when not memory */
	OP_FLAGS = 1 << 22,         /**< handed over: changes RFLAGS */
	OP_STORES = 1 << 23,        /**< handed over: the memory operand is written, not read */
	OP_IMPLICIT = 1 << 24,      /**< handed over: RAX, RCX, RDX, XMM0 take part */
	OP_NO66 = 1 << 25,          /**< 66 is no operand size */
	OP_FPU = 1 << 26, /**< may change x87 and SSE state, and sees to the checks itself */
};

/** How many bytes a memory operand has that is handed over; by prefix: none, 66, F3, F2. */
enum vmt_op_size {
	SIZE_NONE, /**< the form does not exist, or is refused */
	SIZE_2,
	SIZE_4,
	SIZE_8,
	SIZE_10,
	SIZE_16,
	SIZE_V, /**< the operand size */
	SIZE_B,
	SIZE_REG, /**< registers alone */
};

typedef int vmt_execute_fn(struct vmt_exec *x);

/** A row of an opcode map. A row without @execute is refused. */
struct vmt_opcode {
	vmt_execute_fn *execute;
	uint32_t flags;   /**< enum vmt_op_flag */
	uint8_t sizes[4]; /**< enum vmt_op_size, by prefix; of what is handed over */
};

struct vmt_insn {
	const struct vmt_opcode *op; /**< never NULL; a row without execute where none is */
	uint8_t len;                 /**< bytes */
	uint8_t map, opcode;
	uint8_t encoding;     /**< enum vmt_encoding */
	uint8_t operand_size; /**< 1, 2, 4 or 8 */
	uint8_t address_size; /**< 4 or 8 */
	uint8_t rex;          /**< 0: none */
	uint8_t rep;          /**< 0, 0xf2 or 0xf3 */
	uint8_t segment;      /**< of the prefix, or VMT_SEG_NONE */
	bool p66, lock;
	bool w;               /**< REX.W, VEX.W */
	uint8_t vex_l, vex_v; /**< VEX.L; VEX.vvvv, not inverted */
	uint8_t modrm, mod;
	uint8_t reg, rm;     /**< with REX.R and REX.B */
	uint8_t base, index; /**< of the memory operand; 0xff: none */
	uint8_t scale;       /**< a shift */
	uint8_t modrm_at;    /**< the position of ModRM */
	uint8_t imm_at;      /**< the position of what stands behind ModRM, SIB and displacement */
	bool rip_relative;
	int32_t disp;
	int64_t imm;       /**< sign-extended; OP_FAR: the offset */
	uint16_t selector; /**< OP_FAR */
};

enum vmt_decode_outcome {
	VMT_DECODE_OK = 0,
	VMT_DECODE_SHORT = 1,   /**< more bytes are needed than @avail */
	VMT_DECODE_LONG = 2,    /**< longer than 15 bytes: #GP */
	VMT_DECODE_INVALID = 3, /**< #UD in each mode */
	VMT_DECODE_REFUSED = 4, /**< an encoding that is not decoded here: EVEX, XOP */
};

/**
 * Decode from @bytes, of which @avail are there. @long64: 64-bit mode; otherwise 32-bit code.
 */
int vmt_decode(struct vmt_insn *insn, const uint8_t *bytes, unsigned avail, bool long64);

/** The row of an opcode; of VEX where @vex. Never NULL. */
const struct vmt_opcode *vmt_opcode_find(unsigned map, uint8_t opcode, bool vex);

#endif /* VMITAPE_EMULATION_INSN_H */
