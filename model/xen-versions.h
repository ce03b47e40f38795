/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each Xen release and each CPU vendor lacks, as a table.
 *
 * A difference between releases that a monitor can notice is a column here, with its source beside
 * it in xen-versions.c; code asks the row, never the number.
 */
#ifndef VMITAPE_MODEL_XEN_VERSIONS_H
#define VMITAPE_MODEL_XEN_VERSIONS_H

#include <vmitape/driver.h>

enum vmt_cpu_vendor {
	VMT_CPU_VMX = 0, /**< Intel: VMX and EPT */
	VMT_CPU_SVM = 1, /**< AMD: SVM and NPT; no mem_access, altp2m or MTF in Xen */
	VMT_CPU_VENDOR_COUNT
};

/** A release of Xen, as a monitor sees it. */
struct vmt_xen_version {
	uint16_t major, minor;
	uint16_t views;         /**< how many views, view 0 included, unless configured otherwise */
	uint16_t max_views;     /**< the most that can be configured */
	bool io_event;          /**< VM_EVENT_REASON_IO_INSTRUCTION */
	bool fast_step_alone;   /**< a fast step works with the single-step monitor off */
	bool walk_rights;       /**< XENMEM_access_r_pw */
	bool lazy_view_default; /**< entries copied on a fault get the view's default rights */
	bool prepopulate_default; /**< so do superpages that are copied beforehand */
	bool idle_view_guard;     /**< violations in emulation read no view while altp2m is off */
	bool domain_getinfo; /**< libxenctrl has xc_domain_getinfo (else xc_domain_getinfo_single) */
	uint16_t access_default; /**< the number of XENMEM_access_default */
	uint16_t domctl_version; /**< XEN_DOMCTL_INTERFACE_VERSION */
};

/** The rows, from the oldest release to the newest, and how many there are. */
extern const struct vmt_xen_version vmt_xen_versions[];
extern const size_t vmt_xen_nversions;

/** The row of @major.@minor, or NULL. */
const struct vmt_xen_version *vmt_xen_version_find(unsigned major, unsigned minor);

/** What a domain on this Xen and CPU can do: enum vmt_capability bits. */
uint32_t vmt_xen_capabilities(const struct vmt_xen_version *xen, uint32_t vendor);

/**
 * Who has @capability (one bit) when @xen on @vendor has not: "Xen 4.18 and later", "Xen on Intel
 * CPUs only". For the sentence of a refusal. Never NULL.
 */
const char *vmt_xen_who_has(uint32_t capability, const struct vmt_xen_version *xen,
			    uint32_t vendor);

#endif /* VMITAPE_MODEL_XEN_VERSIONS_H */
