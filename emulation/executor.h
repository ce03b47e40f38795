/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the emulator and the module vmitape-emulation.so agree on. The module executes one
 * instruction of the list of what may be handed over: no branch, no stack, no system state, at most
 * one memory operand, which stands in a buffer at a fixed address. So it never sees a guest address.
 */
#ifndef VMITAPE_EMULATION_EXECUTOR_H
#define VMITAPE_EMULATION_EXECUTOR_H

#include "emulation/emulation.h"

/** Counts up whenever anything here changes. */
#define VMT_EXECUTOR_ABI 1u

/** Where the memory operand stands: what a 32-bit displacement without base says. */
#define VMT_EXECUTOR_OPERAND 0x200000u

enum vmt_executor_outcome {
	VMT_EXECUTOR_DONE = 0,
	VMT_EXECUTOR_REFUSED = 1, /**< it cannot do this instruction */
	/* An exception with this vector: 256 + vector. */
	VMT_EXECUTOR_EXCEPTION = 256,
};

/** One instruction, encoded so that its memory operand is [VMT_EXECUTOR_OPERAND]. */
struct vmt_handed_over {
	uint8_t code[16];
	uint32_t len;
	uint16_t gprs, xmms; /**< the registers that it may read or write, one bit each */
	bool flags;          /**< it reads or writes RFLAGS */
	bool sse, x87;       /**< it depends on MXCSR; on x87 or MMX state */
	uint32_t operand_len;
	uint8_t operand[64]; /**< the memory operand: in and out */
};

struct vmt_executor_ops {
	uint32_t abi;
	struct vmt_executor *(*create)(void); /**< NULL: no memory, or not a fit Unicorn */
	void (*destroy)(struct vmt_executor *ex);
	/** On another outcome than DONE nothing has changed. */
	int (*run)(struct vmt_executor *ex, struct vmt_handed_over *h, uint64_t g[16],
		   uint64_t *rflags, struct vmt_fpu *fpu);
};

/** The one symbol of the module. */
VMT_API const struct vmt_executor_ops *vmt_executor_module(void);

/** Load the module. NULL: it is not there, with @err filled. */
const struct vmt_executor_ops *vmt_executor_load(struct vmt_error *err);

#endif /* VMITAPE_EMULATION_EXECUTOR_H */
