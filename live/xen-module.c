/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finding and loading the Xen module. It stays loaded: a driver's code must outlive the driver.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "xen-module.h"

#define MODULE   "vmitape-xen.so"
#define PATH_CAP 4096

/* Does DIR/SUB/MODULE exist? Then @path names it. */
static bool module_in(char *path, const char *dir, size_t dir_len, const char *sub)
{
	int n = snprintf(path, PATH_CAP, "%.*s%s/" MODULE, (int)dir_len, dir, sub);

	return n > 0 && n < PATH_CAP && access(path, R_OK) == 0;
}

static bool module_find(char *path)
{
	static const char here = 0; /* in the same file as this code */
	const char *named = secure_getenv("VMITAPE_MODULE_DIR");
	const char *slash;
	Dl_info self;

	if (named && *named)
		return module_in(path, named, strlen(named), "");
	if (!dladdr(&here, &self) || !self.dli_fname)
		return false;
	slash = strrchr(self.dli_fname, '/');
	if (!slash)
		return false;
	return module_in(path, self.dli_fname, (size_t)(slash - self.dli_fname), "/vmitape") ||
	       module_in(path, self.dli_fname, (size_t)(slash - self.dli_fname), "/live/xen");
}

static vmt_xen_driver_open_fn *module_load(struct vmt_error *err)
{
	vmt_xen_driver_open_fn *open_fn = NULL;
	char path[PATH_CAP];
	void *module, *symbol;

	if (!module_find(path)) {
		vmt_error_set(err, VMT_E_NOT_SUPPORTED, "xen",
			      "the Xen module " MODULE
			      " is not there: build vmitape with Xen's development files "
			      "(libxen-dev) installed, or name its folder in VMITAPE_MODULE_DIR");
		return NULL;
	}
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	symbol = module ? dlsym(module, "vmt_xen_driver_open") : NULL;
	if (!symbol)
		vmt_error_set(err, VMT_E_NOT_SUPPORTED, "xen",
			      "the Xen module cannot be loaded: %s. It needs the libraries of the "
			      "Xen that it was built for",
			      dlerror());
	else
		memcpy(&open_fn, &symbol, sizeof(open_fn)); /* POSIX's way to a function */
	if (module)
		dlclose(module);
	return open_fn;
}

int vmt_xen_open(const struct vmt_xen_config *config, struct vmt_driver **driver,
		 struct vmt_error *err)
{
	struct vmt_error mine = {0};
	vmt_xen_driver_open_fn *open_fn;

	if (!err)
		err = &mine;
	if (!config->domain || !*config->domain)
		return vmt_error_set(err, VMT_E_INVALID, "xen",
				     "which domain? Give a name or a number of `xl list`");
	open_fn = module_load(err);
	return open_fn ? open_fn(VMT_XEN_MODULE_ABI, config, driver, err) : -err->status;
}
