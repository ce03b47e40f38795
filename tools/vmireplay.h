/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the parts of vmireplay share: cases, which are runs of a handler over one trace each.
 *
 * A case is a JSON object, as --json prints it: so one that ran in another process, or on another
 * machine, is the same as one that ran here.
 */
#ifndef VMT_TOOLS_VMIREPLAY_H
#define VMT_TOOLS_VMIREPLAY_H

#include <jansson.h>

#include <vmitape/replay.h>

#include "common/options.h"
#include "common/status.h"

enum vmireplay_format {
	VMIREPLAY_TEXT,
	VMIREPLAY_QUIET,
	VMIREPLAY_JSON,
	VMIREPLAY_TAP,
	VMIREPLAY_JUNIT,
	VMIREPLAY_GITHUB,
};

/* vmireplay-cases.c */

/** A case out of a report; @status: what it comes to, with all that was found. */
json_t *vmireplay_case(const struct vmt_replay_report *report, int status);

/** A case that could not be run. */
json_t *vmireplay_case_failed(const char *trace, const struct vmt_error *err, int status);

/** Its exit status. */
int vmireplay_case_status(const json_t *c);

/** The status of all cases together; no case at all is not judged. */
int vmireplay_cases_status(const json_t *cases);

/** Print @cases, an array, to @out. */
void vmireplay_print(const json_t *cases, enum vmireplay_format format, FILE *out);

/** One case as it is printed while others still run: only VMIREPLAY_TEXT, _QUIET and _JSON. */
void vmireplay_print_case(const json_t *c, enum vmireplay_format format, FILE *out);

/* vmireplay-corpus.c: which traces are run */

struct vmireplay_corpus {
	char **paths;
	uint64_t *sizes; /**< stored bytes */
	size_t n, cap;
};

/** The traces that @operands name; a folder stands for all *.vmt below it, sorted by path. */
int vmireplay_corpus_init(struct vmireplay_corpus *corpus, char **operands, int n,
			  struct vmt_error *err);
void vmireplay_corpus_finish(struct vmireplay_corpus *corpus);

/** Keep of @corpus part @text, "K/N" with K from 1: the same on each machine, balanced by size. */
int vmireplay_corpus_shard(struct vmireplay_corpus *corpus, const char *text,
			   struct vmt_error *err);

/** Read cases out of files of --json, and sort them by trace. */
int vmireplay_merge(char **paths, int n, json_t *cases, struct vmt_error *err);

/* vmireplay-jobs.c */

/** Run @run for each of @n cases in up to @max processes; @cases gets what it returned, in order. */
int vmireplay_jobs(unsigned max, size_t n, json_t *(*run)(void *arg, size_t i), void *arg,
		   json_t *cases, struct vmt_error *err);

/* vmireplay-expect.c: what the handler is expected to say */

struct vmireplay_expect {
	const char *trace;
	char path[4096];
	bool exists;
	int fd; /**< what the handler says now, written by its process */
	struct vmt_observer *observer;
	size_t differences;
	uint64_t records;
	bool judged;   /**< it was compared with an expectation */
	bool accepted; /**< the expectation was written */
	char *text;    /**< the comparison, for people */
};

/**
 * Before the run: where there is an expectation, or one is to be written, make an observer that notes
 * what is said.
 */
int vmireplay_expect_init(struct vmireplay_expect *e, const char *trace,
			  const struct vmt_handler_ops *handler, bool accept,
			  struct vmt_error *err);

/**
 * After the run: compare with the expectation where there is one, or with @accept write it. Returns
 * the status of the case, or negative with @err filled.
 */
int vmireplay_expect_judge(struct vmireplay_expect *e, const struct vmt_replay_report *report,
			   bool accept, struct vmt_error *err);

/** Make of @report what is to be shown: the judgement by the expectation, when there was one. */
void vmireplay_expect_show(const struct vmireplay_expect *e, int status,
			   struct vmt_replay_report *report);
void vmireplay_expect_finish(struct vmireplay_expect *e);

#endif /* VMT_TOOLS_VMIREPLAY_H */
