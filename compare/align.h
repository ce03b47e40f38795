/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Aligning two rows of numbers: which of one belongs to which of the other, both in order.
 *
 * Anchors first: numbers that stand once in each row, in the longest order that both share
 * (patience). Between anchors, and where there are none, the shortest edit script (Myers, linear
 * space), given up for a good one when it would take too long. So the time is at most
 * (na + nb) * ALIGN_COST, and two rows without a common number cost one look at each.
 */
#ifndef VMT_COMPARE_ALIGN_H
#define VMT_COMPARE_ALIGN_H

#include <vmitape/types.h>

#define VMT_ALIGN_NONE UINT32_MAX
#define VMT_ALIGN_COST 512u /**< edits that are searched before a good script will do */

/**
 * Fill partner[i] with the place in @b of the partner of a[i], or VMT_ALIGN_NONE. Partners are equal
 * numbers, and their places rise. -VMT_E_NO_MEMORY.
 */
int vmt_align(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, uint32_t *partner,
	      struct vmt_error *err);

#endif /* VMT_COMPARE_ALIGN_H */
