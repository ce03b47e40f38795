/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a session, for the files of core/ only.
 */
#ifndef VMT_CORE_SESSION_PRIVATE_H
#define VMT_CORE_SESSION_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <vmitape/run.h>

#include "translation-cache.h"

struct vmt_session_option {
	struct vmt_option option; /**< borrowed from the configuration or the declaration */
	uint64_t number; /**< the value as a number, for VMT_OPTION_U64 and VMT_OPTION_BOOL */
};

struct vmt_session_file {
	struct vmt_session_file *next;
	char *path;
	void *data;
	size_t len;
	int status; /**< of the one attempt to read it */
};

struct vmt_session {
	struct vmt_session_config config;
	struct vmt_driver *driver;
	const struct vmt_handler_ops *handler;
	void *self; /**< what the handler's create made */

	struct vmt_info info;                /**< as it was at create */
	struct vmt_session_option *options;  /**< one for each declared option */
	struct vmt_option *options_in_force; /**< the same without the numbers, for observers */
	size_t noptions;
	struct vmt_session_file *files;

	struct vmt_error err; /**< the last failure of a session call */
	enum vmt_phase phase;
	pthread_t thread; /**< of the callback that runs */
	bool in_callback;
	bool callback_has_session;    /**< false in poll */
	struct vmt_callback callback; /**< the one that runs, or ran last */
	uint64_t next_callback;
	uint64_t now;
	uint64_t draws;   /**< random numbers drawn in this callback */
	uint64_t wake_at; /**< 0: none */
	/** When handle_timeout is due if no event comes, ns; UINT64_MAX: never. */
	uint64_t deadline;
	unsigned pauses;      /**< of the handler and not resumed yet */
	bool created;         /**< the handler's create succeeded */
	bool deferred_writes; /**< vmt_deny_enable was called */
	bool began, ended;
	_Atomic bool stop;
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
	bool space_known;
};

/**
 * Begin a session call of the handler: allowed now, and on this thread? 0, or -VMT_E_WRONG_PLACE
 * with the session's error filled. (From a wrong thread the session's error is left alone: it
 * belongs to the other.)
 */
int vmt_session_enter(struct vmt_session *s, const char *call);

/** A driver call failed: make its error the session's. Returns the status. */
int vmt_session_take_error(struct vmt_session *s);

#endif /* VMT_CORE_SESSION_PRIVATE_H */
