/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A real program under ptrace: registers by PTRACE_GETREGS and the XSAVE area, memory by
 * /proc/PID/mem.
 */
#include <elf.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "traced.h"

/*
 * A made-up table's gfn: bit 39, the level, and the address bits above what it maps. User addresses
 * end below 1 << 47, so no page of the program has bit 39.
 */
#define TABLE                    (UINT64_C(1) << 39)
#define TABLE_GFN(level, prefix) (TABLE | (uint64_t)(level) << 36 | (prefix))

static struct traced_table *table_make(struct traced *t, uint64_t gfn)
{
	unsigned level = gfn >> 36 & 7;
	uint64_t prefix = gfn & ((UINT64_C(1) << 36) - 1);
	struct traced_table *made = malloc(sizeof(*made));

	if (!made)
		return NULL;
	if (t->ntables == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct traced_table **more = realloc(t->tables, cap * sizeof(void *));

		if (!more) {
			free(made);
			return NULL;
		}
		t->tables = more;
		t->cap = cap;
	}
	made->gfn = gfn;
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t below = prefix << 9 | i;

		made->entries[i] = (level == 1 ? below : TABLE_GFN(level - 1, below)) << 12 | 0x67;
	}
	t->tables[t->ntables++] = made;
	return made;
}

static const uint8_t *table_find(struct traced *t, uint64_t gfn)
{
	struct traced_table *found = NULL;

	for (size_t i = 0; i < t->ntables && !found; i++)
		if (t->tables[i]->gfn == gfn)
			found = t->tables[i];
	if (!found)
		found = table_make(t, gfn);
	return found ? (const uint8_t *)found->entries : NULL;
}

static int op_access(void *ctx, const struct vmt_cpu_access *a, vmt_gfn *page)
{
	(void)ctx;
	*page = vmt_gfn_of(a->gpa);
	return VMT_PAGE_OK;
}

static const uint8_t *op_page(void *ctx, vmt_gfn gfn)
{
	struct traced *t = ctx;
	struct traced_page *p;

	if (gfn.n & TABLE)
		return table_find(t, gfn.n);
	for (unsigned i = 0; i < t->npages; i++)
		if (t->pages[i].gfn.n == gfn.n)
			return t->pages[i].there ? t->pages[i].bytes : NULL;
	if (t->npages == TRACED_PAGES)
		return NULL;
	p = &t->pages[t->npages++];
	p->gfn = gfn;
	p->there = traced_read(t, vmt_gpa_of(gfn).a, p->bytes, VMT_PAGE_SIZE) == VMT_PAGE_SIZE;
	return p->there ? p->bytes : NULL;
}

/* Nothing is committed: the program itself does the step. */
static void op_write(void *ctx, vmt_gfn page, uint32_t offset, const void *buf, uint32_t len)
{
	(void)ctx;
	(void)page;
	(void)offset;
	(void)buf;
	(void)len;
}

const struct vmt_cpu_ops traced_ops = {
	.access = op_access,
	.page = op_page,
	.write = op_write,
};

static _Noreturn void child(char *const argv[])
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null >= 0) {
		(void)dup2(null, 0);
		(void)dup2(null, 1);
		(void)dup2(null, 2);
	}
	(void)personality(ADDR_NO_RANDOMIZE);
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
		(void)execvp(argv[0] + (argv[0][0] == '@'), argv);
	_exit(127);
}

int traced_start(struct traced *t, char *const argv[])
{
	char path[64];
	int status;
	uint32_t low, high;

	memset(t, 0, sizeof(*t));
	t->memory = -1;
	t->pid = fork();
	if (t->pid == 0)
		child(argv);
	if (t->pid < 0 || waitpid(t->pid, &status, 0) < 0 || !WIFSTOPPED(status))
		return -1;
	(void)ptrace(PTRACE_SETOPTIONS, t->pid, NULL, PTRACE_O_EXITKILL);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)t->pid);
	t->memory = open(path, O_RDONLY | O_CLOEXEC);
	if (argv[0][0] == '@' &&
	    (ptrace(PTRACE_CONT, t->pid, NULL, NULL) || waitpid(t->pid, &status, 0) < 0 ||
	     !WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP))
		return -1;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	t->xcr0 = (uint64_t)high << 32 | low;
	return t->memory < 0 ? -1 : 0;
}

void traced_finish(struct traced *t)
{
	if (t->pid > 0) {
		(void)kill(t->pid, SIGKILL);
		(void)waitpid(t->pid, NULL, 0);
	}
	if (t->memory >= 0)
		(void)close(t->memory);
	for (size_t i = 0; i < t->ntables; i++)
		free(t->tables[i]);
	free(t->tables);
}

ssize_t traced_read(struct traced *t, uint64_t address, void *buf, size_t len)
{
	return pread(t->memory, buf, len, (off_t)address);
}

static void load_general(struct traced *t, const struct user_regs_struct *u)
{
	struct vmt_gprs *g = &t->regs.gprs;

	*g = (struct vmt_gprs){
		u->rax, u->rcx, u->rdx, u->rbx, u->rsp, u->rbp, u->rsi, u->rdi, u->r8,
		u->r9,  u->r10, u->r11, u->r12, u->r13, u->r14, u->r15, u->rip, u->eflags,
	};
	/* Single-stepping is ptrace's, not the program's. */
	g->rflags &= ~VMT_RFLAGS_TF;
	t->regs.fs.base = u->fs_base;
	t->regs.gs.base = u->gs_base;
	t->regs.cs.selector = (uint16_t)u->cs;
	t->regs.ss.selector = (uint16_t)u->ss;
	t->regs.ds.selector = (uint16_t)u->ds;
	t->regs.es.selector = (uint16_t)u->es;
	t->regs.fs.selector = (uint16_t)u->fs;
	t->regs.gs.selector = (uint16_t)u->gs;
}

static void load_vectors(struct traced *t, size_t len)
{
	uint64_t bv = 0;

	vmt_cpu_set_fxsave(&t->cpu, t->xstate);
	memcpy(&bv, t->xstate + 512, sizeof(bv));
	for (unsigned i = 0; i < 16; i++) {
		if ((bv & 4) && len >= 832)
			memcpy(t->cpu.fpu.ymm[i].b + 16, t->xstate + 576 + (size_t)16 * i, 16);
		else
			memset(t->cpu.fpu.ymm[i].b + 16, 0, 16);
	}
}

int traced_load(struct traced *t)
{
	struct user_regs_struct u;
	struct iovec iov = {t->xstate, sizeof(t->xstate)};

	if (ptrace(PTRACE_GETREGS, t->pid, NULL, &u) ||
	    ptrace(PTRACE_GETREGSET, t->pid, (void *)NT_X86_XSTATE, &iov))
		return -1;
	vmt_cpu_init(&t->cpu, &t->regs, t);
	memset(&t->regs, 0, sizeof(t->regs));
	t->regs.known = VMT_KNOWN_ALL;
	load_general(t, &u);
	t->regs.cs.access = 0xafb;
	t->regs.ss.access = 0xcf3;
	t->regs.cr0 = 0x80050033;
	t->regs.cr3 = TABLE_GFN(4, 0) << 12;
	t->regs.cr4 = 0x370678; /* with OSXSAVE and FSGSBASE */
	t->regs.efer = 0xd01;
	t->regs.xcr0 = t->xcr0;
	t->cpu.known &= ~(uint32_t)VMT_CPU_KNOWS_TSC;
	load_vectors(t, iov.iov_len);
	t->npages = 0;
	return 0;
}

int traced_step(struct traced *t)
{
	int status;

	if (ptrace(PTRACE_SINGLESTEP, t->pid, NULL, NULL) || waitpid(t->pid, &status, 0) < 0)
		return 1;
	while (WIFSTOPPED(status) && WSTOPSIG(status) != SIGTRAP) {
		long sig = WSTOPSIG(status);

		if (ptrace(PTRACE_SINGLESTEP, t->pid, NULL, sig) || waitpid(t->pid, &status, 0) < 0)
			return 1;
	}
	if (!WIFSTOPPED(status)) {
		t->pid = 0;
		return 1;
	}
	return 0;
}
