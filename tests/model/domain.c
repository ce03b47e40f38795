/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The domain of the model's tests.
 */
#include <stdlib.h>

#include "domain.h"

/* -------------------------------------------------------------------------------------------- */
/* The page source                                                                              */
/* -------------------------------------------------------------------------------------------- */

static bool exists(void *ctx, vmt_gfn gfn)
{
	struct domain *d = ctx;

	return gfn.n < PAGES && d->there[gfn.n];
}

static int read_page(void *ctx, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		     struct vmt_error *err)
{
	struct domain *d = ctx;

	if (d->not_recorded != 0 && gfn.n == d->not_recorded)
		return vmt_error_set(err, VMT_E_NOT_RECORDED, NULL, "not in this trace");
	memcpy(buf, d->pages[gfn.n] + offset, len);
	return 0;
}

static int write_page(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len,
		      struct vmt_error *err)
{
	struct domain *d = ctx;

	if (d->fail_write != 0 && gfn.n == d->fail_write)
		return vmt_error_set(err, VMT_E_IO, NULL, "the write failed");
	memcpy(d->pages[gfn.n] + offset, buf, len);
	return 0;
}

static int unwrite(void *ctx, vmt_gfn gfn, uint32_t offset, uint32_t len, struct vmt_error *err)
{
	struct domain *d = ctx;

	(void)gfn;
	(void)offset;
	(void)err;
	d->unwritten += len;
	return 0;
}

static int add_page(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct domain *d = ctx;

	if (gfn.n >= PAGES)
		return vmt_error_set(err, VMT_E_NO_MEMORY, NULL, "no more pages");
	d->there[gfn.n] = true;
	memset(d->pages[gfn.n], 0, VMT_PAGE_SIZE);
	return 0;
}

static int remove_page(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct domain *d = ctx;

	if (d->fail_remove)
		return vmt_error_set(err, VMT_E_HYPERVISOR, NULL, "the page is in use");
	d->there[gfn.n] = false;
	return 0;
}

static int read_msr(void *ctx, uint16_t vcpu, uint32_t msr, uint64_t *value)
{
	struct domain *d = ctx;

	(void)vcpu;
	(void)msr;
	*value = d->msr;
	return 0;
}

static int write_msr(void *ctx, uint16_t vcpu, uint32_t msr, uint64_t value)
{
	struct domain *d = ctx;

	(void)vcpu;
	(void)msr;
	if (d->bad_msr)
		return 1;
	d->msr = value;
	return 0;
}

static int check_cr(void *ctx, uint16_t vcpu, uint32_t cr, uint64_t value)
{
	struct domain *d = ctx;

	(void)vcpu;
	(void)value;
	return d->bad_cr4 && cr == VMT_CR4;
}

static int emulate(void *ctx, uint16_t vcpu, const struct vmt_emulation *e, struct vmt_error *err)
{
	struct domain *d = ctx;
	struct vmt_regs *regs = vmt_model_regs(d->model, vcpu);

	d->emulated++;
	d->emulate_action = e->action;
	d->emulate_byte = e->data_len > 0 ? e->data[0] : 0;
	d->emulate_saw_rip = regs->gprs.rip;
	d->emulate_saw_cr3 = regs->cr3;
	if (d->emulate_unimplemented)
		return vmt_model_unemulated(d->model, vcpu, err) < 0 ? -err->status : 0;
	regs->gprs.rip += d->emulate_advance;
	return 0;
}

static const struct vmt_guest_ops guest_ops = {
	.exists = exists,
	.read = read_page,
	.write = write_page,
	.unwrite = unwrite,
	.add = add_page,
	.remove = remove_page,
	.read_msr = read_msr,
	.write_msr = write_msr,
	.check_cr = check_cr,
	.emulate = emulate,
};

/* -------------------------------------------------------------------------------------------- */
/* The domain                                                                                   */
/* -------------------------------------------------------------------------------------------- */

struct domain *domain_from(const struct vmt_model_config *wanted, struct vmt_error *err)
{
	struct vmt_model_config config = *wanted;
	struct domain *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->pages = calloc(PAGES, sizeof(*d->pages));
	assert_non_null(d->pages);
	for (unsigned i = 0; i <= 0x3ff; i++) {
		d->there[i] = true;
		memset(d->pages[i], (int)(i & 0xff), VMT_PAGE_SIZE);
	}
	config.max_gfn = 0x3ff;
	config.guest = &guest_ops;
	config.guest_ctx = d;
	if (vmt_model_create(&config, &d->model, err) < 0) {
		domain_free(d);
		return NULL;
	}
	for (uint16_t i = 0; i < config.vcpus; i++) {
		regs_of(d, i)->gprs.rip = 0x1000;
		regs_of(d, i)->cr3 = 0x5000;
	}
	return d;
}

struct domain *domain_new(unsigned minor, uint32_t vendor, uint16_t vcpus, uint32_t flags)
{
	const struct vmt_model_config config = {
		.xen = vmt_xen_version_find(4, minor),
		.vendor = vendor,
		.flags = flags,
		.vcpus = vcpus,
	};
	struct vmt_error err = {0};
	struct domain *d = domain_from(&config, &err);

	assert_non_null(config.xen);
	assert_non_null(d);
	return d;
}

struct domain *domain_simple(unsigned minor)
{
	return domain_new(minor, VMT_CPU_VMX, 1, 0);
}

void domain_free(struct domain *d)
{
	vmt_model_destroy(d->model);
	free(d->pages);
	free(d);
}

/* Say what failed before the test does. */
static void ok(struct domain *d, int r)
{
	if (r < 0)
		print_error("%s: %s\n", vmt_status_name(-r), d->err.text);
	assert_int_equal(r, 0);
}

vmt_view make_view(struct domain *d, unsigned rights)
{
	vmt_view view = 0;

	ok(d, vmt_model_create_view(d->model, vmt_access_from(rights), &view, &d->err));
	return view;
}

void set_rights(struct domain *d, vmt_view view, uint64_t gfn, unsigned rights)
{
	uint64_t done = 0;

	ok(d, vmt_model_set_access(d->model, view, vmt_gfn_from(gfn), 1, vmt_access_from(rights),
				   &done, &d->err));
	assert_int_equal(done, 1);
}

unsigned get_rights(struct domain *d, vmt_view view, uint64_t gfn)
{
	struct vmt_access access = {0, 0};

	ok(d, vmt_model_get_access(d->model, view, vmt_gfn_from(gfn), &access, &d->err));
	return access.rights;
}

void switch_view(struct domain *d, vmt_view view)
{
	ok(d, vmt_model_switch_view(d->model, view, &d->err));
}

void remap(struct domain *d, vmt_view view, uint64_t from, uint64_t to)
{
	ok(d, vmt_model_remap_gfn(d->model, view, vmt_gfn_from(from), vmt_gfn_from(to), &d->err));
}

static void monitor(struct domain *d, uint32_t kind, uint32_t what, uint32_t flags, bool on)
{
	const struct vmt_monitor m = {.kind = kind, .what = what, .flags = flags};

	ok(d, vmt_model_monitor(d->model, &m, on, &d->err));
}

void monitor_on(struct domain *d, uint32_t kind, uint32_t what, uint32_t flags)
{
	monitor(d, kind, what, flags, true);
}

void monitor_off(struct domain *d, uint32_t kind, uint32_t what)
{
	monitor(d, kind, what, 0, false);
}

struct vmt_event take(struct domain *d)
{
	struct vmt_event ev;

	assert_int_equal(vmt_model_next(d->model, &ev, &d->err), 1);
	return ev;
}

void no_event(struct domain *d)
{
	uint32_t n = 99;

	assert_int_equal(vmt_model_pending(d->model, &n), 0);
	assert_int_equal(n, 0);
}

void answer(struct domain *d, const struct vmt_event *ev, struct vmt_response rsp)
{
	ok(d, vmt_model_answer(d->model, ev, &rsp, &d->err));
}

void commit(struct domain *d)
{
	ok(d, vmt_model_commit(d->model, &d->err));
}

void respond(struct domain *d, const struct vmt_event *ev, struct vmt_response rsp)
{
	answer(d, ev, rsp);
	commit(d);
}

void said(struct domain *d, int r, int status, const char *words)
{
	bool found;

	assert_int_equal(r, -status);
	assert_int_equal(d->err.status, status);
	found = strstr(d->err.text, words);
	if (!found)
		print_error("the refusal lacks its words: %s\n", d->err.text);
	assert_true(found);
}

void refused(struct domain *d, const struct vmt_event *ev, struct vmt_response rsp, int status,
	     const char *words)
{
	said(d, vmt_model_answer(d->model, ev, &rsp, &d->err), status, words);
}

struct vmt_entry enter(struct domain *d, uint16_t vcpu)
{
	struct vmt_entry entry;

	assert_int_equal(vmt_model_enter(d->model, vcpu, &entry, &d->err), 1);
	return entry;
}

void stands(struct domain *d, uint16_t vcpu)
{
	struct vmt_entry entry;

	assert_int_equal(vmt_model_enter(d->model, vcpu, &entry, &d->err), 0);
	assert_false(vmt_model_runnable(d->model, vcpu));
}

int touch_by(struct domain *d, uint16_t vcpu, uint64_t gfn, unsigned access, unsigned flags,
	     uint64_t *page)
{
	const struct vmt_guest_access a = {
		.gpa = vmt_gpa_from((gfn << VMT_PAGE_SHIFT) + 8),
		.gva = vmt_gva_from(0x400000 + (gfn << VMT_PAGE_SHIFT) + 8),
		.access = (uint8_t)access,
		.flags = (uint8_t)flags,
	};
	vmt_gfn to = vmt_gfn_from(0);
	int r = vmt_model_access(d->model, vcpu, &a, &to, &d->err);

	if (page)
		*page = to.n;
	return r;
}

int touch(struct domain *d, uint64_t gfn, unsigned access, uint64_t *page)
{
	return touch_by(d, 0, gfn, access, VMT_MEM_GVA_VALID | VMT_MEM_AT_GVA, page);
}

struct vmt_regs *regs_of(struct domain *d, uint16_t vcpu)
{
	return vmt_model_regs(d->model, vcpu);
}

struct vmt_regs asked(struct domain *d)
{
	struct vmt_regs regs;

	ok(d, vmt_model_get_regs(d->model, 0, &regs, &d->err));
	return regs;
}

bool can(struct domain *d, uint32_t capability)
{
	struct vmt_info info = {0};

	ok(d, vmt_model_info(d->model, &info));
	return info.capabilities & capability;
}

const char *footprint(struct domain *d, size_t i)
{
	static char text[160];
	struct vmt_footprint_cursor cursor = {0};
	struct vmt_footprint item;

	while (vmt_footprint_next(d->model, &cursor, &item)) {
		if (i-- == 0)
			return vmt_footprint_format(&item, text, sizeof(text));
	}
	return "";
}
