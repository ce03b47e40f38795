/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where things are in the trial guest; for C and for the assembler.
 */
#ifndef VMT_TESTS_EMULATED_TRIAL_H
#define VMT_TESTS_EMULATED_TRIAL_H

#define TRIAL_FIXED        0x200000 /* a function: mov $TRIAL_FIXED_VALUE, %eax; ret */
#define TRIAL_FIXED_VALUE  0x11111111
#define TRIAL_ACROSS       0x201ffc /* movabs over the end of its page; ret */
#define TRIAL_ACROSS_VALUE 0x1122334455667788
#define TRIAL_DATA         0x203000 /* word 0 is read, word 1 written */
#define TRIAL_DATA_VALUE   0x7777777777777777
#define TRIAL_ROUNDS       0x204000 /* counts */
#define TRIAL_SECOND       0x204008 /* what the second vCPU counts */
#define TRIAL_SEEN         0x204010 /* what the functions returned, and what was read */

#endif /* VMT_TESTS_EMULATED_TRIAL_H */
