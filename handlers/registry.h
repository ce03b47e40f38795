/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bundled handlers, for the files of handlers/.
 */
#ifndef VMT_HANDLERS_REGISTRY_H
#define VMT_HANDLERS_REGISTRY_H

#include <vmitape/handler.h>

/** Their names with ", " between, at most @cap bytes with NUL. Returns @buf. */
const char *vmt_handler_names(char *buf, size_t cap);

#endif /* VMT_HANDLERS_REGISTRY_H */
