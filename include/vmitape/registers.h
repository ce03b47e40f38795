/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The registers of an x86-64 vCPU.
 *
 * Two sources give registers, and they differ. An event carries those that the hypervisor put into
 * its request: Xen's struct vm_event_regs_x86 lacks DR0 to DR3, DR6, TR, LDTR, IDTR, CSTAR, SFMASK and
 * TSC_AUX. vmt_get_regs (session.h) asks for a vCPU's full context. So each set has a mask that
 * tells which fields are known; what is not known is 0 and must not be used.
 *
 * Field names, widths and mask bits stand in one table, vmt_reg_fields; whoever prints, compares,
 * encodes or parses registers walks it.
 *
 * Sources: Xen xen/include/public/vm_event.h, xen/include/public/arch-x86/hvm/save.h;
 * vmi-rs crates/vmi-arch-amd64/src/registers.rs.
 */
#ifndef VMITAPE_REGISTERS_H
#define VMITAPE_REGISTERS_H

#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The 18 registers that a response may set: what Xen's VM_EVENT_FLAG_SET_REGISTERS applies. */
struct vmt_gprs {
	uint64_t rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
};

/** A segment with its hidden part. */
struct vmt_segment {
	uint64_t base;
	uint32_t limit; /**< in bytes, granularity applied: ((l + 1) << 12) - 1 when G is set */
	uint16_t selector;
	uint16_t access; /**< type, S, DPL, P in bits 0-7; AVL, L, D/B, G in bits 8-11 */
};

/** A descriptor-table register. */
struct vmt_table {
	uint64_t base;
	uint32_t limit;
};

/** Which registers of a set are known: one bit each in vmt_regs.known. */
/* clang-format off */
enum vmt_reg_bit {
	VMT_REG_RAX, VMT_REG_RCX, VMT_REG_RDX, VMT_REG_RBX, VMT_REG_RSP, VMT_REG_RBP, VMT_REG_RSI,
	VMT_REG_RDI, VMT_REG_R8, VMT_REG_R9, VMT_REG_R10, VMT_REG_R11, VMT_REG_R12, VMT_REG_R13,
	VMT_REG_R14, VMT_REG_R15, VMT_REG_RIP, VMT_REG_RFLAGS, VMT_REG_CR0, VMT_REG_CR2,
	VMT_REG_CR3, VMT_REG_CR4, VMT_REG_XCR0, VMT_REG_DR0, VMT_REG_DR1, VMT_REG_DR2, VMT_REG_DR3,
	VMT_REG_DR6, VMT_REG_DR7, VMT_REG_CS, VMT_REG_DS, VMT_REG_ES, VMT_REG_FS, VMT_REG_GS,
	VMT_REG_SS, VMT_REG_TR, VMT_REG_LDTR, VMT_REG_GDTR, VMT_REG_IDTR, VMT_REG_SYSENTER_CS,
	VMT_REG_SYSENTER_ESP, VMT_REG_SYSENTER_EIP, VMT_REG_SHADOW_GS, VMT_REG_EFER, VMT_REG_STAR,
	VMT_REG_LSTAR, VMT_REG_CSTAR, VMT_REG_SFMASK, VMT_REG_TSC_AUX, VMT_REG_COUNT,
};
/* clang-format on */

#define VMT_KNOWN(bit) (UINT64_C(1) << (bit))

/** The 18 bits of struct vmt_gprs. */
#define VMT_KNOWN_GPRS (VMT_KNOWN(VMT_REG_RFLAGS + 1) - 1)

/** All registers. */
#define VMT_KNOWN_ALL (VMT_KNOWN(VMT_REG_COUNT) - 1)

/**
 * What an event of Xen knows: struct vm_event_regs_x86 but DR6, which Xen sends as 0 (4.17 to 4.20 at
 * least: vm_event_fill_regs takes it from a record that nobody fills).
 */
#define VMT_KNOWN_XEN_EVENT                                                                 \
	(VMT_KNOWN_GPRS | VMT_KNOWN(VMT_REG_CR0) | VMT_KNOWN(VMT_REG_CR2) |                 \
	 VMT_KNOWN(VMT_REG_CR3) | VMT_KNOWN(VMT_REG_CR4) | VMT_KNOWN(VMT_REG_DR7) |         \
	 VMT_KNOWN(VMT_REG_CS) | VMT_KNOWN(VMT_REG_DS) | VMT_KNOWN(VMT_REG_ES) |            \
	 VMT_KNOWN(VMT_REG_FS) | VMT_KNOWN(VMT_REG_GS) | VMT_KNOWN(VMT_REG_SS) |            \
	 VMT_KNOWN(VMT_REG_GDTR) | VMT_KNOWN(VMT_REG_SYSENTER_CS) |                         \
	 VMT_KNOWN(VMT_REG_SYSENTER_ESP) | VMT_KNOWN(VMT_REG_SYSENTER_EIP) |                \
	 VMT_KNOWN(VMT_REG_SHADOW_GS) | VMT_KNOWN(VMT_REG_EFER) | VMT_KNOWN(VMT_REG_STAR) | \
	 VMT_KNOWN(VMT_REG_LSTAR))

/** One vCPU's registers. Fields whose bit in @known is clear are 0. */
struct vmt_regs {
	uint64_t known; /**< VMT_KNOWN(...) bits */
	struct vmt_gprs gprs;
	uint64_t cr0, cr2, cr3, cr4, xcr0;
	uint64_t dr0, dr1, dr2, dr3, dr6, dr7;
	struct vmt_segment cs, ds, es, fs, gs, ss, tr, ldtr;
	struct vmt_table gdtr, idtr;
	uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
	uint64_t shadow_gs; /**< MSR_KERNEL_GS_BASE, what SWAPGS would load */
	uint64_t efer, star, lstar, cstar, sfmask, tsc_aux;
};

/** A row of the field table: one scalar of struct vmt_regs. */
struct vmt_reg_field {
	const char *name; /**< "rax", "cs.limit" */
	uint16_t offset;  /**< in struct vmt_regs, bytes */
	uint8_t width;    /**< bytes: 2, 4 or 8 */
	uint8_t bit;      /**< enum vmt_reg_bit; the four scalars of a segment share one */
};

/** The table, in the order of the fields in struct vmt_regs, and its length. */
VMT_API extern const struct vmt_reg_field vmt_reg_fields[];
VMT_API extern const size_t vmt_reg_nfields;

/** The row called @name, or NULL. */
VMT_API const struct vmt_reg_field *vmt_reg_field_find(const char *name);

/** The value of @field in @regs, widened to 64 bits, whether it is known or not. */
VMT_API uint64_t vmt_reg_get(const struct vmt_regs *regs, const struct vmt_reg_field *field);

/** Set @field in @regs (@value is cut to the field's width) and mark it known. */
VMT_API void vmt_reg_set(struct vmt_regs *regs, const struct vmt_reg_field *field, uint64_t value);

/**
 * The first field in which @a and @b differ, among those that both know and whose bit is in
 * @mask (VMT_KNOWN_ALL: all of them), or NULL.
 */
VMT_API const struct vmt_reg_field *vmt_regs_differ(const struct vmt_regs *a,
						    const struct vmt_regs *b, uint64_t mask);

/** Take from @more what @regs does not know and @more does. */
VMT_API void vmt_regs_merge(struct vmt_regs *regs, const struct vmt_regs *more);

/** The current privilege level, 0 to 3: the DPL of SS, which is what a CPU uses. */
static inline unsigned vmt_cpl(const struct vmt_regs *regs)
{
	return (regs->ss.access >> 5) & 3u;
}

/** Bits of control registers and EFER that page walks depend on. */
#define VMT_CR0_PE    (UINT64_C(1) << 0)
#define VMT_CR0_WP    (UINT64_C(1) << 16)
#define VMT_CR0_PG    (UINT64_C(1) << 31)
#define VMT_CR4_PSE   (UINT64_C(1) << 4)
#define VMT_CR4_PAE   (UINT64_C(1) << 5)
#define VMT_CR4_LA57  (UINT64_C(1) << 12)
#define VMT_CR4_SMEP  (UINT64_C(1) << 20)
#define VMT_CR4_SMAP  (UINT64_C(1) << 21)
#define VMT_EFER_SCE  (UINT64_C(1) << 0)
#define VMT_EFER_LME  (UINT64_C(1) << 8)
#define VMT_EFER_LMA  (UINT64_C(1) << 10)
#define VMT_EFER_NXE  (UINT64_C(1) << 11)
#define VMT_RFLAGS_TF (UINT64_C(1) << 8)
#define VMT_RFLAGS_IF (UINT64_C(1) << 9)
#define VMT_RFLAGS_RF (UINT64_C(1) << 16)

/** MSR numbers that handlers ask for most (Intel SDM volume 4). */
enum vmt_msr {
	VMT_MSR_SYSENTER_CS = 0x174,
	VMT_MSR_SYSENTER_ESP = 0x175,
	VMT_MSR_SYSENTER_EIP = 0x176,
};
#define VMT_MSR_EFER           UINT32_C(0xc0000080)
#define VMT_MSR_STAR           UINT32_C(0xc0000081)
#define VMT_MSR_LSTAR          UINT32_C(0xc0000082)
#define VMT_MSR_CSTAR          UINT32_C(0xc0000083)
#define VMT_MSR_SFMASK         UINT32_C(0xc0000084)
#define VMT_MSR_FS_BASE        UINT32_C(0xc0000100)
#define VMT_MSR_GS_BASE        UINT32_C(0xc0000101)
#define VMT_MSR_KERNEL_GS_BASE UINT32_C(0xc0000102)
#define VMT_MSR_TSC_AUX        UINT32_C(0xc0000103)

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_REGISTERS_H */
