/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the trace knows of the guest's memory: for each page the observations, in the order of time.
 *
 * An observation is a page, or a range of one, as it was read: by the handler, by the recorder
 * around a read, or before a write. The recorded handler's own bytes are still in it.
 */
#ifndef VMT_REPLAY_TIMELINE_H
#define VMT_REPLAY_TIMELINE_H

#include <vmitape/types.h>

#include "model/gfn-map.h"

enum vmt_seen_flag {
	VMT_SEEN_INLINE = 1, /**< @bytes is an offset in the timeline's own store, else a page id */
	VMT_SEEN_ABSENT = 2, /**< there was no page: the read said -VMT_E_UNMAPPED */
	VMT_SEEN_PRIVATE = 4, /**< of a page that the recorded handler had allocated */
};

/** One observation: 32 bytes. */
struct vmt_seen {
	uint64_t time;   /**< see own-bytes.h */
	uint64_t moment; /**< see stillness.h */
	uint64_t bytes;
	uint16_t offset, len; /**< len 0 is the whole page */
	uint8_t flags;        /**< enum vmt_seen_flag */
	uint8_t reserved[3];
};

/** The observations of one page. */
struct vmt_page_line {
	struct vmt_seen *v;
	size_t n, cap;
};

struct vmt_timeline {
	struct vmt_gfn_map lines; /**< of struct vmt_page_line */
	uint8_t *store;           /**< of inline bytes */
	size_t stored, store_cap;
};

void vmt_timeline_init(struct vmt_timeline *t);
void vmt_timeline_finish(struct vmt_timeline *t);

/**
 * Add an observation that is later than all before it. @inline_bytes: its bytes when no page of the
 * trace holds them, else NULL. 0 or -VMT_E_NO_MEMORY.
 */
int vmt_timeline_add(struct vmt_timeline *t, vmt_gfn gfn, const struct vmt_seen *seen,
		     const void *inline_bytes);

/** The observations of @gfn, or NULL. */
const struct vmt_page_line *vmt_timeline_of(const struct vmt_timeline *t, vmt_gfn gfn);

/** How many of @line are at or before @time. */
size_t vmt_line_until(const struct vmt_page_line *line, uint64_t time);

#endif /* VMT_REPLAY_TIMELINE_H */
