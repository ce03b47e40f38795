/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pauses nest here; of the hypervisor's, which counts the pauses of all its clients, at most one is
 * held. So whatever was held is released by one call.
 *
 * Source: xen/common/domain.c (domain_pause_by_systemcontroller).
 */
#include "driver.h"

static void note(struct vmt_xen *x, enum vmt_xen_pause_note state)
{
	vmt_xen_journal_order();
	x->journal.j->pause = state;
	vmt_xen_journal_order();
}

int vmt_xen_pause(struct vmt_driver *d)
{
	struct vmt_xen *x = vmt_xen_of(d);

	if (x->pauses == UINT32_MAX)
		return vmt_xen_refuse(x, VMT_E_LIMIT, "the domain is paused too many times");
	if (x->pauses == 0) {
		note(x, VMT_XEN_PAUSING);
		if (xc_domain_pause(x->xch, x->domid) < 0) {
			note(x, VMT_XEN_RUNNING);
			return vmt_xen_failed(x, "Xen does not pause domain %s", x->name);
		}
		note(x, VMT_XEN_PAUSED);
	}
	x->pauses++;
	return 0;
}

int vmt_xen_resume(struct vmt_driver *d)
{
	struct vmt_xen *x = vmt_xen_of(d);

	if (x->pauses == 0)
		return vmt_xen_refuse(x, VMT_E_WRONG_PLACE,
				      "the domain is not paused; one resume belongs to one pause");
	if (x->pauses == 1) {
		note(x, VMT_XEN_RESUMING);
		if (xc_domain_unpause(x->xch, x->domid) < 0) {
			note(x, VMT_XEN_PAUSED);
			return vmt_xen_failed(x, "Xen does not resume domain %s", x->name);
		}
		note(x, VMT_XEN_RUNNING);
	}
	x->pauses--;
	return 0;
}

int vmt_xen_resume_all(struct vmt_xen *x)
{
	if (x->pauses == 0)
		return 0;
	x->pauses = 1;
	return vmt_xen_resume(&x->base);
}
