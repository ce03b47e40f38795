/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two sides of a replay, made in memory.
 */
#include "sides.h"

/** When the recorded handler wrote its bytes, and when the guest meets them. */
enum { WRITTEN_AT = 5, MET_AT = 10 };

static void open_one(struct one *one, struct vmt_facts *facts, bool recorded)
{
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_side_init(&one->side, facts, &err), &err);
	vmt_own_init(&one->own, recorded);
	one->meets = (struct vmt_meets){.side = &one->side,
					.own = &one->own,
					.shadows = &one->shadows,
					.time = recorded ? MET_AT : 0};
}

static void close_one(struct one *one)
{
	vmt_shadows_finish(&one->shadows);
	vmt_own_finish(&one->own);
	vmt_side_finish(&one->side);
}

int set_up_sides(void **state)
{
	struct both *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	vmt_timeline_init(&b->facts.timeline);
	vmt_own_init(&b->facts.own, true);
	vmt_gfn_map_init(&b->facts.private_gfns, sizeof(size_t));
	b->facts.origin.info = (struct vmt_info){.arch = VMT_ARCH_X86_64,
						 .capabilities = UINT32_MAX,
						 .vcpus = 2,
						 .views = 8,
						 .xen_major = 4,
						 .xen_minor = 20,
						 .max_gfn = MAX_GFN};
	open_one(&b->recorded, &b->facts, true);
	open_one(&b->replayed, &b->facts, false);
	*state = b;
	return 0;
}

int tear_down_sides(void **state)
{
	struct both *b = *state;

	close_one(&b->recorded);
	close_one(&b->replayed);
	vmt_gfn_map_finish(&b->facts.private_gfns);
	vmt_own_finish(&b->facts.own);
	vmt_timeline_finish(&b->facts.timeline);
	free(b);
	return 0;
}

void watch(struct one *one, uint32_t kind, uint32_t what, uint32_t flags, uint64_t ignore)
{
	struct vmt_monitor monitor = {.kind = kind, .what = what, .flags = flags, .ignore = ignore};
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_model_monitor(one->side.model, &monitor, true, &err), &err);
}

void put_byte(struct one *one, uint64_t gfn, uint32_t offset, uint8_t byte, uint8_t before)
{
	assert_int_equal(vmt_own_write(&one->own, one->own.history ? WRITTEN_AT : 0,
				       vmt_gfn_from(gfn), offset, &byte, 1, &before, NULL),
			 0);
}

void set_rights(struct one *one, vmt_view view, uint64_t gfn, unsigned rights)
{
	struct vmt_error err = {0};
	uint64_t done = 0;

	vmt_assert_ok(vmt_model_set_access(one->side.model, view, vmt_gfn_from(gfn), 1,
					   vmt_access_from(rights), &done, &err),
		      &err);
	assert_int_equal(done, 1);
}

vmt_view add_view(struct one *one, unsigned rights)
{
	struct vmt_error err = {0};
	vmt_view view = 0;

	vmt_assert_ok(vmt_model_create_view(one->side.model, vmt_access_from(rights), &view, &err),
		      &err);
	return view;
}

void switch_to(struct one *one, vmt_view view)
{
	struct vmt_error err = {0};

	vmt_assert_ok(vmt_model_switch_view(one->side.model, view, &err), &err);
}

void put_shadow(struct one *one, vmt_view view, uint64_t gfn, uint8_t fill, uint32_t offset,
		uint8_t byte)
{
	struct vmt_answer *answer = calloc(1, sizeof(*answer));
	vmt_gfn copy = VMT_GFN_ANY;
	struct vmt_error err = {0};

	assert_non_null(answer);
	vmt_assert_ok(vmt_model_alloc_gfn(one->side.model, &copy, &err), &err);
	vmt_assert_ok(vmt_model_remap_gfn(one->side.model, view, vmt_gfn_from(gfn), copy, &err),
		      &err);
	memset(answer->bytes, fill, VMT_PAGE_SIZE);
	memset(answer->from, VMT_FROM_EXACT, VMT_PAGE_SIZE);
	assert_int_equal(vmt_shadows_put(&one->shadows, view, vmt_gfn_from(gfn), answer), 0);
	for (uint32_t i = 0; i < VMT_PAGE_SIZE; i++)
		put_byte(one, copy.n, i, i == offset ? byte : fill, 0);
	free(answer);
}
