/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A dry run of the emulated vCPU: which pages the effect of a response will touch. For recorders, so
 * that what a replay will need is what was recorded.
 *
 *     vmt_dry_run_create(&dry, &err);
 *     config.context = vmt_dry_run_pages;
 *     config.context_arg = dry;
 *     vmt_recorder_create(inner, &config, &d, &err);
 */
#ifndef VMITAPE_DRY_RUN_H
#define VMITAPE_DRY_RUN_H

#include <vmitape/driver.h>
#include <vmitape/event.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_dry_run;

/** -VMT_E_NO_MEMORY. Without the module of the emulation, fewer instructions can be run dry. */
VMT_API int vmt_dry_run_create(struct vmt_dry_run **dry, struct vmt_error *err);
VMT_API void vmt_dry_run_destroy(struct vmt_dry_run *dry); /**< NULL is allowed */

/**
 * Run what @rsp to @ev leads to: the instruction at RIP, with page walks, and the delivery of what it
 * raises, up to the first instruction after it. @context adds registers that the event lacks; NULL:
 * none. @page is asked for each page that is touched, once: its 4096 bytes, valid until the next call
 * of it, or NULL when it cannot be read, which ends the run. Pages are those of the guest's own map:
 * what a view shows in their place is the handler's.
 *
 * @dry is a struct vmt_dry_run; a vmt_context_fn (record.h). Nothing is changed.
 */
VMT_API void vmt_dry_run_pages(void *dry, const struct vmt_event *ev,
			       const struct vmt_response *rsp,
			       const struct vmt_vcpu_context *context,
			       const uint8_t *(*page)(void *to, vmt_gfn gfn), void *to);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_DRY_RUN_H */
