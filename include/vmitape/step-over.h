/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stepping over: let a vCPU execute the one instruction that something stopped, and go on watching.
 *
 * A page whose rights stop the guest in one view is as usual in another, the plain view. So the
 * vCPU executes one instruction there and comes back. Where the hypervisor has fast steps this is
 * one response; elsewhere it is a single step, whose event brings the vCPU back:
 *
 *     if (vmt_step_over_event(over, ctx, &response) > 0)
 *             return response;                 // the end of a step that was begun below
 *     ...
 *     return vmt_step_over(over, ctx);         // a memory access that is to go on
 *
 * While a vCPU is stepped over, its single-step events belong to this object: do not step the same
 * vCPU for another purpose at the same time.
 *
 * An instruction that leaves the guest by itself (CPUID, VMCALL, port I/O, a watched write of a CR
 * or MSR) is carried out by the hypervisor, and a CPU counts its step only with the next one (VMX's
 * monitor trap flag). So that one is executed in the plain view too, and a breakpoint on it is not
 * hit.
 */
#ifndef VMITAPE_STEP_OVER_H
#define VMITAPE_STEP_OVER_H

#include <vmitape/handler.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_step_over;

/**
 * Make one. @plain is a view in which nothing hinders the guest, usually 0. The single-step monitor
 * is switched on, unless it is on already. On failure (negative, reason in vmt_error_of()) nothing
 * was made: -VMT_E_NOT_SUPPORTED where the hypervisor cannot single-step.
 */
VMT_API int vmt_step_over_create(struct vmt_session *s, vmt_view plain,
				 struct vmt_step_over **over);

/**
 * Free it; NULL is allowed. Asks nothing of the domain: the session undoes what is under way. So it
 * is for the handler's destroy, and the monitor stays on until then.
 */
VMT_API void vmt_step_over_destroy(struct vmt_step_over *over);

/**
 * The response to the event of @ctx that lets its instruction be executed in the plain view, and
 * the vCPU go on in the event's view. In the drain it is "continue", for nothing stops the vCPU any
 * more. An event that came in the plain view itself gives vmt_fail(): a step there would stop
 * again.
 */
VMT_API struct vmt_response vmt_step_over(struct vmt_step_over *over, struct vmt_ctx *ctx);

/**
 * The same as a single step, also where fast steps are there: for those who need to be called when
 * the instruction is done, by vmt_step_over_event().
 */
VMT_API struct vmt_response vmt_step_over_slowly(struct vmt_step_over *over, struct vmt_ctx *ctx);

/**
 * Is the event of @ctx the end of a step that was begun here? 1: yes, and *@response brings the
 * vCPU back to its view. 0: no, nothing was done.
 */
VMT_API int vmt_step_over_event(struct vmt_step_over *over, struct vmt_ctx *ctx,
				struct vmt_response *response);

/**
 * @view is about to be destroyed: vCPUs that are being stepped over and would come back to it stay
 * in the plain view.
 */
VMT_API void vmt_step_over_forget_view(struct vmt_step_over *over, vmt_view view);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_STEP_OVER_H */
