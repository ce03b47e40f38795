/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the module offers to libvmitape.
 */
#include "driver.h"
#include "keeper.h"

const struct vmt_xen_module vmt_xen_module = {
	.abi = VMT_XEN_MODULE_ABI,
	.open = vmt_xen_open_driver,
	.keeper_create = vmt_xen_keeping_create,
	.keeper_serve = vmt_xen_keeping_serve,
	.keeper_repair = vmt_xen_keeping_repair,
	.keeper_destroy = vmt_xen_keeping_destroy,
	.rescue = vmt_xen_rescue_domain,
	.diagnose = vmt_xen_diagnose_domain,
};
