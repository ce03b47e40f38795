/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A driver call as a value.
 *
 * The recorder, the fault injector and a call log all stand between a session and a driver and do
 * the same to each call: look at it, pass it on or not, look at the result. So a call can be made
 * into a value, passed around, and applied to a driver:
 *
 *     session -> vmt_call_driver (each op becomes a struct vmt_call) -> your function
 *             -> vmt_call_apply(inner, call)
 *
 * The op numbers are part of the trace format and never change.
 */
#ifndef VMITAPE_CALL_H
#define VMITAPE_CALL_H

#include <vmitape/driver.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vmt_call_op {
	VMT_CALL_INFO = 1,
	VMT_CALL_WAIT = 2,
	VMT_CALL_NEXT = 3,
	VMT_CALL_ANSWER = 4,
	VMT_CALL_COMMIT = 5,
	VMT_CALL_PENDING = 6,
	VMT_CALL_OVERHEAD = 7,
	VMT_CALL_MONITOR = 8,
	VMT_CALL_READ = 9,
	VMT_CALL_WRITE = 10,
	VMT_CALL_ALLOC_GFN = 11,
	VMT_CALL_FREE_GFN = 12,
	VMT_CALL_GET_ACCESS = 13,
	VMT_CALL_SET_ACCESS = 14,
	VMT_CALL_CREATE_VIEW = 15,
	VMT_CALL_DESTROY_VIEW = 16,
	VMT_CALL_SWITCH_VIEW = 17,
	VMT_CALL_REMAP_GFN = 18,
	VMT_CALL_GET_REGS = 19,
	VMT_CALL_SET_REGS = 20,
	VMT_CALL_GET_CONTEXT = 21,
	VMT_CALL_INJECT = 22,
	VMT_CALL_PAUSE = 23,
	VMT_CALL_RESUME = 24,
	VMT_CALL_RESET = 25,
	VMT_CALL_SETTLE = 26,
	VMT_CALL_DETACH = 27,
	VMT_CALL_OP_COUNT
};

/** "read", "set_access", ...; "unknown" for anything else. Never NULL. */
VMT_API const char *vmt_call_name(unsigned op);

/** The op called @name, or 0. */
VMT_API unsigned vmt_call_find(const char *name);

/**
 * Is @op an effect: does it change the domain? (write, monitor, set_access, create_view,
 * destroy_view, switch_view, remap_gfn, set_regs, inject, pause, resume, alloc_gfn, free_gfn)
 */
VMT_API bool vmt_call_is_effect(unsigned op);

/**
 * One call. Pointers are the caller's: results are stored through them. stop_fd is no call: it asks
 * nothing of the domain.
 */
struct vmt_call {
	uint32_t op; /**< enum vmt_call_op */
	int result;  /**< once applied */
	union {
		struct {
			struct vmt_info *info;
		} info;
		struct {
			int timeout_ms;
			struct vmt_wait *wait;
		} wait;
		struct {
			struct vmt_event *event;
		} next;
		struct {
			const struct vmt_event *event;
			const struct vmt_response *response;
		} answer;
		struct {
			uint32_t *n;
		} pending;
		struct {
			uint64_t *ns;
		} overhead;
		struct {
			const struct vmt_monitor *monitor;
			bool on;
		} monitor;
		struct {
			vmt_gfn gfn;
			uint32_t offset, len;
			void *buf;
		} read;
		struct {
			vmt_gfn gfn;
			uint32_t offset, len;
			const void *buf;
		} write;
		struct {
			vmt_gfn *gfn; /**< in and out */
		} alloc_gfn;
		struct {
			vmt_gfn gfn;
		} free_gfn;
		struct {
			vmt_view view;
			vmt_gfn gfn;
			struct vmt_access *access;
		} get_access;
		struct {
			vmt_view view;
			vmt_gfn gfn;
			uint64_t count;
			struct vmt_access access;
			uint64_t *done;
		} set_access;
		struct {
			struct vmt_access access;
			vmt_view *view;
		} create_view;
		struct {
			vmt_view view;
		} view; /**< destroy_view, switch_view */
		struct {
			vmt_view view;
			vmt_gfn from, to;
		} remap_gfn;
		struct {
			uint16_t vcpu;
			struct vmt_regs *regs;
		} get_regs;
		struct {
			uint16_t vcpu;
			const struct vmt_regs *regs;
		} set_regs;
		struct {
			uint16_t vcpu;
			struct vmt_vcpu_context *context;
		} get_context;
		struct {
			uint16_t vcpu;
			const struct vmt_interrupt *interrupt;
		} inject;
		struct {
			int timeout_ms;
		} settle;
	} u;
};

/** Make the call on @d. Returns and stores the result; the reason of a failure is in @d->err. */
VMT_API int vmt_call_apply(struct vmt_driver *d, struct vmt_call *call);

/**
 * "read(gfn 0x1f2, offset 16, length 8)": the arguments, for messages. At most @cap bytes with NUL.
 * Returns @buf.
 */
VMT_API const char *vmt_call_format(const struct vmt_call *call, char *buf, size_t cap);

/* -------------------------------------------------------------------------------------------- */
/* A driver made of one function                                                                */
/* -------------------------------------------------------------------------------------------- */

struct vmt_call_driver;

struct vmt_call_driver_ops {
	/**
	 * Answer the call: store its results, set call->result and return it. On failure fill
	 * d->driver.err.
	 */
	int (*call)(struct vmt_call_driver *d, struct vmt_call *call);
	int (*stop_fd)(struct vmt_call_driver *d);
	/** Release @d and what it owns. */
	void (*close)(struct vmt_call_driver *d);
};

/**
 * Embed as the first member; initialise with vmt_call_driver_init. Its address is also that of its
 * struct vmt_driver.
 */
struct vmt_call_driver {
	struct vmt_driver driver;
	const struct vmt_call_driver_ops *ops;
};

VMT_API void vmt_call_driver_init(struct vmt_call_driver *d, const struct vmt_call_driver_ops *ops);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_CALL_H */
