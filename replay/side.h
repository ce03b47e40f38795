/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One of the two handlers' sides of the domain: a model that is told what that handler did, and what
 * happened to it. Bytes are kept apart (own-bytes.h): the models are never asked to write.
 */
#ifndef VMT_REPLAY_SIDE_H
#define VMT_REPLAY_SIDE_H

#include <vmitape/call.h>

#include "facts.h"
#include "model/model.h"
#include "stillness.h"

/** An event that was given to this side's handler and is not committed. */
struct vmt_taken {
	uint64_t ticket;        /**< of the trace */
	struct vmt_event event; /**< as the model has it, with the model's ticket */
	bool answered;
};

/** What stopped a vCPU, and where. */
struct vmt_trap {
	uint64_t rip, gfn; /**< gfn: of a memory access, else 0 */
	uint16_t reason;
};

struct vmt_side {
	struct vmt_model *model;
	struct vmt_facts *facts;
	struct vmt_gfn_map pages; /**< that were allocated; no value */
	uint32_t vcpus;
	bool *next_interrupt;     /**< by vCPU: the next interrupt was asked for */
	struct vmt_trap *stepped; /**< by vCPU: the trap that its last fast step went over */
	bool any_injected;        /**< an injection may be pending */
	uint32_t ntaken;
	struct vmt_taken taken[VMT_HELD_MAX];
};

int vmt_side_init(struct vmt_side *side, struct vmt_facts *facts, struct vmt_error *err);
void vmt_side_finish(struct vmt_side *side);

/**
 * The vCPU of @ev has run until there: what was deferred took place, and a fast step is over unless
 * it was this instruction that trapped in another way. @own_view: the event's view is this side's.
 */
void vmt_side_ran(struct vmt_side *side, const struct vmt_event *ev, bool own_view);

/** All vCPUs may have run. */
void vmt_side_all_ran(struct vmt_side *side);

/** The handler takes @ev. -VMT_E_DAMAGED: no Xen could have sent it. */
int vmt_side_take(struct vmt_side *side, const struct vmt_event *ev, struct vmt_error *err);

/** The handler answers event @ticket; what the model says is returned. */
int vmt_side_answer(struct vmt_side *side, uint64_t ticket, const struct vmt_response *rsp,
		    struct vmt_error *err);

/** The same where it is known that the hypervisor took the answer. */
void vmt_side_answered(struct vmt_side *side, uint64_t ticket, const struct vmt_response *rsp);

/** The event that was taken with @ticket, or NULL. */
const struct vmt_event *vmt_side_taken(const struct vmt_side *side, uint64_t ticket);

/** What was answered takes effect. */
int vmt_side_commit(struct vmt_side *side, struct vmt_error *err);

/**
 * Carry out @call, an effect or a question of state, by the model: results are stored, and its result
 * is returned. Memory, events and waiting are not its business: -VMT_E_INVALID.
 */
int vmt_side_call(struct vmt_side *side, struct vmt_call *call, struct vmt_error *err);

/**
 * Bring the model to where @call, which was recorded with its results, has brought the domain. A
 * failed call has changed nothing but what set_access says was done.
 */
int vmt_side_follow(struct vmt_side *side, const struct vmt_call *call, struct vmt_error *err);

#endif /* VMT_REPLAY_SIDE_H */
