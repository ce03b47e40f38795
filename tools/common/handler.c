/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Handlers named on a command line, and files read for them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handler.h"

static int split_option(struct vmt_tool_handler *h, const char *word, struct vmt_error *err)
{
	char *text = strdup(word);
	char *equals;

	if (!text)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "command line", "no memory");
	h->texts[h->noptions] = text;
	equals = strchr(text, '=');
	if (!equals || equals == text) {
		h->noptions++;
		return vmt_error_set(err, VMT_E_INVALID, "command line",
				     "-O takes NAME=VALUE, not '%s'", word);
	}
	*equals = '\0';
	h->options[h->noptions].name = text;
	h->options[h->noptions].value = equals + 1;
	h->noptions++;
	return 0;
}

int vmt_tool_handler_init(struct vmt_tool_handler *h, const char *name,
			  const struct vmt_tool_list *options, struct vmt_error *err)
{
	int r = 0;

	memset(h, 0, sizeof(*h));
	for (size_t i = 0; i < options->n && r >= 0; i++)
		r = split_option(h, options->values[i], err);
	if (r >= 0)
		r = vmt_handler_load(name, &h->loaded, err);
	if (r < 0)
		vmt_tool_handler_finish(h);
	return r;
}

void vmt_tool_handler_finish(struct vmt_tool_handler *h)
{
	for (size_t i = 0; i < h->noptions; i++)
		free(h->texts[i]);
	h->noptions = 0;
	if (h->loaded.ops)
		vmt_handler_unload(&h->loaded);
	h->loaded = (struct vmt_loaded_handler){0};
}

void vmt_tool_list_handlers(void)
{
	for (const struct vmt_handler_ops *const *p = vmt_handlers(); *p; p++)
		printf("%-16s %-8s %s\n", (*p)->name, (*p)->version,
		       (*p)->summary ? (*p)->summary : "");
}

/* -------------------------------------------------------------------------------------------- */
/* Files                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static int read_whole(int fd, const char *path, size_t max, void **data, size_t *len,
		      struct vmt_error *err)
{
	size_t cap = 4096;
	char *bytes = NULL;
	ssize_t n = 1;

	for (*len = 0; n > 0; *len += (size_t)n) {
		char *more;

		if (*len == cap || !bytes) {
			cap = bytes ? cap * 2 : cap;
			more = realloc(bytes, cap);
			if (!more) {
				free(bytes);
				return vmt_error_set(err, VMT_E_NO_MEMORY, path, "no memory");
			}
			bytes = more;
		}
		n = read(fd, bytes + *len, cap - *len);
		if (n < 0 || *len + (size_t)n > max) {
			free(bytes);
			return n < 0 ? vmt_error_set_errno(err, VMT_E_IO, errno, path,
							   "it cannot be read")
				     : vmt_error_set(err, VMT_E_LIMIT, path,
						     "it has more than %zu bytes", max);
		}
	}
	*data = bytes;
	return 0;
}

static int host_read(struct vmt_file_source *f, const char *path, size_t max, void **data,
		     size_t *len, struct vmt_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	(void)f;
	if (fd < 0)
		return vmt_error_set_errno(err,
					   errno == ENOENT   ? VMT_E_NOT_FOUND
					   : errno == EACCES ? VMT_E_PERMISSION
							     : VMT_E_IO,
					   errno, path, "it cannot be opened");
	r = read_whole(fd, path, max, data, len, err);
	close(fd);
	return r;
}

struct vmt_file_source *vmt_tool_host_files(void)
{
	static const struct vmt_file_source_ops ops = {.read = host_read};
	static struct vmt_file_source source = {.ops = &ops};

	return &source;
}
