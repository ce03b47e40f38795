/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The two sides of a replay without a trace: what each handler did is told to it by the test.
 */
#ifndef VMT_TESTS_REPLAY_SIDES_H
#define VMT_TESTS_REPLAY_SIDES_H

#include "support.h"

#include "replay/effective.h"

/** The largest gfn of the guest, which has two vCPUs. */
#define MAX_GFN 0x100

/** One side, and how the guest meets it. */
struct one {
	struct vmt_side side;
	struct vmt_own own;
	struct vmt_shadows shadows;
	struct vmt_meets meets;
};

struct both {
	struct vmt_facts facts;
	struct one recorded, replayed;
};

/** A cmocka setup and teardown: *@state is a struct both whose handlers did nothing yet. */
int set_up_sides(void **state);
int tear_down_sides(void **state);

/** The handler switches on the monitor. */
void watch(struct one *one, uint32_t kind, uint32_t what, uint32_t flags, uint64_t ignore);

/** It writes @byte over the guest's @before. */
void put_byte(struct one *one, uint64_t gfn, uint32_t offset, uint8_t byte, uint8_t before);

/** It lets @view forbid what is not in @rights of the page. */
void set_rights(struct one *one, vmt_view view, uint64_t gfn, unsigned rights);

/** It makes a view with @rights by default. */
vmt_view add_view(struct one *one, unsigned rights);

/** All its vCPUs go on in @view. */
void switch_to(struct one *one, vmt_view view);

/**
 * In @view it shows a copy of the page at @gfn, of which each byte is @fill, and writes @byte to the
 * copy at @offset.
 */
void put_shadow(struct one *one, vmt_view view, uint64_t gfn, uint8_t fill, uint32_t offset,
		uint8_t byte);

#endif /* VMT_TESTS_REPLAY_SIDES_H */
