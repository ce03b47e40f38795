/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated domain, as its own files see it:
 *
 *   driver.c      the driver's ops, and its life
 *   ram.c         guest-physical pages
 *   kernel.c      reading a kernel
 *   boot.c        the machine as PVH starts it
 *   machine.c     what the guest finds: CPUID, MSRs, ports
 *   hypercalls.c  what it asks Xen for
 *   turn.c        a vCPU's turn: scheduled in, an exception, one instruction
 *   exits.c       what an instruction does that Xen may intercept
 *   emulate.c     emulation on behalf of a monitor's answer
 *   wait.c        time, and whose turn it is
 *
 * Xen's side of it all is the model's (model/model.h); what an instruction does is the emulator's
 * (emulation/emulation.h).
 */
#ifndef VMITAPE_LIVE_EMULATED_DOMAIN_H
#define VMITAPE_LIVE_EMULATED_DOMAIN_H

#include <vmitape/emulated.h>

#include "emulation/emulation.h"
#include "model/footprint.h"
#include "model/gfn-map.h"
#include "model/model.h"

struct vmt_emulated;

/** One vCPU. */
struct vmt_emulated_vcpu {
	struct vmt_emulated *domain;
	struct vmt_cpu cpu; /**< its ctx is this vCPU */
	uint16_t number;
	bool up;          /**< not one that was never started, or was stopped for good */
	bool initialised; /**< VCPUOP_initialise was called */
	bool halted;      /**< waits for an interrupt */
	bool plain;       /**< its last turn executed an instruction, and that was all */
	bool in_delivery; /**< the emulator is delivering an event */
	bool timer;       /**< the timer's interrupt waits */
	bool delivering;  /**< @delivery has begun, and an event stopped it */
	struct vmt_interrupt delivery;
	uint64_t trap; /**< DR6 bits of a debug trap that is due before the next instruction */
	uint64_t next_timer; /**< ns */
};

struct vmt_emulated {
	struct vmt_driver driver;
	struct vmt_emulated_config
		config; /**< with its defaults filled in; no pointers but console */
	struct vmt_model *model;
	struct vmt_emulator *emulator;
	int stop_fd;
	char name[64]; /**< of the kernel's file */

	uint8_t *ram; /**< config.memory bytes */
	uint64_t ram_gfns;
	struct vmt_gfn_map pages; /**< of uint8_t *: those behind RAM, own pages of the monitor */
	struct vmt_gfn_map no_pages; /**< holes in RAM: pages that were taken away */

	struct vmt_emulated_vcpu *vcpus;
	uint64_t generation; /**< what the emulator may keep holds as long as this is equal */
	uint64_t model_generation;
	uint64_t intercepts; /**< enum vmt_intercept, by the monitors as of @model_generation */

	uint64_t now;       /**< ns */
	uint64_t random;    /**< state of the generator that decides on turns */
	uint16_t current;   /**< whose turn it is */
	uint32_t turn_left; /**< instructions until the next one's */
	uint64_t overhead;  /**< ns */

	bool gone;               /**< shut down: vCPUs do not run any more */
	struct vmt_error failed; /**< an instruction cannot be emulated; status 0: none */
	struct vmt_step_result result;
};

static inline struct vmt_regs *vmt_emulated_regs(const struct vmt_emulated_vcpu *v)
{
	return v->cpu.regs;
}

/* ram.c */

extern const struct vmt_guest_ops vmt_emulated_guest_ops;
int vmt_emulated_ram_init(struct vmt_emulated *e, struct vmt_error *err);
void vmt_emulated_ram_finish(struct vmt_emulated *e);
/** The bytes of a page, or NULL: none is there. */
uint8_t *vmt_emulated_page(const struct vmt_emulated *e, uint64_t gfn);

/* boot.c */

/** Load the kernel and put vCPU 0 at its entry. */
int vmt_emulated_boot(struct vmt_emulated *e, struct vmt_error *err);
/** A vCPU's registers as after INIT, in flat 32-bit mode. */
void vmt_emulated_vcpu_reset(struct vmt_emulated_vcpu *v);

/* machine.c */

int vmt_emulated_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t result[4]);
/** 0; 1: the guest gets #GP. */
int vmt_emulated_read_msr(struct vmt_emulated_vcpu *v, uint32_t msr, uint64_t *value);
int vmt_emulated_write_msr(struct vmt_emulated_vcpu *v, uint32_t msr, uint64_t value);
int vmt_emulated_io(void *ctx, uint16_t port, uint8_t bytes, bool in, uint32_t *value);

/* hypercalls.c */

/** VMCALL, RIP at it. Returns enum vmt_guest or negative. */
int vmt_emulated_hypercall(struct vmt_emulated_vcpu *v, uint8_t insn_length);
/** Fill the hypercall page at @gfn, which is there. */
void vmt_emulated_hypercall_page(struct vmt_emulated *e, uint64_t gfn);

/* turn.c */

extern const struct vmt_cpu_ops vmt_emulated_cpu_ops;
/** One instruction or delivery of a vCPU that can run. 1, or negative. */
int vmt_emulated_turn(struct vmt_emulated_vcpu *v);
/**
 * The same for a vCPU whose last turn was plain, when nothing has changed since and no interrupt is
 * due: Xen would not have left the guest in between.
 */
int vmt_emulated_next(struct vmt_emulated_vcpu *v);
/** The instruction at RIP. @exits: it leaves the guest, so no step event follows. 1, or negative. */
int vmt_emulated_execute(struct vmt_emulated_vcpu *v, uint64_t intercepts, bool exits);
/** Deliver @interrupt. VMT_GUEST_GOES_ON, VMT_GUEST_STOPPED (deliver it again later), or negative. */
int vmt_emulated_deliver(struct vmt_emulated_vcpu *v, const struct vmt_interrupt *interrupt);
/** The gfn of RIP as the guest's page tables say; Xen's INVALID_GFN where they say nothing. */
vmt_gfn vmt_emulated_gfn_of_rip(struct vmt_emulated_vcpu *v);
/** Has the model changed since a vCPU was scheduled in? */
bool vmt_emulated_is_stale(const struct vmt_emulated *e);
/** Note that @v's instruction, in e->result, cannot be emulated. Returns a negative status. */
int vmt_emulated_refuse(struct vmt_emulated_vcpu *v);
/** RF is cleared by the instruction that was executed with it, in e->result; not by IRET. */
void vmt_emulated_clear_rf(struct vmt_emulated_vcpu *v, bool was_set);
/** What the emulator has kept holds no more. */
static inline void vmt_emulated_changed(struct vmt_emulated *e)
{
	e->generation++;
}

/* exits.c */

/** What ends a step, by the monitors that are on. */
uint64_t vmt_emulated_intercepts(const struct vmt_emulated *e);
/** The same while stepping: all that leaves the guest, whether watched or not. */
#define VMT_EMULATED_EXITS                                                                        \
	(VMT_INTERCEPT_CR0 | VMT_INTERCEPT_XCR0 | VMT_INTERCEPT_MSR_WRITE |                       \
	 VMT_INTERCEPT_MSR_READ | VMT_INTERCEPT_CPUID | VMT_INTERCEPT_VMCALL | VMT_INTERCEPT_IO | \
	 VMT_INTERCEPT_WBINVD)
/** Carry out the intercept in e->result, of a step with @intercepts. 1, or negative. */
int vmt_emulated_exit(struct vmt_emulated_vcpu *v, uint64_t intercepts);
/** EFER.LMA follows CR0.PG and EFER.LME. */
void vmt_emulated_sync_efer(struct vmt_emulated_vcpu *v);

/* emulate.c */

/** The emulate op of struct vmt_guest_ops. */
int vmt_emulated_emulate(void *ctx, uint16_t vcpu, const struct vmt_emulation *emulation,
			 struct vmt_error *err);

/* wait.c */

int vmt_emulated_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait);
int vmt_emulated_settle(struct vmt_driver *d, int timeout_ms);

#endif /* VMITAPE_LIVE_EMULATED_DOMAIN_H */
