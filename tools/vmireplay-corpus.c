/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay: which traces are run. Folders, shards, and the results of shards put together.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmireplay.h"

#define DEPTH_MAX 32u

/* -------------------------------------------------------------------------------------------- */
/* Folders                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static int no_memory(struct vmt_error *err)
{
	(void)vmt_error_set(err, VMT_E_NO_MEMORY, "traces", "no memory for their names");
	return -VMT_E_NO_MEMORY;
}

static int add_path(struct vmireplay_corpus *c, const char *path, uint64_t size,
		    struct vmt_error *err)
{
	char *copy;

	if (c->n == c->cap) {
		const size_t cap = c->cap ? c->cap * 2 : 64;
		char **paths = realloc(c->paths, cap * sizeof(char *));
		uint64_t *sizes;

		if (!paths)
			return no_memory(err);
		c->paths = paths;
		sizes = realloc(c->sizes, cap * sizeof(*sizes));
		if (!sizes)
			return no_memory(err);
		c->sizes = sizes;
		c->cap = cap;
	}
	copy = strdup(path);
	if (!copy)
		return no_memory(err);
	c->paths[c->n] = copy;
	c->sizes[c->n++] = size;
	return 0;
}

static bool is_trace(const char *name)
{
	const size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".vmt") == 0;
}

static int add_folder(struct vmireplay_corpus *c, const char *folder, unsigned depth,
		      struct vmt_error *err)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[4096];
	struct stat st;
	int n = 0;

	if (!dir)
		return vmt_error_set_errno(err, VMT_E_IO, errno, folder, "it cannot be listed");
	while (n >= 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >=
			    (int)sizeof(path) ||
		    stat(path, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
			n = add_folder(c, path, depth + 1, err);
		else if (S_ISREG(st.st_mode) && is_trace(entry->d_name))
			n = add_path(c, path, (uint64_t)st.st_size, err);
	}
	closedir(dir);
	return n;
}

struct named {
	char *path;
	uint64_t size;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct named *)a)->path, ((const struct named *)b)->path);
}

/** The largest first; those of one size by name, so that each machine has the same order. */
static int by_size(const void *a, const void *b)
{
	const struct named *x = a;
	const struct named *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return strcmp(x->path, y->path);
}

static int sort_from(struct vmireplay_corpus *c, size_t first,
		     int (*order)(const void *, const void *), struct vmt_error *err)
{
	const size_t n = c->n - first;
	struct named *named = malloc((n + 1) * sizeof(*named));

	if (!named)
		return no_memory(err);
	for (size_t i = 0; i < n; i++)
		named[i] = (struct named){c->paths[first + i], c->sizes[first + i]};
	qsort(named, n, sizeof(*named), order);
	for (size_t i = 0; i < n; i++) {
		c->paths[first + i] = named[i].path;
		c->sizes[first + i] = named[i].size;
	}
	free(named);
	return 0;
}

int vmireplay_corpus_init(struct vmireplay_corpus *c, char **operands, int n, struct vmt_error *err)
{
	struct stat st;
	int r = 0;

	memset(c, 0, sizeof(*c));
	for (int i = 0; i < n && r >= 0; i++) {
		const size_t first = c->n;
		const bool there = stat(operands[i], &st) == 0;

		if (!there || !S_ISDIR(st.st_mode)) {
			/* What cannot be opened is a case of its own, with its complaint. */
			r = add_path(c, operands[i], there ? (uint64_t)st.st_size : 0, err);
			continue;
		}
		r = add_folder(c, operands[i], 0, err);
		if (r >= 0)
			r = sort_from(c, first, by_path, err);
	}
	return r;
}

void vmireplay_corpus_finish(struct vmireplay_corpus *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->paths[i]);
	free(c->paths);
	free(c->sizes);
	memset(c, 0, sizeof(*c));
}

/* -------------------------------------------------------------------------------------------- */
/* Shards                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Give each trace, the largest first, to the shard that has the least; keep those of @mine. */
static int keep_shard(struct vmireplay_corpus *c, unsigned mine, unsigned shards,
		      struct vmt_error *err)
{
	uint64_t *loads = calloc(shards, sizeof(*loads));
	size_t kept = 0;
	int r = sort_from(c, 0, by_size, err);

	for (size_t i = 0; loads && r >= 0 && i < c->n; i++) {
		unsigned least = 0;

		for (unsigned s = 1; s < shards; s++)
			if (loads[s] < loads[least])
				least = s;
		/* A trace costs something even when it is small. */
		loads[least] += c->sizes[i] + 4096;
		if (least != mine) {
			free(c->paths[i]);
			continue;
		}
		c->paths[kept] = c->paths[i];
		c->sizes[kept++] = c->sizes[i];
	}
	if (loads && r >= 0) {
		c->n = kept;
		r = sort_from(c, 0, by_path, err);
	}
	if (!loads)
		r = no_memory(err);
	free(loads);
	return r;
}

int vmireplay_corpus_shard(struct vmireplay_corpus *c, const char *text, struct vmt_error *err)
{
	unsigned long mine;
	unsigned long shards = 0;
	char *end;

	mine = strtoul(text, &end, 10);
	if (*end == '/' && end > text && end[1] >= '0' && end[1] <= '9')
		shards = strtoul(end + 1, &end, 10);
	if (*end || mine < 1 || mine > shards || shards > 65536)
		return vmt_error_set(err, VMT_E_INVALID, "--shard",
				     "'%s' is no K/N with K from 1 to N", text);
	return keep_shard(c, (unsigned)mine - 1, (unsigned)shards, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Results of shards                                                                            */
/* -------------------------------------------------------------------------------------------- */

static const char *trace_of(const json_t *c)
{
	const char *trace = json_string_value(json_object_get(c, "trace"));

	return trace ? trace : "";
}

static int by_trace(const void *a, const void *b)
{
	return strcmp(trace_of(*(json_t *const *)a), trace_of(*(json_t *const *)b));
}

static int read_results(const char *path, json_t *cases, struct vmt_error *err)
{
	FILE *f = fopen(path, "re");
	json_error_t why;
	json_t *c;
	int n = 0;

	if (!f)
		return vmt_error_set_errno(err, VMT_E_IO, errno, path, "it cannot be opened");
	for (;;) {
		int letter = fgetc(f);

		while (letter == '\n' || letter == ' ')
			letter = fgetc(f);
		if (letter == EOF)
			break;
		(void)ungetc(letter, f);
		c = json_loadf(f, JSON_DISABLE_EOF_CHECK, &why);
		if (!json_is_string(json_object_get(c, "trace")) ||
		    !json_is_integer(json_object_get(c, "status"))) {
			n = vmt_error_set(err, VMT_E_INVALID, path,
					  "result %zu is not what vmireplay --json prints",
					  json_array_size(cases));
			json_decref(c);
			break;
		}
		json_array_append_new(cases, c);
	}
	(void)fclose(f);
	return n;
}

int vmireplay_merge(char **paths, int n, json_t *cases, struct vmt_error *err)
{
	size_t count;
	json_t **sorted;
	json_t *all = json_array();
	int r = 0;

	for (int i = 0; i < n && r >= 0; i++)
		r = read_results(paths[i], all, err);
	count = json_array_size(all);
	sorted = malloc((count + 1) * sizeof(json_t *));
	if (!sorted)
		r = no_memory(err);
	for (size_t i = 0; sorted && i < count; i++)
		sorted[i] = json_array_get(all, i);
	if (r >= 0) {
		qsort(sorted, count, sizeof(json_t *), by_trace);
		for (size_t i = 0; i < count; i++)
			json_array_append(cases, sorted[i]);
	}
	free(sorted);
	json_decref(all);
	return r;
}
