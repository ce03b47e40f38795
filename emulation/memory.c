/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory accesses of a step: reads through its own stores, and the log of stores.
 */
#include "emulation/exec.h"

void vmt_note_access(struct vmt_exec *x, vmt_gfn gfn, vmt_gfn page, unsigned access, uint8_t flags)
{
	struct vmt_step_result *r = x->r;

	if (!(x->how->flags & (VMT_STEP_LIST | VMT_STEP_DRY)))
		return;
	for (uint32_t i = 0; i < r->naccesses; i++) {
		struct vmt_step_access *a = &r->accesses[i];

		if (a->gfn.n == gfn.n && a->page.n == page.n) {
			a->access |= (uint8_t)access;
			a->flags |= flags;
			return;
		}
	}
	if (r->naccesses < VMT_STEP_ACCESSES)
		r->accesses[r->naccesses++] =
			(struct vmt_step_access){gfn, page, (uint8_t)access, flags};
}

void vmt_overlay(const struct vmt_exec *x, vmt_gfn page, uint32_t offset, void *buf, uint32_t len)
{
	uint8_t *out = buf;

	for (uint32_t i = 0; i < x->r->nwrites; i++) {
		const struct vmt_step_write *w = &x->r->writes[i];
		uint32_t at = (uint32_t)(w->gpa.a & VMT_PAGE_MASK);

		if (w->page.n != page.n)
			continue;
		for (uint32_t k = 0; k < w->len; k++)
			if (at + k >= offset && at + k < offset + len)
				out[at + k - offset] = w->bytes[k];
	}
}

int vmt_log_write(struct vmt_exec *x, const struct vmt_place *place, uint64_t gva, const void *buf,
		  uint32_t len, uint8_t flags)
{
	struct vmt_step_result *r = x->r;
	const uint8_t *from = buf;

	if (!place->host) /* a hole takes no bytes */
		return 0;
	for (uint32_t done = 0; done < len;) {
		uint32_t n = len - done < 16 ? len - done : 16;
		uint64_t gpa = place->gpa.a + done;
		struct vmt_step_write *w = &r->writes[r->nwrites];

		if (r->nwrites == VMT_STEP_WRITES)
			return vmt_exec_unsupported(x, "it writes more than a step holds");
		w->gva = vmt_gva_from(gva + done);
		w->gpa = vmt_gpa_from(gpa);
		w->page = place->page;
		w->len = (uint8_t)n;
		w->flags = flags;
		memcpy(w->bytes, from + done, n);
		memcpy(w->old, place->host + (gpa & VMT_PAGE_MASK), n);
		vmt_overlay(x, place->page, (uint32_t)(gpa & VMT_PAGE_MASK), w->old, n);
		r->nwrites++;
		done += n;
	}
	return 0;
}

/* The bytes of emulation with read data, the same for each read; zeros behind them. */
static int give_read_data(const struct vmt_exec *x, uint8_t *buf, uint32_t len)
{
	uint32_t n = len < x->how->read_len ? len : x->how->read_len;

	memcpy(buf, x->how->read_data, n);
	memset(buf + n, 0, len - n);
	return 0;
}

static int read_in_page(struct vmt_exec *x, uint64_t gva, uint8_t *buf, uint32_t len, unsigned kind)
{
	struct vmt_place place;

	VMT_TRY(vmt_exec_translate(x, gva, kind, &place));
	if (!place.host) {
		memset(buf, 0xff, len);
		return 0;
	}
	memcpy(buf, place.host + (gva & VMT_PAGE_MASK), len);
	if (x->r->nwrites)
		vmt_overlay(x, place.page, (uint32_t)(gva & VMT_PAGE_MASK), buf, len);
	return 0;
}

int vmt_exec_read(struct vmt_exec *x, uint64_t gva, void *buf, uint32_t len, unsigned kind)
{
	uint32_t first = VMT_PAGE_SIZE - (uint32_t)(gva & VMT_PAGE_MASK);

	if (x->watched && !(kind & VMT_KIND_SYSTEM))
		vmt_watch(x, gva, len, false);
	if (x->how->read_data && !(kind & VMT_KIND_SYSTEM))
		return give_read_data(x, buf, len);
	if (len <= first)
		return read_in_page(x, gva, buf, len, kind);
	VMT_TRY(read_in_page(x, gva, buf, first, kind));
	if (!x->long64)
		gva &= UINT32_MAX;
	return read_in_page(x, gva + first, (uint8_t *)buf + first, len - first, kind);
}

int vmt_exec_write(struct vmt_exec *x, uint64_t gva, const void *buf, uint32_t len, unsigned kind)
{
	uint32_t first = VMT_PAGE_SIZE - (uint32_t)(gva & VMT_PAGE_MASK);
	struct vmt_place place, second;

	if (x->watched && !(kind & VMT_KIND_SYSTEM))
		vmt_watch(x, gva, len, true);
	kind |= VMT_W;
	VMT_TRY(vmt_exec_translate(x, gva, kind, &place));
	if (len <= first)
		return vmt_log_write(x, &place, gva, buf, len, VMT_MEM_AT_GVA);
	VMT_TRY(vmt_exec_translate(x, gva + first, kind, &second));
	VMT_TRY(vmt_log_write(x, &place, gva, buf, first, VMT_MEM_AT_GVA));
	return vmt_log_write(x, &second, gva + first, (const uint8_t *)buf + first, len - first,
			     VMT_MEM_AT_GVA);
}

int vmt_probe_write(struct vmt_exec *x, uint64_t gva, uint32_t len, unsigned kind)
{
	struct vmt_place place;
	uint64_t last = gva + len - 1;

	VMT_TRY(vmt_exec_translate(x, gva, kind | VMT_W, &place));
	if ((gva ^ last) >> VMT_PAGE_SHIFT)
		return vmt_exec_translate(x, last & ~(uint64_t)VMT_PAGE_MASK, kind | VMT_W, &place);
	return 0;
}

/* In 32-bit code: base, limit and the kind of segment. */
static int linear32(struct vmt_exec *x, unsigned seg, uint64_t offset, uint32_t len, uint64_t *gva)
{
	static const uint8_t bits[] = {VMT_REG_ES, VMT_REG_CS, VMT_REG_SS,
				       VMT_REG_DS, VMT_REG_FS, VMT_REG_GS};
	const struct vmt_segment *s = vmt_segment_of(x, seg);
	uint8_t vector = seg == VMT_SS ? VMT_EXC_SS : VMT_EXC_GP;
	uint64_t last = (offset & UINT32_MAX) + len - 1;

	VMT_TRY(vmt_exec_need(x, bits[seg]));
	if ((s->access & 0x1c) == 0x14) /* data that expands down */
		return vmt_exec_unsupported(x, "a segment that expands down");
	if (!(s->access & 0x80) || last > s->limit)
		return vmt_exec_raise_code(x, vector, 0);
	*gva = (s->base + offset) & UINT32_MAX;
	return 0;
}

int vmt_linear(struct vmt_exec *x, unsigned seg, uint64_t offset, uint32_t len, uint64_t *gva)
{
	if (!x->long64)
		return linear32(x, seg, offset, len, gva);
	*gva = offset;
	if (seg == VMT_FS || seg == VMT_GS) {
		VMT_TRY(vmt_exec_need(x, seg == VMT_FS ? VMT_REG_FS : VMT_REG_GS));
		*gva += vmt_segment_of(x, seg)->base;
	}
	if (!vmt_canonical(x, *gva) || !vmt_canonical(x, *gva + len - 1))
		return vmt_exec_raise_code(x, seg == VMT_SS ? VMT_EXC_SS : VMT_EXC_GP, 0);
	if (x->align && (*gva & (len - 1)) && len <= 8)
		return vmt_exec_raise_code(x, VMT_EXC_AC, 0);
	return 0;
}

int vmt_exec_load(struct vmt_exec *x, unsigned seg, uint64_t offset, void *buf, uint32_t len,
		  unsigned kind)
{
	uint64_t gva = 0;

	VMT_TRY(vmt_linear(x, seg, offset, len, &gva));
	return vmt_exec_read(x, gva, buf, len, kind);
}

int vmt_exec_store(struct vmt_exec *x, unsigned seg, uint64_t offset, const void *buf, uint32_t len)
{
	uint64_t gva = 0;

	VMT_TRY(vmt_linear(x, seg, offset, len, &gva));
	return vmt_exec_write(x, gva, buf, len, 0);
}
