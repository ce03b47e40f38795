/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files in memory: what a session reads for a handler, given by a test.
 */
#include <stdlib.h>
#include <string.h>

#include <vmitape/test.h>

static const struct vmt_memory_file *find(const struct vmt_memory_files *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->files[i].path, path) == 0)
			return &m->files[i];
	return NULL;
}

static int read_file(struct vmt_file_source *source, const char *path, size_t max, void **data,
		     size_t *len, struct vmt_error *err)
{
	struct vmt_memory_files *m = (struct vmt_memory_files *)source;
	const struct vmt_memory_file *file = find(m, path);

	m->reads++;
	if (!file)
		return vmt_error_set(err, VMT_E_NOT_FOUND, path,
				     "the test has no such file; add it to its vmt_memory_file "
				     "array");
	if (file->status != 0 && file->sys_errno == 0)
		return vmt_error_set(err, (enum vmt_status)file->status, path,
				     "reading it fails, as the test wants");
	if (file->status != 0)
		return vmt_error_set_errno(err, (enum vmt_status)file->status, file->sys_errno,
					   path, "reading it fails, as the test wants");
	if (file->len > max)
		return vmt_error_set(err, VMT_E_LIMIT, path,
				     "it has %zu bytes, which is more than the %zu asked for",
				     file->len, max);
	*data = malloc(file->len + 1);
	if (!*data)
		return vmt_error_set(err, VMT_E_NO_MEMORY, path, "no memory for the file");
	if (file->len > 0)
		memcpy(*data, file->data, file->len);
	*len = file->len;
	return 0;
}

static const struct vmt_file_source_ops ops = {.read = read_file};

void vmt_memory_files_init(struct vmt_memory_files *m, const struct vmt_memory_file *files,
			   size_t n)
{
	m->source.ops = &ops;
	m->files = files;
	m->n = n;
	m->reads = 0;
}
