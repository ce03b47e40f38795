/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A breakpoint manager in the rig, and short ways to ask it.
 */
#ifndef VMT_TESTS_UTILS_MANAGER_H
#define VMT_TESTS_UTILS_MANAGER_H

#include <vmitape/breakpoint.h>

#include "rig.h"

#define VA_BASE UINT64_C(0xfffff80000040000)
#define ROOT1   UINT64_C(0x2000)
#define ROOT2   UINT64_C(0x3000)

static inline struct vmt_breakpoints *begin(struct rig *rig)
{
	struct vmt_breakpoints *b;

	vmt_assert_ok(vmt_breakpoints_create(rig->session, NULL, &b), vmt_error_of(rig->session));
	rig_calls(rig);
	return b;
}

static inline struct vmt_space space(uint64_t root)
{
	return (struct vmt_space){.root = root, .paging = VMT_PAGING_4};
}

static inline struct vmt_breakpoint bp(struct rig *rig, uint64_t offset, uint64_t root)
{
	return (struct vmt_breakpoint){
		.space = space(root), .address = VA_BASE | offset, .view = rig->view};
}

static inline struct vmt_breakpoint global(struct rig *rig, uint64_t offset, uint64_t root)
{
	struct vmt_breakpoint it = bp(rig, offset, root);

	it.global = true;
	return it;
}

static inline struct vmt_breakpoint keyed(struct vmt_breakpoint it, uint64_t key)
{
	it.key = key;
	return it;
}

static inline struct vmt_breakpoint in_view(struct vmt_breakpoint it, vmt_view view)
{
	it.view = view;
	return it;
}

static inline struct vmt_breakpoint tagged(struct vmt_breakpoint it, uint64_t tag)
{
	it.tag = tag;
	return it;
}

/** Place @it in the page @gfn. */
static inline int place(struct vmt_breakpoints *b, struct vmt_breakpoint it, vmt_gfn gfn)
{
	const vmt_gpa gpa = rig_gpa(gfn, it.address & VMT_PAGE_MASK);

	return vmt_breakpoints_insert_at(b, &it, &gpa);
}

static inline int wait_for(struct vmt_breakpoints *b, struct vmt_breakpoint it)
{
	return vmt_breakpoints_insert_at(b, &it, NULL);
}

static inline int take(struct vmt_breakpoints *b, struct vmt_breakpoint it)
{
	return vmt_breakpoints_remove(b, &it);
}

static inline enum vmt_breakpoint_state state_of(struct vmt_breakpoints *b,
						 struct vmt_breakpoint it)
{
	return vmt_breakpoints_state(b, &it);
}

/** Does an int3 at @offset of @gfn under @root hit a breakpoint of @key? */
static inline bool hits(struct rig *rig, struct vmt_breakpoints *b, vmt_gfn gfn, uint64_t offset,
			uint64_t root, uint64_t key)
{
	const struct vmt_event ev = rig_int3(rig->view, gfn, VA_BASE | offset, root);

	return vmt_breakpoints_find(b, &ev, key, NULL);
}

static inline int page_in(struct rig *rig, struct vmt_breakpoints *b, uint64_t root, vmt_gfn gfn)
{
	return vmt_breakpoints_page_in(b, rig->view, space(root), vmt_gva_from(VA_BASE),
				       vmt_gpa_of(gfn));
}

static inline int page_out(struct rig *rig, struct vmt_breakpoints *b, uint64_t root, vmt_gfn gfn)
{
	return vmt_breakpoints_page_out(b, rig->view, space(root), vmt_gva_from(VA_BASE),
					vmt_gpa_of(gfn));
}

static inline bool is_shadowed(struct rig *rig, vmt_view view, vmt_gfn gfn)
{
	return rig_target(rig, view, gfn).n != gfn.n;
}

#endif /* VMT_TESTS_UTILS_MANAGER_H */
