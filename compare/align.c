/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Aligning two rows: trimming, anchors, then Myers.
 *
 * Sources: E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986); patience diff as
 * described by Bram Cohen. Numbers that stand in one row alone are left out before anything else.
 */
#include <stdlib.h>
#include <string.h>

#include "align.h"

/** Levels at which anchors are looked for; below them, ranges go to Myers. */
#define ANCHOR_DEPTH 6u
#define WIDTH        (2 * (ptrdiff_t)VMT_ALIGN_COST + 5)

/** One row without the numbers that the other does not have. */
struct row {
	uint32_t *token; /**< small numbers, the same for equal numbers of both rows */
	uint32_t *place; /**< in the row as given */
	size_t n;
};

struct range {
	ptrdiff_t a0, a1, b0, b1;
};

struct anchor {
	uint32_t a, b, before; /**< before: the anchor before it in the longest row, + 1; 0: none */
};

struct alignment {
	struct row a, b;
	size_t ntokens;
	uint32_t *count_a, *count_b, *place_b; /**< by token; zero outside of find_anchors */
	ptrdiff_t *forward, *backward;         /**< furthest points, by diagonal */
	uint32_t *partner;
	struct vmt_error *err;
};

static int no_memory(struct vmt_error *err)
{
	(void)vmt_error_set(err, VMT_E_NO_MEMORY, "compare", "no memory to align the runs");
	return -VMT_E_NO_MEMORY;
}

static void pair(struct alignment *al, ptrdiff_t a, ptrdiff_t b)
{
	al->partner[al->a.place[a]] = al->b.place[b];
}

static bool same(const struct alignment *al, ptrdiff_t a, ptrdiff_t b)
{
	return al->a.token[a] == al->b.token[b];
}

/** Pair what is equal at both ends of @r, and take it off. False: nothing is left to do. */
static bool trim(struct alignment *al, struct range *r)
{
	while (r->a0 < r->a1 && r->b0 < r->b1 && same(al, r->a0, r->b0))
		pair(al, r->a0++, r->b0++);
	while (r->a0 < r->a1 && r->b0 < r->b1 && same(al, r->a1 - 1, r->b1 - 1))
		pair(al, --r->a1, --r->b1);
	return r->a0 < r->a1 && r->b0 < r->b1;
}

/* -------------------------------------------------------------------------------------------- */
/* Myers                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** One search from both corners of a range. Diagonal k is a - b. */
struct search {
	struct range r;
	ptrdiff_t least, most; /**< diagonals of the range */
	ptrdiff_t fmid, fmin, fmax, bmid, bmin, bmax;
	ptrdiff_t *f, *b; /**< so that f[k - fmid] is diagonal k's furthest place in row a */
};

/** Widen a frontier by one diagonal at each end that is still in the range. */
static void widen(const struct search *s, ptrdiff_t *min, ptrdiff_t *max, ptrdiff_t *v,
		  ptrdiff_t mid, ptrdiff_t nothing)
{
	if (*min > s->least)
		v[--*min - 1 - mid] = nothing;
	else
		++*min;
	if (*max < s->most)
		v[++*max + 1 - mid] = nothing;
	else
		--*max;
}

static bool step_forward(const struct alignment *al, struct search *s, bool odd, ptrdiff_t *x,
			 ptrdiff_t *y)
{
	widen(s, &s->fmin, &s->fmax, s->f, s->fmid, -1);
	for (ptrdiff_t k = s->fmax; k >= s->fmin; k -= 2) {
		const ptrdiff_t left = s->f[k - 1 - s->fmid];
		const ptrdiff_t right = s->f[k + 1 - s->fmid];
		ptrdiff_t i = left >= right ? left + 1 : right;

		while (i < s->r.a1 && i - k < s->r.b1 && same(al, i, i - k))
			i++;
		s->f[k - s->fmid] = i;
		if (odd && k >= s->bmin && k <= s->bmax && s->b[k - s->bmid] <= i) {
			*x = i;
			*y = i - k;
			return true;
		}
	}
	return false;
}

static bool step_backward(const struct alignment *al, struct search *s, bool odd, ptrdiff_t *x,
			  ptrdiff_t *y)
{
	widen(s, &s->bmin, &s->bmax, s->b, s->bmid, PTRDIFF_MAX);
	for (ptrdiff_t k = s->bmax; k >= s->bmin; k -= 2) {
		const ptrdiff_t left = s->b[k - 1 - s->bmid];
		const ptrdiff_t right = s->b[k + 1 - s->bmid];
		ptrdiff_t i = left < right ? left : right - 1;

		while (i > s->r.a0 && i - k > s->r.b0 && same(al, i - 1, i - k - 1))
			i--;
		s->b[k - s->bmid] = i;
		if (!odd && k >= s->fmin && k <= s->fmax && i <= s->f[k - s->fmid]) {
			*x = i;
			*y = i - k;
			return true;
		}
	}
	return false;
}

/** The point that was reached furthest from the first corner: good, if not the best. */
static void furthest(const struct search *s, ptrdiff_t *x, ptrdiff_t *y)
{
	ptrdiff_t best = -1;

	for (ptrdiff_t k = s->fmax; k >= s->fmin; k -= 2) {
		ptrdiff_t i = s->f[k - s->fmid];

		if (i > s->r.a1)
			i = s->r.a1;
		if (i - k > s->r.b1)
			i = s->r.b1 + k;
		if (i < s->r.a0 || i - k < s->r.b0 || 2 * i - k <= best)
			continue;
		best = 2 * i - k;
		*x = i;
		*y = i - k;
	}
}

/** A point of the (nearly) shortest edit script of @r, which is trimmed and not empty. */
static void split(const struct alignment *al, const struct range *r, ptrdiff_t *x, ptrdiff_t *y)
{
	struct search s = {
		.r = *r,
		.least = r->a0 - r->b1,
		.most = r->a1 - r->b0,
		.fmid = r->a0 - r->b0,
		.bmid = r->a1 - r->b1,
		.f = al->forward + WIDTH / 2,
		.b = al->backward + WIDTH / 2,
	};
	const bool odd = ((s.fmid - s.bmid) & 1) != 0;

	s.fmin = s.fmax = s.fmid;
	s.bmin = s.bmax = s.bmid;
	s.f[0] = r->a0;
	s.b[0] = r->a1;
	*x = r->a0;
	*y = r->b0;
	for (unsigned cost = 0; cost < VMT_ALIGN_COST; cost++)
		if (step_forward(al, &s, odd, x, y) || step_backward(al, &s, odd, x, y))
			return;
	furthest(&s, x, y);
}

static void myers(struct alignment *al, struct range r)
{
	while (trim(al, &r)) {
		ptrdiff_t x;
		ptrdiff_t y;
		struct range head = r;

		split(al, &r, &x, &y);
		if ((x == r.a0 && y == r.b0) || (x >= r.a1 && y >= r.b1))
			return;
		head.a1 = x;
		head.b1 = y;
		r.a0 = x;
		r.b0 = y;
		/* The smaller part by recursion: it is never deep. */
		if (x - head.a0 + y - head.b0 <= r.a1 - x + r.b1 - y) {
			myers(al, head);
		} else {
			myers(al, r);
			r = head;
		}
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Anchors                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Numbers that stand once in both parts of @r, in the order of row a. */
static size_t find_anchors(struct alignment *al, const struct range *r, struct anchor *anchors)
{
	size_t n = 0;

	for (ptrdiff_t i = r->a0; i < r->a1; i++)
		al->count_a[al->a.token[i]]++;
	for (ptrdiff_t j = r->b0; j < r->b1; j++) {
		al->count_b[al->b.token[j]]++;
		al->place_b[al->b.token[j]] = (uint32_t)j;
	}
	for (ptrdiff_t i = r->a0; i < r->a1; i++) {
		const uint32_t token = al->a.token[i];

		if (al->count_a[token] == 1 && al->count_b[token] == 1)
			anchors[n++] = (struct anchor){(uint32_t)i, al->place_b[token], 0};
	}
	for (ptrdiff_t i = r->a0; i < r->a1; i++)
		al->count_a[al->a.token[i]] = 0;
	for (ptrdiff_t j = r->b0; j < r->b1; j++)
		al->count_b[al->b.token[j]] = 0;
	return n;
}

/** Keep of @anchors the longest row that rises in b too; @last: room for as many numbers. */
static size_t longest_row(struct anchor *anchors, size_t n, uint32_t *last)
{
	size_t length = 0;
	size_t at;

	for (size_t i = 0; i < n; i++) {
		size_t low = 0;
		size_t high = length;

		while (low < high) {
			const size_t mid = (low + high) / 2;

			if (anchors[last[mid]].b < anchors[i].b)
				low = mid + 1;
			else
				high = mid;
		}
		anchors[i].before = low > 0 ? last[low - 1] + 1 : 0;
		last[low] = (uint32_t)i;
		if (low == length)
			length++;
	}
	at = length;
	for (uint32_t i = length > 0 ? last[length - 1] + 1 : 0; i > 0; i = anchors[i - 1].before)
		last[--at] = i - 1;
	for (size_t i = 0; i < length; i++)
		anchors[i] = anchors[last[i]]; /* last[i] >= i */
	return length;
}

static int solve(struct alignment *al, struct range r, unsigned depth)
{
	struct anchor *anchors;
	uint32_t *last;
	size_t most;
	size_t n = 0;
	int result = 0;

	if (!trim(al, &r))
		return 0;
	if (depth == ANCHOR_DEPTH) {
		myers(al, r);
		return 0;
	}
	most = (size_t)(r.a1 - r.a0 < r.b1 - r.b0 ? r.a1 - r.a0 : r.b1 - r.b0);
	anchors = malloc(most * sizeof(*anchors));
	last = malloc(most * sizeof(*last));
	if (anchors && last)
		n = longest_row(anchors, find_anchors(al, &r, anchors), last);
	else
		result = no_memory(al->err);
	free(last);
	if (result == 0 && n == 0)
		myers(al, r);
	for (size_t i = 0; i < n && result == 0; i++) {
		const struct range gap = {r.a0, anchors[i].a, r.b0, anchors[i].b};

		result = solve(al, gap, depth + 1);
		pair(al, anchors[i].a, anchors[i].b);
		r.a0 = (ptrdiff_t)anchors[i].a + 1;
		r.b0 = (ptrdiff_t)anchors[i].b + 1;
	}
	free(anchors);
	return result == 0 && n > 0 ? solve(al, r, depth + 1) : result;
}

/* -------------------------------------------------------------------------------------------- */
/* Rows                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a;
	const uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/** Sort a copy of @row and keep each number once: *@n of them. */
static uint64_t *sorted(const uint64_t *row, size_t length, size_t *n)
{
	uint64_t *values = malloc((length ? length : 1) * sizeof(*values));

	*n = 0;
	if (!values)
		return NULL;
	memcpy(values, row, length * sizeof(*values));
	qsort(values, length, sizeof(*values), by_value);
	for (size_t i = 0; i < length; i++)
		if (i == 0 || values[i] != values[i - 1])
			values[(*n)++] = values[i];
	return values;
}

/** Of @row, those that stand among the @ncommon numbers, as tokens. */
static int row_init(struct row *row, const uint64_t *values, size_t n, const uint64_t *common,
		    size_t ncommon)
{
	row->token = malloc((n ? n : 1) * sizeof(*row->token));
	row->place = malloc((n ? n : 1) * sizeof(*row->place));
	if (!row->token || !row->place)
		return -1;
	for (size_t i = 0; i < n; i++) {
		const uint64_t *found =
			ncommon ? bsearch(&values[i], common, ncommon, sizeof(*common), by_value)
				: NULL;

		if (!found)
			continue;
		row->token[row->n] = (uint32_t)(found - common);
		row->place[row->n++] = (uint32_t)i;
	}
	return 0;
}

/** Leave in @a (of @na) the numbers that stand in @b (of @nb) too; how many. */
static size_t intersect(uint64_t *a, size_t na, const uint64_t *b, size_t nb)
{
	size_t n = 0;
	size_t j = 0;

	for (size_t i = 0; i < na; i++) {
		while (j < nb && b[j] < a[i])
			j++;
		if (j < nb && b[j] == a[i])
			a[n++] = a[i];
	}
	return n;
}

static int alignment_init(struct alignment *al, const uint64_t *a, size_t na, const uint64_t *b,
			  size_t nb)
{
	size_t n;
	size_t m;
	uint64_t *common = sorted(a, na, &n);
	uint64_t *other = sorted(b, nb, &m);
	int r = -1;

	if (common && other) {
		al->ntokens = intersect(common, n, other, m);
		r = row_init(&al->a, a, na, common, al->ntokens);
		r = r < 0 ? r : row_init(&al->b, b, nb, common, al->ntokens);
	}
	free(common);
	free(other);
	if (r < 0)
		return r;
	al->count_a = calloc(al->ntokens + 1, sizeof(*al->count_a));
	al->count_b = calloc(al->ntokens + 1, sizeof(*al->count_b));
	al->place_b = calloc(al->ntokens + 1, sizeof(*al->place_b));
	al->forward = malloc((size_t)WIDTH * sizeof(*al->forward));
	al->backward = malloc((size_t)WIDTH * sizeof(*al->backward));
	return al->count_a && al->count_b && al->place_b && al->forward && al->backward ? 0 : -1;
}

static void alignment_finish(struct alignment *al)
{
	free(al->a.token);
	free(al->a.place);
	free(al->b.token);
	free(al->b.place);
	free(al->count_a);
	free(al->count_b);
	free(al->place_b);
	free(al->forward);
	free(al->backward);
}

int vmt_align(const uint64_t *a, size_t na, const uint64_t *b, size_t nb, uint32_t *partner,
	      struct vmt_error *err)
{
	struct alignment al = {.partner = partner, .err = err};
	int r;

	for (size_t i = 0; i < na; i++)
		partner[i] = VMT_ALIGN_NONE;
	if (na == 0 || nb == 0)
		return 0;
	r = alignment_init(&al, a, na, b, nb);
	if (r < 0)
		r = no_memory(err);
	else
		r = solve(&al, (struct range){0, (ptrdiff_t)al.a.n, 0, (ptrdiff_t)al.b.n}, 0);
	alignment_finish(&al);
	return r;
}
