/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patches: a page, or other bytes, as the difference to older ones; FORMAT.md section 5.
 */
#ifndef VMT_TRACE_FORMAT_PATCH_H
#define VMT_TRACE_FORMAT_PATCH_H

#include <stddef.h>
#include <stdint.h>

#define VMT_DELTA_DEPTH_MAX 16u

#define VMT_PATCH_TOO_LONG  SIZE_MAX

/**
 * Write what makes @to of @base (@size bytes each) to @out. Returns its length (0: they are equal),
 * or VMT_PATCH_TOO_LONG when it would take more than @cap bytes.
 */
size_t vmt_patch_make(const uint8_t *base, const uint8_t *to, size_t size, uint8_t *out,
		      size_t cap);

/** Bytes of @out that are enough for any patch to @size bytes. */
#define VMT_PATCH_MOST(size) (2 * (size_t)(size) + 32)

/**
 * Change @size bytes at @to by a patch that is not trusted. NULL, or what is wrong; then they are
 * undefined.
 */
const char *vmt_patch_apply(uint8_t *to, size_t size, const uint8_t *patch, size_t len);

#endif /* VMT_TRACE_FORMAT_PATCH_H */
