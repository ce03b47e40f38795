/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a model holds, for the files of this folder.
 */
#ifndef VMITAPE_MODEL_STATE_H
#define VMITAPE_MODEL_STATE_H

#include "gfn-map.h"
#include "model.h"

/* ---- views (entries.c, views.c, rights.c) ---- */

/** Xen's p2m entry of one gfn, where it is not what an untouched one is. */
struct vmt_view_entry {
	uint64_t to; /**< the gfn whose page it shows */
	struct vmt_access access;
	bool set; /**< by the monitor; otherwise Xen copied it */
};

struct vmt_view_state {
	bool exists;
	struct vmt_access initial;  /**< rights of what is not set: Xen's default_access */
	struct vmt_gfn_map entries; /**< of struct vmt_view_entry */
	/** The range of gfns that pages are remapped to: Xen's min_ and max_remapped_gfn. */
	uint64_t min_remapped, max_remapped;
};

/* ---- the ring (ring.c, responses.c) ---- */

enum vmt_slot_state { VMT_SLOT_FREE, VMT_SLOT_QUEUED, VMT_SLOT_TAKEN, VMT_SLOT_ANSWERED };

/** A response, copied. */
struct vmt_answer {
	uint64_t order;
	uint16_t action, flags;
	vmt_view view;
	uint32_t data_len;
	struct vmt_gprs regs;
	uint8_t data[VMT_EMUL_READ_MAX];
};

struct vmt_slot {
	enum vmt_slot_state state;
	bool deferred; /**< the write of this event waits for its response */
	struct vmt_event event;
	struct vmt_answer answer;
};

/** What the vCPU still does after its event was queued: the rest of Xen's exit handler. */
enum vmt_after {
	VMT_AFTER_NOTHING,
	VMT_AFTER_WRITE_CR,
	VMT_AFTER_CLTS,
	VMT_AFTER_WRITE_MSR,
	VMT_AFTER_HYPERCALL,
	VMT_AFTER_DEBUG,
	VMT_AFTER_VMEXIT,
};

struct vmt_rest {
	enum vmt_after after;
	uint32_t what; /**< CR or MSR */
	uint64_t value;
	uint8_t insn_length;
	struct vmt_interrupt interrupt;
};

/* ---- vCPUs (vcpu.c) ---- */

struct vmt_vcpu_state {
	struct vmt_regs regs;
	vmt_view view;

	uint32_t held; /**< sync events not yet answered: vm_event_pause_count */
	bool blocked;  /**< put to sleep when the ring was nearly full: vm_event_mark_and_pause */
	bool waiting;  /**< asleep in vm_event_wait_slot, with what follows */
	bool waiting_verbatim;
	struct vmt_event waiting_event;
	struct vmt_rest waiting_rest;

	bool single_step; /**< Xen's arch.hvm.single_step */
	bool fast;        /**< and fast_single_step.enabled */
	vmt_view fast_back;
	bool wants_step; /**< what the monitor asked for */

	/* What a response left for the next schedule-in (struct arch_vm_event). */
	bool set_gprs;
	struct vmt_gprs gprs;
	uint16_t emulate; /**< an action, or 0 */
	uint32_t emulate_len;
	uint8_t emulate_data[VMT_EMUL_READ_MAX];
	uint32_t deferred_crs; /**< bits by enum vmt_cr */
	uint64_t deferred_cr[VMT_CR_COUNT];
	bool deferred_msr;
	uint32_t deferred_msr_number;
	uint64_t deferred_msr_value;
	bool unsettled; /**< answered, and not run since */

	bool next_interrupt;
	bool injecting; /**< arch.hvm.inject_event */
	struct vmt_interrupt inject;
	bool due; /**< the event of the next VM entry */
	struct vmt_interrupt due_interrupt;
	bool vmexit_told; /**< the exit at hand was reported already */
};

/* ---- monitors (monitors.c) ---- */

#define VMT_MSR_RANGE  0x2000u /**< MSRs of each of the three ranges that Xen can watch */
#define VMT_MSR_RANGES 3u
#define VMT_MSR_BITS   (VMT_MSR_RANGE * VMT_MSR_RANGES)

struct vmt_monitor_state {
	bool on[VMT_MONITOR_KIND_COUNT]; /**< but CR and MSR */
	uint32_t flags[VMT_MONITOR_KIND_COUNT];
	uint32_t crs, crs_async, crs_on_change; /**< bits by enum vmt_cr */
	uint64_t cr_ignore[VMT_CR_COUNT];
	uint8_t msrs[VMT_MSR_BITS / 8], msrs_on_change[VMT_MSR_BITS / 8];
	uint32_t nmsrs;
	bool internal_step; /**< the single-step monitor, for fast steps on Xen 4.17 and 4.18 */
	bool deferring;     /**< Xen's control_register_values: once on, on while the ring is */
};

/* ---- memory (pages.c) ---- */

/** Own writes to a page of the guest's: which bytes, what was written, what was there. */
struct vmt_own_bytes {
	uint8_t own[VMT_PAGE_SIZE / 8];
	uint8_t unknown[VMT_PAGE_SIZE / 8]; /**< the pre-image is not known */
	uint8_t now[VMT_PAGE_SIZE], before[VMT_PAGE_SIZE];
};

/* ---- the model ---- */

struct vmt_model {
	const struct vmt_xen_version *xen;
	uint32_t vendor, flags;
	uint32_t capabilities;
	const struct vmt_guest_ops *guest;
	void *ctx;

	bool ring; /**< attached */
	bool altp2m;
	uint64_t ticket, answer_order, generation;
	struct vmt_slot slots[VMT_RING_SLOTS];
	uint16_t last_wake; /**< ved->last_vcpu_wake_up */

	uint16_t nviews; /**< the limit */
	struct vmt_view_state *views;
	struct vmt_gfn_map split; /**< 2 MiB regions that view 0 maps in 4 KiB pages */

	uint64_t max_gfn, max_own_pages;
	struct vmt_gfn_map own_pages; /**< no value */
	struct vmt_gfn_map bytes;     /**< of struct vmt_own_bytes * */

	struct vmt_monitor_state monitors;
	uint32_t pauses;
	uint32_t lost; /**< deferred effects that a detach threw away */

	uint16_t nvcpus;
	struct vmt_vcpu_state *vcpus;
};

static inline bool vmt_bit_get(const uint8_t *bits, uint32_t i)
{
	return ((unsigned)bits[i / 8] >> (i % 8)) & 1u;
}

static inline void vmt_bit_put(uint8_t *bits, uint32_t i, bool on)
{
	unsigned mask = 1u << (i % 8);
	unsigned byte = bits[i / 8];

	bits[i / 8] = (uint8_t)(on ? byte | mask : byte & ~mask);
}

static inline void vmt_model_changed(struct vmt_model *m)
{
	m->generation++;
}

/* model.c */

/** The vCPU, or NULL with @err: there is no such vCPU. */
struct vmt_vcpu_state *vmt_vcpu_need(struct vmt_model *m, uint16_t vcpu, struct vmt_error *err);
/** Refuse monitor-side calls after a detach. */
int vmt_ring_need(const struct vmt_model *m, struct vmt_error *err);
/** Refuse what this Xen or CPU lacks, by name: 0 or -VMT_E_NOT_SUPPORTED. */
int vmt_capability_need(const struct vmt_model *m, uint32_t capability, struct vmt_error *err);

/* ring.c */

/**
 * Queue @ev for @vcpu, or let the vCPU wait for a slot, and do @rest after it. Without a ring only
 * the rest is done. Returns enum vmt_guest.
 */
int vmt_ring_post(struct vmt_model *m, uint16_t vcpu, const struct vmt_event *ev, bool verbatim,
		  const struct vmt_rest *rest);
/** A slot that was answered is free again: wake who waits (vm_event_wake). */
void vmt_ring_release(struct vmt_model *m, struct vmt_slot *slot);
/** Post what @vcpu has waited with; a slot is free. */
void vmt_ring_post_waiting(struct vmt_model *m, uint16_t vcpu);
unsigned vmt_ring_free_slots(const struct vmt_model *m);
struct vmt_slot *vmt_slot_find(struct vmt_model *m, uint64_t ticket);

/* entries.c */

/** Is there a page in view 0? */
bool vmt_page_exists(const struct vmt_model *m, uint64_t gfn);
/** What @view shows and allows at @gfn once the guest has come by; false: no page. */
bool vmt_entry_effective(const struct vmt_model *m, vmt_view view, uint64_t gfn, uint64_t *to,
			 struct vmt_access *access);
/** As the guest's fault does: copy the entry if Xen has not yet. 0 or -VMT_E_NO_MEMORY. */
int vmt_entry_propagate(struct vmt_model *m, vmt_view view, uint64_t gfn, struct vmt_error *err);
/** Set an entry of a view other than 0. */
int vmt_entry_set(struct vmt_model *m, vmt_view view, uint64_t gfn, uint64_t to,
		  struct vmt_access access, struct vmt_error *err);
/** Copy a superpage's entries before one of them is set. */
int vmt_entry_prepopulate(struct vmt_model *m, vmt_view view, uint64_t gfn, struct vmt_error *err);
/** View 0's entry of @gfn gets @access; other views follow (p2m_altp2m_propagate_change). */
int vmt_entry_host_set(struct vmt_model *m, uint64_t gfn, struct vmt_access access,
		       struct vmt_error *err);
/** View 0's entry of @gfn is gone; other views follow. */
void vmt_entry_host_drop(struct vmt_model *m, uint64_t gfn);
/** Forget all entries of a view. */
void vmt_entries_reset(struct vmt_model *m, vmt_view view);

/* views.c */

/** 0, or negative with @err: there is no such view, or no views at all. */
int vmt_view_need(const struct vmt_model *m, vmt_view view, struct vmt_error *err);
/** Rights that this Xen can give a page: 0 or negative. */
int vmt_access_check(const struct vmt_model *m, struct vmt_access access, struct vmt_error *err);
/** Views end: all vCPUs in view 0, entries gone. */
void vmt_views_end(struct vmt_model *m);

/* monitors.c */

/** The bit of an MSR, or VMT_MSR_BITS when Xen cannot watch it. */
uint32_t vmt_msr_bit(uint32_t msr);
uint32_t vmt_msr_of_bit(uint32_t bit);
void vmt_monitors_end(struct vmt_model *m);

/* stepping.c */

/** Carry a response's stepping out (vm_event_toggle_singlestep). */
void vmt_step_apply(struct vmt_model *m, const struct vmt_slot *slot);
/** Stepping and fast steps off (XEN_DOMCTL_DEBUG_OP_SINGLE_STEP_OFF). */
void vmt_step_off(struct vmt_model *m, uint16_t vcpu);

/* registers.c */

/** Do what @rest says about registers; @deferred: only note it. */
void vmt_rest_do(struct vmt_model *m, uint16_t vcpu, const struct vmt_rest *rest, bool posted);
/** Carry deferred writes out (hvm_vm_event_do_resume). True: there were some. */
bool vmt_deferred_do(struct vmt_model *m, uint16_t vcpu);
/** Take a deferred write back (vm_event_register_write_resume). */
void vmt_deferred_deny(struct vmt_model *m, const struct vmt_slot *slot);
/** @from with only the fields of @mask; the others 0. */
void vmt_regs_masked(struct vmt_regs *to, const struct vmt_regs *from, uint64_t mask);

/* injection.c */

/** What the next-interrupt event tells of @in. */
void vmt_interrupt_told(const struct vmt_interrupt *in, struct vmt_interrupt *told);
/** The vCPU gets @in at its next entry (hvm_inject_event). */
void vmt_raise(struct vmt_model *m, uint16_t vcpu, const struct vmt_interrupt *in);
void vmt_raise_exception(struct vmt_model *m, uint16_t vcpu, uint8_t vector, uint32_t error_code);

/* pages.c */

/** Put all own bytes back that still stand. Goes on past errors; the first is returned. */
int vmt_bytes_reset(struct vmt_model *m, struct vmt_error *err);
void vmt_bytes_forget(struct vmt_model *m, uint64_t gfn);
/** Free all own pages. */
int vmt_own_pages_free(struct vmt_model *m, struct vmt_error *err);
void vmt_pages_finish(struct vmt_model *m);

#endif /* VMITAPE_MODEL_STATE_H */
