/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a session does with the record that poll fills, beside what emission.h says.
 */
#ifndef VMT_CORE_RECORD_H
#define VMT_CORE_RECORD_H

#include <vmitape/emission.h>

/** Make @record empty again, so that vmt_output can fill it. */
void vmt_record_clear(struct vmt_record *record);

/**
 * Why the last vmt_output failed (it has no error to fill: poll has no session); status 0: it did
 * not.
 */
const struct vmt_error *vmt_record_error(const struct vmt_record *record);

#endif /* VMT_CORE_RECORD_H */
