/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recording: everything that one session does and sees goes to a trace.
 *
 * The recorder has two taps. A driver around the session's driver sees each call of the driver's
 * interface; an observer sees what never crosses it: callbacks, polls, emissions, output, failures,
 * files. Both belong together: give the session the driver and the observer of the same recorder.
 *
 *     vmt_trace_writer_open("x.vmt", NULL, &writer, &err);
 *     vmt_recorder_create(inner, &(struct vmt_recorder_config){.writer = writer}, &d, &err);
 *     observers[0] = vmt_recorder_observer(d);
 *     ... a session with d and the observer ...
 *     vmt_driver_close(d);
 *     vmt_trace_writer_close(writer, VMT_TRACE_END_OVER, NULL, NULL, &err);
 *
 * Nothing is dropped silently. When the trace cannot be written any more, the next wait fails with
 * the reason, so that the session ends; its teardown goes on without being recorded.
 */
#ifndef VMITAPE_RECORD_H
#define VMITAPE_RECORD_H

#include <vmitape/driver.h>
#include <vmitape/run.h>
#include <vmitape/trace.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much of the guest's memory is kept beside what the handler asked for. */
enum vmt_capture {
	/** The ranges that were read. */
	VMT_CAPTURE_READS = 1,
	/** The whole page around each read and write: a changed handler finds its neighbourhood. */
	VMT_CAPTURE_PAGES = 2,
	/**
	 * And, for each event that holds its vCPU, the registers that the event lacks and the pages
	 * that its answer's effect will touch, so that a replay can emulate another answer.
	 */
	VMT_CAPTURE_CONTEXT = 3,
	/**
	 * And all of the guest's memory: before the handler is created, and when its footprint is
	 * gone. The domain is paused meanwhile.
	 */
	VMT_CAPTURE_MEMORY = 4,
};

/** "reads", "pages", "context", "memory"; "unknown" else. Never NULL. */
VMT_API const char *vmt_capture_name(unsigned capture);

/** The policy called @name, or 0. */
VMT_API unsigned vmt_capture_find(const char *name);

/**
 * Says which pages the effect of @rsp to @ev touches: asks @page for each, once, which returns its
 * 4096 bytes or NULL. vmt_dry_run_pages() (dry-run.h) is one.
 */
typedef void vmt_context_fn(void *arg, const struct vmt_event *ev, const struct vmt_response *rsp,
			    const struct vmt_vcpu_context *context,
			    const uint8_t *(*page)(void *to, vmt_gfn gfn), void *to);

/** 0 or NULL: the default. Pointers must live as long as the recorder. */
struct vmt_recorder_config {
	struct vmt_trace_writer
		*writer;           /**< required; the recorder appends to it and never closes it */
	uint8_t capture;           /**< enum vmt_capture; 0: VMT_CAPTURE_PAGES */
	bool derived;              /**< recorded again after a replay that had diverged */
	const char *tool;          /**< "vmirec 0.1.0"; NULL: "libvmitape" */
	const void *handler_hash;  /**< SHA-256 of the handler's file, 32 bytes, or NULL */
	int timeout_ms, settle_ms; /**< as in the session's configuration */
	uint32_t drain_max;
	vmt_context_fn *context; /**< required for VMT_CAPTURE_CONTEXT */
	void *context_arg;
};

/**
 * Put a recorder around @inner, which it owns from then on: closing the recorder's driver closes
 * it.
 */
VMT_API int vmt_recorder_create(struct vmt_driver *inner, const struct vmt_recorder_config *config,
				struct vmt_driver **d, struct vmt_error *err);

/** The recorder's other tap. @d is the recorder's own driver. */
VMT_API struct vmt_observer *vmt_recorder_observer(struct vmt_driver *d);

/** Why the trace is not whole: the first failure to write it. Status 0: it is. Never NULL. */
VMT_API const struct vmt_error *vmt_recorder_error(const struct vmt_driver *d);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_RECORD_H */
