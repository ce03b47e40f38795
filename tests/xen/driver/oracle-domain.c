/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The oracle's model: made after the domain, its memory is the domain's, and it is a driver itself.
 *
 * Bytes are read from the domain and never written: the same call goes to Xen right after.
 */
#include <cpuid.h>
#include <string.h>

#include "oracle-private.h"

/* -------------------------------------------------------------------------------------------- */
/* Memory                                                                                       */
/* -------------------------------------------------------------------------------------------- */

enum { THERE = 1, NOT_THERE = 2 };

static int note_page(struct oracle *o, vmt_gfn gfn, uint8_t what)
{
	uint8_t *page = vmt_gfn_map_put(&o->pages, gfn.n);

	if (!page)
		return -VMT_E_NO_MEMORY;
	*page = what;
	return 0;
}

static uint8_t probe(struct oracle *o, uint64_t gfn)
{
	uint8_t byte;

	return vmt_driver_read(o->inner, vmt_gfn_from(gfn), 0, &byte, 1) == 0 ? THERE : NOT_THERE;
}

/*
 * Is there anything in the 2 MiB around @gfn? A range of rights may go far beyond the guest's memory;
 * each probe takes a mapping. Below 4 GiB stand single pages: the ring's and its like.
 */
static bool region_exists(struct oracle *o, uint64_t gfn)
{
	uint64_t base = gfn & ~UINT64_C(511);
	uint8_t *region = vmt_gfn_map_get(&o->regions, base);

	if (base >= 0xfe000 && base < 0x100000)
		return true;
	if (!region) {
		region = vmt_gfn_map_put(&o->regions, base);
		if (!region)
			return true;
		*region = probe(o, base) == THERE || probe(o, base + 511) == THERE ? THERE
										   : NOT_THERE;
	}
	return *region == THERE;
}

/* The guest gives no pages back, so once is enough. */
static bool page_exists(void *ctx, vmt_gfn gfn)
{
	struct oracle *o = ctx;
	uint8_t *page = vmt_gfn_map_get(&o->pages, gfn.n);
	uint8_t what;

	if (page)
		return *page == THERE;
	if (!region_exists(o, gfn.n))
		return false;
	what = probe(o, gfn.n);
	note_page(o, gfn, what);
	return what == THERE;
}

static int page_read(void *ctx, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		     struct vmt_error *err)
{
	struct oracle *o = ctx;
	int r = vmt_driver_read(o->inner, gfn, offset, buf, len);

	if (r < 0 && err)
		*err = o->inner->err;
	return r;
}

static int page_write(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len,
		      struct vmt_error *err)
{
	struct oracle *o = ctx;
	struct oracle_bytes *b = &o->put_back[o->nput_back];

	(void)err;
	if (!o->resetting || o->nput_back == sizeof(o->put_back) / sizeof(o->put_back[0]))
		return 0;
	b->gfn = gfn;
	b->offset = offset;
	b->len = len < sizeof(b->bytes) ? len : (uint32_t)sizeof(b->bytes);
	memcpy(b->bytes, buf, b->len);
	o->nput_back++;
	return 0;
}

static int page_add(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	(void)err;
	return note_page(ctx, gfn, THERE);
}

static int page_remove(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	(void)err;
	return note_page(ctx, gfn, NOT_THERE);
}

/* What MOV to CR0, CR3 and CR4 refuse of all that the trials try. */
static int check_cr(void *ctx, uint16_t vcpu, uint32_t cr, uint64_t value)
{
	(void)ctx;
	(void)vcpu;
	return cr == VMT_CR0 && (((value & VMT_CR0_PG) && !(value & 1)) || value >> 32);
}

/* Registers come with the next event; only that Xen cannot do it is news. */
static int emulate(void *ctx, uint16_t vcpu, const struct vmt_emulation *emulation,
		   struct vmt_error *err)
{
	struct oracle *o = ctx;

	(void)emulation;
	if (o->unemulated)
		vmt_model_unemulated(o->model, vcpu, err);
	o->unemulated = false;
	return 0;
}

static const struct vmt_guest_ops guest = {
	.exists = page_exists,
	.read = page_read,
	.write = page_write,
	.add = page_add,
	.remove = page_remove,
	.check_cr = check_cr,
	.emulate = emulate,
};

/* -------------------------------------------------------------------------------------------- */
/* The model as a driver                                                                        */
/* -------------------------------------------------------------------------------------------- */

static struct oracle *of(struct vmt_driver *d)
{
	return (struct oracle *)(void *)((char *)d - offsetof(struct oracle, domain));
}

static struct vmt_model *model_of(struct vmt_driver *d)
{
	return of(d)->model;
}

static int info(struct vmt_driver *d, struct vmt_info *info)
{
	return vmt_model_info(model_of(d), info);
}

static int monitor(struct vmt_driver *d, const struct vmt_monitor *m, bool on)
{
	return vmt_model_monitor(model_of(d), m, on, &d->err);
}

static int read_page(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len)
{
	return vmt_model_read(model_of(d), gfn, offset, buf, len, &d->err);
}

static int write_page(struct vmt_driver *d, vmt_gfn gfn, uint32_t offset, const void *buf,
		      uint32_t len)
{
	return vmt_model_write(model_of(d), gfn, offset, buf, len, &d->err);
}

static int alloc_gfn(struct vmt_driver *d, vmt_gfn *gfn)
{
	return vmt_model_alloc_gfn(model_of(d), gfn, &d->err);
}

static int free_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	return vmt_model_free_gfn(model_of(d), gfn, &d->err);
}

static int get_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, struct vmt_access *access)
{
	return vmt_model_get_access(model_of(d), view, gfn, access, &d->err);
}

static int set_access(struct vmt_driver *d, vmt_view view, vmt_gfn gfn, uint64_t count,
		      struct vmt_access access, uint64_t *done)
{
	return vmt_model_set_access(model_of(d), view, gfn, count, access, done, &d->err);
}

static int create_view(struct vmt_driver *d, struct vmt_access access, vmt_view *view)
{
	return vmt_model_create_view(model_of(d), access, view, &d->err);
}

static int destroy_view(struct vmt_driver *d, vmt_view view)
{
	return vmt_model_destroy_view(model_of(d), view, &d->err);
}

static int switch_view(struct vmt_driver *d, vmt_view view)
{
	return vmt_model_switch_view(model_of(d), view, &d->err);
}

static int remap_gfn(struct vmt_driver *d, vmt_view view, vmt_gfn from, vmt_gfn to)
{
	return vmt_model_remap_gfn(model_of(d), view, from, to, &d->err);
}

static int get_regs(struct vmt_driver *d, uint16_t vcpu, struct vmt_regs *regs)
{
	return vmt_model_get_regs(model_of(d), vcpu, regs, &d->err);
}

static int set_regs(struct vmt_driver *d, uint16_t vcpu, const struct vmt_regs *regs)
{
	return vmt_model_set_regs(model_of(d), vcpu, regs, &d->err);
}

static int inject(struct vmt_driver *d, uint16_t vcpu, const struct vmt_interrupt *interrupt)
{
	return vmt_model_inject(model_of(d), vcpu, interrupt, &d->err);
}

static int pause_domain(struct vmt_driver *d)
{
	return vmt_model_pause(model_of(d), &d->err);
}

static int resume(struct vmt_driver *d)
{
	return vmt_model_resume(model_of(d), &d->err);
}

static int commit(struct vmt_driver *d)
{
	return vmt_model_commit(model_of(d), &d->err);
}

static int reset(struct vmt_driver *d)
{
	struct oracle *o = of(d);
	int r;

	o->resetting = true;
	o->nput_back = 0;
	r = vmt_model_reset(o->model, &d->err);
	o->resetting = false;
	return r;
}

static int settle(struct vmt_driver *d, int timeout_ms)
{
	(void)timeout_ms;
	return vmt_model_settle(model_of(d), NULL, NULL, &d->err);
}

static int detach(struct vmt_driver *d)
{
	return vmt_model_detach(model_of(d), &d->err);
}

static const struct vmt_driver_ops model_ops = {
	.size = sizeof(struct vmt_driver_ops),
	.name = "model",
	.info = info,
	.commit = commit,
	.monitor = monitor,
	.read = read_page,
	.write = write_page,
	.alloc_gfn = alloc_gfn,
	.free_gfn = free_gfn,
	.get_access = get_access,
	.set_access = set_access,
	.create_view = create_view,
	.destroy_view = destroy_view,
	.switch_view = switch_view,
	.remap_gfn = remap_gfn,
	.get_regs = get_regs,
	.set_regs = set_regs,
	.inject = inject,
	.pause = pause_domain,
	.resume = resume,
	.reset = reset,
	.settle = settle,
	.detach = detach,
};

static uint32_t vendor(void)
{
	unsigned a, b, c, d;

	/* "AuthenticAMD", "HygonGenuine" */
	if (!__get_cpuid(0, &a, &b, &c, &d))
		return VMT_CPU_VMX;
	return b == 0x68747541 || b == 0x6f677948 ? VMT_CPU_SVM : VMT_CPU_VMX;
}

int oracle_model_create(struct oracle *o, struct vmt_error *err)
{
	struct vmt_model_config config = {
		.xen = vmt_xen_version_find(o->info.xen_major, o->info.xen_minor),
		.vendor = vendor(),
		.vcpus = o->info.vcpus,
		.views = o->info.capabilities & VMT_CAP_VIEWS ? o->info.views : 0,
		.max_gfn = o->info.max_gfn,
		.guest = &guest,
		.guest_ctx = o,
	};

	if (!config.xen)
		return vmt_error_set(err, VMT_E_NOT_SUPPORTED, "oracle",
				     "the model has no row for Xen %u.%u", o->info.xen_major,
				     o->info.xen_minor);
	if (!(o->info.capabilities & VMT_CAP_VIEWS))
		config.flags |= VMT_MODEL_NO_VIEWS;
	/* of the CPU; Xen does not tell */
	if (o->info.capabilities & VMT_CAP_IGNORE_WALKS)
		config.flags |= VMT_MODEL_PAGING_WRITE;
	o->domain.ops = &model_ops;
	return vmt_model_create(&config, &o->model, err);
}

/* -------------------------------------------------------------------------------------------- */
/* Rights and bytes                                                                             */
/* -------------------------------------------------------------------------------------------- */

static void compare_rights_of(struct oracle *o, vmt_view view, vmt_gfn gfn)
{
	struct vmt_access xen = {0}, model = {0};
	int a = vmt_driver_get_access(o->inner, view, gfn, &xen);
	int b = vmt_driver_get_access(&o->domain, view, gfn, &model);

	oracle_check(o, ORACLE_RIGHTS,
		     a == b && xen.rights == model.rights && xen.options == model.options,
		     "rights of gfn %#lx in view %u: Xen %d (%d), the model %d (%d)",
		     (unsigned long)gfn.n, view, xen.rights, a, model.rights, b);
}

void oracle_compare_rights(struct oracle *o)
{
	uint64_t gfn = 0;

	if (o->detached || !(o->info.capabilities & VMT_CAP_MEMORY_ACCESS))
		return;
	for (; vmt_gfn_map_next(&o->touched, &gfn); gfn++) {
		compare_rights_of(o, 0, vmt_gfn_from(gfn));
		for (vmt_view view = 1; view < 4 && view < o->info.views; view++)
			compare_rights_of(o, view, vmt_gfn_from(gfn));
	}
}

void oracle_compare_bytes(struct oracle *o)
{
	uint8_t now[sizeof(o->put_back[0].bytes)];

	for (unsigned i = 0; i < o->nput_back; i++) {
		const struct oracle_bytes *b = &o->put_back[i];

		oracle_check(o, ORACLE_BYTES,
			     vmt_driver_read(o->inner, b->gfn, b->offset, now, b->len) == 0 &&
				     memcmp(now, b->bytes, b->len) == 0,
			     "%u bytes at gfn %#lx offset %#x are not what the model puts back",
			     b->len, (unsigned long)b->gfn.n, b->offset);
	}
	o->nput_back = 0;
}
