/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Callbacks, records and outcomes as lines of text, for messages and for a collector's dump.
 */
#ifndef VMT_TESTING_TEXT_H
#define VMT_TESTING_TEXT_H

#include <stdio.h>

#include <vmitape/emission.h>
#include <vmitape/event.h>
#include <vmitape/run.h>

/** 17, -3, true, 0x1000, "text with \n escaped", or bytes as hex digits. */
void vmt_print_value(FILE *f, const struct vmt_value *value);

/** opened pid=17 path="/etc": @names may be NULL, and may have fewer fields than there are values. */
void vmt_print_record(FILE *f, const char *schema, const struct vmt_field *names, size_t nnames,
		      const struct vmt_value *values, size_t n);

/** The response in words, with those registers in which it differs from @ev's (may be NULL). */
void vmt_print_response(FILE *f, const struct vmt_response *rsp, const struct vmt_event *ev);

/** All that is known of an event: a line, then its registers, four in a line. */
void vmt_print_event(FILE *f, const struct vmt_event *ev);

/** How a session ended, in one line. */
void vmt_print_outcome(FILE *f, const struct vmt_outcome *outcome);

#endif /* VMT_TESTING_TEXT_H */
