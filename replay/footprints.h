/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two footprints compared: what the guest would meet under the replayed handler, and what it met
 * under the recorded one.
 *
 *   blind    a trap that only the replayed handler has: whether the guest ran into it, the trace
 *            does not know
 *   visible  something that the guest can see and that differs: bytes, a pause, an injection
 *
 * A trap that only the recorded handler has is neither: its events are in the trace, and each is
 * judged by itself (dispositions.h).
 */
#ifndef VMT_REPLAY_FOOTPRINTS_H
#define VMT_REPLAY_FOOTPRINTS_H

#include "effective.h"

struct vmt_judgement {
	uint64_t blind; /**< traps that only the replayed handler has */
	char blind_text[160];
	bool visible;
	char recorded[160], replayed[160]; /**< the first visible difference */
};

/** Compare; both are as the guest meets them when it goes on. */
int vmt_footprints_judge(const struct vmt_meets *recorded, const struct vmt_meets *replayed,
			 struct vmt_judgement *judgement);

/** Are the two the same, item by item? Then nothing needs to be judged. */
bool vmt_footprints_same(const struct vmt_meets *recorded, const struct vmt_meets *replayed);

/** The monitor of @kind and @what that is on in @side: true and *@monitor. */
bool vmt_side_monitor(const struct vmt_side *side, uint32_t kind, uint32_t what,
		      struct vmt_monitor *monitor);

/** Is @vcpu being stepped, with an event for each instruction? */
bool vmt_side_steps(const struct vmt_side *side, uint16_t vcpu);

#endif /* VMT_REPLAY_FOOTPRINTS_H */
