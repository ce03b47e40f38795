/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The footprint of a model: what the monitor has changed and not undone, to be walked, compared with
 * another model's and shown.
 */
#ifndef VMITAPE_MODEL_FOOTPRINT_H
#define VMITAPE_MODEL_FOOTPRINT_H

#include <vmitape/driver.h>

struct vmt_model;

enum vmt_footprint_kind {
	VMT_FOOTPRINT_BYTES = 1,   /**< @gfn, @offset, @len, @bytes, @before */
	VMT_FOOTPRINT_RIGHTS = 2,  /**< @view, @gfn, @access */
	VMT_FOOTPRINT_VIEW = 3,    /**< @view exists, with default @access */
	VMT_FOOTPRINT_REMAP = 4,   /**< in @view, @gfn shows @to */
	VMT_FOOTPRINT_MONITOR = 5, /**< @monitor is on */
	VMT_FOOTPRINT_STEPPING =
		6, /**< @vcpu is being stepped; @view: a fast step goes back to it */
	VMT_FOOTPRINT_IN_VIEW = 7,   /**< @vcpu runs in @view, not 0 */
	VMT_FOOTPRINT_INJECTION = 8, /**< @interrupt waits for @vcpu */
	VMT_FOOTPRINT_PAUSE = 9,     /**< the domain is paused, @count times */
	VMT_FOOTPRINT_OWN_PAGE = 10, /**< @gfn was allocated */
	VMT_FOOTPRINT_HELD = 11,     /**< @vcpu is held by @count unanswered events */
	VMT_FOOTPRINT_KIND_COUNT
};

/** "bytes", "rights", ... Never NULL. */
const char *vmt_footprint_kind_name(unsigned kind);

/** One thing that was changed and not undone. Fields that its kind does not name are 0. */
struct vmt_footprint {
	uint16_t kind; /**< enum vmt_footprint_kind */
	uint16_t vcpu;
	vmt_view view;
	uint16_t fast; /**< STEPPING: 1: a fast step */
	vmt_gfn gfn, to;
	uint32_t offset, len; /**< BYTES: a run within one page */
	uint32_t count;
	struct vmt_access access;
	bool before_known;     /**< BYTES: false: the page source could not tell the pre-image */
	const uint8_t *bytes;  /**< BYTES: what was written; valid until the model changes */
	const uint8_t *before; /**< BYTES: the pre-image */
	struct vmt_monitor monitor;
	struct vmt_interrupt interrupt;
};

/** Where an iteration stands. All zero is the beginning. */
struct vmt_footprint_cursor {
	uint32_t kind;
	uint32_t view;
	uint64_t index;
};

/**
 * The next item, ordered by kind, then by vCPU, monitor, view, gfn, offset: 1 and @item, or 0 at
 * the end. The model must not change meanwhile.
 */
int vmt_footprint_next(const struct vmt_model *m, struct vmt_footprint_cursor *cursor,
		       struct vmt_footprint *item);

/** How many items there are. */
size_t vmt_footprint_count(const struct vmt_model *m);

/** Order of two items: by what they are about, then by content. 0: the same change. */
int vmt_footprint_compare(const struct vmt_footprint *a, const struct vmt_footprint *b);

/**
 * Walk what only one of two models has: @differs is called for each item with @side 0 (only in @a)
 * or 1 (only in @b); a result other than 0 ends the walk and is returned. 0: the whole was walked.
 */
int vmt_footprint_differences(const struct vmt_model *a, const struct vmt_model *b,
			      int (*differs)(void *arg, int side, const struct vmt_footprint *item),
			      void *arg);

/** "view 1 gfn 0x1f2 rights --x": at most @cap bytes with NUL. Returns @buf. */
const char *vmt_footprint_format(const struct vmt_footprint *item, char *buf, size_t cap);

/** Counts up with each change of the footprint: equal values, equal footprint. */
uint64_t vmt_model_generation(const struct vmt_model *m);

/** Was @gfn allocated by the monitor? */
bool vmt_model_own_page(const struct vmt_model *m, vmt_gfn gfn);

/**
 * Put the guest's bytes in place of own ones in @buf, which holds what was read from @gfn: where an
 * own byte still stands, its pre-image.
 */
void vmt_model_mask_own(const struct vmt_model *m, vmt_gfn gfn, uint32_t offset, void *buf,
			uint32_t len);

#endif /* VMITAPE_MODEL_FOOTPRINT_H */
