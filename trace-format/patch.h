/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Patches: a page as the difference to an older one; FORMAT.md section 5.
 */
#ifndef VMT_TRACE_FORMAT_PATCH_H
#define VMT_TRACE_FORMAT_PATCH_H

#include <stddef.h>
#include <stdint.h>

#define VMT_DELTA_DEPTH_MAX 16u

/**
 * Write what makes @page of @base (4096 bytes each) to @out. Returns its length, or 0 when it would
 * take more than @cap bytes.
 */
size_t vmt_patch_make(const uint8_t *base, const uint8_t *page, uint8_t *out, size_t cap);

/** Change @page by a patch that is not trusted. NULL, or what is wrong; then @page is undefined. */
const char *vmt_patch_apply(uint8_t *page, const uint8_t *patch, size_t len);

#endif /* VMT_TRACE_FORMAT_PATCH_H */
