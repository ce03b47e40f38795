/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a session, for the files of core/ only.
 *
 *   session.c            create, destroy, run
 *   session-loop.c       wait, deliver, poll: the loop
 *   session-teardown.c   what happens at each end
 *   session-callbacks.c  one invocation of the handler, and who is told
 *   session-calls.c      what a handler asks of the domain
 *   session-services.c   time, randomness, logs, emissions
 *   session-options.c    the handler's options
 *   session-files.c      files read for the handler
 *   context.c, skip.c    what handle_event gets
 */
#ifndef VMT_CORE_SESSION_PRIVATE_H
#define VMT_CORE_SESSION_PRIVATE_H

#include <stdatomic.h>

#include <vmitape/run.h>

#include "translation-cache.h"

struct vmt_session_option {
	const struct vmt_option_decl *decl;
	const char *value; /**< as given, or the default; NULL: none. Borrowed */
	uint64_t number;   /**< the value of VMT_OPTION_U64 and VMT_OPTION_BOOL */
};

struct vmt_session_file {
	struct vmt_session_file *next;
	char *path;
	void *data;
	size_t len;
	struct vmt_error err; /**< why the one attempt to read it failed; status 0: it did not */
};

struct vmt_session {
	struct vmt_session_config config;
	struct vmt_driver *driver;
	const struct vmt_handler_ops *handler;
	void *self; /**< what the handler's create made */

	struct vmt_info info;               /**< as it was at create */
	struct vmt_session_option *options; /**< one for each declared option, in that order */
	size_t noptions;
	struct vmt_option *options_in_force; /**< those that have a value */
	size_t noptions_in_force;
	struct vmt_session_file *files;

	struct vmt_error err; /**< the last failure of a session call */
	enum vmt_phase phase;
	struct vmt_callback callback; /**< the one that runs, or ran last */
	uint64_t next_callback;
	uint64_t now;
	uint64_t draws;   /**< random numbers drawn in this callback */
	uint64_t wake_at; /**< 0: none */
	/** When handle_timeout is due if no event comes, ns; UINT64_MAX: never. */
	uint64_t deadline;
	unsigned own_pauses; /**< of the session itself */
	unsigned pauses;     /**< of the handler, and not resumed yet */
	unsigned async_crs; /**< asynchronous CR monitors that are on: a bit for each enum vmt_cr */
	bool async_msrs;    /**< an asynchronous MSR monitor was switched on; Xen has none */
	bool deferred_writes; /**< vmt_deny_enable was called */
	bool created;         /**< the handler's create succeeded */
	bool began;
	bool ended;
	/** The thread that runs a callback, a pthread_t; 0: none does. */
	atomic_uintptr_t thread;
	atomic_bool stop;
	int stop_fd;

	struct vmt_record *output;
	struct vmt_outcome outcome;
	struct vmt_translation_cache translations;
};

/** What handle_event gets. */
struct vmt_ctx {
	struct vmt_session *session;
	const struct vmt_event *event;
	struct vmt_gprs gprs; /**< scratch, for the handler */
	struct vmt_space space;
};

/** Call one observer function of all observers: VMT_OBSERVE(s, log, level, text). */
#define VMT_OBSERVE(s, op, ...)                                              \
	do {                                                                 \
		for (size_t i_ = 0; i_ < (s)->config.nobservers; i_++) {     \
			struct vmt_observer *o_ = (s)->config.observers[i_]; \
			if (o_->ops->op)                                     \
				o_->ops->op(o_, __VA_ARGS__);                \
		}                                                            \
	} while (0)

/* session-calls.c */

/**
 * Begin a session call of the handler: allowed now, and on this thread? 0, or -VMT_E_WRONG_PLACE
 * with the session's error filled. (From a thread that runs no callback the session's error is left
 * alone: it may be in use on another.)
 */
int vmt_session_enter(struct vmt_session *s, const char *call);

/**
 * As vmt_session_enter for calls that change the domain: refused once the teardown has reset it.
 */
int vmt_session_enter_effect(struct vmt_session *s, const char *call);

/** A driver call failed: make its error the session's. Returns its negative status. */
int vmt_session_take_error(struct vmt_session *s);

/* session-callbacks.c */

/** Is a callback of @s running on this thread? */
bool vmt_session_on_callback(const struct vmt_session *s);

/** Is @schema one of those that the handler declared? */
bool vmt_session_declares(const struct vmt_session *s, const struct vmt_schema *schema);

/**
 * Invoke the handler once. A callback that the handler does not have is an empty invocation: it is
 * numbered and observed all the same, so that positions do not depend on which callbacks a version
 * of a handler has. The results are the callbacks'; poll's is 1, 0 or negative. On a negative one
 * the session's error tells the reason.
 */
int vmt_session_call_create(struct vmt_session *s);
int vmt_session_call_event(struct vmt_session *s, struct vmt_ctx *ctx, struct vmt_response *rsp);
int vmt_session_call_timeout(struct vmt_session *s);
void vmt_session_call_interrupted(struct vmt_session *s);
void vmt_session_call_cleanup(struct vmt_session *s);
int vmt_session_call_poll(struct vmt_session *s);

/* session-loop.c */

/**
 * The session ends with @end; with a failed one, @err tells why. The first end counts; failures
 * after it are failures of the teardown.
 */
void vmt_session_finish(struct vmt_session *s, enum vmt_end end, const struct vmt_error *err);

/** Count a failure after the end; the first one is kept in the outcome. */
void vmt_session_teardown_failed(struct vmt_session *s, const struct vmt_error *err);

/** As vmt_session_finish with the driver's error: the domain is gone, or the driver failed. */
void vmt_session_finish_driver(struct vmt_session *s);

/** The time of the last wait; it never goes back. */
void vmt_session_set_now(struct vmt_session *s, uint64_t now);

/**
 * Give @ev to the handler (or answer by default when there is none) and answer it, exactly once.
 */
void vmt_session_deliver(struct vmt_session *s, const struct vmt_event *ev);

/* session-teardown.c */

/** The eight steps of run.h. Fills the teardown part of the outcome. */
void vmt_session_teardown(struct vmt_session *s);

/* session-options.c */

int vmt_session_options_init(struct vmt_session *s, struct vmt_error *err);
void vmt_session_options_finish(struct vmt_session *s);

/** Check declarations by themselves: names, types, defaults. */
int vmt_option_decls_check(const struct vmt_option_decl *decls, struct vmt_error *err);

/* session-files.c */

void vmt_session_files_finish(struct vmt_session *s);

/* context.c */

void vmt_ctx_init(struct vmt_ctx *ctx, struct vmt_session *s, const struct vmt_event *ev);

#endif /* VMT_CORE_SESSION_PRIVATE_H */
