/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of group 7 (0F 01) that stand with the control registers. */
#ifndef VMITAPE_EMULATION_SYSTEM_H
#define VMITAPE_EMULATION_SYSTEM_H

#include "emulation/exec.h"

int vmt_lmsw(struct vmt_exec *x);
int vmt_xsetbv(struct vmt_exec *x);
int vmt_xgetbv(struct vmt_exec *x);

#endif /* VMITAPE_EMULATION_SYSTEM_H */
