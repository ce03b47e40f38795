/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The handler that counts, exported as a shared object's handlers are. */
#ifndef COST_H
#define COST_H

#include <vmitape/handler.h>

VMT_API extern const struct vmt_handler_ops vmt_handler;

#endif
