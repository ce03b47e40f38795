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

static const struct vmt_xen_module *module_load(struct vmt_error *err)
{
	const struct vmt_xen_module *symbol;
	char path[PATH_CAP];
	void *module;

	if (!module_find(path)) {
		vmt_error_set(err, VMT_E_NOT_SUPPORTED, "xen",
			      "the Xen module " MODULE
			      " is not there: build vmitape with Xen's development files "
			      "(libxen-dev) installed, or name its folder in VMITAPE_MODULE_DIR");
		return NULL;
	}
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	symbol = module ? dlsym(module, "vmt_xen_module") : NULL;
	if (!symbol)
		vmt_error_set(err, VMT_E_NOT_SUPPORTED, "xen",
			      "the Xen module cannot be loaded: %s. It needs the libraries of the "
			      "Xen that it was built for",
			      dlerror());
	if (module)
		dlclose(module); /* it stays */
	if (symbol && symbol->abi != VMT_XEN_MODULE_ABI) {
		vmt_error_set(err, VMT_E_ABI, "xen",
			      "the Xen module speaks version %u of the interface, libvmitape %u; "
			      "install both from one build",
			      symbol->abi, VMT_XEN_MODULE_ABI);
		return NULL;
	}
	return symbol;
}

int vmt_xen_open(const struct vmt_xen_config *config, struct vmt_driver **driver,
		 struct vmt_error *err)
{
	const struct vmt_xen_module *module;
	struct vmt_error mine = {0};

	if (!err)
		err = &mine;
	if (!config->domain || !*config->domain)
		return vmt_error_set(err, VMT_E_INVALID, "xen",
				     "which domain? Give a name or a number of `xl list`");
	module = module_load(err);
	return module ? module->open(config, driver, err) : -err->status;
}

/* -------------------------------------------------------------------------------------------- */
/* Keeper and rescue                                                                            */
/* -------------------------------------------------------------------------------------------- */

/* What the module keeps stands behind it. */
struct vmt_xen_keeper {
	const struct vmt_xen_module *module;
	struct vmt_xen_keeping *keeping;
};

int vmt_xen_keeper_create(int socket, struct vmt_xen_keeper **keeper, struct vmt_error *err)
{
	struct vmt_error mine = {0};
	struct vmt_xen_keeper *k;
	int r;

	*keeper = NULL;
	if (!err)
		err = &mine;
	k = calloc(1, sizeof(*k));
	if (!k)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "xen", "no memory for a keeper");
	k->module = module_load(err);
	r = k->module ? k->module->keeper_create(socket, &k->keeping, err) : -err->status;
	if (r < 0) {
		free(k);
		return r;
	}
	*keeper = k;
	return 0;
}

int vmt_xen_keeper_serve(struct vmt_xen_keeper *keeper)
{
	return keeper->module->keeper_serve(keeper->keeping);
}

int vmt_xen_keeper_repair(struct vmt_xen_keeper *keeper, struct vmt_xen_repair_report *report,
			  struct vmt_error *err)
{
	struct vmt_error mine = {0};

	return keeper->module->keeper_repair(keeper->keeping, report, err ? err : &mine);
}

void vmt_xen_keeper_destroy(struct vmt_xen_keeper *keeper)
{
	if (!keeper)
		return;
	keeper->module->keeper_destroy(keeper->keeping);
	free(keeper);
}

int vmt_xen_rescue(const char *domain, struct vmt_xen_repair_report *report, struct vmt_error *err)
{
	const struct vmt_xen_module *module;
	struct vmt_error mine = {0};

	if (!err)
		err = &mine;
	module = module_load(err);
	return module ? module->rescue(domain, report, err) : -err->status;
}

/* -------------------------------------------------------------------------------------------- */
/* Diagnosis                                                                                    */
/* -------------------------------------------------------------------------------------------- */

const char *vmt_xen_verdict_name(unsigned verdict)
{
	static const char *const names[] = {"ok", "limited", "no"};

	return verdict < sizeof(names) / sizeof(names[0]) ? names[verdict] : "unknown";
}

int vmt_xen_diagnose(const char *domain, struct vmt_xen_diagnosis *diagnosis, struct vmt_error *err)
{
	const struct vmt_xen_module *module;
	struct vmt_error mine = {0};

	if (!err)
		err = &mine;
	memset(diagnosis, 0, sizeof(*diagnosis));
	module = module_load(err);
	return module ? module->diagnose(domain, diagnosis, err) : -err->status;
}
