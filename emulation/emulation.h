/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One x86-64 vCPU, an instruction at a time, each step a transaction.
 *
 * The caller owns the vCPU's state (struct vmt_cpu) and the memory (struct vmt_cpu_ops); the
 * emulator owns what is needed to execute. One emulator serves all vCPUs of a domain, from one
 * thread. The emulated domain and replay both stand on it:
 *
 *       vmt_emulator_step(em, cpu, &how, &r);
 *       switch (r.outcome) {
 *       case VMT_STEP_DONE:      vmt_emulator_commit(em, cpu, &r); ... vmt_model_retired() ...
 *       case VMT_STEP_FAULT:     vmt_emulator_deliver(em, cpu, &how, &r.interrupt, &r); commit
 *       case VMT_STEP_TRAP:      int3, int n, icebp: vmt_model_int3() or _debug(), then deliver
 *       case VMT_STEP_VIOLATION: the access op refused; with a model the event is queued already
 *       case VMT_STEP_EVENT:     an intercept of @how: vmt_model_write_cr(), _cpuid(), _io() ...
 *       ...
 *
 * The transaction: memory is written by vmt_emulator_commit alone. Registers change when the
 * outcome is DONE or HALT, and with all other outcomes nothing has changed at all. To drop a step
 * that was DONE without its writes (emulate without write), do not commit it; to drop it with its
 * registers, use VMT_STEP_DRY.
 *
 * Nothing is guessed. A page that the source lacks is MISSING with its gfn, a register whose bit is
 * clear in regs->known is MISSING with its number, an instruction that is not on the list of what
 * is executed rightly is UNSUPPORTED with its bytes.
 *
 * Integer and system instructions, paging, rights, exceptions, segments and the common vector moves
 * are own code. SSE, MMX and x87 are handed, one instruction with its fetched operand at a time, to
 * the module vmitape-emulation.so, which is loaded from $libdir/vmitape/ and is the only place that
 * knows Unicorn. Equal calls give equal results: no clock, no random numbers.
 *
 * What is modelled: long mode with 4- and 5-level paging; 32-bit protected mode without paging and
 * compatibility mode as far as the way into long mode needs (PVH's entry). Not modelled, and
 * UNSUPPORTED: 16-bit code, PAE and 32-bit paging, task switches, protection keys, CET, AVX-512.
 *
 * Sources: Intel SDM volumes 2 and 3; AMD APM volumes 2 and 3; Xen
 * xen/arch/x86/x86_emulate/x86_emulate.c, xen/arch/x86/hvm/emulate.c as of RELEASE-4.17.
 */
#ifndef VMITAPE_EMULATION_EMULATION_H
#define VMITAPE_EMULATION_EMULATION_H

#include <vmitape/event.h>
#include <vmitape/registers.h>

struct vmt_emulator;

/* -------------------------------------------------------------------------------------------- */
/* The state of a vCPU                                                                          */
/* -------------------------------------------------------------------------------------------- */

/** A vector register: the low half is XMM, all of it YMM. */
union vmt_vector {
	uint8_t b[32];
	uint16_t w[16];
	uint32_t d[8];
	uint64_t q[4];
};

/** x87, MMX, SSE and AVX state. */
struct vmt_fpu {
	uint16_t fcw, fsw, fop;
	uint8_t ftw; /**< abridged as FXSAVE has it: a bit is set where the register is in use */
	uint8_t reserved;
	uint32_t mxcsr, mxcsr_mask;
	uint64_t fip, fdp;
	uint8_t st[8][16]; /**< ST(0) to ST(7) from the top, 10 bytes each */
	union vmt_vector ymm[16];
};

/** What vmt_cpu.shadow says: events are held back until the next instruction is done. */
enum vmt_shadow {
	VMT_SHADOW_STI = 1,
	VMT_SHADOW_MOV_SS = 2,
	VMT_SHADOW_NMI = 4, /**< an NMI was delivered and IRET did not come yet */
};

/** Parts of struct vmt_cpu that may be unknown (bits of vmt_cpu.known). */
enum vmt_cpu_known {
	VMT_CPU_KNOWS_X87_SSE = 1, /**< fpu, without the high halves of YMM */
	VMT_CPU_KNOWS_AVX = 2,     /**< the high halves */
	VMT_CPU_KNOWS_TSC = 4,
	/**
	 * The exception flags of MXCSR and FSW: floating-point arithmetic that is handed to the
	 * module does not set them, so they are unknown after it until they are loaded anew.
	 */
	VMT_CPU_KNOWS_FP_FLAGS = 8,
	VMT_CPU_KNOWS_ALL = 15,
};

/**
 * A vCPU. All fields are the caller's to set and to read between steps. CPL is that of SS
 * (vmt_cpl()), as on a CPU.
 */
struct vmt_cpu {
	struct vmt_regs *regs; /**< never NULL; vmt_model_regs() will do. @known is obeyed */
	void *ctx;             /**< the first argument of each op */
	uint32_t known;        /**< enum vmt_cpu_known */
	uint32_t shadow;       /**< enum vmt_shadow */
	uint64_t cr8;          /**< the task priority, 0 to 15 */
	uint64_t tsc;          /**< what RDTSC gives. The emulator never changes it */
	uint64_t pat;          /**< MSR 0x277 */
	struct vmt_fpu fpu;
};

/** A state of @regs and @ctx with all else as after INIT, and known. */
void vmt_cpu_init(struct vmt_cpu *cpu, struct vmt_regs *regs, void *ctx);

/**
 * Take x87 and SSE from an FXSAVE image of 512 bytes (struct vmt_vcpu_context.fxsave), and mark them
 * known; or write them into one. The high halves of YMM are left alone.
 */
void vmt_cpu_set_fxsave(struct vmt_cpu *cpu, const uint8_t image[512]);
void vmt_cpu_get_fxsave(const struct vmt_cpu *cpu, uint8_t image[512]);

/** May an external interrupt be delivered now: RFLAGS.IF and no shadow? */
bool vmt_cpu_interruptible(const struct vmt_cpu *cpu);

/**
 * Would a write of @value to @cr (enum vmt_cr) be #GP in this state? Returns 0, or 1: #GP. For
 * vmt_guest_ops.check_cr.
 */
int vmt_cpu_check_cr(const struct vmt_cpu *cpu, uint32_t cr, uint64_t value);

/* -------------------------------------------------------------------------------------------- */
/* What the caller gives                                                                        */
/* -------------------------------------------------------------------------------------------- */

/** What an access found. */
enum vmt_page_outcome {
	VMT_PAGE_OK = 0,
	VMT_PAGE_VIOLATION = 1, /**< the view forbids it: the step ends with VMT_STEP_VIOLATION */
	VMT_PAGE_MISSING = 2,   /**< there is such a page, and its bytes are not known here */
	VMT_PAGE_HOLE = 3,      /**< nothing is there: reads give ones, writes are dropped */
};

/** One access of an instruction, or of a page walk on its behalf (as struct vmt_guest_access). */
struct vmt_cpu_access {
	vmt_gpa gpa;    /**< as the guest's page tables say, before the view's remapping */
	vmt_gva gva;    /**< for walks: the address that is walked for */
	uint8_t access; /**< VMT_R, VMT_W, VMT_RW or VMT_X */
	uint8_t flags;  /**< enum vmt_memory_flag: GVA_VALID, and AT_GVA or IN_WALK */
	bool no_rights; /**< rights are set aside (emulation on behalf of a monitor); not remapping */
};

struct vmt_cpu_ops {
	/**
	 * May the vCPU do this access in its view? VMT_PAGE_OK and *@page: the page that it
	 * reaches, after remapping. Called once for each page and kind of access of a step, in the
	 * order in which the CPU would do it. Never called for bytes that the instruction does not
	 * need. VMT_PAGE_VIOLATION may have queued an event: the step ends at once. Required.
	 */
	int (*access)(void *ctx, const struct vmt_cpu_access *access, vmt_gfn *page);

	/**
	 * The 4096 bytes of @page (after remapping), to read; NULL: missing. Valid until @generation
	 * changes, or without one until the next call of the emulator. Required.
	 */
	const uint8_t *(*page)(void *ctx, vmt_gfn page);

	/** Write to a page that access() gave for writing. Called by commit alone. Required. */
	void (*write)(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len);

	/**
	 * CPUID's EAX, EBX, ECX, EDX. 0; or 1: not known here, and the step is UNSUPPORTED. NULL: not
	 * known.
	 */
	int (*cpuid)(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t result[4]);

	/**
	 * An MSR that neither struct vmt_regs nor struct vmt_cpu has. 0; 1: the guest gets #GP; 2:
	 * not known here, and the step is UNSUPPORTED. NULL: not known.
	 */
	int (*read_msr)(void *ctx, uint32_t msr, uint64_t *value);
	int (*write_msr)(void *ctx, uint32_t msr, uint64_t value);

	/**
	 * IN (*@value to be filled) and OUT of 1, 2 or 4 @bytes, when VMT_INTERCEPT_IO is not asked
	 * for. After all checks, as the step's last act. 0; 2: not known, UNSUPPORTED. NULL: not known.
	 */
	int (*io)(void *ctx, uint16_t port, uint8_t bytes, bool in, uint32_t *value);
};

struct vmt_emulator_config {
	const struct vmt_cpu_ops *ops; /**< outlives the emulator */

	/**
	 * Counts up whenever what access() or page() answer may have changed otherwise than by
	 * commit: rights, views, remapping, the vCPU's view, pages that came or went. Then
	 * translations are kept across steps. (Bytes may change at any time: page-table entries are
	 * read anew each time, through the pointers of page().) Where an access would be refused it
	 * is asked for anew each time. NULL: nothing is kept.
	 */
	const uint64_t *generation;

	/** CPUID 0x80000008: page-table entries with address bits above are reserved; 0: 52. */
	uint32_t physical_bits;
	uint32_t flags; /**< enum vmt_emulator_flag */
};

enum vmt_emulator_flag {
	/** Fail without the module, instead of doing without it. */
	VMT_EMULATOR_WHOLE = 1,
};

/**
 * Make an emulator. Without the module SSE, MMX and x87 instructions are UNSUPPORTED, or with
 * VMT_EMULATOR_WHOLE this fails with -VMT_E_NOT_SUPPORTED; the sentence says how to get it. With the
 * module it takes 1 GiB of address space and about 4 MiB of memory.
 */
int vmt_emulator_create(const struct vmt_emulator_config *config, struct vmt_emulator **em,
			struct vmt_error *err);

/** NULL is allowed. */
void vmt_emulator_destroy(struct vmt_emulator *em);

/* -------------------------------------------------------------------------------------------- */
/* A step                                                                                       */
/* -------------------------------------------------------------------------------------------- */

/**
 * What is to end a step with VMT_STEP_EVENT, before it is done and after the checks that a CPU makes
 * before a VM exit (privilege, I/O bitmap). Without the bit the emulator does it itself. After an
 * event that turns out to be nobody's, step again without the bit.
 */
enum vmt_intercept {
	VMT_INTERCEPT_CR0 = 1 << 0, /**< MOV, LMSW; CLTS too, then vmt_step_event.clts is set */
	VMT_INTERCEPT_CR3 = 1 << 1,
	VMT_INTERCEPT_CR4 = 1 << 2,
	VMT_INTERCEPT_XCR0 = 1 << 3,
	VMT_INTERCEPT_CR8 = 1 << 4,
	VMT_INTERCEPT_DR = 1 << 5, /**< writes; vmt_step_event.cr.cr is the number */
	VMT_INTERCEPT_MSR_WRITE = 1 << 6,
	VMT_INTERCEPT_MSR_READ = 1 << 7, /**< vmt_step_event.msr, its values 0 */
	VMT_INTERCEPT_CPUID = 1 << 8,
	VMT_INTERCEPT_VMCALL = 1 << 9, /**< VMCALL, VMMCALL at any CPL; without it they are #UD */
	VMT_INTERCEPT_IO = 1 << 10,
	VMT_INTERCEPT_DESCRIPTOR = 1 << 11,
	VMT_INTERCEPT_INVLPG = 1 << 12, /**< INVLPG and INVPCID; vmt_step_event.address */
	VMT_INTERCEPT_TSC = 1 << 13,    /**< RDTSC, RDTSCP */
	VMT_INTERCEPT_WBINVD = 1 << 14, /**< WBINVD, INVD */
	VMT_INTERCEPT_PAUSE = 1 << 15,
};

enum vmt_step_flag {
	/** The monitor's emulation: access() is asked with no_rights (Xen: hvm_emulate_one). */
	VMT_STEP_NO_RIGHTS = 1,
	/**
	 * Change nothing, whatever the outcome, and keep nothing; the result says what the step
	 * touches and would write. For capture (@accesses is filled).
	 */
	VMT_STEP_DRY = 2,
	VMT_STEP_LIST = 4, /**< fill @accesses: each page, walks included */
	/** An instruction breakpoint of DR7 at RIP is passed over, as RFLAGS.RF does. */
	VMT_STEP_RESUME = 8,
};

/** How a step is to be done. All zero is a plain step without intercepts. */
struct vmt_step {
	uint64_t intercepts; /**< enum vmt_intercept */
	uint32_t flags;      /**< enum vmt_step_flag */

	/**
	 * Emulate with read data: each read of data gives these bytes, zeros behind them, and no page
	 * is read for it (Xen: set_context_data). NULL: none.
	 */
	const uint8_t *read_data;
	uint32_t read_len;

	/**
	 * Emulate with instruction bytes: executed in place of those at RIP, which are not read. What
	 * is missing to 15 bytes is taken as zero. NULL: none.
	 */
	const uint8_t *insn;
	uint32_t insn_len;
};

enum vmt_step_outcome {
	VMT_STEP_DONE = 0,
	/** An exception, RIP at the instruction; not delivered. result.interrupt */
	VMT_STEP_FAULT = 1,
	/**
	 * INT3, INT n, ICEBP: not delivered, RIP at it. result.interrupt has type and length, as
	 * deliver wants them.
	 */
	VMT_STEP_TRAP = 2,
	VMT_STEP_VIOLATION = 3,   /**< result.at */
	VMT_STEP_EVENT = 4,       /**< result.event */
	VMT_STEP_HALT = 5,        /**< HLT: done, RIP past it */
	VMT_STEP_SHUTDOWN = 6,    /**< a fault while #DF was delivered. Only by deliver */
	VMT_STEP_MISSING = 7,     /**< result.at; or result.missing_register where that is not -1 */
	VMT_STEP_UNSUPPORTED = 8, /**< result.why, result.insn */
	VMT_STEP_OUTCOME_COUNT
};

/** "done", "fault", ... Never NULL. */
const char *vmt_step_outcome_name(unsigned outcome);

/** What vmt_step_result.missing_register is, beside enum vmt_reg_bit. */
enum vmt_missing_register {
	VMT_MISSING_FPU = 64, /**< x87 and SSE state */
	VMT_MISSING_AVX = 65, /**< high halves of YMM registers */
	VMT_MISSING_TSC = 66,
	VMT_MISSING_FP_FLAGS = 67,
};

/** An intercept that stopped a step. */
struct vmt_step_event {
	uint64_t intercept; /**< the one bit of enum vmt_intercept */
	bool clts;          /**< VMT_INTERCEPT_CR0 by CLTS */
	union {
		struct vmt_write_cr cr;
		struct vmt_write_msr msr;
		struct vmt_cpuid cpuid;
		struct vmt_io io;
		struct vmt_descriptor_access descriptor;
		vmt_gva address;
	} u;
};

/** A page that a step touched. @gfn before, @page after remapping. */
struct vmt_step_access {
	vmt_gfn gfn, page;
	uint8_t access; /**< enum vmt_rights */
	uint8_t flags;  /**< enum vmt_memory_flag: AT_GVA, IN_WALK or both */
};

/** One store, at most 16 bytes within a page. */
struct vmt_step_write {
	vmt_gva gva;
	vmt_gpa gpa;   /**< before remapping */
	vmt_gfn page;  /**< after remapping */
	uint8_t len;   /**< bytes */
	uint8_t flags; /**< VMT_MEM_AT_GVA; or VMT_MEM_IN_WALK: accessed and dirty bits */
	uint8_t bytes[16], old[16];
};

#define VMT_STEP_ACCESSES 96u
#define VMT_STEP_WRITES   96u

/** What a step did. The emulator fills it; lists are valid up to their counts. About 10 KiB. */
struct vmt_step_result {
	uint32_t outcome;         /**< enum vmt_step_outcome */
	uint8_t insn_length;      /**< bytes; 0 where it was not decoded */
	uint8_t insn_fetched;     /**< bytes in @insn */
	uint8_t insn[16];         /**< the instruction */
	uint8_t stepped;          /**< DONE: one iteration of a REP that goes on at the same RIP */
	int32_t missing_register; /**< MISSING: enum vmt_reg_bit or vmt_missing_register; else -1 */

	/** FAULT, TRAP: what happened. deliver, DONE: what was delivered in the end. */
	struct vmt_interrupt interrupt;

	/** DONE: DR6 bits of a #DB trap that is due after this instruction (TF, DR7); or 0. */
	uint64_t pending_debug;

	struct vmt_cpu_access at; /**< VIOLATION, MISSING: the access */
	struct vmt_step_event event;
	const char *why; /**< UNSUPPORTED: a phrase, in static memory */

	uint32_t naccesses, nwrites;
	struct vmt_step_access accesses[VMT_STEP_ACCESSES];
	struct vmt_step_write writes[VMT_STEP_WRITES];
};

/** Execute the instruction at RIP. Returns the outcome, which is in @result too. */
int vmt_emulator_step(struct vmt_emulator *em, struct vmt_cpu *cpu, const struct vmt_step *how,
		      struct vmt_step_result *result);

/**
 * Deliver an exception or interrupt through the guest's IDT, as a step: frame on the stack, TSS and
 * IST, error code, CR2 (@interrupt->extra of #PF). For the software kinds the frame's RIP is past
 * the instruction by @interrupt->insn_length. Faults on the way become what a CPU makes of them: the
 * second one, a double fault, or the outcome SHUTDOWN. On VIOLATION and MISSING nothing has changed:
 * deliver it again later. VMT_STEP_EVENT never comes. @how: its flags are used.
 *
 * #DB sets DR6 and clears DR7.GD here, from @interrupt->extra.
 */
int vmt_emulator_deliver(struct vmt_emulator *em, struct vmt_cpu *cpu, const struct vmt_step *how,
			 const struct vmt_interrupt *interrupt, struct vmt_step_result *result);

/** Write what a step or a delivery that was DONE or HALT has logged, through the write op. */
void vmt_emulator_commit(struct vmt_emulator *em, struct vmt_cpu *cpu,
			 const struct vmt_step_result *result);

/**
 * Translate @gva for an @access at the vCPU's present CPL, as a step would, without changing
 * anything: for the gfn of RIP in events. Returns VMT_STEP_DONE and *@gpa, or an outcome.
 */
int vmt_emulator_translate(struct vmt_emulator *em, struct vmt_cpu *cpu, vmt_gva gva,
			   unsigned access, vmt_gpa *gpa, struct vmt_step_result *result);

/** "missing: page 0x1f2 at 0xffff...": one line about @result. @cap with NUL. Returns @buf. */
const char *vmt_step_format(const struct vmt_step_result *result, char *buf, size_t cap);

#endif /* VMITAPE_EMULATION_EMULATION_H */
