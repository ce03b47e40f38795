/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of the replay driver.
 *
 *   replay.c          making it, and what callers ask it
 *   align.c           where in the recording the replayed session is; the recorded side follows
 *   events.c          wait, next, answer, commit
 *   calls.c           calls, in callbacks and between them
 *   memory.c          reads and writes of a callback
 *   observe.c         callbacks begin and end
 *   compare.c         one callback, recorded and replayed
 *   differences.c     what is noted of a difference
 *   report.c          names, verdict, texts
 *
 * Below them, knowing nothing of a session: facts, timeline, own-bytes, stillness, pages, records
 * (the trace); side, effective, footprints, dispositions (the two handlers); answers.
 *
 * "Recorded" and "replayed" are the two handlers, as in replay.h.
 */
#ifndef VMT_REPLAY_REPLAY_PRIVATE_H
#define VMT_REPLAY_REPLAY_PRIVATE_H

#include <vmitape/call.h>
#include <vmitape/replay.h>

#include "answers.h"
#include "dispositions.h"
#include "effective.h"
#include "facts.h"
#include "footprints.h"
#include "records.h"
#include "side.h"
#include "stillness.h"

#define VMT_CALLS_KEPT 32u

/** A call of the replayed handler, for the report. */
struct vmt_kept_call {
	struct vmt_call call; /**< what it points to is in here, or was forgotten */
	struct vmt_monitor monitor;
	struct vmt_interrupt interrupt;
	vmt_gfn gfn;
	uint32_t provenance;
};

/** A record of the recorded callback that runs. */
struct vmt_callback_record {
	uint64_t moment;
	bool used;  /**< the replayed handler made this call too */
	bool tried; /**< a recorder has asked for the whole page around it */
};

/** An emission of the replayed callback that runs; in vmt_callback_now.copies. */
struct vmt_kept_emission {
	const struct vmt_schema *schema;
	const struct vmt_value *values;
	size_t n;
};

/** The callback that runs, or ran last. */
struct vmt_callback_now {
	bool runs;
	bool aligned; /**< it stands in the recording, too; at the front of the window */
	struct vmt_callback cb;
	uint64_t recorded; /**< its number there, or VMT_REPLAY_NONE */
	uint64_t event;    /**< the event's number in the trace, or VMT_REPLAY_NONE */
	struct vmt_event ev;

	struct vmt_callback_record *records; /**< from its CALLBACK to its CALLBACK_END */
	size_t nrecords, records_cap;
	bool has_end;       /**< the last of them is the CALLBACK_END */
	bool failed_reads;  /**< some of them are reads that failed */
	size_t next_effect; /**< of the recorded ones */
	bool in_step;       /**< the same effects so far, in the same order */
	bool any_effect;
	bool other_regs; /**< registers were set that the recorded handler did not set */
	struct vmt_here here;
	uint32_t weakest; /**< provenance */

	struct vmt_copies copies;
	struct vmt_kept_emission *emissions;
	size_t nemissions, emissions_cap;
	struct vmt_kept_call calls[VMT_CALLS_KEPT]; /**< the first ones */
	uint64_t ncalls;
};

/** An event that the session holds: its bytes must live until it is answered. */
struct vmt_lent {
	bool used;
	uint64_t ticket;
	struct vmt_event ev;
	void *raw;
};

/** What became of an event of the batch at hand, decided when the batch came. */
struct vmt_decided {
	uint64_t ticket;
	bool delivered;
};

struct vmt_replay {
	struct vmt_call_driver base;
	struct vmt_observer observer;
	struct vmt_file_source file_source;
	struct vmt_replay_config config;
	struct vmt_session *session;
	int stop_fd;
	struct vmt_option *options; /**< of vmt_replay_session_config */

	struct vmt_facts facts;
	struct vmt_window window;
	struct vmt_still still;
	uint64_t time; /**< behind the last record that was used */
	uint64_t event_number;
	uint64_t recorded_now; /**< of the last recorded wait */
	uint64_t now;          /**< of the last replayed one */
	uint64_t *cr3;         /**< by vCPU: at its last event */

	struct vmt_side recorded, replayed;
	struct vmt_own own; /**< the replayed handler's */
	struct vmt_shadows recorded_shadows, replayed_shadows;
	/**
	 * Since the two footprints were equal, the two handlers have done the same: they still are.
	 */
	bool alike;
	bool skipping;      /**< in a recorded callback that is not replayed */
	bool recorded_over; /**< the recorded teardown has begun */
	/** The recorded future does not hold, or there is none: no record is used any more. */
	bool past;
	bool over; /**< the replayed teardown has begun */

	struct vmt_lent lent[VMT_HELD_MAX];
	struct vmt_decided decided[VMT_HELD_MAX];
	uint32_t ndecided;

	struct vmt_callback_now cur;
	struct vmt_divergence suspect; /**< where the handlers last did different things */
	bool suspected;
	uint64_t suspect_callback; /**< its replayed number */
	uint64_t forgiven;         /**< the gfn of a whole-page miss that may be the recorder's */
	struct vmt_judgement judged;
	struct vmt_error broken;                      /**< why the trace or memory gave out */
	struct vmt_replay_report *report, own_report; /**< the first points to the one in use */
};

static inline struct vmt_meets vmt_recorded_meets(const struct vmt_replay *r)
{
	return (struct vmt_meets){&r->recorded, &r->facts.own, &r->recorded_shadows, r->time};
}

static inline struct vmt_meets vmt_replayed_meets(const struct vmt_replay *r)
{
	return (struct vmt_meets){&r->replayed, &r->own, &r->replayed_shadows, 0};
}

/* align.c */

#define VMT_NOT_FOUND SIZE_MAX

/** Bits for vmt_align_seek. */
#define VMT_KIND(kind) (UINT64_C(1) << (kind))

/**
 * The first record of one of @kinds, before any of @barriers, as a number from the window's front;
 * VMT_NOT_FOUND: none.
 */
size_t vmt_align_seek(struct vmt_replay *r, uint64_t kinds, uint64_t barriers);

/** The record at the front is used: the recorded side follows it, and it is dropped. */
void vmt_align_use(struct vmt_replay *r);

/** The same for @n records that only the recorded session has. */
void vmt_align_consume(struct vmt_replay *r, size_t n);

/** The same in two: follow records @from to @to - 1 without dropping; drop the first @n. */
void vmt_align_follow(struct vmt_replay *r, size_t from, size_t to);
void vmt_align_drop(struct vmt_replay *r, size_t n);

/** The record has arguments equal to those of @call. */
bool vmt_same_arguments(const struct vmt_trace_call *tc, const struct vmt_call *call);

/** Give @call the recorded results, its failure with the whole error. Returns its result. */
int vmt_take_results(struct vmt_replay *r, const struct vmt_trace_call *tc, struct vmt_call *call);

/** The place where the replayed session is, outside of recorded callbacks. */
struct vmt_here vmt_here_now(const struct vmt_replay *r);

/** A side has remapped: note or forget the page that is shadowed. */
int vmt_note_remap(struct vmt_replay *r, bool recorded, const struct vmt_call *call);

/** The trace or memory gave out: the run cannot go on. The first reason is kept. */
void vmt_replay_break(struct vmt_replay *r, const struct vmt_error *err);

/* events.c */

int vmt_replay_wait(struct vmt_replay *r, struct vmt_call *call);
int vmt_replay_next(struct vmt_replay *r, struct vmt_call *call);
int vmt_replay_answer(struct vmt_replay *r, struct vmt_call *call);
int vmt_replay_commit(struct vmt_replay *r, struct vmt_call *call);

/** Compare the footprints now that the guest goes on. */
void vmt_replay_judge(struct vmt_replay *r);

/** Ask the session to stop if the recorded one was stopped here. */
void vmt_replay_stop_here(struct vmt_replay *r, bool in_batch);

/* calls.c */

/** A call of the handler, in a callback. */
int vmt_callback_call(struct vmt_replay *r, struct vmt_call *call);
/** A call of the session itself, between callbacks. */
int vmt_session_level_call(struct vmt_replay *r, struct vmt_call *call);
/** A call that only the model can answer. */
int vmt_model_only(struct vmt_replay *r, struct vmt_call *call);

/**
 * The recorded call that is @call in the callback that runs, not used yet: its number in the window,
 * or VMT_NOT_FOUND.
 */
size_t vmt_callback_match(const struct vmt_replay *r, const struct vmt_call *call);
/** Record @n of the callback is used: the place moves behind it. */
void vmt_callback_used(struct vmt_replay *r, size_t n);

/* memory.c */

int vmt_replay_read(struct vmt_replay *r, struct vmt_call *call);
/** The write was carried out: note the replayed handler's own bytes. */
int vmt_replay_wrote(struct vmt_replay *r, const struct vmt_call *call);
/** The trace has no answer to this. Returns -VMT_E_NOT_RECORDED. */
int vmt_replay_miss(struct vmt_replay *r, const struct vmt_call *call, const char *what);

/* observe.c */

extern const struct vmt_observer_ops vmt_replay_observer_ops;

/* compare.c */

/** The callback that runs has ended with @result: compare, if it stands in both. */
void vmt_compare_callback(struct vmt_replay *r, const struct vmt_callback_result *result);
/** A poll has ended; @recorded: its record or NULL, @output the recorded output or NULL. */
void vmt_compare_poll(struct vmt_replay *r, const struct vmt_callback_result *result,
		      const struct vmt_trace_poll *recorded, const struct vmt_trace_output *output);
/** A recorded emission whose callback is not replayed. */
void vmt_compare_lost(struct vmt_replay *r, const struct vmt_trace_record *record);

/* differences.c */

/** Fill in where the replayed session is: callback, event, its calls. */
void vmt_describe_place(struct vmt_replay *r, struct vmt_divergence *d);

/**
 * A difference in the callback that runs or ran last. The first is kept whole. @what, @recorded and
 * @replayed are texts.
 */
void vmt_differs(struct vmt_replay *r, enum vmt_difference difference, const char *what,
		 const char *recorded, const char *replayed);
/** The same where it came to light later: at the last place where the handlers did not agree. */
void vmt_differs_since(struct vmt_replay *r, enum vmt_difference difference, const char *what,
		       const char *recorded, const char *replayed);

/** Nothing of the recording is used from here on: the first difference has ended the run. */
void vmt_replay_end_here(struct vmt_replay *r, enum vmt_replay_stop stop);

/**
 * The trace has no more records: if it ends before the recorded session does, the run has no more
 * that it could be compared with, and ends here. What the handler is denied from here on, and that
 * it fails for it, is the cut's and not its own. True: it is so.
 */
bool vmt_replay_cut_here(struct vmt_replay *r);
/** The run has come to the cut: nothing of the handler is judged any more. */
bool vmt_behind_cut(const struct vmt_replay *r);

/** Keep @call for the report. */
void vmt_keep_call(struct vmt_replay *r, const struct vmt_call *call, uint32_t provenance);

/* replay.c */

/**
 * Keep the report at @place from now on: in memory that outlives this process, it tells how far the
 * handler came. @place must live as long as the driver.
 */
void vmt_replay_report_at(struct vmt_driver *replay, struct vmt_replay_report *place);

/* report.c */

/** Bring the verdict up to date with what is counted. */
void vmt_report_judge(struct vmt_replay_report *report, bool allow_cut);

#endif /* VMT_REPLAY_REPLAY_PRIVATE_H */
