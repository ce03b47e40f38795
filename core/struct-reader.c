/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest structures: one read, then fields out of the copy.
 */
#include <endian.h>
#include <inttypes.h>
#include <string.h>

#include <vmitape/memory.h>

#include "session-private.h"

int vmt_struct_read(struct vmt_session *s, struct vmt_space space, uint64_t addr, void *buf,
		    uint32_t len, struct vmt_struct *st)
{
	int r = vmt_read(s, space, addr, buf, len);

	st->addr = addr;
	/* After a failure no field can be taken: a zero would be made up. */
	st->len = r < 0 ? 0 : len;
	st->bytes = buf;
	return r;
}

int vmt_struct_get(struct vmt_session *s, const struct vmt_struct *st,
		   struct vmt_struct_field field, uint64_t *value)
{
	uint64_t v = 0;
	int r = vmt_session_enter(s, "struct");

	*value = 0;
	if (r < 0)
		return r;
	if (field.size != 1 && field.size != 2 && field.size != 4 && field.size != 8)
		return vmt_error_set(&s->err, VMT_E_INVALID, "struct",
				     "there is no field of %" PRIu32 " bytes; use 1, 2, 4 or 8",
				     field.size);
	if (field.size > st->len || field.offset > st->len - field.size)
		return vmt_error_set(&s->err, VMT_E_INVALID, "struct",
				     "%" PRIu32 " bytes at offset %" PRIu32
				     " do not lie in the %" PRIu32
				     " bytes that were read at %#" PRIx64,
				     field.size, field.offset, st->len, st->addr);
	memcpy(&v, st->bytes + field.offset, field.size);
	*value = le64toh(v);
	return 0;
}
