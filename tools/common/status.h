/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exit statuses, the same for all tools.
 */
#ifndef VMT_TOOLS_STATUS_H
#define VMT_TOOLS_STATUS_H

#include <vmitape/types.h>

enum vmt_exit {
	VMT_EXIT_SAME = 0,
	VMT_EXIT_DIFFERENT = 1,
	VMT_EXIT_USAGE = 2,       /**< also a handler that cannot be loaded */
	VMT_EXIT_TRACE = 3,       /**< damaged, cut or too new */
	VMT_EXIT_NOT_JUDGED = 4,  /**< missing data, blind trap, unfinished, emulation refused */
	VMT_EXIT_HANDLER = 5,     /**< reported a failure, crashed, hung, over its limits */
	VMT_EXIT_HYPERVISOR = 6,  /**< refused */
	VMT_EXIT_ENVIRONMENT = 7, /**< input and output, space, permission, memory */
};

/** Of two statuses the one to report: the first of 2 7 6 3 5 4 1 0. */
int vmt_exit_worse(int a, int b);

/** The status that an error stands for, where nothing better is known. */
int vmt_exit_of_error(const struct vmt_error *err);

/** "TOOL: place: sentence" to standard error. Returns vmt_exit_of_error. */
int vmt_tool_complain(const char *tool, const struct vmt_error *err);

#endif /* VMT_TOOLS_STATUS_H */
