/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmirec rescue: put a domain right whose session was killed together with its keeper.
 */
#include <stdio.h>

#include <vmitape/xen.h>

#include "vmirec.h"

struct values {
	bool quiet;
};

static const struct vmt_tool_option options[] = {
	{"quiet", 'q', VMT_TOOL_FLAG, false, NULL, "say nothing when it worked",
	 offsetof(struct values, quiet), NULL},
	{0},
};

static int run(const void *values, int argc, char **argv)
{
	const struct values *v = values;
	struct vmt_xen_repair_report report;
	struct vmt_error err = {0};

	(void)argc;
	if (vmt_xen_rescue(argv[0], &report, &err) < 0) {
		vmt_tool_complain(VMIREC, &err);
		return VMT_EXIT_HYPERVISOR;
	}
	if (!v->quiet && !report.attached)
		fprintf(stderr,
			VMIREC ": no session has left domain %s changed; there is nothing to do\n",
			argv[0]);
	else if (!v->quiet)
		fprintf(stderr,
			VMIREC ": domain %s was put right: %u events answered, %u bytes put "
			       "back%s\n",
			argv[0], report.unanswered, report.bytes,
			report.forged ? "; its ring was lost, so all vCPUs were let go" : "");
	return VMT_EXIT_SAME;
}

const struct vmt_tool_verb vmirec_rescue = {
	.name = "rescue",
	.arguments = "DOMAIN",
	.summary = "Put a domain right whose session was killed together with its keeper.",
	.options = options,
	.min_arguments = 1,
	.max_arguments = 1,
	.run = run,
	.values_size = sizeof(struct values),
};
