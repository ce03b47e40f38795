/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Guest memory, through mappings of its pages, of which the last used are kept.
 *
 * A mapping holds the page that stood behind the gfn when it was made. The driver drops it when it
 * changes what stands there; what the guest itself gives back (ballooning) it cannot see, so no
 * mapping gets older than a second.
 */
#include <string.h>
#include <sys/mman.h>

#include "driver.h"

#define MAX_AGE_NS UINT64_C(1000000000)

/* -------------------------------------------------------------------------------------------- */
/* Mappings                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static void drop(struct vmt_xen *x, struct vmt_xen_mapping *m)
{
	if (m->page)
		xenforeignmemory_unmap(x->memory, m->page, 1);
	m->page = NULL;
}

void vmt_xen_unmap(struct vmt_xen *x, uint64_t gfn)
{
	for (unsigned i = 0; i < VMT_XEN_MAPPINGS; i++) {
		if (x->mappings[i].page && x->mappings[i].gfn == gfn)
			drop(x, &x->mappings[i]);
	}
}

void vmt_xen_unmap_all(struct vmt_xen *x)
{
	for (unsigned i = 0; i < VMT_XEN_MAPPINGS; i++)
		drop(x, &x->mappings[i]);
}

void vmt_xen_unmap_old(struct vmt_xen *x, uint64_t now)
{
	if (now - x->mappings_since < MAX_AGE_NS)
		return;
	vmt_xen_unmap_all(x);
	x->mappings_since = now;
}

static struct vmt_xen_mapping *find(struct vmt_xen *x, uint64_t gfn)
{
	for (unsigned i = 0; i < VMT_XEN_MAPPINGS; i++) {
		if (x->mappings[i].page && x->mappings[i].gfn == gfn)
			return &x->mappings[i];
	}
	return NULL;
}

static struct vmt_xen_mapping *oldest(struct vmt_xen *x)
{
	struct vmt_xen_mapping *m = &x->mappings[0];

	for (unsigned i = 0; i < VMT_XEN_MAPPINGS; i++) {
		if (!x->mappings[i].page)
			return &x->mappings[i];
		if (x->mappings[i].used < m->used)
			m = &x->mappings[i];
	}
	return m;
}

static void *map(struct vmt_xen *x, uint64_t gfn)
{
	xen_pfn_t frame = gfn;
	int error = 0;
	void *page = xenforeignmemory_map(x->memory, x->domid, PROT_READ | PROT_WRITE, 1, &frame,
					  &error);

	if (page && error) {
		xenforeignmemory_unmap(x->memory, page, 1);
		errno = -error;
		return NULL;
	}
	return page;
}

int vmt_xen_map(struct vmt_xen *x, uint64_t gfn, void **page)
{
	struct vmt_xen_mapping *m = find(x, gfn);

	if (!m) {
		m = oldest(x);
		drop(x, m);
		m->page = map(x, gfn);
		m->gfn = gfn;
	}
	if (!m->page && (errno == EINVAL || errno == ENOENT) && !vmt_xen_gone(x))
		return vmt_xen_refuse(x, VMT_E_UNMAPPED, "no memory stands behind gfn %#llx",
				      (unsigned long long)gfn);
	if (!m->page)
		return vmt_xen_failed(x, "gfn %#llx cannot be mapped", (unsigned long long)gfn);
	m->used = ++x->mapping_uses;
	*page = m->page;
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* Bytes                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* The guest may run meanwhile: a whole aligned word (a page-table entry) is copied at once. */
static void copy(void *to, const void *from, uint32_t len)
{
	if (len == 8 && ((uintptr_t)to | (uintptr_t)from) % 8 == 0)
		__atomic_store_n((uint64_t *)to, __atomic_load_n((const uint64_t *)from, 0), 0);
	else
		memcpy(to, from, len);
}

int vmt_xen_read(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len)
{
	struct vmt_xen *x = vmt_xen_of(d);
	void *page = NULL;
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_map(x, gfn.n, &page);
	if (r == 0 && page)
		copy(buf, (const uint8_t *)page + offset, len);
	return r;
}

int vmt_xen_write(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len)
{
	struct vmt_xen *x = vmt_xen_of(d);
	void *page = NULL;
	int r = vmt_xen_need_ring(x);

	if (r == 0)
		r = vmt_xen_map(x, gfn.n, &page);
	if (r == 0 && !vmt_gfn_map_get(&x->own_pages, gfn.n))
		r = vmt_xen_write_begin(x, gfn.n, offset, page, buf, len);
	if (r < 0 || !page)
		return r;
	copy((uint8_t *)page + offset, buf, len);
	if (!vmt_gfn_map_get(&x->own_pages, gfn.n))
		vmt_xen_write_end(x);
	return 0;
}
