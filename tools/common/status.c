/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exit statuses and complaints.
 */
#include <stdio.h>

#include "status.h"

static unsigned rank(int status)
{
	static const int order[] = {
		VMT_EXIT_USAGE,   VMT_EXIT_ENVIRONMENT, VMT_EXIT_HYPERVISOR, VMT_EXIT_TRACE,
		VMT_EXIT_HANDLER, VMT_EXIT_NOT_JUDGED,  VMT_EXIT_DIFFERENT,  VMT_EXIT_SAME,
	};
	unsigned i = 0;

	while (i < sizeof(order) / sizeof(order[0]) - 1 && order[i] != status)
		i++;
	return i;
}

int vmt_exit_worse(int a, int b)
{
	return rank(a) <= rank(b) ? a : b;
}

int vmt_exit_of_error(const struct vmt_error *err)
{
	static const uint8_t statuses[VMT_STATUS_COUNT] = {
		[VMT_E_INVALID] = VMT_EXIT_USAGE,
		[VMT_E_NOT_SUPPORTED] = VMT_EXIT_HYPERVISOR,
		[VMT_E_NOT_RECORDED] = VMT_EXIT_NOT_JUDGED,
		[VMT_E_FAULT] = VMT_EXIT_HANDLER,
		[VMT_E_UNMAPPED] = VMT_EXIT_HANDLER,
		[VMT_E_TRUNCATED] = VMT_EXIT_HANDLER,
		[VMT_E_BUSY] = VMT_EXIT_HYPERVISOR,
		[VMT_E_EXISTS] = VMT_EXIT_ENVIRONMENT,
		[VMT_E_NOT_FOUND] = VMT_EXIT_USAGE,
		[VMT_E_NO_MEMORY] = VMT_EXIT_ENVIRONMENT,
		[VMT_E_LIMIT] = VMT_EXIT_ENVIRONMENT,
		[VMT_E_PERMISSION] = VMT_EXIT_ENVIRONMENT,
		[VMT_E_WRONG_PLACE] = VMT_EXIT_HANDLER,
		[VMT_E_GONE] = VMT_EXIT_HYPERVISOR,
		[VMT_E_HYPERVISOR] = VMT_EXIT_HYPERVISOR,
		[VMT_E_IO] = VMT_EXIT_ENVIRONMENT,
		[VMT_E_HANDLER] = VMT_EXIT_HANDLER,
		[VMT_E_ABI] = VMT_EXIT_USAGE,
		[VMT_E_DAMAGED] = VMT_EXIT_TRACE,
		[VMT_E_END_OF_TRACE] = VMT_EXIT_TRACE,
	};

	if (err->status <= 0 || err->status >= VMT_STATUS_COUNT)
		return VMT_EXIT_ENVIRONMENT;
	return statuses[err->status];
}

int vmt_tool_complain(const char *tool, const struct vmt_error *err)
{
	char text[VMT_ERROR_PLACE + VMT_ERROR_TEXT + 4];

	fprintf(stderr, "%s: %s\n", tool, vmt_error_format(err, text, sizeof(text)));
	return vmt_exit_of_error(err);
}
