/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What libvmitape and the Xen module agree on: the one symbol that the module exports.
 */
#ifndef VMITAPE_LIVE_XEN_MODULE_H
#define VMITAPE_LIVE_XEN_MODULE_H

#include <vmitape/xen.h>

/** Counts up whenever this, vmt_driver_ops or what they point to changes. */
#define VMT_XEN_MODULE_ABI 3u

struct vmt_xen_keeping; /* the module's part of a keeper */

/** As the functions of <vmitape/xen.h>; @err is never NULL. */
struct vmt_xen_module {
	uint32_t abi; /**< VMT_XEN_MODULE_ABI */
	uint32_t reserved;
	int (*open)(const struct vmt_xen_config *config, struct vmt_driver **driver,
		    struct vmt_error *err);
	int (*keeper_create)(int socket, struct vmt_xen_keeping **keeping, struct vmt_error *err);
	int (*keeper_serve)(struct vmt_xen_keeping *keeping);
	int (*keeper_repair)(struct vmt_xen_keeping *keeping, struct vmt_xen_repair_report *report,
			     struct vmt_error *err);
	void (*keeper_destroy)(struct vmt_xen_keeping *keeping);
	int (*rescue)(const char *domain, struct vmt_xen_repair_report *report,
		      struct vmt_error *err);
	int (*diagnose)(const char *domain, struct vmt_xen_diagnosis *diagnosis,
			struct vmt_error *err);
};

VMT_API extern const struct vmt_xen_module vmt_xen_module;

#endif /* VMITAPE_LIVE_XEN_MODULE_H */
