/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A small machine around the vCPU: 16 MiB of RAM, page tables made on demand, a view with rights and
 * remapping, pages that can be missing, an IDT, GDT and TSS.
 */
#ifndef VMITAPE_TESTS_EMULATION_MACHINE_H
#define VMITAPE_TESTS_EMULATION_MACHINE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "emulation/emulation.h"

#define RAM_PAGES 4096u

/* Bits of page-table entries. */
#define P  0x1u
#define W  0x2u
#define U  0x4u
#define A  0x20u
#define D  0x40u
#define PS 0x80u
#define NX (UINT64_C(1) << 63)

/* Where things are: linear, and their gfns. */
#define KCODE      UINT64_C(0xffffff8000001000)
#define KDATA      UINT64_C(0xffffff8000020000)
#define KSTACK     UINT64_C(0xffffff8000010800)
#define UCODE      UINT64_C(0x400000)
#define UDATA      UINT64_C(0x500000)
#define USTACK     UINT64_C(0x7fffe800)
#define IDT        UINT64_C(0xffffff8000030000)
#define GDT        UINT64_C(0xffffff8000031000)
#define TSS        UINT64_C(0xffffff8000032000)
#define RSP0       (KSTACK - 0x400)
#define IST1       (KSTACK - 0x600)
#define HANDLER(n) (KCODE + 0x800 + 16 * (uint64_t)(n))
#define SYSCALL_AT (KCODE + 0x700)

#define PML4_GFN   0x100u
#define KCODE_GFN  0x201u /* and 0x202 behind it */
#define KSTACK_GFN 0x210u
#define KDATA_GFN  0x220u /* and 0x221 behind it */
#define IDT_GFN    0x230u
#define GDT_GFN    0x231u
#define TSS_GFN    0x232u
#define UCODE_GFN  0x300u
#define UDATA_GFN  0x320u
#define USTACK_GFN 0x310u

#define KERNEL_CS  0x10u
#define KERNEL_SS  0x18u
#define USER_SS    0x2bu
#define USER_CS    0x33u

struct machine {
	uint8_t *ram;
	bool absent[RAM_PAGES];      /* holes */
	bool missing[RAM_PAGES];     /* there, and unknown */
	uint8_t rights[RAM_PAGES];   /* of the view */
	uint16_t remap[RAM_PAGES];   /* of the view; 0: none */
	bool wild;                   /* a write went where no access was allowed */
	unsigned asked;              /* calls of access() */
	uint64_t granted[RAM_PAGES]; /* the step that allowed writing */
	uint64_t generation;
	uint64_t next_table; /* the next free page for tables */
	uint32_t port_value; /* of the last OUT, or for IN */
	uint16_t port;
	struct vmt_emulator *em;
	struct vmt_regs regs;
	struct vmt_cpu cpu;
	struct vmt_step how;
	struct vmt_step_result r;
};

/** Everything as said above, at CPL 0 in 64-bit mode, RIP at KCODE. cmocka's setup and teardown. */
int machine_setup(void **state);
int machine_teardown(void **state);

/** Registers as at the start, of the kernel or of a user program. */
void machine_reset(struct machine *m, bool user);

/** Map the page @gva to @gfn in the tables at CR3, with @flags. */
void machine_map(struct machine *m, uint64_t gva, uint64_t gfn, uint64_t flags);
/** The last-level entry of @gva, in RAM. */
uint64_t *machine_pte(struct machine *m, uint64_t gva);

uint8_t *machine_at(struct machine *m, uint64_t gfn, unsigned offset);
uint64_t machine_get(struct machine *m, uint64_t gfn, unsigned offset);
void machine_put(struct machine *m, uint64_t gfn, unsigned offset, uint64_t value);

/** Put code at RIP, by its physical page, then NOPs. */
void machine_code(struct machine *m, const void *code, size_t len);

/** Code and a step without commit. Returns the outcome. */
int machine_step(struct machine *m, const void *code, size_t len);

#define CODE(m, ...) \
	machine_code(m, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
#define STEP(m, ...) \
	machine_step(m, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

/** A step of what stands at RIP, and a delivery of an exception. Without commit. */
int machine_go(struct machine *m);
int machine_deliver(struct machine *m, uint8_t vector, uint8_t type, uint32_t error,
		    uint8_t length);
void machine_commit(struct machine *m);

/** Set gate @vector: to HANDLER(vector), type 14, with @ist and @dpl. */
void machine_gate(struct machine *m, unsigned vector, unsigned ist, unsigned dpl);

/** The last step ended with this exception. */
void assert_fault(const struct machine *m, uint8_t vector, uint32_t error);
void assert_page_fault(const struct machine *m, uint32_t error, uint64_t address);

#endif /* VMITAPE_TESTS_EMULATION_MACHINE_H */
