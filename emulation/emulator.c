/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making an emulator, and finding the module that executes what own code does not.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "emulation/exec.h"
#include "emulation/executor.h"

#define MODULE   "vmitape-emulation.so"
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
	       module_in(path, self.dli_fname, (size_t)(slash - self.dli_fname),
			 "/emulation/unicorn");
}

const struct vmt_executor_ops *vmt_executor_load(struct vmt_error *err)
{
	const struct vmt_executor_ops *(*get)(void) = NULL;
	const struct vmt_executor_ops *ops = NULL;
	char path[PATH_CAP];
	void *module, *symbol;

	if (!module_find(path)) {
		vmt_error_set(err, VMT_E_NOT_SUPPORTED, "emulation",
			      "the module " MODULE " is not there: build vmitape with Unicorn's "
			      "development files (libunicorn-dev) installed, or name its folder in "
			      "VMITAPE_MODULE_DIR");
		return NULL;
	}
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	symbol = module ? dlsym(module, "vmt_executor_module") : NULL;
	if (symbol) {
		memcpy(&get, &symbol, sizeof(get)); /* POSIX's way to a function */
		ops = get();
	}
	if (!ops)
		vmt_error_set(err, VMT_E_NOT_SUPPORTED, "emulation",
			      "the module %s cannot be loaded: %s", path, dlerror());
	else if (ops->abi != VMT_EXECUTOR_ABI)
		vmt_error_set(err, VMT_E_ABI, "emulation",
			      "the module %s is of another version of vmitape (interface %u, "
			      "wanted %u): install both from one build",
			      path, ops->abi, VMT_EXECUTOR_ABI);
	if (module)
		dlclose(module);
	return ops && ops->abi == VMT_EXECUTOR_ABI ? ops : NULL;
}

static int start_executor(struct vmt_emulator *em, struct vmt_error *err)
{
	em->executor_ops = vmt_executor_load(err);
	if (!em->executor_ops)
		return err->status == VMT_E_NOT_SUPPORTED ? 0 : -err->status;
	em->executor = em->executor_ops->create();
	if (!em->executor)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "emulation",
				     "Unicorn cannot be started; it needs 1 GiB of address space "
				     "(ulimit -v)");
	return 0;
}

int vmt_emulator_create(const struct vmt_emulator_config *config, struct vmt_emulator **em,
			struct vmt_error *err)
{
	unsigned bits = config->physical_bits ? config->physical_bits : 52;
	struct vmt_emulator *made = calloc(1, sizeof(*made));
	struct vmt_error mine = {0};
	int r;

	*em = NULL;
	if (!made || vmt_tlb_create(made)) {
		free(made);
		return vmt_error_set(err, VMT_E_NO_MEMORY, "emulation", "no memory is left");
	}
	made->ops = config->ops;
	made->generation = config->generation;
	made->reserved_address = UINT64_C(0x000fffffffffffff) & ~((UINT64_C(1) << bits) - 1);
	r = start_executor(made, &mine);
	if (r == 0 && !made->executor && (config->flags & VMT_EMULATOR_WHOLE))
		r = -mine.status;
	if (r < 0) {
		if (err)
			*err = mine;
		vmt_emulator_destroy(made);
		return r;
	}
	*em = made;
	return 0;
}

void vmt_emulator_destroy(struct vmt_emulator *em)
{
	if (!em)
		return;
	if (em->executor)
		em->executor_ops->destroy(em->executor);
	free(em->tlb);
	free(em);
}
