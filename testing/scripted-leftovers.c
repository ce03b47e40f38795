/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a session left behind: the model's footprint, counted and put into words; and the checks that
 * look at the domain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/line.h"

#include "scripted.h"

/* -------------------------------------------------------------------------------------------- */
/* Counting                                                                                     */
/* -------------------------------------------------------------------------------------------- */

/* Bytes of the run that still hold what was written, where that is not what stood there before. */
static void count_bytes(struct vmt_scripted *s, const struct vmt_footprint *item,
			struct vmt_leftovers *left)
{
	uint8_t now[VMT_PAGE_SIZE];
	uint64_t gpa = vmt_gpa_of(item->gfn).a + item->offset;

	if (vmt_scripted_copy_out(s, gpa, now, item->len, NULL) < 0)
		return; /* the page is gone, and its bytes with it */
	for (uint32_t i = 0; i < item->len; i++) {
		if (now[i] != item->bytes[i] ||
		    (item->before_known && item->bytes[i] == item->before[i]))
			continue;
		if (left->patched_bytes++ == 0)
			left->patched_at.a = gpa + i;
	}
}

static bool is_set_up(const struct vmt_scripted *s, const struct vmt_footprint *item)
{
	for (size_t i = 0; i < s->nrights; i++)
		if (s->rights[i].view == item->view && s->rights[i].gfn == item->gfn.n &&
		    s->rights[i].access.rights == item->access.rights &&
		    s->rights[i].access.options == item->access.options)
			return true;
	return false;
}

static void count_rights(struct vmt_scripted *s, const struct vmt_footprint *item,
			 struct vmt_leftovers *left)
{
	if (item->access.rights == VMT_RWX || is_set_up(s, item))
		return;
	if (left->restricted_pages++ == 0)
		left->restricted_at = item->gfn;
}

static void count_item(struct vmt_scripted *s, const struct vmt_footprint *item,
		       struct vmt_leftovers *left)
{
	switch (item->kind) {
	case VMT_FOOTPRINT_BYTES:
		count_bytes(s, item, left);
		break;
	case VMT_FOOTPRINT_RIGHTS:
		count_rights(s, item, left);
		break;
	case VMT_FOOTPRINT_VIEW:
		left->views++;
		break;
	case VMT_FOOTPRINT_REMAP:
		left->remaps++;
		break;
	case VMT_FOOTPRINT_MONITOR:
		left->monitors++;
		break;
	case VMT_FOOTPRINT_STEPPING:
		left->stepping++;
		break;
	case VMT_FOOTPRINT_IN_VIEW:
		left->in_views++;
		break;
	case VMT_FOOTPRINT_INJECTION:
		left->injections++;
		break;
	case VMT_FOOTPRINT_PAUSE:
		left->pauses += item->count;
		break;
	case VMT_FOOTPRINT_OWN_PAGE:
		left->own_pages++;
		break;
	case VMT_FOOTPRINT_HELD:
		left->vcpus_paused++;
		break;
	default:
		break;
	}
}

/* -------------------------------------------------------------------------------------------- */
/* Words                                                                                        */
/* -------------------------------------------------------------------------------------------- */

/* The kinds, in the order in which they are told. */
static const struct {
	const char *one, *many;
	size_t at;
	size_t size;
} kinds[] = {
#define KIND(member, one, many)                                     \
	{                                                           \
		one, many, offsetof(struct vmt_leftovers, member),  \
			sizeof(((struct vmt_leftovers *)0)->member) \
	}
	KIND(vcpus_paused, "vCPU held by an event", "vCPUs held by events"),
	KIND(stepping, "vCPU single-stepping", "vCPUs single-stepping"),
	KIND(in_views, "vCPU not in view 0", "vCPUs not in view 0"),
	KIND(injections, "injection pending", "injections pending"),
	KIND(pauses, "domain pause", "domain pauses"),
	KIND(monitors, "monitor", "monitors"),
	KIND(views, "view", "views"),
	KIND(remaps, "remapped page", "remapped pages"),
	KIND(restricted_pages, "page with restricted rights", "pages with restricted rights"),
	KIND(patched_bytes, "patched byte", "patched bytes"),
	KIND(own_pages, "page of the handler's own", "pages of the handler's own"),
	KIND(lost_effects, "effect of an answer lost", "effects of answers lost"),
#undef KIND
};
#define NKINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint64_t count_of(const struct vmt_leftovers *left, size_t i)
{
	uint64_t n = 0;

	memcpy(&n, (const char *)left + kinds[i].at, kinds[i].size);
	return n;
}

const char *vmt_leftovers_format(const struct vmt_leftovers *left, char *buf, size_t cap)
{
	struct vmt_line line;
	bool any = false;

	vmt_line_init(&line, buf, cap);
	for (size_t i = 0; i < NKINDS; i++) {
		uint64_t n = count_of(left, i);

		if (n == 0)
			continue;
		vmt_line_add(&line, "%s%" PRIu64 " %s", any ? ", " : "", n,
			     n == 1 ? kinds[i].one : kinds[i].many);
		if (kinds[i].at == offsetof(struct vmt_leftovers, patched_bytes))
			vmt_line_add(&line, " at 0x%" PRIx64, left->patched_at.a);
		if (kinds[i].at == offsetof(struct vmt_leftovers, restricted_pages))
			vmt_line_add(&line, " at gfn 0x%" PRIx64, left->restricted_at.n);
		any = true;
	}
	if (!any)
		vmt_line_add(&line, "clean");
	return buf;
}

int vmt_scripted_leftovers(struct vmt_driver *d, struct vmt_leftovers *left)
{
	struct vmt_scripted *s = vmt_scripted_of(d);
	struct vmt_footprint_cursor cursor = {0};
	struct vmt_footprint item;
	int n = 0;

	memset(left, 0, sizeof(*left));
	if (!s)
		return -VMT_E_INVALID;
	if (s->destroyed)
		return 0; /* nothing is left of the domain itself */
	while (vmt_footprint_next(s->model, &cursor, &item) == 1)
		count_item(s, &item, left);
	left->lost_effects = vmt_model_lost(s->model);
	for (size_t i = 0; i < NKINDS; i++)
		n += count_of(left, i) != 0;
	return n;
}

/* -------------------------------------------------------------------------------------------- */
/* Checks                                                                                       */
/* -------------------------------------------------------------------------------------------- */

const char *vmt_check_clean(struct vmt_check *c, struct vmt_driver *d)
{
	struct vmt_leftovers left;
	struct vmt_line line;
	char words[1024];
	int r = vmt_scripted_leftovers(d, &left);

	if (r == 0)
		return NULL;
	vmt_line_init(&line, c->text, sizeof(c->text));
	if (r < 0) {
		vmt_line_add(&line, "%s", d->err.text);
		return c->text;
	}
	vmt_line_add(&line, "expected nothing to be left behind, there are: %s\n",
		     vmt_leftovers_format(&left, words, sizeof(words)));
	return c->text;
}

static void add_bytes(struct vmt_line *line, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		vmt_line_add(line, " %02x", bytes[i]);
}

const char *vmt_check_memory(struct vmt_check *c, struct vmt_driver *d, vmt_gpa gpa,
			     const void *bytes, size_t len)
{
	const uint8_t *expected = bytes;
	struct vmt_line line;
	uint8_t there[256];
	size_t piece;

	for (; len > 0; len -= piece, expected += piece, gpa.a += piece) {
		piece = len < sizeof(there) ? len : sizeof(there);
		vmt_line_init(&line, c->text, sizeof(c->text));
		if (vmt_scripted_read(d, gpa, there, piece) < 0) {
			vmt_line_add(&line, "memory at 0x%" PRIx64 ": %s", gpa.a, d->err.text);
			return c->text;
		}
		if (memcmp(there, expected, piece) == 0)
			continue;
		vmt_line_add(&line, "memory at 0x%" PRIx64 "\nexpected", gpa.a);
		add_bytes(&line, expected, piece);
		vmt_line_add(&line, "\ngot     ");
		add_bytes(&line, there, piece);
		vmt_line_add(&line, "\n");
		return c->text;
	}
	return NULL;
}

const char *vmt_check_delivered(struct vmt_check *c, struct vmt_driver *d, int vector, size_t n)
{
	size_t there = vmt_scripted_ndelivered(d, vector);
	size_t all = vmt_scripted_ndelivered(d, -1);
	struct vmt_line line;

	if (there == n)
		return NULL;
	vmt_line_init(&line, c->text, sizeof(c->text));
	vmt_line_add(&line, "expected the guest to receive %zu exceptions", n);
	if (vector != -1)
		vmt_line_add(&line, " of vector %d", vector);
	vmt_line_add(&line, ", it received %zu:\n", there);
	for (size_t i = 0; i < all; i++) {
		const struct vmt_delivered *delivered = vmt_scripted_delivered(d, i);

		vmt_line_add(&line, "vCPU %u, RIP 0x%" PRIx64 ": ", delivered->vcpu,
			     delivered->rip);
		vmt_line_add_interrupt(&line, &delivered->interrupt);
		vmt_line_add(&line, "\n");
	}
	return c->text;
}
