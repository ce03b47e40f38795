/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Parsing a command line by its table.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

static const char place[] = "command line";

/* -------------------------------------------------------------------------------------------- */
/* Values                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int suffix_shift(const char *suffix)
{
	static const char letters[] = "kMG";
	const char *p = suffix[0] && !suffix[1] ? strchr(letters, suffix[0]) : NULL;

	return p ? (int)(p - letters + 1) * 10 : -1;
}

static int take_number(const struct vmt_tool_option *o, void *member, const char *value,
		       struct vmt_error *err)
{
	unsigned long long n;
	char *end = NULL;
	int shift = 0;

	errno = 0;
	n = isdigit((unsigned char)value[0]) ? strtoull(value, &end, 0) : 0;
	if (!isdigit((unsigned char)value[0]) || errno != 0)
		return vmt_error_set(err, VMT_E_INVALID, place, "--%s takes a number, not '%s'",
				     o->name, value);
	if (end && *end)
		shift = o->suffixes ? suffix_shift(end) : -1;
	if (shift < 0 || (shift && n > UINT64_MAX >> shift))
		return vmt_error_set(err, VMT_E_INVALID, place, "--%s takes a number%s, not '%s'",
				     o->name, o->suffixes ? ", with k, M or G behind it" : "",
				     value);
	*(uint64_t *)member = (uint64_t)n << shift;
	return 0;
}

static int take_choice(const struct vmt_tool_option *o, void *member, const char *value,
		       struct vmt_error *err)
{
	char all[VMT_ERROR_TEXT / 2] = "";
	size_t len = 0;

	for (unsigned i = 0; o->choices[i]; i++) {
		if (strcmp(o->choices[i], value) == 0) {
			*(unsigned *)member = i;
			return 0;
		}
		if (len + strlen(o->choices[i]) + 3 < sizeof(all)) {
			len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s",
						len ? ", " : "", o->choices[i]);
		}
	}
	return vmt_error_set(err, VMT_E_INVALID, place, "--%s takes one of %s, not '%s'", o->name,
			     all, value);
}

static int take_list(const struct vmt_tool_option *o, void *member, const char *value,
		     struct vmt_error *err)
{
	struct vmt_tool_list *list = member;

	if (list->n == VMT_TOOL_LIST_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, place, "--%s is given more than %u times",
				     o->name, VMT_TOOL_LIST_MAX);
	list->values[list->n++] = value;
	return 0;
}

static int take_value(const struct vmt_tool_option *o, void *values, const char *value,
		      struct vmt_error *err)
{
	void *member = (char *)values + o->offset;

	switch (o->kind) {
	case VMT_TOOL_FLAG:
		*(bool *)member = true;
		return 0;
	case VMT_TOOL_TEXT:
		*(const char **)member = value;
		return 0;
	case VMT_TOOL_NUMBER:
		return take_number(o, member, value, err);
	case VMT_TOOL_CHOICE:
		return take_choice(o, member, value, err);
	default:
		return take_list(o, member, value, err);
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Words                                                                                        */
/* -------------------------------------------------------------------------------------------- */

struct words {
	int argc, at;
	char **argv;
};

/** `--name`, `--name value`, `--name=value` */
static int take_long(const struct vmt_tool_verb *verb, void *values, struct words *w,
		     struct vmt_error *err)
{
	const char *word = w->argv[w->at] + 2;
	const char *equals = strchr(word, '=');
	const size_t len = equals ? (size_t)(equals - word) : strlen(word);
	const struct vmt_tool_option *o = verb->options;

	while (o->name && (strncmp(o->name, word, len) != 0 || o->name[len] != '\0'))
		o++;
	if (!o->name)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "there is no option --%.*s; --help lists them", (int)len,
				     word);
	if (o->kind == VMT_TOOL_FLAG && equals)
		return vmt_error_set(err, VMT_E_INVALID, place, "--%s takes no value", o->name);
	if (o->kind != VMT_TOOL_FLAG && !equals && ++w->at == w->argc)
		return vmt_error_set(err, VMT_E_INVALID, place, "--%s needs a value: %s", o->name,
				     o->argument);
	return take_value(o, values, equals ? equals + 1 : w->argv[w->at], err);
}

/** `-x`, `-x value`, `-xvalue`, `-xyz` of flags */
static int take_short(const struct vmt_tool_verb *verb, void *values, struct words *w,
		      struct vmt_error *err)
{
	for (const char *letter = w->argv[w->at] + 1; *letter; letter++) {
		const struct vmt_tool_option *o = verb->options;
		const char *value = letter + 1;

		while (o->name && o->letter != *letter)
			o++;
		if (!o->name)
			return vmt_error_set(err, VMT_E_INVALID, place,
					     "there is no option -%c; --help lists them", *letter);
		if (o->kind == VMT_TOOL_FLAG) {
			take_value(o, values, NULL, err);
			continue;
		}
		if (!*value && ++w->at == w->argc)
			return vmt_error_set(err, VMT_E_INVALID, place, "-%c needs a value: %s",
					     o->letter, o->argument);
		return take_value(o, values, *value ? value : w->argv[w->at], err);
	}
	return 0;
}

static int check_operands(const struct vmt_tool_verb *verb, int n, struct vmt_error *err)
{
	if ((unsigned)n < verb->min_arguments)
		return vmt_error_set(err, VMT_E_INVALID, place, "%s missing; --help shows the use",
				     verb->arguments);
	if ((unsigned)n > verb->max_arguments)
		return vmt_error_set(err, VMT_E_INVALID, place,
				     "too many words: %d where at most %u are taken", n,
				     verb->max_arguments);
	return 0;
}

int vmt_tool_parse(const struct vmt_tool_verb *verb, void *values, int *argc, char **argv,
		   struct vmt_error *err)
{
	struct words w = {.argc = *argc, .argv = argv};
	bool options = true;
	int n = 0;

	for (; w.at < w.argc; w.at++) {
		char *word = argv[w.at];
		int r = 0;

		if (!options || word[0] != '-' || !word[1])
			argv[n++] = word;
		else if (strcmp(word, "--") == 0)
			options = false;
		else if (word[1] == '-')
			r = take_long(verb, values, &w, err);
		else
			r = take_short(verb, values, &w, err);
		if (r < 0)
			return r;
	}
	*argc = n;
	return check_operands(verb, n, err);
}
