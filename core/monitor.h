/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What makes a monitor meaningless, for whoever passes one on.
 */
#ifndef VMT_CORE_MONITOR_H
#define VMT_CORE_MONITOR_H

#include <vmitape/driver.h>

/** A sentence that says why no driver could mean @monitor, or NULL when it is well formed. */
const char *vmt_monitor_problem(const struct vmt_monitor *monitor);

#endif /* VMT_CORE_MONITOR_H */
