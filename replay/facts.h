/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the first reading of a trace finds out: who recorded it, its files, the timeline of its
 * pages, the recorded handler's own bytes, and how far it can be used.
 */
#ifndef VMT_REPLAY_FACTS_H
#define VMT_REPLAY_FACTS_H

#include <vmitape/replay.h>

#include "own-bytes.h"
#include "pages.h"
#include "records.h"
#include "timeline.h"

/** A file of the recording. */
struct vmt_fact_file {
	const char *path;
	int result;
	struct vmt_error error; /**< when it is negative */
	uint32_t id;
	uint64_t size, have; /**< bytes */
	uint8_t *data;
};

/** While a page was the recorded handler's: from one time up to another. */
struct vmt_private {
	uint64_t from, to;
	size_t before; /**< the same page's one before, plus 1; 0: none */
};

struct vmt_facts {
	struct vmt_replay_origin origin;
	const struct vmt_trace_meta *meta;
	struct vmt_copies copies; /**< what meta and paths are in */
	struct vmt_fact_file *files;
	size_t nfiles;
	struct vmt_timeline timeline;
	struct vmt_own own; /**< of the recorded handler */
	struct vmt_pages pages;
	struct vmt_private *privates;
	size_t nprivates, privates_cap;
	struct vmt_gfn_map private_gfns; /**< of size_t: the page's newest, plus 1 */
	uint64_t last_position;          /**< the last record before something is lost */
	uint32_t recorded_end;           /**< enum vmt_end */
	char cut[192];                   /**< why it is not complete, or "" */
};

/** Read the trace at @path once. */
int vmt_facts_read(struct vmt_facts *facts, const char *path,
		   const struct vmt_trace_reader_options *options, struct vmt_error *err);
void vmt_facts_finish(struct vmt_facts *facts);

/** Was @gfn the recorded handler's page at @time? */
bool vmt_facts_private(const struct vmt_facts *facts, vmt_gfn gfn, uint64_t time);

#endif /* VMT_REPLAY_FACTS_H */
