/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which responses and injections are refused, for all backends with Xen's semantics: refusals.c.
 */
#ifndef VMITAPE_MODEL_REFUSALS_H
#define VMITAPE_MODEL_REFUSALS_H

#include <vmitape/event.h>

/** What decides whether Xen would do a response rightly. */
struct vmt_situation {
	uint32_t vendor;   /**< enum vmt_cpu_vendor */
	bool deferring;    /**< deferred writes are on */
	bool deferred;     /**< this event's write waits for the answer */
	bool watches_step; /**< the handler has switched the single-step monitor on */
	bool stepped;      /**< the vCPU is being single-stepped */
	bool injecting;    /**< another injection waits */
	bool view_exists;  /**< that of the response */
	bool forbidden;    /**< a memory event's access is still forbidden */
	/** Refuse what this Xen, CPU or domain lacks: 0 or negative. NULL: it has everything. */
	int (*need)(void *ctx, uint32_t capability, struct vmt_error *err);
	void *ctx;
};

/**
 * 0, or why @rsp is refused: what it asks for cannot be had or would be ignored. model.h lists the
 * cases, at vmt_model_answer.
 */
int vmt_refuse_response(const struct vmt_situation *s, const struct vmt_event *ev,
			const struct vmt_response *rsp, struct vmt_error *err);

/** 0, or why @in cannot be injected on a CPU of @vendor. */
int vmt_refuse_injection(uint32_t vendor, const struct vmt_interrupt *in, struct vmt_error *err);

#endif /* VMITAPE_MODEL_REFUSALS_H */
