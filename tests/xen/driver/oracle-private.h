/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the oracle's files share. */
#ifndef ORACLE_PRIVATE_H
#define ORACLE_PRIVATE_H

#include <vmitape/call.h>

#include "model/gfn-map.h"
#include "model/model.h"

#include "oracle.h"

#define ORACLE_RING  8 /* slots */
#define ORACLE_VCPUS 8

/** An event from Xen, and the model's. */
struct oracle_event {
	struct vmt_event xen, model;
	bool used;  /* taken from the ring, not answered */
	bool given; /* to the session */
	uint64_t order;
};

struct oracle_vcpu {
	struct vmt_event last;      /* its last event */
	struct vmt_response answer; /* to that, without what it points to */
	bool answered;
	uint32_t crs; /* BIT(enum vmt_cr): the model's value is the vCPU's */
	bool lstar;   /* likewise */
};

/** Bytes that the model puts back. */
struct oracle_bytes {
	vmt_gfn gfn;
	uint32_t offset, len;
	uint8_t bytes[64];
};

struct oracle {
	struct vmt_call_driver base;
	struct vmt_driver *inner;
	struct vmt_driver domain; /* the model as a driver */
	struct vmt_model *model;
	struct vmt_info info;
	struct oracle_result *result;

	struct oracle_event events[ORACLE_RING];
	uint64_t order;
	struct oracle_vcpu vcpus[ORACLE_VCPUS];
	uint64_t cr_ignore[VMT_CR_COUNT];

	struct vmt_gfn_map pages;   /* of uint8_t: 1: there is a page, 2: there is none */
	struct vmt_gfn_map regions; /* likewise, of 512 gfns each */
	struct vmt_gfn_map touched; /* gfns whose rights are compared */
	bool resetting;
	struct oracle_bytes put_back[64];
	unsigned nput_back;
	bool unemulated; /* the emulator is about to say that it cannot */
	unsigned pauses; /* the session's */
	bool detached;
	bool gone; /* the domain; the model knows nothing of that */
};

/** Counts a comparison; what was wanted and seen is noted unless @equal. Returns @equal. */
bool oracle_check(struct oracle *o, enum oracle_kind kind, bool equal, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* oracle-events.c */

/** Tell the model what the guest did that caused @e->xen, and compare the events. */
void oracle_feed(struct oracle *o, struct oracle_event *e);
/** Schedule @vcpu in: it has run, and no event came of it. */
void oracle_entered(struct oracle *o, uint16_t vcpu);

/* oracle-domain.c */

int oracle_model_create(struct oracle *o, struct vmt_error *err);
/** Compare the rights of all touched pages. */
void oracle_compare_rights(struct oracle *o);
/** After a reset: the bytes that the model has put back must stand in the domain. */
void oracle_compare_bytes(struct oracle *o);

#endif
