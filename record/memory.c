/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The policy memory: the whole of the guest's memory, while the domain is paused.
 *
 * It is taken before the handler is created, and once more when its footprint is gone at the end. A
 * page that has not changed in between costs a record, for the trace stores equal contents once. Of a
 * gfn without a page it is noted that there is none, so that replay does not take it for unknown. Gaps
 * are wide (the map of a small guest ends below 4 GiB all the same): behind 2 MiB without a page only
 * each 2 MiB's first gfn is looked at, where memory begins when it does.
 */
#include "recorder.h"

#define STEP UINT64_C(512) /* gfns in 2 MiB */

void vmt_recorder_capture_memory(struct vmt_recorder *r)
{
	const struct vmt_error err = r->base.driver.err;
	uint64_t absent = 0;
	uint64_t max;
	uint64_t gfn = 0;

	if (r->config.capture < VMT_CAPTURE_MEMORY || !vmt_recorder_is_on(r))
		return;
	max = vmt_session_info(r->session)->max_gfn;
	while (gfn <= max && vmt_recorder_is_on(r)) {
		struct vmt_trace_capture capture = {.purpose = VMT_TRACE_MEMORY,
						    .gfn = vmt_gfn_from(gfn)};
		int n = vmt_driver_read(r->inner, capture.gfn, 0, r->page, VMT_PAGE_SIZE);

		if (n < 0) {
			capture.result = n;
			capture.error.status = -n; /* a sentence for each of them says no more */
		}
		vmt_recorder_append(r, VMT_TRACE_CAPTURE, &capture, n < 0 ? NULL : r->page);
		absent = n == -VMT_E_UNMAPPED ? absent + 1 : 0;
		gfn += absent >= STEP ? STEP - gfn % STEP : 1;
	}
	/* None of this is the session's business. */
	r->base.driver.err = err;
}
