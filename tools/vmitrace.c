/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmitrace: look into traces.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmitrace.h"

static const char tool_name[] = "vmitrace";

int vmitrace_open(const char *path, bool digests, struct vmt_trace_reader **r,
		  struct vmt_error *err)
{
	const struct vmt_trace_reader_options options = {.digests = digests};

	if (strcmp(path, "-") == 0)
		return vmt_trace_reader_open_fd(0, &options, r, err);
	return vmt_trace_reader_open(path, &options, r, err);
}

int vmitrace_complain(const struct vmt_error *err)
{
	return vmt_tool_complain(tool_name, err);
}

static void print_damage(const char *path, const struct vmt_trace_damage *d)
{
	fprintf(stderr, "%s: %s: bytes %" PRIu64 " to %" PRIu64 ": %s", tool_name, path, d->offset,
		d->offset + d->length, d->text);
	if (d->last_callback == UINT64_MAX)
		fprintf(stderr, "; lost from callback %" PRIu64 " on", d->first_callback);
	else
		fprintf(stderr, "; lost in callbacks %" PRIu64 " to %" PRIu64, d->first_callback,
			d->last_callback);
	fprintf(stderr, "\n");
}

int vmitrace_judge(const char *path, const struct vmt_trace_reader *r)
{
	struct vmt_trace_state state;
	struct vmt_trace_damage damage;

	vmt_trace_reader_state(r, &state);
	for (uint32_t i = 0; vmt_trace_reader_damage(r, i, &damage) >= 0; i++)
		print_damage(path, &damage);
	if (!state.ended)
		fprintf(stderr,
			"%s: %s: incomplete: the recording did not end in order; whole up to record "
			"%" PRIu64 "\n",
			tool_name, path, state.records);
	else if (!state.footer && !state.damaged)
		fprintf(stderr, "%s: %s: incomplete: its last bytes (the footer) are missing\n",
			tool_name, path);
	return state.damaged || !state.ended || !state.footer ? VMT_EXIT_TRACE : VMT_EXIT_SAME;
}

int main(int argc, char **argv)
{
	const struct vmt_tool_verb verbs[] = {
		vmitrace_info,   vmitrace_dump,  vmitrace_show, vmitrace_check,  vmitrace_recover,
		vmitrace_digest, vmitrace_stats, vmitrace_cut,  vmitrace_export, vmitrace_grep,
	};
	const struct vmt_tool tool = {tool_name, "look into the traces of VMI handlers", verbs,
				      sizeof(verbs) / sizeof(verbs[0])};

	return vmt_tool_main(&tool, argc, argv);
}
