/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Xen's headers, which use more of the language than this project's own code does, and the one call
 * of libxenctrl that no header declares.
 */
#ifndef VMITAPE_LIVE_XEN_HEADERS_H
#define VMITAPE_LIVE_XEN_HEADERS_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wundef"
#include <xencall.h>
#include <xenctrl.h>
#include <xendevicemodel.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenstore.h>
#include <xentoollog.h>

#include <xen/domctl.h>
#include <xen/hvm/params.h>
#include <xen/hvm/save.h>
#include <xen/io/ring.h>
#include <xen/vm_event.h>
#pragma GCC diagnostic pop

/* Exported by libxenctrl (tools/libs/ctrl/xc_vm_event.c), declared in its xc_private.h alone. */
int xc_vm_event_control(xc_interface *xch, uint32_t domain_id, unsigned int op, unsigned int mode,
			uint32_t *port);

#endif /* VMITAPE_LIVE_XEN_HEADERS_H */
