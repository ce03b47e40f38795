/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records of the trace with a look ahead: a window of copies between what was used and what was read.
 */
#ifndef VMT_REPLAY_RECORDS_H
#define VMT_REPLAY_RECORDS_H

#include "trace-format/record.h"

struct vmt_copies_block;

/** Memory for copies, given back in the order in which it was taken. All zero is empty. */
struct vmt_copies {
	struct vmt_copies_block *oldest, *newest;
	size_t bytes; /**< held */
};

/** Zeroed memory, aligned for anything; NULL: no memory. */
void *vmt_copies_alloc(struct vmt_copies *copies, size_t size);
void vmt_copies_finish(struct vmt_copies *copies);

/** A copy of @body of @kind and all that it points to. NULL: no memory. */
const void *vmt_body_copy(unsigned kind, const void *body, struct vmt_copies *copies);

/** The most memory that the window may take: what one callback of a recording can cost. */
#define VMT_WINDOW_MAX ((size_t)256 << 20)

struct vmt_window_slot;

struct vmt_window {
	struct vmt_trace_reader *reader;
	struct vmt_window_slot *slots; /**< a ring */
	size_t first, n, cap;
	struct vmt_copies copies;
	uint64_t last_position; /**< the trace is used up to this record */
	bool at_end;            /**< nothing more is to be read */
	int failed;             /**< a negative status: reading failed */
	struct vmt_error err;
};

/** @last_position: records behind it are not used. */
int vmt_window_open(struct vmt_window *w, const char *path,
		    const struct vmt_trace_reader_options *options, uint64_t last_position,
		    struct vmt_error *err);
void vmt_window_finish(struct vmt_window *w);

/** The record @n behind the front, or NULL: the trace has no more, or w->failed tells why. */
const struct vmt_trace_record *vmt_window_at(struct vmt_window *w, size_t n);

/** Drop the front record. Pointers to it are dead then. */
void vmt_window_drop(struct vmt_window *w);

#endif /* VMT_REPLAY_RECORDS_H */
