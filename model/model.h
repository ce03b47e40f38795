/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Xen does with a request and with a response, in Xen's order, over an abstract page source.
 *
 * A model is the hypervisor's side of one domain: its vCPUs' registers and pauses, views with
 * remapping and rights, monitors, stepping, injection, the ring of 8 slots, what a response
 * deferred, and what the monitor has changed and not undone (the footprint). It holds no guest
 * memory, no instruction, no file and no script: bytes come from a page source, and what the guest
 * does is told by the backend. Three backends stand on it: the scripted domain, the emulated domain
 * and replay.
 *
 * It has two faces.
 *
 *   The monitor side (vmt_model_set_access, _monitor, _answer, _commit, ...) takes the ops of
 *   struct vmt_driver_ops, with the same arguments in the same order and the error last. A
 *   backend's driver forwards one to one:
 *
 *       static int remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
 *       {
 *               return vmt_model_remap_gfn(mine(d)->model, view, from, to, &d->err);
 *       }
 *
 *   The guest side (vmt_model_access, _write_cr, _int3, _retired, ...) is called by the backend's
 *   guest for each thing it does that Xen may intercept. Each call carries the instruction out in
 *   the vCPU's registers as far as Xen does, queues the event when one is due, and says how the
 *   vCPU goes on: see enum vmt_guest.
 *
 *       while (running) {
 *               if (vmt_model_enter(m, vcpu, &entry, &err) != 1)
 *                       continue;                 // it stands; try another vCPU, or end the run
 *               ... deliver entry.deliver, then execute one instruction with vmt_model_access() and
 *               the other guest calls; on VMT_GUEST_GOES_ON to the end: vmt_model_retired() ...
 *       }
 *
 * Nothing here is decided by a clock, an address or a hash: equal calls give equal answers, and
 * every iteration is in ascending order of its keys.
 *
 * Errors: 0 (or a count) or a negative enum vmt_status with @err filled (NULL is allowed). A
 * refusal names the remedy; where Xen lacks something, the Xen that has it.
 *
 * Sources: Xen's xen/common/vm_event.c, xen/common/monitor.c, xen/arch/x86/{vm_event,monitor}.c,
 * xen/arch/x86/hvm/{hvm,monitor,vm_event}.c, xen/arch/x86/hvm/vmx/vmx.c,
 * xen/arch/x86/mm/{p2m,altp2m,mem_access,p2m-ept}.c, as of RELEASE-4.17.7; differences of later
 * releases are rows of xen-versions.c.
 */
#ifndef VMITAPE_MODEL_MODEL_H
#define VMITAPE_MODEL_MODEL_H

#include <vmitape/driver.h>

#include "model/footprint.h"
#include "model/xen-versions.h"

struct vmt_model;

/* -------------------------------------------------------------------------------------------- */
/* What a backend gives                                                                         */
/* -------------------------------------------------------------------------------------------- */

/** Emulation that a response asked for; see vmt_guest_ops.emulate. */
struct vmt_emulation {
	uint16_t action; /**< VMT_EMULATE, _NOWRITE, _READ or _INSN */
	uint16_t reserved;
	uint32_t data_len;   /**< bytes in @data: of VMT_EMULATE_READ and _INSN */
	const uint8_t *data; /**< valid during the call */
};

/**
 * The domain's memory, and what the model cannot do itself. @ctx is vmt_model_config.guest_ctx. The
 * page ops are required, the others may be NULL. A gfn here is a page of the guest's own memory map
 * (view 0); views are the model's business. Ranges never leave their page.
 */
struct vmt_guest_ops {
	/** Is there memory behind @gfn? */
	bool (*exists)(void *ctx, vmt_gfn gfn);

	/** Copy out. -VMT_E_UNMAPPED when nothing is there; replay may say -VMT_E_NOT_RECORDED. */
	int (*read)(void *ctx, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		    struct vmt_error *err);

	/** Copy in. The model asks only for pages that exist. */
	int (*write)(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len,
		     struct vmt_error *err);

	/**
	 * Take back what write() put there, where read() could not tell what stood before. NULL:
	 * such bytes stay, and vmt_model_reset says so.
	 */
	int (*unwrite)(void *ctx, vmt_gfn gfn, uint32_t offset, uint32_t len,
		       struct vmt_error *err);

	/** Put a zeroed page at @gfn, where none is. */
	int (*add)(void *ctx, vmt_gfn gfn, struct vmt_error *err);

	/** Take away the page that add() put at @gfn. */
	int (*remove)(void *ctx, vmt_gfn gfn, struct vmt_error *err);

	/**
	 * An MSR that struct vmt_regs has no field for. Returns 0, or 1: the guest gets #GP. NULL:
	 * reads give 0 and writes are dropped.
	 */
	int (*read_msr)(void *ctx, uint16_t vcpu, uint32_t msr, uint64_t *value);
	int (*write_msr)(void *ctx, uint16_t vcpu, uint32_t msr, uint64_t value);

	/**
	 * May CR0, CR3, CR4 or XCR0 (@cr: enum vmt_cr) take @value? Returns 0, or 1: the guest gets
	 * #GP. NULL: every value is taken.
	 */
	int (*check_cr)(void *ctx, uint16_t vcpu, uint32_t cr, uint64_t value);

	/**
	 * Emulate one instruction at the registers' RIP, rights set aside
	 * (hvm_emulate_one_vm_event). It is called inside vmt_model_enter, after the response's
	 * registers were set and before deferred CR and MSR writes. Changes vmt_model_regs(); on
	 * what it cannot do, it calls vmt_model_unemulated() and returns 0. A negative status ends
	 * vmt_model_enter with it. NULL: the entry tells of it, and the caller does the rest.
	 */
	int (*emulate)(void *ctx, uint16_t vcpu, const struct vmt_emulation *emulation,
		       struct vmt_error *err);
};

/**
 * Events that fit on Xen's ring: RING_SIZE of a page less its header, at 400 bytes each
 * (public/io/ring.h).
 */
#define VMT_RING_SLOTS 8u

enum vmt_model_flag {
	VMT_MODEL_NO_VIEWS = 1, /**< altp2m is off: no views, events without VMT_EVENT_HAS_VIEW */
	VMT_MODEL_PAGING_WRITE = 2, /**< the CPU has EPT paging-write (VMT_ACCESS_IGNORE_WALKS) */
	VMT_MODEL_SUPERPAGES = 4,   /**< view 0 maps in 2 MiB pages (Xen's hap_2mb) */
	/**
	 * Violations by the CPU's own page walks give events. Without it Xen emulates the
	 * instruction instead (XEN_DOMCTL_MONITOR_EVENT_INGUEST_PAGEFAULT), as vmi-rs asks for.
	 */
	VMT_MODEL_WALK_EVENTS = 8,
};

struct vmt_model_config {
	const struct vmt_xen_version *xen; /**< a row of xen-versions.c; NULL: the oldest, 4.17 */
	uint32_t vendor;                   /**< enum vmt_cpu_vendor */
	uint32_t flags;                    /**< enum vmt_model_flag */
	uint16_t vcpus;                    /**< 1 or more */
	uint16_t views;                    /**< with view 0; 0: the version's default */
	uint64_t max_gfn;                  /**< of the guest's memory map at the start, in pages */
	uint64_t max_own_pages; /**< vmt_model_alloc_gfn gives up after these; 0: no limit */
	const struct vmt_guest_ops *guest; /**< outlives the model */
	void *guest_ctx;
};

/**
 * Make a domain that runs, unmonitored, with a ring attached. All registers are 0 and known; the
 * backend fills them in. Returns 0 and *@model, or negative.
 */
int vmt_model_create(const struct vmt_model_config *config, struct vmt_model **model,
		     struct vmt_error *err);

/** NULL is allowed. The page source is not called: pages that were added stay. */
void vmt_model_destroy(struct vmt_model *m);

/**
 * The registers of @vcpu, for the backend to read and change while it executes. Never NULL for a
 * vCPU that there is; NULL for others. Valid until the model is destroyed.
 */
struct vmt_regs *vmt_model_regs(struct vmt_model *m, uint16_t vcpu);

/**
 * Fill in what the model knows: architecture, capabilities, vCPUs, views, Xen's version, max_gfn.
 * @info's now, seed, backend and domain are left as they are: they are the backend's.
 */
int vmt_model_info(const struct vmt_model *m, struct vmt_info *info);

/**
 * The backend has put a page of the guest's at @gfn: max_gfn is never below it from then on (Xen:
 * p2m->max_mapped_pfn).
 */
void vmt_model_page_added(struct vmt_model *m, vmt_gfn gfn);

/* -------------------------------------------------------------------------------------------- */
/* The monitor side: struct vmt_driver_ops, one to one                                          */
/* -------------------------------------------------------------------------------------------- */

/** How many events stand on the ring and were not taken. 0 and *@n. */
int vmt_model_pending(const struct vmt_model *m, uint32_t *n);

/** Take the oldest event that was not taken: 1 and @ev, or 0. */
int vmt_model_next(struct vmt_model *m, struct vmt_event *ev, struct vmt_error *err);

/**
 * Store the response to an event that was taken. What Xen would ignore, or do in part, as things
 * stand, is refused; nothing is stored then and the event is still to be answered:
 *
 *  - a response other than continue to an asynchronous event: Xen looks at a response's flags only
 *    while the vCPU is paused for an event (vm_event_resume). -VMT_E_NOT_SUPPORTED
 *  - VMT_DENY where the write was not deferred: without VMT_MONITOR_DEFERRED_WRITES, for XCR0, for
 *    other reasons (vm_event_register_write_resume). -VMT_E_NOT_SUPPORTED
 *  - VMT_EMULATE and its forms where Xen has no emulation for that reason
 *    (vm_event_emulate_check). -VMT_E_NOT_SUPPORTED
 *  - VMT_RSP_REGS with VMT_EMULATE_READ or _INSN: both travel in the same field.
 *    -VMT_E_NOT_SUPPORTED
 *  - VMT_SINGLESTEP while the single-step monitor is off: the vCPU would step for ever and nobody
 *    would know (hvm_monitor_debug). -VMT_E_NOT_SUPPORTED
 *  - VMT_FAST_SINGLESTEP without views, or on a vCPU that is being stepped and stopped for another
 *    reason: Xen would end that stepping silently. -VMT_E_NOT_SUPPORTED
 *  - a view that there is not (Xen would ignore it): -VMT_E_NOT_FOUND
 *  - VMT_REINJECT of what is no int3 or debug exception: -VMT_E_NOT_SUPPORTED; with an injection
 *    pending already: -VMT_E_BUSY
 *  - an event that was not taken, or was answered before: -VMT_E_NOT_FOUND.
 *
 * Stepping has a wanted and an actual state; Xen's toggle is sent only where they differ.
 * VMT_SINGLESTEP wants it; on a step event every other action ends it; elsewhere it stays. On Xen
 * 4.17 and 4.18 a fast step needs the single-step monitor: the model switches it on itself, and it
 * shows nowhere but in Xen (410ef33439 mended that in 4.19).
 */
int vmt_model_answer(struct vmt_model *m, const struct vmt_event *ev,
		     const struct vmt_response *rsp, struct vmt_error *err);

/**
 * Let the stored responses take effect, in the order they were stored: each as vm_event_resume
 * does it (emulation, denial, stepping, view, registers, next interrupt, then the pause ends). Its
 * slot on the ring is free then, and vCPUs that waited for one go on. Registers, emulation,
 * deferred writes and injections wait for vmt_model_enter.
 */
int vmt_model_commit(struct vmt_model *m, struct vmt_error *err);

/**
 * Switch a monitor on or off. On when on, off when off: -VMT_E_EXISTS, as Xen says EEXIST. An MSR
 * that Xen cannot watch: -VMT_E_INVALID. VMT_MONITOR_ASYNC where Xen has no such form, or with
 * deferred writes: -VMT_E_NOT_SUPPORTED. Deferred writes cannot be switched off before a detach:
 * -VMT_E_NOT_SUPPORTED; vmt_model_reset takes them out of the footprint. When the
 * single-step monitor goes, stepping ends on all vCPUs.
 */
int vmt_model_monitor(struct vmt_model *m, const struct vmt_monitor *monitor, bool on,
		      struct vmt_error *err);

/** View 0's bytes as they are, own writes included. */
int vmt_model_read(struct vmt_model *m, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		   struct vmt_error *err);

/**
 * Write through to the page source and note the pre-image, so that reset can put it back. A byte
 * written back to what it was is no longer part of the footprint. Bytes of own pages are private:
 * they leave no trace but the page.
 */
int vmt_model_write(struct vmt_model *m, vmt_gfn gfn, uint32_t offset, const void *buf,
		    uint32_t len, struct vmt_error *err);

/**
 * A new zeroed page at *@gfn, or with VMT_GFN_ANY behind the largest gfn there ever was. Where a
 * page is: -VMT_E_EXISTS. Xen: XENMEM_populate_physmap.
 */
int vmt_model_alloc_gfn(struct vmt_model *m, vmt_gfn *gfn, struct vmt_error *err);

/**
 * Give an own page back; another page: -VMT_E_PERMISSION. Where a view was remapped to it, or to
 * gfns around it, Xen drops that whole view's rights and remappings
 * (p2m_altp2m_propagate_change).
 */
int vmt_model_free_gfn(struct vmt_model *m, vmt_gfn gfn, struct vmt_error *err);

/**
 * The rights that hold for @gfn in @view, also when Xen has not copied the entry yet: view 0's on
 * Xen 4.17 and 4.18, the view's own default since 4.19 (7e5b662b28). No page: -VMT_E_UNMAPPED.
 */
int vmt_model_get_access(struct vmt_model *m, vmt_view view, vmt_gfn gfn, struct vmt_access *access,
			 struct vmt_error *err);

/**
 * Set rights. VMT_W without VMT_R is -VMT_E_NOT_SUPPORTED: with EPT it would crash the domain.
 * VMT_ACCESS_IGNORE_WALKS needs Xen 4.20 and its CPU (VMT_CAP_IGNORE_WALKS). Holes in the range are passed over without an error, as Xen does. Rights set in view
 * 0 are copied, with view 0's mapping, over each view's entry that exists
 * (p2m_altp2m_propagate_change).
 */
int vmt_model_set_access(struct vmt_model *m, vmt_view view, vmt_gfn gfn, uint64_t count,
			 struct vmt_access access, uint64_t *done, struct vmt_error *err);

/**
 * Make a view: the lowest free number. No number free: -VMT_E_LIMIT. On Xen 4.17 and 4.18 default
 * rights other than VMT_RWX do not hold and are -VMT_E_NOT_SUPPORTED (7e5b662b28).
 */
int vmt_model_create_view(struct vmt_model *m, struct vmt_access access, vmt_view *view,
			  struct vmt_error *err);
/**
 * View 0: -VMT_E_INVALID; unknown: -VMT_E_NOT_FOUND; with a vCPU in it, or with a stored answer that
 * leads to it: -VMT_E_BUSY.
 */
int vmt_model_destroy_view(struct vmt_model *m, vmt_view view, struct vmt_error *err);
/** All vCPUs go to @view at once, stopped ones too. */
int vmt_model_switch_view(struct vmt_model *m, vmt_view view, struct vmt_error *err);
/**
 * In @view, @from shows the page that @to shows there, with @to's rights there. VMT_GFN_ANY drops
 * @from's entry: mapping and rights are copied anew when the guest comes by.
 */
int vmt_model_remap_gfn(struct vmt_model *m, vmt_view view, vmt_gfn from, vmt_gfn to,
			struct vmt_error *err);

/** All registers but XCR0, which Xen's CPU record lacks. */
int vmt_model_get_regs(struct vmt_model *m, uint16_t vcpu, struct vmt_regs *regs,
		       struct vmt_error *err);
/**
 * At once, but a response's registers that wait for the vCPU to run go over them. XCR0:
 * -VMT_E_NOT_SUPPORTED. A CR value that check_cr() refuses: -VMT_E_INVALID.
 */
int vmt_model_set_regs(struct vmt_model *m, uint16_t vcpu, const struct vmt_regs *regs,
		       struct vmt_error *err);

/** One pending already: -VMT_E_BUSY (xen/arch/x86/hvm/dm.c inject_event). */
int vmt_model_inject(struct vmt_model *m, uint16_t vcpu, const struct vmt_interrupt *interrupt,
		     struct vmt_error *err);

int vmt_model_pause(struct vmt_model *m, struct vmt_error *err);
int vmt_model_resume(struct vmt_model *m, struct vmt_error *err); /**< -VMT_E_WRONG_PLACE */

/**
 * Undo what can be undone while the ring is on: own bytes that still hold what was written, rights
 * of view 0, monitors, deferred writes, view 0 for all vCPUs, stepping and fast steps off. Views
 * and own pages stay until vmt_model_detach. Goes on past errors, returns the first.
 */
int vmt_model_reset(struct vmt_model *m, struct vmt_error *err);

/**
 * Enter each vCPU that was answered and has not run since, so that what was deferred takes effect.
 * @entered (may be NULL) is told of each. A vCPU that cannot run is -VMT_E_BUSY, after the others
 * were entered: it is paused, has an unanswered event or waits for the ring. A backend that has a
 * guest of its own runs it and asks vmt_model_unsettled() instead.
 */
struct vmt_entry;
int vmt_model_settle(struct vmt_model *m,
		     int (*entered)(void *arg, uint16_t vcpu, const struct vmt_entry *entry),
		     void *arg, struct vmt_error *err);

/** How many vCPUs were answered and have not run since. */
unsigned vmt_model_unsettled(const struct vmt_model *m);

/**
 * Take the ring away: monitors end, views go, own pages are freed, and **what a response deferred
 * and no vCPU has run since is lost** (vm_event_cleanup_domain). Events that were not answered keep
 * their vCPU paused for good, also as Xen does. While a vCPU waits for a slot: -VMT_E_BUSY and only
 * the monitors are off. Can be called again.
 */
int vmt_model_detach(struct vmt_model *m, struct vmt_error *err);

/** How many deferred effects a detach has thrown away: registers, emulations, writes. */
unsigned vmt_model_lost(const struct vmt_model *m);

/* -------------------------------------------------------------------------------------------- */
/* The guest side                                                                               */
/* -------------------------------------------------------------------------------------------- */

/** How the vCPU goes on after a guest call. */
enum vmt_guest {
	/**
	 * As without a monitor; perhaps the monitor was told. Where the call carries out an
	 * instruction, it is done: registers and RIP are those after it. The vCPU may stand before
	 * its next instruction all the same, when the ring is nearly full: ask vmt_model_runnable.
	 */
	VMT_GUEST_GOES_ON = 0,
	/**
	 * The vCPU stands: an event holds it, or it waits for the ring. Leave the instruction; what
	 * is to be done is done by vmt_model_enter or by executing at RIP again.
	 */
	VMT_GUEST_STOPPED = 1,
	/** The guest gets #GP(0) for the instruction, RIP at it. Nothing was queued. */
	VMT_GUEST_FAULT = 2,
};

/** One access of an instruction, or of a page walk on its behalf. */
struct vmt_guest_access {
	vmt_gpa gpa;    /**< as the guest's page tables say, before the view's remapping */
	vmt_gva gva;    /**< with VMT_MEM_GVA_VALID */
	uint8_t access; /**< VMT_R, VMT_W, VMT_RW or VMT_X */
	uint8_t flags;  /**< enum vmt_memory_flag */
};

/**
 * May @vcpu do this access in its view? VMT_GUEST_GOES_ON and *@page: the page (of the page source)
 * that it reaches. VMT_GUEST_STOPPED: a memory-access event holds the vCPU; nothing was accessed.
 * No page behind it: -VMT_E_UNMAPPED, and the guest decides (a device, a machine check).
 */
int vmt_model_access(struct vmt_model *m, uint16_t vcpu, const struct vmt_guest_access *access,
		     vmt_gfn *page, struct vmt_error *err);

/** As vmt_model_access, without queuing or copying anything: for page walks on no one's behalf. */
int vmt_model_peek(const struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, vmt_gfn *page,
		   struct vmt_access *access, struct vmt_error *err);

/**
 * MOV to CR0, CR3 or CR4, or XSETBV: sets the register (or defers it, with
 * VMT_MONITOR_DEFERRED_WRITES) and moves RIP by @insn_length.
 */
int vmt_model_write_cr(struct vmt_model *m, uint16_t vcpu, uint32_t cr, uint64_t value,
		       uint8_t insn_length, struct vmt_error *err);

/** CLTS: a write of CR0 that is never deferred (vmx_cr_access). */
int vmt_model_clts(struct vmt_model *m, uint16_t vcpu, uint8_t insn_length, struct vmt_error *err);

/** WRMSR, likewise. */
int vmt_model_write_msr(struct vmt_model *m, uint16_t vcpu, uint32_t msr, uint64_t value,
			uint8_t insn_length, struct vmt_error *err);

/** INT3. VMT_GUEST_GOES_ON: deliver #BP. @gfn: of RIP. */
int vmt_model_int3(struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, uint8_t insn_length,
		   struct vmt_error *err);

/** A debug exception. VMT_GUEST_GOES_ON: deliver #DB. @type: enum vmt_interrupt_type. */
int vmt_model_debug(struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, uint8_t type,
		    uint8_t insn_length, uint64_t pending_dbg, struct vmt_error *err);

/**
 * CPUID: puts @result (EAX, EBX, ECX, EDX) into the registers. RIP moves only when nobody watches:
 * the monitor must move it itself.
 */
int vmt_model_cpuid(struct vmt_model *m, uint16_t vcpu, const uint32_t result[4],
		    uint8_t insn_length, struct vmt_error *err);

/** IN, OUT, INS, OUTS. VMT_GUEST_GOES_ON: do it, and move RIP. */
int vmt_model_io(struct vmt_model *m, uint16_t vcpu, const struct vmt_io *io,
		 struct vmt_error *err);

/**
 * VMCALL with HVMOP_guest_request_vm_event: RAX becomes 0 (-EPERM from user mode, unless the
 * monitor allows it) and RIP moves by @insn_length, before the monitor answers.
 */
int vmt_model_hypercall(struct vmt_model *m, uint16_t vcpu, uint8_t insn_length,
			struct vmt_error *err);

/** LGDT, SIDT, LTR and their kin. VMT_GUEST_GOES_ON: do it, and move RIP. */
int vmt_model_descriptor(struct vmt_model *m, uint16_t vcpu,
			 const struct vmt_descriptor_access *access, struct vmt_error *err);

/** Any VM exit, before its cause is looked at. VMT_GUEST_STOPPED: it happens again. */
int vmt_model_vmexit(struct vmt_model *m, uint16_t vcpu, uint64_t reason, uint64_t qualification,
		     struct vmt_error *err);

/**
 * An instruction was executed to its end: the monitor trap flag's exit. Queues the step event, or
 * ends a fast step (the view changes back silently), or does nothing. @gfn: of the new RIP. Not for
 * instructions that Xen emulated or that left by another exit.
 */
int vmt_model_retired(struct vmt_model *m, uint16_t vcpu, vmt_gfn gfn, struct vmt_error *err);

/**
 * The emulator cannot do the instruction at RIP. VMT_GUEST_FAULT: nobody watches, and the guest gets
 * #UD, which vmt_model_enter delivers.
 */
int vmt_model_unemulated(struct vmt_model *m, uint16_t vcpu, struct vmt_error *err);

/**
 * Queue @ev as it is: a recorded event, or one that has no call here. Its vCPU stops with
 * VMT_EVENT_SYNC. vcpu, reason, flags, registers and fields are taken; the ticket is the model's.
 * Unless @verbatim, VMT_EVENT_HAS_VIEW and the view are filled in, and the registers too where none
 * is known. @raw must live until the answer.
 */
int vmt_model_post(struct vmt_model *m, const struct vmt_event *ev, bool verbatim,
		   struct vmt_error *err);

/* ---- the vCPU is scheduled in ---- */

enum vmt_entry_flag {
	VMT_ENTRY_REGS = 1, /**< a response's registers were set */
	VMT_ENTRY_EMULATE =
		2,           /**< @action is to be emulated, or was, where there is an emulate op */
	VMT_ENTRY_WRITE = 4, /**< a deferred CR or MSR write was carried out */
	VMT_ENTRY_DELIVER = 8, /**< @deliver is to be delivered before the next instruction */
	VMT_ENTRY_STEP = 16,   /**< stepping: no interrupt may come before the next instruction */
	VMT_ENTRY_LOST = 32,   /**< an injection was dropped: something else was due already */
};

/** What took place when the vCPU was scheduled in. */
struct vmt_entry {
	uint32_t flags;  /**< enum vmt_entry_flag */
	uint16_t action; /**< with VMT_ENTRY_EMULATE */
	vmt_view view;   /**< the vCPU's */
	uint32_t data_len;
	const uint8_t *data; /**< of the emulation; valid until the next call for this vCPU */
	struct vmt_interrupt deliver;
};

/** Can @vcpu run: not paused, not held by an event, not waiting for the ring? */
bool vmt_model_runnable(const struct vmt_model *m, uint16_t vcpu);

/**
 * Schedule @vcpu in, as hvm_do_resume does: a response's registers, its emulation, deferred writes
 * of CR0, CR4, CR3 and an MSR, the pending injection, the next-interrupt event. 1 and @entry: it
 * runs. 0: it cannot, or stopped again here.
 */
int vmt_model_enter(struct vmt_model *m, uint16_t vcpu, struct vmt_entry *entry,
		    struct vmt_error *err);

/** The view that @vcpu runs in. */
vmt_view vmt_model_view_of(const struct vmt_model *m, uint16_t vcpu);

/** Is @vcpu being stepped, fast or not? Interrupts are held back then (vmx_intr_assist). */
bool vmt_model_stepping(const struct vmt_model *m, uint16_t vcpu);

/** Is this kind of event switched on? For guests that skip work when nobody watches. */
bool vmt_model_monitored(const struct vmt_model *m, uint32_t kind, uint32_t what);

#endif /* VMITAPE_MODEL_MODEL_H */
