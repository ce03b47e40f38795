/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What tests may put into a writer: a failing disk, a bad hash function.
 */
#ifndef VMT_TRACE_FORMAT_WRITER_H
#define VMT_TRACE_FORMAT_WRITER_H

#include "output.h"
#include "page-store.h"

/** As vmt_trace_writer_open or _open_fd (@path NULL), with @ops and @hash where they are not NULL. */
int vmt_trace_writer_open_with(const char *path, int fd,
			       const struct vmt_trace_writer_options *options,
			       const struct vmt_output_ops *ops, vmt_page_hash *hash,
			       struct vmt_trace_writer **writer, struct vmt_error *err);

#endif /* VMT_TRACE_FORMAT_WRITER_H */
