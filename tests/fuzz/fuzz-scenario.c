/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Scenario files: any text ends in a domain or in an error that tells the place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

#include "fuzz.h"

/* Random bytes seldom are words: every byte below this many picks one of them. */
static const char *const words[] = {
	"domain",    "memory", "reg",     "repeat",   "end",         "world",    "0",     "1",
	"at=0x1000", "nop",    "read",    "write",    "cr",          "cr3",      "msr",   "int3",
	"cpuid",     "in",     "out",     "vmcall",   "descriptor",  "gdtr",     "debug", "vmexit",
	"jump",      "poke",   "idle",    "5ms",      "stop",        "gone",     "sync",  "90cc",
	"0x5000",    "rax",    "vcpus=2", "paging=4", "pages=8",     "xen=4.20", "svm",   "\n",
	"\n",        "\n",     "3",       "#",        "99999999999",
};
#define NWORDS (sizeof(words) / sizeof(words[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmt_error err = {0};
	struct vmt_driver *d = NULL;
	char text[8192];
	size_t len = 0;
	int r;

	for (size_t i = 0; i < size && len + 16 < sizeof(text); i++) {
		const char *word = data[i] < 4 * NWORDS ? words[data[i] % NWORDS] : NULL;

		if (word) {
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", word);
		} else {
			text[len++] = (char)data[i];
		}
	}
	r = vmt_scenario_parse("fuzz", text, len, &d, &err);
	if ((r < 0) != (d == NULL) || (r < 0 && (err.status != -r || err.text[0] == '\0')))
		abort();
	vmt_driver_close(d);
	return 0;
}
