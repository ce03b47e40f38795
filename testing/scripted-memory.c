/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scripted domain's memory: pages by number, made of bytes when something is written to them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "scripted.h"

/* -------------------------------------------------------------------------------------------- */
/* Pages                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* The page at @gfn, or NULL when none is there. RAM is an array, for it is what guests touch. */
static struct vmt_scripted_page *slot(const struct vmt_scripted *s, uint64_t gfn)
{
	if (gfn >= s->config.pages)
		return vmt_gfn_map_get(&s->pages, gfn);
	return s->ram[gfn].hole ? NULL : &s->ram[gfn];
}

static int no_memory(struct vmt_error *err)
{
	return vmt_error_set(err, VMT_E_NO_MEMORY, "scripted domain",
			     "no memory for the guest's pages");
}

/* The bytes of a page that is there, made when they are not yet; NULL: no memory. */
static uint8_t *bytes(struct vmt_scripted_page *page)
{
	if (!page->bytes)
		page->bytes = calloc(1, VMT_PAGE_SIZE);
	return page->bytes;
}

int vmt_scripted_pages_init(struct vmt_scripted *s, struct vmt_error *err)
{
	vmt_gfn_map_init(&s->pages, sizeof(struct vmt_scripted_page));
	if (s->config.pages > VMT_SCRIPTED_PAGES_MAX)
		return vmt_error_set(err, VMT_E_LIMIT, "scripted domain",
				     "%" PRIu32 " pages of RAM are too many; %u are the most",
				     s->config.pages, VMT_SCRIPTED_PAGES_MAX);
	s->ram = calloc(s->config.pages, sizeof(*s->ram));
	if (!s->ram)
		return no_memory(err);
	return 0;
}

void vmt_scripted_pages_finish(struct vmt_scripted *s)
{
	struct vmt_scripted_page *page;

	for (uint32_t gfn = 0; s->ram && gfn < s->config.pages; gfn++)
		free(s->ram[gfn].bytes);
	free(s->ram);
	for (uint64_t gfn = 0; (page = vmt_gfn_map_next(&s->pages, &gfn)) != NULL; gfn++)
		free(page->bytes);
	vmt_gfn_map_finish(&s->pages);
}

bool vmt_scripted_page_is_blank(struct vmt_scripted *s, uint64_t gfn)
{
	static const uint8_t zeros[VMT_PAGE_SIZE];
	const struct vmt_scripted_page *page = slot(s, gfn);

	return page && (!page->bytes || memcmp(page->bytes, zeros, sizeof(zeros)) == 0);
}

/* -------------------------------------------------------------------------------------------- */
/* The page source of the model                                                                 */
/* -------------------------------------------------------------------------------------------- */

static bool page_exists(void *ctx, vmt_gfn gfn)
{
	return slot(ctx, gfn.n) != NULL;
}

static int unmapped(struct vmt_error *err, uint64_t gfn)
{
	return vmt_error_set(err, VMT_E_UNMAPPED, "scripted domain",
			     "there is no page at gfn 0x%" PRIx64, gfn);
}

static int page_read(void *ctx, vmt_gfn gfn, uint32_t offset, void *buf, uint32_t len,
		     struct vmt_error *err)
{
	const struct vmt_scripted_page *page = slot(ctx, gfn.n);

	if (!page)
		return unmapped(err, gfn.n);
	if (page->bytes)
		memcpy(buf, page->bytes + offset, len);
	else
		memset(buf, 0, len);
	return 0;
}

static int page_write(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len,
		      struct vmt_error *err)
{
	struct vmt_scripted_page *page = slot(ctx, gfn.n);

	if (!page)
		return unmapped(err, gfn.n);
	if (!bytes(page))
		return no_memory(err);
	memcpy(page->bytes + offset, buf, len);
	return 0;
}

static int page_add(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct vmt_scripted *s = ctx;
	struct vmt_scripted_page *page;

	page = gfn.n < s->config.pages ? &s->ram[gfn.n] : vmt_gfn_map_put(&s->pages, gfn.n);
	if (!page)
		return no_memory(err);
	page->hole = false;
	return 0;
}

static int page_remove(void *ctx, vmt_gfn gfn, struct vmt_error *err)
{
	struct vmt_scripted *s = ctx;
	struct vmt_scripted_page *page = slot(s, gfn.n);

	if (!page)
		return unmapped(err, gfn.n);
	free(page->bytes);
	page->bytes = NULL;
	page->hole = true;
	if (gfn.n >= s->config.pages)
		vmt_gfn_map_remove(&s->pages, gfn.n);
	return 0;
}

static struct vmt_scripted_msr *find_msr(struct vmt_scripted *s, uint16_t vcpu, uint32_t number)
{
	for (size_t i = 0; i < s->nmsrs; i++)
		if (s->msrs[i].vcpu == vcpu && s->msrs[i].number == number)
			return &s->msrs[i];
	return NULL;
}

static int read_msr(void *ctx, uint16_t vcpu, uint32_t number, uint64_t *value)
{
	const struct vmt_scripted_msr *msr = find_msr(ctx, vcpu, number);

	*value = msr ? msr->value : 0;
	return 0;
}

static int write_msr(void *ctx, uint16_t vcpu, uint32_t number, uint64_t value)
{
	struct vmt_scripted *s = ctx;
	struct vmt_scripted_msr *msr = find_msr(s, vcpu, number);

	if (!msr) {
		msr = realloc(s->msrs, (s->nmsrs + 1) * sizeof(*msr));
		if (!msr)
			return 1; /* without memory the guest gets #GP, which ends the script */
		s->msrs = msr;
		msr += s->nmsrs++;
		msr->vcpu = vcpu;
		msr->number = number;
	}
	msr->value = value;
	return 0;
}

const struct vmt_guest_ops vmt_scripted_guest_ops = {
	.exists = page_exists,
	.read = page_read,
	.write = page_write,
	.add = page_add,
	.remove = page_remove,
	.read_msr = read_msr,
	.write_msr = write_msr,
	.emulate = vmt_scripted_emulate,
};

/* -------------------------------------------------------------------------------------------- */
/* Ranges                                                                                       */
/* -------------------------------------------------------------------------------------------- */

static size_t piece_of(uint64_t gpa, size_t len)
{
	size_t room = VMT_PAGE_SIZE - (gpa & VMT_PAGE_MASK);

	return len < room ? len : room;
}

/* Are all pages there, so that a copy is all or nothing? */
static int check(struct vmt_scripted *s, uint64_t gpa, size_t len, struct vmt_error *err)
{
	if (len > 0 && gpa > UINT64_MAX - (len - 1))
		return vmt_error_set(err, VMT_E_INVALID, "scripted domain",
				     "the range leaves the address space");
	while (len > 0) {
		size_t piece = piece_of(gpa, len);

		if (!slot(s, gpa >> VMT_PAGE_SHIFT))
			return unmapped(err, gpa >> VMT_PAGE_SHIFT);
		gpa += piece;
		len -= piece;
	}
	return 0;
}

int vmt_scripted_copy_out(struct vmt_scripted *s, uint64_t gpa, void *buf, size_t len,
			  struct vmt_error *err)
{
	uint8_t *to = buf;
	int r = check(s, gpa, len, err);

	while (r == 0 && len > 0) {
		size_t piece = piece_of(gpa, len);

		r = page_read(s, vmt_gfn_from(gpa >> VMT_PAGE_SHIFT),
			      (uint32_t)(gpa & VMT_PAGE_MASK), to, (uint32_t)piece, err);
		gpa += piece;
		to += piece;
		len -= piece;
	}
	return r;
}

int vmt_scripted_copy_in(struct vmt_scripted *s, uint64_t gpa, const void *buf, size_t len,
			 struct vmt_error *err)
{
	const uint8_t *from = buf;
	int r = check(s, gpa, len, err);

	while (r == 0 && len > 0) {
		size_t piece = piece_of(gpa, len);

		r = page_write(s, vmt_gfn_from(gpa >> VMT_PAGE_SHIFT),
			       (uint32_t)(gpa & VMT_PAGE_MASK), from, (uint32_t)piece, err);
		gpa += piece;
		from += piece;
		len -= piece;
	}
	return r;
}

/* -------------------------------------------------------------------------------------------- */
/* The test's own calls                                                                         */
/* -------------------------------------------------------------------------------------------- */

int vmt_scripted_read(struct vmt_driver *d, vmt_gpa gpa, void *buf, size_t len)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s ? vmt_scripted_copy_out(s, gpa.a, buf, len, &d->err) : -VMT_E_INVALID;
}

int vmt_scripted_write(struct vmt_driver *d, vmt_gpa gpa, const void *buf, size_t len)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s ? vmt_scripted_copy_in(s, gpa.a, buf, len, &d->err) : -VMT_E_INVALID;
}

int vmt_scripted_fill(struct vmt_driver *d, vmt_gpa gpa, uint8_t byte, size_t len)
{
	uint8_t block[VMT_PAGE_SIZE];
	int r = 0;

	memset(block, byte, sizeof(block));
	while (r == 0 && len > 0) {
		size_t piece = piece_of(gpa.a, len);

		r = vmt_scripted_write(d, gpa, block, piece);
		gpa.a += piece;
		len -= piece;
	}
	return r;
}

int vmt_scripted_add_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	int r = s ? page_add(s, gfn, &d->err) : -VMT_E_INVALID;

	if (r == 0)
		vmt_model_page_added(s->model, gfn);
	return r;
}

int vmt_scripted_remove_gfn(struct vmt_driver *d, vmt_gfn gfn)
{
	struct vmt_scripted *s = vmt_scripted_of(d);

	return s ? page_remove(s, gfn, &d->err) : -VMT_E_INVALID;
}
