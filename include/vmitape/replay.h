/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replay: a recorded session as a driver, and the judgement of what a handler does under it.
 *
 * The whole of it in one call, in a process of its own:
 *
 *     struct vmt_replay_run run = {.trace = "x.vmt", .handler = &vmt_handler};
 *     struct vmt_replay_report report;
 *
 *     if (vmt_replay_run(&run, &report, &err) < 0)
 *             ...                              // the trace cannot be read at all
 *     exit_status = report.status;
 *
 * or by hand:
 *
 *     vmt_replay_create("x.vmt", NULL, &d, &err);
 *     vmt_replay_session_config(d, &vmt_handler, &config);
 *     config.observers = ...;                  // vmt_replay_observer(d) among them
 *     vmt_session_create(&config, &s, &err);
 *     vmt_replay_set_session(d, s);
 *     vmt_session_run(s, NULL);
 *     vmt_session_destroy(s);
 *     vmt_replay_report(d, &report);
 *     vmt_driver_close(d);
 *
 * What happened to the guest is taken from the trace: waits, events, timeouts and stops come in the
 * order in which they were recorded. What the handler asks is answered from what is known at that
 * moment, never from the order of the recorded reads; bytes that the trace does not hold are
 * -VMT_E_NOT_RECORDED and never made up. What the handler does to the domain is kept beside what
 * the recorded handler did: as long as the two are alike for the guest, the recorded future is a
 * fact. Where they are not, the report says what is known and what is not.
 *
 * Below, "recorded" is the handler of the trace and "replayed" the one that runs now.
 */
#ifndef VMITAPE_REPLAY_H
#define VMITAPE_REPLAY_H

#include <vmitape/driver.h>
#include <vmitape/run.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- */
/* Configuration                                                                                */
/* -------------------------------------------------------------------------------------------- */

/** What is compared. */
enum vmt_replay_match {
	/**
	 * Emissions, output, and what the handler has changed in the guest when each callback ends.
	 * Which calls led there does not matter.
	 */
	VMT_REPLAY_MODEL = 0,
	/** Effects, responses, emissions and output of each callback, one by one, in order. */
	VMT_REPLAY_STRICT = 1,
};

/** What a read gets that the trace has no bytes for. */
enum vmt_replay_missing {
	VMT_REPLAY_ERROR = 0, /**< -VMT_E_NOT_RECORDED, and the run goes on */
	VMT_REPLAY_STOP = 1,  /**< the same, and the run ends after this callback */
	VMT_REPLAY_STALE = 2, /**< the newest earlier bytes, else the oldest later ones */
};

/**
 * Where the bytes that answered a read came from, from the most to the least trusted. A read's
 * provenance is that of its weakest byte. The numbers are stable.
 */
enum vmt_provenance {
	VMT_FROM_NOWHERE = 0,   /**< nothing was read */
	VMT_FROM_OWN = 1,       /**< the replayed handler wrote them itself */
	VMT_FROM_EMULATION = 2, /**< reserved */
	VMT_FROM_EXACT = 3,     /**< recorded in the very same callback */
	VMT_FROM_FROZEN = 4,    /**< recorded while the guest stood still between there and here */
	VMT_FROM_BRACKETED = 5, /**< recorded before and after, and equal */
	VMT_FROM_STALE = 6,     /**< recorded before; only with VMT_REPLAY_STALE */
	VMT_FROM_FUTURE = 7,    /**< recorded after; only with VMT_REPLAY_STALE */
	VMT_FROM_REDACTED = 8,  /**< reserved */
	VMT_FROM_MISSING = 9,   /**< not recorded: the read failed */
	VMT_PROVENANCE_COUNT
};

/** "own", "exact", ... "missing"; "none" for 0, "unknown" for anything else. Never NULL. */
VMT_API const char *vmt_provenance_name(unsigned provenance);

/** All zero is the default. */
struct vmt_replay_config {
	uint32_t match;       /**< enum vmt_replay_match */
	uint32_t missing;     /**< enum vmt_replay_missing */
	uint32_t cache_bytes; /**< for decoded pages of the trace; 0: 64 MiB */
	/** A trace that is cut or damaged is judged by what is there, and can be the same. */
	bool allow_cut;
	/** A recorder stands between session and replay: what it reads for itself is no miss. */
	bool recording;
	/** Raise SIGTRAP before event @break_event (from 0) is given to the handler. */
	bool breaks;
	uint64_t break_event;
};

/* -------------------------------------------------------------------------------------------- */
/* The trace as a driver                                                                        */
/* -------------------------------------------------------------------------------------------- */

/**
 * Open the trace at @path and read through it once; @config may be NULL. vmt_driver_close() frees
 * the driver. -VMT_E_DAMAGED: nothing in it is a trace, or what it says cannot be;
 * -VMT_E_NOT_SUPPORTED: it is too new; -VMT_E_IO, -VMT_E_NO_MEMORY.
 *
 * The functions below take this driver itself, not one that wraps it.
 */
VMT_API int vmt_replay_create(const char *path, const struct vmt_replay_config *config,
			      struct vmt_driver **driver, struct vmt_error *err);

/** What the trace says of the recorded session. Texts are the driver's. */
struct vmt_replay_origin {
	const char *tool;    /**< that recorded it */
	const char *handler; /**< its name: for people. Nothing is loaded by it */
	const char *handler_version;
	const struct vmt_option *options; /**< those that were in force */
	size_t noptions;
	struct vmt_info info; /**< the domain, when the session began */
	int timeout_ms, settle_ms;
	uint32_t drain_max;
	uint32_t policy; /**< of capture: 1 reads, 2 pages, 3 context, 4 memory */
	bool derived;    /**< recorded again after a divergence */
	bool complete;   /**< it ended in order and nothing is lost */
	uint64_t callbacks, events, records; /**< that are there */
};
VMT_API const struct vmt_replay_origin *vmt_replay_origin(struct vmt_driver *replay);

/** Must be among the session's observers. The driver's. */
VMT_API struct vmt_observer *vmt_replay_observer(struct vmt_driver *replay);

/** Files as the recorded handler read them; any other is -VMT_E_NOT_RECORDED. The driver's. */
VMT_API struct vmt_file_source *vmt_replay_files(struct vmt_driver *replay);

/**
 * Fill @config with driver, files, and the recorded options and times; options that @handler does
 * not declare are left out. What @config points to is the driver's. Observers are the caller's to
 * set.
 */
VMT_API int vmt_replay_session_config(struct vmt_driver *replay,
				      const struct vmt_handler_ops *handler,
				      struct vmt_session_config *config);

/**
 * The session that runs on @replay, so that a stop that was recorded between two events can be
 * asked for at the same place. Before vmt_session_run or _begin.
 */
VMT_API void vmt_replay_set_session(struct vmt_driver *replay, struct vmt_session *session);

/* -------------------------------------------------------------------------------------------- */
/* The report                                                                                   */
/* -------------------------------------------------------------------------------------------- */

/** The verdict, which is also the exit status of tools. */
enum vmt_verdict {
	VMT_VERDICT_SAME = 0,
	VMT_VERDICT_DIFFERENT = 1,
	VMT_VERDICT_CUT = 3,     /**< the trace is cut or damaged */
	VMT_VERDICT_UNKNOWN = 4, /**< could not judge: bytes missing, blind traps, not finished */
	VMT_VERDICT_FAILED = 5,  /**< the handler failed, crashed, hung, left, or ate too much */
	VMT_VERDICT_ENVIRONMENT = 7, /**< no memory, no process, input or output failed */
};

/** "same", "different", ... Never NULL. */
VMT_API const char *vmt_verdict_name(unsigned verdict);

/** The verdict that counts when there are two: the first of 7 3 5 4 1 0. */
VMT_API unsigned vmt_verdict_worse(unsigned a, unsigned b);

/** In what a replayed handler differs. */
enum vmt_difference {
	VMT_DIFFERS_NOTHING = 0,
	VMT_DIFFERS_EMISSION = 1,  /**< emissions of the callback */
	VMT_DIFFERS_OUTPUT = 2,    /**< the final result */
	VMT_DIFFERS_RESPONSE = 3,  /**< the guest goes on in another way after this event */
	VMT_DIFFERS_FOOTPRINT = 4, /**< what the guest can see was changed in another way */
	VMT_DIFFERS_EFFECT = 5,    /**< strict: another call that changes the domain */
	VMT_DIFFERS_END = 6,       /**< one of the two is over, or failed, and the other is not */
	VMT_DIFFERS_FUTURE = 7,    /**< what comes now depends on a trap that only was recorded */
	VMT_DIFFERENCE_COUNT
};

/** "emission", "output", ... Never NULL. */
VMT_API const char *vmt_difference_name(unsigned difference);

#define VMT_REPLAY_NONE UINT64_MAX /**< no such callback or event */

/** The first place where the replayed handler differs. All texts end with NUL. */
struct vmt_divergence {
	uint32_t difference;        /**< enum vmt_difference; 0: there is none */
	uint32_t provenance;        /**< enum vmt_provenance: the weakest served to this callback */
	uint64_t callback;          /**< its recorded number, or VMT_REPLAY_NONE */
	uint64_t replayed_callback; /**< its number in this run, or VMT_REPLAY_NONE */
	uint64_t event; /**< the event that it handles, counted from 0 in the trace, or NONE */
	uint64_t now;   /**< ns */
	uint64_t rip;   /**< of that event, when rip_known */
	uint32_t callback_kind; /**< enum vmt_callback_kind */
	uint32_t phase;         /**< enum vmt_phase */
	uint16_t vcpu, reason;  /**< of the event */
	bool rip_known;
	bool ends;            /**< the run ended here: the recorded future is not this handler's */
	char event_text[192]; /**< vmt_event_format */
	char what[192];       /**< "emission 0 (opened): path" */
	char recorded[768], replayed[768]; /**< side by side */
	char calls[3072];                  /**< the calls of this callback, a line each */
	char prevent[384];                 /**< what would have prevented it, or "" */
	char look[384];                    /**< a command that shows more */
};

/** How a run came to its end, beside the handler's own. */
enum vmt_replay_stop {
	VMT_STOPPED_AT_END = 0,    /**< the whole recording was replayed */
	VMT_STOPPED_BY_CHANGE = 1, /**< at a divergence, see vmt_divergence.ends */
	VMT_STOPPED_BY_MISS = 2,   /**< VMT_REPLAY_STOP */
	VMT_STOPPED_BY_CUT = 3,    /**< the trace has no more */
	VMT_STOPPED_CRASHED = 4,   /**< the handler's process got a signal */
	VMT_STOPPED_HUNG = 5,      /**< a callback took longer than allowed, and was killed */
	VMT_STOPPED_LEFT = 6,      /**< the handler called exit() or the like */
	VMT_STOPPED_MEMORY = 7,    /**< it used more memory than allowed */
	VMT_STOPPED_FAILED = 8,    /**< the run itself failed; see error */
	VMT_REPLAY_STOP_COUNT
};

/** "at the end", "at a change", ... Never NULL. */
VMT_API const char *vmt_replay_stop_name(unsigned stop);

/** What came out of one run. It owns nothing and can be copied. */
struct vmt_replay_report {
	uint32_t verdict; /**< enum vmt_verdict */
	uint32_t stop;    /**< enum vmt_replay_stop */
	int32_t signal;   /**< VMT_STOPPED_CRASHED: which */
	int32_t exited;   /**< VMT_STOPPED_LEFT: with which status */
	bool complete;    /**< the trace is */
	bool same_end;    /**< session and recording ended alike */

	/* Events of the recording. Those not counted were never come to. */
	uint64_t recorded_events, recorded_callbacks;
	uint64_t delivered;
	uint64_t suppressed;  /**< only the recorded handler's traps caused them */
	uint64_t blind;       /**< traps that only the replayed handler has, the most at once */
	uint64_t blind_times; /**< how often the guest went on with such traps */
	uint64_t blind_seen;  /**< events that show that the guest reached such a trap */

	/* What the replayed handler was told. */
	uint64_t reads[VMT_PROVENANCE_COUNT]; /**< by enum vmt_provenance */
	uint64_t oldest; /**< the greatest age of stale bytes served, in records of the trace */
	uint64_t misses; /**< reads and other questions that the trace has no answer to */
	uint64_t misses_pages; /**< of them: would be there with `--capture pages` */
	uint64_t
		modelled; /**< calls answered by the model: the recorded handler did not make them */
	uint64_t timeouts_made; /**< timeouts of the replayed handler's own choice of time */

	/* What it did. */
	uint64_t callbacks, events, emissions;         /**< of this run */
	uint64_t compared;                             /**< callbacks that stand in both */
	uint64_t differences;                          /**< in all, the first included */
	uint64_t differences_by[VMT_DIFFERENCE_COUNT]; /**< of them, by enum vmt_difference */
	uint64_t last_callback; /**< that began, in this run; VMT_REPLAY_NONE: none did */
	uint64_t last_event;    /**< that was delivered, by its number in the trace; or NONE */
	uint64_t last_rip;      /**< of it, when last_rip_known */
	uint16_t last_vcpu, last_reason; /**< of it */
	bool last_rip_known;
	uint32_t last_kind;         /**< enum vmt_callback_kind: of the last callback */
	uint32_t end, recorded_end; /**< enum vmt_end */

	struct vmt_divergence first; /**< the first difference */
	char blind_text[256];        /**< the first trap that is blind, and since which callback */
	char miss_text[256];         /**< the first miss, and in which callback */
	struct vmt_error error;      /**< of the session, or of the run itself */
	char trace[256];             /**< its path */
	char handler[64];
};

/** What is known so far; after the session's end it is all of it. */
VMT_API void vmt_replay_report(struct vmt_driver *replay, struct vmt_replay_report *report);

/**
 * The report for people: the first difference, what is missing or blind, then the summary line. To
 * be freed; NULL: no memory.
 */
VMT_API char *vmt_replay_report_text(const struct vmt_replay_report *report);

/**
 * One line without line end: "x.vmt: different at callback 12, event 5; 40 of 41 events ...". At
 * most @cap bytes with NUL. Returns @buf.
 */
VMT_API const char *vmt_replay_summary(const struct vmt_replay_report *report, char *buf,
				       size_t cap);

/* -------------------------------------------------------------------------------------------- */
/* Running                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/**
 * Stands between the replay driver and the session: the recorder, when a run is recorded again.
 * Called in the process that runs the handler.
 */
struct vmt_replay_hook {
	/**
	 * Before the session: wrap @inner. *@outer owns it from then on; @observer may be set to
	 * one more observer. On failure @inner is left as it is.
	 */
	int (*open)(void *arg, struct vmt_driver *inner, struct vmt_driver **outer,
		    struct vmt_observer **observer, struct vmt_error *err);
	/** After the session, before the drivers are closed. @report: the verdict so far. */
	int (*close)(void *arg, const struct vmt_replay_report *report, struct vmt_error *err);
	void *arg;
};

#define VMT_REPLAY_HANG_MS   UINT32_C(10000)
#define VMT_REPLAY_MEMORY_MB UINT32_C(2048)

/** All zero but @trace and @handler is the default. */
struct vmt_replay_run {
	const char *trace;
	const struct vmt_handler_ops *handler;
	struct vmt_replay_config replay;

	/** Those of the trace are taken, and these on top of them. */
	const struct vmt_option *options;
	size_t noptions;
	/** Besides the replay's own. Called in the process that runs the handler. */
	struct vmt_observer *const *observers;
	size_t nobservers;
	const struct vmt_replay_hook *hook; /**< or NULL */

	/** Run the handler in this process: for debuggers. Nothing below holds then. */
	bool no_isolation;
	uint32_t hang_ms;   /**< the longest that a callback may take; 0: VMT_REPLAY_HANG_MS */
	uint32_t memory_mb; /**< the most memory the process may use; 0: VMT_REPLAY_MEMORY_MB */
};

/**
 * Run a handler over a trace, in a child process unless told otherwise. A crash, a hang, an exit()
 * or too much memory ends the child alone: @report says in which callback and event. 0 when
 * @report has a verdict; negative with @err filled, and the verdict in @report, when nothing could
 * be run: the trace cannot be read, a bad option, no process.
 *
 * The caller may have threads; they do not exist in the child, and locks that they hold stay held
 * there: handlers and observers must not need them.
 */
VMT_API int vmt_replay_run(const struct vmt_replay_run *run, struct vmt_replay_report *report,
			   struct vmt_error *err);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_REPLAY_H */
