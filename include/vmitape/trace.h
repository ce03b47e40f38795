/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Traces: the recorded session in one file. Writing, reading, seeking, digests.
 *
 * The format is written down in trace-format/FORMAT.md; the words used here are explained there.
 *
 *     struct vmt_trace_reader *r;
 *     struct vmt_trace_record record;
 *
 *     if (vmt_trace_reader_open("x.vmt", NULL, &r, &err) < 0)
 *             ...
 *     while ((n = vmt_trace_reader_next(r, &record, &err)) == 1)
 *             vmt_trace_record_visit(&record, visitor);
 *     vmt_trace_reader_close(r);
 *
 * A trace is untrusted input: what a reader does with it is bounded in memory and time, damage is
 * found and named with the range that it cost, and no record is made up.
 */
#ifndef VMITAPE_TRACE_H
#define VMITAPE_TRACE_H

#include <vmitape/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VMT_TRACE_MAJOR 0u
#define VMT_TRACE_MINOR 2u

/* -------------------------------------------------------------------------------------------- */
/* Records                                                                                      */
/* -------------------------------------------------------------------------------------------- */

/** Kinds of records; FORMAT.md section 7. The numbers never change. */
enum vmt_trace_kind {
	VMT_TRACE_META = 1,
	VMT_TRACE_ATTRIBUTE = 2,
	VMT_TRACE_END = 3,
	VMT_TRACE_GAP = 4,
	VMT_TRACE_PAGE = 5,
	VMT_TRACE_INDEX = 6,
	VMT_TRACE_CAPTURE = 7,
	VMT_TRACE_FILE = 8,
	VMT_TRACE_FILE_DATA = 9,
	VMT_TRACE_BEGIN = 10,
	VMT_TRACE_CALLBACK = 11,
	VMT_TRACE_CALLBACK_END = 12,
	VMT_TRACE_POLL = 13,
	VMT_TRACE_OUTPUT = 14,
	VMT_TRACE_EMISSION = 15,
	VMT_TRACE_LOG = 16,
	VMT_TRACE_FAILURE = 17,
	VMT_TRACE_TEARDOWN = 18,
	VMT_TRACE_DEFAULT_ANSWER = 19,
	VMT_TRACE_OUTCOME = 20,
	VMT_TRACE_CRASH = 21,
	VMT_TRACE_BACKEND = 22,
	VMT_TRACE_EVENT = 23,
	/** A driver call is this + enum vmt_call_op (call.h). */
	VMT_TRACE_CALL = 32,
	VMT_TRACE_KIND_COUNT = 60
};

/** "meta", "event", "read", ...; "unknown" for anything else. Never NULL. */
VMT_API const char *vmt_trace_kind_name(unsigned kind);

/** The kind called @name, or 0. */
VMT_API unsigned vmt_trace_kind_find(const char *name);

/** "none", "create", "loop", "cleanup", "drain", "over"; "unknown" else. Never NULL. */
VMT_API const char *vmt_trace_phase_name(unsigned phase);

/** One record. On reading, all pointers are valid until the next call for its reader. */
struct vmt_trace_record {
	uint16_t kind; /**< enum vmt_trace_kind */
	uint8_t phase; /**< 0, or enum vmt_phase (handler.h) */
	uint8_t flags; /**< 0 */
	uint32_t reserved;
	uint64_t callback;
	uint64_t position; /**< given by the writer, in the order of appending */
	uint64_t event;    /**< reading: how many event records came before this one */
	const void *body;  /**< the kind's struct (trace-format/record.h) */
	/**
	 * Writing, for the kinds that name a page: its 4096 bytes, which the writer stores once and
	 * numbers; NULL: none. Reading: NULL, see vmt_trace_reader_page().
	 */
	const void *page;
};

/** Told the fields of a record, in their order. Each callback may be NULL. */
struct vmt_trace_visitor;
struct vmt_trace_visitor_ops {
	void (*uint)(struct vmt_trace_visitor *v, const char *name, uint64_t value, bool hex);
	void (*sint)(struct vmt_trace_visitor *v, const char *name, int64_t value);
	void (*boolean)(struct vmt_trace_visitor *v, const char *name, bool value);
	/** @text: meant to be UTF-8, which is not certain; no NUL is at its end. */
	void (*bytes)(struct vmt_trace_visitor *v, const char *name, const void *p, size_t len,
		      bool text);
	void (*none)(struct vmt_trace_visitor *v,
		     const char *name); /**< a text that is not there */
	/** A struct or list begins; in a list, names are NULL. */
	void (*open)(struct vmt_trace_visitor *v, const char *name, bool list);
	void (*close)(struct vmt_trace_visitor *v, bool list);
};
struct vmt_trace_visitor {
	const struct vmt_trace_visitor_ops *ops;
};

/** Show the fields of @record. 0, or -VMT_E_INVALID for a kind without a table. */
VMT_API int vmt_trace_record_visit(const struct vmt_trace_record *record,
				   struct vmt_trace_visitor *visitor);

/** Takes text; negative: stop. */
typedef int vmt_trace_put(void *context, const char *text, size_t len);

/**
 * Write @record as one line of JSON, without line end: position, callback, phase, kind, then the
 * fields. Numbers are whole; addresses, masks and registers are texts such as "0x1f2"; bytes are
 * texts of hexadecimal digits; a text that is no UTF-8 is {"bytes": "..."}. 0 or what @put returned.
 */
VMT_API int vmt_trace_record_json(const struct vmt_trace_record *record, vmt_trace_put *put,
				  void *context);

/**
 * Write where @a and @b (of one kind) differ first, as a path of fields ("response.regs.rip"), to
 * @path, at most @cap bytes with NUL. 1: they differ; 0: they do not. Page ids are not compared.
 */
VMT_API int vmt_trace_record_differ(const struct vmt_trace_record *a,
				    const struct vmt_trace_record *b, char *path, size_t cap);

/* -------------------------------------------------------------------------------------------- */
/* Digests                                                                                      */
/* -------------------------------------------------------------------------------------------- */

struct vmt_trace_digests {
	uint8_t behaviour[16]; /**< events, effects with results, responses, emissions, output */
	uint8_t record[16];    /**< everything */
	bool known;            /**< false: a page or a chunk is lost */
};

/* -------------------------------------------------------------------------------------------- */
/* Writing                                                                                      */
/* -------------------------------------------------------------------------------------------- */

struct vmt_trace_writer;

/** All zero is the default. */
struct vmt_trace_writer_options {
	uint32_t tag;         /**< of the trace; 0: a random one */
	int level;            /**< of zstd, 1 to 19; 0: 1; -1: no compression */
	uint32_t chunk_bytes; /**< of raw bytes; 0: 1 MiB */
	uint32_t chunk_ms;    /**< a chunk is written after this time at the latest; 0: 1000 */
	uint64_t epoch_bytes; /**< of raw bytes; 0: 256 MiB */
	uint32_t ring_bytes;  /**< between the appending thread and the writing one; 0: 16 MiB */
	bool same_thread;     /**< compress and write in append: slow, for tools and tests */
	bool replace;         /**< an existing trace of this name is replaced */
};

/**
 * Begin a trace. The file is @path + ".partial", mode 0600, locked, until close gives it its name.
 * -VMT_E_EXISTS: there is a trace of this name; -VMT_E_BUSY: another writer is at it.
 */
VMT_API int vmt_trace_writer_open(const char *path, const struct vmt_trace_writer_options *options,
				  struct vmt_trace_writer **writer, struct vmt_error *err);

/** Write to @fd (a pipe, a socket, a file) instead. The writer does not close it. */
VMT_API int vmt_trace_writer_open_fd(int fd, const struct vmt_trace_writer_options *options,
				     struct vmt_trace_writer **writer, struct vmt_error *err);

/**
 * Append one record; the first is META. Copies; never waits for compression or the disk unless the
 * ring is full. By one thread. A failure of the disk is returned by the calls after it.
 * -VMT_E_LIMIT: a field is longer than the format takes; nothing was appended.
 */
VMT_API int vmt_trace_writer_append(struct vmt_trace_writer *w,
				    const struct vmt_trace_record *record, struct vmt_error *err);

/** Wait until all that was appended is with the operating system, as whole chunks. */
VMT_API int vmt_trace_writer_flush(struct vmt_trace_writer *w, struct vmt_error *err);

/** Why a recording ended; FORMAT.md, `end`. */
enum vmt_trace_end_reason {
	VMT_TRACE_END_OVER = 1,
	VMT_TRACE_END_EVENTS = 2,
	VMT_TRACE_END_TIME = 3,
	VMT_TRACE_END_BYTES = 4,
	VMT_TRACE_END_SPACE = 5,
	VMT_TRACE_END_IO = 6,
	VMT_TRACE_END_DIED = 7,
	VMT_TRACE_END_CUT = 8,
};

struct vmt_trace_summary {
	uint64_t records, events, callbacks, pages;
	uint64_t raw_bytes, stored_bytes; /**< of all chunks; stored_bytes: of the file */
	struct vmt_trace_digests digests;
};

/**
 * Write the end, the index and the footer, and give the file its name. The writer is freed in any
 * case. When it fails, what is there keeps the name with ".partial" and is readable up to its last
 * whole chunk. @text (NULL: "") and @summary may be NULL.
 */
VMT_API int vmt_trace_writer_close(struct vmt_trace_writer *w, enum vmt_trace_end_reason reason,
				   const char *text, struct vmt_trace_summary *summary,
				   struct vmt_error *err);

/** Leave the trace unfinished, as a killed writer would. NULL is allowed. */
VMT_API void vmt_trace_writer_abandon(struct vmt_trace_writer *w);

/* -------------------------------------------------------------------------------------------- */
/* Writing from another process                                                                 */
/* -------------------------------------------------------------------------------------------- */

/*
 * The process that records appends into shared memory; another one, the keeper, takes the records
 * from there, compresses and writes. So what was appended is written even when the recording
 * process is killed.
 *
 *     either of them           vmt_trace_ring_create(0, &ring, &err);
 *     the keeper               vmt_trace_sink_attach(ring, "x.vmt", -1, NULL, &sink, &err);
 *     the recording process    vmt_trace_writer_open_ring(ring, keeper_pidfd, &writer, &err);
 *                              vmt_trace_writer_append(writer, ...), vmt_trace_writer_close(...)
 *     the keeper, all along    while ((r = vmt_trace_sink_step(sink, 20, &err)) > 0)
 *                                      if (the recording process is gone)
 *                                              vmt_trace_sink_died(sink, SIGKILL, 0, "...", &err);
 */

/**
 * Make the memory for a ring of @bytes (0: 16 MiB; a power of two is made of it). *@fd is a
 * descriptor, close-on-exec, that is handed to the other process by inheritance or a socket. Each
 * side may close it once it has opened or attached.
 */
VMT_API int vmt_trace_ring_create(uint32_t bytes, int *fd, struct vmt_error *err);

/**
 * Append into the ring behind @ring. @peer: a descriptor that gets readable when the process with
 * the sink is gone (its pidfd, or a pipe of which it alone holds the writing end); -1: none. It is
 * looked at while waiting: when the ring is full, in flush and in close. Not closed.
 *
 * Append, flush, close and abandon work as they do otherwise; close waits until the other process
 * has given the trace its name. When that fails or is gone, they return its error: -VMT_E_IO.
 * -VMT_E_ABI: the other side is of another version.
 */
VMT_API int vmt_trace_writer_open_ring(int ring, int peer, struct vmt_trace_writer **writer,
				       struct vmt_error *err);

/** The writing side of a ring. */
struct vmt_trace_sink;

/**
 * Begin the trace @path (as vmt_trace_writer_open), or write to @fd when @path is NULL, from what
 * comes through @ring. When this fails, the appending side is told as well.
 */
VMT_API int vmt_trace_sink_attach(int ring, const char *path, int fd,
				  const struct vmt_trace_writer_options *options,
				  struct vmt_trace_sink **sink, struct vmt_error *err);

/**
 * Take what is there, a bounded part of it at a time; when there is nothing, wait up to @timeout_ms
 * for more. 1: go on; 0: the appending side has closed the trace and it has its name. -VMT_E_GONE:
 * it has left the trace unfinished. Else the disk failed, or what came through the ring is not what
 * a writer sends (-VMT_E_DAMAGED); appending fails from then on.
 */
VMT_API int vmt_trace_sink_step(struct vmt_trace_sink *sink, int timeout_ms, struct vmt_error *err);

/**
 * The appending process is dead: write all whole records that it left in the ring. When @signal or
 * @status is not 0, a CRASH record with them and @text (NULL: "") follows. The trace has no end: it
 * keeps the name with ".partial" and is incomplete - unless the process had closed it before, which
 * is done then. No step may follow.
 */
VMT_API int vmt_trace_sink_died(struct vmt_trace_sink *sink, int signal, int status,
				const char *text, struct vmt_error *err);

/** Free it. A trace that was not closed stays unfinished. NULL is allowed. */
VMT_API void vmt_trace_sink_destroy(struct vmt_trace_sink *sink);

/* -------------------------------------------------------------------------------------------- */
/* Reading                                                                                      */
/* -------------------------------------------------------------------------------------------- */

struct vmt_trace_reader;

struct vmt_trace_reader_options {
	uint32_t cache_bytes; /**< for decoded chunks of pages; 0: 64 MiB */
	bool digests;         /**< compute them on the way */
};

/** Open a file. -VMT_E_DAMAGED: nothing in it is a trace; -VMT_E_NOT_SUPPORTED: too new. */
VMT_API int vmt_trace_reader_open(const char *path, const struct vmt_trace_reader_options *options,
				  struct vmt_trace_reader **reader, struct vmt_error *err);

/** Read from @fd, which may be a pipe (then there is no seeking). The reader does not close it. */
VMT_API int vmt_trace_reader_open_fd(int fd, const struct vmt_trace_reader_options *options,
				     struct vmt_trace_reader **reader, struct vmt_error *err);

VMT_API void vmt_trace_reader_close(struct vmt_trace_reader *r); /**< NULL is allowed */

/**
 * The next record of the events stream: 1, or 0 at the end. Damage is stepped over: see
 * vmt_trace_reader_damage(). Negative: -VMT_E_IO, -VMT_E_NO_MEMORY, or -VMT_E_NOT_SUPPORTED for a
 * critical record that only a newer version knows.
 */
VMT_API int vmt_trace_reader_next(struct vmt_trace_reader *r, struct vmt_trace_record *record,
				  struct vmt_error *err);

/**
 * Go to the first record whose callback is @callback or a later one; to event @event (from 0). The
 * next record is that one. -VMT_E_NOT_FOUND when there is none; -VMT_E_NOT_SUPPORTED on a pipe.
 * Digests are unknown afterwards.
 */
VMT_API int vmt_trace_reader_seek_callback(struct vmt_trace_reader *r, uint64_t callback,
					   struct vmt_error *err);
VMT_API int vmt_trace_reader_seek_event(struct vmt_trace_reader *r, uint64_t event,
					struct vmt_error *err);

/** Back to the first record. */
VMT_API int vmt_trace_reader_rewind(struct vmt_trace_reader *r, struct vmt_error *err);

/**
 * Copy the 4096 bytes of page @id. It must be one that the last record named, or one of the same
 * epoch. -VMT_E_NOT_FOUND: there is no such page; -VMT_E_DAMAGED: it is lost.
 */
VMT_API int vmt_trace_reader_page(struct vmt_trace_reader *r, uint64_t id, void *page,
				  struct vmt_error *err);

/** What is known of the trace's state so far. */
struct vmt_trace_state {
	uint16_t major, minor;
	bool ended;                       /**< its END record was read */
	bool footer;                      /**< its footer was read, and is right */
	bool at_end;                      /**< everything was read */
	bool damaged;                     /**< something is lost: see vmt_trace_reader_damage() */
	uint32_t damages;                 /**< how many ranges */
	uint64_t bytes;                   /**< read so far */
	uint64_t records;                 /**< of the events stream, so far */
	struct vmt_trace_digests digests; /**< with the option, at the end */
};
VMT_API void vmt_trace_reader_state(const struct vmt_trace_reader *r,
				    struct vmt_trace_state *state);

/** One range that could not be read. */
struct vmt_trace_damage {
	uint64_t offset, length; /**< in the file, bytes */
	uint8_t stream;          /**< 0 events, 1 pages, 2 index, 255: not known */
	/** Lost positions (events) or page ids: [first, last]; last < first: not known. */
	uint64_t first, last;
	/** Callbacks in which records may be lost: [first, last]. UINT64_MAX: to the end. */
	uint64_t first_callback, last_callback;
	char text[160]; /**< what is wrong */
};

/** Range @n, from 0. 0, or -VMT_E_NOT_FOUND. At most 1024 are kept. */
VMT_API int vmt_trace_reader_damage(const struct vmt_trace_reader *r, uint32_t n,
				    struct vmt_trace_damage *damage);

#ifdef __cplusplus
}
#endif

#endif /* VMITAPE_TRACE_H */
