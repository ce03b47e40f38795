/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pauses nest: the domain runs when each has been taken back. They come on top of the pause of each
 * event.
 *
 * Source: xen/common/domain.c (domain_pause, a counter).
 */
#include "state.h"

int vmt_model_pause(struct vmt_model *m, struct vmt_error *err)
{
	int r = vmt_ring_need(m, err);

	if (r < 0)
		return r;
	if (m->pauses == UINT32_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, NULL, "the domain is paused too many times");
	m->pauses++;
	vmt_model_changed(m);
	return 0;
}

int vmt_model_resume(struct vmt_model *m, struct vmt_error *err)
{
	if (m->pauses == 0)
		return vmt_error_set(err, VMT_E_WRONG_PLACE, NULL,
				     "the domain is not paused; one resume belongs to one pause");
	m->pauses--;
	vmt_model_changed(m);
	return 0;
}
