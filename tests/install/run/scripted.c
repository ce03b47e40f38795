/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Loads each handler that is named and runs it on a scripted domain, with nothing but what is
 * installed. Exit status 0: each ran to the end, said what it had to, and left nothing behind.
 */
#include <stdio.h>
#include <string.h>

#include <vmitape/test.h>

/** What a handler is to say about the script. */
struct expectation {
	const char *handler, *schema;
	size_t records;
};

static const struct expectation expectations[] = {
	{"cpuid", "seen", 2},   /* README.md's */
	{"spaces", "space", 2}, /* tests/install/handler/spaces.c */
};

static const struct vmt_step script[] = {
	VMT_INSN_CR(0, 0, VMT_CR3, 0x5000), VMT_INSN_CPUID(0, 0, 1, 0),
	VMT_INSN_CR(0, 0, VMT_CR3, 0x6000), VMT_INSN_CPUID(0, 0, 7, 0),
	VMT_INSN_CR(0, 0, VMT_CR3, 0x5000),
};

/** NULL, or what is wrong. */
static const char *run(const struct vmt_handler_ops *handler, struct vmt_driver *d,
		       struct vmt_collector *seen, struct vmt_check *check)
{
	struct vmt_outcome outcome;
	const char *wrong;

	vmt_scripted_run_handler(d, handler, NULL, 0, seen, &outcome);
	wrong = vmt_check_ended(check, &outcome, VMT_END_GONE);
	if (!wrong)
		wrong = vmt_check_clean(check, d);
	if (wrong)
		return wrong;
	for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		const struct expectation *e = &expectations[i];

		if (strcmp(e->handler, handler->name) != 0)
			continue;
		return vmt_collector_nemissions(seen, e->schema) == e->records
			       ? NULL
			       : "another number of records";
	}
	return "nothing is expected of this handler";
}

/** 0, or 1 with a message. */
static int load_and_run(const char *path)
{
	struct vmt_loaded_handler handler;
	struct vmt_collector *seen = NULL;
	struct vmt_driver *d = NULL;
	const char *wrong = NULL;
	struct vmt_check check;
	struct vmt_error err;

	if (vmt_handler_load(path, &handler, &err) < 0)
		wrong = err.text;
	else if (vmt_scripted_create(NULL, &d, &err) < 0 ||
		 vmt_scripted_play(d, script, sizeof(script) / sizeof(script[0]), &err) < 0 ||
		 vmt_collector_create(&seen, &err) < 0)
		wrong = err.text;
	else
		wrong = run(handler.ops, d, seen, &check);
	printf("%s: %s\n", path, wrong ? wrong : "ran");
	vmt_collector_destroy(seen);
	vmt_driver_close(d);
	vmt_handler_unload(&handler);
	return wrong != NULL;
}

int main(int argc, char **argv)
{
	int failed = argc < 2;

	for (int i = 1; i < argc; i++)
		failed |= load_and_run(argv[i]);
	return failed;
}
