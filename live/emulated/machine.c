/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine that the guest finds: what CPUID tells, MSRs and I/O ports.
 *
 * It has what the emulator does, and no more: no XSAVE areas, no AVX, no local APIC, no timer but the
 * one of vmt_emulated_config. Leaves of Xen begin at 0x40000000.
 */
#include <string.h>

#include "domain.h"

#define MSR_TSC            0x10u
#define MSR_APIC_BASE      0x1bu
#define MSR_HYPERCALL_PAGE 0x40000000u
#define CONSOLE_PORT       0xe9u
#define XEN_LEAVES         UINT32_C(0x40000000)

/* -------------------------------------------------------------------------------------------- */
/* CPUID                                                                                        */
/* -------------------------------------------------------------------------------------------- */

#define EDX1_FPU        (1u << 0)
#define EDX1_DE         (1u << 2)
#define EDX1_PSE        (1u << 3)
#define EDX1_TSC        (1u << 4)
#define EDX1_MSR        (1u << 5)
#define EDX1_PAE        (1u << 6)
#define EDX1_CX8        (1u << 8)
#define EDX1_SEP        (1u << 11)
#define EDX1_PGE        (1u << 13)
#define EDX1_CMOV       (1u << 15)
#define EDX1_PAT        (1u << 16)
#define EDX1_CLFSH      (1u << 19)
#define EDX1_MMX        (1u << 23)
#define EDX1_FXSR       (1u << 24)
#define EDX1_SSE        (1u << 25)
#define EDX1_SSE2       (1u << 26)
#define ECX1_SSE3       (1u << 0)
#define ECX1_SSSE3      (1u << 9)
#define ECX1_CX16       (1u << 13)
#define ECX1_SSE41      (1u << 19)
#define ECX1_SSE42      (1u << 20)
#define ECX1_POPCNT     (1u << 23)
#define ECX1_XSAVE      (1u << 26)
#define ECX1_OSXSAVE    (1u << 27)
#define ECX1_AVX        (1u << 28)
#define ECX1_HYPERVISOR (1u << 31)
#define EDX81_SYSCALL   (1u << 11)
#define EDX81_NX        (1u << 20)
#define EDX81_PAGE1GB   (1u << 26)
#define EDX81_RDTSCP    (1u << 27)
#define EDX81_LM        (1u << 29)
#define ECX81_LAHF      (1u << 0)
#define CR4_OSXSAVE     (UINT64_C(1) << 18)

#define FEATURES_EDX                                                                            \
	(EDX1_FPU | EDX1_DE | EDX1_PSE | EDX1_TSC | EDX1_MSR | EDX1_PAE | EDX1_CX8 | EDX1_SEP | \
	 EDX1_PGE | EDX1_CMOV | EDX1_PAT | EDX1_CLFSH | EDX1_MMX | EDX1_FXSR | EDX1_SSE |       \
	 EDX1_SSE2)
#define FEATURES_ECX                                                                               \
	(ECX1_SSE3 | ECX1_SSSE3 | ECX1_CX16 | ECX1_SSE41 | ECX1_SSE42 | ECX1_POPCNT | ECX1_XSAVE | \
	 ECX1_AVX | ECX1_HYPERVISOR)

struct leaf {
	uint32_t leaf, subleaf; /* ANY: for each */
	uint32_t eax, ebx, ecx, edx;
};

#define ANY UINT32_MAX

/* "GenuineIntel", "XenVMMXenVMM", and a brand. Family and model are those of the Xen lab's CPU. */
static const struct leaf leaves[] = {
	{0, ANY, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69},
	{1, ANY, 0x50654, 0x00020800, FEATURES_ECX, FEATURES_EDX},
	{0xd, 0, 7, 832, 832, 0},
	{0xd, 2, 256, 576, 0, 0},
	{XEN_LEAVES, ANY, XEN_LEAVES + 5, 0x566e6558, 0x65584d4d, 0x4d4d566e},
	{XEN_LEAVES + 2, ANY, 1, MSR_HYPERCALL_PAGE, 0, 0},
	{0x80000000, ANY, 0x80000008, 0, 0, 0},
	{0x80000001, ANY, 0, 0, ECX81_LAHF,
	 EDX81_SYSCALL | EDX81_NX | EDX81_PAGE1GB | EDX81_RDTSCP | EDX81_LM},
	{0x80000002, ANY, 0x74696d76, 0x20657061, 0x6c756d65, 0x64657461}, /* vmitape emulated */
	{0x80000003, ANY, 0x55504320, 0, 0, 0},                            /* CPU */
	{0x80000007, ANY, 0, 0, 0, 0x100},                                 /* invariant TSC */
	{0x80000008, ANY, 0x3028, 0, 0, 0}, /* 48 bits virtual, 40 physical */
};

/* Leaves that there are not are all zero. */
int vmt_emulated_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
	const struct vmt_emulated_vcpu *v = ctx;
	const struct vmt_emulated *e = v->domain;

	memset(result, 0, 4 * sizeof(*result));
	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		const struct leaf *l = &leaves[i];

		if (l->leaf != leaf || (l->subleaf != ANY && l->subleaf != subleaf))
			continue;
		result[0] = l->eax;
		result[1] = l->ebx;
		result[2] = l->ecx;
		result[3] = l->edx;
	}
	if (leaf == 1) {
		result[1] |= (uint32_t)v->number * 2 << 24; /* Xen's APIC ids are even */
		if (v->cpu.regs->cr4 & CR4_OSXSAVE)
			result[2] |= ECX1_OSXSAVE;
	}
	if (leaf == XEN_LEAVES + 1)
		result[0] = (uint32_t)e->config.xen_major << 16 | e->config.xen_minor;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* MSRs                                                                                         */
/* -------------------------------------------------------------------------------------------- */

int vmt_emulated_read_msr(struct vmt_emulated_vcpu *v, uint32_t msr, uint64_t *value)
{
	*value = 0;
	switch (msr) {
	case MSR_TSC:
		*value = v->cpu.tsc;
		return 0;
	case MSR_APIC_BASE:
		*value = v->number == 0 ? 0x100 : 0; /* not enabled; bit 8: the first CPU */
		return 0;
	case MSR_HYPERCALL_PAGE:
		return 0;
	default:
		return 1;
	}
}

int vmt_emulated_write_msr(struct vmt_emulated_vcpu *v, uint32_t msr, uint64_t value)
{
	struct vmt_emulated *e = v->domain;

	/* There is one hypercall page, of index 0, and it lies in memory. */
	if (msr != MSR_HYPERCALL_PAGE || (value & VMT_PAGE_MASK) ||
	    !vmt_emulated_page(e, value >> VMT_PAGE_SHIFT))
		return 1;
	vmt_emulated_hypercall_page(e, value >> VMT_PAGE_SHIFT);
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Ports                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* Where nothing is, reads give ones, as on Xen. */
int vmt_emulated_io(void *ctx, uint16_t port, uint8_t bytes, bool in, uint32_t *value)
{
	const struct vmt_emulated_vcpu *v = ctx;
	const struct vmt_emulated_config *config = &v->domain->config;

	if (in) {
		*value = bytes == 4 ? UINT32_MAX : (UINT32_C(1) << (bytes * 8)) - 1;
	} else if (port == CONSOLE_PORT && bytes == 1 && config->console) {
		const char c = (char)*value;

		config->console(config->console_arg, &c, 1);
	}
	return 0;
}
