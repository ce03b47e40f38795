/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler's own bytes: what it wrote over the guest's, where, when, and what stood there before.
 *
 * Both handlers have one of these. That of the recorded handler is a history, made by the first
 * reading of the trace and asked for any time in it. That of the replayed one has only the present:
 * all its writes are noted at time 0.
 *
 * Times: the record at position p is seen at time 2p, and what it changes holds from 2p + 1 on. So a
 * write's pre-image is looked up at 2p and the write itself stands at 2p + 1.
 */
#ifndef VMT_REPLAY_OWN_BYTES_H
#define VMT_REPLAY_OWN_BYTES_H

#include <vmitape/types.h>

#include "model/gfn-map.h"

#define VMT_WORDS_OF_PAGE (VMT_PAGE_SIZE / 8u)

/** Eight bytes of a page from @time on. Bits: byte i of the word. */
struct vmt_own_word {
	uint64_t time;
	uint8_t own;     /**< written by the handler, and not what stood there before */
	uint8_t unknown; /**< of the own ones: what stood there before is not known */
	uint8_t now[8], before[8];
};

struct vmt_own {
	struct vmt_gfn_map pages; /**< of struct vmt_own_page * */
	uint64_t generation;      /**< counts up with each change */
	bool history;
};

void vmt_own_init(struct vmt_own *own, bool history);
void vmt_own_finish(struct vmt_own *own);

/**
 * The handler wrote @len bytes at @offset. @before: what stood there, own bytes included, of which
 * @known tells whether each is known (NULL: all are); @before NULL: none is. 0 or -VMT_E_NO_MEMORY.
 */
int vmt_own_write(struct vmt_own *own, uint64_t time, vmt_gfn gfn, uint32_t offset,
		  const uint8_t *data, uint32_t len, const uint8_t *before, const uint8_t *known);

/** From @time on no byte of @gfn is own. */
int vmt_own_forget(struct vmt_own *own, uint64_t time, vmt_gfn gfn);

/** From @time on no byte is own. */
int vmt_own_forget_all(struct vmt_own *own, uint64_t time);

/** Did the handler ever write to @gfn? Cheap. */
bool vmt_own_touches(const struct vmt_own *own, vmt_gfn gfn);

/** The word at @index (0 to 511) of @gfn as of @time; NULL: nothing of it is own. */
const struct vmt_own_word *vmt_own_word(const struct vmt_own *own, uint64_t time, vmt_gfn gfn,
					uint32_t index);

/**
 * The next own byte at or after *@gfn, *@offset as of @time: true, and those and the word are
 * filled in.
 */
bool vmt_own_next(const struct vmt_own *own, uint64_t time, uint64_t *gfn, uint32_t *offset,
		  const struct vmt_own_word **word);

#endif /* VMT_REPLAY_OWN_BYTES_H */
