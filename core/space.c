/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Address spaces: from a vCPU's registers, and the width of their pointers.
 */
#include <vmitape/memory.h>

/* How a CPU chooses its paging mode: Intel SDM volume 3, section 4.1.1. */
static enum vmt_paging paging_of(const struct vmt_regs *regs)
{
	if (!(regs->cr0 & VMT_CR0_PG))
		return VMT_PAGING_NONE;
	if (regs->efer & VMT_EFER_LMA)
		return regs->cr4 & VMT_CR4_LA57 ? VMT_PAGING_5 : VMT_PAGING_4;
	return regs->cr4 & VMT_CR4_PAE ? VMT_PAGING_PAE : VMT_PAGING_32;
}

int vmt_space_from_regs(const struct vmt_regs *regs, struct vmt_space *space, struct vmt_error *err)
{
	static const uint64_t needed = VMT_KNOWN(VMT_REG_CR0) | VMT_KNOWN(VMT_REG_CR3) |
				       VMT_KNOWN(VMT_REG_CR4) | VMT_KNOWN(VMT_REG_EFER);
	struct vmt_space s = VMT_PHYS;

	if ((regs->known & needed) != needed)
		return vmt_error_set(err, VMT_E_INVALID, "vmt_space_from_regs",
				     "CR0, CR3, CR4 and EFER must all be known; take the registers "
				     "of an event or of vmt_get_regs()");
	s.paging = (uint8_t)paging_of(regs);
	if (s.paging != VMT_PAGING_NONE)
		s.root = regs->cr3;
	/* Only what the mode heeds, so that equal spaces are equal values. */
	if (s.paging == VMT_PAGING_32 && (regs->cr4 & VMT_CR4_PSE))
		s.flags = VMT_SPACE_PSE;
	if (s.paging >= VMT_PAGING_PAE && (regs->efer & VMT_EFER_NXE))
		s.flags = VMT_SPACE_NXE;
	*space = s;
	return 0;
}

unsigned vmt_space_pointer_size(struct vmt_space space)
{
	switch (space.paging) {
	case VMT_PAGING_32:
	case VMT_PAGING_PAE:
		return 4;
	case VMT_PAGING_4:
	case VMT_PAGING_5:
		return 8;
	default:
		return 0;
	}
}
