/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is this table a handler that this library can call?
 */
#include <string.h>

#include <vmitape/handler.h>

#include "session-private.h"

#define SCHEMAS_MAX 256u

static int schemas_check(const struct vmt_handler_ops *ops, struct vmt_error *err)
{
	size_t n = 0;

	for (const struct vmt_schema *const *p = ops->schemas; p && *p; p++, n++) {
		if (n == SCHEMAS_MAX)
			return vmt_error_set(err, VMT_E_LIMIT, "handler",
					     "more than %u schemas are declared; does the list end "
					     "with NULL?",
					     SCHEMAS_MAX);
		if (vmt_schema_check(*p, err) < 0)
			return -VMT_E_INVALID;
		for (const struct vmt_schema *const *q = ops->schemas; q < p; q++)
			if (strcmp((*q)->name, (*p)->name) == 0)
				return vmt_error_set(err, VMT_E_INVALID, "handler",
						     "two schemas are called '%s'", (*p)->name);
	}
	return 0;
}

static int table_check(const struct vmt_handler_ops *ops, struct vmt_error *err)
{
	int r;

	if (ops->size < sizeof(*ops))
		return vmt_error_set(err, VMT_E_ABI, "handler",
				     "its table has %u bytes; this library needs at least %zu: set "
				     ".size = sizeof(struct vmt_handler_ops) and build it again",
				     ops->size, sizeof(*ops));
	if (!ops->name || !ops->name[0])
		return vmt_error_set(err, VMT_E_INVALID, "handler", "it has no name; set .name");
	if (!ops->version)
		return vmt_error_set(err, VMT_E_INVALID, "handler",
				     "it has no version; set .version, for traces name it");
	if (!ops->handle_event)
		return vmt_error_set(err, VMT_E_INVALID, "handler",
				     "it has no handle_event, the one callback that is required");
	r = schemas_check(ops, err);
	return r < 0 ? r : vmt_option_decls_check(ops->options, err);
}

int vmt_handler_check(const struct vmt_handler_ops *ops, struct vmt_error *err)
{
	struct vmt_error nobodys;
	const char *name;
	int r;

	if (!err)
		err = &nobodys;
	/* Nothing but these two can be trusted before they are checked. */
	if (ops->abi != VMT_HANDLER_ABI)
		return vmt_error_set(err, VMT_E_ABI, "handler",
				     "it was built for handler interface %u, this library has %u: "
				     "build it against this version's headers",
				     ops->abi, VMT_HANDLER_ABI);
	r = table_check(ops, err);
	if (r == 0)
		return 0;
	name = r != -VMT_E_ABI && ops->name && ops->name[0] ? ops->name : NULL;
	return name ? vmt_error_prefix(err, "handler '%s': ", name) : r;
}
