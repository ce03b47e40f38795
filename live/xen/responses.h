/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a response of the monitor ring, and refusing what Xen would do half or ignore. Pure: no
 * hypervisor is asked.
 */
#ifndef VMITAPE_LIVE_XEN_RESPONSES_H
#define VMITAPE_LIVE_XEN_RESPONSES_H

#include <vmitape/event.h>

#include "headers.h"

/** A response, with all that it points to. */
struct vmt_xen_answer {
	uint16_t action, flags;
	vmt_view view;
	uint32_t data_len;
	struct vmt_gprs regs;
	uint8_t data[VMT_EMUL_READ_MAX];
};

void vmt_xen_answer_store(struct vmt_xen_answer *answer, const struct vmt_response *rsp);

/** What decides whether Xen would do a response rightly. */
struct vmt_xen_situation {
	uint32_t vendor;   /* enum vmt_cpu_vendor */
	bool deferring;    /* deferred writes are on */
	bool deferred;     /* this event's write waits for the answer */
	bool watches_step; /* the handler has switched the single-step monitor on */
	bool stepped;      /* the vCPU is being single-stepped */
	bool injecting;    /* another injection waits */
	bool view_exists;  /* that of the response */
	bool forbidden;    /* a memory event's access is still forbidden */
};

/** 0, or why @rsp is refused. */
int vmt_xen_response_check(const struct vmt_xen_situation *s, const struct vmt_event *ev,
			   const struct vmt_response *rsp, struct vmt_error *err);

/** 0, or why @in cannot be injected. */
int vmt_xen_injection_check(uint32_t vendor, const struct vmt_interrupt *in, struct vmt_error *err);

/** Xen's form of @answer to @request. @step_flag: VM_EVENT_FLAG_TOGGLE_SINGLESTEP or 0. */
void vmt_xen_response_encode(const vm_event_request_t *request, const struct vmt_xen_answer *answer,
			     uint32_t step_flag, vm_event_response_t *out);

#endif /* VMITAPE_LIVE_XEN_RESPONSES_H */
