/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a session and its keeper say to each other, over a SOCK_SEQPACKET socket: the session asks, the
 * keeper answers with a struct vmt_error, status 0 for done.
 */
#ifndef VMITAPE_LIVE_XEN_LINK_H
#define VMITAPE_LIVE_XEN_LINK_H

#include <stdint.h>

enum vmt_xen_request {
	VMT_XEN_ASK_JOURNAL = 1, /* with the journal's descriptor */
	VMT_XEN_ASK_MAP = 2,     /* the ring, at @gfn */
	VMT_XEN_ASK_UNMAP = 3,
};

struct vmt_xen_message {
	uint32_t request; /* enum vmt_xen_request */
	uint32_t reserved;
	uint64_t gfn;
};

#endif /* VMITAPE_LIVE_XEN_LINK_H */
