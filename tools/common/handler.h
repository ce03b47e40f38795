/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a command line says about the handler: -H NAME|FILE and -O key=value.
 */
#ifndef VMT_TOOLS_HANDLER_H
#define VMT_TOOLS_HANDLER_H

#include <vmitape/run.h>

#include "options.h"

/** A handler that was asked for, with its options and the hash of its file. */
struct vmt_tool_handler {
	struct vmt_loaded_handler loaded;
	struct vmt_option options[VMT_TOOL_LIST_MAX];
	size_t noptions;
	char *texts[VMT_TOOL_LIST_MAX]; /**< what @options points into */
};

/** Load @name and split @options at their '='. 0, or negative with @err filled. */
int vmt_tool_handler_init(struct vmt_tool_handler *h, const char *name,
			  const struct vmt_tool_list *options, struct vmt_error *err);
void vmt_tool_handler_finish(struct vmt_tool_handler *h);

/** One line for each bundled handler, on standard output. */
void vmt_tool_list_handlers(void);

/** A file source over the disk, for vmt_file_read. */
struct vmt_file_source *vmt_tool_host_files(void);

#endif /* VMT_TOOLS_HANDLER_H */
