/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a backend implements: the one interface between a session and a domain.
 *
 * A driver is used by one thread. Each call returns 0 (or what it says) or a negative enum
 * vmt_status, with the reason in the driver's `err`. Only wait() and settle() block. A NULL op
 * answers -VMT_E_NOT_SUPPORTED. Reads copy: no mapping of guest memory leaves a driver.
 *
 * Events are pulled: wait() until some are there, next() takes one, answer() stores its response,
 * commit() lets the responses take effect. What is not taken stays on the ring.
 *
 *     wait -> (next -> answer)* -> commit
 *
 * A driver that wraps another (the recorder, the fault injector) has the same ops and calls the
 * inner driver through the vmt_driver_*() functions below, which is also what the session does:
 * they supply what a NULL op answers, check arguments and keep `err` clean.
 *
 * Numbers in brackets: vmi-rs's driver traits (crates/vmi-core/src/driver.rs), whose 27 calls fold
 * into these.
 */
#ifndef VMITAPE_DRIVER_H
#define VMITAPE_DRIVER_H

#include <vmitape/event.h>
#include <vmitape/registers.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vmt_driver;

/* -------------------------------------------------------------------------------------------- */
/* What a domain is                                                                             */
/* -------------------------------------------------------------------------------------------- */

enum vmt_arch {
	VMT_ARCH_X86_64 = 1,
};

/** What this backend can do with this domain. Bits of vmt_info.capabilities; they never change. */
enum vmt_capability {
	VMT_CAP_MONITOR_CR = 1 << 0,
	VMT_CAP_MONITOR_MSR = 1 << 1,
	VMT_CAP_MONITOR_BREAKPOINT = 1 << 2,
	VMT_CAP_MONITOR_DEBUG = 1 << 3,
	VMT_CAP_MONITOR_SINGLESTEP = 1 << 4,
	VMT_CAP_MONITOR_HYPERCALL = 1 << 5,
	VMT_CAP_MONITOR_CPUID = 1 << 6,
	VMT_CAP_MONITOR_IO = 1 << 7,
	VMT_CAP_MONITOR_DESCRIPTOR = 1 << 8,
	VMT_CAP_MONITOR_VMEXIT = 1 << 9,
	VMT_CAP_NEXT_INTERRUPT = 1 << 10,
	VMT_CAP_DENY = 1 << 11,
	VMT_CAP_MEMORY_ACCESS = 1 << 12, /**< rights in view 0 */
	VMT_CAP_VIEWS = 1 << 13,
	VMT_CAP_FAST_SINGLESTEP = 1 << 14,
	VMT_CAP_IGNORE_WALKS = 1 << 15,
	VMT_CAP_EMULATE = 1 << 16,
	VMT_CAP_INJECT = 1 << 17,
	VMT_CAP_ALLOC = 1 << 18,
};

/** "views (altp2m)", ...: for reports. @bit is one enum vmt_capability. Never NULL. */
VMT_API const char *vmt_capability_name(unsigned bit);

/**
 * The domain and its backend as they are now; only @max_gfn and @now change while a session lasts.
 */
struct vmt_info {
	uint32_t arch;         /**< enum vmt_arch */
	uint32_t capabilities; /**< enum vmt_capability bits */
	uint16_t vcpus;
	uint16_t views; /**< how many views there can be at once, view 0 included */
	uint16_t xen_major,
		xen_minor; /**< the Xen that is there or whose behaviour is shown; 0.0: none */
	uint64_t max_gfn;  /**< the largest gfn of the guest's memory map, in pages */
	uint64_t now;      /**< ns since an epoch of the backend's own */
	uint64_t seed;     /**< of the session's random numbers */
	char backend[16];  /**< "xen", "emulated", "replay", "scripted" */
	char domain[64];   /**< name or number, for people */
};

/* -------------------------------------------------------------------------------------------- */
/* Monitors                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/** Kinds of events that must be switched on. Memory access needs none: rights cause it. */
enum vmt_monitor_kind {
	VMT_MONITOR_CR = 1,         /**< @what: enum vmt_cr */
	VMT_MONITOR_MSR = 2,        /**< @what: the MSR's number */
	VMT_MONITOR_BREAKPOINT = 3, /**< INT3 */
	VMT_MONITOR_DEBUG = 4,      /**< debug exceptions */
	VMT_MONITOR_SINGLESTEP = 5,
	VMT_MONITOR_HYPERCALL = 6,
	VMT_MONITOR_CPUID = 7,
	VMT_MONITOR_IO = 8,
	VMT_MONITOR_DESCRIPTOR = 9,
	VMT_MONITOR_VMEXIT = 10,
	VMT_MONITOR_EMUL_UNIMPLEMENTED = 11,
	/** Not an event: CR and MSR writes wait for the response, so that VMT_DENY can work. */
	VMT_MONITOR_DEFERRED_WRITES = 12,
	VMT_MONITOR_KIND_COUNT
};

enum vmt_monitor_flag {
	/** Tell, do not stop: CR, DEBUG, HYPERCALL and VMEXIT. Xen always stops for the others. */
	VMT_MONITOR_ASYNC = 1,
	VMT_MONITOR_ON_CHANGE = 2, /**< CR, MSR: only when the value changes */
	VMT_MONITOR_USERSPACE = 4, /**< HYPERCALL: also from user mode */
};

struct vmt_monitor {
	uint32_t kind;  /**< enum vmt_monitor_kind */
	uint32_t what;  /**< CR or MSR */
	uint32_t flags; /**< enum vmt_monitor_flag */
	uint32_t reserved;
	uint64_t ignore; /**< CR: writes that change only these bits give no event; Xen's bitmask */
};

/** "cr3", "msr 0xc0000082", "breakpoint", ...: at most @cap bytes with NUL. Returns @buf. */
VMT_API const char *vmt_monitor_format(const struct vmt_monitor *monitor, char *buf, size_t cap);

/* -------------------------------------------------------------------------------------------- */
/* Waiting                                                                                      */
/* -------------------------------------------------------------------------------------------- */

enum vmt_wait_outcome {
	VMT_WAIT_EVENTS = 0, /**< @pending events are there; may be 0: a spurious wake-up */
	VMT_WAIT_TIMEOUT = 1,
	VMT_WAIT_STOPPED = 2, /**< the eventfd of stop_fd() was written to */
	VMT_WAIT_GONE = 3,    /**< the domain was destroyed, crashed or shut down */
	VMT_WAIT_END_OF_TRACE = 4,
};

struct vmt_wait {
	uint32_t outcome; /**< enum vmt_wait_outcome */
	uint32_t pending;
	uint64_t now; /**< ns, as vmt_info.now; never goes back */
};

/**
 * The parts of a vCPU that no event carries: what emulation needs besides. For capture, not for
 * handlers.
 */
struct vmt_vcpu_context {
	struct vmt_regs regs;
	uint8_t fxsave[512];   /**< FXSAVE image: x87, MMX, SSE */
	uint64_t tsc;          /**< the guest's time-stamp counter; 0: not known */
	uint32_t fxsave_known; /**< 0 or 1 */
	uint32_t reserved;
};

/* -------------------------------------------------------------------------------------------- */
/* The operations                                                                               */
/* -------------------------------------------------------------------------------------------- */

struct vmt_driver_ops {
	uint32_t size; /**< sizeof(struct vmt_driver_ops) of the implementer */
	const char *name;

	/**
	 * Release everything, whatever happened before: what detach() would have done is done.
	 * Frees the driver. The domain is left as it was found. Never fails.
	 */
	void (*close)(struct vmt_driver *d);

	/** Describe the domain as it is now [info]. */
	int (*info)(struct vmt_driver *d, struct vmt_info *info);

	/* Events */

	/**
	 * Block until events are there, the time is up (@timeout_ms, 0 or more; -1: for ever), a
	 * stop was asked for or the domain is gone [wait_for_event]. An interrupted system call is
	 * not an outcome: the driver goes on with the time that remains.
	 */
	int (*wait)(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait);

	/**
	 * Take the next event: 1 and @ev filled, or 0 when none is there. Each event taken is
	 * answered exactly once.
	 */
	int (*next)(struct vmt_driver *d, struct vmt_event *ev);

	/**
	 * Store the response to an event that was taken. The response's registers and data are
	 * copied. When it fails (a response that the hypervisor would not do rightly is refused),
	 * the event is still to be answered.
	 */
	int (*answer)(struct vmt_driver *d, const struct vmt_event *ev,
		      const struct vmt_response *rsp);

	/** Let all stored responses take effect. */
	int (*commit)(struct vmt_driver *d);

	/** How many events wait to be taken [events_pending]. */
	int (*pending)(struct vmt_driver *d, uint32_t *n);

	/** Time spent with events, ns, summed up [event_processing_overhead]. */
	int (*overhead)(struct vmt_driver *d, uint64_t *ns);

	/**
	 * Switch a monitor on or off [monitor_enable, monitor_disable]. On twice: -VMT_E_EXISTS.
	 */
	int (*monitor)(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on);

	/* Memory: view 0's guest-physical bytes. @offset + @len never leaves the page. */

	int (*read)(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf,
		    uint32_t len); /* [read_page] */
	int (*write)(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		     uint32_t len); /* [write_page] */

	/**
	 * Give the domain a new zeroed page. @gfn in: where, or VMT_GFN_ANY; out: where it is
	 * [allocate_gfn, _at].
	 */
	int (*alloc_gfn)(struct vmt_driver *d, vmt_gfn *gfn);
	int (*free_gfn)(struct vmt_driver *d, vmt_gfn gfn);

	/** Rights of a page in a view [memory_access]. */
	int (*get_access)(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
			  struct vmt_access *access);

	/**
	 * Set the rights of @count pages from @gfn on. @done: how many were set, also on failure
	 * [set_memory_access].
	 */
	int (*set_access)(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
			  struct vmt_access access, uint64_t *done);

	/* Views */

	int (*create_view)(struct vmt_driver *d, struct vmt_access access, vmt_view *view);
	int (*destroy_view)(struct vmt_driver *d,
			    vmt_view view); /**< -VMT_E_BUSY while a vCPU is in it */
	int (*switch_view)(struct vmt_driver *d, vmt_view view); /**< all vCPUs */

	/**
	 * In @view, let @from show the page @to; VMT_GFN_ANY undoes it [change_view_gfn,
	 * reset_view_gfn].
	 */
	int (*remap_gfn)(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to);

	/* vCPUs */

	int (*get_regs)(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs);

	/**
	 * Set the known fields of @regs; a known field that cannot be set is -VMT_E_NOT_SUPPORTED
	 * and nothing is set.
	 */
	int (*set_regs)(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs);

	/** Registers and more, for capture. Not recorded as a handler's call. */
	int (*get_context)(struct vmt_driver *d, uint16_t vcpu, struct vmt_vcpu_context *context);

	/**
	 * Inject an exception or interrupt when the vCPU runs next; one pending already:
	 * -VMT_E_BUSY [inject_interrupt].
	 */
	int (*inject)(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt);

	/* Domain. Pauses nest in the driver, which holds at most one of the hypervisor's. */

	int (*pause)(struct vmt_driver *d);
	int (*resume)(struct vmt_driver *d); /**< one too many: -VMT_E_WRONG_PLACE */

	/**
	 * Undo the handler's footprint: own bytes (where they still stand), rights, monitors,
	 * deferred writes, view 0 for all vCPUs, stepping off. Goes on past errors and returns the
	 * first [reset_state]. Can be called again.
	 */
	int (*reset)(struct vmt_driver *d);

	/**
	 * Wait at most @timeout_ms until each vCPU that was answered has run or is blocked. Xen
	 * keeps what a response deferred (CR and MSR writes, registers) until the vCPU runs; a
	 * detach before that loses it.
	 */
	int (*settle)(struct vmt_driver *d, int timeout_ms);

	/**
	 * Disable the ring, destroy views, free own pages. After it only info() and close() are of
	 * use. Can be called again.
	 */
	int (*detach)(struct vmt_driver *d);

	/**
	 * An eventfd, owned by the driver: writing to it ends a wait() with VMT_WAIT_STOPPED;
	 * wait() reads it empty.
	 */
	int (*stop_fd)(struct vmt_driver *d);
};

/** The base of each driver: its first member. */
struct vmt_driver {
	const struct vmt_driver_ops *ops;
	struct vmt_error err; /**< the last failure */
};

/* -------------------------------------------------------------------------------------------- */
/* Calling a driver                                                                             */
/* -------------------------------------------------------------------------------------------- */

/*
 * One function per op. A failed call has status, place and a sentence in d->err, also when the op
 * left it empty. Before the op is called: err is cleared; arguments that no driver could mean are
 * refused with -VMT_E_INVALID (a range that leaves its page, a NULL where a value is due, an
 * unknown monitor kind).
 */
VMT_API void vmt_driver_close(struct vmt_driver *d); /**< NULL is allowed */
VMT_API int vmt_driver_info(struct vmt_driver *d, struct vmt_info *info);
VMT_API int vmt_driver_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait);
VMT_API int vmt_driver_next(struct vmt_driver *d, struct vmt_event *ev);
VMT_API int vmt_driver_answer(struct vmt_driver *d, const struct vmt_event *ev,
			      const struct vmt_response *rsp);
VMT_API int vmt_driver_commit(struct vmt_driver *d);
VMT_API int vmt_driver_pending(struct vmt_driver *d, uint32_t *n);
VMT_API int vmt_driver_overhead(struct vmt_driver *d, uint64_t *ns);
VMT_API int vmt_driver_monitor(struct vmt_driver *d, const struct vmt_monitor *monitor, bool on);
VMT_API int vmt_driver_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf,
			    uint32_t len);
VMT_API int vmt_driver_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
			     uint32_t len);
VMT_API int vmt_driver_alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn);
VMT_API int vmt_driver_free_gfn(struct vmt_driver *d, vmt_gfn gfn);
VMT_API int vmt_driver_get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
				  struct vmt_access *access);
/** @done may be NULL; it is set to 0 before all else. */
VMT_API int vmt_driver_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
				  struct vmt_access access, uint64_t *done);
VMT_API int vmt_driver_create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view);
VMT_API int vmt_driver_destroy_view(struct vmt_driver *d, vmt_view view);
VMT_API int vmt_driver_switch_view(struct vmt_driver *d, vmt_view view);
VMT_API int vmt_driver_remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to);
VMT_API int vmt_driver_get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs);
VMT_API int vmt_driver_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs);
VMT_API int vmt_driver_get_context(struct vmt_driver *d, uint16_t vcpu,
				   struct vmt_vcpu_context *context);
VMT_API int vmt_driver_inject(struct vmt_driver *d, uint16_t vcpu,
			      const struct vmt_interrupt *interrupt);
VMT_API int vmt_driver_pause(struct vmt_driver *d);
VMT_API int vmt_driver_resume(struct vmt_driver *d);
VMT_API int vmt_driver_reset(struct vmt_driver *d);
VMT_API int vmt_driver_settle(struct vmt_driver *d, int timeout_ms);
VMT_API int vmt_driver_detach(struct vmt_driver *d);
VMT_API int vmt_driver_stop_fd(struct vmt_driver *d); /**< the fd, or negative */

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_DRIVER_H */
