/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of a trace that is read: a window that moves forward over a file or a pipe.
 */
#ifndef VMT_TRACE_FORMAT_INPUT_H
#define VMT_TRACE_FORMAT_INPUT_H

#include <sys/types.h>

#include "fields.h"

struct vmt_input {
	int fd;
	bool seekable;
	size_t step; /**< how much is read at once */
	bool eof;
	uint64_t offset; /**< of the window's first byte in the trace */
	struct vmt_trace_buf buf;
	size_t start; /**< of the window in buf */
};

void vmt_input_init(struct vmt_input *in, int fd);
void vmt_input_finish(struct vmt_input *in);

/**
 * Make the window at least @want bytes long. Returns its length, less than @want only at the end;
 * or -VMT_E_IO, -VMT_E_NO_MEMORY.
 */
ssize_t vmt_input_fill(struct vmt_input *in, size_t want, struct vmt_error *err);

/** The window. */
const uint8_t *vmt_input_at(const struct vmt_input *in);

/** Move the window on by @n bytes that are in it. */
void vmt_input_skip(struct vmt_input *in, size_t n);

/** Move it to @offset; on files only. */
void vmt_input_seek(struct vmt_input *in, uint64_t offset);

#endif /* VMT_TRACE_FORMAT_INPUT_H */
