/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The handler interface: the one header that a handler includes.
 *
 * A handler watches a domain. It is a table of callbacks; only handle_event is required. The
 * session calls them, one at a time, on one thread:
 *
 *     create                     once; the domain is paused. Monitors, views, breakpoints.
 *     poll                       before the first wait, and after each event, timeout and interrupt
 *     handle_event               for each event; its response tells how the vCPU goes on
 *     handle_timeout             no event came in time, or the time given to vmt_wake_at has come
 *     handle_interrupted         a stop was asked for; one more poll follows
 *     cleanup                    once, before monitoring is torn down; the domain is paused
 *     handle_event (drain)       for events that were on their way; vmt_phase_of() tells
 *     destroy                    last
 *
 * The whole interface in a page: handlers/tiny.c. A handler never sees which backend it runs on.
 *
 * Source of the contract: vmi-rs crates/vmi-core/src/handler.rs and ctx/session.rs.
 */
#ifndef VMITAPE_HANDLER_H
#define VMITAPE_HANDLER_H

#include <vmitape/driver.h>
#include <vmitape/emission.h>
#include <vmitape/event.h>
#include <vmitape/memory.h>
#include <vmitape/registers.h>
#include <vmitape/session.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMT_HANDLER_ABI 1u

/** One event, being handled. Valid inside one handle_event. */
struct vmt_ctx;

enum vmt_phase {
	VMT_PHASE_CREATE = 1,
	VMT_PHASE_LOOP = 2,
	VMT_PHASE_CLEANUP = 3,
	/**
	 * After cleanup: monitoring is off, only VMT_CONTINUE, VMT_REINJECT and registers are
	 * honoured.
	 */
	VMT_PHASE_DRAIN = 4,
	VMT_PHASE_OVER = 5,
};

VMT_API struct vmt_session *vmt_session_of(struct vmt_ctx *ctx);

/** The event. It may grow at its end in later versions. Valid until handle_event returns. */
VMT_API const struct vmt_event *vmt_event_of(const struct vmt_ctx *ctx);

/** A scratch copy of the event's general registers, to edit and pass to vmt_with_regs(). */
VMT_API struct vmt_gprs *vmt_gprs_of(struct vmt_ctx *ctx);

/**
 * The address space of the event's vCPU. When its registers are not known, calls in it fail with
 * -VMT_E_INVALID.
 */
VMT_API struct vmt_space vmt_space_of(const struct vmt_ctx *ctx);

VMT_API enum vmt_phase vmt_phase_of(const struct vmt_ctx *ctx);

/**
 * Continue with RIP past the instruction that stopped: INT3, CPUID, VMCALL, IN and OUT, and
 * descriptor-table instructions are skipped by their length (I/O and descriptor ones are decoded
 * from memory). The edits in vmt_gprs_of() are kept; RAX of a VMCALL that was not edited becomes its
 * result, 0, which the event's registers do not show. For other events, or when the bytes cannot be
 * read or the event does not tell all general registers, this is a vmt_fail() that says why.
 */
VMT_API struct vmt_response vmt_skip(struct vmt_ctx *ctx);

/**
 * The handler cannot go on: the session answers this event by default, tears down and ends as
 * "handler failed".
 */
VMT_API struct vmt_response vmt_fail(struct vmt_ctx *ctx, const char *fmt, ...) VMT_PRINTF(2, 3);

/* -------------------------------------------------------------------------------------------- */
/* The handler                                                                                  */
/* -------------------------------------------------------------------------------------------- */

enum vmt_option_type {
	VMT_OPTION_TEXT = 0,
	VMT_OPTION_U64 = 1,  /**< decimal, or hexadecimal with 0x */
	VMT_OPTION_BOOL = 2, /**< yes, no, true, false, 1, 0 */
};

/** An option that a handler takes: `-O name=value`. */
struct vmt_option_decl {
	const char *name;          /**< NULL ends the list */
	uint32_t type;             /**< enum vmt_option_type */
	uint32_t required;         /**< 1: no session without it */
	const char *default_value; /**< or NULL */
	const char *help;          /**< one sentence */
};

struct vmt_handler_ops {
	uint32_t abi;  /**< VMT_HANDLER_ABI */
	uint32_t size; /**< sizeof(struct vmt_handler_ops); the struct grows at its end */
	const char *name;
	const char *version;
	const char *summary;                     /**< one sentence, or NULL */
	const struct vmt_option_decl *options;   /**< or NULL */
	const struct vmt_schema *const *schemas; /**< NULL-terminated, or NULL */

	/**
	 * Make the handler, store it in @self. The domain is paused. On failure (negative) the
	 * session undoes what was done and ends; neither cleanup nor destroy follow, so free what
	 * you made. NULL: @self is NULL.
	 */
	int (*create)(struct vmt_session *s, void **self);

	/** Required. Answer one event. */
	struct vmt_response (*handle_event)(void *self, struct vmt_ctx *ctx);

	/** 0, or negative: the handler failed. */
	int (*handle_timeout)(void *self, struct vmt_session *s);

	/** A stop was asked for. One more poll follows, then the teardown. */
	void (*handle_interrupted)(void *self, struct vmt_session *s);

	/**
	 * Once, before monitoring is torn down, whatever ended the session. The domain is paused.
	 */
	void (*cleanup)(void *self, struct vmt_session *s);

	/**
	 * Has the handler finished? 1: yes, with what it gave to vmt_output() if anything; never
	 * called again. 0: go on. Negative: it failed. Must not change the handler, and has no
	 * session: what it tells is a function of what was seen.
	 */
	int (*poll)(const void *self, struct vmt_record *out);

	/** Last, after the drain. */
	void (*destroy)(void *self);
};

/** The one symbol of a handler that is a shared object. */
extern VMT_API const struct vmt_handler_ops vmt_handler;

/**
 * Define the handler's table: VMT_HANDLER_DEFINE(tiny) = {.abi = VMT_HANDLER_ABI, ...}; It is the
 * symbol vmt_handler; where vmitape bundles the handler it is compiled with -DVMT_BUNDLED, and is
 * vmt_handler_tiny.
 */
#ifdef VMT_BUNDLED
#define VMT_HANDLER_DEFINE(name)                                \
	extern const struct vmt_handler_ops vmt_handler_##name; \
	const struct vmt_handler_ops vmt_handler_##name
#else
#define VMT_HANDLER_DEFINE(name) const struct vmt_handler_ops vmt_handler
#endif

/** Check a handler's table: ABI, size, name, schemas, options, the required callback. */
VMT_API int vmt_handler_check(const struct vmt_handler_ops *ops, struct vmt_error *err);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_HANDLER_H */
