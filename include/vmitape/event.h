/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events and responses: what stopped a vCPU, and how it is to go on.
 *
 * An event is a value: reason, registers, view and the fields of that reason. A synchronous event
 * (VMT_EVENT_SYNC) holds its vCPU until the response; an asynchronous one only tells.
 *
 * Sources: Xen xen/include/public/vm_event.h; vmi-rs crates/vmi-arch-amd64/src/event.rs and
 * crates/vmi-core/src/event.rs.
 */
#ifndef VMITAPE_EVENT_H
#define VMITAPE_EVENT_H

#include <vmitape/registers.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- */
/* Rights                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Access rights of a page in a view, and the kinds of an access. */
enum vmt_rights {
	VMT_R = 1,
	VMT_W = 2,
	VMT_X = 4,
	VMT_RW = 3,
	VMT_RX = 5,
	VMT_WX = 6,
	VMT_RWX = 7,
};

/** Options beside the rights. */
enum vmt_access_option {
	/**
	 * The CPU's own page-table walks may set accessed and dirty bits in a page that is not
	 * writable. Takes effect with exactly VMT_R; Xen calls it r_pw, since 4.20 and on CPUs with
	 * EPT paging-write.
	 */
	VMT_ACCESS_IGNORE_WALKS = 1,
};

struct vmt_access {
	uint8_t rights;  /**< enum vmt_rights; 0: no access */
	uint8_t options; /**< enum vmt_access_option */
};

static inline struct vmt_access vmt_access_from(unsigned rights)
{
	struct vmt_access a;

	a.rights = (uint8_t)rights;
	a.options = 0;
	return a;
}

/* -------------------------------------------------------------------------------------------- */
/* Events                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/** Why a vCPU stopped. The numbers are vmitape's own and never change; Xen's stand in `raw`. */
enum vmt_reason {
	VMT_EVENT_UNKNOWN = 0, /**< a reason that this version does not know; only raw bytes */
	VMT_EVENT_MEMORY_ACCESS = 1, /**< an access that the view's rights forbid */
	VMT_EVENT_WRITE_CR = 2,      /**< CR0, CR3, CR4 or XCR0 is written */
	VMT_EVENT_WRITE_MSR = 3,
	VMT_EVENT_INTERRUPT = 4,  /**< int3 (vector 3) or a debug exception (vector 1) */
	VMT_EVENT_SINGLESTEP = 5, /**< one instruction was executed; RIP is at the next */
	VMT_EVENT_HYPERCALL = 6, /**< the guest asked for an event (HVMOP_guest_request_vm_event) */
	VMT_EVENT_CPUID = 7,     /**< registers hold the result already, RIP is still at CPUID */
	VMT_EVENT_IO = 8,        /**< IN, OUT, INS or OUTS, not executed; Xen 4.18 and later */
	VMT_EVENT_DESCRIPTOR = 9,      /**< LGDT, SIDT, LTR and their kin, not executed */
	VMT_EVENT_NEXT_INTERRUPT = 10, /**< what VMT_RSP_NEXT_INTERRUPT asked for */
	VMT_EVENT_VMEXIT = 11,
	VMT_EVENT_EMUL_UNIMPLEMENTED =
		12, /**< the hypervisor's emulator cannot do this instruction */
	VMT_REASON_COUNT
};

/** "memory-access", "write-cr", ...; "unknown" for anything else. Never NULL. */
VMT_API const char *vmt_reason_name(unsigned reason);

enum vmt_event_flag {
	VMT_EVENT_SYNC = 1,     /**< the vCPU stands until this event is answered */
	VMT_EVENT_HAS_VIEW = 2, /**< @view is meaningful (Xen: altp2m is active) */
	VMT_EVENT_NESTED = 4,   /**< comes from a nested guest */
};

/** Which register a VMT_EVENT_WRITE_CR is about; also for monitors. Xen's VM_EVENT_X86_*. */
enum vmt_cr { VMT_CR0 = 0, VMT_CR3 = 1, VMT_CR4 = 2, VMT_XCR0 = 3, VMT_CR_COUNT };

/** How an interrupt came about, or is to be injected. Xen's X86_EVENTTYPE_* (= VMX's types). */
enum vmt_interrupt_type {
	VMT_INT_EXTERNAL = 0,
	VMT_INT_NMI = 2,
	VMT_INT_HW_EXCEPTION = 3,
	VMT_INT_SW_INTERRUPT = 4,      /**< INT n */
	VMT_INT_PRIV_SW_EXCEPTION = 5, /**< ICEBP */
	VMT_INT_SW_EXCEPTION = 6,      /**< INT3, INTO */
};

#define VMT_NO_ERROR_CODE UINT32_C(0xffffffff)

/** An exception or interrupt: seen, or to be injected. */
struct vmt_interrupt {
	uint8_t vector;
	uint8_t type;        /**< enum vmt_interrupt_type */
	uint8_t insn_length; /**< bytes, for the software kinds; else 0 */
	uint8_t reserved;
	uint32_t error_code; /**< or VMT_NO_ERROR_CODE */
	uint64_t extra;      /**< #PF: CR2; #DB: pending debug exceptions; else 0 */
};

enum vmt_memory_flag {
	VMT_MEM_GVA_VALID = 1, /**< @gva is known */
	VMT_MEM_AT_GVA = 2,    /**< the access itself, at @gva; Xen FAULT_WITH_GLA */
	VMT_MEM_IN_WALK = 4,   /**< while the CPU walked the tables for @gva; Xen FAULT_IN_GPT */
};

/** Xen reports a plain write as R|W, for EPT cannot have W without R: test VMT_W first. */
struct vmt_memory_access {
	vmt_gpa gpa;
	vmt_gva gva;    /**< only with VMT_MEM_GVA_VALID */
	uint8_t access; /**< enum vmt_rights: what was tried */
	uint8_t flags;  /**< enum vmt_memory_flag */
};

/**
 * The event's registers are those before the write, RIP at the instruction. On Xen the write is done
 * and the vCPU's RIP is past it when the event is seen (the write waits with vmt_deny_enable): so a
 * response whose registers have the event's RIP executes the write a second time. Add the
 * instruction's length, 3 for MOV to a control register. The same holds for VMT_EVENT_WRITE_MSR
 * (WRMSR: 2) and VMT_EVENT_HYPERCALL (3). Observed: tests/xen/probe/FACTS.md.
 */
struct vmt_write_cr {
	uint32_t cr; /**< enum vmt_cr */
	uint64_t new_value, old_value;
};

struct vmt_write_msr {
	uint32_t msr;
	uint64_t new_value, old_value;
};

/** INT3 and debug exceptions: not delivered to the guest yet; RIP is at the instruction. */
struct vmt_interrupt_event {
	vmt_gfn gfn; /**< of RIP */
	struct vmt_interrupt interrupt;
};

struct vmt_singlestep {
	vmt_gfn gfn; /**< of RIP, the next instruction */
};

struct vmt_hypercall {
	uint8_t insn_length; /**< 3 */
};

struct vmt_cpuid {
	uint32_t leaf, subleaf;
	uint8_t insn_length;
};

struct vmt_io {
	uint16_t port;
	uint8_t bytes; /**< 1, 2 or 4 */
	bool in;
	bool string; /**< INS or OUTS */
};

enum vmt_descriptor {
	VMT_DESC_IDTR = 1,
	VMT_DESC_GDTR = 2,
	VMT_DESC_LDTR = 3,
	VMT_DESC_TR = 4,
};

struct vmt_descriptor_access {
	uint8_t descriptor; /**< enum vmt_descriptor */
	bool write;
	uint64_t info,
		qualification; /**< VMX instruction information and exit qualification; 0 on SVM */
};

struct vmt_vmexit {
	uint64_t reason, qualification; /**< as VMX numbers them */
};

/** One stop of one vCPU. May grow at its end: never copy by the size of an older header. */
struct vmt_event {
	uint64_t ticket; /**< the driver's own number; equal for no two events of a session */
	uint16_t vcpu;
	vmt_view view;        /**< the view in which it happened; with VMT_EVENT_HAS_VIEW */
	uint16_t reason;      /**< enum vmt_reason */
	uint16_t flags;       /**< enum vmt_event_flag */
	struct vmt_regs regs; /**< with its mask of known fields */
	union {
		struct vmt_memory_access memory;
		struct vmt_write_cr cr;
		struct vmt_write_msr msr;
		struct vmt_interrupt_event interrupt; /**< INTERRUPT */
		struct vmt_interrupt next_interrupt;  /**< NEXT_INTERRUPT */
		struct vmt_singlestep step;
		struct vmt_hypercall hypercall;
		struct vmt_cpuid cpuid;
		struct vmt_io io;
		struct vmt_descriptor_access descriptor;
		struct vmt_vmexit vmexit;
	} u;
	const void
		*raw; /**< the hypervisor's own bytes, or NULL; valid until the event is answered */
	uint32_t raw_len;  /**< bytes */
	uint32_t raw_kind; /**< what they are: 0 none, 1 Xen vm_event version 7 */
};

/** Was it an int3 (not ICEBP, not INT 3 in two bytes)? vmi-rs as_software_breakpoint(). */
static inline bool vmt_event_is_breakpoint(const struct vmt_event *ev)
{
	return ev->reason == VMT_EVENT_INTERRUPT && ev->u.interrupt.interrupt.vector == 3 &&
	       ev->u.interrupt.interrupt.type == VMT_INT_SW_EXCEPTION;
}

/**
 * Write one line of text about @ev to @buf: "vcpu 0 view 1 rip 0x10012c memory-access gpa 0x181008
 * rw-". At most @cap bytes with the final NUL. Returns @buf.
 */
VMT_API const char *vmt_event_format(const struct vmt_event *ev, char *buf, size_t cap);

/* -------------------------------------------------------------------------------------------- */
/* Responses                                                                                    */
/* -------------------------------------------------------------------------------------------- */

/** What to do with the stopped vCPU. The numbers never change. */
enum vmt_action {
	/** Go on. If what stopped the vCPU is still there (an int3, a right), it stops again. */
	VMT_CONTINUE = 0,
	/** Do not carry the CR or MSR write out. Needs vmt_deny_enable() in create. */
	VMT_DENY = 1,
	/** Deliver the int3 or debug exception of this event to the guest. */
	VMT_REINJECT = 2,
	/** Execute one instruction, then report a VMT_EVENT_SINGLESTEP. */
	VMT_SINGLESTEP = 3,
	/**
	 * Execute one instruction in the response's view (VMT_RSP_VIEW), then go on in the event's
	 * view, without an event. vmi-rs VmiEventResponse::fast_singlestep.
	 */
	VMT_FAST_SINGLESTEP = 4,
	/** Let the hypervisor emulate the instruction, rights set aside. */
	VMT_EMULATE = 5,
	/** As VMT_EMULATE, but memory is not written. */
	VMT_EMULATE_NOWRITE = 6,
	/**
	 * As VMT_EMULATE, but reads of memory get the response's data (at most VMT_EMUL_READ_MAX
	 * bytes).
	 */
	VMT_EMULATE_READ = 7,
	/**
	 * Emulate the instruction bytes in the response's data (1 to VMT_EMUL_INSN_MAX) in place of
	 * those at RIP.
	 */
	VMT_EMULATE_INSN = 8,
	/** The handler has failed: what vmt_fail() returns. The session answers for it and ends. */
	VMT_FAIL = 9,
	VMT_ACTION_COUNT
};

/** "continue", "deny", "reinject", ...; "invalid" for anything else. Never NULL. */
VMT_API const char *vmt_action_name(unsigned action);

/** Xen: struct vm_event_emul_read_data, vm_event_emul_insn_data. */
#define VMT_EMUL_READ_MAX 340u
#define VMT_EMUL_INSN_MAX 16u

enum vmt_response_flag {
	VMT_RSP_VIEW = 1, /**< go on in @view */
	VMT_RSP_REGS = 2, /**< with the registers in @regs */
	VMT_RSP_NEXT_INTERRUPT =
		4, /**< and report the next interrupt as VMT_EVENT_NEXT_INTERRUPT, once */
};

/** The answer to one event. All zero is "continue". */
struct vmt_response {
	uint16_t action; /**< enum vmt_action */
	uint16_t flags;  /**< enum vmt_response_flag */
	vmt_view view;
	uint16_t reserved;
	uint32_t data_len; /**< bytes in @data */
	uint32_t reserved2;
	const struct vmt_gprs *regs; /**< from vmt_gprs_of(), or alive until the next callback */
	const void *data;            /**< likewise */
};

static inline struct vmt_response vmt_respond(enum vmt_action action)
{
	struct vmt_response r = {(uint16_t)action, 0, 0, 0, 0, 0, NULL, NULL};

	return r;
}

static inline struct vmt_response vmt_with_view(struct vmt_response r, vmt_view view)
{
	r.flags |= VMT_RSP_VIEW;
	r.view = view;
	return r;
}

static inline struct vmt_response vmt_with_regs(struct vmt_response r, const struct vmt_gprs *regs)
{
	r.flags |= VMT_RSP_REGS;
	r.regs = regs;
	return r;
}

static inline struct vmt_response vmt_with_data(struct vmt_response r, const void *data,
						uint32_t len)
{
	r.data = data;
	r.data_len = len;
	return r;
}

/**
 * Check that @rsp is well formed for @ev: known action and flags, data only and always where the
 * action takes it and within its limits, registers and view present where flagged,
 * VMT_FAST_SINGLESTEP with a view. This is about form only; what a hypervisor makes of it is its
 * own matter. Returns 0 or -VMT_E_INVALID with @err filled.
 */
VMT_API int vmt_response_check(const struct vmt_event *ev, const struct vmt_response *rsp,
			       struct vmt_error *err);

/** "singlestep view 2 regs", at most @cap bytes with the final NUL. Returns @buf. */
VMT_API const char *vmt_response_format(const struct vmt_response *rsp, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_EVENT_H */
