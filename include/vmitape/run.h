/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Running a handler: a session is a driver, a handler and the loop between them.
 *
 *     struct vmt_session_config config = {.driver = d, .handler = &vmt_handler};
 *     struct vmt_session *s;
 *     struct vmt_outcome outcome;
 *
 *     if (vmt_session_create(&config, &s, &err) == 0) {
 *             vmt_session_run(s, &outcome);
 *             vmt_session_destroy(s);
 *     }
 *
 * However a session ends (finished, interrupted, handler failed, driver failed), the teardown is
 * the same:
 *
 *   1. pause                       5. commit
 *   2. cleanup (if create did not fail)   6. release the session's own pauses
 *   3. reset the footprint         7. settle: until each answered vCPU has run or is blocked
 *   4. drain the events            8. detach: ring off, views and own pages gone
 *
 * A teardown call that fails is tried once more, then reported (vmt_outcome.teardown) and the rest
 * is still done.
 *
 * Whoever wants to see all of it (the recorder, statistics, progress) gives an observer.
 */
#ifndef VMITAPE_RUN_H
#define VMITAPE_RUN_H

#include <vmitape/driver.h>
#include <vmitape/emission.h>
#include <vmitape/event.h>
#include <vmitape/handler.h>
#include <vmitape/session.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- */
/* Observing                                                                                    */
/* -------------------------------------------------------------------------------------------- */

enum vmt_callback_kind {
	VMT_CALLBACK_CREATE = 1,
	VMT_CALLBACK_EVENT = 2,
	VMT_CALLBACK_TIMEOUT = 3,
	VMT_CALLBACK_INTERRUPTED = 4,
	VMT_CALLBACK_POLL = 5,
	VMT_CALLBACK_CLEANUP = 6,
};

/** "create", "event", ... Never NULL. */
VMT_API const char *vmt_callback_name(unsigned kind);

/** One invocation of the handler. */
struct vmt_callback {
	uint64_t number;               /**< from 0 */
	uint32_t kind;                 /**< enum vmt_callback_kind */
	uint32_t phase;                /**< enum vmt_phase */
	uint64_t now;                  /**< ns */
	const struct vmt_event *event; /**< EVENT only */
};

/** How a callback ended. */
struct vmt_callback_result {
	int result; /**< what it returned; EVENT: 0, or -VMT_E_HANDLER for VMT_FAIL */
	const struct vmt_response *response; /**< EVENT: what the handler returned */
	const struct vmt_record *output;     /**< POLL that returned 1 */
};

struct vmt_outcome;
struct vmt_observer;

/**
 * Told what a session does beside its driver calls. Any may be NULL. Arguments are valid during the
 * call only.
 */
struct vmt_observer_ops {
	uint32_t size;

	/** The session begins: handler, options in force, domain. */
	void (*begin)(struct vmt_observer *o, const struct vmt_session *s);
	/**
	 * Before and after each invocation of the handler. Driver calls of the handler come between
	 * the two.
	 */
	void (*callback)(struct vmt_observer *o, const struct vmt_callback *cb);
	void (*callback_end)(struct vmt_observer *o, const struct vmt_callback *cb,
			     const struct vmt_callback_result *r);
	/** An event was answered by the session itself, with the default answer. */
	void (*default_answer)(struct vmt_observer *o, const struct vmt_event *ev,
			       const struct vmt_response *rsp);
	void (*emission)(struct vmt_observer *o, const struct vmt_schema *schema,
			 const struct vmt_value *values, size_t n);
	void (*log)(struct vmt_observer *o, enum vmt_log_level level, const char *text);
	/**
	 * A file was read for the handler (once for each path). On failure @status is negative and
	 * @data NULL.
	 */
	void (*file)(struct vmt_observer *o, const char *path, int status, const void *data,
		     size_t len);
	/** Something failed: the handler, the driver, a step of the teardown. */
	void (*failure)(struct vmt_observer *o, const struct vmt_error *err);
	/**
	 * The teardown begins a step: "pause", "cleanup", "reset", "drain", "commit", "resume",
	 * "settle", "detach".
	 */
	void (*teardown)(struct vmt_observer *o, const char *step);
	void (*end)(struct vmt_observer *o, const struct vmt_outcome *outcome);
};

/** The base of each observer: its first member. */
struct vmt_observer {
	const struct vmt_observer_ops *ops;
};

/* -------------------------------------------------------------------------------------------- */
/* Configuration                                                                                */
/* -------------------------------------------------------------------------------------------- */

/** Where vmt_file_read gets its bytes from: the disk, a trace, a test. */
struct vmt_file_source;
struct vmt_file_source_ops {
	/**
	 * Give the whole file in memory that free() releases. 0 or a negative status with @err
	 * filled; longer than @max: -VMT_E_LIMIT.
	 */
	int (*read)(struct vmt_file_source *f, const char *path, size_t max, void **data,
		    size_t *len, struct vmt_error *err);
};
struct vmt_file_source {
	const struct vmt_file_source_ops *ops;
};

struct vmt_option {
	const char *name, *value;
};

#define VMT_TIMEOUT_DEFAULT_MS 5000
#define VMT_SETTLE_DEFAULT_MS  1000
#define VMT_OBSERVERS_MAX      8u

/** All pointers must live until vmt_session_destroy. 0 or NULL: the default. */
struct vmt_session_config {
	struct vmt_driver *driver;             /**< required; the session never closes it */
	const struct vmt_handler_ops *handler; /**< required */
	const struct vmt_option *options;
	size_t noptions;
	struct vmt_file_source *files; /**< NULL: vmt_file_read is refused */
	struct vmt_observer *const *observers;
	size_t nobservers; /**< at most VMT_OBSERVERS_MAX */
	int timeout_ms;    /**< until handle_timeout; 0: VMT_TIMEOUT_DEFAULT_MS; -1: never */
	int settle_ms;     /**< bound of teardown's step 7; 0: VMT_SETTLE_DEFAULT_MS */
	/** Bound on events answered in the drain; 0: 65536. More is a reported failure. */
	uint32_t drain_max;
};

/* -------------------------------------------------------------------------------------------- */
/* Running                                                                                      */
/* -------------------------------------------------------------------------------------------- */

enum vmt_end {
	VMT_END_NONE = 0,     /**< not over yet */
	VMT_END_FINISHED = 1, /**< poll said so */
	VMT_END_INTERRUPTED = 2,
	VMT_END_GONE = 3, /**< the domain went away or shut down */
	VMT_END_OF_TRACE = 4,
	VMT_END_HANDLER_FAILED = 5,
	VMT_END_DRIVER_FAILED = 6,
	VMT_END_CREATE_FAILED = 7, /**< the factory failed; the error tells whose failure it was */
};

/** "finished", "interrupted", ... Never NULL. */
VMT_API const char *vmt_end_name(unsigned end);

struct vmt_outcome {
	uint32_t end;               /**< enum vmt_end */
	uint32_t teardown_failures; /**< steps of the teardown that failed twice */
	uint64_t callbacks, events, timeouts, emissions;
	const struct vmt_record *output; /**< the result, or NULL. The session's */
	struct vmt_error error;          /**< why, for the failed ends */
	struct vmt_error teardown; /**< the first failure of the teardown, status 0: it was clean */
};

/**
 * Check the configuration, the handler's table and its options; make the session. Nothing is asked
 * of the domain but info. On failure @err (may be NULL) is filled: -VMT_E_ABI, -VMT_E_INVALID (also
 * an unknown or bad option), -VMT_E_NO_MEMORY.
 */
VMT_API int vmt_session_create(const struct vmt_session_config *config,
			       struct vmt_session **session, struct vmt_error *err);

/** Tears down first, when that was not done. NULL is allowed. Not from a callback. */
VMT_API void vmt_session_destroy(struct vmt_session *s);

/**
 * Run until the end, teardown included. @outcome (may be NULL) is filled in any case. 0 when the
 * end is FINISHED, INTERRUPTED, GONE or OF_TRACE and the teardown was clean; else the negative
 * status of @outcome->error or @outcome->teardown.
 */
VMT_API int vmt_session_run(struct vmt_session *s, struct vmt_outcome *outcome);

/**
 * For those who own their loop: begin (create), step (poll, one wait, its events), end (teardown).
 * run() is just
 *
 *     r = vmt_session_begin(s);
 *     while (r == 1)
 *             r = vmt_session_step(s);
 *     vmt_session_end(s, outcome);
 *
 * begin and step return 1 to go on, 0 when the session is over, negative when it failed.
 */
VMT_API int vmt_session_begin(struct vmt_session *s);
VMT_API int vmt_session_step(struct vmt_session *s);
VMT_API int vmt_session_end(struct vmt_session *s, struct vmt_outcome *outcome);

/** What a session is made of, for observers and tools. */
VMT_API const struct vmt_handler_ops *vmt_session_handler(const struct vmt_session *s);
VMT_API const struct vmt_info *
vmt_session_info(const struct vmt_session *s); /**< as it was at create */
/** The options in force, defaults included, in the order declared. */
VMT_API const struct vmt_option *vmt_session_options(const struct vmt_session *s, size_t *n);
VMT_API enum vmt_phase vmt_session_phase(const struct vmt_session *s);

/**
 * The answer that is safe for an event when no handler is there to decide, once monitoring is off:
 * continue for most, RIP past CPUID (its registers hold the result already), reinject for debug
 * exceptions. @gprs receives the registers where they are needed.
 */
VMT_API struct vmt_response vmt_default_answer(const struct vmt_event *ev, struct vmt_gprs *gprs);

/* -------------------------------------------------------------------------------------------- */
/* Finding handlers                                                                             */
/* -------------------------------------------------------------------------------------------- */

/** The bundled handlers, NULL-terminated, sorted by name. */
VMT_API const struct vmt_handler_ops *const *vmt_handlers(void);

/** A handler in use: a bundled one or a loaded shared object. */
struct vmt_loaded_handler {
	const struct vmt_handler_ops *ops;
	void *object; /**< of dlopen, or NULL */
};

/**
 * Find a handler: a name without '/' is a bundled one, anything else is the path of a shared
 * object, which is loaded and checked (ABI version, struct size, name, schemas). -VMT_E_NOT_FOUND
 * lists the bundled names. Never give it a name that came out of a trace.
 */
VMT_API int vmt_handler_load(const char *name_or_path, struct vmt_loaded_handler *handler,
			     struct vmt_error *err);
VMT_API void vmt_handler_unload(struct vmt_loaded_handler *handler);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_RUN_H */
