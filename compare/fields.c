/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields and items: hashes to find them by, and the truth about whether they differ.
 */
#include <string.h>
#include <xxhash.h>

#include "run.h"

static bool has_bytes(const struct vmt_value *v)
{
	return v->type == VMT_TEXT || v->type == VMT_BYTES;
}

bool vmt_compare_value_same(const struct vmt_value *a, const struct vmt_value *b)
{
	if (a->type != b->type)
		return false;
	if (has_bytes(a))
		return a->len == b->len && (a->len == 0 || memcmp(a->v.p, b->v.p, a->len) == 0);
	if (a->type == VMT_BOOL)
		return a->v.b == b->v.b;
	return a->v.u == b->v.u;
}

uint64_t vmt_compare_field_hash(const struct vmt_compare_field *field)
{
	const struct vmt_value *v = &field->value;
	const uint64_t name = XXH3_64bits_withSeed(field->name, strlen(field->name), v->type);
	const uint64_t number = v->type == VMT_BOOL ? v->v.b : v->v.u;

	if (has_bytes(v))
		return XXH3_64bits_withSeed(v->len ? v->v.p : "", v->len, name);
	return XXH3_64bits_withSeed(&number, sizeof(number), name);
}

/** Sums, so that the order of the fields does not matter: a later version may declare another. */
void vmt_compare_item_hash(struct vmt_compare_item *item)
{
	const uint64_t name = XXH3_64bits_withSeed(item->name, strlen(item->name), item->kind);

	item->key = name;
	item->content = name;
	for (uint32_t i = 0; i < item->nfields; i++) {
		const struct vmt_compare_field *field = &item->fields[i];
		uint64_t hash;

		if (field->role == VMT_IGNORE)
			continue;
		hash = vmt_compare_field_hash(field);
		item->content += hash;
		if (field->role == VMT_KEY)
			item->key += hash;
	}
}

/** The field of @item called @name. It mostly stands at @hint. */
static const struct vmt_compare_field *find(const struct vmt_compare_item *item, const char *name,
					    uint32_t hint)
{
	if (hint < item->nfields && strcmp(item->fields[hint].name, name) == 0)
		return &item->fields[hint];
	for (uint32_t i = 0; i < item->nfields; i++)
		if (strcmp(item->fields[i].name, name) == 0)
			return &item->fields[i];
	return NULL;
}

static void note(struct vmt_changed_field *fields, size_t cap, size_t *n, const char *name,
		 const struct vmt_value *from, const struct vmt_value *to)
{
	if (*n < cap)
		fields[*n] = (struct vmt_changed_field){name, from, to};
	++*n;
}

size_t vmt_compare_fields(const struct vmt_compare_item *a, const struct vmt_compare_item *b,
			  struct vmt_changed_field *fields, size_t cap)
{
	size_t n = 0;

	for (uint32_t i = 0; i < a->nfields; i++) {
		const struct vmt_compare_field *f = &a->fields[i];
		const struct vmt_compare_field *other = find(b, f->name, i);

		if (f->role == VMT_IGNORE || (other && other->role == VMT_IGNORE) ||
		    (other && vmt_compare_value_same(&f->value, &other->value)))
			continue;
		note(fields, cap, &n, f->name, &f->value, other ? &other->value : NULL);
	}
	for (uint32_t i = 0; i < b->nfields; i++) {
		const struct vmt_compare_field *f = &b->fields[i];

		if (f->role != VMT_IGNORE && !find(a, f->name, i))
			note(fields, cap, &n, f->name, NULL, &f->value);
	}
	return n;
}

static bool keys_within(const struct vmt_compare_item *a, const struct vmt_compare_item *b)
{
	for (uint32_t i = 0; i < a->nfields; i++) {
		const struct vmt_compare_field *f = &a->fields[i];
		const struct vmt_compare_field *other;

		if (f->role != VMT_KEY)
			continue;
		other = find(b, f->name, i);
		if (!other || !vmt_compare_value_same(&f->value, &other->value))
			return false;
	}
	return true;
}

bool vmt_compare_same_key(const struct vmt_compare_item *a, const struct vmt_compare_item *b)
{
	return a->kind == b->kind && strcmp(a->name, b->name) == 0 && keys_within(a, b) &&
	       keys_within(b, a);
}
