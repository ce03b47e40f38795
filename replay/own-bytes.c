/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Own bytes by page, by word of eight, by time.
 */
#include <stdlib.h>
#include <string.h>

#include "own-bytes.h"

/** The states of one word, in the order of time. */
struct word_list {
	struct vmt_own_word *v;
	uint32_t n, cap;
};

struct vmt_own_page {
	struct word_list words[VMT_WORDS_OF_PAGE];
};

void vmt_own_init(struct vmt_own *own, bool history)
{
	memset(own, 0, sizeof(*own));
	vmt_gfn_map_init(&own->pages, sizeof(struct vmt_own_page *));
	own->history = history;
}

void vmt_own_finish(struct vmt_own *own)
{
	struct vmt_own_page **page;
	uint64_t gfn = 0;

	for (; (page = vmt_gfn_map_next(&own->pages, &gfn)); gfn++) {
		for (uint32_t i = 0; i < VMT_WORDS_OF_PAGE; i++)
			free((*page)->words[i].v);
		free(*page);
	}
	vmt_gfn_map_finish(&own->pages);
}

static struct vmt_own_page *find(const struct vmt_own *own, uint64_t gfn)
{
	struct vmt_own_page **page;

	if (own->pages.count == 0)
		return NULL;
	page = vmt_gfn_map_get(&own->pages, gfn);
	return page ? *page : NULL;
}

static struct vmt_own_page *find_or_make(struct vmt_own *own, uint64_t gfn)
{
	struct vmt_own_page *made = find(own, gfn);
	struct vmt_own_page **slot;

	if (made)
		return made;
	made = calloc(1, sizeof(*made));
	slot = made ? vmt_gfn_map_put(&own->pages, gfn) : NULL;
	if (!slot) {
		free(made);
		return NULL;
	}
	*slot = made;
	return made;
}

/** The newest state that holds at @time, or NULL. */
static const struct vmt_own_word *state_at(const struct word_list *list, uint64_t time)
{
	uint32_t low = 0;
	uint32_t high = list->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (list->v[middle].time <= time)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? &list->v[low - 1] : NULL;
}

/** A new newest state of the word, a copy of the one before; without history the same one. */
static struct vmt_own_word *new_state(struct vmt_own *own, struct word_list *list, uint64_t time)
{
	struct vmt_own_word *v = list->v;

	if (list->n > 0 && (!own->history || v[list->n - 1].time == time))
		return &v[list->n - 1];
	if (list->n == list->cap) {
		uint32_t cap = list->cap ? list->cap * 2 : 1;

		v = cap > list->cap ? realloc(v, cap * sizeof(*v)) : NULL;
		if (!v)
			return NULL;
		list->v = v;
		list->cap = cap;
	}
	if (list->n > 0)
		v[list->n] = v[list->n - 1];
	else
		memset(&v[0], 0, sizeof(v[0]));
	v[list->n].time = own->history ? time : 0;
	return &v[list->n++];
}

/**
 * One byte is written. What stood there before the handler came is kept while its own byte still
 * stands; a byte that the guest has written since counts as the guest's.
 */
static void write_byte(struct vmt_own_word *w, uint32_t i, uint8_t data, bool known, uint8_t before)
{
	uint8_t bit = (uint8_t)(1u << i);

	if ((w->own & bit) && known && before != w->now[i])
		w->own &= (uint8_t)~bit;
	if (!(w->own & bit)) {
		w->before[i] = known ? before : 0;
		w->unknown = (uint8_t)(known ? w->unknown & ~bit : w->unknown | bit);
	}
	w->now[i] = data;
	if (!(w->unknown & bit) && data == w->before[i])
		w->own &= (uint8_t)~bit;
	else
		w->own |= bit;
}

int vmt_own_write(struct vmt_own *own, uint64_t time, vmt_gfn gfn, uint32_t offset,
		  const uint8_t *data, uint32_t len, const uint8_t *before, const uint8_t *known)
{
	struct vmt_own_page *page = find_or_make(own, gfn.n);
	struct vmt_own_word *w = NULL;

	if (!page)
		return -VMT_E_NO_MEMORY;
	own->generation++;
	for (uint32_t i = 0; i < len; i++) {
		uint32_t at = offset + i;

		if (!w || at % 8 == 0)
			w = new_state(own, &page->words[at / 8], time);
		if (!w)
			return -VMT_E_NO_MEMORY;
		write_byte(w, at % 8, data[i], before && (!known || known[i]),
			   before ? before[i] : 0);
	}
	return 0;
}

static int forget_page(struct vmt_own *own, struct vmt_own_page *page, uint64_t time)
{
	for (uint32_t i = 0; i < VMT_WORDS_OF_PAGE; i++) {
		struct word_list *list = &page->words[i];
		struct vmt_own_word *w;

		if (list->n == 0 || list->v[list->n - 1].own == 0)
			continue;
		w = new_state(own, list, time);
		if (!w)
			return -VMT_E_NO_MEMORY;
		w->own = 0;
		own->generation++;
	}
	return 0;
}

int vmt_own_forget(struct vmt_own *own, uint64_t time, vmt_gfn gfn)
{
	struct vmt_own_page *page = find(own, gfn.n);

	return page ? forget_page(own, page, time) : 0;
}

int vmt_own_forget_all(struct vmt_own *own, uint64_t time)
{
	struct vmt_own_page **page;
	uint64_t gfn = 0;

	for (; (page = vmt_gfn_map_next(&own->pages, &gfn)); gfn++)
		if (forget_page(own, *page, time) < 0)
			return -VMT_E_NO_MEMORY;
	return 0;
}

bool vmt_own_touches(const struct vmt_own *own, vmt_gfn gfn)
{
	return find(own, gfn.n) != NULL;
}

const struct vmt_own_word *vmt_own_word(const struct vmt_own *own, uint64_t time, vmt_gfn gfn,
					uint32_t index)
{
	const struct vmt_own_page *page = find(own, gfn.n);
	const struct vmt_own_word *w;

	if (!page)
		return NULL;
	w = state_at(&page->words[index], own->history ? time : 0);
	return w && w->own ? w : NULL;
}

bool vmt_own_next(const struct vmt_own *own, uint64_t time, uint64_t *gfn, uint32_t *offset,
		  const struct vmt_own_word **word)
{
	uint32_t at = *offset;

	if (own->pages.count == 0)
		return false;
	for (uint64_t wanted = *gfn; vmt_gfn_map_next(&own->pages, gfn); wanted = ++*gfn, at = 0) {
		for (at = *gfn == wanted ? at : 0; at < VMT_PAGE_SIZE; at++) {
			const struct vmt_own_word *w =
				vmt_own_word(own, time, vmt_gfn_from(*gfn), at / 8);

			if (!w) {
				at |= 7;
				continue;
			}
			if (w->own & (1u << (at % 8))) {
				*offset = at;
				*word = w;
				return true;
			}
		}
	}
	return false;
}
