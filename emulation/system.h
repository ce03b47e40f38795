/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of opcode groups that stand in other files than their group. */
#ifndef VMITAPE_EMULATION_SYSTEM_H
#define VMITAPE_EMULATION_SYSTEM_H

#include "emulation/exec.h"

int vmt_lmsw(struct vmt_exec *x);
int vmt_xsetbv(struct vmt_exec *x);
int vmt_xgetbv(struct vmt_exec *x);

/** VERR and VERW of group 6, RDPID of group 9. */
int vmt_verify(struct vmt_exec *x, bool write);
int vmt_rdpid(struct vmt_exec *x);

#endif /* VMITAPE_EMULATION_SYSTEM_H */
