/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * When the guest cannot have run: each record of a trace belongs to a moment, and between two
 * records of one moment the guest stood still.
 *
 * It stands still while the domain is paused, and while each vCPU is held by a synchronous event
 * whose answer was not committed. Otherwise each record is a moment of its own. A wait and a settle
 * begin a new moment in any case: they take time, in which devices may write to memory.
 */
#ifndef VMT_REPLAY_STILLNESS_H
#define VMT_REPLAY_STILLNESS_H

#include "trace-format/record.h"

/** Events that are taken and not committed: as many as Xen's ring has room for, and more. */
#define VMT_HELD_MAX 64u

struct vmt_held_event {
	uint64_t ticket;
	uint16_t vcpu;
	bool answered;
};

struct vmt_still {
	uint64_t moment;
	uint32_t pauses;
	uint32_t vcpus; /**< of the domain; 0: not known, then only pauses count */
	bool may_run;   /**< the record before let the guest run, however it is now */
	uint32_t nheld;
	struct vmt_held_event held[VMT_HELD_MAX];
};

void vmt_still_init(struct vmt_still *still, uint32_t vcpus);

/** Go on by one record, in order. Returns its moment. */
uint64_t vmt_still_feed(struct vmt_still *still, const struct vmt_trace_record *record);

#define VMT_NO_MOMENT UINT64_MAX

/** The moment in which the guest stands since the last record, or VMT_NO_MOMENT: it may run. */
uint64_t vmt_still_now(const struct vmt_still *still);

#endif /* VMT_REPLAY_STILLNESS_H */
