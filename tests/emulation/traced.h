/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real program under ptrace, as a vCPU and its memory: its address space appears as guest-physical
 * memory behind made-up page tables that map it one to one.
 */
#ifndef VMITAPE_TESTS_EMULATION_TRACED_H
#define VMITAPE_TESTS_EMULATION_TRACED_H

#include <sys/types.h>

#include "emulation/emulation.h"

#define TRACED_PAGES 24u

struct traced_page {
	vmt_gfn gfn;
	bool there;
	uint8_t bytes[VMT_PAGE_SIZE];
};

struct traced_table {
	uint64_t gfn;
	uint64_t entries[512];
};

struct traced {
	pid_t pid;
	int memory; /* /proc/PID/mem */
	uint64_t xcr0;
	struct traced_page pages[TRACED_PAGES]; /* those of this step */
	unsigned npages;
	struct traced_table **tables;
	size_t ntables, cap;
	uint8_t xstate[16384];
	struct vmt_regs regs;
	struct vmt_cpu cpu;
};

extern const struct vmt_cpu_ops traced_ops;

/**
 * Start @argv, with no address randomisation and output to /dev/null. It stands at its first
 * instruction; or, where the program's name begins with @, behind its first INT3.
 */
int traced_start(struct traced *t, char *const argv[]);
void traced_finish(struct traced *t);

/** Fill regs and cpu with what the program's registers are, and forget the pages. 0, or -1. */
int traced_load(struct traced *t);

/** Let it execute one instruction. 0; 1: it has ended. */
int traced_step(struct traced *t);

/** Read its memory as it is now. How many bytes were there, or -1. */
ssize_t traced_read(struct traced *t, uint64_t address, void *buf, size_t len);

#endif /* VMITAPE_TESTS_EMULATION_TRACED_H */
