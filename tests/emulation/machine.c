/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The small machine of machine.h.
 */
#include <stdlib.h>
#include <string.h>

#include "machine.h"

static int op_access(void *ctx, const struct vmt_cpu_access *a, vmt_gfn *page)
{
	struct machine *m = ctx;
	uint64_t gfn = vmt_gfn_of(a->gpa).n;

	m->asked++;
	if (gfn >= RAM_PAGES || m->absent[gfn])
		return VMT_PAGE_HOLE;
	if (!a->no_rights && (m->rights[gfn] & a->access) != a->access)
		return VMT_PAGE_VIOLATION;
	*page = vmt_gfn_from(m->remap[gfn] ? m->remap[gfn] : gfn);
	if (m->missing[page->n])
		return VMT_PAGE_MISSING;
	if (a->access & VMT_W)
		m->granted[page->n] = 1;
	return VMT_PAGE_OK;
}

static const uint8_t *op_page(void *ctx, vmt_gfn page)
{
	struct machine *m = ctx;

	return page.n < RAM_PAGES ? m->ram + page.n * VMT_PAGE_SIZE : NULL;
}

static void op_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	struct machine *m = ctx;

	if (page.n >= RAM_PAGES || offset + len > VMT_PAGE_SIZE || !m->granted[page.n]) {
		m->wild = true;
		return;
	}
	memcpy(m->ram + page.n * VMT_PAGE_SIZE + offset, buf, len);
}

static int op_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
	(void)ctx;
	if (leaf > 1)
		return 1;
	result[0] = 0x11;
	result[1] = 0x22;
	result[2] = subleaf;
	result[3] = 0x44;
	return 0;
}

static int op_read_msr(void *ctx, uint32_t msr, uint64_t *value)
{
	(void)ctx;
	*value = UINT64_C(0x1122334455667788);
	return msr == 0x1b ? 0 : msr == 0x1c ? 1 : 2;
}

static int op_write_msr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	(void)value;
	return msr == 0x1b ? 0 : msr == 0x1c ? 1 : 2;
}

static int op_io(void *ctx, uint16_t port, uint8_t bytes, bool in, uint32_t *value)
{
	struct machine *m = ctx;

	(void)bytes;
	if (port == 0x70)
		return 2;
	m->port = port;
	if (in)
		*value = m->port_value;
	else
		m->port_value = *value;
	return 0;
}

static const struct vmt_cpu_ops ops = {
	.access = op_access,
	.page = op_page,
	.write = op_write,
	.cpuid = op_cpuid,
	.read_msr = op_read_msr,
	.write_msr = op_write_msr,
	.io = op_io,
};

uint8_t *machine_at(struct machine *m, uint64_t gfn, unsigned offset)
{
	return m->ram + gfn * VMT_PAGE_SIZE + offset;
}

uint64_t machine_get(struct machine *m, uint64_t gfn, unsigned offset)
{
	uint64_t value;

	memcpy(&value, machine_at(m, gfn, offset), 8);
	return value;
}

void machine_put(struct machine *m, uint64_t gfn, unsigned offset, uint64_t value)
{
	memcpy(machine_at(m, gfn, offset), &value, 8);
}

uint64_t *machine_pte(struct machine *m, uint64_t gva)
{
	uint64_t table = m->regs.cr3 >> 12, *entry = NULL;

	for (unsigned shift = 39; shift >= 12; shift -= 9) {
		entry = (uint64_t *)(void *)machine_at(m, table, (gva >> shift & 511) * 8);
		if (shift > 12 && !*entry)
			*entry = m->next_table++ << 12 | P | W | U | A;
		table = *entry >> 12 & 0xffffffffff;
	}
	return entry;
}

void machine_map(struct machine *m, uint64_t gva, uint64_t gfn, uint64_t flags)
{
	*machine_pte(m, gva) = gfn << 12 | flags;
}

void machine_gate(struct machine *m, unsigned vector, unsigned ist, unsigned dpl)
{
	uint64_t handler = HANDLER(vector);

	machine_put(m, IDT_GFN, vector * 16,
		    (handler & 0xffff) | KERNEL_CS << 16 | (uint64_t)ist << 32 |
			    UINT64_C(0x8e) << 40 | (uint64_t)dpl << 45 |
			    (handler >> 16 & 0xffff) << 48);
	machine_put(m, IDT_GFN, vector * 16 + 8, handler >> 32);
}

static void make_tables(struct machine *m)
{
	static const uint64_t gdt[] = {
		0,
		0,
		0x00af9b000000ffff, /* 10: kernel code */
		0x00cf93000000ffff, /* 18: kernel data */
		0,
		0x00cff3000000ffff, /* 28: user data */
		0x00affb000000ffff, /* 30: user code */
		0x00cf9b000000ffff, /* 38: 32-bit code */
	};

	memcpy(machine_at(m, GDT_GFN, 0), gdt, sizeof(gdt));
	/* 40: a free TSS at TSS; its descriptor has 16 bytes. */
	machine_put(m, GDT_GFN, 0x40,
		    0x67 | (TSS & 0xffffff) << 16 | UINT64_C(0x89) << 40 |
			    (TSS >> 24 & 0xff) << 56);
	machine_put(m, GDT_GFN, 0x48, TSS >> 32);
	for (unsigned i = 0; i < 48; i++)
		machine_gate(m, i, 0, i == 3 || i == 0x20 ? 3 : 0);
	machine_put(m, TSS_GFN, 0x60, UINT64_C(0x68) << 48); /* no I/O bitmap */
	machine_put(m, TSS_GFN, 4, RSP0);
	machine_put(m, TSS_GFN, 0x24, IST1);
}

static void map_all(struct machine *m)
{
	machine_map(m, KCODE, KCODE_GFN, P | A);
	machine_map(m, KCODE + 0x1000, KCODE_GFN + 1, P | A);
	machine_map(m, KSTACK, KSTACK_GFN, P | W | A | D | NX);
	machine_map(m, KDATA, KDATA_GFN, P | W | A | D | NX);
	machine_map(m, KDATA + 0x1000, KDATA_GFN + 1, P | W | A | D | NX);
	machine_map(m, IDT, IDT_GFN, P | A | NX);
	machine_map(m, GDT, GDT_GFN, P | W | A | D | NX);
	machine_map(m, TSS, TSS_GFN, P | W | A | D | NX);
	machine_map(m, UCODE, UCODE_GFN, P | U | A);
	machine_map(m, UDATA, UDATA_GFN, P | W | U | A | D | NX);
	machine_map(m, UDATA + 0x1000, UDATA_GFN + 1, P | U | A | NX);
	machine_map(m, USTACK, USTACK_GFN, P | W | U | A | D | NX);
}

void machine_reset(struct machine *m, bool user)
{
	struct vmt_regs *r = &m->regs;

	memset(r, 0, sizeof(*r));
	vmt_cpu_init(&m->cpu, r, m);
	r->known = VMT_KNOWN_ALL;
	r->cr0 = 0x80050033;
	r->cr3 = (uint64_t)PML4_GFN << 12;
	r->cr4 = 0x40678;
	r->efer = 0xd01;
	r->xcr0 = 7;
	r->dr6 = 0xffff0ff0;
	r->dr7 = 0x400;
	r->gprs.rflags = 2;
	r->gprs.rip = user ? UCODE : KCODE;
	r->gprs.rsp = user ? USTACK : KSTACK;
	r->gprs.rbx = user ? UDATA : KDATA;
	r->cs = (struct vmt_segment){0, UINT32_MAX, user ? USER_CS : KERNEL_CS,
				     user ? 0xafb : 0xa9b};
	r->ss = (struct vmt_segment){0, UINT32_MAX, user ? USER_SS : KERNEL_SS,
				     user ? 0xcf3 : 0xc93};
	r->ds = r->es = r->fs = r->gs = r->ss;
	r->tr = (struct vmt_segment){TSS, 0x67, 0x40, 0x8b};
	r->gdtr = (struct vmt_table){GDT, 0x4f};
	r->idtr = (struct vmt_table){IDT, 0x2ff};
	r->star = UINT64_C(0x0023001000000000);
	r->lstar = SYSCALL_AT;
	r->sfmask = 0x47700;
	memset(&m->how, 0, sizeof(m->how));
}

int machine_setup(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct vmt_emulator_config config = {.ops = &ops, .flags = VMT_EMULATOR_WHOLE};
	struct vmt_error err = {0};

	assert_non_null(m);
	m->ram = calloc(RAM_PAGES, VMT_PAGE_SIZE);
	assert_non_null(m->ram);
	memset(m->rights, VMT_RWX, sizeof(m->rights));
	m->next_table = PML4_GFN + 1;
	config.generation = &m->generation;
	if (vmt_emulator_create(&config, &m->em, &err))
		fail_msg("%s", err.text);
	machine_reset(m, false);
	make_tables(m);
	map_all(m);
	*state = m;
	return 0;
}

int machine_teardown(void **state)
{
	struct machine *m = *state;

	assert_false(m->wild);
	vmt_emulator_destroy(m->em);
	free(m->ram);
	free(m);
	return 0;
}

void machine_code(struct machine *m, const void *code, size_t len)
{
	uint64_t gfn = *machine_pte(m, m->regs.gprs.rip) >> 12 & 0xffffffffff;
	unsigned at = m->regs.gprs.rip & VMT_PAGE_MASK;

	memset(machine_at(m, gfn, at), 0x90, 32);
	memcpy(machine_at(m, gfn, at), code, len);
}

int machine_go(struct machine *m)
{
	return vmt_emulator_step(m->em, &m->cpu, &m->how, &m->r);
}

int machine_step(struct machine *m, const void *code, size_t len)
{
	machine_code(m, code, len);
	return machine_go(m);
}

int machine_deliver(struct machine *m, uint8_t vector, uint8_t type, uint32_t error, uint8_t length)
{
	struct vmt_interrupt i = {vector, type, length, 0, error, 0};

	return vmt_emulator_deliver(m->em, &m->cpu, &m->how, &i, &m->r);
}

void machine_commit(struct machine *m)
{
	vmt_emulator_commit(m->em, &m->cpu, &m->r);
}

void assert_fault(const struct machine *m, uint8_t vector, uint32_t error)
{
	char text[160];

	if (m->r.outcome != VMT_STEP_FAULT)
		fail_msg("%s", vmt_step_format(&m->r, text, sizeof(text)));
	assert_int_equal(m->r.interrupt.vector, vector);
	assert_int_equal(m->r.interrupt.error_code, error);
	assert_int_equal(m->r.interrupt.type, VMT_INT_HW_EXCEPTION);
	assert_int_equal(m->r.nwrites, 0);
}

void assert_page_fault(const struct machine *m, uint32_t error, uint64_t address)
{
	assert_fault(m, 14, error);
	assert_int_equal(m->r.interrupt.extra, address);
}
