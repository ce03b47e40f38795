/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session, as a handler sees it: what it can ask of the domain while it is called.
 *
 * Calls are allowed from create to cleanup, inside a callback and on its thread only; elsewhere
 * they are refused with -VMT_E_WRONG_PLACE. Results are 0 (or what the call says) or a negative
 * enum vmt_status, with the reason in vmt_error_of(). Memory has a header of its own, memory.h;
 * those who run sessions read run.h.
 *
 * Everything that a handler may depend on goes through the session: memory, time, randomness,
 * options and files. What it takes from elsewhere cannot be recorded, and will differ at replay.
 */
#ifndef VMITAPE_SESSION_H
#define VMITAPE_SESSION_H

#include <vmitape/driver.h>
#include <vmitape/event.h>
#include <vmitape/memory.h>
#include <vmitape/registers.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_session;

/** The last failure of a session call, or of the session itself. Never NULL; status 0: none. */
VMT_API const struct vmt_error *vmt_error_of(const struct vmt_session *s);

/**
 * For callbacks that return int: note why the handler fails and return -VMT_E_HANDLER.
 *
 *     return vmt_session_fail(s, "no int3 at %#lx: is this the right kernel?", addr);
 */
VMT_API int vmt_session_fail(struct vmt_session *s, const char *fmt, ...) VMT_PRINTF(2, 3);

/**
 * The domain as it is now: vCPUs, memory, capabilities, Xen version. Its time is that of the
 * callback, vmt_now().
 */
VMT_API int vmt_domain_info(struct vmt_session *s, struct vmt_info *info);

/* -------------------------------------------------------------------------------------------- */
/* Monitors                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/**
 * Switch on events of one kind. On already: -VMT_E_EXISTS. Not there on this hypervisor:
 * -VMT_E_NOT_SUPPORTED, with since when.
 */
VMT_API int vmt_monitor_enable(struct vmt_session *s, const struct vmt_monitor *monitor);
VMT_API int vmt_monitor_disable(struct vmt_session *s, const struct vmt_monitor *monitor);

/**
 * The same in one line each; all synchronous, CR and MSR on change only, which is what handlers
 * nearly always want.
 */
VMT_API int vmt_monitor_cr(struct vmt_session *s, enum vmt_cr cr);
VMT_API int vmt_monitor_msr(struct vmt_session *s, uint32_t msr);
VMT_API int vmt_monitor(struct vmt_session *s,
			enum vmt_monitor_kind kind); /**< kinds without a @what */

/**
 * Ask for VMT_DENY. In create only, and before async CR or MSR monitors, which it excludes: CR and
 * MSR writes then wait for the response. Without it a write is carried out when its event is sent,
 * so that vmt_get_regs shows the new value while the event's registers still show the old. Xen:
 * XEN_DOMCTL_MONITOR_OP_CONTROL_REGISTERS.
 */
VMT_API int vmt_deny_enable(struct vmt_session *s);

/* -------------------------------------------------------------------------------------------- */
/* Rights and views                                                                             */
/* -------------------------------------------------------------------------------------------- */

VMT_API int vmt_get_access(struct vmt_session *s, vmt_view view, vmt_gfn gfn,
			   struct vmt_access *access);
VMT_API int vmt_set_access(struct vmt_session *s, vmt_view view, vmt_gfn gfn,
			   struct vmt_access access);

/**
 * Set @count pages from @gfn on. On failure those before the failing page are set; @done (may be
 * NULL) tells how many.
 */
VMT_API int vmt_set_access_range(struct vmt_session *s, vmt_view view, vmt_gfn gfn, uint64_t count,
				 struct vmt_access access, uint64_t *done);

/** Make a view in which pages have @access until set otherwise. No vCPU is in it yet. */
VMT_API int vmt_view_create(struct vmt_session *s, struct vmt_access access, vmt_view *view);

/**
 * -VMT_E_NOT_FOUND: no such view; -VMT_E_BUSY: a vCPU is in it. View 0 cannot be destroyed:
 * -VMT_E_INVALID.
 */
VMT_API int vmt_view_destroy(struct vmt_session *s, vmt_view view);

/** Put all vCPUs into @view. For one vCPU use the response. */
VMT_API int vmt_view_switch(struct vmt_session *s, vmt_view view);

/**
 * In @view, show the page @to at @from. This sets the rights of @from in the view to those of @to
 * there. Not for view 0. vmt_view_unmap undoes it.
 */
VMT_API int vmt_view_remap(struct vmt_session *s, vmt_view view, vmt_gfn from, vmt_gfn to);
VMT_API int vmt_view_unmap(struct vmt_session *s, vmt_view view, vmt_gfn from);

/* -------------------------------------------------------------------------------------------- */
/* Pages, vCPUs, the domain                                                                     */
/* -------------------------------------------------------------------------------------------- */

/**
 * Give the domain a new zeroed page of the handler's own. @gfn in: where, or VMT_GFN_ANY; out:
 * where it is. Freed at the end.
 */
VMT_API int vmt_alloc_gfn(struct vmt_session *s, vmt_gfn *gfn);
VMT_API int vmt_free_gfn(struct vmt_session *s, vmt_gfn gfn);

/**
 * All registers of a vCPU, which may run meanwhile: pause first for a consistent set. They differ
 * from an event's.
 */
VMT_API int vmt_get_regs(struct vmt_session *s, uint16_t vcpu, struct vmt_regs *regs);
VMT_API int vmt_set_regs(struct vmt_session *s, uint16_t vcpu, const struct vmt_regs *regs);

/**
 * Inject an exception or interrupt, delivered when the vCPU runs next. One is pending already:
 * -VMT_E_BUSY.
 */
VMT_API int vmt_inject(struct vmt_session *s, uint16_t vcpu, const struct vmt_interrupt *interrupt);

/** A page fault as a CPU would raise it: vector 14, CR2 = @address. */
VMT_API struct vmt_interrupt vmt_page_fault(vmt_gva address, uint32_t error_code);

/**
 * Pauses nest; the domain runs again when each has been resumed. What a handler leaves paused, the
 * session resumes at the end.
 */
VMT_API int vmt_pause(struct vmt_session *s);
VMT_API int vmt_resume(struct vmt_session *s);

/** A pause that ends with its scope. */
struct vmt_pause_guard {
	struct vmt_session *session;
	int result; /**< of vmt_pause */
};
VMT_API struct vmt_pause_guard vmt_pause_guard_init(struct vmt_session *s);
VMT_API void vmt_pause_guard_finish(struct vmt_pause_guard *guard);

/** VMT_PAUSED(guard, session); if (guard.result < 0) return guard.result; */
#define VMT_PAUSED(name, session)                                                      \
	__attribute__((cleanup(vmt_pause_guard_finish))) struct vmt_pause_guard name = \
		vmt_pause_guard_init(session)

/** Events that wait to be delivered; and the time spent with events so far, ns. */
VMT_API int vmt_events_pending(struct vmt_session *s, uint32_t *n);
VMT_API int vmt_overhead(struct vmt_session *s, uint64_t *ns);

/* -------------------------------------------------------------------------------------------- */
/* Time, randomness, options, files, logs                                                       */
/* -------------------------------------------------------------------------------------------- */

/**
 * The time stamp of this callback, in ns since an epoch of the backend's. Constant inside a
 * callback, never going back.
 */
VMT_API uint64_t vmt_now(const struct vmt_session *s);

/**
 * Call handle_timeout no later than @ns (as vmt_now), even when events keep coming. One time can be
 * set; 0 takes it back.
 */
VMT_API void vmt_wake_at(struct vmt_session *s, uint64_t ns);

/**
 * 64 random bits: a function of the session's seed, the callback's number and how many were drawn
 * in it before. Not for secrets.
 */
VMT_API uint64_t vmt_random(struct vmt_session *s);

/** The number of this callback. */
VMT_API uint64_t vmt_callback_number(const struct vmt_session *s);

/**
 * The value of a declared option, as given or its default; NULL when it has none, or is not
 * declared.
 */
VMT_API const char *vmt_option(const struct vmt_session *s, const char *name);
VMT_API uint64_t
vmt_option_u64(const struct vmt_session *s,
	       const char *name); /**< checked when the session began; 0 without value */
VMT_API bool vmt_option_bool(const struct vmt_session *s, const char *name);

/**
 * Read a whole file, for configuration or symbols. @data is the session's: valid until destroy; the
 * same path read again gives the same bytes without touching the disk, so that a recording has one
 * truth. -VMT_E_LIMIT when longer than @max bytes.
 */
VMT_API int vmt_file_read(struct vmt_session *s, const char *path, size_t max, const void **data,
			  size_t *len);

enum vmt_log_level {
	VMT_LOG_ERROR = 1,
	VMT_LOG_WARNING = 2,
	VMT_LOG_INFO = 3,
	VMT_LOG_DEBUG = 4,
};

/** A line for people. Logs are not outputs and are not compared. */
VMT_API void vmt_log(struct vmt_session *s, enum vmt_log_level level, const char *fmt, ...)
	VMT_PRINTF(3, 4);

/**
 * Ask the session to end: the handler's handle_interrupted is called at the next wait or between
 * two events. The one call that is safe from any thread and from signal handlers. Valid from
 * vmt_session_create to vmt_session_destroy.
 */
VMT_API void vmt_session_stop(struct vmt_session *s);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_SESSION_H */
