/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emulated domain's memory: RAM from address 0 on, and single pages behind it or taken out of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "domain.h"

int vmt_emulated_ram_init(struct vmt_emulated *e, struct vmt_error *err)
{
	void *ram;

	vmt_gfn_map_init(&e->pages, sizeof(uint8_t *));
	vmt_gfn_map_init(&e->no_pages, 0);
	/* The host gives a page when it is touched. */
	ram = mmap(NULL, e->config.memory, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram == MAP_FAILED)
		return vmt_error_set_errno(err, VMT_E_NO_MEMORY, errno, "emulated domain",
					   "there is no room for %" PRIu64 " bytes of guest memory",
					   e->config.memory);
	e->ram = ram;
	e->ram_gfns = e->config.memory / VMT_PAGE_SIZE;
	return 0;
}

void vmt_emulated_ram_finish(struct vmt_emulated *e)
{
	uint8_t **page;

	if (e->ram)
		munmap(e->ram, e->config.memory);
	for (uint64_t gfn = 0; (page = vmt_gfn_map_next(&e->pages, &gfn)) != NULL; gfn++)
		free(*page);
	vmt_gfn_map_finish(&e->pages);
	vmt_gfn_map_finish(&e->no_pages);
}

uint8_t *vmt_emulated_page(const struct vmt_emulated *e, uint64_t gfn)
{
	uint8_t **page;

	if (gfn < e->ram_gfns) {
		if (e->no_pages.count > 0 && vmt_gfn_map_get(&e->no_pages, gfn))
			return NULL;
		return e->ram + gfn * VMT_PAGE_SIZE;
	}
	page = vmt_gfn_map_get(&e->pages, gfn);
	return page ? *page : NULL;
}

/* -------------------------------------------------------------------------------------------- */
/* The page source of the model                                                                 */
/* -------------------------------------------------------------------------------------------- */

static bool page_exists(void *ctx, vmt_gfn gfn)
{
	return vmt_emulated_page(ctx, gfn.n) != NULL;
}

static int unmapped(struct vmt_error *err, uint64_t gfn)
{
	return vmt_error_set(err, VMT_E_UNMAPPED, "emulated domain",
			     "there is no page at gfn 0x%" PRIx64, gfn);
}

static int page_read(void *ctx, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		     struct vmt_error *err)
{
	const uint8_t *page = vmt_emulated_page(ctx, gfn.n);

	if (!page)
		return unmapped(err, gfn.n);
	memcpy(buf, page + offset, len);
	return 0;
}

static int page_write(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len,
		      struct vmt_error *err)
{
	uint8_t *page = vmt_emulated_page(ctx, gfn.n);

	if (!page)
		return unmapped(err, gfn.n);
	memcpy(page + offset, buf, len);
	return 0;
}

static int page_add(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct vmt_emulated *e = ctx;
	uint8_t **slot, *page;

	vmt_emulated_changed(e);
	if (gfn.n < e->ram_gfns) {
		vmt_gfn_map_remove(&e->no_pages, gfn.n);
		memset(e->ram + gfn.n * VMT_PAGE_SIZE, 0, VMT_PAGE_SIZE);
		return 0;
	}
	page = calloc(1, VMT_PAGE_SIZE);
	slot = page ? vmt_gfn_map_put(&e->pages, gfn.n) : NULL;
	if (!slot) {
		free(page);
		return vmt_error_set(err, VMT_E_NO_MEMORY, "emulated domain",
				     "no memory for a page");
	}
	*slot = page;
	return 0;
}

static int page_remove(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct vmt_emulated *e = ctx;
	uint8_t *page = vmt_emulated_page(e, gfn.n);

	if (!page)
		return unmapped(err, gfn.n);
	vmt_emulated_changed(e);
	if (gfn.n >= e->ram_gfns) {
		free(page);
		vmt_gfn_map_remove(&e->pages, gfn.n);
		return 0;
	}
	if (!vmt_gfn_map_put(&e->no_pages, gfn.n))
		return vmt_error_set(err, VMT_E_NO_MEMORY, "emulated domain",
				     "no memory to note that a page is gone");
	return 0;
}

static int read_msr(void *ctx, uint16_t vcpu, uint32_t msr, uint64_t *value)
{
	struct vmt_emulated *e = ctx;

	return vmt_emulated_read_msr(&e->vcpus[vcpu], msr, value);
}

static int write_msr(void *ctx, uint16_t vcpu, uint32_t msr, uint64_t value)
{
	struct vmt_emulated *e = ctx;

	return vmt_emulated_write_msr(&e->vcpus[vcpu], msr, value);
}

static int check_cr(void *ctx, uint16_t vcpu, uint32_t cr, uint64_t value)
{
	struct vmt_emulated *e = ctx;

	return vmt_cpu_check_cr(&e->vcpus[vcpu].cpu, cr, value);
}

const struct vmt_guest_ops vmt_emulated_guest_ops = {
	.exists = page_exists,
	.read = page_read,
	.write = page_write,
	.add = page_add,
	.remove = page_remove,
	.read_msr = read_msr,
	.write_msr = write_msr,
	.check_cr = check_cr,
	.emulate = vmt_emulated_emulate,
};
