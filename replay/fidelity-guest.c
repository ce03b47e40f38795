/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The recorded guest's memory at one moment, with the recorded handler's own bytes in it, as the
 * emulated vCPU meets it.
 *
 * A page counts when all of it is known. What the emulation writes stays in copies.
 */
#include <stdlib.h>
#include <string.h>

#include "fidelity-private.h"

void vmt_moment_clear(struct vmt_moment *moment)
{
	for (size_t i = 0; i < moment->npages; i++)
		free(moment->pages[i]);
	moment->npages = 0;
}

void vmt_moment_finish(struct vmt_moment *moment)
{
	vmt_moment_clear(moment);
	free(moment->pages);
}

/** The guest did not take the recorded handler's bytes away: it met them. */
static void lay_own(const struct vmt_moment *moment, struct vmt_moment_page *page)
{
	const struct vmt_own *own = &moment->facts->own;
	const vmt_gfn gfn = vmt_gfn_from(page->gfn);

	if (!vmt_own_touches(own, gfn))
		return;
	for (uint32_t i = 0; i < VMT_WORDS_OF_PAGE; i++) {
		const struct vmt_own_word *w = vmt_own_word(own, moment->here.time, gfn, i);

		for (unsigned at = 0; w && at < 8; at++)
			if (w->own & (1u << at))
				page->bytes[i * 8 + at] = w->now[at];
	}
}

static void fill(const struct vmt_moment *moment, struct vmt_moment_page *page)
{
	const vmt_gfn gfn = vmt_gfn_from(page->gfn);
	const struct vmt_question q = {
		.facts = moment->facts,
		.gfn = gfn,
		.len = VMT_PAGE_SIZE,
		.own_page = vmt_facts_private(moment->facts, gfn, moment->here.time),
	};
	struct vmt_here here = moment->here;
	struct vmt_answer answer;

	vmt_answer(&q, &here, &answer);
	page->missing = answer.absent || answer.weakest > VMT_FROM_BRACKETED;
	if (page->missing)
		return;
	memcpy(page->bytes, answer.bytes, VMT_PAGE_SIZE);
	lay_own(moment, page);
}

static struct vmt_moment_page *page_of(struct vmt_moment *moment, vmt_gfn gfn)
{
	struct vmt_moment_page *page;

	for (size_t i = 0; i < moment->npages; i++)
		if (moment->pages[i]->gfn == gfn.n)
			return moment->pages[i];
	if (moment->npages == moment->cap) {
		size_t cap = moment->cap ? moment->cap * 2 : 16;
		struct vmt_moment_page **v =
			realloc(moment->pages, cap * sizeof(struct vmt_moment_page *));

		if (!v)
			return NULL;
		moment->pages = v;
		moment->cap = cap;
	}
	page = calloc(1, sizeof(*page));
	if (!page)
		return NULL;
	page->gfn = gfn.n;
	fill(moment, page);
	moment->pages[moment->npages++] = page;
	return page;
}

static int moment_access(void *ctx, const struct vmt_cpu_access *access, vmt_gfn *page)
{
	struct vmt_moment *moment = ctx;
	struct vmt_access rights;

	if (vmt_model_peek(moment->model, moment->vcpu,
			   vmt_gfn_from(access->gpa.a >> VMT_PAGE_SHIFT), page, &rights, NULL) < 0)
		return VMT_PAGE_MISSING;
	if (!access->no_rights && (access->access & ~rights.rights & VMT_RWX))
		return VMT_PAGE_VIOLATION;
	return VMT_PAGE_OK;
}

static const uint8_t *moment_page(void *ctx, vmt_gfn gfn)
{
	struct vmt_moment *moment = ctx;
	const struct vmt_moment_page *page = page_of(moment, gfn);

	if (!page)
		moment->no_memory = true;
	return page && !page->missing ? page->bytes : NULL;
}

static void moment_write(void *ctx, vmt_gfn gfn, uint32_t offset, const void *buf, uint32_t len)
{
	struct vmt_moment_page *page = page_of(ctx, gfn);

	if (!page || page->missing)
		return;
	memcpy(page->bytes + offset, buf, len);
	for (uint32_t at = offset; at < offset + len; at++)
		page->written[at / 8] |= (uint8_t)(1u << (at % 8));
}

/** What the trace's head tells of CPUID. */
static int moment_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf, uint32_t result[4])
{
	const struct vmt_trace_meta *meta = ((struct vmt_moment *)ctx)->facts->meta;

	for (uint32_t i = 0; i < meta->ncpuid; i++) {
		const struct vmt_trace_cpuid *c = &meta->cpuid[i];

		if (c->leaf != leaf || c->subleaf != subleaf)
			continue;
		result[0] = c->eax;
		result[1] = c->ebx;
		result[2] = c->ecx;
		result[3] = c->edx;
		return 0;
	}
	return 1;
}

const struct vmt_cpu_ops vmt_moment_ops = {
	.access = moment_access,
	.page = moment_page,
	.write = moment_write,
	.cpuid = moment_cpuid,
};
