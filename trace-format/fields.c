/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The buffer that field tables are written to.
 */
#include <stdlib.h>
#include <string.h>

#include "fields.h"

int vmt_trace_buf_reserve(struct vmt_trace_buf *buf, size_t more)
{
	size_t cap = buf->cap;
	uint8_t *p;

	if (buf->cap - buf->len >= more)
		return 0;
	while (cap - buf->len < more)
		cap = cap < 1024 ? 1024 : cap * 2;
	p = realloc(buf->p, cap);
	if (p == NULL)
		return -VMT_E_NO_MEMORY;
	buf->p = p;
	buf->cap = cap;
	return 0;
}

int vmt_trace_buf_add(struct vmt_trace_buf *buf, const void *p, size_t len)
{
	if (vmt_trace_buf_reserve(buf, len) < 0)
		return -VMT_E_NO_MEMORY;
	if (len > 0)
		memcpy(buf->p + buf->len, p, len);
	buf->len += len;
	return 0;
}

void vmt_trace_buf_finish(struct vmt_trace_buf *buf)
{
	free(buf->p);
	*buf = (struct vmt_trace_buf){0};
}
