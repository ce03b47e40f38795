/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * probe DOMID [NAME...]: runs the checks whose names begin so, or all, over a domain that runs the
 * demo guest. Prints TAP; after each check a line with what was observed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

static const struct check *const tables[] = {
	checks_kinds, checks_registers, checks_exceptions, checks_memory, checks_steps,
	checks_views, checks_control,   checks_versions,   checks_fatal,
};

__attribute__((format(printf, 2, 0))) static void add_text(struct probe *p, const char *format,
							   va_list arguments)
{
	size_t room = sizeof(p->text) - p->length;
	int added = vsnprintf(p->text + p->length, room, format, arguments);

	if (added > 0)
		p->length += (size_t)added < room ? (size_t)added : room - 1;
}

static void add_word(struct probe *p, const char *word)
{
	for (; *word && p->length < sizeof(p->text) - 1; word++)
		p->text[p->length++] = *word;
	p->text[p->length] = 0;
}

static void add_separator(struct probe *p)
{
	if (p->length)
		add_word(p, "; ");
}

void observe(struct probe *p, const char *format, ...)
{
	va_list arguments;

	add_separator(p);
	va_start(arguments, format);
	add_text(p, format, arguments);
	va_end(arguments);
}

bool expect(struct probe *p, bool holds, const char *format, ...)
{
	va_list arguments;

	if (holds)
		return true;
	p->failed = true;
	add_separator(p);
	add_word(p, "WANTED ");
	va_start(arguments, format);
	add_text(p, format, arguments);
	va_end(arguments);
	return false;
}

const char *errno_of(int rc)
{
	return rc < 0 ? strerrorname_np(errno) : "0";
}

/* Without names all checks are wanted but those that end the guest. */
static bool wanted(const struct probe *p, const struct check *check, int count, char **names)
{
	if (check->kind == CHECK_TWO_VCPUS && p->vcpus < 2)
		return false;
	for (int i = 0; i < count; i++)
		if (!strncmp(check->name, names[i], strlen(names[i])))
			return true;
	return count == 0 && check->kind != CHECK_FATAL;
}

/* Runs one check; false if the guest does not go on afterwards. */
static bool run(struct probe *p, const struct check *check, unsigned number)
{
	bool alive;

	p->failed = false;
	p->length = 0;
	p->text[0] = 0;
	check->run(p);
	alive = check->kind == CHECK_FATAL || guest_reset(p);
	expect(p, alive, "the guest to go on after the check");
	printf("%sok %u - %s\n# %s | %s | %s\n", p->failed ? "not " : "", number, check->name,
	       check->name, check->fact, p->text);
	(void)fflush(stdout);
	return alive;
}

static bool guest_is_ready(struct probe *p)
{
	for (int turn = 0; turn < 200; turn++) {
		if (p->status->magic == DEMO_MAGIC && p->guest->round > 3)
			return true;
		probe_take(p, 10);
	}
	return false;
}

int main(int argc, char **argv)
{
	struct probe probe;
	unsigned number = 0, failures = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: probe DOMID [NAME...]\n");
		return 2;
	}
	probe_open(&probe, (uint32_t)strtoul(argv[1], NULL, 10));
	xc_domain_unpause(probe.xch, probe.domid);
	if (!guest_is_ready(&probe)) {
		printf("Bail out! the domain does not run the demo guest\n");
		return 1;
	}
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++) {
		for (const struct check *check = tables[t]; check->name; check++) {
			if (!wanted(&probe, check, argc - 2, argv + 2))
				continue;
			if (!run(&probe, check, ++number)) {
				printf("Bail out! the guest stands still\n");
				return 1;
			}
			failures += probe.failed;
		}
	}
	probe_close(&probe);
	printf("1..%u\n", number);
	return failures != 0;
}
