/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a trace is written to: a file that gets its name at the end, or a descriptor.
 */
#ifndef VMT_TRACE_FORMAT_OUTPUT_H
#define VMT_TRACE_FORMAT_OUTPUT_H

#include <sys/types.h>

#include <vmitape/types.h>

/** What writes; tests put failing ones here. Contracts as write(2) and fsync(2), errno set. */
struct vmt_output_ops {
	ssize_t (*write)(int fd, const void *p, size_t len);
	int (*sync)(int fd);
};

extern const struct vmt_output_ops vmt_output_system;

struct vmt_output {
	const struct vmt_output_ops *ops;
	int fd;
	char *path;    /**< the final name; NULL: a descriptor of somebody else */
	char *partial; /**< the name until then */
	bool replace;
	uint64_t offset; /**< written so far */
};

/** Make @path + ".partial", locked, mode 0600. */
int vmt_output_open(struct vmt_output *out, const char *path, bool replace, struct vmt_error *err);
void vmt_output_open_fd(struct vmt_output *out, int fd);

/**
 * Write all of @len bytes. When that fails, what was written of them is cut off again where that
 * can be done, so that the file ends with whole chunks. SIGPIPE never reaches the process.
 */
int vmt_output_write(struct vmt_output *out, const void *p, size_t len, struct vmt_error *err);

/** Give the file its name. */
int vmt_output_commit(struct vmt_output *out, struct vmt_error *err);

/** Close; without commit the name stays the partial one. */
void vmt_output_finish(struct vmt_output *out);

#endif /* VMT_TRACE_FORMAT_OUTPUT_H */
