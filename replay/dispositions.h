/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recorded event under another handler: would it have come about, and if not, is what came after it
 * still a fact?
 */
#ifndef VMT_REPLAY_DISPOSITIONS_H
#define VMT_REPLAY_DISPOSITIONS_H

#include "effective.h"

/** Would the traps of @replayed have caused @ev? @recorded: the side that did. */
bool vmt_would_trap(const struct vmt_meets *replayed, const struct vmt_meets *recorded,
		    const struct vmt_event *ev);

/**
 * Does @ev show that the guest came by a trap that only @replayed has? @cr3_before: what the vCPU's
 * CR3 was at its last event, 0: not known.
 */
bool vmt_shows_blind(const struct vmt_meets *replayed, const struct vmt_meets *recorded,
		     const struct vmt_event *ev, uint64_t cr3_before);

/**
 * Did @rsp, the recorded answer to @ev, let the guest go on as if nothing had trapped? @recorded: the
 * recorded side at the event. On false, *@why is the reason, a part of a sentence.
 */
bool vmt_left_alone(const struct vmt_meets *recorded, const struct vmt_event *ev,
		    const struct vmt_response *rsp, const char **why);

/** Are the two responses equal in every part that counts? */
bool vmt_response_same(const struct vmt_response *a, const struct vmt_response *b);

/** What a response makes of the guest, apart from traps that are there afterwards. */
struct vmt_effect {
	const char *what;     /**< "goes on", "reinjected", "denied", ... */
	bool stuck;           /**< the same trap stops the vCPU again at once, for ever */
	struct vmt_gprs gprs; /**< with which it goes on */
	const uint8_t *data;  /**< of an emulation */
	uint32_t data_len;
};

void vmt_effect_of(const struct vmt_meets *meets, const struct vmt_event *ev,
		   const struct vmt_response *rsp, struct vmt_effect *effect);

bool vmt_effect_same(const struct vmt_effect *a, const struct vmt_effect *b);

/** "goes on at rip 0x1000 with rax 0x1": at most @cap bytes with NUL. Registers that differ from @other. */
const char *vmt_effect_format(const struct vmt_effect *effect, const struct vmt_effect *other,
			      char *buf, size_t cap);

#endif /* VMT_REPLAY_DISPOSITIONS_H */
