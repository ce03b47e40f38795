/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Testing handlers: a scripted domain, a fault injector, a call log, a collecting observer, and
 * assertions for cmocka.
 *
 *     #include <cmocka.h>
 *     #include <vmitape/test.h>
 *
 *     static void counts_process_switches(void **state)
 *     {
 *             static const struct vmt_step guest[] = {
 *                     VMT_INSN_CR(0, 0x1000, VMT_CR3, 0x5000),
 *                     VMT_INSN_CR(0, 0x1010, VMT_CR3, 0x6000),
 *             };
 *             struct vmt_scripted_config config = {.vcpus = 1};
 *             struct vmt_driver *d;
 *             struct vmt_collector *seen;
 *             struct vmt_outcome outcome;
 *             struct vmt_error err;
 *
 *             vmt_assert_ok(vmt_scripted_create(&config, &d, &err), &err);
 *             vmt_assert_ok(vmt_scripted_play(d, guest, 2, &err), &err);
 *             vmt_assert_ok(vmt_collector_create(&seen, &err), &err);
 *             vmt_scripted_run_handler(d, &vmt_handler, NULL, 0, seen, &outcome);
 *             vmt_assert_ended(&outcome, VMT_END_GONE);
 *             vmt_assert_emitted(seen, 1, "switch", vmt_addr(0x6000));
 *             vmt_assert_clean(d);
 *             vmt_collector_destroy(seen);
 *             vmt_driver_close(d);
 *     }
 *
 * The macros at the end call cmocka's fail_msg, so include <cmocka.h> first; libvmitape itself does
 * not need cmocka. With another test library use the vmt_check_*() functions: they return NULL, or
 * the text of what is wrong.
 *
 * What vmi-rs's vmi-driver-mock has (crates/vmi-driver-mock/src/arch/amd64.rs), and what does it
 * here. Unlike the mock, a whole handler runs: with events, batches, timeouts, stops and registers,
 * and with views and rights that matter.
 *
 *   mock                                        here
 *   1  fill_page, insert_page, write_original,  vmt_scripted_fill, _add_gfn, _write, _read,
 *      byte, page, write_pte                    _write_pte
 *   2  read_page gives a copy; missing: error   vmt_driver_read: -VMT_E_UNMAPPED
 *   3  write_page with bounds                   vmt_driver_write: -VMT_E_INVALID, no panic
 *   4  allocate_gfn, _at, free_gfn              vmt_driver_alloc_gfn, _free_gfn
 *   5  create_view, default_view                vmt_driver_create_view; view 0
 *   6  change_view_gfn, reset_view_gfn,         vmt_driver_remap_gfn; vmt_scripted_view_target
 *      view_target
 *   7  access, set_initial_access               vmt_driver_get_access; vmt_scripted_set_access
 *   8  calls, count, clear_log                  vmt_call_log_get, _count, _clear, _text
 *   9  arm_fault(op, nth)                       vmt_fault_injector_add
 *   10 make_pte, make_large_pte,                vmt_pte, vmt_pte_large, vmt_pte_not_present
 *      make_not_present_pte
 */
#ifndef VMITAPE_TEST_H
#define VMITAPE_TEST_H

#include <vmitape/call.h>
#include <vmitape/driver.h>
#include <vmitape/emission.h>
#include <vmitape/event.h>
#include <vmitape/handler.h>
#include <vmitape/memory.h>
#include <vmitape/registers.h>
#include <vmitape/run.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- */
/* The scripted domain                                                                          */
/* -------------------------------------------------------------------------------------------- */

/*
 * A driver whose guest is a script. Monitors, views, rights, stepping, injection, pauses and
 * refusals are those of Xen (its semantics stand in one place, model/); only what the guest does
 * next is given by the test. Time is virtual: nothing sleeps, and two runs are equal.
 *
 * All vmt_scripted_* calls take the scripted driver or a call log or fault injector around it; with
 * any other driver they are -VMT_E_INVALID. They are the test's own: they are not logged, no fault
 * strikes them, and what they change is no footprint.
 */

enum vmt_scripted_end {
	VMT_SCRIPTED_GONE = 0, /**< at the end of the script the domain shuts down */
	VMT_SCRIPTED_IDLE = 1, /**< its vCPUs are blocked for ever, and waits time out */
};

#define VMT_SCRIPTED_PAGES     256u
#define VMT_SCRIPTED_PAGES_MAX (1u << 22)
#define VMT_SCRIPTED_RIP       UINT64_C(0x1000)

/** Where a vCPU's program begins unless it says so: each in a page of its own. */
#define VMT_SCRIPTED_RIP_OF(vcpu) (VMT_SCRIPTED_RIP + (uint64_t)(vcpu)*VMT_PAGE_SIZE)

/** All zero is one vCPU under Xen 4.17 on VMX, 1 MiB of RAM, no paging. */
struct vmt_scripted_config {
	uint16_t vcpus;                /**< 0: 1 */
	uint16_t xen_major, xen_minor; /**< 0.0: 4.17 */
	bool svm;                      /**< AMD's virtualization instead of Intel's */
	/**
	 * enum vmt_paging: not 0: page tables of this mode are made that map RAM one to one,
	 * writable and executable for the kernel, and all vCPUs start in them;
	 * vmt_scripted_space() tells the space.
	 */
	uint8_t paging;
	uint8_t at_end; /**< enum vmt_scripted_end */
	bool keep_code; /**< do not write the instructions' bytes to memory (vmt_scripted_play) */
	/**
	 * Of RAM, from gfn 0 on, all zero. 0: VMT_SCRIPTED_PAGES; at most VMT_SCRIPTED_PAGES_MAX
	 * (16 GiB). What is never written takes no memory.
	 */
	uint32_t pages;
	/**
	 * After how many events of a vCPU that gets nowhere a livelock is reported; 0: 64. That is
	 * what a handler does that continues at an int3: on Xen it would go on for ever.
	 */
	uint32_t livelock;
	uint64_t seed;     /**< vmt_info.seed */
	uint64_t start_ns; /**< the time at the start */
	uint64_t insn_ns;  /**< the time an instruction takes; 0: 1000 */
};

/** @config may be NULL. vmt_driver_close() frees the driver. */
VMT_API int vmt_scripted_create(const struct vmt_scripted_config *config, struct vmt_driver **d,
				struct vmt_error *err);

/* Memory. What is read and written here is the truth: the pages themselves, whatever views show. */

VMT_API int vmt_scripted_read(struct vmt_driver *d, vmt_gpa gpa, void *buf, size_t len);
VMT_API int vmt_scripted_write(struct vmt_driver *d, vmt_gpa gpa, const void *buf, size_t len);
VMT_API int vmt_scripted_fill(struct vmt_driver *d, vmt_gpa gpa, uint8_t byte, size_t len);

/**
 * A zeroed page at @gfn, wherever it is; a page that is there already stays as it is. As on Xen,
 * vmt_info.max_gfn grows with it.
 */
VMT_API int vmt_scripted_add_gfn(struct vmt_driver *d, vmt_gfn gfn);

/** Take the page away (ballooned out): reads of it are -VMT_E_UNMAPPED. */
VMT_API int vmt_scripted_remove_gfn(struct vmt_driver *d, vmt_gfn gfn);

/** Rights that are there when the session begins. */
VMT_API int vmt_scripted_set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn,
				    struct vmt_access access);

/** Which page @view shows at @gfn: @gfn itself unless it is remapped. */
VMT_API int vmt_scripted_view_target(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, vmt_gfn *to);

/* Page tables. */

enum vmt_map_flag {
	VMT_MAP_USER = 1,
	VMT_MAP_READ_ONLY = 2,
	VMT_MAP_NX = 4,
	VMT_MAP_NOT_PRESENT = 8, /**< write entries that are not present; bits 12 and up as given */
	VMT_MAP_2M = 16,         /**< with 2 MiB pages: PAE, 4 and 5 levels */
	VMT_MAP_4M = 32,         /**< with 4 MiB pages: 32-bit paging with VMT_SPACE_PSE */
	VMT_MAP_1G = 64,         /**< with 1 GiB pages: 4 and 5 levels */
};

/** The space made by config.paging; VMT_PHYS without. */
VMT_API struct vmt_space vmt_scripted_space(struct vmt_driver *d);

/**
 * A new, empty address space. Table pages, here and in vmt_scripted_map, are taken from the end of
 * RAM downwards, pages that hold anything left out. @flags: enum vmt_space_flag; VMT_SPACE_NXE is
 * implied for 4 and 5 levels.
 */
VMT_API int vmt_scripted_new_space(struct vmt_driver *d, enum vmt_paging paging, unsigned flags,
				   struct vmt_space *space);

/** Map @len bytes (whole pages) at @gva to @gpa. @flags: enum vmt_map_flag. */
VMT_API int vmt_scripted_map(struct vmt_driver *d, struct vmt_space space, vmt_gva gva, vmt_gpa gpa,
			     uint64_t len, unsigned flags);

/** Set the vCPU's CR0, CR3, CR4 and EFER so that it works in @space. */
VMT_API int vmt_scripted_enter_space(struct vmt_driver *d, uint16_t vcpu, struct vmt_space space);

/** Entries of 8 bytes. @flags: enum vmt_map_flag. */
VMT_API uint64_t vmt_pte(vmt_gfn gfn, unsigned flags);
VMT_API uint64_t vmt_pte_large(vmt_gfn gfn, unsigned flags); /**< with the PS bit */
VMT_API uint64_t vmt_pte_not_present(void);
VMT_API int vmt_scripted_write_pte(struct vmt_driver *d, vmt_gpa where, uint64_t entry);

/* vCPUs. */

/**
 * Set the known fields of @regs, all of them. vCPUs start in 64-bit kernel mode (32-bit segments
 * with config.paging NONE, PAE or 32), interrupts off, RIP at their first instruction. Read them
 * with vmt_driver_get_regs.
 */
VMT_API int vmt_scripted_set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs);

/** The view in which the vCPU is. */
VMT_API int vmt_scripted_vcpu_view(struct vmt_driver *d, uint16_t vcpu, vmt_view *view);

/** Exceptions and interrupts that the guest itself received. */
struct vmt_delivered {
	uint64_t number; /**< from 0 */
	uint64_t now;    /**< ns */
	uint64_t rip;    /**< what the guest's handler would see as return address */
	struct vmt_interrupt interrupt;
	uint16_t vcpu;
};

/**
 * Called at each delivery, in place of the guest's own handler: it may map a page after a page
 * fault, or set registers. Negative: a script error.
 */
typedef int vmt_scripted_delivery_fn(struct vmt_driver *d, const struct vmt_delivered *what,
				     void *arg);
VMT_API int vmt_scripted_on_delivery(struct vmt_driver *d, vmt_scripted_delivery_fn *fn, void *arg);

/** How many with @vector were delivered; -1: of any. The n-th, from 0, is valid until the next. */
VMT_API size_t vmt_scripted_ndelivered(struct vmt_driver *d, int vector);
VMT_API const struct vmt_delivered *vmt_scripted_delivered(struct vmt_driver *d, size_t n);

/* -------------------------------------------------------------------------------------------- */
/* Scripts                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/*
 * A script is a list of steps: instructions of vCPUs, and steps of the world around them.
 *
 * The instructions of one vCPU are its program, in the order of the path that the guest takes.
 * Executing one goes as on Xen: the fetch at RIP is checked against the rights of the vCPU's view,
 * through its remappings; a 0xCC there, where the script has another instruction, is a planted
 * breakpoint and gives an int3; then the rights for its data; then the monitor of its kind; then
 * its effect; then a single-step event if one is due. One that runs to its end is followed by the
 * next of the program, wherever that stands. As on VMX, an instruction that leaves the guest by
 * itself (CPUID, VMCALL, I/O, most writes of CRs and MSRs) ends with no single-step event; the next
 * one does.
 *
 * RIP is real. Where a response or a delivery has moved RIP, the vCPU goes on at the instruction of
 * its program that stands there: the nearest after the last one executed, else the first. None is a
 * script error that names vCPU and RIP (a skip by a wrong length, or the reinjection of a
 * breakpoint that the handler itself planted in a longer instruction).
 *
 * Exceptions that are delivered to the guest are counted; its handler for them is the function of
 * vmt_scripted_on_delivery(). A page fault or #GP of an instruction of the script, which would
 * repeat for ever without one, is a script error then.
 *
 * vCPUs take turns, one instruction each, vCPU 0 first. A wait runs them until each one is stopped,
 * blocked or at a border, or the ring is full; after the first event at most 64 turns. So events of
 * several vCPUs come in batches. A world step is a border: it is done when all steps before it are,
 * their events answered, and before any step after it. While the domain is paused the script stands
 * still.
 *
 * A script error makes wait() fail with -VMT_E_INVALID, a livelock with -VMT_E_LIMIT, from then on.
 * So does (with -VMT_E_WRONG_PLACE, after 10 seconds of real time in which another thread may ask
 * for a stop) a wait without timeout on a domain where nothing will happen.
 */

enum vmt_step_kind {
	/* Instructions. */
	VMT_STEP_NOP = 1,
	VMT_STEP_READ = 2,        /**< @len bytes at @addr; up to 8 of them go to RAX */
	VMT_STEP_WRITE = 3,       /**< @bytes, @len to @addr */
	VMT_STEP_CR = 4,          /**< @what: enum vmt_cr; @value */
	VMT_STEP_MSR = 5,         /**< @what: number; @value */
	VMT_STEP_INT3 = 6,        /**< the guest's own */
	VMT_STEP_CPUID = 7,       /**< @what: leaf; @value: subleaf */
	VMT_STEP_IN = 8,          /**< @what: port; @len: 1, 2 or 4; @value: what is read */
	VMT_STEP_OUT = 9,         /**< @what: port; @len; @value: what is written */
	VMT_STEP_VMCALL = 10,     /**< the guest asks for an event */
	VMT_STEP_DESCRIPTOR = 11, /**< @what: enum vmt_descriptor; @value: 1 for a write */
	/**
	 * A debug exception, @value: pending debug exceptions. @what: VMT_INT_HW_EXCEPTION (or 0):
	 * a trap after the instruction, as of a data breakpoint, so RIP is at the next one;
	 * VMT_INT_PRIV_SW_EXCEPTION: ICEBP, RIP is at it.
	 */
	VMT_STEP_DEBUG = 12,
	/** @what: exit reason; @value: qualification. As on Xen it is told again and again. */
	VMT_STEP_VMEXIT = 13,
	VMT_STEP_JUMP = 14, /**< to @addr */

	/* The world. */
	VMT_STEP_POKE = 64, /**< memory changes from outside: @bytes, @len at gpa @addr */
	VMT_STEP_IDLE = 65, /**< @value ns pass */
	VMT_STEP_STOP = 66, /**< as if vmt_session_stop() was called */
	VMT_STEP_GONE = 67, /**< the domain shuts down */
	VMT_STEP_DESTROYED =
		68, /**< the domain is destroyed: each call is -VMT_E_GONE from then on */
	VMT_STEP_SPURIOUS = 69,  /**< a wait ends with 0 events */
	VMT_STEP_WAIT_FAIL = 70, /**< a wait fails with errno @what */
	VMT_STEP_EVENT =
		71, /**< @event is delivered as it is; with VMT_EVENT_SYNC its vCPU stands */
	VMT_STEP_SYNC = 72, /**< nothing but a border */
	VMT_STEP_CALL = 73, /**< @call is called */
};

/** "nop", "read", ... Never NULL. */
VMT_API const char *vmt_step_name(unsigned kind);

/** A function of the test's. Negative: a script error. */
typedef int vmt_scripted_fn(struct vmt_driver *d, void *arg);

/** One step. Use the macros below. */
struct vmt_step {
	uint16_t kind; /**< enum vmt_step_kind */
	uint16_t vcpu;
	uint32_t length; /**< of the instruction, bytes; 0: as it is usually encoded */
	uint64_t rip;    /**< 0: behind the one before; a vCPU's first: VMT_SCRIPTED_RIP_OF(vcpu) */
	uint64_t addr;
	uint64_t value;
	uint32_t what;
	uint32_t len;
	const void *bytes;
	const struct vmt_event *event;
	vmt_scripted_fn *call;
	void *arg;
};

/* clang-format off */
#define VMT_INSN_NOP(cpu, at) \
	{.kind = VMT_STEP_NOP, .vcpu = (cpu), .rip = (at)}
#define VMT_INSN_READ(cpu, at, gva, size) \
	{.kind = VMT_STEP_READ, .vcpu = (cpu), .rip = (at), .addr = (gva), .len = (size)}
#define VMT_INSN_WRITE(cpu, at, gva, data, size) \
	{.kind = VMT_STEP_WRITE, .vcpu = (cpu), .rip = (at), .addr = (gva), .bytes = (data), \
	 .len = (size)}
#define VMT_INSN_CR(cpu, at, cr, new_value) \
	{.kind = VMT_STEP_CR, .vcpu = (cpu), .rip = (at), .what = (cr), .value = (new_value)}
#define VMT_INSN_MSR(cpu, at, msr, new_value) \
	{.kind = VMT_STEP_MSR, .vcpu = (cpu), .rip = (at), .what = (msr), .value = (new_value)}
#define VMT_INSN_INT3(cpu, at) \
	{.kind = VMT_STEP_INT3, .vcpu = (cpu), .rip = (at)}
#define VMT_INSN_CPUID(cpu, at, leaf, subleaf) \
	{.kind = VMT_STEP_CPUID, .vcpu = (cpu), .rip = (at), .what = (leaf), .value = (subleaf)}
#define VMT_INSN_IN(cpu, at, port, size, result) \
	{.kind = VMT_STEP_IN, .vcpu = (cpu), .rip = (at), .what = (port), .len = (size), \
	 .value = (result)}
#define VMT_INSN_OUT(cpu, at, port, size, written) \
	{.kind = VMT_STEP_OUT, .vcpu = (cpu), .rip = (at), .what = (port), .len = (size), \
	 .value = (written)}
#define VMT_INSN_VMCALL(cpu, at) \
	{.kind = VMT_STEP_VMCALL, .vcpu = (cpu), .rip = (at)}
#define VMT_INSN_DESCRIPTOR(cpu, at, descriptor, write) \
	{.kind = VMT_STEP_DESCRIPTOR, .vcpu = (cpu), .rip = (at), .what = (descriptor), \
	 .value = (write)}
#define VMT_INSN_DEBUG(cpu, at, type, pending) \
	{.kind = VMT_STEP_DEBUG, .vcpu = (cpu), .rip = (at), .what = (type), .value = (pending)}
#define VMT_INSN_VMEXIT(cpu, at, reason, qualification) \
	{.kind = VMT_STEP_VMEXIT, .vcpu = (cpu), .rip = (at), .what = (reason), \
	 .value = (qualification)}
#define VMT_INSN_JUMP(cpu, at, to) \
	{.kind = VMT_STEP_JUMP, .vcpu = (cpu), .rip = (at), .addr = (to)}

#define VMT_WORLD_POKE(gpa, data, size) \
	{.kind = VMT_STEP_POKE, .addr = (gpa), .bytes = (data), .len = (size)}
#define VMT_WORLD_IDLE(ns)          {.kind = VMT_STEP_IDLE, .value = (ns)}
#define VMT_WORLD_STOP()            {.kind = VMT_STEP_STOP}
#define VMT_WORLD_GONE()            {.kind = VMT_STEP_GONE}
#define VMT_WORLD_DESTROYED()       {.kind = VMT_STEP_DESTROYED}
#define VMT_WORLD_SPURIOUS()        {.kind = VMT_STEP_SPURIOUS}
#define VMT_WORLD_WAIT_FAIL(number) {.kind = VMT_STEP_WAIT_FAIL, .what = (number)}
#define VMT_WORLD_EVENT(ev)         {.kind = VMT_STEP_EVENT, .event = (ev)}
#define VMT_WORLD_SYNC()            {.kind = VMT_STEP_SYNC}
#define VMT_WORLD_CALL(fn, argument) \
	{.kind = VMT_STEP_CALL, .call = (fn), .arg = (argument)}
/* clang-format on */

/**
 * Append @n steps; they are copied, bytes and events too. Each instruction's bytes are written to
 * memory where RIP is mapped in its vCPU's space as it is now, and where memory holds only zeros;
 * config.keep_code leaves memory alone. -VMT_E_INVALID names the step that is wrong. Can be called
 * again, also while a session runs.
 */
VMT_API int vmt_scripted_play(struct vmt_driver *d, const struct vmt_step *steps, size_t n,
			      struct vmt_error *err);

/** Have all steps been done? */
VMT_API bool vmt_scripted_done(struct vmt_driver *d);

/**
 * Make a scripted domain from a text: its set-up and its script, a step in a line. The grammar is
 * docs/scenario.md. @name is for messages, which tell the line.
 */
VMT_API int vmt_scenario_parse(const char *name, const char *text, size_t len,
			       struct vmt_driver **d, struct vmt_error *err);

/** The same from a file. */
VMT_API int vmt_scenario_open(const char *path, struct vmt_driver **d, struct vmt_error *err);

/* -------------------------------------------------------------------------------------------- */
/* What is left                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/** What a session has left behind. All zero is clean. */
struct vmt_leftovers {
	uint32_t vcpus_paused; /**< stand in an event that was not answered, or not committed */
	uint32_t stepping;     /**< vCPUs that still single-step */
	uint32_t in_views;     /**< vCPUs that are not in view 0 */
	uint32_t injections;   /**< pending, never delivered */
	uint32_t pauses;       /**< domain pauses without their resume */
	uint32_t monitors;
	uint32_t views; /**< beside view 0 */
	uint32_t remaps;
	uint64_t restricted_pages; /**< with less than RWX, vmt_scripted_set_access left out */
	uint64_t patched_bytes;    /**< written through the driver and not put back */
	uint64_t own_pages;        /**< from alloc_gfn, not freed */
	uint64_t lost_effects;     /**< answers that a too early detach lost */
	vmt_gpa patched_at;        /**< the first patched byte, when there is one */
	vmt_gfn restricted_at;     /**< the first restricted page, when there is one */
};

/** Returns how many kinds of leftovers there are, 0: clean; negative for a driver of another kind. */
VMT_API int vmt_scripted_leftovers(struct vmt_driver *d, struct vmt_leftovers *left);

/** "clean", or "2 monitors, 1 patched byte at 0x1003": at most @cap bytes with NUL. Returns @buf. */
VMT_API const char *vmt_leftovers_format(const struct vmt_leftovers *left, char *buf, size_t cap);

/* -------------------------------------------------------------------------------------------- */
/* Call log                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/** One call that went through the log. */
struct vmt_logged_call {
	uint64_t number; /**< from 0, over all ops */
	/**
	 * The call with its result. What its pointers point to are the log's copies: of arguments
	 * as they were given (written bytes, registers, response with its registers and data), of
	 * results as they came (only when the call succeeded; else zero).
	 */
	struct vmt_call call;
	struct vmt_error err; /**< of a failed call */
};

/** A driver that keeps each call. It owns @inner: closing it closes that. */
VMT_API int vmt_call_log_create(struct vmt_driver *inner, struct vmt_driver **log,
				struct vmt_error *err);

/** How many calls of @op; 0: of any. Takes the log or a driver around it, as all of these. */
VMT_API size_t vmt_call_log_count(struct vmt_driver *log, unsigned op);

/** The @n-th call (from 0) of @op; 0: of any. NULL: there are fewer. Valid until cleared. */
VMT_API const struct vmt_logged_call *vmt_call_log_get(struct vmt_driver *log, unsigned op,
						       size_t n);
VMT_API void vmt_call_log_clear(struct vmt_driver *log);

/** A line for each call: "12 write(gfn 0x10, offset 4, length 3) = 0". To be freed; NULL: no memory. */
VMT_API char *vmt_call_log_text(struct vmt_driver *log);

/* -------------------------------------------------------------------------------------------- */
/* Fault injector                                                                               */
/* -------------------------------------------------------------------------------------------- */

#define VMT_STRIKE_ALWAYS UINT32_MAX

/** Which calls fail, and how. All zero: the next call of any op fails once. */
struct vmt_fault_rule {
	uint32_t op;            /**< enum vmt_call_op; 0: any */
	uint32_t phase;         /**< enum vmt_phase; 0: any */
	const char *step;       /**< only in this step of the teardown ("reset"); NULL: anywhere */
	uint64_t from_callback; /**< only in callbacks with this number or a higher one */
	uint64_t
		nth; /**< from the n-th call on that matches the above, counted from 1; 0: the first */
	uint32_t per_million; /**< the probability that a call is struck; 0: certain */
	uint32_t times;       /**< how many calls are struck; 0: one; VMT_STRIKE_ALWAYS: all */
	uint32_t status;      /**< enum vmt_status; 0: VMT_E_HYPERVISOR */
	int32_t sys_errno;    /**< in the error; 0: none */
	bool done_anyway;     /**< the call is carried out, and then said to have failed */
	uint64_t pages_done;  /**< set_access: so many pages are set before the failure */
};

/**
 * A driver that makes calls fail. It owns @inner: closing it closes that. The same rules, @seed and
 * calls give the same faults. The error of a struck call says that it is injected, and names call
 * and rule.
 */
VMT_API int vmt_fault_injector_create(struct vmt_driver *inner, uint64_t seed,
				      struct vmt_driver **injector, struct vmt_error *err);

/** Add a rule; the first that strikes decides. Takes the injector or a driver around it, as all. */
VMT_API int vmt_fault_injector_add(struct vmt_driver *injector, const struct vmt_fault_rule *rule);

/** Take all rules back and set all counts to 0. */
VMT_API void vmt_fault_injector_clear(struct vmt_driver *injector);

/** Give it to the session when rules name callbacks, phases or steps. The injector's. */
VMT_API struct vmt_observer *vmt_fault_injector_observer(struct vmt_driver *injector);

/** How many calls were struck; how many of @op (0: any) were made, struck or not. */
VMT_API uint64_t vmt_fault_injector_struck(struct vmt_driver *injector);
VMT_API uint64_t vmt_fault_injector_calls(struct vmt_driver *injector, unsigned op);

/* -------------------------------------------------------------------------------------------- */
/* Collector                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** An observer that keeps all that it is told; what it hands out lives until clear or destroy. */
struct vmt_collector;

struct vmt_collected_callback {
	struct vmt_callback callback; /**< @event: a copy, with its raw bytes */
	int result;
	const struct vmt_response *response; /**< a copy with registers and data, or NULL */
	const struct vmt_record *output;     /**< a copy, or NULL */
	bool ended;
};

struct vmt_collected_emission {
	uint64_t callback;               /**< number */
	const struct vmt_schema *schema; /**< copies */
	const struct vmt_value *values;
	size_t n;
};

struct vmt_collected_log {
	uint64_t callback;
	enum vmt_log_level level;
	const char *text;
};

struct vmt_collected_file {
	const char *path;
	int status;
	const void *data;
	size_t len;
};

VMT_API int vmt_collector_create(struct vmt_collector **c, struct vmt_error *err);
VMT_API void vmt_collector_destroy(struct vmt_collector *c);
VMT_API void vmt_collector_clear(struct vmt_collector *c);
VMT_API struct vmt_observer *vmt_collector_observer(struct vmt_collector *c);

/** How many there are, and the @n-th from 0; NULL: there are fewer. @kind 0: any. */
VMT_API size_t vmt_collector_ncallbacks(const struct vmt_collector *c, unsigned kind);
VMT_API const struct vmt_collected_callback *vmt_collector_callback(const struct vmt_collector *c,
								    unsigned kind, size_t n);

/** @schema NULL: of any. */
VMT_API size_t vmt_collector_nemissions(const struct vmt_collector *c, const char *schema);
VMT_API const struct vmt_collected_emission *vmt_collector_emission(const struct vmt_collector *c,
								    const char *schema, size_t n);

VMT_API size_t vmt_collector_nlogs(const struct vmt_collector *c);
VMT_API const struct vmt_collected_log *vmt_collector_log(const struct vmt_collector *c, size_t n);
VMT_API size_t vmt_collector_nfiles(const struct vmt_collector *c);
VMT_API const struct vmt_collected_file *vmt_collector_file(const struct vmt_collector *c,
							    size_t n);
VMT_API size_t vmt_collector_nfailures(const struct vmt_collector *c);
VMT_API const struct vmt_error *vmt_collector_failure(const struct vmt_collector *c, size_t n);

/** The steps of the teardown, in the order in which they began. */
VMT_API size_t vmt_collector_nsteps(const struct vmt_collector *c);
VMT_API const char *vmt_collector_step(const struct vmt_collector *c, size_t n);

/** Events that the session answered by itself; only @callback.event and @response are set. */
VMT_API size_t vmt_collector_ndefaults(const struct vmt_collector *c);
VMT_API const struct vmt_collected_callback *vmt_collector_default(const struct vmt_collector *c,
								   size_t n);

/** How the session ended, its output a copy; NULL: it has not. */
VMT_API const struct vmt_outcome *vmt_collector_outcome(const struct vmt_collector *c);

/** Memory ran out and something was not kept. */
VMT_API bool vmt_collector_incomplete(const struct vmt_collector *c);

/** All of it as lines, in order. To be freed; NULL: no memory. */
VMT_API char *vmt_collector_text(const struct vmt_collector *c);

/* -------------------------------------------------------------------------------------------- */
/* Files in memory                                                                              */
/* -------------------------------------------------------------------------------------------- */

struct vmt_memory_file {
	const char *path;
	const void *data;
	size_t len;
	uint32_t status;   /**< not 0: reading it fails with this enum vmt_status */
	int32_t sys_errno; /**< and this errno */
};

/** A file source over an array of the caller's; another path is -VMT_E_NOT_FOUND. */
struct vmt_memory_files {
	struct vmt_file_source source;
	const struct vmt_memory_file *files;
	size_t n;
	size_t reads; /**< how often a file was asked for */
};

VMT_API void vmt_memory_files_init(struct vmt_memory_files *m, const struct vmt_memory_file *files,
				   size_t n);

/* -------------------------------------------------------------------------------------------- */
/* Running                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/**
 * Run @handler on @d from begin to end. @collector (may be NULL) and the fault injectors among the
 * drivers observe it; @outcome's output is the collector's copy, or NULL without one. Results as
 * vmt_session_run; when no session could be made, @outcome has VMT_END_NONE and the error.
 */
VMT_API int vmt_scripted_run_handler(struct vmt_driver *d, const struct vmt_handler_ops *handler,
				     const struct vmt_option *options, size_t noptions,
				     struct vmt_collector *collector, struct vmt_outcome *outcome);

/* -------------------------------------------------------------------------------------------- */
/* Checks                                                                                       */
/* -------------------------------------------------------------------------------------------- */

#define VMT_CHECK_TEXT 4096u

/** Room for a message; on the stack, for cmocka leaves a failed test by longjmp. */
struct vmt_check {
	char text[VMT_CHECK_TEXT];
};

/**
 * An expectation: a field's name and its value. Fields of events: "reason", "vcpu", "view",
 * "flags", "ticket", each register of vmt_reg_fields ("rip", "cs.base"), and by reason
 *
 *   memory-access     gpa gva access flags_memory
 *   write-cr          cr new old
 *   write-msr         msr new old
 *   interrupt         gfn vector type length error_code extra
 *   next-interrupt    vector type length error_code extra
 *   singlestep        gfn
 *   hypercall         length
 *   cpuid             leaf subleaf length
 *   io                port bytes in string
 *   descriptor        descriptor write info qualification
 *   vmexit            exit_reason qualification
 *
 * Fields of responses: "action", "flags", "view", "data_len", and the 18 registers of vmt_gprs.
 */
struct vmt_expect {
	const char *field;
	uint64_t value;
};

/*
 * Each returns NULL when all is well, else @c's text: what was expected, what is there, and the
 * whole event, outcome or log around it.
 */

/** @result is not negative. @err may be NULL. */
VMT_API const char *vmt_check_ok(struct vmt_check *c, int result, const struct vmt_error *err);

/** @result is -@status. */
VMT_API const char *vmt_check_refused(struct vmt_check *c, int result, const struct vmt_error *err,
				      enum vmt_status status);

/** @expect ends with a NULL field. @ev, @rsp NULL: a failure. */
VMT_API const char *vmt_check_event(struct vmt_check *c, const struct vmt_event *ev,
				    const struct vmt_expect *expect);
VMT_API const char *vmt_check_response(struct vmt_check *c, const struct vmt_response *rsp,
				       const struct vmt_expect *expect);

/** The @n-th emission of all, from 0, is of @schema with these values. */
VMT_API const char *vmt_check_emitted(struct vmt_check *c, const struct vmt_collector *collector,
				      size_t n, const char *schema, const struct vmt_value *values,
				      size_t nvalues);

/** The record has that schema and those values. */
VMT_API const char *vmt_check_output(struct vmt_check *c, const struct vmt_record *record,
				     const char *schema, const struct vmt_value *values,
				     size_t nvalues);

/** Nothing is left behind (vmt_scripted_leftovers). */
VMT_API const char *vmt_check_clean(struct vmt_check *c, struct vmt_driver *d);

/** The session ended like this, and its teardown was clean. */
VMT_API const char *vmt_check_ended(struct vmt_check *c, const struct vmt_outcome *outcome,
				    enum vmt_end end);

/** Memory at @gpa, as it is (vmt_scripted_read). */
VMT_API const char *vmt_check_memory(struct vmt_check *c, struct vmt_driver *d, vmt_gpa gpa,
				     const void *bytes, size_t len);

/** So many calls of @op are in the log. */
VMT_API const char *vmt_check_calls(struct vmt_check *c, struct vmt_driver *log, unsigned op,
				    size_t n);

/** So many deliveries of @vector reached the guest. */
VMT_API const char *vmt_check_delivered(struct vmt_check *c, struct vmt_driver *d, int vector,
					size_t n);

#ifdef __cplusplus
}
#endif

/* -------------------------------------------------------------------------------------------- */
/* Assertions for cmocka                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** vmt_assert(vmt_check_clean, driver): fails the cmocka test with the check's text. */
#define vmt_assert(check, ...)                                            \
	do {                                                              \
		struct vmt_check vmt_check_;                              \
		const char *vmt_wrong_ = check(&vmt_check_, __VA_ARGS__); \
                                                                          \
		if (vmt_wrong_ != NULL)                                   \
			fail_msg("%s", vmt_wrong_);                       \
	} while (0)

#define vmt_assert_ok(result, err) vmt_assert(vmt_check_ok, (result), (err))
#define vmt_assert_refused(result, err, status) \
	vmt_assert(vmt_check_refused, (result), (err), (status))

#define VMT_EXPECT_(name, first, ...) ((const struct vmt_expect[]){{(name), (first)}, __VA_ARGS__})

/** vmt_assert_event(ev, VMT_EVENT_WRITE_CR, {"cr", VMT_CR3}, {"new", 0x5000}); */
#define vmt_assert_event(ev, ...) \
	vmt_assert(vmt_check_event, (ev), VMT_EXPECT_("reason", __VA_ARGS__, {NULL, 0}))

/** vmt_assert_response(rsp, VMT_SINGLESTEP, {"view", 0}); */
#define vmt_assert_response(rsp, ...) \
	vmt_assert(vmt_check_response, (rsp), VMT_EXPECT_("action", __VA_ARGS__, {NULL, 0}))

#define VMT_VALUES_(...)                         \
	(const struct vmt_value[]){__VA_ARGS__}, \
		sizeof((const struct vmt_value[]){__VA_ARGS__}) / sizeof(struct vmt_value)

/** vmt_assert_emitted(seen, 0, "opened", vmt_u64(17), vmt_text("/etc/passwd")); */
#define vmt_assert_emitted(collector, n, schema, ...) \
	vmt_assert(vmt_check_emitted, (collector), (n), (schema), VMT_VALUES_(__VA_ARGS__))
#define vmt_assert_output(record, schema, ...) \
	vmt_assert(vmt_check_output, (record), (schema), VMT_VALUES_(__VA_ARGS__))

#define vmt_assert_clean(driver)       vmt_assert(vmt_check_clean, (driver))
#define vmt_assert_ended(outcome, end) vmt_assert(vmt_check_ended, (outcome), (end))

/** vmt_assert_memory(driver, vmt_gpa_from(0x1000), 0x90, 0xcc); */
#define vmt_assert_memory(driver, gpa, ...)                                           \
	vmt_assert(vmt_check_memory, (driver), (gpa), (const uint8_t[]){__VA_ARGS__}, \
		   sizeof((const uint8_t[]){__VA_ARGS__}))

#define vmt_assert_calls(log, op, n) vmt_assert(vmt_check_calls, (log), (op), (n))
#define vmt_assert_delivered(driver, vector, n) \
	vmt_assert(vmt_check_delivered, (driver), (vector), (n))

#endif /* VMITAPE_TEST_H */
