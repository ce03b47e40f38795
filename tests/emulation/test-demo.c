/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The demo kernel on the bare vCPU: from PVH's 32-bit entry through all of its scenes, each of which
 * checks itself. Around the vCPU there is RAM, Xen's CPUID leaves and three hypercalls, no more.
 */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "emulation/emulation.h"
#include "fixtures/guests/demo/status.h"

#define RAM        (16u << 20)
#define START_INFO 0x1000u
#define LINE       0x2000u
#define STEPS_MAX  2000000u

static const char *elf_path;

struct domain {
	uint8_t *ram;
	struct vmt_regs regs;
	struct vmt_cpu cpu;
	struct vmt_emulator *em;
	struct vmt_step_result r;
	uint64_t generation, steps;
	bool off;
};

static int op_access(void *ctx, const struct vmt_cpu_access *a, vmt_gfn *page)
{
	(void)ctx;
	*page = vmt_gfn_of(a->gpa);
	return a->gpa.a < RAM ? VMT_PAGE_OK : VMT_PAGE_HOLE;
}

static const uint8_t *op_page(void *ctx, vmt_gfn page)
{
	struct domain *d = ctx;

	return d->ram + page.n * VMT_PAGE_SIZE;
}

static void op_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	struct domain *d = ctx;

	memcpy(d->ram + page.n * VMT_PAGE_SIZE + offset, buf, len);
}

static int op_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
	(void)ctx;
	(void)subleaf;
	memset(result, 0, 4 * sizeof(result[0]));
	if (leaf == 0x40000000) {
		result[0] = 0x40000002;
		result[1] = 0x566e6558;
		result[2] = 0x65584d4d;
		result[3] = 0x4d4d566e;
	}
	if (leaf == 0x40000002)
		result[1] = 0x40000000;
	if (leaf == 1) /* XSAVE, and AVX */
		result[2] = 1u << 26 | 1u << 28;
	return 0;
}

static int op_write_msr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	(void)value;
	return msr == 0x40000000 ? 0 : 2;
}

static int op_io(void *ctx, uint16_t port, uint8_t bytes, bool in, uint32_t *value)
{
	(void)ctx;
	(void)port;
	(void)bytes;
	if (in)
		*value = UINT32_MAX;
	return 0;
}

static const struct vmt_cpu_ops ops = {
	.access = op_access,
	.page = op_page,
	.write = op_write,
	.cpuid = op_cpuid,
	.write_msr = op_write_msr,
	.io = op_io,
};

static void load_elf(struct domain *d)
{
	FILE *f = fopen(elf_path, "rb");
	Elf64_Ehdr head;

	assert_non_null(f);
	assert_int_equal(fread(&head, sizeof(head), 1, f), 1);
	for (unsigned i = 0; i < head.e_phnum; i++) {
		Elf64_Phdr p;

		assert_int_equal(fseek(f, (long)(head.e_phoff + i * sizeof(p)), SEEK_SET), 0);
		assert_int_equal(fread(&p, sizeof(p), 1, f), 1);
		if (p.p_type != PT_LOAD)
			continue;
		assert_true(p.p_paddr + p.p_memsz <= RAM);
		assert_int_equal(fseek(f, (long)p.p_offset, SEEK_SET), 0);
		assert_int_equal(fread(d->ram + p.p_paddr, p.p_filesz, 1, f), 1);
	}
	(void)fclose(f);
	d->regs.gprs.rip = head.e_entry;
}

/* PVH's start: 32-bit protected mode, flat, paging off (Xen, docs/misc/pvh.pandoc). */
static void boot(struct domain *d, const char *line)
{
	struct vmt_regs *r = &d->regs;

	r->known = VMT_KNOWN_ALL;
	vmt_cpu_init(&d->cpu, r, d);
	load_elf(d);
	r->gprs.rflags = 2;
	r->gprs.rbx = START_INFO;
	r->cr0 = 0x11;
	r->cs = (struct vmt_segment){0, UINT32_MAX, 0, 0xc9b};
	r->ds = r->es = r->fs = r->gs = r->ss = (struct vmt_segment){0, UINT32_MAX, 0, 0xc93};
	r->tr = (struct vmt_segment){0, 0x67, 0, 0x8b};
	r->xcr0 = 1;
	r->dr6 = 0xffff0ff0;
	r->dr7 = 0x400;
	memcpy(d->ram + START_INFO, &(const uint32_t){0x336ec578}, 4);
	memcpy(d->ram + START_INFO + 24, &(const uint64_t){LINE}, 8);
	memcpy(d->ram + LINE, line, strlen(line) + 1);
}

static void hypercall(struct domain *d)
{
	struct vmt_gprs *g = &d->regs.gprs;

	if (g->rax == 29 && g->rdi == 2)
		d->off = true;
	g->rax = 0;
	g->rip += d->r.insn_length;
}

static void must(struct domain *d, bool good)
{
	char text[160];

	if (!good)
		fail_msg("step %lu at 0x%lx: %s", (unsigned long)d->steps,
			 (unsigned long)d->regs.gprs.rip,
			 vmt_step_format(&d->r, text, sizeof(text)));
}

static void deliver(struct domain *d, struct vmt_interrupt i)
{
	must(d, vmt_emulator_deliver(d->em, &d->cpu, NULL, &i, &d->r) == VMT_STEP_DONE);
	vmt_emulator_commit(d->em, &d->cpu, &d->r);
}

static void one(struct domain *d)
{
	static const struct vmt_step how = {.intercepts = VMT_INTERCEPT_VMCALL};
	int o = vmt_emulator_step(d->em, &d->cpu, &how, &d->r);

	d->steps++;
	if (o == VMT_STEP_DONE) {
		vmt_emulator_commit(d->em, &d->cpu, &d->r);
		if (d->r.pending_debug)
			deliver(d, (struct vmt_interrupt){1, VMT_INT_HW_EXCEPTION, 0, 0,
							  VMT_NO_ERROR_CODE, d->r.pending_debug});
	} else if (o == VMT_STEP_EVENT) {
		hypercall(d);
	} else {
		must(d, o == VMT_STEP_FAULT || o == VMT_STEP_TRAP);
		deliver(d, d->r.interrupt);
	}
}

static void all_scenes_find_what_they_want(void **state)
{
	const struct vmt_emulator_config config = {.ops = &ops};
	struct domain *d = calloc(1, sizeof(*d));
	struct demo_status status;

	(void)state;
	assert_non_null(d);
	d->ram = calloc(RAM, 1);
	assert_non_null(d->ram);
	assert_int_equal(vmt_emulator_create(&config, &d->em, NULL), 0);
	boot(d, "rounds=5 pace=3");
	while (!d->off && d->steps < STEPS_MAX)
		one(d);
	memcpy(&status, d->ram + DEMO_GFN_STATUS * VMT_PAGE_SIZE, sizeof(status));
	assert_true(d->off);
	assert_int_equal(status.magic, DEMO_MAGIC);
	if (status.vcpu[0].errors)
		fail_msg("scene %lu saw 0x%lx, wanted 0x%lx",
			 (unsigned long)status.vcpu[0].first_error_scene - 1,
			 (unsigned long)status.vcpu[0].first_error_seen,
			 (unsigned long)status.vcpu[0].first_error_wanted);
	for (unsigned i = 0; i < DEMO_SMP; i++)
		assert_int_equal(status.vcpu[0].count[i], 5);
	vmt_emulator_destroy(d->em);
	free(d->ram);
	free(d);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_scenes_find_what_they_want),
	};

	if (argc < 2)
		return 2;
	elf_path = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
