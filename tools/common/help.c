/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tool's main, and what is printed from its table: help, man page, completion.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "status.h"

static void print_usage(const struct vmt_tool *tool, const struct vmt_tool_verb *verb)
{
	printf("Usage: %s%s%s [OPTION...]%s%s\n\n%s\n", tool->name, verb->name ? " " : "",
	       verb->name ? verb->name : "", *verb->arguments ? " " : "", verb->arguments,
	       verb->summary);
}

/** "-o, --output FILE", with the choices in place of the argument's name. */
static void option_words(const struct vmt_tool_option *o, char *buf, size_t cap)
{
	size_t len;

	if (o->letter)
		len = (size_t)snprintf(buf, cap, "-%c, --%s", o->letter, o->name);
	else
		len = (size_t)snprintf(buf, cap, "    --%s", o->name);
	if (o->kind == VMT_TOOL_CHOICE) {
		for (unsigned i = 0; o->choices[i] && len < cap; i++)
			len += (size_t)snprintf(buf + len, cap - len, "%s%s", i ? "|" : " ",
						o->choices[i]);
	} else if (o->argument && len < cap) {
		snprintf(buf + len, cap - len, " %s", o->argument);
	}
}

static void print_verbs(const struct vmt_tool *tool)
{
	for (size_t i = 0; i < tool->nverbs; i++)
		if (tool->verbs[i].name)
			printf("  %-10s %s\n", tool->verbs[i].name, tool->verbs[i].summary);
}

static void print_verb_help(const struct vmt_tool *tool, const struct vmt_tool_verb *verb)
{
	char words[160];

	print_usage(tool, verb);
	printf("\nOptions:\n");
	for (const struct vmt_tool_option *o = verb->options; o->name; o++) {
		option_words(o, words, sizeof(words));
		printf("  %-32s %s\n", words, o->help);
	}
	printf("  %-32s %s\n  %-32s %s\n", "-h, --help", "print this and exit", "    --version",
	       "print the version and exit");
	if (verb->name || tool->nverbs < 2)
		return;
	printf("\n%s has verbs, too:\n", tool->name);
	print_verbs(tool);
}

static void print_tool_help(const struct vmt_tool *tool)
{
	printf("Usage: %s VERB [OPTION...] ...\n\n%s\n\nVerbs:\n", tool->name, tool->summary);
	print_verbs(tool);
	printf("\n%s VERB --help tells more.\n", tool->name);
}

/* -------------------------------------------------------------------------------------------- */
/* Man page and completion                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** @text, so that scdoc takes no letter of it for a mark of its own. */
static void print_man_text(const char *text)
{
	for (; *text; text++) {
		if (strchr("*_\\<>", *text) != NULL)
			putchar('\\');
		putchar(*text);
	}
}

static void print_man_options(const struct vmt_tool_verb *verb)
{
	for (const struct vmt_tool_option *o = verb->options; o->name; o++) {
		if (o->letter)
			printf("*-%c*, ", o->letter);
		printf("*--%s*", o->name);
		if (o->kind == VMT_TOOL_CHOICE)
			for (unsigned i = 0; o->choices[i]; i++)
				printf("%s_%s_", i ? " | " : " ", o->choices[i]);
		else if (o->argument)
			printf(" _%s_", o->argument);
		printf("\n\t");
		print_man_text(o->help);
		printf(".\n\n");
	}
}

void vmt_tool_print_man(const struct vmt_tool *tool)
{
	printf("%s(1)\n\n# NAME\n\n%s - %s\n\n# SYNOPSIS\n\n", tool->name, tool->name,
	       tool->summary);
	for (size_t i = 0; i < tool->nverbs; i++) {
		const struct vmt_tool_verb *v = &tool->verbs[i];

		printf("*%s*%s%s%s [_OPTION_...]%s%s%s%s\n", tool->name, v->name ? " *" : "",
		       v->name ? v->name : "", v->name ? "*" : "", *v->arguments ? " _" : "",
		       v->arguments, *v->arguments ? "_" : "", i + 1 < tool->nverbs ? "++" : "");
	}
	printf("\n");
	for (size_t i = 0; i < tool->nverbs; i++) {
		const struct vmt_tool_verb *v = &tool->verbs[i];

		printf("# %s\n\n", v->name ? v->name : "OPTIONS");
		print_man_text(v->summary);
		printf("\n\n");
		print_man_options(v);
	}
	printf("# EXIT STATUS\n\n"
	       "0 the same, or done; 1 different; 2 usage, also a handler that cannot be loaded; 3 a "
	       "trace is damaged, cut or too new; 4 could not be judged; 5 the handler failed; 6 the "
	       "hypervisor refused; 7 the environment (input and output, space, permission, memory). "
	       "Of several the first of 2 7 6 3 5 4 1 0.\n");
}

void vmt_tool_print_completion(const struct vmt_tool *tool)
{
	printf("# bash completion for %s\n_%s()\n{\n\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=\n",
	       tool->name, tool->name);
	printf("\tcase ${COMP_WORDS[1]} in\n");
	/* the verb without a name, which is the first, takes what is left */
	for (size_t i = tool->nverbs; i-- > 0;) {
		const struct vmt_tool_verb *v = &tool->verbs[i];

		printf("\t%s) words='--help", v->name ? v->name : "*");
		for (const struct vmt_tool_option *o = v->options; o->name; o++)
			printf(" --%s", o->name);
		printf("' ;;\n");
	}
	printf("\tesac\n");
	if (tool->nverbs > 1) {
		printf("\t[ \"$COMP_CWORD\" -eq 1 ] && words%s'", tool->verbs[0].name ? "=" : "+=");
		for (size_t i = 0; i < tool->nverbs; i++)
			if (tool->verbs[i].name)
				printf(" %s", tool->verbs[i].name);
		printf("'\n");
	}
	printf("\tcase $cur in\n"
	       "\t-* | '') mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\") ;;\n"
	       "\t*) mapfile -t COMPREPLY < <(compgen -f -W \"$words\" -- \"$cur\") ;;\n"
	       "\tesac\n}\ncomplete -o filenames -F _%s %s\n",
	       tool->name, tool->name);
}

/* -------------------------------------------------------------------------------------------- */
/* Main                                                                                         */
/* -------------------------------------------------------------------------------------------- */

static const struct vmt_tool_verb *find_verb(const struct vmt_tool *tool, const char *name)
{
	for (size_t i = 0; i < tool->nverbs; i++)
		if (tool->verbs[i].name && strcmp(tool->verbs[i].name, name) == 0)
			return &tool->verbs[i];
	return NULL;
}

/** Words that every tool knows, before anything else is looked at. True: done. */
static bool common_words(const struct vmt_tool *tool, const char *word)
{
	if (strcmp(word, "--version") == 0)
		printf("%s %s\n", tool->name, VMT_VERSION);
	else if (strcmp(word, "--print-man") == 0)
		vmt_tool_print_man(tool);
	else if (strcmp(word, "--print-completion") == 0)
		vmt_tool_print_completion(tool);
	else
		return false;
	return true;
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static int run_verb(const struct vmt_tool *tool, const struct vmt_tool_verb *verb, int argc,
		    char **argv)
{
	struct vmt_error err = {0};
	void *values;
	int status;

	if (wants_help(argc, argv)) {
		print_verb_help(tool, verb);
		return VMT_EXIT_SAME;
	}
	values = calloc(1, verb->values_size ? verb->values_size : 1);
	if (!values) {
		vmt_error_set(&err, VMT_E_NO_MEMORY, tool->name, "no memory");
		return vmt_tool_complain(tool->name, &err);
	}
	if (verb->defaults)
		memcpy(values, verb->defaults, verb->values_size);
	if (vmt_tool_parse(verb, values, &argc, argv, &err) < 0) {
		vmt_tool_complain(tool->name, &err);
		status = VMT_EXIT_USAGE;
	} else {
		status = verb->run(values, argc, argv);
	}
	free(values);
	if (fflush(stdout) != 0) {
		vmt_error_set(&err, VMT_E_IO, "standard output", "it cannot be written");
		status = vmt_exit_worse(status, vmt_tool_complain(tool->name, &err));
	}
	return status;
}

int vmt_tool_main(const struct vmt_tool *tool, int argc, char **argv)
{
	const struct vmt_tool_verb *verb = &tool->verbs[0];
	const struct vmt_tool_verb *named = argc > 1 ? find_verb(tool, argv[1]) : NULL;
	int skip = 1;

	if (argc > 1 && common_words(tool, argv[1]))
		return VMT_EXIT_SAME;
	if (verb->name) {
		if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
			print_tool_help(tool);
			return argc < 2 ? VMT_EXIT_USAGE : VMT_EXIT_SAME;
		}
		if (!named) {
			fprintf(stderr, "%s: there is no verb '%s'; --help lists them\n",
				tool->name, argv[1]);
			return VMT_EXIT_USAGE;
		}
	}
	if (named) {
		verb = named;
		skip = 2;
	}
	return run_verb(tool, verb, argc - skip, argv + skip);
}
