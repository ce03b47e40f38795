/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Field tables: what a record holds, said once. The encoder, the decoder, the visitor and the
 * differ walk the same rows, which are those of FORMAT.md section 7.
 */
#ifndef VMT_TRACE_FORMAT_FIELDS_H
#define VMT_TRACE_FORMAT_FIELDS_H

#include <string.h>

#include <vmitape/trace.h>

#include "arena.h"

#define VMT_TRACE_RECORD_MAX (1u << 24) /**< bytes of a payload */

enum vmt_trace_type {
	VMT_T_UINT,  /**< varint of at most @max bits */
	VMT_T_HEX,   /**< likewise, shown in hexadecimal */
	VMT_T_SINT,  /**< zigzag; the member has 4 or 8 bytes */
	VMT_T_BOOL,  /**< one byte */
	VMT_T_LE64,  /**< 8 bytes */
	VMT_T_LEHEX, /**< likewise, shown in hexadecimal */
	VMT_T_TEXT,  /**< const char *, at most @max bytes; NULL is written as "" */
	VMT_T_MAYBE, /**< const char *, NULL is kept */
	VMT_T_CHARS, /**< char[@width] with NUL */
	VMT_T_BYTES, /**< const void * and a uint32_t at @aux, at most @max */
	VMT_T_BLOB,  /**< likewise, shown as text */
	VMT_T_FIXED, /**< uint8_t[@width] */
	VMT_T_STRUCT,
	VMT_T_LIST, /**< const struct * and a count at @aux of @aux_width bytes, at most @max */
	VMT_T_REGS, /**< struct vmt_regs */
	VMT_T_GPRS, /**< struct vmt_gprs */
};

/** When a field is there. */
enum vmt_trace_when {
	VMT_WHEN_ALWAYS,
	VMT_WHEN_OK,     /**< the int at cond_offset is 0 or more */
	VMT_WHEN_FAILED, /**< it is negative */
	VMT_WHEN_EQ,     /**< the unsigned member at cond_offset equals cond_value */
	VMT_WHEN_NE,
	VMT_WHEN_BIT, /**< it has one of these bits */
};

struct vmt_trace_struct;

struct vmt_trace_field {
	const char *name;
	uint8_t type;       /**< enum vmt_trace_type */
	uint8_t when;       /**< enum vmt_trace_when */
	uint8_t cond_width; /**< bytes */
	uint8_t aux_width;
	bool deref;    /**< the member is a pointer to the value */
	bool late;     /**< top level: not in the behaviour digest, nor is what follows */
	bool page_id;  /**< this is the id of the page that the record names; it stands last */
	bool residual; /**< BYTES of a struct vmt_event: stored as a patch to what its fields tell */
	uint16_t width; /**< of the value in memory, bytes */
	uint16_t offset;
	uint16_t aux;
	uint16_t cond_offset;
	uint32_t cond_value;
	uint32_t max;
	const struct vmt_trace_struct *sub;
};

struct vmt_trace_struct {
	const struct vmt_trace_field *fields;
	uint16_t nfields;
	uint16_t size; /**< in memory */
};

/** How many fields count for the behaviour digest: those before the first late one. */
static inline size_t vmt_trace_early(const struct vmt_trace_struct *table)
{
	size_t n = table->nfields;

	while (n > 0 && table->fields[n - 1].late)
		n--;
	return n;
}

/** Which digests a kind takes part in. */
enum vmt_trace_digest_class { VMT_DIGEST_NONE, VMT_DIGEST_RECORD, VMT_DIGEST_BEHAVIOUR };

/** A row of the record table. */
struct vmt_trace_kind_row {
	const char *name;
	const struct vmt_trace_struct *body; /**< NULL: no such kind */
	uint8_t digest;                      /**< enum vmt_trace_digest_class */
	bool ancillary, copy;
	uint8_t call;        /**< enum vmt_call_op, or 0 */
	bool pages;          /**< its last field may name a page */
	uint16_t gfn_offset; /**< then: which guest page it is, a uint64_t in the body */
};

extern const struct vmt_trace_kind_row vmt_trace_kinds[VMT_TRACE_KIND_COUNT];

/** The row of @kind, or NULL. */
static inline const struct vmt_trace_kind_row *vmt_trace_kind_row(unsigned kind)
{
	if (kind >= VMT_TRACE_KIND_COUNT || vmt_trace_kinds[kind].body == NULL)
		return NULL;
	return &vmt_trace_kinds[kind];
}

/** An unsigned member of 1, 2, 4 or 8 bytes. */
static inline uint64_t vmt_trace_load(const void *at, unsigned width)
{
	uint64_t u64 = 0;
	uint32_t u32;
	uint16_t u16;

	switch (width) {
	case 1:
		return *(const uint8_t *)at;
	case 2:
		memcpy(&u16, at, sizeof(u16));
		return u16;
	case 4:
		memcpy(&u32, at, sizeof(u32));
		return u32;
	default:
		memcpy(&u64, at, sizeof(u64));
		return u64;
	}
}

static inline void vmt_trace_store(void *at, unsigned width, uint64_t value)
{
	const uint32_t u32 = (uint32_t)value;
	const uint16_t u16 = (uint16_t)value;

	switch (width) {
	case 1:
		*(uint8_t *)at = (uint8_t)value;
		break;
	case 2:
		memcpy(at, &u16, sizeof(u16));
		break;
	case 4:
		memcpy(at, &u32, sizeof(u32));
		break;
	default:
		memcpy(at, &value, sizeof(value));
	}
}

/** Does @field hold in @base? */
static inline bool vmt_trace_field_present(const struct vmt_trace_field *field, const void *base)
{
	uint64_t value;

	if (field->when == VMT_WHEN_ALWAYS)
		return true;
	value = vmt_trace_load((const uint8_t *)base + field->cond_offset, field->cond_width);
	if (field->when == VMT_WHEN_EQ)
		return value == field->cond_value;
	switch (field->when) {
	case VMT_WHEN_OK:
		return (int32_t)value >= 0;
	case VMT_WHEN_FAILED:
		return (int32_t)value < 0;
	case VMT_WHEN_NE:
		return value != field->cond_value;
	default:
		return (value & field->cond_value) != 0;
	}
}

/** The value of @field in @base (behind its pointer; NULL when that is). */
static inline const void *vmt_trace_field_at(const struct vmt_trace_field *field, const void *base)
{
	const uint8_t *at = (const uint8_t *)base + field->offset;
	const void *behind;

	if (!field->deref)
		return at;
	memcpy(&behind, at, sizeof(behind));
	return behind;
}

/** A growing buffer. */
struct vmt_trace_buf {
	uint8_t *p;
	size_t len, cap;
};
int vmt_trace_buf_reserve(struct vmt_trace_buf *buf, size_t more); /**< 0 or -VMT_E_NO_MEMORY */
int vmt_trace_buf_add(struct vmt_trace_buf *buf, const void *p, size_t len);
void vmt_trace_buf_finish(struct vmt_trace_buf *buf);

/**
 * Append the payload of @body to @out. @behaviour: how many of its bytes count for the behaviour
 * digest. A page id is left out: it is the writer's to add. -VMT_E_INVALID, -VMT_E_LIMIT,
 * -VMT_E_NO_MEMORY with the field's name.
 */
int vmt_trace_encode(const struct vmt_trace_kind_row *row, const void *body, bool has_page,
		     struct vmt_trace_buf *out, size_t *behaviour, struct vmt_error *err);

/** A decoded payload. */
struct vmt_trace_decoded {
	void *body;       /**< in the arena */
	size_t behaviour; /**< bytes of the payload that count for the behaviour digest */
	uint64_t page;    /**< the page that it names, or 0 */
	size_t page_at;   /**< where its varint begins, when page is not 0 */
};

/**
 * Decode @len bytes at @payload. Texts are copied to the arena, bytes point into the payload.
 * @more: bytes may follow the last field. -VMT_E_DAMAGED with the field's name.
 */
int vmt_trace_decode(const struct vmt_trace_kind_row *row, const void *payload, size_t len,
		     bool more, struct vmt_trace_arena *arena, struct vmt_trace_decoded *decoded,
		     struct vmt_error *err);

#endif /* VMT_TRACE_FORMAT_FIELDS_H */
