/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an event's raw bytes most probably are; FORMAT.md section 7, "Raw bytes".
 */
#ifndef VMT_TRACE_FORMAT_PREDICT_H
#define VMT_TRACE_FORMAT_PREDICT_H

#include <vmitape/event.h>

/**
 * Fill @raw (@len bytes) with what the decoded fields of @ev say of them, zeros elsewhere. Only
 * what stands in the trace counts: registers that are known, the fields of the event's reason.
 */
void vmt_trace_predict_raw(const struct vmt_event *ev, uint8_t *raw, size_t len);

#endif /* VMT_TRACE_FORMAT_PREDICT_H */
