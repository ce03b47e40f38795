/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a model, and what it tells about itself.
 */
#include <stdlib.h>
#include <string.h>

#include "state.h"

static int check_config(const struct vmt_model_config *config, const struct vmt_xen_version *xen,
			struct vmt_error *err)
{
	const struct vmt_guest_ops *g = config->guest;

	if (!g || !g->exists || !g->read || !g->write || !g->add || !g->remove)
		return vmt_error_set(err, VMT_E_INVALID, "model",
				     "the page source lacks exists, read, write, add or remove");
	if (config->vcpus == 0)
		return vmt_error_set(err, VMT_E_INVALID, "model", "a domain has 1 vCPU or more");
	if (config->vendor >= VMT_CPU_VENDOR_COUNT)
		return vmt_error_set(err, VMT_E_INVALID, "model",
				     "there is no CPU vendor %u; use enum vmt_cpu_vendor",
				     config->vendor);
	if (config->views > xen->max_views)
		return vmt_error_set(err, VMT_E_LIMIT, "model", "Xen %u.%u has at most %u views%s",
				     xen->major, xen->minor, xen->max_views,
				     xen->max_views < 512 ? "; since 4.21 they can be configured"
							  : "");
	return 0;
}

static int alloc_parts(struct vmt_model *m, struct vmt_error *err)
{
	m->vcpus = calloc(m->nvcpus, sizeof(*m->vcpus));
	m->views = calloc(m->nviews, sizeof(*m->views));
	if (!m->vcpus || !m->views)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "model", "no memory for the model");
	for (uint16_t i = 0; i < m->nvcpus; i++)
		m->vcpus[i].regs.known = VMT_KNOWN_ALL;
	for (vmt_view v = 0; v < m->nviews; v++)
		vmt_gfn_map_init(&m->views[v].entries, sizeof(struct vmt_view_entry));
	m->views[0].exists = true;
	m->views[0].initial = vmt_access_from(VMT_RWX);
	m->views[0].min_remapped = UINT64_MAX;
	return 0;
}

int vmt_model_create(const struct vmt_model_config *config, struct vmt_model **model,
		     struct vmt_error *err)
{
	const struct vmt_xen_version *xen = config->xen ? config->xen : &vmt_xen_versions[0];
	int r = check_config(config, xen, err);
	struct vmt_model *m;

	if (r < 0)
		return r;
	m = calloc(1, sizeof(*m));
	if (!m)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "model", "no memory for the model");
	m->xen = xen;
	m->vendor = config->vendor;
	m->flags = config->flags;
	m->guest = config->guest;
	m->ctx = config->guest_ctx;
	m->ring = true;
	m->capabilities = vmt_xen_capabilities(xen, m->vendor);
	if (m->flags & VMT_MODEL_NO_VIEWS)
		m->capabilities &= ~(uint32_t)(VMT_CAP_VIEWS | VMT_CAP_FAST_SINGLESTEP);
	if (!(m->flags & VMT_MODEL_PAGING_WRITE))
		m->capabilities &= ~(uint32_t)VMT_CAP_IGNORE_WALKS;
	m->altp2m = m->capabilities & VMT_CAP_VIEWS;
	m->nviews = 1;
	if (m->altp2m)
		m->nviews = config->views ? config->views : xen->views;
	m->nvcpus = config->vcpus;
	m->max_gfn = config->max_gfn;
	m->max_own_pages = config->max_own_pages;
	vmt_gfn_map_init(&m->split, 0);
	vmt_gfn_map_init(&m->own_pages, 0);
	vmt_gfn_map_init(&m->bytes, sizeof(struct vmt_own_bytes *));
	r = alloc_parts(m, err);
	if (r < 0) {
		vmt_model_destroy(m);
		return r;
	}
	*model = m;
	return 0;
}

void vmt_model_destroy(struct vmt_model *m)
{
	if (!m)
		return;
	for (vmt_view v = 0; m->views && v < m->nviews; v++)
		vmt_gfn_map_finish(&m->views[v].entries);
	free(m->views);
	free(m->vcpus);
	vmt_gfn_map_finish(&m->split);
	vmt_pages_finish(m);
	free(m);
}

struct vmt_regs *vmt_model_regs(struct vmt_model *m, uint16_t vcpu)
{
	return vcpu < m->nvcpus ? &m->vcpus[vcpu].regs : NULL;
}

int vmt_model_info(const struct vmt_model *m, struct vmt_info *info)
{
	info->arch = VMT_ARCH_X86_64;
	info->capabilities = m->capabilities;
	info->vcpus = m->nvcpus;
	info->views = m->nviews;
	info->xen_major = m->xen->major;
	info->xen_minor = m->xen->minor;
	info->max_gfn = m->max_gfn;
	return 0;
}

uint64_t vmt_model_generation(const struct vmt_model *m)
{
	return m->generation;
}

struct vmt_vcpu_state *vmt_vcpu_need(struct vmt_model *m, uint16_t vcpu, struct vmt_error *err)
{
	if (vcpu < m->nvcpus)
		return &m->vcpus[vcpu];
	vmt_error_set(err, VMT_E_NOT_FOUND, NULL, "there is no vCPU %u; the domain has %u", vcpu,
		      m->nvcpus);
	return NULL;
}

int vmt_ring_need(const struct vmt_model *m, struct vmt_error *err)
{
	if (m->ring)
		return 0;
	return vmt_error_set(err, VMT_E_WRONG_PLACE, NULL,
			     "the monitor was detached from the domain; nothing can be asked of it "
			     "any more");
}

int vmt_capability_need(const struct vmt_model *m, uint32_t capability, struct vmt_error *err)
{
	unsigned bit = 0;

	if (m->capabilities & capability)
		return 0;
	while (!(capability & (UINT32_C(1) << bit)))
		bit++;
	return vmt_error_set(err, VMT_E_NOT_SUPPORTED, NULL,
			     "Xen %u.%u on %s cannot do this here: %s; it works with %s",
			     m->xen->major, m->xen->minor,
			     m->vendor == VMT_CPU_VMX ? "an Intel CPU" : "an AMD CPU",
			     vmt_capability_name(UINT32_C(1) << bit),
			     vmt_xen_who_has(capability, m->xen, m->vendor));
}
