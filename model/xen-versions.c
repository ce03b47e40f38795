/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of Xen releases, and of what needs a newer one or another CPU.
 *
 * The columns, and the commits of Xen that changed them:
 *
 *   views, max_views     06cf6cdab4, in 4.21.0: a domain is created with altp2m_count views (10 unless
 *                        said, at most MAX_NR_ALTP2M = 512, asm/domain.h); before it MAX_ALTP2M is 10
 *   io_event             0c2fe426bc, in 4.18.0: hvm_monitor_io (hvm/monitor.c)
 *   fast_step_alone      410ef33439, in 4.19.0: hvm_monitor_debug looks at the fast step before
 *                        singlestep_enabled; before it after
 *   walk_rights          ff10aa9d8f, in 4.20.0: XENMEM_access_r_pw (public/memory.h)
 *   lazy_view_default    7e5b662b28, in 4.19.0: p2m_altp2m_get_or_propagate takes the view's
 *                        default_access; before it the host entry's rights
 *   prepopulate_default  38a5bfc7f2, in 4.22.0: altp2m_get_effective_entry does so for superpages
 *   idle_view_guard      55c01d28f4, in 4.20.0: hvm_monitor_check_p2m
 *   domain_getinfo       7c7c436ccb, in 4.18.0: xc_domain_getinfo_single in its place
 *   access_default       public/memory.h: r_pw took the number 10
 *   domctl_version       public/domctl.h
 */
#include "xen-versions.h"

/* clang-format off */
const struct vmt_xen_version vmt_xen_versions[] = {
	{.major = 4, .minor = 17, .views = 10, .max_views = 10,
	 .domain_getinfo = true, .access_default = 10, .domctl_version = 0x15},
	{.major = 4, .minor = 18, .views = 10, .max_views = 10, .io_event = true,
	 .access_default = 10, .domctl_version = 0x16},
	{.major = 4, .minor = 19, .views = 10, .max_views = 10, .io_event = true,
	 .fast_step_alone = true, .lazy_view_default = true,
	 .access_default = 10, .domctl_version = 0x17},
	{.major = 4, .minor = 20, .views = 10, .max_views = 10, .io_event = true,
	 .fast_step_alone = true, .lazy_view_default = true, .walk_rights = true,
	 .idle_view_guard = true, .access_default = 11, .domctl_version = 0x17},
	{.major = 4, .minor = 21, .views = 10, .max_views = 512, .io_event = true,
	 .fast_step_alone = true, .lazy_view_default = true, .walk_rights = true,
	 .idle_view_guard = true, .access_default = 11, .domctl_version = 0x17},
	{.major = 4, .minor = 22, .views = 10, .max_views = 512, .io_event = true,
	 .fast_step_alone = true, .lazy_view_default = true, .walk_rights = true,
	 .idle_view_guard = true, .prepopulate_default = true,
	 .access_default = 11, .domctl_version = 0x18},
};
/* clang-format on */

const size_t vmt_xen_nversions = sizeof(vmt_xen_versions) / sizeof(vmt_xen_versions[0]);

const struct vmt_xen_version *vmt_xen_version_find(unsigned major, unsigned minor)
{
	for (size_t i = 0; i < vmt_xen_nversions; i++) {
		if (vmt_xen_versions[i].major == major && vmt_xen_versions[i].minor == minor)
			return &vmt_xen_versions[i];
	}
	return NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* What needs a newer Xen, or an Intel CPU                                                      */
/* -------------------------------------------------------------------------------------------- */

#define ON_VMX  (1u << VMT_CPU_VMX)
#define ON_SVM  (1u << VMT_CPU_SVM)
#define ON_BOTH (ON_VMX | ON_SVM)

/*
 * Sources: arch_monitor_get_capabilities (asm/monitor.h), p2m_mem_access_sanity_check
 * (mm/mem_access.c: cpu_has_vmx), hvm_is_singlestep_supported (MTF), hvm_altp2m_supported. On SVM
 * the vmexit monitor can be switched on, but no event ever comes: hvm_monitor_vmexit is called from
 * vmx.c alone. All of it seen on real Xen 4.17.7, VMX and SVM.
 */
static const struct need {
	uint32_t capability;
	uint32_t vendors;      /* where it works */
	unsigned major, minor; /* since when; 0.0: in all of the table */
	const char *since;     /* who has it, when the release is too old */
} needs[] = {
	{VMT_CAP_MONITOR_CR, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_MSR, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_BREAKPOINT, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_DEBUG, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_SINGLESTEP, ON_VMX, 0, 0, NULL},
	{VMT_CAP_MONITOR_HYPERCALL, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_CPUID, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_IO, ON_BOTH, 4, 18, "Xen 4.18 and later"},
	{VMT_CAP_MONITOR_DESCRIPTOR, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MONITOR_VMEXIT, ON_VMX, 0, 0, NULL},
	{VMT_CAP_NEXT_INTERRUPT, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_DENY, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_MEMORY_ACCESS, ON_VMX, 0, 0, NULL},
	{VMT_CAP_VIEWS, ON_VMX, 0, 0, NULL},
	{VMT_CAP_FAST_SINGLESTEP, ON_VMX, 0, 0, NULL},
	{VMT_CAP_IGNORE_WALKS, ON_VMX, 4, 20, "Xen 4.20 and later, on CPUs with EPT paging-write"},
	{VMT_CAP_EMULATE, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_INJECT, ON_BOTH, 0, 0, NULL},
	{VMT_CAP_ALLOC, ON_BOTH, 0, 0, NULL},
};

#define NNEEDS (sizeof(needs) / sizeof(needs[0]))

static bool new_enough(const struct need *need, const struct vmt_xen_version *xen)
{
	return xen->major > need->major || (xen->major == need->major && xen->minor >= need->minor);
}

uint32_t vmt_xen_capabilities(const struct vmt_xen_version *xen, uint32_t vendor)
{
	uint32_t all = 0;

	for (size_t i = 0; i < NNEEDS; i++) {
		if ((needs[i].vendors & (1u << vendor)) && new_enough(&needs[i], xen))
			all |= needs[i].capability;
	}
	return all;
}

const char *vmt_xen_who_has(uint32_t capability, const struct vmt_xen_version *xen, uint32_t vendor)
{
	for (size_t i = 0; i < NNEEDS; i++) {
		if (needs[i].capability != capability)
			continue;
		if (!(needs[i].vendors & (1u << vendor)))
			return "Xen on Intel CPUs (VMX)";
		if (!new_enough(&needs[i], xen))
			return needs[i].since;
	}
	return "a domain with it switched on";
}
