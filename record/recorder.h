/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a recorder: what its two taps share.
 */
#ifndef VMT_RECORD_RECORDER_H
#define VMT_RECORD_RECORDER_H

#include <vmitape/call.h>
#include <vmitape/record.h>

#include "trace-format/record.h"

/** Calls that came before the session began: info only. They follow META, which is first. */
struct vmt_recorder_early {
	struct vmt_trace_call call;
	struct vmt_info info;
};

#define VMT_RECORDER_EARLY_MAX 8u

struct vmt_recorder {
	struct vmt_call_driver base;
	struct vmt_observer observer;
	struct vmt_driver *inner;
	struct vmt_recorder_config config;

	const struct vmt_session *session; /**< NULL before it begins */
	uint64_t callback;                 /**< the one that runs, or ran last */
	bool over;                         /**< the session has ended */
	struct vmt_error err;              /**< the first failure to write */

	struct vmt_recorder_early early[VMT_RECORDER_EARLY_MAX];
	unsigned nearly;
	bool memory_taken; /**< at the start */
	uint32_t nfiles;
	uint8_t page[VMT_PAGE_SIZE];
};

extern const struct vmt_call_driver_ops vmt_recorder_driver_ops;
extern const struct vmt_observer_ops vmt_recorder_observer_ops;

/** Append a record of this moment. @page may be NULL. A failure is kept in the recorder. */
void vmt_recorder_append(struct vmt_recorder *r, unsigned kind, const void *body, const void *page);

/** Policy memory: all of it, now. The domain is paused, and nothing of the handler's is there. */
void vmt_recorder_capture_memory(struct vmt_recorder *r);

/**
 * Is there something to record now: the session has begun, is not over, and the trace can be
 * written?
 */
bool vmt_recorder_is_on(const struct vmt_recorder *r);

#endif /* VMT_RECORD_RECORDER_H */
