/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A domain for the model's tests: a model over a few pages of memory, and short ways to ask and to
 * look.
 */
#ifndef TESTS_MODEL_DOMAIN_H
#define TESTS_MODEL_DOMAIN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"

#define PAGES 2048u

struct domain {
	struct vmt_model *model;
	struct vmt_error err;
	uint8_t (*pages)[VMT_PAGE_SIZE];
	bool there[PAGES];
	uint64_t not_recorded; /* this gfn's bytes cannot be told; 0: none */
	uint64_t unwritten;    /* bytes that unwrite() was asked for */
	uint64_t fail_write;   /* writes to this gfn fail; 0: none */
	bool fail_remove;      /* remove() fails */
	bool bad_cr4;          /* check_cr refuses CR4 */
	bool bad_msr;          /* write_msr gives #GP */
	uint64_t msr;          /* the one MSR without a field */
	/* the emulate op: what it was asked, and what it does */
	unsigned emulated;
	uint16_t emulate_action;
	uint8_t emulate_byte;       /* the first of its data */
	uint64_t emulate_saw_rip;   /* RIP when it ran */
	uint64_t emulate_saw_cr3;   /* CR3 when it ran */
	uint64_t emulate_advance;   /* RIP moves by this */
	bool emulate_unimplemented; /* it cannot */
};

/** Xen 4.@minor on @vendor; pages 0 to 0x3ff are there; @vcpus vCPUs with RIP 0x1000. */
struct domain *domain_new(unsigned minor, uint32_t vendor, uint16_t vcpus, uint32_t flags);
/** As @wanted says; its guest ops and max_gfn are filled in. NULL: refused, with *@err. */
struct domain *domain_from(const struct vmt_model_config *wanted, struct vmt_error *err);
/** The same, with one vCPU on VMX. */
struct domain *domain_simple(unsigned minor);
void domain_free(struct domain *d);

/* Each of these fails the test when the call does. */

vmt_view make_view(struct domain *d, unsigned rights);
void set_rights(struct domain *d, vmt_view view, uint64_t gfn, unsigned rights);
unsigned get_rights(struct domain *d, vmt_view view, uint64_t gfn);
void switch_view(struct domain *d, vmt_view view);
void remap(struct domain *d, vmt_view view, uint64_t from, uint64_t to);
void monitor_on(struct domain *d, uint32_t kind, uint32_t what, uint32_t flags);
void monitor_off(struct domain *d, uint32_t kind, uint32_t what);
struct vmt_event take(struct domain *d);
void no_event(struct domain *d);
void answer(struct domain *d, const struct vmt_event *ev, struct vmt_response rsp);
void commit(struct domain *d);
/** answer and commit. */
void respond(struct domain *d, const struct vmt_event *ev, struct vmt_response rsp);
/** The answer is refused with @status, and the sentence has @words in it. */
void refused(struct domain *d, const struct vmt_event *ev, struct vmt_response rsp, int status,
	     const char *words);
/** vCPU @vcpu runs; what took place. */
struct vmt_entry enter(struct domain *d, uint16_t vcpu);
/** The vCPU does not run. */
void stands(struct domain *d, uint16_t vcpu);

/** The last refusal was @status with @words in its sentence. */
void said(struct domain *d, int r, int status, const char *words);

/** An access by vCPU 0 to @gfn at offset 8; *@page (may be NULL) is where it leads. */
int touch(struct domain *d, uint64_t gfn, unsigned access, uint64_t *page);
int touch_by(struct domain *d, uint16_t vcpu, uint64_t gfn, unsigned access, unsigned flags,
	     uint64_t *page);

struct vmt_regs *regs_of(struct domain *d, uint16_t vcpu);
/** What the driver says of vCPU 0. */
struct vmt_regs asked(struct domain *d);
bool can(struct domain *d, uint32_t capability);

/** The text of footprint item @i, or "" past the end; in a static buffer. */
const char *footprint(struct domain *d, size_t i);

#endif /* TESTS_MODEL_DOMAIN_H */
