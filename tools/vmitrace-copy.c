/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copying records from one trace to another, with the pages that they name.
 */
#include "vmitrace.h"

/** The id of the page that a record names, or 0. */
static uint64_t page_of(const struct vmt_trace_record *record)
{
	if (record->kind == VMT_TRACE_CAPTURE)
		return ((const struct vmt_trace_capture *)record->body)->page;
	if (record->kind == VMT_TRACE_CALL + VMT_CALL_READ)
		return ((const struct vmt_trace_call *)record->body)->page;
	return 0;
}

int vmitrace_page(struct vmt_trace_reader *r, const struct vmt_trace_record *record, void *page,
		  struct vmt_error *err)
{
	const uint64_t id = page_of(record);
	int n;

	if (!id)
		return 0;
	n = vmt_trace_reader_page(r, id, page, err);
	return n < 0 ? n : 1;
}

int vmitrace_copy(struct vmt_trace_reader *r, struct vmt_trace_writer *w,
		  struct vmt_trace_record *record, struct vmt_error *err)
{
	uint8_t page[VMT_PAGE_SIZE];
	int n = vmitrace_page(r, record, page, err);

	if (n < 0)
		return n == -VMT_E_NO_MEMORY ? n : 0;
	record->page = n ? page : NULL;
	n = vmt_trace_writer_append(w, record, err);
	record->page = NULL;
	return n < 0 ? n : 1;
}
