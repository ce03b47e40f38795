/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages of the trace by their id, whatever place in it they belong to.
 *
 * A reader gives the pages of the epoch in which it stands. So this one is moved to where a page was
 * named first when it stands elsewhere.
 */
#ifndef VMT_REPLAY_PAGES_H
#define VMT_REPLAY_PAGES_H

#include <vmitape/trace.h>

#define VMT_PAGES_KEPT 8u

/** A place where a page was named first: marks are spread over the trace. */
struct vmt_page_mark {
	uint64_t page, callback;
};

struct vmt_page_marks {
	struct vmt_page_mark *v;
	size_t n, cap;
	uint64_t newest; /**< the largest page id named so far */
};

struct vmt_pages {
	struct vmt_trace_reader *reader;
	struct vmt_page_marks marks;
	uint64_t ids[VMT_PAGES_KEPT]; /**< 0: free */
	bool lost[VMT_PAGES_KEPT];    /**< asked for, and not there */
	uint32_t next;
	uint8_t kept[VMT_PAGES_KEPT][VMT_PAGE_SIZE];
};

int vmt_stored_pages_open(struct vmt_pages *pages, const char *path,
			  const struct vmt_trace_reader_options *options, struct vmt_error *err);
void vmt_stored_pages_finish(struct vmt_pages *pages);

/** The first reading of the trace has come to a record of @callback that names @page. */
int vmt_stored_pages_mark(struct vmt_pages *pages, uint64_t page, uint64_t callback);

/** The page's 4096 bytes, valid for the next VMT_PAGES_KEPT - 1 calls; NULL: they are lost. */
const uint8_t *vmt_stored_pages_get(struct vmt_pages *pages, uint64_t id);

#endif /* VMT_REPLAY_PAGES_H */
