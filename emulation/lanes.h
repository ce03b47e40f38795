/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Vector operations that work on each 16 bytes alone.
 */
#ifndef VMITAPE_EMULATION_LANES_H
#define VMITAPE_EMULATION_LANES_H

#include "emulation/insn.h"

/** @d = @a op @b, 16 bytes each; they may be the same. @imm: the immediate. */
typedef void vmt_lane_fn(void *d, const void *a, const void *b, unsigned imm);

/** The operation of an instruction, by map, opcode and mandatory prefix; NULL: not done here. */
vmt_lane_fn *vmt_lane_find(const struct vmt_insn *i);

/** Shifts by an immediate, 0F 71 to 73. NULL: not done here. */
vmt_lane_fn *vmt_lane_shift(const struct vmt_insn *i);

#endif /* VMITAPE_EMULATION_LANES_H */
