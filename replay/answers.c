/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answering a read byte by byte, from the most trusted observation down.
 *
 * The recorded handler's own bytes are taken out of each observation: where one still stands, what
 * was there before it is the guest's byte, and a byte that differs from what the handler wrote was
 * written by the guest. The replayed handler's own bytes are laid over the result, unless the guest
 * has written there since. Where both handlers have the same own byte, it is served as it was seen.
 */
#include <string.h>

#include "answers.h"

/** How many observations are looked at in one direction: a bound for hostile traces. */
#define LOOK_MAX 1024u

struct answering {
	const struct vmt_question *q;
	const struct vmt_here *here;
	const struct vmt_page_line *line;
	bool private_too; /**< observations of the recorded handler's own page count */
	bool masked;      /**< the recorded handler wrote to this page at some time */
	bool laid_over;   /**< the replayed one did */
	struct vmt_answer *a;
	uint8_t settled[VMT_PAGE_SIZE]; /**< nothing is to be laid over this byte */
};

/* -------------------------------------------------------------------------------------------- */
/* One observation                                                                              */
/* -------------------------------------------------------------------------------------------- */

/** Does @seen count for this question? The pages of the recorded handler are not the guest's. */
static bool counts(const struct answering *an, const struct vmt_seen *seen)
{
	return (seen->flags & VMT_SEEN_PRIVATE) ? an->private_too : !an->q->own_page;
}

static bool covers(const struct vmt_seen *seen, uint32_t offset, uint32_t len)
{
	uint32_t n = seen->len ? seen->len : VMT_PAGE_SIZE;

	return offset >= seen->offset && offset + len <= seen->offset + n;
}

/** The bytes of @seen from its offset on, or NULL: lost. */
static const uint8_t *bytes_of(struct vmt_facts *facts, const struct vmt_seen *seen)
{
	if (seen->flags & VMT_SEEN_INLINE)
		return facts->timeline.store + seen->bytes;
	return vmt_stored_pages_get(&facts->pages, seen->bytes);
}

/** The guest's byte at @at of the page, which was seen as @raw; false: it is not known. */
static bool guest_byte(const struct answering *an, const struct vmt_seen *seen, uint32_t at,
		       uint8_t raw, uint8_t *byte, bool *settled)
{
	const uint8_t bit = (uint8_t)(1u << (at % 8));
	const struct vmt_own_word *r = NULL;
	const struct vmt_own_word *l = NULL;

	*byte = raw;
	if (an->masked)
		r = vmt_own_word(&an->q->facts->own, seen->time, an->q->gfn, at / 8);
	if (!r || !(r->own & bit))
		return true;
	if (an->laid_over)
		l = vmt_own_word(an->q->own, 0, an->q->gfn, at / 8);
	if (l && (l->own & bit) && l->now[at % 8] == r->now[at % 8]) {
		*settled = true;
		return true;
	}
	if (raw != r->now[at % 8])
		return true;
	*byte = r->before[at % 8];
	return !(r->unknown & bit);
}

/** Take what is not known yet and @seen shows. */
static void take(struct answering *an, const struct vmt_seen *seen, enum vmt_provenance from)
{
	const struct vmt_question *q = an->q;
	uint32_t low = seen->offset;
	uint32_t high = low + (seen->len ? seen->len : VMT_PAGE_SIZE);
	const uint8_t *bytes;

	low = low > q->offset ? low : q->offset;
	high = high < q->offset + q->len ? high : q->offset + q->len;
	if (low >= high)
		return;
	bytes = bytes_of(q->facts, seen);
	if (!bytes)
		return;
	if (!an->masked && an->a->known == 0) {
		memcpy(an->a->bytes + (low - q->offset), bytes + (low - seen->offset), high - low);
		memset(an->a->from + (low - q->offset), (int)from, high - low);
		an->a->known = high - low;
		return;
	}
	for (uint32_t at = low; at < high; at++) {
		uint32_t i = at - q->offset;
		bool settled = false;

		if (an->a->from[i] != VMT_FROM_NOWHERE ||
		    !guest_byte(an, seen, at, bytes[at - seen->offset], &an->a->bytes[i], &settled))
			continue;
		an->a->from[i] = (uint8_t)from;
		an->settled[i] = settled;
		an->a->known++;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Passes over the observations                                                                 */
/* -------------------------------------------------------------------------------------------- */

/** Is it over: all is known, or there is no page? */
static bool done(const struct answering *an)
{
	return an->a->known == an->q->len || an->a->absent;
}

static void look_at(struct answering *an, const struct vmt_seen *seen, enum vmt_provenance from)
{
	if (!counts(an, seen))
		return;
	if (!(seen->flags & VMT_SEEN_ABSENT))
		take(an, seen, from);
	else if (an->a->known == 0)
		an->a->absent = true;
}

/** Observations around here for which @near holds: backwards, then forwards. */
static void pass(struct answering *an, size_t n, enum vmt_provenance from,
		 bool (*near)(const struct vmt_here *here, const struct vmt_seen *seen))
{
	const struct vmt_page_line *line = an->line;
	size_t i;

	for (i = n; i > 0 && n - i < LOOK_MAX && !done(an) && near(an->here, &line->v[i - 1]); i--)
		look_at(an, &line->v[i - 1], from);
	for (i = n; i < line->n && i - n < LOOK_MAX && !done(an) && near(an->here, &line->v[i]);
	     i++)
		look_at(an, &line->v[i], from);
}

static bool in_callback(const struct vmt_here *here, const struct vmt_seen *seen)
{
	return seen->time >= here->first && seen->time <= here->last;
}

static bool in_moment(const struct vmt_here *here, const struct vmt_seen *seen)
{
	return seen->moment == here->moment;
}

/** Fill @side with what the observations in one direction show of what @an does not know. */
static void one_side(const struct answering *an, struct answering *side, size_t n, bool later,
		     enum vmt_provenance from)
{
	const struct vmt_page_line *line = an->line;

	memcpy(side->a->from, an->a->from, an->q->len);
	side->a->known = an->a->known;
	side->a->absent = false;
	if (later) {
		for (size_t i = n; i < line->n && i - n < LOOK_MAX && !done(side); i++)
			look_at(side, &line->v[i], from);
		return;
	}
	for (size_t i = n; i > 0 && n - i < LOOK_MAX && !done(side); i--)
		look_at(side, &line->v[i - 1], from);
}

struct sides {
	struct answering before, after;
	struct vmt_answer a_before, a_after;
};

/** Bytes that were equal before and after. */
static void bracket(struct answering *an, size_t n)
{
	const struct vmt_question *q = an->q;
	struct sides s;

	if (n == 0 || n == an->line->n)
		return;
	s.before = s.after = *an;
	s.before.a = &s.a_before;
	s.after.a = &s.a_after;
	one_side(an, &s.before, n, false, VMT_FROM_BRACKETED);
	one_side(an, &s.after, n, true, VMT_FROM_BRACKETED);
	if (s.a_before.absent || s.a_after.absent) {
		an->a->absent = s.a_before.absent && s.a_after.absent && an->a->known == 0;
		return;
	}
	for (uint32_t i = 0; i < q->len; i++) {
		if (an->a->from[i] != VMT_FROM_NOWHERE || s.a_before.from[i] == VMT_FROM_NOWHERE ||
		    s.a_after.from[i] == VMT_FROM_NOWHERE ||
		    s.a_before.bytes[i] != s.a_after.bytes[i] ||
		    s.before.settled[i] != s.after.settled[i])
			continue;
		an->a->bytes[i] = s.a_before.bytes[i];
		an->a->from[i] = VMT_FROM_BRACKETED;
		an->settled[i] = s.before.settled[i];
		an->a->known++;
	}
}

/** The newest bytes before here, then the oldest after. */
static void stale(struct answering *an, size_t n)
{
	const struct vmt_page_line *line = an->line;
	bool absent = an->a->absent;

	for (size_t i = n; i > 0 && n - i < LOOK_MAX && !done(an); i--) {
		uint32_t known = an->a->known;

		look_at(an, &line->v[i - 1], VMT_FROM_STALE);
		if (an->a->known > known)
			an->a->age = (an->here->time - line->v[i - 1].time) / 2;
	}
	for (size_t i = n; i < line->n && i - n < LOOK_MAX && !done(an); i++)
		look_at(an, &line->v[i], VMT_FROM_FUTURE);
	/* That a page is not there at another time says nothing about now. */
	an->a->absent = absent;
}

/* -------------------------------------------------------------------------------------------- */
/* The whole answer                                                                             */
/* -------------------------------------------------------------------------------------------- */

/** Move on to the next observation in this callback that holds all that is asked for. */
static void move_on(const struct answering *an, struct vmt_here *here)
{
	const struct vmt_page_line *line = an->line;
	size_t n = vmt_line_until(line, here->time);

	for (size_t i = n; i < line->n && i - n < LOOK_MAX && line->v[i].time <= here->last; i++) {
		const struct vmt_seen *seen = &line->v[i];

		if (counts(an, seen) &&
		    ((seen->flags & VMT_SEEN_ABSENT) || covers(seen, an->q->offset, an->q->len))) {
			here->time = seen->time;
			here->moment = seen->moment;
			return;
		}
	}
}

/** Lay the replayed handler's own bytes over what is known of the guest's. */
static void lay_over(struct answering *an)
{
	const struct vmt_question *q = an->q;
	struct vmt_answer *a = an->a;

	for (uint32_t i = 0; i < q->len; i++) {
		uint32_t at = q->offset + i;
		uint8_t bit = (uint8_t)(1u << (at % 8));
		const struct vmt_own_word *l = NULL;

		if (an->laid_over && !an->settled[i])
			l = vmt_own_word(q->own, 0, q->gfn, at / 8);
		if (l && !(l->own & bit))
			l = NULL;
		if (a->from[i] == VMT_FROM_NOWHERE && (l || q->own_page)) {
			/* A page of its own begins with zeros. */
			a->bytes[i] = l ? l->now[at % 8] : 0;
			a->known++;
		} else if (l && ((l->unknown & bit) || a->bytes[i] == l->before[at % 8])) {
			a->bytes[i] = l->now[at % 8];
		} else {
			continue;
		}
		a->from[i] = VMT_FROM_OWN;
	}
}

static void judge(const struct vmt_question *q, struct vmt_answer *a)
{
	a->weakest = VMT_FROM_NOWHERE;
	for (uint32_t i = 0; i < q->len; i++) {
		if (a->from[i] == VMT_FROM_NOWHERE) {
			a->weakest = VMT_FROM_MISSING;
			return;
		}
		if (a->from[i] > a->weakest)
			a->weakest = a->from[i];
	}
}

void vmt_answer(const struct vmt_question *q, struct vmt_here *here, struct vmt_answer *answer)
{
	struct answering an;
	size_t n;

	an.q = q;
	an.here = here;
	an.a = answer;
	an.line = vmt_timeline_of(&q->facts->timeline, q->gfn);
	an.masked = vmt_own_touches(&q->facts->own, q->gfn);
	an.laid_over = q->own && vmt_own_touches(q->own, q->gfn);
	memset(an.settled, 0, q->len);
	memset(answer->from, 0, q->len);
	answer->known = 0;
	answer->age = 0;
	answer->absent = false;
	if (an.line) {
		an.private_too = q->own_page && vmt_facts_private(q->facts, q->gfn, here->time);
		if (here->last)
			move_on(&an, here);
		n = vmt_line_until(an.line, here->time);
		if (here->last)
			pass(&an, n, VMT_FROM_EXACT, in_callback);
		if (here->moment != VMT_NO_MOMENT && !done(&an))
			pass(&an, n, VMT_FROM_FROZEN, in_moment);
		if (!done(&an))
			bracket(&an, n);
		if (q->stale && !done(&an))
			stale(&an, n);
	}
	if (an.laid_over || q->own_page)
		lay_over(&an);
	judge(q, answer);
}

bool vmt_answer_never_there(const struct vmt_facts *facts, vmt_gfn gfn)
{
	const struct vmt_page_line *line = vmt_timeline_of(&facts->timeline, gfn);

	for (size_t i = 0; line && i < line->n && i < LOOK_MAX; i++)
		if (!(line->v[i].flags & (VMT_SEEN_ABSENT | VMT_SEEN_PRIVATE)))
			return false;
	return line && line->n > 0 && line->n <= LOOK_MAX;
}
