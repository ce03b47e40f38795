/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The model against Xen: a driver that passes each call on and asks a model of the same domain first.
 *
 * The model is told of every call, and of every event as what the guest did to cause it; then what it
 * says is compared with what came from Xen:
 *
 *   call       a call's result and the values that it gives: rights, view numbers, gfns
 *   event      an event that the model sees a reason for, with its flags, view and fields
 *   registers  all registers of the vCPU while its event is looked at: is the write done, where is RIP
 *   state      control registers and MSRs that are watched, at the next event: denied and deferred
 *              writes, registers that were set
 *   repeat     the same event again after a plain answer, with the same registers
 *   step       a vCPU that steps gives a step event, or stops at the very instruction
 *   rights     the rights of each page that was touched, in each view, after each call and event
 *   bytes      the bytes that a reset puts back
 *
 * Before each call that changes something the domain is paused and the ring emptied into a queue, so
 * that the model sees events and calls in the order in which they took place.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <vmitape/driver.h>

enum oracle_kind {
	ORACLE_CALL,
	ORACLE_EVENT,
	ORACLE_REGISTERS,
	ORACLE_STATE,
	ORACLE_REPEAT,
	ORACLE_STEP,
	ORACLE_RIGHTS,
	ORACLE_BYTES,
	ORACLE_KINDS,
};

extern const char *const oracle_kind_names[ORACLE_KINDS];

/** What was compared so far; filled in as the calls are made, and lives on after the driver. */
struct oracle_result {
	unsigned long compared[ORACLE_KINDS];
	unsigned long differences;
	char first[512]; /**< the first difference, a sentence */
};

/**
 * A driver over @inner, which it closes with itself. Returns 0 and *@d, or negative with @err; then
 * @inner is still the caller's.
 */
int oracle_open(struct vmt_driver *inner, struct oracle_result *result, struct vmt_driver **d,
		struct vmt_error *err);

#endif
