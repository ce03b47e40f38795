/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bundled handlers, by name. A new one is a file, a declaration and a row here.
 */
#include <stdio.h>

#include <vmitape/run.h>

#include "registry.h"

extern const struct vmt_handler_ops vmt_handler_breakpoint;
extern const struct vmt_handler_ops vmt_handler_cr3;
extern const struct vmt_handler_ops vmt_handler_events;
extern const struct vmt_handler_ops vmt_handler_pagewatch;
extern const struct vmt_handler_ops vmt_handler_tiny;

static const struct vmt_handler_ops *const bundled[] = {
	&vmt_handler_breakpoint, &vmt_handler_cr3,  &vmt_handler_events,
	&vmt_handler_pagewatch,  &vmt_handler_tiny, NULL,
};

const struct vmt_handler_ops *const *vmt_handlers(void)
{
	return bundled;
}

const char *vmt_handler_names(char *buf, size_t cap)
{
	size_t len = 0;

	buf[0] = '\0';
	for (const struct vmt_handler_ops *const *h = bundled; *h && len < cap; h++)
		len += (size_t)snprintf(buf + len, cap - len, "%s%s", h == bundled ? "" : ", ",
					(*h)->name);
	return buf;
}
