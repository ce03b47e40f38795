/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a collector keeps: its items in the order in which they came.
 */
#ifndef VMT_TESTING_COLLECTOR_H
#define VMT_TESTING_COLLECTOR_H

#include <vmitape/test.h>

#include "arena.h"

/** Kinds of items; each kind has a list of its own besides. */
enum vmt_collected {
	VMT_COLLECTED_CALLBACK,
	VMT_COLLECTED_CALLBACK_END, /**< the same item as its CALLBACK */
	VMT_COLLECTED_DEFAULT,
	VMT_COLLECTED_EMISSION,
	VMT_COLLECTED_LOG,
	VMT_COLLECTED_FILE,
	VMT_COLLECTED_FAILURE,
	VMT_COLLECTED_STEP,
	VMT_COLLECTED_OUTCOME,
	VMT_COLLECTED_KINDS
};

/** A list of pointers. */
struct vmt_collected_list {
	void **items;
	size_t n, cap;
};

struct vmt_collected_line {
	enum vmt_collected kind;
	void *item;
};

struct vmt_collector {
	struct vmt_observer observer;
	struct vmt_arena arena;
	struct vmt_collected_list of[VMT_COLLECTED_KINDS];
	struct vmt_collected_list lines;   /**< struct vmt_collected_line: all, in order */
	struct vmt_collected_list records; /**< to be destroyed */
	uint64_t callback;                 /**< the number of the last one */
	bool incomplete;
};

#endif /* VMT_TESTING_COLLECTOR_H */
