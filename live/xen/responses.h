/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writing a response of the monitor ring. Pure: no hypervisor is asked. */
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

/** Xen's form of @answer to @request. @step_flag: VM_EVENT_FLAG_TOGGLE_SINGLESTEP or 0. */
void vmt_xen_response_encode(const vm_event_request_t *request, const struct vmt_xen_answer *answer,
			     uint32_t step_flag, vm_event_response_t *out);

#endif /* VMITAPE_LIVE_XEN_RESPONSES_H */
