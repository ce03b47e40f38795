/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The step in progress, and what the files of this part use of each other.
 *
 * Functions return VMT_STEP_DONE (0), or the outcome that ends the step, with the result filled in.
 */
#ifndef VMITAPE_EMULATION_EXEC_H
#define VMITAPE_EMULATION_EXEC_H

#include <string.h>

#include "emulation/emulation.h"
#include "emulation/insn.h"

/** Go on, or end the step as @call says. */
#define VMT_TRY(call)                \
	do {                         \
		int try_ = (call);   \
		if (try_)            \
			return try_; \
	} while (0)

#define VMT_CR0_MP       (UINT64_C(1) << 1)
#define VMT_CR0_EM       (UINT64_C(1) << 2)
#define VMT_CR0_TS       (UINT64_C(1) << 3)
#define VMT_CR0_ET       (UINT64_C(1) << 4)
#define VMT_CR0_NE       (UINT64_C(1) << 5)
#define VMT_CR0_AM       (UINT64_C(1) << 18)
#define VMT_CR0_NW       (UINT64_C(1) << 29)
#define VMT_CR0_CD       (UINT64_C(1) << 30)
#define VMT_CR4_TSD      (UINT64_C(1) << 2)
#define VMT_CR4_DE       (UINT64_C(1) << 3)
#define VMT_CR4_PCE      (UINT64_C(1) << 8)
#define VMT_CR4_OSFXSR   (UINT64_C(1) << 9)
#define VMT_CR4_UMIP     (UINT64_C(1) << 11)
#define VMT_CR4_FSGSBASE (UINT64_C(1) << 16)
#define VMT_CR4_PCIDE    (UINT64_C(1) << 17)
#define VMT_CR4_OSXSAVE  (UINT64_C(1) << 18)
#define VMT_CR4_PKE      (UINT64_C(1) << 22)
#define VMT_CR4_CET      (UINT64_C(1) << 23)
#define VMT_CR4_PKS      (UINT64_C(1) << 24)

#define VMT_FLAG_CF      (UINT64_C(1) << 0)
#define VMT_FLAG_PF      (UINT64_C(1) << 2)
#define VMT_FLAG_AF      (UINT64_C(1) << 4)
#define VMT_FLAG_ZF      (UINT64_C(1) << 6)
#define VMT_FLAG_SF      (UINT64_C(1) << 7)
#define VMT_FLAG_TF      (UINT64_C(1) << 8)
#define VMT_FLAG_IF      (UINT64_C(1) << 9)
#define VMT_FLAG_DF      (UINT64_C(1) << 10)
#define VMT_FLAG_OF      (UINT64_C(1) << 11)
#define VMT_FLAG_IOPL    (UINT64_C(3) << 12)
#define VMT_FLAG_NT      (UINT64_C(1) << 14)
#define VMT_FLAG_RF      (UINT64_C(1) << 16)
#define VMT_FLAG_VM      (UINT64_C(1) << 17)
#define VMT_FLAG_AC      (UINT64_C(1) << 18)
#define VMT_FLAG_VIF     (UINT64_C(1) << 19)
#define VMT_FLAG_VIP     (UINT64_C(1) << 20)
#define VMT_FLAG_ID      (UINT64_C(1) << 21)
#define VMT_FLAGS_STATUS \
	(VMT_FLAG_CF | VMT_FLAG_PF | VMT_FLAG_AF | VMT_FLAG_ZF | VMT_FLAG_SF | VMT_FLAG_OF)

enum vmt_exception {
	VMT_EXC_DE = 0,
	VMT_EXC_DB = 1,
	VMT_EXC_BP = 3,
	VMT_EXC_OF = 4,
	VMT_EXC_UD = 6,
	VMT_EXC_NM = 7,
	VMT_EXC_DF = 8,
	VMT_EXC_TS = 10,
	VMT_EXC_NP = 11,
	VMT_EXC_SS = 12,
	VMT_EXC_GP = 13,
	VMT_EXC_PF = 14,
	VMT_EXC_MF = 16,
	VMT_EXC_AC = 17,
	VMT_EXC_XM = 19,
};

/** Beside enum vmt_rights: a supervisor access whatever the CPL is (descriptors, TSS, frames). */
#define VMT_KIND_SYSTEM 8u

enum vmt_gpr { VMT_RAX, VMT_RCX, VMT_RDX, VMT_RBX, VMT_RSP, VMT_RBP, VMT_RSI, VMT_RDI };

struct vmt_executor;
struct vmt_executor_ops;
struct vmt_tlb_entry;

#define VMT_TLB_SIZE 256u

struct vmt_emulator {
	const struct vmt_cpu_ops *ops;
	const uint64_t *generation;
	uint64_t reserved_address; /* bits of an entry's address that the CPU does not have */
	uint64_t steps;            /* counts the calls */
	const struct vmt_executor_ops *executor_ops;
	struct vmt_executor *executor; /* NULL: the module is not there */
	struct vmt_tlb_entry *tlb;
};

struct vmt_exec {
	struct vmt_emulator *em;
	struct vmt_cpu *cpu;
	struct vmt_regs *regs;
	uint64_t *g; /* the 16 general registers, by encoding */
	const struct vmt_step *how;
	struct vmt_step_result *r;
	uint64_t now;  /* the generation that translations must have */
	uint64_t mode; /* the bits that translations depend on */
	uint64_t next; /* RIP behind the instruction; branches set it */
	uint8_t cpl;
	bool long64;     /* 64-bit mode */
	bool long_mode;  /* EFER.LMA */
	bool halted;     /* the outcome is HALT */
	bool keep_rf;    /* IRET has set RF */
	bool new_shadow; /* STI and MOV SS: the shadow they set stays */
	bool align;      /* alignment checks are on */
	uint8_t watched; /* data breakpoints that are on, a bit each */
	struct vmt_insn insn;
};

/* ---- outcomes (outcome.c) ---- */

int vmt_exec_raise(struct vmt_exec *x, uint8_t vector); /**< no error code */
int vmt_exec_raise_code(struct vmt_exec *x, uint8_t vector, uint32_t code);
int vmt_exec_raise_page_fault(struct vmt_exec *x, uint64_t gva, uint32_t code);
int vmt_exec_unsupported(struct vmt_exec *x, const char *why);
int vmt_missing_register(struct vmt_exec *x, int number);
/** Is the register of @bit known? */
int vmt_exec_need(struct vmt_exec *x, unsigned bit);
/** CPL 0, or #GP(0). */
int vmt_need_cpl0(struct vmt_exec *x);
/** Stop for @intercept, if it was asked for. */
int vmt_exec_intercept(struct vmt_exec *x, uint64_t intercept);

/* ---- memory (translate.c, memory.c) ---- */

/** Where an address leads. @host is NULL for a hole. */
struct vmt_place {
	const uint8_t *host; /* the page's bytes */
	vmt_gfn page;
	vmt_gpa gpa;
};

void vmt_tlb_mode(struct vmt_exec *x);
int vmt_exec_translate(struct vmt_exec *x, uint64_t gva, unsigned kind, struct vmt_place *place);
int vmt_tlb_create(struct vmt_emulator *em);
/** Bytes of @page at @gpa as this step left them: its own stores are laid over. */
void vmt_overlay(const struct vmt_exec *x, vmt_gfn page, uint32_t offset, void *buf, uint32_t len);
int vmt_log_write(struct vmt_exec *x, const struct vmt_place *place, uint64_t gva, const void *buf,
		  uint32_t len, uint8_t flags);
void vmt_note_access(struct vmt_exec *x, vmt_gfn gfn, vmt_gfn page, unsigned access, uint8_t flags);

/** Linear addresses. @kind: VMT_R or VMT_RW, with VMT_KIND_SYSTEM. */
int vmt_exec_read(struct vmt_exec *x, uint64_t gva, void *buf, uint32_t len, unsigned kind);
int vmt_exec_write(struct vmt_exec *x, uint64_t gva, const void *buf, uint32_t len, unsigned kind);
/** Could @len bytes be written? Nothing is. */
int vmt_probe_write(struct vmt_exec *x, uint64_t gva, uint32_t len, unsigned kind);

/** Tell DR7's data breakpoints of an access. */
void vmt_watch(struct vmt_exec *x, uint64_t gva, uint32_t len, bool write);

/** Segment and offset to a linear address: canonical and limit checks (#GP or #SS). */
int vmt_linear(struct vmt_exec *x, unsigned seg, uint64_t offset, uint32_t len, uint64_t *gva);
int vmt_exec_load(struct vmt_exec *x, unsigned seg, uint64_t offset, void *buf, uint32_t len,
		  unsigned kind);
int vmt_exec_store(struct vmt_exec *x, unsigned seg, uint64_t offset, const void *buf,
		   uint32_t len);

/* ---- operands (operand.c) ---- */

struct vmt_segment *vmt_segment_of(struct vmt_exec *x, unsigned seg);
uint64_t vmt_effective(const struct vmt_exec *x);
unsigned vmt_operand_segment(const struct vmt_exec *x);
uint64_t vmt_gpr_get(const struct vmt_exec *x, unsigned reg, unsigned size);
void vmt_gpr_set(struct vmt_exec *x, unsigned reg, unsigned size, uint64_t value);
int vmt_rm_get(struct vmt_exec *x, unsigned size, uint64_t *value);
/** As vmt_rm_get, of an operand that is written afterwards: memory is asked for with both rights. */
int vmt_rm_get_rw(struct vmt_exec *x, unsigned size, uint64_t *value);
int vmt_rm_set(struct vmt_exec *x, unsigned size, uint64_t value);
int vmt_mem_get(struct vmt_exec *x, void *buf, uint32_t len, unsigned kind);
int vmt_mem_set(struct vmt_exec *x, const void *buf, uint32_t len);
int vmt_exec_push(struct vmt_exec *x, unsigned size, uint64_t value);
int vmt_exec_pop(struct vmt_exec *x, unsigned size, uint64_t *value);
unsigned vmt_stack_size(const struct vmt_exec *x); /**< of the stack pointer: 4 or 8 */
/** Continue at @target: #GP where it is not canonical or past the limit. */
int vmt_branch(struct vmt_exec *x, uint64_t target);

static inline bool vmt_canonical(const struct vmt_exec *x, uint64_t gva)
{
	unsigned shift = x->regs->cr4 & VMT_CR4_LA57 ? 7 : 16;

	return (uint64_t)((int64_t)(gva << shift) >> shift) == gva;
}

/* ---- segments (descriptor.c) ---- */

struct vmt_descriptor_bytes {
	uint64_t low, high; /* high: of 16-byte system descriptors */
};

struct vmt_segment vmt_descriptor_segment(struct vmt_descriptor_bytes d, uint16_t selector);
/** Read the descriptor of @selector; beyond its table: @vector(selector). */
int vmt_descriptor_read(struct vmt_exec *x, uint16_t selector, uint8_t vector, unsigned bytes,
			struct vmt_descriptor_bytes *d);
/** Set the accessed bit (or, of a TSS, busy) in the table. */
int vmt_descriptor_mark(struct vmt_exec *x, uint16_t selector, uint64_t bit, uint64_t low);
/** Load ES, SS, DS, FS or GS as MOV and POP do. */
int vmt_segment_load(struct vmt_exec *x, unsigned seg, uint16_t selector);
/** The checks of CS for far control transfer to @selector at privilege @cpl; @loaded is CS then. */
int vmt_code_segment(struct vmt_exec *x, uint16_t selector, unsigned cpl, bool returning,
		     struct vmt_segment *loaded);
void vmt_set_cpl(struct vmt_exec *x, unsigned cpl);

/* ---- the rest ---- */

/** Set CR0, CR3, CR4, CR8 or XCR0 after all checks. */
int vmt_cr_set(struct vmt_exec *x, uint32_t cr, uint64_t value);
int vmt_need_sse(struct vmt_exec *x);
int vmt_need_x87(struct vmt_exec *x);
int vmt_need_avx(struct vmt_exec *x);
/** Start a step: the fields that all of them use. */
void vmt_exec_init(struct vmt_exec *x, struct vmt_emulator *em, struct vmt_cpu *cpu,
		   const struct vmt_step *how, struct vmt_step_result *r);
/** The mode bits anew, after CS, EFER or a control register changed. */
void vmt_exec_mode(struct vmt_exec *x);

/** The opcode rows' functions, by file. */
vmt_execute_fn vmt_do_alu, vmt_do_alu_acc, vmt_do_alu_imm, vmt_do_test, vmt_do_test_acc, vmt_do_mov,
	vmt_do_mov_imm, vmt_do_mov_reg_imm, vmt_do_mov_moffs, vmt_do_lea, vmt_do_xchg,
	vmt_do_xchg_acc, vmt_do_movx, vmt_do_movsxd, vmt_do_setcc, vmt_do_cmovcc, vmt_do_convert,
	vmt_do_extend_acc, vmt_do_incdec, vmt_do_inc_reg, vmt_do_nop, vmt_do_nop_rm, vmt_do_bswap,
	vmt_do_32bit_only, vmt_do_sahf, vmt_do_flag, vmt_do_xlat, vmt_do_movbe; /* integer.c */
vmt_execute_fn vmt_do_shift, vmt_do_shift_double, vmt_do_group3, vmt_do_imul, vmt_do_bit_test,
	vmt_do_bit_scan, vmt_do_popcnt, vmt_do_cmpxchg, vmt_do_cmpxchg8b, vmt_do_xadd, vmt_do_adx,
	vmt_do_bmi; /* arithmetic.c */
vmt_execute_fn vmt_do_push, vmt_do_push_imm, vmt_do_pop, vmt_do_pop_rm, vmt_do_pushf, vmt_do_popf,
	vmt_do_jcc, vmt_do_jmp, vmt_do_call, vmt_do_ret, vmt_do_group5, vmt_do_loop, vmt_do_leave,
	vmt_do_enter; /* control.c */
vmt_execute_fn vmt_do_movs, vmt_do_stos, vmt_do_lods, vmt_do_scas, vmt_do_cmps, vmt_do_ins,
	vmt_do_in; /* strings.c, io.c */
vmt_execute_fn vmt_do_int3, vmt_do_int, vmt_do_icebp, vmt_do_ud, vmt_do_cli_sti, vmt_do_hlt,
	vmt_do_clts, vmt_do_mov_cr, vmt_do_mov_dr, vmt_do_rdmsr, vmt_do_wrmsr, vmt_do_cpuid,
	vmt_do_rdtsc, vmt_do_wbinvd, vmt_do_0f01, vmt_do_0f00, vmt_do_0f0d, vmt_do_lar,
	vmt_do_invpcid; /* system*.c */
vmt_execute_fn vmt_do_mov_from_sreg, vmt_do_mov_to_sreg, vmt_do_push_sreg, vmt_do_pop_sreg,
	vmt_do_far_jmp, vmt_do_retf, vmt_do_iret, vmt_do_syscall, vmt_do_sysret; /* far.c */
vmt_execute_fn vmt_do_0fae, vmt_do_0fc7, vmt_do_x87, vmt_do_wait, vmt_do_emms;   /* fpu.c */
vmt_execute_fn vmt_do_handed_over;                                               /* hand-over.c */
vmt_execute_fn vmt_do_vmov, vmt_do_vlogic, vmt_do_vshift, vmt_do_vmask, vmt_do_vzero, vmt_do_vtest,
	vmt_do_vbroadcast, vmt_do_vperm, vmt_do_movnti; /* vector.c */

#endif /* VMITAPE_EMULATION_EXEC_H */
