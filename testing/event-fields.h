/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of events and responses by name, for expectations; the names stand at struct vmt_expect.
 */
#ifndef VMT_TESTING_EVENT_FIELDS_H
#define VMT_TESTING_EVENT_FIELDS_H

#include <stdio.h>

#include <vmitape/event.h>

/**
 * NULL and *@value, or why there is no value ("the event has no such field"). The sentence lives
 * for ever.
 */
const char *vmt_event_field_get(const struct vmt_event *ev, const char *name, uint64_t *value);
const char *vmt_response_field_get(const struct vmt_response *rsp, const char *name,
				   uint64_t *value);

/** Write a value as suits its field: a reason or an action by name, numbers in hexadecimal. */
void vmt_event_field_print(FILE *f, const char *name, uint64_t value);
void vmt_response_field_print(FILE *f, const char *name, uint64_t value);

#endif /* VMT_TESTING_EVENT_FIELDS_H */
