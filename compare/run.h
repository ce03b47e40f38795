/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A run in memory: callbacks, and in each its items, in the order in which they were given.
 */
#ifndef VMT_COMPARE_RUN_H
#define VMT_COMPARE_RUN_H

#include <vmitape/compare.h>

struct vmt_compare_callback {
	struct vmt_compare_place place;
	uint32_t first, nitems;
};

struct vmt_compare_block;

struct vmt_compare_run {
	struct vmt_compare_callback **callbacks; /**< pointers, so that items can point there */
	size_t ncallbacks, callbacks_cap;
	struct vmt_compare_item *items;
	size_t nitems, items_cap;
	struct vmt_compare_block *blocks; /**< what names, fields and values stand in */
	const char **names;               /**< a hash table: each name is kept once */
	size_t nnames, names_cap;
	size_t bytes, max_bytes;
	const char *const *ignore; /**< the caller's */
	size_t nignore;
};

/** The event of a callback, or NULL. */
const struct vmt_compare_item *vmt_compare_event_of(const struct vmt_compare_run *run,
						    const struct vmt_compare_callback *callback);

/* fields.c */

/** Are two values of the same type and equal? */
bool vmt_compare_value_same(const struct vmt_value *a, const struct vmt_value *b);

/** Hash of one field: its name, type and value. */
uint64_t vmt_compare_field_hash(const struct vmt_compare_field *field);

/** Fill the hashes of @item. */
void vmt_compare_item_hash(struct vmt_compare_item *item);

/**
 * The fields in which two items differ, at most @cap of them in @fields; how many there are in all.
 * Fields are found by name; those that are VMT_IGNORE in either are not compared.
 */
size_t vmt_compare_fields(const struct vmt_compare_item *a, const struct vmt_compare_item *b,
			  struct vmt_changed_field *fields, size_t cap);

/** Have both items the same kind, the same name and equal key fields? */
bool vmt_compare_same_key(const struct vmt_compare_item *a, const struct vmt_compare_item *b);

#endif /* VMT_COMPARE_RUN_H */
