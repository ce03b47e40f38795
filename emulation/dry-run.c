/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pages the effect of a response touches.
 *
 * The vCPU is a copy, and nothing that a step writes is committed: the second instruction of a run
 * may see bytes that the first one has replaced. That changes what it computes, and rarely what it
 * touches.
 */
#include <stdlib.h>
#include <string.h>

#include <vmitape/dry-run.h>

#include "emulation.h"

#define PAGES_MAX 64u

/** Instructions that a hypervisor completes itself, so that a step is one with the next one. */
#define EXITS                                                                                     \
	(VMT_INTERCEPT_CR0 | VMT_INTERCEPT_CR4 | VMT_INTERCEPT_XCR0 | VMT_INTERCEPT_MSR_WRITE |   \
	 VMT_INTERCEPT_MSR_READ | VMT_INTERCEPT_CPUID | VMT_INTERCEPT_VMCALL | VMT_INTERCEPT_IO | \
	 VMT_INTERCEPT_DESCRIPTOR | VMT_INTERCEPT_WBINVD)
#define STEPS_MAX 4u

struct vmt_dry_run {
	struct vmt_emulator *em;
	const uint8_t *(*page)(void *to, vmt_gfn gfn);
	void *to;
	uint32_t n; /**< pages of this run */
	uint64_t gfns[PAGES_MAX];
	bool there[PAGES_MAX];
	uint8_t bytes[PAGES_MAX][VMT_PAGE_SIZE];
};

static int dry_access(void *ctx, const struct vmt_cpu_access *access, vmt_gfn *page)
{
	(void)ctx;
	*page = vmt_gfn_of(access->gpa);
	return VMT_PAGE_OK;
}

static const uint8_t *dry_page(void *ctx, vmt_gfn gfn)
{
	struct vmt_dry_run *dry = ctx;
	const uint8_t *bytes;

	for (uint32_t i = 0; i < dry->n; i++)
		if (dry->gfns[i] == gfn.n)
			return dry->there[i] ? dry->bytes[i] : NULL;
	if (dry->n == PAGES_MAX)
		return NULL;
	bytes = dry->page(dry->to, gfn);
	dry->gfns[dry->n] = gfn.n;
	dry->there[dry->n] = bytes != NULL;
	if (bytes)
		memcpy(dry->bytes[dry->n], bytes, VMT_PAGE_SIZE);
	return dry->there[dry->n++] ? dry->bytes[dry->n - 1] : NULL;
}

/** Nothing is committed. */
static void dry_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	(void)ctx;
	(void)page;
	(void)offset;
	(void)buf;
	(void)len;
}

static const struct vmt_cpu_ops dry_ops = {
	.access = dry_access,
	.page = dry_page,
	.write = dry_write,
};

int vmt_dry_run_create(struct vmt_dry_run **dry, struct vmt_error *err)
{
	const struct vmt_emulator_config config = {.ops = &dry_ops};
	int r;

	*dry = calloc(1, sizeof(**dry));
	if (!*dry)
		return vmt_error_set(err, VMT_E_NO_MEMORY, "dry run", "no memory is left");
	r = vmt_emulator_create(&config, &(*dry)->em, err);
	if (r < 0) {
		free(*dry);
		*dry = NULL;
	}
	return r;
}

void vmt_dry_run_destroy(struct vmt_dry_run *dry)
{
	if (!dry)
		return;
	vmt_emulator_destroy(dry->em);
	free(dry);
}

/** The first step is done as @rsp says; the others plainly. */
static void first_step(const struct vmt_response *rsp, struct vmt_step *how)
{
	memset(how, 0, sizeof(*how));
	how->intercepts = EXITS;
	how->flags = VMT_STEP_NO_RIGHTS;
	if (rsp->action == VMT_EMULATE_READ) {
		how->read_data = rsp->data;
		how->read_len = rsp->data_len;
	} else if (rsp->action == VMT_EMULATE_INSN) {
		how->insn = rsp->data;
		how->insn_len = rsp->data_len;
	}
}

/** Does the instruction at RIP go by before the vCPU goes on, the hypervisor having done it? */
static bool is_done_already(const struct vmt_event *ev)
{
	return ev->reason == VMT_EVENT_WRITE_CR || ev->reason == VMT_EVENT_WRITE_MSR ||
	       ev->reason == VMT_EVENT_HYPERCALL;
}

static void run(struct vmt_dry_run *dry, struct vmt_cpu *cpu, const struct vmt_event *ev,
		const struct vmt_response *rsp)
{
	struct vmt_interrupt raised;
	struct vmt_step_result r;
	struct vmt_step how;
	bool more = is_done_already(ev) || rsp->action >= VMT_EMULATE;

	if (rsp->action == VMT_REINJECT) {
		vmt_emulator_deliver(dry->em, cpu, &(struct vmt_step){0},
				     &ev->u.interrupt.interrupt, &r);
		return;
	}
	first_step(rsp, &how);
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		switch (vmt_emulator_step(dry->em, cpu, &how, &r)) {
		case VMT_STEP_DONE:
			if (!more)
				return;
			memset(&how, 0, sizeof(how));
			how.intercepts = EXITS;
			how.flags = VMT_STEP_NO_RIGHTS;
			more = false;
			break;
		case VMT_STEP_EVENT:
			how.intercepts &= ~r.event.intercept;
			more = true;
			break;
		case VMT_STEP_FAULT:
		case VMT_STEP_TRAP:
			raised = r.interrupt;
			vmt_emulator_deliver(dry->em, cpu, &how, &raised, &r);
			return;
		default:
			return;
		}
	}
}

void vmt_dry_run_pages(void *arg, const struct vmt_event *ev, const struct vmt_response *rsp,
		       const struct vmt_vcpu_context *context,
		       const uint8_t *(*page)(void *to, vmt_gfn gfn), void *to)
{
	struct vmt_dry_run *dry = arg;
	struct vmt_regs regs = ev->regs;
	struct vmt_cpu cpu;

	dry->page = page;
	dry->to = to;
	dry->n = 0;
	if (context)
		vmt_regs_merge(&regs, &context->regs);
	if ((rsp->flags & VMT_RSP_REGS) && rsp->regs)
		regs.gprs = *rsp->regs;
	vmt_cpu_init(&cpu, &regs, dry);
	/* What state is in registers that are not known does not matter to which pages are touched. */
	run(dry, &cpu, ev, rsp);
}
