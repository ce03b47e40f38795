/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing guest memory, all or nothing: all pages are translated and what stands there is kept
 * before the first byte is written, and a write that fails half-way is undone.
 */
#include <endian.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/memory.h>

#include "memory-range.h"
#include "session-private.h"

/* The part of a write that lies in one page. */
struct piece {
	vmt_gpa gpa;
	uint32_t len;
	size_t at; /* where it begins in the whole */
};

struct write {
	struct vmt_session *session;
	struct vmt_space space;
	uint64_t addr;
	const uint8_t *bytes;
	size_t len;
	struct piece *pieces;
	size_t npieces;
	uint8_t *before; /* what stood there, but for the last piece */
};

static int write_piece(const struct write *w, const struct piece *p, const uint8_t *bytes)
{
	return vmt_driver_write(w->session->driver, vmt_gfn_of(p->gpa),
				(uint32_t)(p->gpa.a & VMT_PAGE_MASK), bytes + p->at, p->len);
}

static int translate_pieces(const struct write *w)
{
	size_t at = 0;

	for (size_t i = 0; i < w->npieces; i++) {
		struct piece *p = &w->pieces[i];
		int r = vmt_range_translate(w->session, w->space, w->addr + at, &p->gpa);

		if (r < 0)
			return r;
		p->at = at;
		p->len = (uint32_t)vmt_range_in_page(w->addr + at, w->len - at);
		at += p->len;
	}
	return 0;
}

static int keep_before(const struct write *w)
{
	for (size_t i = 0; i + 1 < w->npieces; i++) {
		const struct piece *p = &w->pieces[i];
		int r = vmt_driver_read(w->session->driver, vmt_gfn_of(p->gpa),
					(uint32_t)(p->gpa.a & VMT_PAGE_MASK), w->before + p->at,
					p->len);

		if (r < 0) {
			vmt_range_failed(w->session, w->space, w->addr + p->at);
			return vmt_error_prefix(&w->session->err,
						"nothing was written, for what stands there "
						"cannot be kept: ");
		}
	}
	return 0;
}

/* Put back the first @n pieces, the last of them first. The session's error tells of the write. */
static int undo(const struct write *w, size_t n)
{
	struct vmt_error first = {0};
	uint64_t where = 0;

	while (n-- > 0)
		if (write_piece(w, &w->pieces[n], w->before) < 0 && first.status == 0) {
			first = w->session->driver->err;
			where = w->addr + w->pieces[n].at;
		}
	if (first.status == 0)
		return -w->session->err.status;
	return vmt_error_prefix(&w->session->err,
				"the write stopped half-way, and what stood at %#" PRIx64
				" could not be put back (%.100s); the failure of the write: ",
				where, first.text);
}

static int write_pieces(const struct write *w)
{
	vmt_translation_cache_flush(&w->session->translations);
	for (size_t i = 0; i < w->npieces; i++)
		if (write_piece(w, &w->pieces[i], w->bytes) < 0) {
			vmt_range_failed(w->session, w->space, w->addr + w->pieces[i].at);
			return undo(w, i);
		}
	return 0;
}

static int write_kept(const struct write *w)
{
	int r = translate_pieces(w);

	if (r == 0)
		r = keep_before(w);
	return r < 0 ? r : write_pieces(w);
}

static int write_across_pages(struct write *w)
{
	int r;

	w->pieces = calloc(w->npieces, sizeof(*w->pieces));
	w->before = malloc(w->len);
	if (w->pieces && w->before)
		r = write_kept(w);
	else
		r = vmt_error_set(
			&w->session->err, VMT_E_NO_MEMORY, "write",
			"no memory to keep what %zu bytes overwrite; write less at a time", w->len);
	free(w->pieces);
	free(w->before);
	return r;
}

/* The common case needs no undo: the driver's write of one page is all or nothing by itself. */
static int write_in_page(struct vmt_session *s, struct vmt_space space, uint64_t addr,
			 const void *buf, size_t len)
{
	vmt_gpa gpa;
	int r = vmt_range_translate(s, space, addr, &gpa);

	if (r < 0)
		return r;
	vmt_translation_cache_flush(&s->translations);
	r = vmt_driver_write(s->driver, vmt_gfn_of(gpa), (uint32_t)(gpa.a & VMT_PAGE_MASK), buf,
			     (uint32_t)len);
	return r < 0 ? vmt_range_failed(s, space, addr) : r;
}

int vmt_write(struct vmt_session *s, struct vmt_space space, uint64_t addr, const void *buf,
	      size_t len)
{
	struct write w = {s, space, addr, buf, len, NULL, 1, NULL};
	size_t first;
	int r = vmt_session_enter_effect(s, "write");

	if (r < 0)
		return r;
	r = vmt_range_check(s, "write", addr, buf, len);
	if (r < 0 || len == 0)
		return r;
	first = vmt_range_in_page(addr, len);
	if (first == len)
		return write_in_page(s, space, addr, buf, len);
	w.npieces += (len - first - 1) / VMT_PAGE_SIZE + 1;
	return write_across_pages(&w);
}

/* -------------------------------------------------------------------------------------------- */
/* Integers                                                                                     */
/* -------------------------------------------------------------------------------------------- */

int vmt_write_u8(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint8_t value)
{
	return vmt_write(s, space, addr, &value, sizeof(value));
}

int vmt_write_u16(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint16_t value)
{
	value = htole16(value);
	return vmt_write(s, space, addr, &value, sizeof(value));
}

int vmt_write_u32(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint32_t value)
{
	value = htole32(value);
	return vmt_write(s, space, addr, &value, sizeof(value));
}

int vmt_write_u64(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint64_t value)
{
	value = htole64(value);
	return vmt_write(s, space, addr, &value, sizeof(value));
}
