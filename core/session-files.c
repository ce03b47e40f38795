/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that a handler needs, read once for each path and kept until the session ends, so that a
 * recording has one truth for each.
 */
#include <stdlib.h>
#include <string.h>

#include <vmitape/run.h>

#include "session-private.h"

/** More than any symbol file; a bound so that a wrong path cannot eat the memory. */
#define FILE_MAX_BYTES (UINT64_C(256) << 20)

static struct vmt_session_file *find(struct vmt_session *s, const char *path)
{
	for (struct vmt_session_file *f = s->files; f; f = f->next)
		if (strcmp(f->path, path) == 0)
			return f;
	return NULL;
}

static int ask_source(struct vmt_session *s, struct vmt_session_file *f)
{
	struct vmt_file_source *source = s->config.files;
	int r;

	if (!source)
		return vmt_error_set(&f->err, VMT_E_NOT_SUPPORTED, "vmt_file_read",
				     "%s: this session was made without a source of files",
				     f->path);
	r = source->ops->read(source, f->path, FILE_MAX_BYTES, &f->data, &f->len, &f->err);
	if (r < 0 && f->err.status == VMT_OK)
		vmt_error_set(&f->err, (enum vmt_status) - r, f->path, "it cannot be read");
	return r;
}

static struct vmt_session_file *read_file(struct vmt_session *s, const char *path)
{
	struct vmt_session_file *f = calloc(1, sizeof(*f));
	int r;

	if (f)
		f->path = strdup(path);
	if (!f || !f->path) {
		free(f);
		return NULL;
	}
	r = ask_source(s, f);
	if (r < 0)
		s->err = f->err; /* observers may ask for it */
	f->next = s->files;
	s->files = f;
	VMT_OBSERVE(s, file, path, r, f->data, f->len);
	return f;
}

int vmt_file_read(struct vmt_session *s, const char *path, size_t max, const void **data,
		  size_t *len)
{
	struct vmt_session_file *f;
	int r = vmt_session_enter(s, "vmt_file_read");

	*data = NULL;
	*len = 0;
	if (r < 0)
		return r;
	f = find(s, path);
	if (!f)
		f = read_file(s, path);
	if (!f)
		return vmt_error_set(&s->err, VMT_E_NO_MEMORY, "vmt_file_read", "no memory for %s",
				     path);
	if (f->err.status != VMT_OK) {
		s->err = f->err;
		return -f->err.status;
	}
	if (f->len > max)
		return vmt_error_set(&s->err, VMT_E_LIMIT, "vmt_file_read",
				     "%s has %zu bytes; at most %zu are asked for", path, f->len,
				     max);
	*data = f->data;
	*len = f->len;
	return 0;
}

void vmt_session_files_finish(struct vmt_session *s)
{
	struct vmt_session_file *next;

	for (struct vmt_session_file *f = s->files; f; f = next) {
		next = f->next;
		free(f->data);
		free(f->path);
		free(f);
	}
	s->files = NULL;
}
