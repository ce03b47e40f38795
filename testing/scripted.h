/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scripted domain, as its own files see it:
 *
 *   scripted.c            the driver's ops, and its life
 *   scripted-memory.c     guest-physical pages
 *   scripted-tables.c     page tables in them
 *   scripted-script.c     the script: checked and copied, and the programs made of it
 *   scripted-insns.c      what each kind of instruction is: its bytes, what it does
 *   scripted-guest.c      one vCPU: where it stands, fetching, accessing memory, one instruction
 *   scripted-delivery.c   exceptions that the guest receives
 *   scripted-vcpus.c      the test's calls about vCPUs, views and rights
 *   scripted-wait.c       time, turns, steps of the world
 *   scripted-leftovers.c  what a session left behind
 *   scripted-run.c        a handler on it, in one call
 */
#ifndef VMT_TESTING_SCRIPTED_H
#define VMT_TESTING_SCRIPTED_H

#include <vmitape/test.h>

#include "model/gfn-map.h"
#include "model/model.h"

#include "arena.h"

#define VMT_SCRIPT_END SIZE_MAX

/** One vCPU's way through its program. */
struct vmt_scripted_vcpu {
	size_t *program; /**< indexes into the script's steps */
	size_t n, cap;
	size_t at;            /**< the instruction where it stands; @n: at the end */
	uint64_t rip;         /**< RIP when it came there; a vCPU whose RIP differs was moved */
	bool begun;           /**< the instruction there was begun, and stopped */
	uint32_t events;      /**< that stopped it at this very place, one after the other */
	uint16_t last_reason; /**< of its last event */
};

/** A page of the guest's. */
struct vmt_scripted_page {
	uint8_t *bytes; /**< NULL: all zeros */
	bool hole;      /**< in RAM: no page is there */
};

/** Rights that were there when the session began. */
struct vmt_scripted_rights {
	vmt_view view;
	uint64_t gfn;
	struct vmt_access access;
};

struct vmt_scripted_msr {
	uint16_t vcpu;
	uint32_t number;
	uint64_t value;
};

struct vmt_scripted {
	struct vmt_driver driver;
	struct vmt_scripted_config config; /**< with its defaults filled in */
	struct vmt_model *model;
	int stop_fd;
	/** How long, in real time, another thread has for a stop when nothing else can happen. */
	int stop_wait_ms;

	struct vmt_scripted_page *ram; /**< config.pages of them */
	struct vmt_gfn_map pages;      /**< of struct vmt_scripted_page: those behind RAM */
	uint64_t table_end;            /**< tables are taken from below this gfn */
	struct vmt_space space;        /**< of config.paging */

	struct vmt_arena arena; /**< what steps point to */
	struct vmt_step *steps;
	size_t nsteps, steps_cap;
	size_t border; /**< the next step of the world, or VMT_SCRIPT_END */
	struct vmt_scripted_vcpu *vcpus;

	uint64_t now;       /**< ns */
	uint64_t idle_left; /**< of the IDLE step at the border; 0: not begun */
	uint64_t overhead;  /**< ns */
	uint32_t out;       /**< events taken and not answered */

	struct vmt_error failed; /**< a script error or livelock; status 0: none */
	bool told;               /**< a wait returned it */
	bool gone;               /**< shut down: vCPUs do not run any more */
	bool destroyed;

	struct vmt_delivered *delivered;
	size_t ndelivered, delivered_cap;
	vmt_scripted_delivery_fn *on_delivery;
	void *on_delivery_arg;

	struct vmt_scripted_msr *msrs;
	size_t nmsrs;
	struct vmt_scripted_rights *rights;
	size_t nrights;
};

/** @d, or a driver that it wraps, as a scripted one. NULL with @d's error set: it is none. */
struct vmt_scripted *vmt_scripted_of(struct vmt_driver *d);

/* scripted-memory.c */

extern const struct vmt_guest_ops vmt_scripted_guest_ops;
int vmt_scripted_pages_init(struct vmt_scripted *s, struct vmt_error *err);
void vmt_scripted_pages_finish(struct vmt_scripted *s);
/** Copy out or in, over page ends. -VMT_E_UNMAPPED: a page is not there, and nothing was copied. */
int vmt_scripted_copy_out(struct vmt_scripted *s, uint64_t gpa, void *buf, size_t len,
			  struct vmt_error *err);
int vmt_scripted_copy_in(struct vmt_scripted *s, uint64_t gpa, const void *buf, size_t len,
			 struct vmt_error *err);
/** Is there a page, and does it hold only zeros? */
bool vmt_scripted_page_is_blank(struct vmt_scripted *s, uint64_t gfn);

/* scripted-tables.c */

/** The tables of config.paging, and all vCPUs in them. */
int vmt_scripted_tables_init(struct vmt_scripted *s, struct vmt_error *err);

/* scripted-insns.c */

/** How an attempt at an instruction ended. Or negative, with the driver's error set. */
enum vmt_attempt {
	VMT_ATTEMPT_DONE,    /**< RIP is behind it, or where it jumped to */
	VMT_ATTEMPT_RETIRED, /**< likewise, and it did not leave the guest: a step event may follow */
	VMT_ATTEMPT_STOPPED, /**< an event holds the vCPU */
	VMT_ATTEMPT_AGAIN,   /**< the guest got an exception; RIP may be anywhere */
};

/** What is different when an instruction is emulated for a response. All zero: it is not. */
struct vmt_scripted_emulation {
	bool active;
	bool no_write;
	const uint8_t *read_data; /**< in place of memory */
	uint32_t read_len;
};

struct vmt_insn_kind {
	const char *name;
	bool instruction; /**< else a step of the world */
	/** Its usual bytes, at most 15; returns how many. */
	unsigned (*encode)(const struct vmt_step *step, uint8_t *bytes);
	/** Do it. @emulation is never NULL. */
	int (*execute)(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step,
		       const struct vmt_scripted_emulation *emulation);
	/** Xen's emulator can do it. */
	bool emulated;
	/** Called when the vCPU stands behind it; may be NULL. 0; 1: the vCPU was stopped. */
	int (*trap)(struct vmt_scripted *s, uint16_t vcpu, const struct vmt_step *step);
};

#define VMT_INSN_MAX 16u /**< room for an instruction; they have at most 15 bytes */

/** The row of @kind; NULL: there is none. */
const struct vmt_insn_kind *vmt_insn_kind_find(unsigned kind);

/* scripted-guest.c */

/** A guest-virtual range as physical pieces, at most two, for an access of at most a page. */
struct vmt_scripted_range {
	size_t n;
	struct {
		uint64_t gpa; /**< as the page tables say */
		uint64_t gva;
		size_t len;
		uint64_t page; /**< the gfn that the view shows there */
	} piece[2];
};

/**
 * Find @len bytes at @gva for @access (VMT_R, VMT_W or VMT_X) and ask the model for them.
 * VMT_ATTEMPT_DONE: all of it may be accessed. With @emulation, rights are set aside.
 */
int vmt_scripted_reach(struct vmt_scripted *s, uint16_t vcpu, uint64_t gva, size_t len,
		       unsigned access, const struct vmt_scripted_emulation *emulation,
		       struct vmt_scripted_range *range);
int vmt_scripted_range_read(struct vmt_scripted *s, const struct vmt_scripted_range *range,
			    void *buf);
int vmt_scripted_range_write(struct vmt_scripted *s, const struct vmt_scripted_range *range,
			     const void *buf);

/** Schedule @vcpu in and let it execute one instruction. 1: it did something; 0: it cannot. */
int vmt_scripted_turn(struct vmt_scripted *s, uint16_t vcpu);

/** Has the vCPU done all of its steps before step @border? Only true while nothing holds it. */
bool vmt_scripted_has_reached(struct vmt_scripted *s, uint16_t vcpu, size_t border);

/** The emulate op of struct vmt_guest_ops. */
int vmt_scripted_emulate(void *ctx, uint16_t vcpu, const struct vmt_emulation *emulation,
			 struct vmt_error *err);

/** The gfn of RIP as the page tables say; of no use when they say nothing: then 0. */
vmt_gfn vmt_scripted_gfn_of_rip(struct vmt_scripted *s, uint16_t vcpu);

/** Note a script error about @vcpu (its RIP is added) and return its negative status. */
int vmt_scripted_fail(struct vmt_scripted *s, uint16_t vcpu, enum vmt_status status,
		      const char *fmt, ...) VMT_PRINTF(4, 5);

/* scripted-delivery.c */

/** The guest receives @interrupt. 0, or negative: the test's function said so. */
int vmt_scripted_deliver(struct vmt_scripted *s, uint16_t vcpu,
			 const struct vmt_interrupt *interrupt);
/** An exception of the script's own instruction: VMT_ATTEMPT_AGAIN, or a script error. */
int vmt_scripted_raise(struct vmt_scripted *s, uint16_t vcpu, uint8_t vector, uint32_t error_code,
		       uint64_t address, const char *why);

/* scripted-wait.c */

int vmt_scripted_wait(struct vmt_driver *d, int timeout_ms, struct vmt_wait *wait);
int vmt_scripted_settle(struct vmt_driver *d, int timeout_ms);

#endif /* VMT_TESTING_SCRIPTED_H */
