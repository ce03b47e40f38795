/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Comparing what handlers say: one emission or output with another, perhaps of another version.
 */
#ifndef VMT_CORE_RECORD_COMPARE_H
#define VMT_CORE_RECORD_COMPARE_H

#include <vmitape/emission.h>

/** A record with its schema; @schema NULL: there is none, or it is without values. */
struct vmt_said {
	const struct vmt_schema *schema;
	const struct vmt_value *values;
	size_t n;
};

/**
 * Do two records say different things? Fields are compared by name; one that is VMT_IGNORE in either
 * schema is not compared. False, or true with the name of the first field that differs in *@field
 * ("" when the schemas have different names).
 */
bool vmt_said_differ(const struct vmt_said *a, const struct vmt_said *b, const char **field);

/**
 * "opened pid=17 path="/etc/passwd" at=0xffff8000": at most @cap bytes with NUL, cut with "..." at its
 * end. Bytes that are no printable ASCII are shown as \xNN. Returns @buf.
 */
const char *vmt_said_format(const struct vmt_said *said, char *buf, size_t cap);

#endif /* VMT_CORE_RECORD_COMPARE_H */
