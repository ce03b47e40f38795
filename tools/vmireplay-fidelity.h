/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vmireplay --verify-emulation: how well the emulated vCPU does what the recorded hypervisor did.
 */
#ifndef VMT_TOOLS_VMIREPLAY_FIDELITY_H
#define VMT_TOOLS_VMIREPLAY_FIDELITY_H

#include <vmitape/types.h>

/**
 * Measure all @traces together and print the result to stdout: text, or one line of JSON. Returns
 * the exit status: 1 where an emulation was wrong, 4 where no response could be judged.
 */
int vmt_vmireplay_fidelity(char **traces, int ntraces, bool json, bool quiet,
			   struct vmt_error *err);

#endif /* VMT_TOOLS_VMIREPLAY_FIDELITY_H */
