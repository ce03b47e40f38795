/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Comparing two runs of handlers: what was said and done in one and not in the other.
 *
 * A run is given as data, callback by callback, so it may come out of a trace, an expectation file
 * or a session that runs now:
 *
 *     vmt_compare_run_create(0, &a, &err);
 *     vmt_compare_run_callback(a, &place, &err);                      // a callback begins
 *     vmt_compare_run_record(a, VMT_COMPARE_EMISSION, schema, values, n, &err);
 *     ...                                                             // the same for b
 *     vmt_compare(a, b, 0, &comparison, &err);
 *     vmt_comparison_text(comparison, &report, put, stdout);
 *
 * Two runs are never compared line by line. First the callbacks are aligned, by the events that
 * they handle: one that stands in one run alone does not shift those after it. Then, inside of two
 * callbacks that belong together, the items are: those that are equal, in any order; of the rest,
 * those with the same name and the same key fields, which are shown as changed, field by field.
 * What is left over was added or removed; when the very same stands elsewhere in the other run, it
 * was moved. Fields that have the role VMT_IGNORE in either run are not looked at.
 *
 * Time and memory are bounded: both grow with the size of the runs, not with its square, for any
 * two runs.
 */
#ifndef VMITAPE_COMPARE_H
#define VMITAPE_COMPARE_H

#include <vmitape/emission.h>
#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* -------------------------------------------------------------------------------------------- */
/* A run                                                                                        */
/* -------------------------------------------------------------------------------------------- */

#define VMT_COMPARE_NONE UINT64_MAX /**< no event, no callback */

/** What can stand in a callback. The order is that of reports. */
enum vmt_compare_kind {
	VMT_COMPARE_EVENT = 0,    /**< what the callback is about; at most one, and the first */
	VMT_COMPARE_RESPONSE = 1, /**< how the guest was told to go on */
	VMT_COMPARE_EFFECT = 2,   /**< a call that changes the domain */
	VMT_COMPARE_EMISSION = 3,
	VMT_COMPARE_OUTPUT = 4,  /**< the final result */
	VMT_COMPARE_FAILURE = 5, /**< the handler reported that it failed */
	VMT_COMPARE_END = 6,     /**< how the session ended */
	VMT_COMPARE_KIND_COUNT
};

/** "event", "response", ... Never NULL. */
VMT_API const char *vmt_compare_kind_name(unsigned kind);

#define VMT_COMPARE_BIT(kind) (1u << (kind))
/** Everything. */
#define VMT_COMPARE_ALL ((1u << VMT_COMPARE_KIND_COUNT) - 1)
/** What a handler says: emissions, output, failures, end. */
#define VMT_COMPARE_SAID                                                               \
	(VMT_COMPARE_BIT(VMT_COMPARE_EMISSION) | VMT_COMPARE_BIT(VMT_COMPARE_OUTPUT) | \
	 VMT_COMPARE_BIT(VMT_COMPARE_FAILURE) | VMT_COMPARE_BIT(VMT_COMPARE_END))

/** Where in a run a callback stands. */
struct vmt_compare_place {
	uint64_t callback; /**< its number */
	uint64_t event;    /**< the event that it handles, or VMT_COMPARE_NONE */
	uint64_t now;      /**< ns */
	uint64_t rip;      /**< of the event, when rip_known */
	uint32_t kind;     /**< enum vmt_callback_kind (run.h) */
	uint32_t phase;    /**< enum vmt_phase (handler.h) */
	uint32_t
		provenance; /**< enum vmt_provenance (replay.h): the weakest served; 0: not known */
	uint16_t vcpu, reason; /**< of the event */
	bool rip_known;
};

/** One field of an item. */
struct vmt_compare_field {
	const char *name;
	struct vmt_value value;
	uint8_t role; /**< enum vmt_role, or 0 */
};

/** One thing that was said or done. All of it belongs to the run. */
struct vmt_compare_item {
	uint32_t kind;    /**< enum vmt_compare_kind */
	uint32_t nfields; /**< of @fields, in their order */
	const char *name; /**< of the schema, the call, the reason */
	const struct vmt_compare_field *fields;
	const struct vmt_compare_place *place; /**< of its callback */
	uint64_t key, content;                 /**< hashes: of the key fields, of what counts */
	uint32_t callback;                     /**< its callback, counted from 0 in this run */
};

struct vmt_compare_run;

#define VMT_COMPARE_RUN_BYTES ((size_t)1 << 30)

/** An empty run that may grow to @max_bytes; 0: VMT_COMPARE_RUN_BYTES. -VMT_E_NO_MEMORY. */
VMT_API int vmt_compare_run_create(size_t max_bytes, struct vmt_compare_run **run,
				   struct vmt_error *err);
VMT_API void vmt_compare_run_destroy(struct vmt_compare_run *run); /**< NULL is allowed */

/**
 * Fields of items to come that are not to be compared, whatever their role: @fields, "FIELD" or
 * "NAME.FIELD" of items called NAME, @n of them. Borrowed until the run is destroyed.
 */
VMT_API void vmt_compare_run_ignore(struct vmt_compare_run *run, const char *const *fields,
				    size_t n);

/** A callback begins. -VMT_E_LIMIT: the run is too large; -VMT_E_NO_MEMORY. */
VMT_API int vmt_compare_run_callback(struct vmt_compare_run *run,
				     const struct vmt_compare_place *place, struct vmt_error *err);

/** Bytes of this provenance were served to the callback that is open: the weakest is kept. */
VMT_API void vmt_compare_run_served(struct vmt_compare_run *run, uint32_t provenance);

/**
 * Something was said or done in the callback that is open. All is copied. -VMT_E_WRONG_PLACE when
 * there is no callback, or for an event that is not its first item; -VMT_E_INVALID,
 * -VMT_E_LIMIT, -VMT_E_NO_MEMORY.
 */
VMT_API int vmt_compare_run_item(struct vmt_compare_run *run, enum vmt_compare_kind kind,
				 const char *name, const struct vmt_compare_field *fields,
				 size_t nfields, struct vmt_error *err);

/** The same, of a record with its schema; NULL: a record without values, called "nothing". */
VMT_API int vmt_compare_run_record(struct vmt_compare_run *run, enum vmt_compare_kind kind,
				   const struct vmt_schema *schema, const struct vmt_value *values,
				   size_t n, struct vmt_error *err);

/** How many callbacks, and the items in all; item @n or NULL. */
VMT_API size_t vmt_compare_run_callbacks(const struct vmt_compare_run *run);
VMT_API size_t vmt_compare_run_items(const struct vmt_compare_run *run);
VMT_API const struct vmt_compare_item *vmt_compare_run_item_at(const struct vmt_compare_run *run,
							       size_t n);

/* -------------------------------------------------------------------------------------------- */
/* The comparison                                                                               */
/* -------------------------------------------------------------------------------------------- */

enum vmt_change {
	VMT_REMOVED = 0, /**< stands in the first run only */
	VMT_ADDED = 1,   /**< stands in the second run only */
	VMT_CHANGED = 2, /**< fields have other values */
	VMT_MOVED = 3,   /**< the very same, in another callback */
	VMT_CHANGE_COUNT
};

/** "removed", "added", ... Never NULL. */
VMT_API const char *vmt_change_name(unsigned change);

/** One field that differs; NULL: this side does not have it. */
struct vmt_changed_field {
	const char *name;
	const struct vmt_value *from, *to;
};

/** One difference. */
struct vmt_difference_item {
	uint32_t change;                        /**< enum vmt_change */
	uint32_t nfields;                       /**< of @fields */
	const struct vmt_compare_item *from;    /**< NULL when it was added */
	const struct vmt_compare_item *to;      /**< NULL when it was removed */
	const struct vmt_changed_field *fields; /**< CHANGED: those that differ */
	/**
	 * The callback in which it stands, in both runs; NULL: this run has none like it. For what
	 * was moved, that of @to.
	 */
	const struct vmt_compare_place *from_place, *to_place;
	size_t row; /**< of vmt_comparison_rows() */
	/** Of the callbacks of both sides: enum vmt_provenance, 0: not known. */
	uint32_t provenance;
};

struct vmt_comparison;

/**
 * Compare @from with @to, which must live as long as @comparison. Of the kinds in @kinds
 * (VMT_COMPARE_BIT; 0: VMT_COMPARE_ALL) differences are found; callbacks are aligned by their
 * events in any case. -VMT_E_NO_MEMORY; -VMT_E_INVALID.
 */
VMT_API int vmt_compare(const struct vmt_compare_run *from, const struct vmt_compare_run *to,
			uint32_t kinds, struct vmt_comparison **comparison, struct vmt_error *err);
VMT_API void vmt_comparison_destroy(struct vmt_comparison *comparison); /**< NULL is allowed */

/** The differences, by their place in the runs; *@n of them. NULL when there are none. */
VMT_API const struct vmt_difference_item *
vmt_comparison_differences(const struct vmt_comparison *comparison, size_t *n);

/** How many items of a kind are in both runs and equal, or differ by @change. */
VMT_API uint64_t vmt_comparison_same(const struct vmt_comparison *comparison, unsigned kind);
VMT_API uint64_t vmt_comparison_count(const struct vmt_comparison *comparison, unsigned kind,
				      unsigned change);

/** One callback of either run, or of both; the runs side by side, in order. */
struct vmt_comparison_row {
	/** Its number, counted from 0 in this run, or SIZE_MAX: the run has none like it. */
	size_t from, to;
	const struct vmt_compare_place *from_place, *to_place; /**< or NULL */
};
VMT_API const struct vmt_comparison_row *
vmt_comparison_rows(const struct vmt_comparison *comparison, size_t *n);

/** Callbacks that stand in both runs, and those that stand in one alone. */
struct vmt_comparison_callbacks {
	uint64_t aligned, only_from, only_to;
};
VMT_API struct vmt_comparison_callbacks
vmt_comparison_callbacks(const struct vmt_comparison *comparison);

/* -------------------------------------------------------------------------------------------- */
/* Reports                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Takes text; negative: stop. */
typedef int vmt_compare_put(void *context, const char *text, size_t len);

struct vmt_compare_report {
	const char *from, *to; /**< names of the runs: paths */
	bool colour;           /**< of a terminal */
	size_t max;            /**< differences that are shown; 0: all */
	/** The name of an enum vmt_provenance; NULL: it is not shown. */
	const char *(*provenance_name)(unsigned provenance);
};

/**
 * For people: the summary, a line for each kind, then the differences by callback. 0, or what @put
 * returned. What comes out of a guest is escaped: a terminal gets printable ASCII only.
 */
VMT_API int vmt_comparison_text(const struct vmt_comparison *comparison,
				const struct vmt_compare_report *report, vmt_compare_put *put,
				void *context);

/** For programs: one JSON object in one line, with a line end. Numbers are whole. */
VMT_API int vmt_comparison_json(const struct vmt_comparison *comparison,
				const struct vmt_compare_report *report, vmt_compare_put *put,
				void *context);

/**
 * One value as JSON: addresses as "0x..", bytes as digits, text that is no UTF-8 as {"bytes": ".."},
 * numbers above the greatest signed one as text, since most readers would round them.
 */
VMT_API int vmt_compare_value_json(const struct vmt_value *value, vmt_compare_put *put,
				   void *context);

/* -------------------------------------------------------------------------------------------- */
/* Expectations                                                                                 */
/* -------------------------------------------------------------------------------------------- */

/**
 * What a handler is expected to say over a trace: lines of JSON, beside the trace. The first line
 * tells of which trace and handler, the last one how the session ended; between them stand what was
 * emitted, put out or reported as failed, each with its callback.
 */
struct vmt_expectation_head {
	char trace[33];   /**< the record digest of the trace, as digits */
	char handler[64]; /**< its name */
	char version[64];
};

/** Write the first line. @schemas: NULL-terminated, those of the handler; NULL: none. */
VMT_API int vmt_expectation_put_head(const struct vmt_expectation_head *head,
				     const struct vmt_schema *const *schemas, vmt_compare_put *put,
				     void *context);

/** Write a record: an emission, an output (@schema may be NULL), a failure (without a schema). */
VMT_API int vmt_expectation_put_record(const struct vmt_compare_place *place,
				       enum vmt_compare_kind kind, const struct vmt_schema *schema,
				       const struct vmt_value *values, size_t n,
				       vmt_compare_put *put, void *context);

/** Write the last line: vmt_end_name() of the session's end. */
VMT_API int vmt_expectation_put_end(const char *end, vmt_compare_put *put, void *context);

struct vmt_expectation {
	struct vmt_expectation_head head;
	struct vmt_compare_run *run; /**< to be compared by what was said: VMT_COMPARE_SAID */
	uint64_t records;
	bool ended; /**< the last line is there */
};

/**
 * Read an expectation out of @text, @len bytes. -VMT_E_DAMAGED with the line's number in
 * @err->place when it is none; -VMT_E_NOT_SUPPORTED: of a newer version; -VMT_E_LIMIT,
 * -VMT_E_NO_MEMORY. One without its last line is read and says so in @ended. @expectation can be
 * finished in any case.
 */
VMT_API int vmt_expectation_init(struct vmt_expectation *expectation, const char *text, size_t len,
				 struct vmt_error *err);
VMT_API void vmt_expectation_finish(struct vmt_expectation *expectation);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_COMPARE_H */
