/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a kernel: an ELF file with Xen's PVH note. The file is not trusted.
 */
#ifndef VMITAPE_LIVE_EMULATED_KERNEL_H
#define VMITAPE_LIVE_EMULATED_KERNEL_H

#include <vmitape/types.h>

struct vmt_kernel_image {
	uint32_t entry; /**< physical, in 32-bit mode (XEN_ELFNOTE_PHYS32_ENTRY) */
	uint64_t end;   /**< the first byte behind all that was loaded */
};

/**
 * Copy the loadable segments of the @len bytes at @file to @ram, whose @size bytes are zero and
 * stand for physical address 0 and on. -VMT_E_DAMAGED: it is no kernel that could be started, and
 * @err says what is wrong with it; @ram may hold parts of it then.
 */
int vmt_kernel_load(const uint8_t *file, size_t len, uint8_t *ram, uint64_t size,
		    struct vmt_kernel_image *image, struct vmt_error *err);

#endif /* VMITAPE_LIVE_EMULATED_KERNEL_H */
