/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding partners among items, by hash; that they are alike is checked on the items themselves.
 */
#include <stdlib.h>
#include <string.h>

#include "align.h"
#include "compare.h"

struct entry {
	uint64_t hash;
	uint32_t item, at; /**< its number in the run, its place in the list */
};

static int by_hash(const void *a, const void *b)
{
	const struct entry *x = a;
	const struct entry *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return (x->at > y->at) - (x->at < y->at);
}

static struct entry *entries_of(const struct vmt_compare_run *run, enum vmt_compare_by by,
				const struct vmt_compare_list *list)
{
	struct entry *entries = malloc(list->n * sizeof(*entries));

	if (!entries)
		return NULL;
	for (size_t i = 0; i < list->n; i++) {
		const struct vmt_compare_item *item = &run->items[list->items[i]];

		entries[i] = (struct entry){by == VMT_BY_KEY ? item->key : item->content,
					    list->items[i], (uint32_t)i};
	}
	qsort(entries, list->n, sizeof(*entries), by_hash);
	return entries;
}

static bool alike(const struct vmt_compare_item *a, const struct vmt_compare_item *b,
		  enum vmt_compare_by by)
{
	return vmt_compare_same_key(a, b) &&
	       (by == VMT_BY_KEY || vmt_compare_fields(a, b, NULL, 0) == 0);
}

/** Take the items that were paired out of @list: their place says VMT_ALIGN_NONE. */
static void compact(struct vmt_compare_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n; i++)
		if (list->items[i] != VMT_ALIGN_NONE)
			list->items[n++] = list->items[i];
	list->n = n;
}

int vmt_compare_match(const struct vmt_compare_run *from, const struct vmt_compare_run *to,
		      enum vmt_compare_by by, struct vmt_compare_list *a,
		      struct vmt_compare_list *b, uint32_t *partner, struct vmt_error *err)
{
	struct entry *x;
	struct entry *y;
	size_t i = 0;
	size_t j = 0;

	if (a->n == 0 || b->n == 0)
		return 0;
	x = entries_of(from, by, a);
	y = entries_of(to, by, b);
	if (!x || !y) {
		free(x);
		free(y);
		return vmt_error_set(err, VMT_E_NO_MEMORY, "compare", "no memory for the items");
	}
	while (i < a->n && j < b->n) {
		if (x[i].hash != y[j].hash) {
			if (x[i].hash < y[j].hash)
				i++;
			else
				j++;
			continue;
		}
		if (alike(&from->items[x[i].item], &to->items[y[j].item], by)) {
			partner[x[i].item] = y[j].item;
			a->items[x[i].at] = VMT_ALIGN_NONE;
			b->items[y[j].at] = VMT_ALIGN_NONE;
		}
		i++;
		j++;
	}
	free(x);
	free(y);
	compact(a);
	compact(b);
	return 0;
}
