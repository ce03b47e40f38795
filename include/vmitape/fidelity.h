/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fidelity of the emulation: how well the emulated vCPU does what the recorded hypervisor did.
 *
 *     struct vmt_fidelity f;
 *
 *     vmt_fidelity_init(&f);
 *     if (vmt_fidelity_measure("x.vmt", NULL, &f, &err) < 0)
 *             ...
 *     printf("%" PRIu64 " exact, %" PRIu64 " wrong\n", f.total.n[VMT_FIDELITY_EXACT], ...);
 *     vmt_fidelity_finish(&f);
 *
 * Each recorded response whose effect is the vCPU's next recorded event is emulated too, from the
 * recorded registers and the recorded memory, and the two next events are compared. That is the case
 * while a vCPU is being stepped: a step, a reinjected interrupt, an emulated or denied instruction
 * with stepping on, each with whatever event the instruction leads to.
 *
 * Nothing is taken on trust: a byte of memory counts only when it was recorded at that moment, or
 * while the guest stood still, or equal before and after; a register only when the event or the
 * captured context has it, or an emulation that was exact has led to it.
 */
#ifndef VMITAPE_FIDELITY_H
#define VMITAPE_FIDELITY_H

#include <vmitape/event.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What became of one response. The numbers are stable. */
enum vmt_fidelity_class {
	VMT_FIDELITY_EXACT = 0,   /**< the next event is the predicted one, in all that is known */
	VMT_FIDELITY_REFUSED = 1, /**< the emulation says that it does not do this instruction */
	/** The vCPU took an interrupt: the frame on its stack equals the predicted state. */
	VMT_FIDELITY_ASYNCHRONOUS = 2,
	VMT_FIDELITY_WRONG = 3,
	VMT_FIDELITY_INCOMPLETE = 4, /**< memory or registers that the trace does not have */
	VMT_FIDELITY_CLASSES
};

/** "exact", "refused", ... Never NULL. */
VMT_API const char *vmt_fidelity_class_name(unsigned class_);

struct vmt_fidelity_counts {
	uint64_t n[VMT_FIDELITY_CLASSES];
};

/** The counts of one opcode. */
struct vmt_fidelity_opcode {
	uint8_t map;    /**< 1: one byte, 0x0f, 0x38, 0x3a: the two- and three-byte maps */
	uint8_t opcode; /**< its last byte */
	uint8_t reg;    /**< of ModRM, where it chooses among instructions (groups); else 0 */
	bool vex;
	struct vmt_fidelity_counts counts;
};

/** One response that was not exact: kept for the report. */
struct vmt_fidelity_case {
	uint32_t fidelity; /**< enum vmt_fidelity_class */
	uint16_t action;   /**< enum vmt_action */
	uint16_t vcpu;
	uint64_t event; /**< the event that was answered, counted from 0 in the trace */
	uint64_t rip;   /**< where the emulation began */
	uint8_t insn[16];
	uint8_t insn_len; /**< bytes of @insn */
	char text[224];   /**< what differs, is missing, or is not done */
};

struct vmt_fidelity_options {
	uint32_t cache_bytes; /**< for decoded pages of the trace; 0: 64 MiB */
	uint32_t keep;        /**< cases to keep of each class but exact; 0: 16 */
};

/** The result. All counts of several traces add up when it is used for one after another. */
struct vmt_fidelity {
	struct vmt_fidelity_counts total;
	struct vmt_fidelity_counts actions[VMT_ACTION_COUNT];
	struct vmt_fidelity_counts kernel; /**< of those that began at CPL 0 */
	struct vmt_fidelity_opcode *opcodes;
	size_t nopcodes;
	struct vmt_fidelity_case *cases;
	size_t ncases;
	uint64_t responses;      /**< in all, also those whose effect is not the next event */
	uint64_t stores;         /**< bytes that exact emulations stored */
	uint64_t stores_checked; /**< of them: the trace has them afterwards, and they are equal */
};

VMT_API void vmt_fidelity_init(struct vmt_fidelity *f);
VMT_API void vmt_fidelity_finish(struct vmt_fidelity *f);

/**
 * Measure the trace at @path and add to @f. @options may be NULL. -VMT_E_NOT_SUPPORTED: this build
 * has no emulation; else as vmt_replay_create. A trace that is cut is measured as far as it goes.
 */
VMT_API int vmt_fidelity_measure(const char *path, const struct vmt_fidelity_options *options,
				 struct vmt_fidelity *f, struct vmt_error *err);

/**
 * The result for people: one line for each action and the opcodes that are not all exact, the cases
 * that were kept, and the summary line. To be freed; NULL: no memory.
 */
VMT_API char *vmt_fidelity_text(const struct vmt_fidelity *f);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_FIDELITY_H */
