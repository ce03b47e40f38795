/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strings of the guest: C strings, and UTF-16 as UTF-8.
 */
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include <vmitape/memory.h>

#include "memory-range.h"
#include "session-private.h"

/*
 * Strings are read in pieces that end at multiples of this, so that no page after the terminator is
 * touched, and a short string costs one small read.
 */
#define PIECE       256u

#define REPLACEMENT UINT32_C(0xfffd)

/* How many bytes to read next at @addr, when at most @want are of use. */
static size_t piece_at(uint64_t addr, size_t want)
{
	size_t room = PIECE - (size_t)(addr % PIECE);

	return want < room ? want : room;
}

static int truncated(struct vmt_session *s, uint64_t addr, const char *limit, size_t n)
{
	return vmt_error_set(&s->err, VMT_E_TRUNCATED, "string",
			     "the string at %#" PRIx64 " is longer than the %zu %s given", addr, n,
			     limit);
}

static int no_room(struct vmt_session *s)
{
	return vmt_error_set(&s->err, VMT_E_INVALID, "string",
			     "the buffer has no room, not even for the final NUL");
}

int vmt_read_str(struct vmt_session *s, struct vmt_space space, uint64_t addr, char *buf,
		 size_t cap)
{
	size_t len = 0;
	int r = vmt_session_enter(s, "string");

	if (cap > 0)
		buf[0] = '\0';
	if (r < 0)
		return r;
	if (cap == 0)
		return no_room(s);
	if (cap > INT_MAX)
		cap = INT_MAX;
	while (len < cap) {
		size_t n = piece_at(addr + len, cap - len);
		const char *nul;

		buf[len] = '\0';
		r = vmt_range_check(s, "string", addr, buf, len + n);
		/* A failed read leaves zeros, which end what came before. */
		if (r == 0)
			r = vmt_read(s, space, addr + len, buf + len, n);
		if (r < 0)
			return r;
		nul = memchr(buf + len, '\0', n);
		if (nul)
			return (int)(nul - buf);
		len += n;
	}
	buf[cap - 1] = '\0';
	return truncated(s, addr, "bytes", cap - 1);
}

/* -------------------------------------------------------------------------------------------- */
/* UTF-16                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/* Code units in, UTF-8 out. */
struct converter {
	char *buf;
	size_t cap, len;
	uint32_t high; /* a high surrogate that waits for its other half, or 0 */
	bool full;     /* a character did not fit; nothing is stored any more */
};

static void converter_init(struct converter *c, char *buf, size_t cap)
{
	memset(c, 0, sizeof(*c));
	c->buf = buf;
	c->cap = cap < INT_MAX ? cap : INT_MAX;
}

static void store(struct converter *c, uint32_t code)
{
	static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	if (c->full || n >= c->cap - c->len) {
		c->full = true;
		return;
	}
	for (size_t i = n - 1; i > 0; i--) {
		c->buf[c->len + i] = (char)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	c->buf[c->len] = (char)(lead[n] | code);
	c->len += n;
}

/* A high surrogate that was not followed by its other half. */
static void flush_high(struct converter *c)
{
	if (c->high)
		store(c, REPLACEMENT);
	c->high = 0;
}

static void convert(struct converter *c, uint32_t unit)
{
	const bool is_high = unit >= 0xd800 && unit <= 0xdbff;
	const bool is_low = unit >= 0xdc00 && unit <= 0xdfff;

	if (c->high && is_low) {
		store(c, 0x10000 + ((c->high - 0xd800) << 10) + (unit - 0xdc00));
		c->high = 0;
		return;
	}
	flush_high(c);
	if (is_high)
		c->high = unit;
	else
		store(c, is_low ? REPLACEMENT : unit);
}

/* The end of the string: its length, or -VMT_E_TRUNCATED when not all was stored. */
static int finish(struct converter *c)
{
	c->buf[c->len] = '\0';
	return c->full ? -VMT_E_TRUNCATED : (int)c->len;
}

static uint32_t unit_of(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8;
}

int vmt_utf16_to_utf8(const void *units, size_t nbytes, char *buf, size_t cap)
{
	const uint8_t *bytes = units;
	struct converter c;

	if (cap == 0)
		return -VMT_E_INVALID;
	converter_init(&c, buf, cap);
	for (size_t i = 0; i + 1 < nbytes && !c.full; i += 2)
		convert(&c, unit_of(bytes + i));
	flush_high(&c);
	return finish(&c);
}

/* Convert @n bytes, an even number. True at the terminator, or when the buffer is full. */
static bool convert_piece(struct converter *c, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n && !c->full; i += 2) {
		uint32_t unit = unit_of(bytes + i);

		if (unit == 0) {
			flush_high(c);
			return true;
		}
		convert(c, unit);
	}
	return c->full;
}

int vmt_read_utf16(struct vmt_session *s, struct vmt_space space, uint64_t addr, size_t max_units,
		   char *buf, size_t cap)
{
	uint8_t bytes[PIECE + 1] = {0};
	size_t kept = 0; /* 1: the first half of a unit that lies across two pieces */
	uint64_t left = max_units <= UINT64_MAX / 2 ? (uint64_t)max_units * 2 : UINT64_MAX - 1;
	uint64_t at = addr;
	struct converter c;
	int r = vmt_session_enter(s, "string");

	if (cap > 0)
		buf[0] = '\0';
	if (r < 0)
		return r;
	if (cap == 0)
		return no_room(s);
	converter_init(&c, buf, cap);
	while (left > 0) {
		size_t n = piece_at(at, left < PIECE ? (size_t)left : PIECE);

		r = vmt_range_check(s, "string", addr, bytes, (size_t)(at - addr) + n);
		if (r == 0)
			r = vmt_read(s, space, at, bytes + kept, n);
		if (r < 0) {
			(void)finish(&c);
			return r;
		}
		at += n;
		left -= n;
		n += kept;
		kept = n % 2;
		if (convert_piece(&c, bytes, n - kept)) {
			r = finish(&c);
			return r < 0 ? truncated(s, addr, "bytes", cap - 1) : r;
		}
		bytes[0] = bytes[n - kept];
	}
	/* A pair that the limit cuts is left out: its other half was not looked at. */
	(void)finish(&c);
	return truncated(s, addr, "units", max_units);
}
