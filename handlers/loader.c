/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding a handler: a bundled one by its name, or a shared object by its path.
 *
 * A shared object runs as this process as soon as it is loaded. So only what a user named is loaded
 * (never a name that a trace holds), and only by a path: no search path decides which file it is.
 */
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmitape/run.h>

#include "registry.h"

#define NAMES_MAX 256

static int load_bundled(const char *name, struct vmt_loaded_handler *handler, struct vmt_error *err)
{
	char names[NAMES_MAX];

	for (const struct vmt_handler_ops *const *h = vmt_handlers(); *h; h++) {
		if (strcmp((*h)->name, name) == 0) {
			handler->ops = *h;
			return 0;
		}
	}
	return vmt_error_set(
		err, VMT_E_NOT_FOUND, "handler",
		"no handler is called '%s'; there are: %s. A shared object is named by "
		"a path with a '/', such as ./%s.so",
		name, vmt_handler_names(names, sizeof(names)), name);
}

/** dlopen's messages do not tell these apart well: a missing file, a folder, a file that is no ELF. */
static int check_file(const char *path, struct vmt_error *err)
{
	char magic[SELFMAG];
	ssize_t n;
	int read_errno;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return vmt_error_set_errno(err, errno == ENOENT ? VMT_E_NOT_FOUND : VMT_E_IO, errno,
					   path, "the handler's file cannot be opened");
	n = read(fd, magic, sizeof(magic));
	read_errno = errno;
	close(fd);
	if (n < 0)
		return vmt_error_set_errno(err, VMT_E_IO, read_errno, path,
					   "the handler's file cannot be read");
	if (n < (ssize_t)sizeof(magic) || memcmp(magic, ELFMAG, SELFMAG) != 0)
		return vmt_error_set(err, VMT_E_INVALID, path,
				     "this is not a shared object: it does not begin as an ELF "
				     "file; build the handler with cc -shared -fPIC");
	return 0;
}

static int check_object(void *object, const char *path, const struct vmt_handler_ops **ops,
			struct vmt_error *err)
{
	int r;

	*ops = dlsym(object, "vmt_handler");
	if (!*ops)
		return vmt_error_set(
			err, VMT_E_INVALID, path,
			"it has no symbol vmt_handler; define the handler's table with "
			"VMT_HANDLER_DEFINE(name) = {...}");
	r = vmt_handler_check(*ops, err);
	if (r < 0 && err)
		snprintf(err->place, sizeof(err->place), "%s", path);
	return r;
}

static int load_object(const char *path, struct vmt_loaded_handler *handler, struct vmt_error *err)
{
	const char *reason;
	int r = check_file(path, err);

	if (r < 0)
		return r;
	handler->object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handler->object) {
		reason = dlerror();
		return vmt_error_set(err, VMT_E_INVALID, path, "it cannot be loaded: %s",
				     reason ? reason : "no reason was given");
	}
	r = check_object(handler->object, path, &handler->ops, err);
	if (r < 0)
		vmt_handler_unload(handler);
	return r;
}

int vmt_handler_load(const char *name_or_path, struct vmt_loaded_handler *handler,
		     struct vmt_error *err)
{
	*handler = (struct vmt_loaded_handler){NULL, NULL};
	if (!strchr(name_or_path, '/'))
		return load_bundled(name_or_path, handler, err);
	return load_object(name_or_path, handler, err);
}

void vmt_handler_unload(struct vmt_loaded_handler *handler)
{
	if (handler->object)
		dlclose(handler->object);
	*handler = (struct vmt_loaded_handler){NULL, NULL};
}
