/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A shared object that is no handler.
 */
#include <vmitape/types.h>

VMT_API extern const int vmt_handlers_are_elsewhere;
const int vmt_handlers_are_elsewhere = 1;
