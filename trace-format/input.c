/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of a trace that is read: a window that moves forward over a file or a pipe.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "input.h"

#define STEP ((size_t)256 << 10)

void vmt_input_init(struct vmt_input *in, int fd)
{
	struct stat st;

	*in = (struct vmt_input){.fd = fd};
	in->seekable = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	in->step = in->seekable && st.st_size < (off_t)STEP ? (size_t)st.st_size + 1 : STEP;
}

void vmt_input_finish(struct vmt_input *in)
{
	vmt_trace_buf_finish(&in->buf);
}

const uint8_t *vmt_input_at(const struct vmt_input *in)
{
	static const uint8_t nothing = 0;

	return in->buf.p != NULL ? in->buf.p + in->start : &nothing;
}

ssize_t vmt_input_fill(struct vmt_input *in, size_t want, struct vmt_error *err)
{
	const size_t step = want > in->step ? want : in->step;

	if (in->buf.len - in->start >= want || in->eof)
		return (ssize_t)(in->buf.len - in->start);
	if (in->start > 0) {
		memmove(in->buf.p, in->buf.p + in->start, in->buf.len - in->start);
		in->buf.len -= in->start;
		in->start = 0;
	}
	if (vmt_trace_buf_reserve(&in->buf, step) < 0)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory to read");
	while (in->buf.len < want && !in->eof) {
		uint8_t *to = in->buf.p + in->buf.len;
		const size_t space = in->buf.cap - in->buf.len;
		const ssize_t n =
			in->seekable ? pread(in->fd, to, space, (off_t)(in->offset + in->buf.len))
				     : read(in->fd, to, space);

		if (n > 0)
			in->buf.len += (size_t)n;
		else if (n == 0)
			in->eof = true;
		else if (errno != EINTR)
			return vmt_error_set_errno(err, VMT_E_IO, errno, "trace", "cannot read it");
	}
	return (ssize_t)in->buf.len;
}

void vmt_input_skip(struct vmt_input *in, size_t n)
{
	in->start += n;
	in->offset += n;
}

void vmt_input_seek(struct vmt_input *in, uint64_t offset)
{
	in->buf.len = 0;
	in->start = 0;
	in->offset = offset;
	in->eof = false;
}
