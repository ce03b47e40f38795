/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything at once. A handler needs <vmitape/handler.h> only; a program that runs handlers needs
 * <vmitape/run.h>.
 */
#ifndef VMITAPE_VMITAPE_H
#define VMITAPE_VMITAPE_H

#include <vmitape/breakpoint.h>
#include <vmitape/call.h>
#include <vmitape/driver.h>
#include <vmitape/dry-run.h>
#include <vmitape/emission.h>
#include <vmitape/event.h>
#include <vmitape/fidelity.h>
#include <vmitape/handler.h>
#include <vmitape/memory.h>
#include <vmitape/registers.h>
#include <vmitape/replay.h>
#include <vmitape/run.h>
#include <vmitape/session.h>
#include <vmitape/step-over.h>
#include <vmitape/trace.h>
#include <vmitape/types.h>

#endif /* VMITAPE_VMITAPE_H */
