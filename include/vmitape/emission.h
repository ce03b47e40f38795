/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a handler has to say: typed records.
 *
 * An emission is one record tied to the callback that made it; the output is the handler's final
 * result, handed over by poll. Both are checked against a schema that the handler declares once, so
 * that versions of a handler can be compared field by field. How a record looks as text is decided
 * outside of the library's core.
 *
 *     static const struct vmt_field fields[] = {
 *             {"pid", VMT_U64, VMT_KEY}, {"path", VMT_TEXT, 0}, {"since", VMT_U64, VMT_IGNORE},
 *     };
 *     static const struct vmt_schema opened = VMT_SCHEMA("opened", fields);
 *     ...
 *     struct vmt_value v[] = {vmt_u64(pid), vmt_text(path), vmt_u64(now)};
 *     vmt_emit(session, &opened, v, 3);
 */
#ifndef VMITAPE_EMISSION_H
#define VMITAPE_EMISSION_H

#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_session;

/** The type of a field. The numbers are part of the trace format. */
enum vmt_type {
	VMT_BOOL = 1,
	VMT_I64 = 2,
	VMT_U64 = 3,
	VMT_ADDR = 4, /**< an address or a bit pattern: as VMT_U64, shown in hexadecimal */
	VMT_TEXT = 5, /**< UTF-8 is expected; other bytes are kept and shown escaped */
	VMT_BYTES = 6,
	VMT_TYPE_COUNT
};

/** "bool", "i64", ...; "invalid" for anything else. Never NULL. */
VMT_API const char *vmt_type_name(unsigned type);

/** A field's role when two runs are compared: neither is a value that must agree. */
enum vmt_role {
	VMT_KEY = 1,    /**< tells which record of one run belongs to which of the other */
	VMT_IGNORE = 2, /**< not compared */
};

#define VMT_SCHEMA_FIELDS_MAX 64u

struct vmt_field {
	const char *name; /**< unique in the schema; [a-z0-9_]+ */
	uint8_t type;     /**< enum vmt_type */
	uint8_t role;     /**< enum vmt_role, or 0 */
};

struct vmt_schema {
	const char *name; /**< unique in the handler; [a-z0-9_-]+ */
	const struct vmt_field *fields;
	size_t nfields; /**< at most VMT_SCHEMA_FIELDS_MAX */
};

#define VMT_SCHEMA(name, fields)                                   \
	{                                                          \
		name, fields, sizeof(fields) / sizeof((fields)[0]) \
	}

/** One field's value. Text and bytes are borrowed: vmt_emit and vmt_output copy them. */
struct vmt_value {
	uint8_t type; /**< enum vmt_type */
	uint32_t len; /**< bytes, of text and bytes */
	union {
		bool b;
		int64_t i;
		uint64_t u; /**< also VMT_ADDR */
		const void *p;
	} v;
};

VMT_API struct vmt_value vmt_bool(bool b);
VMT_API struct vmt_value vmt_i64(int64_t i);
VMT_API struct vmt_value vmt_u64(uint64_t u);
VMT_API struct vmt_value vmt_addr(uint64_t a);
VMT_API struct vmt_value vmt_text(const char *s); /**< NUL-terminated; NULL is the empty text */
VMT_API struct vmt_value vmt_bytes(const void *p, uint32_t len);

/**
 * Largest text or bytes value of a record. A longer one is refused with -VMT_E_LIMIT, never cut.
 */
#define VMT_VALUE_MAX (1u << 20)

/**
 * Check a schema by itself: names, types, limits. The loader and the session call it once for each
 * declared one.
 */
VMT_API int vmt_schema_check(const struct vmt_schema *schema, struct vmt_error *err);

/** Check that @n values fit @schema in number, type and size. */
VMT_API int vmt_values_check(const struct vmt_schema *schema, const struct vmt_value *values,
			     size_t n, struct vmt_error *err);

/**
 * Emit one record. @schema must be one of those that the handler declared. Allowed in each callback
 * but poll.
 * -VMT_E_INVALID when the values do not fit.
 */
VMT_API int vmt_emit(struct vmt_session *s, const struct vmt_schema *schema,
		     const struct vmt_value *values, size_t n);

/** The output being filled by poll. */
struct vmt_record;

/** Set the output. Once per poll; a second call is -VMT_E_EXISTS. The values are copied. */
VMT_API int vmt_output(struct vmt_record *out, const struct vmt_schema *schema,
		       const struct vmt_value *values, size_t n);

/**
 * For those who receive a record: its schema (NULL when the handler finished without a result) and
 * values.
 */
VMT_API const struct vmt_schema *vmt_record_schema(const struct vmt_record *record);
VMT_API const struct vmt_value *vmt_record_values(const struct vmt_record *record, size_t *n);

/** An owned record outside of a session. */
VMT_API struct vmt_record *vmt_record_create(void);
VMT_API void vmt_record_destroy(struct vmt_record *record);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_EMISSION_H */
