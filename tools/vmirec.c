/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmirec: run a handler on a domain and record the session. Its options and verbs.
 */
#include <string.h>

#include "vmirec.h"

static const char *const backends[] = {"scripted", "xen", "emulated", NULL};
static const char *const captures[] = {"reads", "pages", "context", "memory", NULL};

#define MEMBER(name) offsetof(struct vmirec_values, name)
static const struct vmt_tool_option options[] = {
	{"backend", 'b', VMT_TOOL_CHOICE, false, "BACKEND", "what the guest runs on",
	 MEMBER(backend), backends},
	{"guest", 'g', VMT_TOOL_TEXT, false, "FILE",
	 "scripted: a scenario file, which tells what the guest does; emulated: a kernel, an ELF "
	 "file with a PVH note",
	 MEMBER(guest), NULL},
	{"command-line", 0, VMT_TOOL_TEXT, false, "TEXT", "emulated: the kernel's command line",
	 MEMBER(command_line), NULL},
	{"seed", 0, VMT_TOOL_NUMBER, false, "N",
	 "emulated: how vCPUs take turns; equal seeds give equal recordings", MEMBER(seed), NULL},
	{"vcpus", 0, VMT_TOOL_NUMBER, false, "N", "emulated: how many vCPUs there are",
	 MEMBER(vcpus), NULL},
	{"memory", 0, VMT_TOOL_NUMBER, true, "BYTES", "emulated: the guest's memory; default: 64M",
	 MEMBER(memory), NULL},
	{"domain", 'd', VMT_TOOL_TEXT, false, "DOMAIN", "xen: the domain's name or number",
	 MEMBER(domain), NULL},
	{"handler", 'H', VMT_TOOL_TEXT, false, "HANDLER",
	 "a bundled handler's name, or the path of a shared object", MEMBER(handler), NULL},
	{"option", 'O', VMT_TOOL_LIST, false, "NAME=VALUE", "an option of the handler",
	 MEMBER(options), NULL},
	{"output", 'o', VMT_TOOL_TEXT, false, "FILE", "the trace; - for standard output",
	 MEMBER(output), NULL},
	{"capture", 'c', VMT_TOOL_CHOICE, false, "POLICY",
	 "how much memory is kept beside what the handler reads", MEMBER(capture), captures},
	{"max-events", 0, VMT_TOOL_NUMBER, true, "N", "stop after N events", MEMBER(max_events),
	 NULL},
	{"max-seconds", 0, VMT_TOOL_NUMBER, false, "N", "stop after N seconds of the domain's time",
	 MEMBER(max_seconds), NULL},
	{"max-bytes", 0, VMT_TOOL_NUMBER, true, "N",
	 "stop when the trace has N bytes; it grows by chunks, once a second at least",
	 MEMBER(max_bytes), NULL},
	{"timeout", 0, VMT_TOOL_NUMBER, false, "MS",
	 "call the handler's handle_timeout after so many milliseconds without an event",
	 MEMBER(timeout_ms), NULL},
	{"replace", 'f', VMT_TOOL_FLAG, false, NULL, "replace an existing trace", MEMBER(replace),
	 NULL},
	{"list-handlers", 0, VMT_TOOL_FLAG, false, NULL, "list the bundled handlers and exit",
	 MEMBER(list_handlers), NULL},
	{"quiet", 'q', VMT_TOOL_FLAG, false, NULL, "no summary, no logs of the handler",
	 MEMBER(quiet), NULL},
	{0},
};

static const struct vmirec_values defaults = {.capture = 1};

int main(int argc, char **argv)
{
	const struct vmt_tool_verb verbs[] = {
		{
			.arguments = "",
			.summary = "Run a handler on a domain and record the session to a trace.",
			.options = options,
			.run = vmirec_record,
			.values_size = sizeof(struct vmirec_values),
			.defaults = &defaults,
		},
		vmirec_doctor,
		vmirec_rescue,
	};
	const struct vmt_tool tool = {VMIREC, "record a VMI handler's session", verbs,
				      sizeof(verbs) / sizeof(verbs[0])};

	if (argc > 1 && strcmp(argv[1], VMIREC_KEEPER_WORD) == 0)
		return vmirec_keeper_main(argc - 2, argv + 2);
	return vmt_tool_main(&tool, argc, argv);
}
