/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The machine as PVH starts it: the kernel in memory, struct hvm_start_info behind it, and vCPU 0 in
 * 32-bit mode at the kernel's entry.
 *
 * Sources: Xen docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h,
 * tools/libs/guest/xg_dom_x86.c (vcpu_hvm).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain.h"
#include "kernel.h"

#define KERNEL_MAX       (UINT64_C(1) << 30)
#define COMMAND_LINE_MAX 2048u

#define START_INFO_MAGIC UINT32_C(0x336ec578)
#define MEMMAP_RAM       1u

struct memmap_entry {
	uint64_t address, size;
	uint32_t type, reserved;
};

/** As PVH gives it, version 1. The command line follows, then the memory map; all in one page. */
struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr, cmdline_paddr, rsdp_paddr, memmap_paddr;
	uint32_t memmap_entries, reserved;
};

_Static_assert(sizeof(struct start_info) + COMMAND_LINE_MAX + sizeof(struct memmap_entry) <=
		       VMT_PAGE_SIZE,
	       "the start info is one page");

/* -------------------------------------------------------------------------------------------- */
/* The file                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static int read_all(int fd, uint8_t *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		ssize_t n = read(fd, bytes + at, len - at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? errno : EIO;
		at += (size_t)n;
	}
	return 0;
}

static int read_open_file(int fd, const char *path, uint8_t **bytes, size_t *len,
			  struct vmt_error *err)
{
	struct stat st;
	int error;

	if (fstat(fd, &st) != 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, path, "cannot look at the kernel");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > KERNEL_MAX)
		return vmt_error_set(err, VMT_E_DAMAGED, path,
				     "it is no regular file of at most 1 GiB");
	*len = (size_t)st.st_size;
	*bytes = malloc(*len ? *len : 1);
	if (!*bytes)
		return vmt_error_set(err, VMT_E_NO_MEMORY, path, "no memory to read the kernel");
	error = read_all(fd, *bytes, *len);
	if (error == 0)
		return 0;
	free(*bytes);
	*bytes = NULL;
	return vmt_error_set_errno(err, VMT_E_IO, error, path, "cannot read the kernel");
}

static int read_file(const char *path, uint8_t **bytes, size_t *len, struct vmt_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return vmt_error_set_errno(err, VMT_E_IO, errno, path, "cannot open the kernel");
	r = read_open_file(fd, path, bytes, len, err);
	close(fd);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* Memory                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static int put_start_info(struct vmt_emulated *e, uint64_t at, struct vmt_error *err)
{
	const struct memmap_entry ram = {.size = e->config.memory, .type = MEMMAP_RAM};
	const char *line = e->config.command_line ? e->config.command_line : "";
	size_t len = strlen(line) + 1;
	struct start_info info = {
		.magic = START_INFO_MAGIC,
		.version = 1,
		.cmdline_paddr = at + sizeof(info),
		.memmap_paddr = (at + sizeof(info) + len + 7) & ~UINT64_C(7),
		.memmap_entries = 1,
	};

	if (len > COMMAND_LINE_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, "kernel",
				     "its command line is longer than %u bytes",
				     COMMAND_LINE_MAX - 1);
	if (at + VMT_PAGE_SIZE > e->config.memory)
		return vmt_error_set(err, VMT_E_INVALID, "kernel",
				     "it leaves no room behind it: give the guest more than "
				     "%" PRIu64 " bytes of memory",
				     e->config.memory);
	memcpy(e->ram + at, &info, sizeof(info));
	memcpy(e->ram + info.cmdline_paddr, line, len);
	memcpy(e->ram + info.memmap_paddr, &ram, sizeof(ram));
	return 0;
}

static int load(struct vmt_emulated *e, struct vmt_kernel_image *image, struct vmt_error *err)
{
	uint8_t *file = NULL;
	size_t len = 0;
	int r = read_file(e->config.guest, &file, &len, err);

	if (r < 0)
		return r;
	r = vmt_kernel_load(file, len, e->ram, e->config.memory, image, err);
	free(file);
	if (r < 0 && err)
		vmt_error_prefix(err, "%s", e->config.guest);
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* vCPUs                                                                                        */
/* -------------------------------------------------------------------------------------------- */

void vmt_emulated_vcpu_reset(struct vmt_emulated_vcpu *v)
{
	static const struct vmt_segment code = {0, UINT32_MAX, 0, 0xc9b};
	static const struct vmt_segment data = {0, UINT32_MAX, 0, 0xc93};
	struct vmt_regs *regs = vmt_emulated_regs(v);

	memset(regs, 0, sizeof(*regs));
	regs->known = VMT_KNOWN_ALL;
	regs->gprs.rflags = 2;
	regs->cr0 = 0x11; /* PE, ET */
	regs->xcr0 = 1;
	regs->dr6 = UINT64_C(0xffff0ff0);
	regs->dr7 = 0x400;
	regs->cs = code;
	regs->ds = data;
	regs->es = data;
	regs->ss = data;
	regs->tr = (struct vmt_segment){0, 0x67, 0, 0x8b};
	vmt_cpu_init(&v->cpu, regs, v);
}

int vmt_emulated_boot(struct vmt_emulated *e, struct vmt_error *err)
{
	struct vmt_kernel_image image;
	struct vmt_regs *regs;
	uint64_t info;
	int r = load(e, &image, err);

	if (r < 0)
		return r;
	info = (image.end + VMT_PAGE_MASK) & ~(uint64_t)VMT_PAGE_MASK;
	r = put_start_info(e, info, err);
	if (r < 0)
		return r;
	for (uint16_t i = 0; i < e->config.vcpus; i++)
		vmt_emulated_vcpu_reset(&e->vcpus[i]);
	regs = vmt_emulated_regs(&e->vcpus[0]);
	regs->gprs.rip = image.entry;
	regs->gprs.rbx = info;
	e->vcpus[0].up = true;
	return 0;
}
