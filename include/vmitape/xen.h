/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The Xen backend: a driver for a domain of the Xen that this host runs.
 *
 * It is a module, loaded when it is asked for: libvmitape itself needs nothing of Xen. The module is
 * vmitape-xen.so in the folder vmitape/ beside libvmitape.so, in live/xen/ beside it (as in
 * a build folder), or in the folder that the environment variable VMITAPE_MODULE_DIR names.
 */
#ifndef VMITAPE_XEN_H
#define VMITAPE_XEN_H

#include <vmitape/driver.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** All zero but @domain is the default. */
struct vmt_xen_config {
	const char *domain; /**< its name or its number, as `xl list` shows them; required */
	uint64_t seed;      /**< vmt_info.seed; 0: drawn from the system */
};

/**
 * Attach to a running or paused domain: take its monitor ring and, where the domain has it, switch
 * altp2m on. Returns 0 and *@driver, to be closed with vmt_driver_close(), or a negative status with
 * @err (may be NULL) filled; then nothing is left changed:
 *
 *   -VMT_E_NOT_SUPPORTED  the module is not installed; the domain is PV, or has no hardware paging
 *   -VMT_E_PERMISSION     not in the control domain, or not as root
 *   -VMT_E_NOT_FOUND      no such domain
 *   -VMT_E_BUSY           another monitor is attached
 *   -VMT_E_ABI            the module was built for another version of Xen
 *   -VMT_E_GONE           the domain has crashed or shut down
 *
 * A domain without altp2m can be watched all the same: vmt_info.capabilities then lacks VMT_CAP_VIEWS
 * and VMT_CAP_FAST_SINGLESTEP.
 */
VMT_API int vmt_xen_open(const struct vmt_xen_config *config, struct vmt_driver **driver,
			 struct vmt_error *err);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_XEN_H */
