/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A tool's command line as one table: parser, help, man page and completion all come from it.
 *
 * A tool has verbs (vmitrace info, vmitrace dump) or is its only verb (vmireplay); a first verb
 * without a name is meant when no other is named (vmirec, vmirec rescue). Each verb has a table of
 * options; an option stores its value in a member of the tool's own struct.
 */
#ifndef VMT_TOOLS_OPTIONS_H
#define VMT_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmitape/types.h>

enum vmt_tool_option_kind {
	VMT_TOOL_FLAG,   /**< bool */
	VMT_TOOL_TEXT,   /**< const char * */
	VMT_TOOL_NUMBER, /**< uint64_t; with k, M, G as powers of 1024 when @suffixes */
	VMT_TOOL_CHOICE, /**< unsigned: the index in @choices */
	VMT_TOOL_LIST,   /**< struct vmt_tool_list: can be given more than once */
};

#define VMT_TOOL_LIST_MAX 64u

struct vmt_tool_list {
	const char *values[VMT_TOOL_LIST_MAX];
	size_t n;
};

struct vmt_tool_option {
	const char *name;           /**< long name without dashes; NULL ends the table */
	char letter;                /**< or 0 */
	uint8_t kind;               /**< enum vmt_tool_option_kind */
	bool suffixes;              /**< NUMBER: k, M and G are taken */
	const char *argument;       /**< its name in the help: "FILE"; NULL for flags */
	const char *help;           /**< a clause without a full stop */
	size_t offset;              /**< of the member */
	const char *const *choices; /**< CHOICE: NULL-terminated */
};

struct vmt_tool_verb {
	const char *name;      /**< NULL: the first verb, when none is named */
	const char *arguments; /**< "TRACE...", or "" */
	const char *summary;   /**< one sentence */
	const struct vmt_tool_option *options;
	unsigned min_arguments, max_arguments;
	/** Run with the parsed members in @values. Returns an exit status. */
	int (*run)(const void *values, int argc, char **argv);
	size_t values_size;
	const void *defaults; /**< a struct of @values_size, or NULL: all zero */
};

struct vmt_tool {
	const char *name;
	const char *summary; /**< one sentence */
	const struct vmt_tool_verb *verbs;
	size_t nverbs;
};

/** A tool's whole main: parse, help, version, run. Returns the exit status. */
int vmt_tool_main(const struct vmt_tool *tool, int argc, char **argv);

/**
 * Parse @argv (without program and verb) into @values. 0 and the operands moved to the front of
 * @argv, counted in *@argc; or -VMT_E_INVALID. `--` ends the options; `-` is an operand.
 */
int vmt_tool_parse(const struct vmt_tool_verb *verb, void *values, int *argc, char **argv,
		   struct vmt_error *err);

/** The man page in scdoc's language, and a bash completion, to standard output. */
void vmt_tool_print_man(const struct vmt_tool *tool);
void vmt_tool_print_completion(const struct vmt_tool *tool);

#endif /* VMT_TOOLS_OPTIONS_H */
