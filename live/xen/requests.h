/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a request of the monitor ring. Pure: no hypervisor is asked.
 */
#ifndef VMITAPE_LIVE_XEN_REQUESTS_H
#define VMITAPE_LIVE_XEN_REQUESTS_H

#include <vmitape/event.h>

#include "headers.h"

/**
 * The event that @request tells of, without ticket; its raw bytes are @request itself, which must
 * live as long. A reason that is not known becomes VMT_EVENT_UNKNOWN.
 */
void vmt_xen_request_decode(const vm_event_request_t *request, struct vmt_event *ev);

#endif /* VMITAPE_LIVE_XEN_REQUESTS_H */
