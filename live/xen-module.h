/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvmitape and the Xen module agree on: the one symbol that the module exports.
 */
#ifndef VMITAPE_LIVE_XEN_MODULE_H
#define VMITAPE_LIVE_XEN_MODULE_H

#include <vmitape/xen.h>

/** Counts up whenever vmt_xen_config, vmt_driver_ops or what they point to changes. */
#define VMT_XEN_MODULE_ABI 1u

/** As vmt_xen_open(). Another @abi than the module's own: -VMT_E_ABI. @err is never NULL. */
typedef int vmt_xen_driver_open_fn(uint32_t abi, const struct vmt_xen_config *config,
				   struct vmt_driver **driver, struct vmt_error *err);

VMT_API vmt_xen_driver_open_fn vmt_xen_driver_open;

#endif /* VMITAPE_LIVE_XEN_MODULE_H */
