/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One line of text, put together piece by piece, and the pieces that several lines share.
 */
#include <inttypes.h>
#include <stdio.h>

#include "line.h"

void vmt_line_init(struct vmt_line *line, char *buf, size_t cap)
{
	line->buf = buf;
	line->cap = cap;
	line->len = 0;
	if (cap > 0)
		buf[0] = '\0';
}

void vmt_line_add(struct vmt_line *line, const char *fmt, ...)
{
	va_list ap;
	size_t room = line->cap - line->len;
	int n;

	if (room == 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line->buf + line->len, room, fmt, ap);
	va_end(ap);
	if (n > 0)
		line->len += (size_t)n < room ? (size_t)n : room - 1;
}

void vmt_line_add_access(struct vmt_line *line, struct vmt_access access)
{
	vmt_line_add(line, "%c%c%c", access.rights & VMT_R ? 'r' : '-',
		     access.rights & VMT_W ? 'w' : '-', access.rights & VMT_X ? 'x' : '-');
	if (access.options & VMT_ACCESS_IGNORE_WALKS)
		vmt_line_add(line, " ignore-walks");
}

static const char *interrupt_type_name(unsigned type)
{
	static const char *const names[] = {
		[VMT_INT_EXTERNAL] = "external",
		[VMT_INT_NMI] = "nmi",
		[VMT_INT_HW_EXCEPTION] = "hw-exception",
		[VMT_INT_SW_INTERRUPT] = "sw-interrupt",
		[VMT_INT_PRIV_SW_EXCEPTION] = "priv-sw-exception",
		[VMT_INT_SW_EXCEPTION] = "sw-exception",
	};

	if (type >= sizeof(names) / sizeof(names[0]) || !names[type])
		return "unknown-type";
	return names[type];
}

void vmt_line_add_interrupt(struct vmt_line *line, const struct vmt_interrupt *interrupt)
{
	vmt_line_add(line, "vector %u %s", interrupt->vector, interrupt_type_name(interrupt->type));
	if (interrupt->error_code != VMT_NO_ERROR_CODE)
		vmt_line_add(line, " error %#" PRIx32, interrupt->error_code);
	if (interrupt->extra != 0)
		vmt_line_add(line, " extra %#" PRIx64, interrupt->extra);
}
