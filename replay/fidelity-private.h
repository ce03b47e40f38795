/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the fidelity measurement.
 *
 *   fidelity.c          the walk through the trace: responses, and the events that they led to
 *   fidelity-predict.c  from a response to the next event, by emulation
 *   fidelity-guest.c    the recorded guest's memory at one moment, for the emulator
 *   fidelity-report.c   counts, kept cases, text
 */
#ifndef VMT_REPLAY_FIDELITY_PRIVATE_H
#define VMT_REPLAY_FIDELITY_PRIVATE_H

#include <vmitape/fidelity.h>

#include "answers.h"
#include "emulation/emulation.h"
#include "side.h"

/* -------------------------------------------------------------------------------------------- */
/* The guest at one moment                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** A page as it is known at that moment, with what the emulation has written to it. */
struct vmt_moment_page {
	uint64_t gfn; /**< after remapping */
	bool missing;
	uint8_t bytes[VMT_PAGE_SIZE];
	uint8_t written[VMT_PAGE_SIZE / 8]; /**< a bit for each byte */
};

/** What the emulator's ops get as their context. */
struct vmt_moment {
	struct vmt_facts *facts;
	struct vmt_model *model; /**< of the recorded handler's side */
	uint16_t vcpu;
	struct vmt_here here;
	struct vmt_moment_page **pages;
	size_t npages, cap;
	bool no_memory;
};

extern const struct vmt_cpu_ops vmt_moment_ops;

/** Forget all pages; the next access is to another moment. */
void vmt_moment_clear(struct vmt_moment *moment);
void vmt_moment_finish(struct vmt_moment *moment);

/* -------------------------------------------------------------------------------------------- */
/* A response and what it leads to                                                              */
/* -------------------------------------------------------------------------------------------- */

/** A response that has taken effect, and the event that it answered. */
struct vmt_answered {
	bool there, answered, committed;
	bool spoiled; /**< registers were set or an interrupt injected besides */
	struct vmt_event ev;
	uint64_t number; /**< of the event */
	uint16_t action, flags;
	struct vmt_gprs gprs;
	uint32_t data_len;
	uint8_t data[VMT_EMUL_READ_MAX];
	bool has_context;
	struct vmt_vcpu_context context;
	struct vmt_here here; /**< when it took effect */
};

/** What the emulation says that comes next. */
struct vmt_predicted {
	uint32_t fidelity; /**< EXACT: @ev is the prediction; else REFUSED or INCOMPLETE */
	struct vmt_event ev;
	uint64_t any_regs;   /**< registers that are not predicted: bits as in vmt_regs.known */
	uint64_t any_rflags; /**< flags that the instruction leaves undefined */
	/** An instruction was done that Xen may or may not have completed itself. */
	bool ambiguous;
	uint64_t rip; /**< of the first instruction */
	uint8_t insn[16];
	uint8_t insn_len;
	struct vmt_cpu cpu; /**< the vCPU then; its regs are @ev.regs */
	char text[224];
};

/**
 * Predict what follows on @a, from @cpu, whose regs are all that is known when @a took effect.
 * @exits: take an ambiguous instruction as one that Xen completed. @moment has been set.
 */
void vmt_fidelity_predict(struct vmt_emulator *em, struct vmt_moment *moment,
			  const struct vmt_answered *a, const struct vmt_cpu *cpu, bool exits,
			  struct vmt_predicted *p);

/** Is @next what was predicted? Else @text says what differs, at most @cap bytes with NUL. */
bool vmt_fidelity_matches(const struct vmt_predicted *p, const struct vmt_event *next, char *text,
			  size_t cap);

/** Flags that the instruction leaves undefined (Intel SDM volume 2); bits of RFLAGS. */
uint64_t vmt_undefined_flags(const uint8_t *insn, uint8_t len);

/** The opcode of @insn, without prefixes, for the table. */
void vmt_opcode_of(const uint8_t *insn, uint8_t len, struct vmt_fidelity_opcode *opcode);

/** Count one response. -VMT_E_NO_MEMORY */
int vmt_fidelity_count(struct vmt_fidelity *f, const struct vmt_fidelity_options *options,
		       const struct vmt_answered *a, const struct vmt_predicted *p,
		       enum vmt_fidelity_class fidelity, const char *text);

#endif /* VMT_REPLAY_FIDELITY_PRIVATE_H */
