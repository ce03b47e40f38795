/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a trace is written to: a file that gets its name at the end, or a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "output.h"

const struct vmt_output_ops vmt_output_system = {write, fsync};

static int open_partial(struct vmt_output *out, struct vmt_error *err)
{
	struct stat st;

	if (!out->replace && stat(out->path, &st) == 0)
		return vmt_error_set(
			err, VMT_E_EXISTS, out->path,
			"there is a file of this name already; move it away or ask for "
			"it to be replaced");
	out->fd = open(out->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (out->fd < 0)
		return vmt_error_set_errno(err, errno == EACCES ? VMT_E_PERMISSION : VMT_E_IO,
					   errno, out->partial, "cannot create the trace");
	if (flock(out->fd, LOCK_EX | LOCK_NB) < 0)
		return vmt_error_set(err, VMT_E_BUSY, out->partial,
				     "another recorder is writing this trace; choose another name");
	if (ftruncate(out->fd, 0) < 0 || fchmod(out->fd, 0600) < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, out->partial,
					   "cannot empty what an earlier recording left");
	return 0;
}

int vmt_output_open(struct vmt_output *out, const char *path, bool replace, struct vmt_error *err)
{
	int r;

	*out = (struct vmt_output){.ops = &vmt_output_system, .fd = -1, .replace = replace};
	out->path = strdup(path);
	if (out->path == NULL || asprintf(&out->partial, "%s.partial", path) < 0) {
		out->partial = NULL;
		vmt_output_finish(out);
		return vmt_error_set(err, VMT_E_NO_MEMORY, "trace", "no memory for a file name");
	}
	r = open_partial(out, err);
	if (r < 0)
		vmt_output_finish(out);
	return r;
}

void vmt_output_open_fd(struct vmt_output *out, int fd)
{
	*out = (struct vmt_output){.ops = &vmt_output_system, .fd = fd};
}

/** One write; a closed pipe is an error like others, not a signal. */
static ssize_t write_quietly(const struct vmt_output *out, const void *p, size_t len)
{
	const struct timespec now = {0, 0};
	sigset_t pipe_signal;
	sigset_t pending;
	sigset_t before;
	ssize_t n;
	int saved;

	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);
	n = out->ops->write(out->fd, p, len);
	saved = errno;
	if (n < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
		while (sigtimedwait(&pipe_signal, NULL, &now) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return n;
}

int vmt_output_write(struct vmt_output *out, const void *p, size_t len, struct vmt_error *err)
{
	const uint8_t *at = p;
	size_t left = len;

	while (left > 0) {
		const ssize_t n = write_quietly(out, at, left);

		if (n > 0) {
			at += n;
			left -= (size_t)n;
		} else if (n == 0 || errno == EAGAIN) {
			struct pollfd pfd = {out->fd, POLLOUT, 0};

			poll(&pfd, 1, 1000);
		} else if (errno != EINTR) {
			vmt_error_set_errno(
				err, VMT_E_IO, errno, out->partial != NULL ? out->partial : "trace",
				"cannot write the trace; it is readable up to byte %llu",
				(unsigned long long)out->offset);
			/* Best effort: a reader copes with a chunk that is cut. */
			if (out->partial != NULL && ftruncate(out->fd, (off_t)out->offset) == 0)
				lseek(out->fd, (off_t)out->offset, SEEK_SET);
			return -VMT_E_IO;
		}
	}
	out->offset += len;
	return 0;
}

int vmt_output_commit(struct vmt_output *out, struct vmt_error *err)
{
	if (out->path == NULL)
		return 0;
	if (out->ops->sync(out->fd) < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, out->partial,
					   "the trace is written, but not safely on the disk");
	if (renameat2(AT_FDCWD, out->partial, AT_FDCWD, out->path,
		      out->replace ? 0 : RENAME_NOREPLACE) == 0)
		return 0;
	if (errno == EEXIST)
		return vmt_error_set(err, VMT_E_EXISTS, out->path,
				     "a file of this name has appeared; the trace is complete and "
				     "stays at %s",
				     out->partial);
	/* File systems without RENAME_NOREPLACE; looked at before, so only a race is lost. */
	if (errno == EINVAL && rename(out->partial, out->path) == 0)
		return 0;
	return vmt_error_set_errno(err, VMT_E_IO, errno, out->path,
				   "the trace is complete, but keeps the name %s", out->partial);
}

void vmt_output_finish(struct vmt_output *out)
{
	if (out->path != NULL && out->fd >= 0)
		close(out->fd);
	out->fd = -1;
	free(out->path);
	free(out->partial);
	out->path = NULL;
	out->partial = NULL;
}
