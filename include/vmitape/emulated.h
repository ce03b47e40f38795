/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated backend: a driver for a guest kernel that runs in this process, with Xen's semantics.
 *
 * Nothing of a hypervisor is needed, and nothing depends on the machine: virtual time counts executed
 * instructions, vCPUs take turns by a seed, and a handler costs the guest no time. So two sessions of
 * one handler with equal configurations are equal.
 *
 * Integer and system instructions are vmitape's own code. SSE, MMX and x87 need the module
 * vmitape-emulation.so (see the README about its licence); without it they are refused. What the guest
 * sees of its machine stands in docs/xen-differences.md.
 */
#ifndef VMITAPE_EMULATED_H
#define VMITAPE_EMULATED_H

#include <vmitape/driver.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMT_EMULATED_VCPUS_MAX  64u
#define VMT_EMULATED_MEMORY_MAX (UINT64_C(64) << 30)

/** All zero but @guest is the default: one vCPU, 64 MiB, Xen 4.17 on an Intel CPU. */
struct vmt_emulated_config {
	const char *guest; /**< path of a kernel: ELF64 for x86-64 with a PVH note; required */
	const char *command_line;      /**< of the kernel; NULL: empty */
	uint16_t vcpus;                /**< 0: 1. The guest starts those after the first itself */
	uint16_t xen_major, xen_minor; /**< whose behaviour is shown; 0.0: 4.17 */
	uint64_t memory;               /**< bytes of RAM from address 0 on; 0: 64 MiB */
	uint64_t seed;                 /**< vmt_info.seed; it also decides how vCPUs take turns */
	uint64_t insn_ns;              /**< virtual time of an instruction; 0: 1000 */
	/**
	 * Each vCPU gets an external interrupt after so much virtual time, when it takes interrupts;
	 * 0: never.
	 */
	uint64_t timer_ns;
	uint8_t timer_vector; /**< of the timer's interrupt; 0: 0x20 */
	/**
	 * Told what the guest writes to its console (port 0xe9, and the hypercall console_io). May
	 * be NULL.
	 */
	void (*console)(void *arg, const char *text, size_t len);
	void *console_arg;
};

/**
 * Build the domain, its first vCPU at the kernel's entry. It runs while the driver waits. Returns 0
 * and *@driver, to be closed with vmt_driver_close(), or a negative status with @err (may be NULL)
 * filled:
 *
 *   -VMT_E_NOT_SUPPORTED  the Xen version is not known
 *   -VMT_E_IO             the kernel cannot be read
 *   -VMT_E_DAMAGED        it is no such kernel
 *   -VMT_E_INVALID, -VMT_E_LIMIT, -VMT_E_NO_MEMORY
 *
 * A guest that comes to an instruction which cannot be emulated rightly ends its wait() with
 * -VMT_E_NOT_SUPPORTED and the instruction's bytes. One that shuts down, or stops its vCPUs for good,
 * is gone (VMT_WAIT_GONE).
 */
VMT_API int vmt_emulated_open(const struct vmt_emulated_config *config, struct vmt_driver **driver,
			      struct vmt_error *err);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_EMULATED_H */
