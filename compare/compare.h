/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A comparison in the making: who belongs to whom, and the differences found so far.
 */
#ifndef VMT_COMPARE_COMPARE_H
#define VMT_COMPARE_COMPARE_H

#include "run.h"

struct vmt_comparison {
	const struct vmt_compare_run *from, *to;
	uint32_t kinds;
	struct vmt_difference_item *differences;
	size_t n, cap;
	struct vmt_changed_field *fields; /**< of all differences, in their order */
	size_t nfields, fields_cap;
	uint64_t same[VMT_COMPARE_KIND_COUNT];
	uint64_t counts[VMT_COMPARE_KIND_COUNT][VMT_CHANGE_COUNT];
	struct vmt_comparison_callbacks callbacks;
	struct vmt_comparison_row *rows;
	size_t nrows;
};

/** Some items of one run: a list of their places in it. */
struct vmt_compare_list {
	uint32_t *items;
	size_t n;
};

/** By what two items are taken for partners. */
enum vmt_compare_by { VMT_BY_CONTENT, VMT_BY_KEY };

/**
 * Pair items of @a (of @from) with items of @b (of @to): for each item of @a that gets a partner,
 * partner[item] becomes the partner's place in @to. Both are taken out of their lists, whose order
 * stays. Items that are alike are paired in their order. -VMT_E_NO_MEMORY.
 */
int vmt_compare_match(const struct vmt_compare_run *from, const struct vmt_compare_run *to,
		      enum vmt_compare_by by, struct vmt_compare_list *a,
		      struct vmt_compare_list *b, uint32_t *partner, struct vmt_error *err);

#endif /* VMT_COMPARE_COMPARE_H */
