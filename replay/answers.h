/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer to a read: bytes that the trace holds for this moment, with where they come from.
 */
#ifndef VMT_REPLAY_ANSWERS_H
#define VMT_REPLAY_ANSWERS_H

#include "facts.h"
#include "stillness.h"

/** A place in the recording; see own-bytes.h for times. */
struct vmt_here {
	uint64_t time;
	uint64_t moment; /**< VMT_NO_MOMENT: the guest may have run since the last record */
	/** Of the recorded callback that runs, its first and last time; last 0: none does. */
	uint64_t first, last;
};

struct vmt_answer {
	uint8_t bytes[VMT_PAGE_SIZE];
	uint8_t from[VMT_PAGE_SIZE]; /**< enum vmt_provenance; VMT_FROM_NOWHERE: not known */
	uint32_t known;              /**< bytes */
	uint32_t weakest; /**< enum vmt_provenance; VMT_FROM_MISSING: not all are known */
	uint64_t age;     /**< of the oldest stale byte, in records */
	bool absent;      /**< there is no page at this gfn */
};

struct vmt_question {
	struct vmt_facts *facts;
	const struct vmt_own
		*own; /**< of the replayed handler; NULL: the guest's bytes are asked for */
	vmt_gfn gfn;
	uint32_t offset, len; /**< within the page */
	bool own_page;        /**< the replayed handler had allocated it */
	bool stale;           /**< take older, then later bytes when there are no better ones */
};

/**
 * Answer @q at @here. In a recorded callback @here moves on to the observation that answers, so that
 * equal reads of one callback get their answers in the order in which they were recorded.
 */
void vmt_answer(const struct vmt_question *q, struct vmt_here *here, struct vmt_answer *answer);

/** Is it known that there never was a page at @gfn? */
bool vmt_answer_never_there(const struct vmt_facts *facts, vmt_gfn gfn);

#endif /* VMT_REPLAY_ANSWERS_H */
