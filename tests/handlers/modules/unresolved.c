/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A handler that needs a function that nobody has.
 */
#include <vmitape/handler.h>

struct vmt_response nobody_has_this(void *self, struct vmt_ctx *ctx);

VMT_HANDLER_DEFINE(unresolved) = {
	.abi = VMT_HANDLER_ABI,
	.size = sizeof(struct vmt_handler_ops),
	.name = "unresolved",
	.version = "1",
	.handle_event = nobody_has_this,
};
