/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the module offers besides the driver: keeper, rescue, diagnosis; see <vmitape/xen.h> for each function's outside.
 */
#ifndef VMITAPE_LIVE_XEN_KEEPER_H
#define VMITAPE_LIVE_XEN_KEEPER_H

#include "live/xen-module.h"

#include "journal.h"

int vmt_xen_keeping_create(int socket, struct vmt_xen_keeping **keeping, struct vmt_error *err);
int vmt_xen_keeping_serve(struct vmt_xen_keeping *k);
int vmt_xen_keeping_repair(struct vmt_xen_keeping *k, struct vmt_xen_repair_report *report,
			   struct vmt_error *err);
void vmt_xen_keeping_destroy(struct vmt_xen_keeping *k);
int vmt_xen_rescue_domain(const char *domain, struct vmt_xen_repair_report *report,
			  struct vmt_error *err);

int vmt_xen_diagnose_domain(const char *domain, struct vmt_xen_diagnosis *diagnosis,
			    struct vmt_error *err);

/** From the journal, which x has open: the domain's number and name, its vCPUs. */
int vmt_xen_take_journal_domain(struct vmt_xen *x);

#endif /* VMITAPE_LIVE_XEN_KEEPER_H */
