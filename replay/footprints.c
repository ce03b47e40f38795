/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Comparing footprints.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "footprints.h"

struct judging {
	const struct vmt_meets *r, *l; /**< the recorded and the replayed side */
	struct vmt_judgement *out;
	struct vmt_gfn_map seen; /**< pages that were compared in this pair of views; no value */
	vmt_view r_view, l_view;
	bool l_int3, r_int3; /**< is int3 watched? */
	int failed;
};

static void VMT_PRINTF(2, 3) blind(struct judging *j, const char *fmt, ...)
{
	va_list ap;

	if (j->out->blind++ > 0)
		return;
	va_start(ap, fmt);
	vsnprintf(j->out->blind_text, sizeof(j->out->blind_text), fmt, ap);
	va_end(ap);
}

/** Two texts side by side; only the first difference is kept. */
static void visible(struct judging *j, const char *recorded, const char *replayed)
{
	if (j->out->visible)
		return;
	j->out->visible = true;
	snprintf(j->out->recorded, sizeof(j->out->recorded), "%s", recorded);
	snprintf(j->out->replayed, sizeof(j->out->replayed), "%s", replayed);
}

/* -------------------------------------------------------------------------------------------- */
/* Monitors and vCPUs                                                                           */
/* -------------------------------------------------------------------------------------------- */

bool vmt_side_monitor(const struct vmt_side *side, uint32_t kind, uint32_t what,
		      struct vmt_monitor *monitor)
{
	struct vmt_footprint_cursor cursor = {.kind = VMT_FOOTPRINT_MONITOR};
	struct vmt_footprint item;

	if (!vmt_model_monitored(side->model, kind, what))
		return false;
	while (vmt_footprint_next(side->model, &cursor, &item) &&
	       item.kind == VMT_FOOTPRINT_MONITOR) {
		if (item.monitor.kind != kind || item.monitor.what != what)
			continue;
		*monitor = item.monitor;
		return true;
	}
	return false;
}

/** Does monitor @l tell of anything that @r does not? */
static bool wider(const struct vmt_monitor *l, const struct vmt_monitor *r)
{
	if ((r->flags & VMT_MONITOR_ON_CHANGE) && !(l->flags & VMT_MONITOR_ON_CHANGE))
		return true;
	if ((l->flags & VMT_MONITOR_USERSPACE) && !(r->flags & VMT_MONITOR_USERSPACE))
		return true;
	return (r->ignore & ~l->ignore) != 0;
}

static void judge_monitors(struct judging *j)
{
	struct vmt_footprint_cursor cursor = {.kind = VMT_FOOTPRINT_MONITOR};
	struct vmt_footprint item;
	struct vmt_monitor other;
	char text[64];

	while (vmt_footprint_next(j->l->side->model, &cursor, &item) &&
	       item.kind == VMT_FOOTPRINT_MONITOR) {
		if (item.monitor.kind == VMT_MONITOR_DEFERRED_WRITES)
			continue;
		/* Without a single step that is on, the monitor tells of nothing. */
		if (item.monitor.kind == VMT_MONITOR_SINGLESTEP)
			continue;
		if (vmt_side_monitor(j->r->side, item.monitor.kind, item.monitor.what, &other) &&
		    !wider(&item.monitor, &other))
			continue;
		/* Int3 that the guest has of its own: the trace tells of none that was not watched. */
		blind(j, "monitor %s", vmt_monitor_format(&item.monitor, text, sizeof(text)));
	}
}

bool vmt_side_steps(const struct vmt_side *side, uint16_t vcpu)
{
	struct vmt_footprint_cursor cursor = {.kind = VMT_FOOTPRINT_STEPPING, .index = vcpu};
	struct vmt_footprint item;

	return vmt_model_stepping(side->model, vcpu) &&
	       vmt_footprint_next(side->model, &cursor, &item) &&
	       item.kind == VMT_FOOTPRINT_STEPPING && item.vcpu == vcpu && !item.fast;
}

static bool injection(const struct vmt_model *m, uint16_t vcpu, struct vmt_interrupt *in)
{
	struct vmt_footprint_cursor cursor = {.kind = VMT_FOOTPRINT_INJECTION, .index = vcpu};
	struct vmt_footprint item;

	memset(in, 0, sizeof(*in));
	if (!vmt_footprint_next(m, &cursor, &item) || item.kind != VMT_FOOTPRINT_INJECTION ||
	    item.vcpu != vcpu)
		return false;
	*in = item.interrupt;
	return true;
}

static const char *injection_text(bool there, const struct vmt_interrupt *in, uint16_t vcpu,
				  char *buf, size_t cap)
{
	if (there)
		snprintf(buf, cap, "vector %u waits for vCPU %u", in->vector, vcpu);
	else
		snprintf(buf, cap, "nothing is injected into vCPU %u", vcpu);
	return buf;
}

static void judge_injection(struct judging *j, uint16_t vcpu)
{
	struct vmt_interrupt r;
	struct vmt_interrupt l;
	bool in_r = injection(j->r->side->model, vcpu, &r);
	bool in_l = injection(j->l->side->model, vcpu, &l);
	char r_text[64];
	char l_text[64];

	if (in_r != in_l || memcmp(&r, &l, sizeof(r)) != 0)
		visible(j, injection_text(in_r, &r, vcpu, r_text, sizeof(r_text)),
			injection_text(in_l, &l, vcpu, l_text, sizeof(l_text)));
}

static void judge_vcpus(struct judging *j)
{
	for (uint32_t v = 0; v < j->l->side->vcpus; v++) {
		uint16_t vcpu = (uint16_t)v;

		if (vmt_side_steps(j->l->side, vcpu) && !vmt_side_steps(j->r->side, vcpu))
			blind(j, "single-stepping of vCPU %u", vcpu);
		if (j->l->side->next_interrupt[v] && !j->r->side->next_interrupt[v])
			blind(j, "next interrupt of vCPU %u", vcpu);
		judge_injection(j, vcpu);
	}
}

static uint32_t pauses(const struct vmt_model *m)
{
	struct vmt_footprint_cursor cursor = {.kind = VMT_FOOTPRINT_PAUSE};
	struct vmt_footprint item;

	return vmt_footprint_next(m, &cursor, &item) && item.kind == VMT_FOOTPRINT_PAUSE
		       ? item.count
		       : 0;
}

static void judge_pause(struct judging *j)
{
	if (pauses(j->l->side->model) > 0 && pauses(j->r->side->model) == 0)
		visible(j, "the domain runs", "the domain is left paused");
}

/* -------------------------------------------------------------------------------------------- */
/* Pages                                                                                        */
/* -------------------------------------------------------------------------------------------- */

static const char *byte_text(bool own, uint8_t byte, vmt_gfn gfn, uint32_t offset, char *buf,
			     size_t cap)
{
	uint64_t gpa = (gfn.n << VMT_PAGE_SHIFT) + offset;

	if (own)
		snprintf(buf, cap, "byte %#04x at gpa %#" PRIx64, byte, gpa);
	else
		snprintf(buf, cap, "the guest's own byte at gpa %#" PRIx64, gpa);
	return buf;
}

static void judge_byte(struct judging *j, vmt_gfn gfn, uint32_t offset,
		       const struct vmt_met_page *r, const struct vmt_met_page *l)
{
	uint8_t r_byte = 0;
	uint8_t l_byte = 0;
	bool in_r = vmt_met_byte(r, offset, &r_byte);
	bool in_l = vmt_met_byte(l, offset, &l_byte);
	bool r_trap = in_r && r_byte == VMT_INT3 && j->r_int3;
	bool l_trap = in_l && l_byte == VMT_INT3 && j->l_int3;
	char r_text[96];
	char l_text[96];

	if ((!in_r && !in_l) || (in_r == in_l && r_byte == l_byte && r_trap == l_trap))
		return;
	if (l_trap && !in_r)
		blind(j, "breakpoint at gpa %#" PRIx64, (gfn.n << VMT_PAGE_SHIFT) + offset);
	else if (!(r_trap && !in_l))
		visible(j, byte_text(in_r, r_byte, gfn, offset, r_text, sizeof(r_text)),
			byte_text(in_l, l_byte, gfn, offset, l_text, sizeof(l_text)));
}

static const char *shown_text(const struct vmt_met_page *met, vmt_gfn gfn, char *buf, size_t cap)
{
	snprintf(buf, cap, "gfn %#" PRIx64 " shows gfn %#" PRIx64, gfn.n, met->page.n);
	return buf;
}

static void judge_page(struct judging *j, vmt_gfn gfn)
{
	struct vmt_met_page r;
	struct vmt_met_page l;
	char r_text[96];
	char l_text[96];

	if (vmt_gfn_map_get(&j->seen, gfn.n))
		return;
	if (!vmt_gfn_map_put(&j->seen, gfn.n)) {
		j->failed = -VMT_E_NO_MEMORY;
		return;
	}
	vmt_met_page(j->r, j->r_view, gfn, &r);
	vmt_met_page(j->l, j->l_view, gfn, &l);
	if (r.there && l.there && (r.access.rights & ~l.access.rights))
		blind(j, "rights of gfn %#" PRIx64 " (%s%s%s forbidden)", gfn.n,
		      r.access.rights & ~l.access.rights & VMT_R ? "r" : "",
		      r.access.rights & ~l.access.rights & VMT_W ? "w" : "",
		      r.access.rights & ~l.access.rights & VMT_X ? "x" : "");
	if (r.page.n != l.page.n && (r.page.n != gfn.n || !l.shadow) &&
	    (l.page.n != gfn.n || !r.shadow) && (!r.shadow || !l.shadow)) {
		visible(j, shown_text(&r, gfn, r_text, sizeof(r_text)),
			shown_text(&l, gfn, l_text, sizeof(l_text)));
		return;
	}
	if (!vmt_met_changed(&r) && !vmt_met_changed(&l))
		return;
	for (uint32_t at = 0; at < VMT_PAGE_SIZE; at++)
		judge_byte(j, gfn, at, &r, &l);
}

/** Pages for which a side has an item of @kind in @view. */
static void judge_items(struct judging *j, const struct vmt_meets *side, uint32_t kind,
			vmt_view view)
{
	struct vmt_footprint_cursor cursor = {.kind = kind, .view = view};
	struct vmt_footprint item;

	while (vmt_footprint_next(side->side->model, &cursor, &item) && item.kind == kind &&
	       item.view == view)
		judge_page(j, item.gfn);
}

static void judge_own_bytes(struct judging *j, const struct vmt_meets *side)
{
	const struct vmt_own_word *word;
	uint32_t offset = 0;
	uint64_t gfn = 0;

	while (vmt_own_next(side->own, side->time, &gfn, &offset, &word)) {
		if (!vmt_model_own_page(side->side->model, vmt_gfn_from(gfn)))
			judge_page(j, vmt_gfn_from(gfn));
		gfn++;
		offset = 0;
	}
}

/** Pages that nobody touched: the views' own rights. */
static void judge_untouched(struct judging *j)
{
	uint64_t gfn = j->l->side->facts->origin.info.max_gfn;

	for (unsigned i = 0; i < 64 && gfn > 0; i++, gfn--)
		if (!vmt_gfn_map_get(&j->seen, gfn)) {
			judge_page(j, vmt_gfn_from(gfn));
			return;
		}
}

static void judge_views(struct judging *j, vmt_view r_view, vmt_view l_view)
{
	j->r_view = r_view;
	j->l_view = l_view;
	vmt_gfn_map_init(&j->seen, 0);
	judge_items(j, j->r, VMT_FOOTPRINT_RIGHTS, r_view);
	judge_items(j, j->l, VMT_FOOTPRINT_RIGHTS, l_view);
	judge_items(j, j->r, VMT_FOOTPRINT_REMAP, r_view);
	judge_items(j, j->l, VMT_FOOTPRINT_REMAP, l_view);
	judge_own_bytes(j, j->r);
	judge_own_bytes(j, j->l);
	judge_untouched(j);
	vmt_gfn_map_finish(&j->seen);
}

/** Each pair of views that some vCPU is in, once. */
static void judge_pages(struct judging *j)
{
	const struct vmt_model *r = j->r->side->model;
	const struct vmt_model *l = j->l->side->model;

	for (uint32_t v = 0; v < j->l->side->vcpus; v++) {
		vmt_view r_view = vmt_model_view_of(r, (uint16_t)v);
		vmt_view l_view = vmt_model_view_of(l, (uint16_t)v);
		bool again = false;

		for (uint32_t u = 0; u < v && !again; u++)
			again = vmt_model_view_of(r, (uint16_t)u) == r_view &&
				vmt_model_view_of(l, (uint16_t)u) == l_view;
		if (!again)
			judge_views(j, r_view, l_view);
	}
}

int vmt_footprints_judge(const struct vmt_meets *recorded, const struct vmt_meets *replayed,
			 struct vmt_judgement *judgement)
{
	struct judging j = {.r = recorded, .l = replayed, .out = judgement};

	memset(judgement, 0, sizeof(*judgement));
	j.r_int3 = vmt_model_monitored(recorded->side->model, VMT_MONITOR_BREAKPOINT, 0);
	j.l_int3 = vmt_model_monitored(replayed->side->model, VMT_MONITOR_BREAKPOINT, 0);
	judge_monitors(&j);
	judge_vcpus(&j);
	judge_pause(&j);
	judge_pages(&j);
	return j.failed;
}

/* -------------------------------------------------------------------------------------------- */
/* The same                                                                                     */
/* -------------------------------------------------------------------------------------------- */

static int differs(void *arg, int side, const struct vmt_footprint *item)
{
	(void)arg;
	(void)side;
	(void)item;
	return 1;
}

static bool same_own(const struct vmt_meets *a, const struct vmt_meets *b)
{
	const struct vmt_own_word *wa;
	const struct vmt_own_word *wb;
	uint32_t oa = 0;
	uint32_t ob = 0;
	uint64_t ga = 0;
	uint64_t gb = 0;

	for (;;) {
		bool more_a = vmt_own_next(a->own, a->time, &ga, &oa, &wa);
		bool more_b = vmt_own_next(b->own, b->time, &gb, &ob, &wb);

		if (!more_a || !more_b)
			return more_a == more_b;
		if (ga != gb || oa != ob || wa->now[oa % 8] != wb->now[ob % 8])
			return false;
		oa++;
		ob++;
	}
}

bool vmt_footprints_same(const struct vmt_meets *recorded, const struct vmt_meets *replayed)
{
	const struct vmt_side *r = recorded->side;
	const struct vmt_side *l = replayed->side;

	return memcmp(r->next_interrupt, l->next_interrupt, r->vcpus * sizeof(bool)) == 0 &&
	       vmt_footprint_differences(r->model, l->model, differs, NULL) == 0 &&
	       same_own(recorded, replayed);
}
