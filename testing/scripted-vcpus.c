/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The test's own calls about vCPUs, views and rights.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "scripted.h"

static int need_vcpu(struct vmt_driver *d, const struct vmt_scripted *s, uint16_t vcpu)
{
	if (vcpu < s->config.vcpus)
		return 0;
	return vmt_error_set(&d->err, VMT_E_NOT_FOUND, "scripted domain",
			     "there is no vCPU %u; the domain has %u", vcpu, s->config.vcpus);
}

int vmt_scripted_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	int r = s ? need_vcpu(d, s, vcpu) : -VMT_E_INVALID;

	for (size_t i = 0; r == 0 && i < vmt_reg_nfields; i++)
		if (regs->known & VMT_KNOWN(vmt_reg_fields[i].bit))
			vmt_reg_set(vmt_model_regs(s->model, vcpu), &vmt_reg_fields[i],
				    vmt_reg_get(regs, &vmt_reg_fields[i]));
	return r;
}

int vmt_scripted_vcpu_view(struct vmt_driver *d, uint16_t vcpu, vmt_view *view)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	int r = s ? need_vcpu(d, s, vcpu) : -VMT_E_INVALID;

	if (r == 0)
		*view = vmt_model_view_of(s->model, vcpu);
	return r;
}

/* The rights are the model's; here is noted that they are no session's. */
int vmt_scripted_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
			    struct vmt_access access)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	struct vmt_scripted_rights *rights;
	uint64_t done;
	int r;

	if (!s)
		return -VMT_E_INVALID;
	r = vmt_model_set_access(s->model, view, gfn, 1, access, &done, &d->err);
	if (r < 0)
		return r;
	rights = realloc(s->rights, (s->nrights + 1) * sizeof(*rights));
	if (!rights)
		return vmt_error_set(&d->err, VMT_E_NO_MEMORY, "scripted domain",
				     "no memory to note the rights");
	s->rights = rights;
	rights[s->nrights++] = (struct vmt_scripted_rights){view, gfn.n, access};
	return 0;
}

int vmt_scripted_view_target(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, vmt_gfn *to)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	struct vmt_footprint_cursor cursor = {0};
	struct vmt_footprint item;

	if (!s)
		return -VMT_E_INVALID;
	*to = gfn;
	while (vmt_footprint_next(s->model, &cursor, &item) == 1)
		if (item.kind == VMT_FOOTPRINT_REMAP && item.view == view && item.gfn.n == gfn.n)
			*to = item.to;
	return 0;
}
