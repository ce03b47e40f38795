/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The comparison: callbacks aligned, items matched in them, what is left over matched across them.
 */
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "align.h"
#include "compare.h"

/** What is needed while comparing. Item arrays are by the item's place in its run. */
struct work {
	struct vmt_comparison *c;
	uint32_t *callback_partner;   /**< of each callback of @from */
	uint32_t *partner;            /**< of each item of @from, in @to */
	bool *moved;                  /**< of each item of @from: its partner is elsewhere */
	uint32_t *row_from, *row_to;  /**< of each callback: its row in the report */
	struct vmt_compare_list a, b; /**< of the callbacks at hand */
	struct vmt_compare_list left_a, left_b;
	struct vmt_error *err;
};

static int no_memory(struct vmt_error *err)
{
	(void)vmt_error_set(err, VMT_E_NO_MEMORY, "compare", "no memory to compare the runs");
	return -VMT_E_NO_MEMORY;
}

/* -------------------------------------------------------------------------------------------- */
/* Callbacks                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** A callback as a number: by all that its event tells, or by kind, reason and vCPU alone. */
static uint64_t callback_hash(const struct vmt_compare_run *run, size_t n, bool whole)
{
	const struct vmt_compare_callback *callback = run->callbacks[n];
	const struct vmt_compare_item *event = vmt_compare_event_of(run, callback);
	const uint64_t words[] = {
		callback->place.kind,
		event ? callback->place.reason + 1u : 0,
		event ? callback->place.vcpu : 0,
		event && whole ? event->content : 0,
	};

	return XXH3_64bits(words, sizeof(words));
}

static uint64_t *callback_hashes(const struct vmt_compare_run *run, bool whole)
{
	uint64_t *hashes = malloc((run->ncallbacks + 1) * sizeof(*hashes));

	for (size_t i = 0; hashes && i < run->ncallbacks; i++)
		hashes[i] = callback_hash(run, i, whole);
	return hashes;
}

/** Align by kind, reason and vCPU what stands between callbacks that are wholly alike. */
static int align_gaps(struct work *w, const uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
	uint32_t *partner = w->callback_partner;
	size_t i = 0;
	size_t j = 0;
	int r = 0;

	while (i < na && r >= 0) {
		size_t end = i;
		size_t end_b;

		while (end < na && partner[end] == VMT_ALIGN_NONE)
			end++;
		end_b = end < na ? partner[end] : nb;
		if (end > i && end_b > j) {
			r = vmt_align(a + i, end - i, b + j, end_b - j, partner + i, w->err);
			for (size_t k = i; r >= 0 && k < end; k++)
				if (partner[k] != VMT_ALIGN_NONE)
					partner[k] += (uint32_t)j;
		}
		i = end + 1;
		j = end_b + 1;
	}
	return r;
}

static int align_callbacks(struct work *w)
{
	const struct vmt_compare_run *from = w->c->from;
	const struct vmt_compare_run *to = w->c->to;
	int r = 0;

	for (int whole = 1; whole >= 0 && r >= 0; whole--) {
		uint64_t *a = callback_hashes(from, whole);
		uint64_t *b = callback_hashes(to, whole);

		if (!a || !b)
			r = no_memory(w->err);
		else if (whole)
			r = vmt_align(a, from->ncallbacks, b, to->ncallbacks, w->callback_partner,
				      w->err);
		else
			r = align_gaps(w, a, from->ncallbacks, b, to->ncallbacks);
		free(a);
		free(b);
	}
	return r;
}

static const struct vmt_compare_place *place_at(const struct vmt_compare_run *run, size_t n)
{
	return n < run->ncallbacks ? &run->callbacks[n]->place : NULL;
}

/** The next row of the report; SIZE_MAX: this run has no callback there. */
static void add_row(struct work *w, size_t from, size_t to)
{
	struct vmt_comparison *c = w->c;

	if (from != SIZE_MAX)
		w->row_from[from] = (uint32_t)c->nrows;
	if (to != SIZE_MAX)
		w->row_to[to] = (uint32_t)c->nrows;
	c->rows[c->nrows++] =
		(struct vmt_comparison_row){from, to, place_at(c->from, from), place_at(c->to, to)};
}

/** Number the rows of the report: partners share one. */
static int number_rows(struct work *w)
{
	struct vmt_comparison_callbacks *counts = &w->c->callbacks;
	const size_t na = w->c->from->ncallbacks;
	const size_t nb = w->c->to->ncallbacks;
	size_t j = 0;

	w->c->rows = malloc((na + nb + 1) * sizeof(*w->c->rows));
	if (!w->c->rows)
		return no_memory(w->err);
	for (size_t i = 0; i < na; i++) {
		const uint32_t partner = w->callback_partner[i];
		const bool alone = partner == VMT_ALIGN_NONE;

		while (!alone && j < partner)
			add_row(w, SIZE_MAX, j++);
		add_row(w, i, alone ? SIZE_MAX : j++);
		counts->aligned += !alone;
	}
	while (j < nb)
		add_row(w, SIZE_MAX, j++);
	counts->only_from = na - counts->aligned;
	counts->only_to = nb - counts->aligned;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Items                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** The items of a callback that count. A response goes with its event: alone it tells nothing. */
static void list_items(const struct work *w, const struct vmt_compare_run *run, size_t callback,
		       bool aligned, struct vmt_compare_list *list)
{
	const struct vmt_compare_callback *c = run->callbacks[callback];

	for (uint32_t i = c->first; i < c->first + c->nitems; i++) {
		const uint32_t kind = run->items[i].kind;

		if ((w->c->kinds & VMT_COMPARE_BIT(kind)) == 0 ||
		    (!aligned && kind == VMT_COMPARE_RESPONSE))
			continue;
		list->items[list->n++] = i;
	}
}

static void append(struct vmt_compare_list *list, const struct vmt_compare_list *more)
{
	if (more->n > 0)
		memcpy(list->items + list->n, more->items, more->n * sizeof(*more->items));
	list->n += more->n;
}

static int match_callbacks(struct work *w)
{
	const struct vmt_compare_run *from = w->c->from;
	const struct vmt_compare_run *to = w->c->to;
	size_t j = 0;
	int r = 0;

	for (size_t i = 0; i < from->ncallbacks && r >= 0; i++) {
		const uint32_t partner = w->callback_partner[i];

		if (partner == VMT_ALIGN_NONE) {
			list_items(w, from, i, false, &w->left_a);
			continue;
		}
		while (j < partner)
			list_items(w, to, j++, false, &w->left_b);
		w->a.n = w->b.n = 0;
		list_items(w, from, i, true, &w->a);
		list_items(w, to, j++, true, &w->b);
		r = vmt_compare_match(from, to, VMT_BY_CONTENT, &w->a, &w->b, w->partner, w->err);
		if (r >= 0)
			r = vmt_compare_match(from, to, VMT_BY_KEY, &w->a, &w->b, w->partner,
					      w->err);
		append(&w->left_a, &w->a);
		append(&w->left_b, &w->b);
	}
	while (j < to->ncallbacks)
		list_items(w, to, j++, false, &w->left_b);
	return r;
}

/** What is left over on both sides and is the very same was moved. */
static int match_moved(struct work *w)
{
	uint32_t *left = malloc((w->left_a.n + 1) * sizeof(*left));
	const size_t n = w->left_a.n;
	int r;

	if (!left)
		return no_memory(w->err);
	if (n > 0)
		memcpy(left, w->left_a.items, n * sizeof(*left));
	r = vmt_compare_match(w->c->from, w->c->to, VMT_BY_CONTENT, &w->left_a, &w->left_b,
			      w->partner, w->err);
	for (size_t i = 0; i < n; i++)
		w->moved[left[i]] = w->partner[left[i]] != VMT_ALIGN_NONE;
	free(left);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Differences                                                                                  */
/* -------------------------------------------------------------------------------------------- */

static int add_difference(struct work *w, enum vmt_change change, uint32_t kind,
			  const struct vmt_compare_item *from, const struct vmt_compare_item *to,
			  size_t nfields)
{
	struct vmt_comparison *c = w->c;
	struct vmt_difference_item *d;

	if (c->n == c->cap) {
		const size_t cap = c->cap ? c->cap * 2 : 64;

		d = realloc(c->differences, cap * sizeof(*d));
		if (!d)
			return no_memory(w->err);
		c->differences = d;
		c->cap = cap;
	}
	d = &c->differences[c->n++];
	*d = (struct vmt_difference_item){
		.change = change, .nfields = (uint32_t)nfields, .from = from, .to = to};
	if (from)
		d->provenance = from->place->provenance;
	if (to && to->place->provenance > d->provenance)
		d->provenance = to->place->provenance;
	c->counts[kind][change]++;
	return 0;
}

/** Two partners: the same, or changed. */
static int compare_partners(struct work *w, const struct vmt_compare_item *a,
			    const struct vmt_compare_item *b)
{
	struct vmt_comparison *c = w->c;
	const size_t most = (size_t)a->nfields + b->nfields;
	struct vmt_changed_field *fields;
	size_t n;

	if (c->fields_cap - c->nfields < most) {
		const size_t cap = c->fields_cap * 2 + most + 64;

		fields = realloc(c->fields, cap * sizeof(*fields));
		if (!fields)
			return no_memory(w->err);
		c->fields = fields;
		c->fields_cap = cap;
	}
	n = most == 0 ? 0 : vmt_compare_fields(a, b, c->fields + c->nfields, most);
	c->nfields += n;
	if (n == 0) {
		c->same[a->kind]++;
		return 0;
	}
	return add_difference(w, VMT_CHANGED, a->kind, a, b, n);
}

/** What has no partner. */
static int add_left(struct work *w, enum vmt_change change, const struct vmt_compare_item *item)
{
	return add_difference(w, change, item->kind, change == VMT_REMOVED ? item : NULL,
			      change == VMT_ADDED ? item : NULL, 0);
}

static int collect(struct work *w)
{
	const struct vmt_compare_run *from = w->c->from;
	const struct vmt_compare_run *to = w->c->to;
	int r = 0;

	for (size_t i = 0; i < from->nitems && r >= 0; i++) {
		const uint32_t partner = w->partner[i];

		if (partner == VMT_ALIGN_NONE)
			continue;
		if (w->moved[i])
			r = add_difference(w, VMT_MOVED, from->items[i].kind, &from->items[i],
					   &to->items[partner], 0);
		else
			r = compare_partners(w, &from->items[i], &to->items[partner]);
	}
	for (size_t i = 0; i < w->left_a.n && r >= 0; i++)
		r = add_left(w, VMT_REMOVED, &from->items[w->left_a.items[i]]);
	for (size_t i = 0; i < w->left_b.n && r >= 0; i++)
		r = add_left(w, VMT_ADDED, &to->items[w->left_b.items[i]]);
	return r;
}

/** A difference with what it is sorted by. */
struct placed {
	size_t row;
	uint32_t item, change;
	struct vmt_difference_item d;
};

static int by_place(const void *a, const void *b)
{
	const struct placed *x = a;
	const struct placed *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	if (x->change != y->change)
		return x->change < y->change ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

/** Give the differences their fields, and the order of the rows. */
static int place_differences(struct work *w)
{
	struct vmt_comparison *c = w->c;
	struct placed *placed = malloc((c->n + 1) * sizeof(*placed));
	struct vmt_changed_field *fields = c->fields;

	if (!placed)
		return no_memory(w->err);
	for (size_t i = 0; i < c->n; i++) {
		struct vmt_difference_item *d = &c->differences[i];

		if (d->nfields > 0)
			d->fields = fields;
		fields += d->nfields;
		d->row = d->to ? w->row_to[d->to->callback] : w->row_from[d->from->callback];
		d->from_place = c->rows[d->row].from_place;
		d->to_place = c->rows[d->row].to_place;
		placed[i].row = d->row;
		placed[i].d = *d;
		placed[i].change = d->change;
		placed[i].item =
			(uint32_t)(d->to ? d->to - c->to->items : d->from - c->from->items);
	}
	qsort(placed, c->n, sizeof(*placed), by_place);
	for (size_t i = 0; i < c->n; i++)
		c->differences[i] = placed[i].d;
	free(placed);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* The whole                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int work_init(struct work *w)
{
	const size_t na = w->c->from->nitems + 1;
	const size_t nb = w->c->to->nitems + 1;

	w->callback_partner = malloc((w->c->from->ncallbacks + 1) * sizeof(uint32_t));
	w->row_from = malloc((w->c->from->ncallbacks + 1) * sizeof(uint32_t));
	w->row_to = malloc((w->c->to->ncallbacks + 1) * sizeof(uint32_t));
	w->partner = malloc(na * sizeof(uint32_t));
	w->moved = calloc(na, sizeof(bool));
	w->a.items = malloc(na * sizeof(uint32_t));
	w->left_a.items = malloc(na * sizeof(uint32_t));
	w->b.items = malloc(nb * sizeof(uint32_t));
	w->left_b.items = malloc(nb * sizeof(uint32_t));
	if (!w->callback_partner || !w->row_from || !w->row_to || !w->partner || !w->moved ||
	    !w->a.items || !w->left_a.items || !w->b.items || !w->left_b.items)
		return no_memory(w->err);
	for (size_t i = 0; i < na; i++)
		w->partner[i] = VMT_ALIGN_NONE;
	return 0;
}

static void work_finish(struct work *w)
{
	free(w->callback_partner);
	free(w->row_from);
	free(w->row_to);
	free(w->partner);
	free(w->moved);
	free(w->a.items);
	free(w->left_a.items);
	free(w->b.items);
	free(w->left_b.items);
}

int vmt_compare(const struct vmt_compare_run *from, const struct vmt_compare_run *to,
		uint32_t kinds, struct vmt_comparison **comparison, struct vmt_error *err)
{
	struct work w = {.err = err};
	int r;

	*comparison = NULL;
	if ((kinds & ~VMT_COMPARE_ALL) != 0)
		return vmt_error_set(err, VMT_E_INVALID, "compare", "there are no kinds %#x",
				     kinds & ~VMT_COMPARE_ALL);
	w.c = calloc(1, sizeof(*w.c));
	if (!w.c)
		return no_memory(err);
	w.c->from = from;
	w.c->to = to;
	w.c->kinds = kinds ? kinds : VMT_COMPARE_ALL;
	r = work_init(&w);
	if (r >= 0)
		r = align_callbacks(&w);
	if (r >= 0)
		r = number_rows(&w);
	if (r >= 0)
		r = match_callbacks(&w);
	if (r >= 0)
		r = match_moved(&w);
	if (r >= 0)
		r = collect(&w);
	if (r >= 0)
		r = place_differences(&w);
	work_finish(&w);
	if (r < 0)
		vmt_comparison_destroy(w.c);
	else
		*comparison = w.c;
	return r;
}

void vmt_comparison_destroy(struct vmt_comparison *comparison)
{
	if (!comparison)
		return;
	free(comparison->differences);
	free(comparison->fields);
	free(comparison->rows);
	free(comparison);
}

const struct vmt_difference_item *vmt_comparison_differences(const struct vmt_comparison *c,
							     size_t *n)
{
	*n = c->n;
	return c->n > 0 ? c->differences : NULL;
}

const struct vmt_comparison_row *vmt_comparison_rows(const struct vmt_comparison *c, size_t *n)
{
	*n = c->nrows;
	return c->rows;
}

uint64_t vmt_comparison_same(const struct vmt_comparison *c, unsigned kind)
{
	return kind < VMT_COMPARE_KIND_COUNT ? c->same[kind] : 0;
}

uint64_t vmt_comparison_count(const struct vmt_comparison *c, unsigned kind, unsigned change)
{
	return kind < VMT_COMPARE_KIND_COUNT && change < VMT_CHANGE_COUNT ? c->counts[kind][change]
									  : 0;
}

struct vmt_comparison_callbacks vmt_comparison_callbacks(const struct vmt_comparison *c)
{
	return c->callbacks;
}
