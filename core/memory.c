/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading guest memory: page walks over the session's driver, the cache in front of them, and
 * ranges that may cross pages.
 */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include <vmitape/memory.h>

#include "memory-range.h"
#include "session-private.h"
#include "walk.h"

/* -------------------------------------------------------------------------------------------- */
/* Page walks                                                                                   */
/* -------------------------------------------------------------------------------------------- */

struct entry_reader {
	struct vmt_driver *driver;
	bool failed;
};

static int read_entry(void *opaque, vmt_gpa gpa, void *buf, uint32_t len)
{
	struct entry_reader *reader = opaque;
	int r = vmt_driver_read(reader->driver, vmt_gfn_of(gpa), (uint32_t)(gpa.a & VMT_PAGE_MASK),
				buf, len);

	reader->failed = r < 0;
	return r;
}

static int set_fault(struct vmt_error *err, const struct vmt_fault *fault)
{
	const uint64_t address = fault->address.a;

	switch (fault->kind) {
	case VMT_FAULT_NON_CANONICAL:
		vmt_error_set(err, VMT_E_FAULT, "page walk",
			      "the address %#" PRIx64 " is not canonical; is it a pointer at all?",
			      address);
		break;
	case VMT_FAULT_TOO_WIDE:
		vmt_error_set(err, VMT_E_FAULT, "page walk",
			      "the address %#" PRIx64 " does not fit the 32 bits of this space",
			      address);
		break;
	default:
		vmt_error_set(err, VMT_E_FAULT, "page walk",
			      "the address %#" PRIx64 " is not mapped: its level %" PRIu32
			      " entry %#" PRIx64 " at %#" PRIx64 " %s (root %#" PRIx64 ")",
			      address, fault->level, fault->entry, fault->where.a,
			      fault->kind == VMT_FAULT_NOT_PRESENT ? "is not present"
								   : "has reserved bits set",
			      fault->root);
		break;
	}
	err->fault = *fault;
	return -VMT_E_FAULT;
}

static int walk_tables(struct vmt_session *s, struct vmt_space space, vmt_gva gva,
		       struct vmt_walk *walk)
{
	struct entry_reader reader = {.driver = s->driver};
	struct vmt_fault fault;
	int r = vmt_walk_tables(read_entry, &reader, space, gva, walk, &fault);

	if (r >= 0)
		return 0;
	if (reader.failed) {
		vmt_session_take_error(s);
		return vmt_error_prefix(
			&s->err, "in the page walk for %#" PRIx64 " (root %#" PRIx64 "): ", gva.a,
			space.root);
	}
	if (r == -VMT_E_FAULT)
		return set_fault(&s->err, &fault);
	return vmt_error_set(&s->err, VMT_E_INVALID, "page walk",
			     "the space has no known paging mode; an event's space has none when "
			     "its registers are not known");
}

int vmt_walk(struct vmt_session *s, struct vmt_space space, vmt_gva gva, struct vmt_walk *walk)
{
	int r = vmt_session_enter(s, "walk");

	memset(walk, 0, sizeof(*walk));
	return r < 0 ? r : walk_tables(s, space, gva, walk);
}

int vmt_range_translate(struct vmt_session *s, struct vmt_space space, uint64_t addr, vmt_gpa *gpa)
{
	const vmt_gva gva = vmt_gva_from(addr);
	struct vmt_walk walk;
	vmt_gfn gfn;
	int r;

	*gpa = vmt_gpa_from(0);
	if (space.paging == VMT_PAGING_NONE) {
		*gpa = vmt_gpa_from(addr);
		return 0;
	}
	if (!vmt_translation_cache_find(&s->translations, space, gva, &gfn)) {
		r = walk_tables(s, space, gva, &walk);
		if (r < 0)
			return r;
		gfn = vmt_gfn_of(walk.gpa);
		vmt_translation_cache_add(&s->translations, space, gva, gfn);
	}
	*gpa = vmt_gpa_from(vmt_gpa_of(gfn).a | (addr & VMT_PAGE_MASK));
	return 0;
}

int vmt_translate(struct vmt_session *s, struct vmt_space space, vmt_gva gva, vmt_gpa *gpa)
{
	int r = vmt_session_enter(s, "translate");

	*gpa = vmt_gpa_from(0);
	return r < 0 ? r : vmt_range_translate(s, space, gva.a, gpa);
}

void vmt_flush(struct vmt_session *s)
{
	if (vmt_session_enter(s, "flush") == 0)
		vmt_translation_cache_flush(&s->translations);
}

/* -------------------------------------------------------------------------------------------- */
/* Ranges                                                                                       */
/* -------------------------------------------------------------------------------------------- */

int vmt_range_check(struct vmt_session *s, const char *call, uint64_t addr, const void *buf,
		    size_t len)
{
	if (len > 0 && !buf)
		return vmt_error_set(&s->err, VMT_E_INVALID, call, "the buffer is NULL");
	if (len > 0 && len - 1 > UINT64_MAX - addr)
		return vmt_error_set(&s->err, VMT_E_INVALID, call,
				     "%zu bytes at %#" PRIx64
				     " wrap around the end of the address space",
				     len, addr);
	return 0;
}

size_t vmt_range_in_page(uint64_t addr, size_t len)
{
	size_t room = VMT_PAGE_SIZE - (size_t)(addr & VMT_PAGE_MASK);

	return len < room ? len : room;
}

int vmt_range_failed(struct vmt_session *s, struct vmt_space space, uint64_t addr)
{
	int r = vmt_session_take_error(s);

	if (space.paging == VMT_PAGING_NONE)
		return r;
	return vmt_error_prefix(&s->err, "at address %#" PRIx64 ": ", addr);
}

static int read_range(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint8_t *to,
		      size_t len)
{
	while (len > 0) {
		size_t n = vmt_range_in_page(addr, len);
		vmt_gpa gpa;
		int r = vmt_range_translate(s, space, addr, &gpa);

		if (r < 0)
			return r;
		r = vmt_driver_read(s->driver, vmt_gfn_of(gpa), (uint32_t)(gpa.a & VMT_PAGE_MASK),
				    to, (uint32_t)n);
		if (r < 0)
			return vmt_range_failed(s, space, addr);
		addr += n;
		to += n;
		len -= n;
	}
	return 0;
}

int vmt_read(struct vmt_session *s, struct vmt_space space, uint64_t addr, void *buf, size_t len)
{
	int r = vmt_session_enter(s, "read");

	if (r == 0)
		r = vmt_range_check(s, "read", addr, buf, len);
	if (r == 0)
		r = read_range(s, space, addr, buf, len);
	if (r < 0 && len > 0 && buf)
		memset(buf, 0, len);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Integers                                                                                     */
/* -------------------------------------------------------------------------------------------- */

int vmt_read_u8(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint8_t *value)
{
	return vmt_read(s, space, addr, value, sizeof(*value));
}

int vmt_read_u16(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint16_t *value)
{
	int r = vmt_read(s, space, addr, value, sizeof(*value));

	*value = le16toh(*value);
	return r;
}

int vmt_read_u32(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint32_t *value)
{
	int r = vmt_read(s, space, addr, value, sizeof(*value));

	*value = le32toh(*value);
	return r;
}

int vmt_read_u64(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint64_t *value)
{
	int r = vmt_read(s, space, addr, value, sizeof(*value));

	*value = le64toh(*value);
	return r;
}

int vmt_read_uint(struct vmt_session *s, struct vmt_space space, uint64_t addr, unsigned size,
		  uint64_t *value)
{
	uint64_t v = 0;
	int r = vmt_session_enter(s, "read");

	*value = 0;
	if (r < 0)
		return r;
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return vmt_error_set(&s->err, VMT_E_INVALID, "read",
				     "there is no integer of %u bytes; use 1, 2, 4 or 8", size);
	/* The bytes that are not read stay 0, and they are the high ones. */
	r = vmt_read(s, space, addr, &v, size);
	*value = le64toh(v);
	return r;
}

int vmt_read_pointer(struct vmt_session *s, struct vmt_space space, uint64_t addr, uint64_t *value)
{
	unsigned size = vmt_space_pointer_size(space);

	return vmt_read_uint(s, space, addr, size != 0 ? size : 8, value);
}
