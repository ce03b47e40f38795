/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Footprints side by side, and as text.
 */
#include <inttypes.h>
#include <string.h>

#include "core/line.h"
#include "footprint.h"

/* -------------------------------------------------------------------------------------------- */
/* Comparing                                                                                    */
/* -------------------------------------------------------------------------------------------- */

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

/*
 * The keys come in the order of iteration, then the content. A monitor's place in it is that of its
 * kind, with MSRs by number, which is what the walk does too.
 */
int vmt_footprint_compare(const struct vmt_footprint *a, const struct vmt_footprint *b)
{
	const uint64_t pairs[][2] = {
		{a->kind, b->kind},
		{a->vcpu, b->vcpu},
		{a->monitor.kind, b->monitor.kind},
		{a->monitor.what, b->monitor.what},
		{a->view, b->view},
		{a->gfn.n, b->gfn.n},
		{a->offset, b->offset},
		{a->len, b->len},
		{a->to.n, b->to.n},
		{a->fast, b->fast},
		{a->count, b->count},
		{a->access.rights, b->access.rights},
		{a->access.options, b->access.options},
		{a->monitor.flags, b->monitor.flags},
		{a->monitor.ignore, b->monitor.ignore},
		{a->interrupt.vector, b->interrupt.vector},
		{a->interrupt.type, b->interrupt.type},
		{a->interrupt.insn_length, b->interrupt.insn_length},
		{a->interrupt.error_code, b->interrupt.error_code},
		{a->interrupt.extra, b->interrupt.extra},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (pairs[i][0] != pairs[i][1])
			return order(pairs[i][0], pairs[i][1]);
	}
	return a->len > 0 ? memcmp(a->bytes, b->bytes, a->len) : 0;
}

int vmt_footprint_differences(const struct vmt_model *a, const struct vmt_model *b,
			      int (*differs)(void *arg, int side, const struct vmt_footprint *item),
			      void *arg)
{
	const struct vmt_model *models[2] = {a, b};
	struct vmt_footprint_cursor cursors[2] = {{0}, {0}};
	struct vmt_footprint items[2];
	int have[2];

	for (int i = 0; i < 2; i++)
		have[i] = vmt_footprint_next(models[i], &cursors[i], &items[i]);
	while (have[0] || have[1]) {
		int c = have[0] && have[1] ? vmt_footprint_compare(&items[0], &items[1])
					   : have[1] - have[0];
		int r = 0;

		if (c != 0)
			r = differs(arg, c > 0, &items[c > 0]);
		if (r != 0)
			return r;
		if (c <= 0)
			have[0] = vmt_footprint_next(a, &cursors[0], &items[0]);
		if (c >= 0)
			have[1] = vmt_footprint_next(b, &cursors[1], &items[1]);
	}
	return 0;
}

/* -------------------------------------------------------------------------------------------- */
/* As text                                                                                      */
/* -------------------------------------------------------------------------------------------- */

static void add_bytes(struct vmt_line *line, const struct vmt_footprint *item)
{
	const uint32_t shown = item->len < 8 ? item->len : 8;

	vmt_line_add(line, " gfn %#" PRIx64 " offset %#" PRIx32 " %" PRIu32 " bytes ", item->gfn.n,
		     item->offset, item->len);
	for (uint32_t i = 0; i < shown; i++)
		vmt_line_add(line, "%02x", item->bytes[i]);
	vmt_line_add(line, "%s over ", shown < item->len ? "..." : "");
	for (uint32_t i = 0; item->before_known && i < shown; i++)
		vmt_line_add(line, "%02x", item->before[i]);
	vmt_line_add(line, "%s", !item->before_known ? "unknown" : shown < item->len ? "..." : "");
}

static void add_fields(struct vmt_line *line, const struct vmt_footprint *item)
{
	char name[48];

	switch (item->kind) {
	case VMT_FOOTPRINT_BYTES:
		add_bytes(line, item);
		break;
	case VMT_FOOTPRINT_RIGHTS:
		vmt_line_add(line, " view %u gfn %#" PRIx64 " ", item->view, item->gfn.n);
		vmt_line_add_access(line, item->access);
		break;
	case VMT_FOOTPRINT_VIEW:
		vmt_line_add(line, " %u default ", item->view);
		vmt_line_add_access(line, item->access);
		break;
	case VMT_FOOTPRINT_REMAP:
		vmt_line_add(line, " view %u gfn %#" PRIx64 " shows %#" PRIx64, item->view,
			     item->gfn.n, item->to.n);
		break;
	case VMT_FOOTPRINT_MONITOR:
		vmt_line_add(line, " %s", vmt_monitor_format(&item->monitor, name, sizeof(name)));
		break;
	case VMT_FOOTPRINT_STEPPING:
		vmt_line_add(line, " vcpu %u", item->vcpu);
		if (item->fast)
			vmt_line_add(line, " fast, back to view %u", item->view);
		break;
	case VMT_FOOTPRINT_IN_VIEW:
		vmt_line_add(line, " vcpu %u view %u", item->vcpu, item->view);
		break;
	case VMT_FOOTPRINT_INJECTION:
		vmt_line_add(line, " vcpu %u ", item->vcpu);
		vmt_line_add_interrupt(line, &item->interrupt);
		break;
	case VMT_FOOTPRINT_PAUSE:
		vmt_line_add(line, " %" PRIu32 " times", item->count);
		break;
	case VMT_FOOTPRINT_OWN_PAGE:
		vmt_line_add(line, " gfn %#" PRIx64, item->gfn.n);
		break;
	case VMT_FOOTPRINT_HELD:
		vmt_line_add(line, " vcpu %u by %" PRIu32 " events", item->vcpu, item->count);
		break;
	default:
		break;
	}
}

const char *vmt_footprint_format(const struct vmt_footprint *item, char *buf, size_t cap)
{
	struct vmt_line line;

	vmt_line_init(&line, buf, cap);
	vmt_line_add(&line, "%s", vmt_footprint_kind_name(item->kind));
	add_fields(&line, item);
	return buf;
}
